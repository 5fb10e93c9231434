-- Carrying effects out: recorded whole, then sent in order, each once by its key. The code of the rule does not run
-- here.
local cjson = require("cjson.safe").new()
local effects = require "altinn.events.rules.effects"
local logfmt = require "altinn.events.support.logfmt"
local outcomes = require "altinn.events.rules.engine.outcome"
local policy = require "altinn.events.rules.retry_policy"
local retries = require "altinn.events.client.retry"

local M = {}

local CHUNK = 64    -- effects that are recorded together
local TIMEOUT = 60  -- seconds: the longest that an effect takes whose target names no timeout
local DROPPED = outcomes.DROPPED

-- The breaker.

---Whether the target may be tried now: asked once an attempt for each target, because a target that is on trial lets
---one attempt through.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param target string
---@return table|nil outcome of the run when the target is to be left alone
function M.left_alone(job, ports, target)
  if not ports.admit then return nil end
  local admitted = outcomes.own(job, "admitted")
  if admitted[target] ~= nil then return nil end
  local seconds = ports.admit(target)
  if seconds then return outcomes.held(ports, target, seconds) end
  admitted[target] = true
end

---Tells the breaker of an attempt at a target.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param target string
---@param good boolean
function M.report(job, ports, target, good)
  if not ports.report then return end
  outcomes.own(job, "admitted")[target] = false
  ports.report(target, good)
end

local function is_good(result)
  return result.state == "sent" or result.state == "refused" and (result.kind ~= nil or (result.status or 0) < 500)
end

-- Sending.

-- The run's outcome after an effect that was not sent; `final`: because such an answer does not change.
local function failed(job, ports, item, result)
  local refused = result.state == "refused"
  local kind = result.kind or refused and result.status or nil
  local outcome = outcomes.failed(job, ports, {
    reason = result.reason, kind = kind, stage = result.stage, target = item.target, cause = result.cause,
    after = result.headers and retries.after(result.headers),
  })
  outcome.final = refused and outcome.state == "dead" and not policy.is_temporary(job.rule, kind)
  return outcome
end

---Sends an effect, and stores its outcome.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param item altinn.events.effect_item
---@param text string the record of the effect: the item's, or the one of an earlier attempt
---@return table|nil outcome of the effect; nil: it was not sent
---@return table|nil failure the run's outcome, unless the effect was sent
function M.send(job, ports, item, text)
  local request, message, judge = effects.carry(item, text, ports.targets)
  if not request then return nil, { state = "dead", reason = message } end
  if not ports.memory:holds(job) then return nil, DROPPED end
  local result = judge(ports.send(request, job, item))
  M.report(job, ports, item.target, is_good(result))
  local outcome = M.outcome(job, item, result)
  local failure = result.state ~= "sent" and failed(job, ports, item, result) or nil
  -- That a repetition was not sent, or not taken for now, says nothing of the attempt before it.
  if item.again and failure and not failure.final then outcome.state = "unknown" end
  ports.memory:sent(job, outcome)
  return outcome, failure
end

---The outcome of an effect as it is stored.
---@param job altinn.events.job
---@param item { key: string, target: string }
---@param result { state: string, status: integer|nil, answer: string|nil, reason: string|nil }
---@return table
function M.outcome(job, item, result)
  return {
    key = item.key, target = item.target, state = result.state, status = result.status or 0, answer = result.answer,
    reason = result.reason and logfmt.short(result.reason), attempt = job.failures + 1, version = outcomes.version(job),
  }
end

