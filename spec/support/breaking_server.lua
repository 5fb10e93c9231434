-- A server of HTTP that dies where a spec says. Usage: lua5.4 breaking_server.lua FILE; prints its port. FILE holds the
-- place: nothing (0 bytes read), middle (of the body), body (all was read); part (of the status line was sent), interim
-- (a 1xx), line (a status line), head (a whole head, and less than its body), refusal (the same, of another status),
-- answer (all of it).
local serving = require "spec.support.serve"
local socket = require "socket"

local function place()
  local file = assert(io.open(arg[1], "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local SAID = {
  part = "HTTP/1.1 20", interim = "HTTP/1.1 100 Continue\r\n\r\n",
  line = "HTTP/1.1 201 Created\r\n", head = "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf",
  answer = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
  refusal = "HTTP/1.1 422 No\r\nContent-Length: 100\r\n\r\nhalf",
}

local server = assert(socket.bind("127.0.0.1", 0))
print((select(2, server:getsockname())))
io.stdout:flush()
while true do
  local client = server:accept()
  local where = place()
  client:settimeout(5)
  if where ~= "nothing" then
    local head = serving.head(client)
    local length = tonumber(head and head.headers["content-length"] or 0)
    client:receive(where == "middle" and length // 2 or length)
  end
  if SAID[where] then client:send(SAID[where]) end
  client:close()
end
