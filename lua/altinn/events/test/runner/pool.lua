-- Runs spec files side by side, each in a child process, and sees to it that each ends: one that hangs or crashes is
-- started anew behind the spec that it hung or crashed in.
local cjson = require("cjson.safe").new()
local child = require "altinn.events.test.runner.child"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local stream = require "altinn.events.test.runner.stream"

local M = {}

local GRACE = 2        -- seconds that a child has beyond a limit, to raise and report it itself
local CLOSING = 10     -- seconds that a child has to end after its last spec
local LONGEST = 1      -- seconds between two looks
local REPORT = 64 << 20  -- bytes of one step: a line

local SIGNALS = { [4] = "illegal instruction", [6] = "abort", [7] = "bus error", [8] = "arithmetic error",
  [9] = "killed", [11] = "segmentation fault", [15] = "terminated" }

local Pool = {}
Pool.__index = Pool

local now = host.steady

---@class altinn.events.test.result
---@field kind "spec"|"error" error: outside of specs, in a hook or in the file
---@field name string
---@field line integer|nil where the spec or hook begins
---@field at integer|nil the line of the spec file that led to the failure
---@field state "passed"|"failed"|"pending"|"error"
---@field message string|nil
---@field trace string|nil
---@field seconds number|nil
---@field output string|nil what it printed
---@field errors string|nil what it wrote to standard error

local function new_file(name)
  return { name = name, results = {}, done = {}, spared = {}, known = {}, seconds = 0, counts = {} }
end

