-- What the file says of a line of runs, of attempts by their number, and of starts of the host. With the real host.
local cjson = require "cjson"
local host = require "spec.support.host"
local library = require "altinn.events.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"

local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

local RULES = [[
  rule { name = "fails", on = "correspondencepublished", repeats = true, retry = { within = "36h" },
    run = function(event, _, context)
      if event.id == "odd\"1" or context.attempt < 3 then return retry_after("1h", "not now") end
      error "down"
    end }
  rule { name = "ordered", on = "correspondencepublished", order = "subject", repeats = true,
    run = function() return retry_after("1h", "wait") end }
  rule { name = "one", on = "correspondencepublished", order = { constant = "all" }, repeats = true,
    run = function() return retry_after("1h", "wait") end }
  rule { name = "timer", on = "correspondencepublished", repeats = true,
    run = function(event) return later { at = "0.05s", run = "body", key = event.id } end,
    body = function(_, _, context) if context.attempt == 2 then error "down" end return done "at last" end }
]]

describe("the file of an inbox", function()
  local one

  setup(function()
    one = host.start { rules = { rules = RULES } }
    for _, changes in ipairs { { id = "a" }, { id = "b" }, { id = 'odd"1', resourceinstance = false },
      { id = "c", resourceinstance = LETTER:gsub("f$", "0") } } do
      assert.are.equal(200, (one:post(sample.text(changes))))
    end
    assert(process.wait(30, function()
      local verdicts = one:verdicts()
      local function is(run, state) return verdicts[run] and verdicts[run].verdict == state end
      return is("a/fails", "later") and is('odd"1/fails', "later") and is("c/timer", "done") and is("a/one", "later")
    end), one:log())
  end)

  teardown(function() one:close() end)

  local function line(place)
    local inbox <close> = assert(library.inbox(one.inbox))
    place.now = os.time() * 1000
    local list = {}
    for index, row in ipairs(assert(inbox:line(place))) do
      list[index] = ("%d %s %d"):format(row.sequence, row.state, row.in_line)
    end
    return list
  end

  local THING = '$."resourceinstance"'

  it("tells the runs of a line: of a letter, an attribute, a constant, an event without the attribute", function()
    assert.are.same({ "1 later 1", "2 waiting 0" }, line { rule = "fails", path = THING, key = LETTER })
    assert.are.same({ "3 later 1" }, line { rule = "fails", path = THING, key = 'odd"1' })
    assert.are.same({ "1 later 1", "2 waiting 0", "3 waiting 0", "4 waiting 0" }, line { rule = "ordered",
      path = '$."subject"', key = "urn:altinn:organization:identifier-no:987654321" })
    assert.are.same({ "1 later 1", "2 waiting 0", "3 waiting 0", "4 waiting 0" }, line { rule = "one", key = "all" })
    assert.are.same({ "1 later 1", "2 waiting 0" }, line { rule = "one", key = "all", limit = 2 })
    assert.are.same({}, line { rule = "fails", path = THING, key = "another" })
  end)

  it("tells a run that was put back among those of its line", function()
    sql.execute(one.inbox, "INSERT INTO run(sequence, rule, state, attempt, due, changed) "
      .. "SELECT 2, 'fails', 'retry', 0, 1, 1")
    assert.are.same({ "1 later 1", "2 retry 0" }, line { rule = "fails", path = THING, key = LETTER })
    sql.execute(one.inbox, "DELETE FROM run WHERE sequence = 2 AND rule = 'fails'")
  end)

  it("looks a line up in an index", function()
    local question = "EXPLAIN QUERY PLAN SELECT * FROM run r WHERE r.line = 5 AND r.line <> 0"
    local pipe = assert(io.popen(("sqlite3 %s '%s'"):format(process.quote(one.inbox), question)))
    local plan = pipe:read "a"
    pipe:close()
    assert.is_truthy(plan:find("run_line", 1, true), plan)
  end)

  it("numbers attempts as the log does, also after a timer", function()
    local status, out, err = one:run("inbox", "show", "1", "--json", "--inbox", one.inbox)
    assert.are.equal(0, status, err)
    local shown = cjson.decode(out)
    assert(one:wait_log "rule=timer event=1 [^\n]*verdict=done[^\n]*attempt=3 ms=%d")
    local logged, listed = {}, {}
    for verdict, number in one:log():gmatch("rule=timer event=1 .-verdict=(%S+) .-attempt=(%d+)") do
      logged[#logged + 1] = verdict .. number
    end
    for _, run in ipairs(shown.attempts) do
      if run.rule == "timer" then listed[#listed + 1] = ("%s%d"):format(run.verdict, run.attempt) end
    end
    for _, run in ipairs(shown.runs) do
      if run.rule == "timer" then
        listed[#listed + 1] = ("%s%d"):format(run.verdict, run.attempt)
      end
    end
    assert.are.same({ "later1", "retry2", "done3" }, logged)
    assert.are.same(logged, listed)
  end)

  it("remembers the starts of hosts that wrote", function()
    one:restart()
    assert.are.equal(200, (one:post(sample.text { id = "later" })))
    local inbox <close> = assert(library.inbox(one.inbox))
    local starts = assert(inbox:starts(0))
    assert.are.equal(2, #starts)
    assert.is_true(starts[1].time <= starts[2].time and starts[2].time <= os.time() * 1000 + 1000)
    assert.are.equal(0, #assert(inbox:starts(starts[2].time + 1)))
  end)
end)
