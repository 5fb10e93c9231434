-- Numbers of parties in texts: those of organisations, whose last digit can be checked, and those of persons.
local M = {}

local SAMPLE = "987654321"  -- the documentation's number for any organisation

-- The check digit of an organisation number: modulo 11, with these weights.
local WEIGHTS = { 3, 2, 7, 6, 5, 4, 3, 2 }

--- Whether a number of nine digits is none of an organisation.
---@param number string digits
---@return boolean
function M.is_wrong_organisation(number)
  if #number ~= 9 or number == SAMPLE then return false end
  local sum = 0
  for index, weight in ipairs(WEIGHTS) do sum = sum + weight * tonumber(number:sub(index, index)) end
  return (11 - sum % 11) % 11 ~= tonumber(number:sub(9, 9))
end

-- The weights of the two check digits of a person's number, modulo 11.
local FIRST, SECOND = { 3, 7, 6, 1, 8, 9, 4, 5, 2, 1 }, { 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1 }

local function holds(number, weights)
  local sum = 0
  for index, weight in ipairs(weights) do sum = sum + weight * tonumber(number:sub(index, index)) end
  return sum % 11 == 0
end

--- Whether eleven digits are the number of a person: a day, a month, and two check digits that fit.
---@param number string
---@return boolean
function M.is_person(number)
  local day, month = tonumber(number:sub(1, 2)) % 40, tonumber(number:sub(3, 4)) % 40
  return #number == 11 and day >= 1 and day <= 31 and month >= 1 and month <= 12 and holds(number, FIRST)
    and holds(number, SECOND)
end

return M
