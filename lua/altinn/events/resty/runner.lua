-- Rules on an event, within a request of nginx: Altinn's own ladder is the
-- queue, so whatever is not done answers no 2xx, and comes again.
-- luacheck: globals ngx
local effects = require "altinn.events.effects"
local events = require "altinn.events"
local http = require "altinn.events.resty.http"
local loader = require "altinn.events.rules"
local log = require "altinn.events.resty.log"
local logfmt = require "altinn.events.logfmt"
local rules = require "altinn.events.rule"
local things = require "altinn.events.thing"

local M = {}

local ORDER_SECONDS = 20  -- that a run waits for another of its letter

-- The run that this request is at: its rule and event.
local function present()
  local ok, context = pcall(function() return ngx.ctx.altinn_events end)
  return ok and context or {}  -- while nginx starts there is no request
end

-- What rules know as `log`.
local function new_log()
  local own = {}
  for level in pairs(log.levels) do
    own[level] = function(...)
      local parts = { ... }
      for index = 1, select("#", ...) do parts[index] = tostring(parts[index]) end
      local run = present()
      log.say(level, "rule", { rule = run.rule, event = run.event, reason = table.concat(parts, " ") })
    end
  end
  return setmetatable(own, { __call = function(_, ...) return own.info(...) end })
end

local Runner = {}
Runner.__index = Runner

-- The end of a run, as values: settled, and what to say; seconds until it
-- may be tried again.
local function settled(verdict, reason) return { settled = true, verdict = verdict, reason = reason } end
local function again(reason, seconds) return { verdict = "retry", reason = reason, seconds = seconds } end

-- Effects

local TEMPORARY = { [408] = true, [425] = true, [429] = true }

local function judge_reply(effect, reply, message)
  local target = tostring(effect.target)
  if not reply then return again(("target '%s': %s"):format(target, message)) end
  if reply.status >= 200 and reply.status < 300 then return nil end
  local reason = ("target '%s' answered %d"):format(target, reply.status)
  if TEMPORARY[reply.status] or reply.status >= 500 then
    return again(reason, tonumber(reply.headers["retry-after"]))
  end
  return settled("dead", reason)
end

local function send(self, rule, event, effect, number)
  local power = "send:" .. tostring(effect.target)
  if not rules.may(rule, power) then
    return settled("dead", ("the rule may not send to target '%s': \"%s\" is missing in its may"):format(
      tostring(effect.target), power))
  end
  if effect.key == nil then effect.key = { rule.name, event.source, event.id, number } end
  local request, key = effects.prepare(effect, self.targets)
  if not request then return settled("dead", key) end
  if self.memory:is_sent(key) then return nil end
  local failure = judge_reply(effect, http.request(request))
  if not failure then self.memory:sent(key) end
  return failure
end

local function carry_out(self, rule, event, list)
  for number, effect in ipairs(list) do
    local failure = send(self, rule, event, effect, number)
    if failure then return failure end
  end
  return settled "done"
end

-- A run

local function judge(self, rule, event, value)
  local verdict, message = rules.verdict(value)
  if not verdict then return again(message) end
  local kind = verdict.verdict
  if kind == "effect" then return carry_out(self, rule, event, { verdict }) end
  if kind == "effects" then return carry_out(self, rule, event, verdict.effects) end
  if kind == "retry" then return again(verdict.reason, verdict.after) end
  if kind == "fail" then return settled("dead", verdict.reason) end
  return settled(kind == "skip" and "skipped" or "done", verdict.reason)
end

local function judge_failure(raised)
  local failure = things.failure(raised)
  if not failure then return again(raised) end
  local reason = ("%s (%s)"):format(failure.message, failure.code)
  if things.is_permanent(failure) then return settled("dead", reason) end
  return again(reason, failure.detail.retry_after)
end

local function traced(raised)
  return things.failure(raised) and raised or debug.traceback(tostring(raised), 2)
end

local function thing_of(self, rule, event)
  local meaning = events.describe(event)
  if not meaning or not meaning.about then return nil end
  return things.new(rule, { id = meaning.id, kind = meaning.about }, self.connect)
