-- Run by `altinn-events test examples/rules`.
local test = require "altinn.events.test"

local RULE = "follow-up-notification"

-- A letter of which its recipient is notified, with this outcome.
local function notified_letter(world, outcome)
  world:control("POST", "/world", { contacts = { ["post@987654321.example.no"] = outcome } })
  local letter = world:letter {
    notification = { notificationTemplate = "GenericAltinnMessage", notificationChannel = "Email" } }
  world:advance "15m"   -- until Altinn knows
  return letter
end

describe(RULE, function()
  it("makes a task of a letter of which nobody was notified, once, wherever the host dies", function()
    local world <close> = test.world { rules = { "follow_up.lua" } }
    world:crash_points(function(one)
      local letter = notified_letter(one, "failed")
      one:push("correspondencenotificationallfailed", letter)
      one:advance "1h"
      local task = one:sent("cases")[1].json
      assert.equal(letter.id, task.letter)
      assert.same({ { channel = "email", status = "Email_Failed_Bounced" } }, task.tried)
      assert.same({ "done: sent to cases" }, one:verdicts(RULE))
    end)
  end)

  it("makes one task of two events, also when nobody knows whether the first task arrived", function()
    local world <close> = test.world { rules = { "follow_up.lua" }, targets = { cases = "dies after the body" } }
    local letter = notified_letter(world, "failed")
    local first = world:push("correspondencenotificationcreationfailed", letter)
    world:advance "7d"   -- the case system never answers, and the rule gives up
    assert.equal("dead", world:verdict(RULE, first).state)
    world:target("cases", "up")
    world:push("correspondencenotificationallfailed", letter)
    world:advance "1h"
    assert.equal(1, #world:sent "cases")
    assert.equal(first.time, world:sent("cases")[1].json.since)   -- the same task, to the letter
    assert.equal("done: sent to cases", tostring(world:verdict(RULE, letter)))
  end)

  it("leaves alone a letter that was read, or of which a notification arrived", function()
    local world <close> = test.world { rules = { "follow_up.lua" } }
    local read = notified_letter(world, "failed")
    read:read()
    local reached = notified_letter(world, "delivered")
    world:push("correspondencenotificationallfailed", read)
    world:push("correspondencenotificationallfailed", reached)   -- a reminder's
    world:settle()
    assert.same({}, world:sent "cases")
    assert.matches("skipped: .*Read", tostring(world:verdict(RULE, read)))
    assert.equal("skipped: a notification has arrived", tostring(world:verdict(RULE, reached)))
  end)
end)
