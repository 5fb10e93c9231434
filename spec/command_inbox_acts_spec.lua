-- Acts by hand from the command line: a filter's plan, reason and confirmation, slices, steps that are forgotten, and
-- runs that are moved to another time.
local acts = require "altinn.events.host.inbox_acts"
local cjson = require "cjson"
local command = require "spec.support.command"
local inbox_file = require "spec.support.inbox_file"
local process = require "spec.support.process"
local sql = require "spec.support.sql"

local run, shell, says, silent = command.run, command.shell, command.says, command.silent
local folder

local function execute(text, ...) return sql.execute(folder .. "/altinn-events.db", text, ...) end

local function query(text, ...) return sql.query(folder .. "/altinn-events.db", text, ...) end

local function count_of(text, ...) return query("SELECT count(*) AS n FROM " .. text, ...)[1].n end

-- Events 1 to `count`, and for each a dead run of the rule print.
local function add_dead(count, cause)
  execute(([[WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
    INSERT INTO event SELECT i, (1780000000 + i) * 1000, NULL, CAST('{"specversion":"1.0","id":"id-' || i
    || '","type":"no.altinn.correspondence.correspondencepublished","source":"/x","resourceinstance":"letter-' || i
    || '"}' AS BLOB) FROM c]]):format(count))
  execute([[INSERT INTO run(sequence, rule, state, attempt, due, changed, cause, version) SELECT sequence, 'print',
    'dead', 1, 0, received, ?, ? FROM event]], cause or "print answered 422", 0xa1b2c3d4e5f6)
end

local function add_run(sequence, rule, state, more)
  execute("INSERT INTO run(sequence, rule, state, attempt, due, changed, entry, timer) VALUES (?, ?, ?, 1, "
    .. "1790000000000, 1780000000000, ?, ?)", sequence, rule, state, more and more.entry, more and more.timer)
  if state == "later" or state == "retry" or state == "held" then
    execute("INSERT INTO waiting VALUES (?, 1, ?) ON CONFLICT(sequence) DO UPDATE SET runs = runs + 1, "
      .. "rules = rules || char(10) || ?", sequence, rule, rule)
  end
end

local function add_effect(key, sequence, rule, state)
  execute("INSERT INTO effect(key, sequence, rule, target, request, state, recorded, changed) VALUES (?, ?, ?, "
    .. "'print', '{}', ?, 0, 0)", key, sequence, rule, state)
end

-- Runs the command on a terminal, with these lines typed; exit status, what stands on the terminal.
local function on_terminal(words, ...)
  command.write("typed", table.concat({ ... }, "\n") .. "\n")
  local status, out = shell(('timeout 30 script -qec "$ae %s" /dev/null <typed'):format(words))
  return status, (out:gsub("\r\n", "\n"))
end

before_each(function()
  folder = command.begin()
  inbox_file.empty(folder .. "/altinn-events.db")
end)
after_each(command.finish)

describe("the plan of an act", function()
  before_each(function()
    add_dead(3)
    execute "UPDATE run SET version = NULL, cause = 'print.lua:12: x' WHERE sequence = 3"
    for index, state in ipairs { "sent", "recorded", "unknown", "not_sent", "refused", "sent" } do
      add_effect("k" .. index, index % 3 + 1, "print", state)
    end
    add_effect("other", 1, "note", "recorded")
  end)

  it("says which runs of how many events, which versions, what would go out, and what will not", function()
    local status, out, err = run("inbox", "retry", "--rule", "print")
    assert.are.equal(2, status)
    says(out, "to be put back: 3 runs of 3 events\n", "  dead  print: print answered 422 (version a1b2c3d4e5f6)\n",
      "  dead  print: print.lua:12: x\n",
      "effects: 4 would go out again (1 recorded, 1 unknown, 1 not_sent, 1 refused); "
      .. "2 were sent before, and will not go out again\n")
    says(err, "nothing was done: without a terminal this needs --reason TEXT and --yes")
    assert.are.equal(3, count_of "run WHERE state = 'dead'")
    assert.are.equal(0, count_of "act")
    out = select(2, run("inbox", "discard", "--cause", "print.lua", "--reason", "x", "--yes"))
    says(out, "to be discarded: 1 run of 1 event\n", "would go out no more (", "1 run discarded")
  end)

  it("in JSON", function()
    local status, out = run("inbox", "retry", "--state", "dead", "--reason", "mended", "--yes", "--json")
    assert.are.equal(0, status)
    local result = cjson.decode(out)
    assert.are.equal(3, result.runs)
    assert.are.equal(3, result.events)
    assert.are.equal(2, result.plan.groups[1].count)
    assert.are.equal("a1b2c3d4e5f6", result.plan.groups[1].version)
    assert.are.equal(2, result.plan.effects.sent)
  end)
end)

