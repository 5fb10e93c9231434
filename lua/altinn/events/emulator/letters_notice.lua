-- The member `notification` of a call that creates letters: its shape, and
-- the errors that it can be.
local orders = require "altinn.events.emulator.orders"
local shape = require "altinn.events.emulator.shape"

local M = {}

local members = { notificationTemplate = "text", emailSubject = "text", emailBody = "text", smsBody = "text",
  sendReminder = "boolean", reminderEmailSubject = "text", reminderEmailBody = "text", reminderSmsBody = "text",
  notificationChannel = "text", reminderNotificationChannel = "text", sendersReference = "text",
  customRecipients = "list", customRecipient = "object", overrideRegisteredContactInformation = "boolean" }

local recipient_members = { emailAddress = "text", mobileNumber = "text", organizationNumber = "text",
  nationalIdentityNumber = "text", isReserved = "boolean" }

-- Reads the custom recipients; or nil and the fault.
local function read_recipients(list)
  local read = {}
  for index, one in ipairs(list) do
    local message
    read[index], message = shape.read(one, recipient_members, "drop")
    if not read[index] then return nil, message end
  end
  return read
end

--- Reads a notification.
---@param value table
---@return table|nil notification
---@return string|nil member that is wrong
---@return string|nil message
function M.read(value)
  local wanted, message, member = shape.read(value, members, "drop")
  if not wanted then return nil, member, message end
  local template = (wanted.notificationTemplate or "CustomMessage"):lower()
  if template ~= "custommessage" and template ~= "genericaltinnmessage" then
    return nil, "notificationTemplate", "The JSON value could not be converted."
  end
  wanted.custom_text = template == "custommessage"
  for _, name in ipairs { "notificationChannel", "reminderNotificationChannel" } do
    if wanted[name] and not orders.channel(wanted[name]) then
      return nil, name, "The JSON value could not be converted."
    end
  end
  if not wanted.notificationChannel then
    return nil, "notificationChannel", "The NotificationChannel field is required."
  end
  wanted.customRecipients, message = read_recipients(wanted.customRecipients or { wanted.customRecipient })
  if message then return nil, "customRecipients", message end
  return wanted
end

-- Custom recipients.

local texts = { "emailSubject", "emailBody", "smsBody", "reminderEmailSubject", "reminderEmailBody", "reminderSmsBody" }

local function names_recipient(wanted)
  for _, name in ipairs(texts) do
    if (wanted[name] or ""):lower():find("$recipientname$", 1, true) then return true end
  end
  return false
end

local function recipient_fault(wanted, one)
  local count = 0
  for _, name in ipairs { "organizationNumber", "nationalIdentityNumber", "emailAddress", "mobileNumber" } do
    if one[name] and one[name] ~= "" then count = count + 1 end
  end
  if count == 0 then return 3019 end
  if count > 1 then return 3018 end
  if (one.emailAddress or one.mobileNumber) and names_recipient(wanted) then return 3015 end
  if one.emailAddress and not one.emailAddress:find("^[^%s@;]+@[%w.-]+%.%a%a+$") then return 3011 end
  return one.mobileNumber and not one.mobileNumber:find("^%+?%d%d%d%d%d%d%d%d+$") and 3012 or nil
end

-- Texts.

local MAIL_AND_SMS = { "EmailSubject", "EmailBody", "SmsBody" }
local needs = {
  Email = { "EmailSubject", "EmailBody" }, Sms = { "SmsBody" },
  EmailPreferred = MAIL_AND_SMS, SmsPreferred = MAIL_AND_SMS, EmailAndSms = MAIL_AND_SMS,
}

-- Channel -> the number of the error when the notice lacks a text, and when its reminder does.
local lacks = { Email = { 3002, 3003 }, Sms = { 3004, 3005 }, EmailPreferred = { 3006, 3007 },
  SmsPreferred = { 3006, 3007 }, EmailAndSms = { 3024, 3025 } }

local function has_texts(wanted, channel, prefix)
  for _, name in ipairs(needs[channel]) do
    local member = prefix == "" and name:sub(1, 1):lower() .. name:sub(2) or prefix .. name
    if (wanted[member] or "") == "" then return false end
  end
  return true
end

local function texts_fault(wanted)
  if not wanted.custom_text then return nil end
  local notice = orders.channel(wanted.notificationChannel)
  local reminder = orders.channel(wanted.reminderNotificationChannel) or notice
  local lacks_notice = not has_texts(wanted, notice, "")
  local lacks_reminder = wanted.sendReminder and not has_texts(wanted, reminder, "reminder")
  local first = lacks_notice and lacks[notice][1] or math.huge
  local second = lacks_reminder and lacks[reminder][2] or math.huge
  return math.tointeger(math.min(first, second))
end

--- The number of the error that a notification is, or nil.
---@param wanted table
---@param recipients integer how many recipients the call has
---@return integer|nil
function M.fault(wanted, recipients)
  local custom = wanted.customRecipients
  if wanted.overrideRegisteredContactInformation and #custom == 0 then return 3022 end
  if #custom > 0 and recipients > 1 then return 3017 end
  for _, one in ipairs(custom) do
    local fault = recipient_fault(wanted, one)
    if fault then return fault end
  end
  return texts_fault(wanted)
end

return M
