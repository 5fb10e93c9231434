-- The configuration: a Lua file, the environment, the options of the command.
local core = require "altinn.events.core"
local suggest = require "altinn.events.support.suggest"
local words = require "altinn.events.support.words"

local M = {}

local default_file = "altinn-events.lua"

-- Checks: each returns a message when a value is wrong.

local function want(kind)
  return function(value)
    if type(value) ~= kind then return ("must be a %s, not a %s"):format(kind, type(value)) end
  end
end

local function whole(least, most)
  return function(value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
      return ("must be a whole number from %d to %d"):format(least, most)
    end
  end
end

local function texts(value)
  if type(value) == "string" and value ~= "" then return nil end
  if type(value) ~= "table" or #value == 0 then return "must be a text or a list of texts" end
  for _, one in ipairs(value) do
    if type(one) ~= "string" or one == "" then return "must be a text or a list of texts, none of them empty" end
  end
end

local function secret(value)
  local message = texts(value)
  if message then return message end
  for _, one in ipairs(type(value) == "table" and value or { value }) do
    if not one:find("^[%w%-_.~]+$") then
      return "must be of letters, digits and -_.~ because it is part of an address (openssl rand -hex 32 makes one)"
    end
  end
end

local function address(value)
  if type(value) ~= "string" then return "must be HOST:PORT" end
  local host, port = value:match("^%[(.-)%]:(%d+)$")
  if not host then host, port = value:match("^([^:]+):(%d+)$") end
  if not host or tonumber(port) > 65535 then return "must be HOST:PORT, for instance 127.0.0.1:8480" end
end

local function address_or_none(value)
  if value ~= false then return address(value) end
end

local check_table

local function record(shape)
  return function(value, path, problems)
    if type(value) ~= "table" then return ("must be a table, not a %s"):format(type(value)) end
    check_table(value, shape, path, problems)
  end
end

local function headers(value)
  if type(value) ~= "table" then return "must be a table of names and texts" end
  for name, text in pairs(value) do
    if type(name) ~= "string" or type(text) ~= "string" then return "must hold texts by name" end
    if not name:find("^[%w!#$%%&'*+%-.^_`|~]+$") then return ("has '%s', which is no name of a header"):format(name) end
    if text:gsub("\t", ""):find("%c") then return ("%s holds a control character"):format(name) end
  end
end

local function file_name(value)
  if type(value) ~= "string" or value == "" or value:find("^:") or value:find("%c") then
    return "must be the name of a file"
  end
end

local function url(value)
  if type(value) ~= "string" or not value:find("^https?://[^/%s]+") or value:find("[%s%c]") then
    return "must be an address that begins with https:// or http://"
  end
end

local target_shape = { url = url, headers = headers, timeout = whole(1, 3600) }

local function targets(value, path, problems)
  if type(value) ~= "table" then return "must be a table of targets by name" end
  for name, target in pairs(value) do
    local at = path .. "." .. tostring(name)
    if core.mask(tostring(name)) ~= tostring(name) then
      problems[#problems + 1] = path .. ": the name of a target stands in logs, and must not hold an identity number"
    elseif type(target) ~= "table" then problems[#problems + 1] = at .. " must be a table with a url"
    else
      check_table(target, target_shape, at, problems)
      if target.url == nil then problems[#problems + 1] = at .. ".url is missing" end
    end
  end
end

local function log_format(value)
  if value ~= "logfmt" and value ~= "json" then return "must be \"logfmt\" or \"json\"" end
end

local function environment_name(value)
  local environments = core.altinn.environments
  if environments[value] then return nil end
  local others = {}
  for name in pairs(environments) do
    if name ~= "production" and name ~= "tt02" then others[#others + 1] = name end
  end
  table.sort(others)
  return "must be one of production, tt02, " .. table.concat(others, ", ")
    .. suggest.hint(tostring(value), environments)
end

local function endpoint(value)
  local plain = type(value) == "string" and value:gsub("{secret}", "secret", 1) or value
  if url(plain) or plain:find("[{}#]") then
    return "must be the public https:// address of the webhook, for instance https://hooks.example.no/events"
      .. " (the secret is added, or stands where {secret} is)"
  end
end

local function one_text(value)
  if type(value) ~= "string" or value == "" then return "must be a text that is not empty" end
end

-- What events.maskinporten takes.
local credentials_shape = {
  client_id = one_text, key = one_text, key_file = one_text, passphrase = want "string", kid = one_text,
  certificate = one_text, certificate_file = one_text, scopes = texts, environment = environment_name,
  base_url = url, issuer = url, token_url = url,
  system_user = record { organisation = one_text, reference = one_text }, resource = texts, consumer_org = one_text,
  iss_onbehalfof = one_text, pid = one_text, exchange = want "boolean", algorithm = one_text,
  timeout = whole(1, 3600),
}

local shape = {
  environment = environment_name, base_url = url, credentials = record(credentials_shape), token = one_text,
  endpoint = endpoint, resources = texts, narrow = want "boolean",
  listen = address, admin = address_or_none, secret = secret, inbox = file_name, rules = texts,
  targets = targets, workers = whole(1, 64), log = record { format = log_format },
  limits = record {
    max_bytes = whole(1024, 1 << 28), deadline = whole(1, 3600), connections = whole(1, 65536),
    seconds = whole(1, 86400), memory = whole(1 << 16, 1 << 40), instructions = whole(1000, 1 << 60),
    at_once = whole(1, 100000),
  },
}

function check_table(value, wanted, path, problems)
  local names = {}
  for name in pairs(value) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local at = path == "" and name or path .. "." .. name
    local check = wanted[name]
    if not check then
      problems[#problems + 1] = ("unknown key '%s'%s"):format(at, words.hint(name, wanted, "configuration"))
    else
      local message = check(value[name], at, problems)
      if message then problems[#problems + 1] = at .. " " .. message end
    end
  end
end

local function read_file(path)
  local file, message = io.open(path, "r")
  if not file then error(("file %q: %s"):format(path, message:match(": (.*)$") or message), 2) end
  local text
  text, message = file:read("a")  -- a folder opens, and does not read
  file:close()
  if not text then error(("file %q: %s"):format(path, message), 2) end
  return (text:gsub("%s+$", ""))
end

local function environment()
  return {
    env = function(name)
      local value = os.getenv(name)
      if not value then error(("env %q: this variable is not set"):format(name), 2) end
      return value
    end,
    file = read_file, os = { getenv = os.getenv }, tostring = tostring, tonumber = tonumber,
    ipairs = ipairs, pairs = pairs,
    string = string, table = table, math = math,
  }
end

local function load_file(path)
  local chunk, message = loadfile(path, "t", environment())
  if not chunk then
    message = message:gsub(" near .*$", "")  -- what stands there may be a secret
    return nil, message:find(path, 1, true) and message or path .. ": " .. message
  end
  local ok, value = pcall(chunk)
  if not ok then return nil, tostring(value) end
  if type(value) ~= "table" then return nil, path .. ": the file must return a table" end
  return value
end

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

local from_environment = {
  listen = tostring, admin = tostring, secret = tostring, inbox = tostring, workers = tonumber,
  environment = tostring, base_url = tostring, token = tostring, endpoint = tostring,
}

-- One of two that exclude each other puts the other out of force.
local function overlay(config, values)
  if values.environment or values.base_url then config.environment, config.base_url = nil, nil end
  if values.credentials or values.token then config.credentials, config.token = nil, nil end
  for name, value in pairs(values) do config[name] = value end
end

local function contradictions(config)
  if config.environment and config.base_url then return { "environment and base_url exclude each other" } end
  if config.credentials and config.token then return { "credentials and token exclude each other" } end
end

local function environment_values()
  local values = {}
  for name, convert in pairs(from_environment) do
    local text = os.getenv("ALTINN_EVENTS_" .. name:upper())
    if text and text ~= "" then values[name] = convert(text) or text end
  end
  return values
end

local function is_loopback(text)
  return text:find("^127%.%d+%.%d+%.%d+:") or text:find("^%[::1%]") or text:find("^localhost:")
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

--- Reads the configuration: defaults, then the file, then the environment,
--- then options.
---@param options { config: string|nil, values: table|nil }
---@return table|nil config
---@return string[]|nil problems
function M.load(options)
  local config = {
    listen = "127.0.0.1:8480", admin = "127.0.0.1:8481", inbox = "altinn-events.db", rules = { "rules" },
    targets = {}, limits = {}, log = { format = "logfmt" },
  }
  local path = options.config or os.getenv("ALTINN_EVENTS_CONFIG")
  if not path and exists(default_file) then path = default_file end
  local problems = {}
  if path then
    local values, message = load_file(path)
    if not values then return nil, { message } end
    check_table(values, shape, "", problems)
    for index, problem in ipairs(problems) do problems[index] = path .. ": " .. problem end
    overlay(config, values)
  end
  local outside = environment_values()
  overlay(outside, options.values or {})
  check_table(outside, shape, "", problems)
  overlay(config, outside)
  if #problems == 0 then problems = contradictions(config) or problems end
  if #problems > 0 then return nil, problems end
  config.resources = list(config.resources)
  config.rules, config.secrets = list(config.rules), list(config.secret)
  if #config.secrets == 0 and not is_loopback(config.listen) then
    return nil, { ("listen %s: without a secret the host listens on the loopback address only;"
      .. " set secret (openssl rand -hex 32)")
      :format(config.listen) }
  end
  config.file = path
  return config
end

return M
