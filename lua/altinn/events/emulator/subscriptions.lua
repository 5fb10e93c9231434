-- The subscriptions API: its checks in Altinn's order, with its texts.
local events = require "altinn.events"
local router = require "altinn.events.emulator.router"
local urls = require "altinn.events.support.url"
local wire = require "altinn.events.emulator.wire"

local M = {}

local APP = "urn:altinn:resource:app_"

local Subscriptions = {}
Subscriptions.__index = Subscriptions

--- The subscriptions of an emulator.
---@param emulator table
---@return table subscriptions
function M.new(emulator)
  return setmetatable({ emulator = emulator, list = {}, by_id = {}, last = 0 }, Subscriptions)
end

-- A subscription as the API shows it; nil members are left out.
local function view(s)
  return wire.object {
    { "id", s.id }, { "endPoint", s.endpoint }, { "sourceFilter", s.source }, { "resourceFilter", s.resource },
    { "subjectFilter", s.subject }, { "typeFilter", s.type }, { "consumer", s.consumer }, { "createdBy", s.consumer },
    { "created", s.created }, { "validated", s.validated }, { "includeSubunits", s.subunits },
  }
end
M.view = view

-- Texts.

--- Whether a text is a URN by Altinn's pattern: lower case only.
---@param text any
---@return boolean
function M.is_urn(text)
  if type(text) ~= "string" or text:find(":$") then return false end
  local name, rest = text:match("^urn:([a-z0-9-]+)(:.+)$")
  if not name or #name > 30 then return false end
  local count = 0
  for part in rest:gmatch(":([^:]*)") do
    count = count + 1
    if #part < 1 or #part > 100 or part:find("[^a-z0-9()+,.%-;$_!/]") then return false end
  end
  return count <= 10
end

-- An absolute address: scheme, host with port, path with query; or nil.
local function split_url(text)
  if type(text) ~= "string" or text:find("[%s%c]") then return nil end
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.+)$")
  if not scheme then return nil end
  local host, path = rest:match("^([^/?#]+)(.*)$")
  if not host or not host:find("^[%w.%-_%[%]:@%%]+$") then return nil end
  return scheme:lower(), host:lower(), path
end

