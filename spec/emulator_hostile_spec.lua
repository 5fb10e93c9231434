-- Bytes from outside against the emulator: whatever a client sends, it gets an answer that blames the request, and the
-- emulator lives on. AE_ROUNDS and AE_SEED choose how many requests are made up, and which.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local http = require "spec.support.http"
local script = require "spec.support.script"
local wire = require "altinn.events.emulator.wire"

local ROUNDS = tonumber(os.getenv "AE_ROUNDS") or 600
local SEED = tonumber(os.getenv "AE_SEED") or 20260820

local RESOURCE = "urn:altinn:resource:acme-letters"
local LETTERS, ATTACHMENTS = "/correspondence/api/v1/correspondence", "/correspondence/api/v1/attachment"

-- Calls that are right. {letter}, {attachment} and {endpoint} stand for things that are there.
local calls = {
  { "POST", "/events/api/v1/subscriptions", { endPoint = "{endpoint}", resourceFilter = RESOURCE, typeFilter = "t",
    subjectFilter = "urn:altinn:organization:identifier-no:987654321", includeSubunits = true } },
  { "POST", "/events/api/v1/subscriptions", { endPoint = "{endpoint}", alternativeSubjectFilter = "/org/987654321",
    sourceFilter = "https://acme.apps.altinn.no/acme/app" } },
  { "GET", "/events/api/v1/subscriptions/1" },
  { "POST", "/events/api/v1/events", { specversion = "1.0", id = "1", source = "/x", type = "t.x",
    resource = RESOURCE, time = "2026-08-20T07:22:19Z", subject = "s", data = { a = 1 } },
    type = "application/cloudevents+json" },
  { "GET", "/events/api/v1/events?after=0&size=3&type=%25&resource=" .. RESOURCE },
  { "POST", LETTERS, { idempotentKey = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", existingAttachments = { "{attachment}" },
    recipients = { "urn:altinn:organization:identifier-no:987654321" },
    correspondence = { resourceId = "acme-letters", sendersReference = "r", isConfirmationNeeded = true,
      dueDateTime = "2130-08-20T07:22:19Z", requestedPublishTime = "2026-08-20T07:22:19Z", propertyList = { a = "b" },
      replyOptions = { { linkURL = "https://x.no", linkText = "x" } }, notification = { notificationChannel = "Email",
        notificationTemplate = "GenericAltinnMessage", sendReminder = true, emailBody = "b",
        customRecipients = { { emailAddress = "a@b.no" } }, customRecipient = { mobileNumber = "+4790000000" } },
      externalReferences = { { referenceType = "Generic", referenceValue = "1" } },
      content = { messageTitle = "t", messageBody = "b", messageSummary = "s", language = "nb",
        attachments = {} } } } },
  { "GET", LETTERS .. "?resourceId=acme-letters&role=Recipient&from=2026-01-01&idempotentKey=1&status=Read" },
  { "GET", LETTERS .. "/{letter}/details" },
  { "GET", LETTERS .. "/{letter}/content" },
  { "POST", LETTERS .. "/{letter}/confirm" },
  { "POST", LETTERS .. "/{letter}/forward", { forwardTo = "a@b.no", forwardingText = "see this" } },
  { "GET", LETTERS .. "/{letter}/attachment/{attachment}/download" },
  { "POST", ATTACHMENTS, { resourceId = "acme-letters", fileName = "a.pdf", sendersReference = "r",
    expirationInDays = 7, isEncrypted = false, checksum = "x", displayName = "A" } },
  { "GET", ATTACHMENTS .. "/{attachment}/details" },
  { "POST", ATTACHMENTS .. "/{attachment}/upload", "bytes" },
  { "GET", "/authentication/api/v1/exchange/maskinporten?test=true" },
  { "POST", "/emulator/clock", { advance = "1s", speed = 0 } },
  { "POST", "/emulator/clock", { to = "2026-08-20T07:22:19Z" } },
  { "POST", "/emulator/switches", { ["lost-publish"] = 0.1, dialogporten = true, ["sender-copies"] = true } },
  { "POST", "/emulator/faults", { kind = "fail", next = 2, seconds = "1s", status = 500, subscription = 1,
    type = "x" } },
  { "POST", "/emulator/troubles", { path = "/events", method = "GET", next = 1, status = 429, seconds = 0,
    headers = { ["Retry-After"] = "1" }, body = "busy" } },
  { "POST", "/emulator/settings", { timeout = 1, skew = 0, visible_after = 0, pipeline = "new",
    http_endpoints = "any", accept_any_grant = false } },
  { "POST", "/emulator/world", { clients = { abc = { organisation = "987654321", scopes = { "a" }, keys = { "k" } } },
    main_units = { ["111111111"] = "987654321" }, owners = { ["acme-letters"] = "991825827" },
    service_owners = { ["991825827"] = "digdir" }, recipients = { ["01817000092"] = "reserved" },
    contacts = { ["987654321"] = "failed", ["a@b.no"] = "silent" },
    parties = { ["987654321"] = 5 }, system_users = { ["987654321"] = "x" },
    policy = { { consumer = "*", resource = RESOURCE, action = "*", decision = "permit" } } } },
  { "GET", "/emulator/token?scopes=altinn:events.subscribe&orgNo=1&ttl=5&systemUserId=1&pid=2" },
  { "POST", "/emulator/subscriptions", { endPoint = "{endpoint}", resourceFilter = "acme-letters", typeFilter = "t",
    subjectFilter = "s", includeSubunits = false, consumer = "/org/x", validated = true } },
  { "GET", "/emulator/deliveries?state=dead&subscription=1&event=1&type=x" },
  { "POST", "/emulator/deliveries/1/repeat" },
  { "POST", "/emulator/events", { type = "correspondencepublished", resource = "acme-letters", count = 2,
    recipient = "987654321", sender = "991825827", order = "random", title = "x", time = "2026-08-20T07:22:19Z" } },
  { "POST", "/emulator/events", { event = { specversion = "1.0", id = "1", source = "/x", type = "t.x" } } },
  { "POST", "/emulator/events", { raw = "{broken", subscription = 1 } },
  { "POST", "/emulator/letters", { resource = "acme-letters", sender = "991825827", recipient = "987654321",
    title = "t", body = "b", summary = "s", language = "nb", sendersReference = "r", hold = false,
    dueDateTime = "2026-08-20T07:22:19Z", requestedPublishTime = "2026-08-20", isConfirmationNeeded = true,
    allowForwarding = true, propertyList = { a = "b" }, replyOptions = { { linkURL = "https://x.no" } },
    notification = { notificationChannel = "EmailAndSms", sendReminder = true },
    externalReferences = { { referenceType = "DialogportenDialogId", referenceValue = "x" } },
    attachments = { { fileName = "a.txt", content = "x", expirationInDays = 1, scan = "1s" }, { fileName = "b.bin",
      size = 9, pattern = "x", scan = false } } } },
  { "POST", "/emulator/letters/{letter}/walk", { steps = { "fetch", "read" }, pause = "1s" } },
  { "POST", "/emulator/letters/{letter}/purge", { by = "sender" } },
  { "POST", "/emulator/letters/{letter}/publish-failed", { text = "why" } },
  { "POST", "/emulator/letters/{letter}/notify", { reminder = true } },
  { "POST", "/emulator/letters/{letter}/notification-failed" },
  { "POST", "/emulator/attachments/{attachment}/fail", { text = "why" } },
  { "POST", "/emulator/attachments/{attachment}/expire" },
  { "DELETE", LETTERS .. "/{letter}/purge" },
  { "DELETE", ATTACHMENTS .. "/{attachment}" },
  { "GET", "/emulator/requests" },
}

