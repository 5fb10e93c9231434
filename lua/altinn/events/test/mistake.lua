-- Misuse of the test world raises at the spec's own line.
local M = {}

-- The folder of our own files, as debug.getinfo gives it.
local OURS = debug.getinfo(1, "S").source:match("^(@.*)test/mistake%.lua$")

local function is_ours(source) return source:sub(1, #OURS) == OURS end

-- The level of the first function that is not ours, as `error` counts for its caller.
local function level()
  local at = 3
  while true do
    local info = debug.getinfo(at, "S")
    if not info then return 1 end
    if info.what ~= "C" and not is_ours(info.source) then return at - 1 end
    at = at + 1
  end
end

--- Raises a mistake of the spec.
---@param message string
---@param ... any of string.format
function M.raise(message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  error(message, level())
end

-- Whether a function helps specs: its lines say nothing about a failure.
local function is_helper(source) return is_ours(source) or source:find("luassert", 1, true) ~= nil end

--- A failure as a text that begins with its place in the spec. For xpcall.
---@param failure any
---@return string
function M.described(failure)
  local text = tostring(failure)
  if text:find("^[^\n]-%.lua:%d+: ") then return text end
  for at = 2, math.huge do
    local info = debug.getinfo(at, "Sl")
    if not info then return text end
    if info.what ~= "C" and not is_helper(info.source) then
      return ("%s:%d: %s"):format(info.short_src, info.currentline, text)
    end
  end
end

--- The file of the spec that called, or nil.
---@return string|nil path
function M.caller()
  for at = 2, math.huge do
    local info = debug.getinfo(at, "S")
    if not info then return nil end
    if info.what ~= "C" and not is_ours(info.source) then return info.source:match("^@(.*)$") end
  end
end

return M
