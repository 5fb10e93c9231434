-- What the control interface plays: events out of nothing, letters and their
-- steps.
local events = require "altinn.events"
local letters = require "altinn.events.emulator.letters"
local publish = require "altinn.events.emulator.publish"
local router = require "altinn.events.emulator.router"
local shape = require "altinn.events.emulator.shape"
local suggest = require "altinn.events.support.suggest"
local view = require "altinn.events.emulator.letters_view"
local wire = require "altinn.events.emulator.wire"

local M = {}

local MOST = 10000   -- events of one call

local function wrong(message)
  return router.plain(400, wire.object { { "error", message } })
end

--- A resource as a URN.
---@param text string a URN or the short form
---@return string
function M.resource_urn(text)
  return text:find("^urn:") and text or "urn:altinn:resource:" .. text
end

-- Events.

local order = { "specversion", "id", "type", "time", "resource", "resourceinstance", "subject", "alternativesubject",
  "source" }

local kinds = { letter = "correspondence", attachment = "attachment", order = "notification" }

local function type_of(name)
  if name:find("[.]") then return name, nil end
  local ok, entry = pcall(function() return events.types[name] end)
  if not ok then return nil, (entry:gsub("^.-:%d+: ", "")) end
  return entry.type, entry
end

-- The attributes that were not given, as Altinn would have them.
local function fill(emulator, wanted, kind, entry)
  local world = emulator.world
  local party = wanted.party or (entry and entry.addressed_to == "sender" and wanted.sender) or wanted.recipient
    or world.organisation
  local subject = world:urn(party)
  local number, sort = world.number(subject)
  local place = entry and kinds[entry.about] or "correspondence"
  return {
    specversion = "1.0", id = wire.uuid(), type = kind, time = wire.time(emulator.clock:now()),
    resource = M.resource_urn(wanted.resource or "acme-letters"), resourceinstance = wire.uuid(), subject = subject,
    alternativesubject = number and (sort == "organization" and "/organisation/" or "/person/") .. number,
    source = ("%s/correspondence/api/v1/%s"):format(emulator.platform, place),
  }
end

-- What a short description may say beside attributes.
local short_members = { count = "count", order = "text", party = "name", sender = "name", recipient = "name",
  dead = "boolean", resource = "name", type = "name" }

