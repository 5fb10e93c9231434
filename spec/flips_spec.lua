-- Flips: what would make a rule want an event, or not want it; tried over random heads and events.
local events = require "altinn.events"
local flips = require "altinn.events.rules.flips"
local generator = require "spec.support.generator"

local PAIRS = 10000

local function parsed(fields) return assert(events.parse(assert(events.encode(fields)))) end

local function event(attributes)
  local all = { specversion = "1.0", id = "1", source = "/x", type = "t" }
  for name, value in pairs(attributes) do all[name] = value end
  return parsed(all)
end

local function wants(head, one)
  local matcher = events.matcher()
  matcher:add("it", head)
  return matcher:match(one)[1] == "it"
end

local TYPE = "no.altinn.correspondence.correspondencepublished"

describe("a flip", function()
  it("names the change of the event, and of the rule, in words", function()
    local head = { on = "correspondencepurged", when = { resource = "acme-letters", subject = events.absent } }
    local one = event { type = TYPE, resource = "urn:altinn:resource:other", subject = "urn:altinn:x:12345678901" }
    local changes = flips.event(head, one)
    assert.are.equal("type were correspondencepurged and resource were acme-letters and subject were absent",
      flips.event_text(changes))
    local wider, new = flips.rule(head, one)
    assert.are.equal("on also named correspondencepublished and when.resource also named other"
      .. " and when.subject were left out", flips.rule_text(wider))
    assert.is_true(wants(new, one))
    assert.is_false(wants(head, one))
  end)

  it("of no(…) leaves out what excludes the event, and keeps the rest", function()
    local head = { when = { id = events.no { "1", "2", events.prefix "3" } } }
    local changes, new = flips.rule(head, event { id = "1" })
    assert.are.equal("when.id did not exclude 1", flips.rule_text(changes))
    assert.is_true(wants(new, event { id = "1" }))
    assert.is_false(wants(new, event { id = "2" }))
    assert.is_false(wants(new, event { id = "34" }))
  end)

  it("gives one value to an attribute with several conditions", function()
    local head = { on = "correspondence*", when = { type = events.no(TYPE) } }
    local one = event { type = TYPE }
    local changes = flips.event(head, one)
    assert.is_true(wants(head, parsed(flips.applied(one, changes))))
    local party = { when = { recipient = "987654321", subject = events.prefix "urn:altinn:organization" } }
    changes = flips.event(party, one)
    assert.are.equal("subject were urn:altinn:organization:identifier-no:987654321", flips.event_text(changes))
  end)

  it("takes a payload away that the new media type forbids", function()
    local one = event { datacontenttype = "application/json", data = { a = 1 } }
    local head = { when = { datacontenttype = "text/plain" } }
    local changes = flips.event(head, one)
    assert.is_true(wants(head, parsed(flips.applied(one, changes))))
    assert.are.equal("datacontenttype were text/plain and data were absent", flips.event_text(changes))
  end)

  it("is not made up when no event can be meant", function()
    local changes, attribute = flips.event({ when = { id = events.absent } }, event {})
    assert.is_nil(changes)
    assert.are.equal("id", attribute)
    assert.is_nil((flips.event({ when = { subject = "a", sender = "b" } }, event {})))
    assert.is_nil((flips.broken({ when = { id = events.present } }, event {}, 1)))
  end)

  it("shows no identity number", function()
    local changes = flips.event({ when = { recipient = "12345678901" } }, event {})
    assert.are.equal("subject were urn:altinn:person:identifier-no:***********", flips.event_text(changes))
  end)
end)

-- Random heads over the attributes and values of the generator's events.

local ATTRIBUTES = { "id", "source", "time", "subject", "datacontenttype", "a", "b2", "resource", "resourceinstance",
  "alternativesubject", "n", "recipient", "sender", "type" }
local OWN = {
  id = { "1", "0b6f6a1e-6d1f", "x y", "åøæ", "?" },
  source = { "/x", "https://platform.tt02.altinn.no/correspondence", "urn:altinn:x", "//host", "%41", "mailto:a@b.no" },
  time = { "2026-08-20T07:22:19Z", "1970-01-01T00:00:00Z", "2026-08-20T09:22:19+02:00" },
  datacontenttype = { "application/json", "text/plain", "application/vnd.x+json" },
  type = { TYPE, "com.example.thing", "platform.events.validatesubscription", "t" },
  subject = { "urn:altinn:organization:identifier-no:987654321", "/party/50002108", "s", "å b" },
}
local OTHERS = { "x", 'q"\\/', "\195\165", "true", "false", "0", "-2147483648", "urn:altinn:resource:acme",
  "987654321" }
