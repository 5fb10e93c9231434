-- What is shipped is what is there: every source in a rockspec, versions that agree.

local function lines(command)
  local list, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function rockspec(name)
  local env = {}
  assert(loadfile("rockspec/" .. name .. "-scm-1.rockspec", "t", env))()
  return env
end

local module, host = rockspec("altinn-events"), rockspec("altinn-events-host")

-- file -> the modules that take it, of both rocks.
local function takers()
  local map = {}
  local function take(file, name)
    map[file] = map[file] or {}
    table.insert(map[file], name)
  end
  for _, rock in ipairs{ module, host } do
    for name, what in pairs(rock.build.modules) do
      if type(what) == "string" then
        take(what, name)
      else
        for _, source in ipairs(what.sources) do take(source, name) end
      end
    end
    for name, file in pairs(rock.build.install and rock.build.install.bin or {}) do take(file, "bin:" .. name) end
  end
  return map
end

describe("the rockspecs", function()
  local taken = takers()

  it("name every Lua file, once", function()
    for _, file in ipairs(lines("find lua -name '*.lua'")) do
      local by = taken[file] or {}
      assert.are.equal(1, #by, file .. " is in " .. #by .. " rock modules: " .. table.concat(by, ", "))
    end
  end)

  it("name every C file", function()
    for _, file in ipairs(lines("find csrc -name '*.c'")) do
      assert.is_truthy(taken[file], file .. " is in no rockspec")
    end
  end)

  it("name no file that is not there", function()
    for file, by in pairs(taken) do
      assert.is_true(exists(file), file .. ", named by " .. by[1] .. ", is not there")
    end
  end)

  it("give Lua modules the name of their place", function()
    for _, rock in ipairs{ module, host } do
      for name, what in pairs(rock.build.modules) do
        if type(what) == "string" then
          assert.are.equal("lua/" .. name:gsub("%.", "/") .. ".lua", what)
        end
      end
    end
  end)

  it("keep the core free of libraries", function()
    local core = module.build.modules["altinn.events.core"]
    assert.is_nil(core.libraries)
    for _, source in ipairs(core.sources) do
      assert.is_falsy(source:find("csrc/net/", 1, true) or source:find("csrc/host/", 1, true), source)
    end
  end)

  it("keep the module's Lua free of the host's", function()
    for _, file in pairs(module.build.modules) do
      if type(file) == "string" then
        for name in read(file):gmatch("require%s*%(?%s*[\"']([%w._]+)[\"']") do
          assert.is_nil(host.build.modules[name], file .. " requires " .. name .. " of the host")
        end
      end
    end
  end)

  it("agree with each other", function()
    assert.are.equal(module.version, host.version)
    assert.are.equal(module.source.url, host.source.url)
    assert.are.equal("MIT", module.description.license)
    assert.are.equal("MIT", host.description.license)
  end)
end)

describe("the version", function()
  it("is the newest one of the changelog", function()
    local newest = read("CHANGELOG.md"):match("\n## %[([%w.%-]+)%]")
    assert.are.equal(newest, require("altinn.events")._VERSION:match("[%d.]+[%w.%-]*$"))
  end)
end)

describe("the Makefile", function()
  it("builds what the rockspecs build", function()
    -- The same groups, from the file names alone (see "Which file goes into which module").
    local function group(file)
      if file:match("^csrc/lua/grant") or file:match("^csrc/net/grant") then return "grant" end
      if file:match("^csrc/lua/curl") or file:match("^csrc/net/") then return "curl" end
      if file:match("^csrc/lua/host") or file:match("^csrc/lua/worker") or file:match("^csrc/lua/budget")
        or file:match("^csrc/host/") then return "host" end
      return "core"
    end
    for file, by in pairs(takers()) do
      if file:match("%.c$") then
        local found = false
        for _, name in ipairs(by) do
          found = found or name == "altinn.events." .. group(file)
        end
        assert.is_true(found, file .. " is not in altinn.events." .. group(file))
      end
    end
  end)
end)
