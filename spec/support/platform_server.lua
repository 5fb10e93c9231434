-- Altinn's platform as far as a doctor looks at it: answers each request with one status and a clock that is off.
-- Usage: lua5.4 platform_server.lua STATUS SECONDS; prints its port on 127.0.0.1.
local socket = require "socket"

local server = assert(socket.bind("127.0.0.1", 0, 16))
print((select(2, server:getsockname())))
io.stdout:flush()
while true do
  local client = server:accept()
  if client then
    client:settimeout(5)
    repeat local line = client:receive "*l" until not line or line == ""
    client:send(("HTTP/1.1 %s Whatever\r\nDate: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"):format(arg[1],
      os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + tonumber(arg[2]))))
    client:close()
  end
end
