-- Effects of the kind `send.http`: an HTTP request to a target.
local base64 = require "altinn.events.support.base64"
local core = require "altinn.events.core"
local field = require "altinn.events.support.http_field"
local json = require "altinn.events.support.json"
local octets = require "altinn.events.support.octets"
local targets = require "altinn.events.rules.effects.target"
local text = require "altinn.events.support.text"
local url = require "altinn.events.support.url"

local M = {}

M.about = "an HTTP request"
M.sent = "the answer is a 2xx"
M.carrier, M.takes = "http", { "url" }
M.keys = targets.of_http("url", "address that requests go to; an effect's path is put after it, before its query")
M.sample = { url = "http://127.0.0.1" }
M.stand_ins = { path = "/", method = "POST", body = "", json = true }

M.words = {
  { "path", "string|nil", "is added to the target's url; begins with one slash" },
  { "method", '"POST"|"PUT"|"PATCH"|"DELETE"|nil', "POST when it is left out" },
  { "headers", "table<string, string|number>|nil", "of this request" },
  { "json", "any", "a value, sent as JSON" },
  { "body", "string|nil", "octets, instead of json" },
}

local METHODS = { POST = true, PUT = true, PATCH = true, DELETE = true }
local TIMEOUT = 30  -- seconds, when the target names none

--- Checks the fields when the effect is made.
---@param fields table
---@return string|nil message
function M.check(fields)
  if fields.json ~= nil and fields.body ~= nil then return "json and body exclude each other" end
end

-- Sets a header; it replaces a header of the same name in any case of letters.
local function set_header(headers, name, value)
  for other in pairs(headers) do
    if other:lower() == name:lower() then headers[other] = nil end
  end
  headers[name] = value
end

local function add_headers(headers, fields)
  for name, value in pairs(fields or {}) do
    if not field.is_name(name) then
      return nil, ("'%s' is no name of an HTTP header"):format(tostring(name):gsub("%c", "?"))
    end
    if type(value) ~= "string" and type(value) ~= "number" then
      return nil, ("the header %s must be a text, not a %s"):format(name, type(value))
    end
    value = tostring(value)
    if not field.is_value(value) then
      return nil, ("the header %s holds a control character"):format(name)
    end
    set_header(headers, name, value)
  end
  return headers
end

local function has_header(headers, wanted)
  for name in pairs(headers) do
    if name:lower() == wanted then return true end
  end
  return false
end

local function set_body(record, effect)
  if effect.json ~= nil then
    if core.is_event(effect.json) then
      return nil, "json: an event is no plain value: write body = events.encode(event), or json = events.totable(event)"
    end
    local body, message = json.encode(effect.json)
    if not body then return nil, "json: " .. message end
    record.body, record.media = body, "application/json"
  elseif effect.body ~= nil then
    if type(effect.body) ~= "string" then return nil, "body must be a text: a table goes into json" end
    octets.store(record, effect.body)
    record.media = "application/octet-stream"
  end
  return true
end

--- The record of an effect: a table that JSON can hold. The target's address and headers are not in it, because its
--- credentials may have changed when the effect is sent.
---@param effect table made by send.http(target) { … }
---@return { method: string, path: string|nil, headers: table, body: string|nil, octets: string|nil, media: string|nil
---  }|nil record media: the type of the body, where no header names one
---@return string|nil message
function M.record(effect)
  local record = { method = effect.method or "POST", path = effect.path }
  if not METHODS[record.method] then
    return nil, ("the method must be POST, PUT, PATCH or DELETE, not '%s'"):format(tostring(record.method))
  end
  local ok, message
  if record.path ~= nil then
    message = url.path_fault(record.path) or targets.person_fault("the path", record.path)
  end
  if message then return nil, message end
  record.headers, message = add_headers({}, effect.headers)
  if not record.headers then return nil, message end
  ok, message = set_body(record, effect)
  if not ok then return nil, message end
  return record
end

--- What a target lacks, or what excludes each other in it.
---@param target table
---@return string|nil message
function M.complete(target)
  if target.token and target.maskinporten then return "has token and maskinporten, which exclude each other" end
  for _, name in ipairs { "url", "client_id", "client_secret" } do
    if target.token and target.token[name] == nil then return ("lacks token.%s"):format(name) end
  end
