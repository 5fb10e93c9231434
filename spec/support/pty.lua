-- A program on a terminal of its own, by script(1): keys are typed into it, and the screen is read as text.
local process = require "spec.support.process"

local M = {}

local Pty = {}
Pty.__index = Pty

local count = 0

--- Whether there are terminals here: /dev/pts may not be mounted.
---@return boolean
function M.there() return os.execute "script -qec true /dev/null >/dev/null 2>&1 </dev/null" == true end

--- Starts a command line on a terminal.
---@param folder string in which it runs
---@param command string
---@param options { columns: integer|nil, term: string|nil }|nil
function M.start(folder, command, options)
  options = options or {}
  count = count + 1
  local name = ("pty-%d"):format(count)
  local keys = ("%s/%s.keys"):format(folder, name)
  assert(os.execute("mkfifo " .. process.quote(keys)))
  -- What stands after the command shows how it left the terminal.
  local inner = ("cd %s; stty cols %d rows 40; export TERM=%s; %s; echo \"status $?\"; stty -a"):format(
    process.quote(folder), options.columns or 120, options.term or "xterm", command)
  local self = setmetatable({ folder = folder }, Pty)
  self.process = process.start(folder, name, ("script -qefc %s /dev/null <%s"):format(process.quote(inner),
    process.quote(keys)))
  self.keys = assert(io.open(keys, "wb"))
  self.keys:setvbuf "no"
  return self
end

--- Types keys.
---@param text string
function Pty:type(text) assert(self.keys:write(text)) end

--- What stands on the screen so far, in lines that end with \n.
---@return string
function Pty:screen() return (self.process:output():gsub("\r", "")) end

--- Waits for a text on the screen, after the position `from`; gives the position behind it.
---@param text string
---@param from integer|nil
---@return integer
function Pty:wait(text, from)
  local at = process.wait(30, function()
    return select(2, self:screen():find(text, from or 1, true))
  end)
  if at then return at + 1 end
  error(("no %q on the screen:\n%s\n%s"):format(text, self:screen(), self.process:errors()), 2)
end

--- The exit status of the command, once it has ended; and how it left the terminal.
---@return integer status
---@return string settings
function Pty:ended()
  local status = process.wait(30, function() return tonumber(self:screen():match "\nstatus (%d+)\n" or "") end)
  if not status then error("the command does not end:\n" .. self:screen(), 2) end
  assert(self.process:wait_exit(30))
  return status, self:screen():match "\nstatus %d+\n(.*)$"
end

function Pty:close()
  self.keys:close()
  self.process:stop()
end

return M
