-- doctor: each finding with its fix, against real servers for what is reached, and a fake Altinn for what it says.
local altinn = require "spec.support.altinn_fake"
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local target = require "spec.support.target"

local SECRET = "0123456789abcdef"
local fake, open

before_each(function() fake, open = altinn.new(), {} end)
after_each(function()
  for _, one in ipairs(open) do one() end
  fake:restore()
end)

-- A platform that answers with a status, its clock so many seconds ahead; its address.
local function platform(status, ahead)
  local started, port = process.serve(fake.folder, "platform" .. #open,
    ("lua5.4 spec/support/platform_server.lua %d %d"):format(status or 401, ahead or 0))
  open[#open + 1] = function() started:stop() end
  return "http://127.0.0.1:" .. port
end

local function configure(values)
  local parts = {}
  for name, value in pairs(values) do parts[#parts + 1] = ("%s = %q,"):format(name, value) end
  fake:config(("return { rules = { %q }, credentials = { client_id = 'abc', key = 'PEM', scopes = 'x' }, %s }")
    :format(fake:rules_path(), table.concat(parts, " ")))
end

-- Status, and findings by check: each a list of { status, message, fix }.
local function doctor()
  local status, out = fake:run("doctor", "--json")
  local result, findings = cjson.decode(out), {}
  for _, one in ipairs(result.findings) do
    findings[one.check] = findings[one.check] or {}
    table.insert(findings[one.check], one)
  end
  assert.are.equal(status == 0, result.ok)
  return status, findings, out
end

local function finds(findings, check, status, message, fix)
  local texts = {}
  for _, one in ipairs(findings[check] or {}) do
    if one.status == status and one.message:find(message, 1, true)
      and (not fix or (one.fix or ""):find(fix, 1, true)) then
      return
    end
    texts[#texts + 1] = one.status .. ": " .. one.message .. " -> " .. (one.fix or "")
  end
  error(("no %s finding of %s says %q (%q): %s"):format(status, check, message, fix or "",
    table.concat(texts, "; ")), 2)
end

describe("doctor", function()
  it("finds all well when all is well", function()
    local running = host.start { config = 'return { secret = "' .. SECRET .. '" }\n' }
    open[#open + 1] = function() running:close() end
    local url = platform()
    local address = ("http://127.0.0.1:%d/events"):format(running.port)
    configure { base_url = url, endpoint = address, secret = SECRET }
    fake.subscriptions = { altinn.subscription(1, { endPoint = address .. "/" .. SECRET,
      typeFilter = "no.altinn.correspondence.correspondencepublished" }) }
    local status, findings, out = doctor()
    assert.are.equal(0, status, out)
    finds(findings, "configuration", "ok", "altinn-events.lua")
    finds(findings, "platform", "ok", url .. " answers")
    finds(findings, "clock", "ok", "agrees with Altinn's")
    finds(findings, "credentials", "ok", "/organisation/987654321")
    finds(findings, "scopes", "ok", "altinn:events.subscribe and altinn:correspondence.read")
    finds(findings, "rights", "ok", "there are 1 under /organisation/987654321")
    finds(findings, "endpoint", "ok", address .. "/*** takes Altinn's validation event")
    finds(findings, "subscriptions", "ok", "1 with this endpoint")
    finds(findings, "rules", "ok", "the subscriptions are those that the rules need")
    assert.is_nil(out:find(SECRET, 1, true))
    local _, text = fake:run "doctor"
    assert.is_truthy(text:find("ok       platform       " .. url, 1, true), text)
    -- The host with another secret.
    configure { base_url = url, endpoint = address, secret = "another-secret" }
    status, findings, out = doctor()
    assert.are.equal(1, status)
    finds(findings, "endpoint", "failed", "answers 401", "another secret")
    finds(findings, "rules", "warning", "not those that the rules need", "altinn-events plan")
    assert.is_nil(out:find("another-secret", 1, true))
  end)

  it("speaks of the handshake of CloudEvents where a rule sends them", function()
    local url = platform(404)
    local function said(kind)
      fake:config(("return { rules = { %q }, endpoint = %q, targets = { a_long_name = { url = %q } } }"):format(
        fake:rules_path(), url, url))
      process.write(fake:rules_path(), ('rule { name = "one", on = "correspondencepublished", run ='
        .. ' function(event) return send.%s("a_long_name") { %s = event } end }'):format(kind[1], kind[2]))
      local _, text = fake:run "doctor"
      return text
    end
    local text = said { "http", "key" }
    assert.is_nil(text:find("cloudevent", 1, true), text)
    assert.is_truthy(text:find("target a_long_name it answers", 1, true), text)
    assert.is_truthy(text:find("skipped  clock             ", 1, true), text)  -- as wide as the longest name
    text = said { "cloudevent", "event" }
    assert.is_truthy(text:find("it gives no permission for send.cloudevent", 1, true), text)
  end)

  it("says what the configuration lacks", function()
    fake:config "return {}"
    local status, findings = doctor()
    assert.are.equal(1, status)
    finds(findings, "configuration", "failed", "environment, credentials, endpoint not set", "README")
    for _, check in ipairs { "platform", "clock", "credentials", "scopes", "rights", "endpoint", "subscriptions" } do
      assert.are.equal("skipped", findings[check][1].status, check)
    end
    local _, text = fake:run "doctor"
    assert.is_truthy(text:find("FAILED   configuration", 1, true))
    assert.is_truthy(text:find("-> set them in altinn-events.lua", 1, true))
    configure { base_url = "http://127.0.0.1:1", endpoint = "http://127.0.0.1:1/events" }
    _, findings = doctor()
    finds(findings, "configuration", "warning", "there is no secret", "openssl rand -hex 32")
  end)

  it("says when the platform is not reached, or is another", function()
    configure { base_url = "http://127.0.0.1:1", endpoint = "http://127.0.0.1:1/events", secret = SECRET }
    local status, findings = doctor()
    assert.are.equal(1, status)
    finds(findings, "platform", "failed", "http://127.0.0.1:1: ",
      "does the emulator run there? altinn-events emulate starts it")
    finds(findings, "clock", "skipped", "nothing to compare")
    finds(findings, "endpoint", "failed", "http://127.0.0.1:1/events/***: ", "is the host running")
    local _
    for answer, wanted in pairs { [404] = { "failed", "is this Altinn's platform?" },
      [503] = { "warning", "later" } } do
      configure { base_url = platform(answer) }
      _, findings = doctor()
      finds(findings, "platform", wanted[1], "answers " .. answer, wanted[2])
    end
  end)

  it("says when the clock is off", function()
    for ahead, wanted in pairs { [60] = { "failed", "^%d+ s behind Altinn's" },
      [-60] = { "failed", "^%d+ s ahead of Altinn's" }, [8] = { "warning", "^%d s behind" },
      [2] = { "ok", "agrees" } } do
      configure { base_url = platform(401, ahead) }
      local _, findings = doctor()
      local one = findings.clock[1]
      assert.are.equal(wanted[1], one.status, one.message)
      assert.is_truthy(one.message:find(wanted[2]), one.message)
      if one.status ~= "ok" then assert.is_truthy(one.fix:find("set-ntp", 1, true)) end
    end
  end)

  it("points to the findings above only where there are any", function()
    local running = host.start { config = 'return { secret = "' .. SECRET .. '" }\n' }
    open[#open + 1] = function() running:close() end
    local address = ("http://127.0.0.1:%d/events"):format(running.port)
    fake.fail.token = { "Maskinporten does not answer", "network" }
    configure { base_url = platform(), endpoint = address, secret = SECRET }
    local _, findings = doctor()
    finds(findings, "credentials", "failed", "does not answer", "mend that, then run this again")
    configure { base_url = platform(404), endpoint = address, secret = SECRET }
    _, findings = doctor()
    finds(findings, "credentials", "failed", "does not answer", "see the findings above")
  end)

  it("says what is wrong with credentials, scopes and rights", function()
    configure { base_url = "http://127.0.0.1:1" }
    fake.fail.maskinporten = { "the key file holds no key", "invalid" }
    local _, findings = doctor()
    finds(findings, "credentials", "failed", "the key file holds no key", "key_file")
    fake.fail = { token = { "Maskinporten does not know the client", "auth" } }
    _, findings = doctor()
    finds(findings, "credentials", "failed", "does not know the client", "Digdir")
    finds(findings, "scopes", "skipped", "there is no token")
    fake.fail = {}
    fake.claims = { scope = "altinn:correspondence.read", ["urn:altinn:orgNumber"] = "987654321" }
    _, findings = doctor()
    finds(findings, "scopes", "failed", "altinn:events.subscribe is missing", "open to everybody")
    fake.claims.scope = "ALTINN:events.subscribe"
    _, findings = doctor()
    finds(findings, "scopes", "warning", "rules cannot ask about letters", "servicedesk@altinn.no")
    fake.claims.scope = "altinn:events.subscribe altinn:correspondence.read altinn:correspondence.write"
    _, findings = doctor()
    finds(findings, "scopes", "warning", "are in one token", "keep one of them")
    fake.claims.scope = "altinn:events.subscribe altinn:correspondence.read altinn:serviceowner"
    _, findings = doctor()
    finds(findings, "scopes", "warning", "takes the owner for the recipient", "altinn:correspondence.write and")
    fake.claims.scope = "altinn:events.subscribe altinn:correspondence.write altinn:serviceowner"
    _, findings = doctor()
    finds(findings, "scopes", "ok", "altinn:correspondence.write, altinn:serviceowner")
    fake.claims.exp = 5
    _, findings = doctor()
    finds(findings, "credentials", "failed", "the token expired at 1970-01-01T00:00:05Z")
    fake.claims.exp = nil
    fake.fail.subscriptions = { "forbidden", "forbidden" }
    _, findings = doctor()
    finds(findings, "rights", "failed", "subscriptions cannot be read: forbidden", "altinn:events.subscribe")
    finds(findings, "subscriptions", "skipped", "could not be read")
  end)

  it("says what an endpoint answers", function()
    for status, fix in pairs { [301] = "without a redirect", [404] = "must pass POST",
      [502] = "does not reach the host", [503] = "shutting down" } do
      local service = target.start { tostring(status) }
      open[#open + 1] = function() service:close() end
      configure { base_url = "http://127.0.0.1:1", endpoint = service.url .. "/events", secret = SECRET }
      local _, findings, out = doctor()
      finds(findings, "endpoint", "failed", ("/events/*** answers %d"):format(status), fix)
      assert.is_nil(out:find(SECRET, 1, true))
    end
    configure { base_url = "http://127.0.0.1:1", endpoint = "http://hooks.example.no/events", secret = SECRET }
    local _, findings = doctor()
    finds(findings, "endpoint", "failed", "http://hooks.example.no/events/*** is not https", "proxy")
  end)

  it("tells of subscriptions that do not deliver, or not yet", function()
    local address = "http://127.0.0.1:1/events"
    configure { base_url = "http://127.0.0.1:1", endpoint = address }
    local _, findings = doctor()
    finds(findings, "subscriptions", "warning", "Altinn sends nothing", "altinn-events apply")
    fake.subscriptions = { altinn.subscription(1, { endPoint = address, validated = false }),
      altinn.subscription(2, { endPoint = address, age = 60 }), altinn.subscription(3, {}) }
    _, findings = doctor()
    finds(findings, "subscriptions", "failed", "1 (acme-letters) is not validated", "altinn-events apply")
    finds(findings, "subscriptions", "warning", "2 (acme-letters) may miss events until ", "altinn-events pull")
    assert.are.equal(2, #findings.subscriptions)
  end)

  it("tells a recipient to name itself", function()
    configure { base_url = "http://127.0.0.1:1", endpoint = "http://127.0.0.1:1/events" }
    local _, findings = doctor()
    finds(findings, "rules", "warning", "rule 'one': Altinn demands a subjectFilter", "403")
    fake:be_service_owner()
    _, findings = doctor()
    assert.are.equal(1, #findings.rules)
    assert.is_nil(findings.rules[1].message:find("subjectFilter", 1, true))
  end)

  it("tells of a subscription whose secret is not in the configuration", function()
    local address = "http://127.0.0.1:1/events"
    configure { base_url = "http://127.0.0.1:1", endpoint = address, secret = SECRET }
    fake.subscriptions = { altinn.subscription(1, { endPoint = address .. "/" .. SECRET }),
      altinn.subscription(2, { endPoint = address .. "/archive-system" }) }
    local _, findings, out = doctor()
    finds(findings, "subscriptions", "warning", "2 (acme-letters) posts to http://127.0.0.1:1/events/arc***",
      "--remove-unknown")
    assert.is_nil(out:find("archive-system", 1, true))
  end)

  it("tells of rules that cannot be subscribed for", function()
    configure { base_url = "http://127.0.0.1:1", endpoint = "http://127.0.0.1:1/events" }
    fake:rules 'rule { name = "all", on = "*", run = function() end }'
    local _, findings = doctor()
    finds(findings, "rules", "failed", "rule 'all': names no resource")
    fake:rules "rule {"
    _, findings = doctor()
    finds(findings, "rules", "failed", "rules.lua:", "altinn-events check")
  end)
end)
