-- The letters' API: POST correspondence, with its checks in the server's
-- order. The shape of the request comes first; it is told as a validation
-- problem, and no text of its own stands behind it.
local access = require "altinn.events.emulator.letters_access"
local errors = require "altinn.events.emulator.letters_errors"
local events = require "altinn.events"
local files = require "altinn.events.emulator.files"
local letters_events = require "altinn.events.emulator.letters_events"
local notice = require "altinn.events.emulator.letters_notice"
local router = require "altinn.events.emulator.router"
local shape = require "altinn.events.emulator.shape"
local wire = require "altinn.events.emulator.wire"
local letters = require "altinn.events.emulator.letters"

local M = {}

local HOUR = 3600
local EXPIRING_HOURS = 6
local MOST_RECIPIENTS, MOST_FILES = 500, 100

-- Shape.

local call_members = { correspondence = "object", recipients = "names", existingAttachments = "names",
  idempotentKey = "text" }
local letter_members = { resourceId = "name", sender = "name", sendersReference = "text", messageSender = "text",
  content = "object", requestedPublishTime = "time", dueDateTime = "time", isConfirmationNeeded = "boolean",
  isConfidential = "boolean", allowForwarding = "boolean", ignoreReservation = "boolean",
  externalReferences = "list", propertyList = "object", replyOptions = "list", notification = "object" }
local content_members = { messageTitle = "text", messageSummary = "text", messageBody = "text", language = "text",
  attachments = "list" }

-- Text members with the fewest and the most characters that they may have: member -> { path, required, least, most }.
local lengths = {
  { "letter", "resourceId", 1, 255 }, { "letter", "sendersReference", 1, 4096 },
  { "letter", "messageSender", 0, 255, optional = true }, { "texts", "messageTitle", 1, 255 },
  { "texts", "messageBody", 1, 30000 }, { "texts", "messageSummary", 0, 255, optional = true },
}

local function field(name) return name:sub(1, 1):upper() .. name:sub(2) end

-- The member that is missing or too long, and what is said of it; nil: none is.
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

-- A recipient as a URN; or nil and what is wrong with it.
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

-- The recipients as URNs; or nil and what is wrong.
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

-- The ids of existing attachments and the key, as GUIDs; or nil, the member and what is wrong.
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

-- The member of a letter that has the wrong shape, and what is said of it; or nil.
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
  for member, fault in pairs { externalReferences = references_fault, propertyList = properties_fault,
    replyOptions = links_fault } do
    message = letter[member] and fault(letter[member])
    if message then return member, message end
  end
  for _, one in ipairs(parts.texts.attachments or {}) do
    if type(one) ~= "table" or type(one.fileName) ~= "string" or type(one.sendersReference) ~= "string" then
      return "attachments", "The FileName and SendersReference fields are required."
    end
  end
end

-- The parts of a call: { value, letter, texts, notification }; or nil, the member and what is wrong.
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

-- What a call wants; or nil and the refusal.
local function read(request)
  if not router.is_json(request) then return nil, router.problem(415) end
  local parts, member, message = read_parts(request.body)
  if not parts then return nil, errors.invalid(request, member, message) end
  parts.recipients, message = read_recipients(parts.value.recipients)
  if not parts.recipients then return nil, errors.invalid(request, "recipients", message) end
  local fine
  fine, member, message = read_ids(parts.value)
  if not fine then return nil, errors.invalid(request, member, message) end
  parts.resource = parts.letter.resourceId:gsub("^urn:altinn:resource:", "")
  parts.existing = parts.value.existingAttachments or {}
  return parts
end

-- Checks: each gives the number of an error and what it is about, or nil.

local checks = {}

