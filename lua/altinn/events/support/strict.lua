-- Objects that raise when code reads a name that they do not have: a misspelt name is reported with its line, and is
-- never a silent nil.
local suggest = require "altinn.events.support.suggest"

local M = {}

--- The sentence for a name that an object does not have.
---@param what string the object's name in messages, such as "context"
---@param name any
---@param known table<string, any> the names that there are
---@return string
function M.message(what, name, known)
  return ("%s has no '%s'%s"):format(what, tostring(name), suggest.hint(tostring(name), known))
end

--- Makes a plain table strict: reading a name that is neither in it nor among
--- `optional` raises.
---@param fields table is changed and given back
---@param what string
---@param optional table<string, any>|nil names that may be nil
---@return table fields
function M.object(fields, what, optional)
  optional = optional or {}
  return setmetatable(fields, {
    __name = "altinn.events.strict",
    __index = function(self, name)
      if optional[name] then return nil end
      local known = {}
      for own in next, self do known[own] = true end
      for other in pairs(optional) do known[other] = true end
      error(M.message(what, name, known), 2)
    end,
  })
end

return M