describe("on a terminal", function()
  if not os.execute("script -qec true /dev/null >/dev/null 2>&1 </dev/null") then
    pending "no terminals here (/dev/pts is not mounted)"
    return
  end

  before_each(function() add_dead(2) end)

  it("a filter's act asks what for, and whether", function()
    local status, out = on_terminal("inbox retry --rule print", "the service is up", "yes")
    assert.are.equal(0, status, out)
    says(out, "to be put back: 2 runs of 2 events", "What for? ", "2 runs of 2 events will be put back. Type yes: ",
      "2 runs put back, of 2 events")
    assert.are.same({ { reason = "the service is up" } }, query "SELECT DISTINCT reason FROM act")
    assert.are.equal(2, count_of "act")
  end)

  it("does nothing without a reason, or without a yes", function()
    for _, typed in ipairs { { "" }, { "mended", "no" }, { "mended", "" } } do
      local status, out = on_terminal("inbox discard --state dead", table.unpack(typed))
      assert.are.equal(1, status, out)
      says(out, "nothing was done")
    end
    assert.are.equal(0, count_of "act")
    assert.are.equal(2, count_of "run WHERE state = 'dead'")
  end)

  it("asks only for what the options do not say; one event's act asks nothing", function()
    local status, out = on_terminal("inbox retry --rule print --reason mended", "y")
    assert.are.equal(0, status, out)
    silent(out, "What for?")
    assert.are.equal(0, (on_terminal "inbox discard 1"))
    assert.are.equal("discarded", query("SELECT state FROM run WHERE sequence = 1")[1].state)
  end)
end)

