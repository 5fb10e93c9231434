-- What each consumer of Altinn's events should be tried with, played by the emulator against the running host:
-- real pushes over HTTP into a real inbox.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local events = require "altinn.events"
local host_support = require "spec.support.host"
local process = require "spec.support.process"
local target = require "spec.support.target"

local RULES = {
  skip = [[
    rule { name = "all", on = { "no.altinn.*", "dialogporten.*", "x.*" }, order = false,
      run = function() return skip("seen") end }]],
  unsteady = [[
    rule { name = "unsteady", on = "x.unsteady", order = false, run = function(event, thing, context)
      if context.attempt < 3 then return retry_after("0.01s", "HTTP 503") end
      return skip("at last") end }]],
}
local SECRET = "a-long-secret"

describe("scenario", function()
  local altinn, host

  setup(function()
    altinn = emulator.start()
    host = host_support.start { rules = RULES, arguments = { "--secret", SECRET } }
  end)
  teardown(function()
    altinn:close()
    host:close()
  end)
  before_each(function() altinn:reset() end)

  local function hook(secret)
    return ("http://127.0.0.1:%d/events/%s"):format(host.port, secret or SECRET)
  end

  -- How often an id is in the inbox.
  local function stored(id)
    host:settle()
    return host:ids()[id] or 0
  end

  local function body_of(id)
    local delivery = altinn:deliveries({ event = id })[1]
    return delivery and delivery.body
  end

  local function state_of(id) return altinn:deliveries({ event = id })[1].state end

  it("1: a validation event with nothing but four attributes", function()
    local s = altinn:subscribe(hook(), { validated = false })
    local delivery = altinn:deliveries()[1]
    local count = 0
    for _ in pairs(cjson.decode(delivery.body)) do count = count + 1 end
    assert.are.equal(4, count)
    assert.are.same({ "delivered", 200 }, { delivery.state, delivery.attempts[1].status })
    assert.is_true(altinn:control("GET", "/subscriptions").subscriptions[s.id].validated)
  end)

  it("2: published, overview, confirm, and the confirmation to the sender's subscription only", function()
    local sender, recipient = target.start(), target.start()
    altinn:subscribe(sender.url, { subjectFilter = "urn:altinn:organization:identifier-no:991825827" })
    altinn:subscribe(recipient.url, { subjectFilter = "urn:altinn:organization:identifier-no:987654321" })
    local token = altinn:token { scopes = "altinn:correspondence.read" }
    local letter = altinn:letter { isConfirmationNeeded = true }
    local path = "/correspondence/api/v1/correspondence/" .. letter.id
    assert.are.equal(200, (altinn:as(token, "GET", path)))
    assert.are.equal(200, (altinn:as(token, "POST", path .. "/confirm")))
    altinn:advance(4)
    local function types(endpoint)
      local list = {}
      for _, request in ipairs(endpoint:requests()) do
        local name = request.body:match("correspondence%.(%a+)\"")
        if name then list[#list + 1] = name end
      end
      return list
    end
    assert.are.same({ "correspondencepublished" }, types(recipient))
    assert.are.same({ "correspondenceinitialized", "correspondencereceiverconfirmed" }, types(sender))
    sender:close()
    recipient:close()
  end)

  it("3: the same push twice", function()
    altinn:subscribe(hook())
    altinn:control("POST", "/faults", { kind = "double" })
    local id = altinn:publish({ type = "correspondencepublished" })[1]
    assert.are.equal(2, #altinn:deliveries { event = id, state = "delivered" })
    assert.are.equal(1, stored(id))
  end)

  it("4: the same happening with two ids", function()
    altinn:subscribe(hook())
    altinn:control("POST", "/faults", { kind = "republish", seconds = 30 })
    altinn:publish { type = "correspondencepublished" }
    altinn:advance(30)
    local list = altinn:deliveries { type = "correspondencepublished" }
    assert.are.equal(2, #list)
    assert.are_not.equal(list[1].event, list[2].event)
    assert.are.equal(list[1].resourceinstance, list[2].resourceinstance)
    assert.are.same({ 1, 1 }, { stored(list[1].event), stored(list[2].event) })
  end)

  it("5: an event of unknown type, and Dialogporten's with data", function()
    altinn:subscribe(hook())
    local unknown = altinn:publish({ type = "no.altinn.correspondence.invented" })[1]
    local dialog = altinn:publish({ type = "dialogporten.dialog.activity.correspondence-opened.v1",
      data = { activityId = "1", process = "urn:x" }, alternativesubject = false })[1]
    assert.are.same({ "delivered", "delivered" }, { state_of(unknown), state_of(dialog) })
    assert.are.same({ 1, 1 }, { stored(unknown), stored(dialog) })
    local event = events.parse(body_of(dialog))
    assert.are.same({ "application/json", "1" }, { event.datacontenttype, event.data.activityId })
  end)

  it("6: a push while the receiver fails twice with 503", function()
    local endpoint = target.start { "200", "503", "503", "200" }
    altinn:subscribe(endpoint.url)
    local id = altinn:publish({ type = "correspondencepublished" })[1]
    altinn:advance(40)
    local delivery = altinn:deliveries({ event = id })[1]
    assert.are.equal("delivered", delivery.state)
    assert.are.same({ 503, 503, 200 }, { delivery.attempts[1].status, delivery.attempts[2].status,
      delivery.attempts[3].status })
    endpoint:close()
  end)

  it("6b: the host answers at once though its rule fails twice with 503: the push is not repeated", function()
    altinn:subscribe(hook())
    local id = altinn:publish({ type = "x.unsteady" })[1]
    local delivery = altinn:deliveries({ event = id })[1]
    assert.are.same({ "delivered", 1 }, { delivery.state, #delivery.attempts })
    assert.is_truthy(host:wait_log("rule=unsteady[^\n]*at last"))
    assert.are.equal(1, stored(id))
  end)

  it("7: the twelfth attempt and the dead letter", function()
    local endpoint = target.start { "200", "500" }
    altinn:subscribe(endpoint.url)
    local id = altinn:publish({ type = "correspondencepublished" })[1]
    altinn:advance "36h"
    local dead = altinn:control("GET", "/dead-letters")
    assert.are.same({ 1, id, 12 }, { dead.count, dead.deliveries[1].event, #dead.deliveries[1].attempts })
    assert.are.equal(13, #endpoint:requests())
    altinn:advance "10d"
    assert.are.equal(13, #endpoint:requests())
    endpoint:close()
  end)

  it("8: a wrong secret, mended while Altinn still tries", function()
    altinn:subscribe(hook "outdated")
    local id = altinn:publish({ type = "correspondencepublished" })[1]
    assert.are.same({ "waiting", 401 }, { state_of(id), altinn:deliveries({ event = id })[1].attempts[1].status })
    assert.are.equal(0, stored(id))
    host.arguments, host.listen = { "--secret", "outdated" }, "127.0.0.1:" .. host.port
    host:restart()
    altinn:advance(10)
    assert.are.same({ "delivered", 1 }, { state_of(id), stored(id) })
    host.arguments = { "--secret", SECRET }
    host:restart()
  end)

  it("9: a deleted subscription that still delivers", function()
    altinn:control("POST", "/switches", { ["lookup-cache"] = true })
    local s = altinn:subscribe(hook())
    local kind = { type = "correspondencepublished" }
    altinn:publish(kind)
    local token = altinn:token { scopes = "altinn:events.subscribe altinn:serviceowner", orgNo = "991825827" }
    assert.are.equal(200, (altinn:as(token, "DELETE", "/events/api/v1/subscriptions/" .. s.id)))
    assert.are.equal(0, altinn:as(token, "GET", "/events/api/v1/subscriptions") == 200
      and select(2, altinn:as(token, "GET", "/events/api/v1/subscriptions")).count)
    altinn:advance "59m"
    assert.are.equal(1, stored(altinn:publish(kind)[1]))
    altinn:advance "2m"
    assert.are.equal(0, stored(altinn:publish(kind)[1]))
  end)

  -- All events of the resource by the query API, page by page.
  local function pull(after, size)
    local token, list = altinn:token(), {}
    repeat
      local _, page = altinn:as(token, "GET",
        ("/events/api/v1/events?resource=urn:altinn:resource:acme-letters&after=%s&size=%d")
        :format(after, size))
      for _, event in ipairs(page) do
        list[#list + 1] = event.id
        after = event.id
      end
    until #page == 0
    return list
  end

  it("10: pulling after an outage, with overlap", function()
    altinn:subscribe(hook())
    local before = altinn:publish { type = "correspondencepublished", count = 3 }
    altinn:control("POST", "/faults", { kind = "vanish", next = 4 })
    local missed = altinn:publish { type = "correspondencepublished", count = 4 }
    local after = altinn:publish { type = "correspondencepublished", count = 2 }
    assert.are.same({ 1, 0, 1 }, { stored(before[3]), stored(missed[1]), stored(after[1]) })
    altinn:advance(30)
    local pulled = pull(before[2], 3)
    assert.are.same({ before[3], missed[1], missed[2], missed[3], missed[4], after[1], after[2] }, pulled)
    for _, event in ipairs(altinn:control("GET", "/events").events) do
      assert.are.equal(200, (host:post(cjson.encode(event), nil, "/events/" .. SECRET)))
    end
    for _, id in ipairs(pulled) do assert.are.equal(1, stored(id)) end
  end)

  it("11: pulling with a cursor that has expired", function()
    local old = altinn:publish({ type = "correspondencepublished" })[1]
    altinn:advance "91d"
    local fresh = altinn:publish { type = "correspondencepublished", count = 3 }
    altinn:advance(30)
    assert.are.same(fresh, pull(old, 50))
  end)

  it("12: escaped text that is not ASCII", function()
    altinn:subscribe(hook())
    local id = altinn:publish({ type = "correspondencepublished", title = "Brev på «nynorsk» 😀 <&>'" })[1]
    assert.is_nil(body_of(id):find("[\128-\255<&>']"))
    assert.are.equal("Brev på «nynorsk» 😀 <&>'", events.parse(body_of(id)).title)
    assert.are.equal(1, stored(id))
  end)

  it("13: times in each form of fraction, and with an offset", function()
    altinn:subscribe(hook())
    for _, time in ipairs { "2026-08-20T07:22:19Z", "2026-08-20T07:22:19.438Z", "2026-08-20T07:22:19.438039Z",
      "2026-08-20T07:22:19.4380391Z", "2026-08-20T09:22:19.4380391+02:00" } do
      local id = altinn:publish({ type = "correspondencepublished", time = time })[1]
      assert.are.equal(time, events.parse(body_of(id)).time)
      assert.are.same({ "delivered", 1 }, { state_of(id), stored(id) })
    end
  end)

  it("14: a receiver that is slower than Altinn waits", function()
    local endpoint = target.start { "200", "200 0.5", "200" }
    altinn:subscribe(endpoint.url)
    assert.are.equal(45, altinn:control("GET", "/settings").timeout)
    altinn:control("POST", "/settings", { timeout = 0.1 })
    local id = altinn:publish({ type = "correspondencepublished" })[1]
    assert.are.equal("waiting", state_of(id))
    altinn:control("POST", "/settings", { timeout = 45 })
    altinn:advance(10)
    assert.are.equal("delivered", state_of(id))
    local requests = endpoint:wait(3)
    assert.are.equal(requests[2].body, requests[3].body)
    endpoint:close()
  end)

  it("15: a burst of 60 events in random order", function()
    altinn:subscribe(hook())
    altinn:control("POST", "/faults", { kind = "reorder", next = 60 })
    local ids = altinn:publish { type = "correspondencepublished", count = 60 }
    assert.is_truthy(process.wait(10, function()
      return #altinn:deliveries { type = "correspondencepublished", state = "delivered" } == 60
    end))
    host:settle()
    local got, order = host:ids(), {}
    for index, delivery in ipairs(altinn:deliveries { type = "correspondencepublished" }) do
      order[index] = delivery.event
    end
    assert.are_not.same(ids, order)
    for _, id in ipairs(ids) do assert.are.equal(1, got[id]) end
  end)

  -- The types of what was pushed to an endpoint, in order.
  local function pushed(endpoint)
    local list = {}
    for _, request in ipairs(endpoint:requests()) do
      list[#list + 1] = request.body:match('no%.altinn%.correspondence%.(%a+)"')
    end
    return list
  end

  it("16: a letter with a file that is scanned a minute later, and one whose file is infected", function()
    local endpoint = target.start()
    altinn:subscribe(endpoint.url)
    altinn:letter { attachments = { { fileName = "a.pdf", content = "x", scan = "1m" } } }
    altinn:advance "1m"
    local infected = altinn:letter { attachments = { { fileName = "b.pdf", content = "x", scan = false } } }
    altinn:control("POST", ("/attachments/%s/fail"):format(infected.content.attachments[1].id))
    altinn:advance()
    assert.are.same({ "correspondenceinitialized", "attachmentpublished", "correspondencepublished",
      "correspondenceinitialized", "attachmentuploadfailed" }, pushed(endpoint))
    endpoint:close()
  end)

  it("17: never read, for a letter that was deleted unread", function()
    local endpoint = target.start()
    altinn:subscribe(endpoint.url, { typeFilter = "no.altinn.correspondence.correspondencereceiverneverread" })
    local letter = altinn:letter { dueDateTime = "2030-01-01T00:00:00Z" }
    altinn:step(letter, "purge")
    altinn:control("POST", "/clock", { to = "2030-01-01T00:00:00Z" })
    altinn:advance()
    assert.are.same({ "correspondencereceiverneverread" }, pushed(endpoint))
    local owner = altinn:token { scopes = "altinn:correspondence.write altinn:serviceowner", orgNo = "991825827" }
    local status, details = altinn:as(owner, "GET", "/correspondence/api/v1/correspondence/" .. letter.id .. "/details")
    assert.are.same({ 200, "PurgedByRecipient" }, { status, details.status })
    endpoint:close()
  end)

  it("18: all failed, from a reminder after delivered; an order that never reaches a verdict", function()
    local endpoint = target.start()
    altinn:subscribe(endpoint.url)
    altinn:control("POST", "/world", { contacts = { ["987654321"] = "reminder-failed", ["111111111"] = "silent" } })
    local wanted = { notificationTemplate = "GenericAltinnMessage", notificationChannel = "Email", sendReminder = true }
    altinn:letter { notification = wanted }
    altinn:letter { recipient = "111111111", notification = wanted }
    altinn:advance "10d"
    assert.are.same({ "correspondenceinitialized", "correspondencepublished", "notificationcreated",
      "correspondenceinitialized", "correspondencepublished", "notificationcreated",
      "correspondencenotificationdelivered", "correspondencenotificationallfailed" }, pushed(endpoint))
    endpoint:close()
  end)

  it("19: a recipient without a subject filter", function()
    local body = { endPoint = hook(), resourceFilter = "urn:altinn:resource:acme-letters" }
    local path, token = "/events/api/v1/subscriptions", altinn:token()
    assert.are.equal(403, (altinn:as(token, "POST", path, body)))
    body.subjectFilter = "urn:altinn:organization:identifier-no:987654321"
    assert.are.equal(201, (altinn:as(token, "POST", path, body)))
    altinn:advance()
    altinn:letter()
    altinn:letter { recipient = "111111111" }
    assert.are.equal(1, #altinn:deliveries { type = "correspondencepublished" })
  end)

  it("20: a sender without the owner's scope reads a published letter", function()
    local sender = altinn:token { scopes = "altinn:correspondence.write", orgNo = "991825827" }
    local letter = altinn:letter { title = "T", attachments = { { fileName = "a.pdf", content = "x" } } }
    local _, shown = altinn:as(sender, "GET", "/correspondence/api/v1/correspondence/" .. letter.id)
    assert.are.same({ "Published", "", "no", 0 }, { shown.status, shown.content.messageTitle, shown.content.language,
      #shown.content.attachments })
  end)
end)
