-- Letters and attachments: what they are, the states they go through, and
-- the events that this raises.
local wire = require "altinn.events.emulator.wire"
local publish = require "altinn.events.emulator.publish"

local M = {}

local PREFIX = "no.altinn.correspondence."
local FETCH_PAUSE = 15      -- seconds between two records of Fetched
local CONFIRM_SECONDS = 4   -- until a confirmation is stored
local SCAN_SECONDS = 1

-- Status values with their numbers: the overview shows the highest.
M.statuses = {
  Initialized = 0, ReadyForPublish = 1, Published = 2, Fetched = 3, Read = 4, Replied = 5, Confirmed = 6,
  PurgedByRecipient = 7, PurgedByAltinn = 8, Archived = 9, Reserved = 10, Failed = 11, AttachmentsDownloaded = 12,
  Forwarded = 13,
}

--- What an attachment may be told by the APIs: member -> kind.
M.attachment_members = { fileName = "name", displayName = "text", sendersReference = "text", checksum = "text",
  isEncrypted = "boolean", expirationInDays = "count" }

local Letters = {}
Letters.__index = Letters

--- The letters of an emulator.
---@param emulator table
---@return table letters
function M.new(emulator)
  return setmetatable({ emulator = emulator, list = {}, by_id = {}, attachments = {}, attachment_list = {}, keys = {} },
    Letters)
end

-- Events.

local function alternative_of(world, urn)
  local number, kind = world.number(urn)
  if not number then return nil end
  return (kind == "organization" and "/organisation/" or "/person/") .. number
end

-- A Correspondence event as Altinn writes it; nil and a message when that is none.
local function build_event(self, name, party, kind, resource, instance)
  local world, subject = self.emulator.world, party
  local number = world.number(party)
  if number and self.emulator.switches.on["party-subjects"] then subject = "/party/" .. world:party_id(number) end
  return publish.record(wire.encode(wire.object {
    { "specversion", "1.0" }, { "id", wire.uuid() }, { "type", PREFIX .. name },
    { "time", wire.time(self.emulator.clock:now()) }, { "resource", "urn:altinn:resource:" .. resource },
    { "resourceinstance", instance }, { "subject", subject }, { "alternativesubject", alternative_of(world, party) },
    { "source", ("%s/correspondence/api/v1/%s"):format(self.emulator.platform, kind) },
  }))
end

-- The same, of a letter that was found faultless.
function Letters:event(...)
  return assert(build_event(self, ...))
end

-- Why no event can be about a letter with this resource, sender and recipient; or nil.
function Letters:fault(spec)
  for _, role in ipairs { "sender", "recipient" } do
    local party = self.emulator.world:urn(spec[role])
    local event, message = build_event(self, "correspondenceinitialized", party, "correspondence", spec.resource, "x")
    if not event then return ("resource '%s' and %s make no event: %s"):format(spec.resource, role, message) end
  end
end

-- Raises an event about a letter; `to` is "sender" or "recipient".
function Letters:raise(letter, name, to, kind, instance)
  local party = to == "sender" and letter.sender or letter.recipient
  self.emulator.events:publish(self:event(name, party, kind or "correspondence", letter.resource,
    instance or letter.id))
  if to == "recipient" and self.emulator.switches.on["sender-copies"] then
    self.emulator.events:publish(self:event(name, letter.sender, kind or "correspondence", letter.resource, letter.id))
  end
end

-- Dialogporten's event about a letter's dialog, when it is switched on.
local function raise_dialog(self, letter, kind)
  if not self.emulator.switches.on.dialogporten then return end
  self.emulator.events:publish(assert(publish.record(wire.encode(wire.object {
    { "specversion", "1.0" }, { "id", wire.uuid() }, { "type", "dialogporten.dialog." .. kind .. ".v1" },
    { "time", wire.time(self.emulator.clock:now()) }, { "resource", "urn:altinn:resource:" .. letter.resource },
    { "resourceinstance", letter.dialog }, { "subject", letter.recipient },
    { "source", ("%s/dialogporten/api/v1/enduser/dialogs/%s"):format(self.emulator.platform, letter.dialog) },
  }))))
end

-- Attachments.

