-- Reloads of the rules: reads them, runs their specs first where the configuration says so, puts them in force. What
-- was read, and tried, comes into force, whatever stands in the files by then.
local in_force = require "altinn.events.host.in_force"
local libraries = require "altinn.events.support.libraries"
local prepare = require "altinn.events.host.prepare"
local trials = require "altinn.events.host.trial"

local M = {}

local LOOK = 0.1  -- seconds between two looks at a trial

local Reload = {}
Reload.__index = Reload

--- Reloads for a host.
---@param handle table of the host
---@param config table
---@param log fun(level: string, message: string, fields: table)
---@param set table the rules in force
---@param report fun(log: function, findings: table[])
---@return table
function M.new(handle, config, log, set, report)
  local fine, message = true, nil
  if config.test and config.test.reload then fine, message = libraries.has_busted() end
  if not fine then log("warn", "spec", { reason = message .. "; each reload will be refused" }) end
  return setmetatable({ handle = handle, config = config, log = log, set = set, report = report }, Reload)
end

local function refuse(self, reason)
  self.handle:reload_refused()
  self.log("error", "reload", { reason = reason .. "; the old ones stay in force" })
end

local function force(self, set)
  local done, message = in_force.replace(self.handle, self.config, set, self.log, self.set, function(lost)
    self.report(self.log, lost)
  end)
  if not done then return refuse(self, message) end
  self.set = set
  self.log("info", "reload", { reason = ("%d rule%s in force"):format(#set, #set == 1 and " is" or "s are") })
end

local function try(self, set)
  local trial, message = trials.start(self.config, set)
  if not trial then return refuse(self, "the specs could not be run: " .. tostring(message)) end
  self.trial = trial
  self.log("info", "reload", { reason = "the specs of the new rules are run first" })
end

local function renew(self)
  local set, list = prepare.rules(self.config)
  self.report(self.log, list)
  if not set then return refuse(self, "the new rules are broken") end
  local tests = self.config.test and self.config.test.reload
  return (tests and try or force)(self, set)
end

-- An error in a reload is logged and does not end the host.
local function guarded(self, call, ...)
  local called, message = xpcall(call, debug.traceback, self, ...)
  if not called then refuse(self, tostring(message)) end
end

--- Begins a reload; when the specs of an earlier one still run, after these.
function Reload:begin()
  if self.trial then self.again = true else guarded(self, renew) end
end

local function conclude(self, set, passed, reason, lines)
  for _, line in ipairs(lines) do self.log("error", "spec", { reason = line }) end
  if passed then
    self.log("info", "spec", { reason = reason })
    return force(self, set)
  end
  return refuse(self, reason)
end

local function look(self)
  local trial = self.trial
  local passed, reason, lines = trial:look()
  if passed == nil then return end
  self.trial = nil
  conclude(self, trial.set, passed, reason, lines)
end

--- Looks after the specs that are run. To be called after each wait.
function Reload:look()
  if not self.trial then return end
  guarded(self, look)
  if self.trial or not self.again then return end
  self.again = nil
  self:begin()
end

--- How long the host may wait for its next look.
---@param seconds number
---@return number
function Reload:pause(seconds)
  return self.trial and math.min(seconds, LOOK) or seconds
end

--- The host stops: tells the specs that are run to end.
function Reload:stop()
  if self.trial then self.trial:stop() end
end

--- Sees to it that they have ended.
function Reload:close()
  if self.trial then self.trial:close() end
  self.trial = nil
end

return M
