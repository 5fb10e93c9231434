-- The address that Altinn posts to, its secret, and which subscriptions'
-- addresses are ours.
--
-- The endpoint of the configuration is the public address of the host's
-- /events, to which the secret is added, or an address with {secret} where
-- the secret stands. Ours are the addresses with one of the configured
-- secrets there. Any other word in its place may be a secret that was taken
-- out of the configuration, or the name of another system behind the same
-- proxy: nobody can tell, so the address is unknown. An address with a name
-- after the secret (/events/SECRET/letters) is made by hand and not ours.
local M = {}

local PLACE = "{secret}"

-- Scheme and host in lower case, no default port, never an empty path: as the server gives addresses back.
local function normal(text)
  local scheme, authority, rest = text:match("^(%a[%w+.%-]*)://([^/?#]*)(.*)$")
  if not scheme then return text end
  scheme, authority = scheme:lower(), authority:lower()
  authority = authority:gsub(scheme == "https" and ":443$" or ":80$", "")
  rest = rest:gsub("#.*$", "")
  if not rest:find("^/") then rest = "/" .. rest end
  return scheme .. "://" .. authority .. rest
end

local function parts(endpoint)
  local text = normal((endpoint:gsub("/+$", "")))
  local from, to = text:find(PLACE, 1, true)
  if from then return text:sub(1, from - 1), text:sub(to + 1) end
  return (text:gsub("/$", "")) .. "/", ""
end

--- An address in the form that the server gives back.
---@param text string
---@return string
function M.normal(text)
  return normal(text)
end

--- The address for new subscriptions.
---@param endpoint string of the configuration
---@param secret string|nil the newest secret
---@param name string|nil to tell the subscription apart; such a one is not ours
---@return string
function M.address(endpoint, secret, name)
  local before, after = parts(endpoint)
  local text = secret and before .. secret .. after or (before:gsub("/$", "")) .. after
  return normal(name and text .. "/" .. name or text)
end

--- What stands in an address where the endpoint has its secret: "" when it
--- has none, nil when the address is no variant of the endpoint.
---@param endpoint string of the configuration
---@param address string|nil
---@return string|nil
function M.secret_of(endpoint, address)
  if type(address) ~= "string" then return nil end
  address = normal(address)
  if address == M.address(endpoint) then return "" end
  local before, after = parts(endpoint)
  if #address <= #before + #after or address:sub(1, #before) ~= before then return nil end
  if after ~= "" and address:sub(-#after) ~= after then return nil end
  local secret = address:sub(#before + 1, #address - #after)
  return secret:find("^[%w%-_.~]+$") and secret or nil
end

local function is_one_of(word, list)
  for _, other in ipairs(list) do
    if word == other then return true end
  end
  return false
end

--- Whose an address is.
---@param endpoint string of the configuration
---@param address string|nil
---@param secrets string[] all of the configuration
---@return "ours"|"unknown"|nil owner unknown: it differs from ours in the secret alone; nil: it is another address
function M.owner(endpoint, address, secrets)
  local secret = M.secret_of(endpoint, address)
  if not secret then return nil end
  if secret == "" then return #secrets == 0 and "ours" or "unknown" end
  return is_one_of(secret, secrets) and "ours" or "unknown"
end

-- A segment of a path that is surely no secret: a short word, a version.
local function is_word(segment)
  return #segment <= 15 and segment:find("^%l[%l%-]*%d?$") ~= nil
end

-- Any address: words of the path stay, the segment after "events" and all
-- that does not look like a word does not, nor do the values of a query.
local function mask_any(address)
  local head, path, query = address:match("^(%a[%w+.%-]*://[^/?#]*)([^?#]*)(.*)$")
  if not head then return "***" end
  local before
  head = head:gsub("//.*@", "//***@")
  path = path:gsub("[^/]+", function(segment)
    local shown = is_word(segment) and before ~= "events" and segment or "***"
    before = segment
    return shown
  end)
  query = query:gsub("#.*$", ""):gsub("[^?&]+", function(part)
    return (part:match("^[%w_%-]*=") or "") .. "***"
  end)
  return head .. path .. query
end

--- An address without what may be a secret.
---@param address string|nil
---@param endpoint string|nil of the configuration
---@return string|nil
function M.mask(address, endpoint)
  if type(address) ~= "string" then return nil end
  if endpoint then
    local secret = M.secret_of(endpoint, address)
    if secret == "" then return normal(address) end
    if secret then
      local before, after = parts(endpoint)
      return before .. "***" .. after
    end
  end
  return mask_any(normal(address))
end

-- As much of a word as tells people which one it is, and is no secret.
local function beginning(word)
  return #word >= 8 and word:sub(1, 3) .. "***" or "***"
end

--- An address whose owner is unknown, for people who are to recognise it:
--- the word in the place of the secret by its first three characters.
---@param address string
---@param endpoint string of the configuration
---@return string
function M.hint(address, endpoint)
  local secret = M.secret_of(endpoint, address)
  if not secret or secret == "" then return M.mask(address, endpoint) end
  local before, after = parts(endpoint)
  return before .. beginning(secret) .. after
end

return M
