-- Run by `altinn-events test examples/rules`: each world is the host itself, with Altinn in a box and a clock that the
-- spec moves.
local test = require "altinn.events.test"

local RULE = "paper-after-two-days"

-- The Monday before Easter: Maundy Thursday begins the holidays, and two working days later it is Wednesday.
local function before_easter() return test.world { rules = { "paper.lua" }, now = "2027-03-22T09:00:00+01:00" } end

describe(RULE, function()
  it("prints what nobody has opened, once, wherever the host dies", function()
    local world <close> = before_easter()
    world:crash_points(function(one)
      local unread, read = one:letter(), one:letter()
      one:push("correspondencepublished", unread)
      one:push("correspondencepublished", read)
      one:advance "1d"
      read:read()
      one:push("correspondencereceiverread", read)
      one:advance(test.workdays(2))
      one:advance "1h"   -- after a crash the host asks again a little later

      assert.same({ letter = unread.id, reference = unread.sendersReference,
        resource = "urn:altinn:resource:acme-letters" }, one:sent("print")[1].json)
      assert.equal(1, #one:sent "print")
      assert.same({ "done: sent to print", "skipped: cancelled by event 3 (correspondencereceiverread)" },
        one:verdicts(RULE))
    end)
  end)

  it("asks the letter's history when Altinn's event was lost", function()
    local world <close> = before_easter()
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:settle()
    letter:read()
    world:advance(test.workdays(2))
    assert.same({}, world:sent "print")
    assert.matches("skipped: .*Read", tostring(world:verdict(RULE, letter)))
  end)

  it("counts working days, over Easter too", function()
    local world <close> = before_easter()
    world:advance "2d"   -- Wednesday
    world:push("correspondencepublished", world:letter())
    world:advance "6d"   -- Tuesday after Easter: the first working day
    assert.same({}, world:sent "print")
    world:advance "1d"
    assert.equal(1, #world:sent "print")
  end)

  it("asks the print service before it sends a job again that may have arrived", function()
    local world <close> = before_easter()
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:target("print", { "dies after the body", times = 1 })
    world:advance(test.workdays(2))
    world:advance "10m"
    assert.same({ "POST", "GET" }, { world:requests("print")[1].method, world:requests("print")[2].method })
    assert.same({ "done: sent to print" }, world:verdicts(RULE))
  end)
end)
