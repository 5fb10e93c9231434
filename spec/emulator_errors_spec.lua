-- The emulator's letters refuse as Altinn does: number, status and text of each error, by the call that brings it; the
-- order in which they come; the form in which they are told.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"

local API, ATTACHMENT = "/correspondence/api/v1/correspondence", "/correspondence/api/v1/attachment"
local SENDER, RECIPIENT, STRANGER = "991825827", "987654321", "111111111"
local ORGANISATION, PERSON = "urn:altinn:organization:identifier-no:", "urn:altinn:person:identifier-no:"
local RESERVED = "01817000092"   -- a made-up person: the month is 81
local NOBODY = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

local altinn, owner, writer, reader

local function refused(number, status, text, got, value, headers)
  assert.are.same({ status, number, text }, { got, type(value) == "table" and value.errorCode or value,
    type(value) == "table" and value.detail or nil })
  assert.are.equal("application/json; charset=utf-8", headers["content-type"])
end

-- A letter as the creating call has it: changes of the letter, of its content, of the call.
local function letter_of(letter, content, call)
  local function with(values, changes)
    for name, value in pairs(changes or {}) do values[name] = value ~= cjson.null and value or nil end
    return values
  end
  local body = { recipients = { ORGANISATION .. RECIPIENT }, correspondence = with({ resourceId = "acme-letters",
    sendersReference = "r", content = with({ messageTitle = "T", messageBody = "B", language = "nb" }, content) },
    letter) }
  return with(body, call)
end

local function post(body, token) return altinn:as(token or writer, "POST", API, body) end

local function on(letter, method, rest, body, token)
  return altinn:as(token or reader, method, API .. "/" .. (letter.id or letter) .. rest, body)
end

local function register(changes)
  local body = { resourceId = "acme-letters", fileName = "a.pdf", sendersReference = "r" }
  for name, value in pairs(changes or {}) do body[name] = value end
  return altinn:as(writer, "POST", ATTACHMENT, body)
end

local function upload(id, bytes)
  return altinn:as(writer, "POST", ATTACHMENT .. "/" .. id .. "/upload", bytes,
    { ["Content-Type"] = "application/octet-stream" })
end

-- An attachment that was scanned.
local function published(changes)
  local id = select(2, register(changes))
  upload(id, "bytes")
  altinn:advance(1)
  return id
end

local function reference(kind, value) return { referenceType = kind, referenceValue = value } end

local function notify(changes)
  local notification = { notificationChannel = "Email", emailSubject = "s", emailBody = "b" }
  for name, value in pairs(changes) do notification[name] = value ~= cjson.null and value or nil end
  return post(letter_of { notification = notification })
end

local NONE = cjson.null

