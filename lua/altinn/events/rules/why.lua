-- Why a rule wants an event, or not: each condition with its value, and what is asked when a run begins.
local events = require "altinn.events"
local gate = require "altinn.events.rules.gate"
local json = require "altinn.events.support.json"

local M = {}

--- Explains an event against each rule.
---@param set table[] rules of altinn.events.rules.load
---@param event any
---@param name string|nil only this rule
---@return table[]|nil explanations each { rule, enabled, matched, conditions, asked }; asked: the conditions that the
---  host asks its inbox and Altinn when a run begins
---@return string|nil message
function M.explain(set, event, name)
  local matcher, list = events.matcher(), json.list {}
  for _, rule in ipairs(set) do
    if name == nil or rule.name == name then
      matcher:add(rule.name, { on = rule.on, when = rule.when })
      local matched, conditions = matcher:explain(event, rule.name)
      if matched == nil then return nil, conditions end
      for _, condition in ipairs(conditions) do
        condition.wants = events.mask(tostring(condition.wants))
        condition.got = condition.got ~= nil and events.mask(tostring(condition.got)) or nil
      end
      list[#list + 1] = { rule = rule.name, enabled = rule.enabled, matched = matched,
        conditions = json.list(conditions), asked = matched and gate.conditions(rule, event) or json.list {} }
    end
  end
  if name and #list == 0 then return nil, ("there is no rule '%s'"):format(name) end
  return list
end

local function condition_line(condition)
  return ("    %s %-18s wants %s, got %s"):format(condition.holds and "holds " or "FAILS ", condition.attribute,
    condition.wants, condition.got or "nothing")
end

--- An explanation as lines of text.
---@param explanation table
---@return string
function M.text(explanation)
  local verdict = explanation.matched and "wants it" or "does not want it"
  if not explanation.enabled then verdict = verdict .. ", and is switched off (enabled = false)" end
  local lines = { ("%s %s"):format(explanation.rule, verdict) }
  for _, condition in ipairs(explanation.conditions) do lines[#lines + 1] = condition_line(condition) end
  if #explanation.conditions == 0 then lines[#lines + 1] = "    it has no condition: it wants every event" end
  for _, condition in ipairs(explanation.asked) do
    lines[#lines + 1] = ("    asked  %-18s wants %s"):format(condition.attribute, condition.wants)
  end
  return table.concat(lines, "\n")
end

return M
