-- What the examples of codes are made of.
local M = {}

--- The text of a rule with one part of interest, in its third line.
---@param part string|nil such as "order = false,"
---@param on string|nil the type, as it is written; "correspondencepublished" in quotes when it is left out
---@return string
function M.rule(part, on)
  return ('rule {\n  name = "a", on = %s,\n%s  run = function() return skip("nothing to do") end,\n}\n'):format(
    on or '"correspondencepublished"', part and "  " .. part .. "\n" or "")
end

--- The text of a rule whose body begins with a statement, in its fourth line.
---@param statement string
---@return string
function M.body(statement)
  return ('rule {\n  name = "a", on = "correspondencepublished",\n  run = function(event)\n    %s\n'
    .. '    return skip("nothing to do with " .. event.id)\n  end,\n}\n'):format(statement)
end

--- An example whose part is wrong, and what it should be.
---@param wrong string
---@param right string|nil nil: the part is left out
---@param column integer
---@param on string|nil
---@return altinn.events.finding_example
function M.part(wrong, right, column, on)
  return { wrong = M.rule(wrong, on), right = M.rule(right, on), line = 3, column = column }
end

--- An example whose second line, with the event types, is wrong.
---@param wrong string the value of `on`, as it is written
---@param right string
---@param column integer
---@return altinn.events.finding_example
function M.types(wrong, right, column)
  return { wrong = M.rule(nil, wrong), right = M.rule(nil, right), line = 2, column = column }
end

local VARIABLES = "SECRET=0123456789abcdef0123456789abcdef\nSHORT=abc\n"

--- An example whose configuration is wrong.
---@param wrong string the text of altinn-events.lua
---@param right string
---@param line integer|nil
---@param column integer|nil
---@return altinn.events.finding_example
function M.config(wrong, right, line, column)
  local function files(text)
    return { ["altinn-events.lua"] = text, ["rules/example.lua"] = M.rule(), environment = VARIABLES }
  end
  return { wrong = files(wrong), right = files(right), file = "altinn-events.lua", line = line, column = column }
end

return M
