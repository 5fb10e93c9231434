-- Paths of files: one name for each.
local M = {}

--- The working folder; "" when it is not known.
---@return string
function M.folder()
  local pipe = io.popen("pwd", "r")
  local folder = pipe and pipe:read("*l")
  if pipe then pipe:close() end
  return folder or ""
end

--- The same file under each of its names: without "." and "..", from the working folder where it is below that.
---@param path string
---@param folder string the working folder
---@return string
function M.plain(path, folder)
  if path:sub(1, 1) ~= "/" then path = folder .. "/" .. path end
  local parts = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then parts[#parts] = nil
    elseif part ~= "." then parts[#parts + 1] = part end
  end
  local whole = "/" .. table.concat(parts, "/")
  if whole:sub(1, #folder + 1) == folder .. "/" then return whole:sub(#folder + 2) end
  return whole == folder and "." or whole
end

return M
