-- The gate before a body, whole: the real host, and the emulator as Altinn, which pushes.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local process = require "spec.support.process"

local SENDER, RECIPIENT = "991825827", "987654321"

local altinn, one

before_each(function() altinn = emulator.start() end)

after_each(function()
  if one then one:close() end
  altinn:close()
  one = nil
end)

local function start(rules, number, scopes)
  local token = altinn:token { orgNo = number or SENDER, ttl = 86400 * 30,
    scopes = scopes or "altinn:events.subscribe altinn:correspondence.write altinn:serviceowner" }
  one = host.start { rules = { rules = rules },
    config = ('return { base_url = "%s", token = "%s" }'):format(altinn.base, token) }
  altinn:subscribe(("http://127.0.0.1:%d/events"):format(one.port))
end

-- The event of a type about a letter, as Altinn registered it.
local function registered(type, letter)
  for _, event in ipairs(altinn:control("GET", "/events").events) do
    if event.type:match("([^.]+)$") == type and event.resourceinstance == letter.id then return event end
  end
end

local function run_of(id, rule)
  for _, event in ipairs(one:list("--limit", "1000").events) do
    for _, run in ipairs(event.id == id and event.runs or {}) do
      if run.rule == rule then return run end
    end
  end
end

-- Waits until the rule's run of the event has this state.
local function awaits(id, rule, state, seconds)
  local last
  local found = process.wait(seconds or 20, function()
    last = run_of(id, rule)
    return last and last.verdict == state and last or nil
  end)
  return assert(found, ("%s is %s: %s"):format(rule, last and last.verdict or "not there", last and last.reason or ""))
end

local function says(text, wanted)
  assert(tostring(text):find(wanted, 1, true), ("%q does not say %q"):format(tostring(text), wanted))
end

-- Pushes an event that Altinn knows nothing of.
local function forge(like, changes)
  local event = {}
  for name, value in pairs(like) do event[name] = value end
  for name, value in pairs(changes) do event[name] = value end
  for _, name in ipairs { "registered", "sequence" } do event[name] = nil end
  assert.are.equal(200, (one:post(cjson.encode(event))))
  return event.id
end

describe("a rule that wants confirmed events", function()
  it("runs for a letter's true events while a forged one of the letter waits to be vouched for, and after a restart",
    function()
    start [[
      rule { name = "receipt", on = { "correspondencepublished", "correspondencereceiverread" }, trust = "confirmed",
        may = { "read:details" }, run = function(event) return done("saw it") end }]]
    local letter = altinn:letter()
    local published = registered("correspondencepublished", letter)
    awaits(published.id, "receipt", "done")
    local forged = forge(published, { id = "00000000-0000-4000-8000-000000000001",
      time = "2020-01-01T00:00:00Z", resource = "urn:altinn:resource:another" })
    awaits(forged, "receipt", "held")
    altinn:step(letter, "read")
    awaits(registered("correspondencereceiverread", letter).id, "receipt", "done")
    one:restart()
    awaits(forged, "receipt", "held")
    local other = forge(published, { id = "00000000-0000-4000-8000-000000000002" })
    awaits(other, "receipt", "held")  -- its turn came: it does not wait behind the other
  end)

  it("runs for what the letter's history shows, and never for a forged event of a real letter", function()
    start [[
      rule { name = "receipt", on = { "correspondencepublished", "correspondencereceiverread" }, trust = "confirmed",
        may = { "read:details" }, retry = { within = "4s" }, run = function(event) return done("saw it") end }]]
    local letter = altinn:letter()
    local published = registered("correspondencepublished", letter)
    assert.are.equal("saw it", awaits(published.id, "receipt", "done").reason)

    local forged = forge(published, { id = "00000000-0000-4000-8000-000000000001",
      type = "no.altinn.correspondence.correspondencereceiverread",
      subject = "urn:altinn:organization:identifier-no:" .. SENDER })
    local run = awaits(forged, "receipt", "dead")
    says(run.reason, "Altinn knows of no such event")
    says(one:log(), "verdict=held reason=\"Altinn has not vouched for the event yet")

    altinn:step(letter, "read")  -- the true event means the same as the forged one, which must not stand in its way
    altinn:advance "31s"
    local read = registered("correspondencereceiverread", letter)
    assert.are.equal("saw it", awaits(read.id, "receipt", "done").reason)
  end)

  it("waits until the events API shows an event that no history goes into", function()
    start [[
      rule { name = "paper", on = "correspondencereceiverneverread", trust = "confirmed",
        run = function(event) return done("print it") end }]]
    local letter = altinn:letter()
    local ids = altinn:publish { event = { specversion = "1.0", source = altinn.base .. "/correspondence/api/v1"
      .. "/correspondence", type = "no.altinn.correspondence.correspondencereceiverneverread", resourceinstance =
      letter.id, resource = "urn:altinn:resource:acme-letters", id = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e99",
      subject = "urn:altinn:organization:identifier-no:" .. RECIPIENT } }
    local run = awaits(ids[1], "paper", "held")
    says(run.reason, "Altinn has not vouched for the event yet")
    altinn:advance "31s"  -- Altinn shows events 30 s after it has them
    assert.are.equal("print it", awaits(ids[1], "paper", "done").reason)
  end)
end)

