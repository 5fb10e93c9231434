-- The rocks as their users meet them: packed from the release's tag, installed by Debian's LuaRocks into a fresh tree
-- without a network, for each Lua; then the specs run against that tree, in a folder that holds nothing but them.
-- ROCKS=full (make check-rocks): every Lua, LuaRocks' own compiler flags, all specs of the module, those of the host.
local process = require "spec.support.process"

local quote = process.quote
local is_full = os.getenv "ROCKS" == "full"
local root = assert(io.popen "pwd"):read "l"

local LUAS = is_full and { "5.1", "5.2", "5.3", "5.4", "luajit" } or { "5.1", "5.3", "5.4", "luajit" }
local MODULE_SPECS = { "events", "match", "plan", "client_module", "thing" }
local HOST_SPECS = { "command", "command_inbox", "emulator_command" }
if is_full then
  MODULE_SPECS = { "events", "vectors", "match", "grant", "maskinporten", "plan", "client_module", "thing", "corpus" }
  HOST_SPECS = { "command", "command_inbox", "commands_plan", "emulator_command", "emulator_letters", "host_rules",
    "host_letters", "host_wire" }
end

-- A sanitizer that is preloaded here is not for compilers and LuaRocks.
local CLEAN = "env -u LD_PRELOAD -u LUA_PATH -u LUA_CPATH -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u AE_BUILD "

local folder

-- A command line in a folder: whether it succeeded, and what it printed.
local function run(place, command)
  local pipe = assert(io.popen(("cd %s && (%s) 2>&1 </dev/null"):format(quote(place), command)))
  local output = pipe:read "a"
  return (pipe:close()), output
end

local function rocks(what, lua)
  local flags = is_full and "" or "CFLAGS=-O0 MAKEFLAGS=-j2 "
  local ok, output = run(root, ("%s%s.ci/rocks %s %s %s"):format(CLEAN, flags, what, quote(folder), lua or ""))
  assert(ok, output)
end

local function abi_of(lua) return lua == "luajit" and "5.1" or lua end

local function interpreter_of(lua) return lua == "luajit" and lua or "lua" .. lua end

