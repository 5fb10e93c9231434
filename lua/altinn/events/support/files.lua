-- Files as whole texts.
local M = {}

--- The content of a file.
---@param path string
---@return string|nil text nil: it cannot be read, or is a folder
---@return string|nil message
function M.read(path)
  local file, message = io.open(path, "rb")
  local text
  if file then
    text, message = file:read("*a")  -- a folder opens, and does not read
    file:close()
  end
  return text, message
end

return M
