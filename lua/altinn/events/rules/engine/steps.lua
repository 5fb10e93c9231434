-- step(name, fn): calls fn once a run. Its result is stored before the body goes on, so that later attempts find it by
-- the step's name: after a failure, after a crash, and with an edited rule.
local language = require "altinn.events.rules.language"
local outcomes = require "altinn.events.rules.engine.outcome"
local place = require "altinn.events.rules.place"
local recall = require "altinn.events.rules.engine.recall"

local M = {}

local RESULT_BYTES = 256 * 1024

local function check(job, ports, name)
  local own = job.own
  if own.asked then place.mistake("a probe only asks: there is no step in it", 3) end
  if own.step then place.mistake(("step %q stands inside of step %q"):format(name, own.step), 3) end
  if own.steps and own.steps[name] then
    place.mistake(("step %q is there twice in one run: each needs its own name"):format(name), 3)
  end
  if ports.may_wait and not ports.may_wait() then
    place.mistake(("step %q cannot wait here (inside a C function such as table.sort or string.gsub)"):format(name), 3)
  end
end

-- The stored result of a step, as JSON.
local function known(job, ports, name)
  local recalled = recall.of_run(job, ports)
  if job.own.known_of ~= recalled then
    job.own.known_of, job.own.known = recalled, {}
    for _, step in ipairs(recalled.steps) do job.own.known[step.name] = step.result end
  end
  return job.own.known[name]
end

-- Stores a result. A rule in the shadow has done nothing, so nothing is stored of it.
local function store(job, ports, name, text)
  if job.rule.shadow or not ports.memory.step then return end
  local answer = ports.memory:step(job, name, job.own.step_count, text)
  if answer == "over" then outcomes.stop(job, outcomes.DROPPED) end
  if not answer then outcomes.stop(job, outcomes.not_stored(job, ports)) end
end

-- Calls fn; its first result is the step's. An error in it is the body's, and is not stored.
local function called(job, name, fn)
  job.own.step = name
  local ok, value = pcall(fn)
  job.own.step = nil
  if not ok then error(value, 0) end
  return value
end

local function recorded(name, value)
  if value == nil then return "null" end
  local text, message = language.recordable(value, ("the result of step %q"):format(name), RESULT_BYTES)
  if not text then place.mistake(message, 3) end
  return text
end

--- What the word `step` calls in a body of the run that runs; the word has checked its arguments.
---@param name string
---@param fn fun(): any
---@return any result
function M.step(name, fn)
  local job = place.run()
  local own, ports = job.own, job.own.ports
  if own.ended then outcomes.stop(job, own.ended) end
  check(job, ports, name)
  outcomes.check_held(job, ports)
  outcomes.own(job, "steps")[name], own.step_count = true, own.step_count + 1
  local text = known(job, ports, name)
  if not text then
    text = recorded(name, called(job, name, fn))
    store(job, ports, name, text)
  end
  return recall.decoded(text)
end

return M
