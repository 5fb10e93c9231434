-- Rules on an event, within a request of nginx: Altinn's own ladder is the
-- queue, so whatever is not done answers no 2xx, and comes again.
-- luacheck: globals ngx
local events = require "altinn.events"
local loader = require "altinn.events.rules.loading"
local log = require "altinn.events.resty.log"
local logfmt = require "altinn.events.support.logfmt"
local outcomes = require "altinn.events.resty.outcome"
local rules = require "altinn.events.rules.language"
local sending = require "altinn.events.resty.sending"
local suggest = require "altinn.events.support.suggest"
local things = require "altinn.events.rules.thing"

local M = {}

local ORDER_SECONDS = 20    -- that a run waits for another of its letter
local ORDER_LIFETIME = 300  -- of the lock

-- What rules know as `log`.
local function new_log()
  local own = {}
  for level in pairs(log.levels) do
    own[level] = function(...)
      local parts = { ... }
      for index = 1, select("#", ...) do parts[index] = tostring(parts[index]) end
      local run = log.present()
      log.say(level, "rule", { rule = run.rule, event = run.event, reason = table.concat(parts, " ") })
    end
  end
  return setmetatable(own, { __call = function(_, ...) return own.info(...) end })
end

local Runner = {}
Runner.__index = Runner

-- A run: { rule =, event =, attempt =, first = }

-- What the rule returned -> an outcome, or the effects that are to be sent.
local function decide(self, run, value)
  local verdict, message = rules.verdict(value)
  if not verdict then return outcomes.again(run, message, { kind = "error" }) end
  local kind = verdict.verdict
  local list = verdict.effects or kind == "effect" and { verdict }
  if not list then
    if kind == "retry" then return outcomes.again(run, verdict.reason, { kind = "asked", after = verdict.after }) end
    if kind == "fail" then return outcomes.settled("dead", verdict.reason) end
    return outcomes.settled(kind == "skip" and "skipped" or "done", verdict.reason)
  end
  local items
  items, message = sending.prepare(run, list, self.targets)
  if not items then return outcomes.settled("dead", message) end
  return nil, items
end

local function traced(raised)
  return things.failure(raised) and raised or debug.traceback(tostring(raised), 2)
end

local function thing_of(self, run)
  local meaning = events.describe(run.event)
  if not meaning or not meaning.about then return nil end
  return things.new(run.rule, { id = meaning.id, kind = meaning.about }, self.connect)
end

local function call(self, run, name)
  local context = {
    attempt = run.attempt, received = run.first, came_by = "push", subscription = name ~= "" and name or nil,
    log = self.log,
  }
  ngx.ctx.altinn_events = { rule = run.rule.name, event = run.event.id }
  local ok, outcome, items = xpcall(function()
    return decide(self, run, run.rule.run(run.event, thing_of(self, run), context))
  end, traced)
  if not ok then return outcomes.raised(run, outcome) end
  return outcome or sending.carry_out(self.memory, run, items)
end

-- Runs for one letter do not overlap, in whichever worker they are.
local function order_key(run)
  local order, value = run.rule.order, nil
  if order == "letter" then
    local meaning = events.describe(run.event)
    value = meaning and meaning.id
  elseif order then
    value = run.event[order]
  end
  return value ~= nil and ("order %s\0%s"):format(run.rule.name, tostring(value)) or nil
end

local function ordered(self, run, name)
  local key = order_key(run)
  if not key then return call(self, run, name) end
  local lock = self.memory:lock(key, ORDER_SECONDS, ORDER_LIFETIME)
  if not lock then return outcomes.again(run, "another run for the same letter takes long", { kind = "host" }) end
  local ok, outcome = pcall(call, self, run, name)
  self.memory:unlock(key, lock)
  if not ok then error(outcome, 0) end
  return outcome
end

local LEVEL_OF = { dead = "error", retry = "warn", done = "info", skipped = "info" }

local function tell(self, run, outcome, began)
  ngx.update_time()
  log.say(LEVEL_OF[outcome.verdict], "verdict", {
    rule = run.rule.name, event = run.event.id, type = run.event.type, verdict = outcome.verdict,
    reason = outcome.reason, attempt = run.attempt, ms = math.floor((ngx.now() - began) * 1000),
  })
  if outcome.verdict == "dead" and self.on_dead then
    self.on_dead(run.event, run.rule.name, logfmt.short(outcome.reason))
  end
