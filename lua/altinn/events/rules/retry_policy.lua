-- When a run that failed is tried again, and when it is given up.
local causes = require "altinn.events.rules.cause"
local duration = require "altinn.events.support.duration"
local retry_table = require "altinn.events.rules.retry_table"

local M = {}

local HOUR = 3600
local WITHIN = 36 * HOUR
local SHORTEST, LONGEST = 0.05, HOUR  -- bounds of the backoff, seconds
local LONGEST_WISH = 24 * HOUR        -- limit of a server's Retry-After

--- Seconds within which failures are tried again, unless the rule's retry.within says otherwise.
M.within = WITHIN

--- Seconds after an event came in which its letter may not be there yet.
M.fresh = 60

--- What the rule says of a failure, else what the table says.
---@param rule table|nil
---@param failure table see `failed`
---@return "again"|"never"|"refresh" verdict
---@return string words for people, when the rule differs from the table
function M.judge(rule, failure)
  local own = retry_table.overridden(rule, failure)
  if own then return own, own == "never" and " (not retried: override)" or " (override)" end
  local named = retry_table.is_named(rule, failure)
  if named then return "again", " (retry.on)" end
  local verdict = failure.pause and "again" or retry_table.verdict(failure)
  if named == false and verdict ~= "never" then return "never", " (not retried: retry.on)" end
  return verdict, ""
end

--- Whether a target's answer may be followed by another attempt: by the table, or because the rule says so.
---@param rule table|nil
---@param kind integer|string a status, or the class of an answer without one
---@return boolean
function M.is_temporary(rule, kind)
  local failure = { kind = kind }
  return retry_table.overridden(rule, failure) ~= nil or retry_table.is_named(rule, failure) == true
    or retry_table.verdict(failure) ~= "never"
end

--- Exponential backoff with full jitter: the upper bound is 1 s, doubled by each failure, up to 1 h.
---@param failures integer before this one
---@param random fun(): number 0 to 1, evenly
---@return number seconds
function M.backoff(failures, random)
  local most = math.min(LONGEST, 2 ^ math.min(failures, 20))
  return SHORTEST + random() * (most - SHORTEST)
end

-- Whether the host caused a failure, not the rule or its target. Such failures are not counted, and retry.on does not
-- apply to them.
local function is_ours(kind) return kind == "host" end

-- Backoff after a failure of the host: half a second to a minute, longer for older events, with jitter.
local function our_pause(run, random)
  return math.min(60, math.max(0.5, run.waited / 4)) * (0.5 + random())
end

local function dead(failure, text, ...)
  return { state = "dead", reason = text:format(...), cause = causes.of(failure) }
end

-- The retry of a failure that is not given up: after the backoff, or after what the server wants, within the time left.
local function again(failures, failure, left, random)
  local after = math.min(failure.after or 0, LONGEST_WISH)
  local pause = failure.pause or math.max(M.backoff(failures, random), after)
  return {
    state = "retry", reason = failure.reason, cause = causes.of(failure), pause = math.min(pause, left),
    after = after > 0 and math.min(after, left) or failure.pause, counted = true,
  }
end

--- The outcome of a run's failure.
---@param rule table|nil
---@param run { failures: integer, age: number, waited: number, ladder: number|nil } failures: before this
---  one; seconds: age: since the first failed attempt began; waited: since the event came; ladder: until the last
---  attempt that the host can make
---@param failure { reason: string, kind: any, status: integer|nil, number: integer|nil, target: string|nil, pause:
---  number|nil, after: number|nil } kind: error, host, a target's status or a class such as network; number: Altinn's
---  error number; target: the target whose failure it is; pause: seconds until the next attempt, which there is then;
---  after: the least seconds that a server wants; more: see altinn.events.rules.retry_table.verdict
---@param random fun(): number 0 to 1, evenly
---@return { state: "retry"|"dead", reason: string, cause: string, pause: number|nil, counted: boolean|nil } outcome
---  pause: seconds
function M.failed(rule, run, failure, random)
  local retry = rule and rule.retry or {}
  if is_ours(failure.kind) then
    return { state = "retry", reason = failure.reason, cause = causes.of(failure),
      pause = failure.pause or our_pause(run, random) }
  end
  local verdict, words = M.judge(rule, failure)
  if verdict == "never" then return dead(failure, "%s%s", failure.reason, words) end
  if retry.attempts and run.failures + 1 >= retry.attempts then
    return dead(failure, "gave up after %d attempt%s: %s", run.failures + 1, run.failures > 0 and "s" or "",
      failure.reason)
  end
  local left = math.min((retry.within or WITHIN) - run.age, run.ladder or math.huge)
  if left <= 0 then return dead(failure, "gave up after %s: %s", duration.text(run.age), failure.reason) end
  return again(run.failures, failure, left, random)
end

--- The outcome of a rule's retry_after: it is no failure, and retry.within does not bound it.
---@param run { ladder: number|nil }
---@param wish { after: number, reason: string } after: seconds
---@return table outcome { state: "later"|"dead", reason, pause }
function M.wished(run, wish)
  local pause = math.max(wish.after, 1)  -- retry_after(0) must not run without a break
  if run.ladder and pause > run.ladder then
    return dead({ kind = "fail", reason = "it cannot wait so long" },
      "it cannot wait for %s: Altinn brings the event again for %s at most: %s", duration.text(wish.after),
      duration.text(math.ceil(math.max(run.ladder, 0) / 60) * 60), wish.reason)
  end
  return { state = "later", reason = wish.reason, pause = pause, after = pause }
end

return M
