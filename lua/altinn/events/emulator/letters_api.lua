-- The letters' API: reading and acting.
local access = require "altinn.events.emulator.letters_access"
local errors = require "altinn.events.emulator.letters_errors"
local files = require "altinn.events.emulator.files"
local letters = require "altinn.events.emulator.letters"
local letters_create = require "altinn.events.emulator.letters_create"
local letters_list = require "altinn.events.emulator.letters_list"
local router = require "altinn.events.emulator.router"
local shape = require "altinn.events.emulator.shape"
local view = require "altinn.events.emulator.letters_view"
local wire = require "altinn.events.emulator.wire"

local M = {}

local available = { Published = true, Fetched = true, Read = true, Replied = true, Confirmed = true, Archived = true,
  Reserved = true, AttachmentsDownloaded = true, Forwarded = true }

-- Whether the recipient can see a letter in its present state.
local function is_available(letter) return available[letters.highest(letter).status] == true end

local function reply_json(request, value)
  if not router.accepts(request, "application/json") then return router.empty(406) end
  return router.json(200, value, { ["Cache-Control"] = "no-store" })
end

-- Reading.

-- Who sees the content and the whole history: the recipient and the resource's owner. Until the letter is published all
-- senders see the content too.
local function sees(letter, roles)
  return { content = roles.recipient or not letters.has_been(letter, "Published"), all = roles.recipient }
end

-- The letter of a reading call. A purged letter is not found, except for its details.
local function find(emulator, request, policy, hides_purged)
  local letter, refusal, roles, caller = access.letter(emulator, request, policy)
  if not letter then return nil, refusal end
  if hides_purged and letter.purged or roles.acts_as_recipient and not is_available(letter) then
    return nil, errors.problem(request, 1001)
  end
  return letter, nil, roles, caller
end

local function overview(emulator, request)
  local letter, refusal, roles, caller = find(emulator, request, "both", true)
  if not letter then return refusal end
  if roles.acts_as_recipient then emulator.letters:fetch(letter, caller.party) end
  return reply_json(request, view.overview(letter, sees(letter, roles)))
end

local function details(emulator, request)
  local letter, refusal, roles, caller = find(emulator, request, "both", false)
  if not letter then return refusal end
  if roles.acts_as_recipient then emulator.letters:fetch(letter, caller.party, true) end
  return reply_json(request, view.details_text(letter, sees(letter, roles), emulator))
end

-- The content counts as fetched and read, unless the token may write as well.
local function content(emulator, request)
  local letter, refusal, roles, caller = find(emulator, request, "recipient", true)
  if not letter then return refusal end
  if not router.accepts(request, "text/plain") then return router.empty(406) end
  if roles.acts_as_recipient then
    emulator.letters:fetch(letter, caller.party)
    emulator.letters:read(letter)
  end
  return { status = 200, body = letters.body(letter),
    headers = { ["Content-Type"] = "text/plain; charset=utf-8", ["Cache-Control"] = "no-store" } }
end

-- Acting.

-- A recipient's act: `fault(letter)` is the number of the error that stands in its way.
local function act(fault, done)
  return function(emulator, request)
    local letter, refusal = access.letter(emulator, request, "recipient")
    if not letter then return refusal end
    local number = not is_available(letter) and 1001 or fault(letter)
    if number then return errors.problem(request, number) end
    done(emulator.letters, letter)
    return reply_json(request, letter.id)
  end
end

local mark_read = act(function(letter)
  return not letters.has_been(letter, "Fetched") and 1024 or letters.has_been(letter, "Read") and 1040
end, function(all, letter) all:read(letter) end)

local confirm = act(function(letter)
  return not letters.has_been(letter, "Fetched") and 1025 or letters.has_been(letter, "Confirmed") and 1041
end, function(all, letter) all:confirm(letter) end)

-- Purging.

local purged = { PurgedByRecipient = true, PurgedByAltinn = true }
local unpublished = { Initialized = true, ReadyForPublish = true, Failed = true }

local function sender_fault(letter)
  local status = letters.highest(letter).status
  return purged[status] and 1014 or not unpublished[status] and 1013 or nil
end

local function recipient_fault(letter)
  if purged[letters.highest(letter).status] then return 1014 end
  if not is_available(letter) then return 1001 end
  return letter.confirmation and not letters.has_been(letter, "Confirmed") and 1026 or nil
