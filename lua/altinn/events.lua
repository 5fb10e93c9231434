-- altinn.events: CloudEvents as Altinn sends them, read, judged, matched.
local core = require "altinn.events.core"
local head = require "altinn.events.event.head"
local url = require "altinn.events.support.url"

local M = { _VERSION = "0.1.0" }

--- JSON's null, the same value as cjson.null.
M.null = core.null

local function tooltip(event)
  local instance, number = event.resourceinstance, event.subject
  if number == nil then number = event.alternativesubject end
  return core.mask(("CloudEvent %s %s%s%s"):format(event.type, event.id,  -- extensions may be of any type
    instance ~= nil and " about " .. tostring(instance) or "", number ~= nil and " for " .. tostring(number) or ""))
end

local event_metatable
local function adorn(event)
  if event and not event_metatable then
    event_metatable = debug.getmetatable(event)
    event_metatable.__tostring = tooltip
  end
  return event
end

-- The names of a table's attributes, in a stable order.
local function names_of(event)
  local names = {}
  for name in pairs(event) do
    if type(name) ~= "string" then error("names of attributes are strings", 3) end
    if name ~= "data" and name ~= "data_base64" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- An event of a plain table: judged like one that came in.
local function build(event)
  if core.is_event(event) then return event end
  if type(event) ~= "table" then error(("an event or a table is wanted, not a %s"):format(type(event)), 3) end
  local names, data, is_json = names_of(event), event.data, true
  local media_type = event.datacontenttype
  if type(media_type) == "string" and not core.is_json(media_type) then
    is_json = false
    if data ~= nil and type(data) ~= "string" then
      return nil, "data: with a datacontenttype that is not JSON the payload is a string of octets", "invalid",
        { code = "invalid", attribute = "data" }
    end
  elseif type(data) == "string" and not core.is_utf8(data) then
    is_json = false  -- octets; in JSON only Base64 can carry them
  elseif data ~= nil then
    data = core.json(data)
  end
  return core.build(names, event, data, is_json)
end

--- Reads one event from structured JSON and judges it by CloudEvents 1.0.2.
--- The function is the C one; the first event that is read gives events
--- their printed form.
---@param text string
---@param options { max_bytes: integer|nil, max_depth: integer|nil }|nil at most that many bytes (256 KiB), levels (512)
---@return userdata|nil event
---@return string|nil message
---@return string|nil code syntax, not_cloudevent, invalid or too_large
---@return table|nil detail position, attribute, faults
M.parse = core.parse

--- Reads a batch: a JSON array of events. One bad element refuses the whole.
---@param text string
---@param options { max_bytes: integer|nil, max_depth: integer|nil }|nil as for parse
---@return userdata[]|nil events
---@return string|nil message
---@return string|nil code
---@return table|nil detail `index` says which element
M.parse_batch = core.parse_batch

--- Reads the events of an HTTP message: structured, batch or binary mode,
--- and Altinn's application/json.
---@param headers table<string, string|string[]> names in any case
---@param body string|nil
---@param options { max_bytes: integer|nil, max_depth: integer|nil }|nil as for parse
---@return userdata[]|nil events
---@return string|nil message
---@return string|nil code also unsupported: no media type that carries events
---@return table|nil detail
M.from_http = core.from_http

--- Judges an event or a table by the rules of CloudEvents 1.0.2.
---@param event any
---@return true|nil valid
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function M.validate(event)
  local built, message, code, detail = build(event)
  if not built then return nil, message, code, detail end
  return true
end

--- CloudEvents JSON text of an event or a table.
---@param event any
---@return string|nil text
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function M.encode(event)
  local built, message, code, detail = build(event)
  if not built then return nil, message, code, detail end
  return core.encode(built)
end

