-- worker: carries out the runs that the host's inbox hands to one thread: the engine (altinn.events.rules.engine) in
-- tasks of the scheduler.
--
-- A worker has only runs that may run now; the inbox keeps to a rule's `limit.at_once`, over all workers. Each rule has
-- its turn (altinn.events.host.turns); a rule's rest after an overrun holds back the runs that would begin.
local aside = require "altinn.events.host.aside"
local cjson = require("cjson.safe").new()
local engine = require "altinn.events.rules.engine"
local events = require "altinn.events"
local handover = require "altinn.events.host.handover"
local libraries = require "altinn.events.support.libraries"
local logs = require "altinn.events.host.log"
local place = require "altinn.events.rules.place"
local ports = require "altinn.events.host.ports"
local readings = require "altinn.events.rules.readings"
local scheduler = require "altinn.events.host.scheduler"
local shares = require "altinn.events.host.share"
local transports = require "altinn.events.client.transport"
local turns = require "altinn.events.host.turns"

local M = {}

local TAKE = 256            -- messages taken in one call
local TAKE_SECONDS = 0.02   -- the worker takes messages for so long at most before it runs rules again
local TAKE_BYTES = 64 << 20 -- or until the events that wait in this worker are larger than this
local TURN_SECONDS = 0.1    -- rules run for so long before the worker looks at answers and messages again
local AROUND = 0.05         -- the share of a long call's time that others have before it
local STALE_SECONDS = 10    -- pause before the retry of a run whose rule this worker could not load
local STOP_SECONDS = 10     -- time that runs in flight have to finish when the host stops
local REST = 10             -- a rule that overran its budget rests so many times as long as it computed
local AT_ONCE = 128         -- runs of one rule that this worker has begun, unless the rule has limit.at_once
local SENDING = 16          -- runs of one rule that send effects at the same time, so that no target is flooded
local CONNECTIONS = 256
local KEPT_BYTES = 512 << 20  -- a worker whose Lua state is larger loads its rules anew
local LOOK_SECONDS = 1
local PAUSE = 600            -- of the collector, in a worker that is made for a while: see the manual of Lua

local Worker = {}
Worker.__index = Worker

-- Rules.

local function decode_settings(text)
  local settings, message = cjson.decode(text)
  if type(settings) ~= "table" then error("settings of the worker: " .. tostring(message), 0) end
  settings.limits = settings.limits or {}
  settings.targets = settings.targets or {}
  return settings
end

local function problems_text(problems)
  local lines = {}
  for i, problem in ipairs(problems) do
    lines[i] = ("%s:%s: %s"):format(problem.file or "?", problem.line or 0, problem.message)
  end
  return table.concat(lines, "; ")
end

-- Loading runs code of the rules, so it has a budget and the coroutine functions of the scheduler.
local function load_rules(self, settings)
  local set, problems
  self.scheduler:spawn({
    run = function()
      return { require("altinn.events.rules.loading").load(settings.rules or {},
        { globals = self.globals, sources = settings.sources, versions = settings.versions,
          hidden = settings.hidden }) }
    end,
    seconds = 10, memory = 1 << 30,
    finished = function(_, ok, value)
      if ok then set, problems = value[1], value[2]
      else problems = { { message = value } } end
    end,
  })
  if not set then return nil, problems_text(problems or { { message = "loading rules must not wait" } }) end
  return set
end

-- A rule that is switched off has no runs.
local function by_name(set)
  local rules = {}
  for _, rule in ipairs(set) do
    if rule.enabled then rules[rule.name] = rule end
  end
  return rules
end

local function count_of(rules)
  local count = 0
  for _ in pairs(rules) do count = count + 1 end
  return count
end

local function apply(self, text)
  local settings = decode_settings(text)
  local set, message = load_rules(self, settings)
  if not set then return nil, message end
  self.settings, self.rules, self.text = settings, by_name(set), text
  for name in pairs(settings.force or {}) do
    local rule = self.rules[name]
    if rule and rule.shadow then rule.shadow, rule.by_hand = nil, true end
  end
  self.ports.targets, self.ports.holidays = settings.targets, settings.holidays
  self.log = logs.new(settings.log, self.fact)
  readings.collect(not (settings.keep and settings.keep.readings == false))
  self.share:expect(count_of(self.rules))
  return true
end

