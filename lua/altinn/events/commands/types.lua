-- altinn-events types: the event types of Altinn, when each comes, whom it
-- reaches, and what to do with it.
local core = require "altinn.events.core"
local events = require "altinn.events"
local output = require "altinn.events.commands.output"
local suggest = require "altinn.events.support.suggest"

local M = { summary = "the event types: when each comes, whom it reaches, what to do with it", reads = "nothing" }

-- Whom events reach that carry this party in their subject. A service owner subscribes to a resource without a
-- subjectFilter, everybody else with their own number as subjectFilter.
local reach = {
  sender = { "service owner" },
  recipient = { "recipient", "service owner" },
  party = { "party", "service owner" },
}

local function reached(entry, publisher)
  if not entry.raised then return {} end
  if publisher == "platform" then return { "endpoint" } end
  return reach[entry.addressed_to or "party"]
end

local function publisher_of(type)
  return events.describe({ specversion = "1.0", id = "1", source = "/", type = type }).publisher
end

--- The types in Altinn's order.
---@return table[] rows each { name, type, publisher, about, addressed_to, reaches, raised, once, summary, advice,
---  note }
function M.rows()
  local rows = {}
  for name, entry in pairs(core.types()) do
    local publisher = publisher_of(entry.type)
    rows[entry.place] = {
      name = name, type = entry.type, publisher = publisher, about = entry.about, addressed_to = entry.addressed_to,
      reaches = reached(entry, publisher), raised = entry.raised, once = entry.once, summary = entry.summary,
      advice = entry.advice, note = entry.note,
    }
  end
  return rows
end

local function lists(row, word)
  return row.name:find(word, 1, true) or row.type:find(word, 1, true) or row.publisher == word or row.about == word
end

-- The rows that a word names or stands in; all without one.
local function chosen(rows, words)
  if #words == 0 then return rows end
  local list = {}
  for _, row in ipairs(rows) do
    local wanted = false
    for _, word in ipairs(words) do wanted = wanted or lists(row, word:lower()) end
    if wanted then list[#list + 1] = row end
  end
  return list
end

local function print_row(row)
  output.line("%s", row.name)
  output.line("  type      %s", row.type)
  output.line("  comes     %s%s", row.raised and "" or "never; it would say: ", row.summary)
  output.line("  reaches   %s", row.raised and table.concat(row.reaches, ", ") or "nobody")
  output.line("  about     %s%s", row.about, row.once and "" or ", which may have several")
  output.line("  do        %s", row.advice)
  if row.note then output.line("  note      %s", row.note) end
end

--- Adds its options to the parser.
---@param types table
function M.options(types)
  types:argument("names", "only these, or those with this word: letter, published, dialogporten"):args "*"
  types:flag("--json", "print JSON")
end

--- Runs the verb.
---@param args { names: string[], json: boolean|nil }
---@return integer status
function M.run(args)
  local all = M.rows()
  local rows = chosen(all, args.names)
  if #rows == 0 then
    local word = args.names[1]
    local near = core.suggest(word)
    output.complain(("there is no event type '%s'%s"):format(output.masked(word),
      near and (" (did you mean '%s'?)"):format(near)
        or suggest.hint(word, { "correspondence", "dialogporten", "broker", "app", "letter", "attachment" })))
    return 1
  end
  if args.json then
    local list = output.list {}
    for index, row in ipairs(rows) do
      row.reaches = output.list(row.reaches)
      list[index] = row
    end
    output.json { count = #rows, types = list }
    return 0
  end
  for _, row in ipairs(rows) do print_row(row) end
  return 0
end

return M
