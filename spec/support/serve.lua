-- What the servers of the specs share: processes of their own, on 127.0.0.1,
-- that print their port first.
local socket = require "socket"

local M = {}

-- Reads with `read(client, count)`: a line when there is no count.
local function parse(client, read)
  local line = read(client)
  if not line then return nil end
  local request = { headers = {}, fields = {} }
  request.method, request.path = line:match("^(%S+) (%S+)")
  while true do
    local text = read(client)
    if not text then return nil end
    if text == "" then break end
    local name, value = text:match("^([^:]*): ?(.*)$")
    if name then
      request.fields[#request.fields + 1] = { name, value }
      request.headers[name:lower()] = value:match("^%s*(.-)$")
    end
  end
  local length = tonumber(request.headers["content-length"] or 0)
  request.body = length > 0 and read(client, length) or ""
  return request
end

--- The head of a request of a plain socket: { method, path, headers }, names in small letters; nil when none came.
function M.head(client)
  local method, path = (client:receive "*l" or ""):match("^(%S+) (%S+)")
  if not method then return nil end
  local request = { method = method, path = path, headers = {} }
  for line in function() return client:receive "*l" end do
    if line == "" then break end
    local name, value = line:match("^([^:]*): ?(.*)$")
    if name then request.headers[name:lower()] = value end
  end
  return request
end

local function listen(port)
  local server = assert(socket.bind("127.0.0.1", port or 0, 256))
  print((select(2, server:getsockname())))
  io.stdout:flush()
  return server
end

--- One connection after the other, one request each: handle(client, request).
function M.one_by_one(handle, port)
  local server = listen(port)
  while true do
    local client = server:accept()
    if client then
      client:settimeout(5)
      local request = parse(client, function(from, count) return from:receive(count or "*l") end)
      local ok, message = true, nil
      if request then ok, message = pcall(handle, client, request) end
      if not ok then io.stderr:write(tostring(message), "\n") end
      client:close()
    end
  end
end

local waiting = {}  -- coroutine -> { client = socket to read } | { writable = socket } | { at = time }

--- Waits, while other connections go on.
function M.pause(seconds) coroutine.yield { at = socket.gettime() + seconds } end

-- Reads a line (nil) or so many bytes; nil when the other side has closed.
local function read(client, count)
  local have = ""
  while true do
    local text, message, partial = client:receive(count or "*l", have)
    if text then return text end
    if message ~= "timeout" then return nil end
    have = partial
    coroutine.yield { client = client }
  end
end

--- Writes a text, while other connections go on; nil when the other side has closed.
function M.write(client, text)
  local at = 1
  while at <= #text do
    local last, message, partial = client:send(text, at)
    if not last and message ~= "timeout" then return nil end
    at = (last or partial) + 1
    if at <= #text then coroutine.yield { writable = client } end
  end
  return true
end

local function resume(thread, ...)
  local ok, what = coroutine.resume(thread, ...)
  if not ok then io.stderr:write(tostring(what), "\n") end
  waiting[thread] = coroutine.status(thread) ~= "dead" and what or nil
end

local function ready(server)
  local readers, writers, soonest = { server }, {}, 10
  for _, what in pairs(waiting) do
    if what.client then readers[#readers + 1] = what.client end
    if what.writable then writers[#writers + 1] = what.writable end
    if what.at then soonest = math.min(soonest, math.max(0, what.at - socket.gettime())) end
  end
  local readable, writable = socket.select(readers, writers, soonest)
  local due = {}
  for thread, what in pairs(waiting) do
    if what.client and readable[what.client] or what.writable and writable[what.writable]
      or what.at and what.at <= socket.gettime() then due[#due + 1] = thread end
  end
  return due, readable[server]
end

--- Many connections at once, each kept while handle(client, request) gives true; `begun` is told of a new one.
function M.at_once(handle, begun)
  local server = listen()
  server:settimeout(0)
  local function serve(client)
    if begun then begun() end
    repeat local request = parse(client, read) until not request or not handle(client, request)
    client:close()
  end
  while true do
    local due, new = ready(server)
    for _, thread in ipairs(due) do resume(thread) end
    local client = new and server:accept()
    if client then
      client:settimeout(0)
      client:setoption("tcp-nodelay", true)
      resume(coroutine.create(serve), client)
    end
  end
end

return M
