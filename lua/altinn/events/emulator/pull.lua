-- The query API: pages of registered events, with its quirks.
local publish = require "altinn.events.emulator.publish"
local router = require "altinn.events.emulator.router"
local wire = require "altinn.events.emulator.wire"

local M = {}

local PREFIX = "urn:altinn:resource:"
local DEFAULT_SIZE, MOST = 50, 1000

local Pull = {}
Pull.__index = Pull

--- The query API of an emulator.
---@param emulator table
---@return table pull
function M.new(emulator)
  return setmetatable({ emulator = emulator, delay = 30 }, Pull)
end

-- nil: it is no number of 32 bits.
local function read_size(text)
  local size = (text or "0"):find("^%s*[+-]?%d+%s*$") and math.tointeger(tonumber(text or "0"))
  if not size or size < -(1 << 31) or size >= 1 << 31 then return nil end
  if size < 1 then return DEFAULT_SIZE end
  return math.min(size, MOST)
end

-- The wish of a call; or nil and the refusal.
local function read_query(request)
  local function get(name) return router.parameter(request, name) end
  local alternative = request.headers["altinn-alternativesubject"]
  local query = { resource = get "resource", after = get "after", subject = get "subject", alternative = alternative,
    types = router.parameters(request, "type"), size = read_size(get "size"), asked = request.query,
    path = request.path }
  if not query.resource or query.resource == "" then
    return nil, router.validation_problem { resource = { "The resource field is required." } }
  end
  if not query.size then
    return nil, router.validation_problem { size = { ("The value '%s' is not valid."):format(get "size") } }
  end
  if query.resource:sub(1, #PREFIX) ~= PREFIX then
    return nil, router.problem(400, "The 'resource' parameter must begin with `urn:altinn:resource:`")
  end
  if not query.after or query.after == "" then
    return nil, router.problem(400, "The 'after' parameter must be defined.")
  end
  if query.subject and query.subject ~= "" and alternative and alternative ~= "" then
    return nil, router.problem(400, "Only one of 'subject' or 'alternativeSubject' can be defined.")
  end
  return query
end

local function wanted(query, event)
  if event.resource ~= query.resource then return false end
  if query.subject and query.subject ~= "" and event.subject ~= query.subject then return false end
  local alternative = query.alternative
  if alternative and alternative ~= "" and event.alternativesubject ~= alternative then return false end
  if #query.types == 0 then return true end
  for _, pattern in ipairs(query.types) do
    if wire.like(event.type, pattern) then return true end
  end
  return false
end

-- The place after the event with this id; an unknown id means the beginning.
local function begin_after(list, id)
  for index, event in ipairs(list) do
    if event.id == id then return index + 1 end
  end
  return 1
end

-- The events of a page. As at Altinn, the policy removes events after the size was applied, so a page may be shorter.
function Pull:page(query, consumer, party)
  local list = self.emulator.events:all()
  local visible = self.emulator.clock:now() - self.delay
  local page, found = {}, 0
  for index = begin_after(list, query.after), #list do
    local event = list[index]
    if event.registered > visible or found == query.size then break end
    if wanted(query, event) then
      found = found + 1
      local allowed = self.emulator.world:permits(consumer, event.resource, "subscribe", event.subject, party)
      if allowed then page[#page + 1] = event end
    end
  end
  return page
end

-- The next page: after the last event, then what was asked, as it was asked; a parameter that was asked twice has its
-- values together. Values are not percent-encoded, and an alternative subject becomes the first event's subject. What a
-- header cannot carry is left out.
local function next_link(self, query, page)
  local parts = { ("%s%s?after=%s"):format(self.emulator.platform, query.path, page[#page].id) }
  local names, values = {}, {}
  for _, pair in ipairs(query.asked) do
    local name = pair[1]:lower()
    if not values[name] then
      names[#names + 1] = pair[1]
      values[name] = {}
    end
    table.insert(values[name], pair[2])
  end
  for _, name in ipairs(names) do
    for _, value in ipairs(name ~= "after" and values[name:lower()] or {}) do
      parts[#parts + 1] = name .. "=" .. value
    end
  end
  local by_alternative = (query.alternative or "") ~= "" and (query.subject or "") == ""
  if by_alternative then parts[#parts + 1] = "subject=" .. tostring(page[1].subject) end
  return (table.concat(parts, "&"):gsub("%c", ""))
end

local function get(self, request)
  local entry = self.emulator.tokens:altinn(request)
  if not entry then return router.empty(401) end
  if not self.emulator.tokens.has_scope(entry, "altinn:events.subscribe") then return router.empty(403) end
  if request.headers["content-type"] and not router.is_json(request) then return router.problem(415) end
  local query, refusal = read_query(request)
  if not query then return refusal end
  local tokens, texts = self.emulator.tokens, {}
  local page = self:page(query, tokens.consumer(entry), tokens:party(entry))
  for index, event in ipairs(page) do texts[index] = publish.pulled(event) end
  local headers = { ["Content-Type"] = "application/cloudevents+json; charset=utf-8" }
  if #page > 0 then headers.next = next_link(self, query, page) end
  return { status = 200, headers = headers, body = "[" .. table.concat(texts, ", ") .. "]" }
end

--- Adds its routes to an emulator's.
---@param emulator table
---@param routes table
function M.routes(emulator, routes)
  routes:add("GET", "/events/api/v1/events", function(request) return get(emulator.pull, request) end)
end

return M
