-- A target of a spec: writes each request as a line of JSON, answers as its
-- file of answers says. Usage: lua5.4 target_server.lua REQUESTS ANSWERS PORT
-- A line of ANSWERS: STATUS [SECONDS [RETRY-AFTER]]; "close" answers nothing.
-- The last line counts for all that follow.
local cjson = require "cjson"
local serve = require "spec.support.serve"
local socket = require "socket"

local requests = assert(io.open(arg[1], "a"))
requests:setvbuf("no")
local given = 0

local function answer()
  local lines = {}
  for line in io.lines(arg[2]) do lines[#lines + 1] = line end
  given = given + 1
  return lines[math.min(given, #lines)] or "200"
end

serve.one_by_one(function(client, request)
  request.time, request.fields = socket.gettime(), nil
  requests:write(cjson.encode(request), "\n")
  local status, seconds, after = answer():match("^(%S+)%s*(%S*)%s*(%S*)$")
  if seconds ~= "" then socket.sleep(tonumber(seconds)) end
  if status == "close" then return end
  client:send(("HTTP/1.1 %s Whatever\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n"):format(status,
    after ~= "" and "Retry-After: " .. after .. "\r\n" or ""))
end, tonumber(arg[3]))
