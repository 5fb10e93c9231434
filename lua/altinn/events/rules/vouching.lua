-- Whether Altinn vouches for an event: the history of the letter or attachment shows what the event says, or the events
-- API has the very same event. A push proves nothing by itself: whoever knows the address can send one.
local core = require "altinn.events.core"
local language = require "altinn.events.rules.language"
local readings = require "altinn.events.rules.readings"

local M = {}

local RESOURCE = "urn:altinn:resource:"
local SLACK = 3600     -- seconds that an event's time may be later than the time of events registered before it
local SPACING = 600    -- seconds between two marks
local MARKED = 1000    -- a search through fewer events leaves no marks
local MOST_LISTS = 64  -- lists of marks that are kept

--- The statuses, any of which in its history shows what an event of the type says. What is not here shows in no
--- history: due dates that pass, notifications, other publishers' events.
M.shown = {
  correspondenceinitialized = { "Initialized", "ReadyForPublish", "Published" },
  correspondencepublished = { "Published" },
  correspondencepublishfailed = { "Failed" },
  correspondencepurged = { "PurgedByRecipient", "PurgedByAltinn" },
  correspondencereceiverread = { "Read" },
  correspondencereceiverconfirmed = { "Confirmed" },
  attachmentinitialized = { "Initialized" },
  attachmentpublished = { "Published" },
  attachmentuploadfailed = { "Failed" },
  attachmentexpired = { "Expired" },
}

-- By the history.

local function has_status(details, wanted)
  for _, entry in ipairs(details.statusHistory or {}) do
    for _, status in ipairs(wanted) do
      if entry.status == status then return true end
    end
  end
  for _, status in ipairs(wanted) do
    if details.status == status then return true end
  end
  return false
end

-- Whether the event speaks of this letter: its resource, and its subject, which is the sender or the recipient.
local function is_same_letter(details, event, meaning)
  local resource = event.resource
  if not resource or resource:gsub("^" .. RESOURCE, "") ~= details.resourceId then return false end
  local party = meaning.addressed_to == "recipient" and details.recipient or details.sender
  return party ~= nil and party == event.subject
end

-- Failures after which another way is tried: the asker has no right to the letter, or there is none.
local NOT_FOR_US = { forbidden = true, not_found = true, invalid = true }

-- true: the history shows it; false: it does not, or cannot be read; nil, message, code, detail: a failure.
local function shows(client, event, meaning, wanted)
  local details, message, code, detail = client[meaning.about](client, meaning.id):details()
  if details then return is_same_letter(details, event, meaning) and has_status(details, wanted) end
  if NOT_FOR_US[code] then return false end
  return nil, message, code, detail
end

-- By the events API.

local SAME = { "id", "source", "type", "resource", "resourceinstance", "subject" }

local function is_same_event(one, other)
  for _, name in ipairs(SAME) do
    if one[name] ~= other[name] then return false end
  end
  return true
end

-- Marks: of clients, by what was searched: a list of { time, id } in the order of registration. A later search begins
-- at the last mark that is older than its event. The events API has no other way to begin in the middle.
local marks_of = setmetatable({}, { __mode = "k" })

local function marks_for(client, event)
  local lists = marks_of[client]
  if not lists or lists.count >= MOST_LISTS then
    lists = { count = 0 }
    marks_of[client] = lists
  end
  local key = table.concat({ event.resource, event.type, event.subject or "" }, "\n")
  if not lists[key] then lists[key], lists.count = {}, lists.count + 1 end
  return lists[key]
end

local function time_of(event)
  return event.time and core.altinn.moment(event.time) or nil
end

-- The id after which a search for an event of this time begins; nil: the beginning.
local function start_of(marks, time)
  local id
  for _, mark in ipairs(marks) do
    if not time or mark.time > time - SLACK then break end
    id = mark.id
  end
  return id
end

local function mark(marks, new, event)
  local time, last = time_of(event), new[#new] or marks[#marks]
  if time and (not last or time >= last.time + SPACING) then new[#new + 1] = { time = time, id = event.id } end
end

local function each(client, event, after)
  return client:events {
    resource = event.resource, type = event.type, subject = event.subject, size = 1000, odd = function() end,
    after = after,
  }
end

local function search(client, event)
  local marks, new, count = marks_for(client, event), {}, 0
  for one in each(client, event, start_of(marks, time_of(event))) do
    if is_same_event(one, event) then
      readings.searched(event, one)
      return true
    end
    count = count + 1
    mark(marks, new, one)
  end
  if count >= MARKED then
    for _, one in ipairs(new) do marks[#marks + 1] = one end
  end
  readings.searched(event)
  return false
end

local function search_first(client, event)
  for one in each(client, event) do
    if one.resourceinstance == event.resourceinstance then
      readings.searched(event, one)
      return is_same_event(one, event) and "this" or "other"
    end
  end
  readings.searched(event)
  return false
end

-- What a search through the events API finds; nil, message, code, detail when Altinn cannot be asked. Events without a
-- resource are found nowhere, and a text that Altinn refuses as a filter is in no event of its.
local function found_by(finder, client, event)
  if not event.resource then return false end
  local ok, found = pcall(finder, client, event)
  if ok then return found end
  if type(found) ~= "table" or type(found.code) ~= "string" then error(found, 0) end
  if found.code == "invalid" then return false end
  return nil, found.message, found.code, found.detail
end

--- How Altinn can vouch for an event of a rule, for people.
---@param rule table
---@param meaning table of events.describe
---@return string
function M.how(rule, meaning)
  local wanted = language.may(rule, "read:details") and meaning.id and M.shown[meaning.name]
  if not wanted then return "its events API has the event" end
  return ("the %s's history has %s, or its events API has the event"):format(meaning.about,
    table.concat(wanted, " or "))
end

--- Asks Altinn whether it vouches for an event. Waits.
---@param client table
---@param rule table the history is read only by a rule that may read the details
---@param event table
---@param meaning table of events.describe
---@return boolean|nil vouched nil: Altinn could not be asked
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function M.ask(client, rule, event, meaning)
  local wanted = language.may(rule, "read:details") and meaning.id and M.shown[meaning.name]
  if wanted then
    local vouched, message, code, detail = shows(client, event, meaning, wanted)
    if vouched == nil then return nil, message, code, detail end
    if vouched then return true end
  end
  return found_by(search, client, event)
end

--- Asks Altinn which event of this meaning (type, thing, subject) it registered first. What was pushed here before may
--- be forged, and must not stand in an event's way. Waits.
---@param client table
---@param event table
---@return "this"|"other"|false|nil first false: none; nil: Altinn could not be asked
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function M.first(client, event) return found_by(search_first, client, event) end

return M
