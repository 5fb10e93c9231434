-- Reads the inbox file for people: listing, showing, and acts by hand.
--
-- Everything here works with and without a running host. Texts from outside are masked, and bytes that are not UTF-8
-- are replaced.
local duration = require "altinn.events.support.duration"
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local json = require "altinn.events.support.json"
local suggest = require "altinn.events.support.suggest"

local M = {}

local decoder = require("cjson.safe").new()

local function moment(milliseconds)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", milliseconds // 1000)
end

-- The text as UTF-8, so that it fits into JSON: each other byte becomes U+FFFD.
local function readable(text)
  local at, parts = 1, {}
  while true do
    local length, bad = utf8.len(text, at)
    if length then return table.concat(parts) .. text:sub(at) end
    parts[#parts + 1] = text:sub(at, bad - 1) .. "\u{FFFD}"
    at = bad + 1
  end
end

local function masked(value)
  return value and readable(events.mask(tostring(value))) or nil
end

local is_open = {}
for _, name in ipairs(host.states.open) do is_open[name] = true end

local function run_table(run)
  return {
    rule = run.rule, verdict = run.state, attempt = run.attempt, reason = masked(run.reason),
    due = is_open[run.state] and run.due > 0 and moment(run.due) or nil, changed = moment(run.changed),
  }
end

local function mapped(rows, convert)
  local list = json.list {}
  for index, row in ipairs(rows) do list[index] = convert(row) end
  return list
end

local function event_table(inbox, row)
  local event = events.parse(row.body, { max_bytes = math.max(#row.body, 1) })
  local runs, message, code = inbox:runs(row.sequence)
  if not runs then return nil, message, code end
  return {
    sequence = row.sequence, received = moment(row.received), state = row.state,
    subscription = masked(row.subscription),
    id = masked(event and event.id), type = masked(event and event.type), source = masked(event and event.source),
    subject = masked(event and event.subject), resource = masked(event and event.resource),
    resourceinstance = masked(event and event.resourceinstance), runs = mapped(runs, run_table),
  }
end

local function since_milliseconds(text)
  if text == nil then return nil end
  local seconds = duration.parse(text)
  if seconds then return math.floor((os.time() - seconds) * 1000) end
  local day = text:match("^%d%d%d%d%-%d%d%-%d%d$")
  local event = events.parse(('{"specversion":"1.0","id":"1","source":"/","type":"t","time":"%s"}')
    :format(day and day .. "T00:00:00Z" or text:gsub('["\\]', "")))
  if not event then
    return nil, ("--since %s: neither a span (2h, 3d) nor a time (2026-08-20, 2026-08-20T07:00:00Z)"):format(text)
  end
  return (events.time(event)) * 1000
end

-- The states that events are listed under.
local states = { "waiting", "unmatched" }
for _, name in ipairs(host.states.run) do states[#states + 1] = name end
table.sort(states)
M.states = states

local function check_state(word)
  for _, name in ipairs(states) do
    if word == nil or word == name then return true end
  end
  return nil, ("--state %s: one of %s%s"):format(word, table.concat(states, ", "), suggest.hint(word, states))
end

-- The full name of a type. A word that looks like one of Altinn's and is none
-- is a mistake; types of others are taken as they are.
local function full_type(word)
  local ok, entry = pcall(function() return events.types[word] end)
  if ok then return entry.type end
  if word:find(".", 1, true) and not word:find("^no%.altinn%.") then return word end
  local names = {}
  for name, known in pairs(events.types) do
    if known.type == word then return word end
    names[#names + 1] = word:find(".", 1, true) and known.type or name
  end
  return nil, ("--type %s: Altinn has no such event type%s"):format(word, suggest.hint(word, names))
end

local function filter_of(options)
  local since, problem = since_milliseconds(options.since)
  if problem then return nil, problem end
  local fine, wanted
  fine, problem = check_state(options.state)
  if not fine then return nil, problem end
  if options.type then
    wanted, problem = full_type(options.type)
    if not wanted then return nil, problem end
  end
  return { state = options.state, rule = options.rule, type = wanted, since = since, limit = options.limit or 50 }
end

--- What came in, the newest first.
---@param path string the inbox file
---@param options { state: string|nil, rule: string|nil, type: string|nil, since: string|nil, limit: integer|nil }
---@return { count: integer, events: table[] }|nil listing count is of all that match
---@return string|nil message
---@return string|nil code
function M.list(path, options)
  local filter, problem = filter_of(options)
  if not filter then return nil, problem, "invalid" end
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local count, rows
  count, message, code = inbox:count(filter)
  if not count then return nil, message, code end
  rows, message, code = inbox:events(filter)
  if not rows then return nil, message, code end
  local list = json.list {}
  for index, row in ipairs(rows) do
    list[index], message, code = event_table(inbox, row)
    if not list[index] then return nil, message, code end
  end
  return { count = count, events = list }
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

--- The sequence number of an event, by that number or by its id.
---@param path string
---@param word string
---@return integer|nil sequence
---@return string|nil message
---@return string|nil code
function M.find(path, word)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local number = math.tointeger(tonumber(word))
  local rows
  if number then rows, message, code = inbox:event(number)
  else rows, message, code = inbox:by_id(word) end
  if not rows then return nil, message, code end
  if #rows == 0 then return nil, ("no event %s in %s"):format(events.mask(word), path), "not_found" end
  if #rows > 1 then
    return nil, ("%d events have the id %s; name one by its number (inbox list shows them)")
      :format(#rows, events.mask(word)), "conflict"
  end
  return rows[1].sequence
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

-- The request of an effect, for people. A rule's headers and queries may hold credentials, so they are left out.
local function request_text(text)
  local request = text and decoder.decode(text)
  if type(request) ~= "table" then return masked(text) end
  for name in pairs(type(request.headers) == "table" and request.headers or {}) do request.headers[name] = "…" end
  if type(request.path) == "string" then request.path = request.path:gsub("%?.*$", "?…") end
  return masked(json.encode(request))
end

local function effect_table(effect)
  return {
    rule = effect.rule, key = masked(effect.key), target = effect.target, state = effect.state,
    status = effect.status ~= 0 and effect.status or nil, attempt = effect.attempt, reason = masked(effect.reason),
    request = request_text(effect.request), answer = masked(effect.answer), changed = moment(effect.changed),
  }
end

local function act_table(act)
  return {
    time = moment(act.time), who = masked(act.who), what = act.what, reason = masked(act.reason), rule = act.rule,
    before = act.state,
  }
end

local PARTS = {
  { "effects", "effects", effect_table }, { "earlier_effects", "effect_attempts", effect_table },
  { "attempts", "attempts", run_table }, { "acts", "acts", act_table },
}

--- One event with its runs, their earlier attempts, its effects, and the acts by hand; masked.
---@param path string
---@param sequence integer
---@return table|nil event
---@return string|nil message
---@return string|nil code
function M.show(path, sequence)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local rows, shown
  rows, message, code = inbox:event(sequence)
  if not rows then return nil, message, code end
  if not rows[1] then return nil, ("no event %d in %s"):format(sequence, path), "not_found" end
  shown, message, code = event_table(inbox, rows[1])
  if not shown then return nil, message, code end
  shown.body = masked(rows[1].body)
  for _, part in ipairs(PARTS) do
    rows, message, code = inbox[part[2]](inbox, sequence)
    if not rows then return nil, message, code end
    shown[part[1]] = mapped(rows, part[3])
  end
  return shown
end

local function act(path, hand, sequence, rule, reason)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local runs
  runs, message, code = inbox:act(hand, sequence, rule, host.who(), masked(reason))
  if not runs then return nil, message, code end
  return #runs, runs
end

local TOGETHER = 64  -- events in a transaction; the host stores incoming events between two transactions

--- Retries or discards the runs of all events of a filter (the filter of `inbox list`); with `state` only runs in that
--- state.
---@param path string
---@param hand "retry"|"discard"
---@param options { state: string|nil, rule: string|nil, type: string|nil, since: string|nil }
---@param reason string|nil what for
---@return integer|nil runs how many it reached
---@return integer|string events how many events they are of; a message on failure
---@return string|nil code
function M.act_all(path, hand, options, reason)
  local filter, problem = filter_of(options)
  if not filter then return nil, problem, "invalid" end
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local reached, count = 0, 0
  filter.limit = 0
  local list
  list, message, code = inbox:sequences(filter)
  if not list then return nil, message, code end
  for first = 1, #list, TOGETHER do
    local fine
    fine, message, code = inbox:begin()
    for at = first, math.min(first + TOGETHER - 1, #list) do
      local runs
      if not fine then return nil, message, code end
      runs, message, code = inbox:act(hand, list[at], options.rule, host.who(), masked(reason), options.state)
      if not runs then return nil, message, code end
      reached, count = reached + (#runs > 0 and 1 or 0), count + #runs
    end
    fine, message, code = inbox:finish()
    if not fine then return nil, message, code end
  end
  return count, reached
end

--- Retries runs of an event: puts runs that were given up back, and makes waiting runs due now. A running host follows
--- within a second.
---@param path string
---@param sequence integer
---@param rule string|nil only this rule's
---@param reason string|nil what for
---@return integer|nil runs how many it reached
---@return { rule: string, before: string }[]|string list the runs, with their states before; a message on failure
---@return string|nil code
function M.retry(path, sequence, rule, reason) return act(path, "retry", sequence, rule, reason) end

--- Discards runs of an event for good, whether they wait, run, stand in line or are dead. Their effects are not sent
--- afterwards.
---@param path string
---@param sequence integer
---@param rule string|nil only this rule's
---@param reason string|nil what for
---@return integer|nil runs how many it reached
---@return { rule: string, before: string }[]|string list the runs, with their states before; a message on failure
---@return string|nil code
function M.discard(path, sequence, rule, reason) return act(path, "discard", sequence, rule, reason) end

return M
