-- The emulator's replies against Altinn's OpenAPI documents, which are not part of this repository:
-- ALTINN_EVENTS_OPENAPI names their folder.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local schema = require "spec.support.schema"

local folder = os.getenv "ALTINN_EVENTS_OPENAPI" or "openapi"
local documents = { schema.open(folder .. "/events-reconstructed.json", "/events/api/v1"),
  schema.open(folder .. "/correspondence-reconstructed.json") }

local LETTERS, ATTACHMENTS = "/correspondence/api/v1/correspondence", "/correspondence/api/v1/attachment"
local SUBSCRIPTIONS, EVENTS = "/events/api/v1/subscriptions", "/events/api/v1/events"
local ORGANISATION = "urn:altinn:organization:identifier-no:987654321"

local function operation_of(method, path)
  for _, document in ipairs(documents) do
    local operation = document:operation(method, path)
    if operation then return document, operation end
  end
end

-- Why a reply does not agree with its operation; nil when it does.
local function fault(document, operation, status, text, headers)
  -- Deleting an attachment: the documents say 200, the server has nothing to say, which makes 204.
  local promised = operation.responses[tostring(status)] or status == 204 and text == "" and operation.responses["200"]
  if not promised then return "no such status" end
  local media = (headers["content-type"] or ""):match("^[^;]*")
  local content = promised.content
  local problem = status >= 400 and (media == "application/problem+json" or media == "application/json")
  -- The documents are silent about the subscription that PUT …/validate answers.
  if not content and operation.validates then return nil end
  if text == "" or not content and problem then return nil end  -- the documents are silent about some problems
  if not content then return "a body that is not promised" end
  local one = content[media] or content["application/json"] and media == "application/problem+json"
    and content["application/json"]
  one = one or content["application/octet-stream"]
  if not one then return "a media type that is not promised: " .. media end
  if not media:find("json", 1, true) or not one.schema then return nil end
  local value = cjson.decode("[" .. text .. "]")[1]
  -- Of a request whose form is wrong: two members more, in every operation.
  if problem and value.validationErrors then
    assert(#value.validationErrors > 0 and next(value.errors))
    value.validationErrors, value.errors = nil, nil
  end
  return document:fault(one.schema, value)
end

describe("the emulator and Altinn's documents", function()
  local altinn, seen
  if not documents[1] or not documents[2] then
    return pending "ALTINN_EVENTS_OPENAPI does not name the documents' folder"
  end

  setup(function()
    altinn = emulator.start()
    seen = {}
  end)
  teardown(function() altinn:close() end)

  local function ask(token, method, path, body, headers)
    local status, value, got, text = altinn:as(token, method, path, body, headers)
    local document, operation = operation_of(method, path:match("^[^?]*"))
    assert.is_truthy(operation, method .. " " .. path)
    operation.validates = method == "PUT" and path:find("/validate/", 1, true) ~= nil
    local why = fault(document, operation, status, text, got)
    assert.is_nil(why, ("%s %s: %d %s: %s"):format(method, path, status, text, tostring(why)))
    if status < 300 then seen[operation] = true end
    return value, status
  end

  local function tokens()
    return altinn:token { scopes = "altinn:events.subscribe altinn:events.publish altinn:correspondence.read" },
      altinn:token { scopes = "altinn:correspondence.write", orgNo = "991825827" },
      altinn:token { scopes = "altinn:correspondence.read", orgNo = "111111111" }
  end

  it("subscriptions and events agree", function()
    local token, other = tokens()
    local wanted = { endPoint = altinn.base .. "/events/api/v1/tests/webhookreceiver",
      resourceFilter = "urn:altinn:resource:acme-letters", subjectFilter = ORGANISATION, includeSubunits = true }
    local s = ask(token, "POST", SUBSCRIPTIONS, wanted)
    ask(token, "POST", SUBSCRIPTIONS, { endPoint = "x" })
    ask(token, "POST", SUBSCRIPTIONS, "{")
    ask(other, "POST", SUBSCRIPTIONS, wanted)
    ask("none", "POST", SUBSCRIPTIONS, wanted)
    ask(token, "GET", SUBSCRIPTIONS)
    local path = SUBSCRIPTIONS .. "/" .. s.id
    for _, one in ipairs { token, other, "none" } do ask(one, "GET", path) end
    ask(token, "PUT", SUBSCRIPTIONS .. "/validate/" .. s.id, nil, { PlatformAccessToken = "x" })
    local media = { ["Content-Type"] = "application/cloudevents+json" }
    ask(token, "POST", EVENTS, '{"specversion":"1.0","id":"1","source":"/x","type":"t.x",'
      .. '"resource":"urn:altinn:resource:acme-letters","subject":"' .. ORGANISATION .. '"}', media)
    ask(token, "POST", EVENTS, "{}", media)
    ask(token, "POST", EVENTS, "{}")
    altinn:advance(30)
    local list = ask(token, "GET", EVENTS .. "?resource=urn:altinn:resource:acme-letters&after=0")
    assert.are.equal(1, #list)
    ask(token, "GET", EVENTS .. "?resource=x&after=0")
    ask(token, "GET", EVENTS)
    ask(other, "GET", EVENTS)
    ask(token, "DELETE", path)
    ask(token, "GET", path)
  end)

  local function create(writer, more)
    local content = { language = "nb", messageTitle = "t", messageSummary = "s", messageBody = "b" }
    local body = { recipients = { ORGANISATION }, correspondence = { resourceId = "acme-letters",
      sendersReference = "r", content = content, isConfirmationNeeded = true, allowForwarding = true,
      dueDateTime = "2130-08-20T07:22:19Z", propertyList = { a = "b" },
      externalReferences = { { referenceType = "Generic", referenceValue = "1" } },
      replyOptions = { { linkURL = "https://x.example.no", linkText = "x" } } } }
    for name, value in pairs(more or {}) do body[name] = value end
    return ask(writer, "POST", LETTERS, body)
  end

  it("letters agree at each step of their life", function()
    local reader, writer, stranger = tokens()
    local attachment = ask(writer, "POST", ATTACHMENTS, { resourceId = "acme-letters", fileName = "a.pdf",
      sendersReference = "r", displayName = "A", expirationInDays = 7 })
    ask(writer, "POST", ATTACHMENTS .. "/" .. attachment .. "/upload", "bytes")
    altinn:advance(2)
    for _, part in ipairs { "", "/details", "/download" } do
      ask(writer, "GET", ATTACHMENTS .. "/" .. attachment .. part)
    end
    local made = create(writer, { existingAttachments = { attachment } })
    local path = LETTERS .. "/" .. made.correspondences[1].correspondenceId
    altinn:advance()
    altinn:step({ id = made.correspondences[1].correspondenceId }, "notify")
    ask(reader, "POST", path .. "/markasread")
    for _, token in ipairs { reader, writer, stranger, "none" } do
      ask(token, "GET", path)
      ask(token, "GET", path .. "/details")
    end
    for _, part in ipairs { "/markasread", "/markasread", "/confirm" } do ask(reader, "POST", path .. part) end
    altinn:advance(4)
    ask(reader, "POST", path .. "/confirm")
    ask(reader, "GET", path .. "/content")
    ask(reader, "GET", path .. "/attachment/" .. attachment .. "/download")
    ask(reader, "POST", path .. "/forward", { forwardTo = "a@example.no", forwardingText = "see" })
    ask(reader, "POST", path .. "/forward", {})
    ask(reader, "GET", path .. "/details")
    ask(reader, "GET", LETTERS .. "?resourceId=acme-letters&role=Recipient")
    ask(reader, "GET", LETTERS .. "?role=Recipient")
    ask(reader, "DELETE", path .. "/purge")
    ask(reader, "DELETE", path .. "/purge")
    ask(reader, "GET", path)
    ask(writer, "DELETE", ATTACHMENTS .. "/" .. attachment)
  end)

  it("what cannot be sent is refused as they say", function()
    local _, writer = tokens()
    local key = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
    create(writer, { idempotentKey = key })
    local _, status = create(writer, { idempotentKey = key })
    assert.are.equal(409, status)
    altinn:control("POST", "/world", { recipients = { ["01817000092"] = "reserved" } })
    _, status = create(writer, { recipients = { "01817000092" } })
    assert.are.equal(422, status)
    _, status = create(writer, { recipients = {} })
    assert.are.equal(400, status)
    local attachment = ask(writer, "POST", ATTACHMENTS, { resourceId = "acme-letters", fileName = "a.pdf",
      sendersReference = "r" })
    ask(writer, "DELETE", ATTACHMENTS .. "/" .. attachment)
    ask(writer, "POST", ATTACHMENTS, { resourceId = 5 })
  end)

  it("every operation that it has was seen to succeed; these it lacks", function()
    local left = {}
    for _, document in ipairs(documents) do
      for path, methods in pairs(document.root.paths) do
        for method, operation in pairs(methods) do
          if type(operation) == "table" and operation.responses and not seen[operation] then
            left[#left + 1] = method .. " " .. path:gsub("^/correspondence/api/v1", "")
          end
        end
      end
    end
    table.sort(left)
    assert.are.same({ "get /app/party", "get /app/{org}/{app}",
      "get /correspondence/{correspondenceId}/attachments/downloadall" }, left)
  end)
end)
