-- The gate before a body: whether the event only repeats an earlier one (`repeats`), whether Altinn vouches for it
-- (`trust`), whether the letter has been what the rule excludes (`unless`).
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local events = require "altinn.events"
local json = require "altinn.events.support.json"
local policy = require "altinn.events.rules.retry_policy"
local things = require "altinn.events.rules.thing"
local vouching = require "altinn.events.rules.vouching"

local M = {}

local SHORTEST, LONGEST = 5, 600  -- seconds between two questions whether Altinn vouches for an event

local known = core.types()

-- Repeats.

local function happens_once(meaning)
  local type = meaning and known[meaning.name]
  return type ~= nil and type.once
end

local function is_repeated(job, meaning)
  return (job.repeats or 0) > 0 and not job.rule.repeats and happens_once(meaning)
end

local function repeated(job, meaning)
  local count = job.repeats
  return {
    state = "skipped", cause = "repeated event",
    reason = ("%s before meant the same (%s, the same %s and subject), which happens once; repeats = true would run"
      .. " for each"):format(count == 1 and "an event" or ("%d events"):format(count), meaning.name,
      meaning.about or "thing"),
  }
end

-- Trust.

local CAUSE = "trust: Altinn has not vouched for it"

-- Asks again the later the older the event is, never twice at once with others.
local function pause_of(age, left, random)
  local pause = math.min(LONGEST, math.max(SHORTEST, age / 4)) * (0.75 + random() / 2)
  return math.min(pause, left)
end

local function unvouched(job, ports)
  local retry = job.rule.retry
  local within = retry and retry.within or policy.within
  local age = math.max(0, (ports.clock()) - job.received)
  if age >= within then
    return { state = "dead", cause = "trust: Altinn knows of no such event",
      reason = ("Altinn knows of no such event (trust = \"confirmed\", asked for %s)"):format(duration.text(within)) }
  end
  -- It waits aside: a forged event must not keep the letter's true ones waiting.
  return { state = "held", cause = CAUSE, aside = true, pause = pause_of(age, within - age, ports.random),
    reason = "Altinn has not vouched for the event yet (trust = \"confirmed\")" }
end

-- The client, to ask Altinn about the event itself. Raises when there is none.
local function asker(ask)
  local client, message, code = ask()
  return client or things.fail(("Altinn cannot be asked: %s"):format(message), code or "usage")
end

local function check_asked(answer, message, code, detail)
  if answer == nil then
    things.fail(("trust = \"confirmed\" asks Altinn for the event: %s"):format(message), code, detail)
  end
  return answer
end

local function distrusted(job, ports, meaning, ask)
  if job.came_by == "pull" then return nil end
  local vouched = check_asked(vouching.ask(asker(ask), job.rule, job.event, meaning))
  return not vouched and unvouched(job, ports) or nil
end

-- A rule that trusts Altinn alone must not take a forged event for the earlier one: Altinn says which was the first.
local function distrusted_or_repeated(job, ports, meaning, ask)
  if not is_repeated(job, meaning) then return distrusted(job, ports, meaning, ask) end
  local first = check_asked(vouching.first(asker(ask), job.event))
  if not first then return unvouched(job, ports) end
  return first == "other" and repeated(job, meaning) or nil
end

-- What stands in the way of the event, whatever its letter is.
local function of_event(job, ports, meaning, ask)
  if job.rule.trust == "confirmed" then return distrusted_or_repeated(job, ports, meaning, ask) end
  return is_repeated(job, meaning) and repeated(job, meaning) or nil
end

-- Unless.

-- Since when the letter has had a status, as Altinn wrote it; nil: it does not say.
local function since(letter, status)
  for _, entry in ipairs(letter.statusHistory or {}) do
    if entry.status == status then return entry.statusChanged end
  end
  if letter.status == status then return letter.statusChanged end
  return status == "Read" and type(letter.read) == "string" and letter.read or nil
end

local function excluded_by(letter, statuses)
  local doubt
  for _, status in ipairs(statuses) do
    local was, why = letter:has_been(status)
    if was then return status, since(letter, status) end
    doubt = doubt or why
  end
  return nil, nil, doubt
end

