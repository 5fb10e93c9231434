-- A target that is out of order, by the real host: its runs are held and come back, others go on; and keys that hold
-- a person's number.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"

local one, print_service, archive

after_each(function()
  for _, each in pairs { one or false, print_service or false, archive or false } do
    if each then each:close() end
  end
  one, print_service, archive = nil, nil, nil
end)

local function start(rules)
  print_service, archive = script.start(), script.start()
  one = host.start { rules = rules, config = ([[return { targets = { print = { url = "%s" }, archive = { url = "%s" } }
    }]]):format(print_service.url, archive.url) }
end

local function post(id, changes)
  local fields = { id = tostring(id), type = "x.y", resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(id) }
  for name, value in pairs(changes or {}) do fields[name] = value end
  assert.are.equal(200, (one:post(sample.text(fields))))
end

local function count(state)
  local number = 0
  for _, run in pairs(one:verdicts()) do number = number + (run.verdict == state and 1 or 0) end
  return number
end

describe("a target that is out of order", function()
  it("gets few attempts while its runs are held, others go on, and all are sent once it is back", function()
    start { p = [[
      rule { name = "p", on = "x.y", order = false, run = function(event)
        return send.http("print") { key = event }
      end }]], a = 'rule { name = "a", on = "x.y", order = false, run = function(event) return send.http("archive") '
      .. "{ key = event } end }" }
    print_service:always(503)
    for id = 1, 60 do post(id) end
    assert(process.wait(30, function() return count "held" > 30 end), one:log())
    assert(process.wait(30, function() return count "done" == 60 end), "the other target's runs wait")
    assert.is_truthy(one:metrics().text:find('altinn_events_breaker_open{target="print"} 1', 1, true))
    local tried = #print_service:requests()
    assert.is_true(tried <= 60, tried .. " attempts")
    assert(one:wait_log "verdict=held reason=\"target 'print' failed several times in a row")
    print_service:always(200)
    assert(process.wait(60, function() return count "done" == 120 end), one:log())
    assert.is_true(#print_service:requests() >= 60)
    local keys = {}
    for _, request in ipairs(print_service:requests()) do
      local key = request.headers["idempotency-key"]
      assert.is_nil(keys[key], "sent twice: " .. key)
      keys[key] = true
    end
  end)
end)

describe("a key with a person's number", function()
  it("has a pseudonym in its place: the same after a restart, and the number nowhere", function()
    start { a = [[rule { name = "a", on = "x.y", run = function(event)
      return send.http("print") { key = { "person", event.subject, event.id } }
    end }]] }
    local person = { subject = "urn:altinn:person:identifier-no:08895699684" }
    post(1, person)
    assert(process.wait(20, function() return count "done" == 1 end), one:log())
    one:restart()
    post(2, person)
    assert(process.wait(20, function() return count "done" == 2 end), one:log())
    local keys = {}
    for index, request in ipairs(print_service:requests()) do
      keys[index] = request.headers["idempotency-key"]:match "^print:a/person/(.*)/%d$"
    end
    assert.are.equal(keys[1], keys[2])
    assert.is_truthy(keys[1]:find("person%-[a-p]+$"), keys[1])
    assert.is_nil(keys[1]:find("08895699684", 1, true))
    assert.is_nil(one:log():find("08895699684", 1, true))
  end)
end)
