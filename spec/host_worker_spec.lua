-- What the host hands to a worker, and what it makes of the worker's answers: the worker here is the spec's own.
local inbox = require "altinn.events.host.inbox"
local own_worker = require "spec.support.own_worker"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

-- What the workers of this spec have in common: each message goes to the
-- function of its kind; a stop ends the worker.
local LOOP = [[
local on = {}
local function settle(run, state, attempt)
  jobs:settle { { kind = "settle", sequence = run.sequence, rule = run.rule, state = state, attempt = attempt } }
end
local function loop(each, pause)
  while true do
    for _, message in ipairs(jobs:take(64, pause or 0.01)) do
      if message.kind == "stop" then return say "stop" end
      if on[message.kind] then on[message.kind](message) end
    end
    if each then each() end
  end
end
]]

describe("the host's inbox", function()
  local one

  after_each(function()
    if one then one:close() end
    one = nil
  end)

  local function start(code, rules, options) one = own_worker.start(LOOP .. code, rules, options) end

  local function run_of(sequence, rule)
    return one:query("SELECT state, reason FROM run WHERE sequence = ? AND rule = ?", sequence, rule)[1]
  end

  local function batch(first, last)
    local texts = {}
    for i = first, last do texts[#texts + 1] = sample.text { id = "b-" .. i } end
    assert.are.equal(200, (one:post("[" .. table.concat(texts, ",") .. "]", "application/cloudevents-batch+json")))
  end

  it("records nothing for a run that was discarded by hand, and keeps what the hand wrote", function()
    start([[
      local mine
      function on.run(run) mine = run say("holds " .. tostring(jobs:holds(run.sequence, run.rule))) end
      function on.cancel(order)
        say(("cancel %d %s %s"):format(order.sequence, order.rule, tostring(jobs:holds(order.sequence, order.rule))))
        jobs:record({ { kind = "record", sequence = mine.sequence, rule = mine.rule, key = "k", target = "t",
          request = "{}" } }, 1)
        settle(mine, "done", 2)
      end
      function on.ack(ack) say(tostring(ack.states[1])) end
      loop()]], { "send" })
    assert.are.equal(200, (one:post(sample.text())))
    assert(one:said "holds true")
    assert.are.equal(1, (inbox.discard(one.inbox, 1, nil, "a test")))
    assert(one:said "cancel 1 send false")
    assert(one:said "over")
    assert(one:settle())
    assert.are.same({ state = "discarded", reason = "discarded by hand: a test" }, run_of(1, "send"))
    assert.are.same({}, one:query "SELECT key FROM effect")
  end)

  it("keeps of an effect what was recorded, and answers by what became of it", function()
    -- Each run records the next of these under one key, then does what is said here, and is settled as said there.
    start([[
      local step = 0
      local plan = {
        { request = "one" },                                       -- settled while its outcome is not known
        { request = "two", outcome = "unknown" },
        { request = "three", outcome = "refused", status = 422, answer = "no" },
        { request = "four", outcome = "not_sent" },
        { request = "five", outcome = "sent", status = 200 },
        { request = "six" },
      }
      local mine
      function on.run(run)
        mine, step = run, step + 1
        jobs:record({ { kind = "record", sequence = run.sequence, rule = run.rule, key = "k", target = "t",
          request = plan[step].request } }, step)
      end
      function on.ack(ack)
        say(("%d %s %s %s"):format(step, tostring(ack.states[1]), tostring(ack.requests[1]), tostring(ack.owners[1])))
        local now, works = plan[step], {}
        if now.outcome then
          works[1] = { kind = "outcome", sequence = mine.sequence, rule = mine.rule, key = "k", state = now.outcome,
            status = now.status, answer = now.answer, attempt = step }
        end
        works[#works + 1] = { kind = "settle", sequence = mine.sequence, rule = mine.rule,
          state = step < #plan and "retry" or "done", attempt = step, due = 1 }
        jobs:settle(works)
      end
      loop()]], { "send" })
    assert.are.equal(200, (one:post(sample.text())))
    assert(one:said("6 sent nil 1"))
    assert(one:settle())
    assert.are.same({
      "1 false nil nil", "2 unknown one 1", "3 unknown one 1", "4 false nil 1", "5 false nil 1", "6 sent nil 1",
    }, one:lines())
    assert.are.same({ request = "five", state = "sent", status = 200, attempt = 5 },
      one:query("SELECT request, state, status, attempt FROM effect")[1])
    assert.are.same({
      { state = "unknown", attempt = 2 },  -- its request is that of the next
      { state = "refused", attempt = 3, status = 422, answer = "no", request = "one" },
      { state = "not_sent", attempt = 4, request = "four" },
    }, one:query "SELECT state, attempt, status, answer, request FROM effect_attempt ORDER BY number")
    assert.are.equal(5, one:query("SELECT count(*) AS n FROM attempt")[1].n)
    assert.are.same({ state = "done", attempt = 6, tries = 6 },
      one:query("SELECT state, attempt, tries FROM run")[1])
  end)

  it("lets one run at a time send an effect, until that is over", function()
    start([[
      local first, second
      local function record(run, ticket)
        jobs:record({ { kind = "record", sequence = run.sequence, rule = run.rule, key = "k", target = "t",
          request = "of " .. run.sequence } }, ticket)
      end
      function on.run(run)
        if run.sequence == 1 then first = run record(run, 1)
        else second = run record(run, 2) end
      end
      function on.ack(ack)
        say(("%d %s %s"):format(ack.ticket, tostring(ack.states[1]), tostring(ack.requests[1])))
        if ack.ticket == 2 then settle(first, "dead", 1) record(second, 3) end
        if ack.ticket == 3 then settle(second, "done", 1) end
      end
      loop()]], { "send" })
    batch(1, 1)
    assert(one:said "1 false nil")
    batch(2, 2)
    assert(one:settle())
    assert.are.same({ "1 false nil", "2 held nil", "3 unknown of 1" }, one:lines())
    assert.are.equal(2, one:query("SELECT sequence FROM effect")[1].sequence)
  end)

  it("takes no word of a run that the worker does not have any more", function()
    start([[
      local mine
      function on.run(run)
        if run.sequence == 2 then  -- what comes after this is in another transaction
          settle(mine, "done", 2)
          return settle(run, "done", 1)
        end
        mine = run
        jobs:settle { { kind = "settle", sequence = run.sequence, rule = run.rule, state = "later", attempt = 0,
          due = 1 << 50 } }
      end
      loop()]], { "send" })
    batch(1, 1)
    assert(process.wait(30, function() return run_of(1, "send") end))
    batch(2, 2)
    assert(process.wait(30, function() return run_of(2, "send") end))
    assert.are.equal("later", run_of(1, "send").state)
    assert.are.equal(0, one:query("SELECT count(*) AS n FROM attempt")[1].n)
    assert.are.equal(1, one:metric "waiting")
  end)

  it("hands out a run that was put back by hand while another of its event goes on", function()
    start([[
      local held, times = nil, 0
      function on.run(run)
        if run.rule == "held" then held = run return end
        times = times + 1
        settle(run, times == 1 and "dead" or "done", run.attempt + 1)
        say("times " .. times)
      end
      loop(function()
        if held and told "go" then settle(held, "done", 1) held = nil end
      end)]], { "dies", "held" })
    assert.are.equal(200, (one:post(sample.text())))
    assert(process.wait(30, function() return run_of(1, "dies") end))
    assert.are.equal(1, (inbox.retry(one.inbox, 1)))
    assert(one:said("times 2", 5))
    assert(process.wait(30, function() return run_of(1, "dies").state == "done" or nil end))
    assert.is_nil(run_of(1, "held"))
    assert.are.equal(1, one:query("SELECT count(*) AS n FROM waiting")[1].n)
    one:tell "go"
    assert(one:settle())
    assert.are.same({ "times 1", "times 2" }, one:lines())
  end)

  it("does not hand out a run that was settled by hand before its turn came", function()
    local ROOM, MORE = 2048, 16  -- runs of a rule that are at the workers; see csrc/inbox/inbox.h
    start([[
      local runs, count = {}, 0
      function on.run(run)
        count = count + 1
        runs[count] = run
        if run.sequence > 2048 then say("later " .. run.sequence) end
      end
      loop(function()
        if count == 2048 then say "full" end
        if not told "go" then return end
        for i = 1, count do settle(runs[i], "done", 1) end
        runs, count = {}, 0
      end)]], { "slow" }, { max_bytes = 1 << 22 })
    for first = 1, ROOM, 1024 do batch(first, first + 1023) end
    batch(ROOM + 1, ROOM + MORE)
    assert(one:said("full", 30))
    local last = ROOM + MORE
    assert.are.equal(1, (inbox.discard(one.inbox, last)))
    one:tell "go"
    assert(one:settle(20))
    assert(one:said("later " .. last - 1))
    assert.is_nil(one:said("later " .. last, 0))
    assert.are.same({ state = "discarded", reason = "discarded by hand" }, run_of(last, "slow"))
  end)

  it("answers a worker before it hands out what waits", function()
    start([[
      local count = 0
      function on.run()
        count = count + 1
        if count ~= 1 then return end
        jobs:record({ { kind = "record", sequence = 1, rule = "one", key = "k", target = "t", request = "{}" } }, 7)
        while not told "go" do end
        local first = jobs:take(1)[1]
        say(first.kind .. " " .. tostring(first.ticket))
      end
      loop()]], { "one" })
    assert.are.equal(200, (one:post(sample.text { id = "first" })))
    batch(1, 200)
    assert(process.wait(30, function() return one:query("SELECT key FROM effect")[1] end))
    batch(201, 201)  -- when this is answered, so is the worker
    one:tell "go"
    assert(one:said "ack 7")
  end)

  it("that refused a verdict gets it again before the host ends", function()
    start([[
      function on.run(run)
        while not told "go" do end
        settle(run, "done", 1)
        while not told "stop" do end
      end
      loop()]], { "one" })
    assert.are.equal(200, (one:post(sample.text())))
    assert(os.rename(one.inbox, one.inbox .. ".away"))
    one:tell "go"
    assert(process.wait(30, function() return one:metric("storage_failures_total") > 0 or nil end))
    assert(os.rename(one.inbox .. ".away", one.inbox))
    one:tell "stop"
    assert.is_true(one.handle:stop())
    assert.are.same({ state = "done" }, run_of(1, "one"))
  end)

  it("hands out what was put back by hand while it cannot store", function()
    start([[
      local times = 0
      function on.run(run)
        times = times + 1
        settle(run, "dead", run.attempt + 1)
        say("times " .. times)
      end
      loop(nil, 3600)]], { "one" })
    batch(1, 2)
    assert(one:said "times 2")
    assert(one:settle())
    assert.are.equal(1, (inbox.retry(one.inbox, 1)))
    assert(os.rename(one.inbox, one.inbox .. ".away"))
    assert(one:said("times 3", 5))
    assert(os.rename(one.inbox .. ".away", one.inbox))
  end)
end)

describe("a worker that fails", function()
  it("says why without anybody's identity number", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    process.write(folder .. "/fails.lua", [[
      local own_worker = require "spec.support.own_worker"
      local one = own_worker.start("error('no such person: 08895699684')", {})
      local word = one.handle:wait(10)
      one:close()
      assert(word == "failed", word)]])
    local ended = process.start(folder, "fails", "lua5.4 " .. folder .. "/fails.lua")
    assert.are.equal(0, ended:wait_exit())
    local log = ended:errors()
    assert.truthy(log:find('level=error msg="worker failed" reason=', 1, true), log)
    assert.truthy(log:find("no such person", 1, true), log)
    assert.is_nil(log:find("0889569", 1, true), log)
  end)
end)

describe("the host's largest body", function()
  it("is one that the inbox can hold", function()
    local start = require("altinn.events.host").start
    local options = { inbox = "/nowhere/at/all", worker_settings = "", heads = {}, max_bytes = 1 << 28 }
    local ok, message = pcall(start, options)
    assert.is_true(ok, message)
    options.max_bytes = options.max_bytes + 1
    ok, message = pcall(start, options)
    assert.is_false(ok)
    assert.truthy(message:find("max_bytes is out of range", 1, true), message)
  end)
end)
