-- The echo server of a spec, in a process of its own.
local process = require "spec.support.process"

local M = {}

local Echo = {}
Echo.__index = Echo

--- Starts one.
function M.start()
  local folder = process.folder()
  local self = setmetatable({ folder = folder, process = process.start(folder, "echo",
    "lua5.4 spec/support/echo_server.lua") }, Echo)
  local port = process.wait(5, function() return tonumber(self.process:output():match("%d+")) end)
  if not port then error("the echo server does not start: " .. self.process:errors()) end
  self.url = "http://127.0.0.1:" .. port
  return self
end

function Echo:close()
  self.process:stop()
  process.remove(self.folder)
end

return M
