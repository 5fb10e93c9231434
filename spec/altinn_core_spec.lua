-- core.altinn: requests as they are built, what is refused, replies as they are judged.
local core = require "altinn.events.core"
local altinn = core.altinn

local ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local FILE = "11111111-2222-3333-4444-555555555555"
local ORGANISATION = "urn:altinn:organization:identifier-no:987654321"

local function with(base, more)
  local wish = {}
  for name, value in pairs(base) do wish[name] = value end
  for name, value in pairs(more or {}) do wish[name] = value end
  return wish
end

local SUBSCRIPTION = { endpoint = "https://hooks.example.org/altinn?code=S3CRET", resource = "acme-letters" }

describe("a request", function()
  it("has the method, path and Accept of its call", function()
    local events, letters = "/events/api/v1/", "/correspondence/api/v1/correspondence/" .. ID
    local files = "/correspondence/api/v1/attachment/" .. ID
    local wanted = {
      subscriptions = { "GET", events .. "subscriptions", "application/json" },
      subscription = { "GET", events .. "subscriptions/12", "application/json", { id = "12" } },
      unsubscribe = { "DELETE", events .. "subscriptions/12", "*/*", { id = "12" } },
      overview = { "GET", letters, "application/json" },
      details = { "GET", letters .. "/details", "application/json" },
      content = { "GET", letters .. "/content", "*/*" },
      mark_read = { "POST", letters .. "/markasread", "application/json" },
      confirm = { "POST", letters .. "/confirm", "application/json" },
      purge = { "DELETE", letters .. "/purge", "application/json" },
      download = { "GET", letters .. "/attachment/" .. FILE .. "/download", "*/*" },
      attachment = { "GET", files, "application/json" },
      attachment_details = { "GET", files .. "/details", "application/json" },
    }
    for name, want in pairs(wanted) do
      local got = assert(altinn.request(name, with({ id = ID, attachment = FILE }, want[4])))
      assert.are.same({ want[1], want[2], want[3] }, { got.method, got.target, got.accept }, name)
      assert.is_nil(got.content_type, name)
      -- POST without a body says that it has none; the others have none.
      assert.are.equal(want[1] == "POST" and "" or nil, got.body, name)
    end
  end)

  it("to subscribe has the members that are set, and no others", function()
    local got = assert(altinn.request("subscribe", SUBSCRIPTION))
    assert.are.equal("application/json", got.content_type)
    assert.are.equal('{"endPoint":"https://hooks.example.org/altinn?code=S3CRET",'
      .. '"resourceFilter":"urn:altinn:resource:acme-letters"}', got.body)
    got = assert(altinn.request("subscribe", with(SUBSCRIPTION, {
      resource = "urn:altinn:resource:acme-letters", subject = ORGANISATION, types = { "correspondencepublished" },
      include_subunits = true,
    })))
    assert.are.equal('{"endPoint":"https://hooks.example.org/altinn?code=S3CRET",'
      .. '"resourceFilter":"urn:altinn:resource:acme-letters","subjectFilter":"' .. ORGANISATION .. '",'
      .. '"typeFilter":"no.altinn.correspondence.correspondencepublished","includeSubunits":true}', got.body)
  end)

  it("escapes what JSON and addresses want escaped", function()
    local mail = 'urn:altinn:person:idporten-email:o"l\\a+b@example.org'
    local got = assert(altinn.request("subscribe", with(SUBSCRIPTION, { subject = mail })))
    local member = [["subjectFilter":"urn:altinn:person:idporten-email:o\"l\\a+b@example.org"]]
    assert.is_truthy(got.body:find(member, 1, true))
    got = assert(altinn.request("events", { resource = "acme-letters", subject = mail, after = "a&b=c d/æ#" }))
    assert.are.equal("/events/api/v1/events?resource=urn:altinn:resource:acme-letters&after=a%26b%3Dc%20d%2F%C3%A6%23"
      .. "&subject=urn:altinn:person:idporten-email:o%22l%5Ca%2Bb%40example.org", got.target)
  end)

  it("to pull begins at 0, repeats type, and makes patterns the server's", function()
    local got = assert(altinn.request("events", { resource = "acme-letters", size = 1000, types = {
      "correspondencepublished", "correspondencereceiver*", "dialogporten.*", "no.altinn.%", "my.own.type_a",
    } }))
    assert.are.equal("/events/api/v1/events?resource=urn:altinn:resource:acme-letters&after=0"
      .. "&type=no.altinn.correspondence.correspondencepublished"
      .. "&type=no.altinn.correspondence.correspondencereceiver%25&type=dialogporten.%25&type=no.altinn.%25"
      .. "&type=my.own.type%5C_a&size=1000", got.target)
    assert.is_truthy(got.accept:find("application/cloudevents+json", 1, true))
  end)

  it("to list letters has the bare resource and the server's words", function()
    local got = assert(altinn.request("letters", { resource = "urn:altinn:resource:acme-letters", role = "recipient",
      status = "read", from = "2026-01-01T00:00:00Z", to = "2026-01-01T00:00:00.000001Z" }))
    assert.are.equal("/correspondence/api/v1/correspondence?resourceId=acme-letters&role=Recipient"
      .. "&from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00.000001Z&status=Read", got.target)
  end)

  it("to list letters has all filters of the server", function()
    local list = { resource = "acme-letters", role = "Sender" }
    local got = assert(altinn.request("letters", with(list, { onBehalfOf = "987654321", sendersReference = "a b&c",
      idempotentKey = ID, altinn2CorrespondenceId = "12345" })))
    assert.are.equal("/correspondence/api/v1/correspondence?resourceId=acme-letters&role=Sender"
      .. "&onBehalfOf=0192:987654321&sendersReference=a%20b%26c&idempotentKey=" .. ID
      .. "&altinn2CorrespondenceId=12345", got.target)
    for _, party in ipairs { "0192:987654321", "01017012345", ORGANISATION } do
      got = assert(altinn.request("letters", with(list, { onBehalfOf = party })))
      assert.is_truthy(got.target:find("onBehalfOf=" .. party, 1, true), got.target)
    end
  end)

  it("may be long", function()
    local endpoint = "https://hooks.example.org/" .. ("a"):rep(100000)
    local got = assert(altinn.request("subscribe", with(SUBSCRIPTION, { endpoint = endpoint })))
    assert.are.equal(endpoint, require("cjson").decode(got.body).endPoint)
  end)

  it("warns of what is likely not meant", function()
    local got = altinn.request("subscribe", with(SUBSCRIPTION, { subject = ORGANISATION,
      types = { "correspondencereceiverread" } }))
    assert.is_truthy(got.warning:find("sender", 1, true))
    got = altinn.request("subscribe", with(SUBSCRIPTION, { subject = ORGANISATION,
      types = { "correspondencepublished" } }))
    assert.is_nil(got.warning)
  end)
end)

