-- A short digest of a text, for names that people may read: two texts have the same one by accident only.
local M = {}

--- 64 bits of a text in hexadecimal digits, in arithmetic that every Lua has.
---@param text string
---@return string
function M.hex(text)
  local first, second = 5381, 7
  for index = 1, #text do
    local byte = text:byte(index)
    first, second = (first * 33 + byte) % 4294967291, (second * 65599 + byte) % 4294967291
  end
  return ("%08x%08x"):format(first, second)
end

return M
