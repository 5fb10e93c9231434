-- plan and apply against a fake Altinn: what they print, what they change, in which order, and with which exit status.
local altinn = require "spec.support.altinn_fake"
local cjson = require "cjson"
local process = require "spec.support.process"
local wording = require "spec.support.wording"

local SECRET = "0123456789abcdef"
local ADDRESS = "https://hooks.example.no/events/" .. SECRET
local PUBLISHED = "no.altinn.correspondence.correspondencepublished"
local PURGED = "no.altinn.correspondence.correspondencepurged"
local fake

before_each(function() fake = altinn.new() end)
after_each(function() fake:restore() end)

local says, silent = wording.says, wording.silent

local function plan(...) return fake:run("plan", fake:rules_path(), ...) end
local function apply(...) return fake:run("apply", fake:rules_path(), ...) end

local function planned(...)
  local status, out = plan("--json", ...)
  return cjson.decode(out), status
end

local function actions(result)
  local list = {}
  for index, step in ipairs(result.steps) do list[index] = step.action .. " " .. (math.tointeger(step.id) or "") end
  return list
end

local function existing(...)
  fake.subscriptions = {}
  for index, changes in ipairs { ... } do fake.subscriptions[index] = altinn.subscription(index, changes) end
end

local function names()
  local list = {}
  for index, call in ipairs(fake.calls) do
    list[index] = call[1] .. (call[1] == "unsubscribe" and " " .. call[2] or "")
  end
  return list
end

