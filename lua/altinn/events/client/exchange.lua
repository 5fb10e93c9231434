-- One call to Altinn: built and judged by the core, carried by a transport,
-- with the token, its renewal, retries and one deadline.
local cjson = require("cjson.safe").new()  -- an own instance: settings of the shared one would reach other code
local bodies = require "altinn.events.client.body"
local core = require "altinn.events.core"
local retry = require "altinn.events.client.retry"

local M = {}

local altinn = core.altinn
local BODY_KEPT = 2000  -- bytes of a reply's body in the detail of a failure

cjson.decode_invalid_numbers(false)

-- Values as the client gives them: members that are null are absent, whole
-- numbers are integers where the Lua has them.
local to_integer = math.tointeger or function(number) return number end

local function tidy(value)
  if type(value) == "number" then return to_integer(value) or value end
  if type(value) ~= "table" then return value end
  for key, member in pairs(value) do
    local kind = type(member)
    if kind == "table" then tidy(member)
    elseif kind == "number" then value[key] = tidy(member)
    elseif member == cjson.null and type(key) == "string" then value[key] = nil end
  end
  return value
end

--- The Lua value of a JSON text that was judged.
---@param text string
---@return any|nil value
---@return string|nil message
---@return string|nil code
function M.decode(text)
  local value, message = cjson.decode(text)
  if value == nil then return nil, "the reply is not whole JSON: " .. tostring(message), "syntax" end
  return tidy(value)
end

local function without(text, token)
  if not token or #token < 8 then return text end
  local from, to = text:find(token, 1, true)
  while from do
    text = text:sub(1, from - 1) .. "<token>" .. text:sub(to + 1)
    from, to = text:find(token, from + 7, true)
  end
  return text
end

-- Takes the token out of texts that people see; a server may echo it.
local function hide(text, token) return core.mask(without(text, token)) end

local function excerpt(body, token)
  -- Hide the token before the text is cut: half a token would not be found.
  body = hide(body:sub(1, BODY_KEPT + 16384), token)
  return #body > BODY_KEPT and body:sub(1, BODY_KEPT):gsub("%d*[\192-\255]?[\128-\191]*$", "") .. "…" or body
end

local function failure_of(answer, reply, token)
  local after = retry.after(reply.headers)
  return {
    message = hide(answer.message, token), code = answer.code, retry = answer.retry, after = after,
    renew = answer.renew, answered = true,
    detail = {
      status = reply.status, number = answer.number, position = answer.position,
      text = answer.text and hide(answer.text, token), trace = answer.trace, retry_after = after,
      temporary = answer.temporary or false, fetch = answer.fetch, body = excerpt(reply.body, token),
    },
  }
end

local function transport_failure(message, code, token, detail)
  code = type(code) == "string" and code or "network"
  message = "Altinn was not reached: " .. tostring(message or "the transport gave no reply")
  return {
    message = hide(message, token), code = code,
    retry = retry.is_soon(code),
    detail = { temporary = retry.is_soon(code), not_sent = detail.not_sent == true, stage = detail.stage },
  }
end

-- Checks and normalizes a reply, because the caller may have supplied the transport.
local function normal(reply, most)
  if type(reply) ~= "table" or type(reply.status) ~= "number" or reply.status % 1 ~= 0 then
    return nil, "the transport's reply has no status", "unsupported"
  end
  local headers = {}
  for name, value in pairs(reply.headers or {}) do
    if type(name) == "string" then headers[name:lower()] = type(value) == "table" and value[1] or tostring(value) end
  end
  local body = reply.body == nil and "" or reply.body
  if type(body) ~= "string" then return nil, "the transport's reply has a body that is no text", "unsupported" end
  if most and #body > most then return nil, ("the reply is larger than %d bytes"):format(most), "too_large" end
  return { status = to_integer(reply.status), headers = headers, body = body }
end

local AS_IT_IS = { content = true, download = true }

local function judge(name, reply)
  local fine = reply.status < 300
  local fault = fine and (AS_IT_IS[name] and bodies.fault or bodies.coding_fault)(reply.headers)
  return fault or altinn.judge(name, reply.status, reply.body)
end

-- The token

-- The token that was found clean last, and its header: most calls have the one of the call before, and it is long.
local last_clean, last_header

local function clean_token(token)
  if token ~= nil and token == last_clean then return token end
  if type(token) ~= "string" then return nil, "the source of tokens gave no text", "auth" end
  token = token:match("^%s*(.-)%s*$")
  if token == "" then return nil, "the token is empty", "auth" end
  if token:find("[%c%s]") or token:find("[\128-\255]") then
    return nil, "the token holds characters that no token has: is it the right text?", "auth"
  end
  last_clean, last_header = token, "Bearer " .. token
  return token
end

-- Our own sources of tokens get the time that is left; any other function is called without arguments.
local function token_of(source, left)
  if type(source) == "string" then return clean_token(source) end
  local token, message, code, detail = source(type(source) == "table" and left or nil)
  if not token then return nil, message or "there is no token", code or "auth", detail end
  return clean_token(token)
end

