-- What the core judges, through the module: times, addresses, parties, numbers, the catalogue, HTTP, batches.
local events = require "altinn.events"

local function with(members, replaced)
  local base = { '"specversion":"1.0"', '"id":"1"', '"source":"/x"', '"type":"t"' }
  for index, text in pairs(replaced or {}) do base[index] = text end
  return "{" .. table.concat(base, ",") .. (members ~= "" and "," .. members or "") .. "}"
end

local function parse(members) return events.parse(with(members)) end

-- The code and the attribute of what is refused.
local function refused(text)
  local event, message, code, detail = events.parse(text)
  assert.is_nil(event, text)
  assert.is_string(message)
  return code, detail and detail.attribute, message
end

describe("times", function()
  local function time(text)
    local event = parse(('"time":"%s"'):format(text))
    if not event then return nil end
    assert.are.equal(text, event.time)
    return events.time(event)
  end

  it("are seconds and nanoseconds since 1970", function()
    local cases = {
      ["1970-01-01T00:00:00Z"] = { 0, 0 }, ["1969-12-31T23:59:59Z"] = { -1, 0 },
      ["2026-08-20T07:22:19.4380391Z"] = { 1787210539, 438039100 },
      ["2026-08-20T07:22:19.1Z"] = { 1787210539, 100000000 },
      ["2026-08-20T07:22:19.123456789999Z"] = { 1787210539, 123456789 },
      ["2026-08-20T09:22:19+02:00"] = { 1787210539, 0 }, ["2026-08-20T01:52:19-05:30"] = { 1787210539, 0 },
      ["2026-08-20t07:22:19z"] = { 1787210539, 0 }, ["2026-08-20T07:22:19-00:00"] = { 1787210539, 0 },
      ["2000-02-29T00:00:00Z"] = { 951782400, 0 }, ["2024-02-29T12:00:00Z"] = { 1709208000, 0 },
      ["0001-01-01T00:00:00Z"] = { -62135596800, 0 }, ["9999-12-31T23:59:59Z"] = { 253402300799, 0 },
      ["0000-03-01T00:00:00Z"] = { -62162035200, 0 },
    }
    for text, wanted in pairs(cases) do assert.are.same(wanted, { time(text) }, text) end
  end)

  it("agree with the library of the system, day by day", function()
    for day = -40000, 60000, 37 do
      local seconds = day * 86400 + (day * 7919) % 86400
      assert.are.equal(seconds, (time(os.date("!%Y-%m-%dT%H:%M:%SZ", seconds))))
    end
  end)

  it("may hold a leap second where one can be", function()
    assert.are.same({ 1483228799, 999999999 }, { time "2016-12-31T23:59:60Z" })
    assert.are.same({ 1483228799, 999999999 }, { time "2017-01-01T00:59:60+01:00" })
    assert.is_nil(time "2016-12-30T23:59:60Z")
    assert.is_nil(time "2016-12-31T22:59:60Z")
    assert.is_nil(time "2016-12-31T23:59:61Z")
  end)

  it("that do not exist are refused, as the attribute's fault", function()
    for _, text in ipairs { "", "now", "2026-08-20", "2026-08-20T07:22Z", "2026-08-20 07:22:19Z", "2026-08-20T07:22:19",
      "2026-08-20T07:22:19.Z", "2026-08-20T07:22:19+02", "2026-08-20T07:22:19+0200", "2026-08-20T07:22:19+24:00",
      "2026-08-20T07:22:19+01:60", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
      "2026-04-31T00:00:00Z", "2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
      "2026-01-01T00:60:00Z", "26-01-01T00:00:00Z", "2026-1-1T00:00:00Z", "+2026-01-01T00:00:00Z",
      "2026-08-20T07:22:19Z ", " 2026-08-20T07:22:19Z", "2026-08-20T07:22:19,5Z", "2026-08-20T07:22:019Z",
      "2026/08/20T07:22:19Z", "2O26-08-20T07:22:19Z" } do
      local code, attribute = refused(with(('"time":"%s"'):format(text)))
      assert.are.equal("invalid", code, text)
      assert.are.equal("time", attribute)
    end
    assert.are.equal("time", (select(2, refused(with '"time":1787210539'))))
  end)

  it("may be left out", function()
    assert.is_nil((events.time(assert(parse '"a":"b"'))))
    assert.is_nil((events.time(assert(parse '"time":null'))))
  end)

  it("of a table are read too, and bad input is a value", function()
    assert.are.equal(0, (events.time { specversion = "1.0", id = "1", source = "/", type = "t",
      time = "1970-01-01T00:00:00Z" }))
    local seconds, message, code = events.time { specversion = "1.0" }
    assert.is_nil(seconds)
    assert.is_string(message)
    assert.are.equal("invalid", code)
  end)
end)

