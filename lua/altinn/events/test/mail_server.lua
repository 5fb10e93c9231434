-- A mail server for the targets of a real host: one thread with all else, so it never waits. Needs luasocket.
local M = {}

local Server = {}
Server.__index = Server

-- One session; it yields where it would wait.
local function session(self, client)
  local function send(line) client:send(line .. "\r\n") end
  local function line()
    local text = ""
    while true do
      local got, message, part = client:receive("*l")
      text = text .. (got or part or "")
      if got then return text end
      if message ~= "timeout" then return nil end
      coroutine.yield()
    end
  end
  local to = {}
  send "220 here"
  for command in line do
    local word = command:upper():match("^%a+") or ""
    if word == "EHLO" or word == "HELO" then send "250 here"
    elseif word == "RCPT" then
      to[#to + 1] = command:match("<([^>]*)>")
      send "250 OK"
    elseif word == "DATA" then
      send "354 go on"
      local lines = {}
      for text in line do
        if text == "." then break end
        lines[#lines + 1] = text:gsub("^%.", "")
      end
      local decision = self.target:take({ body = table.concat(lines, "\r\n") .. "\r\n", mail = { to = to } },
        function() return false end, 0)
      to = {}
      if decision.dies or decision.seconds then return end
      send(("%d %s"):format(decision.status, decision.body ~= "" and decision.body or "OK"))
    elseif word == "QUIT" then
      send "221 bye"
      return
    else send "250 OK" end
  end
end

function Server:step()
  local client = self.listener:accept()
  if client then
    client:settimeout(0)
    self.sessions[client] = coroutine.create(session)
  end
  local any = client ~= nil
  for one, task in pairs(self.sessions) do
    assert(coroutine.resume(task, self, one))
    if coroutine.status(task) == "dead" then
      one:close()
      self.sessions[one] = nil
      any = true
    end
  end
  return any
end

function Server.behaves() return nil end

function Server:close() self.listener:close() end

--- Makes a mail server of a place.
---@param place table
function M.open(place)
  local socket = require "socket"
  place.listener = assert(socket.bind("127.0.0.1", 0))
  place.listener:settimeout(0)
  place.port, place.sessions = select(2, place.listener:getsockname()), {}
  place.port = math.tointeger(tonumber(place.port))
  setmetatable(place, Server)
end

return M
