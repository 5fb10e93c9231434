-- Mistakes in a table that people wrote, each with its place in the table, so that it can be told at its own line.
local M = {}

---@class altinn.events.fault
---@field code string of rules/finding_codes.lua
---@field part (string|integer)[] the way to the place: { "when", "resource", 2 }
---@field message string
---@field remedy string|nil what to do
---@field at_key boolean|nil the name is wrong, not its value
---@field word string|nil what certainly is meant instead of the text or the name there

-- Remedies that stand in parentheses after the message: how each begins, and the pattern of the part in parentheses.
local INSIDE = {
  { "did you mean '", "^did you mean '.-'%?" }, { "here it is ", "^here it is .*" },
  { "Altinn's word; here it is ", "^Altinn's word; here it is .*" }, { "there are: ", "^there are: .*" },
  { "is \"", "^is \".-\" meant, in quotes%?" },
}

--- What is wrong and what to do, as one sentence: a suggestion in parentheses after the message, another remedy after a
--- colon.
---@param message string
---@param remedy string|nil
---@return string
function M.sentence(message, remedy)
  if not remedy then return message end
  for _, one in ipairs(INSIDE) do
    local suggestion = remedy:match(one[2])
    if suggestion then
      local rest = remedy:sub(#suggestion + 1):gsub("^ (%a?)", function(letter) return "; " .. letter:lower() end)
      return ("%s (%s)%s"):format(message, suggestion, rest)
    end
  end
  return ("%s: %s"):format(message, remedy)
end

--- Takes a hint in parentheses apart from a message: "no word (did you mean 'x'?)".
---@param text string
---@return string message
---@return string|nil remedy
function M.apart(text)
  for _, one in ipairs(INSIDE) do
    local from = text:find(" (" .. one[1], 1, true)
    local inside, rest = text:match("^%((.-)%)(.*)$", from and from + 1)
    if from and inside and inside:find(one[2] .. "$") then
      return text:sub(1, from - 1), (inside .. rest:gsub("^; ", " "))
    end
  end
  return text
end

--- Makes a fault. A hint in parentheses in the message becomes its remedy, unless there is another.
---@param code string
---@param part (string|integer)[]
---@param message string
---@param remedy string|nil
---@param more { at_key: boolean|nil, word: string|nil }|nil
---@return altinn.events.fault
function M.new(code, part, message, remedy, more)
  if not remedy then message, remedy = M.apart(message) end
  return { code = code, part = part, message = message, remedy = remedy, at_key = more and more.at_key,
    word = more and more.word }
end

--- A fault as one sentence.
---@param fault altinn.events.fault
---@return string
function M.text(fault) return M.sentence(fault.message, fault.remedy) end

return M
