-- Who and what exists around the emulator: clients with their keys, service
-- owners, main units, parties, owners of resources, and the policy.
local suggest = require "altinn.events.suggest"
local wire = require "altinn.events.emulator.wire"

local M = {}

local World = {}
World.__index = World

-- Each member is a table by key, but for the policy.
local members = { "clients", "service_owners", "main_units", "parties", "owners", "system_users", "recipients" }

local function is_member(name)
  for _, member in ipairs(members) do
    if member == name then return true end
  end
  return name == "policy"
end

--- A world where everything is allowed and Digdir is the one service owner.
---@param options { organisation: string, accept_any_grant: boolean|nil }
---@return table world
function M.new(options)
  local self = setmetatable({ organisation = options.organisation, accept_any_grant = options.accept_any_grant }, World)
  for _, member in ipairs(members) do self[member] = {} end
  self.service_owners["991825827"] = "digdir"
  return self
end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read("a")
  file:close()
  return text or "", nil
end

-- A key is a text, or { file =, kid = }.
local function read_keys(client)
  local keys = {}
  for index, key in ipairs(type(client.keys) == "table" and client.keys or {}) do
    if type(key) == "string" then key = { text = key } end
    if type(key) ~= "table" then return nil, "a key is a text, or an object with a file or a text" end
    local text, message = key.text, nil
    if key.file then text, message = read(key.file) end
    if type(text) ~= "string" then return nil, message or "a key has neither text nor file" end
    keys[index] = { kid = key.kid, text = text }
  end
  return keys
end

-- Adds what a table says; nil and a message when it is wrong.
function World:merge(values)
  for name, value in pairs(values) do
    if not is_member(name) then
      return nil, ("unknown member '%s'%s; known are policy, %s"):format(tostring(name),
        suggest.hint(tostring(name), members), table.concat(members, ", "))
    end
    if type(value) ~= "table" then return nil, ("%s must be an object"):format(name) end
    if name == "policy" then self.policy = value end
    for key, one in pairs(name == "policy" and {} or value) do
      if name == "clients" then
        if type(one) ~= "table" then return nil, "a client is an object" end
        local keys, message = read_keys(one)
        if not keys then return nil, ("client %s: %s"):format(key, message) end
        one = { organisation = one.organisation, scopes = one.scopes, keys = keys, expired = one.expired }
      end
      self[name][key] = one
    end
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
  local digits = text:match("(%d+)$")
  if not digits then return nil end
  if #digits == 9 then return digits, "organization" end
  if #digits == 11 then return digits, "person" end
  return nil
end

-- A party as a URN; what is none of the known forms stays as it is.
function World:urn(text)
  if type(text) ~= "string" then return nil end
  if text:find("^urn:altinn:") then return text end
  local digits, kind = self.number(text)
  if not digits then return text end
  return ("urn:altinn:%s:identifier-no:%s"):format(kind, digits)
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

local function fits(wanted, value)
  return wanted == nil or wanted == "*" or wanted == value
end

-- What the policy says: true or false. Without a policy everything is allowed; with one, only what it permits.
function World:permits(consumer, resource, action, subject)
  if not self.policy then return true end
  for _, row in ipairs(self.policy) do
    if fits(row.consumer, consumer) and fits(row.resource, resource) and fits(row.action, action)
      and fits(row.subject, subject) then
      return row.decision == nil or row.decision == true or tostring(row.decision):lower() == "permit"
    end
  end
  return false
end

return M
