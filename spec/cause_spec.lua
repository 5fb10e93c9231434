-- The cause of a failure: one for one fault, another for another fault. Any Lua.
local causes = require "altinn.events.rules.cause"
local core = require "altinn.events.core"
local policy = require "altinn.events.rules.retry_policy"

local HEX = "0123456789abcdef"

-- A generator of its own: the same series in every Lua.
local function generator(seed)
  return function(most)
    seed = seed * 16807 % 2147483647
    return seed % most + 1
  end
end

local function uuid(draw)
  return (("xxxxxxxx-xxxx-7xxx-8xxx-xxxxxxxxxxxx"):gsub("x", function()
    local at = draw(16)
    return HEX:sub(at, at)
  end))
end

local function number(draw, digits)
  return (("x"):rep(digits):gsub("x", function() return tostring(draw(10) - 1) end))
end

local NAMES = { "Ola Nordmann", "Kari Åse Berg", "ACME AS", "Smith, John", "" }

-- Faults, each a function that makes one of its variants.
local FAULTS = {
  function(draw) return ("rules/paper.lua:12: letter %s has no reference"):format(uuid(draw)) end,
  function(draw) return ("/srv/%d/rules/paper.lua:13: letter %s of %s has no reference"):format(draw(9), uuid(draw),
    number(draw, 11)) end,
  function(draw) return ("paper.lua:14: case %d/%d is closed since %s:%s"):format(2000 + draw(30), draw(9999),
    number(draw, 2), number(draw, 2)) end,
  function(draw) return ("paper.lua:15: no customer '%s'"):format(NAMES[draw(4)]) end,
  function(draw) return ('paper.lua:16: no customer "%s" of %s@example.no'):format(NAMES[draw(4)],
    number(draw, 5)) end,
  function(draw) return ("paper.lua:17: attempt to index a nil value (field '%s')\nstack traceback:\n\tpaper.lua:%d:"
    ):format("reference", draw(99)) end,
  function(draw) return ("paper.lua:18: table: 0x%s is no list"):format(number(draw, 12)) end,
  function(draw) return ("paper.lua:19: the register answered 503 after %s s, trace %s"):format(number(draw, 3),
    uuid(draw)) end,
  function(draw) return ("paper.lua:19: the register answered 422 after %s s, trace %s"):format(number(draw, 3),
    uuid(draw)) end,
  function(draw) return ("lib/register.lua:4: paper.lua:20: too old: %s-%s-%s"):format(number(draw, 4),
    number(draw, 2), number(draw, 2)) end,
  function(draw) return ("the rule was stopped: it ran for %d ms"):format(draw(100000)) end,
}

describe("the cause of a failure", function()
  it("is the same for a hundred variants of one fault, and differs for another one", function()
    local seen = {}
    for index, fault in ipairs(FAULTS) do
      local draw, cause = generator(index * 7919), nil
      for _ = 1, 100 do
        local one = causes.of { kind = "error", reason = fault(draw) }
        cause = cause or one
        assert.are.equal(cause, one)
      end
      assert.is_nil(seen[cause], cause)
      seen[cause] = true
      assert.is_nil(cause:find("%d%d%d%d"), cause)
    end
  end)

  it("keeps a rule's file and line, without its folders", function()
    assert.are.equal("paper.lua:12: attempt to index a nil value (local 'x')", causes.of { kind = "error",
      reason = "/srv/rules/paper.lua:12: attempt to index a nil value (local 'x')\nstack traceback:\n\t…" })
    assert.are_not.equal(causes.of { kind = "error", reason = "paper.lua:12: no" },
      causes.of { kind = "error", reason = "paper.lua:13: no" })
    assert.are_not.equal(causes.of { kind = "error", reason = "paper.lua:12: no" },
      causes.of { kind = "error", reason = "mail.lua:12: no" })
  end)

  it("is the target and its answer, Altinn's code and number, or the class", function()
    for cause, failure in pairs {
      ["print answered 422"] = { reason = "target 'print' answered 422: no such case 4711", kind = 422,
        target = "print" },
      ["print: timeout"] = { reason = "target 'print': no answer in 30 s", kind = "timeout", target = "print" },
      ["print: connect"] = { reason = "…", kind = "network", stage = "connect", target = "print" },
      ["network (resolve)"] = { reason = "…", kind = "network", stage = "resolve" },
      ["forbidden (4001)"] = { reason = "…", kind = "forbidden", status = 401, number = 4001 },
      ["server (503)"] = { reason = "…", kind = "server", status = 503 },
      ["network"] = { reason = "Altinn was not reached: …", kind = "network" },
      ["breaker:print"] = { cause = "breaker:print" }, ["unknown"] = {},
    } do
      assert.are.equal(cause, causes.of(failure))
    end
  end)

  it("is one line of UTF-8, masked, of at most 120 bytes, whatever the reason is", function()
    local draw = generator(11)
    for length = 0, 400, 3 do
      local bytes = {}
      for index = 1, length do bytes[index] = string.char(draw(256) - 1) end
      local cause = causes.of { kind = "error", reason = table.concat(bytes) }
      assert.is_true(#cause > 0 and #cause <= 120 and core.is_utf8(cause))
      assert.is_nil(cause:find("%c"))
    end
    assert.are.equal(120, #causes.of { kind = "error", reason = ("word "):rep(100) .. "x" })
    assert.is_nil(causes.of { cause = "of 08895699684" }:find("08895699684", 1, true))
    assert.is_nil(causes.of { kind = "error", reason = "/srv/08895699684.lua:7: no" }:find("08895699684", 1, true))
    for _, value in ipairs { true, 5, "%d %s" } do
      assert.is_string(causes.of { kind = "error", reason = value })
      assert.is_string(causes.of { kind = value })
    end
  end)

  it("takes no longer for a whole page of text than for a sentence", function()
    local page, began = ("x"):rep(100000), os.clock()
    for _, failure in ipairs {
      { kind = "fail", reason = page }, { kind = "error", reason = "paper.lua:1: " .. page }, { cause = page },
      { kind = "fail", reason = ("/"):rep(100000) },
    } do
      assert.are.equal(120, #causes.of(failure))
    end
    assert.is_true(os.clock() - began < 1)
  end)

  it("comes with every retry and every dead letter", function()
    local run = { failures = 0, age = 0, waited = 0 }
    for _, case in ipairs {
      { {}, { reason = "target 'print' answered 422", kind = 422, target = "print" }, "dead", "print answered 422" },
      { {}, { reason = "target 'print' answered 503", kind = 503, target = "print" }, "retry", "print answered 503" },
      { { retry = { attempts = 1 } }, { reason = "a.lua:1: x 17", kind = "error" }, "dead", "a.lua:1: x #" },
      { {}, { reason = "the inbox does not store", kind = "host" }, "retry", "the inbox does not store" },
    } do
      local outcome = policy.failed(case[1], run, case[2], function() return 0 end)
      assert.are.same({ case[3], case[4] }, { outcome.state, outcome.cause })
    end
    local outcome = policy.wished({ ladder = 60 }, { after = 4711, reason = "x" })
    assert.are.same({ "dead", "it cannot wait so long" }, { outcome.state, outcome.cause })
  end)
end)
