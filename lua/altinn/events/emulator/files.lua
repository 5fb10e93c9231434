-- Attachments: their members, their states, and the events that a new state raises.
local letters_events = require "altinn.events.emulator.letters_events"
local md5 = require "altinn.events.emulator.md5"
local wire = require "altinn.events.emulator.wire"

local M = {}

local SCAN_SECONDS = 1
local SUMMED_BYTES = 1 << 20   -- larger uploads get no computed checksum, which Altinn's get
local DAY = 86400

--- The members that the APIs may set: member -> kind.
M.members = { fileName = "name", displayName = "text", sendersReference = "text", checksum = "text",
  isEncrypted = "boolean", expirationInDays = "whole" }

local Files = {}
Files.__index = Files

--- The attachments of an emulator.
---@param emulator table
---@return table files
function M.new(emulator)
  return setmetatable({ emulator = emulator, list = {}, by_id = {} }, Files)
end

-- Names.

-- Extension -> its media type in letters.
local types = {
  doc = "application/msword", xls = "application/vnd.ms-excel",
  docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  ppt = "application/vnd.ms-powerpoint", pps = "application/vnd.ms-powerpoint", zip = "application/zip",
  pdf = "application/pdf", html = "text/html", txt = "text/plain", xml = "text/xml", jpg = "image/jpeg",
  jpeg = "image/jpeg", gif = "image/gif", bmp = "image/bmp", png = "image/png", json = "application/json",
  csv = "text/csv", dcm = "application/dicom", dicom = "application/dicom",
}

-- Extension -> the Content-Type of a recipient's download.
local served = {
  pdf = "application/pdf", png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif",
  bmp = "image/bmp", txt = "text/plain; charset=utf-8", csv = "text/csv; charset=utf-8", json = "application/json",
  xml = "application/xml", html = "text/html; charset=utf-8", dcm = "application/dicom", dicom = "application/dicom",
}

local shown_inline = { pdf = true, png = true, jpg = true, jpeg = true, gif = true, bmp = true }

local function extension_of(name)
  return (name:match("%.([^./\\]*)$") or ""):lower()
end

--- The media type of an attachment in a letter.
---@param name string of the file
---@return string
function M.data_type(name) return types[extension_of(name)] or "binary_octet_stream" end

local function percent(octet) return ("%%%02X"):format(octet:byte()) end

--- The Content-Type and the Content-Disposition of a recipient's download.
---@param name string of the file
---@return string media_type
---@return string disposition
function M.served_as(name)
  local extension = extension_of(name)
  local star = "filename*=UTF-8''" .. name:gsub("[^%w!#$&+.^_`|~-]", percent)
  if shown_inline[extension] then return served[extension], "inline; " .. star end
  local plain = name:gsub("[\128-\255]+", "_"):gsub('["\\%c]', "_")
  if not plain:find("^[%w!#$%%&'*+.^_`|~-]+$") then plain = '"' .. plain .. '"' end
  return served[extension] or "application/octet-stream", ("attachment; filename=%s; %s"):format(plain, star)
end

local reserved = { con = true, prn = true, aux = true, nul = true }
for digit = 1, 9 do reserved["com" .. digit], reserved["lpt" .. digit] = true, true end

--- The number of the error in a file's name; nil: the name is fine.
---@param name string|nil
---@return integer|nil
function M.name_fault(name)
  if not name or not name:find("%S") then return 2010 end
  if not types[extension_of(name)] then return 2013 end
  if name:find('[<>:"/\\|?*%z\1-\31]') then return 2012 end
  if reserved[name:match("^[^.]*"):lower()] then return 2021 end
end

--- The least days for which an attachment must be kept.
---@param emulator table
---@return integer
function M.least_days(emulator)
  return emulator.platform:find("://platform%.altinn%.no") and 14 or 1
end

-- States.

local texts = { Failed = "Malware scan failed: Malicious", Expired = "The attachment has expired" }

-- A new status.
function Files:set(one, status, text)
  one.history[#one.history + 1] = { status = status, text = text or texts[status] or status,
    at = self.emulator.clock:now() }
end

