-- The emulator's pushes: their form, validation, both ladders, dead letters, faults and switches.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local echo = require "spec.support.echo"
local events = require "altinn.events"
local process = require "spec.support.process"
local target = require "spec.support.target"

local PUBLISHED = "no.altinn.correspondence.correspondencepublished"
local VALIDATION = "platform.events.validatesubscription"

describe("the emulator's deliveries", function()
  local altinn, endpoint

  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function()
    altinn:reset()
    endpoint = target.start()
  end)
  after_each(function() endpoint:close() end)

  -- The pushes that came, validation events left out.
  local function pushes(kind)
    local list = {}
    for _, request in ipairs(endpoint:requests()) do
      if not request.body:find(VALIDATION, 1, true) or kind == VALIDATION then list[#list + 1] = request end
    end
    return list
  end

  local function waits(delivery)
    local list, last = {}, nil
    for index, attempt in ipairs(delivery.attempts) do
      local time = events.time { specversion = "1.0", id = "1", source = "/", type = "t", time = attempt.at }
      list[index] = last and time - last or 0
      last = time
    end
    return list
  end

  it("push one object a POST, in Altinn's form", function()
    altinn:subscribe(endpoint.url .. "/hook?code=s3cret%20x&a=b")
    altinn:publish { type = "correspondencepublished", recipient = "987654321" }
    local request = pushes()[1]
    assert.are.equal("POST", request.method)
    assert.are.equal("/hook?code=s3cret%20x&a=b", request.path)
    assert.are.equal("application/json; charset=utf-8", request.headers["content-type"])
    assert.are.equal(tostring(#request.body), request.headers["content-length"])
    assert.is_nil(request.headers.expect)
    assert.is_nil(request.headers.authorization)
    local order = {}
    for name in request.body:gmatch('"(%l+)":"') do order[#order + 1] = name end
    assert.are.same({ "specversion", "id", "type", "time", "resource", "resourceinstance", "subject",
      "alternativesubject", "source" }, order)
    assert.is_nil(request.body:find("[ \n]"))
    local event = assert(events.parse(request.body))
    assert.are.equal(PUBLISHED, event.type)
    assert.is_truthy(event.time:find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%d%dZ$"), event.time)
    assert.are.equal("urn:altinn:resource:acme-letters", event.resource)
    assert.are.equal("urn:altinn:organization:identifier-no:987654321", event.subject)
    assert.are.equal("/organisation/987654321", event.alternativesubject)
    assert.are.equal(altinn.base .. "/correspondence/api/v1/correspondence", event.source)
    assert.is_truthy(event.id:find("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$"))
  end)

  it("escape as .NET does: all that is not ASCII, and + < > & ' \"", function()
    altinn:subscribe(endpoint.url)
    altinn:publish { event = { specversion = "1.0", id = "æ+<>&'\"\\`😀", source = "/x", type = "t.x",
      resource = "urn:altinn:resource:acme-letters", time = "2026-08-20T07:22:19.5+02:00" } }
    local body = pushes()[1].body
    local escaped = [["id":"\u00E6\u002B\u003C\u003E\u0026\u0027\u0022\\\u0060\uD83D\uDE00"]]
    assert.is_truthy(body:find(escaped, 1, true), body)
    assert.is_truthy(body:find([["time":"2026-08-20T07:22:19.500\u002B02:00"]], 1, true), body)
    assert.are.equal("æ+<>&'\"\\`😀", events.parse(body).id)
  end)

  it("write times with no, 3, 6 or 7 digits, and an offset of nothing as Z", function()
    altinn:subscribe(endpoint.url)
    local rows = {
      { "2026-08-20T07:22:19Z", "2026-08-20T07:22:19Z" }, { "2026-08-20T07:22:19.1Z", "2026-08-20T07:22:19.100Z" },
      { "2026-08-20T07:22:19.123000+00:00", "2026-08-20T07:22:19.123Z" },
      { "2026-08-20T07:22:19.123456Z", "2026-08-20T07:22:19.123456Z" },
      { "2026-08-20T07:22:19.1234567Z", "2026-08-20T07:22:19.1234567Z" },
      { "2026-08-20T07:22:19.123456789+02:00", "2026-08-20T07:22:19.1234567+02:00" },
      { "2026-08-20T07:22:19.0000000-05:30", "2026-08-20T07:22:19-05:30" },
    }
    for _, row in ipairs(rows) do altinn:publish { type = "correspondencepublished", time = row[1] } end
    for index, request in ipairs(pushes()) do
      assert.are.equal(rows[index][2], events.parse(request.body).time)
    end
    assert.are.equal(#rows, #pushes())
  end)

  it("put specversion first, the payload last with its media type, extensions as texts", function()
    altinn:subscribe(endpoint.url)
    local token = altinn:token { scopes = "altinn:events.publish" }
    local status = altinn:as(token, "POST", "/events/api/v1/events",
      '{"id":"1","data":{"Role":"Mottaker å","n":[1, 2]},'
      .. '"resource":"urn:altinn:resource:acme-letters","flag":true,"number":7,"gone":null,"source":"/x","type":"t",'
      .. '"specversion":"1.0"}', { ["Content-Type"] = "application/cloudevents+json" })
    assert.are.equal(200, status)
    altinn:advance()
    assert.are.equal('{"specversion":"1.0","id":"1","resource":"urn:altinn:resource:acme-letters","flag":"true",'
      .. '"number":"7","source":"/x","type":"t","datacontenttype":"application/json",'
      .. '"data":{"Role":"Mottaker \\u00E5","n":[1, 2]}}', pushes()[1].body)
  end)

  it("validate an endpoint with four attributes, and deliver nothing before", function()
    endpoint:answer { "500", "200" }
    local s = altinn:subscribe(endpoint.url, { validated = false })
    altinn:publish { type = "correspondencepublished" }
    assert.are.equal(0, #pushes())
    local request = pushes(VALIDATION)[1]
    local event = cjson.decode(request.body)
    assert.is_truthy(event.id:find("^%x+%-%x+%-4"))
    event.id = nil
    assert.are.same({ specversion = "1.0", type = VALIDATION,
      source = altinn.base .. "/events/api/v1/subscriptions/" .. s.id }, event)
    altinn:advance(30)
    assert.is_true(altinn:control("GET", "/subscriptions").subscriptions[1].validated)
    altinn:publish { type = "correspondencepublished" }
    assert.are.equal(1, #pushes())
  end)

  it("try a validation five times 30 s apart, or nine times by the new pipeline", function()
    local ladders = { older = { 0, 30, 30, 30, 30 }, new = { 0, 1, 5, 10, 30, 60, 120, 120, 120 } }
    endpoint:answer { "404" }
    for pipeline, ladder in pairs(ladders) do
      altinn:reset()
      altinn:control("POST", "/settings", { pipeline = pipeline })
      altinn:subscribe(endpoint.url, { validated = false })
      altinn:advance "1h"
      local delivery = altinn:deliveries()[1]
      assert.are.equal("dead", delivery.state)
      assert.are.same(ladder, waits(delivery), pipeline)
      assert.is_false(altinn:control("GET", "/subscriptions").subscriptions[1].validated)
    end
    altinn:control("POST", "/settings", { pipeline = "older" })
  end)

  it("try a push 13 times over 46.8 hours, or 12 times over 34.8, then give it up", function()
    local hour = 3600
    local ladders = {
      older = { 0, 10, 30, 60, 300, 600, 1800, hour, 3 * hour, 6 * hour, 12 * hour, 12 * hour, 12 * hour },
      new = { 0, 10, 30, 60, 300, 600, 1800, hour, 3 * hour, 6 * hour, 12 * hour, 12 * hour },
    }
    for pipeline, ladder in pairs(ladders) do
      altinn:reset()
      altinn:control("POST", "/settings", { pipeline = pipeline })
      endpoint:answer { "200" }
      local s = altinn:subscribe(endpoint.url)
      altinn:control("POST", "/faults", { kind = "fail", next = 12, subscription = s.id, status = 503 })
      altinn:publish { type = "correspondencepublished" }
      altinn:advance "34h"
      assert.are.equal("waiting", altinn:deliveries { type = "correspondencepublished" }[1].state)
      altinn:advance "14h"
      local delivery = altinn:deliveries { type = "correspondencepublished" }[1]
      assert.are.same(ladder, waits(delivery), pipeline)
      assert.are.equal(pipeline == "older" and "delivered" or "dead", delivery.state)
      assert.are.equal(pipeline == "older" and 0 or 1, altinn:control("GET", "/dead-letters").count)
    end
    altinn:control("POST", "/settings", { pipeline = "older" })
  end)

  it("take every 2xx for success, and nothing else", function()
    altinn:subscribe(endpoint.url)
    for _, status in ipairs { "200", "201", "202", "204", "299" } do
      endpoint:answer { status }
      altinn:publish { type = "correspondencepublished" }
    end
    for _, delivery in ipairs(altinn:deliveries { type = "correspondencepublished" }) do
      assert.are.equal("delivered", delivery.state)
    end
    for _, status in ipairs { "199", "300", "304", "400", "401", "404", "410", "429", "500", "503", "close" } do
      endpoint:answer { status }
      local id = altinn:publish({ type = "correspondencepublished" })[1]
      local delivery = altinn:deliveries { event = id }[1]
      assert.are.equal("waiting", delivery.state, status)
      assert.are.equal(1, #delivery.attempts)
    end
  end)

  it("give up waiting for an answer after the timeout", function()
    endpoint:answer { "200", "200 1", "200" }
    altinn:subscribe(endpoint.url)
    altinn:control("POST", "/settings", { timeout = 0.2 })
    altinn:publish { type = "correspondencepublished" }
    local delivery = altinn:deliveries { type = "correspondencepublished" }[1]
    assert.are.equal(1, #delivery.attempts)
    assert.is_nil(delivery.attempts[1].status)
    altinn:control("POST", "/settings", { timeout = 45 })
    altinn:advance(10)
    delivery = altinn:deliveries { type = "correspondencepublished" }[1]
    assert.are.same({ "delivered", 2 }, { delivery.state, #delivery.attempts })
    assert.are.equal(pushes()[1].body, pushes()[2].body)
  end)

  it("follow redirections as the real one: 301 to 303 make a GET, 307 and 308 stay a POST", function()
    local other = echo.start()
    for _, row in ipairs { { 301, "GET" }, { 302, "GET" }, { 303, "GET" }, { 307, "POST" }, { 308, "POST" } } do
      altinn:reset()
      altinn:subscribe(other.url .. "/redirect/" .. row[1])
      assert.are.equal("delivered", altinn:deliveries()[1].state)
      altinn:control("POST", "/faults", { kind = "double" })
      altinn:publish { type = "correspondencepublished" }
      for _, delivery in ipairs(altinn:deliveries()) do assert.are.equal(200, delivery.attempts[1].status) end
    end
    other:close()
  end)

  it("wrap the event for Slack, with its quotation marks escaped and nothing else", function()
    altinn:subscribe(endpoint.url .. "/hooks.slack.com")
    altinn:publish { type = "correspondencepublished", id = "a\\b" }
    local body = pushes()[1].body
    assert.is_truthy(body:find('^{"text": "{\\"specversion\\":\\"1.0\\",\\"id\\":\\"a\\\\b\\",'), body)
    assert.is_truthy(body:find('\\"}"}$'), body)
  end)

  it("fail, get lost on the way back, double, come late, vanish, change their order, when told to", function()
    altinn:subscribe(endpoint.url)
    local function fault(values) altinn:control("POST", "/faults", values) end
    local function publish(count)
      return altinn:publish { type = "correspondencepublished", count = count or 1 }
    end
    local function states()
      local list = {}
      for index, one in ipairs(altinn:deliveries { type = "correspondencepublished" }) do list[index] = one.state end
      return list
    end
    fault { kind = "fail", next = 2, status = 418 }
    publish()
    assert.are.equal(0, #pushes())
    altinn:advance(40)
    assert.are.equal(1, #pushes())
    assert.are.equal(418, altinn:deliveries({ type = "published" })[1].attempts[2].status)
    fault { kind = "unanswered" }
    publish()
    altinn:advance(10)
    assert.are.equal(3, #pushes())
    assert.are.equal(pushes()[2].body, pushes()[3].body)
    fault { kind = "double" }
    publish()
    assert.are.equal(5, #pushes())
    fault { kind = "delay", seconds = "2m" }
    publish()
    assert.are.equal(5, #pushes())
    altinn:advance(120)
    assert.are.equal(6, #pushes())
    fault { kind = "vanish", next = 3 }
    publish(3)
    assert.are.equal(6, #pushes())
    assert.are.same({ "vanished", "vanished", "vanished" }, { table.unpack(states(), 6, 8) })
    fault { kind = "reorder", next = 20 }
    local ids = publish(19)
    assert.are.equal(6, #pushes())
    ids[20] = publish()[1]
    assert.is_truthy(process.wait(30, function() return #pushes() == 26 end))
    local got = {}
    for index = 7, 26 do got[index - 6] = cjson.decode(pushes()[index].body).id end
    assert.are_not.same(ids, got)
    table.sort(ids)
    table.sort(got)
    assert.are.same(ids, got)
  end)

  it("lose or repeat a publication, when told to", function()
    altinn:subscribe(endpoint.url)
    altinn:control("POST", "/faults", { kind = "lose" })
    altinn:publish { type = "correspondencepublished" }
    assert.are.equal(0, #pushes())
    assert.are.same({ 0, 1 }, { altinn:control("GET", "/events").count, altinn:control("GET", "/events").lost })
    altinn:control("POST", "/faults", { kind = "republish", seconds = 5 })
    altinn:publish { type = "correspondencepublished" }
    altinn:advance(5)
    local one, two = cjson.decode(pushes()[1].body), cjson.decode(pushes()[2].body)
    assert.are_not.equal(one.id, two.id)
    one.id, two.id = nil, nil
    assert.are.same(one, two)
    altinn:control("POST", "/switches", { ["lost-publish"] = true })
    altinn:publish { type = "correspondencepublished" }
    altinn:control("POST", "/switches", { ["lost-publish"] = false, duplicates = 1, unordered = true })
    altinn:publish { type = "correspondencepublished" }
    altinn:advance(2)
    assert.are.equal(4, #pushes())
  end)

  it("can be made once more by hand", function()
    altinn:subscribe(endpoint.url)
    altinn:publish { type = "correspondencepublished" }
    local id = altinn:deliveries({ type = "correspondencepublished" })[1].id
    altinn:control("POST", ("/deliveries/%d/repeat"):format(id))
    altinn:advance()
    assert.are.equal(2, #pushes())
    assert.are.equal(pushes()[1].body, pushes()[2].body)
  end)

  it("name in the log neither the endpoint's secret nor an identity number", function()
    altinn:subscribe(endpoint.url .. "/SECRET-PART?code=OTHER-SECRET")
    endpoint:answer { "500" }
    altinn:publish { type = "correspondencepublished", recipient = "01010112345" }
    altinn:as("SECRET-TOKEN", "GET", "/events/api/v1/subscriptions")
    local log = process.wait(30, function()
      local text = altinn:log()
      return text:find("/subscriptions\" status=401", 1, true) and text
    end)
    assert.is_truthy(log:find("msg=failed", 1, true))
    for _, secret in ipairs { "SECRET-PART", "OTHER-SECRET", "01010112345", "SECRET-TOKEN" } do
      assert.is_nil(log:find(secret, 1, true), secret)
    end
  end)

  it("tell what is wrong with a fault or a switch", function()
    local status, answer = altinn:call("POST", "/emulator/faults", { kind = "doubel" })
    assert.are.equal(400, status)
    assert.is_truthy(answer.error:find("did you mean 'double'", 1, true))
    status, answer = altinn:call("POST", "/emulator/switches", { ["lookup-cash"] = true })
    assert.are.equal(400, status)
    assert.is_truthy(answer.error:find("did you mean 'lookup-cache'", 1, true))
    assert.are.equal(400, (altinn:call("POST", "/emulator/switches", { ["lookup-cache"] = 0.5 })))
    assert.are.equal(400, (altinn:call("POST", "/emulator/clock", { advance = "1 fortnight" })))
    assert.are.equal(400, (altinn:call("POST", "/emulator/clock", "no json")))
  end)
end)
