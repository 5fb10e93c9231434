-- The host on the wire: what a client may send, and what it gets.
local cjson = require "cjson"
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"
local target = require "spec.support.target"

local STRUCTURED = { ["Content-Type"] = "application/cloudevents+json" }

local function problem(status, headers, body)
  assert.are.equal("application/problem+json", headers["content-type"])
  local value = cjson.decode(body)
  assert.are.equal(status, value.status)
  assert.is_string(value.title)
  assert.is_string(value.detail)
  return value
end

-- One answer and nothing after it: its status.
local function only_answer(bytes)
  local status, head, body = bytes:match("^HTTP/1%.1 (%d+) [^\r]*(.-)\r\n\r\n(.*)$")
  assert.is_string(status, bytes)
  assert.are.equal(tonumber(head:lower():match("content%-length: (%d+)")), #body, "no single answer: " .. bytes)
  return tonumber(status)
end

describe("the receiver", function()
  local one

  setup(function() one = host.start { config = "return { limits = { deadline = 2, max_bytes = 65536 } }" } end)
  teardown(function() one:close() end)

  local function count() return one:list().count end

  it("stores a new event and answers 200 without a body", function()
    local before = count()
    local status, headers, body = one:post(sample.text { id = "new-1" })
    assert.are.equal(200, status)
    assert.are.equal("0", headers["content-length"])
    assert.are.equal("", body)
    assert.are.equal(before + 1, count())
  end)

  it("answers a duplicate with 200 and stores it once", function()
    assert.are.equal(200, (one:post(sample.text { id = "twice" })))
    local before = count()
    assert.are.equal(200, (one:post(sample.text { id = "twice", time = "2026-08-21T00:00:00Z" })))
    assert.are.equal(before, count())
  end)

  it("knows a duplicate after a restart, also after kill -9", function()
    assert.are.equal(200, (one:post(sample.text { id = "over-restarts" })))
    one:restart()
    local before = count()
    assert.are.equal(200, (one:post(sample.text { id = "over-restarts" })))
    one:kill()
    assert(one:launch())
    assert.are.equal(200, (one:post(sample.text { id = "over-restarts" })))
    assert.are.equal(before, count())
  end)

  it("takes the same id from another source as another event", function()
    assert.are.equal(200, (one:post(sample.text { id = "shared" })))
    local before = count()
    assert.are.equal(200, (one:post(sample.text { id = "shared", source = "https://example.no/other" })))
    assert.are.equal(before + 1, count())
  end)

  it("takes the validation event, which has four attributes", function()
    local status = one:post(sample.validation)
    assert.are.equal(200, status)
    assert.are.equal(1, one:list("--type", "platform.events.validatesubscription").count)
  end)

  it("knows the media types in any case and with parameters", function()
    for i, media in ipairs {
      "application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8", "application/json",
      "APPLICATION/JSON;charset=utf-8", "application/cloudevents+json ;x=\"y\"",
    } do
      assert.are.equal(200, (one:post(sample.text { id = "media-" .. i }, { ["Content-Type"] = media })))
    end
    assert.are.equal(200, (one:post("[" .. sample.text { id = "media-batch" } .. "]",
      { ["content-type"] = "application/CloudEvents-Batch+json" })))
    local ids = one:ids()
    for i = 1, 5 do assert.are.equal(1, ids["media-" .. i]) end
    assert.are.equal(1, ids["media-batch"])
  end)

  describe("batches", function()
    local BATCH = { ["Content-Type"] = "application/cloudevents-batch+json" }

    it("of none", function()
      local before = count()
      assert.are.equal(200, (one:post("[]", BATCH)))
      assert.are.equal(before, count())
    end)

    it("of two", function()
      assert.are.equal(200, (one:post(("[%s, %s]"):format(sample.text { id = "b-1" }, sample.text { id = "b-2" }),
        BATCH)))
      local ids = one:ids()
      assert.are.equal(1, ids["b-1"])
      assert.are.equal(1, ids["b-2"])
    end)

    it("of two the same is one event", function()
      assert.are.equal(200, (one:post(("[%s,%s]"):format(sample.text { id = "b-3" }, sample.text { id = "b-3" }),
        BATCH)))
      assert.are.equal(1, one:ids()["b-3"])
    end)

    it("with a bad one: nothing is stored, and the answer says which", function()
      local before = count()
      local status, headers, body = one:post(("[%s,%s]"):format(sample.text { id = "b-4" }, sample.text { id = "" }),
        BATCH)
      local said = problem(status, headers, body)
      assert.are.equal(400, status)
      assert.are.equal(2, said.index)
      assert.are.equal("id", said.attribute)
      assert.are.equal(before, count())
    end)

    it("that is no array", function()
      local status, headers, body = one:post(sample.text(), BATCH)
      assert.are.equal(400, status)
      assert.are.equal("not_cloudevent", problem(status, headers, body).code)
    end)
  end)

  it("takes binary mode and stores it as structured JSON", function()
    local status = one:post('{"a":[1,null]}', {
      ["ce-specversion"] = "1.0", ["ce-id"] = "binary-1", ["ce-source"] = "https://example.no/", ["CE-Type"] = "x.y",
      ["ce-subject"] = "bl%C3%A5%20%F0%9F%98%80", ["Content-Type"] = "application/json",
    })
    assert.are.equal(200, status)
    local _, shown = one:run("inbox", "show", "binary-1", "--json", "--inbox", one.inbox)
    assert.truthy(shown:find("blå", 1, true))
    assert.are.equal(1, one:list("--type", "x.y").count)
  end)

  it("takes a structured event with contradicting ce- headers by its body", function()
    assert.are.equal(200, (one:post(sample.text { id = "body-counts" }, {
      ["Content-Type"] = "application/cloudevents+json", ["ce-id"] = "header-counts", ["ce-specversion"] = "0.3",
    })))
    local ids = one:ids()
    assert.are.equal(1, ids["body-counts"])
    assert.is_nil(ids["header-counts"])
  end)

  it("refuses media types that bring no event", function()
    for _, media in ipairs { "text/plain", "application/xml", "application/cloudevents+avro" } do
      local status, headers, body = one:post(sample.text(), { ["Content-Type"] = media })
      assert.are.equal(415, status)
      assert.are.equal("unsupported", problem(status, headers, body).code)
    end
    local status, headers, body = one:post(sample.text(), {})
    assert.are.equal(415, status)
    problem(status, headers, body)
    assert.are.equal(415, (one:post("x", { ["Content-Type"] = "application/json", ["Content-Encoding"] = "gzip" })))
  end)

  it("says where malformed JSON goes wrong", function()
    local before = count()
    local status, headers, body = one:post('{"specversion":"1.0",}')
    assert.are.equal(400, status)
    local said = problem(status, headers, body)
    assert.are.equal("syntax", said.code)
    assert.are.equal(22, said.position)
    assert.are.equal(before, count())
  end)

  it("names every fault of an invalid event", function()
    local before = count()
    local status, headers, body = one:post(sample.text { id = "", time = "yesterday" })
    assert.are.equal(400, status)
    local said = problem(status, headers, body)
    assert.are.equal("invalid", said.code)
    local attributes = {}
    for _, fault in ipairs(said.faults) do attributes[fault.attribute] = fault.code end
    assert.are.same({ id = "invalid", time = "invalid" }, attributes)
    assert.is_true(said.position > 0)
    assert.are.equal(before, count())
  end)

  it("refuses an empty body", function()
    local status, headers, body = one:post("")
    assert.are.equal(400, status)
    assert.are.equal("syntax", problem(status, headers, body).code)
  end)

  it("refuses what is too large, with and without a length", function()
    local text = sample.text { x = ("y"):rep(70000) }
    local status, headers, body = one:post(text)
    assert.are.equal(413, status)
    assert.are.equal("too_large", problem(status, headers, body).code)
    status, headers, body = http.request(one.port,
      { method = "POST", path = "/events", headers = STRUCTURED, body = text, chunked = true })
    assert.are.equal(413, status)
    problem(status, headers, body)
    status = http.request(one.port, { method = "POST", path = "/events",
      headers = { ["Content-Type"] = "application/json", ["Content-Length"] = "999999999999" } })
    assert.are.equal(413, status)
  end)

  it("takes a chunked event", function()
    assert.are.equal(200, (http.request(one.port, { method = "POST", path = "/events", headers = STRUCTURED,
      body = sample.text { id = "chunked" }, chunked = true })))
    assert.are.equal(1, one:ids().chunked)
  end)

  it("answers requests that come in one packet in their order", function()
    local texts = {}
    for i, text in ipairs { sample.text { id = "packet-1" }, "{}", sample.text { id = "packet-2" } } do
      texts[i] = ("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s" ..
        "Content-Length: %d\r\n\r\n%s"):format(i == 3 and "Connection: close\r\n" or "", #text, text)
    end
    local statuses = {}
    for status in http.raw(one.port, table.concat(texts)):gmatch("HTTP/1%.1 (%d+)") do
      statuses[#statuses + 1] = status
    end
    assert.are.same({ "200", "400", "200" }, statuses)
    local ids = one:ids()
    assert.are.equal(1, ids["packet-1"])
    assert.are.equal(1, ids["packet-2"])
  end)

  it("stores nothing of chunks that end too early", function()
    local before = count()
    local client = http.connect(one.port)
    client:send(("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" ..
      "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"):format(#sample.text(), sample.text { id = "half" }))
    client:close()
    assert.are.equal(200, (one:post(sample.text { id = "after-half" })))
    assert.are.equal(before + 1, count())
  end)

  it("refuses other methods, and says which it takes", function()
    for _, method in ipairs { "GET", "PUT", "DELETE", "HEAD" } do
      local status, headers = http.request(one.port, { method = method, path = "/events", timeout = 3 })
      assert.are.equal(405, status, method)
      assert.are.equal("POST, OPTIONS", headers.allow)
    end
  end)

  it("answers the handshake of the webhook specification", function()
    local status, headers = http.request(one.port, { method = "OPTIONS", path = "/events",
      headers = { ["WebHook-Request-Origin"] = "platform.altinn.no", ["WebHook-Request-Rate"] = "120" } })
    assert.are.equal(200, status)
    assert.are.equal("platform.altinn.no", headers["webhook-allowed-origin"])
    assert.are.equal("*", headers["webhook-allowed-rate"])
    assert.are.equal("POST, OPTIONS", headers.allow)
  end)

  it("knows no other path", function()
    for _, path in ipairs { "/", "/event", "/eventsx", "/metrics", "/healthz" } do
      local status, headers, body = one:post(sample.text(), nil, path)
      assert.are.equal(404, status)
      problem(status, headers, body)
    end
    for _, path in ipairs { "/healthz", "/readyz", "/metrics" } do
      assert.are.equal(404, (http.request(one.port, { path = path })))
    end
  end)

  it("keeps the name of the subscription without a secret too, and refuses names that cannot be one", function()
    assert.are.equal(200, (one:post(sample.text { id = "named" }, nil, "/events/any/letters%20of%20acme")))
    for _, event in ipairs(one:list().events) do
      if event.id == "named" then assert.are.equal("letters of acme", event.subscription) end
    end
    for _, name in ipairs { "a%2Fb", "a%0Ab", "a%00b", ("n"):rep(2000) } do
      local status, headers, body = one:post(sample.text { id = "unnamed" }, nil, "/events/any/" .. name)
      assert.are.equal(404, status, name:sub(1, 20))
      problem(status, headers, body)
    end
    assert.is_nil(one:ids().unnamed)
  end)

  it("keeps the connection over good and refused requests", function()
    local client = http.connect(one.port)
    for i, body in ipairs { sample.text { id = "keep-1" }, "{", sample.text { id = "keep-2" } } do
      local status = http.request(one.port,
        { client = client, method = "POST", path = "/events", headers = STRUCTURED, body = body })
      assert.are.equal(i == 2 and 400 or 200, status)
      if i == 2 then
        client:close()
        client = http.connect(one.port)
      end
    end
    client:close()
  end)

  it("takes an event that comes byte by byte, and one after Expect", function()
    local text = sample.text { id = "slowly" }
    local client = http.connect(one.port)
    client:send(("POST /events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n" ..
      "Content-Length: %d\r\n\r\n"):format(#text))
    assert.truthy(client:receive("*l"):find("100", 1, true))
    assert.are.equal("", client:receive("*l"))
    for i = 1, #text do client:send(text:sub(i, i)) end
    assert.are.equal(200, (http.read(client)))
    client:close()
  end)

  describe("refuses what can be understood in two ways:", function()
    local LENGTH = "Content-Length: " .. #sample.text() .. "\r\n"
    local CHUNKS = ("%x\r\n%s\r\n0\r\n\r\n"):format(#sample.text(), sample.text())
    local cases = {
      ["a length and chunks"] = { LENGTH .. "Transfer-Encoding: chunked\r\n", CHUNKS },
      ["two lengths"] = { LENGTH .. "Content-Length: 5\r\n", sample.text() },
      ["an unknown transfer coding"] = { "Transfer-Encoding: xchunked\r\n", CHUNKS },
      ["a blank before the colon"] = { "X-Blank : y\r\n" .. LENGTH, sample.text() },
      ["two hosts"] = { "Host: other\r\n" .. LENGTH, sample.text() },
      ["a blank before the colon of the length"] = { "Content-Length : " .. #sample.text() .. "\r\n", sample.text() },
      ["chunks twice"] = { "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKS },
      ["chunks in another coding"] = { "Transfer-Encoding: gzip, chunked\r\n", CHUNKS },
      ["a chunk's size that is none"] = { "Transfer-Encoding: chunked\r\n", "zz\r\n" .. sample.text() .. "\r\n" },
      ["a header without a colon"] = { "Colonless\r\n" .. LENGTH, sample.text() },
      ["NUL in a header's name"] = { "X\0Y: a\r\n" .. LENGTH, sample.text() },
    }
    -- libmicrohttpd itself refuses these, in words of its own (0.9.75 says its header twice).
    local lengths = {
      ["a length that is none"] = { "Content-Length: five\r\n", sample.text() },
      ["a list of lengths"] = { ("Content-Length: %d, %d\r\n"):format(#sample.text(), #sample.text()), sample.text() },
      ["a length with a sign"] = { "Content-Length: +" .. #sample.text() .. "\r\n", sample.text() },
      ["a negative length"] = { "Content-Length: -5\r\n", sample.text() },
      ["an empty length"] = { "Content-Length: \r\n", sample.text() },
    }

    -- The request, and one that must not be taken out of its body; what is answered to both.
    local function smuggle(case)
      local before = count()
      local hidden = sample.text { id = "hidden" }
      local answer = http.raw(one.port, "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" ..
        case[1] .. "\r\n" .. case[2] .. "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" ..
        "Content-Length: " .. #hidden .. "\r\nConnection: close\r\n\r\n" .. hidden)
      assert.are.equal(before, count(), answer)
      assert.are.equal("400", answer:match("^HTTP/1%.1 (%d+)"), answer)
      return answer
    end

    for name, case in pairs(lengths) do
      it(name, function()
        local answer = smuggle(case)
        assert.truthy(answer:find("\r\nConnection: close\r\n", 1, true), answer)
        assert.is_nil(answer:find(" 200 OK", 1, true), answer)
      end)
    end

    for name, case in pairs(cases) do
      it(name, function()
        assert.are.equal(400, only_answer(smuggle(case)))
      end)
    end

    it("no host", function()
      local answer = http.raw(one.port, "POST /events HTTP/1.1\r\nContent-Type: application/json\r\n" .. LENGTH ..
        "\r\n" .. sample.text())
      assert.truthy(answer:find("^HTTP/1%.1 400 "), answer)
    end)
  end)

  it("refuses headers of more than 16 KiB", function()
    local status = one:post(sample.text(), { ["Content-Type"] = "application/json", ["X-Long"] = ("x"):rep(20000) })
    assert.are.equal(431, status)
  end)

  it("survives any bytes", function()
    for _, bytes in ipairs { "\0\1\2\255", "GET\r\n\r\n", ("A"):rep(100000), "POST /events HTTP/9.9\r\n\r\n",
      "\22\3\1\2\0\1\0\1\252\3\3", "POST /events HTTP/1.1\r\nHost: x\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}" } do
      local answer = http.raw(one.port, bytes, 4)
      assert.is_nil(answer:find("^HTTP/1%.1 2"))
    end
    assert.are.equal(200, (one:post(sample.text { id = "still-there" })))
  end)

  it("cuts a request that takes longer than the deadline", function()
    local function drip(start, rest)
      local client = http.connect(one.port)
      local begun = socket.gettime()
      client:send(start)
      client:settimeout(0.2)
      for i = 1, #rest do
        client:send(rest:sub(i, i))
        local _, message = client:receive(1)
        if message == "closed" then break end
      end
      client:close()
      return socket.gettime() - begun
    end
    local head = "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n"
    local before = one:metrics().timeouts_total
    local header = drip("POST /events HTTP/1.1\r\n", "Host: x\r\n" .. ("X"):rep(100))
    local body = drip(head .. "\r\n", (" "):rep(100))
    assert.is_true(header > 1.8 and header < 4, "header: " .. header)
    assert.is_true(body > 1.8 and body < 4, "body: " .. body)
    assert.are.equal(before + 2, one:metrics().timeouts_total)
  end)

  it("serves others meanwhile", function()
    local slow = {}
    for i = 1, 50 do
      slow[i] = http.connect(one.port)
      slow[i]:send("POST /events HTTP/1.1\r\nHost: x\r\n")
    end
    local begun = socket.gettime()
    assert.are.equal(200, (one:post(sample.text { id = "meanwhile" })))
    assert.is_true(socket.gettime() - begun < 1)
    for _, client in ipairs(slow) do client:close() end
  end)

  it("has its health and metrics on the admin port", function()
    assert.are.equal(200, (http.request(one.admin_port, { path = "/healthz" })))
    assert.are.equal(200, (http.request(one.admin_port, { path = "/readyz" })))
    assert.are.equal(404, (http.request(one.admin_port, { path = "/events" })))
    assert.are.equal(405, (http.request(one.admin_port, { method = "POST", path = "/metrics", body = "" })))
    local text = one:metrics().text
    for _, name in ipairs { "received_total", "stored_total", "duplicates_total", 'refused_total{code="invalid"}',
      "waiting", "dead" } do
      assert.truthy(text:find("\naltinn_events_" .. name .. " ", 1, true), name)
    end
  end)
end)

describe("the secret", function()
  local one

  setup(function()
    one = host.start { config = 'return { secret = { "right-one", "right-two" } }' }
  end)
  teardown(function() one:close() end)

  it("lets in who knows it, under the name of his subscription", function()
    assert.are.equal(200, (one:post(sample.text { id = "s-1" }, nil, "/events/right-one")))
    assert.are.equal(200, (one:post(sample.text { id = "s-2" }, nil, "/events/right-two/letters-of-acme")))
    for _, event in ipairs(one:list().events) do
      assert.are.equal(event.id == "s-2" and "letters-of-acme" or nil, event.subscription)
    end
  end)

  it("keeps all others out, before their event is judged", function()
    for _, path in ipairs { "/events", "/events/", "/events/wrong", "/events/right-on", "/events/right-onee",
      "/events/wrong/right-one" } do
      for _, text in ipairs { sample.text(), "{" } do
        local status, headers, body = one:post(text, nil, path)
        assert.are.equal(401, status)
        assert.are.equal("auth", problem(status, headers, body).code)
        assert.is_nil(body:find("right", 1, true))
      end
    end
    assert.are.equal(2, one:list().count)
  end)

  it("is not complete when a NUL comes after it", function()
    for _, path in ipairs { "/events/right-one%00", "/events/right-one%00x", "/events/right-one%00/name" } do
      assert.are.equal(401, (one:post(sample.text { id = "nul" }, nil, path)), path)
    end
    assert.is_nil(one:ids().nul)
  end)

  it("is asked for by the handshake too, and stands nowhere", function()
    assert.are.equal(401, (http.request(one.port, { method = "OPTIONS", path = "/events/wrong" })))
    assert.are.equal(200, (http.request(one.port, { method = "OPTIONS", path = "/events/right-two" })))
    local listing = cjson.encode(one:list())
    for _, text in ipairs { one:log(), one:metrics().text, listing } do
      assert.is_nil(text:find("right-", 1, true), text)
    end
  end)
end)

describe("the metrics", function()
  local one, service

  setup(function()
    service = target.start { "200", "404" }
    one = host.start {
      config = ('return { targets = { print = { url = "%s" } } }'):format(service.url),
      rules = { all = [[
        rule { name = "send", on = "*", run = function(event) return send.http("print") { key = { event.id } } end }
        rule { name = "look", on = "*", run = function() return skip("seen") end }]] },
    }
    for _, id in ipairs { "m-1", "m-2", "m-2" } do assert(one:post(sample.text { id = id }) == 200) end
    one:post("{")
    assert(one:settle())
  end)
  teardown(function()
    if one then one:close() end
    if service then service:close() end
  end)

  it("count what came, what became of it, and what was sent", function()
    local metrics = one:metrics()
    for name, value in pairs {
      received_total = 4, stored_total = 2, duplicates_total = 1, ['refused_total{code="syntax"}'] = 1,
      ['verdicts_total{rule="send",verdict="done"}'] = 1, ['verdicts_total{rule="send",verdict="dead"}'] = 1,
      ['verdicts_total{rule="look",verdict="skipped"}'] = 2, ['effects_total{target="print",outcome="sent"}'] = 1,
      ['effects_total{target="print",outcome="failed"}'] = 1, ['run_seconds_count{rule="send"}'] = 2,
      ['run_seconds_bucket{rule="look",le="+Inf"}'] = 2, waiting = 0, dead = 1,
    } do
      assert.are.equal(value, metrics[name], name)
    end
    assert.truthy(metrics['run_seconds_sum{rule="send"}'])
  end)

  it("are in Prometheus' text format: a type for each name, no line twice", function()
    local types, seen = {}, {}
    for line in one:metrics().text:gmatch("[^\n]+") do
      assert.is_nil(seen[line], line)
      seen[line] = true
      local name, kind = line:match("^# TYPE (altinn_events_%S+) (%a+)$")
      if name then types[name] = kind end
      if not line:find("^#") then
        name = assert(line:match("^(altinn_events_[%w_]+)"), line)
        assert.truthy(types[name] or types[name:gsub("_%a+$", "")] == "histogram", line)
        assert.truthy(line:find("^[%w_]+ [%d.e+-]+$") or line:find("^[%w_]+{.*} [%d.e+-]+$"), line)
      end
    end
    local _, headers = http.request(one.admin_port, { path = "/metrics" })
    assert.truthy(headers["content-type"]:find("^text/plain"))
  end)

  it("say dead after a restart too", function()
    one:restart()
    assert.are.equal(1, one:metrics().dead)
    assert.are.equal(0, one:metrics().waiting)
  end)
end)

describe("identity numbers of persons", function()
  local PERSON, one = "08895699684", nil
  local URN = "urn:altinn:person:identifier-no:" .. PERSON

  -- A host for each, so that one number in the clear is one failure.
  before_each(function()
    one = host.start { rules = { look = [[
      rule { name = "look", on = "*", run = function(event) return skip("for " .. tostring(event.subject)) end }]] } }
  end)
  after_each(function() one:close() end)

  local function hidden(text, what)
    assert.is_nil(text:find(PERSON, 1, true), what .. ": " .. text)
  end

  -- Any attribute, and any part of the request, may hold one.
  local stored = {
    subject = { subject = URN }, recipient = { recipient = URN },
    alternativesubject = { alternativesubject = "/person/" .. PERSON }, id = { id = "i-" .. PERSON },
    source = { source = "https://example.no/person/" .. PERSON }, resourceinstance = { resourceinstance = PERSON },
    resource = { resource = "urn:altinn:resource:" .. PERSON }, type = { type = "no.example." .. PERSON },
    data = { data = { person = PERSON } },
  }

  for name, changes in pairs(stored) do
    it("in " .. name .. " are masked in log, metrics, listings", function()
      changes.id = changes.id or "person-" .. name
      assert.are.equal(200, (one:post(sample.text(changes))))
      assert(one:settle())
      assert(one:wait_log("verdict=skipped"))
      local texts = { log = one:log(), metrics = one:metrics().text }
      for _, words in ipairs { { "list" }, { "list", "--json" }, { "show", "1" }, { "show", "1", "--json" } } do
        local status, out, err = one:run("inbox", words[1], "--inbox", one.inbox, table.unpack(words, 2))
        assert.are.equal(0, status, err)
        texts["inbox " .. table.concat(words, " ")] = out .. err
      end
      local bare = {}
      for what, text in pairs(texts) do
        if text:find(PERSON, 1, true) then bare[#bare + 1] = what end
      end
      table.sort(bare)
      assert.are.same({}, bare)
    end)
  end

  it("in the name of a subscription are masked in listings", function()
    assert.are.equal(200, (one:post(sample.text { id = "by-name" }, nil, "/events/any/" .. PERSON)))
    for _, words in ipairs { { "list" }, { "list", "--json" } } do
      local _, out = one:run("inbox", words[1], "--inbox", one.inbox, table.unpack(words, 2))
      hidden(out, table.concat(words, " "))
    end
  end)

  it("are in no answer", function()
    for what, request in pairs {
      ["a bad attribute"] = { sample.text { id = "", subject = URN } },
      ["a bad time"] = { sample.text { id = "x", time = PERSON } },
      ["a bad type"] = { sample.text { id = "x", type = PERSON, subject = "" } },
      ["the name of an attribute"] = { sample.text { id = "x", [PERSON] = {} } },
      ["two of a name"] = { ('{"specversion":"1.0","%s":"1","%s":"2"}'):format(PERSON, PERSON) },
      ["broken JSON"] = { '{"' .. PERSON }, ["a bare number"] = { PERSON },
      ["a version"] = { sample.text { specversion = PERSON } },
      ["a media type"] = { sample.text(), { ["Content-Type"] = "text/" .. PERSON } },
      ["binary mode"] = { "x", { ["ce-specversion"] = "1.0", ["ce-id"] = "", ["ce-type"] = "x", ["ce-source"] = URN } },
      ["a batch"] = { "[" .. sample.text { id = "", subject = URN } .. "]",
        { ["Content-Type"] = "application/cloudevents-batch+json" } },
      ["a path"] = { sample.text(), nil, "/" .. PERSON },
    } do
      local status, _, body = one:post(table.unpack(request, 1, 3))
      assert.is_true(status >= 400, what .. ": " .. tostring(status))
      hidden(body, what)
    end
    hidden(one:log(), "log")
    hidden(one:metrics().text, "metrics")
  end)
end)

describe("the host", function()
  local one

  after_each(function()
    if one then one:close() end
    one = nil
  end)

  it("loses nothing that it acknowledged, by kill -9 right after the answer", function()
    one = host.start {}
    for round = 1, 5 do
      assert.are.equal(200, (one:post(sample.text { id = "kill-" .. round })))
      one:kill()
      assert(one:launch())
    end
    local ids, number = one:ids()
    assert.are.equal(5, number)
    for round = 1, 5 do assert.are.equal(1, ids["kill-" .. round]) end
  end)

  it("stores nothing of a request that kill -9 cut in two", function()
    one = host.start {}
    local client = http.connect(one.port)
    client:send("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n" ..
      sample.text():sub(1, 200))
    one:kill()
    client:close()
    assert(one:launch())
    assert.are.equal(0, one:list().count)
    assert.are.equal(200, (one:post(sample.text())))
  end)

  it("ends in order at SIGTERM, with 0", function()
    one = host.start {}
    assert.are.equal(200, (one:post(sample.text())))
    one:signal "TERM"
    assert.are.equal(0, one.process:wait_exit())
    assert.truthy(one:log():find("msg=stopped", 1, true))
  end)

  it("at SIGTERM ends what runs, takes nothing new, and does nothing twice", function()
    local service = target.start { "200 1", "200" }
    finally(function() service:close() end)
    one = host.start {
      config = ('return { targets = { print = { url = "%s" } } }'):format(service.url),
      rules = { send = [[
        rule { name = "send", on = "*", order = "letter", run = function(event)
          return send.http("print") { key = { event.id } }
        end }]] },
    }
    local client = http.connect(one.port)
    local function post(id)
      return http.request(one.port, { client = client, method = "POST", path = "/events", headers = STRUCTURED,
        body = sample.text { id = id } })
    end
    assert.are.equal(200, (post "t-1"))
    assert.are.equal(200, (post "t-2"))  -- waits for t-1: the same letter
    assert(service:wait(1))
    one:signal "TERM"
    assert(one:wait_log("msg=stopping"))
    assert(process.wait(2, function() return http.request(one.admin_port, { path = "/readyz" }) == 503 end))
    local status, headers, body = post "t-3"
    assert.are.equal(503, status)
    assert.is_string(headers["retry-after"])
    problem(status, headers, body)
    assert.are.equal(0, one.process:wait_exit())
    assert.are.equal(1, #service:requests())
    local ids, number = one:ids()
    assert.are.equal(2, number)
    assert.is_nil(ids["t-3"])
    assert(one:launch())
    assert(one:settle())
    local keys = {}
    for i, request in ipairs(service:requests()) do keys[i] = request.headers["idempotency-key"] end
    assert.are.same({ "print:t-1", "print:t-2" }, keys)
  end)

  describe("on a small disk", function()
    local disk

    before_each(function()
      disk = process.folder()
      if os.execute("mount -t tmpfs -o size=1m tmpfs " .. disk .. " 2>/dev/null") then return end
      process.remove(disk)
      disk = nil
    end)

    after_each(function()
      if one then one:close() end
      one = nil
      if not disk then return end
      os.execute("umount " .. disk)
      process.remove(disk)
    end)

    local function ready_is(status)
      return process.wait(5, function() return http.request(one.admin_port, { path = "/readyz" }) == status end)
    end

    local function fill() os.execute(("dd if=/dev/zero of=%s/filler bs=4k 2>/dev/null"):format(disk)) end

    it("refuses with 503 while it is full, and goes on afterwards", function()
      if not disk then return pending("a small disk needs root") end
      one = host.start { inbox = disk .. "/inbox.db" }
      local function post(i) return one:post(sample.text { id = "big-" .. i, x = ("y"):rep(50000) }) end
      local acknowledged, status, headers, body = 0, nil, nil, nil
      for i = 1, 40 do
        status, headers, body = post(i)
        if status ~= 200 then break end
        acknowledged = i
      end
      assert.are.equal(503, status)
      assert.is_string(headers["retry-after"])
      assert.are.equal("storage", problem(status, headers, body).code)
      local ready, _, text = http.request(one.admin_port, { path = "/readyz" })
      assert.are.equal(503, ready)
      assert.truthy(text:find("store", 1, true))
      assert.are.equal(200, (http.request(one.admin_port, { path = "/healthz" })))
      os.execute("mount -o remount,size=64m " .. disk)
      assert(ready_is(200))
      local before = one:metrics().duplicates_total
      assert.are.equal(200, (post(acknowledged + 1)))
      assert.are.equal(before, one:metrics().duplicates_total, "what was refused is no duplicate")
      one:kill()
      assert(one:launch())
      local ids, number = one:ids()
      assert.are.equal(acknowledged + 1, number)
      for i = 1, acknowledged + 1 do assert.are.equal(1, ids["big-" .. i]) end
    end)

    -- A rule that comes back until the file `gate` is gone.
    local GATE = [[
      rule { name = "gate", on = "*", run = function()
        local file = io.open("%s")
        if not file then return skip("the gate is open") end
        file:close()
        return retry_after(0.1, "the gate is shut")
      end }]]

    it("writes down verdicts that it had no room for, the last one last", function()
      if not disk then return pending("a small disk needs root") end
      local gate = process.folder() .. "/gate"
      finally(function() process.remove(gate:match("^(.*)/gate$")) end)
      process.write(gate, "")
      one = host.start { inbox = disk .. "/inbox.db", rules = { gate = GATE:format(gate) } }
      assert.are.equal(200, (one:post(sample.text { id = "gated" })))
      assert(one:wait_log("verdict=retry"))
      fill()
      assert(process.wait(10, function() return (one:metrics().storage_failures_total or 0) > 3 end))
      os.remove(gate)
      os.remove(disk .. "/filler")
      assert(one:settle(), "the event waits for ever")
      -- What was refused is handed over again within a second.
      socket.sleep(2.5)
      local event = one:list().events[1]
      assert.are.equal("skipped", event.runs[1].verdict)
      assert.are.equal("the gate is open", event.runs[1].reason)
      assert.are.equal("skipped", event.state)
    end)
  end)

  describe("does not start, and says what to do:", function()
    local function refused(options, ...)
      options.may_fail = true
      one = host.start(options)
      assert.is_false(one.running)
      assert.are.equal(options.status or 1, one.process:wait_exit())
      local log = one:log()
      for _, words in ipairs { ... } do assert.truthy(log:find(words, 1, true), log) end
      assert.is_nil(log:find("traceback", 1, true), log)
      assert.are.equal(1, select(2, log:gsub("\n", "")), log)
    end

    it("an occupied port", function()
      local server = socket.bind("127.0.0.1", 0)
      local _, port = server:getsockname()
      refused({ listen = "127.0.0.1:" .. port }, "cannot listen on 127.0.0.1:" .. port, "another program uses it")
      server:close()
    end)

    it("a folder that is not there", function()
      refused({ inbox = "/tmp/there/is/no/such/folder/inbox.db" }, "does not exist", "create it")
    end)

    it("a read-only file system", function()
      local disk = process.folder()
      if not os.execute("mount -t tmpfs -o ro tmpfs " .. disk .. " 2>/dev/null") then
        process.remove(disk)
        return pending("a read-only disk needs root")
      end
      finally(function()
        os.execute("umount " .. disk)
        process.remove(disk)
      end)
      refused({ inbox = disk .. "/inbox.db" }, "cannot be written")
    end)

    it("a damaged inbox", function()
      local folder = process.folder()
      process.write(folder .. "/inbox.db", ("no database at all\n"):rep(100))
      refused({ inbox = folder .. "/inbox.db" }, "damaged")
      assert.truthy(process.read(folder .. "/inbox.db"):find("no database at all", 1, true))
      process.remove(folder)
    end)

    it("an inbox that was cut off", function()
      one = host.start {}
      for i = 1, 20 do one:post(sample.text { id = "cut-" .. i, x = ("y"):rep(5000) }) end
      one:stop()
      local bytes = process.read(one.inbox)
      process.write(one.inbox, bytes:sub(1, #bytes // 2))
      local ok, log = one:launch()
      assert.is_false(ok)
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(log:find("damaged", 1, true), log)
      assert.are.equal(bytes:sub(1, #bytes // 2), process.read(one.inbox))
    end)

    it("an inbox whose tables are overwritten", function()
      one = host.start {}
      for i = 1, 20 do one:post(sample.text { id = "over-" .. i, x = ("y"):rep(5000) }) end
      one:stop()
      local bytes = process.read(one.inbox)
      process.write(one.inbox, bytes:sub(1, 100) .. ("\255"):rep(#bytes - 100))
      local ok, log = one:launch()
      assert.is_false(ok)
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(log:find("damaged", 1, true), log)
    end)

    it("the database of another program", function()
      one = host.start {}
      one:stop()
      assert(require("altinn.events.host").execute(one.inbox, "PRAGMA application_id = 7"))
      local ok, log = one:launch()
      assert.is_false(ok)
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(log:find("another program", 1, true), log)
    end)

    it("a folder in place of the inbox", function()
      local folder = process.folder()
      finally(function() process.remove(folder) end)
      refused({ inbox = folder }, "is a folder")
    end)

    it("an inbox of a newer version", function()
      one = host.start {}
      one:stop()
      local query = require("altinn.events.host").execute
      assert(query(one.inbox, "PRAGMA user_version = 99"))
      local ok, log = one:launch()
      assert.is_false(ok)
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(log:find("newer altinn-events", 1, true), log)
    end)

    it("an inbox in use", function()
      local first = host.start {}
      refused({ inbox = first.inbox }, "in use by another host", tostring(first.process.pid))
      first:close()
    end)

    it("no secret, and open to the world", function()
      -- A matter of the configuration: 2, as for a misspelt key.
      refused({ listen = "0.0.0.0:0", status = 2 }, "secret")
      one:close()
      refused({ listen = "[::]:0", status = 2 }, "secret")
    end)
  end)
end)