end

--- What is wrong with a target beside its keys.
---@param target table
---@return string|nil message
function M.target_problem(target)
  local _, message = add_headers({}, target.headers)
  return message or M.complete(target)
end

--- The request that carries a record to an address.
---@param address string
---@param record table from M.record, or read from the inbox
---@param target table headers, timeout, ca_file, proxy, token, maskinporten
---@param key string
---@return { method: string, url: string, headers: table, body: string, timeout: number, ca_file: string|nil, proxy:
---  string|false|nil, credentials: table|nil } request credentials: what altinn.events.rules.delivery makes the
---  Authorization of
function M.to(address, record, target, key)
  local headers = assert(add_headers({}, target.headers))
  assert(add_headers(headers, record.headers))
  set_header(headers, "Idempotency-Key", key)
  if record.media and not has_header(headers, "content-type") then headers["Content-Type"] = record.media end
  return {
    method = record.method, headers = headers, timeout = tonumber(target.timeout) or TIMEOUT,
    ca_file = target.ca_file, proxy = target.proxy, url = url.join(address, record.path),
    body = octets.content(record),
    credentials = (target.token or target.maskinporten)
      and { token = target.token, maskinporten = target.maskinporten } or nil,
  }
end

--- The request that carries a record to its target.
---@param record table from M.record, or read from the inbox
---@param target table
---@param key string
---@return table request
function M.request(record, target, key) return M.to(target.url, record, target, key) end

-- A word as servers write it: as it is, as PHP writes it in JSON, percent-encoded.
local function forms_of(word)
  local encoded = word:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end)
  return { word, (word:gsub("/", "\\/")), encoded }
end

local function hide_words(excerpt, secret)
  for word in tostring(secret):gmatch("%S+") do
    if #word >= 8 then
      for _, form in ipairs(forms_of(word)) do excerpt = text.replace(excerpt, form, "…") end
    end
  end
  return excerpt
end

