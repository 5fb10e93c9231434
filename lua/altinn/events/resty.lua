-- In nginx with its Lua module (OpenResty): a webhook's content handler, and
-- Altinn's side over cosockets. Nothing here blocks a worker.
-- luacheck: globals ngx
local events = require "altinn.events"
local http = require "altinn.events.resty.http"
local log = require "altinn.events.resty.log"
local logfmt = require "altinn.events.logfmt"
local memories = require "altinn.events.resty.memory"
local suggest = require "altinn.events.suggest"
local webhooks = require "altinn.events.webhook"

local M = {}

local WAIT_SECONDS = 20   -- that a duplicate waits for the first to be done
local HEADERS = 200
local TOKEN_SECONDS = 30  -- that one waits for the token that another fetches

-- The request

local function path_of(uri)
  if not uri:find("[%%?#:]") then return uri end
  local path = uri:match("^%a[%w+.-]*://[^/?#]*([^?#]*)") or uri:match("^[^?#]*")
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

local function respond(answer)
  ngx.status = answer.status
  local header = ngx.header
  for name, value in pairs(answer.headers) do header[name] = value end
  header.content_length = #answer.body
  if answer.body == "" then return ngx.send_headers() end
  return ngx.print(answer.body)
end

-- One event

-- Begins it, or waits until whoever has begun it is done.
local function begin(self, key)
  local state, message = self.memory:begin(key)
  local deadline, pause = ngx.now() + self.wait, 0.01
  while state == "busy" and ngx.now() < deadline do
    ngx.sleep(pause)
    pause = math.min(pause * 2, 0.25)
    state, message = self.memory:begin(key)
  end
  return state, message
end

local function work(self, event, name)
  local ok, done, message, seconds = pcall(self.work, event, name)
  if not ok then
    log.say("error", "failed", { event = event.id, reason = done })
    return nil, "an error, which nginx's log tells"
  end
  return done, message, seconds
end

local function take(self, event, name)
  local key = memories.key(event)
  local state, message = begin(self, key)
  if state == "done" then return true end
  if state == "busy" then return nil, "the same event is being worked on" end
  if not state then
    return nil, "the shared dict takes nothing: " .. tostring(message)
  end
  local done, seconds
  done, message, seconds = work(self, event, name)
  self.memory:finish(key, done == true)
  return done, message, seconds
end

local function take_all(self, list, name)
  local failure, pause
  for _, event in ipairs(list) do
    local done, message, seconds = take(self, event, name)
    if not done then
      failure = failure or message
      pause = math.max(pause or 0, seconds or 0)
    end
  end
  if not failure then return webhooks.accepted() end
  return webhooks.later(logfmt.short(failure), pause > 0 and pause or nil)
end

local function serve(self)
  local headers = ngx.req.get_headers(HEADERS)
  local request = { method = ngx.req.get_method(), path = path_of(ngx.var.request_uri), headers = headers }
  local answer, name = self.webhook:head(request)
  if answer then return respond(answer) end
  local message, list
  request.body, message = body_of(self)
  if not request.body then return respond(webhooks.later("the body cannot be read: " .. tostring(message))) end
  answer, list = self.webhook:body(request)
  return respond(answer or take_all(self, list, name))
end

-- Tokens

-- The OpenSSL that is in this process already, if it is a library: another
-- one beside it is asking for crashes.
local function check_crypto()
  local maps = io.open("/proc/self/maps", "r")
  if not maps then return end
  local text = maps:read("*a")
  maps:close()
  if not text:find("libcrypto", 1, true) then
    error("this nginx brings its own OpenSSL inside, and signing would load a second one: get the token elsewhere, and"
      .. " give `token` as a function", 3)
  end
end

-- One token for all workers: who finds none fetches it, the others wait.
local function shared_token(memory, source, name)
  local token = memory:kept(name)
  if token then return token end
  if not memory:lock(name, TOKEN_SECONDS) then return nil, "the token is long in coming", "timeout" end
  token = memory:kept(name)
  local message, code, detail
  if not token then
    token, message, code, detail = source()
    local _, renewed = source:expiry()
    if token and renewed then memory:keep(name, token, math.max(1, renewed - ngx.time())) end
  end
  memory:unlock(name)
  return token, message, code, detail
end

local function scopes_text(scopes)
  return type(scopes) == "table" and table.concat(scopes, " ") or tostring(scopes)
end

