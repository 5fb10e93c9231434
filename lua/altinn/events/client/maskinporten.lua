-- Tokens for Altinn: signs a grant, gets Maskinporten's token for it, and exchanges that for Altinn's token. A token is
-- kept, renewed early, and fetched once for all callers.
local cache = require "altinn.events.client.token_cache"
local core = require "altinn.events.core"
local grant = require("altinn.events.support.libraries").load "altinn.events.grant"
local json = require "altinn.events.support.json"
local retry = require "altinn.events.client.retry"
local reply_reader = require "altinn.events.client.token_reply"
local http_date = require "altinn.events.support.http_date"
local suggest = require "altinn.events.support.suggest"
local transports = require "altinn.events.client.transport"
local urls = require "altinn.events.support.url"

local M = {}

local GRANT_SECONDS = 60    -- a grant's validity; Maskinporten takes 120 at most

--- Environments: the platform, where the exchange is, and Maskinporten's issuer.
M.environments = {}
for name, base_url in pairs(core.altinn.environments) do
  local issuer = name == "production" and "https://maskinporten.no/" or "https://test.maskinporten.no/"
  M.environments[name] = { base_url = base_url, issuer = issuer }
end

-- The state of the sources, by source. It is kept outside of them, so that a rule that inspects one finds no secret.
local private = setmetatable({}, { __mode = "k" })

-- Options.

-- Raises at the line of the module's caller.
local function misuse(message)
  local level = 2
  while true do
    local info = debug.getinfo(level, "S")
    local is_ours = info and (info.source:find("altinn/events/client/maskinporten%.lua$")
      or info.source:find("altinn/events%.lua$") or info.what == "tail")
    if not is_ours then break end
    level = level + 1
  end
  error(message, level)
end

local KINDS = {
  client_id = "string", key = "string", key_file = "string", passphrase = "string", kid = "string",
  certificate = "string", certificate_file = "string", scopes = "string or table", environment = "string",
  base_url = "string", issuer = "string", token_url = "string", system_user = "table", resource = "string or table",
  consumer_org = "string", iss_onbehalfof = "string", pid = "string", exchange = "boolean", algorithm = "string",
  transport = "function or table", clock = "function", sleep = "function", timeout = "number",
  ca_file = "string",
}
-- The options that may differ between the tokens of one client.
local OF_TOKEN = {
  scopes = true, system_user = true, resource = true, consumer_org = true, iss_onbehalfof = true, pid = true,
  exchange = true,
}

local function check_options(options, known, name)
  if type(options) ~= "table" then misuse(name .. " wants a table of options") end
  for key, value in pairs(options) do
    if type(key) ~= "string" or not known[key] then
      misuse(("unknown option '%s' of %s%s"):format(tostring(key), name, suggest.hint(tostring(key), known)))
    end
    if not (" " .. KINDS[key] .. " "):find(" " .. type(value) .. " ", 1, true) then
      misuse(("option '%s' of %s must be a %s, not a %s"):format(key, name, KINDS[key], type(value)))
    end
  end
end

local function check_url(name, url)
  if not url:find("^https?://[^/?#%s%c@]+[^%s%c]*$") or url:find("^%a+://[^/]*@") then
    misuse(("option '%s' is no address of the form https://host/"):format(name))
  end
  if not url:find("^https://") and not urls.is_loopback(url) then
    misuse(("option '%s' must begin with https:// (http only for this machine): tokens go there"):format(name))
  end
  return url
end

-- The addresses of the environment; an option replaces each of them.
local function addresses(options)
  local known = {}
  if options.environment then
    known = M.environments[options.environment]
    if not known then
      misuse(("option 'environment': there is no '%s'%s"):format(options.environment,
        suggest.hint(options.environment, M.environments)))
    end
  end
  local issuer, base_url = options.issuer or known.issuer, options.base_url or known.base_url
  if not issuer then misuse("option 'environment' is missing, or 'issuer' and 'base_url' instead") end
  if not base_url and options.exchange ~= false then
    misuse("option 'base_url' is missing: the exchange is there (or exchange = false)")
  end
  issuer = check_url("issuer", issuer):gsub("/*$", "") .. "/"
  return issuer, check_url("token_url", options.token_url or issuer .. "token"),
    base_url and check_url("base_url", base_url):gsub("/*$", "") .. "/authentication/api/v1/exchange/maskinporten"
