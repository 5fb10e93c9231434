-- Spans of time as people write them: "90s", "10m", "36h", "3d".
local M = {}

local MOST = 40  -- bytes of a text: the pattern below needs the square of them

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
  local total, rest = 0, #value <= MOST and value or ""
  repeat
    local number, unit, tail = rest:match("^(%d+%.?%d*)([smhd])(.*)$")
    if not number then
      return nil, ("'%s' is no span of time: write it like 90s, 10m, 36h or 3d"):format(value:sub(1, 40))
    end
    total, rest = total + tonumber(number) * units[unit], tail
  until rest == ""
  return total
end

local names = { { 86400, "d" }, { 3600, "h" }, { 60, "min" } }

--- A span of time as people read it: "10 s", "90 s", "36 h", "2.5 d".
---@param seconds number
---@return string
function M.text(seconds)
  for _, unit in ipairs(names) do  -- the largest unit without a fraction
    local count = seconds / unit[1]
    if count >= 1 and count % 1 == 0 and (unit[2] ~= "d" or count >= 2) then return ("%d %s"):format(count, unit[2]) end
  end
  for _, unit in ipairs(names) do
    local least = unit[2] == "h" and unit[1] or 2 * unit[1]
    if seconds >= least then
      return ("%.4g %s"):format(math.floor(seconds / unit[1] * 10) / 10, unit[2])
    end
  end
  return ("%.3g s"):format(seconds)
end

return M
