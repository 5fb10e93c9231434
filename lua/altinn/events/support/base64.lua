-- Base64 (RFC 4648 section 4), in arithmetic that every Lua has.
local M = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function digit(value) return ALPHABET:sub(value + 1, value + 1) end

--- The Base64 of octets, on one line.
---@param octets string
---@return string
function M.encode(octets)
  return (octets:gsub("..?.?", function(group)
    local first, second, third = group:byte(1, 3)
    local value = first * 65536 + (second or 0) * 256 + (third or 0)
    return digit(math.floor(value / 262144)) .. digit(math.floor(value / 4096) % 64)
      .. (second and digit(math.floor(value / 64) % 64) or "=") .. (third and digit(value % 64) or "=")
  end))
end

local values = {}
for index = 1, #ALPHABET do values[ALPHABET:byte(index)] = index - 1 end

--- The octets of a Base64 text without padding.
---@param text string
---@return string|nil octets nil: it is none
function M.decode(text)
  if text:find "[^%w+/]" or #text % 4 == 1 then return nil end
  return (text:gsub("..?.?.?", function(group)
    local value = 0
    for index = 1, 4 do value = value * 64 + (values[group:byte(index)] or 0) end
    local octets = string.char(math.floor(value / 65536), math.floor(value / 256) % 256, value % 256)
    return octets:sub(1, #group - 1)
  end))
end

return M