--- A source of tokens like events.maskinporten, over cosockets, one for all
--- workers.
---@param options table what events.maskinporten takes, and `dict`
---@return table|nil source
---@return string|nil message
---@return string|nil code
function M.maskinporten(options)
  check_crypto()
  local copy = {}
  for name, value in pairs(options) do copy[name] = value end
  local memory = memories.new(copy.dict)
  copy.dict, copy.transport, copy.sleep = nil, http.request, ngx.sleep
  local source, message, code = events.maskinporten(copy)
  if not source then return nil, message, code end
  local name = table.concat({ "token", copy.client_id, scopes_text(copy.scopes), tostring(copy.environment),
    tostring(copy.base_url) }, " ")
  local shared = {}
  function shared.invalidate(_, token, number)
    local useful = source:invalidate(token, number) and memory:mark("refused " .. name, 60)
    if useful and memory:kept(name) == token then memory:keep(name, nil) end
    return useful
  end
  return setmetatable(shared, { __call = function() return shared_token(memory, source, name) end })
end

--- A transport of events.client over cosockets: for code of yours in nginx.
---@return fun(request: table): table|nil, string|nil, string|nil
function M.transport() return http.request end

-- The client that rules ask Altinn by, made when it is needed.
local function connector(options, dict)
  local client
  return function()
    if client then return client end
    if not options then return nil, "the handler was given no client", "usage" end
    local copy = {}
    for name, value in pairs(options) do copy[name] = value end
    if copy.credentials then
      local credentials = { dict = dict, environment = copy.environment, base_url = copy.base_url }
      for name, value in pairs(copy.credentials) do credentials[name] = value end
      local message, code
      copy.token, message, code = M.maskinporten(credentials)
      if not copy.token then return nil, message, code end
      copy.credentials = nil
    end
    copy.transport, copy.sleep = http.request, ngx.sleep
    client = events.client(copy)
    return client
  end
end

-- Options

local OPTIONS = {
  secret = true, dict = true, rules = true, on_event = true, targets = true, max_bytes = true, path = true,
  client = true, wait = true, on_dead = true,
}

local function check_options(options)
  if type(options) ~= "table" then error("handler wants a table", 3) end
  for name in pairs(options) do
    if not OPTIONS[name] then
      error(("unknown option '%s' of handler%s"):format(tostring(name), suggest.hint(tostring(name), OPTIONS)), 3)
    end
  end
  if (options.rules == nil) == (options.on_event == nil) then
    error("handler wants either rules or on_event", 3)
  end
  if options.on_event ~= nil and type(options.on_event) ~= "function" then
    error("on_event: a function is wanted", 3)
  end
end

-- What a function of the user's says: false, or nil and a message, is no.
local function handed_over(on_event)
  return function(event, name)
    local verdict, message = on_event(event, name)
    if verdict == false or (verdict == nil and message ~= nil) then
      return nil, tostring(message or "on_event did not take it")
    end
    return true
  end
end

local function worker_of(options, memory)
  if options.on_event then return handed_over(options.on_event) end
  local paths = type(options.rules) == "table" and options.rules or { options.rules }
  local runner = require("altinn.events.resty.runner").new(paths, {
    memory = memory, targets = options.targets, connect = connector(options.client, options.dict),
    on_dead = options.on_dead,
  })
  return function(event, name) return runner:work(event, name) end
end

--- A webhook for content_by_lua; make it in init_by_lua. Raises what is
--- wrong with the site or the rules, so that nginx does not start with it.
---@param options { secret: string|string[]|nil, dict: string, rules: string|string[]|nil, on_event: function|nil,
---  targets: table|nil, client: table|nil, max_bytes: integer|nil, path: string|nil, wait: number|nil,
---  on_dead: function|nil } dict: a lua_shared_dict; rules: files and folders, or on_event(event, name), which returns
---  false, or nil and a message, when Altinn shall try again; targets: by name { url, headers, timeout }; client: what
---  events.client takes, and `credentials`; path: "/events"; wait: seconds that a duplicate waits for the first;
---  on_dead(event, rule, reason): of what failed for good
---@return fun() receive
function M.handler(options)
  check_options(options)
  local memory = memories.new(options.dict)
  local self = {
    memory = memory, wait = options.wait or WAIT_SECONDS, work = worker_of(options, memory),
    webhook = webhooks.new { secret = options.secret, max_bytes = options.max_bytes, path = options.path },
  }
  return function()
    local phase = ngx.get_phase()
    if phase ~= "content" then
      error(("altinn.events.resty: the handler is for content_by_lua, not for the phase %s"):format(phase), 2)
    end
    return serve(self)
  end
end

return M
