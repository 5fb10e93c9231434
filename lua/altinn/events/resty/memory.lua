-- The memory that all workers of one nginx share, in a shared dict: which events are done, which effects are sent,
-- and which worker has an event.
-- luacheck: globals ngx
local cjson = require("cjson.safe").new()
local log = require "altinn.events.resty.log"

local M = {}

local DAY = 86400
local REMEMBERED = 7 * DAY    -- seconds; Altinn's redeliveries end after 35 hours
local UNDER_WAY = 300         -- lifetime of a claim, seconds: longer than Altinn waits for an answer
local TAKING_OVER = 5
local REMEMBERING = 5         -- seconds that a change of what a rule remembers may wait, and take
local LEAST_BYTES = 1024 * 1024
local DONE = 1

-- A claim is the number of the worker's process times CLAIMS, plus a counter that tells its claims apart. It is never
-- DONE, which replaces it when the event is done.
local CLAIMS = 2 ^ 20
local claims = 0

local Memory = {}
Memory.__index = Memory

--- The memory in a shared dict; raises when the dict is missing or too small.
---@param name string of a lua_shared_dict
---@return table memory
function M.new(name)
  if type(name) ~= "string" then error('dict: the name of a lua_shared_dict is wanted', 3) end
  local dict = ngx.shared[name]
  if not dict then
    error(('there is no shared dict %s: add "lua_shared_dict %s 64m;" to the http block of nginx'):format(name, name),
      3)
  end
  if dict:capacity() < LEAST_BYTES then
    error(('the shared dict %s is too small to remember events: make it "lua_shared_dict %s 64m;"'):format(name, name),
      3)
  end
  return setmetatable({ dict = dict, name = name }, Memory)
end

-- A key of fixed length, however long the event's id is. MD5 suffices: only somebody who makes both events could give
-- two ids the same digest.
local function key_of(kind, ...)
  return kind .. ngx.md5_bin(table.concat({ ... }, "\0"))
end

-- Warns, once a worker, when the dict is full or refuses a value.
local function look_at(self, forcible, message)
  if self.warned or not forcible and not message then return end
  self.warned = true
  local reason = message and "takes nothing: " .. message
    or "is full: events of the last days are forgotten, and would be worked on again when they came again"
  log.say("warn", "memory", { reason = ("the shared dict %s %s; make lua_shared_dict %s larger"):format(self.name,
    reason, self.name) })
end

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

-- Whether the worker that made a claim has died. Reading /proc does not block; on a system without /proc the claim
-- must expire instead.
local function is_orphaned(claim)
  local process = math.floor((tonumber(claim) or 0) / CLAIMS)
  return process > 0 and not exists(("/proc/%d/stat"):format(process)) and exists "/proc/self/stat"
end

-- Claims a key for this worker, for so many seconds at most -> the claim; or nil and the value that stands there; or
-- nil, nil and the dict's error.
local function claim(self, key, seconds)
  claims = (claims + 1) % CLAIMS
  local own = ngx.worker.pid() * CLAIMS + claims
  local ok, message, forcible = self.dict:add(key, own, seconds)
  look_at(self, forcible, not ok and message ~= "exists" and message or nil)
  if ok then return own end
  if message ~= "exists" then return nil, nil, message end
  local other = self.dict:get(key)
  -- Several workers may see a dead worker's claim: `add` lets one of them take it over.
  if is_orphaned(other) and self.dict:add("over:" .. key .. other, DONE, TAKING_OVER) then
    self.dict:set(key, own, seconds)
    return own
  end
  return nil, other or 0
end

-- Gives a claim back, unless another worker has taken it over.
local function unclaim(self, key, own)
  if self.dict:get(key) == own then self.dict:delete(key) end
end

local function set(self, key, value, seconds)
  local ok, message, forcible = self.dict:set(key, value, seconds)
  look_at(self, forcible, not ok and message or nil)
  return ok, message
end