-- The words of an address that may be secret: who signs in, as it is and as the header Authorization has it, and the
-- values of the query.
local function words_of_address(address)
  local words = {}
  local who = address:match("^%a[%w+.-]*://([^/?#@]*)@")
  if who then
    local plain = who:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
    words = { base64.encode(plain), who:match(":(.*)"), plain:match(":(.*)") }
  end
  for value in (address:match("%?([^#]*)") or ""):gmatch("[^&;]+") do
    words[#words + 1] = value:match("=(.*)") or value
  end
  return words
end

-- Hides what may be a secret and the server may echo: the words of the target's headers, the path of an address that is
-- itself a secret, the secret words of any address, the secret of its client, and the token.
local function hide(excerpt, target, hidden)
  for _, value in pairs(target.headers or {}) do excerpt = hide_words(excerpt, value) end
  for _, name in ipairs { "slack", "teams" } do
    local path = tostring(target[name] or ""):gsub("^%a+://[^/]*/?", "")
    excerpt = hide_words(hide_words(excerpt, path), (path:gsub("[/?&=]", " ")))
  end
  for _, word in ipairs(words_of_address(target.url or target.slack or target.teams or "")) do
    excerpt = hide_words(excerpt, word)
  end
  if target.token then excerpt = hide_words(excerpt, target.token.client_secret or "") end
  for _, word in ipairs(hidden or {}) do excerpt = hide_words(excerpt, word) end
  return excerpt
end

local NOT_FOLLOWED = " (redirects are not followed: give the target the address that answers)"
local BY_PROXY = ", by way of the proxy that http_proxy names"
local BY_OWN = ", by way of the target's proxy"

---@class altinn.events.effect_outcome
---@field state "sent"|"refused"|"not_sent"|"unknown"
---@field status integer|nil of the answer
---@field answer string|nil the first KiB of the answer's body, masked
---@field reason string|nil why it is not "sent"
---@field kind string|nil class of a failure without a status: network, timeout, tls, …
---@field stage string|nil of a failure of the class "network": resolve, connect, broken
---@field cause string|nil a text that is the same for the same fault; nil: made of kind or status
---@field headers table|nil of the answer, when the state is "refused"

-- What a reply without an answer comes to.
local function unanswered(name, reply)
  if reply.refused then
    return { state = "refused", status = reply.refused, reason = ("target '%s': %s"):format(name, reply.error) }
  end
  return { state = reply.not_sent and "not_sent" or "unknown", kind = reply.code or "network", stage = reply.stage,
    reason = ("target '%s': %s"):format(name, reply.error or "no answer") }
end

--- The outcome of an effect, by the reply to its request.
---@param name string the target's
---@param target table
---@param reply { status: integer|nil, headers: table|nil, body: string|nil, error: string|nil,
---  code: string|nil, not_sent: boolean|nil, proxied: boolean|nil, refused: integer|nil, hidden: string[]|nil }
---  not_sent: no byte of the request went out; proxied: a proxy
---  stood between; refused: nothing was sent, because the target does not want it, as if it had answered with that
---  status; hidden: secrets that the answer may hold. An answer that broke off after its status, or is too long, has a
---  status and a code: the status says what became of the request (RFC 9112 section 8)
---@return altinn.events.effect_outcome outcome
function M.judge(name, target, reply)
  local status = reply.status or 0
  if status < 200 then return unanswered(name, reply) end
  local body = reply.body and reply.body ~= "" and hide(reply.body:sub(1, 8192), target, reply.hidden)
  local answer = body and text.excerpt(body) or nil
  if status >= 200 and status < 300 then return { state = "sent", status = status, answer = answer } end
  local way = reply.proxied and (target.proxy and BY_OWN or BY_PROXY) or ""
  return {
    state = "refused", status = status, answer = answer, headers = reply.headers,
    reason = ("target '%s' answered %d%s%s%s"):format(name, status, way,
      status >= 300 and status < 400 and NOT_FOLLOWED or "", answer and ": " .. text.cut(answer, 200) or ""),
  }
end

local FIXES = {
  tls = "is its certificate trusted (ca_file in the target names its authorities), and does this port speak TLS?",
  timeout = "does a firewall or a proxy stand between? proxy in the target names a proxy",
  network = targets.REACH,
  auth = "correct token or maskinporten in the target", forbidden = "correct token or maskinporten in the target",
}

-- What the answer to OPTIONS says of send.cloudevent.
local function permission(target, reply, origin)
  local allowed = reply.headers and reply.headers["webhook-allowed-origin"]
  if allowed then return ("; send.cloudevent may come from %s"):format(text.harmless(allowed)) end
  if target.handshake == false or not target.url or not origin then return "" end
  return "; it gives no permission for send.cloudevent, which handshake = false does without"
end

--- Tries a target: connects, with TLS and a token, and asks OPTIONS.
---@param address string
---@param target table
---@param tools { send: (fun(request: table): table), origin: string|nil }
---@return "ok"|"warning"|"failed" status
---@return string message
---@return string|nil fix
function M.try_at(address, target, tools)
  local request = M.to(address, { method = "OPTIONS", headers = {} }, target, "doctor")
  local origin = target.origin or tools.origin
  request.headers["Idempotency-Key"], request.body = nil, nil
  if target.url then request.headers["WebHook-Request-Origin"] = origin end
  local reply = tools.send(request)
  local status = reply.status or 0
  if reply.error then
    return "failed", hide(tostring(reply.error), target, reply.hidden), FIXES[reply.code] or FIXES.network
  end
  local secure = address:find("^https:") and ", its certificate is trusted" or ""
  local token = request.credentials and ", a token was fetched" or ""
  if status == 401 or status == 407 then
    return "warning", ("it answers OPTIONS with %d%s"):format(status, token),
      "are headers or token of the target right? Some servers want none for OPTIONS"
  end
  return status >= 500 and status ~= 501 and "warning" or "ok",
    ("it answers (OPTIONS: %d)%s%s%s"):format(status, secure, token, permission(target, reply, origin))
end

--- Tries a target without an effect there.
---@param target table
---@param tools table
---@return "ok"|"warning"|"failed" status
---@return string message
---@return string|nil fix
function M.try(target, tools) return M.try_at(target.url, target, tools) end

return M
