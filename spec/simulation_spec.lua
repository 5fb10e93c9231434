-- The host as a simulation: real inbox, real worker, on a clock that stands until it is moved.
local config_module = require "altinn.events.host.config"
local inbox = require "altinn.events.host.inbox"
local prepare = require "altinn.events.host.prepare"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local simulation = require "altinn.events.host.simulation"

local NOW = 1766480400  -- 2025-12-23T09:00:00Z, a Tuesday
local DAY = 86400

local folder

local function prepared(text, values)
  local file = folder .. "/rules.lua"
  process.write(file, text)
  values = values or {}
  values.rules, values.secret = { file }, ("s"):rep(20)
  values.targets = values.targets or { print = { url = "http://print.test/jobs" } }
  local config = assert(config_module.load { values = values })
  local set, findings = prepare.rules(config)
  return config, set or error(findings[1].message)
end

-- A simulation with these rules; `outside` nil: everything is answered with 200. What leaves is in `sim.sent`, lines of
-- the log in `sim.lines`.
local function start(text, options)
  options = options or {}
  local sent, lines, sim = {}, {}, nil
  local config, set = prepared(text, options.values)
  sim = simulation.new {
    config = config, set = set, now = options.now or NOW, seed = options.seed or 1, coverage = options.coverage,
    log = function(level, what, fields)
      local parts = { level, what }
      local names = {}
      for name in pairs(fields) do names[#names + 1] = name end
      table.sort(names)
      for _, name in ipairs(names) do parts[#parts + 1] = name .. "=" .. tostring(fields[name]) end
      lines[#lines + 1] = table.concat(parts, " ")
    end,
    outside = function(request, reply)
      request.at = sim:now()
      sent[#sent + 1] = request
      if options.outside then return options.outside(request, reply, sim) end
      reply { status = 200 }
    end,
  }
  rawset(sim, "sent", sent)
  rawset(sim, "lines", lines)
  return sim
end

local function letter(number, changes)
  local fields = { id = "e-" .. number, resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(number) }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return sample.text(fields)
end

local function verdicts(sim)
  local list = {}
  for _, line in ipairs(sim.lines) do
    local verdict = line:match " verdict=(%S+)"
    if verdict then list[#list + 1] = verdict end
  end
  return list
end

local PAPER = [[
rule { name = "paper", on = "correspondencepublished",
  run = function() return later { at = workdays(2), run = "due" } end,
  due = function(event, letter) return send.http("print") { key = letter, json = { letter = letter.id } } end,
}]]

local SENDS = [[
rule { name = "sends", on = "correspondencepublished",
  run = function(event) return send.http("print") { key = event, json = { id = event.id } } end,
}]]

describe("a simulated host", function()
  setup(function() folder = process.folder() end)
  teardown(function() process.remove(folder) end)

  it("answers as the receiver does, and stores before it answers", function()
    local sim <close> = start(PAPER)
    local answer = sim:push(letter(1), "letters")
    assert.are.same({ status = 200, headers = {}, body = "" }, answer)
    assert.are.same({ status = 200, headers = {}, body = "" }, sim:push(letter(1)))
    answer = sim:push "{}"
    assert.are.equal(400, answer.status)
    assert.are.equal("application/problem+json", answer.headers["Content-Type"])
    assert.is_truthy(answer.body:find("specversion is required", 1, true))
    sim:kill()
    sim:settle()
    assert.are.same({ "later" }, verdicts(sim))
  end)

  it("lets a rule's timer pass without waiting, and hands over what the rule sends", function()
    local sim <close> = start(PAPER)
    sim:push(letter(1))
    sim:settle()
    assert.are.same({}, sim.sent)
    local due = 1766998800  -- Monday the 29th at ten: the Christmas days are no working days
    assert.are.equal(due, sim:next())
    sim:advance(due - 1)
    assert.are.same({}, sim.sent)
    sim:advance(due)
    local request = sim.sent[1]
    assert.are.equal(1, #sim.sent)
    assert.are.same({ "POST", "http://print.test/jobs", "http", "paper", 1, "print", due },
      { request.method, request.url, request.carrier, request.rule, request.event, request.target, request.at })
    assert.are.equal('{"letter":"0198c3a2-7b1d-7c55-8f0e-000000000001"}', request.body)
    assert.are.same({ "later", "done" }, verdicts(sim))
    assert.is_nil(sim:next())
    sim:advance(due + DAY)
    assert.are.equal(due + DAY, sim:now())
    assert.has_error(function() sim:advance(due) end)
  end)

  it("has an inbox that others read by its path", function()
    local sim <close> = start(PAPER)
    sim:push(letter(1))
    sim:advance(NOW + 10 * DAY)
    local listing = assert(inbox.list(sim:path(), {}))
    assert.are.equal("done", listing.events[1].runs[1].verdict)
    assert.are.equal("sent", inbox.show(sim:path(), 1).effects[1].state)
  end)

  it("sends once, wherever the power fails", function()
    local function told(at)
      local sim <close> = start(PAPER)
      sim:crash_at(at)
      sim:push(letter(1))
      sim:push(letter(2))
      sim:advance(NOW + 10 * DAY)
      local keys, last = {}, {}
      for _, request in ipairs(sim.sent) do
        local key = request.headers["Idempotency-Key"]
        assert.is_truthy(key)
        if not keys[key] then keys[#keys + 1] = key end
        assert(keys[key] == nil or keys[key] == request.body, "other bytes under the key")
        keys[key] = request.body
      end
      for _, verdict in ipairs(verdicts(sim)) do last[#last + 1] = verdict end
      assert.are.equal("done", last[#last])
      assert.are.equal(2, #keys, "boundary " .. at)
      return #sim:boundaries()
    end
    local count = told(0)
    assert.is_true(count >= 12, "only " .. count .. " boundaries")
    for at = 1, count do told(at) end
  end)

  it("stands beside another", function()
    local one <close> = start(PAPER)
    local other <close> = start(PAPER, { now = NOW + 7 * DAY })
    one:push(letter(1))
    one:settle()
    other:push(letter(2))
    other:settle()
    one:advance(NOW + 10 * DAY)
    other:advance(NOW + 20 * DAY)
    assert.are.equal(1, #one.sent)
    assert.are.equal(1, #other.sent)
    assert.is_truthy(other.sent[1].at > one.sent[1].at)
  end)

  it("tries again as the retry table says, with the jitter of the seed", function()
    local RETRY = [[rule { name = "fails", on = "correspondencepublished", run = function() error "no" end }]]
    local function moments(seed)
      local sim <close> = start(RETRY, { seed = seed })
      sim:push(letter(1))
      sim:settle()
      local list = {}
      for _ = 1, 6 do
        list[#list + 1] = sim:next() - NOW
        sim:advance(sim:next())
      end
      return list, table.concat(sim.lines, "\n")
    end
    local first, log = moments(1)
    assert.is_truthy(log:find("verdict=retry", 1, true))
    for index = 2, #first do assert.is_true(first[index] > first[index - 1]) end
    assert.are.same(first, (moments(1)))
    assert.are_not.same(first, (moments(2)))
  end)

  it("waits as long as Retry-After says, and shuts a target out that fails again and again", function()
    local down = true
    local sim <close> = start(SENDS, { outside = function(request, reply, sim)
      if request.at < NOW + 100 then return reply { status = 503, headers = { ["Retry-After"] = "100" } } end
      return reply(down and { error = "no connection", code = "network", not_sent = true } or { status = 200 }), sim
    end })
    sim:push(letter(1))
    sim:advance(NOW + 99)
    assert.are.equal(1, #sim.sent)
    sim:advance(NOW + 130)
    assert.is_true(#sim.sent >= 2)
    for number = 2, 20 do sim:push(letter(number)) end
    sim:advance(NOW + 140)
    assert.is_truthy(table.concat(sim.lines, "\n"):find "verdict=held")
    assert.is_true(#sim.sent < 15, #sim.sent .. " attempts")
    down = false
    sim:advance(NOW + 2 * DAY)
    local done = 0
    for _, verdict in ipairs(verdicts(sim)) do done = done + (verdict == "done" and 1 or 0) end
    assert.are.equal(20, done)
  end)

  it("keeps the order of a letter's runs, also when one waits", function()
    local sim <close> = start([[
      rule { name = "ordered", on = "*", order = "letter",
        run = function(event, letter) return send.http("print") { key = event, json = { id = event.id } } end }]], {
      outside = function(request, reply, sim)
        if request.at < NOW + 50 then return reply { error = "gone", code = "network", not_sent = true } end
        sim:after(2, function() reply { status = 200 } end)
      end })
    sim:push(letter(1))
    sim:push(letter(1, { id = "second", type = "no.altinn.correspondence.correspondencereceiverread" }))
    sim:advance(NOW + DAY)
    local order = {}
    for _, request in ipairs(sim.sent) do
      local id = request.body:match '"id":"([^"]+)"'
      if request.at >= NOW + 50 then order[#order + 1] = id end
    end
    assert.are.same({ "e-1", "second" }, order)
    assert.is_true(sim.sent[#sim.sent].at >= sim.sent[#sim.sent - 1].at + 2)
  end)

  it("times a request out that nobody answers", function()
    local sim <close> = start(SENDS, { outside = function() return nil end })
    sim:push(letter(1))
    sim:settle()
    assert.are.equal(NOW + 30, sim:next())
    sim:advance(NOW + 31)
    assert.is_truthy(table.concat(sim.lines, "\n"):find("no answer in 30 s", 1, true))
  end)

  it("keeps what steps gave and rules remember, over kills", function()
    local sim <close> = start([[
      rule { name = "steps", on = "correspondencepublished", repeats = true,
        run = function(event, letter, context)
          local drawn = step("draw", function() return math.random(1 << 40) end)
          local count = (context.memory.count or 0) + 1
          return {
            send.http("print") { key = event, json = { drawn = drawn, count = count } },
            remember { count = count },
          }
        end }]], { outside = function(request, reply)
      return reply(request.at == NOW and { error = "gone", code = "network" } or { status = 200 })
    end })
    sim:push(letter(1))
    sim:settle()
    sim:kill()
    sim:advance(NOW + 60)
    sim:push(letter(1, { id = "again" }))
    sim:advance(NOW + 120)
    local first, second, third = sim.sent[1].body, sim.sent[2].body, sim.sent[3].body
    assert.are.equal(first, second)
    assert.is_truthy(third:find('"count":2', 1, true))
  end)

  it("lets no more runs of a rule begin than it says", function()
    local sim <close> = start([[
      rule { name = "few", on = "correspondencepublished", limit = { at_once = 2 },
        run = function(event) return send.http("print") { key = event } end }]], {
      outside = function(_, reply, sim) sim:after(10, function() reply { status = 200 } end) end })
    for number = 1, 6 do sim:push(letter(number)) end
    sim:advance(NOW + 100)
    local at = {}
    for index, request in ipairs(sim.sent) do at[index] = request.at - NOW end
    assert.are.same({ 0, 0, 10, 10, 20, 20 }, at)
  end)

  it("stops a rule that loops, and time stands still meanwhile", function()
    local sim <close> = start([[
      rule { name = "loops", on = "correspondencepublished", limit = { seconds = 0.1 },
        run = function() while true do end end }]], { coverage = true })
    sim:push(letter(1))
    sim:settle()
    assert.is_truthy(table.concat(sim.lines, "\n"):find("time budget of 0.1", 1, true))
    assert.are.equal(NOW, sim:now())
    local lines = sim:coverage()[folder .. "/rules.lua"]
    assert.is_true(lines[2] > 1)
  end)

  it("counts the lines of rules that ran", function()
    local sim <close> = start('rule { name = "a", on = "*",\n run = function(event)\n  if event.id == "e-2" then\n'
      .. '   return skip "two"\n  end\n  return skip "other"\n end }', { coverage = true })
    local file = folder .. "/rules.lua"
    sim:push(letter(1))
    sim:settle()
    assert.are.same({ 1, nil, 1 }, { sim:coverage()[file][3], sim:coverage()[file][4], sim:coverage()[file][6] })
    sim:push(letter(2))
    sim:kill()
    sim:settle()
    assert.are.same({ 2, 1, 1 }, { sim:coverage()[file][3], sim:coverage()[file][4], sim:coverage()[file][6] })
  end)

  it("raises when something goes round without end, and says what", function()
    local sim <close> = start([[
      rule { name = "round", on = "correspondencepublished",
        run = function(_, letter) while true do pcall(letter.details, letter) end end }]], {
      values = { base_url = "https://altinn.test", token = "t" },
      outside = function(_, reply) reply { status = 404, body = "{}" } end })
    sim:push(letter(1))
    local fine, message = pcall(sim.settle, sim)
    assert.is_false(fine)
    assert.is_truthy(message:find("this never ends: GET https://altinn.test", 1, true))
  end)

  it("puts other rules in force, on the path of the host's reload", function()
    local sim <close> = start(PAPER)
    sim:push(letter(1))
    sim:settle()
    assert(sim:reload(prepared((PAPER:gsub('"paper"', '"paper-2"')))))
    sim:settle()
    assert.is_truthy(table.concat(sim.lines, "\n"):find("abandoned", 1, true))
    sim:push(letter(2))
    sim:advance(NOW + 10 * DAY)
    assert.are.same({ 1, 2 }, { sim.sent[1].event, sim.sent[2].event })  -- it took the first letter over
    for _, request in ipairs(sim.sent) do assert.are.equal("paper-2", request.rule) end
  end)

  it("logs also what its host finds at its start", function()
    local sim <close> = start(PAPER)
    sim:push(letter(1))
    sim:settle()
    assert(sim:reload(prepared((PAPER:gsub('"paper"', '"paper-2"'):gsub("published", "receiverread")))))
    sim:kill()
    assert.is_truthy(sim.lines[#sim.lines]:find("^warn abandoned reason=no rule of this name .* rule=paper runs=1$"))
  end)

  it("stops in order and starts again, and a run in flight ends before", function()
    local sim <close> = start(SENDS, { outside = function(_, reply, sim)
      sim:after(3, function() reply { status = 200 } end)
    end })
    sim:push(letter(1))
    sim:settle()
    sim:restart()
    assert.are.equal(NOW + 3, sim:now())
    assert.are.same({ "done" }, verdicts(sim))
    sim:push(letter(2))
    sim:advance(NOW + 10)
    assert.are.same({ "done", "done" }, verdicts(sim))
    assert.are.equal(2, #sim.sent)
  end)

  it("takes up acts by hand at the next settlement", function()
    local acts = require "altinn.events.host.inbox_acts"
    local sim <close> = start(SENDS, { outside = function(request, reply)
      return reply { status = request.at == NOW and 400 or 200 }
    end })
    sim:push(letter(1))
    sim:settle()
    assert.are.same({ "dead" }, verdicts(sim))
    sim:advance(NOW + 7 * DAY)
    do
      local act <close> = assert(acts.begin(sim:path(), "retry", { sequence = 1 }))
      assert.are.equal(1, act:carry_out { reason = "mended" })
    end
    sim:settle()
    assert.are.same({ "dead", "done" }, verdicts(sim))
    assert.are.equal("2025-12-30T09:00:00Z", inbox.show(sim:path(), 1).acts[1].time)
  end)

  it("lets the next run of the line begin as soon as the one in flight was discarded", function()
    local sim <close> = start(SENDS:gsub("run =", "repeats = true, run =", 1), { outside = function(request, reply)
      if request.event == 2 then reply { status = 200 } end
    end })
    sim:push(letter(1))
    sim:push(letter(1, { id = "second" }))
    sim:settle()
    assert.are.same({}, verdicts(sim))
    assert.are.equal(1, inbox.discard(sim:path(), 1, nil, "it hangs"))
    sim:settle()
    assert.are.same({ "done" }, verdicts(sim))
  end)

  it("makes the runs of a replay at its own time", function()
    local replay = require "altinn.events.host.replay"
    local status = 422
    local sim <close> = start(SENDS, { outside = function(_, reply) return reply { status = status } end })
    sim:push(letter(1))
    sim:settle()
    status = 200
    do
      local again <close> = assert(replay.begin(sim:path(), sim.set, { since = "2025-12-01", config = sim.config }))
      assert(again:carry_out "it is mended")
    end
    sim:settle()
    assert.are.same({ "dead", "done" }, verdicts(sim))
  end)

  it("follows a rule that is put in force by hand, over a restart", function()
    local force = require "altinn.events.host.force"
    local sim <close> = start((SENDS:gsub("name =", "shadow = true, name =")))
    sim:push(letter(1))
    sim:settle()
    assert.are.same({ "shadowed" }, verdicts(sim))
    do
      local act <close> = assert(force.begin(sim:path(), sim.set, "sends", true))
      assert(act:carry_out "it does what it shall")
    end
    assert.are.equal("2025-12-23T09:00:00Z", force.of(sim:path(), sim.set).sends.since)
    sim:settle()
    sim:push(letter(2))
    sim:settle()
    sim:kill()
    sim:push(letter(3))
    sim:settle()
    assert.are.same({ "shadowed", "done", "done" }, verdicts(sim))
  end)

  it("writes the same log for the same seed, byte by byte", function()
    local function log_of(seed)
      local sim <close> = start(SENDS, { seed = seed, outside = function(request, reply)
        return reply(request.at < NOW + 300 and { status = 500 } or { status = 200 })
      end })
      for number = 1, 20 do sim:push(letter(number)) end
      sim:advance(NOW + DAY)
      return table.concat(sim.lines, "\n")
    end
    local log = log_of(5)
    assert.are.equal(log, log_of(5))
    assert.are_not.equal(log, log_of(6))
  end)

  it("stores many events as one group", function()
    local sim <close> = start [[rule { name = "skips", on = "*", run = function() return skip "no" end }]]
    local list = {}
    for number = 1, 5000 do list[number] = { letter(number) } end
    for _, answer in ipairs(sim:push_all(list)) do assert.are.equal(200, answer.status) end
    sim:settle()
    assert.are.equal(5000, #verdicts(sim))
    assert.is_true(#sim:boundaries() < 40)
  end)

  it("leaves nothing behind: no descriptor, no global, no signal mask", function()
    local function descriptors()
      local least = math.huge
      for _ = 1, 5 do  -- the child may look while popen still has its end of the pipe
        local count, pipe = 0, assert(io.popen "ls /proc/$PPID/fd")
        for _ in pipe:lines() do count = count + 1 end
        pipe:close()
        least = math.min(least, count)
      end
      return least
    end
    local function masks()
      local file = assert(io.open "/proc/self/status")
      local text = file:read "a"
      file:close()
      return text:match "SigBlk:%s*%x+", text:match "Threads:%s*%d+"
    end
    start(PAPER):close()
    collectgarbage()
    local globals, open, blocked, threads = {}, descriptors(), masks()
    for name, value in pairs(_G) do globals[name] = value end
    for _ = 1, 10 do
      local sim <close> = start(PAPER)
      sim:push(letter(1))
      sim:advance(NOW + 10 * DAY)
      sim:kill()
    end
    assert.are.equal(open, descriptors())
    assert.are.same({ blocked, threads }, { masks() })
    for name, value in pairs(_G) do assert.are.equal(globals[name], value) end
  end)
end)