describe("addresses:", function()
  local function source(text) return events.parse(with("", { [3] = ('"source":"%s"'):format(text) })) end

  it("a source is a URI reference that is not empty", function()
    for _, text in ipairs { "/", "x", "a/b:c", "./a:b", "//host", "urn:altinn:x", "https://user@host:80/a?b#c",
      "?q", "#f", "https://[::1]/", "https://[2001:db8::1.2.3.4]:443/a", "mailto:a@b.no", "%41", "a'b(c)*+,;=",
      "https://host:/" } do
      assert(source(text), text)
    end
    for _, text in ipairs { "", "a b", "a:b c", "1a:b", "%4", "%zz", "a<b", "a|b", "a^b", "å", "https://[::1",
      "https://[x]/", "https://ho st/", "https://host:8x/", "#a#b", "a\\\\b", "a\\u0000b", "a[b" } do
      local event, _, code, detail = source(text)
      assert.is_nil(event, text)
      assert.are.equal("invalid", code)
      assert.are.equal("source", detail.attribute)
    end
  end)

  it("a dataschema has a scheme", function()
    assert(parse '"dataschema":"https://example.no/schema"')
    for _, text in ipairs { "/schema", "", "schema", "//host/x", "1:x" } do
      local code, attribute = refused(with(('"dataschema":"%s"'):format(text)))
      assert.are.equal("invalid", code)
      assert.are.equal("dataschema", attribute)
    end
  end)
end)

