-- What the memory holds of a run from earlier attempts, and of its letter from earlier events: asked once an attempt,
-- and only where something needs it.
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local outcomes = require "altinn.events.rules.engine.outcome"
local things = require "altinn.events.rules.thing"

local M = {}

local NOTHING = { steps = {}, memory = {}, effects = {} }

--- The thing of an event as a text, by which memory and timers are kept: "letter:0198…"; an event without a thing is
--- its own.
---@param event table
---@return string
function M.thing(event)
  return things.name_of(event) or "event:" .. effects.event_part(event)
end

--- What the memory holds. Waits; ends the attempt when the memory does not answer.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return { steps: table[], memory: table<string, string>, effects: table[] }
function M.all(job, ports)
  local own = job.own
  if own.recalled then return own.recalled end
  if not ports.memory.recall then return NOTHING end
  local known = ports.memory:recall(job, M.thing(job.event))
  if known.over then outcomes.stop(job, outcomes.DROPPED) end
  if known.failed then
    outcomes.stop(job, outcomes.failed(job, ports, { reason = "the inbox does not answer", kind = "host" }))
  end
  own.recalled = known
  return known
end

--- The same for what earlier attempts of this run left: a fresh run has left nothing, and nobody is asked.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return table
function M.of_run(job, ports)
  if job.fresh and not job.own.recalled then return NOTHING end
  return M.all(job, ports)
end

local ENVELOPE = '{"specversion":"1.0","id":"-","source":"-","type":"-","data":%s}'

--- A JSON text as a value; null is nil. Read as the data of events are: whole numbers stay integers, empty arrays stay
--- arrays (lua-cjson makes 3 a 3.0).
---@param text string
---@return any
function M.decoded(text)
  local envelope = ENVELOPE:format(text)
  local event = events.parse(envelope, { max_bytes = #envelope })
  local value = event and event.data
  if value == events.null then return nil end
  return value
end

return M
