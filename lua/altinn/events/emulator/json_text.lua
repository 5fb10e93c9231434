-- JSON as text: passes values on as they came, with their numbers, empty lists and order of members. All texts must be
-- valid JSON.
local wire = require "altinn.events.emulator.wire"

local M = {}

-- The place of the end of the JSON string that begins at `at`.
local function string_end(text, at)
  repeat
    at = text:find('["\\]', at + 1)
    local escape = text:sub(at, at) == "\\"
    if escape then at = at + 1 end
  until not escape
  return at
end

-- Calls `each(string's text)` for the strings, `other(text)` for all between them, and joins what they give.
local function rewrite(text, each, other)
  local out, at = {}, 1
  while true do
    local open = text:find('"', at, true)
    if not open then break end
    local close = string_end(text, open)
    out[#out + 1] = other(text:sub(at, open - 1))
    out[#out + 1] = each(text:sub(open, close))
    at = close + 1
  end
  out[#out + 1] = other(text:sub(at))
  return table.concat(out)
end

local function same(text) return text end

-- The value of a JSON string's text.
local function value_of(text) return wire.decode("[" .. text .. "]")[1] end

--- The same JSON with its strings escaped as Altinn does.
---@param text string
---@return string
function M.escape(text)
  return rewrite(text, function(one) return wire.encode(value_of(one)) end, same)
end

--- The same JSON without blanks between its parts.
---@param text string
---@return string
function M.compact(text)
  return rewrite(text, same, function(between) return (between:gsub("%s+", "")) end)
end

-- The place of the end of the JSON value that begins at `at`, in a text without blanks.
local function value_end(text, at)
  local depth = 0
  while at <= #text do
    at = text:find('["{}%[%],]', at)
    if not at then return #text end
    local c = text:sub(at, at)
    if c == '"' then
      at = string_end(text, at)
    elseif c == "{" or c == "[" then
      depth = depth + 1
    elseif c == "}" or c == "]" then
      if depth == 0 then return at - 1 end
      depth = depth - 1
    elseif c == "," and depth == 0 then
      return at - 1
    end
    at = at + 1
  end
  return #text
end

--- The members of an object, as they stand there.
---@param text string an object without blanks
---@return table[] members each { name, text of the value }
function M.members(text)
  local list, at = {}, 2
  while text:sub(at, at) == '"' do
    local close = string_end(text, at)
    local from = close + 2
    local to = value_end(text, from)
    list[#list + 1] = { value_of(text:sub(at, close)), text:sub(from, to) }
    at = to + 2
  end
  return list
end

--- The texts of an object's members by name; the last of a name counts.
---@param text string an object
---@return table<string, string> texts
function M.by_name(text)
  local texts = {}
  for _, member in ipairs(M.members(M.compact(text))) do texts[member[1]] = member[2] end
  return texts
end

local function elements(text)
  local list, at = {}, 2
  while at < #text do
    local to = value_end(text, at)
    list[#list + 1] = text:sub(at, to)
    at = to + 2
  end
  return list
end

--- The order in which PostgreSQL's jsonb keeps names: shorter ones first.
---@param a string
---@param b string
---@return boolean whether a comes before b
function M.jsonb_before(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

--- A JSON text as it comes out of PostgreSQL's jsonb: members by length and
--- name, each name once. Numbers stay as they are written.
---@param text string without blanks
---@return string
function M.jsonb(text)
  local first, parts = text:sub(1, 1), {}
  if first == "[" then
    for index, one in ipairs(elements(text)) do parts[index] = M.jsonb(one) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  if first ~= "{" then return text end
  local texts, names = {}, {}
  for _, member in ipairs(M.members(text)) do
    if not texts[member[1]] then names[#names + 1] = member[1] end
    texts[member[1]] = member[2]
  end
  table.sort(names, M.jsonb_before)
  for index, name in ipairs(names) do parts[index] = wire.encode(name) .. ":" .. M.jsonb(texts[name]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

return M
