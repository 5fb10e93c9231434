-- send.cloudevent: an event to a webhook, by the HTTP binding and the webhook specification 1.0.2.
local cjson = require "cjson"
local events = require "altinn.events"
local host = require "spec.support.host"
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

-- Answers OPTIONS with these headers, all else with 204.
local function allow(headers, status)
  server:answer(([[
    if request.method == "OPTIONS" then return { status = %d, headers = { %s } } end
    return { status = 204 }]]):format(status or 200, headers or '["WebHook-Allowed-Origin"] = "*"'))
end

local function new(more)
  local target = { url = server.url .. "/hook", headers = { Authorization = "Bearer a-secret-of-the-hook" } }
  for name, value in pairs(more or {}) do target[name] = value end
  return sender.new({ hook = target }, { origin = "events.example.no" })
end

local function methods()
  local list = {}
  for index, request in ipairs(server:requests()) do list[index] = request.method end
  return list
end

describe("send.cloudevent", function()
  it("sends the run's event, structured", function()
    allow()
    assert.are.equal("sent", new().send("cloudevent", "hook", {}).state)
    local post = server:requests()[2]
    assert.are.equal("application/cloudevents+json; charset=utf-8", post.headers["content-type"])
    assert.are.equal("hook:k:1", post.headers["idempotency-key"])
    assert.are.same(events.totable(sender.event), events.totable(assert(events.parse(post.body))))
    assert.are.equal("/hook", post.path)
  end)

  it("sends binary: attributes as headers, percent-encoded, the data as body", function()
    allow()
    assert.are.equal("sent", new().send("cloudevent", "hook", { mode = "binary" }).state)
    local post = server:requests()[2]
    assert.are.same({ "1.0", "e1", "https://a.example/x", "t.one", "bl%C3%A5%20%221%22%25" },
      { post.headers["ce-specversion"], post.headers["ce-id"], post.headers["ce-source"], post.headers["ce-type"],
        post.headers["ce-subject"] })
    assert.is_nil(post.headers["ce-datacontenttype"])
    assert.are.equal("application/json", post.headers["content-type"])
    assert.are.equal('{"list":[],"n":3}', post.body)
    -- A receiver that reads it by the same binding gets the same event.
    local back = assert(events.from_http(post.headers, post.body))
    assert.are.same(cjson.decode(events.encode(sender.event)), cjson.decode(events.encode(back[1])))
  end)

  it("sends JSON as it came, and a JSON string as one", function()
    allow()
    local send = new().send
    local headers = { ["ce-specversion"] = "1.0", ["ce-id"] = "1", ["ce-source"] = "/a", ["ce-type"] = "t",
      ["content-type"] = "application/json" }
    for _, body in ipairs { '{"a":1.50,  "b":[]}', '"text"', "[1, 2]", "7" } do
      local event = assert(events.from_http(headers, body))[1]
      assert.are.equal("sent", send("cloudevent", "hook", { event = event, mode = "binary" }).state)
    end
    local one_text = assert(events.parse '{"specversion":"1.0","id":"1","source":"/a","type":"t","data":"text"}')
    assert.are.equal("sent", send("cloudevent", "hook", { event = one_text, mode = "binary" }).state)
    local bodies = {}
    for index, request in ipairs(server:requests()) do bodies[index] = request.body end
    assert.are.same({ "", '{"a":1.50,  "b":[]}', '"text"', "[1, 2]", "7", '"text"' }, bodies)
  end)

  it("sends another event, as octets too, and without data no media type", function()
    allow()
    local own = { specversion = "1.0", id = "x", source = "/s", type = "t", datacontenttype = "text/plain",
      data = "hei\0å" }
    local send = new().send
    assert.are.equal("sent", send("cloudevent", "hook", { event = own, mode = "binary" }).state)
    local bare = { specversion = "1.0", id = "y", source = "/s", type = "t" }
    assert.are.equal("sent", send("cloudevent", "hook", { event = bare, mode = "binary" }).state)
    local list = server:requests()
    assert.are.same({ "hei\0å", "text/plain" }, { list[2].body, list[2].headers["content-type"] })
    assert.are.same({ "", nil }, { list[3].body, list[3].headers["content-type"] })
  end)

  it("refuses what is no event, and another mode", function()
    local item, message = new().prepare("cloudevent", "hook", { event = { id = "x" } })
    assert.is_nil(item)
    assert.is_truthy(message:find("event: ", 1, true), message)
    assert.has_error(function() new().prepare("cloudevent", "hook", { mode = "batch" }) end)
  end)
end)

