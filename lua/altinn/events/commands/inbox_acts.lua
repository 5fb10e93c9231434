-- altinn-events inbox retry, discard and later: acts by hand, on the runs of one event or on all that a filter names.
-- A filter's act prints its plan first, and asks for a reason and a confirmation.
local agreement = require "altinn.events.commands.agreement"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local suggest = require "altinn.events.support.suggest"

local M = {}

-- These are loaded on the first use: see inbox.lua.
local function acts() return require "altinn.events.host.inbox_acts" end
local function store() return require "altinn.events.host.inbox" end
local function host() return require("altinn.events.support.libraries").load "altinn.events.host" end

local WAIT = 60  -- seconds of --wait without a number

local function hand(verb, name, summary)
  local command = options.add(verb:command(name, summary), "config", "inbox", "json", "rule", "reason")
  command:argument("event", "its number in the inbox, or its id; or options that name the runs"):args "?"
  options.add(command, "picked")
  command:option("--state", "only runs in this state"):argname "STATE"
  command:flag("--all", "all runs that the other options name; alone: all that the act applies to")
  command:flag("--yes", "do not ask for confirmation")
  return command
end

--- Adds its commands to the parser of the verb inbox.
---@param verb table
function M.options(verb)
  local retry = hand(verb, "retry", "put runs back that were given up, and make those due that wait for a time")
  retry:option("--from-step", "run this step, and those after it, again"):argname "NAME"
  retry:option("--wait", "wait so many seconds (60) for the host, and count the verdicts"):argname "SECONDS":args "?"
    :convert(options.seconds "--wait")
  hand(verb, "discard", "give runs up for good, whether they wait, run or are dead")
  local later = options.add(verb:command("later", "let runs that wait for a time wait until another time"), "config",
    "inbox", "json", "rule", "reason")
  later:argument("event", "its number in the inbox, or its id")
  later:option("--at", "a span from now (2h, 3d) or a time (2026-08-20T09:00:00+02:00)"):argname "TIME":count(1)
end

--- The cause of a group, for people.
---@param group table of inbox_shown
---@return string
function M.cause(group)
  if group.state == "waiting" then return "not tried yet" end
  if group.body then return "waits for its time, then the body " .. group.body end
  return group.cause or group.reason or "no cause was recorded"
end

--- What may be misspelt in options that name no run: the rule, or the cause.
---@param args table
---@param path string of the inbox
---@return string text ": …", or ""
function M.misspelt(args, path)
  local names = args.rule and store().rules(path) or {}
  local is_known = not args.rule
  for _, name in ipairs(names) do is_known = is_known or name == args.rule end
  if not is_known then
    return (": no run of a rule '%s' among the newest events%s"):format(output.masked(args.rule),
      suggest.hint(args.rule, names))
  end
  if not args.cause then return "" end
  return (": no cause is, or holds, '%s' ('altinn-events inbox list --state %s' shows the causes)"):format(
    output.masked(args.cause), args.state or "dead")
end

--- The times of a group, for people.
---@param group table of inbox_shown
---@return string
function M.times(group)
  local text = group.oldest == group.newest and "since " .. group.oldest
    or ("from %s to %s"):format(group.oldest, group.newest)
  if group.due and group.due == group.last_due then return ("%s, due %s"):format(text, group.due) end
  return group.due and ("%s, due from %s to %s"):format(text, group.due, group.last_due) or text
end

local function counted(count, what, more)
  return ("%d %s%s%s"):format(count, what, count == 1 and "" or "s", more and " " .. more or "")
end

-- What becomes of the runs: "3 runs put back".
local DONE = { retry = "put back", discard = "discarded", later = "moved" }

local function used_wrongly(text)
  output.complain(text)
  return 2
end

-- The plan.

local EFFECTS = { "recorded", "unknown", "not_sent", "refused" }

local function effects_text(name, effects)
  local open, parts = 0, {}
  for index, state in ipairs(EFFECTS) do
    open = open + (effects[state] or 0)
    parts[index] = ("%d %s"):format(effects[state] or 0, state)
  end
  return ("effects: %d %s (%s); %d %s sent before%s"):format(open,
    name == "retry" and "would go out again" or "would go out no more", table.concat(parts, ", "), effects.sent or 0,
    effects.sent == 1 and "was" or "were", name == "retry" and ", and will not go out again" or "")
