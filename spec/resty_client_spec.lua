-- Altinn's side in nginx: letters in rules, tokens of all workers, and the transport over cosockets.
local cjson = require "cjson"
local corpus = require "spec.support.corpus"
local emulator = require "spec.support.emulator"
local events = require "altinn.events"
local http = require "spec.support.http"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local socket = require "socket"
local tls = require "spec.support.tls"

local HTTP = [[
  lua_shared_dict altinn_events 16m;
  init_by_lua_block { receive = require("altinn.events.resty").handler { dict = "altinn_events", %s } }
]]
local RECEIVE = "location /events { content_by_lua_block { receive() } }"

local one, altinn, server

after_each(function()
  for _, each in pairs { one or false, altinn or false, server or false } do
    if each then each:close() end
  end
  one, altinn, server = nil, nil, nil
end)

describe("a rule in nginx", function()
  local function key_pair(folder)
    assert(os.execute(("cd %s && openssl genrsa -out key.pem 2048 2>/dev/null && openssl rsa -in key.pem -pubout"
      .. " -out public.pem 2>/dev/null"):format(process.quote(folder))))
  end

  it("asks Altinn about its letter, with one token for all workers", function()
    local folder = process.folder()
    key_pair(folder)
    altinn = emulator.start { arguments = { "--client", "abc=" .. folder .. "/public.pem" } }
    one = nginx.start { server = RECEIVE, workers = 2, http = HTTP:format(([[rules = "$FOLDER/rules", client = {
      base_url = "%s", credentials = { client_id = "abc", key_file = "%s/key.pem", kid = "abc", issuer = "%s/",
        scopes = { "altinn:events.subscribe", "altinn:correspondence.write" } } }]]):format(altinn.base, folder,
      altinn.base)), rules = { ask = [[
        rule { name = "ask", on = "*", order = false, run = function(event, letter)
          return skip(letter:details().status .. " " .. ngx.worker.id())
        end }]] } }
    local letter = altinn:letter { resource = "acme-letters", sender = "987654321", recipient = "01017012345" }
    local workers = {}
    for number = 1, 40 do
      assert.are.equal(200, (one:post(sample.text { id = "n" .. number, resourceinstance = letter.id })), one:log())
    end
    assert.is_truthy(process.wait(30, function() return select(2, one:log():gsub("reason=\"Published", "")) == 40 end))
    for worker in one:log():gmatch('reason="Published (%d)"') do workers[worker] = (workers[worker] or 0) + 1 end
    assert.are.equal(40, (workers["0"] or 0) + (workers["1"] or 0))
    local tokens = 0
    for _, request in ipairs(altinn:control("GET", "/requests").requests) do
      if request.path == "/token" then tokens = tokens + 1 end
    end
    assert.are.equal(1, tokens)
    process.remove(folder)
  end)

  it("fetches one token for all that want one at the same time, in whichever worker", function()
    local folder = process.folder()
    key_pair(folder)
    server = script.start()
    server:answer [[
      if request.path == "/token" then
        return { delay = 1, body = '{"access_token":"a-raw-token","token_type":"Bearer","expires_in":119,' ..
          '"scope":"altinn:events.subscribe"}', headers = { ["Content-Type"] = "application/json" } }
      end
      return { body = '{"correspondenceId":"0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f","status":"Read",' ..
        '"statusHistory":[]}', headers = { ["Content-Type"] = "application/json" } }]]
    one = nginx.start { server = RECEIVE, workers = 2, http = HTTP:format(([[rules = "$FOLDER/rules", client = {
      base_url = "%s", credentials = { client_id = "abc", key_file = "%s/key.pem", kid = "abc", issuer = "%s/",
        exchange = false, scopes = { "altinn:events.subscribe" } } }]]):format(server.url, folder, server.url)),
      rules = { ask = [[
        rule { name = "ask", on = "*", order = false, run = function(event, letter)
          return skip(letter:details().status)
        end }]] } }
    local clients = {}
    for number = 1, 12 do
      local text = sample.text { id = "n" .. number }
      clients[number] = http.connect(one.port)
      clients[number]:send(("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d"
        .. "\r\n\r\n%s"):format(#text, text))
    end
    for _, client in ipairs(clients) do
      assert.are.equal(200, (http.read(client)), one:log())
      client:close()
    end
    local tokens = 0
    for _, request in ipairs(server:requests()) do
      if request.path == "/token" then tokens = tokens + 1 end
    end
    assert.are.equal(1, tokens)
    process.remove(folder)
  end)

  it("answers no 2xx while Altinn is away", function()
    server = script.start()
    server:always(503, "", "['Retry-After'] = '1'")
    one = nginx.start { server = RECEIVE, http = HTTP:format(([[rules = "$FOLDER/rules",
      client = { base_url = "%s", token = "a-token-of-a-spec", attempts = 1 }]]):format(server.url)),
      rules = { ask = 'rule { name = "ask", on = "*", run = function(_, letter) letter:details() end }' } }
    local status, _, body = one:post(sample.text())
    assert.are.equal(503, status)
    assert.is_truthy(body:find("(server)", 1, true), body)
    assert.is_nil((body .. one:log()):find("a-token-of-a-spec", 1, true))
  end)
end)

describe("the transport over cosockets", function()
  -- What nginx gets for a request: { status, headers, body } or { message, code }.
  local function start(more, workers)
    server = server or script.start()
    one = nginx.start { http = more or "", workers = workers, server = [[
      location /try { content_by_lua_block {
        local request = require("cjson").decode(ngx.var.arg_request and ngx.unescape_uri(ngx.var.arg_request))
        local parts = {}
        if request.sink then request.sink = function(part) parts[#parts + 1] = #part end end
        local reply, message, code, detail = require("altinn.events.resty").transport()(request)
        local text = require("cjson").encode(reply and { status = reply.status, headers = reply.headers,
          body = #reply.body < 1000 and reply.body, size = #reply.body, parts = #parts }
          or { message = message, code = code, not_sent = detail.not_sent, stage = detail.stage,
            status = detail.status })
        ngx.header.content_length = #text
        ngx.print(text)
      } }
      location /log { content_by_lua_block { ngx.say("x") } log_by_lua_block {
        local reply, message = require("altinn.events.resty").transport() { method = "GET", url = "http://127.0.0.1:1" }
        ngx.log(ngx.ERR, "said: ", message)
      } }]] }
  end

  local function try(request)
    local query = cjson.encode(request):gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
    local _, _, body = one:request { path = "/try?request=" .. query }
    return cjson.decode(body)
  end

  it("gives status, headers and body, however they come", function()
    start()
    server:answer [[return { status = 201, body = request.method .. " " .. request.body .. " " ..
      (request.headers["x-a"] or ""), headers = { ["X-B"] = "b" } }]]
    local reply = try { method = "POST", url = server.url .. "/x?y=1", body = "text", headers = { ["X-A"] = "a" } }
    assert.are.same({ 201, "POST text a", "b" }, { reply.status, reply.body, reply.headers["x-b"] })
    server:answer [[return { raw = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" ..
      "Connection: close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n" }]]
    assert.are.equal("abcde", try({ method = "GET", url = server.url }).body)
    server:answer [[return { raw = "HTTP/1.0 200 OK\r\n\r\nuntil the end" }]]
    assert.are.equal("until the end", try({ method = "GET", url = server.url }).body)
    server:always(204)
    assert.are.equal(204, try({ method = "DELETE", url = server.url }).status)
  end)

  it("says whether anything can have been sent", function()
    start()
    local distrusted = tls.start()
    for url, not_sent in pairs {
      ["http://127.0.0.1:1/"] = true, ["ftp://127.0.0.1/"] = true, ["http://altinn.example/"] = true,
      [distrusted.url] = true, [server.url] = false } do
      server:answer "return { raw = '' }"
      assert.are.equal(not_sent, try({ method = "POST", url = url, body = "x", timeout = 2 }).not_sent, url)
    end
    distrusted:close()
    server:answer "return { body = request.headers['accept-encoding'] }"
    assert.are.equal("identity", try({ method = "GET", url = server.url }).body)
  end)

  it("says what went wrong, with a code", function()
    start()
    local function fails(code, request, text)
      if text then server:answer(text) end
      local reply = try(request)
      assert.are.equal(code, reply.code, cjson.encode(reply))
      return reply.message
    end
    local get = { method = "GET", url = server.url, timeout = 1, max_body = 1000 }
    fails("network", { method = "GET", url = "ftp://127.0.0.1/" })
    local message = fails("network", { method = "GET", url = "http://altinn.example/" })
    assert.is_truthy(message:find('add "resolver', 1, true), message)
    fails("timeout", { method = "GET", url = server.url, timeout = 0.2 }, "return { hang = true }")
    fails("too_large", get, "return { bytes = 1001 }")
    fails("network", get, [[return { raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf" }]])
    fails("network", get, [[return { raw = "this is no HTTP\r\n\r\n" }]])
    fails("network", get, [[return { raw = "HTTP/1.1 200 OK\r\nX: " .. ("x"):rep(20000) .. "\r\n\r\n" }]])
    fails("network", get, [[return { raw = "HTTP/1.1 200 OK\r\n" .. ("X: y\r\n"):rep(300) .. "\r\n" }]])
    fails("network", get, [[return { raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" }]])
    fails("network", get,
      [[return { raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" }]])
    fails("network", get, [[return { raw = "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" }]])
  end)

  it("says at which stage the network failed, and the status of an answer that broke off", function()
    start()
    for stage, url in pairs { connect = "http://127.0.0.1:1/", resolve = "http://altinn.example/" } do
      local reply = try { method = "GET", url = url }
      assert.are.same({ "network", stage }, { reply.code, reply.stage, reply.status })
    end
    for raw, status in pairs { ["HTTP/1.1 201 Created\\r\\nContent-Length: 10\\r\\n\\r\\nhalf"] = 201,
      ["HTTP/1.1 422 No\\r\\nX"] = 422, ["HTTP/1.1 20"] = false, ["HTTP/1.1 100 Continue\\r\\n\\r\\n"] = false } do
      server:answer(('return { raw = "%s" }'):format(raw))
      local reply = try { method = "GET", url = server.url, timeout = 2 }
      assert.are.same({ "network", "broken", status or nil }, { reply.code, reply.stage, reply.status }, raw)
    end
  end)

  it("does not talk to a server whose certificate nobody vouches for", function()
    local folder, port = process.folder(), nginx.free_port()
    assert(os.execute(("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
      .. " -keyout key.pem -out cert.pem 2>/dev/null"):format(folder)))
    start(([[server { listen 127.0.0.1:%d ssl; ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem;
      location / { return 200 "secret"; } }]]):format(port, folder, folder))
    finally(function() process.remove(folder) end)
    for _ = 1, 40 do  -- a handshake that is over at once goes another way in nginx
      local reply = try { method = "GET", url = ("https://127.0.0.1:%d/"):format(port), timeout = 5 }
      assert.are.equal("tls", reply.code)
      assert.is_truthy(reply.message:find("lua_ssl_trusted_certificate", 1, true), reply.message)
    end
  end)

  it("talks to one whom lua_ssl_trusted_certificate vouches for, by its name", function()
    local folder, port = process.folder(), nginx.free_port()
    assert(os.execute(("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
      .. " -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null"):format(folder)))
    local names, resolver = process.serve(folder, "dns", "lua5.4 spec/support/dns_server.lua")
    finally(function()
      names:stop()
      process.remove(folder)
    end)
    start(([[resolver 127.0.0.1:%d ipv6=off; lua_ssl_trusted_certificate %s/cert.pem;
      server { listen 127.0.0.1:%d ssl; ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem;
      location / { return 200 "secret"; } }]]):format(resolver, folder, port, folder, folder))
    local url = ("https://localhost:%d/"):format(port)
    for _ = 1, 5 do assert.are.equal("secret", try({ method = "GET", url = url, timeout = 5 }).body) end
    local reply = try { method = "GET", url = ("https://other:%d/"):format(port), timeout = 5 }
    assert.are.equal("tls", reply.code)
  end)

  it("has one deadline for all, however slowly a server drips", function()
    start()
    local drips = {
      'return { drip = "HTTP/1.1 200 OK\\r\\nX: " .. ("x"):rep(1000) }',
      'return { drip = "HTTP/1.1 200 OK\\r\\n" .. ("X: y\\r\\n"):rep(100) }',
      'return { drip = "HTTP/1.1 200 OK\\r\\nContent-Length: 999\\r\\n\\r\\n" .. ("x"):rep(999) }',
      'return { drip = "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n" .. ("1\\r\\nx\\r\\n"):rep(99) }',
    }
    for _, text in ipairs(drips) do
      server:answer(text)
      local began = socket.gettime()
      local reply = try { method = "GET", url = server.url, timeout = 0.3 }
      assert.are.equal("timeout", reply.code, text)
      assert.is_true(socket.gettime() - began < 0.6, text)
    end
  end)

  it("takes nothing that is no HTTP, and sends nothing that is none", function()
    start()
    local raw = {
      "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n5 x\\r\\nabcde\\r\\n0\\r\\n\\r\\n",
      "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: gzip\\r\\n\\r\\n",
      "HTTP/1.1 200 OK\\r\\nContent-Length: 1, 1\\r\\n\\r\\nx",
      "HTTP/1.1 2000 OK\\r\\n\\r\\n", "HTTP/1.1 200 OK\\r\\nX y\\r\\n\\r\\n",
      "HTTP/1.1 100 Continue\\r\\n\\r\\n",
    }
    for _, text in ipairs(raw) do
      server:answer(('return { raw = ("%s"):rep(%d) }'):format(text, text:find " 100 " and 50 or 1))
      assert.are.equal("network", try({ method = "GET", url = server.url, timeout = 2 }).code, text)
    end
    server:answer "return { status = 200 }"
    for _, request in ipairs {
      { url = server.url .. "/a b" }, { url = server.url .. "/\r\nX: y" }, { headers = { ["X: a\r\nY"] = "b" } },
      { headers = { X = "a\r\nY: b" } }, { method = "GET /x HTTP/1.1\r\nX:" }, { url = "http://u:p@127.0.0.1/" },
    } do
      request.method, request.url = request.method or "GET", request.url or server.url
      assert.are.equal("network", try(request).code, cjson.encode(request))
    end
    assert.are.same({}, server:requests())
  end)

  it("asks again on a new connection when a kept one was ended meanwhile", function()
    start(nil, 1)
    server:answer 'return number == 2 and { raw = "" } or { status = 200, body = tostring(number) }'
    local post = { method = "POST", url = server.url, body = "x", timeout = 2 }
    assert.are.equal("1", try(post).body)
    assert.are.equal("3", try(post).body)
    server:answer 'return { raw = "" }'
    assert.are.equal("network", try(post).code)
    assert.are.equal("network", try(post).code)
  end)

  it("streams to a sink, and keeps connections", function()
    start()
    server:answer "return { bytes = 3000000 }"
    local reply = try { method = "GET", url = server.url, sink = true }
    assert.are.same({ 200, 0 }, { reply.status, reply.size })
    assert.is_true(reply.parts > 10)
  end)

  it("is refused where nginx has no cosockets", function()
    start()
    one:request { path = "/log" }
    assert.is_truthy(one:wait_log "said: nginx has no cosockets in the phase log: do it in ngx.timer.at(0, …)")
  end)
end)

describe("10,000 events in nginx", function()
  it("get the verdicts that they get elsewhere", function()
    one = nginx.start { server = [[location /corpus { content_by_lua_block {
      package.path = "]] .. io.popen("pwd"):read("l") .. [[/?.lua;" .. package.path
      local corpus, events = require "spec.support.corpus", require "altinn.events"
      local digest, last = corpus.digest()
      corpus.each(function(text) last = digest((corpus.verdict(events, text)) .. "\n") end)
      ngx.header.content_length = #last
      ngx.print(last)
    } }]] }
    local digest, last = corpus.digest(), nil
    corpus.each(function(text) last = digest((corpus.verdict(events, text)) .. "\n") end)
    local _, _, body = one:request { path = "/corpus", timeout = 30 }
    assert.are.equal(last, body)
  end)
end)
