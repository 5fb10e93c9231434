-- Retries: exponential backoff with full jitter, Retry-After, and one deadline for all attempts.
local core = require "altinn.events.core"
local http_date = require "altinn.events.support.http_date"

local M = {}

local clock = core.altinn.clock

-- The failures that are repeated within a call, and the errors of Altinn for which a new token does not help: by the
-- lists of csrc/core/failures.h.
local soon, denied = {}, {}

for _, failure in ipairs(core.altinn.failures.codes) do soon[failure.code] = failure.soon end
for _, failure in ipairs(core.altinn.failures.numbers) do denied[failure.number] = failure.denied end

--- Whether a call that failed with this code may succeed in a moment.
---@param code any
---@return boolean
function M.is_soon(code) return code ~= nil and soon[code] == true end

--- Whether an error number of Altinn says that the caller has no access, so that a new token does not help.
---@param number integer|nil
---@return boolean
function M.is_denied(number) return number ~= nil and denied[number] == true end

local BASE, MOST = 0.5, 30  -- seconds
local ATTEMPTS = 5

-- An own generator, seeded for each process: math.random belongs to the program.
local seed

local function random()
  seed = ((seed or clock() * 1e6 % 2147483647) * 16807 + 11) % 2147483647
  return seed / 2147483647
end

--- Seconds to wait before an attempt.
---@param failed integer attempts so far
---@param after number|nil what the server asked for, seconds
---@param draw (fun(): number)|nil 0 to 1, evenly; for tests
---@return number seconds
function M.pause(failed, after, draw)
  local most = math.min(MOST, BASE * 2 ^ (failed - 1))
  local jitter = (draw or random)() * most
  return after and after + math.min(jitter, BASE) or jitter
end

--- The seconds that a reply's Retry-After asks for; see support.http_date.
M.after = http_date.retry_after

--- Calls `attempt` until it succeeds, fails permanently, or the deadline leaves no time for another one.
---@param policy { timeout: number, attempts: integer|nil, sleep: fun(seconds: number) }
---@param attempt fun(left: number, number: integer): any, table|nil gives a result, or nil and a failure
---  { message, code, detail, retry = boolean, after = seconds }; `left`: seconds until the deadline
---@return any result
---@return table|nil failure the last one
function M.run(policy, attempt)
  local deadline = clock() + policy.timeout
  local number, failure = 0, nil
  while true do
    local left = deadline - clock()
    if left <= 0 and failure then return nil, failure end  -- the pause took longer than it should
    number = number + 1
    local result
    result, failure = attempt(left, number)
    if result ~= nil then return result end
    if not failure.retry or number >= (policy.attempts or ATTEMPTS) then return nil, failure end
    local pause = M.pause(number, failure.after)
    if pause >= deadline - clock() then return nil, failure end
    policy.sleep(pause)
  end
end

return M
