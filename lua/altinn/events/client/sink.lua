-- The sinks of downloads: a function, or a file that gets its name when it is whole.
local core = require "altinn.events.core"

local M = {}

local File = {}
File.__index = File

-- A run that is stopped in the middle leaves no file: closing its coroutine closes the sink. In a Lua that cannot close
-- coroutines the garbage collector closes it.
File.__close = function(self) self:abort() end

local function told(ok, message)
  if ok then return true end
  return nil, "the file cannot be written: " .. tostring(message)
end

--- Begins anew, and drops the bytes that were written before.
---@return true|nil ok
---@return string|nil message
function File:restart()
  self.bytes = 0
  return told(self.file:restart())
end

--- Writes a part.
---@param part string
---@return true|nil ok
---@return string|nil message
function File:write(part)
  self.bytes = self.bytes + #part
  return told(self.file:write(part))
end

--- Ends a whole download: the file gets its name.
---@return true|nil ok
---@return string|nil message
function File:commit() return told(self.file:commit()) end

--- Ends a broken download: the file is removed.
function File:abort() self.file:abort() end

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

Call.__close = Call.abort

--- A sink for a path or a function.
---@param where string|function
---@return table sink restart, write, commit, abort; `again`: it can begin anew after the first bytes
function M.new(where)
  if type(where) == "function" then return setmetatable({ call = where, bytes = 0, again = false }, Call) end
  return setmetatable({ file = core.partial(where), bytes = 0, again = true }, File)
end

return M
