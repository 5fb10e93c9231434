-- Rules in force by hand: a rule that says `shadow = true` is put in force on the running host, and back into the
-- shadow, by an act that stands in the inbox, and counts as long as the rule has the version that it was done for.
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local shown = require "altinn.events.host.inbox_shown"
local suggest = require "altinn.events.support.suggest"

local M = {}

---@class altinn.events.forced
---@field since string when it was put in force
---@field who string
---@field reason string|nil

local function of_rows(rows, set)
  local versions, forced = {}, {}
  for _, rule in ipairs(set) do versions[rule.name] = rule.shadow and rule.version or nil end
  for _, row in ipairs(rows) do
    if row.state == "real" and versions[row.rule] == shown.version(row.version) then
      forced[row.rule] = { since = shown.moment(row.time), who = shown.masked(row.who),
        reason = shown.masked(row.reason) }
    end
  end
  return forced
end

--- The rules of a set that are in force by hand.
---@param path string of the inbox; where there is none, no rule is
---@param set table the rules
---@return table<string, altinn.events.forced>|nil forced by the rule's name
---@return string|nil message
---@return string|nil code
function M.of(path, set)
  local inbox <close>, message, code = host.inbox(path)
  if not inbox then
    if code == "not_found" then return {} end
    return nil, message, code
  end
  local rows
  rows, message, code = inbox:forced()
  if not rows then return nil, message, code end
  return of_rows(rows, set)
end

--- Whether two tables of M.of have the same rules in force.
---@param one table
---@param other table
---@return boolean
function M.is_same(one, other)
  for name in pairs(one) do
    if not other[name] then return false end
  end
  for name in pairs(other) do
    if not one[name] then return false end
  end
  return true
end

--- How a rule is in force by hand, for people.
---@param forced altinn.events.forced
---@return string
function M.text(forced)
  return ("in force by hand since %s, by %s%s"):format(forced.since, forced.who,
    forced.reason and ": " .. forced.reason or "")
end

-- Acts.

local function find(set, name)
  local names = {}
  for index, rule in ipairs(set) do
    names[index] = rule.name
    if rule.name == name then return rule end
  end
  return nil, ("there is no rule '%s'%s"):format(shown.masked(name), suggest.hint(name, names))
end

local function place_of(rule) return ("%s:%d"):format(rule.file, rule.line) end

-- Why the rule cannot be put in force, or back into the shadow.
local function refusal(rule, real, forced)
  if not rule.enabled then
    return ("%s: the rule '%s' is switched off (enabled = false)"):format(place_of(rule), rule.name)
  end
  if not rule.shadow then
    return ("%s: the rule '%s' does not say shadow = true: it is in force by its text%s"):format(place_of(rule),
      rule.name, real and "" or "; write shadow = true into it and reload, to have it in the shadow")
  end
  if real and forced then return ("the rule '%s' is %s"):format(rule.name, M.text(forced)) end
  if not real and not forced then return ("the rule '%s' is in the shadow"):format(rule.name) end
end

--- Whether a running host has this text of the rule. One that runs another would not follow an act that is meant for
--- this one.
---@param path string of the inbox
---@param inbox userdata of host.inbox
---@param rule table
---@return true|nil
---@return string|nil message
---@return string|nil code
function M.check_version(path, inbox, rule)
  if host.attended(path) == false then return true end
  local rows, message, code = inbox:ran(rule.name)
  if not rows then return nil, message, code end
  local ran = rows[1] and shown.version(rows[1].version)
  if ran == nil or ran == rule.version then return true end
  return nil, ("%s: the text of the rule '%s' has changed: the host runs version %s, and this is %s; reload it first "
    .. "(SIGHUP)"):format(place_of(rule), rule.name, ran, rule.version),
    "conflict"
end

local function plan_of(inbox, name)
  local rows, message, code = inbox:force_plan(name)
  if not rows then return nil, message, code end
  local plan = { waiting = 0, shadowed = 0, memory = 0 }
  for _, row in ipairs(rows) do
    if shown.is_open(row.name) then plan.waiting = plan.waiting + row.count end
    if plan[row.name] then plan[row.name] = row.count end
  end
  return plan
end

local Act = {}
Act.__index = Act

function Act:__close() self.inbox:close() end

--- Writes the act down. A running host follows within a second.
---@param reason string|nil
---@return true|nil
---@return string|nil message
---@return string|nil code
function Act:carry_out(reason)
  return self.inbox:force { rule = self.rule.name, version = self.rule.version, real = self.real, who = host.who(),
    reason = shown.masked(reason) }
end

local function begun(path, inbox, rule, real, set)
  local rows, message, code = inbox:forced()
  if not rows then return nil, message, code end
  local why = refusal(rule, real, of_rows(rows, set)[rule.name])
  if why then return nil, why, "conflict" end
  local fine
  fine, message, code = M.check_version(path, inbox, rule)
  if not fine then return nil, message, code end
  local plan
  plan, message, code = plan_of(inbox, rule.name)
  if not plan then return nil, message, code end
  return setmetatable({ inbox = inbox, rule = rule, real = real, plan = plan }, Act)
end

--- Looks whether a rule can be put in force (or back into the shadow), and what that means. Nothing is changed yet.
---@param path string
---@param set table the rules
---@param name string
---@param real boolean true: in force; false: back into the shadow
---@return table|nil act { rule, plan = { waiting, shadowed: numbers of runs, memory: values that it remembers in the
---  shadow } }, with the method carry_out(reason); to be closed
---@return string|nil message
---@return string|nil code
function M.begin(path, set, name, real)
  local rule, problem = find(set, name)
  if not rule then return nil, problem, "not_found" end
  local inbox, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local act
  act, message, code = begun(path, inbox, rule, real, set)
  if not act then inbox:close() end
  return act, message, code
end

return M
