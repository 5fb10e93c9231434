-- A letter that nobody has read by its due date is sent on paper.

rule {
  name = "never-read-to-print",
  about = "Not read by the due date: the print service sends it on paper",
  on = "correspondencereceiverneverread",
  order = "letter",
  retry = { within = "36h" },

  run = function(event, letter)
    return send.http("print") {
      -- Altinn may raise the event twice, with a new id: the key makes it one sheet of paper.
      key = { "print", letter.id },
      path = "/v1/jobs",
      json = { letter = letter.id, resource = event.resource, due = event.time },
    }
  end,
}