describe("what is refused", function()
  local function refused(call, wish, attribute, reason)
    local got, message, code, detail = altinn.request(call, wish)
    assert.is_nil(got, ("%s: %s"):format(attribute, reason))
    assert.are.equal("invalid", code)
    assert.are.equal(attribute, detail.attribute, message)
    assert(message:find("^" .. attribute .. ": ") and message:find(reason, 1, true), message)
    assert.is_nil(message:find("%.$"), message)
    assert.is_nil(message:find("S3CRET", 1, true), message)
  end
  local function subscribing(more, attribute, reason)
    it("when subscribing: " .. attribute .. " that " .. reason, function()
      refused("subscribe", with(SUBSCRIPTION, more), attribute, reason)
    end)
  end

  subscribing({ endpoint = "" }, "endpoint", "is missing")
  subscribing({ endpoint = "hooks.example.org" }, "endpoint", "no absolute address")
  subscribing({ endpoint = "/S3CRET" }, "endpoint", "no absolute address")
  subscribing({ endpoint = "https://a b/S3CRET" }, "endpoint", "no absolute address")
  subscribing({ endpoint = "http://hooks.example.org/S3CRET" }, "endpoint", "must begin with https://")
  subscribing({ endpoint = "http://127.0.0.1/S3CRET" }, "endpoint", "must begin with https://")
  subscribing({ endpoint = "ftp://127.0.0.1/S3CRET", loopback = true }, "endpoint", "must begin with https://")
  subscribing({ endpoint = "https:///S3CRET" }, "endpoint", "names no host")
  subscribing({ endpoint = "https://x/a#S3CRET" }, "endpoint", "fragment")
  subscribing({ source = "https://platform.altinn.no/correspondence/" }, "source", "apps only")
  subscribing({ alternative_subject = "/organisation/987654321" }, "alternative_subject", "apps only")
  subscribing({ resource = "" }, "resource", "is empty")
  subscribing({ resource = " acme-letters" }, "resource", "holds a blank")
  subscribing({ resource = "acme-letters\n" }, "resource", "holds a blank")
  subscribing({ resource = "Acme-letters" }, "resource", "capital letter")
  subscribing({ resource = "urn:altinn:resource:acme-Letters" }, "resource", "capital letter")
  subscribing({ resource = "urn:altinn:resurs:acme" }, "resource", "must begin with urn:altinn:resource:")
  subscribing({ resource = "acme*" }, "resource", "no resource's id")
  subscribing({ resource = ("a"):rep(101) }, "resource", "no resource's id")
  subscribing({ resource = "urn:altinn:resource:" }, "resource", "no resource's id")
  subscribing({ subject = "" }, "subject", "is empty")
  subscribing({ subject = ORGANISATION .. " " }, "subject", "holds a blank")
  subscribing({ subject = "987654321" }, "subject", "urn:altinn:organization:identifier-no:NNNNNNNNN")
  subscribing({ subject = "/organisation/987654321" }, "subject", "is not how events name a party")
  subscribing({ subject = "/party/50001234" }, "subject", "is not how events name a party")
  subscribing({ subject = "urn:altinn:organization:identifier-no:98765432" }, "subject", "nine digits")
  subscribing({ subject = "urn:altinn:organization:identifier-no:0192:987654321" }, "subject", "nine digits")
  subscribing({ subject = "urn:altinn:person:identifier-no:1234" }, "subject", "eleven digits")
  subscribing({ subject = "urn:altinn:party:uuid:1234" }, "subject", "UUID")
  subscribing({ subject = "urn:altinn:user:1" }, "subject", "that no event carries")
  subscribing({ subject = "urn:altinn:person:identifier-no:01010112345", types = { "correspondencereceiverread" } },
    "subject", "addressed to the sender")
  subscribing({ resource = "app_ttd_app", subject = ORGANISATION }, "subject", "/party/")
  subscribing({ types = { "" } }, "type", "is empty")
  subscribing({ types = { "no.altinn.correspondence.correspondencepublished " } }, "type", "holds a blank")
  subscribing({ types = { "no.altinn.correspondence.CorrespondencePublished" } }, "type",
    "did you mean no.altinn.correspondence.correspondencepublished?")
  subscribing({ types = { "correspondencepublishd" } }, "type", "did you mean correspondencepublished?")
  subscribing({ types = { "no.altinn.correspondence.*" } }, "type", "one exact type")
  subscribing({ types = { "no.altinn.correspondence.%" } }, "type", "one exact type")
  subscribing({ types = { "correspondencearchived" } }, "type", "raises nowhere")
  subscribing({ types = { "validatesubscription" } }, "type", "by itself")
  subscribing({ types = { "instancecreated" } }, "type", "raised by apps")
  subscribing({ resource = "app_ttd_app", types = { "correspondencepublished" } }, "type", "not raised by apps")
  subscribing({ types = { "correspondencepublished", "correspondencepurged" } }, "type", "one type")
  subscribing({ include_subunits = true }, "include_subunits", "needs a subject")

  it("but nothing that is right", function()
    for _, more in ipairs {
      { endpoint = "HTTPS://hooks.example.org" }, { endpoint = "http://127.0.0.1:8480/events", loopback = true },
      { subject = "urn:altinn:person:identifier-no:01010112345" }, { subject = "urn:altinn:partyid:50001234" },
      { subject = "urn:altinn:party:uuid:" .. ID }, { types = { "dialogporten.dialog.created.v1" } },
      { types = { "no.altinn.broker.published" } }, { types = { "somebody.elses.type" } },
      { resource = "app_ttd_app", subject = "/party/50001234", types = { "app.instance.process.movedTo.Task_1" } },
      { subject = ORGANISATION, include_subunits = true },
    } do
      local got, message = altinn.request("subscribe", with(SUBSCRIPTION, more))
      assert.is_truthy(got, message)
    end
  end)

  it("in the others too", function()
    refused("events", { resource = "" }, "resource", "is empty")
    refused("events", {}, "resource", "is missing")
    refused("events", { resource = "a", after = "" }, "after", "is empty")
    refused("events", { resource = "a", size = 1001 }, "size", "1000")
    refused("events", { resource = "a", size = -1 }, "size", "1000")
    refused("events", { resource = "a", types = { "no.altinn.*.x" } }, "type", "only at the end")
    refused("events", { resource = "a", types = { "No.altinn.correspondence.%" } }, "type", "capital")
    refused("events", { resource = "a", subject = "" }, "subject", "is empty")
    refused("letters", { resource = "a" }, "role", "Recipient, Sender")
    refused("letters", { resource = "a", role = "both" }, "role", "Recipient, Sender")
    refused("letters", { resource = "a", role = "Sender", status = "Rad" }, "status", "no such status")
    refused("letters", { resource = "a", role = "Sender", from = "2026-01-01" }, "from", "RFC 3339")
    refused("letters", { resource = "a", role = "Sender", from = "2026-01-02T00:00:00Z", to = "2026-01-01T23:00:00Z" },
      "from", "later than to")
    for _, id in ipairs { "", "../" .. ID, ID .. "/..", ID:sub(2), "0198c3a2_7b1d_7c55_8f0e_2a4b6c8d0e1f" } do
      refused("details", { id = id }, "id", "UUID")
      refused("download", { id = ID, attachment = id }, "attachment", "UUID")
    end
    local list = { resource = "acme-letters", role = "Sender" }
    for _, party in ipairs { "", "98765432", "987 654 321", "0192:1", "urn:altinn:organization:identifier-no:1" } do
      refused("letters", with(list, { onBehalfOf = party }), "onBehalfOf", "digits")
    end
    refused("letters", with(list, { sendersReference = "" }), "sendersReference", "is empty")
    refused("letters", with(list, { idempotentKey = "1" }), "idempotentKey", "UUID")
    refused("letters", with(list, { altinn2CorrespondenceId = "1x" }), "altinn2CorrespondenceId", "whole number")
    for _, id in ipairs { "", "1a", "-1", "1/2", "1.5", ("9"):rep(30) } do
      refused("subscription", { id = id }, "id", "whole number")
    end
  end)
end)

