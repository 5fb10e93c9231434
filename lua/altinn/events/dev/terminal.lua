-- Standard output for lines: a terminal of any width, a pipe, a file; and keys.
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local lines = require "altinn.events.dev.lines"

local M = {}

--- Whether lines go to a terminal.
---@return boolean
function M.is_terminal() return host.terminal(io.stdout) end

-- NO_COLOR counts when it is not empty (no-color.org).
local function has_colours()
  local no_color, name = os.getenv "NO_COLOR", os.getenv "TERM"
  return (no_color == nil or no_color == "") and name ~= nil and name ~= "dumb" and name ~= ""
end

--- How lines are printed now: the terminal may have another width each time.
---@return table
function M.style()
  if not M.is_terminal() then return lines.style {} end
  return lines.style { columns = math.max(host.columns() or tonumber(os.getenv "COLUMNS") or 80, 4),
    colour = has_colours() }
end

--- Writes at once.
---@param text string
---@return boolean written false: nobody reads
function M.write(text) return host.say(text) == true end

--- Waits. "broken": nobody reads standard output any more.
---@param seconds number
---@return string|nil
function M.wait(seconds)
  local _, why = host.keys(seconds)
  return why
end

return M
