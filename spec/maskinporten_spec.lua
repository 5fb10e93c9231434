-- events.maskinporten over real libcurl against a token server; openssl verifies the grants.
local cjson = require "cjson"
local curl = require "altinn.events.curl"
local events = require "altinn.events"
local grant = require "altinn.events.grant"
local json = require "altinn.events.json"
local process = require "spec.support.process"
local socket = require "socket"
local tls = require "spec.support.tls"

local PASSPHRASE = "hemmelig passord 1"
local folder, server, url, other_url
local offset = 0  -- of the clock that the sources see, seconds

local function clock() return socket.gettime() + offset end

local function openssl(arguments)
  local pipe = assert(io.popen(("cd %s && openssl %s 2>&1"):format(folder, arguments)))
  local text = pipe:read("*a")
  assert(pipe:close(), text)
  return text
end

setup(function()
  folder = process.folder()
  openssl "genrsa -out rsa.pem 2048"
  openssl "rsa -in rsa.pem -pubout -out public.pem"
  openssl "req -x509 -key rsa.pem -subj /CN=Leaf -days 3 -out leaf.pem"
  openssl("pkcs12 -export -inkey rsa.pem -in leaf.pem -passout 'pass:" .. PASSPHRASE .. "' -out key.p12")
  local port
  server, port = process.serve(folder, "tokens", "lua5.4 spec/support/token_server.lua")
  url = "http://127.0.0.1:" .. port
  other_url = "http://localhost:" .. port
end)

teardown(function()
  server:stop()
  process.remove(folder)
end)

before_each(function() offset = 0 end)

local count = 0

-- Options against the server, whose behaviour `words` say; and what it saw.
local function options_for(words, more)
  count = count + 1
  local place = ("name=%d%s"):format(count, words and words ~= "" and "," .. words or "")
  local options = {
    client_id = "client-1", key_file = folder .. "/rsa.pem", kid = "key-1", scopes = "altinn:events.subscribe",
    issuer = url .. "/" .. place, base_url = url .. "/" .. place .. "/", clock = clock, timeout = 5,
  }
  for name, value in pairs(more or {}) do
    if value == json then options[name] = nil else options[name] = value end
  end
  return options, place
end

local function seen(place)
  local multi = curl.new {}
  local reply = assert(multi:perform { url = url .. "/seen/" .. place })
  multi:close()
  return cjson.decode(reply.body).requests
end

local function source_for(words, more)
  local options, place = options_for(words, more)
  return assert(events.maskinporten(options)), function() return seen(place) end
end

-- How often the token endpoint was asked, and the exchange.
local function numbers(requests)
  local tokens, exchanges = 0, 0
  for _, request in ipairs(requests) do
    if request.path:find("/token$") then tokens = tokens + 1 else exchanges = exchanges + 1 end
  end
  return tokens, exchanges
end

local function assertion_of(request)
  return request.body:match("^grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant%-type%%3Ajwt%-bearer&assertion=(.+)$")
end

-- The claims of the grant of a request, which openssl's key verifies.
local function grant_of(request)
  local header, claims = assert(grant.verify(assertion_of(request), process.read(folder .. "/public.pem")))
  return cjson.decode(claims), cjson.decode(header)
end

