-- A helper for busted: writes the verdicts of each world, and what its targets received, to the file that
-- WORLD_VERDICTS names. How often something is tried until it is given up depends on chance: the waits between are.
local sorted = require("altinn.events.support.names").sorted
local test = require "altinn.events.test"

local file = assert(io.open(os.getenv "WORLD_VERDICTS", "w"))
file:setvbuf "no"

test.observe = function(world)
  file:write(world:now(), "\n", tostring(world:verdicts()), "\n")
  for _, name in ipairs(sorted(world.targets)) do
    for index, item in ipairs(world:sent(name)) do
      local what = item.path or item.subject or item.line or ""
      file:write(("%s %d: %s, %s\n"):format(name, index, what, item.times == 1 and "once" or "several times"))
    end
  end
end
