-- The script of the command altinn-events.

-- A library that is missing is told in a sentence (altinn.events.libraries), a
-- mistake of the command's own with its place.
local function tell(problem)
  if type(problem) == "string" and problem:find("^altinn%.events%.[%w.]+ ") then return problem end
  return debug.traceback(tostring(problem), 2)
end

local ok, status = xpcall(function() return require("altinn.events.commands.main").main(arg) end, tell)
if not ok then
  io.stderr:write("altinn-events: ", status, "\n")
  status = 1
end
os.exit(status, true)
