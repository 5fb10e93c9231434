-- A month of the world: letters come every day, half of them are read, the others are printed two working days later.
-- LETTERS=10000 is the whole of it.
local test = require "altinn.events.test"

local LETTERS = tonumber(os.getenv "LETTERS") or 1000
local DAYS = 30

-- Gives the log, how many letters were printed, and the seconds of processor time.
local function tell()
  local began = os.clock()
  local world <close> = test.world { rules = { "examples/rules/paper.lua" }, now = "2026-06-01T10:00:00+02:00",
    seed = 7 }
  local count = 0
  for day = 1, DAYS do
    while count < LETTERS * day / DAYS do
      count = count + 1
      local letter = world:letter()
      world:push("correspondencepublished", letter)
      if count % 2 == 0 then letter:read() end
    end
    world:advance "1d"
  end
  world:advance "5d"
  return world:log(), #world:sent "print", os.clock() - began
end

describe("a month with many letters", function()
  it("is over soon, and the same seed gives the same log, byte for byte", function()
    local log, printed, seconds = tell()
    assert.are.equal(LETTERS // 2, printed)
    assert.is_true(log == (tell()), "another log")
    -- On an idle machine a letter takes some 0.5 ms; the bound is for one on which much else runs.
    assert(seconds < LETTERS * 0.004, ("%.1f s"):format(seconds))
    if os.getenv "LETTERS" then print(("%d letters in %.2f s"):format(LETTERS, seconds)) end
  end)
end)
