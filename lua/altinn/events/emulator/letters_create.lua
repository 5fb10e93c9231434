-- The letters' API: POST correspondence, with its checks in the server's
-- order.
local events = require "altinn.events"
local access = require "altinn.events.emulator.letters_access"
local errors = require "altinn.events.emulator.letters_errors"
local files = require "altinn.events.emulator.files"
local letters = require "altinn.events.emulator.letters"
local letters_events = require "altinn.events.emulator.letters_events"
local notice = require "altinn.events.emulator.letters_notice"
local router = require "altinn.events.emulator.router"
local letters_shape = require "altinn.events.emulator.letters_shape"
local wire = require "altinn.events.emulator.wire"

local M = {}

local HOUR = 3600
local EXPIRING_HOURS = 6
local MOST_FILES = 100

-- The content of a call; or nil and the refusal.
local function read(request)
  if not router.is_json(request) then return nil, router.problem(415) end
  local parts, member, message = letters_shape.read(request.body)
  if not parts then return nil, errors.invalid(request, member, message) end
  return parts
end

-- Checks: each gives the number of an error and the text it is about, or nil.

local checks = {}

local function check(call) checks[#checks + 1] = call end

check(function(emulator, parts)
  local key = parts.key
  if key and #parts.recipients > 1 then return 1047 end
  return key and emulator.letters.by_key[key] and 1034
end)

check(function(emulator, parts, caller)
  if not emulator.world:owner(parts.resource) then return 1036 end
  return not access.may_send(emulator, caller, parts.resource) and 4001
end)

-- The resource registry's entry of the resource.
check(function(emulator, parts)
  local resource, is_transmission = emulator.world:resource(parts.resource), false
  for _, one in ipairs(parts.letter.externalReferences or {}) do
    is_transmission = is_transmission or one.referenceType == "DialogportenDialogId"
  end
  local kind = resource.type or "CorrespondenceService"
  if kind ~= "CorrespondenceService" and not (kind == "AltinnApp" and is_transmission) then return 4010 end
  if kind == "CorrespondenceService" then
    if resource.confidential and not parts.letter.isConfidential then return 1060 end
    if resource.confidential == false and parts.letter.isConfidential then return 1061 end
  end
  return parts.letter.allowForwarding and (resource.level or 0) > 0 and 1068
end)

check(function(_, parts)
  local seen = {}
  for _, recipient in ipairs(parts.recipients) do
    if seen[recipient] then return 1006 end
    seen[recipient] = true
  end
end)

-- The recipients for which the world has this word.
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
  spec.attachments, spec.idempotentKey, spec.notification = parts.found, parts.key, parts.notification
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
