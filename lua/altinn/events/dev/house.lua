-- The host of `dev`: in this process, with effects that are caught unless they are wanted for real.
local force = require "altinn.events.host.force"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local in_force = require "altinn.events.host.in_force"

local M = {}

local House = {}
House.__index = House

--- Puts other rules, or another configuration, in force.
---@param config table
---@param set table[]
---@return boolean|nil done
---@return string|nil message
function House:reload(config, set)
  local lost = {}
  local done, message = in_force.replace(self.handle, config, set, self.log, self.set, function(list) lost = list end)
  if not done then return nil, message end
  self.config, self.set = config, set
  return true, lost
end

--- Moves its clock ahead to a time; it never goes back.
---@param time number seconds since 1970
function House:go_to(time)
  local ahead = time - self.handle:now()
  if ahead > 0 then self.handle:advance(ahead) end
end

function House:now() return self.handle:now() end

function House:port() return self.handle:port() end

function House:admin_port() return self.handle:admin_port() end

--- A signal that came, or "failed", "unwell", "well"; nil.
---@return string|nil what
function House:signal() return self.handle:wait(0) end

function House:health() return self.handle:health() end

--- Stops; false when a thread of it hangs, and the process has to be left.
---@return boolean
function House:stop() return self.handle:stop() ~= false end

--- Starts the host.
---@param config table
---@param set table[]
---@param log fun(level: string, message: string, fields: table)
---@return table|nil house
---@return string|nil message
function M.start(config, set, log)
  local handle, message = host.start(in_force.options(config, set, force.of(config.inbox, set) or {}))
  if not handle then return nil, message end
  in_force.keep_versions(handle, set, log)
  return setmetatable({ handle = handle, config = config, set = set, log = log }, House)
end

return M
