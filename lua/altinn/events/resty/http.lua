-- HTTP/1.1 over cosockets, for nginx with its Lua module: the transport of
-- altinn.events.client, of tokens and of effects there. One request, one
-- deadline; nothing is followed; whatever a server sends is bounded.
-- luacheck: globals ngx
local M = {}

local LINE_BYTES = 16 * 1024
local HEADER_LINES = 200
local MAX_BODY = 16 * 1024 * 1024
local PART = 64 * 1024
local IDLE_MS, POOL = 60000, 32

local PHASES = {
  rewrite = true, access = true, content = true, timer = true, ssl_cert = true, ssl_session_fetch = true,
}

local Failure = {}

local function fail(message, code)
  error(setmetatable({ message = message, code = code }, Failure), 0)
end

-- What cosockets say, as a message and a code.
local function check(what, value, message)
  if value then return value end
  message = tostring(message)
  if message == "timeout" then fail(what .. ": there was no answer in time", "timeout") end
  if message:find("no resolver defined", 1, true) then
    fail(what .. ': nginx cannot look up names: add "resolver …;" to its http block', "network")
  end
  fail(what .. ": " .. message, "network")
end

-- URLs

local function parts_of(url)
  local scheme, authority, target = url:match("^(https?)://([^/?#]+)([^#]*)$")
  if not scheme then fail("the address is no http or https URL", "network") end
  local host, port = authority:match("^(%[[%x:.]+%]):?(%d*)$")
  if not host then host, port = authority:match("^([^:@]+):?(%d*)$") end
  if not host then fail("the address has no host that can be asked", "network") end
  if target:sub(1, 1) ~= "/" then target = "/" .. target end
  port = tonumber(port) or (scheme == "https" and 443 or 80)
  return { tls = scheme == "https", host = host, port = port, authority = authority, target = target }
end

-- Sending

