-- The options of the handler in nginx. Mistakes in them raise when nginx starts.
local effects = require "altinn.events.rules.effects"
local suggest = require "altinn.events.support.suggest"
local target_module = require "altinn.events.rules.effects.target"

local M = {}

-- Each gives a message when the value is wrong.

local function want(kind)
  return function(value)
    if type(value) ~= kind then return ("a %s is wanted, not a %s"):format(kind, type(value)) end
  end
end

local function seconds(value)
  if type(value) ~= "number" or not (value >= 0 and value <= 3600) then
    return "seconds are wanted, a number from 0 to 3600"
  end
end

local function bytes(value)
  if type(value) ~= "number" or value % 1 ~= 0 or value < 1024 or value > 2 ^ 28 then
    return "bytes are wanted, a whole number from 1024 to 268435456"
  end
end

local function texts(value)
  local list = type(value) == "table" and value or { value }
  if #list == 0 then return "a text, or a list of texts, is wanted" end
  for _, one in ipairs(list) do
    if type(one) ~= "string" or one == "" then return "a text, or a list of texts, is wanted, none of them empty" end
  end
end

local function path(value)
  if type(value) ~= "string" or not value:find("^/[^%s%c?#]*[^%s%c?#/]$") then
    return "a path is wanted that begins with a slash and does not end with one, such as \"/events\""
  end
end

local function url(value)
  if type(value) ~= "string" or not value:find("^https?://[^/%s]+") or value:find("[%s%c]") then
    return "an address that begins with https:// or http:// is wanted"
  end
end

local function timeout(value)
  if type(value) ~= "number" or not (value > 0 and value <= 3600) then
    return "seconds are wanted, a number above 0, at most 3600"
  end
end

-- A table with these members.
local function members(checks)
  return function(value)
    if type(value) ~= "table" then return ("a table is wanted, not a %s"):format(type(value)) end
    for name, one in pairs(value) do
      local check = checks[name]
      if not check then return ("unknown key '%s'%s"):format(tostring(name), suggest.hint(tostring(name), checks)) end
      local message = check(one)
      if message then return name .. ": " .. message end
    end
  end
end

local function not_here(instead) return function() return instead end end

local trusted = not_here "nginx trusts what lua_ssl_trusted_certificate names"

-- The kinds of effects that nginx can send, and the sorts of their targets.
local here = {}
for name, kind in pairs(effects.kinds) do here[name] = kind.carrier == "http" and kind or nil end
local sorts = target_module.sorts(here)

local function keys_here(sort)
  local keys = {}
  for name, key in pairs(sorts.keys[sort]) do keys[name] = key end
  keys.timeout = { name = "timeout", check = timeout }
  return keys
end

-- What is wrong with one target.
local function target_fault(target)
  if type(target) ~= "table" then return ("a table is wanted, not a %s"):format(type(target)) end
  local sort = effects.sorts:of(target)
  if sort and not sorts.keys[sort] then
    return ("%s is for the host: nginx sends to targets with %s"):format(effects.sorts:words(sort),
      table.concat(sorts.names, ", "))
  end
  local message
  sort, message = sorts:of(target)
  if sort then return target_module.members_fault(target, keys_here(sort)) end
  return target_module.members_fault(target, sorts.all) or message
end

local function targets(value)
  if type(value) ~= "table" then return "a table of targets by name is wanted" end
  for name, target in pairs(value) do
    if type(name) ~= "string" then return "the name of a target is a text" end
    local message = target_module.name_fault(name)
    if message then return message end
    message = target_fault(target)
    if message then return name .. ": " .. message end
  end
end

local check_client = members {
  environment = want "string", base_url = url, token = function() end, credentials = want "table",
  timeout = timeout, attempts = want "number", subscription_key = want "string",
  ca_file = trusted,
  transport = not_here "in nginx it is cosockets", sleep = not_here "in nginx it is ngx.sleep",
}

local function client(value)
  local message = check_client(value)
  if message then return message end
  if (value.token == nil) == (value.credentials == nil) then return "either token or credentials is wanted" end
end

local CHECKS = {
  secret = texts, dict = want "string", rules = texts, on_event = want "function", targets = targets,
  max_bytes = bytes, path = path, client = client, wait = seconds, on_dead = want "function",
}

-- Options that make sense only beside `rules`.
local OF_RULES = { "targets", "client", "on_dead" }

--- Checks the options of the handler; raises at the caller of the handler.
---@param options table
function M.check(options)
  if type(options) ~= "table" then error("handler wants a table", 3) end
  for name, value in pairs(options) do
    local check = CHECKS[name]
    if not check then
      error(("unknown option '%s' of handler%s"):format(tostring(name), suggest.hint(tostring(name), CHECKS)), 3)
    end
    local message = check(value)
    if message then error(("handler's option '%s': %s"):format(name, message), 3) end
  end
  if (options.rules == nil) == (options.on_event == nil) then error("handler wants either rules or on_event", 3) end
  for _, name in ipairs(OF_RULES) do
    if options.on_event and options[name] then error(("handler's option '%s' is for rules"):format(name), 3) end
  end
end

return M
