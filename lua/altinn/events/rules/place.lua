-- The place of a rule's mistake in the rule's own file, also after a tail call such as `return skip()`, which removes
-- its caller from the stack.
local M = {}

-- The folder of the module's files, as debug.getinfo gives it.
local OURS = debug.getinfo(1, "S").source:match("^(@.*)rules/place%.lua$")

-- Gives the run whose code is running; see M.watch.
local present = function() end

--- Sets the function that gives the run whose code is running, nil outside of runs.
---@param watched fun(): table|nil run { rule =, made = list of the verdicts that it made, entry = name of its body or
---  nil, body = the running body or nil, step = fun(name: string, fn: function): any or nil }
function M.watch(watched) present = watched end

--- The run whose code is running.
---@return table|nil run
function M.run() return present() end

--- Where a function begins: "file:line".
---@param body function
---@return string
function M.of(body)
  local info = debug.getinfo(body, "S")
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

-- The body that is running: `run.body` when the engine names it, else the one that the run begins with.
local function body_of(run)
  local bodies = run.rule.bodies
  return run.body or bodies and bodies[run.entry or "run"] or run.rule.run
end

-- Whether a stack frame is not the rule's: a function of the module, or the "tail" entry by which Lua 5.1 shows a tail
-- call.
local function is_passed_over(info)
  return info.what == "tail" or OURS and info.source:sub(1, #OURS) == OURS
end

--- A line of a function. When the function is the module's own, the place is the body of the running run.
---@param func function|nil
---@param line integer|nil
---@return string|nil "file:line"
function M.at(func, line)
  local info = func and line and line > 0 and debug.getinfo(func, "S")
  if info and not is_passed_over(info) then return ("%s:%d"):format(info.short_src, line) end
  local run = present()
  return run and M.of(body_of(run)) or nil
end

--- The line in the rule's file that called a function of the module; after a tail call, the first line of the body.
---@param level integer of the caller, as for error: 1 is the function that calls this
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
  return run and M.of(body_of(run)) or nil
end

--- Raises a mistake of the rule, at the rule's own line.
---@param message string
---@param level integer of the caller, as for error
function M.mistake(message, level)
  local place = M.caller(level + 1)
  if place then error(place .. ": " .. message, 0) end
  error(message, level + 1)
end

--- A traceback with the rule's frames alone: frames of the module and of C are left out.
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
