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

-- What a header says, by the preprocessor.
local function in_header(compiler, language, header, macro)
  return ("printf '#include <%s>\\n%s\\n' | %s -E -P -x %s - | tail -n 1"):format(header, macro, compiler, language)
end

-- libmicrohttpd says 0x00097501 for 0.9.75 and a patch.
local function two_digits_each(hex)
  local parts = {}
  for pair in hex:sub(3, 8):gmatch("%d%d") do parts[#parts + 1] = tonumber(pair) end
  return table.concat(parts, ".")
end

-- Name, a command that tells the version, where in its output; what to make of
-- that.
local VERSIONS = {
  { "Lua", "lua5.4 -v", "Lua (%S+)" },
  { "LuaJIT", "luajit -v", "LuaJIT (%S+)" },
  { "lua-cjson", [[lua5.4 -e 'print(require "cjson"._VERSION)']], "%S+" },
  { "gcc", "gcc -dumpfullversion", "%S+" },
  { "simdjson", in_header("c++", "c++", "simdjson.h", "SIMDJSON_VERSION"), "%d[%d.]*" },
  { "SQLite", in_header("cc", "c", "sqlite3.h", "SQLITE_VERSION"), "%d[%d.]*" },
  { "libmicrohttpd", in_header("cc", "c", "microhttpd.h", "MHD_VERSION"), "0x%d+", two_digits_each },
  { "nginx", "nginx -v 2>&1", "nginx/(%S+)" },
  { "Redis", "redis-server --version", "v=(%S+)" },
  { "wrk", "wrk -v 2>&1 || true", "wrk (%S+)" },
}

--- One line about the programs and libraries that are measured or measured
--- against.
function M.versions()
  local list = {}
  for i, entry in ipairs(VERSIONS) do
    local text = lib.try("{ PATH=\"$PATH:/usr/sbin:/sbin\"; " .. entry[2] .. "; }")
    local version = text and text:match(entry[3])
    list[i] = entry[1] .. " " .. (version and (entry[4] or tostring)(version) or "?")
  end
  return "versions: " .. table.concat(list, ", ")
end

--- Whether a program can be found.
function M.has(program)
  return lib.try("PATH=\"$PATH:/usr/sbin:/sbin\" command -v " .. program) ~= nil
end

return M
