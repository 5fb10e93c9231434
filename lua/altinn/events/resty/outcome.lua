-- What a run of a rule in nginx comes to: by the same rules as in the host,
-- only that it is Altinn who brings the event again.
-- luacheck: globals ngx
local rules = require "altinn.events.rules.language"
local things = require "altinn.events.rules.thing"

local M = {}

local HOUR = 3600
-- Altinn's last attempt comes after some 35 hours: what is not dead by then
-- would never be told.
local WITHIN = 34 * HOUR
local LONGEST_WISH = 24 * HOUR
-- A letter may be heard of before it can be read.
local FRESH_SECONDS, FRESH_PAUSE = 60, 10

--- The end of a run.
---@param verdict "done"|"skipped"|"dead"
---@param reason string|nil
---@return table outcome
function M.settled(verdict, reason) return { settled = true, verdict = verdict, reason = reason } end

-- What neither the rule nor its target has done; and what the rule asks for.
local NOT_A_FAILURE = { host = true, asked = true }

local function excluded(rule, how)
  return not NOT_A_FAILURE[how.kind] and rules.names_failure(rule, how.kind, how.status) == false
end

--- What a server wishes with its Retry-After, within reason.
---@param seconds number|nil
---@return number|nil
function M.wish(seconds) return seconds and math.min(seconds, LONGEST_WISH) end

--- No verdict yet: the event shall come again. Dead when it has been tried
--- long enough.
---@param run table { rule =, attempt =, first = }
---@param reason string
---@param how { kind: any, status: integer|nil, after: number|nil } kind: error, network, timeout, a status, asked,
---  host; after: seconds
---@return table outcome
function M.again(run, reason, how)
  local retry = run.rule.retry or {}
  local within = math.min(retry.within or WITHIN, WITHIN)
  if excluded(run.rule, how) then return M.settled("dead", reason .. " (not retried: retry.on)") end
  if retry.attempts and how.kind ~= "host" and run.attempt >= retry.attempts then
    return M.settled("dead", ("gave up after %d attempts: %s"):format(run.attempt, reason))
  elseif ngx.now() + (how.after or 0) > run.first + within then
    return M.settled("dead", ("gave up after %g h: %s"):format(within / HOUR, reason))
  end
  return { verdict = "retry", reason = reason, seconds = how.after, waited = how.kind == "host" }
end

--- What a run that raised comes to: a call to Altinn that cannot succeed is
--- dead, all else is tried again.
---@param run table
---@param raised any a failure of altinn.events.thing, or the text of an error
---@return table outcome
function M.raised(run, raised)
  local failure = things.failure(raised)
  if not failure then return M.again(run, raised, { kind = "error" }) end
  local reason = ("%s (%s)"):format(failure.message, failure.code)
  local fresh = run.attempt == 1 and ngx.now() - run.first < FRESH_SECONDS
  if failure.code == "not_found" and fresh then
    return M.again(run, reason, { kind = failure.code, after = FRESH_PAUSE })
  end
  local status = failure.detail.status
  if things.is_permanent(failure) and not rules.names_failure(run.rule, status) then
    return M.settled("dead", reason)
  end
  return M.again(run, reason, { kind = failure.code, status = status, after = M.wish(failure.detail.retry_after) })
end

return M
