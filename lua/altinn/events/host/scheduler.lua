-- scheduler: tasks (coroutines) over curl transfers, timers and parking.
--
-- C code neither yields nor resumes; all of that happens here. A task that
-- waits yields MARK and what it waits for; the wrapped coroutine functions
-- pass such a yield on through coroutines of the rule's own.
local schema = require "altinn.events.support.schema"
local texts = require "altinn.events.support.text"
local timers = require "altinn.events.support.timers"

local M = {}

local raw = {
  close = coroutine.close, create = coroutine.create, isyieldable = coroutine.isyieldable,
  resume = coroutine.resume, running = coroutine.running, status = coroutine.status,
  yield = coroutine.yield,
}
local raw_xpcall, traceback = xpcall, debug.traceback

local MARK = {}

local TEXT_BYTES = 4096  -- an error's text is cut to so many bytes

local EXPIRED_SECONDS = 1  -- extension for a task whose time is over while it waits for its turn or a connection

local DEFAULTS = { seconds = 1, memory = 64 * 1024 * 1024, wall = 60 }

local Scheduler = {}
Scheduler.__index = Scheduler

local OPTIONS = { budget = true, open = true, fd = true, clock = true, share = true }

---A scheduler.
---@param options { budget: table, open: fun(): table, fd: integer|nil, clock: fun(): number, share: table|nil }
---  budget: what the host gives (start, finish, enter, leave, stopped);
---  open: gives altinn.events.curl's connections, called at the first request; fd: wakes a wait for transfers;
---  clock: seconds, never jumping; share: of the connections, see altinn.events.host.share
---@return table scheduler
function M.new(options)
  schema.keys("scheduler.new", options, OPTIONS, 2)
  return setmetatable({
    budget = options.budget, open = options.open, fd = options.fd, clock = options.clock, share = options.share,
    transfers = {}, timers = timers.new(), tasks = 0,
  }, Scheduler)
end

-- Waiting, called inside a task.

local function wait(kind, value)
  if not raw.isyieldable() then
    error("a rule cannot wait here (inside a C function such as table.sort or string.gsub)", 3)
  end
  return raw.yield(MARK, kind, value)
end

local current  -- the task whose code runs, nil outside of any

---Whether the calling code runs in a task, so that it may wait.
---@return boolean
function M.inside() return current ~= nil end

---The task whose code runs.
---@return table|nil task what was given to spawn; nil outside of any
function M.task() return current end

---Carries out a request; the task waits for it. `request.sink`, a function,
---gets a 2xx body in parts; while it works no more of the body is read. It
---ends the transfer by returning false and a reason.
---@param request table what altinn.events.curl takes
---@return table response { status=, headers=, body= }, or { error=, code=, not_sent= }: not_sent tells whether it is
---  certain that no byte of the request was written; proxied = true: a proxy of the environment stood between
function M.request(request)
  local reply = wait("request", request)
  while reply.part do
    local fine, verdict, why = pcall(request.sink, reply.part, reply)
    if not fine then
      wait("drop", reply.id)
      error(verdict, 0)
    elseif verdict == false then
      wait("drop", reply.id)
      return { error = why or "the sink wants no more", code = "cancelled", not_sent = false }
    end
    reply = wait("more", reply.id)
  end
  return reply
end

---The task waits.
---@param seconds number
function M.sleep(seconds) return wait("sleep", seconds) end

---The task waits until somebody calls scheduler:wake(task, ...).
---@param register fun(task: table) called at once, outside the task
---@return any ... what wake was given
function M.park(register) return wait("park", register) end

---The task waits for something that keeps its own time: the task's does not run meanwhile, and begins anew afterwards.
---@param begin fun(back: fun(...: any)) called at once, outside the task; `back`, called once, goes on with the task
---@param drop fun() called when the task ends without having gone on
---@return any ... what `back` was given
function M.away(begin, drop) return wait("away", { begin = begin, drop = drop }) end

