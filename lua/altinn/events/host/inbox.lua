-- Reads the inbox file for people: listing, showing, and acts by hand on one event.
--
-- Everything here works with and without a running host. Texts from outside are masked, and bytes that are not UTF-8
-- are replaced (inbox_shown).
local acts = require "altinn.events.host.inbox_acts"
local events = require "altinn.events"
local filters = require "altinn.events.host.inbox_filter"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local json = require "altinn.events.support.json"
local shown = require "altinn.events.host.inbox_shown"
local texts = require "altinn.events.support.text"
local things = require "altinn.events.rules.thing"

local M = {}

M.states = filters.states

local function event_table(inbox, row)
  local runs, message, code = inbox:runs(row.sequence)
  if not runs then return nil, message, code end
  local timers
  for _, run in ipairs(runs) do
    if run.timer and not timers then timers, message, code = inbox:timers(row.sequence) end
    if message then return nil, message, code end
  end
  local event = shown.event(row)
  event.runs = shown.mapped(runs, function(run) return shown.run(run, timers) end)
  return event
end

-- The reason of a run of the group, where no cause was recorded.
local function with_reason(inbox, group)
  if group.cause then return group end
  for _, run in ipairs(inbox:runs(group.event) or {}) do
    if run.rule == group.rule then group.reason = shown.masked(run.reason and texts.beginning(run.reason)) end
  end
  return group
end

local function groups_of(inbox, filter)
  if not filter.cause and not shown.is_grouped(filter.state) then return nil end
  local groups, message, code = inbox:groups(filter)
  if not groups then return nil, message, code end
  return shown.mapped(groups, function(group) return with_reason(inbox, shown.group(group)) end)
end

--- What came in, the newest first. With a state whose runs are grouped, or a cause, also the groups by rule and cause.
---@param path string the inbox file
---@param options { state: string|nil, rule: string|nil, type: string|nil, cause: string|nil, since: string|nil,
---  until: string|nil, limit: integer|nil }
---@return { count: integer, events: table[], groups: table[]|nil }|nil listing count is of all events that match
---@return string|nil message
---@return string|nil code
function M.list(path, options)
  local filter, problem = filters.of(options)
  if not filter then return nil, problem, "invalid" end
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local count, rows, groups
  count, message, code = inbox:count(filter)
  if not count then return nil, message, code end
  groups, message, code = groups_of(inbox, filter)
  if message then return nil, message, code end
  rows, message, code = inbox:events(filter)
  if not rows then return nil, message, code end
  local list = json.list {}
  for index, row in ipairs(rows) do
    list[index], message, code = event_table(inbox, row)
    if not list[index] then return nil, message, code end
  end
  return { count = count, events = list, groups = groups }
end

local NEWEST = 500

