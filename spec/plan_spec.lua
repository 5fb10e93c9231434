-- The plan: which subscriptions a set of rules needs and why, and what is to be done about those that exist.
local endpoint = require "altinn.events.subscriptions.endpoint"
local events = require "altinn.events"
local plan = require "altinn.events.subscriptions.plan"
local wording = require "spec.support.wording"

local PREFIX = "no.altinn.correspondence."
local ACME = "urn:altinn:resource:acme-letters"
local ORGANISATION = "urn:altinn:organization:identifier-no:987654321"

local function rule(name, on, when) return { name = name, on = on, when = when } end

local function compute(rules, options) return plan.compute(rules, options) end

-- The filters alone.
local function filters(made)
  local list = {}
  for index, one in ipairs(made.subscriptions) do
    list[index] = { resource = one.resource, subject = one.subject, type = one.type }
  end
  return list
end

local says = wording.says

describe("the smallest set", function()
  it("of one rule has its filters", function()
    local made = compute {
      rule("a", "correspondencepublished", { resource = "acme-letters", recipient = "987654321" }),
    }
    assert.are.same({ { resource = ACME, subject = ORGANISATION, type = PREFIX .. "correspondencepublished" } },
      filters(made))
    assert.are.same({ "a" }, made.subscriptions[1].rules)
    assert.are.same({}, made.subscriptions[1].why)
    assert.are.same({}, made.problems)
    assert.are.same({}, made.warnings)
  end)

  it("drops the type when several are wanted, and says why", function()
    local made = compute {
      rule("a", { "correspondencepublished", "correspondencepurged" }, { resource = "acme-letters" }),
    }
    assert.are.same({ { resource = ACME } }, filters(made))
    says(made.subscriptions[1].why[1], "no subjectFilter: rule 'a' sets no condition on it")
    says(made.subscriptions[1].why[2],
      "no typeFilter: 2 types are wanted (correspondencepublished, correspondencepurged)")
  end)

  it("keeps the type when all rules want the same", function()
    local made = compute {
      rule("a", "correspondencepurged", { resource = "acme-letters", resourceinstance = events.prefix "0198" }),
      rule("b", "correspondencepurged", { resource = { "acme-letters", "other" } }),
    }
    assert.are.same({ { resource = ACME, type = PREFIX .. "correspondencepurged" },
      { resource = "urn:altinn:resource:other", type = PREFIX .. "correspondencepurged" } }, filters(made))
    assert.are.same({ "a", "b" }, made.subscriptions[1].rules)
    assert.are.same({ "b" }, made.subscriptions[2].rules)
    says(made.subscriptions[1].why[2], "Altinn cannot filter resourceinstance")
    assert.are.equal(1, #made.subscriptions[2].why)
  end)

  it("never drops the subject unless a rule asks for every one", function()
    local rules = {
      rule("a", "*", { resource = "acme-letters", recipient = "987654321" }),
      rule("b", "correspondencepublished", { resource = "acme-letters", recipient = "123456789" }),
    }
    assert.are.same({
      { resource = ACME, subject = "urn:altinn:organization:identifier-no:123456789",
        type = PREFIX .. "correspondencepublished" },
      { resource = ACME, subject = ORGANISATION },
    }, filters(compute(rules)))
    rules[3] = rule("c", "correspondencepublished", { resource = "acme-letters" })
    local made = compute(rules)
    assert.are.same({ { resource = ACME } }, filters(made))
    assert.are.same({ "a", "b", "c" }, made.subscriptions[1].rules)
    says(made.subscriptions[1].why[1], "rule 'c'")
  end)

  it("with narrow has one for each type, none inside another", function()
    local made = compute({
      rule("a", { "correspondencepublished", "correspondencepurged" }, { resource = "acme-letters" }),
      rule("b", "correspondencepurged", { resource = "acme-letters", recipient = "987654321" }),
      rule("c", "*", { resource = "acme-letters", recipient = "123456789" }),
    }, { narrow = true })
    assert.are.same({
      { resource = ACME, type = PREFIX .. "correspondencepublished" },
      { resource = ACME, type = PREFIX .. "correspondencepurged" },
      { resource = ACME, subject = "urn:altinn:organization:identifier-no:123456789" },
    }, filters(made))
    assert.are.same({ "a", "b" }, made.subscriptions[2].rules)
  end)

  it("leaves open what Altinn cannot filter, and says why", function()
    for _, case in ipairs {
      { events.prefix "urn:altinn:", "asks by a prefix, and Altinn compares whole values" },
      { events.no "x", "excludes values, which Altinn cannot" },
      { events.absent, "wants events without one" }, { events.present, "wants any that is there" },
      { { "x", events.prefix "y" }, "asks by a prefix" },
    } do
      local made = compute { rule("a", "correspondencepurged", { resource = "acme-letters", subject = case[1] }) }
      assert.are.same({ { resource = ACME, type = PREFIX .. "correspondencepurged" } }, filters(made))
      says(made.subscriptions[1].why[1], "no subjectFilter: rule 'a' " .. case[2])
    end
    local made = compute { rule("a", "correspondencenotification*", { resource = "acme-letters" }) }
    assert.are.same({ { resource = ACME } }, filters(made))
    says(made.subscriptions[1].why[2], "no typeFilter: rule 'a' asks by a prefix")
  end)

  it("takes conditions on one attribute together", function()
    local made = compute {
      rule("a", { "correspondencepublished", "correspondencepurged" },
        { resource = "acme-letters", type = events.no(PREFIX .. "correspondencepublished"),
          subject = { ORGANISATION, "/party/5" }, recipient = events.prefix "urn:" }),
    }
    assert.are.same({ { resource = ACME, subject = ORGANISATION, type = PREFIX .. "correspondencepurged" } },
      filters(made))
  end)

  it("does not count rules that are off or can never run", function()
    local off = rule("off", "*", { resource = "acme-letters" })
    off.enabled = false
    local made = compute {
      off,
      rule("a", "correspondencepurged", { resource = "acme-letters", type = "correspondencepublished" }),
      rule("b", "*", { resource = "acme-letters", subject = "x", recipient = "y" }),
      rule("c", "*", { resource = "acme-letters", type = events.absent }),
      rule("d", "*", { resource = "acme-letters", subject = "" }),
      rule("e", "*", { resource = "acme-letters", dataschema = events.prefix "a", source = "/x", subject = "y",
        sender = events.no(events.prefix "y") }),
    }
    assert.are.same({}, made.subscriptions)
    assert.are.same({}, made.problems)
    assert.are.equal(5, #made.warnings)
    for index, attribute in ipairs { "type", "subject", "type", "subject", "subject" } do
      assert.are.equal(("can never run: its conditions on '%s' exclude each other"):format(attribute),
        made.warnings[index].message)
    end
  end)

  it("is the same whatever the order of the rules", function()
    local rules = {
      rule("a", "correspondencepurged", { resource = "b" }), rule("b", "correspondencepublished", { resource = "a" }),
      rule("c", "*", { resource = "c", recipient = { "987654321", "123456789" } }),
    }
    local first = filters(compute(rules))
    rules[1], rules[3] = rules[3], rules[1]
    assert.are.same(first, filters(compute(rules)))
  end)

  it("needs nothing for Altinn's own trial of the endpoint", function()
    local made = compute { rule("a", "validatesubscription") }
    assert.are.same({}, made.subscriptions)
    assert.are.same({}, made.problems)
  end)
end)

describe("a rule without a resource", function()
  local function problem(when, options)
    local made = compute({ { name = "a", on = "correspondencepurged", when = when, file = "rules/a.lua", line = 3 } },
      options)
    assert.are.equal(1, #made.problems)
    local one = made.problems[1]
    assert.are.same({ "a", "rules/a.lua", 3 }, { one.rule, one.file, one.line })
    return one.message
  end

  it("is a problem that names the way out", function()
    for _, when in ipairs { {}, { resource = events.prefix "acme" }, { resource = events.no "acme" },
      { resource = events.present }, { resource = { "acme", events.prefix "other" } } } do
      says(problem(when), "names no resource by its whole name", "when = { resource = ", "resources = {")
    end
  end)

  it("takes the resources of the configuration that its conditions allow", function()
    local options = { resources = { "acme-letters", "urn:altinn:resource:acme-bills", "other" } }
    local function of(when)
      local list = {}
      for index, one in ipairs(compute({ rule("a", "correspondencepurged", when) }, options).subscriptions) do
        list[index] = one.resource:gsub("^urn:altinn:resource:", "")
      end
      return list
    end
    assert.are.same({ "acme-bills", "acme-letters", "other" }, of {})
    assert.are.same({ "acme-bills", "acme-letters" }, of { resource = events.prefix "urn:altinn:resource:acme-" })
    assert.are.same({ "acme-bills", "other" }, of { resource = events.no "acme-letters" })
    assert.are.same({ "named" }, of { resource = "named" })
    says(problem({ resource = events.prefix "nothing" }, options), "wants none of the resources of the configuration")
  end)

  it("or with one that Altinn refuses", function()
    says(problem { resource = "Acme-Letters" }, "'urn:altinn:resource:Acme-Letters' cannot be subscribed to",
      "holds a capital letter")
    says(problem { resource = "two words" }, "holds a blank")
    says(problem { resource = { "acme", ("x"):rep(101) } }, "is no resource's id")
  end)
end)

describe("what client:subscribe would refuse", function()
  it("is not planned, and said", function()
    for _, case in ipairs {
      { "correspondencepublished", { recipient = "987 654 321" }, "holds a blank" },
      { "correspondencepublished", { subject = "/party/5" }, "is not how events name a party" },
      { "instancecreated", {}, "is raised by apps" },
      { "correspondencereceiverread", { recipient = "01017012345" }, "addressed to the sender" },
    } do
      local when = { resource = "acme-letters" }
      for name, value in pairs(case[2]) do when[name] = value end
      local made = compute { rule("a", case[1], when) }
      assert.are.same({}, made.subscriptions)
      says(made.warnings[#made.warnings].message, "would never match at Altinn", case[3])
    end
    local made = compute { rule("a", { "instancecreated", "correspondencepurged" }, { resource = "acme-letters" }) }
    assert.are.same({ { resource = ACME, type = PREFIX .. "correspondencepurged" } }, filters(made))
  end)

  it("knows the register's code before a number", function()
    local made = compute { rule("a", "correspondencepublished", { resource = "acme-letters",
      recipient = "0192:987654321" }) }
    assert.are.same({ { resource = ACME, subject = ORGANISATION, type = PREFIX .. "correspondencepublished" } },
      filters(made))
    assert.are.same({}, made.warnings)
  end)
end)

describe("warnings", function()
  local function warnings(on, when)
    local list = {}
    when = when or {}
    when.resource = "acme-letters"
    for index, one in ipairs(compute { rule("a", on, when) }.warnings) do list[index] = one.message end
    return list
  end

  it("name types that nothing raises, or nobody knows", function()
    says(warnings("correspondencereceiverreplied")[1], "'no.altinn.correspondence.correspondencereceiverreplied'",
      "nothing raises it today")
    says(warnings("correspondencearch*")[1], "'no.altinn.correspondence.correspondencearch*'", "nothing raises it")
    says(warnings("com.example.order")[1], "'com.example.order' is not among the types that Altinn is known to raise")
    says(warnings("com.example.*")[1], "'com.example.*'")
    says(warnings("dialogporten.dialog")[1], "'dialogporten.dialog'")
    for _, on in ipairs { "*", "correspondence*", "correspondencepublished", "dialogcreated", "no.altinn.broker.*",
      "dialogporten.dialog.activity.created.v1", "app.instance.process.movedTo.Task_1", "dialogporten.*" } do
      assert.are.same({}, warnings(on), on)
    end
  end)

  it("name a party that the type never carries", function()
    says(warnings("correspondencereceiverread", { recipient = "987654321" })[1],
      "when.recipient: 'correspondencereceiverread' carries the sender, never the recipient")
    says(warnings("correspondencepublished", { sender = "987654321" })[1], "carries the recipient, never the sender")
    assert.are.same({}, warnings("correspondencepublished", { recipient = "987654321" }))
    assert.are.same({}, warnings("correspondencereceiverread", { sender = "987654321" }))
    assert.are.same({}, warnings("dialogcreated", { recipient = "987654321" }))
  end)

  it("mask identity numbers", function()
    says(warnings("01017012345.x")[1], "'***********.x'")
  end)
end)

describe("the endpoint", function()
  local BASE = "https://Hooks.example.no:443/events/"

  it("gets the secret, and a name", function()
    assert.are.equal("https://hooks.example.no/events/s3", endpoint.address(BASE, "s3"))
    assert.are.equal("https://hooks.example.no/events/s3/letters", endpoint.address(BASE, "s3", "letters"))
    assert.are.equal("https://hooks.example.no/events", endpoint.address(BASE))
    assert.are.equal("https://x.no/in?code=s3", endpoint.address("https://x.no/in?code={secret}", "s3"))
    assert.are.equal("https://x.no/e/s3/letters", endpoint.address("https://x.no/e/{secret}/letters", "s3"))
    assert.are.equal("http://127.0.0.1:8480/events", endpoint.address "http://127.0.0.1:8480/events")
    assert.are.equal("https://x.no/", endpoint.address "https://x.no")
    assert.are.equal("https://x.no/s", endpoint.address("https://x.no", "s"))
  end)

  it("is ours with one of the secrets, and unknown with another word in its place", function()
    local secrets = { "new", "old" }
    for address, owner in pairs {
      ["https://hooks.example.no/events/new"] = "ours", ["HTTPS://HOOKS.example.no:443/events/old"] = "ours",
      ["https://hooks.example.no/events/older"] = "unknown", ["https://hooks.example.no/events/v2"] = "unknown",
      ["https://hooks.example.no/events"] = "unknown",
      ["https://hooks.example.no/events/new/letters"] = "nobody", ["https://else.example.no/events/new"] = "nobody",
    } do
      assert.are.equal(owner, endpoint.owner(BASE, address, secrets) or "nobody", address)
    end
    assert.are.equal("ours", endpoint.owner(BASE, "https://hooks.example.no/events", {}))
    assert.are.equal("unknown", endpoint.owner(BASE, "https://hooks.example.no/events/old", {}))
    assert.are.equal("unknown", endpoint.owner("https://x.no", "https://x.no/other", { "s" }))
  end)

  it("of an unknown owner is recognisable, and no secret", function()
    assert.are.equal("https://hooks.example.no/events/arc***",
      endpoint.hint("https://hooks.example.no/events/archive-system", BASE))
    assert.are.equal("https://hooks.example.no/events/***",
      endpoint.hint("https://hooks.example.no/events/short", BASE))
    assert.are.equal("https://hooks.example.no/events", endpoint.hint("https://hooks.example.no/events", BASE))
  end)

  it("has a place for the secret, which may be empty", function()
    assert.are.equal("old", endpoint.secret_of(BASE, "https://hooks.example.no/events/old"))
    assert.are.equal("old", endpoint.secret_of(BASE, "HTTPS://HOOKS.example.no/events/old"))
    assert.are.equal("", endpoint.secret_of(BASE, "https://hooks.example.no/events"))
    assert.are.equal("a", endpoint.secret_of("https://x.no/in?code={secret}", "https://x.no/in?code=a"))
    assert.are.equal("a", endpoint.secret_of("https://x.no/e/{secret}/l", "https://x.no/e/a/l"))
  end)

  it("is not ours in any other place", function()
    for _, address in ipairs { "https://hooks.example.no/events/s/letters", "https://hooks.example.no/events2/s",
      "https://hooks.example.no/other/s", "https://hooks.example.com/events/s", "http://hooks.example.no/events/s",
      "https://hooks.example.no/events/s?x=1", "https://hooks.example.no/events/", "nonsense", "" } do
      assert.is_nil(endpoint.secret_of(BASE, address), address)
    end
    assert.is_nil(endpoint.secret_of(BASE, nil))
    assert.is_nil(endpoint.secret_of("https://x.no/e/{secret}/l", "https://x.no/e/s/m"))
  end)

  it("is shown without its secret", function()
    assert.are.equal("https://hooks.example.no/events/***", endpoint.mask("https://hooks.example.no/events/word", BASE))
    assert.are.equal("https://hooks.example.no/events", endpoint.mask("https://hooks.example.no/events", BASE))
    assert.are.equal("https://x.no/in?code=***",
      endpoint.mask("https://x.no/in?code=a", "https://x.no/in?code={secret}"))
  end)

  it("of others too", function()
    for address, shown in pairs {
      ["https://hooks.example.no/events/word/letters"] = "https://hooks.example.no/events/***/letters",
      ["https://x.no/api/altinn?code=hunter2&x"] = "https://x.no/api/altinn?code=***&***",
      ["https://x.no/api?hunter2"] = "https://x.no/api?***",
      ["https://user:word@x.no/api/v1"] = "https://***@x.no/api/v1",
      ["https://x.no/0123456789abcdef"] = "https://x.no/***", ["https://x.no/Sesame/a"] = "https://x.no/***/a",
      ["https://x.no/"] = "https://x.no/", nonsense = "***",
    } do
      assert.are.equal(shown, endpoint.mask(address, BASE))
    end
  end)
end)

describe("the difference", function()
  local BASE, NOW = "https://hooks.example.no/events", 1787000000
  local TYPE = PREFIX .. "correspondencepurged"

  local function time(seconds) return os.date("!%Y-%m-%dT%H:%M:%S.1234567Z", seconds) end

  -- As the server gives it; `age` in seconds.
  local function subscription(id, changes)
    local one = { id = id, endPoint = BASE .. "/new", resourceFilter = ACME, typeFilter = TYPE,
      consumer = "/organisation/1", createdBy = "/organisation/1", created = time(NOW - 100000), validated = true,
      includeSubunits = false }
    for name, value in pairs(changes or {}) do one[name] = value or nil end
    if changes and changes.validated == false then one.validated = false end
    one.age = nil
    if changes and changes.age then one.created = time(NOW - changes.age) end
    return one
  end

  local function difference(existing, planned, options)
    return plan.difference(planned or { { resource = ACME, type = TYPE } }, existing, {
      endpoint = BASE .. "/new", now = NOW, overlap = options and options.overlap,
      owner = function(address) return endpoint.owner(BASE, address, { "new", "old" }) end,
      remove_unknown = options and options.remove_unknown,
    })
  end

  local function actions(steps)
    local list = {}
    for index, step in ipairs(steps) do
      list[index] = step.action .. (step.subscription and " " .. step.subscription.id or "")
    end
    return list
  end

  it("of nothing is to create all", function()
    local steps = difference {}
    assert.are.same({ "create" }, actions(steps))
    assert.are.equal(NOW + 3600, steps[1].at)
    assert.is_true(plan.differs(steps))
  end)

  it("is none when all is there", function()
    local steps = difference { subscription(1), subscription(2, { endPoint = "https://else.example.no/" }) }
    assert.are.same({ "keep 1", "foreign 2" }, actions(steps))
    assert.is_nil(steps[1].at)
    assert.is_false(plan.differs(steps))
  end)

  it("tells that a young one may be deaf", function()
    local steps = difference { subscription(1, { age = 600 }) }
    assert.are.same({ "keep 1" }, actions(steps))
    assert.are.equal(NOW + 3000, steps[1].at)
    assert.is_false(plan.differs(steps))
  end)

  it("has a subscription that was not validated tried again", function()
    local steps = difference { subscription(1, { validated = false, age = 500 }) }
    assert.are.same({ "validate 1" }, actions(steps))
    assert.is_false(steps[1].anew)
    assert.is_true(plan.differs(steps))
  end)

  it("takes the validated one of two that are the same, then the older", function()
    assert.are.same({ "keep 2", "remove 1" }, actions(difference { subscription(1, { validated = false }),
      subscription(2) }))
    assert.are.same({ "keep 1", "remove 2" }, actions(difference { subscription(2), subscription(1) }))
  end)

  it("treats filters that differ in anything as others", function()
    for name, value in pairs { resourceFilter = "urn:altinn:resource:other", subjectFilter = "x",
      typeFilter = "", sourceFilter = "https://x.no/", includeSubunits = true, endPoint = BASE .. "/old" } do
      local steps = difference { subscription(1, { [name] = value }) }
      assert.are.equal("create", steps[1].action, name)
      assert.is_truthy(steps[2].action == "wait" or steps[2].action == "remove", name)
    end
    assert.are.equal("keep", difference { subscription(1, { resourceFilter = ACME:upper() }) }[1].action)
  end)

  it("removes at once what no rule needs", function()
    local steps = difference { subscription(1), subscription(2, { resourceFilter = "urn:altinn:resource:other" }),
      subscription(3, { typeFilter = TYPE .. "x" }), subscription(4, { subjectFilter = "x", validated = false }) }
    assert.are.same({ "keep 1", "remove 2", "remove 3", "remove 4" }, actions(steps))
    says(steps[2].why, "no rule needs it")
    assert.are.equal(NOW + 3600, steps[2].at)
    assert.is_nil(steps[4].at)
  end)

  it("removes what others replace only when they are surely heard", function()
    local old = subscription(1, { typeFilter = false })
    local steps = difference { old }
    assert.are.same({ "create", "wait 1" }, actions(steps))
    assert.are.equal(NOW + 3600, steps[2].at)
    steps = difference { old, subscription(2, { age = 1000 }) }
    assert.are.same({ "keep 2", "wait 1" }, actions(steps))
    assert.are.equal(NOW + 2600, steps[2].at)
    assert.is_true(plan.differs(steps))
    steps = difference { old, subscription(2, { age = 3601 }) }
    assert.are.same({ "keep 2", "remove 1" }, actions(steps))
    says(steps[2].why, "others take its place")
  end)

  it("waits for the youngest of those that replace it", function()
    local planned = { { resource = ACME, subject = "a" }, { resource = ACME, subject = "b" },
      { resource = "urn:altinn:resource:other" } }
    local steps = difference({ subscription(1),
      subscription(2, { typeFilter = false, subjectFilter = "a", age = 3000 }),
      subscription(3, { typeFilter = false, subjectFilter = "b", age = 1000 }) }, planned)
    assert.are.same({ "keep 2", "keep 3", "create", "wait 1" }, actions(steps))
    assert.are.equal(NOW + 2600, steps[4].at)
    steps = difference({ subscription(1), subscription(2, { typeFilter = false, subjectFilter = "a", age = 3000 }),
      subscription(3, { typeFilter = false, subjectFilter = "b" }) }, planned)
    says(steps[4].why, "stays until")
  end)

  it("has an old unvalidated one made anew, so that its age counts from then", function()
    for _, changes in ipairs { { validated = false, age = 700 }, { validated = false, created = "yesterday" } } do
      local steps = difference { subscription(1, { typeFilter = false }), subscription(2, changes) }
      assert.are.same({ "validate 2", "wait 1" }, actions(steps))
      assert.is_true(steps[1].anew)
    end
  end)

  it("with another overlap", function()
    local existing = { subscription(1, { typeFilter = false }), subscription(2, { age = 1000 }) }
    assert.are.equal("remove", difference(existing, nil, { overlap = 0 })[2].action)
    assert.are.equal("remove", difference(existing, nil, { overlap = 900 })[2].action)
    assert.are.equal(NOW + 6200, difference(existing, nil, { overlap = 7200 })[2].at)
    -- Even so nothing goes before what replaces it is there and validated.
    assert.are.equal("wait", difference({ existing[1] }, nil, { overlap = 0 })[2].action)
    assert.are.equal("wait",
      difference({ existing[1], subscription(2, { validated = false }) }, nil, { overlap = 0 })[2].action)
  end)

  it("counts a subscription without a readable time as young", function()
    for _, created in ipairs { "yesterday", "" } do
      local steps = difference { subscription(1, { typeFilter = false }), subscription(2, { created = created }) }
      assert.are.same({ "keep 2", "wait 1" }, actions(steps))
      assert.are.equal(NOW + 3600, steps[2].at)
    end
  end)

  it("unsure whether two bring the same, waits", function()
    for _, changes in ipairs { { subjectFilter = "main", includeSubunits = true }, { resourceFilter = false } } do
      local steps = difference({ subscription(1, changes) }, { { resource = ACME, subject = "sub", type = TYPE } })
      assert.are.same({ "create", "wait 1" }, actions(steps))
    end
  end)

  it("never touches what is not ours", function()
    for _, address in ipairs { BASE .. "/new/by-hand", "https://x.no/", BASE .. "2/new" } do
      assert.are.same({ "create", "foreign 1" }, actions(difference { subscription(1, { endPoint = address }) }))
    end
  end)

  it("touches what may be another system's only when it is told to", function()
    local existing = { subscription(1), subscription(2, { endPoint = BASE .. "/archive-system" }),
      subscription(3, { endPoint = BASE .. "/v2", resourceFilter = "urn:altinn:resource:payroll" }) }
    local steps = difference(existing)
    assert.are.same({ "keep 1", "unknown 2", "unknown 3" }, actions(steps))
    says(steps[2].why, "no secret of this configuration", "--remove-unknown")
    assert.is_false(plan.differs(steps))
    steps = difference(existing, nil, { remove_unknown = true })
    assert.are.same({ "keep 1", "remove 2", "remove 3" }, actions(steps))
    assert.is_true(steps[2].unknown)
    assert.is_true(plan.differs(steps))
  end)

  it("never takes one of an unknown owner for a planned one", function()
    assert.are.same({ "create", "unknown 1" }, actions(difference { subscription(1, { endPoint = BASE .. "/other" }) }))
  end)

  it("refuses options that it does not know", function()
    assert.has_error(function() plan.compute({}, { narow = true }) end,
      "plan: unknown option 'narow' (did you mean 'narrow'?)")
    assert.has_error(function() plan.difference({}, {}, { overlapp = 1 }) end,
      "difference: unknown option 'overlapp' (did you mean 'overlap'?)")
  end)
end)
