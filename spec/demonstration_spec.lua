-- The demonstration (make run) goes through, from the first rule to the letter on paper.
local process = require "spec.support.process"
local socket = require "socket"

-- The first of four ports beside each other at which nothing listens.
local function four_ports()
  for _ = 1, 200 do
    local base, free, held = math.random(20000, 30000), true, {}
    for at = 0, 3 do
      held[at + 1] = socket.bind("127.0.0.1", base + at)
      free = free and held[at + 1] ~= nil
    end
    for _, listener in pairs(held) do listener:close() end
    if free then return base end
  end
  error "there are no free ports"
end

describe("the demonstration", function()
  local folder

  before_each(function() folder = process.folder() end)
  after_each(function() process.remove(folder) end)

  it("has rules and a configuration that fit each other", function()
    local check = process.start(folder, "check",
      "env DEMO_KEY=/dev/null altinn-events check --strict --config examples/demo/altinn-events.lua")
    assert.are.equal(0, check:wait_exit(), check:errors())
    check:stop()
  end)

  it("ends when another program has one of its ports, and says how it takes others", function()
    for at = 0, 3 do
      local base = four_ports()
      local other = assert(socket.bind("127.0.0.1", base + at))
      local demo = process.start(folder, "taken" .. at,
        ("env ONCE=1 DEMO_PORT=%d sh examples/demo/run.sh"):format(base))
      local status = demo:wait_exit(60)
      demo:stop()
      other:close()
      assert.are.equal(1, status, demo:output())
      local errors = demo:errors()
      assert.is_truthy(errors:find("DEMO_PORT=9480 make run takes the ports 9480 to 9483", 1, true), errors)
    end
  end)

  it("goes through: what is posted, what is printed, a timer, Altinn in a box", function()
    local demo = process.start(folder, "demo",
      ("env ONCE=1 DEMO_PORT=%d sh examples/demo/run.sh"):format(four_ports()))
    local status = demo:wait_exit(120)
    demo:stop()
    local shown = demo:output()
    assert.are.equal(0, status, demo:errors() .. shown)
    assert.is_truthy(shown:find("== All went as it should", 1, true), shown)
    assert.is_truthy(shown:find("never%-read%-to%-print +done "), shown)
    assert.is_truthy(shown:find("publish%-failed%-to%-print +done "), shown)
    assert.is_truthy(shown:find("paper%-after%-two%-days +later "), shown)
    assert.are.equal("", demo:errors())
  end)
end)
