-- Transports: functions that carry a request to a server and its reply back.
--
-- A transport is any function transport(request) -> reply | nil, message,
-- code, detail. The request: { method, url, headers = { Name = value }, body,
-- timeout (seconds), max_body (bytes), ca_file, sink }. The reply: { status,
-- headers (names in lower case), body, proxied = true where a proxy of the
-- environment stood between }. With a `sink` the body of a 2xx reply goes to
-- sink(part, head) as it comes, `head` with status and headers, and is not in
-- the reply; any other body is. A sink that returns false, why ends the
-- exchange: nil, why, "cancelled". Redirects are not followed.
--
-- When there is no reply, detail.not_sent tells whether it is certain that no
-- byte of the request was written: a name that is not resolved, a connection
-- that is refused, a TLS handshake that fails. Otherwise (false, or no detail)
-- the server may have acted on the request.
local core = require "altinn.events.core"
local libraries = require "altinn.events.support.libraries"

local M = {}

local clock = core.altinn.clock

-- State of this Lua state: the connections, made on the first use; the records that arrived for exchanges nobody waits
-- for at the moment; and the carrier.
local multi
local waiting = {}
local carrier

--- Lets a host carry the requests of its tasks, so that only the task waits and not the whole Lua state.
---@param own { inside: (fun(): boolean), request: (fun(request: table): table), sleep: fun(seconds: number) }|nil
---  inside: whether the calling code runs in a task; request: gives a reply as altinn.events.curl does, after it has
---  fed the sink; nil: no carrier
function M.set_carrier(own) carrier = own end

--- Whether the calling code runs in a task of a carrier, where only this task waits.
---@return boolean
function M.is_carried() return carrier ~= nil and carrier.inside() end

local function connections()
  if not multi then multi = libraries.load("altinn.events.curl").new { connections = 64 } end
  return multi
end

-- Drives the transfers, for so many seconds at most.
local function step(seconds)
  for _, record in ipairs(connections():step(seconds)) do
    local list = waiting[record.id]
    if list then list[#list + 1] = record end
  end
end

local function next_record(id)
  while not waiting[id][1] do step(60) end
  return table.remove(waiting[id], 1)
end

local function drop(id)
  multi:cancel(id)
  waiting[id] = nil
end

-- Carries a request while this Lua state waits.
local function carry(request)
  local id = connections():add(request)
  waiting[id] = {}
  local record = next_record(id)
  while record.part do
    local fine, verdict, why = pcall(request.sink, record.part, record)
    if not fine then
      drop(id)
      error(verdict, 0)
    elseif verdict == false then
      drop(id)
      return { error = why or "the sink wants no more", code = "cancelled", not_sent = false }
    end
    multi:more(id)
    record = next_record(id)
  end
  waiting[id] = nil
  return record
end

local function transport(request)
  local reply = M.is_carried() and carrier.request(request) or carry(request)
  if reply.code then
    return nil, reply.error, reply.code, { not_sent = reply.not_sent or false, stage = reply.stage }
  end
  return { status = reply.status, headers = reply.headers, body = reply.body or "", proxied = reply.proxied }
end

--- The transport over libcurl: it blocks in plain Lua, and in a task of a host with a carrier the task waits. TLS is
--- verified.
---@return fun(request: table): table|nil, string|nil, string|nil, table|nil transport
function M.default()
  return transport
end

--- Waits without using the processor; in a task of a host with a carrier the task waits.
---@param seconds number
function M.sleep(seconds)
  if M.is_carried() then
    carrier.sleep(seconds)
    return
  end
  local stop = clock() + seconds
  repeat
    local left = stop - clock()
    if left > 0 then step(left) end
  until left <= 0
end

return M