-- number, status, text, the call.
local rows = {
  { 1047, 400, "Idempotency key is not supported for requests with multiple recipients", function()
    return post(letter_of(nil, nil, { idempotentKey = NOBODY,
      recipients = { "0192:" .. RECIPIENT, "0192:" .. STRANGER } }))
  end },
  { 1034, 409, "A correspondence with the same idempotent key already exists", function()
    post(letter_of(nil, nil, { idempotentKey = NOBODY }))
    return post(letter_of({ resourceId = "none" }, nil, { idempotentKey = NOBODY:upper() }))
  end },
  { 1036, 400, "ResourceId must match an existing resource in the resource registry", function()
    return post(letter_of { resourceId = "none" })
  end },
  { 4001, 401, "You must use an Altinn token, DialogToken or log in to IDPorten as someone with access to the resource"
    .. " and organization in Altinn Authorization", function()
    return post(letter_of(nil, nil, { recipients = { "0192:" .. RECIPIENT, "0192:" .. RECIPIENT } }),
      altinn:token { scopes = "altinn:correspondence.write", orgNo = STRANGER })
  end },
  { 4010, 400, "Resource type is not supported. Resource must be of type CorrespondenceService. If creating a"
    .. " Correspondence as a transmission with reference to an existing DialogId AltinnApp is also allowed.", function()
    return post(letter_of { resourceId = "app", isConfidential = true })
  end },
  { 1060, 400, "Confidential correspondences (resources with the access package"
    .. " post-til-virksomheten-med-taushetsbelagt-innhold) cannot be initialized without setting the 'IsConfidential'"
    .. " flag to true", function() return post(letter_of { resourceId = "secret", allowForwarding = true }) end },
  { 1061, 400, "Correspondences cannot be initialized with 'IsConfidential' flag set to true if the resource is not"
    .. " confidential", function() return post(letter_of { resourceId = "open", isConfidential = true }) end },
  { 1068, 400, "Correspondence cannot allow forwarding if the resource for the correspondence has a required"
    .. " authorization level above 0", function()
    return post(letter_of({ resourceId = "open", allowForwarding = true }, nil, { recipients = { "0192:987654321",
      "0192:987654321" } }))
  end },
  { 4009, 400, "Resource type is not supported. Resource must be of type CorrespondenceService.",
    function() return register { resourceId = "app", fileName = "a.exe" } end },
  { 1006, 400, "Recipients must be unique", function()
    return post(letter_of({ isConfirmationNeeded = true }, nil,
      { recipients = { "0192:" .. RECIPIENT, ORGANISATION .. RECIPIENT } }))
  end },
  { 1029, 404, "Could not find partyId for the following recipients: " .. ORGANISATION .. "333333333, " .. ORGANISATION
    .. "444444444", function()
    return post(letter_of({ isConfirmationNeeded = true }, nil, { recipients = { "0192:333333333", "0192:" .. RECIPIENT,
      "0192:444444444" } }))
  end },
  { 1044, 400, "The following recipients lack required roles to read the correspondence: " .. ORGANISATION
    .. "555555555", function()
    return post(letter_of({ isConfidential = true }, nil, { recipients = { "0192:555555555" } }))
  end },
  { 1016, 400, "DueDateTime is required when confirmation is needed", function()
    return post(letter_of({ isConfirmationNeeded = true }, nil, { recipients = { RESERVED } }))
  end },
  { 1030, 422, "Recipient " .. PERSON .. RESERVED .. " has reserved themselves from public correspondences. Can be"
    .. " overridden using the 'IgnoreReservation' flag.", function()
    return post(letter_of({ dueDateTime = "2020-01-01T00:00:00Z" }, nil, { recipients = { RESERVED } }))
  end },
  { 1008, 400, "DueDateTime cannot be prior to today", function()
    return post(letter_of({ dueDateTime = "2020-01-01T00:00:00Z", requestedPublishTime = "2031-01-01T00:00:00Z" }))
  end },
  { 1009, 400, "DueDateTime cannot be prior to RequestedPublishTime", function()
    return post(letter_of({ dueDateTime = "2030-01-01T00:00:00Z", requestedPublishTime = "2031-01-01T00:00:00Z" },
      { language = "fr" }))
  end },
  { 1023, 400, "Invalid language chosen. Supported languages is Norsk bokmål (nb), Nynorsk (nn) and English (en)",
    function() return post(letter_of(nil, { language = "fr" })) end },
  { 1052, 400, "Only one DialogportenTransmissionType external reference is allowed", function()
    local one = reference("DialogportenTransmissionType", "Information")
    return post(letter_of { externalReferences = { one, one } })
  end },
  { 1053, 400, "DialogportenTransmissionType external reference requires a DialogportenDialogId external reference",
    function()
      return post(letter_of { externalReferences = { reference("DialogportenTransmissionType", "Information") } })
    end },
  { 1048, 400, "DialogId must be a valid non-empty GUID", function()
    return post(letter_of { externalReferences = { reference("DialogportenDialogId", "x") } })
  end },
  { 1054, 404, "Dialogporten dialog with the given id was not found", function()
    return post(letter_of { externalReferences = { reference("DialogportenDialogId", NOBODY) } })
  end },
  { 1046, 400, "The recipient of the correspondence must be equal to the party of the dialog of the transmission",
    function()
      local dialog = altinn:letter { recipient = STRANGER }.externalReferences[1]
      return post(letter_of { externalReferences = { dialog } })
    end },
  { 1045, 400, "Transmission correspondences only support one recipient", function()
    return post(letter_of({ externalReferences = { reference("DialogportenDialogId", NOBODY) } }, nil,
      { recipients = { "0192:" .. RECIPIENT, "0192:" .. STRANGER } }))
  end },
  { 1051, 400, "Correspondences with GUI actions (ReplyOptions or IsConfirmationNeeded) cannot be sent as"
    .. " transmissions", function()
      return post(letter_of { externalReferences = { reference("DialogportenDialogId", NOBODY) },
        replyOptions = { { linkURL = "https://x.example.no" } } })
    end },
  { 1050, 400, "The service owner of a transmission can not differ from the service owner of the dialog", function()
    altinn:control("POST", "/world", { owners = { others = STRANGER } })
    local dialog = altinn:letter { resource = "others", recipient = STRANGER }.externalReferences[1]
    return post(letter_of { externalReferences = { dialog } })
  end },
  { 1017, 400, "The sender of the correspondence must be equal the sender of existing attachments", function()
    local other = altinn:letter { sender = STRANGER, attachments = { { fileName = "a.txt", content = "x" } } }
    return post(letter_of(nil, nil, { existingAttachments = { other.content.attachments[1].id } }))
  end },
  { 1007, 400, "Existing attachment not found", function()
    return post(letter_of(nil, nil, { existingAttachments = { NOBODY } }))
  end },
  { 1038, 400, "A correspondence cannot contain more than 100 attachments in total", function()
    local list = {}
    for index = 1, 101 do list[index] = { fileName = "a.exe", sendersReference = "r" } end
    return post(letter_of(nil, { attachments = list }))
  end },
  { 1018, 400, "Attachment is not published", function()
    local id = select(2, register())
    return post(letter_of(nil, { attachments = { { fileName = "a.exe", sendersReference = "r" } } },
      { existingAttachments = { id } }))
  end },
  { 1069, 400, "Correspondence cannot allow forwarding if the total size of attachments exceeds 10 MB", function()
    local list = {}
    for index = 1, 2 do
      list[index] = altinn:letter { attachments = { { fileName = "a.pdf", size = 5000000 + index } } }
        .content.attachments[1].id
    end
    assert.are.equal(200, (post(letter_of({ allowForwarding = true }, nil, { existingAttachments = { list[1] } }))))
    return post(letter_of({ allowForwarding = true }, nil, { existingAttachments = list }))
  end },
  { 1055, 400, "Existing attachment is expiring within 6 hour(s) and cannot be attached to a new correspondence",
    function()
      local id = published { expirationInDays = 1 }
      post(letter_of(nil, nil, { existingAttachments = { id } }))
      altinn:advance "19h"
      return post(letter_of(nil, nil, { existingAttachments = { id } }))
    end },
  { 2010, 400, "Filename is missing", function()
    return post(letter_of(nil, { attachments = { { fileName = "", sendersReference = "r" } } }))
  end },
  { 2013, 400, "Filetype not allowed", function()
    return post(letter_of(nil, { attachments = { { fileName = "a:b.exe", sendersReference = "r" } } }))
  end },
  { 2012, 400, "Filename contains invalid characters. The ruleset is based on Windows file naming convention which is"
    .. " defined here: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file#file-and-directory-names",
    function() return register { fileName = "a:b.pdf" } end },
  { 2021, 400, "The filename uses a Windows reserved name. Files cannot be named CON, PRN, AUX, NUL, COM1-COM9, or"
    .. " LPT1-LPT9 (e.g., 'CON.txt' is not allowed, but 'CONSOLE.txt' is).",
    function() return register { fileName = "Con.pdf" } end },
  { 1005, 400, "Mismatch between uploaded files and attachment metadata", function()
    return post(letter_of(nil, { attachments = { { fileName = "a.pdf", sendersReference = "r" } } }))
  end },
  { 1035, 400, "Reply options must be well-formed URIs and HTTPS with a max length of 255 characters", function()
    return post(letter_of { replyOptions = { { linkURL = "http://x.example.no", linkText = "x" } } })
  end },
  { 3022, 400, "OverrideRegisteredContactInformation flag can only be used when CustomRecipients is provided",
    function() return notify { overrideRegisteredContactInformation = true, emailBody = NONE } end },
  { 3017, 400, "Custom recipient with multiple recipients is not allowed", function()
    return post(letter_of({ notification = { notificationChannel = "Email", customRecipients = { {} } } }, nil,
      { recipients = { "0192:" .. RECIPIENT, "0192:" .. STRANGER } }))
  end },
  { 3019, 400, "Custom recipient without identifier is not allowed",
    function() return notify { customRecipients = { { isReserved = false } } } end },
  { 3018, 400, "Custom recipient with multiple identifiers is not allowed", function()
    return notify { customRecipients = { { emailAddress = "a@example.no", mobileNumber = "+4799999999" } } }
  end },
  { 3015, 400, "Recipient overrides with email or mobile number are not allowed when using notification recipient name"
    .. " because of name lookup", function()
    return notify { customRecipients = { { emailAddress = "x" } }, emailBody = "Dear $recipientName$" }
  end },
  { 3011, 400, "Invalid email provided for custom recipient.",
    function() return notify { customRecipients = { { emailAddress = "a@b" } } } end },
  { 3012, 400, "Invalid mobile number provided. Mobile number can contain only '+' and numeric characters, and it must"
    .. " adhere to the E.164 standard.",
    function() return notify { customRecipients = { { mobileNumber = "call me" } } } end },
  { 3002, 400, "Email body and subject must be provided when sending email notifications",
    function() return notify { emailBody = NONE } end },
  { 3003, 400, "Reminder email body and subject must be provided when sending reminder email notifications",
    function() return notify { sendReminder = true } end },
  { 3004, 400, "SMS body must be provided when sending SMS notifications",
    function() return notify { notificationChannel = "Sms" } end },
  { 3005, 400, "Reminder SMS body must be provided when sending reminder SMS notifications",
    function() return notify { sendReminder = true, reminderNotificationChannel = "Sms" } end },
  { 3006, 400, "Email body, subject and SMS body must be provided when sending preferred notifications",
    function() return notify { notificationChannel = "EmailPreferred" } end },
  { 3007, 400, "Reminder email body, subject and SMS body must be provided when sending reminder preferred"
    .. " notifications",
    function() return notify { sendReminder = true, reminderNotificationChannel = "SmsPreferred" } end },
  { 3024, 400, "Email body, subject and SMS body must be provided when sending email and SMS notifications",
    function() return notify { notificationChannel = "EmailAndSms" } end },
  { 3025, 400, "Reminder email body, subject and SMS body must be provided when sending reminder email and SMS"
    .. " notifications",
    function() return notify { sendReminder = true, reminderNotificationChannel = "EmailAndSms" } end },
  -- Attachments by themselves.
  { 2017, 400, "Attachment expirationTime must be at least 1 days from now",
    function() return register { expirationInDays = 0 } end },
  { 2001, 404, "The requested attachment was not found",
    function() return altinn:as(writer, "GET", ATTACHMENT .. "/" .. NOBODY) end },
  { 2004, 400, "File must have content and has a max file size of 50GB",
    function() return upload(published(), "") end },
  { 2005, 400, "File has already been or is being uploaded", function()
    local id = published()
    altinn:letter { attachments = { id } }
    return upload(id, "bytes")
  end },
  { 2003, 400, "Cannot upload attachment to a correspondence that has been created", function()
    local id = select(2, register())
    altinn:letter { attachments = { id } }
    return upload(id, "bytes")
  end },
  { 2008, 400, "Checksum mismatch", function()
    local id = select(2, register { checksum = "900150983cd24fb0d6963f7d28e17f72" })
    return upload(id, "abd")
  end },
  { 2016, 400, "This attachment is associated with a published correspondence and can no longer be accessed by service"
    .. " owner", function()
    local id = published()
    altinn:letter { attachments = { id } }
    local status, value, headers = altinn:as(writer, "GET", ATTACHMENT .. "/" .. id .. "/download")
    assert.are.equal("application/problem+json; charset=utf-8", headers["content-type"])
    return status, value, { ["content-type"] = "application/json; charset=utf-8" }
  end },
  { 2006, 400, "File has already been purged", function()
    local id = published()
    altinn:as(writer, "DELETE", ATTACHMENT .. "/" .. id)
    return altinn:as(writer, "DELETE", ATTACHMENT .. "/" .. id)
  end },
  { 2018, 400, "File has expired", function()
    local id = published { expirationInDays = 1 }
    altinn:letter { attachments = { id } }
    altinn:advance "25h"
    return altinn:as(writer, "DELETE", ATTACHMENT .. "/" .. id)
  end },
  { 2007, 400, "Attachment cannot be purged as it is linked to at least one existing correspondence", function()
    local id = published()
    altinn:letter { attachments = { id } }
    return altinn:as(writer, "DELETE", ATTACHMENT .. "/" .. id)
  end },
  -- Letters.
  { 1001, 404, "The requested correspondence was not found", function() return on(NOBODY, "GET", "") end },
  { 1024, 400, "Correspondence must be fetched before it can be read",
    function() return on(altinn:letter(), "POST", "/markasread") end },
  { 1025, 400, "Correspondence must be fetched before it can be confirmed",
    function() return on(altinn:letter(), "POST", "/confirm") end },
  { 1040, 400, "Correspondence is already marked as read", function()
    local letter = altinn:letter()
    on(letter, "GET", "/content")
    return on(letter, "POST", "/markasread")
  end },
  { 1041, 400, "Correspondence has already been confirmed", function()
    local letter = altinn:letter()
    on(letter, "GET", "/content")
    on(letter, "POST", "/confirm")
    altinn:advance(4)
    return on(letter, "POST", "/confirm")
  end },
  { 1013, 400, "Sender cannot delete correspondence that has been published",
    function() return on(altinn:letter(), "DELETE", "/purge", nil, writer) end },
  { 1014, 400, "Correspondence has already been purged", function()
    local letter = altinn:letter()
    altinn:step(letter, "purge")
    return on(letter, "DELETE", "/purge")
  end },
  { 1026, 400, "Cannot archive or delete a correspondence which has not been confirmed when confirmation is required",
    function() return on(altinn:letter { isConfirmationNeeded = true }, "DELETE", "/purge") end },
  { 1043, 400, "Cannot purge correspondence linked to a Dialogporten Transmission", function()
    local dialog = altinn:letter().externalReferences[1]
    local answer = select(2, post(letter_of { externalReferences = { dialog } }))
    return on(answer.correspondences[1].correspondenceId, "DELETE", "/purge", nil, writer)
  end },
  { 1027, 400, "From date cannot be after to date", function()
    return altinn:as(reader, "GET", API .. "?resourceId=acme-letters&role=Recipient&from=2026-01-02&to=2026-01-01")
  end },
  { 1063, 400, "Correspondence does not allow forwarding",
    function() return on(altinn:letter(), "POST", "/forward", { forwardTo = "a@example.no" }) end },
  { 3011, 400, "Invalid email provided for custom recipient.",
    function() return on(altinn:letter(), "POST", "/forward", { forwardTo = "a@b" }) end },
  { 3027, 400, "Email address provided for forwarding correspondence exceeds 1000 characters", function()
    return on(altinn:letter(), "POST", "/forward", { forwardTo = ("a"):rep(1000) .. "@example.no" })
  end },
  { 1065, 400, "Correspondence must be read before it can be forwarded", function()
    return on(altinn:letter { allowForwarding = true }, "POST", "/forward", { forwardTo = "a@example.no" })
  end },
  { 1066, 400, "Forwarding text cannot exceed 200 characters", function()
    return on(altinn:letter { allowForwarding = true }, "POST", "/forward", { forwardTo = "a@example.no",
      forwardingText = ("x"):rep(201) })
  end },
  { 1067, 400, "Forwarding text must be plain text", function()
    return on(altinn:letter { allowForwarding = true }, "POST", "/forward", { forwardTo = "a@example.no",
      forwardingText = "<b>x</b>" })
  end },
  { 1064, 400, "Correspondence has already been forwarded to the specified recipient", function()
    local letter = altinn:letter { allowForwarding = true }
    on(letter, "GET", "/content")
    on(letter, "POST", "/forward", { forwardTo = "A@example.no" })
    return on(letter, "POST", "/forward", { forwardTo = "a@example.no" })
  end },
}

