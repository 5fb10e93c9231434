-- worker: carries out the runs that the host's inbox hands to one thread.
--
-- A run is an event and a rule that wants it. The inbox hands out those that
-- may run now; one that waits for a time is settled and forgotten here. A
-- rule's `limit.at_once` and its rest after an overrun hold back the runs that
-- are ready.
local cjson = require("cjson.safe").new()
local events = require "altinn.events"
local libraries = require "altinn.events.support.libraries"
local scheduler = require "altinn.events.host.scheduler"
local settlement = require "altinn.events.host.settlement"
local transports = require "altinn.events.client.transport"

local M = {}

local TAKE = 64          -- messages at a time
local STALE_SECONDS = 10 -- until a run is tried again whose rule could not be loaded
local STOP_SECONDS = 10  -- what runs at a stop may go on for
local REST = 10          -- times as long as the overrun
local AT_ONCE = 128      -- runs of a rule
local SENDING = 16        -- of them those that send effects: a target is nobody's load test
local CONNECTIONS = 512
local PER_SITE = 128     -- a site that does not answer leaves room for the others
local KEPT_BYTES = 512 * 1024 * 1024  -- by a worker, before its rules are loaded anew
local LOOK_SECONDS = 1
local TURN_SECONDS = 0.1  -- that runs may begin for, before answers and messages are looked at again

local Worker = {}
Worker.__index = Worker

local function now_ms(self) return math.floor(self.jobs:now() * 1000) end

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

