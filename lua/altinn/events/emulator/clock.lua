-- The emulator's clock: it begins with the real time, runs N times as fast, and can be moved forward; or it is given.
-- All waits of the emulator are timers of it.
local timers = require "altinn.events.support.timers"
local wire = require "altinn.events.emulator.wire"

local M = {}

--- The highest speed of a clock.
M.fastest = 1e6

local Clock = {}
Clock.__index = Clock

--- A clock.
---@param real fun(): number, number the real time since 1970, and one that never goes back, in seconds
---@param speed number how many times as fast; 0: it stands still and is only moved
---@param began number|nil the time with which it begins; nil: the real one
---@return table clock
function M.new(real, speed, began)
  local wall, steady = real()
  return setmetatable({ real = real, speed = speed, began = began or wall, since = steady, moved = 0,
    timers = timers.new() }, Clock)
end

-- Seconds since 1970 by this clock.
function Clock:now()
  local _, steady = self.real()
  return math.min(self.began + (steady - self.since) * self.speed + self.moved, wire.last_moment)
end

-- Seconds since 1970 by everybody else's clock: for tokens and grants.
function Clock:wall()
  return (self.real())
end

-- Sets another speed from now on.
function Clock:set_speed(speed)
  local _, steady = self.real()
  self.began, self.since, self.moved = self:now(), steady, 0
  self.speed = speed
end

-- Calls `call` once, at a time of this clock. The timer can be cancelled: timer.call = nil.
function Clock:at(time, call) return self.timers:add(time, call) end

-- Calls `call` once, so many seconds of this clock from now.
function Clock:after(seconds, call)
  return self:at(self:now() + seconds, call)
end

-- The time of the next timer, or nil.
function Clock:due() return self.timers:next() end

-- Forgets all timers.
function Clock:clear() self.timers = timers.new() end

-- Runs the timers whose time has come, by `guard(call)`; those that they make wait for the next call.
function Clock:run(guard)
  local now, last = self:now(), self.timers.order
  local call = self.timers:take(now, last)
  while call do
    guard(call)
    call = self.timers:take(now, last)
  end
end

-- Seconds of real time until something is due; `most` when nothing is.
function Clock:pause(most)
  local due = self:due()
  if not due then return most end
  local left = due - self:now()
  if left <= 0 then return 0 end
  if self.speed == 0 then return most end
  return math.min(most, left / self.speed)
end

-- Moves it forward to a time; it never goes back.
function Clock:jump(time)
  local now = self:now()
  if time > now then self.moved = self.moved + time - now end
end

-- A clock that somebody else moves.

local Given = setmetatable({}, { __index = Clock })
Given.__index = Given

--- A clock that is given. Its owner calls :run when the time has come that was asked of `after`, or more often.
---@param ports { now: (fun(): number), after: (fun(seconds: number, call: function): any), forget: fun(timer: any),
---  wake: function } wake: what `after` is to call
---@return table clock
function M.given(ports)
  return setmetatable({ ports = ports, speed = 0, timers = timers.new() }, Given)
end

function Given:now() return self.ports.now() end

function Given:wall() return self.ports.now() end

-- Asks to be woken at the next timer's time.
local function arm(self)
  local due = self.timers:next()
  if due == self.armed then return end
  if self.waker then self.ports.forget(self.waker) end
  self.armed, self.waker = due, nil
  if due then self.waker = self.ports.after(math.max(0, due - self.ports.now()), self.ports.wake) end
end

function Given:at(time, call)
  local timer = self.timers:add(time, call)
  if not self.armed or time < self.armed then arm(self) end
  return timer
end

function Given:run(guard)
  if self.waker then self.ports.forget(self.waker) end
  self.armed, self.waker = nil, nil
  Clock.run(self, guard)
  arm(self)
end

function Given:clear()
  self.timers = timers.new()
  arm(self)
end

return M
