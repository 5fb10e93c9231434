-- The emulator: its parts, and the loop that takes requests, makes pushes
-- and runs timers, all in one thread.
local libraries = require "altinn.events.support.libraries"
local curl = libraries.load "altinn.events.curl"
local host = libraries.load "altinn.events.host"
local logs = require "altinn.events.host.log"
local clock = require "altinn.events.emulator.clock"
local control = require "altinn.events.emulator.control"
local delivery = require "altinn.events.emulator.delivery"
local files = require "altinn.events.emulator.files"
local letters = require "altinn.events.emulator.letters"
local letters_api = require "altinn.events.emulator.letters_api"
local letters_errors = require "altinn.events.emulator.letters_errors"
local attachments = require "altinn.events.emulator.attachments"
local matching = require "altinn.events.emulator.matching"
local publish = require "altinn.events.emulator.publish"
local pull = require "altinn.events.emulator.pull"
local router = require "altinn.events.emulator.router"
local subscriptions = require "altinn.events.emulator.subscriptions"
local switches = require "altinn.events.emulator.switches"
local tokens = require "altinn.events.emulator.tokens"
local wire = require "altinn.events.emulator.wire"
local world = require "altinn.events.emulator.world"

local M = {}

local PUSHES_AT_ONCE = 20
local REMEMBERED = 1000   -- requests
local REMEMBERED_BYTES = 64 << 10   -- of a request's body
local MAX_BYTES = 32 << 20   -- of a request

local Emulator = {}
Emulator.__index = Emulator

-- Everything that the emulator knows, as at the start; the world, the clock and the settings stay.
function Emulator:reset()
  if self.deliveries then self.deliveries:clear() end
  self.clock:clear()
  self.switches = switches.new()
  self.tokens = tokens.new(self)
  self.subscriptions = subscriptions.new(self)
  self.matching = matching.new(self)
  self.events = publish.new(self)
  self.deliveries = delivery.new(self, self.multi)
  local delay = self.pull and self.pull.delay
  self.pull = pull.new(self)
  self.pull.delay = delay or self.pull.delay
  self.files, self.letters = files.new(self), letters.new(self)
  self.requests, self.troubles = {}, {}
end

-- Routes name the parts through the emulator, so that a reset puts new ones behind them.
local function add_routes(self)
  local routes = router.new()
  tokens.routes(self, routes)
  subscriptions.routes(self, routes)
  publish.routes(self, routes)
  pull.routes(self, routes)
  letters_api.routes(self, routes)
  attachments.routes(self, routes)
  control.routes(self, routes)
  return routes
end

local function base_of(listen, port)
  local name = listen[1]
  if name == "0.0.0.0" or name == "::" then name = "127.0.0.1" end
  return ("http://%s:%d"):format(name:find(":", 1, true) and "[" .. name .. "]" or name, port)
end

--- An emulator that listens.
---@param options { listen: table, speed: number|nil, pipeline: string|nil, timeout: number|nil, platform: string|nil,
---  issuer: string|nil, visible_after: number|nil, http_endpoints: string|nil, world: table|nil, signals: boolean|nil,
---  log: table|nil }
---@return table|nil emulator
---@return string|nil message
---@return string|nil code
function M.new(options)
  local server, message, code = host.server {
    listen = options.listen, max_bytes = MAX_BYTES, signals = options.signals,
  }
  if not server then return nil, message, code end
  local base = base_of(options.listen, server:port())
  local self = setmetatable({
    server = server, base = base, platform = (options.platform or base):gsub("/+$", ""),
    issuer = options.issuer or base .. "/", multi = curl.new { connections = PUSHES_AT_ONCE },
    clock = clock.new(function() return server:now() end, options.speed or 1), skew = 0,
    pipeline = options.pipeline or "new", timeout = options.timeout or 45,
    http_endpoints = options.http_endpoints or "loopback", log = logs.new(options.log, host.fact), goals = {},
    world = options.world or world.new {},
  }, Emulator)
  self:reset()
  self.pull.delay = options.visible_after or self.pull.delay
  self.router = add_routes(self)
  return self
