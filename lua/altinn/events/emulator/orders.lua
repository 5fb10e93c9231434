-- Notification orders of a letter: one for its recipient, one for each custom
-- recipient, each perhaps with a reminder; their outcomes, and the events
-- that these raise. A reminder is a separate row with its order's id.
local letters_events = require "altinn.events.emulator.letters_events"
local wire = require "altinn.events.emulator.wire"

local M = {}

local DAY = 86400
local FIRST_LOOK = 5 * 60   -- seconds from sending to the first check of the outcome
local SETTLING = 60         -- seconds from sending until the outcome is known

-- Seconds between two checks.
local LOOKS = { 60, 15 * 60, 4 * 3600, 8 * 3600, 12 * 3600, 16 * 3600, 36 * 3600, 48 * 3600, 72 * 3600 }

local channels = { email = "Email", sms = "Sms", emailpreferred = "EmailPreferred", smspreferred = "SmsPreferred",
  emailandsms = "EmailAndSms" }

--- A notification channel by its name in any case.
---@param text any
---@return string|nil
function M.channel(text) return type(text) == "string" and channels[text:lower()] or nil end

-- Recipients.

local kinds = { { "organizationNumber", "organization" }, { "nationalIdentityNumber", "person" },
  { "emailAddress", "email" }, { "mobileNumber", "sms" } }

