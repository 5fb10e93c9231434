-- Run by `altinn-events test examples/rules`.
local test = require "altinn.events.test"

local RULE = "receipts"

describe(RULE, function()
  it("writes a line for each event, once, wherever the host dies", function()
    local world <close> = test.world { rules = { "receipts.lua" } }
    world:crash_points(function(one)
      one:live()   -- the letter raises its events itself
      local letter = one:letter { sendersReference = '=1+"1' }
      one:settle()
      letter:read()
      letter:confirm()
      one:advance "1h"
      local words = {}
      for index, sent in ipairs(one:sent "receipts") do
        local time, word, id, reference = sent.line:match("^([^;]+);([^;]+);([^;]+);([^;]+);")
        words[index] = word
        assert.same({ letter.id, [["'=1+""1"]] }, { id, reference })
        assert.matches("^%d%d%d%d%-%d%d%-%d%dT", time)
      end
      assert.same({ "published", "read", "confirmed" }, words)
      assert.same({ "done: sent to receipts", "done: sent to receipts", "done: sent to receipts" }, one:verdicts(RULE))
    end)
  end)

  it("keeps a letter's lines in order, also when Altinn is away for a moment", function()
    local world <close> = test.world { rules = { "receipts.lua" } }
    local letter = world:letter()
    world:reply(letter, "details", { status = 503 })
    world:push("correspondencepublished", letter)
    world:advance "1m"
    world:reply(letter, "details", ('{"correspondenceId":"%s","resourceId":"acme-letters","status":"Read",'
      .. '"attachments":[],"statusHistory":[]}'):format(letter.id))
    world:push("correspondencereceiverread", letter)
    world:advance "1h"
    assert.equal(2, #world:sent "receipts")
    assert.matches(";published;", world:sent("receipts")[1].line)
    assert.matches(";read;", world:sent("receipts")[2].line)
  end)
end)
