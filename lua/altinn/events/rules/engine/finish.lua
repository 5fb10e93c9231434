-- Finishing: effects that an earlier attempt of the run recorded, and of which nobody knows whether they were sent,
-- come before everything else. The rule's probe is asked where there is one, else the same bytes go out again.
local cjson = require("cjson.safe").new()
local carry = require "altinn.events.rules.engine.carry"
local context = require "altinn.events.rules.engine.context"
local decisions = require "altinn.events.rules.engine.decision"
local effects = require "altinn.events.rules.effects"
local language = require "altinn.events.rules.language"
local outcomes = require "altinn.events.rules.engine.outcome"
local place = require "altinn.events.rules.place"
local recall = require "altinn.events.rules.engine.recall"

local M = {}

local NONE = {}

local function item_of(effect)
  local record = cjson.decode(effect.request or "")
  record = type(record) == "table" and record or {}
  return {
    key = effect.key, target = effect.target, text = effect.request, record = record, kind = record.kind or "http",
    probe = record.probe, again = true,
  }
end

-- Asks the rule's probe about an effect -> "sent" or "not_sent"; raises the probe's errors.
local function answer_of(job, ports, item)
  local probe = job.rule.bodies[item.probe]
  if not probe then
    error(("nobody knows whether the effect %s was sent, and its probe is gone: %s; put it back, to say sent or"
      .. " not_sent"):format(item.key, language.no_body(tostring(item.probe), job.rule.bodies)), 0)
  end
  job.made, job.body, job.own.asked = {}, probe, item
  local value = probe(job.event, context.thing(job, ports), context.new(job, ports))
  job.own.asked = nil
  if value == language.sent then return "sent" end
  if value == language.not_sent then return "not_sent" end
  error(("%s: the probe '%s' returns sent or not_sent, not a %s"):format(place.of(probe), item.probe, type(value)), 0)
end

local REASONS = { sent = "the probe says that it was sent", not_sent = "the probe says that it was not sent" }

-- Stores what a probe said. After an effect that was not sent none was: effects are sent in order.
local function note(job, ports, items, index, state)
  local item = items[index]
  local outcome = carry.outcome(job, item, { state = state, reason = REASONS[state] })
  ports.memory:sent(job, outcome)
  local stored = outcomes.own(job, "outcomes")
  stored[#stored + 1] = outcome
  if state == "sent" then
    outcomes.own(job, "finished_keys")[item.key] = true
    return
  end
  for _, one in ipairs(carry.give_up(job, ports, items, index + 1)) do stored[#stored + 1] = one end
end

---Asks the probes of the effects that are not finished. Runs code of the rule; raises the errors of the probes.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return altinn.events.effect_item[] items that are to be sent again
---@return table|nil outcome of the run, when a target is to be left alone
function M.ask(job, ports)
  local left = recall.of_run(job, ports).effects
  if #left == 0 or job.rule.shadow then return NONE end
  local items, again = {}, {}
  for index, effect in ipairs(left) do items[index] = item_of(effect) end
  for index, item in ipairs(items) do
    if not item.probe then
      again[#again + 1] = item
    else
      local held = carry.left_alone(job, ports, item.target)
      if held then return again, held end
      local state = answer_of(job, ports, item)
      note(job, ports, items, index, state)
      if state == "not_sent" then break end
    end
  end
  return again
end

-- Sends one effect again with the bytes that were recorded -> the run's outcome when it failed. An effect that is
-- refused for good is forgotten, and the body decides anew.
local function again(job, ports, item)
  local fault = decisions.power_fault(job, item.target)
  if not effects.kinds[item.kind] then fault = "what was recorded of it cannot be read" end
  if fault then return { state = "dead", reason = ("%s: %s"):format(item.key, fault) } end
  local held = carry.left_alone(job, ports, item.target)
  if held then return held end
  local state = ports.memory.claim and ports.memory:claim(job, item)
  if state == "sent" then return nil end
  if state == "held" then return carry.waits_for_another(job, ports, item) end
  local outcome, failure = carry.send(job, ports, item, item.text)
  local stored = outcomes.own(job, "outcomes")
  stored[#stored + 1] = outcome
  if outcome and not failure then outcomes.own(job, "finished_keys")[item.key] = true end
  if failure and failure.final then return nil end
  return failure
end

---Sends effects again.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@param items altinn.events.effect_item[]
---@return table|nil outcome of the run when one failed; nil: all are finished, and the body may decide
function M.out(job, ports, items)
  for _, item in ipairs(items) do
    local failure = again(job, ports, item)
    if failure then return failure end
  end
  job.own.finished = true
end

return M