-- The state of a rule (runs in flight, rest) survives a reload.
local function state_of(self, name)
  local state = self.states[name]
  if not state then
    state = { running = 0, rest = 0, sending = 0, to_send = {} }
    self.states[name] = state
  end
  return state
end

local function limit(self, rule, name)
  local own = rule and rule.limit and rule.limit[name]
  if own ~= nil then return own end
  return self.settings.limits[name]
end

-- Whether a run of the rule may begin.
local function may_begin(self, name)
  local state = state_of(self, name)
  if self.stopping then return false end
  if state.running >= AT_ONCE and not limit(self, self.rules[name], "at_once") then return false end
  if state.rest == 0 then return true end  -- most rules never overrun
  local rest = state.rest - self.scheduler.clock()
  if rest <= 0 then
    state.rest = 0
    return true
  end
  if not state.alarm then
    state.alarm = self.scheduler:after(rest, function()
      state.alarm = nil
      self.turns:wake(name)
    end)
  end
  return false
end

-- The end of a run.

local function flight_of(job) return job.name .. "\0" .. job.sequence end

-- The run has left this worker.
local function leave(self, job)
  local state, flight = state_of(self, job.name), flight_of(job)
  state.running = state.running - 1
  if self.flights[flight] == job then self.flights[flight] = nil end
  job.event, job.task, job.running = nil, nil, nil
  self.turns:wake(job.name)
end

-- An end that cannot be stored, whatever the rule made of it, is a failure of the run and not of its worker.
local function settle(self, job, outcome)
  local ok, message = pcall(engine.settle, job, self.ports, outcome)
  if ok then return end
  job.own.outcomes, job.would = nil, nil
  engine.settle(job, self.ports, engine.failed(job, self.ports,
    { reason = "the end of the run cannot be stored: " .. tostring(message), kind = "error" }))
end

local function conclude(self, job, outcome)
  if not job.dropped then settle(self, job, outcome) end
  return leave(self, job)
end

local COSTLY = { time = true, instructions = true, memory = true }

local function rest(self, job, task)
  if not COSTLY[task.stopped] then return end
  state_of(self, job.name).rest = self.scheduler.clock() + REST * task.slice
end

-- Functions that all tasks share. They find their run in the task: { job =, worker = }.

-- Whether the run still belongs to this worker; asked before each request. A run that was taken back has no verdict.
local function holds(task)
  local job = task.job
  job.dropped = job.dropped or not task.worker.jobs:holds(job.sequence, job.name)
  return not job.dropped
end

local function turn_of(task, call) return task.worker.turns:go_on(task.group, call) end

-- A separate task sends the effects of a run; no code of the rule runs in it.
local send_effects, run_body

local function send_next(self, state)
  local waiting = table.remove(state.to_send, 1)
  while waiting and waiting.job.dropped do waiting = table.remove(state.to_send, 1) end
  if waiting then return send_effects(self, waiting.job, waiting.decision) end
end

local function sent(task, ok, value)
  local self, job = task.worker, task.job
  if self.stopped then return end
  local state = state_of(self, job.name)
  state.sending = state.sending - 1
  if ok and not value and not job.dropped then
    run_body(self, job)  -- earlier effects are finished: the body decides
  else
    conclude(self, job, ok and value or not job.dropped
      and engine.failed(job, self.ports, { reason = "effects: " .. value, kind = "error" }))
  end
  return send_next(self, state)
end