describe("unless", function()
  it("skips the letter that was read, and runs for the one that was not", function()
    start [[
      rule { name = "paper", on = "correspondencereceiverneverread", unless = { been = { "Read", "Confirmed" } },
        may = { "read:details" }, run = function(event) return done("print it") end }]]
    local like = registered("correspondencepublished", altinn:letter())
    local never = "no.altinn.correspondence.correspondencereceiverneverread"
    assert.are.equal("print it", awaits(forge(like, { id = "unread", type = never }), "paper", "done").reason)
    local read = altinn:letter()
    altinn:step(read, "read")
    local run = awaits(forge(like, { id = "read", type = never, resourceinstance = read.id }), "paper", "skipped")
    assert.is_truthy(run.reason:find "^the letter has been Read since %d+%-%d%d%-%d%dT%d%d:%d%d:%d%d.* %(unless%)$",
      run.reason)
  end)
end)

describe("an event that repeats an earlier one under another id", function()
  it("is skipped by a rule that does not want repeats", function()
    start [[
      rule { name = "once", on = "correspondencepublished", run = function() return done("ran") end }
      rule { name = "each", on = "correspondencepublished", repeats = true,
        run = function(_, _, context) return done("repeats " .. context.repeats) end }]]
    local published = registered("correspondencepublished", altinn:letter())
    assert.are.equal("ran", awaits(published.id, "once", "done").reason)
    local second = forge(published, { id = "another-id" })
    says(awaits(second, "once", "skipped").reason, "an event before meant the same")
    assert.are.equal("repeats 1", awaits(second, "each", "done").reason)
  end)
end)

describe("a rule in the shadow", function()
  it("confirms nothing and reads no content, and says what it would have done", function()
    start([[
      local may = { "read:overview", "read:content", "confirm" }
      rule { name = "confirms", on = "correspondencepublished", shadow = true, may = may,
        run = function(_, letter) letter:confirm() return done("confirmed") end }
      rule { name = "reads", on = "correspondencepublished", shadow = true, may = may,
        run = function(_, letter)
          pcall(letter.content, letter)
          return done("read")
        end }]], RECIPIENT, "altinn:events.subscribe altinn:correspondence.read")
    local letter = altinn:letter()
    local published = registered("correspondencepublished", letter)
    says(awaits(published.id, "confirms", "shadowed").reason, "it would have done: confirm")
    says(awaits(published.id, "reads", "shadowed").reason, "it would go on with letter:content(), which marks the")
    altinn:advance "1m"
    local shown = altinn:control("GET", "/letters/" .. letter.id)
    local text = cjson.encode(shown)
    assert.is_nil(text:find('"Confirmed"', 1, true))
    assert.is_nil(text:find('"Read"', 1, true))
  end)
end)
