-- The webhook without a server: judges a request, gives its events or the answer. It is for other servers (OpenResty,
-- HAProxy, lighttpd); the host gives the same answers in C.
local core = require "altinn.events.core"
local events = require "altinn.events"
local schema = require "altinn.events.support.schema"

local M = {}

local MAX_BYTES = 256 * 1024  -- CloudEvents 1.0.2 §5 asks for 64 KiB at least
local NAME_BYTES = 128
local HEADER_BYTES = 16 * 1024

local TITLES = {
  [400] = "Bad Request", [401] = "Unauthorized", [404] = "Not Found", [405] = "Method Not Allowed",
  [413] = "Content Too Large", [415] = "Unsupported Media Type", [431] = "Request Header Fields Too Large",
  [503] = "Service Unavailable",
}

local STATUS = { too_large = 413, unsupported = 415, memory = 503 }

-- Problem details (RFC 9457), member by member as the host writes them.

local quote = core.quote

local function faults_text(faults)
  local parts = {}
  for index, fault in ipairs(faults) do
    parts[index] = ('{"position":%d,"code":%s,"attribute":%s,"message":%s}'):format(fault.position or 0,
      quote(fault.code), quote(fault.attribute or ""), quote(fault.message))
  end
  return '"faults":[' .. table.concat(parts, ",") .. "]"
end

