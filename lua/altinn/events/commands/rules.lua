-- The rules that a command needs: those of the configuration, or their mistakes on standard error.
local findings = require "altinn.events.rules.findings"
local output = require "altinn.events.commands.output"

local M = {}

--- The rules of a configuration; nil, and what is wrong with them on standard error.
---@param config table
---@param severity string|nil only findings of this severity are told
---@return table|nil set
function M.of(config, severity)
  local set, list = require("altinn.events.host.prepare").rules(config)
  if set then return set end
  for _, finding in ipairs(list) do
    if severity == nil or finding.severity == severity then output.note(findings.text(finding)) end
  end
end

return M
