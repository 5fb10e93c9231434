-- The ports of the engine (altinn.events.rules.engine) in the host: the inbox as memory, the scheduler to wait with.
--
-- A job of the engine is the table that jobs:take gave, with `name`, the rule's name, and `rule`, the rule itself.
local carrier = require "altinn.events.host.carrier"
local libraries = require "altinn.events.support.libraries"
local outcomes_of = require "altinn.events.rules.engine.outcome"
local scheduler = require "altinn.events.host.scheduler"

local M = {}

local Memory = {}
Memory.__index = Memory

local function milliseconds(seconds) return seconds and math.ceil(seconds * 1000) or 0 end

function Memory:holds(job) return self.worker.jobs:holds(job.sequence, job.name) end

-- Hands works to the inbox, and waits until they are stored: the ack; { failed = true } when they are not.
local function stored(worker, works)
  return scheduler.park(function(task)
    worker.ticket = worker.ticket + 1
    worker.tickets[worker.ticket] = task
    if not worker.jobs:record(works, worker.ticket) then
      worker.tickets[worker.ticket] = nil
      worker.scheduler:after(0, function() worker.scheduler:wake(task, { failed = true }) end)
    end
  end)
end

local function shadow_of(job) return job.rule.shadow and 1 or nil end

-- Records effects, and waits until the inbox has stored them: nothing is sent before.
function Memory:record(job, items)
  local works, version = {}, outcomes_of.version(job)
  for index, item in ipairs(items) do
    works[index] = { kind = "record", sequence = job.sequence, rule = job.name, key = item.key, target = item.target,
      request = item.text, version = version }
  end
  return stored(self.worker, works)
end

-- What the inbox holds of the run and of its thing.
function Memory:recall(job, thing)
  local ack = stored(self.worker, { { kind = "recall", sequence = job.sequence, rule = job.name, thing = thing,
    shadow = shadow_of(job) } })
  if ack.failed then return ack end
  if ack.states[1] == "over" then return { over = true } end
  return ack.recalled[1]
end

-- Stores the result of a step.
function Memory:step(job, name, at, result)
  local ack = stored(self.worker, { { kind = "step", sequence = job.sequence, rule = job.name, name = name, place = at,
    result = result, version = outcomes_of.version(job) } })
  if ack.failed then return nil end
  return ack.states[1] == "over" and "over" or true
end

local function outcome_work(job, outcome)
  return {
    kind = "outcome", sequence = job.sequence, rule = job.name, key = outcome.key, state = outcome.state,
    status = outcome.status, attempt = outcome.attempt, reason = outcome.reason, answer = outcome.answer,
    version = outcome.version,
  }
end

function Memory:sent(job, outcome)
  if not outcome.silent then self.worker.jobs:effect(outcome.target, outcome.state) end
  self.worker.jobs:settle { outcome_work(job, outcome) }
end

-- Members that most settlements do not have: without them the table is small.
local RARE = { "cause", "entry", "timer", "thing", "timer_key", "cancel", "would", "aside" }

local function settle_work(job, settlement)
  local work = {
    kind = "settle", sequence = job.sequence, rule = job.name, state = settlement.state, reason = settlement.reason,
    attempt = settlement.attempt, version = settlement.version,
  }
  if settlement.due then work.due = milliseconds(settlement.due) end
  if settlement.since then work.since = milliseconds(settlement.since) end
  for _, name in ipairs(RARE) do
    if settlement[name] ~= nil then work[name] = settlement[name] end
  end
  return work
end

local function add_readings(works, job, settlement)
  for _, one in ipairs(settlement.readings) do
    one.kind, one.sequence, one.rule, one.attempt = "reading", job.sequence, job.name, settlement.tries
    works[#works + 1] = one
  end
end

-- Sends the outcomes again with the settlement, because the inbox may have refused one before.
function Memory:settle(job, settlement, outcomes)
  local works = {}
  for index, outcome in ipairs(outcomes) do works[index] = outcome_work(job, outcome) end
  for _, one in ipairs(settlement.memory or {}) do
    works[#works + 1] = { kind = "remember", sequence = job.sequence, rule = job.name, thing = one.thing,
      name = one.name, value = one.value, expires = milliseconds(one.expires), shadow = shadow_of(job) }
  end
  if settlement.readings then add_readings(works, job, settlement) end
  works[#works + 1] = settle_work(job, settlement)
  self.worker.jobs:settle(works)
  self.worker.jobs:verdict(job.name, settlement.state, settlement.taken)
end

-- The client by which runs ask Altinn: one for all runs, made when a rule asks first.
local function connect(worker)
  if worker.client then return worker.client end
  local connection, message, code = require("altinn.events.host.connection").open(worker.settings)
  if not connection then return nil, message, code end
  worker.client = connection.client
  return worker.client
end

-- The pseudonym of a person's number, in letters alone, so that nothing takes it for a number: 120 bits of a digest
-- with the inbox's own key.
local function pseudonyms(worker)
  local key
  return function(number)
    key = key or worker.jobs:pseudonym_key():gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)
    local digest = libraries.load("altinn.events.grant").hmac_sha256(key, number)
    return "person-" .. digest:sub(1, 30):gsub("%d", function(digit) return string.char(103 + digit) end)
  end
end

---@param worker table
---@return altinn.events.ports
function M.new(worker)
  return {
    memory = setmetatable({ worker = worker, keeps_timers = true }, Memory),
    clock = function() return worker.jobs:now() end,
    random = math.random, send = carrier.new(worker),
    ask = function() return connect(worker) end, rest = function() scheduler.sleep(0) end,
    may_wait = coroutine.isyieldable, log = function(...) return worker.log(...) end, targets = {},
    admit = function(target) return worker.jobs:admit(target) end,
    report = function(target, good) worker.jobs:report(target, good) end,
    release = function(target) worker.jobs:release(target) end, pseudonym = pseudonyms(worker),
  }
end

return M
