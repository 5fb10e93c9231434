-- The configuration: a Lua file, the environment, the options of the command.
local config_file = require "altinn.events.host.config_file"
local core = require "altinn.events.core"
local endpoint = require "altinn.events.subscriptions.endpoint"
local keys = require "altinn.events.host.config_keys"
local suggest = require "altinn.events.support.suggest"
local urls = require "altinn.events.support.url"

local M = {}

local shape, target_shape = keys.configuration, keys.target

local DEFAULT_FILE = "altinn-events.lua"
local SHORT_SECRET = 16  -- characters

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

-- Tables are merged, so that a variable for one limit leaves the others.
local function merge(values, others)
  for name, value in pairs(others) do
    local own = rawget(values, name)
    local mergeable = type(own) == "table" and type(value) == "table" and #own == 0 and #value == 0
      and not config_file.is_missing(own) and not config_file.is_missing(value)
    if mergeable then merge(own, value) else values[name] = value end
  end
  return values
end

-- Merges values into the configuration. A value replaces the one that it excludes: `environment` and `base_url`,
-- `token` and `credentials`.
local function overlay(config, values)
  if values.environment or values.base_url then config.environment, config.base_url = nil, nil end
  if values.token then config.credentials = nil end
  if values.credentials then config.token = nil end
  return merge(config, values)
end

-- Two ports of a machine cannot be the same one, unless the system chooses them.
local function share_a_port(listen, admin)
  if listen[2] == 0 or listen[2] ~= admin[2] then return false end
  local any = { ["0.0.0.0"] = true, ["::"] = true }
  return listen[1] == admin[1] or any[listen[1]] or any[admin[1]] or false
end

local function contradictions(config)
  if config.admin and config.listen and share_a_port(M.address(config.listen), M.address(config.admin)) then
    return { ("admin and listen are the same address, %s: each needs its own"):format(config.admin) }
  end
  if config.environment and config.base_url then return { "environment and base_url exclude each other" } end
  if config.credentials and config.token then return { "credentials and token exclude each other" } end
end

local function list(value)
  if value == nil then return {} end
  return type(value) == "table" and value or { value }
end

--- An address as its two parts.
---@param text string HOST:PORT or [HOST]:PORT
---@return table address { host, port }
function M.address(text)
  local host, port = text:match("^%[(.-)%]:(%d+)$")
  if not host then host, port = text:match("^(.-):(%d+)$") end
  if host == "localhost" then host = "127.0.0.1" end
  return { host, math.tointeger(tonumber(port)) }
end


