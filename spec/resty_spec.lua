-- The webhook in nginx with its Lua module: real nginx, two workers, real cosockets.
local host = require "spec.support.host"
local http = require "spec.support.http"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local target = require "spec.support.target"
local socket = require "socket"

local HTTP = [[
  lua_shared_dict altinn_events 16m;
  init_by_lua_block { receive = require("altinn.events.resty").handler { dict = "altinn_events", %s } }
]]
local SERVER = "location /events { content_by_lua_block { receive() } }"

local one, service, other

after_each(function()
  for _, each in pairs { one or false, service or false, other or false } do
    if each then each:close() end
  end
  one, service, other = nil, nil, nil
end)

local function start(options, rules)
  one = nginx.start { http = HTTP:format(options), server = SERVER, rules = rules }
end

local function start_with_target(rules, answer, more)
  service = target.start(answer)
  start(('rules = "$FOLDER/rules", targets = { print = { url = "%s", timeout = 5 } } %s')
    :format(service.url, more or ""), rules)
end

-- Posts an event and does not wait for the answer: a connection to read it from.
local function begin(text)
  local client = http.connect(one.port)
  client:send("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
  client:send(("Content-Length: %d\r\n\r\n%s"):format(#text, text))
  return client
end

local function statuses(clients)
  local list = {}
  for index, client in ipairs(clients) do
    list[index] = http.read(client)
    client:close()
  end
  return list
end

local PRINT = [[
  rule {
    name = "print", on = "correspondencepublished",
    run = function(event, letter)
      return send.http("print") { key = { "print", letter.id }, path = "/jobs", json = {} }
    end,
  }]]

describe("the handler's answers", function()
  local CLOUDEVENTS, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
  local secret = "a-long-secret"

  -- Each is a request; what the host answers is what nginx must answer.
  local function requests()
    local list = {}
    local function add(options) list[#list + 1] = options end
    local function post(body, media, path, more)
      local headers = { ["Content-Type"] = media }
      for name, value in pairs(more or {}) do headers[name] = value end
      add { method = "POST", path = path or "/events/" .. secret, body = body, headers = headers }
    end
    local good = sample.text()
    post(good, CLOUDEVENTS)
    post(good, CLOUDEVENTS)
    post(sample.text { source = "/other" }, "application/json; charset=utf-8", "/events/" .. secret .. "/letters")
    post(sample.text { id = "2" }, "Application/CloudEvents+JSON")
    post(sample.validation, CLOUDEVENTS)
    post("[]", BATCH)
    post("[" .. sample.text { id = "3" } .. "," .. sample.text { id = "4" } .. "]", BATCH)
    post("[" .. sample.text { id = "5" } .. ',{"id":""}]', BATCH)
    post('{"a":1', CLOUDEVENTS)
    post('{"specversion":"1.0","id":"","source":"a b","type":"t","time":"x","Bad":1}', CLOUDEVENTS)
    post('{"specversion":"1.0"}', CLOUDEVENTS)
    post("[1]", CLOUDEVENTS)
    post("", CLOUDEVENTS)
    post("\255\254", "application/json")
    post(good, "text/plain")
    post(good, nil)
    post(good, CLOUDEVENTS, nil, { ["Content-Encoding"] = "gzip" })
    post(("x"):rep(256 * 1024 + 1), CLOUDEVENTS)
    post("x", "text/plain", nil,
      { ["ce-specversion"] = "1.0", ["ce-id"] = "6", ["ce-source"] = "/x", ["ce-type"] = "t" })
    post("", "text/plain", nil, { ["ce-specversion"] = "1.0", ["ce-id"] = "7", ["ce-source"] = "/x" })
    post(good, CLOUDEVENTS, nil, { ["ce-id"] = "other" })
    post(good, CLOUDEVENTS, "/events/wrong")
    post(good, CLOUDEVENTS, "/events")
    post(good, CLOUDEVENTS, "/events/a-long-secret2")
    post(good, CLOUDEVENTS, "/events/a-long%2Dsecret")
    post(good, CLOUDEVENTS, "/events/" .. secret .. "/a/b")
    post(good, CLOUDEVENTS, "/events/" .. secret .. "/" .. ("n"):rep(129))
    -- (An encoded NUL in the path is refused by nginx itself.)
    post(good, CLOUDEVENTS, "/events/" .. secret .. "?query=1")
    post(sample.text { id = "9" }, CLOUDEVENTS, "/events/" .. secret .. "/bl%C3%A5b%C3%A6r")
    post(good, CLOUDEVENTS, "/events/" .. secret .. "/%FF%FE")
    post(good, CLOUDEVENTS, "/events/" .. secret .. "/%01")
    post(good, CLOUDEVENTS, nil, { A = ("a"):rep(6000), B = ("b"):rep(6000), C = ("c"):rep(6000) })
    post(sample.text { id = "10" }, CLOUDEVENTS, nil, { A = ("a"):rep(7000), B = ("b"):rep(7000) })
    for _, method in ipairs { "GET", "PUT", "DELETE", "PATCH" } do
      add { method = method, path = "/events/" .. secret }
    end
    add { method = "OPTIONS", path = "/events/" .. secret }
    add { method = "OPTIONS", path = "/events/" .. secret, headers = { ["WebHook-Request-Origin"] = "altinn.no" } }
    add { method = "POST", path = "/events/" .. secret, chunked = true, body = sample.text { id = "8" },
      headers = { ["Content-Type"] = CLOUDEVENTS } }
    return list
  end

  local function shown(status, headers, body)
    return { status = status, body = body, type = status >= 400 and headers["content-type"] or nil,
      allow = headers.allow, origin = headers["webhook-allowed-origin"], rate = headers["webhook-allowed-rate"] }
  end

  it("are the host's", function()
    start('secret = { "another", "a-long-secret" }, on_event = function() end')
    other = host.start { arguments = { "--secret", secret } }
    for number, request in ipairs(requests()) do
      local mine = shown(one:request(request))
      local wanted = shown(http.request(other.port, request))
      assert.are.same(wanted, mine, ("request %d: %s %s"):format(number, request.method, request.path))
    end
  end)

  it("are the same when nginx has put the body into a file, and it says what to add", function()
    one = nginx.start { http = HTTP:format 'on_event = function() end',
      server = "location /events { client_body_buffer_size 1k; content_by_lua_block { receive() } }" }
    local text = sample.text { padding = ("x"):rep(3000) }
    assert.are.equal(200, (one:post(text)))
    assert.is_truthy(one:wait_log "add client_body_buffer_size 256k;")
    assert.are.equal(413, (one:post(("x"):rep(256 * 1024 + 1))))
  end)
end)

describe("nginx's log", function()
  it("shows no secret and no identity number", function()
    start_with_target({ log = [[
      rule { name = "log", on = "*", run = function(event)
        log(event.subject)
        if event.id == "1" then error("broken by " .. event.subject) end
        return send.http("print") { body = "x" }
      end }]] }, { "503" }, ', secret = "a-long-secret"')
    local person = "urn:altinn:person:identifier-no:01020312345"
    for id = 1, 2 do
      local text = sample.text { id = tostring(id), subject = person }
      local status, _, body = one:post(text, nil, "/events/a-long-secret")
      assert.are.equal(503, status)
      assert.is_nil(body:find("01020312345", 1, true))
    end
    assert.is_truthy(one:wait_log "answered 503")
    assert.is_truthy(one:wait_log(("*"):rep(11)))
    assert.is_nil(one:log():find("01020312345", 1, true))
    assert.is_nil(one:log():match("[^\n]*a%-long%-secret[^\n]*"))
  end)
end)

describe("events", function()
  it("are handed over once, also to two workers, and again when they were not taken", function()
    one = nginx.start { server = SERVER, http = HTTP:format [[on_event = function(event, name)
      local count = ngx.shared.altinn_events:incr("seen " .. event.id, 1, 0)
      ngx.log(ngx.ERR, "taken ", event.id, " ", name, " ", count)
      if event.id == "refused" and count < 3 then return false end
      if event.id == "reason" and count < 2 then return nil, "the queue is full of 12345678901" end
      if event.id == "error" and count < 2 then error("broken") end
    end]] }
    for _ = 1, 5 do assert.are.equal(200, (one:post(sample.text { id = "a" }, nil, "/events/s/n"))) end
    local status, headers, body = one:post(sample.text { id = "reason" })
    assert.are.equal(503, status)
    assert.are.equal("application/problem+json", headers["content-type"])
    assert.are.equal("5", headers["retry-after"])
    assert.is_truthy(body:find("the queue is full of ***********", 1, true), body)
    assert.are.equal(200, (one:post(sample.text { id = "reason" })))
    for number = 1, 4 do
      assert.are.equal(number < 3 and 503 or 200, (one:post(sample.text { id = "refused" })))
    end
    status, headers, body = one:post(sample.text { id = "error" })
    assert.are.same({ 503, "5" }, { status, headers["retry-after"] })
    assert.is_nil(body:find("broken", 1, true))
    assert.are.equal(200, (one:post(sample.text { id = "error" })))
    local log = one:log()
    assert.are.equal(1, select(2, log:gsub("taken a n 1", "")))
    assert.are.equal(0, select(2, log:gsub("taken a n 2", "")))
    assert.are.equal(3, select(2, log:gsub("taken refused", "")))
    assert.is_nil(log:find("12345678901", 1, true))
  end)

  it("that a worker had when it died are taken by another at once", function()
    start_with_target({ die = [[
      rule { name = "die", on = "*", run = function()
        if ngx.shared.altinn_events:incr("runs", 1, 0) == 1 then
          os.execute("kill -KILL " .. ngx.worker.pid())
        end
        return send.http("print") { key = "the:once", body = "x" }
      end }]] })
    assert.is_nil((one:post(sample.text())))
    local began = socket.gettime()
    assert.are.equal(200, process.wait(10, function()
      local ok, status = pcall(one.post, one, sample.text())
      return ok and status
    end))
    assert.is_true(socket.gettime() - began < 5, "the dead worker's claim holds")
    assert.are.equal(1, #service:requests())
  end)

  it("are finished when whoever sent them has hung up, and remembered when nginx reloads", function()
    start_with_target({ print = PRINT }, { "200 0.2" })
    local client = begin(sample.text())
    assert.is_truthy(service:wait(1))
    client:close()
    assert.is_truthy(one:wait_log "verdict=done")
    assert.are.equal(200, (one:post(sample.text())))
    one.process:signal "HUP"
    assert.is_truthy(one:wait_log "gracefully shutting down")
    for _ = 1, 10 do assert.are.equal(200, (one:post(sample.text()))) end
    assert.are.equal(1, #service:requests())
  end)

  it("that come again while the first is under way wait for it", function()
    start_with_target({ print = PRINT }, { "200 0.4" })
    local clients = {}
    for i = 1, 4 do clients[i] = begin(sample.text()) end
    assert.are.same({ 200, 200, 200, 200 }, statuses(clients))
    assert.are.equal(1, #service:requests())
  end)
end)

describe("rules in nginx", function()
  it("send their effects before the 200, once by key", function()
    start_with_target { print = PRINT }
    assert.are.equal(200, (one:post(sample.text())))
    local requests = service:requests()
    assert.are.equal(1, #requests)
    assert.are.equal("/jobs", requests[1].path)
    assert.are.equal("print:print/print/0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", requests[1].headers["idempotency-key"])
    -- Altinn's publisher made a new id: another event, the same effect.
    assert.are.equal(200, (one:post(sample.text { id = "another" })))
    assert.are.equal(1, #service:requests())
    assert.is_truthy(one:wait_log("msg=verdict rule=print event=another"
      .. " type=no.altinn.correspondence.correspondencepublished verdict=skipped"))
  end)

  it("are tried again by Altinn's ladder when a target fails, and what was sent is not sent again", function()
    start_with_target({ two = [[
      rule {
        name = "two", on = "*",
        run = function(event, letter, context)
          log("attempt", context.attempt)
          return { send.http("print") { body = "1" }, send.http("print") { body = "2" } }
        end,
      }]] }, { "200", "503", "200" })
    local status, _, body = one:post(sample.text())
    assert.are.equal(503, status)
    assert.is_truthy(body:find("rule 'two': target 'print' answered 503", 1, true), body)
    assert.are.equal(200, (one:post(sample.text())))
    local bodies = {}
    for index, request in ipairs(service:requests()) do bodies[index] = request.body end
    assert.are.same({ "1", "2", "2" }, bodies)
    assert.is_truthy(one:wait_log 'msg=rule rule=two event=da4ceacc-ad44-4e54-99b6-b58e3c13c785 reason="attempt 2"')
  end)

  it("give their verdicts as answers", function()
    start_with_target({ verdicts = [[
      local function on(type, run) rule { name = type, on = "x." .. type, run = run } end
      on("skip", function() return skip "no need" end)
      on("later", function() return retry_after("90s", "not yet") end)
      on("fail", function() return fail "never 12345678901" end)
      on("error", function() error("broken") end)
      on("denied", function(event, letter) return send.http("nobody") { body = "x" } end)
      on("wait", function()
        local ok, value = pcall(function() ngx.sleep(0.02) error({ "a table" }) end)
        return skip(tostring(ok) .. type(value))
      end)
      on("coroutine", function()
        local co = coroutine.wrap(function() coroutine.yield(1) return 2 end)
        return skip(co() .. co())
      end)]] }, nil, ', on_dead = function(event, rule, reason) ngx.log(ngx.ERR, "dead: ", rule, " ", reason) end')
    local function post(type) return one:post(sample.text { id = type, type = "x." .. type }) end
    assert.are.equal(200, (post "skip"))
    local status, headers, body = post "later"
    assert.are.same({ 503, "90" }, { status, headers["retry-after"] })
    assert.is_truthy(body:find("rule 'later': not yet", 1, true))
    assert.are.equal(200, (post "fail"))
    assert.is_truthy(one:wait_log("dead: fail never " .. ("*"):rep(11)))
    status, headers, body = post "error"
    assert.are.same({ 503, "5" }, { status, headers["retry-after"] })
    assert.is_truthy(body:find("verdicts.lua:5: broken", 1, true), body)
    assert.is_nil(body:find("traceback", 1, true))
    assert.is_truthy(one:wait_log "stack traceback")
    assert.are.equal(200, (post "denied"))
    assert.is_truthy(one:wait_log "there is no such target")
    assert.are.equal(200, (post "wait"))
    assert.is_truthy(one:wait_log "reason=falsetable")
    assert.are.equal(200, (post "coroutine"))
    assert.is_truthy(one:wait_log "reason=12")
    assert.are.equal(200, (post "unwanted"))
  end)

  it("that have had their verdict are not run again when another rule is tried again", function()
    start_with_target { both = [[
      rule { name = "first", on = "*", run = function() log("first runs") end }
      rule { name = "second", on = "*", run = function(_, _, context)
        if context.attempt < 3 then return retry_after(1, "not yet") end end }]] }
    assert.are.equal(503, (one:post(sample.text())))
    assert.are.equal(503, (one:post(sample.text())))
    assert.are.equal(200, (one:post(sample.text())))
    -- Each worker writes its lines in its own time.
    assert.is_truthy(process.wait(30, function() return select(2, one:log():gsub("verdict rule=second", "")) == 3 end))
    assert.is_truthy(one:wait_log "verdict rule=first")
    assert.are.equal(1, select(2, one:log():gsub("first runs", "")))
  end)

  it("for one letter do not overlap", function()
    start_with_target({ slow = [[
      rule { name = "slow", on = "*", run = function()
        local count = ngx.shared.altinn_events:incr("running", 1, 0)
        ngx.sleep(0.1)
        ngx.shared.altinn_events:incr("running", -1)
        return skip("at once: " .. count)
      end }]] })
    local clients = {}
    for i = 1, 5 do clients[i] = begin(sample.text { id = "n" .. i }) end
    assert.are.same({ 200, 200, 200, 200, 200 }, statuses(clients))
    assert.is_truthy(process.wait(9, function() return select(2, one:log():gsub("at once: 1", "")) == 5 end), one:log())
  end)

  it("that wait for a service do not hold up others", function()
    start_with_target({ slow = [[
      rule { name = "slow", on = "x.slow", run = function() return send.http("print") { body = "x" } end }
      rule { name = "fast", on = "x.fast", run = function() return skip "fast" end }]] }, { "200 0.7" })
    local clients = {}
    for i = 1, 3 do
      clients[i] = begin(sample.text { id = "s" .. i, type = "x.slow", resourceinstance = "letter-" .. i })
    end
    local began = socket.gettime()
    for i = 1, 20 do assert.are.equal(200, (one:post(sample.text { id = "f" .. i, type = "x.fast" }))) end
    assert.is_true(socket.gettime() - began < 0.65, "the fast ones waited for the slow ones")
    assert.are.same({ 200, 200, 200 }, statuses(clients))
  end)
end)

describe("a site that is wrong", function()
  local function refused(text, options)
    options.may_fail = true
    options.server = SERVER
    one = nginx.start(options)
    assert.is_truthy(one:wait_log(text), one:log())
    assert.is_truthy(process.wait(30, function() return one.process:status() end), "nginx has started")
  end

  it("does not start, and says what to add", function()
    refused('add "lua_shared_dict altinn_events 64m;"', {
      http = 'init_by_lua_block { require("altinn.events.resty").handler { dict = "altinn_events", rules = "x" } }' })
  end)

  it("nor with a dict that remembers nothing", function()
    refused("is too small", { http = "lua_shared_dict altinn_events 64k;"
      .. ' init_by_lua_block { require("altinn.events.resty").handler { dict = "altinn_events", rules = "x" } }' })
  end)

  it("nor with rules that are broken", function()
    refused("did you mean 'name'", { http = HTTP:format 'rules = "$FOLDER/rules"',
      rules = { broken = 'rule { nane = "x", on = "*", run = function() end }' } })
  end)

  it("nor with options that are none", function()
    refused("unknown option 'secrets' of handler (did you mean 'secret'", {
      http = HTTP:format 'rules = "x", secrets = "y"' })
  end)

  it("says when the resolver is missing", function()
    start('rules = "$FOLDER/rules", targets = { print = { url = "http://print.example.no" } }', { print = PRINT })
    local status, _, body = one:post(sample.text())
    assert.are.equal(503, status)
    assert.is_truthy(body:find('add \\"resolver', 1, true), body)
  end)

  it("says when the handler stands in another phase", function()
    one = nginx.start { http = HTTP:format 'on_event = function() end',
      server = "location /events { access_by_lua_block { receive() } }" }
    assert.are.equal(500, (one:post(sample.text())))
    assert.is_truthy(one:wait_log "the handler is for content_by_lua, not for the phase access")
  end)
end)
