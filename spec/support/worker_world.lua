-- The worker of the host in the spec's own Lua, on a virtual clock: the host's door, the budget and libcurl are tables.
local cjson = require "cjson.safe"
local logfmt = require "altinn.events.support.logfmt"
local sample = require "spec.support.sample"

local M = {}

local World = {}
World.__index = World

local GLOBALS = { "resume", "wrap", "close", "create", "isyieldable", "running", "status", "yield" }

--- `rules`: file -> text; `answer(request, number)`: gives the seconds until the reply, and the reply; nil: never.
---@param options { rules: table<string, string>, answer: function|nil, targets: table|nil, limits: table|nil }
function M.new(options)
  return setmetatable({
    now = 0, queue = {}, taken_back = {}, lines = {}, settled = {}, effects = {}, requests = {}, transfers = {},
    most = 0, used = 0, counted = {}, options = options, settings = cjson.encode(M.settings(options)),
  }, World)
end

function M.settings(options)
  local files = {}
  for file in pairs(options.rules) do files[#files + 1] = file end
  table.sort(files)
  return { rules = files, sources = options.rules, targets = options.targets or {}, limits = options.limits }
end

--- What the host tells the worker at that time.
function World:at(time, message)
  if type(message) == "function" then message = { call = message } end
  message.at = time
  local place = #self.queue + 1
  while place > 1 and self.queue[place - 1].at > time do place = place - 1 end
  table.insert(self.queue, place, message)
end

function World:run_at(time, rule, sequence, changes)
  local fields = { id = "e-" .. sequence, resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(sequence) }
  for name, value in pairs(changes or {}) do fields[name] = value end
  self:at(time, { kind = "run", rule = rule, sequence = sequence, attempt = 0, since = 0, due = 0, fresh = true,
    received = math.floor((1800000000 + time) * 1000), body = sample.text(fields) })
end

--- When the verdict of a run came, and which.
function World:verdict(rule, sequence) return self.settled[rule .. "/" .. sequence] end

-- The host's door.

local function due_messages(self, max)
  local list, due = {}, 0
  while self.queue[due + 1] and self.queue[due + 1].at <= self.now and #list < max do
    due = due + 1
    list[#list + 1] = self.queue[due]
  end
  table.move(self.queue, due + 1, #self.queue + due, 1)
  local told = {}
  for _, message in ipairs(list) do
    if message.call then message.call(self) else told[#told + 1] = message end
  end
  return told
end

local function wait_until(self, ends)
  local first = self.queue[1]
  self.now = math.max(self.now, math.min(ends, first and first.at or ends))
end

local function store(self, works)
  for _, work in ipairs(works) do
    if work.kind == "settle" then
      work.at = self.now
      self.settled[work.rule .. "/" .. work.sequence] = work
    else
      work.at = self.now
      self.effects[#self.effects + 1] = work
    end
  end
end

local function door(self)
  local jobs = {}
  function jobs.now() return 1800000000 + self.now, self.now end
  function jobs.descriptor() return -1 end
  function jobs.holds(_, sequence, rule) return not self.taken_back[rule .. "/" .. sequence] end
  function jobs.settle(_, works) store(self, works) end
  function jobs.verdict() end
  function jobs.effect(_, target, state) self.counted[#self.counted + 1] = target .. " " .. state end
  function jobs.admit(_, target) return self.options.closed and self.options.closed[target] end
  function jobs.report() end
  function jobs.release(_, target) self.counted[#self.counted + 1] = "release " .. target end
  function jobs.record(_, works, ticket)
    if self.options.refuses then return false end
    local states, recalled = {}, {}
    for index, work in ipairs(works) do
      states[index] = false
      if work.kind == "recall" then
        recalled[index] = self.options.recalled or { steps = {}, memory = {}, effects = {} }
        self.options.recalled = nil
      end
    end
    self:at(self.now, { kind = "ack", ticket = ticket, failed = self.options.fails or false, states = states,
      requests = {}, owners = {}, recalled = recalled })
    return true
  end
  -- A rule says how long it computes: log("spend", seconds).
  function jobs.fact(_, _, level, message, fields)
    local line = ("time=T level=%s %s"):format(level, logfmt.line(message, fields))
    local seconds = line:match('reason="spend ([%d.]+)"')
    if seconds then self.now = self.now + tonumber(seconds) else self.lines[#self.lines + 1] = line end
  end
  function jobs.take(_, max, seconds)
    local list = due_messages(self, max)
    if #list > 0 or not seconds or seconds <= 0 then return list end
    if not self.queue[1] and self.idle then return { { kind = "stop" } } end
    self.idle = not self.queue[1]
    wait_until(self, self.now + seconds)
    return due_messages(self, max)
  end
  return jobs
end

-- libcurl.

local Multi = {}
Multi.__index = Multi

function Multi:add(request)
  local world = self.world
  self.last = (self.last or 0) + 1
  world.requests[#world.requests + 1] = request
  local seconds, reply = world.options.answer(request, #world.requests)
  world.transfers[self.last] = { at = seconds and world.now + seconds or math.huge, reply = reply or { status = 200 } }
  world.most = math.max(world.most, self:count())
  return self.last
end

function Multi:count()
  local count = 0
  for _ in pairs(self.world.transfers) do count = count + 1 end
  return count
end

function Multi:cancel(id) self.world.transfers[id] = nil end

function Multi:step(seconds)
  local world, first, list = self.world, math.huge, {}
  for _, transfer in pairs(world.transfers) do first = math.min(first, transfer.at) end
  wait_until(world, math.min(first, world.now + seconds))
  for id, transfer in pairs(world.transfers) do
    if transfer.at <= world.now then
      world.transfers[id] = nil
      list[#list + 1] = { id = id, status = transfer.reply.status, headers = transfer.reply.headers or {},
        body = transfer.reply.body or "", error = transfer.reply.error, code = transfer.reply.code }
    end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

local function budget_of(self)
  return {
    start = function() end, enter = function() end, leave = function() end, stopped = function() return false end,
    finish = function() return self.overrun and "time" or nil, self.overrun or 0, -1 end,
    used = function() return self.used end,
  }
end

--- Runs the worker until nothing is left to do, then stops it.
function World:run()
  local kept, kept_xpcall, exit, curl = {}, xpcall, os.exit, package.loaded["altinn.events.curl"]
  for _, name in ipairs(GLOBALS) do kept[name] = coroutine[name] end
  package.loaded["altinn.events.curl"] = { new = function() return setmetatable({ world = self }, Multi) end }
  local ok, message = pcall(require("altinn.events.host.worker").main, door(self), self.settings, budget_of(self))
  for name, value in pairs(kept) do rawset(coroutine, name, value) end
  rawset(_G, "xpcall", kept_xpcall)
  rawset(os, "exit", exit)
  package.loaded["altinn.events.curl"] = curl
  require("altinn.events.rules.place").watch(function() end)
  require("altinn.events").on_reveal = nil
  assert(ok, message)
  return self
end

return M
