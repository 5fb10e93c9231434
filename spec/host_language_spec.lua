-- The language of rules by the real host, from the socket to a target: bodies that timers start, what is remembered, a
-- step, and the version of the rule that did it.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local one, service

after_each(function()
  for _, each in pairs { one or false, service or false } do
    if each then each:close() end
  end
  one, service = nil, nil
end)

local RULE = [[
  rule { name = "paper", on = "correspondencepublished", owner = "post@agency.example",
    run = function(event, letter, context)
      return { remember { since = event.id, expires = "1d" },
        later { at = %s, run = "print", with = { n = 7 }, cancel = { "correspondencepurged" } } }
    end,

    print = function(event, letter, context)
      local n = step("count", function() return context.timer.with.n + 1 end)
      return { forget "since", send.http("print") { key = letter, json = { n = n, since = context.memory.since,
        late = context.timer.due >= context.timer.set, attempt = context.attempt } } }
    end }]]

local function start(at)
  service = target.start()
  one = host.start { rules = { paper = RULE:format(at) },
    config = ('return { targets = { print = { url = "%s" } }, holidays = { "2026-12-24" } }'):format(service.url) }
end

-- Waits until the run of the first event has a state.
local function awaits(wanted)
  return assert(process.wait(20, function()
    local run = one:verdicts()["first/paper"]
    return run and run.verdict == wanted and run or nil
  end), ("the run is not %s: %s"):format(wanted, one:log()))
end

describe("a rule with two bodies", function()
  it("waits, remembers, and sends from the body that the timer starts", function()
    start '"1s"'
    assert.are.equal(200, (one:post(sample.text { id = "first" })))
    local requests = assert(service:wait(1, 20))
    assert.are.same({ n = 8, since = "first", late = true, attempt = 2 }, cjson.decode(requests[1].body))
    awaits("done")
    assert.are.same({}, sql.query(one.inbox, "SELECT name FROM memory"))
    assert.are.same({ { name = "count", result = "8" } }, sql.query(one.inbox, "SELECT name, result FROM step"))
    assert.are.same({}, sql.query(one.inbox, "SELECT key FROM timer"))
  end)

  it("is ended by an event of a type that cancels", function()
    start 'workdays(1, "09:00")'
    assert.are.equal(200, (one:post(sample.text { id = "first" })))
    awaits("later")
    assert.are.equal(200, (one:post(sample.text { id = "second",
      type = "no.altinn.correspondence.correspondencepurged" })))
    local run = awaits("skipped")
    assert.is_truthy(run.reason:find("cancelled by event", 1, true), run.reason)
    assert.are.equal(0, #service:requests())
  end)

  it("has a version, in its run and with its text", function()
    start '"1d"'
    assert.are.equal(200, (one:post(sample.text { id = "first" })))
    awaits("later")
    local path = one.folder .. "/rules/paper.lua"
    local text = process.read(path)
    local command = "{ printf '%%s\\0%%d\\0' paper.lua %d; cat %s; } | openssl dgst -sha256 -r"
    local pipe = assert(io.popen(command:format(#text, process.quote(path))))
    local digits = pipe:read("a"):sub(1, 12)
    pipe:close()
    assert.are.equal(tonumber(digits, 16), sql.query(one.inbox, "SELECT version FROM run")[1].version)
    local kept = process.wait(10, function() return sql.query(one.inbox, "SELECT * FROM version")[1] end)
    assert.are.same({ tonumber(digits, 16), "paper" }, { kept.version, kept.rule })
    assert.are.same({ ["paper.lua"] = text }, cjson.decode(kept.text))
  end)
end)
