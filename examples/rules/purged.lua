-- A letter that was deleted, by the sender or the recipient, gets a note in the archive: afterwards Altinn
-- answers 404 for it, so the note is all that is left to show when it went.

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
