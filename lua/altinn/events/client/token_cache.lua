-- Keeps one token of a server: it is renewed early, fetched once for all callers, and not asked for in vain again and
-- again.
local retry = require "altinn.events.client.retry"
local transports = require "altinn.events.client.transport"

local M = {}

local LAST_SECONDS = 5      -- a token is not used in its last seconds
local MARGIN = 30           -- a token is renewed so many seconds before its end, or a fifth of its life if that is more
local FORCE_SECONDS = 60    -- least time between two replacements of a refused token
local REFUSAL_PAUSE = 10    -- pause after Maskinporten or the exchange refused
local LONGEST_PAUSE = 30    -- limit of the pause after failures of the network, which doubles
local LONGEST_WISH = 300    -- limit of a server's Retry-After
local POLL_SECONDS = 0.02

-- The cache: an entry is
--   token, got, renew, ends          when there is a token (clock's seconds)
--   failure { message, code, detail, at, pause }
--   refresh { thread, at, deadline } while a coroutine fetches
--   forced                           when a refused token was dropped last

-- Whether a remembered moment lies in the past. It does not after the clock was set back by more than 5 s; what was
-- remembered does not count then.
local function is_past(at, now) return now >= at - 5 end

local function is_alive(entry, now)
  return entry.token ~= nil and now < entry.ends and is_past(entry.got, now)
end

local function is_fresh(entry, now) return is_alive(entry, now) and now < entry.renew end

local function keep(entry, token, lifetime, from)
  local margin = math.min(math.max(MARGIN, lifetime / 5), lifetime / 2)
  entry.token, entry.got, entry.renew, entry.failure = token, from, from + lifetime - margin, nil
  entry.ends = from + lifetime - math.min(LAST_SECONDS, lifetime / 10)
end

local function remember_failure(entry, now, message, code, detail)
  local before, wish = entry.failure, detail and detail.retry_after
  local pause = REFUSAL_PAUSE
  if retry.is_soon(code) then
    pause = math.min(LONGEST_PAUSE, before and before.pause * 2 or 1)
  end
  entry.failure = {
    message = message, code = code, detail = detail or {}, at = now,
    pause = math.max(pause, math.min(wish or 0, LONGEST_WISH)),
  }
end

-- The last failure while its pause lasts, with the seconds until the next attempt.
local function recent_failure(entry, now)
  local failure = entry.failure
  if not failure or now >= failure.at + failure.pause or not is_past(failure.at, now) then return nil end
  local detail = {}
  for name, value in pairs(failure.detail) do detail[name] = value end
  detail.retry_after = failure.at + failure.pause - now
  return failure, detail
end

local function running()
  return coroutine.running() or "main"  -- nil in the main thread of Lua 5.1
end

local function refresh(entry, settings, fetch, seconds)
  local now = settings.clock()
  local mark = { thread = running(), at = now, deadline = now + seconds + 5 }
  entry.refresh = mark
  local token, lifetime, from_or_code, detail = fetch(seconds)
  local is_mine = entry.refresh == mark
  if is_mine then entry.refresh = nil end
  if token then
    keep(entry, token, lifetime, from_or_code)
    return token
  end
  now = settings.clock()
  if is_mine then remember_failure(entry, now, lifetime, from_or_code, detail) end
  if is_alive(entry, now) then return entry.token end
  return nil, lifetime, from_or_code, detail
end

-- Whether another coroutine is fetching the token. False when that coroutine is dead, has taken too long, or is the
-- present one (an error ended its fetch).
local function is_fetching(entry, now)
  local mark = entry.refresh
  if not mark then return false end
  if mark.thread == running() or now > mark.deadline or not is_past(mark.at, now) then return false end
  return type(mark.thread) ~= "thread" or coroutine.status(mark.thread) ~= "dead"
end

-- Lets other code run for a moment: by the caller's `sleep`, in a task of the host, or by a yield of this coroutine.
-- False: this thread cannot wait.
local function pause(settings)
  local sleep = settings.sleep or transports.is_carried() and transports.sleep
  if sleep then
    sleep(POLL_SECONDS)
    return true
  end
  local thread, is_main = coroutine.running()
  local yieldable = thread and not is_main
  if coroutine.isyieldable then yieldable = coroutine.isyieldable() end
  if yieldable then coroutine.yield() end
  return yieldable
end

--- The token: from the entry, or fetched; one fetch serves all that wait for it.
---@param entry table empty at first; only this file writes into it
---@param settings { clock: (fun(): number), timeout: number, sleep: fun(seconds: number)|nil } timeout: seconds that a
---  fetch may take
---@param fetch fun(seconds: number): string|nil, number|string, number|string, table|nil gives the token, the seconds
---  that it lives and since when (clock's seconds); or nil, message, code, detail
---@param most number|nil seconds that fetching may take, when that is less than the timeout
---@return string|nil token
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function M.token(entry, settings, fetch, most)
  local begun = settings.clock()
  local seconds = math.min(most or settings.timeout, settings.timeout)
  while true do
    local now = settings.clock()
    if is_fresh(entry, now) then return entry.token end
    local alive, failure, detail = is_alive(entry, now), recent_failure(entry, now)
    local fetching = is_fetching(entry, now)
    if alive and (failure or fetching) then return entry.token end
    if failure then return nil, failure.message, failure.code, detail end
    if not fetching or not pause(settings) then
      return refresh(entry, settings, fetch, math.max(0.1, seconds - math.max(0, now - begun)))
    end
  end
end

--- Takes note that a server answered 401 to a token. True: the next token will be another one. False: the token was
--- itself new. A refused token is replaced at most once a minute.
---@param entry table
---@param now number clock's seconds
---@param token string the one that was refused
---@return boolean again
function M.refused(entry, now, token)
  if entry.token ~= token then return true end
  if entry.forced and now < entry.forced + FORCE_SECONDS and is_past(entry.forced, now) then return false end
  entry.forced, entry.token = now, nil
  return true
end

return M
