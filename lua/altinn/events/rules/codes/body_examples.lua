-- What the examples of mistakes in bodies are made of. "»" in a text stands before the place of the finding.
local M = {}

local MARK = "»"

local function place_of(text)
  local before = text:match("^(.-)" .. MARK) or error("an example without a place: " .. text)
  local _, lines = before:gsub("\n", "")
  return lines + 1, #before:match("[^\n]*$") + 1
end

--- The text of a rule.
---@param body string the lines of `run`
---@param options table|nil { parts, more, before }: text behind `on`, behind `run`, and before the rule; on: the types
---@return string
function M.text(body, options)
  options = options or {}
  return ('%srule {\n  name = "a", on = %s,%s\n  run = function(event, letter, context)\n    %s\n  end,\n%s}\n'):format(
    options.before and options.before .. "\n" or "", options.on or '"correspondencepublished"',
    options.parts and " " .. options.parts or "", (body:gsub("\n", "\n    ")),
    options.more and "  " .. options.more .. "\n" or "")
end

--- An example: wrong and right text.
---@param wrong string|table the body with its mark; or { body, parts =, more =, before =, on = }
---@param right string|table the same, corrected; options that it does not name are those of `wrong`
---@return altinn.events.finding_example
function M.example(wrong, right)
  local options = type(wrong) == "table" and wrong or { wrong }
  local others = type(right) == "table" and right or { right }
  for name, value in pairs(options) do
    if others[name] == nil then others[name] = type(value) == "string" and value:gsub(MARK, "") or value end
  end
  local text = M.text(options[1], options)
  local line, column = place_of(text)
  return { wrong = (text:gsub(MARK, "")), right = M.text(others[1], others), line = line, column = column }
end

return M
