-- What an inbox holds as tables for people and for JSON: identity numbers masked, credentials left out, bytes that are
-- not UTF-8 replaced, times as RFC 3339, versions as 12 hexadecimal digits.
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local json = require "altinn.events.support.json"
local text = require "altinn.events.support.text"

local M = {}

local decoder = require("cjson.safe").new()

local function moment(milliseconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", milliseconds // 1000) end

local function masked(value) return value and text.readable(events.mask(tostring(value))) or nil end

--- A version of a rule.
---@param number integer|nil
---@return string|nil digits
function M.version(number) return number and ("%012x"):format(number) or nil end

M.moment, M.masked = moment, masked

--- The rows as a list that is an array in JSON.
---@param rows table[]
---@param convert fun(row: table): table
---@return table[]
function M.mapped(rows, convert)
  local list = json.list {}
  for index, row in ipairs(rows) do list[index] = convert(row) end
  return list
end

local is_open = {}
for _, name in ipairs(host.states.open) do is_open[name] = true end

-- Leaves out what may hold credentials: the values of headers, and queries of paths and addresses.
local function without_secrets(value)
  for name, member in pairs(value) do
    if name == "headers" and type(member) == "table" then
      for header in pairs(member) do member[header] = "…" end
    elseif (name == "path" or name == "url") and type(member) == "string" then
      value[name] = member:gsub("%?.*$", "?…")
    elseif type(member) == "table" then without_secrets(member) end
  end
  return value
end

-- JSON of a rule's making, such as the request of an effect, for people.
local function safe_text(source)
  local value = source and decoder.decode(source)
  if type(value) ~= "table" then return masked(source) end
  return masked((json.encode(without_secrets(value)))) or "…"
end

--- JSON of a rule's making, such as the request of an effect: masked, without the values of headers.
---@param source string
---@return string
function M.text(source) return safe_text(source) end

--- JSON of a rule's making, such as the request of an effect, as a table: masked, without the values of headers.
---@param source string
---@return table|string value the masked text where it is no table
function M.decoded(source) return decoder.decode(safe_text(source)) or masked(source) end

-- The timer of a run. `due` of a timer is the time that the rule asked for; the run's own counts.
local function timer_table(run, waiting)
  local timer = run.timer and decoder.decode(run.timer)
  if type(timer) ~= "table" then return nil end
  local row = { body = run.entry or "run", key = timer.key ~= "" and masked(timer.key) or nil,
    set = math.type(timer.set) and moment(timer.set // 1) or nil,
    with = timer.with ~= nil and masked(json.encode(timer.with)) or nil }
  for _, one in ipairs(waiting or {}) do
    if one.rule == run.rule and one.cancel then
      row.cancel = json.list {}
      for kind in one.cancel:gmatch("[^\n]+") do row.cancel[#row.cancel + 1] = kind end
    end
  end
  return row
end

--- A run, or an earlier state of one.
---@param run table
---@param timers table[]|nil the timers of its event that wait
---@return table
function M.run(run, timers)
  return {
    rule = run.rule, verdict = run.state, attempt = run.attempt, reason = masked(run.reason),
    due = is_open[run.state] and run.due > 0 and moment(run.due) or nil, changed = moment(run.changed),
    version = M.version(run.version), cause = masked(run.cause), cause_id = M.is_grouped(run.state) and run.id or nil,
    body = run.entry, timer = is_open[run.state] and timer_table(run, timers) or nil, would = safe_text(run.would),
  }
end

--- Whether a run in this state is not over, and was tried.
---@param state string|nil
---@return boolean
function M.is_open(state) return is_open[state] == true end

--- Whether runs in this state are grouped by cause.
---@param state string|nil
---@return boolean
function M.is_grouped(state) return is_open[state] == true or state == "dead" or state == "abandoned" end

--- An event, without its runs.
---@param row table
---@return table
function M.event(row)
  local event = events.parse(row.body, { max_bytes = math.max(#row.body, 1) })
  return {
    sequence = row.sequence, received = moment(row.received), state = row.state,
    subscription = masked(row.subscription),
    id = masked(event and event.id), type = masked(event and event.type), source = masked(event and event.source),
    subject = masked(event and event.subject), resource = masked(event and event.resource),
    resourceinstance = masked(event and event.resourceinstance),
  }
end

--- A group of runs.
---@param group table
---@return table
function M.group(group)
  local open = is_open[group.state]
  return {
    rule = group.rule, state = group.state, cause = group.cause ~= "" and masked(group.cause) or nil, id = group.id,
    count = group.count, oldest = moment(group.oldest), newest = moment(group.newest), event = group.example,
    due = open and group.first_due > 0 and moment(group.first_due) or nil,
    last_due = open and group.last_due > 0 and moment(group.last_due) or nil,
    body = group.state == "later" and group.cause:match("^body (.+)$") or nil, version = M.version(group.version),
  }
end

--- An effect.
---@param effect table
---@return table
function M.effect(effect)
  return {
    rule = effect.rule, key = masked(effect.key), target = effect.target, state = effect.state,
    status = effect.status ~= 0 and effect.status or nil, attempt = effect.attempt, reason = masked(effect.reason),
    request = safe_text(effect.request), answer = masked(effect.answer), changed = moment(effect.changed),
    version = M.version(effect.version),
  }
end

--- An act by hand.
---@param act table
---@return table
function M.act(act)
  return {
    time = moment(act.time), who = masked(act.who), what = act.what, reason = masked(act.reason), rule = act.rule,
    before = act.state,
  }
end

--- A step of a run.
---@param step table
---@return table
function M.step(step)
  return { rule = step.rule, name = masked(step.name), place = step.place, result = masked(step.result),
    time = moment(step.time), version = M.version(step.version) }
end

--- A value that a rule remembers.
---@param memory table
---@return table
function M.memory(memory)
  return { rule = memory.rule, thing = masked(memory.thing), name = masked(memory.name), value = masked(memory.value),
    expires = memory.expires ~= 0 and moment(memory.expires) or nil, changed = moment(memory.changed),
    shadow = memory.shadow ~= 0 or nil }
end

--- What Altinn answered to a read.
---@param reading table
---@return table
function M.reading(reading)
  return { rule = reading.rule, attempt = reading.attempt, place = reading.place, time = moment(reading.at),
    call = reading.call, thing = masked(reading.thing), status = reading.status, code = reading.code,
    body = masked(reading.body), cut = reading.cut ~= 0 or nil }
end

return M
