-- Trying again: exponential backoff with full jitter, Retry-After, one
-- deadline for all.
local core = require "altinn.events.core"

local M = {}

local clock = core.altinn.clock

local BASE, MOST = 0.5, 30  -- seconds
local ATTEMPTS = 5

-- Numbers that differ from process to process; math.random is the program's.
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

local months = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12,
}

-- Seconds since 1970 of an HTTP date (RFC 9110 §5.6.7, the preferred form).
local function http_date(text)
  local day, month, year, time = text:match("^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d:%d%d:%d%d) GMT$")
  if not day or not months[month] then return nil end
  return (core.altinn.moment(("%s-%02d-%sT%sZ"):format(year, months[month], day, time)))
end

--- What a Retry-After says (RFC 9110 §10.2.3).
---@param headers table names in lower case
---@return number|nil seconds from now; nil when nothing sensible is said
function M.after(headers)
  local value = headers["retry-after"]
  if type(value) ~= "string" then return nil end
  if value:find("^%d+$") and #value <= 9 then return tonumber(value) end
  local at = http_date(value)
  if not at then return nil end
  return math.max(0, at - (http_date(headers.date or "") or os.time()))
end

--- Calls `attempt` until it succeeds, fails for good, or no time is left for
--- the next one.
---@param policy { timeout: number, attempts: integer|nil, sleep: fun(seconds: number) }
---@param attempt fun(left: number, number: integer): any, table|nil gives a result, or nil and a failure
---  { message, code, detail, retry = boolean, after = seconds }; `left`: seconds until the deadline
---@return any result
---@return table|nil failure the last one
function M.run(policy, attempt)
  local deadline = clock() + policy.timeout
  local number = 0
  while true do
    number = number + 1
    local result, failure = attempt(deadline - clock(), number)
    if result ~= nil then return result end
    if not failure.retry or number >= (policy.attempts or ATTEMPTS) then return nil, failure end
    local pause = M.pause(number, failure.after)
    if pause >= deadline - clock() then return nil, failure end
    policy.sleep(pause)
  end
end

return M
