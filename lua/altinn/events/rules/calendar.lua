-- Working days and the time of day in Norway (Europe/Oslo), by arithmetic: no database of time zones is read.
--
-- The calendar is the Gregorian one. Summer time is that of the European Union as it has been since 1996: from the last
-- Sunday of March to the last Sunday of October, 01:00 UTC both times. Public holidays are those of the Norwegian acts
-- of 1947 and 1995, in every year.
local M = {}

local floor = math.floor

local DAY, HOUR = 86400, 3600

--- Ten years in seconds: no timer waits longer.
M.MOST_SECONDS = 3653 * DAY

-- Days.

-- The number of a day: 0 is 1970-01-01. Years begin in March here, so that a leap day is the last of its year.
local function day_number(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local era = floor(year / 400)
  local of_era = year - era * 400
  local of_year = floor((153 * (month - 3) + 2) / 5) + day - 1
  return era * 146097 + of_era * 365 + floor(of_era / 4) - floor(of_era / 100) + of_year - 719468
end

local function date_of(number)
  number = number + 719468
  local era = floor(number / 146097)
  local of_era = number - era * 146097
  local year = floor((of_era - floor(of_era / 1460) + floor(of_era / 36524) - floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * of_year + 2) / 153)
  local day = of_year - floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  return year + era * 400 + (month <= 2 and 1 or 0), month, day
end

-- 0 is a Sunday.
local function weekday(number) return (number + 4) % 7 end

--- Reads a date.
---@param text any "2026-12-24"
---@return integer|nil year nil: there is no such date
---@return integer|nil month
---@return integer|nil day
function M.date(text)
  if type(text) ~= "string" then return nil end
  local year, month, day = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local is_valid = year >= 1 and month >= 1 and month <= 12 and day >= 1
  if not is_valid then return nil end
  local y, m, d = date_of(day_number(year, month, day))
  if y ~= year or m ~= month or d ~= day then return nil end
  return year, month, day
end

-- Holidays.

-- The number of Easter Sunday: the Gregorian computus of Meeus, Jones and Butcher.
local function easter(year)
  local a, b, c = year % 19, floor(year / 100), year % 100
  local g = floor((b - floor((b + 8) / 25) + 1) / 3)
  local h = (19 * a + b - floor(b / 4) - g + 15) % 30
  local l = (32 + 2 * (b % 4) + 2 * floor(c / 4) - h - c % 4) % 7
  local m = floor((a + 11 * h + 22 * l) / 451)
  local sum = h + l - 7 * m + 114
  return day_number(year, floor(sum / 31), sum % 31 + 1)
end

local FIXED = { { 1, 1, "New Year's Day" }, { 5, 1, "Labour Day" }, { 5, 17, "Constitution Day" },
  { 12, 25, "Christmas Day" }, { 12, 26, "St Stephen's Day" } }

-- Days after Easter Sunday.
local MOVABLE = { { -3, "Maundy Thursday" }, { -2, "Good Friday" }, { 0, "Easter Sunday" }, { 1, "Easter Monday" },
  { 39, "Ascension Day" }, { 49, "Whit Sunday" }, { 50, "Whit Monday" } }

local function named_days(year)
  local days, first = {}, easter(year)
  for _, one in ipairs(MOVABLE) do days[first + one[1]] = one[2] end
  for _, one in ipairs(FIXED) do days[day_number(year, one[1], one[2])] = one[3] end
  return days
end

local KEPT = 16  -- years whose holidays are kept
local kept, count = {}, 0

local function holidays_of(year)
  if kept[year] then return kept[year] end
  if count >= KEPT then kept, count = {}, 0 end
  kept[year], count = named_days(year), count + 1
  return kept[year]
end

local function text_of(number) return ("%04d-%02d-%02d"):format(date_of(number)) end

--- The public holidays of a year in Norway, Sundays of that name among them.
---@param year integer
---@return table<string, string> holidays "2026-05-17" -> "Constitution Day"
function M.holidays(year)
  local days = {}
  for number, name in pairs(named_days(year)) do days[text_of(number)] = name end
  return days
end

-- The days of a list of dates, by the list.
local listed = setmetatable({}, { __mode = "k" })

local function days_of(list)
  if list == nil then return {} end
  if listed[list] then return listed[list] end
  local days = {}
  for _, text in ipairs(list) do
    local year, month, day = M.date(text)
    if year then days[day_number(year, month, day)] = true end
  end
  listed[list] = days
  return days
end

local function is_working(number, year, extra)
  local day = weekday(number)
  return day ~= 0 and day ~= 6 and not holidays_of(year)[number] and not extra[number]
end

--- Whether a day is a working day: no Saturday, no Sunday, no public holiday. 24 and 31 December are working days.
---@param year integer
---@param month integer
---@param day integer
---@param holidays string[]|nil more days that are none, "2026-12-24"; the list must not change afterwards
---@return boolean
function M.is_workday(year, month, day, holidays)
  return is_working(day_number(year, month, day), year, days_of(holidays))
end

-- The n-th working day after a day.
local function workday_after(number, n, extra)
  while n > 0 do
    number = number + 1
    if is_working(number, (date_of(number)), extra) then n = n - 1 end
  end
  return number
end

-- Time of day.

-- The moment, seconds since 1970, of 01:00 UTC on the last Sunday of a month with 31 days.
local function change(year, month)
  local last = day_number(year, month, 31)
  return (last - weekday(last)) * DAY + HOUR
end

-- Seconds that clocks in Norway are ahead of UTC.
local function offset_at(moment)
  local year = date_of(floor(moment / DAY))
  local is_summer = moment >= change(year, 3) and moment < change(year, 10)
  return is_summer and 2 * HOUR or HOUR
end

-- The moment at which clocks in Norway show a time. One that they show twice is the first; one that they skip is read
-- by the time before the change, so that 02:30 on the last Sunday of March is 03:30 (RFC 5545, section 3.3.5).
local function moment_of(number, seconds)
  local clock = number * DAY + seconds
  local summer = clock - 2 * HOUR
  if offset_at(summer) == 2 * HOUR then return summer end
  return clock - HOUR
end

--- The moment at which clocks in Norway show a time. One that they show twice, in October, is the first; one that they
--- skip, in March, is an hour later.
---@param year integer
---@param month integer
---@param day integer
---@param seconds number since midnight by the clock
---@return number moment seconds since 1970
function M.moment(year, month, day, seconds)
  return moment_of(day_number(year, month, day), seconds)
end

--- What clocks in Norway show.
---@param moment number seconds since 1970
---@return integer year
---@return integer month
---@return integer day
---@return number seconds since midnight by the clock
---@return integer offset seconds ahead of UTC
function M.clock(moment)
  local offset = offset_at(moment)
  local number = floor((moment + offset) / DAY)
  local year, month, day = date_of(number)
  return year, month, day, moment + offset - number * DAY, offset
end

local function workday_moment(at, now, holidays)
  local here = now + offset_at(now)
  local today = floor(here / DAY)
  local seconds = here - today * DAY
  if at.clock then
    local hours, minutes = at.clock:match("^(%d%d):(%d%d)$")
    seconds = tonumber(hours) * HOUR + tonumber(minutes) * 60
  end
  return moment_of(workday_after(today, at.workdays, days_of(holidays)), seconds)
end

--- The moment that a timer is set for. It may lie in the past: the timer is due at once then.
---@param at { span: number } | { time: number } | { workdays: integer, clock: string|nil } of later{ at = … }: seconds;
---  seconds since 1970; the n-th working day after today in Norway, at that time of day or at the present one
---@param now number seconds since 1970
---@param holidays string[]|nil more days that are no working days, "2026-12-24"; the list must not change afterwards
---@return number|nil moment seconds since 1970; nil: it is more than ten years ahead
---@return string|nil message
function M.resolve(at, now, holidays)
  local moment
  if at.span then moment = now + at.span
  elseif at.time then moment = at.time
  else moment = workday_moment(at, now, holidays) end
  if moment - now <= M.MOST_SECONDS then return moment end
  local year, month, day = M.clock(moment)
  return nil, ("later: at: %04d-%02d-%02d is more than ten years ahead, and no timer waits longer"):format(year, month,
    day)
end

return M