---Calls `call` once, `seconds` from now.
---@param seconds number
---@param call fun()
---@return table timer give it to scheduler:forget to cancel
function Scheduler:after(seconds, call) return self.timers:add(self.clock() + seconds, call) end

---Cancels a timer; nil is allowed.
---@param timer table|nil
function Scheduler:forget(timer) return self.timers:cancel(timer) end

---Calls the timers that are due.
function Scheduler:ring()
  local now = self.clock()
  local call = self.timers:take(now)
  while call do
    call()
    call = self.timers:take(now)
  end
end

---Seconds until the next timer, at most `most`.
---@param most number
---@return number
function Scheduler:pause(most)
  local at = self.timers:next()
  return at and math.max(0, math.min(most, at - self.clock())) or most
end

---When the next timer is due, by the scheduler's clock; nil: there is none.
---@return number|nil at
function Scheduler:next() return self.timers:next() end

-- Tasks.

-- Ends a task's coroutine; its <close> handlers are under budget too.
local function shut(self, task)
  local co = task.co
  if raw.status(co) == "dead" then return end
  self.budget.start(co, task.seconds, task.memory)
  local _ = raw.close(co)
  local stopped, taken = self.budget.finish()
  if stopped then task.stopped, task.slice = stopped, taken end
end

-- The text of the error that a task raised. The __tostring of an error object is code of the rule, so it gets the
-- rule's budget.
local function text_of(self, task, value)
  if type(value) ~= "table" and type(value) ~= "userdata" then return tostring(value) end
  local asked = { co = raw.create(texts.raised), seconds = task.seconds, memory = task.memory }
  self.budget.start(asked.co, asked.seconds, asked.memory)
  local ok, text = raw.resume(asked.co, value)
  local stopped, taken = self.budget.finish()
  if stopped then task.stopped, task.slice = stopped, taken end
  if ok and type(text) == "string" then return text end
  shut(self, asked)
  return "an error object that cannot tell its text"
end

-- Removes a transfer that is over or was cancelled, and gives its connection back.
local function leave(self, task, id)
  self.transfers[id], task.transfers[id] = nil, nil
  if self.share then self.share:give(task.group) end
end

local function finish(self, task, ok, value)
  if task.ended then return end
  task.ended = true
  self.tasks = self.tasks - 1
  self:forget(task.timer)
  self:forget(task.sleeping)
  for id in pairs(task.transfers) do
    self.multi:cancel(id)
    leave(self, task, id)
  end
  if task.drop then task.drop() end
  local why
  if not ok then
    why = task.plain and value or traceback(task.co, text_of(self, task, value):sub(1, TEXT_BYTES))
    shut(self, task)
  end
  task.finished(task, ok, ok and value or why, value)
end

local function over(task)
  if task.stopped == "memory" then
    return ("memory budget of %d bytes is used up"):format(task.memory)
  elseif task.stopped == "instructions" then
    return ("budget of %d instructions is used up"):format(task.limit)
  end
  return ("time budget of %g s is used up"):format(task.seconds)
end

local waits = {}

local function submit(self, request, task)
  if not self.multi then self.multi = self.open() end
  return self.multi:add(request, task)
end

-- Extends the time of a task whose request may take longer than the task.
local function extend(self, task, request)
  local seconds = tonumber(request.timeout)
  if seconds and seconds > task.wall then
    self:forget(task.timer)
    task.timer = self:after(seconds + task.wall, function() self:expire(task, seconds + task.wall) end)
  end
end

-- Begins a request; the task has its connection.
local function begin(self, task, request)
  if task.holds and not task:holds() then
    if self.share then self.share:give(task.group) end
    return self:cancel(task, "the run was taken back")
  end
  -- A malformed request is the task's mistake and must not end the loop.
  local fine, id = pcall(submit, self, request, task)
  if not fine then
    if self.share then self.share:give(task.group) end
    return self:resume(task, { error = tostring(id), code = "invalid", not_sent = true })
  end
  task.transfers[id], task.waits_for = true, id
  self.transfers[id] = task
  extend(self, task, request)
