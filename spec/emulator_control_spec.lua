-- The emulator's control interface: every type it can raise, what it says to somebody who is wrong, and what becomes of
-- a fault of its own.
local emulator = require "spec.support.emulator"
local http = require "spec.support.http"
local server = require "altinn.events.emulator.server"

local SENDER, RECIPIENT = "991825827", "987654321"

-- Addressed to, kind of the source; no third: raised.
local S, R, DEAD = SENDER, RECIPIENT, true
local types = {
  attachmentinitialized = { S, "attachment" }, attachmentpublished = { S, "attachment" },
  attachmentuploadfailed = { S, "attachment" }, attachmentexpired = { S, "attachment" },
  correspondenceinitialized = { S, "correspondence" }, correspondencepublished = { R, "correspondence" },
  correspondencepublishfailed = { S, "correspondence" }, correspondencepurged = { S, "correspondence" },
  correspondencereceiverread = { S, "correspondence" }, correspondencereceiverconfirmed = { S, "correspondence" },
  correspondencereceiverneverread = { R, "correspondence" },
  correspondencereceiverneverconfirmed = { R, "correspondence" }, notificationcreated = { S, "notification" },
  correspondencenotificationcreationfailed = { S, "correspondence" },
  correspondencenotificationfailed = { S, "correspondence" },
  correspondencenotificationallfailed = { S, "correspondence" },
  correspondencenotificationdelivered = { S, "correspondence" },
  correspondencenotificationreminderdelivered = { S, "correspondence" },
  attachmentuploadprocessing = { nil, "attachment", DEAD }, attachmentpurged = { nil, "attachment", DEAD },
  attachmentdownloaded = { nil, "attachment", DEAD }, correspondencearchived = { nil, "correspondence", DEAD },
  correspondencereceiverreplied = { nil, "correspondence", DEAD },
  correspondencereceiverreserved = { nil, "correspondence", DEAD },
}

-- path, body -> a part of the message.
local wrongs = {
  { "/clock", { advance = "soon" }, "is no span of time" }, { "/clock", { advance = "9999999d" }, "a thousand years" },
  { "/clock", { to = "tomorrow" }, "to must be a time" }, { "/clock", { to = 1e300 }, "to must be a time" },
  { "/clock", { speed = -1 }, "speed must be a number" }, { "/clock", { speed = 1e300 }, "speed must be a number" },
  { "/clock", { advanse = "1h" }, "did you mean 'advance'" }, { "/clock", "[1]", "must be a JSON object" },
  { "/clock", "{", "must be a JSON object" },
  { "/faults", { kind = "fall" }, "did you mean 'fail'" }, { "/faults", { kind = "fail", next = 0 }, "whole number" },
  { "/faults", { kind = "fail", status = "500" }, "status must be" }, { "/faults", {}, "there is no fault 'nil'" },
  { "/troubles", { path = 5 }, "path must be" }, { "/troubles", {}, "a trouble has a path" },
  { "/troubles", { path = "/x", status = 600 }, "status must be" },
  { "/troubles", { path = "/x", error = 9999 }, "the letters' API has no error 9999" },
  { "/troubles", { path = "/x", headers = { ["a b"] = "x" } }, "'a b' cannot be given" },
  { "/troubles", { path = "/x", headers = { ["Content-Length"] = "1" } }, "cannot be given" },
  { "/troubles", { path = "/x", headers = { a = 5 } }, "values must be texts" },
  { "/troubles", { path = "/x", body = { pattern = "x", size = -1 } }, "body: size must be" },
  { "/settings", { timeout = 0 }, "timeout must be" }, { "/settings", { timeot = 1 }, "did you mean 'timeout'" },
  { "/settings", { skew = 1e300 }, "skew must be" }, { "/settings", { visible_after = "x" }, "no span of time" },
  { "/settings", { pipeline = "old" }, "older or new" }, { "/settings", { http_endpoints = "all" }, "loopback, any" },
  { "/switches", { ["lost-publish"] = 2 }, "a chance between 0 and 1" },
  { "/switches", { ["lookup-cash"] = true }, "did you mean 'lookup-cache'" },
  { "/world", { clients = { x = 5 } }, "client x: must be an object" },
  { "/world", { clients = { x = { keys = { { kid = "y" } } } } }, "neither text nor file" },
  { "/world", { policy = { 5 } }, "row 1: must be an object" },
  { "/world", { main_units = { ["1"] = 5 } }, "main_units: 1 must be" },
  { "/world", { owners = { acme = "skd" } }, "owners acme: must be the nine digits of an organisation, or false" },
  { "/world", { recipients = { ["987654321"] = "reserved" } }, "only persons can have reserved themselves" },
  { "/world", { recipients = { ["987654321"] = "gone" } }, "must be unknown, reserved or no-roles" },
  { "/world", { recipients = { ["01017012345"] = "gone" } }, "recipients ***********: must be" },
  { "/world", { contacts = { ["987654321"] = "late" } }, "must be one of delivered, failed, notice-failed," },
  { "/subscriptions", { endPoint = "x", resourceFilter = "acme" }, "an absolute http or https address" },
  { "/subscriptions", { endPoint = "https://x", resourceFilter = "acme", subjectFilter = 5 }, "subjectFilter must be" },
  { "/events", {}, "an event needs a type" }, { "/events", { type = "t.x", count = 20000 }, "from 1 to 10000" },
  { "/events", { event = { id = "1" } }, "" }, { "/events", { raw = "{", subscription = 99 }, "no such subscription" },
  { "/letters", { sender = 5 }, "sender must be" }, { "/letters", { dueDateTime = "soon" }, "dueDateTime must be" },
  { "/letters", { recipent = "987654321" }, "did you mean 'recipient'" },
  { "/letters", { resource = "\u{FFFF}" }, "make no event" },
  { "/letters", { externalReferences = { 5 } }, "externalReferences: externalReferences is not of proper type" },
  { "/letters", { replyOptions = { { linkText = "x" } } }, "replyOptions: The LinkURL field is required." },
  { "/letters", { attachments = { "none" } }, "no attachment none" },
  { "/letters", { attachments = { { size = "big" } } }, "attachments: size must be" },
  { "/letters", { attachments = { { content = "x", scan = "soon" } } }, "scan must be true (at once), false" },
}

