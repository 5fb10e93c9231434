-- The engine by tables, on a virtual clock: what a run comes to. Any Lua; host and nginx are other ports of the same.
local events = require "altinn.events"
local rules = require "altinn.events.rules.language"
local worlds = require "spec.support.engine_world"

local HOUR = 3600
local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

local function sending(fields, target)
  fields = fields or {}
  return function() return rules.send.http(target or "print")(fields) end
end

local function contains(text, wanted)
  assert.is_truthy(tostring(text):find(wanted, 1, true), ("%q does not say %q"):format(tostring(text), wanted))
end

-- The first attempt of a rule whose target answers so.
local function first(parts, reply)
  local world = worlds.new { replies = { reply } }
  local job = world:job(parts)
  return world:attempt(job), world
end

describe("a target's answer", function()
  local AGAIN = { 408, 425, 429, 500, 501, 502, 503, 504, 599 }
  local NEVER = { 300, 301, 307, 400, 401, 403, 404, 409, 410, 418, 422, 424, 426, 428, 431, 451, 499 }

  it("that may change is tried again", function()
    for _, status in ipairs(AGAIN) do
      local outcome = first({ run = sending() }, status)
      assert.are.equal("retry", outcome.state, status)
      contains(outcome.reason, ("target 'print' answered %d"):format(status))
    end
  end)

  it("that cannot change ends with the dead letters", function()
    for _, status in ipairs(NEVER) do
      assert.are.equal("dead", first({ run = sending() }, status).state, status)
    end
  end)

  it("is tried again when retry.on names its status or its class, and then no other", function()
    local cases = {
      { 404, { 404 }, "retry" }, { 409, { 404 }, "dead" }, { 500, { 404 }, "dead" }, { 500, { "server" }, "retry" },
      { 503, { 503 }, "retry" }, { 500, { 503 }, "dead" }, { 429, { "throttled" }, "retry" },
      { 429, { "server" }, "dead" }, { 408, { "timeout" }, "retry" }, { 301, { 301 }, "retry" },
    }
    for _, case in ipairs(cases) do
      local outcome = first({ run = sending(), retry = { on = case[2] } }, case[1])
      assert.are.equal(case[3], outcome.state, ("%s with %s"):format(case[1], tostring(case[2][1])))
    end
    contains(first({ run = sending(), retry = { on = { 503 } } }, 500).reason, "(not retried: retry.on)")
  end)

  it("is kept, masked, as UTF-8, without the target's secrets, at most 1 KiB", function()
    local body = "no such person: 08895699684 a-secret-token \255" .. ("x"):rep(2000)
    local _, world = first({ run = sending() }, { status = 422, headers = {}, body = body })
    local outcome = world.memory.outcomes[1]
    contains(outcome.answer, "no such person: ***********")
    contains(outcome.answer, "\239\191\189xxx")
    assert.is_nil(outcome.answer:find("a-secret-token", 1, true))
    assert.are.equal(1024, #outcome.answer)
    for secret, hidden in pairs { ["8letters"] = "…", ["7letter"] = "7letter" } do  -- shorter ones are words
      local other = worlds.new { replies = { { status = 422, headers = {}, body = "not " .. secret } },
        targets = { print = { url = "http://print.example.no", headers = { ["X-Key"] = secret } } } }
      other:attempt(other:job { run = sending() })
      assert.are.equal("not " .. hidden, other.memory.outcomes[1].answer)
    end
    assert.are.equal(422, outcome.status)
    contains(world.memory.settlements[1].reason, "answered 422: no such person: ***********")
  end)
end)

describe("an answer by way of a proxy", function()
  it("is told as such", function()
    local outcome = first({ run = sending() }, { status = 502, proxied = true })
    contains(outcome.reason, "answered 502, by way of the proxy that http_proxy names")
  end)
end)

describe("the outcome of an effect", function()
  local CASES = {
    { { status = 200 }, "sent", "done" }, { { status = 299 }, "sent", "done" },
    { { status = 200, error = "too long", code = "too_large" }, "sent", "done" },
    { { status = 503 }, "refused", "retry" }, { { status = 422 }, "refused", "dead" },
    { { error = "refused", code = "network", not_sent = true }, "not_sent", "retry" },
    { { error = "TLS", code = "tls", not_sent = true }, "not_sent", "retry" },
    { { error = "broken", code = "network" }, "unknown", "retry" },
    { { error = "timed out", code = "timeout" }, "unknown", "retry" },
    { { status = 200, error = "broken in the body", code = "network" }, "sent", "done" },
    { { status = 503, error = "broken in the body", code = "network" }, "refused", "retry" },
    { { status = 422, error = "broken in the body", code = "network" }, "refused", "dead" },
    { { status = 100, error = "broken after 100", code = "network" }, "unknown", "retry" },
    { {}, "unknown", "retry" },
  }

  it("is sent, refused, not sent or unknown", function()
    for number, case in ipairs(CASES) do
      local outcome, world = first({ run = sending() }, case[1])
      assert.are.same({ case[2], case[3] }, { world.memory.outcomes[1].state, outcome.state }, "case " .. number)
    end
  end)

  it("is told at once, before the next effect goes out", function()
    local world = worlds.new { replies = { 200, 503 } }
    world:attempt(world:job { run = function()
      return { rules.send.http "print" { key = LETTER .. "a" }, rules.send.http "print" { key = LETTER .. "b" } }
    end })
    local a, b = "print:r/" .. LETTER .. "a", "print:r/" .. LETTER .. "b"
    assert.are.same({ "record " .. a, "record " .. b, "send " .. a, "sent " .. a, "send " .. b, "refused " .. b,
      "settle retry" }, world.notes)
  end)

  it("that failed holds back the rest, which follows later, and nothing goes out twice", function()
    local world = worlds.new { replies = { 200, 503, 200 } }
    local outcome = world:finish(world:job { run = function()
      return { rules.send.http "print" { path = "/a" }, rules.send.http "print" { path = "/b" },
        rules.send.http "print" { path = "/c" } }
    end })
    local urls = {}
    for index, request in ipairs(world.requests) do urls[index] = request.url:match("/%w$") end
    assert.are.same({ "/a", "/b", "/b", "/c" }, urls)
    assert.are.same({ "done", "sent to print (2); 1 sent before" }, { outcome.state, outcome.reason })
  end)

  it("has the number of its attempt and the rule's version", function()
    local world = worlds.new { replies = { 503, 200 } }
    local job = world:job { run = sending() }
    job.rule.version = "0123456789ab"
    local _, settlement = world:attempt(job)
    world:attempt(job)
    local first_one, second = world.memory.outcomes[1], world.memory.outcomes[2]
    assert.are.same({ 1, 2 }, { first_one.attempt, second.attempt })
    local version = 0x0123456789ab
    assert.are.same({ version, version, version }, { first_one.version, second.version, settlement.version })
  end)

  it("that was not tried, because one before it failed, is none at its target", function()
    local world = worlds.new { replies = { 503 } }
    world:attempt(world:job { run = function()
      return { rules.send.http "print" { key = LETTER .. "a" }, rules.send.http "print" { key = LETTER .. "b" } }
    end })
    assert.are.equal(1, #world.memory.outcomes)  -- of those that are counted
    assert.are.equal("not_sent", world.memory.effects["print:r/" .. LETTER .. "b"].state)
  end)

  it("of another run, behind one that failed, stays that run's", function()
    local world = worlds.new { replies = { 503 } }
    local other = "print:r/" .. LETTER .. "b"
    world.memory.effects[other] = { state = "held", owner = 99 }
    world:attempt(world:job { run = function()
      return { rules.send.http "print" { key = LETTER .. "a" }, rules.send.http "print" { key = LETTER .. "b" } }
    end })
    assert.are.equal("held", world.memory.effects[other].state)
  end)

  it("may take as long as the targets of all of them may", function()
    local targets = { slow = { url = "http://s", timeout = 600 }, print = { url = "http://p" } }
    local longest = require("altinn.events.rules.engine").longest({ targets = targets },
      { { target = "slow" }, { target = "print" }, { target = "slow" } })
    assert.is_true(longest > 600 + 30 + 600)
  end)

  it("is nobody's failure while the inbox does not store", function()
    local world = worlds.new {}
    world.memory.fails = true
    local outcome, settlement = world:attempt(world:job { run = sending(), retry = { attempts = 1 } })
    assert.are.same({ "retry", 0 }, { outcome.state, settlement.attempt })
    assert.are.same({}, world.requests)
  end)

  it("is tried again the later the older its event is, after 90 s at most, while the host is in the way", function()
    for age, pause in pairs { [0] = 0.75, [40] = 15, [240] = 90, [36 * HOUR] = 90 } do
      local world = worlds.new {}
      local job = world:job { run = sending() }
      world.memory.fails, world.now = true, world.now + age
      assert.are.equal(pause, world:attempt(job).pause)
    end
  end)
end)

describe("the bytes of an effect", function()
  -- A body that makes another request each time.
  local function changing()
    local count = 0
    return function()
      count = count + 1
      return rules.send.http "print" { key = "a:b", path = "/" .. count, headers = { X = count }, body = "v" .. count }
    end
  end

  local function paths(...)
    local world = worlds.new { replies = { ... } }
    world:finish(world:job { run = changing() })
    local found = {}
    for index, request in ipairs(world.requests) do
      found[index] = request.url:match("/%d$") .. request.headers.X .. request.body
    end
    return found
  end

  local BROKEN = { error = "broken", code = "network" }
  local REFUSED = { error = "refused", code = "network", not_sent = true }

  it("are the same again while it is unknown what came of them", function()
    assert.are.same({ "/11v1", "/11v1", "/11v1" }, paths(BROKEN, { error = "late", code = "timeout" }, 200))
    -- A target that is broken for now says nothing of the request before.
    assert.are.same({ "/11v1", "/11v1", "/11v1" }, paths(BROKEN, 500, 200))
  end)

  it("are made anew after what is known to have failed", function()
    assert.are.same({ "/11v1", "/22v2", "/33v3" }, paths(503, REFUSED, 200))
    assert.are.same({ "/11v1", "/11v1", "/22v2" }, paths(BROKEN, 422, 200))
  end)

  it("may be any bytes", function()
    local all = {}
    for byte = 0, 255 do all[byte + 1] = string.char(byte) end
    all = table.concat(all)
    local world = worlds.new { replies = { BROKEN, 200 } }
    world:finish(world:job { run = sending { body = all } })
    assert.are.same({ all, all }, { world.requests[1].body, world.requests[2].body })
  end)

  it("carry the target's address and headers of today", function()
    local world = worlds.new { replies = { BROKEN, 200 } }
    local job = world:job { run = sending { path = "/x" } }
    world:attempt(job)
    for _, effect in pairs(world.memory.effects) do assert.is_nil(effect.text:find("a-secret-token", 1, true)) end
    world.ports.targets.print = { url = "http://other.example.no/", headers = { Authorization = "new" } }
    world:attempt(job)
    assert.are.same({ "http://other.example.no/x", "new" },
      { world.requests[2].url, world.requests[2].headers.Authorization })
  end)

  it("that nothing could hold are refused where they are returned", function()
    local loop = {}
    loop.loop = loop
    for _, case in ipairs { { { body = ("x"):rep(1024 * 1024) }, "larger than 1 MiB" },
      { { json = loop }, "json: " }, { { json = { f = print } }, "a function has no JSON form" },
      { { json = { 0 / 0 } }, "no NaN" } } do
      local outcome, world = first({ run = sending(case[1]) }, 200)
      assert.are.equal("dead", outcome.state)
      contains(outcome.reason, case[2])
      assert.is_truthy(outcome.reason:find("spec/engine_spec.lua:%d+: "), outcome.reason)
      assert.are.same({}, world.requests)
    end
  end)
end)

describe("a failure", function()
  it("is tried again later and later, with jitter between bounds", function()
    local world = worlds.new { replies = { 503 } }
    local _, pauses = world:finish(world:job { run = sending(), retry = { within = "3650d" } }, 16)
    assert.are.same({ 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600, 3600 }, pauses)
    for failures, wanted in pairs { [0] = 0.525, [3] = 4.025, [40] = 1800.025 } do
      world = worlds.new { replies = { 503 }, random = 0.5 }
      local job = world:job { run = sending(), retry = { within = "3650d" } }
      job.failures = failures
      assert.is_true(math.abs(world:attempt(job).pause - wanted) < 1e-6)
    end
    assert.are.equal(0.05, worlds.new { replies = { 503 }, random = 0 }:attempt(worlds.new {}:job { run = sending() })
      .pause)
  end)

  it("is given up after retry.within, not before, and the text tells the time that it took", function()
    for span, words in pairs { ["10s"] = "10 s", ["36h"] = "36 h", ["90m"] = "90 min", ["3d"] = "3 d" } do
      local world = worlds.new { replies = { 503 } }
      local began = world.now
      local outcome = world:finish(world:job { run = sending(), retry = { within = span } })
      assert.are.equal("dead", outcome.state)
      contains(outcome.reason, ("gave up after %s: target 'print' answered 503"):format(words))
      assert.is_true(world.now - began >= require("altinn.events.support.duration").parse(span))
    end
    local world = worlds.new { replies = { 503 } }
    local began = world.now
    contains(world:finish(world:job { run = sending() }).reason, "gave up after 36 h")
    assert.is_true(math.abs(world.now - began - 36 * HOUR) < 1)
  end)

  it("that overran a limit is a failure of its own kind", function()
    local engine = require "altinn.events.rules.engine"
    local world = worlds.new {}
    local job = world:job { run = sending(), override = { limit = "never" } }
    for limited, state in pairs { [true] = "dead", [false] = "retry" } do
      assert.are.equal(state, engine.raised(job, world.ports, "used up", "used up", limited).state)
    end
  end)

  it("that the rule says has its reason as cause", function()
    local world = worlds.new {}
    local _, settlement = world:attempt(world:job { run = function() return rules.fail "no such service: 1234567" end })
    assert.are.same({ "dead", "no such service: #" }, { settlement.state, settlement.cause })
  end)

  it("is given up after retry.attempts", function()
    for attempts = 1, 4 do
      local world = worlds.new { replies = { 503 } }
      local outcome = world:finish(world:job { run = sending(), retry = { attempts = attempts } })
      assert.are.equal(attempts, #world.requests)
      contains(outcome.reason, ("gave up after %d attempt%s: "):format(attempts, attempts > 1 and "s" or ""))
    end
  end)

  it("of the body is tried again with its traceback, unless retry.on leaves it out", function()
    local function broken() error("it broke") end
    local outcome = first({ run = function() broken() end })
    assert.are.equal("retry", outcome.state)
    contains(outcome.reason, "it broke")
    contains(outcome.reason, "traceback")
    assert.is_nil(outcome.reason:find("altinn/events/", 1, true), outcome.reason)
    assert.is_nil(outcome.reason:find("[C]", 1, true), outcome.reason)
    assert.are.equal("dead", first({ run = broken, retry = { on = { "network" } } }).state)
    assert.are.equal("dead", first({ run = sending(), retry = { on = { "timeout" } } },
      { error = "x", code = "network" }).state)
    assert.are.equal("retry", first({ run = sending(), retry = { on = { "network" } } },
      { error = "x", code = "network" }).state)
  end)
end)

describe("Retry-After", function()
  local function pause_of(after, parts, failures, age)
    local world = worlds.new { replies = { { status = 503, headers = { ["retry-after"] = after }, body = "" } },
      random = 0 }
    parts.run = sending()
    local job = world:job(parts)
    job.failures, job.since = failures or 0, age and world.now - age
    return world:attempt(job)
  end

  it("is the least pause", function()
    assert.are.equal(7, pause_of("7", {}).pause)
    assert.are.equal(0.05, pause_of("0", {}).pause)
    assert.are.equal(0.05, pause_of("soon", {}).pause)
    assert.are.equal(86400, pause_of("999999999", {}).pause)
  end)

  it("is shortened to what is left of retry.within", function()
    local outcome = pause_of("50000", { retry = { within = "12h" } })
    assert.are.same({ "retry", 12 * HOUR }, { outcome.state, outcome.pause })
    outcome = pause_of("50000", { retry = { within = "12h" } }, 3, 11 * HOUR)
    assert.are.same({ "retry", HOUR }, { outcome.state, outcome.pause })
    assert.are.equal("dead", pause_of("50000", { retry = { within = "12h" } }, 3, 12 * HOUR).state)
  end)
end)

describe("a wish for a later time", function()
  it("is no failure, and neither retry.within nor retry.attempts bounds it", function()
    local world, count = worlds.new {}, 0
    local job = world:job { retry = { within = "1h", attempts = 1 }, run = function()
      count = count + 1
      return count < 5 and rules.retry_after("3d", "give the recipient time") or nil
    end }
    local outcome, pauses = world:finish(job)
    assert.are.same({ 259200, 259200, 259200, 259200 }, pauses)
    assert.are.equal("done", outcome.state)
    assert.are.same({ "info", "later", "give the recipient time; again in 3 d", 1 }, { world.lines[1].level,
      world.lines[1].fields.verdict, world.lines[1].fields.reason, world.lines[1].fields.attempt })
    assert.are.equal(0, world.memory.settlements[4].attempt)
    assert.are.equal(5, world.lines[5].fields.attempt)
  end)

  it("leaves failures after it their whole time", function()
    local world, count = worlds.new { replies = { 503 } }, 0
    local job = world:job { retry = { within = "1h" }, run = function()
      count = count + 1
      if count == 1 then return rules.retry_after("3d") end
      return rules.send.http "print" {}
    end }
    local outcome = world:finish(job)
    contains(outcome.reason, "gave up after 1 h")
    assert.is_true(#world.requests > 5)
  end)

  it("between failures begins their time anew", function()
    local world, count = worlds.new {}, 0
    local job = world:job { retry = { within = "1h" }, run = function()
      count = count + 1
      if count == 2 then return rules.retry_after("3d") end
      error("broken")
    end }
    world:finish(job, 3)
    assert.are.equal(3, count)
    assert.are.equal("retry", world.memory.settlements[3].state)
    assert.is_true(world.memory.settlements[3].since > world.memory.settlements[2].due - 1)
  end)

  it("of no time is one of a second", function()
    assert.are.equal(1, first({ run = function() return rules.retry_after(0) end }).pause)
  end)

  it("beyond the last attempt that there can be is told as such", function()
    local world = worlds.new { ladder = 34 * HOUR }
    local outcome = world:attempt(world:job { run = function() return rules.retry_after("3d", "later") end })
    assert.are.same({ "dead", "it cannot wait for 3 d: Altinn brings the event again for 34 h at most: later" },
      { outcome.state, outcome.reason })
    assert.are.equal("later", world:attempt(world:job { run = function() return rules.retry_after("33h") end }).state)
    world.replies = { 503 }
    local job = world:job { run = sending(), retry = { within = "100d" } }
    local began = world.now
    contains(world:finish(job).reason, "gave up after 34 h")
    assert.is_true(math.abs(world.now - began - 34 * HOUR) < 1)
  end)
end)

describe("a call to Altinn", function()
  local function asking(status, headers, parts)
    local world = worlds.new { client = events.client { base_url = "http://127.0.0.1:1", token = "a-token-of-a-spec",
      attempts = 1, transport = function() return { status = status, headers = headers or {}, body = "" } end } }
    parts = parts or {}
    parts.run = function(_, letter) letter:details() end
    local job = world:job(parts)
    return job, world
  end

  it("that cannot succeed ends with the dead letters, unless retry.on names its status", function()
    for _, status in ipairs { 400, 403 } do
      local job, world = asking(status)
      assert.are.equal("dead", world:attempt(job).state, status)
      job, world = asking(status, nil, { retry = { on = { status } } })
      assert.are.equal("retry", world:attempt(job).state, status)
    end
  end)

  it("for a letter that is not there yet is tried again after 10 s, once", function()
    local job, world = asking(404)
    local outcome = world:attempt(job)
    assert.are.same({ "retry", 10 }, { outcome.state, outcome.pause })
    assert.are.equal("dead", world:attempt(job).state)
    job, world = asking(404)
    world.now = world.now + 61
    assert.are.equal("dead", world:attempt(job).state)
  end)

  it("that says it may succeed later is tried again, whatever its class is", function()
    local things = require "altinn.events.rules.thing"
    for temporary, state in pairs { [true] = "retry", [false] = "dead" } do
      local outcome = first { run = function() things.fail("no", "forbidden", { temporary = temporary }) end }
      assert.are.equal(state, outcome.state)
    end
  end)

  it("heeds Retry-After", function()
    local job, world = asking(503, { ["retry-after"] = "77" })
    world.random = 0
    assert.are.equal(77, world:attempt(job).pause)
  end)

  it("is judged by the number of Altinn's error, and its cause names it", function()
    local function refused(parts)
      local world = worlds.new { client = events.client { base_url = "http://127.0.0.1:1", token = "a-token-of-a-spec",
        attempts = 1, transport = function() return { status = 404, headers = {}, body = '{"errorCode":1001}' } end } }
      parts.run = function(_, letter) letter:details() end
      local job = world:job(parts)
      job.failures = 1
      return world:attempt(job)
    end
    assert.are.equal("dead", refused({}).state)
    local outcome, settlement = refused { override = { [1001] = "again" } }
    assert.are.same({ "retry", "not_found (1001)" }, { outcome.state, settlement.cause })
  end)

  it("waits while the configuration lacks what it needs", function()
    local world = worlds.new {}
    local outcome = world:attempt(world:job { run = function(_, letter) letter:details() end })
    assert.are.equal("retry", outcome.state)
    contains(outcome.reason, "Altinn cannot be asked: no client (usage)")
  end)
end)

describe("nothing is silent:", function()
  local function told(run, ...)
    local outcome = first({ run = run }, 200)
    assert.are.equal("retry", outcome.state)
    for _, wanted in ipairs { ... } do contains(outcome.reason, wanted) end
    assert.is_truthy(outcome.reason:find("spec/engine_spec.lua:%d+: "), outcome.reason)
    return outcome.reason
  end

  it("an effect that was made and not returned", function()
    local reason = told(function()
      rules.send.http "print" { json = {} }
    end, "an effect for 'print' was made but not returned", 'write return send.http("print") { … }')
    local line = debug.getinfo(1, "l").currentline - 2
    contains(reason, ("spec/engine_spec.lua:%d: an effect"):format(line))
    told(function()
      rules.send.http "print" { path = "/a" }
      return { rules.send.http "print" { path = "/b" } }
    end, "an effect for 'print' was made but not returned")
    told(function()
      local list = { rules.send.http "print" {} }
      return #list > 1 and list or nil
    end, "was made but not returned")
  end)

  it("a verdict that was made and not returned", function()
    told(function() local _ = rules.skip("x") end, "skip(…) was made but not returned", "write return skip(…)")
    told(function() rules.fail("x") end, "fail(…) was made")
    told(function() rules.retry_after("3d") end, "retry_after(…) was made")
    told(function() rules.done() end, "done() was made")
    told(function()
      if rules.skip("x") then return rules.done() end
    end, "skip(…) was made but not returned")
  end)

  it("what is no verdict, at the body's line", function()
    told(function() return 42 end, "not a number")
    told(function() return rules.send.http "print" end, "not a function", "is the table missing")
    told(function() return { "x" } end, "item 1 of its list is none")
    told(function() return nil, "no such letter" end, "the rule returned nil, and why: no such letter")
    told(function() return false, { code = 1 } end, "the rule returned false, and why: an error that is a table: {")
    contains(first({ run = function() error({ code = 1, message = "no" }) end }).reason,
      "an error that is a table: { code = 1, message = no }")
    told(function() return rules.fail "" end, "fail wants a reason")
  end)

  it("a verdict of every kind has a reason", function()
    for reason, run in pairs {
      ["the rule returned nothing"] = function() end, ["the rule is done"] = function() return rules.done() end,
      ["as said"] = function() return rules.done("as said") end,
      ["the rule returned an empty list"] = function() return {} end, ["sent to print"] = sending(),
    } do
      local outcome = first({ run = run }, 200)
      assert.are.same({ "done", reason }, { outcome.state, outcome.reason })
    end
  end)

  it("what was made by the file, once for all runs, may be returned by some of them", function()
    local always = rules.send.http "print" {}
    assert.are.equal("done", first({ run = function() return always end }, 200).state)
    assert.are.equal("skipped", first({ run = function() return rules.skip("no") end }).state)
  end)

  it("misuse stands at the rule's line, also after a tail call", function()
    for wanted, run in pairs {
      ["send.http: unknown key 'jsn' (did you mean 'json'?)"] = function() return rules.send.http "p" { jsn = {} } end,
      ["skip wants a reason"] = function() return rules.skip() end,
      ["retry_after: '3 working days' is no span"] = function() return rules.retry_after("3 working days") end,
      ["send.http wants the name of a target"] = function() return rules.send.http() end,
      ["send.http: json and body exclude each other"] = function()
        return rules.send.http "p" { json = {}, body = "" } end,
      ["send.http: the key is empty"] = function() return rules.send.http "print" { key = {} } end,
    } do
      local reason = told(run, wanted)
      contains(reason, ("spec/engine_spec.lua:%d: %s"):format(debug.getinfo(run, "S").linedefined, wanted:sub(1, 8)))
    end
    told(function(_, _, context) return context.atempt end, "there is no 'atempt' in context (did you mean 'attempt'?)")
    told(function(_, letter) return letter.correspondenceId end, "there is no 'correspondenceId' in a thing")
  end)
end)

describe("a list of effects", function()
  it("goes out whole or not at all", function()
    for _, wrong in ipairs { { "other" }, { "print", { path = "no/path" } } } do
      local outcome, world = first({ may = { "send:print" }, run = function()
        return { rules.send.http "print" { path = "/a" }, rules.send.http(wrong[1])(wrong[2] or {}) }
      end }, 200)
      assert.are.equal("dead", outcome.state)
      assert.are.same({ "settle dead" }, world.notes)
    end
  end)
end)

describe("the key", function()
  local function key_of(key, changes)
    local world = worlds.new {}
    local outcome = world:attempt(world:job({ run = function(event, letter)
      if key == "letter" then key = letter elseif key == "event" then key = event end
      return rules.send.http "print" { key = key }
    end }, changes))
    return world.requests[1] and world.requests[1].headers["Idempotency-Key"], outcome
  end

  it("is the target, the rule and the parts", function()
    assert.are.equal("print:r/" .. LETTER, (key_of("letter")))
    assert.are.equal("print:r/" .. LETTER, (key_of(LETTER)))
    assert.are.equal("print:r/print/" .. LETTER, (key_of({ "print", LETTER })))
    assert.are.equal("print:r/987654321/7", (key_of({ "987654321", 7 })))
    assert.is_truthy(key_of("event"):find("^print:r/e%-1%.%x+$"))
  end)

  it("that the rule composes with a colon is the rule's own", function()
    assert.are.equal("print:case:7", (key_of("case:7")))
  end)

  it("that is left out is of this event and place, also for another source", function()
    local one, other = key_of(nil), key_of(nil, { source = "/t" })
    assert.is_truthy(one:find("^print:r/e%-1%.%x+/1$"), one)
    assert.are_not.equal(one, other)
    assert.are.equal(one, (key_of(nil)))
  end)

  it("without anything of this event is refused", function()
    for _, key in ipairs { "print", { "print" }, { "print", 5 }, { "case:7", "x" } } do
      local sent, outcome = key_of(key)
      assert.is_nil(sent)
      assert.are.equal("dead", outcome.state)
      contains(outcome.reason, "the key holds nothing of this event")
    end
  end)

  it("has the pseudonym of a person that the memory keeps, and none is made where it keeps none", function()
    local function run() return rules.send.http "print" { key = { LETTER, "31129956715" } } end
    local world = worlds.new {}
    world.ports.pseudonym = function(number) return number == "31129956715" and "person-x" or nil end
    assert.are.equal("done", world:attempt(world:job { run = run }).state)
    assert.are.equal("print:r/" .. LETTER .. "/person-x", world.memory.outcomes[1].key)
    local outcome = first { run = run }
    assert.are.equal("dead", outcome.state)
    contains(outcome.reason, "the key holds an identity number")
    assert.is_nil(outcome.reason:find("31129956715", 1, true))
  end)

  it("of two effects of one run is dead at once", function()
    local world = worlds.new {}
    local outcome = world:attempt(world:job { run = function()
      return { rules.send.http "print" { key = "a:b" }, rules.send.http "print" { key = "a:b" } }
    end })
    assert.are.equal("dead", outcome.state)
    contains(outcome.reason, "two effects have the key print:a:b")
    assert.are.same({}, world.requests)
  end)

  it("that another event's run has sent is a verdict of its own, which names that event", function()
    local world = worlds.new {}
    assert.are.equal("done", world:attempt(world:job { run = sending { key = "a:b" } }).state)
    local outcome = world:attempt(world:job { run = sending { key = "a:b" } })
    assert.are.same({ "skipped", "not sent: event 1 has sent print:a:b" }, { outcome.state, outcome.reason })
    outcome = world:attempt(world:job { run = function()
      return { rules.send.http "print" { key = "a:b" }, rules.send.http "print" {} }
    end })
    assert.are.same({ "done", "sent to print; not sent: event 1 has sent print:a:b" },
      { outcome.state, outcome.reason })
    assert.are.equal(2, #world.requests)
  end)

  it("that this run has sent in an earlier attempt is done", function()
    local world = worlds.new {}
    local job = world:job { run = sending { key = "a:b" } }
    world.memory.effects["print:a:b"] = { state = "sent", owner = job.sequence }
    local outcome = world:attempt(job)
    assert.are.same({ "done", "1 sent before" }, { outcome.state, outcome.reason })
  end)

  it("that another run is to send waits, and is no failure", function()
    local world = worlds.new {}
    local job = world:job { run = sending { key = "a:b" }, retry = { attempts = 1 } }
    world.memory.effects["print:a:b"] = { state = "held" }
    local outcome, settlement = world:attempt(job)
    assert.are.same({ "retry", 0 }, { outcome.state, settlement.attempt })
    assert.is_nil(settlement.since)
  end)
end)

describe("a run that was taken back", function()
  it("does not begin", function()
    local world, began = worlds.new {}, false
    local job = world:job { run = function() began = true end }
    world.taken_back = true
    assert.are.equal("dropped", world:attempt(job).state)
    assert.are.same({ false, 0, 0 }, { began, #world.lines, #world.memory.settlements })
  end)

  it("sends nothing, asks nothing and says nothing", function()
    local asked = false
    local world = worlds.new { client = { letter = function() asked = true end } }
    local job = world:job { run = function()
      world.taken_back = true
      return rules.send.http "print" {}
    end }
    assert.are.equal("dropped", world:attempt(job).state)
    world.taken_back = nil
    job = world:job { run = function(_, letter)
      world.taken_back = true
      letter:details()
    end }
    assert.are.equal("dropped", world:attempt(job).state)
    assert.are.same({ 0, 0, 0 }, { #world.requests, #world.lines, #world.memory.settlements })
    assert.is_false(asked)
  end)

  it("when it was about to end has no verdict", function()
    for _, verdict in ipairs { function() return rules.skip "x" end, function() error "x" end } do
      local world = worlds.new {}
      assert.are.equal("dropped", world:attempt(world:job { run = function()
        world.taken_back = true
        return verdict()
      end }).state)
      assert.are.same({ 0, 0 }, { #world.lines, #world.memory.settlements })
    end
  end)

  it("by hand is over for its effects", function()
    local world = worlds.new {}
    local job = world:job { run = sending { key = "a:b" } }
    world.memory.effects["print:a:b"] = { state = "over" }
    assert.are.equal("dropped", world:attempt(job).state)
    assert.are.same({ 0, 0 }, { #world.requests, #world.memory.settlements })
  end)
end)

describe("20,000 effects of one run", function()
  it("are recorded part by part, and others have their turn meanwhile", function()
    local world, turns = worlds.new {}, 0
    world.ports.rest = function() turns = turns + 1 end
    local outcome = world:attempt(world:job { run = function(_, letter)
      local list = {}
      for index = 1, 20000 do list[index] = rules.send.http "print" { key = { letter, index } } end
      return list
    end })
    assert.are.same({ "done", "sent to print (20000)" }, { outcome.state, outcome.reason })
    assert.is_true(turns >= 300)
    assert.are.equal(20000, #world.requests)
    local recorded = 0
    for _, note in ipairs(world.notes) do
      if note:find("^record") then recorded = recorded + 1 elseif note:find("^send") then break end
    end
    assert.is_true(recorded <= 64)
  end)
end)

describe("a context", function()
  it("that a rule kept from an earlier run is a mistake", function()
    local world, kept = worlds.new {}, nil
    world:attempt(world:job { run = function(_, _, context) kept = context end })
    local outcome = world:attempt(world:job { run = function() return kept.memory.x end })
    assert.are.equal("retry", outcome.state)
    contains(outcome.reason, "this context is of another run, which is over")
  end)
end)

describe("the line of a verdict", function()
  it("has its level, its attempt and how long it took", function()
    for verdict, case in pairs {
      done = { "info", function() end }, skipped = { "info", function() return rules.skip "x" end },
      dead = { "error", function() return rules.fail "x" end }, retry = { "warn", function() error "x" end },
      later = { "info", function() return rules.retry_after(1) end },
    } do
      local _, world = first({ run = case[2] })
      local line = world.lines[1]
      assert.are.same({ case[1], "verdict", verdict, "r", 1, 0 }, { line.level, line.message, line.fields.verdict,
        line.fields.rule, line.fields.attempt, line.fields.ms })
      assert.are.equal("no.altinn.correspondence.correspondencepublished", line.fields.type)
    end
  end)
end)
