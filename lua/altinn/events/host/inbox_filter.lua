-- Which events and runs of the inbox are meant: the words of the command as a filter of the C module.
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local suggest = require "altinn.events.support.suggest"

local M = {}

--- A time as text: a date, or RFC 3339.
---@param text string
---@return integer|nil seconds since 1970
function M.time(text)
  local day = text:match("^%d%d%d%d%-%d%d%-%d%d$")
  return (core.altinn.moment(day and day .. "T00:00:00Z" or text))
end

-- A span before (direction -1) or after (1) now, or a time.
local function moment(option, text, direction)
  if text == nil then return nil end
  local seconds = duration.parse(text)
  if seconds then return math.floor((os.time() + direction * seconds) * 1000) end
  local time = M.time(text)
  if time then return time * 1000 end
  return nil, ("%s %s: neither a span (2h, 3d) nor a time (2026-08-20, 2026-08-20T09:00:00+02:00)"):format(option, text)
end

local TEN_YEARS = 10 * 366 * 86400 * 1000

--- The time that an operator sets for a run: a span from now, or a time.
---@param text string
---@return integer|nil milliseconds since 1970
---@return string|nil message
function M.due(text)
  local due, message = moment("--at", text, 1)
  if not due or due <= os.time() * 1000 + TEN_YEARS then return due, message end
  return nil, ("--at %s: that is in more than ten years"):format(text)
end

-- The states that events are listed under.
M.states = { "waiting", "unmatched" }
for _, name in ipairs(host.states.run) do M.states[#M.states + 1] = name end
table.sort(M.states)

local function check_state(word, allowed)
  for _, name in ipairs(allowed) do
    if word == nil or word == name then return true end
  end
  return nil, ("--state %s: one of %s%s"):format(word, table.concat(allowed, ", "), suggest.hint(word, allowed))
end

-- The full name of a type. A word that looks like one of Altinn's and is none
-- is a mistake; types of others are taken as they are.
local function full_type(word)
  local ok, entry = pcall(function() return events.types[word] end)
  if ok then return entry.type end
  if word:find(".", 1, true) and not word:find("^no%.altinn%.") then return word end
  for _, known in pairs(events.types) do
    if known.type == word then return word end
  end
  local near = core.suggest(word)
  return nil, ("--type %s: Altinn has no such event type%s; 'altinn-events types' lists them"):format(word,
    near and (" (did you mean '%s'?)"):format(near) or "")
end

--- The filter that the options name.
---@param options { state: string|nil, rule: string|nil, type: string|nil, cause: string|nil, since: string|nil,
---  until: string|nil, limit: integer|nil, sequence: integer|nil }
---@param states string[]|nil the states that may be named: those of a listing when absent
---@return table|nil filter
---@return string|nil message
function M.of(options, states)
  local since, before, wanted, fine, problem
  since, problem = moment("--since", options.since, -1)
  if problem then return nil, problem end
  before, problem = moment("--until", options["until"], -1)
  if problem then return nil, problem end
  fine, problem = check_state(options.state, states or M.states)
  if not fine then return nil, problem end
  if options.type then
    wanted, problem = full_type(options.type)
    if not wanted then return nil, problem end
  end
  return { state = options.state, rule = options.rule, type = wanted, cause = options.cause, since = since,
    before = before, sequence = options.sequence, limit = options.limit or 50 }
end

return M
