-- Run by `make test`: the whole host, Altinn in the emulator, a file.
local process = require "spec.support.process"
local story = require "spec.support.story"

local RULE = "receipts"
local OPTIONS = { rules = { "examples/rules/receipts.lua" },
  targets = [[receipts = { append = "$FOLDER/receipts.csv" }]] }

describe(RULE, function()
  it("writes a line for each event, once, wherever the host is killed", function()
    local kills = story.with_crashes(OPTIONS, function(one)
      local letter = one:letter { sendersReference = '=1+"1' }
      one:step(letter, "read")
      one:step(letter, "confirm")
      one:advance(10)  -- Altinn tells of it later
      local what, lines = {}, process.read(one.folder .. "/receipts.csv")
      for line in lines:gmatch("([^\n]*)\n") do
        local time, word, id, reference = line:match("^([^;]+);([^;]+);([^;]+);([^;]+);")
        what[#what + 1] = word
        assert.are.same({ letter.id, [["'=1+""1"]] }, { id, reference })
        assert.is_truthy(time:find("^%d%d%d%d%-%d%d%-%d%dT"))
      end
      assert.are.same({ "published", "read", "confirmed" }, what)
      assert.are.same({ "done", "done", "done" }, one:states(RULE))
    end)
    assert.is_truthy(kills > 0)
  end)
end)
