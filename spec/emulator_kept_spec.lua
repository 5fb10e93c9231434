-- What an emulator knows, taken up by another one.
local inside = require "altinn.events.emulator.inside"
local kept = require "altinn.events.emulator.kept"

local BEGAN = 1766480400

describe("what an emulator knows", function()
  local now, timers, pushed

  local function due()
    local list = {}
    for at = #timers, 1, -1 do
      if timers[at].at <= now then table.insert(list, 1, table.remove(timers, at)) end
    end
    for _, one in ipairs(list) do one.call() end
    return #list > 0
  end

  local function new()
    return inside.new {
      now = function() return now end,
      after = function(seconds, call)
        timers[#timers + 1] = { at = now + seconds, call = call }
        return timers[#timers]
      end,
      forget = function(timer) timer.call = function() end end,
      post = function(request, done)
        pushed[#pushed + 1] = request.body
        done { status = 200, headers = {} }
      end,
    }
  end

  local function pass(seconds)
    now = now + seconds
    while due() do end
  end

  local function count(name)
    local found = 0
    for _, body in ipairs(pushed) do found = found + (body:find(name, 1, true) and 1 or 0) end
    return found
  end

  before_each(function() now, timers, pushed = BEGAN, {}, {} end)

  local function letter(emulator, more)
    local values = { resource = "acme-letters" }
    for name, value in pairs(more or {}) do values[name] = value end
    return assert(emulator:control("POST", "/letters", values))
  end

  -- Another emulator with all that the first one knows; the timers of the first are gone, as its process is.
  local function successor(emulator, still)
    local text = kept.text(emulator)
    timers, pushed = {}, {}
    local other = new()
    kept.take(other, assert(kept.read(text)), still)
    return other
  end

  it("is there again: letters with attachments, events, subscriptions", function()
    local one = new()
    assert(one:control("POST", "/subscriptions", { endPoint = "http://127.0.0.1:1/events",
      resourceFilter = "acme-letters" }))
    local made = letter(one, { title = "Blå \0 tittel", idempotentKey = "0198C3A2-7B1D-7C55-8F0E-2A4B6C8D0E1F",
      attachments = { { fileName = "a.txt", content = "hello" } } })
    pass(5)
    assert(one:control("POST", ("/letters/%s/read"):format(made.id), {}))
    local before = { one:control("GET", "/letters/" .. made.id), one:control("GET", "/events"),
      one:control("GET", "/subscriptions") }
    local two = successor(one)
    assert.are.same(before, { two:control("GET", "/letters/" .. made.id), two:control("GET", "/events"),
      two:control("GET", "/subscriptions") })
    assert.are.same(kept.read(kept.text(one)), kept.read(kept.text(two)))
  end)

  it("goes on: what was to be published, a due date, a confirmation; each once", function()
    local one = new()
    assert(one:control("POST", "/subscriptions", { endPoint = "http://127.0.0.1:1/events",
      resourceFilter = "acme-letters" }))
    letter(one, { requestedPublishTime = "2025-12-25T00:00:00Z" })
    letter(one, { dueDateTime = "2025-12-24T00:00:00Z" })
    local read = letter(one)
    pass(5)
    assert(one:control("POST", ("/letters/%s/confirm"):format(read.id), {}))
    local two = successor(one)
    pass(3 * 86400)
    assert.are.equal(1, count "correspondencepublished")
    assert.are.equal(1, count "neverread")
    assert.are.equal(1, count "receiverconfirmed")
    local three = successor(two)
    pass(3 * 86400)
    assert.are.equal(0, count "neverread" + count "receiverconfirmed" + count "correspondencepublished")
    assert.are.equal(3, #three:control("GET", "/letters").letters)
    successor(one, true)
    pass(30 * 86400)
    assert.are.same({}, pushed)
  end)

  it("says what is no text of it", function()
    for _, text in ipairs { "", "{}", "[", '{"version":2,"nodes":[]}', '{"version":1,"nodes":[]}',
      '{"version":1,"nodes":[{"names":[{"s":"letters"}],"values":[{"t":7}]}]}' } do
      local known, message = kept.read(text)
      assert.is_nil(known)
      assert(#message > 10)
    end
  end)
end)
