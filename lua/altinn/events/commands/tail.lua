-- altinn-events tail: what happens in an inbox, a line each, while it happens.
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"

local M = { summary = "what happens, a line each, while it happens: events, verdicts, effects", needs = {} }

local PAUSE = 0.05     -- seconds between two looks
local BACK = 20        -- events that --once shows when --since names none
local BROKEN = 141     -- the exit status of a program that wrote into a broken pipe

-- The room dev is loaded on the first use: it needs the host's libraries.
local function follower() return require "altinn.events.dev.follower" end
local function lines() return require "altinn.events.dev.lines" end
local function terminal() return require "altinn.events.dev.terminal" end

--- Adds its options to the parser.
---@param command table
function M.options(command)
  options.add(command, "config", "inbox", "json", "rule")
  command:option("--type", "only events of this type"):argname "TYPE"
  command:option("--state", "only runs that come into this state (dead, retry, done, …), and unmatched events")
    :argname "STATE"
  command:option("--since", "begin with the events since then: a span (2h, 3d) or a time"):argname "TIME"
  command:flag("--once", "print what is there (the newest 20 events, or those since), then end")
end

local function passes(fact, args, filter)
  if filter.type and fact.type ~= filter.type then return false end
  if args.rule then
    local is = fact.rule == args.rule
    for _, name in ipairs(fact.rules or {}) do is = is or name == args.rule end
    if not is then return false end
  end
  if not args.state then return true end
  if fact.what == "received" then return args.state == "unmatched" and #fact.rules == 0 end
  return fact.what == "verdict" and fact.shown.verdict == args.state
end

local function print_fact(fact, args)
  local text
  if args.json then text = assert(require("altinn.events.support.json").encode(lines().row(fact)))
  else text = lines().line(fact, terminal().style()) end
  return terminal().write(text .. "\n")
end

-- Where a file is read from the beginning: nothing of it was there before.
local FIRST = { since = 0 }

local function start_of(args, filter)
  if filter.since then return { since = filter.since } end
  return args.once and { newest = BACK } or {}
end

-- Says when a host comes or goes; `told`: its process when it was last asked, false: there was none.
local function say_owner(path, told)
  local owner = follower().owner(path) or false
  if told == owner then return owner end
  if owner and told == false then
    output.complain(("a host runs on %s now (process %d)"):format(path, owner))
  elseif not owner then
    output.complain(("no host runs on %s%s; waiting for one: altinn-events run"):format(path,
      told and " any more" or " yet"))
  end
  return owner
end

-- Opens the inbox; waits for it where it is not there yet.
local function open(path, args, filter)
  local begin, told = start_of(args, filter), nil
  while true do
    local one, message, code = follower().new(path, begin)
    if one or args.once then return one, message end
    if code ~= "not_found" and not message:find("start the host once", 1, true) then return nil, message end
    if message ~= told then output.complain(message .. "; waiting for a host to make it") end
    told, begin = message, filter.since and begin or FIRST
    if terminal().wait(4 * PAUSE) == "broken" then return nil, "broken" end
  end
end

-- Prints what there is. "more": there is more at once; "broken": nobody reads.
local function print_news(one, args, filter)
  local facts, whole = one:look()
  if not facts then return nil, whole end
  for _, fact in ipairs(facts) do
    if passes(fact, args, filter) and not print_fact(fact, args) then return "broken" end
  end
  return whole and "all" or "more"
end

local function follow(path, args, filter)
  local one, message = open(path, args, filter)
  if not one then return nil, message end
  local told
  repeat
    if not args.once then told = say_owner(path, told) end
    local news
    news, message = print_news(one, args, filter)
    local ends = not news or news == "broken" or news == "all" and args.once
    local broken = not ends and news == "all" and terminal().wait(PAUSE) == "broken"
    if broken then news, ends = "broken", true end
    if news == "broken" then message = "broken" end
  until ends
  one:close()
  return message == nil, message
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  local wanted = { type = args.type, since = args.since, state = args.state }
  local filter, problem = require("altinn.events.host.inbox_filter").of(wanted)
  if not filter then
    output.complain(problem)
    return 2
  end
  local called, fine, message = pcall(follow, config.inbox, args, filter)
  if not called and tostring(fine):find("interrupted!", 1, true) then return 130 end
  if not called then error(fine, 0) end
  if fine then return 0 end
  return message == "broken" and BROKEN or output.failure(message)
end

return M
