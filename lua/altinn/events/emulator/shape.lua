-- The shape of JSON objects that come from outside: which members they may
-- have, and of which kind.
local events = require "altinn.events"
local duration = require "altinn.events.support.duration"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local wire = require "altinn.events.emulator.wire"

local M = {}

local function whole(least, most, what)
  return function(value)
    local number = type(value) == "number" and math.tointeger(value)
    if number and number >= least and number <= most then return number end
    return nil, "must be a whole number " .. what
  end
end

local function of_type(name, article)
  return function(value)
    if type(value) == name then return value end
    return nil, ("must be %s %s"):format(article, name)
  end
end

-- An empty list and an empty object are the same when they have been read.
local function is_list(value)
  return type(value) == "table" and (#value > 0 or next(value) == nil)
end

local LONGEST_SPAN = 1000 * 366 * 86400   -- seconds

-- kind -> function(value): the value as the emulator uses it, or nil and the expectation, for the message.
local kinds = {
  text = of_type("string", "a"),
  boolean = of_type("boolean", "a"),
  any = function(value) return value end,
  count = whole(1, 1 << 31, "from 1"),
  whole = whole(-(1 << 31), (1 << 31) - 1, "of 32 bits"),
  size = whole(0, 1 << 40, "of bytes"),
  status = whole(100, 599, "from 100 to 599"),
  name = function(value)
    if type(value) == "string" and value ~= "" and #value <= 1000 and not value:find("%c") and utf8.len(value) then
      return value
    end
    return nil, "must be a text of one line, not empty"
  end,
  scan = function(value)
    if type(value) == "boolean" then return value and 0 or false end
    local seconds = duration.parse(value)
    if seconds and seconds <= LONGEST_SPAN then return seconds end
    return nil, 'must be true (at once), false (when it is told to), or a span of time: "1m"'
  end,
  span = function(value)
    local seconds, message = duration.parse(value)
    if seconds and seconds <= LONGEST_SPAN then return seconds end
    return nil, message and "is wrong: " .. message or "must be less than a thousand years"
  end,
  time = function(value)
    if wire.parse_time(value) then return value end
    return nil, "must be a time: 2026-08-20T07:22:19Z"
  end,
  object = function(value)
    if type(value) == "table" and #value == 0 then return value end
    return nil, "must be an object"
  end,
  list = function(value)
    if is_list(value) then return value end
    return nil, "must be a list"
  end,
  names = function(value)
    if not is_list(value) then return nil, "must be a list of texts" end
    for _, one in ipairs(value) do
      if type(one) ~= "string" then return nil, "must be a list of texts" end
    end
    return value
  end,
}

local function unknown(name, members)
  return ("there is no member '%s'%s; there are %s"):format(tostring(name), suggest.hint(tostring(name), members),
    table.concat(sorted(members), ", "))
end

--- Reads an object: its members as they are used, those that are null left
--- out.
---@param value any of a decoder
---@param members table<string, string> name -> kind: text, name, boolean, any, count, whole, size, status, scan,
---  span, time, object, list, names
---@param others string|nil other members: "keep" or "drop"; nil refuses them
---@return table|nil read
---@return string|nil message
---@return string|nil member the wrong one
function M.read(value, members, others)
  if type(value) ~= "table" then return nil, "must be an object", "" end
  local read = {}
  for name, one in pairs(value) do
    local kind = members[name]
    if not kind and not others then return nil, unknown(name, members), tostring(name) end
    if kind and one ~= events.null then
      local used, message = kinds[kind](one)
      if used == nil then return nil, ("%s %s"):format(name, message), name end
      read[name] = used
    elseif not kind and others == "keep" then
      read[name] = one
    end
  end
  return read
end

--- Reads an object whose members are all of one kind, whatever their names.
---@param value any
---@param kind string
---@param what string the word for it in the message
---@return table|nil read
---@return string|nil message
function M.map(value, kind, what)
  if type(value) ~= "table" then return nil, what .. " must be an object" end
  local read = {}
  for name, one in pairs(value) do
    local used, message = kinds[kind](one)
    if used == nil then return nil, ("%s: %s %s"):format(what, tostring(name), message) end
    read[name] = used
  end
  return read
end

return M
