-- The emulator without a socket and without a clock of its own: its parts, requests in, replies out. What it needs of
-- the world around it (time, pushes) are ports: server.lua gives it a socket, inside.lua a program's own functions.
local attachments = require "altinn.events.emulator.attachments"
local control = require "altinn.events.emulator.control"
local delivery = require "altinn.events.emulator.delivery"
local files = require "altinn.events.emulator.files"
local json = require "altinn.events.support.json"
local letters = require "altinn.events.emulator.letters"
local letters_api = require "altinn.events.emulator.letters_api"
local letters_errors = require "altinn.events.emulator.letters_errors"
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

local REMEMBERED = 1000   -- requests
local REMEMBERED_BYTES = 64 << 10   -- of a request's body

local Engine = {}
Engine.__index = Engine

M.Engine = Engine

-- Everything that the emulator knows, as at the start; the world, the clock and the settings stay.
function Engine:reset()
  if self.deliveries then self.deliveries:clear() end
  self.clock:clear()
  self.switches = switches.new()
  self.tokens = tokens.new(self)
  self.subscriptions = subscriptions.new(self)
  self.matching = matching.new(self)
  self.events = publish.new(self)
  self.deliveries = delivery.new(self)
  local delay = self.pull and self.pull.delay
  self.pull = pull.new(self)
  self.pull.delay = delay or self.pull.delay
  self.files, self.letters = files.new(self), letters.new(self)
  self.requests, self.troubles, self.said = {}, {}, {}
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

--- Makes an emulator of a table that has the ports: `base`, its address; `clock`, as clock.lua describes it;
--- `post(request, done)`, which makes a push and calls done { status, headers, error } later, and gives a handle;
--- `drop(handle)`, which forgets one; `advance(time, done)`, which moves the clock; `log(level, what, fields)`.
---@param self table the ports
---@param options { pipeline: string|nil, timeout: number|nil, platform: string|nil, issuer: string|nil,
---  visible_after: number|nil, http_endpoints: string|nil, world: table|nil, seed: integer|nil, silent: boolean|nil }
---  seed: of all its chance, nil: the system's; silent: letters raise no events by themselves
---@return table emulator the same table
function M.fill(self, options)
  self.chance, self.silent = options.seed and wire.seeded(options.seed), options.silent
  self.platform = (options.platform or self.base):gsub("/+$", "")
  self.issuer = options.issuer or self.base .. "/"
  self.skew, self.pipeline, self.timeout = 0, options.pipeline or "new", options.timeout or 45
  self.http_endpoints, self.world = options.http_endpoints or "loopback", options.world or world.new {}
  self:by_chance(self.reset, self)
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
  reply.headers = reply.headers or {}
  if self.skew ~= 0 then reply.headers.Date = date(self) end
  request.send(reply)
end

-- The reply that the control interface, or the program around, has set for this request, or nil.
local function trouble(self, request)
  local said = request.method == "GET" and self.said[request.path]
  if said then return said end
  for index, one in ipairs(self.troubles) do
    if request.path:find(one.path, 1, true) and (not one.method or one.method == request.method) then
      one.left = one.left - 1
      if one.left == 0 then table.remove(self.troubles, index) end
      return one
    end
  end
  return nil
end

--- Sets what a read is answered from now on, whatever is known of its thing.
---@param path string without the query
---@param reply { status: integer, headers: table<string, string>, body: string }
function Engine:say(path, reply) self.said[path] = reply end

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

--- Calls a function whose error must not end the emulator: the error is logged. Gives true and the function's results,
--- or false.
function Engine:guarded(what, call, ...)
  return xpcall(call, function(message)
    self.log("error", "error", { reason = debug.traceback(("%s: %s"):format(what, tostring(message)), 2) })
  end, ...)
end

local function answer(self, request)
  local fine, reply = self:guarded(request.method .. " " .. request.path, handle, self, request)
  if not fine then reply = router.problem(500, "the emulator has a fault: see its log") end
  if reply and not request.responded then respond(self, request, reply) end
end

--- Takes a request: { method, path, query = list of { name, value }, headers = by lower-case name, body, send }.
--- `send` gets the reply { status, headers, body }, now or later; status 0: the connection ends without an answer.
---@param request table
function Engine:take(request)
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

--- Calls a function to which all chance comes from the emulator's own, where it has a seed.
---@param call function
function Engine:by_chance(call, ...)
  if not self.chance then return call(...) end
  return wire.by_chance_of(self.chance, call, ...)
end

--- Runs the timers that are due.
function Engine:tick()
  self:by_chance(self.clock.run, self.clock, function(call) self:guarded("timer", call) end)
end

-- Calls within the program.

local function text_of(body)
  if type(body) ~= "table" then return body or "" end
  local text = body.pattern:rep(body.size // math.max(1, #body.pattern) + 1):sub(1, body.size)
  return body.cut and body.cut > 0 and text:sub(1, body.cut) or text, body.cut and body.cut > 0 and #text > body.cut
end

local function lower_case(headers)
  local lower = {}
  for name, value in pairs(headers or {}) do lower[name:lower()] = value end
  return lower
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function query_of(text)
  local list = {}
  if not text or text == "" then return list end
  for pair in text:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    list[#list + 1] = { decoded((name:gsub("%+", " "))), decoded((value:gsub("%+", " "))) }
  end
  return list
end

--- Answers a request to Altinn.
---@param request { method: string|nil, url: string|nil, path: string|nil, query: table[]|nil, headers: table|nil,
---  body: string|nil } url, or path and query
---@param done fun(reply: table)|nil gets the reply where it comes later, and where it comes now
---@return table|nil reply { status, headers (names in lower case), body, cut }; status 0: the connection ended without
---  an answer; cut: it ended within the body; nil: it comes later
function Engine:request(request, done)
  local path, query = request.path, request.query
  if request.url then
    local where, text = request.url:gsub("^%a+://[^/?#]*", ""):match("^([^?#]*)%??([^#]*)")
    path, query = decoded(where), query_of(text)
  end
  local got
  self:by_chance(self.take, self, {
    method = request.method or "GET", path = path == "" and "/" or path, query = query or {},
    headers = lower_case(request.headers), body = request.body or "",
    send = function(reply)
      got = { status = reply.status, headers = lower_case(reply.headers) }
      got.body, got.cut = text_of(reply.body)
      if done then done(got) end
    end,
  })
  return got
end

--- A call of the control interface.
---@param method string
---@param path string below /emulator
---@param body table|nil
---@return any value
---@return string|nil message
function Engine:control(method, path, body)
  local reply = self:request { method = method, path = "/emulator" .. path:match("^[^?]*"),
    query = query_of(path:match("%?(.*)$")), body = body and json.encode(body) }
  local value = wire.decode("[" .. reply.body .. "]")
  value = value and value[1] or reply.body
  if reply.status < 300 then return value end
  return nil, type(value) == "table" and value.error or value
end

return M