end

-- Requests.

local function date(self)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(self.clock:wall() + self.skew))
end

-- The beginning of a text, up to a whole character.
local function beginning(text)
  if #text <= REMEMBERED_BYTES then return text end
  return (text:sub(1, REMEMBERED_BYTES):gsub("[\xC0-\xFF][\x80-\xBF]*$", ""))
end

local function remember(self, request, status)
  local list = self.requests
  list[#list + 1] = { method = request.method, path = request.path, query = request.query, headers = request.headers,
    body = beginning(request.body), bytes = #request.body, status = status }
  if #list > REMEMBERED * 2 then self.requests = table.move(list, #list - REMEMBERED + 1, #list, 1, {}) end
end

local function respond(self, request, reply)
  request.responded = true
  if not request.control then
    remember(self, request, reply.status)
    self.log("info", "request", { reason = request.method .. " " .. request.path, status = reply.status })
  end
  local headers = reply.headers or {}
  if self.skew ~= 0 then headers.Date = date(self) end
  local ok, message = self.server:reply(request.id, reply.status, headers, reply.body)
  if ok then return end
  self.log("error", "reply", { reason = message })
  self.server:reply(request.id, 500)
end

-- The reply that the control interface has set for this request, or nil.
local function trouble(self, request)
  for index, one in ipairs(self.troubles) do
    if request.path:find(one.path, 1, true) and (not one.method or one.method == request.method) then
      one.left = one.left - 1
      if one.left == 0 then table.remove(self.troubles, index) end
      return one
    end
  end
  return nil
end

local function handle(self, request)
  local route, found = self.router:find(request.method, request.path)
  if not route then
    if request.control then return control.lost(request, found) end
    if #found > 0 then return router.empty(405, { Allow = table.concat(found, ", ") }) end
    return router.empty(404)
  end
  request.parameters = found
  return route.handler(request)
end

-- Calls a function whose error must not end the emulator: the error is logged. Gives true and the function's results,
-- or false.
local function guarded(self, what, call, ...)
  return xpcall(call, function(message)
    self.log("error", "error", { reason = debug.traceback(("%s: %s"):format(what, tostring(message)), 2) })
  end, ...)
end

local function answer(self, request)
  local what = request.method .. " " .. request.path
  local fine, reply = guarded(self, what, handle, self, request)
  if not fine then reply = router.problem(500, "the emulator has a fault: see its log") end
  if reply and not request.responded then respond(self, request, reply) end
end

local function dispatch(self, request)
  request.control = (request.path .. "/"):find("^/emulator/") ~= nil
  request.respond = function(reply) respond(self, request, reply) end
  local one = not request.control and trouble(self, request)
  if not one then return answer(self, request) end
  local function strike()
    if one.error then respond(self, request, letters_errors.problem(request, one.error))
    elseif one.status then respond(self, request, { status = one.status, headers = one.headers or {}, body = one.body })
    else answer(self, request) end
  end
  if one.seconds then self.clock:after(one.seconds, strike) else strike() end
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

local function pause(self)
  if #self.goals == 0 then return self.clock:pause(1) end
  return self.deliveries.under_way > 0 and 1 or 0
end

-- One round: timers, pushes, requests. Waits for at most a second.
function Emulator:step()
  self.clock:run(function(call) guarded(self, "timer", call) end)
  guarded(self, "clock", step_clock, self)
  for _, reply in ipairs(self.multi:step(pause(self), self.server:descriptor())) do
    if reply.part then self.multi:more(reply.id)   -- nobody looks at the body of an endpoint's answer
    else guarded(self, "push", self.deliveries.finished, self.deliveries, reply) end
  end
  for request in function() return self.server:take() end do
    if not guarded(self, "reply", dispatch, self, request) then self.server:reply(request.id, 500) end
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
