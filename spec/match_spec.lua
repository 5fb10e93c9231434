-- The matcher against a naive one, over random heads and events.
local events = require "altinn.events"

local function event(attributes)
  local all = { specversion = "1.0", id = "1", source = "/x", type = "t" }
  for name, value in pairs(attributes) do all[name] = value end
  return assert(events.parse(assert(events.encode(all))))
end

describe("a matcher", function()
  it("finds heads by short names, stars and short forms", function()
    local m = events.matcher()
    m:add("one", { on = "correspondencepurged", when = { resource = "acme-letters", recipient = "987654321" } })
    m:add("all", { on = "correspondence*" })
    m:add("any", { on = "*", when = { subject = events.no { "a", "b" } } })
    local e = event {
      type = "no.altinn.correspondence.correspondencepurged", resource = "urn:altinn:resource:acme-letters",
      subject = "urn:altinn:organization:identifier-no:987654321" }
    assert.are.same({ "one", "all", "any" }, m:match(e))
    assert.is_true(m:remove("all"))
    assert.are.same({ "one", "any" }, m:match(e))
    assert.is_false(m:remove("all"))
  end)

  it("explains each condition", function()
    local m = events.matcher()
    m:add("one", { on = "correspondencepurged", when = { subject = events.prefix "/party/" } })
    local matched, conditions = m:explain(event { type = "no.altinn.correspondence.correspondencepurged" }, "one")
    assert.is_false(matched)
    assert.are.equal("type", conditions[1].attribute)
    assert.is_true(conditions[1].holds)
    assert.is_false(conditions[2].holds)
    assert.are.equal("/party/*", conditions[2].wants)
  end)

  it("refuses a misspelt type with the nearest right one", function()
    local ok, message = pcall(function() events.matcher():add("x", { on = "correspondencepubished" }) end)
    assert.is_false(ok)
    assert.is_truthy(message:find("correspondencepublished", 1, true))
  end)

  it("agrees with a naive matcher", function()
    math.randomseed(42)
    local texts = { "a", "ab", "abc", "b", "ba", "c", "1", "true" }
    local function text() return texts[math.random(#texts)] end
    local function condition()
      local kind = math.random(7)
      if kind == 1 then return text(), function(v) return v end end
      if kind == 2 then return { text(), text(), events.prefix(text()) } end
      if kind == 3 then return events.prefix(text()) end
      if kind == 4 then return events.absent end
      if kind == 5 then return events.present end
      if kind == 6 then return events.no { text(), text() } end
      return events.no(events.prefix(text()))
    end
    local function one_holds(want, value)
      if want == events.absent then return value == nil end
      if want == events.present then return value ~= nil end
      if type(want) == "string" then return value == want end
      if want.kind == "prefix" then return value ~= nil and value:sub(1, #want.value) == want.value end
      if want.kind == "no" then return value == nil or not one_holds(want.value, value) end
      for _, alternative in ipairs(want) do if one_holds(alternative, value) then return true end end
      return false
    end
    local m, heads = events.matcher(), {}
    for i = 1, 500 do
      local when = {}
      for _, name in ipairs { "x", "y", "z" } do if math.random(2) == 1 then when[name] = condition() end end
      heads[i] = when
      m:add(tostring(i), { on = "*", when = when })
    end
    for i = 1, 500, 7 do
      m:remove(tostring(i))
      heads[i] = false
    end
    for _ = 1, 300 do
      local values = {}
      for _, name in ipairs { "x", "y", "z" } do if math.random(3) > 1 then values[name] = text() end end
      local want = {}
      for i = 1, 500 do
        local holds = heads[i] and true or false
        for name, condition_of in pairs(heads[i] or {}) do holds = holds and one_holds(condition_of, values[name]) end
        if holds then want[#want + 1] = tostring(i) end
      end
      assert.are.same(want, m:match(event(values)))
    end
  end)
end)

describe("events.on", function()
  local seen, handler

  before_each(function()
    seen = {}
    handler = events.on("correspondencepurged", { resource = "acme-letters" }, function(one, ...)
      seen[#seen + 1] = one.id
      return "done", ...
    end)
  end)

  it("calls the function with the events that it wants", function()
    local wanted = event {
      type = events.types.correspondencepurged.type, resource = "urn:altinn:resource:acme-letters" }
    assert.are.same({ true, "done", 5 }, { handler(wanted, 5) })
    assert.are.same({ true, "done" }, { handler(events.totable(wanted)) })
    assert.is_false(handler(event { type = "t", resource = "urn:altinn:resource:acme-letters" }))
    assert.is_false(handler(event { type = wanted.type, resource = "urn:altinn:resource:other" }))
    assert.are.same({ "1", "1" }, seen)
  end)

  it("needs no conditions, and tells what is no event", function()
    assert.is_true(events.on("*", function() end)(event {}))
    local wanted, message, code = handler { id = "1" }
    assert.is_nil(wanted)
    assert.is_string(message)
    assert.are.equal("not_cloudevent", code)
  end)

  it("raises when it is misused", function()
    for _, words in ipairs { { "*" }, { "*", {} }, { "*", {}, 5 }, { "correspondencepurgd", print },
      { "*", { X = 1 }, print }, { 5, print } } do
      local ok, message = pcall(events.on, words[1], words[2], words[3])
      assert.is_false(ok)
      assert.is_string(message)
    end
  end)
end)
