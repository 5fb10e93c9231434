-- The lines that coverage counts, against what luac lists; and paths under their one name.
local lines = require "altinn.events.test.runner.lines"
local paths = require "altinn.events.support.path"
local process = require "spec.support.process"

-- The lines with an instruction, as `luac -l` tells them.
local function listed(file)
  local found, pipe = {}, assert(io.popen("luac5.4 -l -l -p " .. process.quote(file)))
  for line in pipe:lines() do
    local number, name = line:match "^%s+%d+%s+%[(%d+)%]%s+(%u+)"
    if number and name ~= "VARARGPREP" then found[tonumber(number)] = true end  -- no hook sees that one
  end
  assert(pipe:close())
  return found
end

describe("the lines of a file that can be run", function()
  it("are those that luac lists, but for ends of blocks", function()
    local pipe, count = assert(io.popen "find lua examples -name '*.lua' | sort"), 0
    for file in pipe:lines() do
      local text, wanted, found = process.read(file), listed(file), {}
      for _, line in ipairs(lines.of(text)) do
        assert(wanted[line], ("%s:%d has no instruction"):format(file, line))
        found[line] = true
      end
      local number = 0
      for line in (text .. "\n"):gmatch "(.-)\n" do
        number = number + 1
        local has_meaning = wanted[number] and not found[number] and line:gsub("%-%-.*", "")
          :gsub("%f[%w_]end%f[^%w_]", ""):gsub("%f[%w_]else%f[^%w_]", ""):find "[^%s%)}%],;]"
        assert(not has_meaning, ("%s:%d is passed over: %s"):format(file, number, line))
      end
      count = count + 1
    end
    pipe:close()
    assert(count > 200, count)
  end)

  it("are none in a text that does not compile", function()
    assert.are.same({}, lines.of "local x = = 1")
    assert.are.same({ 1, 3 }, lines.of "local x = 1\n-- no\nreturn function() return x end\n")
  end)
end)

describe("a path", function()
  it("has one name from the working folder", function()
    for path, wanted in pairs { ["rules/a.lua"] = "rules/a.lua", ["./rules//a.lua"] = "rules/a.lua",
      ["/home/me/rules/a.lua"] = "rules/a.lua", ["rules/../b.lua"] = "b.lua", ["../you/a.lua"] = "/home/you/a.lua",
      ["/etc/a.lua"] = "/etc/a.lua", ["."] = ".", ["/home/me"] = ".", ["/home/mean/a.lua"] = "/home/mean/a.lua" } do
      assert.are.equal(wanted, paths.plain(path, "/home/me"), path)
    end
  end)
end)
