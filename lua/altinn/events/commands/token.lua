-- altinn-events token: shows the claims of the token; the token itself only with --show.
local connection = require "altinn.events.commands.connection"
local events = require "altinn.events"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local sorted = require("altinn.events.support.names").sorted

local M = { summary = "get a token and print what it says", needs = { "credentials", "token" } }

local function masked_copy(value)
  if type(value) == "table" then
    local copy = #value > 0 and output.list {} or {}
    for name, one in pairs(value) do copy[name] = masked_copy(one) end
    return copy
  end
  if type(value) == "string" then return events.mask(value) end
  return math.tointeger(value) or value  -- lua-cjson reads 5 as 5.0
end

-- One line of text for a claim of any kind.
local function text_of(value)
  if type(value) ~= "table" then return value == events.null and "null" or tostring(value) end
  return assert(require("altinn.events.support.json").encode(value))
end

local function print_claims(identity, claims)
  output.line("identity %s", identity or "unknown")
  for _, name in ipairs(sorted(claims)) do output.line("  %-30s %s", name, text_of(claims[name])) end
  local expires = tonumber(claims.exp)
  if expires then
    local left = math.floor(expires - os.time())
    output.line("%s %s", left > 0 and "valid until" or "expired at", output.moment(expires))
  end
end

local function show(token)
  local text, message, code = token, nil, nil
  if type(token) ~= "string" then text, message, code = token() end
  if not text then return output.failure(message, code) end
  output.out(text)
  return 0
end

--- Adds its options to the parser.
---@param token table
function M.options(token)
  options.add(token, "config", "altinn", "json")
  token:flag("--show", "print the token itself, and nothing else")
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  local link, message, code = connection.open(config)
  if not link then return output.failure(message, code) end
  if args.show then return show(link.token) end
  local claims
  claims, message, code = link:claims()
  if not claims then return link:failure(message, code) end
  local identity = output.masked(connection.identity_of(claims))
  claims = masked_copy(claims)
  if args.json then
    output.json { identity = identity, claims = claims, expires = output.moment(tonumber(claims.exp)) }
  else
    print_claims(identity, claims)
  end
  return 0
end

return M
