-- What is shipped is what is there: every file in one rock, versions that agree.
local process = require "spec.support.process"

local root = assert(io.popen "pwd"):read "l"

-- Whether a command line succeeded, and the lines that it printed.
local function run(command)
  local list, pipe = {}, assert(io.popen("{ " .. command .. "; } 2>&1"))
  for line in pipe:lines() do list[#list + 1] = line end
  return (pipe:close()), list
end

local function lines(command)
  local ok, list = run(command)
  assert(ok, table.concat(list, "\n"))
  return list
end

local function rockspec(name)
  local env = {}
  assert(loadfile("rockspec/" .. name .. ".rockspec", "t", env))()
  return env
end

local module, host = rockspec "altinn-events-scm-1", rockspec "altinn-events-host-scm-1"
local files = {
  module = lines "make -s rock-files ROCK=altinn-events",
  host = lines "make -s rock-files ROCK=altinn-events-host",
}

describe("the rocks", function()
  it("hold every Lua file, once", function()
    local rocks = {}
    for rock, list in pairs(files) do
      for _, file in ipairs(list) do
        assert.is_nil(rocks[file], file .. " is in two rocks")
        rocks[file] = rock
      end
    end
    for name, file in pairs(host.build.install.bin) do rocks[file] = "bin:" .. name end
    for _, file in ipairs(lines "find lua -name '*.lua'") do
      assert.is_truthy(rocks[file], file .. " is in no rock")
    end
  end)

  it("hold what they are built of: the modules of the Makefile", function()
    assert.are.same({ ROCK = "altinn-events", MODULES = "core curl grant", BUILD = "build/altinn-events-rock" },
      module.build.variables)
    assert.are.same({ ROCK = "altinn-events-host", MODULES = "host", BUILD = "build/altinn-events-host-rock" },
      host.build.variables)
  end)

  it("keep the module's Lua free of the host's", function()
    local of_host = {}
    for _, file in ipairs(files.host) do
      of_host[file:match "^lua/(.*)%.lua$":gsub("/", ".")] = true
    end
    of_host["altinn.events.host"] = true
    for _, file in ipairs(files.module) do
      for name in process.read(file):gmatch("require%s*%(?%s*[\"']([%w._]+)[\"']") do
        assert.is_nil(of_host[name], file .. " requires " .. name .. " of the host")
      end
    end
  end)

  it("agree with each other", function()
    for _, name in ipairs { "homepage", "issues_url", "license" } do
      assert.is_string(module.description[name])
      assert.are.equal(module.description[name], host.description[name])
    end
    assert.are.equal("MIT", module.description.license)
    assert.are.equal(module.version, host.version)
    assert.are.same(module.source, host.source)
    for _, rock in ipairs { module, host } do
      assert.is_true(#rock.description.labels > 0)
      assert.is_true(#rock.description.summary < 80)
    end
  end)
end)

describe("the modules in C", function()
  local build = os.getenv "AE_BUILD" or "build/lua5.4"

  local function needed(name)
    local list = {}
    for _, line in ipairs(lines(("readelf -d %s/altinn/events/%s.so"):format(build, name))) do
      local library = line:match "NEEDED.*%[(lib.-)%.so"
      if library ~= "libc" then list[#list + 1] = library end
    end
    table.sort(list)
    return list
  end

  -- (A build with sanitizers needs theirs as well.)
  if not os.getenv "LD_PRELOAD" then
    it("need the libraries that the documentation says", function()
      assert.are.same({}, needed "core")
      assert.are.same({ "libcurl" }, needed "curl")
      assert.are.same({ "libcrypto" }, needed "grant")
      assert.are.same({ "libmicrohttpd", "libsqlite3" }, needed "host")
    end)
  end
end)

-- A copy of what rockspec/release.lua reads, to be spoilt.
local function copy()
  local folder = process.folder()
  local inside = folder .. "/lua/altinn"
  assert(os.execute(("mkdir -p %s && cp -r rockspec CHANGELOG.md %s && cp lua/altinn/events.lua %s"):format(inside,
    folder, inside)))
  return folder
end

local function change(path, from, to)
  local text, count = process.read(path):gsub(from, to)
  assert.are.equal(1, count, path)
  process.write(path, text)
end

local function check(folder, more)
  local ok, list = run(("lua5.4 rockspec/release.lua %s/ %s"):format(folder, more or ""))
  return ok, table.concat(list, "\n")
end

describe("the version", function()
  local version = require("altinn.events")._VERSION
  local folder
  before_each(function() folder = copy() end)
  after_each(function() process.remove(folder) end)

  local function git(words)
    lines(("export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1; git -C %s -c user.name=spec -c user.email=a@b %s")
      :format(folder, words))
  end

  it("is one, and all agree with it", function()
    local ok, output = check(root)
    assert.is_truthy(ok, output)
    assert.are.equal(version, output)
  end)

  it("is the one of the changelog", function()
    change(folder .. "/CHANGELOG.md", "\n## %[" .. version:gsub("%.", "%%.") .. "%]", "\n## [9.9.9]")
    local ok, output = check(folder)
    assert.is_falsy(ok)
    assert.is_truthy(output:find("its newest version is 9.9.9", 1, true), output)
  end)

  it("has rockspecs made of the development ones", function()
    change(folder .. "/rockspec/altinn-events-host-scm-1.rockspec", '"argparse >= 0%.7"', '"argparse >= 0.8"')
    local ok, output = check(folder)
    assert.is_falsy(ok)
    assert.is_truthy(output:find("altinn-events-host-" .. version .. "-1.rockspec: is not what", 1, true), output)
    assert.is_nil(output:find("altinn-events-" .. version, 1, true))
    assert.is_truthy(check(folder, "write"))
  end)

  it("is raised in one place", function()
    change(folder .. "/lua/altinn/events.lua", '_VERSION = "[^"]*"', '_VERSION = "1.2.3"')
    change(folder .. "/CHANGELOG.md", "\n## %[" .. version:gsub("%.", "%%."), "\n## [1.2.3")
    assert.is_falsy(check(folder))
    assert.is_truthy(check(folder, "write"))
    local env = {}
    assert(loadfile(folder .. "/rockspec/altinn-events-host-1.2.3-1.rockspec", "t", env))()
    assert.are.equal("1.2.3-1", env.version)
    assert.are.equal("v1.2.3", env.source.tag)
    assert.are.equal("altinn-events == 1.2.3", env.dependencies[2])
  end)

  it("is the one of the tag, and dated by then", function()
    git "init -q"
    git "add -A"
    git "commit -qm all"
    git "tag v9.9.9"
    local ok, output = check(folder)
    assert.is_falsy(ok)
    assert.is_truthy(output:find("tag v9.9.9: lua/altinn/events.lua says " .. version, 1, true), output)
    git "tag -d v9.9.9"
    git("tag v" .. version)
    change(folder .. "/CHANGELOG.md", "(\n## %[" .. version:gsub("%.", "%%.") .. "%] %- )[^\n]*", "%1unreleased")
    ok, output = check(folder)
    assert.is_falsy(ok)
    assert.is_truthy(output:find("says 'unreleased' where its date stands", 1, true), output)
    change(folder .. "/CHANGELOG.md", "unreleased", "2026-08-20")
    ok, output = check(folder)
    assert.is_truthy(ok, output)
  end)

  it("has rockspecs that LuaRocks takes", function()
    for _, file in ipairs(lines "ls rockspec/*.rockspec") do
      local ok, list = run("env -u LD_PRELOAD -u LUA_PATH -u LUA_CPATH luarocks lint " .. file)
      assert.is_truthy(ok, table.concat(list, "\n"))
    end
  end)
end)
