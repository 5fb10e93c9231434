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

describe("never-read-to-print", function()
  local subject = assert(rules.load({ path }))[1]

  -- A letter with this history, in Altinn's place.
  local function letter_that_was(...)
    local history = { ... }
    local details = { status = history[#history], sendersReference = "ref-1", has_been = function(_, ...)
      for _, wanted in ipairs { ... } do
        for _, status in ipairs(history) do
          if status == wanted then return true end
        end
      end
      return false
    end }
    return { id = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", details = function() return details end }
  end
  local letter = letter_that_was("Published", "Fetched")

  -- The effect of an attempt.
  local function effect_of(type, attempt)
    return rule.verdict(subject.run(event(type), letter, { attempt = attempt })).effects[1]
  end

  it("wants letters that were never read, and nothing else", function()
    local matcher = events.matcher()
    matcher:add(subject.name, { on = subject.on, when = subject.when })
    assert.are.same({ subject.name }, matcher:match(event("correspondencereceiverneverread")))
    assert.are.same({}, matcher:match(event("correspondencereceiverread")))
  end)

  it("sends the letter to print, once by the letter's id", function()
    local effect = effect_of("correspondencereceiverneverread", 1)
    assert.are.equal("print", effect.target)
    assert.are.same({ "print", letter.id }, effect.key)
    assert.are.equal("/v1/jobs", effect.path)
    assert.are.equal(letter.id, effect.json.letter)
    assert.are.equal("ref-1", effect.json.reference)
  end)

  it("leaves alone what was read a moment ago, or deleted unread", function()
    for _, status in ipairs { "Read", "Confirmed", "PurgedByRecipient", "PurgedByAltinn" } do
      local verdict = rule.verdict(subject.run(event("correspondencereceiverneverread"),
        letter_that_was("Published", status), { attempt = 1 }))
      assert.are.equal("skip", verdict.verdict)
      assert.are.equal("already handled: " .. status, verdict.reason)
    end
  end)

  it("gives the same key when Altinn raises the event twice", function()
    local first = effect_of("correspondencereceiverneverread", 1)
    local second = effect_of("correspondencereceiverneverread", 2)
    assert.are.same(first.key, second.key)
  end)
end)
