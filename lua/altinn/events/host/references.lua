-- Runs that wait refer to a rule and to one of its bodies: those whose rule or body the rules in force lack are
-- abandoned when they are due.
local finding = require "altinn.events.rules.finding"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local shown = require "altinn.events.host.inbox_shown"

local M = {}

local function counted(count, what) return ("%d %s%s"):format(count, what, count == 1 and "" or "s") end

--- How many runs that are not over refer to which rule, version and body.
---@param path string the inbox file
---@return { rule: string, body: string, version: string|nil, timers: integer, paused: integer, due: string|nil }[]|nil
---@return string|nil message
---@return string|nil code
function M.of(path)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local rows
  rows, message, code = inbox:references()
  if not rows then return nil, message, code end
  return shown.mapped(rows, function(row)
    return { rule = row.rule, body = row.entry, version = shown.version(row.version), timers = row.timers,
      paused = row.paused, due = row.first_due > 0 and shown.moment(row.first_due) or nil }
  end)
end

--- A reference, for people: "17 timers and 3 paused runs of rule print refer to version 0123456789ab".
---@param reference table
---@return string
function M.text(reference)
  local parts = {}
  if reference.timers > 0 then parts[1] = counted(reference.timers, "timer") end
  if reference.paused > 0 then parts[#parts + 1] = counted(reference.paused, "paused run") end
  local one = reference.timers + reference.paused == 1
  return ("%s of rule %s %s to %s"):format(table.concat(parts, " and "), reference.rule, one and "refers" or "refer",
    reference.version and "version " .. reference.version or "a version that was not recorded")
end

local function rules_by_name(set)
  local rules = {}
  for _, rule in ipairs(set) do rules[rule.name] = rule end
  return rules
end

--- Whether a reference is to the version of its rule that is in force.
---@param reference table
---@param set table the rules
---@return boolean
function M.is_present(reference, set)
  local rule = rules_by_name(set)[reference.rule]
  return rule ~= nil and rule.version ~= nil and rule.version == reference.version
end

-- What the rules lack of a reference's needs; nil: nothing.
local function lacks(reference, rules)
  local rule = rules[reference.rule]
  if not rule then return "there is no rule of that name any more" end
  if not rule.enabled then return "the rule is switched off" end
  if rule.bodies[reference.body] then return nil end
  return ("the body '%s' they need no longer exists"):format(reference.body)
end

--- Findings about references to rules and bodies that are not there.
---@param references table[] of M.of
---@param set table the rules
---@return altinn.events.finding[]
function M.findings(references, set)
  local list, rules = {}, rules_by_name(set)
  for _, reference in ipairs(references) do
    local problem, rule = lacks(reference, rules), rules[reference.rule]
    list[#list + 1] = problem and finding.new("reference", { file = rule and rule.file, line = rule and rule.line,
      rule = reference.rule }, ("%s; %s: they will be abandoned when they are due"):format(M.text(reference), problem),
      "put it back, or say with inbox retry or inbox discard what becomes of them") or nil
  end
  return list
end

-- Whether a rule or a body that was in force is not in the new rules.
local function has_lost(before, set)
  local rules = rules_by_name(set)
  for _, rule in ipairs(before) do
    local new = rules[rule.name]
    if rule.enabled and not (new and new.enabled) then return true end
    for name in pairs(new and rule.bodies or {}) do
      if not new.bodies[name] then return true end
    end
  end
  return false
end

--- Findings about runs in the inbox that refer to rules or bodies that a reload takes away. The inbox is read only when
--- the reload takes any away.
---@param path string the inbox file
---@param before table the rules in force
---@param set table the new rules
---@return altinn.events.finding[]
function M.lost(path, before, set)
  if not has_lost(before, set) then return {} end
  return M.findings(M.of(path) or {}, set)
end

return M
