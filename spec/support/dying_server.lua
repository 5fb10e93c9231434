-- A target that dies: at each connection as the next line of DEATHS says; the last line counts for all that follow.
-- Usage: lua5.4 dying_server.lua REQUESTS DEATHS; prints its port. A line of DEATHS:
--   close         the connection is closed, with nothing read
--   middle        … after half of the body was read
--   body          … after the whole request was read
--   status        … after the line with the status was written
--   half          … after half of the answer's body was written
--   plain         text that is no TLS is written at once
--   200, 503, …   an answer
-- Each request is a line of JSON: { death, method, path, headers, body (that was read) }.
local cjson = require "cjson"
local serving = require "spec.support.serve"
local socket = require "socket"

local requests = assert(io.open(arg[1], "a"))
requests:setvbuf("no")

local server = assert(socket.bind("127.0.0.1", 0, 64))
print((select(2, server:getsockname())))
io.stdout:flush()

local number = 0

local function next_death()
  local lines = {}
  for line in io.lines(arg[2]) do lines[#lines + 1] = line end
  number = number + 1
  return lines[math.min(number, #lines)]
end

local deaths = {}

function deaths.body() end

function deaths.status(client) client:send "HTTP/1.1 200 OK\r\n" end

function deaths.half(client) client:send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" end

local function serve(client)
  local death = next_death()
  if death == "close" or death == "plain" then
    if death == "plain" then client:send "this is no TLS\r\n" end
    requests:write(cjson.encode { death = death }, "\n")
    return
  end
  local request = serving.head(client)
  if not request then return end
  local length = tonumber(request.headers["content-length"] or 0)
  request.death = death
  request.body = length > 0 and client:receive(death == "middle" and length // 2 or length) or ""
  requests:write(cjson.encode(request), "\n")
  if death == "middle" then return end
  if deaths[death] then return deaths[death](client) end
  client:send(("HTTP/1.1 %s Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"):format(death))
end

while true do
  local client = server:accept()
  if client then
    client:settimeout(10)
    serve(client)
    -- With bytes unread the other side gets a reset, as from a process that died.
    client:close()
  end
end
