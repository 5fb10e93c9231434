-- Registers events in order, then pushes them to the subscriptions that they match. An event is kept as its attributes
-- and the text that is pushed.
local events = require "altinn.events"
local json_text = require "altinn.events.emulator.json_text"
local router = require "altinn.events.emulator.router"
local subscriptions = require "altinn.events.emulator.subscriptions"
local wire = require "altinn.events.emulator.wire"

local M = {}

local RETENTION = 90 * 86400
local MAX_BYTES = 1 << 20   -- of an event; what lies behind the real one takes less
local OLD_APP, APP = "urn:altinn:resource:altinnapp.", "urn:altinn:resource:app_"

local Events = {}
Events.__index = Events

--- The events of an emulator.
---@param emulator table
---@return table events
function M.new(emulator)
  return setmetatable({ emulator = emulator, list = {}, known = {}, lost = 0, registered = 0 }, Events)
end

-- Form.

local function raw_text(value) return wire.encode(value) end

-- Extensions that are numbers or booleans become texts.
local function attribute(name, value)
  local text = tostring(value)
  if name == "time" then return raw_text(wire.normal_time(text)) end
  if name == "resource" and text:sub(1, #OLD_APP) == OLD_APP then
    return raw_text(APP .. text:sub(#OLD_APP + 1):gsub("%.", "_", 1))
  end
  return raw_text(text)
end

-- The text that is pushed: specversion first, the rest as they came, texts escaped, extensions as texts, the payload
-- last with its media type.
local function body_of(event)
  local parts, payload = {}, nil
  for _, member in ipairs(json_text.members(assert(events.encode(event)))) do
    local name = member[1]
    if name == "data" or name == "data_base64" then
      local typed = name ~= "data" or event.datacontenttype ~= nil
      payload = (typed and "" or '"datacontenttype":"application/json",') .. raw_text(name) .. ":"
        .. json_text.escape(member[2])
    elseif name == "specversion" then
      table.insert(parts, 1, '"specversion":"1.0"')
    else
      parts[#parts + 1] = raw_text(name) .. ":" .. attribute(name, event[name])
    end
  end
  parts[#parts + 1] = payload
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The text that the query API gives: the row comes out of jsonb, so its members are in that order, and its time is in
-- UTC.
local function pulled_text(body)
  local members, payload, parts = {}, "", { '"specversion":"1.0"' }
  for _, member in ipairs(json_text.members(body)) do
    local name, text = member[1], member[2]
    if name == "data" or name == "data_base64" then
      payload = ',"' .. name .. '":' .. json_text.escape(json_text.jsonb(text))
    elseif name == "time" then
      members[#members + 1] = { name, wire.encode(wire.utc_time(wire.decode("[" .. text .. "]")[1])) }
    elseif name ~= "specversion" then
      members[#members + 1] = member
    end
  end
  table.sort(members, function(a, b) return json_text.jsonb_before(a[1], b[1]) end)
  for _, member in ipairs(members) do parts[#parts + 1] = wire.encode(member[1]) .. ":" .. member[2] end
  return "{" .. table.concat(parts, ",") .. payload .. "}"
end

--- The text of a record as the query API gives it.
---@param record table
---@return string
function M.pulled(record)
  return pulled_text(record.form)
end

local kept_names = { "id", "source", "type", "subject", "resource", "resourceinstance", "alternativesubject", "time" }

-- The record of an event that was parsed.
local function record_of(event)
  local body = body_of(event)
  local again = assert(events.parse(body, { max_bytes = #body + 1 }))
  local record = { body = body, form = body }   -- what is pushed, and the event it tells of
  for _, name in ipairs(kept_names) do record[name] = again[name] end
  return record
end

--- The record of an event from JSON text.
---@param text string
---@return table|nil record
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function M.record(text)
  local event, message, code, detail = events.parse(text, { max_bytes = math.max(#text, 262144) })
  if not event then return nil, message, code, detail end
  return record_of(event)
end

--- The record of an event whose members are texts in Altinn's own form and order already.
---@param members table[] each { name, text }
---@return table|nil record
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function M.own_record(members)
  local text = wire.encode(wire.object(members))
  local event, message, code, detail = events.parse(text)
  if not event then return nil, message, code, detail end
  local record = { body = text, form = text }
  for _, name in ipairs(kept_names) do record[name] = event[name] end
  return record
end

-- Registering.

local function forget_old(self, now)
  local list, count = self.list, 0
  while list[count + 1] and list[count + 1].registered < now - RETENTION do count = count + 1 end
  if count == 0 then return end
  for index = 1, count do self.known[list[index].source .. "\0" .. list[index].id] = nil end
  table.move(list, count + 1, #list + count, 1)
end

-- The events that are kept, in the order of registration.
function Events:all()
  forget_old(self, self.emulator.clock:now())
  return self.list
end

-- A second row for one id and source is refused; the copy is forwarded all the same.
local function store(self, record)
  local key = record.source .. "\0" .. record.id
  if self.known[key] then return end
  local now = self.emulator.clock:now()
  self.known[key] = true
  self.list[#self.list + 1] = setmetatable({ registered = now }, { __index = record })
  self.registered = self.registered + 1
end

-- Altinn knows of an event from now on, and pushes it to nobody.
function Events:keep(record) store(self, record) end

-- An event enters Altinn Events.
function Events:register(record)
  store(self, record)
  local list, denied = self.emulator.matching:subscriptions(record)
  self.emulator.log("info", "event", { event = record.id, type = record.type,
    reason = ("%d subscription%s%s"):format(#list, #list == 1 and "" or "s",
      denied > 0 and (", %d kept out by the policy"):format(denied) or "") })
  for _, s in ipairs(list) do self.emulator.deliveries:push(record, s) end
  return #list
end

-- A second event about the same happening, under another id.
local function with_new_id(record)
  local members = {}
  for index, member in ipairs(json_text.members(record.form)) do
    members[index] = ('"%s":%s'):format(member[1], member[1] == "id" and wire.encode(wire.uuid()) or member[2])
  end
  return assert(M.record("{" .. table.concat(members, ",") .. "}"))
end

-- A publisher publishes: the event may get lost on the way in, or be published twice. True when it was registered.
function Events:publish(record)
  local switches = self.emulator.switches
  if switches:take("lose", nil, record.type) or switches:strikes "lost-publish" then
    self.lost = self.lost + 1
    self.emulator.log("warn", "lost", { event = record.id, type = record.type })
    return false
  end
  self:register(record)
  local again = switches:take("republish", nil, record.type)
  if again or switches:strikes "republish" then
    local copy = with_new_id(record)
    self.emulator.clock:after(again and again.seconds or 0, function() self:register(copy) end)
  end
  return true
end

-- The publishers' call, POST /events.

local REQUIRED = { "id", "source", "type" }

-- The server's message for a malformed event.
local function refusal_text(message, code, detail)
  if code == "not_cloudevent" then
    return "JSON does not represent a CloudEvent: 'specversion' is missing or wrong (Parameter 'data')"
  end
  local missing = {}
  for _, fault in ipairs(detail and detail.faults or {}) do
    for _, name in ipairs(REQUIRED) do
      if fault.attribute == name and fault.message == "is required" then missing[#missing + 1] = name end
    end
  end
  if #missing > 0 then
    return ("CloudEvent is missing required attributes: %s (Parameter 'data')"):format(table.concat(missing, ", "))
  end
  return message .. " (Parameter 'data')"
end

local function may_publish(self, entry, record)
  local tokens = self.emulator.tokens
  if tokens.has_scope(entry, "altinn:events.publish.admin") then return true end
  return tokens.has_scope(entry, "altinn:events.publish")
    and self.emulator.world:permits(tokens.consumer(entry), record.resource, "publish", record.subject,
      tokens:party(entry))
end

local function accept(self, request)
  local media = router.media_type(request)
  local entry = self.emulator.tokens:altinn(request)
  local platform = request.headers.platformaccesstoken ~= nil
  if not entry and not platform then return router.empty(401) end
  if media ~= "application/cloudevents+json" then return router.problem(415) end
  if #request.body > MAX_BYTES then return router.problem(413) end
  local record, message, code, detail = M.record(request.body)
  if not record then
    return router.validation_problem { RequestBody = { refusal_text(message, code, detail) } }
  end
  if not record.resource then return router.problem(400, "A 'resource' property must be defined.") end
  if not subscriptions.is_urn(record.resource) then return router.problem(400, "'Resource' must be a valid urn.") end
  if not platform and not may_publish(self, entry, record) then return router.empty(403) end
  self:publish(record)
  return router.empty(200)
end

--- Adds its routes to an emulator's.
---@param emulator table
---@param routes table
function M.routes(emulator, routes)
  routes:add("POST", "/events/api/v1/events", function(request) return accept(emulator.events, request) end)
  routes:add("POST", "/events/api/v1/tests/webhookreceiver", function() return router.empty(200) end)
end

return M
