-- Ports of the engine for a spec: a virtual clock, a memory in tables, targets that answer as told.
local engine = require "altinn.events.rules.engine"
local events = require "altinn.events"
local place = require "altinn.events.rules.place"
local rules = require "altinn.events.rules.language"

local M = {}

local World = {}
World.__index = World

local Memory = {}
Memory.__index = Memory

function Memory:holds() return not self.world.taken_back end

-- Stores the outcomes that were handed over and not stored yet: a crash loses them.
local function store_outcomes(self)
  for _, outcome in ipairs(self.waiting) do self.effects[outcome.key].state = outcome.state end
  self.waiting = {}
end

-- A place where the process may end, before or after the memory has stored.
local function boundary(self, what)
  self.world:boundary("before " .. what)
  store_outcomes(self)
end

local function known_state(self, job, item)
  local old = self.effects[item.key]
  if old and (old.state == "sent" or old.state == "held" or old.state == "over") then
    return old.state, nil, old.owner
  elseif old and (old.state == "unknown" or old.state == "recorded") then
    old.owner = job.sequence  -- the effect passes to this run, as in the inbox
    return "unknown", old.text
  end
  self.number = self.number + 1
  self.effects[item.key] = { state = "recorded", text = item.text, owner = job.sequence, target = item.target,
    number = self.number }
  return false
end

function Memory:record(job, items)
  local known = { states = {}, requests = {}, owners = {} }
  boundary(self, "record")
  if self.fails then return { failed = true } end
  for index, item in ipairs(items) do
    known.states[index], known.requests[index], known.owners[index] = known_state(self, job, item)
    self.world:note("record " .. item.key)
  end
  self.world:boundary "after record"
  return known
end

local function unfinished(self, job)
  local list = {}
  for key, effect in pairs(self.effects) do
    if effect.owner == job.sequence and (effect.state == "recorded" or effect.state == "unknown") then
      list[#list + 1] = { key = key, target = effect.target, request = effect.text, state = effect.state,
        number = effect.number }
    end
  end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

function Memory:recall(job, thing)
  boundary(self, "recall")
  if self.fails then return { failed = true } end
  self.recalls = self.recalls + 1
  local remembered = {}
  for name, one in pairs(self.remembered[thing] or {}) do
    if not one.expires or one.expires > self.world.now then remembered[name] = one.value end
  end
  return { steps = self.steps[job.sequence] or {}, memory = remembered, effects = unfinished(self, job) }
end

