-- Reads a mail: its headers and its text as people wrote them.
local base64 = require "altinn.events.support.base64"

local M = {}

-- What is no digit is left out: the ends of lines, the padding.
local function from_base64(text) return base64.decode((text:gsub("[^%w+/]", ""))) or "" end

local function from_quoted(text)
  return (text:gsub("=\r?\n", ""):gsub("=(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

-- A header's text: encoded words (RFC 2047) as what they mean.
local function words(text)
  text = text:gsub("(=%?[^?]+%?[BbQq]%?[^?]*%?=)%s+(=%?)", "%1%2")
  text = text:gsub("(=%?[^?]+%?[BbQq]%?[^?]*%?=)%s+(=%?)", "%1%2")  -- every second one was passed over
  return (text:gsub("=%?[^?]+%?([BbQq])%?([^?]*)%?=", function(coding, word)
    if coding:lower() == "b" then return from_base64(word) end
    return from_quoted((word:gsub("_", " ")))
  end))
end

--- Reads a message.
---@param message string with lines that end with CR LF
---@return { headers: table<string, string>, text: string } mail headers by name in lower case
function M.read(message)
  local head, body = message:match("^(.-\r?\n)\r?\n(.*)$")
  local mail = { headers = {}, text = body or "" }
  head = (head or message):gsub("\r?\n[ \t]+", " ")
  for name, value in head:gmatch("([^:\r\n]+):%s*([^\r\n]*)") do mail.headers[name:lower()] = words(value) end
  local coding = (mail.headers["content-transfer-encoding"] or ""):lower()
  if coding == "quoted-printable" then mail.text = from_quoted(mail.text)
  elseif coding == "base64" then mail.text = from_base64(mail.text) end
  mail.text = mail.text:gsub("\r\n", "\n"):gsub("\n$", "")
  return mail
end

return M
