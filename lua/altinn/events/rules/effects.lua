-- Effects: what a rule wants sent, as a request and its key.
local json = require "altinn.events.support.json"
local suggest = require "altinn.events.support.suggest"

local M = {}

local methods = { POST = true, PUT = true, PATCH = true, DELETE = true }

local function has_control(text)
  return text:find("[%z\1-\31\127]") ~= nil
end

-- Names of headers are the same in any case: the later one counts.
local function set_header(headers, name, value)
  for other in pairs(headers) do
    if other:lower() == name:lower() then headers[other] = nil end
  end
  headers[name] = value
end

local function check_headers(headers, fields)
  for name, value in pairs(fields or {}) do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+%-.^_`|~]+$") then
      return nil, ("'%s' is no name of an HTTP header"):format(tostring(name):gsub("%c", "?"))
    end
    if type(value) ~= "string" and type(value) ~= "number" then
      return nil, ("the header %s must be a text, not a %s"):format(name, type(value))
    end
    value = tostring(value)
    if has_control(value:gsub("\t", " ")) then
      return nil, ("the header %s holds a control character"):format(name)
    end
    set_header(headers, name, value)
  end
  return true
end

local function has_header(headers, wanted)
  for name in pairs(headers) do
    if name:lower() == wanted then return true end
  end
  return false
end

-- The target's URL and the effect's path; a path cannot lead to another
-- host.
local function join(url, path)
  if path == nil then return url end
  if type(path) ~= "string" or path:sub(1, 1) ~= "/" or path:sub(1, 2) == "//" then
    return nil, "the path must begin with one slash"
  end
  if path:find("[%s%c#\\]") then return nil, "the path holds a blank, a control character, '#' or '\\'" end
  return (url:gsub("/+$", "")) .. path
end

local function key_text(effect)
  local parts = {}
  for index, part in ipairs(effect.key) do
    if type(part) == "number" and part % 1 == 0 and math.abs(part) < 2 ^ 53 then part = ("%d"):format(part) end
    parts[index] = tostring(part)
    -- A slash within one of several parts is no border between two.
    if #effect.key > 1 then parts[index] = parts[index]:gsub("[%%/]", { ["%"] = "%25", ["/"] = "%2F" }) end
  end
  local text = effect.target .. ":" .. table.concat(parts, "/")
  if has_control(text) then return nil, "the key holds a control character" end
  if #text > 512 then return nil, "the key is longer than 512 bytes" end
  return text
end

local function body_of(effect, headers)
  if effect.json ~= nil then
    local text, message = json.encode(effect.json)
    if not text then return nil, "json: " .. message end
    if not has_header(headers, "content-type") then headers["Content-Type"] = "application/json" end
    return text
  end
  if effect.body ~= nil and type(effect.body) ~= "string" then return nil, "body must be a text" end
  if effect.body and not has_header(headers, "content-type") then
    headers["Content-Type"] = "application/octet-stream"
  end
  return effect.body or ""
end

local function method_of(effect)
  local method = effect.method or "POST"
  if not methods[method] then
    return nil, ("the method must be POST, PUT, PATCH or DELETE, not '%s'"):format(tostring(method))
  end
  return method
end

local function fail(effect, message)
  return nil, ("effect for target '%s': %s"):format(tostring(effect.target), message)
end

local function find_target(effect, targets)
  local target = targets and targets[effect.target]
  if not target then
    return nil, ("there is no such target%s; targets stand in the configuration")
      :format(suggest.hint(tostring(effect.target), targets or {}))
  end
  if not target.url then return nil, "the target has no url" end
  return target
end

--- Makes the request of an effect and the key under which it is sent once.
---@param effect table what send.http(target){…} made; `key` is set
---@param targets table<string, { url: string, headers: table|nil, timeout: number|nil }>
---@return table|nil request { method, url, headers, body, timeout }
---@return string key the key's text (with a request), else what is wrong
function M.prepare(effect, targets)
  local target, message = find_target(effect, targets)
  if not target then return fail(effect, message) end
  local request = { headers = {}, timeout = target.timeout or 30 }
  local ok
  ok, message = check_headers(request.headers, target.headers)
  if ok then ok, message = check_headers(request.headers, effect.headers) end
  if not ok then return fail(effect, message) end
  request.method, message = method_of(effect)
  if not request.method then return fail(effect, message) end
  request.url, message = join(target.url, effect.path)
  if not request.url then return fail(effect, message) end
  request.body, message = body_of(effect, request.headers)
  if not request.body then return fail(effect, message) end
  local key
  key, message = key_text(effect)
  if not key then return fail(effect, message) end
  set_header(request.headers, "Idempotency-Key", key)
  return request, key
end

return M
