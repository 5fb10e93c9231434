-- The host, nginx and plain Lua answer 10,000 posted texts with the same status and the same bytes.
local corpus = require "spec.support.corpus"
local host = require "spec.support.host"
local http = require "spec.support.http"
local nginx = require "spec.support.nginx"
local webhooks = require "altinn.events.webhook"

local HEADERS = { ["Content-Type"] = "application/json" }

-- Posts on one connection, and opens another when that is closed.
local function poster(port)
  local client = http.connect(port, 30)
  local function post(text)
    return http.request(port, { client = client, method = "POST", path = "/events", headers = HEADERS, body = text })
  end
  return function(text)
    local status, headers, body = post(text)
    if not status then
      client:close()
      client = http.connect(port, 30)
      status, headers, body = post(text)
    end
    if (headers.connection or ""):lower() == "close" then
      client:close()
      client = http.connect(port, 30)
    end
    return status, body
  end
end

local function plain(webhook, text)
  local request = { method = "POST", path = "/events", body = text,
    headers = { ["content-type"] = "application/json" } }
  local answer = webhook:head(request) or webhook:body(request) or webhooks.accepted()
  return answer.status, answer.body
end

describe("10,000 texts posted to the host and to nginx", function()
  it("get the answers that plain Lua gives", function()
    local one = host.start {}
    local two = nginx.start {
      http = [[lua_shared_dict altinn_events 64m; init_by_lua_block {
        receive = require("altinn.events.resty").handler { dict = "altinn_events", on_event = function() end } }]],
      server = "keepalive_requests 1000000; location /events { content_by_lua_block { receive() } }",
    }
    finally(function()
      one:close()
      two:close()
    end)
    local webhook, to_host, to_nginx = webhooks.new(), poster(one.port), poster(two.port)
    corpus.each(function(text, number)
      local status, body = plain(webhook, text)
      local what = ("%d: %s"):format(number, text)
      local host_status, host_body = to_host(text)
      if host_status ~= status or host_body ~= body then
        assert.are.same({ status, body }, { host_status, host_body }, "the host, " .. what)
      end
      local nginx_status, nginx_body = to_nginx(text)
      if nginx_status ~= status or nginx_body ~= body then
        assert.are.same({ status, body }, { nginx_status, nginx_body }, "nginx, " .. what)
      end
    end)
  end)
end)
