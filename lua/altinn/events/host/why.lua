-- Why a rule fired or not, why not yet, why again: the whole answer as one table. `why --json` prints it, and the test
-- world gives it.
local blockers = require "altinn.events.host.why_blockers"
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local json = require "altinn.events.support.json"
local shown = require "altinn.events.host.inbox_shown"
local state = require "altinn.events.host.state"
local store = require "altinn.events.host.inbox"
local texts = require "altinn.events.support.text"
local why = require "altinn.events.rules.why"
local words = require "altinn.events.host.why_words"

local M = {}

local STARTS = 20  -- starts of hosts that are told

-- What is known.

local function by_name(set)
  local rules = {}
  for _, rule in ipairs(set) do rules[rule.name] = rule end
  return rules
end

-- What the running host says, when it can be asked.
local function facts_of(options, sequence)
  if options.host then return options.host, true end
  local attended = host.attended(options.inbox)
  if attended == false or not options.config then return nil, attended, "no host is running" end
  local facts, message = state.ask(options.config, options.inbox, sequence)
  return facts, attended, message
end

-- When the host started, or one before it: starts are written down with a host's first write.
local function started(inbox, facts)
  if facts and facts.started then return state.milliseconds(facts.started) end
  local starts = inbox:starts(0)
  return starts and starts[1] and starts[#starts].time
end

-- Milliseconds since 1970, by the host's clock where it can be asked.
local function now_of(options, facts)
  local told = not options.now and facts and facts.now
  return told and state.milliseconds(told) or math.floor((options.now or os.time()) * 1000)
end

local function world_of(options, inbox, sequence)
  local facts, attended, message = facts_of(options, sequence)
  return {
    inbox = inbox, now = now_of(options, facts), facts = facts, attended = attended,
    started = started(inbox, facts), unasked = not facts and message or nil, rules = by_name(options.set or {}),
    limits = options.config and options.config.limits,
  }
end

-- The runs.

local function of_rule(list, name)
  local found = json.list {}
  for _, one in ipairs(list) do
    if one.rule == name then found[#found + 1] = one end
  end
  return found
end

local function effect_of(effect)
  return { target = effect.target, key = effect.key, state = effect.state, status = effect.status,
    reason = effect.reason and texts.beginning(effect.reason), changed = effect.changed }
end

local function story(event, run)
  local own = {
    event = event.sequence, rule = run.rule, verdict = run.verdict, attempt = run.attempt, due = run.due,
    changed = run.changed, reason = run.reason, cause = run.cause, body = run.body, timer = run.timer,
    would = run.would, version = run.version, attempts = of_rule(event.attempts, run.rule), effects = json.list {},
  }
  for _, effect in ipairs(of_rule(event.effects, run.rule)) do own.effects[#own.effects + 1] = effect_of(effect) end
  return own
end

-- Why again: attempts, acts by hand and starts of the host, in order of time.

local function attempt_of(run)
  return { what = "attempt", time = run.changed, attempt = run.attempt, verdict = run.verdict, reason = run.reason,
    version = run.version, body = run.body }
end

local function add_starts(list, own, starts)
  local last = words.is_open(own) and "9" or own.changed
  for index = math.max(1, #starts - STARTS + 1), #starts do
    local time = shown.moment(starts[index].time)
    if time < last then list[#list + 1] = { what = "start", time = time } end
  end
end

-- An act by hand writes its own time to the run: of the attempt before it, it is known that it ended then or earlier.
local function mark_hurried(list)
  local acted = {}
  for _, one in ipairs(list) do
    if one.what == "act" then acted[one.time] = true end
  end
  for _, one in ipairs(list) do
    if one.what == "attempt" and acted[one.time] then one.earlier = true end
  end
end

local function again_of(event, own, starts)
  local list = json.list {}
  for _, run in ipairs(own.attempts) do list[#list + 1] = attempt_of(run) end
  if own.attempt > 0 then list[#list + 1] = attempt_of(own) end
  for _, act in ipairs(of_rule(event.acts, own.rule)) do
    list[#list + 1] = { what = "act", time = act.time, who = act.who, act = act.what, reason = act.reason,
      before = act.before }
  end
  mark_hurried(list)
  add_starts(list, own, starts)
  local place = {}
  for index, one in ipairs(list) do place[one] = index end
  table.sort(list, function(a, b)
    if a.time ~= b.time then return a.time < b.time end
    return place[a] < place[b]
  end)
  return list
end

-- Whether the conditions that are asked when a run begins held, as far as its end tells.
local function judge_asked(entry, run)
  local cause = run.cause or ""
  local failed = { repeats = cause == "repeated event", trust = cause:find "^trust" ~= nil,
    unless = cause:find "^unless" ~= nil }
  for _, one in ipairs(entry.asked or {}) do
    if failed[one.attribute] then one.holds = false end
  end
end

local function add_texts(entry, own)
  for _, one in ipairs(entry.not_yet) do
    if one.kind == "behind" then own.behind = one end
  end
  for _, one in ipairs(entry.not_yet) do
    if own.timer and own.timer.cancel and one.kind == "time" then one.cancel = table.concat(own.timer.cancel, ", ") end
    one.text, one.remedy = words.blocker(one), words.remedy(one, own)
    for _, head in ipairs(one.head and one.head.not_yet or {}) do head.text = words.blocker(head) end
  end
end

local function fill(world, entry, given)
  local own = story(given.shown, given.run)
  entry.run, entry.in_flight = own, words.is_open(own) and blockers.in_flight(world, given.row) or nil
  entry.not_yet = blockers.of(world, given.row, given.event)
  entry.again = again_of(given.shown, own, given.starts)
  add_texts(entry, own)
  judge_asked(entry, own)
  own.words = words.run(entry, not world.facts and blockers.own_limit(world, own.rule) or nil)
  own.remedy = words.advice(own, world.rules[own.rule])
  entry.answer = own.words
end

-- The answer of a rule without a run.
local function settle_answer(entry, sequence)
  if entry.answer then return end
  if not entry.matched then entry.answer = words.flip(entry)
  elseif sequence then entry.answer = words.too_late(entry)
  else entry.answer = words.of_file(entry) end
end

local function entry_for(list, name)
  for _, entry in ipairs(list) do
    if entry.rule == name then return entry end
  end
end

-- Adds what the inbox holds; runs of rules that are no longer there stand at the end.
local function add_runs(world, list, options, sequence, event)
  local one, message = store.show(options.inbox, sequence)
  if not one then return nil, message end
  local rows, stored = world.inbox:runs(sequence), world.inbox:event(sequence)
  local starts = stored and stored[1] and world.inbox:starts(stored[1].received + 1)
  if not rows or not starts then return nil, "the inbox cannot be read" end
  for _, row in ipairs(rows) do
    local entry, run = entry_for(list, row.rule), entry_for(one.runs, row.rule)
    if not entry and (options.rule == nil or options.rule == row.rule) then
      entry = { rule = row.rule, gone = world.rules[row.rule] == nil or nil }
      list[#list + 1] = entry
    end
    row.sequence = sequence
    if entry and run then
      fill(world, entry, { shown = one, run = run, row = row, event = event, starts = starts })
    end
  end
  return one
end

-- The event.

local function is_same(row, event)
  local other = events.parse(row.body, { max_bytes = math.max(#row.body, 1) })
  return other ~= nil and other.id == event.id and other.source == event.source
end

-- The number of an event of a file in the inbox, by its id and source; nil: it is not there.
local function known_as(inbox, event)
  for _, row in ipairs(inbox:by_id(event.id) or {}) do
    if is_same(row, event) then return row.sequence end
  end
end

local function event_of(inbox, sequence)
  local rows, message = inbox:event(sequence)
  if not rows then return nil, message end
  if not rows[1] then return nil, ("no event %d is in the inbox"):format(sequence) end
  return events.parse(rows[1].body, { max_bytes = math.max(#rows[1].body, 1) }) or false
end

local function whole(options, inbox)
  local sequence, event, message = options.sequence, options.event, nil
  if inbox and not sequence then sequence = known_as(inbox, event) end
  if event == nil then event, message = event_of(inbox, sequence) end
  if event == nil then return nil, message end
  local list = json.list {}
  if event then list, message = why.explain(options.set, event, options.rule) end
  if not list then return nil, message end
  local result = { event = event and tostring(event) or "an event that cannot be read", sequence = sequence,
    rules = list }
  if sequence then
    local world = world_of(options, inbox, sequence)
    local one
    one, message = add_runs(world, list, options, sequence, event or nil)
    if not one then return nil, message end
    result.received = one.received
    result.judged = world.facts and "file and host" or "file"
    result.unasked = world.unasked
  end
  for _, entry in ipairs(list) do settle_answer(entry, sequence) end
  return result
end

local function opened(path)
  if path then return host.inbox(path) end
end

--- Explains an event: why, why not, why not yet, why again.
---@param options { inbox: string|nil, sequence: integer|nil, event: any|nil, set: table[], config: table|nil,
---  now: number|nil, host: table|nil, rule: string|nil } sequence: of the inbox; event: of a file, looked up in the
---  inbox by its id and source; now: seconds since 1970; host: what GET /state of the host says, else it is asked at
---  the configuration's `admin`; rule: only this one
---@return table|nil answer { event, sequence, received, judged = "file" or "file and host", unasked: why the host was
---  not asked, rules = { { rule, matched, conditions, flip, asked, run, not_yet, again, in_flight, answer } } }
---@return string|nil message
function M.of(options)
  local inbox <close>, message = opened(options.inbox)
  if not inbox and (options.sequence or options.event == nil) then return nil, message end
  return whole(options, inbox)
end

return M
