-- Spans of time as people write them: "90s", "10m", "36h", "3d".
local M = {}

local units = { s = 1, m = 60, h = 3600, d = 86400 }

--- Reads a span of time.
---@param value string|number "90s", "10m", "36h", "3d", several together ("1h30m"), or seconds
---@return number|nil seconds
---@return string|nil message what is wrong with it
function M.parse(value)
  if type(value) == "number" then
    if value >= 0 and value < math.huge then return value end
    return nil, "a span of time must not be negative or infinite"
  end
  if type(value) ~= "string" then
    return nil, ("a span of time is a text such as \"10m\" or a number of seconds, not a %s"):format(type(value))
  end
  local total, rest = 0, value
  repeat
    local number, unit, tail = rest:match("^(%d+%.?%d*)([smhd])(.*)$")
    if not number then
      return nil, ("'%s' is no span of time: write it like 90s, 10m, 36h or 3d"):format(value:sub(1, 40))
    end
    total, rest = total + tonumber(number) * units[unit], tail
  until rest == ""
  return total
end

return M
