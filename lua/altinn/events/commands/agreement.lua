-- What acts by hand begin with: the rules, and whether it is to be done: an act needs a reason, and a confirmation;
-- without a terminal both as options.
local output = require "altinn.events.commands.output"

local M = {}

--- The rules that an act is about; nil, and their mistakes on standard error.
---@param config table
---@return table|nil set
function M.rules(config)
  local findings = require "altinn.events.rules.findings"
  local set, list = require("altinn.events.host.prepare").rules(config)
  if set then return set end
  for _, finding in ipairs(list) do
    if finding.severity == "error" then output.note(findings.text(finding)) end
  end
end

local function host() return require("altinn.events.support.libraries").load "altinn.events.host" end

local function asked(text)
  io.stderr:write(text)
  io.stderr:flush()
  return (io.stdin:read "l" or ""):match "^%s*(.-)%s*$"
end

--- The reason for the act; nil and a status when it is not to be done.
---@param question string what will be done, as a sentence
---@param args { reason: string|nil, yes: boolean|nil }
---@return string|nil reason
---@return integer|nil status
function M.reason(question, args)
  if not (host().terminal(io.stdin) and host().terminal(io.stderr)) then
    if args.reason and args.yes then return args.reason end
    output.complain "nothing was done: without a terminal this needs --reason TEXT and --yes"
    return nil, 2
  end
  local reason = args.reason or asked "What for? "
  if reason == "" then
    output.complain "nothing was done: it needs a reason, which is kept with the act"
    return nil, 1
  end
  if args.yes then return reason end
  local answer = asked(question .. " Type yes: ")
  if answer:lower() == "yes" or answer:lower() == "y" then return reason end
  output.complain "nothing was done"
  return nil, 1
end

return M