local function names_deletion(statuses)
  for _, status in ipairs(statuses) do
    if status:find "^Purged" then return true end
  end
  return false
end

-- The details of the letter; nil when the rule excludes deleted letters and Altinn shows this one no more, as it does
-- after a deletion to a recipient. A letter that has just come may not be there yet: that failure is raised, as a
-- body's own call does.
local function details_of(job, ports, id, ask)
  local letter = things.new(job.rule, { id = id, kind = "letter" }, ask)
  local is_fresh = (ports.clock()) - job.received < policy.fresh
  if is_fresh or not names_deletion(job.rule.unless.been) then return letter:details() end
  local ok, value = pcall(letter.details, letter)
  if ok then return value end
  local failure = things.failure(value)
  if not failure or failure.code ~= "not_found" then error(value, 0) end
end

-- Whether the letter's history lets the run begin.
local function excluded_by_history(job, ports, letter)
  local status, when, doubt = excluded_by(letter, job.rule.unless.been)
  if status then
    return { state = "skipped", cause = "unless: " .. status,
      reason = ("the letter has been %s%s (unless)"):format(status, when and " since " .. when or "") }
  end
  if doubt then
    ports.log("warn", "rule", { rule = job.rule.name, event = job.sequence, reason = "unless: " .. doubt })
  end
end

local function excluded(job, ports, meaning, ask)
  if not job.rule.unless then return nil end
  if meaning.about ~= "letter" then
    return { state = "dead", cause = "unless: not about a letter",
      reason = ("unless asks about letters, and this event is about %s: name other types in on"):format(
        meaning.about and "a thing of the kind '" .. meaning.about .. "'" or "nothing") }
  end
  local letter = details_of(job, ports, meaning.id, ask)
  if letter then return excluded_by_history(job, ports, letter) end
  return { state = "skipped", cause = "unless: gone",
    reason = "Altinn shows the letter no more, as after a deletion (unless)" }
end

--- Looks whether a body may run. Raises the failure of a call to Altinn, as a body's own call does. Waits.
---@param job altinn.events.job `repeats`: earlier events that meant the same; `timer`: a timer started the run, whose
---  event was let through before
---@param ports altinn.events.ports clock, random, log
---@param ask fun(): table|nil, string|nil, string|nil the client of Altinn, or nil, message, code
---@return table|nil outcome { state = "skipped"|"held"|"dead", reason, pause, cause }; nil: go on
function M.check(job, ports, ask)
  local rule = job.rule
  if not (rule.unless or rule.trust == "confirmed" or (job.repeats or 0) > 0) then return nil end
  local meaning = events.describe(job.event) or {}
  if job.timer == nil then
    local outcome = of_event(job, ports, meaning, ask)
    if outcome then return outcome end
  end
  return excluded(job, ports, meaning, ask)
end

-- For `why`: what the gate will ask of an event.

-- flip: what would have to be otherwise, of the event or its letter, and of the rule.
local function shown(attribute, wants, event, rule)
  return { attribute = attribute, wants = wants, flip = { event = event, rule = rule } }
end

--- The conditions that are asked when a run begins.
---@param rule table
---@param event table
---@return { attribute: string, wants: string, flip: { event: string, rule: string } }[] flip: what would let the run
---  through if the condition did not hold: of the event or its letter, or of the rule
function M.conditions(rule, event)
  local list, meaning = json.list {}, events.describe(event) or {}
  if not rule.repeats and happens_once(meaning) then
    list[#list + 1] = shown("repeats", ("no earlier event that means the same: %s happens once to %s"):format(
      meaning.name, meaning.about and "a thing" or "nothing"), "no event before it meant the same",
      "the rule said repeats = true")
  end
  if rule.trust == "confirmed" then
    list[#list + 1] = shown("trust", "Altinn vouches for it: " .. vouching.how(rule, meaning),
      "Altinn vouched for it", "the rule said trust = \"hint\"")
  end
  if rule.unless then
    list[#list + 1] = shown("unless", "the letter has never been " .. table.concat(rule.unless.been, ", "),
      "the letter had never been " .. table.concat(rule.unless.been, ", "),
      "the rule's unless did not name that status")
  end
  return list
end

return M
