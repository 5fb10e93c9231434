-- Which subscriptions the emulator pushes to: filters, main units, the policy, the caches; and the query API.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local matching = require "altinn.events.emulator.matching"
local process = require "spec.support.process"
local wire = require "altinn.events.emulator.wire"

local RESOURCE = "urn:altinn:resource:acme-letters"
local NOWHERE = "http://127.0.0.1:1/"
local ORG, UNIT = "urn:altinn:organization:identifier-no:987654321", "urn:altinn:organization:identifier-no:111111111"

describe("the emulator's matching", function()
  local altinn

  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function()
    altinn:reset()
    altinn:control("POST", "/world", { policy = { { decision = true } } })
  end)

  -- The subscriptions that an event reaches.
  local function reached(event)
    local all = { specversion = "1.0", id = wire.uuid(), source = "https://x/", type = "t", resource = RESOURCE }
    for name, value in pairs(event) do all[name] = value or nil end
    local id = altinn:publish({ event = all })[1]
    local list = {}
    for index, delivery in ipairs(altinn:deliveries { event = id }) do list[index] = delivery.subscription end
    table.sort(list)
    return list
  end

  local function subscribe(values) return altinn:subscribe(NOWHERE, values).id end

  it("compares resource, subject and type exactly", function()
    local all, subject, kind, both = subscribe(), subscribe { subjectFilter = ORG }, subscribe { typeFilter = "a.B" },
      subscribe { subjectFilter = ORG, typeFilter = "a.B" }
    assert.are.same({ all }, reached {})
    assert.are.same({ all, subject }, reached { subject = ORG })
    assert.are.same({ all, kind }, reached { type = "a.B", subject = ORG .. "0" })
    assert.are.same({ all }, reached { type = "a.b" })
    assert.are.same({ all }, reached { type = "a.B.c" })
    assert.are.same({ all, subject, kind, both }, reached { type = "a.B", subject = ORG })
    assert.are.same({}, reached { resource = RESOURCE .. "2" })
    assert.are.same({}, reached { resource = "urn:altinn:resource:Acme-letters" })
  end)

  it("lets an empty subject filter match events without a subject only", function()
    local empty = subscribe { subjectFilter = "" }
    assert.are.same({ empty }, reached {})
    assert.are.same({}, reached { subject = ORG })
  end)

  it("knows no wildcards", function()
    subscribe { typeFilter = "t%" }
    subscribe { typeFilter = "t*" }
    assert.are.same({}, reached { type = "t1" })
  end)

  it("pushes once for each subscription, also of one consumer and endpoint", function()
    local one, two = subscribe(), subscribe { typeFilter = "t" }
    assert.are.same({ one, two }, reached {})
  end)

  it("finds bases of a source as .NET's IsBaseOf", function()
    local rows = {
      { "https://a.no/ttd/app", "https://a.no/ttd/app/instances/1", true },
      { "https://a.no/ttd/app", "https://a.no/ttd/other", true },  -- what follows the last slash is not compared
      { "https://a.no/ttd/app/", "https://a.no/ttd/other", false },
      { "https://a.no/ttd/app", "https://a.no/x", false }, { "https://a.no", "https://a.no/x", true },
      { "https://a.no", "http://a.no/x", false }, { "https://a.no", "https://b.no/x", false },
      { "https://a.no:443/", "https://A.no/x", true }, { "https://a.no:444/", "https://a.no/x", false },
      { "https://a.no/ttd/", "/ttd/x", false },
    }
    for _, row in ipairs(rows) do assert.are.equal(row[3], matching.is_base_of(row[1], row[2]), row[1] .. row[2]) end
  end)

  it("adds subscriptions on the main unit that want its subunits; the event stays as it is", function()
    altinn:control("POST", "/world", { main_units = { ["111111111"] = "987654321" } })
    local with = subscribe { subjectFilter = ORG, includeSubunits = true }
    subscribe { subjectFilter = ORG }
    local own = subscribe { subjectFilter = UNIT }
    local open = subscribe()
    assert.are.same({ with, own, open }, reached { subject = UNIT })
    local body = altinn:deliveries({ subscription = with, type = "t" })[1].body
    assert.are.equal(UNIT, cjson.decode(body).subject)
    assert.are.same({ open }, reached { subject = "urn:altinn:person:identifier-no:11111111111" })
  end)

  it("finds the main unit of an old party subject by the alternative one", function()
    altinn:control("POST", "/world", { main_units = { ["111111111"] = "987654321" }, parties = { ["987654321"] = 77 } })
    local with = subscribe { subjectFilter = "/party/77", includeSubunits = true }
    for _, word in ipairs { "org", "organisation", "organization" } do
      assert.are.same({ with }, reached { subject = "/party/5", alternativesubject = "/" .. word .. "/111111111" })
    end
    assert.are.same({}, reached { subject = "/party/5", alternativesubject = "/person/111111111" })
    assert.are.same({}, reached { subject = "/party/5" })
  end)

  it("asks the policy for each consumer, and drops in silence what it denies", function()
    altinn:control("POST", "/world", { policy = { { consumer = "/org/good", action = "subscribe" } } })
    local good = subscribe { consumer = "/org/good" }
    subscribe { consumer = "/org/bad" }
    assert.are.same({ good }, reached {})
    altinn:control("POST", "/world", { policy = { { consumer = "/org/good", resource = "urn:other" } } })
    assert.are.same({}, reached {})
  end)

  it("lets through what is the owner's, or the consumer's own; keeps the rest back in silence", function()
    altinn:control("POST", "/world", '{"policy":null}')
    altinn:control("POST", "/world", { main_units = { ["111111111"] = "987654321" } })
    local owner = subscribe()
    local own = subscribe { consumer = "/organisation/987654321" }
    local stranger = subscribe { consumer = "/organisation/222222222", subjectFilter = ORG }
    assert.are.same({ owner, own }, reached { subject = ORG })
    assert.are.same({ owner, own }, reached { subject = UNIT })
    assert.are.same({ owner }, reached { subject = "urn:altinn:organization:identifier-no:991825827" })
    assert.are.same({ owner }, reached {})
    assert.are.equal("/org/digdir", altinn:control("GET", "/subscriptions").subscriptions[1].consumer)
    assert.is_truthy(process.wait(30, function() return altinn:log():find("2 kept out by the policy", 1, true) end))
    altinn:control("POST", "/world", { owners = { ["skd-letters"] = "974761076" },
      service_owners = { ["974761076"] = "skd" } })
    assert.are.same({}, reached { resource = "urn:altinn:resource:skd-letters", subject = ORG })
    local skd = altinn:subscribe(NOWHERE, { resourceFilter = "skd-letters" })
    assert.are.equal("/org/skd", skd.consumer)
    assert.are.same({ skd.id }, reached { resource = "urn:altinn:resource:skd-letters", subject = ORG })
    assert.are_not.equal(stranger, skd.id)
  end)

  it("has no caches unless they are switched on", function()
    local first = subscribe()
    assert.are.same({ first }, reached {})
    local second = subscribe { endPoint = NOWHERE .. "2" }
    assert.are.same({ first, second }, reached {})
  end)

  it("remembers lookups for an hour when that is switched on: deaf at first, heard after the end", function()
    altinn:control("POST", "/switches", { ["lookup-cache"] = true })
    local token = altinn:token { scopes = "altinn:events.subscribe altinn:serviceowner", orgNo = "991825827" }
    local first = subscribe()
    assert.are.same({ first }, reached {})
    local second = subscribe { endPoint = NOWHERE .. "2" }
    assert.are.equal(200, (altinn:as(token, "DELETE", "/events/api/v1/subscriptions/" .. first)))
    assert.are.same({ first }, reached {})
    assert.are.same({ second }, reached { type = "another" })
    altinn:advance "59m"
    assert.are.same({ first }, reached {})
    altinn:advance "1m"
    assert.are.same({ second }, reached {})
  end)

  it("remembers the policy's answers without the subject when that is switched on", function()
    altinn:control("POST", "/switches", { ["authorisation-cache"] = true })
    altinn:control("POST", "/world", { policy = { { subject = ORG } } })
    local s = subscribe()
    assert.are.same({ s }, reached { subject = ORG })
    assert.are.same({ s }, reached { subject = UNIT })
    altinn:advance "1h"
    assert.are.same({}, reached { subject = UNIT })
    assert.are.same({}, reached { subject = ORG })
  end)
