-- A mail server of a spec: one connection after the other. It writes each session as a line of JSON.
-- Usage: lua5.4 smtp_server.lua SESSIONS SCRIPT [TLS_PORT]; prints its port. With "-" for a port it talks over standard
-- input and output instead, without a greeting if SCRIPT says so.
-- SCRIPT is a Lua table, read anew for each session:
--   greeting, ehlo (list of lines after the first), mail, rcpt, data, dot, auth = replies; as "550 no"
--   starttls = true    the rest of the session goes to TLS_PORT, where a server of TLS is
--   die = WHERE        ends the connection: greeting, mail, data (after 354), body, dot (after the message), answer
--                      (after its 250)
--   hang = WHERE       says nothing more until the client has gone: dot (after the message), quit
local cjson = require "cjson"
local socket = require "socket"

local log = assert(io.open(arg[1], "a"))
log:setvbuf("no")
local tls_port = tonumber(arg[3])

local function script() return assert(loadfile(arg[2]))() end

-- Passes bytes on between two sockets until one of them ends.
local function relay(one, other)
  one:settimeout(0)
  other:settimeout(0)
  local target = { [one] = other, [other] = one }
  while true do
    local ready = socket.select({ one, other }, nil, 10)
    if #ready == 0 then return end
    for _, from in ipairs(ready) do
      local data, message, partial = from:receive(65536)
      data = data or partial
      if data and data ~= "" then
        target[from]:settimeout(5)
        target[from]:send(data)
        target[from]:settimeout(0)
      end
      if message == "closed" then return end
    end
  end
end

local Session = {}
Session.__index = Session

function Session:say(text)
  self.write(text .. "\r\n")
  return true
end

function Session:dies(where)
  if self.script.die == where then self.over = true end
  return self.over
end

function Session:hangs(where)
  if self.script.hang ~= where then return false end
  repeat until not self.read()
  self.over = true
  return true
end

local commands = {}

function commands.EHLO(self)
  local lines = { "mail.example.no" }
  for _, line in ipairs(self.script.ehlo or { "8BITMIME", "AUTH PLAIN" }) do lines[#lines + 1] = line end
  if self.script.starttls then lines[#lines + 1] = "STARTTLS" end
  for index, line in ipairs(lines) do self:say(("250%s%s"):format(index < #lines and "-" or " ", line)) end
end

function commands.STARTTLS(self)
  self:say "220 go on"
  local other = assert(socket.connect("127.0.0.1", tls_port))
  relay(self.client, other)
  other:close()
  self.over = true
end

function commands.AUTH(self)
  self:say "334 "
  self.commands[#self.commands + 1] = self.read()
  self:say(self.script.auth or "235 welcome")
end

function commands.MAIL(self)
  if self:dies "mail" then return end
  self:say(self.script.mail or "250 sender")
end

function commands.RCPT(self) self:say(self.script.rcpt or "250 recipient") end

function commands.DATA(self)
  self:say(self.script.data or "354 go on")
  if (self.script.data or "354"):sub(1, 3) ~= "354" or self:dies "data" then return end
  local lines = {}
  while true do
    local line = self.read()
    if not line then
      self.over = true
      return
    end
    if self.script.die == "body" and #lines > 5 then
      self.over = true
      return
    end
    if line == "." then break end
    lines[#lines + 1] = line:gsub("^%.", "")
  end
  self.message = table.concat(lines, "\r\n") .. "\r\n"
  if self:dies "dot" or self:hangs "dot" then return end
  self:say(self.script.dot or "250 2.0.0 queued as 4711")
  self:dies "answer"
end

function commands.NOOP(self) self:say "250 yes" end

function commands.QUIT(self)
  if self:hangs "quit" then return end
  self:say "221 bye"
  self.over = true
end

local function serve(session)
  session.script, session.commands = script(), {}
  if session.script.greeting ~= false and not session:dies "greeting" then
    session:say(session.script.greeting or "220 mail.example.no ready")
  end
  while not session.over do
    local line = session.read()
    if not line then break end
    session.commands[#session.commands + 1] = line
    local word = line:match("^%a+"):upper()
    if commands[word] then commands[word](session) else session:say "502 what" end
  end
  log:write(cjson.encode { commands = session.commands, message = session.message }, "\n")
end

if arg[3] == "-" then
  io.stdout:setvbuf("no")
  return serve(setmetatable({
    read = function()
      local line = io.read("l")
      return line and line:gsub("\r$", "")
    end,
    write = function(text) io.write(text) end,
  }, Session))
end

local server = assert(socket.bind("127.0.0.1", 0))
print((select(2, server:getsockname())))
io.stdout:flush()
while true do
  local client = server:accept()
  if client then
    client:settimeout(10)
    local session = setmetatable({
      client = client, read = function() return (client:receive("*l")) end,
      write = function(text) client:send(text) end,
    }, Session)
    local ok, message = pcall(serve, session)
    if not ok then io.stderr:write(tostring(message), "\n") end
    client:close()
  end
end
