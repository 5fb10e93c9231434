-- The verb emulate: its options and its output.
local M = {}

--- What the verb does, for the list of verbs.
M.summary = "Altinn in a box: events, tokens and letters on this machine"

local description = [[
Altinn in a box: tokens, subscriptions, pushes with retries, the query API and
letters, on a port of this machine. Nothing leaves it, nothing is stored.

  altinn-events emulate &
  altinn-events run rules &
  curl -s 127.0.0.1:8490/emulator/subscriptions -d '{"resourceFilter":"acme-letters",
    "endPoint":"http://127.0.0.1:8480/events"}'
  curl -s 127.0.0.1:8490/emulator/letters -d '{"resource":"acme-letters","title":"Hello"}'

The letter is published, the event pushed to the host. curl 127.0.0.1:8490/emulator
lists all that can be done to it: walk a letter through its life, publish any
event, move the clock, make pushes fail, double, reorder or vanish.]]

-- Readers of an option's text: the value, or nil and a message that names the option.

local function number_from(option, least, most)
  return function(text)
    local value = tonumber(text)
    if not value or value < least or value > most then
      return nil, ("%s must be a number from %.7g to %.7g, not '%s'"):format(option, least, most, text)
    end
    return value
  end
end

local function url_of(option)
  return function(text)
    if text:find("^https?://[%w.:%[%]-]+[%w./_~-]*$") then return text end
    return nil, option .. " must be an address: https://platform.altinn.no"
  end
end

local function organisation(text)
  if text:find("^%d%d%d%d%d%d%d%d%d$") then return text end
  return nil, "--organisation must be the nine digits of an organisation"
end

--- Adds the verb's options to its command.
---@param command table of argparse
function M.options(command)
  command:description(description)
  command:summary(M.summary)
  command:option("--listen", "address (default: 127.0.0.1:8490)"):argname "HOST:PORT"
  command:flag("--public", "allow an address other than loopback")
  command:option("--speed", "its clock runs N times as fast: 3600 makes 35 hours 35 seconds; 0: it is moved by hand")
    :argname "N":convert(number_from("--speed", 0, 1e6))
  command:option("--pipeline", "which of Altinn's two ways to retry: new (12 attempts, default) or older (13)")
    :argname "NAME":choices { "older", "new" }
  command:option("--timeout", "seconds for an endpoint's answer (default: 45)"):argname "N"
    :convert(number_from("--timeout", 0.001, 3600))
  command:option("--visible-after", "seconds until the query API shows an event (default: 30)"):argname "N"
    :convert(number_from("--visible-after", 0, 86400))
  command:option("--client", "a client of Maskinporten and its public key, certificate or JWK"):argname "ID=FILE"
    :count "*"
  command:flag("--accept-any-grant", "believe every grant whose form is right, whoever signed it")
  command:option("--organisation", "the clients' organisation (default: 987654321; 991825827: a service owner)")
    :argname "NUMBER":convert(organisation)
  command:option("--world", "clients, service_owners, owners, recipients, contacts, policy: a JSON file"):argname "FILE"
  command:option("--imperfect", "switch an imperfection on; GET /emulator/switches lists them"):argname "NAME":count "*"
  command:option("--http-endpoints", "http endpoints that may be subscribed: loopback (default), any, none")
    :argname "WHERE":choices { "loopback", "any", "none" }
  command:option("--platform", "the platform's address in events and links (default: this one)"):argname "URL"
    :convert(url_of "--platform")
  command:option("--issuer", "Maskinporten's name, the grants' aud (default: this address)"):argname "URL"
    :convert(url_of "--issuer")
end

local function complain(message)
  io.stderr:write("altinn-events: ", require("altinn.events").mask(message), "\n")
  return 2
end

-- Where to listen; nil and a message.
local function address(args)
  local listen = require("altinn.events.host.config").address(args.listen or "127.0.0.1:8490")
  if not listen[1] or not listen[2] or listen[2] > 65535 then
    return nil, "--listen must be HOST:PORT, for instance 127.0.0.1:8490"
  end
  if not require("altinn.events.core").is_loopback(listen[1]) and not args.public then
    return nil, ("--listen %s: the emulator gives tokens to everybody who asks: add --public if that address is right")
      :format(args.listen)
  end
  return listen
end

-- The world that the options describe; nil and a message when something is wrong.
local function world_of(args)
  local world = require("altinn.events.emulator.world").new {
    organisation = args.organisation, accept_any_grant = args.accept_any_grant,
  }
  for _, text in ipairs(args.client or {}) do
    local id, path = text:match("^([^=]+)=(.+)$")
    if not id then return nil, ("--client must be ID=FILE, not '%s'"):format(text) end
    local ok, message = world:add_key(id, path)
    if not ok then return nil, "--client: " .. message end
  end
  if not args.world then return world end
  local ok, message = world:load(args.world)
  if not ok then return nil, "--world: " .. message end
  return world
end

-- A message when there is no such switch.
local function switches_fault(names)
  local switches = require "altinn.events.emulator.switches"
  for _, name in ipairs(names) do
    local message = switches.fault(name, true)
    if message then return "--imperfect: " .. message end
  end
end

local function announce(emulator)
  local base = emulator.base
  print("Altinn in a box listens on " .. base)
  print("")
  print("  a token      curl '" .. base .. "/emulator/token?scopes=altinn:events.subscribe'")
  print("  a letter     curl " .. base .. "/emulator/letters -d '{\"resource\":\"acme-letters\"}'")
  print("  move on      curl " .. base .. "/emulator/clock -d '{\"advance\":\"1h\"}'")
  print("  what else    curl " .. base .. "/emulator")
  print("  base_url     " .. emulator.platform .. "   issuer " .. emulator.issuer)
  print("")
  io.stdout:flush()
  emulator.log("info", "listening", { address = base:gsub("^http://", "") })
end

--- Runs the emulator until a signal ends it.
---@param args table the options
---@return integer status 0 fine, 1 failed, 2 wrong usage
function M.run(args)
  local listen, world, emulator, message
  listen, message = address(args)
  if not listen then return complain(message) end
  world, message = world_of(args)
  message = message or switches_fault(args.imperfect or {})
  if message then return complain(message) end
  emulator, message = require("altinn.events.emulator.server").new {
    listen = listen, speed = args.speed, pipeline = args.pipeline, timeout = args.timeout,
    visible_after = args.visible_after, http_endpoints = args.http_endpoints, world = world,
    platform = args.platform, issuer = args.issuer, signals = true,
  }
  if not emulator then
    complain(message)
    return 1
  end
  for _, name in ipairs(args.imperfect or {}) do emulator.switches:set(name, true) end
  announce(emulator)
  local signal = emulator:run()
  emulator.log("info", "stopped", { reason = signal })
  emulator:close()
  return 0
end

return M
