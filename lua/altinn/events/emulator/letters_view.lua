-- Letters and attachments as the API shows them: null members are written.
local files = require "altinn.events.emulator.files"
local letters = require "altinn.events.emulator.letters"
local orders = require "altinn.events.emulator.orders"
local wire = require "altinn.events.emulator.wire"

local M = {}

local function attachment_in_letter(entry)
  local one = entry.file
  local now = files.latest(one)
  return wire.object({
    { "fileName", one.file_name }, { "displayName", one.display_name }, { "isEncrypted", one.encrypted },
    { "checksum", one.checksum }, { "sendersReference", one.reference }, { "expirationInDays", nil },
    { "id", one.id }, { "dataLocationType", "AltinnCorrespondenceAttachment" },
    { "created", wire.offset_time(entry.created) }, { "status", now.status }, { "statusText", now.text },
    { "statusChanged", wire.offset_time(now.at) }, { "dataType", files.data_type(one.file_name) },
    { "expirationTime", wire.offset_time(entry.expires) },
  }, true)
end

-- What those see who may not see it.
local function no_content()
  return wire.object { { "language", "no" }, { "messageTitle", "" }, { "messageSummary", "" }, { "messageBody", "" },
    { "attachments", wire.list {} } }
end

local function content(letter, body)
  local spec, list = letter.spec, wire.list {}
  for index, entry in ipairs(letter.attachments) do list[index] = attachment_in_letter(entry) end
  return wire.object {
    { "language", spec.language or "nb" }, { "messageTitle", spec.title or "" },
    { "messageSummary", spec.summary or "" }, { "messageBody", body }, { "attachments", list },
  }
end

local function order_rows(letter)
  local list = wire.list {}
  for index, order in ipairs(letter.orders) do
    list[index] = wire.object({ { "notificationOrderId", order.id }, { "isReminder", order.reminder == true } }, true)
  end
  return list
end

local function reference_rows(letter)
  local list = wire.list {}
  for index, one in ipairs(letter.references) do
    list[index] = wire.object { { "referenceValue", one.referenceValue }, { "referenceType", one.referenceType } }
  end
  return list
end

-- The members that stay as they are.
local function fixed_members(letter, sees, body)
  local spec = letter.spec
  return {
    { "resourceId", letter.resource }, { "sender", letter.sender },
    { "sendersReference", spec.sendersReference or "" }, { "messageSender", spec.messageSender or "" },
    { "content", sees.content and content(letter, body) or no_content() },
    { "requestedPublishTime", wire.offset_time(letter.requested) }, { "dueDateTime", wire.offset_time(letter.due) },
    { "externalReferences", reference_rows(letter) }, { "propertyList", spec.propertyList or {} },
    { "replyOptions", wire.list(spec.replyOptions or {}) }, { "notification", nil },
    { "ignoreReservation", spec.ignoreReservation == true }, { "isConfirmationNeeded", letter.confirmation },
    { "isConfidential", spec.isConfidential == true }, { "allowForwarding", spec.allowForwarding == true },
    { "recipient", letter.recipient }, { "correspondenceId", letter.id },
    { "created", wire.offset_time(letter.created) },
  }
end

-- The fixed members of a letter whose attachments cannot change are written once.
local function fixed(letter, sees, body)
  if #letter.attachments > 0 then return fixed_members(letter, sees, body) end
  local key = body .. (sees.content and "+" or "-")
  letter.written = letter.written or {}
  letter.written[key] = letter.written[key] or wire.members(fixed_members(letter, sees, body), true)
  return { { nil, letter.written[key] } }
end

