-- Lines and columns of a text. Columns count characters from 1, bytes where a line is no UTF-8.
local M = {}

local utf8 = rawget(_G, "utf8")  -- Lua 5.1 has none: columns are bytes there

--- The lines of a text without their ends: each { at = first byte, text = … }.
---@param text string
---@return { at: integer, text: string }[]
function M.lines(text)
  local lines, at = {}, 1
  while true do
    local stop = text:find("\n", at, true)
    lines[#lines + 1] = { at = at, text = (text:sub(at, (stop or #text + 1) - 1):gsub("\r$", "")) }
    if not stop then return lines end
    at = stop + 1
  end
end

--- The column of a byte of a line.
---@param line string
---@param byte integer
---@return integer
function M.column(line, byte)
  local count = utf8 and utf8.len(line) and utf8.len(line:sub(1, byte - 1))
  return (count or byte - 1) + 1
end

--- The byte of a column of a line.
---@param line string
---@param column integer
---@return integer|nil byte nil: the line is shorter
function M.byte(line, column)
  local length = utf8 and utf8.len(line)
  if column < 1 or column > (length or #line) + 1 then return nil end
  return length and utf8.offset(line, column) or column
end

--- The line and the column of a byte of a text.
---@param text string
---@param byte integer
---@return integer line
---@return integer column
function M.of(text, byte)
  local line, at = 1, 1
  while true do
    local stop = text:find("\n", at, true)
    if not stop or stop >= byte then
      return line, M.column(text:sub(at, (stop or #text + 1) - 1), byte - at + 1)
    end
    line, at = line + 1, stop + 1
  end
end

return M
