-- Why a rule wants an event, or not: each condition with its value and the change that would flip it, and what is asked
-- when a run begins.
local events = require "altinn.events"
local flips = require "altinn.events.rules.flips"
local gate = require "altinn.events.rules.gate"
local json = require "altinn.events.support.json"
local suggest = require "altinn.events.support.suggest"

local M = {}

local function masked(value) return value ~= nil and events.mask(tostring(value)) or nil end

-- Changes without identity numbers.
local function shown(changes)
  local list = json.list {}
  for index, change in ipairs(changes) do
    local copy = {}
    for name, value in pairs(change) do copy[name] = value end
    copy.to, copy.from, copy.add, copy.allow = masked(change.to), masked(change.from), masked(change.add), nil
    if change.allow then
      copy.allow = json.list {}
      for place, value in ipairs(change.allow) do copy.allow[place] = flips.excluded_text(value) end
    end
    list[index] = copy
  end
  return list
end

-- What would make the rule want the event: { event = { changes, text } or nil, none = attribute or nil, rule =
-- { changes, text } }.
local function flip_of(head, event, conditions)
  local changes, attribute = flips.event(head, event)
  local wider = flips.rule(head, event)
  for _, condition in ipairs(conditions) do
    for _, change in ipairs(not condition.holds and changes or {}) do
      if change.attribute == condition.attribute then condition.flip = flips.event_text { change } end
    end
  end
  return {
    event = changes and { changes = shown(changes), text = flips.event_text(changes) } or nil,
    none = not changes and attribute or nil,
    rule = { changes = shown(wider), text = flips.rule_text(wider) },
  }
end

-- What would break each condition.
local function add_breaks(head, event, conditions)
  for place, condition in ipairs(conditions) do
    local changes = flips.broken(head, event, place)
    condition.flip = changes and flips.event_text(changes) or nil
  end
end

local function explanation_of(matcher, rule, event)
  local head = { on = rule.on, when = rule.when }
  matcher:add(rule.name, head)
  local matched, conditions = matcher:explain(event, rule.name)
  if matched == nil then return nil, conditions end
  local flip
  if matched then add_breaks(head, event, conditions) else flip = flip_of(head, event, conditions) end
  for _, condition in ipairs(conditions) do
    condition.wants, condition.got = events.mask(tostring(condition.wants)), masked(condition.got)
  end
  return { rule = rule.name, enabled = rule.enabled, shadow = rule.shadow or nil, matched = matched,
    conditions = json.list(conditions), flip = flip, asked = matched and gate.conditions(rule, event) or json.list {} }
end

--- Explains an event against each rule.
---@param set table[] rules of altinn.events.rules.load
---@param event any
---@param name string|nil only this rule
---@return table[]|nil explanations each { rule, enabled, matched, conditions, flip, asked }. A condition's flip: the
---  change of the event that makes it hold, or, when it holds, that breaks it. flip: what would make the rule want the
---  event: { event = { changes, text }, rule = { changes, text } }; asked: the conditions that the host asks its inbox
---  and Altinn when a run begins
---@return string|nil message
function M.explain(set, event, name)
  local matcher, list, known = events.matcher(), json.list {}, {}
  for _, rule in ipairs(set) do
    known[rule.name] = true
    if name == nil or rule.name == name then
      local explanation, message = explanation_of(matcher, rule, event)
      if not explanation then return nil, message end
      list[#list + 1] = explanation
    end
  end
  if name and #list == 0 then return nil, ("there is no rule '%s'%s"):format(name, suggest.hint(name, known)) end
  return list
end

--- What would make a rule want an event, as a sentence; for an explanation that did not match.
---@param explanation table
---@return string "does not want it: it would fire if resource were acme, or if when.resource also named other"
function M.flip_text(explanation)
  local flip = explanation.flip
  if not flip.event then
    return ("does not want it: no event was found whose %s is as it wants; it would fire if %s")
      :format(flip.none, flip.rule.text)
  end
  return ("does not want it: it would fire if %s, or if %s"):format(flip.event.text, flip.rule.text)
end

return M
