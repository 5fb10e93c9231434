-- A rehearsal of events under rules, and what two of them differ in.
local comparison = require "altinn.events.host.comparison"
local config_module = require "altinn.events.host.config"
local prepare = require "altinn.events.host.prepare"
local process = require "spec.support.process"
local rehearsal = require "altinn.events.host.rehearsal"

local CHANGES = tonumber(os.getenv "RULE_CHANGES") or 20  -- 1,000 in `make soak`
local START = 1795856400  -- 2026-11-28T09:00:00Z
local RESOURCES = { "acme-letters", "acme-taxes" }
local TYPES = { "correspondencepublished", "correspondencereceiverread", "correspondencepurged",
  "correspondencereceiverneverread" }

-- Words in <> are what a change replaces.
local RULES = [[
rule { name = "<reminds>", on = "<correspondencepublished>", when = { resource = "<acme-letters>" },
  run = function() return later { at = <workdays(2)>, run = "paper", cancel = { "<correspondencereceiverread>" } } end,
  paper = function(event, letter)
    local details = letter:details()
    if details.sendersReference == "<ref-3>" then return skip("<nothing to send>") end
    return send.http("<print>") { key = letter, method = "<POST>", path = "/<v1/jobs>", json = {
      letter = letter.id, reference = details.<sendersReference>, copies = <1> } }
  end }
rule { name = "<notes>", on = { "<correspondencepurged>", "correspondencereceiverneverread" },
  run = function(event, letter, context)
    local count = (context.memory.count or 0) + <1>
    return { send.mail("duty") { key = letter, to = "<duty@agency.example>", subject = "<Deleted>",
      text = "It is letter " .. letter.id .. " <for the time>" .. count }, remember { count = count } }
  end }
rule { name = "skips", on = "correspondencereceiverread",
  run = function(event) return skip("<read> of " .. event.id) end }
]]

