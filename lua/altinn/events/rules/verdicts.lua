-- The words that a body makes its verdicts of: done, skip, retry_after, fail, later, remember, forget, the effects of
-- send; and workdays, step, sent, not_sent. A wrong argument raises at the rule's own line.
local calendar = require "altinn.events.rules.calendar"
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local effects = require "altinn.events.rules.effects"
local head = require "altinn.events.event.head"
local json = require "altinn.events.support.json"
local place = require "altinn.events.rules.place"
local suggest = require "altinn.events.support.suggest"

local M = {}

local VALUE_BYTES = 64 * 1024       -- of a remembered value, and of what a timer carries
local NAME_BYTES = 200              -- of a remembered value's name, of a timer's key, of a step's name
local NAMES = 100                   -- values in one remember
local MOST_WORKDAYS = 2600          -- more than ten years have none

--- The words in scope of a rule file, beside `rule` and the conditions: "verdict" makes one, "value" does not.
M.words = {
  done = "verdict", skip = "verdict", fail = "verdict", retry_after = "verdict", later = "verdict",
  remember = "verdict", forget = "verdict", send = "value", workdays = "value", step = "value", sent = "value",
  not_sent = "value",
}

local Verdict = { __name = "altinn.events.verdict" }
Verdict.__index = Verdict

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
  return setmetatable(fields, Verdict)
end

-- The functions below make no tail calls, because `place` counts stack levels.

--- Nothing to do.
---@param reason string|nil
---@return table verdict
function M.done(reason)
  if reason ~= nil and type(reason) ~= "string" then place.mistake("done: the reason is a text", 2) end
  local made = verdict { verdict = "done", reason = reason or "the rule is done" }
  return made
end

--- Nothing to do, and why.
---@param reason string
---@return table verdict
function M.skip(reason)
  if type(reason) ~= "string" or reason == "" then place.mistake("skip wants a reason", 2) end
  local made = verdict { verdict = "skip", reason = reason }
  return made
end

--- Runs the body again after a while. This is not counted as a failure, so the rule's `retry` does not bound it.
---@param span string|number "10m", or seconds
---@param reason string|nil
---@return table verdict
function M.retry_after(span, reason)
  local seconds, message = duration.parse(span)
  if not seconds then place.mistake("retry_after: " .. message, 2) end
  if reason ~= nil and type(reason) ~= "string" then place.mistake("retry_after: the reason is a text", 2) end
  local made = verdict { verdict = "later", after = seconds, reason = reason or "asked for by the rule" }
  return made
end

--- The run cannot succeed: it goes to the dead letters.
---@param reason string
---@return table verdict
function M.fail(reason)
  if type(reason) ~= "string" or reason == "" then place.mistake("fail wants a reason", 2) end
  local made = verdict { verdict = "fail", reason = reason }
  return made
end

-- Values that are stored.

-- Whether a table holds itself.
local function holds_itself(value, open)
  if type(value) ~= "table" then return false end
  if open[value] then return true end
  open[value] = true
  for _, one in next, value do
    if holds_itself(one, open) then return true end
  end
  open[value] = nil
  return false
end

local function plain_fault(value)
  if core.is_event(value) then return "an event is no plain value: write events.totable(event)" end
  local meta = type(value) == "table" and getmetatable(value)
  if type(meta) == "table" and meta.is_thing then return "a letter is no plain value: write letter.id" end
  if M.is_verdict(value) then return "a verdict is no plain value" end
end

