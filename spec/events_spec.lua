local cjson = require "cjson"
local events = require "altinn.events"

local published = '{"specversion":"1.0","id":"0b6f6a1e-6d1f-4c4f-9a3b-0c1d2e3f4a5b",' ..
  '"type":"no.altinn.correspondence.correspondencepublished","time":"2026-08-20T07:22:19.4380391Z",' ..
  '"resource":"urn:altinn:resource:example-letters","resourceinstance":"0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f",' ..
  '"subject":"urn:altinn:organization:identifier-no:987654321","alternativesubject":"/organisation/987654321",' ..
  '"source":"https://platform.tt02.altinn.no/correspondence/api/v1/correspondence"}'

local validation = '{"specversion":"1.0","id":"694caa35-8b25-4cd7-b800-f6eeb93c56ed",' ..
  '"source":"https://platform.altinn.no/events/api/v1/subscriptions/1234",' ..
  '"type":"platform.events.validatesubscription"}'

local function with(members)
  return ('{"specversion":"1.0","id":"1","source":"/x","type":"t"%s}'):format(members)
end

describe("events.parse", function()
  it("reads attributes by name, read-only", function()
    local event = assert(events.parse(published))
    assert.are.equal("no.altinn.correspondence.correspondencepublished", event.type)
    assert.are.equal("urn:altinn:resource:example-letters", event.resource)
    assert.is_nil(event.nosuch)
    assert.is_nil(event.data)
    assert.has_error(function() event.type = "x" end)
  end)

  it("takes the validation event, which has four attributes", function()
    assert.is_true(events.describe(assert(events.parse(validation))).validation)
  end)

  it("decodes escapes before it judges, also in the time", function()
    local event = assert(events.parse(with
      ',"time":"2026-08-20T09:22:19\\u002B02:00","n\\u0061me":"bl\\u00e5\\ud83d\\ude00"'))
    assert.are.equal("2026-08-20T09:22:19+02:00", event.time)
    assert.are.equal("blå😀", event.name)
    assert.are.same({ 1787210539, 0 }, { events.time(event) })
  end)

  it("tells all faults, not only the first", function()
    local event, message, code, detail = events.parse('{"specversion":"1.0","id":"","source":"a b","time":"now","X":1}')
    assert.is_nil(event)
    assert.is_string(message)
    assert.are.equal("invalid", code)
    local named = {}
    for _, fault in ipairs(detail.faults) do named[fault.attribute] = true end
    assert.are.same({ id = true, source = true, time = true, type = true, X = true }, named)
  end)

  it("tells where malformed JSON breaks", function()
    local _, _, code, detail = events.parse('{"id":}')
    assert.are.equal("syntax", code)
    assert.are.equal(7, detail.position)
  end)

  it("raises on an option that it does not know", function()
    assert.has_error(function() events.parse(published, { max_byte = 1 }) end)
    assert.are.equal("too_large", select(3, events.parse(published, { max_bytes = 100 })))
  end)

  it("gives events that outlive the text they were read from", function()
    local list = {}
    for i = 1, 2000 do
      -- Without escapes, with escapes, as part of a batch, from a body.
      local id = ("%d-%s"):format(i, ("x"):rep(60))
      local text = ('{"specversion":"1.0","id":"%s","source":"/%d","type":"t"}'):format(id, i)
      list[#list + 1] = { id, assert(events.parse(text .. " ")) }
      list[#list + 1] = { id, assert(events.parse((text:gsub("%-", "\\u002d")))) }
      list[#list + 1] = { id, assert(events.parse_batch("[" .. text .. "," .. text .. "]"))[2] }
      list[#list + 1] = { id, assert(events.from_http(
        { ["content-type"] = "application/cloudevents+json" }, text .. "\n"))[1] }
      if i % 200 == 0 then collectgarbage() end
    end
    collectgarbage()
    for _, pair in ipairs(list) do assert.are.equal(pair[1], pair[2].id) end
  end)

  it("leaves the text as it was", function()
    local text = [[{"specversion":"1.0","id":"\u0041","source":"/","type":"t","data":"\n"}]]
    local before = text:sub(1, 20) .. text:sub(21)  -- a string of its own
    assert.are.equal("A", assert(events.parse(text)).id)
    assert.are.equal(before, text)
    assert.are.equal("A", assert(events.parse(text)).id)
  end)

  it("keeps octets with NUL", function()
    assert.are.equal("a\0b", assert(events.parse(with ',"data_base64":"YQBi"')).data)
    assert.are.equal("a\0b", assert(events.parse(with ',"data":"a\\u0000b"')).data)
  end)
end)

describe("payloads", function()
  it("hold integers exactly, as text where the Lua has no such number", function()
    local function value(text) return assert(events.parse(with(',"data":' .. text))).data end
    for _, text in ipairs { "0", "-1", "9007199254740992", "-9007199254740992" } do
      assert.are.equal(tonumber(text), value(text))
    end
    for _, text in ipairs { "9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808" } do
      assert.are.equal(math.tointeger and tonumber(text) or text, value(text))
    end
    for _, text in ipairs { "9223372036854775808", "-9223372036854775809", "18446744073709551623",
      ("1"):rep(100) } do
      assert.are.equal(text, value(text))
    end
    assert.are.equal(1e300, value "1e300")
    assert.are.equal(0.5, value "0.5")
  end)

  it("keep integers, nulls and empty arrays", function()
    local event = assert(events.parse(with ',"data":{"n":9007199254740991,"z":null,"a":[],"o":{},"f":1.5}'))
    local data = event.data
    assert.are.equal(9007199254740991, data.n)
    assert.are.equal(events.null, data.z)
    assert.are.equal(cjson.null, data.z)
    local again = assert(events.parse(assert(events.encode(events.totable(event)))))
    assert.are.same(data, again.data)
    assert.is_truthy(events.encode(events.totable(event)):find('"a":[]', 1, true))
    assert.is_truthy(events.encode(events.totable(event)):find('"o":{}', 1, true))
  end)
end)

describe("events.encode", function()
  it("asks a table for its own payload, once", function()
    local asked = 0
    local odd = setmetatable({ specversion = "1.0", id = "1", source = "/", type = "t" }, { __index = function(_, name)
      if name ~= "data_base64" then return nil end
      asked = asked + 1
      return asked == 1 and "" or ("A"):rep(4000000)
    end })
    for _ = 1, 3 do
      local text = assert(events.encode(odd))
      assert(#text < 200)
    end
  end)

  it("gives text that reads as the same event", function()
    local event = assert(events.parse(published))
    assert.are.same(events.totable(event), events.totable(assert(events.parse(assert(events.encode(event))))))
  end)

  it("judges tables as it judges text", function()
    local ok, _, code, detail = events.validate { specversion = "1.0", id = "1", source = "/x", type = "t", Bad = 1 }
    assert.is_nil(ok)
    assert.are.equal("invalid", code)
    assert.are.equal("Bad", detail.attribute)
    assert.is_true(events.validate { specversion = "1.0", id = "1", source = "/x", type = "t", number = 5 })
  end)

  it("writes batches", function()
    local event = assert(events.parse(published))
    assert.are.equal(2, #assert(events.parse_batch(assert(events.encode_batch { event, events.totable(event) }))))
  end)
end)

describe("events.from_http", function()
  it("reads what Altinn sends", function()
    local list = assert(events.from_http({ ["content-type"] = "application/json; charset=utf-8" }, published))
    assert.are.equal(1, #list)
  end)

  it("refuses other media types", function()
    assert.are.equal("unsupported", select(3, events.from_http({ ["Content-Type"] = "text/plain" }, published)))
  end)
end)

describe("events.describe", function()
  it("says what an event means", function()
    local meaning = events.describe(assert(events.parse(published)))
    assert.are.equal("correspondencepublished", meaning.name)
    assert.are.equal("correspondence", meaning.publisher)
    assert.are.equal("0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", meaning.letter)
    assert.are.same({ kind = "organisation", number = "987654321" }, meaning.party)
    assert.are.equal("recipient", meaning.addressed_to)
    assert.are.equal("tt02", meaning.environment)
    assert.is_true(meaning.known)
  end)
end)

describe("events.types", function()
  it("raises on a misspelt name, with the nearest right one", function()
    assert.are.equal("no.altinn.correspondence.correspondencepurged", events.types.correspondencepurged.type)
    local ok, message = pcall(function() return events.types.correspondencepublihsed end)
    assert.is_false(ok)
    assert.is_truthy(message:find("correspondencepublished", 1, true))
  end)
end)

describe("masking", function()
  it("hides identity numbers and nothing else", function()
    assert.are.equal("/person/***********", events.mask("/person/12345678901"))
    assert.are.equal("****** *****", events.mask("123456 78901"))
    assert.are.equal("987654321 123456789012", events.mask("987654321 123456789012"))
    local event = assert(events.parse(with ',"subject":"urn:altinn:person:identifier-no:12345678901"'))
    assert.is_nil(tostring(event):find("12345678901", 1, true))
  end)
end)

describe("tostring", function()
  it("takes extensions of any type", function()
    assert.are.equal("CloudEvent t 1 about true for false",
      tostring(assert(events.parse(with ',"resourceinstance":true,"alternativesubject":false'))))
    assert.are.equal("CloudEvent t 1 about -5", tostring(assert(events.parse(with ',"resourceinstance":-5'))))
  end)
end)
