-- altinn-events why: why a rule fired, why not and what would flip it, why not yet, why again.
local given_events = require "altinn.events.commands.given_events"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local text = require "altinn.events.commands.why_text"
local rules = require "altinn.events.commands.rules"

local M = { summary = "why a rule fired or not, what would flip it, why not yet, why again", needs = {} }

--- Adds its options to the parser.
---@param command table
function M.options(command)
  options.add(command, "config", "inbox", "json", "rule")
  command:flag("--all", "also the rules that do not want the event, each with its conditions")
  command:argument("event", "its number in the inbox, its id, or a file with one event or one a line")
end

-- The events that the word names; one of the inbox that cannot be read is named by its number alone.
local function events_of(word, path)
  local list, message = given_events.of(word, path)
  if list then return list end
  local row = not io.open(word, "rb") and require("altinn.events.host.inbox").row(path, word)
  if row then return { { sequence = row.sequence } } end
  return nil, message
end

local function answers(args, config, set)
  local list, message = events_of(args.event, config.inbox)
  if not list then return nil, message end
  local why, found = require "altinn.events.host.why", {}
  for index, given in ipairs(list) do
    local asked = { inbox = config.inbox, sequence = given.sequence, event = given.event, set = set, config = config,
      rule = args.rule }
    found[index], message = why.of(asked)
    if not found[index] then return nil, message end
  end
  return found
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  local set = rules.of(config)
  if not set then return 1 end
  local found, message = answers(args, config, set)
  if not found then return output.failure(message) end
  if args.json then
    output.json(#found == 1 and found[1] or { count = #found, events = output.list(found) })
    return 0
  end
  for index, answer in ipairs(found) do
    if index > 1 then output.out "" end
    text.print(answer, args.all or args.rule ~= nil)
  end
  return 0
end

return M
