-- The simulated disk under SQLite, as a C program uses it, under sanitizers.
local process = require "spec.support.process"

local COMPILE = "cc -std=c11 -D_GNU_SOURCE -O1 -g -pthread -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "
  .. "-fsanitize=address,undefined -fno-sanitize-recover=undefined -Icsrc -o %s/disk spec/c/disk.c "
  .. "csrc/inbox/store_disk.c csrc/inbox/store_disk_vfs.c -lsqlite3"

local function output(command)
  local pipe = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  assert(ok, text)
  return text
end

describe("the simulated disk", function()
  local folder

  setup(function()
    folder = process.folder()
    output(COMPILE:format(folder))
  end)

  teardown(function() process.remove(folder) end)

  local function facts(synchronous)
    local found = {}
    for name, value in output(("%s/disk 120 %d %s"):format(folder, math.random(1 << 30), synchronous))
      :gmatch "([%w_]+)=(-?%d+)" do found[name] = tonumber(value) end
    return found
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
