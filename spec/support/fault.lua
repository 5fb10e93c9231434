-- Files that fail: what spec/c/fault.c needs in the environment of a host.
local process = require "spec.support.process"

local M = {}

local LIBRARY = (os.getenv("AE_BUILD") or "build/lua5.4") .. "/fault.so"

--- Compiles the library; once is enough.
function M.compile()
  assert(os.execute(("mkdir -p %s && env -u LD_PRELOAD cc -std=gnu11 -O1 -Wall -Wextra -fPIC -shared -o %s" ..
    " spec/c/fault.c -ldl"):format(process.quote(LIBRARY:match("^(.*)/")), process.quote(LIBRARY))))
end

-- A host runs in a folder of its own choice.
function M.absolute()
  local pipe = assert(io.popen("realpath " .. process.quote(LIBRARY)))
  local path = pipe:read("l")
  pipe:close()
  return assert(path, "fault.so was not compiled")
end

--- The environment in which call number `at` (of those that `call` names, on files whose name ends in `file`) meets
--- `action`; with `count`, the number of these calls is written to that file.
---@param fault { file: string, call: string, at: integer, action: string, count: string|nil }
function M.environment(fault)
  local before = os.getenv("LD_PRELOAD")
  return {
    LD_PRELOAD = (before and before ~= "" and before .. " " or "") .. M.absolute(),
    FAULT_FILE = fault.file, FAULT_CALL = fault.call, FAULT_AT = tostring(fault.at), FAULT_ACTION = fault.action,
    FAULT_COUNT = fault.count or "",
  }
end

return M