describe("a filter", function()
  it("without --state: a retry reaches what failed, and neither plans nor what was discarded", function()
    add_dead(6)
    local states = { "dead", "retry", "held", "later", "discarded", "abandoned" }
    for sequence, state in ipairs(states) do add_run(sequence, "many", state) end
    local status, out = run("inbox", "retry", "--rule", "many", "--reason", "x", "--yes")
    assert.are.equal(0, status)
    says(out, "4 runs put back, of 4 events")
    assert.are.same({ { sequence = 4, state = "later" }, { sequence = 5, state = "discarded" } },
      query "SELECT sequence, state FROM run WHERE rule = 'many' AND (state NOT IN ('retry', 'held')) ORDER BY 1")
    local err
    status, out, err = run("inbox", "retry", "--rule", "many", "--cause", "nobody", "--reason", "x", "--yes")
    assert.are.equal("", out)
    assert.are.equal(1, status)
    says(err, "no run is as the options say: no cause is, or holds, 'nobody' ('altinn-events inbox list --state dead'"
      .. " shows the causes); those that wait for a planned time and discarded ones are reached with")
    says(select(3, run("inbox", "retry", "--rule", "mnay", "--reason", "x", "--yes")),
      "no run is as the options say: no run of a rule 'mnay' among the newest events (did you mean 'many'?)")
    says(select(2, run("inbox", "retry", "--rule", "many", "--state", "later", "--reason", "x", "--yes")), "1 run put")
    says(select(2, run("inbox", "retry", "--state", "discarded", "--reason", "x", "--yes")), "1 run put back")
    status, out, err = run("inbox", "retry", "--state", "done", "--reason", "x", "--yes")
    assert.are.equal("", out)
    assert.are.equal(1, status)
    says(err, "--state done: one of abandoned, dead, discarded, held, later, retry")
  end)

  it("of a discard reaches runs that wait and were never tried, too", function()
    add_dead(2)
    execute "INSERT INTO waiting VALUES (2, 2, 'new' || char(10) || 'other')"
    says(select(2, run("inbox", "discard", "--rule", "new", "--reason", "x", "--yes")), "waiting  new: not tried yet\n",
      "1 run discarded, of 1 event")
    assert.are.same({ { state = "waiting" } }, query "SELECT state FROM act")
    assert.are.same({ { sequence = 2, runs = 1 } }, query "SELECT sequence, runs FROM waiting")
    says(select(2, run("inbox", "discard", "--state", "waiting", "--reason", "x", "--yes")), "1 run discarded")
    assert.are.equal(0, count_of "waiting")
  end)

  it("of a retry begins runs anew: they have their whole time again, and their event waits for each of them", function()
    add_dead(1)
    add_run(1, "note", "dead")
    execute "UPDATE run SET since = 1780000000000, line = 7, tries = 9, attempt = 8"
    says(select(2, run("inbox", "retry", "--all", "--reason", "x", "--yes")), "2 runs put back, of 1 event")
    assert.are.same({ { n = 2 } }, query [[SELECT count(*) AS n FROM run WHERE state = 'retry' AND since = 0
      AND line IS NULL AND tries = 0 AND attempt = 0 AND cause IS NULL]])
    assert.are.same({ { sequence = 1, runs = 2 } }, query "SELECT sequence, runs FROM waiting")
  end)

  it("of a retry leaves runs alone that were put back and not tried since", function()
    add_dead(2)
    says(select(2, run("inbox", "retry", "--rule", "print", "--reason", "x", "--yes")), "2 runs put back")
    for _, words in ipairs { { "--rule", "print" }, { "--state", "retry" }, { "--all" } } do
      local list = { "inbox", "retry", "--reason", "x", "--yes", table.unpack(words) }
      assert.are.equal(1, (run(table.unpack(list))), words[1])
    end
    assert.are.equal(2, count_of "act")
    execute "UPDATE run SET attempt = 1 WHERE sequence = 1"
    says(select(2, run("inbox", "retry", "--state", "retry", "--reason", "x", "--yes")), "1 run put back")
  end)

  it("of a time, a type and a cause", function()
    add_dead(5)
    local words = { "inbox", "retry", "--since", "2026-05-28T20:26:42Z", "--until", "2026-05-28T20:26:44Z", "--type",
      "correspondencepublished", "--cause", "422", "--reason", "x", "--yes" }
    says(select(2, run(table.unpack(words))), "2 runs put back, of 2 events")
    assert.are.same({ { sequence = 2 }, { sequence = 3 } }, query "SELECT sequence FROM act ORDER BY number")
  end)

  it("of a cause's id reaches that group alone", function()
    add_dead(4)
    execute "UPDATE run SET cause = 'another' WHERE sequence > 2"
    local groups = cjson.decode((select(2, run("inbox", "list", "--state", "dead", "--json")))).groups
    local id = groups[1].cause == "another" and groups[1].id or groups[2].id
    says(select(2, run("inbox", "retry", "--cause", id, "--reason", "x", "--yes")), "2 runs put back")
    assert.are.same({ { sequence = 3 }, { sequence = 4 } }, query "SELECT sequence FROM act ORDER BY number")
    -- A run that was put back has no cause yet, and its attempt keeps the old one.
    assert.are.equal(0, count_of "run WHERE cause = 'another'")
    assert.are.equal(2, count_of "attempt WHERE cause = 'another'")
  end)
end)

