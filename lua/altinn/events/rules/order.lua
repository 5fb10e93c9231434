-- The order of a rule's runs: runs of one line are carried out one at a time. (The host's C has the same in
-- csrc/host/routes.c.)
local events = require "altinn.events"

local M = {}

--- The line in which a rule keeps the run of an event.
---@param rule table
---@param event table
---@return string|nil line "letter:0198…", "subject:…", "constant:…"; nil: no order, or the event has no value for it
function M.line(rule, event)
  local order = rule.order
  if order == false then return nil end
  if type(order) == "table" then return "constant:" .. order.constant end
  if order ~= "letter" then return event[order] and ("%s:%s"):format(order, tostring(event[order])) end
  local meaning = events.describe(event)
  return meaning and meaning.about and meaning.id and ("%s:%s"):format(meaning.about, meaning.id)
end

--- What orders a rule's runs, as the host's C reads it: runs with one key are carried out one at a time. An event
--- without the attribute has its id as key.
---@param rule table
---@param event table
---@return string|nil path of the attribute as a JSON path; nil: all runs of the rule have one key
---@return string|nil key nil: the runs are in no order
function M.key(rule, event)
  local order = rule.order
  if order == false then return nil end
  if type(order) == "table" then return nil, order.constant end
  local name = order == "letter" and "resourceinstance" or order
  local value = event[name]
  return ('$."%s"'):format(name), type(value) == "string" and value or event.id
end

return M
