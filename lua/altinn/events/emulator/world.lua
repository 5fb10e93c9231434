-- Who and what exists around the emulator: clients with their keys, service
-- owners, main units, parties, owners of resources, recipients and their
-- addresses, and the policy.
local events = require "altinn.events"
local shape = require "altinn.events.emulator.shape"
local suggest = require "altinn.events.support.suggest"
local wire = require "altinn.events.emulator.wire"

local M = {}

local World = {}
World.__index = World

local DIGDIR = "991825827"

-- Each member is a table by key, but for the policy.
local members = { "clients", "service_owners", "main_units", "parties", "owners", "resources", "system_users",
  "recipients", "contacts" }

--- The outcomes of notifications to a party or an address; the first is the default.
M.outcomes = { "delivered", "failed", "notice-failed", "reminder-failed", "silent", "refused" }

--- A world where Digdir is the one service owner, every resource is its own, and the policy is the one that resources
--- usually have.
---@param options { organisation: string|nil, accept_any_grant: boolean|nil }
---@return table world
function M.new(options)
  local self = setmetatable({ organisation = options.organisation or "987654321",
    accept_any_grant = options.accept_any_grant }, World)
  for _, member in ipairs(members) do self[member] = {} end
  self.service_owners[DIGDIR] = "digdir"
  return self
end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read("a")
  file:close()
  return text or "", nil
end

-- A key is a text, or { file | text, kid }.
local function read_key(key)
  if type(key) == "string" then return { text = key } end
  local one, message = shape.read(key, { file = "name", text = "text", kid = "text" })
  if not one then return nil, "a key is a text, or an object with a file or a text: it " .. message end
  if one.file then one.text, message = read(one.file) end
  if not one.text then return nil, message or "a key has neither text nor file" end
  return { kid = one.kid, text = one.text }
end

local function read_client(value)
  local client, message = shape.read(value, { organisation = "name", scopes = "names", keys = "list",
    expired = "boolean" })
  if not client then return nil, message end
  local keys = {}
  for index, key in ipairs(client.keys or {}) do
    keys[index], message = read_key(key)
    if not keys[index] then return nil, message end
  end
  client.keys = keys
  return client
end

-- name, value -> a table by key; nil and a message.
local function map_of(kind)
  return function(value, name) return shape.map(value, kind, name) end
end

local function each_of(read_one, what)
  return function(value, name)
    if type(value) ~= "table" then return nil, name .. " must be an object" end
    local list = {}
    for key, one in pairs(value) do
      local used, message = read_one(one, key)
      if used == nil then return nil, ("%s %s: %s"):format(what, tostring(key), message) end
      list[key] = used
    end
    return list
  end
end

local function read_rule(value)
  return shape.read(value, { consumer = "text", resource = "text", action = "text", subject = "text",
    decision = "any" })
end

local function read_owner(value)
  if value == false or type(value) == "string" and value:find("^%d%d%d%d%d%d%d%d%d$") then return value end
  return nil, "must be the nine digits of an organisation, or false: there is no such resource"
end

-- Reads the resource registry's entry of a resource; members that are left out have the values that letters need.
local function read_resource(value)
  return shape.read(value, { type = "name", confidential = "boolean", level = "size", unscanned = "boolean" })
end

local recipient_words = { unknown = true, reserved = true, ["no-roles"] = true }

local function read_recipient(value, key)
  if value == false then value = "unknown" end
  if not recipient_words[value] then return nil, "must be unknown, reserved or no-roles" end
  if value == "reserved" and not tostring(key):find("^%d%d%d%d%d%d%d%d%d%d%d$") then
    return nil, "only persons can have reserved themselves: their number has eleven digits"
  end
  return value
end

local function read_contact(value)
  for _, word in ipairs(M.outcomes) do
    if value == word then return value end
  end
  return nil, "must be one of " .. table.concat(M.outcomes, ", ")
end

local readers = {
  clients = each_of(read_client, "client"), policy = each_of(read_rule, "row"), service_owners = map_of "name",
  main_units = map_of "name", parties = map_of "count", owners = each_of(read_owner, "owners"),
  system_users = map_of "any", recipients = each_of(read_recipient, "recipients"),
  contacts = each_of(read_contact, "contacts"), resources = each_of(read_resource, "resource"),
}

