-- rehearsal_apart: a rehearsal in a child process, so that two go side by side.
local cjson = require("cjson.safe").new()
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local rehearsal = require "altinn.events.host.rehearsal"

local M = {}

local WAIT = 60  -- seconds between two looks at the child, when nothing comes

local Apart = {}
Apart.__index = Apart

local function tell(row) assert(host.tell(assert(cjson.encode(row)) .. "\n")) end

-- The child's side. What the caller gave for an event stays with the caller: a run names it by its number.
local function perform(options)
  host.end_with_parent()
  local outcome, message = rehearsal.run(options)
  for _, run in ipairs(outcome and outcome.runs or {}) do
    run.given = nil
    for _, call in ipairs(run.reads) do call.given, call.answer = nil, nil end
    if run.unknown then run.unknown.given = nil end
    tell { run = run }
  end
  tell { over = true, message = not outcome and tostring(message) or nil }
end

--- Begins a rehearsal in a child process.
---@param options altinn.events.rehearsal.options its functions are called in the child
---@return table|nil apart with the method `runs`
---@return string|nil message
function M.begin(options)
  local child, message = host.fork()
  if not child then return nil, message end
  if child == true then
    local ok, why = xpcall(perform, debug.traceback, options)
    if not ok then pcall(tell, { over = true, message = why }) end
    host.leave(ok and 0 or 1)
  end
  return setmetatable({ child = child, parts = {} }, Apart)
end

-- What the child prints: nobody asks for it, and a pipe that is full would stop the child.
local function drop_output(self)
  for _, name in ipairs { "output", "errors" } do self.child:read(name) end
end

-- The lines that have come; nil at the end.
local function lines(self)
  local text = self.child:read "report"
  while text == "" do
    host.attend({ self.child }, WAIT)
    drop_output(self)
    text = self.child:read "report"
  end
  if not text then return nil end
  local list, at = {}, 1
  while true do  -- a line may come in many parts: each byte is looked at once
    local stop = text:find("\n", at, true)
    self.parts[#self.parts + 1] = text:sub(at, stop and stop - 1)
    if not stop then break end
    list[#list + 1], self.parts, at = table.concat(self.parts), {}, stop + 1
  end
  return list
end

--- Waits for the end of the rehearsal.
---@return altinn.events.rehearsal.run[]|nil runs without `given`
---@return string|nil message
function Apart:runs()
  local runs, over = {}, nil
  for list in function() return lines(self) end do
    for _, line in ipairs(list) do
      local row = assert(cjson.decode(line))
      if row.over then over = row
      else
        row.run.event = math.tointeger(row.run.event)  -- JSON's numbers are floats to lua-cjson
        runs[#runs + 1] = row.run
      end
    end
  end
  self.child:close()
  if not over then return nil, "the rehearsal of the old rules ended without a result" end
  if over.message then return nil, over.message end
  return runs
end

return M
