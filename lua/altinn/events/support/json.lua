-- JSON texts of requests: members sorted, whole numbers without ".0".
-- (lua-cjson 2.1.0 writes a number that it has read, such as 136, as 136.0 on Lua 5.3 and later, and members in any
-- order. The same value must give the same request.)
local core = require "altinn.events.core"

local M = {}

local null, is_utf8, write = core.null, core.is_utf8, core.json

local MOST = 1000000  -- values in one text

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
  return '"' .. text:gsub('[%c"\\\127]', function(c)
    return escapes[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

-- Whole numbers without ".0"; others by the core's writer: the shortest text that reads back as the same number.
local function number(value)
  if value ~= value or value == math.huge or value == -math.huge then
    return nil, "JSON has no infinite number and no NaN"
  end
  if value % 1 == 0 and math.abs(value) < 2 ^ 53 then return ("%d"):format(value) end
  return write(value)
end

local encode

-- A table is an array when its keys are 1..n; an empty one is an object,
-- unless it came out of an event as an empty array.
local function is_array(value)
  local count = 0
  for key in pairs(value) do
    if type(key) ~= "number" then return false end
    count = count + 1
  end
  if count == 0 then
    local mt = getmetatable(value)
    return type(mt) == "table" and mt.__name == "altinn.events.array"
  end
  return count == #value
end

local function encode_array(value, depth, count)
  local parts = {}
  for index = 1, #value do
    local text, message = encode(value[index], depth + 1, count)
    if not text then return nil, message end
    parts[index] = text
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function encode_object(value, depth, count)
  local names = {}
  for name in pairs(value) do
    if type(name) ~= "string" then
      return nil, ("a table with keys of type %s is neither a JSON object nor an array"):format(type(name))
    end
    if not is_utf8(name) then return nil, "the name of a member is not UTF-8" end
    names[#names + 1] = name
  end
  table.sort(names)
  local parts = {}
  for index, name in ipairs(names) do
    local text, message = encode(value[name], depth + 1, count)
    if not text then return nil, ("%s: %s"):format(name, message) end
    parts[index] = quote(name) .. ":" .. text
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

encode = function(value, depth, count)
  if depth > 100 then return nil, "nested more than 100 deep" end
  count[1] = count[1] + 1  -- counts values, because a shared table is written once for each place
  if count[1] > MOST then return nil, ("more than %d values"):format(MOST) end
  local kind = type(value)
  if kind == "string" then
    if not is_utf8(value) then return nil, "a text is not UTF-8" end
    return quote(value)
  end
  if kind == "number" then return number(value) end
  if kind == "boolean" then return tostring(value) end
  if value == null then return "null" end
  if kind ~= "table" then return nil, ("a %s has no JSON form"):format(kind) end
  if is_array(value) then return encode_array(value, depth, count) end
  return encode_object(value, depth, count)
end

local Array = { __name = "altinn.events.array" }

--- Marks a list: it is an array also when it is empty.
---@param list table
---@return table list the same
function M.list(list)
  return setmetatable(list, Array)
end

--- The JSON text of a Lua value, the same for equal values.
---@param value any
---@return string|nil text
---@return string|nil message
function M.encode(value)
  return encode(value, 0, { 0 })
end

return M
