-- The arguments of a body beside its event: the thing that the event is about, and the context.
local carry = require "altinn.events.rules.engine.carry"
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local language = require "altinn.events.rules.language"
local outcomes = require "altinn.events.rules.engine.outcome"
local place = require "altinn.events.rules.place"
local recall = require "altinn.events.rules.engine.recall"
local suggest = require "altinn.events.support.suggest"
local things = require "altinn.events.rules.thing"
local url = require "altinn.events.support.url"

local M = {}

--- The function that gives a run the client of Altinn.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return fun(): table|nil, string|nil, string|nil
function M.ask(job, ports)
  return function()
    outcomes.check_held(job, ports)
    return ports.ask(job)
  end
end

--- The thing that the event is about; nil when it names none.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return table|nil
function M.thing(job, ports)
  local meaning = events.describe(job.event)
  if not meaning or not meaning.about then return nil end
  return things.new(job.rule, { id = meaning.id, kind = meaning.about }, M.ask(job, ports))
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

-- Memory.

-- Whether pairs looks at __pairs: Lua 5.2 and later, and some builds of LuaJIT.
local GUARDED = pairs(setmetatable({}, { __pairs = function() return false end })) == false

local function is_read_only(_, name)
  place.mistake(("context.memory is what was remembered: return remember { %s = … } to change it")
    :format(tostring(name)), 2)
end

local function read_only(values)
  local meta = { __name = "altinn.events.memory", __newindex = is_read_only }
  if not GUARDED then return setmetatable(values, meta) end
  meta.__index = values
  function meta.__pairs() return next, values, nil end
  return setmetatable({}, meta)
end

local function memory_of(job, ports)
  local values = {}
  for name, text in pairs(recall.all(job, ports).memory) do values[name] = recall.decoded(text) end
  return read_only(values)
end

local function timer_of(job)
  local timer = job.timer and recall.decoded(job.timer)
  return timer and { set = timer.set / 1000, due = timer.due / 1000, with = timer.with } or nil
end

-- The members of the context of a probe.

local function effect_of(asked)
  local effect = { key = asked.key, target = asked.target, kind = asked.kind }
  for name, value in pairs(asked.record) do
    if effect[name] == nil and name ~= "probe" then effect[name] = value end
  end
  return effect
end

-- context.get(path): asks the target of the effect, with the target's own address and headers.
local function get_of(job, ports, asked)
  return function(path)
    local target = ports.targets[asked.target]
    if not (target and target.url) then
      place.mistake(("target '%s' has no url, so context.get cannot ask it"):format(asked.target), 2)
    end
    local fault = type(path) ~= "string" and "context.get wants a path" or url.path_fault(path)
    if fault then place.mistake(fault, 2) end
    outcomes.check_held(job, ports)
    local request = effects.kinds.http.request({ method = "GET", path = path, headers = {} }, target, asked.key)
    request.headers["Idempotency-Key"], request.body = nil, nil
    local reply = ports.send(request, job, asked)
    local status = reply.status or 0
    carry.report(job, ports, asked.target, status > 0 and status < 500)
    if status == 0 or reply.error then
      error(("target '%s' cannot be asked about %s: %s"):format(asked.target, asked.key, reply.error or "no answer"), 0)
    end
    return { status = status, headers = reply.headers or {}, body = reply.body or "" }
  end
end

-- Contexts.

local MEMBERS = language.context

-- Members that are made when a body reads them, each for the run that runs; absent ones are nil.
local made = {}
function made.log(_, ports) return M.log(ports.log, place.run) end
function made.memory(job, ports) return memory_of(job, ports) end
function made.timer(job) return timer_of(job) end
function made.effect(job) return job.own.asked and effect_of(job.own.asked) end
function made.get(job, ports) return job.own.asked and get_of(job, ports, job.own.asked) end

local IN_PROBES = { effect = true, get = true }

local function member_of(self, name, ports)
  local make, job = made[name], place.run()
  if not make then
    if MEMBERS[name] then return nil end
    place.mistake(("there is no '%s' in context%s"):format(tostring(name), suggest.hint(tostring(name), MEMBERS)), 3)
  end
  if not job and name ~= "log" then return nil end
  if job and job.sequence ~= rawget(self, "sequence") then
    place.mistake("this context is of another run, which is over: do not keep it", 3)
  end
  local value = make(job, ports)
  if not value and IN_PROBES[name] then
    place.mistake(("context.%s is there in a probe only, which is asked about an effect"):format(name), 3)
  end
  rawset(self, name, value)
  return value
end

-- The metatables of contexts, by the ports of their host. Each context makes its own `log` when a body reads it, so
-- that a rule cannot change another rule's.
local contexts = setmetatable({}, { __mode = "k" })

local function class_of(ports)
  contexts[ports] = contexts[ports] or { __name = "altinn.events.context", __index = function(self, name)
    local value = member_of(self, name, ports)
    return value
  end }
  return contexts[ports]
end

---The third argument of a body.
---@param job altinn.events.job
---@param ports altinn.events.ports
---@return table
function M.new(job, ports)
  return setmetatable({
    attempt = (job.tries or job.failures) + 1, received = job.received, sequence = job.sequence,
    subscription = job.subscription, came_by = job.came_by or "push", repeats = job.repeats or 0,
  }, class_of(ports))
end

return M
