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

function Memory:record(job, items)
  local known = { states = {}, requests = {}, owners = {} }
  if self.fails then return { failed = true } end
  for index, item in ipairs(items) do
    local old = self.effects[item.key]
    if old and (old.state == "sent" or old.state == "held" or old.state == "over") then
      known.states[index], known.owners[index] = old.state, old.owner
    elseif old and (old.state == "unknown" or old.state == "recorded") then
      known.states[index], known.requests[index] = "unknown", old.text
    else
      known.states[index] = false
      self.effects[item.key] = { state = "recorded", text = item.text, owner = job.sequence }
    end
    self.world:note("record " .. item.key)
  end
  return known
end

function Memory:sent(_, outcome)
  self.effects[outcome.key].state = outcome.state
  self.outcomes[#self.outcomes + 1] = outcome
  self.world:note(("%s %s"):format(outcome.state, outcome.key))
end

function Memory:settle(_, settlement)
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
  self.memory = setmetatable({ world = self, effects = {}, outcomes = {}, settlements = {} }, Memory)
  self.ports = {
    clock = function() return self.now, self.now end, random = function() return self.random end, memory = self.memory,
    targets = options.targets or { print = { url = "http://print.example.no", headers = { Authorization =
      "Bearer a-secret-token" } } },
    send = function(request) return self:answer(request) end,
    ask = function() return options.client, "no client", "usage" end,
    log = function(level, message, fields)
      self.lines[#self.lines + 1] = { level = level, message = message, fields = fields }
    end,
    ladder = options.ladder and function(job) return job.received + options.ladder - self.now end,
  }
  return self
end

function World:note(text) self.notes[#self.notes + 1] = text end

function World:answer(request)
  self.requests[#self.requests + 1] = request
  self:note("send " .. request.headers["Idempotency-Key"])
  local reply = self.replies[math.min(#self.requests, #self.replies)]
  if type(reply) == "function" then reply = reply(request) end
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

--- A run of a rule with these parts.
function World:job(parts, changes)
  local fields = { name = "r", on = "*" }
  for name, value in pairs(parts) do fields[name] = value end
  local rule, problems = rules.new(fields)
  assert(rule, problems and table.concat(problems, "\n"))
  self.sequence = (self.sequence or 0) + 1
  return { rule = rule, event = M.event(changes), sequence = self.sequence, failures = 0, received = self.now }
end

--- One attempt.
function World:attempt(job)
  place.watch(function() return job end)
  local outcome = engine.run(job, self.ports)
  place.watch(function() end)
  local settlement = self.memory.settlements[#self.memory.settlements]
  if outcome.state == "retry" or outcome.state == "later" then
    job.failures, job.tries, job.since = settlement.attempt, settlement.tries, settlement.since
  end
  return outcome, settlement
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
