-- What must hold in every world, whatever its spec asserts: no acknowledged event is lost, none is invented, no two
-- bodies under one key, nothing of unknown outcome again without its probe, nothing before it is recorded, no two runs
-- of a letter and no two requests of one effect at once.
local look = require "altinn.events.test.look"

local M = {}

local function check_events(world, faults)
  local stored = {}
  for _, event in ipairs(look.events(world)) do
    local key = ("%s\n%s"):format(event.source, event.id)
    if stored[key] then faults[#faults + 1] = ("the event %s is stored twice"):format(event.id) end
    stored[key] = true
    if not world.pushes.acknowledged[key] and not world.pushes:body(event) then
      faults[#faults + 1] = ("the inbox holds the event %s, which nobody pushed"):format(tostring(event.id))
    end
  end
  for key, event in pairs(world.pushes.acknowledged) do
    if not stored[key] then
      faults[#faults + 1] = ("the event %s was acknowledged, and the inbox has lost it"):format(event.id)
    end
  end
end

-- Requests that are under way.

local PATIENCE = 30  -- seconds that a host waits for the answer to a request that names no time

-- Notes a request in the list of those that are under way under one key. The list forgets those that the host has
-- given up, and those of a host that died.
local function enter(world, key, request, other_is)
  local list, now, life = world.under_way[key] or {}, world:seconds(), world.host.life
  local own = { event = request.event, life = life,
    ends = now + ((request.timeout or 0) > 0 and request.timeout or PATIENCE) }
  for other in pairs(list) do
    if other.ends <= now or other.life ~= life then list[other] = nil else other_is(other) end
  end
  list[own], world.under_way[key] = true, list
  return function()
    list[own] = nil
    if next(list) == nil and world.under_way[key] == list then world.under_way[key] = nil end
  end
end

local function blame(world, text, ...) world.faults[#world.faults + 1] = text:format(...) end

local function nothing() return nil end

--- Notes that a request of a run has left.
---@param world table
---@param request table { rule, event, timeout }
---@return fun() over it is answered
function M.begun(world, request)
  local rule = request.rule and world.rules[request.rule]
  if not rule or rule.order ~= "letter" or not request.event then return nothing end
  local key = ("%s\n%s"):format(request.rule, world:thing_of(request.event))
  return enter(world, key, request, function(other)
    if other.event == request.event then return end
    blame(world, "two runs of '%s' for one letter are under way at once: those of the events #%s and #%s",
      request.rule, tostring(other.event), tostring(request.event))
  end)
end

--- Notes that an effect has left.
---@param world table
---@param request table { rule, event, target, timeout }
---@param key string
---@return fun() over it is answered
function M.sent(world, request, key)
  -- (Asks the file each time, which takes time: where the host dies, many scenarios are told.)
  if world.with_crash and not look.is_recorded(world, request.rule, request.event, request.target) then
    blame(world, "target '%s': the effect %s left before the inbox had recorded it", request.target, key)
  end
  return enter(world, ("%s\n\n%s"):format(request.target, key), request, function()
    blame(world, "target '%s': the effect %s came again, and its first request was still under way", request.target,
      key)
  end)
end

--- What the host did wrong so far.
---@param world table
---@param thorough boolean|nil look into the inbox too
---@return string[] faults
function M.faults(world, thorough)
  local faults = world.faults
  world.faults = {}
  for _, name in ipairs(world.target_names) do
    for _, fault in ipairs(world.targets[name]:take_faults()) do faults[#faults + 1] = fault end
  end
  if thorough then check_events(world, faults) end
  table.sort(faults)
  return faults
end

return M
