-- An HTTP server of a spec: many connections at once, answers by the path.
-- Usage: lua5.4 echo_server.lua; prints its port on 127.0.0.1.
--   /echo             the request as JSON: method, path, headers (a list of pairs), body
--   /status/N         status N           /redirect/N     status N with Location: /echo
--   /wait/SECONDS     200 after a while  /drip           a byte now and then, without end
--   /large/BYTES      a body with length /stream/BYTES   a body in chunks
--   /header/BYTES     a long header      /twice          a header that comes twice
--   /continue         100 before the 200 /cut            no answer
--   /half             half a body        /garbage        no HTTP
--   /seen             connections, requests, and most at once so far, as JSON
local cjson = require "cjson"
local serve = require "spec.support.serve"

local seen = { connections = 0, requests = 0, now = 0, peak = 0 }
local pause, write = serve.pause, serve.write
local Server = {}

local function answer(client, status, body, headers)
  local length = status == 204 and "" or ("Content-Length: %d\r\n"):format(#body)
  return write(client, ("HTTP/1.1 %d Whatever\r\n%s%s\r\n"):format(status, length, headers or "") .. body)
end

function Server.echo(client, request) return answer(client, 200, cjson.encode(request), "X-Echo:  Yes \r\n") end
function Server.status(client, _, number) return answer(client, tonumber(number), "status " .. number) end
function Server.redirect(client, _, number) return answer(client, tonumber(number), "", "Location: /echo\r\n") end
function Server.large(client, _, bytes) return answer(client, 200, ("x"):rep(tonumber(bytes))) end
function Server.header(client, _, bytes)
  return answer(client, 200, "", "X-Long: " .. ("x"):rep(tonumber(bytes)) .. "\r\n")
end
function Server.twice(client) return answer(client, 200, "", "X-Twice: a\r\nx-twice: b\r\nX-Empty:\r\n") end
function Server.seen(client) return answer(client, 200, cjson.encode(seen)) end
function Server.cut() return nil end
function Server.garbage(client) return write(client, "this is no HTTP\r\n\r\n") and nil end
function Server.half(client) return write(client, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") and nil end
Server["continue"] = function(client)
  write(client, "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n")
  return answer(client, 200, "late")
end

function Server.wait(client, _, seconds)
  pause(tonumber(seconds))
  return answer(client, 200, "waited")
end

function Server.drip(client)
  write(client, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
  while write(client, "x") do pause(0.02) end
end

function Server.stream(client, _, bytes)
  write(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
  for _ = 1, tonumber(bytes) // 1000 do
    if not write(client, "3e8\r\n" .. ("x"):rep(1000) .. "\r\n") then return nil end
  end
  return write(client, "0\r\n\r\n")
end

serve.at_once(function(client, request)
  local word, argument = request.path:match("^/(%a+)/?([^?]*)")
  if word ~= "seen" then seen.requests, seen.now = seen.requests + 1, seen.now + 1 end
  seen.peak = math.max(seen.peak, seen.now)
  request.headers, request.fields = request.fields, nil
  local go_on = (Server[word] or Server.echo)(client, request, argument)
  if word ~= "seen" then seen.now = seen.now - 1 end
  return go_on
end, function() seen.connections = seen.connections + 1 end)
