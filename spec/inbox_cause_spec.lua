-- Runs that wait or need an operator, by rule and cause: inbox list --state …, and inbox show and memory.
local cjson = require "cjson"
local command = require "spec.support.command"
local inbox_file = require "spec.support.inbox_file"
local sql = require "spec.support.sql"

local run, says, silent = command.run, command.says, command.silent
local person = "12345678901"
local folder

local function execute(text, ...) return sql.execute(folder .. "/altinn-events.db", text, ...) end

-- Events 1 to `count`, received a second after the other from 2026-05-28T20:26:40Z on.
local function add_events(count)
  execute(([[WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
    INSERT INTO event SELECT i, (1780000000 + i) * 1000, NULL, CAST('{"specversion":"1.0","id":"id-' || i
    || '","type":"no.altinn.correspondence.correspondence' || iif(i %% 2, 'published', 'purged')
    || '","source":"/x","resourceinstance":"letter-' || i || '"}' AS BLOB) FROM c]]):format(count))
end

-- A run, changed 10 s after its event came.
local function add_run(sequence, fields)
  local names, places, values = { "sequence", "attempt", "changed" }, { "?", "?", "?" },
    { sequence, fields.attempt or 1, (1780000010 + sequence) * 1000 }
  fields.due, fields.attempt = fields.due or 0, nil
  for name, value in pairs(fields) do
    names[#names + 1], places[#places + 1], values[#values + 1] = name, "?", value
  end
  execute(("INSERT INTO run(%s) VALUES (%s)"):format(table.concat(names, ", "), table.concat(places, ", ")),
    table.unpack(values))
end

local function listing(...)
  local status, out, err = run("inbox", "list", "--json", ...)
  assert.are.equal(0, status, err)
  return cjson.decode(out)
end

local function numbers(list)
  local found = {}
  for index, event in ipairs(list.events) do found[index] = event.sequence end
  return found
end

before_each(function()
  folder = command.begin()
  inbox_file.empty(folder .. "/altinn-events.db")
  add_events(9)
end)
after_each(command.finish)

local function add_dead()
  for sequence = 1, 5 do
    add_run(sequence, { rule = "print", state = "dead", cause = "print answered 422", reason = "no job " .. person })
  end
  add_run(6, { rule = "print", state = "dead", cause = "print.lua:12: attempt to index a nil value" })
  add_run(7, { rule = "note", state = "dead", cause = "print answered 422" })
  add_run(8, { rule = "note", state = "done" })
end

describe("dead letters", function()
  before_each(add_dead)

  it("are grouped by rule and cause: how many, since when, until when, an example", function()
    local list = listing("--state", "dead")
    assert.are.equal(7, list.count)
    assert.are.equal(7, #list.events)
    assert.are.equal(3, #list.groups)
    local first = list.groups[1]
    assert.are.same({ rule = "print", state = "dead", cause = "print answered 422", id = first.id, count = 5, event = 5,
      oldest = "2026-05-28T20:26:51Z", newest = "2026-05-28T20:26:55Z" }, first)
    assert.is_truthy(first.id:find("^%x%x%x%x%x%x%x%x$"))
    local ids = {}
    for _, group in ipairs(list.groups) do ids[group.id] = true end
    assert.is_nil(next(ids, next(ids, next(ids, next(ids)))))  -- three of them
    assert.are.same({ "note", "print" }, { list.groups[2].rule, list.groups[3].rule })
    assert.are.equal(first.id, list.events[5].runs[1].cause_id)
  end)

  it("are groups in the text, too, and it says how to see the events of one", function()
    local status, out = run("inbox", "list", "--state", "dead")
    assert.are.equal(0, status)
    local id = listing("--state", "dead").groups[1].id
    says(out, ("     5  %s  dead  print: print answered 422\n"):format(id),
      "from 2026-05-28T20:26:51Z to 2026-05-28T20:26:55Z, for instance event 5\n", "since 2026-05-28T20:26:57Z",
      "7 events\n", "inbox list --state dead --cause ID")
    silent(out, "letter-1", person)
    out = select(2, run("inbox", "list", "--state", "dead", "--limit", "2"))
    says(out, "letter-7", "letter-6", "2 of 7\n")
  end)

  it("of one cause are listed by its id, or by a part of its text", function()
    local id = listing("--state", "dead").groups[1].id
    assert.are.same({ 5, 4, 3, 2, 1 }, numbers(listing("--state", "dead", "--cause", id)))
    assert.are.same({ 5, 4, 3, 2, 1 }, numbers(listing("--cause", id)))
    assert.are.same({ 7, 5, 4, 3, 2, 1 }, numbers(listing("--cause", "answered 422")))
    assert.are.same({ 7 }, numbers(listing("--cause", "answered 422", "--rule", "note")))
    assert.are.same({}, numbers(listing("--cause", "00000000")))
    local _, out = run("inbox", "list", "--cause", id)
    says(out, "letter-5", "letter-1", "5 of 5\n")
  end)

  it("of one rule, of a type, of a time", function()
    assert.are.equal(1, #listing("--state", "dead", "--rule", "note").groups)
    local function largest(...) return listing("--state", "dead", "--rule", "print", ...).groups[1].count end
    assert.are.equal(3, largest("--type", "correspondencepublished"))
    assert.are.equal(2, largest("--since", "2026-05-28T20:26:44Z"))
    assert.are.equal(3, largest("--until", "2026-05-28T20:26:44Z"))
    assert.are.same({ 3, 2, 1 }, numbers(listing("--until", "2026-05-28T20:26:44Z")))
  end)

  it("without a cause, as an earlier version left them, say their reason", function()
    add_run(9, { rule = "old", state = "dead", reason = "gave up on " .. person .. "\nstack traceback:" })
    local found
    for _, group in ipairs(listing("--state", "dead").groups) do found = group.rule == "old" and group or found end
    assert.is_nil(found.cause)
    assert.are.equal("gave up on *********** …", found.reason)
    says(select(2, run("inbox", "list", "--state", "dead")), "old: gave up on *********** …")
  end)
end)

describe("runs that wait", function()
  it("are grouped: by what holds them, by the body that runs then, with their times", function()
    add_run(1, { rule = "print", state = "held", cause = "breaker:print", due = 1790000000000 })
    add_run(2, { rule = "print", state = "held", cause = "breaker:print", due = 1790000060000 })
    add_run(3, { rule = "paper", state = "later", entry = "paper", timer = '{"set":1,"due":2,"key":""}',
      due = 1790000000000 })
    add_run(4, { rule = "paper", state = "later", entry = "remind", timer = '{"set":1,"due":2,"key":""}',
      due = 1790000000000 })
    add_run(5, { rule = "paper", state = "later", due = 1790000000000, reason = "not today" })
    local held = listing("--state", "held")
    assert.are.equal(1, #held.groups)
    assert.are.equal("breaker:print", held.groups[1].cause)
    assert.are.equal("2026-09-21T14:13:20Z", held.groups[1].due)
    assert.are.equal("2026-09-21T14:14:20Z", held.groups[1].last_due)
    says(select(2, run("inbox", "list", "--state", "held")), "print: breaker:print",
      "due from 2026-09-21T14:13:20Z to 2026-09-21T14:14:20Z")
    local later, bodies = listing("--state", "later"), {}
    for index, group in ipairs(later.groups) do bodies[index] = group.body end
    table.sort(bodies)
    assert.are.same({ "paper", "remind", "run" }, bodies)
    says(select(2, run("inbox", "list", "--state", "later")), "paper: waits for its time, then the body remind",
      "due 2026-09-21T14:13:20Z, for instance event 4")
    for _, group in ipairs(later.groups) do
      if group.body == "remind" then
        assert.are.same({ 4 }, numbers(listing("--state", "later", "--cause", group.id)))
      end
    end
    says(select(2, run("inbox", "list", "--state", "later", "--limit", "9")),
      "later     attempt 1, at 2026-09-21T14:13:20Z the body paper", "attempt 1 next 2026-09-21T14:13:20Z: not today")
  end)

  it("of a timer are listed with the time that counts, whatever their reason says of an earlier one", function()
    local timer = '{"set":1,"due":2,"key":""}'
    add_run(1, { rule = "a", state = "later", entry = "paper", timer = timer, due = 1790000000000, attempt = 0,
      reason = "'paper' runs at 2026-01-01T00:00:00Z" })
    add_run(2, { rule = "b", state = "later", entry = "paper", timer = timer, due = 1790000000000, attempt = 0,
      reason = "sent to print; 'paper' runs at 2026-01-01T00:00:00Z" })
    add_run(3, { rule = "c", state = "later", entry = "run", timer = timer, due = 1790000000000, attempt = 0,
      reason = "it runs again at 2026-01-01T00:00:00Z" })
    local _, out = run("inbox", "list")
    local lines = {}
    for line in out:gmatch "later     (at [^\n]*)" do lines[#lines + 1] = line end
    assert.are.same({ "at 2026-09-21T14:13:20Z the body run", "at 2026-09-21T14:13:20Z the body paper: sent to print",
      "at 2026-09-21T14:13:20Z the body paper" }, lines)
  end)
end)

describe("inbox show", function()
  it("has attempts with versions and causes, steps, the timer, the memory of the letter; all masked", function()
    local uuid = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
    execute("UPDATE event SET body = CAST(? AS BLOB) WHERE sequence = 1", ('{"specversion":"1.0","id":"id-1",'
      .. '"source":"/x","type":"no.altinn.correspondence.correspondencepublished","resourceinstance":"%s"}')
      :format(uuid))
    add_run(1, { rule = "paper", state = "retry", cause = "print answered 503", version = 0xa1b2c3d4e5f6,
      due = 1790000000000, reason = "first" })
    execute "UPDATE run SET tries = 1"
    execute("UPDATE run SET state = 'later', due = 1790000000000, version = ?, cause = NULL, entry = 'paper',"
      .. " timer = ?", 0xb1b2c3d4e5f6,
      ('{"set":1780000000000,"due":1790000000000,"key":"k","with":{"to":"%s"}}'):format(person))
    execute("INSERT INTO timer VALUES (?, 'paper', 'k', 1, ?)", "letter:" .. uuid,
      "no.altinn.correspondence.correspondencereceiverread\nno.altinn.correspondence.correspondencepurged")
    execute("INSERT INTO step VALUES (1, 'paper', 'confirm', 1, ?, ?, 1780000000000)", ('"%s"'):format(person),
      0xa1b2c3d4e5f6)
    execute("INSERT INTO memory VALUES ('paper', ?, 'printed', 0, ?, 1900000000000, 1780000000000)", "letter:" .. uuid,
      ('{"for":"%s"}'):format(person))
    execute("INSERT INTO memory VALUES ('other', ?, 'printed', 0, 'true', 0, 1780000000000)", "letter:" .. uuid)
    local status, out, err = run("inbox", "show", "1", "--json")
    assert.are.equal(0, status, err)
    silent(out, person)
    local event = cjson.decode(out)
    local one = event.runs[1]
    assert.are.equal("b1b2c3d4e5f6", one.version)
    assert.are.equal("paper", one.body)
    assert.are.same({ body = "paper", key = "k", set = "2026-05-28T20:26:40Z", with = '{"to":"***********"}', cancel = {
      "no.altinn.correspondence.correspondencereceiverread", "no.altinn.correspondence.correspondencepurged" } },
      one.timer)
    assert.are.equal("a1b2c3d4e5f6", event.attempts[1].version)
    assert.are.equal("print answered 503", event.attempts[1].cause)
    assert.are.same({ { rule = "paper", name = "confirm", place = 1, result = '"***********"',
      version = "a1b2c3d4e5f6", time = "2026-05-28T20:26:40Z" } }, event.steps)
    assert.are.same({ { rule = "paper", thing = "letter:" .. uuid, name = "printed", value = '{"for":"***********"}',
      expires = "2030-03-17T17:46:40Z", changed = "2026-05-28T20:26:40Z" } }, event.memory)
    out = select(2, run("inbox", "show", "1"))
    silent(out, person)
    says(out, "version b1b2c3d4e5f6; timer k of the body paper, set 2026-05-28T20:26:40Z", "cancelled by no.altinn",
      "step of paper: confirm (place 1) gave \"***********\"", "paper remembers of letter:" .. uuid
      .. ": printed = {\"for\":\"***********\"} until 2030-03-17T17:46:40Z",
      "retry attempt 1: first (version a1b2c3d4e5f6)")
  end)

  it("says what a rule in the shadow would have done, without what may be a secret", function()
    add_run(1, { rule = "paper", state = "shadowed", would = ('[{"kind":"http","target":"print","key":"%s",'
      .. '"headers":{"Authorization":"Bearer x"},"path":"/jobs?token=y"}]'):format(person) })
    for _, words in ipairs { { "inbox", "show", "1" }, { "inbox", "show", "1", "--json" } } do
      local _, out = run(table.unpack(words))
      says(out, "print", "/jobs?…")
      silent(out, person, "Bearer", "token=y")
    end
    says(select(2, run("inbox", "show", "1")), "it would have done: [{")
  end)
end)

describe("inbox memory", function()
  it("lists what is remembered now, of all rules and letters, of one rule, of one letter; masked", function()
    for _, row in ipairs { { "paper", "letter:a", 0 }, { "paper", "letter:b", 1900000000000 },
      { "archive", "letter:a", 0 }, { "paper", "letter:old", 1780000000000 } } do
      execute("INSERT INTO memory VALUES (?, ?, 'who', 0, ?, ?, 1780000000000)", row[1], row[2],
        ('"%s"'):format(person), row[3])
    end
    local function things(...)
      local status, out, err = run("inbox", "memory", "--json", ...)
      assert.are.equal(0, status, err)
      silent(out, person)
      local list = cjson.decode(out)
      local found = {}
      for index, one in ipairs(list.memory) do found[index] = one.rule .. " " .. one.thing end
      assert.are.equal(#found, list.count)
      return found
    end
    assert.are.same({ "archive letter:a", "paper letter:a", "paper letter:b" }, things())
    assert.are.same({ "paper letter:a", "paper letter:b" }, things("--rule", "paper"))
    assert.are.same({ "archive letter:a", "paper letter:a" }, things("--letter", "a"))
    assert.are.same({}, things("--letter", "c"))
    local _, out = run("inbox", "memory")
    silent(out, person)
    says(out, 'letter:b: who = "***********" until 2030-03-17T17:46:40Z', "3 values\n")
  end)
end)

describe("check --inbox", function()
  local RULE = [[rule { name = "paper", on = "correspondencepublished",
    run = function() return later { at = "1d", run = "paper" } end,
    paper = function() return skip "read" end }
  rule { name = "off", on = "*", enabled = false, run = function() end }]]

  before_each(function()
    for sequence = 1, 2 do
      add_run(sequence, { rule = "paper", state = "later", entry = "paper", timer = "{}", version = 0xa1b2c3d4e5f6,
        due = 1790000000000 })
    end
    add_run(3, { rule = "paper", state = "retry", entry = "paper", version = 0xa1b2c3d4e5f6, due = 1790000000000 })
    add_run(4, { rule = "paper", state = "dead", entry = "paper", version = 0xa1b2c3d4e5f6 })
  end)

  it("lists the versions and bodies that timers and paused runs refer to", function()
    command.rules(RULE)
    local status, out, err = run("check", "--inbox", "altinn-events.db")
    assert.are.equal(0, status, err)
    assert.are.equal("2 timers and 1 paused run of rule paper refer to version a1b2c3d4e5f6, body paper, due from "
      .. "2026-09-21T14:13:20Z\n", out)
    assert.are.equal("", err)
    assert.are.equal("", (select(2, run("check"))))
    add_run(5, { rule = "paper", state = "retry", due = 1 })  -- of an earlier version of the host
    out = select(2, run("check", "--inbox", "altinn-events.db"))
    says(out, "1 paused run of rule paper refers to a version that was not recorded")
    assert.is_nil(out:find("the present one", 1, true))
  end)

  it("warns of a body that is gone, a rule that is gone, and one that is off", function()
    command.rules((RULE:gsub('"paper" } end,\n.-end }', '"run" } end }')))
    add_run(5, { rule = "off", state = "retry", due = 1 })
    add_run(6, { rule = "away", state = "later", due = 1 })
    local status, _, err = run("check", "--inbox", "altinn-events.db")
    assert.are.equal(0, status)
    says(err, "2 timers and 1 paused run of rule paper refer to version a1b2c3d4e5f6; the body 'paper' they need no "
      .. "longer exists: they will be abandoned", "of rule off refers to a version that was not recorded; the rule is "
      .. "switched off",
      "1 paused run of rule away refers to a version that was not recorded; there is no rule of that name")
    assert.are.equal(1, (run("check", "--strict", "--inbox", "altinn-events.db")))
    local _, out = run("check", "--json", "--inbox", "altinn-events.db")
    local result = cjson.decode(out)
    assert.are.equal(3, #result.references)
    assert.are.equal("reference", result.findings[#result.findings].code)
  end)

  it("says that there is no such inbox", function()
    command.rules(RULE)
    local status, _, err = run("check", "--inbox", "none.db")
    assert.are.equal(1, status)
    says(err, "none.db: there is no such inbox")
  end)
end)
