-- Maskinporten's token endpoint, Altinn's exchange, and the identity of a token's bearer. The emulator recognises the
-- tokens that it issued; their signature is a random text. Their lifetime runs by the real clock, as that of clients.
local grant = require("altinn.events.support.libraries").load "altinn.events.grant"
local router = require "altinn.events.emulator.router"
local wire = require "altinn.events.emulator.wire"

local M = {}

local GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
local MASKINPORTEN_SECONDS, ALTINN_SECONDS = 600, 1800
local LEEWAY, LONGEST = 10, 180   -- seconds; Maskinporten's documentation asks for a life of 120 at most
local DIGDIR = "991825827"

local known_claims = {
  aud = true, iss = true, scope = true, iat = true, exp = true, jti = true, resource = true, consumer_org = true,
  iss_onbehalfof = true, pid = true, authorization_details = true,
}

local Tokens = {}
Tokens.__index = Tokens

--- The tokens of an emulator.
---@param emulator table
---@return table tokens
function M.new(emulator)
  return setmetatable({ emulator = emulator, issued = {}, used = {}, count = 0 }, Tokens)
end

-- Issuing.

local function forget_old(self, now)
  for token, entry in pairs(self.issued) do
    if entry.expires < now - 3600 then self.issued[token] = nil end
  end
  for jti, expires in pairs(self.used) do
    if expires < now then self.used[jti] = nil end
  end
end

-- A token with these claims; `kind` is "maskinporten" or "altinn".
function Tokens:issue(kind, claims, seconds)
  local now = math.floor(self.emulator.clock:wall())
  claims.iat, claims.nbf, claims.exp = now, now, now + seconds
  claims.jti = claims.jti or wire.random_text(32)
  local header = wire.encode(wire.object { { "alg", "RS256" }, { "typ", "JWT" }, { "kid", "emulator" } })
  local parts = { wire.base64url(header), wire.base64url(wire.encode(claims)), wire.random_text(256) }
  local token = table.concat(parts, ".")
  self.issued[token] = { kind = kind, claims = claims, expires = claims.exp }
  self.count = self.count + 1
  if self.count % 256 == 0 then forget_old(self, now) end
  return token
end

-- Ends all tokens that were issued so far.
function Tokens:expire_all()
  for _, entry in pairs(self.issued) do entry.expires = 0 end
end

-- Reading.

-- The entry of a request's bearer token; nil when it was not issued here or has expired.
function Tokens:bearer(request)
  local token = (request.headers.authorization or ""):match("^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)$")
  local entry = token and self.issued[token]
  if not entry or entry.expires <= self.emulator.clock:wall() then return nil end
  return entry
end

-- The same, for calls that take Altinn's tokens only.
function Tokens:altinn(request)
  local entry = self:bearer(request)
  return entry and entry.kind == "altinn" and entry or nil
end

local function scopes_of(claims)
  local scopes = {}
  for word in (claims.scope or claims["urn:altinn:scope"] or ""):gmatch("%S+") do scopes[word:lower()] = true end
  return scopes
end

-- Whether a token has a scope; case does not count.
function Tokens.has_scope(entry, scope)
  entry.scopes = entry.scopes or scopes_of(entry.claims)
  return entry.scopes[scope] == true
end

local function system_user(claims)
  for _, detail in ipairs(claims.authorization_details or {}) do
    if detail.type == "urn:altinn:systemuser" then return detail end
  end
  return nil
end

-- Who the caller is for Events: the first that applies of service owner, user, system user, organisation.
function Tokens.consumer(entry)
  local claims = entry.claims
  local system = system_user(claims)
  if claims["urn:altinn:org"] then return "/org/" .. claims["urn:altinn:org"] end
  if claims["urn:altinn:userid"] then return "/user/" .. claims["urn:altinn:userid"] end
  if system then return "/systemuser/" .. system.systemuser_id[1] end
  if claims["urn:altinn:orgNumber"] then return "/organisation/" .. claims["urn:altinn:orgNumber"] end
  return nil
end

-- The number of the party that a token acts for: the customer of a system user, a person, or the organisation.
function Tokens:party(entry)
  local claims = entry.claims
  local system = system_user(claims)
  local customer = system and type(system.systemuser_org) == "table" and system.systemuser_org.ID
  local consumer = type(claims.consumer) == "table" and claims.consumer.ID or nil
  return (self.emulator.world.number(customer or claims.pid or claims["urn:altinn:orgNumber"] or consumer))
