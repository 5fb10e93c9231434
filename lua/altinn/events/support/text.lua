-- Texts from outside, made fit for people.
local core = require "altinn.events.core"

local M = {}

local EXCERPT = 1024  -- bytes
local REPLACEMENT = "\239\191\189"  -- U+FFFD

-- The characters of UTF-8 beyond ASCII (RFC 3629 section 4).
local CHARACTERS = {
  "^[\194-\223][\128-\191]", "^\224[\160-\191][\128-\191]", "^[\225-\236\238\239][\128-\191][\128-\191]",
  "^\237[\128-\159][\128-\191]", "^\240[\144-\191][\128-\191][\128-\191]",
  "^[\241-\243][\128-\191][\128-\191][\128-\191]", "^\244[\128-\143][\128-\191][\128-\191]",
}

local function character_at(text, at)
  for _, pattern in ipairs(CHARACTERS) do
    local from, to = text:sub(at, at + 3):find(pattern)
    if from then return text:sub(at, at + to - 1) end
  end
end

--- The same text as UTF-8: each byte that is no part of a character becomes U+FFFD.
---@param text string
---@return string
function M.readable(text)
  if core.is_utf8(text) then return text end
  local parts, at = {}, 1
  while at <= #text do
    local ascii = text:match("^[%z\1-\127]+", at)
    local part = ascii or character_at(text, at)
    parts[#parts + 1] = part or REPLACEMENT
    at = at + #(part or " ")
  end
  return table.concat(parts)
end

-- Marks that change the direction of writing: U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069.
local TURNING = { "\226\128([\142\143\168-\174])", "\226\129([\166-\169])" }
local TURNED = { 0x2000, 0x2040 }

local function code(byte) return ("\\u%04x"):format(byte) end

--- Makes characters visible that control a terminal or end a line: control characters, also DEL and C1 (U+0080 to
--- U+009F), and marks that change the direction of writing become \u001b and the like. The result is UTF-8, and JSON
--- keeps its value.
---@param text string
---@param kept string|nil control characters that stay, as a set of a pattern: "\n\t" when absent, "" for none
---@return string
function M.visible(text, kept)
  text = M.readable(text)
  text = text:gsub("\194([\128-\159])", function(second) return code(second:byte()) end)
  for index, pattern in ipairs(TURNING) do
    text = text:gsub(pattern, function(last) return code(TURNED[index] + last:byte() % 64) end)
  end
  kept = kept or "\n\t"
  return (text:gsub("[%c\127]", function(c)
    if kept ~= "" and c:find("[" .. kept .. "]") then return nil end
    return code(c:byte())
  end))
end

--- Replaces each occurrence of a plain text (not a pattern).
---@param text string
---@param old string not empty
---@param new string
---@return string
function M.replace(text, old, new)
  local parts, at = {}, 1
  while true do
    local from, to = text:find(old, at, true)
    if not from then break end
    parts[#parts + 1] = text:sub(at, from - 1) .. new
    at = to + 1
  end
  return table.concat(parts) .. text:sub(at)
end

--- At most so many bytes of a text, no character cut in two.
---@param text string UTF-8
---@param most integer
---@return string
function M.cut(text, most)
  if #text <= most then return text end
  return (text:sub(1, most + 1):gsub("[\192-\247]?[\128-\191]*$", ""):sub(1, most))
end

--- What the author of a text that Lua cannot read probably left out: ": is a comma missing before it?", or "".
---@param message string of Lua
---@return string
function M.syntax_hint(message)
  if message:find("'}' expected.* near '?[\"%w_{%[]") and not message:find("near '?<?eof") then
    return ": is a comma missing before it?"
  end
  return message:find("near '!'") and ": unequal is written ~=" or ""
end

--- The text of an error value. A table without __tostring is shown by its plain values, not by its address. Raises the
--- error of a __tostring that fails.
---@param value any
---@return string
function M.raised(value)
  local meta = getmetatable(value)
  if value == nil then return "an error without a text" end
  if type(value) ~= "table" or type(meta) == "table" and meta.__tostring then return tostring(value) end
  local parts = {}
  for key, one in next, value do
    local plain = type(one) == "string" or type(one) == "number" or type(one) == "boolean"
    if plain then parts[#parts + 1] = ("%s = %s"):format(tostring(key), tostring(one)) end
  end
  table.sort(parts)
  return ("an error that is a table: { %s }"):format(#parts > 0 and table.concat(parts, ", ") or "…")
end

--- The first line of a text; " …" stands for the others.
---@param text string
---@return string
function M.beginning(text) return (text:gsub("\n.*", " …")) end

--- A server's text made fit for a message: one short line, identity numbers masked, and no word as long as a token
--- or a key.
---@param text any
---@return string
function M.harmless(text)
  text = tostring(text):sub(1, 1000):gsub("[%w_%-%.=+/~]+", function(word)
    return #word > 60 and "…" or nil
  end)
  text = text:gsub("%c+", " "):gsub("^%s+", ""):gsub("%s+$", "")
  if #text > 200 then text = text:sub(1, 200):gsub("[\128-\255]*$", "") .. "…" end
  return core.mask(text)
end

--- The first KiB of a text: UTF-8, masked; also an identity number across the cut is masked.
---@param text string
---@return string
function M.excerpt(text)
  return M.cut(core.mask(M.readable(text:sub(1, EXCERPT + 128))), EXCERPT)
end

return M
