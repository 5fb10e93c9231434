-- Checks of tables that people write. Each raises at the caller that `level` names, counted as error counts it from the
-- function that calls the check.
local words = require "altinn.events.support.words"

local M = {}

--- Raises for an unknown key, with the nearest known key, or with our word for a word of Altinn's.
---@param what string the function whose options these are, for the message
---@param given any
---@param known table<string, any>
---@param level integer
function M.keys(what, given, known, level)
  if type(given) ~= "table" then error(("%s wants a table"):format(what), level + 1) end
  for name in pairs(given) do
    if known[name] == nil then
      local hint = words.hint(name, known, "option")
      error(("unknown option '%s' of %s%s"):format(tostring(name), what, hint), level + 1)
    end
  end
end

--- Raises unless a member is of a type, or absent.
---@param given table
---@param name string
---@param kind string
---@param level integer
---@return any value
function M.kind(given, name, kind, level)
  local value = given[name]
  if value ~= nil and type(value) ~= kind then
    error(("%s: a %s is wanted, not a %s"):format(name, kind, type(value)), level + 1)
  end
  return value
end

--- Raises unless a member is a finite number greater than `least`, or absent.
---@param given table
---@param name string
---@param least number
---@param level integer
---@return number|nil value
function M.number(given, name, least, level)
  local value = M.kind(given, name, "number", level + 1)
  if value ~= nil and not (value > least and value < math.huge) then
    error(("%s: a number greater than %g is wanted"):format(name, least), level + 1)
  end
  return value
end

return M
