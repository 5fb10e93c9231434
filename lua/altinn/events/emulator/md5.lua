-- MD5 (RFC 1321), the checksum of an attachment that a sender may give.
local shifts = { 7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21 }
local sines = {}
for index = 1, 64 do sines[index] = math.floor(math.abs(math.sin(index)) * 2 ^ 32) end

local WORD = 0xFFFFFFFF

local function rotate(value, count)
  value = value & WORD
  return (value << count | value >> (32 - count)) & WORD
end

-- One step's function of three words, and which of the 16 words of the block it takes.
local function mixed(step, b, c, d)
  if step < 16 then return b & c | ~b & d, step end
  if step < 32 then return d & b | ~d & c, (5 * step + 1) % 16 end
  if step < 48 then return b ~ c ~ d, (3 * step + 5) % 16 end
  return c ~ (b | ~d & WORD), 7 * step % 16
end

local function block(octets, at, a, b, c, d)
  local words = { ("<I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4"):unpack(octets, at) }
  local a0, b0, c0, d0 = a, b, c, d
  for step = 0, 63 do
    local f, word = mixed(step, b, c, d)
    local sum = a + f + sines[step + 1] + words[word + 1]
    a, d, c, b = d, c, b, b + rotate(sum, shifts[step // 16 * 4 + step % 4 + 1]) & WORD
  end
  return a0 + a & WORD, b0 + b & WORD, c0 + c & WORD, d0 + d & WORD
end

--- The MD5 of octets as 32 hexadecimal digits.
---@param octets string
---@return string
return function(octets)
  local padded = octets .. "\128" .. ("\0"):rep((55 - #octets) % 64) .. ("<I8"):pack(#octets * 8)
  local a, b, c, d = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476
  for at = 1, #padded, 64 do a, b, c, d = block(padded, at, a, b, c, d) end
  return (("<I4I4I4I4"):pack(a, b, c, d):gsub(".", function(octet) return ("%02x"):format(octet:byte()) end))
end