local function head_text(request, place)
  local lines = { ("%s %s HTTP/1.1"):format(request.method or "GET", place.target), "Host: " .. place.authority }
  for name, value in pairs(request.headers or {}) do
    if (name .. value):find("[%z\r\n]") then fail("a header holds a line break", "network") end
    lines[#lines + 1] = name .. ": " .. value
  end
  local body = request.body
  if body or request.method ~= "GET" then lines[#lines + 1] = "Content-Length: " .. #(body or "") end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- Milliseconds that are left; raises when there are none.
local function limit(connection)
  local left = (connection.deadline - ngx.now()) * 1000
  if left < 1 then fail("there was no answer in time", "timeout") end
  connection.socket:settimeout(left)
end

local function connect(request, place)
  local connection = { deadline = ngx.now() + (request.timeout or 30), socket = ngx.socket.tcp() }
  limit(connection)
  local pool = ("altinn.events:%s:%s:%d"):format(place.tls and "tls" or "tcp", place.host, place.port)
  check("connecting", connection.socket:connect(place.host, place.port, { pool = pool }))
  return connection
end

local function handshake(connection, place)
  if not place.tls or connection.socket:getreusedtimes() > 0 then return end
  limit(connection)
  local ok, message = connection.socket:sslhandshake(nil, place.host, true)
  if ok then return end
  if message == "timeout" then fail("TLS: there was no answer in time", "timeout") end
  fail(("TLS: %s (does lua_ssl_trusted_certificate name the authorities?)"):format(tostring(message)), "tls")
end

-- Reading

local function line_of(connection)
  connection.reader = connection.reader or connection.socket:receiveuntil("\r\n")
  local parts, total = {}, 0
  while true do
    limit(connection)
    local part, message = connection.reader(LINE_BYTES)
    if not part and not message then return table.concat(parts) end
    total = total + #check("the answer", part, message)
    if total > LINE_BYTES then fail("a line of the answer's head is too long", "network") end
    parts[#parts + 1] = part
  end
end

local function read_headers(connection)
  local headers, count = {}, 0
  while true do
    local line = line_of(connection)
    if line == "" then return headers end
    count = count + 1
    local name, value = line:match("^([%w!#$%%&'*+%-.^_`|~]+):[ \t]*(.-)[ \t]*$")
    if not name or count > HEADER_LINES then fail("the answer's head is no HTTP", "network") end
    name = name:lower()
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
end

local function read_head(connection)
  while true do
    local status = line_of(connection):match("^HTTP/1%.%d (%d%d%d)")
    if not status then fail("the answer is no HTTP", "network") end
    local headers = read_headers(connection)
    status = tonumber(status)
    if status >= 200 then return status, headers end
    if status == 101 then fail("the answer changes the protocol", "network") end
  end
end

-- Exactly so many bytes, part by part.
local function read_bytes(connection, count, take)
  while count > 0 do
    limit(connection)
    local part = check("the answer", connection.socket:receive(math.min(count, PART)))
    count = count - #part
    take(part)
  end
end

local function read_chunks(connection, take)
  while true do
    local size = line_of(connection):match("^(%x+)%s*;?.*$")
    if not size or #size > 8 then fail("a chunk of the answer has no size", "network") end
    size = tonumber(size, 16)
    if size == 0 then break end
    read_bytes(connection, size, take)
    if line_of(connection) ~= "" then fail("a chunk of the answer has another size", "network") end
  end
  repeat local line = line_of(connection) until line == ""
end

local function read_to_end(connection, take)
  connection.ends = true
  while true do
    limit(connection)
    local part, message, rest = connection.socket:receive(PART)
    part = part or rest
    if part and part ~= "" then take(part) end
    if message == "closed" then return end
    check("the answer", not message, message)
  end
end

local function read_body(connection, reply, take)
  local headers = reply.headers
  if reply.status == 204 or reply.status == 304 then return end
  local coding, length = headers["transfer-encoding"], headers["content-length"]
  if coding then
    if coding:lower() ~= "chunked" then fail("the answer has an unknown Transfer-Encoding", "network") end
    return read_chunks(connection, take)
  elseif length then
    if not length:find("^%d+$") or #length > 15 then fail("the answer has no length that is one", "network") end
    return read_bytes(connection, tonumber(length), take)
  end
  return read_to_end(connection, take)
end

-- Where the parts of a body go: to the sink of a 2xx, else together.
local function taker(request, reply, parts)
  local total, most = 0, request.max_body or MAX_BODY
  if request.sink and reply.status >= 200 and reply.status < 300 then
    return function(part)
      local fine, why = request.sink(part, reply)
      if fine == false then fail(why or "the sink wants no more", "cancelled") end
    end
  end
  return function(part)
    total = total + #part
    if total > most then fail(("the answer is larger than %d bytes"):format(most), "too_large") end
    parts[#parts + 1] = part
  end
end

local function keep(connection, reply)
  local wish = (reply.headers.connection or ""):lower()
  if connection.ends or wish:find("close", 1, true) then
    connection.socket:close()
  else
    connection.socket:setkeepalive(IDLE_MS, POOL)
  end
end

local function exchange(request)
  local place = parts_of(request.url)
  local connection = connect(request, place)
  local ok, result = pcall(function()
    handshake(connection, place)
    limit(connection)
    check("sending", connection.socket:send(head_text(request, place)))
    local reply, parts = {}, {}
    reply.status, reply.headers = read_head(connection)
    read_body(connection, reply, taker(request, reply, parts))
    reply.body = table.concat(parts)
    keep(connection, reply)
    return reply
  end)
  if ok then return result end
  connection.socket:close()
  error(result, 0)
end

--- Carries a request: a transport of altinn.events.client.
---@param request table as altinn.events.transport says
---@return { status: integer, headers: table<string, string>, body: string }|nil reply
---@return string|nil message
---@return string|nil code network, timeout, tls, too_large, cancelled; unsupported: not in this phase of nginx
function M.request(request)
  local phase = ngx.get_phase()
  if not PHASES[phase] then
    return nil, ("nginx has no cosockets in the phase %s: do it in ngx.timer.at(0, …)"):format(phase), "unsupported"
  end
  local ok, result = pcall(exchange, request)
  if ok then return result end
  if getmetatable(result) == Failure then return nil, result.message, result.code end
  error(result, 0)
end

return M
