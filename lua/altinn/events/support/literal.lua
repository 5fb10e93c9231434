-- Values as Lua source text, for people to read.
local M = {}

local WIDTH = 100  -- a table is written on one line when it fits

local RESERVED = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true until
  while]]):gmatch "%a+" do RESERVED[word] = true end

local function escaped(bytes)
  return (bytes:gsub(".", function(byte) return ("\\%03d"):format(byte:byte()) end))
end

-- Characters that are written as escapes, as patterns: control characters, those of C1 (U+0080 to U+009F), and marks
-- that end a line or change the direction of writing. Of what is no UTF-8, each byte beyond ASCII.
local UNPRINTABLE = { "[%c\127]", "\194[\128-\159]", "\226\128[\142\143\168-\174]", "\226\129[\166-\169]" }

local function is_printable(text)
  for _, pattern in ipairs(UNPRINTABLE) do
    if text:find(pattern) then return false end
  end
  return utf8.len(text) ~= nil
end

--- A text in quotes; what is not printable is escaped.
---@param text string
---@return string
function M.text(text)
  local quoted = text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n"):gsub("\r", "\\r"):gsub("\t", "\\t")
  for _, pattern in ipairs(UNPRINTABLE) do quoted = quoted:gsub(pattern, escaped) end
  if not utf8.len(quoted) then quoted = quoted:gsub("[\128-\255]", escaped) end
  return '"' .. quoted .. '"'
end

--- A text in long brackets, where that reads better than in quotes: without escapes.
---@param text string
---@return string
function M.long(text)
  if not text:find '"' or not is_printable(text) then return M.text(text) end
  local level = ""
  while text:find("]" .. level .. "]", 1, true) or text:sub(-1 - #level) == "]" .. level do level = level .. "=" end
  return ("[%s[%s]%s]"):format(level, text, level)
end

local function key_text(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" and not RESERVED[key] then return key end
  return type(key) == "string" and "[" .. M.text(key) .. "]" or "[" .. tostring(key) .. "]"
end

-- The keys that are not of the list, in a steady order.
local function other_keys(value)
  local keys = {}
  for key in pairs(value) do
    local in_list = math.type(key) == "integer" and key >= 1 and key <= #value
    if not in_list then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local of_table

local function of(value, indent)
  if type(value) == "string" then return M.text(value) end
  if type(value) == "table" then return of_table(value, indent) end
  if math.type(value) == "float" and value == math.floor(value) and math.abs(value) < 2 ^ 53 then
    return ("%d"):format(value)
  end
  return tostring(value)
end

function of_table(value, indent)
  local parts, inner = {}, indent .. "  "
  for _, one in ipairs(value) do parts[#parts + 1] = of(one, inner) end
  for _, key in ipairs(other_keys(value)) do parts[#parts + 1] = key_text(key) .. " = " .. of(value[key], inner) end
  if #parts == 0 then return "{}" end
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if #line + #indent <= WIDTH and not line:find "\n" then return line end
  return "{\n" .. inner .. table.concat(parts, ",\n" .. inner) .. ",\n" .. indent .. "}"
end

--- A value as source text: nil, booleans, numbers, texts, and tables of them.
---@param value any
---@param indent string|nil of the line that it stands in
---@return string
function M.of(value, indent) return of(value, indent or "") end

return M
