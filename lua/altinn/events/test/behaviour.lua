-- How a target behaves: the words for it, and what they come to.
local mistake = require "altinn.events.test.mistake"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"

local M = {}

---@class altinn.events.test.behaviour
---@field status integer|nil of the answer; nil: the usual good one
---@field times integer|nil how many effects it strikes, then the target is up; nil: all
---@field headers table<string, string>|nil of the answer
---@field body string|nil of the answer
---@field json any of the answer, instead of body
---@field seconds number|nil until it answers
---@field dies string|nil where the connection ends
---@field call fun(item: table): table|nil answers for itself

-- The places at which a connection can end, each with whether the target has the request then.
M.deaths = {
  ["at connect"] = false, ["in TLS"] = false, ["before the request"] = false, ["in the body"] = false,
  ["after the body"] = true, ["after the status"] = true,
}

--- Seconds after which no host waits any more.
M.SLOW = 86400

local words = { up = {}, down = { dies = "at connect" }, slow = { seconds = M.SLOW } }
for place in pairs(M.deaths) do words["dies " .. place] = { dies = place } end

local function whole(value, least, most)
  return math.type(value) == "integer" and value >= least and value <= most
end

local checks = {
  status = function(value) return whole(value, 0, 599) or "a status" end,
  times = function(value) return whole(value, 1, 1 << 31) or "a whole number from 1" end,
  headers = function(value) return type(value) == "table" or "a table of texts" end,
  body = function(value) return type(value) == "string" or "a text" end,
  json = function() return true end,
  seconds = function(value) return type(value) == "number" and value >= 0 or "a number of seconds" end,
  dies = function(value)
    return M.deaths[value] ~= nil or ("one of %s"):format(table.concat(sorted(M.deaths), ", "))
  end,
}

local function of_word(word)
  if words[word] then return words[word] end
  mistake.raise("a target cannot be '%s'%s; it can be %s", word, suggest.hint(word, words),
    table.concat(sorted(words), ", "))
end

local function of_table(given)
  local made = {}
  if given[1] ~= nil then
    for name, value in pairs(of_word(given[1])) do made[name] = value end
  end
  for name, value in pairs(given) do
    if name ~= 1 then
      if not checks[name] then
        mistake.raise("a target's behaviour has no '%s'%s; it has %s", tostring(name),
          suggest.hint(tostring(name), checks), table.concat(sorted(checks), ", "))
      end
      local fine = checks[name](value)
      if fine ~= true then mistake.raise("a target's behaviour: %s must be %s", name, fine or "another value") end
      made[name] = value
    end
  end
  return made
end

--- Reads a behaviour; raises what there is not.
---@param given string|table|fun(item: table): table|nil
---@return altinn.events.test.behaviour
function M.read(given)
  if type(given) == "string" then return of_word(given) end
  if type(given) == "function" then return { call = given } end
  if type(given) == "table" then return of_table(given) end
  mistake.raise("a target's behaviour is a word, a table or a function, not a %s", type(given))
end

return M
