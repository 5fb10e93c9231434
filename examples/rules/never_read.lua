-- A letter that nobody has read by its due date is sent on paper. Altinn raises the event also for a letter that was
-- deleted unread, or read a moment ago: the letter's history says so.

rule {
  name = "never-read-to-print",
  about = "Not read by the due date: the print service sends it on paper",
  on = "correspondencereceiverneverread",
  may = { "read:details", "send:print" },
  order = "letter",
  retry = { within = "36h" },

  run = function(event, letter)
    local details = letter:details()
    if details:has_been("Read", "Confirmed", "PurgedByRecipient", "PurgedByAltinn") then
      return skip("already handled: " .. details.status)
    end
    return send.http("print") {
      -- Altinn may raise the event twice, with a new id: the key makes it one sheet of paper.
      key = { "print", letter.id },
      path = "/v1/jobs",
      json = { letter = letter.id, reference = details.sendersReference, resource = event.resource, due = event.time },
    }
  end,
}
