-- The engine: turns a run (an event and a rule that wants it) into a verdict, effects, retries and a line of the log.
-- It knows neither host nor nginx nor clock: those are its ports.
--
-- An attempt, in order: a target that is out of order holds the run back; effects that nobody knows the outcome of are
-- finished; the gate (repeats, trust, unless); the body; its effects are recorded, then sent; all that came of it is
-- stored in one piece. The files of engine/ have one part each.
local carry = require "altinn.events.rules.engine.carry"
local context = require "altinn.events.rules.engine.context"
local decisions = require "altinn.events.rules.engine.decision"
local finish = require "altinn.events.rules.engine.finish"
local gate = require "altinn.events.rules.gate"
local language = require "altinn.events.rules.language"
local outcomes = require "altinn.events.rules.engine.outcome"
local recall = require "altinn.events.rules.engine.recall"
local shadow = require "altinn.events.rules.engine.shadow"
local steps = require "altinn.events.rules.engine.steps"
local texts = require "altinn.events.support.text"
local things = require "altinn.events.rules.thing"
local timer_words = require "altinn.events.rules.timer_words"

local M = {}

local DROPPED = outcomes.DROPPED

---@class altinn.events.job
---A run. The engine writes `began`, `started` and `own` (of this attempt) when it begins, and for the words of the
---rule: `made` (the verdicts that the body made), `body` (the function that runs), `step`, `would` (acts that a rule in
---the shadow would have done).
---@field rule table of altinn.events.rules.loading
---@field event table
---@field sequence any the event's name in the log
---@field failures integer earlier attempts that failed
---@field tries integer|nil all earlier attempts, also those that ended in `later`; `failures` when left out
---@field since number|nil when the first failed attempt began: seconds since 1970
---@field received number when the event came: seconds since 1970
---@field came_by string|nil "push" when left out
---@field subscription string|nil
---@field repeats integer|nil earlier events that meant the same
---@field entry string|nil the body that runs, "run" when left out
---@field timer string|nil JSON of the timer that started it: { set, due (milliseconds), key, with }
---@field cause string|nil of the last attempt's end
---@field fresh boolean|nil the memory holds nothing of this run

---@class altinn.events.ports
---What the engine needs of its host. Functions marked (waits) may wait.
---@field clock fun(): number, number seconds since 1970; seconds of a clock that never jumps
---@field random fun(): number 0 to 1, evenly
---@field send fun(request: table, job: table, item: table): table (waits) a reply: see effects' judge
---@field ask fun(job: table): table|nil, string|nil, string|nil the client of Altinn, or nil, message, code
---@field log fun(level: string, message: string, fields: table)
---@field memory altinn.events.memory
---@field targets table<string, table>
---@field rest fun()|nil (waits) lets others have their turn
---@field may_wait (fun(): boolean)|nil whether the code that runs may wait here
---@field ladder (fun(job: table): number|nil)|nil seconds until the last attempt that the host can make; nil: no end
---@field admit (fun(target: string): number|nil)|nil nil: the target may be tried; else seconds until it may
---@field report fun(target: string, good: boolean)|nil told of each attempt at a target
---@field release fun(target: string)|nil told of an admission that was not used
---@field holidays table|nil days that are no working days, see altinn.events.rules.calendar
---@field pseudonym (fun(number: string): string|nil)|nil an identity number's pseudonym in keys

