-- The engine: turns a run (an event and a rule that wants it) into a verdict, effects, retries and a line of the log.
-- It knows neither host nor nginx nor clock: those are its ports.
local events = require "altinn.events"
local duration = require "altinn.events.support.duration"
local effects = require "altinn.events.rules.effects"
local language = require "altinn.events.rules.language"
local logfmt = require "altinn.events.support.logfmt"
local place = require "altinn.events.rules.place"
local policy = require "altinn.events.rules.retry_policy"
local retries = require "altinn.events.client.retry"
local suggest = require "altinn.events.support.suggest"
local texts = require "altinn.events.support.text"
local things = require "altinn.events.rules.thing"

local M = {}

local CHUNK = 64  -- effects that are recorded together, or prepared before others have their turn
-- An event may arrive before its letter can be read. A run that does not find its letter is retried once, after
-- FRESH_PAUSE seconds, when its event arrived less than FRESH_SECONDS ago.
local FRESH_SECONDS, FRESH_PAUSE = 60, 10

---@class altinn.events.job
---A run. The engine writes `made`, and `started` when it begins.
---@field rule table of altinn.events.rules.loading
---@field event table
---@field sequence any the event's name in the log
---@field failures integer earlier attempts that failed
---@field tries integer|nil all earlier attempts, also those that ended in `later`; `failures` when left out
---@field since number|nil when the first failed attempt began: seconds since 1970
---@field received number when the event came: seconds since 1970
---@field came_by string|nil "push" when left out
---@field subscription string|nil

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
---@field ladder (fun(job: table): number|nil)|nil seconds until the last attempt that the host can make; nil: no end

---@class altinn.events.memory
---@field record fun(self: table, job: table, items: table[]): table (waits) records effects and gives their states:
---  { states = { false | "sent" | "held" | "over" | "unknown" }, requests = { [i] = text }, owners = { [i] =
---  sequence } }, or { failed = true }. "unknown": the effect was recorded before and may have been sent; then
---  requests[i] is the text of that record. owners: the events that sent the effects with state "sent"
---@field claim (fun(self: table, job: table, item: table): any, string|nil, any)|nil (waits) the state, text and
---  owner of one effect, just before it is sent; nil: the engine uses those of `record`
---@field sent fun(self: table, job: table, outcome: table) stores the outcome of one effect, at once
---@field settle fun(self: table, job: table, settlement: table, outcomes: table[]) stores the end of the attempt
---  together with the last outcomes; see settlement_of
---@field holds fun(self: table, job: table): boolean whether the run was not taken back

-- The outcome of a run that was taken back (by hand, or by new rules): it is neither stored nor logged.
local DROPPED = { state = "dropped" }
local Dropped = setmetatable({}, { __tostring = function() return "the run was taken back" end })

local function now(ports) return (ports.clock()) end

local function check_held(job, ports)
  if not ports.memory:holds(job) then error(Dropped, 0) end
end

-- The arguments of a body.

local function thing_of(job, ports)
  local meaning = events.describe(job.event)
  if not meaning or not meaning.about then return nil end
  return things.new(job.rule, { id = meaning.id, kind = meaning.about }, function()
    check_held(job, ports)
    return ports.ask(job)
  end)
end

---The `log` of rules: log(…) and log.info(…), log.debug, log.warn (or log.warning), log.error.
---@param log fun(level: string, message: string, fields: table)
---@param job_of fun(): table|nil the run whose body writes the line
---@return table
function M.log(log, job_of)
  local function writer(level)
    return function(...)
      local parts, job = { ... }, job_of() or {}
      for index = 1, select("#", ...) do parts[index] = tostring(parts[index]) end
      log(level, "rule", { rule = job.rule and job.rule.name, event = job.sequence, reason = table.concat(parts, " ") })
    end
  end
  local own = { debug = writer "debug", info = writer "info", warn = writer "warn", error = writer "error" }
  own.warning = own.warn
  return setmetatable(own, { __name = "altinn.events.log", __call = function(_, ...) return own.info(...) end })
