-- Acts by hand on runs of the inbox: which runs they reach, what that means, and carrying them out. They work with and
-- without a running host, which follows within a fifth of a second.
local filters = require "altinn.events.host.inbox_filter"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local shown = require "altinn.events.host.inbox_shown"

local M = {}

-- The states of runs that an act reaches.
local STATES = {
  retry = { "abandoned", "dead", "discarded", "held", "later", "retry" },
  discard = { "abandoned", "dead", "held", "later", "retry", "waiting" },
  later = { "held", "later", "retry" },
}

local Act = {}
Act.__index = Act

function Act:__close() self.inbox:close() end

-- { name = count } of a query.
local function counts(inbox, what)
  local rows, message, code = inbox:counts(what)
  if not rows then return nil, message, code end
  local found = {}
  for _, row in ipairs(rows) do found[row.name] = row.count end
  return found
end

-- Adds the plan: groups with versions, effects by state, steps in order.
local function add_plan(act)
  local inbox = act.inbox
  local rows, message, code = inbox:plan()
  if not rows then return nil, message, code end
  act.groups = shown.mapped(rows, shown.group)
  act.effects, message, code = counts(inbox, "effects")
  if not act.effects then return nil, message, code end
  act.steps, message, code = inbox:counts "steps"
  if not act.steps then return nil, message, code end
  return act
end

--- Picks the runs that an act reaches. Nothing is changed yet.
---@param path string the inbox file
---@param hand "retry"|"discard"|"later"
---@param options table a filter, see inbox_filter; with `sequence` one event's
---@return table|nil act { runs, events: the numbers picked, groups, effects = { state = count },
---  steps = { { name, count } } }, to be closed
---@return string|nil message
---@return string|nil code
function M.begin(path, hand, options)
  local filter, problem = filters.of(options, STATES[hand])
  if not filter then return nil, problem, "invalid" end
  local inbox, message, code = host.inbox(path)
  if not inbox then return nil, message, code end
  local act = setmetatable({ inbox = inbox }, Act)
  act.runs, act.events, code = inbox:pick(hand, filter)
  message = not act.runs and act.events or nil
  if not message then
    local fine
    fine, message, code = add_plan(act)
    if fine then return act end
  end
  inbox:close()
  return nil, message, code
end

local TOGETHER = 500  -- runs in a transaction; the host stores incoming events between two transactions

--- Carries the act out, each run with a row of the table `act`. When it is broken off, the slices that were done stay
--- done, and the same act reaches the others.
---@param deed { reason: string|nil, step: string|nil, due: integer|nil } step: of a retry: this step of each run and
---  those after it are forgotten first; due: of `later`, ms since 1970
---@param progress fun(done: integer)|nil called after each slice with the number of runs so far
---@return integer|nil runs how many it changed
---@return integer|string events of how many events; a message on failure
---@return string|nil code
function Act:carry_out(deed, progress)
  local wanted = { who = host.who(), reason = shown.masked(deed.reason), step = deed.step, due = deed.due }
  local done = 0
  local more, runs, code
  repeat
    more, runs, code = self.inbox:carry_out(wanted, TOGETHER)
    if more == nil then return nil, runs, code end
    done = done + runs
    if progress then progress(done) end
  until not more
  return self.inbox:changed()
end

--- How many of the runs that the act changed were in which state before.
---@return table<string, integer>|nil
---@return string|nil message
---@return string|nil code
function Act:before() return counts(self.inbox, "before") end

--- How many of the runs that the act changed are in which state now; "" has those that the host has not taken up yet.
---@return table<string, integer>|nil
---@return string|nil message
---@return string|nil code
function Act:after() return counts(self.inbox, "after") end

return M
