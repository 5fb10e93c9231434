-- Calls all of the module that needs no network; gives a function that does.
local events = require "altinn.events"

local GOOD = '{"specversion":"1.0","id":"1","source":"/x","type":"no.altinn.correspondence.correspondencepublished",' ..
  '"subject":"urn:altinn:person:identifier-no:12345678901","n":5,"b":true,"e":"\\u00e5",' ..
  '"data":{"a":[1,2.5,null,"\\ud83d\\ude00"],"o":{}}}'
local BAD = '{"specversion":"1.0","id":"","source":"a b","time":"now","X":1}'
local many = {}
for i = 1, 70 do many[i] = ('"a%d":"x"'):format(i) end
local WIDE = '{"specversion":"1.0","id":"1","source":"/","type":"t",' .. table.concat(many, ",") .. "}"

-- What fails for want of memory raises; what is nil then is a defect.
local function reading()
  local event = assert(events.parse(GOOD))
  assert(event.e == "\195\165" and event.n == 5 and event.data.a[4] == "\240\159\152\128")
  assert(events.parse(WIDE).a70 == "x")
  local none, _, code, detail = events.parse(BAD, { max_bytes = 1000, max_depth = 10 })
  assert(none == nil and code == "invalid" and #detail.faults == 5)
  assert(#events.parse_batch("[" .. GOOD .. "," .. WIDE .. "]") == 2)
  assert(select(3, events.parse_batch("[" .. GOOD .. "," .. BAD .. "]")) == "invalid")
  assert(#events.from_http({ ["Content-Type"] = { "application/json" } }, GOOD) == 1)
  local binary = { ["ce-specversion"] = "1.0", ["ce-id"] = "1", ["ce-source"] = "/", ["ce-type"] = "%74" }
  assert(events.from_http(binary, "\0")[1].type == "t")
  return event
end

local function writing(event)
  assert(events.parse(events.encode(event)).id == "1")
  local plain = events.totable(event)
  assert(events.encode(plain) and events.validate(plain))
  plain.data = "\255"
  assert(events.parse(events.encode(plain)).data == "\255")
  assert(events.encode_batch { event, plain })
  plain.source = nil
  assert(select(3, events.encode(plain)) == "invalid")
  assert(events.time(event) == nil and events.describe(event).party.kind == "person")
  assert(tostring(event):find(("%*"):rep(11)))
  assert(events.mask("12345678901") == "***********" and events.reveal("x", "why") == "x")
  assert(not pcall(function() return events.types.nothing end))
end

local kept = events.matcher()  -- changed while memory ends, too

local function matching(event)
  for _, matcher in ipairs { events.matcher(), kept } do
    for i = 1, 5 do
      matcher:add("head" .. i, { on = "correspondence*", when = {
        id = { "1", "2", events.prefix "3" }, n = i % 2 == 0 and events.present or "5", zz = events.absent,
        subject = events.no(events.prefix("x" .. i)) } })
    end
    assert(#matcher:match(event) == 5)
    assert(matcher:explain(event, "head3"))
    for i = 1, 5 do assert(matcher:remove("head" .. i)) end
    assert(#matcher:match(event) == 0)
  end
  local handle = events.on("correspondencepublished", function(one) return one.id end)
  assert(select(2, handle(event)) == "1")
end

return function()
  local event = reading()
  writing(event)
  matching(event)
end