--- The JSON text of a value that is to be stored. Functions, cycles, NaN and infinite numbers have none.
---@param value any
---@param what string the value's name in messages
---@param most_bytes integer
---@return string|nil text
---@return string|nil message why the value cannot be stored
function M.recordable(value, what, most_bytes)
  local message = plain_fault(value)
  if message then return nil, ("%s: %s"):format(what, message) end
  local text
  text, message = json.encode(value)
  if not text then
    if message:find("nested more than", 1, true) and holds_itself(value, {}) then message = "a table holds itself" end
    return nil, ("%s: %s, and only what JSON can hold is kept"):format(what, message)
  end
  if #text <= most_bytes then return text end
  local most = most_bytes % 1024 == 0 and ("%d KiB"):format(most_bytes / 1024) or ("%d bytes"):format(most_bytes)
  return nil, ("%s: %d bytes as JSON, and at most %s are kept"):format(what, #text, most)
end

-- Why a text is no name of something that is stored and listed.
local function name_fault(text)
  if type(text) ~= "string" or text == "" then return "is a text that is not empty" end
  if #text > NAME_BYTES then return ("is longer than %d bytes"):format(NAME_BYTES) end
  if not core.is_utf8(text) or text:find("[%z\1-\31\127]") then return "holds a control character, or is not UTF-8" end
  if core.mask(text) ~= text then return "stands in listings, and must not hold an identity number" end
end

-- Bodies.

--- Why a word cannot name a body of the rule that runs. Outside of runs any name will do.
---@param name any
---@return string|nil message
function M.body_fault(name)
  if type(name) ~= "string" then return ("the name of a body is a text, not a %s"):format(type(name)) end
  local run = place.run()
  local known = run and run.rule and run.rule.bodies
  if not known or known[name] then return nil end
  return ("the rule has no body '%s'%s: write %s = function(event, letter, context) … end beside run")
    :format(core.mask(name), suggest.hint(name, known), name:find("^[%a_][%w_]*$") and name or "…")
end

-- Effects.

local function probe_fault(kind, probe)
  if probe == nil then return nil end
  local message = M.body_fault(probe)
  if message then return ("send.%s: probe: %s"):format(kind, message) end
  if probe == "run" then return ("send.%s: probe: run is the body itself; a probe has its own"):format(kind) end
end

local function fields_fault(kind, fields)
  if type(fields) ~= "table" then return ("send.%s(target) wants a table"):format(kind) end
  local known = effects.kinds[kind].fields
  for name in pairs(fields) do
    if not known[name] then
      return ("send.%s: unknown key '%s'%s"):format(kind, tostring(name), suggest.hint(tostring(name), known))
    end
  end
  local message = effects.kinds[kind].check(fields)
  return message and ("send.%s: %s"):format(kind, message) or probe_fault(kind, fields.probe)
end

-- A part of a key as a text or a number; nil when it can be none.
local function part_of(value)
  if type(value) == "string" or type(value) == "number" then return value end
  if core.is_event(value) then return effects.event_part(value) end
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and meta.is_thing and rawget(value, "id") or nil
end

-- The parts of a key; nil and a message when it is none, nil alone when there is none.
local function key_list(kind, key)
  if key == nil then return nil end
  local whole = part_of(key)
  if whole then return { whole } end
  if type(key) ~= "table" or getmetatable(key) ~= nil then
    return nil, ("send.%s: a key is a thing, an event, a text or a list of these, not a %s"):format(kind, type(key))
  end
  local list = {}
  for index = 1, #key do  -- not ipairs: a nil among the parts is a mistake too
    list[index] = part_of(key[index])
    if list[index] == nil then
      return nil, ("send.%s: part %d of the key is a %s; things, events, texts and numbers make a key")
        :format(kind, index, type(key[index]))
    end
  end
  if #list == 0 then return nil, ("send.%s: the key is empty"):format(kind) end
  return list
end

local function effect_of(kind, target, fields)
  local message = fields_fault(kind, fields)
  if message then return nil, message end
  local effect = { verdict = "effect", kind = kind, target = target }
  for name in pairs(effects.kinds[kind].fields) do effect[name] = fields[name] end
  effect.key, message = key_list(kind, fields.key)
  if message then return nil, message end
  return effect
end

--- What is wrong with an effect, whatever its target is: the mistakes that raise when it is made, and those that make
--- the engine refuse to send it.
---@param kind string
---@param target string
---@param fields table what send.KIND(target) is given
---@param event table of the run
---@return string|nil message
function M.effect_fault(kind, target, fields, event)
  local effect, message = effect_of(kind, target, fields)
  if not effect then return message end
  local made
  made, message = effects.prepare(effect, { rule = "r", event = event, place = 1 },
    { [target] = effects.kinds[kind].sample })
  return not made and message or nil
end

--- Effects by their kind: send.http(target) { … }.
M.send = {}

for kind in pairs(effects.kinds) do
  M.send[kind] = function(target)
    if type(target) ~= "string" then place.mistake(("send.%s wants the name of a target"):format(kind), 2) end
    return function(fields)
      local effect, message = effect_of(kind, target, fields)
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

local Workdays = { __name = "altinn.events.workdays" }

local function is_clock(text)
  if type(text) ~= "string" then return false end
  local hours, minutes = text:match("^(%d%d):(%d%d)$")
  return hours ~= nil and tonumber(hours) < 24 and tonumber(minutes) < 60
end

--- A time for later{ at = … }: the n-th working day after today in Europe/Oslo.
---@param n integer
---@param clock string|nil the time of day, "09:00"; left out: the time of day at which the timer is set
---@return table at
function M.workdays(n, clock)
  if type(n) ~= "number" or n % 1 ~= 0 or n < 1 or n > MOST_WORKDAYS then
    place.mistake(("workdays wants a whole number of days, from 1 to %d (ten years)"):format(MOST_WORKDAYS), 2)
  end
  if clock ~= nil and not is_clock(clock) then
    place.mistake("workdays: the time of day is a text from \"00:00\" to \"23:59\"", 2)
  end
  return setmetatable({ workdays = n, clock = clock }, Workdays)
end

-- The seconds since 1970 of a time of RFC 3339.
local function time_of(text)
  if text:find("[^%w%.:+%-]") then return nil end
  local event = core.parse(('{"specversion":"1.0","id":"1","source":"/","type":"t","time":"%s"}'):format(text))
  if not event then return nil end
  local seconds, nanoseconds = core.time(event)
  return seconds + nanoseconds / 1e9
end

local WHEN = "at = \"3d\", at = \"2026-12-24T09:00:00+01:00\", or at = workdays(2)"

-- The moment of a timer: { span = }, { time = }, or { workdays =, clock = }.
local function moment_of(at)
  if at == nil then return nil, "at is missing: when is it to run? " .. WHEN end
  if getmetatable(at) == Workdays then return { workdays = at.workdays, clock = at.clock } end
  if type(at) == "string" and at:find("^%d%d%d%d%-") then
    local time = time_of(at)
    if time then return { time = time } end
    return nil, ("at: '%s' is no time: write it like 2026-12-24T09:00:00+01:00"):format(core.mask(at:sub(1, 40)))
  end
  local seconds = duration.parse(at)
  if not seconds then
    local shown = type(at) == "string" and "'" .. core.mask(at:sub(1, 40)) .. "'" or "a " .. type(at)
    if at ~= at or at == math.huge or type(at) == "number" then shown = tostring(at) end
    return nil, ("at: %s is neither a span nor a time nor working days: write %s"):format(shown, WHEN)
  end
  if seconds <= calendar.MOST_SECONDS then return { span = seconds } end
  return nil, "at: a timer waits ten years at most" .. (type(at) == "number" and "; a number is seconds from now" or "")
end

-- The full types of `cancel`, sorted.
local function types_of(words)
  if words == nil then return {} end
  local conditions, message = head.compile { on = words }
  if not conditions then return nil, "cancel: " .. message:gsub("^on: ", "") end
  local types, seen = {}, {}
  for _, one in ipairs(conditions[1] and conditions[1].alternatives or { { prefix = true } }) do
    if one.prefix then return nil, "cancel: each type is written out: a star is for on" end
    if not seen[one[1]] then types[#types + 1] = one[1] end
    seen[one[1]] = true
  end
  table.sort(types)
  return types
end

local LATER = { at = true, run = true, with = true, key = true, cancel = true }

local function unknown_key(fields)
  for name in pairs(fields) do
    if not LATER[name] then
      return ("unknown key '%s'%s"):format(tostring(name), suggest.hint(tostring(name), LATER))
    end
  end
end

local function key_of_timer(key)
  if key == nil then return "" end
  if type(key) == "number" and key % 1 == 0 then return ("%d"):format(key) end
  local message = name_fault(key)
  if message then return nil, "key " .. message end
  return key
end

--- What later{ … } is given, as a timer.
---@param fields any
---@return { at: table, run: string, with: string|nil, key: string, cancel: string[] }|nil timer
---@return string|nil message
function M.timer_of(fields)
  if type(fields) ~= "table" or getmetatable(fields) ~= nil then
    return nil, "later wants a table: later { " .. WHEN:match("^[^,]*") .. " }"
  end
  local message = unknown_key(fields)
  if message then return nil, "later: " .. message end
  local timer = { run = fields.run == nil and "run" or fields.run }
  timer.at, message = moment_of(fields.at)
  message = message or M.body_fault(timer.run)
  if not message then timer.key, message = key_of_timer(fields.key) end
  if not message then timer.cancel, message = types_of(fields.cancel) end
  if not message and fields.with ~= nil then timer.with, message = M.recordable(fields.with, "with", VALUE_BYTES) end
  if message then return nil, "later: " .. message end
  return timer
end

--- Runs a body at a later time, durably, with the same event and thing.
---@param fields { at: any, run: string|nil, with: any, key: string|nil, cancel: string|string[]|nil }
---@return table verdict
function M.later(fields)
  local timer, message = M.timer_of(fields)
  if not timer then place.mistake(message, 2) end
  local made = verdict { verdict = "timer", timer = timer }
  return made
end

-- Memory.

local function expires_of(span)
  if span == nil then return nil end
  local seconds, message = duration.parse(span)
  if not seconds then return nil, "expires: " .. message end
  if seconds <= 0 or seconds > calendar.MOST_SECONDS then
    return nil, "expires: a span above 0, ten years at most; left out: kept for ever"
  end
  return seconds
end

-- The values of remember { … } in the order of their names.
local function values_of(fields)
  local values = {}
  for name, value in pairs(fields) do
    if type(name) == "number" then return nil, "each value has a name: remember { printed = true }" end
    if name ~= "expires" then
      local message = name_fault(name)
      if message then return nil, ("the name '%s' %s"):format(core.mask(tostring(name):sub(1, 40)), message) end
      local text, fault = M.recordable(value, name, VALUE_BYTES)
      if not text then return nil, fault end
      values[#values + 1] = { name = name, value = text }
    end
  end
  if #values == 0 then
    return nil, "there is no value to keep: remember { printed = true }; nil cannot be kept, forget(\"name\") removes"
  end
  if #values > NAMES then return nil, ("%d values, and one remember keeps %d at most"):format(#values, NAMES) end
  table.sort(values, function(a, b) return a.name < b.name end)
  return values
end

--- Keeps values for the rule and the letter: context.memory gives them.
---@param fields table<string, any> and `expires`, a span
---@return table verdict
function M.remember(fields)
  if type(fields) ~= "table" or getmetatable(fields) ~= nil then
    place.mistake("remember wants a table: remember { printed = true }", 2)
  end
  local values, message = values_of(fields)
  local expires
  if values then expires, message = expires_of(fields.expires) end
  if message then place.mistake("remember: " .. message, 2) end
  for _, one in ipairs(values) do one.expires = expires end
  local made = verdict { verdict = "remember", values = values }
  return made
end

--- Removes a value that was remembered.
---@param name string
---@return table verdict
function M.forget(name)
  local message = name_fault(name)
  if message then place.mistake("forget: the name of what was remembered " .. message, 2) end
  if name == "expires" then place.mistake("forget: nothing is remembered under the name expires", 2) end
  local made = verdict { verdict = "forget", values = { { name = name } } }
  return made
end

-- Steps.

--- Calls a function once in a run and gives its result, which is stored: also after a retry or a crash it is not called
--- again.
---@param name string
---@param fn fun(): any
---@return any result
function M.step(name, fn)
  local message = name_fault(name)
  if message then place.mistake("step: the name " .. message, 2) end
  if type(fn) ~= "function" then
    place.mistake(("step wants a function, not a %s: step(%q, function() return letter:confirm() end)"):format(
      type(fn), name), 2)
  end
  local run = place.run()
  if not run then place.mistake("step works inside a body only", 2) end
  if not run.step then place.mistake("step does not work here: nothing keeps its result", 2) end
  local result = run.step(name, fn)
  return result
end

return M
