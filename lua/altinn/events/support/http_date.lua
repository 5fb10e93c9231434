-- Dates of HTTP (RFC 9110 §5.6.7) and Retry-After (§10.2.3).
local M = {}

local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12,
}

-- Days since 1970 of a day of the proleptic Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * month - 457) / 5) + day - 719469
end

-- The year of two digits: not more than 50 years ahead.
local function whole_year(text)
  local year = tonumber(text)
  if #text == 4 then return year end
  local now = tonumber(os.date("!%Y"))
  year = now - now % 100 + year
  return year > now + 50 and year - 100 or year
end

-- Each form's parts, in the order day, month, year, time; asctime has its own.
local FORMS = {
  "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d:%d%d:%d%d) GMT$",
  "^%a+day, (%d%d)%-(%a%a%a)%-(%d%d) (%d%d:%d%d:%d%d) GMT$",
}

local function parts_of(text)
  for _, form in ipairs(FORMS) do
    local day, month, year, time = text:match(form)
    if day then return day, month, year, time end
  end
  local month, day, time, year = text:match("^%a%a%a (%a%a%a) ([%d ]%d) (%d%d:%d%d:%d%d) (%d%d%d%d)$")
  return day, month, year, time
end

--- Seconds since 1970 of an HTTP date: the preferred form, that of RFC 850, or that of asctime.
---@param text any
---@return number|nil seconds nil when it is none
function M.parse(text)
  if type(text) ~= "string" then return nil end
  local day, name, year, time = parts_of(text)
  local month = MONTHS[name or ""]
  if not month then return nil end
  day = tonumber(day)
  local hour, minute, second = time:match("(%d+):(%d+):(%d+)")
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if day < 1 or day > 31 or hour > 23 or minute > 59 or second > 60 then return nil end
  return days(whole_year(year), month, day) * 86400 + hour * 3600 + minute * 60 + second
end

--- The seconds that a Retry-After asks for. A date counts from the reply's own Date, so that this
--- machine's clock need not be right.
---@param headers table names in lower case
---@param now number|nil this machine's clock, for a reply without Date; os.time() when absent
---@return number|nil seconds nil without a valid Retry-After
function M.retry_after(headers, now)
  local value = headers["retry-after"]
  if type(value) ~= "string" then return nil end
  value = value:match("^%s*(.-)%s*$")
  if value:find("^%d+$") then return #value <= 9 and tonumber(value) or nil end
  local at = M.parse(value)
  return at and math.max(0, at - (M.parse(headers.date) or now or os.time()))
end

return M
