-- A worker on a virtual clock: turns of the rules, connections, what is taken back, reloads, memory.
local cjson = require "cjson.safe"
local worlds = require "spec.support.worker_world"

local VICTIM = 'rule { name = "victim", on = "*", run = function() return skip("at once") end }'

local function told(world, text)
  for _, line in ipairs(world.lines) do
    if line:find(text, 1, true) then return line end
  end
end

local function targets(...)
  local all = {}
  for _, name in ipairs { ... } do all[name] = { url = "http://" .. name .. ".example.no", timeout = 30 } end
  return all
end

describe("a rule with a long backlog", function()
  local function beside(count, seconds, body)
    local world = worlds.new { rules = { ["v.lua"] = VICTIM, ["s.lua"] = ([[
      rule { name = "slow", on = "*", run = function(event, letter, context) %s return skip("done") end }]])
      :format(body or ('log("spend", %g)'):format(seconds)) }, answer = function() return 0.05 end }
    for number = 1, count do world:run_at(0, "slow", number) end
    world:run_at(0.01, "victim", 1)
    world:run_at(count * seconds / 2, "victim", 2)
    world:run()
    assert.is_truthy(world:verdict("slow", count))
    return world:verdict("victim", 1).at, world:verdict("victim", 2).at - count * seconds / 2
  end

  it("of slow runs leaves another rule's run its turn", function()
    local first, second = beside(100, 0.3)
    assert.is_true(first < 0.5, "it took " .. first)
    assert.is_true(second < 0.5, "it took " .. second)
  end)

  it("of many quick runs leaves another rule's run its turn", function()
    local first, second = beside(5000, 0.002)
    assert.is_true(first < 0.2, "it took " .. first)
    assert.is_true(second < 0.2, "it took " .. second)
  end)

  it("that computes after it has waited leaves another rule's run its turn", function()
    local world = worlds.new { rules = { ["v.lua"] = VICTIM, ["s.lua"] = [[
      rule { name = "slow", on = "*", run = function(event, letter)
        pcall(letter.details, letter)
        log("spend", 0.3)
        return skip("done")
      end }]] }, answer = function() return 0.05 end }
    local settings = cjson.decode(world.settings)
    settings.base_url, settings.token = "http://127.0.0.1:1", "a-token"
    world.settings = cjson.encode(settings)
    for number = 1, 100 do world:run_at(0, "slow", number) end
    for number = 1, 50 do world:run_at(0.1 + number / 2, "victim", number) end
    world:run()
    for number = 1, 50 do
      local took = world:verdict("victim", number).at - 0.1 - number / 2
      assert.is_true(took < 0.8, "it took " .. took)
    end
    assert.is_truthy(world:verdict("slow", 100))
  end)

  it("of slow runs holds an effect of another rule up for two of its runs at most", function()
    local world = worlds.new { targets = targets "t", answer = function() return 0.005 end, rules = { ["r.lua"] = [[
      rule { name = "slow", on = "*", order = false, run = function() log("spend", 0.3) end }
      rule { name = "sends", on = "*", order = false, run = function() return send.http("t") {} end }]] } }
    for number = 1, 100 do world:run_at(0, "slow", number) end
    for number = 1, 20 do world:run_at(number + 0.13 * number, "sends", number) end
    world:run()
    for number = 1, 20 do
      local took = world:verdict("sends", number).at - number * 1.13
      assert.is_true(took < 0.65, ("effect %d took %.2f s"):format(number, took))
    end
    local all = world:verdict("slow", 100).at
    assert.is_true(all < 30 * 1.06, "the slow rule lost time: " .. all)
  end)

  it("that was idle has saved no time up", function()
    local world = worlds.new { answer = function() return 0 end, rules = { ["r.lua"] = [[
      rule { name = "old", on = "*", order = false, run = function() log("spend", 0.1) end }
      rule { name = "new", on = "*", order = false, run = function() log("spend", 0.1) end }]] } }
    for number = 1, 600 do world:run_at(0, "old", number) end
    for number = 1, 600 do world:run_at(30, "new", number) end
    world:run()
    -- From 30 s on each gets half.
    local count = 0
    for number = 1, 600 do
      local at = world:verdict("old", number).at
      if at > 30 and at < 40 then count = count + 1 end
    end
    assert.is_true(count > 40 and count < 60, "the old rule had " .. count .. " runs of 100")
  end)

  it("shares the time evenly with others that have one", function()
    local rules = {}
    for _, name in ipairs { "a", "b", "c" } do
      rules[name .. ".lua"] = ('rule { name = "%s", on = "*", run = function() log("spend", %g) end }'):format(name,
        name == "a" and 0.3 or 0.01)
    end
    local world = worlds.new { rules = rules, answer = function() return 0 end }
    for number = 1, 300 do
      for _, name in ipairs { "a", "b", "c" } do world:run_at(0, name, number) end
    end
    world:run()
    -- b and c have 3 s of work each, a has 90: each gets about a third until they are done.
    assert.is_true(world:verdict("b", 300).at < 12, "b took " .. world:verdict("b", 300).at)
    assert.is_true(world:verdict("c", 300).at < 12, "c took " .. world:verdict("c", 300).at)
  end)
end)

