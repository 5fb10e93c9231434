-- Mail as text: addresses, headers and bodies (RFC 5322, RFC 2045, RFC 2047).
local base64 = require "altinn.events.support.base64"
local core = require "altinn.events.core"

local M = {}

local WORD_BYTES = 39  -- of text in an encoded word: 64 characters, so that a header's name has room before it
local LINE = 76        -- characters of a line, of a body and of a folded header

-- Addresses.

local function host_fault(host)
  if #host > 255 or not host:find("^[%w%-.]+$") then return true end
  for label in (host .. "."):gmatch("([^.]*)%.") do
    if label == "" or #label > 63 or label:find("^%-") or label:find("%-$") then return true end
  end
end

local function is_address(text)
  local name, host = text:match("^([^@]+)@([^@]+)$")
  if not name or #name > 64 or not name:find("^[%w!#$%%&'*+/=?^_`{|}~.-]+$") then return false end
  return not (name:find("^%.") or name:find("%.$") or name:find("..", 1, true) or host_fault(host))
end

--- Reads an address: "a@example.no" or "A. Name <a@example.no>".
---@param text any
---@return { address: string, name: string|nil }|nil mailbox
---@return string|nil message
function M.mailbox(text)
  if type(text) ~= "string" then return nil, ("must be an address, not a %s"):format(type(text)) end
  if text:find("[%c\127]") then return nil, "holds a line break or another control character" end
  local name, address = text:match("^%s*(.-)%s*<([^<>]*)>%s*$")
  address = address or text:match("^%s*(.-)%s*$")
  if not is_address(address) then
    return nil, ("'%s' is no address such as post@agency.example"):format(core.mask(text:sub(1, 100)))
  end
  if name and not core.is_utf8(name) then return nil, "holds a name that is not UTF-8" end
  name = name and name:gsub('^"(.*)"$', "%1")
  return { address = address, name = name ~= "" and name or nil }
end

-- Headers.

-- Parts of a text of at most so many bytes, no character cut in two.
local function parts_of(text, most)
  local parts, part = {}, ""
  for character in text:gmatch("[%z\1-\127\192-\255][\128-\191]*") do
    if #part + #character > most then
      parts[#parts + 1], part = part, ""
    end
    part = part .. character
  end
  parts[#parts + 1] = part
  return parts
end

-- A text as encoded words, each on a line of its own.
local function encoded(text)
  local words = {}
  for index, part in ipairs(parts_of(text, WORD_BYTES)) do
    words[index] = "=?UTF-8?B?" .. base64.encode(part) .. "?="
  end
  return table.concat(words, "\r\n ")
end

local function is_plain(text)
  if text:find("[\128-\255]") or text:find("=?", 1, true) or text:find("^%s") or text:find("%s$") then return false end
  for word in text:gmatch("%S+") do
    if #word > LINE then return false end
  end
  return true
end

-- Folds at blanks; the blank stays, at the beginning of the next line.
local function folded(name, value)
  local lines, line = {}, name .. ":"
  for blank, word in (" " .. value):gmatch("(%s+)(%S+)") do
    if #line + #blank + #word > LINE and line:find("%S%s+%S") then
      lines[#lines + 1], line = line, ""
    end
    line = line .. blank .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\r\n")
end

--- A header of free text: as it is, or in encoded words.
---@param name string
---@param text string UTF-8 without control characters
---@return string line without the last line break
function M.header(name, text)
  if text ~= "" and is_plain(text) then return folded(name, text) end
  return name .. ": " .. (text == "" and "" or encoded(text))
end

local function phrase(mailbox)
  if not mailbox.name then return mailbox.address end
  local name = mailbox.name
  if not is_plain(name) then return ("%s\r\n <%s>"):format(encoded(name), mailbox.address) end
  return ('"%s" <%s>'):format(name:gsub('[\\"]', "\\%0"), mailbox.address)
end

--- A header of addresses.
---@param name string
---@param mailboxes { address: string, name: string|nil }[]
---@return string line without the last line break
function M.addresses(name, mailboxes)
  local list = {}
  for index, mailbox in ipairs(mailboxes) do list[index] = phrase(mailbox) end
  return name .. ": " .. table.concat(list, ",\r\n ")
end

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

--- A moment as the header Date has it, in UTC.
---@param seconds number since 1970
---@return string
function M.date(seconds)
  local date = os.date("!*t", math.floor(seconds))
  return ("%s, %d %s %04d %02d:%02d:%02d +0000"):format(DAYS[date.wday], date.day, MONTHS[date.month], date.year,
    date.hour, date.min, date.sec)
end

-- Bodies.

local function with_crlf(text) return (text:gsub("\r\n", "\n"):gsub("\r", "\n"):gsub("\n", "\r\n")) end

local function octet(byte) return ("=%02X"):format(byte:byte()) end

-- A line as quoted-printable, with soft line breaks.
local function quoted_line(line)
  line = line:gsub("[^ \t!-<>-~]", octet):gsub("[ \t]$", octet)
  local parts, from, at = {}, 1, 1
  while at <= #line do
    local size = line:sub(at, at) == "=" and 3 or 1
    if at + size - from > LINE - 1 then
      parts[#parts + 1], from = line:sub(from, at - 1) .. "=", at
    end
    at = at + size
  end
  parts[#parts + 1] = line:sub(from)
  return table.concat(parts, "\r\n")
end

--- The body of a text, and how it is coded.
---@param text string UTF-8
---@return string body its lines end with CR LF
---@return string coding "7bit" or "quoted-printable"
function M.body(text)
  text = with_crlf(text)
  if not text:find("\r\n$") then text = text .. "\r\n" end
  local plain = not text:find("[^\r\n\t -~]")
  for line in text:gmatch("(.-)\r\n") do plain = plain and #line <= LINE end
  if plain then return text, "7bit" end
  return (text:gsub("(.-)\r\n", function(line) return quoted_line(line) .. "\r\n" end)), "quoted-printable"
end

return M
