-- The client: subscriptions, pulled events, letters.
local call = require "altinn.events.client.exchange"
local core = require "altinn.events.core"
local letters = require "altinn.events.client.letter"
local paging = require "altinn.events.client.paging"
local retry = require "altinn.events.client.retry"
local schema = require "altinn.events.support.schema"
local suggest = require "altinn.events.support.suggest"
local transport = require "altinn.events.client.transport"

local M = {}

local clock = core.altinn.clock

-- Checks of options.

local check_keys, check_kind, check_number = schema.keys, schema.kind, schema.number

local function check_types(given, level)
  local types = given.type
  if types == nil then return nil end
  if type(types) == "string" then return { types } end
  if type(types) ~= "table" then error("type: a text or a list of texts is wanted", level + 1) end
  local list = {}
  for index = 1, #types do
    if type(types[index]) ~= "string" then error("type: a text or a list of texts is wanted", level + 1) end
    list[index] = types[index]
  end
  if #list == 0 then error("type: the list is empty; leave it out for all types", level + 1) end
  return list
end

-- Settings

local OPTIONS = {
  environment = true, base_url = true, token = true, transport = true, timeout = true, attempts = true,
  ca_file = true, subscription_key = true, sleep = true,
}

local function base_of(options, level)
  local environment = check_kind(options, "environment", "string", level + 1)
  local base = check_kind(options, "base_url", "string", level + 1)
  if environment and base then error("environment and base_url exclude each other", level + 1) end
  if base then
    local ok, reason = core.altinn.is_base(base)
    if not ok then error("base_url: " .. reason, level + 1) end
    return (base:gsub("/+$", "")), core.altinn.is_loopback(base)
  end
  if not environment then error("client wants environment, such as \"tt02\", or base_url", level + 1) end
  base = core.altinn.environments[environment]
  if not base then
    error(("environment: there is no '%s'%s"):format(environment, suggest.hint(environment, core.altinn.environments)),
      level + 1)
  end
  return base, false
end

-- Whether a value can be called.
local function is_callable(value)
  if type(value) == "function" then return true end
  local metatable = type(value) == "table" and getmetatable(value)
  return type(metatable) == "table" and metatable.__call ~= nil
end

local function token_of(options, level)
  local token = options.token
  if type(token) == "string" and token ~= "" or is_callable(token) then return token end
  error("client wants token: a token's text, a function that gives one, or a source such as events.maskinporten",
    level + 1)
end

local function header_value(options, name, level)
  local value = check_kind(options, name, "string", level + 1)
  if value and value:find("%c") then error(name .. ": a line break or control character in it", level + 1) end
  return value
end

local function attempts_of(options, level)
  local attempts = check_number(options, "attempts", 0, level + 1)
  if attempts and attempts % 1 ~= 0 then error("attempts: a whole number is wanted", level + 1) end
  return attempts
end

local function settings_of(options, level)
  check_keys("client", options, OPTIONS, level + 1)
  local base, loopback = base_of(options, level + 1)
  for _, name in ipairs { "transport", "sleep" } do
    if options[name] ~= nil and not is_callable(options[name]) then
      error(name .. ": a function is wanted", level + 1)
    end
  end
  local own = options.transport
  return {
    base = base, loopback = loopback, token = token_of(options, level + 1), transport = own or transport.default(),
    sleep = options.sleep or type(own) == "table" and own.sleep or transport.sleep,
    timeout = check_number(options, "timeout", 0, level + 1) or 30, attempts = attempts_of(options, level + 1),
    ca_file = check_kind(options, "ca_file", "string", level + 1),
    subscription_key = header_value(options, "subscription_key", level + 1),
  }
end

-- The settings of clients. They are kept outside of the client, so that printing one shows no token.
local settings = setmetatable({}, { __mode = "k" })

local Client = { __name = "altinn.events.client.calls" }
Client.__index = Client
Client.__tostring = function(self) return "altinn.events.client: " .. settings[self].base end

-- Subscriptions

local SUBSCRIBE = {
  endpoint = true, resource = true, subject = true, type = true, include_subunits = true, wait = true,
  source = true, alternative_subject = true,
}

