-- Transports: what carries a request to a server and its reply back.
--
-- A transport is any function transport(request) -> reply | nil, message,
-- code. The request: { method, url, headers = { Name = value }, body,
-- timeout (seconds), max_body (bytes), ca_file, sink }. The reply: { status,
-- headers (names in lower case), body }. With a `sink` the body of a 2xx
-- reply goes to sink(part, head) as it comes, `head` with status and headers,
-- and is not in the reply; any other body is. A sink that returns false, why
-- ends the exchange: nil, why, "cancelled". Redirects are not followed.
local core = require "altinn.events.core"
local libraries = require "altinn.events.support.libraries"

local M = {}

local clock = core.altinn.clock

-- Of this Lua state: the connections, made when they are first needed, and
-- what came for exchanges that are not waited for at the moment.
local multi
local waiting = {}

-- The host's scheduler, when the code that asks runs in one of its tasks.
local function scheduler()
  local tasks = package.loaded["altinn.events.host.scheduler"]
  return tasks and tasks.inside and tasks.inside() and tasks or nil
end

local function connections()
  if not multi then multi = libraries.load("altinn.events.curl").new { connections = 64 } end
  return multi
end

-- Works on the transfers for so many seconds at most.
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
      return { error = why or "the sink wants no more", code = "cancelled" }
    end
    multi:more(id)
    record = next_record(id)
  end
  waiting[id] = nil
  return record
end

local function transport(request)
  local tasks = scheduler()
  local reply = tasks and tasks.request(request) or not tasks and carry(request)
  if reply.code then return nil, reply.error, reply.code end
  return { status = reply.status, headers = reply.headers, body = reply.body or "" }
end

--- The transport over libcurl: it blocks in plain Lua, and in a task of the
--- host's scheduler the task waits. TLS is verified.
---@return fun(request: table): table|nil, string|nil, string|nil transport
function M.default()
  return transport
end

--- Waits without using the processor; in a task of the host's scheduler the
--- task waits.
---@param seconds number
function M.sleep(seconds)
  local tasks = scheduler()
  if tasks then
    tasks.sleep(seconds)
    return
  end
  local stop = clock() + seconds
  repeat
    local left = stop - clock()
    if left > 0 then step(left) end
  until left <= 0
end

return M
