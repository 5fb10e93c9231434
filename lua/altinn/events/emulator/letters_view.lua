-- Letters and attachments as the API shows them: null members are written.
local letters = require "altinn.events.emulator.letters"
local wire = require "altinn.events.emulator.wire"

local M = {}

local day = 86400

local function last(history) return history[#history] end

local function attachment_in_letter(one)
  local now = last(one.history)
  return wire.object({
    { "fileName", one.file_name }, { "displayName", one.display_name }, { "isEncrypted", one.encrypted },
    { "checksum", one.checksum }, { "sendersReference", one.reference }, { "expirationInDays", one.expires_in },
    { "id", one.id }, { "dataLocationType", "AltinnCorrespondenceAttachment" },
    { "created", wire.offset_time(one.created) }, { "status", one.status }, { "statusText", now.text },
    { "statusChanged", wire.offset_time(now.at) }, { "dataType", M.media_type(one.file_name) },
    { "expirationTime", one.expires_in and wire.offset_time(one.created + one.expires_in * day) },
  }, true)
end

local function content(letter, visible)
  local spec, list = letter.spec, wire.list {}
  for index, one in ipairs(letter.attachments) do list[index] = attachment_in_letter(one) end
  local function text(value) return visible and value or "" end
  return wire.object({
    { "language", spec.language or "nb" }, { "messageTitle", text(spec.title) },
    { "messageSummary", text(spec.summary) }, { "messageBody", text(spec.body) }, { "attachments", list },
  }, true)
end

local function orders(letter)
  local list = wire.list {}
  for index, order in ipairs(letter.notifications) do
    list[index] = wire.object { { "notificationOrderId", order.id }, { "isReminder", order.reminder } }
  end
  return list
end

local function overview_members(letter, visible)
  local spec, now = letter.spec, letters.highest(letter)
  return {
    { "resourceId", letter.resource }, { "sender", letter.sender },
    { "sendersReference", spec.sendersReference or "" }, { "messageSender", spec.messageSender },
    { "content", content(letter, visible) }, { "requestedPublishTime", wire.offset_time(letter.requested) },
    { "dueDateTime", wire.offset_time(letter.due) }, { "externalReferences", wire.list(spec.externalReferences or {}) },
    { "propertyList", spec.propertyList or {} }, { "replyOptions", wire.list(spec.replyOptions or {}) },
    { "notification", nil }, { "ignoreReservation", spec.ignoreReservation },
    { "isConfirmationNeeded", letter.confirmation }, { "isConfidential", spec.isConfidential == true },
    { "allowForwarding", spec.allowForwarding == true }, { "recipient", letter.recipient },
    { "correspondenceId", letter.id }, { "created", wire.offset_time(letter.created) }, { "status", now.status },
    { "statusText", now.text }, { "statusChanged", wire.offset_time(now.at) }, { "notifications", orders(letter) },
    { "altinn2CorrespondenceId", nil }, { "published", wire.offset_time(letter.published) },
    { "read", wire.offset_time(letter.read) },
  }
end

--- The overview of a letter.
---@param letter table
---@param visible boolean whether the caller may see the content
---@return table
function M.overview(letter, visible)
  return wire.object(overview_members(letter, visible), true)
end

local function history(entries)
  local list = wire.list {}
  for index, entry in ipairs(entries) do
    list[index] = wire.object { { "status", entry.status }, { "statusText", entry.text },
      { "statusChanged", wire.offset_time(entry.at) } }
  end
  return list
end

local function notifications(letter)
  local list = wire.list {}
  for index, order in ipairs(letter.notifications) do
    list[index] = wire.object({
      { "id", order.id }, { "sendersReference", letter.spec.sendersReference }, { "creator", "digdir" },
      { "created", wire.offset_time(order.created) }, { "isReminder", order.reminder },
      { "notificationChannel", "EmailPreferred" }, { "ignoreReservation", false }, { "resourceId", letter.resource },
      { "processingStatus", wire.object { { "status", "Completed" }, { "description", "" },
        { "lastUpdate", wire.offset_time(order.created) } } }, { "notificationStatusDetails", nil },
    }, true)
  end
  return list
end

--- The details of a letter: the overview, its history and notifications.
---@param letter table
---@param visible boolean
---@return table
function M.details(letter, visible)
  local members = overview_members(letter, visible)
  for index, member in ipairs(members) do
    if member[1] == "notifications" then members[index] = { "notifications", notifications(letter) } end
  end
  members[#members + 1] = { "statusHistory", history(letter.history) }
  members[#members + 1] = { "systemLabel", letter.purged and "Bin" or "Default" }
  return wire.object(members, true)
end

local function attachment_members(one)
  local now, ids = last(one.history), wire.list {}
  for id in pairs(one.letters) do ids[#ids + 1] = id end
  table.sort(ids)
  return {
    { "fileName", one.file_name }, { "displayName", one.display_name }, { "isEncrypted", one.encrypted },
    { "checksum", one.checksum }, { "sendersReference", one.reference }, { "expirationInDays", one.expires_in },
    { "resourceId", one.resource }, { "sender", one.sender }, { "attachmentId", one.id }, { "status", one.status },
    { "statusText", now.text }, { "statusChanged", wire.offset_time(now.at) }, { "correspondenceIds", ids },
    { "dataType", M.media_type(one.file_name) },
  }
end

--- An attachment by itself, with its history or without.
---@param one table
---@param with_history boolean|nil
---@return table
function M.attachment(one, with_history)
  local members = attachment_members(one)
  if with_history then members[#members + 1] = { "statusHistory", history(one.history) } end
  return wire.object(members, true)
end

local media = {
  pdf = "application/pdf", txt = "text/plain", xml = "application/xml", json = "application/json", csv = "text/csv",
  html = "text/html", png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif",
  zip = "application/zip", doc = "application/msword",
  docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}

--- The media type by a file's extension.
---@param name string
---@return string
function M.media_type(name)
  return media[(name:match("%.(%w+)$") or ""):lower()] or "application/octet-stream"
end

--- The headers and the body with which an attachment's bytes are sent.
---@param one table
---@return table reply
function M.download(one)
  local kind = M.media_type(one.file_name)
  local shown = kind == "application/pdf" or kind:find("^image/")
  local name = one.file_name:gsub('[%c"\\\128-\255]', "_")
  local body = one.content or ""
  if one.size then body = { pattern = one.pattern or "altinn-events emulator\n", size = one.size, cut = one.cut } end
  return { status = 200, body = body, headers = { ["Content-Type"] = kind, ["Cache-Control"] = "no-store",
    ["Content-Disposition"] = ('%s; filename="%s"'):format(shown and "inline" or "attachment", name) } }
end

return M