local function check(call) checks[#checks + 1] = call end

check(function(emulator, parts)
  local key = parts.value.idempotentKey
  if key and #parts.recipients > 1 then return 1047 end
  return key and emulator.letters.by_key[key] and 1034
end)

check(function(emulator, parts, caller)
  if not emulator.world:owner(parts.resource) then return 1036 end
  return not access.may_send(emulator, caller, parts.resource) and 4001
end)

check(function(_, parts)
  local seen = {}
  for _, recipient in ipairs(parts.recipients) do
    if seen[recipient] then return 1006 end
    seen[recipient] = true
  end
end)

-- The recipients of which the world says a word.
local function recipients_that_are(emulator, parts, word)
  local list = {}
  for _, recipient in ipairs(parts.recipients) do
    local number = emulator.world.number(recipient) or recipient
    if emulator.world.recipients[number] == word then list[#list + 1] = recipient end
  end
  return list
end

check(function(emulator, parts)
  local list = recipients_that_are(emulator, parts, "unknown")
  if #list > 0 then return 1029, table.concat(list, ", ") end
  list = parts.letter.isConfidential and recipients_that_are(emulator, parts, "no-roles") or {}
  if #list > 0 then return 1044, table.concat(list, ", ") end
  return parts.letter.isConfirmationNeeded and not parts.letter.dueDateTime and 1016
end)

check(function(emulator, parts)
  if parts.letter.ignoreReservation or #parts.recipients > 1 then return nil end
  local list = recipients_that_are(emulator, parts, "reserved")
  if #list > 0 then return 1030, list[1] end
end)

check(function(emulator, parts)
  local now, due = emulator.clock:now(), wire.parse_time(parts.letter.dueDateTime)
  if not due then return nil end
  if due < now then return 1008 end
  return due < (wire.parse_time(parts.letter.requestedPublishTime) or now) and 1009
end)

check(function(_, parts)
  local language = parts.texts.language
  language = language and language:find("%S") and language:lower() or "nb"
  return language ~= "nb" and language ~= "nn" and language ~= "en" and 1023
end)

-- A letter that belongs to another one's dialog.
local function transmission_fault(emulator, parts, dialog)
  if not wire.guid(dialog) then return 1048 end
  if #parts.recipients > 1 then return 1045 end
  if #(parts.letter.replyOptions or {}) > 0 or parts.letter.isConfirmationNeeded then return 1051 end
  local other = emulator.letters.by_dialog[wire.guid(dialog)]
  if not other then return 1054 end
  if emulator.world:owner(other.resource) ~= emulator.world:owner(parts.resource) then return 1050 end
  return other.recipient ~= parts.recipients[1] and 1046 or nil
end

check(function(emulator, parts)
  local dialog, transmissions = nil, 0
  for _, one in ipairs(parts.letter.externalReferences or {}) do
    if one.referenceType == "DialogportenDialogId" then dialog = dialog or one.referenceValue end
    if one.referenceType == "DialogportenTransmissionType" then transmissions = transmissions + 1 end
  end
  if transmissions > 1 then return 1052 end
  if transmissions == 1 and not dialog then return 1053 end
  return dialog and transmission_fault(emulator, parts, dialog)
end)

check(function(emulator, parts)
  local found, owner = {}, emulator.world:owner(parts.resource)
  for _, id in ipairs(parts.existing) do
    local one = emulator.files.by_id[id]
    if one and emulator.world.number(one.sender) ~= owner then return 1017 end
    found[#found + 1] = one
  end
  if #found < #parts.existing then return 1007 end
  parts.found = found
  return #found + #(parts.texts.attachments or {}) > MOST_FILES and 1038
end)

check(function(_, parts)
  local size = 0
  for _, one in ipairs(parts.found) do
    if files.latest(one).status ~= "Published" then return 1018 end
    size = size + (one.size or #(one.content or ""))
  end
  return parts.letter.allowForwarding and size > 10000000 and 1069
end)

-- Files that are described here do not come with this call.
check(function(_, parts)
  local described = parts.texts.attachments or {}
  for _, one in ipairs(described) do
    local fault = files.name_fault(one.fileName)
    if fault then return fault end
  end
  return #described > 0 and 1005
end)

check(function(emulator, parts)
  for _, one in ipairs(parts.found) do
    local last = 0
    for _, time in pairs(one.letters) do last = math.max(last, time) end
    if last > 0 and last <= emulator.clock:now() + EXPIRING_HOURS * HOUR then return 1055, tostring(EXPIRING_HOURS) end
  end
end)

check(function(_, parts)
  for _, one in ipairs(parts.letter.replyOptions or {}) do
    if #one.linkURL > 255 or not one.linkURL:lower():find("^https://[^%s<>\"{}|\\^`]+$") then return 1035 end
  end
end)

check(function(_, parts)
  return parts.notification and notice.fault(parts.notification, #parts.recipients)
end)

-- Creating.

local function spec_of(emulator, parts, recipient)
  local spec = {}
  for name, one in pairs(parts.letter) do spec[name] = one end
  spec.resource, spec.recipient, spec.sender = parts.resource, recipient, emulator.world:owner(parts.resource)
  spec.title, spec.summary, spec.body = parts.texts.messageTitle, parts.texts.messageSummary, parts.texts.messageBody
  spec.language = parts.texts.language and parts.texts.language:find("%S") and parts.texts.language or "nb"
  spec.attachments, spec.idempotentKey, spec.notification = parts.found, parts.value.idempotentKey, parts.notification
  spec.hold = nil
  return spec
end

-- The first check that fails: its reply; or nil.
local function refuse(emulator, request, parts, caller)
  for _, one in ipairs(checks) do
    local number, about = one(emulator, parts, caller)
    if number then return errors.problem(request, number, about) end
  end
end

local function create_all(emulator, parts)
  local rows, ids = wire.list {}, wire.list {}
  for index, recipient in ipairs(parts.recipients) do
    local made = emulator.letters:create(spec_of(emulator, parts, recipient))
    rows[index] = wire.object { { "correspondenceId", made.id }, { "status", letters.highest(made).status },
      { "recipient", made.recipient }, { "notifications", events.null } }
  end
  for index, one in ipairs(parts.found) do ids[index] = one.id end
  return wire.object { { "correspondences", rows }, { "attachmentIds", ids } }
end

--- POST correspondence.
---@param emulator table
---@param request table
---@return table reply
function M.create(emulator, request)
  local caller, refusal = access.caller(emulator, request, "sender")
  if not caller then return refusal end
  local parts
  parts, refusal = read(request)
  refusal = refusal or refuse(emulator, request, parts, caller)
  if refusal then return refusal end
  local message = letters_events.fault(emulator, spec_of(emulator, parts, parts.recipients[1]))
  if message then return errors.invalid(request, "correspondence", message) end
  if not router.accepts(request, "application/json") then return router.empty(406) end
  return router.json(200, create_all(emulator, parts), { ["Cache-Control"] = "no-store" })
end

return M
