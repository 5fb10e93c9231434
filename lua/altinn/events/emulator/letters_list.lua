-- The letters' API: the listing of ids and its parameters.
local access = require "altinn.events.emulator.letters_access"
local errors = require "altinn.events.emulator.letters_errors"
local letters = require "altinn.events.emulator.letters"
local router = require "altinn.events.emulator.router"
local wire = require "altinn.events.emulator.wire"

local M = {}

local MOST = 1000

local roles_known = { recipient = true, sender = true, recipientandsender = true }

local function status_named(text)
  for name, number in pairs(letters.statuses) do
    if name:lower() == text:lower() or tostring(number) == text then return name end
  end
  return nil
end

local ORGANISATION, PERSON = "urn:altinn:organization:identifier-no", "urn:altinn:person:identifier-no"
local NO_PARTY = ("OnBehalfOf must be either a valid organization number (format: '%s:organizationnumber' or"
  .. " '0192:organizationnumber') or a valid national identity number (format: '%s:nationalidentitynumber' or just"
  .. " 'nationalidentitynumber')"):format(ORGANISATION, PERSON)

-- The number of the party on whose behalf the caller asks; or nil and the fault.
local function read_party(text)
  local organisation = text:match("^" .. ORGANISATION:gsub("%-", "%%-") .. ":(%d%d%d%d%d%d%d%d%d)$")
    or text:match("^0192:(%d%d%d%d%d%d%d%d%d)$")
  if organisation then return organisation end
  local person = text:match("^" .. PERSON:gsub("%-", "%%-") .. ":(%d+)$") or text:match("^(%d+)$")
  if not person or #person ~= 11 then return nil, NO_PARTY end
  if not wire.is_person(person) then return nil, "The given OnBehalfOf national identity number is not valid" end
  return person
end

-- The value that was read; or nil and the server's text for a malformed one.
local function read_as(value, text)
  if value then return value end
  return nil, ("The value '%s' is not valid."):format(text)
end

-- Parameter -> the reader of its text: the value, or nil and the fault.
local readers = {
  from = function(text) return read_as(wire.parse_time((text:gsub(" ", "+"))), text) end,
  to = function(text) return read_as(wire.parse_time((text:gsub(" ", "+"))), text) end,
  status = function(text) return read_as(status_named(text), text) end,
  idempotentKey = function(text) return read_as(wire.guid(text), text) end,
  altinn2CorrespondenceId = function(text) return read_as(text:match("^%-?%d+$"), text) end,
  onBehalfOf = read_party,
  sendersReference = function(text) return text end,
}

local order = { "from", "to", "status", "onBehalfOf", "sendersReference", "idempotentKey", "altinn2CorrespondenceId" }

-- The wish of a call; or nil and the refusal.
local function read(request)
  local function get(name) return router.parameter(request, name) end
  local resource, role = get "resourceId", get "role" or ""
  if not resource or resource == "" then
    return nil, errors.invalid(request, "resourceId", "The resourceId field is required.")
  end
  if not roles_known[role:lower()] then
    return nil, errors.invalid(request, "role", ("The value '%s' is not valid for Role."):format(role))
  end
  local wanted = { resource = resource, role = role:lower() }
  for _, name in ipairs(order) do
    local text = get(name)
    if text and text ~= "" then
      local value, message = readers[name](text)
      if message then return nil, errors.invalid(request, name, message) end
      wanted[name] = value
    end
  end
  return wanted
end

-- The server's filter by status, for each role. The server keeps Fetched elsewhere, so a search for it finds no letter.
local never_received = { Initialized = true, ReadyForPublish = true, Failed = true }

local function suits_sender(wanted, letter, is_sender)
  if not (is_sender and wanted.status) then return true end
  return wanted.status ~= "Fetched" and letters.has_been(letter, wanted.status) ~= nil
end

local function suits_recipient(wanted, letter, is_recipient)
  if is_recipient and wanted.status then
    return not never_received[wanted.status] and suits_sender(wanted, letter, true)
  end
  return not never_received[letters.latest(letter).status]
end

local function suits_role(emulator, wanted, party, letter)
  local number = emulator.world.number
  local is_recipient = number(letter.recipient) == party
  local is_sender = number(letter.sender) == party or emulator.world:owner(letter.resource) == party
  if wanted.role == "recipient" then return is_recipient and suits_recipient(wanted, letter, true) end
  if wanted.role == "sender" then return is_sender and suits_sender(wanted, letter, true) end
  return (is_recipient or is_sender)
    and (suits_sender(wanted, letter, is_sender) or suits_recipient(wanted, letter, is_recipient))
end

local function suits(emulator, wanted, party, letter)
  return letter.resource == wanted.resource and (not wanted.from or letter.requested > wanted.from)
    and (not wanted.to or letter.requested < wanted.to)
    and (not wanted.sendersReference or letter.spec.sendersReference == wanted.sendersReference)
    and suits_role(emulator, wanted, party, letter)
end

-- The ids that are found. A key and an old number answer alone, without the other filters.
local function find(emulator, wanted, party)
  if wanted.idempotentKey then
    local letter = emulator.letters.by_key[wanted.idempotentKey]
    return wire.list { letter and letter.id }
  end
  if wanted.altinn2CorrespondenceId then return wire.list {} end
  local found, ids = {}, wire.list {}
  for _, letter in ipairs(emulator.letters.list) do
    if suits(emulator, wanted, party, letter) then found[#found + 1] = letter end
  end
  table.sort(found, function(a, b)
    if a.requested ~= b.requested then return a.requested > b.requested end
    return a.id < b.id
  end)
  for index = 1, math.min(#found, MOST) do ids[index] = found[index].id end
  return ids
end

--- GET correspondence.
---@param emulator table
---@param request table
---@return table reply
function M.list(emulator, request)
  local caller, refusal = access.caller(emulator, request, "both")
  if not caller then return refusal end
  local wanted
  wanted, refusal = read(request)
  if not wanted then return refusal end
  if wanted.from and wanted.to and wanted.from > wanted.to then return errors.problem(request, 1027) end
  wanted.resource = wanted.resource:match("^urn:altinn:resource:(.*)$") or wanted.resource
  local party = wanted.onBehalfOf or caller.party
  if party ~= caller.party and not caller.owns(wanted.resource) then return errors.problem(request, 4001) end
  if not router.accepts(request, "application/json") then return router.empty(406) end
  return router.json(200, wire.object { { "ids", find(emulator, wanted, party) } }, { ["Cache-Control"] = "no-store" })
end

return M
