-- The details of a letter: what its history says, what it does not say to the asker, and whom Altinn notified.
local core = require "altinn.events.core"
local suggest = require "altinn.events.support.suggest"

local M = {}

-- Statuses.

local number_of = {}  -- status -> the server's number, by its order
for number, status in ipairs(core.altinn.statuses) do number_of[status] = number end

--- The fault in the arguments of has_been.
---@param ... any
---@return string|nil message
function M.statuses_fault(...)
  local count = select("#", ...)
  if count == 0 then return "has_been wants a status, such as \"Read\"" end
  for index = 1, count do
    local status = select(index, ...)
    if not number_of[status] then
      return ("'%s' is no status of a letter%s"):format(tostring(status), suggest.hint(tostring(status),
        core.altinn.statuses))
    end
  end
end

--- Raises without a status, and for a status that no letter has.
---@param level integer of the caller that is to blame
---@param ... any
function M.check_statuses(level, ...)
  local message = M.statuses_fault(...)
  if message then error(message, level + 1) end
end

-- A sender without altinn:serviceowner sees neither the content of a published letter nor these statuses in its history
-- (Altinn/altinn-correspondence src/Altinn.Correspondence.Application/GetCorrespondenceDetails).
local HIDDEN = { PurgedByRecipient = true, PurgedByAltinn = true, Archived = true }

--- Whether Altinn answered as it does to a sender that is neither recipient nor the resource's service owner: with an
--- empty content. A letter always has a title.
---@param answer table overview or details
---@return boolean
function M.is_senders_view(answer)
  local content = answer.content
  return type(content) == "table" and content.language == "no" and content.messageTitle == ""
    and content.messageBody == "" and (content.attachments == nil or #content.attachments == 0)
end

--- The attachments that an overview lists. The empty content that a sender without altinn:serviceowner sees does not
--- say whether there are any.
---@param overview table
---@return table[]|nil attachments
---@return string|nil message
---@return string|nil code forbidden
function M.attachments(overview)
  if M.is_senders_view(overview) then
    return nil, "Altinn shows the attachments of a letter to its recipient and to the resource's service owner only",
      "forbidden"
  end
  return overview.content and overview.content.attachments or {}
end

local function was(details, wanted)
  if wanted == "Read" and details.read then return true end
  if details.status == wanted then return true end
  for _, entry in ipairs(details.statusHistory) do
    if entry.status == wanted then return true end
  end
  return false
end

-- `status` is the one with the highest number that the letter ever had, so a lower one rules the status out.
local function is_concealed(details, wanted)
  if not HIDDEN[wanted] or not M.is_senders_view(details) then return false end
  return (number_of[details.status] or math.huge) > number_of[wanted]
end

local methods = {}
local Details = { __name = "altinn.events.details", __index = methods }

--- The methods of details, by name.
M.methods = methods

--- Whether the letter has ever had one of the statuses. (`status` alone is the status with the highest number, not the
--- latest one.)
---@param ... string
---@return boolean|nil was nil: Altinn does not tell this asker, a sender without altinn:serviceowner
---@return string|nil message with nil: which status cannot be known
function methods:has_been(...)
  M.check_statuses(2, ...)
  local concealed
  for index = 1, select("#", ...) do
    local wanted = select(index, ...)
    if was(self, wanted) then return true end
    if is_concealed(self, wanted) then concealed = concealed or wanted end
  end
  if not concealed then return false end
  return nil, ("whether the letter was %s cannot be known: Altinn shows that to its recipient and to the resource's"
    .. " service owner only"):format(concealed)
end

-- Notifications. Names and statuses: Altinn/altinn-correspondence src/Altinn.Correspondence.API/Models,
-- NotificationExt.

local ORDER_STATES = {
  Order_Completed = "completed", Completed = "completed", Order_SendConditionNotMet = "not_needed",
  Order_Cancelled = "cancelled",
}

local function is_failed(result, status)
  return status:find("Failed", 1, true) ~= nil or result.succeeded == false and not status:find("_New$")
    and not status:find("_Sending$")
end

local function address_of(channel, result)
  local status, recipient = result.sendStatus or {}, result.recipient or {}
  local name = status.status or ""
  return {
    channel = channel, address = recipient.emailAddress or recipient.mobileNumber,
    party = recipient.organizationNumber or recipient.nationalIdentityNumber, status = status.status,
    reason = status.description, since = status.lastUpdate,
    state = result.succeeded and "delivered" or is_failed(result, name) and "failed" or "pending",
  }
end

-- The results of a kind; the newest of them stands alone too, in `one`.
local function add_addresses(list, channel, many, one)
  for _, result in ipairs(many or { one }) do list[#list + 1] = address_of(channel, result) end
end

local function count_states(order)
  local states = {}
  for _, address in ipairs(order.addresses) do states[address.state] = true end
  order.reached, order.failed = states.delivered == true, states.failed == true
  order.pending = order.state == "pending" or states.pending == true
  return order
end

local function order_of(notification)
  local processing, results = notification.processingStatus or {}, notification.notificationStatusDetails or {}
  local order = {
    id = notification.id, reminder = notification.isReminder == true, channel = notification.notificationChannel,
    created = notification.created, status = processing.status, since = processing.lastUpdate,
    state = ORDER_STATES[processing.status] or "pending", reason = processing.description, addresses = {},
  }
  add_addresses(order.addresses, "email", results.emails, results.email)
  add_addresses(order.addresses, "sms", results.smses, results.sms)
  return count_states(order)
end

--- Whom Altinn has notified of the letter: a list of its orders, each with its addresses; and over all of them
--- whether an address was reached, one failed, and an outcome is still to come. An order that was not sent yet is
--- missing.
---@return altinn.events.notified orders see library/client.lua
function methods:notified()
  local orders = { reached = false, failed = false, pending = false }
  for index, notification in ipairs(self.notifications or {}) do
    local order = order_of(notification)
    orders[index] = order
    orders.reached, orders.failed = orders.reached or order.reached, orders.failed or order.failed
    orders.pending = orders.pending or order.pending
  end
  return orders
end

--- Gives details their methods.
---@param details table the server's answer
---@return table details the same
function M.new(details) return setmetatable(details, Details) end

return M
