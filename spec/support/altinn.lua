-- What specs of the client share.
local assert = require "luassert"
local events = require "altinn.events"

local M = {
  TOKEN = "eyJhbGciOiJub25lIn0.c2VjcmV0LXNlY3JldA.c2lnbmF0dXJl",
  ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f",
  FILE = "11111111-2222-3333-4444-555555555555",
  ORGANISATION = "urn:altinn:organization:identifier-no:987654321",
  LETTERS = "/correspondence/api/v1/correspondence",
}

--- A client of the server of spec.support.script.
function M.client(server, more)
  local options = { base_url = server.url, token = M.TOKEN, timeout = 5 }
  for name, value in pairs(more or {}) do options[name] = value end
  return events.client(options)
end

local function clean(text)
  for part in M.TOKEN:gmatch("[^.]+") do assert.is_nil(tostring(text):find(part, 1, true), text) end
end

--- Fails with this code; gives message and detail, in which no token is.
function M.failed(code, ...)
  local value, message, got, detail = ...
  assert.is_nil(value)
  assert.are.equal(code, got, message)
  assert.is_true(type(message) == "string" and message ~= "")
  clean(message)
  for _, member in pairs(detail or {}) do clean(member) end
  return message, detail or {}
end

--- The body of an overview; `more`: further members, after a comma.
function M.overview(more, id)
  return ('{"correspondenceId":"%s","status":"Read","resourceId":"acme-letters","read":null%s}'):format(id or M.ID,
    more or "")
end

--- Whether this process's memory tells anything: not where a sanitizer or
--- valgrind keeps what was freed.
M.measures_memory = not (os.getenv("AE_BUILD") or ""):find("asan", 1, true) and not os.getenv("LD_PRELOAD")

--- Kilobytes of memory of this process; always 0 where that tells nothing.
function M.resident()
  if not M.measures_memory then return 0 end
  local file = assert(io.open("/proc/self/status"))
  local text = file:read("a")
  file:close()
  return tonumber(text:match("VmRSS:%s*(%d+)"))
end

--- Runs measure.lua: its numbers.
function M.measure(...)
  local pipe = io.popen("lua5.4 spec/support/measure.lua " .. table.concat({ ... }, " "))
  local line = pipe:read("l")
  assert.is_truthy(pipe:close())
  local numbers = {}
  for number in line:gmatch("%S+") do numbers[#numbers + 1] = tonumber(number) end
  if not M.measures_memory then numbers[#numbers] = 0 end
  return table.unpack(numbers)
end

return M
