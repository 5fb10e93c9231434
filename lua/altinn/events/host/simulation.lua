-- The host as a simulation: the real inbox, the real worker and the real receiver in one thread, on a clock that stands
-- until it is moved. What would leave the host is handed to the caller, and his replies come back.
--
--     push        an event for the receiver; it is durable, and nothing has come of it yet
--     settle      everything that can happen at this moment
--     advance     to a moment, by way of each at which something is due
--
-- One settlement goes in rounds: timers of the caller, turns of the inbox, a turn of the worker, the requests that it
-- made. The next moment is the inbox's next due run, the worker's next timer or the caller's. Computing takes no time.
local force = require "altinn.events.host.force"
local in_force = require "altinn.events.host.in_force"
local libraries = require "altinn.events.support.libraries"
local rules = require "altinn.events.rules.loading"
local schema = require "altinn.events.support.schema"
local state = require "altinn.events.host.state"
local timers = require "altinn.events.support.timers"

local M = {}

local Simulation = {}
Simulation.__index = Simulation

local ROUNDS = 100000    -- of one settlement
local MOMENTS = 1000000  -- of one advance
local REQUESTS = 5000    -- of one run at one moment
local TIMEOUT = 30       -- seconds, of a request that says none

local function no_log() return nil end

-- Facts of the log, which C keeps while it works.
local function tell(self)
  local facts = self.core:facts()
  if not facts then return end
  for _, fact in ipairs(facts) do self.log(fact[1], fact[2], fact[3]) end
end

-- The modules of workers, compiled: a simulation starts three times as fast.
local compiled = {}

local function compile(name)
  local path = package.searchpath(name, package.path)
  local chunk = path and loadfile(path)
  compiled[name] = chunk and { code = string.dump(chunk), path = path } or false
end

local function compile_all(self)
  for _, name in ipairs(self.core:loaded() or {}) do
    if name:find "^altinn%.events" and compiled[name] == nil then compile(name) end
  end
end

-- Starts a host on the file.

local function start(self)
  self.replies, self.pending, self.ended, self.busy = {}, {}, false, true
  self.life = self.life + 1
  self.forced = self.config.forced or force.of(self.core:path(), self.set) or {}
  local started, message = self.core:start {
    compiled = compiled, worker_settings = in_force.settings(self.config, self.set, self.forced),
    heads = rules.heads(self.set, self.config.limits), max_bytes = self.config.limits.max_bytes,
  }
  tell(self)
  if not started then error("the simulated host does not start: " .. tostring(message), 0) end
  in_force.keep_versions(self.core, self.set, self.log)
  tell(self)
end

local function revive(self)
  self.core:drop()
  tell(self)
  start(self)
end

-- Whether the host died at a boundary; then another one has been started.
local function died(self)
  if not self.core:dead() then return false end
  revive(self)
  return true
end

-- What leaves the host.

local function label_of(request)
  local what = request.url and (request.method .. " " .. request.url:gsub("[?#].*", ""))
    or ("%s %s"):format(request.kind or request.carrier, request.name or request.key or "")
  if not request.rule then return what end
  return ("%s of %s #%d"):format(what, request.rule, request.event)
end

local function label(request)
  request.label = request.label or label_of(request)
  return request.label
end

