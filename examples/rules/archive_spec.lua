-- Run by `busted examples/rules`, or by `make test` with all others.
local events = require "altinn.events"
local rule = require "altinn.events.rule"
local rules = require "altinn.events.rules"

local path = debug.getinfo(1, "S").source:match("^@(.*)_spec%.lua$") .. ".lua"

local function event(recipient)
  return assert(events.parse(([[{
    "specversion": "1.0", "id": "1", "type": "no.altinn.correspondence.correspondencepublished",
    "source": "https://platform.tt02.altinn.no/correspondence/api/v1/correspondence",
    "resource": "urn:altinn:resource:acme-letters", "resourceinstance": "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f",
    "subject": "urn:altinn:organization:identifier-no:%s", "time": "2026-08-20T07:22:19Z"
  }]]):format(recipient)))
end

-- A letter that notes what is done with it, and a rule that writes nothing.
local function archived(overview)
  local done = {}
  local letter = { id = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f" }
  function letter.overview() return overview end
  function letter.download(_, attachment, place) done[#done + 1] = "download " .. attachment.id .. " " .. place end
  function letter.mark_read() done[#done + 1] = "read" end
  function letter.confirm() done[#done + 1] = "confirm" end
  local file = { write = function(_, text)
    done[#done + 1] = text
    return true
  end, close = function() return true end }
  local subject = assert(rules.load({ path }, { globals = { io = { open = function(place)
    done[#done + 1] = "open " .. place
    return file
  end } } }))[1]
  local verdict = rule.verdict(subject.run(event "987654321", letter, { attempt = 1 }))
  return done, verdict, subject
end

describe("archive-letter", function()
  local base = "/srv/letters/0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

  it("archives first, then tells Altinn", function()
    local done, verdict = archived { isConfirmationNeeded = true, content = { messageTitle = "Hello",
      messageBody = "A *letter*", attachments = { { id = "a", fileName = "../offer.pdf" } } } }
    assert.are.same({ "download a " .. base .. "-1-__offer.pdf", "open " .. base .. ".md",
      "# Hello\n\nA *letter*\n", "read", "confirm" }, done)
    assert.are.equal("archived in /srv/letters", verdict.reason)
  end)

  it("confirms only where the sender asks for it", function()
    local done, _, subject = archived { isConfirmationNeeded = false, content = { messageTitle = "t", messageBody = "b",
      attachments = {} } }
    assert.are.equal("read", done[#done])
    local matcher = events.matcher()
    matcher:add(subject.name, { on = subject.on, when = subject.when })
    assert.are.equal(1, #matcher:match(event "987654321"))
    assert.are.equal(0, #matcher:match(event "123456789"))
  end)
end)