local function subscription_wish(own, wanted, level)
  check_keys("subscribe", wanted, SUBSCRIBE, level + 1)
  local wish = { loopback = own.loopback, types = check_types(wanted, level + 1) }
  for _, name in ipairs { "endpoint", "resource", "subject", "source", "alternative_subject" } do
    wish[name] = check_kind(wanted, name, "string", level + 1)
  end
  wish.include_subunits = check_kind(wanted, "include_subunits", "boolean", level + 1)
  return wish
end

-- The subscription in a reply.
local function subscription_of(reply, message, code, detail)
  if not reply then return nil, message, code, detail end
  local value
  value, message, code = call.decode(reply.body)
  if not value then return nil, message, code, { status = reply.status } end
  return value
end

-- Polls until the subscription is validated, or the time is over.
local function await_validation(self, subscription, seconds)
  local own = settings[self]
  local deadline, pause = clock() + seconds, 0.1
  local id = subscription.id
  while not subscription.validated do
    local left = deadline - clock()
    if left <= 0 then
      return nil, "Altinn has not validated the endpoint in time: does it answer the validation event with 200? "
        .. "Once it does, subscribe again with the same values", "timeout", { subscription = subscription }
    end
    own.sleep(math.min(pause, left))
    pause = math.min(pause * 2, 5)
    local reply, message, code, detail = call.perform(own, "subscription", { id = ("%d"):format(id) },
      { timeout = math.max(0.5, math.min(own.timeout, deadline - clock())) })
    local now
    now, message, code, detail = subscription_of(reply, message, code, detail)
    if now then
      subscription = now
    elseif not retry.is_soon(code) then
      detail = detail or {}
      detail.subscription = subscription
      return nil, message, code, detail
    end
  end
  return subscription
end

--- Subscribes. Start the receiver first: Altinn tries the endpoint at once. Repeating the call is safe: the same values
--- give the same subscription, and Altinn tries the endpoint again. A new subscription may miss events for up to an
--- hour.
---@param wanted { endpoint: string, resource: string, subject: string|nil, type: string|nil,
---  include_subunits: boolean|nil, wait: number|nil } resource and type also in their short forms; `wait`: so many
---  seconds for Altinn to validate the endpoint
---@return table|nil subscription id, endPoint, resourceFilter, … validated
---@return string|nil message or, with a subscription, what is likely not meant
---@return string|nil code invalid: Altinn would refuse it, or it would never match; timeout: not validated in time
---@return table|nil detail attribute; subscription, when it was made
function Client:subscribe(wanted)
  local own = settings[self]
  local wish = subscription_wish(own, wanted, 2)
  local wait = check_number(wanted, "wait", -1, 2)
  local reply, message, code, detail = call.perform(own, "subscribe", wish)
  local warning = reply and reply.warning
  local subscription
  subscription, message, code, detail = subscription_of(reply, message, code, detail)
  if not subscription then return nil, message, code, detail end
  if wait and wait > 0 then
    subscription, message, code, detail = await_validation(self, subscription, wait)
    if not subscription then return nil, message, code, detail end
  end
  return subscription, warning
end

--- The subscriptions of this identity, validated or not. The same
--- organisation with other scopes is another identity.
---@return table[]|nil subscriptions
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Client:subscriptions()
  local list, message, code, detail = subscription_of(call.perform(settings[self], "subscriptions", {}))
  if not list then return nil, message, code, detail end
  return list.subscriptions
end

local function number_text(id, level)
  if type(id) == "number" and id % 1 == 0 and id >= 0 and id < 2 ^ 53 then return ("%d"):format(id) end
  if type(id) == "string" then return id end
  error("the id of a subscription is wanted: a whole number", level + 1)
end

--- One subscription.
---@param id integer|string
---@return table|nil subscription
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Client:subscription(id)
  return subscription_of(call.perform(settings[self], "subscription", { id = number_text(id, 2) }))
end

local function gone(failure) return failure.code == "not_found" end

--- Ends a subscription. Altinn may deliver events for up to an hour more.
---@param id integer|string
---@return true|nil ok
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Client:unsubscribe(id)
  local reply, message, code, detail = call.perform(settings[self], "unsubscribe", { id = number_text(id, 2) },
    { forgive = gone })
  if not reply then return nil, message, code, detail end
  return true
end

-- Pulled events

local PULL = { resource = true, after = true, type = true, subject = true, size = true, odd = true }

