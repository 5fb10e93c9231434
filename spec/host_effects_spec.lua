-- Effects by the real host: the same bytes, outcomes, what a target answered; turns and connections beside others.
local cjson = require "cjson"
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local socket = require "socket"
local target = require "spec.support.target"

local one, service

after_each(function()
  for _, each in pairs { one or false, service or false } do
    if each then each:close() end
  end
  one, service = nil, nil
end)

local function config_for(url)
  return ([[return { targets = { print = { url = "%s", timeout = 20,
    headers = { Authorization = "Bearer a-secret" } } } }]]):format(url)
end

local function start(rules, answers)
  service = target.start(answers)
  one = host.start { rules = rules, config = config_for(service.url) }
end

local function post(id, more)
  local fields = { id = tostring(id) }
  for name, value in pairs(more or {}) do fields[name] = value end
  assert.are.equal(200, (one:post(sample.text(fields))))
end

local function run_of(name, state)
  return assert(process.wait(20, function()
    local run = one:verdicts()[name]
    return run and run.verdict == state and run or nil
  end), ("no %s of %s"):format(state, name))
end

local function shown(id)
  local _, text = one:run("inbox", "show", id, "--json", "--inbox", one.inbox)
  return cjson.decode(text)
end

-- A rule that makes another request each time.
local CHANGING = [[
  local count = 0
  rule { name = "changes", on = "*", run = function()
    count = count + 1
    return send.http("print") { key = "a:b", path = "/" .. count, body = "v" .. count, headers = { ["X-V"] = count } }
  end }]]

local function sent()
  local found = {}
  for index, request in ipairs(service:requests()) do
    found[index] = ("%s %s %s"):format(request.path, request.headers["x-v"], request.body)
  end
  return found
end

describe("while nobody knows what came of an effect", function()
  it("the same bytes go out again, also after a failure for now; after a refusal they are made anew", function()
    start({ changes = CHANGING }, { "close", "503", "422", "200" })
    post(1)
    run_of("1/changes", "done")
    assert.are.same({ "/1 1 v1", "/1 1 v1", "/1 1 v1", "/2 2 v2" }, sent())
  end)

  it("the same bytes go out again after kill -9 and with another rule file", function()
    start({ changes = CHANGING }, { "200 1", "200" })
    post(1)
    assert(service:wait(1))
    one:kill()
    one:rewrite { changes = CHANGING:gsub('"v"', '"w"') }
    assert(one:launch())
    run_of("1/changes", "done")
    assert.are.same({ "/1 1 v1", "/1 1 v1" }, sent())
    local effects = shown("1").effects
    assert.are.same({ "sent", "v1" }, { effects[1].state, cjson.decode(effects[1].request).body })
  end)
end)

