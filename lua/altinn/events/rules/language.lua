-- The language of rules: the parts of rule { … }. The words of bodies stand in verdicts.lua, the reading of what bodies
-- return in returned.lua; this module gives them all.
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local head = require "altinn.events.event.head"
local details = require "altinn.events.client.details"
local lists = require "altinn.events.support.lists"
local retry_table = require "altinn.events.rules.retry_table"
local returned = require "altinn.events.rules.returned"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local verdicts = require "altinn.events.rules.verdicts"
local words = require "altinn.events.support.words"

local M = {}

for name, value in pairs(verdicts) do M[name] = value end
for name, value in pairs(returned) do M[name] = value end

--- The members of a body's third argument, and the levels of its log.
M.context = {
  attempt = true, received = true, sequence = true, subscription = true, came_by = true, log = true, repeats = true,
  memory = true, timer = true, effect = true, get = true,
}
M.levels = { debug = true, info = true, warn = true, warning = true, error = true }

-- Checks of the keys of rule{…}: each returns a message when it is wrong.

local function want(kind)
  return function(value)
    if type(value) == kind then return nil end
    if kind == "boolean" then return "must be true or false, without quotes" end
    return ("must be a %s, not a %s"):format(kind, type(value))
  end
end

local function check_name(value)
  if type(value) ~= "string" or not value:find("^[%w][%w%-_%.]*$") or #value > 100 then
    return "must be a word of letters, digits, hyphens, points and underscores, at most 100 long"
  end
  if core.mask(value) ~= value then return "stands in logs and metrics, and must not hold an identity number" end
end

local ORDER = "must be \"letter\", the name of an attribute, { constant = \"…\" }, or false"

local function check_constant(value)
  if type(value) ~= "string" or value == "" or #value > 200 or value:find("%c") then
    return "must be a text of 1 to 200 bytes without control characters"
  end
  if core.mask(value) ~= value then return "stands in listings, and must not hold an identity number" end
end

local function check_order(value)
  if value == false then return nil end
  if type(value) == "table" then
    for key in pairs(value) do
      if key ~= "constant" then return ORDER end
    end
    local message = check_constant(value.constant)
    return message and "order.constant " .. message, message ~= nil
  end
  if type(value) ~= "string" or not value:find("^[a-z0-9]+$") then return ORDER end
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
    return "must be a list of statuses and classes" .. retry_table.classes_hint
  end
  local fault = lists.fault(value)
  if fault then return "must be a list: " .. fault end
  for _, one in ipairs(value) do
    local message = retry_table.word_fault(one)
    if message then return message end
  end
end

local ANSWERS = { again = true, never = true }

local function check_override(value)
  if type(value) ~= "table" or next(value) == nil then
    return "must be a table of statuses and classes: override = { [422] = \"again\", network = \"never\" }"
  end
  for failure, answer in pairs(value) do
    local message = retry_table.word_fault(failure)
    if message then return message end
    if not ANSWERS[answer] then
      return ("of %s must be \"again\" or \"never\"%s"):format(tostring(failure),
        suggest.hint(tostring(answer), ANSWERS))
    end
  end
end

local function check_trust(value)
  if value ~= "hint" and value ~= "confirmed" then return "must be \"hint\" or \"confirmed\"" end
end

local function check_been(value)
  if type(value) ~= "table" or #value == 0 then return "must be a list of statuses: been = { \"Read\" }" end
  local fault = lists.fault(value)
  if fault then return "must be a list: " .. fault end
  for _, status in ipairs(value) do
    local message = details.statuses_fault(status)
    if message then return message end
  end
end