--- The key of an event, for begin and finish.
---@param event table
---@return string key
function M.key(event) return "event:" .. ngx.md5_bin(event.source .. "\0" .. event.id) end

--- Begins the work on an event.
---@param key string
---@return "new"|"done"|"busy"|nil state new: it is the caller's now
---@return number|string|nil claim of the new one, for finish; without a state, why
function Memory:begin(key)
  local own, other, message = claim(self, key, UNDER_WAY)
  if own then return "new", own end
  if message then return nil, message end
  return other == DONE and "done" or "busy"
end

--- Ends the work on an event: done events are remembered, others may be begun again.
---@param key string
---@param own number the claim that begin gave
---@param done boolean
function Memory:finish(key, own, done)
  if done then set(self, key, DONE, REMEMBERED) else unclaim(self, key, own) end
end

--- Whether a rule has had its verdict on an event.
---@param event string its key
---@param rule string
---@return boolean
function Memory:is_settled(event, rule) return self.dict:get(key_of("run:", event, rule)) == DONE end

--- A rule has its verdict on an event, of which other rules have none yet.
---@param event string its key
---@param rule string
function Memory:settle(event, rule) set(self, key_of("run:", event, rule), DONE, REMEMBERED) end

--- The attempts of a rule at an event.
---@param event string its key
---@param rule string
---@return { failures: integer, tries: integer, since: number|nil, received: number } attempts that failed, attempts in
---  all, when the first of those that failed began, when the event came first: seconds since 1970
function Memory:attempts(event, rule)
  local text = self.dict:get(key_of("attempt:", event, rule))
  local failures, tries, since, received = tostring(text):match("^(%d+) (%d+) (%S+) (%S+)$")
  since = tonumber(since)
  return {
    failures = tonumber(failures) or 0, tries = tonumber(tries) or 0, since = since ~= 0 and since or nil,
    received = tonumber(received) or ngx.now(),
  }
end

--- Whether the memory holds attempts of a rule at an event.
---@param event string its key
---@param rule string
---@return boolean
function Memory:is_known(event, rule) return self.dict:get(key_of("attempt:", event, rule)) ~= nil end

--- Notes an attempt that ended without a verdict. The caller must have the event's claim.
---@param event string its key
---@param rule string
---@param attempts table as of Memory:attempts, with this one; since 0: none has failed
function Memory:failed(event, rule, attempts)
  set(self, key_of("attempt:", event, rule), ("%d %d %.3f %.3f"):format(attempts.failures, attempts.tries,
    attempts.since, attempts.received), REMEMBERED)
end

--- Forgets a rule's attempts and its verdict on an event.
---@param event string its key
---@param rule string
function Memory:forget(event, rule)
  self.dict:delete(key_of("run:", event, rule))
  self.dict:delete(key_of("attempt:", event, rule))
  self.dict:delete(key_of("steps:", event, rule))
end

-- Values that are kept as JSON: steps, what rules remember, effects under way.

local function read(self, key)
  local value = cjson.decode(self.dict:get(key) or "")
  return type(value) == "table" and value or nil
end

--- The steps that a rule has done for an event.
---@param event string its key
---@param rule string
---@return { name: string, result: string }[] steps in order; result: JSON
function Memory:steps(event, rule) return read(self, key_of("steps:", event, rule)) or {} end