function send_effects(self, job, decision)
  local state = state_of(self, job.name)
  if state.sending >= SENDING then
    state.to_send[#state.to_send + 1] = { job = job, decision = decision }
    return
  end
  state.sending = state.sending + 1
  job.task = {
    run = engine.carry_out, seconds = 10, memory = 1 << 30, wall = engine.longest(self.ports, decision.items),
    group = job.name, job = job, worker = self, holds = holds, finished = sent,
  }
  self.scheduler:spawn(job.task, job, self.ports, decision)
end

local function decided(task, ok, value, raised)
  local self, job = task.worker, task.job
  if self.stopped then return end
  if job.dropped then return leave(self, job) end
  rest(self, job, task)
  if not ok then return conclude(self, job, engine.raised(job, self.ports, raised, value, task.stopped ~= nil)) end
  local outcome = engine.outcome(job, self.ports, value)
  if outcome then return conclude(self, job, outcome) end
  return send_effects(self, job, value)
end

-- Starting a run.

function run_body(self, job)
  local rule = job.rule
  job.task = {
    run = engine.decide, job = job, worker = self, group = job.name, seconds = limit(self, rule, "seconds"),
    memory = limit(self, rule, "memory"), instructions = limit(self, rule, "instructions"),
    turn = turn_of, holds = holds, finished = decided,
  }
  self.scheduler:spawn(job.task, job, self.ports)
end

local function start(self, job)
  self.bytes = self.bytes - #job.text
  if job.dropped then return end
  local state, rule = state_of(self, job.name), self.rules[job.name]
  state.running, job.running = state.running + 1, true
  job.rule = rule or { name = job.name }
  if not engine.begin(job, self.ports) then return leave(self, job) end
  if not rule then  -- this worker could not load the rules that the host has in force
    return conclude(self, job, engine.failed(job, self.ports,
      { reason = "the new rules could not be loaded", kind = "host", pause = STALE_SECONDS }))
  end
  local held = engine.held(job, self.ports)
  if held then return conclude(self, job, held) end
  local event, message = events.parse(job.text, { max_bytes = #job.text })
  job.event, job.text = event, nil
  if event then return run_body(self, job) end
  return conclude(self, job, { state = "dead", reason = "the stored event cannot be read: " .. tostring(message) })
end

-- Messages of the host.

local messages = {}

function messages.run(self, job)
  if self.stopping then return end  -- the run stays in the inbox
  job.name, job.rule = job.rule, nil
  job.text, job.body = job.body, nil  -- of the event
  job.failures, job.received = job.attempt, job.received / 1000
  job.since = job.since and job.since > 0 and job.since / 1000 or nil
  self.flights[flight_of(job)] = job
  self.bytes = self.bytes + #job.text
  self.turns:begin(job.name, function() return start(self, job) end)
end

-- The run was taken back: by hand, or by new rules.
function messages.cancel(self, order)
  local job = self.flights[order.rule .. "\0" .. order.sequence]
  if not job then return end
  job.dropped = true
  self.flights[flight_of(job)] = nil
  if job.task and not job.task.ended then self.scheduler:cancel(job.task, "the run was taken back")
  elseif job.running then leave(self, job) end
end

function messages.ack(self, ack)
  if ack.reply then return aside.answer(self, ack) end
  local task = self.tickets[ack.ticket]
  self.tickets[ack.ticket] = nil
  if task then self.scheduler:wake(task, ack) end
end

function messages.reload(self, order)
  if self.stopping then return end
  local ok, done, message = pcall(apply, self, order.text)
  if not ok then done, message = nil, done end
  if not done then self.log("error", "reload failed, the old rules stay", { reason = message }) end
end

function messages.stop(self)
  if self.stopping then return end
  self.stopping = true
  self.scheduler:after(STOP_SECONDS, function() self.stopped = true end)
end

-- The budget of a run does not count values that rules keep in variables from run to run. When they grow beyond
-- KEPT_BYTES the worker loads its rules anew, which drops them.
local function look_at_memory(self)
  if self.scheduler.clock() < self.look_at then return end
  self.look_at = self.scheduler.clock() + LOOK_SECONDS
  if self.budget.used() < KEPT_BYTES then return end
  collectgarbage()
  if self.budget.used() < KEPT_BYTES then return end
  self.log("warn", "rules", { reason = "the rules keep more than 512 MiB in variables: they are loaded anew" })
  messages.reload(self, { text = self.text })
  collectgarbage()
end

local function running_count(self)
  local count = 0
  for _, state in pairs(self.states) do count = count + state.running end
  return count
end

-- Takes all messages that are there, so that no rule's runs wait behind another rule's in the host's queue.
local function take_all(self, list)
  local ends = self.scheduler.clock() + TAKE_SECONDS
  while true do
    for _, message in ipairs(list) do messages[message.kind](self, message) end
    if #list < TAKE or self.bytes > TAKE_BYTES or self.scheduler.clock() >= ends then return end
    list = self.jobs:take(TAKE)
  end
end

-- Before a call that is likely to take long: runs of other rules that wait for an answer have a moment, so that they do
-- not wait for the whole call after each step of a request.
local function look_around(self)
  local long = self.turns:long()
  local ends = long and self.scheduler.clock() + long * AROUND
  while long and self.scheduler.clock() < ends do
    local transfers, left = self.scheduler:transfer_count() > 0, ends - self.scheduler.clock()
    if not transfers and not next(self.tickets) then return end
    if transfers then self.scheduler:step(left) end
    take_all(self, self.jobs:take(TAKE, transfers and 0 or left))
    long = self.turns:long()
  end
end

-- One turn of the worker, which waits for so many seconds at most when there is nothing to do.
local function turn(self, most)
  local pause = self.turns:is_ready() and 0 or self.scheduler:pause(most)
  if self.scheduler:transfer_count() > 0 then
    self.scheduler:step(pause)
    pause = 0
  end
  take_all(self, self.jobs:take(TAKE, pause))
  self.scheduler:ring()
  look_around(self)
  self.turns:run(TURN_SECONDS)
  look_at_memory(self)
end

-- The run of the task whose code calls this.
local function job_of_task()
  local task = scheduler.task()
  return task and task.job
end

-- events.reveal writes a line to the log: which rule revealed an identity number, and for which purpose.
local function log_reveals(self)
  function events.on_reveal(masked, purpose)
    local job = job_of_task()
    self.log("info", "reveal", { rule = job and job.rule.name, event = job and job.sequence,
      reason = purpose .. ": " .. masked })
  end
end

local function new(jobs, budget, outward)
  local library, guarded = scheduler.library(budget)
  -- Modules that rules require see the global table, so the functions are replaced there too.
  for name, value in pairs(library) do rawset(coroutine, name, value) end
  _G.xpcall = guarded
  rawset(os, "exit", function() error("os.exit is not for rules: it would end the host", 2) end)
  local function clock()
    local _, steady = jobs:now()
    return steady
  end
  local fact = function(...) return jobs:fact(...) end
  local self = setmetatable({
    jobs = jobs, outward = outward or jobs, budget = budget, look_at = 0, states = {}, flights = {}, tickets = {},
    asides = {}, ticket = 0, rules = {}, share = shares.new(CONNECTIONS), bytes = 0, fact = fact,
    log = logs.new(nil, fact),
  }, Worker)
  self.turns = turns.new(clock, function(name) return may_begin(self, name) end)
  -- Rules get coroutine functions in which waiting works, and `print` writes a masked line to the log.
  local log = engine.log(function(...) return self.log(...) end, job_of_task)
  self.globals = { coroutine = library, xpcall = guarded, log = log, print = log.info }
  self.scheduler = scheduler.new({
    budget = budget, fd = jobs:descriptor(), clock = clock, share = self.share,
    open = function()
      return outward or libraries.load("altinn.events.curl").new { connections = CONNECTIONS }
    end,
  })
  self.ports = ports.new(self)
  transports.set_carrier(scheduler)
  place.watch(job_of_task)
  log_reveals(self)
  return self
end

local function begun(jobs, settings, budget, outward)
  local self = new(jobs, budget, outward)
  self.settings = decode_settings(settings)
  messages.reload(self, { text = settings })
  return self
end

local function has_ended(self) return self.stopped or self.stopping and running_count(self) == 0 end

---The body of a worker's thread; returns when the host stops.
---@param jobs userdata the host's door: see csrc/lua/host/jobs.c
---@param settings string JSON: { rules = {files}, sources = {file -> text}, targets =, limits =, log = { format = } }
---@param budget table limits of rules: see csrc/lua/host/budget.c
function M.main(jobs, settings, budget)
  math.randomseed()
  local self = begun(jobs, settings, budget)
  repeat turn(self, 60) until has_ended(self)
  self.stopped = true
end

---A worker whose caller makes its turns, and carries its requests: see altinn.events.host.handover.
---@param jobs userdata
---@param settings string
---@param budget table
---@param seed integer of math.random
---@return fun(replies: table[]): table[], boolean, number|nil, boolean step one turn: takes replies, gives requests;
---  whether there is more to do at once; when the next timer is due, by the host's clock; whether the worker has ended
function M.make(jobs, settings, budget, seed)
  math.randomseed(seed)
  collectgarbage("incremental", PAUSE, 400)
  local outward = handover.new()
  local self = begun(jobs, settings, budget, outward)
  local function answered(ack) return aside.answer(self, ack) end
  return function(replies)
    outward:give(replies, answered)
    repeat turn(self, 0) until not self.turns:is_ready() or self.stopped
    local ends, at = has_ended(self), self.scheduler:next()
    if ends then self.stopped = true end
    return outward:take(), at ~= nil and at <= self.scheduler.clock() or #outward.replies > 0, at, ends
  end
end

return M
