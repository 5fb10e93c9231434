-- subscriptions, pull, letter and token against a fake Altinn.
local altinn = require "spec.support.altinn_fake"
local cjson = require "cjson"
local details = require "altinn.events.client.details"
local host = require "spec.support.host"
local sample = require "spec.support.sample"
local wording = require "spec.support.wording"

local SECRET = "0123456789abcdef"
local PUBLISHED = "no.altinn.correspondence.correspondencepublished"
local fake

before_each(function() fake = altinn.new() end)
after_each(function() fake:restore() end)

local says, silent = wording.says, wording.silent

describe("subscriptions list", function()
  it("shows all of this identity, and whose they are", function()
    fake.subscriptions = { altinn.subscription(5, { typeFilter = PUBLISHED, age = 10 }),
      altinn.subscription(6, { endPoint = "https://else.example.no/hook?code=hunter2", validated = false,
        includeSubunits = true, subjectFilter = "urn:altinn:organization:identifier-no:987654321" }) }
    local status, out = fake:run("subscriptions", "list")
    assert.are.equal(0, status)
    says(out, "identity /organisation/987654321", "5  validated",
      "acme-letters  every subject  correspondencepublished",
      "https://hooks.example.no/events/***", "may miss events until", "6  not validated",
      "987654321 with subunits  every type", "https://else.example.no/hook?code=*** (not this configuration's)",
      "2 subscriptions")
    silent(out, SECRET, "hunter2")
  end)

  it("--json", function()
    fake.subscriptions = { altinn.subscription(5, {}) }
    local status, out = fake:run("subscriptions", "list", "--json")
    assert.are.equal(0, status)
    local result = cjson.decode(out)
    assert.are.equal(1, result.count)
    local one = result.subscriptions[1]
    assert.are.same({ 5, "https://hooks.example.no/events/***", true, true, false },
      { one.id, one.endPoint, one.ours, one.validated, one.includeSubunits })
    assert.is_nil(one.deaf_until)
    fake.subscriptions = {}
    local _, text = fake:run("subscriptions", "list", "--json")
    says(text, '"count":0', '"subscriptions":[]')
  end)

  it("names the identity of each kind of token", function()
    local function identity(claims)
      fake.claims = claims
      return (select(2, fake:run("subscriptions", "list")):match("identity (%S+)"))
    end
    assert.are.equal("/org/ttd", identity { ["urn:altinn:org"] = "ttd", ["urn:altinn:orgNumber"] = "987654321" })
    assert.are.equal("/user/7", identity { ["urn:altinn:userid"] = 7, ["urn:altinn:orgNumber"] = "987654321" })
    assert.are.equal("/systemuser/a-b", identity { ["urn:altinn:orgNumber"] = "987654321",
      authorization_details = { { type = "urn:altinn:systemuser", systemuser_id = { "a-b" } } } })
    assert.are.equal("/organisation/987654321", identity { ["urn:altinn:orgNumber"] = "987654321" })
    assert.are.equal("unknown", identity {})
    fake.subscriptions = { altinn.subscription(1, { createdBy = "/org/from-the-list" }) }
    assert.are.equal("/org/from-the-list", identity {})
  end)
end)

