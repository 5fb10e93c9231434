-- Joins addresses of a trusted base and a path that may contain text from outside.
local core = require "altinn.events.core"

local M = {}

--- The host of an address, without user and port; brackets of IPv6 stay.
---@param url string
---@return string|nil host nil: it is no http or https address
function M.host(url)
  local authority = url:match("^[Hh][Tt][Tt][Pp][Ss]?://([^/?#]*)")
  if not authority then return nil end
  authority = authority:match("([^@]*)$")
  return authority:match("^(%[[^%]]*%])") or authority:match("^[^:]*")
end

--- Whether an address leads to this machine.
---@param url string
---@return boolean
function M.is_loopback(url)
  local host = M.host(url)
  return host ~= nil and core.is_loopback(host)
end

--- A text as a part of a path or of a query: all but letters, digits and
--- -._~ stands as %XX (RFC 3986 section 2.3).
---@param text string
---@return string
function M.escape(text)
  return (text:gsub("[^%w%-._~]", function(char) return ("%%%02X"):format(char:byte()) end))
end

-- The path as servers read it, with encoded dots and slashes decoded.
local function plain(path)
  return (path:gsub("%%(%x%x)", function(digits)
    local char = string.char(tonumber(digits, 16))
    return (char == "." or char == "/" or char == "\\") and char or nil
  end))
end

--- What is wrong with a path that is put after a base address.
---@param path any
---@return string|nil message
function M.path_fault(path)
  if type(path) ~= "string" or path:sub(1, 1) ~= "/" or path:sub(1, 2) == "//" then
    return "the path must begin with one slash"
  end
  if path:find("[%s%c#\\]") then return "the path holds a blank, a control character, '#' or '\\'" end
  for segment in (plain(path:match("^[^?]*")):gsub("\\", "/") .. "/"):gmatch("([^/]*)/") do
    segment = segment:match("^[^;]*")  -- some servers drop parameters before they resolve the path
    if segment == "." or segment == ".." then
      return ("the path holds '%s', which leads to another folder"):format(segment)
    end
  end
end

--- The address of a path under a base: the base's query stays, after that of
--- the path.
---@param base string an address without a fragment
---@param path string|nil path_fault must have accepted it
---@return string url
function M.join(base, path)
  if not path then return base end
  local address, query = base:match("^([^?]*)%??(.*)$")
  local own, own_query = path:match("^([^?]*)%??(.*)$")
  local both = own_query .. (own_query ~= "" and query ~= "" and "&" or "") .. query
  return address:gsub("/+$", "") .. own .. (both ~= "" and "?" .. both or "")
end

return M
