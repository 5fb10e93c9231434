-- Inside nginx: what a user of OpenResty writes for a durable inbox. Read,
-- decode, check; SET NX and XADD to Redis in one pipeline over a cosocket;
-- then 200. For speed it appends duplicates too: a correct one needs a
-- second round trip or a script.
-- luacheck: globals ngx
local cjson = require "cjson.safe"
local validate = require "validate"

local M = {}

local function command(words)
  local parts = { "*" .. #words }
  for _, word in ipairs(words) do parts[#parts + 1] = "$" .. #word .. "\r\n" .. word end
  return table.concat(parts, "\r\n") .. "\r\n"
end

-- An answer that is no error: one line, or a length and as many bytes.
local function answered(redis)
  local line = redis:receive()
  if not line or line:byte() == 45 then return false end
  local length = line:byte() == 36 and tonumber(line:sub(2)) or -1
  return length < 0 or redis:receive(length + 2) ~= nil
end

local function store(event, body)
  local redis = ngx.socket.tcp()
  if not redis:connect("unix:" .. M.socket) then return false end
  local key = event.source .. " " .. event.id
  if not redis:send(command { "SET", key, "1", "NX" } .. command { "XADD", "inbox", "*", "body", body }) then
    return false
  end
  if not (answered(redis) and answered(redis)) then return false end
  return redis:setkeepalive(60000, 512)
end

function M.receive()
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  local event = body and cjson.decode(body)
  ngx.header.content_length = 0
  if not event or not validate(event) then return ngx.exit(400) end
  return ngx.exit(store(event, body) and 200 or 503)
end

return M
