-- The inbox's tables of runs as a C program uses them: lines, lanes and flights, under sanitizers, with the asserts
-- that release builds leave out.
local c_program = require "spec.support.c_program"
local process = require "spec.support.process"

describe("lines, lanes and flights", function()
  it("do at every step of a long random walk what a plain model does", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    local facts = c_program.facts(c_program.compile(folder, "lines",
      "csrc/inbox/lines.c csrc/inbox/lanes.c csrc/inbox/flights.c csrc/inbox/map.c"))
    assert.is_true(facts.sequences > 50000 and facts.pushed > 100000 and facts.claims > 100000)
    assert.is_true(facts.nodes < 7 * 64 + 1, "nodes are used again")
  end)
end)
