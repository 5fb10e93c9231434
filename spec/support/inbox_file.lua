-- An inbox's file without events, as a host leaves it.
local host = require "spec.support.host"
local process = require "spec.support.process"

local M = {}

local bytes

--- Makes one.
---@param path string
function M.empty(path)
  if not bytes then
    local folder = process.folder()
    process.write(folder .. "/rule.lua", 'rule { name = "none", on = "x.never.raised", run = function() end }\n')
    process.write(folder .. "/altinn-events.lua", "return {}\n")
    local status, _, err = host.command(folder, "run", folder .. "/rule.lua", "--config",
      folder .. "/altinn-events.lua", "--inbox", folder .. "/inbox.db", "--listen", "127.0.0.1:0", "--admin",
      "127.0.0.1:0", "--once")
    assert(status == 0, err)
    bytes = process.read(folder .. "/inbox.db")
    process.remove(folder)
  end
  process.write(path, bytes)
end

return M
