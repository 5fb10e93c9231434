-- A target of a spec: writes each request as a line of JSON, with `taken` where it did what was asked, and answers as
-- its file of answers says. Usage: lua5.4 target_server.lua REQUESTS ANSWERS PORT
-- A line of ANSWERS: STATUS [SECONDS [RETRY-AFTER]]; "close" does nothing and answers nothing, "swallow" does what is
-- asked and answers nothing. The last line counts for all that follow; "again" behind it begins with the first anew.
-- GET …/ID is 200 when a request before named ID as the `letter` of its JSON and was taken, else 404.
local cjson = require "cjson"
local serve = require "spec.support.serve"
local socket = require "socket"

local requests = assert(io.open(arg[1], "a"))
requests:setvbuf("no")
local given, jobs = 0, {}

local function answer()
  local lines = {}
  for line in io.lines(arg[2]) do lines[#lines + 1] = line end
  if lines[#lines] == "again" then
    lines[#lines], given = nil, given % (#lines - 1)
  end
  given = given + 1
  return lines[math.min(given, #lines)] or "200"
end

local function reply(client, status, after)
  client:send(("HTTP/1.1 %s Whatever\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n"):format(status,
    after and after ~= "" and "Retry-After: " .. after .. "\r\n" or ""))
end

local function take(request)
  local ok, body = pcall(cjson.decode, request.body)
  if ok and type(body) == "table" and type(body.letter) == "string" then jobs[body.letter] = true end
  request.taken = true
end

serve.one_by_one(function(client, request)
  request.time, request.fields = socket.gettime(), nil
  if request.method == "GET" then
    requests:write(cjson.encode(request), "\n")
    return reply(client, jobs[request.path:match("([^/]+)$") or ""] and "200" or "404")
  end
  local status, seconds, after = answer():match("^(%S+)%s*(%S*)%s*(%S*)$")
  if status:find("^2") or status == "swallow" then take(request) end
  requests:write(cjson.encode(request), "\n")
  if seconds ~= "" then socket.sleep(tonumber(seconds)) end
  if status ~= "close" and status ~= "swallow" then reply(client, status, after) end
end, tonumber(arg[3]))
