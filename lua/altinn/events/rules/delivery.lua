-- Delivers the requests of effects over HTTP: with the token of their target, and after the handshake of CloudEvents
-- webhooks. Host and nginx give it their way to carry a request.
local cache = require "altinn.events.client.token_cache"
local client_credentials = require "altinn.events.client.client_credentials"
local http_date = require "altinn.events.support.http_date"
local json = require "altinn.events.support.json"

local M = {}

local FOR_EVER = 1e8  -- seconds: a permission has no end
local TIMEOUT = 30

local Delivery = {}
Delivery.__index = Delivery

-- Sources of tokens, one for each target's credentials.

local function make_source(self, credentials, request)
  local options = {}
  for name, value in pairs(credentials.token or credentials.maskinporten) do options[name] = value end
  options.transport, options.clock, options.sleep = self.transport, self.clock, self.sleep
  if credentials.token then
    options.ca_file, options.proxy = request.ca_file, request.proxy
    return client_credentials.new(options)
  end
  if not (options.environment or options.base_url or options.issuer) then options.environment = self.environment end
  local fine, source, message, code = pcall(self.maskinporten, options)
  if fine then return source, message, code end
  return nil, (tostring(source):gsub("^[^:]*:%d+: ", "")), "usage"
end

local function source_of(self, credentials, request)
  local key = assert(json.encode(credentials))
  if self.sources[key] then return self.sources[key] end
  local source, message, code = make_source(self, credentials, request)
  self.sources[key] = source
  return source, message, code
end

local function failure(message, code, detail)
  local refused = code == "refused"
  return { error = message, code = not refused and code or "forbidden", not_sent = true,
    refused = refused and detail.status or nil, headers = detail and detail.headers }
end

local function left(request, deadline, clock) return math.max(1, math.min(request.timeout, deadline - clock())) end

local function with_token(request, token, seconds)
  local copy, headers = {}, {}
  for name, value in pairs(request) do copy[name] = value end
  for name, value in pairs(request.headers) do
    if name:lower() ~= "authorization" then headers[name] = value end
  end
  headers.Authorization = "Bearer " .. token
  copy.headers, copy.timeout = headers, seconds
  return copy
end

-- Carries a request with the token of its target. A token that the target refuses is replaced once.
local function authorized(self, request, deadline)
  if not request.credentials then return self.perform(request) end
  local source, message, code = source_of(self, request.credentials, request)
  local hidden = {}
  for _ = 1, 2 do
    local token, detail
    if source then token, message, code, detail = source(left(request, deadline, self.clock)) end
    if not token then return failure("no token for it: " .. tostring(message), code or "auth", detail) end
    hidden[#hidden + 1] = token
    local reply = self.perform(with_token(request, token, left(request, deadline, self.clock)))
    reply.hidden = hidden
    if reply.status ~= 401 or not source:invalidate(token) or #hidden == 2 then return reply end
  end
end

-- The handshake, by the webhook specification 1.0.2 section 4.

local NOT_SENT = { ["idempotency-key"] = true, ["content-type"] = true, ["content-length"] = true }

local function options_request(request, origin)
  local headers = {}
  for name, value in pairs(request.headers) do
    if not NOT_SENT[name:lower()] and not name:lower():find("^ce%-") then headers[name] = value end
  end
  headers["WebHook-Request-Origin"] = origin
  return { method = "OPTIONS", url = request.url, headers = headers, timeout = request.timeout,
    ca_file = request.ca_file, proxy = request.proxy, credentials = request.credentials }
end

local ALONE = "; or, when its owner agrees without being asked, write handshake = false into the target"

-- Whether the answer gives permission. Its status says nothing (section 4.2).
local function judge(reply, origin, now)
  if reply.error then  -- also when the answer broke off after its status
    return nil, "the handshake: " .. tostring(reply.error), reply.refused and "refused" or reply.code or "network",
      { status = reply.refused }
  end
  local allowed = reply.headers and reply.headers["webhook-allowed-origin"]
  for word in (allowed or ""):gmatch("[^,%s]+") do
    if word == "*" or word:lower() == origin:lower() then return "allowed", FOR_EVER end
  end
  if reply.status == 429 or reply.status >= 500 and reply.status ~= 501 and not allowed then
    return nil, ("it answers the handshake (OPTIONS) with %d"):format(reply.status),
      reply.status == 429 and "throttled" or "server",
      { retry_after = http_date.retry_after(reply.headers or {}, now) }
  end
  local status = reply.status >= 400 and reply.status < 500 and reply.status or 403
  if allowed then
    return nil, ("it takes no events from '%s': its handshake allows another origin; ask its owner to allow this one"
      .. " (origin of the target sets it)"):format(origin), "refused", { status = status }
  end
  return nil, ("it gives no permission in the handshake (OPTIONS is answered %d without WebHook-Allowed-Origin): ask"
    .. " its owner to allow '%s'%s"):format(reply.status, origin, ALONE), "refused", { status = status }
end

local function handshake(self, request, deadline)
  local origin = request.origin or self.origin
  if not origin then
    return failure("the handshake wants a name: set origin in the target, or endpoint in the configuration", "refused",
      { status = 403 })
  end
  local key = request.url .. " " .. origin
  self.agreed[key] = self.agreed[key] or {}
  local agreed, message, code, detail = cache.token(self.agreed[key], {
    clock = self.clock, sleep = self.sleep, timeout = request.timeout,
  }, function(seconds)
    local asked = options_request(request, origin)
    asked.timeout = seconds
    local reply = authorized(self, asked, deadline)
    local agreement, why, kind, more = judge(reply, origin, self.clock())
    return agreement, why, agreement and self.clock() or kind, more
  end)
  if not agreed then return failure(message, code, detail) end
end

--- Carries a request of an effect.
---@param request table of a kind of effects
---@return table reply as altinn.events.rules.effects' judge takes it
function Delivery:send(request)
  if not request.credentials and not request.handshake then return self.perform(request) end
  request.timeout = request.timeout or TIMEOUT
  local deadline = self.clock() + request.timeout
  local refused = request.handshake and handshake(self, request, deadline)
  if refused then return refused end
  return authorized(self, request, deadline)
end

--- A delivery.
---@param options { perform: (fun(request: table): table), transport: function, clock: (fun(): number),
---  sleep: fun(seconds: number), maskinporten: (fun(options: table): table|nil, string|nil, string|nil), origin:
---  string|nil, environment: string|nil } perform: carries a request, gives a reply; transport: as altinn.events.client
---  takes it, for tokens; clock: seconds since 1970; origin: by which name targets are asked for permission
---@return table delivery
function M.new(options)
  local self = { sources = {}, agreed = {} }
  for name, value in pairs(options) do self[name] = value end
  return setmetatable(self, Delivery)
end

return M
