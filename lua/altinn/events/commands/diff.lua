-- altinn-events diff: what a change of the rules would have done to the events of the past.
local events = require "altinn.events"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local rules = require "altinn.events.commands.rules"
local shown = require "altinn.events.host.inbox_shown"

local M = { summary = "what changed rules would have done to the events of the past: what appears, vanishes, changes",
  needs = {} }

local SINCE = "30d"
local SHOWN = 10  -- rows of a kind, without --all

--- Adds its options to the parser.
---@param command table
function M.options(command)
  command:argument("old", "the rules of before: a file or a folder")
  command:argument("new", "the rules to come")
  options.add(command, "config", "inbox", "json", "rule")
  command:option("--since", "events since then: a span (2h, 30d, the default) or a time", SINCE):argname "TIME"
  command:option("--until", "only events before then"):argname "TIME"
  command:flag("--all", "show every difference, not the first " .. SHOWN .. " of a kind")
end

local function rules_of(config, path)
  local copy = {}
  for name, value in pairs(config) do copy[name] = value end
  copy.rules = { path }
  return rules.of(copy)
end

-- The events of the inbox, for a rehearsal; opened when the first is asked for, in the process that asks. Raises what
-- is wrong with the inbox, a text.
local function events_of(config, filter)
  local stream
  return function()
    if not stream then
      local message
      stream, message = require("altinn.events.host.inbox").stream(config.inbox, filter)
      if not stream then error(message, 0) end
    end
    return stream()
  end
end

local function rehearsal_of(config, set, filter, progress)
  return { config = config, set = set, answer = require("altinn.events.host.known_answers").of(config.inbox),
    next = events_of(config, filter), progress = progress }
end

local function compare(config, sets, args)
  local filter = { since = args.since, ["until"] = args["until"] }
  -- The child begins before this process has opened the inbox: SQLite's connections do not survive a fork.
  local apart, message = require("altinn.events.host.rehearsal_apart").begin(rehearsal_of(config, sets[1], filter))
  if not apart then return nil, message end
  local progress = output.progress "events"
  local fine, before, after
  fine, after, message = pcall(require("altinn.events.host.rehearsal").run,
    rehearsal_of(config, sets[2], filter, progress))
  progress()
  if not fine then return nil, after end
  if not after then return nil, message end
  before, message = apart:runs()
  if not before then return nil, message end
  for _, run in ipairs(before) do run.given = after.given[run.event] end
  local found = require("altinn.events.host.comparison").of(before, after.runs)
  found.events, found.refused = after.events, after.refused
  return found
end

-- Only the rows of a rule.
local function only(found, rule)
  if not rule then return found end
  for _, kind in ipairs { "appear", "vanish", "change", "unknown" } do
    local kept = {}
    for _, row in ipairs(found[kind]) do
      if row.rule == rule then kept[#kept + 1] = row end
    end
    found[kind] = kept
  end
  return found
end

-- Words.

local function sent(run)
  local parts = {}
  for _, effect in ipairs(run.effects) do parts[#parts + 1] = "sends to " .. effect.target end
  for _, act in ipairs(run.acts) do parts[#parts + 1] = "does " .. act end
  return #parts > 0 and " (" .. table.concat(parts, ", ") .. ")" or ""
end

local function verdict(run)
  return run and ("%s%s%s"):format(run.state, run.reason ~= "" and ": " .. run.reason or "", sent(run)) or "nothing"
end

-- The effects of a run, as they would go out: where the verdicts are the same, they differ in these.
local function effects_of(run, other)
  local list = {}
  for index, effect in ipairs(run.effects) do
    local same = other.effects[index]
    if not same or same.request ~= effect.request or same.key ~= effect.key or same.target ~= effect.target then
      list[#list + 1] = ("%s, key %s: %s"):format(effect.target, output.masked(effect.key), shown.text(effect.request))
    end
  end
  return list
end

local function with_effects(text, run, other)
  if not run or not other then return text end
  local list = effects_of(run, other)
  return #list > 0 and text .. "; " .. table.concat(list, "; ") or text
end

local function of_row(row, kind)
  local unknown = row.before and row.before.unknown or row.after and row.after.unknown
  return { kind = kind, rule = row.rule, thing = output.masked(row.thing), event = row.given.sequence,
    received = output.moment(row.given.received),
    before = row.before and with_effects(output.masked(verdict(row.before)), row.before, row.after),
    after = row.after and with_effects(output.masked(verdict(row.after)), row.after, row.before), unknown = unknown
      and require("altinn.events.host.rehearsal").words(unknown.name, unknown.thing) }
end

local KINDS = {
  { "appear", "appear", "runs that were not there" }, { "vanish", "vanish", "runs that are there no more" },
  { "change", "change", "runs that end otherwise" },
  { "unknown", "not known", "runs that read what was never read before" },
}

local function print_row(row, kind)
  output.line("  event %s  %s  %s  %s", row.event, row.received, row.rule, row.thing or "")
  if kind == "unknown" then
    output.line("    nobody knows what Altinn would have answered to %s", row.unknown)
    return
  end
  output.line("    before: %s", row.before or "nothing")
  output.line("    after:  %s", row.after or "nothing")
end

local function print_kind(found, kind, args)
  local rows = found[kind[1]]
  if #rows == 0 then return end
  output.line("%s: %d %s", kind[2], #rows, kind[3])
  for index = 1, args.all and #rows or math.min(#rows, SHOWN) do print_row(of_row(rows[index], kind[1]), kind[1]) end
  if not args.all and #rows > SHOWN then output.line("  … and %d more (--all)", #rows - SHOWN) end
end

local function print_text(found, args)
  for _, kind in ipairs(KINDS) do print_kind(found, kind, args) end
  if #found.refused > 0 then
    output.line("left out: %d events that cannot be read any more, for instance event %s: %s", #found.refused,
      found.refused[1].event.sequence, events.mask(found.refused[1].reason))
  end
  output.line("%d events: %d appear, %d vanish, %d change, %d not known, %d the same", found.events, #found.appear,
    #found.vanish, #found.change, #found.unknown, found.same)
end

local function print_json(found)
  local result = { events = found.events, same = found.same, unreadable = #found.refused }
  for _, kind in ipairs(KINDS) do
    result[kind[1]] = output.list()
    for index, row in ipairs(found[kind[1]]) do result[kind[1]][index] = of_row(row, kind[1]) end
  end
  output.json(result)
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status 0 nothing differs, 2 something does, 1 failed
function M.run(args, config)
  local old, new = rules_of(config, args.old), rules_of(config, args.new)
  if not old or not new then return 1 end
  local found, message = compare(config, { old, new }, args)
  if not found then return output.failure(message) end
  found = only(found, args.rule)
  if args.json then print_json(found) else print_text(found, args) end
  return #found.appear + #found.vanish + #found.change > 0 and 2 or 0
end

return M
