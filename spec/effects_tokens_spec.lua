-- Tokens of targets: OAuth 2.0 by client credentials, and Maskinporten's.
local host = require "spec.support.host"
local mime = require "mime"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local sender = require "spec.support.sender"

local server, one

before_each(function() server = script.start() end)

after_each(function()
  server:close()
  if one then one:close() end
  one = nil
end)

-- Gives token-1, token-2, … at /token, and takes those in /work that `takes` says (Lua: of a number).
local function serve(takes, token)
  server:answer(([[
    if request.path == "/token" then
      state.given = (state.given or 0) + 1
      %s
      return { status = 200, headers = { ["Content-Type"] = "application/json" },
        body = ('{"access_token":"token-number-%%d","token_type":"bearer","expires_in":3600}'):format(state.given) }
    end
    local number = tonumber((request.headers.authorization or ""):match("^Bearer token%%-number%%-(%%d+)$"))
    if number and (%s) then return { status = 201 } end
    return { status = 401, body = "no: " .. tostring(request.headers.authorization) }]]):format(token or "",
    takes or "true"))
end

local function target(more)
  local token = { url = server.url .. "/token", client_id = "the client:1", client_secret = "se cret/of+it%",
    scope = "a b" }
  for name, value in pairs(more or {}) do token[name] = value end
  return { work = { url = server.url .. "/work", token = token } }
end

local function paths()
  local list = {}
  for index, request in ipairs(server:requests()) do list[index] = request.path end
  return list
end