-- The environment in which only a tree and Debian's own modules are found.
local function within(tree, lua)
  local share, lib = ("%s/share/lua/%s"):format(tree, abi_of(lua)), ("%s/lib/lua/%s"):format(tree, abi_of(lua))
  return CLEAN .. ("LUA_PATH=%s LUA_CPATH=%s PATH=%s:\"$PATH\" AE_BUILD=%s "):format(
    quote(share .. "/?.lua;" .. share .. "/?/init.lua;;"), quote(lib .. "/?.so;;"), quote(tree .. "/bin"),
    quote(".." .. tree:sub(#folder + 1)))  -- as seen from the folder of the specs
end

-- The files of Lua and C that the rocks for this Lua install, below share/lua and lib/lua.
local function expected_files(lua)
  local list = {}
  for _, rock in ipairs { "altinn-events", lua == "5.4" and "altinn-events-host" or nil } do
    local ok, output = run(root, "make -s rock-files ROCK=" .. rock)
    assert(ok, output)
    for file in output:gmatch "lua/([^\n]+)" do list[#list + 1] = ("share/lua/%s/%s"):format(abi_of(lua), file) end
  end
  for _, name in ipairs { "core", "curl", "grant", lua == "5.4" and "host" or nil } do
    list[#list + 1] = ("lib/lua/%s/altinn/events/%s.so"):format(abi_of(lua), name)
  end
  table.sort(list)
  return list
end

local function files_of(tree)
  local ok, output = run(tree, "find share/lua lib/lua -type f | LC_ALL=C sort")
  assert(ok, output)
  local list = {}
  for line in output:gmatch "[^\n]+" do list[#list + 1] = line end
  table.sort(list)
  return list
end

local function spec_files(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = ("spec/%s_spec.lua"):format(name) end
  return table.concat(list, " ")
end

-- Runs specs under the tree; how many passed.
local function passed(tree, lua, names)
  local ok, output = run(folder .. "/specs", ("%s%s \"$(command -v busted)\" %s"):format(within(tree, lua),
    interpreter_of(lua), spec_files(names)))
  assert.is_truthy(ok, output)
  return tonumber(output:match "(%d+) success")
end

-- Loads everything, then says where the code came from: one path a line.
local ORIGINS = [[
local events = require "altinn.events"
for _, name in ipairs { "core", "curl", "grant" } do require("altinn.events." .. name) end
print(debug.getinfo(events.validate, "S").source:sub(2))
for line in io.lines "/proc/self/maps" do
  local path = line:match "r%-xp.-(/.*/altinn/.*%.so)$"
  if path then print(path) end
end
]]

setup(function()
  folder = process.folder()
  rocks "pack"
  assert(os.execute(("mkdir %s/specs && ln -s %s %s/specs/spec"):format(folder, quote(root .. "/spec"), folder)))
  process.write(folder .. "/specs/origins.lua", ORIGINS)
end)

teardown(function() process.remove(folder) end)

for _, lua in ipairs(LUAS) do
  describe("luarocks install, " .. interpreter_of(lua) .. ":", function()
    local tree
    setup(function()
      tree = ("%s/%s/tree"):format(folder, lua)
      rocks("install", lua)
    end)

    it("the tree holds what the rockspecs name, and no more", function()
      assert.are.same(expected_files(lua), files_of(tree))
    end)

    it("code comes from the tree alone", function()
      local ok, output = run(folder .. "/specs", within(tree, lua) .. interpreter_of(lua) .. " origins.lua")
      assert.is_truthy(ok, output)
      local count = 0
      for path in output:gmatch "[^\n]+" do
        assert.are.equal(tree .. "/", path:sub(1, #tree + 1))
        count = count + 1
      end
      assert.are.equal(4, count, output)
    end)

    it("the specs of the module pass", function()
      assert.is_true(passed(tree, lua, MODULE_SPECS) > 60)
    end)
  end)
end

describe("the build for Lua 5.1", function()
  it("serves LuaJIT too", function()
    assert.is_true(passed(folder .. "/5.1/tree", "luajit", MODULE_SPECS) > 60)
  end)

  it("is refused by another Lua, with what to do", function()
    local path = quote(folder .. "/5.1/tree/lib/lua/5.1/?.so")
    local ok, output = run("/", CLEAN .. "LUA_CPATH=" .. path .. " lua5.4 -e 'require \"altinn.events.core\"'")
    assert.is_falsy(ok)
    assert.is_truthy(output:find "built for Lua 5.1, and Lua 5.4 loads it: build it again" or
      output:find "undefined symbol", output)
  end)
end)

-- The command, called by its path from other folders, with no help from the environment.
local function command_works(tree)
  for _, place in ipairs { "/", folder, folder .. "/specs" } do
    local ok, output = run(place, CLEAN .. tree .. "/bin/altinn-events version")
    assert.is_truthy(ok, output)
    assert.are.equal(("altinn-events %s (Lua 5.4)\n"):format(require("altinn.events")._VERSION), output)
  end
  process.write(folder .. "/bad.lua", 'rule { name = "x", on = "correspondencepublishd", run = function() end }')
  local ok, output = run(folder, CLEAN .. tree .. "/bin/altinn-events check bad.lua")
  assert.is_falsy(ok)
  assert.is_truthy(output:find("did you mean 'correspondencepublished'?", 1, true), output)
end

describe("the installed command", function()
  it("works from any folder", function() command_works(folder .. "/5.4/tree") end)

  it("passes the specs of the host", function()
    assert.is_true(passed(folder .. "/5.4/tree", "5.4", HOST_SPECS) > 40)
  end)
end)

describe("the binary rocks", function()
  it("install without a compiler, and work", function()
    rocks("binary", "5.4")
    local tree = folder .. "/5.4/binary"
    assert.are.same(expected_files "5.4", files_of(tree))
    assert.is_true(passed(tree, "5.4", MODULE_SPECS) > 60)
    command_works(tree)
  end)
end)

describe("luarocks remove", function()
  it("leaves nothing behind", function()
    local remove = "LUAROCKS_CONFIG=binary.lua luarocks --lua-version=5.4 remove "
    local ok, output = run(folder .. "/5.4", CLEAN .. remove .. "altinn-events-host && " .. CLEAN .. remove
      .. "altinn-events")
    assert.is_truthy(ok, output)
    ok, output = run(folder .. "/5.4/binary", "find share lib/lua bin -type f")
    assert.are.equal("", output:gsub("find: [^\n]*\n", ""), ok)
  end)
end)

describe("make install", function()
  it("makes a tree that works from any folder, and uninstall leaves none of it", function()
    local prefix = folder .. "/a prefix"
    local make = CLEAN .. "SETUP=no make -s %s PREFIX=" .. quote(prefix)
    local ok, output = run(root, make:format "install")
    assert(ok, output)
    command_works(quote(prefix))
    ok, output = run(prefix, "find share/lua lib/lua -type f | wc -l")
    assert.is_truthy(ok and tonumber(output) > 60, output)
    assert(run(root, make:format "uninstall"))
    ok, output = run(prefix, "find . -not -type d; find . -name '*altinn*'")
    assert.are.equal("", output, ok)
  end)
end)