describe("events.describe", function()
  local function describe_it(attributes)
    local all = { specversion = "1.0", id = "1", source = "/x", type = "t" }
    for name, value in pairs(attributes) do all[name] = value end
    return assert(events.describe(all))
  end

  it("reads parties in all their forms", function()
    local cases = {
      ["urn:altinn:organization:identifier-no:987654321"] = { kind = "organisation", number = "987654321" },
      ["urn:altinn:organization:identifier-no:0192:987654321"] = { kind = "organisation", number = "987654321" },
      ["urn:altinn:person:identifier-no:12345678901"] = { kind = "person", number = "12345678901" },
      ["urn:altinn:person:idporten-email:a@b.no"] = { kind = "email", number = "a@b.no" },
      ["urn:altinn:person:legacy-selfidentified:ola"] = { kind = "self_identified", number = "ola" },
      ["urn:altinn:partyid:50002108"] = { kind = "party", number = "50002108" },
      ["urn:altinn:party:uuid:1-2"] = { kind = "uuid", number = "1-2" },
      ["/organisation/987654321"] = { kind = "organisation", number = "987654321" },
      ["/org/987654321"] = { kind = "organisation", number = "987654321" },
      ["/person/12345678901"] = { kind = "person", number = "12345678901" },
      ["/party/50002108"] = { kind = "party", number = "50002108" },
      ["urn:altinn:organization:identifier-no::987654321"] = { kind = "organisation", number = "987654321" },
      ["urn:altinn:person:idporten-email:ola%2Btest%40example.no"] =
        { kind = "email", number = "ola+test@example.no" },
      ["urn:altinn:person:legacy-selfidentified:Ola%20N%zz"] = { kind = "self_identified", number = "Ola N%zz" },
      ["urn:altinn:person:legacy-selfidentified:%ff"] = { kind = "self_identified", number = "%ff" },
      ["something else"] = { kind = "other" },
    }
    for subject, party in pairs(cases) do assert.are.same(party, describe_it({ subject = subject }).party, subject) end
    assert.is_nil(describe_it({}).party)
  end)

  it("takes the alternative subject when the subject does not name who", function()
    local both = { subject = "/party/50002108", alternativesubject = "/person/12345678901" }
    assert.are.same({ kind = "person", number = "12345678901" }, describe_it(both).party)
    assert.are.equal("organisation", describe_it({ alternativesubject = "/organisation/987654321" }).party.kind)
    assert.are.same({ kind = "party", number = "5" },
      describe_it({ subject = "/party/5", alternativesubject = "?" }).party)
  end)

  it("says what the event is about", function()
    local function about(type, instance)
      local meaning = describe_it { type = type, resourceinstance = instance or "i" }
      return { meaning.about, meaning.publisher, meaning.known, meaning.letter or meaning.attachment or meaning.order }
    end
    local letters = "no.altinn.correspondence."
    assert.are.same({ "letter", "correspondence", true, "i" }, about(letters .. "correspondencepublished"))
    assert.are.same({ "attachment", "correspondence", true, "i" }, about(letters .. "attachmentpublished"))
    assert.are.same({ "order", "correspondence", true, "i" }, about(letters .. "notificationcreated"))
    assert.are.same({ "letter", "correspondence", false, "i" }, about(letters .. "correspondencenewthing"))
    assert.are.same({ "transfer", "broker", true }, about "no.altinn.broker.published")
    assert.are.same({ "dialog", "dialogporten", true }, about "dialogporten.dialog.created.v1")
    assert.are.same({ "instance", "app", true }, about("app.instance.created", "1/2"))
    assert.are.same({ nil, "other", false }, about "com.example.thing")
  end)

  it("knows the validation event and the subscription's number", function()
    local meaning = describe_it { type = "platform.events.validatesubscription",
      source = "https://platform.altinn.no/events/api/v1/subscriptions/1234" }
    assert.is_true(meaning.validation)
    assert.are.equal("subscription", meaning.about)
    assert.are.equal("1234", meaning.id)
    assert.is_false(describe_it({}).validation)
  end)

  it("knows the environments, and is not taken in by other hosts", function()
    local cases = {
      ["https://platform.altinn.no/x"] = "production", ["https://platform.tt02.altinn.no/x"] = "tt02",
      ["https://platform.at22.altinn.cloud/x"] = "at22", ["https://ttd.apps.altinn.no/ttd/app"] = "production",
      ["https://ttd.apps.tt02.altinn.no/ttd/app"] = "tt02", ["https://platform.altinn.no"] = "production",
    }
    for source, environment in pairs(cases) do
      assert.are.equal(environment, describe_it({ source = source }).environment, source)
    end
    for _, source in ipairs { "/x", "https://evilplatform.altinn.no/x", "https://platform.altinn.no.evil.example/",
      "https://example.no/platform.altinn.no/", "http://platform.altinn.no/x", "urn:platform.altinn.no",
      "https://evil.example?platform.altinn.no", "https://evil.example#platform.altinn.no",
      "https://evil.example?.platform.altinn.no", "https://evil.example#.platform.altinn.no" } do
      assert.is_nil(describe_it({ source = source }).environment, source)
    end
  end)
end)