describe("subscriptions create", function()
  it("takes short forms, and the configured endpoint", function()
    local status, out = fake:run("subscriptions", "create", "--resource", "acme-letters", "--subject", "987654321",
      "--type", "correspondencepublished", "--include-subunits", "--name", "mine")
    assert.are.equal(0, status)
    assert.are.same({ endpoint = "https://hooks.example.no/events/" .. SECRET .. "/mine",
      resource = "urn:altinn:resource:acme-letters", subject = "urn:altinn:organization:identifier-no:987654321",
      type = PUBLISHED, include_subunits = true, wait = 30 }, fake:called("subscribe")[1])
    says(out, "100  validated", "https://hooks.example.no/events/***/mine")
    silent(out, SECRET, "removes it")
  end)

  it("warns of what apply will remove", function()
    local _, out = fake:run("subscriptions", "create", "--resource", "acme-letters")
    says(out, "'apply' removes it when no rule needs it")
  end)

  it("takes any address with --to, and --json", function()
    local status, out = fake:run("subscriptions", "create", "--resource", "acme-letters", "--to",
      "https://x.no/in?code=hunter2", "--json")
    assert.are.equal(0, status)
    assert.are.equal("https://x.no/in?code=hunter2", fake:called("subscribe")[1].endpoint)
    assert.are.equal("https://x.no/in?code=***", cjson.decode(out).endPoint)
  end)

  it("refuses what cannot match", function()
    for _, words in ipairs { { "--type", "correspondence*" }, { "--type", "*" }, { "--type", "correspondencepubished" },
      { "--type", "correspondencepublished", "--wait", "long" } } do
      local status, _, err = fake:run("subscriptions", "create", "--resource", "acme-letters", table.unpack(words))
      assert.are.equal(2, status)
      assert.are_not.equal("", err)
    end
    assert.are.equal(2, (fake:run("subscriptions", "create")))
    assert.are.same({}, fake.calls)
  end)

  it("says when Altinn cannot reach the endpoint, or denies", function()
    fake.reachable = false
    local status, _, err = fake:run("subscriptions", "create", "--resource", "acme-letters", "--wait", "1")
    assert.are.equal(1, status)
    says(err, "subscription 100 is made but not validated", "/events/***")
    fake.fail.subscribe = { "not authorized to subscribe", "forbidden" }
    status, _, err = fake:run("subscriptions", "create", "--resource", "acme-letters")
    assert.are.equal(1, status)
    says(err, "not authorized to subscribe (forbidden)", "policy")
    silent(err, SECRET)
  end)
end)

describe("subscriptions delete", function()
  it("deletes, and tells until when they may still be heard", function()
    fake.subscriptions = { altinn.subscription(5, {}), altinn.subscription(6, {}) }
    local status, out = fake:run("subscriptions", "delete", "5", "6")
    assert.are.equal(0, status)
    assert.are.same({}, fake.subscriptions)
    says(out, "5 deleted; may still deliver until ", "6 deleted")
  end)

  it("goes on after one that fails", function()
    fake.subscriptions = { altinn.subscription(6, {}) }
    local status, out, err = fake:run("subscriptions", "delete", "5", "6", "--json")
    assert.are.equal(1, status)
    says(err, "subscription 5: there is no such subscription")
    local rows = cjson.decode(out).subscriptions
    assert.are.same({ false, true }, { rows[1].deleted, rows[2].deleted })
    assert.are.equal("not_found", rows[1].code)
  end)

  it("wants numbers", function()
    for _, word in ipairs { "five", "0", "-1", "1.5" } do
      assert.are.equal(2, (fake:run("subscriptions", "delete", word)))
    end
    assert.are.equal(2, (fake:run("subscriptions", "delete")))
  end)
end)

