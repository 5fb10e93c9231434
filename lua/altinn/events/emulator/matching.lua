-- Which subscriptions an event reaches: exact filters, main units, the
-- policy; with or without the caches of an hour.
local M = {}

local HOUR = 3600

local Matching = {}
Matching.__index = Matching

--- The matching of an emulator.
---@param emulator table
---@return table matching
function M.new(emulator)
  return setmetatable({ emulator = emulator, lookups = {}, answers = {} }, Matching)
end

-- .NET's Uri.IsBaseOf: same scheme, host and port; the filter's path up to its last slash begins the event's path.
local function is_base_of(filter, source)
  local origin, path = filter:match("^(%a[%w+.-]*://[^/?#]*)([^?#]*)")
  local other, where = tostring(source):match("^(%a[%w+.-]*://[^/?#]*)([^?#]*)")
  if not origin or not other then return false end
  local function plain(text) return (text:lower():gsub("^(https://.*):443$", "%1"):gsub("^(http://.*):80$", "%1")) end
  local folder = path:match("^(.*/)") or "/"
  if where == "" then where = "/" end
  return plain(origin) == plain(other) and where:sub(1, #folder) == folder
end
M.is_base_of = is_base_of

local function fits(s, resource, subject, event_type)
  return s.resource == resource and (s.subject == nil or s.subject == (subject or ""))
    and (s.type == nil or s.type == event_type)
end

-- Subscriptions for a resource, subject and type; the validated ones.
local function find(self, resource, subject, event_type, subunits)
  local list = {}
  for _, s in ipairs(self.emulator.subscriptions.list) do
    if s.validated and fits(s, resource, subject, event_type) and (not subunits or (s.subunits and s.subject)) then
      list[#list + 1] = s
    end
  end
  return list
end

-- With the cache on, an answer counts for an hour, whatever happens to the subscriptions meanwhile.
local function remembered(self, cache, key, on, make)
  if not self.emulator.switches.on[on] then
    self[cache] = {}
    return make()
  end
  local now, kept = self.emulator.clock:now(), self[cache][key]
  if kept and now < kept.until_ then return kept.value end
  local value = make()
  self[cache][key] = { value = value, until_ = now + HOUR }
  return value
end

local function lookup(self, resource, subject, event_type, subunits)
  local key = table.concat({ tostring(resource), tostring(subject), event_type, tostring(subunits) }, "\0")
  return remembered(self, "lookups", key, "lookup-cache", function()
    return find(self, resource, subject, event_type, subunits)
  end)
end

-- The subject of the main unit, when the event's subject is an organisation that has one.
local function main_subject(self, event)
  local subject, world = event.subject or "", self.emulator.world
  if subject:find("^urn:altinn:organization:") then return world:main_unit(subject) end
  local alternative = event.alternativesubject or ""
  if subject:find("^/party/") and (alternative:find("^/org/") or alternative:find("^/organi[sz]ation/")) then
    local main = world:main_unit(alternative) or world:main_unit(subject)
    local number = main and world.number(main)
    return number and "/party/" .. world:party_id(number) or main
  end
  return nil
end

local function permitted(self, s, event)
  local key = event.resource .. "\0" .. s.consumer
  return remembered(self, "answers", key, "authorisation-cache", function()
    local action = s.app and "read" or "subscribe"
    return self.emulator.world:permits(s.consumer, event.resource, action, event.subject, s.party)
  end)
end

-- The subscriptions that get an event, one push each; and how many the policy kept from it.
function Matching:subscriptions(event)
  local found = {}
  local function add(list)
    for _, s in ipairs(list) do
      if not s.source or is_base_of(s.source, event.source) then found[#found + 1] = s end
    end
  end
  add(lookup(self, event.resource, event.subject, event.type, false))
  local main = main_subject(self, event)
  if main then add(lookup(self, event.resource, main, event.type, true)) end
  local list, denied = {}, 0
  for _, s in ipairs(found) do
    if permitted(self, s, event) then list[#list + 1] = s else denied = denied + 1 end
  end
  return list, denied
end

return M
