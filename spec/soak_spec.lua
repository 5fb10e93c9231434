-- Many events, a fifth of them twice, over 64 connections to two workers of nginx: none is lost, none is doubled.
-- SOAK=100000 makes them many; see `make soak`.
local http = require "spec.support.http"
local nginx = require "spec.support.nginx"
local sample = require "spec.support.sample"

local COUNT = tonumber(os.getenv "SOAK" or 3000)
local CONNECTIONS = 64

local HTTP = [[
  lua_shared_dict altinn_events 128m; lua_shared_dict taken 64m;
  init_by_lua_block { receive = require("altinn.events.resty").handler { dict = "altinn_events",
    on_event = function(event) ngx.shared.taken:incr(event.id, 1, 0) end } }
]]
local SERVER = [[
  keepalive_requests 1000000;
  location /events { content_by_lua_block { receive() } }
  location /taken { content_by_lua_block {
    local dict, once, more = ngx.shared.taken, 0, 0
    for _, id in ipairs(dict:get_keys(0)) do
      if dict:get(id) == 1 then once = once + 1 else more = more + 1 end
    end
    local text = once .. " " .. more
    ngx.header.content_length = #text
    ngx.print(text)
  } }
]]

local function request_of(id)
  local text = sample.text { id = id }
  return ("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s")
    :format(#text, text)
end

-- The ids to post, in order: every fifth was there before, perhaps a moment ago.
local function ids()
  local list, new = {}, 0
  math.randomseed(20)
  for number = 1, COUNT do
    if number % 5 == 0 then
      list[number] = ("id-%d"):format(math.random(math.max(1, new - 100), new))
    else
      new = new + 1
      list[number] = ("id-%d"):format(new)
    end
  end
  return list, new
end

describe(("%d events in nginx"):format(COUNT), function()
  it("are each taken once", function()
    local one = nginx.start { http = HTTP, server = SERVER, workers = 2 }
    finally(function() one:close() end)
    local clients, list, new = {}, ids()
    for i = 1, CONNECTIONS do clients[i] = http.connect(one.port, 30) end
    for first = 1, COUNT, CONNECTIONS do
      local last = math.min(first + CONNECTIONS - 1, COUNT)
      for at = first, last do clients[at - first + 1]:send(request_of(list[at])) end
      for at = first, last do assert.are.equal(200, (http.read(clients[at - first + 1]))) end
    end
    local _, _, text = one:request { path = "/taken", timeout = 60 }
    assert.are.equal(new .. " 0", text)
    for _, client in ipairs(clients) do client:close() end
  end)
end)