end

-- Waits for a connection and begins the request. The time of the task starts anew when it got the connection.
function waits.request(self, task, request)
  if not self.share then return begin(self, task, request) end
  local waited = false
  task.held = not self.share:take(task.group, function()
    if task.ended then return self.share:give(task.group) end
    if waited then
      task.held = nil
      self:forget(task.timer)
      task.timer = self:after(task.wall, function() self:expire(task, task.wall) end)
    end
    return begin(self, task, request)
  end) or nil
  waited = true
end

-- Asks for the next part of a body. While a sink works the task may wait for other things, and `step` keeps the parts
-- that arrive meanwhile.
function waits.more(self, task, id)
  local kept = task.kept and task.kept[id]
  if kept then
    task.kept[id] = nil
    return self:resume(task, kept)
  end
  task.waits_for = id
  self.multi:more(id)
end

function waits.drop(self, task, id)
  if task.transfers[id] then
    self.multi:cancel(id)
    leave(self, task, id)
  end
  return self:resume(task)
end

-- Resumes a task whose wait is over: at once, or with task.turn when its turn comes.
local function go_on(self, task, value)
  if not task.turn then return self:resume(task, value) end
  task.came = true
  task:turn(function()
    task.came = nil
    return self:resume(task, value)
  end)
end

function waits.sleep(self, task, seconds)
  task.sleeping = self:after(seconds, function() go_on(self, task) end)
end

-- Parks a task until wake. An error in `register` ends the task, not the loop.
function waits.park(self, task, register)
  local fine, message = pcall(register, task)
  if not fine then return finish(self, task, false, message) end
end

-- Lets a task wait for something that keeps its own time.
function waits.away(self, task, door)
  task.held, task.drop = true, door.drop
  local fine, message = pcall(door.begin, function(...)
    if task.ended then return end
    task.held, task.drop = nil, nil
    self:forget(task.timer)
    task.timer = self:after(task.wall, function() self:expire(task, task.wall) end)
    return self:resume(task, ...)
  end)
  if fine then return end
  task.held, task.drop = nil, nil
  return finish(self, task, false, message)
end

local function settle(self, task, outer, ok, mark, kind, value)
  current = outer
  local stopped, taken, left = self.budget.finish()
  task.taken = task.taken + taken
  task.slice = taken
  if task.left then task.left = left end
  if stopped == "memory" and ok then stopped = nil end  -- the rule caught the error and went on
  if stopped then task.stopped = stopped end
  local short_of_memory = type(mark) == "string" and mark:find("not enough memory", 1, true)
  if stopped and (stopped ~= "memory" or short_of_memory) then
    return finish(self, task, false, over(task))
  elseif not ok then
    return finish(self, task, false, mark)
  elseif raw.status(task.co) == "dead" then
    return finish(self, task, true, mark)
  elseif mark ~= MARK then
    return finish(self, task, false, "coroutine.yield outside of a coroutine of the rule's own")
  end
  return waits[kind](self, task, value)
end

---Goes on with a task that waits.
---@param task table
---@param ... any results of its wait
function Scheduler:resume(task, ...)
  if task.ended then return end
  self.budget.start(task.co, task.seconds, task.memory, task.left)
  local outer = current
  current = task
  return settle(self, task, outer, raw.resume(task.co, ...))
end

---Wakes a parked task.
Scheduler.wake = Scheduler.resume

---Ends a task from outside; `finished` gets the reason as a failure.
---@param task table
---@param reason string
function Scheduler:cancel(task, reason)
  task.plain = true
  finish(self, task, false, reason)
end

