-- The emulator on a port: the loop that takes requests, makes pushes and runs timers, all in one thread.
local libraries = require "altinn.events.support.libraries"
local curl = libraries.load "altinn.events.curl"
local host = libraries.load "altinn.events.host"
local clock = require "altinn.events.emulator.clock"
local engine = require "altinn.events.emulator.engine"
local logs = require "altinn.events.host.log"
local wire = require "altinn.events.emulator.wire"

local M = {}

local PUSHES_AT_ONCE = 20
local MAX_BYTES = 32 << 20   -- of a request
local MAX_ANSWER = 8 << 20   -- of an endpoint's answer that is no success, bytes

local Emulator = setmetatable({}, { __index = engine.Engine })
Emulator.__index = Emulator

local function base_of(listen, port)
  local name = listen[1]
  if name == "0.0.0.0" or name == "::" then name = "127.0.0.1" end
  return ("http://%s:%d"):format(name:find(":", 1, true) and "[" .. name .. "]" or name, port)
end

--- An emulator that listens.
---@param options { listen: table, speed: number|nil, now: number|nil, pipeline: string|nil, timeout: number|nil,
---  platform: string|nil, issuer: string|nil, visible_after: number|nil, http_endpoints: string|nil, world: table|nil,
---  signals: boolean|nil, log: table|function|nil, seed: integer|nil, silent: boolean|nil } now: its clock begins with
---  that time; nil: with the real one
---@return table|nil emulator
---@return string|nil message
---@return string|nil code
function M.new(options)
  local server, message, code = host.server {
    listen = options.listen, max_bytes = MAX_BYTES, signals = options.signals,
  }
  if not server then return nil, message, code end
  local log = options.log
  if type(log) ~= "function" then log = logs.new(log, host.fact) end
  local self = setmetatable({
    server = server, base = base_of(options.listen, server:port()), multi = curl.new { connections = PUSHES_AT_ONCE },
    clock = clock.new(function() return server:now() end, options.speed or 1, options.now), pushes = {}, goals = {},
    log = log,
  }, Emulator)
  return engine.fill(self, options)
end

-- Pushes.

function Emulator:post(request, done)
  local id = self.multi:add {
    method = request.method, url = request.url, headers = request.headers, body = request.body,
    timeout = self.timeout, max_body = MAX_ANSWER, sink = true,
  }
  self.pushes[id] = done
  return id
end

function Emulator:drop(id)
  self.pushes[id] = nil
  self.multi:cancel(id)
end

-- The answer of an endpoint; nobody looks at its body.
local function answered(self, reply)
  if reply.part then
    self.multi:more(reply.id)
    return
  end
  local done = self.pushes[reply.id]
  self.pushes[reply.id] = nil
  if done then self:guarded("push", done, reply) end
end

-- Time.

-- Moves the clock forward to a time: every timer on the way runs at its time, and pushes end before it goes on. `done`
-- is called at the end.
function Emulator:advance(time, done)
  self.goals[#self.goals + 1] = { time = math.min(time, wire.last_moment), done = done }
  table.sort(self.goals, function(a, b) return a.time < b.time end)
end

local function step_clock(self)
  local goal = self.goals[1]
  if not goal or self.deliveries.under_way > 0 then return end
  local due = self.clock:due()
  self.clock:jump(math.min(due or goal.time, goal.time))
  if due and due <= goal.time then return end
  table.remove(self.goals, 1)
  goal.done()
end

local function pause(self, most)
  if #self.goals == 0 then return self.clock:pause(most) end
  return self.deliveries.under_way > 0 and most or 0
end

-- Requests.

local function dispatch(self, request)
  request.send = function(reply)
    local ok, message = self.server:reply(request.id, reply.status, reply.headers, reply.body)
    if ok then return end
    self.log("error", "reply", { reason = message })
    self.server:reply(request.id, 500)
  end
  self:take(request)
end

--- One round: timers, pushes, requests.
---@param most number|nil seconds that it waits at most; nil: one
function Emulator:step(most)
  self:tick()
  self:guarded("clock", step_clock, self)
  for _, reply in ipairs(self.multi:step(pause(self, most or 1), self.server:descriptor())) do answered(self, reply) end
  for request in function() return self.server:take() end do
    if not self:guarded("reply", dispatch, self, request) then self.server:reply(request.id, 500) end
  end
end

--- Runs until a signal comes.
---@return string signal
function Emulator:run()
  while true do
    self:step()
    local signal = self.server:signal()
    if signal and signal ~= "hup" then return signal end
  end
end

function Emulator:close()
  self.server:close()
  self.multi:close()
end

return M
