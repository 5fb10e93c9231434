-- Where `dev` keeps what it knows, and the configuration of its host: the user's own, with Altinn in a box in place of
-- Altinn, on addresses of this machine.
local config_module = require "altinn.events.host.config"
local effects = require "altinn.events.rules.effects"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local names = require "altinn.events.support.names"
local prepare = require "altinn.events.host.prepare"
local rules = require "altinn.events.rules.loading"
local uses = require "altinn.events.rules.uses"

local M = {}

local FOLDER = ".altinn-events"
local LOOPBACK = "127.0.0.1"

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- The folder beside the rules.
local function beside(paths)
  local first = (paths[1] or "rules"):gsub("/+$", "")
  return (first:match("^(.*)/[^/]*$") or ".") .. "/" .. FOLDER
end

--- Makes the folder of the state, for this user alone, and tells version control to leave it out.
---@param paths string[] of the rules
---@param wanted string|nil another folder
---@return string|nil folder
---@return string|nil message
function M.folder(paths, wanted)
  local folder = wanted or beside(paths)
  local name = quoted(folder)
  if not os.execute(("umask 077 && { test -d %s || mkdir %s; } 2>/dev/null"):format(name, name)) then
    return nil, folder .. ": this folder cannot be made; name the rules, or another folder by --state"
  end
  local file, message = io.open(folder .. "/.gitignore", "w")
  if not file then return nil, message end
  file:write "*\n"
  file:close()
  return (folder:gsub("^%./", ""))
end

-- A port for an address: the usual one, or a free one where another program has it.
local function port_for(wanted)
  local taken = wanted ~= 0 and host.server { listen = { LOOPBACK, wanted } }
  if taken then
    taken:close()
    return wanted, false
  end
  local free = assert(host.server { listen = { LOOPBACK, 0 } })
  local port = free:port()
  free:close()
  return port, wanted ~= 0
end

--- Ports of this machine: those that are wanted where they are free.
---@param wanted table<string, integer> by what they are for
---@return table<string, integer> ports
---@return string[] notes on those that others have
function M.ports(wanted)
  local ports, notes = {}, {}
  for _, name in ipairs(names.sorted(wanted)) do
    local taken
    ports[name], taken = port_for(wanted[name])
    if taken then
      notes[#notes + 1] = ("port %d is taken by another program: %s has %d"):format(wanted[name], name, ports[name])
    end
  end
  return ports, notes
end

-- Stands in for a secret that this user does not have: nothing leaves, so that any value will do.
local STAND_INS = { url = "https://missing.invalid", mail = "smtps://missing.invalid", folder = "/missing.invalid" }

local function fill_missing(config)
  for _, one in ipairs(config.missing or {}) do
    local at, path = config, {}
    for name in one.key:gmatch "[^.]+" do path[#path + 1] = name end
    for index = 1, #path - 1 do at = type(at) == "table" and at[path[index]] or nil end
    local last = path[#path]
    if path[1] == "targets" and type(at) == "table" and at[last] == nil then
      at[last] = STAND_INS[last] or #path == 3 and STAND_INS.url or "missing"
    end
  end
end

--- Reads the configuration for `dev`.
---@param options { config: string|nil, env_file: string|nil, values: table }
---@param own { folder: string|nil, listen: integer|nil, admin: integer|nil, base_url: string|nil, token: string|nil,
---  real: boolean|nil }
---@return table|nil config also `caught`: effects are not sent
---@return string[]|nil problems
function M.config(options, own)
  local values = {}
  for name, value in pairs(options.values) do values[name] = value end
  values.listen = ("%s:%d"):format(LOOPBACK, own.listen or 0)
  values.admin = ("%s:%d"):format(LOOPBACK, own.admin or 1)
  values.base_url = own.base_url or "http://127.0.0.1:1"
  values.token = own.token or "none"
  if own.folder then values.inbox = own.folder .. "/inbox.db" end
  local config, problems = config_module.load { config = options.config, env_file = options.env_file, values = values,
    needs = own.real and { "targets" } or {} }
  if not config then return nil, problems end
  config.secrets, config.endpoint, config.log = {}, nil, { format = "json" }
  config.caught = not own.real
  if config.caught then fill_missing(config) end
  return config
end

--- The ports that the user's configuration names.
---@param options { config: string|nil, env_file: string|nil, values: table }
---@return { webhook: integer, admin: integer }
function M.usual_ports(options)
  local config = config_module.load { config = options.config, env_file = options.env_file,
    values = { base_url = "http://127.0.0.1:1" }, needs = {} }
  local listen = config and config_module.address(config.listen)[2] or 8480
  local admin = config and config.admin and config_module.address(config.admin)[2] or 8481
  return { webhook = listen, admin = admin }
end

-- While nothing is sent, a target that the configuration lacks is made up, of the sort that its rules send to. Gives
-- a finding for each, as `run` needs it.
local function make_targets(config)
  local set, list = rules.load(config.rules), {}
  local used = set and uses.targets(set) or {}
  for _, name in ipairs(names.sorted(used)) do
    local kind = effects.kinds[used[name].kind]
    if not config.targets[name] and kind then
      local fields = { line = used[name].is_line or nil }
      config.targets[name] = kind.sample_for and kind.sample_for(fields) or kind.sample
      list[#list + 1] = { code = "target", severity = "warning", file = config.file,
        message = ("there is no target '%s' in the configuration: dev takes what goes there; run needs it")
          :format(name) }
    end
  end
  return list
end

--- The rules of a configuration.
---@param config table its targets are completed, while effects are caught
---@return table|nil set
---@return table[] findings
function M.rules(config)
  local made = config.caught and make_targets(config) or {}
  local set, list = prepare.rules(config)
  for _, finding in ipairs(made) do list[#list + 1] = finding end
  return set, list
end

--- No rules.
---@return table set
function M.nothing() return { files = {}, sources = {}, versions = {} } end

--- The files whose change is looked for.
---@param config table
---@return string[] paths
function M.watched(config)
  local paths, seen = {}, {}
  local function add(path)
    if path and not seen[path] then paths[#paths + 1], seen[path] = path, true end
  end
  for _, path in ipairs(config.rules) do
    add(path)
    if path:find "%.lua$" then add((path:match "^(.*)/[^/]*$" or ".") .. "/lib") end
  end
  add(config.file or "altinn-events.lua")
  return paths
end

return M
