-- The configuration: a Lua file, the environment, the options of the command.
local config_file = require "altinn.events.host.config_file"
local config_findings = require "altinn.events.host.config_findings"
local core = require "altinn.events.core"
local endpoint = require "altinn.events.subscriptions.endpoint"
local faults = require "altinn.events.support.faults"
local keys = require "altinn.events.host.config_keys"
local lint = require "altinn.events.host.config_lint"
local suggest = require "altinn.events.support.suggest"
local urls = require "altinn.events.support.url"

local M = {}

local fault = faults.new

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

local function contradiction(config)
  if config.admin and config.listen and share_a_port(M.address(config.listen), M.address(config.admin)) then
    return fault("ports-same", { "admin" }, ("admin and listen are the same address, %s"):format(config.admin),
      "each needs its own")
  end
  if config.environment and config.base_url then
    return fault("config-either", { "base_url" }, "environment and base_url exclude each other", nil,
      { at_key = true })
  end
  if config.credentials and config.token then
    return fault("config-either", { "token" }, "credentials and token exclude each other", nil, { at_key = true })
  end
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
    return fault("door-open", { "listen" }, ("listen %s: without a secret the host listens on the loopback address"
      .. " only; set secret (openssl rand -hex 32)"):format(config.listen))
  elseif public_endpoint(config) then
    return fault("door-open", { "endpoint" }, "endpoint: without a secret everybody could post events there; set secret"
      .. " (openssl rand -hex 32)")
  end
end

-- The problem of an endpoint that Altinn refuses, or whose events the host would refuse.
local function endpoint_fault(config)
  if not config.endpoint then return nil end
  if endpoint.holds(config.endpoint, config.secrets) then
    return fault("endpoint-form", { "endpoint" }, "endpoint: it holds the secret already; leave the secret out, as it"
      .. " is added at the end (https://hooks.example.no/events), or write {secret} where it stands")
  elseif config.environment and not config.endpoint:lower():find("^https://") then
    return fault("endpoint-form", { "endpoint" }, "endpoint: must begin with https://; Altinn refuses anything else")
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
      warnings[#warnings + 1] = fault("variable-unknown", {}, ("there is no variable %s%s"):format(shown,
        suggest.hint(name, known)))
    end
  end
end

local function key_warnings(config, warnings)
  for _, name in ipairs { "key_file", "certificate_file" } do
    local path = config.credentials and config.credentials[name]
    local file, message = io.open(path or "/dev/null", "r")
    if file then file:close() end
    if not file and message:find("No such file", 1, true) then
      warnings[#warnings + 1] = fault("key-missing", { "credentials", name }, ("credentials.%s: %s"):format(name,
        message), "put the file there; paths are relative to the folder in which the command runs")
    end
  end
end

