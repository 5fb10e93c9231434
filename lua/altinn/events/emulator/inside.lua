-- The emulator inside a program: no socket, no loop. Requests are function calls, time and pushes are given.
local clock = require "altinn.events.emulator.clock"
local engine = require "altinn.events.emulator.engine"

local M = {}

local Emulator = setmetatable({}, { __index = engine.Engine })
Emulator.__index = Emulator

local function quiet() end

--- An emulator inside this program.
---@param options { now: (fun(): number), after: (fun(seconds: number, call: function): any), forget: fun(timer: any),
---  post: (fun(request: table, done: fun(reply: table)): any), drop: fun(handle: any)|nil, seed: integer|nil,
---  silent: boolean|nil, platform: string|nil, log: function|nil, pipeline: string|nil, visible_after: number|nil,
---  world: table|nil } now: seconds since 1970; after: calls later, once; post: makes a push, and calls done { status,
---  headers, error }; seed: of all its chance, nil: the system's; silent: letters raise no events by themselves
---@return table emulator
function M.new(options)
  local self = setmetatable({
    base = options.platform or "http://altinn.test", log = options.log or quiet, post_port = options.post,
    drop_port = options.drop or quiet,
  }, Emulator)
  self.clock = clock.given { now = options.now, after = options.after, forget = options.forget,
    wake = function() self:tick() end }
  return engine.fill(self, options)
end

function Emulator:post(request, done)
  return self.post_port(request, function(reply) self:by_chance(done, reply) end)
end

function Emulator:drop(handle) self.drop_port(handle) end

function Emulator.advance() error "the clock of this emulator is moved by the program in which it lives" end

return M