function Memory:step(job, name, at, result)
  boundary(self, "step " .. name)
  if self.fails then return nil end
  local steps = self.steps[job.sequence] or {}
  assert(not steps[name], "step " .. name .. " is stored twice")
  steps[name] = true
  self.steps[job.sequence], steps[#steps + 1] = steps, { name = name, place = at, result = result }
  self.world:boundary("after step " .. name)
  return true
end

function Memory:sent(_, outcome)
  self.waiting[#self.waiting + 1] = outcome
  if not self.lags then store_outcomes(self) end
  if outcome.silent then return end
  self.outcomes[#self.outcomes + 1] = outcome
  self.world:note(("%s %s"):format(outcome.state, outcome.key))
end

function Memory:settle(_, settlement, outcomes)
  boundary(self, "settle")
  for _, outcome in ipairs(outcomes) do self.effects[outcome.key].state = outcome.state end
  for _, one in ipairs(settlement.memory or {}) do
    self.remembered[one.thing] = self.remembered[one.thing] or {}
    self.remembered[one.thing][one.name] = one.value and { value = one.value, expires = one.expires } or nil
  end
  self.settlements[#self.settlements + 1] = settlement
  self.world:note("settle " .. settlement.state)
end

--- `replies`: what targets answer, one after the other, the last one for ever: a status, or a reply.
---@param options { replies: table|nil, ladder: number|nil, random: number|nil, client: table|nil, targets: table|nil }
function M.new(options)
  local self = setmetatable({
    now = 1800000000, notes = {}, requests = {}, lines = {}, replies = options.replies or { 200 }, random = 1,
  }, World)
  self.random = options.random or 1
  self.memory = setmetatable({
    world = self, effects = {}, outcomes = {}, settlements = {}, steps = {}, remembered = {}, waiting = {}, number = 0,
    recalls = 0, keeps_timers = true, lags = options.lags,
  }, Memory)
  self.ports = {
    clock = function() return self.now, self.now end, random = function() return self.random end, memory = self.memory,
    targets = options.targets or { print = { url = "http://print.example.no", headers = { Authorization =
      "Bearer a-secret-token" } } },
    send = function(request) return self:answer(request) end,
    ask = function() return options.client, "no client", "usage" end,
    log = function(level, message, fields)
      self.lines[#self.lines + 1] = { level = level, message = message, fields = fields }
    end,
    admit = options.breaker and function(target)
      self:note("admit " .. target)
      return self.closed_for and self.closed_for[target]
    end,
    release = options.breaker and function(target) self:note("release " .. target) end,
    report = options.breaker and function(target, good)
      self:note(("report %s %s"):format(target, good and "good" or "bad"))
    end,
    ladder = options.ladder and function(job) return job.received + options.ladder - self.now end,
  }
  return self
end

function World:note(text) self.notes[#self.notes + 1] = text end

-- A place where a crash may happen; see crash_at.
function World:boundary(name)
  self.boundaries = (self.boundaries or 0) + 1
  if self.crash_at == self.boundaries then coroutine.yield(name) end
end

function World:answer(request)
  self:boundary "before send"
  self.requests[#self.requests + 1] = request
  self:note(request.headers["Idempotency-Key"] and "send " .. request.headers["Idempotency-Key"]
    or "get " .. request.url)
  local reply = self.replies[math.min(#self.requests, #self.replies)]
  if type(reply) == "function" then reply = reply(request) end
  self:boundary "after send"
  return type(reply) == "number" and { status = reply, headers = {}, body = "" } or reply
end

local DEFAULT = {
  specversion = "1.0", id = "e-1", source = "/s", type = "no.altinn.correspondence.correspondencepublished",
  subject = "urn:altinn:organization:identifier-no:987654321", resourceinstance =
    "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f",
}

function M.event(changes)
  local fields = {}
  for name, value in pairs(DEFAULT) do fields[name] = value end
  for name, value in pairs(changes or {}) do fields[name] = value end
  return assert(events.parse(assert(events.encode(fields))))
end

local function rule_of(parts)
  local fields = { name = "r", on = "*" }
  for name, value in pairs(parts) do fields[name] = value end
  local rule, problems = rules.new(fields)
  assert(rule, problems and table.concat(problems, "\n"))
  return rule
end

--- A run of a rule with these parts.
function World:job(parts, changes)
  self.sequence = (self.sequence or 0) + 1
  return { rule = rule_of(parts), event = M.event(changes), sequence = self.sequence, failures = 0,
    received = self.now }
end

--- The rule of a run is edited.
function World:edit(job, parts) job.rule = rule_of(parts) end

local OPEN = { retry = true, later = true, held = true }

--- One attempt.
function World:attempt(job)
  place.watch(function() return job end)
  local outcome = engine.run(job, self.ports)
  place.watch(function() end)
  local settlement = self.memory.settlements[#self.memory.settlements]
  job.fresh = nil
  if OPEN[outcome.state] then
    job.failures, job.tries, job.since = settlement.attempt, settlement.tries, settlement.since
    job.entry, job.timer, job.cause = settlement.entry, settlement.timer, settlement.cause
  end
  return outcome, settlement
end

--- One attempt that ends at the boundary of that number, as with kill -9; the outcome, or the boundary's name.
function World:crash(job, number)
  local saved = {}
  for name, value in pairs(job) do saved[name] = value end
  self.boundaries, self.crash_at = 0, number
  local thread = coroutine.create(function() return self:attempt(job) end)
  local ok, result = coroutine.resume(thread)
  place.watch(function() end)
  self.crash_at = nil
  assert(ok, result)
  if coroutine.status(thread) == "dead" then return result end
  self.memory.waiting = {}
  for name in pairs(job) do job[name] = nil end
  for name, value in pairs(saved) do job[name] = value end
  job.fresh = nil
  return nil, result
end

--- Attempts until the run is over, the clock set to when each is due; or so many at most.
function World:finish(job, most)
  local outcome, settlement
  local pauses = {}
  for _ = 1, most or 10000 do
    outcome, settlement = self:attempt(job)
    if not settlement.due then break end
    pauses[#pauses + 1] = settlement.due - self.now
    self.now = settlement.due
  end
  return outcome, pauses
end

return M
