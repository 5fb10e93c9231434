-- Made-up numbers and words for real ones, so that what really happened can be shown around: the same real number is
-- always the same made-up one.
local events = require "altinn.events"

local M = {}

local MadeUp = {}
MadeUp.__index = MadeUp

-- The Norwegian Tax Administration's test population has 80 added to the month of birth, and organisation numbers that
-- begin with 3: nobody has such a number (https://skatteetaten.github.io/testnorge-tenor-dokumentasjon/).
-- They begin with no zero: JSON has no such numbers.
local function person(index) return ("118199%05d"):format(index) end
local function organisation(index) return ("310%06d"):format(index) end
local function phone(index) return ("+4799999%03d"):format(index % 1000) end
local function mail(index) return ("someone-%d@example.no"):format(index) end

-- Members of letters that hold what people wrote or are called.
local WORDS = { messageTitle = "Title", messageSummary = "Summary", messageBody = "Body", messageSender = "Sender",
  recipientName = "Name", senderName = "Name", displayName = "Name", emailBody = "Body", emailSubject = "Subject",
  smsBody = "Body" }

--- A source of made-up numbers.
---@param kept table<string, boolean>|nil numbers of organisations that stay: those that the rules themselves name
---@return table made_up
function M.new(kept) return setmetatable({ kept = kept or {}, known = {}, made = {}, count = 0 }, MadeUp) end

-- What is made up already stays.
local function replaced(self, real, make)
  if self.made[real] then return real end
  if not self.known[real] then
    self.count = self.count + 1
    self.known[real] = make(self.count)
    self.made[self.known[real]] = true
  end
  return self.known[real]
end

local function digits(self, run)
  if #run == 11 then return replaced(self, run, person) end
  if #run == 9 and not self.kept[run] then return replaced(self, run, organisation) end
  return nil
end

-- Numbers of people that are not written as eleven digits by themselves: those that events.mask finds.

local DIGITS = 11
local LONGEST = 33 * 9  -- bytes of such a number: digits with three separators between two, each of them encoded

-- Where the number ends that begins at `at`.
local function end_of_number(text, at)
  for last = at + DIGITS - 1, math.min(#text, at + LONGEST) do
    local _, count = events.mask(text:sub(at, last)):gsub("%*", "")
    if count == DIGITS then return last end
  end
end

-- The mask and the text are the same up to a number, and again behind it.
local function without_hidden(self, text)
  local masked = events.mask((text:gsub("%*", "\1")))
  local parts, at, from = {}, 1, 1
  while true do
    local first, last = masked:find(("%*[^*]*"):rep(DIGITS - 1) .. "%*", from)
    if not first then break end
    local start = at + first - from
    local stop = assert(end_of_number(text, start))
    local real = text:sub(start, stop)
    if #real ~= DIGITS then real = real:gsub("%D", "") end
    parts[#parts + 1] = text:sub(at, start - 1) .. replaced(self, real, person)
    at, from = stop + 1, last + 1
  end
  return table.concat(parts) .. text:sub(at)
end

--- A text with made-up numbers and addresses.
---@param text string
---@return string
function MadeUp:text(text)
  text = text:gsub("%f[%w._%%+-][%w._%%+-]+@[%w-]+%.[%w.-]+", function(real) return replaced(self, real, mail) end)
  text = text:gsub("%+%d%d%d%d%d%d%d%d%d?%d?%d?%d?%d?%d?%d?", function(real) return replaced(self, real, phone) end)
  text = text:gsub("%f[%w]%d+%f[%W]", function(run) return digits(self, run) end)
  return without_hidden(self, text)
end

-- Where a JSON string ends that begins before `at`.
local function end_of(text, at)
  while true do
    local found = text:find('["\\]', at)
    if not found or text:sub(found, found) == '"' then return found end
    at = found + 2
  end
end

-- What stands for the text of a member; nil: it may stay, but for its numbers.
local function word_for(self, name, real)
  if name == "fileName" then
    return ("file-%s%s"):format(replaced(self, real, tostring), real:match "%.%w+$" or "")
  end
  return WORDS[name]
end

-- Printable characters for their escapes: a digit may be written as \u0030.
local function unescaped(text)
  return (text:gsub("\\(.)(%x?%x?%x?%x?)", function(letter, code)
    local point = letter == "u" and #code == 4 and tonumber(code, 16)
    if not point or point < 0x20 or point > 0x7e or point == 0x22 or point == 0x5c then return nil end
    return string.char(point)
  end))
end

--- A JSON text with made-up numbers, addresses and words. Everything else stays as it is, but for needless escapes.
---@param text string
---@return string
function MadeUp:json(text)
  text = unescaped(text)
  local parts, at = {}, 1
  while true do
    local _, opened, name = text:find('"(%w+)"%s*:%s*"', at)
    local closed = opened and end_of(text, opened + 1)
    if not closed then break end
    local real = text:sub(opened + 1, closed - 1)
    parts[#parts + 1] = text:sub(at, opened) .. (real ~= "" and word_for(self, name, real) or real)
    at = closed
  end
  return self:text(table.concat(parts) .. text:sub(at))
end

return M