end

local function print_plan(name, act, step)
  output.line("to be %s: %s of %s", DONE[name], counted(act.runs, "run"), counted(act.events, "event"))
  for _, group in ipairs(act.groups) do
    output.line("%6d  %s  %s  %s: %s%s", group.count, group.id, group.state, group.rule, M.cause(group),
      group.version and " (version " .. group.version .. ")" or "")
  end
  output.line("%s", effects_text(name, act.effects))
  for _, one in ipairs(act.steps) do
    if one.name == step then output.line("from the step %s on: %d of these runs have it", one.name, one.count) end
  end
end

local function plan_table(act)
  return { runs = act.runs, events = act.events, groups = act.groups, effects = act.effects }
end

-- The reason for the act; nil and a status when it is not to be done.
local function agreed(name, act, args)
  return agreement.reason(("%s of %s will be %s."):format(counted(act.runs, "run"), counted(act.events, "event"),
    DONE[name]), args)
end

local function progress_of(act)
  if not host().terminal(io.stderr) then return nil end
  return function(done)
    io.stderr:write(("\r%d of %d"):format(done, act.runs), done < act.runs and "" or "\r\27[K")
    io.stderr:flush()
  end
end

-- Waits until the host has taken up all runs, at most so many seconds. Gives { state = count }; "" stays for those that
-- it has not.
local function settled(act, seconds)
  local last = os.time() + seconds
  while true do
    local found, message, code = act:after()
    if not found then return nil, message, code end
    if not found[""] or os.time() >= last then return found end
    host().sleep(0.1)
  end
end

