-- The clock of the host, for everything in a worker's Lua state: called before any other module is loaded, because
-- modules keep the functions that they read the time with.
local core = require "altinn.events.core"

--- Replaces the system's time.
---@param jobs userdata the host's door: see csrc/lua/host/jobs.c
return function(jobs)
  local time, date = os.time, os.date
  function core.altinn.clock() return (select(2, jobs:now())) end
  rawset(os, "time", function(fields)
    if fields ~= nil then return time(fields) end
    return math.floor((jobs:now()))
  end)
  rawset(os, "date", function(format, seconds)
    return date(format, seconds == nil and math.floor((jobs:now())) or seconds)
  end)
end
