-- A receiving service of a spec, in a process of its own.
local process = require "spec.support.process"

local M = {}

local Target = {}
Target.__index = Target

--- Starts one. `answers`: a list as target_server.lua reads it; default 200.
function M.start(answers)
  local folder = process.folder()
  local self = setmetatable({ folder = folder }, Target)
  self:answer(answers or { "200" })
  process.write(folder .. "/requests", "")
  self.process, self.port = process.serve(folder, "target",
    ("lua5.4 spec/support/target_server.lua %s/requests %s/answers 0"):format(folder, folder))
  self.url = "http://127.0.0.1:" .. self.port
  return self
end

function Target:answer(answers)
  process.write(self.folder .. "/answers", table.concat(answers, "\n") .. "\n")
end

--- All requests so far, in order.
function Target:requests()
  return process.read_json_lines(self.folder .. "/requests")
end

function Target:wait(count, seconds)
  return process.wait(seconds or 10, function()
    local list = self:requests()
    return #list >= count and list or nil
  end)
end

function Target:close()
  self.process:stop()
  process.remove(self.folder)
end

return M
