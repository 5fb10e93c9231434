-- Outcomes of an attempt: of failures, of errors that a body raised, and what is stored of them.
local causes = require "altinn.events.rules.cause"
local duration = require "altinn.events.support.duration"
local json = require "altinn.events.support.json"
local logfmt = require "altinn.events.support.logfmt"
local place = require "altinn.events.rules.place"
local policy = require "altinn.events.rules.retry_policy"
local things = require "altinn.events.rules.thing"

local M = {}

-- An event may arrive before its letter can be read. A run that does not find its letter is retried once, after so many
-- seconds, when its event is fresh.
local FRESH_PAUSE = 10

--- The outcome of a run that was taken back (by hand, or by new rules): it is neither stored nor logged.
M.DROPPED = { state = "dropped" }

--- What is raised where the code of a rule meets the end of its run: { outcome = }.
local Ended = { __name = "altinn.events.ended", __tostring = function(self) return self.outcome.reason
  or "the run was taken back" end }

--- Ends the attempt from inside of the rule's code, also when the rule catches the error.
---@param job altinn.events.job
---@param outcome table
function M.stop(job, outcome)
  job.own.ended = job.own.ended or outcome
  error(setmetatable({ outcome = outcome }, Ended), 0)
end

--- Ends the attempt when the run was taken back.
---@param job altinn.events.job
---@param ports altinn.events.ports
function M.check_held(job, ports)
  if not ports.memory:holds(job) then M.stop(job, M.DROPPED) end
end

--- A table of the attempt's own state, which is made when it is needed.
---@param job altinn.events.job
---@param name "admitted"|"finished_keys"|"outcomes"|"steps"
---@return table
function M.own(job, name)
  local own = job.own
  local value = own[name]
  if not value then
    value = {}
    own[name] = value
  end
  return value
end

local function now(ports) return (ports.clock()) end

local function run_of(job, ports)
  return {
    failures = job.failures, age = job.since and math.max(0, now(ports) - job.since) or 0,
    waited = math.max(0, now(ports) - job.received), ladder = ports.ladder and ports.ladder(job) or nil,
  }
end

---The outcome of a failure: another attempt, or the dead letters.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param failure { reason: string, kind: any, status: integer|nil, pause: number|nil, after: number|nil }
---@return table outcome
function M.failed(job, ports, failure)
  return policy.failed(job.rule, run_of(job, ports), failure, ports.random)
end

---The outcome when the memory does not store what must be stored before the attempt goes on: it is tried again, and
---this is nobody's failure.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return table outcome
function M.not_stored(job, ports)
  return M.failed(job, ports, { reason = "the inbox does not store", kind = "host" })
end

---The outcome of retry_after.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param wish { after: number, reason: string }
---@return table outcome
function M.wished(job, ports, wish) return policy.wished(run_of(job, ports), wish) end

--- The outcome of a run whose target is out of order. The pause is longer by chance, so that the runs that wait for
--- one target do not come back together.
---@param ports altinn.events.ports
---@param target string
---@param seconds number until the target may be tried
---@return table outcome
function M.held(ports, target, seconds)
  return {
    state = "held", pause = math.max(seconds, 0.1) * (1 + ports.random() / 2), cause = "breaker:" .. target,
    reason = ("target '%s' failed several times in a row: it is left alone for a while"):format(target),
  }
end

local function too_early(job, ports, failure)
  return failure.code == "not_found" and job.failures == 0 and now(ports) - job.received < policy.fresh
end

---The outcome of a body that raised. When a call to Altinn failed permanently the run is dead; any other error is
---retried.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param raised any
---@param text string the error with its traceback
---@param limited boolean|nil it overran a limit of the rule
---@return table outcome
function M.raised(job, ports, raised, text, limited)
  if job.own and job.own.ended then return job.own.ended end
  local failure = things.failure(raised)
  if not failure then
    return M.failed(job, ports, { reason = place.traceback(text), kind = limited and "limit" or "error" })
  end
  local reason, status = ("%s (%s)"):format(failure.message, failure.code), failure.detail.status
  if too_early(job, ports, failure) then
    return M.failed(job, ports, { reason = reason, kind = failure.code, pause = FRESH_PAUSE })
  end
  return M.failed(job, ports, {
    reason = reason, kind = failure.code, stage = failure.detail.stage, status = status, number = failure.detail.number,
    temporary = failure.detail.temporary, after = failure.detail.retry_after,
  })
end

-- What is stored.

local OPEN = { retry = true, later = true, held = true }

---Whether a run goes on after an attempt that ended in this state.
---@param state string
---@return boolean
function M.is_open(state) return OPEN[state] == true end

-- The body that runs next and its timer: those that the outcome sets, or those that started this attempt.
local function set_timer(settlement, job, outcome)
  local timer = outcome.timer
  if timer then
    settlement.entry, settlement.timer, settlement.thing = timer.run, timer.text, timer.thing
    settlement.timer_key, settlement.cancel = timer.key, timer.cancel
  elseif OPEN[outcome.state] and job.timer then
    settlement.entry, settlement.timer = job.entry, job.timer
  end
end

-- Failures that count: those of the rule and of its targets. A body that a timer starts has its own.
local function failures_of(job, outcome)
  if outcome.timer then return 0 end
  return job.failures + ((OPEN[outcome.state] and not outcome.counted) and 0 or 1)
end

local function cause_of(outcome)
  if outcome.cause or outcome.state ~= "dead" then return outcome.cause end
  return causes.of { kind = "fail", reason = outcome.reason }
end

-- When the failures began: a target that is out of order meanwhile does not begin their time anew.
local function since_of(job, outcome, wall)
  if outcome.state == "held" then return job.since end
  return outcome.state == "retry" and (job.since or outcome.counted and (job.began or wall)) or nil
end

---What is stored of an attempt's end.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param outcome table
---@return altinn.events.settlement
function M.settlement(job, ports, outcome)
  local wall, clock = ports.clock()
  local settlement = {
    state = outcome.state, reason = logfmt.short(outcome.reason), attempt = failures_of(job, outcome),
    tries = (job.tries or job.failures) + 1, taken = clock - (job.started or clock),
    since = since_of(job, outcome, wall), version = M.version(job),
  }
  if OPEN[outcome.state] then settlement.due = outcome.timer and outcome.timer.due or wall + outcome.pause end
  if outcome.timer or job.timer then set_timer(settlement, job, outcome) end
  local cause = cause_of(outcome)  -- most have none: such a table stays small
  if cause then settlement.cause = cause end
  if outcome.memory then settlement.memory = outcome.memory end
  if outcome.aside then settlement.aside = 1 end
  if job.own and job.own.readings then settlement.readings = job.own.readings end
  if job.would and #job.would > 0 then settlement.would = json.encode(json.list(job.would)) end
  return settlement
end

---The version of the job's rule as a number of 48 bits; nil when it is not known.
---@param job altinn.events.job
---@return integer|nil
function M.version(job) return job.rule.version and tonumber(job.rule.version, 16) end

---What the log says of the time until the next body.
---@param outcome table
---@return string
function M.next_text(outcome)
  if not outcome.pause then return "" end
  return (outcome.timer and ", in %s" or "; again in %s"):format(duration.text(outcome.pause))
end

return M