describe("effects", function()
  local function senders(count, target)
    local list = {}
    for number = 1, count do
      list[number] = ('rule { name = "s%d", on = "*", run = function() return send.http("%s") {} end }'):format(number,
        target or "dead")
    end
    return table.concat(list, "\n")
  end

  it("of one rule go out 16 at a time", function()
    local world = worlds.new { rules = { ["s.lua"] = senders(1, "t") }, targets = targets "t",
      answer = function() return 1 end }
    for number = 1, 100 do world:run_at(0, "s1", number) end
    world:run()
    assert.are.equal(16, world.most)
    assert.are.equal(100, #world.requests)
    for number = 1, 100 do assert.are.equal("done", world:verdict("s1", number).state) end
  end)

  it("to targets that never answer leave connections for the others, however many rules have them", function()
    local rules = senders(60) .. [[
      rule { name = "well", on = "*", run = function() return send.http("well") {} end }]]
    local world = worlds.new { rules = { ["s.lua"] = rules }, targets = targets("dead", "well"),
      answer = function(request) return request.url:find("well", 1, true) and 0.1 or 1000 end }
    for number = 1, 60 * 30 do world:run_at(0, "s" .. (number - 1) % 60 + 1, number) end
    world:run_at(5, "well", 5000)
    world:run()
    assert.are.equal("done", world:verdict("well", 5000).state)
    assert.is_true(world:verdict("well", 5000).at < 5.5, "it took until " .. world:verdict("well", 5000).at)
  end)

  it("have their outcome told before the next one of the run goes out", function()
    local told_before = {}
    local world
    world = worlds.new { rules = { ["s.lua"] = [[
      rule { name = "list", on = "*", run = function()
        return { send.http("t") { path = "/a" }, send.http("t") { path = "/b" } }
      end }]] }, targets = targets "t", answer = function(_, number)
        told_before[number] = #world.effects
        return 1
      end }
    world:run_at(0, "list", 1)
    world:run()
    assert.are.same({ 0, 1 }, told_before)
    assert.are.same({ "sent", 1, 1 }, { world.effects[1].state, world.effects[1].sequence, world.effects[1].at })
    assert.are.equal("done", world:verdict("list", 1).state)
  end)

  it("of one run have the time of all their targets together", function()
    local world = worlds.new { rules = { ["s.lua"] = [[
      rule { name = "many", on = "*", run = function()
        local list = {}
        for number = 1, 10 do list[number] = send.http("t") { path = "/" .. number } end
        return list
      end }]] }, targets = targets "t", answer = function() return 25 end }
    world:run_at(0, "many", 1)
    world:run()
    assert.are.same({ "done", 250 }, { world:verdict("many", 1).state, world:verdict("many", 1).at })
    assert.are.equal(10, #world.requests)
  end)

  it("have the time of their target, however long", function()
    local world = worlds.new { rules = { ["s.lua"] = senders(1, "t") }, answer = function() return 200 end,
      targets = { t = { url = "http://t.example.no", timeout = 300 } } }
    world:run_at(0, "s1", 1)
    world:run()
    assert.are.equal("done", world:verdict("s1", 1).state)
  end)
end)

describe("a run that waits for a connection", function()
  it("has its whole time once it has one", function()
    local world = worlds.new { answer = function() return 50, { status = 200, headers = {
      ["content-type"] = "application/octet-stream" } } end, rules = { ["r.lua"] = [[
      rule { name = "asks", on = "*", order = false, may = { "download" }, limit = { at_once = 1000 },
        run = function(event, letter)
          letter:download("0198c3a2-7b1d-7c55-8f0e-000000000001", function() end)
          return skip("asked")
        end }]] } }
    local settings = cjson.decode(world.settings)
    settings.base_url, settings.token = "http://127.0.0.1:1", "a-token"
    world.settings = cjson.encode(settings)
    for number = 1, 400 do world:run_at(0, "asks", number) end
    world:run()
    for number = 1, 400 do assert.are.equal("skipped", world:verdict("asks", number).state) end
    assert.is_true(world.most <= 256)
  end)
end)

describe("a call of a rule", function()
  -- A rule that calls Altinn, with a timeout of its own.
  local function asking(more, answer, timeout)
    local world = worlds.new { rules = { ["s.lua"] = ([[
      rule { name = "asks", on = "*", may = { "download" }, run = function(event, letter)
        letter:download("0198c3a2-7b1d-7c55-8f0e-000000000001", function() end, { timeout = %g })
        return skip("asked")
      end }
      %s]]):format(timeout or 30, more or "") }, answer = answer }
    local settings = cjson.decode(world.settings)
    settings.base_url, settings.token = "http://127.0.0.1:1", "a-token"
    world.settings = cjson.encode(settings)
    return world
  end

  it("that may take longer than a run may gives the run the time", function()
    local world = asking(nil, function() return 200, { status = 200, headers = {
      ["content-type"] = "application/octet-stream" } } end, 300)
    world:run_at(0, "asks", 1)
    world:run()
    assert.are.same({ "skipped", "asked" }, { world:verdict("asks", 1).state, world:verdict("asks", 1).reason })
  end)

  it("that takes too long ends the run", function()
    local world = asking(nil, function() end, 30)
    world:run_at(0, "asks", 1)
    world:run()
    assert.are.equal("retry", world:verdict("asks", 1).state)
    assert.is_truthy(world:verdict("asks", 1).reason:find("took longer than 60 s", 1, true))
  end)

  it("whose answer came in time counts, though another rule held the worker up", function()
    local world = asking('rule { name = "blocks", on = "*", run = function() log("spend", 10) end }', function()
      return 59, { status = 200, headers = { ["content-type"] = "application/octet-stream" } }
    end)
    world:run_at(0, "asks", 1)
    world:run_at(58, "blocks", 2)
    world:run()
    assert.are.same({ "skipped", "asked" }, { world:verdict("asks", 1).state, world:verdict("asks", 1).reason })
  end)
end)

describe("a run that is taken back", function()
  local RULES = [[
    rule { name = "computes", on = "*", order = false, limit = { at_once = 1 }, run = function()
      log("spend", 1) return skip("x") end }
    rule { name = "sends", on = "*", run = function() return send.http("t") {} end }]]

  local function taken(rule, sequence, time, runs)
    local world = worlds.new { rules = { ["r.lua"] = RULES }, targets = targets "t", answer = function() return 10 end }
    for number = 1, runs do world:run_at(0, rule, number) end
    world:at(time, function() world.taken_back[rule .. "/" .. sequence] = true end)
    world:at(time, { kind = "cancel", rule = rule, sequence = sequence })
    return world
  end

  local function is_silent(world, rule, sequence)
    assert.is_nil(world:verdict(rule, sequence))
    assert.is_nil(told(world, ("rule=%s event=%d "):format(rule, sequence)))
  end

  it("in line does not begin", function()
    local world = taken("computes", 5, 2.5, 6):run()
    is_silent(world, "computes", 5)
    assert.is_truthy(world:verdict("computes", 6))
  end)

  it("in flight ends at once, and its request with it", function()
    local world = taken("sends", 1, 5, 2)
    local open
    world:at(5.1, function() open = 0 for _ in pairs(world.transfers) do open = open + 1 end end)
    world:run()
    is_silent(world, "sends", 1)
    assert.are.equal(1, open)
    assert.are.equal("done", world:verdict("sends", 2).state)
  end)

  it("while it waits for its turn to send sends nothing", function()
    local world = taken("sends", 20, 5, 40):run()
    is_silent(world, "sends", 20)
    assert.are.equal(39, #world.requests)
    for number = 1, 40 do
      if number ~= 20 then assert.are.equal("done", world:verdict("sends", number).state) end
    end
  end)

  it("makes room for the next one", function()
    local world = worlds.new { rules = { ["r.lua"] = [[
      rule { name = "asks", on = "*", order = false, may = { "download" }, run = function(event, letter)
        letter:download("0198c3a2-7b1d-7c55-8f0e-000000000001", function() end)
        return skip("asked")
      end }]] }, answer = function() return 25, { status = 200, headers = {
        ["content-type"] = "application/octet-stream" } } end }
    local settings = cjson.decode(world.settings)
    settings.base_url, settings.token = "http://127.0.0.1:1", "a-token"
    world.settings = cjson.encode(settings)
    for number = 1, 129 do world:run_at(0, "asks", number) end  -- one more than a worker begins
    world:at(5, function() world.taken_back["asks/1"] = true end)
    world:at(5, { kind = "cancel", rule = "asks", sequence = 1 })
    world:run()
    assert.are.same({ 25, 30 }, { world:verdict("asks", 2).at, world:verdict("asks", 129).at })
  end)

  it("in line and handed out again runs once", function()
    local world = taken("computes", 5, 2.5, 6)
    world:at(2.6, function()
      world.taken_back = {}
      world:run_at(2.6, "computes", 5)
    end)
    world:run()
    assert.are.equal(6, world:verdict("computes", 5).at)  -- six runs of 1 s
  end)

  it("and handed out again is another run", function()
    local world = taken("sends", 1, 5, 1)
    world:at(6, function()
      world.taken_back = {}
      world:run_at(6, "sends", 1)
    end)
    world:run()
    assert.are.same({ "done", 16 }, { world:verdict("sends", 1).state, world:verdict("sends", 1).at })
  end)
end)

describe("a reload", function()
  local function text_of(rules) return cjson.encode(worlds.settings { rules = rules }) end

  local OLD = { ["r.lua"] = 'rule { name = "old", on = "*", run = function() return skip("old") end }' }

  it("that fails leaves the old rules; runs of the new ones wait for them", function()
    local world = worlds.new { rules = OLD }
    world:at(1, { kind = "reload", text = text_of { ["r.lua"] = "rule {" } })
    world:run_at(2, "old", 1)
    world:run_at(2, "new", 2)
    world:run()
    assert.are.equal("skipped", world:verdict("old", 1).state)
    local waits = world:verdict("new", 2)
    assert.are.same({ "retry", 0 }, { waits.state, waits.attempt })
    assert.are.equal(10, waits.due / 1000 - 1800000000 - 2)
    assert.is_truthy(told(world, "reload failed, the old rules stay"))
  end)

  it("that switches a rule off stops it", function()
    local world = worlds.new { rules = OLD }
    world:at(1, { kind = "reload", text = text_of {
      ["r.lua"] = 'rule { name = "old", on = "*", enabled = false, run = function() return skip("old") end }' } })
    world:run_at(2, "old", 1)
    world:run()
    assert.are.equal("retry", world:verdict("old", 1).state)
  end)

  it("at the start that fails does not end the worker", function()
    local world = worlds.new { rules = { ["r.lua"] = "rule {" } }
    world:run_at(1, "old", 1)
    world:at(2, { kind = "reload", text = text_of(OLD) })
    world:run_at(3, "old", 2)
    world:run()
    assert.are.equal("retry", world:verdict("old", 1).state)
    assert.are.equal("skipped", world:verdict("old", 2).state)
  end)

  it("comes by itself when the rules keep more than 512 MiB", function()
    local world = worlds.new { rules = { ["r.lua"] = [[
      local count = 0
      rule { name = "counts", on = "*", run = function()
        count = count + 1
        return skip("number " .. count)
      end }]] } }
    world:run_at(1, "counts", 1)
    world:run_at(2, "counts", 2)
    world:at(3, function() world.used = 513 << 20 end)
    world:run_at(5, "counts", 3)
    world:at(5.5, function() world.used = 0 end)
    world:run_at(7, "counts", 4)
    world:run()
    local found = {}
    for number = 1, 4 do found[number] = world:verdict("counts", number).reason end
    assert.are.same({ "number 1", "number 2" }, { found[1], found[2] })
    assert.are.same("number 1", found[4])
    assert.is_truthy(told(world, "the rules keep more than 512 MiB in variables: they are loaded anew"))
  end)
end)

describe("a run that failed before", function()
  it("keeps its attempts and its age over a restart", function()
    local world = worlds.new { rules = { ["r.lua"] = [[
      rule { name = "fails", on = "*", retry = { within = "1h" }, run = function(_, _, context)
        error("attempt " .. context.attempt) end }]] } }
    world:run_at(0, "fails", 1)
    world:run_at(0, "fails", 2)
    local young, old = world.queue[1], world.queue[2]
    young.attempt, young.since = 3, (1800000000 - 3500) * 1000
    old.attempt, old.since = 3, (1800000000 - 3601) * 1000
    world:run()
    local settled = world:verdict("fails", 1)
    assert.are.same({ "retry", 4, (1800000000 - 3500) * 1000 }, { settled.state, settled.attempt, settled.since })
    assert.is_truthy(settled.reason:find("attempt 4", 1, true), settled.reason)
    settled = world:verdict("fails", 2)
    assert.are.equal("dead", settled.state)
    assert.is_truthy(settled.reason:find("gave up after 1 h: ", 1, true))
  end)
end)

describe("what an earlier life of the host left unfinished", function()
  local RULE = [[
    rule { name = "r", on = "*", limit = { seconds = 1 }, run = function()
      log("the body runs")
      return skip("no more")
    end, is_there = function(_, _, context)
      log("the probe is asked about " .. context.effect.key)
      return context.effect.key == "print:known" and sent or not_sent
    end }]]

  local function left(...)
    local effects = {}
    for index, effect in ipairs { ... } do
      effects[index] = { key = effect[1], target = "print", state = "recorded", request = cjson.encode { kind = "http",
        method = "POST", path = effect[2], headers = {}, probe = effect[3] } }
    end
    return { steps = {}, memory = {}, effects = effects }
  end

  it("goes out before the body runs, by a task of its own; probes are asked first", function()
    local world = worlds.new { rules = { ["r.lua"] = RULE }, targets = targets("print"),
      answer = function() return 0.05 end,
      recalled = left({ "print:known", "/a", "is_there" }, { "print:b", "/b" }, { "print:c", "/c" }) }
    world:run_at(0, "r", 1)
    world.queue[1].fresh = false
    world:run()
    assert.are.equal("skipped", world:verdict("r", 1).state)
    local urls = {}
    for index, request in ipairs(world.requests) do urls[index] = request.url:match "/%a$" end
    assert.are.same({ "/b", "/c" }, urls)
    assert.is_truthy(told(world, "the probe is asked about print:known"))
    assert.is_truthy(told(world, "the body runs"))
    local states = {}
    for _, work in ipairs(world.effects) do
      if work.kind == "outcome" then states[work.key] = work.state end
    end
    assert.are.same({ ["print:known"] = "sent", ["print:b"] = "sent", ["print:c"] = "sent" }, states)
  end)

  it("is left alone when the run is taken back meanwhile", function()
    local world = worlds.new { rules = { ["r.lua"] = RULE }, targets = targets("print"),
      answer = function() return 5 end, recalled = left({ "print:b", "/b" }, { "print:c", "/c" }) }
    world:run_at(0, "r", 1)
    world.queue[1].fresh = false
    world:at(1, function(it) it.taken_back["r/1"] = true end)
    world:at(1, { kind = "cancel", rule = "r", sequence = 1 })
    world:run()
    assert.are.equal(1, #world.requests)
    assert.is_nil(world:verdict("r", 1))
    assert.is_nil(told(world, "the body runs"))
  end)
end)

describe("a run that was held because of a target", function()
  it("is held again without its body while the target is out of order", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", run = function()
      log("the body runs") end }]] }, targets = targets("print"), closed = { print = 4 } }
    world:run_at(0, "r", 1)
    world.queue[1].cause = "breaker:print"
    world:run()
    local settled = world:verdict("r", 1)
    assert.are.same({ "held", "breaker:print", 0 }, { settled.state, settled.cause, settled.attempt })
    assert.is_true(settled.due >= 1800000004000 and settled.due <= 1800000006000)
    assert.is_nil(told(world, "the body runs"))
  end)

  it("gives back what the target admitted when its body wants nothing of it any more", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", run = function() end }]] },
      targets = targets("print") }
    world:run_at(0, "r", 1)
    world.queue[1].cause = "breaker:print"
    world:run()
    assert.are.equal("done", world:verdict("r", 1).state)
    assert.are.same({ "release print" }, world.counted)
  end)
