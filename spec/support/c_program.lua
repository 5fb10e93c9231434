-- C programs of specs: parts of the core, the inbox and the like under sanitizers, with the asserts that release builds
-- leave out.
local M = {}

local COMPILE = "cc -std=c11 -D_GNU_SOURCE -O1 -g -pthread -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "
  .. "-fsanitize=address,undefined -fno-sanitize-recover=undefined -Icsrc -o %s spec/c/%s.c %s"

--- Runs a command that must succeed; gives what it prints.
---@param command string
---@return string
function M.output(command)
  local pipe = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  assert(ok, text)
  return text
end

--- Compiles spec/c/NAME.c.
---@param folder string where the program comes to stand
---@param name string
---@param rest string the sources that it tests, and libraries
---@return string path of the program
function M.compile(folder, name, rest)
  local path = folder .. "/" .. name
  M.output(COMPILE:format(path, name, rest))
  return path
end

--- The facts that a program prints, as name=number.
---@param command string
---@return table<string, integer>
function M.facts(command)
  local facts = {}
  for name, value in M.output(command):gmatch "([%w_]+)=(-?%d+)" do facts[name] = tonumber(value) end
  return facts
end

return M
