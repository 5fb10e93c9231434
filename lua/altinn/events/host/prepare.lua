-- What `run`, a reload, `check` and `doctor` do first: the configuration,
-- the rules, and all that is wrong with them. What one refuses all refuse.
local config_module = require "altinn.events.host.config"
local findings = require "altinn.events.rules.findings"
local rules = require "altinn.events.rules.loading"

local M = {}

local function working_folder()
  local pipe = io.popen("pwd", "r")
  local folder = pipe and pipe:read("l")
  if pipe then pipe:close() end
  return folder or "?"
end

--- A problem of altinn.events.rules.loading, with the working folder where a path was taken from it, which may be
--- another one than people think.
---@param problem table
---@return table problem
function M.with_folder(problem)
  if not problem.line and problem.message:find("^No such file") and problem.file:sub(1, 1) ~= "/" then
    problem.message = ("%s (in %s)"):format(problem.message, working_folder())
  end
  return problem
end

--- The rules of a configuration, judged against it.
---@param config table of altinn.events.host.config
---@return table|nil set nil when there is an error among the findings
---@return altinn.events.finding[] findings
function M.rules(config)
  local set, problems = rules.load(config.rules)
  if not set then
    local list = {}
    for index, problem in ipairs(problems) do list[index] = findings.of_problem(M.with_folder(problem)) end
    return nil, list
  end
  local list = findings.of(set, config.targets)
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
  local config, problems = config_module.load(options)
  if not config then return {}, config_module.findings(problems) end
  local set, list = M.rules(config)
  return { config = config, set = set }, add_all(config_module.findings(nil, config), list)
end

return M
