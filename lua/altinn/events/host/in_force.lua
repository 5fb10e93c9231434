-- Puts rules in force: in the host, and in a simulation of it.
local cjson = require("cjson.safe").new()  -- an own instance: settings of the shared one would reach other code
local config_module = require "altinn.events.host.config"
local events = require "altinn.events"
local force = require "altinn.events.host.force"
local references = require "altinn.events.host.references"
local rules = require "altinn.events.rules.loading"
local urls = require "altinn.events.support.url"

local M = {}

--- The settings of the workers. They hold the texts of the rules that were checked, so that all workers run one
--- version.
---@param config table
---@param set table
---@param forced table<string, altinn.events.forced>|nil the rules in force by hand, see altinn.events.host.force
---@return string settings JSON
function M.settings(config, set, forced)
  local versions = {}
  for _, rule in ipairs(set) do versions[rule.name] = rule.version end
  return assert(cjson.encode {  -- not our json: a key may be binary
    rules = set.files, sources = set.sources, versions = versions, force = forced,
    hidden = config.asked, holidays = config.holidays,
    targets = config.targets, limits = config.limits, log = config.log, keep = config.keep,
    environment = config.environment, base_url = config.base_url, token = config.token,
    credentials = config.credentials, ca_file = config.ca_file, caught = config.caught,
    origin = config.endpoint and urls.host(config.endpoint) or nil,
  })
end

local function names_of(targets)
  local names = {}
  for name in pairs(targets) do names[#names + 1] = name end
  return names
end

--- What host.start takes.
---@param config table
---@param set table
---@param forced table<string, altinn.events.forced>
---@return table options
function M.options(config, set, forced)
  return {
    inbox = config.inbox, listen = config_module.address(config.listen),
    admin = config.admin and config_module.address(config.admin) or nil, secrets = config.secrets,
    workers = config.workers, max_bytes = config.limits.max_bytes, deadline = config.limits.deadline,
    connections = config.limits.connections, heads = rules.heads(set, config.limits),
    worker_settings = M.settings(config, set, forced),
    once = config.once or nil, log = config.log.format,
    version = events._VERSION, targets = names_of(config.targets),
  }
end

--- Keeps the texts of the rules by their versions, for `why` and for comparing.
---@param handle table of the host
---@param set table
---@param log fun(level: string, message: string, fields: table)
function M.keep_versions(handle, set, log)
  local kept, message = handle:keep_versions(set.versions)
  if not kept then log("error", "rules", { reason = "the texts of the rules are not kept: " .. tostring(message) }) end
end

--- Puts new rules in force.
---@param handle table of the host
---@param config table
---@param set table
---@param log fun(level: string, message: string, fields: table)
---@param before table the rules in force
---@param report fun(findings: table[])
---@return boolean|nil done nil: the rules of before stay in force
---@return string|nil message
function M.replace(handle, config, set, log, before, report)
  local forced, message = force.of(config.inbox, set)
  if not forced then return nil, "the rules in force by hand cannot be read: " .. tostring(message) end
  report(references.lost(config.inbox, before, set))
  M.keep_versions(handle, set, log)
  local done
  done, message = handle:reload(rules.heads(set, config.limits), M.settings(config, set, forced))
  if not done then return nil, tostring(message) end
  return true
end

--- Tells which rules came into force by hand, and which are in the shadow again.
---@param log fun(level: string, message: string, fields: table)
---@param before table<string, altinn.events.forced>
---@param now table<string, altinn.events.forced>
function M.tell_forced(log, before, now)
  for name, one in pairs(now) do
    if not before[name] then log("info", "force", { rule = name, reason = force.text(one) }) end
  end
  for name in pairs(before) do
    if not now[name] then
      log("info", "force", { rule = name, reason = "back in the shadow: by hand, or because its text has changed" })
    end
  end
end

--- Follows acts by hand that put rules in force; gives those that are, by name.
---@param handle table of the host
---@param config table
---@param log fun(level: string, message: string, fields: table)
---@param set table
---@param before table<string, altinn.events.forced>
---@return table<string, altinn.events.forced> forced
function M.follow(handle, config, log, set, before)
  local now, message = force.of(config.inbox, set)
  local done = now ~= nil
  if done and not force.is_same(before, now) then
    done, message = handle:reload(nil, M.settings(config, set, now))
    if done then M.tell_forced(log, before, now) end
  end
  if done then return now end
  log("error", "force", { reason = tostring(message) })
  return before
end

return M
