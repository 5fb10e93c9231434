-- The client against a real server, over real libcurl: subscriptions, tokens, failures.
local altinn = require "spec.support.altinn"
local cjson = require "cjson"
local core = require "altinn.events.core"
local events = require "altinn.events"
local process = require "spec.support.process"
local script = require "spec.support.script"

local clock = core.altinn.clock
local TOKEN, ID, FILE = altinn.TOKEN, altinn.ID, altinn.FILE
local failed, overview = altinn.failed, altinn.overview

local server

setup(function() server = script.start() end)
teardown(function() server:close() end)

local function client(more) return altinn.client(server, more) end

describe("events.client", function()
  it("refuses options that are none, with a suggestion", function()
    local function raises(wanted, options)
      local ok, message = pcall(events.client, options)
      assert.is_false(ok, wanted)
      assert(message:find(wanted, 1, true), message)
    end
    raises("did you mean 'timeout'?", { environment = "tt02", token = TOKEN, timout = 3 })
    raises("did you mean 'tt02'?", { environment = "tt2", token = TOKEN })
    raises("environment", { token = TOKEN })
    raises("exclude each other", { environment = "tt02", base_url = "https://x", token = TOKEN })
    raises("a token must not travel in clear", { base_url = "http://platform.altinn.no", token = TOKEN })
    raises("wants token", { environment = "tt02" })
    raises("wants token", { environment = "tt02", token = "" })
    raises("wants token", { environment = "tt02", token = {} })
    raises("timeout", { environment = "tt02", token = TOKEN, timeout = 0 })
    raises("timeout", { environment = "tt02", token = TOKEN, timeout = "5" })
    raises("attempts", { environment = "tt02", token = TOKEN, attempts = 1.5 })
    raises("transport", { environment = "tt02", token = TOKEN, transport = "curl" })
    raises("subscription_key", { environment = "tt02", token = TOKEN, subscription_key = "a\r\nb" })
    raises("wants a table", nil)
  end)

  it("shows no token when it is printed", function()
    local made = client()
    assert.are.equal("altinn.events.client: " .. server.url, tostring(made))
    assert.is_nil(next(made))
    assert.are.equal("altinn.events.client: https://platform.tt02.altinn.no",
      tostring(events.client { environment = "tt02", token = TOKEN }))
    assert.are.equal("letter " .. ID, tostring(made:letter(ID)))
    assert.are.same({ id = ID, kind = "letter" }, { id = made:letter(ID).id, kind = made:letter(ID).kind })
  end)

  it("sends the token, the key of the portal, and no Content-Type without a body", function()
    server:always(200, '{"subscriptions":[]}')
    assert.are.same({}, client { subscription_key = "k1" }:subscriptions())
    local headers = server:requests()[1].headers
    assert.are.equal("Bearer " .. TOKEN, headers.authorization)
    assert.are.equal("k1", headers["ocp-apim-subscription-key"])
    assert.is_nil(headers["content-type"])
  end)

  it("takes a base_url with a path and a slash at its end", function()
    server:always(200, '{"subscriptions":[]}')
    assert(client { base_url = server.url .. "/gateway/" }:subscriptions())
    assert.are.equal("/gateway/events/api/v1/subscriptions", server:requests()[1].target)
  end)
end)

