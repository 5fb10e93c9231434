-- Finds the mistakes of bodies that are more than a wrong name: one file in lint/ for each idea.
local M = {}

--- The findings about the bodies of rules that were loaded.
---@param _ table of altinn.events.rules.loading: the rules, with `sources`, the text of every file by path
---@return altinn.events.finding[] made by altinn.events.rules.finding
function M.of(_)
  return {}
end

return M