local function verdicts_text(found)
  local parts = {}
  for state, count in pairs(found) do
    if state ~= "" then parts[#parts + 1] = ("%d %s"):format(count, state) end
  end
  table.sort(parts)
  return table.concat(parts, ", ")
end

local function wait_seconds(args)
  local value = type(args.wait) == "table" and args.wait[1] or args.wait
  return value and (tonumber(value) or WAIT)
end

-- Prints the result, after --wait with the verdicts.
local function report(act, args, text, result)
  local seconds = wait_seconds(args)
  local found, message
  if seconds then
    found, message = settled(act, seconds)
    if not found then return output.failure(message) end
  end
  if args.json then
    result.verdicts = found
    output.json(result)
  else
    output.out(found and verdicts_text(found) ~= "" and ("%s: %s"):format(text, verdicts_text(found)) or text)
  end
  if not found or not found[""] then return 0 end
  output.complain(("%s not taken up in %g seconds; does the host run?"):format(counted(found[""], "run"), seconds))
  return 1
end

-- One event.

local GIVEN_UP = { dead = true, discarded = true, abandoned = true }

-- The result of an act on one event, by the earlier states of the runs.
local function single_text(name, runs, before, at)
  local text, due = counted(runs, "run", DONE[name]), 0
  if name == "later" then return ("%s to %s"):format(text, output.moment(at / 1000)) end
  if name ~= "retry" then return text end
  for state, count in pairs(before) do due = due + (GIVEN_UP[state] and 0 or count) end
  if due == runs then
    return text .. (due == 1 and ": it waited" or ": they waited") .. " for a time, and may go now"
  end
  return due == 0 and text or ("%s; %d of them waited for a time, and may go now"):format(text, due)
end

-- How the runs of an event stand: ": print is done, audit is shadowed".
local function runs_text(runs)
  local parts = {}
  for index, run in ipairs(runs) do parts[index] = ("%s is %s"):format(run.rule, run.verdict) end
  return #parts > 0 and ": " .. table.concat(parts, ", ") or ": no rule wanted it"
end

-- Why an act reached no run.
local function nothing(args, path, sequence)
  local of = args.rule and " of the rule " .. args.rule or ""
  local event = store().show(path, sequence)
  for _, run in ipairs(event and args.inbox_verb ~= "discard" and event.runs or {}) do
    if run.verdict == "waiting" and (args.rule or run.rule) == run.rule then
      return output.failure(("event %d: %s waits for its turn or is under way; there is nothing to %s")
        :format(sequence, run.rule, args.inbox_verb == "later" and "move" or "put back"))
    end
  end
  return output.failure(("event %d has no run%s that %s%s"):format(sequence, output.masked(of),
    args.inbox_verb == "later" and "waits for a time" or "failed or waits", runs_text(event and event.runs or {})))
end

-- Whether one of the runs has the step; else says which steps there are.
local function has_step(act, name)
  local names = {}
  for index, one in ipairs(act.steps) do
    names[index] = output.masked(one.name)
    if one.name == name then return true end
  end
  if #names == 0 then return false, ("--from-step %s: these runs have carried out no step"):format(name) end
  return false, ("--from-step %s: no such step; these runs have carried out: %s%s"):format(name,
    table.concat(names, ", "), suggest.hint(name, names))
end

local function fails_step(act, args)
  if not args.from_step or act.runs == 0 then return false end
  local fine, message = has_step(act, args.from_step)
  if not fine then output.complain(message) end
  return not fine
end

local function act_one(name, args, path, at)
  local sequence, message = store().find(path, args.event)
  if not sequence then return output.failure(message) end
  local act <close>, problem = acts().begin(path, name, { sequence = sequence, rule = args.rule })
  if not act then return output.failure(problem) end
  if fails_step(act, args) then return 1 end
  local runs, events = act:carry_out { reason = args.reason, step = args.from_step, due = at }
  if not runs then return output.failure(events) end
  if runs == 0 then return nothing(args, path, sequence) end
  local before
  before, message = act:before()
  if not before then return output.failure(message) end
  return report(act, args, single_text(name, runs, before, at), { runs = runs, events = events, before = before })
end

-- A filter.

local FILTER = { "rule", "cause", "type", "state", "since", "until", "all" }

local function has_filter(args, first)
  for at = first, #FILTER do
    if args[FILTER[at]] then return true end
  end
  return false
end

local function carry_out(name, act, args, reason)
  local runs, events = act:carry_out({ reason = reason, step = args.from_step }, progress_of(act))
  if not runs then return output.failure(events) end
  local text = ("%s, of %s"):format(counted(runs, "run", DONE[name]), counted(events, "event"))
  if runs < act.runs then text = ("%s; %d had changed meanwhile"):format(text, act.runs - runs) end
  return report(act, args, text, { plan = plan_table(act), runs = runs, events = events })
end

-- Why a filter reached no run.
local function none(name, args, path)
  local more = name == "retry" and not args.state
    and "; those that wait for a planned time and discarded ones are reached with --state" or ""
  return output.failure("no run is as the options say" .. M.misspelt(args, path) .. more)
end

local function act_all(name, args, path)
  local act <close>, message = acts().begin(path, name, args)
  if not act then return output.failure(message) end
  if act.runs == 0 then return none(name, args, path) end
  if fails_step(act, args) then return 1 end
  if not args.json then print_plan(name, act, args.from_step) end
  local reason, status = agreed(name, act, args)
  if not reason then
    if args.json then output.json { plan = plan_table(act), runs = 0, events = 0 } end
    return status
  end
  return carry_out(name, act, args, reason)
end

local function act(name)
  return function(args, path)
    if args.event then
      if has_filter(args, 2) then return used_wrongly "name an event, or the runs by --all, --state …; not both" end
      return act_one(name, args, path)
    end
    if has_filter(args, 1) then return act_all(name, args, path) end
    return used_wrongly(("name an event: altinn-events inbox %s NUMBER; or the runs by --rule, --cause, --state, "
      .. "--type, --since, --until, or --all"):format(name))
  end
end

M.retry, M.discard = act "retry", act "discard"

--- inbox later.
---@param args table
---@param path string
---@return integer status
function M.later(args, path)
  local at, message = require("altinn.events.host.inbox_filter").due(args.at)
  if not at then return used_wrongly(message) end
  local reason = "until " .. output.moment(at / 1000)
  args.reason = args.reason and ("%s: %s"):format(reason, args.reason) or reason
  return act_one("later", args, path, at)
end

return M
