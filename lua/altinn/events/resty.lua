-- In nginx with its Lua module (OpenResty): a webhook's content handler, and
-- Altinn's side over cosockets. Nothing here blocks a worker.
-- luacheck: globals ngx
local events = require "altinn.events"
local http = require "altinn.events.resty.http"
local log = require "altinn.events.resty.log"
local logfmt = require "altinn.events.support.logfmt"
local memories = require "altinn.events.resty.memory"
local options_of = require "altinn.events.resty.options"
local tokens = require "altinn.events.resty.tokens"
local webhooks = require "altinn.events.event.webhook"

local M = {}

local WAIT_SECONDS = 20   -- a duplicate waits for so long at most until the first delivery is done
local HEADER_BYTES = 16 * 1024
local VALIDATION = "platform.events.validatesubscription"

-- The request

local function path_of(uri)
  if not uri:find("[%%?:]") then return uri end
  local path = uri:match("^%a[%w+.-]*://[^/?]*([^?]*)") or uri:match("^[^?]*")
  -- No secret and no name holds DEL: an encoded NUL is refused, and ends nothing.
  return (path:gsub("%%00", "%%7F"):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- A body that nginx has put into a file.
local function read_file(self, path)
  if not self.warned then
    self.warned = true
    log.say("warn", "body", { reason = "nginx puts bodies into files, which blocks: add"
      .. " client_body_buffer_size 256k; to the location" })
  end
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local body = file:read(self.webhook.max_bytes + 1)
  file:close()
  return body or ""
end

local function body_of(self)
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if body then return body end
  local path = ngx.req.get_body_file()
  if not path then return "" end
  return read_file(self, path)
end

-- Most requests end so.
local function accept()
  ngx.header.content_length = 0
  return ngx.send_headers()
end

local function respond(answer)
  ngx.status = answer.status
  local header = ngx.header
  for name, value in pairs(answer.headers) do header[name] = value end
  header.content_length = #answer.body
  if answer.body == "" then return ngx.send_headers() end
  return ngx.print(answer.body)
end

-- One event

-- Begins the work on an event, or waits until the request that has begun it is done.
local function begin(self, key)
  local state, claim = self.memory:begin(key)
  local deadline, pause = ngx.now() + self.wait, 0.01
  while state == "busy" and ngx.now() < deadline do
    ngx.sleep(pause)
    pause = math.min(pause * 2, 0.25)
    state, claim = self.memory:begin(key)
  end
  return state, claim
end

local function work(self, key, event, name)
  local ok, done, message, seconds, names = pcall(self.runner.work, self.runner, key, event, name)
  if not ok then
    log.say("error", "failed", { event = event.id, reason = done })
    return nil, "an error, which nginx's log tells"
  end
  return done, message, seconds, names
end

local function take(self, event, name)
  local key = memories.key(event)
  local state, claim = begin(self, key)
  if state == "done" then return true end
  if state == "busy" then return nil, "the same event is being worked on" end
  if not state then return nil, "the shared dict takes nothing: " .. tostring(claim) end
  local done, why, seconds, names = work(self, key, event, name)
  self.memory:finish(key, claim, done == true)
  if done and names then self.runner:forget(key, names) end
  return done, why, seconds
end

local function take_all(self, list, name)
  local failure, pause
  for _, event in ipairs(list) do
    local done, message, seconds = take(self, event, name)
    -- Altinn's trial of an endpoint is always answered with 200.
    if not done and event.type ~= VALIDATION then
      failure = failure or message
      pause = math.max(pause or 0, seconds or 0)
    end
  end
  if not failure then return accept() end
  return respond(webhooks.later(logfmt.short(failure), pause > 0 and pause or nil))
end

-- Whether a handler without a secret may serve this request: on the loopback address only, as the host does.
local function is_open(self)
  local address = ngx.var.server_addr or ""
  if address:find("^127%.") or address == "::1" or address:find("^unix:") then return true end
  if not self.refused then
    self.refused = true
    log.say("error", "secret", { reason = "without a secret the handler serves the loopback address only: set its"
      .. ' `secret`; if that is to come from the environment, add "env WEBHOOK_SECRET;" to the top of nginx.conf' })
  end
  return false
end

-- The size of the headers in bytes; 0 when the whole request is small enough.
local function header_bytes(headers)
  if (tonumber(ngx.var.request_length) or 0) <= HEADER_BYTES then return 0 end
  local sum = 0
  for name, value in pairs(headers) do
    for _, one in ipairs(type(value) == "table" and value or { tostring(value) }) do
      sum = sum + #name + #tostring(one) + 4
    end
  end
  return sum
end

local function serve(self)
  if not self.has_secret and not is_open(self) then return respond(webhooks.later "the webhook has no secret yet") end
  local headers = ngx.req.get_headers(0)
  local request = { method = ngx.req.get_method(), path = path_of(ngx.var.request_uri), headers = headers,
    header_bytes = header_bytes(headers) }
  local answer, name = self.webhook:head(request)
  if answer then return respond(answer) end
  local message, list
  request.body, message = body_of(self)
  if not request.body then return respond(webhooks.later("the body cannot be read: " .. tostring(message))) end
  answer, list = self.webhook:body(request)
  if answer then return respond(answer) end
  return take_all(self, list, name)
end

-- Altinn

--- A source of tokens like events.maskinporten, over cosockets, one for all
--- workers.
---@param options table the options of events.maskinporten, and `dict`
---@return table|nil source
---@return string|nil message
---@return string|nil code
function M.maskinporten(options)
  local source, message, code = tokens.new(options)
  return source, message, code  -- no tail call: levels of errors
end

--- A transport of events.client over cosockets: for code of yours in nginx.
---@return fun(request: table): table|nil, string|nil, string|nil
function M.transport() return http.request end

-- Makes the client by which rules ask Altinn. It is made when nginx starts, so that mistakes stop the start, and while
-- the process can still read the key.
local function connector(options, dict)
  if not options then
    return function() return nil, "the handler was given no client", "usage" end
  end
  local copy = {}
  for name, value in pairs(options) do copy[name] = value end
  if copy.credentials then
    local credentials = { dict = dict, environment = copy.environment, base_url = copy.base_url }
    for name, value in pairs(copy.credentials) do credentials[name] = value end
    local message
    copy.token, message = tokens.new(credentials)
    if not copy.token then error("handler's option 'client': credentials: " .. message, 4) end
    copy.credentials = nil
  end
  copy.transport, copy.sleep = http.request, ngx.sleep
  local client = events.client(copy)
  return function() return client end
end

-- The handler

-- A runner that hands events over to the site's on_event. The event is not taken when on_event returns false, or nil
-- and a message.
local function handing_over(on_event)
  local runner = {}
  function runner.work(_, _, event, name)
    local verdict, message = on_event(event, name)
    if verdict == false or (verdict == nil and message ~= nil) then
      return nil, tostring(message or "on_event did not take it")
    end
    return true
  end
  return runner
end

local function runner_of(options, memory)
  if options.on_event then return handing_over(options.on_event) end
  local paths = type(options.rules) == "table" and options.rules or { options.rules }
  return require("altinn.events.resty.runner").new(paths, {
    memory = memory, targets = options.targets or {}, connect = connector(options.client, options.dict),
    dict = options.dict,
    on_dead = options.on_dead,
  })
end

-- events.reveal writes a line to the log: which rule revealed an identity number, and for which purpose.
local function tell_of_reveals()
  events.on_reveal = events.on_reveal or function(masked, purpose)
    local run = log.present()
    log.say("info", "reveal", { rule = run.rule, event = run.event, reason = purpose .. ": " .. masked })
  end
end

-- The dicts of the handlers, while nginx starts. Two handlers may not share one: an event that one handler has done
-- would never reach the other.
local taken = {}

local function take_dict(name)
  if ngx.get_phase() ~= "init" then return end
  if taken[name] then
    error(('another handler has the shared dict %s: give each its own, "lua_shared_dict %s_2 64m;"'):format(name, name),
      3)
  end
  taken[name] = true
end

--- A webhook for content_by_lua; make it in init_by_lua. Raises mistakes of the site and of the rules, so that nginx
--- does not start with them.
---@param options { secret: string|string[]|nil, dict: string, rules: string|string[]|nil, on_event: function|nil,
---  targets: table|nil, client: table|nil, max_bytes: integer|nil, path: string|nil, wait: number|nil,
---  on_dead: function|nil } dict: a lua_shared_dict; rules: files and folders, or on_event(event, name), which returns
---  false, or nil and a message, when Altinn shall try again; targets: by name { url, headers, timeout }; client: what
---  events.client takes, and `credentials`; path: "/events"; wait: seconds that a duplicate waits for the first;
---  on_dead(event, rule, reason): called for each run that failed for good
---@return fun() receive
function M.handler(options)
  options_of.check(options)
  local memory = memories.new(options.dict)
  take_dict(options.dict)
  local self = {
    memory = memory, wait = options.wait or WAIT_SECONDS, runner = runner_of(options, memory),
    webhook = webhooks.new { secret = options.secret, max_bytes = options.max_bytes, path = options.path },
    has_secret = options.secret ~= nil,
  }
  tell_of_reveals()
  return function()
    local phase = ngx.get_phase()
    if phase ~= "content" then
      error(("altinn.events.resty: the handler is for content_by_lua, not for the phase %s"):format(phase), 2)
    end
    return serve(self)
  end
end

return M
