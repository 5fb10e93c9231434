-- Targets of effects: what the configuration may say of one, by its sort. A target has one sort: the key that says
-- where it is (url, mail, teams, …). The kinds of effects put their keys together from the entries here.
local core = require "altinn.events.core"
local field = require "altinn.events.support.http_field"
local lists = require "altinn.events.support.lists"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local url = require "altinn.events.support.url"

local M = {}

---@class altinn.events.target_key
---A key of a target, for the configuration, the handler in nginx, and the definitions for editors.
---@field name string
---@field check (fun(value: any): string|nil)|nil gives what is wrong; nil: `shape` says all
---@field type string of LuaCATS
---@field about string
---@field of string|nil the sort of targets that has it, where its kind takes several
---@field shape altinn.events.target_key[]|nil the value is a table with these keys
---@field number boolean|nil a variable's text becomes a number
---@field switch boolean|nil a variable's text may be "false"
---@field nginx string|nil why the handler in nginx does not take it

-- Checks: each returns a message when a value is wrong.

--- A text that is not empty.
---@param value any
---@return string|nil message
function M.one_text(value)
  if type(value) ~= "string" or value == "" then return "must be a text that is not empty" end
end

--- A text or a list of texts, none of them empty.
---@param value any
---@return string|nil message
function M.texts(value)
  if type(value) == "string" and value ~= "" then return nil end
  if type(value) ~= "table" or #value == 0 then return "must be a text or a list of texts" end
  local fault = lists.fault(value)
  if fault then return "must be a text or a list of texts: " .. fault end
  for _, one in ipairs(value) do
    if type(one) ~= "string" or one == "" then return "must be a text or a list of texts, none of them empty" end
  end
end

