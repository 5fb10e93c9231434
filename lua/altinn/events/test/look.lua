-- Looks into the inbox of a world's host: verdicts, timers, what rules remember.
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local json = require "cjson.safe"
local mistake = require "altinn.events.test.mistake"
local shown = require "altinn.events.host.inbox_shown"
local suggest = require "altinn.events.support.suggest"

local M = {}

local MOST = 1 << 30   -- events of a listing

-- Calls `use` with the open inbox; what cannot be read raises.
local function with_inbox(world, use)
  local inbox <close> = assert(host.inbox(world.host:path()))
  return use(inbox)
end

-- Rows of the inbox, or an error.
local function rows_of(rows, message)
  if not rows then error("the inbox of the world cannot be read: " .. tostring(message), 0) end
  return rows
end

--- Raises when there is no such rule.
---@param world table
---@param name any
function M.check_rule(world, name)
  local known = {}
  for _, rule in ipairs(world.made.set) do known[rule.name] = true end
  if known[name] then return end
  local list = {}
  for _, rule in ipairs(world.made.set) do list[#list + 1] = rule.name end
  mistake.raise("there is no rule '%s'%s; there are %s", tostring(name), suggest.hint(tostring(name), known),
    table.concat(list, ", "))
end

-- Verdicts.

-- A verdict compares by its members, and prints as "state: reason".
local Verdict = { __name = "verdict", __tostring = function(self)
  return self.reason and ("%s: %s"):format(self.state, self.reason) or self.state
end }

local function verdict_of(run, event)
  local row = shown.run(run)
  return setmetatable({ rule = row.rule, state = row.verdict, reason = row.reason, attempt = row.attempt,
    due = row.due, body = row.body ~= "run" and row.body or nil, event = event.id }, Verdict)
end

-- The numbers of the stored events about a thing, in the order in which they came; of an event: its own.
local function sequences_of(world, inbox, thing)
  local list, seen = {}, {}
  for _, push in ipairs(world.pushes:of(thing)) do
    if not seen[push.key] then
      seen[push.key] = true
      for _, row in ipairs(rows_of(inbox:by_id(push.id))) do
        local event = events.parse(row.body, { max_bytes = #row.body + 1 })
        if event and push.key == ("%s\n%s"):format(event.source, push.id) then
          list[#list + 1] = { sequence = row.sequence, id = push.id }
        end
      end
    end
  end
  table.sort(list, function(a, b) return a.sequence < b.sequence end)
  return list
end

--- What became of the newest event about a thing that the rule wanted.
---@param world table
---@param rule string
---@param thing any a letter or another thing, or an event that was pushed
---@return table|nil verdict { rule, state, reason, attempt, due, body, event }; nil: the rule wanted none
function M.verdict(world, rule, thing)
  M.check_rule(world, rule)
  return with_inbox(world, function(inbox)
    local found
    for _, one in ipairs(sequences_of(world, inbox, thing)) do
      for _, run in ipairs(rows_of(inbox:runs(one.sequence))) do
        if run.rule == rule then found = verdict_of(run, one) end
      end
    end
    return found
  end)
end

local function add(list, verdict) list[#list + 1] = tostring(verdict) end

-- Prints as a table of one line a verdict, the same each time.
local Verdicts = { __name = "verdicts", __tostring = function(self)
  local lines, names = {}, {}
  for name in pairs(self) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    for _, text in ipairs(self[name]) do lines[#lines + 1] = ("%s: %s"):format(name, text) end
  end
  return table.concat(lines, "\n")
end }

--- All verdicts as texts "state: reason", in the order in which the events came: a list of one rule's, or a table of
--- lists by rule.
---@param world table
---@param rule string|nil
---@return table
function M.verdicts(world, rule)
  if rule ~= nil then M.check_rule(world, rule) end
  local all = setmetatable({}, Verdicts)
  for _, one in ipairs(rule and {} or world.made.set) do all[one.name] = {} end
  with_inbox(world, function(inbox)
    local rows = rows_of(inbox:events { limit = MOST })
    for index = #rows, 1, -1 do
      for _, run in ipairs(rows_of(inbox:runs(rows[index].sequence))) do
        if rule == nil or run.rule == rule then
          all[run.rule] = all[run.rule] or {}
          add(all[run.rule], verdict_of(run, rows[index]))
        end
      end
    end
  end)
  return rule and (all[rule] or {}) or all
end

-- Timers and memory.

--- The timers that wait.
---@param world table
---@param thing any of these events; nil: all
---@return table[] timers each { rule, body, due, set, with, cancel, key }
function M.timers(world, thing)
  return with_inbox(world, function(inbox)
    local list = {}
    local rows
    if thing ~= nil then rows = sequences_of(world, inbox, thing)
    else rows = rows_of(inbox:events { state = "later", limit = MOST }) end
    for _, event in ipairs(rows) do
      local timers = rows_of(inbox:timers(event.sequence))
      for _, run in ipairs(rows_of(inbox:runs(event.sequence))) do
        local row = shown.run(run, timers)
        if row.timer and row.verdict == "later" then
          list[#list + 1] = { rule = row.rule, body = row.timer.body, due = row.due, set = row.timer.set,
            with = row.timer.with, cancel = row.timer.cancel, key = row.timer.key }
        end
      end
    end
    table.sort(list, function(a, b) return a.due .. a.rule < b.due .. b.rule end)
    return list
  end)
end

--- What a rule remembers of a thing.
---@param world table
---@param rule string
---@param kind string letter, attachment, …
---@param id string
---@return table<string, any>
function M.memory(world, rule, kind, id)
  M.check_rule(world, rule)
  return with_inbox(world, function(inbox)
    local memory = {}
    for _, row in ipairs(rows_of(inbox:memory(rule, ("%s:%s"):format(kind, id)))) do
      local value = json.decode("[" .. row.value .. "]")
      memory[row.name] = value and value[1]
    end
    return memory
  end)
end

-- Whether the inbox holds an effect of a run for a target that is as `is_meant` says.
local function has_effect(world, rule, sequence, target, is_meant)
  return with_inbox(world, function(inbox)
    for _, row in ipairs(rows_of(inbox:effects(sequence))) do
      if row.rule == rule and row.target == target and is_meant(row) then return true end
    end
    return false
  end)
end

--- Whether the effect that a run sends to a target has a probe.
---@param world table
---@param rule string
---@param sequence integer of the event
---@param target string
---@return boolean
function M.has_probe(world, rule, sequence, target)
  return has_effect(world, rule, sequence, target, function(row)
    local record = json.decode(row.request or "")
    return type(record) == "table" and record.probe ~= nil
  end)
end

--- Whether the inbox has recorded an effect that a run sends to a target.
---@param world table
---@param rule string
---@param sequence integer of the event
---@param target string
---@return boolean
function M.is_recorded(world, rule, sequence, target)
  return has_effect(world, rule, sequence, target, function(row) return row.request ~= nil end)
end

--- Adds the things that the newest events of the inbox are about.
---@param world table
---@param things table<integer, string> by the events' numbers
function M.add_things(world, things)
  with_inbox(world, function(inbox)
    local most = 64
    repeat
      local rows, known = rows_of(inbox:events { limit = most }), false
      for _, row in ipairs(rows) do
        known = known or things[row.sequence] ~= nil
        if not things[row.sequence] then
          local event = events.parse(row.body, { max_bytes = #row.body + 1 })
          things[row.sequence] = event and events.describe(event).id or tostring(row.sequence)
        end
      end
      local all = #rows < most
      most = most * 8
    until known or all
  end)
end

--- The events that the inbox holds, oldest first.
---@param world table
---@return table[] each { id, source, sequence }
function M.events(world)
  return with_inbox(world, function(inbox)
    local list, rows = {}, rows_of(inbox:events { limit = MOST })
    for index = #rows, 1, -1 do
      local event = events.parse(rows[index].body, { max_bytes = #rows[index].body + 1 }) or {}
      list[#list + 1] = { id = event.id, source = event.source, sequence = rows[index].sequence }
    end
    return list
  end)
end

--- The table of `why --json` for the newest event about a thing.
---@param world table
---@param thing any
---@param rule string|nil
---@return table
function M.why(world, thing, rule)
  if rule ~= nil then M.check_rule(world, rule) end
  local sequence = with_inbox(world, function(inbox)
    local list = sequences_of(world, inbox, thing)
    return list[#list] and list[#list].sequence
  end)
  if not sequence then mistake.raise("why: no event about %s was pushed", tostring(thing)) end
  local found, message = require("altinn.events.host.why").of { inbox = world.host:path(), sequence = sequence,
    set = world.made.set, config = world.made.config, now = world.host:now(), rule = rule,
    host = world.host:state(sequence) }
  if not found then error(message, 0) end
  return found
end

return M
