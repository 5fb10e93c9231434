-- The scenes of the control interface: invented events, letters and their steps.
local events = require "altinn.events"
local files = require "altinn.events.emulator.files"
local json_text = require "altinn.events.emulator.json_text"
local letters = require "altinn.events.emulator.letters"
local letters_events = require "altinn.events.emulator.letters_events"
local letters_shape = require "altinn.events.emulator.letters_shape"
local notice = require "altinn.events.emulator.letters_notice"
local orders = require "altinn.events.emulator.orders"
local publish = require "altinn.events.emulator.publish"
local router = require "altinn.events.emulator.router"
local shape = require "altinn.events.emulator.shape"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local view = require "altinn.events.emulator.letters_view"
local wire = require "altinn.events.emulator.wire"

local M = {}

local MOST = 10000   -- events of one call

--- The reply to a malformed call; identity numbers in it are masked.
---@param message string
---@return table reply
function M.wrong(message)
  return router.plain(400, wire.object { { "error", events.mask(message) } })
end

local wrong = M.wrong

--- The reply for an unknown thing.
---@param what string
---@param id string
---@param path string where they are listed
---@return table reply
function M.missing(what, id, path)
  local reply = wrong(("there is no %s %s; GET /emulator%s lists them"):format(what, id, path))
  reply.status = 404
  return reply
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

local OLD_APP = "urn:altinn:resource:altinnapp."
local is_usual = {}
for _, attribute in ipairs(order) do is_usual[attribute] = true end

local kinds = { letter = "correspondence", attachment = "attachment", order = "notification" }

-- The full type of an event and, of a short name, its entry in the catalogue; nil and a message.
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

-- The members of a short description beside attributes.
local short_members = { count = "count", order = "text", party = "name", sender = "name", recipient = "name",
  dead = "boolean", resource = "name", type = "name" }

-- The catalogue's entry of a full type, or nil.
local function entry_of(kind)
  return events.types[kind:match("([^.]+)$")]
end

