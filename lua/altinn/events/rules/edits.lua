-- Edits of a text: how findings mend a file.
local positions = require "altinn.events.support.positions"

local M = {}

-- An edit as bytes { from, to (of the first that stays), text }; nil: the text has no such place.
local function bytes_of(lines, edit)
  local first, last = lines[edit.line], lines[edit.end_line]
  local from = first and positions.byte(first.text, edit.column)
  local to = last and positions.byte(last.text, edit.end_column)
  if not from or not to then return nil end
  return { from = first.at + from - 1, to = last.at + to - 1, text = edit.text }
end

--- Applies fixes, each a list of edits that belong together: those of a fix all, or none when one overlaps with an
--- earlier fix, or touches it.
---@param text string
---@param fixes altinn.events.edit[][]
---@return string text
---@return boolean[] applied for each fix
function M.apply(text, fixes)
  local lines, taken, applied = positions.lines(text), {}, {}
  for index, fix in ipairs(fixes) do
    local own, fits = {}, true
    for _, edit in ipairs(fix) do
      local one = bytes_of(lines, edit)
      for _, other in ipairs(taken) do
        if one and one.from <= other.to and other.from <= one.to then one = nil end
      end
      if not one or one.from > one.to then fits = false break end
      own[#own + 1] = one
    end
    for _, one in ipairs(fits and own or {}) do taken[#taken + 1] = one end
    applied[index] = fits
  end
  table.sort(taken, function(a, b) return a.from > b.from end)
  for _, one in ipairs(taken) do text = text:sub(1, one.from - 1) .. one.text .. text:sub(one.to) end
  return text, applied
end

--- An edit of one place in a line.
---@param line integer
---@param column integer
---@param end_column integer
---@param text string
---@return altinn.events.edit[]
function M.one(line, column, end_column, text)
  return { { line = line, column = column, end_line = line, end_column = end_column, text = text } }
end

return M
