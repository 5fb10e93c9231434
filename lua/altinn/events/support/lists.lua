-- Lists that people write. `#` and ipairs may stop before a nil, and would drop what stands behind it without a word.
local M = {}

--- The first place of a list that is nil although a later one is not.
---@param list table
---@return integer|nil place nil: there is none
function M.hole(list)
  local last = 0
  for place in next, list do
    if type(place) == "number" and place > last then last = place end
  end
  for place = 1, last do
    if list[place] == nil then return place end
  end
end

--- Why a table is no list without holes.
---@param list table
---@return string|nil message such as "place 2 of its list is nil"
function M.fault(list)
  for place in next, list do
    if type(place) ~= "number" then return ("'%s' is a name, and a list has none"):format(tostring(place)) end
  end
  local hole = M.hole(list)
  return hole and ("place %d of its list is nil"):format(hole) or nil
end

return M
