-- What became of an event's runs, for `altinn-events why`: why a rule did what it did, why not, why not yet, why again.
local events = require "altinn.events"
local duration = require "altinn.events.support.duration"
local json = require "altinn.events.support.json"
local orders = require "altinn.events.rules.order"
local policy = require "altinn.events.rules.retry_policy"
local texts = require "altinn.events.support.text"

local M = {}

local SEARCHED = 500  -- runs of a state that are looked at for the one that another stands behind

local function store() return require "altinn.events.host.inbox" end

local function run_of(event, name)
  for _, run in ipairs(event.runs) do
    if run.rule == name then return run end
  end
end

local function event_at(path, sequence)
  local body = store().body(path, sequence)
  return body and events.parse(body, { max_bytes = #body })
end

local BLOCKING = { "retry", "held", "later" }

-- The earlier run of the rule, about the same thing, that the run stands behind: { event, state, due, reason }.
local function blocker(path, rule, sequence, line)
  local first
  for _, state in ipairs(line and BLOCKING or {}) do
    local listing = store().list(path, { state = state, rule = rule.name, limit = SEARCHED })
    for _, one in ipairs(listing and listing.events or {}) do
      local run, earlier = run_of(one, rule.name), one.sequence < sequence and (not first or one.sequence < first.event)
      local blocks = run and run.verdict == state and not run.timer and earlier
      local event = blocks and event_at(path, one.sequence)
      if event and orders.line(rule, event) == line then
        first = { event = one.sequence, state = state, due = run.due, reason = run.reason }
      end
    end
  end
  return first
end

-- Words.

local function because(text) return text and text ~= "" and ": " .. texts.beginning(text) or "" end

local function times(count) return count == 1 and "1 attempt" or ("%d attempts"):format(count) end

local say = {}

function say.waiting(run)
  local behind = run.behind
  if not behind then return "not yet: it has not begun, or is in flight" end
  return ("not yet: it stands behind event %d of the same line, which is in %s%s%s"):format(behind.event, behind.state,
    behind.due and " until " .. behind.due or "", because(behind.reason))
end

function say.retry(run)
  return ("not yet: it failed, and is tried again at %s%s"):format(run.due or "?", because(run.reason))
end

function say.later(run)
  if not run.timer then return ("not yet: the rule runs again at %s%s"):format(run.due or "?", because(run.reason)) end
  local cancel = run.timer.cancel
  return ("not yet: a timer runs the body %s at %s%s"):format(run.timer.body, run.due or "?",
    cancel and ", unless one of these comes: " .. table.concat(cancel, ", ") or "")
end

local function held_by(run)
  local target = run.cause and run.cause:match("^breaker:(.+)$")
  if target then return ("target '%s' is left alone for a while; it goes on by itself, next at"):format(target) end
  if run.cause and run.cause:find("^trust") then return "Altinn has not vouched for the event; it is asked again at" end
  return "it must not begin; next at"
end

function say.held(run) return ("not yet: %s %s%s"):format(held_by(run), run.due or "?", because(run.reason)) end

function say.dead(run)
  return ("a dead letter since %s, after %s%s"):format(run.changed, times(math.max(run.attempt, 1)),
    because(run.reason))
end

function say.shadowed(run) return ("in the shadow%s"):format(because(run.reason)) end

local function said(run)
  local words = say[run.verdict]
  return words and words(run) or ("%s at %s%s"):format(run.verdict, run.changed, because(run.reason))
end

local function remedy(run, rule)
  if run.verdict == "dead" then
    return ("once the cause is mended: altinn-events inbox retry %d --rule %s"):format(run.event, run.rule)
  elseif run.verdict == "retry" then
    local within = rule and rule.retry and rule.retry.within or policy.within
    return ("it is given up %s after its first failure"):format(duration.text(within))
  end
end

-- The runs.

local function of_rule(list, name)
  local found = json.list {}
  for _, one in ipairs(list) do
    if one.rule == name then found[#found + 1] = one end
  end
  return found
end

local function effect_of(effect)
  return { target = effect.target, key = effect.key, state = effect.state, status = effect.status,
    reason = effect.reason and texts.beginning(effect.reason), changed = effect.changed }
end

local function story(path, shown, run, rule, event)
  local own = {
    event = shown.sequence, rule = run.rule, verdict = run.verdict, attempt = run.attempt, due = run.due,
    changed = run.changed, reason = run.reason, cause = run.cause, body = run.body, timer = run.timer,
    would = run.would, version = run.version, attempts = of_rule(shown.attempts, run.rule), effects = json.list {},
  }
  for _, effect in ipairs(of_rule(shown.effects, run.rule)) do own.effects[#own.effects + 1] = effect_of(effect) end
  if run.verdict == "waiting" and rule then
    own.behind = blocker(path, rule, shown.sequence, orders.line(rule, event))
  end
  own.words, own.remedy = said(own), remedy(own, rule)
  return own
end

--- The runs of a stored event, by the names of their rules.
---@param path string the inbox file
---@param sequence integer
---@param event table
---@param set table[] the rules of today
---@return table<string, table>|nil stories each { verdict, reason, words, attempts, effects, behind, … }
---@return string|nil message
function M.of(path, sequence, event, set)
  local shown, message = store().show(path, sequence)
  if not shown then return nil, message end
  local rules, stories = {}, {}
  for _, rule in ipairs(set) do rules[rule.name] = rule end
  for _, run in ipairs(shown.runs) do
    stories[run.rule] = story(path, shown, run, rules[run.rule], event)
  end
  return stories
end

--- A story as lines of text.
---@param own table
---@return string
function M.text(own)
  local lines = { "    " .. own.words }
  if own.remedy then lines[#lines + 1] = "    " .. own.remedy end
  for _, one in ipairs(own.attempts) do
    lines[#lines + 1] = ("    before: %s attempt %d was %s%s"):format(one.changed, one.attempt, one.verdict,
      because(one.reason))
  end
  for _, one in ipairs(own.effects) do
    lines[#lines + 1] = ("    effect for %s: %s%s (key %s)%s"):format(one.target, one.state,
      one.status and " " .. one.status or "", one.key, because(one.reason))
  end
  if own.would then lines[#lines + 1] = "    it would have done: " .. texts.beginning(own.would) end
  return table.concat(lines, "\n")
end

return M