end

-- One rule on one event; remembers what came of it while the event is not done.
local function try(self, key, run, name, alone)
  local failed, first = self.memory:attempts(key, run.rule.name)
  run.attempt, run.first = failed + 1, first
  local began = ngx.now()
  local outcome = ordered(self, run, name)
  if not outcome.settled then  -- waiting for another run is no attempt
    self.memory:failed(key, run.rule.name, outcome.waited and failed or run.attempt, first)
  end
  tell(self, run, outcome, began)
  if outcome.settled and not alone then self.memory:settle(key, run.rule.name) end
  return outcome
end

local function line_of(rule_name, reason)
  return ("rule '%s': %s"):format(rule_name, logfmt.short(reason):match("^[^\n]*"))
end

--- Runs all rules that want an event and have no verdict on it yet.
---@param key string the event's, of altinn.events.resty.memory
---@param event table
---@param name string of the subscription
---@return true|nil done every rule has its verdict
---@return string|nil message why not, masked
---@return number|nil seconds after which it may be tried again
---@return string[]|nil rules of which something is remembered: see forget
function Runner:work(key, event, name)
  local message, seconds
  local wanted = self.matcher:match(event)
  local alone, again = #wanted == 1, false
  for _, rule_name in ipairs(wanted) do
    if not self.memory:is_settled(key, rule_name) then
      local run = { rule = self.rules[rule_name], event = event }
      local outcome = try(self, key, run, name, alone)
      again = again or run.attempt > 1
      if not outcome.settled then
        message = message or line_of(rule_name, outcome.reason)
        seconds = math.max(seconds or 0, outcome.seconds or 0)
      end
    end
  end
  if message then return nil, message, seconds > 0 and seconds or nil end
  return true, nil, nil, (again or not alone) and wanted or nil
end

--- Forgets what was remembered of an event's rules; to be called when the
--- event itself is remembered as done.
---@param key string
---@param names string[] what work gave
function Runner:forget(key, names)
  for _, name in ipairs(names) do self.memory:forget(key, name) end
end

-- Loading

local function problems_text(problems)
  local lines = {}
  for index, problem in ipairs(problems) do lines[index] = loader.describe_problem(problem) end
  return table.concat(lines, "; ")
end

-- Targets that a rule says it may send to, and that there are not.
local function missing_targets(set, targets)
  local problems = {}
  for _, rule in ipairs(set) do
    for _, power in ipairs(rule.may or {}) do
      local target = power:match("^send:(.+)$")
      if target and not targets[target] then
        problems[#problems + 1] = { file = rule.file, line = rule.line, rule = rule.name,
          message = ("may: there is no target '%s' in the handler's targets%s"):format(target,
            suggest.hint(target, targets)) }
      end
    end
  end
  return problems
end

local function load(paths, targets, globals)
  local set, problems = loader.load(paths, { globals = globals })
  if set then problems = missing_targets(set, targets) end
  if #problems > 0 then error("rules: " .. problems_text(problems), 4) end
  return set
end

local function warn_of_limits(rule)
  if not rule.limit then return end
  log.say("warn", "rules", { rule = rule.name, reason = "its limit holds in the host, not in nginx: there is nothing"
    .. " there that could stop a rule" })
end

--- Loads rules, when nginx starts; raises all that is wrong with them.
---@param paths string[] rule files and folders
---@param options { memory: table, targets: table, connect: function, on_dead: function|nil }
---@return table runner
function M.new(paths, options)
  local own = new_log()
  local set = load(paths, options.targets, { log = own, print = own.info })
  local self = setmetatable({
    rules = {}, matcher = events.matcher(), memory = options.memory, targets = options.targets,
    connect = options.connect, on_dead = options.on_dead, log = own,
  }, Runner)
  for _, rule in ipairs(set) do
    if rule.enabled then
      warn_of_limits(rule)
      self.rules[rule.name] = rule
      self.matcher:add(rule.name, { on = rule.on, when = rule.when })
    end
  end
  return self
end

return M
