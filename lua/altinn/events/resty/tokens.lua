-- Tokens in nginx: fetched over cosockets, one for all workers.
-- luacheck: globals ngx
local events = require "altinn.events"
local http = require "altinn.events.resty.http"
local memories = require "altinn.events.resty.memory"

local M = {}

local WAIT_SECONDS = 30  -- a request waits for so long at most while another one fetches the token
local LIFETIME = 90      -- lifetime of the lock, seconds
local REFUSED_SECONDS = 60

--- Why signing would load a second OpenSSL into this process, which can crash it; nil when it would not.
---@param maps string what /proc/self/maps says of the process
---@return string|nil message nil: it has the OpenSSL that signing needs
function M.openssl_problem(maps)
  local other
  for version in maps:gmatch("libcrypto[^%s/]*%.so%.?([%w.]*)") do
    if version == "" or version:find("^3") then return nil end
    other = version
  end
  local has = other and ("has OpenSSL as libcrypto.so." .. other) or "brings its own OpenSSL inside"
  return ("this nginx %s, and signing would load a second one: get the token elsewhere, and give `token` as a function")
    :format(has)
end

local function check_openssl()
  local maps = io.open("/proc/self/maps", "r")
  if not maps then return end
  local text = maps:read("*a")
  maps:close()
  local problem = M.openssl_problem(text)
  if problem then error(problem, 3) end
end

-- Options that say how a token is obtained. All other options are part of the token's name.
local HOW = {
  key = true, key_file = true, passphrase = true, kid = true, certificate = true, certificate_file = true,
  algorithm = true, transport = true, clock = true, sleep = true, timeout = true,
}

-- The same text for the same set of words, whether they came as a list or as a text.
local function words_of(value)
  local list = {}
  if type(value) == "string" then
    for word in value:gmatch("%S+") do list[#list + 1] = word end
  else
    for index, word in ipairs(value) do list[index] = word end
  end
  table.sort(list)
  return table.concat(list, " ")
end

local function text_of(name, value)
  if name == "scopes" or name == "resource" then return words_of(value) end
  if type(value) ~= "table" then return tostring(value) end
  return ("%s\1%s"):format(tostring(value.organisation), tostring(value.reference))  -- a system user
end

-- The name under which the shared dict keeps a token.
local function name_of(options)
  local parts = {}
  for name, value in pairs(options) do
    if not HOW[name] then parts[#parts + 1] = name .. "=" .. text_of(name, value) end
  end
  table.sort(parts)
  return "token " .. table.concat(parts, "\0")
end

-- Fetches a token; the caller must have the lock. This worker's own source may remember a token that a server refused
-- to another worker; then the source is asked for a new one.
local function fetch(memory, source, name)
  local token, message, code, detail = source()
  if token and memory:kept("refused " .. name) == ngx.sha1_bin(token) and source:invalidate(token) then
    token, message, code, detail = source()
  end
  local _, renewed = source:expiry()
  if token and renewed then memory:keep(name, token, math.max(1, renewed - ngx.time())) end
  return token, message, code, detail
end

local function shared_token(memory, source, name)
  local token = memory:kept(name)
  if token then return token end
  local lock = memory:lock(name, WAIT_SECONDS, LIFETIME)
  if not lock then return nil, "the token is long in coming", "timeout" end
  token = memory:kept(name)
  local ok, message, code, detail = true, nil, nil, nil
  if not token then ok, token, message, code, detail = pcall(fetch, memory, source, name) end
  memory:unlock(name, lock)
  if not ok then error(token, 0) end
  return token, message, code, detail
end

-- A server has answered 401 to a token. True when the next token will be another one.
local function refuse(memory, source, name, token, number)
  if not source:invalidate(token, number) then return false end
  if memory:kept(name) ~= token then return true end
  if not memory:mark("replaced " .. name, REFUSED_SECONDS) then return false end
  memory:keep("refused " .. name, ngx.sha1_bin(token), REFUSED_SECONDS * 60)
  memory:keep(name, nil)
  return true
end

--- A source of tokens like events.maskinporten, over cosockets, one for all
--- workers.
---@param options table what events.maskinporten takes, and `dict`
---@return table|nil source
---@return string|nil message
---@return string|nil code
function M.new(options)
  check_openssl()
  local copy = {}
  for name, value in pairs(options) do copy[name] = value end
  local memory = memories.new(copy.dict)
  copy.dict, copy.transport, copy.sleep = nil, http.request, ngx.sleep
  local source, message, code = events.maskinporten(copy)
  if not source then return nil, message, code end
  local name, shared = name_of(copy), {}
  function shared.invalidate(_, token, number) return refuse(memory, source, name, token, number) end
  return setmetatable(shared, { __call = function() return shared_token(memory, source, name) end })
end

return M
