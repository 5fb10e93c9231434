-- What holds an attempt back: a target that is out of order, and a rule in the shadow.
local cjson = require "cjson"
local rules = require "altinn.events.rules.language"
local worlds = require "spec.support.engine_world"

local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

local function targets()
  return { print = { url = "http://print.example.no" }, archive = { url = "http://archive.example.no" } }
end

local function notes(world, pattern)
  local list = {}
  for _, note in ipairs(world.notes) do
    if note:find(pattern) then list[#list + 1] = note end
  end
  return list
end

describe("a target that is out of order", function()
  local function breaking(...)
    local world = worlds.new { breaker = true, replies = { ... }, targets = targets() }
    world.closed_for = {}
    return world
  end

  local function body() return rules.send.http "print" { key = "a:b" } end

  it("holds the run, before anything is recorded, for the time that the breaker says and some more", function()
    local world = breaking(200)
    world.closed_for.print = 8
    local job = world:job { run = body, retry = { attempts = 1 } }
    local outcome, settlement = world:attempt(job)
    assert.are.same({ "held", 12, "breaker:print", 0 },
      { outcome.state, outcome.pause, settlement.cause, settlement.attempt })
    assert.are.same({ world.now + 12, nil }, { settlement.due, settlement.since or nil })
    assert.are.same({ "admit print", "settle held" }, world.notes)
    assert.is_truthy(outcome.reason:find("target 'print' failed several times in a row", 1, true))
  end)

  it("holds its runs for different times, so that they do not come back together", function()
    for random, pause in pairs { [0] = 8, [0.5] = 10 } do
      local world = breaking(200)
      world.closed_for.print, world.random = 8, random
      assert.are.equal(pause, world:attempt(world:job { run = body }).pause)
    end
  end)

  it("is asked about first when the run comes back, and its body does not run while it is open", function()
    local world, bodies = breaking(200), 0
    world.closed_for.print = 1
    local job = world:job { run = function()
      bodies = bodies + 1
      return body()
    end }
    for _ = 1, 3 do assert.are.equal("held", world:attempt(job).state) end
    assert.are.equal(1, bodies)
    world.closed_for.print, world.notes = nil, {}
    assert.are.equal("done", world:attempt(job).state)
    assert.are.equal(2, bodies)
    assert.are.same({ "admit print" }, notes(world, "^admit"))  -- a target on trial lets one attempt through
  end)

  it("is told of each attempt, good or bad", function()
    local cases = { { 200, "good" }, { 422, "good" }, { 499, "good" }, { 500, "bad" }, { 503, "bad" },
      { { error = "x", code = "network" }, "bad" },
      { { error = "x", code = "network", not_sent = true }, "bad" } }
    for _, case in ipairs(cases) do
      local world = breaking(case[1])
      world:attempt(world:job { run = body })
      assert.are.same({ "report print " .. case[2] }, notes(world, "^report"))
    end
  end)

  it("is not the mail server or the program that says no: these work", function()
    local reply = { outcome = "refused", code = 1, text = "it ended with status 1", answer = "" }
    for _, case in ipairs {
      { rules.send.mail "duty" { to = "a@b.no", subject = "s", text = "t" }, { status = 550, body = "550 no\r\n" } },
      { rules.send.command "load" {}, reply },
    } do
      local world = worlds.new { breaker = true, replies = { case[2] }, targets = {
        duty = { mail = "smtps://m.no", from = "a@b.no" }, load = { command = { "load" } } } }
      world.answer = function(self) return self.replies[1] end
      world:attempt(world:job { run = function() return case[1] end })
      assert.are.same({ "report " .. case[1].target .. " good" }, notes(world, "^report"))
    end
  end)

  it("is told of each question of a probe, good or bad, which uses its admission", function()
    for status, word in pairs { [200] = "good", [404] = "good", [500] = "bad", [503] = "bad" } do
      local world = breaking({ error = "x", code = "network" }, status)
      local job = world:job { run = function() return rules.send.http "print" { key = "a:b", probe = "is_there" } end,
        is_there = function(_, _, context) return context.get("/jobs") and rules.sent end }
      world:attempt(job)
      world.notes = {}
      assert.are.equal("done", world:attempt(job).state)
      assert.are.same({ "admit print" }, notes(world, "^admit"))
      assert.are.same({ "report print " .. word }, notes(world, "^report"))
      assert.are.same({}, notes(world, "^release"))
    end
  end)

  it("is told of an admission that the body did not use", function()
    local world, wanted = breaking(200), true
    world.closed_for.print = 1
    local job = world:job { run = function()
      return wanted and rules.send.http "print" { key = "a:b" } or nil
    end }
    world:attempt(job)
    world.closed_for.print, wanted, world.notes = nil, false, {}
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ "admit print", "release print", "settle done" }, world.notes)
  end)

  it("begins the time of retry.within no more anew than a failure does", function()
    local world = breaking(503)
    local job = world:job { run = body, retry = { within = "1h" } }
    local _, settlement = world:attempt(job)
    local since = settlement.since
    world.closed_for.print, world.now = 1, world.now + 1800
    _, settlement = world:attempt(job)
    assert.are.same({ "held", since }, { settlement.state, settlement.since })
    world.closed_for.print, world.now = nil, world.now + 1800
    local outcome = world:attempt(job)
    assert.are.equal("dead", outcome.state)
    assert.is_truthy(outcome.reason:find("gave up after 1 h", 1, true), outcome.reason)
  end)

  it("lets the effects before its own go out", function()
    local world = breaking(200)
    world.closed_for.print = 1
    local job = world:job { run = function()
      return { rules.send.http "archive" { key = "a:1" }, rules.send.http "print" { key = "a:2" },
        rules.send.http "archive" { key = "a:3" } }
    end }
    assert.are.equal("held", world:attempt(job).state)
    assert.are.same({ "send archive:a:1" }, notes(world, "^send"))
    assert.is_nil(world.memory.effects["print:a:2"])
    world.closed_for.print = nil
    assert.are.equal("done", world:attempt(job).state)
    assert.are.same({ "send archive:a:1", "send print:a:2", "send archive:a:3" }, notes(world, "^send"))
  end)

  it("holds what is unfinished too: neither its probe is asked nor the same bytes sent", function()
    for _, probe in ipairs { false, "is_there" } do
      local world, asked = breaking({ error = "x", code = "network" }, 200), 0
      local job = world:job { run = function() return rules.send.http "print" { key = "a:b", probe = probe or nil } end,
        is_there = function()
          asked = asked + 1
          return rules.sent
        end }
      world:attempt(job)
      world.closed_for.print = 1
      assert.are.equal("held", world:attempt(job).state)
      assert.are.same({ 1, 0 }, { #world.requests, asked })
      world.closed_for.print = nil
      assert.are.equal("done", world:attempt(job).state)
    end
  end)

  it("of a body that a timer started is held with the timer", function()
    local world, with = breaking(200), nil
    world.closed_for.print = 1
    local job = world:job { run = function() return rules.later { at = "1d", run = "paper", with = 7 } end,
      paper = function(_, _, context)
        with = context.timer.with
        return body()
      end }
    world:attempt(job)
    assert.are.equal("held", world:attempt(job).state)
    assert.are.same({ "held", "paper" }, { world.memory.settlements[2].state, world.memory.settlements[2].entry })
    world.closed_for.print = nil
    assert.are.equal("done", world:attempt(job).state)
    assert.are.equal(7, with)
  end)
end)

describe("a rule in the shadow", function()
  local function shadowed(run, more)
    local world = worlds.new { targets = targets() }
    local parts = { shadow = true, run = run }
    for name, value in pairs(more or {}) do parts[name] = value end
    local job = world:job(parts)
    local outcome, settlement = world:attempt(job)
    return outcome, settlement, world, job
  end

  it("sends nothing, records nothing, and writes down what it would have sent", function()
    local outcome, settlement, world = shadowed(function(_, letter)
      return { rules.send.http "print" { key = letter, path = "/v1/jobs?token=x", json = { a = 1 } },
        rules.send.http "archive" { key = "a:b", method = "DELETE" } }
    end)
    assert.are.same({ "shadowed", "it would have done: send to print: POST /v1/jobs 7 bytes (print:r/" .. LETTER
      .. "), send to archive: DELETE (archive:a:b)" }, { outcome.state, outcome.reason })
    assert.are.same({
      { kind = "http", target = "print", key = "print:r/" .. LETTER, summary = "POST /v1/jobs 7 bytes" },
      { kind = "http", target = "archive", key = "archive:a:b", summary = "DELETE" },
    }, cjson.decode(settlement.would))
    assert.are.same({ "settle shadowed" }, world.notes)
  end)

  it("says to whom a mail would go, with which words a program would be called, which file would be written", function()
    local world = worlds.new { targets = { post = { mail = "smtp://mail.example.no", from = "post@agency.example" },
      load = { command = { "/bin/load" } }, out = { folder = "/srv/out" }, list = { append = "/srv/list.csv" } } }
    local _, settlement = world:attempt(world:job { shadow = true, run = function(_, letter)
      return { rules.send.mail "post" { to = "duty@agency.example", subject = "x", text = "y" },
        rules.send.command "load" { arguments = { "--letter", letter.id }, text = "z" },
        rules.send.file "out" { name = "a.txt", text = "abc" }, rules.send.file "list" { line = letter.id } }
    end })
    local list = cjson.decode(settlement.would)
    assert.is_truthy(list[1].summary:find("^to duty@agency%.example %d+ bytes$"), list[1].summary)
    assert.are.same({ "--letter " .. LETTER .. " 1 bytes", "a.txt 3 bytes", #LETTER .. " bytes" },
      { list[2].summary, list[3].summary, list[4].summary })
  end)

  it("that would do nothing has the verdict that it gives", function()
    for state, run in pairs {
      skipped = function() return rules.skip "no" end, done = function() end,
      dead = function() return rules.fail "x" end, retry = function() error "x" end,
      later = function() return rules.retry_after(1) end,
    } do
      local outcome, settlement = shadowed(run)
      assert.are.same({ state, nil }, { outcome.state, settlement.would })
    end
  end)

  it("that would do something at Altinn is shadowed also when it then skips", function()
    local outcome, settlement = shadowed(function(_, letter)
      letter:confirm()
      return rules.skip "no more"
    end, { may = { "confirm" } })
    assert.are.equal("shadowed", outcome.state, outcome.reason)
    assert.are.equal("confirm", cjson.decode(settlement.would)[1].kind)
  end)

  it("still finds the mistakes of an effect", function()
    local outcome = shadowed(function() return rules.send.http "print" { key = "nothing" } end)
    assert.are.equal("dead", outcome.state)
  end)

  it("has its own memory and timers, which are real", function()
    local outcome, settlement, world, job = shadowed(function(_, letter)
      return { rules.send.http "print" { key = letter }, rules.later { at = "1d", run = "paper" },
        rules.remember { printed = true } }
    end, { paper = function(_, letter, context)
      return context.memory.printed and rules.send.http "archive" { key = letter } or nil
    end })
    assert.are.same({ "later", "paper", "true" },
      { outcome.state, settlement.entry, world.memory.remembered["letter:" .. LETTER].printed.value })
    assert.are.equal("print", cjson.decode(settlement.would)[1].target)
    outcome, settlement = world:attempt(job)
    assert.are.same({ "shadowed", "archive" }, { outcome.state, cjson.decode(settlement.would)[1].target })
    assert.are.equal(0, #world.requests)
  end)

  it("leaves alone what an earlier attempt left unfinished: it is finished when the shadow is gone", function()
    local world = worlds.new { replies = { { error = "broken", code = "network" }, 200 }, targets = targets() }
    local body = function() return rules.send.http "print" { key = "a:b" } end
    local job = world:job { run = body }
    world:attempt(job)
    world:edit(job, { run = body, shadow = true })
    assert.are.equal("shadowed", world:attempt(job).state)
    assert.are.equal(1, #world.requests)
    world:edit(job, { run = body })
    assert.are.equal("done", world:attempt(job).state)
    assert.are.equal(2, #world.requests)
  end)
end)
