-- The gate before a body: repeated events, trust, unless. Any Lua, on a virtual clock; Altinn is a function.
local cjson = require "cjson"
local core = require "altinn.events.core"
local events = require "altinn.events"
local gate = require "altinn.events.rules.gate"
local place = require "altinn.events.rules.place"
local retry_table = require "altinn.events.rules.retry_table"
local rules = require "altinn.events.rules.language"
local things = require "altinn.events.rules.thing"
local vouching = require "altinn.events.rules.vouching"

local HOUR = 3600
local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local OTHER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e20"
local RECIPIENT = "urn:altinn:organization:identifier-no:987654321"
local SENDER = "urn:altinn:organization:identifier-no:991825827"

local asked, history, registered, refusals, lines, now

before_each(function()
  asked, registered, refusals, lines, now = {}, {}, {}, {}, 1800000000
  history = { "Initialized", "Published" }
end)

local function details()
  local list = {}
  for index, status in ipairs(history) do
    list[index] = { status = status, statusText = status, statusChanged = ("2026-11-2%dT08:00:00+00:00"):format(index) }
  end
  return (cjson.encode {
    correspondenceId = LETTER, resourceId = "acme-letters", sender = SENDER, recipient = RECIPIENT,
    status = history[#history], statusChanged = "2026-11-28T08:00:00+00:00", statusHistory = list,
    content = { language = "nb", messageTitle = "A", messageSummary = "", messageBody = "b", attachments = {} },
  }:gsub('"attachments":{}', '"attachments":[]'))
end

local function texts_of(list)
  local texts = {}
  for index, event in ipairs(list) do texts[index] = events.encode(event) end
  return "[" .. table.concat(texts, ", ") .. "]"
end

-- A page of the events API: at most `size` events after the one named; an unknown one means the beginning.
local function page(query)
  local after, size, from = query:match "after=([^&]*)", tonumber(query:match "size=(%d+)"), 1
  for index, event in ipairs(registered) do
    if event.id == after then from = index + 1 end
  end
  local list = {}
  for index = from, math.min(#registered, from + size - 1) do list[#list + 1] = registered[index] end
  return texts_of(list)
end

local client = events.client {
  base_url = "http://127.0.0.1:1", token = "a-token-of-a-spec", attempts = 1,
  transport = function(request)
    local path = request.url:match("api/v1/(.*)$")
    local call = path:match("^events%?") and "events" or path:match("/details$") and "details" or path
    asked[#asked + 1] = call
    if refusals[call] then return refusals[call] end
    if call == "events" then return { status = 200, headers = {}, body = page(path) } end
    if not path:find(LETTER, 1, true) then return { status = 404, body = '{"errorCode":1001}' } end
    return { status = 200, body = details() }
  end,
}

local DEFAULT = {
  specversion = "1.0", id = "e-1", source = "https://platform.altinn.no/correspondence/api/v1/correspondence",
  type = "no.altinn.correspondence.correspondencepublished", subject = RECIPIENT, time = "2027-01-15T08:00:00Z",
  resource = "urn:altinn:resource:acme-letters", resourceinstance = LETTER,
}

local function event_of(changes)
  local fields = {}
  for name, value in pairs(DEFAULT) do fields[name] = value end
  for name, value in pairs(changes or {}) do fields[name] = value or nil end
  return assert(events.parse(assert(events.encode(fields))))
end

local function type_of(name) return "no.altinn.correspondence." .. name end

local function job_of(parts, changes, more)
  local fields = { name = "r", on = "*", run = function() end }
  for name, value in pairs(parts) do fields[name] = value end
  local rule, problems = rules.new(fields)
  assert(rule, problems and table.concat(problems, "\n"))
  local job = { rule = rule, event = event_of(changes), sequence = 7, failures = 0, received = now }
  for name, value in pairs(more or {}) do job[name] = value end
  return job
end

local ports = {
  clock = function() return now, now end, random = function() return 0.5 end,
  log = function(level, _, fields) lines[#lines + 1] = level .. " " .. fields.reason end,
}

local function check(job) return gate.check(job, ports, function() return client end) end

-- The failure that the gate raised.
local function failure(job)
  local ok, raised = pcall(check, job)
  assert.is_false(ok)
  return assert(things.failure(raised), tostring(raised))
end

local function says(text, wanted)
  assert.is_truthy(tostring(text):find(wanted, 1, true), ("%q does not say %q"):format(tostring(text), wanted))
end

describe("an event that repeats an earlier one", function()
  it("is skipped where its type happens once, and the reason says so", function()
    local outcome = check(job_of({}, nil, { repeats = 1 }))
    assert.are.equal("skipped", outcome.state)
    says(outcome.reason, "an event before meant the same (correspondencepublished, the same letter and subject)")
    says(check(job_of({}, nil, { repeats = 3 })).reason, "3 events before meant the same")
    assert.are.same({}, asked)
  end)

  it("is let through with repeats = true, where the type may happen again, and for unknown types", function()
    assert.is_nil(check(job_of({ repeats = true }, nil, { repeats = 1 })))
    assert.is_nil(check(job_of({}, { type = type_of "correspondencenotificationdelivered" }, { repeats = 1 })))
    assert.is_nil(check(job_of({}, { type = "no.example.thing" }, { repeats = 1 })))
    assert.is_nil(check(job_of({}, nil, { repeats = 0 })))
    assert.is_nil(check(job_of({}, nil, {})))
  end)

  it("was let through before a timer of it is due", function()
    assert.is_nil(check(job_of({}, nil, { repeats = 1, timer = "{}" })))
  end)
end)

describe("trust = \"hint\"", function()
  it("asks nobody", function()
    assert.is_nil(check(job_of {}))
    assert.is_nil(check(job_of { trust = "hint" }))
    assert.are.same({}, asked)
  end)
end)

describe("trust = \"confirmed\"", function()
  local CONFIRMED = { trust = "confirmed" }

  it("lets an event through that the letter's history shows", function()
    assert.is_nil(check(job_of(CONFIRMED)))
    assert.are.same({ "details" }, asked)
    history = { "Published", "Read", "Confirmed", "PurgedByRecipient" }
    for _, name in ipairs { "correspondencereceiverread", "correspondencereceiverconfirmed", "correspondencepurged",
      "correspondenceinitialized" } do
      assert.is_nil(check(job_of(CONFIRMED, { type = type_of(name), subject = SENDER })), name)
    end
    for _, call in ipairs(asked) do assert.are.equal("details", call) end
  end)

  it("lets a pulled event through: it came from Altinn", function()
    assert.is_nil(check(job_of(CONFIRMED, { type = type_of "correspondencereceiverread" }, { came_by = "pull" })))
    assert.are.same({}, asked)
  end)

  it("holds a forged event for a real letter back, later and later, and gives it up after retry.within", function()
    local job = job_of({ trust = "confirmed", retry = { within = "2h" } },
      { type = type_of "correspondencereceiverread", subject = SENDER })
    local began, pauses = now, {}
    local outcome = check(job)
    while outcome.state == "held" do
      assert.are.equal("trust: Altinn has not vouched for it", outcome.cause)
      says(outcome.reason, "Altinn has not vouched for the event yet")
      pauses[#pauses + 1] = outcome.pause
      now = now + outcome.pause
      outcome = check(job)
    end
    assert.are.equal("dead", outcome.state)
    says(outcome.reason, "Altinn knows of no such event")
    assert.are.equal("trust: Altinn knows of no such event", outcome.cause)
    assert.are.equal(2 * HOUR, now - began)
    assert.are.equal(5, pauses[1])
    for index, pause in ipairs(pauses) do assert.is_true(pause > 0 and pause <= 600, index) end
    assert.is_true(#pauses > 10 and #pauses < 60, #pauses)
  end)

  it("does not take another letter's history for the event's", function()
    for _, changes in ipairs {
      { resource = "urn:altinn:resource:other-letters" }, { subject = SENDER }, { resource = false },
      { resourceinstance = OTHER }, { resourceinstance = "no-uuid" }, { resourceinstance = false },
    } do
      local outcome = check(job_of(CONFIRMED, changes))
      assert.are.equal("held", outcome and outcome.state, cjson.encode(changes))
    end
  end)

  it("asks the events API where the history does not go into it, or is not for this asker", function()
    local due = { type = type_of "correspondencereceiverneverread" }
    assert.are.equal("held", check(job_of(CONFIRMED, due)).state)
    registered = { event_of { id = "e-0", type = due.type }, event_of(due) }
    assert.is_nil(check(job_of(CONFIRMED, due)))
    assert.are.same({ "events", "events" }, asked)
    asked, registered = {}, { event_of() }
    for _, refusal in ipairs { { status = 403, body = "" }, { status = 401, body = '{"errorCode":4001}' },
      { status = 404, body = '{"errorCode":1001}' } } do
      refusals.details = refusal
      assert.is_nil(check(job_of(CONFIRMED)))
    end
    assert.are.same({ "details", "events", "details", "events", "details", "events" }, asked)
    refusals, asked = {}, {}
    assert.is_nil(check(job_of { trust = "confirmed", may = { "send:print" } }))
    assert.are.same({ "events" }, asked)  -- a rule that may not read the details leaves no trace in the letter
  end)

  it("wants the very same event, not one of another letter, type, source or party under its id", function()
    local due = { type = type_of "correspondencereceiverneverread" }
    for name, value in pairs { resourceinstance = OTHER, type = DEFAULT.type, source = "/s", subject = SENDER,
      resource = "urn:altinn:resource:other-letters" } do
      registered = { event_of(due) }
      local changes = { type = due.type }
      registered = { event_of { type = due.type, [name] = value } }
      assert.are.equal("held", check(job_of(CONFIRMED, changes)).state, name)
    end
  end)

  it("finds the event among thousands, and begins the next search near its time", function()
    local due = type_of "correspondencereceiverneverread"
    for index = 1, 2500 do
      registered[index] = event_of { id = "e" .. index, type = due,
        time = os.date("!%Y-%m-%dT%H:%M:%SZ", now - 25000 * 10 + (index == 1200 and 1215 or index) * 100) }
    end
    local function find(index)
      asked = {}
      local outcome = check(job_of(CONFIRMED, { id = "e" .. index, type = due,
        time = registered[index] and registered[index].time }))
      return outcome == nil, #asked
    end
    assert.are.same({ true, 3 }, { find(2400) })
    assert.is_false((find(2600)))
    local found, pages = find(2490)
    assert.is_true(found)
    assert.are.equal(1, pages)
    assert.are.same({ true, 1 }, { find(5) })
    assert.is_true((find(1200)))  -- its time is later than that of events which were registered after it
  end)

  it("holds back what Altinn takes for no filter: no event of its holds such a text", function()
    refusals.events = { status = 400, body = "" }
    assert.are.equal("held", check(job_of(CONFIRMED, { type = type_of "correspondencereceiverneverread" })).state)
  end)

  it("asks about a pushed event where the host says so, and again at different times for different runs", function()
    local pauses = {}
    for index, random in ipairs { 0, 1 } do
      local job = job_of(CONFIRMED, { type = type_of "correspondencereceiverread", subject = SENDER },
        { came_by = "push" })
      local outcome = gate.check(job, setmetatable({ random = function() return random end }, { __index = ports }),
        function() return client end)
      assert.are.equal("held", outcome.state)
      pauses[index] = outcome.pause
    end
    assert.are.same({ 3.75, 6.25 }, pauses)
  end)

  it("is tried again when Altinn cannot be asked, and says what it asked for", function()
    refusals.details = { status = 503, body = "" }
    local raised = failure(job_of(CONFIRMED))
    assert.are.equal("server", raised.code)
    says(raised.message, "trust = \"confirmed\" asks Altinn for the event: ")
    assert.are.equal("again", (retry_table.verdict { kind = raised.code, number = raised.detail.number,
      temporary = raised.detail.temporary }))
    refusals = { events = { status = 403, body = "" } }
    raised = failure(job_of(CONFIRMED, { type = type_of "correspondencereceiverneverread" }))
    assert.are.equal("forbidden", raised.code)
    says(raised.message, "altinn:events.subscribe")
    local ok, value = pcall(gate.check, job_of(CONFIRMED), ports, function() return nil, "no key", "usage" end)
    assert.is_false(ok)
    assert.are.equal("usage", things.failure(value).code)
  end)

  it("lets no forged event stand in the way of the event that it forestalls: Altinn's first one runs", function()
    history = { "Published", "Read" }
    local read = { type = type_of "correspondencereceiverread", subject = SENDER }
    local job = job_of(CONFIRMED, read, { repeats = 1 })
    assert.are.equal("held", check(job).state)
    registered = { event_of { id = "x", type = read.type, subject = SENDER, resourceinstance = OTHER }, event_of(read) }
    assert.is_nil(check(job))
    registered[3] = event_of { id = "e-2", type = read.type, subject = SENDER }
    local second = job_of(CONFIRMED, { id = "e-2", type = read.type, subject = SENDER }, { repeats = 2 })
    assert.are.equal("skipped", check(second).state)
    says(check(second).reason, "2 events before meant the same")
    second.rule.repeats = true
    assert.is_nil(check(second))
  end)

  it("was settled before a timer of the event is due", function()
    assert.is_nil(check(job_of(CONFIRMED, { resourceinstance = OTHER }, { timer = "{}" })))
    assert.are.same({}, asked)
  end)

  it("knows only types of the catalogue and statuses of Altinn", function()
    local statuses = { UploadProcessing = true, Purged = true, Expired = true }
    for _, status in ipairs(core.altinn.statuses) do statuses[status] = true end
    for name, list in pairs(vouching.shown) do
      assert.is_truthy(core.types()[name], name)
      for _, status in ipairs(list) do assert.is_true(statuses[status], status) end
    end
  end)
end)

describe("unless", function()
  local UNLESS = { unless = { been = { "Read", "PurgedByRecipient" } }, may = { "read:details" } }

  it("skips a letter that ever had one of the statuses, and says which and since when", function()
    assert.is_nil(check(job_of(UNLESS)))
    history = { "Published", "Read", "Confirmed" }
    local outcome = check(job_of(UNLESS))
    assert.are.same({ "skipped", "the letter has been Read since 2026-11-22T08:00:00+00:00 (unless)",
      "unless: Read" }, { outcome.state, outcome.reason, outcome.cause })
  end)

  it("takes a letter that a recipient sees no more for deleted, where it names a deletion", function()
    local parts, gone = { may = UNLESS.may, unless = UNLESS.unless }, { resourceinstance = OTHER }
    assert.are.equal("not_found", failure(job_of(parts, gone)).code)  -- it may not be there yet
    local job = job_of(parts, gone, { received = now - 61 })
    local outcome = check(job)
    assert.are.same({ "skipped", "Altinn shows the letter no more, as after a deletion (unless)" },
      { outcome.state, outcome.reason })
    refusals.details = { status = 403, body = "" }
    assert.are.equal("forbidden", failure(job).code)
    refusals.details = nil
    job.rule = job_of({ may = UNLESS.may, unless = { been = { "Read" } } }).rule
    assert.are.equal("not_found", failure(job).code)
  end)

  it("is asked before each body, also of a timer", function()
    history = { "Published", "Read" }
    assert.are.equal("skipped", check(job_of(UNLESS, nil, { timer = "{}", entry = "paper" })).state)
    assert.are.same({ "details" }, asked)
  end)

  it("needs the power to read the details", function()
    local fields = { name = "r", on = "*", unless = { been = { "Read" } }, may = { "send:print" }, run = print }
    local _, problems = rules.new(fields)
    says(problems[1], 'add "read:details" to may')
    fields.may = nil
    assert(rules.new(fields))
    assert.are.same({}, asked)
  end)

  it("fails as the rule's own call would", function()
    refusals.details = { status = 500, body = "" }
    assert.are.equal("server", failure(job_of(UNLESS)).code)
  end)

  it("goes on where Altinn conceals the status, and says so in the log", function()
    history = { "Published", "AttachmentsDownloaded" }
    local text = details():gsub('"messageTitle":"A"', '"messageTitle":""'):gsub('"messageBody":"b"', '"messageBody":""')
      :gsub('"nb"', '"no"')
    refusals.details = { status = 200, body = text }
    assert.is_nil(check(job_of(UNLESS)))
    says(lines[1], "warn unless: whether the letter was PurgedByRecipient cannot be known")
  end)

  it("is for letters", function()
    local outcome = check(job_of(UNLESS, { type = type_of "notificationcreated" }))
    assert.are.equal("dead", outcome.state)
    says(outcome.reason, "unless asks about letters")
    says(outcome.reason, "'order'")
  end)

  it("with a status that is none of Altinn's is refused when the rule is loaded", function()
    local _, problems = rules.new { name = "r", on = "*", unless = { been = { "Reed" } }, run = print }
    says(table.concat(problems, "\n"), "'Reed' is no status of a letter (did you mean 'Read'?)")
  end)
end)

describe("why", function()
  it("shows what is asked when a run begins", function()
    local job = job_of { trust = "confirmed", unless = { been = { "Read", "Confirmed" } } }
    local shown = {}
    for index, one in ipairs(gate.conditions(job.rule, job.event)) do
      shown[index] = one.attribute .. ": " .. one.wants
    end
    assert.are.same({
      "repeats: no earlier event that means the same: correspondencepublished happens once to a thing",
      "trust: Altinn vouches for it: the letter's history has Published, or its events API has the event",
      "unless: the letter has never been Read, Confirmed",
    }, shown)
    job = job_of({ repeats = true }, { type = type_of "notificationcreated" })
    assert.are.equal(0, #gate.conditions(job.rule, job.event))
  end)
end)

describe("a letter of a rule in the shadow", function()
  local function letter(would)
    local job = job_of({ shadow = true, may = { "read:details", "read:content", "mark:read", "confirm", "purge",
      "download" } }, nil, would)
    place.watch(function() return job end)
    return things.new(job.rule, { id = LETTER, kind = "letter" }, function() return client end), job
  end

  after_each(function() place.watch(function() end) end)

  it("is read, and never changed: what would have been done is noted", function()
    local one, job = letter()
    assert.are.equal("Published", one:details().status)
    for _, method in ipairs { "mark_read", "confirm", "purge" } do
      local ok, how = one[method](one)
      assert.are.same({ true, { already = false } }, { ok, how })
    end
    assert.are.same({ "details" }, asked)
    assert.are.same({
      { kind = "mark_read", thing = "letter:" .. LETTER }, { kind = "confirm", thing = "letter:" .. LETTER },
      { kind = "purge", thing = "letter:" .. LETTER },
    }, job.would)
  end)

  it("whose content is wanted ends the body: reading would mark it as read", function()
    for method, words in pairs { content = "letter:content(), which marks the letter as read",
      download = "letter:download(), which Altinn records" } do
      local one, job = letter()
      job.own = {}
      local ok, raised = pcall(one[method], one, "x", "y")
      assert.is_false(ok)
      local outcome = things.shadow_stop(raised)
      assert.are.equal("shadowed", outcome.state)
      says(outcome.reason, "it would go on with " .. words)
      assert.are.equal("shadowed", job.own.ended.state)  -- also when the body catches the error
      assert.are.equal(method, job.would[1].kind)
    end
    assert.are.same({}, asked)
    assert.is_nil(things.shadow_stop("another error"))
  end)

  it("still needs the rule's powers", function()
    local job = job_of { shadow = true, may = { "send:print" } }
    local one = things.new(job.rule, { id = LETTER, kind = "letter" }, function() return client end)
    for _, method in ipairs { "content", "confirm", "mark_read", "purge", "download" } do
      local ok, raised = pcall(one[method], one, "x", "y")
      assert.is_false(ok)
      assert.are.equal("forbidden", things.failure(raised).code)
    end
  end)
end)
