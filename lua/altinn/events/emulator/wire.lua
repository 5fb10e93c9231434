-- Forms of values: JSON in Altinn's member order and escaping, times, names, base64url, LIKE.

local M = {}

-- Chance.

local random_source

-- The system's random numbers: 64 bits each.
local function urandom()
  random_source = random_source or assert(io.open("/dev/urandom", "rb"))
  return (("i8"):unpack(random_source:read(8)))
end

local chance = urandom

--- Random numbers that are the same for the same seed (SplitMix64).
---@param seed integer
---@return fun(): integer bits 64 of them
function M.seeded(seed)
  local state = seed
  return function()
    state = state + 0x9E3779B97F4A7C15
    local z = state
    z = (z ~ z >> 30) * 0xBF58476D1CE4E5B9
    z = (z ~ z >> 27) * 0x94D049BB133111EB
    return z ~ z >> 31
  end
end

--- Calls a function to which all chance comes from `source`, in place of the system's. Gives its results, or raises its
--- error.
---@param source fun(): integer of M.seeded
---@param call function
---@param ... any its arguments
---@return any ...
function M.by_chance_of(source, call, ...)
  local before = chance
  chance = source
  local results = table.pack(pcall(call, ...))
  chance = before
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- A random number from 0 to 1, or a whole one from 1 to `most`.
---@param most integer|nil
---@return number
function M.random(most)
  local number = chance() >> 11
  return most and number % most + 1 or number * 0x1p-53
end

-- Random octets, `count` of them.
local function random(count)
  local parts = {}
  for index = 1, (count + 7) // 8 do parts[index] = ("i8"):pack(chance()) end
  return table.concat(parts):sub(1, count)
end

--- A random UUID, version 4.
---@return string
function M.uuid()
  local a, b = chance() & ~0xF000 | 0x4000, chance() & ~(3 << 62) | 2 << 62
  return ("%08x-%04x-%04x-%04x-%012x"):format(a >> 32, a >> 16 & 0xFFFF, a & 0xFFFF, b >> 48, b & 0xFFFFFFFFFFFF)
end

