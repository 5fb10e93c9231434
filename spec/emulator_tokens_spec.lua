-- The emulator's tokens: the grant's checks, what is answered, the exchange.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local process = require "spec.support.process"
local wire = require "altinn.events.emulator.wire"

local GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
local FORM = { ["Content-Type"] = "application/x-www-form-urlencoded" }

local function part(value) return wire.base64url(cjson.encode(value)) end

local function with(values, changes)
  local all = {}
  for name, value in pairs(values) do all[name] = value end
  for name, value in pairs(changes or {}) do all[name] = value ~= false and value or nil end
  return all
end

local function claims_of(token)
  return cjson.decode((assert(wire.unbase64url(token:match("^[^.]+%.([^.]+)%.")))))
end

describe("the emulator's token endpoint", function()
  local altinn

  setup(function() altinn = emulator.start { arguments = { "--accept-any-grant" } } end)
  teardown(function() altinn:close() end)
  before_each(function() altinn:reset() end)

  local function claims(changes)
    local now = os.time()
    return with({ aud = altinn.base .. "/", iss = "my-client", scope = "altinn:events.subscribe", iat = now,
      exp = now + 60, jti = wire.uuid() }, changes)
  end

  local function header(changes) return with({ alg = "RS256", kid = "key-1" }, changes) end

  local function jwt(head, body) return part(head) .. "." .. part(body) .. "." .. wire.random_text(64) end

  local function post(assertion, form)
    local text = form or ("grant_type=%s&assertion=%s"):format(GRANT:gsub(":", "%%3A"), assertion)
    return altinn:call("POST", "/token", text, FORM)
  end

  local function grant_of(changes, head)
    return post(jwt(head or header(), claims(changes)))
  end

  it("answers with a token of ten minutes", function()
    local status, answer, headers = grant_of { scope = "a:b c:d" }
    assert.are.equal(200, status)
    assert.are.equal("application/json; charset=utf-8", headers["content-type"])
    assert.are.same({ "Bearer", 599, "a:b c:d" }, { answer.token_type, answer.expires_in, answer.scope })
    local got = claims_of(answer.access_token)
    assert.are.equal(altinn.base .. "/", got.iss)
    assert.are.same({ authority = "iso6523-actorid-upis", ID = "0192:987654321" }, got.consumer)
    assert.are.equal("my-client", got.client_id)
    assert.is_true(got.exp - os.time() > 590)
  end)

  local function refused(text, error, status, answer)
    assert.are.equal(400, status)
    assert.are.equal(error, answer.error)
    assert.is_truthy(answer.error_description:find(text, 1, true), answer.error_description)
  end

  it("wants the form", function()
    refused("grant_type must be", "unsupported_grant_type", post(nil, "assertion=x"))
    refused("grant_type must be", "unsupported_grant_type", post(nil, "grant_type=client_credentials"))
    refused("assertion is missing", "invalid_request", post(nil, "grant_type=" .. GRANT))
    refused("Content-Type must be", "invalid_request", altinn:call("POST", "/token", { grant_type = GRANT }))
    refused("three parts", "invalid_grant", post("a.b"))
    refused("no JSON", "invalid_grant", post("e30.x.y"))
  end)

  it("checks the header", function()
    for _, head in ipairs { { alg = "ES256" }, { alg = "none" }, { alg = false } } do
      refused("alg must be", "invalid_grant", grant_of(nil, header(head)))
    end
    refused("one of kid and x5c", "invalid_grant", grant_of(nil, header { kid = false }))
    refused("one of kid and x5c", "invalid_grant", grant_of(nil, header { x5c = { "MII" } }))
    refused("x5c must be a list", "invalid_grant", grant_of(nil, header { kid = false, x5c = "MII" }))
    assert.are.equal(200, (grant_of(nil, header { alg = "RS384", typ = "JWT" })))
    assert.are.equal(200, (grant_of(nil, header { alg = "RS512", kid = false, x5c = { "MII" } })))
  end)

  it("checks the claims", function()
    local now = os.time()
    local rows = {
      { { sub = "x" }, "unknown claim sub" }, { { nbf = now }, "unknown claim nbf" },
      { { iss = false }, "iss is missing" }, { { scope = false }, "scope is missing" },
      { { scope = "" }, "scope is missing" }, { { jti = 5 }, "jti must be a text" },
      { { aud = altinn.base .. "/token" }, "aud must be '" .. altinn.base .. "/'" },
      { { aud = altinn.base }, "aud must be" },
      { { aud = { altinn.base .. "/", "other" } }, "aud must be" },
      { { iat = now + 15, exp = now + 60 }, "Issue time is in the future: iat by" },
      { { exp = now + 185, iat = now }, "JWT has too long lifetime: exp is more than 180 seconds after iat" },
      { { exp = now - 15, iat = now - 60 }, "JWT has expired: exp was" },
      { { iat = "x" }, "must be numbers" }, { { exp = false }, "must be numbers" },
    }
    for _, row in ipairs(rows) do refused(row[2], "invalid_grant", grant_of(row[1])) end
    assert.are.equal(200, (grant_of { jti = false, resource = { "a" }, consumer_org = "123456789", exp = now + 120 }))
  end)

  it("lets a clock be wrong as Maskinporten does: 10 s ahead, or behind until 10 s after the end", function()
    local now = os.time()
    for _, row in ipairs { { now + 8, now + 68 }, { now - 60, now + 60 }, { now - 120, now - 5 },
      { now - 175, now + 5 } } do
      assert.are.equal(200, (grant_of { iat = row[1], exp = row[2] }))
    end
  end)

  it("takes a jti once", function()
    local assertion = jwt(header(), claims())
    assert.are.equal(200, (post(assertion)))
    refused("MP-012", "invalid_grant", post(assertion))
  end)

  it("sees the other clock wrong when its own is, and dates its answers so", function()
    altinn:control("POST", "/settings", { skew = 3600 })
    local status, answer, headers = grant_of()
    altinn:control("POST", "/settings", { skew = 0 })
    refused("JWT has expired: exp was 35", "invalid_grant", status, answer)
    local hour = tonumber(headers.date:match("(%d%d):%d%d:%d%d GMT$"))
    assert.are.equal((tonumber(os.date("!%H")) + 1) % 24, hour)
  end)

  it("knows system users", function()
    local detail = { type = "urn:altinn:systemuser", externalRef = "ref",
      systemuser_org = { authority = "iso6523-actorid-upis", ID = "0192:111111111" } }
    local _, answer = grant_of { authorization_details = { detail } }
    local got = claims_of(answer.access_token).authorization_details[1]
    assert.are.same({ "urn:altinn:systemuser", "0192:111111111" }, { got.type, got.systemuser_org.ID })
    assert.is_truthy(got.system_id)
    local id = got.systemuser_id[1]
    _, answer = grant_of { authorization_details = { detail } }
    assert.are.equal(id, claims_of(answer.access_token).authorization_details[1].systemuser_id[1])
    altinn:control("POST", "/world", { system_users = { ["222222222"] = false } })
    detail.systemuser_org.ID, detail.externalRef = "0192:222222222", nil
    refused("MP-303", "invalid_altinn_customer_configuration", grant_of { authorization_details = { detail } })
    refused("MP-302", "invalid_grant", grant_of { authorization_details = { { type = "other" } } })
  end)

  it("refuses a grant for one scope that the client lacks", function()
    altinn:control("POST", "/world", { clients = { limited = { organisation = "111111111", scopes = { "a:b" } } } })
    assert.are.equal(200, (grant_of { iss = "limited", scope = "a:b" }))
    refused("does not have the scope c:d", "invalid_scope", grant_of { iss = "limited", scope = "a:b c:d" })
  end)

  describe("exchange", function()
    local PATH = "/authentication/api/v1/exchange/maskinporten"

    local function maskinporten(changes)
      local _, answer = grant_of(changes)
      return answer.access_token
    end

    it("gives plain text, or a JSON string when that is wanted", function()
      local status, text, headers = altinn:as(maskinporten(), "GET", PATH)
      assert.are.equal(200, status)
      assert.are.equal("text/plain; charset=utf-8", headers["content-type"])
      assert.is_truthy(text:find("^[%w_-]+%.[%w_-]+%.[%w_-]+$"))
      local _, value, _, quoted = altinn:as(maskinporten(), "GET", PATH, nil, { Accept = "application/json" })
      assert.are.equal('"' .. value .. '"', quoted)
    end)

    it("keeps some claims, drops some, adds some", function()
      local _, text = altinn:as(maskinporten { scope = "altinn:events.subscribe x:y" }, "GET", PATH)
      local got = claims_of(text)
      assert.are.equal("altinn:events.subscribe x:y", got.scope)
      assert.are.equal("0192:987654321", got.consumer.ID)
      assert.are.equal("my-client", got.client_id)
      assert.is_nil(got.aud)
      assert.is_nil(got.client_amr)
      assert.are.equal("987654321", got["urn:altinn:orgNumber"])
      assert.are.equal("maskinporten", got["urn:altinn:authenticatemethod"])
      assert.are.equal(3, got["urn:altinn:authlevel"])
      assert.are.equal(altinn.base .. "/authentication/api/v1/openid/", got.iss)
      assert.is_nil(got["urn:altinn:org"])
      assert.is_true(math.abs(got.exp - os.time() - 1800) <= 2)
    end)

    it("names the service owner only with its scope; test=true makes Digdir ttd", function()
      local digdir = { consumer_org = "991825827", scope = "altinn:serviceowner" }
      local _, text = altinn:as(maskinporten(digdir), "GET", PATH)
      assert.are.equal("digdir", claims_of(text)["urn:altinn:org"])
      _, text = altinn:as(maskinporten(digdir), "GET", PATH .. "?test=true")
      assert.are.equal("ttd", claims_of(text)["urn:altinn:org"])
      digdir.scope = "altinn:events.subscribe"
      _, text = altinn:as(maskinporten(digdir), "GET", PATH)
      assert.is_nil(claims_of(text)["urn:altinn:org"])
    end)

    it("refuses: no header 400, the old enterprise user 410, a wrong or expired token 401", function()
      assert.are.equal(400, (altinn:call("GET", PATH)))
      assert.are.equal(410, (altinn:as(maskinporten(), "GET", PATH, nil,
        { ["X-Altinn-EnterpriseUser-Authentication"] = "x" })))
      assert.are.equal(401, (altinn:as("a.b.c", "GET", PATH)))
      assert.are.equal(401, (altinn:as(altinn:token(), "GET", PATH)))
      local token = maskinporten()
      altinn:control("DELETE", "/tokens")
      assert.are.equal(401, (altinn:as(token, "GET", PATH)))
    end)
  end)
end)