end

-- The number of the organisation to which a token was given: of a system user's, the system's vendor.
function Tokens:organisation(entry)
  local consumer = entry.claims.consumer
  return (self.emulator.world.number(type(consumer) == "table" and consumer.ID or nil))
end

-- The grant.

local function refuse(error, description, status)
  return router.json(status or 400, wire.object { { "error", error }, { "error_description", description },
    { "correlation_id", wire.uuid() } }, { ["Cache-Control"] = "no-store" })
end

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function form_of(body)
  local form = {}
  for name, value in body:gmatch("([^&=]+)=([^&]*)") do form[unescape(name)] = unescape(value) end
  return form
end

local function json_part(text)
  local octets = text and wire.unbase64url(text)
  local value = octets and wire.decode(octets)
  return type(value) == "table" and value or nil
end

local function check_header(header)
  if not header then return "the header is no JSON in base64url" end
  if header.alg ~= "RS256" and header.alg ~= "RS384" and header.alg ~= "RS512" then
    return "alg must be RS256, RS384 or RS512"
  end
  if header.kid ~= nil and type(header.kid) ~= "string" then return "kid must be a text" end
  if (header.kid == nil) == (header.x5c == nil) then return "the header must have one of kid and x5c" end
  if header.x5c and (type(header.x5c) ~= "table" or type(header.x5c[1]) ~= "string") then
    return "x5c must be a list of certificates"
  end
end

local function check_audience(claims, issuer)
  local aud = claims.aud
  if type(aud) == "table" and #aud == 1 then aud = aud[1] end
  if aud ~= issuer then return ("aud must be '%s'"):format(issuer), "MP-110" end
end

-- A grant may have been made long ago, as long as it has not expired: a slow clock is refused late, a fast one at once.
local function check_times(claims, now)
  if type(claims.iat) ~= "number" or type(claims.exp) ~= "number" then return "iat and exp must be numbers" end
  if claims.exp - claims.iat > LONGEST then
    return ("JWT has too long lifetime: exp is more than %d seconds after iat"):format(LONGEST)
  end
  if now + LEEWAY < claims.iat then
    return ("Issue time is in the future: iat by %.0f seconds; is the clock right?"):format(claims.iat - now), "MP-130"
  end
  if now - LEEWAY > claims.exp then
    return ("JWT has expired: exp was %.0f seconds ago; is the clock right?"):format(now - claims.exp), "MP-130"
  end
end

