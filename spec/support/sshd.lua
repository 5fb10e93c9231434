-- A server of SFTP for a spec: OpenSSH's, on a port of its own, for the user of the spec, with keys of its own.
local process = require "spec.support.process"
local socket = require "socket"

local M = {}

local Server = {}
Server.__index = Server

local function sh(...) assert(os.execute((...):format(select(2, ...)))) end

local function configuration(self)
  return ([[
Port %d
ListenAddress 127.0.0.1
HostKey %s/host_key
AuthorizedKeysFile %s/key.pub
PidFile none
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
]]):format(self.port, self.folder, self.folder)
end

--- Starts one; its folder for files is `out`.
function M.start()
  local self = setmetatable({ folder = process.folder(), port = process.free_port() }, Server)
  sh("ssh-keygen -q -t ed25519 -N '' -f %s/host_key && ssh-keygen -q -t ecdsa -m PEM -N '' -f %s/key",
    self.folder, self.folder)
  sh("mkdir %s/out && mkdir -p /run/sshd 2>/dev/null || true", self.folder)
  process.write(self.folder .. "/sshd_config", configuration(self))
  local _, kind, key = ("x " .. process.read(self.folder .. "/host_key.pub")):match("^(%S+) (%S+) (%S+)")
  process.write(self.folder .. "/known_hosts", ("[127.0.0.1]:%d %s %s\n"):format(self.port, kind, key))
  self.process = process.start(self.folder, "sshd", ("/usr/sbin/sshd -D -e -f %s/sshd_config"):format(self.folder))
  local listens = process.wait(10, function()
    local client = socket.connect("127.0.0.1", self.port)
    if client then client:close() end
    return client ~= nil or nil
  end)
  if not listens then error("sshd does not listen: " .. self.process:errors()) end
  local pipe = assert(io.popen("id -un"))
  self.user = pipe:read("l")
  pipe:close()
  return self
end

--- What a target of the configuration says of it.
function Server:target(more)
  local target = { folder = ("sftp://127.0.0.1:%d%s/out"):format(self.port, self.folder), user = self.user,
    key_file = self.folder .. "/key", known_hosts = self.folder .. "/known_hosts" }
  for name, value in pairs(more or {}) do target[name] = value end
  return target
end

--- The names of the files that were uploaded, hidden ones too.
function Server:files()
  local names, pipe = {}, assert(io.popen("ls -A " .. self.folder .. "/out"))
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  return names
end

function Server:close()
  self.process:stop()
  process.remove(self.folder)
end

return M