end

-- A list, or a text of words -> the list, each word once; words must be scopes by RFC 6749 §3.3.
local function words(name, value)
  local list, seen = {}, {}
  local function add(word)
    if type(word) ~= "string" or not word:find("^[!#-Z%[%]^-~]+$") then
      misuse(("option '%s' is a list of words without blanks"):format(name))
    end
    if not seen[word] then list[#list + 1], seen[word] = word, true end
  end
  if type(value) == "string" then
    for word in value:gmatch("%S+") do add(word) end
  else
    for _, word in ipairs(value) do add(word) end
  end
  if #list == 0 then misuse(("option '%s' is empty"):format(name)) end
  return list
end

-- The claim authorization_details of a system user, by Digdir's page
-- https://docs.digdir.no/docs/Maskinporten/maskinporten_func_systembruker.
local function authorization_details(user)
  for key, value in pairs(user) do
    if key ~= "organisation" and key ~= "reference" then
      misuse(("unknown member '%s' of option 'system_user'%s"):format(tostring(key),
        suggest.hint(tostring(key), { "organisation", "reference" })))
    end
    if type(value) ~= "string" then misuse(("system_user.%s must be a string"):format(key)) end
  end
  local number = user.organisation and user.organisation:gsub("^0192:", "")
  if not number or not number:find("^%d%d%d%d%d%d%d%d%d$") then
    misuse("system_user.organisation is the number of the customer's organisation, nine digits")
  end
  return json.list {
    { type = "urn:altinn:systemuser", externalRef = user.reference,
      systemuser_org = { authority = "iso6523-actorid-upis", ID = "0192:" .. number } },
  }
end

-- The claims that do not change from grant to grant. Maskinporten refuses all others, by Digdir's page
-- https://docs.digdir.no/docs/Maskinporten/maskinporten_protocol_jwtgrant.
local function fixed_claims(settings, options)
  if not options.scopes then misuse("option 'scopes' is missing") end
  return {
    aud = settings.issuer, iss = settings.client_id, scope = table.concat(words("scopes", options.scopes), " "),
    resource = options.resource and json.list(words("resource", options.resource)),
    consumer_org = options.consumer_org, iss_onbehalfof = options.iss_onbehalfof, pid = options.pid,
    authorization_details = options.system_user and authorization_details(options.system_user),
  }
end

-- The key of a token in the cache: all options in which tokens differ.
local function cache_key(options, claims)
  local scopes = words("scopes", options.scopes)
  table.sort(scopes)
  local copy = { exchange = options.exchange ~= false }
  for name, value in pairs(claims) do copy[name] = value end
  copy.scope = table.concat(scopes, " ")
  local text, message = json.encode(copy)
  if not text then misuse("options: " .. message) end
  return text
end

-- Fetching.

-- One request within what is left of the time.
local function ask(settings, who, request, deadline)
  local from = settings.clock()
  request.timeout = math.max(0.1, deadline - from)
  request.max_body, request.ca_file = 64 * 1024, settings.ca_file
  local reply, message, code = settings.transport(request)
  if not reply then return nil, reply_reader.unanswered(who, message, code) end
  return reply_reader.normal(reply), from, settings.clock()
end

local function sign(state)
  local settings, claims = state.settings, {}
  for name, value in pairs(state.claims) do claims[name] = value end
  claims.iat = math.floor(settings.clock())
  claims.exp = claims.iat + GRANT_SECONDS
  claims.jti = grant.uuid()
  return settings.key:sign(json.encode(claims), settings.algorithm)
end

local function fetch_grant(state, deadline)
  local settings = state.settings
  local assertion, message, code, detail = sign(state)
  if not assertion then return nil, message, code, detail end
  local reply, from, to, why_code, why_detail = ask(settings, "Maskinporten", {
    method = "POST", url = settings.token_url,
    headers = { ["Content-Type"] = "application/x-www-form-urlencoded", Accept = "application/json" },
    body = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" .. assertion,
  }, deadline)
  if not reply then return nil, to, why_code, why_detail end
  settings.skew = reply_reader.skew(reply, from, to) or settings.skew
  local token, lifetime, failed, more = reply_reader.token(reply, from, to)
  if not token and more then more.retry_after = http_date.retry_after(reply.headers, to) end
  return token, lifetime, failed, more
end

local function exchange(state, raw, lifetime, deadline)
  local reply, from, to, code, detail = ask(state.settings, "Altinn's exchange", {
    method = "GET", url = state.settings.exchange_url, headers = { Authorization = "Bearer " .. raw },
  }, deadline)
  if not reply then return nil, to, code, detail end
  local token, left, failed, more = reply_reader.exchanged(reply, from, to, lifetime)
  if not token and more then more.retry_after = http_date.retry_after(reply.headers, to) end
  return token, left, failed, more
end

-- A new token -> token, seconds it lives, from when; or nil, message, code, detail.
local function fetch(state, seconds)
  local from = state.settings.clock()
  local deadline = from + seconds
  local token, lifetime, code, detail = fetch_grant(state, deadline)
  if token and state.exchange then
    from = state.settings.clock()
    token, lifetime, code, detail = exchange(state, token, lifetime, deadline)
  end
  if not token then return nil, lifetime, code, detail end
  return token, lifetime, from
end

local function token_of(state, most)
  return cache.token(state.entry, state.settings, function(seconds) return fetch(state, seconds) end, most)
end

-- Sources.

local Source = {}
Source.__index = Source

function Source.__tostring(self)
  local state = private[self]
  return ("altinn.events.maskinporten: client %s, %s"):format(core.mask(state.settings.client_id), state.claims.scope)
end

--- The token: from the cache, or fetched.
---@param seconds number|nil the most that fetching may take, when that is less than the source's timeout
---@return string|nil token
---@return string|nil message
---@return string|nil code auth, forbidden, network, tls, timeout, throttled, server, not_found, too_large, or one of
---  signing
---@return table|nil detail reason, status, error, number ("MP-100"), skew, retry_after
function Source.__call(self, seconds) return token_of(private[self], tonumber(seconds)) end

local function make(settings, options)
  local state = { settings = settings, options = options, claims = fixed_claims(settings, options) }
  state.exchange = options.exchange ~= false
  if state.exchange and not settings.exchange_url then
    misuse("option 'base_url' is missing: the exchange is there")
  end
  local key = cache_key(options, state.claims)
  settings.entries[key] = settings.entries[key] or {}
  state.entry = settings.entries[key]
  local source = setmetatable({}, Source)
  private[source] = state
  return source
end

--- A source of other tokens of the same client: for other scopes, another
--- customer. Tokens are kept per set of scopes and customer, whichever
--- source they were fetched through.
---@param options { scopes: string|string[]|nil, system_user: table|nil, resource: string|string[]|nil,
---  consumer_org: string|nil, iss_onbehalfof: string|nil, pid: string|nil, exchange: boolean|nil }
---  what is left out stays as it is; system_user = false: none
---@return table source
function Source:with(options)
  local state, merged = private[self], {}
  for name, value in pairs(state.options) do merged[name] = value end
  local given = {}
  if type(options) ~= "table" then misuse("with wants a table of options") end
  for name, value in pairs(options) do
    if value == false and name ~= "exchange" and OF_TOKEN[name] then merged[name] = nil
    else given[name] = value end
  end
  check_options(given, OF_TOKEN, "source:with")
  for name, value in pairs(given) do merged[name] = value end
  return make(state.settings, merged)
end

--- Reports that a server answered 401 to a token. True: the source gives another token, so one more attempt makes
--- sense. False: a new token would not help, because the code says that the caller lacks access (4001, 4006, 4007), or
--- the token was itself new. A refused token is replaced at most once a minute.
---@param token string the one that was refused
---@param code integer|string|nil the error's number, if the answer had one
---@return boolean again
function Source:refused(token, code)
  local state = private[self]
  if code ~= nil and retry.is_denied(tonumber(tostring(code):match("%d+"))) then return false end
  return cache.refused(state.entry, state.settings.clock(), token)
end

--- The same as refused, under the name that a client calls.
Source.invalidate = Source.refused

local function masked(value)
  if type(value) == "string" then return core.mask(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for name, member in pairs(value) do copy[name] = masked(member) end
  return copy
end

--- The claims of the token, for display: identity numbers are masked. The
--- token is fetched when there is none.
---@return table|nil claims
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Source:claims()
  local token, message, code, detail = token_of(private[self])
  if not token then return nil, message, code, detail end
  local claims = reply_reader.claims(token)
  if not claims then return nil, "the token is no JWT: its claims cannot be shown", "unsupported" end
  return masked(claims)
end

--- How far this machine's clock is behind Maskinporten's, by its last answer.
---@return number|nil seconds negative: ahead; nil: not known
function Source:skew() return private[self].settings.skew end

--- When the present token ends and when it is renewed, this machine's clock.
---@return number|nil ends seconds since 1970; nil: there is no token
---@return number|nil renewed
function Source:expiry()
  local entry = private[self].entry
  if not entry.token then return nil end
  return entry.ends, entry.renew
end

local ALGORITHMS = { RS256 = true, RS384 = true, RS512 = true }

local function check_presence(options)
  if not options.client_id or not options.client_id:find("^[!-~]+$") then
    misuse("option 'client_id' is missing, or holds blanks")
  end
  if (options.key ~= nil) == (options.key_file ~= nil) then misuse("give either 'key' or 'key_file'") end
  if options.kid and (options.certificate or options.certificate_file) then
    misuse("give 'kid' or 'certificate': Maskinporten takes one of them")
  end
  if options.algorithm and not ALGORITHMS[options.algorithm] then
    misuse("option 'algorithm' is RS256, RS384 or RS512")
  end
  local timeout = options.timeout or 30
  if timeout ~= timeout or timeout <= 0 then misuse("option 'timeout' is a number of seconds above 0") end
end

local function settings_of(options)
  check_options(options, KINDS, "events.maskinporten")
  check_presence(options)
  local settings = {
    client_id = options.client_id, algorithm = options.algorithm or "RS256", timeout = options.timeout or 30,
    ca_file = options.ca_file, clock = options.clock or os.time, sleep = options.sleep,
    transport = options.transport or transports.default(),
    entries = {},
  }
  settings.issuer, settings.token_url, settings.exchange_url = addresses(options)
  return settings
end

local function token_options(options)
  local copy = {}
  for name in pairs(OF_TOKEN) do copy[name] = options[name] end
  return copy
end

--- A source of tokens; events.maskinporten.
---@param options table
---@return table|nil source called, it gives the token, or nil, message, code, detail
---@return string|nil message what is wrong with the key or the certificate
---@return string|nil code not_found, storage, syntax, auth (the passphrase), unsupported or invalid
---@return table|nil detail reason
function M.new(options)
  local settings = settings_of(options)
  local source = make(settings, token_options(options))
  local key, message, code, detail = grant.key {
    key = options.key, key_file = options.key_file, passphrase = options.passphrase, kid = options.kid,
    certificate = options.certificate, certificate_file = options.certificate_file,
  }
  if not key then return nil, message, code, detail end
  if not key:named() then
    return nil, "the key has neither kid nor certificate, by which Maskinporten knows it: give the kid under which "
      .. "its public half is registered, or the certificate", "invalid", { reason = "unnamed" }
  end
  settings.key = key
  return source
end

return M
