-- `inbox show N --spec`: a spec of what happened: the event, what Altinn answered, the verdict. Numbers of people and
-- organisations, addresses and texts are made up.
local events = require "altinn.events"
local literal = require "altinn.events.support.literal"
local made_up = require "altinn.events.host.made_up"
local output = require "altinn.events.commands.output"
local sorted = require("altinn.events.support.names").sorted

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

-- The events that the runs of an event tell of: one that cancelled its timer, one whose timer replaced it.
local function others_of(path, shown)
  local list, seen = {}, { [shown.sequence] = true }
  for _, rows in ipairs { shown.runs, shown.attempts } do
    for _, run in ipairs(rows) do
      local number = (run.reason or ""):match "event (%d+)"
      local row = number and not seen[tonumber(number)] and require("altinn.events.host.inbox").row(path, number)
      if row then list[#list + 1] = row end
      if row then seen[row.sequence] = true end
    end
  end
  return list
end

-- The addresses of targets are secrets, or have some: those of a world's targets stand for them.
local PATHS = { url = "", slack = "/webhook", teams = "/workflow" }

local function without_addresses(config)
  local copy, targets = {}, {}
  for name, value in pairs(config) do copy[name] = value end
  for name, target in pairs(config.targets or {}) do
    targets[name] = {}
    for key, value in pairs(target) do
      targets[name][key] = PATHS[key] and ("https://%s.test%s"):format(name:gsub("_", "-"), PATHS[key]) or value
    end
  end
  copy.targets = targets
  return copy
end

-- A stored event with made-up numbers, also where its data is encoded.
local function made_up_event(mask, body)
  local event = events.parse(body, { max_bytes = #body })
  if event and type(event.data) == "string" and not body:find '"data"%s*:' then
    local copy = events.totable(event)
    copy.data = mask:text(copy.data)
    body = events.encode(copy)
  end
  return mask:json(body)
end

-- The events in order, as a rehearsal takes them.
local function given_of(rows, mask)
  local list = {}
  table.sort(rows, function(a, b) return a.sequence < b.sequence end)
  for index, row in ipairs(rows) do
    list[index] = { body = made_up_event(mask, row.body), received = row.received / 1000,
      subscription = row.subscription, sequence = row.sequence }
  end
  return list
end

local function rehearse(config, set, list, mask)
  local at = 0
  local outcome, message = require("altinn.events.host.rehearsal").run { config = without_addresses(config),
    set = set, answer = answers_of(config.inbox, mask), next = function()
      at = at + 1
      return list[at]
    end }
  if not outcome then return nil, message end
  if outcome.refused[1] then return nil, outcome.refused[1].reason end
  return outcome
end

-- The text of the spec.

local Writer = {}
Writer.__index = Writer

function Writer:line(format, ...) self[#self + 1] = select("#", ...) > 0 and format:format(...) or format end

-- Not before the moment.
local function milliseconds_of(seconds) return math.ceil(seconds * 1000 - 0.001) end

local function time_text(seconds)
  local milliseconds = milliseconds_of(seconds)
  local fraction = milliseconds % 1000
  return os.date("!%Y-%m-%dT%H:%M:%S", milliseconds // 1000)
    .. (fraction > 0 and (".%03d"):format(fraction) or "") .. "Z"
end

local function targets_of(runs)
  local targets, is_any = {}, false
  for _, run in ipairs(runs) do
    for _, effect in ipairs(run.effects) do targets[effect.target], is_any = "up", true end
  end
  return is_any and targets or nil
end

-- What happens in time: the answers of Altinn are set before the moment at which they are read.
local function moments_of(list, runs)
  local moments = {}
  local function add(at, order, what)
    what.at, what.order, what.number = at, order, #moments
    moments[#moments + 1] = what
  end
  for _, given in ipairs(list) do add(given.received, 2, { given = given }) end
  for _, run in ipairs(runs) do
    for _, call in ipairs(run.reads) do
      if call.answer then add(call.at, 1, { call = call }) end
    end
    for _, one in ipairs(run.attempts) do add(one.at, 3, {}) end
  end
  table.sort(moments, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    if a.order ~= b.order then return a.order < b.order end
    return a.number < b.number
  end)
  return moments
end

local function write_reply(writer, call, said)
  local key, text = call.thing .. " " .. call.name, call.answer.status .. call.answer.body
  if said[key] == text then return end
  said[key] = text
  local body = literal.long(call.answer.body)
  local reply = call.answer.status == 200 and body or ("{ status = %d, body = %s }"):format(call.answer.status, body)
  writer:line("    world:reply(%s, %s, %s)", literal.text(call.thing), literal.text(call.name), reply)
end

local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
  if getmetatable(a) ~= getmetatable(b) then return false end
  for key, value in pairs(a) do
    if not is_same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- The event as a table; as its JSON text where Lua's source has no words for it: null, an empty array, a number of
-- many digits, what is nested very deep.
local function source_of(body)
  local event = events.totable(events.parse(body, { max_bytes = #body }))
  local text = literal.of(event, "    ")
  local read = load("return " .. text, "=event", "t", {})
  return read and is_same(read(), event) and text or literal.long(body)
end

local function write_push(writer, given, is_own)
  writer:line("    %sworld:push(%s)", is_own and "local event = " or "", source_of(given.body))
end

local function write_story(writer, list, runs, sequence)
  local said, now = {}, list[1].received
  for _, moment in ipairs(moments_of(list, runs)) do
    if not moment.call and milliseconds_of(moment.at) > milliseconds_of(now) then
      now = moment.at
      writer:line("    world:advance %s", literal.text(time_text(now)))
    end
    if moment.call then write_reply(writer, moment.call, said)
    elseif moment.given then write_push(writer, moment.given, moment.given.sequence == sequence) end
  end
  writer:line "    world:settle()"
end

local function path_of(url) return (url:gsub("^%a[%w+.-]*://[^/?#]*", "")) end

-- What went out, in order; also that of the other events.
local function all_sent(runs)
  local list = {}
  for _, run in ipairs(runs) do table.move(run.sent, 1, #run.sent, #list + 1, list) end
  table.sort(list, function(a, b) return a.order < b.order end)
  return list
end

local function write_one(writer, one, number)
  local item = ("world:sent(%s)[%d]"):format(literal.text(one.target), number)
  writer:line("    assert.equal(%s, %s.path)", literal.text(path_of(one.url)), item)
  writer:line("    assert.equal(%s, %s.body)", literal.long(one.body or ""), item)
end

local function write_sent(writer, runs)
  local counts, sent = {}, all_sent(runs)
  for _, one in ipairs(sent) do counts[one.target] = (counts[one.target] or 0) + 1 end
  for _, target in ipairs(sorted(counts)) do
    writer:line("    assert.equal(%d, #world:sent(%s))", counts[target], literal.text(target))
    counts[target] = 0
  end
  for _, one in ipairs(sent) do
    counts[one.target] = counts[one.target] + 1
    if one.url and one.url:find "^https?:" then write_one(writer, one, counts[one.target]) end
  end
end

local function write_verdicts(writer, runs)
  if #runs == 0 then writer:line [[    assert.equal("", tostring(world:verdicts()))]] end
  for _, run in ipairs(runs) do
    if run.unknown then
      writer:line("    -- %s reads %s, which the inbox has no answer to.", run.rule, run.unknown.name)
    else
      writer:line("    assert.equal(%s, world:verdict(%s, event).state)", literal.text(run.state),
        literal.text(run.rule))
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

-- The runs of the event itself; those of the others are theirs.
local function own_runs(outcome, row)
  local runs = {}
  for _, run in ipairs(outcome.runs) do
    if run.given.sequence == row.sequence then runs[#runs + 1] = run end
  end
  return runs
end

local function write(row, recorded, outcome, list, config)
  local runs = own_runs(outcome, row)
  local writer = setmetatable({}, Writer)
  local event = events.parse(row.body, { max_bytes = #row.body })
  writer:line("-- Event %d of %s, as it happened. Numbers of people and organisations, addresses, texts are made up.",
    row.sequence, time_text(row.received / 1000))
  differences(writer, recorded, runs)
  writer:line 'local test = require "altinn.events.test"'
  writer:line ""
  writer:line("describe(%s, function()", literal.text(name_of(event)))
  writer:line("  it(%s, function()", literal.text(("does what event %d did"):format(row.sequence)))
  writer:line("    local world = test.world %s", literal.of({ rules = config.rules,
    now = time_text(list[1].received), targets = targets_of(outcome.runs) }, "    "))
  write_story(writer, list, runs, row.sequence)
  write_verdicts(writer, runs)
  write_sent(writer, outcome.runs)
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
  local mask, rows = made_up.new(numbers_of(set)), others_of(config.inbox, shown)
  rows[#rows + 1] = row
  local list = given_of(rows, mask)
  outcome, message = rehearse(config, set, list, mask)
  if not outcome then return nil, message end
  return write(row, shown.runs, outcome, list, config)
end

return M
