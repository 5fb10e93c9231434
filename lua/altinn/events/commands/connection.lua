-- A connection to Altinn as the commands have it: with how they complain of Altinn's side.
local connections = require "altinn.events.host.connection"
local output = require "altinn.events.commands.output"

local M = setmetatable({}, { __index = connections })

local Connection = setmetatable({}, { __index = connections.Connection })
Connection.__index = Connection

--- Connects to Altinn; nothing is sent yet.
---@param config table what altinn.events.host.config.load gave
---@return table|nil connection
---@return string|nil message
---@return string|nil code also "usage": the configuration lacks something
function M.open(config)
  local connection, message, code = connections.open(config)
  if not connection then return nil, message, code end
  return setmetatable(connection, Connection)
end

--- A failure of Altinn's side as one line with the way out, without secrets.
---@param message any
---@param code string|nil
---@return string
function Connection:explained(message, code)
  return self:without_secrets(output.explained(message, code))
end

--- Complains about a failure of Altinn's side.
---@param message any
---@param code string|nil
---@return integer status 1
function Connection:failure(message, code)
  output.complain(self:explained(message, code))
  return 1
end

--- What to say of a subscription that Altinn could not validate.
---@param one table
---@param seconds number how long was waited
---@return string
function Connection:unvalidated(one, seconds)
  return ("subscription %d is made but not validated: Altinn could not deliver to %s within %d s; is the host running,"
    .. " and reachable from outside? Mend it, then do this again"):format(one.id, self:mask(one.endPoint), seconds)
end

return M
