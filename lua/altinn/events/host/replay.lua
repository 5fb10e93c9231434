-- Replay: stored events are given to rules again: a plan first, then slices that a running host follows, in the order
-- in which the events came. Which runs are made, csrc/inbox/replay.h says; keys hold back what was sent before.
local events = require "altinn.events"
local force = require "altinn.events.host.force"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local inbox_module = require "altinn.events.host.inbox"
local rehearsed = require "altinn.events.host.replay_rehearsal"
local shown = require "altinn.events.host.inbox_shown"
local suggest = require "altinn.events.support.suggest"

local M = {}

local PAIRS = 200     -- in a slice: a transaction that other writers wait for
local EVENTS = 5000   -- in a slice at most
local PLANNED = 2000  -- pairs that are looked at together for the plan
local TURN = 0.03     -- seconds between two slices, for the host
local LONGEST = 10    -- seconds to wait at most until a host has carried a slice out

local Replay = {}
Replay.__index = Replay

function Replay:__close() self.inbox:close() end

-- The rules that the replay is about, as a matcher; whether each is in the shadow.
local function matcher_of(self, set, forced, name)
  local names = {}
  for index, rule in ipairs(set) do
    names[index] = rule.name
    if rule.enabled and (name == nil or name == rule.name) then
      local fine, message, code = force.check_version(self.path, self.inbox, rule)
      if not fine then return nil, message, code end
      self.matcher:add(rule.name, { on = rule.on, when = rule.when })
      self.shadow[rule.name] = rule.shadow == true and not forced[rule.name]
    end
  end
  if next(self.shadow) ~= nil then return true end
  for _, rule in ipairs(set) do
    if rule.name == name then return nil, ("the rule '%s' is switched off"):format(name), "conflict" end
  end
  return nil, name and ("there is no rule '%s'%s"):format(shown.masked(name), suggest.hint(name, names))
    or "there is no rule that is switched on", "not_found"
end

-- The same words go on with a replay that was broken off.
local function words_of(options)
  return ("since %s until %s rule %s type %s %s"):format(options.since, options["until"] or "-", options.rule or "-",
    options.type or "-", options.all and "all" or "only missing")
end

