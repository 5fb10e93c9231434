-- A recipient from the rule to the archive: plan and apply tell it to name itself, Altinn refuses it before and
-- delivers its letters alone afterwards, and a rule archives them. The real command, the real host, and the emulator.
local cjson = require "cjson"
local events = require "altinn.events"
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local process = require "spec.support.process"
local target = require "spec.support.target"

local SECRET = "0123456789abcdef0123456789abcdef"
local SCOPES = "altinn:events.subscribe altinn:correspondence.read"
local US, OTHERS = "987654321", "910000004"

local altinn, cases, running, config

local ARCHIVE = process.read "examples/rules/archive.lua"
local README = process.read("README.md"):match "<!%-%- rule mine%.lua %-%->\n```lua\n(.-)```"
local UNNAMED = 'rule { name = "mine", on = "correspondencepublished", when = { resource = "acme-letters" },'
  .. " run = function() end }"

local function run(verb, ...)
  local words = { verb, ... }
  words[#words + 1] = "--config"
  words[#words + 1] = config
  local status, out, err = running:run(table.unpack(words))
  assert(not (out .. err):find(SECRET, 1, true), "the secret is printed")
  return status, out, err
end

local function says(text, ...)
  for _, wanted in ipairs { ... } do assert(text:find(wanted, 1, true), ("%q does not say %q"):format(text, wanted)) end
end

-- A rule file that archives into the host's folder.
local function archive_rule() return (ARCHIVE:gsub("/srv/letters", running.folder .. "/letters")) end

local function start()
  altinn, cases = emulator.start { speed = 1 }, target.start()
  running = host.start { rules = { mine = UNNAMED },
    config = ("return { secret = %q, base_url = %q, token = %q, targets = { cases = { url = %q } } }"):format(SECRET,
      altinn.base, altinn:token { scopes = SCOPES, orgNo = US }, cases.url) }
  config = running.folder .. "/commands.lua"
  process.write(config, ([[return { secret = %q, base_url = %q, token = %q, rules = { %q },
    endpoint = "http://127.0.0.1:%d/events", targets = { cases = { url = %q } } }]]):format(SECRET, altinn.base,
    altinn:token { scopes = SCOPES, orgNo = US }, running.folder .. "/rules", running.port, cases.url))
  assert(os.execute("mkdir " .. process.quote(running.folder .. "/letters")))
end

describe("a recipient", function()
  setup(start)
  teardown(function()
    if running then running:close() end
    if altinn then altinn:close() end
    if cases then cases:close() end
  end)

  it("is told to name itself, and refused by Altinn when it does not", function()
    local status, _, err = run "plan"
    assert.are.equal(2, status)
    says(err, "rules/mine.lua:1: rule 'mine': Altinn demands a subjectFilter of everybody who is not a service owner",
      "recipient =")
    status, _, err = run "apply"
    assert.are.equal(1, status)
    says(err, "acme-letters: not allowed: Altinn demands a subjectFilter (recipient) of all but service owners",
      "HTTP 403")
    local _, findings = run("doctor", "--json")
    local found
    for _, one in ipairs(cjson.decode(findings).findings) do
      found = found or one.status == "warning" and one.message:find("subjectFilter", 1, true)
    end
    assert.is_truthy(found, findings)
    status, _, err = run("subscriptions", "create", "--resource", "acme-letters")
    assert.are.equal(1, status)
    says(err, "warning: Altinn demands a subjectFilter", "--subject NUMBER")
    for _, case in ipairs { { "--subject", "987 654 321", "--subject: '987 654 321' holds a blank" },
      { "--subject", "ola@example.no", "--subject: 'ola@example.no' is not how events name a party" },
      { "--type", "letterread", "did you mean 'correspondencereceiverread'?" } } do
      status, _, err = run("subscriptions", "create", "--resource", "acme-letters", case[1], case[2])
      assert.are.equal(2, status)
      says(err, case[3])
    end
    status, _, err = run("subscriptions", "create", "--resource", "Acme-Letters", "--subject", "0192:" .. US)
    assert.are.equal(2, status)
    says(err, "--resource: 'urn:altinn:resource:Acme-Letters' holds a capital letter")
    assert.are.equal(0, #altinn:control("GET", "/subscriptions").subscriptions)
  end)

  it("is what Altinn takes a service owner for who has the read scope and not the write scope", function()
    local letter = altinn:control("POST", "/letters", { resource = "acme-letters", recipient = OTHERS })
    local token = altinn:token { scopes = SCOPES .. " altinn:serviceowner", org = "digdir",
      orgNo = letter.sender:match "%d+$" }
    local text = process.read(config)
    process.write(config, (text:gsub('token = "[^"]+"', function() return ("token = %q"):format(token) end)))
    local _, out = run("doctor", "--json")
    process.write(config, text)
    says(out, "altinn:serviceowner with correspondence.read and without .write",
      "Altinn takes the owner for the recipient")
    altinn:advance()
    local status = altinn:as(token, "GET", "/correspondence/api/v1/correspondence/" .. letter.id)
    assert.are.equal(200, status)
    says(cjson.encode(altinn:control("GET", "/letters/" .. letter.id)), '"Fetched"')
  end)

  it("finds its letters by all filters of Altinn's list", function()
    local key = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
    local one = altinn:control("POST", "/letters", { resource = "acme-bills", recipient = US,
      sendersReference = "r-1" })
    local two = altinn:control("POST", "/letters", { resource = "acme-bills", recipient = US, sendersReference = "r-2",
      idempotentKey = key })
    altinn:control("POST", "/letters", { resource = "acme-bills", recipient = OTHERS, sendersReference = "r-1" })
    altinn:advance()
    local client = events.client { base_url = altinn.base, token = altinn:token { scopes = SCOPES, orgNo = US } }
    local function found(filters)
      local list = {}
      filters.resource, filters.role = "acme-bills", "Recipient"
      for id in client:letters(filters) do list[#list + 1] = id end
      table.sort(list)
      return table.concat(list, " ")
    end
    local both = { one.id, two.id }
    table.sort(both)
    assert.are.equal(table.concat(both, " "), found {})
    assert.are.equal(one.id, found { sendersReference = "r-1" })
    assert.are.equal("", found { sendersReference = "r-3" })
    assert.are.equal(two.id, found { idempotentKey = key })
    assert.are.equal("", found { altinn2CorrespondenceId = 5 })
    assert.are.equal(table.concat(both, " "), found { onBehalfOf = US })
  end)

  it("gets its own letters alone, and archives them", function()
    running:rewrite { archive = archive_rule(), mine = README }
    running:restart()
    process.write(config, (process.read(config):gsub("127%.0%.0%.1:%d+/events", "127.0.0.1:" .. running.port
      .. "/events")))
    local status, out, err = run "apply"
    assert.are.equal(0, status, err)
    assert.are.equal("", err)
    says(out, "made, validated: acme-letters  987654321  correspondencepublished")
    altinn:control("POST", "/letters", { resource = "acme-letters", recipient = OTHERS, title = "Not ours" })
    local letter = altinn:control("POST", "/letters", { resource = "acme-letters", recipient = US, title = "Ours",
      body = "Dear us", isConfirmationNeeded = true, dueDateTime = "2099-01-01T00:00:00Z",
      attachments = { { fileName = "offer.txt", content = "An offer." } } })
    local function file(name) return process.read(running.folder .. "/letters/" .. letter.id .. name) end
    assert(running:wait_log("rule=archive%-letter[^\n]*verdict=done[^\n]*archived", 60), running:log())
    assert(running:wait_log("rule=letters%-to%-us[^\n]*verdict=skipped[^\n]*noted", 60), running:log())
    local asked = cases:requests()
    local record = cjson.decode(asked[#asked].body)
    assert.are.same({ "Ours", "Dear us" }, { record.title, record.text })
    assert.are.equal("An offer.", file "-1-offer.txt")
    local statuses = process.wait(30, function()
      local text = cjson.encode(altinn:control("GET", "/letters/" .. letter.id))
      return text:find('"Confirmed"', 1, true) and text
    end)
    says(statuses, '"Read"', '"Confirmed"')
    assert.are.equal(1, running:list("--type", "correspondencepublished").count)
  end)
end)
