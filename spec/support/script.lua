-- The server of script_server.lua, in a process of its own, from a spec.
local process = require "spec.support.process"

local M = {}

local Script = {}
Script.__index = Script

--- Starts a server; give it scripts with :answer.
function M.start()
  local folder = process.folder()
  local self = setmetatable({ folder = folder }, Script)
  process.write(folder .. "/requests", "")
  self:answer "return { status = 200 }"
  self.process, self.port = process.serve(folder, "server",
    ("lua5.4 spec/support/script_server.lua %s/requests %s/script"):format(folder, folder))
  self.url = "http://127.0.0.1:" .. self.port
  return self
end

--- From now on it answers as this body of function(request, number, state)
--- says; what was asked before is forgotten.
function Script:answer(text)
  process.write(self.folder .. "/requests", "")
  self.number = (self.number or 0) + 1
  local new = self.folder .. "/script.new"
  process.write(new, ("local request, number, state = ... -- %d\n%s\n"):format(self.number, text))
  assert(os.rename(new, self.folder .. "/script"))
end

--- Answers the same each time.
function Script:always(status, body, headers)
  self:answer(("return { status = %d, body = %q, headers = { %s } }"):format(status, body or "", headers or ""))
end

--- Answers one after the other; the last one counts for all that follow.
function Script:sequence(answers)
  self:answer(("local list = { %s } return list[math.min(number, #list)]"):format(table.concat(answers, ", ")))
end

--- All requests since the last script.
function Script:requests()
  return process.read_json_lines(self.folder .. "/requests")
end

function Script:close()
  self.process:stop()
  process.remove(self.folder)
end

return M
