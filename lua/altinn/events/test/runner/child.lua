-- Runs one spec file in this process by busted's core, and tells its parent each step: a line of JSON on the report.
-- The steps: begin (kind, name, line), leave, spare (a hook that hangs), spec (a result), error (outside of
-- specs), coverage, over.
local cjson = require("cjson.safe").new()
local counting = require "altinn.events.test.runner.counting"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local stream = require "altinn.events.test.runner.stream"
local texts = require "altinn.events.support.text"

local M = {}

local NUMBERS = { success = "passed", failure = "failed", pending = "pending", error = "error" }
local HOOKS = { before_each = true, after_each = true, setup = true, teardown = true, lazy_setup = true,
  lazy_teardown = true, strict_setup = true, strict_teardown = true, describe = true }

local Child = {}
Child.__index = Child

local streams = { io.stdout, io.stderr }

-- A spec may have closed them.
local function on_streams(method, ...)
  for _, file in ipairs(streams) do pcall(file[method], file, ...) end
end

local function tell(step)
  on_streams "flush"
  assert(host.tell(assert(cjson.encode(step)) .. "\n"))
end

-- Tells a result. A mark behind what was printed until now says which piece belongs to it.
local function tell_result(self, step)
  self.piece = self.piece + 1
  step.piece = self.piece
  on_streams("write", stream.mark(self.mark, self.piece))
  tell(step)
end

-- Names and places.

