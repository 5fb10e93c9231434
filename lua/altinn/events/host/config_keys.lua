-- The keys of the configuration, each with what its value must be.
local calendar = require "altinn.events.rules.calendar"
local core = require "altinn.events.core"
local effects = require "altinn.events.rules.effects"
local faults = require "altinn.events.support.faults"
local is_missing = require("altinn.events.host.config_file").is_missing
local lists = require "altinn.events.support.lists"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local target_module = require "altinn.events.rules.effects.target"
local words = require "altinn.events.support.words"

local M = {}

local authorities, file_name, one_text, texts = target_module.authorities, target_module.file_name,
  target_module.one_text, target_module.texts

-- How the text of a variable becomes a value, by the check of its key; the
-- keys of the tables in it, by theirs.
local converters, records = {}, {}

-- The way to a key: "targets.print.url" -> { "targets", "print", "url" }.
local function way_to(at)
  local way = {}
  for step in at:gmatch("[^.]+") do way[#way + 1] = step end
  return way
end

local function note(problems, code, at, message, more)
  problems[#problems + 1] = faults.new(code, way_to(at), message, nil, more)
end

-- Checks: each returns a message when a value is wrong.

local SWITCHES = { ["true"] = true, ["false"] = false }

local function want(kind)
  local function check(value)
    if type(value) ~= kind then
      return ("must be a %s%s, not a %s"):format(kind, kind == "boolean" and " (true or false)" or "", type(value))
    end
  end
  if kind == "boolean" then converters[check] = function(text) return SWITCHES[text] end end
  return check
end

local function whole(least, most)
  local check = target_module.whole(least, most)
  converters[check] = tonumber
  return check
end

converters[texts] = function(text)
  local list = {}
  for one in text:gmatch("[^,]+") do list[#list + 1] = one:match("^%s*(.-)%s*$") end
  return list
end

local function dates(value)
  if type(value) ~= "table" or #value == 0 and next(value) ~= nil then
    return "must be a list of dates, such as { \"2026-12-24\" }"
  end
  local fault = lists.fault(value)
  if fault then return "must be a list of dates: " .. fault end
  for _, one in ipairs(value) do
    if not calendar.date(one) then
      return ("has '%s', which is no date: write it like 2026-12-24"):format(core.mask(tostring(one)))
    end
  end
end

converters[dates] = converters[texts]

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
  local function check(value, path, problems)
    if type(value) ~= "table" then
      local only = next(shape)
      local is_one = next(shape, only) == nil
      return ("must be a table, not a %s%s"):format(type(value), is_one and (": { %s = … }"):format(only) or "")
    end
    check_table(value, shape, path, problems)
  end
  records[check] = shape
  return check
end

local function url(value)
  if type(value) ~= "string" or not value:find("^https?://[^/%s]+") or value:find("[%s%c]") then
    return "must be an address that begins with https:// or http://"
  end
end

local function switch_or_text(text)
  if text == "false" then return false end
  return text
end

-- The keys of targets as a shape.
local function shape_of(keys)
  local made = {}
  for _, key in pairs(keys) do
    local check = key.shape and record(shape_of(key.shape)) or function(value) return key.check(value) end
    converters[check] = key.number and tonumber or key.switch and switch_or_text or nil
    made[key.name] = check
  end
  return made
end

local sorts = effects.sorts
local target_shape, target_shapes = shape_of(sorts.all), {}
for _, sort in ipairs(sorts.names) do target_shapes[sort] = shape_of(sorts.keys[sort]) end

-- Checks one target: it has one sort, and the keys of that.
local function check_target(target, at, problems)
  local sort, message = sorts:of(target)
  local rest = {}
  for name, value in pairs(target) do
    local misplaced = sort and sorts:misplaced(sort, name)
    if misplaced then
      note(problems, "target-key", at .. "." .. tostring(name), ("%s.%s %s"):format(at, name, misplaced),
        { at_key = true })
    else rest[name] = value end
  end
  local before = #problems
  check_table(rest, target_shapes[sort] or target_shape, at, problems)
  if sort and #problems == before then
    local complete = effects.kinds[sorts.kinds_of[sort][1]].complete
    message = complete and complete(target)
  end
  if message then note(problems, "target-kind", at, ("%s %s"):format(at, message), { at_key = true }) end
end

-- The keys of a table, in the order of their texts.
local function names_in_order(value)
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

local function targets(value, path, problems)
  if type(value) ~= "table" then return "must be a table of targets by name" end
  for _, name in ipairs(names_in_order(value)) do
    local target, at = value[name], path .. "." .. tostring(name)
    local message = target_module.name_fault(name)
    if message then note(problems, "target-name", path, path .. ": " .. message)
    elseif type(target) ~= "table" then note(problems, "target-kind", at, at .. " must be a table with a url")
    else check_target(target, at, problems) end
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

-- The options of events.maskinporten.
local credentials_shape = {
  client_id = one_text, key = one_text, key_file = one_text, passphrase = want "string", kid = one_text,
  certificate = one_text, certificate_file = one_text, scopes = texts, environment = environment_name,
  base_url = url, issuer = url, token_url = url,
  system_user = record { organisation = one_text, reference = one_text }, resource = texts, consumer_org = one_text,
  iss_onbehalfof = one_text, pid = one_text, exchange = want "boolean", algorithm = one_text,
  timeout = whole(1, 3600), ca_file = authorities,
}

local shape = {
  environment = environment_name, base_url = url, credentials = record(credentials_shape), token = one_text,
  ca_file = authorities,
  endpoint = endpoint, resources = texts, narrow = want "boolean",
  listen = address, admin = address_or_none, secret = secret, inbox = file_name, rules = texts,
  targets = targets, holidays = dates, workers = whole(1, 64), log = record { format = log_format },
  test = record { reload = want "boolean", seconds = whole(1, 3600) }, keep = record { readings = want "boolean" },
  limits = record {
    max_bytes = whole(1024, 1 << 28), deadline = whole(1, 3600), connections = whole(1, 65536),
    seconds = whole(1, 86400), memory = whole(1 << 16, 1 << 40), instructions = whole(1000, 1 << 60),
    at_once = whole(1, 100000),
  },
}

-- The nearest key, or all of them.
local function hint(name, wanted)
  local near = words.hint(name, wanted, "configuration")
  return near ~= "" and near or (" (there are: %s)"):format(table.concat(sorted(wanted), ", "))
end

local function lacks_secrets(value)
  for _, one in pairs(value) do
    if is_missing(one) then return true end
  end
  return false
end

-- The value without its missing secrets, which cannot be checked; nil when nothing else is left.
local function known_part(value)
  if is_missing(value) then return nil end
  if type(value) ~= "table" or not lacks_secrets(value) then return value end
  local part = {}
  for key, one in pairs(value) do
    if not is_missing(one) then
      if type(key) == "number" then part[#part + 1] = one else part[key] = one end
    end
  end
  return next(part) ~= nil and part or nil
end

function check_table(value, wanted, path, problems)
  for _, name in ipairs(sorted(value)) do
    local at = path == "" and name or path .. "." .. name
    local check, one = wanted[name], value[name]
    if one == nil then one = value[tonumber(name)] end
    if not check then
      note(problems, "config-key", at, ("unknown key '%s'%s"):format(at, hint(name, wanted)),
        { at_key = true, word = suggest.only(name, wanted) })
    elseif known_part(one) ~= nil then
      one = known_part(one)
      local message = check(one, at, problems)
      if message then note(problems, "config-value", at, at .. " " .. message) end
    end
  end
end

M.configuration, M.target = shape, target_shape

--- Checks a table of the configuration.
---@param value table
---@param problems altinn.events.fault[] gets each problem
function M.check(value, problems)
  check_table(value, shape, "", problems)
end

local function variables(keys, prefix, getenv)
  local values = {}
  for name, check in pairs(keys) do
    local variable = prefix .. name:upper()
    if records[check] then
      local inner = variables(records[check], variable .. "_", getenv)
      if next(inner) ~= nil then values[name] = inner end
    elseif name ~= "headers" and name ~= "targets" then
      local text = getenv(variable)
      local convert = converters[check]
      if text and text ~= "" then
        local value = text
        if convert then value = convert(text) end
        if value == nil then value = text end
        values[name] = value
      end
    end
  end
  return values
end

local function add_names(keys, prefix, names)
  for name, check in pairs(keys) do
    if records[check] then add_names(records[check], prefix .. name:upper() .. "_", names)
    elseif name ~= "targets" then names[prefix .. name:upper()] = true end
  end
  return names
end

--- The variables that are read, those of targets aside, as a set.
---@return table<string, true>
function M.variable_names()
  return add_names(shape, "ALTINN_EVENTS_", { ALTINN_EVENTS_CONFIG = true })
end

--- The values that variables give: ALTINN_EVENTS_LISTEN, ALTINN_EVENTS_LIMITS_MAX_BYTES, …; lists with commas.
---@param getenv fun(name: string): string|nil
---@return table values as a configuration file would have them
function M.from_environment(getenv)
  return variables(shape, "ALTINN_EVENTS_", getenv)
end

--- What variables say of one target: ALTINN_EVENTS_TARGETS_PRINT_URL, …
---@param name string of the target
---@param getenv fun(name: string): string|nil
---@return table values
function M.target_from_environment(name, getenv)
  return variables(target_shape, ("ALTINN_EVENTS_TARGETS_%s_"):format(name:upper():gsub("[^%w]", "_")), getenv)
end

return M
