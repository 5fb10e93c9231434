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
  { "/subscriptions", { endPoint = "x", resourceFilter = "acme" }, "an absolute http or https address" },
  { "/subscriptions", { endPoint = "https://x", resourceFilter = "acme", subjectFilter = 5 }, "subjectFilter must be" },
  { "/events", {}, "an event needs a type" }, { "/events", { type = "t.x", count = 20000 }, "from 1 to 10000" },
  { "/events", { event = { id = "1" } }, "" }, { "/events", { raw = "{", subscription = 99 }, "no such subscription" },
  { "/letters", { sender = 5 }, "sender must be" }, { "/letters", { dueDateTime = "soon" }, "dueDateTime must be" },
  { "/letters", { recipent = "987654321" }, "did you mean 'recipient'" },
  { "/letters", { resource = "\u{FFFF}" }, "make no event" },
  { "/letters", { attachments = { "none" } }, "no attachment none" },
  { "/letters", { attachments = { { size = "big" } } }, "attachments: size must be" },
}

describe("the emulator's control interface", function()
  local altinn

  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function() altinn:reset() end)

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
    local status = altinn:call("POST", "/emulator/world", { policy = { { decision = "deny" } }, owners = { a = 5 } })
    assert.are.equal(400, status)
    local token = altinn:token()
    assert.are.equal(201, (altinn:as(token, "POST", "/events/api/v1/subscriptions",
      { endPoint = "https://x.example.no", resourceFilter = "urn:altinn:resource:acme" })))
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
