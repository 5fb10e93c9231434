-- The table of retries: each of its rows, on a virtual clock. Any Lua.
local core = require "altinn.events.core"
local policy = require "altinn.events.rules.retry_policy"
local retries = require "altinn.events.client.retry"
local rules = require "altinn.events.rules.language"
local table_of_retries = require "altinn.events.rules.retry_table"
local worlds = require "spec.support.engine_world"

local HOUR = 3600
local rows = table_of_retries.rows

-- The failure that a row speaks of, as Altinn's answers are judged.
local function failure_of(row)
  local failure = { reason = "it failed: " .. row.what }
  for name, value in pairs(row.failure) do failure[name] = value end
  if row.kind == "error" then
    local answer = core.altinn.judge("overview", failure.status, ('{"errorCode":%s}'):format(row.what))
    failure.kind, failure.number = answer.code, answer.number
    assert.are.equal(row.failure.kind, answer.code)
    assert.are.equal(row.what, tostring(answer.number))
  end
  return failure
end

-- How a run with this failure at each attempt ends: its state, the attempts, the seconds.
local function live(rule, failure, most)
  local run, now = { failures = 0, age = 0, waited = 0 }, 0
  for attempt = 1, most or 5000 do
    local outcome = policy.failed(rule, run, failure, function() return 1 end)
    if outcome.state == "dead" then return "dead", attempt, now, outcome end
    assert(outcome.pause > 0)
    now = now + outcome.pause
    run.failures, run.age, run.waited = run.failures + (outcome.counted and 1 or 0), now, now
  end
  return "alive", most or 5000, now
end

local function named(row) return ("%s %s of %s"):format(row.kind, row.what, row.from) end

