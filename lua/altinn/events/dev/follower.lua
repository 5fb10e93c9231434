-- Follows an inbox: what happens in it, as facts, while it happens. The file alone is asked, with or without a host,
-- and no lock is held between two looks. While nothing happens a look is one question, however many events there are.
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local json = require "altinn.events.support.json"
local shown = require "altinn.events.host.inbox_shown"

local M = {}

local PAGE = 500       -- rows of a question
local ASKED = 4000     -- events that one look asks about
local UNKNOWN, NEW = "", "new"  -- how an event that is watched stands: not asked yet; the backlog, and others

---@class altinn.events.dev.fact
---Something that happened. All texts are masked.
---@field what "received"|"verdict"|"effect"|"act"
---@field time integer ms since 1970, by the host's clock
---@field event integer|nil its number in the inbox; nil: an act that concerns a rule alone
---@field type string|nil the event's full type
---@field rule string|nil
---@field rules string[]|nil of "received": those that want it
---@field shown table the event, run, effect or act, as inbox_shown makes it

local Follower = {}
Follower.__index = Follower

-- What was seen of an event: runs and effects by name, each with a text that changes with it.
local function new_seen(row)
  local event = row and shown.event(row)
  return { event = event, type = event and event.type, runs = {}, effects = {} }
end

