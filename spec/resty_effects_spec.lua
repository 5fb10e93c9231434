-- Rules in nginx end as they do in the host: effects once by key and whole, retries, what failed for good.
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local http = require "spec.support.http"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local target = require "spec.support.target"

local HTTP = [[
  lua_shared_dict altinn_events 16m;
  init_by_lua_block { receive = require("altinn.events.resty").handler { dict = "altinn_events",
    rules = "$FOLDER/rules", targets = { print = { url = "%s", timeout = 5 } } %s } }
]]
local SERVER = "location /events { content_by_lua_block { receive() } }"
local one, service

after_each(function()
  for _, each in pairs { one or false, service or false } do
    if each then each:close() end
  end
  one, service = nil, nil
end)

local function start(rules, answers, more)
  service = target.start(answers)
  one = nginx.start { http = HTTP:format(service.url, more or ""), server = SERVER, rules = rules }
end

local function bodies()
  local list = {}
  for index, request in ipairs(service:requests()) do list[index] = request.body end
  return list
end

local function post(id, more)
  local fields = { id = tostring(id), resourceinstance = "letter-" .. id }
  for name, value in pairs(more or {}) do fields[name] = value end
  return one:post(sample.text(fields))
end

describe("an effect in nginx", function()
  it("that the rule made once is sent for each event", function()
    start { same = [[
      local effect = send.http("print") { body = "x" }
      rule { name = "same", on = "*", run = function() return effect end }]] }
    for id = 1, 3 do assert.are.equal(200, (post(id))) end
    assert.are.same({ "x", "x", "x" }, bodies())
  end)

  it("whose answer breaks off after a 2xx is sent, and not sent again", function()
    service = script.start()
    service:answer [[return { raw = "HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nhalf" }]]
    one = nginx.start { http = HTTP:format(service.url, ""), server = SERVER, rules = { once = [[rule {
      name = "once", on = "*", run = function(event, letter) return send.http("print") { key = letter } end }]] } }
    assert.are.equal(200, (post(1)))
    assert.are.equal(200, (post(2, { resourceinstance = "letter-1" })))
    assert.are.equal(1, #service:requests())
  end)

  it("goes out with all of its list or not at all, when one of them cannot be sent", function()
    start { some = [[
      rule { name = "some", on = "x.target", run = function()
        return { send.http("print") { body = "1" }, send.http("nobody") { body = "2" } } end }
      rule { name = "path", on = "x.path", run = function()
        return { send.http("print") { body = "3" }, send.http("print") { body = "4", path = "no slash" } } end }
      rule { name = "twice", on = "x.twice", run = function()
        local key = "k:1"
        return { send.http("print") { key = key, body = "5" }, send.http("print") { key = key, body = "6" } } end }]] }
    for _, type in ipairs { "target", "path", "twice" } do
      assert.are.equal(200, (post(type, { type = "x." .. type })))
    end
    assert.is_truthy(one:wait_log "two effects have the key print:k:1: each needs its own")
    assert.are.same({}, bodies())
  end)

  it("goes out once by its key also when two events have it at the same time", function()
    start({ key = [[rule { name = "key", on = "*", order = false, run = function()
      return send.http("print") { key = "the:same", body = "x" } end }]] }, { "200 0.3" })
    local clients = {}
    for id = 1, 6 do
      local text = sample.text { id = tostring(id) }
      clients[id] = http.connect(one.port)
      clients[id]:send(("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d"
        .. "\r\n\r\n%s"):format(#text, text))
    end
    for _, client in ipairs(clients) do
      assert.are.equal(200, (http.read(client)))
      client:close()
    end
    assert.are.equal(1, #bodies())
  end)

  it("heeds Retry-After as a number and as a date, within reason", function()
    service = script.start()
    service:sequence {
      "{ status = 503, headers = { ['Retry-After'] = '7' } }",
      "{ status = 503, headers = { ['Retry-After'] = 'Fri, 31 Dec 1999 23:59:59 GMT' } }",
      "{ status = 503, headers = { ['Retry-After'] = '999999999' } }",
      "{ status = 503, headers = { ['Retry-After'] = '-1e999' } }",
    }
    one = nginx.start { http = HTTP:format(service.url, ""), server = SERVER, rules = {
      a = 'rule { name = "a", on = "*", run = function() return send.http("print") { body = "x" } end }' } }
    for index, wanted in ipairs { "7", "5", "86400", "5" } do
      local status, headers = post(1)
      assert.are.same({ 503, wanted }, { status, headers["retry-after"] }, "answer " .. index)
    end
  end)
end)

describe("a rule in nginx that is tried again", function()
  it("is given up after its attempts, its time, or a status that it does not retry", function()
    start({ policies = [[
      local function failing() return send.http("print") { body = "x" } end
      rule { name = "attempts", on = "x.attempts", retry = { attempts = 2 }, run = failing }
      rule { name = "on", on = "x.on", retry = { on = { 500, "network" } }, run = failing }
      rule { name = "within", on = "x.within", retry = { within = "1s" }, run = function(_, _, context)
        log("attempt " .. context.attempt .. " after " .. math.floor(ngx.now() - context.received))
        error("not yet")
      end }]] }, { "503" })
    assert.are.equal(503, (post("a", { type = "x.attempts" })))
    assert.are.equal(200, (post("a", { type = "x.attempts" })))
    assert.is_truthy(one:wait_log "gave up after 2 attempts: target 'print' answered 503")
    assert.are.equal(200, (post("o", { type = "x.on" })))
    assert.is_truthy(one:wait_log "target 'print' answered 503 (not retried: retry.on)")
    assert.are.equal(503, (post("w", { type = "x.within" })))
    assert.are.equal(200, process.wait(30, function()
      local status = post("w", { type = "x.within" })
      return status == 200 and status
    end))
    assert.is_truthy(one:wait_log "gave up after 1")
    assert.is_truthy(one:wait_log "attempt 2 after 0")
  end)

  it("finds no letter yet at the first attempt, and is not given up for it", function()
    service = script.start()
    service:always(404, '{"errorCode":1001,"detail":"not found"}', "['Content-Type'] = 'application/json'")
    one = nginx.start { http = HTTP:format("http://127.0.0.1:1", (', client = { base_url = "%s", token = "a-token" }')
      :format(service.url)), server = SERVER, rules = {
      ask = 'rule { name = "ask", on = "*", run = function(_, letter) letter:details() end }' } }
    local letter = { resourceinstance = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f" }
    assert.are.equal(503, (post(1, letter)))
    assert.are.equal(200, (post(1, letter)))
    assert.is_truthy(one:wait_log "verdict=dead")
  end)

  it("waits as long as it wishes, which is no failure; but for Altinn's last attempt", function()
    start { wish = [[
      rule { name = "soon", on = "x.soon", retry = { within = "1s", attempts = 1 }, run = function(_, _, context)
        if ngx.now() - context.received < 1.2 then return retry_after("1s", "not yet") end
        return done("now")
      end }
      rule { name = "never", on = "x.never", run = function() return retry_after("3d", "not yet") end }]] }
    local status, headers = post("s", { type = "x.soon" })
    assert.are.same({ 503, "1" }, { status, headers["retry-after"] })
    assert.is_truthy(one:wait_log 'verdict=later reason="not yet; again in 1 s" attempt=1')
    assert.are.equal(200, process.wait(30, function()
      local now = post("s", { type = "x.soon" })
      return now == 200 and now
    end))
    assert.is_truthy(one:wait_log "verdict=done reason=now")
    assert.are.equal(200, (post("n", { type = "x.never" })))
    assert.is_truthy(one:wait_log "it cannot wait for 3 d: Altinn brings the event again for 34 h at most: not yet")
  end)

  it("tells on_dead once the verdict stands: what that raises is logged, and undoes nothing", function()
    start({ dead = [[
      rule { name = "dead", on = "*", run = function() return fail "never" end }
      rule { name = "waits", on = "*", run = function() return retry_after(1) end }]] }, nil, [[,
      on_dead = function(event, rule, reason)
        ngx.log(ngx.ERR, "told: ", rule, " ", reason)
        error("the queue is away")
      end]])
    assert.are.equal(503, (post(1)))
    assert.are.equal(503, (post(1)))
    assert.is_truthy(one:wait_log "msg=on_dead rule=dead event=1 reason=")
    assert.is_truthy(one:wait_log "the queue is away")
    local told = select(2, one:log():gsub("told: dead never", ""))
    assert.are.equal(1, told)
  end)
end)

describe("an effect in nginx of which nobody knows what came", function()
  it("goes out with the same bytes again; one that was refused is made anew", function()
    service = target.start { "close", "503", "422", "200" }
    one = nginx.start { http = HTTP:format(service.url, ""), server = SERVER, rules = { a = [[
      local count = 0
      rule { name = "a", on = "*", run = function()
        count = count + 1
        return send.http("print") { key = "a:b", path = "/" .. count, body = "v" .. count }
      end }]] }, workers = 1 }
    for _, wanted in ipairs { 503, 503, 200 } do assert.are.equal(wanted, (post(1))) end
    local found = {}
    for index, request in ipairs(service:requests()) do found[index] = request.path .. " " .. request.body end
    assert.are.same({ "/1 v1", "/1 v1", "/1 v1", "/2 v2" }, found)
  end)

  it("that another event has sent under the key is skipped, and names that event", function()
    start { a = [[rule { name = "a", on = "*", run = function()
      return send.http("print") { key = "a:b", body = "x" } end }]] }
    assert.are.equal(200, (post "first"))
    assert.are.equal(200, (post "second"))
    assert.is_truthy(one:wait_log 'verdict=skipped reason="not sent: event first has sent print:a:b"')
    assert.are.equal(1, #bodies())
  end)
end)

describe("what a rule in nginx forgets to return", function()
  it("is told at its line, and nothing is taken for done", function()
    start { a = [[rule { name = "a", on = "*", run = function()
      send.http("print") { body = "x" }
    end }]] }
    assert.are.equal(503, (post(1)))
    assert.is_truthy(one:wait_log "a.lua:2: an effect for 'print' was made but not returned")
  end)
end)

describe("Altinn's trial event", function()
  it("is answered with 200 whatever the rules say", function()
    start { all = 'rule { name = "all", on = "*", run = function() error("broken") end }' }
    assert.are.equal(200, (one:post(sample.validation)))
    assert.is_truthy(one:wait_log "broken")
    assert.are.equal(503, (post(1)))
  end)
end)

describe("what rules print and reveal in nginx", function()
  it("stands masked in the log, without the endpoint's secret", function()
    start({ print = [[rule { name = "print", on = "*", run = function(event)
      print("printed", event.subject)
      return skip(#events.reveal("01020312345", "the letter's envelope") .. " digits")
    end }]] }, nil, ', secret = "a-long-secret"')
    local text = sample.text { subject = "urn:altinn:person:identifier-no:01020312345" }
    assert.are.equal(200, (one:post(text, nil, "/events/a-long-secret")))
    assert.is_truthy(one:wait_log("printed urn:altinn:person:identifier-no:" .. ("*"):rep(11)))
    assert.is_truthy(one:wait_log "msg=reveal rule=print")
    assert.is_truthy(one:wait_log("the letter's envelope: " .. ("*"):rep(11)))
    assert.is_nil(one:log():find("01020312345", 1, true))
    assert.is_nil(one:log():find("a-long-secret", 1, true))
  end)
end)

describe("the shared dict", function()
  it("keeps an event and its effects when it is done, and nothing else of it", function()
    service = target.start { "503", "200" }
    one = nginx.start { http = HTTP:format(service.url, ""), rules = { a = [[
      rule { name = "a", on = "*", run = function() return send.http("print") { body = "x" } end }
      rule { name = "b", on = "*", run = function() return skip "b" end }]] },
      server = SERVER .. [[ location /count { content_by_lua_block {
        local text = tostring(#ngx.shared.altinn_events:get_keys(0))
        ngx.header.content_length = #text
        ngx.print(text) } }]] }
    assert.are.equal(503, (post(1)))
    assert.are.equal(200, (post(1)))
    assert.are.equal("2", (select(3, one:request { path = "/count" })))
  end)
end)
