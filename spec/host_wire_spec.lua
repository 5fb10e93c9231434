-- The host on the wire: what a client may send, and what it gets.
local altinn = require "spec.support.altinn"
local cjson = require "cjson"
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"

local STRUCTURED = { ["Content-Type"] = "application/cloudevents+json" }

local problem = http.problem

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

  it("refuses a name that is no text", function()
    assert.are.equal(404, (one:post(sample.text { id = "bad-name" }, nil, "/events/x/%ff")))
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
      ["a length on a folded line"] = { "Content-Length:\r\n " .. #sample.text() .. "\r\n", sample.text() },
      ["chunks on a folded line"] = { "Transfer-Encoding:\r\n\tchunked\r\n", CHUNKS },
      ["a length that folds another header"] = { "X: y\r\n " .. LENGTH, sample.text() },
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

  it("takes a whole address as the target", function()
    for _, target in ipairs { "http://x/events", "HTTPS://hooks.example.no:8443/events" } do
      local before = count()
      assert.are.equal(200, (one:post(sample.text { id = "target-" .. target }, nil, target)))
      assert.are.equal(before + 1, count())
    end
    for _, target in ipairs { "http://x", "http://x/other", "http:/events", "ftp://x/events" } do
      assert.are.equal(404, (one:post(sample.text { id = "x" }, nil, target)), target)
    end
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
    assert.is_true(header > 1.8 and header < 15, "header: " .. header)
    assert.is_true(body > 1.8 and body < 15, "body: " .. body)
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

  it("gives the memory of a rush of connections back", function()
    -- (An end that comes together with data is seen at the deadline only.)
    local two = host.start { config = "return { limits = { deadline = 5 } }" }
    finally(function() two:close() end)
    local function kilobytes()
      local file = assert(io.open(("/proc/%d/status"):format(two.process.pid)))
      local text = file:read("a")
      file:close()
      return tonumber(text:match("VmRSS:%s*(%d+)"))
    end
    assert.are.equal(200, (two:post(sample.text { id = "first" })))  -- its workers have begun then
    assert(two:settle())
    local before, clients = kilobytes(), {}
    for i = 1, 800 do
      clients[i] = http.connect(two.port)
      clients[i]:send("POST /events HTTP/1.1\r\nHost: x\r\nX: " .. ("x"):rep(12000))
    end
    assert(process.wait(30, function() return kilobytes() > before + 8000 end))
    for _, client in ipairs(clients) do client:close() end
    if not altinn.measures_memory then return end
    assert(process.wait(60, function() return kilobytes() < before + 3000 end), kilobytes() - before)
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
