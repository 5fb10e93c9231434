-- A scenario with a crash at each moment at which the host may die. A real host cannot die in a process that goes on:
-- there the scenario is told once.
local mistake = require "altinn.events.test.mistake"

local M = {}

-- Tells the scenario in a fresh world, which dies at the n-th boundary; 0: it does not.
local function told(world, tell, new, number)
  local is_simulated = world.host.boundaries ~= nil
  local fresh = new(world.options, world.defaults, is_simulated and world.made or nil)
  local before = is_simulated and #fresh.host:boundaries() or 0
  fresh.with_crash = number > 0
  if number > 0 then fresh.host:crash_at(number) end
  local fine, message = xpcall(tell, mistake.described, fresh)
  local list = is_simulated and fresh.host:boundaries() or {}
  local closed, fault = pcall(fresh.close, fresh)
  if not closed then   -- what the host did wrong is why the scenario failed
    fine, message = false, fine and fault or ("%s\n%s"):format(tostring(fault), tostring(message))
  end
  return fine, message, table.move(list, before + 1, #list, 1, {})
end

--- Tells a scenario with a crash at each boundary of it.
---@param world table whose options the fresh worlds have
---@param tell fun(world: table)
---@param new fun(options: table, defaults: table, made: table): table makes a world
---@return integer count of the boundaries
function M.run(world, tell, new)
  local fine, message, boundaries = told(world, tell, new, 0)
  if not fine then mistake.raise("without a crash: %s", tostring(message)) end
  for number, boundary in ipairs(boundaries) do
    fine, message = told(world, tell, new, number)
    if not fine then
      mistake.raise("with a crash %s (crash point %d of %d): %s", boundary.name, number, #boundaries,
        tostring(message))
    end
  end
  return #boundaries
end

return M