describe("subscriptions", function()
  local WANTED = { endpoint = "http://127.0.0.1:1/events/S3CRET", resource = "acme-letters" }

  it("are made: one POST, and what the server gives", function()
    server:always(201, '{"id":12,"endPoint":"http://127.0.0.1:1/events/S3CRET","resourceFilter":"urn:altinn:resource:'
      .. 'acme-letters","consumer":"/organisation/987654321","validated":false}', "Location = '/nowhere'")
    local subscription = assert(client():subscribe(WANTED))
    assert.are.equal("12", tostring(subscription.id))
    assert.is_false(subscription.validated)
    assert.are.equal("/organisation/987654321", subscription.consumer)
    local requests = server:requests()
    assert.are.equal(1, #requests)
    assert.are.equal("POST", requests[1].method)
    assert.are.equal("/events/api/v1/subscriptions", requests[1].target)
    assert.are.equal("application/json", requests[1].headers["content-type"])
    assert.are.same({ endPoint = WANTED.endpoint, resourceFilter = "urn:altinn:resource:acme-letters" },
      cjson.decode(requests[1].body))
  end)

  it("that would be refused, or never match, send nothing", function()
    server:always(201, '{"id":12}')
    local made = client()
    for attribute, wanted in pairs {
      source = { source = "https://x" }, alternative_subject = { alternative_subject = "/organisation/987654321" },
      subject = { subject = "" }, resource = { resource = "Acme" }, type = { type = "correspondencepublishd" },
      include_subunits = { include_subunits = true }, endpoint = { endpoint = "S3CRET" },
    } do
      for name, value in pairs(WANTED) do if wanted[name] == nil then wanted[name] = value end end
      local message, detail = failed("invalid", made:subscribe(wanted))
      assert.are.equal(attribute, detail.attribute)
      assert.is_nil(message:find("S3CRET", 1, true))
    end
    failed("invalid", made:subscribe {})
    failed("invalid", events.client { environment = "tt02", token = TOKEN }:subscribe(WANTED))
    assert.are.equal(0, #server:requests())
    assert.has_error(function() made:subscribe { endpont = "https://x" } end,
      "unknown option 'endpont' of subscribe (did you mean 'endpoint'?)")
    for word, ours in pairs { resourceFilter = "resource", subjectFilter = "subject", typeFilter = "type",
      includeSubunits = "include_subunits", endPoint = "endpoint" } do
      assert.has_error(function() made:subscribe { [word] = "x" } end,
        ("unknown option '%s' of subscribe (Altinn's word; here it is %s)"):format(word, ours))
    end
    assert.has_error(function() made:subscribe { endpoint = 5 } end, "endpoint: a string is wanted, not a number")
    assert.has_error(function() made:subscribe { type = {} } end)
    assert.has_error(function() made:subscribe() end)
  end)

  it("wait for their validation", function()
    server:answer [[
      if request.method == "POST" then return { status = 201, body = '{"id":7,"validated":false}' } end
      return { body = ('{"id":7,"validated":%s}'):format(number > 3) }]]
    local subscription = assert(client():subscribe { endpoint = WANTED.endpoint, resource = "acme-letters", wait = 5 })
    assert.is_true(subscription.validated)
    local requests = server:requests()
    assert.are.equal(4, #requests)
    assert.are.equal("/events/api/v1/subscriptions/7", requests[4].target)
  end)

  it("say so when they are not validated in time", function()
    server:answer "return { status = number == 1 and 201 or 200, body = '{\"id\":7,\"validated\":false}' }"
    local from = clock()
    local message, detail = failed("timeout",
      client():subscribe { endpoint = WANTED.endpoint, resource = "acme-letters", wait = 0.3 })
    assert(clock() - from >= 0.29 and clock() - from < 1.5)
    assert.are.equal(7, detail.subscription.id)
    assert.is_truthy(message:find("200", 1, true))
  end)

  it("are listed, read and ended", function()
    server:answer [[
      if request.method == "DELETE" then return { status = 200 } end
      if request.path:find("/%d+$") then return { body = '{"id":9007199254740,"typeFilter":null}' } end
      return { body = '{"count":2,"subscriptions":[{"id":1},{"id":2}]}' }]]
    local made = client()
    local list = assert(made:subscriptions())
    assert.are.equal("1 2", list[1].id .. " " .. list[2].id)
    local one = assert(made:subscription(9007199254740))
    assert.are.equal("9007199254740", tostring(one.id))
    assert.is_nil(one.typeFilter)
    assert.is_true(made:unsubscribe("12"))
    assert.is_true(made:unsubscribe(13.0))
    local requests = server:requests()
    assert.are.equal("/events/api/v1/subscriptions/9007199254740", requests[2].target)
    assert.are.equal("DELETE /events/api/v1/subscriptions/12", requests[3].method .. " " .. requests[3].target)
    assert.are.equal("/events/api/v1/subscriptions/13", requests[4].target)
    failed("invalid", made:unsubscribe("1/2"))
    assert.has_error(function() made:subscription(1.5) end)
    assert.has_error(function() made:subscription() end)
  end)

  it("that are unknown or somebody else's have their codes", function()
    server:always(404)
    failed("not_found", client():subscription(5))
    failed("not_found", client():unsubscribe(5))
    server:always(403)
    local message = failed("forbidden", client():subscription(5))
    assert.is_truthy(message:find("another identity", 1, true))
    server:always(403, '"Not authorized to create a subscription for resource urn:altinn:resource:acme-letters."')
    message = failed("forbidden", client():subscribe(WANTED))
    assert.is_truthy(message:find("Not authorized", 1, true))
  end)

  it("that an unheard answer has ended are ended", function()
    server:sequence { "{ cut = 0, body = 'x' }", "{ status = 404 }" }
    assert.is_true(client():unsubscribe(5))
  end)
end)

describe("a token", function()
  local function source(tokens)
    local self = { calls = 0, invalidated = {} }
    function self.invalidate(this, token) table.insert(this.invalidated, token) end
    return setmetatable(self, { __call = function(this)
      this.calls = this.calls + 1
      return tokens[math.min(this.calls, #tokens)]
    end })
  end

  it("that is not taken is renewed once", function()
    server:answer [[
      if request.headers.authorization ~= "Bearer second" then return { status = 401 } end
      return { body = '{"subscriptions":[]}' }]]
    local tokens = source { "first", "second" }
    assert(client { token = tokens }:subscriptions())
    assert.are.same({ "first" }, tokens.invalidated)
    assert.are.equal(2, #server:requests())
    server:always(401)
    tokens = source { "first", "second", "third" }
    failed("auth", client { token = tokens }:subscriptions())
    assert.are.equal(2, #server:requests())
    assert.are.equal(2, tokens.calls)
  end)

  it("is not asked for again when its source says that it is useless", function()
    server:always(401, '{"status":401,"errorCode":4711,"detail":"no"}')
    local tokens, numbers = source { "first", "second" }, {}
    function tokens.invalidate(_, token, number)
      numbers[token] = number
      return false
    end
    failed("auth", client { token = tokens }:subscriptions())
    assert.are.same({ 1, 1 }, { tokens.calls, #server:requests() })
    assert.is_true(numbers.first == nil or numbers.first == 4711)
  end)

  it("of a function is asked for again, and not tried twice when it is the same", function()
    server:always(401)
    local calls = 0
    failed("auth", client { token = function()
      calls = calls + 1
      return "same-token"
    end }:subscriptions())
    assert.are.equal(2, calls)
    assert.are.equal(1, #server:requests())
  end)

  it("of text is not renewed", function()
    server:always(401)
    failed("auth", client():subscriptions())
    assert.are.equal(1, #server:requests())
  end)

  it("is not renewed when it would not help", function()
    for _, number in ipairs { 4001, 4006, 4007 } do
      server:always(401, ('{"status":401,"code":"CORR-0%d","errorCode":%d,"detail":"no"}'):format(number, number))
      local tokens = source { "first", "second" }
      local _, detail = failed("forbidden", client { token = tokens }:letter(ID):overview())
      assert.are.equal(number, detail.number)
      assert.are.equal(401, detail.status)
      assert.are.equal(1, tokens.calls)
      assert.are.same({}, tokens.invalidated)
      assert.are.equal(1, #server:requests())
    end
    server:always(403)
    local tokens = source { "first", "second" }
    failed("forbidden", client { token = tokens }:letter(ID):overview())
    assert.are.equal(1, tokens.calls)
  end)

  it("that cannot be had is the failure of its source", function()
    server:always(200)
    local message = failed("network", client { token = function()
      return nil, "maskinporten is not there", "network"
    end }:subscriptions())
    assert.are.equal("maskinporten is not there", message)
    failed("auth", client { token = function() end }:subscriptions())
    failed("auth", client { token = function() return 5 end }:subscriptions())
    failed("auth", client { token = function() return "a\r\nX: b" end }:subscriptions())
    assert.are.equal(0, #server:requests())
  end)

  it("never shows, even when a server sends it back", function()
    local echo = "return { status = %d, body = %s }"
    for _, body in ipairs { "request.headers.authorization", "'\"' .. request.headers.authorization .. '\"'",
      "'{\"detail\":\"' .. request.headers.authorization .. '\",\"traceId\":\"x\"}'" } do
      for _, status in ipairs { 200, 400, 401, 403, 404, 500 } do
        server:answer(echo:format(status, body))
        local value, message, code, detail = client { attempts = 1 }:letter(ID):overview()
        failed(code, value, message, code, detail)
      end
    end
  end)
end)

describe("trying again", function()
  it("follows 503, 429 with Retry-After, and a broken connection", function()
    server:sequence { "{ status = 503 }", "{ cut = 0, body = 'x' }",
      "{ status = 429, headers = { ['Retry-After'] = '1' } }", "{ body = '{\"subscriptions\":[]}' }" }
    local from = clock()
    assert(client { timeout = 10 }:subscriptions())
    assert(clock() - from >= 1)
    assert.are.equal(4, #server:requests())
  end)

  it("ends with the deadline, and with the last failure", function()
    server:always(500, '{"detail":"broken"}')
    local from = clock()
    local message, detail = failed("server", client { timeout = 2 }:subscriptions())
    assert(clock() - from < 3)
    assert(#server:requests() >= 2)
    assert.are.equal(500, detail.status)
    assert.is_true(detail.temporary)
    assert.is_truthy(message:find("broken", 1, true))
    server:answer "return { hang = true }"
    from = clock()
    failed("timeout", client { timeout = 0.3 }:subscriptions())
    assert(clock() - from >= 0.29 and clock() - from < 1)
  end)

  it("is not done when the server asks for more time than there is", function()
    server:always(429, "", "['Retry-After'] = '3600'")
    local from = clock()
    local _, detail = failed("throttled", client():subscriptions())
    assert(clock() - from < 0.5)
    assert.are.equal(3600, detail.retry_after)
    assert.are.equal(1, #server:requests())
  end)

  it("is not done for what is for good", function()
    for status, code in pairs { [400] = "invalid", [404] = "not_found", [409] = "conflict", [415] = "unsupported" } do
      server:always(status, '{"detail":"no"}')
      failed(code, client():letter(ID):overview())
      assert.are.equal(1, #server:requests())
    end
    server:always(302, "", "Location = '/elsewhere'")
    failed("unsupported", client():letter(ID):overview())
    assert.are.equal(1, #server:requests())
  end)

  it("can be left out", function()
    server:always(503)
    failed("server", client { attempts = 1 }:subscriptions())
    assert.are.equal(1, #server:requests())
  end)
end)

describe("a reply that is none", function()
  local calls = {
    subscribe = function(made) return made:subscribe { endpoint = "http://127.0.0.1/", resource = "a" } end,
    subscriptions = function(made) return made:subscriptions() end,
    overview = function(made) return made:letter(ID):overview() end,
    details = function(made) return made:letter(ID):details() end,
    confirm = function(made) return made:letter(ID):confirm() end,
    attachment = function(made) return made:attachment(FILE):details() end,
    events = function(made)
      local ok, failure = pcall(function() return made:events { resource = "a" } () end)
      if ok then return failure end
      return nil, failure.message, failure.code, failure.detail
    end,
    letters = function(made)
      local ok, failure = pcall(function() return made:letters { resource = "a", role = "Sender" } () end)
      if ok then return failure end
      return nil, failure.message, failure.code, failure.detail
    end,
  }

  local function each(code, script_text)
    for name, run in pairs(calls) do
      server:answer(script_text)
      local message = failed(code, run(client { attempts = 1 }))
      assert.is_true(#message > 10, name)
    end
  end

  it("is an error value: cut, a page, another type", function()
    each("syntax", [[return { body = '{"id":1,"ids":["' }]])
    each("syntax", [[return { body = '<html>Bad Gateway</html>', headers = { ["Content-Type"] = "text/html" } }]])
    each("invalid", "return { body = '5' }")
    each("server", "return { status = 502, body = '<html>Bad Gateway</html>' }")
    each("network", [[return { body = '{"id":1}', cut = 4 }]])
    each("network", "return { raw = 'SSH-2.0-OpenSSH\\r\\n' }")
    each("unsupported", "return { status = 301, headers = { Location = '/x' } }")
  end)

  it("is an error value: 100 MB", function()
    local before = altinn.resident()
    for _, name in ipairs { "confirm", "details", "events" } do
      server:answer "return { bytes = 100 * 1024 * 1024 }"
      local message = failed("too_large", calls[name](client { attempts = 1 }))
      assert.is_truthy(message:find("larger than", 1, true))
    end
    collectgarbage()
    local more = altinn.resident() - before
    assert(more < 48 * 1024, more)
  end)

  it("is empty where something was expected", function()
    for name, run in pairs(calls) do
      server:always(204)
      if name ~= "confirm" then failed("syntax", run(client { attempts = 1 })) end
    end
  end)

  it("of a server that is not there", function()
    for _, run in pairs(calls) do
      local message = failed("network", run(client { base_url = "http://127.0.0.1:1", attempts = 1 }))
      assert.is_truthy(message:find("not reached", 1, true))
    end
  end)
end)

describe("a transport of one's own", function()
  it("is any function", function()
    local asked
    local made = events.client { environment = "tt02", token = TOKEN, transport = function(request)
      asked = request
      local headers = { ["Content-Type"] = "application/json" }
      return { status = 200, headers = headers, body = '{"subscriptions":[{"id":3}]}' }
    end }
    assert.are.equal(3, made:subscriptions()[1].id)
    assert.are.equal("GET", asked.method)
    assert.are.equal("https://platform.tt02.altinn.no/events/api/v1/subscriptions", asked.url)
    assert.are.equal("application/json", asked.headers.Accept)
    assert(asked.timeout > 0 and asked.timeout <= 30)
    assert(asked.max_body > 0)
  end)

  it("may give a whole body where a stream was asked for", function()
    local got = ""
    local made = events.client { environment = "tt02", token = TOKEN, transport = function()
      return { status = 200, headers = {}, body = "whole" }
    end }
    assert.is_true(made:letter(ID):download(FILE, function(part) got = got .. part end))
    assert.are.equal("whole", got)
  end)

  it("that gives nonsense is an error value", function()
    for code, replies in pairs {
      unsupported = { 5, {}, { status = "200" }, { status = 200, body = 5 } },
      too_large = { { status = 200, body = ("x"):rep(20 * 1024 * 1024) } },
      network = { false },
    } do
      for _, reply in ipairs(replies) do
        failed(code, events.client { environment = "tt02", token = TOKEN, attempts = 1, transport = function()
          return reply or nil
        end }:subscriptions())
      end
    end
    failed("tls", events.client { environment = "tt02", token = TOKEN, transport = function()
      return nil, "the certificate is not right for " .. TOKEN, "tls"
    end }:subscriptions())
  end)

  it("waits with the client's sleep", function()
    local slept, calls = 0, 0
    local made = events.client { environment = "tt02", token = TOKEN,
      sleep = function(seconds) slept = slept + seconds end,
      transport = function()
        calls = calls + 1
        if calls < 3 then return { status = 503, headers = { ["Retry-After"] = "2" } } end
        return { status = 200, body = '{"subscriptions":[]}' }
      end }
    assert(made:subscriptions())
    assert(slept >= 4 and slept < 6, slept)
  end)
end)

describe("a long token", function()
  it("stands in no message, although the server quotes it in a sentence that is cut", function()
    local token = "eyJ" .. ("a1B2-"):rep(126)
    local caller = assert(events.client { environment = "tt02", token = token, attempts = 1, transport = function()
      return { status = 403, headers = { ["content-type"] = "application/problem+json" },
        body = ('{"detail":"the token %s lacks a scope"}'):format(token) }
    end })
    local ok, message, _, detail = caller:unsubscribe(5)
    assert.is_nil(ok)
    for _, text in ipairs { message, detail.text, detail.body } do
      assert.is_nil(text:find("a1B2", 1, true), text)
      assert.is_truthy(text:find("<token>", 1, true), text)
    end
  end)
end)

describe("a source of tokens", function()
  it("that finds nothing is no proof that the thing at Altinn is gone", function()
    for _, detail in ipairs { { status = 404 }, false } do
      local asked = 0
      local caller = assert(events.client { environment = "tt02", attempts = 3, sleep = function() end,
        token = function()
          asked = asked + 1
          if asked == 1 then return "a.b.c-0123456789" end
          return nil, "no such address", "not_found", detail or nil
        end,
        transport = function() return { status = 503, headers = {}, body = "" } end })
      local ok, _, code = caller:unsubscribe(5)
      assert.is_nil(ok)
      assert.are.equal("not_found", code)
    end
  end)
end)

describe("ten thousand calls", function()
  it("leave no descriptor and no memory behind", function()
    server:answer(("return { body = %q, quiet = true }"):format(overview()))
    local open, more = altinn.measure(server.url, "calls", ID)
    assert(open <= 0, open)
    assert(more < 1024, more)
  end)
end)

describe("a reply that is coded", function()
  it("is named, not taken for broken JSON", function()
    server:answer "return { headers = { ['Content-Encoding'] = 'gzip' }, body = '\\31\\139\\8\\0garbage' }"
    local message = failed("syntax", client():subscriptions())
    assert.is_truthy(message:find("Content-Encoding: gzip", 1, true), message)
    assert.are.equal("identity", server:requests()[1].headers["accept-encoding"])
    message = failed("syntax", client():letter(ID):download(FILE, function() error "it is no file" end))
    assert.is_truthy(message:find("Content-Encoding: gzip", 1, true), message)
    message = failed("syntax", client():letter(ID):content())
    assert.is_truthy(message:find("Content-Encoding: gzip", 1, true), message)
  end)

  it("in name only is taken", function()
    server:answer "return { headers = { ['Content-Encoding'] = 'identity' }, body = '{\"subscriptions\":[]}' }"
    assert.are.same({}, client():subscriptions())
  end)
end)

describe("a call that fails", function()
  it("tells whether anything of it can have been sent", function()
    local refused = events.client { base_url = ("http://127.0.0.1:%d"):format(process.free_port()), token = TOKEN,
      attempts = 2 }
    local _, detail = failed("network", refused:subscriptions())
    assert.is_true(detail.not_sent)
    server:answer "return { raw = '' }"
    _, detail = failed("network", client { attempts = 2 }:subscriptions())
    assert.is_false(detail.not_sent)
    server:always(503)
    _, detail = failed("server", client { attempts = 1 }:subscriptions())
    assert.is_false(detail.not_sent)
  end)

  it("was not sent when there was no token for it, and that is tried again", function()
    server:always(200, '{"subscriptions":[]}')
    local asked = 0
    local function source()
      asked = asked + 1
      if asked < 3 then return nil, "Maskinporten is out of order (503)", "server", { status = 503 } end
      return TOKEN
    end
    assert.are.same({}, client { token = source }:subscriptions())
    asked = -100
    local _, detail = failed("server", client { token = source, timeout = 0.3 }:subscriptions())
    assert.is_true(detail.not_sent)
    asked = 0
    local function refusing()
      asked = asked + 1
      return nil, "the grant is refused", "auth"
    end
    failed("auth", client { token = refusing }:subscriptions())
    assert.are.equal(1, asked)
  end)
end)
