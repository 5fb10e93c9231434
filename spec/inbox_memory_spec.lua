-- What the inbox keeps of a run beside its state: results of steps, memory of a thing, unfinished effects, versions of
-- the rule. With a real host whose worker is the spec's own.
local inbox = require "altinn.events.host.inbox"
local own_worker = require "spec.support.own_worker"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

-- The worker does what `on.run(run)` says in a coroutine; `ask(works)` waits for the inbox's answer.
local LOOP = [[
local cjson = require "cjson"
local on, waiting, ticket = {}, {}, 0
local function ask(works)
  ticket = ticket + 1
  assert(jobs:record(works, ticket))
  waiting[ticket] = coroutine.running()
  return coroutine.yield()
end
local function work(run, kind, members)
  members = members or {}
  members.kind, members.sequence, members.rule = kind, run.sequence, run.rule
  return members
end
local function settle(run, state, members, ...)
  members = members or {}
  members.state = state
  jobs:settle { work(run, "settle", members), ... }
end
local function recall(run, thing)
  local ack = ask { work(run, "recall", { thing = thing }) }
  return ack.recalled[1], ack.states[1]
end
local function start(body, ...)
  local ok, message = coroutine.resume(coroutine.create(body), ...)
  if not ok then say(message) end
end
local function loop()
  while true do
    for _, message in ipairs(jobs:take(64, 0.01)) do
      if message.kind == "stop" then return say "stop" end
      if message.kind == "ack" then
        local ok, text = coroutine.resume(waiting[message.ticket], message)
        if not ok then say(text) end
      elseif on[message.kind] then start(on[message.kind], message) end
    end
  end
end
]]

