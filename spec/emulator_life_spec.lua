-- The life of the emulator's letters as Altinn's: what waits for what, who sees what in which state, what is recorded,
-- and which events the notifications of a letter raise.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"

local API, ATTACHMENT = "/correspondence/api/v1/correspondence", "/correspondence/api/v1/attachment"
local SENDER, RECIPIENT = "991825827", "987654321"
local URN = "urn:altinn:organization:identifier-no:"
local READ, WRITE, OWNER = "altinn:correspondence.read", "altinn:correspondence.write", "altinn:serviceowner"

local altinn

local function token(party, ...)
  return altinn:token { orgNo = party, scopes = table.concat({ ... }, " ") }
end

local function get(who, letter, rest) return altinn:as(who, "GET", API .. "/" .. letter.id .. (rest or "")) end

local function history(letter)
  local list = {}
  for index, entry in ipairs(altinn:control("GET", "/letters/" .. letter.id).statusHistory) do
    list[index] = entry.status
  end
  return table.concat(list, " ")
end

-- The types of the events since the last call of this, without what most of them begin with.
local seen
local function raised()
  local list = {}
  for _, event in ipairs(altinn:control("GET", "/events").events) do
    if not seen[event.id] then list[#list + 1] = event.type:match("[^.]+$"):gsub("^correspondence", "") end
    seen[event.id] = true
  end
  return table.concat(list, " ")
end

local function describe_life(text, block)
  describe("the emulator's " .. text, function()
    setup(function() altinn = emulator.start() end)
    teardown(function() altinn:close() end)
    before_each(function()
      altinn:reset()
      altinn:control("POST", "/world", '{"policy":null}')
      seen = {}
    end)
    block()
  end)
end

describe_life("letters", function()
  it("tell at the due date that they were never read, also when they were deleted unread", function()
    local letter = altinn:letter { dueDateTime = "2030-01-01T00:00:00Z", isConfirmationNeeded = true }
    altinn:step(letter, "purge")
    raised()
    altinn:control("POST", "/clock", { to = "2030-01-01T00:00:00Z" })
    assert.are.equal("receiverneverread receiverneverconfirmed", raised())
    local event = altinn:control("GET", "/events").events
    assert.are.same({ URN .. RECIPIENT, letter.id },
      { event[#event].subject, event[#event].resourceinstance })
  end)

  it("tell nothing at the due date when they were not published, or failed", function()
    local due = "2030-01-01T00:00:00Z"
    altinn:letter { dueDateTime = due, hold = true }
    altinn:step(altinn:letter { dueDateTime = due, hold = true }, "publish-failed")
    altinn:letter { dueDateTime = due, requestedPublishTime = "2030-01-02T00:00:00Z" }
    raised()
    altinn:control("POST", "/clock", { to = due })
    assert.are.equal("", raised())
    altinn:advance "24h"
    assert.are.equal("published", raised())
  end)

  it("are gone for all after they were deleted, but for their sender's and owner's details", function()
    local letter = altinn:letter()
    altinn:step(letter, "purge")
    local recipient, sender = token(RECIPIENT, READ), token(SENDER, WRITE)
    local owner = token(SENDER, WRITE, OWNER)
    for _, who in ipairs { recipient, sender, owner } do assert.are.equal(404, (get(who, letter))) end
    assert.are.equal(404, (get(recipient, letter, "/details")))
    assert.are.equal(404, (get(recipient, letter, "/content")))
    for _, who in ipairs { sender, owner } do
      local status, details = get(who, letter, "/details")
      assert.are.same({ 200, "PurgedByRecipient", "PurgedByRecipient" }, { status, details.status, details.statusText })
    end
    -- Only the owner sees the deletion in the history.
    local _, details = get(owner, letter, "/details")
    assert.are.equal("PurgedByRecipient", details.statusHistory[#details.statusHistory].status)
    _, details = get(sender, letter, "/details")
    assert.are.equal("Published", details.statusHistory[#details.statusHistory].status)
  end)

  it("show a recipient their details again when a status is higher than the deletion", function()
    local letter = altinn:letter { attachments = { { fileName = "a.txt", content = "x" } } }
    local recipient = token(RECIPIENT, READ)
    get(recipient, letter, "/attachment/" .. letter.content.attachments[1].id .. "/download")
    local path = API .. "/" .. letter.id .. "/purge"
    assert.are.equal(200, (altinn:as(recipient, "DELETE", path)))
    assert.are.equal(404, (get(recipient, letter)))
    assert.are.equal("AttachmentsDownloaded", select(2, get(recipient, letter, "/details")).status)
    raised()
    assert.are.equal(200, (altinn:as(recipient, "DELETE", path)))
    assert.are.equal("", raised())
  end)

  it("wait for the scan of their files, and are published by the last one's", function()
    local letter = altinn:letter { attachments = { { fileName = "a.txt", content = "x", scan = "1m" },
      { fileName = "b.txt", content = "y", scan = false } } }
    assert.are.same({ "Initialized", "initialized" }, { letter.status, raised() })
    altinn:advance "59s"
    assert.are.same({ "Initialized", "" }, { history(letter), raised() })
    altinn:advance "1s"
    assert.are.same({ "Initialized", "attachmentpublished" }, { history(letter), raised() })
    local status, answer = altinn:call("POST", ("/emulator/letters/%s/publish"):format(letter.id), {})
    assert.are.equal(400, status)
    assert.is_truthy(answer.error:find("the letter waits for its attachment b.txt: POST /emulator/attachments/", 1,
      true))
    altinn:control("POST", ("/attachments/%s/publish"):format(letter.content.attachments[2].id))
    altinn:advance()
    assert.are.same({ "Initialized ReadyForPublish Published", "attachmentpublished published" },
      { history(letter), raised() })
  end)

  it("fail without a word when one of their files is infected", function()
    local letter = altinn:letter { attachments = { { fileName = "a.txt", content = "x", scan = false } } }
    local id = letter.content.attachments[1].id
    raised()
    altinn:control("POST", ("/attachments/%s/fail"):format(id))
    altinn:advance()
    assert.are.equal("attachmentuploadfailed", raised())
    local shown = altinn:control("GET", "/letters/" .. letter.id)
    assert.are.same({ "Failed", "Failed", "Failed", "Malware scan failed: Malicious" }, { shown.status,
      shown.statusText, shown.content.attachments[1].status, shown.content.attachments[1].statusText })
    local _, one = altinn:as(token(SENDER, WRITE), "GET", ATTACHMENT .. "/" .. id)
    assert.are.same({ letter.id }, one.correspondenceIds)
  end)

  it("keep their files as long as the last of them, which is told once", function()
    local writer = token(SENDER, WRITE)
    local id = select(2, altinn:as(writer, "POST", ATTACHMENT, { resourceId = "acme-letters", fileName = "a.txt",
      sendersReference = "r", expirationInDays = 14 }))
    altinn:as(writer, "POST", ATTACHMENT .. "/" .. id .. "/upload", "bytes")
    altinn:advance(1)
    altinn:letter { attachments = { id } }
    altinn:advance "7d"
    local second = altinn:letter { attachments = { id }, requestedPublishTime = "2020-01-01T00:00:00Z" }
    raised()
    altinn:advance "13d"
    assert.are.equal("", raised())
    altinn:advance "1d"
    assert.are.equal("attachmentexpired", raised())
    local one = altinn:control("GET", "/letters/" .. second.id).content.attachments[1]
    assert.are.same({ "Expired", "The attachment has expired", cjson.null },
      { one.status, one.statusText, one.expirationInDays })
    assert.are.equal(400, (altinn:as(writer, "GET", ATTACHMENT .. "/" .. id .. "/download")))
    altinn:advance "100d"
    assert.are.equal("", raised())
  end)

  it("take their files with them when no other letter needs them", function()
    local writer = token(SENDER, WRITE)
    local first = altinn:letter { attachments = { { fileName = "a.txt", content = "x" } } }
    local id = first.content.attachments[1].id
    local second = altinn:letter { attachments = { id } }
    raised()
    altinn:step(first, "purge")
    assert.are.equal("Published", select(2, altinn:as(writer, "GET", ATTACHMENT .. "/" .. id)).status)
    altinn:step(second, "purge")
    local _, one = altinn:as(writer, "GET", ATTACHMENT .. "/" .. id)
    assert.are.same({ "Purged", "Purged", "purged purged" }, { one.status, one.statusText, raised() })
  end)

  it("say their statuses as Altinn does", function()
    local letter = altinn:letter { attachments = { { fileName = "a.txt", content = "x" } }, allowForwarding = true }
    local reader = token(RECIPIENT, READ)
    get(reader, letter, "/content")
    get(reader, letter, "/attachment/" .. letter.content.attachments[1].id .. "/download")
    altinn:step(letter, "confirm")
    altinn:step(letter, "forward")
    altinn:advance "1m"
    altinn:step(letter, "purge")
    local texts = {}
    for _, entry in ipairs(altinn:control("GET", "/letters/" .. letter.id).statusHistory) do
      texts[#texts + 1] = entry.statusText
    end
    table.sort(texts)
    assert.are.same({ ("Attachment %s has been downloaded"):format(letter.content.attachments[1].id), "Confirmed",
      "Fetched", "Forwarded", "Initialized", "Published", "PurgedByRecipient", "Read", "ReadyForPublish" }, texts)
    local held = altinn:letter { hold = true }
    altinn:step(held, "purge", { by = "sender" })
    assert.are.equal("PurgedByAltinn", altinn:control("GET", "/letters/" .. held.id).statusText)
  end)

  it("say their attachments' statuses as Altinn does", function()
    local writer = token(SENDER, WRITE)
    local function attachment(checksum)
      return select(2, altinn:as(writer, "POST", ATTACHMENT, { resourceId = "acme-letters", fileName = "a.txt",
        sendersReference = "r", checksum = checksum }))
    end
    local function texts(id)
      local list = {}
      for index, entry in ipairs(select(2, altinn:as(writer, "GET", ATTACHMENT .. "/" .. id .. "/details"))
        .statusHistory) do list[index] = entry.statusText end
      return list
    end
    local id = attachment "900150983cd24fb0d6963f7d28e17f72"
    altinn:as(writer, "POST", ATTACHMENT .. "/" .. id .. "/upload", "abc")
    altinn:advance(1)
    altinn:as(writer, "DELETE", ATTACHMENT .. "/" .. id)
    assert.are.same({ "Initialized", "UploadProcessing", "Published", "Attachment has been purged" }, texts(id))
    id = attachment "900150983cd24fb0d6963f7d28e17f72"
    raised()
    altinn:as(writer, "POST", ATTACHMENT .. "/" .. id .. "/upload", "abd")
    assert.are.same({ "Initialized", "UploadProcessing", "Checksum mismatch" }, texts(id))
    altinn:advance "1m"
    assert.are.equal("", raised())
  end)

  it("write times, texts and flags that were not given as Altinn does", function()
    local letter = altinn:letter { dueDateTime = "2030-01-01T02:00:00.1200000+02:00" }
    local _, shown, _, text = get(token(RECIPIENT, READ), letter)
    assert.are.same({ "2030-01-01T00:00:00.12+00:00", "", false, cjson.null }, { shown.dueDateTime, shown.messageSender,
      shown.ignoreReservation, shown.notification })
    assert.is_nil(text:find("\\u002B", 1, true))
    local fraction = shown.created:match("%.(%d+)%+00:00$") or ""
    assert.is_true(#fraction <= 6 and not fraction:find("0$"), shown.created)
    assert.are.same({}, shown.notifications)
    assert.is_truthy(text:find('"notifications":[]', 1, true))
    assert.are.same({ "DialogportenDialogId" }, { shown.externalReferences[1].referenceType })
    altinn:step(letter, "purge")
    local _, details, _, all = get(token(SENDER, WRITE, OWNER), letter, "/details")
    assert.are.equal("Default", details.systemLabel)
    assert.is_truthy(all:find('"statusHistory":%[.*%],"systemLabel":"Default"}$'))
    assert.is_truthy(all:find('"altinn2CorrespondenceId":null', 1, true))
  end)

  it("write an attachment with its null members too", function()
    local writer = token(SENDER, WRITE)
    local id = select(2, altinn:as(writer, "POST", ATTACHMENT, { resourceId = "acme-letters", fileName = "a.txt",
      sendersReference = "r", isEncrypted = true }))
    local _, shown, _, text = altinn:as(writer, "GET", ATTACHMENT .. "/" .. id)
    local order = {}
    for name in text:gmatch('"(%w+)":') do order[#order + 1] = name end
    assert.are.same({ "fileName", "displayName", "isEncrypted", "checksum", "sendersReference", "expirationInDays",
      "resourceId", "sender", "attachmentId", "status", "statusText", "statusChanged", "correspondenceIds",
      "dataType" }, order)
    assert.are.same({ true, cjson.null, cjson.null, "Initialized" },
      { shown.isEncrypted, shown.displayName, shown.expirationInDays, shown.status })
    local step = altinn:control("POST", ("/attachments/%s/publish"):format(id))
    assert.are.same({ "Initialized", "Published" }, { step.statusHistory[1].status, step.statusHistory[2].status })
  end)

  it("have files that nobody scans and nobody tells of, on resources that are trusted", function()
    altinn:control("POST", "/world", { resources = { trusted = { unscanned = true } } })
    local letter = altinn:letter { resource = "trusted", attachments = { { fileName = "a.txt", content = "abc",
      scan = "1h" } } }
    assert.are.equal("initialized published", raised())
    local one = altinn:control("GET", "/letters/" .. letter.id).content.attachments[1]
    assert.are.same({ "Published", "Bypassed malware scan", "900150983cd24fb0d6963f7d28e17f72" },
      { one.status, one.statusText, one.checksum })
    altinn:control("POST", "/world", { resources = { trusted = { unscanned = false } } })
  end)

  it("have more than three reply options written into their text", function()
    local options = {}
    for index = 1, 3 do options[index] = { linkURL = "https://x.no/" .. index, linkText = "L" .. index } end
    local reader = token(RECIPIENT, READ)
    local function body(language)
      local letter = altinn:letter { body = "B", language = language, replyOptions = options }
      assert.are.equal("B", select(2, get(reader, letter, "/details")).content.messageBody)
      local text = select(2, get(reader, letter)).content.messageBody
      assert.are.equal(text, select(2, get(reader, letter, "/content")))
      return text
    end
    assert.are.equal("B", body "nb")
    options[4] = { linkURL = "https://x.no/4" }
    for language, words in pairs { nb = "Svarvalg:", nn = "Svarval:", en = "Reply options:" } do
      assert.are.equal("B\n\n" .. words .. "\nL1: https://x.no/1\nL2: https://x.no/2\nL3: https://x.no/3\n"
        .. ": https://x.no/4", body(language))
    end
  end)

  it("know a self-registered person's name from a number", function()
    local letter = altinn:letter { recipient = "urn:altinn:person:legacy-selfidentified:anna987654321" }
    assert.are.equal(401, (get(token(RECIPIENT, READ), letter)))
    local events = altinn:control("GET", "/events").events
    assert.are.same({ "urn:altinn:person:legacy-selfidentified:anna987654321" },
      { events[#events].subject, events[#events].alternativesubject })
  end)

  it("can be due by hand", function()
    local letter = altinn:letter { isConfirmationNeeded = true }
    raised()
    altinn:step(letter, "due")
    assert.are.equal("receiverneverread receiverneverconfirmed", raised())
  end)

  it("stay visible to their recipient in every state that comes after Published", function()
    local reader = token(RECIPIENT, READ)
    local letter = altinn:letter { allowForwarding = true, attachments = { { fileName = "a.txt", content = "x" } } }
    for _, step in ipairs { "fetch", "read", "confirm", "forward" } do
      altinn:step(letter, step)
      altinn:advance "1m"
      assert.are.equal(200, (get(reader, letter)), step)
    end
    assert.are.equal("Forwarded", select(2, get(reader, letter)).status)
    get(reader, letter, "/attachment/" .. letter.content.attachments[1].id .. "/download")
    assert.are.equal("Forwarded", select(2, get(reader, letter)).status)
    assert.are.equal(200, (get(reader, letter, "/details")))
  end)
end)

describe_life("roles", function()
  local function letter_with_file() return altinn:letter { title = "T", summary = "S", body = "B",
    attachments = { { fileName = "a.pdf", content = "x" } } } end

  it("let the owner who may write see everything in every state, without a trace", function()
    local letter, owner = letter_with_file(), token(SENDER, WRITE, OWNER)
    local _, shown = get(owner, letter)
    assert.are.same({ "T", "S", "B", "nb", 1 }, { shown.content.messageTitle, shown.content.messageSummary,
      shown.content.messageBody, shown.content.language, #shown.content.attachments })
    get(owner, letter, "/details")
    assert.are.equal("Initialized ReadyForPublish Published", history(letter))
  end)

  it("take the owner who may only read for the recipient", function()
    local letter, owner = letter_with_file(), token(SENDER, READ, OWNER)
    get(owner, letter)
    raised()
    local status, text = get(owner, letter, "/content")
    assert.are.same({ 200, "B", "receiverread" }, { status, text, raised() })
    assert.are.equal("Initialized ReadyForPublish Published Fetched Read", history(letter))
    assert.are.equal(200, (altinn:as(owner, "DELETE", API .. "/" .. letter.id .. "/purge")))
    assert.are.equal("PurgedByRecipient", altinn:control("GET", "/letters/" .. letter.id).status)
  end)

  it("show a sender who is no owner the content until it is published, then nothing of it", function()
    local sender = token(SENDER, WRITE)
    local held = altinn:letter { hold = true, title = "T" }
    assert.are.equal("T", select(2, get(sender, held)).content.messageTitle)
    local letter = letter_with_file()
    for _, rest in ipairs { "", "/details" } do
      local _, shown, _, text = get(sender, letter, rest)
      assert.are.same({ language = "no", messageTitle = "", messageSummary = "", messageBody = "", attachments = {} },
        shown.content)
      assert.is_truthy(text:find('"attachments":[]', 1, true))
    end
    assert.are.equal("Initialized ReadyForPublish Published", history(letter))
  end)

  it("take nobody who may write for the recipient: nothing is recorded, not by the content either", function()
    local letter, both = letter_with_file(), token(RECIPIENT, READ, WRITE)
    local _, shown = get(both, letter)
    assert.are.equal("T", shown.content.messageTitle)
    get(both, letter, "/details")
    assert.are.equal("B", select(2, get(both, letter, "/content")))
    assert.are.equal("Initialized ReadyForPublish Published", history(letter))
    local status, problem = altinn:as(both, "POST", API .. "/" .. letter.id .. "/confirm")
    assert.are.same({ 400, 1025 }, { status, problem.errorCode })
  end)

  it("count the content as fetched: a letter can be confirmed after it", function()
    local letter, reader = letter_with_file(), token(RECIPIENT, READ)
    get(reader, letter, "/content")
    assert.are.equal("Initialized ReadyForPublish Published Fetched Read", history(letter))
    assert.are.equal(200, (altinn:as(reader, "POST", API .. "/" .. letter.id .. "/confirm")))
  end)

  it("hide a letter from its recipient until it is published, not from its sender", function()
    local letter = altinn:letter { hold = true }
    local reader = token(RECIPIENT, READ)
    assert.are.same({ 404, 404, 404 }, { (get(reader, letter)), (get(reader, letter, "/details")),
      (get(reader, letter, "/content")) })
    assert.are.same({ 200, 200 }, { (get(token(SENDER, WRITE), letter)), (get(token(SENDER, WRITE, OWNER), letter)) })
  end)

  it("make the resource's owner the sender, whoever asks", function()
    altinn:control("POST", "/world", { owners = { ["skd-letters"] = "974761076" },
      service_owners = { ["974761076"] = "skd" } })
    local body = { recipients = { URN .. RECIPIENT }, correspondence = { resourceId = "skd-letters", sender = "0192:1",
      sendersReference = "r", content = { messageTitle = "T", messageBody = "B" } } }
    local path = API
    assert.are.equal(401, (altinn:as(token(SENDER, WRITE, OWNER), "POST", path, body)))
    local status, answer = altinn:as(token("974761076", WRITE, OWNER), "POST", path, body)
    assert.are.equal(200, status)
    local shown = altinn:control("GET", "/letters/" .. answer.correspondences[1].correspondenceId)
    assert.are.equal(URN .. "974761076", shown.sender)
    altinn:control("POST", "/world", { policy = { { consumer = "/organisation/111111111", action = "write" } } })
    status, answer = altinn:as(token("111111111", WRITE), "POST", path, body)
    assert.are.equal(200, status)
    shown = altinn:control("GET", "/letters/" .. answer.correspondences[1].correspondenceId)
    assert.are.equal(URN .. "974761076", shown.sender)
  end)
end)

describe_life("notifications", function()
  local owner

  before_each(function()
    owner = token(SENDER, WRITE, OWNER)
    altinn:control("POST", "/world", { contacts = { [RECIPIENT] = "delivered", ["a@example.no"] = "delivered",
      ["+4790000000"] = "delivered" } })
  end)

  -- A letter by the API, with its notification.
  local function letter(notification, more)
    local correspondence = { resourceId = "acme-letters", sendersReference = "r", notification = notification,
      content = { messageTitle = "T", messageBody = "B" } }
    for name, value in pairs(more or {}) do correspondence[name] = value end
    local status, answer = altinn:as(owner, "POST", API, { recipients = { URN .. RECIPIENT },
      correspondence = correspondence })
    assert.are.equal(200, status)
    altinn:advance()
    return { id = answer.correspondences[1].correspondenceId }
  end

  local GENERIC = { notificationTemplate = "GenericAltinnMessage", notificationChannel = "EmailPreferred" }

  local function generic(more)
    local all = {}
    for name, value in pairs(GENERIC) do all[name] = value end
    for name, value in pairs(more) do all[name] = value end
    return all
  end

  it("are ordered when the letter is published; their delivery is seen five minutes later", function()
    local one = letter(GENERIC)
    assert.are.equal("initialized published notificationcreated", raised())
    local event = altinn:control("GET", "/events").events[3]
    local _, shown = get(owner, one)
    assert.are.same({ { notificationOrderId = event.resourceinstance, isReminder = false } }, shown.notifications)
    assert.is_truthy(event.source:find("/notification$"))
    altinn:advance "4m"
    assert.are.equal("", raised())
    altinn:advance "1m"
    assert.are.equal("notificationdelivered", raised())
    altinn:advance "30d"
    assert.are.equal("", raised())
  end)

  it("are shown in the details by order and address", function()
    local one = letter(generic { notificationChannel = "EmailAndSms" })
    local details = select(2, get(owner, one, "/details")).notifications[1]
    assert.are.same({ "Order_Registered", cjson.null }, { details.processingStatus.status,
      details.notificationStatusDetails.emails })
    altinn:advance "5m"
    local _, _, _, text = get(owner, one, "/details")
    local shown = cjson.decode(text).notifications[1]
    assert.are.same({ "corr-r", "digdir", false, "EmailAndSms", false, "acme-letters", "Order_Completed", cjson.null },
      { shown.sendersReference, shown.creator, shown.isReminder, shown.notificationChannel, shown.ignoreReservation,
        shown.resourceId, shown.processingStatus.status, shown.processingStatus.description })
    local mail = shown.notificationStatusDetails.emails[1]
    assert.are.same(mail, shown.notificationStatusDetails.email)
    assert.are.same({ cjson.null, true, "post@987654321.example.no", cjson.null, "Email_Delivered" }, { mail.id,
      mail.succeeded, mail.recipient.emailAddress, mail.recipient.mobileNumber, mail.sendStatus.status })
    local message = shown.notificationStatusDetails.smses[1]
    assert.are.same(message, shown.notificationStatusDetails.sms)
    assert.are.same({ "SMS_Delivered", "+4790000000", cjson.null }, { message.sendStatus.status,
      message.recipient.mobileNumber, message.recipient.emailAddress })
  end)

  it("have a reminder by another channel when that is asked for", function()
    local one = letter(generic { sendReminder = true, reminderNotificationChannel = "Sms" })
    altinn:advance "25h"
    local rows = select(2, get(owner, one, "/details")).notifications
    assert.are.same({ "EmailPreferred", "Sms" }, { rows[1].notificationChannel, rows[2].notificationChannel })
    assert.are.same({ cjson.null, "SMS_Delivered" }, { rows[2].notificationStatusDetails.email,
      rows[2].notificationStatusDetails.sms.sendStatus.status })
  end)

  it("fail at all addresses, or at some", function()
    altinn:control("POST", "/world", { contacts = { [RECIPIENT] = "failed" } })
    local one = letter(GENERIC)
    altinn:advance "5m"
    assert.are.equal("initialized published notificationcreated notificationallfailed", raised())
    local _, details = get(owner, one, "/details")
    local row = details.notifications[1]
    local mail = row.notificationStatusDetails.email
    assert.are.same({ "Order_Completed", false, "Email_Failed_Bounced" },
      { row.processingStatus.status, mail.succeeded, mail.sendStatus.status })
    altinn:control("POST", "/world", { contacts = { [RECIPIENT] = "delivered", ["+4790000000"] = "failed" } })
    letter(generic { notificationChannel = "EmailAndSms" })
    raised()
    altinn:advance "5m"
    assert.are.equal("notificationfailed notificationdelivered", raised())
  end)

  it("have reminders, which share the order's id and raise none of their own", function()
    local one = letter(generic { sendReminder = true })
    assert.are.equal("initialized published notificationcreated", raised())
    local rows = select(2, get(owner, one)).notifications
    assert.are.same({ rows[1].notificationOrderId, false, true },
      { rows[2].notificationOrderId, rows[1].isReminder, rows[2].isReminder })
    local detailed = select(2, get(owner, one, "/details")).notifications
    assert.are.same({ false, true }, { detailed[1].isReminder, detailed[2].isReminder })
    altinn:advance "24h"
    assert.are.equal("notificationdelivered", raised())
    altinn:advance "5m"
    assert.are.equal("notificationreminderdelivered", raised())
  end)

  it("remind after a week where the platform is production's, which keeps files for two weeks at least", function()
    local production = emulator.start { arguments = { "--platform", "https://platform.altinn.no" } }
    finally(function() production:close() end)
    production:letter { notification = generic { sendReminder = true } }
    local function count() return #production:types() end
    production:advance "6d"
    local before = count()
    production:advance "24h"
    assert.are.equal(before, count())
    production:advance "5m"
    assert.are.equal(before + 1, count())
    local writer = production:token { scopes = WRITE, orgNo = SENDER }
    local body = { resourceId = "acme-letters", fileName = "a.pdf", sendersReference = "r", expirationInDays = 13 }
    local status, problem = production:as(writer, "POST", ATTACHMENT, body)
    assert.are.same({ 400, "Attachment expirationTime must be at least 14 days from now" }, { status, problem.detail })
    body.expirationInDays = 14
    assert.are.equal(200, (production:as(writer, "POST", ATTACHMENT, body)))
  end)

  it("say that all failed for a failed reminder too, though the notice had arrived", function()
    altinn:control("POST", "/world", { contacts = { [RECIPIENT] = "reminder-failed" } })
    letter(generic { sendReminder = true })
    raised()
    altinn:advance "25h"
    assert.are.equal("notificationdelivered notificationallfailed", raised())
    altinn:control("POST", "/world", { contacts = { [RECIPIENT] = "notice-failed" } })
    letter(generic { sendReminder = true })
    raised()
    altinn:advance "25h"
    assert.are.equal("notificationallfailed notificationreminderdelivered", raised())
  end)

  it("send no reminder of a letter that was read, and nothing of one that was deleted", function()
    local one = letter(generic { sendReminder = true })
    altinn:step(one, "read")
    raised()
    altinn:advance "25h"
    assert.are.equal("notificationdelivered", raised())
    local rows = select(2, get(owner, one, "/details")).notifications
    assert.are.same({ "Order_Completed", "Order_SendConditionNotMet" },
      { rows[1].processingStatus.status, rows[2].processingStatus.status })
  end)

  it("go to custom recipients as orders of their own, of which none is the main one", function()
    altinn:control("POST", "/world", { contacts = { ["a@example.no"] = "failed" } })
    letter(generic { customRecipients = { { emailAddress = "a@example.no" } } })
    altinn:advance "5m"
    assert.are.equal("initialized published notificationcreated notificationcreated notificationdelivered"
      .. " notificationfailed", raised())
    letter(generic { customRecipients = { { emailAddress = "a@example.no" } },
      overrideRegisteredContactInformation = true })
    raised()
    altinn:advance "5m"
    assert.are.equal("notificationfailed", raised())
  end)

  it("may be refused, once for all orders, and may never come to an end", function()
    altinn:control("POST", "/world", { contacts = { ["a@example.no"] = "refused" } })
    letter(generic { customRecipients = { { emailAddress = "a@example.no" } } })
    assert.are.equal("initialized published notificationcreated notificationcreationfailed", raised())
    altinn:control("POST", "/world", { contacts = { [RECIPIENT] = "silent" } })
    local one = letter(GENERIC)
    raised()
    altinn:advance "30d"
    assert.are.equal("", raised())
    assert.are.equal("Order_Processing",
      select(2, get(owner, one, "/details")).notifications[1].processingStatus.status)
  end)

  it("are looked at ten times, each time later, until their end is known", function()
    local minute, hour = 60, 3600
    local looks = { 5 * minute, minute, 15 * minute, 4 * hour, 8 * hour, 12 * hour, 16 * hour, 36 * hour, 48 * hour,
      72 * hour }
    for known = 1, #looks + 1 do
      altinn:control("POST", "/world", { contacts = { [RECIPIENT] = "silent" } })
      letter(GENERIC)
      for look = 1, known - 1 do altinn:advance(looks[look]) end
      altinn:control("POST", "/world", { contacts = { [RECIPIENT] = "delivered" } })
      raised()
      altinn:advance((looks[known] or 1000 * hour) - 1)
      assert.are.equal("", raised(), "look " .. known)
      altinn:advance(1)
      assert.are.equal(looks[known] and "notificationdelivered" or "", raised(), "look " .. known)
    end
  end)

  it("wait for the letter to be published, without an id", function()
    local one = letter(GENERIC, { requestedPublishTime = "2031-01-01T00:00:00Z" })
    assert.are.same({ { notificationOrderId = cjson.null, isReminder = false } },
      select(2, get(owner, one)).notifications)
    assert.are.same({}, select(2, get(owner, one, "/details")).notifications)
    assert.are.equal("initialized", raised())
    altinn:control("POST", "/clock", { to = "2031-01-01T00:00:00Z" })
    assert.are.equal("published notificationcreated", raised())
  end)

  it("can be told by hand, also with a reminder; a step ends the order that is under way", function()
    local one = altinn:letter { notification = GENERIC }
    raised()
    altinn:step(one, "notification-all-failed")
    assert.are.equal("notificationallfailed", raised())
    altinn:advance "1h"
    assert.are.equal("", raised())
    local _, details = get(owner, one, "/details")
    assert.are.equal("Email_Failed_Bounced",
      details.notifications[1].notificationStatusDetails.email.sendStatus.status)
    altinn:step(one, "notify", { reminder = true })
    assert.are.equal("notificationcreated", raised())
    altinn:step(one, "notification-reminder-delivered")
    assert.are.equal("notificationreminderdelivered", raised())
    altinn:step(one, "notification-failed")
    local rows = select(2, get(owner, one, "/details")).notifications
    assert.are.same({ "Email_Failed_Bounced", "Email_Failed_Bounced", "Email_Delivered" }, {
      rows[1].notificationStatusDetails.email.sendStatus.status,
      rows[2].notificationStatusDetails.email.sendStatus.status,
      rows[3].notificationStatusDetails.email.sendStatus.status })
    assert.are.equal("notificationfailed", raised())
    altinn:advance "30h"
    assert.are.equal("", raised())
    altinn:step(altinn:letter { requestedPublishTime = "2131-01-01T00:00:00Z" }, "notify")
    raised()
    altinn:advance "5m"
    assert.are.equal("notificationdelivered", raised())
    local status, answer = altinn:call("POST", "/emulator/letters", { notification = {} })
    assert.are.equal(400, status)
    assert.is_truthy(answer.error:find("notification: notificationChannel: The NotificationChannel field is required.",
      1, true))
  end)
end)