-- The warnings: those of `count`, about what the host itself stumbles over, come first.
local function warnings_of(config, variables, text)
  local warnings = {}
  variable_warnings(variables, warnings)
  key_warnings(config, warnings)
  for _, one in ipairs(config.secrets) do
    if #one < SHORT_SECRET then
      warnings[#warnings + 1] = fault("secret-short", { "secret" }, ("the secret is short, and all that proves who"
        .. " sends: make it longer than %d characters (openssl rand -hex 32)"):format(SHORT_SECRET - 1))
    end
  end
  local count = #warnings
  lint.check(config, text, function(one) warnings[#warnings + 1] = one end)
  for _, one in ipairs(warnings) do one.file, one.source, one.is_bare = config.file, text, true end
  return warnings, count
end

-- What the reading of the file says: "file:line: …" as a problem.
local function unreadable(path, message, text, raw)
  local line, rest = message:match("^.-:(%d+): (.*)$")
  local one = fault("config-unread", {}, rest or message:gsub("^" .. path:gsub("%p", "%%%0") .. ": ", ""))
  one.file, one.line, one.whole, one.raw, one.source = path, tonumber(line), message, raw, text
  return one
end

local function read_values(path, getenv, problems, given)
  local values, message, text, raw = config_file.read(path, getenv, given)
  if not values then return nil, { unreadable(path, message, text, raw) } end
  for name, target in pairs(type(values.targets) == "table" and values.targets or {}) do
    if type(target) == "table" then merge(target, keys.target_from_environment(tostring(name), getenv)) end
  end
  keys.check(values, problems)
  for _, problem in ipairs(problems) do problem.file, problem.source = path, message end
  return values, message
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

-- A problem as one line of text.
local function text_of(problem)
  if problem.whole then return problem.whole end
  return (problem.file and not problem.is_bare and problem.file .. ": " or "") .. faults.text(problem)
end

local function refused(problems)
  local texts = {}
  for index, problem in ipairs(problems) do texts[index] = text_of(problem) end
  return nil, texts, problems
end

-- Adds the secrets that are needed and could not be fetched.
local function add_needed(missing, needs, problems)
  for _, one in ipairs(missing) do
    if is_needed(one, needs) then
      local problem = fault("secret-needed", {}, one.message, one.message:find("this variable is not set", 1, true)
        and "export it, or name the file of variables by --env-file" or nil)
      problem.file, problem.line, problem.message = one.message:match("^(%S+):(%d+): (.*)$")
      problem.message, problem.line = problem.message or one.message, tonumber(problem.line)
      problem.whole = faults.sentence(one.message, problem.remedy)
      problems[#problems + 1] = problem
    end
  end
end

-- What is wrong with the configuration as a whole.
local function fault_of(config)
  return open_door(config) or endpoint_fault(config)
end

--- Reads the configuration: defaults, then the file, then the environment,
--- then options.
---@param options { config: string|nil, values: table|nil, env_file: string|nil, needs: string[]|nil, overlay:
---  table<string, string>|nil } env_file: a file of variables, which come before those of the environment; needs: the
---  keys whose secrets must be there (nil: all); other secrets are left out when this user cannot read them; overlay:
---  texts by path that stand for those of files
---@return table|nil config also `file`, `missing` (secrets that could not be fetched, each { key, message }),
---  `warnings`, and `warned`, all warnings as faults
---@return string[]|nil problems
---@return altinn.events.fault[]|nil faults the same, for M.findings
function M.load(options)
  local config = {
    listen = "127.0.0.1:8480", admin = "127.0.0.1:8481", inbox = "altinn-events.db", rules = { "rules" },
    targets = {}, limits = {}, log = { format = "logfmt" },
  }
  local getenv, variables = getenv_of(options)
  if not getenv then
    local one = fault("variable-file", {}, variables, not variables:find(": a line is NAME=VALUE", 1, true)
      and "name a file that is there and that this user may read" or nil)
    one.file, one.line, one.message = variables:match("^(%S+):(%d+): (.*)$")
    one.message, one.line, one.whole = one.message or variables, tonumber(one.line), variables
    return refused { one }
  end
  local asked, problems, missing, text = {}, {}, {}, nil
  getenv = noting(getenv, asked)
  local path = options.config or getenv("ALTINN_EVENTS_CONFIG")
  if not path and exists(DEFAULT_FILE) then path = DEFAULT_FILE end
  if path then
    local values, found = read_values(path, getenv, problems, options.overlay and options.overlay[path])
    if not values then return refused(found) end
    text = found
    overlay(config, values)
  end
  local outside = overlay(keys.from_environment(getenv), options.values or {})
  keys.check(outside, problems)
  overlay(config, outside)
  config = take_missing(config, "", missing)
  add_needed(missing, options.needs, problems)
  if #problems == 0 then problems[1] = contradiction(config) end
  if #problems == 0 then
    config = normal(config, missing)
    problems[1] = fault_of(config)
  end
  for _, problem in ipairs(problems) do
    if not problem.file then problem.file, problem.source, problem.is_bare = path, text, true end
  end
  if #problems > 0 then return refused(problems) end
  config.file, config.asked = path, asked
  local warned, count = warnings_of(config, variables, text)
  config.warned, config.warnings = warned, {}
  for index = 1, count do config.warnings[index] = faults.text(warned[index]) end
  return config
end

--- The problems of a configuration, or its warnings and missing secrets, as findings.
---@param problems altinn.events.fault[]|nil
---@param config table|nil
---@return altinn.events.finding[]
function M.findings(problems, config)
  return config_findings.of(problems, config)
end

M.shape, M.target_shape = shape, target_shape

return M
