-- A clock that is set back while the host runs: a library that stands before the C library's moves it.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

local SECONDS = 30  -- that anything may take on a busy machine

describe("a run that waits for its time", function()
  it("waits no longer than it was to when the clock is set back", function()
    local folder = process.folder()
    assert(os.execute(("env -u LD_PRELOAD cc -std=gnu11 -O1 -Wall -Wextra -fPIC -shared -o %s/clock.so"
      .. " spec/c/clock.c -ldl"):format(folder)))
    local clock, before = folder .. "/clock", os.getenv "LD_PRELOAD"
    process.write(clock, "36000")  -- ten hours ahead
    local one = host.start {
      rules = { waits = [[
        rule { name = "waits", on = "x.wanted", run = function(_, _, context)
          if context.attempt == 1 then return retry_after("6s") end
          return skip("at last")
        end }]] },
      env = { CLOCK_FILE = clock,
        LD_PRELOAD = (before and before ~= "" and before .. " " or "") .. folder .. "/clock.so" },
    }
    finally(function()
      one:close()
      process.remove(folder)
    end)
    assert.are.equal(200, (one:post(sample.text { id = "e", type = "x.wanted" })))
    assert(process.wait(SECONDS, function() return one:verdicts()["e/waits"].verdict == "later" or nil end))
    local file = clock .. ".new"
    process.write(file, "0")
    assert(os.rename(file, clock))
    assert(one:settle(SECONDS))
    assert.are.equal("at last", one:verdicts()["e/waits"].reason)
  end)
end)