local function check_names(claims)
  local unknown = {}
  for name in pairs(claims) do
    if not known_claims[name] then unknown[#unknown + 1] = tostring(name) end
  end
  table.sort(unknown)
  if #unknown > 0 then return "unknown claim " .. table.concat(unknown, ", ") end
  for _, name in ipairs { "iss", "scope" } do
    if type(claims[name]) ~= "string" or claims[name] == "" then return name .. " is missing" end
  end
  if claims.jti ~= nil and type(claims.jti) ~= "string" then return "jti must be a text" end
end

-- A certificate of a header's x5c as PEM.
local function certificate_of(base64)
  return "-----BEGIN CERTIFICATE-----\n" .. base64:gsub("%s", ""):gsub(("."):rep(64), "%0\n")
    .. "\n-----END CERTIFICATE-----\n"
end

-- The keys that may have signed: those of the client, or the certificate that came along.
local function keys_for(client, header)
  if header.x5c then return { certificate_of(header.x5c[1]) } end
  local list = {}
  for _, key in ipairs(client and client.keys or {}) do
    if key.kid == nil or key.kid == header.kid then list[#list + 1] = key.text end
  end
  return list
end

local function check_signature(self, jwt, header, claims)
  local world = self.emulator.world
  local client = world.clients[claims.iss]
  if world.accept_any_grant then return nil end
  if not client and not header.x5c then
    return refuse("invalid_client", "MP-100: no client " .. claims.iss .. " is registered here"
      .. " (start the emulator with --client ID=KEYFILE or --accept-any-grant)", 401)
  end
  if client and client.expired then return refuse("invalid_grant", "MP-121: the key of the client has expired") end
  local keys = keys_for(client, header)
  if #keys == 0 then return refuse("invalid_grant", "MP-124: the client has no key " .. tostring(header.kid)) end
  local why
  for _, key in ipairs(keys) do
    local ok, message = grant.verify(jwt, key)
    if ok then return nil end
    why = message
  end
  return refuse("invalid_grant", "MP-124: Invalid assertion: the signature is not right: " .. tostring(why))
end

local function check_scopes(client, scope)
  if not client or type(client.scopes) ~= "table" then return nil end
  for word in scope:gmatch("%S+") do
    local found = false
    for _, one in ipairs(client.scopes) do found = found or one == word end
    if not found then return refuse("invalid_scope", "MP-200: the client does not have the scope " .. word) end
  end
end

-- The details of a system user, with its id; or nil and a refusal.
local function details_of(self, claims)
  local list = claims.authorization_details
  if list == nil then return nil end
  local detail = type(list) == "table" and list[1]
  local org = type(detail) == "table" and detail.systemuser_org
  local number = type(org) == "table" and self.emulator.world.number(org.ID)
  local reference = number and detail.externalRef
  if not number or detail.type ~= "urn:altinn:systemuser" or reference and type(reference) ~= "string" then
    return nil, refuse("invalid_grant", "MP-302: authorization_details is not that of a system user")
  end
  local users = self.emulator.world.system_users
  local key = reference and number .. "/" .. reference or number
  if users[key] == false then
    return nil, refuse("invalid_altinn_customer_configuration", "MP-303: the organisation has no such system user")
  end
  users[key] = users[key] or wire.uuid()
  return { { type = detail.type, systemuser_org = org, externalRef = detail.externalRef,
    systemuser_id = wire.list { users[key] }, system_id = claims.iss .. "_system" } }
end

local function consumer_of(self, claims)
  local client = self.emulator.world.clients[claims.iss]
  return claims.consumer_org or (client and client.organisation) or self.emulator.world.organisation
end

-- The first fault of an assertion's parts as a sentence, and Maskinporten's number for it if there is one; or nil.
local function fault_of(self, header, claims)
  if not claims then return "the claims are no JSON in base64url" end
  local fault, number = check_header(header) or check_names(claims), nil
  if not fault then fault, number = check_audience(claims, self.emulator.issuer) end
  if not fault then fault, number = check_times(claims, self.emulator.clock:wall() + self.emulator.skew) end
  return fault, number
end

local function invalid_assertion(fault, number)
  return refuse("invalid_grant", (number or "MP-011") .. ": Invalid assertion: " .. fault)
end

local function judge(self, assertion)
  local head, body = assertion:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
  if not head then return nil, invalid_assertion("a JWT has three parts") end
  local header, claims = json_part(head), json_part(body)
  local fault, number = fault_of(self, header, claims)
  if fault then return nil, invalid_assertion(fault, number) end
  local refusal = check_signature(self, assertion, header, claims)
    or check_scopes(self.emulator.world.clients[claims.iss], claims.scope)
  if refusal then return nil, refusal end
  if claims.jti and self.used[claims.jti] then
    return nil, refuse("invalid_grant", "MP-012: the jti has been used before")
  end
  return claims
end

local function maskinporten_claims(self, claims, details)
  local organisation = self.emulator.world.number(consumer_of(self, claims))
  return {
    iss = self.emulator.issuer, aud = claims.resource or "unspecified", scope = claims.scope, client_id = claims.iss,
    client_amr = "private_key_jwt", token_type = "Bearer", sid = wire.uuid(), pid = claims.pid,
    consumer = { authority = "iso6523-actorid-upis", ID = "0192:" .. tostring(organisation) },
    authorization_details = details,
  }
end

-- POST /token
function Tokens:grant(request)
  if router.media_type(request) ~= "application/x-www-form-urlencoded" then
    return refuse("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
  end
  local form = form_of(request.body)
  if form.grant_type ~= GRANT_TYPE then
    return refuse("unsupported_grant_type", "grant_type must be " .. GRANT_TYPE)
  end
  if not form.assertion then return refuse("invalid_request", "assertion is missing") end
  local claims, refusal = judge(self, form.assertion)
  if not claims then return refusal end
  local details
  details, refusal = details_of(self, claims)
  if refusal then return refusal end
  if claims.jti then self.used[claims.jti] = claims.exp + 60 end
  local token = self:issue("maskinporten", maskinporten_claims(self, claims, details), MASKINPORTEN_SECONDS)
  return router.json(200, wire.object { { "access_token", token }, { "token_type", "Bearer" },
    { "expires_in", MASKINPORTEN_SECONDS - 1 }, { "scope", claims.scope } }, { ["Cache-Control"] = "no-store" })
end

-- The exchange.

-- Altinn's claims out of Maskinporten's.
function Tokens:altinn_claims(from, organisation, test)
  local claims = {}
  for name, value in pairs(from) do claims[name] = value end
  claims.aud, claims.client_amr, claims.jti = nil, nil, nil
  claims.sid = wire.uuid()
  claims.iss = self.emulator.platform .. "/authentication/api/v1/openid/"
  claims["urn:altinn:orgNumber"] = organisation
  claims["urn:altinn:authenticatemethod"] = "maskinporten"
  claims["urn:altinn:authlevel"] = 3
  local acronym = self.emulator.world.service_owners[organisation]
  if test and organisation == DIGDIR then acronym = "ttd" end
  if acronym and (from.scope or ""):lower():find("altinn:serviceowner", 1, true) then
    claims["urn:altinn:org"] = acronym
  end
  return claims
end

local function wants_json(request)
  return (request.headers.accept or ""):lower():find("application/json", 1, true) ~= nil
end

-- GET /authentication/api/v1/exchange/maskinporten
function Tokens:exchange(request)
  if not request.headers.authorization then return router.empty(400) end
  if request.headers["x-altinn-enterpriseuser-authentication"] then return router.empty(410) end
  local entry = self:bearer(request)
  if not entry or entry.kind ~= "maskinporten" then return router.empty(401) end
  local consumer = entry.claims.consumer
  local organisation = type(consumer) == "table" and self.emulator.world.number(consumer.ID)
  if not organisation then return router.empty(401) end
  local test = (router.parameter(request, "test") or ""):lower() == "true"
  local token = self:issue("altinn", self:altinn_claims(entry.claims, organisation, test), ALTINN_SECONDS)
  if wants_json(request) then return router.json(200, token) end
  return { status = 200, headers = { ["Content-Type"] = "text/plain; charset=utf-8" }, body = token }
end

-- Test tokens.

local function test_details(self, request)
  local user, org = router.parameter(request, "systemUserId"), router.parameter(request, "systemUserOrg")
  if not user and not org then return nil end
  return { { type = "urn:altinn:systemuser", systemuser_id = wire.list { user or wire.uuid() },
    systemuser_org = { authority = "iso6523-actorid-upis",
      ID = "0192:" .. (org or self.emulator.world.organisation) } } }
end

-- A token without a grant, as Altinn's test token generator gives them: scopes, org, orgNo, userId, pid, systemUserId,
-- systemUserOrg, clientId, ttl (seconds), kind=maskinporten.
function Tokens:test_token(request)
  local function get(name) return router.parameter(request, name) end
  local organisation = get "orgNo" or self.emulator.world.organisation
  local scope = (get "scopes" or "altinn:events.subscribe altinn:correspondence.read"):gsub(",", " ")
  local claims = {
    scope = scope, client_id = get "clientId" or wire.uuid(), pid = get "pid", token_type = "Bearer",
    consumer = { authority = "iso6523-actorid-upis", ID = "0192:" .. organisation },
    authorization_details = test_details(self, request), iss = self.emulator.issuer,
  }
  local kind = get "kind" == "maskinporten" and "maskinporten" or "altinn"
  if kind == "altinn" then
    claims = self:altinn_claims(claims, organisation)
    claims["urn:altinn:org"] = get "org" or claims["urn:altinn:org"]
    claims["urn:altinn:userid"] = get "userId"
  end
  local token = self:issue(kind, claims, math.tointeger(tonumber(get "ttl")) or ALTINN_SECONDS)
  return { status = 200, headers = { ["Content-Type"] = "text/plain; charset=utf-8" }, body = token }
end

--- Adds its routes to an emulator's.
---@param emulator table
---@param routes table
function M.routes(emulator, routes)
  routes:add("POST", "/token", function(request) return emulator.tokens:grant(request) end)
  routes:add("GET", "/authentication/api/v1/exchange/maskinporten", function(request)
    return emulator.tokens:exchange(request)
  end)
end

return M
