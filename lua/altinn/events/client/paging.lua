-- Iterators over Altinn's pages of events, and over its lists of letters, which end at 1000.
local call = require "altinn.events.client.exchange"
local core = require "altinn.events.core"
local elements = require "altinn.events.client.elements"

local M = {}

local MOST = 1000       -- of a page and of a list
local MICRO = 1000000   -- moments are counted in microseconds
local YEAR = 366 * 86400 * MICRO
local START = 1672531200 * MICRO  -- 2023: before, letters are few

local Failure = { __name = "altinn.events.failure" }
Failure.__index = Failure
Failure.__tostring = function(self) return self.message end

--- Raises a failure, because an iterator cannot return one: { message, code, detail }, which prints as its message.
---@param message string
---@param code string
---@param detail table|nil
function M.raise(message, code, detail)
  error(setmetatable({ message = message, code = code, detail = detail or {} }, Failure), 0)
end

-- Mistakes of the caller raise at once, in the call that makes the iterator and not in the loop.
local function check(name, wish)
  local request, message, code, detail = core.altinn.request(name, wish)
  if not request then M.raise(message, code, detail) end
end

-- Events

-- The id in the text of a refused event; nil when it has none.
local function id_in(text)
  local value = call.decode(text)
  local id = type(value) == "table" and value.id
  return type(id) == "string" and id ~= "" and id or nil
end

-- An entry of a page that is not a valid event: { id, odd = reason, code, detail }.
local Odd = {}

local function odd_of(index, text, message, code, detail)
  detail = detail or {}
  detail.index, detail.id = index, id_in(text)
  return setmetatable({ id = detail.id, odd = message, code = code, detail = detail }, Odd)
end

local function is_odd(event) return getmetatable(event) == Odd end

