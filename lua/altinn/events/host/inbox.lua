-- What stands in the inbox file: listing, showing, and putting back.
local duration = require "altinn.events.support.duration"
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local json = require "altinn.events.support.json"

local M = {}

-- The state of an event, from its runs.
local state_sql = [[
  CASE
    WHEN EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence AND r.state = 'dead') THEN 'dead'
    WHEN EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence AND r.state = 'retry') THEN 'retry'
    WHEN EXISTS (SELECT 1 FROM waiting w WHERE w.sequence = e.sequence) THEN 'waiting'
    WHEN EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence AND r.state = 'done') THEN 'done'
    WHEN EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence) THEN 'skipped'
    ELSE 'unmatched'
  END]]

local from_sql = [[
  FROM (SELECT e.sequence, e.received, e.subscription, e.body, ]] .. state_sql .. [[ AS state FROM event e) e
  WHERE (?1 IS NULL OR e.state = ?1) AND (?2 IS NULL OR e.received >= ?2)
    AND (?3 IS NULL OR json_extract(CAST(e.body AS TEXT), '$.type') = ?3)]]

local function moment(milliseconds)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", milliseconds // 1000)
end

-- What is no UTF-8 would be no JSON either: each such byte becomes U+FFFD.
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

local function runs_of(path, sequence)
  return host.query(path,
    "SELECT rule, state, attempt, due, reason, changed FROM run WHERE sequence = ? ORDER BY rule", sequence)
end

local function run_table(run)
  return {
    rule = run.rule, verdict = run.state, attempt = run.attempt, reason = masked(run.reason),
    due = run.state == "retry" and run.due and run.due > 0 and moment(run.due) or nil, changed = moment(run.changed),
  }
end

local function event_table(path, row)
  local event = events.parse(row.body, { max_bytes = math.max(#row.body, 1) })
  local runs = json.list {}
  for index, run in ipairs(runs_of(path, row.sequence) or {}) do runs[index] = run_table(run) end
  return {
    sequence = row.sequence, received = moment(row.received), state = row.state,
    subscription = masked(row.subscription),
    id = masked(event and event.id), type = masked(event and event.type), source = masked(event and event.source),
    subject = masked(event and event.subject), resource = masked(event and event.resource),
    resourceinstance = masked(event and event.resourceinstance), runs = runs,
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

local states = { waiting = true, retry = true, dead = true, done = true, skipped = true, unmatched = true }

local function full_type(word)
  local ok, entry = pcall(function() return events.types[word] end)
  return ok and entry.type or word
end

--- What came in, the newest first.
---@param path string the inbox file
---@param options { state: string|nil, type: string|nil, since: string|nil, limit: integer|nil }
---@return { count: integer, events: table[] }|nil listing count is of all that match
---@return string|nil message
---@return string|nil code
function M.list(path, options)
  local since, problem = since_milliseconds(options.since)
  if problem then return nil, problem, "invalid" end
  if options.state and not states[options.state] then
    return nil, ("--state %s: one of waiting, retry, dead, done, skipped, unmatched"):format(options.state), "invalid"
  end
  local wanted = options.type and full_type(options.type) or nil
  local rows, message, code = host.query(path, "SELECT count(*) AS n" .. from_sql, options.state, since, wanted)
  if not rows then return nil, message, code end
  local count = rows[1].n
  rows, message, code = host.query(path, "SELECT e.sequence, e.received, e.subscription, e.body, e.state" .. from_sql ..
    " ORDER BY e.sequence DESC LIMIT ?4", options.state, since, wanted, options.limit or 50)
  if not rows then return nil, message, code end
  local list = json.list {}
  for index, row in ipairs(rows) do list[index] = event_table(path, row) end
  return { count = count, events = list }
end

--- The sequence number of an event, by that number or by its id.
---@param path string
---@param word string
---@return integer|nil sequence
---@return string|nil message
---@return string|nil code
function M.find(path, word)
  local number = math.tointeger(tonumber(word))
  local rows, message, code
  if number then
    rows, message, code = host.query(path, "SELECT sequence FROM event WHERE sequence = ?", number)
  else
    rows, message, code = host.query(path,
      "SELECT sequence FROM event WHERE json_extract(CAST(body AS TEXT), '$.id') = ? ORDER BY sequence", word)
  end
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
  local rows, message, code = host.query(path, "SELECT body FROM event WHERE sequence = ?", sequence)
  if not rows then return nil, message, code end
  return rows[1] and rows[1].body, "no such event", "not_found"
end

--- One event with its runs and effects, masked.
---@param path string
---@param sequence integer
---@return table|nil event
---@return string|nil message
---@return string|nil code
function M.show(path, sequence)
  local rows, message, code = host.query(path,
    "SELECT e.sequence, e.received, e.subscription, e.body, " .. state_sql ..
    " AS state FROM event e WHERE e.sequence = ?", sequence)
  if not rows then return nil, message, code end
  if not rows[1] then return nil, ("no event %d in %s"):format(sequence, path), "not_found" end
  local shown = event_table(path, rows[1])
  shown.body, shown.effects = masked(rows[1].body), json.list {}
  local effects
  effects, message, code = host.query(path,
    "SELECT rule, key, target, request, state, status, attempt, reason FROM effect" ..
    " WHERE sequence = ? ORDER BY rule, key", sequence)
  if not effects then return nil, message, code end
  for index, effect in ipairs(effects) do
    shown.effects[index] = {
      rule = effect.rule, key = masked(effect.key), target = effect.target, state = effect.state,
      status = effect.status ~= 0 and effect.status or nil, attempt = effect.attempt, reason = masked(effect.reason),
      request = masked(effect.request),
    }
  end
  return shown
end

local function change(path, statements)
  local total = 0
  for _, one in ipairs(statements) do
    local changes, message, code = host.execute(path, table.unpack(one, 1, one.n))
    if not changes then return nil, message, code end
    total = total + changes
  end
  return total
end

--- Puts the dead runs of an event back; a running host takes them up within
--- about a second.
---@param path string
---@param sequence integer
---@param rule string|nil only this rule's
---@return integer|nil runs how many were put back
---@return string|nil message
---@return string|nil code
function M.retry(path, sequence, rule)
  local rows, message, code = host.query(path,
    "SELECT count(*) AS n FROM run WHERE sequence = ?1 AND state IN ('dead', 'retry')" ..
    " AND (?2 IS NULL OR rule = ?2)", sequence, rule)
  if not rows then return nil, message, code end
  if rows[1].n == 0 then return 0 end
  local ok
  -- In this order: a host that looks in between finds nothing to do yet.
  ok, message, code = change(path, {
    table.pack("UPDATE run SET state = 'retry', due = 0, attempt = 0, reason = 'put back by hand'" ..
      " WHERE sequence = ?1 " ..
      "AND state IN ('dead', 'retry') AND (?2 IS NULL OR rule = ?2)", sequence, rule),
    table.pack("INSERT OR IGNORE INTO waiting (sequence) VALUES (?)", sequence),
  })
  if not ok then return nil, message, code end
  return rows[1].n
end

--- Gives up the dead or waiting runs of an event for good.
---@param path string
---@param sequence integer
---@param rule string|nil only this rule's
---@return integer|nil runs how many were discarded
---@return string|nil message
---@return string|nil code
function M.discard(path, sequence, rule)
  return change(path, {
    table.pack("UPDATE run SET state = 'skipped', reason = 'discarded by hand' WHERE sequence = ?1 " ..
      "AND state IN ('dead', 'retry') AND (?2 IS NULL OR rule = ?2)", sequence, rule),
  })
end

return M