--- A GUID in the form in which .NET writes it.
---@param text any with hyphens or without, in braces or parentheses or without
---@return string|nil guid nil: it is none
function M.guid(text)
  if type(text) ~= "string" then return nil end
  local inner = text:match("^{(.*)}$") or text:match("^%((.*)%)$")
  local hex = (inner or text):match("^(%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x)$")
  if not hex and not inner then hex = #text == 32 and text:match("^%x+$") end
  if not hex then return nil end
  hex = hex:gsub("-", ""):lower()
  return ("%s-%s-%s-%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(13, 16), hex:sub(17, 20), hex:sub(21))
end

local weights = { { 3, 7, 6, 1, 8, 9, 4, 5, 2, 1 }, { 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1 } }

--- Whether eleven digits are a national identity number: its two check digits are right.
---@param digits string
---@return boolean
function M.is_person(digits)
  if not digits:find("^%d%d%d%d%d%d%d%d%d%d%d$") then return false end
  for _, row in ipairs(weights) do
    local sum = 0
    for index, weight in ipairs(row) do sum = sum + weight * tonumber(digits:sub(index, index)) end
    if sum % 11 ~= 0 then return false end
  end
  return true
end

-- JSON. System.Text.Json's default encoder escapes all that is not ASCII, and + < > & ' " `.

local function utf16(code)
  if code < 0x10000 then return ("\\u%04X"):format(code) end
  code = code - 0x10000
  return ("\\u%04X\\u%04X"):format(0xD800 + code // 0x400, 0xDC00 + code % 0x400)
end

local short_escapes = { ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r",
  ["\\"] = "\\\\" }

local function quote(text)
  if not text:find("[^%w%-:/._ ]") then return '"' .. text .. '"' end
  text = text:gsub('[%c"\\+<>&\'`\127]', function(c) return short_escapes[c] or ("\\u%04X"):format(c:byte()) end)
  if utf8.len(text) then
    text = text:gsub("[\xC2-\xF4][\x80-\xBF]+", function(c) return utf16(utf8.codepoint(c)) end)
  else
    text = text:gsub("[\x80-\xFF]", "\\uFFFD")
  end
  return '"' .. text .. '"'
end

local function quote_plainly(text)
  if not text:find("[^%w%-:/._ ]") then return '"' .. text .. '"' end
  if not utf8.len(text) then text = text:gsub("[\x80-\xFF]", "\xEF\xBF\xBD") end
  return '"' .. text:gsub('[%c"\\\127]', function(c)
    return c == '"' and '\\"' or short_escapes[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local Object, List, Raw = {}, {}, {}

--- JSON that is written as it stands.
---@param text string
---@return table
function M.raw(text)
  return setmetatable({ text = text }, Raw)
end

--- An object whose members are written in this order; nil ones are left out.
---@param members table[] each { name, value }, or { nil, text } of several: see M.members
---@param nulls boolean|nil write nil members as null
---@return table
function M.object(members, nulls)
  members.nulls = nulls
  return setmetatable(members, Object)
end

--- A list, also when it is empty.
---@param list table
---@return table list the same
function M.list(list)
  return setmetatable(list, List)
end

local encode

-- Names of members with their colons, by the function that makes strings of them: most are the same each time.
local NAMES_KEPT = 2000
local names_of, kept = {}, 0

local function add_name(name, quoted)
  if kept >= NAMES_KEPT then names_of, kept = {}, 0 end
  kept = kept + 1
  local text = quoted(name) .. ":"
  names_of[quoted] = names_of[quoted] or {}
  names_of[quoted][name] = text
  return text
end

local function encode_object(out, members, quoted)
  local names, nulls, before = names_of[quoted] or {}, members.nulls, "{"
  for index = 1, #members do
    local name, value = members[index][1], members[index][2]
    if name == nil then
      out[#out + 1] = before .. value
      before = ","
    elseif value ~= nil or nulls then
      local at = #out
      out[at + 1], out[at + 2] = before, names[name] or add_name(name, quoted)
      if value == nil then out[at + 3] = "null" else encode(out, value, quoted) end
      before = ","
    end
  end
  out[#out + 1] = before == "{" and "{}" or "}"
end

local function encode_list(out, list, quoted)
  out[#out + 1] = "["
  for index, one in ipairs(list) do
    if index > 1 then out[#out + 1] = "," end
    encode(out, one, quoted)
  end
  out[#out + 1] = "]"
end

local function encode_table(out, value, quoted)
  if getmetatable(value) == List or #value > 0 then return encode_list(out, value, quoted) end
  local names = {}
  for name in pairs(value) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for index, name in ipairs(names) do names[index] = { name, value[name] } end
  encode_object(out, names, quoted)
end

-- Adds the JSON of a value to the texts of `out`. `quoted` makes a JSON string of a text.
function encode(out, value, quoted)
  local kind = type(value)
  local text = "null"
  if kind == "string" then text = quoted(value)
  elseif kind == "table" then
    local mt = getmetatable(value)
    if mt == Object then return encode_object(out, value, quoted) end
    if mt ~= Raw then return encode_table(out, value, quoted) end
    text = value.text
  elseif kind == "number" then
    text = math.tointeger(value) and ("%d"):format(value) or ("%.17g"):format(value)
  elseif kind == "boolean" then text = tostring(value) end
  out[#out + 1] = text
end

local function text_of(value, quoted)
  local out = {}
  encode(out, value, quoted)
  return table.concat(out)
end

--- The JSON text of a value, escaped as Altinn does.
---@param value any
---@return string
function M.encode(value)
  return text_of(value, quote)
end

--- The JSON text of a value with no more escapes than JSON wants.
---@param value any
---@return string
function M.plain(value)
  return text_of(value, quote_plainly)
end

--- The JSON text of an object's members, for a place among those of another.
---@param members table[] as of M.object
---@param nulls boolean|nil
---@return string text
function M.members(members, nulls)
  return M.encode(M.object(members, nulls)):sub(2, -2)
end

local base64 = require "altinn.events.support.base64"
local decoder = require("cjson.safe").new()
decoder.decode_invalid_numbers(false)

--- The value of a JSON text.
---@param text string
---@return any value nil: it is none
---@return string|nil message
function M.decode(text)
  return decoder.decode(text)
end

-- Times.

local function fraction_of(ticks)
  if ticks == 0 then return "" end
  if ticks % 10000 == 0 then return (".%03d"):format(ticks // 10000) end
  if ticks % 10 == 0 then return (".%06d"):format(ticks // 10) end
  return (".%07d"):format(ticks)
end

--- A moment as the pushes write it: RFC 3339 with seven digits.
---@param seconds number since 1970
---@return string
function M.time(seconds)
  local whole = math.floor(seconds)
  local ticks = math.floor((seconds - whole) * 1e6) * 10 + M.random(9)
  return os.date("!%Y-%m-%dT%H:%M:%S", whole) .. fraction_of(ticks) .. "Z"
end

--- A moment as the letters' API writes it: at most six digits, which is what the database keeps, without the zeros at
--- their end; the plus is not escaped.
---@param seconds number|nil since 1970
---@return table|nil JSON text
function M.offset_time(seconds)
  if not seconds then return nil end
  local micros = math.floor(seconds * 1e6 + 0.5)
  local whole = micros // 1000000
  local digits = ("%06d"):format(micros % 1000000):gsub("0+$", "")
  return M.raw(('"%s%s+00:00"'):format(os.date("!%Y-%m-%dT%H:%M:%S", whole), digits ~= "" and "." .. digits or ""))
end

--- An event's time as the query API writes it: in UTC.
---@param text string RFC 3339
---@return string
function M.utc_time(text)
  local fraction, zone = text:match("T%d+:%d+:%d+(%.?%d*)(.*)$")
  if not zone or zone == "Z" then return text end
  local seconds = M.parse_time((text:gsub("%.%d+", "", 1)))
  return seconds and os.date("!%Y-%m-%dT%H:%M:%S", math.floor(seconds)) .. fraction .. "Z" or text
end

--- An event's time as the server writes it again: an offset of nothing
--- becomes Z; no, 3, 6 or 7 digits.
---@param text string RFC 3339
---@return string
function M.normal_time(text)
  local base, fraction, zone = text:match("^(%d+%-%d+%-%d+T%d+:%d+:%d+)%.?(%d*)(.*)$")
  if not base then return text end
  local ticks = tonumber((fraction .. "0000000"):sub(1, 7))
  if zone == "+00:00" or zone == "-00:00" then zone = "Z" end
  return base .. fraction_of(ticks) .. zone
end

local month_days = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 }

-- The year 1 and the end of the year 9999.
local FIRST, LAST = -62135596800, 253402300799
M.last_moment = LAST

local function moment(seconds)
  if seconds >= FIRST and seconds <= LAST then return seconds end
  return nil
end

--- The moment of an RFC 3339 text, or of seconds since 1970; a text without
--- a zone counts as UTC.
---@param text any
---@return number|nil seconds since 1970, within the years 1 to 9999
function M.parse_time(text)
  if type(text) == "number" then return moment(text) end
  if type(text) ~= "string" then return nil end
  local year, month, day, hour, minute, second, fraction, zone =
    text:match("^(%d%d%d%d)-(%d%d)-(%d%d)[Tt](%d%d):(%d%d):?(%d?%d?)(%.?%d*)(.*)$")
  if not year then
    year, month, day = text:match("^(%d%d%d%d)-(%d%d)-(%d%d)$")
    hour, minute, second, fraction, zone = 0, 0, "0", "", "Z"
  end
  if not year or not month_days[tonumber(month)] then return nil end
  local sign, zone_hours, zone_minutes = zone:match("^([+-])(%d%d):?(%d%d)$")
  if zone ~= "" and zone ~= "Z" and zone ~= "z" and not sign then return nil end
  year, month, day = math.tointeger(tonumber(year)), math.tointeger(tonumber(month)), math.tointeger(tonumber(day))
  local past = year - 1
  local leap = month > 2 and (year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)) and 1 or 0
  local days = past * 365 + past // 4 - past // 100 + past // 400 - 719162 + month_days[month] + leap + day - 1
  local seconds = days * 86400 + tonumber(hour) * 3600 + tonumber(minute) * 60 + (tonumber(second) or 0)
  if sign then
    local offset = tonumber(zone_hours) * 3600 + tonumber(zone_minutes) * 60
    seconds = seconds - (sign == "-" and -offset or offset)
  end
  return moment(seconds + (tonumber("0" .. fraction) or 0))
end

-- base64url without padding (RFC 7515 §2).

local TO_URL, FROM_URL = { ["+"] = "-", ["/"] = "_", ["="] = "" }, { ["-"] = "+", _ = "/" }

--- base64url of octets.
---@param octets string
---@return string
function M.base64url(octets) return (base64.encode(octets):gsub("[+/=]", TO_URL)) end

--- The octets of base64url.
---@param text string
---@return string|nil octets nil: it is none
function M.unbase64url(text)
  if text:find "[+/]" then return nil end
  return base64.decode((text:gsub("[-_]", FROM_URL)))
end

--- Random octets as base64url.
---@param count integer
---@return string
function M.random_text(count)
  return M.base64url(random(count))
end

-- LIKE of PostgreSQL.

local function like_parts(pattern)
  local parts, escaped = {}, false
  for _, code in utf8.codes(pattern, true) do
    local c = utf8.char(code)
    if escaped then
      parts[#parts + 1], escaped = { c }, false
    elseif c == "\\" then
      escaped = true
    elseif c == "%" or c == "_" then
      parts[#parts + 1] = c
    else
      parts[#parts + 1] = { c }
    end
  end
  return parts
end

--- Whether a text matches a LIKE pattern: % any run, _ one character, \
--- escapes; case counts.
---@param text string
---@param pattern string
---@return boolean
function M.like(text, pattern)
  if not utf8.len(text) or not utf8.len(pattern) then return text == pattern end
  local parts, letters = like_parts(pattern), {}
  for _, code in utf8.codes(text) do letters[#letters + 1] = utf8.char(code) end
  local i, j, star, mark = 1, 1, nil, nil
  while i <= #letters do
    local part = parts[j]
    if part == "%" then
      star, mark, j = j, i, j + 1
    elseif part == "_" or (type(part) == "table" and part[1] == letters[i]) then
      i, j = i + 1, j + 1
    elseif star then
      mark = mark + 1
      i, j = mark, star + 1
    else
      return false
    end
  end
  while parts[j] == "%" do j = j + 1 end
  return j > #parts
end

return M
