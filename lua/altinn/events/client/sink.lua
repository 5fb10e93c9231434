-- Where the bytes of a download go: a function, or a file that has its name
-- only once it is whole.
local core = require "altinn.events.core"

local M = {}

local File = {}
File.__index = File

-- A run that is stopped in the middle leaves no file: its coroutine's end
-- closes the sink, and where a Lua has no such end its collector does.
File.__close = function(self) self:abort() end

local function told(ok, message)
  if ok then return true end
  return nil, "the file cannot be written: " .. tostring(message)
end

--- Begins anew: what was written before is gone.
---@return true|nil ok
---@return string|nil message
function File:restart()
  self.bytes = 0
  return told(self.file:restart())
end

--- Takes a part.
---@param part string
---@return true|nil ok
---@return string|nil message
function File:write(part)
  self.bytes = self.bytes + #part
  return told(self.file:write(part))
end

--- The file is whole: it gets its name.
---@return true|nil ok
---@return string|nil message
function File:commit() return told(self.file:commit()) end

--- Nothing remains.
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
---@return table sink restart, write, commit, abort; `again`: it can begin anew after it has begun
function M.new(where)
  if type(where) == "function" then return setmetatable({ call = where, bytes = 0, again = false }, Call) end
  return setmetatable({ file = core.partial(where), bytes = 0, again = true }, File)
end

return M
