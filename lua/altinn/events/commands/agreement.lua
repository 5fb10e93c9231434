-- Whether an act by hand is to be done: it needs a reason, and a confirmation; without a terminal both as options.
local output = require "altinn.events.commands.output"

local M = {}

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
