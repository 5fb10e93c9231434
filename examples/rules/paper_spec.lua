-- Run by `make test`: the whole host, Altinn in the emulator, a print service.
local story = require "spec.support.story"

-- Three days later Maundy Thursday begins the Easter holidays: the second working day is the Wednesday after.
local MONDAY = story.before_easter(6)
local OPTIONS = { rules = { "examples/rules/paper.lua" }, services = { "print" }, now = MONDAY,
  targets = [[print = { url = "$print" }]] }
local RULE = "paper-after-two-days"

describe(RULE, function()
  it("prints what nobody has opened, once, wherever the host is killed", function()
    local kills = story.with_crashes(OPTIONS, function(one)
      local unread, read = one:letter { sendersReference = "ref-1" }, one:letter()
      one:step(read, "read")
      one:workdays(2)
      assert.are.same({ letter = unread.id, reference = "ref-1", resource = "urn:altinn:resource:acme-letters" },
        one:only("print").json)
      assert.are.same({ "done", "skipped" }, one:states(RULE))
    end)
    assert.is_truthy(kills > 0)
  end)

  it("asks the letter's history when Altinn's event was lost", function()
    local one <close> = story.start(OPTIONS)
    local read = one:letter()
    one:lose(function() one:step(read, "read") end)
    one:workdays(2)
    assert.are.same({}, one:received "print")
    assert.is_truthy(one:verdicts(RULE)[1]:find("skipped: .*Read"))
  end)

  it("counts working days, over Easter too", function()
    local one <close> = story.start(OPTIONS)
    one:advance(2 * 86400)  -- Wednesday
    one:letter()
    one:advance(6 * 86400)  -- Tuesday after Easter: the first working day
    assert.are.same({}, one:received "print")
    one:advance(86400 + 5)
    assert.is_truthy(one:only("print").json.letter)
  end)

  it("asks the print service before it sends a job again that may have arrived", function()
    local one <close> = story.start(OPTIONS)
    one:letter()
    one.targets.print:answer { "swallow", "201" }
    one:workdays(2)
    one:advance(60)
    assert.are.same({ "POST", "GET" }, one:methods "print")
    assert.are.same({ "done: sent to print" }, one:verdicts(RULE))
  end)
end)
