-- The words of `why`: a sentence for each blocker and for each end of a run, and what to do.
local duration = require "altinn.events.support.duration"
local flips = require "altinn.events.rules.why"
local policy = require "altinn.events.rules.retry_policy"
local shown = require "altinn.events.host.inbox_shown"
local texts = require "altinn.events.support.text"

local M = {}

local function because(text) return text and text ~= "" and ": " .. texts.beginning(text) or "" end

-- A time of the running host, which tells milliseconds.
local function second(time) return (time:gsub("%.%d+Z$", "Z")) end

local function ahead_of(run) return run.due and " until " .. run.due or "" end

local function times(count) return count == 1 and "1 attempt" or ("%d attempts"):format(count) end

local function events_of(list)
  local names = {}
  for index, one in ipairs(list) do names[index] = ("%d"):format(one.event) end
  return (#names == 1 and "event " or "events ") .. table.concat(names, ", ")
end

-- Blockers: kind -> sentence.

local say = {}

function say.host() return "no host has this inbox: none is running" end

function say.draining() return "the host is shutting down: it begins after the next start" end

function say.failed() return "a worker of the host gave up: the host has to be started again" end

function say.inbox(one) return "the inbox does not store" .. because(one.reason) end

function say.worker(one) return one.reason or ("worker %d stands still"):format(one.worker) end

say["rule gone"] = function(one) return ("no rule of the name '%s' is there"):format(one.rule) end

say["rule off"] = function(one)
  return ("the rule is switched off (enabled = false, %s:%d)"):format(one.file or "?", one.line or 0)
end

function say.abandoned() return "its run was abandoned; the rule is there again" end

function say.unreadable() return "the stored event cannot be read" end

local function timer_text(one) return ("a timer runs the body %s at %s"):format(one.body, one["until"]) end

function say.time(one)
  if one.because == "retry" then
    return ("it failed, and is tried again at %s%s"):format(one["until"], because(one.reason))
  end
  if one.body then return timer_text(one) .. (one.cancel and ", unless one of these comes: " .. one.cancel or "") end
  return ("the rule runs again at %s%s"):format(one["until"], because(one.reason))
end

-- A run that wakes before the target is tried is held once more.
function say.breaker(one)
  local known, on = " for a while", "at " .. one["until"]
  if one.since then known = (" since %s, and tried next at %s"):format(second(one.since), second(one.next)) end
  if one.next and second(one.next) >= one["until"] then on = "soon after" end
  if one.open == false then known = " no more: it answers again" end
  return ("target '%s' is left alone%s; this run goes on by itself %s"):format(one.target, known, on)
end

function say.trust(one)
  return ("Altinn has not vouched for the event; it is asked again at %s"):format(one["until"])
end

function say.held(one) return ("it must not begin; next at %s%s"):format(one["until"], because(one.reason)) end

local function stand_of(run)
  if run.state == "running" then return ("is running since %s"):format(second(run.since)) end
  if run.state == "waiting" then return "has not begun" .. because(run.reason) end
  return ("is in %s%s%s"):format(run.state, ahead_of(run), because(run.reason))
end

local function place_of(one)
  local head = one.head
  if one.before == 1 then
    return ("it stands behind event %d of the same line, which %s"):format(head.event, stand_of(head))
  end
  if one.more then
    return ("at least %d runs of the same line stand before it; at the head, event %d %s"):format(one.before,
      head.event, stand_of(head))
  end
  return ("it stands behind event %d of the same line, and %d stand before it; at the head, event %d %s"):format(
    one.event, one.before, head.event, stand_of(head))
end

function say.behind(one)
  if not one.from then return place_of(one) end
  return (one.before == 1 and "unless that ends before, " or "unless those end before, ") .. place_of(one)
end

function say.limit(one)
  local before = one.before > 0 and ("; at most %d before it"):format(one.before) or ""
  return ("rule '%s' is at its limit of %d at once: %s %s it%s"):format(one.rule, one.at_once, events_of(one.runs),
    #one.runs == 1 and "holds" or "hold", before)
end

--- A blocker as a sentence.
---@param one table
---@return string
function M.blocker(one) return say[one.kind](one) end

-- What to do about a blocker: kind -> sentence.

local mend = {}

local function retry(run) return ("altinn-events inbox retry %d --rule %s"):format(run.event, run.rule) end

function mend.host() return "start it: altinn-events run" end

function mend.failed() return "its log says why; start it again" end

function mend.inbox() return "mend the disk or the file; the host goes on by itself" end

function mend.worker() return "its log says which rule; start the host again" end

mend["rule gone"] = function(_, run) return "once there is such a rule again: " .. retry(run) end

mend["rule off"] = function(_, run) return "switch it on and reload; then, if its run is abandoned: " .. retry(run) end

function mend.abandoned(_, run) return retry(run) .. " puts it back" end

function mend.unreadable() return "mend its body in the inbox: the host looks again by itself" end

function mend.time(_, run) return retry(run) .. (run.behind and " puts it in its line now" or " begins it now") end

function mend.breaker(one) return ("mend the target '%s'; altinn-events doctor tries it"):format(one.target) end

function mend.trust(_, run)
  return ("altinn-events inbox discard %d --rule %s, if it is forged"):format(run.event, run.rule)
end

function mend.behind(one)
  return ("altinn-events why %d --rule %s says more of the head"):format(one.head.event, one.rule)
end

function mend.limit() return "it begins when one of these ends; limit.at_once of the rule sets how many" end

--- What to do about a blocker.
---@param one table
---@param run table the run that it blocks: event, rule, behind
---@return string|nil
function M.remedy(one, run) return mend[one.kind] and mend[one.kind](one, run) or nil end

-- Runs that are over, and those of which no blocker is known.

local ends = {}

function ends.dead(run)
  return ("a dead letter since %s, after %s%s"):format(run.changed, times(math.max(run.attempt, 1)),
    because(run.reason))
end

function ends.shadowed(run) return "in the shadow" .. because(run.reason) end


--- Whether a run is not over.
---@param run { verdict: string }
---@return boolean
function M.is_open(run) return run.verdict == "waiting" or shown.is_open(run.verdict) end

-- An open run without a blocker.
local function about_to(entry, at_once)
  if entry.in_flight then return ("it is running since %s"):format(second(entry.in_flight)) end
  local limit = at_once and (" (or waits for the rule's limit of %d at once)"):format(at_once) or ""
  return "not yet: it has not begun, or is in flight" .. limit
end

--- What became of a run, or why it has not begun, as one line.
---@param entry table { run, not_yet, in_flight }
---@param at_once integer|nil the rule's limit, when the host was not asked
---@return string
function M.run(entry, at_once)
  local run = entry.run
  if M.is_open(run) then
    if #entry.not_yet > 0 then return "not yet: " .. M.blocker(entry.not_yet[1]) end
    return about_to(entry, at_once)
  end
  local words = ends[run.verdict]
  return words and words(run) or ("%s at %s%s"):format(run.verdict, run.changed, because(run.reason))
end

--- What to do about a run that failed.
---@param run table
---@param rule table|nil
---@return string|nil
function M.advice(run, rule)
  if run.verdict == "dead" then return "once the cause is mended: " .. retry(run) end
  if run.verdict == "retry" then
    local within = rule and rule.retry and rule.retry.within or policy.within
    return ("it is given up %s after its first failure"):format(duration.text(within))
  end
end

--- A rule that has no run of a stored event, and wants it.
---@param entry table
---@return string
function M.too_late(entry)
  if entry.enabled == false then return "it wants the event, and is switched off (enabled = false): it has no run" end
  return "it wants the event and has no run of it: it was not in force when the event came"
end

--- A rule's answer to an event of a file.
---@param entry table
---@return string
function M.of_file(entry)
  if entry.enabled == false then return "it would fire, and is switched off (enabled = false)" end
  return entry.shadow and "it would fire, in the shadow" or "it would fire"
end

M.flip = flips.flip_text

return M
