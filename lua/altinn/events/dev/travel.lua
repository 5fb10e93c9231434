-- The time of `dev` goes forward: Altinn's and the host's together, by way of each moment at which a timer of a rule is
-- due, so that every run sees the letters as they were then.
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"

local M = {}

local MOST = 10 * 366 * 86400
local PATIENCE = 5  -- real seconds that the runs of one moment may take before the time goes on

local ask

--- How a text is asked for.
---@param call fun(session: table, question: string, done: fun(text: string))
function M.ask_by(call) ask = call end

local function moment(seconds) return tostring(os.date("%Y-%m-%d %H:%M:%S", math.floor(seconds))) end

-- When a run of the host is due next; nil: nothing waits for a time.
local function host_due(session)
  local first
  for _, row in ipairs(session.follower.inbox:references() or {}) do
    if row.first_due > 0 then first = math.min(first or row.first_due, row.first_due) end
  end
  return first and first / 1000
end

local function next_due(session)
  local now, first = session.altinn:now(), nil
  for _, due in ipairs { host_due(session) or math.huge, session.altinn.emulator.clock:due() or math.huge } do
    if due > now and due < (first or math.huge) then first = due end
  end
  return first
end

-- The time that a text means: a span, or a time.
local function time_of(session, text)
  local now = session.altinn:now()
  if text == "" then
    local due = next_due(session)
    if due then return due + 0.001 end
    return nil, "nothing waits for a time: say how far, such as 1h or 3d"
  end
  local span = duration.parse((text:gsub("^%+", "")))
  local time = span and now + span or core.altinn.moment(text)
  if not time then
    return nil, ("'%s' is neither a span (90s, 2h, 3d) nor a time (2026-12-24T09:00:00+01:00)"):format(text)
  end
  if time <= now then return nil, "the time goes forward only" end
  if time > now + MOST then return nil, "that is more than ten years ahead" end
  return time
end

--- Asks how far.
---@param session table
function M.ask(session)
  local due = next_due(session)
  local question = ("forward by (2h, 3d%s): "):format(due and "; Enter: to " .. moment(due) or "")
  ask(session, question, function(text)
    local time, message = time_of(session, text)
    if not time then return session:say(message, "yellow") end
    session.way = { to = time }
    session:say("the time goes forward to " .. moment(time))
  end)
end

-- Whether the host has done what it can do now.
local function is_quiet(session)
  local inbox = session.follower.inbox
  local untried = inbox:follow "untried"
  local due = host_due(session)
  return untried ~= nil and #untried == 0 and (due == nil or due > session.house:now())
end

local function real_time(session) return select(2, session.altinn.emulator.clock.real()) end

--- Goes on, once what was due has happened.
---@param session table
function M.step(session)
  local way = session.way
  if not way or way.moving then return end
  local now, real = session.altinn:now(), real_time(session)
  way.since = way.since or real
  if not is_quiet(session) and real - way.since < PATIENCE then return end
  way.since = nil
  if now >= way.to then
    session.way = nil
    return session:say("it is " .. moment(now) .. " now")
  end
  local due = host_due(session)
  local stop = due and due > now and math.min(due + 0.001, way.to) or way.to
  way.moving = true
  session.altinn:advance(stop - now, function() way.moving = false end)
end

return M
