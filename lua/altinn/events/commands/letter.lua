-- altinn-events letter: shows Altinn's details of a letter and its history, never its content.
local connection = require "altinn.events.commands.connection"
local events = require "altinn.events"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"

local M = {
  summary = "what Altinn says of a letter; asked by its recipient this counts as fetched",
  needs = { "credentials", "token" },
}

-- Members with the text to the recipient; they are not shown.
local content = { messageBody = true, messageSummary = true, messageTitle = true }

-- A copy without content, masked; null and functions left out.
local function shown(value, depth)
  if type(value) == "string" then return events.mask(value) end
  if type(value) ~= "table" then
    if value == events.null or type(value) == "function" or type(value) == "userdata" then return nil end
    return value
  end
  if depth > 20 then return nil end
  local copy = #value > 0 and output.list {} or {}
  for name, one in pairs(value) do
    if not content[name] then copy[name] = shown(one, depth + 1) end
  end
  return copy
end

local function list_of(value)
  return type(value) == "table" and value or {}
end

local function present(value)
  return value ~= nil and value ~= events.null and value ~= "" and value or nil
end

local function because(text) return present(text) and ": " .. text or "" end

-- Adds an order for notifications, and the outcome at each address.
local function add_order(add, order)
  local name = "notification" .. (order.reminder and " (reminder)" or "")
  add(order.created, ("%s by %s: %s%s"):format(name, order.channel or "?", order.status or "?", because(order.reason)))
  for _, one in ipairs(order.addresses) do
    local address = one.address or one.party
    add(one.since or order.created, ("%s%s: %s%s%s"):format(one.channel, address and " to " .. address or "",
      one.status or "?", because(one.reason), one.state == "failed" and " (not delivered)" or ""))
  end
end

-- The history of a letter: entries { time, what }, the oldest first.
local function timeline(details)
  local list = output.list {}
  local function add(time, what)
    if present(time) then list[#list + 1] = { time = time, what = output.masked(what) } end
  end
  for _, one in ipairs(list_of(details.statusHistory)) do
    local text = present(one.statusText)
    add(one.statusChanged, one.status .. (text and text ~= one.status and ": " .. text or ""))
  end
  for _, order in ipairs(details:notified()) do add_order(add, order) end
  add(details.dueDateTime, "due")
  local place = {}
  for index, one in ipairs(list) do place[one] = index end
  table.sort(list, function(a, b)
    local x, y = a.time:sub(1, 19), b.time:sub(1, 19)
    if x ~= y then return x < y end
    return place[a] < place[b]
  end)
  return list
end

local lines = {
  { "status", "status" }, { "status text", "statusText" }, { "since", "statusChanged" }, { "resource", "resourceId" },
  { "sender", "sender" }, { "recipient", "recipient" }, { "reference", "sendersReference" }, { "created", "created" },
  { "published", "published" }, { "read", "read" }, { "due", "dueDateTime" },
}

local function print_letter(id, details)
  output.line("letter %s", id)
  for _, line in ipairs(lines) do
    local value = present(details[line[2]])
    if value then output.line("  %-12s %s", line[1], output.masked(value)) end
  end
  if details.isConfirmationNeeded == true then output.line("  %-12s %s", "confirmation", "needed") end
  for _, one in ipairs(list_of(list_of(details.content).attachments)) do
    output.line("  %-12s %s  %s", "attachment", one.id or "?", present(one.status) or "")
  end
end

--- Adds its options to the parser.
---@param letter table
function M.options(letter)
  options.add(letter, "config", "altinn", "json")
  letter:argument("id", "the letter's id")
  letter:flag("--timeline", "what happened to it, in order")
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  local link, message, code = connection.open(config)
  if not link then return output.failure(message, code) end
  local letter, details
  letter, message, code = link.client:letter(args.id)
  if not letter then return link:failure(message, code) end
  details, message, code = letter:details()
  if not details then return link:failure(message, code) end
  local happened = args.timeline and timeline(details) or nil
  if args.json then
    output.json { letter = args.id, details = shown(details, 0), timeline = happened }
    return 0
  end
  print_letter(args.id, details)
  for _, one in ipairs(happened or {}) do output.line("  %s  %s", one.time, one.what) end
  return 0
end

return M
