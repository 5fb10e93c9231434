-- A letter that nobody has opened two working days after it came goes out on paper.
--
-- Events   correspondencepublished starts the clock. A reading, a confirmation or a deletion that Altinn tells of ends
--          it. Should that event be lost, the letter's own history is asked before anything is printed.
-- Powers   reads the letter's details, sends to the target `print`. Opens nothing, so the letter stays unread.
-- Failures The print service is down: the job waits up to 36 hours, then it is a dead letter.
--          The host dies while a job is on its way: the print service is asked whether it has the job (`printed`)
--          before the same job is sent again.
--          The letter is read while the paper is in the post: nothing can be done, both arrive.

rule {
  name   = "paper-after-two-days",
  about  = "Nobody opened the letter within two working days: send it on paper",
  owner  = "post@agency.example",
  on     = "correspondencepublished",
  when   = { resource = "acme-letters" },
  unless = { been = { "Read", "Confirmed", "PurgedByRecipient", "PurgedByAltinn" } },
  may    = { "read:details", "send:print" },
  retry  = { within = "36h" },

  run = function()
    return later {
      at = workdays(2), run = "paper",
      cancel = { "correspondencereceiverread", "correspondencereceiverconfirmed", "correspondencepurged" },
    }
  end,

  paper = function(event, letter)
    return send.http("print") {
      key = letter, probe = "printed", path = "/v1/jobs",
      json = { letter = letter.id, reference = letter:details().sendersReference, resource = event.resource },
    }
  end,

  -- Asked only when it is not known whether a job has arrived.
  printed = function(event, letter, context)
    local reply = context.get("/v1/jobs/" .. letter.id)
    if reply.status == 200 then return sent end
    if reply.status == 404 then return not_sent end
    error("the print service answered " .. reply.status)
  end,
}
