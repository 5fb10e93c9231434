-- The events that letters and attachments raise, as Altinn writes them.
local publish = require "altinn.events.emulator.publish"
local wire = require "altinn.events.emulator.wire"

local M = {}

local PREFIX = "no.altinn.correspondence."

--- An organisation or a person as /organisation/{number} or /person/{number}.
---@param world table
---@param urn string
---@return string|nil nil: it is neither
function M.alternative(world, urn)
  local number, kind = world.number(urn)
  if not number then return nil end
  return (kind == "organization" and "/organisation/" or "/person/") .. number
end

-- An emulator that is silent raises no events by itself.

-- nil and a message when these parts make no event.
local function build(emulator, name, party, kind, resource, instance)
  local world, subject = emulator.world, party
  local number = world.number(party)
  if number and emulator.switches.on["party-subjects"] then subject = "/party/" .. world:party_id(number) end
  return publish.own_record {
    { "specversion", "1.0" }, { "id", wire.uuid() }, { "type", PREFIX .. name },
    { "time", wire.time(emulator.clock:now()) }, { "resource", "urn:altinn:resource:" .. resource },
    { "resourceinstance", instance }, { "subject", subject }, { "alternativesubject", M.alternative(world, party) },
    { "source", ("%s/correspondence/api/v1/%s"):format(emulator.platform, kind) },
  }
end

--- Why no event can be about a letter with this resource, sender and
--- recipient; or nil.
---@param emulator table
---@param spec table
---@return string|nil
function M.fault(emulator, spec)
  local key = ("%s %s %s"):format(spec.resource, spec.sender, spec.recipient)
  if emulator.last_fine == key then return nil end  -- most letters are like the one before
  for _, role in ipairs { "sender", "recipient" } do
    local party = emulator.world:urn(spec[role])
    local event, message = build(emulator, "correspondenceinitialized", party, "correspondence", spec.resource, "x")
    if not event then return ("resource '%s' and %s make no event: %s"):format(spec.resource, role, message) end
  end
  emulator.last_fine = key
end

--- Raises an event about a letter.
---@param emulator table
---@param letter table
---@param name string of the event, without its prefix
---@param to string "sender" or "recipient"
function M.raise(emulator, letter, name, to)
  if emulator.silent then return end
  local function publish_to(party)
    emulator.events:publish(assert(build(emulator, name, party, "correspondence", letter.resource, letter.id)))
  end
  publish_to(to == "sender" and letter.sender or letter.recipient)
  if to == "recipient" and emulator.switches.on["sender-copies"] then publish_to(letter.sender) end
end

--- Raises the event about a notification order that was accepted.
---@param emulator table
---@param letter table
---@param order table
function M.raise_order(emulator, letter, order)
  if emulator.silent then return end
  emulator.events:publish(assert(build(emulator, "notificationcreated", letter.sender, "notification", letter.resource,
    order.id)))
end

--- Raises an event about an attachment: always to the sender.
---@param emulator table
---@param one table
---@param name string
function M.raise_attachment(emulator, one, name)
  if emulator.silent then return end
  emulator.events:publish(assert(build(emulator, name, one.sender, "attachment", one.resource, one.id)))
end

--- Raises Dialogporten's event about a letter's dialog, when it is switched
--- on.
---@param emulator table
---@param letter table
---@param kind string "created" or "deleted"
function M.raise_dialog(emulator, letter, kind)
  if emulator.silent or not emulator.switches.on.dialogporten then return end
  emulator.events:publish(assert(publish.record(wire.encode(wire.object {
    { "specversion", "1.0" }, { "id", wire.uuid() }, { "type", "dialogporten.dialog." .. kind .. ".v1" },
    { "time", wire.time(emulator.clock:now()) }, { "resource", "urn:altinn:resource:" .. letter.resource },
    { "resourceinstance", letter.dialog }, { "subject", letter.recipient },
    { "source", ("%s/dialogporten/api/v1/enduser/dialogs/%s"):format(emulator.platform, letter.dialog) },
  }))))
end

return M
