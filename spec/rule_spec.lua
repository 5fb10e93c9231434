-- The language of rules: rule{…} part by part, verdicts, effects.
local events = require "altinn.events"
local head = require "altinn.events.event.head"
local retry_table = require "altinn.events.rules.retry_table"
local rule = require "altinn.events.rule"

local function nothing() end

-- A rule with these parts on top of what every rule needs.
local function new(parts)
  local fields = { name = "one", on = "correspondencepublished", run = nothing }
  for name, value in pairs(parts or {}) do fields[name] = value end
  return rule.new(fields)
end

local function refused(parts, ...)
  local made, problems = new(parts)
  assert.is_nil(made)
  local text = table.concat(problems, "\n")
  for _, wanted in ipairs { ... } do
    assert(text:find(wanted, 1, true), ("%q does not say %q"):format(text, wanted))
  end
  return problems
end

local function raises(wanted, call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  assert(tostring(message):find(wanted, 1, true), ("%q does not say %q"):format(tostring(message), wanted))
end

local function event(attributes)
  local all = { specversion = "1.0", id = "1", source = "/x" }
  all.type = "no.altinn.correspondence.correspondencepublished"
  for name, value in pairs(attributes or {}) do all[name] = value end
  return assert(events.parse(assert(events.encode(all))))
end

-- Whether the head { on, when } wants an event. A matcher takes conditions on any CloudEvent, a rule those that an
-- event of Altinn can meet.
local function wants(parts, attributes)
  local matcher = events.matcher()
  matcher:add("it", { on = parts.on or "correspondencepublished", when = parts.when })
  return #matcher:match(event(attributes)) == 1
end

describe("a rule's parts:", function()
  it("the least is a name, a head and a body", function()
    local made = assert(new())
    assert.are.equal("one", made.name)
    assert.are.equal("letter", made.order)
    assert.is_true(made.enabled)
    assert.is_nil(made.retry)
    assert.are.equal(nothing, made.run)
    assert.are.same({ { attribute = "type", test = "is", alternatives = {
      { "no.altinn.correspondence.correspondencepublished", prefix = false } } } }, made.conditions)
  end)

  it("what every rule needs is named when it is missing", function()
    local _, problems = rule.new {}
    local text = table.concat(problems, "\n")
    assert.is_truthy(text:find("'name' is missing", 1, true))
    assert.is_truthy(text:find("'run' is missing", 1, true))
    assert.is_truthy(text:find("'on' is missing", 1, true))
    _, problems = rule.new("welcome")
    assert.are.same({ "rule wants a table: rule { name = …, on = …, run = … }" }, problems)
  end)

  it("all problems are told, not only the first", function()
    local problems = refused { order = 1, enabled = "yes", colour = "red", about = false }
    assert.are.equal(4, #problems)
  end)

  it("a name is no place for an identity number", function()
    refused({ name = "for-08895699684" }, "name stands in logs and metrics, and must not hold an identity number")
  end)

  it("an unknown key comes with the nearest right one", function()
    refused({ nmae = "x" }, "unknown key 'nmae' (did you mean 'name'?)")
    refused({ odrer = "letter" }, "unknown key 'odrer' (did you mean 'order'?)")
    refused({ limits = {} }, "unknown key 'limits' (did you mean 'limit'?)")
    local problems = refused({ supercalifragilistic = 1 }, "unknown key 'supercalifragilistic'")
    assert.is_nil(problems[1]:find("did you mean", 1, true))
    refused({ [1] = "x" }, "unknown key '1'")
  end)

  it("a name is one word", function()
    for _, name in ipairs { "a", "never-read.to_print2", ("x"):rep(100) } do
      assert(new { name = name })
    end
    for _, name in ipairs { "", "two words", "-x", "a/b", "a\nb", "blå", ("x"):rep(101) } do
      refused({ name = name }, "name must be a word")
    end
    refused({ name = 7 }, "name must be a word")
  end)

  it("about and owner are texts, run a function, enabled a boolean", function()
    assert(new { about = "what for", owner = "print team", enabled = false })
    refused({ about = 1 }, "about must be a string, not a number")
    refused({ owner = {} }, "owner must be a string, not a table")
    refused({ run = "skip" }, "run must be a function, not a string")
    refused({ enabled = "no" }, "enabled must be true or false, without quotes")
    assert.is_false(assert(new { enabled = false }).enabled)
  end)

  it("order is a thing, an attribute, or false", function()
    assert.are.equal("subject", assert(new { order = "subject" }).order)
    assert.is_false(assert(new { order = false }).order)
    refused({ order = true }, "order must be")
    refused({ order = "Letter" }, "order must be")
    refused({ order = "two words" }, "order must be")
  end)

  it("retry has spans, a count and a list of what is tried again", function()
    local made = assert(new { retry = { within = "1h30m", attempts = 3, on = { "network", 503, "throttled" } } })
    assert.are.same({ within = 5400, attempts = 3, on = { "network", 503, "throttled" } }, made.retry)
    assert.are.same({ within = 90 }, assert(new { retry = { within = 90 } }).retry)
    refused({ retry = "36h" }, "retry must be a table: retry = { within = \"36h\" }")
    refused({ retry = { within = "2 timer", atempts = 2, attempts = "2" } },
      "retry: unknown key 'atempts' (did you mean 'attempts'?)", "retry.attempts must be a whole number above 0",
      "retry.within '2 timer' is no span of time")
    refused({ retry = { "36h" } }, "unknown key '1'")
    refused({ retry = { witin = "36h" } }, "unknown key 'witin' (did you mean 'within'?)")
    refused({ retry = { within = "soon" } }, "retry.within", "'soon' is no span of time")
    refused({ retry = { within = "-1h" } }, "retry.within")
    refused({ retry = { within = true } }, "retry.within", "not a boolean")
    for _, attempts in ipairs { 0, -1, 1.5, "3", 0 / 0, math.huge } do
      refused({ retry = { attempts = attempts } }, "retry.attempts must be a whole number above 0")
    end
    refused({ retry = { on = "network" } }, "retry.on must be a list")
    refused({ retry = { on = { "netwrok" } } }, "retry.on 'netwrok'", "did you mean 'network'?")
    refused({ retry = { on = { network = true } } }, "retry.on must be a list")
    refused({ retry = { on = { "5xx" } } }, "retry.on '5xx'", "server: any 5xx")
    refused({ retry = { on = { 200 } } }, "retry.on '200'")
    refused({ retry = { on = { 600 } } }, "retry.on '600'")
  end)

  it("limit has four bounds, all above zero", function()
    local limit = { seconds = 0.5, instructions = 1000000, memory = 1 << 20, at_once = 4 }
    assert.are.same(limit, assert(new { limit = limit }).limit)
    refused({ limit = 5 }, "limit must be a table")
    refused({ limit = { second = 1 } }, "unknown key 'second' (did you mean 'seconds'?)")
    for _, value in ipairs { 0, -1, "1", 0 / 0 } do
      refused({ limit = { seconds = value } }, "limit.seconds must be a number above 0")
      refused({ limit = { at_once = value } }, "limit.at_once must be a whole number above 0")
      refused({ limit = { memory = value } }, "limit.memory must be a whole number above 0")
      refused({ limit = { instructions = value } }, "limit.instructions must be a whole number above 0")
    end
    refused({ limit = { at_once = 1.5 } }, "limit.at_once must be a whole number above 0")
    -- What the host cannot count with is refused when the rule is loaded.
    refused({ limit = { seconds = math.huge } }, "limit.seconds must be at most 86400")
    refused({ limit = { seconds = 1e6 } }, "limit.seconds must be at most 86400")
    refused({ limit = { instructions = 1e19 } }, "limit.instructions must be at most 1152921504606846976")
    refused({ limit = { memory = 2.0 ^ 63 } }, "limit.memory must be at most 1099511627776")
    refused({ limit = { at_once = 1e9 } }, "limit.at_once must be at most 100000")
  end)

  it("retry.on names a failure by its status or by its class", function()
    local on = assert(new { retry = { on = { "server", "throttled", 404 } } })
    for _, case in ipairs { { 503, true }, { 429, true }, { 404, true }, { "server", true }, { "throttled", true },
      { 408, false }, { 400, false }, { "network", false } } do
      assert.are.equal(case[2], retry_table.is_named(on, { kind = case[1] }), tostring(case[1]))
    end
    local statuses = assert(new { retry = { on = { 503 } } })
    assert.is_true(retry_table.is_named(statuses, { kind = "server", status = 503 }))
    assert.is_false(retry_table.is_named(statuses, { kind = "server", status = 500 }))
    assert.is_nil(retry_table.is_named(assert(new {}), { kind = 503 }))
  end)

  it("may is a list of powers", function()
    assert(new { may = { "read:details", "confirm", "send:print" } })
    assert(new { may = {} })
    refused({ may = "send:print" }, "may must be a list of powers")
    refused({ may = { "read:detials" } }, "may 'read:detials' is no power (did you mean 'read:details'?)")
    refused({ may = { "send:" } }, "may 'send:' is no power")
    refused({ may = { "print" } }, "may 'print' is no power: \"send:TARGET\" sends, and 'altinn-events explain' lists"
      .. " the others")
    refused({ may = { 1 } }, "may '1' is no power")
    refused({ may = { ["send:print"] = true } }, "may must be a list of powers")
  end)

  it("may bounds what it does, and left out means targets, overview and details", function()
    local made = assert(new())
    for _, power in ipairs { "read:overview", "read:details" } do assert.is_true(rule.may(made, power)) end
    for _, power in ipairs { "read:content", "mark:read", "confirm", "purge", "download" } do
      assert.is_false(rule.may(made, power))
    end
    assert.is_true(rule.may(made, "send:print"))
    made = assert(new { may = { "read:details", "send:print" } })
    assert.is_true(rule.may(made, "send:print"))
    assert.is_false(rule.may(made, "send:printer"))
    assert.is_false(rule.may(assert(new { may = {} }), "send:print"))
  end)

  it("a made rule is a copy: changing the table later changes nothing", function()
    local fields = { name = "one", on = "correspondencepublished", run = nothing }
    local made = assert(rule.new(fields))
    fields.name = "other"
    assert.are.equal("one", made.name)
  end)
end)

describe("on", function()
  it("takes short names, full types and stars", function()
    assert.is_true(wants { on = "correspondencepublished" })
    assert.is_true(wants { on = "no.altinn.correspondence.correspondencepublished" })
    assert.is_true(wants { on = "correspondence*" })
    assert.is_true(wants { on = "no.altinn.*" })
    assert.is_true(wants { on = "*" })
    assert.is_false(wants { on = "correspondencepurged" })
    assert.is_true(wants { on = { "correspondencepurged", "correspondencepublished" } })
    assert.is_false(wants({ on = "correspondence*" }, { type = "no.altinn.broker.published" }))
  end)

  it("takes types of others in full", function()
    assert.is_true(wants({ on = "com.example.thing" }, { type = "com.example.thing" }))
    assert.is_true(wants({ on = "filepublished" }, { type = "no.altinn.broker.published" }))
    assert.is_true(wants({ on = "dialogcreated" }, { type = "dialogporten.dialog.created.v1" }))
    assert.is_false(wants({ on = "com.example.thing" }, { type = "com.example.things" }))
  end)

  it("refuses a misspelt type with the nearest right one", function()
    refused({ on = "correspondencepublihsed" }, "'correspondencepublihsed' is no event type that Altinn raises",
      "did you mean 'correspondencepublished'?")
    refused({ on = "no.altinn.correspondence.correspondencepurgd" }, "is no event type", "correspondencepurged")
    refused({ on = { "correspondencepurged", "atachmentpublished" } }, "'atachmentpublished'", "attachmentpublished")
    refused({ on = "correspondencefoo*" }, "on: 'correspondencefoo*' is no event type that Altinn raises")
    refused({ on = "CorrespondenceReceiver*" }, "is no event type")
    refused({ on = "No.Altinn.Correspondence.correspondencepublished" }, "did you mean")
    refused({ on = { "correspondencepublished", " correspondencepurged" } }, "' correspondencepurged' holds a blank")
    refused({ on = "app.instance. created" }, "holds a blank")
    assert(new { on = { "correspondence*", "no.altinn.correspondence.notification*", "dialogporten.*" } })
    refused({ on = "CorrespondencePublished" }, "is no event type", "correspondencepublished")
  end)

  it("refuses what is no type", function()
    refused({ on = "" }, "on: an event type is a text")
    refused({ on = 5 }, "on: an event type is a text")
    refused({ on = true }, "on: an event type is a text")
    refused({ on = {} }, "on: at least one event type is needed")
    refused({ on = "*published" }, "on: ")
    refused({ on = "a*b*" }, "a star may stand only at the end")
  end)

  it("is not left out: every type is \"*\"", function()
    local made, problems = rule.new { name = "a", when = { resource = "acme" }, run = nothing }
    assert.is_nil(made)
    assert.are.same({ "'on' is missing: which event types does the rule want (\"*\" for all)?" }, problems)
    assert(rule.new { name = "a", on = "*", when = { resource = "acme" }, run = nothing })
  end)
end)

describe("when", function()
  local letters = { resource = "urn:altinn:resource:acme-letters" }

  it("a value is equal, a list any of them", function()
    assert.is_true(wants({ when = { subject = "a" } }, { subject = "a" }))
    assert.is_false(wants({ when = { subject = "a" } }, { subject = "ab" }))
    assert.is_false(wants { when = { subject = "a" } })
    assert.is_true(wants({ when = { subject = { "b", "a" } } }, { subject = "a" }))
    assert.is_false(wants({ when = { subject = { "b", "c" } } }, { subject = "a" }))
  end)

  it("all conditions must hold", function()
    local when = { subject = "a", resourceinstance = "1" }
    assert.is_true(wants({ when = when }, { subject = "a", resourceinstance = "1" }))
    assert.is_false(wants({ when = when }, { subject = "a", resourceinstance = "2" }))
  end)

  it("prefix, present, absent and no", function()
    assert.is_true(wants({ when = { subject = head.prefix "/party/" } }, { subject = "/party/5" }))
    assert.is_false(wants({ when = { subject = head.prefix "/party/" } }, { subject = "/person/5" }))
    assert.is_true(wants({ when = { subject = { head.prefix "x", "/a" } } }, { subject = "/a" }))
    assert.is_true(wants({ when = { subject = head.present } }, { subject = "x" }))
    assert.is_false(wants { when = { subject = head.present } })
    assert.is_true(wants { when = { subject = head.absent } })
    assert.is_false(wants({ when = { subject = head.absent } }, { subject = "x" }))
    assert.is_true(wants { when = { subject = head.no "x" } })
    assert.is_true(wants({ when = { subject = head.no "x" } }, { subject = "y" }))
    assert.is_false(wants({ when = { subject = head.no "x" } }, { subject = "x" }))
    assert.is_false(wants({ when = { subject = head.no { "x", "y" } } }, { subject = "y" }))
    assert.is_false(wants({ when = { subject = head.no(head.prefix "/p") } }, { subject = "/person" }))
    assert.is_true(wants({ when = { subject = head.no(head.prefix "/p") } }, { subject = "/org" }))
  end)

  it("resource has a short form", function()
    assert.is_true(wants({ when = { resource = "acme-letters" } }, letters))
    assert.is_true(wants({ when = { resource = "urn:altinn:resource:acme-letters" } }, letters))
    assert.is_true(wants({ when = { resource = head.prefix "acme-" } }, letters))
    assert.is_true(wants({ when = { resource = { "other", "acme-letters" } } }, letters))
    assert.is_false(wants({ when = { resource = head.no "acme-letters" } }, letters))
    assert.is_false(wants({ when = { resource = "acme-letter" } }, letters))
  end)

  it("recipient and sender have short forms", function()
    local organisation = { subject = "urn:altinn:organization:identifier-no:987654321" }
    local person = { subject = "urn:altinn:person:identifier-no:12345678901" }
    for _, who in ipairs { "recipient", "sender" } do
      assert.is_true(wants({ when = { [who] = "987654321" } }, organisation))
      assert.is_false(wants({ when = { [who] = "987654322" } }, organisation))
      assert.is_true(wants({ when = { [who] = "12345678901" } }, person))
      assert.is_true(wants({ when = { [who] = organisation.subject } }, organisation))
      assert.is_true(wants({ when = { [who] = { "111111111", "987654321" } } }, organisation))
    end
    assert.is_true(wants({ when = { recipient = 987654321 } }, organisation))
  end)

  it("numbers and booleans are the texts they have in an event", function()
    assert.is_true(wants({ when = { number = 5 } }, { number = 5 }))
    assert.is_true(wants({ when = { flag = true } }, { flag = true }))
    assert.is_false(wants({ when = { flag = true } }, { flag = false }))
  end)

  it("takes the register's code before an organisation's number", function()
    local organisation = { subject = "urn:altinn:organization:identifier-no:987654321" }
    assert.is_true(wants({ when = { recipient = "0192:987654321" } }, organisation))
    assert(new { when = { recipient = "0192:987654321", resource = "acme-letters" } })
    refused({ when = { recipient = "0192:98765432" } },
      "when.recipient: '0192:98765432' is not how events name a party")
  end)

  it("refuses values that no event of Altinn has, each under the name that was written", function()
    for _, case in ipairs {
      { { recipient = "987 654 321" }, "when.recipient: '987 654 321' holds a blank" },
      { { recipient = "ola@example.no" }, "when.recipient: 'ola@example.no' is not how events name a party" },
      { { recipient = 1017012345 }, "when.recipient: '1017012345' is not how events name a party" },
      { { sender = "12345678" }, "when.sender: '12345678' is not how events name a party" },
      { { recipient = "urn:altinn:person:identifier-no:123" }, "when.recipient", "eleven digits" },
      { { recipient = "" }, "when.recipient: '' is empty" },
      { { subject = "987654321" }, "when.subject: '987654321' is not how events name a party",
        "when.recipient and when.sender take the number alone" },
      { { subject = "/organisation/987654321" }, "when.subject", "is not how events name a party" },
      { { resource = "Acme-Letters" }, "when.resource: 'urn:altinn:resource:Acme-Letters' holds a capital letter" },
      { { resource = " acme-letters" }, "when.resource", "holds a blank" },
      { { resource = "acme-letters\n" }, "when.resource", "holds a control character" },
      { { resource = "urn:altinn:resurs:acme" }, "when.resource", "must begin with urn:altinn:resource:" },
      { { resource = head.prefix "Acme" }, "when.resource", "holds a capital letter" },
      { { resource = { "acme-letters", "two words" } },
        "when.resource: 'urn:altinn:resource:two words' holds a blank" },
      { { resource = head.no "Acme" }, "when.resource", "holds a capital letter" },
      { { source = "https://platform.altinn.no/ correspondence" }, "when.source", "holds a blank" },
      { { resourceinstance = "0198C3A2-7B1D-7C55-8F0E-2A4B6C8D0E1F" }, "when.resourceinstance", "in lower case" },
      { { alternativesubject = "987654321" }, "when.alternativesubject", "/organisation/NNNNNNNNN" },
      { { type = "correspondencepublished" }, "when.type: 'correspondencepublished' is a short name" },
      { { type = "no.altinn.correspondence.CorrespondencePublished" }, "when.type", "holds a capital letter" },
      { { reciever = "987654321" }, "when.reciever: no event of Altinn carries such an attribute",
        "here it is when.recipient" },
      { { recipent = "987654321" }, "when.recipent", "did you mean 'recipient'?" },
      { { ressource = head.absent }, "when.ressource", "did you mean 'resource'?" },
    } do
      refused({ when = case[1] }, table.unpack(case, 2))
    end
    local problems = refused({ when = { recipient = "01017012345 " } }, "when.recipient: '*********** ' holds a blank")
    assert.are.equal(1, #problems)
  end)

  it("takes what an event of Altinn can have", function()
    for _, when in ipairs {
      { recipient = 987654321, sender = head.no "123456789" }, { subject = "/party/50001234" },
      { subject = { head.prefix "urn:altinn:person:", "urn:altinn:organization:identifier-no:987654321" } },
      { alternativesubject = "/organisation/987654321", id = "any id", time = head.present },
      { resourceinstance = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", dataschema = head.absent },
      { subject = "urn:altinn:person:idporten-email:ola@example.no" }, { source = head.prefix "https://platform." },
      { type = head.no "no.altinn.correspondence.correspondencepurged", resource = head.prefix "acme-" },
    } do
      local made, problems = new { when = when }
      assert(made, problems and problems[1])
    end
  end)

  it("tells of all that is wrong, each once", function()
    local problems = refused({ on = "correspondencefoo", when = { resource = "Acme", Subject = "x", reciever = "1",
      recipient = { "987654321", "1 2" }, sender = {} } })
    assert.are.equal(6, #problems)
    for index, wanted in ipairs { "on: 'correspondencefoo'", "when.Subject: attribute names", "when.reciever: no event",
      "when.recipient: '1 2'", "when.resource: ", "when.sender: an empty list" } do
      assert(problems[index]:find(wanted, 1, true), problems[index])
    end
  end)

  it("leads from Altinn's words to ours", function()
    refused({ resourceFilter = "acme-letters" }, "unknown key 'resourceFilter'", "when.resource")
    refused({ subjectFilter = "987654321" }, "unknown key 'subjectFilter'", "when.recipient or when.sender")
    refused({ typeFilter = "x" }, "unknown key 'typeFilter'", "here it is on")
    refused({ when = { resourceFilter = "acme" } }, "when.resourceFilter", "here it is when.resource")
    refused({ when = { resourcefilter = "acme" } }, "when.resourcefilter", "here it is when.resource")
    refused({ when = { subjectfilter = "acme" } }, "when.subjectfilter", "when.recipient or when.sender")
  end)

  it("refuses what is no condition", function()
    refused({ when = "acme-letters" }, "when must be a table of conditions")
    refused({ when = { "acme-letters" } }, "when: each condition needs the name of its attribute")
    refused({ when = { subject = {} } }, "when.subject: an empty list matches nothing")
    refused({ when = { subject = nothing } }, "when.subject: a condition is a text", "not a function")
    refused({ when = { subject = 1.5 } }, "when.subject", "not a number")
    refused({ when = { ["data.status"] = "x" } }, "when.data.status: attribute names are lower-case letters and digits")
    refused({ when = { subject = { head.absent } } }, "when.subject")
  end)

  it("the words raise on what they cannot mean", function()
    raises("prefix wants a text that is not empty", head.prefix, "")
    raises("prefix wants a text", head.prefix, 5)
    raises("no wants a text", head.no, nil)
    raises("no wants a text", head.no, head.absent)
    raises("no wants a text", head.no, head.no "x")
  end)
end)

describe("verdicts:", function()
  it("nothing is done", function()
    assert.are.equal("done", rule.verdict(nil).verdict)
    assert.are.equal("done", rule.verdict({}).verdict)
  end)

  it("skip and fail want a reason", function()
    local verdict = rule.verdict(rule.skip("not ours"))
    assert.are.equal("skip", verdict.verdict)
    assert.are.equal("not ours", verdict.reason)
    assert.are.equal("fail", rule.verdict(rule.fail("broken")).verdict)
    raises("skip wants a reason", rule.skip)
    raises("skip wants a reason", rule.skip, 5)
    raises("fail wants a reason", rule.fail)
  end)

  it("retry_after takes a span and perhaps a reason", function()
    local verdict = rule.verdict(rule.retry_after("10m", "busy"))
    assert.are.equal("later", verdict.verdict)
    assert.are.equal(600, verdict.after)
    assert.are.equal("busy", verdict.reason)
    assert.are.equal(2.5, rule.retry_after(2.5).after)
    assert.is_string(rule.retry_after("1d").reason)
    raises("retry_after: '10 minutes' is no span of time", rule.retry_after, "10 minutes")
    raises("retry_after", rule.retry_after, -1)
    raises("retry_after", rule.retry_after, 0 / 0)
    raises("retry_after", rule.retry_after)
    raises("retry_after: the reason is a text", rule.retry_after, 1, {})
  end)

  it("an effect keeps what it was given", function()
    local verdict = rule.verdict(rule.send.http "print" { key = { "print", 7 }, path = "/v1", json = { a = 1 } })
    assert.are.equal("effects", verdict.verdict)
    assert.are.equal(1, #verdict.effects)
    local effect = verdict.effects[1]
    assert.are.equal(1, effect.place)
    assert.are.equal("http", effect.kind)
    assert.are.equal("print", effect.target)
    assert.are.same({ "print", 7 }, effect.key)
    assert.are.equal("/v1", effect.path)
    assert.are.same({ a = 1 }, effect.json)
    assert.are.same({ "single" }, rule.send.http "print" { key = "single" }.key)
    assert.is_nil(rule.send.http "print" {}.key)
  end)

  it("a list of effects may have holes", function()
    local a, b = rule.send.http "a" { body = "x" }, rule.send.http "b" { body = "y" }
    local verdict = assert(rule.verdict { nil, a, nil, b })
    assert.are.equal("effects", verdict.verdict)
    assert.are.same({ "a", "b" }, { verdict.effects[1].target, verdict.effects[2].target })
    assert.are.same({ 2, 4 }, { verdict.effects[1].place, verdict.effects[2].place })
    assert.are.equal("done", assert(rule.verdict { nil, nil }).verdict)
    local places, list = { 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987 }, {}
    for index = #places, 1, -1 do list[places[index]] = rule.send.http "a" { body = tostring(places[index]) } end
    for index, effect in ipairs(assert(rule.verdict(list)).effects) do
      assert.are.same({ places[index], tostring(places[index]) }, { effect.place, effect.body })
    end
  end)

  it("a list of effects is one verdict", function()
    local list = { rule.send.http "a" { body = "x" }, rule.send.http "b" { body = "y" } }
    local verdict = rule.verdict(list)
    assert.are.equal("effects", verdict.verdict)
    assert.are.equal(2, #verdict.effects)
  end)

  it("an effect that is written wrong raises where it stands", function()
    raises("send.http wants the name of a target", rule.send.http)
    raises("send.http(target) wants a table", rule.send.http "print", "x")
    raises("unknown key 'jsn' (did you mean 'json'?)", rule.send.http "print", { jsn = {} })
    raises("json and body exclude each other", rule.send.http "print", { json = {}, body = "x" })
    raises("part 2 of the key is a table", rule.send.http "print", { key = { "a", {} } })
    raises("part 1 of the key is a boolean", rule.send.http "print", { key = { true } })
    raises("the key is empty", rule.send.http "print", { key = {} })
    raises("part 1 of the key is a nil", rule.send.http "print", { key = { nil, "letter" } })
    raises("the key is empty", rule.send.http "print", { key = { letter = "1" } })
    local _, message = pcall(function() rule.send.http "print" { jsn = {} } end)
    assert.is_truthy(message:find("^spec/rule_spec.lua:%d+:"), message)
  end)

  it("anything else is no verdict", function()
    for _, value in ipairs { "skip", 5, true, { reason = "x" }, { "x" }, { rule.skip "x" }, nothing } do
      local verdict, message = rule.verdict(value)
      assert.is_nil(verdict)
      assert.is_truthy(message:find("a rule returns nothing, a verdict", 1, true))
    end
    assert.is_nil((rule.verdict(false)))
    local _, message = rule.verdict { rule.send.http "a" { body = "x" }, "y" }
    assert.is_truthy(message:find("item 2", 1, true))
  end)

  it("a look-alike table is no verdict", function()
    assert.is_nil((rule.verdict { verdict = "skip", reason = "made by hand" }))
  end)
end)

describe("spans of time", function()
  local duration = require "altinn.events.support.duration"

  it("are read as people write them", function()
    local spans = { ["90s"] = 90, ["10m"] = 600, ["36h"] = 129600, ["3d"] = 259200, ["1h30m"] = 5400, ["0.5h"] = 1800 }
    for text, seconds in pairs(spans) do assert.are.equal(seconds, duration.parse(text)) end
    assert.are.equal(0, duration.parse(0))
    assert.are.equal(1.5, duration.parse(1.5))
  end)

  it("are refused with how to write them", function()
    for _, text in ipairs { "", "10", "m", "10 m", "-1s", "1h ", "1w", "1.h.", "1h30" } do
      local seconds, message = duration.parse(text)
      assert.is_nil(seconds, text)
      assert.is_truthy(message:find("write it like 90s, 10m, 36h or 3d", 1, true))
    end
    for _, value in ipairs { -1, math.huge, 0 / 0, true } do assert.is_nil((duration.parse(value))) end
  end)
end)

describe("suggestions", function()
  local suggest = require "altinn.events.support.suggest"

  it("name the nearest word, swaps counting once", function()
    assert.are.equal("order", suggest.nearest("odrer", { "order", "owner" }))
    assert.are.equal("retry", suggest.nearest("Retry", { retry = 1, run = 2 }))
    assert.are.equal(" (did you mean 'limit'?)", suggest.hint("limits", { limit = true }))
  end)

  it("stay away when nothing is near", function()
    assert.is_nil(suggest.nearest("colour", { "on", "run" }))
    assert.are.equal("", suggest.hint("colour", {}))
    assert.is_nil(suggest.nearest(("x"):rep(101), { "x" }))
    assert.is_nil(suggest.nearest(5, { "x" }))
  end)
end)
