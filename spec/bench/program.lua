-- The C programs of the benchmark: compiled into the folder when a source
-- is newer, with the product's own objects.
local lib = require "spec.bench.lib"

local M = {}

local WARN = "-Wall -Wextra -Wconversion -Wshadow"
local C = "cc -std=c11 -D_GNU_SOURCE -O2 -g -pthread " .. WARN .. " -Icsrc"
-- The peer is header code: it gets all that this processor has.
local CXX = "c++ -std=c++17 -O3 -DNDEBUG -march=native " .. WARN .. " -Icsrc"

-- The objects of a room, as `make` has compiled them.
local function objects(room)
  local list = {}
  for path in lib.capture(("ls csrc/%s/*.c"):format(room)):gmatch("csrc/(%S+)%.c") do
    list[#list + 1] = ("%s/obj/%s.o"):format(lib.build, path)
  end
  return table.concat(list, " ")
end

local function stale(program, inputs)
  if not lib.read(program) then return true end
  return lib.try(("find %s spec/bench/*.h -newer %s"):format(inputs, program)) ~= ""
end

--- Compiles spec/bench/<sources> and links them with rooms of the product.
---@param name string of the program
---@param options { sources: string, rooms: string, libraries: string|nil, cxx: boolean|nil }
---@return string program its path
function M.compile(name, options)
  assert(os.execute("mkdir -p " .. lib.folder .. "/bin"))
  local program = lib.folder .. "/bin/" .. name
  local sources = options.sources:gsub("%S+", "spec/bench/%0")
  local inputs = { sources }
  for room in options.rooms:gmatch("%S+") do inputs[#inputs + 1] = objects(room) end
  inputs = table.concat(inputs, " ")
  if stale(program, inputs) then
    io.stderr:write("  CC    ", program, "\n")
    local command = ("%s -o %s %s %s"):format(options.cxx and CXX or C, program, inputs, options.libraries or "")
    local done = os.execute(command)
    if not done then error(name .. " does not compile", 0) end
  end
  return program
end

M.HOST_LIBRARIES = "-lmicrohttpd -lsqlite3 -lpthread"

return M
