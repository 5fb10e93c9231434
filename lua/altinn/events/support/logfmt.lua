-- Lines of a log: identity numbers masked, nothing that could end a line or
-- pass for another field.
local core = require "altinn.events.core"

local M = {}

local TEXT_BYTES = 2000

--- A text for people: masked, and cut when it is long. A number that the cut
--- goes through is still masked: a few bytes more are looked at.
---@param text any
---@return string
function M.short(text)
  text = core.mask(tostring(text):sub(1, TEXT_BYTES + 64))
  if #text > TEXT_BYTES then text = text:sub(1, TEXT_BYTES):gsub("[\128-\191]*$", "") .. " …" end
  return text
end

local ESCAPES = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

--- A value as logfmt has it: in quotes where it must be.
---@param value any
---@return string
function M.value(value)
  value = tostring(value)
  if value ~= "" and not value:find('[%s"=%c\\]') then return value end
  return '"' .. value:gsub('[%c"\\]', function(c) return ESCAPES[c] or ("\\x%02x"):format(c:byte()) end) .. '"'
end

local ORDER = { "address", "admin", "rule", "event", "type", "verdict", "reason", "target", "status", "attempt", "ms" }

--- msg=… and the fields, in their usual order.
---@param message string
---@param fields table<string, any>
---@return string
function M.line(message, fields)
  local parts = { "msg=" .. M.value(message) }
  for _, name in ipairs(ORDER) do
    if fields[name] ~= nil then parts[#parts + 1] = name .. "=" .. M.value(fields[name]) end
  end
  return table.concat(parts, " ")
end

return M