local BEGINNINGS = { id = { "0", "x" }, source = { "/", "http", "urn:" }, time = { "2", "2026-", "1970-01-01T" },
  datacontenttype = { "a", "text/" }, type = { "no.", "com.example", TYPE:sub(1, 40) },
  others = { "x", "u", "urn:altinn:", "9", "/" } }
local ONES = { "correspondencepublished", "correspondencepurged", "com.example.thing",
  "platform.events.validatesubscription", "correspondence*", "com.*" }

local function pick(random, list) return list[random(#list)] end

local function value_for(random, name)
  if random(4) == 1 then return events.prefix(pick(random, BEGINNINGS[name] or BEGINNINGS.others)) end
  return pick(random, OWN[name] or OTHERS)
end

local function some_values(random, name)
  if random(2) == 1 then return value_for(random, name) end
  local list = {}
  for index = 1, random(3) do list[index] = value_for(random, name) end
  return list
end

local function condition_for(random, name)
  local kind = random(8)
  if kind == 1 then return events.absent end
  if kind == 2 then return events.present end
  if kind <= 4 then return events.no(some_values(random, name)) end
  return some_values(random, name)
end

local function random_head(random)
  local head = { when = {} }
  local kind = random(4)
  if kind == 1 then head.on = pick(random, ONES)
  elseif kind == 2 then head.on = { pick(random, ONES), pick(random, ONES) }
  elseif kind == 3 then head.on = "*" end
  for _ = 1, random(4) do
    local name = pick(random, ATTRIBUTES)
    head.when[name] = condition_for(random, name)
  end
  return head
end

-- Each value that a head may name, and each that begins as one may.
local function values_of(attribute)
  local list = {}
  local function add(text)
    for _, ending in ipairs { "", "x", "0", "T00:00:00Z", "01-01T00:00:00Z", "altinn.no/x", "/plain" } do
      list[#list + 1] = text .. ending
    end
  end
  for _, pool in ipairs { OWN[attribute] or OTHERS, BEGINNINGS[attribute] or BEGINNINGS.others } do
    for _, text in ipairs(pool) do add(text) end
  end
  for _, entry in pairs(events.types) do list[#list + 1] = entry.type end
  add "urn:altinn:organization:identifier-no:987654321"
  return list
end

-- Whether no value of an attribute meets its conditions, whatever the others do: tries all that may.
local function is_contradictory(head, attribute, one)
  local own = { on = attribute == "type" and head.on or nil, when = {} }
  for name, wanted in pairs(head.when) do
    if ((name == "recipient" or name == "sender") and "subject" or name) == attribute then own.when[name] = wanted end
  end
  local fields = events.totable(one)
  fields[attribute] = nil
  if events.validate(fields) and wants(own, parsed(fields)) then return false end
  for _, value in ipairs(values_of(attribute)) do
    fields[attribute] = value
    if events.validate(fields) and wants(own, parsed(fields)) then return false end
  end
  return true
end

describe("stated flips", function()
  local function tally() return { flipped = 0, matched = 0, impossible = 0, broken = 0 } end
  local count = tally()

  local function check_unmatched(head, one, at)
    local changes, attribute = flips.event(head, one)
    if changes then
      assert(wants(head, parsed(flips.applied(one, changes))), at .. ": the event's flip does not flip")
      count.flipped = count.flipped + 1
    else
      assert(is_contradictory(head, attribute, one), at .. ": no flip was found for " .. attribute)
      count.impossible = count.impossible + 1
    end
    local parts, wider = flips.rule(head, one)
    assert(#parts > 0 and wants(wider, one), at .. ": the rule's flip does not flip")
  end

  local function check_matched(head, one, at)
    local matcher = events.matcher()
    matcher:add("it", head)
    local _, conditions = matcher:explain(one, "it")
    for place in ipairs(conditions) do
      local changes = flips.broken(head, one, place)
      if changes then
        assert(not wants(head, parsed(flips.applied(one, changes))), at .. ": the broken condition still matches")
        count.broken = count.broken + 1
      else
        assert(wants({ when = { [conditions[place].attribute] = events.present } }, one), at .. ": nothing breaks it")
      end
    end
    count.matched = count.matched + 1
  end

  it("flip " .. PAIRS .. " random pairs of event and rule, and breaking a reason ends a match", function()
    local number, random = 0, generator.random(12)
    while count.flipped < PAIRS do
      number = number + 1
      local fields, head = generator.event(number), random_head(random)
      if events.validate(fields) then
        local one, at = parsed(fields), "pair " .. number
        if wants(head, one) then check_matched(head, one, at) else check_unmatched(head, one, at) end
      end
    end
    assert(count.matched > PAIRS / 50, "too few pairs match: " .. count.matched)
    assert(count.broken > count.matched / 2)
    assert(count.impossible > 0)
  end)
end)