-- Each turns a text into another one of the same form; nil: it cannot.
local KINDS = {
  function(word) return word:find "^correspondence" and TYPES[math.random(#TYPES)] end,
  function(word) return word == "acme-letters" and "acme-taxes" end,
  function(word) return word:find "^workdays" and ("workdays(%d)"):format(math.random(3, 9)) end,
  function(word) return word == "print" and "archive" end,
  function(word) return word == "POST" and (math.random(2) == 1 and "PUT" or "PATCH") end,
  function(word) return word == "sendersReference" and "resourceId" end,
  function(word) return word == "1" and tostring(math.random(2, 99)) end,
  function(word) return word == "ref-3" and "ref-" .. math.random(4, 7) end,
  function(word) return word:find "@" and ("other-%d@agency.example"):format(math.random(99)) end,
  function(word) return not word:find "^correspondence" and not word:find "[@(]" and #word > 4
    and word ~= "print" and word ~= "acme-letters" and word ~= "sendersReference"
    and word .. "-" .. math.random(99) end,
}

local function plain(text) return (text:gsub("<(.-)>", "%1")) end

-- The rules with one word changed, and what was changed.
local function changed()
  local words = {}
  for word in RULES:gmatch "<(.-)>" do words[#words + 1] = word end
  while true do
    local number, at = math.random(#words), 0
    local other = KINDS[math.random(#KINDS)](words[number])
    if other and other ~= words[number] then
      return plain((RULES:gsub("<(.-)>", function(word)
        at = at + 1
        return at == number and other or word
      end))), words[number] .. " -> " .. other
    end
  end
end

local EVENT = [[{"specversion":"1.0","id":"e-%d","source":"https://platform.tt02.altinn.no/correspondence/api/v1/x",]]
  .. [["type":"no.altinn.correspondence.%s","subject":"urn:altinn:organization:identifier-no:987654321",]]
  .. [["time":"2026-11-28T10:00:00Z","resource":"urn:altinn:resource:%s","resourceinstance":"%s"}]]

local function event_at(index)
  local letter = ("0198c3a2-0e1f-7123-8123-%012x"):format(index // 2)
  local kind = TYPES[index % 2 == 0 and 1 or 2 + index // 2 % 3]
  return { received = START + index * 7200.5, body = EVENT:format(index, kind, RESOURCES[1 + index // 4 % 5 // 4],
    letter) }
end

local function answer(call)
  local id = call.thing:match ":(.+)$"
  return { status = 200, headers = { ["content-type"] = "application/json" }, body = ([[{"correspondenceId":"%s",]]
    .. [["sendersReference":"ref-%d","resourceId":"acme-letters","attachments":[],"status":"Published",]]
    .. [["statusHistory":[]}]]):format(id, tonumber(id:sub(-12), 16) % 8) }
end

describe("a comparison", function()
  local function run_with(more)
    local run = { event = 1, rule = "r", state = "done", reason = "sent to print", acts = {}, reads = {},
      attempts = { { at = 1, state = "done", reason = "sent to print" } },
      effects = { { target = "print", key = "k", request = "{}" } } }
    for name, value in pairs(more or {}) do run[name] = value end
    return run
  end

  it("looks at all that a reader of a verdict sees", function()
    for _, more in ipairs { { state = "skipped" }, { reason = "1 sent before" }, { acts = { "letter:confirm()" } },
      { would = "send to print" }, { effects = { { target = "print", key = "other", request = "{}" } } },
      { effects = { { target = "archive", key = "k", request = "{}" } } },
      { effects = { { target = "print", key = "k", request = "[]" } } },
      { attempts = { { at = 1, state = "later", reason = "'paper' runs at noon" } } } } do
      assert.are.equal(1, #comparison.of({ run_with() }, { run_with(more) }).change, next(more))
    end
  end)

  it("takes other lines of the file, and other times after a failure, for the same", function()
    local function failed(line, again)
      return run_with { state = "dead", reason = ("rules/r.lua:%d: no printer"):format(line),
        attempts = { { at = again, state = "retry", reason = "again in " .. again } } }
    end
    assert.are.equal(1, comparison.of({ failed(3, 5) }, { failed(4, 6) }).same)
  end)

  it("counts apart what nobody knows, also where it appears and vanishes", function()
    local unknown = run_with { unknown = { name = "details" } }
    for _, pair in ipairs { { {}, { unknown } }, { { unknown }, {} }, { { run_with() }, { unknown } } } do
      local found = comparison.of(pair[1], pair[2])
      assert.are.same({ 1, 0, 0, 0 }, { #found.unknown, #found.appear, #found.vanish, #found.change })
    end
  end)
end)

describe("what Altinn answered before", function()
  local inbox = require "altinn.events.host.inbox"
  local known_answers = require "altinn.events.host.known_answers"
  local readings_of = inbox.readings_of
  after_each(function() inbox.readings_of = readings_of end)

  -- The body that is given for the details of a letter, asked at a time for event 7; nil: none.
  local function given(at, readings)
    for _, one in ipairs(readings) do one.call, one.status = one.call or "details", 200 end
    inbox.readings_of = function() return readings end
    local known = known_answers.of "an inbox" { name = "details", thing = "letter:1", at = at,
      given = { sequence = 7 } }
    return known and known.body
  end

  it("is the last answer by then", function()
    local function readings()
      return { { at = 100, sequence = 1, body = "first" }, { at = 5000, sequence = 2, body = "second" },
        { at = 9000, sequence = 3, body = "third" } }
    end
    assert.are.equal("first", given(100, readings()))
    assert.are.equal("second", given(4990, readings()))   -- a run reads a moment after its event came
    assert.are.equal("second", given(8000, readings()))
    assert.are.equal("third", given(9000, readings()))
    assert.is_nil(given(1000, { { at = 5000, sequence = 1, body = "later, for another event" } }))
  end)

  it("is what the same event's run read later, when there was none by then", function()
    assert.are.equal("own", given(1000, { { at = 5000, sequence = 1, body = "another's" },
      { at = 9000, sequence = 7, body = "own" } }))
  end)

  it("is never half an answer, nor the answer to another call", function()
    assert.is_nil(given(1000, { { at = 100, sequence = 7, body = "{", cut = true },
      { at = 100, sequence = 7, body = "{}", call = "overview" } }))
  end)
end)

describe("a rehearsal", function()
  local folder, config

  before_each(function()
    folder = process.folder()
    process.write(folder .. "/altinn-events.lua", [[return { base_url = "http://127.0.0.1:9", token = "-", targets = {
      print = { url = "http://127.0.0.1:9" }, archive = { url = "http://127.0.0.1:9" },
      duty = { mail = "smtp://127.0.0.1:9", from = "altinn@agency.example" } } }]])
    config = assert(config_module.load { config = folder .. "/altinn-events.lua" })
  end)
  after_each(function() process.remove(folder) end)

  local function rules_of(text)
    process.write(folder .. "/rules.lua", text)
    config.rules = { folder .. "/rules.lua" }
    local set, list = prepare.rules(config)
    for _, finding in ipairs(list) do assert(finding.severity ~= "error", finding.message) end
    return assert(set)
  end

  local function rehearse(text, count, options)
    local index = 0
    local all = { config = config, set = rules_of(text), answer = answer, next = function()
      index = index + 1
      return index <= count and event_at(index) or nil
    end }
    for name, value in pairs(options or {}) do all[name] = value end
    return assert(rehearsal.run(all))
  end

  local function difference(before, after)
    local found = comparison.of(before.runs, after.runs)
    return #found.appear + #found.vanish + #found.change, found
  end

  it("shows each of many changes of rules, and none where there is none", function()
    local before = rehearse(plain(RULES), 60)
    local again = rehearse("-- the same, one line below\n" .. plain(RULES), 60)
    assert.are.equal(0, (difference(before, again)))
    for _ = 1, CHANGES do
      local text, what = changed()
      assert(difference(before, rehearse(text, 60)) > 0, "not shown: " .. what)
    end
  end)

  it("is what the host does: timers, cancelled ones, memory, effects in order, acts at Altinn", function()
    local outcome = rehearse(plain(RULES), 12)
    local states = {}
    for _, run in ipairs(outcome.runs) do states[run.rule .. " " .. run.state] = true end
    assert.is_true(states["reminds done"] and states["reminds skipped"] and states["notes done"]
      and states["skips skipped"])
    local counted = rehearse([[rule { name = "counts", on = "*", repeats = true, run = function(_, _, context)
      local count = (context.memory.count or 0) + 1
      local step_count = step("one", function() return 1 end)
      return { remember { count = count }, later { at = "1h", run = "tell", with = { count, step_count } } }
    end, tell = function(_, _, context)
      local with = context.timer.with
      return skip(context.memory.count .. " " .. with[1] .. " " .. with[2])
    end }]], 1)
    assert.are.equal("1 1 1", counted.runs[1].reason)  -- whole numbers stay whole in memory, steps and timers
    outcome = rehearse([[rule { name = "confirms", on = "correspondencepublished", may = { "confirm" },
      run = function(event, letter) step("confirm", function() return letter:confirm() end) return done() end }]], 2)
    assert.are.same({ "letter:confirm()" }, outcome.runs[1].acts)
    assert.are.equal("done", outcome.runs[1].state)
  end)

  it("knows no verdict where a run reads what nobody knows, whatever the rule makes of it", function()
    local outcome = rehearse([[rule { name = "reads", on = "correspondencepublished", may = { "read:overview" },
      run = function(event, letter) pcall(letter.overview, letter) return done "whatever" end }]], 2,
      { answer = function() return nil end })
    assert.are.equal("overview", outcome.runs[1].unknown.name)
    assert.are.equal("letter:overview()", rehearsal.words("overview", outcome.runs[1].unknown.thing))
  end)

  it("names the first of several reads that nobody knows", function()
    local outcome = rehearse([[rule { name = "reads", on = "correspondencepublished",
      may = { "read:overview", "read:details" }, run = function(event, letter)
        pcall(letter.overview, letter)
        pcall(letter.details, letter)
        return done "whatever" end }]], 2, { answer = function() return nil end })
    assert.are.equal(2, #outcome.runs[1].reads)
    assert.are.equal("overview", outcome.runs[1].unknown.name)
  end)

  it("waits for timers as long as it is told to, and tells when a run that waits goes on", function()
    local text = [[rule { name = "waits", on = "correspondencepublished",
      run = function() return later { at = "10d", run = "more" } end, more = function() return done() end }]]
    assert.are.equal("done", rehearse(text, 2).runs[1].state)
    local run = rehearse(text, 2, { horizon = 86400 }).runs[1]
    assert.are.same({ "later", event_at(2).received + 864000 }, { run.state, math.floor(run.due * 10) / 10 })
  end)

  it("tells the events that the host would refuse, and those that come twice", function()
    local list = { event_at(2), { received = START + 20000, body = "{" }, event_at(2), event_at(4) }
    local outcome = rehearse(plain(RULES), 0, { next = function() return table.remove(list, 1) end })
    assert.are.equal(2, outcome.events)
    assert.are.equal(2, #outcome.refused)
    assert.is_truthy(outcome.refused[2].reason:find "given before")
  end)

  it("in a process of its own tells large effects as fast as they come", function()
    local began, left = os.clock(), 4
    local apart = assert(require("altinn.events.host.rehearsal_apart").begin { config = config, answer = answer,
      set = rules_of [[rule { name = "sends", on = "*", order = false, repeats = true, run = function(event)
        return send.http("print") { path = "/x", key = event, body = ("t"):rep(900000) } end }]],
      next = function()
        left = left - 1
        return left >= 0 and event_at(2 * left) or nil
      end })
    local runs = assert(apart:runs())
    assert.is_true(os.clock() - began < 5, "seconds of this process: " .. os.clock() - began)
    for _, run in ipairs(runs) do assert.are.equal(900000, #run.sent[1].body) end
  end)

  it("asks no target for anything, and shows what would go to it", function()
    local outcome = rehearse([[rule { name = "sends", on = "correspondencepublished", run = function(event, letter)
      return send.http("print") { path = "/x", key = letter, body = "t" } end }]], 2)
    local run = outcome.runs[1]
    assert.are.equal("done", run.state)
    assert.are.equal(1, #run.sent)
    assert.are.equal("print", run.sent[1].target)
  end)
end)
