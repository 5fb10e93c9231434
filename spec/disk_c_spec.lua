-- The simulated disk under SQLite, as a C program uses it, under sanitizers.
local c_program = require "spec.support.c_program"
local process = require "spec.support.process"

describe("the simulated disk", function()
  local folder, disk

  setup(function()
    folder = process.folder()
    disk = c_program.compile(folder, "disk", "csrc/inbox/store_disk.c csrc/inbox/store_disk_vfs.c -lsqlite3")
  end)

  teardown(function() process.remove(folder) end)

  local function facts(synchronous)
    return c_program.facts(("%s 120 %d %s"):format(disk, math.random(1 << 30), synchronous))
  end

  it("keeps every commit that was flushed, through cuts in a flush and between two, whatever else survives", function()
    local found = facts "FULL"
    assert.are.same({ 0, 0, 0 }, { found.lost, found.invented, found.damaged })
    assert.is_true(found.committed > 500 and found.refused > 10)
  end)

  it("loses what was not flushed", function()
    assert.is_true(facts "NORMAL".lost > 100)
  end)
end)
