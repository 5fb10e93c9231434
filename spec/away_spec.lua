-- Waiting for what keeps its own time (scheduler.away), on a virtual clock.
local scheduler = require "altinn.events.host.scheduler"

local now

local function new()
  now = 0
  local budget = { start = function() end, finish = function() return nil, 0 end, enter = function() end,
    leave = function() end, stopped = function() return nil end }
  return scheduler.new { budget = budget, open = function() error "no request" end, clock = function() return now end }
end

-- A task that goes away; what is known of it.
local function start(own, after)
  local known = { drops = 0 }
  known.task = own:spawn { wall = 10, run = function()
    local reply = scheduler.away(function(back) known.back = back end, function() known.drops = known.drops + 1 end)
    if after then after() end
    return reply
  end, finished = function(_, ok, value) known.ok, known.value = ok, value end }
  return known
end

local function advance(own, seconds)
  for _ = 1, seconds do
    now = now + 1
    own:ring()
  end
end

describe("a task that is away", function()
  it("goes on with the answer, however late it comes", function()
    local own = new()
    local known = start(own)
    advance(own, 1000)
    assert.is_nil(known.ok)
    known.back("here")
    assert.are.same({ true, "here", 0 }, { known.ok, known.value, known.drops })
  end)

  it("has its whole time afterwards, and no more", function()
    local own = new()
    local known = start(own, function() scheduler.sleep(60) end)
    advance(own, 1000)
    known.back()
    advance(own, 9)
    assert.is_nil(known.ok)
    advance(own, 2)
    assert.are.same({ false, "took longer than 10 s" }, { known.ok, known.value })
  end)

  it("that is cancelled drops what it waits for, once, and never hears of it", function()
    local own = new()
    local known = start(own)
    own:cancel(known.task, "taken back")
    known.back("late")
    assert.are.same({ false, "taken back", 1 }, { known.ok, known.value, known.drops })
  end)

  it("fails when it cannot begin", function()
    local own, value = new(), nil
    own:spawn { wall = 10, finished = function(_, ok, message) value = not ok and message end, run = function()
      scheduler.away(function() error("malformed", 0) end, function() error "nothing to drop" end)
    end }
    assert.is_truthy(tostring(value):find("malformed", 1, true))
  end)
end)
