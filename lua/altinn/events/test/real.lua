-- The host of a world as it is: threads, sockets, a file; the emulator and the targets on ports of this machine. Its
-- clock stands still unless the world moves it, so that the same story gives the same verdicts as in a simulation.
local curl = require("altinn.events.support.libraries").load "altinn.events.curl"
local emulator = require "altinn.events.emulator.server"
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local in_force = require "altinn.events.host.in_force"
local mistake = require "altinn.events.test.mistake"
local places = require "altinn.events.test.places"
local rules = require "altinn.events.rules.loading"
local facts = require "altinn.events.host.state"

local M = {}

local SECONDS = 60       -- that anything may take on a busy machine
local ROUND = 0.002      -- seconds of one wait
local QUIET = 0.5        -- seconds after which a run that is under way, and does nothing, waits for time to pass
local WORKERS = 2
local MOST = 1 << 30
local GRAIN = 1e-7       -- seconds that keep the host's clock from falling behind by rounding

local Real = {}
Real.__index = Real

local function start(self)
  local config, set = self.world.made.config, self.world.made.set
  local handle, message = host.start {
    inbox = self.file, listen = { "127.0.0.1", self.port or 0 }, secrets = {}, workers = WORKERS,
    now = self.ms / 1000 + GRAIN, heads = rules.heads(set, config.limits), version = "test",
    worker_settings = in_force.settings(config, set), targets = self.world.target_names,
  }
  if not handle then error("the host does not start: " .. tostring(message), 0) end
  self.handle, self.port, self.life = handle, handle:port(), self.life + 1
  in_force.keep_versions(handle, set, self.log)
end

-- Waiting.

local function turn(self)
  self.altinn:step(ROUND)
  if self.places:step() then self.active = self:wall() end
  if #self.altinn.requests ~= self.asked then self.asked, self.active = #self.altinn.requests, self:wall() end
end

function Real:wall() return (select(2, self.altinn.server:now())) end

-- The states whose runs have a time.
local DUE = { "later", "retry", "held" }

-- Whether runs can go on at this moment; else when the next one is due (nil: never).
local function look(self)
  local inbox <close> = assert(host.inbox(self.file))
  local now, first = self.ms, nil
  if #assert(inbox:events { state = "waiting", limit = 1 }) > 0 then return true end
  if #assert(inbox:events { state = "running", limit = 1 }) > 0 then return true end
  for _, state in ipairs(DUE) do
    for _, event in ipairs(assert(inbox:events { state = state, limit = MOST })) do
      for _, run in ipairs(assert(inbox:runs(event.sequence))) do
        if run.state == state and run.due > 0 then
          if run.due <= now then return true end
          first = math.min(first or run.due, run.due)
        end
      end
    end
  end
  return false, first
end

-- The time of the emulator's next timer, in milliseconds.
local function next_of_altinn(self)
  local due = self.altinn.clock:due()
  return due and math.ceil(due * 1000 - 0.01) or math.huge
end

local function is_busy(self)
  if self.altinn.deliveries.under_way > 0 or next_of_altinn(self) <= self.ms then return true end
  return (look(self))
end

--- Waits until nothing can happen at this moment.
function Real:settle()
  local began, calm = self:wall(), 0
  self.active = began
  while calm < 3 do
    turn(self)
    calm = is_busy(self) and self:wall() - self.active < QUIET and 0 or calm + 1
    if self:wall() - began > SECONDS then error("the real host does not come to rest", 0) end
  end
end

-- Time.

function Real:now() return self.ms / 1000 end

function Real:after(seconds, call) return self.altinn.clock:after(seconds, call) end

function Real.forget(_, timer) if timer then timer.call = nil end end

local function move(self, ms)
  local ahead = ms - self.ms
  if ahead <= 0 then return end
  self.ms = ms
  self.handle:advance(ahead / 1000 + GRAIN)
  self.altinn.clock:jump(ms / 1000 + GRAIN)
end

function Real:advance(time)
  local goal = math.floor(time * 1000 + 0.5)
  self:settle()
  while true do
    local _, due = look(self)
    local at = math.min(due or math.huge, next_of_altinn(self))
    if at > goal then break end
    move(self, math.max(math.tointeger(at), self.ms + 1))
    self:settle()
  end
  move(self, goal)
  self:settle()
end

-- Events.

function Real:push(body)
  local reply, message = self.poster:perform { method = "POST", url = self.world.endpoint, body = body,
    timeout = SECONDS, headers = { ["Content-Type"] = "application/json; charset=utf-8" } }
  if not reply or reply.error then error("the host does not answer: " .. tostring(message or reply.error), 0) end
  return { status = reply.status, headers = reply.headers, body = reply.body }
end

-- The host's life.

function Real:prepare(made) self.places:open(made.config) end

function Real:reload(config, set)
  in_force.keep_versions(self.handle, set, self.log)
  local done, message = self.handle:reload(rules.heads(set, config.limits), in_force.settings(config, set))
  return done, message and tostring(message)
end

function Real:restart()
  self.handle:stop()
  start(self)
  self:settle()
end

--- A host in this process cannot be killed without it: it is stopped and started.
function Real:kill() return self:restart() end

function Real:path() return self.file end

function Real:state(event) return facts.parse(self.handle:state(event)) end

function Real:behaves(target) self.places:behaves(target) end

function Real:collect() self.places:collect() end

function Real:close()
  self.handle:stop()
  self.altinn:close()
  self.places:close()
  self.poster:close()
  os.execute(("rm -rf '%s'"):format(self.folder))
end

-- Notes what the emulator pushes by itself.
local function note_pushes(world)
  local post = world.altinn.post
  function world.altinn.post(altinn, request, done)
    return post(altinn, request, function(reply)
      local event = events.parse(request.body)
      if not reply.error and event then world.pushes:add(request.body, event, reply.status) end
      return done(reply)
    end)
  end
end

--- Opens the world's host, emulator and targets.
---@param world table
---@param options { now: number, log: function, token: (fun(): string) }
function M.open(world, options)
  local folder = os.tmpname()
  os.remove(folder)
  if not os.execute(("mkdir '%s'"):format(folder)) then mistake.raise("the folder %s cannot be made", folder) end
  local altinn = assert(emulator.new { listen = { "127.0.0.1", 0 }, speed = 0, now = options.now, silent = true,
    seed = world.seed, http_endpoints = "any", log = function() return nil end })
  world.altinn = altinn
  note_pushes(world)
  local self = setmetatable({ world = world, altinn = altinn, folder = folder, file = folder .. "/inbox.db",
    ms = math.floor(options.now * 1000 + 0.5), log = options.log, poster = curl.new { connections = 1 }, life = 0,
    asked = 0, places = places.new(world, folder) }, Real)
  self:prepare(world.made)
  world.made.config.base_url, world.made.config.token = altinn.base, options.token()
  start(self)
  world.host, world.endpoint = self, ("http://127.0.0.1:%d/events"):format(self.port)
end

return M