describe("an act on many runs", function()
  it("goes in slices, each run once; what was broken off is done by a second call", function()
    add_dead(6000)
    local command_line = ("%s inbox retry --rule print --reason mended --yes --inbox %s"):format(
      process.quote(assert(io.popen "pwd"):read "l" .. "/" .. (os.getenv "AE_BUILD" or "build/lua5.4")
      .. "/bin/altinn-events"), process.quote(folder .. "/altinn-events.db"))
    local first = process.start(folder, "act", command_line)
    assert(process.wait(30, function() return count_of "act" > 0 or nil end))
    first:signal "KILL"
    first:wait_exit(30)
    local done = count_of "act"
    assert.are.equal(done, count_of "run WHERE state = 'retry'")
    assert.are.equal(done, count_of "waiting")
    assert.are.equal(0, done % 500)
    assert.is_true(done < 6000)
    local status, out = run("inbox", "retry", "--rule", "print", "--reason", "mended", "--yes")
    assert.are.equal(0, status)
    says(out, ("%d runs put back, of %d events"):format(6000 - done, 6000 - done))
    assert.are.equal(6000, count_of "act")
    assert.are.equal(6000, query("SELECT count(DISTINCT sequence) AS n FROM act")[1].n)
    assert.are.equal(0, count_of "run WHERE state = 'dead'")
  end)
end)

describe("a run that changed since it was picked", function()
  it("is left alone: in another state, with another cause, or gone", function()
    add_dead(4)
    local act <close> = assert(acts.begin(folder .. "/altinn-events.db", "retry", { rule = "print" }))
    assert.are.equal(4, act.runs)
    execute "UPDATE run SET state = 'done' WHERE sequence = 1"
    execute "UPDATE run SET cause = 'another' WHERE sequence = 2"
    execute "DELETE FROM run WHERE sequence = 3"
    local runs, events = act:carry_out { reason = "x" }
    assert.are.same({ 1, 1 }, { runs, events })
    assert.are.same({ dead = 1 }, act:before())
    assert.are.same({ [""] = 1 }, act:after())  -- no host has taken it up yet
    assert.are.same({ { sequence = 4 } }, query "SELECT sequence FROM act")
    assert.are.same({ { sequence = 4, runs = 1, rules = "print" } }, query "SELECT * FROM waiting")
  end)
end)

describe("inbox retry --from-step", function()
  before_each(function()
    add_dead(2)
    for place, name in ipairs { "fetch", "confirm", "print" } do
      execute("INSERT INTO step VALUES (1, 'print', ?, ?, 'true', NULL, 0)", name, place)
    end
    execute "INSERT INTO step VALUES (2, 'print', 'fetch', 1, 'true', NULL, 0), (2, 'note', 'confirm', 2, '1', NULL, 0)"
  end)

  local function steps()
    local list = {}
    for index, row in ipairs(query "SELECT sequence, rule, name FROM step ORDER BY 1, 2, 3") do
      list[index] = ("%d %s %s"):format(row.sequence, row.rule, row.name)
    end
    return list
  end

  it("forgets the step and those after it, of the run alone", function()
    local status, out, err = run("inbox", "retry", "1", "--from-step", "confirm")
    assert.are.equal(0, status, err)
    assert.are.equal("1 run put back\n", out)
    assert.are.same({ "1 print fetch", "2 note confirm", "2 print fetch" }, steps())
  end)

  it("of a filter: runs that have not come so far keep their steps", function()
    local status, out = run("inbox", "retry", "--rule", "print", "--from-step", "print", "--reason", "x", "--yes")
    assert.are.equal(0, status)
    says(out, "from the step print on: 1 of these runs have it", "2 runs put back")
    assert.are.same({ "1 print confirm", "1 print fetch", "2 note confirm", "2 print fetch" }, steps())
  end)

  it("of a step that nobody has carried out is an error that names those there are", function()
    local status, out, err = run("inbox", "retry", "1", "--from-step", "confrm")
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "--from-step confrm: no such step; these runs have carried out: fetch, confirm, print (did you mean "
      .. "'confirm'?)")
    status, out, err = run("inbox", "retry", "--rule", "print", "--from-step", "none", "--reason", "x", "--yes")
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "--from-step none: no such step; these runs have carried out: fetch, confirm, print")
    execute "DELETE FROM step"
    says(select(3, run("inbox", "retry", "1", "--from-step", "fetch")), "these runs have carried out no step")
    assert.are.equal(0, count_of "act")
    assert.are.equal(2, count_of "run WHERE state = 'dead'")
  end)