-- The check of a part that is a table with these keys; `example` shows one. All mistakes are told, in the order of the
-- keys.
local function table_of(name, checks, example)
  local function fault(key, value)
    if not checks[key] then
      return ("%s: unknown key '%s'%s"):format(name, key, suggest.hint(key, checks))
    end
    local message = checks[key](value)
    return message and ("%s.%s %s"):format(name, key, message)
  end
  return function(value)
    if type(value) ~= "table" then return ("must be a table: %s = %s"):format(name, example) end
    local messages = {}
    for _, key in ipairs(sorted(value)) do messages[#messages + 1] = fault(key, value[key]) end
    if #messages > 0 then return table.concat(messages, "; "), true end
  end
end

local check_unless_table = table_of("unless", { been = check_been })

local function check_unless(value)
  if type(value) ~= "table" or value.been == nil then
    return "must be a table with statuses: unless = { been = { \"Read\" } }"
  end
  return check_unless_table(value)
end

local powers = {
  ["read:overview"] = true, ["read:details"] = true, ["read:content"] = true, ["mark:read"] = true,
  confirm = true, purge = true, download = true,
}

local function no_power(power)
  local text = tostring(power)
  local near = suggest.hint(text, powers)
  return ("'%s' is no power%s"):format(text, near ~= "" and near
    or (": \"send:TARGET\" sends, and 'altinn-events explain' lists the others"))
end

local function check_may(value)
  if type(value) ~= "table" or #value == 0 and next(value) ~= nil then
    return "must be a list of powers: may = { \"read:details\", \"send:print\" }"
  end
  local fault = lists.fault(value)
  if fault then return "must be a list: " .. fault end
  for _, power in ipairs(value) do
    if type(power) ~= "string" or not (powers[power] or power:find("^send:.")) then return no_power(power) end
  end
end

local function check_when(value)
  if type(value) ~= "table" then return "must be a table of conditions: when = { resource = \"acme-letters\" }" end
  if next(value) == nil then return "holds no condition: leave it out, or write one" end
end

local checks = {
  name = check_name, about = want "string", owner = want "string",
  on = function() end, when = check_when, order = check_order, may = check_may,
  retry = table_of("retry", { within = span, attempts = whole(math.huge), on = retry_on },
    "{ within = \"36h\" }"),
  limit = table_of("limit", { seconds = positive(86400), instructions = whole(2 ^ 60), memory = whole(2 ^ 40),
    at_once = whole(100000) }, "{ seconds = 10 }"),
  enabled = want "boolean", shadow = want "boolean", repeats = want "boolean", trust = check_trust,
  unless = check_unless, override = check_override, run = want "function",
}

--- The parts of a rule, by name.
M.keys = checks

local function unknown_key(name)
  if tonumber(name) then return ("unknown key '%s': each part of a rule has a name, such as on = …"):format(name) end
  return ("unknown key '%s'%s"):format(name, words.hint(name, checks, "rule"))
end

-- Whether a key that is no part of a rule is the name of a body. The parts have no functions but `run`, so that only a
-- misspelt `run` can look like a body; it leaves `run` missing.
local function is_body(fields, name)
  if type(fields[name]) ~= "function" then return false end
  return fields.run ~= nil or suggest.nearest(name, { "run" }) == nil
end

local function body_fault(name)
  local message = check_name(name)
  return message and ("the body's name '%s' %s"):format(core.mask(name:sub(1, 100)), message)
end

local function key_fault(fields, name)
  local check = checks[name]
  if not check then
    if is_body(fields, name) then return body_fault(name) end
    return unknown_key(name)
  end
  local message, complete = check(fields[name])
  return message and (complete and message or ("%s %s"):format(name, message))
end

local function run_missing(fields)
  for _, name in ipairs(sorted(fields)) do
    if not checks[name] and is_body(fields, name) then
      return ("'run' is missing: the body that an event starts; '%s' runs only when later { run = %q } starts it")
        :format(name, name)
    end
  end
  return "'run' is missing"
end

local function check_keys(fields, problems)
  for _, name in ipairs(sorted(fields)) do problems[#problems + 1] = key_fault(fields, name) end
  if fields.name == nil then problems[#problems + 1] = "'name' is missing" end
  if fields.run == nil then problems[#problems + 1] = run_missing(fields) end
  if fields.on == nil then
    problems[#problems + 1] = "'on' is missing: which event types does the rule want (\"*\" for all)?"
  end
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

-- `unless` asks Altinn for the details of the letter, which is a power.
local function unless_fault(fields)
  if fields.unless == nil or type(fields.may) ~= "table" then return nil end
  for _, power in ipairs(fields.may) do
    if power == "read:details" then return nil end
  end
  return "unless asks Altinn for the letter's details: add \"read:details\" to may"
end

-- The bodies by name, `run` among them.
local function bodies_of(fields)
  local bodies = { run = fields.run }
  for name, value in pairs(fields) do
    if not checks[name] and type(value) == "function" then bodies[name] = value end
  end
  return bodies
end

--- Makes a rule of the table that a rule file gave to rule{…}.
---@param fields table
---@return table|nil rule the parts under their names; `bodies`: the functions by name, `run` among them; `conditions`
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
  problems[#problems + 1] = unless_fault(fields)
  if #problems > 0 then return nil, problems end
  local rule = {}
  for name in pairs(checks) do rule[name] = copy_of(fields[name]) end
  if rule.order == nil then rule.order = "letter" end
  if rule.enabled == nil then rule.enabled = true end
  rule.retry, rule.conditions, rule.bodies = normal_retry(fields.retry), conditions, bodies_of(fields)
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