---Effects that certainly were not sent because one before them failed: the rule decides about them anew.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param items altinn.events.effect_item[]
---@param first integer the first of these in the list
---@return table[] outcomes which were stored
function M.give_up(job, ports, items, first)
  local list = {}
  for index = first, #items do
    local outcome = M.outcome(job, items[index],
      { state = "not_sent", reason = "an effect before it failed, so this one waits" })
    list[#list + 1] = outcome
    outcome.silent = true
    ports.memory:sent(job, outcome)
  end
  return list
end

-- A chunk of effects.

local function note_sent(job, item, owner, done)
  if job.own.finished_keys and job.own.finished_keys[item.key] then
    done.sent[#done.sent + 1] = item.target
  elseif owner ~= nil and owner ~= job.sequence then
    done.elsewhere[#done.elsewhere + 1] = ("event %s has sent %s"):format(tostring(owner), item.key)
  else
    done.before = done.before + 1
  end
end

-- An effect that another run left, whose outcome nobody knows and which has a probe: the probe is to be asked first,
-- so the attempt begins anew.
local function is_to_be_asked(job, state, text)
  if state ~= "unknown" or job.own.rounds > 2 then return false end
  local record = cjson.decode(text or "")
  if type(record) ~= "table" or not record.probe then return false end
  job.own.finished, job.own.recalled, job.fresh = nil, nil, nil
  return true
end

---The outcome of a run whose effect another run is to send: it tries again, and this is nobody's failure.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param item altinn.events.effect_item
---@return table
function M.waits_for_another(job, ports, item)
  return outcomes.failed(job, ports, { kind = "host",
    reason = ("another run is to send the effect with the key %s"):format(item.key) })
end

-- Carries one effect out by its state in the memory: sends it, unless it was sent before.
-- Returns the run's outcome when it failed, and whether this effect may have been sent.
local function carry(job, ports, item, state, text, owner, done)
  if state == "over" then return DROPPED end
  if state == "sent" then return note_sent(job, item, owner, done) end
  if state == "held" then return M.waits_for_another(job, ports, item) end
  item.again = state == "unknown"
  local outcome, failure = M.send(job, ports, item, item.again and text or item.text)
  if outcome then done.outcomes[#done.outcomes + 1] = outcome end
  if outcome and not failure then done.sent[#done.sent + 1] = item.target end
  return failure
end

local function known_of(job, ports, known, item, index)
  if ports.memory.claim then return ports.memory:claim(job, item) end
  return known.states[index], known.requests and known.requests[index], known.owners and known.owners[index]
end

-- The effects of a chunk that have not been tried when one fails are given up, except those that are not this run's.
local function give_up_rest(job, ports, chunk, known, index, done)
  local rest = {}
  for at = index + 1, #chunk do
    if known.states[at] == false then rest[#rest + 1] = chunk[at] end
  end
  for _, outcome in ipairs(M.give_up(job, ports, rest, 1)) do done.outcomes[#done.outcomes + 1] = outcome end
end

local function carry_chunk(job, ports, chunk, done)
  local known = ports.memory:record(job, chunk)
  if known.failed then return outcomes.not_stored(job, ports) end
  for index, item in ipairs(chunk) do
    local state, text, owner = known_of(job, ports, known, item, index)
    if is_to_be_asked(job, state, text) then
      give_up_rest(job, ports, chunk, known, index, done)
      return nil, true
    end
    local failure = carry(job, ports, item, state, text, owner, done)
    if failure then
      if failure ~= DROPPED then give_up_rest(job, ports, chunk, known, index, done) end
      return failure
    end
  end
end

-- The next effects that are recorded together. Those after one whose target is to be left alone are not recorded:
-- the run is held before it.
local function next_chunk(job, ports, items, first)
  local chunk = {}
  for index = first, math.min(first + CHUNK - 1, #items) do
    local held = M.left_alone(job, ports, items[index].target)
    if held then return chunk, held end
    chunk[#chunk + 1] = items[index]
  end
  return chunk
end

-- The sum.

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
---@return table|nil outcome `outcomes`: the outcomes of the last chunk; nil: the attempt is to decide again
function M.out(job, ports, items)
  local done = { sent = {}, before = 0, elsewhere = {}, outcomes = {} }
  local first, failure, again = 1, nil, nil
  while first <= #items and not failure do
    local chunk, held = next_chunk(job, ports, items, first)
    done.outcomes = {}
    if #chunk > 0 then failure, again = carry_chunk(job, ports, chunk, done) end
    if again then return nil end
    failure, first = failure or held, first + #chunk
  end
  if failure == DROPPED then return DROPPED end
  local outcome = failure or sum_up(done)
  outcome.outcomes = done.outcomes
  return outcome
end

---The longest time that it may take to carry these effects out.
---@param ports altinn.events.ports
---@param items altinn.events.effect_item[]
---@return number seconds
function M.longest(ports, items)
  local seconds = 30
  for _, item in ipairs(items) do
    local target = ports.targets[item.target]
    seconds = seconds + (target and tonumber(target.timeout) or TIMEOUT) + 1
  end
  return seconds
end

return M