local function problem_text(status, code, message, detail)
  local parts = {
    '{"type":"about:blank","status":' .. status, '"title":' .. quote(TITLES[status]), '"code":' .. quote(code),
    '"detail":' .. quote(message),
  }
  if detail.position then parts[#parts + 1] = ('"position":%d'):format(detail.position) end
  if detail.index then parts[#parts + 1] = ('"index":%d'):format(detail.index) end
  if (code == "invalid" or code == "not_cloudevent") and detail.faults and #detail.faults > 0 then
    local attribute = detail.faults[1].attribute
    if attribute and attribute ~= "" then parts[#parts + 1] = '"attribute":' .. quote(attribute) end
    parts[#parts + 1] = faults_text(detail.faults)
  end
  return table.concat(parts, ",") .. "}\n"
end

--- A refusal as the host gives it.
---@param status integer
---@param code string one of the module's codes
---@param message string for people; must hold no identity number
---@param detail table|nil `position`, `index`, `faults`
---@return { status: integer, headers: table<string, string>, body: string } answer
function M.refusal(status, code, message, detail)
  local headers = { ["Content-Type"] = "application/problem+json" }
  if status == 405 then headers.Allow = "POST, OPTIONS" end
  if status == 503 then headers["Retry-After"] = "5" end
  return { status = status, headers = headers, body = problem_text(status, code, message, detail or {}) }
end

-- The handshake of the CloudEvents webhook specification 1.0.2, §4.
local function handshake(headers)
  local answer = { status = 200, headers = { Allow = "POST, OPTIONS" }, body = "" }
  local origin = headers["webhook-request-origin"]
  if type(origin) == "table" then origin = origin[1] end
  if origin and origin ~= "" then
    answer.headers["WebHook-Allowed-Origin"] = origin
    answer.headers["WebHook-Allowed-Rate"] = "*"
  end
  return answer
end

local Webhook = {}
Webhook.__index = Webhook

-- The text after a secret, "" when there is none; nil when the secret is another one. The comparison takes the same
-- time wherever the first difference is.
local function after_secret(rest, secret)
  if not core.same(rest:sub(1, #secret), secret) then return nil end
  if #rest == #secret then return "" end
  return rest:sub(#secret + 1, #secret + 1) == "/" and rest:sub(#secret + 2) or nil
end

local function name_of(self, rest)
  if #self.secrets == 0 then return rest:match("^[^/]*/(.*)$") or "" end
  local found
  for _, secret in ipairs(self.secrets) do found = after_secret(rest, secret) or found end
  return found
end

-- Judges the path /events[/{secret}[/{name}]]; the site may have another prefix than /events.
local function judge_path(self, path)
  if path:sub(1, #self.path) ~= self.path then path = "" end
  local rest = path:sub(#self.path + 1)
  if path == "" or (rest ~= "" and rest:sub(1, 1) ~= "/") then
    return M.refusal(404, "not_found", "there is nothing here; events go to /events/{secret}")
  end
  local name = name_of(self, rest:sub(2))
  if not name then return M.refusal(401, "auth", "the secret in the path is missing or wrong") end
  if #name > NAME_BYTES or name:find("[%z\1-\31\127/]") or not core.is_utf8(name) then
    return M.refusal(404, "not_found", "the name after the secret is too long, or holds characters that a name cannot"
      .. " have")
  end
  return nil, name
end

local function too_large(self)
  return M.refusal(413, "too_large", ("the body is larger than the limit of %d bytes"):format(self.max_bytes))
end

-- The mode of a request. The media type alone decides it for most requests, which saves reading the headers.
local function mode_of(headers)
  local media = headers["content-type"]
  if type(media) == "string" and media:sub(1, 29):lower() == "application/cloudevents+json;" then
    return "structured"
  end
  return core.http_mode(headers)
end

-- RFC 9110 §8.4 and §5.6.1: a list of codings, which may be empty.
local function is_encoded(codings)
  if codings == nil then return false end
  if type(codings) == "table" then codings = table.concat(codings, ",") end
  for coding in tostring(codings):gmatch("[^,]+") do
    coding = coding:match("^[ \t]*(.-)[ \t]*$"):lower()
    if coding ~= "" and coding ~= "identity" then return true end
  end
  return false
end

local function judge_media(headers, mode)
  if is_encoded(headers["content-encoding"]) then
    return M.refusal(415, "unsupported", "Content-Encoding is not supported: send the event as it is")
  end
  if mode == "unsupported" then
    return M.refusal(415, "unsupported", "Content-Type must be application/cloudevents+json,"
      .. " application/cloudevents-batch+json or application/json, or the event in ce- headers")
  end
end

--- Judges the method, the path and the headers, before the body is read.
---@param request { method: string, path: string, headers: table<string, string|string[]>, header_bytes: integer|nil }
---  `path` decoded and without the query; names of headers in lower case; header_bytes: of all of them, where the
---  server does not bound them; gets `mode`
---@return table|nil answer { status, headers, body } when the request is answered already
---@return string|nil name of the subscription, "" without one, when it is not
function Webhook:head(request)
  local refusal, name = judge_path(self, request.path)
  if refusal then return refusal end
  if request.method == "OPTIONS" then return handshake(request.headers) end
  if request.method ~= "POST" then return M.refusal(405, "unsupported", "events come by POST") end
  if (request.header_bytes or 0) > HEADER_BYTES then
    return M.refusal(431, "too_large", "the headers have more than 16 KiB")
  end
  local length = tonumber(request.headers["content-length"])
  if length and length > self.max_bytes then return too_large(self) end
  request.mode = mode_of(request.headers)
  refusal = judge_media(request.headers, request.mode)
  if refusal then return refusal end
  return nil, name
end

-- A list of one event; or the failure as it is.
local function listed(event, message, code, detail)
  if not event then return nil, message, code, detail end
  return { event }
end

--- Judges the body of a request whose head was right.
---@param request { headers: table, body: string, mode: string } the request that `head` judged, with its body
---@return table|nil answer when it is refused
---@return table[]|nil list the events, when it is not
function Webhook:body(request)
  local body = request.body
  if #body > self.max_bytes then return too_large(self) end
  if body == "" and request.mode ~= "binary" then return M.refusal(400, "syntax", "the body is empty") end
  local list, message, code, detail
  if request.mode == "structured" then
    list, message, code, detail = listed(events.parse(body, self.limits))
  else
    list, message, code, detail = events.from_http(request.headers, body, self.limits)
  end
  if not list then return M.refusal(STATUS[code] or 400, code, message, detail) end
  return nil, list
end

--- The answer to a request whose events were taken.
---@return { status: integer, headers: table, body: string } answer
function M.accepted() return { status = 200, headers = {}, body = "" } end

--- The answer to a request whose events were not taken now: Altinn sends them again.
---@param message string why, masked
---@param seconds number|nil after which it may
---@return { status: integer, headers: table, body: string } answer
function M.later(message, seconds)
  local answer = M.refusal(503, "server", message)
  if seconds then answer.headers["Retry-After"] = ("%d"):format(math.min(math.max(1, math.ceil(seconds)), 86400)) end
  return answer
end

local OPTIONS = { secret = true, max_bytes = true, path = true }

local function secrets_of(secret)
  local list = type(secret) == "table" and secret or { secret }
  for _, one in ipairs(list) do
    if type(one) ~= "string" or one == "" then error("secret: a text, or a list of texts, is wanted", 3) end
  end
  return list
end

--- A webhook.
---@param options { secret: string|string[]|nil, max_bytes: integer|nil, path: string|nil }|nil secret: the last part of
---  the endpoint's address, several while it is being changed, none: any is right; max_bytes: of a body, 256 KiB;
---  path: "/events"
---@return table webhook methods head and body
function M.new(options)
  options = options or {}
  schema.keys("webhook.new", options, OPTIONS, 2)
  local max_bytes = options.max_bytes or MAX_BYTES
  return setmetatable({
    secrets = secrets_of(options.secret), max_bytes = max_bytes, limits = { max_bytes = max_bytes },
    path = options.path or "/events",
  }, Webhook)
end

return M