end

-- By whom a letter is purged, "sender" or "recipient"; or nil and the number of the error.
local function purger(letter, roles, caller)
  if roles.sender and (caller.writes or not roles.recipient) then
    local fault = sender_fault(letter)
    return not fault and "sender" or nil, fault
  end
  local fault = recipient_fault(letter)
  return not fault and "recipient" or nil, fault
end

local function purge(emulator, request)
  local letter, refusal, roles, caller = access.letter(emulator, request, "both")
  if not letter then return refusal end
  if letter.transmission then return errors.problem(request, 1043) end
  local by, fault = purger(letter, roles, caller)
  if not by then return errors.problem(request, fault) end
  emulator.letters:purge(letter, by)
  return reply_json(request, letter.id)
end

-- Downloading and forwarding.

local function entry_of(letter, id)
  for _, entry in ipairs(letter.attachments) do
    if entry.file.id == id then return entry end
  end
  return nil
end

-- The attachment of a call's path, and its letter; or nil and the refusal.
local function find_attachment(emulator, request)
  local caller, refusal = access.caller(emulator, request, "recipient")
  if not caller then return nil, refusal end
  local ids = {}
  for name, parameter in pairs { correspondenceId = "id", attachmentId = "attachment" } do
    ids[name], refusal = access.id(request, name, request.parameters[parameter])
    if refusal then return nil, refusal end
  end
  local letter = emulator.letters.by_id[ids.correspondenceId]
  if not letter then return nil, errors.problem(request, 1001) end
  local entry = entry_of(letter, ids.attachmentId)
  if not entry then return nil, errors.problem(request, 2001) end
  if not access.roles(emulator, caller, letter).recipient then return nil, errors.problem(request, 4001) end
  return entry, nil, letter
end

local function download(emulator, request)
  local entry, refusal, letter = find_attachment(emulator, request)
  if not entry then return refusal end
  local fault = files.download_fault(entry.file)
  local too_late = entry.expires and entry.expires <= emulator.clock:now()
  fault = fault or too_late and 2020 or not is_available(letter) and 1001
  if fault then return errors.problem(request, fault) end
  emulator.letters:download(letter, entry.file)
  return view.download(entry.file)
end

local function is_address(text)
  return text:find("^[^%s@;]+@[%w.-]+%.%a%a+$") ~= nil
end

local function forward_fault(letter, address, text)
  if not is_address(address) then return 3011 end
  if #address > 1000 then return 3027 end
  if letter.spec.allowForwarding ~= true then return 1063 end
  if text and (utf8.len(text) or #text) > 200 then return 1066 end
  if text and text:find("<%a") then return 1067 end
  if not letters.has_been(letter, "Read") then return 1065 end
  return letter.forwarded_to[address:lower()] and 1064 or nil
end

local function forward(emulator, request)
  local letter, refusal = access.letter(emulator, request, "recipient")
  if not letter then return refusal end
  if not router.is_json(request) then return router.problem(415) end
  local wanted, message, member = shape.read(wire.decode(request.body),
    { forwardTo = "text", forwardingText = "text" }, "drop")
  if not wanted then return errors.invalid(request, member, message) end
  if not wanted.forwardTo then return errors.invalid(request, "forwardTo", "The ForwardTo field is required.") end
  local fault = forward_fault(letter, wanted.forwardTo, wanted.forwardingText)
  if fault then return errors.problem(request, fault) end
  emulator.letters:forward(letter, wanted.forwardTo:lower())
  return reply_json(request, wire.uuid())
end

--- Adds its routes to an emulator's.
---@param emulator table
---@param routes table
function M.routes(emulator, routes)
  local base = "/correspondence/api/v1/correspondence"
  local function add(method, path, handler)
    routes:add(method, base .. path, function(request) return handler(emulator, request) end)
  end
  add("GET", "", letters_list.list)
  add("POST", "", letters_create.create)
  add("GET", "/{id}", overview)
  add("GET", "/{id}/details", details)
  add("GET", "/{id}/content", content)
  add("POST", "/{id}/markasread", mark_read)
  add("POST", "/{id}/confirm", confirm)
  add("DELETE", "/{id}/purge", purge)
  add("POST", "/{id}/forward", forward)
  add("GET", "/{id}/attachment/{attachment}/download", download)
end

return M
