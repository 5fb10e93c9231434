-- The shape of a call that creates letters: which members it has, of which
-- kind and length. It is told as a validation problem, before anything else
-- is looked at.
local notice = require "altinn.events.emulator.letters_notice"
local shape = require "altinn.events.emulator.shape"
local wire = require "altinn.events.emulator.wire"

local M = {}

local MOST_RECIPIENTS = 500

local call_members = { correspondence = "object", recipients = "names", existingAttachments = "names",
  idempotentKey = "text" }
local letter_members = { resourceId = "name", sender = "name", sendersReference = "text", messageSender = "text",
  content = "object", requestedPublishTime = "time", dueDateTime = "time", isConfirmationNeeded = "boolean",
  isConfidential = "boolean", allowForwarding = "boolean", ignoreReservation = "boolean",
  externalReferences = "list", propertyList = "object", replyOptions = "list", notification = "object" }
local content_members = { messageTitle = "text", messageSummary = "text", messageBody = "text", language = "text",
  attachments = "list" }

-- Text members with the fewest and the most characters that they may have: { part, member, least, most }.
local lengths = {
  { "letter", "resourceId", 1, 255 }, { "letter", "sendersReference", 1, 4096 },
  { "letter", "messageSender", 0, 255, optional = true }, { "texts", "messageTitle", 1, 255 },
  { "texts", "messageBody", 1, 30000 }, { "texts", "messageSummary", 0, 255, optional = true },
}

local function field(name) return name:sub(1, 1):upper() .. name:sub(2) end

