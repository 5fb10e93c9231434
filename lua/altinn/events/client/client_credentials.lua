-- Tokens of OAuth 2.0 by client credentials (RFC 6749 section 4.4): kept, renewed early, fetched once for all callers.
local base64 = require "altinn.events.support.base64"
local cache = require "altinn.events.client.token_cache"
local cjson = require("cjson.safe").new()  -- an own instance: settings of the shared one would reach other code
local http_date = require "altinn.events.support.http_date"
local texts = require "altinn.events.support.text"
local transports = require "altinn.events.client.transport"
local urls = require "altinn.events.support.url"

local M = {}

local LARGEST = 64 * 1024  -- bytes of a reply
local LIFETIME = 300       -- seconds, of a token whose lifetime the server does not say

-- Words of application/x-www-form-urlencoded.
local function form(fields)
  local parts = {}
  for index, field in ipairs(fields) do
    parts[index] = field[1] .. "=" .. urls.escape(field[2]):gsub("%%20", "+")
  end
  return table.concat(parts, "&")
end

local function request_of(options)
  local fields = { { "grant_type", "client_credentials" } }
  for _, name in ipairs { "scope", "resource", "audience" } do
    if options[name] then fields[#fields + 1] = { name, options[name] } end
  end
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded", Accept = "application/json" }
  if options.in_body then
    fields[#fields + 1] = { "client_id", options.client_id }
    fields[#fields + 1] = { "client_secret", options.client_secret }
  else  -- RFC 6749 section 2.3.1: each is encoded by itself
    headers.Authorization = "Basic " .. base64.encode(urls.escape(options.client_id) .. ":"
      .. urls.escape(options.client_secret))
  end
  return { method = "POST", url = options.url, headers = headers, body = form(fields), max_body = LARGEST,
    ca_file = options.ca_file, proxy = options.proxy }
end

local function where(options) return ("the token endpoint at %s"):format(urls.host(options.url) or "?") end

local REFUSED = {
  invalid_client = "check token.client_id and token.client_secret", unauthorized_client = "the client may not do this",
  invalid_scope = "check token.scope", invalid_target = "check token.resource",
  unsupported_grant_type = "it gives no tokens by client credentials",
  invalid_request = "does it want the secret in the body? (token.in_body = true)",
}

-- A refusal by RFC 6749 section 5.2.
local function refused(options, reply, object)
  local word = type(object.error) == "string" and object.error or "?"
  local said = type(object.error_description) == "string" and ": " .. object.error_description or ""
  said = texts.harmless(texts.replace(word .. said, options.client_secret, "…"))
  return nil, ("%s refuses the client, with %d: %s (%s)"):format(where(options), reply.status, said,
    REFUSED[word] or "see its documentation"), word == "invalid_scope" and "forbidden" or "auth"
end

local function strange(options, reply)
  local code = reply.status == 429 and "throttled" or reply.status >= 500 and "server"
    or reply.status >= 400 and "auth" or "server"
  return nil, ("%s answers %d without a token: is token.url right?"):format(where(options), reply.status), code
end

-- b64token of RFC 6750 section 2.1.
local function is_token(value)
  return type(value) == "string" and #value <= LARGEST and value:find("^[%w%-%._~+/]+=*$") ~= nil
end

local function read(options, reply)
  local object = cjson.decode(type(reply.body) == "string" and reply.body or "")
  object = type(object) == "table" and object or {}
  local kind = object.token_type
  if reply.status == 200 and is_token(object.access_token) then
    if kind ~= nil and (type(kind) ~= "string" or kind:lower() ~= "bearer") then
      return nil, ("%s gives a token of another type than Bearer"):format(where(options)), "unsupported"
    end
    local lifetime = tonumber(object.expires_in) or LIFETIME
    if not (lifetime > 0 and lifetime < 1e9) then lifetime = LIFETIME end
    return object.access_token, lifetime
  end
  local is_refusal = reply.status >= 400 and reply.status < 500 and reply.status ~= 429 and object.error ~= nil
  return (is_refusal and refused or strange)(options, reply, object)
end

local function fetch(options, settings, seconds)
  local request, from = request_of(options), settings.clock()
  request.timeout = math.max(0.1, seconds)
  local reply, message, code = settings.transport(request)
  if not reply then
    return nil, ("%s cannot be asked: %s"):format(where(options), texts.harmless(message)),
      type(code) == "string" and code or "network"
  end
  local token, lifetime, failure = read(options, reply)
  if token then return token, lifetime, from end
  return nil, lifetime, failure, { status = reply.status,
    retry_after = http_date.retry_after(reply.headers or {}, settings.clock()) }
end

local Source = {}
Source.__index = Source

-- The state of the sources. It is kept outside of them, so that whoever prints one sees no secret.
local private = setmetatable({}, { __mode = "k" })

--- The token: from the cache, or fetched.
---@param seconds number|nil the most that fetching may take
---@return string|nil token
---@return string|nil message
---@return string|nil code auth, forbidden, network, tls, timeout, throttled, server, unsupported
---@return table|nil detail
function Source.__call(self, seconds)
  local state = private[self]
  return cache.token(state.entry, state.settings, function(most)
    return fetch(state.options, state.settings, most)
  end, tonumber(seconds))
end

--- Reports that a server answered 401 to a token. True: the next token will be another one.
---@param token string
---@return boolean again
function Source:invalidate(token)
  local state = private[self]
  return cache.refused(state.entry, state.settings.clock(), token)
end

--- A source of tokens.
---@param options { url: string, client_id: string, client_secret: string, scope: string|nil, resource: string|nil,
---  audience: string|nil, in_body: boolean|nil, ca_file: string|nil, proxy: string|false|nil, timeout: number|nil,
---  transport: function|nil, clock: (fun(): number)|nil, sleep: function|nil } as the configuration checked them
---@return table|nil source called, it gives the token, or nil, message, code, detail
---@return string|nil message
---@return string|nil code "usage": something is missing
function M.new(options)
  for _, name in ipairs { "url", "client_id", "client_secret" } do
    if not options[name] then return nil, ("token.%s is missing"):format(name), "usage" end
  end
  local source = setmetatable({}, Source)
  private[source] = { options = options, entry = {}, settings = {
    transport = options.transport or transports.default(), clock = options.clock or os.time, sleep = options.sleep,
    timeout = options.timeout or 30,
  } }
  return source
end

return M
