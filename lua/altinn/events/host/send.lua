-- Posting events exactly as Altinn does: one POST an event, the media type,
-- the order of members and the escaping of its server.
local events = require "altinn.events"
local libraries = require "altinn.events.support.libraries"

local M = {}

-- System.Text.Json's default encoder, which Altinn Events writes with, escapes these and all that is not ASCII.
local function utf16(code)
  if code < 0x10000 then return ("\\u%04X"):format(code) end
  code = code - 0x10000
  return ("\\u%04X\\u%04X"):format(0xD800 + code // 0x400, 0xDC00 + code % 0x400)
end

-- Escapes the inside of a JSON string as Altinn does; escapes that it has already stay.
local function escape_inside(text)
  text = text:gsub("[\xC2-\xF4][\x80-\xBF]+", function(c) return utf16(utf8.codepoint(c)) end)
  text = text:gsub('\\"', "\\u0022")
  return (text:gsub("[+<>&'`]", function(c) return ("\\u%04X"):format(c:byte()) end))
end

local function escape(text)
  local out, at = {}, 1
  while true do
    local open = text:find('"', at, true)
    if not open then break end
    local close = open
    repeat
      close = text:find('[\\"]', close + 1)
      local escaped = text:sub(close, close) == "\\"
      if escaped then close = close + 1 end
    until not escaped
    out[#out + 1] = text:sub(at, open) .. escape_inside(text:sub(open + 1, close - 1)) .. '"'
    at = close + 1
  end
  return table.concat(out) .. text:sub(at)
end

-- specversion first, the rest in order of arrival: as the CloudEvents library of Altinn Events writes
-- (cloudevents/sdk-csharp src/CloudNative.CloudEvents.SystemTextJson/JsonEventFormatter.cs).
local function in_order(event)
  local text = events.encode(event)
  local first = '"specversion":"1.0"'
  local from, to = text:find(first, 1, true)
  if not from or from == 2 then return text end
  local before, after = text:sub(2, from - 1), text:sub(to + 1)
  return "{" .. first .. "," .. before:gsub(",$", "") .. after
end

--- The body of the POST by which Altinn would deliver an event.
---@param event any an event or a table
---@return string
function M.body(event)
  return escape(in_order(event))
end

local function read_all(path)
  if path == "-" then return io.read("a") end
  local file, message = io.open(path, "rb")
  if not file then return nil, (message:gsub("^" .. path:gsub("%p", "%%%0") .. ": ", "")) end
  local text
  text, message = file:read("a")  -- a folder opens, and does not read
  file:close()
  return text, message
end

-- The events of a file (one JSON text, or JSON Lines), each as { body, id }. A byte order mark is dropped.
local function bodies(text, raw)
  if raw then return { { body = text } } end
  text = text:gsub("^\239\187\191", "")
  local whole, message, code = events.parse(text)
  if whole then return { { body = M.body(whole), id = whole.id } } end
  local list, number = {}, 0
  if not text:find("\n%s*%S") then return nil, message, code end
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    if line:find("%S") then
      local event, why = events.parse(line)
      if not event then return nil, ("line %d: %s"):format(number, why), code end
      list[#list + 1] = { body = M.body(event), id = event.id }
    end
  end
  return list
end

local function headers_of(options)
  return {
    ["Content-Type"] = options.content_type or "application/json; charset=utf-8",
    ["Accept-Encoding"] = "",  -- Altinn sends none
  }
end

--- Posts the events of files to an endpoint.
---@param options { files: string[], to: string, raw: boolean|nil, content_type: string|nil, timeout: number|nil,
---  report: fun(file: string, reply: table|nil, message: string|nil, id: string|nil) }
---@return boolean ok whether every answer was 2xx
function M.files(options)
  local multi = libraries.load("altinn.events.curl").new { connections = 1 }
  local ok = true
  for _, path in ipairs(options.files) do
    local text, message = read_all(path)
    local list
    if text then list, message = bodies(text, options.raw) end
    if not list then
      ok = false
      options.report(path, nil, message)
    end
    for _, one in ipairs(list or {}) do
      -- A malformed address or media type raises there; here it is the user's mistake, so it becomes a message.
      local fine, reply, why = pcall(multi.perform, multi, {
        method = "POST", url = options.to, body = one.body,
        headers = headers_of(options), timeout = options.timeout or 45,
      })
      if not fine then reply, why = nil, reply end
      ok = ok and reply ~= nil and reply.status >= 200 and reply.status < 300
      options.report(path, reply, why, one.id)
    end
  end
  multi:close()
  return ok
end

return M
