-- `inbox show N --spec`: a spec of what happened: the event, what Altinn answered, the verdict. Numbers of people and
-- organisations, addresses and texts are made up.
local events = require "altinn.events"
local literal = require "altinn.events.support.literal"
local made_up = require "altinn.events.host.made_up"
local output = require "altinn.events.commands.output"

local M = {}

-- The numbers of organisations that the rules name: they are no secret of the event's.
local function numbers_of(set)
  local kept = {}
  for _, text in pairs(set.sources or {}) do
    for number in text:gmatch "%f[%w]%d%d%d%d%d%d%d%d%d%f[%W]" do kept[number] = true end
  end
  return kept
end

-- The event and the answers, with made-up numbers; each answer once changed stays as it is.
local function answers_of(path, mask)
  local known, changed = require("altinn.events.host.known_answers").of(path), {}
  return function(call)
    local answer = known(call)
    if not answer then return nil end
    changed[answer.body] = changed[answer.body] or mask:json(answer.body)
    return { status = answer.status, headers = answer.headers, body = changed[answer.body] }
  end
end

local function rehearse(config, set, row, mask)
  local one = { body = mask:json(row.body), received = row.received // 1000, subscription = row.subscription,
    sequence = row.sequence }
  local outcome, message = require("altinn.events.host.rehearsal").run { config = config, set = set,
    answer = answers_of(config.inbox, mask), next = function()
      local given = one
      one = nil
      return given
    end }
  if not outcome then return nil, message end
  if outcome.refused[1] then return nil, outcome.refused[1].reason end
  return outcome
end

-- The text of the spec.

local Writer = {}
Writer.__index = Writer

function Writer:line(format, ...) self[#self + 1] = select("#", ...) > 0 and format:format(...) or format end

local function time_text(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", math.ceil(seconds)) end

local function targets_of(runs)
  local targets, is_any = {}, false
  for _, run in ipairs(runs) do
    for _, effect in ipairs(run.effects) do targets[effect.target], is_any = "up", true end
  end
  return is_any and targets or nil
end

-- What happens in time: answers of Altinn are set before the moment at which they are read.
local function moments_of(runs)
  local list = {}
  for _, run in ipairs(runs) do
    for _, call in ipairs(run.reads) do
      if call.answer then list[#list + 1] = { at = call.at, order = 1, call = call } end
    end
    for _, one in ipairs(run.attempts) do list[#list + 1] = { at = one.at, order = 2 } end
  end
  table.sort(list, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return a.order < b.order
  end)
  return list
end

local function write_reply(writer, call, said)
  local name = call.name
  local key, text = call.thing .. " " .. name, call.answer.status .. call.answer.body
  if said[key] == text then return end
  said[key] = text
  local reply = call.answer.status == 200 and literal.text(call.answer.body)
    or literal.of { status = call.answer.status, body = call.answer.body }
  writer:line("    world:reply(%s, %s, %s)", literal.text(call.thing), literal.text(name), reply)
end

local function write_story(writer, event, received, runs)
  local said, moments, now, is_pushed = {}, moments_of(runs), received, false
  local function go(to)
    if not is_pushed then writer:line("    world:push(%s)", literal.of(event, "    ")) end
    is_pushed = true
    if to > now then
      now = to
      writer:line("    world:advance %s", literal.text(time_text(to)))
    end
  end
  for _, moment in ipairs(moments) do
    if moment.call then write_reply(writer, moment.call, said)
    else go(moment.at) end
  end
  go(now)
  writer:line "    world:settle()"
end

local function path_of(url) return (url:gsub("^%a[%w+.-]*://[^/?#]*", "")) end

local function write_sent(writer, runs)
  local counts, checks = {}, {}
  for _, run in ipairs(runs) do
    for _, one in ipairs(run.sent) do
      counts[one.target] = (counts[one.target] or 0) + 1
      if one.url and one.url:find "^https?:" then
        checks[#checks + 1] = ("    assert.equal(%s, world:sent(%s)[%d].path)"):format(literal.text(path_of(one.url)),
          literal.text(one.target), counts[one.target])
        checks[#checks + 1] = ("    assert.equal(%s, world:sent(%s)[%d].body)"):format(literal.text(one.body or ""),
          literal.text(one.target), counts[one.target])
      end
    end
  end
  for target, count in pairs(counts) do
    table.insert(checks, 1, ("    assert.equal(%d, #world:sent(%s))"):format(count, literal.text(target)))
  end
  for _, check in ipairs(checks) do writer:line("%s", check) end
end

local function write_verdicts(writer, runs, thing)
  for _, run in ipairs(runs) do
    if run.unknown then
      writer:line("    -- %s reads %s, which the inbox has no answer to.", run.rule, run.unknown.name)
    else
      writer:line("    assert.equal(%s, world:verdict(%s, %s).state)", literal.text(run.state), literal.text(run.rule),
        literal.text(thing))
    end
  end
end

local function differences(writer, recorded, runs)
  local now = {}
  for _, run in ipairs(runs) do now[run.rule] = run end
  for _, run in ipairs(recorded) do
    local other = now[run.rule]
    if not other or other.state ~= run.verdict then
      writer:line("-- In the inbox %s was %s: %s", run.rule, run.verdict, output.masked(run.reason or ""))
    end
  end
end

local function name_of(event) return event.type:match "[^.]*$" end

local function write(row, recorded, outcome, config)
  local runs, writer = outcome.runs, setmetatable({}, Writer)
  local event = events.parse(outcome.body, { max_bytes = #outcome.body })
  local thing = runs[1] and runs[1].thing or ""
  writer:line("-- Event %d of %s, as it happened. Numbers of people and organisations, addresses, texts are made up.",
    row.sequence, time_text(row.received / 1000))
  differences(writer, recorded, runs)
  writer:line 'local test = require "altinn.events.test"'
  writer:line ""
  writer:line("describe(%s, function()", literal.text(name_of(event)))
  writer:line("  it(%s, function()", literal.text(("does what event %d did"):format(row.sequence)))
  writer:line("    local world = test.world %s", literal.of({ rules = config.rules,
    now = time_text(row.received // 1000),
    targets = targets_of(runs) }, "    "))
  write_story(writer, events.totable(event), row.received // 1000, runs)
  write_verdicts(writer, runs, thing)
  write_sent(writer, runs)
  writer:line "  end)"
  writer:line "end)"
  return table.concat(writer, "\n")
end

--- A spec of a stored event.
---@param config table
---@param set table[] the rules of today
---@param word string the event's number or id
---@return string|nil text
---@return string|nil message
function M.of(config, set, word)
  local inbox = require "altinn.events.host.inbox"
  local row, message = inbox.row(config.inbox, word)
  if not row then return nil, message end
  local shown, outcome
  shown, message = inbox.show(config.inbox, row.sequence)
  if not shown then return nil, message end
  local mask = made_up.new(numbers_of(set))
  outcome, message = rehearse(config, set, row, mask)
  if not outcome then return nil, message end
  outcome.body = mask:json(row.body)
  return write(row, shown.runs, outcome, config)
end

return M
