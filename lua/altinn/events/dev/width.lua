-- How many columns of a terminal a text takes, and cutting a text to them.
local M = {}

-- Marks that stand on the character before them take no column; the ranges are those of Unicode's Mn, Me and Cf that
-- are met in European and common Asian texts, and the joiners of emoji.
local NONE = { { 0x300, 0x36F }, { 0x483, 0x489 }, { 0x591, 0x5BD }, { 0x610, 0x61A }, { 0x64B, 0x65F },
  { 0x93A, 0x93A }, { 0x941, 0x948 }, { 0xE31, 0xE31 }, { 0xE34, 0xE3A }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF },
  { 0x200B, 0x200F }, { 0x2060, 0x2064 }, { 0x20D0, 0x20FF }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F },
  { 0xFEFF, 0xFEFF }, { 0x1F3FB, 0x1F3FF }, { 0xE0100, 0xE01EF } }

-- Two columns: Unicode's East Asian Width W and F.
local TWO = { { 0x1100, 0x115F }, { 0x231A, 0x231B }, { 0x23E9, 0x23EC }, { 0x25FD, 0x25FE }, { 0x2614, 0x2615 },
  { 0x2648, 0x2653 }, { 0x26AA, 0x26AB }, { 0x26BD, 0x26BE }, { 0x2705, 0x2705 }, { 0x270A, 0x270B },
  { 0x2728, 0x2728 }, { 0x274C, 0x274C }, { 0x2753, 0x2757 }, { 0x2795, 0x2797 }, { 0x2B1B, 0x2B1C },
  { 0x2E80, 0x303E }, { 0x3041, 0x33FF }, { 0x3400, 0x4DBF }, { 0x4E00, 0x9FFF }, { 0xA000, 0xA4CF },
  { 0xA960, 0xA97F }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 },
  { 0xFFE0, 0xFFE6 }, { 0x1F004, 0x1F004 }, { 0x1F0CF, 0x1F0CF }, { 0x1F18E, 0x1F19A }, { 0x1F200, 0x1F320 },
  { 0x1F32D, 0x1F335 }, { 0x1F337, 0x1F37C }, { 0x1F37E, 0x1F393 }, { 0x1F3A0, 0x1F3CA }, { 0x1F3E0, 0x1F3F0 },
  { 0x1F400, 0x1F64F }, { 0x1F680, 0x1F6C5 }, { 0x1F6CC, 0x1F6CC }, { 0x1F6D0, 0x1F6DF }, { 0x1F6EB, 0x1F6FF },
  { 0x1F7E0, 0x1F7EB }, { 0x1F90C, 0x1FAFF }, { 0x20000, 0x3FFFD } }

local function is_in(list, code)
  local low, high = 1, #list
  while low <= high do
    local middle = (low + high) // 2
    if code < list[middle][1] then high = middle - 1
    elseif code > list[middle][2] then low = middle + 1
    else return true end
  end
  return false
end

local function of_code(code)
  if code < 0x300 then return 1 end
  if is_in(NONE, code) then return 0 end
  return is_in(TWO, code) and 2 or 1
end

--- The columns of a text without control characters.
---@param text string UTF-8
---@return integer
function M.of(text)
  if not text:find "[\128-\255]" then return #text end
  local columns = 0
  for _, code in utf8.codes(text) do columns = columns + of_code(code) end
  return columns
end

--- As much of the beginning of a text as fits, one character at least, and the rest.
---@param text string UTF-8
---@param columns integer
---@return string head
---@return string rest
function M.split(text, columns)
  local taken = 0
  for at, code in utf8.codes(text) do
    taken = taken + of_code(code)
    if at > 1 and taken > columns then return text:sub(1, at - 1), text:sub(at) end
  end
  return text, ""
end

--- The text, or as much of its beginning as fits, with … at its end.
---@param text string UTF-8
---@param columns integer at least 1
---@return string
function M.cut(text, columns)
  if M.of(text) <= columns then return text end
  local taken = 0
  for at, code in utf8.codes(text) do
    taken = taken + of_code(code)
    if taken > columns - 1 then return text:sub(1, at - 1) .. "…" end
  end
  return text
end

return M
