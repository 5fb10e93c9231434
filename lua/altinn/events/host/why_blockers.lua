-- Why a run has not begun: what has to happen first. From the inbox file, and from what the running host knows of
-- itself.
local json = require "altinn.events.support.json"
local orders = require "altinn.events.rules.order"
local shown = require "altinn.events.host.inbox_shown"

local M = {}

local IN_LINE = 1000  -- runs of a line that are looked at
local NAMED = 100     -- events that are named
local LOOK = 200      -- milliseconds after which a host has seen an act by hand

local moment = shown.moment

---@class altinn.events.why.world
---@field inbox userdata an open inbox of altinn.events.host
---@field now integer milliseconds since 1970
---@field started integer|nil when the host started, milliseconds since 1970
---@field facts table|nil of altinn.events.host.state
---@field attended boolean|nil whether a host has the inbox; nil: not known
---@field rules table<string, table> the rules of today by name
---@field limits table of the configuration

-- The whole host.

local function stopped_workers(facts, list)
  for _, worker in ipairs(facts.workers or {}) do
    if not worker.turns then
      list[#list + 1] = { kind = "worker", worker = worker.number, reason = worker.reason }
    end
  end
end

-- What keeps every run from beginning.
local function of_host(world)
  local list, facts = {}, world.facts
  if world.attended == false then
    list[1] = { kind = "host" }
    return list
  end
  if not facts then return list end
  if facts.draining then list[#list + 1] = { kind = "draining" } end
  if facts.failed then list[#list + 1] = { kind = "failed" } end
  if not facts.inbox.stores then list[#list + 1] = { kind = "inbox", reason = facts.inbox.reason } end
  stopped_workers(facts, list)
  return list
end

-- The rule.

local function of_rule(world, name)
  local rule = world.rules[name]
  if not rule then return { kind = "rule gone", rule = name } end
  if not rule.enabled then return { kind = "rule off", rule = name, file = rule.file, line = rule.line } end
end

-- Time.

local function breaker_of(world, target)
  for _, breaker in ipairs(world.facts and world.facts.breakers or {}) do
    if breaker.target == target then return breaker end
  end
end

local function of_breaker(world, run, target)
  local breaker = breaker_of(world, target)
  return { kind = "breaker", target = target, ["until"] = moment(run.due), since = breaker and breaker.since,
    next = breaker and breaker.next, open = world.facts and breaker ~= nil or nil }
end

-- What a run waits for that is in the file and not due.
local function of_time(world, run)
  local cause = run.cause or ""
  local target = run.state == "held" and cause:match "^breaker:(.+)$"
  if target then return of_breaker(world, run, target) end
  local kind = run.state == "held" and (cause:find "^trust" and "trust" or "held") or "time"
  return { kind = kind, ["until"] = moment(run.due), because = run.state, reason = shown.masked(run.reason),
    body = run.timer and (run.entry or "run") or nil }
end

-- The line.

local function line_of(world, rule, event)
  local path, key = orders.key(rule, event)
  if not key then return {} end
  return assert(world.inbox:line { rule = rule.name, path = path, key = key, now = world.now, limit = IN_LINE })
end

-- The runs of the rule that are in flight, as far as the host names them: sequence -> since.
local function flying(world, name)
  local set, entry = {}, nil
  for _, one in ipairs(world.facts and world.facts.rules or {}) do
    if one.rule == name then entry = one end
  end
  for _, run in ipairs(entry and entry.oldest or {}) do set[run.event] = run.since end
  return set, entry
end

-- Whether an act by hand set when the run is due. It may have stood in its line before.
local function is_hurried(run) return run.due == run.changed end

-- Since when at the earliest a run that is not asleep stands in its line: an event came, its time came, or it was put
-- back. At its start the host puts all of them in by the order of their events.
local function entered(world, run)
  local time = run.state == "waiting" and run.changed or run.due
  if is_hurried(run) and run.attempt > 0 then time = run.timer and tonumber(run.timer:match '"due":(%d+)') or 0 end
  return math.max(math.min(time, run.state == "waiting" and run.changed or run.due), world.started or 0)
end

-- The same, at the latest: the host sees an act by hand a moment later.
local function entered_by(world, run)
  if run.state == "waiting" then return entered(world, run) end
  return math.max(run.due + (is_hurried(run) and LOOK or 0), world.started or 0)
end

-- Whether `other` is carried out before `own`, a run that stands in the line now.
local function is_before(world, other, own, in_flight)
  if other.sequence == own.sequence then return false end
  if other.in_line == 1 or in_flight[other.sequence] then return true end
  local a, b = entered(world, other), entered_by(world, own)
  if a == b then return other.sequence < own.sequence end
  return a < b
end

-- Of those before, the one that is carried out first: it is in flight, or keeps its place while it waits. A later one
-- that keeps its place was the head before the host's start, which puts all in by the order of their events.
local function head_of(list, in_flight)
  local head
  for _, one in ipairs(list) do
    if in_flight[one.sequence] then return one end
    if one.in_line == 1 and (not head or one.sequence < head.sequence) then head = one end
  end
  return head or list[1]
end

local function told(world, run, in_flight)
  local since = in_flight[run.sequence]
  return { event = run.sequence, state = since and "running" or run.state, since = since or moment(run.changed),
    due = run.due > world.now and moment(run.due) or nil, reason = shown.masked(run.reason) }
end

-- What the head of a line waits for: the same question of it, but for the line.
local function not_yet_of_head(world, rule, head, in_flight)
  if in_flight[head.sequence] then return json.list {} end
  if head.due > world.now then return json.list { of_time(world, head) } end
  return json.list { M.limit(world, rule.name, head) }
end

-- Sorts runs of a line as they are carried out: the head, which it returns, then as they came to the line.
local function sort_line(world, list, in_flight)
  table.sort(list, function(a, b)
    local first, second = entered(world, a), entered(world, b)
    if first ~= second then return first < second end
    return a.sequence < b.sequence
  end)
  local head = head_of(list, in_flight)
  for place, one in ipairs(list) do
    if one == head then table.insert(list, 1, table.remove(list, place)) end
  end
  return head
end

local function behind(world, rule, list, in_flight)
  local head = sort_line(world, list, in_flight)
  local last = list[#list]
  local blocker = told(world, last, in_flight)
  blocker.kind, blocker.rule, blocker.before, blocker.more = "behind", rule.name, #list, #list >= IN_LINE - 1 or nil
  blocker.events = json.list {}
  for index = math.max(1, #list - NAMED + 1), #list do
    blocker.events[#blocker.events + 1] = list[index].sequence
  end
  blocker.head = told(world, head, in_flight)
  blocker.head.not_yet = not_yet_of_head(world, rule, head, in_flight)
  return blocker
end

-- The run among those of its line; one that will come to its line when it is due is not there yet.
local function find(list, sequence)
  for _, one in ipairs(list) do
    if one.sequence == sequence then return one end
  end
end

-- Whether a run is the head of its line: it keeps its place while it waits, and no other one does, or is in flight.
local function is_head(line, own, in_flight)
  if own.in_line ~= 1 then return false end
  for _, other in ipairs(line) do
    if other.sequence ~= own.sequence and (other.in_line == 1 or in_flight[other.sequence]) then return false end
  end
  return true
end

-- Those before a run that waits for its time: all that stand in its line now, unless their head begins before that
-- time. A head that is in flight may be so still. The head itself, of which the line has one, waits for nobody.
local function before_sleeper(world, line, run, in_flight)
  local before = {}
  if is_head(line, find(line, run.sequence) or run, in_flight) then return before end
  for _, other in ipairs(line) do
    if other.sequence ~= run.sequence then before[#before + 1] = other end
  end
  local head = head_of(before, in_flight)
  local is_soon = head and head.due > world.now and head.due <= run.due
  return is_soon and {} or before
end

local function before_in_line(world, line, own, in_flight)
  local before = {}
  if is_head(line, own, in_flight) then return before end
  for _, other in ipairs(line) do
    if is_before(world, other, own, in_flight) then before[#before + 1] = other end
  end
  return before
end

local function of_line(world, rule, event, run, in_flight)
  local line = line_of(world, rule, event)
  local sleeps = run.due > world.now
  local before = sleeps and before_sleeper(world, line, run, in_flight)
    or before_in_line(world, line, find(line, run.sequence) or run, in_flight)
  if #before == 0 then return nil end
  local blocker = behind(world, rule, before, in_flight)
  blocker.from = sleeps and moment(run.due) or nil
  return blocker
end

-- The rule's limit.

-- How many runs of a rule that are ready to begin may have their turn before a run; at most so many, because some of
-- them may stand in a line.
local function ready_before(world, name, own, in_flight)
  local list, count = assert(world.inbox:line { rule = name, key = "", now = world.now, limit = IN_LINE }), 0
  own = find(list, own.sequence) or own
  for _, other in ipairs(list) do
    if not in_flight[other.sequence] and is_before(world, other, own, in_flight) then count = count + 1 end
  end
  return count
end

--- The limit that keeps a run of the rule from beginning: as many as it allows are in flight.
---@param world altinn.events.why.world
---@param name string of the rule
---@param run table
---@return table|nil blocker
function M.limit(world, name, run)
  local in_flight, entry = flying(world, name)
  if not entry or not entry.at_once or entry.in_flight < entry.at_once or in_flight[run.sequence] then return nil end
  local runs = json.list {}
  for index, one in ipairs(entry.oldest) do runs[index] = { event = math.tointeger(one.event), since = one.since } end
  return { kind = "limit", rule = name, at_once = entry.at_once, in_flight = entry.in_flight, runs = runs,
    before = ready_before(world, name, run, in_flight) }
end

-- A run.

--- Since when the run is in flight, as far as it is known.
---@param world altinn.events.why.world
---@param run table
---@return string|nil since
function M.in_flight(world, run)
  local facts = world.facts
  for _, one in ipairs(facts and facts.event and facts.event.event == run.sequence and facts.event.runs or {}) do
    if one.rule == run.rule then return one.since end
  end
  return flying(world, run.rule)[run.sequence]
end

-- What stands between an open run and its beginning, besides the host and the rule.
local function of_open(world, rule, event, run)
  local in_flight, list = flying(world, run.rule), {}
  if run.due > world.now then list[1] = of_time(world, run) end
  list[#list + 1] = of_line(world, rule, event, run, in_flight)
  if #list == 0 then list[1] = M.limit(world, run.rule, run) end
  return list
end

--- What has to happen before a run begins; empty: nothing is known to be in its way.
---@param world altinn.events.why.world
---@param run table a row of inbox:runs, with `sequence`
---@param event any|nil nil: the stored event cannot be read
---@return table[] blockers each { kind, … }; kinds: host, draining, failed, inbox, worker; rule gone, rule off;
---  abandoned; unreadable; time, breaker, trust, held; behind; limit
function M.of(world, run, event)
  local list = json.list {}
  local lost = of_rule(world, run.rule)
  if run.state == "abandoned" then
    list[1] = lost or { kind = "abandoned", rule = run.rule }
    return list
  end
  if not (run.state == "waiting" or shown.is_open(run.state)) or M.in_flight(world, run) then return list end
  local function add(more)
    for _, one in ipairs(more) do list[#list + 1] = one end
  end
  add(of_host(world))
  if event == nil then add { { kind = "unreadable" } }
  elseif lost then add { lost }
  else add(of_open(world, world.rules[run.rule], event, run)) end
  return list
end

--- The limit of a rule that may hold a run back, when the running host was not asked.
---@param world altinn.events.why.world
---@param name string
---@return integer|nil at_once
function M.own_limit(world, name)
  local rule = world.rules[name]
  return rule and rule.limit and rule.limit.at_once or world.limits and world.limits.at_once
end

return M
