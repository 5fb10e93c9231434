-- events.maskinporten over real libcurl against a token server; openssl verifies the grants.
local cjson = require "cjson"
local curl = require "altinn.events.curl"
local events = require "altinn.events"
local grant = require "altinn.events.grant"
local json = require "altinn.events.support.json"
local process = require "spec.support.process"
local script = require "spec.support.script"
local socket = require "socket"
local tls = require "spec.support.tls"
local tokens = require "spec.support.tokens"

local options_for, source_for, seen = tokens.options_for, tokens.source_for, tokens.seen
local numbers, assertion_of, grant_of = tokens.numbers, tokens.assertion_of, tokens.grant_of
local harmless, fails = tokens.harmless, tokens.fails

setup(tokens.start)
teardown(tokens.stop)
before_each(function() tokens.offset = 0 end)

describe("the grant", function()
  it("goes out as a form, with exactly the claims that are allowed", function()
    local source, requests = source_for()
    assert(source())
    local request = requests()[1]
    assert.are.equal("POST", request.method)
    assert.are.equal("application/x-www-form-urlencoded", request.headers["content-type"])
    local claims, header = grant_of(request)
    assert.are.same({ alg = "RS256", typ = "JWT", kid = "key-1" }, header)
    local names = {}
    for name in pairs(claims) do names[#names + 1] = name end
    table.sort(names)
    assert.are.same({ "aud", "exp", "iat", "iss", "jti", "scope" }, names)
    assert.is_truthy(claims.aud:find("^http://127.-/$"))
    assert.are.equal("client-1", claims.iss)
    assert.are.equal("altinn:events.subscribe", claims.scope)
    assert.is_true(claims.exp - claims.iat <= 120 and claims.exp > claims.iat)
    assert.is_true(math.abs(claims.iat - os.time()) <= 2)
    assert.is_truthy(claims.jti:find("^%x+%-%x+%-4%x+%-%x+%-%x+$"))
  end)

  it("has whole numbers in JSON", function()
    local source, requests = source_for()
    assert(source())
    local _, claims = grant.inspect(assertion_of(requests()[1]))
    assert.is_truthy(claims:find('"iat":%d+[,}]'), claims)
    assert.is_truthy(claims:find('"exp":%d+[,}]'), claims)
  end)

  it("verifies with openssl, for each algorithm", function()
    for _, algorithm in ipairs { "RS256", "RS384", "RS512" } do
      local source, requests = source_for("", { algorithm = algorithm })
      assert(source())
      local _, header = grant_of(requests()[1])
      assert.are.equal(algorithm, header.alg)
    end
  end)

  it("carries the certificate instead of a kid", function()
    local source, requests = source_for("",
      { key_file = tokens.folder .. "/key.p12", passphrase = tokens.PASSPHRASE, kid = json })
    assert(source())
    local _, header = grant_of(requests()[1])
    assert.is_nil(header.kid)
    assert.are.equal(1, #header.x5c)
  end)

  it("names a system user, and the other claims when they are asked for", function()
    local source, requests = source_for("", {
      system_user = { organisation = "987654321", reference = "r 1" }, resource = "https://a.example",
      consumer_org = "910000000", scopes = { "a:b", "c", "a:b" },
    })
    assert(source())
    local claims = grant_of(requests()[1])
    assert.are.same({
      { type = "urn:altinn:systemuser", externalRef = "r 1",
        systemuser_org = { authority = "iso6523-actorid-upis", ID = "0192:987654321" } },
    }, claims.authorization_details)
    assert.are.same({ "https://a.example" }, claims.resource)
    assert.are.equal("910000000", claims.consumer_org)
    assert.are.equal("a:b c", claims.scope)
  end)

  it("is a new one each time", function()
    local source, requests = source_for("lifetime=1,life=1")
    assert(source())
    tokens.offset = 1
    assert(source())
    local list = requests()
    assert.are_not.equal(grant_of(list[1]).jti, grant_of(list[3]).jti)
  end)
end)

describe("the exchange", function()
  it("gets Maskinporten's token and gives Altinn's, plain or quoted", function()
    for _, form in ipairs { "plain", "quoted" } do
      local source, requests = source_for("exchange=" .. form)
      local token = assert(source())
      assert.is_nil(token:find('"', 1, true))
      assert.are.equal("altinn", source:claims().iss)
      local request = requests()[2]
      assert.are.equal("GET", request.method)
      assert.is_truthy(request.path:find("[^/]/authentication/api/v1/exchange/maskinporten$"))
      assert.are.equal("https://maskinporten.test/",
        cjson.decode((select(2, grant.inspect(request.headers.authorization:match("^Bearer (.+)$"))))).iss)
    end
  end)

  it("is left out on request", function()
    local source, requests = source_for("", { exchange = false, base_url = json })
    assert(source())
    assert.are.equal("https://maskinporten.test/", source:claims().iss)
    assert.are.same({ 1, 0 }, { numbers(requests()) })
  end)

  it("that refuses is named, with what to do", function()
    assert.is_truthy(fails("auth", "exchange", "exchange=401"):find("same environment", 1, true))
    fails("auth", "exchange", "exchange=400")
    fails("forbidden", "exchange", "exchange=403")
    assert.is_truthy(fails("not_found", "address", "exchange=404"):find("base_url", 1, true))
    fails("server", "server", "exchange=500")
    fails("throttled", "throttled", "exchange=429")
    assert.is_truthy(fails("server", "not_understood", "exchange=html"):find("HTML", 1, true))
    fails("server", "expired", "exchange=expired")
  end)
end)

describe("a refusal of Maskinporten", function()
  it("says what to do", function()
    for _, case in ipairs {
      { "client", "auth", "unknown_client", "client_id", "MP-100" },
      { "scope", "forbidden", "scope", "scope", "MP-200" },
      { "access", "forbidden", "scope_not_granted", "servicedesk@altinn.no", "MP-250" },
      { "key", "auth", "key_expired", "register it", "MP-121" }, { "reuse", "auth", "grant_reused", "jti", "MP-012" },
      { "clock", "auth", "clock", "clock", "MP-130" }, { "bare", "auth", "refused", "client_id", nil },
      { "system", "forbidden", "system_user", "the customer approves it", "MP-303" },
      { "claims", "auth", "grant", "line breaks", "MP-011" }, { "signature", "auth", "signature", "kid", "MP-124" },
      { "certificate", "auth", "certificate", "enterprise", "MP-120" },
      { "aud", "auth", "audience", "issuer", "MP-110" },
      { "number", "auth", "unknown_client", "client_id", "MP-100" },
      { "name", "auth", "unknown_client", "client_id", nil }, { "kid", "auth", "key_unknown", "kid", nil },
      { "delegation", "forbidden", "not_delegated", "customer", "MP-251" },
    } do
      local message, detail = fails(case[2], case[3], "error=" .. case[1])
      assert.is_truthy(message:find(case[4], 1, true), message)
      assert.are.equal(case[5], detail.number)
      assert.are.equal("c-1", detail.correlation)
      assert.is_truthy(message:find("Maskinporten refused the grant", 1, true), message)
    end
  end)

  it("names a wrong clock as such", function()
    for _, case in ipairs { { "95", "95 s behind" }, { "-300", "300 s ahead of" } } do
      for _, kind in ipairs { "clock", "bare" } do
        local message, detail = fails("auth", "clock", ("error=%s,date=%s"):format(kind, case[1]))
        assert.is_truthy(message:find("this machine's clock is " .. case[2] .. " Maskinporten's", 1, true)
          or message:find("this machine's clock is 9[46] s behind") or message:find("30[01] s ahead")
          or message:find("299 s ahead"), message)
        assert.is_true(math.abs(detail.skew - tonumber(case[1])) <= 2)
      end
    end
    local message = fails("auth", "unknown_client", "error=client,date=95")
    assert.is_truthy(message:find("also, this machine's clock is 9[456] s behind"), message)
    message = fails("auth", "clock", "error=clock,date=no")
    assert.is_nil(message:find("behind", 1, true))
  end)

  it("is remembered: nobody asks again at once", function()
    local _, _, source, requests = fails("auth", "unknown_client", "error=client")
    for _ = 1, 10 do
      local token, message, code, detail = source()
      assert.is_nil(token)
      assert.are.equal("auth", code)
      assert.are.equal("unknown_client", detail.reason)
      assert.is_true(detail.retry_after > 0 and detail.retry_after <= 10)
      harmless(message)
    end
    assert.are.equal(1, #requests())
    tokens.offset = 11
    source()
    assert.are.equal(2, #requests())
    tokens.offset = -100  -- a clock set back does not make it last
    source()
    assert.are.equal(3, #requests())
  end)
end)

describe("a failure", function()
  it("of the server is remembered for longer each time, and then forgotten", function()
    local source, requests = source_for("fail=3")
    local asked = 0
    for _, pause in ipairs { 1, 2, 4 } do
      assert.are.equal("server", (select(3, source())))
      asked = asked + 1
      tokens.offset = tokens.offset + pause * 0.8
      assert.are.equal("server", (select(3, source())))
      assert.are.equal(asked, #requests())
      tokens.offset = tokens.offset + pause * 0.3
    end
    assert(source())
  end)

  it("heeds Retry-After, to a limit", function()
    local _, _, source = fails("throttled", "throttled", "token=429,retry=60")
    assert.is_true((select(4, source())).retry_after > 55)
    _, _, source = fails("server", "server", "token=503,retry=86400")
    assert.is_true((select(4, source())).retry_after <= 300)
  end)

  it("by what the answer is has its sentence", function()
    assert.is_truthy(fails("server", "not_understood", "token=html"):find("HTML", 1, true))
    assert.is_truthy(fails("server", "not_understood", "token=cut"):find("cut off", 1, true))
    assert.is_truthy(fails("server", "not_understood", "token=empty"):find("empty", 1, true))
    assert.is_truthy(fails("server", "not_understood", "token=type"):find("without a token", 1, true))
    assert.is_truthy(fails("server", "not_understood", "token=lifeless"):find("lifetime", 1, true))
    assert.is_truthy(fails("server", "not_understood", "token=403"):find("403 with HTML", 1, true))
    assert.is_truthy(fails("not_found", "address", "token=404"):find("token_url", 1, true))
    fails("not_found", "address", "token=302")
    fails("server", "server", "token=500")
  end)

  it("by 100 MB is an answer: refused, whichever the transport", function()
    local from = collectgarbage("count")
    fails("too_large", "too_large", "token=large")
    assert.is_true(collectgarbage("count") - from < 10000)
    fails("too_large", "too_large", "", {
      transport = function() return { status = 200, headers = {}, body = ("x"):rep(2 ^ 20) } end,
    })
  end)

  it("of the network has its code", function()
    local token_url = ("http://127.0.0.1:%d/token"):format(process.free_port())
    assert.is_truthy(fails("network", "network", "", { token_url = token_url })
      :find("cannot be reached", 1, true))
    fails("timeout", "timeout", "wait=1.5", { timeout = 0.5 })
    fails("network", "network", "", { token_url = "https://name.invalid/token" })
  end)

  it("of TLS has its code", function()
    local other = tls.start()
    finally(function() other:close() end)
    assert.is_truthy(fails("tls", "tls", "", { token_url = other.url .. "token" })
      :find("cannot be trusted", 1, true))
  end)

  it("by time counts both requests together", function()
    local from = socket.gettime()
    fails("timeout", "timeout", "wait=0.4", { timeout = 0.6 })
    assert.is_true(socket.gettime() - from < 1)
  end)

  it("of a transport that says too much is cut", function()
    local secret = "eyJ" .. ("a"):rep(400)
    local message = fails("network", "network", "", {
      transport = function(request) return nil, request.body .. " " .. secret .. " 12057012345", "network" end,
    })
    assert.is_true(#message < 300)
    fails("auth", "refused", "", {
      transport = function(request)
        return { status = 400, headers = {}, body = cjson.encode { error = "invalid_grant",
          error_description = "no: " .. request.body:match("assertion=(.*)") .. "\r\n12057012345" } }
      end,
    })
  end)
end)

describe("events.maskinporten", function()
  it("says what is wrong with a key at once", function()
    local function wrong(code, more)
      local source, message, got, detail = events.maskinporten((options_for("", more)))
      assert.is_nil(source)
      assert.are.equal(code, got, message)
      assert.is_string(detail.reason)
      return harmless(message)
    end
    wrong("not_found", { key_file = tokens.folder .. "/none.pem" })
    wrong("auth", { key_file = tokens.folder .. "/key.p12", passphrase = tokens.PASSPHRASE .. "x" })
    wrong("auth", { key_file = tokens.folder .. "/key.p12" })
    wrong("syntax", { key_file = json, key = "hello" })
    wrong("invalid", { key_file = tokens.folder .. "/public.pem" })
    assert.is_truthy(wrong("invalid", { kid = json }):find("kid", 1, true))
  end)

  it("raises on misuse", function()
    local function raises(wanted, more)
      local ok, message = pcall(events.maskinporten, (options_for("", more)))
      assert.is_false(ok)
      assert.is_truthy(message:find(wanted, 1, true), message)
    end
    local ok, where = pcall(events.maskinporten, {})
    assert.is_false(ok)
    assert.is_truthy(where:find("client_id", 1, true))
    ok, where = pcall(function() local source = events.maskinporten {} return source end)
    assert.is_false(ok)
    assert.is_truthy(where:find("maskinporten_spec.lua:%d+:"), where)
    raises("unknown option 'client' of events.maskinporten (did you mean 'client_id'?)", { client = "x" })
    raises("'client_id' is missing", { client_id = json })
    raises("either 'key' or 'key_file'", { key = "x" })
    raises("either 'key' or 'key_file'", { key_file = json })
    raises("give 'kid' or 'certificate'", { certificate = "x" })
    raises("'scopes' is missing", { scopes = json })
    raises("'scopes' is empty", { scopes = {} })
    raises("'scopes' is empty", { scopes = " " })
    raises("'scopes' is a list", { scopes = { "a b" } })
    raises("'environment': there is no 'tt2' (did you mean 'tt02'?)", { environment = "tt2" })
    raises("'environment' is missing", { issuer = json })
    raises("'base_url' is missing", { base_url = json })
    raises("must begin with https://", { issuer = "http://maskinporten.no/" })
    raises("must begin with https://", { base_url = "http://platform.altinn.no" })
    raises("must begin with https://", { token_url = "http://127.0.0.1.example.com/token" })
    raises("no address", { token_url = "maskinporten.no/token" })
    raises("no address", { issuer = "https://user:word@maskinporten.no/" })
    raises("nine digits", { system_user = { organisation = "12057012345" } })
    raises("unknown member 'org'", { system_user = { org = "987654321" } })
    raises("RS256, RS384 or RS512", { algorithm = "HS256" })
    raises("'timeout'", { timeout = 0 })
    raises("must be a boolean", { exchange = "no" })
    raises("must be a function", { clock = 5 })
    assert.has_error(function() events.maskinporten() end)
    local source = source_for()
    for _, bad in ipairs { { scope = "x" }, { key = "x" }, { scopes = {} } } do
      assert.has_error(function() source:with(bad) end)
    end
  end)

  it("knows the environments", function()
    local asked = {}
    local function transport(request)
      asked[#asked + 1] = request
      if request.method == "GET" then return { status = 200, headers = {}, body = "token" } end
      return { status = 200, headers = {}, body = '{"access_token":"abc","expires_in":100}' }
    end
    for _, case in ipairs {
      { "production", "https://platform.altinn.no", "https://maskinporten.no/" },
      { "tt02", "https://platform.tt02.altinn.no", "https://test.maskinporten.no/" },
      { "at23", "https://platform.at23.altinn.cloud", "https://test.maskinporten.no/" },
      { "yt01", "https://platform.yt01.altinn.cloud", "https://test.maskinporten.no/" },
    } do
      asked = {}
      local source = assert(events.maskinporten(options_for("",
        { environment = case[1], base_url = json, issuer = json, transport = transport })))
      assert.are.equal("token", source())
      assert.are.equal(case[3] .. "token", asked[1].url)
      assert.are.equal(case[2] .. "/authentication/api/v1/exchange/maskinporten", asked[2].url)
      assert.are.equal(case[3], grant_of(asked[1]).aud)
      assert.are.equal("Bearer abc", asked[2].headers.Authorization)
      assert.is_true(asked[1].timeout > 0)
    end
  end)

  it("takes the token's address apart from the issuer", function()
    local options, place = options_for("")
    options.issuer, options.token_url = "https://maskinporten.example", tokens.other_url .. "/" .. place .. "/token"
    assert(assert(events.maskinporten(options))())
    assert.are.equal("https://maskinporten.example/", grant_of(seen(place)[1]).aud)
  end)

  it("prints, and shows its claims, without secrets", function()
    local source = source_for("", { client_id = "client-1" })
    assert.are.equal("altinn.events.maskinporten: client client-1, altinn:events.subscribe", tostring(source))
    local claims = source:claims()
    assert.are.equal("***********", claims.pid)
    assert.is_nil(next(source))  -- nothing to be dumped
  end)

  it("leaves neither descriptors nor memory behind", function()
    local multi = curl.new {}
    local source = assert(events.maskinporten(options_for("lifetime=1,life=1",
      { transport = function(request) return multi:perform(request) end })))
    local function descriptors()
      local list = assert(io.popen("ls /proc/" .. process.read("/proc/self/stat"):match("^%d+") .. "/fd | wc -l"))
      local number = tonumber(list:read("*a"))
      list:close()
      return number
    end
    for _ = 1, 5 do
      tokens.offset = tokens.offset + 2
      assert(source())
    end
    collectgarbage()
    local before, memory = descriptors(), collectgarbage("count")
    for _ = 1, 40 do
      tokens.offset = tokens.offset + 2
      assert(source())
    end
    collectgarbage()
    assert.is_true(descriptors() <= before + 1)
    assert.is_true(collectgarbage("count") < memory + 200)
    multi:close()
  end)
end)

describe("a client without a token", function()
  local altinn

  setup(function() altinn = script.start() end)
  teardown(function() altinn:close() end)

  -- A client of that Altinn, with a source of its own.
  local function client_for(words, timeout)
    altinn:always(200, '{"subscriptions":[]}')
    local options = tokens.options_for(words)
    return events.client { base_url = altinn.url, token = assert(events.maskinporten(options)), timeout = timeout }
  end

  it("asks again when Maskinporten is out of order for a moment", function()
    assert.are.same({}, client_for("fail=1", 10):subscriptions())
    assert.are.same({}, client_for("fail=1,retry=1", 10):subscriptions())
  end)

  it("keeps within the time of the call", function()
    local from = socket.gettime()
    local ok, _, code = client_for("wait=5", 1):subscriptions()
    assert.are.same({ nil, "timeout" }, { ok, code })
    assert(socket.gettime() - from < 4)
  end)
end)