end

local MEMBERS = language.context

-- The metatables of contexts, by the log that they write to. Each context makes its own `log` when a body reads it, so
-- that a rule cannot change another rule's.
local contexts = setmetatable({}, { __mode = "k" })

local function context_of(log)
  contexts[log] = contexts[log] or { __name = "altinn.events.context", __index = function(self, name)
    if name == "log" then
      rawset(self, "log", M.log(log, place.run))
      return rawget(self, "log")
    elseif not MEMBERS[name] then
      place.mistake(("there is no '%s' in context%s"):format(tostring(name), suggest.hint(tostring(name), MEMBERS)), 2)
    end
  end }
  return contexts[log]
end

---The third argument of a body.
---@param job altinn.events.job
---@param log fun(level: string, message: string, fields: table)
---@return table
function M.context(job, log)
  return setmetatable({
    attempt = (job.tries or job.failures) + 1, received = job.received, sequence = job.sequence,
    subscription = job.subscription, came_by = job.came_by or "push",
  }, context_of(log))
end

-- From a body's value to a decision.

-- The values of a verdict are copied here. The engine does not read the rule's own table later.
local function text_of(value, what)
  if type(value) == "string" then return value end
  error(("the %s of the verdict must be a text, not a %s"):format(what, type(value)), 0)
end

local function seconds_of(value)
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
  return { verdict = "later", reason = text_of(verdict.reason, "reason"), after = seconds_of(verdict.after) }
end

local function prepare_one(job, ports, effect, index)
  local target = tostring(effect.target)
  if not language.may(job.rule, "send:" .. target) then
    return nil, ("the rule may not send to target '%s': \"send:%s\" is missing in its may"):format(target, target)
  end
  local meaning = events.describe(job.event)
  return effects.prepare(effect, {
    rule = job.rule.name, event = job.event, thing = meaning and meaning.about and meaning or nil, place = index,
  }, ports.targets)
end

local function prepare(job, ports, list)
  local items, seen = {}, {}
  for index, effect in ipairs(list) do
    local item, message = prepare_one(job, ports, effect, index)
    if not item then return nil, message end
    if seen[item.key] then return nil, ("two effects have the key %s: each needs its own"):format(item.key) end
    seen[item.key], items[index] = true, item
    if index % CHUNK == 0 and ports.rest then ports.rest() end
  end
  return items
end

local function decision_of(job, ports, value, why)
  local verdict, message = language.verdict(value, why)
  if not verdict then return { mistake = ("%s: %s"):format(place.of(job.rule.run), message) } end
  message = language.unreturned(job.made, value)
  if message then return { mistake = message } end
  local list = verdict.effects or verdict.verdict == "effect" and { verdict }
  if not list then
    local copy = copies[verdict.verdict]
    if copy then return copy(verdict) end
    return { mistake = ("a rule cannot return the verdict '%s'"):format(tostring(verdict.verdict)) }
  end
  local items
  items, message = prepare(job, ports, list)
  if not items then return { verdict = "fail", reason = ("%s: %s"):format(place.of(job.rule.run), message) } end
  return { verdict = "effects", items = items }
end

---Runs the body and reads its value completely. The body and the metamethods of its value are the rule's code, so the
---caller must have set the rule's limits. Raises the errors of the body.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return table decision { verdict = "done"|"skip"|"later"|"fail", reason, after }, { verdict = "effects", items }, or
---  { mistake = text } when the value is no verdict
function M.decide(job, ports)
  job.made = {}
  return decision_of(job, ports, job.rule.run(job.event, thing_of(job, ports), M.context(job, ports.log)))
end

-- From a decision, or a failure, to an outcome.

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

local function too_early(job, ports, failure)
  return failure.code == "not_found" and job.failures == 0 and now(ports) - job.received < FRESH_SECONDS
end

