-- settlement: what a run ends with: verdicts, effects, retries, the log.
local cjson = require("cjson.safe").new()
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local logfmt = require "altinn.events.support.logfmt"
local retries = require "altinn.events.client.retry"
local rules = require "altinn.events.rules.language"
local scheduler = require "altinn.events.host.scheduler"
local things = require "altinn.events.rules.thing"

local M = {}

local HOUR = 3600
local WITHIN = 36 * HOUR
local LONGEST_PAUSE = HOUR
local SHORTEST_WISH = 1  -- second: retry_after(0) must not run without a break

local short = logfmt.short

local function line(format, level, message, fields)
  local time = os.date("!%Y-%m-%dT%H:%M:%SZ")
  if format == "json" then return logfmt.json(time, level, message, fields) end
  return ("time=%s level=%s %s"):format(time, level, logfmt.line(message, fields))
end

---A function that writes one line per fact to the log.
---@param options { format: string }|nil
---@param write fun(line: string) takes a line without its end; must not wait
---@return fun(level: string, message: string, fields: table)
function M.logger(options, write)
  local format = options and options.format
  return function(level, message, fields)
    for name, value in pairs(fields) do
      if type(value) == "string" then fields[name] = short(value) end
    end
    write(line(format, level, message, fields))
  end
end

-- What a rule is given.

