-- Timers of the inbox: they wait in no line, come when they are due, are replaced and cancelled, and survive everything
-- or nothing. With a real host whose worker is the spec's own.
local inbox = require "altinn.events.host.inbox"
local cjson = require "cjson"
local events = require "altinn.events"
local own_worker = require "spec.support.own_worker"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

-- `on.NAME(run, event)` is the body of runs whose entry is NAME; what it gives is the settle's members. `holding`: runs
-- whose body gave nothing; the word `free` settles them as done.
local LOOP = [[
local cjson = require "cjson"
local events = require "altinn.events"
local on, holding = {}, {}
local function now() return math.floor(jobs:now() * 1000) end
local function settle(run, members)
  members.kind, members.sequence, members.rule = "settle", run.sequence, run.rule
  jobs:settle { members }
end
local function later(thing, ms, members)
  members = members or {}
  members.state, members.due, members.thing = "later", now() + ms, thing
  members.timer = members.timer or cjson.encode { set = now(), due = members.due, key = members.timer_key or "" }
  members.timer_key, members.entry = members.timer_key or "", members.entry or "paper"
  return members
end
local function carry_out(run)
  local event = cjson.decode(run.body)
  local members = on[run.entry or "run"](run, event)
  if members then return settle(run, members) end
  holding[#holding + 1] = run
end
local function loop()
  while true do
    for _, message in ipairs(jobs:take(64, 0.005)) do
      if message.kind == "stop" then return say "stop" end
      if message.kind == "run" then
        local ok, text = pcall(carry_out, message)
        if not ok then say(text) end
      end
    end
    if on.turn then on.turn() end
    if told "free" then
      for _, run in ipairs(holding) do settle(run, { state = "done" }) end
      holding = {}
    end
  end
end
]]

local PUBLISHED = "no.altinn.correspondence.correspondencepublished"
local READ = "no.altinn.correspondence.correspondencereceiverread"
local PURGED = "no.altinn.correspondence.correspondencepurged"

describe("a timer", function()
  local one

  after_each(function()
    if one then one:close() end
    one = nil
  end)

  -- Runs of one letter form a line, unless `order` is false.
  local function start(code, rules, order)
    local heads = {}
    for index, rule in ipairs(rules or { "r" }) do
      heads[index] = { rule = rule, conditions = {}, order = order }
    end
    one = own_worker.start(LOOP .. code .. "\nloop()", {}, { heads = heads })
  end

  local function post(id, letter, kind)
    local text = sample.text { id = id, resourceinstance = letter or "a", type = kind or PUBLISHED }
    assert.are.equal(200, (one:post(text)))
  end

  local function state(sequence, rule)
    return one:query("SELECT state, reason FROM run WHERE sequence = ? AND rule = ?", sequence, rule or "r")[1] or {}
  end

  local function wait_state(sequence, wanted, rule)
    assert(process.wait(10, function() return state(sequence, rule).state == wanted or nil end),
      ("run %d is %s"):format(sequence, tostring(state(sequence, rule).state)))
  end

  local function timers()
    local list = {}
    for index, row in ipairs(one:query "SELECT thing, rule, key, sequence FROM timer ORDER BY thing, rule, key") do
      list[index] = ("%s %s %s %d"):format(row.thing, row.rule, row.key, row.sequence)
    end
    return list
  end

  local function again()
    one.handle:stop()
    one:launch()
  end

  it("frees its line, and starts its body at the end of the line when it is due", function()
    start [[
      function on.run(run, event)
        say(("run %s %s"):format(event.id, tostring(run.timer)))
        if event.id == "first" then return later("letter:a", 3000, { timer = '{"with":1}' }) end
        if event.id == "third" then return end
        return { state = "done" }
      end
      function on.paper(run, event)
        say(("paper %s %s attempt %d tries %d"):format(event.id, run.timer, run.attempt, run.tries))
        return { state = "done" }
      end]]
    post "first"
    wait_state(1, "later")
    post "second"
    wait_state(2, "done")
    assert.are.same({ "letter:a r  1" }, timers())
    post "third"  -- it holds the line beyond the timer's time
    assert(one:said "run third nil")
    post "fourth"
    local due = one:query("SELECT due FROM run WHERE sequence = 1")[1].due
    assert(process.wait(10, function() return os.time() * 1000 > due + 1500 or nil end))
    one:tell "free"
    assert(one:settle())
    assert.are.same({ "run first nil", "run second nil", "run third nil", "run fourth nil",
      'paper first {"with":1} attempt 0 tries 1' }, one:lines())
    assert.are.same({}, timers())
    assert.are.equal("done", state(1).state)
    assert.are.same({ { state = "later" } }, one:query "SELECT state FROM attempt")
  end)

  it("is replaced by one of its thing, rule and key, of another event too", function()
    start([[
      function on.run(run, event)
        return later("letter:" .. event.resourceinstance, 3600000, { timer_key = event.id:match "^%a*" })
      end]], { "r", "s" })
    for number, letter in ipairs { "a", "b" } do
      post("x" .. number, letter)
      wait_state(number, "later")
      wait_state(number, "later", "s")
    end
    post("y3", "a")
    wait_state(3, "later", "s")
    post("x4", "a")
    wait_state(1, "skipped")
    wait_state(1, "skipped", "s")
    wait_state(4, "later")
    assert.are.equal("replaced by the timer of event 4", state(1).reason)
    for _, number in ipairs { 2, 3 } do assert.are.equal("later", state(number).state) end
    assert.are.same({ "letter:a r x 4", "letter:a r y 3", "letter:a s x 4", "letter:a s y 3", "letter:b r x 2",
      "letter:b s x 2" }, timers())
    assert.are.same({ { sequence = 2 }, { sequence = 3 }, { sequence = 4 } },
      one:query "SELECT sequence FROM waiting ORDER BY 1")
  end)

  it("has one key at a time: the next timer of its run takes the place of the one before", function()
    start [[
      function on.run() return later("letter:a", 1, { timer_key = "one" }) end
      function on.paper() return later("letter:a", 3600000, { timer_key = "two", entry = "run" }) end]]
    post "e"
    assert(process.wait(10, function() return timers()[1] == "letter:a r two 1" or nil end))
    assert.are.equal(1, #timers())
    assert.are.equal("run", one:query("SELECT entry FROM run")[1].entry)
  end)

  it("is cancelled by an event of a listed type about its thing, in the transaction that stores the event", function()
    start(([[
      function on.run(run, event)
        if event.type == "%s" and run.rule == "r" then
          return later("letter:" .. event.resourceinstance, 3600000, { cancel = "%s\n%s" })
        end
        return { state = "done" }
      end]]):format(PUBLISHED, READ, PURGED), { "r", "s" })
    for number, letter in ipairs { "a", "b", "c" } do
      post("p-" .. letter, letter)
      wait_state(number, "later")
    end
    post("confirmed", "a", "no.altinn.correspondence.correspondencereceiverconfirmed")
    post("longer", "a", PURGED .. "x")
    post("other", "z", READ)
    post("read", "a", READ)
    assert.are.same({ state = "skipped", reason = "cancelled by event 7 (correspondencereceiverread)" }, state(1))
    again()
    post("purged", "b", PURGED)
    assert.are.same({ state = "skipped", reason = "cancelled by event 8 (correspondencepurged)" }, state(2))
    assert.are.same({ "letter:c r  3" }, timers())
    assert(process.wait(10, function() return one:query("SELECT count(*) AS n FROM waiting")[1].n == 1 or nil end))
    assert.are.equal(1, one:metric "waiting")
    assert.are.same({}, one:lines()[1] and { table.unpack(one:lines(), 2) } or {})
  end)

  it("that was set in the same transaction is cancelled as well", function()
    start(([[
      local mine
      function on.run(run, event)
        if event.type ~= "%s" then return { state = "done" } end
        mine = run
        say "holds"
      end
      function on.turn()
        if not mine or not told "go" then return end
        settle(mine, later("letter:a", 3600000, { cancel = "%s" }))
        mine, holding = nil, {}
        say "settled"
      end]]):format(PUBLISHED, READ))
    post "e"
    assert(one:said "holds")
    -- Another program has the file, while a first group waits for it.
    local lock = assert(io.popen(("sqlite3 -batch %s"):format(process.quote(one.inbox)), "w"))
    lock:write ".timeout 5000\nBEGIN IMMEDIATE;\n"
    lock:write((".shell touch %s/locked\n"):format(one.folder))
    lock:flush()
    assert(process.wait(10, function() return io.open(one.folder .. "/locked") end)):close()
    local posts = {}
    for index, changes in ipairs { { id = "x", type = "x.y" }, { id = "read", resourceinstance = "a", type = READ } } do
      process.write(one.folder .. "/body" .. index, sample.text(changes))
      if index == 2 then
        one:tell "go"
        assert(one:said "settled")
      end
      posts[index] = assert(io.popen(("curl -s -o %s/answer%d -H 'Content-Type: application/cloudevents+json' "
        .. "--data-binary @%s/body%d http://127.0.0.1:%d/events"):format(one.folder, index, one.folder, index,
        one.handle:port())))
      os.execute "sleep 0.2"  -- the writer waits for the file meanwhile
    end
    lock:write "COMMIT;\n"
    lock:close()
    for _, answer in ipairs(posts) do answer:close() end
    wait_state(1, "skipped")
    assert.are.equal("cancelled by event 3 (correspondencereceiverread)", state(1).reason)
    assert.are.same({}, timers())
    assert(one:settle())
  end)

  it("does not end a run that is under way: replaced and cancelled it goes on", function()
    start(([[
      function on.run(run, event)
        if event.type == "%s" then return { state = "done" } end
        return later("letter:a", event.id == "first" and 1 or 3600000, { cancel = "%s" })
      end
      function on.paper(run, event) say("paper " .. event.id) end]]):format(READ, READ), { "r" }, false)
    post "first"
    assert(one:said "paper first")
    post("read", "a", READ)
    wait_state(2, "done")
    post "second"
    wait_state(3, "later")
    assert.are.equal("later", state(1).state)
    assert.are.same({ "letter:a r  3" }, timers())
    one:tell "free"
    wait_state(1, "done")
    assert.are.same({ "letter:a r  3" }, timers())
  end)

  it("keeps its body and its timer when it fails, blocks its line then, and can still be cancelled", function()
    start(([[
      function on.run(run, event)
        if event.id == "first" then return later("letter:a", 1, { cancel = "%s", timer = '{"with":7}' }) end
        say("run " .. event.id)
        return { state = "done" }
      end
      function on.paper(run, event)
        say(("paper %%d %%s %%s"):format(run.attempt, run.timer, tostring(run.cause)))
        return { state = "retry", attempt = run.attempt + 1, due = run.attempt == 1 and now() + 3600000 or 1,
          cause = "print answered 503" }
      end]]):format(READ))
    post "first"
    assert(one:said 'paper 1 {"with":7} print answered 503')
    wait_state(1, "retry")
    again()
    assert.are.same({ "letter:a r  1" }, timers())
    post "second"
    assert(process.wait(10, function() return one:metric "waiting" == 2 or nil end))
    assert.are.same({}, state(2))
    post("read", "a", READ)
    wait_state(1, "skipped")
    assert(one:settle())
    assert.are.same({ 'paper 0 {"with":7} nil', 'paper 1 {"with":7} print answered 503', "stop", "run second",
      "run read" }, one:lines())
    assert.are.same({}, timers())
  end)

  it("of a run that asks for a later time in its body stays, and blocks its line", function()
    start(([[
      function on.run(run, event)
        if event.id == "first" then return later("letter:a", 1, { cancel = "%s" }) end
        return { state = "done" }
      end
      function on.paper(run) return { state = "later", due = now() + 3600000 } end]]):format(READ))
    post "first"
    assert(process.wait(10, function() return #one:query "SELECT 1 AS n FROM attempt" == 1 or nil end))
    post "second"
    again()
    assert(process.wait(10, function() return one:metric "waiting" == 2 or nil end))
    assert.are.same({ entry = "paper", state = "later" }, one:query("SELECT entry, state FROM run")[1])
    assert.are.same({ "letter:a r  1" }, timers())
    post("read", "a", READ)
    assert(one:settle())
  end)

  it("does not block its line after a start or a reload, and fires at the start when it was due before", function()
    start [[
      function on.run(run, event)
        say("run " .. event.id)
        return event.id == "first" and later("letter:a", 3600000) or { state = "done" }
      end
      function on.paper(run, event) say("paper " .. event.id) return { state = "done" } end]]
    post "first"
    wait_state(1, "later")
    again()
    post "second"
    wait_state(2, "done")
    assert(one.handle:reload(one.options.heads, one.code))
    post "third"
    wait_state(3, "done")
    one.handle:stop()
    one:execute "UPDATE run SET due = 1 WHERE sequence = 1"
    one:launch()
    assert(one:said "paper first")
    assert(one:settle())
  end)

  it("fires after a start though nothing else happens", function()
    start [[
      function on.run(run, event) return later("letter:a", 1500) end
      function on.paper() say "paper" return { state = "done" } end]]
    post "first"
    wait_state(1, "later")
    again()
    assert(one:said "paper")
  end)

  it("for the past fires now, and one that has no thing fires too", function()
    start [[
      function on.run(run, event) return later(event.id ~= "none" and "letter:a" or nil, -86400000) end
      function on.paper(run, event) say("paper " .. event.id) return { state = "done" } end]]
    post "past"
    post "none"
    assert(one:said "paper past")
    assert(one:said "paper none")
    assert(one:settle())
  end)

  it("ends by hand, and a body that was put back by hand is that of the timer", function()
    start [[
      function on.run(run, event) return later("letter:a", event.id == "first" and 3600000 or 1) end
      function on.paper(run, event)
        say(("paper %s %s"):format(event.id, run.timer))
        return { state = run.tries == 1 and "dead" or "done" }
      end]]
    post "first"
    wait_state(1, "later")
    assert.are.equal(1, (inbox.discard(one.inbox, 1)))
    assert.are.same({}, timers())
    post("second", "b")
    wait_state(2, "dead")
    assert.are.same({}, timers())
    one:execute "UPDATE run SET tries = 5"
    assert.are.equal(1, (inbox.retry(one.inbox, 2)))
    assert(process.wait(10, function() return #one:lines() == 2 or nil end))
    assert.are.equal(one:lines()[1], one:lines()[2])
    post("third", "c")
    wait_state(3, "dead")
  end)

  it("can be brought forward by hand", function()
    start [[
      function on.run(run, event)
        if event.id == "first" then return later("letter:a", 3600000) end
        return { state = "done" }
      end
      function on.paper(run, event) say "paper" return { state = "done" } end]]
    post "first"
    wait_state(1, "later")
    assert.are.equal(1, (inbox.retry(one.inbox, 1)))
    assert(one:said "paper")
    post "second"
    assert(one:settle())
  end)

  it("that is moved by hand while its body runs frees its line again", function()
    start [[
      function on.run(run, event)
        if event.id == "first" then return later("letter:a", 1) end
        say("run " .. event.id)
        return { state = "done" }
      end
      function on.paper(run, event)
        say "paper"
        repeat
          local list = jobs:take(64, 0.01)
        until list[1] and list[1].kind == "cancel"
        return { state = "retry", attempt = 1, due = 1 }
      end]]
    post "first"
    assert(one:said "paper")
    local now = os.time() * 1000
    one:execute("UPDATE run SET due = ? WHERE sequence = 1", now + 3600000)
    one:execute("INSERT INTO act(sequence, rule, time, who, what, reason, state)"
      .. " VALUES(1, 'r', ?, 'x', 'later', '', 'later')", now + 1000)
    post "second"
    assert(one:said "run second")
    assert.are.same({ "paper", "run second" }, one:lines())
    assert.are.equal("later", state(1).state)
  end)

  it("belongs to the thing that events.describe gives, whatever it is", function()
    start [[
      function on.run(run, event)
        if event.again then return { state = "done" } end
        local about = events.describe(assert(events.parse(run.body)))
        local thing = about.about and about.id and about.about .. ":" .. about.id
        say(event.type .. " " .. tostring(thing))
        return later(thing or nil, 3600000, { cancel = event.type })
      end]]
    local types, seen = {}, {}
    for _, known in pairs(events.types) do
      if not seen[known.about or ""] then types[#types + 1] = known.type end
      seen[known.about or ""] = true
    end
    types[#types + 1] = "no.altinn.correspondence.correspondencenew"
    types[#types + 1] = "no.altinn.correspondence.attachmentnew"
    types[#types + 1] = "app.instance.created"
    local function send(id, kind, changes)
      changes.id, changes.type = id, kind
      assert.are.equal(200, (one:post(cjson.encode(sample.event(changes)))))
    end
    for number, kind in ipairs(types) do
      send("e-" .. number, kind, { resourceinstance = "thing-" .. number .. "/æ" })
      assert(process.wait(10, function() return #one:lines() == number or nil end))
      wait_state(number, "later")
    end
    local count = #timers()
    assert.is_true(count >= 5, table.concat(one:lines(), "\n"))
    for number, kind in ipairs(types) do
      send("again-" .. number, kind, { resourceinstance = "thing-" .. number .. "/æ", again = true })
    end
    assert.are.same({}, timers())
  end)
end)