describe("the table of retries", function()
  it("has every status that an answer may have, each once for Altinn and once for a target", function()
    for status = 300, 599 do
      for _, from in ipairs { "Altinn", "target" } do
        local exact, ranges = 0, 0
        for _, row in ipairs(rows) do
          local first, last = row.what:match("^(%d+)%-(%d+)$")
          if row.kind == "status" and (row.from == from or row.from == "both") then
            if row.what == tostring(status) then exact = exact + 1 end
            if first and status >= tonumber(first) and status <= tonumber(last) then ranges = ranges + 1 end
          end
        end
        assert.is_true(exact <= 1 and ranges <= 1 and exact + ranges >= 1, status .. " of " .. from)
      end
    end
  end)

  it("has every failure code", function()
    local of = {}
    for _, row in ipairs(rows) do of[row.what] = true end
    for _, code in ipairs { "syntax", "not_cloudevent", "invalid", "too_large", "unsupported", "auth", "forbidden",
      "not_found", "conflict", "throttled", "server", "network", "tls", "timeout", "cancelled", "memory", "storage" } do
      assert.is_true(of[code], code)
    end
  end)

  it("gives each row a verdict and a reason of one line, without doubles", function()
    local seen = {}
    for _, row in ipairs(rows) do
      assert.is_truthy(({ again = true, never = true, refresh = true })[row.verdict], named(row))
      assert.is_truthy(#row.why > 5 and #row.why < 200 and not row.why:find("\n"), named(row))
      assert.is_nil(seen[named(row)], named(row))
      seen[named(row)] = true
    end
    assert.is_true(#rows > 150)
  end)

  it("says of a status what it says of the status's class", function()
    for _, entry in ipairs(core.altinn.failures.statuses) do
      assert.are.equal(entry.verdict, (table_of_retries.verdict { kind = entry.code }), tostring(entry.first))
    end
  end)

  it("is what happens to each failure, whatever retry.within and retry.attempts are", function()
    for _, row in ipairs(rows) do
      for _, within in ipairs { 60, HOUR, 36 * HOUR } do
        for _, attempts in ipairs { false, 1, 4 } do
          local rule = { retry = { within = within, attempts = attempts or nil } }
          local state, count, seconds, outcome = live(rule, failure_of(row))
          local case = ("%s within %d, %s attempts"):format(named(row), within, tostring(attempts))
          if row.what == "host" then
            assert.are.equal("alive", state, case)
          elseif row.verdict == "never" then
            assert.are.same({ "dead", 1, 0 }, { state, count, seconds }, case)
          else
            assert.are.equal("dead", state, case)
            if attempts then
              assert.is_true(count <= attempts and seconds <= within, case)
            else
              assert.is_true(math.abs(seconds - within) < 1e-6, case)
            end
            assert.is_truthy(outcome.reason:find("gave up after ", 1, true), case)
          end
        end
      end
    end
  end)

  it("shortens what a server asks for to the time that is left", function()
    for _, row in ipairs(rows) do
      if row.verdict ~= "never" and row.what ~= "host" then
        local failure = failure_of(row)
        failure.after = 50000
        local _, _, seconds = live({ retry = { within = HOUR } }, failure)
        assert.are.equal(HOUR, seconds, named(row))
      end
    end
  end)

  it("spreads the attempts over the whole time (full jitter)", function()
    local least, most, sum = math.huge, 0, 0
    local world = worlds.new { replies = { 503 } }
    local draws, count = 0, 1000
    world.ports.random = function()
      draws = draws + 1
      return (draws - 0.5) / count
    end
    for _ = 1, count do
      local job = world:job { run = function() return rules.send.http "print" {} end }
      job.failures = 6
      local pause = world:attempt(job).pause
      least, most, sum = math.min(least, pause), math.max(most, pause), sum + pause
    end
    assert.is_true(least < 0.2 and most > 63.5 and math.abs(sum / count - 32) < 1, ("%g %g"):format(least, most))
  end)
end)

describe("the same table", function()
  it("is what the client repeats within a call, and which errors no new token cures", function()
    for _, code in ipairs { "network", "timeout", "throttled", "server" } do assert.is_true(retries.is_soon(code)) end
    for _, code in ipairs { "tls", "auth", "invalid", "storage", "syntax", "forbidden" } do
      assert.is_false(retries.is_soon(code))
    end
    for _, number in ipairs { 4001, 4006, 4007 } do assert.is_true(retries.is_denied(number)) end
    for _, number in ipairs { 1001, 4002, 9999 } do assert.is_false(retries.is_denied(number)) end
    assert.is_false(retries.is_denied(nil))
  end)

  it("judges Altinn's answers: the error number before the status, a failing server before both", function()
    local function verdict(status, number)
      local answer = core.altinn.judge("overview", status, number and ('{"errorCode":%d}'):format(number) or "")
      return (table_of_retries.verdict { kind = answer.code, status = status, number = answer.number,
        temporary = answer.temporary }), answer.renew
    end
    for _, case in ipairs {
      { 400, nil, "never" }, { 400, 1015, "again" }, { 400, 4002, "again" }, { 404, 1001, "never" },
      { 401, nil, "refresh", true }, { 401, 4001, "never" }, { 401, 9999, "refresh", true }, { 500, 1001, "again" },
      { 503, nil, "again" }, { 501, nil, "again" }, { 429, nil, "again" }, { 425, nil, "again" }, { 403, nil, "never" },
      { 400, 1024, "never" },
    } do
      assert.are.same({ case[3], case[4] }, { verdict(case[1], case[2]) }, ("%d %s"):format(case[1], tostring(case[2])))
    end
  end)

  it("has the numbers and statuses that the emulator answers with", function()
    local ok, errors = pcall(require, "altinn.events.emulator.letters_errors")
    if not ok then return pending("the emulator runs in Lua 5.4") end
    local numbers = {}
    for _, entry in ipairs(core.altinn.failures.numbers) do numbers[entry.number] = entry.first end
    for number, one in pairs(errors.errors) do assert.are.equal(one[1], numbers[number], number) end
  end)
end)

describe("a rule", function()
  local function state_of(parts, failure) return (live(parts, failure, 3)) end

  it("changes the table for itself: an error number before a status, that before a class", function()
    local again, never = { 422 }, { "network", 503 }
    for _, kind in ipairs(again) do
      assert.are.equal("dead", state_of({}, { reason = "x", kind = kind }))
      assert.are.equal("alive", state_of({ override = { [kind] = "again" } }, { reason = "x", kind = kind }))
    end
    for _, kind in ipairs(never) do
      assert.are.equal("alive", state_of({}, { reason = "x", kind = kind }))
      local state, _, _, outcome = live({ override = { [kind] = "never" } }, { reason = "x", kind = kind })
      assert.are.same({ "dead", "x (not retried: override)" }, { state, outcome.reason })
    end
    local failure = { reason = "x", kind = "invalid", status = 400, number = 1044 }
    assert.are.equal("alive", state_of({ override = { [1044] = "again", [400] = "never", invalid = "never" } },
      failure))
    assert.are.equal("dead", state_of({ override = { [400] = "never", invalid = "again" } }, failure))
    assert.are.equal("alive", state_of({ override = { invalid = "again" } }, failure))
    assert.are.equal("dead", state_of({ override = { server = "never" } }, { reason = "x", kind = 502 }))
    assert.are.equal("alive", state_of({ override = { server = "never", [502] = "again" } }, { reason = "x",
      kind = 502 }))
    assert.are.equal("alive", state_of({ override = { [404] = "again" }, retry = { on = { "network" } } },
      { reason = "x", kind = 404 }))
  end)

  it("changes the table for a stage of the network alone", function()
    local function failure(stage) return { reason = "x", kind = "network", stage = stage, target = "print" } end
    for _, stage in ipairs { "resolve", "connect", "broken" } do
      assert.are.equal("alive", state_of({}, failure(stage)))
      assert.are.equal("dead", state_of({ override = { [stage] = "never" } }, failure(stage)))
      assert.are.equal("alive", state_of({ override = { [stage] = "never" } }, failure "another"))
      assert.are.equal("alive", state_of({ override = { network = "never", [stage] = "again" } }, failure(stage)))
      assert.are.equal("alive", state_of({ retry = { on = { stage } } }, failure(stage)))
      assert.is_nil(table_of_retries.word_fault(stage))
    end
    assert.are.equal("dead", state_of({ override = { network = "never" } }, failure "connect"))
  end)

  it("cannot change what the host is to blame for", function()
    assert.are.equal("alive", state_of({ override = { host = "never" }, retry = { on = { 404 } } },
      { reason = "x", kind = "host" }))
  end)

  it("that misspells a class is told so", function()
    assert.are.equal("'netwrok' is neither a status nor a class (did you mean 'network'?)",
      table_of_retries.word_fault("netwrok"))
    for _, word in ipairs { 99, 200, 600, 1000, 404.5, "host", true } do
      assert.is_truthy(table_of_retries.word_fault(word), tostring(word))
    end
    for _, word in ipairs { 404, 503, 1044, "network", "not_found", "error" } do
      assert.is_nil(table_of_retries.word_fault(word))
    end
  end)
end)
