-- The emulator inside a program: no socket, no loop. Requests are function calls, time and pushes are given.
local clock = require "altinn.events.emulator.clock"
local engine = require "altinn.events.emulator.engine"
local json = require "altinn.events.support.json"
local wire = require "altinn.events.emulator.wire"

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
    base = options.platform or "http://altinn.test", chance = options.seed and wire.seeded(options.seed),
    silent = options.silent, log = options.log or quiet, post_port = options.post, drop_port = options.drop or quiet,
  }, Emulator)
  self.clock = clock.given { now = options.now, after = options.after, forget = options.forget,
    wake = function() self:run() end }
  return self:by_chance(engine.fill, self, options)
end

function Emulator:by_chance(call, ...)
  if not self.chance then return call(...) end
  return wire.by_chance_of(self.chance, call, ...)
end

function Emulator:post(request, done)
  return self.post_port(request, function(reply) self:by_chance(done, reply) end)
end

function Emulator:drop(handle) self.drop_port(handle) end

function Emulator.advance() error "the clock of this emulator is moved by the program in which it lives" end

--- Runs what is due.
function Emulator:run()
  self:by_chance(self.clock.run, self.clock, function(call) self:guarded("timer", call) end)
end

-- Requests.

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
  for pair in (text or ""):gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    list[#list + 1] = { decoded(name), decoded(value) }
  end
  return list
end

--- Answers a request to Altinn.
---@param request { method: string|nil, url: string|nil, path: string|nil, query: table[]|nil, headers: table|nil,
---  body: string|nil } url, or path and query
---@param done fun(reply: table)|nil gets the reply where it comes later, and where it comes now
---@return table|nil reply { status, headers (names in lower case), body, cut }; status 0: the connection ended without
---  an answer; cut: it ended within the body; nil: it comes later
function Emulator:request(request, done)
  local path, query = request.path, request.query
  if request.url then
    local where, text = request.url:gsub("^%a+://[^/?#]*", ""):match("^([^?#]*)%??([^#]*)")
    path, query = decoded(where), query_of(text)
  end
  local answer
  self:by_chance(self.take, self, {
    method = request.method or "GET", path = path == "" and "/" or path, query = query or {},
    headers = lower_case(request.headers), body = request.body or "",
    send = function(reply)
      answer = { status = reply.status, headers = lower_case(reply.headers) }
      answer.body, answer.cut = text_of(reply.body)
      if done then done(answer) end
    end,
  })
  return answer
end

--- A call of the control interface.
---@param method string
---@param path string below /emulator
---@param body table|nil
---@return any value
---@return string|nil message
function Emulator:control(method, path, body)
  local reply = self:request { method = method, path = "/emulator" .. path:match("^[^?]*"),
    query = query_of(path:match("%?(.*)$")), body = body and json.encode(body) }
  local value = wire.decode("[" .. reply.body .. "]")
  value = value and value[1] or reply.body
  if reply.status < 300 then return value end
  return nil, type(value) == "table" and value.error or value
end

return M
