-- later { … } and remember { … }: durable time and memory, on a virtual clock.
local cjson = require "cjson"
local rules = require "altinn.events.rules.language"
local worlds = require "spec.support.engine_world"

local DAY = 86400
local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local THING = "letter:" .. LETTER

local function contains(text, wanted)
  assert.is_truthy(tostring(text):find(wanted, 1, true), ("%q does not say %q"):format(tostring(text), wanted))
end

-- Seconds since 1970 of a time in UTC, "2026-03-27T11:00:00Z": os.time would read it in the zone of this machine.
local function utc(text)
  local year, month, day, hour, minute = text:match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):00Z$")
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local days = (year - 1970) * 365 + math.floor((year - 1969) / 4)
  local lengths = { 31, year % 4 == 0 and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
  for index = 1, month - 1 do days = days + lengths[index] end
  return (days + day - 1) * DAY + tonumber(hour) * 3600 + tonumber(minute) * 60
end

-- A rule that waits, and then skips.
local function waiting(at, more)
  local parts = {
    run = function()
      local timer = { at = at, run = "paper" }
      for name, value in pairs(more or {}) do timer[name] = value end
      return rules.later(timer)
    end,
    paper = function() return rules.skip "it is time" end,
  }
  return parts
end

describe("later", function()
  it("puts the run down until its time, with the body, the timer and the types that end it", function()
    local world = worlds.new {}
    local outcome, settlement = world:attempt(world:job(waiting("3d", { with = { page = 1 }, key = "first",
      cancel = { "correspondencereceiverread" } })))
    assert.are.same({ "later", world.now + 3 * DAY, "paper", 0, THING, "first",
      "no.altinn.correspondence.correspondencereceiverread" }, { settlement.state, settlement.due, settlement.entry,
      settlement.attempt, settlement.thing, settlement.timer_key, settlement.cancel })
    assert.are.same({ set = world.now * 1000, due = (world.now + 3 * DAY) * 1000, key = "first", with = { page = 1 } },
      cjson.decode(settlement.timer))
    contains(outcome.reason, "'paper' runs at 2027-01-18T08:00:00Z")
    assert.are.same({ "info", "'paper' runs at 2027-01-18T08:00:00Z, in 3 d" },
      { world.lines[1].level, world.lines[1].fields.reason })
  end)

  it("runs the body with the same event and letter, and context.timer", function()
    local world, seen = worlds.new {}, nil
    local parts = waiting("3d", { with = { 1, "x" } })
    parts.paper = function(event, letter, context)
      seen = { event.id, letter.id, context.timer, context.attempt, context.timer.nothing == nil }
    end
    local job, began = world:job(parts), world.now
    assert.are.equal("done", world:finish(job).state)
    assert.are.same({ "e-1", LETTER, { set = began, due = began + 3 * DAY, with = { 1, "x" } }, 2, true }, seen)
  end)

  it("without a name runs the same body; context.timer tells the two apart", function()
    local world, timers = worlds.new {}, {}
    world:finish(world:job { run = function(_, _, context)
      timers[#timers + 1] = context.timer and "timer" or "event"
      return #timers < 3 and rules.later { at = "1h" } or nil
    end })
    assert.are.same({ "event", "timer", "timer" }, timers)
  end)

  it("keeps body and timer over failures of the body, which have a budget of their own", function()
    local world, calls, failures = worlds.new {}, 0, 0
    local job = world:job {
      retry = { attempts = 3 },
      run = function()
        failures = failures + 1
        if failures < 3 then error "broken" end
        return rules.later { at = "1d", run = "paper", with = "kept" }
      end,
      paper = function(_, _, context)
        calls = calls + 1
        assert.are.equal("kept", context.timer.with)
        if calls == 2 then return rules.retry_after("1h") end
        if calls < 4 then error "broken again" end
        return rules.done "at last"
      end,
    }
    assert.are.equal("at last", world:finish(job).reason)
    assert.are.same({ 3, 4 }, { failures, calls })
    local timers = 0
    for _, one in ipairs(world.memory.settlements) do timers = timers + (one.thing and 1 or 0) end
    assert.are.equal(1, timers)  -- only the new timer is written as one
  end)

  it("at a time in the past runs now", function()
    local world = worlds.new {}
    local _, settlement = world:attempt(world:job(waiting("2001-01-01T00:00:00Z")))
    assert.are.same({ "later", world.now }, { settlement.state, settlement.due })
  end)

  it("more than ten years ahead is refused at the rule's line", function()
    local world = worlds.new {}
    local outcome = world:attempt(world:job(waiting("2100-01-01T00:00:00Z")))
    assert.are.equal("dead", outcome.state)
    contains(outcome.reason, "more than ten years")
    assert.is_truthy(outcome.reason:find("spec/engine_timers_spec.lua:%d+: "), outcome.reason)
  end)

  it("of a body that an edit took away is abandoned, and says which body", function()
    local world = worlds.new {}
    local job = world:job(waiting("1d"))
    world:attempt(job)
    world:edit(job, { run = function() end, papers = function() end })
    local outcome, settlement = world:attempt(job)
    assert.are.same({ "abandoned", "the rule has no body 'paper' (did you mean 'papers'?)" },
      { outcome.state, outcome.reason })
    assert.are.same({ "warn", nil }, { world.lines[2].level, settlement.timer })
  end)

  it("runs the newest body of that name", function()
    local world, called = worlds.new {}, nil
    local job = world:job(waiting("1d"))
    world:attempt(job)
    world:edit(job, { run = function() end, paper = function() called = "new" end })
    world:attempt(job)
    assert.are.equal("new", called)
  end)

  it("where nothing keeps timers fails, and says so", function()
    local world = worlds.new {}
    world.memory.keeps_timers = nil
    local outcome = world:attempt(world:job(waiting("1d")))
    assert.are.equal("dead", outcome.state)
    contains(outcome.reason, "later { … } needs the host")
  end)
end)

describe("working days", function()
  local CASES = {
    { "over Easter", "2026-04-01T08:00:00Z", { 2 }, "2026-04-08T08:00:00Z" },
    { "over Easter, from Maundy Thursday", "2026-04-02T08:00:00Z", { 1, "09:00" }, "2026-04-07T07:00:00Z" },
    { "over 17 May", "2028-05-16T10:00:00Z", { 1, "09:00" }, "2028-05-18T07:00:00Z" },
    { "into summer time", "2026-03-27T11:00:00Z", { 1 }, "2026-03-30T10:00:00Z" },
    { "out of summer time", "2026-10-23T10:00:00Z", { 1 }, "2026-10-26T11:00:00Z" },
    { "over Christmas", "2026-12-23T09:00:00Z", { 2 }, "2026-12-28T09:00:00Z" },
    { "over a Christmas with more holidays", "2026-12-23T09:00:00Z", { 2 }, "2026-12-29T09:00:00Z",
      { "2026-12-24" } },
    { "over New Year, at night", "2026-12-30T23:30:00Z", { 1 }, "2027-01-03T23:30:00Z" },
  }

  for _, case in ipairs(CASES) do
    it(case[1], function()
      local world = worlds.new {}
      world.now, world.ports.holidays = utc(case[2]), case[5]
      local unpacked = table.unpack or unpack  -- luacheck: globals unpack
      local job = world:job(waiting(rules.workdays(unpacked(case[3]))))
      local outcome, settlement = world:attempt(job)
      assert.are.equal("later", outcome.state, outcome.reason)
      assert.are.equal(utc(case[4]), settlement.due)
      contains(outcome.reason, case[4])
      world.now = settlement.due
      assert.are.equal("it is time", world:attempt(job).reason)
    end)
  end
end)

describe("effects, a timer and memory of one verdict", function()
  local function parts(calls)
    return {
      run = function(_, letter, context)
        calls[#calls + 1] = context.memory.printed or false
        return {
          rules.send.http "print" { key = letter, body = "first" },
          rules.later { at = "1d", run = "paper" },
          rules.remember { printed = #calls, expires = "3d" },
        }
      end,
      paper = function(_, letter, context)
        return rules.send.http "print" { key = { letter, "second" }, json = { printed = context.memory.printed } }
      end,
    }
  end

  it("come together: the effects are sent, then all is stored in one piece", function()
    local world, calls = worlds.new {}, {}
    local job = world:job(parts(calls))
    local outcome = world:attempt(job)
    assert.are.same({ "record print:r/" .. LETTER, "send print:r/" .. LETTER, "sent print:r/" .. LETTER,
      "settle later" }, world.notes)
    contains(outcome.reason, "sent to print; 'paper' runs at")
    local settlement = world.memory.settlements[1]
    assert.are.same({ { thing = THING, name = "printed", value = "1", expires = world.now + 3 * DAY } },
      settlement.memory)
    assert.are.equal("done", world:finish(job).state)
    assert.are.equal('{"printed":1}', world.requests[2].body)
  end)

  it("of an attempt that failed leave nothing but its effects", function()
    local world, calls = worlds.new { replies = { 503, 200 } }, {}
    local job = world:job(parts(calls))
    local _, settlement = world:attempt(job)
    assert.are.same({ "retry", nil, nil }, { settlement.state, settlement.memory, settlement.timer })
    assert.is_nil(next(world.memory.remembered))
    _, settlement = world:attempt(job)
    assert.are.same({ "later", "paper" }, { settlement.state, settlement.entry })
  end)

  it("are stored also when another event's run has sent the effects", function()
    for _, timer in ipairs { false, rules.later { at = "1d" } } do
      local world = worlds.new {}
      local rule = { run = function()
        return { rules.send.http "print" { key = "a:b" }, rules.remember { printed = true }, timer or nil }
      end }
      world:attempt(world:job(rule))
      local outcome = world:attempt(world:job(rule, { resourceinstance = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e2f" }))
      assert.are.equal(timer and "later" or "skipped", outcome.state)
      contains(outcome.reason, "not sent: event 1 has sent print:a:b")
      assert.are.equal("true", world.memory.remembered["letter:0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e2f"].printed.value)
    end
  end)

  it("without effects are stored at once", function()
    local world = worlds.new {}
    local outcome = world:attempt(world:job { run = function()
      return { rules.remember { b = 1, a = true }, rules.forget "c" }
    end })
    assert.are.same({ "done", "remembers a, b; forgets c" }, { outcome.state, outcome.reason })
  end)
end)

describe("context.memory", function()
  local function read(world, name)
    local value
    world:attempt(world:job { run = function(_, _, context) value = context.memory[name] end })
    return value
  end

  it("is what the rule remembered for the letter, over events, until it expires or is forgotten", function()
    local world = worlds.new {}
    local value = { list = { 1, 2 }, text = "å", whole = 7, no = false }
    world:attempt(world:job { run = function()
      return rules.remember { kept = value, gone = 1, expires = "1h" }
    end })
    assert.are.same(value, read(world, "kept"))
    world:attempt(world:job { run = function() return rules.forget "gone" end })
    assert.is_nil(read(world, "gone"))
    world.now = world.now + 3601
    assert.is_nil(read(world, "kept"))
  end)

  it("of another letter is another", function()
    local world, value = worlds.new {}, "unread"
    world:attempt(world:job { run = function() return rules.remember { kept = 1 } end })
    world:attempt(world:job({ run = function(_, _, context) value = context.memory.kept end },
      { resourceinstance = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e2f" }))
    assert.is_nil(value)
  end)

  it("of an attachment is not that of a letter of the same id", function()
    local world, value = worlds.new {}, "unread"
    world:attempt(world:job { run = function() return rules.remember { kept = 1 } end })
    world:attempt(world:job({ run = function(_, _, context) value = context.memory.kept end },
      { type = "no.altinn.correspondence.attachmentpublished" }))
    assert.is_nil(value)
  end)

  it("of an event about nothing is that event's, and its id is its source's", function()
    local world, seen = worlds.new {}, {}
    local parts = { run = function(_, _, context)
      seen[#seen + 1] = context.memory.kept or "nothing"
      return rules.remember { kept = "something" }
    end }
    for _, source in ipairs { "/a", "/b", "/a" } do
      world:attempt(world:job(parts, { type = "x.y", source = source }))
    end
    assert.are.same({ "nothing", "nothing", "something" }, seen)
  end)

  it("ends the attempt of a run that was taken back", function()
    local world = worlds.new {}
    world.memory.recall = function() return { over = true } end
    local outcome = world:attempt(world:job { run = function(_, _, context)
      pcall(function() return context.memory.a end)
      return rules.send.http "print" {}
    end })
    assert.are.same({ "dropped", 0 }, { outcome.state, #world.requests })
  end)

  it("asks the memory when a body reads it, once, also in a fresh run", function()
    local world = worlds.new {}
    local job = world:job { run = function(_, _, context) return context.memory.a or context.memory.b end }
    job.fresh = true
    world:attempt(job)
    assert.are.equal(1, world.memory.recalls)
    job = world:job { run = function() end }
    job.fresh = true
    world:attempt(job)
    assert.are.equal(1, world.memory.recalls)
  end)

  it("is read-only, and can be walked", function()
    local world, walked = worlds.new {}, {}
    world:attempt(world:job { run = function() return rules.remember { a = 1, b = 2 } end })
    world:attempt(world:job { run = function(_, _, context)
      for name, value in pairs(context.memory) do walked[name] = value end
    end })
    assert.are.same({ a = 1, b = 2 }, walked)
    local outcome = world:attempt(world:job { run = function(_, _, context) context.memory.c = 3 end })
    contains(outcome.reason, "return remember { c = … } to change it")
    assert.is_truthy(outcome.reason:find("spec/engine_timers_spec.lua:%d+: "), outcome.reason)
  end)

  it("ends the attempt while the inbox does not answer", function()
    local world = worlds.new {}
    world.memory.fails = true
    local job = world:job { retry = { attempts = 1 }, run = function(_, _, context)
      pcall(function() return context.memory.a end)
      return rules.send.http "print" {}
    end }
    job.fresh = true
    local outcome = world:attempt(job)
    assert.are.same({ "retry", "the inbox does not answer", 0 }, { outcome.state, outcome.reason, #world.requests })
  end)
end)