-- Who gets notifications of a letter: { kind, address, main }, each one once.
local function recipients_of(world, letter, wanted)
  local list, seen = {}, {}
  local function add(kind, address, main)
    if seen[kind .. address:lower()] then return end
    seen[kind .. address:lower()] = true
    list[#list + 1] = { kind = kind, address = address, main = main }
  end
  local number, kind = world.number(letter.recipient)
  if wanted.overrideRegisteredContactInformation ~= true then add(kind or "party", number or letter.recipient, true) end
  for _, one in ipairs(wanted.customRecipients or {}) do
    for _, pair in ipairs(kinds) do
      local value = one[pair[1]]
      if type(value) == "string" and value ~= "" then add(pair[2], value, pair[2] == kind and value == number) end
    end
  end
  return list
end

-- Planning and sending.

--- Plans the orders of a letter; they are sent when it is published.
---@param emulator table
---@param letter table
---@param wanted table the creating call's `notification`
function M.plan(emulator, letter, wanted)
  local send = math.max(letter.requested, emulator.clock:now())
  for _, to in ipairs(recipients_of(emulator.world, letter, wanted)) do
    local channel = M.channel(wanted.notificationChannel) or "Email"
    letter.orders[#letter.orders + 1] = {
      to = to, channel = channel, created = emulator.clock:now(), at = send, reminds = wanted.sendReminder == true,
      reminder_channel = M.channel(wanted.reminderNotificationChannel) or channel,
    }
  end
end

local check

local function look_at(emulator, letter, order, time, look)
  emulator.clock:at(time, function() check(emulator, letter, order, look) end)
end

local function outcome_of(emulator, order)
  return order.outcome or emulator.world.contacts[order.to.address] or "delivered"
end

-- The order was accepted; a reminder in it becomes a row, and raises nothing.
local function accept(emulator, letter, order)
  order.id, order.shipment = wire.uuid(), wire.uuid()
  letters_events.raise_order(emulator, letter, order)
  look_at(emulator, letter, order, math.max(order.at, emulator.clock:now()) + FIRST_LOOK, 1)
  if not order.reminds then return end
  local days = emulator.platform:find("://platform%.altinn%.no") and 7 or 1
  local reminder = { to = order.to, channel = order.reminder_channel, created = emulator.clock:now(), id = order.id,
    shipment = wire.uuid(), at = order.at + days * DAY, reminder = true }
  letter.orders[#letter.orders + 1] = reminder
  look_at(emulator, letter, reminder, reminder.at + FIRST_LOOK, 1)
end

--- Sends the orders of a letter that were not sent yet.
---@param emulator table
---@param letter table
function M.send(emulator, letter)
  local refused = false
  for index = 1, #letter.orders do
    local order = letter.orders[index]
    if not order.id and outcome_of(emulator, order) == "refused" then refused = true
    elseif not order.id then accept(emulator, letter, order) end
  end
  if refused then letters_events.raise(emulator, letter, "correspondencenotificationcreationfailed", "sender") end
end

-- Outcomes.

local function happened(letter, status, time)
  for _, entry in ipairs(letter.history) do
    if entry.status == status and entry.at <= time then return true end
  end
  return false
end

-- Whether the order was to be sent at all when its time came.
local function was_wanted(letter, order)
  local read = order.reminder and happened(letter, "Read", order.at)
  return not read and not happened(letter, "PurgedByRecipient", order.at)
    and not happened(letter, "PurgedByAltinn", order.at)
end

-- The addresses of an order, each with its outcome; invented where none was given.
local function addresses_of(order)
  if order.to.kind == "email" or order.to.kind == "sms" then return { { order.to.kind, order.to.address } } end
  local mail = { "email", order.to.kind == "organization" and "post@" .. order.to.address .. ".example.no"
    or "person@example.no" }
  local phone = { "sms", "+4790000000" }
  if order.channel == "EmailAndSms" then return { mail, phone } end
  return { (order.channel == "Sms" or order.channel == "SmsPreferred") and phone or mail }
end

-- Whether an outcome is a failure of this order.
local function is_failure(outcome, order)
  return outcome == "failed" or outcome == (order.reminder and "reminder-failed" or "notice-failed")
end

-- What an address shows of its part of an order.
local function recipient_of(emulator, order, one, at)
  local outcome = not order.outcome and emulator.world.contacts[one[2]] or outcome_of(emulator, order)
  local failed, silent, mail = is_failure(outcome, order), outcome == "silent", one[1] == "email"
  local ending = silent and "Sending" or failed and (mail and "Failed_Bounced" or "Failed_Undelivered") or "Delivered"
  return { kind = one[1], address = one[2], status = (mail and "Email_" or "SMS_") .. ending, failed = failed,
    silent = silent, succeeded = not failed and not silent, at = at }
end

--- The state of an order at this moment.
---@param emulator table
---@param letter table
---@param order table
---@return { status: string, at: number, recipients: table[] } state each recipient { kind, address, status, succeeded }
function M.state(emulator, letter, order)
  local known = order.settled or order.at + SETTLING
  if emulator.clock:now() < known then return { status = "Order_Registered", at = order.created, recipients = {} } end
  if not order.settled and not was_wanted(letter, order) then
    return { status = "Order_SendConditionNotMet", at = known, recipients = {} }
  end
  local list, silent = {}, false
  for index, one in ipairs(addresses_of(order)) do
    list[index] = recipient_of(emulator, order, one, known)
    silent = silent or list[index].silent
  end
  return { status = silent and "Order_Processing" or "Order_Completed", at = known, recipients = list }
end

local function raise_end(emulator, letter, order, state)
  local failed, reached, all = false, false, true
  for _, one in ipairs(state.recipients) do
    failed, reached, all = failed or one.failed, reached or one.succeeded, all and one.failed
  end
  local function raise(name) letters_events.raise(emulator, letter, "correspondencenotification" .. name, "sender") end
  if failed then raise(all and order.to.main and "allfailed" or "failed") end
  if reached then raise(order.reminder and "reminderdelivered" or "delivered") end
end

-- Checks the outcome of an order; the last check gives up without an event.
function check(emulator, letter, order, look)
  if order.told then return end
  local state = M.state(emulator, letter, order)
  if state.status == "Order_Registered" or state.status == "Order_Processing" then
    if LOOKS[look] then look_at(emulator, letter, order, emulator.clock:now() + LOOKS[look], look + 1) end
    return
  end
  order.told = true
  raise_end(emulator, letter, order, state)
end

-- By hand.

--- An order for the letter's recipient, sent now, perhaps with a reminder.
---@param emulator table
---@param letter table
---@param reminder boolean|nil
---@return table order
function M.notify(emulator, letter, reminder)
  M.plan(emulator, letter, { notificationChannel = "EmailPreferred", sendReminder = reminder == true })
  local order = letter.orders[#letter.orders]
  order.at = emulator.clock:now()
  M.send(emulator, letter)
  return order
end

--- Steps about notifications: name -> the event's name, and the outcome of the order.
M.steps = {
  ["notification-creation-failed"] = { "creationfailed" },
  ["notification-failed"] = { "failed", "failed" },
  ["notification-all-failed"] = { "allfailed", "failed" },
  ["notification-delivered"] = { "delivered", "delivered" },
  ["notification-reminder-delivered"] = { "reminderdelivered", "delivered", reminder = true },
}

-- The letter's last order of a kind of which nothing is known yet, or nil.
local function open_order(letter, reminder)
  for index = #letter.orders, 1, -1 do
    local order = letter.orders[index]
    if order.id and not order.told and (order.reminder == true) == (reminder == true) then return order end
  end
  return nil
end

--- A step about notifications: its event at once, whatever the orders say; an order that is under way ends with it.
---@param emulator table
---@param letter table
---@param name string
function M.step(emulator, letter, name)
  local step = M.steps[name]
  local order = step[2] and open_order(letter, step.reminder)
  if order then
    order.outcome, order.told, order.settled = step[2], true, emulator.clock:now()
  end
  letters_events.raise(emulator, letter, "correspondencenotification" .. step[1], "sender")
end

return M
