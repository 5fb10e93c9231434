-- doctor's part for targets: tries each without an effect there. The kinds of effects say how.
local deliveries = require "altinn.events.rules.delivery"
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local libraries = require "altinn.events.support.libraries"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local transports = require "altinn.events.client.transport"
local urls = require "altinn.events.support.url"

local M = {}

-- Whether a rule may send CloudEvents, as far as the rules are known.
local function may_send_events(rules)
  for _, text in pairs(rules and rules.sources or {}) do
    if text:find("cloudevent", 1, true) then return true end
  end
  return rules == nil
end

local function tools_of(visit)
  local config = visit.config
  local delivery = deliveries.new {
    perform = function(request)
      local reply, message, code, failed = visit:perform(request)
      return reply or { error = message, code = code, not_sent = failed.not_sent }
    end,
    transport = transports.default(), clock = os.time, sleep = transports.sleep, maskinporten = events.maskinporten,
    environment = config.environment, origin = config.endpoint and urls.host(config.endpoint) or nil,
  }
  return {
    send = function(request) return delivery:send(request) end,
    origin = may_send_events(visit.rules) and delivery.origin or nil,
    is_fit = libraries.load("altinn.events.host").is_fit,
  }
end

-- The secret of a target that this user cannot read.
local function missing_of(config, name)
  for _, one in ipairs(config.missing or {}) do
    if one.key:sub(1, #name + 9) == "targets." .. name .. "." then return one.message end
  end
end

local function try(visit, tools, name, target)
  local check, sort = "target " .. name, effects.sorts:of(target)
  local missing = missing_of(visit.config, name)
  if missing or not sort then
    return visit:find(check, "skipped", missing or "it has no place that could be tried")
  end
  local kind = effects.kinds[effects.sorts.kinds_of[sort][1]]
  local fine, status, message, fix = pcall(kind.try, target, tools)
  if not fine then status, message = "failed", tostring(status) end
  visit:find(check, status, message, fix)
end

--- Tries targets of the configuration, and adds a finding for each.
---@param visit table of doctor
---@param only string|nil the name of the one to try
function M.try(visit, only)
  local targets = visit.config.targets or {}
  if only and not targets[only] then
    return visit:find("target " .. only, "failed", ("there is no such target in the configuration%s"):format(
      suggest.hint(only, targets)), "targets stand in altinn-events.lua")
  end
  local tools = tools_of(visit)
  for _, name in ipairs(only and { only } or sorted(targets)) do try(visit, tools, name, targets[name]) end
end

return M
