-- The emulator's subscriptions API: the order of its checks, its texts, its answers.
local emulator = require "spec.support.emulator"
local process = require "spec.support.process"
local target = require "spec.support.target"

local PATH = "/events/api/v1/subscriptions"
local RESOURCE = "urn:altinn:resource:acme-letters"
local OWN = "urn:altinn:organization:identifier-no:987654321"

describe("the emulator's subscriptions", function()
  local altinn, endpoint, token

  setup(function()
    altinn = emulator.start()
    endpoint = target.start()
  end)
  teardown(function()
    altinn:close()
    endpoint:close()
  end)
  before_each(function()
    altinn:reset()
    altinn:control("POST", "/world", '{"policy":null}')
    token = altinn:token { scopes = "altinn:events.subscribe" }
  end)

  local function body(changes)
    local values = { endPoint = endpoint.url .. "/hook", resourceFilter = RESOURCE, subjectFilter = OWN }
    for name, value in pairs(changes or {}) do values[name] = value or nil end
    return values
  end

  local function post(changes, headers) return altinn:as(token, "POST", PATH, body(changes), headers) end

  it("answers 201 with the subscription, members in order, a Location that does not exist", function()
    local status, s, headers, text = post { subjectFilter = "urn:altinn:organization:identifier-no:987654321",
      typeFilter = "no.altinn.correspondence.correspondencepublished", resourceFilter = RESOURCE,
      endPoint = "HTTP://127.0.0.1:" .. endpoint.port }
    assert.are.equal(201, status)
    assert.are.equal("/events/api/v1/subscription/1", headers.location)
    assert.are.equal("application/json; charset=utf-8", headers["content-type"])
    local order = {}
    for name in text:gmatch('"(%w+)":') do order[#order + 1] = name end
    assert.are.same({ "id", "endPoint", "resourceFilter", "subjectFilter", "typeFilter", "consumer", "createdBy",
      "created", "validated", "includeSubunits" }, order)
    assert.are.equal(endpoint.url .. "/", s.endPoint)
    assert.are.equal("/organisation/987654321", s.consumer)
    assert.are.equal(s.consumer, s.createdBy)
    assert.is_false(s.validated)
    assert.is_false(s.includeSubunits)
    assert.is_truthy(s.created:find("Z$"))
    assert.is_truthy(text:find('^{"id":1,'))
  end)

  it("wants an Altinn token that lives", function()
    for _, value in ipairs { "Bearer nonsense", "Basic abc" } do
      local status, _, _, text = altinn:call("POST", PATH, body(), { Authorization = value })
      assert.are.same({ 401, "" }, { status, text })
    end
    assert.are.equal(401, (altinn:call("POST", PATH, body())))
    local raw = altinn:token { scopes = "altinn:events.subscribe", kind = "maskinporten" }
    assert.are.equal(401, (altinn:as(raw, "POST", PATH, body())))
    altinn:control("DELETE", "/tokens")
    assert.are.equal(401, (post()))
  end)

  it("wants JSON", function()
    for _, media in ipairs { "text/plain", "application/cloudevents+json", "text/json" } do
      assert.are.equal(415, (post(nil, { ["Content-Type"] = media })))
    end
    local json = { ["Content-Type"] = "application/json" }
    for _, text in ipairs { "{", "[]", "1", "", '{"endPoint":1}', '{"includeSubunits":"yes"}' } do
      local status, problem, headers = altinn:as(token, "POST", PATH, text, json)
      assert.are.equal(400, status, text)
      assert.are.equal("application/json; charset=utf-8", headers["content-type"])
      assert.is_table(problem.errors)
      assert.are.equal("One or more validation errors occurred.", problem.title)
    end
  end)

  -- Each fault with its answer, in the order of the checks: the one before must win over those behind it.
  local https = "https://hooks.example.org/x"
  local app = "urn:altinn:resource:app_ttd_apps-test"
  local app_source = "https://ttd.apps.altinn.no/ttd/apps-test"
  local refused = {
    { { endPoint = false, sourceFilter = "x" }, "Missing or invalid endpoint to push events towards" },
    { { endPoint = "" }, "Missing or invalid endpoint to push events towards" },
    { { endPoint = "/relative" }, "Missing or invalid endpoint to push events towards" },
    { { endPoint = "http://example.org/x" }, "Missing or invalid endpoint to push events towards" },
    { { endPoint = "https://a|b/x" }, "Missing or invalid endpoint to push events towards" },
    { { endPoint = "https:///x" }, "Missing or invalid endpoint to push events towards" },
    { { endPoint = "ftp://127.0.0.1/x" }, "Missing or invalid endpoint to push events towards" },
    { { sourceFilter = "http://x/", resourceFilter = "no urn" },
      "SourceFilter must be an absolute URL with the https scheme." },
    { { resourceFilter = "no urn" }, "Resource filter must be a valid urn" },
    { { resourceFilter = "urn:altinn:resource:Acme" }, "Resource filter must be a valid urn" },
    { { resourceFilter = "urn:altinn:resource:" }, "Resource filter must be a valid urn" },
    { { resourceFilter = "" }, "Resource filter must be a valid urn" },
    { { resourceFilter = false, sourceFilter = "https://x/" }, "Resource filter is required." },
    { { sourceFilter = "https://x/", alternativeSubjectFilter = "/org/1" },
      "Source filter is not supported for subscriptions on this resource." },
    { { alternativeSubjectFilter = "/org/1", includeSubunits = true },
      "AlternativeSubject filter is not supported for subscriptions on this resource." },
    { { includeSubunits = true, subjectFilter = false }, "IncludeSubunits requires a subject filter." },
    { { includeSubunits = true, subjectFilter = "" }, "IncludeSubunits requires a subject filter." },
    { { resourceFilter = app, subjectFilter = false }, "A valid subject to the authenticated identity is required" },
    { { resourceFilter = app, subjectFilter = "" }, "A valid subject to the authenticated identity is required" },
    { { resourceFilter = app, alternativeSubjectFilter = "/x/1", subjectFilter = false },
      "A valid subject to the authenticated identity is required" },
    { { resourceFilter = app, subjectFilter = "/party/1", sourceFilter = app_source .. "/" },
      "A valid app id is required in source filter {environment}/{org}/{app}" },
    { { resourceFilter = app .. "2", subjectFilter = "/party/1", sourceFilter = app_source },
      "Provided resource filter and source filter are not compatible" },
  }

  it("refuses with the server's texts, as JSON strings", function()
    for index, row in ipairs(refused) do
      local status, _, headers, text = post(row[1])
      assert.are.equal(400, status, "row " .. index)
      assert.are.equal('"' .. row[2] .. '"', text, "row " .. index)
      assert.are.equal("application/json; charset=utf-8", headers["content-type"])
    end
    assert.are.equal(0, altinn:control("GET", "/subscriptions").count)
  end)

  it("takes URNs of at most ten parts of at most a hundred characters", function()
    token = altinn:token { scopes = "altinn:events.subscribe altinn:serviceowner", orgNo = "991825827" }
    local x = ("x"):rep(100)
    for _, row in ipairs { { "urn:a:b", 201 }, { "urn:a:" .. x, 201 }, { "urn:a:" .. x .. "x", 400 },
      { "urn:a" .. (":b"):rep(10), 201 }, { "urn:a" .. (":b"):rep(11), 400 }, { "urn:" .. ("a"):rep(30) .. ":b", 201 },
      { "urn:" .. ("a"):rep(31) .. ":b", 400 }, { "urn:a:b_c(d)+,.-;$!/", 201 }, { "urn:a::b", 400 } } do
      assert.are.equal(row[2], (post { resourceFilter = row[1] }), row[1])
    end
  end)

  it("resolves an app's alternative subject to a party", function()
    altinn:control("POST", "/world", { parties = { ["987654321"] = 77 } })
    for _, word in ipairs { "org", "organisation", "organization" } do
      local status, s = post { resourceFilter = app, subjectFilter = false,
        alternativeSubjectFilter = "/" .. word .. "/987654321" }
      assert.are.same({ 201, "/party/77" }, { status, s.subjectFilter })
    end
    local _, s = post { resourceFilter = app, subjectFilter = "/party/1", alternativeSubjectFilter = "/org/987654321" }
    assert.are.equal("/party/1", s.subjectFilter)
    _, s = post { resourceFilter = false, subjectFilter = "/party/1",
      sourceFilter = "https://ttd.apps.altinn.no/ttd/X" }
    assert.are.equal("urn:altinn:resource:app_ttd_x", s.resourceFilter)
  end)

  it("asks for the scope after the addresses and before the resource", function()
    token = altinn:token { scopes = "altinn:correspondence.read" }
    assert.are.equal(400, (post { endPoint = "x" }))
    local status, _, _, text = post { resourceFilter = "no urn" }
    assert.are.same({ 403, "" }, { status, text })
    assert.are.equal(201, (post { resourceFilter = app, subjectFilter = "/party/1" }))
    token = altinn:token { scopes = "ALTINN:Events.Subscribe" }
    assert.are.equal(201, (post()))
  end)

  it("takes https anywhere, http only on loopback unless told otherwise", function()
    assert.are.equal(201, (post { endPoint = https }))
    altinn:control("POST", "/settings", { http_endpoints = "any" })
    assert.are.equal(201, (post { endPoint = "http://example.org/x" }))
    altinn:control("POST", "/settings", { http_endpoints = "none" })
    assert.are.equal(400, (post()))
    altinn:control("POST", "/settings", { http_endpoints = "loopback" })
    altinn:reset()
  end)

  it("answers 403 with a text when the policy says no", function()
    altinn:control("POST", "/world", { policy = { { consumer = "/organisation/111111111", action = "subscribe" } } })
    local status, _, _, text = post()
    assert.are.equal(403, status)
    assert.are.equal('"Not authorized to create a subscription for resource ' .. RESOURCE .. '."', text)
    token = altinn:token { scopes = "altinn:events.subscribe", orgNo = "111111111" }
    assert.are.equal(201, (post()))
  end)

  it("does not look at subject and type by itself, nor at members it does not know", function()
    token = altinn:token { scopes = "altinn:events.subscribe altinn:serviceowner", orgNo = "991825827" }
    local status, s = post { subjectFilter = "", typeFilter = " X ", consumer = "/org/evil", other = 1,
      alternativeSubjectFilter = "" }
    assert.are.equal(201, status)
    assert.are.same({ "", " X ", "/org/digdir" }, { s.subjectFilter, s.typeFilter, s.consumer })
    local _, folded = altinn:as(token, "POST", PATH, { ENDPOINT = https, resourcefilter = RESOURCE })
    assert.are.equal(https, folded.endPoint)
  end)

  it("wants a subject filter of everybody but the resource's owner: the caller's own party, or a unit of it", function()
    altinn:control("POST", "/world", { main_units = { ["222222222"] = "987654321" },
      owners = { ["skd-letters"] = "974761076" }, service_owners = { ["974761076"] = "skd" } })
    local owner = altinn:token { scopes = "altinn:events.subscribe altinn:serviceowner", orgNo = "991825827" }
    local customer = altinn:token { systemUserId = "6f9c", systemUserOrg = "111111111", orgNo = "974761076" }
    local function subject(number) return "urn:altinn:organization:identifier-no:" .. number end
    for index, row in ipairs {
      { token, 403, { subjectFilter = false } }, { token, 403, { subjectFilter = "" } }, { token, 201, {} },
      { token, 403, { subjectFilter = subject "111111111" } }, { token, 201, { subjectFilter = subject "222222222" } },
      { owner, 201, { subjectFilter = false } }, { owner, 201, { subjectFilter = subject "111111111" } },
      { owner, 403, { subjectFilter = false, resourceFilter = "urn:altinn:resource:skd-letters" } },
      { customer, 201, { subjectFilter = subject "111111111" } },
      { customer, 403, { subjectFilter = subject "974761076" } },
    } do
      token = row[1]
      local status, _, headers, text = post(row[3])
      assert.are.equal(row[2], status, "row " .. index)
      if status == 403 then
        assert.are.equal(('"Not authorized to create a subscription for resource %s."'):format(row[3].resourceFilter
          or RESOURCE), text)
        assert.are.equal("application/json; charset=utf-8", headers["content-type"])
      end
    end
    -- The log says why; Altinn does not.
    assert.is_truthy(process.wait(30, function()
      return altinn:log():find("a subjectFilter is required of everybody who is not the resource's owner", 1, true)
    end))
  end)

  it("writes an endpoint as .NET does", function()
    for given, written in pairs {
      ["HTTPS://Hooks.Example.NO:443"] = "https://hooks.example.no/",
      ["https://x.no/brev/å?a=ø"] = "https://x.no/brev/%C3%A5?a=%C3%B8",
      ["https://x.no/a/../b/./c"] = "https://x.no/b/c", ["https://x.no/%c3%a5%zz"] = "https://x.no/%c3%a5%25zz",
      ['https://x.no/{a}|"<b>"'] = "https://x.no/%7Ba%7D%7C%22%3Cb%3E%22", ["https://x.no?a=b"] = "https://x.no/?a=b",
    } do
      assert.are.equal(written, select(2, post { endPoint = given }).endPoint)
    end
  end)

  it("finds the one that is the same, and validates it again", function()
    local _, first = post()
    altinn:advance()
    local status, again = post()
    assert.are.equal(201, status)
    assert.are.equal(first.id, again.id)
    assert.is_true(again.validated)
    local _, other = post { endPoint = endpoint.url .. "/hook?code=2" }
    assert.are_not.equal(first.id, other.id)
    altinn:advance()
    assert.are.equal(3, #altinn:deliveries { type = "validatesubscription" })
  end)

  it("belongs to whom the token says: service owner, user, system user, organisation", function()
    altinn:control("POST", "/world", { service_owners = { ["123456789"] = "skd" } })
    altinn:control("POST", "/world", { policy = { {} } })   -- everything
    local rows = {
      { { scopes = "altinn:events.subscribe altinn:serviceowner", orgNo = "123456789" }, "/org/skd" },
      { { scopes = "altinn:events.subscribe", orgNo = "123456789" }, "/organisation/123456789" },
      { { userId = "1337", systemUserId = "u" }, "/user/1337" },
      { { systemUserId = "6f9c", systemUserOrg = "111111111" }, "/systemuser/6f9c" },
    }
    local ids, tokens = {}, {}
    for index, row in ipairs(rows) do
      tokens[index] = altinn:token(row[1])
      local status, s = altinn:as(tokens[index], "POST", PATH, body())
      assert.are.equal(201, status)
      assert.are.equal(row[2], s.consumer)
      ids[index] = s.id
    end
    for index in ipairs(rows) do
      local _, list = altinn:as(tokens[index], "GET", PATH)
      assert.are.equal(1, list.count)
      assert.are.equal(ids[index], list.subscriptions[1].id)
      local status, _, _, text = altinn:as(tokens[index], "GET", PATH .. "/" .. ids[index % #ids + 1])
      assert.are.same({ 403, "" }, { status, text })
      assert.are.equal(403, (altinn:as(tokens[index], "DELETE", PATH .. "/" .. ids[index % #ids + 1])))
    end
  end)

  it("lists, shows and deletes the caller's own", function()
    local status, _, _, text = altinn:as(token, "GET", PATH)
    assert.are.equal(200, status)
    assert.are.equal('{"count":0,"subscriptions":[]}', text)
    local _, s = post()
    altinn:advance()
    s.validated = true
    local list = select(2, altinn:as(token, "GET", PATH))
    assert.are.same({ count = 1, subscriptions = { s } }, list)
    local shown
    status, shown = altinn:as(token, "GET", PATH .. "/" .. s.id)
    assert.are.same({ 200, s }, { status, shown })
    status, _, _, text = altinn:as(token, "DELETE", PATH .. "/" .. s.id)
    assert.are.same({ 200, "" }, { status, text })
    status, _, _, text = altinn:as(token, "DELETE", PATH .. "/" .. s.id)
    assert.are.same({ 404, "" }, { status, text })
    assert.are.equal(404, (altinn:as(token, "GET", PATH .. "/99")))
    for _, id in ipairs { "abc", "2147483648", "-2147483649", "99999999999999999999", "1.5" } do
      for _, method in ipairs { "GET", "DELETE" } do
        assert.are.equal(400, (altinn:as(token, method, PATH .. "/" .. id)), id)
      end
    end
    assert.are.equal(404, (altinn:as(token, "GET", PATH .. "/-1")))
    assert.are.equal(401, (altinn:call("GET", PATH .. "/abc")))
    assert.are.equal(405, (altinn:as(token, "PUT", PATH .. "/" .. s.id)))
  end)

  it("is set valid by Altinn's own components", function()
    local _, s = post { endPoint = https }
    assert.are.equal(401, (altinn:as(token, "PUT", PATH .. "/validate/" .. s.id)))
    assert.is_false(select(2, altinn:as(token, "GET", PATH .. "/" .. s.id)).validated)
    local platform = { PlatformAccessToken = "x" }
    local status, before = altinn:call("PUT", PATH .. "/validate/" .. s.id, nil, platform)
    assert.are.same({ 200, s }, { status, before })
    assert.are.equal(404, (altinn:call("PUT", PATH .. "/validate/99", nil, platform)))
    assert.are.equal(400, (altinn:call("PUT", PATH .. "/validate/x", nil, platform)))
    assert.is_true(select(2, altinn:as(token, "GET", PATH .. "/" .. s.id)).validated)
  end)
end)