end)

describe("a run that waits for a time", function()
  it("is due at the millisecond, not before", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", run = function()
      return retry_after(90.0005)
    end }]] } }
    world:run_at(0, "r", 1)
    world:run()
    assert.are.equal(1800000090001, world:verdict("r", 1).due)
  end)
end)

describe("a step that the inbox does not store", function()
  it("ends the attempt, which counts as none", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", run = function()
      step("a", function() return 1 end)
      log("the body goes on")
    end }]] }, fails = true }
    world:run_at(0, "r", 1)
    world:run()
    local settled = world:verdict("r", 1)
    assert.are.same({ "retry", "the inbox does not store", 0 }, { settled.state, settled.reason, settled.attempt })
    assert.is_nil(told(world, "the body goes on"))
  end)
end)

describe("an effect that the host does not take in", function()
  it("is not sent, and its run is tried again: nobody's failure", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", run = function(event)
      return send.http("print") { key = event }
    end }]] }, targets = targets "print", refuses = true }
    world:run_at(0, "r", 1)
    world:run()
    local settled = world:verdict("r", 1)
    assert.are.same({ "retry", "the inbox does not store", 0 }, { settled.state, settled.reason, settled.attempt })
    assert.are.equal(0, #world.requests)
    assert.is_true(settled.at < 1, "it took " .. settled.at)
  end)