--- The latest entry of an attachment's history.
---@param one table
---@return table entry
function M.latest(one) return one.history[#one.history] end

--- Whether an attachment has ever had a status.
---@param one table
---@param status string
---@return boolean
function M.has_been(one, status)
  for _, entry in ipairs(one.history) do
    if entry.status == status then return true end
  end
  return false
end

-- Registers an attachment of a resource's: { fileName, displayName, sendersReference, … }.
function Files:add(spec, resource, sender)
  local one = {
    id = wire.uuid(), file_name = spec.fileName or "letter.txt", display_name = spec.displayName,
    encrypted = spec.isEncrypted == true, checksum = spec.checksum, reference = spec.sendersReference or "",
    expires_in = spec.expirationInDays, resource = resource, sender = sender, created = self.emulator.clock:now(),
    pattern = spec.pattern, cut = spec.cut, letters = {}, history = {},
  }
  self.by_id[one.id] = one
  self.list[#self.list + 1] = one
  self:set(one, "Initialized")
  return one
end

-- Registers an attachment before any letter, and raises the event to its sender.
function Files:register(spec, resource, sender)
  local one = self:add(spec, resource, sender)
  letters_events.raise_attachment(self.emulator, one, "attachmentinitialized")
  return one
end

-- Takes the uploaded bytes: a text, or so many octets of a pattern. They are scanned after so many seconds; false: by
-- hand. Attachments of a trusted resource are published at once, without an event.
function Files:receive(one, content, size, seconds)
  one.content, one.size = content, size
  if (one.checksum or "") == "" and content and #content <= SUMMED_BYTES then one.checksum = md5(content) end
  self:set(one, "UploadProcessing")
  if self.emulator.world:resource(one.resource).unscanned then
    self:set(one, "Published", "Bypassed malware scan")
    return
  end
  if seconds == false then return end
  self.emulator.clock:after(seconds or SCAN_SECONDS, function()
    if M.latest(one).status == "UploadProcessing" then self:publish(one) end
  end)
end

-- Uploads the bytes -> the number of an error, or nil. An upload with another checksum than promised fails without an
-- event.
function Files:upload(one, bytes)
  if #bytes == 0 then return 2004 end
  if M.has_been(one, "UploadProcessing") then return 2005 end
  if next(one.letters) then return 2003 end
  if one.checksum and one.checksum ~= "" and md5(bytes) ~= one.checksum then
    self:set(one, "UploadProcessing")
    self:set(one, "Failed", "Checksum mismatch")
    return 2008
  end
  self:receive(one, bytes)
end

-- Each letter that holds the attachment, in the order of their creation.
local function each_letter(self, one)
  local list = {}
  for _, letter in ipairs(self.emulator.letters.list) do
    if one.letters[letter.id] then list[#list + 1] = letter end
  end
  return ipairs(list)
end

-- The scan found nothing. Letters that waited for this file alone are published.
function Files:publish(one)
  if M.has_been(one, "Published") then return end
  self:set(one, "Published")
  letters_events.raise_attachment(self.emulator, one, "attachmentpublished")
  for _, letter in each_letter(self, one) do self.emulator.letters:schedule(letter) end
end

-- The scan found something. The letters that hold the file fail without an event of their own.
function Files:fail(one, text)
  self:set(one, "Failed", text and "Malware scan failed: " .. text)
  letters_events.raise_attachment(self.emulator, one, "attachmentuploadfailed")
  for _, letter in each_letter(self, one) do self.emulator.letters:set(letter, "Failed") end
end

local function forget(one)
  one.content, one.size = nil, nil
end

function Files:expire(one)
  if M.has_been(one, "Purged") or M.has_been(one, "Expired") then return end
  forget(one)
  self:set(one, "Expired")
  letters_events.raise_attachment(self.emulator, one, "attachmentexpired")
end

-- The time until which a letter keeps an attachment; nil: without end.
local function expires_at(self, one, requested)
  return one.expires_in and math.max(requested, self.emulator.clock:now()) + one.expires_in * DAY
end

-- A letter holds an attachment from now on: the entry of the letter's list. The file expires when the last letter that
-- holds it lets it go.
function Files:attach(one, letter)
  local clock, until_ = self.emulator.clock, expires_at(self, one, letter.requested)
  one.letters[letter.id] = until_ or 0
  if until_ then
    clock:at(until_, function()
      for _, time in pairs(one.letters) do
        if time > until_ then return end
      end
      self:expire(one)
    end)
  end
  return { file = one, created = clock:now(), expires = until_ }
end

-- Deletes an attachment, by itself or with its letter.
function Files:purge(one, text)
  forget(one)
  self:set(one, "Purged", text)
end

-- A letter was deleted: its files go with it, unless another letter needs them.
function Files:release(letter)
  for _, entry in ipairs(letter.attachments) do
    local needed = M.has_been(entry.file, "Purged") or M.has_been(entry.file, "Expired")
    for _, other in each_letter(self, entry.file) do needed = needed or not other.purged end
    if not needed then self:purge(entry.file) end
  end
end

--- The number of the error that stands in the way of a download, or nil.
---@param one table
---@return integer|nil
function M.download_fault(one)
  if M.has_been(one, "Purged") then return 2019 end
  if M.has_been(one, "Expired") then return 2020 end
end

return M
