-- The ports of the engine (altinn.events.rules.engine) in nginx: its clock, its cosockets, and a shared dict as memory.
-- Altinn's own redeliveries are the queue: a request whose runs are not settled is answered 503, and Altinn sends the
-- event again.
-- luacheck: globals ngx
local http = require "altinn.events.resty.http"
local log = require "altinn.events.resty.log"

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
function Memory:claim(job, item)
  local name = "effect " .. item.key
  local seconds = (tonumber(self.targets[item.target].timeout) or 30) + MARGIN
  local lock = self.dict:lock(name, WAIT_SECONDS, seconds)
  if not lock then return "held" end
  job.locks[name] = lock
  local state, text, owner = self.dict:effect(item.key)
  if not state then self.dict:record(item.key, item.text) end
  return state, text, owner
end

local function release(self, job, name)
  if job.locks[name] then self.dict:unlock(name, job.locks[name]) end
  job.locks[name] = nil
end

function Memory:sent(job, outcome)
  if outcome.state == "sent" then self.dict:sent(outcome.key, job.sequence)
  elseif outcome.state ~= "unknown" then self.dict:unrecord(outcome.key) end
  release(self, job, "effect " .. outcome.key)
end

function Memory:settle(job, settlement)
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

local function send(request)
  local reply, message, code, detail = http.request(request)
  return reply or { error = message, code = code, not_sent = detail.not_sent }
end

--- The ports of one handler.
---@param options { memory: table, targets: table, connect: function } memory: of altinn.events.resty.memory
---@return altinn.events.ports
function M.new(options)
  return {
    clock = clock, random = math.random, send = send, ask = options.connect, log = log.say,
    targets = options.targets, memory = setmetatable({ dict = options.memory, targets = options.targets }, Memory),
    ladder = function(job) return job.received + LADDER - ngx.now() end,
  }
end

return M
