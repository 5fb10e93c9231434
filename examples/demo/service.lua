-- A receiving service of the demonstration: prints each request that it
-- gets and answers 201. Usage: lua5.4 service.lua PORT
local socket = require "socket"

local function read_request(client)
  local line = client:receive("*l")
  if not line then return nil end
  local request = { line = line, headers = {} }
  for text in function() return client:receive("*l") end do
    if text == "" then break end
    local name, value = text:match("^([^:]+):%s*(.*)$")
    if name then request.headers[name:lower()] = value end
  end
  local length = tonumber(request.headers["content-length"] or "0")
  request.body = length > 0 and client:receive(length) or ""
  return request
end

local function serve(client)
  client:settimeout(5)
  local request = read_request(client)
  if request then
    local method, path = request.line:match("^(%S+) (%S+)")
    print(("  service <- %s %s  Idempotency-Key: %s\n             %s"):format(method, path,
      request.headers["idempotency-key"] or "none", request.body))
    client:send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
  end
  client:close()
end

io.stdout:setvbuf("no")
local server, message = socket.bind("127.0.0.1", tonumber(arg[1]))
if not server then
  io.stderr:write(("port %s: %s\n"):format(arg[1], message))
  os.exit(1)
end
while true do
  local client = server:accept()
  if client then serve(client) end
end