-- Registers an attachment: { fileName, displayName, sendersReference, content | size [pattern], … }.
function Letters:add_attachment(spec, resource, sender)
  local now = self.emulator.clock:now()
  local one = {
    id = wire.uuid(), file_name = spec.fileName or "letter.txt", display_name = spec.displayName,
    encrypted = spec.isEncrypted == true, checksum = spec.checksum, reference = spec.sendersReference or "",
    expires_in = spec.expirationInDays, resource = resource, sender = sender, content = spec.content,
    size = spec.size, pattern = spec.pattern, cut = spec.cut, created = now, letters = {}, history = {},
  }
  self.attachments[one.id] = one
  self.attachment_list[#self.attachment_list + 1] = one
  self:set_attachment(one, "Initialized")
  self:raise_attachment(one, "attachmentinitialized")
  return one
end

local attachment_texts = {
  Initialized = "Initialized - awaiting upload", UploadProcessing = "Processing upload",
  Published = "Published", Purged = "Purged", Failed = "Malware scan failed", Expired = "Expired",
}

-- A new status.
function Letters:set_attachment(one, status, text)
  one.status = status
  one.history[#one.history + 1] = { status = status, text = text or attachment_texts[status],
    at = self.emulator.clock:now() }
end

-- Raises an event about an attachment: always to the sender.
function Letters:raise_attachment(one, name)
  self.emulator.events:publish(self:event(name, one.sender, "attachment", one.resource, one.id))
end

-- The scan passed.
function Letters:publish_attachment(one)
  if one.status == "Published" then return end
  self:set_attachment(one, "Published")
  self:raise_attachment(one, "attachmentpublished")
end

-- Malware was found. The letters that hold it fail without an event of their own.
function Letters:fail_attachment(one)
  self:set_attachment(one, "Failed")
  self:raise_attachment(one, "attachmentuploadfailed")
  for id in pairs(one.letters) do
    local letter = self.by_id[id]
    if letter and not letter.published then self:set_status(letter, "Failed", "An attachment has failed") end
  end
end

function Letters:expire_attachment(one)
  self:set_attachment(one, "Expired")
  self:raise_attachment(one, "attachmentexpired")
end

-- The bytes have come: they are scanned, then published.
function Letters:upload_attachment(one, bytes)
  one.content, one.size, one.pattern = bytes, nil, nil
  self:set_attachment(one, "UploadProcessing")
  self.emulator.clock:after(SCAN_SECONDS, function()
    if one.status == "UploadProcessing" then self:publish_attachment(one) end
  end)
end

function Letters:purge_attachment(one)
  one.content, one.size = nil, nil
  self:set_attachment(one, "Purged")
end

-- Letters.

local texts = { ReadyForPublish = "Ready for publish", PurgedByRecipient = "Purged by recipient",
  PurgedByAltinn = "Purged by Altinn", AttachmentsDownloaded = "Attachments downloaded" }

-- A new status in the letter's history.
function Letters:set_status(letter, status, text)
  letter.history[#letter.history + 1] = { status = status, text = text or texts[status] or status,
    at = self.emulator.clock:now() }
end

--- The entry of the highest status ever reached, Fetched excepted.
---@param letter table
---@return table entry
function M.highest(letter)
  local best
  for _, entry in ipairs(letter.history) do
    if entry.status ~= "Fetched" and (not best or M.statuses[entry.status] > M.statuses[best.status]) then
      best = entry
    end
  end
  return best
end

--- Whether a letter has ever had a status.
---@param letter table
---@param status string
---@return boolean
function M.has_been(letter, status)
  for _, entry in ipairs(letter.history) do
    if entry.status == status then return true end
  end
  return false
end

local function add_attachments(self, letter, spec)
  for _, one in ipairs(spec.attachments or {}) do
    local attachment = type(one) == "string" and self.attachments[one]
      or self:add_attachment(one, letter.resource, letter.sender)
    attachment.letters[letter.id] = true
    letter.attachments[#letter.attachments + 1] = attachment
    if attachment.content or attachment.size then
      if one.scan ~= false then self:publish_attachment(attachment) end
    end
  end
end

local function plan(self, letter)
  local clock = self.emulator.clock
  if letter.due then clock:at(letter.due, function() self:due(letter) end) end
  if letter.held then return end
  self:set_status(letter, "ReadyForPublish")
  clock:at(math.max(letter.requested, clock:now()), function() self:publish(letter) end)
end

-- A new letter: { resource, sender, recipient, title, summary, body, attachments, requestedPublishTime, dueDateTime,
-- isConfirmationNeeded, … }. With `hold` it waits to be published by hand.
function Letters:create(spec)
  local world, now = self.emulator.world, self.emulator.clock:now()
  local letter = {
    id = wire.uuid(), dialog = wire.uuid(), resource = spec.resource, sender = world:urn(spec.sender),
    recipient = world:urn(spec.recipient), created = now, history = {}, attachments = {}, notifications = {},
    requested = wire.parse_time(spec.requestedPublishTime) or now, due = wire.parse_time(spec.dueDateTime),
    confirmation = spec.isConfirmationNeeded == true, held = spec.hold == true, spec = spec,
  }
  self.list[#self.list + 1], self.by_id[letter.id] = letter, letter
  self:set_status(letter, "Initialized")
  add_attachments(self, letter, spec)
  self:raise(letter, "correspondenceinitialized", "sender")
  raise_dialog(self, letter, "created")
  plan(self, letter)
  return letter
end

local function faulty_attachment(letter)
  for _, one in ipairs(letter.attachments) do
    if one.status ~= "Published" then return one end
  end
  return nil
end

-- Published to its recipient, unless an attachment is not ready.
function Letters:publish(letter)
  if letter.published or letter.purged or M.has_been(letter, "Failed") then return end
  if faulty_attachment(letter) then return self:fail(letter, "An attachment was not published") end
  letter.published = self.emulator.clock:now()
  self:set_status(letter, "Published")
  self:raise(letter, "correspondencepublished", "recipient")
end

-- Publishing failed its checks.
function Letters:fail(letter, text)
  self:set_status(letter, "Failed", text)
  self:raise(letter, "correspondencepublishfailed", "sender")
end

-- The recipient looked at it; recorded at most once in 15 seconds.
function Letters:fetch(letter)
  local now = self.emulator.clock:now()
  if letter.fetched and now - letter.fetched < FETCH_PAUSE then return end
  letter.fetched = now
  self:set_status(letter, "Fetched")
end

-- The recipient read it.
function Letters:read(letter)
  if letter.read then return end
  letter.read = self.emulator.clock:now()
  self:set_status(letter, "Read")
  self:raise(letter, "correspondencereceiverread", "sender")
end

-- The recipient confirms: stored, and told to the sender, a while later.
function Letters:confirm(letter)
  if letter.confirming then return end
  letter.confirming = true
  self.emulator.clock:after(CONFIRM_SECONDS, function()
    letter.confirmed = self.emulator.clock:now()
    self:set_status(letter, "Confirmed")
    self:raise(letter, "correspondencereceiverconfirmed", "sender")
  end)
end

-- Deleted, by "recipient" or "sender"; told to the sender in any case.
function Letters:purge(letter, by)
  letter.purged = self.emulator.clock:now()
  self:set_status(letter, by == "recipient" and "PurgedByRecipient" or "PurgedByAltinn")
  self:raise(letter, "correspondencepurged", "sender")
  raise_dialog(self, letter, "deleted")
end

-- The due date: what was not done is told to the recipient.
function Letters:due(letter)
  if not letter.published or letter.purged then return end
  if not letter.read then self:raise(letter, "correspondencereceiverneverread", "recipient") end
  if letter.confirmation and not letter.confirmed then
    self:raise(letter, "correspondencereceiverneverconfirmed", "recipient")
  end
end

function Letters:download(letter)
  self:set_status(letter, "AttachmentsDownloaded")
end

function Letters:forward(letter)
  letter.forwarded = self.emulator.clock:now()
  self:set_status(letter, "Forwarded")
end

-- A notification order for a letter.
function Letters:notify(letter, reminder)
  local order = { id = wire.uuid(), reminder = reminder == true, created = self.emulator.clock:now() }
  letter.notifications[#letter.notifications + 1] = order
  self:raise(letter, "notificationcreated", "sender", "notification", order.id)
  return order
end

-- Events of notifications that change nothing about the letter: step -> type.
M.notification_events = {
  ["notification-creation-failed"] = "correspondencenotificationcreationfailed",
  ["notification-failed"] = "correspondencenotificationfailed",
  ["notification-all-failed"] = "correspondencenotificationallfailed",
  ["notification-delivered"] = "correspondencenotificationdelivered",
  ["notification-reminder-delivered"] = "correspondencenotificationreminderdelivered",
}

return M