-- Texts of JSON that do not belong where they are put.
local strange = {
  "null", "true", "-1", "0", "1.5", "1e300", "-1e300", "1e15", "9007199254740993", '""', '" "', '"\\u0000"',
  '"a\\nb"', '"\xFF\xFE"', '"\\ud800"', '"\xC3\xA6\xF0\x9F\x98\x80"', "[]", "{}", "[null]", '[{"a":[1]}]', '{"x":{}}',
  '"urn:altinn:\\u0001"', '"0198c3a2"', '"99999999999"', '"http://[::1"', '"http://127.0.0.1:99999/"', '"foo://x"',
  '"/party/1"', '"' .. ("x"):rep(9000) .. '"', ("["):rep(300) .. ("]"):rep(300), '"%"', '"9999999d"', '"1e999"',
  '"9999-12-31T23:59:59Z"', '"0000-00-00T99:99:99+99:99"', "[1,2,3]", '{"file":"/dev/null"}', "3", '"3"',
}

local function draw(n) return math.random(n) end

-- JSON of a value, with something strange in one place of several.
local function spoil(value, chance)
  if math.random() < chance then return strange[draw(#strange)] end
  if type(value) ~= "table" then return cjson.encode(value) end
  local parts = {}
  if #value > 0 then
    for index, one in ipairs(value) do parts[index] = spoil(one, chance) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local one = value[name]
    if math.random() < chance / 3 then name = ({ "", "x", name:upper(), "a\\u0000b", "type" })[draw(5)] end
    if math.random() > chance / 3 then parts[#parts + 1] = ('"%s":%s'):format(name, spoil(one, chance)) end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The same, with bytes lost, changed, added.
local function damage(text)
  local kind, at = draw(12), draw(#text + 1)
  if kind == 1 then return text:sub(1, at - 1) end
  if kind == 2 then return text:sub(1, at - 1) .. string.char(draw(256) - 1) .. text:sub(at + 1) end
  if kind == 3 then return text:sub(1, at - 1) .. strange[draw(#strange)] .. text:sub(at) end
  return text
end

local media = { "application/json", "application/cloudevents+json", "text/plain", "application/x-www-form-urlencoded",
  "", ";", "application/json; charset=\xE6" }

describe("the emulator among strangers", function()
  local altinn, tokens

  setup(function()
    math.randomseed(SEED)
    altinn = emulator.start()
    tokens = {}
  end)
  teardown(function() altinn:close() end)

  local function fresh()
    altinn:reset()
    altinn:control("POST", "/settings", { timeout = 1, skew = 0, http_endpoints = "any" })
    altinn:control("POST", "/world", { policy = { { decision = true } } })
    local scopes = "altinn:events.subscribe altinn:correspondence.read altinn:correspondence.write "
      .. "altinn:events.publish altinn:serviceowner"
    tokens[1] = altinn:token { scopes = scopes }
    tokens[2] = altinn:token { scopes = scopes, kind = "maskinporten" }
    tokens[3] = altinn:token { scopes = "altinn:correspondence.read" }
    local endpoint = altinn.base .. "/events/api/v1/tests/webhookreceiver"
    altinn:control("POST", "/subscriptions", { endPoint = endpoint, resourceFilter = "acme-letters" })
    local letter = altinn:control("POST", "/letters", { attachments = { { fileName = "a.txt", content = "x" } } })
    return { letter = letter.id, attachment = letter.content.attachments[1].id, endpoint = endpoint }
  end

  local function fill(text, there)
    return (text:gsub("{(%l+)}", there))
  end

  -- A grant with something strange in its header or claims.
  local function grant(client)
    local now = os.time()
    local header = spoil({ alg = "RS256", kid = "k", x5c = draw(2) == 1 and { "MAA=" } or nil }, 0.1)
    local claims = spoil({ iss = client or "abc", scope = "altinn:events.subscribe", aud = altinn.base .. "/",
      iat = now, exp = now + 60, jti = tostring(draw(1000)), resource = { "https://x" }, consumer_org = "987654321",
      authorization_details = draw(2) == 1 and { { type = "urn:altinn:systemuser", externalRef = "r",
        systemuser_org = { authority = "iso6523-actorid-upis", ID = "0192:987654321" } } } or nil }, 0.03)
    local parts = { wire.base64url(damage(header)), wire.base64url(damage(claims)), damage "c2lnbmF0dXJl" }
    return { method = "POST", path = "/token", timeout = 20,
      headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
      body = damage("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .. table.concat(parts, ".") }
  end

  local function made_up(there)
    if draw(12) == 1 then return grant() end
    local call = calls[draw(#calls)]
    local path = fill(call[2], there)
    if draw(8) == 1 then path = path:gsub("=[^&]*", function() return draw(3) == 1 and "=%00%FF%0A" or nil end) end
    local body = call[3] and (type(call[3]) == "string" and call[3] or damage(spoil(call[3], 0.15)))
    local headers = { Authorization = draw(10) > 1 and "Bearer " .. tokens[draw(#tokens)] or nil,
      ["Content-Type"] = body and (draw(10) == 1 and media[draw(#media)] or call.type or "application/json"),
      Accept = draw(20) == 1 and media[draw(#media)] or nil }
    if call[1] ~= "GET" then body = fill(body or "", there) end
    return { method = call[1], path = path, headers = headers, body = body, timeout = 20 }
  end

  local function alive()
    assert(not altinn.process:status(), "the emulator has ended: " .. altinn:log():sub(-2000))
  end

  it("answers every request, and finds no fault in itself", function()
    local there, counts = fresh(), {}
    for round = 1, ROUNDS do
      if round % 40 == 0 then there = fresh() end
      local request = made_up(there)
      local status, why = http.request(altinn.port, request)
      alive()
      local shown = ("round %d of seed %d: %s %s %s: %s %s"):format(round, SEED, request.method, request.path,
        tostring(request.body), tostring(status), type(why) == "string" and why or "")
      assert(status and status ~= 500, shown .. "\n" .. altinn:log():sub(-1500))
      if request.path == "/emulator/troubles" then altinn:control("DELETE", "/troubles") end
      counts[status] = (counts[status] or 0) + 1
    end
    assert.is_nil(altinn:log():match("[^\n]*level=error msg=error[^\n]*"))
    -- A check of the check: some requests were right, some were not.
    assert.is_true((counts[200] or 0) + (counts[201] or 0) > ROUNDS / 10)
    assert.is_true((counts[400] or 0) > ROUNDS / 10)
  end)

  it("takes a right grant among the made-up ones", function()
    fresh()
    altinn:control("POST", "/settings", { accept_any_grant = true })
    local good = 0
    for _ = 1, 200 do
      if http.request(altinn.port, grant "unregistered") == 200 then good = good + 1 end
    end
    alive()
    assert.is_true(good > 0 and good < 200)
  end)

  it("is not held up by clients that are slow, or that go away", function()
    local clients = {}
    for index = 1, 100 do
      clients[index] = http.connect(altinn.port)
      clients[index]:send(index % 2 == 0 and "POST /token HTTP/1.1\r\nHost: x\r\nContent-Le"
        or "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nassert")
    end
    altinn:control("POST", "/troubles", { path = "/slow", seconds = "1h", next = 50 })
    for index = 101, 150 do
      clients[index] = http.connect(altinn.port)
      clients[index]:send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    end
    assert.are.equal(404, (http.request(altinn.port, { path = "/nothing", timeout = 2 })))
    for _, client in ipairs(clients) do client:close() end
    altinn:advance "2h"
    assert.are.equal(404, (http.request(altinn.port, { path = "/nothing", timeout = 2 })))
    alive()
  end)

  it("answers what is no HTTP with 400, or not at all", function()
    for _, bytes in ipairs { "\0\1\2\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", ("x"):rep(100000),
      "GET / HTTP/1.1\r\nHost: x\r\n" .. ("A: b\r\n"):rep(20000) .. "\r\n",
      "POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n" } do
      local client = http.connect(altinn.port, 0.3)
      client:send(bytes)
      client:shutdown "send"
      local text, _, partial = client:receive("*a")
      local status = (text or partial):match("^HTTP/1%.%d (%d+)")
      assert.is_true(status == nil or tonumber(status) >= 400, status)
      client:close()
    end
    alive()
  end)

  it("refuses what is too large: an event above 1 MiB, anything above 32 MiB", function()
    fresh()
    local function event(size)
      return ('{"specversion":"1.0","id":"%d","source":"/x","type":"t","resource":"%s","data":"%s"}'):format(size,
        RESOURCE, ("\u{e6}"):rep(size // 2))
    end
    local headers = { ["Content-Type"] = "application/cloudevents+json" }
    local path = "/events/api/v1/events"
    assert.are.equal(200, (altinn:as(tokens[1], "POST", path, event(1000000), headers)))
    assert.are.equal(413, (altinn:as(tokens[1], "POST", path, event(1100000), headers)))
    assert.are.equal(413, (altinn:as(tokens[1], "POST", path, (" "):rep(33 << 20), headers)))
    altinn:advance()
    assert.are.equal("delivered", altinn:deliveries({ event = "1000000" })[1].state)
    local refused
    for _, one in ipairs(altinn:control("GET", "/requests").requests) do
      if one.status == 413 then refused = one end
    end
    assert.is_true(refused.bytes > 1100000)
    assert.is_true(#refused.body <= 64 << 10 and #refused.body > 65000, #refused.body)
  end)

  it("shows octets that are no UTF-8 as JSON all the same", function()
    altinn:call("POST", "/token", "\xFF\xFE", { ["X-Odd"] = "\xE6" })
    local _, _, _, text = altinn:call("GET", "/emulator/requests")
    assert.is_truthy(utf8.len(text))
  end)

  it("lives with endpoints that answer nonsense, without end, or lead nowhere", function()
    local endpoint = script.start()
    finally(function() endpoint:close() end)
    for _, answer in ipairs { "{ raw = 'no HTTP\\r\\n\\r\\n' }", "{ cut = 0, body = 'x' }",
      "{ bytes = 1 << 30, cut = 1 << 16 }", "{ status = 302, headers = { Location = 'http://127.0.0.1:99999/' } }",
      "{ status = 307, headers = { Location = '//' } }", "{ status = 307, headers = { Location = '' } }",
      "{ status = 308, headers = { Location = 'file:///etc/passwd' } }",
      "{ status = 307, headers = { Location = '/again' } }", "{ status = 307, headers = { Location = 'again' } }",
      "{ status = 101 }" } do
      altinn:reset()
      endpoint:answer("return " .. answer)
      altinn:control("POST", "/subscriptions", { endPoint = endpoint.url, resourceFilter = "acme", validated = false })
      altinn:advance()
      assert.are.equal("waiting", altinn:deliveries()[1].state, answer)
    end
    alive()
    assert.is_nil(altinn:log():match("[^\n]*level=error msg=error[^\n]*"))
    altinn:reset()
    endpoint:answer "return { bytes = 20 << 20 }"
    altinn:subscribe(endpoint.url, { validated = false })
    assert.are.equal("delivered", altinn:deliveries()[1].state)
  end)
end)
