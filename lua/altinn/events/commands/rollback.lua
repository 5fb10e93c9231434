-- altinn-events rollback: puts a rule that was put in force by hand back into the shadow.
local promote = require "altinn.events.commands.promote"

local M = { summary = "put a rule that was promoted back into the shadow", needs = {}, options = promote.options }

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config) return promote.act(args, config, false) end

return M
