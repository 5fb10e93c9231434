-- The lines of a Lua text that can be run, read from what string.dump makes of it (Lua 5.4's format of binary chunks).
local M = {}

local Reader = {}
Reader.__index = Reader

local HEADER = 4 + 1 + 1 + 6 + 3 + 8 + 8  -- signature, version, format, data, three sizes, an integer, a number
local ABSOLUTE = -128  -- a line that is kept as such, not as the difference to the one before
local STRINGS = { [0x04] = true, [0x14] = true }
local NUMBERS = { [0x03] = true, [0x13] = true }

function Reader:byte()
  local value = self.text:byte(self.at)
  self.at = self.at + 1
  return value
end

-- Seven bits a byte, the last one with the eighth.
function Reader:size()
  local value = 0
  while true do
    local byte = self:byte()
    value = value << 7 | byte & 0x7f
    if byte & 0x80 ~= 0 then return value end
  end
end

function Reader:skip(bytes) self.at = self.at + bytes end

function Reader:string()
  local size = self:size()
  if size > 0 then self:skip(size - 1) end
end

function Reader:skip_constants()
  for _ = 1, self:size() do
    local kind = self:byte()
    if STRINGS[kind] then self:string()
    elseif NUMBERS[kind] then self:skip(8) end
  end
end

function Reader:read_lines(first)
  local differences, absolute = {}, {}
  for index = 1, self:size() do differences[index] = string.unpack("b", self.text, self.at + index - 1) end
  self:skip(#differences)
  for index = 1, self:size() do
    self:size()
    absolute[index] = self:size()
  end
  local list, line, next_absolute = {}, first, 1
  for index, difference in ipairs(differences) do
    if difference == ABSOLUTE then
      line, next_absolute = absolute[next_absolute], next_absolute + 1
    else
      line = line + difference
    end
    list[index] = line
  end
  return list
end

function Reader:skip_names()
  for _ = 1, self:size() do
    self:string()
    self:size()
    self:size()
  end
  for _ = 1, self:size() do self:string() end
end

-- Reads a function and those in it; calls found(line) for each line with an instruction.
function Reader:read_function(found)
  self:string()
  local first = self:size()
  self:size()
  self:byte()
  local is_vararg = self:byte() ~= 0
  self:byte()
  self:skip(4 * self:size())
  self:skip_constants()
  self:skip(3 * self:size())
  for _ = 1, self:size() do self:read_function(found) end
  for index, line in ipairs(self:read_lines(first)) do
    if index > 1 or not is_vararg then found(line) end
  end
  self:skip_names()
end

-- A line of nothing but the end of something is no line of its own: its instruction may be out of reach.
local function says_nothing(line)
  local rest = (" " .. line:gsub("%-%-.*$", "") .. " "):gsub("%f[%w_]end%f[^%w_]", ""):gsub("%f[%w_]else%f[^%w_]", "")
  return rest:find("^[%s%)}%],;]*$") ~= nil
end

local function texts_of(text)
  local list = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
  return list
end

--- The lines that can be run, sorted; none for a text that does not compile.
---@param text string
---@return integer[]
function M.of(text)
  local lines, known, texts = {}, {}, texts_of(text)
  local chunk = load(text, "=", "t", {})
  if not chunk then return lines end
  local reader = setmetatable({ text = string.dump(chunk), at = HEADER + 2 }, Reader)
  reader:read_function(function(line)
    if known[line] or says_nothing(texts[line] or "") then return end
    lines[#lines + 1], known[line] = line, true
  end)
  table.sort(lines)
  return lines
end

return M
