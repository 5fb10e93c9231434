-- The words that a body makes its verdicts of: done, skip, retry_after, fail, later, remember, forget, the effects of
-- send; and workdays, step, sent, not_sent. A wrong argument raises at the rule's own line.
local arguments = require "altinn.events.rules.arguments"
local duration = require "altinn.events.support.duration"
local effects = require "altinn.events.rules.effects"
local place = require "altinn.events.rules.place"

local M = {}

local faults, Verdict = arguments.faults, arguments.Verdict

for name, value in pairs(arguments) do M[name] = value end

--- The words in scope of a rule file, beside `rule` and the conditions: "verdict" makes one, "value" does not.
M.words = {
  done = "verdict", skip = "verdict", fail = "verdict", retry_after = "verdict", later = "verdict",
  remember = "verdict", forget = "verdict", send = "value", workdays = "value", step = "value", sent = "value",
  not_sent = "value",
}

-- The words of the verdicts, and what later, remember and forget were given. They stand outside of the verdicts, where
-- a rule cannot change what was checked.
local words_of, contents = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })

--- The word that a verdict was made by: "done", "timer", "effect", …
---@param made table
---@return string|nil word
function M.word_of(made) return words_of[made] end

--- What a verdict of later, remember or forget holds, as it was checked when it was made.
---@param made table
---@return table|nil contents of later: see arguments.timer_of; of the others: a list of { name, value, expires }
function M.contents(made) return contents[made] end

--- Whether a value was made by one of the words.
---@param value any
---@return boolean
function M.is_verdict(value) return getmetatable(value) == Verdict end

-- A run remembers the verdicts that its body makes, so that a verdict without `return` is reported with its line.
local function verdict(fields)
  local run = place.run()
  if run then
    run.made[#run.made + 1] = fields
    local info = debug.getinfo(3, "fl")  -- "S", the name of the file, would cost more
    fields.made_by, fields.made_line = info and info.func, info and info.currentline
  end
  words_of[fields] = fields.verdict
  return setmetatable(fields, Verdict)
end

-- Raises the mistake of a word's arguments at the line of the word's caller.
local function check(word, first, second)
  local message = faults[word](first, second)
  if message then place.mistake(message, 3) end
end

-- The functions below make no tail calls, because `place` counts stack levels.

--- Nothing to do.
---@param reason string|nil
---@return table verdict
function M.done(reason)
  check("done", reason)
  local made = verdict { verdict = "done", reason = reason or "the rule is done" }
  return made
end

--- Nothing to do, and why.
---@param reason string
---@return table verdict
function M.skip(reason)
  check("skip", reason)
  local made = verdict { verdict = "skip", reason = reason }
  return made
end

--- Runs the body again after a while. This is not counted as a failure, so the rule's `retry` does not bound it.
---@param span string|number "10m", or seconds
---@param reason string|nil
---@return table verdict
function M.retry_after(span, reason)
  check("retry_after", span, reason)
  local made = verdict { verdict = "later", after = duration.parse(span), reason = reason or "asked for by the rule" }
  return made
end

--- The run cannot succeed: it goes to the dead letters.
---@param reason string
---@return table verdict
function M.fail(reason)
  check("fail", reason)
  local made = verdict { verdict = "fail", reason = reason }
  return made
end

-- Effects.

--- Effects by their kind: send.http(target) { … }.
M.send = {}

for kind in pairs(effects.kinds) do
  M.send[kind] = function(target)
    if type(target) ~= "string" then place.mistake(("send.%s wants the name of a target"):format(kind), 2) end
    return function(fields)
      local effect, message = arguments.effect_of(kind, target, fields)
      if not effect then place.mistake(message, 2) end
      local made = verdict(effect)
      return made
    end
  end
end

-- Outcomes of a probe.

local function outcome(name)
  return setmetatable({}, {
    __name = "altinn.events.outcome", __tostring = function() return name end,
    __newindex = function() error(name .. " is a value that a probe returns, and cannot be changed", 2) end,
  })
end

--- What a probe returns when the effect was carried out.
M.sent = outcome "sent"
--- What a probe returns when the effect was not carried out.
M.not_sent = outcome "not_sent"

-- Timers.

--- A time for later{ at = … }: the n-th working day after today in Europe/Oslo.
---@param n integer
---@param clock string|nil the time of day, "09:00"; left out: the time of day at which the timer is set
---@return table at
function M.workdays(n, clock)
  check("workdays", n, clock)
  return setmetatable({ workdays = n, clock = clock }, arguments.Workdays)
end

--- Runs a body at a later time, durably, with the same event and thing.
---@param fields { at: any, run: string|nil, with: any, key: string|nil, cancel: string|string[]|nil }
---@return table verdict
function M.later(fields)
  local timer, message = arguments.timer_of(fields)
  if not timer then place.mistake(message, 2) end
  local made = verdict { verdict = "timer" }
  contents[made] = timer
  return made
end

-- Memory.

--- Keeps values for the rule and the letter: context.memory gives them.
---@param fields table<string, any> and `expires`, a span
---@return table verdict
function M.remember(fields)
  local values, message = arguments.memory_of(fields)
  if not values then place.mistake(message, 2) end
  local made = verdict { verdict = "remember" }
  contents[made] = values
  return made
end

--- Removes a value that was remembered.
---@param name string
---@return table verdict
function M.forget(name)
  check("forget", name)
  local made = verdict { verdict = "forget" }
  contents[made] = { { name = name } }
  return made
end

-- Steps.

--- Calls a function once in a run and gives its result, which is stored: also after a retry or a crash it is not called
--- again.
---@param name string
---@param fn fun(): any
---@return any result
function M.step(name, fn)
  check("step", name, fn)
  local run = place.run()
  if not run then place.mistake("step works inside a body only", 2) end
  if not run.step then place.mistake("step does not work here: nothing keeps its result", 2) end
  local result = run.step(name, fn)
  return result
end

return M