--- Pulls the events of a resource, in the order of their registration. When Altinn does not know `after` (it forgets
--- events after 90 days) it begins at the beginning. One iteration gives no event twice.
---@param wanted { resource: string, after: string|nil, type: string|string[]|nil, subject: string|nil,
---  size: integer|nil, odd: (fun(id: string|nil, reason: string, detail: table|nil))|nil } `after`: the id of the last
---  event seen; `type`: short names, full types, with * at the end, or the server's patterns with %; `size`: events in
---  a page, 1000; `odd` is called for each entry that is not a valid event; without it the first such entry
---  raises, after the good events of its page
---@return fun(): table|nil next_event a failure raises { message, code, detail }, which prints as its message
function Client:events(wanted)
  check_keys("events", wanted, PULL, 2)
  local wish = { types = check_types(wanted, 2) }
  for _, name in ipairs { "resource", "after", "subject" } do
    wish[name] = check_kind(wanted, name, "string", 2)
  end
  local size = check_number(wanted, "size", 0, 2)
  if size and size % 1 ~= 0 then error("size: a whole number is wanted", 2) end
  return paging.events(settings[self], wish, size, check_kind(wanted, "odd", "function", 2))
end

-- Letters

local LIST = {
  resource = true, role = true, from = true, to = true, status = true, onBehalfOf = true, sendersReference = true,
  idempotentKey = true, altinn2CorrespondenceId = true,
}

-- Altinn's old ids are numbers.
local function old_id(wanted, level)
  local id = wanted.altinn2CorrespondenceId
  if type(id) == "number" and id % 1 == 0 and id >= 0 and id < 2 ^ 31 then return ("%d"):format(id) end
  return check_kind(wanted, "altinn2CorrespondenceId", "string", level + 1)
end

--- The ids of letters, newest time of publishing first. Altinn lists 1000 at most, so longer lists are fetched in
--- slices of time.
---@param wanted { resource: string, role: string, from: string|number|nil, to: string|number|nil, status: string|nil,
---  onBehalfOf: string|nil, sendersReference: string|nil, idempotentKey: string|nil,
---  altinn2CorrespondenceId: integer|string|nil } role: Recipient, Sender or RecipientAndSender; from and to: RFC 3339
---  or seconds since 1970, both exclusive; status: that they have ever had; onBehalfOf: a party, nine digits of an
---  organisation too; idempotentKey and altinn2CorrespondenceId find one letter, whatever the other filters say
---@return fun(): string|nil next_id a failure raises { message, code, detail }, which prints as its message
function Client:letters(wanted)
  check_keys("letters", wanted, LIST, 2)
  local wish = {}
  for _, name in ipairs { "resource", "role", "status", "onBehalfOf", "sendersReference", "idempotentKey" } do
    wish[name] = check_kind(wanted, name, "string", 2)
  end
  wish.altinn2CorrespondenceId = old_id(wanted, 2)
  return (paging.letters(settings[self], wish, wanted.from, wanted.to))  -- no tail call: levels of errors
end

local function text_id(id, level)
  if type(id) ~= "string" then error(("an id is a text, not a %s"):format(type(id)), level + 1) end
  return id
end

--- A letter; nothing is asked yet.
---@param id string
---@return table letter see altinn.events.client.letter
function Client:letter(id) return letters.letter(settings[self], text_id(id, 2)) end

--- An attachment, as its sender sees it; nothing is asked yet.
---@param id string
---@return table attachment overview() and details()
function Client:attachment(id) return letters.attachment(settings[self], text_id(id, 2)) end

--- A client.
---@param options { environment: string|nil, base_url: string|nil, token: string|function|table,
---  transport: function|nil, timeout: number|nil, attempts: integer|nil, ca_file: string|nil,
---  subscription_key: string|nil, sleep: function|nil } environment: production, tt02, …, or base_url; token: a text, a
---  function that gives one, or a source; timeout: seconds for a whole call with its retries (30); attempts: at most
---  so many (5); ca_file: PEM file of trusted authorities; subscription_key: a header that Altinn asked
---  for until August 2025; sleep: waits seconds, for a transport that must not block (or the transport is a table that
---  can be called, with a function `sleep`)
---@return table client
function M.new(options)
  local self = setmetatable({}, Client)
  settings[self] = settings_of(options, 2)
  return self
end

return M
