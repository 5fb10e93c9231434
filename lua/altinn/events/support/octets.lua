-- Bytes in a record that JSON holds. JSON cannot hold bytes that are not UTF-8, so each of these is stored as the
-- character with the byte's number.
local core = require "altinn.events.core"

local M = {}

local function characters_of(bytes)
  return (bytes:gsub("[\128-\255]", function(byte)
    byte = byte:byte()
    return string.char(192 + math.floor(byte / 64), 128 + byte % 64)
  end))
end

local function bytes_of(characters)
  return (characters:gsub("([\194\195])([\128-\191])", function(first, second)
    return string.char((first:byte() - 192) * 64 + second:byte() - 128)
  end))
end

--- Puts bytes into a record: `body` when they are UTF-8, else `octets`.
---@param record table
---@param bytes string
function M.store(record, bytes)
  if core.is_utf8(bytes) then record.body = bytes else record.octets = characters_of(bytes) end
end

--- The bytes of a record, "" when it has none.
---@param record table
---@return string
function M.content(record)
  return record.octets and bytes_of(record.octets) or record.body or ""
end

return M