describe("the emulator's letters refuse", function()
  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function()
    altinn:reset()
    altinn:control("POST", "/world", { owners = { none = false },
      resources = { app = { type = "AltinnApp" }, secret = { confidential = true, level = 3 },
        open = { confidential = false, level = 3 } },
      recipients = { ["333333333"] = "unknown", ["444444444"] = "unknown", ["555555555"] = "no-roles",
        [RESERVED] = "reserved" } })
    reader = altinn:token { scopes = "altinn:correspondence.read", orgNo = RECIPIENT }
    writer = altinn:token { scopes = "altinn:correspondence.write", orgNo = SENDER }
    owner = altinn:token { scopes = "altinn:correspondence.write altinn:serviceowner", orgNo = SENDER }
  end)

  -- Each call of creating also breaks what is checked later, where that can be: the first check answers.
  for index, row in ipairs(rows) do
    it(("with %d: %s (%d)"):format(row[1], row[3], index), function()
      refused(row[1], row[2], row[3], row[4]())
    end)
  end

  it("in problem objects: their members in order, code and errorCode, no instance", function()
    for status, kind in pairs {
      [400] = { 1013, "15.5.1", "Bad Request", function()
        return on(altinn:letter(), "DELETE", "/purge", nil, owner) end },
      [401] = { 4001, "15.5.2", "Unauthorized", function()
        return on(altinn:letter { recipient = STRANGER }, "GET", "") end },
      [404] = { 1001, "15.5.5", "Not Found", function() return on(NOBODY, "GET", "/details") end },
      [409] = { 1034, "15.5.10", "Conflict", function()
        post(letter_of(nil, nil, { idempotentKey = NOBODY }))
        return post(letter_of(nil, nil, { idempotentKey = NOBODY })) end },
      [422] = { 1030, "15.5.21", "Unprocessable Entity", function()
        return post(letter_of(nil, nil, { recipients = { RESERVED } })) end },
    } do
      local got, problem, _, text = kind[4]()
      local order = {}
      for name in text:gmatch('"(%w+)":') do order[#order + 1] = name end
      assert.are.same({ "type", "title", "status", "detail", "code", "traceId", "errorCode" }, order)
      assert.are.same({ status, status, "https://tools.ietf.org/html/rfc9110#section-" .. kind[2], kind[3],
        ("CORR-%05d"):format(kind[1]), kind[1] },
        { got, problem.status, problem.type, problem.title, problem.code, problem.errorCode })
    end
  end)

  it("a request of the wrong form with STD-00000, before anything else", function()
    local wrong = {
      { letter_of { resourceId = NONE }, "resourceId", "The ResourceId field is required." },
      { letter_of { resourceId = "a:b" }, "resourceId", "Invalid Resource identifier format" },
      { letter_of { sendersReference = NONE }, "sendersReference", "The SendersReference field is required." },
      { letter_of { content = NONE }, "content", "The Content field is required." },
      { letter_of(nil, { messageTitle = " " }), "messageTitle", "The MessageTitle field is required." },
      { letter_of(nil, { messageBody = NONE }), "messageBody", "The MessageBody field is required." },
      { letter_of(nil, { messageTitle = ("x"):rep(256) }), "messageTitle",
        "The field MessageTitle must be a string with a minimum length of 1 and a maximum length of 255." },
      { letter_of(nil, nil, { recipients = {} }), "recipients", "Recipients can not be empty" },
      { letter_of(nil, nil, { recipients = { "0192:987654321", PERSON .. "01017012345" } }), "recipients",
        "The given Recipient national identity number is not valid" },
      { letter_of(nil, nil, { idempotentKey = "00000000-0000-0000-0000-000000000000" }), "idempotentKey",
        "The idempotency key must be a valid non-empty GUID" },
      { letter_of { externalReferences = { reference("DialogportenTransmissionId", NOBODY) } }, "externalReferences",
        "Cannot initialize a correspondence with pre-existing transmission defined" },
      { letter_of { externalReferences = { { referenceType = "Generic" } } }, "externalReferences",
        "externalReferences is not of proper type" },
      { letter_of { externalReferences = { 5 } }, "externalReferences", "externalReferences is not of proper type" },
      { letter_of(nil, { attachments = { { fileName = ("x"):rep(252) .. ".pdf", sendersReference = "r" } } }),
        "attachments", "The field FileName must be a string with a maximum length of 255." },
      { letter_of { notification = {} }, "notificationChannel", "The NotificationChannel field is required." },
    }
    for index, row in ipairs(wrong) do
      local status, problem, headers, text = post(row[1])
      assert.are.same({ 400, "STD-00000", "Bad Request", row[3], "CORR.VLD-00000" },
        { status, problem.code, problem.title, problem.validationErrors[1].detail, problem.validationErrors[1].code },
        "row " .. index)
      assert.are.same({ [row[2]] = { row[3] } }, problem.errors)
      assert.is_nil(problem.detail)
      assert.is_nil(problem.errorCode)
      assert.are.equal("application/json; charset=utf-8", headers["content-type"])
      assert.is_nil(text:find('"instance"', 1, true))
    end
    local _, problem = post(letter_of(nil, nil, { recipients = { RECIPIENT } }))
    assert.is_truthy(problem.errors.recipients[1]:find("^Recipient should be an organization number in the format"))
  end)

  it("nothing at the edges: what just fits is created", function()
    local function fits(...) assert.are.equal(200, (post(letter_of(...)))) end
    fits { dueDateTime = "2131-01-01T00:00:00Z", requestedPublishTime = "2131-01-01T00:00:00Z" }
    fits { replyOptions = { { linkURL = "https://x.example.no/" .. ("x"):rep(234), linkText = "x" } } }
    fits(nil, { messageTitle = ("æ"):rep(255), messageSummary = ("æ"):rep(255), messageBody = ("æ"):rep(30000) })
    fits { sendersReference = ("x"):rep(4096), messageSender = "" }
    fits { propertyList = { [("x"):rep(50)] = ("y"):rep(300) } }
    fits(nil, { language = "NN" })
    fits { resourceId = "secret", isConfidential = true }
    fits { resourceId = "app", externalReferences = { altinn:letter().externalReferences[1] } }
    local ids = {}
    for index = 1, 100 do
      ids[index] = altinn:control("POST", "/letters", { attachments = { { fileName = "a.pdf", content = "x" } } })
        .content.attachments[1].id
    end
    altinn:advance()
    fits(nil, nil, { existingAttachments = ids })
    local status, problem = post(letter_of { propertyList = { [("x"):rep(51)] = "y" } })
    assert.are.same({ 400, { "propertyList Key can not be longer than 50" } }, { status, problem.errors.propertyList })
    status, problem = post(letter_of(nil, nil, { recipients = { "0192:333333333" } }))
    assert.are.same({ 404, 1029 }, { status, problem.errorCode })
    status, problem = post(letter_of { propertyList = { x = ("y"):rep(301) } })
    assert.are.same({ 400, { "propertyList Value can not be longer than 300" } },
      { status, problem.errors.propertyList })
    fits({ notification = { notificationChannel = "Sms", smsBody = "s" } }, nil,
      { recipients = { "0192:" .. RECIPIENT, "0192:" .. STRANGER } })
    status, problem = notify { notificationChannel = "SmsPreferred" }
    assert.are.same({ 400, 3006 }, { status, problem.errorCode })
    local letter = altinn:letter { hold = true }
    for _, wanted in ipairs { 200, 1014 } do
      status, problem = on(letter, "DELETE", "/purge", nil, writer)
      assert.are.equal(wanted, wanted == 200 and status or problem.errorCode)
    end
    status, problem = notify { customRecipients = { { emailAddress = "x" } }, smsBody = "$recipientname$" }
    assert.are.same({ 400, 3015 }, { status, problem.errorCode })
  end)

  it("no file of the types that Altinn takes, and every other; each name that Windows keeps", function()
    for name, kind in pairs { doc = "application/msword", xls = "application/vnd.ms-excel", ppt =
      "application/vnd.ms-powerpoint", pps = "application/vnd.ms-powerpoint", zip = "application/zip",
      docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
      xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", pdf = "application/pdf",
      html = "text/html", txt = "text/plain", xml = "text/xml", jpg = "image/jpeg", jpeg = "image/jpeg",
      gif = "image/gif", bmp = "image/bmp", png = "image/png", json = "application/json", csv = "text/csv",
      dcm = "application/dicom", DICOM = "application/dicom" } do
      local status, id = register { fileName = "a.b." .. name }
      assert.are.equal(200, status, name)
      assert.are.equal(kind, select(2, altinn:as(writer, "GET", ATTACHMENT .. "/" .. id)).dataType)
    end
    for _, name in ipairs { "a.exe", "pdf", "a.pdf.", "a.docm" } do
      assert.are.equal(2013, select(2, register { fileName = name }).errorCode, name)
    end
    local names = { "con", "PRN", "Aux", "nul" }
    for digit = 1, 9 do
      names[#names + 1] = "com" .. digit
      names[#names + 1] = "LPT" .. digit
    end
    for _, name in ipairs(names) do
      assert.are.equal(2021, select(2, register { fileName = name .. ".x.txt" }).errorCode, name)
    end
    assert.are.equal(200, (register { fileName = "console.txt" }))
  end)

  it("ids that are no GUID with 400, under the parameter's name", function()
    for path, name in pairs { [API .. "/none"] = "correspondenceId", [API .. "/none/details"] = "correspondenceId",
      [ATTACHMENT .. "/none"] = "attachmentId",
      [API .. "/" .. NOBODY .. "/attachment/none/download"] = "attachmentId" } do
      local status, problem = altinn:as(path:find("attachment/none$") and writer or reader, "GET", path)
      assert.are.same({ 400, "STD-00000", { [name] = { "The value 'none' is not valid." } } },
        { status, problem.code, problem.errors })
    end
    local letter = altinn:letter()
    for _, id in ipairs { letter.id:upper(), letter.id:gsub("-", ""), "{" .. letter.id .. "}" } do
      assert.are.equal(200, (on(id:gsub("[{}]", { ["{"] = "%7B", ["}"] = "%7D" }), "GET", "")))
    end
  end)

  it("a download that is too late, by the letter's own time also", function()
    local id = published { expirationInDays = 1 }
    local function letter_with(more)
      local body = letter_of(more, nil, { existingAttachments = { id } })
      return select(2, post(body)).correspondences[1].correspondenceId
    end
    local first = letter_with()
    altinn:advance "12h"
    local second = letter_with()
    altinn:advance "12h"
    local function download(letter) return on(letter, "GET", "/attachment/" .. id .. "/download") end
    local status, problem, headers = download(first)
    assert.are.same({ 400, 2020, "The attachment has expired and cannot be downloaded" },
      { status, problem.errorCode, problem.detail })
    assert.are.equal("application/problem+json; charset=utf-8", headers["content-type"])
    assert.are.equal(200, (download(second)))
    altinn:advance "12h"
    assert.are.equal(2020, select(2, download(second)).errorCode)
    altinn:control("POST", ("/attachments/%s/purge"):format(id))
    status, problem = download(second)
    assert.are.same({ 400, 2019, "The attachment has been purged and cannot be downloaded" },
      { status, problem.errorCode, problem.detail })
  end)

  -- Those that no call brings by itself.
  local others = {
    [1002] = { 400, "Message title must be plain text" }, [1003] = { 400, "Message body must be markdown" },
    [1015] = { 400, "Could not retrieve highest status for correspondence" },
    [1019] = { 400, "The Content field must be provided for the correspondence" },
    [1020] = { 400, "Message title cannot be empty" }, [1021] = { 400, "Message body cannot be empty" },
    [1022] = { 400, "Message body cannot exceed 30000 characters" },
    [1032] = { 500, "Contact reservation registry lookup failed" },
    [1037] = { 400, "Message title cannot exceed 255 characters" },
    [1039] = { 400, "Message sender must be plain text" },
    [1042] = { 400, "Message summary, if not null, must be between 0 and 255 characters long" },
    [2000] = { 500, "Resource registry lookup failed" }, [2002] = { 502, "Error occurred during upload" },
    [2009] = { 400, "Could not get data location url" }, [2011] = { 400, "Filename is too long" },
    [2022] = { 408, "Upload request timed out due to data arriving too slowly" },
    [2023] = { 400, "Total size of attachments exceeds the maximum allowed for zip download (25 MB)" },
    [3001] = { 404, "The requested notification template with the given language was not found" },
    [3028] = { 500, "Failed to create composed email for correspondence" },
    [4002] = { 400, "Could not retrieve party uuid from lookup in Altinn Register" },
    [4006] = { 401, "Could not determine caller" }, [4007] = { 401, "Could not identify orgnumber from user" },
  }

  it("with any number, as a trouble that was asked for", function()
    for number, row in pairs(others) do
      altinn:control("POST", "/troubles", { path = "/confirm", error = number })
      refused(number, row[1], row[2], on(NOBODY, "POST", "/confirm"))
    end
    assert.are.equal(1001, select(2, on(NOBODY, "POST", "/confirm")).errorCode)
  end)

  it("persons whose check digits are wrong", function()
    local function list(person)
      return altinn:as(owner, "GET", API .. "?resourceId=acme-letters&role=Recipient&onBehalfOf=" .. person)
    end
    for _, person in ipairs { "03856129119", "08929545215", "25825863519", PERSON .. "06903322355" } do
      assert.are.equal(200, (list(person)))
      assert.are.equal(200, (post(letter_of(nil, nil, { recipients = { person } }))))
      for at = #person - 10, #person do
        local digit = tonumber(person:sub(at, at))
        local wrong = person:sub(1, at - 1) .. (digit + 1) % 10 .. person:sub(at + 1)
        local status, problem = list(wrong)
        assert.are.same({ 400, { "The given OnBehalfOf national identity number is not valid" } },
          { status, problem.errors.onBehalfOf })
      end
    end
    local status, problem = list "0192:12345678"
    assert.are.equal(400, status)
    assert.is_truthy(problem.errors.onBehalfOf[1]:find("^OnBehalfOf must be either a valid organization number"))
  end)

  it("a body of another media type with 415, and a sender's call without an upload's", function()
    for _, media in ipairs { "text/plain", "application/cloudevents+json", "text/json" } do
      assert.are.equal(415, (altinn:as(writer, "POST", API, "{}", { ["Content-Type"] = media })))
    end
    local id = select(2, register())
    assert.are.equal(415, (altinn:as(writer, "POST", ATTACHMENT .. "/" .. id .. "/upload", "{}",
      { ["Content-Type"] = "application/json" })))
  end)

  it("nothing when the world is right: the letters of several, one of whom has reserved", function()
    local status, answer = post(letter_of(nil, nil, { recipients = { "0192:" .. RECIPIENT, RESERVED } }))
    assert.are.equal(200, status)
    assert.are.same({ "ReadyForPublish", "Reserved" },
      { answer.correspondences[1].status, answer.correspondences[2].status })
    assert.are.equal(ORGANISATION .. RECIPIENT, answer.correspondences[1].recipient)
    altinn:advance()
    assert.are.same({ "correspondenceinitialized", "correspondencepublished", "correspondencepublishfailed" },
      altinn:types())
    local shown = altinn:control("GET", "/letters/" .. answer.correspondences[2].correspondenceId)
    assert.are.same({ "Failed", ("Recipient of %s has been set to reserved in kontakt- og reserverasjonsregisteret"
      .. " ('KRR')"):format(shown.id) }, { shown.status, shown.statusText })
    status, answer = post(letter_of({ ignoreReservation = true }, nil, { recipients = { RESERVED } }))
    assert.are.same({ 200, "ReadyForPublish" }, { status, answer.correspondences[1].status })
  end)
end)
