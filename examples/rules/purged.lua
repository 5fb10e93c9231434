-- A letter that was deleted, by the sender or the recipient, gets a note in the archive: its recipient, and whoever
-- asks for its overview, gets 404 from then on. Its sender still sees the details.

rule {
  name = "purged-archive-note",
  about = "A letter was deleted in Altinn: note it in the archive",
  on = "correspondencepurged",
  order = "letter",

  run = function(event, letter)
    return send.http("archive") {
      key = { "purged", letter.id },
      method = "PUT",
      path = "/v1/letters/" .. letter.id .. "/purged",
      json = { letter = letter.id, resource = event.resource, purged = event.time },
    }
  end,
}