---The outcome of a body that raised. When a call to Altinn failed permanently the run is dead; any other error is
---retried.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param raised any
---@param text string the error with its traceback
---@return table outcome
function M.raised(job, ports, raised, text)
  if raised == Dropped then return DROPPED end
  local failure = things.failure(raised)
  if not failure then return M.failed(job, ports, { reason = place.traceback(text), kind = "error" }) end
  local reason, status = ("%s (%s)"):format(failure.message, failure.code), failure.detail.status
  if too_early(job, ports, failure) then
    return M.failed(job, ports, { reason = reason, kind = failure.code, pause = FRESH_PAUSE })
  end
  if things.is_permanent(failure) and not (status and language.names_failure(job.rule, status)) then
    return { state = "dead", reason = reason }
  end
  return M.failed(job, ports,
    { reason = reason, kind = failure.code, status = status, after = failure.detail.retry_after })
end

local STATES = { done = "done", skip = "skipped", fail = "dead" }

---The outcome of a decision without effects.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param decision table of M.decide
---@return table|nil outcome nil: the decision has effects, for carry_out
function M.outcome(job, ports, decision)
  if decision.mistake then return M.failed(job, ports, { reason = decision.mistake, kind = "error" }) end
  if decision.verdict == "effects" then return nil end
  if decision.verdict == "later" then return policy.wished(run_of(job, ports), decision) end
  return { state = STATES[decision.verdict], reason = decision.reason }
end

-- Effects.

local function refused(job, ports, result)
  local temporary = result.state ~= "refused" or policy.is_temporary(job.rule, result.status)
  if not temporary then return { state = "dead", reason = result.reason } end
  return M.failed(job, ports, {
    reason = result.reason, kind = result.state == "refused" and result.status or result.kind,
    after = result.headers and retries.after(result.headers),
  })
end

-- Sends one effect -> the effect's outcome; and, unless it was sent, the run's outcome.
local function send(job, ports, item, text)
  local request, message, judge = effects.carry(item, text, ports.targets)
  if not request then return nil, { state = "dead", reason = message } end
  if not ports.memory:holds(job) then return nil, DROPPED end
  local result = judge(ports.send(request, job, item))
  local outcome = {
    key = item.key, target = item.target, state = result.state, status = result.status or 0, answer = result.answer,
    reason = result.reason and logfmt.short(result.reason), attempt = job.failures + 1,
  }
  ports.memory:sent(job, outcome)
  return outcome, result.state ~= "sent" and refused(job, ports, result) or nil
end

