-- The same file as for the host: rules do not know where they run.
rule {
  name = "never-read-to-print",
  about = "Not read by the due date: the print service sends it on paper",
  on = "correspondencereceiverneverread",
  when = { resource = "acme-letters" },

  run = function(event, letter)
    return send.http("print") {
      key = { "print", letter.id },
      path = "/v1/jobs",
      json = { letter = letter.id, resource = event.resource },
    }
  end,
}
