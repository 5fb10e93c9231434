-- Where the bytes of a download go: a function, or a file that has its name
-- only once it is whole.
local core = require "altinn.events.core"

local M = {}

local number = 0

-- A name beside the final one, on the same file system, that nobody else has.
local function temporary(path)
  number = number + 1
  local place = tostring({}):match("(%x+)$") or ""  -- where a table lies differs from process to process
  return ("%s.part-%s-%x-%d"):format(path, place, math.floor(core.altinn.clock() * 1e6) % 2 ^ 31, number)
end

local File = {}
File.__index = File

-- A run that is stopped in the middle leaves no file, where the Lua tells
-- tables of their end.
File.__gc = function(self) self:abort() end

--- Begins anew: what was written before is gone.
---@return true|nil ok
---@return string|nil message
function File:restart()
  if self.file then self.file:close() end
  local message
  self.file, message = io.open(self.part, "wb")
  self.bytes = 0
  if not self.file then return nil, "the file cannot be written: " .. tostring(message) end
  return true
end

--- Takes a part.
---@param part string
---@return true|nil ok
---@return string|nil message
function File:write(part)
  local ok, message = self.file:write(part)
  if not ok then return nil, "the file cannot be written: " .. tostring(message) end
  self.bytes = self.bytes + #part
  return true
end

--- The file is whole: it gets its name.
---@return true|nil ok
---@return string|nil message
function File:commit()
  local ok, message = self.file:close()
  self.file = nil
  if ok then ok, message = os.rename(self.part, self.path) end
  if not ok then
    self:abort()
    return nil, "the file cannot be written: " .. tostring(message)
  end
  self.done = true
  return true
end

--- Nothing remains.
function File:abort()
  if self.done then return end
  self.done = true
  if self.file then self.file:close() end
  self.file = nil
  os.remove(self.part)
end

local Call = {}
Call.__index = Call

function Call:restart()
  self.bytes = 0
  return true
end

function Call:write(part)
  local verdict, why = self.call(part)
  if verdict == false then return nil, why and tostring(why) or "the sink wants no more", "cancelled" end
  self.bytes = self.bytes + #part
  return true
end

function Call.commit() return true end

function Call.abort() end

--- A sink for a path or a function.
---@param where string|function
---@return table sink restart, write, commit, abort; `again`: it can begin anew after it has begun
function M.new(where)
  if type(where) == "function" then return setmetatable({ call = where, bytes = 0, again = false }, Call) end
  return setmetatable({ path = where, part = temporary(where), bytes = 0, again = true }, File)
end

return M
