-- Many events, a fifth of them twice, over 64 connections to two workers of nginx: none is lost, none is doubled.
-- SOAK=100000 makes them many; see `make soak`.
local http = require "spec.support.http"
local nginx = require "spec.support.nginx"
local sample = require "spec.support.sample"

local COUNT = tonumber(os.getenv "SOAK" or 3000)
local CONNECTIONS = 64

-- Taken at once; and by a rule that waits, fails now and then, and sends two effects.
local TAKERS = {
  ["a function"] = [[on_event = function(event) ngx.shared.taken:incr(event.id, 1, 0) end]],
  ["a rule that waits and fails"] = [[rules = "$FOLDER/rules"]],
}

local RULE = [[
  local function maybe_fail(share) if math.random() < share then error("now and then") end end
  rule { name = "slow", on = "*", order = false, run = function(event)
    if math.random() < 0.1 then ngx.sleep(0.002) end
    maybe_fail(0.05)
    ngx.shared.taken:incr(event.id, 1, 0)
  end }
  rule { name = "second", on = "*", order = false, run = function() maybe_fail(0.05) end }]]

local HTTP = [[
  lua_shared_dict altinn_events 128m; lua_shared_dict taken 64m;
  init_by_lua_block { receive = require("altinn.events.resty").handler { dict = "altinn_events", %s } }
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

-- Posts each id until it is answered with 200, as Altinn does; the number of answers that were 503.
local function post_all(clients, list)
  local refused = 0
  while #list > 0 do
    local again = {}
    for first = 1, #list, CONNECTIONS do
      local last = math.min(first + CONNECTIONS - 1, #list)
      for at = first, last do clients[at - first + 1]:send(request_of(list[at])) end
      for at = first, last do
        local status = http.read(clients[at - first + 1])
        if status == 503 then again[#again + 1] = list[at]
        elseif status ~= 200 then error(("%s: %s"):format(list[at], status)) end
      end
    end
    refused = refused + #again
    list = again
  end
  return refused
end

describe(("%d events in nginx"):format(COUNT), function()
  for name, taker in pairs(TAKERS) do
    it("are each taken once, by " .. name, function()
      local one = nginx.start { http = HTTP:format(taker), server = SERVER, workers = 2, rules = { slow = RULE } }
      finally(function() one:close() end)
      local clients, list, new = {}, ids()
      for i = 1, CONNECTIONS do clients[i] = http.connect(one.port, 30) end
      local refused = post_all(clients, list)
      local _, _, text = one:request { path = "/taken", timeout = 60 }
      assert.are.equal(new .. " 0", text)
      assert.are.equal(name == "a function", refused == 0)
      for _, client in ipairs(clients) do client:close() end
    end)
  end
end)
