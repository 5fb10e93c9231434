-- Finds what surprises in a configuration that the host takes.
local core = require "altinn.events.core"
local fault = require("altinn.events.support.faults").new
local head_places = require "altinn.events.rules.head_places"
local urls = require "altinn.events.support.url"

local M = {}

-- Secrets.

-- The keys whose values are secrets; `headers.Authorization` and the addresses of Teams and Slack are, too.
local SECRET = { secret = true, token = true, key = true, passphrase = true, password = true, client_secret = true,
  teams = true, slack = true, Authorization = true }

-- The ways to secrets that stand in the file as plain texts.
local function plain_secrets(node, way, found)
  for _, item in ipairs(node) do
    local name = item.tag == "Pair" and item[1].tag == "String" and item[1][1]
    local value = item.tag == "Pair" and item[2]
    if name then
      local longer = { table.unpack(way) }
      longer[#longer + 1] = name
      if value.tag == "String" and SECRET[name] and value[1] ~= "" then found[#found + 1] = longer
      elseif value.tag == "Table" then plain_secrets(value, longer, found) end
    end
  end
  return found
end

-- Whether everybody on the machine can read a file.
local function is_open(path)
  local pipe = io.popen("ls -ld -- '" .. path:gsub("'", "'\\''") .. "' 2>/dev/null", "r")
  local mode = pipe and pipe:read(10) or ""
  if pipe then pipe:close() end
  return mode:sub(1, 1) == "-" and mode:sub(8, 8) == "r"
end

local function check_secrets(config, text, add)
  local places = text and config.file and head_places.returned(text)
  local found = places and places.table.fields and plain_secrets(places.table.fields, {}, {}) or {}
  if #found == 0 or not is_open(config.file) then return end
  add(fault("secret-readable", found[1], ("%s stands here in clear, and everybody on this machine can read the file")
    :format(table.concat(found[1], ".")), "write env \"NAME\" or file \"PATH\", or chmod o-r the file"))
end

-- Addresses.

-- Whether a host is one of this network rather than of the world.
local function is_near(host)
  return not host or host:find("^10%.") or host:find("^192%.168%.") or host:find("^172%.[123]%d?%.") or host:find("^%[")
    or not host:find(".", 1, true) or host:find("%.internal$") or host:find("%.local$") or host:find("%.test$")
end

local function check_plain(add, at, url)
  local is_plain = type(url) == "string" and url:find("^http://") ~= nil
  if not is_plain or urls.is_loopback(url) or is_near(urls.host(url)) then return end
  add(fault("http-plain", at, ("%s: http:// goes over the network in clear, tokens and letters too"):format(
    table.concat(at, ".")), "write https://"))
end

local function check_addresses(config, add)
  check_plain(add, { "base_url" }, config.base_url)
  for name, target in pairs(config.targets) do
    check_plain(add, { "targets", tostring(name), "url" }, target.url)
  end
  local host = config.admin and config.admin:match("^(.*):%d+$")
  if host and not core.is_loopback(host) then
    add(fault("admin-open", { "admin" }, "admin: metrics and the state of the host can be read by everybody who reaches"
      .. " this address", "write 127.0.0.1, or let a firewall guard it"))
  end
end

-- Altinn.

local function check_altinn(config, add)
  local own = config.credentials and config.credentials.environment
  if own and config.environment and own ~= config.environment then
    add(fault("environment-mixed", { "credentials", "environment" }, ("credentials.environment is '%s', and environment"
      .. " is '%s': such a token is refused"):format(own, config.environment), "leave credentials.environment out"))
  end
  for index, name in ipairs(config.resources) do
    local whole = type(name) == "string" and (name:find("^urn:") and name or "urn:altinn:resource:" .. name)
    local why = whole and core.altinn.resource_fault(whole)
    if why then
      add(fault("resources-form", { "resources", index }, ("resources: '%s' %s"):format(core.mask(name), why),
        "write it as Altinn has it"))
    end
  end
end

--- Adds what surprises.
---@param config table
---@param text string|nil of the file
---@param add fun(one: altinn.events.fault)
function M.check(config, text, add)
  check_secrets(config, text, add)
  check_addresses(config, add)
  check_altinn(config, add)
end

return M