--- The event that Altinn raises about a thing at this moment.
---@param emulator table
---@param name string a type, short or full
---@param about { id: string|nil, resource: string|nil, sender: string|nil, recipient: string|nil } of the thing
---@param attributes table<string, any> that are given; false leaves one out
---@return table|nil record
---@return string|nil message
function M.event(emulator, name, about, attributes)
  local kind, entry = type_of(name)
  if not kind then return nil, entry end
  if not entry then
    local known
    known, entry = pcall(entry_of, kind)
    entry = known and entry.type == kind and entry or nil
  end
  local values, members = fill(emulator, about, kind, entry), {}
  values.resourceinstance = about.id or values.resourceinstance
  local plain = not values.resource:find(OLD_APP, 1, true)
  for attribute, value in pairs(attributes) do
    values[attribute] = value
    plain = plain and type(value) == "string" and is_usual[attribute] and attribute ~= "time"
      and attribute ~= "resource"
  end
  for _, attribute in ipairs(order) do
    members[#members + 1] = { attribute, values[attribute] or nil }
    values[attribute] = nil
  end
  if plain then return publish.own_record(members) end
  for _, attribute in ipairs(sorted(values)) do members[#members + 1] = { attribute, values[attribute] or nil } end
  return publish.record(wire.encode(wire.object(members)))
end

-- One event of a short description; `texts` are its members as they were given. What is given counts, and false leaves
-- an attribute out.
local function canned(emulator, wanted, texts)
  local kind, entry = type_of(wanted.type)
  if not kind then return nil, entry end
  if entry and not entry.raised and wanted.dead ~= true then
    return nil, ("Altinn never raises '%s'; to have it all the same add \"dead\": true"):format(wanted.type)
  end
  local values, members, named = fill(emulator, wanted, kind, entry), {}, {}
  local function add(name, value)
    if texts[name] and not short_members[name] then value = texts[name] ~= "false" and wire.raw(texts[name]) or nil end
    members[#members + 1] = { name, value }
    named[name] = true
  end
  for _, name in ipairs(order) do add(name, values[name]) end
  for _, name in ipairs(texts) do
    if not named[name] and not short_members[name] then add(name) end
  end
  return publish.record(wire.encode(wire.object(members)))
end

local function several(emulator, body, texts)
  local wanted, why = shape.read(body, short_members, "keep")
  if not wanted then return nil, why end
  local count = wanted.count or 1
  if count > MOST then return nil, "count must be a whole number from 1 to " .. MOST end
  local list = {}
  for index = 1, count do
    local record, message = canned(emulator, wanted, texts)
    if not record then return nil, message end
    list[index] = record
  end
  if wanted.order == "random" then
    for index = #list, 2, -1 do
      local other = wire.random(index)
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

-- The members of a body as they were given: text by name, and the names in order.
local function texts_of(body)
  local texts = {}
  for _, member in ipairs(json_text.members(json_text.compact(body:match("^%s*(.*)$")))) do
    if not texts[member[1]] then texts[#texts + 1] = member[1] end
    texts[member[1]] = member[2]
  end
  return texts
end

--- Publishes events: a full one, octets, or a short description. What is
--- given is pushed as it was given.
---@param emulator table
---@param request table
---@param body table
---@return table reply
function M.publish(emulator, request, body)
  if type(body.raw) == "string" then return raw(emulator, body) end
  local texts = texts_of(request.body)
  local list, message
  if type(body.event) == "table" then
    list = {}
    list[1], message = publish.record(texts.event)
    if not list[1] then list = nil end
  elseif type(body.type) == "string" then
    list, message = several(emulator, body, texts)
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

local function letter_view(emulator, letter)
  local shown = view.details(letter, { content = true, all = true }, emulator)
  table.insert(shown, 1, { "id", letter.id })
  return shown
end

local letter_members = { resource = "name", sender = "name", recipient = "name", title = "text", summary = "text",
  body = "text", language = "text", sendersReference = "text", messageSender = "text", hold = "boolean",
  requestedPublishTime = "time", dueDateTime = "time", isConfirmationNeeded = "boolean", isConfidential = "boolean",
  allowForwarding = "boolean", ignoreReservation = "boolean", externalReferences = "list", propertyList = "object",
  replyOptions = "list", attachments = "list", idempotentKey = "text", notification = "object" }

local attachment_members = { content = "text", size = "size", pattern = "name", cut = "size", scan = "scan" }
for name, kind in pairs(files.members) do attachment_members[name] = kind end

-- The attachments of a letter, each an id or a description; or nil and the fault.
local function read_attachments(emulator, list)
  local read = {}
  for index, one in ipairs(list or {}) do
    local message
    if type(one) == "string" then
      read[index] = emulator.files.by_id[one]
      message = "there is no attachment " .. one
    else
      read[index], message = shape.read(one, attachment_members)
      if read[index] then read[index].scan = read[index].scan == nil and 0 or read[index].scan end
    end
    if not read[index] then return nil, "attachments: " .. message end
  end
  return read
end

-- The letter's notification; or nil and Altinn's message when it is wrong.
local function read_notification(value)
  if not value then return nil end
  local wanted, member, message = notice.read(value)
  return wanted, message and ("notification: %s: %s"):format(member, message)
end

-- The letter that a call describes; or nil and the fault.
local function read_letter(emulator, body)
  local spec, message = shape.read(body, letter_members)
  if not spec then return nil, message end
  local member, fault = letters_shape.lists_fault(spec)
  if member then return nil, member .. ": " .. fault end
  spec.resource = (spec.resource or "acme-letters"):gsub("^urn:altinn:resource:", "")
  spec.sender = spec.sender or emulator.world:owner(spec.resource)
  if not spec.sender then return nil, ("the world says that there is no resource '%s'"):format(spec.resource) end
  spec.recipient = spec.recipient or emulator.world.organisation
  spec.title, spec.body = spec.title or "A letter", spec.body or "Hello"
  spec.attachments, message = read_attachments(emulator, spec.attachments)
  if message then return nil, message end
  spec.notification, message = read_notification(spec.notification)
  message = message or letters_events.fault(emulator, spec)
  if message then return nil, message end
  return spec
end

--- Creates a letter; it is published at its time, or held with `hold`.
---@param emulator table
---@param values table of letter_members
---@return table|nil letter
---@return string|nil message
function M.letter(emulator, values)
  local spec, message = read_letter(emulator, values)
  if not spec then return nil, message end
  return emulator.letters:create(spec)
end

--- The same as a call.
---@param emulator table
---@param _ table
---@param body table
---@return table reply
function M.create(emulator, _, body)
  local letter, message = M.letter(emulator, body)
  if not letter then return wrong(message) end
  return router.plain(201, letter_view(emulator, letter))
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
  if not letter then return M.missing("letter", request.parameters.id, "/letters") end
  return router.plain(200, letter_view(emulator, letter))
end

-- Steps in a letter's life; a step that is not possible gives a message.
local steps = {
  publish = function(emulator, letter)
    local file = emulator.letters:publish(letter)
    return file and ("the letter waits for its attachment %s: POST /emulator/attachments/%s/publish"):format(
      file.file_name, file.id)
  end,
  ["publish-failed"] = function(emulator, letter, body) emulator.letters:fail(letter, body.text) end,
  fetch = function(emulator, letter) emulator.letters:fetch(letter, emulator.world.number(letter.recipient)) end,
  read = function(emulator, letter) emulator.letters:read(letter) end,
  confirm = function(emulator, letter) emulator.letters:confirm(letter) end,
  purge = function(emulator, letter, body)
    emulator.letters:purge(letter, body.by == "sender" and "sender" or "recipient")
  end,
  due = function(emulator, letter) emulator.letters:check_due(letter) end,
  ["never-read"] = function(emulator, letter)
    letters_events.raise(emulator, letter, "correspondencereceiverneverread", "recipient")
  end,
  ["never-confirmed"] = function(emulator, letter)
    letters_events.raise(emulator, letter, "correspondencereceiverneverconfirmed", "recipient")
  end,
  forward = function(emulator, letter) emulator.letters:forward(letter) end,
  notify = function(emulator, letter, body) orders.notify(emulator, letter, body.reminder) end,
}
for step in pairs(orders.steps) do
  steps[step] = function(emulator, letter) orders.step(emulator, letter, step) end
end

--- The names of the steps, sorted.
M.steps = sorted(steps)

local step_members = { by = "text", text = "text", reminder = "boolean", pause = "span", steps = "names" }

local LIFE = { "publish", "fetch", "read", "confirm" }

local function walk(emulator, letter, body)
  local pause, list = body.pause or 60, body.steps or LIFE
  for _, name in ipairs(list) do
    if not steps[name] then return ("there is no step '%s'%s"):format(tostring(name), suggest.hint(name, steps)) end
  end
  for index, name in ipairs(list) do
    emulator.clock:after(pause * (index - 1), function() steps[name](emulator, letter, body) end)
  end
end

--- Takes a step in a letter's life, or walks all of them.
---@param emulator table
---@param letter table
---@param name string
---@param values table of step_members
---@return string|nil message why it cannot be taken
function M.take_step(emulator, letter, name, values)
  local how, message = shape.read(values, step_members)
  if not how then return message end
  if name == "walk" then return walk(emulator, letter, how) end
  if steps[name] then return steps[name](emulator, letter, how) end
  return ("there is no step '%s'%s; there are %s, walk"):format(name, suggest.hint(name, steps),
    table.concat(M.steps, ", "))
end

--- A step in a letter's life, or all of them.
---@param emulator table
---@param request table
---@param body table
---@return table reply
function M.step(emulator, request, body)
  local letter = emulator.letters.by_id[request.parameters.id]
  if not letter then return M.missing("letter", request.parameters.id, "/letters") end
  local message = M.take_step(emulator, letter, request.parameters.step, body)
  return message and wrong(message) or router.plain(200, letter_view(emulator, letter))
end

local attachment_steps = {
  publish = function(all, one) all:publish(one) end,
  fail = function(all, one, body) all:fail(one, body.text) end,
  expire = function(all, one) all:expire(one) end,
  purge = function(all, one) all:purge(one) end,
}

--- The names of the steps of attachments, sorted.
M.attachment_steps = sorted(attachment_steps)

--- Takes a step in an attachment's life.
---@param emulator table
---@param one table
---@param name string
---@param values table { text }
---@return string|nil message why it cannot be taken
function M.take_attachment_step(emulator, one, name, values)
  local how, message = shape.read(values, { text = "text" })
  if not how then return message end
  if not attachment_steps[name] then
    return ("there is no step '%s'%s"):format(name, suggest.hint(name, attachment_steps))
  end
  attachment_steps[name](emulator.files, one, how)
end

--- A step in an attachment's life.
---@param emulator table
---@param request table
---@param body table
---@return table reply
function M.attachment_step(emulator, request, body)
  local one = emulator.files.by_id[request.parameters.id]
  if not one then return M.missing("attachment", request.parameters.id, "/letters/{id}") end
  local message = M.take_attachment_step(emulator, one, request.parameters.step, body)
  return message and wrong(message) or router.plain(200, view.attachment(one, true))
end

return M