--- The names of the rules that have runs of the newest events.
---@param path string
---@return string[]|nil names
---@return string|nil message
---@return string|nil code
function M.rules(path)
  local listing, message, code = M.list(path, { limit = NEWEST })
  if not listing then return nil, message, code end
  local names, seen = {}, {}
  for _, event in ipairs(listing.events) do
    for _, run in ipairs(event.runs) do
      if not seen[run.rule] then names[#names + 1] = run.rule end
      seen[run.rule] = true
    end
  end
  return names
end

-- The one row of an event, by its number or its id.
local function row_of(inbox, path, word)
  local number = math.tointeger(tonumber(word))
  local rows, message, code
  if number then rows, message, code = inbox:event(number)
  else rows, message, code = inbox:by_id(word) end
  if not rows then return nil, message, code end
  if #rows == 0 then return nil, ("no event %s in %s"):format(events.mask(word), path), "not_found" end
  if #rows > 1 then
    return nil, ("%d events have the id %s; name one by its number (inbox list shows them)")
      :format(#rows, events.mask(word)), "conflict"
  end
  return rows[1]
end

--- A stored event as it is: nothing is masked.
---@param path string
---@param word string its number or its id
---@return { sequence: integer, received: integer, subscription: string|nil, body: string }|nil row received: in
---  milliseconds since 1970
---@return string|nil message
---@return string|nil code
function M.row(path, word)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  return row_of(inbox, path, word)
end

--- The sequence number of an event, by that number or by its id.
---@param path string
---@param word string
---@return integer|nil sequence
---@return string|nil message
---@return string|nil code
function M.find(path, word)
  local row, message, code = M.row(path, word)
  return row and row.sequence, message, code
end

--- The text of a stored event.
---@param path string
---@param sequence integer
---@return string|nil body
---@return string|nil message
---@return string|nil code
function M.body(path, sequence)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local rows
  rows, message, code = inbox:event(sequence)
  if not rows then return nil, message, code end
  return rows[1] and rows[1].body, "no such event", "not_found"
end

-- The thing that an event is about, as the memory names it.
local function thing_of(body)
  local event = events.parse(body, { max_bytes = math.max(#body, 1) })
  return event and things.name_of(event)
end

local function remembered(inbox, event, body)
  local thing, list, seen = thing_of(body), json.list {}, {}
  for _, run in ipairs(thing and event.runs or {}) do
    local rows, message, code
    if not seen[run.rule] then rows, message, code = inbox:memory(run.rule, thing) end
    if message then return nil, message, code end
    seen[run.rule] = true
    for _, row in ipairs(rows or {}) do list[#list + 1] = shown.memory(row) end
  end
  return list
end

local function run_table(run) return shown.run(run) end

-- What Altinn answered.

local function readings(path, query)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local rows
  rows, message, code = query(inbox)
  if not rows then return nil, message, code end
  for _, row in ipairs(rows) do row.at, row.cut = row.at / 1000, row.cut ~= 0 end
  return rows
end

--- What Altinn answered to the reads of an event's runs, in order of time; as it was, not masked.
---@param path string
---@param sequence integer
---@return { rule: string, attempt: integer, place: integer, at: number, thing: string, call: string, status:
---  integer|nil, code: string|nil, body: string|nil, cut: boolean }[]|nil list at: seconds since 1970; the others:
---  see altinn.events.rules.readings
---@return string|nil message
---@return string|nil code
function M.readings(path, sequence)
  return readings(path, function(inbox) return inbox:readings(sequence) end)
end

--- The same of a thing, by the runs of all events.
---@param path string
---@param thing string "letter:0198…"
---@param till number|nil only what was read at this time or before: seconds since 1970
---@return table[]|nil list as M.readings, with `sequence`
---@return string|nil message
---@return string|nil code
function M.readings_of(path, thing, till)
  return readings(path, function(inbox) return inbox:readings_of(thing, till and math.ceil(till * 1000)) end)
end

-- The stored events in order.

local PAGE = 1000

local function stream_filter(options)
  local filter, problem = filters.of { rule = options.rule, type = options.type, since = options.since,
    ["until"] = options["until"] }
  if filter then filter.limit = PAGE end
  return filter, problem
end

--- The stored events in order of arrival, read a page at a time. The iterator raises when the file fails meanwhile.
---@param path string
---@param options { since: string|nil, until: string|nil, rule: string|nil, type: string|nil, after: integer|nil }|nil
---  since, until: as the options of `inbox list`; rule: events of which it has a run; after: those behind this number
---@return (fun(): { sequence: integer, received: number, body: string, subscription: string|nil, came_by: string }|nil)
---  |nil iterator received: seconds since 1970
---@return string|nil message
---@return string|nil code
function M.stream(path, options)
  local filter, problem = stream_filter(options or {})
  if not filter then return nil, problem, "invalid" end
  local inbox, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local rows, at, after = {}, 0, options and options.after or 0
  return function()
    at = at + 1
    if at > #rows then
      rows, message = inbox:stream(filter, after)
      if not rows then error(message, 0) end
      at = 1
    end
    local row = rows[at]
    if not row then
      inbox:close()
      return nil
    end
    after, row.received, row.came_by = row.sequence, row.received / 1000, "push"
    return row
  end
end

local PARTS = {
  { "effects", "effects", shown.effect }, { "earlier_effects", "effect_attempts", shown.effect },
  { "attempts", "attempts", run_table }, { "acts", "acts", shown.act }, { "steps", "steps", shown.step },
  { "readings", "readings", shown.reading },
}

--- One event with its runs, their earlier attempts, steps, effects and what Altinn answered them, what the rules
--- remember of its thing, and the acts by hand; masked.
---@param path string
---@param sequence integer
---@return table|nil event
---@return string|nil message
---@return string|nil code
function M.show(path, sequence)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local rows, event
  rows, message, code = inbox:event(sequence)
  if not rows then return nil, message, code end
  local row = rows[1]
  if not row then return nil, ("no event %d in %s"):format(sequence, path), "not_found" end
  event, message, code = event_table(inbox, row)
  if not event then return nil, message, code end
  event.body = shown.masked(row.body)
  for _, part in ipairs(PARTS) do
    rows, message, code = inbox[part[2]](inbox, sequence)
    if not rows then return nil, message, code end
    event[part[1]] = shown.mapped(rows, part[3])
  end
  event.memory, message, code = remembered(inbox, event, row.body)
  if not event.memory then return nil, message, code end
  return event
end

--- What rules remember; masked.
---@param path string
---@param rule string|nil only this rule's
---@param letter string|nil only of this letter: its id
---@return table[]|nil values
---@return string|nil message
---@return string|nil code
function M.memory(path, rule, letter)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local rows
  rows, message, code = inbox:memory(rule, letter and "letter:" .. letter)
  if not rows then return nil, message, code end
  return shown.mapped(rows, shown.memory)
end

local function act(hand, path, sequence, rule, reason)
  local one <close>, message, code = acts.begin(path, hand, { sequence = sequence, rule = rule })
  if not one then return nil, message, code end
  return one:carry_out { reason = reason }
end

--- Retries runs of an event: puts runs that were given up back, and makes waiting runs due now. A running host follows
--- within a second.
---@param path string
---@param sequence integer
---@param rule string|nil only this rule's
---@param reason string|nil what for
---@return integer|nil runs how many it reached
---@return string|nil message
---@return string|nil code
function M.retry(path, sequence, rule, reason) return act("retry", path, sequence, rule, reason) end

--- Discards runs of an event for good, whether they wait, run, stand in line or are dead. Their effects are not sent
--- afterwards.
---@param path string
---@param sequence integer
---@param rule string|nil only this rule's
---@param reason string|nil what for
---@return integer|nil runs how many it reached
---@return string|nil message
---@return string|nil code
function M.discard(path, sequence, rule, reason) return act("discard", path, sequence, rule, reason) end

return M
