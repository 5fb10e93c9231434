-- Altinn's side of the commands without a network: a client with subscriptions, events and letters in memory, in the
-- place of events.client and events.maskinporten; and a run of the command inside this process.
local command = require "altinn.events.commands.main"
local events = require "altinn.events"
local process = require "spec.support.process"

local M = {}

local Fake = {}
Fake.__index = Fake

-- What a client method gives while `fail[name]` is set.
local function failing(fake, name)
  local why = fake.fail[name]
  if not why then return nil end
  if type(why) == "function" then why = why() end
  return why
end

local Client = {}
Client.__index = Client

function Client:subscriptions()
  local why = failing(self.fake, "subscriptions")
  if why then return nil, why[1], why[2] end
  local list = {}
  for index, one in ipairs(self.fake.subscriptions) do list[index] = one end
  return list
end

local function find_same(fake, options)
  for _, one in ipairs(fake.subscriptions) do
    if one.endPoint == options.endpoint and one.resourceFilter == options.resource
      and one.subjectFilter == options.subject and one.typeFilter == options.type
      and one.includeSubunits == (options.include_subunits == true) then
      return one
    end
  end
end

-- As the server: the same wish gives the same row, and another validation event.
function Client:subscribe(options)
  local fake = self.fake
  fake.calls[#fake.calls + 1] = { "subscribe", options }
  local why = failing(fake, "subscribe")
  if why then return nil, why[1], why[2] end
  local one = find_same(fake, options)
  if not one then
    one = M.subscription(fake.next_id, { endPoint = options.endpoint, resourceFilter = options.resource,
      subjectFilter = options.subject or false, typeFilter = options.type or false, validated = false, age = 0,
      includeSubunits = options.include_subunits == true })
    fake.next_id = fake.next_id + 1
    fake.subscriptions[#fake.subscriptions + 1] = one
  end
  one.validated = one.validated or fake.reachable
  if options.wait and not one.validated then
    return nil, "the subscription was not validated in time", "timeout", { subscription = one }
  end
  return one
end

function Client:unsubscribe(id)
  local fake = self.fake
  fake.calls[#fake.calls + 1] = { "unsubscribe", id }
  local why = failing(fake, "unsubscribe")
  if why then return nil, why[1], why[2] end
  for index, one in ipairs(fake.subscriptions) do
    if one.id == id then
      table.remove(fake.subscriptions, index)
      return true
    end
  end
  return nil, "there is no such subscription", "not_found"
end

function Client:events(options)
  local fake = self.fake
  local seen = {}
  for name, value in pairs(options) do seen[name] = type(value) ~= "function" and value or nil end
  fake.calls[#fake.calls + 1] = { "events", seen }
  local index = 0
  return function()
    index = index + 1
    local why = failing(fake, "events")
    if why and index > (why.after or 0) then
      error(setmetatable({ message = why[1], code = why[2] }, { __tostring = function() return why[1] end }))
    end
    return fake.events[index]
  end
end

function Client:letter(id)
  return { details = function()
    local why = failing(self.fake, "letter")
    if why then return nil, why[1], why[2] end
    local details = self.fake.letters[id]
    if not details then return nil, "there is no such letter", "not_found" end
    return details
  end }
end

--- A subscription as the server gives it; `age` in seconds, false leaves a member out.
function M.subscription(id, changes)
  local one = { id = id, endPoint = "https://hooks.example.no/events/0123456789abcdef",
    resourceFilter = "urn:altinn:resource:acme-letters", consumer = "/organisation/987654321",
    createdBy = "/organisation/987654321", validated = true, includeSubunits = false }
  for name, value in pairs(changes or {}) do one[name] = value or nil end
  if changes and changes.validated == false then one.validated = false end
  if one.includeSubunits == nil then one.includeSubunits = false end
  one.age = nil
  one.created = os.date("!%Y-%m-%dT%H:%M:%S.1234567Z", os.time() - (changes and changes.age or 100000))
  return one
end

-- Takes the place of the module's functions; `restore` puts them back.
local function install(fake)
  fake.before = { client = rawget(events, "client"), maskinporten = rawget(events, "maskinporten") }
  events.client = function(options)
    fake.client_options = options
    return setmetatable({ fake = fake }, Client)
  end
  events.maskinporten = function(options)
    fake.credentials = options
    local why = fake.fail.maskinporten
    if why then return nil, why[1], why[2] end
    local source = { claims = function() return fake.claims end }
    return setmetatable(source, { __call = function()
      local refused = failing(fake, "token")
      if refused then return nil, refused[1], refused[2] end
      return fake.token
    end })
  end
end

local DEFAULT_CONFIG = [[return {
  environment = "tt02", endpoint = "https://hooks.example.no/events", secret = "0123456789abcdef",
  credentials = { client_id = "abc", key = "PEM", kid = "k", scopes = "altinn:events.subscribe" },
}
]]

--- A fake Altinn and a folder with a configuration and rules.
---@param options { config: string|nil, rules: string|nil }|nil
function M.new(options)
  options = options or {}
  local fake = setmetatable({ folder = process.folder(), subscriptions = {}, events = {}, letters = {}, calls = {},
    fail = {}, next_id = 100, reachable = true, token = "head.payload.signature",
    claims = { ["urn:altinn:orgNumber"] = "987654321", scope = "altinn:events.subscribe altinn:correspondence.read",
      exp = os.time() + 1800 } }, Fake)
  process.write(fake.folder .. "/altinn-events.lua", options.config or DEFAULT_CONFIG)
  fake:rules(options.rules)
  install(fake)
  return fake
end

--- The token is a service owner's from now on.
function Fake:be_service_owner()
  self.claims["urn:altinn:org"] = "acme"
  self.claims.scope = "altinn:events.subscribe altinn:correspondence.write altinn:serviceowner"
end

--- Writes the rules; without a text one that wants all published letters of acme-letters.
function Fake:rules(text)
  process.write(self.folder .. "/rules.lua", text or [[
rule { name = "one", on = "correspondencepublished", when = { resource = "acme-letters" }, run = function() end }
]])
end

function Fake:config(text) process.write(self.folder .. "/altinn-events.lua", text) end

--- The calls of a name, in order.
function Fake:called(name)
  local list = {}
  for _, call in ipairs(self.calls) do
    if call[1] == name then list[#list + 1] = call[2] end
  end
  return list
end

local function catcher()
  local parts = {}
  return { flush = function(self) return self end, write = function(self, ...)
    for _, part in ipairs { ... } do parts[#parts + 1] = tostring(part) end
    return self
  end, text = function() return table.concat(parts) end }
end

--- Runs the command inside this process: exit status, output, messages.
function Fake:run(...)
  local words = { ... }
  table.insert(words, "--config")
  table.insert(words, self.folder .. "/altinn-events.lua")
  local out, err, stdout, stderr = catcher(), catcher(), io.stdout, io.stderr
  io.stdout, io.stderr = out, err -- luacheck: ignore
  local ok, status = pcall(command.main, words)
  io.stdout, io.stderr = stdout, stderr -- luacheck: ignore
  if not ok then error(status, 0) end
  return status, out.text(), err.text()
end

--- The path of the rules, for the command line.
function Fake:rules_path() return self.folder .. "/rules.lua" end

function Fake:restore()
  events.client, events.maskinporten = self.before.client, self.before.maskinporten
  process.remove(self.folder)
end

return M
