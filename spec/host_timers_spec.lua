-- Timers and memory by the real host: durable over kill -9, cancelled, replaced, and out of the way of other events.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local target = require "spec.support.target"

local READ = "no.altinn.correspondence.correspondencereceiverread"
local OTHER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e2f"

local one, service

after_each(function()
  for _, each in pairs { one or false, service or false } do
    if each then each:close() end
  end
  one, service = nil, nil
end)

local function start(rules)
  service = target.start()
  one = host.start { rules = rules, config = ('return { targets = { print = { url = "%s" } } }'):format(service.url) }
end

local function post(id, changes)
  local fields = { id = tostring(id) }
  for name, value in pairs(changes or {}) do fields[name] = value end
  assert.are.equal(200, (one:post(sample.text(fields))))
end

local function verdict_of(name, state)
  return assert(process.wait(30, function()
    local run = one:verdicts()[name]
    return run and run.verdict == state and run or nil
  end), ("no %s of %s: %s"):format(state, name, one:log()))
end

-- A rule that waits for `at` and then prints.
local function printing(at, more)
  return ([[
    rule {
      name = "a", on = "correspondencepublished", repeats = true,
      run = function(event) return later { at = %q, run = "paper", with = { from = event.id } %s } end,
      paper = function(event, letter, context)
        log("paper for " .. event.id)
        return send.http("print") { key = event, json = { from = context.timer.with.from,
          waited = context.timer.due - context.timer.set } }
      end,
    }]]):format(at, more or "")
end

local function bodies()
  local list = {}
  for index, request in ipairs(service:requests()) do list[index] = request.body end
  return list
end

describe("a timer", function()
  it("starts its body at its time, once", function()
    start { a = printing "1s" }
    post(1)
    local run = verdict_of("1/a", "later")
    assert.is_truthy(run.reason:find("'paper' runs at 20", 1, true), run.reason)
    verdict_of("1/a", "done")
    assert.are.same({ '{"from":"1","waited":1}' }, bodies())
  end)

  it("is there after kill -9, also when its time came meanwhile, with the newest body", function()
    start { a = printing "2s" }
    post(1)
    verdict_of("1/a", "later")
    one:kill()
    assert(process.wait(10, function() return os.time() % 3 == 0 end))
    one:rewrite { a = printing("2s"):gsub('"paper for "', '"new paper for "') }
    assert(one:launch())
    verdict_of("1/a", "done")
    assert(one:wait_log "new paper for 1")
    assert.are.same({ '{"from":"1","waited":2}' }, bodies())
  end)

  it("leaves other events of its letter their turn", function()
    start { a = [[
      rule { name = "a", on = "*", run = function(event)
        if event.id == "1" then return later { at = "1h" } end
        return skip("not the first")
      end }]] }
    post(1)
    verdict_of("1/a", "later")
    post(2, { type = READ })
    verdict_of("2/a", "skipped")
  end)

  it("is ended by an event that it names, of its letter and no other", function()
    start { a = printing("1h", ', cancel = "correspondencereceiverread"') }
    post(1)
    post(2, { resourceinstance = OTHER })
    verdict_of("1/a", "later")
    verdict_of("2/a", "later")
    post(3, { type = READ })
    local run = verdict_of("1/a", "skipped")
    assert.is_truthy(run.reason:find("cancelled by event 3 (correspondencereceiverread)", 1, true), run.reason)
    assert.are.equal("later", one:verdicts()["2/a"].verdict)
  end)

  it("is replaced by a later one of its key", function()
    start { a = printing("1h", ', key = "k" .. event.source:match("%d*$")') }
    post(1)
    verdict_of("1/a", "later")
    post(2)
    verdict_of("2/a", "later")
    local run = verdict_of("1/a", "skipped")
    assert.is_truthy(run.reason:find("replaced by the timer of event 2", 1, true), run.reason)
    post(3, { source = "/other/7" })
    verdict_of("3/a", "later")
    assert.are.equal("later", one:verdicts()["2/a"].verdict)
  end)

  it("whose body an edit took away is abandoned, and says so", function()
    start { a = printing "1s" }
    post(1)
    verdict_of("1/a", "later")
    one:kill()
    one:rewrite { a = printing("1s"):gsub("paper = ", "papers = "):gsub('run = "paper"', 'run = "papers"') }
    assert(one:launch())
    local run = verdict_of("1/a", "abandoned")
    assert.is_truthy(run.reason:find("the rule has no body 'paper' (did you mean 'papers'?)", 1, true), run.reason)
  end)

  it("goes on after a failure of its body with the same timer", function()
    start { a = printing "1s" }
    service:answer { "503", "200" }
    post(1)
    verdict_of("1/a", "done")
    assert.are.same({ '{"from":"1","waited":1}', '{"from":"1","waited":1}' }, bodies())
  end)
end)

describe("memory", function()
  local RULE = [[
    rule { name = "a", on = "*", repeats = true, run = function(event, letter, context)
      local seen = context.memory.seen or 0
      return { send.http("print") { key = event, json = { seen = seen } }, remember { seen = seen + 1 } }
    end }]]

  it("is stored with the verdict, kept for the letter, and there after kill -9", function()
    start { a = RULE }
    post(1)
    post(2)
    verdict_of("2/a", "done")
    one:kill()
    assert(one:launch())
    post(3)
    post(4, { resourceinstance = OTHER })
    verdict_of("3/a", "done")
    verdict_of("4/a", "done")
    local list = bodies()
    table.sort(list)
    assert.are.same({ '{"seen":0}', '{"seen":0}', '{"seen":1}', '{"seen":2}' }, list)
  end)

  it("is not changed by an attempt that fails", function()
    start { a = RULE }
    service:answer { "503", "200" }
    post(1)
    verdict_of("1/a", "done")
    post(2)
    verdict_of("2/a", "done")
    assert.are.same({ '{"seen":0}', '{"seen":0}', '{"seen":1}' }, bodies())
  end)
end)
