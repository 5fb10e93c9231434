-- Deliveries: pushes events to endpoints, retries them, and gives them up.
local router = require "altinn.events.emulator.router"
local wire = require "altinn.events.emulator.wire"

local M = {}

local MINUTE, HOUR = 60, 3600

-- Seconds to wait before each attempt, of the two pipelines that Altinn has.
M.ladders = {
  older = { 0, 10, 30, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 12 * HOUR,
    12 * HOUR },
  new = { 0, 10, 30, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 12 * HOUR },
}

-- The same for the validation of an endpoint.
M.validation_ladders = {
  older = { 0, 30, 30, 30, 30 },
  new = { 0, 1, 5, 10, 30, 60, 120, 120, 120 },
}

local KEPT = 10000          -- remembered finished deliveries
local MOST_HOPS = 50
local DISORDER_SECONDS = 2

local Deliveries = {}
Deliveries.__index = Deliveries

--- The deliveries of an emulator.
---@param emulator table
---@return table deliveries
function M.new(emulator)
  return setmetatable({ emulator = emulator, list = {}, sent = {}, last = 0, under_way = 0 }, Deliveries)
end

-- Attempts.

local function slack_body(body)
  return '{"text": "' .. body:gsub('"', '\\"') .. '"}'
end

local finished

local function start_request(self, delivery, hop)
  local known = { delivery = delivery, hop = hop, began = self.emulator.clock:wall() }
  self.under_way, self.sent[known] = self.under_way + 1, true
  known.handle = self.emulator:post({
    method = hop.method, url = hop.url, body = hop.body, subscription = delivery.subscription,
    headers = hop.body and { ["Content-Type"] = "application/json; charset=utf-8" } or {},
  }, function(reply)
    if self.sent[known] then finished(self, known, reply) end
  end)
end

local function first_hop(delivery)
  local body, url = delivery.event.body, delivery.subscription.endpoint
  if url:find("hooks.slack.com", 1, true) then body = slack_body(body) end
  return { method = "POST", url = url, body = body, count = 0 }
end

-- Where a redirection leads: 301, 302 and 303 make a GET of it.
local function next_hop(hop, reply)
  local to = reply.headers.location
  local kinds = { [301] = "GET", [302] = "GET", [303] = "GET", [307] = hop.method, [308] = hop.method }
  local method = kinds[reply.status]
  if not method or not to or hop.count >= MOST_HOPS then return nil end
  if to:find("^//") then to = hop.url:match("^%a+:") .. to
  elseif to:find("^/") then to = hop.url:match("^%a+://[^/?#]+") .. to
  elseif not to:find("^%a+://") then to = hop.url:match("^%a+://[^?#]*/") .. to end
  if not to:find("^https?://[^/?#%s]") then return nil end
  if hop.url:find("^https:") and not to:find("^https:") then return nil end
  return { method = method, url = to, body = method ~= "GET" and hop.body or nil, count = hop.count + 1 }
end

