-- rehearsal: what events would do under a set of rules. The host itself, in a simulation: nothing is sent, nothing is
-- stored, and Altinn is asked nothing. Targets take whatever comes; what Altinn would answer is the caller's to say,
-- and a run that reads what nobody can say is marked: its verdict is not known.
local cjson = require("cjson.safe").new()
local events = require "altinn.events"
local force = require "altinn.events.host.force"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local paths = require "altinn.events.client.paths"
local shown = require "altinn.events.host.inbox_shown"
local simulation = require "altinn.events.host.simulation"
local things = require "altinn.events.rules.thing"

local M = {}

local ALTINN = "https://rehearsal.invalid"
local HORIZON = 400 * 86400  -- seconds after the last event in which timers still run
local SEED = 1

---@class altinn.events.rehearsal.call
---A call of a run to Altinn.
---@field name string of the client's call: "details", "attachment", …; of another call its method and path
---@field thing string|nil "letter:ID" or "attachment:ID"
---@field path string with its query
---@field event integer the event's place among those that were taken, from 1
---@field given table what `next` gave for it
---@field rule string
---@field at number seconds since 1970, by the rehearsal's clock
---@field given table what `next` gave for the event
---@field answer table|nil what `answer` gave

---@class altinn.events.rehearsal.run
---What became of one event under one rule.
---@field event integer the event's place among those that were taken
---@field given table what `next` gave for it
---@field rule string
---@field thing string|nil "letter:ID" and the like
---@field state string of the run at the end
---@field reason string
---@field attempts { at: number, state: string, reason: string }[] in order, the last one too
---@field effects { target: string, key: string, request: string }[] as recorded; request: JSON
---@field sent { order: integer, target: string, method: string|nil, url: string|nil, body: string|nil,
---  at: number }[] what went out; order: among all that went out
---@field acts string[] what it would have done at Altinn: "letter:confirm"
---@field reads altinn.events.rehearsal.call[] what it asked Altinn
---@field unknown altinn.events.rehearsal.call|nil the first read whose answer nobody knows
---@field due number|nil when it goes on, of a run that waits for its time

--- A call in the words of a rule: "letter:details()".
---@param name string
---@param thing string|nil
---@return string
function M.words(name, thing)
  local kind = thing and thing:match "^[^:]+"
  if kind == "attachment" then name = name == "attachment" and "overview" or "details" end
  return name:find " " and name or ("%s:%s()"):format(kind or "client", name)
end

-- The configuration that rehearses: no credentials, and targets that need no permission of anybody.

local PERMITS = { token = true, maskinporten = true, handshake = true }

local function rehearsing_target(target)
  local copy = {}
  for name, value in pairs(target) do
    if not PERMITS[name] then copy[name] = value end
  end
  if copy.url then copy.handshake = false end
  return copy
end

local function rehearsing(config, set)
  local copy = {}
  for name, value in pairs(config) do copy[name] = value end
  copy.targets = {}
  for name, target in pairs(config.targets or {}) do copy.targets[name] = rehearsing_target(target) end
  copy.credentials, copy.environment, copy.ca_file = nil, nil, nil
  copy.base_url, copy.token, copy.inbox, copy.keep = ALTINN, "rehearsal", nil, { readings = false }
  copy.forced = config.forced or config.inbox and force.of(config.inbox, set) or nil
  return copy
end

-- What leaves the host.