describe("the outcome of an effect", function()
  it("that certainly was not sent is not_sent, in the inbox and in the metric", function()
    local closed = socket.bind("127.0.0.1", 0)
    local _, port = closed:getsockname()
    closed:close()
    one = host.start { config = config_for("http://127.0.0.1:" .. port), rules = { a = CHANGING } }
    post(1)
    assert(one:wait_log "verdict=retry")
    assert(process.wait(9, function() return #shown("1").effects > 0 and shown("1").effects[1].state == "not_sent" end))
    assert.is_truthy(one:metrics().text:find('effects_total{target="print",outcome="not_sent"}', 1, true))
    assert.is_nil(one:metrics().text:find('outcome="unknown"} [1-9]'))
  end)

  it("that was refused shows what was sent and what the target answered, masked", function()
    service = script.start()
    service:always(422, '{"error":"no such person: 08895699684, Bearer a-secret \255"}')
    one = host.start { config = config_for(service.url), rules = { a = [[
      rule { name = "a", on = "*", run = function(event)
        return send.http("print") { path = "/v1?code=hidden-word", json = { letter = 7 },
          headers = { ["X-Token"] = "hidden-token" } }
      end }]] } }
    post(1)
    run_of("1/a", "dead")
    local effect = shown("1").effects[1]
    assert.are.same({ "refused", 422 }, { effect.state, effect.status })
    assert.is_truthy(effect.answer:find("no such person: [%d*]*%*%*%*, Bearer"), effect.answer)
    local request = cjson.decode(effect.request)
    assert.are.same({ "POST", "/v1?…", '{"letter":7}' }, { request.method, request.path, request.body })
    local _, text = one:run("inbox", "show", "1", "--inbox", one.inbox)
    assert.is_truthy(text:find('it was sent: {"body":"{\\"letter\\":7}"', 1, true), text)
    assert.is_truthy(text:find("it answered: ", 1, true), text)
    assert(one:wait_line("target 'print' answered 422: {"), one:log())
    for _, secret in ipairs { "08895699684", "a-secret", "hidden-token", "hidden-word" } do
      for _, where in ipairs { text, effect.answer, effect.request, one:log() } do
        assert.is_nil(where:find(secret, 1, true), secret .. " in " .. where)
      end
    end
  end)

  it("of the first of two is known while the second is under way: kill -9 does not send it again", function()
    start({ two = [[
      rule { name = "two", on = "*", run = function(event)
        return { send.http("print") { path = "/a" }, send.http("print") { path = "/b" } }
      end }]] }, { "200", "200 1", "200" })
    post(1)
    assert(service:wait(2))
    assert(process.wait(30, function()
      for _, effect in ipairs(shown("1").effects) do
        if effect.state == "sent" then return true end
      end
    end))
    one:kill()
    assert(one:launch())
    run_of("1/two", "done")
    local paths = {}
    for index, request in ipairs(service:requests()) do paths[index] = request.path end
    assert.are.same({ "/a", "/b", "/b" }, paths)
  end)
end)

describe("what a rule forgets to return", function()
  it("fails the run, at the rule's line, and nothing is sent", function()
    start { a = [[rule { name = "a", on = "*", run = function()
      local effect = send.http("print") { body = "x" }
      if not effect then return effect end
    end }]] }
    post(1)
    local run = run_of("1/a", "retry")
    assert.is_truthy(run.reason:find("a.lua:2: an effect for 'print' was made but not returned", 1, true), run.reason)
    assert.are.equal(0, #service:requests())
  end)
end)

describe("a wish for a later time", function()
  it("is no failure: the state later, a line of information, no attempt of retry", function()
    one = host.start { rules = { a = [[
      rule { name = "a", on = "*", retry = { attempts = 1, within = "1s" }, run = function(_, _, context)
        if context.attempt < 4 then return retry_after("1s", "not yet") end
        return done("after " .. context.attempt)
      end }
      rule { name = "days", on = "*", run = function() return retry_after("3d", "remind") end }]] } }
    post(1)
    assert.are.equal("after 4", run_of("1/a", "done").reason)
    assert(one:wait_log('level=info msg=verdict rule=a .-verdict=later reason="not yet; again in 1 s"'))
    local days = run_of("1/days", "later")
    assert.are.same({ "remind", 1 }, { days.reason, days.attempt })
    assert.is_nil(one:log():find("gave up", 1, true))
  end)

  it("that has passed leaves failures their whole time", function()
    one = host.start { rules = { a = [[
      rule { name = "a", on = "*", retry = { within = "2s" }, run = function(_, _, context)
        if context.attempt == 1 then return retry_after("3s") end
        error("broken")
      end }]] } }
    post(1)
    local run = run_of("1/a", "dead")
    assert.is_truthy(run.attempt >= 2, "given up at the first failure")
    assert.is_truthy(run.reason:find("gave up after [2-9][%d.]* s: "), run.reason)
  end)
end)

describe("another rule's trivial run", function()
  local VICTIM = 'rule { name = "victim", on = "x.victim", order = false, run = function() return skip("at once") end }'

  -- How long a run of the victim takes beside a backlog of the other rule, the longest of some.
  local function beside(body, count, more)
    one = host.start { rules = { v = VICTIM, slow = ('rule { name = "slow", on = "x.slow", order = false, run = '
      .. "function() %s return skip('x') end }"):format(body) }, arguments = { "--workers", "1" }, config = more }
    local list = {}
    for number = 1, count do list[number] = sample.text { id = "s-" .. number, type = "x.slow" } end
    for first = 1, count, 500 do
      assert.are.equal(200, (one:post("[" .. table.concat(list, ",", first, math.min(count, first + 499)) .. "]",
        { ["Content-Type"] = "application/cloudevents-batch+json" })))
    end
    local longest = 0
    for number = 1, 5 do
      local begun = socket.gettime()
      post("v-" .. number, { type = "x.victim" })
      assert(process.wait(60, function()
        return one:metrics()['verdicts_total{rule="victim",verdict="skipped"}'] == number
      end))
      longest = math.max(longest, socket.gettime() - begun)
    end
    assert.is_true((one:metrics()['verdicts_total{rule="slow",verdict="skipped"}'] or 0) < count, "no backlog any more")
    return longest
  end

  it("waits for no backlog of slow runs", function()
    local longest = beside("local ends = os.clock() + 0.3 repeat until os.clock() > ends", 100)
    assert.is_true(longest < 3, "it took " .. longest)
  end)

  it("waits for no backlog of many quick runs", function()
    local longest = beside("local ends = os.clock() + 0.002 repeat until os.clock() > ends", 5000,
      "return { limits = { max_bytes = 4194304 } }")
    assert.is_true(longest < 3, "it took " .. longest)
  end)
end)

describe("discarded by hand", function()
  it("a run in flight ends at once: its request is given up, and nothing else goes out", function()
    start({ slow = [[
      rule { name = "slow", on = "*", run = function(event)
        return { send.http("print") { path = "/a" }, send.http("print") { path = "/b" } }
      end }]] }, { "200 1.5", "200" })
    post(1)
    assert(service:wait(1))
    assert.are.equal(0, (one:run("inbox", "discard", "1", "--inbox", one.inbox)))
    assert(one:settle())
    socket.sleep(2.5)
    assert.are.equal(1, #service:requests())
    assert.are.equal("discarded", one:verdicts()["1/slow"].verdict)
    assert.is_nil(one:log():find("msg=verdict", 1, true))
    assert.are.equal(200, (http.request(one.admin_port, { path = "/readyz" })))
  end)
end)
