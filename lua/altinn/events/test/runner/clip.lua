-- Text of which the beginning and the end are kept, when it is long.
local M = {}

local KEPT = 32768  -- bytes of either

local Clip = {}
Clip.__index = Clip

function M.new()
  return setmetatable({ head = "", tail = "", left_out = 0 }, Clip)
end

--- Adds a text; nil is none.
---@param text string|nil
function Clip:add(text)
  if not text or text == "" then return end
  local room = KEPT - #self.head
  self.head = self.head .. text:sub(1, room)
  self.tail = self.tail .. text:sub(room + 1)
  if #self.tail > KEPT then
    self.left_out = self.left_out + #self.tail - KEPT
    self.tail = self.tail:sub(-KEPT)
  end
end

--- What was added since the last call; nil when nothing was.
---@return string|nil
function Clip:take()
  local text = self.head
  if self.left_out > 0 then text = ("%s\n… %d bytes are left out …\n"):format(text, self.left_out) end
  text = text .. self.tail
  self.head, self.tail, self.left_out = "", "", 0
  return text ~= "" and text or nil
end

return M
