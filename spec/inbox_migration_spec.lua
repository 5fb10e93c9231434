-- An inbox that an earlier version left is brought up to date when a host opens it, whole or not at all. The fixture is
-- the dump of a file that altinn-events wrote before: see spec/support/inbox_schema1.sql and its siblings.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

-- The rules that its host ran; the key that it wrote out holds the rule's name now.
local RULES = { r = [[
  rule { name = "print", on = "correspondencepublished", run = function(event, letter)
    return send.http("print") { key = { event.id }, path = "/jobs", json = { letter = letter.id } } end }
  rule { name = "note", on = "correspondencepublished", run = function(event) return skip("noted " .. event.id) end }
  rule { name = "fails", on = "correspondencepurged", run = function() return fail("never") end }
  rule { name = "quiet", on = "correspondencereceiverread", run = function() end }
]] }

-- Names and columns of everything in the file; the key that was made with it.
local function shape(path)
  return sql.query(path, "SELECT name FROM sqlite_master ORDER BY name"),
    sql.query(path, "SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c "
      .. "WHERE m.type = 'table' ORDER BY 1, 2"),
    sql.query(path, "SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') ORDER BY 1")
end

local function secret(path)
  return sql.query(path, "SELECT hex(value) AS h FROM secret WHERE name = 'pseudonym'")[1].h
end