--- CloudEvents JSON batch text of a list.
---@param list any[]
---@return string|nil text
---@return string|nil message
---@return string|nil code
---@return table|nil detail `index` says which element
function M.encode_batch(list)
  local texts = {}
  for index, event in ipairs(list) do
    local text, message, code, detail = M.encode(event)
    if not text then
      detail = detail or {}
      detail.index = index
      return nil, message, code, detail
    end
    texts[index] = text
  end
  return "[" .. table.concat(texts, ",") .. "]"
end

--- The meaning of an event: see `altinn-events types`.
---@param event any
---@return table|nil meaning name, publisher, about, id, letter, attachment, order, party, addressed_to, known,
---  environment, validation
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function M.describe(event)
  local built, message, code, detail = build(event)
  if not built then return nil, message, code, detail end
  return core.describe(built)
end

--- The moment of an event's `time`.
---@param event any
---@return integer|nil seconds since 1970; nil when the event has no time
---@return integer|string|nil nanoseconds or message
---@return string|nil code
function M.time(event)
  local built, message, code = build(event)
  if not built then return nil, message, code end
  return core.time(built)
end

--- An iterator over the attributes that were received, then `data`.
---@param event any
---@return function next
---@return any event
---@return nil
function M.pairs(event)
  if core.is_event(event) then return core.next, event, nil end
  return pairs(event)
end

--- A plain table with an event's attributes and data.
---@param event any
---@return table
function M.totable(event)
  local copy = {}
  for name, value in M.pairs(event) do copy[name] = value end
  return copy
end

--- The text with identity numbers masked: each of the eleven digits becomes a star.
---@param text string
---@return string
M.mask = core.mask

--- Gives a value with its identity numbers in clear, for a stated purpose. Calls `events.on_reveal` when that is set.
---@param value string
---@param purpose string why it is needed
---@return string
function M.reveal(value, purpose)
  if type(value) ~= "string" then error("reveal wants a text", 2) end
  if type(purpose) ~= "string" or purpose == "" then error("reveal wants a purpose", 2) end
  if M.on_reveal then M.on_reveal(core.mask(value), purpose) end
  return value
end

--- A text as a part of a path or of a query, such as "/letters/" .. events.escape(event.id): all characters but
--- letters, digits and -._~ are encoded.
---@param text string|number
---@return string
function M.escape(text)
  if type(text) ~= "string" and type(text) ~= "number" then
    error(("escape wants a text, not a %s"):format(type(text)), 2)
  end
  return url.escape(tostring(text))
end

--- The catalogue of event types by short name; an unknown one raises.
M.types = setmetatable(core.types(), {
  __index = function(_, name)
    local near = type(name) == "string" and core.suggest(name)
    error(("'%s' is no event type%s"):format(tostring(name), near and (" (did you mean '%s'?)"):format(near) or ""), 2)
  end,
})

--- A client for Altinn's side: subscriptions, pulled events, letters; see
--- altinn.events.client.
---@param options table environment or base_url, token, transport, timeout, …
---@return table client
function M.client(options)
  return require("altinn.events.client.calls").new(options)
end

M.prefix, M.no, M.absent, M.present = head.prefix, head.no, head.absent, head.present

--- A source of tokens for Altinn: signs the grant, fetches and exchanges,
--- keeps the token and renews it early. `environment`, or `base_url`,
--- `issuer` and `token_url`; `exchange = false` for Maskinporten's own token.
---@param options { client_id: string, key: string|nil, key_file: string|nil, passphrase: string|nil, kid: string|nil,
---  certificate: string|nil, certificate_file: string|nil, scopes: string|string[], environment: string|nil,
---  base_url: string|nil, issuer: string|nil, token_url: string|nil, system_user: table|nil,
---  resource: string|string[]|nil, consumer_org: string|nil, iss_onbehalfof: string|nil, pid: string|nil,
---  exchange: boolean|nil, algorithm: string|nil, transport: function|nil, clock: function|nil,
---  sleep: function|nil, timeout: number|nil }
---@return table|nil source source() gives the token, or nil, message, code, detail
---@return string|nil message what is wrong with the key or the certificate
---@return string|nil code
---@return table|nil detail reason
function M.maskinporten(options)
  local source, message, code, detail = require("altinn.events.client.maskinporten").new(options)
  return source, message, code, detail
