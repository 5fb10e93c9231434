-- Looks whether effects on this machine can be carried out: the folders, files and programs of targets.
local libraries = require "altinn.events.support.libraries"
local sftp = require "altinn.events.rules.effects.sftp"
local sorted = require("altinn.events.support.names").sorted

local M = {}

-- What to look at: kind of action, place. Nil: the target is elsewhere, or its secret is not known here.
local function place_of(target)
  if type(target.folder) == "string" and not sftp.is_remote(target.folder) then return "file", target.folder end
  if type(target.append) == "string" then return "append", target.append end
  local program = type(target.command) == "table" and target.command[1]
  -- A path from another working folder cannot be judged from here.
  local elsewhere = target.directory and program and program:find("/", 1, true) and program:sub(1, 1) ~= "/"
  if type(program) == "string" and not elsewhere then return "command", program end
end

--- The targets whose actions could not be carried out just now.
---@param targets table<string, table>
---@return { target: string, message: string }[] faults sorted by target; the message says what to do
---@return integer count of the targets that were looked at
function M.faults(targets)
  local faults, count = {}, 0
  for _, name in ipairs(sorted(targets)) do
    local kind, place = place_of(targets[name])
    local fit, message = true, nil
    if kind then
      count = count + 1
      fit, message = libraries.load("altinn.events.host").is_fit(kind, place)
    end
    if not fit then faults[#faults + 1] = { target = name, message = message } end
  end
  return faults, count
end

return M