end

local function call(self, rule, event, name)
  local context = {
    attempt = self.memory:attempt(event, rule.name), received = ngx.now(), came_by = "push",
    subscription = name ~= "" and name or nil, log = self.log,
  }
  ngx.ctx.altinn_events = { rule = rule.name, event = event.id }
  local ok, value = xpcall(function() return rule.run(event, thing_of(self, rule, event), context) end, traced)
  local outcome = ok and judge(self, rule, event, value) or not ok and judge_failure(value)
  local most = rule.retry and rule.retry.attempts
  if not outcome.settled and most and context.attempt >= most then
    outcome = settled("dead", ("gave up after %d attempts: %s"):format(context.attempt, outcome.reason))
  end
  return outcome
end

-- Runs for one letter do not overlap, in whichever worker they are.
local function order_key(rule, event)
  if not rule.order then return nil end
  local value
  if rule.order == "letter" then
    local meaning = events.describe(event)
    value = meaning and meaning.id
  else
    value = event[rule.order]
  end
  return value ~= nil and rule.name .. "\0" .. tostring(value) or nil
end

local function ordered(self, rule, event, name)
  local key = order_key(rule, event)
  if not key then return call(self, rule, event, name) end
  if not self.memory:lock(key, ORDER_SECONDS) then
    return again "another run for the same letter takes long"
  end
  local ok, outcome = pcall(call, self, rule, event, name)
  self.memory:unlock(key)
  if not ok then error(outcome, 0) end
  return outcome
end

local LEVEL_OF = { dead = "error", retry = "warn", done = "info", skipped = "info" }

local function run(self, rule, event, name)
  local began = ngx.now()
  local outcome = ordered(self, rule, event, name)
  if outcome.settled then self.memory:settle(event, rule.name) end
  ngx.update_time()
  log.say(LEVEL_OF[outcome.verdict], "verdict", {
    rule = rule.name, event = event.id, type = event.type, verdict = outcome.verdict, reason = outcome.reason,
    ms = math.floor((ngx.now() - began) * 1000),
  })
  if outcome.verdict == "dead" and self.on_dead then self.on_dead(event, rule.name, logfmt.short(outcome.reason)) end
  return outcome
end

--- Runs all rules that want an event and have no verdict on it yet.
---@param event table
---@param name string of the subscription
---@return true|nil done every rule has its verdict
---@return string|nil message why not, masked
---@return number|nil seconds after which it may be tried again
function Runner:work(event, name)
  local message, seconds
  for _, rule_name in ipairs(self.matcher:match(event)) do
    local rule = self.rules[rule_name]
    if not self.memory:is_settled(event, rule_name) then
      local outcome = run(self, rule, event, name)
      if not outcome.settled then
        local line = logfmt.short(outcome.reason):match("^[^\n]*")
        message = message or ("rule '%s': %s"):format(rule_name, line)
        seconds = math.max(seconds or 0, outcome.seconds or 0)
      end
    end
  end
  if message then return nil, message, seconds > 0 and seconds or nil end
  return true
end

local function problems_text(problems)
  local lines = {}
  for index, problem in ipairs(problems) do lines[index] = loader.describe_problem(problem) end
  return table.concat(lines, "; ")
end

--- Loads rules, when nginx starts; raises all that is wrong with them.
---@param paths string[] rule files and folders
---@param options { memory: table, targets: table|nil, connect: function, on_dead: function|nil }
---@return table runner
function M.new(paths, options)
  local own = new_log()
  local set, problems = loader.load(paths, { globals = { log = own } })
  if not set then error("rules: " .. problems_text(problems), 3) end
  local self = setmetatable({
    rules = {}, matcher = events.matcher(), memory = options.memory, targets = options.targets or {},
    connect = options.connect, on_dead = options.on_dead, log = own,
  }, Runner)
  for _, rule in ipairs(set) do
    if rule.enabled then
      self.rules[rule.name] = rule
      self.matcher:add(rule.name, { on = rule.on, when = rule.when })
    end
  end
  return self
end

return M
