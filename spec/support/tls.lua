-- A server that speaks TLS, with a certificate that no authority vouches for.
local process = require "spec.support.process"
local socket = require "socket"

local M = {}

local Server = {}
Server.__index = Server

--- Starts one, for 127.0.0.1. Its files are in a folder of its own.
---@return table server url, certificate, key
function M.start()
  local folder, port = process.folder(), process.free_port()
  local self = setmetatable({ folder = folder, url = ("https://127.0.0.1:%d/"):format(port),
    certificate = folder .. "/cert", key = folder .. "/key" }, Server)
  assert(os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    .. " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null")
    :format(self.key, self.certificate)))
  self.process = process.start(folder, "tls", ("openssl s_server -quiet -www -accept 127.0.0.1:%d -key %s -cert %s")
    :format(port, self.key, self.certificate))
  self.port = process.wait(5, function()
    local client = socket.connect("127.0.0.1", port)
    if client then client:close() end
    return client and port
  end)
  if self.port then return self end
  self:close()
  error "s_server does not listen"
end

function Server:close()
  self.process:signal "KILL"
  self.process:wait_exit(5)
  process.remove(self.folder)
end

return M
