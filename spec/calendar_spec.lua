-- Working days and clocks in Norway, against the dates of almanacs and coreutils' date with the system's time zones.
local calendar = require "altinn.events.rules.calendar"

local DAY = 86400

-- Easter Sundays as almanacs print them.
local EASTER = {
  "2023-04-09", "2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2028-04-16", "2029-04-01", "2030-04-21",
  "2031-04-13", "2032-03-28", "2033-04-17", "2034-04-09", "2035-03-25", "2036-04-13", "2037-04-05", "2038-04-25",
  "2039-04-10", "2040-04-01", "2041-04-21",
}

-- The same of other centuries: the earliest and the latest dates, and the exceptions of the rule.
local OTHERS = { [1970] = "03-29", [1981] = "04-19", [1999] = "04-04", [2000] = "04-23", [2008] = "03-23",
  [2011] = "04-24", [2049] = "04-18", [2076] = "04-19", [2100] = "03-28", [2200] = "04-06", [2285] = "03-22" }

local FIXED = { ["01-01"] = true, ["05-01"] = true, ["05-17"] = true, ["12-25"] = true, ["12-26"] = true }
local AFTER_EASTER = { [-3] = true, [-2] = true, [0] = true, [1] = true, [39] = true, [49] = true, [50] = true }

-- What date(1) says in Oslo, a line for each of the given ones.
local function dates(lines, format)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
  local pipe = assert(io.popen(("LC_ALL=C TZ=Europe/Oslo date -f %s '+%s'"):format(path, format)))
  local told = {}
  for line in pipe:lines() do told[#told + 1] = line end
  pipe:close()
  os.remove(path)
  assert.are.equal(#lines, #told)
  return told
end

-- All days from 2023-12-01 to 2041-01-31: { date, weekday, free, nine = the moment at which clocks show 09:00 }.
local days, index_of = {}, {}

local function read_days()
  local lines = {}
  for number = 0, 6271 do lines[#lines + 1] = ("2023-12-01 09:00 %d days"):format(number) end
  for index, line in ipairs(dates(lines, "%F %u %s")) do
    local text, weekday, nine = line:match "^(%S+) (%d) (%d+)$"
    days[index] = { date = text, weekday = tonumber(weekday), nine = tonumber(nine), free = tonumber(weekday) > 5 }
    days[index].free = days[index].free or FIXED[text:sub(6)] ~= nil
    index_of[text] = index
  end
  for _, text in ipairs(EASTER) do
    for distance in pairs(index_of[text] and AFTER_EASTER or {}) do days[index_of[text] + distance].free = true end
  end
end

local function parts(text)
  local year, month, day = text:match "^(%d+)-(%d+)-(%d+)"
  return tonumber(year), tonumber(month), tonumber(day)
end

-- The index of the n-th day that is not free after one.
local function after(index, n)
  while n > 0 do
    index = index + 1
    if not days[index].free then n = n - 1 end
  end
  return index
end

describe("the calendar of Norway", function()
  setup(read_days)

  it("has Easter as almanacs have it", function()
    for _, text in ipairs(EASTER) do
      assert.are.equal("Easter Sunday", calendar.holidays(parts(text))[text], text)
    end
    for year, rest in pairs(OTHERS) do
      assert.are.equal("Easter Sunday", calendar.holidays(year)[("%d-%s"):format(year, rest)], year)
    end
  end)

  -- The computus of Clavius, as D. Knuth writes it (The Art of Computer Programming, 1.3.2, exercise 14).
  it("has Easter in every year from 1970 to 9999", function()
    local floor = math.floor
    for year = 1970, 9999 do
      local golden, century = year % 19 + 1, floor(year / 100) + 1
      local leaps, moon = floor(3 * century / 4) - 12, floor((8 * century + 5) / 25) - 5
      local sunday = floor(5 * year / 4) - leaps - 10
      local epact = (11 * golden + 20 + moon - leaps) % 30
      if epact == 25 and golden > 11 or epact == 24 then epact = epact + 1 end
      local full = 44 - epact
      if full < 21 then full = full + 30 end
      full = full + 7 - (sunday + full) % 7
      local text = ("%d-%02d-%02d"):format(year, full > 31 and 4 or 3, full > 31 and full - 31 or full)
      assert.are.equal("Easter Sunday", calendar.holidays(year)[text], text)
    end
  end)

  it("has twelve public holidays, each with its name", function()
    assert.are.same({
      ["2026-01-01"] = "New Year's Day", ["2026-04-02"] = "Maundy Thursday", ["2026-04-03"] = "Good Friday",
      ["2026-04-05"] = "Easter Sunday", ["2026-04-06"] = "Easter Monday", ["2026-05-01"] = "Labour Day",
      ["2026-05-14"] = "Ascension Day", ["2026-05-17"] = "Constitution Day", ["2026-05-24"] = "Whit Sunday",
      ["2026-05-25"] = "Whit Monday", ["2026-12-25"] = "Christmas Day", ["2026-12-26"] = "St Stephen's Day",
    }, calendar.holidays(2026))
  end)

  it("knows of every day from 2024 to 2040 whether it is a working day", function()
    assert.are.equal("2041-01-31", days[#days].date)
    for _, one in ipairs(days) do
      local year, month, day = parts(one.date)
      assert.are.equal(not one.free, calendar.is_workday(year, month, day), one.date)
    end
  end)

  it("has 24 and 31 December as working days, and what the configuration adds as none", function()
    assert.is_true(calendar.is_workday(2026, 12, 24))
    assert.is_true(calendar.is_workday(2026, 12, 31))
    local added = { "2026-12-24", "2026-12-31" }
    assert.is_false(calendar.is_workday(2026, 12, 24, added))
    assert.is_false(calendar.is_workday(2026, 12, 31, added))
    assert.is_true(calendar.is_workday(2027, 12, 31, added))
  end)

  it("reads dates", function()
    assert.are.same({ 2028, 2, 29 }, { calendar.date "2028-02-29" })
    assert.are.same({ 9999, 12, 31 }, { calendar.date "9999-12-31" })
    for _, text in ipairs { "2026-02-29", "2100-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "2026-01-00",
      "0000-01-01", "26-01-01", "2026-1-1", "2026-01-01 ", "", 20260101, false } do
      assert.is_nil((calendar.date(text)), tostring(text))
    end
  end)
end)

describe("clocks in Norway", function()
  it("show what date(1) says: every hour of the days of a change, four times a day else, 2024 to 2040", function()
    local moments, lines = {}, {}
    for moment = 1704067200, 2240611200, DAY / 4 do moments[#moments + 1] = moment + moment % 7 * 13 end
    for year = 2024, 2040 do
      for _, month in ipairs { "03", "10" } do
        local _, _, _, _, offset = calendar.clock(0)
        assert.are.equal(3600, offset)
        local from = index_of[("%d-%s-25"):format(year, month)]
        for index = from, from + 6 do
          for hour = -9, 14 do moments[#moments + 1] = days[index].nine + hour * 3600 + 1799 end
        end
      end
    end
    for index, moment in ipairs(moments) do lines[index] = ("@%d"):format(moment) end
    for index, line in ipairs(dates(lines, "%F %H %M %S %z")) do
      local year, month, day, seconds, offset = calendar.clock(moments[index])
      local text, hour, minute, second, zone = line:match "^(%S+) (%d+) (%d+) (%d+) %+0(%d)00$"
      assert.are.equal(text, ("%04d-%02d-%02d"):format(year, month, day), line)
      assert.are.equal(hour * 3600 + minute * 60 + second, seconds, line)
      assert.are.equal(zone * 3600, offset, line)
    end
  end)

  it("show nine o'clock when date(1) says, on every day from 2024 to 2040", function()
    for _, one in ipairs(days) do
      local year, month, day = parts(one.date)
      assert.are.equal(one.nine, calendar.moment(year, month, day, 9 * 3600), one.date)
    end
  end)

  it("skip an hour in March: a time in it is an hour later", function()
    local two = 1774746000  -- 2026-03-29T01:00:00Z: clocks go from 02:00 to 03:00
    assert.are.equal(two - 1, calendar.moment(2026, 3, 29, 2 * 3600 - 1))
    assert.are.equal(two, calendar.moment(2026, 3, 29, 2 * 3600))
    assert.are.equal(two + 1800, calendar.moment(2026, 3, 29, 2.5 * 3600))
    assert.are.equal(two, calendar.moment(2026, 3, 29, 3 * 3600))
    assert.are.equal(two + 1800, calendar.moment(2026, 3, 29, 3.5 * 3600))
    local _, _, _, seconds = calendar.clock(two + 1800)
    assert.are.equal(3.5 * 3600, seconds)
  end)

  it("show an hour twice in October: a time in it is the first", function()
    local three = 1792890000  -- 2026-10-25T01:00:00Z: clocks go from 03:00 back to 02:00
    assert.are.equal(three - 3600, calendar.moment(2026, 10, 25, 2 * 3600))
    assert.are.equal(three - 1800, calendar.moment(2026, 10, 25, 2.5 * 3600))
    assert.are.equal(three + 3600, calendar.moment(2026, 10, 25, 3 * 3600))
    for _, moment in ipairs { three - 1800, three + 1800 } do
      local _, _, _, seconds = calendar.clock(moment)
      assert.are.equal(2.5 * 3600, seconds)
    end
  end)
end)

describe("a timer", function()
  it("is due so many working days after today, at a time of day", function()
    for index = 32, #days - 31 do
      for _, n in ipairs { 1, 2, 5, 13 } do
        local now = days[index].nine + (index % 24 - 9) * 3600
        if index % 24 == 2 or index % 24 == 3 then now = days[index].nine end  -- hours that a change may take
        assert.are.equal(days[after(index, n)].nine, calendar.resolve({ workdays = n, clock = "09:00" }, now),
          days[index].date)
      end
      assert.are.equal(days[after(index, 1)].nine, calendar.resolve({ workdays = 1 }, days[index].nine))
    end
  end)

  it("counts from the day that it is in Norway", function()
    local night = 1797982200  -- 2026-12-22T23:30:00Z: a Wednesday, half past midnight in Oslo
    local at = { workdays = 1, clock = "09:00" }
    assert.are.equal(days[index_of["2026-12-24"]].nine, calendar.resolve(at, night))
    assert.are.equal(days[index_of["2026-12-24"]].nine, calendar.resolve(at, night - 1800))
    assert.are.equal(days[index_of["2026-12-23"]].nine, calendar.resolve(at, night - 1801))
  end)

  it("keeps the time of day over a change of summer time, to the fraction of a second", function()
    assert.are.equal(1774600200.25 + 3 * DAY - 3600, calendar.resolve({ workdays = 1 }, 1774600200.25))  -- a Friday
    assert.are.equal(1792744200 + 3 * DAY + 3600, calendar.resolve({ workdays = 1 }, 1792744200))
  end)

  it("passes over Easter, 17 May and the days that the configuration adds", function()
    local function date_of(at, now, holidays)
      local year, month, day = calendar.clock((calendar.resolve(at, now, holidays)))
      return ("%d-%02d-%02d"):format(year, month, day)
    end
    local function noon(text)
      local year, month, day = parts(text)
      return calendar.moment(year, month, day, 43200)
    end
    assert.are.equal("2026-04-07", date_of({ workdays = 1 }, noon "2026-04-01"))
    assert.are.equal("2027-05-18", date_of({ workdays = 1 }, noon "2027-05-14"))
    assert.are.equal("2026-12-24", date_of({ workdays = 1 }, noon "2026-12-23"))
    assert.are.equal("2026-12-28", date_of({ workdays = 1 }, noon "2026-12-23", { "2026-12-24" }))
    assert.are.equal("2026-12-31", date_of({ workdays = 3 }, noon "2026-12-28"))
    assert.are.equal("2027-01-04", date_of({ workdays = 3 }, noon "2026-12-28", { "2026-12-31" }))
  end)

  it("is due after a span or at a time, also in the past", function()
    assert.are.equal(1100.5, calendar.resolve({ span = 100 }, 1000.5))
    assert.are.equal(1000, calendar.resolve({ span = 0 }, 1000))
    assert.are.equal(5, calendar.resolve({ time = 5 }, 1000))
    assert.are.equal(2000, calendar.resolve({ time = 2000 }, 1000))
  end)

  it("waits ten years at most", function()
    local now = 1798020000
    assert.are.equal(now + 3653 * DAY, calendar.resolve({ time = now + 3653 * DAY }, now))
    local moment, message = calendar.resolve({ time = now + 3653 * DAY + 1 }, now)
    assert.is_nil(moment)
    assert.are.equal("later: at: 2036-12-23 is more than ten years ahead, and no timer waits longer", message)
    assert.is_nil((calendar.resolve({ workdays = 2600 }, now)))
  end)
end)