-- Reads the events of a page one by one, because one of them is refused.
local function one_by_one(body)
  local list = {}
  for index, text in ipairs(elements.of(body) or {}) do
    local event, message, code, detail = core.parse(text, { max_bytes = math.max(1, #text) })
    list[index] = event or odd_of(index, text, message, code, detail)
  end
  return list
end

local function page(self, size)
  self.wish.size = size
  local reply, message, code, detail = call.perform(self.settings, "events", self.wish)
  if not reply then M.raise(message, code, detail) end
  local events
  events, message, code, detail = core.parse_batch(reply.body, { max_bytes = math.max(1, #reply.body) })
  if not events then events = one_by_one(reply.body) end
  if #events == 0 and message then M.raise("the pulled events: " .. message, code, detail) end
  return events
end

-- Altinn checks access after paging, so an empty page is the end only when a page of the largest size is empty too
-- (Altinn/altinn-events src/Events/Services/EventsService.cs).
local function next_page(self)
  local events = page(self, self.size)
  if #events == 0 and self.size < MOST then events = page(self, MOST) end
  return events
end

-- Whether the event is new to this iteration.
local function is_fresh(self, event)
  local source = is_odd(event) and Odd or event.source
  local id = event.id or event.odd
  local seen = self.seen[source]
  if not seen then
    seen = {}
    self.seen[source] = seen
  end
  if seen[id] then return false end
  seen[id] = true
  return true
end

-- The id with which the next page begins: that of the last event that shows one.
local function cursor_of(events)
  for index = #events, 1, -1 do
    if events[index].id then return events[index].id end
  end
  return nil
end

-- The events of the next page that has new ones; nil at the end. The server begins again when it does not know the
-- cursor any more, so events that were given already are dropped here. A cursor that has twice led to no new event
-- ends the iteration.
local function fresh_events(self)
  local tried = {}
  while true do
    local events = next_page(self)
    if #events == 0 then return nil end
    local list = {}
    for _, event in ipairs(events) do
      if is_fresh(self, event) then list[#list + 1] = event end
    end
    local cursor = cursor_of(events) or self.wish.after
    tried[self.wish.after] = (tried[self.wish.after] or 0) + 1
    self.wish.after = cursor
    if #list > 0 then return list end
    if (tried[cursor] or 0) >= 2 then return nil end
  end
end

local function raise_odd(odd)
  M.raise(("the pulled event %s is none that can be read: %s"):format(odd.id and core.mask(odd.id) or "without an id",
    odd.odd), odd.code, odd.detail)
end

-- The next event. An odd event is passed to the caller's `odd`; without that, the first one is raised after the good
-- events of its page.
local function next_event(self)
  while true do
    self.at = self.at + 1
    local event = self.list[self.at]
    if not event then
      if self.kept then return raise_odd(self.kept) end
      self.list, self.at = fresh_events(self), 0
      if not self.list then return nil end
    elseif not is_odd(event) then
      return event
    elseif self.odd then
      self.odd(event.id, event.odd, event.detail)
    else
      self.kept = self.kept or event
    end
  end
end

--- An iterator over the events of a resource, in the order of registration.
---@param settings table of the client
---@param wish table resource, after, types, subject
---@param size integer|nil of a page, 1000
---@param odd fun(id: string|nil, reason: string, detail: table|nil)|nil gets what is no event here; without it the
---  first of these is raised once the good ones of its page were given
---@return fun(): table|nil next_event raises { message, code, detail }
function M.events(settings, wish, size, odd)
  wish.size = size
  check("events", wish)
  local self = { settings = settings, wish = wish, size = size or MOST, seen = {}, odd = odd, list = {}, at = 0 }
  wish.after = wish.after or "0"
  return function()
    if not self.list then return nil end
    return next_event(self)
  end
end

-- Letters

-- Microseconds since 1970; `up`: a part of a microsecond counts as a whole one.
local function micros(field, value, up)
  if value == nil then return nil end
  if type(value) == "number" then
    if not (value > -6e10 and value < 2e11) then
      error(field .. ": seconds since 1970, or a text such as \"2026-01-31T12:00:00Z\", are wanted", 4)
    end
    return up and math.ceil(value * MICRO) or math.floor(value * MICRO)
  end
  if type(value) ~= "string" then
    error(("%s: a time is seconds since 1970 or a text, not a %s"):format(field, type(value)), 4)
  end
  local seconds, nanoseconds = core.altinn.moment(value)
  if not seconds then M.raise(field .. ": " .. nanoseconds, "invalid", { attribute = field }) end
  local rest = nanoseconds / 1000
  return seconds * MICRO + (up and math.ceil(rest) or math.floor(rest))
end

local function text_of(moment)
  if not moment then return nil end
  local seconds = math.floor(moment / MICRO)
  local fraction = moment - seconds * MICRO
  return os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. (fraction > 0 and (".%06d"):format(fraction) or "") .. "Z"
end

local function ids_of(self, slice)
  local wish = self.wish
  wish.from, wish.to, wish.status = text_of(slice.from), text_of(slice.to), slice.status
  local reply, message, code, detail = call.perform(self.settings, "letters", wish)
  if not reply then M.raise(message, code, detail) end
  local value
  value, message, code = call.decode(reply.body)
  if not value then M.raise(message, code, { status = reply.status }) end
  return value.ids
end

-- Both ends of a slice are exclusive, so its halves overlap by a microsecond:
-- the first takes the moment in the middle. Newest first, as the server does.
local function halves(slice)
  local to = slice.to or math.max(slice.from or 0, os.time() * MICRO) + YEAR
  local from = slice.from or math.min(START, to - YEAR)
  if to - from <= 2 then return nil end  -- one microsecond lies between
  local middle = from + math.floor((to - from) / 2)  -- a side without a bound keeps none
  return { from = middle, to = slice.to, status = slice.status },
    { from = slice.from, to = middle + 1, status = slice.status }
end

-- The slices to ask for instead, when a list has more than Altinn gives at once.
local function divide(self, slice)
  local late, early = halves(slice)
  if late then
    self.slices[#self.slices + 1] = early
    self.slices[#self.slices + 1] = late
    return
  elseif slice.status then
    M.raise(("more than %d letters have one and the same time of publishing, %s, and status: Altinn lists no more")
      :format(MOST, text_of(slice.from + 1)), "too_large")
  end
  for _, status in ipairs(core.altinn.statuses) do
    self.slices[#self.slices + 1] = { from = slice.from, to = slice.to, status = status }
  end
end

-- The new ids of the next slice that has any; nil at the end.
local function fresh_ids(self)
  while #self.slices > 0 do
    local slice = table.remove(self.slices)
    local ids, list = ids_of(self, slice), {}
    if #ids >= MOST then
      divide(self, slice)
      ids = {}
    end
    for _, id in ipairs(ids) do
      if not self.seen[id] then
        self.seen[id] = true
        list[#list + 1] = id
      end
    end
    if #list > 0 then return list end
  end
  return nil
end

--- An iterator over the ids of letters, newest time of publishing first.
---@param settings table of the client
---@param wish table resource, role, status, onBehalfOf, sendersReference, idempotentKey, altinn2CorrespondenceId
---@param from string|number|nil RFC 3339 or seconds since 1970, exclusive
---@param to string|number|nil the same
---@return fun(): string|nil next_id raises { message, code, detail }
function M.letters(settings, wish, from, to)
  local slice = { from = micros("from", from, false), to = micros("to", to, true), status = wish.status }
  wish.from, wish.to = text_of(slice.from), text_of(slice.to)
  check("letters", wish)
  local self = { settings = settings, wish = wish, slices = { slice }, seen = {} }
  local list, at = {}, 0
  return function()
    at = at + 1
    if list and not list[at] then list, at = fresh_ids(self), 1 end
    return list and list[at]
  end
end

return M
