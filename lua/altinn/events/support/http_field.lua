-- Fields of HTTP headers (RFC 9110 §5).
local M = {}

--- Whether a value is a token, as names of fields are (RFC 9110 §5.6.2).
---@param name any
---@return boolean
function M.is_name(name)
  return type(name) == "string" and name:find("^[%w!#$%%&'*+%-.^_`|~]+$") ~= nil
end

--- Whether a text can be the value of a field: no control character but a tab.
---@param value string
---@return boolean
function M.is_value(value)
  return value:find("[%z\1-\8\10-\31\127]") == nil
end

--- What is wrong with a table of fields that somebody has written.
---@param fields any
---@return string|nil message
function M.fault(fields)
  if type(fields) ~= "table" then return "a table of names and texts is wanted" end
  for name, text in pairs(fields) do
    if not M.is_name(name) then return ("'%s' is no name of a header"):format((tostring(name):gsub("%c", "?"))) end
    if type(text) ~= "string" then return ("%s: a text is wanted"):format(name) end
    if not M.is_value(text) then return name .. " holds a control character" end
  end
end

return M