-- The pairs that an event makes with the rules, added to a list; false: it cannot be read.
local function add_pairs(self, list, row)
  local event = events.parse(row.body, { max_bytes = math.max(#row.body, 1) })
  if not event then return false end
  for _, name in ipairs(self.matcher:match(event)) do
    list[#list + 1] = { row.sequence, name, self.shadow[name] }
  end
  return true
end

-- The events of the replay behind `after`.
local function rows(self, after)
  local options = self.options
  local stream, message, code = inbox_module.stream(self.path, { since = options.since, ["until"] = options["until"],
    type = options.type, after = after })
  if not stream then return nil, message, code end
  local last = self.going and self.going.last
  return function()
    local row = stream()
    if row and last and row.sequence > last then return nil end
    return row
  end
end

-- The plan.

-- Notes the pairs that would run, for the rehearsal.
local function note_pairs(self)
  if not self.pairs then return true end
  local found, message, code = self.inbox:replay_pairs()
  if not found then return nil, message, code end
  for _, row in ipairs(found) do
    local rules = self.pairs[row.sequence]
    if not rules then
      rules = {}
      self.pairs[row.sequence] = rules
    end
    rules[row.rule], self.pairs.first = true, self.pairs.first or row.sequence
    self.noted = self.noted + 1
  end
  if self.noted > rehearsed.MOST then self.pairs = nil end
  return true
end

local function add_plan(self, list)
  local plan = self.plan
  local found, message, code = self.inbox:replay_plan(list, self.options.all == true)
  if not found then return nil, message, code end
  for _, row in ipairs(found) do
    local key = ("%s\0%s\0%d"):format(row.rule, row.state, row.again)
    local group = self.groups[key]
    if not group then
      group = { rule = row.rule, state = row.state, again = row.again ~= 0, runs = 0, unknown = 0, sent = 0, open = 0,
        would = 0 }
      self.groups[key] = group
      plan.groups[#plan.groups + 1] = group
    end
    for _, name in ipairs { "runs", "unknown", "sent", "open", "would" } do group[name] = group[name] + row[name] end
  end
  return note_pairs(self)
end

local function rehearse(self, set, forced, progress)
  local plan = self.plan
  if plan.runs == 0 then return end
  if not self.pairs then
    plan.not_rehearsed = ("more than %d runs are not rehearsed: name a rule, or a shorter time"):format(rehearsed.MOST)
    return
  end
  local message
  plan.effects, message = rehearsed.of { path = self.path, inbox = self.inbox, config = self.options.config, set = set,
    forced = forced, pairs = self.pairs, last = plan.last, progress = progress }
  plan.not_rehearsed = not plan.effects and shown.masked(message) or nil
end

local function is_before(one, other)
  if one.again ~= other.again then return one.again end
  if one.rule ~= other.rule then return one.rule < other.rule end
  return one.state < other.state
end

local function sum_up(plan)
  table.sort(plan.groups, is_before)
  for _, group in ipairs(plan.groups) do
    if group.again then
      plan.runs, plan.unknown = plan.runs + group.runs, plan.unknown + group.unknown
      plan.held_back, plan.open = plan.held_back + group.sent, plan.open + group.open
      plan.would = plan.would + group.would
    else
      plan.left_alone = plan.left_alone + group.runs
    end
  end
end

-- Reads all events of the replay and counts what would be made of them.
local function make_plan(self, progress)
  local plan, list = { events = 0, unreadable = 0, runs = 0, left_alone = 0, held_back = 0, open = 0, would = 0,
    unknown = 0, groups = {} }, {}
  self.plan, self.groups = plan, {}
  local iterator, message, code = rows(self, self.going and self.going.place or 0)
  if not iterator then return nil, message, code end
  for row in iterator do
    plan.first, plan.last, plan.events = plan.first or row.sequence, row.sequence, plan.events + 1
    if not add_pairs(self, list, row) then plan.unreadable = plan.unreadable + 1 end
    if #list >= PLANNED then
      local fine
      fine, message, code = add_plan(self, list)
      if not fine then return nil, message, code end
      list = {}
      progress(plan.events)
    end
  end
  local fine
  fine, message, code = add_plan(self, list)
  if not fine then return nil, message, code end
  sum_up(plan)
  return self
end

local function begun(self, set, options, progress)
  local forced, message, code = force.of(self.path, set)
  if not forced then return nil, message, code end
  local fine
  fine, message, code = matcher_of(self, set, forced, options.rule)
  if not fine then return nil, message, code end
  local going
  going, message, code = self.inbox:replays(self.asked, 1)
  if not going then return nil, message, code end
  self.going = going[1]
  fine, message, code = make_plan(self, progress)
  if not fine then return nil, message, code end
  rehearse(self, set, forced, progress)
  return self
end

--- Plans a replay. Nothing is changed yet.
---@param path string of the inbox
---@param set table the rules
---@param options { since: string, until: string|nil, rule: string|nil, type: string|nil, all: boolean|nil, config:
---  table } as the options of the command; `all`: also runs that are over well
---@param progress (fun(events: integer))|nil
---@return table|nil replay { plan, going }, to be closed. plan: { events, unreadable, first, last: numbers of events,
---  runs: that would be made, left_alone, groups = { { rule, state, again, runs, … } }, held_back: effects that were
---  sent before, open: that were recorded and not sent, would: that the rule had in the shadow, unknown: runs whose
---  effects nobody recorded; effects: those that were rehearsed, see altinn.events.host.replay_rehearsal, or
---  not_rehearsed: why they were not }. going: the row of a replay in the same words that was broken off, which goes on
---@return string|nil message
---@return string|nil code
function M.begin(path, set, options, progress)
  local inbox, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local self = setmetatable({ path = path, inbox = inbox, options = options, asked = words_of(options),
    matcher = events.matcher(), shadow = {}, pairs = {}, noted = 0 }, Replay)
  local fine
  fine, message, code = begun(self, set, options, progress or function() end)
  if fine then return self end
  inbox:close()
  return nil, message, code
end

-- Waits until a running host has carried out most of the last slice, so that its other work is not behind all of it.
local function give_way(self)
  local waited = TURN
  host.sleep(TURN)
  while waited < LONGEST and host.attended(self.path) do
    local left = self.inbox:replay_left()
    if not left or left <= PAIRS // 2 then return end
    host.sleep(TURN)
    waited = waited + TURN
  end
end

local function carry_out_slice(self, deed, slice, ended)
  local runs, message, code = self.inbox:replay_go({ number = self.number, who = deed.who, reason = deed.reason,
    place = slice.place, events = slice.events, ended = ended }, slice.pairs, self.options.all == true)
  if not runs then return nil, message, code end
  self.runs, self.events = self.runs + runs, self.events + slice.events
  return true
end

local function slices(self, deed, progress)
  local function new(place) return { place = place, events = 0, pairs = {} } end
  local slice = new(self.going and self.going.place or 0)
  local iterator, message, code = rows(self, slice.place)
  if not iterator then return nil, message, code end
  for row in iterator do
    if row.sequence > self.last then break end
    add_pairs(self, slice.pairs, row)
    slice.place, slice.events = row.sequence, slice.events + 1
    if #slice.pairs >= PAIRS or slice.events >= EVENTS then
      local fine
      fine, message, code = carry_out_slice(self, deed, slice, false)
      if not fine then return nil, message, code end
      progress(self.events)
      give_way(self)
      slice = new(slice.place)
    end
  end
  return carry_out_slice(self, deed, slice, true)
end

--- Carries the replay out. When it is broken off, the same replay goes on from the last slice.
---@param reason string|nil
---@param progress (fun(events: integer))|nil called after each slice
---@return { number: integer, events: integer, runs: integer }|nil
---@return string|nil message
---@return string|nil code
function Replay:carry_out(reason, progress)
  local deed = { who = host.who(), reason = shown.masked(reason) }
  self.runs, self.events = 0, 0
  self.last = self.going and self.going.last or self.plan.last or 0
  local message, code
  if self.going then self.number = self.going.number
  else
    self.number, message, code = self.inbox:replay_begin { asked = self.asked, who = deed.who, reason = deed.reason,
      last = self.last }
    if not self.number then return nil, message, code end
  end
  local fine
  fine, message, code = slices(self, deed, progress or function() end)
  if not fine then return nil, message, code end
  return { number = self.number, events = self.events, runs = self.runs }
end

--- The replays of an inbox, the newest first.
---@param path string
---@return table[]|nil replays { number, asked, who, reason, begun, ended, place, last, events, runs }
---@return string|nil message
---@return string|nil code
function M.list(path)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local found
  found, message, code = inbox:replays()
  if not found then return nil, message, code end
  return shown.mapped(found, function(row)
    return { number = row.number, asked = shown.masked(row.asked), who = shown.masked(row.who),
      reason = shown.masked(row.reason), begun = shown.moment(row.begun),
      ended = row.ended ~= 0 and shown.moment(row.ended) or nil, place = row.place, last = row.last,
      events = row.events, runs = row.runs }
  end)
end

return M
