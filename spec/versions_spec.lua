-- The five Luas: each build in each of them.
local process = require "spec.support.process"

local LUAS = { "lua5.1", "lua5.2", "lua5.3", "lua5.4", "luajit" }

-- Without what a sanitizer of this process preloads.
local function run(command)
  local pipe = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  return text, ok
end

-- A Lua program under the build for `build`.
local function lua(name, build, arguments)
  return run(("LUA_PATH='lua/?.lua;lua/?/init.lua;./?.lua' LUA_CPATH='build/%s/?.so' %s %s"):format(
    build, name, arguments))
end

-- Lua 5.1 and LuaJIT name themselves alike, and take each other's builds.
local function family(name) return name == "luajit" and "Lua 5.1" or "Lua " .. name:match("[%d.]+$") end

describe("the module", function()
  setup(function()
    for _, name in ipairs(LUAS) do
      local text, ok = run(("make --no-print-directory LUA=%s modules"):format(name:match("[%d.]+$") or name))
      assert(ok, text)
    end
  end)

  it("tells a Lua that it was not built for, in a sentence", function()
    for _, build in ipairs(LUAS) do
      for _, name in ipairs(LUAS) do
        for _, module in ipairs { "core", "curl", "grant" } do
          local text, ok = lua(name, build, ("-e 'require \"altinn.events.%s\"'"):format(module))
          local what = ("%s of %s in %s: %s"):format(module, build, name, text)
          if family(build) == family(name) then assert(ok, what)
          else
            assert(not ok, what)
            local sentence = ("was built for %s, and %s loads it: build it again"):format(family(build), family(name))
            assert(text:find(sentence, 1, true), what)
          end
        end
      end
    end
  end)

  it("loads rule files, and tells their mistakes where they stand", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    assert(os.execute("mkdir -p " .. folder .. "/lib"))
    process.write(folder .. "/lib/words.lua", 'return { text = "hello" }')
    process.write(folder .. "/good.lua", [[
      local words = require "words"
      rule { name = "good", on = "*", run = function() return skip(words.text) end }
      rule { name = "bad", on = "*", run = function() return skip() end }]])
    process.write(folder .. "/try.lua", [[
      local set = assert(require("altinn.events.rules").load { arg[1] })
      print(set[1].run().reason, select(2, pcall(set[2].run)))]])
    for _, name in ipairs(LUAS) do
      local text, ok = run(("LUA_PATH='lua/?.lua;;' LUA_CPATH='build/%s/?.so;;' %s %s/try.lua %s/good.lua"):format(
        name, name, folder, folder))
      assert(ok, text)
      assert(text:find("hello", 1, true), name .. ": " .. text)
      assert(text:find("good.lua:3: skip wants a reason", 1, true), name .. ": " .. text)
    end
  end)
end)