describe("the emulator's control interface", function()
  local altinn

  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function()
    altinn:reset()
    altinn:control("POST", "/world", '{"policy":null}')
  end)

  it("raises each of Altinn's 18 types with the right subject, and the six dead names on request", function()
    local raised, dead = 0, 0
    for name, wanted in pairs(types) do
      local body = { type = name, sender = SENDER, recipient = RECIPIENT, dead = wanted[3] }
      if wanted[3] then
        dead = dead + 1
        assert.are.equal(400, (altinn:call("POST", "/emulator/events", { type = name })))
      else
        raised = raised + 1
      end
      altinn:publish(body)
      local list = altinn:control("GET", "/events").events
      local event = list[#list]
      assert.are.equal("no.altinn.correspondence." .. name, event.type)
      assert.are.equal(altinn.base .. "/correspondence/api/v1/" .. wanted[2], event.source)
      if wanted[1] then
        assert.are.same({ "urn:altinn:organization:identifier-no:" .. wanted[1], "/organisation/" .. wanted[1] },
          { event.subject, event.alternativesubject }, name)
      end
    end
    assert.are.same({ 18, 6 }, { raised, dead })
  end)

  it("lists its calls for people: each on a line", function()
    local status, all, _, text = altinn:call("GET", "/emulator")
    assert.are.equal(200, status)
    local lines = select(2, text:gsub('\n{"method":"%u+","path":"[^"]*","does":"[^\n]*', ""))
    assert.are.equal(#all.calls, lines)
  end)

  it("says what is wrong, and does nothing then", function()
    local before = altinn:control("GET", "")
    for _, one in ipairs(wrongs) do
      local headers = type(one[2]) == "string" and { ["Content-Type"] = "application/json" } or nil
      local status, answer = altinn:call("POST", "/emulator" .. one[1], one[2], headers)
      assert.are.equal(400, status, one[1] .. " " .. one[3])
      assert.is_truthy(answer.error:find(one[3], 1, true), answer.error)
    end
    local after = altinn:control("GET", "")
    assert.are.same({ before.settings, before.events, before.letters, before.subscriptions },
      { after.settings, after.events, after.letters, after.subscriptions })
  end)

  it("cuts a download where it is told to", function()
    local letter = altinn:letter { attachments = { { fileName = "a.bin", size = 1000, cut = 10 } } }
    local token = altinn:token { scopes = "altinn:correspondence.read" }
    local path = ("/correspondence/api/v1/correspondence/%s/attachment/%s/download"):format(letter.id,
      letter.content.attachments[1].id)
    local text = http.raw(altinn.port, ("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"):format(path,
      token))
    assert.are.equal("1000", text:match("Content%-Length: (%d+)"))
    assert.are.equal(10, #text:match("\r\n\r\n(.*)$"))
  end)

  it("merges a world whole or not at all", function()
    local subscription = { endPoint = "https://x.example.no", resourceFilter = "urn:altinn:resource:acme",
      subjectFilter = "urn:altinn:organization:identifier-no:987654321" }
    local function status() return (altinn:as(altinn:token(), "POST", "/events/api/v1/subscriptions", subscription)) end
    local answer = altinn:call("POST", "/emulator/world", { policy = { { decision = "deny" } }, owners = { a = 5 } })
    assert.are.equal(400, answer)
    assert.are.equal(201, status())
    altinn:control("POST", "/world", { policy = { { decision = "deny" } } })
    assert.are.equal(403, status())
    altinn:control("POST", "/world", '{"policy":null}')
    assert.are.equal(201, status())
  end)

  it("says what there is to a call that there is not", function()
    local letter = altinn:letter()
    for _, row in ipairs {
      { "GET", "/emulator/letters/" .. letter.id .. "/read", 405, "takes POST, not GET: curl -X POST" },
      { "DELETE", "/emulator/clock", 405, "takes GET and POST, not DELETE" },
      { "GET", "/emulator/leters", 404, "did you mean '/emulator/letters'?); GET /emulator lists what there is" },
      { "GET", "/emulator/letters/none", 404, "there is no letter none; GET /emulator/letters lists them" },
      { "POST", "/emulator/letters/none/read", 404, "there is no letter none" },
      { "POST", "/emulator/attachments/none/fail", 404, "there is no attachment none" },
      { "POST", "/emulator/deliveries/99/repeat", 404, "there is no delivery 99; GET /emulator/deliveries" },
    } do
      local status, answer = altinn:call(row[1], row[2])
      assert.are.equal(row[3], status, row[2])
      assert.is_truthy(answer.error:find(row[4], 1, true), answer.error)
    end
    -- Altinn's own calls have no such help.
    local status, _, _, text = altinn:call("GET", "/events/api/v1/nothing")
    assert.are.same({ 404, "" }, { status, text })
    status, _, _, text = altinn:call("GET", "/emulators")
    assert.are.same({ 404, "" }, { status, text })
  end)

  -- What a call wrote into an event, as it stands in the push.
  local function pushed(body)
    local id = altinn:publish(body)[1]
    for _, delivery in ipairs(altinn:deliveries()) do
      if delivery.event == id then return delivery.body end
    end
  end

  it("pushes events as they came: numbers, empty lists, the order of members", function()
    altinn:subscribe(altinn.base .. "/events/api/v1/tests/webhookreceiver")
    local data = '{"b":1.10,"a":[12345678901234567890,[],{}],"e":1e2,"n":null,"\\u00e6\\"":"\\/"}'
    local text = pushed(('{ "event" : {"specversion":"1.0", "zz":"1", "id":"raw-1", "source":"/x", "type":"t.x",'
      .. ' "resource":"urn:altinn:resource:acme-letters", "aa":"2", "data": %s }}'):format(data))
    assert.are.equal(('{"specversion":"1.0","zz":"1","id":"raw-1","source":"/x","type":"t.x",'
      .. '"resource":"urn:altinn:resource:acme-letters","aa":"2","datacontenttype":"application/json","data":%s}')
      :format('{"b":1.10,"a":[12345678901234567890,[],{}],"e":1e2,"n":null,"\\u00E6\\u0022":"/"}'), text)
    text = pushed('{"type":"correspondencepublished","zz":"1","count":1,"data":[1.10,[],12345678901234567890],"aa":"2",'
      .. '"alternativesubject":false,"time":"2026-08-20T07:22:19Z"}')
    assert.is_truthy(text:find('"zz":"1","aa":"2","datacontenttype":"application/json",'
      .. '"data":[1.10,[],12345678901234567890]}', 1, true), text)
    assert.is_nil(text:find("alternativesubject", 1, true))
  end)

  it("answers a trouble's JSON as it was given", function()
    for _, body in ipairs { "[]", "{}", '{"a":[],"b":1.10,"c":12345678901234567890}', "[ ]", "17", "true" } do
      altinn:control("POST", "/troubles", ('{"path":"/subscriptions","status":200,"body":%s}'):format(body))
      assert.are.equal((body:gsub(" ", "")), select(4, altinn:call("GET", "/events/api/v1/subscriptions")))
    end
  end)
end)

describe("a fault of the emulator", function()
  it("is logged, answered with 500, and ends nothing else", function()
    local one = assert(server.new { listen = { "127.0.0.1", 0 } })
    finally(function() one:close() end)
    local faults = {}
    one.log = function(level, message, fields)
      if level == "error" then faults[#faults + 1] = message .. " " .. fields.reason end
    end
    one.router:add("GET", "/broken", function() error("a handler's fault", 0) end)
    one.router:add("GET", "/odd", function() return { status = 200, headers = { a = {} } } end)
    one.clock:after(0, function() error("a timer's fault", 0) end)
    local clients = {}
    for index, path in ipairs { "/broken", "/odd", "/emulator/clock" } do
      clients[index] = http.connect(one.server:port(), 0.05)
      clients[index]:send(("GET %s HTTP/1.1\r\nHost: x\r\n\r\n"):format(path))
    end
    local statuses = {}
    for _ = 1, 100 do
      one:step()
      for index, client in ipairs(clients) do
        statuses[index] = statuses[index] or http.read(client)
      end
      if #statuses == 3 then break end
    end
    assert.are.same({ 500, 500, 200 }, statuses)
    for _, client in ipairs(clients) do client:close() end
    assert.are.equal(3, #faults)
    local all = table.concat(faults, "\n")
    for _, text in ipairs { "a handler's fault", "a timer's fault", "a header's value must be a string" } do
      assert.is_truthy(all:find(text, 1, true), all)
    end
  end)
end)
