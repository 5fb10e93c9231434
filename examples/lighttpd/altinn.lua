-- lighttpd's mod_magnet (Lua 5.4): judges what comes in before it is passed
-- on to the service behind. One event loop serves all, so nothing here waits.
-- luacheck: globals lighty
local webhooks = require "altinn.events.webhook"

local webhook = webhooks.new { secret = assert(os.getenv "WEBHOOK_SECRET", "WEBHOOK_SECRET is not set") }

local function headers_of(list)
  local headers = {}
  for name, value in pairs(list) do headers[name:lower()] = value end
  return headers
end

return function(r)
  local request = { method = r.req_attr["request.method"], path = r.req_attr["uri.path"],
    headers = headers_of(r.req_header) }
  local answer = webhook:head(request)
  if not answer then
    if not r.req_body.collect() then return 0 end  -- called again when the body is whole
    request.body = r.req_body.get or ""
    answer = webhook:body(request)
  end
  if not answer then return 0 end  -- goes on to the service
  for name, value in pairs(answer.headers) do r.resp_header[name] = value end
  r.resp_body.set(answer.body)
  return answer.status
end
