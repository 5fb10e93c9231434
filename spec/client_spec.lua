-- The client against a real server, over real libcurl.
local cjson = require "cjson"
local core = require "altinn.events.core"
local events = require "altinn.events"
local process = require "spec.support.process"
local script = require "spec.support.script"

local clock = core.altinn.clock

local TOKEN = "eyJhbGciOiJub25lIn0.c2VjcmV0LXNlY3JldA.c2lnbmF0dXJl"
local ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local FILE = "11111111-2222-3333-4444-555555555555"
local ORGANISATION = "urn:altinn:organization:identifier-no:987654321"
local LETTERS = "/correspondence/api/v1/correspondence"

local server

setup(function() server = script.start() end)
teardown(function() server:close() end)

local function client(more)
  local options = { base_url = server.url, token = TOKEN, timeout = 5 }
  for name, value in pairs(more or {}) do options[name] = value end
  return events.client(options)
end

-- Fails with this code; gives message and detail, in which no token is.
local function failed(code, ...)
  local value, message, got, detail = ...
  assert.is_nil(value)
  assert.are.equal(code, got, message)
  assert.is_true(type(message) == "string" and message ~= "")
  local function clean(text)
    for part in TOKEN:gmatch("[^.]+") do assert.is_nil(tostring(text):find(part, 1, true), text) end
  end
  clean(message)
  for _, member in pairs(detail or {}) do clean(member) end
  return message, detail or {}
end

local function overview(more, id)
  return ('{"correspondenceId":"%s","status":"Read","resourceId":"acme-letters","read":null%s}'):format(id or ID,
    more or "")
end

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
    local message, detail = failed("server", client { timeout = 0.7 }:subscriptions())
    assert(clock() - from < 1.2)
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

