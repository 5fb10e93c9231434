-- The control interface, below /emulator: acts on the emulator that Altinn itself does not offer. JSON in, JSON out;
-- errors are { "error": text }.
local clock = require "altinn.events.emulator.clock"
local delivery = require "altinn.events.emulator.delivery"
local json_text = require "altinn.events.emulator.json_text"
local letters_errors = require "altinn.events.emulator.letters_errors"
local router = require "altinn.events.emulator.router"
local scenes = require "altinn.events.emulator.scenes"
local shape = require "altinn.events.emulator.shape"
local subscriptions = require "altinn.events.emulator.subscriptions"
local suggest = require "altinn.events.support.suggest"
local switches = require "altinn.events.emulator.switches"
local wire = require "altinn.events.emulator.wire"

local M = {}

-- The calls of this interface, for GET /emulator: { method, path, description }.
local index = {}

local wrong = scenes.wrong

-- The body as a table; an empty one is an empty table. nil and a message when it is none.
local function read_body(request)
  if request.body == "" then return {} end
  local value, message = wire.decode(request.body)
  if type(value) ~= "table" or not request.body:find("^%s*{") then
    return nil, "the body must be a JSON object" .. (message and ": " .. message or "")
  end
  return value
end

-- The clock.

local function clock_view(emulator)
  return wire.object { { "now", wire.time(emulator.clock:now()) }, { "speed", emulator.clock.speed },
    { "next", emulator.clock:due() and wire.time(emulator.clock:due()) } }
end

local function set_clock(emulator, request, body)
  local wanted, message = shape.read(body, { speed = "any", advance = "span", to = "time" })
  if not wanted then return wrong(message) end
  local speed = wanted.speed
  if speed ~= nil then
    if type(speed) ~= "number" or speed < 0 or speed > clock.fastest then
      return wrong(("speed must be a number from 0 to %d"):format(clock.fastest))
    end
    emulator.clock:set_speed(speed)
  end
  local time = emulator.clock:now() + (wanted.advance or 0)
  if wanted.to then time = math.max(wire.parse_time(wanted.to), emulator.clock:now()) end
  emulator:advance(time, function() request.respond(router.plain(200, clock_view(emulator))) end)
end

-- Switches, faults, troubles.

local function switches_view(emulator)
  local rows = {}
  for name, one in pairs(switches.switches) do
    local value = emulator.switches.on[name]
    rows[name] = wire.object { { "value", value == nil and false or value }, { "does", one[1] } }
  end
  return rows
end

local function set_switches(emulator, _, body)
  for name, value in pairs(body) do
    local ok, message = emulator.switches:set(name, value)
    if not ok then return wrong(message) end
  end
  return router.plain(200, switches_view(emulator))
end