end)

describe("inbox later", function()
  before_each(function()
    add_dead(3)
    add_run(1, "paper", "later", { entry = "paper", timer = '{"set":1,"due":2,"key":""}' })
    add_run(1, "other", "retry")
  end)

  it("moves an open run to a time or a span from now, and keeps who, when and why", function()
    local status, out, err = run("inbox", "later", "1", "--rule", "paper", "--at", "2026-12-24T08:00:00+01:00",
      "--reason", "the strike")
    assert.are.equal(0, status, err)
    assert.are.equal("1 run moved to 2026-12-24T07:00:00Z\n", out)
    local row = query("SELECT * FROM run WHERE rule = 'paper'")[1]
    assert.are.equal("later", row.state)
    assert.are.equal(1798095600000, row.due)
    assert.are.equal('{"set":1,"due":2,"key":""}', row.timer)
    assert.are.equal(1790000000000, query("SELECT due FROM run WHERE rule = 'other'")[1].due)
    local act = query("SELECT what, reason, rule, state FROM act")[1]
    assert.are.same({ what = "later", reason = "until 2026-12-24T07:00:00Z: the strike", rule = "paper",
      state = "later" }, act)
    assert.are.equal(0, (run("inbox", "later", "1", "--at", "2h")))
    for _, one in ipairs(query "SELECT due FROM run WHERE sequence = 1 AND rule <> 'print'") do
      assert.is_true(math.abs(one.due / 1000 - os.time() - 7200) < 30)
    end
    assert.are.equal("retry", query("SELECT state FROM run WHERE rule = 'other'")[1].state)
  end)

  it("refuses what is no time, one beyond ten years, and an event without a run that waits for a time", function()
    for at, wanted in pairs { tomorrow = "--at tomorrow: neither a span", ["2060-01-01"] = "in more than ten years" } do
      local status, _, err = run("inbox", "later", "1", "--at", at)
      assert.are.equal(2, status)
      says(err, wanted)
    end
    local status, _, err = run("inbox", "later", "2", "--at", "1h")
    assert.are.equal(1, status)
    says(err, "event 2 has no run that waits for a time: ", " is ")
    assert.are.equal(2, (run("inbox", "later", "1")))
    assert.are.equal(0, count_of "act")
  end)

  it("a retry makes it due now, a discard takes its timer away", function()
    execute "INSERT INTO timer VALUES ('letter:a', 'paper', '', 1, '')"
    says(select(2, run("inbox", "retry", "1", "--rule", "paper")),
      "1 run put back: it waited for a time, and may go now")
    local row = query("SELECT state, due, entry FROM run WHERE rule = 'paper'")[1]
    assert.are.equal("later", row.state)
    assert.are.equal("paper", row.entry)
    assert.is_true(math.abs(row.due / 1000 - os.time()) < 30)
    assert.are.equal(1, count_of "timer")
    says(select(2, run("inbox", "discard", "1", "--rule", "paper")), "1 run discarded")
    assert.are.equal(0, count_of "timer")
  end)
end)

describe("inbox retry --wait", function()
  it("says after that time that no host has taken the runs up", function()
    add_dead(2)
    local status, out, err = run("inbox", "retry", "--rule", "print", "--reason", "x", "--yes", "--wait", "0.3")
    assert.are.equal(1, status)
    says(out, "2 runs put back, of 2 events")
    says(err, "2 runs not taken up in 0.3 seconds; does the host run?")
  end)
end)
