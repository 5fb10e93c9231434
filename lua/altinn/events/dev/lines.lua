-- Facts of a follower as lines for people: one line a fact, and nothing from outside that could control a terminal.
local catalogue = require("altinn.events").types
local decoder = require("cjson.safe").new()
local inbox_shown = require "altinn.events.host.inbox_shown"
local json = require "altinn.events.support.json"
local texts = require "altinn.events.support.text"
local timer_words = require "altinn.events.rules.timer_words"
local widths = require "altinn.events.dev.width"

local M = {}

local BODY = 160  -- bytes of a request's body in a line

local COLOURS = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

local OF_STATE = { done = "green", skipped = "dim", dead = "red", retry = "yellow", held = "yellow", later = "cyan",
  abandoned = "red", discarded = "dim", shadowed = "cyan", sent = "green", refused = "red", not_sent = "yellow",
  unknown = "yellow" }

local short_names = {}
for name, entry in pairs(catalogue) do short_names[entry.type] = name end

--- The name of a type as rules write it.
---@param kind string|nil
---@return string
function M.type(kind) return short_names[kind] or kind or "?" end

-- A text of one line that cannot control a terminal.
local function clean(text) return (texts.visible(texts.beginning(tostring(text)), "")) end

M.clean = clean

--- The same with identity numbers masked.
---@param text any
---@return string
function M.masked(text) return clean(inbox_shown.masked(tostring(text))) end

--- A time as a line begins with it.
---@param milliseconds integer since 1970
---@return string
function M.clock(milliseconds)
  local seconds = milliseconds // 1000
  local day = os.date("%Y-%m-%d", seconds) == os.date "%Y-%m-%d"
  return tostring(os.date(day and "%H:%M:%S" or "%Y-%m-%d %H:%M", seconds))
end

local function because(reason) return reason and reason ~= "" and ": " .. clean(reason) or "" end

-- The parts of a line, each { text, colour or nil }.

local say = {}

local function thing_of(event)
  local instance = event.resourceinstance or event.id
  local resource = event.resource and event.resource:gsub("^urn:altinn:resource:", "")
  return (resource and clean(resource) .. "  " or "") .. (instance and clean(instance) or "")
end

function say.received(fact)
  local wanted = #fact.rules > 0
  local by = wanted and "-> " .. clean(table.concat(fact.rules, ", ")) or "no rule wants it"
  return { { "received", "dim" }, { clean(M.type(fact.type)), "bold" }, { thing_of(fact.shown) },
    { by, not wanted and "dim" or nil } }
end

-- What of a run waits for a time, and why.
local function wait_of(run)
  local due = run.due and (" at " .. run.due) or ""
  if run.timer then
    return ("%s the body %s"):format(due, clean(run.timer.body)), timer_words.without(run.reason)
  end
  return due, run.reason
end

