-- A server of a spec that answers as a script says; many connections at once.
-- Usage: lua5.4 script_server.lua REQUESTS SCRIPT; prints its port.
-- SCRIPT is Lua: a function of (request, number, state), read anew when it
-- changes; `number` counts its requests, `state` is a table of its own.
-- It gives { status, headers, body, delay = seconds }, and of these:
--   bytes = N     a body of N bytes      cut = N    ends after N bytes of the body
--   hang = true   no answer              raw = text exactly this
--   quiet = true  the request is not written to REQUESTS
local cjson = require "cjson"
local socket = require "socket"

local log = assert(io.open(arg[1], "a"))
log:setvbuf("no")
local script = { text = "" }
local waiting = {}  -- coroutine -> { client } | { at }
local BLOCK = ("0123456789abcdef"):rep(4096)

local function current()
  local file = assert(io.open(arg[2], "rb"))
  local text = file:read("a")
  file:close()
  if text ~= script.text then script = { text = text, call = assert(load(text, "=script")), number = 0, state = {} } end
  script.number = script.number + 1
  return script
end

local function pause(seconds) coroutine.yield { at = socket.gettime() + seconds } end

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

local function write(client, text)
  local at = 1
  while at <= #text do
    local last, message, partial = client:send(text, at)
    if not last and message ~= "timeout" then return nil end
    at = (last or partial) + 1
    if at <= #text then coroutine.yield { writable = client } end
  end
  return true
end

local function read_request(client)
  local line = read(client)
  if not line then return nil end
  local request = { headers = {} }
  request.method, request.target = line:match("^(%S+) (%S+)")
  request.path, request.query = request.target:match("^([^?]*)%??(.*)$")
  while true do
    local text = read(client)
    if not text then return nil end
    if text == "" then break end
    local name, value = text:match("^([^:]*): ?(.*)$")
    request.headers[name:lower()] = value
  end
  local length = tonumber(request.headers["content-length"] or 0)
  request.body = length > 0 and read(client, length) or ""
  return request
end

local function head(answer, length)
  local status = answer.status or 200
  local lines = { ("HTTP/1.1 %d Whatever"):format(status) }
  for name, value in pairs(answer.headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  if status ~= 204 then lines[#lines + 1] = ("Content-Length: %d"):format(length) end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function send(client, answer)
  if answer.delay then pause(answer.delay) end
  if answer.hang then
    pause(60)
    return nil
  end
  if answer.raw then return write(client, answer.raw) and nil end
  local body = answer.body or ""
  if answer.bytes then
    if not write(client, head(answer, answer.bytes)) then return nil end
    local left = answer.cut or answer.bytes
    while left > 0 do
      if not write(client, left >= #BLOCK and BLOCK or BLOCK:sub(1, left)) then return nil end
      left = left - #BLOCK
    end
    return not answer.cut
  end
  local sent = answer.cut and body:sub(1, answer.cut) or body
  return write(client, head(answer, #body) .. sent) and not answer.cut
end

local function serve(client)
  while true do
    local request = read_request(client)
    if not request then break end
    local now = current()
    local ok, answer = pcall(now.call, request, now.number, now.state)
    if not ok then answer = { status = 599, body = tostring(answer) } end
    if not answer.quiet then log:write(cjson.encode(request), "\n") end
    if not send(client, answer) then break end
  end
  client:close()
end

local function resume(thread, client)
  local ok, what = coroutine.resume(thread, client)
  if not ok then io.stderr:write(tostring(what), "\n") end
  waiting[thread] = coroutine.status(thread) ~= "dead" and what or nil
end

local server = assert(socket.bind("127.0.0.1", 0, 256))
server:settimeout(0)
print((select(2, server:getsockname())))
io.stdout:flush()
while true do
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
  for _, thread in ipairs(due) do resume(thread) end
  local client = readable[server] and server:accept()
  if client then
    client:settimeout(0)
    client:setoption("tcp-nodelay", true)
    resume(coroutine.create(serve), client)
  end
end
