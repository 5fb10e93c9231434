-- Finds the values of resource, subject and type that the head of a rule wants and a subscription can name. Altinn
-- compares only these three, and exactly, so a prefix, an exclusion or a condition on another attribute leaves a filter
-- open.
local core = require "altinn.events.core"
local head = require "altinn.events.event.head"

local M = {}

local VALIDATION = "platform.events.validatesubscription"

-- Attributes that every event has, and those that are never empty (CloudEvents 1.0.2; an empty resource is no URN).
local required = { specversion = true, id = true, source = true, type = true }
local never_empty = { specversion = true, id = true, source = true, type = true, subject = true, resource = true }

-- Types that Altinn raises and the catalogue does not list one by one.
local families = { "app.instance.process.movedTo." }

local function starts(text, stem)
  return text:sub(1, #stem) == stem
end

-- The intersection of two alternatives, or nil.
local function both(a, b)
  if a.prefix and b.prefix then
    return starts(a[1], b[1]) and a or starts(b[1], a[1]) and b or nil
  end
  if b.prefix then a, b = b, a end
  if a.prefix then return starts(b[1], a[1]) and b or nil end
  return a[1] == b[1] and a or nil
end

local function inside(one, other)
  if other.prefix then return starts(one[1], other[1]) end
  return not one.prefix and one[1] == other[1]
end

local function inside_any(one, list)
  for _, other in ipairs(list) do
    if one ~= other and inside(one, other) then return true end
  end
  return false
end

-- The alternatives without those that another alternative includes.
local function pruned(list)
  local seen, distinct, kept = {}, {}, {}
  for _, one in ipairs(list) do
    local key = one[1] .. (one.prefix and "*" or "=")
    if not seen[key] then distinct[#distinct + 1], seen[key] = one, true end
  end
  for _, one in ipairs(distinct) do
    if not inside_any(one, distinct) then kept[#kept + 1] = one end
  end
  return kept
end

local function common(a, b)
  if not a then return pruned(b) end
  local list = {}
  for _, x in ipairs(a) do
    for _, y in ipairs(b) do list[#list + 1] = both(x, y) end
  end
  return pruned(list)
end

local function without(list, excluded, name)
  local kept = {}
  for _, one in ipairs(list) do
    local empty = one[1] == "" and not one.prefix and never_empty[name]
    if not empty and not inside_any(one, excluded) then kept[#kept + 1] = one end
  end
  return kept
end

-- Why a filter is left out, by the test of a condition.
local reasons = {
  is = "asks by a prefix, and Altinn compares whole values",
  no = "excludes values, which Altinn cannot",
  absent = "wants events without one, which Altinn cannot filter",
  present = "wants any that is there",
}

-- The values of one attribute that the conditions allow: { list = alternatives, nil for any value; absent = whether it
-- may be absent; reason = why the rule has no list of values }.
local function narrowed(conditions, name)
  local list, absent, excluded, reason = nil, not required[name], {}, nil
  for _, condition in ipairs(conditions) do
    if condition.attribute == name then
      reason = reason or reasons[condition.test]
      if condition.test == "no" then
        for _, one in ipairs(condition.alternatives) do excluded[#excluded + 1] = one end
      elseif condition.test == "absent" then
        list = {}
      else
        absent = false
        if condition.test == "is" then list = common(list, condition.alternatives) end
      end
    end
  end
  if list then list = without(list, excluded, name) end
  return { list = list, absent = absent, reason = reason or "sets no condition on it" }
end

-- The list of the allowed values; nil when other values are allowed too.
local function values_of(left)
  if not left.list or left.absent then return nil end
  local values = {}
  for _, one in ipairs(left.list) do
    if one.prefix then return nil end
    values[#values + 1] = one[1]
  end
  return values
end

local function impossible_attribute(conditions)
  local seen = {}
  for _, condition in ipairs(conditions) do
    local name = condition.attribute
    if not seen[name] then
      seen[name] = true
      local left = narrowed(conditions, name)
      if left.list and #left.list == 0 and not left.absent then return name end
    end
  end
  return nil
end

local function holds(condition, value)
  if condition.test == "present" then return true end
  if condition.test == "absent" then return false end
  local is = inside_any({ value, prefix = false }, condition.alternatives)
  return is == (condition.test == "is")
end

local function fitting(conditions, name, values)
  local list = {}
  for _, value in ipairs(values) do
    local fits = true
    for _, condition in ipairs(conditions) do
      if condition.attribute == name then fits = fits and holds(condition, value) end
    end
    if fits then list[#list + 1] = value end
  end
  return list
end

local function resource_problem(value)
  local fault = core.altinn.resource_fault(value)
  return fault and ("when.resource: '%s' cannot be subscribed to: %s"):format(core.mask(value), fault)
end

local function resources_of(rule, known)
  local left = narrowed(rule.conditions, "resource")
  local values = values_of(left)
  if values then
    for _, value in ipairs(values) do
      local message = resource_problem(value)
      if message then return nil, message end
    end
    return values
  end
  if #known == 0 then
    return nil, "names no resource by its whole name, and a subscription needs one: add when = { resource = \"…\" }, or"
      .. " list the resources of such rules in the configuration (resources = { \"…\" })"
  end
  values = fitting(rule.conditions, "resource", known)
  if #values == 0 then
    return nil, "wants none of the resources of the configuration: add when = { resource = \"…\" }, or add to resources"
  end
  return values
end

-- Warnings.

local by_type
local function catalogue()
  if not by_type then
    by_type = {}
    for name, entry in pairs(core.types()) do
      by_type[entry.type] = { name = name, raised = entry.raised, addressed_to = entry.addressed_to }
    end
  end
  return by_type
end

local function in_family(one)
  for _, stem in ipairs(families) do
    if starts(one[1], stem) or one.prefix and starts(stem, one[1]) then return true end
  end
  return false
end

local function type_fault(one)
  local text, known, raised = one[1], false, in_family(one)
  for type, entry in pairs(catalogue()) do
    if type == text or one.prefix and starts(type, text) then
      known, raised = true, raised or entry.raised
    end
  end
  if raised then return nil end
  local shown = core.mask(text) .. (one.prefix and "*" or "")
  if known then
    return { code = "type-dead", type = one,
      message = ("on: '%s' is in Altinn's list of types, but nothing raises it today"):format(shown) }
  end
  return { code = "type-unlisted", type = one,
    message = ("on: '%s' is not among the types that Altinn is known to raise; is it spelt right?"):format(shown) }
end

-- Warns when the rule says `recipient` and the type's events carry the sender, or the other way round.
local function party_fault(rule, type)
  local entry = catalogue()[type]
  local when = rule.when or {}
  local word = when.recipient ~= nil and "recipient" or when.sender ~= nil and "sender"
  if not word or not entry or not entry.addressed_to or entry.addressed_to == word then return nil end
  return { code = "party", word = word, addressed_to = entry.addressed_to,
    message = ("when.%s: '%s' carries the %s, never the %s"):format(word, entry.name, entry.addressed_to, word) }
end

local function faults_of(rule, types)
  local list, left = {}, narrowed(rule.conditions, "type")
  for _, one in ipairs(left.list or {}) do list[#list + 1] = type_fault(one) end
  for _, type in ipairs(types or {}) do list[#list + 1] = party_fault(rule, type) end
  return list
end

local function messages_of(faults)
  local list = {}
  for index, one in ipairs(faults) do list[index] = one.message end
  return list
end

local filters = { resource = true, subject = true, type = true }

local function other_attributes(conditions)
  local names, seen = {}, {}
  for _, condition in ipairs(conditions) do
    local name = condition.attribute
    if not filters[name] and not seen[name] then names[#names + 1], seen[name] = name, true end
  end
  return names
end

-- The types that a subscription can bring; nil: any type. Altinn refuses a subscription for a type that it never
-- raises, and sends the validation event without a subscription for it.
local function that_come(types)
  if not types then return nil end
  local list = {}
  for _, type in ipairs(types) do
    local entry = catalogue()[type]
    if type ~= VALIDATION and not (entry and entry.raised == false) then list[#list + 1] = type end
  end
  return list
end

-- Whether the events of all these types carry the sender.
local function carry_sender(types)
  for _, type in ipairs(types or {}) do
    local entry = catalogue()[type]
    if not entry or entry.addressed_to ~= "sender" then return false end
  end
  return types ~= nil
end

--- Why client:subscribe would refuse a subscription with these filters.
---@param box { resource: string, subject: string|nil, type: string|nil }
---@return string|nil reason nil: client:subscribe takes them
function M.refusal(box)
  local request, reason = core.altinn.request("subscribe", { endpoint = "https://hooks.example/",
    resource = box.resource, subject = box.subject, types = box.type and { box.type } or nil })
  return not request and reason or nil
end

local function never_fault(attribute)
  return { code = "never", attribute = attribute,
    message = ("can never run: its conditions on '%s' exclude each other"):format(attribute) }
end

--- The conditions of a rule that no event can meet, or that Altinn never meets.
---@param rule table with compiled conditions
---@return table[] faults each { code, message } and what it is about: `attribute`, `type` (the alternative), or `word`
---  (for the party) and `addressed_to`
function M.faults(rule)
  local never = impossible_attribute(rule.conditions)
  if never then return { never_fault(never) } end
  return faults_of(rule, values_of(narrowed(rule.conditions, "type")))
end

--- The values that one rule wants and a subscription can name.
---@param rule table name, on, when, and conditions when it is compiled already
---@param known string[] full resources for rules that name none
---@return table|nil wants resources, subjects and types (lists; nil: any), subject_reason and type_reason (why any),
---  others (attributes that Altinn cannot filter), sender_only (all its types carry the sender), warnings;
---  without resources when no subscription is needed
---@return string|nil problem why it cannot be subscribed, and what to do
function M.of(rule, known)
  local conditions = rule.conditions
  if not conditions then
    local fault
    conditions, fault = head.compile { on = rule.on, when = rule.when }
    if not conditions then return nil, fault end
    rule = { name = rule.name, on = rule.on, when = rule.when, conditions = conditions }
  end
  local never = impossible_attribute(conditions)
  if never then
    return { warnings = { never_fault(never).message } }
  end
  local type_left, subject_left = narrowed(conditions, "type"), narrowed(conditions, "subject")
  local types = values_of(type_left)
  local warnings = messages_of(faults_of(rule, types))
  types = that_come(types)
  if types and #types == 0 then return { warnings = warnings } end
  local resources, message = resources_of(rule, known)
  if not resources then return nil, message end
  return { resources = resources, subjects = values_of(subject_left), types = types, warnings = warnings,
    sender_only = carry_sender(types), subject_reason = subject_left.reason, type_reason = type_left.reason,
    others = other_attributes(conditions) }
end

return M
