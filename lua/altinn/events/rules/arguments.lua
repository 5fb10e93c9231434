-- The arguments of the words that bodies are written in: their mistakes, and the plain values that are made of them.
-- `check` asks for the same mistakes, when it reads constants in a text.
local calendar = require "altinn.events.rules.calendar"
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local effects = require "altinn.events.rules.effects"
local head = require "altinn.events.event.head"
local json = require "altinn.events.support.json"
local lists = require "altinn.events.support.lists"
local place = require "altinn.events.rules.place"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"

local M = {}

local VALUE_BYTES = 64 * 1024  -- of a remembered value, and of what a timer carries
local NAME_BYTES = 200         -- of a remembered value's name, of a timer's key, of a step's name
local NAMES = 100              -- values in one remember
local MOST_WORKDAYS = 2600     -- ten years have fewer

--- The metatables of verdicts and of working days.
M.Verdict = { __name = "altinn.events.verdict" }
M.Verdict.__index = M.Verdict
M.Workdays = { __name = "altinn.events.workdays" }

--- The mistakes of a word's arguments, by the word: each gives a message or nil.
---@type table<string, fun(...: any): string|nil>
M.faults = {}

local faults = M.faults

function faults.done(reason)
  if reason ~= nil and type(reason) ~= "string" then return "done: the reason is a text" end
end

function faults.skip(reason)
  if type(reason) ~= "string" or reason == "" then return "skip wants a reason" end
end

function faults.fail(reason)
  if type(reason) ~= "string" or reason == "" then return "fail wants a reason" end
end

function faults.retry_after(span, reason)
  local _, message = duration.parse(span)
  if message then return "retry_after: " .. message end
  if reason ~= nil and type(reason) ~= "string" then return "retry_after: the reason is a text" end
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
  if getmetatable(value) == M.Verdict then return "a verdict is no plain value" end
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

--- Says that a rule has no body of a name.
---@param name string
---@param bodies table<string, function> of the rule
---@return string
function M.no_body(name, bodies)
  return ("the rule has no body '%s'%s"):format(core.mask(name), suggest.hint(name, bodies))
end

--- Why a word cannot name one of some bodies.
---@param name string
---@param bodies table<string, function> of the rule
---@return string|nil message
function M.unknown_body(name, bodies)
  if bodies[name] then return nil end
  return ("%s: write %s = function(event, letter, context) … end beside run"):format(M.no_body(name, bodies),
    name:find("^[%a_][%w_]*$") and name or "…")
end

--- Why a word cannot name a body of the rule that runs. Outside of runs any name will do.
---@param name any
---@return string|nil message
function M.body_fault(name)
  if type(name) ~= "string" then return ("the name of a body is a text, not a %s"):format(type(name)) end
  local run = place.run()
  local bodies = run and run.rule and run.rule.bodies
  return bodies and M.unknown_body(name, bodies) or nil
end

-- Effects.

local function probe_fault(kind, probe)
  if probe == nil then return nil end
  local message = M.body_fault(probe)
  if message then return ("send.%s: probe: %s"):format(kind, message) end
  if probe == "run" then return ("send.%s: probe: run is the body itself; a probe has its own"):format(kind) end
end

-- " (there are: a, b, c)".
local function among(known) return (" (there are: %s)"):format(table.concat(sorted(known), ", ")) end

local function fields_fault(kind, fields)
  if type(fields) ~= "table" then return ("send.%s(target) wants a table"):format(kind) end
  local known = effects.kinds[kind].fields
  for name in pairs(fields) do
    if not known[name] then
      local near = suggest.hint(tostring(name), known)
      return ("send.%s: unknown key '%s'%s"):format(kind, tostring(name), near ~= "" and near or among(known))
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
  for index = 1, lists.hole(key) or #key do  -- a nil among the parts is a mistake too
    list[index] = part_of(key[index])
    if list[index] == nil then
      return nil, ("send.%s: part %d of the key is a %s; things, events, texts and numbers make a key")
        :format(kind, index, type(key[index]))
    end
  end
  if #list == 0 then return nil, ("send.%s: the key is empty"):format(kind) end
  return list
