-- Run by `make test`: the whole host, Altinn in the emulator, a case system.
local story = require "spec.support.story"

local RULE = "follow-up-notification"
local OPTIONS = { rules = { "examples/rules/follow_up.lua" }, services = { "cases" },
  targets = [[cases = { url = "$cases" }]] }

local function notified_letter(one, outcome)
  one.altinn:control("POST", "/world", { contacts = { ["post@987654321.example.no"] = outcome } })
  return one:letter { notification = { notificationTemplate = "GenericAltinnMessage", notificationChannel = "Email" } }
end

describe(RULE, function()
  it("makes a task of a letter of which nobody was notified, once, wherever the host is killed", function()
    local kills = story.with_crashes(OPTIONS, function(one)
      local letter = notified_letter(one, "failed")
      one:advance(900)
      local json = one:only("cases").json
      assert.are.equal(letter.id, json.letter)
      assert.are.same({ { channel = "email", status = "Email_Failed_Bounced" } }, json.tried)
      assert.are.same({ "done" }, one:states(RULE))
    end)
    assert.is_truthy(kills > 0)
  end)

  it("leaves alone a letter that was read, or of which a notification arrived", function()
    local one <close> = story.start(OPTIONS)
    local letter = notified_letter(one, "failed")
    one:step(letter, "read")
    one:advance(900)
    local reached = notified_letter(one, "delivered")
    one:advance(900)
    one:step(reached, "notification-all-failed")  -- a reminder's
    assert.are.same({}, one:received "cases")
    assert.is_truthy(one:verdicts(RULE)[1]:find("^skipped: .*Read"))
    assert.are.equal("skipped: a notification has arrived", one:verdicts(RULE)[2])
  end)
end)
