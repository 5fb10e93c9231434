-- When a run that failed is tried again, and when it is given up.
local duration = require "altinn.events.support.duration"
local language = require "altinn.events.rules.language"

local M = {}

local HOUR = 3600
local WITHIN = 36 * HOUR
local SHORTEST, LONGEST = 0.05, HOUR  -- bounds of the backoff, seconds
local LONGEST_WISH = 24 * HOUR        -- limit of a server's Retry-After

local TEMPORARY = { [408] = true, [425] = true, [429] = true }

--- Whether a server's answer says that the same request may succeed later.
---@param rule table its retry.on may name the status
---@param status integer
---@return boolean
function M.is_temporary(rule, status)
  return TEMPORARY[status] or status >= 500 or language.names_failure(rule, status) == true
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

local function is_excluded(rule, failure)
  return not is_ours(failure.kind) and language.names_failure(rule, failure.kind, failure.status) == false
end

local function dead(text, ...) return { state = "dead", reason = text:format(...) } end

--- The outcome of a run's failure.
---@param rule table|nil
---@param run { failures: integer, age: number, waited: number, ladder: number|nil } failures: before this
---  one; seconds: age: since the first failed attempt began; waited: since the event came; ladder: until the last
---  attempt that the host can make
---@param failure { reason: string, kind: any, status: integer|nil, pause: number|nil, after: number|nil } kind: error,
---  host, a status or a class such as network; pause: seconds until the next attempt; after: the least
---  seconds that a server wants
---@param random fun(): number 0 to 1, evenly
---@return { state: "retry"|"dead", reason: string, pause: number|nil, counted: boolean|nil } outcome pause: seconds
function M.failed(rule, run, failure, random)
  local retry = rule and rule.retry or {}
  if is_ours(failure.kind) then
    return { state = "retry", reason = failure.reason, pause = failure.pause or our_pause(run, random) }
  elseif is_excluded(rule, failure) then
    return dead("%s (not retried: retry.on)", failure.reason)
  elseif retry.attempts and run.failures + 1 >= retry.attempts then
    return dead("gave up after %d attempt%s: %s", run.failures + 1, run.failures > 0 and "s" or "", failure.reason)
  end
  local within = retry.within or WITHIN
  local left = math.min(within - run.age, run.ladder or math.huge)
  if left <= 0 then return dead("gave up after %s: %s", duration.text(run.age), failure.reason) end
  local after = math.min(failure.after or 0, LONGEST_WISH)
  local pause = failure.pause or math.max(M.backoff(run.failures, random), after)
  return {
    state = "retry", reason = failure.reason, pause = math.min(pause, left), after = after > 0 and math.min(after, left)
      or failure.pause, counted = true,
  }
end

--- The outcome of a rule's retry_after: it is no failure, and retry.within does not bound it.
---@param run { ladder: number|nil }
---@param wish { after: number, reason: string } after: seconds
---@return table outcome { state: "later"|"dead", reason, pause }
function M.wished(run, wish)
  local pause = math.max(wish.after, 1)  -- retry_after(0) must not run without a break
  if run.ladder and pause > run.ladder then
    return dead("it cannot wait for %s: Altinn brings the event again for %s at most: %s", duration.text(wish.after),
      duration.text(math.ceil(math.max(run.ladder, 0) / 60) * 60), wish.reason)
  end
  return { state = "later", reason = wish.reason, pause = pause, after = pause }
end

return M