describe("an inbox of schema 1", function()
  local one, service

  before_each(function()
    service = target.start()
    one = host.start { rules = RULES,
      config = ('return { targets = { print = { url = "%s", timeout = 5 } } }'):format(service.url) }
    one:stop()
    process.remove(one.inbox)
    assert(os.execute(("sqlite3 %s <spec/support/inbox_schema1.sql"):format(one.inbox)))
  end)

  after_each(function()
    one:close()
    service:close()
  end)

  local function show(number)
    local status, out, err = one:run("inbox", "show", tostring(number), "--json", "--inbox", one.inbox)
    assert.are.equal(0, status, err)
    return cjson.decode(out)
  end

  local function states()
    local list = {}
    for id, run in pairs(one:verdicts()) do list[id] = run.verdict end
    return list
  end

  it("keeps every state, and what waits goes on in order", function()
    -- One waits for fifty minutes from when the file was made, which is long ago.
    sql.execute(one.inbox, "UPDATE run SET due = (CAST(strftime('%s') AS INTEGER) + 3000) * 1000, changed = "
      .. "CAST(strftime('%s') AS INTEGER) * 1000 WHERE sequence = 3 AND state = 'retry'")
    assert(one:launch())
    assert(process.wait(10, function() return states()["lost/print"] == "done" or nil end))
    assert.are.same({
      ["sent/print"] = "done", ["sent/note"] = "skipped", ["refused/print"] = "dead", ["refused/note"] = "skipped",
      ["waits/print"] = "retry", ["waits/note"] = "skipped", ["behind/print"] = "waiting",
      ["behind/note"] = "skipped", ["dead/fails"] = "dead", ["gone/fails"] = "discarded", ["read/quiet"] = "done",
      ["lost/print"] = "done", ["lost/note"] = "skipped",
    }, states())
    assert.are.equal("unmatched", show(8).state)
    local refused = show(2)
    assert.are.equal("refused", refused.effects[1].state)
    assert.are.equal(422, refused.effects[1].status)
    assert.are.equal("sent", show(1).effects[1].state)
    -- The old record of the effect whose outcome was not known was an excerpt: it stays, as the attempt that it was.
    local lost = show(9)
    assert.are.equal("sent", lost.effects[1].state)
    assert.are.equal("unknown", lost.earlier_effects[1].state)
    assert.is_truthy(lost.earlier_effects[1].request:find("letter-8", 1, true))
    assert.are.equal(1, #service:requests())
    assert.are.equal(0, (one:run("inbox", "retry", "3", "--inbox", one.inbox)))
    assert(service:wait(3))
    assert(one:settle())
    local bodies = {}
    for index, request in ipairs(service:requests()) do bodies[index] = request.body end
    assert.are.same({ '{"letter":"letter-8"}', '{"letter":"letter-3"}', '{"letter":"letter-3"}' }, bodies)
    assert.are.equal(2, one:metrics().dead)
  end)

  it("abandons what has been tried by a rule that is gone", function()
    one:rewrite { r = 'rule { name = "other", on = "x.never.raised", run = function() end }' }
    assert(one:launch())
    assert(process.wait(30, function() return states()["waits/print"] == "abandoned" or nil end))
    assert(one:settle())
    assert.are.equal(2, one:metrics()['verdicts_total{rule="print",verdict="abandoned"}'])
  end)

  it("has the tables of a new one, and opens again", function()
    assert(one:launch())
    one:restart()
    one:stop()
    local names, columns, triggers = shape(one.inbox)
    local key = secret(one.inbox)
    assert.is_truthy(key:match("^%x+$") and #key == 64, key)
    process.remove(one.inbox)
    assert(one:launch())
    one:stop()
    assert.are.same({ names, columns, triggers }, { shape(one.inbox) })
    assert.are_not.equal(key, secret(one.inbox))
  end)

  it("says what to do to a command that comes before a host", function()
    for _, words in ipairs { { "list" }, { "show", "1" }, { "retry", "2" }, { "discard", "3" } } do
      local status, out, err = one:run("inbox", words[1], "--inbox", one.inbox, words[2])
      assert.are.equal(1, status)
      assert.are.equal("", out)
      assert.is_truthy(err:find("an earlier altinn-events wrote this inbox: start the host once", 1, true), err)
    end
    assert.are.equal(1, sql.query(one.inbox, "PRAGMA user_version")[1].user_version)
  end)

  it("stays as it was when it cannot be brought up to date", function()
    sql.execute(one.inbox, "CREATE TABLE act(x)")
    local ok, log = one:launch()
    assert.is_false(ok)
    assert.is_truthy(log:find("level=error msg=start", 1, true), log)
    assert.are.equal(1, sql.query(one.inbox, "PRAGMA user_version")[1].user_version)
    assert.are.equal(4, #sql.query(one.inbox, "SELECT 1 AS n FROM effect"))
    assert.are.same({}, sql.query(one.inbox, "SELECT 1 FROM sqlite_master WHERE name IN ('attempt', 'run_due')"))
  end)
end)

-- A host that has stopped, with the inbox of an earlier version.
local function host_of(rules, service, schema)
  local one = host.start { rules = rules,
    config = ('return { targets = { print = { url = "%s", timeout = 5 } } }'):format(service.url) }
  one:stop()
  process.remove(one.inbox)
  assert(os.execute(("sqlite3 %s <%s"):format(one.inbox, schema)))
  return one
end

-- What waits comes no more today, so that the host changes nothing.
local function put_off(one)
  sql.execute(one.inbox, "UPDATE run SET due = (CAST(strftime('%s') AS INTEGER) + 86400) * 1000, changed = "
    .. "CAST(strftime('%s') AS INTEGER) * 1000 WHERE state IN ('retry', 'later')")
end

-- The rules of its host; `old` was taken out before it ended.
local RULES_2 = { r = [[
  rule { name = "print", on = "correspondencepublished", run = function(event, letter)
    return send.http("print") { key = { event.id }, path = "/jobs", json = { letter = letter.id } } end }
  rule { name = "note", on = "correspondencepublished", run = function(event) return skip("noted " .. event.id) end }
  rule { name = "fails", on = "correspondencepurged", run = function() return fail("never") end }
  rule { name = "quiet", on = "correspondencereceiverread", run = function() end }
  rule { name = "tomorrow", on = "correspondencereceiverread", run = function(event)
    if event.id == "later" then return retry_after("1d", "not today") end
  end }
]] }

local KEPT = {
  run = "sequence, rule, state, attempt, due, reason, changed, since, line, tries", act = "*",
  attempt = "number, sequence, rule, state, attempt, due, reason, changed",
  event = "*", waiting = "*", remembered = "*",
  effect = "key, sequence, rule, target, request, state, status, attempt, reason, recorded, changed, answer",
  effect_attempt = "number, key, sequence, rule, target, request, state, status, attempt, reason, changed, answer",
}

local function rows(path, kept)
  local list = {}
  for name, columns in pairs(kept or KEPT) do
    list[name] = sql.query(path, ("SELECT %s FROM %s ORDER BY 1, 2"):format(columns, name))
  end
  return list
end

describe("an inbox of schema 2", function()
  local one, service

  before_each(function()
    service = target.start()
    one = host_of(RULES_2, service, "spec/support/inbox_schema2.sql")
  end)

  after_each(function()
    one:close()
    service:close()
  end)

  it("keeps every row, and has the tables of a new one", function()
    put_off(one)
    local before = rows(one.inbox)
    assert(one:launch())
    assert(process.wait(10, function() return one:metrics().waiting == 5 or nil end))
    one:stop()
    assert.are.same(before, rows(one.inbox))
    assert.are.equal(4, sql.query(one.inbox, "PRAGMA user_version")[1].user_version)
    local names, columns, triggers = shape(one.inbox)
    process.remove(one.inbox)
    assert(one:launch())
    one:stop()
    assert.are.same({ shape(one.inbox) }, { names, columns, triggers })
  end)

  it("goes on where it was: the same bytes, the same order", function()
    assert(one:launch())
    assert(process.wait(20, function() return #service:requests() == 4 or nil end))
    local bodies = {}
    for _, request in ipairs(service:requests()) do bodies[#bodies + 1] = request.body end
    local third, fourth
    for index, body in ipairs(bodies) do
      if body:find "letter%-3" then third, fourth = third or index, index end
    end
    assert.is_true(third < fourth)
    table.sort(bodies)
    assert.are.same({ '{"letter":"letter-10"}', '{"letter":"letter-3"}', '{"letter":"letter-3"}',
      '{"letter":"letter-8"}' }, bodies)
    assert(process.wait(10, function() return one:verdicts()["behind/print"].verdict == "done" or nil end))
    local states = {}
    for id, run in pairs(one:verdicts()) do states[id] = run.verdict end
    assert.are.equal("abandoned", states["confirmed/old"])
    assert.are.equal("later", states["later/tomorrow"])
    assert.are.equal("discarded", states["gone/fails"])
    assert.are.equal("dead", states["dead/fails"])
    -- Earlier attempts go on being kept, by the new triggers.
    assert.are.same({ { state = "refused" }, { state = "refused" } },
      sql.query(one.inbox, "SELECT state FROM effect_attempt WHERE key = 'print:print/sleeps' ORDER BY number"))
    assert.are.same({ { state = "retry" }, { state = "retry" } },
      sql.query(one.inbox, "SELECT state FROM attempt WHERE sequence = 12 ORDER BY number"))
  end)

  it("stays as it was when it cannot be brought up to date", function()
    put_off(one)
    sql.execute(one.inbox, "CREATE TABLE secret(x)")
    local before = { rows(one.inbox), shape(one.inbox) }
    local ok, log = one:launch()
    assert.is_false(ok)
    assert.is_truthy(log:find("level=error msg=start", 1, true), log)
    assert.are.equal(2, sql.query(one.inbox, "PRAGMA user_version")[1].user_version)
    assert.are.same(before, { rows(one.inbox), shape(one.inbox) })
  end)
end)

-- The rules of its host.
local RULES_3 = { r = [[
  rule { name = "print", on = "correspondencepublished", run = function(event, letter)
    return send.http("print") { key = { event.id }, path = "/jobs", json = { letter = letter.id } } end }
  rule { name = "keeps", on = "correspondencepublished", run = function(event, letter, context)
    step("first", function() return { n = 1 } end)
    if event.id == "fails" then return skip "now it goes" end
    return { remember { last = event.id }, later { at = "1d", run = "after", cancel = "correspondencepurged" } }
  end, after = function(_, _, context) return skip("last was " .. context.memory.last) end }
  rule { name = "quiet", on = "correspondencepublished", shadow = true, run = function(event, letter)
    return { send.http("print") { key = letter, path = "/q" }, remember { seen = true } } end }
]] }

local KEPT_3 = {
  run = "*", act = "*", event = "*", waiting = "*", remembered = "*", effect = "*", effect_attempt = "*",
  timer = "*", meant = "*", repeated = "*", secret = "*", step = "sequence, rule, name, place, result, version, time",
  memory = "rule, thing, name, value, expires, changed",
  attempt = "number, sequence, rule, state, attempt, due, reason, changed, version, cause",
}

describe("an inbox of schema 3", function()
  local one, service

  before_each(function()
    service = target.start()
    one = host_of(RULES_3, service, "spec/support/inbox_schema3.sql")
  end)

  after_each(function()
    one:close()
    service:close()
  end)

  it("keeps every row, and has the tables of a new one", function()
    put_off(one)
    local before = rows(one.inbox, KEPT_3)
    assert(one:launch())
    assert(process.wait(10, function() return one:metrics().waiting == 2 or nil end))
    one:stop()
    assert.are.same(before, rows(one.inbox, KEPT_3))
    assert.are.equal(4, sql.query(one.inbox, "PRAGMA user_version")[1].user_version)
    assert.are.same({ { n = 5 } }, sql.query(one.inbox, "SELECT count(*) AS n FROM memory WHERE shadow = 0"))
    assert.are.same({ { n = 3 } }, sql.query(one.inbox, "SELECT count(*) AS n FROM version WHERE last = first"
      .. " AND version = 70451226174776"))
    local names, columns, triggers = shape(one.inbox)
    process.remove(one.inbox)
    assert(one:launch())
    one:stop()
    assert.are.same({ shape(one.inbox) }, { names, columns, triggers })
  end)

  it("goes on where it was: a timer, a failure, what is remembered, what was sent", function()
    sql.execute(one.inbox, "UPDATE run SET due = 1 WHERE state = 'later'")
    assert(one:launch())
    assert(process.wait(20, function() return one:metrics().waiting == 0 or nil end))
    local found = {}
    for id, run in pairs(one:verdicts()) do found[id] = run.verdict .. " " .. run.reason end
    assert.are.equal("skipped last was sent", found["sent/keeps"])
    assert.are.equal("skipped now it goes", found["fails/keeps"])
    assert.are.equal("done sent to print", found["sent/print"])
    assert.are.equal(0, #service:requests())
  end)

  it("stays as it was when it cannot be brought up to date", function()
    put_off(one)
    sql.execute(one.inbox, "CREATE TABLE replay(x)")
    local before = { rows(one.inbox, KEPT_3), shape(one.inbox) }
    local ok, log = one:launch()
    assert.is_false(ok)
    assert.is_truthy(log:find("level=error msg=start", 1, true), log)
    assert.are.equal(3, sql.query(one.inbox, "PRAGMA user_version")[1].user_version)
    assert.are.same(before, { rows(one.inbox, KEPT_3), shape(one.inbox) })
  end)
end)
