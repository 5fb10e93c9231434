-- known_answers: what Altinn answered before, for a rehearsal: the readings that the inbox has kept of the runs.
local inbox = require "altinn.events.host.inbox"

local M = {}

local SLACK = 120  -- seconds: a run begins a moment after its event came, a rehearsed one at that moment

-- The reading that stands for a call: the last one made by then. A run that was held up read later than it does in the
-- rehearsal: what was read for the same event counts too.
local function chosen(readings, call)
  local best
  for _, one in ipairs(readings) do
    if one.call == call.name and not one.cut then
      if one.at <= call.at + SLACK then best = one
      elseif not best and one.sequence == call.given.sequence then return one end
    end
  end
  return best
end

local function reply_of(reading)
  local status = reading.status or 503
  return { status = status, body = reading.body or "",
    headers = { ["content-type"] = status < 300 and "application/json" or "application/problem+json" } }
end

--- A function that answers calls from the readings of an inbox, for altinn.events.host.rehearsal.
---@param path string the inbox file
---@return fun(call: altinn.events.rehearsal.call): table|nil answer
function M.of(path)
  local kept = {}
  return function(call)
    if not call.thing then return nil end
    kept[call.thing] = kept[call.thing] or inbox.readings_of(path, call.thing) or {}
    local reading = chosen(kept[call.thing], call)
    return reading and reply_of(reading)
  end
end

return M
