-- A server of a spec that answers as a script says; many connections at once.
-- Usage: lua5.4 script_server.lua REQUESTS SCRIPT; prints its port.
-- SCRIPT is Lua: a function of (request, number, state), read anew when it
-- changes; `number` counts its requests, `state` is a table of its own.
-- It gives { status, headers, body, delay = seconds }, and of these:
--   bytes = N     a body of N bytes      cut = N    ends after N bytes of the body
--   gather = N    no answer before N requests were waited with at the same time; 599 after 20 s
--   hang = true   no answer              raw = text exactly this, then the end
--   drip = text   this, byte by byte
--   quiet = true  the request is not written to REQUESTS
local cjson = require "cjson"
local serve = require "spec.support.serve"

local pause, write = serve.pause, serve.write

local log = assert(io.open(arg[1], "a"))
log:setvbuf("no")
local script = { text = "" }
local BLOCK = ("0123456789abcdef"):rep(4096)

local function current()
  local file = assert(io.open(arg[2], "rb"))
  local text = file:read("a")
  file:close()
  if text ~= script.text then
    script = { text = text, call = assert(load(text, "=script")), number = 0, state = {},
      waiting = { count = 0, most = 0 } }
  end
  script.number = script.number + 1
  return script
end

local function head(answer, length)
  local status = answer.status or 200
  local lines = { ("HTTP/1.1 %d Whatever"):format(status) }
  for name, value in pairs(answer.headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  if status ~= 204 then lines[#lines + 1] = ("Content-Length: %d"):format(length) end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Whether so many requests were here at the same time, now or before.
local function gathered(answer)
  local waiting = script.waiting
  waiting.count = waiting.count + 1
  waiting.most = math.max(waiting.most, waiting.count)
  local left = 2000
  while waiting.most < answer.gather and left > 0 do
    pause(0.01)
    left = left - 1
  end
  waiting.count = waiting.count - 1
  return waiting.most >= answer.gather
end

local function send(client, answer)
  if answer.delay then pause(answer.delay) end
  if answer.gather and not gathered(answer) then answer = { status = 599, body = "they never came together" } end
  if answer.hang then
    pause(60)
    return nil
  end
  if answer.raw then return write(client, answer.raw) and nil end
  for byte in (answer.drip or ""):gmatch(".") do
    if not write(client, byte) then return nil end
    pause(0.02)
  end
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

serve.at_once(function(client, request)
  request.target, request.fields = request.path, nil
  request.path, request.query = request.target:match("^([^?]*)%??(.*)$")
  local now = current()
  local ok, answer = pcall(now.call, request, now.number, now.state)
  if not ok then answer = { status = 599, body = tostring(answer) } end
  if not answer.quiet then log:write(cjson.encode(request), "\n") end
  return send(client, answer)
end)
