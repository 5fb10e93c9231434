-- Servers of the benchmark. Each is a child of this process and is ended
-- with it, whatever happens: by `close` (a to-be-closed variable), and by
-- the kernel when this process dies.
local lib = require "spec.bench.lib"

local M = {}

local Process = {}
Process.__index = Process

-- With --pdeathsig where setpriv knows it.
local function guard()
  if M.guarded == nil then M.guarded = lib.try("setpriv --pdeathsig TERM true") ~= nil end
  return M.guarded and "setpriv --pdeathsig TERM " or ""
end

--- Starts a command line; its output and errors are files in the folder.
---@param name string of the files
---@param command string one simple command: the process becomes it
function M.start(name, command)
  local base = lib.folder .. "/" .. name
  os.remove(base .. ".pid")
  local pipe = assert(io.popen(("echo $$ >%s.pid; exec %s%s >%s.out 2>%s.err"):format(base, guard(), command, base,
    base), "w"))
  local pid = lib.wait(5, "the process of " .. name, function() return tonumber(lib.read(base .. ".pid") or "") end)
  return setmetatable({ name = name, base = base, pid = pid, pipe = pipe }, Process)
end

--- Whether it still runs (a zombie does not).
function Process:alive()
  local state = (lib.read(("/proc/%d/stat"):format(self.pid)) or ""):match("%) (%a)")
  return state ~= nil and state ~= "Z"
end

function Process:output() return lib.read(self.base .. ".out") or "" end

function Process:errors() return lib.read(self.base .. ".err") or "" end

--- Waits until `check` gives something; raises when the process has ended.
function Process:ready(seconds, check)
  return lib.wait(seconds, self.name, function()
    if not self:alive() then error(self.name .. " has ended: " .. self:errors():sub(-400), 0) end
    return check(self)
  end)
end

--- Processor seconds that it and its children have used so far.
function Process:cpu()
  local sum, pids = 0, { self.pid }
  local children = lib.read(("/proc/%d/task/%d/children"):format(self.pid, self.pid)) or ""
  for pid in children:gmatch("%d+") do pids[#pids + 1] = pid end
  for _, pid in ipairs(pids) do
    local stat = (lib.read("/proc/" .. pid .. "/stat") or ""):match("%) (.*)") or ""
    local fields = {}
    for field in stat:gmatch("%S+") do fields[#fields + 1] = tonumber(field) or 0 end
    sum = sum + (fields[12] or 0) + (fields[13] or 0)
  end
  return sum / 100
end

function Process:signal(name) os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid)) end

--- Ends it, gently first.
function Process:stop()
  if not self.pipe then return end
  self:signal "TERM"
  if not pcall(lib.wait, 15, self.name, function() return not self:alive() end) then self:signal "KILL" end
  self.pipe:close()
  self.pipe = nil
end

Process.__close = Process.stop

return M
