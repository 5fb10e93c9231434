-- A letter that asks for a confirmation and does not get one: the case worker is reminded twice, then those on duty
-- hear of it.
--
-- Events   correspondencepublished starts the clock; a confirmation or a deletion ends it.
-- Powers   reads the letter's details, sends to the targets `mail` and `duty`. Confirms nothing itself.
-- Failures The mail server is down: the mail waits, and with it the next reminder.
--          A confirmation that Altinn never told of: the letter's history is asked before each mail.

local REMINDERS = 2
local ENDS = { "correspondencereceiverconfirmed", "correspondencepurged" }

rule {
  name   = "confirmation-reminder",
  about  = "Not confirmed: remind the case worker twice, then tell those on duty",
  owner  = "post@agency.example",
  on     = "correspondencepublished",
  when   = { resource = "acme-letters" },
  unless = { been = { "Confirmed", "PurgedByRecipient", "PurgedByAltinn" } },
  may    = { "read:details", "send:mail", "send:duty" },

  run = function(event, letter)
    if not letter:details().isConfirmationNeeded then return skip "its sender asks for no confirmation" end
    return later { at = workdays(3, "09:00"), run = "remind", cancel = ENDS }
  end,

  remind = function(event, letter, context)
    local count = (context.memory.reminders or 0) + 1
    return {
      send.mail("mail") {
        key = { letter, "reminder", count },
        to = "case-worker@agency.example",
        subject = ("Not confirmed: letter %s"):format(letter.id),
        text = ("Reminder %d of %d. Due %s."):format(count, REMINDERS, letter:details().dueDateTime or "at no time"),
      },
      remember { reminders = count },
      later { at = workdays(2, "09:00"), run = count < REMINDERS and "remind" or "escalate", cancel = ENDS },
    }
  end,

  escalate = function(event, letter, context)
    return send.teams("duty") {
      key = { letter, "escalation" },
      title = "A letter was not confirmed",
      text = ("The case worker was reminded %d times."):format(context.memory.reminders),
      facts = { { "Letter", letter.id }, { "Resource", event.resource } },
    }
  end,
}