local function answer(self, request, reply)
  if self.pending[request.id] ~= request then return end  -- timed out, cancelled, or of a host that is gone
  self.pending[request.id] = nil
  self:forget(request.timer)
  reply.id, request.timer = request.id, nil
  if not reply.not_sent and not self.core:pass("before the answer to " .. label(request) .. " is heard") then return end
  self.replies[#self.replies + 1] = reply
end

local function count(self, request)
  local key = (request.rule or "") .. "\0" .. (request.event or "")
  local number = (self.counts[key] or 0) + 1
  self.counts[key] = number
  if number > REQUESTS then
    error(("this never ends: %s, for the %dth time at one moment"):format(label(request), number), 0)
  end
end

local OUTSIDE = { "method", "url", "headers", "body", "timeout", "carrier", "mail", "upload", "kind", "key", "place",
  "name", "header", "arguments", "again", "rule", "event", "target" }

local function hand_over(self, request)
  if request.cancelled then
    local earlier = self.pending[request.id]
    self.pending[request.id] = nil
    self:forget(earlier and earlier.timer)
    return
  end
  count(self, request)
  if not self.core:pass("before " .. label(request) .. " leaves") then return end
  self.pending[request.id] = request
  local seconds = (request.timeout or 0) > 0 and request.timeout or TIMEOUT
  local function late()
    answer(self, request, { error = ("there was no answer in %g s"):format(seconds), code = "timeout" })
  end
  request.timer = request.carrier ~= "aside" and self:after(seconds, late) or nil
  local shown = {}
  for _, name in ipairs(OUTSIDE) do shown[name] = request[name] end
  self.outside(shown, function(reply)
    local copy = {}
    for name, value in pairs(reply) do copy[name] = value end
    return answer(self, request, copy)
  end)
end

-- Hands the requests over, until one of them is the host's last.
local function hand_over_all(self, requests)
  for _, request in ipairs(requests) do
    hand_over(self, request)
    if self.core:dead() then return end
  end
end

-- One settlement.

local function ring(self)
  local now, last, rang = self.core:now(), self.timers.order, false
  local call = self.timers:take(now, last)
  while call do
    call()
    rang = true
    if self.core:dead() then return true end
    call = self.timers:take(now, last)
  end
  return rang
end

-- A turn of the worker.
local function step(self)
  local replies = self.replies
  self.replies = {}
  local requests, busy, at, ended = self.core:step(replies)
  self.busy, self.next_timer, self.ended = busy, at, ended
  if self.wants_facts then tell(self) end
  if #requests > 0 then hand_over_all(self, requests) end
end

local function is_due(self, at) return at ~= nil and at <= self.core:now() end

-- One round. True: there may be more to do at this moment.
local function round(self)
  local rang = ring(self)
  if died(self) then return true end
  local messages = self.core:turn()
  if self.wants_facts then tell(self) end
  if died(self) then return true end
  if not (messages or self.busy or #self.replies > 0 or is_due(self, self.next_timer)) then
    return rang or is_due(self, self.timers:next())
  end
  step(self)
  died(self)
  return true
end

-- The configuration as the host has it: its inbox is the simulation's.
local function own(self, config) return setmetatable({ inbox = self.core:path() }, { __index = config }) end

-- Everything is done, but for rules that were put in force by hand. True: there is more to do.
local function follow(self)
  if not self.core:forced() then return false end
  self.forced = in_force.follow(self.core, own(self, self.config), self.log, self.set, self.forced)
  return true
end

local function settle(self)
  self.counts = {}
  self.core:look()
  for number = 1, ROUNDS do
    if not round(self) and not follow(self) then return end
    if number == ROUNDS then
      error("this never ends: something happens again and again at " .. self.core:now(), 0)
    end
  end
end

---Everything that can happen at this moment. Raises when that never ends.
function Simulation:settle() return settle(self) end

-- Time.

---Seconds since 1970.
---@return number
function Simulation:now() return self.core:now() end

---When something is due next, after what can happen now has happened.
---@return number|nil seconds since 1970; nil: nothing will happen by itself
function Simulation:next()
  local first = self.core:due()
  for _, at in ipairs { self.next_timer or math.huge, self.timers:next() or math.huge } do
    if at < (first or math.huge) then first = at end
  end
  return first
end

---Goes on to a moment, by way of each moment at which something is due, and settles at each.
---@param time number seconds since 1970, not before now
function Simulation:advance(time)
  if type(time) ~= "number" or time < self.core:now() then
    error(("advance: %s lies before now, %s"):format(tostring(time), tostring(self.core:now())), 2)
  end
  settle(self)
  for _ = 1, MOMENTS do
    local at = self:next()
    if not at or at > time then
      self.core:set(time)
      return settle(self)
    end
    self.core:set(math.max(at, self.core:now()))
    settle(self)
  end
  error(("this never ends: something was due %d times on the way to %s"):format(MOMENTS, tostring(time)), 0)
end

---Calls `call` once, so many seconds from now; for what stands outside.
---@param seconds number
---@param call fun()
---@return table timer
function Simulation:after(seconds, call) return self.timers:add(self.core:now() + seconds, call) end

---Cancels a timer; nil is allowed.
---@param timer table|nil
function Simulation:forget(timer) return self.timers:cancel(timer or nil) end

-- Events.

local function path_of(subscription)
  return subscription and subscription ~= "" and "/events/-/" .. subscription or "/events/-"
end

-- Posts the events from `first` on, as many as the receiver takes at once. A sender who gets no answer posts again.
local function post(self, list, first, answers)
  local got = self.core:post(list, first)
  tell(self)
  local number = #got
  for index, one in ipairs(got) do
    if not one then
      number = index - 1
      break
    end
    answers[first + index - 1] = one
  end
  died(self)
  return first + number
end

---Posts events to the receiver, one after the other; those that come together are one group.
---@param list { [1]: string, [2]: string|nil }[] each a body, and the name of its subscription
---@return { status: integer, headers: table<string, string>, body: string }[] answers
function Simulation:push_all(list)
  local posts, answers, first = {}, {}, 1
  for index, one in ipairs(list) do posts[index] = { path_of(one[2]), one[1] } end
  while first <= #posts do first = post(self, posts, first, answers) end
  return answers
end

---Posts an event to the receiver, and gives its answer. An accepted event is durable. When the host dies meanwhile, the
---sender posts it again, as Altinn does.
---@param body string
---@param subscription string|nil its name
---@return { status: integer, headers: table<string, string>, body: string } answer
function Simulation:push(body, subscription) return self:push_all({ { body, subscription } })[1] end

-- The host's life.

---Puts other rules in force, on the path of the host's reload.
---@param config table
---@param set table of altinn.events.host.prepare.rules
---@return boolean|nil done
---@return string|nil message
function Simulation:reload(config, set)
  local done, message = in_force.replace(self.core, own(self, config), set, self.log, self.set, function(lost)
    for _, one in ipairs(lost) do self.log("warn", "rules", { reason = one.message }) end
  end)
  tell(self)
  if not done then return nil, message end
  self.config, self.set = config, set
  self.forced = force.of(self.core:path(), set) or {}
  return true
end

---Stops the host in order, and starts it again. Runs in flight may end before: that may take ten seconds.
function Simulation:restart()
  self.core:drain()
  settle(self)
  while not self.ended do
    local at = self:next()
    if at then self.core:set(math.max(at, self.core:now())) end
    settle(self)
  end
  self.core:finish()
  tell(self)
  start(self)
end

---The power fails: what was not flushed is lost. The host is started again.
function Simulation:kill() return revive(self) end

---The host dies at the n-th boundary from now; it starts again at once, and the caller goes on.
---@param number integer 0: at none
function Simulation:crash_at(number) return self.core:crash_at(number) end

---The boundaries so far: moments at which a host may die, and has to go on afterwards as if it had not.
---@return { name: string }[]
function Simulation:boundaries() return self.core:boundaries() end

---What the running host knows of itself, for `why`: see csrc/lua/host/state.h.
---@param event integer|nil the event whose runs in flight are told
---@return table facts
function Simulation:state(event) return assert(state.parse(self.core:state(event))) end

---The inbox's file.
---@return string
function Simulation:path() return self.core:path() end

---How often each line of the rules' files ran.
---@return table<string, table<integer, integer>> coverage
function Simulation:coverage() return self.core:coverage() end

---Ends the simulation, and removes its file.
function Simulation:close()
  if self.closed or not self.core then return end
  self.closed = true
  compile_all(self)
  self.core:close()
end

Simulation.__close = Simulation.close
Simulation.__gc = Simulation.close

local OPTIONS = { config = true, set = true, now = true, seed = true, log = true, coverage = true, outside = true }

local function covered(options)
  if not options.coverage then return nil end
  local files = {}
  for name in pairs(options.set.sources) do files[#files + 1] = name end
  table.sort(files)
  return files
end

---A simulation, with its host started.
---@param options { config: table, set: table, now: number, seed: integer|nil, log: function|nil, coverage: boolean|nil,
---  outside: fun(request: table, reply: fun(reply: table)) } config: of altinn.events.host.config, and `forced`:
---  the rules in force by hand, nil: as the simulation's own file says; set: of altinn.events.host.prepare.rules;
---  now: seconds since 1970; seed: of all randomness; log(level, message, fields); coverage: counts the lines of rules
---  that run; outside: called for each thing that leaves the host, answers now or later by reply { status =, headers =,
---  body = } or reply { error =, code =, not_sent = boolean }
---@return table simulation
function M.new(options)
  schema.keys("simulation.new", options, OPTIONS, 2)
  local self = setmetatable({
    config = options.config, set = options.set, log = options.log or no_log, outside = options.outside,
    wants_facts = options.log ~= nil, timers = timers.new(), counts = {}, life = 0,
  }, Simulation)
  self.core = libraries.load("altinn.events.host").simulation {
    now = options.now, seed = options.seed or 1, coverage = covered(options), facts = options.log ~= nil,
  }
  start(self)
  return self
end

return M