describe("a target's token", function()
  it("is asked for by client credentials, and kept", function()
    serve()
    local own = sender.new(target())
    for number = 1, 3 do
      assert.are.equal("sent", own.send("http", "work", { key = "k:" .. number, json = {} }).state)
    end
    assert.are.same({ "/token", "/work", "/work", "/work" }, paths())
    local asked = server:requests()[1]
    assert.are.equal("grant_type=client_credentials&scope=a+b", asked.body)
    assert.are.equal("application/x-www-form-urlencoded", asked.headers["content-type"])
    assert.are.equal("Basic " .. mime.b64 "the%20client%3A1:se%20cret%2Fof%2Bit%25", asked.headers.authorization)
  end)

  it("may be asked for with the secret in the body", function()
    serve()
    local own = sender.new(target { in_body = true, audience = "https://print" })
    assert.are.equal("sent", own.send("http", "work", {}).state)
    local asked = server:requests()[1]
    assert.is_nil(asked.headers.authorization)
    assert.are.equal("grant_type=client_credentials&scope=a+b&audience=https%3A%2F%2Fprint&client_id=the+client%3A1"
      .. "&client_secret=se+cret%2Fof%2Bit%25", asked.body)
  end)

  it("that is refused is replaced once, and no more", function()
    serve "number >= 2"
    assert.are.equal("sent", sender.new(target()).send("http", "work", {}).state)
    assert.are.same({ "/token", "/work", "/token", "/work" }, paths())
    serve "false"
    local own = sender.new(target())
    local outcome = own.send("http", "work", {})
    assert.are.same({ "refused", 401 }, { outcome.state, outcome.status })
    assert.are.same({ "/token", "/work", "/token", "/work" }, paths())
    assert.is_nil((outcome.reason .. outcome.answer):find("token-number", 1, true), outcome.reason)
    own.send("http", "work", {})
    assert.are.equal(5, #paths())  -- the new token was refused too: no third one within a minute
  end)

  it("is renewed before it ends", function()
    serve()
    local now = 1e9
    local own = sender.new(target(), { clock = function() return now end })
    assert.are.equal("sent", own.send("http", "work", {}).state)
    now = now + 3600 - 700  -- a fifth of its life is left
    assert.are.equal("sent", own.send("http", "work", {}).state)
    assert.are.same({ "/token", "/work", "/token", "/work" }, paths())
  end)

  it("that is not given leaves the effect not sent, with the reason and without the secret", function()
    for _, case in ipairs {
      { [[return { status = 401, body = '{"error":"invalid_client","error_description":"se cret/of+it% is wrong"}' }]],
        "auth", "refuses the client, with 401: invalid_client: … is wrong (check token.client_id" },
      { [[return { status = 400, body = '{"error":"invalid_scope"}' }]], "forbidden", "check token.scope" },
      { "return { status = 503 }", "server", "answers 503 without a token" },
      { [[return { status = 200, body = "<html>" }]], "server", "is token.url right?" },
      { [[return { status = 200, body = '{"access_token":"a\\nb"}' }]], "server", "without a token" },
      { [[return { status = 200, body = '{"access_token":"abc","token_type":"mac"}' }]], "unsupported",
        "another type" },
    } do
      serve("true", "do " .. case[1] .. " end")
      local outcome = sender.new(target()).send("http", "work", {})
      assert.are.same({ "not_sent", case[2] }, { outcome.state, outcome.kind })
      assert.is_truthy(outcome.reason:find(case[3], 1, true), outcome.reason)
      assert.is_nil(outcome.reason:find("cret/of", 1, true), outcome.reason)
      assert.are.same({ "/token" }, paths())
    end
    local closed = { url = "http://127.0.0.1:" .. process.free_port() }
    local outcome = sender.new(target(closed)).send("http", "work", {})
    assert.are.same({ "not_sent", "network" }, { outcome.state, outcome.kind })
  end)

  it("of Maskinporten is what events.maskinporten gives", function()
    server:answer [[
      if request.path == "/mp/token" then
        return { status = 200, body = '{"access_token":"maskin-token","expires_in":100}' }
      end
      return { status = request.headers.authorization == "Bearer maskin-token" and 200 or 401 }]]
    local key = process.folder()
    finally(function() process.remove(key) end)
    assert(os.execute("openssl genrsa -out " .. key .. "/key 2048 2>/dev/null"))
    local own = sender.new { work = { url = server.url .. "/work", maskinporten = { client_id = "c", kid = "k",
      key_file = key .. "/key", scopes = "digdir:print", issuer = server.url .. "/mp", exchange = false } } }
    assert.are.equal("sent", own.send("http", "work", {}).state)
    assert.is_truthy(server:requests()[1].body:find("jwt-bearer", 1, true))
    local outcome = sender.new { work = { url = server.url, maskinporten = { client_id = "c", kid = "k",
      key_file = "/none", scopes = "s", issuer = server.url .. "/mp", exchange = false } } }.send("http", "work", {})
    assert.are.equal("not_sent", outcome.state)
    assert.is_truthy(outcome.reason:find("no token for it: ", 1, true), outcome.reason)
  end)
end)

describe("a target's proxy", function()
  it("is asked instead of the environment's, also for this machine; false asks none", function()
    server:answer "return { status = 201, body = request.target }"
    local own = sender.new { work = { url = "http://print.example.no/x", proxy = server.url } }
    local outcome = own.send("http", "work", {})
    assert.are.equal("sent", outcome.state)
    assert.are.equal("http://print.example.no/x", outcome.answer)
  end)
end)

describe("the host", function()
  it("asks for one token for many effects at once, and hides it everywhere", function()
    serve("true", "")
    one = host.start {
      rules = { work = [[rule { name = "work", on = "*", order = false, run = function(event)
        return send.http("work") { json = { id = event.id } } end }]] },
      config = ([[return { workers = 1, targets = { work = { url = "%s/work", token = { url = "%s/token",
        client_id = "c", client_secret = "a-secret-of-ours", scope = "s" } } } }]]):format(server.url, server.url),
    }
    for number = 1, 20 do
      assert.are.equal(200, (one:post(sample.text { id = "e" .. number, resourceinstance = "r" .. number })))
    end
    assert(one:settle())
    local count = {}
    for _, path in ipairs(paths()) do count[path] = (count[path] or 0) + 1 end
    assert.are.same({ ["/token"] = 1, ["/work"] = 20 }, count)
    assert.is_nil(one:log():find("token-number", 1, true))
    assert.is_nil(one:log():find("a-secret-of-ours", 1, true))
  end)
end)
