-- Options that several commands share, and converters whose messages name the option.
local M = {}

local ADD = {
  config = function(command)
    command:option("--config", "the configuration file (default: altinn-events.lua, if it is there)"):argname "FILE"
    command:option("--env-file", "a file of variables for env \"NAME\", as systemd reads it for the host")
      :argname "FILE"
  end,
  inbox = function(command)
    command:option("--inbox", "the inbox file (default: altinn-events.db)"):argname "FILE"
  end,
  json = function(command) command:flag("--json", "print JSON") end,
  rule = function(command) command:option("--rule", "only this rule"):argname "NAME" end,
  rules = function(command) command:argument("rules", "rule files or folders (default: rules/)"):args "*" end,
  altinn = function(command)
    command:option("--environment", "which Altinn: tt02, production, …"):argname "NAME"
    command:option("--base-url", "its address instead, for instance an emulator's"):argname "URL"
    command:option("--endpoint", "the public address of the webhook"):argname "URL"
  end,
}

function ADD.wait(command)
  command:option("--wait", "seconds to wait for Altinn to validate the endpoint", "30"):argname "SECONDS"
    :convert(M.seconds "--wait")
end

function ADD.reason(command)
  command:option("--reason", "what for: it is kept with the act"):argname "TEXT"
end

-- Which events and runs of the inbox are meant, besides --rule and --state.
function ADD.picked(command)
  command:option("--cause", "only runs with this cause: its id in a listing, or a part of its text"):argname "CAUSE"
  command:option("--type", "only events of this type"):argname "TYPE"
  command:option("--since", "only events since then: a span (2h, 3d) or a time"):argname "TIME"
  command:option("--until", "only events before then: a span (2h, 3d) or a time"):argname "TIME"
end

--- Adds options by their names: config (with --env-file), inbox, json, rule, rules, altinn, wait, reason, picked.
---@param command table an argparse command
---@param ... string
---@return table command
function M.add(command, ...)
  for _, name in ipairs { ... } do ADD[name](command) end
  return command
end

local function converter(name, convert, wanted)
  return function(text)
    local value = convert(text)
    if value ~= nil then return value end
    return nil, ("%s: '%s' is no %s"):format(name, text, wanted)
  end
end

--- For an option whose value is a whole number above 0.
---@param name string of the option
---@return fun(text: string): integer|nil, string|nil
function M.whole(name)
  return converter(name, function(text)
    local value = math.tointeger(tonumber(text))
    return value and value > 0 and value or nil
  end, "whole number above 0")
end

--- For an option whose value is a number of seconds below an hour.
---@param name string
---@return fun(text: string): number|nil, string|nil
function M.seconds(name)
  return converter(name, function(text)
    local value = tonumber(text)
    return value and value >= 0 and value < 3600 and value or nil
  end, "number of seconds below 3600")
end

--- The values by which options replace those of the configuration.
---@param args table
---@return table values
function M.values(args)
  local values = {
    listen = args.listen, admin = args.admin, secret = args.secret, workers = args.workers,
    environment = args.environment, base_url = args.base_url, endpoint = args.endpoint, narrow = args.narrow,
  }
  if type(args.inbox) == "string" then values.inbox = args.inbox end  -- true: the command of that name
  if args.rules and #args.rules > 0 then values.rules = args.rules end
  return values
end

return M
