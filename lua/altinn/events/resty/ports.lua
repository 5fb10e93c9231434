-- The ports of the engine (altinn.events.rules.engine) in nginx: its clock, its cosockets, and a shared dict as memory.
-- Altinn's own redeliveries are the queue: a request whose runs are not settled is answered 503, and Altinn sends the
-- event again.
-- luacheck: globals ngx
local deliveries = require "altinn.events.rules.delivery"
local http = require "altinn.events.resty.http"
local log = require "altinn.events.resty.log"
local tokens = require "altinn.events.resty.tokens"

local M = {}

local WAIT_SECONDS = 20  -- for another run that is sending the same effect
local MARGIN = 30        -- seconds that an effect may take beyond the target's timeout
-- Seconds after the first delivery at which a run is given up. Altinn's last delivery comes after some 35 hours; a run
-- that still waited then would never be reported as dead.
local LADDER = 34 * 3600

-- The engine's memory. A job has, besides the engine's, `key` (the event's), `alone` (no other rule wants the event)
-- and `locks` (of the effects that it is sending).
local Memory = {}
Memory.__index = Memory

function Memory.holds() return true end

-- Records nothing: `claim` records each effect just before it is sent.
function Memory.record() return { states = {} } end

-- Takes the lock of an effect, over all workers: only the run that has it sends the effect.
local function lock_effect(self, job, item)
  local name = "effect " .. item.key
  if job.locks[name] then return true end
  local target = self.targets[item.target]
  job.locks[name] = self.dict:lock(name, WAIT_SECONDS, (target and tonumber(target.timeout) or 30) + MARGIN)
  return job.locks[name] ~= nil
end

function Memory:claim(job, item)
  if not lock_effect(self, job, item) then return "held" end
  local state, text, owner = self.dict:effect(item.key)
  if not state then self.dict:record(item.key, item.text) end
  if state ~= "sent" then
    self.dict:under_way(job.key, job.rule.name, { key = item.key, target = item.target })
  end
  return state, text, owner
end

local function release(self, job, name)
  if job.locks[name] then self.dict:unlock(name, job.locks[name]) end
  job.locks[name] = nil
end

function Memory:sent(job, outcome)
  if outcome.silent then return end  -- claim was not asked for it
  if outcome.state == "sent" then self.dict:sent(outcome.key, job.sequence)
  elseif outcome.state ~= "unknown" then self.dict:unrecord(outcome.key) end
  if outcome.state ~= "unknown" then self.dict:under_way(job.key, job.rule.name, nil) end
  release(self, job, "effect " .. outcome.key)
end

-- The effect that an earlier attempt was sending, when nobody knows what came of it.
local function unfinished(self, job)
  local effect = self.dict:unfinished(job.key, job.rule.name)
  if not effect then return {} end
  local state, text = self.dict:effect(effect.key)
  if state ~= "unknown" then return {} end
  return { { key = effect.key, target = effect.target, request = text, state = state } }
end

function Memory:recall(job, thing)
  return {
    steps = self.dict:steps(job.key, job.rule.name), memory = self.dict:remembered(job.rule.name, thing),
    effects = unfinished(self, job),
  }
end

function Memory:step(job, name, _, result)
  job.has_steps = true
  return self.dict:add_step(job.key, job.rule.name, name, result) or nil
end

function Memory:settle(job, settlement)
  local changes = settlement.memory
  if changes then self.dict:remember(job.rule.name, changes[1].thing, changes) end
  if settlement.due then
    self.dict:failed(job.key, job.rule.name, { failures = settlement.attempt,
      tries = settlement.tries, since = settlement.since or 0, received = job.received })
  elseif not job.alone then
    self.dict:settle(job.key, job.rule.name)
  end
end

--- Releases the locks that a run still has; to be called when the run is over, also when it failed.
---@param ports table
---@param job table
function M.release(ports, job)
  for name in pairs(job.locks) do release(ports.memory, job, name) end
end

local function clock()
  ngx.update_time()
  return ngx.now(), ngx.now()
end

local function perform(request)
  local reply, message, code, detail = http.request(request)
  return reply or { error = message, code = code, not_sent = detail.not_sent, stage = detail.stage,
    status = detail.status }
end

-- A source of Maskinporten's tokens, one for all workers.
local function maskinporten(dict)
  return function(options)
    options.transport, options.sleep, options.clock, options.dict = nil, nil, nil, dict
    return tokens.new(options)
  end
end

--- The ports of one handler.
---@param options { memory: table, targets: table, connect: function, dict: string } memory: of
---  altinn.events.resty.memory; dict: the name of its shared dict
---@return altinn.events.ports
function M.new(options)
  local delivery = deliveries.new {
    perform = perform, transport = http.request, clock = function() return (clock()) end, sleep = ngx.sleep,
    maskinporten = maskinporten(options.dict),
  }
  return {
    clock = clock, random = math.random, send = function(request) return delivery:send(request) end,
    ask = options.connect, log = log.say,
    targets = options.targets, memory = setmetatable({ dict = options.memory, targets = options.targets }, Memory),
    ladder = function(job) return job.received + LADDER - ngx.now() end,
  }
end

return M
