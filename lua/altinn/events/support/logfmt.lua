-- Lines of a log, for hosts without csrc/host/log_line.c, which makes the same. Identity numbers are masked, and
-- characters are escaped that could end the line, pass for another field, or control a terminal.
local core = require "altinn.events.core"
local json = require "altinn.events.support.json"
local texts = require "altinn.events.support.text"

local M = {}

local TEXT_BYTES = 2000

--- A text for people: UTF-8, masked, and cut when it is long. Masking sees some bytes beyond the cut, so that an
--- identity number across the cut is masked too.
---@param text any
---@return string
function M.short(text)
  text = tostring(text)
  if #text < 11 and text:find("^[%w ._-]*$") then return text end  -- too short for an identity number
  text = core.mask(texts.readable(text:sub(1, TEXT_BYTES + 128)))
  return #text > TEXT_BYTES and texts.cut(text, TEXT_BYTES) .. " …" or text
end

local ESCAPES = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

--- A value as logfmt writes it, in quotes where they are needed.
---@param value any
---@return string
function M.value(value)
  value = tostring(value)
  if value:find("^[%w.:/_-]+$") then return value end  -- most values need no quotes
  if value:find(" ", 1, true) and not value:find('[^ -~]') and not value:find('["\\]') then
    return '"' .. value .. '"'  -- sentences in ASCII
  end
  value = texts.readable(value)
  local escaped = texts.visible(value:gsub('["\\\n\t\r]', ESCAPES), "")
  if value ~= "" and escaped == value and not value:find("[ =]") then return value end
  return '"' .. escaped .. '"'
end

local ORDER = { "address", "admin", "rule", "event", "type", "verdict", "reason", "target", "status", "attempt", "ms" }

local place = {}
for index, name in ipairs(ORDER) do place[name] = index end

-- The names of the fields: the usual ones in their order, then the others by their names.
local function names_of(fields)
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local x, y = place[a] or #ORDER + 1, place[b] or #ORDER + 1
    if x ~= y then return x < y end
    return a < b
  end)
  return names
end

local function all_fields(message, fields)
  local parts = { "msg=" .. M.value(message) }
  for _, name in ipairs(names_of(fields)) do parts[#parts + 1] = name .. "=" .. M.value(fields[name]) end
  return table.concat(parts, " ")
end

--- msg=… and the fields, in their usual order.
---@param message string
---@param fields table<string, any>
---@return string
function M.line(message, fields)
  local parts, count = { "msg=" .. M.value(message) }, 1
  for index = 1, #ORDER do
    local value = fields[ORDER[index]]
    if value ~= nil then
      count = count + 1
      parts[count] = ORDER[index] .. "=" .. M.value(value)
    end
  end
  for name in pairs(fields) do
    if not place[name] then return all_fields(message, fields) end
  end
  return table.concat(parts, " ")
end

-- The JSON of a value; a value that JSON cannot hold becomes its text.
local function json_value(value)
  if type(value) == "string" then value = texts.readable(value) end
  local text = json.encode(value)
  return texts.visible(text or json.encode(texts.readable(tostring(value))), "")
end

--- The same as an object of JSON: time, level, msg, then the fields in the order of a line.
---@param time string
---@param level string
---@param message string
---@param fields table<string, any>
---@return string
function M.json(time, level, message, fields)
  local parts = { '{"time":' .. json_value(time), '"level":' .. json_value(level), '"msg":' .. json_value(message) }
  for _, name in ipairs(names_of(fields)) do
    parts[#parts + 1] = json_value(name) .. ":" .. json_value(fields[name])
  end
  return table.concat(parts, ",") .. "}"
end

return M