-- Adds the members of a table, all or none; nil and a message when one is wrong. A policy of null restores the usual
-- policy.
function World:merge(values)
  local read_values, no_policy = {}, values.policy == events.null
  for name, value in pairs(values) do
    if name == "policy" and no_policy then value = {} end
    if not readers[name] then
      return nil, ("unknown member '%s'%s; known are policy, %s"):format(tostring(name),
        suggest.hint(tostring(name), readers), table.concat(members, ", "))
    end
    local one, message = readers[name](value, name)
    if not one then return nil, message end
    read_values[name] = one
  end
  if read_values.policy then self.policy = not no_policy and read_values.policy or nil end
  read_values.policy = nil
  for name, value in pairs(read_values) do
    for key, one in pairs(value) do self[name][key] = one end
  end
  return true
end

-- Reads a file of JSON.
function World:load(path)
  local text, message = read(path)
  if not text then return nil, message end
  local values = wire.decode(text)
  if type(values) ~= "table" then return nil, path .. ": the file must hold a JSON object" end
  local ok, why = self:merge(values)
  return ok, why and path .. ": " .. why
end

-- Gives a client a key from a file.
function World:add_key(id, path)
  local text, message = read(path)
  if not text then return nil, message end
  local client = self.clients[id] or { keys = {} }
  client.keys[#client.keys + 1] = { text = text }
  self.clients[id] = client
  return true
end

-- The nine or eleven digits of a party in any of its forms, and "organization" or "person".
function World.number(text)
  if type(text) ~= "string" then return nil end
  local digits = text:match("^%d+$") or text:match("[:/](%d+)$")
  if not digits then return nil end
  if #digits == 9 then return digits, "organization" end
  if #digits == 11 then return digits, "person" end
  return nil
end

-- A party as a URN; a text in no known form stays as it is.
function World:urn(text)
  if type(text) ~= "string" then return nil end
  if text:find("^urn:altinn:") then return text end
  local digits, kind = self.number(text)
  if not digits then return text end
  return ("urn:altinn:%s:identifier-no:%s"):format(kind, digits)
end

-- The number in an identity of Events of the form /organisation/NUMBER; nil for any other identity.
function World.party_of(consumer)
  return (World.number(consumer:match("^/organisation/(%d+)$")))
end

-- The party's number in the register; made up, always the same.
function World:party_id(number)
  if not self.parties[number] then self.parties[number] = 50000000 + tonumber(number:sub(-7)) end
  return math.tointeger(self.parties[number]) or self.parties[number]
end

-- The subject of the main unit of a subunit's subject, or nil.
function World:main_unit(subject)
  local main = self.main_units[subject]
  if main then return main end
  local number = self.number(subject)
  main = number and self.main_units[number]
  return main and self:urn(main) or nil
end

-- The number of the organisation that owns a resource, its short id or its URN; false: there is no such resource.
function World:owner(resource)
  local owner = self.owners[resource:match("^urn:altinn:resource:(.*)$") or resource]
  if owner ~= nil then return owner end
  return self.service_owners[self.organisation] and self.organisation or DIGDIR
end

-- The resource registry's entry of a resource.
function World:resource(id) return self.resources[id] or {} end

-- The identity of a resource's owner in Events: /org/{acronym}.
function World:owner_identity(resource)
  return "/org/" .. (self.service_owners[self:owner(resource)] or self.service_owners[DIGDIR])
end

local function fits(wanted, value)
  return wanted == nil or wanted == "*" or wanted == value
end

-- The usual policy: the resource's owner may subscribe to everything, everybody else to events about itself or about
-- its own units. All other actions are allowed here; the calls check them.
local function usually(self, consumer, resource, action, subject, party)
  if action ~= "subscribe" then return true end
  local owned = self.owners[resource:match("^urn:altinn:resource:(.*)$") or resource]
  local is_owner = consumer:find("^/org/") and (owned == nil or consumer == self:owner_identity(resource))
  if is_owner then return true end
  if not subject or not party then return false end
  return subject == "/party/" .. self:party_id(party) or self.number(subject) == party
    or self.number(self:main_unit(subject)) == party
end

-- Whether the policy permits an action. `party` is the number for which the consumer acts. A configured policy permits
-- only the actions in its rows.
function World:permits(consumer, resource, action, subject, party)
  if not self.policy then return usually(self, consumer or "", resource or "", action, subject, party) end
  for _, row in ipairs(self.policy) do
    if fits(row.consumer, consumer) and fits(row.resource, resource) and fits(row.action, action)
      and fits(row.subject, subject) then
      return row.decision == nil or row.decision == true or tostring(row.decision):lower() == "permit"
    end
  end
  return false
end

return M
