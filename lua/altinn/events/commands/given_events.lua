-- Events that a command line names: by a number or an id of the inbox, or as a file of one event or one a line.
local events = require "altinn.events"

local M = {}

---@class altinn.events.given
---@field event table
---@field body string its JSON text
---@field name string what the command line calls it, with the line of a file that has several
---@field sequence integer|nil of the inbox
---@field received number|nil seconds since 1970, of an event of the inbox

-- nil and a message that says where in the text it is wrong.
local function parse(name, text)
  local event, message, _, detail = events.parse(text, { max_bytes = math.max(#text, 1) })
  if event then return { event = event, body = text, name = name } end
  local at = type(detail) == "table" and detail.position
  return nil, ("%s%s: %s"):format(name, at and (": byte %d"):format(at) or "", message)
end

local function stored(word, path)
  local inbox = require "altinn.events.host.inbox"
  local row, message = inbox.row(path, word)
  if not row then return nil, message end
  local given
  given, message = parse(word, row.body)
  if not given then return nil, message end
  given.sequence, given.received, given.subscription = row.sequence, row.received / 1000, row.subscription
  return { given }
end

-- The events of a text: one JSON text, or JSON Lines. A byte order mark is dropped.
local function of_text(name, text)
  text = text:gsub("^\239\187\191", "")
  local whole, message = parse(name, text)
  if whole then return { whole } end
  local list, number, lines = {}, 0, 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    if line:find("%S") then
      local one, why = parse(("%s:%d"):format(name, number), line)
      lines = lines + 1
      if not one and (lines > 1 or line:find("^%s*{.*}%s*$")) then return nil, why end
      list[#list + 1] = one
    end
  end
  if #list == 0 or lines == 1 or #list < lines then return nil, message end
  return list
end

local function of_file(name, file)
  local text, message = file:read("a")  -- a folder opens, and does not read
  file:close()
  if not text then return nil, ("%s: %s"):format(name, message) end
  return of_text(name, text)
end

--- The events that a word of the command line names.
---@param word string a file, "-" for standard input, a number or an id of the inbox
---@param inbox string the inbox file
---@return altinn.events.given[]|nil list
---@return string|nil message
function M.of(word, inbox)
  if word == "-" then return of_text("standard input", io.read("a")) end
  local file, message = io.open(word, "rb")
  if file then return of_file(word, file) end
  if not word:find("/", 1, true) and not word:find("%.jsonl?$") then return stored(word, inbox) end
  return nil, message
end

return M