describe("a letter", function()
  it("is read: overview, details with its history, content", function()
    server:answer(([[
      if request.path:find("/details$") then return { body = %q } end
      if request.path:find("/content$") then return { body = "# Hei\n", headers = { ["Content-Type"] = "text/plain" } } end
      return { body = %q }]]):format(
      overview ',"statusHistory":[{"status":"Published"},{"status":"Confirmed","statusText":null}],"dueDateTime":null',
      overview ',"altinn2CorrespondenceId":17,"content":{"attachments":[]}'))
    local letter = client():letter(ID)
    local seen = assert(letter:overview())
    assert.are.equal("Read", seen.status)
    assert.is_nil(seen.read)
    assert.are.equal("17", tostring(seen.altinn2CorrespondenceId))
    local details = assert(letter:details())
    assert.is_nil(details.dueDateTime)
    assert.is_true(details:has_been("Confirmed"))
    assert.is_true(details:has_been("Failed", "Confirmed"))
    assert.is_true(details:has_been("Read"))
    assert.is_false(details:has_been("Failed", "Forwarded"))
    assert.is_true(letter:has_been("Published"))
    assert.are.equal("# Hei\n", letter:content())
    local requests = server:requests()
    assert.are.equal(LETTERS .. "/" .. ID, requests[1].target)
    assert.are.equal("*/*", requests[4].headers.accept)
    assert.has_error(function() details:has_been("Confrimed") end,
      "'Confrimed' is no status of a letter (did you mean 'Confirmed'?)")
    assert.has_error(function() details:has_been() end)
    assert.has_error(function() letter:has_been("read") end)
  end)

  it("of another id than the one asked for is no answer", function()
    server:always(200, overview(',"statusHistory":[]', FILE))
    failed("invalid", client():letter(ID):overview())
    failed("invalid", client():letter(ID):details())
    assert(client():letter(FILE:upper()):overview())
  end)

  it("is acted on, and what was done before is success", function()
    for action, path in pairs { mark_read = "markasread", confirm = "confirm", purge = "purge" } do
      server:always(200, '"' .. ID .. '"')
      local ok, detail = client():letter(ID)[action](client():letter(ID))
      assert.is_true(ok)
      assert.is_false(detail.already)
      local request = server:requests()[1]
      assert.are.equal(action == "purge" and "DELETE" or "POST", request.method)
      assert.are.equal(LETTERS .. "/" .. ID .. "/" .. path, request.target)
      assert.are.equal("", request.body)
      server:always(204)
      assert.is_true(client():letter(ID)[action](client():letter(ID)))
    end
    for number, action in pairs { [1040] = "mark_read", [1041] = "confirm", [1014] = "purge" } do
      server:always(400, ('{"status":400,"code":"CORR-0%d","errorCode":%d}'):format(number, number))
      local letter = client():letter(ID)
      local ok, detail = letter[action](letter)
      assert.is_true(ok)
      assert.is_true(detail.already)
    end
  end)

  it("is fetched first when the server wants it", function()
    server:answer(([[
      if request.method == "GET" then state.fetched = true return { body = %q } end
      if not state.fetched then return { status = 400, body = '{"errorCode":1025}' } end
      return { body = '"x"' }]]):format(overview()))
    assert.is_true(client():letter(ID):confirm())
    local methods = {}
    for _, request in ipairs(server:requests()) do methods[#methods + 1] = request.method end
    assert.are.same({ "POST", "GET", "POST" }, methods)
    server:answer(("return request.method == 'GET' and { body = %q } or { status = 400, body = '{\"errorCode\":1025}' }")
      :format(overview()))
    local message, detail = failed("invalid", client():letter(ID):confirm())
    assert.is_truthy(message:find("altinn:correspondence.write", 1, true))
    assert.are.equal(1025, detail.number)
    assert.are.equal(3, #server:requests())
  end)

  it("confirmed once more after a 500", function()
    server:sequence { "{ status = 500 }", "{ status = 400, body = '{\"errorCode\":1041}' }" }
    assert.is_true(client():letter(ID):confirm())
  end)

  it("whose id is none sends nothing", function()
    server:always(200, overview())
    failed("invalid", client():letter("../../etc"):overview())
    failed("invalid", client():letter(""):purge())
    assert.are.equal(0, #server:requests())
    assert.has_error(function() client():letter(5) end)
    assert.has_error(function() client():letter() end)
  end)

  it("has attachments with a life of their own", function()
    server:always(200, ('{"attachmentId":"%s","status":"Published","statusHistory":[]}'):format(FILE))
    local attachment = client():attachment(FILE)
    assert.are.equal("Published", assert(attachment:overview()).status)
    assert(attachment:details())
    local requests = server:requests()
    assert.are.equal("/correspondence/api/v1/attachment/" .. FILE, requests[1].target)
    assert.are.equal("/correspondence/api/v1/attachment/" .. FILE .. "/details", requests[2].target)
  end)
end)

describe("a download", function()
  local folder
  before_each(function() folder = process.folder() end)
  after_each(function() process.remove(folder) end)

  local function files()
    local pipe = io.popen("ls -1A " .. folder)
    local text = pipe:read("a")
    pipe:close()
    return text
  end

  it("goes to a file, which appears when it is whole", function()
    server:answer "return { bytes = 3000000, delay = 0.05, headers = { ['Content-Type'] = 'application/pdf' } }"
    local ok, detail = client():letter(ID):download(FILE, folder .. "/a.pdf")
    assert.is_true(ok, detail)
    assert.are.equal(3000000, detail.bytes)
    assert.are.equal("application/pdf", detail.media_type)
    assert.are.equal("a.pdf\n", files())
    assert.are.equal(3000000, #process.read(folder .. "/a.pdf"))
    assert.are.equal(LETTERS .. "/" .. ID .. "/attachment/" .. FILE .. "/download", server:requests()[1].target)
  end)

  it("goes to a function, and takes an entry of content.attachments", function()
    server:answer "return { bytes = 700000 }"
    local got = 0
    assert.is_true(client():letter(ID):download({ id = FILE }, function(part) got = got + #part end))
    assert.are.equal(700000, got)
  end)

  it("may be empty", function()
    server:always(200, "")
    assert.is_true(client():letter(ID):download(FILE, folder .. "/empty"))
    assert.are.equal("", process.read(folder .. "/empty"))
    assert.are.equal("empty\n", files())
  end)

  it("that breaks off begins anew in a file, and leaves no part of one", function()
    server:sequence { "{ bytes = 2000000, cut = 900000 }", "{ status = 503, body = 'busy' }", "{ bytes = 2000000 }" }
    assert.is_true(client():letter(ID):download(FILE, folder .. "/a"))
    assert.are.equal(2000000, #process.read(folder .. "/a"))
    assert.are.equal("a\n", files())
    process.write(folder .. "/a", "before")
    server:answer "return { bytes = 2000000, cut = 900000 }"
    failed("network", client { attempts = 2 }:letter(ID):download(FILE, folder .. "/a"))
    assert.are.equal("before", process.read(folder .. "/a"))
    assert.are.equal("a\n", files())
    server:always(404, '{"errorCode":2001}')
    failed("not_found", client():letter(ID):download(FILE, folder .. "/b"))
    assert.are.equal("a\n", files())
  end)

  it("that breaks off is not given to a function twice", function()
    server:answer "return { bytes = 2000000, cut = 900000 }"
    local got = 0
    failed("network", client():letter(ID):download(FILE, function(part) got = got + #part end))
    assert(got <= 900000)
    assert.are.equal(1, #server:requests())
    server:sequence { "{ status = 503 }", "{ bytes = 10 }" }
    got = 0
    assert.is_true(client():letter(ID):download(FILE, function(part) got = got + #part end))
    assert.are.equal(10, got)
  end)

  it("can be ended by its function", function()
    server:answer "return { bytes = 20000000 }"
    local message = failed("cancelled", client():letter(ID):download(FILE, function() return false, "too much" end))
    assert.are.equal("too much", message)
    assert.has_error(function() client():letter(ID):download(FILE, function() error("broken", 0) end) end, "broken")
  end)

  it("that cannot be written says so", function()
    server:answer "return { bytes = 2000000 }"
    failed("storage", client():letter(ID):download(FILE, folder .. "/no/such/folder"))
    failed("storage", client():letter(ID):download(FILE, folder))
    assert.are.equal("", files())
  end)

  it("is not a page of a gateway", function()
    server:always(200, "<html>log in</html>", "['Content-Type'] = 'text/html; charset=utf-8'")
    local message = failed("syntax", client():letter(ID):download(FILE, folder .. "/a"))
    assert.is_truthy(message:find("gateway", 1, true))
    assert.are.equal("", files())
    failed("syntax", client():letter(ID):content())
    server:always(200, "<html>", "['Content-Type'] = 'text/html', ['Content-Disposition'] = 'attachment'")
    assert.is_true(client():letter(ID):download(FILE, folder .. "/a.html"))
  end)

  it("has a time of its own", function()
    server:answer "return { bytes = 10, delay = 0.4 }"
    failed("timeout", client { timeout = 0.2 }:letter(ID):download(FILE, print))
    assert.is_true(client { timeout = 0.2 }:letter(ID):download(FILE, function() end, { timeout = 5 }))
    local letter = client():letter(ID)
    assert.has_error(function() letter:download(FILE, print, { timout = 5 }) end)
    assert.has_error(function() letter:download(FILE, print, { timeout = 0 }) end)
    assert.has_error(function() letter:download(FILE) end)
    assert.has_error(function() letter:download(FILE, "") end)
    assert.has_error(function() letter:download(nil, print) end)
    failed("invalid", letter:download("../x", print))
  end)
end)

-- A script that serves events 1..count (their ids) as Altinn pages them; `hidden` says which the caller may not see.
local function pages(count, more)
  server:answer(([[
    local count = %d
    local after, size = request.query:match("after=([^&]*)"), tonumber(request.query:match("size=(%%d+)"))
    local first = (tonumber(after) or 0) + 1
    %s
    local list = {}
    for id = first, math.min(count, first + size - 1) do
      if not hidden or not hidden(id) then
        list[#list + 1] = ('{"specversion":"1.0","id":"%%d","source":"/s","type":"t"}'):format(id)
      end
    end
    return { body = "[" .. table.concat(list, ", ") .. "]",
      headers = { ["Content-Type"] = "application/cloudevents+json; charset=utf-8" } }]]):format(count, more or "local hidden"))
end

local function pull(wanted, most)
  local ids = {}
  wanted.resource = "acme-letters"
  for event in client():events(wanted) do
    ids[#ids + 1] = event.id
    if #ids == most then break end
  end
  return ids
end

local function numbers(from, to)
  local list = {}
  for number = from, to do list[#list + 1] = tostring(number) end
  return list
end

describe("pulled events", function()
  it("come page after page, without the server's next", function()
    pages(25)
    assert.are.same(numbers(1, 25), pull { size = 10 })
    local targets = {}
    for _, request in ipairs(server:requests()) do targets[#targets + 1] = request.query end
    assert.are.same({
      "resource=urn:altinn:resource:acme-letters&after=0&size=10",
      "resource=urn:altinn:resource:acme-letters&after=10&size=10",
      "resource=urn:altinn:resource:acme-letters&after=20&size=10",
      "resource=urn:altinn:resource:acme-letters&after=25&size=10",
      "resource=urn:altinn:resource:acme-letters&after=25&size=1000",
    }, targets)
    assert.are.same(numbers(21, 25), pull { after = "20" })
    assert.are.same({}, pull { after = "25" })
    assert.are.same(numbers(1, 3), pull({ size = 2 }, 3))
  end)

  it("go on after a page that is empty because of access", function()
    pages(100, "local hidden = function(id) return id > 10 and id <= 30 end")
    local ids = pull { size = 10 }
    assert.are.equal(80, #ids)
    assert.are.equal("100", ids[80])
  end)

  it("are given once, though the cursor is lost on the way", function()
    -- Lost for a moment: the beginning comes again, then 20 leads on.
    pages(50, [[
      if after == "20" and not state.lost then state.lost, first = true, 1 end
      if state.lost then count = 60 end
      local hidden]])
    assert.are.same(numbers(1, 60), pull { size = 10 })
    -- Lost for ever, with the event itself: 20 has been deleted meanwhile.
    pages(60, [[
      if after == "20" then first, state.lost = 1, true end
      local hidden = state.lost and function(id) return id == 20 end]])
    assert.are.same(numbers(1, 60), pull { size = 10 })
  end)

  it("end when a server gives the same page for ever", function()
    pages(10, "first = 1 local hidden")
    assert.are.same(numbers(1, 10), pull { size = 10 })
  end)

  it("are asked for with type, subject and what else is wanted", function()
    pages(0)
    pull { size = 1000, type = { "correspondencepublished", "dialogporten.*" }, subject = ORGANISATION }
    assert.are.equal("resource=urn:altinn:resource:acme-letters&after=0&subject=" .. ORGANISATION
      .. "&type=no.altinn.correspondence.correspondencepublished&type=dialogporten.%25&size=1000",
      server:requests()[1].query)
    assert.are.equal(1, #server:requests())
  end)

  it("raise what goes wrong, as an object that prints as its message", function()
    local function raised(run)
      local ok, failure = pcall(run)
      assert.is_false(ok)
      assert.are.equal(failure.message, tostring(failure))
      return failure
    end
    pages(20, "if first > 10 then return { status = 403 } end local hidden")
    local got = 0
    local failure = raised(function()
      for _ in client():events { resource = "acme-letters", size = 10 } do got = got + 1 end
    end)
    assert.are.equal(10, got)
    assert.are.equal("forbidden", failure.code)
    assert.are.equal(403, failure.detail.status)
    assert.are.equal("invalid", raised(function() client():events { resource = "" } end).code)
    assert.are.equal("resource", raised(function() client():events {} end).detail.attribute)
    server:always(200, '[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{"id":"2"}]')
    failure = raised(function() client():events { resource = "acme-letters" } () end)
    assert.are.equal(2, failure.detail.index)
    assert.has_error(function() client():events { resorce = "a" } end)
    assert.has_error(function() client():events { resource = "a", size = 1.5 } end)
    assert.has_error(function() client():events { resource = "a", size = 0 } end)
    assert.has_error(function() client():events { resource = 5 } end)
  end)
end)

-- A script that lists letters as Altinn does: newest first, 1000 at most, both ends exclusive. `make` is Lua that
-- fills `all` with { id, time, status }.
local function lists(make)
  server:answer(([[
    if not state.all then
      local all = {}
      %s
      table.sort(all, function(a, b) return a[2] > b[2] or a[2] == b[2] and a[1] > b[1] end)
      state.all = all
    end
    local function moment(name)
      local text = request.query:match("[?&]?" .. name .. "=([^&]*)")
      if not text then return nil end
      local whole, fraction = text:match("^(%%d+%%-%%d+%%-%%d+T%%d+:%%d+:%%d+)%%.?(%%d*)Z$")
      assert(whole, "a strange time: " .. text)
      return whole .. "." .. fraction .. ("0"):rep(6 - #fraction)
    end
    local from, to, status = moment("from"), moment("to"), request.query:match("status=(%%a+)")
    local ids = {}
    for _, one in ipairs(state.all) do
      if (not from or one[2] > from) and (not to or one[2] < to) and (not status or one[3] == status) then
        ids[#ids + 1] = '"' .. one[1] .. '"'
        if #ids == 1000 then break end
      end
    end
    return { body = '{"ids":[' .. table.concat(ids, ",") .. ']}' }]]):format(make))
end

local function letters(wanted)
  local ids, seen = {}, {}
  wanted.resource, wanted.role = "acme-letters", wanted.role or "Recipient"
  for id in client():letters(wanted) do
    assert.is_nil(seen[id], id)
    seen[id], ids[#ids + 1] = true, id
  end
  return ids
end

describe("lists of letters", function()
  it("come whole, past the server's limit, newest first", function()
    -- 3500 in a year, in bursts, some in the same microsecond and in neighbouring ones.
    lists [[
      for number = 1, 3500 do
        local day = number // 50
        all[number] = { ("id-%05d"):format(number), ("2025-%02d-%02dT12:00:00.%06d"):format(1 + day // 28, 1 + day % 28,
          number % 50 // 2), "Read" }
      end]]
    local ids = letters {}
    assert.are.equal(3500, #ids)
    assert.are.equal("id-03500", ids[1])
    assert.are.equal("id-00001", ids[3500])
    assert(#server:requests() < 60, #server:requests())
    assert.are.equal("resourceId=acme-letters&role=Recipient", server:requests()[1].query)
  end)

  it("keep both ends, and take times as texts and as seconds", function()
    lists [[for number = 0, 9 do all[#all + 1] = { "id-" .. number, "2026-01-01T00:00:0" .. number .. ".000000", "Read" } end]]
    assert.are.same({ "id-4", "id-3" }, letters { from = "2026-01-01T00:00:02Z", to = "2026-01-01T01:00:05+01:00" })
    assert.are.same({ "id-4", "id-3" }, letters { from = 1767225602, to = 1767225605 })
    assert.are.equal("resourceId=acme-letters&role=Recipient&from=2026-01-01T00:00:02Z&to=2026-01-01T00:00:05Z",
      server:requests()[2].query)
    assert.are.same({ "id-4", "id-3", "id-2" }, letters { from = 1767225601.5, to = "2026-01-01T00:00:04.0000001Z" })
    assert.are.same({}, letters { status = "confirmed" })
  end)

  it("split by status what has one and the same time, and say when that is not enough", function()
    lists [[
      for number = 1, 1800 do
        all[number] = { "id-" .. number, "2026-01-01T00:00:00.000000", number % 2 == 0 and "Read" or "Published" }
      end]]
    assert.are.equal(1800, #letters { from = 1767225600 - 5, to = 1767225600 + 5 })
    lists [[for number = 1, 1500 do all[number] = { "id-" .. number, "2026-01-01T00:00:00.000000", "Read" } end]]
    local ok, failure = pcall(letters, { from = 1767225600 - 5, to = 1767225600 + 5 })
    assert.is_false(ok)
    assert.are.equal("too_large", failure.code)
    assert.is_truthy(tostring(failure):find("2026-01-01", 1, true))
  end)

  it("refuse what cannot be meant", function()
    local function code(wanted)
      local ok, failure = pcall(letters, wanted)
      assert.is_false(ok)
      return failure.code
    end
    assert.are.equal("invalid", code { role = "both" })
    assert.are.equal("invalid", code { from = "yesterday" })
    assert.are.equal("invalid", code { from = 5, to = 4 })
    assert.are.equal("invalid", code { status = "Rad" })
    assert.has_error(function() client():letters { resource = "a", role = "Sender", form = 5 } end)
    assert.has_error(function() client():letters { resource = "a", role = "Sender", from = {} } end)
    assert.has_error(function() client():letters { resource = "a", role = "Sender", from = 0 / 0 } end)
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
    local before = tonumber(process.read("/proc/self/status"):match("VmRSS:%s*(%d+)"))
    for _, name in ipairs { "confirm", "details", "events" } do
      server:answer "return { bytes = 100 * 1024 * 1024 }"
      local message = failed("too_large", calls[name](client { attempts = 1 }))
      assert.is_truthy(message:find("larger than", 1, true))
    end
    collectgarbage()
    local after = tonumber(process.read("/proc/self/status"):match("VmRSS:%s*(%d+)"))
    assert(after - before < 48 * 1024, after - before)
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
      return { status = 200, headers = { ["Content-Type"] = "application/json" }, body = '{"subscriptions":[{"id":3}]}' }
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
    local made = events.client { environment = "tt02", token = TOKEN, sleep = function(seconds) slept = slept + seconds end,
      transport = function()
        calls = calls + 1
        if calls < 3 then return { status = 503, headers = { ["Retry-After"] = "2" } } end
        return { status = 200, body = '{"subscriptions":[]}' }
      end }
    assert(made:subscriptions())
    assert(slept >= 4 and slept < 6, slept)
  end)
end)

describe("ten thousand calls", function()
  it("leave no descriptor and no memory behind", function()
    local function descriptors()
      local pipe = io.popen("ls /proc/self/fd | wc -l")  -- the shell's own are the same each time
      local text = pipe:read("a")
      pipe:close()
      return tonumber(text)
    end
    local function resident() return tonumber(process.read("/proc/self/status"):match("VmRSS:%s*(%d+)")) end
    server:answer(("return { body = %q, quiet = true }"):format(overview()))
    local letter = client():letter(ID)
    local function run(count)
      for _ = 1, count do assert(letter:overview()) end
      collectgarbage()
      collectgarbage()
    end
    run(1000)
    local before, open = resident(), descriptors()
    run(9000)
    assert.are.equal(open, descriptors())
    assert(resident() - before < 2048, resident() - before)
  end)
end)