-- Lua shortens long names of files.
local function whole(text, file)
  local tail = text:match("^%.%.%.(.-):%d+:")
  if tail and file:sub(-#tail) == tail then return file .. text:sub(#tail + 4) end
  return text
end

local function full_name(busted, element)
  local names = {}
  while element and element.descriptor ~= "file" and element.descriptor ~= "suite" do
    table.insert(names, 1, tostring(element.name or element.descriptor))
    element = busted.context.parent(element)
  end
  return table.concat(names, " ")
end

local function line_of(trace, file)
  local is_here = type(trace) == "table" and trace.source == "@" .. file
  return is_here and trace.currentline > 0 and trace.currentline or nil
end

-- The line of the spec file that led to a failure: the failure may be in a helper.
local function line_in_traceback(trace, file)
  local line = line_of(trace, file)
  if line or type(trace) ~= "table" then return line end
  for at, number in (trace.traceback or ""):gmatch("([^\n]*):(%d+):") do
    at = at:gsub("^%s+", "")
    if at == file or at:sub(1, 3) == "..." and file:sub(-(#at - 3)) == at:sub(4) then return tonumber(number) end
  end
end

local function key_of(self, name, line) return ("%s:%d %s"):format(self.file, line or 0, name) end

-- Which specs run.

-- A spec that an earlier process of this file has run, or that the filter leaves out, is not registered.
local function is_to_run(self, name, trace)
  local parent = self.busted.context.get()
  local prefix = full_name(self.busted, parent)
  local full = prefix == "" and tostring(name) or prefix .. " " .. tostring(name)
  if self.filter and not full:find(self.filter) then return false end
  local key = key_of(self, full, line_of(trace, self.file))
  local left = self.done[key] or 0
  if left > 0 then self.done[key] = left - 1 end
  return left == 0
end

-- What runs.

local function kind_of(descriptor, run, element)
  if descriptor == "finally" then return "finally" end
  return run == element.run and descriptor or nil  -- else busted tells itself something, or has called us already
end

local now = host.steady

-- A hook that hung once is not called again.
local function spared(self, kind, place, run)
  if not self.spared[kind .. place] then return run end
  return function() error(("%s: the %s hangs, and was not called again"):format(place, kind), 0) end
end

-- What a step is called: a hook by the word of the spec file, with the name of its block.
local function label_of(self, kind, element)
  if not HOOKS[kind] or kind == "describe" then return kind, full_name(self.busted, element) end
  return element.name or kind, full_name(self.busted, self.busted.context.parent(element))
end

local function begin(self, kind, element)
  local line = line_of(element.trace, self.file)
  local place = ("%s:%d"):format(self.file, line or 0)
  local label, name = label_of(self, kind, element)
  tell { what = "begin", kind = kind, hook = label, name = name, line = line, place = place,
    key = kind == "it" and key_of(self, name, line) or nil }
  return place
end

local function too_long(self) return ("took longer than %s"):format(self.limit_text) end

-- Remembers that a step took too long, also where the spec has caught the error.
local function overran(self, kind, place, element, began)
  if now() - began < self.limit then return end
  if HOOKS[kind] then
    self.spared[kind .. place] = true
    tell { what = "spare", hook = kind .. place }
  end
  if kind == "it" then self.overran[element] = true end
end

-- Closes the worlds that a spec has made; their hosts may have broken a promise.
local function close_worlds(self, element)
  if #self.worlds == 0 then return end
  local place, began = begin(self, "it", element), now()
  host.limit(self.limit, too_long(self))
  for _, world in ipairs(self.worlds) do
    local fine, message = pcall(world.close, world)
    if not fine then
      self:add_problem(element, "error", { message = tostring(message):gsub("^[^\n]-:%d+: ", ""), trace = nil })
    end
  end
  host.limit()
  overran(self, "it", place, element, began)
  self.worlds = {}
end

-- A spec with its hooks. Each has the same random numbers, alone or not. What it comes to is told when its worlds are
-- closed.
local function run_it(self, safe, run, element)
  math.randomseed(self.seed)
  self.spec, self.status, self.worlds = element, "error", {}  -- busted tells no end after a before_each that fails
  local results = table.pack(safe("it", run, element))
  close_worlds(self, element)
  self.spec = nil
  self:tell_spec(element, self.status)
  return table.unpack(results, 1, results.n)
end

local function watch(self)
  local busted, safe = self.busted, self.busted.safe
  function busted.safe(descriptor, run, element)
    local kind = kind_of(descriptor, run, element)
    if not kind and descriptor == "it" and element.descriptor == "it" then return run_it(self, safe, run, element) end
    if not kind then return safe(descriptor, run, element) end
    local place, began = begin(self, kind, element), now()
    if self.coverage then counting.start() end
    host.limit(self.limit, too_long(self))
    local results = table.pack(safe(descriptor, spared(self, kind, place, run), element))
    host.limit()
    overran(self, kind, place, element, began)
    tell { what = "leave" }
    return table.unpack(results, 1, results.n)
  end
end

-- What came of it.

-- The calls that led to it, without those of the test world and of the runner.
local function calls_of(trace)
  if type(trace) ~= "table" or not trace.traceback then return nil end
  local lines = {}
  for line in trace.traceback:gmatch "[^\n]+" do
    local is_ours = line:find "altinn/events/test[/.][%w_/.]*lua:" or line:find("(...tail calls...)", 1, true)
    if not is_ours then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

local LONGEST = 65536  -- bytes of a message that are shown

local function shortened(text)
  if #text <= LONGEST then return text end
  local half = LONGEST // 2
  return ("%s\n… %d bytes are left out …\n%s"):format(text:sub(1, half), #text - LONGEST, text:sub(-half))
end

local function problem_of(self, message, trace)
  message = whole(shortened(tostring(message)), self.file)
  return { message = message, line = line_in_traceback(trace, self.file),
    trace = calls_of(trace) }
end

-- Of several problems of a spec the first counts; the others stand in its message.
function Child:add_problem(element, state, problem)
  local known = self.problems[element]
  if not known then
    problem.state = state
    self.problems[element] = problem
  else
    known.message = known.message .. "\n" .. problem.message
  end
end

local function tell_problem(self, state, element, message, trace)
  local problem = problem_of(self, message, trace)
  if self.spec then return self:add_problem(self.spec, element == self.spec and state or "error", problem) end
  if problem.message:find("hangs, and was not called again", 1, true) then return end  -- its parent has said so
  local hook, name = label_of(self, element.descriptor or "file", element)
  tell_result(self, { what = "error", hook = hook, name = name, message = problem.message,
    line = line_of(element.trace, self.file) or problem.line, at = problem.line, trace = problem.trace })
end

-- What this process has run until now, in worlds and by itself.
local function tell_coverage(self)
  local world = self.world
  local function is_wanted(path) return self.coverage:wants(path) end
  tell { what = "coverage", of = "specs", counts = counting.counts(is_wanted) }
  if world and world.coverage then
    tell { what = "coverage", of = "worlds", counts = counting.of_files(world.coverage(), is_wanted) }
  end
end

function Child:tell_spec(element, status)
  local name, line = full_name(self.busted, element), line_of(element.trace, self.file)
  local problem, state = self.problems[element] or {}, NUMBERS[status] or "error"
  if problem.state == "error" then state = "error" end
  if self.overran[element] and state ~= "error" then
    state, problem = "error", { message = ("%s:%d: %s"):format(self.file, line or 0, too_long(self)) }
  end
  tell_result(self, { what = "spec", name = name, key = key_of(self, name, line), line = line, state = state,
    message = problem.message, at = problem.line, trace = problem.trace, seconds = element.duration })
  if self.coverage then tell_coverage(self) end
end

local function listen(self)
  local busted = self.busted
  for _, state in ipairs { "error", "failure" } do
    busted.subscribe({ state }, function(element, _, message, trace)
      tell_problem(self, state, element, message, trace)
      return nil, true
    end)
  end
  busted.subscribe({ "pending" }, function(element, _, message)
    local why = message and tostring(message):gsub("^[^\n]-:%d+: ", "") or nil
    self.problems[element] = self.problems[element] or { message = why }
    return nil, true
  end)
  busted.subscribe({ "test", "end" }, function(element, _, status)
    self.status = tostring(status)
    if element.descriptor == "pending" then self:tell_spec(element, self.status) end
    return nil, true
  end)
  for _, descriptor in ipairs { "it", "pending" } do
    busted.subscribe({ "register", descriptor }, function(name, _, trace)
      return nil, is_to_run(self, name, trace)
    end, { priority = 1 })
  end
end

-- The file.

-- Notes the worlds that a spec makes, for their end; those of setup belong to several specs.
local function follow_worlds(self, test)
  local make = test.world
  function test.world(options)
    local world = make(options)
    if self.spec then table.insert(self.worlds, world) end
    return world
  end
end

local function add_words(self)
  local busted = self.busted
  local world = self.world
  if world then
    world.seed, world.covers = self.seed, self.coverage and true or nil
    follow_worlds(self, world)
    busted.executors.test = nil  -- busted's other word for `it`
    busted.export("test", world)
    busted.export("workdays", world.workdays)
  end
  local folder = self.file:match("^(.*)/[^/]*$") or "."
  package.path = ("%s/lib/?.lua;%s/lib/?/init.lua;%s/?.lua;%s"):format(folder, folder, folder, package.path)
end

local function register_file(self)
  local busted = self.busted
  local chunk, message = loadfile(self.file, "t")
  if not chunk then
    message = whole(message, self.file)
    tell { what = "error", hook = "file", name = "", line = tonumber(message:match("^.-:(%d+):")),
      message = message .. texts.syntax_hint(message) }
    return false
  end
  local function trace_of(_, info)
    local at = info.traceback:find("\n%s*%[C]")
    info.traceback = info.traceback:sub(1, at)
    return info
  end
  busted.executors.file(self.file, setmetatable({ getTrace = trace_of }, { __call = chunk }))
  return true
end

local function run_file(self)
  local busted = self.busted
  require "busted"(busted)
  require("luassert"):set_parameter("TableFormatLevel", 8)
  watch(self)
  listen(self)
  add_words(self)
  busted.randomize, busted.randomseed = self.shuffle, self.seed
  if register_file(self) then
    require "busted.execute"(busted)(1, { seed = self.seed, shuffle = self.shuffle })
  end
end

--- Runs the file and tells the parent. To be called in a fresh child; raises nothing.
---@param file string
---@param options { seed: integer, shuffle: boolean|nil, filter: string|nil, limit: number, limit_text: string,
---  mark: string, done: table<string, integer>, spared: table<string, true>, world: table|nil, coverage: table|nil }
---  done: how many specs of a key ran already; spared: hooks that hang; mark: see stream.lua
function M.run(file, options)
  local self = { file = file, busted = require "busted.core"(), problems = {}, overran = {}, piece = 0 }
  for name, value in pairs(options) do self[name] = value end
  setmetatable(self, Child)
  io.stdout:setvbuf "line"
  math.randomseed(self.seed)
  local ok, failure = xpcall(run_file, debug.traceback, self)
  host.limit()
  if ok and self.world then ok, failure = pcall(self.world.finish) end
  if not ok then tell { what = "error", hook = "file", name = "", message = tostring(failure) } end
  if self.coverage then tell_coverage(self) end
  tell { what = "over" }
end

return M
