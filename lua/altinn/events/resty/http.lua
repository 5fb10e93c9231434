-- HTTP/1.1 over cosockets, for nginx with its Lua module: the transport of
-- altinn.events.client, of tokens and of effects there. One request, one
-- deadline; nothing is followed; whatever a server sends is bounded.
-- luacheck: globals ngx
local field = require "altinn.events.support.http_field"

local M = {}

local LINE_BYTES = 16 * 1024
local HEADER_LINES = 200
local INTERIM = 10             -- 1xx answers before the final one
local MAX_BODY = 16 * 1024 * 1024
local PART = 64 * 1024
local IDLE_MS, POOL = 60000, 32

local PHASES = {
  rewrite = true, server_rewrite = true, access = true, content = true, timer = true, ssl_cert = true,
  ssl_client_hello = true, ssl_session_fetch = true,
}

local Failure = {}

local function fail(message, code, stage)
  error(setmetatable({ message = message, code = code, stage = stage }, Failure), 0)
end

-- A cosocket's error as a message and a code.
local function check(what, value, message)
  if value then return value end
  message = tostring(message)
  if message == "timeout" then fail(what .. ": there was no answer in time", "timeout") end
  if message:find("no resolver defined", 1, true) then
    fail(what .. ': nginx cannot look up names: add "resolver …;" to its http block', "network", "resolve")
  end
  fail(what .. ": " .. message, "network", message:find("could not be resolved", 1, true) and "resolve" or nil)
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

-- Headers that this file writes itself; a caller's are left out.
local OWN = { host = true, ["content-length"] = true, ["transfer-encoding"] = true, connection = true }