-- The first member that is missing or too long, and the message; or nil.
local function length_fault(parts)
  for _, row in ipairs(lengths) do
    local name, text = row[2], parts[row[1]][row[2]]
    if not text or row[3] > 0 and not text:find("%S") then
      if not row.optional then return name, ("The %s field is required."):format(field(name)) end
    elseif (utf8.len(text) or #text) > row[4] then
      return name, ("The field %s must be a string with a minimum length of %d and a maximum length of %d.")
        :format(field(name), row[3], row[4])
    end
  end
end

local ORGANISATION, PERSON = "urn:altinn:organization:identifier-no:", "urn:altinn:person:identifier-no:"
local NO_RECIPIENT = "Recipient should be an organization number in the format"
  .. " 'urn:altinn:organization:identifier-no:organizationnumber' or the format countrycode:organizationnumber, for"
  .. " instance 0192:910753614, a national identity number, an idporten email URN in the format"
  .. " 'urn:altinn:person:idporten-email:email', or a legacy selfidentified URN in the format"
  .. " 'urn:altinn:person:legacy-selfidentified:username'"

-- A recipient as a URN; or nil and the fault.
local function read_recipient(text)
  local number = text:match("^0192:(%d%d%d%d%d%d%d%d%d)$")
    or text:match("^urn:altinn:organization:identifier%-no:(%d%d%d%d%d%d%d%d%d)$")
  if number then return ORGANISATION .. number end
  local person = text:match("^urn:altinn:person:identifier%-no:(%d+)$") or text:match("^(%d+)$")
  if person and #person == 11 then
    if wire.is_person(person) then return PERSON .. person end
    return nil, "The given Recipient national identity number is not valid"
  end
  if text:find("^urn:altinn:person:idporten%-email:.+@.+$")
    or text:find("^urn:altinn:person:legacy%-selfidentified:[^:]+$") then return text:lower() end
  return nil, NO_RECIPIENT
end

-- The recipients as URNs; or nil and the fault.
local function read_recipients(list)
  if not list then return nil, "The Recipients field is required." end
  if #list == 0 then return nil, "Recipients can not be empty" end
  if #list > MOST_RECIPIENTS then return nil, "Recipients can contain at most 500 recipients" end
  local urns = {}
  for index, text in ipairs(list) do
    local message
    urns[index], message = read_recipient(text)
    if message then return nil, message end
  end
  return urns
end

-- The ids of existing attachments and the key, as GUIDs; or nil, the member and the fault.
local function read_ids(value)
  for index, text in ipairs(value.existingAttachments or {}) do
    local id = wire.guid(text)
    if not id then return nil, "existingAttachments", "The JSON value could not be converted to System.Guid." end
    value.existingAttachments[index] = id
  end
  if value.idempotentKey then
    value.idempotentKey = wire.guid(value.idempotentKey)
    if not value.idempotentKey or not value.idempotentKey:find("[1-9a-f]") then
      return nil, "idempotentKey", "The idempotency key must be a valid non-empty GUID"
    end
  end
  return true
end

-- The external references' fault in shape, or nil.
local function references_fault(list)
  if #list > 10 then return "externalReferences can contain at most 10 references" end
  for _, one in ipairs(list) do
    if type(one) ~= "table" or type(one.referenceValue) ~= "string" or type(one.referenceType) ~= "string" then
      return "externalReferences is not of proper type"
    end
    if one.referenceType == "DialogportenTransmissionId" then
      return "Cannot initialize a correspondence with pre-existing transmission defined"
    end
  end
end

local function properties_fault(properties)
  local count = 0
  for name, value in pairs(properties) do
    count = count + 1
    if type(value) ~= "string" then return "propertyList Object is not of proper type" end
    if #name > 50 then return "propertyList Key can not be longer than 50" end
    if #value > 300 then return "propertyList Value can not be longer than 300" end
  end
  if count > 10 then return "propertyList can contain at most 10 properties" end
end

local function links_fault(list)
  for _, one in ipairs(list) do
    if type(one) ~= "table" or type(one.linkURL) ~= "string" then return "The LinkURL field is required." end
  end
end

local list_checks = { { "externalReferences", references_fault }, { "propertyList", properties_fault },
  { "replyOptions", links_fault } }

--- The list of a letter that holds something else than it should, and what
--- is said of it; or nil.
---@param letter table
---@return string|nil member
---@return string|nil message
function M.lists_fault(letter)
  for _, row in ipairs(list_checks) do
    local message = letter[row[1]] and row[2](letter[row[1]])
    if message then return row[1], message end
  end
end

-- The same of the files that a letter describes.
local function files_fault(list)
  for _, one in ipairs(list or {}) do
    if type(one) ~= "table" or type(one.fileName) ~= "string" or type(one.sendersReference) ~= "string" then
      return "attachments", "The FileName and SendersReference fields are required."
    end
    if (utf8.len(one.fileName) or #one.fileName) > 255 then
      return "attachments", "The field FileName must be a string with a maximum length of 255."
    end
  end
end

-- The member of a letter that has the wrong shape, and the message; or nil.
local function parts_fault(parts)
  local letter, language = parts.letter, parts.texts.language
  local name, message = length_fault(parts)
  if name then return name, message end
  if not letter.resourceId:gsub("^urn:altinn:resource:", ""):find("^[^:]+$") then
    return "resourceId", "Invalid Resource identifier format"
  end
  if language and language:find("%S") and #language ~= 2 then
    return "language", "The ISO6391 field must be exactly 2 characters long!"
  end
  name, message = M.lists_fault(letter)
  if name then return name, message end
  return files_fault(parts.texts.attachments)
end

-- The parts of a call: { value, letter, texts, notification }; or nil, the member and the fault.
local function read_parts(body)
  local value, message, member = shape.read(wire.decode(body), call_members, "drop")
  if not value then return nil, member, message end
  local parts = { value = value }
  parts.letter, message, member = shape.read(value.correspondence or {}, letter_members, "drop")
  if not parts.letter then return nil, member, message end
  if not parts.letter.content then return nil, "content", "The Content field is required." end
  parts.texts, message, member = shape.read(parts.letter.content, content_members, "drop")
  if not parts.texts then return nil, member, message end
  member, message = parts_fault(parts)
  if member then return nil, member, message end
  if parts.letter.notification then
    parts.notification, member, message = notice.read(parts.letter.notification)
    if not parts.notification then return nil, member, message end
  end
  return parts
end

--- Reads the body of a call: its letter, the letter's texts and notification,
--- the recipients as URNs, the resource's short id, the ids of existing
--- attachments, the key.
---@param body string
---@return table|nil parts
---@return string|nil member that is wrong
---@return string|nil message
function M.read(body)
  local parts, member, message = read_parts(body)
  if not parts then return nil, member, message end
  parts.recipients, message = read_recipients(parts.value.recipients)
  if not parts.recipients then return nil, "recipients", message end
  local fine
  fine, member, message = read_ids(parts.value)
  if not fine then return nil, member, message end
  parts.resource = parts.letter.resourceId:gsub("^urn:altinn:resource:", "")
  parts.existing, parts.key = parts.value.existingAttachments or {}, parts.value.idempotentKey
  return parts
end

return M
