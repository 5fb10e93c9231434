-- A clock that is set while the host runs: a library that stands before the C library's moves it.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"

local SECONDS = 30  -- that anything may take on a busy machine

-- A host whose clock is so many seconds ahead, and a function that sets these.
local function start(rules, ahead)
  local folder = process.folder()
  assert(os.execute(("env -u LD_PRELOAD cc -std=gnu11 -O1 -Wall -Wextra -fPIC -shared -o %s/clock.so"
    .. " spec/c/clock.c -ldl"):format(folder)))
  local clock, before = folder .. "/clock", os.getenv "LD_PRELOAD"
  process.write(clock, tostring(ahead))
  local one = host.start {
    rules = { r = rules },
    env = { CLOCK_FILE = clock,
      LD_PRELOAD = (before and before ~= "" and before .. " " or "") .. folder .. "/clock.so" },
  }
  finally(function()
    one:close()
    process.remove(folder)
  end)
  return one, function(seconds)
    process.write(clock .. ".new", tostring(seconds))
    assert(os.rename(clock .. ".new", clock))
  end
end

local function wait_verdict(one, run, verdict)
  assert(process.wait(SECONDS, function()
    local now = one:verdicts()[run]
    return now and now.verdict == verdict or nil
  end), run .. " is not " .. verdict)
end

describe("a run that waits for its time", function()
  it("waits no longer than it was to when the clock is set back", function()
    local one, set = start([[
      rule { name = "waits", on = "x.wanted", run = function(_, _, context)
        if context.attempt == 1 then return retry_after("6s") end
        return skip("at last")
      end }]], 36000)
    assert.are.equal(200, (one:post(sample.text { id = "e", type = "x.wanted" })))
    wait_verdict(one, "e/waits", "later")
    set(0)
    assert(one:settle(SECONDS))
    assert.are.equal("at last", one:verdicts()["e/waits"].reason)
  end)
end)

describe("a timer", function()
  local RULES = [[
    rule { name = "timer", on = "correspondencepublished", run = function(event)
      return later { at = event.id == "day" and "1d" or "3d", run = "over" }
    end, over = function(event) return skip("fired " .. event.id) end }]]
  local DAY = 86400

  local function post(one, id)
    assert.are.equal(200, (one:post(sample.text { id = id, resourceinstance = id })))
    wait_verdict(one, id .. "/timer", "later")
  end

  -- How long after its time it fired, by the host's clock; negative: before.
  local function late(one, sequence)
    return sql.query(one.inbox, "SELECT r.changed - a.due AS ms FROM run r JOIN attempt a ON a.sequence = r.sequence"
      .. " WHERE r.sequence = ? AND r.state = 'skipped' AND a.state = 'later'", sequence)[1].ms
  end

  it("comes at its time of the clock, once, whatever jumps the clock makes", function()
    local one, set = start(RULES, 0)
    post(one, "day")
    post(one, "days")
    set(DAY - 60)
    post(one, "other")
    assert.are.equal("later", one:verdicts()["day/timer"].verdict)
    -- As after a sleep of the machine: a second ago it was a minute early.
    set(DAY + 1)
    wait_verdict(one, "day/timer", "skipped")
    local ms = late(one, 1)
    assert.is_true(ms >= 0 and ms < SECONDS * 1000, ms)
    -- Back, and over its time again: it is over.
    set(-DAY)
    post(one, "past")
    set(2 * DAY + 60)
    wait_verdict(one, "past/timer", "skipped")
    set(3 * DAY + 1)
    wait_verdict(one, "days/timer", "skipped")
    assert.is_true(late(one, 2) >= 0)
    assert.are.equal("later", one:verdicts()["other/timer"].verdict)
    one:signal "HUP"
    assert(one:wait_log "in force")
    set(4 * DAY)
    wait_verdict(one, "other/timer", "skipped")
    assert(one:settle(SECONDS))
    local fired = {}
    for id in one:log():gmatch "fired (%a+)" do fired[#fired + 1] = id end
    assert.are.same({ "day", "past", "days", "other" }, fired)
    assert.are.same({}, sql.query(one.inbox, "SELECT 1 FROM timer"))
  end)

  it("fires at a start after its time", function()
    local one, set = start(RULES, 0)
    post(one, "day")
    one:stop()
    set(DAY + 1)
    assert(one:launch())
    wait_verdict(one, "day/timer", "skipped")
    assert.is_true(late(one, 1) >= 0)
  end)
end)
