-- The commands' connection to Altinn: it adds complaints about failures of Altinn's side.
local connections = require "altinn.events.host.connection"
local libraries = require "altinn.events.support.libraries"
local output = require "altinn.events.commands.output"
local probe = require "altinn.events.commands.probe"

local PROBE = 3  -- seconds

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

-- Asks the endpoint from this machine -> a sentence with its answer and the way out; nil when it is not reached from
-- here, or takes the event.
local function answer_of(self, address)
  local multi = libraries.load("altinn.events.curl").new { connections = 1 }
  local request = probe.request(address)
  request.timeout, request.ca_file = PROBE, self.config.ca_file
  local reply = multi:perform(request)
  multi:close()
  local fix = reply and probe.fix(reply.status, self:mask(address))
  return fix and ("asked from here it answers %d: %s. Then do this again"):format(reply.status, fix)
end

--- The complaint about a subscription that Altinn could not validate. Asks the subscription's address once, briefly.
---@param one table
---@param seconds number how long was waited
---@return string
function Connection:unvalidated(one, seconds)
  local why = answer_of(self, one.endPoint)
    or "is the host running with this configuration's secret, and reachable from outside? Mend it, then do this again"
  return ("subscription %d is made but not validated: Altinn could not deliver to %s within %d s; %s")
    :format(one.id, self:mask(one.endPoint), seconds, why)
end

return M
