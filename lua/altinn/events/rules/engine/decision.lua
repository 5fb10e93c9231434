-- From a body's value to a decision: all that is asked of the value is asked here, so that the engine does not read
-- the rule's own tables later.
local calendar = require "altinn.events.rules.calendar"
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local json = require "altinn.events.support.json"
local language = require "altinn.events.rules.language"
local place = require "altinn.events.rules.place"
local recall = require "altinn.events.rules.engine.recall"

local M = {}

local CHUNK = 64  -- effects that are prepared before others have their turn

-- The values of a verdict are copied here.
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

-- Effects.

---What is wrong with an effect for the target, by the powers of the job's rule.
---@param job altinn.events.job
---@param target string
---@return string|nil message
function M.power_fault(job, target)
  if language.may(job.rule, "send:" .. target) then return nil end
  return ("the rule may not send to target '%s': \"send:%s\" is missing in its may"):format(target, target)
end

local function prepare_one(job, ports, effect, about)
  local target = tostring(effect.target)
  local message = M.power_fault(job, target)
  if message then return nil, message end
  if effect.probe ~= nil and not job.rule.bodies[effect.probe] then
    return nil, ("the probe of the effect for target '%s': %s"):format(target,
      language.no_body(tostring(effect.probe), job.rule.bodies))
  end
  return effects.prepare(effect, about, ports.targets)
end

local function prepare(job, ports, list)
  local items, seen, meaning = {}, {}, events.describe(job.event)
  local about = { rule = job.rule.name, event = job.event, thing = meaning and meaning.about and meaning or nil,
    pseudonym = ports.pseudonym, now = (ports.clock()) }
  for index, effect in ipairs(list) do
    about.place = index
    local item, message = prepare_one(job, ports, effect, about)
    if not item then return nil, message end
    if seen[item.key] then return nil, ("two effects have the key %s: each needs its own"):format(item.key) end
    seen[item.key], items[index] = true, item
    if index % CHUNK == 0 and ports.rest then ports.rest() end
  end
  return items
end

-- Timers.

local function milliseconds(seconds) return math.floor(seconds * 1000 + 0.5) end

-- The timer as JSON: { set =, due =, key =, with = }, times in milliseconds.
local function timer_text(timer, set, with)
  local text = assert(json.encode { set = milliseconds(set), due = milliseconds(timer.due), key = timer.key })
  return with and text:sub(1, -2) .. ',"with":' .. with .. "}" or text
end

local function timer_of(job, ports, wanted)
  if wanted == nil then return nil end
  if not ports.memory.keeps_timers then
    return nil, "later { … } needs the host: nothing here keeps a timer; retry_after may do"
  end
  local run = wanted.run or "run"
  if not job.rule.bodies[run] then return nil, "later: " .. language.no_body(tostring(run), job.rule.bodies) end
  local now = (ports.clock())
  local due, message = calendar.resolve(wanted.at, now, ports.holidays)
  if not due then return nil, message end
  local timer = {
    due = math.max(due, now), run = run, key = wanted.key or "", thing = recall.thing(job.event),
    cancel = wanted.cancel and #wanted.cancel > 0 and table.concat(wanted.cancel, "\n") or nil,
  }
  timer.text = timer_text(timer, now, wanted.with)
  return timer
end

-- What is to be remembered, with its end as a time.
local function memory_of(job, ports, list)
  if not list or #list == 0 then return nil end
  local now, thing, changes = (ports.clock()), recall.thing(job.event), {}
  for index, one in ipairs(list) do
    changes[index] = { thing = thing, name = one.name, value = one.value, expires = one.expires and now + one.expires }
  end
  return changes
end

-- Decisions.

local function faulty(at, message) return { verdict = "fail", reason = ("%s: %s"):format(at, message) } end

local function composed(job, ports, verdict, body)
  local items, timer, message
  items, message = prepare(job, ports, verdict.effects)
  if not items then return faulty(place.of(body), message) end
  timer, message = timer_of(job, ports, verdict.timer)
  if message then return faulty(verdict.timer.where or place.of(body), message) end
  return {
    verdict = "effects", items = items, timer = timer, memory = memory_of(job, ports, verdict.memory),
    reason = verdict.reason,
  }
end

---Reads the value of a body completely. The metamethods of the value are the rule's code.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param body function that gave the value
---@param value any
---@param why any its second value
---@return table decision { verdict = "done"|"skip"|"later"|"fail", reason, after }, { verdict = "effects", items,
---  timer, memory, reason }, or { mistake = text } when the value is no verdict
function M.of(job, ports, body, value, why)
  local verdict, message = language.verdict(value, why)
  if not verdict then return { mistake = ("%s: %s"):format(place.of(body), message) } end
  message = language.unreturned(job.made, value)
  if message then return { mistake = message } end
  if verdict.effects then return composed(job, ports, verdict, body) end
  local copy = copies[verdict.verdict]
  if copy then return copy(verdict) end
  return { mistake = ("a rule cannot return the verdict '%s'"):format(tostring(verdict.verdict)) }
end

return M
