-- Reads the configuration and the rules, and finds their mistakes. `run`, a reload, `check`, `doctor`,
-- `plan`, `apply` and `why` all begin with this, so they refuse the same.
local config_module = require "altinn.events.host.config"
local core = require "altinn.events.core"
local events = require "altinn.events"
local finding = require "altinn.events.rules.finding"
local findings = require "altinn.events.rules.findings"
local paths = require "altinn.events.support.path"
local places = require "altinn.events.host.places"
local rules = require "altinn.events.rules.loading"

local M = {}

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

-- A path in the configuration is taken from the working folder, which may be another one than people think.
local function with_folder(problem, config)
  if problem.line or not problem.message:find("^No such file") or problem.file:sub(1, 1) == "/" then return end
  problem.message = ("%s (in %s)"):format(problem.message, paths.folder())
  local beside = config.file and config.file:match("^(.*/)")
  if beside and exists(beside .. problem.file) then
    problem.message = problem.message .. ": it is there beside the configuration, but paths are relative to the folder"
      .. " in which the command runs"
  end
end

-- Whether a key, or a part of it, is there, or could not be fetched for this user alone.
local function has(config, key)
  if config[key] ~= nil then return true end
  for _, one in ipairs(config.missing or {}) do
    if one.key == key or one.key:sub(1, #key + 1) == key .. "." then return true end
  end
  return false
end

local function names_altinn(config)
  local where, whom = has(config, "environment") or has(config, "base_url"), has(config, "credentials")
  return where and (whom or has(config, "token"))
end

-- All rules together must fit into the host's index.
local function check_index(set, list)
  local matcher = events.matcher()
  for _, rule in ipairs(set) do
    local added, message = not rule.enabled, nil
    if not added then added, message = pcall(matcher.add, matcher, rule.name, { on = rule.on, when = rule.when }) end
    if not added then
      list[#list + 1] = finding.new("index", { file = rule.file, line = rule.line, rule = rule.name },
        tostring(message))
      return
    end
  end
end

-- Folders, files and programs of targets: they may be made before the first effect, so this is no error.
local function check_places(config, list)
  for _, fault in ipairs((places.faults(config.targets))) do
    list[#list + 1] = finding.new("place", { file = config.file }, ("targets.%s: %s"):format(fault.target,
      fault.message))
  end
end

--- The rules of a configuration, judged against it.
---@param config table of altinn.events.host.config
---@param overlay table<string, string>|nil texts by path that stand for those of files
---@return table|nil set nil when there is an error among the findings
---@return altinn.events.finding[] findings
function M.rules(config, overlay)
  local set, problems, rest = rules.load(config.rules, { digest = core.sha256, overlay = overlay })
  if not set then
    for _, problem in ipairs(problems) do with_folder(problem, config) end
    return nil, findings.of_problems(problems, rest, config.targets, names_altinn(config))
  end
  local list = findings.of(set, config.targets, names_altinn(config))
  check_index(set, list)
  check_places(config, list)
  if findings.has(list, "error") then return nil, list end
  return set, list
end

local function add_all(list, others)
  for _, one in ipairs(others) do list[#list + 1] = one end
  return list
end

--- The configuration and its rules.
---@param options table of altinn.events.host.config.load
---@return { config: table|nil, set: table|nil } prepared what could be read
---@return altinn.events.finding[] findings
function M.all(options)
  local config, _, problems = config_module.load(options)
  if not config then return {}, config_module.findings(problems) end
  local set, list = M.rules(config, options.overlay)
  return { config = config, set = set }, add_all(config_module.findings(nil, config), list)
end

return M