function say.verdict(fact)
  local run = fact.shown
  local attempt = run.attempt > 1 and (" (attempt %d)"):format(run.attempt) or ""
  local when, reason = wait_of(run)
  local parts = { { clean(run.rule) }, { run.verdict, OF_STATE[run.verdict] },
    { ((when .. attempt .. because(reason)):gsub("^[: ]+", "")) } }
  if run.would then parts[#parts + 1] = { "would have done " .. texts.cut(clean(run.would), BODY) } end
  return parts
end

-- The body of a recorded request, shortened.
local function body_of(request)
  local body = request.body or request.text or request.octets
  if body == nil then return "" end
  local text = type(body) == "string" and body or json.encode(body) or ""
  local shown = clean(inbox_shown.masked(text) or "")
  return #shown > BODY and texts.cut(shown, BODY) .. "…" or shown
end

local function where_of(request)
  local parts = {}
  for _, name in ipairs { "method", "path", "name", "subject", "title" } do
    if type(request[name]) == "string" then parts[#parts + 1] = M.masked(request[name]) end
  end
  local lists = { to = request.to, with = request.arguments }
  for word, list in pairs(lists) do
    if type(list) == "table" and #list > 0 then
      parts[#parts + 1] = word .. " " .. texts.cut(M.masked(json.encode(list) or ""), BODY)
    end
  end
  local subject = type(request.message) == "string" and request.message:match "\nSubject: ([^\r\n]*)"
  if subject then parts[#parts + 1] = M.masked(subject) end
  return table.concat(parts, " ")
end

--- What goes out, by the record of an effect, as JSON: method, path, the beginning of the body.
---@param record string|nil
---@return string
function M.request(record)
  local request = record and decoder.decode(record)
  if type(request) ~= "table" then return record and texts.cut(M.masked(record), BODY) or "" end
  local where, body = where_of(request), body_of(request)
  return where .. (where ~= "" and body ~= "" and " " or "") .. body
end

function say.effect(fact)
  local effect = fact.shown
  local state = effect.state .. (effect.status and (" %d"):format(effect.status) or "")
  local to = "-> " .. clean(effect.target or "?")
  return { { clean(effect.rule or "?") }, { to }, { state, OF_STATE[effect.state] }, { M.request(effect.request) },
    { "key " .. clean(effect.key), "dim" }, { (because(effect.reason):gsub("^: ", "")) } }
end

function say.act(fact)
  local act = fact.shown
  return { { clean(act.rule or "?") }, { "by hand", "yellow" },
    { ("%s by %s%s"):format(clean(act.what), clean(act.who or "?"), because(act.reason)) } }
end

--- Prints lines on a terminal, or plainly.
---@param options { columns: integer|nil, colour: boolean|nil } columns: where lines are cut; nil: nowhere
---@return table style
function M.style(options) return { columns = options.columns, colour = options.colour or false } end

-- The parts as a line: cut to the columns first, coloured then.
local function joined(parts, style)
  local pieces, left = {}, style.columns or math.maxinteger
  for _, part in ipairs(parts) do
    local text = part[1]
    if text ~= "" and left > 2 then
      local gap = #pieces > 0 and "  " or ""
      text = widths.cut(text, left - #gap)
      left = left - #gap - widths.of(text)
      local code = style.colour and part[2] and COLOURS[part[2]]
      pieces[#pieces + 1] = gap .. (code and ("\27[%sm%s\27[0m"):format(code, text) or text)
    end
  end
  return table.concat(pieces)
end

--- Parts, each { text, colour }, as a line.
M.joined = joined

local INDENT = 4  -- of the rows after the first, where there is room

-- A row of pieces, each { text, colour }.
local function new_row(indent) return { columns = indent, taken = 0, { (" "):rep(indent) } } end

local function add_piece(row, text, colour)
  local last = row[#row]
  if last[2] == colour then last[1] = last[1] .. text else row[#row + 1] = { text, colour } end
  row.columns = row.columns + widths.of(text)
end

-- Puts a word behind the gap before it; a word that is wider than a row goes on in the next one.
local function put_word(rows, gap, word, colour, columns)
  local row, indent = rows[#rows], columns >= 5 * INDENT and INDENT or 0
  if row.taken > 0 and row.columns + widths.of(gap) + widths.of(word) > columns then
    row, gap = new_row(indent), ""
    rows[#rows + 1] = row
  end
  add_piece(row, gap, colour)
  row.taken = row.taken + 1
  local head, rest = widths.split(word, math.max(columns - row.columns, 1))
  add_piece(row, head, colour)
  if rest ~= "" then
    rows[#rows + 1] = new_row(indent)
    put_word(rows, "", rest, colour, columns)
  end
end

local function painted(row, style)
  local pieces = {}
  for index, piece in ipairs(row) do
    local code = style.colour and piece[2] and COLOURS[piece[2]]
    pieces[index] = code and ("\27[%sm%s\27[0m"):format(code, piece[1]) or piece[1]
  end
  return table.concat(pieces)
end

--- Parts, each { text, colour }, whole: as a line, or folded at blanks to as many rows as it takes.
---@param parts table[]
---@param style table
---@return string text rows with line ends between them
function M.folded(parts, style)
  local columns, rows = style.columns or math.maxinteger, { new_row(0) }
  for _, part in ipairs(parts) do
    local before = rows[#rows].taken > 0 and "  " or ""
    for gap, word in part[1]:gmatch "(%s*)(%S+)" do
      put_word(rows, before .. gap, word, part[2], columns)
      before = ""
    end
  end
  for index, row in ipairs(rows) do rows[index] = painted(row, style) end
  return table.concat(rows, "\n")
end

--- A fact as the parts of a line.
---@param fact altinn.events.dev.fact
---@return table[] parts each { text, colour }
function M.parts(fact)
  local parts = say[fact.what](fact)
  table.insert(parts, 1, { M.clock(fact.time), "dim" })
  if fact.event then table.insert(parts, 2, { "#" .. fact.event, "dim" }) end
  return parts
end

--- A fact as a line.
---@param fact altinn.events.dev.fact
---@param style table
---@return string
function M.line(fact, style) return joined(M.parts(fact), style) end

--- A fact as a table for JSON.
---@param fact altinn.events.dev.fact
---@return table
function M.row(fact)
  local row = {}
  for name, value in pairs(fact.shown) do row[name] = value end
  row.act = fact.what == "act" and fact.shown.what or nil
  row.what, row.event, row.type = fact.what, fact.event, fact.type
  row.rule, row.rules = fact.rule, fact.rules
  row.sequence, row.state = nil, row.state
  row.time = inbox_shown.moment(fact.time)
  if fact.what == "received" then row.state = nil end
  return row
end

return M