end

--- An effect of what send.KIND(target) is given.
---@param kind string
---@param target string
---@param fields any
---@return table|nil effect
---@return string|nil message
function M.effect_of(kind, target, fields)
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
  local effect, message = M.effect_of(kind, target, fields)
  if not effect then return message end
  local made
  local one = effects.kinds[kind]
  made, message = effects.prepare(effect, { rule = "r", event = event, place = 1 },
    { [target] = one.sample_for and one.sample_for(fields) or one.sample })
  return not made and message or nil
end

-- Timers.

local function is_clock(text)
  if type(text) ~= "string" then return false end
  local hours, minutes = text:match("^(%d%d):(%d%d)$")
  return hours ~= nil and tonumber(hours) < 24 and tonumber(minutes) < 60
end

function faults.workdays(n, clock)
  if type(n) ~= "number" or n % 1 ~= 0 or n < 1 or n > MOST_WORKDAYS then
    return ("workdays wants a whole number of days, from 1 to %d (ten years)%s"):format(MOST_WORKDAYS,
      tonumber(n) and type(n) == "string" and ", without quotes" or "")
  end
  if clock ~= nil and not is_clock(clock) then
    return "workdays: the time of day is a text from \"00:00\" to \"23:59\""
  end
end

-- The seconds since 1970 of a time of RFC 3339.
local function time_of(text)
  local seconds, nanoseconds = core.altinn.moment(text)
  return seconds and seconds + nanoseconds / 1e9
end

local WHEN = "at = \"3d\", at = \"2026-12-24T09:00:00+01:00\", or at = workdays(2)"

-- The moment of a timer: { span = }, { time = }, or { workdays =, clock = }.
local function moment_of(at)
  if at == nil then return nil, "at is missing: when is it to run? " .. WHEN end
  if getmetatable(at) == M.Workdays then
    local message = faults.workdays(at.workdays, at.clock)  -- the rule may have changed them
    if message then return nil, "at: " .. message end
    return { workdays = at.workdays, clock = at.clock }
  end
  if type(at) == "string" and at:find("^%d%d%d%d%-") then
    local time = time_of(at)
    if time then return { time = time } end
    return nil, ("at: '%s' is no time: write it like 2026-12-24T09:00:00+01:00"):format(core.mask(at:sub(1, 40)))
  end
  local seconds = duration.parse(at)
  if not seconds then
    local shown = type(at) == "string" and "'" .. core.mask(at:sub(1, 40)) .. "'" or "a " .. type(at)
    if type(at) == "number" then shown = tostring(at) end
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

function faults.later(fields)
  local _, message = M.timer_of(fields)
  return message
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

--- The values of remember { … } in the order of their names.
---@param fields any
---@return { name: string, value: string, expires: number|nil }[]|nil values each as JSON
---@return string|nil message
function M.memory_of(fields)
  if type(fields) ~= "table" or getmetatable(fields) ~= nil then
    return nil, "remember wants a table: remember { printed = true }"
  end
  local values, message = values_of(fields)
  local expires
  if values then expires, message = expires_of(fields.expires) end
  if message then return nil, "remember: " .. message end
  for _, one in ipairs(values) do one.expires = expires end
  return values
end

function faults.remember(fields)
  local _, message = M.memory_of(fields)
  return message
end

function faults.forget(name)
  local message = name_fault(name)
  if message then return "forget: the name of what was remembered " .. message end
  if name == "expires" then return "forget: nothing is remembered under the name expires" end
end

-- Steps.

function faults.step(name, fn)
  local message = name_fault(name)
  if message then return "step: the name " .. message end
  if type(fn) ~= "function" then
    return ("step wants a function, not a %s: step(%q, function() return letter:confirm() end)"):format(type(fn), name)
  end
end

return M
