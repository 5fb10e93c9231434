-- altinn-events run: the host's main thread.
local config_module = require "altinn.events.host.config"
local findings = require "altinn.events.rules.findings"
local force = require "altinn.events.host.force"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local in_force = require "altinn.events.host.in_force"
local prepare = require "altinn.events.host.prepare"
local reloads = require "altinn.events.host.reload"
local logs = require "altinn.events.host.log"

local M = {}

local LEVELS = { error = "error", warning = "warn", hint = "info" }

local function report(log, list)
  for _, finding in ipairs(list) do
    local level = LEVELS[finding.severity]
    log(level, "rules", { reason = findings.text(finding):gsub("^warning: ", ""):gsub("^hint: ", "") })
  end
end

-- Tells systemd the state, when systemd started the host.
local function tell(log, state)
  local _, message = host.notify(state)
  if message then log("warn", "notify", { reason = message }) end
end

-- Seconds between two signs of life for systemd's watchdog (sd_watchdog_enabled(3)); an hour without a watchdog.
local function watchdog()
  local microseconds = tonumber(os.getenv "WATCHDOG_USEC")
  return microseconds and microseconds > 0 and microseconds / 2e6 or 3600
end

local function tell_health(handle, log)
  local fine, message = handle:health()
  if fine then log("info", "inbox", { reason = "the inbox stores events again" })
  else log("error", "inbox", { reason = message }) end
end

local function serve(handle, config, log, set, forced)
  local pause, reload = watchdog(), reloads.new(handle, config, log, set, report)
  forced = in_force.follow(handle, config, log, set, forced)  -- the file may have been of an earlier version
  while true do
    local what, before = handle:wait(reload:pause(pause)), reload.set
    if what == "hup" then reload:begin()
    elseif what == "unwell" or what == "well" then tell_health(handle, log)
    elseif what and what ~= "forced" then return what, reload end
    reload:look()
    if what == "forced" or reload.set ~= before then
      forced = in_force.follow(handle, config, log, reload.set, forced)
    end
    tell(log, "WATCHDOG=1")
  end
end

local function announce(handle, config, set, log)
  local names = {}
  for index, rule in ipairs(set) do names[index] = rule.name .. (rule.enabled and "" or " (off)") end
  log("info", "rules", { reason = ("%d loaded: %s"):format(#set, table.concat(names, ", ")) })
  local listen = config_module.address(config.listen)[1]
  local admin = config.admin and config_module.address(config.admin)[1]
  log("info", "listening", { address = ("%s:%d"):format(listen, handle:port()),
    admin = admin and ("%s:%d"):format(admin, handle:admin_port()) or nil })
end

--- Runs the host until a signal ends it.
---@param config table what altinn.events.host.config.load gave
---@return integer status 0 fine, 1 failed
function M.run(config)
  local log = logs.new(config.log, host.fact)
  report(log, config_module.findings(nil, config))
  local set, list = prepare.rules(config)
  report(log, list)
  if not set then return 1 end
  local forced = force.of(config.inbox, set) or {}
  local handle, message = host.start(in_force.options(config, set, forced))
  if not handle then
    log("error", "start", { reason = message })
    return 1
  end
  in_force.keep_versions(handle, set, log)
  announce(handle, config, set, log)
  in_force.tell_forced(log, {}, forced)
  tell(log, "READY=1")
  local why, reload = serve(handle, config, log, set, forced)
  if why ~= "idle" then log("info", "stopping", { reason = why }) end
  tell(log, "STOPPING=1")
  reload:stop()
  local whole = handle:stop()
  reload:close()
  log("info", "stopped", {})
  if whole == false then host.leave(1) end
  return why == "failed" and 1 or 0
end

return M
