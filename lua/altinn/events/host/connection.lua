-- From the configuration to a client of Altinn: credentials, token, identity.
local endpoint = require "altinn.events.subscriptions.endpoint"
local events = require "altinn.events"
local token_reply = require "altinn.events.client.token_reply"

local M = {}

local Connection = {}
Connection.__index = Connection

--- The class of the connections that M.open gives; the commands add methods to it.
M.Connection = Connection

local function is_null(value)
  return value == nil or value == events.null
end

-- Calls a constructor. A mistake that it raises becomes nil, message, code, without the line of the module's file.
local function built(make, options)
  local ok, value, message, code = pcall(make, options)
  if ok then return value, message, code end
  return nil, (tostring(value):gsub("^[^:]*:%d+: ", "")), "invalid"
end

local function source_options(config)
  local options = {}
  for name, value in pairs(config.credentials) do options[name] = value end
  options.ca_file = options.ca_file or config.ca_file
  if not options.environment and not options.base_url then
    options.environment, options.base_url = config.environment, config.base_url
  end
  return options
end

--- The source of tokens that the configuration describes.
---@param config table
---@return function|string|nil token a callable source, or a ready token's text
---@return string|nil message
---@return string|nil code
function M.token(config)
  if config.token then return config.token end
  if not config.credentials then
    return nil, "there are no credentials: set credentials (or a ready token) in the configuration", "usage"
  end
  return built(events.maskinporten, source_options(config))
end

local function lacks_place(config)
  if config.base_url or config.environment then return nil end
  return "which Altinn? Set environment (tt02 or production) or base_url in the configuration"
end

--- The address of Altinn's platform.
---@param config table
---@return string|nil url
---@return string|nil message
function M.base_url(config)
  if lacks_place(config) then return nil, lacks_place(config) end
  if config.base_url then return (config.base_url:gsub("/+$", "")) end
  return require("altinn.events.client.maskinporten").environments[config.environment].base_url
end

--- Connects to Altinn; nothing is sent yet.
---@param config table of altinn.events.host.config.load
---@return table|nil connection `client`, `config`; methods claims, identity, address, owns, mask
---@return string|nil message
---@return string|nil code also "usage": the configuration lacks something
function M.open(config)
  local token, client, code
  local message = lacks_place(config)
  if message then return nil, message, "usage" end
  token, message, code = M.token(config)
  if not token then return nil, message, code end
  client, message, code = built(events.client, {
    environment = config.environment, base_url = config.base_url, token = token, ca_file = config.ca_file,
  })
  if not client then return nil, message, code end
  return setmetatable({ client = client, token = token, config = config }, Connection)
end

--- The claims of a token's text. The signature is not verified; Altinn does that.
---@param text string
---@return table|nil claims
---@return string|nil message
---@return string|nil code
function M.claims_of(text)
  local claims = token_reply.claims(text)
  if not claims then return nil, "the token is no JSON Web Token", "invalid" end
  return claims
end

--- The claims of the token in use; fetches a token when there is none yet.
---@return table|nil claims
---@return string|nil message
---@return string|nil code
function Connection:claims()
  if type(self.token) == "string" then return M.claims_of(self.token) end
  local token, message, code = self.token()
  if not token then return nil, message, code end
  return self.token:claims()
end

local function system_user(claims)
  local details = claims.authorization_details
  if type(details) ~= "table" then return nil end
  for _, one in ipairs(details) do
    local id = type(one) == "table" and one.systemuser_id
    if type(id) == "table" then id = id[1] end
    if type(id) == "string" then return id end
  end
  return nil
end

--- The identity under which Altinn Events keeps the subscriptions of a token's bearer: the first that applies of
--- service owner, user, system user, organisation.
---@param claims table
---@return string|nil identity "/org/…", "/user/…", "/systemuser/…" or "/organisation/…"
function M.identity_of(claims)
  local function claim(name) return not is_null(claims[name]) and tostring(claims[name]) or nil end
  if claim "urn:altinn:org" then return "/org/" .. claim "urn:altinn:org" end
  local user = claim "urn:altinn:userid"
  if user and user ~= "0" then return "/user/" .. user:gsub("%.0$", "") end
  local system = system_user(claims)
  if system then return "/systemuser/" .. system end
  local number = claim "urn:altinn:orgNumber"
  return number and "/organisation/" .. number or nil
end

--- The identity that owns the subscriptions: from the token, else from the subscriptions themselves.
---@param subscriptions table[]|nil
---@return string
function Connection:identity(subscriptions)
  local claims = self:claims()
  local first = subscriptions and subscriptions[1]
  return claims and M.identity_of(claims) or first and first.createdBy or "unknown"
end

--- Whether the token is certainly not a service owner's. Altinn demands a subjectFilter of everybody else.
---@param subscriptions table[]|nil
---@return boolean
function Connection:needs_subject(subscriptions)
  local identity = self:identity(subscriptions)
  return identity ~= "unknown" and not identity:find("^/org/")
end

--- The address that new subscriptions get.
---@param name string|nil added to it
---@return string|nil address
---@return string|nil message
---@return string|nil code
function Connection:address(name)
  if not self.config.endpoint then
    return nil, "where shall Altinn post to? Set endpoint in the configuration: the public address of the webhook,"
      .. " for instance https://hooks.example.no/events", "usage"
  end
  return endpoint.address(self.config.endpoint, self.config.secrets[1], name)
end

--- Whose an address is: see altinn.events.subscriptions.endpoint.
---@param address string|nil
---@return "ours"|"unknown"|nil
function Connection:owner(address)
  return self.config.endpoint and endpoint.owner(self.config.endpoint, address, self.config.secrets)
end

--- Whether an address is that of this configuration, with one of its secrets.
---@param address string|nil
---@return boolean
function Connection:owns(address)
  return self:owner(address) == "ours"
end

--- An address without its secret. When the owner is unknown, the beginning of the word in the secret's place is shown,
--- so that people recognise it.
---@param address string|nil
---@return string|nil
function Connection:mask(address)
  local shown = address and self:owner(address) == "unknown" and endpoint.hint or endpoint.mask
  local text = shown(address, self.config.endpoint, self.config.secrets)
  return text and events.mask(text) or nil
end

--- A text of others, which may quote an address, without its secret.
---@param text string
---@return string
function Connection:without_secrets(text)
  return endpoint.hide(text, self.config.secrets)
end

return M