end

local Matcher = {}
Matcher.__index = Matcher

--- A matcher: heads of rules compiled to one index.
---@return table matcher
function M.matcher()
  return setmetatable({ index = core.matcher(), names = {}, numbers = {}, heads = {}, free = {}, last = 0 }, Matcher)
end

--- Adds a head under a name, or replaces the one that has it.
---@param name string
---@param wanted { on: string|string[]|nil, when: table|nil }
function Matcher:add(name, wanted)
  if type(name) ~= "string" then error("the name of a head is a text", 2) end
  local conditions, message = head.compile(wanted)
  if not conditions then error(message, 2) end
  local number = self.numbers[name] or table.remove(self.free)
  if not number then
    number = self.last + 1
    self.last = number
  end
  self.names[number], self.numbers[name], self.heads[name] = name, number, conditions
  local ok, why = pcall(self.index.add, self.index, number, conditions)
  if ok then return end
  self:remove(name)
  error(why, 2)
end

--- Removes a head.
---@param name string
---@return boolean removed whether it was there
function Matcher:remove(name)
  local number = self.numbers[name]
  if not number then return false end
  local found = self.index:remove(number)
  self.names[number], self.numbers[name], self.heads[name] = nil, nil, nil
  self.free[#self.free + 1] = number
  return found
end

--- The names of the heads that want an event, in the order added.
---@param event any
---@return string[]|nil names
---@return string|nil message
---@return string|nil code
function Matcher:match(event)
  local built, message, code = build(event)
  if not built then return nil, message, code end
  local found = self.index:match(built)
  for i = 1, #found do found[i] = self.names[found[i]] end
  return found
end

local function wants(condition)
  if condition.test == "absent" or condition.test == "present" then return condition.test end
  local texts = {}
  for i, one in ipairs(condition.alternatives) do texts[i] = one[1] .. (one.prefix and "*" or "") end
  return (condition.test == "no" and "no " or "") .. table.concat(texts, " | ")
end

--- Why a head wants an event, or not.
---@param event any
---@param name string
---@return boolean|nil matched
---@return table[]|string conditions each { attribute, wants, got, holds }; or the message
---@return string|nil code
function Matcher:explain(event, name)
  local conditions = self.heads[name]
  if not conditions then error(("there is no head '%s'"):format(tostring(name)), 2) end
  local built, message, code = build(event)
  if not built then return nil, message, code end
  local matched, list = true, {}
  for i, condition in ipairs(conditions) do
    local holds = self.index:holds(self.numbers[name], i, built)
    list[i] = {
      attribute = condition.attribute, wants = wants(condition), got = built[condition.attribute], holds = holds,
    }
    matched = matched and holds
  end
  return matched, list
end

--- An unnamed rule, for scripts that embed the module: a function that calls
--- another one with the events that it wants.
---@param on string|string[] event types, as in a rule
---@param when table|function conditions, as in a rule; may be left out
---@param fn function|nil called with the event and the handler's other arguments
---@return fun(event: any, ...): boolean|nil, any ... handler whether the event was wanted, and what fn returned; nil,
---  message, code when it is no event
function M.on(on, when, fn)
  if fn == nil then when, fn = nil, when end
  if type(fn) ~= "function" then error("events.on wants a function: on(type, [when,] fn)", 2) end
  local conditions, message = head.compile { on = on, when = when }
  if not conditions then error(message, 2) end
  local index = core.matcher()
  index:add(1, conditions)
  return function(event, ...)
    local built, why, code = build(event)
    if not built then return nil, why, code end
    if #index:match(built) == 0 then return false end
    return true, fn(built, ...)
  end
end

adorn(core.parse('{"specversion":"1.0","id":"1","source":"/","type":"t"}'))

return M
