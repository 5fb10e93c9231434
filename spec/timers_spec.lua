-- Timers, by a plain list that is sorted: what comes out, and when.
local timers = require "altinn.events.support.timers"

describe("timers", function()
  it("come by time, those of one time in the order in which they were made", function()
    local seed = 7
    local function random(most)
      seed = (seed * 16807) % 2147483647
      return seed % most + 1
    end
    local own, list, got = timers.new(), {}, {}
    for number = 1, 2000 do
      local at = random(300)
      local timer = own:add(at, function() got[#got + 1] = number end)
      list[number] = { at = at, number = number, timer = timer }
    end
    for number = 1, 2000, 3 do
      if number % 2 == 0 then own:cancel(list[number].timer) else list[number].timer.call = nil end
      list[number].gone = true
    end
    table.sort(list, function(a, b) return a.at < b.at or a.at == b.at and a.number < b.number end)
    local wanted = {}
    for _, one in ipairs(list) do
      if not one.gone then wanted[#wanted + 1] = one.number end
    end
    for now = 0, 300 do
      local call = own:take(now)
      while call do
        call()
        call = own:take(now)
      end
      assert.is_true(own:next() == nil or own:next() > now)
    end
    assert.are.same(wanted, got)
  end)

  it("that are cancelled do not pile up", function()
    local own = timers.new()
    own:add(1, print)
    for number = 2, 10000 do own:cancel(own:add(number, print)) end
    assert.is_true(own.count < 200, own.count)
    own:cancel(nil)
    assert.are.equal(print, own:take(1))
    assert.is_nil(own:take(1e9))
    assert.is_nil(own:next())
  end)

  it("that are newer than wanted wait, and are not lost", function()
    local own, got = timers.new(), {}
    own:add(1, function() got[#got + 1] = "old" end)
    local last = own.order
    own:add(0, function() got[#got + 1] = "new" end)
    own:take(5, last)()
    assert.is_nil(own:take(5, last))
    own:take(5)()
    assert.are.same({ "old", "new" }, got)
  end)
end)