describe("pull", function()
  before_each(function()
    for index = 1, 60 do
      fake.events[index] = sample.event { id = "e" .. index,
        subject = "urn:altinn:person:identifier-no:01017012345" }
    end
  end)

  it("asks for what the options say", function()
    fake:run("pull", "--resource", "acme-letters", "--type", "correspondencepublished", "--type", "correspondencepurg*",
      "--subject", "987654321", "--after", "e0", "--size", "7")
    assert.are.same({ resource = "urn:altinn:resource:acme-letters",
      subject = "urn:altinn:organization:identifier-no:987654321", after = "e0", size = 7,
      type = { PUBLISHED, "no.altinn.correspondence.correspondencepurg*" } }, fake:called("events")[1])
    fake:run("pull", "--resource", "acme-letters")
    local calls = fake:called "events"
    assert.are.same({ resource = "urn:altinn:resource:acme-letters" }, calls[#calls])
  end)

  it("tells of a cursor that Altinn does not know, and begins at the beginning", function()
    local _, _, err = fake:run("pull", "--resource", "acme-letters", "--after", "nosuch", "--limit", "2")
    says(err, "--after nosuch: Altinn does not know this event", "from the beginning")
    _, _, err = fake:run("pull", "--resource", "acme-letters", "--limit", "2")
    assert.are.equal("", err)
  end)

  it("shows the first 50, masked, and how to go on", function()
    local status, out = fake:run("pull", "--resource", "acme-letters")
    assert.are.equal(0, status)
    says(out, "2026-08-20T07:22:19.4380391Z  " .. PUBLISHED, "***********",
      "50 events; --after e50 goes on from here")
    silent(out, "01017012345", "e51")
    status, out = fake:run("pull", "--resource", "acme-letters", "--limit", "2", "--json")
    assert.are.equal(0, status)
    local result = cjson.decode(out)
    assert.are.same({ 2, "e2", 2 }, { result.count, result.last, #result.events })
    silent(out, "01017012345")
  end)

  it("of nothing is an empty list", function()
    fake.events = {}
    local _, out = fake:run("pull", "--resource", "acme-letters", "--json")
    assert.are.equal('{"count":0,"events":[]}\n', out)
    _, out = fake:run("pull", "--resource", "acme-letters")
    assert.are.equal("0 events\n", out)
  end)

  it("says how far it came when Altinn fails in the middle", function()
    fake.fail.events = { "Altinn is in trouble", "server", after = 3 }
    local status, out, err = fake:run("pull", "--resource", "acme-letters")
    assert.are.equal(1, status)
    says(out, "3 events; --after e3 goes on from here")
    says(err, "Altinn is in trouble (server)")
  end)

  it("refuses a misspelt type, and needs a resource", function()
    local status, _, err = fake:run("pull", "--resource", "acme-letters", "--type", "correspondencepubished")
    assert.are.equal(2, status)
    says(err, "did you mean 'correspondencepublished'?")
    assert.are.equal(2, (fake:run("pull")))
  end)

  it("delivers to the host as if they had been pushed, as often as one likes", function()
    local running = host.start { config = 'return { secret = "' .. SECRET .. '" }\n' }
    finally(function() running:close() end)
    fake:config(([[return { base_url = "http://127.0.0.1:1", token = "a.b.c", secret = "%s",
      listen = "127.0.0.1:%d" }]]):format(SECRET, running.port))
    local status, out, err = fake:run("pull", "--resource", "acme-letters", "--deliver")
    assert.are.equal(0, status, err)
    says(out, "60 events delivered; --after e60 goes on from here")
    assert.are.equal(60, (select(2, running:ids())))
    assert.are.equal(0, (fake:run("pull", "--resource", "acme-letters", "--deliver")))
    assert.are.equal(60, (select(2, running:ids())))
    -- A wrong secret: nothing is taken, and the address is not printed.
    status, out, err = fake:run("pull", "--resource", "acme-letters", "--deliver",
      ("http://127.0.0.1:%d/events/wrong-secret"):format(running.port))
    assert.are.equal(1, status)
    says(out, "0 events delivered")
    says(err, "the host answered 401 to the event e1")
    silent(out .. err, SECRET, "wrong-secret")
  end)

  it("goes on past what the host cannot take, and says so", function()
    local running = host.start { config = 'return { secret = "' .. SECRET .. '" }\n' }
    finally(function() running:close() end)
    fake.events = { sample.event { id = "e1" }, sample.event { id = "large", data = ("x"):rep(300000) },
      sample.event { id = "e3" } }
    local status, out, err = fake:run("pull", "--resource", "acme-letters", "--deliver",
      ("http://127.0.0.1:%d/events/%s"):format(running.port, SECRET))
    assert.are.equal(1, status)
    says(out, "2 events delivered; --after e3 goes on from here")
    says(err, "the event large was passed over: the host refuses it with 413")
    status, out = fake:run("pull", "--resource", "acme-letters", "--json", "--deliver",
      ("http://127.0.0.1:%d/events/%s"):format(running.port, SECRET))
    assert.are.equal(1, status)
    assert.are.same({ { id = "large", reason = "the host refuses it with 413" } }, cjson.decode(out).odd)
  end)

  it("says when the host is not there", function()
    local status, _, err = fake:run("pull", "--resource", "acme-letters", "--deliver", "http://127.0.0.1:1/events")
    assert.are.equal(1, status)
    says(err, "the host was not reached")
  end)
end)

describe("letter", function()
  local ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

  before_each(function()
    fake.letters[ID] = details.new {
      correspondenceId = ID, status = "Read", statusText = "Read", statusChanged = "2026-08-20T09:00:00+00:00",
      resourceId = "acme-letters", sender = "urn:altinn:organization:identifier-no:987654321",
      recipient = "urn:altinn:person:identifier-no:01017012345", sendersReference = "ref 01017012345",
      published = "2026-08-20T07:22:19+00:00", read = cjson.null, dueDateTime = "2026-08-27T00:00:00+00:00",
      isConfirmationNeeded = true,
      content = { messageTitle = "secret title", messageBody = "secret body", messageSummary = "secret summary",
        attachments = { { id = "a1", status = "Published", fileName = "x.pdf" } } },
      statusHistory = {
        { status = "Read", statusText = "Read", statusChanged = "2026-08-20T09:00:00+00:00" },
        { status = "Published", statusText = "is out", statusChanged = "2026-08-20T07:22:19+00:00" },
      },
      -- The shapes of NotificationExt in Altinn's OpenAPI document.
      notifications = { { created = "2026-08-20T07:30:00+00:00", notificationChannel = "EmailPreferred",
        isReminder = true,
        processingStatus = { status = "Completed", description = "All are sent", lastUpdate = "2026-08-20T07:31:00Z" },
        notificationStatusDetails = {
          email = { id = "n1", succeeded = false, recipient = { emailAddress = "kari@example.no" },
            sendStatus = { status = "Failed_Bounced", description = cjson.null, lastUpdate = "2026-08-20T07:32:00Z" } },
          emails = { { id = "n1", succeeded = false, recipient = { emailAddress = "kari@example.no" },
            sendStatus = { status = "Failed_Bounced", lastUpdate = "2026-08-20T07:32:00Z" } } },
          sms = cjson.null,
          smses = { { id = "n2", succeeded = true, recipient = { nationalIdentityNumber = "01017012345" },
            sendStatus = { status = "Delivered", lastUpdate = "2026-08-20T07:33:00Z" } } } } } },
    }
  end)

  it("shows what Altinn says, without content, masked", function()
    local status, out = fake:run("letter", ID)
    assert.are.equal(0, status)
    says(out, "letter " .. ID, "status       Read", "recipient    urn:altinn:person:identifier-no:***********",
      "reference    ref ***********", "confirmation needed", "attachment   a1  Published")
    silent(out, "secret", "01017012345", "null", "notification")
  end)

  it("--timeline shows what happened in order", function()
    local _, out = fake:run("letter", ID, "--timeline")
    local places = {}
    for index, text in ipairs { "2026-08-20T07:22:19+00:00  Published: is out",
      "2026-08-20T07:30:00+00:00  notification (reminder) by EmailPreferred: Completed: All are sent\n",
      "2026-08-20T07:32:00Z  email to kari@example.no: Failed_Bounced (not delivered)\n",
      "2026-08-20T07:33:00Z  sms to ***********: Delivered\n", "2026-08-20T09:00:00+00:00  Read",
      "2026-08-27T00:00:00+00:00  due" } do
      places[index] = assert(out:find(text, 1, true), text)
      assert(index == 1 or places[index - 1] < places[index])
    end
  end)

  it("--json", function()
    local status, out = fake:run("letter", ID, "--json", "--timeline")
    assert.are.equal(0, status)
    silent(out, "secret", "01017012345", "null")
    local result = cjson.decode(out)
    assert.are.equal(ID, result.letter)
    assert.are.equal("Read", result.details.status)
    assert.are.equal(6, #result.timeline)
    assert.are.equal("a1", result.details.content.attachments[1].id)
    local _, text = fake:run("letter", ID, "--json")
    assert.is_nil(cjson.decode(text).timeline)
  end)

  it("says when there is none", function()
    local status, _, err = fake:run("letter", "0198c3a2-7b1d-7c55-8f0e-000000000000")
    assert.are.equal(1, status)
    says(err, "there is no such letter")
  end)
end)

describe("token", function()
  local function encoded(claims)
    local text = require("cjson").encode(claims)
    local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    local bits = text:gsub(".", function(c)
      local byte, out = c:byte(), ""
      for bit = 7, 0, -1 do out = out .. (byte >> bit & 1) end
      return out
    end)
    bits = bits .. ("0"):rep(-#bits % 6)
    return "e30." .. bits:gsub("%d%d%d%d%d%d", function(six)
      local at = tonumber(six, 2) + 1
      return alphabet:sub(at, at)
    end) .. ".c2lnbmF0dXJl"
  end

  it("shows what it says, not itself", function()
    fake.claims.pid = "01017012345"
    local status, out = fake:run "token"
    assert.are.equal(0, status)
    says(out, "identity /organisation/987654321", "scope ", "altinn:events.subscribe", "valid until ", "***********")
    silent(out, fake.token, "01017012345")
    status, out = fake:run("token", "--json")
    assert.are.equal(0, status)
    silent(out, fake.token, "01017012345")
    local result = cjson.decode(out)
    assert.are.equal("987654321", result.claims["urn:altinn:orgNumber"])
    assert.are.equal("/organisation/987654321", result.identity)
    assert.is_truthy(result.expires)
  end)

  it("--show prints it alone", function()
    local status, out = fake:run("token", "--show")
    assert.are.equal(0, status)
    assert.are.equal(fake.token .. "\n", out)
  end)

  it("reads a ready token's claims", function()
    local token = encoded { ["urn:altinn:org"] = "ttd", scope = "å", exp = 1 }
    fake:config(('return { environment = "tt02", token = "%s" }'):format(token))
    local _, status, out, err
    status, out, err = fake:run "token"
    assert.are.equal(0, status, err)
    says(out, "identity /org/ttd", "å", "expired at 1970-01-01T00:00:01Z")
    silent(out, token)
    assert.are.equal(token, fake.client_options.token)
    fake:config 'return { environment = "tt02", token = "no-token" }'
    status, _, err = fake:run "token"
    assert.are.equal(1, status)
    says(err, "the token is no JSON Web Token")
    silent(err, "no-token")
  end)

  it("says why there is none", function()
    fake.fail.token = { "Maskinporten does not know the client", "auth" }
    for _, words in ipairs { { "token" }, { "token", "--show" } } do
      local status, out, err = fake:run(table.unpack(words))
      assert.are.equal(1, status)
      assert.are.equal("", out)
      says(err, "Maskinporten does not know the client (auth)", "altinn-events doctor")
    end
  end)
end)

describe("the commands of Altinn's side", function()
  it("have --help", function()
    for _, words in ipairs { { "subscriptions" }, { "subscriptions", "list" }, { "subscriptions", "create" },
      { "subscriptions", "delete" }, { "plan" }, { "apply" }, { "pull" }, { "letter" }, { "token" }, { "doctor" } } do
      local line = table.concat(words, " ")
      words[#words + 1] = "--help"
      local status, out = host.command(fake.folder, table.unpack(words))
      assert.are.equal(0, status)
      says(out, "Usage: altinn-events " .. line)
    end
  end)
end)
