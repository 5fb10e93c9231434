-- Effects that an earlier attempt left, and nobody knows whether they were sent: finished before the body, by the
-- probe, or with the same bytes.
local rules = require "altinn.events.rules.language"
local worlds = require "spec.support.engine_world"

local BROKEN = { error = "broken", code = "network" }
local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

local function contains(text, wanted)
  assert.is_truthy(tostring(text):find(wanted, 1, true), ("%q does not say %q"):format(tostring(text), wanted))
end

local function paths(world)
  local list = {}
  for index, request in ipairs(world.requests) do
    list[index] = (request.method == "GET" and "GET " or "") .. request.url:match("^%a+://[^/]*(.*)$")
  end
  return list
end

-- A rule that makes another request each time, with a probe that answers so.
local function probed(answer)
  local count = 0
  return {
    run = function()
      count = count + 1
      return rules.send.http "print" { key = "a:b", path = "/" .. count, body = "v" .. count, probe = "is_there" }
    end,
    is_there = answer,
  }
end

describe("an effect whose outcome nobody knows", function()
  it("is sent again before the body runs, with the same bytes and no others", function()
    local world, bodies = worlds.new { replies = { BROKEN, 200 } }, 0
    local job = world:job { run = function()
      bodies = bodies + 1
      return rules.send.http "print" { key = "a:b", path = "/" .. bodies }
    end }
    world:attempt(job)
    job.fresh = false  -- as the host says of a run that was tried
    local outcome = world:attempt(job)
    assert.are.same({ "/1", "/1" }, paths(world))
    assert.are.same({ "done", "sent to print" }, { outcome.state, outcome.reason })
    assert.are.equal("sent", world.memory.effects["print:a:b"].state)
  end)

  it("is finished although the body wants nothing any more", function()
    local world, wanted = worlds.new { replies = { BROKEN, 200 } }, true
    local job = world:job { run = function()
      if wanted then return rules.send.http "print" { key = "a:b" } end
      return rules.skip "not any more"
    end }
    world:attempt(job)
    wanted = false
    local outcome = world:attempt(job)
    assert.are.same({ "skipped", 2, "sent" },
      { outcome.state, #world.requests, world.memory.effects["print:a:b"].state })
  end)

  it("that is refused for good is forgotten, and the body makes another", function()
    local world, bodies = worlds.new { replies = { BROKEN, 422, 200 } }, 0
    local job = world:job { run = function()
      bodies = bodies + 1
      return rules.send.http "print" { key = "a:b", path = "/" .. bodies }
    end }
    world:attempt(job)
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ "/1", "/1", "/2" }, paths(world))
  end)

  it("stays unknown while its target is broken, and the body waits", function()
    local world, bodies = worlds.new { replies = { BROKEN, BROKEN, 503, 200 } }, 0
    local job = world:job { run = function()
      bodies = bodies + 1
      return rules.send.http "print" { key = "a:b", path = "/" .. bodies }
    end }
    for _ = 1, 3 do assert.are.equal("retry", world:attempt(job).state) end
    assert.are.equal(1, bodies)
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ "/1", "/1", "/1", "/1" }, paths(world))
  end)

  it("stays unknown when its repetition certainly was not sent: the same bytes go out, and no others", function()
    local down = { error = "refused", code = "network", not_sent = true }
    local world, bodies = worlds.new { replies = { BROKEN, down, down, 200 } }, 0
    local job = world:job { run = function()
      bodies = bodies + 1
      return rules.send.http "print" { key = "a:b", path = "/" .. bodies }
    end }
    for _ = 1, 3 do
      assert.are.equal("retry", world:attempt(job).state)
      assert.are.equal("unknown", world.memory.effects["print:a:b"].state)
    end
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ 2, { "/1", "/1", "/1", "/1" } }, { bodies, paths(world) })
  end)

  it("is not sent to a target that the rule may not send to any more", function()
    local world = worlds.new { replies = { BROKEN, 200 } }
    local body = function() return rules.send.http "print" { key = "a:b" } end
    local job = world:job { run = body }
    world:attempt(job)
    world:edit(job, { run = body, may = {} })
    local outcome = world:attempt(job)
    assert.are.same({ "dead", 1 }, { outcome.state, #world.requests })
    contains(outcome.reason, 'print:a:b: the rule may not send to target \'print\': "send:print" is missing')
  end)

  it("that another run left without a probe is sent with that run's bytes", function()
    local world = worlds.new { replies = { BROKEN, 200 } }
    local function sending(path)
      return { retry = { attempts = 1 }, run = function()
        return rules.send.http "print" { key = "a:b", path = path }
      end }
    end
    world:attempt(world:job(sending "/1"))
    assert.are.equal("done", world:attempt(world:job(sending "/2", { id = "e-2" })).state)
    assert.are.same({ "/1", "/1" }, paths(world))
  end)

  it("comes before the gate: what would keep the body from running does not keep it from being finished", function()
    local world = worlds.new { replies = { BROKEN, 200 } }
    local body = function() return rules.send.http "print" { key = "a:b" } end
    local job = world:job { run = body }
    world:attempt(job)
    world:edit(job, { run = body, unless = { been = { "Read" } }, may = { "send:print", "read:details" } })
    local outcome = world:attempt(job)
    contains(outcome.reason, "no client")  -- with which the gate would ask for the letter
    assert.are.same({ 2, "sent" }, { #world.requests, world.memory.effects["print:a:b"].state })
  end)

  it("that is refused for now when the run is given up ends with it: the body does not make another", function()
    local world, bodies = worlds.new { replies = { BROKEN, 503, 200 } }, 0
    local job = world:job { retry = { attempts = 2 }, run = function()
      bodies = bodies + 1
      return rules.send.http "print" { key = "a:b", path = "/" .. bodies }
    end }
    world:attempt(job)
    assert.are.equal("dead", world:attempt(job).state)
    assert.are.same({ 1, { "/1", "/1" } }, { bodies, paths(world) })
  end)

  it("is stored with the verdict again, in case that the inbox could not store it before", function()
    for _, probe in ipairs { "is_there", false } do
      local world, bodies = worlds.new { replies = { BROKEN, 200 } }, 0
      local job = world:job { run = function()
        bodies = bodies + 1
        return bodies == 1 and rules.send.http "print" { key = "a:b", probe = probe or nil } or nil
      end, is_there = function() return rules.sent end }
      world:attempt(job)
      world.memory.sent = function() end
      assert.are.equal("done", world:attempt(job).state)
      assert.are.equal("sent", world.memory.effects["print:a:b"].state)
    end
  end)

  it("is told to its carrier as one that may have been carried out: it looks for a line before it writes it", function()
    local function reply(outcome) return { outcome = outcome, code = 0, text = "", answer = "" } end
    local world = worlds.new { targets = { list = { append = "/letters.csv" } },
      replies = { reply "unknown", reply "sent" } }
    world.answer = function(self, request)
      self.requests[#self.requests + 1] = request
      return self.replies[#self.requests]
    end
    local job = world:job { run = function() return rules.send.file "list" { key = "a:b", line = "x" } end }
    world:attempt(job)
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ false, true }, { world.requests[1].again or false, world.requests[2].again or false })
  end)

  it("is left alone while another run sends it, or when that run has sent it", function()
    for state, verdict in pairs { held = "retry", sent = "done" } do
      local world, bodies = worlds.new { replies = { BROKEN, 200 } }, 0
      local job = world:job { run = function()
        bodies = bodies + 1
        return bodies == 1 and rules.send.http "print" { key = "a:b" } or nil
      end }
      world:attempt(job)
      world.memory.claim = function() return state end
      local outcome, settlement = world:attempt(job)
      assert.are.same({ verdict, 1 }, { outcome.state, #world.requests })
      if verdict == "retry" then assert.are.equal(1, settlement.attempt) end  -- it is no failure
    end
  end)

  it("holds back the effects after it: they are not sent before it, and are decided anew", function()
    local world, bodies = worlds.new { replies = { BROKEN, 503, 200 } }, 0
    local job = world:job { run = function()
      bodies = bodies + 1
      return { rules.send.http "print" { key = LETTER .. "a", path = "/a" .. bodies },
        rules.send.http "print" { key = LETTER .. "b", path = "/b" .. bodies } }
    end }
    world:finish(job)
    assert.are.same({ "/a1", "/a1", "/a1", "/b2" }, paths(world))
  end)

  it("holds back the effects after it also over a crash: none of them goes out before the body decides", function()
    local world, bodies = worlds.new { replies = { 503, 200 } }, 0
    local job = world:job { run = function()
      bodies = bodies + 1
      return { rules.send.http "print" { key = LETTER .. "a", path = "/a" .. bodies },
        rules.send.http "print" { key = LETTER .. "b", path = "/b" .. bodies } }
    end }
    local _, place = world:crash(job, 6)  -- after the refusal, with no verdict stored
    assert.are.equal("before settle", place)
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ "/a1", "/a2", "/b2" }, paths(world))
  end)

  it("was recorded in order with others: after a crash all go out in that order before the body", function()
    local world, bodies = worlds.new { replies = { 200 } }, 0
    local job = world:job { run = function()
      bodies = bodies + 1
      local list = {}
      for index, name in ipairs { "a", "b", "c" } do
        list[index] = rules.send.http "print" { key = LETTER .. name, path = "/" .. name .. bodies }
      end
      return list
    end }
    local _, place = world:crash(job, 4)  -- with nothing sent
    assert.are.equal("before send", place)
    local outcome = world:attempt(job)
    assert.are.same({ "/a1", "/b1", "/c1" }, paths(world))
    assert.are.same({ "done", "sent to print (3)" }, { outcome.state, outcome.reason })
  end)
end)

describe("a probe", function()
  it("that says sent ends it: nothing goes out again", function()
    local asked
    local world = worlds.new { replies = { BROKEN, 200 } }
    local parts = probed(function(event, letter, context)
      asked = { event.id, letter.id, context.effect, context.attempt }
      return rules.sent
    end)
    local job = world:job(parts)
    world:attempt(job)
    local outcome = world:attempt(job)
    assert.are.same({ "/1" }, paths(world))
    assert.are.same({ "e-1", LETTER, { key = "print:a:b", target = "print", kind = "http", method = "POST", path = "/1",
      headers = {}, body = "v1", media = "application/octet-stream" }, 2 }, asked)
    assert.are.same({ "done", "sent to print" }, { outcome.state, outcome.reason })
    assert.are.same({ "sent", "the probe says that it was sent" },
      { world.memory.outcomes[2].state, world.memory.outcomes[2].reason })
  end)

  it("that says not_sent lets the body decide anew", function()
    local world = worlds.new { replies = { BROKEN, 200 } }
    local job = world:job(probed(function() return rules.not_sent end))
    world:attempt(job)
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ "/1", "/2" }, paths(world))
  end)

  it("that says not_sent is not asked about the effects after it: these were not sent, and are made anew", function()
    for _, probe in ipairs { "is_there", false } do
      local world, bodies, asked = worlds.new { replies = { 200 } }, 0, {}
      local job = world:job { run = function()
        bodies = bodies + 1
        return { rules.send.http "print" { key = LETTER .. "a", path = "/a" .. bodies, probe = "is_there" },
          rules.send.http "print" { key = LETTER .. "b", path = "/b" .. bodies, probe = probe or nil } }
      end, is_there = function(_, _, context)
        asked[#asked + 1] = context.effect.path
        return rules.not_sent
      end }
      local _, place = world:crash(job, 4)  -- with nothing sent
      assert.are.equal("before send", place)
      assert.are.equal("done", world:attempt(job).state)
      assert.are.same({ { "/a1" }, { "/a2", "/b2" } }, { asked, paths(world) })
    end
  end)

  it("is asked after an unknown outcome only", function()
    for _, reply in ipairs { 503, { error = "refused", code = "network", not_sent = true } } do
      local world, asked = worlds.new { replies = { reply, 200 } }, 0
      local job = world:job(probed(function()
        asked = asked + 1
        return rules.not_sent
      end))
      world:attempt(job)
      world:attempt(job)
      assert.are.same({ 0, { "/1", "/2" } }, { asked, paths(world) })
    end
  end)

  it("asks the target with the target's own headers, and gets the answer", function()
    local world, answers = worlds.new { replies = { BROKEN, { status = 404, headers = { etag = "x" }, body = "no" },
      200 } }, {}
    local job = world:job(probed(function(_, _, context)
      local answer = context.get("/jobs?key=1")
      answers[#answers + 1] = answer
      return answer.status == 404 and rules.not_sent or rules.sent
    end))
    world:attempt(job)
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ "/1", "GET /jobs?key=1", "/2" }, paths(world))
    assert.are.same({ { status = 404, headers = { etag = "x" }, body = "no" } }, answers)
    local headers = world.requests[2].headers
    assert.are.same({ "Bearer a-secret-token", nil }, { headers.Authorization, headers["Idempotency-Key"] })
  end)

  it("that fails, gets no answer, or says neither is asked again later, and nothing is sent", function()
    local cases = {
      { function() error "no idea" end, "no idea" },
      { function(_, _, context) return context.get("/x") and rules.sent end,
        "target 'print' cannot be asked about print:a:b: broken" },
      { function() return true end, "the probe 'is_there' returns sent or not_sent, not a boolean" },
      { function() end, "returns sent or not_sent, not a nil" },
      { function(_, _, context) return context.get "jobs" end, "begin" },
      { function() return rules.step("x", function() end) end, "a probe only asks" },
    }
    for number, case in ipairs(cases) do
      local world = worlds.new { replies = { BROKEN } }
      local job = world:job(probed(case[1]))
      world:attempt(job)
      local outcome = world:attempt(job)
      assert.are.equal("retry", outcome.state, "case " .. number)
      if number ~= 5 then contains(outcome.reason, case[2]) end
      for _, request in ipairs(world.requests) do assert.is_true(request.method == "GET" or request.body == "v1") end
      assert.are.equal("unknown", world.memory.effects["print:a:b"].state)
    end
  end)

  it("that says not_sent speaks for the effects behind it too, which were never begun: all are decided anew", function()
    local world, bodies, asked = worlds.new { replies = { 200 } }, 0, {}
    local job = world:job {
      run = function()
        bodies = bodies + 1
        local list = {}
        for index, name in ipairs { "a", "b", "c" } do
          list[index] = rules.send.http "print" { key = LETTER .. name, path = "/" .. name .. bodies,
            probe = name ~= "c" and "is_there" or nil }
        end
        return list
      end,
      is_there = function(_, _, context)
        asked[#asked + 1] = context.effect.path
        return rules.not_sent
      end,
    }
    world:crash(job, 4)  -- all are recorded, none is sent
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ { "/a1" }, { "/a2", "/b2", "/c2" } }, { asked, paths(world) })
  end)

  it("that is gone leaves the effect alone, and says what to do", function()
    local world = worlds.new { replies = { BROKEN, 200 } }
    local job = world:job(probed(function() return rules.sent end))
    world:attempt(job)
    world:edit(job, { run = function() end, is_their = function() end })
    local outcome = world:attempt(job)
    assert.are.same({ "retry", 1 }, { outcome.state, #world.requests })
    contains(outcome.reason, "its probe is gone: the rule has no body 'is_there' (did you mean 'is_their'?)")
  end)

  it("is asked about an effect that another run left, once", function()
    local world, asked = worlds.new { replies = { BROKEN, 200 } }, {}
    local parts = probed(function(event)
      asked[#asked + 1] = event.id
      return rules.not_sent
    end)
    parts.retry = { attempts = 1 }
    assert.are.equal("dead", world:attempt(world:job(parts)).state)
    local job = world:job(parts, { id = "e-2" })
    job.fresh = true
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ { "e-2" }, { "/1", "/3" } }, { asked, paths(world) })
  end)

  it("of an effect that another run left lets the body have its steps, which are not called again", function()
    local world, calls = worlds.new { replies = { BROKEN, 200 } }, 0
    local function sending(step)
      return { retry = { attempts = 1 }, run = function()
        if step then step() end
        return rules.send.http "print" { key = "a:b", probe = "is_there" }
      end, is_there = function() return rules.not_sent end }
    end
    world:attempt(world:job(sending()))
    local outcome = world:attempt(world:job(sending(function()
      rules.step("once", function() calls = calls + 1 end)
    end), { id = "e-2" }))
    assert.are.same({ "done", "sent to print", 1 }, { outcome.state, outcome.reason, calls })
  end)

  it("is asked about another run's effect also when effects of its own run were finished before", function()
    local world, asked = worlds.new { replies = { BROKEN, BROKEN, 200 } }, {}
    local function parts(keys)
      return { retry = { attempts = 2 }, run = function()
        local key = table.remove(keys, 1)
        return key and rules.send.http "print" { key = key, path = "/" .. key:sub(-1),
          probe = key == "a:1" and "is_there" or nil }
      end, is_there = function(_, _, context)
        asked[#asked + 1] = context.effect.key
        return rules.sent
      end }
    end
    world:attempt(world:job(parts { "a:1" }))
    local job = world:job(parts { "a:2", "a:1", "a:1" }, { id = "e-2" })
    assert.are.equal("retry", world:attempt(job).state)
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ { "print:a:1" }, { "/1", "/2", "/2" } }, { asked, paths(world) })
  end)

  it("asks its target alone, and at a path", function()
    for _, path in ipairs { "jobs", "//other.example.no/jobs", "http://other.example.no", "/jobs\r\nX-Evil: 1", 7 } do
      local world = worlds.new { replies = { BROKEN, 200 } }
      local job = world:job(probed(function(_, _, context) return context.get(path) and rules.sent end))
      world:attempt(job)
      local outcome = world:attempt(job)
      assert.are.same({ "retry", { "/1" } }, { outcome.state, paths(world) }, tostring(path))
      assert.is_truthy(outcome.reason:find("spec/engine_finish_spec.lua:%d+: "), outcome.reason)
    end
  end)

  it("asks nothing any more when its run is taken back", function()
    local world = worlds.new { replies = { BROKEN, 200 } }
    local job = world:job(probed(function(_, _, context)
      world.taken_back = true
      return context.get("/jobs") and rules.sent
    end))
    world:attempt(job)
    assert.are.equal("dropped", world:attempt(job).state)
    assert.are.same({ "/1" }, paths(world))
  end)

  it("sees context.effect and context.get; a body does not", function()
    for _, member in ipairs { "effect", "get" } do
      local world = worlds.new {}
      local outcome = world:attempt(world:job { run = function(_, _, context) return context[member] end })
      contains(outcome.reason, ("context.%s is there in a probe only"):format(member))
    end
  end)

  it("runs in the budget of the rule, apart from what is sent: the decision comes first", function()
    local engine = require "altinn.events.rules.engine"
    local world = worlds.new { replies = { BROKEN, 200 } }
    local body = function() return rules.send.http "print" { key = "a:b" } end
    local job = world:job { run = body }
    world:attempt(job)
    assert.is_true(engine.begin(job, world.ports))
    local decision = engine.decide(job, world.ports)
    assert.are.same({ "finish", 1, 1 }, { decision.verdict, #decision.items, #world.requests })
    assert.is_nil(engine.carry_out(job, world.ports, decision))
    assert.are.equal("effects", engine.decide(job, world.ports).verdict)
  end)
end)

-- Crashes at every boundary: before and after each store, each request, each answer.
local thread_works = pcall(function()
  local thread = coroutine.create(function() pcall(coroutine.yield, 1) end)
  assert(coroutine.resume(thread) and coroutine.status(thread) == "suspended")
end)

describe("a crash at any boundary", function()
  if not thread_works then return pending "this Lua cannot wait inside of pcall" end

  -- What the target saw: key -> list of bodies.
  local function seen(world)
    local bodies = {}
    for _, request in ipairs(world.requests) do
      local key = request.headers["Idempotency-Key"]
      if key then
        bodies[key] = bodies[key] or {}
        table.insert(bodies[key], request.body)
      end
    end
    return bodies
  end

  local function three(count)
    return function()
      count[1] = count[1] + 1
      local list = {}
      for index, name in ipairs { "a", "b", "c" } do
        list[index] = rules.send.http "print" { key = LETTER .. name, body = name .. count[1] }
      end
      return list
    end
  end

  -- Crashes at boundary after boundary, until the run ends without one; their number.
  local function crash_all(lags, make, check)
    local number = 0
    while true do
      number = number + 1
      local world = worlds.new { replies = { 200 }, lags = lags }
      local job = world:job(make(world, { 0 }))
      local outcome = world:crash(job, number)
      local last = outcome ~= nil
      outcome = outcome or world:finish(job)
      assert.are.equal("done", outcome.state, "crash " .. number)
      check(world, number)
      if last then return number end
    end
  end

  it("sends the same bytes under each key, and each effect at most once more than the crash", function()
    for _, lags in ipairs { false, true } do
      local count = crash_all(lags, function(_, count) return { run = three(count) } end, function(world, number)
        for key, bodies in pairs(seen(world)) do
          assert.is_true(#bodies <= 2, ("crash %d: %s was sent %d times"):format(number, key, #bodies))
          for _, body in ipairs(bodies) do assert.are.equal(bodies[1], body, "crash " .. number) end
        end
      end)
      assert.is_true(count > 10, "few boundaries: " .. count)
    end
  end)

  it("with a probe that knows sends each effect once", function()
    local count = crash_all(true, function(world, count)
      return {
        run = function()
          count[1] = count[1] + 1
          return rules.send.http "print" { key = "a:b", body = "v" .. count[1], probe = "is_there" }
        end,
        is_there = function(_, _, context) return seen(world)[context.effect.key] and rules.sent or rules.not_sent end,
      }
    end, function(world, number)
      assert.are.equal(1, #seen(world)["print:a:b"], "crash " .. number)
    end)
    assert.is_true(count > 5, "few boundaries: " .. count)
  end)
end)