describe("addresses", function()
  it("are loopback ones, or not", function()
    for _, url in ipairs { "http://127.0.0.1", "http://127.1.2.3:80/x", "http://localhost:1", "HTTP://LOCALHOST/",
      "http://[::1]:80/", "https://localhost" } do
      assert.is_true(altinn.is_loopback(url), url)
    end
    for _, url in ipairs { "http://127.0.0.1.evil.no", "http://127.0.0.1@evil.no/", "http://localhost.no",
      "http://evil.no", "http://evil.no/127.0.0.1", "127.0.0.1", "", "http://127.1" } do
      assert.is_false(altinn.is_loopback(url), url)
    end
  end)

  it("are bases, or not", function()
    for _, url in ipairs { "https://platform.altinn.no", "https://x/y/", "http://127.0.0.1:5080" } do
      assert.is_true(altinn.is_base(url), url)
    end
    for _, url in ipairs { "", "platform.altinn.no", "http://platform.altinn.no", "ftp://127.0.0.1", "https://x?y",
      "https://x#y", "https://user@x", "https://" } do
      local ok, reason = altinn.is_base(url)
      assert.is_nil(ok, url)
      assert.is_string(reason)
    end
  end)

  it("of the environments are https", function()
    assert.are.equal("https://platform.altinn.no", altinn.environments.production)
    assert.are.equal("https://platform.tt02.altinn.no", altinn.environments.tt02)
    assert.are.equal("https://platform.yt01.altinn.cloud", altinn.environments.yt01)
    for _, url in pairs(altinn.environments) do assert.is_true(altinn.is_base(url)) end
  end)
end)

