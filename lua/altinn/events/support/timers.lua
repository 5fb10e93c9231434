-- Timers: a binary heap by time. Timers of one time keep the order in which they were made.
local M = {}

local Timers = {}
Timers.__index = Timers

--- No timers.
---@return table timers
function M.new()
  return setmetatable({ heap = {}, count = 0, order = 0, cancelled = 0 }, Timers)
end

local function before(a, b)
  return a.at < b.at or a.at == b.at and a.order < b.order
end

local function sift_up(heap, index)
  local timer = heap[index]
  while index > 1 do
    local parent = math.floor(index / 2)
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

local function put(self, timer)
  self.count = self.count + 1
  self.heap[self.count] = timer
  sift_up(self.heap, self.count)
end

local function pop(self)
  local heap, count = self.heap, self.count
  local first = heap[1]
  heap[1], heap[count] = heap[count], nil
  self.count = count - 1
  if count > 1 then sift_down(heap, count - 1) end
  return first
end

--- Adds a timer. It is cancelled by :cancel, or by timer.call = nil.
---@param at number
---@param call function
---@return table timer { at, call, order }; `order` grows with each
function Timers:add(at, call)
  self.order = self.order + 1
  local timer = { at = at, call = call, order = self.order }
  put(self, timer)
  return timer
end

-- Cancelled timers must not pile up.
local function compact(self)
  local heap, count = self.heap, self.count
  self.heap, self.count, self.cancelled = {}, 0, 0
  for index = 1, count do
    if heap[index].call then put(self, heap[index]) end
  end
end

--- Cancels a timer; nil, or one that is over, is allowed.
---@param timer table|nil
function Timers:cancel(timer)
  if not timer or not timer.call then return end
  timer.call = nil
  self.cancelled = self.cancelled + 1
  if self.cancelled > 64 and self.cancelled > self.count / 2 then compact(self) end
end

--- The time of the next timer.
---@return number|nil at nil: there is none
function Timers:next()
  while self.count > 0 and not self.heap[1].call do
    pop(self)
    self.cancelled = math.max(0, self.cancelled - 1)
  end
  return self.count > 0 and self.heap[1].at or nil
end

--- Takes the next timer whose time has come.
---@param now number
---@param last integer|nil only one that is not newer than this `order`
---@return function|nil call nil: none is due
function Timers:take(now, last)
  local newer = {}
  local call
  while not call and self:next() and self.heap[1].at <= now do
    local timer = pop(self)
    if last and timer.order > last then newer[#newer + 1] = timer
    else call, timer.call = timer.call, nil end
  end
  for _, timer in ipairs(newer) do put(self, timer) end
  return call
end

return M