end)

describe("the emulator's query API", function()
  local altinn, token
  local PATH = "/events/api/v1/events"

  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function()
    altinn:reset()
    altinn:control("POST", "/world", { policy = { { decision = true } } })
    token = altinn:token { scopes = "altinn:events.subscribe" }
  end)

  local function get(query, headers) return altinn:as(token, "GET", PATH .. query, nil, headers) end

  local FROM_ZERO = "?after=0&resource=" .. RESOURCE

  local function ids(list)
    local all = {}
    for index, event in ipairs(list) do all[index] = event.id end
    return all
  end

  it("wants a token, the scope, no Content-Type but JSON", function()
    assert.are.equal(401, (altinn:call("GET", PATH .. FROM_ZERO)))
    local status, _, _, text = altinn:as(altinn:token { scopes = "altinn:correspondence.read" }, "GET",
      PATH .. FROM_ZERO)
    assert.are.same({ 403, "" }, { status, text })
    assert.are.equal(415, (get(FROM_ZERO, { ["Content-Type"] = "text/plain" })))
    assert.are.equal(415, (get(FROM_ZERO, { ["Content-Type"] = "application/cloudevents+json" })))
    assert.are.equal(200, (get(FROM_ZERO, { ["Content-Type"] = "application/json" })))
  end)

  it("refuses with problem objects and the server's texts", function()
    local rows = {
      { "?after=0&resource=acme-letters", "The 'resource' parameter must begin with `urn:altinn:resource:`" },
      { "?resource=" .. RESOURCE, "The 'after' parameter must be defined." },
      { "?resource=" .. RESOURCE .. "&after=", "The 'after' parameter must be defined." },
    }
    for _, row in ipairs(rows) do
      local status, problem, headers = get(row[1])
      assert.are.same({ 400, row[2], 400 }, { status, problem.detail, problem.status })
      assert.are.equal("application/problem+json; charset=utf-8", headers["content-type"])
    end
    local status, problem = get(FROM_ZERO .. "&subject=x", { ["Altinn-AlternativeSubject"] = "/organisation/1" })
    assert.are.same({ 400, "Only one of 'subject' or 'alternativeSubject' can be defined." },
      { status, problem.detail })
    status, problem = get "?after=0"
    assert.are.equal(400, status)
    assert.is_table(problem.errors.resource)
  end)

  it("shows events 30 seconds after registration, in the order of registration", function()
    local first = altinn:publish { type = "correspondencepublished", time = "2026-08-20T10:00:00Z" }[1]
    altinn:advance(20)
    local second = altinn:publish { type = "correspondencepublished", time = "2026-08-20T09:00:00Z" }[1]
    local status, _, headers, text = get(FROM_ZERO)
    local list
    assert.are.same({ 200, "[]" }, { status, text })
    assert.is_nil(headers.next)
    altinn:advance(10)
    list = select(2, get(FROM_ZERO))
    assert.are.same({ first }, ids(list))
    altinn:advance(20)
    list, headers, text = select(2, get(FROM_ZERO))
    assert.are.same({ first, second }, ids(list))
    assert.are.equal("application/cloudevents+json; charset=utf-8", headers["content-type"])
    assert.is_truthy(text:find('^%[{"specversion":"1.0",.-}, {"specversion"'), text)
    altinn:control("POST", "/settings", { visible_after = 0 })
    local third = altinn:publish { type = "correspondencepublished" }[1]
    assert.are.same({ first, second, third }, ids(select(2, get(FROM_ZERO))))
    altinn:control("POST", "/settings", { visible_after = 30 })
  end)

  it("pages by id; an unknown id is the beginning; the next address is not encoded", function()
    local all = altinn:publish { type = "correspondencepublished", count = 120 }
    altinn:advance(30)
    local _, list, headers = get(FROM_ZERO)
    assert.are.same({ table.unpack(all, 1, 50) }, ids(list))
    assert.are.equal(altinn.base .. PATH .. "?after=" .. all[50] .. "&resource=" .. RESOURCE, headers.next)
    headers = select(3, get("?type=a%25&resource=" .. RESOURCE .. "&size=2&after=0&type=no.%25"))
    assert.are.equal(altinn.base .. PATH .. "?after=" .. all[2] .. "&type=a%&type=no.%&resource=" .. RESOURCE
      .. "&size=2", headers.next)
    assert.are.equal(400, (get(FROM_ZERO .. "&size=many")))
    assert.are.equal(400, (get(FROM_ZERO .. "&size=99999999999")))
    _, list = get(("?after=%s&resource=%s&size=70"):format(all[50], RESOURCE))
    assert.are.same({ table.unpack(all, 51, 120) }, ids(list))
    _, list = get(("?after=gone&resource=%s&size=2"):format(RESOURCE))
    assert.are.same({ all[1], all[2] }, ids(list))
    _, list, headers = get(("?after=%s&resource=%s"):format(all[120], RESOURCE))
    assert.are.same({ 0, nil }, { #list, headers.next })
    _, list = get(FROM_ZERO .. "&size=-5")
    assert.are.equal(50, #list)
    altinn:publish { type = "correspondencepublished", count = 1000 }
    altinn:advance(30)
    _, list = get(FROM_ZERO .. "&size=5000")
    assert.are.equal(1000, #list)
  end)

  it("writes events as they come out of its database: members by length and name, the time in UTC", function()
    altinn:control("POST", "/events", [==[{"event":{"type":"t.x","zz":"æ","specversion":"1.0","source":"/x","id":"1",
      "time":"2026-08-20T09:22:19.4380391+02:00","resource":"urn:altinn:resource:acme-letters","abc":"1",
      "data":{"longer":1.10,"b":[],"a":{"y":12345678901234567890,"x":{}},
        "b":[{"d":1,"c":[2, 3]},{"ff":1,"e":2},[]]}}}]==])
    altinn:advance(30)
    local _, _, _, text = get(FROM_ZERO)
    assert.are.equal([==[[{"specversion":"1.0","id":"1","zz":"\u00E6","abc":"1",]==]
      .. [==["time":"2026-08-20T07:22:19.4380391Z","type":"t.x","source":"/x",]==]
      .. [==["resource":"urn:altinn:resource:acme-letters","datacontenttype":"application/json",]==]
      .. [==["data":{"a":{"x":{},"y":12345678901234567890},"b":[{"c":[2,3],"d":1},{"e":2,"ff":1},[]],]==]
      .. [==["longer":1.10}}]]==], text)
  end)

  it("filters by subject, alternative subject and LIKE patterns of types", function()
    local a = altinn:publish { type = "correspondencepublished", recipient = "987654321" }[1]
    local b = altinn:publish { type = "correspondencepurged", sender = "111111111" }[1]
    local c = altinn:publish { event = { specversion = "1.0", id = "c", source = "/", type = "under_score.x%y",
      resource = RESOURCE } }[1]
    altinn:advance(30)
    local function found(query, headers) return ids(select(2, get(FROM_ZERO .. query, headers))) end
    assert.are.same({ a }, found("&subject=" .. ORG))
    assert.are.same({ b }, found("", { ["Altinn-AlternativeSubject"] = "/organisation/111111111" }))
    assert.are.same({ a, b }, found("&type=no.altinn.correspondence.%25"))
    assert.are.same({ b }, found("&type=%25purged"))
    assert.are.same({}, found("&type=%25Purged"))
    assert.are.same({ a, c }, found("&type=%25published&type=under_score.%25"))
    assert.are.same({ c }, found("&type=underXscore%25&type=under%5C_score.x%5C%25_"))
    local _, _, headers = get(FROM_ZERO, { ["Altinn-AlternativeSubject"] = "/organisation/987654321" })
    assert.is_truthy(headers.next:find("&subject=" .. ORG, 1, true))
  end)

  it("asks the policy after the size: a page can be short or empty though more exists", function()
    local _ = altinn:publish { type = "correspondencepublished", recipient = "111111111", count = 3 }
    local own = altinn:publish { type = "correspondencepublished", recipient = "987654321" }[1]
    altinn:advance(30)
    altinn:control("POST", "/world", { policy = { { subject = ORG } } })
    local _, list, headers = get(FROM_ZERO .. "&size=3")
    assert.are.same({ 0, nil }, { #list, headers.next })
    assert.are.same({ own }, ids(select(2, get(FROM_ZERO .. "&size=4"))))
  end)

  it("forgets after 90 days, and stores an id of a source once", function()
    local id = altinn:publish { type = "correspondencepublished" }[1]
    altinn:publish { type = "correspondencepublished", id = id }
    altinn:advance(30)
    assert.are.same({ id }, ids(select(2, get(FROM_ZERO))))
    altinn:advance "90d"
    assert.are.same({}, ids(select(2, get(FROM_ZERO))))
  end)
end)

describe("the emulator's publishing", function()
  local altinn
  local PATH = "/events/api/v1/events"
  local EVENT = { specversion = "1.0", id = "1", source = "/x", type = "t", resource = RESOURCE }

  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function() altinn:reset() end)

  local function post(changes, headers, token)
    local event = {}
    for name, value in pairs(EVENT) do event[name] = value end
    for name, value in pairs(changes or {}) do event[name] = value or nil end
    local all = { ["Content-Type"] = "application/cloudevents+json" }
    for name, value in pairs(headers or {}) do all[name] = value end
    return altinn:as(token or altinn:token { scopes = "altinn:events.publish" }, "POST", PATH, event, all)
  end

  it("takes CloudEvents with the right scope, or a platform token", function()
    local status, _, _, text = post()
    assert.are.same({ 200, "" }, { status, text })
    assert.are.equal(200, (post(nil, nil, altinn:token { scopes = "altinn:events.publish.admin" })))
    assert.are.equal(403, (post(nil, nil, altinn:token())))
    assert.are.equal(401, (post(nil, nil, "x")))
    assert.are.equal(200, (post(nil, { PlatformAccessToken = "x" }, "x")))
    assert.are.equal(415, (post(nil, { ["Content-Type"] = "application/json" })))
    assert.are.equal(1, altinn:control("GET", "/events").count)
  end)

  it("tells what is wrong with others", function()
    local status, problem = post { id = false, type = false }
    assert.are.equal(400, status)
    assert.are.same({ "CloudEvent is missing required attributes: id, type (Parameter 'data')" },
      problem.errors.RequestBody)
    status, problem = post { resource = false }
    assert.are.same({ 400, "A 'resource' property must be defined." }, { status, problem.detail })
    status, problem = post { resource = "urn:altinn:resource:Capital" }
    assert.are.same({ 400, "'Resource' must be a valid urn." }, { status, problem.detail })
  end)

  it("rewrites the old prefix of app resources", function()
    post { resource = "urn:altinn:resource:altinnapp.ttd.apps-test" }
    assert.are.equal("urn:altinn:resource:app_ttd_apps-test", altinn:control("GET", "/events").events[1].resource)
  end)

  it("has an endpoint for trial subscriptions", function()
    assert.are.equal(200, (altinn:call("POST", "/events/api/v1/tests/webhookreceiver", {})))
    altinn:subscribe(altinn.base .. "/events/api/v1/tests/webhookreceiver")
    local id = altinn:publish { type = "correspondencepublished" }[1]
    assert.are.equal("delivered", altinn:deliveries { event = id }[1].state)
  end)
end)