-- A copy without the values that could not be fetched; these are listed in `missing`.
local function take_missing(values, path, missing)
  local kept = {}
  for name, value in pairs(values) do
    local at = path == "" and tostring(name) or path .. "." .. tostring(name)
    if config_file.is_missing(value) then
      missing[#missing + 1] = { key = at, message = config_file.why(value) }
    else
      if type(value) == "table" then value = take_missing(value, at, missing) end
      if type(name) == "number" then kept[#kept + 1] = value else kept[name] = value end
    end
  end
  return kept
end

local function is_needed(missing, needs)
  if needs == nil then return true end
  for _, key in ipairs(needs) do
    if missing.key == key or missing.key:sub(1, #key + 1) == key .. "." then return true end
  end
  return false
end

local function public_endpoint(config)
  return config.endpoint ~= nil and not urls.is_loopback(config.endpoint)
end

-- The problem of a public address without a secret: everybody could post events to it.
local function open_door(config)
  if #config.secrets > 0 or config.secret_is_elsewhere then return nil end
  if config.listen and not core.is_loopback(config.listen:match("^(.*):%d+$")) then
    return ("listen %s: without a secret the host listens on the loopback address only;"
      .. " set secret (openssl rand -hex 32)"):format(config.listen)
  elseif public_endpoint(config) then
    return "endpoint: without a secret everybody could post events there; set secret (openssl rand -hex 32)"
  end
end

-- The problem of an endpoint that Altinn refuses, or whose events the host would refuse.
local function endpoint_fault(config)
  if not config.endpoint then return nil end
  if endpoint.holds(config.endpoint, config.secrets) then
    return "endpoint: it holds the secret already; leave the secret out, as it is added at the end"
      .. " (https://hooks.example.no/events), or write {secret} where it stands"
  elseif config.environment and not config.endpoint:lower():find("^https://") then
    return "endpoint: must begin with https://; Altinn refuses anything else"
  end
end

-- The names of variables that begin with ALTINN_EVENTS_: of the file of variables, and of the process (from /proc).
local function our_variables(variables)
  local found = {}
  local file = io.open("/proc/self/environ", "rb")
  local text = file and file:read("a") or ""
  if file then file:close() end
  for name in pairs(variables or {}) do text = ("%s\0%s="):format(text, name) end
  for name in ("\0" .. text):gmatch("%z(ALTINN_EVENTS_[^=%z]+)=") do found[#found + 1] = name end
  table.sort(found)
  return found
end

-- Warns of unknown variables, which would have no effect.
local function variable_warnings(variables, warnings)
  local known = keys.variable_names()
  for _, name in ipairs(our_variables(variables)) do
    if not known[name] and not name:find("^ALTINN_EVENTS_TARGETS_") then
      local shown = name:gsub("[^%w_]", "?")
      warnings[#warnings + 1] = ("there is no variable %s%s"):format(shown, suggest.hint(name, known))
    end
  end
end

local function key_warnings(config, warnings)
  for _, name in ipairs { "key_file", "certificate_file" } do
    local path = config.credentials and config.credentials[name]
    local file, message = io.open(path or "/dev/null", "r")
    if file then file:close() end
    if not file and message:find("No such file", 1, true) then
      warnings[#warnings + 1] = ("credentials.%s: %s"):format(name, message)
    end
  end
end

local function warnings_of(config, variables)
  local warnings = {}
  variable_warnings(variables, warnings)
  key_warnings(config, warnings)
  for _, one in ipairs(config.secrets) do
    if #one < SHORT_SECRET then
      warnings[#warnings + 1] = ("the secret is short, and all that proves who sends: make it longer than %d characters"
        .. " (openssl rand -hex 32)"):format(SHORT_SECRET - 1)
    end
  end
  return warnings
end

local function read_values(path, getenv, problems)
  local values, message = config_file.read(path, getenv)
  if not values then return nil, { message } end
  for name, target in pairs(type(values.targets) == "table" and values.targets or {}) do
    if type(target) == "table" then merge(target, keys.target_from_environment(tostring(name), getenv)) end
  end
  keys.check(values, problems)
  for index, problem in ipairs(problems) do problems[index] = path .. ": " .. problem end
  return values
end

-- Reads variables, and notes the names that were asked for.
local function noting(getenv, asked)
  return function(name)
    asked[name] = true
    return getenv(name)
  end
end

-- The function that reads a variable, and the variables of the file.
local function getenv_of(options)
  if not options.env_file then return os.getenv end
  local variables, message = config_file.variables(options.env_file)
  if not variables then return nil, message end
  return function(name) return variables[name] or os.getenv(name) end, variables
end

local function normal(config, missing)
  config.resources = list(config.resources)
  config.rules, config.secrets = list(config.rules), list(config.secret)
  for _, one in ipairs(missing) do
    if one.key == "secret" or one.key:find("^secret%.") then config.secret_is_elsewhere = true end
  end
  config.missing = missing
  return config
end

--- Reads the configuration: defaults, then the file, then the environment,
--- then options.
---@param options { config: string|nil, values: table|nil, env_file: string|nil, needs: string[]|nil } env_file: a file
---  of variables, which come before those of the environment; needs: the keys whose secrets must be there (nil: all);
---  other secrets are left out when this user cannot read them
---@return table|nil config also `file`, `missing` (secrets that could not be fetched, each { key, message }),
---  `warnings`
---@return string[]|nil problems
function M.load(options)
  local config = {
    listen = "127.0.0.1:8480", admin = "127.0.0.1:8481", inbox = "altinn-events.db", rules = { "rules" },
    targets = {}, limits = {}, log = { format = "logfmt" },
  }
  local getenv, variables = getenv_of(options)
  if not getenv then return nil, { variables } end
  local asked = {}
  getenv = noting(getenv, asked)
  local path, problems, missing = options.config or getenv("ALTINN_EVENTS_CONFIG"), {}, {}
  if not path and exists(DEFAULT_FILE) then path = DEFAULT_FILE end
  if path then
    local values, fault = read_values(path, getenv, problems)
    if not values then return nil, fault end
    overlay(config, values)
  end
  local outside = overlay(keys.from_environment(getenv), options.values or {})
  keys.check(outside, problems)
  overlay(config, outside)
  config = take_missing(config, "", missing)
  for _, one in ipairs(missing) do
    if is_needed(one, options.needs) then
      problems[#problems + 1] = one.message .. (one.message:find("this variable is not set", 1, true)
        and ": export it, or name the file of variables by --env-file" or "")
    end
  end
  if #problems == 0 then problems = contradictions(config) or problems end
  if #problems > 0 then return nil, problems end
  config = normal(config, missing)
  local message = open_door(config) or endpoint_fault(config)
  if message then return nil, { message } end
  config.file, config.warnings, config.asked = path, warnings_of(config, variables), asked
  return config
end

local function finding_of(severity, message)
  local file, line, text = message:match("^(%S+):(%d+): (.*)$")
  return { code = "configuration", severity = severity, file = file, line = tonumber(line), message = text or message }
end

--- The problems of a configuration, or its warnings and missing secrets, as findings.
---@param problems string[]|nil
---@param config table|nil
---@return altinn.events.finding[]
function M.findings(problems, config)
  local found = {}
  for _, problem in ipairs(problems or {}) do found[#found + 1] = finding_of("error", problem) end
  for _, one in ipairs(config and config.missing or {}) do
    local hint = finding_of("hint", one.message)
    hint.remedy = one.message:find(": file ", 1, true) and "'run' needs it, as the user that it runs as"
      or "'run' needs it; --env-file FILE reads what systemd gives the host"
    found[#found + 1] = hint
  end
  for _, warning in ipairs(config and config.warnings or {}) do found[#found + 1] = finding_of("warning", warning) end
  return found
end

M.shape, M.target_shape = shape, target_shape

return M
