-- Runs the rules that want an event, within a request of nginx. Altinn's own redeliveries are the queue: while a run
-- is not over the request is answered 503, and Altinn sends the event again.
-- luacheck: globals ngx
local engine = require "altinn.events.rules.engine"
local events = require "altinn.events"
local lint = require "altinn.events.rules.lint"
local loader = require "altinn.events.rules.loading"
local log = require "altinn.events.resty.log"
local logfmt = require "altinn.events.support.logfmt"
local orders = require "altinn.events.rules.order"
local outcomes = require "altinn.events.rules.engine.outcome"
local place = require "altinn.events.rules.place"
local ports_of = require "altinn.events.resty.ports"
local suggest = require "altinn.events.support.suggest"

local M = {}

local ORDER_SECONDS = 20    -- a run waits for so long at most for another run of its letter
local ORDER_LIFETIME = 300  -- lifetime of the lock, seconds

local Runner = {}
Runner.__index = Runner

local function present() return log.present().job end

-- The name of the lock that keeps the runs of one line apart, over all workers; nil when the run is in none.
local function order_key(job)
  local line = orders.line(job.rule, job.event)
  return line and ("order %s\0%s"):format(job.rule.name, line) or nil
end

local function run(self, job)
  ngx.ctx.altinn_events = { rule = job.rule.name, event = job.event.id, job = job }
  local ok, outcome = pcall(engine.run, job, self.ports)
  ports_of.release(self.ports, job)
  if not ok then error(outcome, 0) end
  return outcome
end

local function ordered(self, job)
  local key = order_key(job)
  if not key then return run(self, job) end
  local lock = self.memory:lock(key, ORDER_SECONDS, ORDER_LIFETIME)
  if not lock then
    return engine.settle(job, self.ports, engine.failed(job, self.ports,
      { reason = "another run for the same letter takes long", kind = "host" }))
  end
  local ok, outcome = pcall(run, self, job)
  self.memory:unlock(key, lock)
  if not ok then error(outcome, 0) end
  return outcome
end

-- Calls the site's on_dead. An error that it raises is logged and leaves the verdict as it is.
local function tell_of_death(self, job, outcome)
  if outcome.state ~= "dead" or not self.on_dead then return end
  local ok, message = pcall(self.on_dead, job.event, job.rule.name, logfmt.short(outcome.reason))
  if not ok then
    log.say("error", "on_dead", { rule = job.rule.name, event = job.event.id, reason = tostring(message) })
  end
end

local function is_settled(outcome) return not outcomes.is_open(outcome.state) end

-- Runs one rule on one event; the outcome, and whether the memory holds steps of the run.
local function try(self, key, event, rule, name, alone)
  local job = self.memory:attempts(key, rule.name)
  job = {
    rule = rule, event = event, sequence = event.id, failures = job.failures, tries = job.tries, since = job.since,
    received = job.received, subscription = name ~= "" and name or nil, key = key, alone = alone, locks = {},
  }
  local outcome = ordered(self, job)
  tell_of_death(self, job, outcome)
  return outcome, job.has_steps
end

local function line_of(rule_name, reason)
  return ("rule '%s': %s"):format(rule_name, logfmt.short(reason):match("^[^\n]*"))
end

--- Runs all rules that want an event and have no verdict on it yet.
---@param key string the event's key, see altinn.events.resty.memory
---@param event table
---@param name string of the subscription
---@return true|nil done every rule has its verdict
---@return string|nil message why not, masked
---@return number|nil seconds after which it may be tried again
---@return string[]|nil rules whose attempts the memory holds, for forget
function Runner:work(key, event, name)
  local message, seconds
  local wanted = self.matcher:match(event)
  local alone, again = #wanted == 1, false
  for _, rule_name in ipairs(wanted) do
    if not self.memory:is_settled(key, rule_name) then
      again = again or self.memory:is_known(key, rule_name)
      local outcome, has_steps = try(self, key, event, self.rules[rule_name], name, alone)
      again = again or has_steps
      if not is_settled(outcome) then
        message = message or line_of(rule_name, outcome.reason)
        seconds = math.max(seconds or 0, outcome.after or 0)
      end
    end
  end
  if message then return nil, message, seconds > 0 and seconds or nil end
  return true, nil, nil, (again or not alone) and wanted or nil
end

--- Forgets the attempts and verdicts of an event's rules; to be called when the event itself is remembered as done.
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

-- Problems: targets that a rule's `may` names and the handler does not have.
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

-- Problems: rules that set timers, as far as their text shows it.
local function timers(set, problems)
  local _, runs = lint.of(set)
  for _, rule in ipairs(set) do
    local at = runs[rule] and runs[rule].sets_timer
    if at then
      problems[#problems + 1] = { file = at.file, line = at.line, rule = rule.name,
        message = "later { … } needs the host (altinn-events run): nginx keeps no timers; retry_after may do" }
    end
  end
  return problems
end

local function load(paths, targets, globals)
  local set, problems = loader.load(paths, { globals = globals })
  if set then problems = timers(set, missing_targets(set, targets)) end
  if #problems > 0 then error("rules: " .. problems_text(problems), 4) end
  return set
end

local function warn_of_limits(rule)
  if not rule.limit then return end
  log.say("warn", "rules", { rule = rule.name, reason = "its limit holds in the host, not in nginx: there is nothing"
    .. " there that could stop a rule" })
end

--- Loads rules when nginx starts; raises one message with all problems of the rules.
---@param paths string[] rule files and folders
---@param options { memory: table, targets: table, connect: function, on_dead: function|nil, dict: string }
---@return table runner
function M.new(paths, options)
  place.watch(present)
  local own = engine.log(log.say, present)
  local set = load(paths, options.targets, { log = own, print = own.info })
  local self = setmetatable({
    rules = {}, matcher = events.matcher(), memory = options.memory, ports = ports_of.new(options),
    on_dead = options.on_dead,
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
