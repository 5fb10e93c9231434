-- The targets of a real host: a port, a folder, a file or a program of this machine for each, in place of the
-- configured one. What arrives there is handed to the world's target.
local files = require "altinn.events.support.files"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local mail_server = require "altinn.events.test.mail_server"
local mistake = require "altinn.events.test.mistake"

local M = {}

local Places = {}
Places.__index = Places

local TIMEOUT = 2   -- seconds that the host waits for an answer: the clock by which it waits is the system's

--- The places of a world's targets, in a folder.
---@param world table
---@param folder string
---@return table places
function M.new(world, folder)
  return setmetatable({ world = world, folder = folder, list = {} }, Places)
end

local function never() return false end

-- Servers of HTTP: each request goes to the target, whose decision is carried out.

local Http = {}
Http.__index = Http

local function listen(self)
  self.server = assert(host.server { listen = { "127.0.0.1", self.port or 0 }, max_bytes = 32 << 20 })
  self.port = self.server:port()
end

local function answer(self, id, decision)
  if decision.dies == "after the status" then
    self.server:reply(id, decision.status, decision.headers or {}, { pattern = " ", size = 10, cut = 5 })
  elseif decision.dies then self.server:reply(id, 0)
  else self.server:reply(id, decision.status, decision.headers or {}, decision.body or "") end
end

function Http:step()
  local any = false
  for request in function() return self.server and self.server:take() end do
    any = true
    local query = {}
    for index, pair in ipairs(request.query) do query[index] = pair[1] .. "=" .. pair[2] end
    request.url = request.path .. (#query > 0 and "?" .. table.concat(query, "&") or "")
    local decision = self.target:take(request, never, 0)
    if not decision.seconds then answer(self, request.id, decision)
    elseif decision.seconds < TIMEOUT then
      self.world.host:after(decision.seconds, function() answer(self, request.id, decision) end)
    end
  end
  return any
end

-- Down is a port at which nobody listens.
function Http:behaves(behaviour)
  if behaviour.dies == "in TLS" then mistake.raise "the targets of a real host speak no TLS: none can die in it" end
  local down = behaviour.dies == "at connect"
  if down and self.server then
    self.server:close()
    self.server = nil
  elseif not down and not self.server then listen(self) end
end

function Http:close() if self.server then self.server:close() end end

local openers = {}

function openers.url(place, config, key)
  listen(setmetatable(place, Http))
  key = key or "url"
  config[key] = ("http://127.0.0.1:%d%s"):format(place.port, config[key]:gsub("^%a+://[^/?#]*", ""))
end

function openers.slack(place, config) openers.url(place, config, "slack") end

function openers.teams(place, config) openers.url(place, config, "teams") end

function openers.mail(place, config)
  mail_server.open(place)
  config.mail, config.plain = "smtp://127.0.0.1:" .. place.port, true
end

-- Files and programs: what has come is found there.

local File = { step = never, close = function() return nil end }
File.__index = File

function File:behaves(behaviour)
  if next(behaviour) == nil then return end
  mistake.raise("target '%s': files and programs of a real host are always up", self.target.name)
end

local function entries(folder)
  local list, pipe = {}, assert(io.popen(("ls -tr '%s'"):format(folder)))
  for name in pipe:lines() do list[#list + 1] = name end
  pipe:close()
  return list
end

local collectors = {}

function collectors.folder(place)
  for _, name in ipairs(entries(place.path)) do
    if not place.seen[name] then
      place.seen[name] = true
      place.target:take({ name = name, body = files.read(place.path .. "/" .. name), carrier = "aside" }, never, 0)
    end
  end
end

function collectors.append(place)
  local text = files.read(place.path) or ""
  for line in text:sub(place.at + 1):gmatch("([^\n]*)\n") do
    if not (place.at == 0 and line == place.target.config.header) then
      place.target:take({ body = line, carrier = "aside" }, never, 0)
    end
    place.at = place.at + #line + 1
  end
end

function collectors.command(place)
  for _, name in ipairs(entries(place.folder)) do
    if name:find("%.args$") and not place.seen[name] then
      place.seen[name] = true
      local words = {}
      for word in (files.read(place.folder .. "/" .. name)):gmatch("([^%z]*)%z") do words[#words + 1] = word end
      local key = table.remove(words, 1)
      place.target:take({ key = key, arguments = table.move(words, 1, #words, #place.target.config.command + 1,
        table.move(place.target.config.command, 1, #place.target.config.command, 1, {})),
        body = files.read(place.folder .. "/" .. name:gsub("args$", "in")) }, never, 0)
    end
  end
end

function File:collect() collectors[self.target.sort](self) end

function openers.folder(place, config)
  setmetatable(place, File)
  place.path, place.seen = place.folder, {}
  config.folder = place.path
end

function openers.append(place, config)
  setmetatable(place, File)
  place.path, place.at = place.folder .. "/lines", 0
  config.append = place.path
end

local SCRIPT = [[#!/bin/sh
file=$(mktemp '%s/XXXXXX')
cat >"$file.in"
printf '%%s\0' "$ALTINN_EVENTS_KEY" "$@" >"$file.part"
mv "$file.part" "$file.args"
]]

function openers.command(place, config)
  setmetatable(place, File)
  place.seen = {}
  local path = place.folder .. ".sh"
  local file = assert(io.open(path, "w"))
  file:write(SCRIPT:format(place.folder))
  file:close()
  os.execute(("chmod +x '%s'"):format(path))
  local words = { path }
  for index = 2, #config.command do words[index] = config.command[index] end
  config.command = words
end

--- Opens the places of a configuration's targets, and writes them into it.
---@param config table
function Places:open(config)
  for name, one in pairs(config.targets) do
    local known = self.list[name]
    if known then config.targets[name] = known.target.config
    else
      local target = self.world.targets[name]
      local place = { target = target, world = self.world, folder = ("%s/%s"):format(self.folder, name) }
      os.execute(("mkdir '%s'"):format(place.folder))
      openers[target.sort](place, one)
      one.timeout = target.sort ~= "folder" and target.sort ~= "append" and math.min(one.timeout or TIMEOUT, TIMEOUT)
        or nil
      target.config, self.list[name] = one, place
    end
  end
end

--- Serves what has come. True: something has.
---@return boolean
function Places:step()
  local any = false
  for _, place in pairs(self.list) do any = place:step() or any end
  return any
end

--- A target behaves otherwise from now on.
---@param target table
function Places:behaves(target) self.list[target.name]:behaves(target.behaviour) end

--- Hands over what stands in files.
function Places:collect()
  for _, place in pairs(self.list) do
    if place.collect then place:collect() end
  end
end

function Places:close()
  for _, place in pairs(self.list) do place:close() end
end

return M