--- Adds a step. The caller must have the event's claim.
---@param event string its key
---@param rule string
---@param name string
---@param result string JSON
---@return boolean ok false: the dict takes nothing
function Memory:add_step(event, rule, name, result)
  local steps = self:steps(event, rule)
  steps[#steps + 1] = { name = name, result = result }
  return (set(self, key_of("steps:", event, rule), cjson.encode(steps), REMEMBERED)) == true
end

--- The effect that a rule was sending for an event, while its outcome is not known.
---@param event string its key
---@param rule string
---@return { key: string, target: string }|nil effect
function Memory:unfinished(event, rule) return read(self, key_of("unfinished:", event, rule)) end

--- Notes the effect that a rule is sending; nil: it is known what came of it.
---@param event string its key
---@param rule string
---@param effect { key: string, target: string }|nil
function Memory:under_way(event, rule, effect)
  local key = key_of("unfinished:", event, rule)
  if effect then set(self, key, cjson.encode(effect), REMEMBERED) else self.dict:delete(key) end
end

--- What a rule remembers of a thing.
---@param rule string
---@param thing string
---@return table<string, string> values JSON texts by name
function Memory:remembered(rule, thing)
  local values = {}
  for name, one in pairs(read(self, key_of("remembered:", rule, thing)) or {}) do
    if not one.expires or one.expires > ngx.now() then values[name] = one.value end
  end
  return values
end

--- Changes what a rule remembers of a thing.
---@param rule string
---@param thing string
---@param changes { name: string, value: string|nil, expires: number|nil }[] value: JSON, nil forgets; expires: seconds
---  since 1970
function Memory:remember(rule, thing, changes)
  local name = ("remembered %s\0%s"):format(rule, thing)
  local lock, key = self:lock(name, REMEMBERING, REMEMBERING), key_of("remembered:", rule, thing)
  local values = read(self, key) or {}
  for _, one in ipairs(changes) do
    values[one.name] = one.value and { value = one.value, expires = one.expires } or nil
  end
  if next(values) then set(self, key, cjson.encode(values), REMEMBERED) else self.dict:delete(key) end
  if lock then self:unlock(name, lock) end
end

--- The state of the effect with this key.
---@param key string
---@return "sent"|"unknown"|false state unknown: it was recorded, and may have been sent
---@return string|nil text as it was recorded, when it is unknown
---@return string|nil owner the id of the event that sent it
function Memory:effect(key)
  local value = self.dict:get(key_of("effect:", key))
  local kind, text = tostring(value or ""):match("^([su])(.*)$")
  if kind == "u" then return "unknown", text end
  if kind == "s" then return "sent", nil, text end
  return false
end

--- Records the effect with this key, just before it is sent.
---@param key string
---@param text string the whole of it
function Memory:record(key, text) set(self, key_of("effect:", key), "u" .. text, REMEMBERED) end

--- Drops the record of an effect that was certainly not carried out.
---@param key string
function Memory:unrecord(key) self.dict:delete(key_of("effect:", key)) end

--- Notes that the effect with this key was sent.
---@param key string
---@param event string the id of the event
function Memory:sent(key, event) set(self, key_of("effect:", key), "s" .. event, REMEMBERED) end

--- Takes a lock, and waits for it; only in phases that may wait. Waiting requests get it in any order.
---@param name string
---@param seconds number how long at most
---@param lifetime number seconds after which the lock expires
---@return number|nil lock for unlock; nil: no lock within the time
function Memory:lock(name, seconds, lifetime)
  local key, deadline, pause = key_of("lock:", name), ngx.now() + seconds, 0.005
  local lock = claim(self, key, lifetime)
  while not lock and ngx.now() < deadline do
    ngx.sleep(pause)
    pause = math.min(pause * 2, 0.1)
    lock = claim(self, key, lifetime)
  end
  return lock
end

--- Gives a lock back, unless it expired and another request has it.
---@param name string
---@param lock number what lock gave
function Memory:unlock(name, lock) unclaim(self, key_of("lock:", name), lock) end

--- A value that is kept for so many seconds, such as a token.
---@param name string
---@return any|nil
function Memory:kept(name) return self.dict:get(key_of("kept:", name)) end

--- Keeps a value; nil forgets it.
---@param name string
---@param value string|number|nil
---@param seconds number|nil
function Memory:keep(name, value, seconds)
  if value == nil then return self.dict:delete(key_of("kept:", name)) end
  return set(self, key_of("kept:", name), value, seconds)
end

--- Keeps a mark for so many seconds.
---@param name string
---@param seconds number
---@return boolean new false: it was there
function Memory:mark(name, seconds) return (self.dict:add(key_of("mark:", name), DONE, seconds)) == true end

return M
