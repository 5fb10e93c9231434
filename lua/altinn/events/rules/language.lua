-- The language of rules: the parts of rule { … }. The words of bodies stand in verdicts.lua, the reading of what bodies
-- return in returned.lua; this module gives them all.
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local faults_of = require "altinn.events.support.faults"
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

-- Checks of the keys of rule{…}: each returns what is wrong as a text that follows the key's name, or as a table: {
-- message, remedy, code (else that of the key), way (from the key to the place), word (that is meant), whole (the
-- message names the key itself) }, or as a list of those under `all`.

local fault = faults_of.new

local function want(kind)
  return function(value)
    if type(value) == kind then return nil end
    if kind == "boolean" then return "must be true or false, without quotes" end
    return ("must be a %s, not a %s"):format(kind, type(value))
  end
end

local NUMBER = "stands in logs and metrics, and must not hold an identity number"

local function check_name(value)
  if type(value) ~= "string" or not value:find("^[%w][%w%-_%.]*$") or #value > 100 then
    return "must be a word of letters, digits, hyphens, points and underscores, at most 100 long"
  end
  if core.mask(value) ~= value then return { message = NUMBER, code = "identity-number" } end
end

local ORDER = { message = "must be \"letter\", the name of an attribute, { constant = \"…\" }, or false" }

local function check_constant(value)
  if type(value) ~= "string" or value == "" or #value > 200 or value:find("%c") then
    return { message = "order.constant must be a text of 1 to 200 bytes without control characters" }
  end
  if core.mask(value) ~= value then
    return { message = "order.constant stands in listings, and must not hold an identity number",
      code = "identity-number" }
  end
end

local function check_order(value)
  if value == false then return nil end
  if type(value) == "table" then
    for key in pairs(value) do
      if key ~= "constant" then return ORDER end
    end
    local wrong = check_constant(value.constant)
    if wrong then wrong.whole, wrong.way = true, { "constant" } end
    return wrong
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
  return message and { message = message, code = "retry-span" }
end

-- The fault of a table that ought to be a list with something in it.
local function list_fault(value, what, example)
  local is_named = type(value) == "table" and #value == 0 and next(value) ~= nil
  if type(value) ~= "table" or is_named then
    return { message = ("must be a list of %s"):format(what), remedy = example }
  end
  local hole = lists.fault(value)
  return hole and { message = "must be a list: " .. hole } or nil
end

local function retry_on(value)
  if type(value) ~= "table" or #value == 0 and next(value) ~= nil then
    return "must be a list of statuses and classes" .. retry_table.classes_hint
  end
  local wrong = list_fault(value)
  if wrong then return wrong end
  for index, one in ipairs(value) do
    local message = retry_table.word_fault(one)
    if message then return { message = message, code = "retry-word", way = { index } } end
  end
end

local ANSWERS = { again = true, never = true }

local function check_override(value)
  if type(value) ~= "table" or next(value) == nil then
    return { message = "must be a table of statuses and classes",
      remedy = "override = { [422] = \"again\", network = \"never\" }" }
  end
  for failure, answer in pairs(value) do
    local message = retry_table.word_fault(failure)
    if message then return { message = message, code = "retry-word", way = { failure }, at_key = true } end
    if not ANSWERS[answer] then
      return { message = ("of %s must be \"again\" or \"never\"%s"):format(tostring(failure),
        suggest.hint(tostring(answer), ANSWERS)), way = { failure }, word = suggest.only(answer, ANSWERS) }
    end
  end
end

local TRUST = { hint = true, confirmed = true }

local function check_trust(value)
  if value == nil or TRUST[value] then return nil end
  return { message = "must be \"hint\" or \"confirmed\"", word = suggest.only(value, TRUST) }
end

local function check_been(value)
  if type(value) ~= "table" or #value == 0 then
    return { message = "must be a list of statuses", remedy = "been = { \"Read\" }" }
  end
  local wrong = list_fault(value)
  if wrong then return wrong end
  for index, status in ipairs(value) do
    local message = details.statuses_fault(status)
    if message then
      return { message = message, code = "unless-status", way = { index },
        word = suggest.only(status, core.altinn.statuses) }
    end
  end
end

