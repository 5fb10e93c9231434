-- HAProxy (Lua 5.3): judges what comes in at the edge, so that only whole
-- events of Altinn reach the service behind, in whatever language it is. Its
-- own 2xx is what Altinn gets. Nothing here waits or blocks.
-- luacheck: globals core
local webhooks = require "altinn.events.webhook"

local webhook = webhooks.new { secret = assert(os.getenv "WEBHOOK_SECRET", "WEBHOOK_SECRET is not set") }

-- HAProxy gives each field as a list that begins with 0.
local function headers_of(transaction)
  local headers = {}
  for name, values in pairs(transaction.http:req_get_headers()) do
    local list = {}
    for index = 0, #values do list[#list + 1] = values[index] end
    headers[name] = #list > 1 and list or list[1]
  end
  return headers
end

local function refuse(transaction, answer)
  local reply = transaction:reply { status = answer.status, body = answer.body }
  for name, value in pairs(answer.headers) do reply:add_header(name, value) end
  transaction:done(reply)
end

core.register_action("altinn_events", { "http-req" }, function(transaction)
  local request = {
    method = transaction.sf:method(), path = transaction.sf:path(), headers = headers_of(transaction),
    body = transaction.sf:req_body(),
  }
  local answer, name = webhook:head(request)
  if not answer then
    answer = webhook:body(request)
    transaction:set_var("txn.altinn_name", name)
  end
  if answer then refuse(transaction, answer) end
end)
