-- What a child prints, cut where it says that a spec has ended: it writes a mark, then the result. Of a long piece the
-- beginning and the end are kept.
local M = {}

local KEPT = 32768  -- bytes of either

local Stream = {}
Stream.__index = Stream

--- A stream.
---@param mark string how each mark begins; no pattern
---@return table
function M.new(mark)
  return setmetatable({ mark = mark, rest = "", pieces = {}, head = "", tail = "", left_out = 0 }, Stream)
end

--- The mark behind a piece.
---@param mark string
---@param number integer of the piece
---@return string
function M.mark(mark, number)
  return ("%s%d\0"):format(mark, number)
end

local function keep(self, text)
  local room = KEPT - #self.head
  self.head = self.head .. text:sub(1, room)
  self.tail = self.tail .. text:sub(room + 1)
  if #self.tail > KEPT then
    self.left_out = self.left_out + #self.tail - KEPT
    self.tail = self.tail:sub(-KEPT)
  end
end

local function cut(self)
  local text = self.head
  if self.left_out > 0 then text = ("%s\n… %d bytes are left out …\n"):format(text, self.left_out) end
  text = text .. self.tail
  self.head, self.tail, self.left_out = "", "", 0
  return text ~= "" and text or nil
end

-- The end of a text that may be the beginning of a mark.
local function split(self, text)
  local at = text:find("\0", -#self.mark - 20, true)
  return at and text:sub(1, at - 1) or text, at and text:sub(at) or ""
end

--- Adds what was read; nil is nothing.
---@param text string|nil
function Stream:add(text)
  if not text or text == "" then return end
  text = self.rest .. text
  while true do
    local from, to = text:find(self.mark, 1, true)
    local number, last = text:match("^(%d+)%z()", to and to + 1 or #text + 1)
    if not number then break end
    keep(self, text:sub(1, from - 1))
    self.pieces[tonumber(number)] = cut(self)
    text = text:sub(last)
  end
  text, self.rest = split(self, text)
  keep(self, text)
end

--- The piece before a mark; without a number all that is left. Nil when it is empty.
---@param number integer|nil
---@return string|nil
function Stream:take(number)
  if number then
    local piece = self.pieces[number]
    self.pieces[number] = nil
    return piece
  end
  keep(self, self.rest)
  self.rest = ""
  return cut(self)
end

return M
