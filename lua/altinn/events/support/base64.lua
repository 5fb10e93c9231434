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

return M
