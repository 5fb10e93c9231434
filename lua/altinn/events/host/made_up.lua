-- Made-up numbers and words for real ones, so that what really happened can be shown around: the same real number is
-- always the same made-up one.
local M = {}

local MadeUp = {}
MadeUp.__index = MadeUp

-- The Norwegian Tax Administration's test population has 80 added to the month of birth, and organisation numbers that
-- begin with 3: nobody has such a number (https://skatteetaten.github.io/testnorge-tenor-dokumentasjon/).
local function person(index) return ("018199%05d"):format(index) end
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
function M.new(kept) return setmetatable({ kept = kept or {}, known = {}, count = 0 }, MadeUp) end

local function replaced(self, real, make)
  if not self.known[real] then
    self.count = self.count + 1
    self.known[real] = make(self.count)
  end
  return self.known[real]
end

local function digits(self, run)
  if #run == 11 then return replaced(self, run, person) end
  if #run == 9 and not self.kept[run] then return replaced(self, run, organisation) end
  return nil
end

--- A text with made-up numbers and addresses.
---@param text string
---@return string
function MadeUp:text(text)
  text = text:gsub("[%w._%%+-]+@[%w-]+%.[%w.-]+", function(real) return replaced(self, real, mail) end)
  text = text:gsub("%+%d%d%d%d%d%d%d%d%d?%d?%d?%d?%d?%d?%d?", function(real) return replaced(self, real, phone) end)
  return (text:gsub("%f[%w]%d+%f[%W]", function(run) return digits(self, run) end))
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

--- A JSON text with made-up numbers, addresses and words. Everything else stays as it is.
---@param text string
---@return string
function MadeUp:json(text)
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
