-- Flips: the change of an event, or of a rule's head, that turns no match into a match, and for each condition that
-- holds the change of the event that breaks it. Every flip is tried with the matcher before it is told.
local core = require "altinn.events.core"
local events = require "altinn.events"
local heads = require "altinn.events.event.head"

local M = {}

local LETTERS, RESOURCE = "no.altinn.correspondence.", "urn:altinn:resource:"

-- Attributes that every event has.
local ALWAYS = { id = true, source = true, type = true, specversion = true }

-- Values that attributes can have, for conditions that name none.
local SAMPLES = {
  id = { "1", "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f" },
  source = { "https://platform.altinn.no/correspondence", "urn:altinn:x", "/x" },
  specversion = { "1.0" }, time = { "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+01:00" },
  subject = { "urn:altinn:organization:identifier-no:987654321", "/party/1" },
  datacontenttype = { "application/json", "text/plain" },
  dataschema = { "https://example.no/schema", "urn:example:schema" },
  resource = { RESOURCE .. "acme-letters" }, resourceinstance = { "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f" },
  alternativesubject = { "/organisation/987654321" },
}
local ANY = { "x", "1" }
local ENDINGS = { "x", "1", "-x", "/x" }

local full_types

local function types()
  if full_types then return full_types end
  full_types = {}
  for _, entry in pairs(core.types()) do full_types[#full_types + 1] = entry.type end
  table.sort(full_types)
  full_types[#full_types + 1] = "com.example.thing"
  return full_types
end

local function samples_of(attribute)
  return attribute == "type" and types() or SAMPLES[attribute] or ANY
end

-- Candidates: a list of values to try, in the order of preference; false: the attribute is not there.

local function add_with_endings(list, text)
  for _, ending in ipairs(ENDINGS) do list[#list + 1] = text .. ending end
end

-- Values that begin with a text.
local function add_beginning(list, attribute, text)
  local samples = samples_of(attribute)
  for _, sample in ipairs(samples) do
    if sample:sub(1, #text) == text then list[#list + 1] = sample end
  end
  list[#list + 1] = text
  for _, sample in ipairs(samples) do list[#list + 1] = text .. sample:sub(#text + 1) end
  add_with_endings(list, text)
end

local function add_alternatives(list, attribute, condition)
  for _, one in ipairs(condition.alternatives) do
    if one.prefix then add_beginning(list, attribute, one[1]) else list[#list + 1] = one[1] end
  end
end

local function add_others(list, attribute, got)
  if not ALWAYS[attribute] then list[#list + 1] = false end
  for _, sample in ipairs(samples_of(attribute)) do list[#list + 1] = sample end
  if got ~= nil then add_with_endings(list, tostring(got)) end
  for _, text in ipairs(ANY) do add_with_endings(list, text) end
end

-- What may make all conditions of an attribute hold.
local function fulfilling(attribute, conditions, got)
  local list = {}
  for _, condition in ipairs(conditions) do
    if condition.test == "is" then add_alternatives(list, attribute, condition) end
  end
  add_others(list, attribute, got)
  return list
end

-- What may break a condition.
local function breaking(attribute, condition, got)
  local list = {}
  if condition.test == "no" then add_alternatives(list, attribute, condition) end
  add_others(list, attribute, got)
  if condition.test == "is" and #list > 1 and list[1] == false then  -- another value says more than none
    table.remove(list, 1)
    list[#list + 1] = false
  end
  return list
end

-- A head in a matcher of its own.

local Judge = {}
Judge.__index = Judge

local function judge_of(head)
  local conditions, message = heads.compile { on = head.on, when = head.when }
  if not conditions then return nil, message end
  local matcher = events.matcher()
  local ok, raised = pcall(matcher.add, matcher, "it", { on = head.on, when = head.when })
  if not ok then return nil, raised end
  return setmetatable({ matcher = matcher, conditions = conditions }, Judge)
end

-- Whether each condition holds; nil: the fields are no event.
function Judge:holds(fields)
  local matched, list = self.matcher:explain(fields, "it")
  return matched ~= nil and list or nil
end

function Judge:all_hold(fields, places)
  local list = self:holds(fields)
  if not list then return false end
  for _, place in ipairs(places) do
    if not list[place].holds then return false end
  end
  return true
end

-- Changes.

local function change_of(attribute, value, got)
  return { attribute = attribute, to = value or nil, absent = not value or nil, from = got }
end

-- Sets the attribute to the first candidate that serves; a payload that the new value forbids goes.
local function first_that(fields, attribute, candidates, serves)
  local got, data = fields[attribute], fields.data
  for _, without in ipairs { false, true } do
    if without then fields.data = nil end
    for _, value in ipairs(candidates) do
      fields[attribute] = value or nil
      if serves(fields) then
        local changes = { change_of(attribute, value, got) }
        if without and data ~= nil then changes[2] = { attribute = "data", absent = true } end
        return changes
      end
    end
    if data == nil or attribute ~= "datacontenttype" then break end
  end
  fields[attribute], fields.data = got, data
end

-- The places of the conditions by attribute, and the attributes in order.
local function by_attribute(conditions)
  local places, order = {}, {}
  for place, condition in ipairs(conditions) do
    local name = condition.attribute
    if not places[name] then
      places[name] = {}
      order[#order + 1] = name
    end
    table.insert(places[name], place)
  end
  return places, order
end

local function conditions_at(conditions, places)
  local list = {}
  for index, place in ipairs(places) do list[index] = conditions[place] end
  return list
end

--- The change of an event that makes it match: each failing attribute gets one value, and all together are a valid
--- event that the head wants.
---@param head { on: any, when: table|nil }
---@param event any
---@return table[]|nil changes each { attribute, to | absent = true, from }; empty: it matches; nil: none was found
---@return string|nil attribute for which there is no value
function M.event(head, event)
  local judge = assert(judge_of(head))
  local fields, changes = events.totable(event), {}
  local places, order = by_attribute(judge.conditions)
  for _, attribute in ipairs(order) do
    local function serves(tried) return judge:all_hold(tried, places[attribute]) end
    if not serves(fields) then
      local list = fulfilling(attribute, conditions_at(judge.conditions, places[attribute]), fields[attribute])
      local made = first_that(fields, attribute, list, serves)
      if not made then return nil, attribute end
      for _, one in ipairs(made) do changes[#changes + 1] = one end
    end
  end
  return changes
end

--- The change of an event that breaks one condition of a head.
---@param head { on: any, when: table|nil }
---@param event any
---@param place integer of the condition, as explain lists them
---@return table[]|nil changes nil: no event can break it
function M.broken(head, event, place)
  local judge = assert(judge_of(head))
  local condition, fields = judge.conditions[place], events.totable(event)
  return first_that(fields, condition.attribute, breaking(condition.attribute, condition, fields[condition.attribute]),
    function(tried)
      local list = judge:holds(tried)
      return list ~= nil and not list[place].holds
    end)
end

--- An event with changes, as a table.
---@param event any
---@param changes table[]
---@return table
function M.applied(event, changes)
  local fields = events.totable(event)
  for _, change in ipairs(changes) do fields[change.attribute] = change.to end
  return fields
end

-- The rule.

local function sorted_names(when)
  local names = {}
  for name in pairs(when) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Which part of the head each condition stands for: "on", or a name in `when`.
local function parts_of(head)
  local parts = {}
  if head.on ~= nil and #heads.compile { on = head.on } > 0 then parts[1] = "on" end
  for _, name in ipairs(sorted_names(head.when or {})) do parts[#parts + 1] = name end
  return parts
end

local function with(list, value)
  local copy = {}
  for index, one in ipairs(list) do copy[index] = one end
  copy[#copy + 1] = value
  return copy
end

local function as_list(value)
  return type(value) == "table" and getmetatable(value) == nil and value or { value }
end

local function matches_alone(head, event)
  local judge = judge_of(head)
  local list = judge and judge:holds(event)
  return list ~= nil and (list[1] == nil or list[1].holds)
end

-- `on` with the event's type, or, when a rule cannot name that type, every type.
local function wider_on(on, event)
  local wider = with(as_list(on), event.type)
  if matches_alone({ on = wider }, event) then return wider, { part = "on", add = event.type } end
  return "*", { part = "on", add = "*" }
end

-- What a no(…) may go on to exclude.
local function less_excluded(name, value, event)
  local kept, dropped = {}, {}
  for _, one in ipairs(as_list(value.value)) do
    local list = matches_alone({ when = { [name] = events.no(one) } }, event) and kept or dropped
    list[#list + 1] = one
  end
  if #kept == 0 then return nil, { part = "when." .. name, drop = true } end
  return events.no(kept), { part = "when." .. name, allow = dropped }
end

local function wider_value(name, value, got, event)
  local left_out = { part = "when." .. name, drop = true }
  if got == nil or value == events.absent then return nil, left_out end
  if type(value) == "table" and value.kind == "no" then return less_excluded(name, value, event) end
  local wider = with(as_list(value), tostring(got))
  if matches_alone({ when = { [name] = wider } }, event) then
    return wider, { part = "when." .. name, add = tostring(got) }
  end
  return nil, left_out
end

--- The change of a head that makes it want an event.
---@param head { on: any, when: table|nil }
---@param event any
---@return table[] changes each { part = "on" | "when.NAME", add = value | allow = values | drop = true }
---@return { on: any, when: table|nil } wider the head with these changes
function M.rule(head, event)
  local judge = assert(judge_of(head))
  local changes, wider, parts = {}, { on = head.on, when = {} }, parts_of(head)
  for name, value in pairs(head.when or {}) do wider.when[name] = value end
  for place, one in ipairs(assert(judge:holds(event))) do
    local part = parts[place]
    if not one.holds and part == "on" then wider.on, changes[#changes + 1] = wider_on(head.on, event)
    elseif not one.holds then
      wider.when[part], changes[#changes + 1] = wider_value(part, head.when[part], one.got, event)
    end
  end
  return changes, wider
end

-- Words.

-- A value as a rule would write it.
local function short(attribute, value)
  local text = tostring(value)
  local stem = attribute == "type" and LETTERS or attribute == "resource" and RESOURCE or nil
  if stem and text:sub(1, #stem) == stem and #text > #stem then text = text:sub(#stem + 1) end
  return core.mask(text)
end

local function joined(parts) return table.concat(parts, " and ") end

--- Changes of an event in words: "resource were acme-letters and subject were absent".
---@param changes table[]
---@return string
function M.event_text(changes)
  local parts = {}
  for index, change in ipairs(changes) do
    parts[index] = change.absent and change.attribute .. " were absent"
      or ("%s were %s"):format(change.attribute, short(change.attribute, change.to))
  end
  return joined(parts)
end

--- A value that a no(…) excludes, in words.
---@param value any a text, or a prefix
---@return string
local function excluded_text(value)
  if type(value) == "table" then return ("prefix \"%s\""):format(core.mask(tostring(value.value))) end
  return core.mask(tostring(value))
end

M.excluded_text = excluded_text

local function rule_part(change)
  if change.drop then return change.part .. " were left out" end
  if change.allow then
    local names = {}
    for index, value in ipairs(change.allow) do names[index] = excluded_text(value) end
    return ("%s did not exclude %s"):format(change.part, table.concat(names, ", "))
  end
  local attribute = change.part == "on" and "type" or change.part:match("^when%.(.+)$")
  return ("%s also named %s"):format(change.part, short(attribute, change.add))
end

--- Changes of a head in words: "when.resource also named other-letters".
---@param changes table[]
---@return string
function M.rule_text(changes)
  local parts = {}
  for index, change in ipairs(changes) do parts[index] = rule_part(change) end
  return joined(parts)
end

return M