--- A check for whole numbers.
---@param least integer
---@param most integer
---@return fun(value: any): string|nil
function M.whole(least, most)
  return function(value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
      return ("must be a whole number from %d to %d"):format(least, most)
    end
  end
end

--- The name of a file.
---@param value any
---@return string|nil message
function M.file_name(value)
  if type(value) ~= "string" or value == "" or value:find("^:") or value:find("%c") then
    return "must be the name of a file"
  end
end

--- An address of HTTP.
---@param value any
---@return string|nil message
function M.url(value)
  if type(value) ~= "string" or not value:find("^https?://[^/%s]+") or value:find("[%s%c]") then
    return "must be an address that begins with https:// or http://"
  end
  -- A fragment would not be sent, and would swallow the path of an effect.
  if value:find("#", 1, true) then return "holds a '#': what follows it would never be sent" end
end

--- A file of authorities that are trusted instead of the system's. Connections read it later, so it is checked here.
---@param value any
---@return string|nil message
function M.authorities(value)
  if M.file_name(value) then return "must be the name of a file" end
  local file, message = io.open(value, "rb")
  local text
  if file then
    text, message = file:read(1048576)  -- a folder opens, and does not read
    file:close()
  end
  if not text then return ("cannot be read: %s"):format(message or "it is empty") end
  if not text:find("-----BEGIN CERTIFICATE-----", 1, true) then return "holds no certificate in PEM" end
end

local function headers(value)
  if type(value) ~= "table" then return "must be a table of names and texts" end
  for name, text in pairs(value) do
    if type(name) ~= "string" or type(text) ~= "string" then return "must hold texts by name" end
    if not field.is_name(name) then return ("has '%s', which is no name of a header"):format(name) end
    if not field.is_value(text) then return ("%s holds a control character"):format(name) end
  end
end

--- What is wrong with a text that everybody on its way reads, when it holds a person's number.
---@param what string such as "the path"
---@param value string
---@return string|nil message
function M.person_fault(what, value)
  if core.mask(value) == value then return nil end
  return ("%s holds an identity number (%s), which servers and people on its way would read: put it into the body")
    :format(what, core.mask(value))
end

--- true or false.
---@param value any
---@return string|nil message
function M.flag(value)
  if type(value) ~= "boolean" then return "must be true or false" end
end

--- What to do when a target does not answer.
M.REACH = "is the address right, does its name resolve, and may this machine reach it?"

-- The host of a proxy, without a user: its password would stand in the configuration's messages.
local function proxy(value)
  if value == false then return nil end
  if type(value) ~= "string" or not value:find("^https?://[^/%s]+/?$") then
    return "must be the address of a proxy, http://host:port, or false for none"
  end
end

local function token_url(value)
  local message = M.url(value)
  if message then return message end
  if value:find("^http:") and not url.is_loopback(value) then
    return "must begin with https:// (http only for this machine): a secret goes there"
  end
end

-- Entries that several kinds have.

--- The seconds that an effect may take.
M.timeout = { name = "timeout", check = M.whole(1, 3600), type = "integer", number = true,
  about = "seconds, from when the request goes out or the program starts; left out: 30, for mail and `sftp://` 60" }

--- The authorities that are trusted.
M.ca_file = { name = "ca_file", check = M.authorities, type = "string",
  about = "PEM file of authorities that are trusted instead of the system's",
  nginx = "nginx trusts what lua_ssl_trusted_certificate names" }

--- Headers of each request.
M.headers = { name = "headers", check = headers, type = "table<string, string>", about = "sent with each request" }

--- The proxy by which the target is asked.
M.proxy = { name = "proxy", check = proxy, type = "string|false", switch = true, nginx = "nginx asks no proxy",
  about = "address of the proxy to ask by, instead of the one that the environment names; `false`: none" }

--- The token of OAuth 2.0 by client credentials (RFC 6749 §4.4).
M.token = { name = "token", type = "altinn.events.target_token",
  about = "a token of OAuth 2.0 by client credentials for each request:"
    .. " `{ url =, client_id =, client_secret =, scope = }`",
  shape = {
    { name = "url", check = token_url, type = "string", about = "address of the token endpoint" },
    { name = "client_id", check = M.one_text, type = "string", about = "who asks" },
    { name = "client_secret", check = M.one_text, type = "string", about = "the client's secret" },
    { name = "scope", check = M.one_text, type = "string", about = "scopes, with blanks between them" },
    { name = "resource", check = M.one_text, type = "string", about = "the service that the token is for (RFC 8707)" },
    { name = "audience", check = M.one_text, type = "string", about = "the same, as some servers want it" },
    { name = "in_body", check = M.flag, type = "boolean",
      about = "the secret goes in the body instead of the Authorization header" },
  } }

--- Maskinporten's token.
M.maskinporten = { name = "maskinporten", type = "altinn.events.target_maskinporten",
  about = "a token of Maskinporten for each request: what events.maskinporten takes; `environment` is the"
    .. " configuration's; `exchange = false` for services that take Maskinporten's own token",
  shape = {
    { name = "client_id", check = M.one_text, type = "string", about = "who asks" },
    { name = "key", check = M.one_text, type = "string", about = "PEM, PKCS#12 or JWK" },
    { name = "key_file", check = M.one_text, type = "string", about = "instead of key" },
    { name = "passphrase", check = M.one_text, type = "string", about = "of the key" },
    { name = "kid", check = M.one_text, type = "string", about = "under which the public key is registered" },
    { name = "certificate", check = M.one_text, type = "string", about = "instead of kid" },
    { name = "certificate_file", check = M.one_text, type = "string", about = "instead of certificate" },
    { name = "scopes", check = M.texts, type = "string|string[]", about = "of the token" },
    { name = "environment", check = M.one_text, type = "altinn.events.environment", about = "which Maskinporten" },
    { name = "base_url", check = M.url, type = "string", about = "the platform, where the exchange is" },
    { name = "issuer", check = M.url, type = "string", about = "the grant's aud" },
    { name = "token_url", check = M.url, type = "string", about = "instead of the issuer's" },
    { name = "system_user", type = "altinn.events.target_system_user", about = "the system user to act for", shape = {
      { name = "organisation", check = M.one_text, type = "string", about = "number of the customer's organisation" },
      { name = "reference", check = M.one_text, type = "string", about = "with which it was made" },
    } },
    { name = "resource", check = M.texts, type = "string|string[]", about = "audiences of the token" },
    { name = "consumer_org", check = M.one_text, type = "string", about = "whom the client acts for" },
    { name = "iss_onbehalfof", check = M.one_text, type = "string", about = "whose client it is" },
    { name = "pid", check = M.one_text, type = "string", about = "a person" },
    { name = "exchange", check = M.flag, type = "boolean", about = "false: the token is not exchanged for Altinn's" },
    { name = "algorithm", check = M.one_text, type = "string", about = "of the signature" },
    { name = "timeout", check = M.whole(1, 3600), type = "integer", about = "seconds" },
    { name = "ca_file", check = M.authorities, type = "string", about = "PEM file of authorities for Maskinporten" },
  } }

--- The keys of a target that is an address of HTTP.
---@param name string of the key that holds the address
---@param about string
---@return altinn.events.target_key[]
function M.of_http(name, about)
  return { { name = name, check = M.url, type = "string", about = about }, M.headers, M.timeout, M.ca_file, M.proxy,
    M.token, M.maskinporten }
end

-- Sorts.

local Sorts = {}
Sorts.__index = Sorts

local function add_kind(self, kind, one)
  for _, sort in ipairs(one.takes) do
    if not self.keys[sort] then
      self.keys[sort], self.kinds_of[sort] = {}, {}
      self.names[#self.names + 1] = sort
    end
    table.insert(self.kinds_of[sort], kind)
  end
end

-- A kind may take several sorts: the key of another sort is no key of this one.
local function belongs(self, key, sort)
  if self.keys[key.name] then return key.name == sort end
  return (key.of or sort) == sort
end

local function add_keys(self, sort, keys)
  for _, key in ipairs(keys) do
    if belongs(self, key, sort) then self.keys[sort][key.name], self.all[key.name] = key, key end
  end
end

--- What the targets of some kinds may have.
---@param kinds table<string, table> by name; each has `takes`, the sorts of its targets, and `keys`
---@return table sorts `names`: the sorts; `keys`: sort -> name -> key; `all`: name -> key; `kinds_of`: sort -> kinds
function M.sorts(kinds)
  local self = setmetatable({ names = {}, keys = {}, all = {}, kinds_of = {} }, Sorts)
  for kind, one in pairs(kinds) do add_kind(self, kind, one) end
  for _, one in pairs(kinds) do
    for _, sort in ipairs(one.takes) do add_keys(self, sort, one.keys) end
  end
  table.sort(self.names)
  for _, list in pairs(self.kinds_of) do table.sort(list) end
  return self
end

--- The names of the sorts, url first: "url (or mail, slack)".
---@return string
function Sorts:list()
  local others = {}
  for _, name in ipairs(self.names) do others[#others + 1] = name ~= "url" and name or nil end
  return "url" .. (#others > 0 and (" (or %s)"):format(table.concat(others, ", ")) or "")
end

--- The sort of a target; nil: it has none, or several.
---@param target table
---@return string|nil sort
---@return string|nil message
function Sorts:of(target)
  local found = {}
  for _, name in ipairs(self.names) do
    if target[name] ~= nil then found[#found + 1] = name end
  end
  if #found == 1 then return found[1] end
  if #found == 0 then return nil, "has no " .. self:list() end
  return nil, ("has %s: a target is in one place"):format(table.concat(found, " and "))
end

--- The words that make effects for a sort of targets: "send.cloudevent or send.http".
---@param sort string
---@return string
function Sorts:words(sort)
  local words = {}
  for index, kind in ipairs(self.kinds_of[sort]) do words[index] = "send." .. kind end
  return table.concat(words, " or ")
end

--- Why a key does not belong to a target of this sort, where it belongs to others; nil: it does, or nobody knows it.
---@param sort string
---@param name string
---@return string|nil message
function Sorts:misplaced(sort, name)
  if self.keys[sort][name] or not self.all[name] then return nil end
  local others = {}
  for _, other in ipairs(self.names) do
    if self.keys[other][name] then others[#others + 1] = other end
  end
  return ("is for targets with %s, and this one has %s"):format(table.concat(others, " or "), sort)
end

--- The mistakes of a target's keys.
---@param value any
---@param keys altinn.events.target_key[]|table<string, altinn.events.target_key>
---@return string|nil message without the name of the target
function M.members_fault(value, keys)
  local known = {}
  for _, key in pairs(keys) do known[key.name] = key end
  if type(value) ~= "table" then return ("must be a table, not a %s"):format(type(value)) end
  for _, name in ipairs(sorted(value)) do
    local key, one = known[name], value[name]
    if not key then return ("unknown key '%s'%s"):format(name, suggest.hint(name, known)) end
    local message = key.nginx or key.shape and M.members_fault(one, key.shape) or key.check and key.check(one)
    if message then return name .. ": " .. message end
  end
end

--- Whether a text can be the name of a target.
---@param name any
---@return string|nil message
function M.name_fault(name)
  if core.mask(tostring(name)) ~= tostring(name) then
    return "the name of a target stands in logs, and must not hold an identity number"
  end
end

return M
