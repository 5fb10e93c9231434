-- Hands over what would leave the host: in a simulation, in place of libcurl (altinn.events.curl) and of the helper
-- threads (jobs:aside). Requests are taken, and replies given, between two turns of the worker.
local M = {}

local Handover = {}
Handover.__index = Handover

local MOST_BODY = 1 << 20   -- as altinn.events.curl has it

--- Nothing was handed over yet.
---@return table handover the methods of altinn.events.curl's connections; aside, drop_aside; take, give
function M.new()
  return setmetatable({ number = 0, out = {}, replies = {}, transfers = {}, under_way = 0, asides = {} }, Handover)
end

-- What the caller learns of a request: texts, numbers and lists of them.
local KEPT = { "method", "url", "headers", "body", "timeout", "carrier", "mail", "upload", "kind", "key", "place",
  "name", "header", "arguments", "again" }

local function told(self, request, task)
  local out = { id = self.number }
  for _, name in ipairs(KEPT) do out[name] = request[name] end
  local job = task and task.job
  if job then out.rule, out.event = job.name, job.sequence end
  out.target = task and task.target
  out.carrier = out.carrier or "http"
  return out
end

local function next_number(self)
  self.number = self.number + 1
  return self.number
end

local function check_headers(headers)
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" or type(value) ~= "string" then error("headers: names and values must be strings", 3) end
    if name:find "[\r\n%z]" or value:find "[\r\n%z]" then
      error("headers: a line break or NUL in a name or value", 3)
    end
  end
end

-- The connections.

function Handover:add(request, task)
  if type(request.url) ~= "string" then error("request.url must be a string", 2) end
  check_headers(request.headers)
  local id = next_number(self)
  self.transfers[id] = { sink = request.sink and true, most = request.max_body or MOST_BODY }
  self.under_way = self.under_way + 1
  local out = told(self, request, task)
  out.method = out.method or "GET"
  self.out[#self.out + 1] = out
  return id
end

local function ended(self, id)
  self.transfers[id] = nil
  self.under_way = self.under_way - 1
end

function Handover:step()
  local list = self.replies
  self.replies = {}
  return list
end

function Handover:more(id)
  local transfer = self.transfers[id]
  if not transfer or not transfer.rest then return false end
  self.replies[#self.replies + 1] = transfer.rest
  ended(self, id)
  return true
end

function Handover:cancel(id)
  if not self.transfers[id] then return false end
  ended(self, id)
  self.out[#self.out + 1] = { id = id, cancelled = true }
  return true
end

function Handover:count() return self.under_way + #self.replies end

function Handover:close() self.transfers, self.under_way = {}, 0 end

-- Actions aside.

function Handover:aside(request, ticket, task)
  local id = next_number(self)
  self.asides[id] = ticket
  self.out[#self.out + 1] = told(self, request, task)
end

function Handover:drop_aside(ticket)
  for id, one in pairs(self.asides) do
    if one == ticket then
      self.asides[id] = nil
      self.out[#self.out + 1] = { id = id, cancelled = true }
    end
  end
end

local function aside_reply(reply)
  if reply.outcome then
    return { outcome = reply.outcome, code = reply.code or 0, text = reply.text or "", answer = reply.answer or "" }
  elseif reply.error then
    return { outcome = reply.not_sent and "not_sent" or "unknown", code = 0, text = reply.error, answer = "" }
  end
  local fine = reply.status == nil or reply.status < 300
  return { outcome = fine and "sent" or "refused", code = reply.status or 0, text = "", answer = reply.body or "" }
end

-- The caller's side.

--- The requests since the last call: { id, method, url, headers, body, timeout, carrier, rule, event, target … }, or
--- { id, cancelled = true }: nobody waits for the reply any more.
---@return table[] requests
function Handover:take()
  local list = self.out
  self.out = {}
  return list
end

local function lower(headers)
  local list = {}
  for name, value in pairs(headers or {}) do list[name:lower()] = tostring(value) end
  return list
end

local function transfer_reply(self, reply)
  local transfer = self.transfers[reply.id]
  if not transfer or transfer.rest then return end
  local record = { id = reply.id, status = reply.status or 0, headers = lower(reply.headers), body = reply.body or "" }
  if reply.error then
    record.error, record.code, record.stage = reply.error, reply.code or "network", reply.stage
    record.not_sent = reply.not_sent or false
  elseif #record.body > transfer.most then
    record.error, record.code = ("the reply is larger than %d bytes"):format(transfer.most), "too_large"
    record.not_sent, record.body = false, ""
  elseif transfer.sink and record.status >= 200 and record.status < 300 and record.body ~= "" then
    transfer.rest = { id = reply.id, status = record.status, headers = record.headers, body = "" }
    record.part, record.body = record.body, nil
    self.replies[#self.replies + 1] = record
    return
  end
  self.replies[#self.replies + 1] = record
  ended(self, reply.id)
end

--- Gives replies: { id, status, headers, body } or { id, error, code, not_sent }; of actions aside also { id, outcome,
--- code, text, answer }.
---@param list table[]
---@param answered fun(ack: table) gets the answers of actions aside
function Handover:give(list, answered)
  for _, reply in ipairs(list) do
    local ticket = self.asides[reply.id]
    if ticket then
      self.asides[reply.id] = nil
      answered { ticket = ticket, reply = aside_reply(reply) }
    else
      transfer_reply(self, reply)
    end
  end
end

return M
