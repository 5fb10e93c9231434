-- Letters: their states, and the events that a new state raises.
local files = require "altinn.events.emulator.files"
local letters_events = require "altinn.events.emulator.letters_events"
local orders = require "altinn.events.emulator.orders"
local wire = require "altinn.events.emulator.wire"

local M = {}

local FETCH_PAUSE = 15       -- seconds between two records of Fetched by the overview, for each caller
local CONFIRM_SECONDS = 4    -- until a confirmation is stored
local FORWARD_SECONDS = 60   -- until the e-mail that forwards a letter has been delivered

-- Status values with their numbers: the overview shows the highest.
M.statuses = {
  Initialized = 0, ReadyForPublish = 1, Published = 2, Fetched = 3, Read = 4, Replied = 5, Confirmed = 6,
  PurgedByRecipient = 7, PurgedByAltinn = 8, Archived = 9, Reserved = 10, Failed = 11, AttachmentsDownloaded = 12,
  Forwarded = 13,
}

local Letters = {}
Letters.__index = Letters

--- The letters of an emulator.
---@param emulator table
---@return table letters
function M.new(emulator)
  return setmetatable({ emulator = emulator, list = {}, by_id = {}, by_dialog = {}, by_key = {} }, Letters)
end

-- A new status in the letter's history, at a time or now.
function Letters:set(letter, status, text, at)
  letter.history[#letter.history + 1] = { status = status, text = text or status, at = at or self.emulator.clock:now() }
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

--- The entry of the latest status, Fetched excepted.
---@param letter table
---@return table entry
function M.latest(letter)
  local last
  for _, entry in ipairs(letter.history) do
    if entry.status ~= "Fetched" and (not last or entry.at >= last.at) then last = entry end
  end
  return last
end

--- When a letter first got a status; nil: never.
---@param letter table
---@param status string
---@return number|nil seconds since 1970
function M.has_been(letter, status)
  for _, entry in ipairs(letter.history) do
    if entry.status == status then return entry.at end
  end
  return nil
end

-- Reading.

local reply_words = { en = "Reply options:", nn = "Svarval:" }

--- The body of a letter as its readers get it: with more than three reply options these stand at its end.
---@param letter table
---@return string
function M.body(letter)
  local spec = letter.spec
  local lines = {}
  for index, one in ipairs(spec.replyOptions or {}) do
    lines[index] = ("%s: %s"):format(type(one.linkText) == "string" and one.linkText or "", one.linkURL)
  end
  if #lines <= 3 then return spec.body or "" end
  return ("%s\n\n%s\n%s"):format(spec.body or "", reply_words[(spec.language or "nb"):lower()] or "Svarvalg:",
    table.concat(lines, "\n"))
end

-- Creating.

-- The attachments of a new letter: those that are there already, and those that come with it. True when one of them is
-- still to be scanned.
local function attach(self, letter, list)
  local all, waits = self.emulator.files, false
  for _, one in ipairs(list or {}) do
    local file = one
    if not one.history then
      file = all:add(one, letter.resource, letter.sender)
      if one.content or one.size then all:receive(file, one.content, one.size, one.scan) end
    end
    letter.attachments[#letter.attachments + 1] = all:attach(file, letter)
    waits = waits or not files.has_been(file, "Published")
  end
  return waits
end

local function is_reserved(self, spec)
  local number = self.emulator.world.number(spec.recipient)
  return spec.ignoreReservation ~= true and self.emulator.world.recipients[number or ""] == "reserved"
end

-- The letter's dialog: a new one, or the dialog that its references name.
local function add_dialog(self, letter)
  local references = {}
  for _, one in ipairs(letter.spec.externalReferences or {}) do
    references[#references + 1] = one
    if one.referenceType == "DialogportenDialogId" then letter.dialog = one.referenceValue end
  end
  if letter.dialog then
    letter.transmission = wire.uuid()
    references[#references + 1] = { referenceType = "DialogportenTransmissionId", referenceValue = letter.transmission }
  else
    letter.dialog = wire.uuid()
    self.by_dialog[letter.dialog] = letter
    references[#references + 1] = { referenceType = "DialogportenDialogId", referenceValue = letter.dialog }
  end
  letter.references = references
end

-- Raises the first event of a new letter, and sets its due date and notifications. Not for letters to recipients who
-- have reserved themselves.
local function announce(self, letter)
  if letter.due then self.emulator.clock:at(letter.due, function() self:check_due(letter) end) end
  letters_events.raise(self.emulator, letter, "correspondenceinitialized", "sender")
  if letter.spec.notification then orders.plan(self.emulator, letter, letter.spec.notification) end
end

-- A new letter: { resource, sender, recipient, title, summary, body, attachments, notification, requestedPublishTime,
-- dueDateTime, isConfirmationNeeded, … }. With `hold` it waits to be published by hand.
function Letters:create(spec)
  local world, now = self.emulator.world, self.emulator.clock:now()
  local letter = {
    id = wire.uuid(), resource = spec.resource, sender = world:urn(spec.sender), recipient = world:urn(spec.recipient),
    created = now, history = {}, attachments = {}, orders = {}, fetches = {}, forwarded_to = {}, spec = spec,
    requested = wire.parse_time(spec.requestedPublishTime) or now, due = wire.parse_time(spec.dueDateTime),
    confirmation = spec.isConfirmationNeeded == true, held = spec.hold == true,
  }
  self.list[#self.list + 1], self.by_id[letter.id] = letter, letter
  if spec.idempotentKey then self.by_key[spec.idempotentKey:lower()] = letter end
  self:set(letter, "Initialized")
  local waits, reserved = attach(self, letter, spec.attachments), is_reserved(self, spec)
  if reserved then self:set(letter, "Reserved") elseif not waits then self:set(letter, "ReadyForPublish") end
  if not reserved then announce(self, letter) end
  add_dialog(self, letter)
  letters_events.raise_dialog(self.emulator, letter, "created")
  self:schedule(letter)
  return letter
end

-- Publishing.

-- The letter is to be published at its time, or now when that is past.
function Letters:schedule(letter)
  if letter.held then return end
  local clock = self.emulator.clock
  clock:at(math.max(letter.requested, clock:now()), function() self:publish(letter) end)
end

-- An attachment that has never been published, or nil.
local function unpublished(letter)
  for _, entry in ipairs(letter.attachments) do
    if not files.has_been(entry.file, "Published") then return entry.file end
  end
  return nil
end

-- Why a letter cannot be published, or nil.
local function obstacle(self, letter)
  if is_reserved(self, { recipient = letter.recipient, ignoreReservation = letter.spec.ignoreReservation }) then
    return ("Recipient of %s has been set to reserved in kontakt- og reserverasjonsregisteret ('KRR')"):format(
      letter.id)
  end
  local number = self.emulator.world.number(letter.recipient)
  if self.emulator.world.recipients[number or ""] == "unknown" then
    return ("Party for recipient %s not found in Altinn Register when publishing"):format(letter.recipient)
  end
  if letter.spec.isConfidential and self.emulator.world.recipients[number or ""] == "no-roles" then
    return ("Recipient of %s lacks roles required to read correspondence. Consider sending physical mail to this"
      .. " recipient instead."):format(letter.id)
  end
end

-- Published to its recipient; or it waits for its attachments: gives the one for which it waits.
function Letters:publish(letter)
  if M.has_been(letter, "Published") or M.has_been(letter, "Failed") then return nil end
  local file = unpublished(letter)
  if file then return file end
  local text = obstacle(self, letter)
  if text then return self:fail(letter, text) end
  if M.highest(letter).status ~= "ReadyForPublish" then self:set(letter, "ReadyForPublish") end
  self:set(letter, "Published")
  letters_events.raise(self.emulator, letter, "correspondencepublished", "recipient")
  orders.send(self.emulator, letter)
end

-- Publishing failed its checks.
function Letters:fail(letter, text)
  self:set(letter, "Failed", text)
  letters_events.raise(self.emulator, letter, "correspondencepublishfailed", "sender")
end

-- Acts of the recipient.

-- Records that a caller fetched the letter: the overview at most once in 15 seconds for each caller, the details
-- always.
function Letters:fetch(letter, party, always)
  local now = self.emulator.clock:now()
  if not always then
    local last = letter.fetches[party or ""]
    if last and now - last < FETCH_PAUSE then return end
    letter.fetches[party or ""] = now
  end
  self:set(letter, "Fetched")
end

-- The recipient read it.
function Letters:read(letter)
  if M.has_been(letter, "Read") then return end
  self:set(letter, "Read")
  letters_events.raise(self.emulator, letter, "correspondencereceiverread", "sender")
end

-- The recipient confirms: stored, and told to the sender, a while later.
function Letters:confirm(letter)
  if letter.confirming then return end
  letter.confirming = true
  self.emulator.clock:after(CONFIRM_SECONDS, function()
    self:set(letter, "Confirmed")
    letters_events.raise(self.emulator, letter, "correspondencereceiverconfirmed", "sender")
  end)
end

function Letters:download(letter, file)
  self:set(letter, "AttachmentsDownloaded", ("Attachment %s has been downloaded"):format(file.id))
end

-- Forwards the letter by e-mail: the status comes when the e-mail has been delivered, with the time of the call.
function Letters:forward(letter, address)
  local now = self.emulator.clock:now()
  letter.forwarded_to[address or ""] = true
  self.emulator.clock:after(FORWARD_SECONDS, function()
    if not M.has_been(letter, "Forwarded") then self:set(letter, "Forwarded", nil, now) end
  end)
end

-- Deleted, by "recipient" or "sender"; told to the sender in any case, once.
function Letters:purge(letter, by)
  if letter.purged then return end
  letter.purged = self.emulator.clock:now()
  self:set(letter, by == "recipient" and "PurgedByRecipient" or "PurgedByAltinn")
  letters_events.raise(self.emulator, letter, "correspondencepurged", "sender")
  letters_events.raise_dialog(self.emulator, letter, "deleted")
  self.emulator.files:release(letter)
end

-- The due date: raises the events neverread and neverconfirmed to the recipient, whatever else became of the letter.
function Letters:check_due(letter)
  if not M.has_been(letter, "Published") or M.has_been(letter, "Failed") then
    self.emulator.log("warn", "due", { reason = "the letter " .. letter.id .. " was not published: no event" })
    return
  end
  if not M.has_been(letter, "Read") then
    letters_events.raise(self.emulator, letter, "correspondencereceiverneverread", "recipient")
  end
  if letter.confirmation and not M.has_been(letter, "Confirmed") then
    letters_events.raise(self.emulator, letter, "correspondencereceiverneverconfirmed", "recipient")
  end
end

return M