describe("plan", function()
  it("says which identity, what is missing and why, and ends with 2", function()
    fake:be_service_owner()
    local status, out, err = plan()
    assert.are.equal(2, status)
    says(out, "identity /org/acme", "endpoint https://hooks.example.no/events/***",
      "+ create            acme-letters  every subject  correspondencepublished", "for one",
      "no subjectFilter: rule 'one' sets no condition on it", "may miss events until ", "1 create")
    assert.are.equal("", err)
    silent(out, SECRET)
    assert.are.same({}, fake.calls)
  end)

  it("prints no secret of the configuration, wherever it stands in an address", function()
    local list = { ADDRESS .. "/" .. SECRET, "https://other.example.no/" .. SECRET, ADDRESS .. "/letters/" .. SECRET,
      "https://other.example.no/in?key=" .. SECRET, "https://" .. SECRET .. ".example.no/in" }
    for index, address in ipairs(list) do list[index] = { endPoint = address } end
    existing(table.unpack(list))
    for _, words in ipairs { { "plan", fake:rules_path(), "--json" }, { "plan", fake:rules_path() },
      { "subscriptions", "list" },
      { "subscriptions", "list", "--json" } } do
      local _, out, err = fake:run(table.unpack(words))
      says(out:gsub("\\/", "/"), "https://other.example.no/***")
      silent(out .. err, SECRET)
    end
  end)

  it("tells whoever is no service owner to name itself", function()
    local status, _, err = plan()
    assert.are.equal(2, status)
    says(err, "warning: ", "rules.lua:1: rule 'one': Altinn demands a subjectFilter of everybody who is not a service"
      .. " owner: add recipient = ")
    status, _, err = apply()
    assert.are.equal(0, status)
    says(err, "rule 'one': Altinn demands a subjectFilter")
    says(planned().warnings[1], "add recipient = ")
    fake:rules [[rule { name = "two", on = { "correspondencepurged", "correspondencereceiverread" },
      when = { resource = "acme-letters" }, run = function() end }]]
    says(select(3, plan()), "rule 'two': its events carry the sender's number, so they reach a service owner alone")
    fake:rules [[rule { name = "one", on = "correspondencepublished",
      when = { resource = "acme-letters", recipient = "987654321" }, run = function() end }]]
    assert.are.equal("", (select(3, plan())))
    fake:rules()
    fake:be_service_owner()
    assert.are.equal("", (select(3, plan())))
  end)

  it("ends with 0 when nothing is to be done", function()
    existing { typeFilter = PUBLISHED }
    local status, out = plan()
    assert.are.equal(0, status)
    says(out, "= keep           1", "1 keep")
    silent(out, "may miss")
  end)

  it("--json holds the same", function()
    fake:be_service_owner()
    existing({ typeFilter = PUBLISHED, age = 60 }, { endPoint = "https://else.example.no/hook?code=hunter2" })
    local result, status = planned()
    assert.are.equal(0, status)
    assert.is_false(result.differs)
    assert.are.equal("/org/acme", result.identity)
    assert.are.equal("https://hooks.example.no/events/***", result.endpoint)
    assert.are.same({ "keep 1", "foreign 2" }, actions(result))
    assert.are.same({ "one" }, result.steps[1].rules)
    assert.is_truthy(result.steps[1].deaf_until)
    assert.are.equal("https://else.example.no/hook?code=***", result.steps[2].endpoint)
    assert.are.same({}, result.problems)
    local _, out = plan "--json"
    says(out, '"problems":[]', '"warnings":[]')
    silent(out, SECRET, "hunter2")
  end)

  it("prints no secret of any address, and no identity number", function()
    fake:rules [[rule { name = "p", on = "correspondencepublished",
      when = { resource = "acme-letters", recipient = "01017012345" }, run = function() end }]]
    existing({ endPoint = "https://hooks.example.no/events/an-old-secret" },
      { endPoint = "https://hooks.example.no/events/another-secret/by-hand" },
      { endPoint = "https://x.no/0123456789abcdef0123?code=hunter2",
        subjectFilter = "urn:altinn:person:identifier-no:01017012345" })
    for _, words in ipairs { { "plan" }, { "plan", "--json" }, { "subscriptions", "list" },
      { "subscriptions", "list", "--json" } } do
      if words[1] == "plan" then words[#words + 1] = fake:rules_path() end
      local _, out, err = fake:run(table.unpack(words))
      silent(out .. err, "an-old-secret", "another-secret", "hunter2", "0123456789abcdef", "01017012345")
      says(out, "***********")
    end
  end)

  it("removes nothing that is not ours", function()
    existing({ typeFilter = PUBLISHED }, { endPoint = "https://else.example.no/events/x" },
      { endPoint = ADDRESS .. "/by-hand" })
    local result, status = planned()
    assert.are.same({ "keep 1", "foreign 2", "foreign 3" }, actions(result))
    assert.are.equal(0, status)
  end)

  it("with warnings goes on without what never comes, with problems fails", function()
    fake:rules [[rule { name = "dead", on = "correspondencereceiverreplied", when = { resource = "acme-letters" },
      run = function() end }]]
    local _, status, result, err
    status, _, err = plan()
    assert.are.equal(0, status)
    says(err, "warning: ", "rules.lua:1: rule 'dead': ", "nothing raises it today")
    fake:rules [[rule { name = "half", on = { "correspondencereceiverreplied", "correspondencepublished" },
      when = { resource = "acme-letters" }, run = function() end }]]
    status = apply()
    assert.are.equal(0, status)
    assert.are.equal(1, #fake.subscriptions)
    assert.are.equal(PUBLISHED, fake.subscriptions[1].typeFilter)
    fake:rules 'rule { name = "all", on = "*", run = function() end }'
    status, _, err = plan()
    assert.are.equal(1, status)
    says(err, "rules.lua:1: rule 'all': names no resource", "resources = {")
    result = planned()
    says(result.problems[1], "rule 'all': names no resource")
  end)

  it("takes resources and narrow from the configuration, narrow from its option too", function()
    fake:config [[return { environment = "tt02", endpoint = "https://hooks.example.no/x", token = "a.b", secret = "s",
      resources = { "acme-letters", "acme-bills" }, narrow = true }]]
    fake:rules [[rule { name = "all", on = { "correspondencepublished", "correspondencepurged" },
      run = function() end }]]
    assert.are.same({ "create ", "create ", "create ", "create " }, actions(planned()))
    fake:config [[return { environment = "tt02", endpoint = "https://hooks.example.no/x", token = "a.b", secret = "s",
      resources = "acme-letters" }]]
    assert.are.same({ "create " }, actions(planned()))
    assert.are.same({ "create ", "create " }, actions(planned "--narrow"))
  end)

  it("used wrongly: 2", function()
    local status, _, err = plan("--overlap", "soon")
    assert.are.equal(2, status)
    says(err, "--overlap", "soon")
    fake:config "return {}"
    status, _, err = plan()
    assert.are.equal(2, status)
    says(err, "which Altinn?", "environment")
    fake:config 'return { environment = "tt02" }'
    status, _, err = plan()
    assert.are.equal(2, status)
    says(err, "there are no credentials")
    fake:config 'return { environment = "tt02", token = "a.b.c" }'
    status, _, err = plan()
    assert.are.equal(2, status)
    says(err, "Set endpoint")
  end)

  it("fails with Altinn's reason and a way out", function()
    fake.fail.subscriptions = { "the token was refused", "auth" }
    local _, status, out, err
    status, out, err = plan()
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "the token was refused (auth)", "altinn-events doctor")
    fake.fail = { maskinporten = { "the key file is no key", "invalid" } }
    status, _, err = plan()
    assert.are.equal(1, status)
    says(err, "the key file is no key")
  end)

  it("fails when the rules do not load", function()
    fake:rules "rule { name = 5 }"
    for _, verb in ipairs { plan, apply } do
      local status, _, err = verb()
      assert.are.equal(1, status)
      says(err, "rules.lua:1:")
    end
  end)
end)

describe("apply", function()
  it("makes what is missing; a second plan has nothing", function()
    local status, out = apply()
    assert.are.equal(0, status)
    says(out, "+ 100 made, validated: acme-letters  every subject  correspondencepublished")
    assert.are.same({ "subscribe" }, names())
    local wish = fake:called("subscribe")[1]
    assert.are.equal(ADDRESS, wish.endpoint)
    assert.are.equal("urn:altinn:resource:acme-letters", wish.resource)
    assert.are.equal(PUBLISHED, wish.type)
    assert.are.equal(30, wish.wait)
    status, out = plan()
    assert.are.equal(0, status)
    says(out, "= keep         100", "may miss events until")
    status, out = apply()
    assert.are.equal(0, status)
    assert.are.equal("nothing to do\n", out)
    assert.are.equal(1, #fake.calls)
  end)

  it("makes first, removes last, and only after the overlap", function()
    existing({ typeFilter = PURGED }, { resourceFilter = "urn:altinn:resource:gone" }, {})
    local status, out = apply()
    assert.are.equal(0, status)
    assert.are.same({ "subscribe", "unsubscribe 1", "unsubscribe 2" }, names())
    says(out, "- 1 deleted; may still deliver until ", "- 2 deleted", ". 3 stays until ", "then run apply again")
    local result
    result, status = planned()
    assert.are.equal(2, status)
    assert.are.same({ "keep 100", "wait 3" }, actions(result))
    assert.is_truthy(result.steps[2].remove_after)
    -- Repeated at once: nothing more happens.
    apply()
    assert.are.equal(3, #fake.calls)
    -- An hour later.
    fake.subscriptions[2].created = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 3601)
    status, out = apply()
    assert.are.equal(0, status)
    says(out, "- 3 deleted")
    assert.are.equal(0, (plan()))
    assert.are.equal(0, (apply()))
  end)

  it("--now does without the overlap, and still makes first", function()
    existing {}
    local status, out = apply "--now"
    assert.are.equal(0, status)
    assert.are.same({ "subscribe", "unsubscribe 1" }, names())
    says(out, "- 1 deleted")
    assert.are.equal(0, (plan()))
  end)

  it("--overlap takes another span", function()
    existing({}, { typeFilter = PUBLISHED, age = 700 })
    assert.are.same({ "keep 2", "wait 1" }, actions(planned("--overlap", "12m")))
    apply("--overlap", "12m")
    assert.are.same({}, names())
    apply("--overlap", "11m")
    assert.are.same({ "unsubscribe 1" }, names())
  end)

  it("removes nothing when Altinn cannot reach the endpoint, and tries no further", function()
    existing({}, { resourceFilter = "urn:altinn:resource:gone" })
    fake:rules [[
rule { name = "one", on = "correspondencepublished", when = { resource = { "acme-letters", "acme-bills" } },
  run = function() end }]]
    fake.reachable = false
    for _, flag in ipairs { false, "--now" } do
      fake.calls = {}
      local status, _, err = apply(flag or nil)
      assert.are.equal(1, status)
      says(err, "acme-bills: subscription 100 is made but not validated", "https://hooks.example.no/events/***",
        "is the host running")
      silent(err, SECRET)
      assert.are.equal("subscribe", names()[#fake.calls])
      assert.are.same({}, fake:called "unsubscribe")
      assert.are.equal(1, #fake:called "subscribe")
    end
    assert.are.same({ "validate 100", "create ", "wait 1", "remove 2" }, actions(planned()))
  end)

  it("has an unvalidated one tried again by the same wish", function()
    existing { typeFilter = PUBLISHED, validated = false, age = 60 }
    local result, status = planned()
    assert.are.equal(2, status)
    assert.are.same({ "validate 1" }, actions(result))
    assert.are.equal(0, (apply()))
    assert.are.same({ "subscribe" }, names())
    assert.are.equal(1, #fake.subscriptions)
    assert.are.equal(0, (plan()))
  end)

  it("makes an old unvalidated one anew, so that its age counts from now", function()
    existing({ typeFilter = PUBLISHED, validated = false }, {})
    assert.are.equal(0, (apply()))
    assert.are.same({ "unsubscribe 1", "subscribe" }, names())
    assert.are.same({ "keep 100", "wait 2" }, actions(planned()))
  end)

  it("goes on with others when one resource is denied, and removes nothing", function()
    fake:rules [[
rule { name = "one", on = "correspondencepublished", when = { resource = { "acme-letters", "denied" } },
  run = function() end }]]
    existing { resourceFilter = "urn:altinn:resource:gone" }
    local count = 0
    fake.fail.subscribe = function()
      count = count + 1
      return count == 1 and { "not authorized", "forbidden" } or nil
    end
    local status, out, err = apply()
    assert.are.equal(1, status)
    says(err, "acme-letters: not authorized (forbidden)", "policy")
    says(out, "+ 100 made, validated: denied")
    assert.are.same({ "subscribe", "subscribe" }, names())
  end)

  it("changes nothing while a rule cannot be subscribed for", function()
    existing { resourceFilter = "urn:altinn:resource:gone" }
    fake:rules 'rule { name = "all", on = "*", run = function() end }'
    local status, _, err = apply()
    assert.are.equal(1, status)
    says(err, "rule 'all': names no resource", "nothing was changed")
    assert.are.same({}, names())
  end)

  it("counts one that is gone already as removed, and tells of one that cannot be", function()
    existing({ typeFilter = PUBLISHED }, { typeFilter = PURGED })
    fake.fail.unsubscribe = { "no such subscription", "not_found" }
    assert.are.equal(0, (apply()))
    fake.fail.unsubscribe = { "Altinn is in trouble", "server" }
    local status, _, err = apply()
    assert.are.equal(1, status)
    says(err, "subscription 2: Altinn is in trouble (server)")
  end)

  it("replaces those with an old secret of the configuration after the overlap", function()
    fake:config(([[return { environment = "tt02", endpoint = "https://hooks.example.no/events", token = "a.b.c",
      secret = { "%s", "an-old-secret" } }]]):format(SECRET))
    existing { typeFilter = PUBLISHED, endPoint = "https://hooks.example.no/events/an-old-secret" }
    local status, out, err = apply()
    assert.are.equal(0, status)
    assert.are.same({ "subscribe" }, names())
    assert.are.same({ "keep 100", "wait 1" }, actions(planned()))
    silent(out .. err, "an-old-secret", SECRET)
  end)

  it("leaves alone what may be another system's, and says so", function()
    existing({ typeFilter = PUBLISHED }, { endPoint = "https://hooks.example.no/events/archive-system",
      resourceFilter = "urn:altinn:resource:payroll" })
    local status, out = plan()
    assert.are.equal(0, status)
    says(out, "? unknown        2  payroll", "https://hooks.example.no/events/arc***", "--remove-unknown", "1 unknown")
    silent(out, "archive-system")
    status, out = apply()
    assert.are.equal(0, status)
    says(out, "nothing to do", "? 2 is left alone: https://hooks.example.no/events/arc***")
    assert.are.same({}, names())
    status, out = plan "--remove-unknown"
    assert.are.equal(2, status)
    says(out, "- remove         2  payroll", "https://hooks.example.no/events/arc***")
    assert.are.equal(0, (apply "--remove-unknown"))
    assert.are.same({ "unsubscribe 2" }, names())
  end)

  it("--json tells what was done", function()
    existing({ typeFilter = PURGED }, {})
    local status, out = apply "--json"
    assert.are.equal(0, status)
    local result = cjson.decode(out)
    assert.is_true(result.ok)
    assert.are.same({ "create ", "remove 1", "wait 2" }, actions(result))
    assert.is_true(result.steps[1].done)
    assert.is_true(result.steps[2].done)
    assert.is_nil(result.steps[3].done)
    fake.fail.subscribe = { "denied for " .. ADDRESS, "forbidden" }
    fake.subscriptions = {}
    status, out = apply "--json"
    assert.are.equal(1, status)
    result = cjson.decode(out)
    assert.is_false(result.ok)
    says(result.steps[1].failure, "denied for https://hooks.example.no/events/***")
  end)

  it("--wait is how long Altinn gets for the validation", function()
    apply("--wait", "5")
    assert.are.equal(5, fake:called("subscribe")[1].wait)
    fake.subscriptions, fake.reachable = {}, false
    local status, out = apply("--wait", "0")
    assert.are.equal(0, status)
    says(out, "made, not validated yet")
    assert.is_nil(fake:called("subscribe")[2].wait)
  end)
end)

describe("the address of Altinn", function()
  it("comes from an option, a variable or the configuration", function()
    plan()
    assert.are.equal("tt02", fake.client_options.environment)
    plan("--base-url", "http://127.0.0.1:1")
    assert.are.equal("http://127.0.0.1:1", fake.client_options.base_url)
    assert.is_nil(fake.client_options.environment)
    assert.are.equal("http://127.0.0.1:1", fake.credentials.base_url)
    plan("--environment", "production")
    assert.are.equal("production", fake.client_options.environment)
    assert.are.equal("production", fake.credentials.environment)
    local status, _, err = plan("--environment", "tt20")
    assert.are.equal(2, status)
    says(err, "environment must be one of production, tt02", "did you mean 'tt02'?")
  end)

  it("the endpoint too", function()
    local _, out = plan("--endpoint", "https://other.example.no/in?code={secret}")
    says(out, "endpoint https://other.example.no/in?code=***")
  end)

  it("credentials go to the source of tokens as they are", function()
    process.write(fake.folder .. "/key.pem", "PEM")
    fake:config(([[return { environment = "tt02", endpoint = "https://hooks.example.no/events", secret = "s",
      credentials = { client_id = "abc", key_file = "%s/key.pem", passphrase = "p", kid = "k",
        scopes = { "altinn:events.subscribe" }, issuer = "http://127.0.0.1:1/",
        system_user = { organisation = "987654321", reference = "r" } } }]]):format(fake.folder))
    plan()
    assert.are.same({ environment = "tt02", client_id = "abc", key_file = fake.folder .. "/key.pem", passphrase = "p",
      kid = "k", scopes = { "altinn:events.subscribe" }, issuer = "http://127.0.0.1:1/",
      system_user = { organisation = "987654321", reference = "r" } }, fake.credentials)
  end)
end)