-- No message may hold anything that is secret.
local function harmless(message)
  assert.is_string(message)
  assert.is_true(#message > 10 and #message < 600, message)
  assert.is_nil(message:find(PASSPHRASE, 1, true))
  assert.is_nil(message:find("eyJ", 1, true), message)
  assert.is_nil(message:find("MII", 1, true), message)
  assert.is_nil(message:find("12057012345", 1, true), message)
  return message
end

local function fails(code, reason, words, more)
  local source, requests = source_for(words, more)
  local token, message, got, detail = source()
  assert.is_nil(token)
  assert.are.equal(code, got, message)
  assert.are.equal(reason, detail.reason, message)
  harmless(cjson.encode(detail))
  return harmless(message), detail, source, requests
end

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
    local source, requests = source_for("", { key_file = folder .. "/key.p12", passphrase = PASSPHRASE, kid = json })
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
    offset = 1
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

describe("the cache", function()
  it("gives the same token until shortly before its end", function()
    local source, requests = source_for()
    local token = assert(source())
    for _ = 1, 100 do assert.are.equal(token, source()) end
    offset = 1800 * 0.8 - 10
    assert.are.equal(token, source())
    assert.are.same({ 1, 1 }, { numbers(requests()) })
    offset = 1800 * 0.8 + 1
    assert.are_not.equal(token, source())
    assert.are.same({ 2, 2 }, { numbers(requests()) })
  end)

  it("goes by expires_in when the token is Maskinporten's own", function()
    local source, requests = source_for("lifetime=100", { exchange = false, base_url = json })
    local token = assert(source())
    local ends, renewed = source:expiry()
    assert.is_true(math.abs(ends - clock() - 95) < 2)
    assert.is_true(math.abs(renewed - clock() - 70) < 2)
    offset = 65
    assert.are.equal(token, source())
    offset = 75
    assert.are_not.equal(token, source())
    assert.are.equal(2, #requests())
  end)

  it("goes by the JWT's exp without expires_in", function()
    local source = source_for("lifetime=no", { exchange = false, base_url = json })
    assert(source())
    assert.is_true(math.abs(source:expiry() - clock() - 115) < 2)
  end)

  it("counts a lifetime by the server's clock when this machine's is wrong", function()
    for _, words in ipairs { "life=600", "life=600,exchange=noiat" } do
      offset = -7200
      local source = source_for(words)
      assert(source())
      assert.is_true(math.abs(source:expiry() - clock() - 595) < 3, words)
      assert.is_true(math.abs(source:skew() - 7200) < 3)
    end
  end)

  it("takes an opaque token for as long as Maskinporten's", function()
    local source = source_for("exchange=opaque,lifetime=200")
    assert.are.equal("an-opaque-token", source())
    assert.is_true(math.abs(source:expiry() - clock() - 195) < 2)
    local claims, message, code = source:claims()
    assert.is_nil(claims)
    assert.are.equal("unsupported", code)
    harmless(message)
  end)

  it("does not live in a clock that was set back", function()
    local source, requests = source_for()
    assert(source())
    offset = -3600
    assert(source())
    assert.are.equal(4, #requests())
  end)

  it("gives the old token while it lives when renewing fails", function()
    local failing, asked = false, 0
    local multi = curl.new {}
    local options, place = options_for("", {
      transport = function(request)
        asked = asked + 1
        if failing then return nil, "no route", "network" end
        return multi:perform(request)
      end,
    })
    local source = assert(events.maskinporten(options))
    local token = assert(source())
    failing, offset = true, 1800 * 0.8 + 5
    assert.are.equal(token, source())
    assert.are.equal(3, asked)
    assert.are.equal(token, source())  -- and it is not tried again at once
    assert.are.equal(3, asked)
    offset = 1801
    local none, _, code = source()
    assert.is_nil(none)
    assert.are.equal("network", code)
    failing, offset = false, 1900
    assert(source())
    multi:close()
    assert.are.equal(4, #seen(place))
  end)

  it("keeps tokens apart by scopes and customer, and shares equal ones", function()
    local source, requests = source_for("", { scopes = "a b" })
    local token = assert(source())
    local read = source:with { scopes = { "c" } }
    local customer = source:with { system_user = { organisation = "987654321" } }
    local other = source:with { system_user = { organisation = "987654322" } }
    local list = { token, assert(read()), assert(customer()), assert(other()) }
    for i = 1, 4 do
      for j = 1, i - 1 do assert.are_not.equal(list[i], list[j]) end
    end
    assert.are.same({ 4, 4 }, { numbers(requests()) })
    assert.are.equal(token, source:with { scopes = "b a" }())
    assert.are.equal(list[2], read:with { scopes = "c" }())
    assert.are.equal(token, customer:with { system_user = false }())
    assert.are.same({ 4, 4 }, { numbers(requests()) })
    local raw = source:with { exchange = false }
    assert(raw())
    assert.are.same({ 5, 4 }, { numbers(requests()) })
  end)
end)

describe("a token that was refused", function()
  it("is replaced once, not again and again", function()
    local source, requests = source_for()
    local first = assert(source())
    assert.is_true(source:refused(first))
    local second = assert(source())
    assert.are_not.equal(first, second)
    assert.is_true(source:refused(first))  -- somebody else, still with the old one
    assert.are.equal(second, source())
    for _ = 1, 10 do
      assert.is_false(source:refused(second))
      assert.are.equal(second, source())
    end
    assert.are.same({ 2, 2 }, { numbers(requests()) })
    offset = 61
    assert.is_true(source:refused(second))
    assert(source())
    assert.are.same({ 3, 3 }, { numbers(requests()) })
  end)

  it("is kept when the answer says that no token would help", function()
    local source, requests = source_for()
    local token = assert(source())
    for _, code in ipairs { 4001, "4006", "CORR-04007", 4001.0 } do assert.is_false(source:refused(token, code)) end
    assert.are.equal(token, source())
    assert.are.equal(2, #requests())
    assert.is_true(source:refused(token, 4002))
  end)
end)

describe("many at once", function()
  -- Coroutines over one curl multi: what yields a number waits for that transfer, what yields nothing goes on.
  local function run(bodies)
    local multi, ready, transfers = curl.new {}, {}, {}
    local function transport(request)
      local reply = coroutine.yield(multi:add(request))
      if reply.error then return nil, reply.error, reply.code end
      return reply
    end
    for i, body in ipairs(bodies) do ready[i] = { coroutine.create(body), transport } end
    local deadline = socket.gettime() + 10
    while #ready > 0 or next(transfers) do
      assert(socket.gettime() < deadline, "not finished in time")
      local now = ready
      ready = {}
      for _, one in ipairs(now) do
        local ok, id = coroutine.resume(one[1], one[2])
        assert(ok, id)
        if id then transfers[id] = one[1]
        elseif coroutine.status(one[1]) == "suspended" then ready[#ready + 1] = { one[1] } end
      end
      for _, reply in ipairs(multi:step(0.01)) do
        ready[#ready + 1] = { transfers[reply.id], reply }
        transfers[reply.id] = nil
      end
    end
    multi:close()
  end

  local current
  local function yielding(request) return current(request) end

  it("fetch once and all get the token", function()
    local source, requests = source_for("wait=0.1", { transport = yielding })
    local got, bodies = {}, {}
    for i = 1, 20 do
      bodies[i] = function(transport)
        current = transport
        got[i] = assert(source())
      end
    end
    run(bodies)
    assert.are.equal(20, #got)
    for i = 2, 20 do assert.are.equal(got[1], got[i]) end
    assert.are.same({ 1, 1 }, { numbers(requests()) })
  end)

  it("fail once and all get the reason", function()
    local source, requests = source_for("wait=0.1,error=client", { transport = yielding })
    local reasons, bodies = {}, {}
    for i = 1, 20 do
      bodies[i] = function(transport)
        current = transport
        local _, _, code, detail = source()
        reasons[i] = code .. " " .. detail.reason
      end
    end
    run(bodies)
    assert.are.equal(20, #reasons)
    for i = 1, 20 do assert.are.equal("auth unknown_client", reasons[i]) end
    assert.are.same({ 1, 0 }, { numbers(requests()) })
  end)

  it("replace a refused token once", function()
    local source, requests = source_for("wait=0.05", { transport = yielding })
    local bodies, first, got = {}, nil, {}
    run { function(transport)
      current = transport
      first = assert(source())
    end }
    for i = 1, 20 do
      bodies[i] = function(transport)
        current = transport
        assert.is_true(source:refused(first))
        got[i] = assert(source())
      end
    end
    run(bodies)
    for i = 1, 20 do
      assert.are_not.equal(first, got[i])
      assert.are.equal(got[1], got[i])
    end
    assert.are.same({ 2, 2 }, { numbers(requests()) })
  end)

  it("use the old token while one renews it", function()
    local source, requests = source_for("wait=0.05", { transport = yielding })
    local first, got, bodies = nil, {}, {}
    run { function(transport)
      current = transport
      first = assert(source())
    end }
    offset = 1800 * 0.8 + 5
    for i = 1, 5 do
      bodies[i] = function(transport)
        current = transport
        got[i] = assert(source())
      end
    end
    run(bodies)
    assert.are_not.equal(first, got[1])
    for i = 2, 5 do assert.are.equal(first, got[i]) end
    assert.are.same({ 2, 2 }, { numbers(requests()) })
  end)

  it("go on when the one that fetches is ended, or forgotten", function()
    local multi = curl.new {}
    local hang = true
    local options = options_for("", {
      transport = function(request)
        if hang then coroutine.yield "hung" end
        return multi:perform(request)
      end,
    })
    local source = assert(events.maskinporten(options))
    local leader = coroutine.create(function() return source() end)
    assert(coroutine.resume(leader))
    local follower = coroutine.create(function() return source() end)
    assert(coroutine.resume(follower))
    assert.are.equal("suspended", coroutine.status(follower))
    hang = false
    local token, _
    if coroutine.close then
      assert.is_true(coroutine.close(leader))
      _, token = coroutine.resume(follower)
      assert.is_string(token)
    end
    -- Never ended, never resumed: the deadline counts.
    hang, offset = true, 5000
    leader = coroutine.create(function() return source() end)
    assert(coroutine.resume(leader))
    hang = false
    follower = coroutine.create(function() return source() end)
    assert(coroutine.resume(follower))
    assert.are.equal("suspended", coroutine.status(follower))
    offset = offset + options.timeout + 6
    _, token = coroutine.resume(follower)
    assert.is_string(token)
    multi:close()
  end)

  it("go on when a transport raises", function()
    local raise = true
    local multi = curl.new {}
    local source = assert(events.maskinporten(options_for("", {
      transport = function(request)
        if raise then error("broken") end
        return multi:perform(request)
      end,
    })))
    assert.is_false((pcall(source)))
    raise = false
    assert(source())
    multi:close()
  end)

  it("wait by the host's own function", function()
    local slept, leader = 0, nil
    local multi = curl.new {}
    local hang = true
    local source = assert(events.maskinporten(options_for("", {
      sleep = function(seconds)
        assert.is_true(seconds > 0 and seconds < 1)
        slept, hang = slept + 1, false
        assert(coroutine.resume(leader))
      end,
      transport = function(request)
        if hang then coroutine.yield() end
        return multi:perform(request)
      end,
    })))
    local got
    leader = coroutine.create(function() got = source() end)
    assert(coroutine.resume(leader))
    assert.are.equal(assert(source()), got)
    assert.are.equal(1, slept)
    multi:close()
  end)
end)

-- In tasks of the host, over its own transport (Lua 5.4 has a host).
local has_host, scheduler = pcall(require, "altinn.events.scheduler")
local has_transport = pcall(require, "altinn.events.transport")
if has_host and has_transport and scheduler.inside then
  describe("tasks of the host", function()
    it("fetch once, waiting without blocking each other", function()
      local multi = curl.new {}
      local nothing = function() end
      local tasks = scheduler.new {
        open = function() return multi end, clock = socket.gettime,
        budget = { start = nothing, finish = function() return nil, 0 end, enter = nothing, leave = nothing },
      }
      local source, requests = source_for("wait=0.1")
      local got, ended, ticks = {}, 0, 0
      for i = 1, 20 do
        tasks:spawn {
          run = function() got[i] = assert(source()) end,
          finished = function(_, ok, why)
            assert(ok, why)
            ended = ended + 1
          end,
        }
      end
      tasks:spawn { run = function()
        while ended < 20 do
          ticks = ticks + 1
          scheduler.sleep(0.01)
        end
      end, finished = nothing }
      local deadline = socket.gettime() + 10
      while ended < 20 do
        assert(socket.gettime() < deadline, "not finished in time")
        tasks:step(tasks:pause(0.05))
        tasks:ring()
      end
      for i = 2, 20 do assert.are.equal(got[1], got[i]) end
      assert.is_true(ticks > 5)
      assert.are.same({ 1, 1 }, { numbers(requests()) })
      multi:close()
    end)
  end)
end

describe("a refusal of Maskinporten", function()
  it("says what to do", function()
    for _, case in ipairs {
      { "client", "auth", "unknown_client", "client_id", "MP-100" },
      { "scope", "forbidden", "scope", "scope", "MP-200" },
      { "access", "forbidden", "scope_not_granted", "Digdir", "MP-250" },
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
    offset = 11
    source()
    assert.are.equal(2, #requests())
    offset = -100  -- a clock set back does not make it last
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
      offset = offset + pause * 0.8
      assert.are.equal("server", (select(3, source())))
      assert.are.equal(asked, #requests())
      offset = offset + pause * 0.3
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
    wrong("not_found", { key_file = folder .. "/none.pem" })
    wrong("auth", { key_file = folder .. "/key.p12", passphrase = PASSPHRASE .. "x" })
    wrong("auth", { key_file = folder .. "/key.p12" })
    wrong("syntax", { key_file = json, key = "hello" })
    wrong("invalid", { key_file = folder .. "/public.pem" })
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
    options.issuer, options.token_url = "https://maskinporten.example", other_url .. "/" .. place .. "/token"
    assert(assert(events.maskinporten(options))())
    assert.are.equal("https://maskinporten.example/", grant_of(seen(place)[1]).aud)
  end)

  it("prints, and shows its claims, without secrets", function()
    local source = source_for("", { client_id = "client-1" })
    assert.are.equal("altinn.events.maskinporten: client client-1, altinn:events.subscribe", tostring(source))
    local claims = source:claims()
    assert.are.equal("12*********", claims.pid)
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
      offset = offset + 2
      assert(source())
    end
    collectgarbage()
    local before, memory = descriptors(), collectgarbage("count")
    for _ = 1, 40 do
      offset = offset + 2
      assert(source())
    end
    collectgarbage()
    assert.is_true(descriptors() <= before + 1)
    assert.is_true(collectgarbage("count") < memory + 200)
    multi:close()
  end)
end)
