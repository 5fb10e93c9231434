-- The language of rules: rule{…}, its keys, the verdicts, the effects.
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local effects = require "altinn.events.rules.effects"
local head = require "altinn.events.event.head"
local place = require "altinn.events.rules.place"
local suggest = require "altinn.events.support.suggest"
local texts = require "altinn.events.support.text"
local words = require "altinn.events.support.words"

local M = {}

local Verdict = { __name = "altinn.events.verdict" }
Verdict.__index = Verdict

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

local function fields_fault(kind, fields)
  if type(fields) ~= "table" then return ("send.%s(target) wants a table"):format(kind) end
  local known = effects.kinds[kind].fields
  for name in pairs(fields) do
    if not known[name] then
      return ("send.%s: unknown key '%s'%s"):format(kind, tostring(name), suggest.hint(tostring(name), known))
    end
  end
  local message = effects.kinds[kind].check(fields)
  return message and ("send.%s: %s"):format(kind, message)
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

--- The members of a body's third argument, and the levels of its log.
M.context = { attempt = true, received = true, sequence = true, subscription = true, came_by = true, log = true }
M.levels = { debug = true, info = true, warn = true, warning = true, error = true }

local function is_verdict(value)
  return getmetatable(value) == Verdict
end

-- The indices of a list's items in order; nil when the table is not a list.
local function places_of(list)
  local places = {}
  if getmetatable(list) ~= nil then return nil end
  for key in next, list do
    if type(key) ~= "number" then return nil end
    places[#places + 1] = key
  end
  table.sort(places)
  return places
end

-- The effects of a list, which may have holes: { A, wanted and B or nil, C }. The `place` of an effect is its index.
local function effects_of(list)
  local places, effects_in = places_of(list), {}
  if not places then
    return nil, "a rule returns nothing, a verdict, an effect or a list of effects; this table is none of them"
  end
  for index, spot in ipairs(places) do
    local value = rawget(list, spot)
    if not is_verdict(value) or value.verdict ~= "effect" then
      return nil, ("a rule returns nothing, a verdict, an effect or a list of effects; item %s of its list is none")
        :format(spot)
    end
    effects_in[index] = setmetatable({ place = spot }, { __index = value })
  end
  if #effects_in == 0 then return { verdict = "done", reason = "the rule returned an empty list" } end
  return { verdict = "effects", effects = effects_in }
end

--- What a rule's body returned, as a verdict.
---@param value any
---@param why any the second value: as Lua's functions do, a body may return nil and what failed
---@return table|nil verdict `verdict` is done, skip, later, fail, effect or effects
---@return string|nil message why it is no verdict
function M.verdict(value, why)
  if not value and why ~= nil then
    return nil, ("the rule returned %s, and why: %s"):format(tostring(value), texts.raised(why))
  end
  if value == nil then return { verdict = "done", reason = "the rule returned nothing" } end
  if is_verdict(value) then return value end
  if type(value) == "table" then return effects_of(value) end
  if type(value) == "function" then
    return nil, "a rule returns nothing, a verdict, an effect or a list of effects, not a function: is the table"
      .. " missing, as in send.http(target) { … }?"
  end
  return nil, ("a rule returns nothing, a verdict, an effect or a list of effects, not a %s"):format(type(value))
end

local WORDS = { done = "done()", skip = "skip(…)", later = "retry_after(…)", fail = "fail(…)" }

--- The mistake of a run whose body made a verdict and did not return it.
---@param made table[] the verdicts that it made
---@param value any what its body returned
---@return string|nil message with the place in the rule's file
function M.unreturned(made, value)
  if #made == 0 or #made == 1 and made[1] == value then return nil end
  local returned = { [value == nil and M or value] = true }
  if type(value) == "table" and not is_verdict(value) then
    for _, one in next, value do returned[one] = true end
  end
  for _, one in ipairs(made) do
    if not returned[one] then
      local word = WORDS[one.verdict] or ("send.%s(%q) { … }"):format(one.kind, one.target)
      local what = one.verdict == "effect" and ("an effect for '%s'"):format(one.target) or word
      return ("%s: %s was made but not returned, so that it would have no effect: write return %s"):format(
        place.at(one.made_by, one.made_line) or "?", what, word)
    end
  end
end

-- Checks of the keys of rule{…}: each returns a message when it is wrong.

local function want(kind)
  return function(value)
    if type(value) ~= kind then return ("must be a %s, not a %s"):format(kind, type(value)) end
  end
end

local function check_name(value)
  if type(value) ~= "string" or not value:find("^[%w][%w%-_%.]*$") or #value > 100 then
    return "must be a word of letters, digits, hyphens, points and underscores, at most 100 long"
  end
  if core.mask(value) ~= value then return "stands in logs and metrics, and must not hold an identity number" end
end

local function check_order(value)
  if value == false then return nil end
  if type(value) == "table" then
    if type(value.constant) ~= "string" or value.constant == "" or next(value, next(value)) ~= nil then
      return "must hold one thing: constant = \"a text\""
    end
  elseif type(value) ~= "string" or not value:find("^[a-z0-9]+$") then
    return "must be \"letter\", the name of an attribute, { constant = \"a text\" } or false"
  end
end

local function positive(most)
  return function(value)
    if type(value) ~= "number" or value ~= value or value <= 0 then return "must be a number above 0" end
    if value > most then return ("must be at most %d"):format(most) end
  end
end

local function whole(most)
  local check = positive(most)
  return function(value)
    local message = check(value)
    if message and type(value) == "number" and value > most then return message end
    if message or value % 1 ~= 0 then return "must be a whole number above 0" end
  end
end

local function span(value)
  local _, message = duration.parse(value)
  return message
end

local function retry_on(value)
  if type(value) ~= "table" or #value == 0 and next(value) ~= nil then
    return "must be a list of statuses and classes (network, timeout, tls, throttled, server: any 5xx)"
  end
  local classes = { network = true, timeout = true, server = true, throttled = true, tls = true }
  for _, one in ipairs(value) do
    local known = classes[one] or type(one) == "number" and one >= 300 and one <= 599
    if not known then
      local near = suggest.hint(tostring(one), classes)
      return ("'%s' is neither a status nor a class%s"):format(tostring(one),
        near ~= "" and near or " (network, timeout, tls, throttled, server: any 5xx)")
    end
  end
end

local function table_of(name, checks)
  return function(value)
    if type(value) ~= "table" then return "must be a table" end
    for key, one in pairs(value) do
      if not checks[key] then
        return ("unknown key '%s'%s"):format(tostring(key), suggest.hint(tostring(key), checks))
      end
      local message = checks[key](one)
      if message then return ("%s.%s %s"):format(name, key, message), true end
    end
  end
end

local powers = {
  ["read:overview"] = true, ["read:details"] = true, ["read:content"] = true, ["mark:read"] = true,
  confirm = true, purge = true, download = true,
}

local function check_may(value)
  if type(value) ~= "table" or #value == 0 and next(value) ~= nil then return "must be a list of powers" end
  for _, power in ipairs(value) do
    if type(power) ~= "string" or not (powers[power] or power:find("^send:.")) then
      return ("'%s' is no power%s"):format(tostring(power), suggest.hint(tostring(power), powers))
    end
  end
end

local function check_when(value)
  if type(value) ~= "table" then return ("must be a table, not a %s"):format(type(value)) end
  if next(value) == nil then return "holds no condition: leave it out, or write one" end
end

local checks = {
  name = check_name, about = want "string", owner = want "string",
  on = function() end, when = check_when, order = check_order, may = check_may,
  retry = table_of("retry", { within = span, attempts = whole(math.huge), on = retry_on }),
  limit = table_of("limit", { seconds = positive(86400), instructions = whole(2 ^ 60), memory = whole(2 ^ 40),
    at_once = whole(100000) }),
  enabled = want "boolean", run = want "function",
}
local later_keys = { trust = true, shadow = true, repeats = true, override = true }

--- The parts of a rule, by name.
M.keys = checks

local function unknown_key(name)
  if tonumber(name) then return ("unknown key '%s': each part of a rule has a name, such as on = …"):format(name) end
  return ("unknown key '%s'%s"):format(name, words.hint(name, checks, "rule"))
end

local function check_keys(fields, problems)
  local names = {}
  for name in pairs(fields) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local check = checks[name]
    if later_keys[name] then
      problems[#problems + 1] = ("'%s' is not supported yet"):format(name)
    elseif not check then
      problems[#problems + 1] = unknown_key(name)
    else
      local message, complete = check(fields[name])
      if message then problems[#problems + 1] = complete and message or ("%s %s"):format(name, message) end
    end
  end
  for _, name in ipairs { "name", "run" } do
    if fields[name] == nil then problems[#problems + 1] = ("'%s' is missing"):format(name) end
  end
  if fields.on == nil then
    problems[#problems + 1] = "'on' is missing: which event types does the rule want (\"*\" for all)?"
  end
end

-- The class of a status, "throttled", "timeout" or "server"; nil when it has none.
local function class_of(status)
  if status == 429 then return "throttled" end
  if status == 408 then return "timeout" end
  return status >= 500 and "server" or nil
end

--- Whether a rule's retry.on names a failure: by its status, or by its class.
---@param rule table
---@param kind any a status, or a class such as "network"
---@param status integer|nil that came with a class
---@return boolean|nil named nil: the rule names none
function M.names_failure(rule, kind, status)
  local on = rule and rule.retry and rule.retry.on
  if not on then return nil end
  status = type(kind) == "number" and kind or status
  for _, wanted in ipairs(on) do
    if wanted == kind or status and (wanted == status or wanted == class_of(status)) then return true end
  end
  return false
end

local function normal_retry(retry)
  if not retry then return nil end
  return { within = retry.within and duration.parse(retry.within), attempts = retry.attempts, on = retry.on }
end

-- Copies the head, so that a body cannot change it through the tables that it was made of.
local function copy_of(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  local copy = {}
  for key, one in pairs(value) do copy[key] = copy_of(one) end
  return copy
end

-- The attribute that runs are kept in order by must be one that the events can carry.
local function order_fault(fields)
  local order, attributes = fields.order, { letter = true }
  for name in pairs(head.carried) do attributes[name] = name ~= "recipient" and name ~= "sender" or nil end
  local fine = type(order) ~= "string" or check_order(order) or attributes[order]
  if fine or head.is_foreign(fields.on) then return nil end
  return ("order: no event of Altinn carries '%s'%s"):format(order, head.carried[order]
    and ": who is meant stands in its subject" or suggest.hint(order, attributes))
end

--- Makes a rule of the table that a rule file gave to rule{…}.
---@param fields table
---@return table|nil rule
---@return string[]|nil problems all that is wrong with it
function M.new(fields)
  local problems = {}
  if type(fields) ~= "table" then return nil, { "rule wants a table: rule { name = …, on = …, run = … }" } end
  check_keys(fields, problems)
  local conditions, message
  if type(fields.when) == "table" or fields.when == nil then
    conditions, message = head.compile { on = fields.on, when = fields.when }
    if message then problems[#problems + 1] = message end
    for _, fault in ipairs(head.faults(fields)) do
      if fault ~= message then problems[#problems + 1] = fault end
    end
  end
  problems[#problems + 1] = order_fault(fields)
  if #problems > 0 then return nil, problems end
  local rule = {}
  for name in pairs(checks) do rule[name] = copy_of(fields[name]) end
  if rule.order == nil then rule.order = "letter" end
  if rule.enabled == nil then rule.enabled = true end
  rule.retry, rule.conditions = normal_retry(fields.retry), conditions
  return rule
end

-- The powers of a rule without `may`. Powers that change something at Altinn must always be declared.
local function is_usual(power)
  return power == "read:overview" or power == "read:details" or power:find("^send:") ~= nil
end

--- Whether a rule has a power. `may` left out means overview, details and
--- every target.
---@param rule table
---@param power string such as "read:details" or "send:print"
---@return boolean
function M.may(rule, power)
  if not rule.may then return is_usual(power) end
  for _, one in ipairs(rule.may) do
    if one == power then return true end
  end
  return false
end

return M
