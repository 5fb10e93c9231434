-- Run by `make test`: the whole host, Altinn in the emulator, a mail server, Teams.
local story = require "spec.support.story"

local RULE = "confirmation-reminder"
local OPTIONS = { rules = { "examples/rules/reminder.lua" }, services = { "teams" }, mail = true,
  targets = [[mail = { mail = "$mail", from = "altinn@agency.example" }, duty = { teams = "$teams/flow" }]],
  now = story.before_easter(27) }

local function letter_to_confirm(one)
  return one:letter { isConfirmationNeeded = true, dueDateTime = "2099-01-01T00:00:00Z" }
end

describe(RULE, function()
  it("reminds twice, then escalates, wherever the host is killed", function()
    local kills = story.with_crashes(OPTIONS, function(one)
      local letter = letter_to_confirm(one)
      one:workdays(3, "09:00")
      assert.are.equal(1, #one:mails())
      one:workdays(2, "09:00")
      assert.are.equal(2, #one:mails())
      assert.are.same({}, one:received "teams")
      one:workdays(2, "09:00")
      local mails = one:mails()
      assert.are.equal(2, #mails)
      assert.is_truthy(mails[2]:find(letter.id, 1, true))
      assert.is_truthy(mails[2]:find("Reminder 2 of 2", 1, true))
      assert.is_truthy(one:only("teams").body:find(letter.id, 1, true))
      assert.are.same({ "done" }, one:states(RULE))
    end)
    assert.is_truthy(kills > 0)
  end)

  it("stops with the confirmation, and does not begin where none is asked for", function()
    local one <close> = story.start(OPTIONS)
    local letter = letter_to_confirm(one)
    one:letter()
    one:workdays(3, "09:00")
    one:step(letter, "read")
    one:step(letter, "confirm")
    one:workdays(2, "09:00")
    one:workdays(2, "09:00")
    assert.are.equal(1, #one:mails())
    assert.are.same({ "skipped: its sender asks for no confirmation" }, { one:verdicts(RULE)[2] })
    assert.is_truthy(one:verdicts(RULE)[1]:find("^skipped: cancelled by event %d+ %(correspondencereceiverconfirmed%)"))
  end)
end)
