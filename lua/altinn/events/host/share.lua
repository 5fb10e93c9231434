-- The connections of a worker, shared among its rules. One connection is reserved for each rule that has none. A
-- rule may take one more while it has fewer than there are free connections beyond the reserved ones. So rules that
-- wait for dead servers never keep another rule from its first connection.
local M = {}

local Share = {}
Share.__index = Share

---@param total integer connections
---@return table share
function M.new(total)
  return setmetatable({ total = total, groups = 0, taken = 0, using = 0, used = {}, lines = {}, order = {} }, Share)
end

---@param groups integer that may want connections
function Share:expect(groups) self.groups = groups end

local function may_take(self, group)
  local used, free = self.used[group] or 0, self.total - self.taken
  if used == 0 then return free > 0 end
  return used < free - math.max(0, self.groups - self.using)
end

local function take(self, group)
  local used = self.used[group]
  self.taken = self.taken + 1
  self.used[group] = (used or 0) + 1
  if not used then self.using = self.using + 1 end
end

---Takes a connection for the group: calls `call` at once, or when a connection is free.
---@param group any
---@param call fun() uses the connection
---@return boolean taken false: `call` waits
function Share:take(group, call)
  local line = self.lines[group]
  if not line and may_take(self, group) then
    take(self, group)
    call()
    return true
  end
  if not line then
    line = { first = 1, last = 0 }
    self.lines[group] = line
    self.order[#self.order + 1] = group
  end
  line.last = line.last + 1
  line[line.last] = call
  return false
end

-- The next call of a line; the line is gone when it was the last one.
local function next_call(self, at)
  local group = self.order[at]
  local line = self.lines[group]
  local call = line[line.first]
  line[line.first] = nil
  line.first = line.first + 1
  table.remove(self.order, at)
  if line.first > line.last then self.lines[group] = nil
  else self.order[#self.order + 1] = group end  -- the group goes behind the other groups
  return call
end

-- Serves the lines. A call whose task has ended gives its connection back at once, which leads here again; the flag
-- `serving` stops that recursion.
local function serve(self)
  if self.serving then return end
  self.serving = true
  local at = 1
  while at <= #self.order do
    local group = self.order[at]
    if may_take(self, group) then
      local call = next_call(self, at)
      take(self, group)
      call()
      at = 1
    else
      at = at + 1
    end
  end
  self.serving = nil
end

---Gives a connection back.
---@param group any
function Share:give(group)
  self.taken = self.taken - 1
  local left = self.used[group] - 1
  self.used[group] = left > 0 and left or nil
  if left == 0 then self.using = self.using - 1 end
  serve(self)
end

return M
