-- Runs that wait for a time: they cost next to nothing, hold nobody up, come in order and in time, whatever the clock
-- does. With the real command; large numbers of them are written into the file as a host would leave them.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"

local one

after_each(function()
  if one then one:close() end
  one = nil
end)

-- What waits would wait again; a probe is skipped at once.
local RULES = { w = [[
  rule { name = "waits", on = "*", repeats = true, run = function(event)
    if event.id:find("^probe") then return skip("seen " .. event.id) end
    return retry_after("1d", "later")
  end }]] }

local function start(arguments) one = host.start { rules = RULES, arguments = arguments } end

local function post(id, letter)
  assert.are.equal(200, (one:post(sample.text { id = id, resourceinstance = letter or id })))
end

-- So many events, each with a run that is due after `seconds`.
local function fill(count, seconds)
  local body = sample.text { id = "ID", resourceinstance = "LETTER" }
  sql.execute(one.inbox, ([[
    BEGIN;
    CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n;
    INSERT INTO event SELECT i, CAST(strftime('%%s') AS INTEGER) * 1000, NULL, CAST(replace(replace(?, 'ID', 'w-' || i),
      'LETTER', 'letter-' || i) AS BLOB) FROM n;
    INSERT INTO run(sequence, rule, state, attempt, due, reason, changed, since, line, tries)
      SELECT i, 'waits', 'later', 0, (CAST(strftime('%%s') AS INTEGER) + %d) * 1000, 'later',
        CAST(strftime('%%s') AS INTEGER) * 1000, 0, i + 1000000, 1 FROM n;
    INSERT INTO waiting SELECT i, 1, 'waits' FROM n;
    COMMIT]]):format(count, seconds), body)
end

local function seen(id, seconds)
  return process.wait(seconds, function() return one:log():find("seen " .. id, 1, true) end)
end

local function resident()
  return tonumber(process.read("/proc/" .. one.process.pid .. "/status"):match("VmRSS:%s+(%d+)")) * 1024
end

describe("100,000 runs that wait for a day", function()
  local COUNT = 100000

  it("cost 64 bytes each at most, and leave dispatch under a second whatever happens", function()
    start { "--workers", "1" }
    post "probe-0"
    assert(seen("probe-0", 10))
    local before = resident()
    one:stop()
    sql.execute(one.inbox, "DELETE FROM event")
    sql.execute(one.inbox, "DELETE FROM run")
    fill(COUNT, 86400)
    assert(one:launch())
    post "probe-1"
    assert(seen("probe-1", 60))  -- the start looks at all of them first
    local each = (resident() - before) / COUNT
    local watched = (os.getenv "LD_PRELOAD" or ""):find "asan"  -- a sanitizer has memory of its own
    assert.is_truthy(watched or each <= 64, ("%.1f bytes for each"):format(each))
    -- Another program wrote; twice, and the second time while the first is looked at.
    for number = 2, 3 do
      assert.are.equal(0, (one:run("inbox", "retry", tostring(number), "--inbox", one.inbox)))
      post("probe-" .. number)
      assert.is_truthy(seen("probe-" .. number, 1), "an outside write holds dispatch up")
    end
    for number = 4, 5 do
      one:signal "HUP"
      post("probe-" .. number)
      assert.is_truthy(seen("probe-" .. number, 1), "a reload holds dispatch up")
    end
    one:rewrite { w = RULES.w .. '\nrule { name = "new", on = "x.y", run = function() end }' }
    one:signal "HUP"
    post "probe-6"
    assert.is_truthy(seen("probe-6", 1), "other rules hold dispatch up")
    assert(process.wait(10, function() return one:metrics().waiting == COUNT or nil end))
  end)
end)

describe("runs that wait for a time", function()
  it("do not count against those that a rule may have at work", function()
    start { "--workers", "1" }
    local texts = {}
    for number = 1, 5000 do  -- more than twice as many
      texts[#texts + 1] = sample.text { id = "w-" .. number, resourceinstance = "letter-" .. number }
      if number % 250 == 0 then
        assert.are.equal(200, (one:post("[" .. table.concat(texts, ",") .. "]",
          { ["Content-Type"] = "application/cloudevents-batch+json" })))
        texts = {}
      end
    end
    post "probe-last"
    assert(seen("probe-last", 30))
    assert(process.wait(10, function() return one:metrics().waiting == 5000 or nil end))
  end)

  it("come when they are due, and hold their letter until then", function()
    one = host.start { rules = { w = [[
      rule { name = "waits", on = "*", repeats = true, run = function(event, letter, context)
        log(("%s attempt %d"):format(event.id, context.attempt))
        if event.id == "first" and context.attempt == 1 then return retry_after("1s", "a second") end
      end }]] } }
    post("first", "letter")
    post("second", "letter")
    post("other", "other")
    assert(one:settle())
    assert(one:wait_log "second attempt 1")
    local order = {}
    for id, attempt in one:log():gmatch("reason=\"(%a+) attempt (%d)\"") do order[#order + 1] = id .. attempt end
    assert.are.same({ "first1", "other1", "first2", "second1" }, order)
  end)

  it("all come when many are due at once", function()
    start()
    one:stop()
    fill(3000, 2)
    sql.execute(one.inbox, "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'w-', 'probe-w-') AS BLOB)")
    assert(one:launch())
    assert(one:settle(30))
    assert.are.equal(3000, one:list("--state", "skipped").count)
  end)

  for what, days in pairs { ["a day"] = 1, ["400 days"] = 400 } do
    it("wait no longer for a clock that was set back by " .. what, function()
      start()
      one:stop()
      fill(1, 1)
      sql.execute(one.inbox, "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'w-', 'probe-w-') AS BLOB)")
      -- As a host left it whose clock was ahead.
      sql.execute(one.inbox, ("UPDATE run SET due = due + %d, changed = changed + %d"):format(days * 86400000,
        days * 86400000))
      assert(one:launch())
      assert(seen("probe-w-1", 10))
      assert(one:settle())
    end)
  end

  it("are not what --once waits for", function()
    start()
    post "w-1"
    assert(one:wait_log "event=1 .-verdict=")
    one:stop()
    one.arguments = { "--once" }
    one:launch()
    assert.are.equal(0, one.process:wait_exit(10))
    assert.are.equal(1, #one:list().events[1].runs)
  end)
end)
