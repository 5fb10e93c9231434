-- Run by `busted examples/rules`, or by `make test` with all others.
local events = require "altinn.events"
local rule = require "altinn.events.rule"
local rules = require "altinn.events.rules"

local path = debug.getinfo(1, "S").source:match("^@(.*)_spec%.lua$") .. ".lua"

local function event(type)
  return assert(events.parse(([[{
    "specversion": "1.0", "id": "1", "type": "no.altinn.correspondence.%s",
    "source": "https://platform.tt02.altinn.no/correspondence/api/v1/correspondence",
    "resource": "urn:altinn:resource:acme-letters", "resourceinstance": "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f",
    "subject": "urn:altinn:organization:identifier-no:987654321", "time": "2026-08-20T07:22:19Z"
  }]]):format(type)))
end

describe("purged-archive-note", function()
  local subject = assert(rules.load({ path }))[1]
  local letter = { id = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f" }

  -- The effect of an attempt.
  local function effect_of(type, attempt)
    return rule.verdict(subject.run(event(type), letter, { attempt = attempt })).effects[1]
  end

  it("wants letters that were deleted, and nothing else", function()
    local matcher = events.matcher()
    matcher:add(subject.name, { on = subject.on, when = subject.when })
    assert.are.same({ subject.name }, matcher:match(event("correspondencepurged")))
    assert.are.same({}, matcher:match(event("correspondencepublished")))
  end)

  it("puts a note into the archive, at the letter's own address", function()
    local effect = effect_of("correspondencepurged", 1)
    assert.are.equal("archive", effect.target)
    assert.are.equal("PUT", effect.method)
    assert.are.equal("/v1/letters/" .. letter.id .. "/purged", effect.path)
    assert.are.equal("2026-08-20T07:22:19Z", effect.json.purged)
  end)
end)
