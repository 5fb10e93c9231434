-- Names in order, for messages and listings that are the same each time.
local M = {}

--- The keys of a table as texts, sorted.
---@param set table<any, any>
---@return string[]
function M.sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = tostring(name) end
  table.sort(list)
  return list
end

return M