describe("the emulator's trust in grants", function()
  local altinn, folder

  setup(function()
    folder = process.folder()
    assert(os.execute(("openssl genrsa -out %s/key.pem 2048 2>/dev/null"):format(folder)))
    assert(os.execute(("openssl rsa -in %s/key.pem -pubout -out %s/public.pem 2>/dev/null"):format(folder, folder)))
    altinn = emulator.start { arguments = { "--client", "registered=" .. folder .. "/public.pem" } }
  end)
  teardown(function()
    altinn:close()
    process.remove(folder)
  end)

  local function signed(iss, spoil)
    local now = os.time()
    local text = part { alg = "RS256", kid = "k" } .. "." .. part { aud = altinn.base .. "/", iss = iss,
      scope = "altinn:events.subscribe", iat = now, exp = now + 60, jti = wire.uuid() }
    process.write(folder .. "/text", text)
    assert(os.execute(("cd %s && openssl dgst -sha256 -sign key.pem -out signature text"):format(folder)))
    local signature = process.read(folder .. "/signature")
    if spoil then signature = string.char(signature:byte(1) ~ 1) .. signature:sub(2) end
    return altinn:call("POST", "/token", ("grant_type=%s&assertion=%s.%s"):format(GRANT, text,
      wire.base64url(signature)), FORM)
  end

  it("is not given to clients that nobody registered", function()
    local status, answer = signed "stranger"
    assert.are.equal(401, status)
    assert.are.equal("invalid_client", answer.error)
    assert.is_truthy(answer.error_description:find("--accept-any-grant", 1, true))
  end)

  it("is not given to a signature that is wrong, or that cannot be verified", function()
    local status, answer = signed("registered", true)
    assert.are.equal(400, status)
    assert.are.equal("invalid_grant", answer.error)
    assert.is_truthy(answer.error_description:find("signature is not right", 1, true))
  end)

  it("is given to the registered key's signature", function()
    local status, answer = signed "registered"
    assert.are.equal(200, status, answer.error_description)
  end)
end)