describe("the handshake", function()
  it("comes once before the first delivery, by the target's address and with its headers", function()
    allow('["WebHook-Allowed-Origin"] = "Events.Example.NO"')
    local own = new()
    for number = 1, 3 do
      assert.are.equal("sent", own.send("cloudevent", "hook", { key = "k:" .. number }).state)
    end
    assert.are.same({ "OPTIONS", "POST", "POST", "POST" }, methods())
    local asked = server:requests()[1]
    assert.are.same({ "events.example.no", "Bearer a-secret-of-the-hook", "/hook" },
      { asked.headers["webhook-request-origin"], asked.headers.authorization, asked.path })
    assert.is_nil(asked.headers["idempotency-key"])
  end)

  it("without permission nothing is sent, and never will be: the reason says what to do", function()
    for _, case in ipairs {
      { '["WebHook-Allowed-Origin"] = "other.example.no"', 200, 403, "it takes no events from 'events.example.no'" },
      { '["Allow"] = "POST"', 405, 405, "OPTIONS is answered 405 without WebHook-Allowed-Origin" },
      { "", 200, 403, "write handshake = false into the target" },
      { "", 501, 403, "OPTIONS is answered 501" },
      { "", 404, 404, "OPTIONS is answered 404" },
    } do
      allow(case[1], case[2])
      local outcome = new().send("cloudevent", "hook", {})
      assert.are.same({ "refused", case[3] }, { outcome.state, outcome.status })
      assert.is_truthy(outcome.reason:find(case[4], 1, true), outcome.reason)
      assert.is_nil(outcome.reason:find("a-secret", 1, true))
      assert.are.same({ "OPTIONS" }, methods())
    end
  end)

  it("that cannot be held now leaves the effect not sent, for another attempt", function()
    allow("", 503)
    local outcome = new().send("cloudevent", "hook", {})
    assert.are.same({ "not_sent", "server" }, { outcome.state, outcome.kind })
    local port = process.free_port()
    outcome = sender.new({ hook = { url = "http://127.0.0.1:" .. port } }, { origin = "a.example" })
      .send("cloudevent", "hook", {})
    assert.are.same({ "not_sent", "network" }, { outcome.state, outcome.kind })
  end)

  it("is left out when the target says so; its name comes from the target, or is missing", function()
    allow("", 405)
    assert.are.equal("sent", new({ handshake = false }).send("cloudevent", "hook", {}).state)
    assert.are.same({ "POST" }, methods())
    allow('["WebHook-Allowed-Origin"] = "mine.example"')
    assert.are.equal("sent", new({ origin = "mine.example" }).send("cloudevent", "hook", {}).state)
    local outcome = sender.new({ hook = { url = server.url } }).send("cloudevent", "hook", {})
    assert.are.equal("refused", outcome.state)
    assert.is_truthy(outcome.reason:find("set origin in the target", 1, true))
  end)
end)

describe("the host", function()
  it("asks for permission by the endpoint's host and delivers events of a rule", function()
    allow('["WebHook-Allowed-Origin"] = "hooks.example.no"')
    one = host.start {
      rules = { on = [[rule { name = "on", on = "*", run = function(event)
        return send.cloudevent("hook") { mode = "binary" } end }]] },
      config = ([[return { endpoint = "https://hooks.example.no/events", workers = 1,
        secret = "s-e-c-r-e-t-s-e-c-r-e-t", targets = { hook = { url = "%s" } } }]]):format(server.url),
    }
    for number = 1, 5 do
      local text = sample.text { id = "e" .. number, resourceinstance = "letter-" .. number }
      assert.are.equal(200, (one:post(text, nil, "/events/s-e-c-r-e-t-s-e-c-r-e-t")))
    end
    assert(one:settle())
    local ids, options = {}, 0
    for _, request in ipairs(server:requests()) do
      if request.method == "OPTIONS" then options = options + 1 else ids[request.headers["ce-id"]] = true end
    end
    assert.are.equal(1, options)
    assert.are.same({ e1 = true, e2 = true, e3 = true, e4 = true, e5 = true }, ids)
    assert.are.equal("done", one:verdicts()["e1/on"].verdict)
  end)
end)