---Starts a task at once.
---@param task table { run=, finished=fun(task, ok, value, raised), seconds=, memory=, instructions=, wall=, group=,
---  turn=, holds= } group: whose share of the connections it uses; turn(task, call): calls `call` when the task may
---  go on after a wait, without it at once; holds(task): asked before a request, false ends the task
---@param ... any arguments of run
---@return table task
function Scheduler:spawn(task, ...)
  task.co = raw.create(task.run)
  task.taken, task.transfers = 0, {}
  task.seconds = task.seconds or DEFAULTS.seconds
  task.memory = task.memory or DEFAULTS.memory
  task.wall = task.wall or DEFAULTS.wall
  task.limit, task.left = task.instructions, task.instructions
  self.tasks = self.tasks + 1
  self:resume(task, ...)
  if not task.ended and not task.timer then
    task.timer = self:after(task.wall, function() self:expire(task, task.wall) end)
  end
  return task
end

---Ends a task whose time is over.
---@param task table
---@param seconds number that it had
function Scheduler:expire(task, seconds)
  if task.came or task.held then  -- the task is not late itself: it waits for its turn or for a connection
    task.timer = self:after(EXPIRED_SECONDS, function() self:expire(task, seconds) end)
    return
  end
  task.stopped = "wall"
  self:cancel(task, ("took longer than %g s"):format(seconds))
end

---Waits for transfers (or the descriptor) and goes on with their tasks;
---without any transfer so far it returns at once.
---@param seconds number
function Scheduler:step(seconds)
  if not self.multi then return end
  for _, reply in ipairs(self.multi:step(seconds, self.fd)) do
    local task = self.transfers[reply.id]
    if task then
      if not reply.part then leave(self, task, reply.id) end
      if task.waits_for == reply.id then
        task.waits_for = nil
        go_on(self, task, reply)
      else
        task.kept = task.kept or {}
        task.kept[reply.id] = reply
      end
    end
  end
end

---Transfers under way.
---@return integer
function Scheduler:transfer_count() return self.multi and self.multi:count() or 0 end

-- The coroutine functions that rules get instead of the standard library's.

local function wrapped(budget)
  local inner

  -- The first statement after a resume: back in the caller's thread.
  local function passed(co, ok, first, ...)
    budget.leave()
    if ok and first == MARK then return inner(co, raw.yield(MARK, ...)) end
    return ok, first, ...
  end

  function inner(co, ...)
    if type(co) ~= "thread" or co == raw.running() then return raw.resume(co, ...) end
    budget.enter(co)
    return passed(co, raw.resume(co, ...))
  end

  local function left(...)
    budget.leave()
    return ...
  end

  local function close(co)
    if raw.status(co) ~= "suspended" and raw.status(co) ~= "dead" then return raw.close(co) end
    budget.enter(co)
    return left(raw.close(co))
  end

  local function unwrap(co, ok, ...)
    if ok then return ... end
    if raw.status(co) == "dead" then close(co) end
    error((...), 0)
  end

  local function wrap(body)
    local co = raw.create(body)
    return function(...) return unwrap(co, inner(co, ...)) end
  end

  return { resume = inner, wrap = wrap, close = close }
end

---The library's coroutine functions, made to work under a scheduler: the
---budget follows the running coroutine, and waiting works at any depth.
---@param budget table
---@return table coroutine, fun(f: function, handler: function, ...): boolean, ... xpcall
function M.library(budget)
  local own = wrapped(budget)
  local library = {}
  for name, value in pairs(coroutine) do library[name] = value end
  for name, value in pairs(raw) do library[name] = value end
  for name, value in pairs(own) do library[name] = value end
  -- Message handlers run without hooks: one that loops could not be stopped.
  local function guarded_xpcall(f, handler, ...)
    return raw_xpcall(f, function(message)
      if budget.stopped() then return message end
      return handler(message)
    end, ...)
  end
  return library, guarded_xpcall
end

return M
