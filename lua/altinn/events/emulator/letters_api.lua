-- The letters' API: who may call, what is checked in which order, what a
-- call does.
local errors = require "altinn.events.emulator.letters_errors"
local letters = require "altinn.events.emulator.letters"
local router = require "altinn.events.emulator.router"
local shape = require "altinn.events.emulator.shape"
local view = require "altinn.events.emulator.letters_view"
local wire = require "altinn.events.emulator.wire"

local M = {}

local MOST = 1000
local READ, WRITE, OWNER = "altinn:correspondence.read", "altinn:correspondence.write", "altinn:serviceowner"

local NOT_EXCHANGED = "IDX10205: Issuer validation failed. Exchange the Maskinporten token for an Altinn token at"
  .. " /authentication/api/v1/exchange/maskinporten"

-- Access.

local function owner_of(emulator, entry, resource)
  local party = emulator.tokens:party(entry)
  if not emulator.tokens.has_scope(entry, OWNER) then return false end
  local owner = emulator.world.owners[resource]
  return owner == nil or owner == party
end

local function no_access(token_is_raw)
  if token_is_raw then return router.problem(403, NOT_EXCHANGED) end
  return router.empty(403)
end

--- Who calls: { entry, party, writes, owner(resource) }; or nil and the refusal.
---@param emulator table
---@param request table
---@param policy string "recipient", "sender" or "both"
---@return table|nil caller
---@return table|nil refusal
function M.caller(emulator, request, policy)
  local tokens = emulator.tokens
  local entry = tokens:bearer(request)
  if not entry then return nil, router.empty(401) end
  local reads, writes = tokens.has_scope(entry, READ), tokens.has_scope(entry, WRITE)
  if entry.kind == "maskinporten" then
    if policy == "recipient" or not (writes and tokens.has_scope(entry, OWNER)) then return nil, no_access(true) end
  end
  local enough = (policy == "recipient" and reads) or (policy == "sender" and writes)
    or (policy == "both" and (reads or writes))
  if not enough then return nil, no_access(false) end
  local party = tokens:party(entry)
  if not party then return nil, errors.problem(4006, request.path) end
  return { entry = entry, party = party, writes = writes,
    owner = function(resource) return owner_of(emulator, entry, resource) end }
end

-- What the caller is to a letter: recipient, sender; or that the policy grants it, or the owner's bypass does.
local function relation(emulator, caller, letter)
  local world, roles = emulator.world, {}
  roles.recipient = world.number(letter.recipient) == caller.party
  roles.sender = world.number(letter.sender) == caller.party
  if world.policy and not (roles.recipient or roles.sender) then
    local consumer = emulator.tokens.consumer(caller.entry) or ""
    roles.recipient = world:permits(consumer, "urn:altinn:resource:" .. letter.resource, "read", letter.recipient)
    roles.sender = world:permits(consumer, "urn:altinn:resource:" .. letter.resource, "write", letter.recipient)
  end
  if caller.owner(letter.resource) then roles.owner = true end
  return roles
end

-- A letter that the caller may see as wanted; or nil and the refusal.
local function find(emulator, request, policy)
  local caller, refusal = M.caller(emulator, request, policy)
  if not caller then return nil, refusal end
  local letter = emulator.letters.by_id[request.parameters.id]
  if not letter then return nil, errors.problem(1001, request.path) end
  local roles = relation(emulator, caller, letter)
  local fits = roles.owner or (policy ~= "sender" and roles.recipient) or (policy ~= "recipient" and roles.sender)
  if not fits then return nil, errors.problem(4001, request.path) end
  return letter, nil, roles, caller
end

-- The recipient sees it from publishing on, nobody after purging.
local function find_there(emulator, request, policy)
  local letter, refusal, roles, caller = find(emulator, request, policy)
  if not letter then return nil, refusal end
  local early = not letter.published and not (roles.sender or roles.owner)
  if letter.purged or early then return nil, errors.problem(1001, request.path) end
  return letter, nil, roles, caller
end

local function reply_json(request, status, value)
  if not M.accepts(request, "application/json") then return router.empty(406) end
  return router.json(status, value, { ["Cache-Control"] = "no-store" })
end

--- Whether the Accept list has room for a media type.
---@param request table
---@param media string
---@return boolean
function M.accepts(request, media)
  local accept = (request.headers.accept or ""):lower()
  if accept:match("^%s*$") then return true end
  local main = media:match("^[^/]+")
  for one in accept:gmatch("[^,]+") do
    local range = one:match("^%s*([^;%s]+)")
    if range == "*/*" or range == main .. "/*" or range == media then return true end
  end
  return false
