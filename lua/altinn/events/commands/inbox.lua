-- altinn-events inbox: lists and shows events with their runs, and retries or discards runs by hand.
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local suggest = require "altinn.events.support.suggest"

local M = { summary = "what came in, and what became of it", needs = {} }

-- The inbox is loaded on the first use, because not every command needs the host's libraries.
local function store() return require "altinn.events.host.inbox" end

local usage

--- Adds its options to the parser.
---@param verb table
function M.options(verb)
  verb:require_command(false)
  verb:command_target "inbox_verb"
  local function one(name, summary, ...)
    local command = options.add(verb:command(name, summary), "config", "inbox", ...)
    command:argument("event", "its number in the inbox, or its id")
    return command
  end
  local list = options.add(verb:command("list", "list events, the newest first"), "config", "inbox", "json", "rule")
  list:option("--limit", "at most so many (default: 50)"):argname "N":convert(options.whole "--limit")
  list:option("--state", "a run's state (dead, retry, later, …), or waiting or unmatched"):argname "STATE"
  list:option("--type", "an event type"):argname "TYPE"
  list:option("--since", "a span (2h, 3d) or a time"):argname "TIME"
  one("show", "one event: its runs and their attempts, effects, what was done by hand", "json")
  local function hand(name, summary)
    local command = options.add(verb:command(name, summary), "config", "inbox", "rule", "reason")
    command:argument("event", "its number in the inbox, or its id"):args "?"
    command:flag("--all", "all runs that the options name, instead of one event's")
    command:option("--state", "with --all: runs in this state"):argname "STATE"
    command:option("--type", "with --all: events of this type"):argname "TYPE"
    command:option("--since", "with --all: events since then: a span (2h, 3d) or a time"):argname "TIME"
  end
  hand("retry", "put runs back that were given up, and make those due that wait for a time")
  hand("discard", "give runs up for good, whether they wait, run or are dead")
  usage = function() return verb:get_help() end
end

-- The beginning of a text of several lines.
local function line_of(text) return (text:gsub("\n.*", " …")) end

local function detail(text) return text and ": " .. line_of(text) or "" end

local function print_run(run)
  local stand = run.verdict == "waiting" and "since " .. run.changed
    or ("attempt %d%s"):format(run.attempt, run.due and " next " .. run.due or "")
  output.line("    %-24s %-9s %s%s", run.rule, run.verdict, stand, detail(run.reason))
end

local function print_event(event)
  output.line("%6d  %s  %-9s %s %s", event.sequence, event.received, event.state, event.type or "?",
    event.resourceinstance or event.id or "")
  for _, run in ipairs(event.runs) do print_run(run) end
end

local function print_attempt(run)
  output.line("    before: %s  %s %s attempt %d%s", run.changed, run.rule, run.verdict, run.attempt,
    detail(run.reason))
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

local verbs = {}

function verbs.list(args, path)
  local listing, message = store().list(path, args)
  if not listing then return output.failure(message) end
  if args.json then
    output.json(listing)
    return 0
  end
  for _, event in ipairs(listing.events) do print_event(event) end
  output.line("%d of %d", #listing.events, listing.count)
  if listing.count == 0 and args.rule and not args.rule:find("%c") then
    local names = store().rules(path)
    for _, name in ipairs(names or {}) do
      if name == args.rule then return 0 end
    end
    output.complain(("no run of a rule '%s' among the newest events%s"):format(output.masked(args.rule),
      suggest.hint(args.rule, names or {})))
  end
  return 0
end

local function print_whole(event)
  print_event(event)
  for _, run in ipairs(event.attempts) do print_attempt(run) end
  for _, effect in ipairs(event.earlier_effects) do print_effect(effect, ("before: %s  ->"):format(effect.changed)) end
  for _, effect in ipairs(event.effects) do print_effect(effect, "->") end
  for _, act in ipairs(event.acts) do print_act(act) end
  output.out(event.body)
end

function verbs.show(args, path)
  local sequence, message = store().find(path, args.event)
  if not sequence then return output.failure(message) end
  local event
  event, message = store().show(path, sequence)
  if not event then return output.failure(message) end
  if args.json then output.json(event) else print_whole(event) end
  return 0
end

local function counted(count, what)
  return ("%d run%s %s"):format(count, count == 1 and "" or "s", what)
end

-- Prints the effect of a retry, by the earlier states of the runs.
local GIVEN_UP = { dead = true, discarded = true, abandoned = true }

local function retried(runs)
  local due = 0
  for _, run in ipairs(runs) do due = due + (GIVEN_UP[run.before] and 0 or 1) end
  local text = counted(#runs, "put back")
  if due == #runs then text = text .. (due == 1 and ": it waited" or ": they waited") .. " for a time, and may go now"
  elseif due > 0 then text = ("%s; %d of them waited for a time, and may go now"):format(text, due) end
  output.out(text)
end

local function discarded(runs) output.out(counted(#runs, "discarded")) end

-- Why an act reached no run.
local function nothing(args, path, sequence)
  local of = args.rule and " of the rule " .. args.rule or ""
  local event = args.inbox_verb == "retry" and store().show(path, sequence)
  for _, run in ipairs(event and event.runs or {}) do
    if run.verdict == "waiting" and (args.rule or run.rule) == run.rule then
      return output.failure(("event %d: %s waits for its turn or is under way; there is nothing to put back")
        :format(sequence, run.rule))
    end
  end
  return output.failure(("event %d has no run%s that failed or waits"):format(sequence, of))
end

local function used_wrongly(text)
  output.complain(text)
  return 2
end

local function act_all(name, done, args, path)
  if args.event then return used_wrongly("name an event, or --all, not both") end
  if not args.state and not args.rule then
    return used_wrongly("--all needs --state or --rule (or both), so that it does not reach more than was meant")
  end
  local count, reached = store().act_all(path, name, args, args.reason)
  if not count then return output.failure(reached) end
  if count == 0 then return output.failure("no run is as the options say") end
  output.line("%s, of %d event%s", counted(count, done), reached, reached == 1 and "" or "s")
  return 0
end

local function act(name, done, report)
  verbs[name] = function(args, path)
    if args.all then return act_all(name, done, args, path) end
    if not args.event then
      return used_wrongly(("name an event: altinn-events inbox %s NUMBER; or --all"):format(name))
    end
    local sequence, message = store().find(path, args.event)
    if not sequence then return output.failure(message) end
    local count, runs = store()[name](path, sequence, args.rule, args.reason)
    if not count then return output.failure(runs) end
    if count == 0 then return nothing(args, path, sequence) end
    report(runs)
    return 0
  end
end

act("retry", "put back", retried)
act("discard", "discarded", discarded)

--- Runs the verb.
---@param args table what the parser gave
---@param config table
---@return integer status
function M.run(args, config)
  if not args.inbox_verb then
    output.note(usage() .. "\n\nError: name one of these commands")
    return 2
  end
  return verbs[args.inbox_verb](args, config.inbox)
end

return M
