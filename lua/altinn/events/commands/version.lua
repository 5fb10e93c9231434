-- altinn-events version.
local output = require "altinn.events.commands.output"

local M = { summary = "print the version", reads = "nothing" }

--- Adds its options to the parser.
function M.options() end

--- Runs the verb.
---@return integer status
function M.run()
  output.line("altinn-events %s (%s)", require("altinn.events")._VERSION, _VERSION)
  return 0
end

return M
