-- A target of a spec: writes each request as a line of JSON, answers as its
-- file of answers says. Usage: lua5.4 target_server.lua REQUESTS ANSWERS PORT
-- A line of ANSWERS: STATUS [SECONDS [RETRY-AFTER]]; "close" answers nothing.
-- The last line counts for all that follow.
local cjson = require "cjson"
local socket = require "socket"

local requests = assert(io.open(arg[1], "a"))
requests:setvbuf("no")
local given = 0

local function answer()
  local lines = {}
  for line in io.lines(arg[2]) do lines[#lines + 1] = line end
  given = given + 1
  return lines[math.min(given, #lines)] or "200"
end

local function read_request(client)
  local line = client:receive("*l")
  if not line then return nil end
  local request = { headers = {}, time = socket.gettime() }
  request.method, request.path = line:match("^(%S+) (%S+)")
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
  if not request then return client:close() end
  requests:write(cjson.encode(request), "\n")
  local status, seconds, after = answer():match("^(%S+)%s*(%S*)%s*(%S*)$")
  if seconds ~= "" then socket.sleep(tonumber(seconds)) end
  if status ~= "close" then
    client:send(("HTTP/1.1 %s Whatever\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n"):format(status,
      after ~= "" and "Retry-After: " .. after .. "\r\n" or ""))
  end
  client:close()
end

local server = assert(socket.bind("127.0.0.1", tonumber(arg[3]), 256))
local _, port = server:getsockname()
print(port)
io.stdout:flush()
while true do
  local client = server:accept()
  if client then serve(client) end
end
