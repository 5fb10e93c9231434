-- A name server of a spec: every name is 127.0.0.1. Prints its port.
local socket = require "socket"

local server = assert(socket.udp())
assert(server:setsockname("127.0.0.1", 0))
print((select(2, server:getsockname())))
io.stdout:flush()

while true do
  local query, address, port = server:receivefrom()
  if query then
    local question = query:match("^" .. ("."):rep(12) .. "([^%z]*%z....)")
    local is_a = question and question:sub(-4, -3) == "\0\1"
    local answer = is_a and "\xC0\x0C\0\1\0\1\0\0\0\1\0\4\127\0\0\1" or ""
    if question then
      local head = query:sub(1, 2) .. "\x81\x80\0\1\0" .. (is_a and "\1" or "\0") .. "\0\0\0\0"
      server:sendto(head .. question .. answer, address, port)
    end
  end
end