local function head_text(request, place)
  local method = request.method or "GET"
  if not method:find("^%u+$") or place.target:find("[%s%c]") then
    fail("the method or the address holds what neither can hold", "network")
  end
  local coded = false
  local lines = { ("%s %s HTTP/1.1"):format(method, place.target), "Host: " .. place.authority }
  for name, value in pairs(request.headers or {}) do
    if not field.is_name(name) or not field.is_value(tostring(value)) then
      fail("a header has no name that is one, or holds a line break", "network")
    end
    if not OWN[name:lower()] then lines[#lines + 1] = name .. ": " .. value end
    coded = coded or name:lower() == "accept-encoding"
  end
  -- Without it a server may code the body in any way (RFC 9110 §12.5.3).
  if not coded then lines[#lines + 1] = "Accept-Encoding: identity" end
  local body = request.body
  if body or method ~= "GET" then lines[#lines + 1] = "Content-Length: " .. #(body or "") end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Milliseconds that are left; raises when there are none.
local function limit(connection)
  local left = (connection.deadline - ngx.now()) * 1000
  if left < 1 then fail("there was no answer in time", "timeout") end
  connection.socket:settimeout(left)
end

-- `fresh`: not one that was used before.
local function connect(place, deadline, fresh)
  local connection = { deadline = deadline, socket = ngx.socket.tcp(), buffer = "", fresh = fresh }
  limit(connection)
  local pool = ("altinn.events:%s:%s:%d%s"):format(place.tls and "tls" or "tcp", place.host, place.port,
    fresh and " fresh" or "")
  check("connecting", connection.socket:connect(place.host, place.port, { pool = pool }))
  connection.reused = connection.socket:getreusedtimes() > 0
  return connection
end

local function handshake(connection, place)
  if not place.tls or connection.reused then return end
  limit(connection)
  -- Where a handshake is over at once, lua-resty-core before 0.1.32 raises instead of saying that the certificate is
  -- not trusted (and with a session of false it says nothing at all: hence nil).
  local fine, ok, message = pcall(connection.socket.sslhandshake, connection.socket, nil, place.host, true)
  if fine and ok then return end
  if not fine then message = "the server's certificate is not trusted" end
  if message == "timeout" then fail("TLS: there was no answer in time", "timeout") end
  fail(("TLS: %s (does lua_ssl_trusted_certificate name the authorities?)"):format(tostring(message)), "tls")
end

-- Sends part by part: nginx's timeout counts for each part, so the deadline is checked between the parts.
local function send(connection, text)
  for at = 1, #text, PART do
    limit(connection)
    check("sending", connection.socket:send(#text <= PART and text or text:sub(at, at + PART - 1)))
  end
end

-- Reading. nginx's timeout counts for each part that arrives, so the code takes the bytes that are there and checks the
-- deadline between the parts.

-- More bytes into the buffer; false at the end of the connection.
local function more(connection)
  ngx.update_time()  -- nginx does not update its clock while a fast server keeps this loop busy
  limit(connection)
  local part, message = connection.socket:receiveany(PART)
  if not part and message == "closed" then return false end
  connection.buffer = connection.buffer .. check("the answer", part, message)
  connection.began = true
  return true
end

local function need_more(connection)
  if not more(connection) then fail("the answer: closed", "network") end
end

local function line_of(connection)
  while true do
    local from, to = connection.buffer:find("\r\n", 1, true)
    if (from or #connection.buffer) > LINE_BYTES then fail("a line of the answer's head is too long", "network") end
    if from then
      local line = connection.buffer:sub(1, from - 1)
      connection.buffer = connection.buffer:sub(to + 1)
      return line
    end
    need_more(connection)
  end
end

local function read_headers(connection)
  local headers, count = {}, 0
  while true do
    local line = line_of(connection)
    if line == "" then return headers end
    count = count + 1
    local name, value = line:match("^([^:]*):[ \t]*(.-)[ \t]*$")
    if not field.is_name(name) or count > HEADER_LINES then fail("the answer's head is no HTTP", "network") end
    name = name:lower()
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
end

local function read_head(connection)
  for _ = 1, INTERIM do
    local status = (line_of(connection) .. " "):match("^HTTP/1%.%d (%d%d%d) ")
    if not status then fail("the answer is no HTTP", "network") end
    status = tonumber(status)
    connection.status = status >= 200 and status or nil
    local headers = read_headers(connection)
    if status >= 200 then return status, headers end
    if status == 101 then fail("the answer changes the protocol", "network") end
  end
  fail("the answer never comes to its end", "network")
end

-- Exactly so many bytes, part by part.
local function read_bytes(connection, count, take)
  while count > 0 do
    if connection.buffer == "" then need_more(connection) end
    local part = connection.buffer:sub(1, count)
    connection.buffer = connection.buffer:sub(count + 1)
    count = count - #part
    take(part)
  end
end

local function read_chunks(connection, take)
  while true do
    local size, rest = line_of(connection):match("^(%x+)[ \t]*(.*)$")
    if not size or #size > 8 or not (rest == "" or rest:find("^;")) then
      fail("a chunk of the answer has no size", "network")
    end
    size = tonumber(size, 16)
    if size == 0 then break end
    read_bytes(connection, size, take)
    if line_of(connection) ~= "" then fail("a chunk of the answer has another size", "network") end
  end
  for _ = 1, HEADER_LINES do
    if line_of(connection) == "" then return end
  end
  fail("the answer's trailer has no end", "network")
end

local function read_to_end(connection, take)
  connection.ends = true
  repeat
    local part = connection.buffer
    connection.buffer = ""
    if part ~= "" then take(part) end
  until not more(connection)
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

-- Gives the parts of a body to the sink when the reply is a 2xx, and collects them otherwise.
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
  if connection.ends or connection.fresh or connection.buffer ~= "" or wish:find("close", 1, true) then
    connection.socket:close()
  else
    connection.socket:setkeepalive(IDLE_MS, POOL)
  end
end

local function exchange(request, place, connection)
  handshake(connection, place)
  local head, body = head_text(request, place), request.body or ""
  connection.wrote = true  -- from here on the server may have read a part of the request
  if #head + #body <= PART then
    send(connection, head .. body)
  else
    send(connection, head)
    send(connection, body)
  end
  local reply, parts = {}, {}
  reply.status, reply.headers = read_head(connection)
  read_body(connection, reply, taker(request, reply, parts))
  reply.body = table.concat(parts)
  keep(connection, reply)
  return reply
end

-- The server may have closed a kept connection in the meantime. That says nothing about the request, so it is sent once
-- more on a new connection, as libcurl does.
local function is_stale(connection, result)
  return connection.reused and not connection.began and getmetatable(result) == Failure and result.code == "network"
end

-- `state.maybe_sent`: once a byte of the request may have been written; `state.stage`: where a failure of the network
-- would be; `state.status`: of the answer, once it is known.
local function carry(request, state)
  local place = parts_of(request.url)
  local deadline = ngx.now() + (request.timeout or 30)
  for attempt = 1, 2 do
    state.stage = "connect"
    local connection = connect(place, deadline, attempt == 2)
    state.stage = "broken"
    local ok, result = pcall(exchange, request, place, connection)
    if ok then return result end
    connection.socket:close()
    state.maybe_sent, state.status = state.maybe_sent or connection.wrote, connection.status
    if attempt == 2 or not is_stale(connection, result) then error(result, 0) end
  end
end

--- Carries a request: a transport of altinn.events.client.
---@param request table as altinn.events.transport says
---@return { status: integer, headers: table<string, string>, body: string }|nil reply
---@return string|nil message
---@return string|nil code network, timeout, tls, too_large, cancelled; unsupported: not in this phase of nginx
---@return { not_sent: boolean, stage: string|nil, status: integer|nil }|nil detail without a reply: whether it is
---  certain that no byte was written; of the code "network" resolve, connect or broken; the status of an answer that
---  broke off after it
function M.request(request)
  local phase = ngx.get_phase()
  if not PHASES[phase] then
    return nil, ("nginx has no cosockets in the phase %s: do it in ngx.timer.at(0, …)"):format(phase), "unsupported",
      { not_sent = true }
  end
  local state = {}
  local ok, result = pcall(carry, request, state)
  if ok then return result end
  if getmetatable(result) == Failure then
    return nil, result.message, result.code, { not_sent = not state.maybe_sent, status = state.status,
      stage = result.code == "network" and (result.stage or state.stage) or nil }
  end
  error(result, 0)
end

return M
