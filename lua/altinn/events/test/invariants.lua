-- What must hold in every world, whatever its spec asserts: no acknowledged event is lost, none is invented, no two
-- bodies under one key, nothing of unknown outcome again without its probe, no two runs of a letter at once.
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

-- Runs of one letter that are under way at once.

local function nothing() return nil end

--- Notes that a request of a run has left.
---@param world table
---@param request table { rule, event }
---@return fun() over it is answered
function M.begun(world, request)
  local rule = request.rule and world.rules[request.rule]
  if not rule or rule.order ~= "letter" or not request.event then return nothing end
  local under_way = world.under_way
  local thing = ("%s\n%s"):format(request.rule, world:thing_of(request.event))
  local events = under_way[thing] or {}
  under_way[thing] = events
  for other, count in pairs(events) do
    if other ~= request.event and count > 0 then
      world.faults[#world.faults + 1] = ("two runs of '%s' for one letter are under way at once: those of the events"
        .. " #%s and #%s"):format(request.rule, tostring(other), tostring(request.event))
    end
  end
  events[request.event] = (events[request.event] or 0) + 1
  return function() events[request.event] = events[request.event] - 1 end
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