local function add(facts, fact)
  fact.place = #facts + 1
  facts[#facts + 1] = fact
end

local function run_stand(run)
  return ("%s %d %d %d"):format(run.state, run.attempt, run.changed, run.due)
end

local function effect_stand(effect)
  return ("%s %d %d %d"):format(effect.state, effect.attempt, effect.status or 0, effect.changed)
end

local function is_untried(run) return run.state == "waiting" or run.state == "" end

-- A run that was put back by hand leaves no earlier attempt behind when it goes on.
local function was_put_back(run) return run.state == "retry" and run.attempt == 0 end

-- Whether a change is news: of an event that is followed from its arrival, each; of another one, what came after this
-- reader.
local function is_news(self, seen, place, name, stand, changed)
  local before = seen[place][name]
  seen[place][name] = stand
  if before then return before ~= stand end
  return seen.whole or changed >= self.began
end

local function add_effects(self, facts, seen, sequence, effects)
  table.sort(effects, function(a, b) return a.changed < b.changed end)
  for _, effect in ipairs(effects) do
    if effect.state ~= "recorded" and is_news(self, seen, "effects", effect.key, effect_stand(effect), effect.changed)
    then
      add(facts, { what = "effect", time = effect.changed, event = sequence, type = seen.type, rule = effect.rule,
        shown = shown.effect(effect) })
    end
  end
end

local function add_runs(self, facts, seen, sequence, runs)
  local timers
  for _, run in ipairs(runs) do
    if not is_untried(run) and is_news(self, seen, "runs", run.rule, run_stand(run), run.changed) then
      if run.timer then timers = timers or self.inbox:timers(sequence) end
      add(facts, { what = "verdict", time = run.changed, event = sequence, type = seen.type, rule = run.rule,
        shown = shown.run(run, timers) })
    end
  end
end

-- What is new of an event (`runs`: its runs, where they were read already). It is watched as long as a run of it may
-- change without a trace in the table of attempts.
local function examine(self, facts, sequence, runs)
  local effects, message, code
  if not runs then runs, message, code = self.inbox:runs(sequence) end
  if not runs then return nil, message, code end
  effects, message, code = self.inbox:effects(sequence)
  if not effects then return nil, message, code end
  local seen = self.seen[sequence]
  if not seen then
    local rows = self.inbox:event(sequence)
    seen = new_seen(rows and rows[1])
    self.seen[sequence] = seen
  end
  add_effects(self, facts, seen, sequence, effects)
  add_runs(self, facts, seen, sequence, runs)
  local watched, open = false, false
  for _, run in ipairs(runs) do
    watched = watched or is_untried(run) or was_put_back(run)
    open = open or watched or shown.is_open(run.state)
  end
  self.watched[sequence] = watched and (self.watched[sequence] or NEW) or nil
  if not open then self.seen[sequence] = nil end
  return true
end

local function names_of(runs)
  local names = json.list {}
  for _, run in ipairs(runs) do names[#names + 1] = run.rule end
  return names
end

-- Events that have come. What became of them already is told too.
local function take_events(self, facts)
  local rows, message, code = self.inbox:follow("events", self.marks.event, PAGE)
  if not rows then return nil, message, code end
  for _, row in ipairs(rows) do
    self.marks.event = row.sequence
    local runs
    runs, message, code = self.inbox:runs(row.sequence)
    if not runs then return nil, message, code end
    local seen = new_seen(row)
    seen.whole, self.seen[row.sequence], self.watched[row.sequence] = true, seen, NEW
    add(facts, { what = "received", time = row.received, event = row.sequence, type = seen.type,
      rules = names_of(runs), shown = seen.event })
    local fine
    fine, message, code = examine(self, facts, row.sequence, runs)
    if not fine then return nil, message, code end
  end
  self.more = self.more or #rows == PAGE
  return true
end

local function take_acts(self, facts)
  local rows, message, code = self.inbox:follow("acts", self.marks.act, PAGE)
  if not rows then return nil, message, code end
  for _, row in ipairs(rows) do
    self.marks.act = row.number
    add(facts, { what = "act", time = row.time, event = row.sequence, rule = row.rule, shown = shown.act(row) })
    if row.sequence then self.watched[row.sequence] = self.watched[row.sequence] or NEW end
  end
  self.more = self.more or #rows == PAGE
  return true
end

local function take_attempts(self, facts)
  local rows, message, code = self.inbox:follow("attempts", self.marks.attempt, PAGE)
  if not rows then return nil, message, code end
  local done = {}
  for _, row in ipairs(rows) do
    self.marks.attempt = row.number
    local fine = done[row.sequence] or nil
    if not fine then fine, message, code = examine(self, facts, row.sequence) end
    if not fine then return nil, message, code end
    done[row.sequence] = true
  end
  self.more = self.more or #rows == PAGE
  return true
end

-- The next of the events that are watched: in turns, when they are more than one look can ask about.
local function next_watched(self)
  local list = {}
  local at = self.watched[self.at] ~= nil and self.at or nil
  for _ = 1, ASKED do
    at = next(self.watched, at)
    if not at then break end
    list[#list + 1] = at
  end
  self.at = at
  self.more = self.more or at ~= nil
  return list
end

local function take_watched(self, facts)
  local list = next_watched(self)
  if #list == 0 then return true end
  local stands, message, code = self.inbox:follow("stands", 0, 0, "[" .. table.concat(list, ",") .. "]")
  if not stands then return nil, message, code end
  for _, row in ipairs(stands) do
    local before, fine = self.watched[row.sequence], true
    self.watched[row.sequence] = row.stand
    -- An event of the backlog is looked at once it has changed under this reader's eyes.
    local changed = before ~= row.stand and (before ~= UNKNOWN or row.changed >= self.began)
    if changed then fine, message, code = examine(self, facts, row.sequence) end
    if not fine then return nil, message, code end
  end
  return true
end

local function by_time(a, b)
  if a.time ~= b.time then return a.time < b.time end
  return a.place < b.place
end

--- What has happened since the last look, in order of time; `is_whole`: there is no more for now.
---@return altinn.events.dev.fact[]|nil facts
---@return boolean|string is_whole; a message on failure
---@return string|nil code
function Follower:look()
  local rows, message, code = self.inbox:follow "version"
  if not rows then return nil, message, code end
  local version = rows[1].data_version
  if version == self.last and not self.more then return {}, true end
  self.last, self.more = version, false
  local facts = {}
  for _, take in ipairs { take_events, take_acts, take_attempts, take_watched } do
    local fine
    fine, message, code = take(self, facts)
    if not fine then return nil, message, code end
  end
  table.sort(facts, by_time)
  return facts, not self.more
end

--- The newest events, the newest first.
---@param most integer
---@return table[] rows each { sequence, body, … }
function Follower:back(most) return self.inbox:events { limit = most } or {} end

function Follower:close() self.inbox:close() end

-- The number of the last event that was received before a time. Events are numbered as they are received; some numbers
-- may be missing.
local function last_before(inbox, time, newest)
  local low, high = 0, newest
  while low < high do
    local middle = (low + high + 1) // 2
    local rows = inbox:follow("events", middle - 1, 1)
    local row = rows and rows[1]
    if row and row.received < time then low = math.max(middle, math.min(row.sequence, high)) else high = middle - 1 end
  end
  return low
end

local function begin_at(self, options)
  if options.since then self.marks.event = last_before(self.inbox, options.since, self.marks.event)
  elseif options.newest then self.marks.event = math.max(0, self.marks.event - options.newest) end
end

--- Follows an inbox from now on.
---@param path string
---@param options { since: integer|nil, newest: integer|nil, now: integer|nil }|nil since: begin with the events
---  received then, ms since 1970; newest: begin with so many events; now: ms since 1970 by the host's clock, where it
---  is another one
---@return table|nil follower
---@return string|nil message
---@return string|nil code
function M.new(path, options)
  local inbox, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local self = setmetatable({ inbox = inbox, seen = {}, watched = {}, more = true }, Follower)
  self.began = options and options.now or os.time() * 1000
  local marks, untried
  marks, message, code = inbox:follow "marks"
  if marks then untried, message, code = inbox:follow "untried" end
  if not untried then
    inbox:close()
    return nil, message, code
  end
  self.marks = marks[1]
  for _, row in ipairs(untried) do self.watched[row.sequence] = UNKNOWN end
  begin_at(self, options or {})
  return self
end

--- The process that has an inbox, by the number in its lock file; nil: none, as far as one can see.
---@param path string
---@return integer|nil pid
function M.owner(path)
  local file = io.open(path .. ".lock", "r")
  local pid = file and file:read("n")
  if file then file:close() end
  local process = math.type(pid) == "integer" and pid > 0 and io.open(("/proc/%d/stat"):format(pid), "r")
  if not process then return nil end
  process:close()
  return pid
end

return M