---The stored event of a run.
---@param job table
---@return table|nil event
---@return string|nil message
function M.event(job)
  return events.parse(job.body, { max_bytes = #job.body })
end

-- The client that runs ask Altinn by: one for all, made when a rule asks.
local function connect(worker)
  if not worker.client then
    local connection, message, code = require("altinn.events.commands.connection").open(worker.settings)
    if not connection then return nil, message, code end
    worker.client = connection.client
  end
  return worker.client
end

---The thing that an event is about, as the rule sees it.
---@param worker table
---@param rule table
---@param event table
---@return table|nil thing see altinn.events.rules.thing
function M.thing(worker, rule, event)
  local meaning = events.describe(event)
  if not meaning or not meaning.about then return nil end
  return things.new(rule, { id = meaning.id, kind = meaning.about }, function() return connect(worker) end)
end

---What rules know as `log`: log(…) and log.info(…), log.debug, log.warn (or
---log.warning), log.error.
---@param worker table
---@param job_of fun(): table|nil the run that the line is about
---@return table log
function M.rule_log(worker, job_of)
  local function writer(level)
    return function(...)
      local parts, job = table.pack(...), job_of() or {}
      for i = 1, parts.n do parts[i] = tostring(parts[i]) end
      worker.log(level, "rule", { rule = job.rule, event = job.sequence, reason = table.concat(parts, " ") })
    end
  end
  local log = { debug = writer "debug", info = writer "info", warn = writer "warn", error = writer "error" }
  log.warning = log.warn
  return setmetatable(log, {
    __call = function(self, ...) return self.info(...) end,
  })
end

---@param worker table
---@param job table
---@return table context
function M.context(worker, job)
  return {
    attempt = job.attempt + 1, received = job.received / 1000, sequence = job.sequence,
    subscription = job.subscription, came_by = "push", log = M.rule_log(worker, function() return job end),
  }
end

-- Verdicts.

-- The requests of effects, and the keys under which they are sent once.
local function prepare(worker, job, rule, list)
  local prepared, seen = {}, {}
  for i, effect in ipairs(list) do
    local target = tostring(effect.target)
    if not rules.may(rule, "send:" .. target) then
      return nil, ("the rule may not send to target '%s': \"send:%s\" is missing in its may")
        :format(target, target)
    end
    local meaning = events.describe(job.event)
    local item, message = effects.prepare(effect, {
      rule = job.rule, event = job.event, thing = meaning and meaning.about and meaning or nil, place = i,
    }, worker.settings.targets)
    if not item then return nil, message end
    local key, request = item.key, effects.carry(item, item.text, worker.settings.targets)
    if seen[key] then return nil, ("two effects have the key %s: each needs its own"):format(key) end
    seen[key] = true
    prepared[i] = { target = target, request = request, key = key }
  end
  return prepared
end

-- What the rule made is copied: nothing of it is looked at later.

local function text_of(value, what)
  if type(value) == "string" then return value end
  error(("the %s of the verdict must be a text, not a %s"):format(what, type(value)), 0)
end

local function pause_of(value)
  if type(value) ~= "number" or not (value >= 0 and value < 1e10) then
    error("the time of retry_after must be a number of seconds, less than 300 years", 0)
  end
  return value
end

local copies = {}

function copies.done(verdict) return { verdict = "done", reason = text_of(verdict.reason, "reason") } end
function copies.skip(verdict) return { verdict = "skip", reason = text_of(verdict.reason, "reason") } end
function copies.fail(verdict) return { verdict = "fail", reason = text_of(verdict.reason, "reason") } end

function copies.later(verdict)
  return { verdict = "later", reason = text_of(verdict.reason, "reason"), after = pause_of(verdict.after) }
end

---What a rule's value stands for, read completely: the caller is the rule's
---task, because metamethods of the value are the rule's code.
---@param worker table
---@param job table
---@param rule table
---@param value any
---@return table decision { verdict = "done"|"skip"|"retry"|"fail", reason =, after = } or { verdict = "effects",
---  effects = list of { target =, key =, request = } }; { mistake = text } when it is no verdict
function M.decide(worker, job, rule, value)
  local verdict, message = rules.verdict(value)
  if not verdict then return { mistake = message } end
  local list = verdict.effects or verdict.verdict == "effect" and { verdict }
  if not list then
    local copy = copies[verdict.verdict]
    if copy then return copy(verdict) end
    return { mistake = ("a rule cannot return the verdict '%s'"):format(tostring(verdict.verdict)) }
  end
  local prepared
  prepared, message = prepare(worker, job, rule, list)
  if not prepared then return { verdict = "fail", reason = message } end
  return { verdict = "effects", effects = prepared }
end

local function seconds_of(value, otherwise)
  if type(value) == "number" then return value end
  local number, unit = tostring(value):match("^(%d+%.?%d*)([smhd]?)$")
  if not number then return otherwise end
  return tonumber(number) * ({ s = 1, m = 60, h = HOUR, d = 24 * HOUR, [""] = 1 })[unit]
end

-- Exponential with full jitter: 1 s doubling to 1 h.
local function backoff(attempt)
  local most = math.min(LONGEST_PAUSE, 2.0 ^ math.min(attempt, 20))
  return 0.05 + math.random() * (most - 0.05)
end

-- What is neither the rule's doing nor its target's.
local function is_ours(kind) return kind == "host" end

local function excluded(rule, how)
  if how.kind == nil or how.kind == "asked" or is_ours(how.kind) then return false end
  return rules.names_failure(rule, how.kind, how.status) == false
end

-- Seconds that a run has been tried for: those before this worker had it, and
-- those since, by a clock that does not jump.
local function age(worker, job)
  return (job.age or 0) + worker.scheduler.clock() - (job.admitted or worker.scheduler.clock())
end

---Later, or dead when it has been long enough.
---@param worker table
---@param job table
---@param rule table
---@param reason string
---@param how { kind: any, status: integer|nil, after: number|nil, least: number|nil } kind: error, network, timeout, a
---  status, asked, host
---@return table outcome
function M.retry(worker, job, rule, reason, how)
  local retry = rule and rule.retry or {}
  local within = seconds_of(retry.within or WITHIN, WITHIN)
  local pause = how.after and math.max(how.after, SHORTEST_WISH) or math.max(backoff(job.attempt), how.least or 0)
  if excluded(rule, how) then
    return { state = "dead", reason = reason .. " (not retried: retry.on)" }
  elseif retry.attempts and not is_ours(how.kind) and job.attempt + 1 >= retry.attempts then
    return { state = "dead", reason = ("gave up after %d attempts: %s"):format(job.attempt + 1, reason) }
  elseif not is_ours(how.kind) and age(worker, job) + pause > within then
    return { state = "dead", reason = ("gave up after %g h: %s"):format(within / HOUR, reason) }
  end
  return { state = "retry", reason = reason, after = pause }
end

-- A letter may be heard of before it can be read: error 1001 within seconds of the push.
local FRESH_SECONDS, FRESH_PAUSE = 60, 10

local function too_early(worker, job, failure)
  return failure.code == "not_found" and job.attempt == 0
    and worker.jobs:now() - job.received / 1000 < FRESH_SECONDS
end

---What a run that raised comes to: a call to Altinn that cannot succeed goes
---to the dead letters, all else is tried again.
---@param worker table
---@param job table
---@param rule table
---@param text string the error with its traceback
---@param raised any the error itself
---@return table outcome
function M.failure(worker, job, rule, text, raised)
  local failure = things.failure(raised)
  if not failure then return M.retry(worker, job, rule, text, { kind = "error" }) end
  local reason = ("%s (%s)"):format(failure.message, failure.code)
  if too_early(worker, job, failure) then
    return M.retry(worker, job, rule, reason, { kind = failure.code, after = FRESH_PAUSE })
  end
  local status = failure.detail.status
  if things.is_permanent(failure) and not rules.names_failure(rule, status) then
    return { state = "dead", reason = reason }
  end
  return M.retry(worker, job, rule, reason,
    { kind = failure.code, status = status, least = failure.detail.retry_after })
end

local function shadow_reason(list)
  local names = {}
  for i, effect in ipairs(list) do names[i] = tostring(effect.target) end
  return "shadow: would send to " .. table.concat(names, ", ")
end

---What a verdict without effects (or of a shadow rule) comes to.
---@param worker table
---@param job table
---@param rule table
---@param verdict table
---@return table outcome
function M.outcome(worker, job, rule, verdict)
  local kind = verdict.verdict
  if kind == "done" then return { state = "done", reason = verdict.reason } end
  if kind == "effects" then return { state = "skipped", reason = shadow_reason(verdict.effects) } end
  if kind == "skip" then return { state = "skipped", reason = verdict.reason } end
  if kind == "fail" then return { state = "dead", reason = verdict.reason } end
  return M.retry(worker, job, rule, verdict.reason, { kind = "asked", after = verdict.after })
end

---Writes the verdict to the inbox, the metrics and the log.
---@param worker table
---@param job table after the attempt was counted
---@param outcome table { state=, reason=, works= (committed in the same transaction) }
function M.settle(worker, job, outcome)
  local reason = outcome.reason and short(outcome.reason) or nil
  local works = outcome.works or {}
  works[#works + 1] = {
    kind = "settle", sequence = job.sequence, rule = job.rule, state = outcome.state,
    reason = reason, attempt = job.attempt, due = outcome.state == "retry" and job.due or 0,
  }
  worker.jobs:settle(works)
  local taken = worker.scheduler.clock() - job.started
  worker.jobs:verdict(job.rule, outcome.state, taken)
  worker.log(outcome.state == "dead" and "error" or outcome.state == "retry" and "warn" or "info", "verdict", {
    rule = job.rule, event = job.sequence, type = job.event and job.event.type, verdict = outcome.state,
    reason = reason, attempt = job.attempt, ms = math.floor(taken * 10000 + 0.5) / 10,
  })
end

-- Effects.

---How long the sending of effects may take in all.
---@param worker table
---@param list table
---@return number seconds
function M.wall(worker, list)
  local seconds = 30
  for _, effect in ipairs(list) do
    local target = worker.settings.targets[effect.target]
    seconds = seconds + (target and tonumber(target.timeout) or 30)
  end
  return seconds
end

-- For people: nothing that may hold credentials, such as headers, a user in
-- the address, and its query.
local function request_text(request)
  local body = request.body and short(request.body)
  local url = request.url:gsub("^(%a+://)[^/?]*@", "%1"):gsub("%?.*$", "?…")
  return cjson.encode({ method = request.method, url = url, body = body }) or "{}"
end

-- Durable before anything is sent. Returns the inbox's answer.
local function record(worker, job, prepared)
  local works = {}
  for i, item in ipairs(prepared) do
    works[i] = {
      kind = "record", sequence = job.sequence, rule = job.rule, key = item.key,
      target = item.target, request = request_text(item.request),
    }
  end
  return scheduler.park(function(task)
    worker.ticket = worker.ticket + 1
    worker.tickets[worker.ticket] = task
    if not worker.jobs:record(works, worker.ticket) then
      worker.tickets[worker.ticket] = nil
      worker.scheduler:after(0, function() worker.scheduler:wake(task, { failed = true }) end)
    end
  end)
end

local TEMPORARY = { [408] = true, [425] = true, [429] = true }

-- A reply that is too long to be read has a status all the same.
local function judge(item, reply, rule)
  local status, target = reply.status or 0, item.target
  if status == 0 or reply.error and reply.code ~= "too_large" then
    local kind = reply.code or "network"
    return "unknown", ("target '%s': %s"):format(target, reply.error or "no answer"), kind
  elseif status >= 200 and status < 300 then
    return "sent"
  end
  local reason = ("target '%s' answered %d"):format(target, status)
  local again = TEMPORARY[status] or status >= 500 or rules.names_failure(rule, status)
  return "refused", reason, again and status or nil
end

local function retry_after(reply)
  local seconds = reply.headers and retries.after(reply.headers)
  return seconds and math.min(seconds, 24 * HOUR) or nil
end

local function outcome_work(job, item, state, status, reason)
  return {
    kind = "outcome", sequence = job.sequence, rule = job.rule, key = item.key, state = state,
    status = status, attempt = job.attempt + 1, reason = reason and short(reason),
  }
end

-- One effect. Returns its outcome as a work, and on failure the run's outcome.
local function send(worker, job, rule, item, known)
  if known == "held" then
    local reason = ("another run is to send the effect with the key %s"):format(item.key)
    return nil, M.retry(worker, job, rule, reason, { kind = "host" })
  end
  local reply = scheduler.request(item.request)
  local state, reason, temporary = judge(item, reply, rule)
  worker.jobs:effect(item.target, state)
  local work = outcome_work(job, item, state, reply.status or 0, reason)
  if state == "sent" then return work end
  if not temporary then return work, { state = "dead", reason = reason } end
  return work, M.retry(worker, job, rule, reason, { kind = temporary, least = retry_after(reply) })
end

---Records effects, sends those that were not sent, in order. Runs in a task.
---@param worker table
---@param job table
---@param rule table
---@param prepared table[] the effects of the decision
---@return table outcome
function M.carry_out(worker, job, rule, prepared)
  local ack = record(worker, job, prepared)
  if ack.failed then
    return M.retry(worker, job, rule, "the inbox does not store", { kind = "host", least = 1 })
  end
  local works = {}
  for i, item in ipairs(prepared) do
    if ack.states[i] == "over" then return { state = "dropped" } end
    if ack.states[i] ~= "sent" then
      -- Each outcome is told at once, and all again with the verdict: the inbox may refuse one.
      if #works > 0 then worker.jobs:settle({ works[#works] }) end
      local work, outcome = send(worker, job, rule, item, ack.states[i])
      works[#works + 1] = work
      if outcome then
        outcome.works = works
        return outcome
      end
    end
  end
  if #works == 0 then return { state = "done", reason = "sent before, under the same key" } end
  return { state = "done", works = works }
end

return M
