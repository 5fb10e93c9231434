-- altinn-events try: what events would do under the rules. Nothing is sent or stored.
local files = require "altinn.events.support.files"
local events = require "altinn.events"
local exchange = require "altinn.events.client.exchange"
local given_events = require "altinn.events.commands.given_events"
local json = require "altinn.events.support.json"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local rules = require "altinn.events.commands.rules"
local recall = require "altinn.events.rules.engine.recall"
local shown = require "altinn.events.host.inbox_shown"

local M = { summary = "what events would do: verdicts, effects as they would go out; nothing is sent or stored",
  needs = {} }

local description = [[
What events would do under the rules: which rules match, what they read, the
verdict, each effect as it would go out, and what their timers would do later.
Nothing is sent and nothing is stored.

A rule that reads the letter needs --letter: a file with what Altinn answers
(the JSON of the letter's details; altinn-events letter ID --json prints it), or
the letter's id: then Altinn is asked for its overview and details, as often as
the rules ask, and for nothing else. As a recipient that is recorded as Fetched.]]

--- Adds its options to the parser.
---@param command table
function M.options(command)
  command:description(description)
  command:summary(M.summary)
  options.add(command, "config", "inbox", "json", "rule")
  command:argument("event", "a number or an id of the inbox, or a file"):args "+"
  command:option("--rules", "rule files or folders (default: those of the configuration)"):argname "PATH":count "*"
  command:option("--letter", "what Altinn answers about the letter: a file, or the letter's id to ask for it")
    :argname "FILE|ID"
  command:option("--at", "the time at which the events come (default: now): RFC 3339, or a date"):argname "TIME"
end

-- The letter.

local OF_LETTER = { overview = true, details = true }

local function json_reply(status, value)
  return { status = status, body = assert(json.encode(value)), headers = { ["content-type"] = "application/json" } }
end

local function read_letter(path)
  local text, message = files.read(path)
  if not text then return nil, message end
  local value = recall.decoded((text:gsub("^\239\187\191", "")))
  if type(value) ~= "table" or #value > 0 then
    return nil, ("%s: it must hold one JSON object, a letter's details as Altinn gives them"):format(path)
  end
  return value
end

-- Answers from a file: it stands for whichever letter the events are about.
local function from_file(path)
  local letter, message = read_letter(path)
  if not letter then return nil, message end
  return function(call)
    local content = call.name == "content" and letter.content
    if type(content) == "table" and content.messageBody then
      return { status = 200, body = tostring(content.messageBody), headers = { ["content-type"] = "text/plain" } }
    end
    if not OF_LETTER[call.name] then return nil end
    letter.correspondenceId = call.thing:match ":(.+)$"
    return json_reply(200, letter)
  end
end

-- Answers from Altinn, about this one letter.
local function from_altinn(id, config)
  local connection, message, code = require("altinn.events.host.connection").open(config)
  if not connection then return nil, message, code end
  local letter = connection.client:letter(id)
  return function(call)
    if not OF_LETTER[call.name] or call.thing:lower() ~= "letter:" .. id:lower() then return nil end
    local answer
    exchange.watch(function(_, _, reply, failure) answer = reply or failure.detail or {} end)
    local _, why = letter[call.name](letter)
    exchange.watch(nil)
    return { status = answer.status or 503, body = answer.body or json.encode { title = tostring(why) },
      headers = { ["content-type"] = answer.status == 200 and "application/json" or "application/problem+json" } }
  end
end

local function answers(args, config)
  local word = args.letter
  if not word then return function() return nil end end
  if word:find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$" then
    return from_altinn(word, config)
  end
  return from_file(word)
end

-- The events.

local function time_of(text)
  if text == nil then return os.time() end
  local seconds = require("altinn.events.host.inbox_filter").time(text)
  if seconds then return seconds end
  return nil, ("--at %s: no time: write it like 2026-08-20T09:00:00+02:00"):format(text)
end

local function all_events(args, config)
  local list, at, message = {}, time_of(args.at)
  if not at then return nil, message end
  for _, word in ipairs(args.event) do
    local given, why = given_events.of(word, config.inbox)
    if not given then return nil, why end
    for _, one in ipairs(given) do
      one.received = at
      list[#list + 1] = one
    end
  end
  return list
end

local function iterator(list)
  local at = 0
  return function()
    at = at + 1
    return list[at]
  end
end

-- The rules.

local function rules_of(args, config)
  if #args.rules > 0 then config.rules = args.rules end
  local set = rules.of(config)
  if not set or not args.rule then return set end
  local kept, known = { files = set.files, sources = set.sources, versions = set.versions }, {}
  for _, rule in ipairs(set) do
    known[rule.name] = true
    if rule.name == args.rule then kept[1] = rule end
  end
  if kept[1] then return kept end
  output.complain(("there is no rule '%s'%s"):format(args.rule, require("altinn.events.support.suggest").hint(args.rule,
    known)))
end

-- What came of it, for people and as JSON.

local function effect_of(effect)
  return { target = effect.target, key = output.masked(effect.key), request = shown.decoded(effect.request) }
end

local function call_words(call) return require("altinn.events.host.rehearsal").words(call.name, call.thing) end

-- The calls in words, each once.
local function reads_of(run)
  local list, seen = output.list(), {}
  for _, call in ipairs(run.reads) do
    local words = call_words(call)
    if not seen[words] then list[#list + 1] = words end
    seen[words] = true
  end
  return list
end

-- A run that read what nobody knows has no verdict: it goes otherwise with another answer.
local function run_of(run)
  local effects, attempts, unknown = output.list(), output.list(), run.unknown and call_words(run.unknown)
  for index, effect in ipairs(run.effects) do effects[index] = effect_of(effect) end
  for index, one in ipairs(run.attempts) do
    if run.unknown and one.at >= run.unknown.at then break end
    attempts[index] = { at = output.moment(one.at), state = one.state, reason = output.masked(one.reason) }
  end
  return { rule = run.rule, thing = output.masked(run.thing), state = not unknown and run.state or nil,
    reason = not unknown and output.masked(run.reason) or nil, attempts = attempts, reads = reads_of(run),
    acts = output.list(run.acts), effects = effects, unknown = unknown, due = output.moment(run.due) }
end

local function result_of(list, outcome)
  local rows = output.list()
  local by_given = {}
  for _, given in ipairs(list) do
    local row = { event = tostring(given.event), name = given.name, sequence = given.sequence, runs = output.list() }
    rows[#rows + 1], by_given[given] = row, row
  end
  for _, run in ipairs(outcome.runs) do table.insert(by_given[run.given].runs, run_of(run)) end
  for _, one in ipairs(outcome.refused) do by_given[one.event].refused = events.mask(one.reason) end
  return rows
end

local SHOWN_APART = { kind = true, method = true, path = true, body = true, media = true, probe = true, headers = true }

-- The members of a request that have no line of their own.
local function others_of(request)
  local rest = {}
  for name, value in pairs(request) do
    if not SHOWN_APART[name] then rest[name] = value end
  end
  return next(rest) and json.encode(rest) or nil
end

local function print_effect(effect)
  local request = type(effect.request) == "table" and effect.request or {}
  output.line("    would go to %s by send.%s: %s %s", effect.target, request.kind or "?", request.method or "",
    request.path or "")
  output.line("      key  %s", effect.key)
  if others_of(request) then output.line("      with %s", others_of(request)) end
  if request.body then output.line("      body %s", request.body) end
end

local function print_run(run)
  output.line("  %s", run.rule)
  for _, one in ipairs(run.attempts) do
    output.line("    %s  %s%s", one.at, one.state, one.reason ~= "" and ": " .. one.reason or "")
  end
  if #run.reads > 0 then output.line("    it reads %s", table.concat(run.reads, ", ")) end
  for _, act in ipairs(run.acts) do output.line("    would do %s at Altinn", act) end
  for _, effect in ipairs(run.effects) do print_effect(effect) end
  if run.unknown then
    output.line("    the verdict is not known: it depends on %s; --letter FILE or --letter ID tells", run.unknown)
  end
end

local function print_text(rows)
  for _, row in ipairs(rows) do
    output.line("%s", row.event)
    if row.refused then output.line("  not taken: %s", row.refused)
    elseif #row.runs == 0 then output.line("  no rule wants it: altinn-events why %s", row.sequence or row.name) end
    for _, run in ipairs(row.runs) do print_run(run) end
  end
  output.line "nothing was sent or stored"
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status 0 fine, also when a verdict is not known; 1 failed
function M.run(args, config)
  local set = rules_of(args, config)
  if not set then return 1 end
  local list, answer, outcome, message, code
  list, message = all_events(args, config)
  if not list then return output.failure(message) end
  answer, message, code = answers(args, config)
  if not answer then return output.failure(message, code) end
  outcome, message = require("altinn.events.host.rehearsal").run { config = config, set = set, next = iterator(list),
    answer = answer }
  if not outcome then return output.failure(message) end
  local rows = result_of(list, outcome)
  if args.json then output.json { events = rows } else print_text(rows) end
  return 0
end

return M
