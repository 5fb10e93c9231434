-- Run by `altinn-events test examples/rules`.
local test = require "altinn.events.test"

local RULE = "purged-archive-note"

describe(RULE, function()
  it("puts a note into the archive, at the letter's own address, wherever the host dies", function()
    local world <close> = test.world { rules = { "purged.lua" } }
    world:crash_points(function(one)
      local letter = one:letter()
      letter:purge()
      local event = one:push("correspondencepurged", letter)
      one:advance "1h"
      local note = one:sent("archive")[1]
      assert.same({ "PUT", "/v1/letters/" .. letter.id .. "/purged" }, { note.method, note.path })
      assert.equal(event.time, note.json.purged)
      assert.same({ "done: sent to archive" }, one:verdicts(RULE))
    end)
  end)

  it("wants letters that were deleted, and nothing else", function()
    local world <close> = test.world { rules = { "purged.lua" } }
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:settle()
    assert.is_nil(world:verdict(RULE, letter))
  end)
end)