-- The path without . and .., as clients send it.
local function without_dots(path)
  local kept = {}
  for part in path:gmatch("[^/]*") do
    if part == ".." then
      if #kept > 1 then kept[#kept] = nil end
    elseif part ~= "." then
      kept[#kept + 1] = part
    end
  end
  local ends_so = path:find("/%.%.?$") and "/" or ""
  return table.concat(kept, "/") .. ends_so
end

local function escaped(text)
  return (text:gsub("[^%w%-._~:/?#%[%]@!$&'()*+,;=%%]", function(octet) return ("%%%02X"):format(octet:byte()) end)
    :gsub("%%(%x?%x?)", function(hex) return #hex < 2 and "%25" .. hex or nil end))
end

--- An absolute address as .NET writes it: lower-case scheme and host, no port that goes without saying, at least a
--- slash, no dot segments, percent-encoded.
---@param text any
---@return string|nil address nil: it is none
function M.normal_url(text)
  local scheme, host, path = split_url(text)
  if not scheme then return nil end
  host = host:gsub(scheme == "https" and ":443$" or ":80$", "")
  if path == "" or path:find("^[?#]") then path = "/" .. path end
  local folder, rest = path:match("^([^?#]*)(.*)$")
  return ("%s://%s%s"):format(scheme, host, escaped(without_dots(folder) .. rest))
end

-- Altinn insists on https; here the emulator's options may allow http.
local function is_endpoint(self, text)
  local scheme = split_url(text)
  local allowed = self.emulator.http_endpoints
  if scheme == "https" then return true end
  if scheme ~= "http" then return false end
  return allowed == "any" or (allowed == "loopback" and urls.is_loopback(text))
end

local function is_https(text) return split_url(text) == "https" end

-- Reading the request.

local members = {
  endpoint = { "endPoint", "string" }, resourcefilter = { "resourceFilter", "string" },
  subjectfilter = { "subjectFilter", "string" }, typefilter = { "typeFilter", "string" },
  sourcefilter = { "sourceFilter", "string" }, alternativesubjectfilter = { "alternativeSubjectFilter", "string" },
  includesubunits = { "includeSubunits", "boolean" },
}

-- The problem object of a request whose form is wrong: about a member, or a part of the path.
local function invalid(member, text)
  return router.validation_problem({ [member] = { text } }, router.JSON)
end

local function wrong_type(name, kind)
  return invalid("$." .. name, ("The JSON value could not be converted to System.%s. Path: $.%s"):format(
    kind == "boolean" and "Boolean" or "String", name))
end

-- Names of members in any case; unknown ones are ignored.
local function read_body(text)
  if text == "" then return nil, invalid("", "A non-empty request body is required.") end
  local value, message = wire.decode(text)
  if type(value) ~= "table" or not text:find("^%s*{") then
    return nil, invalid("$", message or "The JSON value could not be converted.")
  end
  local wanted = {}
  for name, one in pairs(value) do
    local member = members[tostring(name):lower()]
    if member and one ~= events.null then
      if type(one) ~= member[2] then return nil, wrong_type(member[1], member[2]) end
      wanted[member[1]] = one
    end
  end
  return wanted
end

-- Checks: each gives the text of a 400, or nil.

local function is_app(wanted)
  local resource = wanted.resourceFilter
  if resource and resource:lower():sub(1, #APP) == APP then return true end
  local _, host = split_url(wanted.sourceFilter)
  return host ~= nil and host:find("%.apps%.") ~= nil
end

local function is_empty(text) return text == nil or text == "" end

local function check_generic(wanted)
  if not wanted.resourceFilter then return "Resource filter is required." end
  if wanted.sourceFilter then return "Source filter is not supported for subscriptions on this resource." end
  if not is_empty(wanted.alternativeSubjectFilter) then
    return "AlternativeSubject filter is not supported for subscriptions on this resource."
  end
  if wanted.includeSubunits and is_empty(wanted.subjectFilter) then
    return "IncludeSubunits requires a subject filter."
  end
end

-- /org/{number}, /organisation/…, /organization/…, /person/… as /party/{id}.
local function resolve(self, alternative)
  local kind, number = tostring(alternative):match("^/(%a+)/(%d+)$")
  if not number or not ((kind:find("^organi[sz]ation$") or kind == "org" or kind == "person")) then return nil end
  return "/party/" .. self.emulator.world:party_id(number)
end

local NO_SUBJECT = "A valid subject to the authenticated identity is required"

local function app_of(source)
  local _, _, path = split_url(source)
  return (path or ""):match("^/([^/?#]+)/([^/?#]+)$")
end

local function check_app(self, wanted, entry)
  if not is_empty(wanted.alternativeSubjectFilter) then
    if is_empty(wanted.subjectFilter) then wanted.subjectFilter = resolve(self, wanted.alternativeSubjectFilter) end
    if is_empty(wanted.subjectFilter) then return NO_SUBJECT end
  end
  if is_empty(wanted.subjectFilter) and not entry.claims["urn:altinn:org"] then return NO_SUBJECT end
  if wanted.includeSubunits and is_empty(wanted.subjectFilter) then
    return "IncludeSubunits requires a subject filter."
  end
  if not self.emulator.tokens.consumer(entry) then return "Missing event consumer" end
  if not wanted.sourceFilter then return nil end
  local org, app = app_of(wanted.sourceFilter)
  if not org then return "A valid app id is required in source filter {environment}/{org}/{app}" end
  local resource = (APP .. org .. "_" .. app):lower()
  if wanted.resourceFilter and wanted.resourceFilter:lower() ~= resource then
    return "Provided resource filter and source filter are not compatible"
  end
  wanted.resourceFilter = resource
end

-- The policy's refusal, or nil. The answer names no cause; the log does.
local function check_policy(self, wanted, entry, app)
  local tokens, world = self.emulator.tokens, self.emulator.world
  local consumer = tokens.consumer(entry)
  if world:permits(consumer, wanted.resourceFilter, app and "read" or "subscribe", wanted.subjectFilter,
      tokens:party(entry)) then return nil end
  local why = world.policy and "the policy given to the emulator does not permit it"
    or is_empty(wanted.subjectFilter) and "a subjectFilter is required of everybody who is not the resource's owner"
    or "subjectFilter is not the caller's own party"
  self.emulator.log("warn", "refused", { target = consumer, reason = why })
  return router.json(403, ("Not authorized to create a subscription for resource %s."):format(wanted.resourceFilter))
end

-- All checks of a POST: a refusal, or nil.
local function check(self, wanted, entry)
  if not is_endpoint(self, wanted.endPoint) then
    return router.json(400, "Missing or invalid endpoint to push events towards")
  end
  if wanted.sourceFilter and not is_https(wanted.sourceFilter) then
    return router.json(400, "SourceFilter must be an absolute URL with the https scheme.")
  end
  local app = is_app(wanted)
  if not app and not self.emulator.tokens.has_scope(entry, "altinn:events.subscribe") then return router.empty(403) end
  if wanted.resourceFilter and not M.is_urn(wanted.resourceFilter) then
    return router.json(400, "Resource filter must be a valid urn")
  end
  local text
  if app then text = check_app(self, wanted, entry) else text = check_generic(wanted) end
  if text then return router.json(400, text) end
  return check_policy(self, wanted, entry, app)
end

-- The calls.

local function same(a, b)
  return a.resource == b.resource and a.source == b.source and a.subject == b.subject and a.type == b.type
    and a.consumer == b.consumer and a.endpoint == b.endpoint and a.subunits == b.subunits
end

-- Stores a subscription, or finds an equal one; then validates it.
function Subscriptions:add(wanted)
  local found
  for _, one in ipairs(self.list) do
    if same(one, wanted) then found = one end
  end
  if not found then
    self.last = self.last + 1
    found = wanted
    found.id, found.validated, found.created = self.last, false, wire.time(self.emulator.clock:now())
    self.list[#self.list + 1], self.by_id[found.id] = found, found
  end
  self.emulator.deliveries:validate(found)
  return found
end

local function create(self, request)
  local entry = self.emulator.tokens:altinn(request)
  if not entry then return router.empty(401) end
  if not router.is_json(request) then return router.problem(415) end
  local wanted, refusal = read_body(request.body)
  refusal = refusal or check(self, wanted, entry)
  if refusal then return refusal end
  local s = self:add {
    endpoint = M.normal_url(wanted.endPoint), resource = wanted.resourceFilter:lower(), source = wanted.sourceFilter,
    subject = wanted.subjectFilter, type = wanted.typeFilter, subunits = wanted.includeSubunits or false,
    consumer = self.emulator.tokens.consumer(entry), party = self.emulator.tokens:party(entry), app = is_app(wanted),
  }
  self.emulator.log("info", "subscribed", { target = "subscription " .. s.id, reason = s.resource })
  return router.json(201, view(s), { Location = "/events/api/v1/subscription/" .. s.id })
end

local function listing(self, request)
  local entry = self.emulator.tokens:altinn(request)
  if not entry then return router.empty(401) end
  local consumer, rows = self.emulator.tokens.consumer(entry), wire.list {}
  for _, s in ipairs(self.list) do
    if s.consumer == consumer then rows[#rows + 1] = view(s) end
  end
  return router.json(200, wire.object { { "count", #rows }, { "subscriptions", rows } })
end

-- The id of a path, a whole number of 32 bits; nil and the refusal.
local function id_of(request)
  local text = request.parameters.id
  local id = text:find("^%-?%d+$") and math.tointeger(tonumber(text))
  if id and id >= -(1 << 31) and id < 1 << 31 then return id end
  return nil, invalid("id", ("The value '%s' is not valid."):format(text))
end

-- A subscription of the caller; or nil and the refusal.
local function own(self, request)
  local entry = self.emulator.tokens:altinn(request)
  if not entry then return nil, router.empty(401) end
  local id, refusal = id_of(request)
  if not id then return nil, refusal end
  local s = self.by_id[id]
  if not s then return nil, router.empty(404) end
  if s.consumer ~= self.emulator.tokens.consumer(entry) then return nil, router.empty(403) end
  return s
end

-- Deletes a subscription.
function Subscriptions:remove(s)
  self.by_id[s.id] = nil
  for index, one in ipairs(self.list) do
    if one == s then table.remove(self.list, index) break end
  end
end

local function get(self, request)
  local s, refusal = own(self, request)
  return refusal or router.json(200, view(s))
end

local function delete(self, request)
  local s, refusal = own(self, request)
  if refusal then return refusal end
  self:remove(s)
  self.emulator.log("info", "unsubscribed", { target = "subscription " .. s.id })
  return router.empty(200)
end

-- Altinn's own components only. The answer shows the subscription as it was before.
local function set_validated(self, request)
  if not request.headers.platformaccesstoken then return router.empty(401) end
  local id, refusal = id_of(request)
  if not id then return refusal end
  local s = self.by_id[id]
  if not s then return router.empty(404) end
  local reply = router.json(200, view(s))
  s.validated = true
  return reply
end

--- Adds its routes to an emulator's.
---@param emulator table
---@param routes table
function M.routes(emulator, routes)
  local base, one = "/events/api/v1/subscriptions", "/events/api/v1/subscriptions/{id}"
  routes:add("POST", base, function(request) return create(emulator.subscriptions, request) end)
  routes:add("GET", base, function(request) return listing(emulator.subscriptions, request) end)
  routes:add("GET", one, function(request) return get(emulator.subscriptions, request) end)
  routes:add("DELETE", one, function(request) return delete(emulator.subscriptions, request) end)
  routes:add("PUT", base .. "/validate/{id}", function(request)
    return set_validated(emulator.subscriptions, request)
  end)
end

return M
