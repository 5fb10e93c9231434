-- A library that is missing, when the modules in C are compiled and when they are loaded: a sentence with the names
-- of its packages.
local libraries = require "altinn.events.support.libraries"
local process = require "spec.support.process"

local quote = process.quote
local root = assert(io.popen "pwd"):read "l"

local function run(command)
  local pipe = assert(io.popen("(" .. command .. ") 2>&1 </dev/null"))
  local output = pipe:read "a"
  return (pipe:close()), output
end

local function sure(command)
  local ok, output = run("env -u LD_PRELOAD " .. command)
  assert(ok, output)
  return output
end

local folder
before_each(function() folder = process.folder() end)
after_each(function() process.remove(folder) end)

local function says(output, words)
  for _, word in ipairs(words) do
    assert.is_truthy(output:find(word, 1, true), ("no '%s' in: %s"):format(word, output))
  end
end

describe("without the header of a library", function()
  -- All headers of the system but those with a name.
  local function headers_without(names)
    local triplet = sure "gcc -print-multiarch":match "%S*"
    local all = folder .. "/include"
    sure(("mkdir -p %s/multiarch && ln -s /usr/include/* %s && ln -s /usr/include/%s/* %s/multiarch"):format(all, all,
      triplet, all))
    for _, name in ipairs(names) do sure(("rm -rf %s/%s %s/multiarch/%s"):format(all, name, all, name)) end
    return ("-nostdinc -isystem %s -isystem %s/multiarch -isystem %s"):format(
      sure "gcc -print-file-name=include":match "[^\n]+", all, all)
  end

  local function compile(source, missing)
    local flags = headers_without(missing)
    local lua = table.concat(missing, " "):find "lua" and "" or "-isystem /usr/include/lua5.4"
    local gcc = "env -u LD_PRELOAD gcc -std=c11 -D_GNU_SOURCE -Icsrc -fsyntax-only"
    return run(("%s %s %s %s"):format(gcc, flags, lua, source))
  end

  it("the compiler says which package to install", function()
    for _, case in ipairs {
      { "csrc/net/curl.c", "curl", "libcurl4-openssl-dev", "libcurl-devel", "curl-dev", "curl (Homebrew)" },
      { "csrc/net/grant_sign.c", "openssl", "libssl-dev", "openssl-devel", "openssl-dev", "openssl@3 (Homebrew)" },
      { "csrc/http/http.c", "microhttpd.h", "libmicrohttpd-dev", "libmicrohttpd-devel", "(Homebrew)" },
      { "csrc/inbox/store_sqlite.c", "sqlite3.h", "libsqlite3-dev", "sqlite-devel", "sqlite-dev", "sqlite (Homebrew)" },
      { "csrc/lua/core/core.c", "lua5.4", "liblua5.4-dev", "lua-devel", "lua5.4-dev", "lua (Homebrew)" },
    } do
      local source = table.remove(case, 1)
      local ok, output = compile(source, { table.remove(case, 1) })
      assert.is_falsy(ok, source .. " compiles without " .. case[1])
      says(output, case)
      sure("rm -rf " .. folder .. "/include")
    end
  end)

  it("(with all of them the same command compiles)", function()
    local ok, output = compile("csrc/net/curl.c", {})
    assert.is_truthy(ok, output)
  end)
end)

-- A module that stands on a library which is removed again.
local function stub(module, library)
  local short = module:match "[^.]+$"
  local place = ("%s/%s"):format(folder, module:gsub("%.", "/"):match "(.*)/")
  process.write(folder .. "/library.c", "int ae_absent(void) { return 1; }\n")
  process.write(folder .. "/module.c",
    ("int ae_absent(void); int luaopen_altinn_events_%s(void *L) { return L ? ae_absent() : 0; }\n"):format(short))
  sure("sh -c " .. quote(("cd %s && mkdir -p %s && gcc -shared -fPIC -Wl,-soname,%s -o %s library.c"):format(folder,
    place, library, library)))
  sure("sh -c " .. quote(("cd %s && gcc -shared -fPIC -o %s/%s.so module.c ./%s && rm %s"):format(folder, place, short,
    library, library)))
end

describe("without the library of a module", function()
  local lua = "LUA_CPATH=%s/?.so\\;\"$LUA_CPATH\" lua5.4 -e %s"

  it("loading it says which package to install", function()
    stub("altinn.events.curl", "libcurl.so.4x")
    local ok, output = run(lua:format(folder, quote [[
      local client = require("altinn.events").client { base_url = "http://127.0.0.1:1", token = "t" }
      client:subscriptions()]]))
    assert.is_falsy(ok)
    says(output, { "altinn.events.curl needs libcurl.so.4x, which is not there", "libcurl4 (Debian, Ubuntu)",
      "libcurl (Fedora)", "libcurl (Alpine)", "curl (Homebrew)" })
  end)

  it("also where keys are needed", function()
    stub("altinn.events.grant", "libcrypto.so.3x")
    local ok, output = run(lua:format(folder, quote [[require("altinn.events").maskinporten {
      client_id = "a", key = "k", kid = "k", scopes = "s", environment = "tt02" }]]))
    assert.is_falsy(ok)
    says(output, { "altinn.events.grant needs libcrypto.so.3x", "libssl3 (Debian", "openssl@3 (Homebrew)" })
  end)

  it("the command says it in one line", function()
    stub("altinn.events.host", "libmicrohttpd.so.12x")
    process.write(folder .. "/rule.lua", 'rule { name = "x", on = "*", run = function() end }')
    for _, verb in ipairs { "run rule.lua", "emulate --listen 127.0.0.1:0", "inbox list" } do
      local ok, output = run(("cd %s && LUA_CPATH=./?.so\\;\"$LUA_CPATH\" lua5.4 %s %s"):format(
        folder, quote(root .. "/lua/altinn-events.lua"), verb))
      assert.is_falsy(ok)
      assert.are.equal("altinn-events: altinn.events.host needs libmicrohttpd.so.12x, which is not there: install "
        .. "libmicrohttpd12 (Debian, Ubuntu), libmicrohttpd (Fedora), libmicrohttpd (Alpine) or libmicrohttpd "
        .. "(Homebrew)\n", output)
    end
  end)

  it("the sentences of other systems are understood", function()
    for _, message in ipairs {
      "Error loading shared library libsqlite3.so.0: No such file or directory (needed by /x/host.so)",
      "dlopen(/x/host.so, 6): Library not loaded: /opt/homebrew/opt/sqlite/lib/libsqlite3.0.dylib\n  Referenced: /x",
    } do
      local sentence = libraries.explain("altinn.events.host", message)
      assert.is_truthy(sentence:find("needs libsqlite3", 1, true), sentence)
      assert.is_truthy(sentence:find("libsqlite3-0 (Debian", 1, true), sentence)
    end
    assert.are.equal("another fault", libraries.explain("altinn.events.host", "another fault"))
  end)

  it("a module that is not there at all names its rock", function()
    local sentence = libraries.explain("altinn.events.host", "module 'altinn.events.host' not found:\n\tno file")
    says(sentence, { "altinn.events.host is not built for Lua 5.4",
      "luarocks --lua-version=5.4 install altinn-events-host" })
  end)
end)