-- Loading runs code of the rules: under a budget, and able to use coroutines.
local function load_rules(self, settings)
  local set, problems
  self.scheduler:spawn({
    run = function()
      return { require("altinn.events.rules.loading").load(settings.rules or {},
        { globals = self.globals, sources = settings.sources }) }
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

local function by_name(set)
  local rules = {}
  for _, rule in ipairs(set.rules or set.list or set) do rules[rule.name] = rule end
  return rules
end

local function apply(self, text)
  local settings = decode_settings(text)
  local set, message = load_rules(self, settings)
  if not set then return nil, message end
  self.settings, self.rules, self.text = settings, by_name(set), text
  self.client = nil  -- credentials may be others now
  self.log = settlement.logger(settings.log, self.write)
  return true
end

-- The state of a rule outlives reloads.
local function state_of(self, name)
  local state = self.states[name]
  if not state then
    state = { running = 0, first = 1, last = 0, rest = 0, sending = 0, to_send = {} }
    self.states[name] = state
  end
  return state
end

local function limit(self, rule, name)
  local own = rule and rule.limit and rule.limit[name]
  if own ~= nil then return own end
  return self.settings.limits[name]
end

-- From ready to running.

local start

-- Not recursive: a rule that ends at once must not nest its successors.
local function wake(self, name)
  if self.waking[name] then return end
  self.waking[name] = true
  self.woken[#self.woken + 1] = name
end

local function pump(self, name)
  local state = state_of(self, name)
  local most = limit(self, self.rules[name], "at_once") or AT_ONCE
  while state.first <= state.last and state.running < most and not self.stopping do
    if self.scheduler.clock() > self.turn_ends then return wake(self, name) end
    local rest = state.rest - self.scheduler.clock()
    if rest > 0 then
      if not state.alarm then
        state.alarm = self.scheduler:after(rest, function()
          state.alarm = nil
          wake(self, name)
        end)
      end
      return
    end
    local job = state[state.first]
    state[state.first] = nil
    state.first = state.first + 1
    start(self, job, state)
  end
end

local function ready(self, job)
  local state = state_of(self, job.rule)
  state.last = state.last + 1
  state[state.last] = job
  wake(self, job.rule)
end

local function pump_woken(self)
  self.turn_ends = self.scheduler.clock() + TURN_SECONDS
  while #self.woken > 0 and self.scheduler.clock() <= self.turn_ends do
    local names = self.woken
    self.woken, self.waking = {}, {}
    for _, name in ipairs(names) do pump(self, name) end
  end
end

-- Seconds that a run has been tried for already.
local function admit(self, job)
  job.age = job.since > 0 and math.max(0, now_ms(self) - job.since) / 1000 or 0
  job.admitted = self.scheduler.clock()
  self.jobs_here[job.sequence .. " " .. job.rule] = job
  return ready(self, job)
end

local function forget(self, job)
  local key = job.sequence .. " " .. job.rule
  if self.jobs_here[key] == job then self.jobs_here[key] = nil end
end

-- A run that the inbox took back: no verdict.
local function drop(self, job)
  local state = state_of(self, job.rule)
  state.running = state.running - 1
  job.event, job.task = nil, nil
  forget(self, job)
  if state.first <= state.last then wake(self, job.rule) end
end

-- From running to a verdict.

-- The end of a run: outcome = { state=, reason=, after= (seconds, for retry) }.
local function conclude(self, job, outcome)
  if not self.jobs:holds(job.sequence, job.rule) then return drop(self, job) end
  local state = state_of(self, job.rule)
  state.running = state.running - 1
  job.attempt = job.attempt + 1
  if outcome.state == "retry" then
    job.due = now_ms(self) + math.floor(outcome.after * 1000)
  end
  settlement.settle(self, job, outcome)
  job.event, job.task = nil, nil
  forget(self, job)
  if state.first <= state.last then wake(self, job.rule) end
end

local COSTLY = { time = true, instructions = true, memory = true }

local function rest(self, job, task)
  if not COSTLY[task.stopped] then return end
  local state = state_of(self, job.rule)
  state.rest = self.scheduler.clock() + REST * task.slice
end

local function failed(self, job, rule, message)
  return conclude(self, job, settlement.retry(self, job, rule, message, { kind = "error" }))
end

-- Effects go out in a task of their own, which holds no code of the rule.
local carry_out

local function next_to_send(state)
  local waiting = table.remove(state.to_send, 1)
  if waiting then carry_out(table.unpack(waiting)) end
end

function carry_out(self, job, rule, verdict)
  local state = state_of(self, job.rule)
  if state.sending >= SENDING then
    state.to_send[#state.to_send + 1] = { self, job, rule, verdict }
    return
  end
  state.sending = state.sending + 1
  job.task = self.scheduler:spawn({
    run = function() return settlement.carry_out(self, job, rule, verdict.effects) end, job = job,
    holds = function() return self.jobs:holds(job.sequence, job.rule) end,
    seconds = 10, memory = 1 << 30, wall = settlement.wall(self, verdict.effects),
    finished = function(_, ok, value)
      if self.stopped then return end
      state.sending = state.sending - 1
      if ok then conclude(self, job, value) else failed(self, job, rule, "effects: " .. value) end
      return next_to_send(state)
    end,
  })
end

local function judged(self, job, rule, verdict)
  if verdict.mistake then return failed(self, job, rule, verdict.mistake) end
  if verdict.verdict == "effects" and not rule.shadow then
    return carry_out(self, job, rule, verdict)
  end
  return conclude(self, job, settlement.outcome(self, job, rule, verdict))
end

function start(self, job, state)
  local rule = self.rules[job.rule]
  state.running = state.running + 1
  job.started = self.scheduler.clock()
  if not self.jobs:holds(job.sequence, job.rule) then return drop(self, job) end
  local event, message
  if not rule and self.stale then
    return conclude(self, job, settlement.retry(self, job, nil, "the new rules could not be loaded",
      { kind = "host", least = STALE_SECONDS }))
  end
  if not rule then return drop(self, job) end  -- it comes again, or the inbox abandons it
  event, message = settlement.event(job)
  if not event then
    return conclude(self, job, { state = "dead", reason = "the stored event cannot be read: " .. tostring(message) })
  end
  job.event = event
  job.task = self.scheduler:spawn({
    run = function(...) return settlement.decide(self, job, rule, rule.run(...)) end, job = job,
    holds = function() return self.jobs:holds(job.sequence, job.rule) end,
    seconds = limit(self, rule, "seconds"), memory = limit(self, rule, "memory"),
    instructions = limit(self, rule, "instructions"), wall = limit(self, rule, "wall"),
    finished = function(task, ok, value, raised)
      if self.stopped then return end
      rest(self, job, task)
      if ok then return judged(self, job, rule, value) end
      return conclude(self, job, settlement.failure(self, job, rule, value, raised))
    end,
  }, event, settlement.thing(self, rule, event), settlement.context(self, job))
  self.running[job] = not job.task.ended or nil
end

-- Messages of the host.

local messages = {}

function messages.run(self, job)
  if self.stopping then return end  -- stays in the inbox
  return admit(self, job)
end

function messages.cancel(self, order)
  local job = self.jobs_here[order.sequence .. " " .. order.rule]
  if job and job.task then self.scheduler:cancel(job.task, "the run was taken back") end
end

function messages.ack(self, ack)
  local task = self.tickets[ack.ticket]
  self.tickets[ack.ticket] = nil
  if task then self.scheduler:wake(task, ack) end
end

function messages.reload(self, order)
  if self.stopping then return end
  local ok, done, message = pcall(apply, self, order.text)
  if not ok then done, message = nil, done end
  self.stale = not done  -- the host hands out runs of the new rules
  if not done then self.log("error", "reload failed, the old rules stay", { reason = message }) end
end

function messages.stop(self)
  if self.stopping then return end
  self.stopping = true
  self.scheduler:after(STOP_SECONDS, function() self.stopped = true end)
end

-- What rules keep in their variables from run to run is nobody's budget, so
-- there is an end to it: the rules begin afresh.
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

local function turn(self)
  local pause = #self.woken > 0 and 0 or self.scheduler:pause(60)
  local list
  if self.scheduler:transfer_count() > 0 then
    self.scheduler:step(pause)
    list = self.jobs:take(TAKE)
  else
    list = self.jobs:take(TAKE, pause)
  end
  for _, message in ipairs(list) do messages[message.kind](self, message) end
  self.scheduler:ring()
  pump_woken(self)
  look_at_memory(self)
end

-- The run whose code asks.
local function job_of_task()
  local task = scheduler.task()
  return task and task.job
end

-- Whoever opens an identity number says what for.
local function log_reveals(self)
  function events.on_reveal(masked, purpose)
    local job = job_of_task() or {}
    self.log("info", "reveal", { rule = job.rule, event = job.sequence, reason = purpose .. ": " .. masked })
  end
end

local function new(jobs, budget)
  local library, guarded = scheduler.library(budget)
  -- Modules that rules require use the global table, so it changes there too.
  for name, value in pairs(library) do rawset(coroutine, name, value) end
  _G.xpcall = guarded
  local self = setmetatable({
    jobs = jobs, budget = budget, look_at = 0, states = {}, jobs_here = {}, tickets = {}, ticket = 0, rules = {},
    waking = {}, woken = {}, turn_ends = 0, running = setmetatable({}, { __mode = "k" }),
    write = function(line) jobs:log(line) end,
  }, Worker)
  self.log = settlement.logger(nil, self.write)
  -- Waiting works in coroutines; what rules print is a line of the log, masked.
  local log = settlement.rule_log(self, job_of_task)
  self.globals = { coroutine = library, xpcall = guarded, log = log, print = log.info }
  self.scheduler = scheduler.new({
    budget = budget, fd = jobs:descriptor(),
    open = function()
      return libraries.load("altinn.events.curl").new { connections = CONNECTIONS, per_site = PER_SITE }
    end,
    clock = function() return (select(2, jobs:now())) end,
  })
  transports.set_carrier(scheduler)
  log_reveals(self)
  return self
end

---The body of a worker's thread; returns when the host stops.
---@param jobs userdata the host's door: see csrc/lua/host/jobs.c
---@param settings string JSON: { rules = {files}, sources = {file -> text}, targets =, limits =, log = { format = } }
---@param budget table limits of rules: see csrc/lua/host/budget.c
function M.main(jobs, settings, budget)
  math.randomseed()
  local self = new(jobs, budget)
  local done, message = apply(self, settings)
  if not done then error("rules: " .. message, 0) end
  repeat turn(self) until self.stopped or (self.stopping and running_count(self) == 0)
  self.stopped = true
end

return M
