-- altinn-events why: why a rule wants an event, or not; and of an event of the inbox what became of it: why it was
-- done, why not, why not yet, why again.
local events = require "altinn.events"
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

local function parse(word, text)
  local event, message, _, detail = events.parse((text:gsub("^\239\187\191", "")), { max_bytes = #text })
  if event then return event end
  local at = type(detail) == "table" and detail.position
  return nil, ("%s%s: %s"):format(word, at and (": byte %d"):format(at) or "", message)
end

local function stored(word, config)
  local inbox = require "altinn.events.host.inbox"
  local sequence, message = inbox.find(config.inbox, word)
  if not sequence then return nil, message end
  local body
  body, message = inbox.body(config.inbox, sequence)
  if not body then return nil, message end
  local event
  event, message = events.parse(body, { max_bytes = #body })
  return event, message, event and sequence
end

local function event_of(word, config)
  local file, message = io.open(word, "rb")
  if not file then
    if not word:find("/", 1, true) and not word:find("%.jsonl?$") then return stored(word, config) end
    return nil, message
  end
  local text
  text, message = file:read("a")  -- a folder opens, and does not read
  file:close()
  if not text then return nil, ("%s: %s"):format(word, message) end
  return parse(word, text)
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
  local event, message, sequence = event_of(args.event, config)
  if not event then return output.failure(message) end
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
