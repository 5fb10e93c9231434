-- altinn-events replay: gives stored events to rules again. A plan comes first; then it asks for a reason, and goes.
local agreement = require "altinn.events.commands.agreement"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local rules = require "altinn.events.commands.rules"

local M = { summary = "give stored events to rules again: a plan first, then go", needs = {} }

--- Adds its options to the parser.
---@param command table
function M.options(command)
  options.add(command, "config", "inbox", "json", "rule", "rules", "reason")
  command:option("--type", "only events of this type"):argname "TYPE"
  command:option("--since", "events since then: a span (2h, 3d) or a time"):argname "TIME"
  command:option("--until", "events before then: a span (2h, 3d) or a time"):argname "TIME"
  command:mutex(
    command:flag("--only-missing", "runs that were never made, or failed for good (the default)"),
    command:flag("--all", "also runs that are over well; what was sent before is not sent again"))
  command:flag("--yes", "do not ask for confirmation")
  command:flag("--list", "list the replays")
end

local function counted(count, what) return ("%d %s%s"):format(count, what, count == 1 and "" or "s") end

local STATES = {
  none = "no run yet", waiting = "waiting or under way", dead = "failed for good", abandoned = "abandoned",
  discarded = "discarded by hand", shadowed = "in the shadow before",
}

local function print_group(group)
  output.line("%8d  %-24s %s%s", group.runs, group.rule, STATES[group.state] or group.state,
    group.again and "" or ", left alone")
end

-- Effects by a rehearsal.
local function print_effects(effects)
  local parts = {}
  for target, number in pairs(effects.targets) do parts[#parts + 1] = ("%s %d"):format(target, number) end
  table.sort(parts)
  output.line("effects, as rehearsed with what Altinn answered before: %d would go%s; %d sent before under %s, and "
    .. "held back", effects.go, #parts > 0 and (" (%s)"):format(table.concat(parts, ", ")) or "", effects.held_back,
    effects.held_back == 1 and "its key" or "their keys")
  if effects.unknown > 0 then
    output.line("not known: what %s would do, which read what Altinn was never asked", counted(effects.unknown, "run"))
  end
end

local function print_plan(replay)
  local plan = replay.plan
  if replay.going then
    output.line("replay %d, begun by %s, goes on behind event %d", replay.going.number,
      output.masked(replay.going.who), replay.going.place)
  end
  output.line("%s%s%s", counted(plan.events, "event"), plan.first and (", from number %d to %d"):format(plan.first,
    plan.last) or "", plan.unreadable > 0 and ("; %d cannot be read"):format(plan.unreadable) or "")
  output.line("to be made: %s", counted(plan.runs, "run"))
  for _, group in ipairs(plan.groups) do print_group(group) end
  if plan.runs == 0 then return end
  if plan.effects then return print_effects(plan.effects) end
  output.line("effects: %d sent before under %s, and held back; %d recorded and not sent; %d that the rule had in the "
    .. "shadow", plan.held_back, plan.held_back == 1 and "its key" or "their keys", plan.open, plan.would)
  if plan.unknown > 0 then
    output.line("not known: the effects of %s, which had none before", counted(plan.unknown, "run"))
  end
  if plan.not_rehearsed then output.line("not rehearsed: %s", plan.not_rehearsed) end
end

local function list(args, path)
  local found, message = require("altinn.events.host.replay").list(path)
  if not found then return output.failure(message) end
  if args.json then
    output.json { count = #found, replays = found }
    return 0
  end
  for _, one in ipairs(found) do
    output.line("%4d  %s  %s: %s of %s%s", one.number, one.begun, one.asked, counted(one.runs, "run"),
      counted(one.events, "event"), one.ended and "" or (", broken off behind event %d of %d"):format(one.place,
        one.last))
    output.line("      by %s%s", one.who, one.reason and ": " .. one.reason or "")
  end
  output.line("%s", counted(#found, "replay"))
  return 0
end

local function go(args, replay)
  if replay.plan.runs == 0 and not replay.going then
    if args.json then output.json { plan = replay.plan, runs = 0 } else output.out "nothing is to be done" end
    return 0
  end
  local reason, status = agreement.reason(("%s will be made."):format(counted(replay.plan.runs, "run")), args)
  if not reason then
    if args.json then output.json { plan = replay.plan, runs = 0 } end
    return status
  end
  local progress = output.progress "events"
  local done, message = replay:carry_out(reason, progress)
  progress()
  if not done then return output.failure(message) end
  if args.json then output.json { plan = replay.plan, number = done.number, runs = done.runs, events = done.events }
  else
    output.line("replay %d: %s of %s put in line; a running host carries them out", done.number,
      counted(done.runs, "run"), counted(done.events, "event"))
  end
  return 0
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  if args.list then return list(args, config.inbox) end
  if not args.since then
    output.complain "since when? Write --since 3d, or --since 2026-08-20 --until 2026-08-21"
    return 2
  end
  local set = rules.of(config, "error")
  if not set then return 1 end
  local progress = output.progress "events read"
  local replay <close>, message = require("altinn.events.host.replay").begin(config.inbox, set, {
    since = args.since, ["until"] = args["until"], rule = args.rule, type = args.type, all = args.all, config = config,
  }, progress)
  progress()
  if not replay then return output.failure(message) end
  if not args.json then print_plan(replay) end
  return go(args, replay)
end

return M