-- Carries one effect out by its state in the memory: sends it, unless it was sent before.
local function carry(job, ports, item, state, text, owner, done)
  if state == "over" then return DROPPED end
  if state == "sent" then
    local other = owner ~= nil and owner ~= job.sequence
    done.elsewhere[#done.elsewhere + 1] = other and ("event %s has sent %s"):format(tostring(owner), item.key) or nil
    done.before = done.before + (other and 0 or 1)
    return nil
  elseif state == "held" then
    return M.failed(job, ports, { kind = "host",
      reason = ("another run is to send the effect with the key %s"):format(item.key) })
  end
  local outcome, failure = send(job, ports, item, state == "unknown" and text or item.text)
  if outcome then done.outcomes[#done.outcomes + 1] = outcome end
  if outcome and not failure then done.sent[#done.sent + 1] = item.target end
  return failure
end

local function carry_chunk(job, ports, chunk, done)
  local known = ports.memory:record(job, chunk)
  if known.failed then return M.failed(job, ports, { reason = "the inbox does not store", kind = "host" }) end
  for index, item in ipairs(chunk) do
    local state, text, owner
    if ports.memory.claim then state, text, owner = ports.memory:claim(job, item)
    else state, text, owner = known.states[index], known.requests and known.requests[index],
      known.owners and known.owners[index] end
    local failure = carry(job, ports, item, state, text, owner, done)
    if failure then return failure end
  end
end

local function names_text(list)
  local count, names = {}, {}
  for _, name in ipairs(list) do
    if not count[name] then names[#names + 1] = name end
    count[name] = (count[name] or 0) + 1
  end
  for index, name in ipairs(names) do
    if count[name] > 1 then names[index] = ("%s (%d)"):format(name, count[name]) end
  end
  return table.concat(names, ", ")
end

local function sum_up(done)
  local parts = {}
  if #done.sent > 0 then parts[1] = "sent to " .. names_text(done.sent) end
  if done.before > 0 then parts[#parts + 1] = ("%d sent before"):format(done.before) end
  for index = 1, math.min(#done.elsewhere, 3) do parts[#parts + 1] = "not sent: " .. done.elsewhere[index] end
  local elsewhere_alone = #done.sent == 0 and done.before == 0 and #done.elsewhere > 0
  return { state = elsewhere_alone and "skipped" or "done", reason = table.concat(parts, "; ") }
end

---Records effects, and sends those in order that were not sent before. Stops at the first failure.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param items altinn.events.effect_item[]
---@return table outcome `outcomes`: the outcomes of the last chunk
function M.carry_out(job, ports, items)
  local done = { sent = {}, before = 0, elsewhere = {} }
  local failure
  for first = 1, #items, CHUNK do
    local chunk = {}
    for index = first, math.min(first + CHUNK - 1, #items) do chunk[#chunk + 1] = items[index] end
    done.outcomes = {}
    failure = carry_chunk(job, ports, chunk, done)
    if failure then break end
  end
  if failure == DROPPED then return DROPPED end
  local outcome = failure or sum_up(done)
  outcome.outcomes = done.outcomes
  return outcome
end

---The longest time that carry_out may take for these effects.
---@param ports altinn.events.ports
---@param items altinn.events.effect_item[]
---@return number seconds
function M.longest(ports, items)
  local seconds = 30
  for _, item in ipairs(items) do
    local target = ports.targets[item.target]
    seconds = seconds + (target and tonumber(target.timeout) or 30) + 1
  end
  return seconds
end

-- The end.

local LEVELS = { dead = "error", retry = "warn", later = "info", done = "info", skipped = "info" }

local function settlement_of(job, ports, outcome)
  local wall, clock = ports.clock()
  local again = outcome.state == "retry" or outcome.state == "later"
  local failures = job.failures + ((again and not outcome.counted) and 0 or 1)
  return {
    state = outcome.state, reason = logfmt.short(outcome.reason), attempt = failures,
    tries = (job.tries or job.failures) + 1, taken = clock - (job.started or clock),
    due = again and wall + outcome.pause or nil,
    since = outcome.state == "retry" and (job.since or outcome.counted and (job.began or wall)) or nil,
  }
end

---Writes the end of an attempt to the memory and to the log.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param outcome table
---@return table outcome the same
function M.settle(job, ports, outcome)
  if outcome == DROPPED or not ports.memory:holds(job) then return DROPPED end
  local settlement = settlement_of(job, ports, outcome)
  ports.memory:settle(job, settlement, outcome.outcomes or {})
  ports.log(LEVELS[outcome.state], "verdict", {
    rule = job.rule.name, event = job.sequence, type = job.event and job.event.type, verdict = outcome.state,
    reason = settlement.reason .. (outcome.pause and ("; again in %s"):format(duration.text(outcome.pause)) or ""),
    attempt = (job.tries or job.failures) + 1, ms = math.floor(settlement.taken * 10000 + 0.5) / 10,
  })
  return outcome
end

---Begins a run; false when it was taken back.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return boolean
function M.begin(job, ports)
  if not ports.memory:holds(job) then return false end
  job.began, job.started = ports.clock()
  return true
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
---@return table outcome { state: "done"|"skipped"|"dead"|"retry"|"later"|"dropped", reason, pause, after } pause:
---  seconds until the next attempt; after: the seconds that a server or the rule asked for
function M.run(job, ports)
  if not M.begin(job, ports) then return DROPPED end
  local decision, outcome = protect(job, ports)
  if decision then outcome = M.outcome(job, ports, decision) or M.carry_out(job, ports, decision.items) end
  return M.settle(job, ports, outcome)
end

return M