-- One event of a short description; what is given counts, and false leaves an attribute out.
local function canned(emulator, wanted)
  local kind, entry = type_of(wanted.type)
  if not kind then return nil, entry end
  if entry and not entry.raised and wanted.dead ~= true then
    return nil, ("Altinn never raises '%s'; to have it all the same add \"dead\": true"):format(wanted.type)
  end
  local values = fill(emulator, wanted, kind, entry)
  local members, named = {}, {}
  for name, value in pairs(wanted) do
    if not short_members[name] then values[name] = value end
  end
  for _, name in ipairs(order) do
    members[#members + 1] = { name, values[name] or nil }
    named[name] = true
  end
  for name, value in pairs(values) do
    if not named[name] then members[#members + 1] = { name, value or nil } end
  end
  return publish.record(wire.encode(wire.object(members)))
end

local function several(emulator, body)
  local wanted, why = shape.read(body, short_members, "keep")
  if not wanted then return nil, why end
  local count = wanted.count or 1
  if count > MOST then return nil, "count must be a whole number from 1 to " .. MOST end
  local list = {}
  for index = 1, count do
    local record, message = canned(emulator, wanted)
    if not record then return nil, message end
    list[index] = record
  end
  if wanted.order == "random" then
    for index = #list, 2, -1 do
      local other = math.random(index)
      list[index], list[other] = list[other], list[index]
    end
  end
  return list
end

-- Octets as they are, to one subscription; or wherever they fit, when they are an event.
local function raw(emulator, wanted)
  local record = publish.record(wanted.raw)
  local s = wanted.subscription ~= nil and emulator.subscriptions.by_id[wanted.subscription]
  if wanted.subscription ~= nil and not s then return wrong "there is no such subscription" end
  if not record and not s then
    return wrong "that is no event: name the subscription that is to get it"
  end
  record = record or { id = "raw", type = "raw", source = "raw" }
  record.body = wanted.raw
  if s then emulator.deliveries:push(record, s) else emulator.events:publish(record) end
  return router.plain(202, wire.object { { "count", 1 }, { "ids", wire.list { record.id } } })
end

--- Publishes events: a full one, octets, or a short description.
---@param emulator table
---@param _ table
---@param body table
---@return table reply
function M.publish(emulator, _, body)
  if type(body.raw) == "string" then return raw(emulator, body) end
  local list, message
  if type(body.event) == "table" then
    list = {}
    list[1], message = publish.record(wire.encode(body.event))
    if not list[1] then list = nil end
  elseif type(body.type) == "string" then
    list, message = several(emulator, body)
  else
    message = "an event needs a type"
  end
  if not list then return wrong(message) end
  local ids = wire.list {}
  for index, record in ipairs(list) do
    ids[index] = record.id
    emulator.events:publish(record)
  end
  return router.plain(201, wire.object { { "count", #ids }, { "ids", ids }, { "dead", body.dead } })
end

-- Letters.

local function letter_view(letter)
  local shown = view.details(letter, true)
  table.insert(shown, 1, { "id", letter.id })
  return shown
end

local letter_members = { resource = "name", sender = "name", recipient = "name", title = "text", summary = "text",
  body = "text", language = "text", sendersReference = "text", messageSender = "text", hold = "boolean",
  requestedPublishTime = "time", dueDateTime = "time", isConfirmationNeeded = "boolean", isConfidential = "boolean",
  allowForwarding = "boolean", ignoreReservation = "boolean", externalReferences = "list", propertyList = "object",
  replyOptions = "list", attachments = "list", idempotentKey = "text" }

local attachment_members = { content = "text", size = "size", pattern = "name", cut = "size", scan = "boolean" }
for name, kind in pairs(letters.attachment_members) do attachment_members[name] = kind end

-- The attachments of a letter, each an id or a description; nil and what is wrong.
local function read_attachments(emulator, list)
  local read = {}
  for index, one in ipairs(list or {}) do
    local message
    if type(one) == "string" then
      read[index] = emulator.letters.attachments[one] and one
      message = "there is no attachment " .. one
    else
      read[index], message = shape.read(one, attachment_members)
    end
    if not read[index] then return nil, "attachments: " .. message end
  end
  return read
end

--- Creates a letter; it is published at its time, or held with "hold": true.
---@param emulator table
---@param _ table
---@param body table
---@return table reply
function M.create(emulator, _, body)
  local spec, message = shape.read(body, letter_members)
  if not spec then return wrong(message) end
  spec.resource = (spec.resource or "acme-letters"):gsub("^urn:altinn:resource:", "")
  spec.sender = spec.sender or "991825827"
  spec.recipient = spec.recipient or emulator.world.organisation
  spec.title, spec.body = spec.title or "A letter", spec.body or "Hello"
  spec.attachments, message = read_attachments(emulator, spec.attachments)
  message = message or emulator.letters:fault(spec)
  if message then return wrong(message) end
  return router.plain(201, letter_view(emulator.letters:create(spec)))
end

--- All letters.
---@param emulator table
---@return table reply
function M.list(emulator)
  local rows = wire.list {}
  for index, letter in ipairs(emulator.letters.list) do
    rows[index] = wire.object { { "id", letter.id }, { "resource", letter.resource }, { "sender", letter.sender },
      { "recipient", letter.recipient }, { "status", letters.highest(letter).status } }
  end
  return router.plain(200, wire.object { { "count", #rows }, { "letters", rows } })
end

--- One letter, with its content and history.
---@param emulator table
---@param request table
---@return table reply
function M.show(emulator, request)
  local letter = emulator.letters.by_id[request.parameters.id]
  return letter and router.plain(200, letter_view(letter)) or router.empty(404)
end

local steps = {
  publish = function(all, letter) all:publish(letter) end,
  ["publish-failed"] = function(all, letter, body) all:fail(letter, body.text) end,
  fetch = function(all, letter) all:fetch(letter) end,
  read = function(all, letter) all:read(letter) end,
  confirm = function(all, letter) all:confirm(letter) end,
  purge = function(all, letter, body) all:purge(letter, body.by == "sender" and "sender" or "recipient") end,
  due = function(all, letter) all:due(letter) end,
  ["never-read"] = function(all, letter) all:raise(letter, "correspondencereceiverneverread", "recipient") end,
  ["never-confirmed"] = function(all, letter)
    all:raise(letter, "correspondencereceiverneverconfirmed", "recipient")
  end,
  forward = function(all, letter) all:forward(letter) end,
  notify = function(all, letter, body) all:notify(letter, body.reminder) end,
}
for step, name in pairs(letters.notification_events) do
  steps[step] = function(all, letter) all:raise(letter, name, "sender") end
end

--- The names of the steps, sorted.
M.steps = {}
for name in pairs(steps) do M.steps[#M.steps + 1] = name end
table.sort(M.steps)

local step_members = { by = "text", text = "text", reminder = "boolean", pause = "span", steps = "names" }

local LIFE = { "publish", "fetch", "read", "confirm" }

local function walk(emulator, letter, body)
  local pause, list = body.pause or 60, body.steps or LIFE
  for _, name in ipairs(list) do
    if not steps[name] then return ("there is no step '%s'%s"):format(tostring(name), suggest.hint(name, steps)) end
  end
  for index, name in ipairs(list) do
    emulator.clock:after(pause * (index - 1), function() steps[name](emulator.letters, letter, body) end)
  end
end

--- A step in a letter's life, or all of them.
---@param emulator table
---@param request table
---@param body table
---@return table reply
function M.step(emulator, request, body)
  local letter, name = emulator.letters.by_id[request.parameters.id], request.parameters.step
  if not letter then return router.empty(404) end
  local how, message = shape.read(body, step_members)
  if not how then return wrong(message) end
  if name == "walk" then message = walk(emulator, letter, how)
  elseif steps[name] then steps[name](emulator.letters, letter, how)
  else message = ("there is no step '%s'%s; there are %s, walk"):format(name, suggest.hint(name, steps),
    table.concat(M.steps, ", ")) end
  return message and wrong(message) or router.plain(200, letter_view(letter))
end

local attachment_steps = { publish = "publish_attachment", fail = "fail_attachment", expire = "expire_attachment",
  purge = "purge_attachment" }

--- A step in an attachment's life.
---@param emulator table
---@param request table
---@return table reply
function M.attachment_step(emulator, request)
  local all, name = emulator.letters, request.parameters.step
  local one = all.attachments[request.parameters.id]
  if not one then return router.empty(404) end
  local method = attachment_steps[name]
  if not method then
    return wrong(("there is no step '%s'%s"):format(name, suggest.hint(name, attachment_steps)))
  end
  all[method](all, one)
  return router.plain(200, view.attachment(one, true))
end

return M
