-- altinn-events inbox: lists and shows events with their runs. Acts by hand are in inbox_acts.lua.
local hands = require "altinn.events.commands.inbox_acts"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local texts = require "altinn.events.support.text"
local timer_words = require "altinn.events.rules.timer_words"

local M = { summary = "what came in, and what became of it", needs = {} }

-- The inbox is loaded on the first use, because not every command needs the host's libraries.
local function store() return require "altinn.events.host.inbox" end

local usage

--- Adds its options to the parser.
---@param verb table
function M.options(verb)
  verb:require_command(false)
  verb:command_target "inbox_verb"
  local list = options.add(verb:command("list", "list events, the newest first; with --state dead, retry, held, later "
    .. "or abandoned: their groups by rule and cause"), "config", "inbox", "json", "rule")
  list:option("--limit", "list the events, at most so many (default: 50)"):argname "N":convert(options.whole "--limit")
  list:option("--state", "a run's state (dead, retry, later, …), or waiting or unmatched"):argname "STATE"
  options.add(list, "picked")
  local show = options.add(verb:command("show", "one event: its runs with their attempts, steps and timers, its "
    .. "effects, what is remembered of its letter, what was done by hand"), "config", "inbox", "json")
  show:argument("event", "its number in the inbox, or its id")
  show:flag("--spec", "a spec of what happened, to stand beside the rules; numbers of people are made up")
  hands.options(verb)
  local memory = options.add(verb:command("memory", "what the rules remember of letters"), "config", "inbox", "json",
    "rule")
  memory:option("--letter", "only of this letter"):argname "ID"
  usage = function() return verb:get_help() end
end

local line_of = texts.beginning

local function detail(text) return text and ": " .. line_of(text) or "" end

-- How a run stands. When a run goes on stands in `due`, which an act by hand may have moved; its reason still tells the
-- earlier time.
local function stand_of(run)
  if run.verdict == "waiting" then return "since " .. run.changed .. detail(run.reason) end
  local reason, text = run.reason, ("attempt %d"):format(run.attempt)
  if run.due and run.timer then
    text = run.attempt > 0 and text .. ", " or ""
    text = ("%sat %s the body %s"):format(text, run.due, run.timer.body)
    reason = timer_words.without(reason)
  elseif run.due then
    text = ("%s next %s%s"):format(text, run.due, run.body and ", the body " .. run.body or "")
  end
  return text .. detail(reason)
end

local function print_run(run)
  output.line("    %-24s %-9s %s", run.rule, run.verdict, stand_of(run))
end

local function print_event(event)
  output.line("%6d  %s  %-9s %s %s", event.sequence, event.received, event.state, event.type or "?",
    event.resourceinstance or event.id or "")
  for _, run in ipairs(event.runs) do print_run(run) end
end

local function print_groups(listing, state)
  for _, group in ipairs(listing.groups) do
    output.line("%6d  %s  %s  %s: %s", group.count, group.id, group.state, group.rule, hands.cause(group))
    output.line("        %s, for instance event %d", hands.times(group), group.event)
  end
  output.line("%d event%s", listing.count, listing.count == 1 and "" or "s")
  if #listing.groups > 0 then
    output.line("inbox list --state %s --cause ID lists the events of a group", state)
  end
end

