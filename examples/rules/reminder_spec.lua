-- Run by `altinn-events test examples/rules`.
local test = require "altinn.events.test"

local RULE = "confirmation-reminder"

local function new_world() return test.world { rules = { "reminder.lua" }, now = "2027-03-01T08:00:00+01:00" } end

local function letter_to_confirm(world)
  local letter = world:letter { isConfirmationNeeded = true, dueDateTime = "2027-06-01T00:00:00Z" }
  world:push("correspondencepublished", letter)
  return letter
end

describe(RULE, function()
  it("reminds twice, then escalates, wherever the host dies", function()
    local world <close> = new_world()
    world:crash_points(function(one)
      local letter = letter_to_confirm(one)
      one:advance(test.workdays(3, "09:30"))
      assert.equal(1, #one:sent "mail")
      one:advance(test.workdays(2, "09:30"))
      assert.equal(2, #one:sent "mail")
      assert.same({}, one:sent "duty")
      one:advance(test.workdays(2, "09:30"))
      local mail, card = one:sent("mail")[2], one:sent("duty")[1]
      assert.equal("Not confirmed: letter " .. letter.id, mail.subject)
      assert.matches("Reminder 2 of 2", mail.text)
      assert.equal("The case worker was reminded 2 times.", card.text)
      assert.equal("done", one:verdict(RULE, letter).state)
    end)
  end)

  it("stops with the confirmation, and does not begin where none is asked for", function()
    local world <close> = new_world()
    local letter, plain = letter_to_confirm(world), world:letter()
    world:push("correspondencepublished", plain)
    world:advance(test.workdays(3, "09:00"))
    letter:read()
    letter:confirm()
    world:advance "1m"
    world:push("correspondencereceiverconfirmed", letter)
    world:advance(test.workdays(4, "09:00"))
    assert.equal(1, #world:sent "mail")
    assert.same({ "skipped: cancelled by event 3 (correspondencereceiverconfirmed)",
      "skipped: its sender asks for no confirmation" }, world:verdicts(RULE))
  end)
end)
