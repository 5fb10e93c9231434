-- A target of a spec that dies at random. Usage: lua5.4 random_target.lua EXECUTED SEED; prints its port. It executes a
-- POST, and then writes its path, its Idempotency-Key and the digest of its body as a line of EXECUTED; a POST below
-- /keyed/ of which it has executed the key already is answered and not executed again. GET tells whether the path was
-- executed: 200 or 404.
local core = require "altinn.events.core"
local serving = require "spec.support.serve"
local socket = require "socket"

local executed, keys, paths = assert(io.open(arg[1], "a")), {}, {}
executed:setvbuf("no")
math.randomseed(tonumber(arg[2]))

-- What happens to a POST, and how often: { weight, does it execute, what is sent }. Nothing sent: the connection ends.
local FATES = {
  { 12, true, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n" },
  { 2, false, "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n" },
  { 1, "unread" }, { 1, "middle" }, { 1, false }, { 1, true },
  { 1, true, "HTTP/1.1 20" }, { 1, true, "HTTP/1.1 200 OK\r\n" },
  { 1, true, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf" },
}

local function fate()
  local sum = 0
  for _, one in ipairs(FATES) do sum = sum + one[1] end
  local at = math.random(sum)
  for _, one in ipairs(FATES) do
    at = at - one[1]
    if at <= 0 then return one end
  end
end

local function execute(request, body)
  local key = request.headers["idempotency-key"]
  if request.path:find "^/keyed/" and keys[key] then return end
  keys[key], paths[request.path] = true, true
  executed:write(("%s %s %s\n"):format(request.path, key, core.sha256(body)))
end

local function serve(client)
  local one = fate()
  if one[2] == "unread" then return end
  local request = serving.head(client)
  if not request then return end
  if request.method == "GET" then
    return client:send(("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n"):format(paths[request.path] and 200 or 404))
  end
  local length = tonumber(request.headers["content-length"] or 0)
  local body = client:receive(one[2] == "middle" and length // 2 or length)
  if one[2] == true and body and #body == length then execute(request, body) end
  if one[3] then client:send(one[3]) end
end

local server = assert(socket.bind("127.0.0.1", 0, 256))
print((select(2, server:getsockname())))
io.stdout:flush()
while true do
  local client = server:accept()
  if client then
    client:settimeout(10)
    serve(client)
    client:close()
  end
end
