-- The formatter of the log in C makes the same lines as the one in Lua, which other hosts use, whatever fields hold.
local process = require "spec.support.process"

local COUNT = 500  -- lines of a seed: they fit the log's buffer, so that none is lost

local function lines_of(path)
  local list = {}
  for line in io.lines(path) do list[#list + 1] = line end
  return list
end

-- The time of a line is that of its making.
local function without_time(line)
  return (line:gsub("^time=%S+", "time=T"):gsub('^{"time":"[^"]*"', '{"time":"T"'))
end

describe("a line of the log", function()
  for _, seed in ipairs { 1, 2, 3, os.time() } do
    it("is the same from C and from Lua: seed " .. seed, function()
      local folder = process.folder()
      finally(function() process.remove(folder) end)
      assert(os.execute(("lua5.4 spec/support/facts.lua %d %d >%s/lua 2>%s/c"):format(seed, COUNT, folder, folder)))
      local wanted, made = lines_of(folder .. "/lua"), lines_of(folder .. "/c")
      assert.are.equal(COUNT, #wanted)
      assert.are.equal(COUNT, #made)
      for number = 1, COUNT do assert.are.equal(wanted[number], without_time(made[number])) end
    end)
  end
end)
