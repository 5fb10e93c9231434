-- Run by `altinn-events test examples/rules`.
local test = require "altinn.events.test"

local RULE = "publish-failed-to-print"

describe(RULE, function()
  it("sends a letter that could not be published to print, once, wherever the host dies", function()
    local world <close> = test.world { rules = { "publish_failed.lua" } }
    world:crash_points(function(one)
      local letter = one:letter { hold = true }
      letter:fail { text = "no such recipient" }
      one:push("correspondencepublishfailed", letter)
      one:push("correspondencepublishfailed", letter)   -- Altinn may raise it twice, with a new id
      one:advance "1h"
      assert.equal(1, #one:sent "print")
      assert.equal(letter.id, one:sent("print")[1].json.letter)
    end)
  end)

  it("waits for a print service that is down", function()
    local world <close> = test.world { rules = { "publish_failed.lua" }, targets = { print = "down" } }
    local letter = world:letter { hold = true }
    letter:fail()
    world:push("correspondencepublishfailed", letter)
    world:advance "12h"
    assert.equal("retry", world:verdict(RULE, letter).state)
    world:target("print", "up")
    world:advance "12h"
    assert.same({ "done: sent to print" }, world:verdicts(RULE))
    assert.equal(1, #world:sent "print")
  end)
end)