end)

describe("the outcome of an effect", function()
  it("goes to the inbox at once and with the verdict again: the inbox may have refused it before", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", run = function(event)
      return send.http("print") { key = event }
    end }]] }, targets = targets "print", answer = function() return 0.05, { status = 200 } end }
    world:run_at(0, "r", 1)
    world:run()
    local states = {}
    for _, work in ipairs(world.effects) do
      if work.kind == "outcome" then states[#states + 1] = work.state end
    end
    assert.are.same({ "sent", "sent" }, states)
  end)
end)

describe("effects that were not tried", function()
  it("are not counted as attempts at their target", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", retry = { attempts = 1 },
      run = function(event, letter)
        return { send.http("print") { key = { letter, 1 } }, send.http("print") { key = { letter, 2 } } }
      end }]] }, targets = targets "print", answer = function() return 0.05, { status = 503 } end }
    world:run_at(0, "r", 1)
    world:run()
    assert.are.same({ "print refused" }, world.counted)
  end)
end)

describe("the pseudonym of a person", function()
  local function pseudonym_by(key)
    local jobs = { pseudonym_key = function() return key end }
    return require("altinn.events.host.ports").new({ settings = {}, jobs = jobs }).pseudonym
  end

  it("is long, of letters alone, and the same with the same secret only", function()
    local secret = ("0a"):rep(31)
    local name = pseudonym_by(secret .. "0b")("31129956715")
    assert.is_truthy(name:find("^person%-%l+$"), name)
    assert.are.equal(#"person-" + 30, #name)
    assert.are.equal(name, pseudonym_by(secret .. "0b")("31129956715"))
    assert.are_not.equal(name, pseudonym_by(secret .. "0c")("31129956715"))
    assert.are_not.equal(name, pseudonym_by(secret .. "0b")("12057012345"))
  end)
end)

describe("a rule that overruns its time", function()
  it("rests ten times as long, and its failure is one of a limit", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", override = { limit = "never" },
      run = function() end }]], ["v.lua"] = VICTIM } }
    world:at(1, function(it) it.overrun = 0.5 end)
    world:run_at(1, "r", 1)
    world:at(1.2, function(it) it.overrun = nil end)
    world:run_at(1.2, "r", 2)
    world:run_at(1.2, "victim", 1)
    world:run()
    assert.are.equal("dead", world:verdict("r", 1).state)
    assert.are.equal("done", world:verdict("r", 2).state)
    local rested = world:verdict("r", 2).at - world:verdict("r", 1).at
    assert.is_true(rested >= 4.9 and rested < 6, "it rested " .. rested)
    assert.is_true(world:verdict("victim", 1).at < 2)
  end)
end)

describe("the configuration's own days", function()
  it("are no working days for the timers of a worker, from its next reload on", function()
    local world = worlds.new { rules = { ["r.lua"] = [[rule { name = "r", on = "*", run = function()
      return later { at = workdays(1, "09:00") }
    end }]] } }
    world:run_at(0, "r", 1)
    local settings = cjson.decode(world.settings)
    settings.holidays = { "2027-01-18" }
    world:at(1, { kind = "reload", text = cjson.encode(settings) })
    world:run_at(2, "r", 2)
    world:run()
    local monday = 1800259200  -- 2027-01-18T08:00:00Z; the clock of these specs begins on the Friday before
    assert.are.equal(monday * 1000, world:verdict("r", 1).due)
    assert.are.equal((monday + 86400) * 1000, world:verdict("r", 2).due)
  end)
end)
