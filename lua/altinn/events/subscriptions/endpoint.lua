-- The address that Altinn posts to, its secret, and the owners of subscriptions' addresses.
--
-- The endpoint of the configuration is the public address of the host's
-- /events, to which the secret is added, or an address with {secret} where
-- the secret stands. An address with one of the configured secrets there
-- is ours. Any other word in that place may be an old secret, or the name of
-- another system behind the same proxy, so the owner is unknown. An address with a name
-- after the secret (/events/SECRET/letters) is made by hand and not ours.
local M = {}

local PLACE = "{secret}"

-- An address in the form that the server gives back: scheme and host in lower case, no default port, no empty path.
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
---@param name string|nil tells the subscription apart; an address with a name is not ours
---@return string
function M.address(endpoint, secret, name)
  local before, after = parts(endpoint)
  local text = secret and before .. secret .. after or (before:gsub("/$", "")) .. after
  return normal(name and text .. "/" .. name or text)
end

--- The word in an address at the place of the endpoint's secret: "" when there is none, nil when the address is no
--- variant of the endpoint.
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

-- Whether a segment of a path is certainly no secret: a short word, or a version.
local function is_word(segment)
  return #segment <= 15 and segment:find("^%l[%l%-]*%d?$") ~= nil
end

-- Masks any address: words of the path stay. The segment after "events", segments that are not plain words, and the
-- values of a query are replaced.
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

local LONG = 6  -- characters: a shorter secret may be a part of any word

-- Hides a secret where it is a whole segment of a path or a whole value, not as a part of a longer word.
local function hide_segment(text, secret)
  return (text:gsub("([/=])(" .. secret:gsub("%p", "%%%0") .. ")%f[^%w%-_.~]", "%1***"))
end

--- Hides secrets in a text, such as an address or a message that quotes one. A long secret is hidden everywhere, a
--- short one as a segment of a path or the value of a query.
---@param text string
---@param secrets string[]
---@return string
function M.hide(text, secrets)
  local list = {}
  for index, secret in ipairs(secrets) do list[index] = secret end
  table.sort(list, function(a, b) return #a > #b end)  -- longer ones first: one secret may begin with another
  for _, secret in ipairs(list) do
    text = #secret >= LONG and text:gsub(secret:gsub("%p", "%%%0"), "***") or hide_segment(text, secret)
  end
  return text
end

local function segments_of(address)
  return address:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
    :gmatch("[%w%-_.~]+")
end

--- Whether an address already contains one of the secrets.
---@param address string
---@param secrets string[]
---@return boolean
function M.holds(address, secrets)
  for word in segments_of((address:gsub("^%a+://[^/?#]*", ""))) do
    if is_one_of(word, secrets) then return true end
  end
  return false
end

local function masked(address, endpoint)
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

--- An address without what may be a secret.
---@param address string|nil
---@param endpoint string|nil of the configuration
---@param secrets string[]|nil of the configuration: they are hidden wherever they stand
---@return string|nil
function M.mask(address, endpoint, secrets)
  if type(address) ~= "string" then return nil end
  return M.hide(masked(address, endpoint), secrets or {})
end

-- The beginning of a word, by which people recognise it without seeing a secret.
local function beginning(word)
  return #word >= 8 and word:sub(1, 3) .. "***" or "***"
end

--- An address whose owner is unknown, in a form that people recognise: the word in the secret's place is cut to its
--- first three characters.
---@param address string
---@param endpoint string of the configuration
---@param secrets string[]|nil as for mask
---@return string
function M.hint(address, endpoint, secrets)
  local secret = M.secret_of(endpoint, address)
  if not secret or secret == "" then return M.mask(address, endpoint, secrets) end
  local before, after = parts(endpoint)
  return M.hide(before .. beginning(secret) .. after, secrets or {})
end

return M