end

-- Reading.

-- A token with the write scope counts as the sender: then Fetched is not recorded.
local function look(emulator, letter, roles, caller)
  if roles.recipient and letter.published and not caller.writes then emulator.letters:fetch(letter) end
  return roles.recipient or (roles.sender or roles.owner) and not letter.published or false
end

local function overview(emulator, request, show)
  local letter, refusal, roles, caller = find_there(emulator, request, "both")
  if not letter then return refusal end
  return reply_json(request, 200, show(letter, look(emulator, letter, roles, caller)))
end

local function content(emulator, request)
  local letter, refusal = find_there(emulator, request, "recipient")
  if not letter then return refusal end
  if not M.accepts(request, "text/plain") then return router.empty(406) end
  emulator.letters:read(letter)
  return { status = 200, body = letter.spec.body or "",
    headers = { ["Content-Type"] = "text/plain; charset=utf-8", ["Cache-Control"] = "no-store" } }
end

-- Acting.

local function mark_read(emulator, request)
  local letter, refusal = find_there(emulator, request, "recipient")
  if not letter then return refusal end
  if not letter.fetched then return errors.problem(1024, request.path) end
  if letter.read then return errors.problem(1040, request.path) end
  emulator.letters:read(letter)
  return reply_json(request, 200, letter.id)
end

local function confirm(emulator, request)
  local letter, refusal = find_there(emulator, request, "recipient")
  if not letter then return refusal end
  if not letter.fetched then return errors.problem(1025, request.path) end
  if letter.confirmed then return errors.problem(1041, request.path) end
  emulator.letters:confirm(letter)
  return reply_json(request, 200, letter.id)
end

-- The error that stands in the way of purging, or nil.
local function purge_fault(letter, as_recipient)
  if letter.purged then return 1014 end
  if not as_recipient then return letter.published and 1013 or nil end
  if not letter.published then return 1001 end
  return letter.confirmation and not letter.confirmed and 1026 or nil
end

local function purge(emulator, request)
  local letter, refusal, roles = find(emulator, request, "both")
  if not letter then return refusal end
  local as_recipient = roles.recipient and not (roles.sender and not letter.published)
  local fault = purge_fault(letter, as_recipient)
  if fault then return errors.problem(fault, request.path) end
  emulator.letters:purge(letter, as_recipient and "recipient" or "sender")
  return reply_json(request, 200, letter.id)
end

local function download(emulator, request)
  local letter, refusal = find_there(emulator, request, "recipient")
  if not letter then return refusal end
  local found
  for _, one in ipairs(letter.attachments) do
    if one.id == request.parameters.attachment then found = one end
  end
  if not found then return errors.problem(2001, request.path) end
  local faults = { Published = false, Expired = 2018, Purged = 2019, Failed = 1031 }
  local fault = faults[found.status]
  if fault ~= false then return errors.problem(fault or 1018, request.path) end
  emulator.letters:download(letter)
  return view.download(found)
end

