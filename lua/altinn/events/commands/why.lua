-- altinn-events why: why a rule wants an event, or not; and of an event of the inbox what became of it: why it was
-- done, why not, why not yet, why again.
local given_events = require "altinn.events.commands.given_events"
local findings = require "altinn.events.rules.findings"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local prepare = require "altinn.events.host.prepare"
local runs = require "altinn.events.commands.why_run"
local why = require "altinn.events.rules.why"

local M = { summary = "why a rule wants an event or not, and what became of it: why not yet, why again", needs = {} }

--- Adds its options to the parser.
---@param command table
function M.options(command)
  options.add(command, "config", "inbox", "json", "rule")
  command:argument("event", "its number in the inbox, its id, or a file")
end

-- Adds the stories of the runs; those of rules that are no longer there stand at the end.
local function add_runs(list, stories, name)
  for _, explanation in ipairs(list) do
    explanation.run, stories[explanation.rule] = stories[explanation.rule], nil
  end
  local others = {}
  for rule in pairs(stories) do others[#others + 1] = rule end
  table.sort(others)
  for _, rule in ipairs(others) do
    if name == nil or name == rule then list[#list + 1] = { rule = rule, gone = true, run = stories[rule] } end
  end
end

local function print_one(explanation)
  if explanation.gone then output.line("%s is not among the rules", explanation.rule)
  else output.out(why.text(explanation)) end
  if explanation.run then output.out(runs.text(explanation.run)) end
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  local set, list = prepare.rules(config)
  for _, finding in ipairs(set and {} or list) do output.note(findings.text(finding)) end
  if not set then return 1 end
  local list_of_events, message = given_events.of(args.event, config.inbox)
  if not list_of_events then return output.failure(message) end
  local event, sequence = list_of_events[1].event, list_of_events[1].sequence
  list, message = why.explain(set, event, args.rule)
  if not list then return output.failure(message) end
  if sequence then
    local stories
    stories, message = runs.of(config.inbox, sequence, event, set)
    if not stories then return output.failure(message) end
    add_runs(list, stories, args.rule)
  end
  if args.json then
    output.json { event = tostring(event), sequence = sequence, rules = list }
    return 0
  end
  output.line("%s", tostring(event))
  for _, explanation in ipairs(list) do print_one(explanation) end
  return 0
end

return M
