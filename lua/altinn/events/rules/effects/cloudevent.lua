-- Effects of the kind `send.cloudevent`: an event to a webhook, by the CloudEvents HTTP binding 1.0.2, after the
-- handshake of the webhook specification 1.0.2.
local cjson = require("cjson.safe").new()  -- an own instance: settings of the shared one would reach other code
local core = require "altinn.events.core"
local events = require "altinn.events"
local http = require "altinn.events.rules.effects.http"
local json = require "altinn.events.support.json"
local targets = require "altinn.events.rules.effects.target"

local M = {}

M.about = "a CloudEvent, structured or binary"
M.sent = http.sent
M.carrier, M.takes, M.sample = "http", { "url" }, http.sample
M.stand_ins = { mode = "structured" }

M.words = {
  { "event", "altinn.events.event|table|nil", "the event of the run when it is left out" },
  { "mode", '"structured"|"binary"|nil', "structured when it is left out" },
}

local function origin_fault(value)
  if type(value) ~= "string" or #value > 253 or not value:find("^%w[%w%-.]*$") then
    return "must be the name of the sending host, such as \"events.example.no\""
  end
end

M.keys = targets.of_http("url", "address that requests go to; an effect's path is put after it, before its query")
M.keys[#M.keys + 1] = { name = "handshake", type = "boolean", check = targets.flag,
  about = "`false`: send.cloudevent does not ask the target for permission (OPTIONS) before its first event" }
M.keys[#M.keys + 1] = { name = "origin", type = "string", check = origin_fault,
  about = "the name by which send.cloudevent asks for permission; the host of `endpoint` when it is left out" }

local MODES = { structured = true, binary = true }

--- Checks the fields when the effect is made.
---@param fields table
---@return string|nil message
function M.check(fields)
  if fields.mode ~= nil and not MODES[fields.mode] then
    return ("mode is \"structured\" or \"binary\", not '%s'"):format(tostring(fields.mode))
  end
end

-- The value of an attribute as a header: all but printable ASCII, and blanks, quotation marks and percent signs, are
-- percent-encoded (HTTP binding 1.0.2, 3.1.3.2).
local function header_value(value)
  return (tostring(value):gsub('[^!#$&-~]', function(byte) return ("%%%02X"):format(byte:byte()) end))
end

-- The octets of an event's data. A text is either octets (they came as such) or a JSON value: the event's own JSON text
-- tells, where octets of JSON stand as their value, and others as data_base64.
local function octets(event)
  local data = event.data
  if data == nil then return "" end
  if type(data) ~= "string" then return json.encode(data) end
  if not core.is_json(event.datacontenttype or "application/json") then return data end
  local written = cjson.decode(core.encode(event))
  if written and written.data == data then return json.encode(data) end
  return data
end

local function binary(event)
  local headers, media = {}, event.datacontenttype
  for name, value in events.pairs(event) do
    if name ~= "data" and name ~= "datacontenttype" then headers["ce-" .. name] = header_value(value) end
  end
  local body, message = octets(event)
  if not body then return nil, "the event's data: " .. message end
  if event.data ~= nil then headers["Content-Type"] = media or "application/json" end
  return { headers = headers, body = body }
end

local function structured(event)
  return { headers = { ["Content-Type"] = "application/cloudevents+json; charset=utf-8" }, body = core.encode(event) }
end

--- The record of an effect: see http.lua.
---@param effect table
---@param _ table target
---@param about { event: table }
---@return table|nil record
---@return string|nil message
function M.record(effect, _, about)
  local event, message = effect.event or about.event
  if not core.is_event(event) then
    local text
    text, message = events.encode(event)
    if not text then return nil, "event: " .. message end
    event = assert(core.parse(text))
  end
  local made
  made, message = (effect.mode == "binary" and binary or structured)(event)
  if not made then return nil, message end
  local record
  record, message = http.record { method = "POST", headers = made.headers, body = made.body }
  if record then record.media = nil end  -- without data there is no Content-Type
  return record, message
end

--- The request that carries a record to its target.
---@param record table
---@param target table
---@param key string
---@return table request handshake: ask for permission first; origin: by this name, unless it is nil
function M.request(record, target, key)
  local request = http.request(record, target, key)
  request.handshake, request.origin = target.handshake ~= false, target.origin
  return request
end

M.judge, M.target_problem, M.complete, M.try = http.judge, http.target_problem, http.complete, http.try

return M
