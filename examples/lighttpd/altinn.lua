-- lighttpd's mod_magnet (Lua 5.4, lighttpd 1.4.60 or newer): judges what comes in before it is passed on to the service
-- behind. lighttpd runs the whole file for each request, and again when the body is there; one event loop serves all,
-- so nothing here waits. It answers the status that the file returns; 0 lets the request go on; an error is a 500.
-- luacheck: globals lighty
local webhooks = require "altinn.events.webhook"

local webhook = webhooks.new { secret = assert(os.getenv "WEBHOOK_SECRET", "WEBHOOK_SECRET is not set") }
local r = lighty.r

local function headers_of(list)
  local headers = {}
  for name, value in pairs(list) do headers[name:lower()] = value end
  return headers
end

-- The text ends with the body: lighttpd 1.4.69 gives the head before it where both came in one piece.
local function body_of(body)
  local length = body.len
  return length > 0 and body.get:sub(-length) or ""
end

local request = { method = r.req_attr["request.method"], path = r.req_attr["uri.path"],
  headers = headers_of(r.req_header) }
local answer = webhook:head(request)
if not answer then
  if not r.req_body.collect then return 0 end  -- runs again when the body is whole
  request.body = body_of(r.req_body)
  answer = webhook:body(request)
end
if not answer then return 0 end  -- goes on to the service
for name, value in pairs(answer.headers) do r.resp_header[name] = value end
r.resp_body.set(answer.body)
return answer.status