local function print_listing(listing, args)
  if listing.groups and not args.cause and not args.limit then return print_groups(listing, args.state) end
  for _, event in ipairs(listing.events) do print_event(event) end
  output.line("%d of %d", #listing.events, listing.count)
end

-- Says which word of the options may be misspelt, when they name no event.
local function hint_misspelt(args, path)
  if ((args.rule or "") .. (args.cause or "")):find("%c") then return end
  local text = hands.misspelt(args, path)
  if text ~= "" then output.complain(text:sub(3)) end
end

local verbs = {}

function verbs.list(args, path)
  local listing, message = store().list(path, args)
  if not listing then return output.failure(message) end
  if args.json then
    output.json(listing)
    return 0
  end
  print_listing(listing, args)
  if listing.count == 0 then hint_misspelt(args, path) end
  return 0
end

local function print_attempt(run)
  output.line("    before: %s  %s %s attempt %d%s%s", run.changed, run.rule, run.verdict, run.attempt,
    detail(run.reason), run.version and " (version " .. run.version .. ")" or "")
end

local function print_effect(effect, word)
  output.line("    %s %s %s%s key %s%s", word, effect.target, effect.state,
    effect.status and " " .. effect.status or "", line_of(effect.key), detail(effect.reason))
  if effect.request then output.line("       it was sent: %s", line_of(effect.request)) end
  if effect.answer then output.line("       it answered: %s", line_of(effect.answer)) end
end

local function print_act(act)
  output.line("    by hand: %s  %s of %s (%s before) by %s%s", act.time, act.what, act.rule, act.before,
    act.who, detail(act.reason))
end

-- What `inbox list` leaves out of a run.
local function print_more(run)
  local parts = {}
  if run.version then parts[#parts + 1] = "version " .. run.version end
  if run.cause_id and run.cause then parts[#parts + 1] = ("cause %s %s"):format(run.cause_id, run.cause) end
  local timer = run.timer
  if timer then
    parts[#parts + 1] = ("timer%s of the body %s%s"):format(timer.key and " " .. timer.key or "", timer.body,
      timer.set and ", set " .. timer.set or "")
    if timer.with then parts[#parts + 1] = "with " .. timer.with end
    if timer.cancel then parts[#parts + 1] = "cancelled by " .. table.concat(timer.cancel, ", ") end
  end
  if #parts > 0 then output.line("    %-24s %s", run.rule, table.concat(parts, "; ")) end
  if run.would then output.line("    %-24s it would have done: %s", run.rule, run.would) end
end

local function print_reading(reading)
  output.line("    asked by %s: %s of %s -> %s%s", reading.rule, reading.call, reading.thing,
    reading.status or reading.code or "nothing", detail(reading.body))
end

local function print_step(step)
  output.line("    step of %s: %s (place %d) gave %s", step.rule, step.name, step.place,
    line_of(step.result or "nothing"))
end

local function print_memory(value)
  output.line("    %s remembers of %s: %s = %s%s%s", value.rule, value.thing, value.name, line_of(value.value),
    value.expires and " until " .. value.expires or "", value.shadow and " (in the shadow)" or "")
end

local function print_whole(event)
  print_event(event)
  for _, run in ipairs(event.runs) do print_more(run) end
  for _, run in ipairs(event.attempts) do print_attempt(run) end
  for _, reading in ipairs(event.readings) do print_reading(reading) end
  for _, step in ipairs(event.steps) do print_step(step) end
  for _, effect in ipairs(event.earlier_effects) do print_effect(effect, ("before: %s  ->"):format(effect.changed)) end
  for _, effect in ipairs(event.effects) do print_effect(effect, "->") end
  for _, value in ipairs(event.memory) do print_memory(value) end
  for _, act in ipairs(event.acts) do print_act(act) end
  output.out(event.body)
end

local function show_spec(args, config)
  local set = require("altinn.events.commands.rules").of(config)
  if not set then return 1 end
  local text, message = require("altinn.events.commands.inbox_spec").of(config, set, args.event)
  if not text then return output.failure(message) end
  output.out(text)
  return 0
end

function verbs.show(args, path, config)
  if args.spec then return show_spec(args, config) end
  local sequence, message = store().find(path, args.event)
  if not sequence then return output.failure(message) end
  local event
  event, message = store().show(path, sequence)
  if not event then return output.failure(message) end
  if args.json then output.json(event) else print_whole(event) end
  return 0
end

function verbs.memory(args, path)
  local values, message = store().memory(path, args.rule, args.letter)
  if not values then return output.failure(message) end
  if args.json then
    output.json { count = #values, memory = values }
    return 0
  end
  for _, value in ipairs(values) do
    output.line("%s  %-24s %s: %s = %s%s%s", value.changed, value.rule, value.thing, value.name, line_of(value.value),
      value.expires and " until " .. value.expires or "", value.shadow and " (in the shadow)" or "")
  end
  output.line("%d value%s", #values, #values == 1 and "" or "s")
  return 0
end

--- Runs the verb.
---@param args table what the parser gave
---@param config table
---@return integer status
function M.run(args, config)
  if not args.inbox_verb then
    output.note(usage() .. "\n\nError: name one of these commands")
    return 2
  end
  local verb = verbs[args.inbox_verb] or hands[args.inbox_verb]
  return verb(args, config.inbox, config)
end

return M
