-- A small HTTP/1.1 client that says exactly what it is told to say.
local cjson = require "cjson"
local socket = require "socket"

local M = {}

--- A connection: send and read as one likes.
function M.connect(port, seconds)
  local client = assert(socket.connect("127.0.0.1", port))
  client:setoption("tcp-nodelay", true)
  client:settimeout(seconds or 10)
  return client
end

local function read_headers(client)
  local headers = {}
  while true do
    local line, message = client:receive("*l")
    if not line then return nil, message end
    if line == "" then return headers end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    headers[name:lower()] = value
  end
end

--- Reads one answer: status, headers, body; nil and why.
function M.read(client)
  local line, message = client:receive("*l")
  if not line then return nil, message end
  local status = tonumber(line:match("^HTTP/1%.%d (%d+)"))
  if status == 100 then
    client:receive("*l")
    return M.read(client)
  end
  local headers = read_headers(client)
  if not headers then return nil, "cut" end
  local length = tonumber(headers["content-length"] or "0")
  local body = length > 0 and client:receive(length) or ""
  return status, headers, body
end

local function head(options)
  local lines = { ("%s %s HTTP/1.1"):format(options.method or "GET", options.path or "/") }
  if options.host ~= false then lines[#lines + 1] = "Host: localhost" end
  for name, value in pairs(options.headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  if options.body and not options.chunked then lines[#lines + 1] = "Content-Length: " .. #options.body end
  if options.chunked then lines[#lines + 1] = "Transfer-Encoding: chunked" end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function chunks(text)
  local parts = {}
  for at = 1, #text, 8192 do
    local part = text:sub(at, at + 8191)
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#part, part)
  end
  return table.concat(parts) .. "0\r\n\r\n"
end

--- One request on a connection of its own, or on options.client.
---@return integer|nil status
---@return table|string headers names in lower case
---@return string|nil body
function M.request(port, options)
  local client = options.client or M.connect(port, options.timeout)
  local body = options.body and (options.chunked and chunks(options.body) or options.body) or ""
  client:send(head(options) .. body)
  local status, headers, text = M.read(client)
  if not options.client then client:close() end
  return status, headers, text
end

function M.post(port, path, body, headers)
  headers = headers or { ["Content-Type"] = "application/cloudevents+json" }
  return M.request(port, { method = "POST", path = path, headers = headers, body = body })
end

--- An answer that is a problem (RFC 9457) of that status: its value.
function M.problem(status, headers, body)
  local value = cjson.decode(body)
  assert(headers["content-type"] == "application/problem+json", headers["content-type"])
  assert(value.status == status, body)
  assert(type(value.title) == "string" and type(value.detail) == "string", body)
  return value
end

--- Sends bytes as they are, and gives all that comes back until the end.
function M.raw(port, bytes, seconds)
  local client = M.connect(port, seconds or 5)
  client:send(bytes)
  local text, message, partial = client:receive("*a")
  client:close()
  return text or partial or "", message
end

return M
