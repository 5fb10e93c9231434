-- Processes of a spec: started in the background, waited for, ended.
local cjson = require "cjson"
local socket = require "socket"

local M = {}

local START_SECONDS = 30  -- that anything may take to start on a busy machine

function M.quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

--- The values of a file that holds one as JSON in each line.
function M.read_json_lines(path)
  local list = {}
  for line in (M.read(path) or ""):gmatch("[^\n]+") do list[#list + 1] = cjson.decode(line) end
  return list
end

function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

--- A fresh folder; remove it with M.remove.
function M.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir -p " .. M.quote(path)))
  return path
end

function M.remove(path)
  assert(path:find("^/tmp/"), "not a temporary folder")
  os.execute("rm -rf " .. M.quote(path))
end

--- Pauses between two looks; a spec that does several things at once puts a function that yields here.
M.pause = socket.sleep

--- Calls `check` until it gives something; nil after so many seconds.
function M.wait(seconds, check, ...)
  local deadline = socket.gettime() + seconds
  repeat
    local value = check(...)
    if value then return value end
    M.pause(0.005)
  until socket.gettime() > deadline
  return nil
end

local Process = {}
Process.__index = Process

-- Whatever a failing spec leaves running ends with this Lua state: nobody waits for it any more.
local running = setmetatable({}, { __gc = function(list)
  for pid, base in pairs(list) do
    if not M.read(base .. ".status") then os.execute(("kill -KILL %d 2>/dev/null"):format(pid)) end
  end
end })

--- Starts a command line; its output and its end are files in `folder`.
---@param folder string
---@param name string of the files
---@param command string
function M.start(folder, name, command)
  local base = folder .. "/" .. name
  for _, ending in ipairs { ".status", ".err", ".pid" } do os.remove(base .. ending) end
  -- The inner shell becomes the command, so that its number is the process's.
  local inner = ("echo $$ >%s; exec %s"):format(M.quote(base .. ".pid"), command)
  -- The outer shell has no output of this process: a pipe behind it ends with busted, not with the command.
  local status = M.quote(base .. ".status")
  local outer = ("sh -c %s >>%s 2>>%s </dev/null; echo $? >%s.new; mv %s.new %s"):format(M.quote(inner),
    M.quote(base .. ".out"), M.quote(base .. ".err"), status, status, status)
  assert(os.execute(("(%s) >/dev/null 2>&1 &"):format(outer)))
  local pid = assert(M.wait(START_SECONDS, function() return tonumber(M.read(base .. ".pid") or "") end), "no process")
  running[pid] = base
  return setmetatable({ base = base, pid = pid }, Process)
end

--- Starts a server that writes its port as its first line.
---@return table process
---@return integer port
function M.serve(folder, name, command)
  local server = M.start(folder, name, command)
  local port = M.wait(START_SECONDS, function() return tonumber(server:output():match("^(%d+)\n")) end)
  if port then return server, port end
  server:stop()
  error(("the server '%s' does not start: %s"):format(name, server:errors()), 2)
end

--- A port at which nothing listens.
function M.free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return port
end

function Process:signal(name)
  return os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

--- The exit status, nil while it runs.
function Process:status() return tonumber(M.read(self.base .. ".status") or "") end

--- Waits for the end: the exit status, nil when it goes on.
function Process:wait_exit(seconds)
  return M.wait(seconds or 30, function() return self:status() end)
end

function Process:errors() return M.read(self.base .. ".err") or "" end

function Process:output() return M.read(self.base .. ".out") or "" end

--- Ends it, gently first.
function Process:stop()
  if not self:status() then
    self:signal "TERM"
    if not self:wait_exit(30) then
      self:signal "KILL"
      self:wait_exit(30)
    end
  end
  running[self.pid] = nil
  return self:status()
end

return M