local function forget_old(self)
  if #self.list <= KEPT * 2 then return end
  local kept = {}
  for index, delivery in ipairs(self.list) do
    if index > #self.list - KEPT or delivery.state == "waiting" or delivery.state == "sending" then
      kept[#kept + 1] = delivery
    end
  end
  self.list = kept
end

-- The receiver's name in the log; never its address, which holds a secret.
local function name_of(delivery)
  return "subscription " .. tostring(delivery.subscription.id)
end

local function log(self, level, what, delivery, fields)
  fields.event, fields.type = delivery.event.id, delivery.event.type
  fields.target, fields.attempt = name_of(delivery), #delivery.attempts
  self.emulator.log(level, what, fields)
end

local attempt

local function schedule(self, delivery, seconds)
  delivery.state, delivery.due = "waiting", self.emulator.clock:now() + seconds
  delivery.timer = self.emulator.clock:after(seconds, function() attempt(self, delivery) end)
end

local function give_up(self, delivery)
  delivery.state = "dead"
  log(self, "error", delivery.validates and "never validated" or "dead letter", delivery, {})
end

-- An attempt is over; `outcome` has status or error, and milliseconds.
local function settle(self, delivery, outcome)
  outcome.at = self.emulator.clock:now()
  delivery.attempts[#delivery.attempts + 1] = outcome
  delivery.due = nil
  if outcome.status and outcome.status >= 200 and outcome.status <= 299 and not outcome.error then
    delivery.state = "delivered"
    if delivery.validates then delivery.subscription.validated = true end
    log(self, "info", delivery.validates and "validated" or "delivered", delivery,
      { status = outcome.status, ms = outcome.milliseconds })
    return
  end
  local wait = delivery.ladder[#delivery.attempts + 1]
  log(self, "warn", "failed", delivery, { status = outcome.status, ms = outcome.milliseconds,
    reason = (outcome.error or "") .. (wait and ("; again in %d s"):format(wait) or "") })
  if wait then schedule(self, delivery, wait) else give_up(self, delivery) end
end

function attempt(self, delivery)
  delivery.timer = nil
  local fault = self.emulator.switches:take("fail", delivery.subscription.id, delivery.event.type)
  if fault then
    settle(self, delivery, { status = fault.status, error = "made to fail", milliseconds = 0 })
    return
  end
  delivery.state = "sending"
  start_request(self, delivery, first_hop(delivery))
end

-- The answer to a request, which may lead on to another one.
function finished(self, known, reply)
  self.sent[known], self.under_way = nil, self.under_way - 1
  local delivery = known.delivery
  local hop = not reply.error and next_hop(known.hop, reply)
  if hop then
    start_request(self, delivery, hop)
    return
  end
  local outcome = { milliseconds = math.floor((self.emulator.clock:wall() - known.began) * 1000) }
  outcome.status = reply.status ~= 0 and reply.status or nil
  outcome.error = reply.error
  if self.emulator.switches:take("unanswered", delivery.subscription.id, delivery.event.type) then
    outcome.error = "the answer was lost"
  end
  settle(self, delivery, outcome)
end

-- Beginning.

local function new_delivery(self, event, subscription)
  self.last = self.last + 1
  local delivery = { id = self.last, event = event, subscription = subscription, attempts = {}, state = "waiting",
    ladder = M.ladders[self.emulator.pipeline] }
  self.list[#self.list + 1] = delivery
  forget_old(self)
  return delivery
end

local function begin(self, event, subscription, seconds)
  schedule(self, new_delivery(self, event, subscription), seconds)
end

local function shuffle(list)
  for index = #list, 2, -1 do
    local other = wire.random(index)
    list[index], list[other] = list[other], list[index]
  end
end

-- Lets held pushes go, in random order.
function Deliveries:release(held)
  shuffle(held)
  for _, one in ipairs(held) do begin(self, one[1], one[2], 0) end
end

-- Pushes that are to be reordered are held until the last one of them has come.
local function hold(self, event, subscription)
  local fault = self.emulator.switches:take("reorder", subscription.id, event.type)
  if not fault then return false end
  fault.held[#fault.held + 1] = { event, subscription }
  if fault.left == 0 then self:release(fault.held) end
  return true
end

-- An event is to be pushed to a subscription.
function Deliveries:push(event, subscription)
  local switches = self.emulator.switches
  if switches:take("vanish", subscription.id, event.type) or switches:strikes "vanish" then
    new_delivery(self, event, subscription).state = "vanished"
    return
  end
  if hold(self, event, subscription) then return end
  local delay = switches:take("delay", subscription.id, event.type)
  local seconds = delay and delay.seconds or 0
  if switches:strikes "unordered" then seconds = seconds + wire.random() * DISORDER_SECONDS end
  begin(self, event, subscription, seconds)
  if switches:take("double", subscription.id, event.type) or switches:strikes "duplicates" then
    begin(self, event, subscription, seconds)
  end
end

-- Pushes the event of a delivery once more.
function Deliveries:repeat_one(delivery)
  begin(self, delivery.event, delivery.subscription, 0)
end

-- Sends the validation event of a subscription, also when it is validated already.
function Deliveries:validate(subscription)
  local source = ("%s/events/api/v1/subscriptions/%d"):format(self.emulator.platform, subscription.id)
  local id, kind = wire.uuid(), "platform.events.validatesubscription"
  local body = wire.object { { "specversion", "1.0" }, { "id", id }, { "source", source }, { "type", kind } }
  local delivery = new_delivery(self, { id = id, type = kind, source = source, body = wire.encode(body) }, subscription)
  delivery.ladder, delivery.validates = M.validation_ladders[self.emulator.pipeline], true
  schedule(self, delivery, 0)
end

-- Forgets all deliveries, and cancels those in flight.
function Deliveries:clear()
  for known in pairs(self.sent) do
    self.emulator:drop(known.handle)
    known.delivery.state = "cancelled"
  end
  for _, delivery in ipairs(self.list) do
    if delivery.timer then delivery.timer.call = nil end
  end
  self.list, self.sent, self.under_way = {}, {}, 0
end

-- Looking.

local function attempt_view(one)
  return wire.object { { "at", wire.time(one.at) }, { "status", one.status }, { "error", one.error },
    { "milliseconds", one.milliseconds } }
end

--- A delivery as the control interface shows it.
---@param delivery table
---@return table
function M.view(delivery)
  local attempts = wire.list {}
  for index, one in ipairs(delivery.attempts) do attempts[index] = attempt_view(one) end
  return wire.object {
    { "id", delivery.id }, { "state", delivery.state }, { "subscription", delivery.subscription.id },
    { "endPoint", delivery.subscription.endpoint }, { "event", delivery.event.id }, { "type", delivery.event.type },
    { "resourceinstance", delivery.event.resourceinstance }, { "due", delivery.due and wire.time(delivery.due) },
    { "attempts", attempts }, { "body", delivery.event.body },
  }
end

-- GET …/deliveries?state=&type=&event=&subscription=
function Deliveries:listing(request)
  local function get(name) return router.parameter(request, name) end
  local state, kind, event, subscription = get "state", get "type", get "event", tonumber(get "subscription")
  local rows = wire.list {}
  for _, delivery in ipairs(self.list) do
    local ending = kind and delivery.event.type:sub(-#kind)
    if (not state or delivery.state == state) and (not kind or ending == kind)
      and (not event or delivery.event.id == event)
      and (not subscription or delivery.subscription.id == subscription) then
      rows[#rows + 1] = M.view(delivery)
    end
  end
  return router.plain(200, wire.object { { "count", #rows }, { "deliveries", rows } })
end

return M
