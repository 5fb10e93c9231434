-- Run by `altinn-events test examples/rules`.
local test = require "altinn.events.test"

local RULE = "never-read-to-print"

local function new_world() return test.world { rules = { "never_read.lua" } } end

describe(RULE, function()
  it("sends a letter that nobody read to print, once, wherever the host dies", function()
    local world <close> = new_world()
    world:crash_points(function(one)
      local letter = one:letter { dueDateTime = "2026-06-10T12:00:00Z" }
      one:advance "8d"
      one:push("correspondencereceiverneverread", letter)
      one:push("correspondencereceiverneverread", letter)   -- Altinn may raise it twice, with a new id
      one:advance "1h"
      assert.equal(1, #one:sent "print")
      assert.same({ letter.id, "ref-1" }, { one:sent("print")[1].json.letter, one:sent("print")[1].json.reference })
    end)
  end)

  it("leaves alone what was read a moment ago, or deleted unread", function()
    local world <close> = new_world()
    local read, deleted = world:letter(), world:letter()
    read:read()
    deleted:purge()
    world:push("correspondencereceiverneverread", read)
    world:push("correspondencereceiverneverread", deleted)
    world:settle()
    assert.same({}, world:sent "print")
    assert.same({ "skipped: already handled: Read", "skipped: already handled: PurgedByRecipient" },
      world:verdicts(RULE))
  end)

  it("finishes a job that may have arrived, though the letter is read meanwhile", function()
    local world <close> = new_world()
    local letter = world:letter()
    world:target("print", { "dies in the body", times = 1 })
    world:push("correspondencereceiverneverread", letter)
    world:settle()
    letter:read()   -- nobody knows whether the paper is under way
    world:advance "1h"
    assert.equal(1, #world:sent "print")
  end)
end)
