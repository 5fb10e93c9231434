-- The members of Altinn's answers about letters and attachments, by Altinn's published schema. A member that an answer
-- lacks is nil; a name that is not in the schema raises.
local place = require "altinn.events.rules.place"
local strict = require "altinn.events.support.strict"

local M = {}

local function shape(names, inner)
  local members = {}
  for name in names:gmatch("%S+") do members[name] = true end
  for name, one in pairs(inner or {}) do members[name] = one end
  return members
end

local ENTRY = shape "status statusChanged statusText"

local FILE = shape [[
  checksum created dataLocationType dataType displayName expirationInDays expirationTime fileName id isEncrypted
  sendersReference status statusChanged statusText]]

local CONTENT = shape("language messageBody messageSummary messageTitle", { attachments = { each = FILE } })

-- The members by the kind of thing. Overview and details differ in the history only.
M.shapes = {
  letter = shape([[
    allowForwarding allowSystemDeleteAfter altinn2CorrespondenceId correspondenceId created dueDateTime
    externalReferences ignoreReservation isConfidential isConfirmationNeeded messageSender notification notifications
    propertyList published read recipient replyOptions requestedPublishTime resourceId sender sendersReference status
    statusChanged statusText systemLabel]], { content = CONTENT, statusHistory = { each = ENTRY } }),
  attachment = shape([[
    attachmentId checksum correspondenceIds dataType displayName expirationInDays fileName isEncrypted resourceId sender
    sendersReference status statusChanged statusText]], { statusHistory = { each = ENTRY } }),
}

local NO_METHODS = {}

local function strict_metatable(members, what, methods)
  return {
    __name = "altinn.events.details",
    __index = function(_, name)
      if methods[name] ~= nil then return methods[name] end
      if members[name] or type(name) ~= "string" then return nil end
      place.mistake(strict.message(what, name, members), 2)
    end,
  }
end

-- The metatables that were made: by shape, by what the values are called, by their methods.
local made = {}

local function child(list, key)
  local one = list[key]
  if one == nil then
    one = {}
    list[key] = one
  end
  return one
end

local function metatable_for(members, what, methods)
  local known = child(child(made, members), what)
  if not known[methods] then known[methods] = strict_metatable(members, what, methods) end
  return known[methods]
end

local function guard(value, members, what)
  if type(value) ~= "table" then return value end
  if members.each then
    for _, one in ipairs(value) do guard(one, members.each, what) end
    return value
  end
  local metatable = getmetatable(value)
  for name, one in pairs(members) do
    if type(one) == "table" then guard(rawget(value, name), one, what .. "." .. name) end
  end
  return setmetatable(value, metatable_for(members, what, metatable and metatable.__index or NO_METHODS))
end

--- Makes Altinn's answer about a thing raise when a rule reads a member that is not in the schema.
---@param value table is changed and given back
---@param kind "letter"|"attachment"
---@param method string "overview" or "details", for messages
---@return table value
function M.guarded(value, kind, method)
  return guard(value, M.shapes[kind], method)
end

return M
