-- The inbox's tables of runs as a C program uses them: lines, lanes and flights, under sanitizers, with the asserts
-- that release builds leave out.
local process = require "spec.support.process"

local COMPILE = "cc -std=c11 -D_GNU_SOURCE -O1 -g -pthread -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "
  .. "-fsanitize=address,undefined -fno-sanitize-recover=undefined -Icsrc -o %s/lines spec/c/lines.c "
  .. "csrc/inbox/lines.c csrc/inbox/lanes.c csrc/inbox/flights.c csrc/inbox/map.c"

local function run(command)
  local pipe = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  assert(ok, text)
  return text
end

describe("lines, lanes and flights", function()
  it("do at every step of a long random walk what a plain model does", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    run(COMPILE:format(folder))
    local facts = {}
    for name, value in run(folder .. "/lines"):gmatch "([%w_]+)=(%d+)" do facts[name] = tonumber(value) end
    assert.is_true(facts.sequences > 50000 and facts.pushed > 100000 and facts.claims > 100000)
    assert.is_true(facts.nodes < 7 * 64 + 1, "nodes are used again")
  end)
end)
