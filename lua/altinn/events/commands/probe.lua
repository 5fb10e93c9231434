-- Tries the endpoint as Altinn does: posts a validation event (Altinn/altinn-events
-- src/Events/Services/SubscriptionService.cs).
local M = {}

--- The request.
---@param address string with the secret
---@return table request as the usual transport takes it
function M.request(address)
  return {
    method = "POST", url = address, headers = { ["Content-Type"] = "application/json; charset=utf-8" },
    body = '{"specversion":"1.0","id":"altinn-events-doctor","source":"urn:altinn-events:doctor/0",'
      .. '"type":"platform.events.validatesubscription"}',
  }
end

--- The way out of an answer; nil for a 2xx.
---@param status integer
---@param shown string the address without its secret
---@return string|nil fix
function M.fix(status, shown)
  if status >= 200 and status < 300 then return nil end
  if status == 401 then
    return "the running host has another secret: restart it, so that it reads this configuration"
  elseif status >= 300 and status < 400 then
    return "redirects are not followed, and Altinn turns a redirected POST into a GET: give the address that answers"
      .. " without a redirect"
  elseif status == 502 or status == 504 then
    return "the proxy does not reach the host: is 'altinn-events run' running?"
  elseif status == 503 then
    return "the host is shutting down, or its disk is full: look at its log"
  end
  return "the proxy must pass POST " .. shown .. " on to the host's /events/…"
end

return M
