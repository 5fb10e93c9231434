-- What only the running host knows of itself, for `why`: GET /state of its admin port.
local cjson = require("cjson.safe").new()
local config_module = require "altinn.events.host.config"
local core = require "altinn.events.core"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local transports = require "altinn.events.client.transport"

local M = {}

local SECONDS = 3
local MOST_BYTES = 16 << 20
local ANY = { ["0.0.0.0"] = "127.0.0.1", ["::"] = "::1", [""] = "127.0.0.1" }

local function url_of(admin, sequence)
  local address = config_module.address(admin)
  local name = ANY[address[1]] or address[1]
  if name:find(":", 1, true) then name = "[" .. name .. "]" end
  return ("http://%s:%d/state%s"):format(name, address[2], sequence and "/" .. sequence or "")
end

--- Reads the text of /state.
---@param text string
---@return table|nil facts see csrc/lua/host/state.h
function M.parse(text)
  local facts = cjson.decode(text)
  if type(facts) ~= "table" or type(facts.inbox) ~= "table" or type(facts.rules) ~= "table" then return nil end
  return facts
end

--- Milliseconds since 1970 of one of its times.
---@param text string
---@return integer|nil
function M.milliseconds(text)
  local seconds, nanoseconds = core.altinn.moment(text)
  return seconds and seconds * 1000 + (nanoseconds or 0) // 1000000 or nil
end

-- The answer of the admin port: a text, or nil and why not.
local function ask(url)
  local ok, reply, message = pcall(transports.default(), { method = "GET", url = url, headers = {}, timeout = SECONDS,
    max_body = MOST_BYTES })
  if not ok then return nil, tostring(reply) end
  if not reply then return nil, message end
  if reply.status ~= 200 then return nil, ("it answered %d"):format(reply.status) end
  return reply.body
end

--- Asks the host that has the inbox.
---@param config table with `admin`; without one nobody is asked
---@param path string the inbox file
---@param sequence integer|nil the event whose runs in flight are to be told
---@return table|nil facts
---@return string|nil message why there are none
function M.ask(config, path, sequence)
  if not config or not config.admin then return nil, "the configuration names no admin port" end
  local text, message = ask(url_of(config.admin, sequence))
  if not text then return nil, ("nothing answers at the admin port %s: %s"):format(config.admin, message) end
  local facts = M.parse(text)
  if not facts then
    return nil, ("what answers at the admin port %s is no host of this version"):format(config.admin)
  end
  local inbox <close>, why = host.inbox(path)
  if not inbox then return nil, why end
  if facts.inbox.id ~= inbox:identity() then
    return nil, ("the host at the admin port %s has another inbox"):format(config.admin)
  end
  return facts
end

return M
