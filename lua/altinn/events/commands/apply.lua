-- altinn-events apply: makes the subscriptions that the rules need.
local options = require "altinn.events.commands.options"
local plan = require "altinn.events.commands.plan"

local M = {
  summary = "make the missing ones, and remove those that others have replaced", needs = plan.needs, run = plan.apply,
}

--- Adds its options to the parser.
---@param apply table
function M.options(apply)
  plan.options(apply)
  options.add(apply, "wait")
end

return M