describe("the inbox keeps, beside a run's state,", function()
  local one

  after_each(function()
    if one then one:close() end
    one = nil
  end)

  local function start(code, rules) one = own_worker.start(LOOP .. code .. "\nloop()", rules or { "r" }) end

  local function post(id) assert.are.equal(200, (one:post(sample.text { id = id }))) end

  it("steps, memory and unfinished effects, and gives them back in order", function()
    start [[
      function on.run(run)
        if run.attempt == 0 then
          say("fresh " .. tostring(run.fresh))
          ask { work(run, "step", { name = "second", place = 2, result = "[2]", version = "00000000000a" }) }
          ask { work(run, "step", { name = "first", place = 1, result = '"1"', version = 10 }) }
          ask { work(run, "step", { name = "first", place = 7, result = '"other"' }) }
          ask { work(run, "record", { key = "z", target = "t", request = "{}", version = "ffffffffffff" }),
            work(run, "record", { key = "a", target = "t", request = "[]" }),
            work(run, "record", { key = "m", target = "t", request = "1" }),
            work(run, "record", { key = "n", target = "t", request = "2" }) }
          return settle(run, "retry", { attempt = 1, due = 1, cause = "print answered 503", reason = "because",
              version = "0000000000ff" },
            work(run, "outcome", { key = "z", state = "unknown", attempt = 1 }),
            work(run, "outcome", { key = "m", state = "sent", attempt = 1 }),
            work(run, "outcome", { key = "n", state = "refused", attempt = 1 }))
        end
        say("fresh " .. tostring(run.fresh) .. " cause " .. run.cause .. " repeats " .. run.repeats)
        local found = recall(run, "letter:1")
        for _, step in ipairs(found.steps) do say("step " .. step.name .. " " .. step.result) end
        for _, effect in ipairs(found.effects) do
          say(("effect %s %s %s %s"):format(effect.key, effect.target, effect.request, effect.state))
        end
        say("memory " .. tostring(next(found.memory)))
        settle(run, "done", { attempt = 2, version = 1 })
      end]]
    post "e"
    assert(one:settle())
    assert.are.same({ "fresh true", "fresh false cause print answered 503 repeats 0", 'step first "1"',
      "step second [2]", "effect z t {} unknown", "effect a t [] recorded", "memory nil" }, one:lines())
    assert.are.same({ { name = "first", place = 1, version = 10 }, { name = "second", place = 2, version = 10 } },
      one:query "SELECT name, place, version FROM step ORDER BY name")
    assert.are.same({ { version = 1 } }, one:query "SELECT version, cause FROM run")
    assert.are.same({ { version = 255, cause = "print answered 503" } }, one:query "SELECT version, cause FROM attempt")
    assert.are.same({ { key = "z", version = 0xffffffffffff } },
      one:query "SELECT key, version FROM effect WHERE version IS NOT NULL")
  end)

  it("the order in which effects were recorded anew", function()
    start [[
      local orders = { { "b", "a" }, { "a", "b" } }
      function on.run(run)
        for _, order in ipairs(orders) do
          local works = {}
          for i, key in ipairs(order) do
            works[i] = work(run, "record", { key = key, target = "t", request = key })
          end
          ask(works)
          local keys = {}
          for i, effect in ipairs(recall(run).effects) do keys[i] = effect.key end
          say(table.concat(keys, " "))
          for i, key in ipairs(order) do
            works[i] = work(run, "outcome", { key = key, state = "not_sent", attempt = 1 })
          end
          jobs:settle(works)
        end
        settle(run, "done")
      end]]
    post "e"
    assert(one:settle())
    assert.are.same({ "b a", "a b" }, one:lines())
  end)

  it("what a rule remembers of a thing, until it is forgotten or expires", function()
    start [[
      local hour = 3600000
      local function now() return math.floor(jobs:now() * 1000) end
      local function keep(run, thing, name, value, expires)
        return work(run, "remember", { thing = thing, name = name, value = value, expires = expires })
      end
      local plan = {
        function(run) settle(run, "done", {}, keep(run, "letter:1", "printed", "true"),
          keep(run, "letter:2", "x", "2", now() + hour),
          keep(run, "letter:1", "old", "1", now() - 1), keep(run, "letter:1", "new", "[1]", now() + hour)) end,
        function(run) settle(run, "retry", { due = 1 }, keep(run, "letter:1", "printed", '"twice"')) end,
        function(run) settle(run, "done", {}, keep(run, "letter:1", "new"), keep(run, "letter:1", "never"),
          keep(run, "letter:2", "x", "3"), keep({ sequence = run.sequence, rule = "other" }, "letter:2", "y", "4")) end,
        function(run) settle(run, "done") end,
      }
      local number = 0
      function on.run(run)
        number = number + 1
        local list = {}
        for name, value in pairs(recall(run, "letter:1").memory) do list[#list + 1] = name .. "=" .. value end
        table.sort(list)
        say(("%s %s %s"):format(run.rule, tostring(run.fresh), table.concat(list, " ")))
        plan[number](run)
      end]]
    for number = 1, 3 do
      post("e-" .. number)
      assert(one:settle())
    end
    assert.are.same({ "r true ", "r false new=[1] printed=true", "r false new=[1] printed=\"twice\"",
      'r false printed="twice"' }, one:lines())
    -- Expired memory is gone from the file with the next change; what another run is to remember waits for its verdict.
    assert.are.same({ { name = "printed", value = '"twice"', expires = 0 }, { name = "x", value = "3", expires = 0 } },
      one:query "SELECT name, value, expires FROM memory ORDER BY name")
  end)

  it("the memory of each rule for itself, over a restart", function()
    local code = [[
      function on.run(run)
        local found = run.fresh and {} or recall(run, "letter:1").memory
        say(("%s %s %s"):format(run.rule, tostring(run.fresh), tostring(found.of)))
        if run.rule == "forgets" then return settle(run, "done") end
        settle(run, "done", {},
          work(run, "remember", { thing = "letter:1", name = "of", value = tostring(run.sequence) }))
      end]]
    start(code, { "forgets", "keeps" })
    post "e-1"
    assert(one:settle())
    one:tell "stop"
    one.handle:stop()
    one:launch()
    post "e-2"
    assert(one:settle())
    local lines = {}
    for _, line in ipairs(one:lines()) do if line ~= "stop" then lines[#lines + 1] = line end end
    table.sort(lines)
    assert.are.same({ "forgets true nil", "forgets true nil", "keeps false 1", "keeps true nil" }, lines)
  end)

  it("nothing of a run that was taken back", function()
    start [[
      function on.run(run) mine = run say "began" end
      function on.cancel()
        local ack = ask { work(mine, "step", { name = "s", place = 1, result = "1" }),
          work(mine, "recall", { thing = "letter:1" }) }
        say(("%s %s %s"):format(tostring(ack.states[1]), tostring(ack.states[2]), tostring(ack.recalled[2])))
        settle(mine, "done", {}, work(mine, "remember", { thing = "letter:1", name = "n", value = "1" }))
        say "settled"
      end]]
    post "e"
    assert(one:said "began")
    assert.are.equal(1, (inbox.discard(one.inbox, 1)))
    assert(one:said "settled")
    assert.are.same({ "began", "over over nil", "settled" }, one:lines())
    assert(one:settle())
    one:tell "stop"
    one.handle:stop()
    assert.are.equal("discarded", one:query("SELECT state FROM run")[1].state)
    assert.are.same({}, one:query "SELECT name FROM step")
    assert.are.same({}, one:query "SELECT name FROM memory")
  end)

  it("nothing of a verdict that comes when the file has another one", function()
    start [[
      function on.run(run)
        say "began"
        repeat until told "go"
        settle(run, "done", {},
          work(run, "remember", { thing = "letter:1", name = "of " .. run.sequence, value = "1" }))
      end]]
    post "e"
    assert(one:said "began")
    one:execute("INSERT INTO run(sequence, rule, state, attempt, due, reason, changed)"
      .. " VALUES(1, 'r', 'discarded', 0, 0, '', 0)")
    one:tell "go"
    post "second"
    assert(process.wait(10, function() return one:query("SELECT 1 FROM run WHERE sequence = 2")[1] ~= nil or nil end))
    assert.are.equal("discarded", one:query("SELECT state FROM run WHERE sequence = 1")[1].state)
    assert.are.same({ { name = "of 2" } }, one:query "SELECT name FROM memory")
  end)

  it("how many runs are dead", function()
    start [[ function on.run(run) settle(run, run.body:find '"id":"dead' and "dead" or "done") end ]]
    for index, dead in ipairs { 0, 1, 1, 2 } do
      post((index % 2 == 0 and "dead-" or "fine-") .. index)
      assert(one:settle())
      assert(process.wait(10, function() return one:metric "dead" == dead or nil end), one:metric "dead")
    end
  end)

  it("that a run may have been begun before: then it is not fresh", function()
    start [[ function on.run(run) say("fresh " .. tostring(run.fresh)) if told "go" then settle(run, "done") end end ]]
    post "e"
    assert(one:said "fresh true")
    one.handle:stop()
    one:tell "go"
    one:launch()
    assert(one:said "fresh false")
    assert(one:settle())
  end)

  it("no work that lacks what it needs", function()
    start [[
      function on.run(run)
        for _, broken in ipairs { work(run, "remember", { thing = "letter:1" }), work(run, "remember", { name = "n" }),
          work(run, "step", { result = "1" }), { kind = "settle", rule = "r", state = "done" },
          { kind = "settle", sequence = 1, state = "done" }, work(run, "settle", { state = "what" }),
          work(run, "settle", { state = "done", version = "0123456789AB" }), { kind = "retry" } } do
          local ok, message = pcall(jobs.settle, jobs, { broken })
          say(tostring(ok) .. " " .. message)
        end
        settle(run, "done")
      end]]
    post "e"
    assert(one:settle())
    local lines = one:lines()
    assert.are.equal(8, #lines)
    for _, line in ipairs(lines) do assert.is_truthy(line:find "^false ") end
    assert.is_truthy(lines[1]:find("a work without 'name'", 1, true))
    assert.is_truthy(lines[7]:find("is no version: 12 hex digits", 1, true))
  end)

  it("versions of rules with their text, each once", function()
    start "on.run = nil"
    local first = { rule = "r", version = "00000000000a", file = "r.lua", text = '{"r.lua":"one"}' }
    local other = { rule = "s", version = "00000000000a", file = "s.lua", text = "{}" }
    assert.is_true(one.handle:keep_versions { first, other })
    assert.is_true(one.handle:keep_versions {})
    assert.is_true(one.handle:keep_versions { { rule = "r", version = "00000000000a", file = "x", text = "x" },
      { rule = "r", version = "ffffffffffff", file = "r.lua", text = '{"r.lua":"two"}' } })
    local rows = one:query "SELECT version, rule, file, text FROM version ORDER BY rule, version"
    assert.are.same({
      { version = 10, rule = "r", file = "r.lua", text = '{"r.lua":"one"}' },
      { version = 0xffffffffffff, rule = "r", file = "r.lua", text = '{"r.lua":"two"}' },
      { version = 10, rule = "s", file = "s.lua", text = "{}" },
    }, rows)
    for _, broken in ipairs { { rule = "r" }, { rule = "r", version = "xyz", file = "f", text = "" },
      { rule = "r", version = 0, file = "f", text = "" } } do
      assert.is_false((pcall(one.handle.keep_versions, one.handle, { broken })))
    end
    -- An inbox that cannot store says so.
    assert(os.rename(one.inbox, one.inbox .. ".away"))
    local ok, message, code = one.handle:keep_versions { first }
    assert(os.rename(one.inbox .. ".away", one.inbox))
    assert.is_nil(ok)
    assert.is_truthy(message:find("was removed or replaced", 1, true))
    assert.are.equal("storage", code)
  end)

  it("a key of pseudonyms, the same over restarts, that workers and the host see", function()
    start [[ function on.run(run) say(jobs:pseudonym_key()) settle(run, "done") end ]]
    local key = one.handle:pseudonym_key()
    assert.are.equal(64, #key)
    assert.are.equal(key:upper(), one:query("SELECT hex(value) AS h FROM secret WHERE name = 'pseudonym'")[1].h)
    post "e"
    assert(one:said(key))
    one.handle:stop()
    one:launch()
    assert.are.equal(key, one.handle:pseudonym_key())
    one.handle:stop()
    one:execute "DELETE FROM secret"
    local fine, message = pcall(one.launch, one)
    one.handle = nil
    assert.is_false(fine)
    assert.is_truthy(message:find("it is no inbox, or damaged", 1, true), message)
  end)
end)
