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
    world:crash_points(function(one)
      local letter = one:letter()
      one:reply(letter, "details", { status = 503 })
      one:push("correspondencepublished", letter)
      one:advance "1m"
      one:reply(letter, "details", ('{"correspondenceId":"%s","resourceId":"acme-letters","status":"Read",'
        .. '"attachments":[],"statusHistory":[]}'):format(letter.id))
      one:push("correspondencereceiverread", letter)
      one:advance "1h"
      assert.equal(2, #one:sent "receipts")
      assert.matches(";published;", one:sent("receipts")[1].line)
      assert.matches(";read;", one:sent("receipts")[2].line)
    end)
  end)
end)