local function faults_view(emulator)
  local rows = wire.list {}
  for i, fault in ipairs(emulator.switches.pending) do
    rows[i] = wire.object { { "id", fault.id }, { "kind", fault.kind }, { "next", fault.left },
      { "seconds", fault.seconds }, { "status", fault.status }, { "subscription", fault.subscription },
      { "type", fault.type }, { "held", #fault.held } }
  end
  return wire.object { { "faults", rows }, { "kinds", switches.faults } }
end

local fault_members = { kind = "text", next = "count", seconds = "span", status = "status", subscription = "count",
  type = "text" }

local function add_fault(emulator, _, body)
  local wanted, fault, message
  wanted, message = shape.read(body, fault_members)
  if wanted then fault, message = emulator.switches:add_fault(wanted) end
  if not fault then return wrong(message) end
  return router.plain(201, faults_view(emulator))
end

local function clear_faults(emulator)
  emulator.deliveries:release(emulator.switches:clear_faults())
  return router.plain(200, faults_view(emulator))
end

local trouble_members = { path = "name", method = "name", next = "count", status = "any", headers = "object",
  body = "any", error = "count", seconds = "span" }

local computed = { ["content-length"] = true, ["transfer-encoding"] = true }

-- Headers that HTTP can carry; nil and why.
local function read_headers(headers)
  for name, value in pairs(headers or {}) do
    if not name:find("^[%w!#$%%&'*+.^_`|~-]+$") or computed[name:lower()] then
      return nil, ("headers: '%s' cannot be given"):format(name)
    end
    if type(value) ~= "string" or value:find("%c") then return nil, "headers: values must be texts of one line" end
  end
  return headers
end

-- A text, { pattern, size, cut }, or any JSON, which is answered as it was given.
local function read_answer(body, text)
  if body == nil or type(body) == "string" then return body end
  if type(body) ~= "table" or body.pattern == nil then return text end
  local source, message = shape.read(body, { pattern = "text", size = "size", cut = "size" })
  return source, message and "body: " .. message
end

local function read_trouble(body, text)
  local wanted, message = shape.read(body, trouble_members)
  if not wanted then return nil, message end
  local status = wanted.status
  if status ~= nil then
    status = type(status) == "number" and math.tointeger(status)
    if not status or (status ~= 0 and (status < 200 or status > 599)) then
      return nil, "status must be 200 to 599, or 0 for no answer"
    end
  end
  if not wanted.path then return nil, "a trouble has a path (a part of it will do)" end
  if wanted.error and not letters_errors.errors[wanted.error] then
    return nil, ("the letters' API has no error %d"):format(wanted.error)
  end
  local headers, answer
  headers, message = read_headers(wanted.headers)
  if message then return nil, message end
  answer, message = read_answer(wanted.body, wanted.body ~= nil and json_text.by_name(text).body)
  if message then return nil, message end
  return { path = wanted.path, method = wanted.method, left = wanted.next or 1, status = status, headers = headers,
    body = answer, error = wanted.error, seconds = (wanted.seconds or 0) > 0 and wanted.seconds or nil }
end

-- The next n calls to an API get this answer instead of, or after `seconds`, their own.
local function add_trouble(emulator, request, body)
  local one, message = read_trouble(body, request.body)
  if not one then return wrong(message) end
  table.insert(emulator.troubles, one)
  return router.plain(201, wire.object { { "troubles", #emulator.troubles } })
end

-- Looking.

local function subscriptions_view(emulator)
  local rows = wire.list {}
  for i, s in ipairs(emulator.subscriptions.list) do rows[i] = subscriptions.view(s) end
  return wire.object { { "count", #rows }, { "subscriptions", rows } }
end

local function events_view(emulator)
  local parts = {}
  for i, event in ipairs(emulator.events:all()) do parts[i] = event.body end
  return { status = 200, headers = { ["Content-Type"] = "application/json; charset=utf-8" },
    body = ('{"count":%d,"lost":%d,"events":[%s]}'):format(#parts, emulator.events.lost, table.concat(parts, ",")) }
end

local function requests_view(emulator)
  local rows = wire.list {}
  for i, one in ipairs(emulator.requests) do
    local query, headers = wire.list {}, {}
    for j, pair in ipairs(one.query) do query[j] = wire.list { pair[1], pair[2] } end
    for name, value in pairs(one.headers) do
      headers[name] = name == "authorization" and value:match("^%S*") .. " …" or value
    end
    rows[i] = wire.object { { "method", one.method }, { "path", one.path }, { "query", query }, { "headers", headers },
      { "body", one.path ~= "/token" and one.body or nil }, { "bytes", one.bytes }, { "status", one.status } }
  end
  return wire.object { { "count", #rows }, { "requests", rows } }
end

local function find_delivery(emulator, id)
  for _, one in ipairs(emulator.deliveries.list) do
    if one.id == tonumber(id) then return one end
  end
end

local function repeat_delivery(emulator, request)
  local one = find_delivery(emulator, request.parameters.id)
  if not one then return scenes.missing("delivery", request.parameters.id, "/deliveries") end
  emulator.deliveries:repeat_one(one)
  return router.plain(202, delivery.view(one))
end

-- Settings.

local settings = {
  pipeline = function(emulator, value)
    if not delivery.ladders[value] then return "pipeline must be older or new" end
    emulator.pipeline = value
  end,
  timeout = function(emulator, value)
    if type(value) ~= "number" or value < 0.001 or value > 3600 then
      return "timeout must be a number of (real) seconds from 0.001 to 3600"
    end
    emulator.timeout = value
  end,
  visible_after = function(emulator, value)
    local wanted, message = shape.read({ visible_after = value }, { visible_after = "span" })
    if not wanted then return message end
    emulator.pull.delay = wanted.visible_after or emulator.pull.delay
  end,
  skew = function(emulator, value)
    if type(value) ~= "number" or math.abs(value) > 1e9 then
      return "skew must be the number of seconds by which Altinn's clocks are wrong"
    end
    emulator.skew = value
  end,
  http_endpoints = function(emulator, value)
    if value ~= "loopback" and value ~= "any" and value ~= "none" then
      return "http_endpoints must be loopback, any or none"
    end
    emulator.http_endpoints = value
  end,
  accept_any_grant = function(emulator, value)
    if type(value) ~= "boolean" then return "accept_any_grant must be true or false" end
    emulator.world.accept_any_grant = value
  end,
}

local function settings_view(emulator)
  return wire.object { { "pipeline", emulator.pipeline }, { "timeout", emulator.timeout },
    { "visible_after", emulator.pull.delay }, { "skew", emulator.skew },
    { "http_endpoints", emulator.http_endpoints },
    { "accept_any_grant", emulator.world.accept_any_grant == true }, { "platform", emulator.platform },
    { "issuer", emulator.issuer } }
end

local function set_settings(emulator, _, body)
  for name, value in pairs(body) do
    if not settings[name] then
      return wrong(("there is no setting '%s'%s"):format(name, suggest.hint(name, settings)))
    end
    local message = settings[name](emulator, value)
    if message then return wrong(message) end
  end
  return router.plain(200, settings_view(emulator))
end

local function set_world(emulator, _, body)
  local ok, message = emulator.world:merge(body)
  if not ok then return wrong(message) end
  return router.plain(200, wire.object { { "ok", true } })
end

-- A subscription without a token, already validated unless it says otherwise; the resource's owner's, unless it names a
-- consumer.
local function add_subscription(emulator, _, body)
  local wanted, message = shape.read(body, { endPoint = "text", resourceFilter = "name", subjectFilter = "text",
    typeFilter = "text", includeSubunits = "boolean", consumer = "name", validated = "boolean" })
  if not wanted then return wrong(message) end
  local endpoint = subscriptions.normal_url(wanted.endPoint)
  if not endpoint or not endpoint:find("^https?:") or not wanted.resourceFilter then
    return wrong "a subscription has an endPoint, an absolute http or https address, and a resourceFilter"
  end
  local resource = scenes.resource_urn(wanted.resourceFilter):lower()
  local consumer = wanted.consumer or emulator.world:owner_identity(resource)
  local s = emulator.subscriptions:add {
    endpoint = endpoint, resource = resource, subject = wanted.subjectFilter, type = wanted.typeFilter,
    subunits = wanted.includeSubunits == true, consumer = consumer, party = emulator.world.party_of(consumer),
  }
  s.validated = s.validated or wanted.validated ~= false
  return router.plain(201, subscriptions.view(s))
end

local function overview(emulator)
  local calls = wire.list {}
  for i, row in ipairs(index) do
    calls[i] = wire.object { { "method", row[1] }, { "path", row[2] }, { "does", row[3] } }
  end
  return wire.object { { "clock", clock_view(emulator) }, { "settings", settings_view(emulator) },
    { "subscriptions", #emulator.subscriptions.list }, { "events", #emulator.events.list },
    { "letters", #emulator.letters.list }, { "under_way", emulator.deliveries.under_way }, { "calls", calls } }
end

local function dead_letters(emulator, request)
  request.query[#request.query + 1] = { "state", "dead" }
  return emulator.deliveries:listing(request)
end

-- A handler that shows something.
local function show(view)
  return function(emulator) return router.plain(200, view(emulator)) end
end

-- People read this one: each call stands on a line of its own.
local function show_overview(emulator)
  local reply = router.plain(200, overview(emulator))
  reply.body = reply.body:gsub('{"method"', '\n%0')
  return reply
end

-- A handler that gets the body as a table.
local function with_body(handler)
  return function(emulator, request)
    local body, message = read_body(request)
    if not body then return wrong(message) end
    return handler(emulator, request, body)
  end
end

local function done(call)
  return function(emulator)
    call(emulator)
    return router.plain(200, wire.object { { "ok", true } })
  end
end

index = {
  { "GET", "", "what there is, and these calls", show_overview },
  { "GET", "/clock", "the emulator's time", show(clock_view) },
  { "POST", "/clock", '{"advance":"35h"} plays everything that happens until then, and answers when it is over; '
    .. '{"to":TIME}; {"speed":N}', with_body(set_clock) },
  { "GET", "/switches", "the imperfections", show(switches_view) },
  { "POST", "/switches", '{"lookup-cache":true}', with_body(set_switches) },
  { "GET", "/faults", "what will happen to the next pushes", show(faults_view) },
  { "POST", "/faults", '{"kind":"fail","next":3}; may name subscription, type, status, seconds', with_body(add_fault) },
  { "DELETE", "/faults", "none any more", clear_faults },
  { "POST", "/troubles", '{"path":"/events","status":429,"headers":{"Retry-After":"2"},"next":2}, or "error":1015: '
    .. "answers of the APIs",
    with_body(add_trouble) },
  { "DELETE", "/troubles", "none any more", done(function(emulator) emulator.troubles = {} end) },
  { "GET", "/settings", "pipeline, timeout, visible_after, skew, http_endpoints, accept_any_grant",
    show(settings_view) },
  { "POST", "/settings", '{"pipeline":"older"}', with_body(set_settings) },
  { "POST", "/world", "clients, service_owners, owners, resources, recipients, contacts, main_units, parties, policy: "
    .. 'as in --world; {"policy":[{}]} permits everything',
    with_body(set_world) },
  { "GET", "/token", "an Altinn token without a grant: ?scopes=&orgNo=&org=&pid=&systemUserId=&systemUserOrg=&ttl=",
    function(emulator, request) return emulator.tokens:test_token(request) end },
  { "DELETE", "/tokens", "all tokens expire now", done(function(emulator) emulator.tokens:expire_all() end) },
  { "GET", "/subscriptions", "everybody's", show(subscriptions_view) },
  { "POST", "/subscriptions", "adds one without a token, validated; the resource owner's, or \"consumer\"'s",
    with_body(add_subscription) },
  { "GET", "/deliveries", "?state=&type=&event=&subscription=", function(emulator, request)
    return emulator.deliveries:listing(request)
  end },
  { "POST", "/deliveries/{id}/repeat", "the same push once more", repeat_delivery },
  { "GET", "/dead-letters", "what was given up", dead_letters },
  { "GET", "/events", "what was registered", events_view },
  { "POST", "/events", '{"type":"correspondencepublished","resource":"acme-letters","count":60}, {"event":{…}} or '
    .. '{"raw":TEXT,"subscription":N}', with_body(scenes.publish) },
  { "GET", "/letters", "all of them", scenes.list },
  { "POST", "/letters", '{"resource":"acme-letters","recipient":"987654321","title":"Hello"}; also hold, dueDateTime, '
    .. 'attachments:[{"fileName":"a.pdf","content":"x","scan":"1m"}], notification, …',
    with_body(scenes.create) },
  { "GET", "/letters/{id}", "one, whoever it is for", scenes.show },
  { "POST", "/letters/{id}/{step}", "a step of its life: " .. table.concat(scenes.steps, ", ")
    .. '; walk with {"steps":[…],"pause":"1m"}', with_body(scenes.step) },
  { "POST", "/attachments/{id}/{step}", "publish, fail, expire or purge", with_body(scenes.attachment_step) },
  { "GET", "/requests", "what was asked of the APIs", show(requests_view) },
  { "DELETE", "/requests", "forgets them", done(function(emulator) emulator.requests = {} end) },
  { "POST", "/reset", "forgets everything but the settings and the world", done(function(emulator)
    emulator:reset()
  end) },
}

--- The reply to an unknown call.
---@param request table
---@param methods string[] that its path has
---@return table reply
function M.lost(request, methods)
  if #methods > 0 then
    local reply = wrong(("%s takes %s, not %s: curl -X %s"):format(request.path, table.concat(methods, " and "),
      request.method, methods[1]))
    reply.status, reply.headers.Allow = 405, table.concat(methods, ", ")
    return reply
  end
  local known = {}
  for _, row in ipairs(index) do known["/emulator" .. row[2]] = true end
  local reply = wrong(("there is no %s%s; GET /emulator lists what there is"):format(request.path,
    suggest.hint(request.path, known)))
  reply.status = 404
  return reply
end

--- Adds its routes to an emulator's.
---@param emulator table
---@param routes table
function M.routes(emulator, routes)
  for _, row in ipairs(index) do
    routes:add(row[1], "/emulator" .. row[2], function(request) return row[4](emulator, request) end)
  end
end

return M
