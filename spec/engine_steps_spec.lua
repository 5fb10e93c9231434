-- step(name, fn): once a run, over retries, crashes and edits of the rule; matched by name.
local rules = require "altinn.events.rules.language"
local worlds = require "spec.support.engine_world"

local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

local function contains(text, wanted)
  assert.is_truthy(tostring(text):find(wanted, 1, true), ("%q does not say %q"):format(tostring(text), wanted))
end

-- One attempt of a body; the outcome and the world.
local function first(run, parts)
  local world = worlds.new {}
  parts = parts or {}
  parts.run = run
  return world:attempt(world:job(parts)), world
end

describe("a step", function()
  it("gives its function's result, and is stored before the body goes on", function()
    local world, seen = worlds.new {}, nil
    local job = world:job { run = function()
      local value = rules.step("ask", function() return { answer = 42, list = { 1, 2 }, text = "ÆØÅ" } end)
      seen = { value, world.memory.steps[1][1] }
      return rules.done()
    end }
    world:attempt(job)
    assert.are.same({ answer = 42, list = { 1, 2 }, text = "ÆØÅ" }, seen[1])
    assert.are.same({ name = "ask", place = 1, result = '{"answer":42,"list":[1,2],"text":"ÆØÅ"}' }, seen[2])
  end)

  it("is not called again in later attempts, and gives the same", function()
    local world, calls, values = worlds.new {}, 0, {}
    local job = world:job { run = function(_, _, context)
      values[#values + 1] = rules.step("count", function()
        calls = calls + 1
        return { n = calls, whole = 7 }
      end)
      if context.attempt < 4 then error "not yet" end
    end }
    assert.are.equal("done", world:finish(job).state)
    assert.are.equal(1, calls)
    for index = 1, 4 do assert.are.same({ n = 1, whole = 7 }, values[index]) end
  end)

  it("without a result is done too", function()
    local world, calls, values = worlds.new {}, 0, {}
    local job = world:job { run = function(_, _, context)
      values[context.attempt] = rules.step("act", function() calls = calls + 1 end) == nil
      if context.attempt < 2 then error "not yet" end
    end }
    world:finish(job)
    assert.are.same({ 1, { true, true } }, { calls, values })
  end)

  it("that fails is not stored, and is called again", function()
    local world, calls = worlds.new {}, 0
    local job = world:job { run = function()
      return rules.done(rules.step("try", function()
        calls = calls + 1
        if calls < 3 then error "broken" end
        return "call " .. calls
      end))
    end }
    local outcome = world:finish(job)
    assert.are.same({ "done", "call 3" }, { outcome.state, outcome.reason })
    assert.are.equal(1, #world.memory.steps[1])
  end)

  it("of a call to Altinn that fails is judged like the call", function()
    local events = require "altinn.events"
    local world = worlds.new { client = events.client { base_url = "http://127.0.0.1:1", token = "a-token-of-a-spec",
      attempts = 1, transport = function() return { status = 403, headers = {}, body = "" } end } }
    local job = world:job { run = function(_, letter) rules.step("ask", function() return letter:details() end) end }
    local outcome = world:attempt(job)
    assert.are.equal("dead", outcome.state)
    contains(outcome.reason, "(forbidden)")
  end)

  it("is found when the host says that its run is not fresh", function()
    local world, calls = worlds.new {}, 0
    local job = world:job { run = function()
      rules.step("once", function() calls = calls + 1 end)
      if calls == 1 and not world.again then error "later" end
    end }
    job.fresh = true
    assert.are.equal("retry", world:attempt(job).state)
    job.fresh, world.again = false, true
    assert.are.same({ "done", 1 }, { world:attempt(job).state, calls })
  end)

  it("belongs to its run alone", function()
    local world, calls = worlds.new {}, 0
    local parts = { run = function() rules.step("once", function() calls = calls + 1 end) end }
    world:attempt(world:job(parts))
    world:attempt(world:job(parts))
    assert.are.equal(2, calls)
  end)

  it("of a fresh run asks the memory for nothing", function()
    local world = worlds.new {}
    local job = world:job { run = function() rules.step("x", function() return 1 end) end }
    job.fresh = true
    assert.are.same({ "done", 0 }, { world:attempt(job).state, world.memory.recalls })
  end)

  it("inside of another, or twice under one name, is a mistake at the rule's line", function()
    local function told(run, wanted)
      local outcome = first(run)
      assert.are.equal("retry", outcome.state)
      contains(outcome.reason, wanted)
      assert.is_truthy(outcome.reason:find("spec/engine_steps_spec.lua:%d+: "), outcome.reason)
    end
    told(function()
      rules.step("a", function() return rules.step("b", function() end) end)
    end, 'step "b" stands inside of step "a"')
    told(function()
      rules.step("a", function() end)
      rules.step("a", function() end)
    end, 'step "a" is there twice in one run')
    told(function() rules.step("a", function() return function() end end) end, "function has no JSON form")
    told(function() rules.step("a", function() return 0 / 0 end) end, "NaN")
    told(function() rules.step("a", function() return ("x"):rep(300 * 1024) end) end, "at most 256 KiB")
    told(function() rules.step("08895699684", function() end) end, "identity number")
  end)

  it("after a step whose error the rule caught is another", function()
    local outcome = first(function()
      pcall(rules.step, "a", function() error "broken" end)
      return rules.done(rules.step("b", function() return "fine" end))
    end)
    assert.are.same({ "done", "fine" }, { outcome.state, outcome.reason })
  end)

  it("ends the attempt when it is not stored, also where the rule catches the error", function()
    for _, body in ipairs { function() rules.step("a", function() end) end, function()
      pcall(rules.step, "a", function() end)
      return rules.send.http "print" {}
    end } do
      local world = worlds.new {}
      local job = world:job { run = body, retry = { attempts = 1 } }
      job.fresh, world.memory.fails = true, true
      local outcome, settlement = world:attempt(job)
      assert.are.same({ "retry", "the inbox does not store", 0, 0 },
        { outcome.state, outcome.reason, settlement.attempt, #world.requests })
    end
  end)

  it("is not called any more after one whose result could not be stored, though the body caught that", function()
    local world, called = worlds.new {}, {}
    world.memory.fails = true
    local job = world:job { run = function()
      pcall(rules.step, "a", function() called[#called + 1] = "a" end)
      pcall(rules.step, "b", function() called[#called + 1] = "b" end)
    end }
    job.fresh = true
    local outcome = world:attempt(job)
    assert.are.same({ "retry", "the inbox does not store", { "a" } }, { outcome.state, outcome.reason, called })
  end)

  it("where the run cannot wait is a mistake, and is not called", function()
    local world, called = worlds.new {}, 0
    world.ports.may_wait = function() return false end
    local outcome = world:attempt(world:job { run = function()
      rules.step("a", function() called = called + 1 end)
    end })
    assert.are.same({ "retry", 0 }, { outcome.state, called })
    contains(outcome.reason, 'step "a" cannot wait here')
  end)

  it("whose run was taken back meanwhile ends the attempt", function()
    local world = worlds.new {}
    world.memory.step = function() return "over" end
    local outcome = world:attempt(world:job { run = function()
      pcall(rules.step, "a", function() end)
      return rules.send.http "print" {}
    end })
    assert.are.same({ "dropped", 0 }, { outcome.state, #world.requests })
  end)

  it("gives what later attempts will get, at the first time too", function()
    local made, got = { list = { 1, 2 } }, nil
    assert.are.equal("done", first(function() got = rules.step("a", function() return made end) end).state)
    assert.are.same(made, got)
    assert.are_not.equal(made, got)
  end)

  it("of a run that was taken back is not called", function()
    local called = false
    local world = worlds.new {}
    local outcome = world:attempt(world:job { run = function()
      world.taken_back = true
      pcall(rules.step, "a", function() called = true end)
      return rules.done()
    end })
    assert.are.same({ "dropped", false, 0 }, { outcome.state, called, #world.lines })
  end)

  it("of a rule in the shadow is called, and nothing is stored of it", function()
    local calls = 0
    local outcome, world = first(function() rules.step("a", function() calls = calls + 1 end) end, { shadow = true })
    assert.are.same({ "done", 1 }, { outcome.state, calls })
    assert.is_nil(world.memory.steps[1])
  end)
end)

-- A generator of its own, so that every Lua makes the same edits.
local function generator(seed)
  local state = seed
  return function(most)
    state = (state * 16807) % 2147483647
    return state % most + 1
  end
end

local function has(list, wanted)
  for _, one in ipairs(list) do if one == wanted then return true end end
  return false
end

-- A list of step names, edited: added (also one that was removed before), removed, moved, renamed.
local function edited(names, random)
  local list = {}
  for index, name in ipairs(names) do list[index] = name end
  local function fresh()
    local name
    repeat name = "step " .. random(60) until not has(list, name)
    return name
  end
  for _ = 1, random(4) do
    local what, at = random(4), #list > 0 and random(#list) or 1
    if what == 1 then table.insert(list, random(#list + 1), fresh())
    elseif what == 2 then table.remove(list, at)
    elseif what == 3 and #list > 0 then table.insert(list, random(#list), table.remove(list, at))
    elseif #list > 0 then list[at] = fresh() end
  end
  return list
end

describe("1,000 edits of a rule with 50 runs half done", function()
  it("call no step twice in a run, and give each its own result", function()
    local random = generator(20261128)
    local world = worlds.new {}
    local called, wrong, stop_after = {}, 0, math.huge
    local present
    local function body()
      return { order = false, run = function(_, _, context)
        local run = context.sequence
        called[run] = called[run] or {}
        for index, name in ipairs(present) do
          if index > stop_after then return rules.retry_after(1) end
          local value = rules.step(name, function()
            called[run][name] = (called[run][name] or 0) + 1
            return { name = name, run = run }
          end)
          if value.name ~= name or value.run ~= run then wrong = wrong + 1 end
        end
      end }
    end
    local jobs = {}
    present = { "step 1", "step 2", "step 3" }
    for index = 1, 50 do jobs[index] = world:job(body()) end
    for _ = 1, 1000 do
      present = edited(present, random)
      if #present > 12 then present = { present[1], present[2], present[3] } end
      local rule = world:job(body()).rule
      for _, job in ipairs(jobs) do
        job.rule, stop_after = rule, random(#present + 2) - 1
        local outcome = world:attempt(job)
        if outcome.state ~= "later" and outcome.state ~= "done" then error(outcome.reason) end
      end
    end
    assert.are.equal(0, wrong)
    local count = 0
    for _, steps in pairs(called) do
      for name, times in pairs(steps) do
        count = count + 1
        assert.are.equal(1, times, name)
      end
    end
    assert.is_true(count == 50 * 60, "few steps: " .. count)
  end)
end)

describe("a crash", function()
  local works = pcall(function()
    local thread = coroutine.create(function() pcall(coroutine.yield, 1) end)
    assert(coroutine.resume(thread) and coroutine.status(thread) == "suspended")
  end)
  if not works then return pending "this Lua cannot wait inside of pcall" end

  it("at any boundary repeats the one step at most that was not stored, and no effect under another key", function()
    local number, last = 0, nil
    while not last do
      number = number + 1
      local world, calls = worlds.new { replies = { 200 }, lags = true }, {}
      local function step(name)
        return rules.step(name, function()
          calls[name] = (calls[name] or 0) + 1
          return name .. calls[name]
        end)
      end
      local job = world:job { run = function(_, letter)
        local a, b, c = step "a", step "b", step "c"
        return { rules.send.http "print" { key = { letter, 1 }, body = a .. b }, rules.send.http "print" {
          key = { letter, 2 }, body = b .. c }, rules.remember { printed = a } }
      end }
      local outcome, place = world:crash(job, number)
      last = outcome ~= nil
      outcome = outcome or world:finish(job)
      assert.are.equal("done", outcome.state)
      for name, count in pairs(calls) do
        local most = place == "before step " .. name and 2 or 1
        assert.are.equal(most, count, ("%s at crash %d, %s"):format(name, number, tostring(place)))
      end
      local bodies = {}
      for _, request in ipairs(world.requests) do
        local key = request.headers["Idempotency-Key"]
        bodies[key] = bodies[key] or request.body
        assert.are.equal(bodies[key], request.body, place)
      end
      assert.are.equal('"' .. bodies["print:r/" .. LETTER .. "/1"]:sub(1, 2) .. '"',
        world.memory.remembered["letter:" .. LETTER].printed.value)
    end
    assert.is_true(number > 12, "few boundaries: " .. number)
  end)
end)
