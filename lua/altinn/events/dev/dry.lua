-- What an event would do under other rules: rehearsed, nothing is sent; and how that differs from before.
local lines = require "altinn.events.dev.lines"
local rehearsal = require "altinn.events.host.rehearsal"

local M = {}

-- The configuration of the rehearsal, which catches effects itself.
local function without_catcher(config)
  local copy = {}
  for name, value in pairs(config) do copy[name] = value end
  copy.caught = nil
  return copy
end

--- What became of an event, by rule.
---@param event { body: string, subscription: string|nil }
---@param now number seconds since 1970
---@param config table
---@param set table[]
---@param altinn table of altinn.events.dev.altinn
---@return table<string, altinn.events.rehearsal.run>|nil runs
---@return string|nil message
function M.runs(event, now, config, set, altinn)
  if #set == 0 then return {} end
  local given, ask = false, altinn:copy()
  local outcome, message = rehearsal.run {
    config = without_catcher(config), set = set,
    next = function()
      if given then return nil end
      given = true
      return { body = event.body, subscription = event.subscription, received = now }
    end,
    answer = function(call) return ask(call.path) end,
  }
  if not outcome then return nil, message end
  local runs = {}
  for _, one in ipairs(outcome.runs) do runs[one.rule] = one end
  return runs
end

-- A run as text that differs when anything of it does.

local function effect_text(effect)
  return ("-> %s  %s  key %s"):format(lines.clean(effect.target or "?"), lines.request(effect.request),
    lines.masked(effect.key or "?"))
end

local function verdict_text(one)
  local parts = {}
  for index, attempt in ipairs(one.attempts or {}) do
    local reason = attempt.reason and attempt.reason ~= "" and ": " .. lines.masked(attempt.reason) or ""
    parts[index] = attempt.state .. reason
  end
  if #parts == 0 then
    parts[1] = (one.state or "?") .. (one.reason ~= "" and ": " .. lines.masked(one.reason) or "")
  end
  if one.unknown then
    parts[#parts + 1] = "it asks Altinn what nobody here can answer: " .. lines.clean(one.unknown.name)
  end
  return table.concat(parts, ", then ")
end

local function effects_of(one)
  local list = {}
  for index, effect in ipairs(one.effects or {}) do list[index] = effect_text(effect) end
  for _, act in ipairs(one.acts or {}) do list[#list + 1] = "at Altinn: " .. lines.clean(act) end
  return list
end

local function set_of(list)
  local set = {}
  for _, one in ipairs(list) do set[one] = true end
  return set
end

local function names_of(before, now)
  local names, seen = {}, {}
  for _, runs in ipairs { before, now } do
    for name in pairs(runs) do
      if not seen[name] then names[#names + 1], seen[name] = name, true end
    end
  end
  table.sort(names)
  return names
end

---@class altinn.events.dev.difference
---@field rule string
---@field was string|nil the verdict before; nil: the rule did not want the event
---@field is string|nil the verdict now
---@field gone string[] effects that it would send no more
---@field new string[] effects that it did not send before
---@field same string[]

--- What two sets of rules make of an event.
---@param before table<string, table> of M.runs
---@param now table<string, table>
---@return altinn.events.dev.difference[] differences one for each rule that wants it, before or now
function M.compare(before, now)
  local list = {}
  for index, name in ipairs(names_of(before, now)) do
    local old, new = before[name], now[name]
    local had, has = old and effects_of(old) or {}, new and effects_of(new) or {}
    local row = { rule = name, was = old and verdict_text(old), is = new and verdict_text(new), gone = {}, new = {},
      same = {} }
    local was, is = set_of(had), set_of(has)
    for _, one in ipairs(had) do if not is[one] then row.gone[#row.gone + 1] = one end end
    for _, one in ipairs(has) do table.insert(was[one] and row.same or row.new, one) end
    list[index] = row
  end
  return list
end

return M