---@class altinn.events.memory
---@field record fun(self: table, job: table, items: table[]): table (waits) records effects and gives their states:
---  { states = { false | "sent" | "held" | "over" | "unknown" }, requests = { [i] = text }, owners = { [i] =
---  sequence } }, or { failed = true }. "unknown": the effect was recorded before and may have been sent; then
---  requests[i] is the text of that record. owners: the events that sent the effects with state "sent"
---@field claim (fun(self: table, job: table, item: table): any, string|nil, any)|nil (waits) the state, text and
---  owner of one effect, just before it is sent; nil: the engine uses those of `record`
---@field sent fun(self: table, job: table, outcome: table) stores the outcome of one effect, at once; outcome.silent:
---  nobody tried to send it
---@field settle fun(self: table, job: table, settlement: table, outcomes: table[]) stores the end of the attempt
---  together with the last outcomes: state, reason, attempt, tries, taken, due, since (seconds), cause, version, would;
---  of a timer entry, timer (JSON), thing, timer_key, cancel; `memory`: { thing, name, value = JSON or nil, expires =
---  seconds since 1970 or nil } in a list; `readings`: see altinn.events.rules.readings
---@field holds fun(self: table, job: table): boolean whether the run was not taken back
---@field recall (fun(self: table, job: table, thing: string): table)|nil (waits) { steps = { { name, result = JSON } },
---  memory = { [name] = JSON }, effects = { { key, target, request, state } }: recorded, outcome unknown }, or
---  { failed = true }, or { over = true }
---@field step (fun(self: table, job: table, name: string, place: integer, result: string): true|"over"|nil)|nil (waits)
---  stores the result of a step; nil: not stored
---@field keeps_timers boolean|nil

M.log, M.longest = context.log, carry.longest
M.failed, M.raised = outcomes.failed, outcomes.raised

---The third argument of a body.
---@param job altinn.events.job
---@param log fun(level: string, message: string, fields: table)
---@return table
function M.context(job, log) return context.new(job, { log = log }) end

---Begins an attempt; false when the run was taken back.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return boolean
function M.begin(job, ports)
  if not ports.memory:holds(job) then return false end
  job.began, job.started = ports.clock()
  job.own = { ports = ports, step_count = 0, rounds = 0 }
  job.would, job.step = nil, steps.step
  return true
end

---Looks at a run that was held back because of a target, before its event is read.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return table|nil outcome nil: the attempt goes on
function M.held(job, ports)
  local target = job.cause and job.cause:match("^breaker:(.+)$")
  return target and carry.left_alone(job, ports, target)
end

-- Finishes what earlier attempts left -> a decision, or nil when there is nothing left.
local function unfinished(job, ports)
  if job.own.finished then return nil end
  local items, outcome = finish.ask(job, ports)
  if outcome then return { outcome = outcome } end
  if #items > 0 then return { verdict = "finish", items = items } end
  job.own.finished = true
end

local function call_body(job, ports)
  local name = job.entry or "run"
  local body = job.rule.bodies[name]
  if not body then return { outcome = { state = "abandoned", reason = language.no_body(name, job.rule.bodies) } } end
  job.made, job.body, job.own.steps, job.own.step_count = {}, body, nil, 0
  return decisions.of(job, ports, body, body(job.event, context.thing(job, ports), context.new(job, ports)))
end

---Runs the code of the rule: the probes of effects that are not finished, then the gate and the body, whose value is
---read completely. The caller must have set the rule's limits. Raises the errors of the code.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return table decision see altinn.events.rules.engine.decision; also { outcome }, and { verdict = "finish", items }:
---  after carry_out the attempt decides again
function M.decide(job, ports)
  job.own.rounds = job.own.rounds + 1
  recall.of_run(job, ports)
  local decision = unfinished(job, ports)
  if decision then return decision end
  local outcome = gate.check(job, ports, context.ask(job, ports))
  if outcome then return { outcome = outcome } end
  decision = call_body(job, ports)
  return job.own.ended and { outcome = job.own.ended } or decision
end

-- The outcome of a decision that was carried out; summary: { state, reason }.
local function completed(ports, decision, summary)
  summary.memory = decision.memory
  local timer = decision.timer
  if not timer then return summary end
  summary.state, summary.timer, summary.pause = "later", timer, math.max(0, timer.due - (ports.clock()))
  local words = timer_words.of(timer.run, timer.due)
  summary.reason = summary.reason ~= "" and summary.reason .. "; " .. words or words
  return summary
end