-- Adds a result; `piece`: the number of what was printed until then, nil: all.
local function add(self, file, result, piece)
  if file.output then result.output, result.errors = file.output:take(piece), file.errors:take(piece) end
  file.results[#file.results + 1] = result
  self.on.result(file, result)
end

-- Steps of a child.

local steps = {}

function steps.begin(_, file, step)
  step.since = now()
  file.current = step
end

function steps.leave(_, file)
  local is_spec = file.current and file.current.kind == "it"
  if not is_spec then file.current = nil end  -- a spec ends with its result
end

function steps.spec(self, file, step)
  file.current = nil
  file.done[step.key] = (file.done[step.key] or 0) + 1
  add(self, file, { kind = "spec", name = step.name, line = step.line, at = step.at, state = step.state,
    message = step.message, trace = step.trace, seconds = step.seconds }, step.piece)
end

function steps.spare(_, file, step) file.spared[step.hook] = true end

-- A process that is started anew runs hooks again, and tells the same of them.
function steps.error(self, file, step)
  local what = ("%s\0%s\0%s\0%s"):format(step.hook, step.name, step.line or 0, step.message)
  if file.known[what] then return end
  file.known[what] = true
  add(self, file, { kind = "error", name = step.name, hook = step.hook, line = step.line, at = step.at or step.line,
    state = "error", message = step.message, trace = step.trace }, step.piece)
end

function steps.coverage(_, file, step) file.counts[step.of] = step.counts end  -- since the process began

function steps.over(_, file) file.over = true end

local function take_step(self, file, line)
  local step = cjson.decode(line)
  local handle = type(step) == "table" and steps[step.what]
  if handle then handle(self, file, step) end
end

-- A child.

local function inside(self, file)
  local ok, failure = pcall(child.run, file.name, {
    seed = self.seed, shuffle = self.shuffle, filter = self.filter, limit = self.limit, limit_text = self.limit_text,
    done = file.done, spared = file.spared, mark = self.mark, world = self.world, coverage = self.coverage,
  })
  if not ok then io.stderr:write(tostring(failure), "\n") end
  os.exit(ok and 0 or 1, true)
end

local function wait_longer(self, file)
  file.until_ = now() + (file.over and CLOSING or self.limit + GRACE)
end

local function start(self, file)
  file.began, file.over, file.current, file.told, file.killed = now(), false, nil, {}, nil
  file.told_bytes = 0
  file.output, file.errors = stream.new(self.mark), stream.new(self.mark)
  local made, message = host.fork(self.variables)
  if made == true then return inside(self, file) end
  if not made then
    add(self, file, { kind = "error", name = "", state = "error", message = message })
    return false
  end
  file.child = made
  wait_longer(self, file)
  return true
end

local function keep_told(file, part)
  file.told[#file.told + 1], file.told_bytes = part, file.told_bytes + #part
  if file.told_bytes > REPORT then file.told, file.told_bytes = {}, 0 end
end

-- A step may come in many parts: each byte is looked at once.
local function take_told(self, file, told)
  local at = 1
  while true do
    local stop = told:find("\n", at, true)
    keep_told(file, told:sub(at, stop and stop - 1))
    if not stop then return end
    local line = table.concat(file.told)
    file.told, file.told_bytes, at = {}, 0, stop + 1
    take_step(self, file, line)
  end
end

-- Reads what a child has told and printed. The report first: what it printed before a step is there then.
local function drain(self, file)
  local told = file.child:read "report"
  file.output:add(file.child:read "output")
  file.errors:add(file.child:read "errors")
  if not told or told == "" then return false end
  take_told(self, file, told)
  wait_longer(self, file)
  return true
end

local function how_it_ended(self, file, how, number)
  if file.killed then return ("took longer than %s and was killed: it hangs in a call that Lua cannot interrupt")
    :format(self.limit_text)
  elseif how == "signal" then
    local name = SIGNALS[number]
    return ("the process crashed: signal %d%s"):format(number, name and " (" .. name .. ")" or "")
  end
  return ("the process ended with status %d: os.exit, or a library, ended it"):format(number)
end

-- Notes what a child was at when it ended too early; true when the file is to be started anew behind it.
local function blame(self, file, message)
  local current = file.current
  if not current then
    add(self, file, { kind = "error", name = "", hook = "file", state = "error", message = message })
    return false
  end
  local at = current.line and ("%s:%d: "):format(file.name, current.line) or ""
  local is_spec = current.kind == "it"
  add(self, file, { kind = is_spec and "spec" or "error", hook = not is_spec and current.hook or nil,
    name = current.name, line = current.line, state = "error", message = at .. message,
    seconds = now() - current.since })
  if is_spec then file.done[current.key] = (file.done[current.key] or 0) + 1
  else file.spared[current.kind .. current.place] = true end
  return current.kind ~= "file"
end

local function conclude(self, file, how, number)
  while drain(self, file) do end
  file.child:close()
  file.child = nil
  for _, counts in pairs(file.counts) do self.coverage:add(counts) end
  file.counts = {}
  file.seconds = file.seconds + now() - file.began
  local again = false
  if not file.over then
    again = blame(self, file, how_it_ended(self, file, how, number))
  elseif file.killed then
    add(self, file, { kind = "error", name = "", hook = "file", state = "error",
      message = ("the process did not end within %d s after its last spec"):format(CLOSING) })
  end
  if again and start(self, file) then return end
  self.running[file] = nil
  self.count = self.count - 1
  self.on.file(file)
end

local function look_at(self, file)
  drain(self, file)
  local how, number = file.child:has_ended()
  if how then return conclude(self, file, how, number) end
  if now() >= file.until_ and not file.killed then
    file.killed = true
    file.child:signal("KILL", true)
  end
end

-- All of them.

local function fill(self)
  while self.count < self.jobs and self.next <= #self.files do
    local file = self.files[self.next]
    self.next = self.next + 1
    if start(self, file) then
      self.running[file], self.count = true, self.count + 1
    else
      self.on.file(file)
    end
  end
end

local function pause(self)
  local list, soonest = {}, now() + LONGEST
  for file in pairs(self.running) do
    list[#list + 1] = file.child
    soonest = math.min(soonest, file.until_)
  end
  return host.attend(list, math.max(0.001, soonest - now()))
end

local function end_all(self)
  for file in pairs(self.running) do
    file.child:close()
    if self.interrupted and file.current then blame(self, file, "interrupted") end
  end
  self.running, self.count = {}, 0
  host.end_orphans()
end

local function turn(self)
  fill(self)
  self.interrupted = pause(self)
  local list = {}
  for file in pairs(self.running) do list[#list + 1] = file end
  for _, file in ipairs(list) do look_at(self, file) end
end

--- Runs the files. Each has a name and, afterwards, results and seconds.
---@param names string[]
---@param options { jobs: integer, limit: number, limit_text: string, seed: integer, shuffle: boolean|nil,
---  filter: string|nil, world: table|nil, coverage: table|nil, variables: table|nil,
---  on: { result: fun(file: table, result: altinn.events.test.result), file: fun(file: table), stop: fun(): boolean } }
---@return table[] files in the order of the names
---@return string|nil signal that ended it: "int", "term" or "hup"
function M.run(names, options)
  local self = setmetatable({ files = {}, running = {}, count = 0, next = 1 }, Pool)
  for name, value in pairs(options) do self[name] = value end
  self.mark = ("\0%x%x:"):format(math.random(0), math.random(0))  -- no text that a spec prints by chance
  for index, name in ipairs(names) do self.files[index] = new_file(name) end
  host.take_signals()
  local ok, failure = xpcall(function()
    repeat turn(self) until self.interrupted or self.on.stop() or self.count == 0 and self.next > #self.files
  end, debug.traceback)
  end_all(self)
  if not ok then error(failure, 0) end
  return self.files, self.interrupted
end

return M