local function forward_fault(letter, text)
  if letter.spec.allowForwarding ~= true then return 1063 end
  if letter.forwarded then return 1064 end
  if not letter.read then return 1065 end
  if text and (utf8.len(text) or #text) > 200 then return 1066 end
  return text and text:find("[<>]") and 1067 or nil
end

local function forward(emulator, request)
  local letter, refusal = find_there(emulator, request, "recipient")
  if not letter then return refusal end
  local wanted, message, member = shape.read(wire.decode(request.body),
    { forwardTo = "name", forwardingText = "text" }, "drop")
  if not wanted then return M.invalid(request, member, message) end
  if not wanted.forwardTo then return M.invalid(request, "forwardTo", "The ForwardTo field is required.") end
  local fault = forward_fault(letter, wanted.forwardingText)
  if fault then return errors.problem(fault, request.path) end
  emulator.letters:forward(letter)
  return reply_json(request, 200, wire.uuid())
end

-- Listing.

--- The problem object of a request whose form is wrong: the newer list and the older map.
---@param request table
---@param member string
---@param text string
---@return table reply
function M.invalid(request, member, text)
  return router.problem(400, "One or more validation errors occurred.", {
    { "instance", request.path }, { "code", "CORR.VLD" }, { "errors", { [member] = wire.list { text } } },
    { "validationErrors", wire.list { wire.object { { "code", "CORR.VLD-00000" }, { "detail", text },
      { "paths", wire.list { "/" .. member } } } } },
  })
end

local roles_known = { recipient = true, sender = true, recipientandsender = true }

local function is_status(text)
  for name, number in pairs(letters.statuses) do
    if name:lower() == text:lower() or tostring(number) == text then return name end
  end
  return nil
end

-- The forms in which somebody may be named: a URN, 0192: before the number, a person's number.
local function is_party(text)
  return text:find("^urn:altinn:organization:identifier%-no:%d%d%d%d%d%d%d%d%d$")
    or text:find("^urn:altinn:person:identifier%-no:%d%d%d%d%d%d%d%d%d%d%d$")
    or text:find("^0192:%d%d%d%d%d%d%d%d%d$") or text:find("^%d%d%d%d%d%d%d%d%d%d%d$")
end

-- The first of the texts that is not what it must be: its name; or nil.
local function misread(wanted)
  if wanted.status and not is_status(wanted.status) then return "status", wanted.status end
  if wanted.on_behalf_of and not is_party(wanted.on_behalf_of) then return "onBehalfOf", "…" end
end

local function read_listing(request)
  local function get(name) return router.parameter(request, name) end
  local wanted = { resource = get "resourceId", role = (get "role" or ""):lower(), status = get "status",
    on_behalf_of = get "onBehalfOf", reference = get "sendersReference", key = get "idempotentKey" }
  if not wanted.resource or wanted.resource == "" then
    return nil, M.invalid(request, "resourceId", "The resourceId field is required.")
  end
  if not roles_known[wanted.role] then
    return nil, M.invalid(request, "role", ("The value '%s' is not valid for Role."):format(get "role" or ""))
  end
  for _, name in ipairs { "from", "to" } do
    local text = get(name)
    wanted[name] = text and wire.parse_time((text:gsub(" ", "+")))
    if text and not wanted[name] then
      return nil, M.invalid(request, name, ("The value '%s' is not valid."):format(text))
    end
  end
  local name, text = misread(wanted)
  if name then return nil, M.invalid(request, name, ("The value '%s' is not valid."):format(text)) end
  wanted.status = wanted.status and is_status(wanted.status)
  if wanted.from and wanted.to and wanted.from > wanted.to then return nil, errors.problem(1027, request.path) end
  return wanted
end

local function is_wanted(emulator, wanted, party, letter)
  local number = emulator.world.number
  local as_recipient = wanted.role ~= "sender" and number(letter.recipient) == party and letter.published
  local as_sender = wanted.role ~= "recipient" and number(letter.sender) == party
  local spec = letter.spec
  return (as_recipient or as_sender) and letter.resource == wanted.resource and not letter.purged
    and (not wanted.from or letter.requested > wanted.from) and (not wanted.to or letter.requested < wanted.to)
    and (not wanted.status or letters.highest(letter).status == wanted.status)
    and (not wanted.reference or spec.sendersReference == wanted.reference)
    and (not wanted.key or (spec.idempotentKey or ""):lower() == wanted.key:lower())
end

local function listing(emulator, request)
  local caller, refusal = M.caller(emulator, request, "both")
  if not caller then return refusal end
  local wanted
  wanted, refusal = read_listing(request)
  if not wanted then return refusal end
  local party = emulator.world.number(wanted.on_behalf_of) or caller.party
  if party ~= caller.party and not caller.owner(wanted.resource) then return errors.problem(4001, request.path) end
  local found, ids = {}, wire.list {}
  for _, letter in ipairs(emulator.letters.list) do
    if is_wanted(emulator, wanted, party, letter) then found[#found + 1] = letter end
  end
  table.sort(found, function(a, b)
    if a.requested ~= b.requested then return a.requested > b.requested end
    return a.id < b.id
  end)
  for index = 1, math.min(#found, MOST) do ids[index] = found[index].id end
  return reply_json(request, 200, wire.object { { "ids", ids } })
end

-- Creating.

local message_members = { correspondence = "object", recipients = "names", existingAttachments = "names",
  idempotentKey = "text" }
local letter_members = { resourceId = "name", sender = "name", sendersReference = "text", messageSender = "text",
  content = "object", requestedPublishTime = "time", dueDateTime = "time", isConfirmationNeeded = "boolean",
  isConfidential = "boolean", allowForwarding = "boolean", ignoreReservation = "boolean",
  externalReferences = "list", propertyList = "object", replyOptions = "list" }
local content_members = { messageTitle = "text", messageSummary = "text", messageBody = "text", language = "text" }

-- The body of a call that creates letters, its letter and the letter's content; or nil and the refusal.
local function read_letter(request)
  if not router.is_json(request) then return nil, router.problem(415) end
  local value, message, member = shape.read(wire.decode(request.body), message_members, "drop")
  local letter, texts
  if value then letter, message, member = shape.read(value.correspondence or {}, letter_members, "drop") end
  if letter then texts, message, member = shape.read(letter.content or {}, content_members, "drop") end
  if not texts then return nil, M.invalid(request, member, message) end
  if not value.recipients or #value.recipients == 0 then
    return nil, M.invalid(request, "recipients", "The Recipients field is required.")
  end
  if not letter.resourceId or not letter.content then
    return nil, M.invalid(request, "correspondence", "The ResourceId and Content fields are required.")
  end
  letter.content, value.correspondence = texts, letter
  return value
end

local function key_fault(emulator, value)
  local key = value.idempotentKey and value.idempotentKey:lower()
  if not key then return nil end
  if #value.recipients > 1 then return 1047 end
  if emulator.letters.keys[key] then return 1034 end
  emulator.letters.keys[key] = true
end

local function recipient_fault(emulator, recipients)
  for _, one in ipairs(recipients) do
    local known = emulator.world.recipients[emulator.world.number(one) or ""]
    if known == false then return 1029 end
    if known == "reserved" then return 1030 end
  end
end

local function spec_of(caller, value, recipient)
  local letter, spec = value.correspondence, {}
  local text = letter.content
  for name, one in pairs(letter) do spec[name] = one end
  spec.resource, spec.recipient, spec.sender = letter.resourceId, recipient, spec.sender or caller.party
  spec.title, spec.summary, spec.body, spec.language = text.messageTitle, text.messageSummary, text.messageBody,
    text.language
  spec.attachments, spec.idempotentKey = value.existingAttachments, value.idempotentKey
  return spec
end

-- The letters that a call is to create, one a recipient; or nil and the refusal.
local function specs_of(emulator, request, caller, value)
  for _, id in ipairs(value.existingAttachments or {}) do
    if not emulator.letters.attachments[id] then return nil, errors.problem(2001, request.path) end
  end
  local specs = {}
  for index, recipient in ipairs(value.recipients) do
    specs[index] = spec_of(caller, value, recipient)
    local message = emulator.letters:fault(specs[index])
    if message then return nil, M.invalid(request, "recipients", message) end
  end
  local fault = recipient_fault(emulator, value.recipients) or key_fault(emulator, value)
  if fault then return nil, errors.problem(fault, request.path) end
  return specs
end

local function create(emulator, request)
  local caller, refusal = M.caller(emulator, request, "sender")
  if not caller then return refusal end
  local value, specs
  value, refusal = read_letter(request)
  if not value then return refusal end
  specs, refusal = specs_of(emulator, request, caller, value)
  if not specs then return refusal end
  local rows = wire.list {}
  for index, spec in ipairs(specs) do
    local made = emulator.letters:create(spec)
    rows[index] = wire.object { { "correspondenceId", made.id }, { "status", "Initialized" },
      { "recipient", made.recipient }, { "notifications", wire.list {} } }
  end
  return reply_json(request, 200, wire.object { { "correspondences", rows },
    { "attachmentIds", wire.list(value.existingAttachments or {}) } })
end

--- Adds its routes to an emulator's.
---@param emulator table
---@param routes table
function M.routes(emulator, routes)
  local base = "/correspondence/api/v1/correspondence"
  local function add(method, path, handler, ...)
    local more = table.pack(...)
    routes:add(method, base .. path, function(request)
      return handler(emulator, request, table.unpack(more, 1, more.n))
    end)
  end
  add("GET", "", listing)
  add("POST", "", create)
  add("GET", "/{id}", overview, view.overview)
  add("GET", "/{id}/details", overview, view.details)
  add("GET", "/{id}/content", content)
  add("POST", "/{id}/markasread", mark_read)
  add("POST", "/{id}/confirm", confirm)
  add("DELETE", "/{id}/purge", purge)
  add("POST", "/{id}/forward", forward)
  add("GET", "/{id}/attachment/{attachment}/download", download)
end

return M
