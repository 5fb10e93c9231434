-- The emulator's letters: calls, states, errors, and the events that they raise.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"

local API = "/correspondence/api/v1/correspondence"
local ATTACHMENT = "/correspondence/api/v1/attachment"
local SENDER, RECIPIENT, STRANGER = "991825827", "987654321", "111111111"

describe("the emulator's letters", function()
  local altinn, reader, writer

  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function()
    altinn:reset()
    reader = altinn:token { scopes = "altinn:correspondence.read", orgNo = RECIPIENT }
    writer = altinn:token { scopes = "altinn:correspondence.write", orgNo = SENDER }
  end)

  local function call(token, method, letter, rest, body, headers)
    return altinn:as(token, method, API .. "/" .. (letter.id or letter) .. (rest or ""), body, headers)
  end

  -- Both the number and the status of an error, by the answer to a call.
  local function problem(status, value)
    assert.is_table(value, "no problem object: " .. tostring(value))
    assert.are.equal(("CORR-%05d"):format(value.errorCode), value.code)
    assert.are.equal(status, value.status)
    assert.is_string(value.detail)
    assert.is_string(value.traceId)
    return { status, value.errorCode }
  end

  local function history(letter)
    local list = {}
    for index, entry in ipairs(altinn:control("GET", "/letters/" .. letter.id).statusHistory) do
      list[index] = entry.status
    end
    return list
  end

  -- The last event: its type, subject, source kind and resourceinstance.
  local function last_event()
    local list = altinn:control("GET", "/events").events
    local event = list[#list]
    return { event.type:match("([^.]+)$"), event.subject:match("%d+$"), event.source:match("([^/]+)$"),
      event.resourceinstance }
  end

  it("are created, published to the recipient, read and confirmed, each step with its event", function()
    local letter = altinn:letter { isConfirmationNeeded = true, title = "Title", summary = "Summary", body = "# Body" }
    assert.are.same({ "correspondenceinitialized", "correspondencepublished" }, altinn:types())
    assert.are.same({ "correspondencepublished", RECIPIENT, "correspondence", letter.id }, last_event())
    local status, shown, headers = call(reader, "GET", letter)
    assert.are.equal(200, status)
    assert.are.equal("no-store", headers["cache-control"])
    assert.are.same({ "Published", "Title", "Summary", "# Body" }, { shown.status, shown.content.messageTitle,
      shown.content.messageSummary, shown.content.messageBody })
    local read_id
    status, read_id = call(reader, "POST", letter, "/markasread")
    assert.are.same({ 200, letter.id }, { status, read_id })
    assert.are.same({ "correspondencereceiverread", SENDER, "correspondence", letter.id }, last_event())
    local _, id, _, text = call(reader, "POST", letter, "/confirm")
    assert.are.same({ letter.id, '"' .. letter.id .. '"' }, { id, text })
    assert.are.same({ "correspondencereceiverread", SENDER, "correspondence", letter.id }, last_event())
    altinn:advance(4)
    assert.are.same({ "correspondencereceiverconfirmed", SENDER, "correspondence", letter.id }, last_event())
    assert.are.same({ "Initialized", "ReadyForPublish", "Published", "Fetched", "Read", "Confirmed" }, history(letter))
    status = call(reader, "DELETE", letter, "/purge")
    assert.are.equal(200, status)
    assert.are.same({ "correspondencepurged", SENDER, "correspondence", letter.id }, last_event())
    assert.are.same({ 404, 1001 }, problem(call(reader, "GET", letter)))
  end)

  it("show all members, null ones too, as the documents have them", function()
    local letter = altinn:letter { dueDateTime = "2030-01-01T00:00:00Z" }
    local _, shown, _, text = call(reader, "GET", letter)
    local order = {}
    text = text:gsub('"content":%b{},', '"content":0,'):gsub('%[%b{}%]', "[]")
    for name in text:gmatch('"(%w+)":') do
      order[#order + 1] = name
    end
    assert.are.same({ "resourceId", "sender", "sendersReference", "messageSender", "content", "requestedPublishTime",
      "dueDateTime", "externalReferences", "propertyList", "replyOptions", "notification", "ignoreReservation",
      "isConfirmationNeeded", "isConfidential", "allowForwarding", "recipient", "correspondenceId", "created",
      "status", "statusText", "statusChanged", "notifications", "altinn2CorrespondenceId", "published", "read" }, order)
    assert.are.equal(cjson.null, shown.read)
    assert.are.equal("urn:altinn:organization:identifier-no:" .. RECIPIENT, shown.recipient)
    assert.are.equal("urn:altinn:organization:identifier-no:" .. SENDER, shown.sender)
    assert.are.equal("2030-01-01T00:00:00+00:00", shown.dueDateTime)
    local _, details = call(reader, "GET", letter, "/details")
    assert.are.same({ "Initialized", "ReadyForPublish", "Published", "Fetched" },
      { details.statusHistory[1].status, details.statusHistory[2].status, details.statusHistory[3].status,
        details.statusHistory[4].status })
    assert.are.equal("Default", details.systemLabel)
  end)

  it("show the highest status ever, Fetched excepted", function()
    local letter = altinn:letter { attachments = { { fileName = "a.txt", content = "text" } } }
    call(reader, "GET", letter)
    assert.are.equal("Published", select(2, call(reader, "GET", letter)).status)
    altinn:step(letter, "confirm")
    altinn:advance(4)
    assert.are.equal("Confirmed", select(2, call(reader, "GET", letter)).status)
    call(reader, "POST", letter, "/markasread")
    assert.are.equal("Confirmed", select(2, call(reader, "GET", letter)).status)
    call(reader, "GET", letter, "/attachment/" .. letter.content.attachments[1].id .. "/download")
    assert.are.equal("AttachmentsDownloaded", select(2, call(reader, "GET", letter)).status)
  end)

  it("record Fetched at most once in 15 seconds, and never for a token that may write", function()
    local letter = altinn:letter()
    local both = altinn:token { scopes = "altinn:correspondence.read altinn:correspondence.write", orgNo = RECIPIENT }
    call(both, "GET", letter)
    assert.are.same({ 400, 1025 }, problem(call(both, "POST", letter, "/confirm")))
    assert.are.same({ 400, 1024 }, problem(call(reader, "POST", letter, "/markasread")))
    for _ = 1, 2 do call(reader, "GET", letter) end
    altinn:advance(15)
    call(reader, "GET", letter)
    assert.are.same({ "Initialized", "ReadyForPublish", "Published", "Fetched", "Fetched" }, history(letter))
  end)

  it("record Fetched at each call of the details, and for each caller of the overview", function()
    local letter = altinn:letter()
    for _ = 1, 2 do call(reader, "GET", letter, "/details") end
    assert.are.equal(5, #history(letter))
    altinn:control("POST", "/world", { policy = { { decision = true } } })
    local other = altinn:token { scopes = "altinn:correspondence.read", orgNo = STRANGER }
    for _ = 1, 2 do
      call(reader, "GET", letter)
      call(other, "GET", letter)
    end
    altinn:control("POST", "/world", '{"policy":null}')
    assert.are.equal(7, #history(letter))
  end)

  it("answer a second reading, confirming, purging with 1040, 1041, 1014", function()
    local letter = altinn:letter()
    call(reader, "GET", letter)
    assert.are.equal(200, (call(reader, "POST", letter, "/markasread")))
    assert.are.same({ 400, 1040 }, problem(call(reader, "POST", letter, "/markasread")))
    assert.are.equal(200, (call(reader, "POST", letter, "/confirm")))
    assert.are.equal(200, (call(reader, "POST", letter, "/confirm")))
    altinn:advance(4)
    assert.are.same({ 400, 1041 }, problem(call(reader, "POST", letter, "/confirm")))
    assert.are.equal(200, (call(reader, "DELETE", letter, "/purge")))
    assert.are.same({ 400, 1014 }, problem(call(reader, "DELETE", letter, "/purge")))
    assert.are.same({ "correspondenceinitialized", "correspondencepublished", "correspondencereceiverread",
      "correspondencereceiverconfirmed", "correspondencepurged" }, altinn:types())
  end)

  it("give the content as text, and count as read by it", function()
    local letter = altinn:letter { body = "# Hei på deg" }
    local status, text, headers = call(reader, "GET", letter, "/content")
    assert.are.same({ 200, "# Hei på deg" }, { status, text })
    assert.is_truthy(headers["content-type"]:find("^text/plain"))
    call(reader, "GET", letter, "/content")
    assert.are.same({ "correspondenceinitialized", "correspondencepublished", "correspondencereceiverread" },
      altinn:types())
  end)

  it("let the sender purge before publishing only, the recipient after confirming what must be confirmed", function()
    local held = altinn:letter { hold = true }
    assert.are.same({ 404, 1001 }, problem(call(reader, "GET", held)))
    assert.are.equal("A letter", select(2, call(writer, "GET", held)).content.messageTitle)
    assert.are.equal(200, (call(writer, "DELETE", held, "/purge")))
    local letter = altinn:letter { isConfirmationNeeded = true }
    assert.are.equal("", select(2, call(writer, "GET", letter)).content.messageTitle)
    assert.are.same({ 400, 1013 }, problem(call(writer, "DELETE", letter, "/purge")))
    assert.are.same({ 400, 1026 }, problem(call(reader, "DELETE", letter, "/purge")))
    altinn:step(letter, "confirm")
    altinn:advance(4)
    assert.are.equal(200, (call(reader, "DELETE", letter, "/purge")))
  end)

  it("refuse by token, scope and party", function()
    local letter = altinn:letter()
    local status, _, _, text = altinn:call("GET", API .. "/" .. letter.id)
    assert.are.same({ 401, "" }, { status, text })
    local events_only = altinn:token { scopes = "altinn:events.subscribe", orgNo = RECIPIENT }
    assert.are.equal(403, (call(events_only, "GET", letter)))
    assert.are.equal(403, (call(writer, "GET", letter, "/content")))
    local stranger = altinn:token { scopes = "altinn:correspondence.read", orgNo = STRANGER }
    assert.are.same({ 401, 4001 }, problem(call(stranger, "GET", letter)))
    local other_writer = altinn:token { scopes = "altinn:correspondence.write", orgNo = STRANGER }
    assert.are.same({ 401, 4001 }, problem(call(other_writer, "GET", letter)))
    assert.are.same({ 404, 1001 }, problem(call(reader, "GET", "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f")))
  end)

  it("let the owner of the resource pass, by scope", function()
    local letter = altinn:letter { resource = "owned" }
    altinn:control("POST", "/world", { owners = { owned = "222222222" } })
    local function owner(number)
      return altinn:token { scopes = "altinn:correspondence.write altinn:serviceowner", orgNo = number }
    end
    assert.are.equal(200, (call(owner "222222222", "GET", letter)))
    assert.are.same({ 401, 4001 }, problem(call(owner(STRANGER), "GET", letter)))
  end)

  it("take a raw Maskinporten token from service owners' senders, and advise recipients to exchange theirs", function()
    local letter = altinn:letter()
    local raw = altinn:token { kind = "maskinporten", orgNo = SENDER,
      scopes = "altinn:serviceowner altinn:correspondence.write" }
    assert.are.equal(200, (call(raw, "GET", letter)))
    raw = altinn:token { kind = "maskinporten", orgNo = RECIPIENT, scopes = "altinn:correspondence.read" }
    assert.are.equal(200, (call(raw, "GET", letter)))
    for _, rest in ipairs { "/content", "/markasread", "/confirm", "/forward" } do
      local status, value, headers = call(raw, rest == "/content" and "GET" or "POST", letter, rest)
      assert.are.same({ 403, 'Bearer error="invalid_token"', "IDX10205: Issuer validation failed", 403,
        "Maskinporten token is not valid. Exchange to Altinn token and try again. Read more at"
        .. " https://docs.altinn.studio/api/scenarios/authentication/#maskinporten-jwt-access-token-input" },
        { status, headers["www-authenticate"], value.title, value.status, value.detail })
    end
    raw = altinn:token { kind = "maskinporten", orgNo = SENDER, scopes = "altinn:correspondence.write" }
    local status, _, _, text = call(raw, "GET", letter)
    assert.are.same({ 403, "" }, { status, text })
  end)

  it("refuse an Accept list without what is produced", function()
    local letter = altinn:letter()
    assert.are.equal(406, (call(reader, "GET", letter, "", nil, { Accept = "text/html, application/xml" })))
    assert.are.equal(406, (call(reader, "GET", letter, "/content", nil, { Accept = "application/json" })))
    assert.are.equal(200, (call(reader, "GET", letter, "", nil, { Accept = "text/html, application/*;q=0.1" })))
    assert.are.equal(200, (call(reader, "GET", letter, "", nil, { Accept = "*/*" })))
  end)

  it("are listed by resource and role, newest first, between two exclusive times", function()
    local function list(token, query)
      return altinn:as(token, "GET", API .. "?" .. query)
    end
    local ids = {}
    for hour = 1, 3 do
      ids[hour] = altinn:letter { requestedPublishTime = ("2026-01-01T%02d:00:00Z"):format(hour) }.id
    end
    altinn:letter { resource = "other" }
    altinn:letter { recipient = STRANGER }
    local held = altinn:letter { hold = true, requestedPublishTime = "2026-01-01T04:00:00Z" }
    local status, value = list(reader, "resourceId=acme-letters&role=Recipient")
    assert.are.equal(200, status)
    assert.are.same({ ids = { ids[3], ids[2], ids[1] } }, value)
    value = select(2, list(reader,
      "resourceId=acme-letters&role=recipient&from=2026-01-01T01:00:00Z&to=2026-01-01T03:00:00Z"))
    assert.are.same({ ids[2] }, value.ids)
    assert.are.equal(400, (list(reader, "resourceId=acme-letters&role=Recipient&status=Gone")))
    assert.are.equal(400, (list(reader, "resourceId=acme-letters&role=Recipient&onBehalfOf=987654321")))
    assert.are.equal(200, (list(reader, "resourceId=acme-letters&role=Recipient&onBehalfOf=0192:987654321")))
    value = select(2, list(writer, "resourceId=acme-letters&role=Sender&to=2026-01-02T00:00:00Z"))
    assert.are.same({ held.id, ids[3], ids[2], ids[1] }, value.ids)
    assert.are.same({ 400, 1027 }, problem(list(reader, "resourceId=acme-letters&role=Recipient"
      .. "&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z")))
    assert.are.same({ 401, 4001 }, problem(list(reader, "resourceId=acme-letters&role=Recipient&onBehalfOf=0192:"
      .. STRANGER)))
    for _, query in ipairs { "role=Recipient", "resourceId=acme-letters", "resourceId=acme-letters&role=Nobody",
      "resourceId=acme-letters&role=Sender&from=yesterday" } do
      status, value = list(reader, query)
      assert.are.equal(400, status)
      assert.are.equal("CORR.VLD-00000", value.validationErrors[1].code)
      assert.is_table(value.errors)
    end
  end)

  it("are listed by what they ever were, also after they were deleted", function()
    local function ids(token, query)
      return select(2, altinn:as(token, "GET", API .. "?resourceId=acme-letters&" .. query)).ids
    end
    local letter = altinn:letter { idempotentKey = "5b0b1a0e-0c5c-4a53-9d1b-6e9f5f3c2a10" }
    call(reader, "GET", letter, "/content")
    call(reader, "DELETE", letter, "/purge")
    for _, status in ipairs { "Published", "Read", "PurgedByRecipient" } do
      assert.are.same({ letter.id }, ids(reader, "role=Recipient&status=" .. status), status)
      assert.are.same({ letter.id }, ids(writer, "role=Sender&status=" .. status), status)
    end
    assert.are.same({ letter.id }, ids(reader, "role=Recipient"))
    assert.are.same({}, ids(reader, "role=Recipient&status=Fetched"))
    assert.are.same({}, ids(reader, "role=Recipient&status=ReadyForPublish"))
    assert.are.same({ letter.id }, ids(writer, "role=Sender&status=ReadyForPublish"))
    assert.are.same({}, ids(reader, "role=Recipient&status=Confirmed"))
    -- Asked with both roles, the status filters hardly anything.
    assert.are.same({ letter.id }, ids(reader, "role=RecipientAndSender&status=Confirmed"))
    local failed = altinn:letter { hold = true }
    altinn:step(failed, "publish-failed")
    assert.are.same({}, ids(reader, "role=Recipient&status=Failed"))
    assert.are.same({ failed.id }, ids(writer, "role=Sender&status=Failed"))
    assert.are.same({ letter.id }, ids(reader, "role=Recipient"))
    local unread = altinn:letter { recipient = STRANGER }
    assert.are.same({}, ids(reader, "role=RecipientAndSender&status=Confirmed&from=2130-01-01"))
    assert.are.equal(2, #ids(writer, "role=Sender&status=Published"))
    altinn:step(unread, "purge")
    local told = altinn:letter { sendersReference = "case 1" }
    assert.are.same({ told.id }, ids(writer, "role=Sender&sendersReference=case%201"))
    assert.are.same({}, ids(writer, "role=Sender&sendersReference=case"))
    -- A key answers alone.
    assert.are.same({ letter.id },
      ids(reader, "role=Sender&status=Confirmed&idempotentKey=5B0B1A0E-0C5C-4A53-9D1B-6E9F5F3C2A10"))
    assert.are.same({}, ids(reader, "role=Sender&idempotentKey=5b0b1a0e-0c5c-4a53-9d1b-6e9f5f3c2a11"))
    assert.are.same({}, ids(reader, "role=Recipient&altinn2CorrespondenceId=5"))
  end)

  it("tell the recipient at the due date what was not done", function()
    local due = "2030-01-01T00:00:00Z"
    local unread = altinn:letter { dueDateTime = due, isConfirmationNeeded = true }
    local read = altinn:letter { dueDateTime = due, isConfirmationNeeded = true, recipient = "222222222" }
    altinn:step(read, "read")
    local _ = altinn:letter { dueDateTime = due, hold = true }
    altinn:control("POST", "/clock", { to = due })
    local list = {}
    for _, event in ipairs(altinn:control("GET", "/events").events) do
      local name = event.type:match("never(%a+)$")
      if name then list[#list + 1] = { name, event.resourceinstance, event.subject:match("%d+$") } end
    end
    assert.are.same({ { "read", unread.id, RECIPIENT }, { "confirmed", unread.id, RECIPIENT },
      { "confirmed", read.id, "222222222" } }, list)
  end)

  it("wait for their time to be published", function()
    local now = altinn:control("GET", "/clock").now
    local day = ("%02d"):format(tonumber(now:sub(9, 10)) % 28 + 1)
    local month = tonumber(now:sub(6, 7)) + (day == "01" and 1 or 0)
    local time = ("%d-%02d-%sT00:00:00Z"):format(tonumber(now:sub(1, 4)) + month // 13, (month - 1) % 12 + 1, day)
    local letter = altinn:letter { requestedPublishTime = time }
    assert.are.equal("ReadyForPublish", letter.status)
    assert.are.same({ "correspondenceinitialized" }, altinn:types())
    altinn:advance "4d"
    assert.are.same({ "correspondenceinitialized", "correspondencepublished" }, altinn:types())
  end)

  it("walk through their life, or any steps of it", function()
    local letter = altinn:letter { hold = true }
    altinn:step(letter, "walk", { pause = "1h" })
    altinn:advance "4h"
    assert.are.same({ "correspondenceinitialized", "correspondencepublished", "correspondencereceiverread",
      "correspondencereceiverconfirmed" }, altinn:types())
    altinn:reset()
    letter = altinn:letter()
    altinn:step(letter, "walk", { pause = 1, steps = { "notify", "notification-failed", "notification-all-failed",
      "notification-delivered", "notification-reminder-delivered", "notification-creation-failed", "never-read",
      "never-confirmed", "publish-failed", "purge" } })
    altinn:advance(60)
    assert.are.same({ "correspondenceinitialized", "correspondencepublished", "notificationcreated",
      "correspondencenotificationfailed", "correspondencenotificationallfailed",
      "correspondencenotificationdelivered", "correspondencenotificationreminderdelivered",
      "correspondencenotificationcreationfailed", "correspondencereceiverneverread",
      "correspondencereceiverneverconfirmed", "correspondencepublishfailed", "correspondencepurged" }, altinn:types())
    local status, answer = altinn:call("POST", ("/emulator/letters/%s/confrim"):format(letter.id), {})
    assert.are.equal(400, status)
    assert.is_truthy(answer.error:find("did you mean 'confirm'", 1, true))
  end)

  it("have notification orders with ids of their own", function()
    local letter = altinn:letter()
    altinn:step(letter, "notify")
    local _, details = call(reader, "GET", letter, "/details")
    local order = select(2, call(reader, "GET", letter)).notifications[1].notificationOrderId
    assert.are.same({ "notificationcreated", SENDER, "notification", order }, last_event())
    assert.is_string(details.notifications[1].id)
  end)

  it("can be forwarded when that is allowed and they were read", function()
    local function forward(letter, body) return call(reader, "POST", letter, "/forward", body) end
    local mail = { forwardTo = "a@example.org" }
    assert.are.same({ 400, 1063 }, problem(forward(altinn:letter(), mail)))
    local letter = altinn:letter { allowForwarding = true }
    assert.are.same({ 400, 1065 }, problem(forward(letter, mail)))
    call(reader, "GET", letter, "/content")
    local function told(text) return { forwardTo = "b@example.org", forwardingText = text } end
    assert.are.same({ 400, 1066 }, problem(forward(letter, told(("å"):rep(201)))))
    assert.are.same({ 400, 1067 }, problem(forward(letter, told "<b>")))
    assert.are.equal(400, (forward(letter, {})))
    assert.are.equal(200, (forward(letter, told(("å"):rep(200)))))
    assert.are.same({ 400, 1064 }, problem(forward(letter, told "again")))
    assert.are.equal(200, (forward(letter, mail)))
  end)

  it("are Forwarded when the e-mail has been delivered, dated at the call", function()
    local letter = altinn:letter { allowForwarding = true }
    call(reader, "GET", letter, "/content")
    assert.are.equal(200, (call(reader, "POST", letter, "/forward", { forwardTo = "a@example.org" })))
    assert.are.equal("Read", altinn:control("GET", "/letters/" .. letter.id).status)
    altinn:advance(59)
    call(reader, "GET", letter)
    altinn:advance(1)
    local shown = altinn:control("GET", "/letters/" .. letter.id)
    assert.are.equal("Forwarded", shown.status)
    assert.are.same({ "Initialized", "ReadyForPublish", "Published", "Fetched", "Read", "Forwarded", "Fetched" },
      history(letter))
  end)

  it("are created by senders; an idempotent key works once, for one recipient", function()
    local function post(changes, recipients)
      local body = { correspondence = { resourceId = "acme-letters", sendersReference = "r",
        content = { messageTitle = "T", messageBody = "B" } }, recipients = recipients or { "0192:" .. RECIPIENT } }
      for name, value in pairs(changes or {}) do body[name] = value end
      return altinn:as(writer, "POST", API, body)
    end
    local status, answer = post(nil, { "urn:altinn:organization:identifier-no:" .. RECIPIENT, "0192:" .. STRANGER })
    assert.are.equal(200, status)
    assert.are.equal(2, #answer.correspondences)
    altinn:advance()
    assert.are.equal("B", select(2, call(reader, "GET", answer.correspondences[1].correspondenceId, "/content")))
    local key = "5b0b1a0e-0c5c-4a53-9d1b-6e9f5f3c2a10"
    assert.are.same({ 400, 1047 }, problem(post({ idempotentKey = key },
      { "0192:" .. RECIPIENT, "0192:" .. STRANGER })))
    answer = select(2, post { idempotentKey = key })
    assert.are.same({ 409, 1034 }, problem(post { idempotentKey = key:upper() }))
    altinn:advance()
    local _, found = altinn:as(writer, "GET", API .. "?resourceId=acme-letters&role=Sender&idempotentKey=" .. key)
    assert.are.same({ answer.correspondences[1].correspondenceId }, found.ids)
    assert.are.equal(415, (altinn:as(writer, "POST", API, "x", { ["Content-Type"] = "text/plain" })))
    assert.are.equal(400, (altinn:as(writer, "POST", API, {})))
    assert.are.equal(403, (altinn:as(reader, "POST", API, {})))
  end)

  describe("attachments", function()
    local function letter_with(one) return altinn:letter { attachments = { one } } end

    local function download(letter, id)
      return call(reader, "GET", letter, "/attachment/" .. (id or letter.content.attachments[1].id) .. "/download")
    end

    it("are downloaded with their media type, shown when they are PDFs or images", function()
      for name, row in pairs {
        ["a.txt"] = { "text/plain; charset=utf-8", "attachment; filename=a.txt; filename*=UTF-8''a.txt" },
        ["b.PDF"] = { "application/pdf", "inline; filename*=UTF-8''b.PDF" },
        ["c.png"] = { "image/png", "inline; filename*=UTF-8''c.png" },
        ["d.docx"] = { "application/octet-stream", "attachment; filename=d.docx; filename*=UTF-8''d.docx" },
        ["å b.csv"] = { "text/csv; charset=utf-8",
          [[attachment; filename="_ b.csv"; filename*=UTF-8''%C3%A5%20b.csv]] },
        ["e.html"] = { "text/html; charset=utf-8", "attachment; filename=e.html; filename*=UTF-8''e.html" },
        ["f.dcm"] = { "application/dicom", "attachment; filename=f.dcm; filename*=UTF-8''f.dcm" } } do
        local status, text, headers = download(letter_with { fileName = name, content = "bytes\0" })
        assert.are.same({ 200, "bytes\0" }, { status, text })
        assert.are.same({ row[1], row[2] }, { headers["content-type"], headers["content-disposition"] })
      end
    end)

    it("may be as large as one likes", function()
      local letter = letter_with { fileName = "big.bin", size = 5000000, pattern = "abc" }
      local status, text = download(letter)
      assert.are.same({ 200, 5000000, "abcab" }, { status, #text, text:sub(1, 5) })
    end)

    it("have errors of their own", function()
      local letter = letter_with { fileName = "a.txt", content = "x" }
      local id = letter.content.attachments[1].id
      assert.are.same({ 404, 2001 }, problem(download(letter, "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f")))
      altinn:control("POST", ("/attachments/%s/expire"):format(id))
      assert.are.same({ "attachmentexpired", SENDER, "attachment", id }, last_event())
      assert.are.same({ 400, 2020 }, problem(download(letter)))
      altinn:control("POST", ("/attachments/%s/purge"):format(id))
      assert.are.same({ 400, 2019 }, problem(download(letter)))
    end)

    it("raise events about themselves, and hold a letter back when they fail", function()
      local letter = altinn:letter { hold = true, attachments = { { fileName = "virus.exe", content = "x",
        scan = false } } }
      assert.are.same({ "correspondenceinitialized" }, altinn:types())
      local id = letter.content.attachments[1].id
      altinn:control("POST", ("/attachments/%s/fail"):format(id))
      assert.are.same({ "attachmentuploadfailed", SENDER, "attachment", id }, last_event())
      assert.are.equal("Failed", altinn:control("GET", "/letters/" .. letter.id).status)
      altinn:step(letter, "publish")
      assert.are.same({ "correspondenceinitialized", "attachmentuploadfailed" }, altinn:types())
    end)

    it("are registered, uploaded, scanned, looked at and deleted by senders", function()
      local status, id = altinn:as(writer, "POST", ATTACHMENT, { resourceId = "acme-letters", fileName = "a.pdf",
        sendersReference = "r" })
      assert.are.equal(200, status)
      local shown
      status, shown = altinn:as(writer, "POST", ATTACHMENT .. "/" .. id .. "/upload", "bytes",
        { ["Content-Type"] = "application/octet-stream" })
      assert.are.same({ 200, "UploadProcessing" }, { status, shown.status })
      altinn:advance(1)
      shown = select(2, altinn:as(writer, "GET", ATTACHMENT .. "/" .. id .. "/details"))
      assert.are.same({ "Published", "application/pdf", 3 }, { shown.status, shown.dataType, #shown.statusHistory })
      local _, text, headers = altinn:as(writer, "GET", ATTACHMENT .. "/" .. id .. "/download")
      assert.are.same({ "bytes", "application/octet-stream" }, { text, headers["content-type"] })
      assert.is_nil(headers["content-disposition"])
      assert.are.equal(403, (altinn:as(reader, "GET", ATTACHMENT .. "/" .. id)))
      altinn:letter { attachments = { id } }
      assert.are.same({ 400, 2016 }, problem(altinn:as(writer, "GET", ATTACHMENT .. "/" .. id .. "/download")))
      assert.are.same({ 400, 2007 }, problem(altinn:as(writer, "DELETE", ATTACHMENT .. "/" .. id)))
      id = select(2, altinn:as(writer, "POST", ATTACHMENT, { resourceId = "acme-letters", fileName = "b.pdf",
        sendersReference = "r" }))
      assert.are.equal(204, (altinn:as(writer, "DELETE", ATTACHMENT .. "/" .. id)))
      assert.are.same({ 400, 2006 }, problem(altinn:as(writer, "DELETE", ATTACHMENT .. "/" .. id)))
      assert.are.same({ 404, 2001 }, problem(altinn:as(writer, "GET", ATTACHMENT
        .. "/0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f")))
    end)
  end)

  describe("imperfections", function()
    local function switch(name, value) altinn:control("POST", "/switches", { [name] = value }) end

    local function subjects(kind)
      local list = {}
      for _, event in ipairs(altinn:control("GET", "/events").events) do
        if event.type:find(kind, 1, true) then list[#list + 1] = event.subject end
      end
      return list
    end

    it("send copies to the sender, as before 2026-07-13", function()
      switch("sender-copies", true)
      altinn:letter()
      assert.are.same({ "urn:altinn:organization:identifier-no:" .. RECIPIENT,
        "urn:altinn:organization:identifier-no:" .. SENDER }, subjects "correspondencepublished")
    end)

    it("write subjects as /party/, as before 2025-10-27", function()
      altinn:control("POST", "/world", { parties = { [RECIPIENT] = 50067798 } })
      switch("party-subjects", true)
      altinn:letter()
      assert.are.same({ "/party/50067798" }, subjects "correspondencepublished")
      assert.are.equal("/organisation/" .. RECIPIENT, altinn:control("GET", "/events").events[2].alternativesubject)
    end)

    it("bring Dialogporten's events along", function()
      switch("dialogporten", true)
      local letter = altinn:letter()
      altinn:step(letter, "purge")
      assert.are.equal(1, #subjects "dialogporten.dialog.created.v1")
      assert.are.equal(1, #subjects "dialogporten.dialog.deleted.v1")
    end)
  end)
end)