describe("masking", function()
  it("keeps the length and hides each number of eleven digits", function()
    local cases = {
      [""] = "", ["12345678901"] = "***********", ["a12345678901b"] = "a***********b",
      ["12345678901 and 10987654321"] = "*********** and ***********",
      ["123456-78901"] = "******-*****", ["1234567890"] = "1234567890", ["123456789012"] = "123456789012",
      ["12345 678901"] = "12345 678901", ["987654321"] = "987654321",
      ["x\0" .. "12345678901\0"] = "x\0" .. "***********\0",
      ["/person/12345678901/12345678901"] = "/person/***********/***********",
      -- Eleven digits that end a UUID are no number of a person.
      ["1b2bb676-08d2-426a-b51a-18316265292e"] = "1b2bb676-08d2-426a-b51a-18316265292e",
      ["id=3527da44-ebbe-42c1-8cc2-c26513884184;"] = "id=3527da44-ebbe-42c1-8cc2-c26513884184;",
      ["527da44-ebbe-42c1-8cc2-c26513884184"] = "527da44-ebbe-42c1-8cc2-c***********",
      ["3527da44-ebbe-42c1-8cc2-c26513884184f"] = "3527da44-ebbe-42c1-8cc2-c***********f",
      ["3527da44-ebbe-42c1-8cc2-26513884184"] = "3527da44-ebbe-42c1-8cc2-***********",
      ["3527da44-ebbe-42c1-8cc2-26513884184g"] = "3527da44-ebbe-42c1-8cc2-***********g",
      ["f3527da44-ebbe-42c1-8cc2-26513884184a"] = "f3527da44-ebbe-42c1-8cc2-***********a",
      ["3527da44-ebbe-42c1-8cc2-12345678901a 12345678901"] = "3527da44-ebbe-42c1-8cc2-12345678901a ***********",
    }
    for text, wanted in pairs(cases) do
      assert.are.equal(wanted, events.mask(text))
      assert.are.equal(#text, #events.mask(text))
    end
    assert.has_error(function() events.mask(nil) end)
    assert.has_error(function() events.mask(12345678901) end)
  end)

  it("hides numbers in groups, with separators of any kind", function()
    local nbsp, thin, dash = "\194\160", "\226\128\175", "\226\128\147"
    for _, text in ipairs { "010203 12345", "010203-12345", "010203.12345", "010203  12345", "010203 - 12345",
      "010203" .. nbsp .. "12345", "010203" .. thin .. "12345", "010203" .. dash .. "12345", "01 02 03 12345",
      "01.02.03-12345", "010203 123 45", "01 02 03 123 45", "010203_12345", "010203+12345", "010203%2012345",
      "010203%2D12345", "010203%C2%A012345", "010203\\u00a012345", "010203%2e12345" } do
      for _, around in ipairs { "%s", "x%sx", "urn:%s", "(%s)", "12 %s" } do
        local masked = events.mask((around:gsub("%%s", (text:gsub("%%", "%%%%")))))
        assert.are.equal(#around - 2 + #text, #masked)
        assert.is_nil(masked:find "%d.*03", masked)
        assert.are.equal(11, select(2, masked:gsub("%*", "")), masked)
      end
    end
  end)

  it("hides digits that are encoded, and no day of birth is left", function()
    local full = ("\239\188\144"):rep(11)
    for text, stars in pairs { ["%30%31020312345"] = 15, ["\\u0030\\u0031020312345"] = 21, ["0\\u0031020312345"] = 16,
      [full] = 33, ["%EF%BC%9001020312345"] = 0, ["%EF%BC%901020312345"] = 19, ["%2001020312345"] = 11,
      ["\\u00a001020312345"] = 11, ["01020312345"] = 11 } do
      local masked = events.mask(text)
      assert.are.equal(#text, #masked)
      assert.are.equal(stars, select(2, masked:gsub("%*", "")), text .. " " .. masked)
    end
  end)

  it("leaves what is no such number", function()
    for _, text in ipairs { "2026-08-20T07:22:19.4380391Z", "127.0.0.1:36973", "987 654 321 12", "987654321 12",
      "+47 22 33 44 55", "12345 678901", "010203    12345", "010203,12345", "010203/12345",
      "01 0203 12345", "0102 03 12345", "123456789 01", "010203 123456", "0102031 2345", "%3012", "100%", "%zz",
      "\\u00", "\\", "1724138539.43803", "10.20.30.40" } do
      assert.are.equal(text, events.mask(text))
    end
  end)

  it("holds for the summary and the messages of an event", function()
    for _, name in ipairs { "id", "subject", "alternativesubject", "resourceinstance", "type" } do
      local event = { specversion = "1.0", id = "1", source = "/", type = "t" }
      event[name] = "/person/12345678901"
      local summary = tostring(assert(events.parse(assert(events.encode(event)))))
      assert.is_nil(summary:find("12345678901", 1, true), name)
    end
    local _, _, message = refused(with('"time":"12345678901"'))
    assert.is_nil(message:find("12345678901", 1, true))
  end)

  it("is opened for a purpose, and told", function()
    local told
    finally(function() events.on_reveal = nil end)
    events.on_reveal = function(...) told = { ... } end
    assert.are.equal("/person/12345678901", events.reveal("/person/12345678901", "letter by post"))
    assert.are.same({ "/person/***********", "letter by post" }, told)
    assert.has_error(function() events.reveal "x" end)
    assert.has_error(function() events.reveal("x", "") end)
    assert.has_error(function() events.reveal(5, "why") end)
  end)
end)

describe("the catalogue", function()
  it("has each type once, with all that is known", function()
    local full, places, count = {}, {}, 0
    for name, entry in pairs(events.types) do
      count = count + 1
      assert.is_string(entry.type, name)
      assert.is_nil(full[entry.type])
      full[entry.type] = true
      assert.is_string(entry.about, name)
      assert.is_boolean(entry.raised, name)
      assert.is_boolean(entry.once, name)
      assert(#entry.summary > 5 and #entry.advice > 5, name)
      assert.is_nil(places[entry.place], name)
      places[entry.place] = name
      local meaning = assert(events.describe { specversion = "1.0", id = "1", source = "/", type = entry.type })
      assert.are.equal(name, meaning.name)
      assert.are.equal(entry.about, meaning.about)
      assert.are.equal(entry.addressed_to, meaning.addressed_to)
      assert.is_true(meaning.known)
    end
    assert.are.equal(24 + 1 + 23 + 8 + 3, count)
    assert.are.equal(count, #places)
  end)

  it("says whom, and whether it is raised", function()
    assert.are.equal("recipient", events.types.correspondencepublished.addressed_to)
    assert.are.equal("sender", events.types.correspondencereceiverread.addressed_to)
    assert.is_false(events.types.correspondencearchived.raised)
    assert.is_true(events.types.correspondencepublished.raised)
    assert.is_true(events.types.correspondencepublished.once)
  end)

  it("takes nothing for once in a letter's life that comes once an order", function()
    for _, name in ipairs { "failed", "allfailed", "delivered", "reminderdelivered", "creationfailed" } do
      assert.is_false(events.types["correspondencenotification" .. name].once, name)
    end
    assert.is_true(events.types.notificationcreated.once)  -- its thing is the order
  end)

  it("knows the activities of Dialogporten", function()
    local meaning = events.describe { specversion = "1.0", id = "1", source = "/",
      type = "dialogporten.dialog.activity.correspondence-opened.v1" }
    assert.is_true(meaning.known)
    assert.are.equal("dialogactivitycorrespondenceopened", meaning.name)
    assert.are.equal("dialog", events.types.dialogtransmissioncreated.about)
  end)

  it("suggests the type that has the words, then the one with the fewest edits", function()
    local core = require "altinn.events.core"
    for word, wanted in pairs {
      correspondenceneverread = "correspondencereceiverneverread", neverread = "correspondencereceiverneverread",
      correspondenceread = "correspondencereceiverread", read = "correspondencereceiverread",
      letterread = "correspondencereceiverread", notificationfailed = "correspondencenotificationfailed",
      published = "correspondencepublished", confirmed = "correspondencereceiverconfirmed",
      Unread = "correspondencereceiverneverread", ["letter_purged"] = "correspondencepurged",
      expired = "attachmentexpired", correspondencepublishd = "correspondencepublished",
      correspondencerecieverread = "correspondencereceiverread",
      ["no.altinn.correspondence.neverread"] = "no.altinn.correspondence.correspondencereceiverneverread",
    } do
      assert.are.equal(wanted, core.suggest(word), word)
    end
    -- Each name is made of words that the core knows: far more is before it than an edit would allow.
    for name in pairs(core.types()) do assert.are.equal(name, core.suggest(("-"):rep(30) .. name)) end
  end)

  it("an unknown name raises; far ones without a suggestion", function()
    for _, name in ipairs { "x", "zzzzzzzzzzzz", ("x"):rep(500), "" } do
      local ok, message = pcall(function() return events.types[name] end)
      assert.is_false(ok)
      assert.is_truthy(message:find("is no event type", 1, true))
      assert.is_nil(message:find("did you mean", 1, true))
    end
    assert.has_error(function() return events.types[5] end)
  end)
end)

describe("events.from_http", function()
  local body = with ""
  local json = { ["Content-Type"] = "application/cloudevents+json" }

  it("structured, in any case and with parameters", function()
    for _, kind in ipairs { "application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8",
      "application/json", "application/json;charset=utf-8", 'application/json; charset="utf-8"' } do
      for _, name in ipairs { "Content-Type", "content-type", "CONTENT-TYPE" } do
        local list, message = events.from_http({ [name] = kind }, body)
        assert(list, message)
        assert.are.equal(1, #list)
        assert.are.equal("t", list[1].type)
      end
    end
  end)

  it("batch, also an empty one", function()
    local kind = { ["content-type"] = "application/cloudevents-batch+json" }
    assert.are.equal(2, #assert(events.from_http(kind, "[" .. body .. "," .. body .. "]")))
    assert.are.equal(0, #assert(events.from_http(kind, "[]")))
    assert.is_nil((events.from_http(kind, body)))
    assert.is_nil((events.from_http(json, "[" .. body .. "]")))
  end)

  it("binary, with percent-encoded headers and any payload", function()
    local list = assert(events.from_http({
      ["ce-specversion"] = "1.0", ["CE-Id"] = "1", ["ce-source"] = "/x", ["ce-type"] = "t",
      ["ce-name"] = "bl%C3%A5 %22x%22", ["Content-Type"] = "text/plain", ["X-Other"] = "x",
    }, "a\0b"))
    assert.are.equal("blå \"x\"", list[1].name)
    assert.are.equal("a\0b", list[1].data)
    assert.are.equal("text/plain", list[1].datacontenttype)
    assert.is_nil(list[1].other)
    list = assert(events.from_http({ ["ce-specversion"] = "1.0", ["ce-id"] = "1", ["ce-source"] = "/x",
      ["ce-type"] = "t", ["content-type"] = "application/json" }, '{"a":[1,null]}'))
    assert.are.equal('{"a":[1,null]}', list[1].data)  -- the HTTP binding: the body is opaque
    local stored = assert(events.parse(assert(events.encode(list[1]))))
    assert.are.same({ a = { 1, events.null } }, stored.data)     -- and in a JSON text it is JSON
  end)

  it("binary without what an event needs is invalid", function()
    local list, message, code, detail = events.from_http({ ["ce-specversion"] = "1.0", ["ce-id"] = "1",
      ["content-type"] = "text/plain" }, "x")
    assert.is_nil(list)
    assert.is_string(message)
    assert.are.equal("invalid", code)
    local named = {}
    for _, fault in ipairs(detail.faults) do named[fault.attribute] = true end
    assert.are.same({ source = true, type = true }, named)
  end)

  it("what carries no event is unsupported", function()
    for _, headers in ipairs { {}, { ["Content-Type"] = "text/html" }, { ["Content-Type"] = "" },
      { ["Content-Type"] = "application/cloudevents+xml" }, { ["Content-Type"] = "application/jsonp" } } do
      assert.are.equal("unsupported", (select(3, events.from_http(headers, body))))
    end
  end)

  it("headers may come as lists; what is no table raises", function()
    assert(events.from_http({ ["Content-Type"] = { "application/json" } }, body))
    assert.has_error(function() events.from_http("application/json", body) end)
    assert.has_error(function() events.from_http(json, 5) end)
    assert.has_error(function() events.from_http(json, body, { max_byte = 1 }) end)
  end)

  it("an empty body is no event", function()
    for _, text in ipairs { "", " " } do
      local list, _, code = events.from_http(json, text)
      assert.is_nil(list)
      assert.are.equal("syntax", code)
    end
    assert.is_nil((events.from_http(json, nil)))
  end)

  it("keeps the bounds", function()
    assert.are.equal("too_large", (select(3, events.from_http(json, body, { max_bytes = #body - 1 }))))
    assert(events.from_http(json, body, { max_bytes = #body }))
  end)
end)

describe("batches", function()
  local function batch(...) return "[" .. table.concat({ ... }, ",") .. "]" end

  it("are lists in order", function()
    local list = assert(events.parse_batch(batch(with '"n":1', with '"n":2', with '"n":3')))
    assert.are.equal(3, #list)
    for index, event in ipairs(list) do assert.are.equal(index, event.n) end
    assert.are.same({}, events.parse_batch " [ ] ")
  end)

  it("are refused whole, and say which element", function()
    local list, message, code, detail = events.parse_batch(batch(with "", '{"specversion":"1.0"}', with ""))
    assert.is_nil(list)
    assert.is_string(message)
    assert.are.equal("invalid", code)
    assert.are.equal(2, detail.index)
    list, message, code, detail = events.parse_batch(batch(with "", with "", "5"))
    assert.is_nil(list)
    assert.is_string(message)
    assert.are.equal("not_cloudevent", code)
    assert.are.equal(3, detail.index)
  end)

  it("that are no array, or broken", function()
    for text, wanted in pairs { [with ""] = "not_cloudevent", ["5"] = "not_cloudevent", ["[" .. with ""] = "syntax",
      ["[,]"] = "syntax", [batch(with "") .. "x"] = "syntax", [""] = "syntax", ["[" .. with "" .. ",]"] = "syntax" } do
      local list, _, code = events.parse_batch(text)
      assert.is_nil(list, text)
      assert.are.equal(wanted, code, text)
    end
  end)

  it("are written as they are read, or say which element cannot be", function()
    local event = assert(parse '"n":1')
    local text = assert(events.encode_batch { event, { specversion = "1.0", id = "2", source = "/", type = "t" } })
    assert.are.equal("2", assert(events.parse_batch(text))[2].id)
    assert.are.equal("[]", events.encode_batch {})
    local made, message, code, detail = events.encode_batch { event, { specversion = "1.0", id = "2" } }
    assert.is_nil(made)
    assert.is_string(message)
    assert.are.equal("invalid", code)
    assert.are.equal(2, detail.index)
  end)
end)

describe("what is written can be read again:", function()
  local function made(fields)
    local event = { specversion = "1.0", id = "1", source = "/x", type = "t" }
    for name, value in pairs(fields) do event[name] = value end
    return events.encode(event)
  end

  it("payloads of any kind", function()
    for _, data in ipairs { "text", "å\"\\\n", 5, -1, 1.5, true, false, events.null, { 1, 2 }, { a = { b = {} } } } do
      local text = assert(made { data = data })
      assert.are.same(data, assert(events.parse(text)).data)
    end
    local octets = "\0\255\n"
    assert.are.equal(octets, assert(events.parse(assert(
      made { data = octets, datacontenttype = "application/octet-stream" }))).data)
  end)

  it("octets in Base64, whatever the media type", function()
    for _, media in ipairs { "application/json", false } do
      local text = assert(made { data = "a\255", datacontenttype = media or nil })
      assert.is_truthy(text:find('"data_base64":"Yf8="', 1, true))
      assert.are.equal("a\255", assert(events.parse(text)).data)
    end
  end)

  it("or is refused: text in a payload that is not UTF-8", function()
    for _, data in ipairs { { "\255" }, { a = "\195" }, { ["\255"] = 1 }, { "\237\160\128" } } do
      local ok, text = pcall(made, { data = data })
      assert(not ok or text == nil or events.parse(text), "text that nobody can read")
    end
  end)

  it("or is refused: attributes that are none", function()
    for name, value in pairs { x = {}, y = 1.5, z = "a\0b", Upper = "x", ["with-hyphen"] = "x", w = 2 ^ 40 } do
      local text, message, code = made { [name] = value }
      assert.is_nil(text, name)
      assert.is_string(message)
      assert.are.equal("invalid", code)
    end
    assert.has_error(function() events.encode("text") end)
    assert.has_error(function() events.encode(nil) end)
  end)
end)

describe("core: a payload that is nested deep", function()
  -- In a process of its own, whose stack is small: 128 KiB.
  local function deep(code)
    local lua = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match "%d%.%d"
    local pipe = io.popen(([[ulimit -s 128; LUA_PATH='%s' LUA_CPATH='%s' %s -e '%s' 2>&1; echo "rc=$?"]])
      :format(package.path, package.cpath, lua, code))
    local said = pipe:read "*a"
    pipe:close()
    return said
  end

  it("is read, or refused in a sentence, and costs no stack of the machine", function()
    local said = deep [[
      local events = require "altinn.events"
      local text = ("[{\"a\":"):rep(30000) .. "1" .. ("}]"):rep(30000)
      local head = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"t\",\"data\":"
      local event = assert(events.parse(head
        .. text .. "}", { max_bytes = 1000000, max_depth = 65000 }))
      local ok, value = pcall(function() return event.data end)
      local depth = 0
      while ok and type(value) == "table" do
        value, depth = value[1] or value.a, depth + 1
      end
      print(ok and depth or tostring(value):match "nested too deep")]]
    assert.truthy(said:find("^60000\nrc=0") or said:find("^nested too deep\nrc=0"), said)
  end)

  it("is written as deep as it can be read, and refused beyond", function()
    local said = deep [[
      local events = require "altinn.events"
      local function encode(depth)
        local data = {}
        local last = data
        for _ = 1, depth do
          last.a = {}
          last = last.a
        end
        return events.encode { specversion = "1.0", id = "1", source = "/x", type = "t", data = data }
      end
      print((events.parse(encode(490))) ~= nil)
      for _, depth in ipairs { 501, 990, 5000 } do
        local ok, message = pcall(encode, depth)
        print(ok, tostring(message):match "nested more than 500 deep")
      end]]
    assert.are.equal("true\n" .. ("false\tnested more than 500 deep\n"):rep(3) .. "rc=0\n", said)
  end)
end)

describe("core.build", function()
  it("takes names that are texts only", function()
    local core = require "altinn.events.core"
    local ok, message = pcall(core.build, { 12345678, 87654321 }, { [12345678] = "x" })
    assert.is_false(ok)
    assert.truthy(message:find("names of attributes must be strings", 1, true), message)
  end)
end)

describe("the digest of rules", function()
  local core = require "altinn.events.core"

  local function bytes(hex)
    return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
  end

  it("is SHA-256: FIPS 180-4's examples", function()
    for text, digest in pairs {
      [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq =
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      [("a"):rep(1000000)] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    } do assert.are.equal(digest, core.sha256(text)) end
  end)

  it("is OpenSSL's for texts of every length: an HMAC is put together of it", function()
    local grant = require "altinn.events.grant"
    local inner, outer = ("\54"):rep(64), ("\92"):rep(64)  -- of a key of zeros
    for length = 0, 200 do
      local text = {}
      for index = 1, length do text[index] = string.char(index * 7 % 256) end
      text = table.concat(text)
      assert.are.equal(grant.hmac_sha256(("\0"):rep(64), text), core.sha256(outer .. bytes(core.sha256(inner .. text))))
    end
  end)
end)
