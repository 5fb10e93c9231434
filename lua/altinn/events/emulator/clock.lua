-- The emulator's clock: it begins with the real time, runs N times as fast,
-- and can be moved forward. All waits of the emulator are timers of it.
local wire = require "altinn.events.emulator.wire"

local M = {}

--- The highest speed of a clock.
M.fastest = 1e6

local Clock = {}
Clock.__index = Clock

--- A clock.
---@param real fun(): number, number the real time since 1970, and one that never goes back, in seconds
---@param speed number how many times as fast; 0: it stands still and is only moved
---@return table clock
function M.new(real, speed)
  local wall, steady = real()
  return setmetatable({ real = real, speed = speed, began = wall, since = steady, moved = 0, timers = {}, count = 0,
    order = 0 }, Clock)
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

-- Runs at another speed from now on.
function Clock:set_speed(speed)
  local _, steady = self.real()
  self.began, self.since, self.moved = self:now(), steady, 0
  self.speed = speed
end

-- A binary heap by time; timers of one time in the order in which they were made.
local function before(a, b)
  if a.at ~= b.at then return a.at < b.at end
  return a.order < b.order
end

local function sift_up(heap, index)
  local timer = heap[index]
  while index > 1 do
    local parent = index // 2
    if not before(timer, heap[parent]) then break end
    heap[index], index = heap[parent], parent
  end
  heap[index] = timer
end

local function sift_down(heap, count)
  local timer, index = heap[1], 1
  while true do
    local child = index * 2
    if child > count then break end
    if child < count and before(heap[child + 1], heap[child]) then child = child + 1 end
    if not before(heap[child], timer) then break end
    heap[index], index = heap[child], child
  end
  heap[index] = timer
end

-- Calls `call` once, at a time of this clock. The timer can be cancelled: timer.call = nil.
function Clock:at(time, call)
  self.order, self.count = self.order + 1, self.count + 1
  local timer = { at = time, call = call, order = self.order }
  self.timers[self.count] = timer
  sift_up(self.timers, self.count)
  return timer
end

-- Calls `call` once, so many seconds of this clock from now.
function Clock:after(seconds, call)
  return self:at(self:now() + seconds, call)
end

local function pop(self)
  local timer = self.timers[1]
  self.timers[1] = self.timers[self.count]
  self.timers[self.count] = nil
  self.count = self.count - 1
  if self.count > 1 then sift_down(self.timers, self.count) end
  return timer
end

-- The time of the next timer, or nil.
function Clock:due()
  while self.count > 0 and not self.timers[1].call do pop(self) end
  return self.count > 0 and self.timers[1].at or nil
end

-- Runs the timers whose time has come, by `guard(call)`; those that they make wait for the next call.
function Clock:run(guard)
  local now, last = self:now(), self.order
  local kept = {}
  while self:due() and self.timers[1].at <= now do
    local timer = pop(self)
    if timer.order <= last then guard(timer.call)
    else kept[#kept + 1] = timer end
  end
  for _, timer in ipairs(kept) do
    self.count = self.count + 1
    self.timers[self.count] = timer
    sift_up(self.timers, self.count)
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

return M
