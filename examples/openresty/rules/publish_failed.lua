-- A letter that could not be published is sent on paper.

rule {
  name = "publish-failed-to-print",
  about = "Could not be published: the print service sends it on paper",
  on = "correspondencepublishfailed",
  order = "letter",
  retry = { within = "36h" },

  run = function(event, letter)
    return send.http("print") {
      -- Altinn may raise the event twice, with a new id: the key makes it one sheet of paper.
      key = { "print", letter.id },
      path = "/v1/jobs",
      json = { letter = letter.id, resource = event.resource, failed = event.time },
    }
  end,
}