describe("a reply", function()
  local OVERVIEW = ('{"correspondenceId":"%s","status":"Read","content":{"attachments":[{"id":"x"}]}'):format(ID)
  local GOOD = {
    subscribe = '{"id":12,"endPoint":"https://x/","validated":false,"new":[1]}',
    subscriptions = '{"count":1,"subscriptions":[{"id":1,"subjectFilter":null}]}',
    subscription = ' {"id":12}\r\n', unsubscribe = "", events = "[]", letters = '{"ids":["' .. ID .. '"]}',
    overview = OVERVIEW .. "}", details = OVERVIEW .. ',"statusHistory":[{"status":"Read"}]}', content = "# Hello",
    mark_read = '"' .. ID .. '"', confirm = "", purge = '"' .. ID .. '"', download = "\0\1",
    attachment = '{"attachmentId":"x","status":"Published"}',
    attachment_details = '{"attachmentId":"x","status":"Published","statusHistory":[{"status":"Failed"}]}',
  }

  it("that is right is success", function()
    for call, body in pairs(GOOD) do
      for _, status in ipairs { 200, 201, 204 } do
        assert.are.equal("ok", altinn.judge(call, status, body).code, call)
      end
    end
  end)

  it("of the wrong shape says what is wrong", function()
    for _, case in ipairs {
      { "subscribe", "[]", "invalid", "must be an object, but is an array" },
      { "subscribe", "{}", "invalid", "lacks id" },
      { "subscribe", '{"id":"12"}', "invalid", "id must be a whole number, but is a text" },
      { "subscribe", '{"id":1.5}', "invalid", "id must be a whole number" },
      { "subscribe", '{"id":1,"validated":"yes"}', "invalid", "validated must be true or false" },
      { "subscriptions", '{"subscriptions":{}}', "invalid", "subscriptions must be an array" },
      { "subscriptions", '{"subscriptions":[1]}', "invalid", "must hold objects" },
      { "subscriptions", '{"subscriptions":[{}]}', "invalid", "lacks id" },
      { "events", "{}", "invalid", "must be an array" },
      { "letters", '{"ids":[1]}', "invalid", "must hold texts" },
      { "letters", "{}", "invalid", "lacks ids" },
      { "details", OVERVIEW .. "}", "invalid", "lacks statusHistory" },
      { "details", OVERVIEW .. ',"statusHistory":[{"status":3}]}', "invalid", "status must be a text" },
      { "overview", '{"correspondenceId":"x","status":"Read","content":{"attachments":[{}]}}', "invalid", "lacks id" },
      { "confirm", "{}", "invalid", "must be a text" },
      { "overview", "", "syntax", "is empty" },
      { "overview", "\n ", "syntax", "is empty" },
      { "overview", "<!DOCTYPE html><html></html>", "syntax", "HTML" },
      { "confirm", "  <html>", "syntax", "HTML" },
      { "unsubscribe", "<html>", "syntax", "HTML" },
      { "overview", OVERVIEW, "syntax", "ends too early" },
      { "overview", OVERVIEW .. "}}", "syntax", "text after" },
      { "overview", "\xff", "syntax", "not whole JSON" },
      { "events", ("["):rep(100), "too_large", "nested" },
    } do
      local answer = altinn.judge(case[1], 200, case[2])
      assert.are.equal(case[3], answer.code, case[2])
      assert(answer.message:find(case[4], 1, true), answer.message)
    end
  end)

  it("cut anywhere, or with any byte changed, is never taken for whole", function()
    for call, body in pairs(GOOD) do
      local judged = call ~= "content" and call ~= "download" and call ~= "unsubscribe" and call ~= "subscription"
      for length = 1, judged and #body - 1 or 0 do
        assert.are_not.equal("ok", altinn.judge(call, 200, body:sub(1, length)).code, call .. " " .. length)
      end
      for at = 1, #body do
        for _, byte in ipairs { "\0", '"', "\\", "{", "]", "\xC3" } do
          local answer = altinn.judge(call, 200, body:sub(1, at - 1) .. byte .. body:sub(at + 1))
          assert.is_true(answer.code == "ok" or answer.message ~= nil)
          answer = altinn.judge(call, 400, body:sub(1, at - 1) .. byte .. body:sub(at + 1))
          assert.are.equal("invalid", answer.code)
        end
      end
    end
  end)

  it("has a code by its status", function()
    for status, code in pairs {
      [100] = "unsupported", [301] = "unsupported", [302] = "unsupported", [307] = "unsupported", [400] = "invalid",
      [401] = "auth", [403] = "forbidden", [404] = "not_found", [406] = "unsupported", [408] = "timeout",
      [409] = "conflict", [410] = "not_found", [413] = "too_large", [415] = "unsupported", [422] = "invalid",
      [429] = "throttled", [499] = "invalid", [500] = "server", [502] = "server", [503] = "server", [599] = "server",
    } do
      for call in pairs(GOOD) do
        local answer = altinn.judge(call, status, "")
        assert.are.equal(code, answer.code, status)
        assert.is_truthy(answer.message:find(("(HTTP %d)"):format(status), 1, true), answer.message)
        assert.are.equal(status == 401 or nil, answer.renew)
        assert.are.equal((status >= 500 or status == 429 or status == 408) or nil, answer.retry, status)
      end
    end
  end)

  it("says what the server says: a string, a problem, a validation problem", function()
    local function text(body, call, status) return altinn.judge(call or "subscribe", status or 400, body).text end
    assert.are.equal("Resource filter is required.", text '"Resource filter is required."')
    assert.are.equal("The 'after' parameter must be defined.",
      text '{"type":"x","title":"Bad Request","status":400,"detail":"The \'after\' parameter must be defined."}')
    assert.are.equal("The resource field is required.",
      text '{"title":"One or more validation errors.","errors":{"resource":["The resource field is required."]}}')
    assert.are.equal("role is wrong", text '{"validationErrors":[{"code":"CORR.VLD-00000","detail":"role is wrong"}]}')
    assert.are.equal("Bad", text ' {"title":"Bad"} ')
    assert.is_nil(text "<html>secret</html>")
    assert.is_nil(text "[1]")
    assert.is_nil(text "{}")
    assert.is_nil(text '{"detail":5,"title":{},"errors":[],"validationErrors":{}}')
    local answer = altinn.judge("details", 404, '{"errorCode":1001,"traceId":"00-abc-01","detail":"gone"}')
    assert.are.equal("00-abc-01", answer.trace)
    assert.are.equal(1001, answer.number)
  end)

  it("shows no identity number, no control character, and is UTF-8 however long", function()
    local answer = altinn.judge("subscribe", 400, '"not 01010112345\\u0000\\n\\u001b[31m ok"')
    assert.are.equal("not ***********   [31m ok", answer.text)
    for pad = 0, 12 do
      for _, unit in ipairs { "æ", "\\u00e6", "\\ud83d\\ude00", "01010112345 " } do
        answer = altinn.judge("subscribe", 400, '"' .. ("x"):rep(pad) .. unit:rep(2000) .. '"')
        assert.is_truthy(utf8.len(answer.text) and utf8.len(answer.message))
        assert.is_nil(answer.message:find("%d%d%d%d%d"), answer.message)
        assert.is_true(#answer.text > 200)
      end
    end
  end)

  it("with an error number is taken as the number means", function()
    local function judge(call, number, status, form)
      local body = form == "code" and ('{"code":"CORR-%05d"}'):format(number) or ('{"errorCode":%d}'):format(number)
      return altinn.judge(call, status or 400, body)
    end
    for _, number in ipairs { 4001, 4006, 4007 } do
      for _, form in ipairs { "code", "errorCode" } do
        local answer = judge("details", number, 401, form)
        assert.are.equal("forbidden", answer.code)
        assert.is_nil(answer.renew)
        assert.are.equal(number, answer.number)
      end
    end
    assert.is_true(judge("mark_read", 1040).already)
    assert.is_true(judge("mark_read", 1041).already)
    assert.is_true(judge("confirm", 1041).already)
    assert.is_true(judge("purge", 1014).already)
    for call, number in pairs { confirm = 1014, purge = 1041, details = 1040, mark_read = 1014 } do
      assert.are.equal("invalid", judge(call, number).code, call)
    end
    for _, number in ipairs { 1024, 1025 } do assert.is_true(judge("confirm", number).fetch) end
    for _, number in ipairs { 1015, 1018, 4002 } do
      local answer = judge("confirm", number)
      assert.is_true(answer.temporary)
      assert.is_nil(answer.retry)
    end
    assert.is_nil(judge("confirm", 1013).temporary)
    assert.are.equal("conflict", judge("confirm", 1034, 409).code)
    assert.is_nil(judge("confirm", 0).number)
    assert.is_nil(altinn.judge("confirm", 400, '{"errorCode":"1041"}').already)
    assert.is_nil(altinn.judge("confirm", 400, '{"errorCode":99999999999999999999}').number)
    assert.is_nil(altinn.judge("confirm", 400, '{"code":"CORR-"}').number)
    assert.is_nil(altinn.judge("confirm", 400, '{"code":"CORR.VLD-00000"}').number)
  end)
end)