-- The name of a call, its thing, and the id of that.
local function call_of(self, request)
  local path = request.url:sub(#ALTINN + 1):gsub("%?.*$", "")
  local name, kind, id = paths.parse(path)
  if name then return name, kind .. ":" .. id, id end
  if path:find "^/events/api/v1/events" then return "events", self.things[request.event] end
  return request.method .. " " .. path
end

local UNKNOWN = { status = 403, headers = { ["content-type"] = "application/problem+json" },
  body = '{"title":"nobody knows the answer: it was not asked before"}' }

local function run_at(self, event, rule)
  local key = event .. "\0" .. rule
  local run = self.runs[key]
  if not run then
    run = { event = event, rule = rule, attempts = {}, acts = {}, reads = {}, sent = {} }
    self.runs[key], self.list[#self.list + 1] = run, run
  end
  return run
end

local function answer_read(self, run, call)
  run.reads[#run.reads + 1] = call
  call.answer = self.options.answer and self.options.answer(call)
  if call.answer then return call.answer end
  run.unknown = run.unknown or call
  return UNKNOWN
end

local function asked(self, request)
  local name, thing, id = call_of(self, request)
  local run = run_at(self, request.event, request.rule)
  if request.method == "GET" then
    return answer_read(self, run, { name = name, thing = thing, path = request.url:sub(#ALTINN + 1),
      event = request.event, rule = request.rule, at = self.sim:now(), given = self.given[request.event] })
  end
  run.acts[#run.acts + 1] = M.words(name, thing)
  return { status = 200, headers = { ["content-type"] = "application/json" }, body = ('"%s"'):format(id or "") }
end

-- What a target of any sort says to what it has taken: servers a status, files and programs an outcome.
local TAKEN = { status = 200, headers = {}, body = "ok", outcome = "sent", code = 0, text = "" }

local function outside(self, request)
  if request.url and request.url:sub(1, #ALTINN) == ALTINN then return asked(self, request) end
  local sent = run_at(self, request.event, request.rule).sent
  self.sent_count = self.sent_count + 1
  sent[#sent + 1] = { order = self.sent_count, target = request.target, method = request.method,
    url = request.url, body = request.body,
    at = self.sim:now() }
  return TAKEN
end

-- The log tells of each attempt's end.
local function heard(self, _, what, fields)
  if what ~= "verdict" then return end
  local attempts = run_at(self, fields.event, fields.rule).attempts
  attempts[#attempts + 1] = { at = self.sim:now(), state = fields.verdict, reason = fields.reason }
end

-- What came of it.

local function by_rule(rows)
  local found = {}
  for _, row in ipairs(rows or {}) do
    found[row.rule] = found[row.rule] or {}
    table.insert(found[row.rule], row)
  end
  return found
end

-- The log has told all of a run that is over. What the inbox itself ended, such as a timer that an event cancelled, is
-- in the file alone, as is what a rule in the shadow would have done.
local function is_told(run)
  local last = run.attempts[#run.attempts]
  if not last or shown.is_open(last.state) or last.state == "shadowed" then return false end
  run.state, run.reason = last.state, last.reason
  return true
end

local function add_rows(inbox, event, runs)
  local rows, message = inbox:runs(event)
  if not rows then return nil, message end
  local found = by_rule(rows)
  for _, run in ipairs(runs) do
    local row = found[run.rule] and found[run.rule][1]
    if row then
      run.state, run.reason, run.would = row.state, row.reason or "", row.would
      run.due = row.due and row.due > 0 and row.due / 1000 or nil
    end
  end
  return true
end

local function add_effects(inbox, event, runs)
  local rows, message = inbox:effects(event)
  if not rows then return nil, message end
  local found = by_rule(rows)
  for _, run in ipairs(runs) do
    for index, effect in ipairs(found[run.rule] or {}) do
      run.effects[index] = { target = effect.target, key = effect.key, request = effect.request }
    end
  end
  return true
end

-- Reads from the simulated inbox what the log did not tell of the runs of an event.
local function finish_event(self, inbox, event, runs)
  local all_told, is_any_sent, message = true, false, nil
  for _, run in ipairs(runs) do
    all_told, is_any_sent = is_told(run) and all_told, is_any_sent or #run.sent > 0
    run.thing, run.given, run.effects = self.things[event], self.given[event], {}
  end
  local done = true
  if not all_told then done, message = add_rows(inbox, event, runs) end
  if done and is_any_sent then done, message = add_effects(inbox, event, runs) end
  return done, message
end

local function finish(self)
  local inbox <close>, message = host.inbox(self.sim:path())
  if not inbox then return nil, message end
  local at, list = 1, {}
  table.sort(self.list, function(a, b)
    if a.event ~= b.event then return a.event < b.event end
    return a.rule < b.rule
  end)
  while at <= #self.list do
    local event, runs = self.list[at].event, {}
    while self.list[at] and self.list[at].event == event do
      runs[#runs + 1] = self.list[at]
      at = at + 1
    end
    local done, why = finish_event(self, inbox, event, runs)
    if not done then return nil, why end
    for _, run in ipairs(runs) do
      if run.state then list[#list + 1] = run end
    end
  end
  return list
end

-- The events.

local function reason_of(reply)
  local body = reply.body and cjson.decode(reply.body)
  return type(body) == "table" and body.detail or "the receiver answered " .. reply.status
end

-- The inbox numbers the events that it stores from 1.
local function push(self, one)
  local event = events.parse(one.body, { max_bytes = math.max(#one.body, 1) })
  local id = event and event.source .. "\n" .. event.id
  if id and self.ids[id] then
    self.refused[#self.refused + 1] = { event = one, reason = "the same event (source and id) was given before" }
    return
  end
  if one.received > self.sim:now() then self.sim:advance(one.received) end
  local reply = self.sim:push(one.body, one.subscription)
  if not event or reply.status >= 300 then
    self.refused[#self.refused + 1] = { event = one, reason = reason_of(reply) }
    return
  end
  self.ids[id], self.count = true, self.count + 1
  self.given[self.count] = one
  self.things[self.count] = things.name_of(event)
end

---@class altinn.events.rehearsal.options
---@field config table of altinn.events.host.config; the rules that are in force by hand in its inbox are so here,
---  unless `forced` says otherwise
---@field set table[] of altinn.events.host.prepare.rules
---@field next fun(): { body: string, received: number, subscription: string|nil }|nil the events in order; received:
---  seconds since 1970
---@field answer (fun(call: altinn.events.rehearsal.call): table|nil)|nil { status, headers, body } that Altinn answers
---  to a read; nil: nobody knows
---@field horizon number|nil seconds after the last event in which timers still run; 400 days when left out
---@field progress (fun(count: integer))|nil called after each event

--- Rehearses events.
---@param options altinn.events.rehearsal.options
---@return { runs: altinn.events.rehearsal.run[], events: integer, given: table[], refused: { event: table, reason:
---  string }[] }|nil outcome events: how many were taken, each (source, id) once; given: what `next` gave for them
---@return string|nil message
function M.run(options)
  local self = { sent_count = 0, options = options, runs = {}, list = {}, things = {}, ids = {}, given = {}, count = 0,
    refused = {} }
  local one = options.next()
  if not one then return { runs = {}, events = 0, refused = {}, given = {} } end
  local sim <close>, message = simulation.new {
    config = rehearsing(options.config, options.set), set = options.set, now = one.received, seed = SEED,
    log = function(...) return heard(self, ...) end,
    outside = function(request, reply) return reply(outside(self, request)) end,
  }
  if not sim then return nil, message end
  self.sim = sim
  while one do
    push(self, one)
    if options.progress then options.progress(self.count) end
    one = options.next()
  end
  sim:settle()
  sim:advance(sim:now() + (options.horizon or HORIZON))
  local runs
  runs, message = finish(self)
  if not runs then return nil, message end
  return { runs = runs, events = self.count, refused = self.refused, given = self.given }
end

return M
