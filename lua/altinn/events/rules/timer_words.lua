-- The words by which the reason of a run tells of its timer; and a reason without them, for listings that show the time
-- themselves: an act by hand may have moved it since.
local M = {}

--- The words for a timer.
---@param body string the name of the body that it starts
---@param due number seconds since 1970
---@return string "'paper' runs at 2027-01-18T08:00:00Z"
function M.of(body, due)
  return ("%s at %s"):format(body == "run" and "it runs again" or ("'%s' runs"):format(body),
    os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(due)))
end

--- A reason without the words for its timer, which stand at its end.
---@param reason string|nil
---@return string|nil reason nil: nothing is left
function M.without(reason)
  if reason == nil then return nil end
  local left = reason:gsub("it runs again at [%dTZ:%-]+$", ""):gsub("'[%w%-_.]+' runs at [%dTZ:%-]+$", "")
  left = left:gsub("; $", "")
  return left ~= "" and left or nil
end

return M
