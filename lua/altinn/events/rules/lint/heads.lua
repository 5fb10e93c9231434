-- Checks of a rule's head what only its text shows, because it leaves no trace in the table.
local constants = require "altinn.events.rules.constants"

local M = {}

local DECIDED = {
  ["or"] = "the constant before 'or' is always taken, the rest never: several values are a list: { \"a\", \"b\" }",
  ["and"] = "the constant before 'and' decides nothing",
  ["not"] = "'not' makes a constant to false: a condition is written no(…)",
}

--- The text of a rule's head.
---@param run altinn.events.lint.run
function M.rule(run)
  local decided = {}
  constants.decided(run.found.fields, decided)
  for _, one in ipairs(decided) do run:add("constant", one.node, DECIDED[one.word]) end
end

return M
