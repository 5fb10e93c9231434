-- The emulator's subscriptions API: the order of its checks, its texts, its answers.
local emulator = require "spec.support.emulator"
local target = require "spec.support.target"

local PATH = "/events/api/v1/subscriptions"
local RESOURCE = "urn:altinn:resource:acme-letters"

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
    token = altinn:token { scopes = "altinn:events.subscribe" }
  end)

  local function body(changes)
    local values = { endPoint = endpoint.url .. "/hook", resourceFilter = RESOURCE }
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
    assert.are.equal(415, (post(nil, { ["Content-Type"] = "text/plain" })))
    local json = { ["Content-Type"] = "application/json" }
    for _, text in ipairs { "{", "[]", "1", "", '{"endPoint":1}', '{"includeSubunits":"yes"}' } do
      local status, problem, headers = altinn:as(token, "POST", PATH, text, json)
      assert.are.equal(400, status, text)
      assert.is_truthy(headers["content-type"]:find("application/problem+json", 1, true))
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
    { { endPoint = "ftp://127.0.0.1/x" }, "Missing or invalid endpoint to push events towards" },
    { { sourceFilter = "http://x/", resourceFilter = "no urn" },
      "SourceFilter must be an absolute URL with the https scheme." },
    { { resourceFilter = "no urn" }, "Resource filter must be a valid urn" },
    { { resourceFilter = "urn:altinn:resource:Acme" }, "Resource filter must be a valid urn" },
    { { resourceFilter = "urn:altinn:resource:" }, "Resource filter must be a valid urn" },
    { { resourceFilter = false, sourceFilter = "https://x/" }, "Resource filter is required." },
    { { sourceFilter = "https://x/", alternativeSubjectFilter = "/org/1" },
      "Source filter is not supported for subscriptions on this resource." },
    { { alternativeSubjectFilter = "/org/1", includeSubunits = true },
      "AlternativeSubject filter is not supported for subscriptions on this resource." },
    { { includeSubunits = true }, "IncludeSubunits requires a subject filter." },
    { { resourceFilter = app }, "A valid subject to the authenticated identity is required" },
    { { resourceFilter = app, alternativeSubjectFilter = "/x/1" },
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
    altinn:control("POST", "/world", { policy = { { decision = true } } })
  end)

  it("does not look at subject and type, nor at members it does not know", function()
    local status, s = post { subjectFilter = "", typeFilter = " X ", consumer = "/org/evil", other = 1 }
    assert.are.equal(201, status)
    assert.are.same({ "", " X ", "/organisation/987654321" }, { s.subjectFilter, s.typeFilter, s.consumer })
    local _, folded = altinn:as(token, "POST", PATH, { ENDPOINT = https, resourcefilter = RESOURCE })
    assert.are.equal(https, folded.endPoint)
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
    assert.are.equal(400, (altinn:as(token, "GET", PATH .. "/abc")))
    assert.are.equal(401, (altinn:call("GET", PATH .. "/abc")))
    assert.are.equal(405, (altinn:as(token, "PUT", PATH .. "/" .. s.id)))
  end)

  it("is set valid by Altinn's own components", function()
    local _, s = post { endPoint = https }
    assert.are.equal(401, (altinn:as(token, "PUT", PATH .. "/validate/" .. s.id)))
    assert.is_false(select(2, altinn:as(token, "GET", PATH .. "/" .. s.id)).validated)
    assert.are.equal(200, (altinn:call("PUT", PATH .. "/validate/" .. s.id, nil, { PlatformAccessToken = "x" })))
    assert.is_true(select(2, altinn:as(token, "GET", PATH .. "/" .. s.id)).validated)
  end)
end)