-- Whether the next token may be another one: a source that has `invalidate`
-- decides, false means that asking again is useless.
local function renew(source, token, number)
  if type(source) == "string" then return false end
  if type(source) ~= "table" or not source.invalidate then return true end
  return source:invalidate(token, number) ~= false
end

-- One exchange

local function headers_of(client, request, token)
  local headers = { Authorization = token == last_clean and last_header or "Bearer " .. token, Accept = request.accept }
  headers["Content-Type"] = request.content_type
  headers["Ocp-Apim-Subscription-Key"] = client.subscription_key
  return headers
end

-- A transport without streaming gives the whole body: it goes to the sink here.
local function deliver(sink, reply)
  if not sink or reply.status < 200 or reply.status > 299 or reply.body == "" then return true end
  local verdict, why = sink(reply.body, reply)
  reply.body = ""
  if verdict == false then return nil, why or "the sink wants no more", "cancelled" end
  return true
end

local function exchange(client, name, request, token, left, sink)
  local most = not sink and altinn.most(name) or nil
  local reply, message, code, detail = client.transport {
    method = request.method, url = client.base .. request.target, headers = headers_of(client, request, token),
    body = request.body, timeout = left, max_body = altinn.most(name), ca_file = client.ca_file, sink = sink,
  }
  if reply then reply, message, code = normal(reply, most) end
  local fine = reply
  if reply then fine, message, code = deliver(sink, reply) end
  if not fine then
    return nil, transport_failure(message, code, token, type(detail) == "table" and detail or {})
  end
  -- Hide the token first: the judge cuts sentences, and half a token would not be found.
  if reply.status > 299 then reply.body = without(reply.body, token) end
  local answer = judge(name, reply)
  if answer.code ~= "ok" then return nil, failure_of(answer, reply, token) end
  reply.already, reply.number = answer.already or false, answer.number
  return reply
end

local function out_of_time()
  return { message = "no time is left for the call", code = "timeout", detail = { temporary = true, not_sent = true } }
end

-- Without a token nothing of the call was sent. A temporary failure to get one is retried like the call itself.
local function token_failure(message, code, detail)
  local copy = { temporary = retry.is_soon(code) }
  for name, value in pairs(detail or {}) do copy[name] = value end
  copy.not_sent = true
  return { message = message, code = code, detail = copy, retry = retry.is_soon(code), after = copy.retry_after }
end

-- One attempt; when the server refuses the token, once more with a new token.
local function attempt(client, name, request, left, sink)
  local deadline = altinn.clock() + left
  local token, message, code, detail = token_of(client.token, left)
  local reply, failure, refused
  for round = 1, 2 do
    if not token then return nil, token_failure(message, code, detail) end
    if token == refused then break end
    left = deadline - altinn.clock()
    if left <= 0 then return nil, out_of_time() end
    reply, failure = exchange(client, name, request, token, left, sink)
    if reply or not failure.renew or round == 2 then break end
    if not renew(client.token, token, failure.detail.number) then break end
    refused = token
    token, message, code, detail = token_of(client.token, deadline - altinn.clock())
  end
  return reply, failure
end

-- Told of each call that is over; see M.watch.
local watcher

--- Sets the function that is told of each call that is over; nil: nobody.
---@param told fun(name: string, wish: table, reply: table|nil, failure: { code: string, detail: table }|nil)|nil
function M.watch(told) watcher = told end

--- Carries out a call.
---@param client table base, token, transport, timeout, attempts, sleep, ca_file, subscription_key
---@param name string of the call, as the core knows it
---@param wish table what the core takes
---@param options { timeout: number|nil, sink: function|nil, may_retry: (fun(): boolean)|nil,
---  forgive: (fun(failure: table): boolean)|nil }|nil `may_retry` is asked after a failure; `forgive` may take the
---  failure of a later attempt for success, because an earlier one had an effect that nobody heard of
---@return table|nil reply status, headers, body, already, warning
---@return string|nil message
---@return string|nil code
---@return table|nil detail not_sent: whether it is certain that no attempt has written a byte of the request
function M.perform(client, name, wish, options)
  options = options or {}
  local request, message, code, detail = altinn.request(name, wish)
  if not request then return nil, message, code, detail end
  local maybe_sent = false
  local reply, failure = retry.run({
    timeout = options.timeout or client.timeout, attempts = client.attempts, sleep = client.sleep,
  }, function(left, number)
    if left <= 0 then return nil, out_of_time() end
    local got, why = attempt(client, name, request, left, options.sink)
    if got then return got end
    maybe_sent = maybe_sent or not (why.detail and why.detail.not_sent)
    if number > 1 and why.answered and options.forgive and options.forgive(why) then
      return { status = why.detail.status, headers = {}, body = "", already = true }
    end
    if options.may_retry and not options.may_retry() then why.retry = false end
    return nil, why
  end)
  if watcher then watcher(name, wish, reply, failure) end
  if not reply then
    failure.detail = failure.detail or {}
    failure.detail.call = name
    failure.detail.not_sent = not maybe_sent
    return nil, failure.message, failure.code, failure.detail
  end
  reply.warning = request.warning
  return reply
end

return M
