-- Sends effects as the host does, from a spec: prepared, recorded as JSON, carried by libcurl, judged.
local deliveries = require "altinn.events.rules.delivery"
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local rule = require "altinn.events.rule"
local transports = require "altinn.events.client.transport"

local M = {}

M.event = assert(events.parse [[{"specversion":"1.0","id":"e1","source":"https://a.example/x","type":"t.one",
  "subject":"blå \"1\"%","datacontenttype":"application/json","data":{"n":3,"list":[]}}]])

local multi

local function perform(request)
  multi = multi or require("altinn.events.curl").new { connections = 8 }
  local reply, message, code, failed = multi:perform(request)
  return reply or { error = message, code = code, not_sent = failed.not_sent, status = failed.status,
    body = failed.body }
end

--- A sender with targets of its own.
---@param targets table<string, table>
---@param options table|nil for the delivery: origin, clock, …
function M.new(targets, options)
  local made = { perform = perform, transport = transports.default(), clock = os.time, sleep = function() end,
    maskinporten = events.maskinporten }
  for name, value in pairs(options or {}) do made[name] = value end
  local delivery = deliveries.new(made)
  local self = { delivery = delivery }

  --- What the engine would record.
  function self.prepare(kind, target, fields, about)
    fields.key = fields.key or "k:1"
    return effects.prepare(rule.send[kind](target)(fields), { rule = "r", place = 1, event = M.event,
      now = about and about.now, pseudonym = about and about.pseudonym }, targets)
  end

  --- The outcome of an effect.
  function self.send(kind, target, fields, about)
    local item = assert(self.prepare(kind, target, fields, about))
    local request, message, judge = effects.carry(item, item.text, targets)
    assert(request, message)
    return judge(delivery:send(request)), request
  end

  return self
end

return M