local function overview_members(letter, sees, body)
  local now, members = letters.highest(letter), fixed(letter, sees, body)
  for _, member in ipairs {
    { "status", now.status }, { "statusText", now.text },
    { "statusChanged", wire.offset_time(now.at) }, { "notifications", order_rows(letter) },
    { "altinn2CorrespondenceId", nil }, { "published", wire.offset_time(letters.has_been(letter, "Published")) },
    { "read", wire.offset_time(letters.has_been(letter, "Read")) },
  } do members[#members + 1] = member end
  return members
end

--- The overview of a letter.
---@param letter table
---@param sees { content: boolean, all: boolean } whether the caller sees the content, and the whole history
---@return table
function M.overview(letter, sees)
  return wire.object(overview_members(letter, sees, letters.body(letter)), true)
end

-- Statuses that only the recipient and the resource's owner see.
local hidden = { PurgedByRecipient = true, PurgedByAltinn = true, Archived = true }

local function history(entries, all)
  local sorted, list = {}, wire.list {}
  for index, entry in ipairs(entries) do sorted[index] = { entry, index } end
  table.sort(sorted, function(a, b)
    if a[1].at ~= b[1].at then return a[1].at < b[1].at end
    return a[2] < b[2]
  end)
  for _, pair in ipairs(sorted) do
    local entry = pair[1]
    if all or not hidden[entry.status] then
      list[#list + 1] = wire.object { { "status", entry.status }, { "statusText", entry.text },
        { "statusChanged", wire.offset_time(entry.at) } }
    end
  end
  return list
end

local function status_of(status, at)
  return wire.object({ { "status", status }, { "description", nil }, { "lastUpdate", wire.offset_time(at) } }, true)
end

local function result(one)
  local mail = one.kind == "email"
  return wire.object({ { "id", nil }, { "succeeded", one.succeeded },
    { "recipient", wire.object({ { "emailAddress", mail and one.address or nil },
      { "mobileNumber", not mail and one.address or nil }, { "organizationNumber", nil },
      { "nationalIdentityNumber", nil }, { "isReserved", nil } }, true) },
    { "sendStatus", status_of(one.status, one.at) } }, true)
end

-- The results by address; the newest of a kind once more by itself.
local function results(state)
  local by_kind = { email = wire.list {}, sms = wire.list {} }
  for _, one in ipairs(state.recipients) do table.insert(by_kind[one.kind], result(one)) end
  local function some(list) return #list > 0 and list or nil end
  return wire.object({ { "email", by_kind.email[1] }, { "sms", by_kind.sms[1] }, { "emails", some(by_kind.email) },
    { "smses", some(by_kind.sms) } }, true)
end

local function notification(emulator, letter, order)
  local state, spec = orders.state(emulator, letter, order), letter.spec
  local owner = emulator.world.service_owners[emulator.world:owner(letter.resource)]
  return wire.object({
    { "id", order.shipment }, { "sendersReference", "corr-" .. (spec.sendersReference or "") },
    { "creator", owner or "Not found" }, { "created", wire.offset_time(order.created) },
    { "isReminder", order.reminder == true }, { "notificationChannel", order.channel },
    { "ignoreReservation", spec.ignoreReservation == true }, { "resourceId", letter.resource },
    { "processingStatus", status_of(state.status, state.at) }, { "notificationStatusDetails", results(state) },
  }, true)
end

--- The details of a letter: the overview, its history and notifications.
---@param letter table
---@param sees { content: boolean, all: boolean }
---@param emulator table
---@return table
function M.details(letter, sees, emulator)
  local members, sent = overview_members(letter, sees, letter.spec.body or ""), wire.list {}
  for _, order in ipairs(letter.orders) do
    if order.id then sent[#sent + 1] = notification(emulator, letter, order) end
  end
  for index, member in ipairs(members) do
    if member[1] == "notifications" then members[index] = { "notifications", sent } end
  end
  members[#members + 1] = { "statusHistory", history(letter.history, sees.all) }
  members[#members + 1] = { "systemLabel", "Default" }
  return wire.object(members, true)
end

-- By letter, and no part of it: a letter can be kept, such a text cannot.
local shown = setmetatable({}, { __mode = "k" })

--- The text of a letter's details, which is written anew when something has become of the letter.
---@param letter table
---@param sees { content: boolean, all: boolean }
---@param emulator table
---@return table text of wire.raw
function M.details_text(letter, sees, emulator)
  if #letter.orders > 0 or #letter.attachments > 0 then
    return wire.raw(wire.encode(M.details(letter, sees, emulator)))
  end
  local key = ("%d %s %s"):format(#letter.history, sees.content, sees.all)
  local known = shown[letter]
  if not known or known.key ~= key then
    known = { key = key, text = wire.raw(wire.encode(M.details(letter, sees, emulator))) }
    shown[letter] = known
  end
  return known.text
end

local function attachment_members(one)
  local now, ids = files.latest(one), wire.list {}
  for id in pairs(one.letters) do ids[#ids + 1] = id end
  table.sort(ids)
  return {
    { "fileName", one.file_name }, { "displayName", one.display_name }, { "isEncrypted", one.encrypted },
    { "checksum", one.checksum }, { "sendersReference", one.reference }, { "expirationInDays", one.expires_in },
    { "resourceId", one.resource }, { "sender", one.sender }, { "attachmentId", one.id }, { "status", now.status },
    { "statusText", now.text }, { "statusChanged", wire.offset_time(now.at) }, { "correspondenceIds", ids },
    { "dataType", files.data_type(one.file_name) },
  }
end

--- An attachment by itself, with its history or without.
---@param one table
---@param with_history boolean|nil
---@return table
function M.attachment(one, with_history)
  local members = attachment_members(one)
  if with_history then members[#members + 1] = { "statusHistory", history(one.history, true) } end
  return wire.object(members, true)
end

local function bytes_of(one)
  if not one.size then return one.content end
  return { pattern = one.pattern or "altinn-events emulator\n", size = one.size, cut = one.cut }
end

--- A recipient's download of an attachment.
---@param one table
---@return table reply
function M.download(one)
  local media, disposition = files.served_as(one.file_name)
  return { status = 200, body = bytes_of(one), headers = { ["Content-Type"] = media,
    ["Content-Disposition"] = disposition, ["Cache-Control"] = "no-store" } }
end

--- A sender's download of an attachment; nil: its bytes have not come.
---@param one table
---@return table|nil reply
function M.senders_download(one)
  local body = bytes_of(one)
  return body and { status = 200, body = body, headers = { ["Content-Type"] = "application/octet-stream",
    ["Cache-Control"] = "no-store" } }
end

return M
