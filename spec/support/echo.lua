-- The echo server of a spec, in a process of its own.
local process = require "spec.support.process"

local M = {}

local Echo = {}
Echo.__index = Echo

--- Starts one.
function M.start()
  local folder = process.folder()
  local server, port = process.serve(folder, "echo", "lua5.4 spec/support/echo_server.lua")
  return setmetatable({ folder = folder, process = server, port = port, url = "http://127.0.0.1:" .. port }, Echo)
end

function Echo:close()
  self.process:stop()
  process.remove(self.folder)
end

return M
