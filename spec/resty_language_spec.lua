-- The language of rules in nginx: steps and memory in the shared dict, probes, the shadow; what only the host has.
local nginx = require "spec.support.nginx"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local target = require "spec.support.target"

local HTTP = [[
  lua_shared_dict altinn_events 16m;
  init_by_lua_block { receive = require("altinn.events.resty").handler { dict = "altinn_events",
    rules = "$FOLDER/rules", targets = { print = { url = "%s", timeout = 5 } } } }
]]
local SERVER = "location /events { content_by_lua_block { receive() } }"
local LETTER, OTHER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e2f"
local one, service

after_each(function()
  for _, each in pairs { one or false, service or false } do
    if each then each:close() end
  end
  one, service = nil, nil
end)

local function start(rules, answers, own)
  service = own or target.start(answers)
  one = nginx.start { http = HTTP:format(service.url), server = SERVER, rules = rules, workers = 1 }
end

local function bodies()
  local list = {}
  for index, request in ipairs(service:requests()) do list[index] = request.body end
  return list
end

local function post(id, more)
  local fields = { id = tostring(id), resourceinstance = LETTER }
  for name, value in pairs(more or {}) do fields[name] = value end
  return (one:post(sample.text(fields)))
end

describe("in nginx a step", function()
  it("is called once over redeliveries, and its result is kept", function()
    start({ a = [[
      local calls = 0
      rule { name = "a", on = "*", run = function(event)
        local value = step("count", function() calls = calls + 1 return { calls = calls } end)
        return send.http("print") { key = event, json = value }
      end }]] }, { "503", "503", "200" })
    for _, wanted in ipairs { 503, 503, 200 } do assert.are.equal(wanted, post(1)) end
    assert.are.equal(200, post(2))
    assert.are.same({ '{"calls":1}', '{"calls":1}', '{"calls":1}', '{"calls":2}' }, bodies())
  end)
end)

describe("in nginx memory", function()
  it("is kept for the rule and the letter, with the verdict, until it expires or is forgotten", function()
    start { a = [[
      rule { name = "a", on = "*", repeats = true, run = function(event, letter, context)
        local seen = context.memory.seen or 0
        local effect = send.http("print") { key = event, json = { seen = seen, brief = context.memory.brief } }
        if event.id == "4" then return { effect, forget("seen") } end
        return { effect, remember { seen = seen + 1 } }
      end }]] }
    for id = 1, 5 do assert.are.equal(200, post(id)) end
    assert.are.equal(200, post(6, { resourceinstance = OTHER }))
    assert.are.same({ '{"seen":0}', '{"seen":1}', '{"seen":2}', '{"seen":3}', '{"seen":0}', '{"seen":0}' }, bodies())
  end)
end)

describe("in nginx an effect whose outcome nobody knows", function()
  local RULE = [[
    local count = 0
    rule { name = "a", on = "*", run = function()
      count = count + 1
      return send.http("print") { key = "a:b", body = "v" .. count, probe = "is_there" }
    end, is_there = function(_, _, context)
      return context.get("/" .. context.effect.body).status == 200 and sent or not_sent
    end }]]

  local function asked(status)
    local own = script.start()
    own:answer(([[if request.method == "GET" then return { status = %d } end
      return number == 1 and { raw = "" } or { status = 200 }]]):format(status))
    start({ a = RULE }, nil, own)
    assert.are.same({ 503, 200 }, { post(1), post(1) })
    local list = {}
    for index, request in ipairs(own:requests()) do
      list[index] = ("%s %s %s"):format(request.method, request.path, request.body)
    end
    return list
  end

  it("is not sent again when the probe says sent", function()
    assert.are.same({ "POST / v1", "GET /v1 " }, asked(200))
  end)

  it("is decided anew when the probe says not_sent", function()
    assert.are.same({ "POST / v1", "GET /v1 ", "POST / v2" }, asked(404))
  end)

  it("goes out again with the same bytes before the body runs, where there is no probe", function()
    start({ a = [[
      local count = 0
      rule { name = "a", on = "*", run = function()
        count = count + 1
        if count > 1 then return skip("body " .. count) end
        return send.http("print") { key = "a:b", body = "v" .. count }
      end }]] }, { "close", "200" })
    assert.are.same({ 503, 200 }, { post(1), post(1) })
    assert.are.same({ "v1", "v1" }, bodies())
    assert.is_truthy(one:wait_log 'reason="body 2"')
  end)
end)

describe("in nginx a rule in the shadow", function()
  it("sends nothing, and says what it would have done", function()
    start { a = [[rule { name = "a", on = "*", shadow = true, run = function(event)
      return send.http("print") { key = event } end }]] }
    assert.are.equal(200, post(1))
    assert.are.equal(0, #service:requests())
    assert.is_truthy(one:wait_log "verdict=shadowed", one:log())
    assert.is_truthy(one:wait_log "it would have done: send to print")
  end)
end)

describe("in nginx later", function()
  it("is a problem when the rules are loaded, where their text shows it", function()
    local ok, message = pcall(start, { a = 'rule { name = "a", on = "*", run = function()\n'
      .. '  return later { at = "1d" }\nend }' })
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("a.lua:2: rule 'a': later { … } needs the host", 1, true), message)
  end)

  it("fails the run at once where the text does not show it", function()
    start { a = [[
      local words = { wait = later }
      rule { name = "a", on = "*", run = function() return words["wa" .. "it"] { at = "1d" } end }]] }
    assert.are.equal(200, post(1))
    assert.is_truthy(one:wait_log "verdict=dead", one:log())
    assert.is_truthy(one:wait_log "later { … } needs the host")
  end)
end)

describe("in nginx runs with a constant order", function()
  it("are one at a time", function()
    start { a = [[rule { name = "a", on = "*", order = { constant = "one" }, run = function(event)
      return send.http("print") { key = event, body = event.id } end }]] }
    assert.are.same({ 200, 200 }, { post(1), post(2, { resourceinstance = OTHER }) })
    assert.are.same({ "1", "2" }, bodies())
  end)
end)
