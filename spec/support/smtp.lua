-- The mail server of smtp_server.lua, in a process of its own, from a spec; with TLS by openssl's s_server.
local process = require "spec.support.process"

local M = {}

local Server = {}
Server.__index = Server

local function certificate(folder)
  assert(os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    .. " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout %s/key -out %s/cert 2>/dev/null")
    :format(folder, folder)))
end

-- TLS for one connection: s_server passes what comes in to the mail server's standard input, and its output on.
local function start_tls(self, greets)
  local port = process.free_port()
  process.write(self.folder .. "/tls.sh", ("rm -f %s/pipe; mkfifo %s/pipe\n"
    .. "openssl s_server -quiet -naccept 1 -accept 127.0.0.1:%d -key %s/key -cert %s/cert <%s/pipe"
    .. " | lua5.4 spec/support/smtp_server.lua %s/sessions %s/%s - >%s/pipe\n"):format(self.folder, self.folder, port,
    self.folder, self.folder, self.folder, self.folder, self.folder, greets and "script" or "inner", self.folder))
  self.tls = process.start(self.folder, "tls", "sh " .. self.folder .. "/tls.sh")
  assert(process.wait(10, function()  -- not by connecting: it takes one connection
    local pipe = assert(io.popen(("cat /proc/net/tcp | grep -ci ':%04X 00000000:0000 0A'"):format(port)))
    local count = tonumber(pipe:read("a"))
    pipe:close()
    return count > 0 or nil
  end), "s_server does not listen")
  return port
end

--- Starts one. script: see smtp_server.lua.
---@param options { script: string|nil, tls: "smtps"|"starttls"|nil }|nil
function M.start(options)
  options = options or {}
  local self = setmetatable({ folder = process.folder() }, Server)
  process.write(self.folder .. "/sessions", "")
  self:script(options.script or "{}")
  if options.tls then certificate(self.folder) end
  self.ca_file = self.folder .. "/cert"
  if options.tls == "smtps" then
    self.url = "smtps://127.0.0.1:" .. start_tls(self, true)
    return self
  end
  local inner = ""
  if options.tls then
    process.write(self.folder .. "/inner", "return { greeting = false }")
    inner = tostring(start_tls(self, false))
  end
  self.process, self.port = process.serve(self.folder, "smtp",
    ("lua5.4 spec/support/smtp_server.lua %s/sessions %s/script %s"):format(self.folder, self.folder, inner))
  self.url = "smtp://127.0.0.1:" .. self.port
  return self
end

--- What it does from the next session on: a Lua table, as text.
function Server:script(text) process.write(self.folder .. "/script", "return " .. text) end

--- The sessions that are over, { commands, message }.
function Server:sessions() return process.read_json_lines(self.folder .. "/sessions") end

function Server:wait(count)
  return process.wait(10, function()
    local list = self:sessions()
    return #list >= count and list or nil
  end)
end

function Server:close()
  if self.process then self.process:stop() end
  if self.tls then self.tls:stop() end
  process.remove(self.folder)
end

return M
