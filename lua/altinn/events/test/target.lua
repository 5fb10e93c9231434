-- A target of a world: takes what the host sends, remembers it by its key as an honest service does, and answers as the
-- spec says. Whoever brings a request (simulation or socket) carries out the answer.
local behaviours = require "altinn.events.test.behaviour"
local effects = require "altinn.events.rules.effects"
local json = require "altinn.events.support.json"
local received = require "altinn.events.test.received"

local M = {}

local Target = {}
Target.__index = Target

-- The usual good answers, by sort.
local GOOD = { mail = 250, folder = 0, append = 0, command = 0 }

--- A target.
---@param name string
---@param config table of the configuration
---@return table target
function M.new(name, config)
  local sort = assert(effects.sorts:of(config))
  return setmetatable({ name = name, config = config, sort = sort, behaviour = {}, sent = {}, requests = {},
    by_key = {}, faults = {} }, Target)
end

--- From now on it behaves like this.
---@param given string|table|function
function Target:behave(given)
  self.behaviour, self.struck = behaviours.read(given), 0
end

-- The behaviour that this effect meets.
local function strike(self)
  local behaviour = self.behaviour
  if not behaviour.times then return behaviour end
  if self.struck >= behaviour.times then return {} end
  self.struck = self.struck + 1
  return behaviour
end

-- Questions: those of a probe by what is remembered, those of a handshake by permission.

local function is_meant(item, path, word)
  if item.path == path or item.key == word or item.name == word then return true end
  for _, value in pairs(type(item.json) == "table" and item.json or {}) do
    if value == word then return true end
  end
  return false
end

local function remembered(self, path)
  local word = path:match("^[^?]*"):match("([^/]*)$"):gsub("%%(%x%x)", function(code)
    return string.char(tonumber(code, 16))
  end)
  for _, item in ipairs(self.sent) do
    if item.taken and is_meant(item, path, word) then
      return { status = 200, body = item.body, headers = { ["content-type"] = "application/json" } }
    end
  end
  return { status = 404 }
end

local function answer_question(self, item)
  if self.behaviour.dies == "at connect" or self.behaviour.dies == "in TLS" then
    return { dies = self.behaviour.dies }
  end
  for _, one in pairs(self.by_key) do one.asked = true end
  if item.method == "OPTIONS" then
    return { status = 200, headers = { ["webhook-allowed-origin"] = "*", allow = "POST" } }
  end
  local own = self.behaviour.call and self.behaviour.call(item)
  return own or remembered(self, item.path)
end

-- Effects.

-- What there is to say against an effect that comes again.
local function check_again(self, before, item, life)
  local function fault(text, ...)
    self.faults[#self.faults + 1] = ("target '%s': "):format(self.name) .. text:format(...)
  end
  if not before.taken then return end
  if received.bytes(before) ~= received.bytes(item) then
    fault("two different bodies came under the key %s", item.key)
  elseif before.heard == life then
    fault("the effect %s came again, although its answer was %d", item.key, before.status)
  elseif not before.asked and item.probed and item.probed() then
    fault("the effect %s came again, and its probe was not asked: nobody knew whether it had arrived", item.key)
  end
end

-- Notes an effect under its key: each key stands once.
local function note(self, item, life)
  local before = item.key and self.by_key[item.key]
  if before then check_again(self, before, item, life) end
  item.times = (before and before.times or 0) + 1
  item.taken = before and before.taken or false
  if before and before.taken then   -- what it has taken stays as it was
    before.times, before.asked, before.heard = item.times, false, nil
    return before
  end
  if before then
    for index, one in ipairs(self.sent) do if one == before then self.sent[index] = item end end
  else self.sent[#self.sent + 1] = item end
  if item.key then self.by_key[item.key] = item end
  return item
end

local function status_of(self, decision)
  return decision.status or GOOD[self.sort] or 200
end

local function is_good(self, status)
  if self.sort == "folder" or self.sort == "append" or self.sort == "command" then return status == 0 end
  return status >= 200 and status < 300
end

local function decide(behaviour, item)
  if not behaviour.call then return behaviour end
  return behaviours.read(behaviour.call(item) or {})
end

--- Takes a request, and says how it is answered.
---@param request table as it left the host
---@param probed fun(): boolean whether its effect has a probe
---@param life integer how often the host has begun
---@return { status: integer, headers: table|nil, body: string|nil, seconds: number|nil, dies: string|nil } decision
---@return table|nil item of an effect
function Target:take(request, probed, life)
  local item = received.read(self.sort, request, self.config)
  if item.method == "GET" or item.method == "OPTIONS" then
    self.requests[#self.requests + 1] = item
    return answer_question(self, item), nil
  end
  local decision = decide(strike(self), item)
  local death = decision.dies
  if death and not behaviours.deaths[death] then
    if death ~= "at connect" and death ~= "in TLS" then self.requests[#self.requests + 1] = item end
    return { dies = death }, nil
  end
  item.probed, item.status = probed, status_of(self, decision)
  self.requests[#self.requests + 1] = item
  item = note(self, item, life)
  item.status = status_of(self, decision)
  item.taken = item.taken or is_good(self, item.status)
  local body = decision.body or decision.json ~= nil and json.encode(decision.json) or ""
  return { status = item.status, headers = decision.headers, body = body, seconds = decision.seconds, dies = death },
    item
end

--- The answer to an effect was heard by the host.
---@param item table
---@param life integer how often the host has begun
function Target:heard(item, life)
  if is_good(self, item.status) then item.heard = life end
end

-- For specs.

local HIDDEN = { taken = true, asked = true, heard = true, probed = true }

local function shown(item)
  local copy = {}
  for name, value in pairs(item) do
    if not HIDDEN[name] then copy[name] = value end
  end
  return copy
end

--- What it has received, each key once: with its last status, and `times`, how often it came.
---@return table[]
function Target:list()
  local list = {}
  for index, item in ipairs(self.sent) do list[index] = shown(item) end
  return list
end

--- Every request in order, probes and repetitions among them.
---@return table[]
function Target:all()
  local list = {}
  for index, item in ipairs(self.requests) do list[index] = shown(item) end
  return list
end

--- What the host did wrong, and forgets it.
---@return string[] faults
function Target:take_faults()
  local faults = self.faults
  self.faults = {}
  return faults
end

return M
