-- An inbox that an earlier version left is brought up to date when a host opens it, whole or not at all. The fixture is
-- the dump of a file that altinn-events wrote before: see spec/support/inbox_schema1.sql.
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
    local migrated = sql.query(one.inbox, "SELECT name FROM sqlite_master ORDER BY name")
    local columns = sql.query(one.inbox, "SELECT m.name AS t, c.name AS c FROM sqlite_master m, "
      .. "pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1, 2")
    process.remove(one.inbox)
    assert(one:launch())
    one:stop()
    assert.are.same(sql.query(one.inbox, "SELECT name FROM sqlite_master ORDER BY name"), migrated)
    assert.are.same(sql.query(one.inbox, "SELECT m.name AS t, c.name AS c FROM sqlite_master m, "
      .. "pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1, 2"), columns)
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
