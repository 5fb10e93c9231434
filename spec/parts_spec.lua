-- Tables of the inbox, the throttle of the log and the breakers of targets, each against a plain model of it or under
-- random changes: see spec/c/parts.c.
local process = require "spec.support.process"

local WHAT = {
  map = "finds every key that was not taken out", fingerprints = "knows what it was given, and nothing else",
  lanes = "give runs in the order in which they got them", lines = "serve who came first",
  breaker = "shuts out a target that fails, and tries it now and then",
  clock = "runs with the system's, ahead of it, or stands",
  throttle = "lets so many through a second, and tells of the rest once",
}

describe("of the parts,", function()
  local folder

  setup(function()
    folder = process.folder()
    assert(os.execute(("env -u LD_PRELOAD gcc -std=c11 -D_GNU_SOURCE -O1 -g -pthread -Icsrc -o %s/parts spec/c/parts.c"
      .. " csrc/inbox/map.c csrc/inbox/lines.c csrc/inbox/lanes.c csrc/inbox/fingerprints.c csrc/host/throttle.c"
      .. " csrc/inbox/clock.c"
      .. " csrc/host/breaker.c csrc/core/slice.c csrc/core/sha256.c"):format(folder)))
  end)
  teardown(function() process.remove(folder) end)

  for part, what in pairs(WHAT) do
    it(part .. " " .. what, function()
      -- The same numbers each time, and others each day.
      for _, seed in ipairs { 1, 2, 3, 20000 + math.floor(os.time() / 86400) } do
        local pipe = io.popen(("timeout 60 env -u LD_PRELOAD %s/parts %s %d 2>&1"):format(folder, part, seed))
        local said = pipe:read "a"
        pipe:close()
        assert.are.equal(part .. ": fine\n", said)
      end
    end)
  end
end)
