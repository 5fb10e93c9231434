-- A short digest of a text, for names that people may read: two texts have the same one by accident only.
local M = {}

local MOST = 256  -- texts that are remembered: few texts come again and again, such as an event's source

local known, count = {}, 0

local function remember(text, hex)
  if count == MOST then known, count = {}, 0 end
  known[text], count = hex, count + 1
  return hex
end

--- 64 bits of a text in hexadecimal digits, in arithmetic that every Lua has.
---@param text string
---@return string
function M.hex(text)
  if known[text] then return known[text] end
  local first, second = 5381, 7
  for index = 1, #text do
    local byte = text:byte(index)
    first, second = (first * 33 + byte) % 4294967291, (second * 65599 + byte) % 4294967291
  end
  return remember(text, ("%08x%08x"):format(first, second))
end

return M