local function remembered(memory)
  local kept, forgotten = {}, {}
  for _, one in ipairs(memory or {}) do
    local list = one.value ~= nil and kept or forgotten
    list[#list + 1] = one.name
  end
  local parts = {}
  if #kept > 0 then parts[1] = "remembers " .. table.concat(kept, ", ") end
  if #forgotten > 0 then parts[#parts + 1] = "forgets " .. table.concat(forgotten, ", ") end
  return table.concat(parts, "; ")
end

local function without_effects(ports, decision)
  local reason = remembered(decision.memory)
  if reason == "" and not decision.timer then reason = decision.reason or "the rule is done" end
  return completed(ports, decision, { state = "done", reason = reason })
end

local STATES = { done = "done", skip = "skipped", fail = "dead" }

local function outcome_of(job, ports, decision)
  if decision.outcome then return decision.outcome end
  if decision.mistake then return M.failed(job, ports, { reason = decision.mistake, kind = "error" }) end
  if decision.verdict == "finish" then return nil end
  if decision.verdict == "effects" then
    if job.rule.shadow then shadow.note(job, decision.items)
    elseif #decision.items > 0 then return nil end
    return without_effects(ports, decision)
  end
  if decision.verdict == "later" then return outcomes.wished(job, ports, decision) end
  return { state = STATES[decision.verdict], reason = decision.reason }
end

---The outcome of a decision without effects.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param decision table of M.decide
---@return table|nil outcome nil: the decision has effects, for carry_out
function M.outcome(job, ports, decision)
  local outcome = outcome_of(job, ports, decision)
  return outcome and job.rule.shadow and shadow.outcome(job, outcome) or outcome
end

---Carries out the effects of a decision. The rule's code does not run.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param decision table of M.decide
---@return table|nil outcome nil: the attempt decides again
function M.carry_out(job, ports, decision)
  if decision.verdict == "finish" then return finish.out(job, ports, decision.items) end
  local outcome = carry.out(job, ports, decision.items)
  local fine = outcome and (outcome.state == "done" or outcome.state == "skipped")
  return fine and completed(ports, decision, outcome) or outcome
end

-- The end.

local LEVELS = { dead = "error", retry = "warn", abandoned = "warn" }

-- Gives back what the breaker admitted and the attempt did not use.
local function release(job, ports)
  local admitted = job.own and job.own.admitted
  if not (admitted and ports.release) then return end
  for target, is_unused in pairs(admitted) do
    if is_unused then ports.release(target) end
  end
end

local function outcomes_of(job, outcome)
  local earlier, list = job.own and job.own.outcomes, outcome.outcomes or {}
  if not earlier then return list end
  for _, one in ipairs(list) do earlier[#earlier + 1] = one end
  return earlier
end

---Writes the end of an attempt to the memory and to the log.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param outcome table
---@return table outcome the same
function M.settle(job, ports, outcome)
  release(job, ports)
  if outcome == DROPPED or not ports.memory:holds(job) then return DROPPED end
  local settlement = outcomes.settlement(job, ports, outcome)
  ports.memory:settle(job, settlement, outcomes_of(job, outcome))
  ports.log(LEVELS[outcome.state] or "info", "verdict", {
    rule = job.rule.name, event = job.sequence, type = job.event and job.event.type, verdict = outcome.state,
    reason = settlement.reason .. outcomes.next_text(outcome),
    force = job.rule.by_hand and "by hand" or nil,
    attempt = (job.tries or job.failures) + 1, ms = math.floor(settlement.taken * 10000 + 0.5) / 10,
  })
  return outcome
end

local function protect(job, ports)
  local raised, text
  local ok, decision = xpcall(function() return M.decide(job, ports) end, function(value)
    raised, text = value, things.failure(value) and "" or debug.traceback(texts.raised(value), 2)
    return value
  end)
  if ok then return decision end
  return nil, M.raised(job, ports, raised, text)
end

---Carries out a whole run, without limits for the rule: begins, decides, sends, settles.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return table outcome { state: "done"|"skipped"|"dead"|"retry"|"later"|"held"|"shadowed"|"abandoned"|"dropped",
---  reason, pause, after } pause: seconds until the next attempt; after: those that a server or the rule asked for
function M.run(job, ports)
  if not M.begin(job, ports) then return DROPPED end
  local outcome = M.held(job, ports)
  while not outcome do
    local decision
    decision, outcome = protect(job, ports)
    if decision then outcome = M.outcome(job, ports, decision) or M.carry_out(job, ports, decision) end
  end
  return M.settle(job, ports, outcome)
end

return M
