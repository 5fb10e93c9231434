-- The machine: what it is, and which core is whose.
local lib = require "spec.bench.lib"

local M = {}

-- The cores that this process may use, in order.
local function cores()
  local list = {}
  local text = (lib.read("/proc/self/status") or ""):match("Cpus_allowed_list:%s*(%S+)") or "0"
  for first, last in text:gmatch("(%d+)%-?(%d*)") do
    for core = tonumber(first), tonumber(last) or tonumber(first) do list[#list + 1] = core end
  end
  return list
end

M.cores = cores()

--- Pins a command to the server's core, the client's core, or both; with a
--- single core nothing is pinned.
---@param whose "server"|"client"|"both"
function M.pin(whose)
  if #M.cores < 2 then return "" end
  local chosen = { server = M.cores[1], client = M.cores[2], both = M.cores[1] .. "," .. M.cores[2] }
  return ("taskset -c %s "):format(chosen[whose])
end

--- One line about it.
function M.describe()
  local cpu = (lib.read("/proc/cpuinfo") or ""):match("model name%s*:%s*([^\n]+)") or "unknown processor"
  local memory = tonumber((lib.read("/proc/meminfo") or ""):match("MemTotal:%s*(%d+)") or 0) // 1048576
  local place = lib.try(("df --output=fstype,source %s | tail -n 1"):format(lib.folder)) or "unknown"
  local system, device = place:match("^(%S+)%s+(%S+)")
  return ("machine: %d cores, %s, %d GiB, Linux %s, inbox on %s (%s)"):format(#M.cores, cpu, memory,
    lib.try("uname -r") or "?", system or "?", device or "?")
end

--- Whether a program can be found.
function M.has(program)
  return lib.try("PATH=\"$PATH:/usr/sbin:/sbin\" command -v " .. program) ~= nil
end

return M
