-- Where a rule's mistake stands: in the rule's own file, whatever tail calls
-- do. (`return skip()` leaves no trace of its caller.)
local M = {}

-- The folder of our own files, as debug tells it.
local OURS = debug.getinfo(1, "S").source:match("^(@.*)rules/place%.lua$")

-- The run whose code is at work; see M.watch.
local present = function() end

--- Tells who is at work: `watched` gives the run whose code asks, nil outside of runs.
---@param watched fun(): table|nil run { rule =, made = list of the verdicts that it made }
function M.watch(watched) present = watched end

--- The run whose code is at work.
---@return table|nil run
function M.run() return present() end

--- Where a function begins: "file:line".
---@param body function
---@return string
function M.of(body)
  local info = debug.getinfo(body, "S")
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

-- Functions of ours, and what Lua 5.1 shows in the place of a caller that a tail call has replaced.
local function is_passed_over(info)
  return info.what == "tail" or OURS and info.source:sub(1, #OURS) == OURS
end

--- A place in a function; one in our files is that of the body of the run that is at work.
---@param func function|nil
---@param line integer|nil
---@return string|nil "file:line"
function M.at(func, line)
  local info = func and line and line > 0 and debug.getinfo(func, "S")
  if info and not is_passed_over(info) then return ("%s:%d"):format(info.short_src, line) end
  local run = present()
  return run and M.of(run.rule.run) or nil
end

--- Where a function of ours was called: the line in the rule's file, or, after a tail call, that of the rule's body.
---@param level integer of the caller, as for error: 1 is the function that asks
---@return string|nil "file:line"
function M.caller(level)
  local info = debug.getinfo(level + 1, "Sl")
  while info and is_passed_over(info) do
    level = level + 1
    info = debug.getinfo(level + 1, "Sl")
  end
  if info and info.currentline > 0 then
    return ("%s:%d"):format(info.short_src, info.currentline)
  end
  local run = present()
  return run and M.of(run.rule.run) or nil
end

--- Raises a mistake of the rule, at the rule's own line.
---@param message string
---@param level integer of the caller, as for error
function M.mistake(message, level)
  local place = M.caller(level + 1)
  if place then error(place .. ": " .. message, 0) end
  error(message, level + 1)
end

--- A traceback without the frames that are ours or C's: what is left is the rule's.
---@param text string of debug.traceback
---@return string
function M.traceback(text)
  local message, frames = text:match("^(.*)\nstack traceback:(.*)$")
  if not message then return text end
  local kept = {}
  for line in frames:gmatch("[^\n]+") do
    local ours = line:find("altinn/events/[%w_/]+%.lua:%d+:") or line:find("^%s*%[C%]") or line:find("^%s*%(%.%.%.tail")
    if not ours then kept[#kept + 1] = line end
  end
  if #kept == 0 then return message end
  return ("%s\nstack traceback:\n%s"):format(message, table.concat(kept, "\n"))
end

return M
