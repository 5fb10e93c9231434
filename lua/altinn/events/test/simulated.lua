-- The host of a world as a simulation.
local inside = require "altinn.events.emulator.inside"
local outside = require "altinn.events.test.outside"
local setup = require "altinn.events.test.setup"
local simulation = require "altinn.events.host.simulation"

local M = {}

M.ENDPOINT = "http://host.test/events"

-- Altinn pushes.
local function post(world)
  return function(request, done)
    if request.body:find("platform.events.validatesubscription", 1, true) then
      return done { status = 200, headers = {} }
    end
    local fine, message = pcall(world.post, world, request.body)
    done { status = fine and 200 or 500, error = not fine and tostring(message) or nil, headers = {} }
  end
end

--- Opens the world's host and emulator.
---@param world table
---@param options { now: number, log: function, token: (fun(): string), coverage: boolean|nil }
function M.open(world, options)
  world.endpoint = M.ENDPOINT
  world.altinn = inside.new {
    now = function() return world:seconds() end, seed = world.seed, silent = true, platform = setup.ALTINN,
    after = function(seconds, call) return world.host:after(seconds, call) end,
    forget = function(timer) world.host:forget(timer) end, post = post(world),
  }
  world.made.config.token = options.token()
  world.host = simulation.new {
    config = world.made.config, set = world.made.set, now = options.now, seed = world.seed, log = options.log,
    coverage = options.coverage, outside = outside.of(world),
  }
end

return M
