-- An emulator of a spec: the real command on a port of its own, and a client
-- for its control interface. Its clock stands still unless it is moved.
local cjson = require "cjson"
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"

local M = {}

local Emulator = {}
Emulator.__index = Emulator

--- Starts one.
---@param options { arguments: string[]|nil, speed: number|nil, may_fail: boolean|nil }|nil
function M.start(options)
  options = options or {}
  local folder = process.folder()
  local words = { host.program(), "emulate", "--listen 127.0.0.1:0", "--speed " .. (options.speed or 0) }
  for _, word in ipairs(options.arguments or {}) do words[#words + 1] = process.quote(word) end
  local self = setmetatable({ folder = folder, process = process.start(folder, "emulator", table.concat(words, " ")) },
    Emulator)
  self.port = process.wait(10, function()
    return self.process:status() or tonumber(self.process:errors():match("msg=listening address=%S-:(%d+)"))
  end)
  if self.process:status() and not options.may_fail then
    error("the emulator does not start: " .. self.process:errors())
  end
  self.base = "http://127.0.0.1:" .. tostring(self.port)
  return self
end

-- lua-cjson 2.1.0 reads every number as a float.
local function integers(value)
  if type(value) == "number" then return math.tointeger(value) or value end
  if type(value) ~= "table" then return value end
  for name, one in pairs(value) do value[name] = integers(one) end
  return value
end

--- One request: status, what the body says (JSON as a value), headers, the body's text.
function Emulator:call(method, path, body, headers)
  local all = {}
  if type(body) == "table" then body, all["Content-Type"] = cjson.encode(body), "application/json" end
  if method ~= "GET" and not body then body = "" end
  for name, value in pairs(headers or {}) do all[name] = value or nil end
  local status, got, text = http.request(self.port, { method = method, path = path, body = body, headers = all,
    timeout = 30 })
  local value
  if (got["content-type"] or ""):find("json", 1, true) then value = integers(cjson.decode("[" .. text .. "]"))[1] end
  return status, value == nil and text or value, got, text
end

--- The same with a token.
function Emulator:as(token, method, path, body, headers)
  local all = { Authorization = "Bearer " .. token }
  for name, value in pairs(headers or {}) do all[name] = value end
  return self:call(method, path, body, all)
end

--- A call of the control interface, its body a table or JSON; it must succeed.
function Emulator:control(method, path, body)
  local headers = type(body) == "string" and { ["Content-Type"] = "application/json" } or nil
  local status, value, _, text = self:call(method, "/emulator" .. path, body, headers)
  assert(status >= 200 and status < 300, ("%s %s: %s %s"):format(method, path, status, text))
  return value
end

local function query(values)
  local parts = {}
  for name, value in pairs(values) do
    parts[#parts + 1] = name .. "=" .. tostring(value):gsub("[^%w._-]", function(c)
      return ("%%%02X"):format(c:byte())
    end)
  end
  return #parts > 0 and "?" .. table.concat(parts, "&") or ""
end

--- An Altinn token: { scopes, orgNo, org, pid, … }.
function Emulator:token(values)
  return self:control("GET", "/token" .. query(values or {}))
end

--- Moves the clock, and waits until all that falls due has been done.
function Emulator:advance(span) return self:control("POST", "/clock", { advance = span or 0 }) end

--- A validated subscription, without a token.
function Emulator:subscribe(endpoint, values)
  local body = { endPoint = endpoint, resourceFilter = "acme-letters" }
  for name, value in pairs(values or {}) do body[name] = value end
  local s = self:control("POST", "/subscriptions", body)
  self:advance()
  return s
end

function Emulator:publish(values)
  local answer = self:control("POST", "/events", values)
  self:advance()
  return answer.ids
end

function Emulator:letter(values)
  local letter = self:control("POST", "/letters", values or {})
  self:advance()
  return letter
end

function Emulator:step(letter, step, values)
  local shown = self:control("POST", ("/letters/%s/%s"):format(letter.id, step), values or {})
  self:advance()
  return shown
end

function Emulator:deliveries(values)
  return self:control("GET", "/deliveries" .. query(values or {})).deliveries
end

--- The types of the events that were registered, without their prefix, in order.
function Emulator:types()
  local list = {}
  for index, event in ipairs(self:control("GET", "/events").events) do
    list[index] = event.type:match("([^.]+)$")
  end
  return list
end

function Emulator:reset()
  self:control("POST", "/reset")
end

function Emulator:log() return self.process:errors() end

function Emulator:close()
  local status = self.process:stop()
  process.remove(self.folder)
  return status
end

return M