-- One or more faults of a part as a list.
local function as_list(wrong)
  if wrong == nil then return {} end
  if type(wrong) == "string" then return { { message = wrong } } end
  return wrong.all or { wrong }
end

local function joined(first, rest)
  local list = { first }
  for _, step in ipairs(rest or {}) do list[#list + 1] = step end
  return list
end

-- The check of a part that is a table with these keys; `example` shows one. All mistakes are told, in the order of the
-- keys.
local function table_of(name, checks, example)
  local function add(found, key, value)
    if not checks[key] then
      found[#found + 1] = { message = ("%s: unknown key '%s'%s"):format(name, key, suggest.hint(key, checks)),
        code = "rule-part", way = { key }, at_key = true, whole = true, word = suggest.only(key, checks) }
      return
    end
    for _, one in ipairs(as_list(checks[key](value))) do
      found[#found + 1] = { message = ("%s.%s %s"):format(name, key, one.message), remedy = one.remedy,
        code = one.code, way = joined(key, one.way), word = one.word, at_key = one.at_key, whole = true }
    end
  end
  return function(value)
    if type(value) ~= "table" then
      return { message = "must be a table", remedy = ("%s = %s"):format(name, example) }
    end
    local found = {}
    for _, key in ipairs(sorted(value)) do add(found, key, value[key]) end
    return { all = found }
  end
end

local check_unless_table = table_of("unless", { been = check_been })

local function check_unless(value)
  if type(value) ~= "table" or value.been == nil then
    return { message = "must be a table with statuses", remedy = "unless = { been = { \"Read\" } }" }
  end
  return check_unless_table(value)
end

local powers = {
  ["read:overview"] = true, ["read:details"] = true, ["read:content"] = true, ["mark:read"] = true,
  confirm = true, purge = true, download = true,
}

--- The powers that a rule can have, those of effects aside.
M.powers = powers

local function no_power(power, index)
  local text = tostring(power)
  local near = suggest.hint(text, powers)
  return { message = ("'%s' is no power%s"):format(text, near), code = "may-unknown", way = { index },
    remedy = near == "" and "\"send:TARGET\" sends, and 'altinn-events explain' lists the others" or nil,
    word = suggest.only(power, powers) }
end

local function check_may(value)
  local wrong = list_fault(value, "powers", "may = { \"read:details\", \"send:print\" }")
  if wrong then return wrong end
  for index, power in ipairs(value) do
    if type(power) ~= "string" or not (powers[power] or power:find("^send:.")) then return no_power(power, index) end
  end
end

local function check_when(value)
  if type(value) ~= "table" then
    return { message = "must be a table of conditions", remedy = "when = { resource = \"acme-letters\" }" }
  end
  if next(value) == nil then
    return { message = "holds no condition", remedy = "leave it out, or write one", code = "when-empty" }
  end
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

-- The codes of mistakes in the values of parts.
local CODES = {
  name = "name-form", about = "text-form", owner = "text-form", when = "when-form", order = "order-form",
  may = "may-form", retry = "retry-form", limit = "limit-form", enabled = "switch-form", shadow = "switch-form",
  repeats = "switch-form", trust = "trust-form", unless = "unless-form", override = "override-form", run = "run-form",
}

--- The parts of a rule, by name.
M.keys = checks

local function unknown_part(name)
  if tonumber(name) then
    return fault("part-nameless", { tonumber(name) },
      ("unknown key '%s': each part of a rule has a name, such as on = …"):format(name))
  end
  return fault("rule-part", { name }, ("unknown key '%s'%s"):format(name, words.hint(name, checks, "rule")), nil,
    { at_key = true, word = suggest.only(name, checks) })
end

-- Whether a key that is no part of a rule is the name of a body. The parts have no functions but `run`, so that only a
-- misspelt `run` can look like a body; it leaves `run` missing.
local function is_body(fields, name)
  if type(fields[name]) ~= "function" then return false end
  return fields.run ~= nil or suggest.nearest(name, { "run" }) == nil
end

local function body_fault(name)
  local one = as_list(check_name(name))[1]
  return one and fault(one.code or "body-name", { name }, ("the body's name '%s' %s"):format(
    core.mask(name:sub(1, 100)), one.message), nil, { at_key = true })
end

local function add_key(fields, name, problems)
  local check = checks[name]
  if not check then
    problems[#problems + 1] = not is_body(fields, name) and unknown_part(name) or body_fault(name) or nil
    return
  end
  for _, one in ipairs(as_list(check(fields[name]))) do
    problems[#problems + 1] = fault(one.code or CODES[name], joined(name, one.way),
      one.whole and one.message or ("%s %s"):format(name, one.message), one.remedy,
      { at_key = one.at_key, word = one.word })
  end
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
  for _, name in ipairs(sorted(fields)) do add_key(fields, name, problems) end
  if fields.name == nil then problems[#problems + 1] = fault("name-missing", {}, "'name' is missing") end
  if fields.run == nil then problems[#problems + 1] = fault("run-missing", {}, run_missing(fields)) end
  if fields.on == nil then
    problems[#problems + 1] = fault("on-missing", {}, "'on' is missing",
      "which event types does the rule want (\"*\" for all)?")
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
  return fault("order-attribute", { "order" }, ("order: no event of Altinn carries '%s'%s"):format(order,
    head.carried[order] and ": who is meant stands in its subject" or suggest.hint(order, attributes)), nil,
    { word = suggest.only(order, attributes) })
end

-- `unless` asks Altinn for the details of the letter, which is a power.
local function unless_fault(fields)
  if fields.unless == nil or type(fields.may) ~= "table" then return nil end
  for _, power in ipairs(fields.may) do
    if power == "read:details" then return nil end
  end
  return fault("unless-power", { "may" }, "unless asks Altinn for the letter's details", "add \"read:details\" to may")
end

-- The bodies by name, `run` among them.
local function bodies_of(fields)
  local bodies = { run = fields.run }
  for name, value in pairs(fields) do
    if not checks[name] and type(value) == "function" then bodies[name] = value end
  end
  return bodies
end

-- All that is wrong with the table of a rule.
local function faults_in(fields)
  local problems = {}
  check_keys(fields, problems)
  if type(fields.when) == "table" or fields.when == nil then
    for _, one in ipairs(head.judged(fields)) do problems[#problems + 1] = one end
  end
  problems[#problems + 1] = order_fault(fields)
  problems[#problems + 1] = unless_fault(fields)
  return problems
end

local function refused(problems)
  local texts = {}
  for index, one in ipairs(problems) do texts[index] = faults_of.text(one) end
  return nil, texts, problems
end

local function are_texts(value)
  for _, one in ipairs(type(value) == "table" and value or { value }) do
    if type(one) ~= "string" then return false end
  end
  return value ~= nil
end

--- What stands for a rule that cannot be made, so that its bodies can be looked at all the same.
---@param fields table that M.new refused
---@return table|nil draft the parts that bodies depend on; nil: its name or its powers cannot be told
function M.draft(fields)
  if type(fields) ~= "table" or type(fields.name) ~= "string" then return nil end
  if fields.may ~= nil and (type(fields.may) ~= "table" or not are_texts(fields.may)) then return nil end
  return {
    is_draft = true, name = fields.name, may = copy_of(fields.may), enabled = true, bodies = bodies_of(fields),
    on = are_texts(fields.on) and copy_of(fields.on) or "*",
  }
end

--- Makes a rule of the table that a rule file gave to rule{…}.
---@param fields table
---@return table|nil rule the parts under their names; `bodies`: the functions by name, `run` among them; `conditions`
---@return string[]|nil problems all that is wrong with it
---@return altinn.events.fault[]|nil faults the same, each with its code and place
function M.new(fields)
  if type(fields) ~= "table" then
    return refused { fault("rule-form", {}, "rule wants a table", "rule { name = …, on = …, run = … }") }
  end
  local problems = faults_in(fields)
  if #problems > 0 then return refused(problems) end
  local rule = {}
  for name in pairs(checks) do rule[name] = copy_of(fields[name]) end
  if rule.order == nil then rule.order = "letter" end
  if rule.enabled == nil then rule.enabled = true end
  rule.conditions = head.compile { on = fields.on, when = fields.when }
  rule.retry, rule.bodies = normal_retry(fields.retry), bodies_of(fields)
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
