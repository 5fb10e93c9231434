-- What `why` says stands in the way of a run does stand there: in random states of a simulated host, the stated
-- blockers are taken away, and the run begins within a second. WHY=10000 sets the number of states, WHY_SEED the first
-- seed.
local config_module = require "altinn.events.host.config"
local hands = require "altinn.events.host.inbox_acts"
local inbox = require "altinn.events.host.inbox"
local prepare = require "altinn.events.host.prepare"
local generator = require "spec.support.generator"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local simulation = require "altinn.events.host.simulation"
local state = require "altinn.events.host.state"
local why = require "altinn.events.host.why"

local STATES = tonumber(os.getenv "WHY") or 200
local FIRST = tonumber(os.getenv "WHY_SEED") or 1
local PICKS = 4       -- runs that are looked at in one world
local NOW = 1766480400
local ROUNDS = 12

-- Digits of an event's id say what its bodies do: e-NUMBER-TIMES-SPAN.
local RULES = [[
local function numbers(event) return event.id:match "^e%-%d+%-(%d)%-(%d)$" end
rule { name = "ordered", on = "correspondencepublished", repeats = true,
  run = function(event) return send.http "one" { key = event.id } end }
rule { name = "limited", on = "correspondencepublished", repeats = true, order = false, limit = { at_once = 2 },
  run = function(event) return send.http "two" { key = event.id } end }
rule { name = "timer", on = "correspondencepublished", repeats = true,
  run = function(event)
    local _, span = numbers(event)
    return later { at = span * 300 + 60, run = "due", key = event.id }
  end,
  due = function(event) return send.http "one" { key = event.id } end }
rule { name = "constant", on = "correspondencepublished", repeats = true, order = { constant = "x" },
  run = function(event, _, context)
    local times, span = numbers(event)
    if context.attempt <= tonumber(times) % 3 then return retry_after(span * 200 + 30, "not now") end
  end }
rule { name = "fails", on = "correspondencepublished", repeats = true, order = "subject", retry = { within = "3000d" },
  run = function(event, _, context)
    if context.attempt <= tonumber((numbers(event))) % 4 then error "down" end
  end }
rule { name = "trusting", on = "correspondencepublished", repeats = true, trust = "confirmed", may = {}, ENABLED
  retry = { within = "3000d" }, run = function() end }
]]

local OPEN = { waiting = true, retry = true, later = true, held = true, abandoned = true }

local folder, on, off

local function prepared(name, text)
  local file = ("%s/%s.lua"):format(folder, name)
  process.write(file, text)
  local config = assert(config_module.load { values = { rules = { file }, secret = ("s"):rep(20),
    base_url = "http://127.0.0.1:1", token = "x", targets = { one = { url = "http://one.test/" },
      two = { url = "http://two.test/", timeout = 3600 } } } })
  local set, findings = prepare.rules(config)
  return { config = config, set = set or error(findings[1].message) }
end

-- A world: the simulation, what stands outside of it, and what was logged.

local World = {}
World.__index = World

local function is_up(self, target) return self.targets[target] == "up" end

local function outside(self, request, reply)
  if request.target then
    if is_up(self, request.target) then return reply { status = 200 } end
    if self.targets[request.target] == "down" then return reply { status = 503 } end
    local pending = self.pending[request.target]
    pending[#pending + 1] = reply
    return nil
  end
  local list = {}  -- the events API
  for number, body in ipairs(self.bodies) do
    if self.vouched[number] then list[#list + 1] = body end
  end
  reply { status = 200, body = "[" .. table.concat(list, ",") .. "]", headers = { ["Content-Type"] =
    "application/json" } }
end

local function new_world(seed)
  local self = setmetatable({ random = generator.random(seed), targets = { one = "up", two = "up" },
    pending = { one = {}, two = {} }, vouched = {}, bodies = {}, begun = {}, count = 0, now_in_force = on }, World)
  self.sim = simulation.new { config = on.config, set = on.set, now = NOW, seed = seed,
    log = function(_, what, fields)
      if what == "verdict" then
        self.begun[fields.rule .. "/" .. tostring(fields.event)] = fields.verdict
      end
    end,
    outside = function(request, reply)
      if request.rule and request.target then self.begun[request.rule .. "/" .. request.event] = "sent" end
      return outside(self, request, reply)
    end }
  return self
end

-- Answers what a target has not answered yet; `most`: so many of them.
local function answer_pending(self, target, most)
  local pending = self.pending[target]
  for _ = 1, math.min(most or #pending, #pending) do table.remove(pending, 1) { status = 200 } end
end

local function reload(self, which)
  self.now_in_force = which
  assert(self.sim:reload(which.config, which.set))
end

local function by_hand(self, hand, sequence, rule)
  local act <close> = assert(hands.begin(self.sim:path(), hand, { sequence = sequence, rule = rule }))
  assert(act:carry_out { reason = "at random" })
end

-- Random acts.

local acts = {}

function acts.push(self)
  self.count = self.count + 1
  local id = ("e-%d-%d-%d"):format(self.count, self.random(10) - 1, self.random(10) - 1)
  local body = sample.text { id = id, resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(self.random(2)),
    subject = "urn:altinn:organization:identifier-no:98765432" .. self.random(2) }
  self.bodies[self.count] = body
  assert(self.sim:push(body).status == 200)
end

function acts.time(self) self.sim:advance(self.sim:now() + self.random(4) ^ 5 * self.random(9) / 3) end

function acts.settle(self) self.sim:settle() end

function acts.target(self)
  local target = self.random(2) == 1 and "one" or "two"
  self.targets[target] = ({ "up", "down", "hangs" })[self.random(3)]
end

function acts.answer(self) answer_pending(self, self.random(2) == 1 and "one" or "two", self.random(3)) end

function acts.restart(self)
  self.pending = { one = {}, two = {} }
  self.sim:kill()
end

function acts.hand(self)
  if self.count == 0 then return end
  by_hand(self, self.random(4) == 1 and "discard" or "retry", self.random(self.count))
end

function acts.off(self) reload(self, self.random(2) == 1 and off or on) end

local WEIGHTED = { "push", "push", "push", "push", "time", "time", "settle", "settle", "target", "target", "answer",
  "restart", "hand", "off" }

local function disturb(self)
  for _ = 1, 4 + self.random(8) do acts[WEIGHTED[self.random(#WEIGHTED)]](self) end
  self.sim:settle()
end

-- The question.

local function ask(self, sequence, rule)
  local answer = assert(why.of { inbox = self.sim:path(), sequence = sequence, set = self.now_in_force.set,
    config = self.now_in_force.config, now = self.sim:now(), host = self.sim:state(sequence), rule = rule })
  for _, entry in ipairs(answer.rules) do
    if entry.rule == rule then return entry end
  end
end

local function pick_open(self)
  local list = {}
  for _, event in ipairs(assert(inbox.list(self.sim:path(), { limit = 1000 })).events) do
    for _, run in ipairs(event.runs) do
      if OPEN[run.verdict] then list[#list + 1] = { sequence = event.sequence, rule = run.rule } end
    end
  end
  table.sort(list, function(a, b)
    if a.sequence ~= b.sequence then return a.sequence < b.sequence end
    return a.rule < b.rule
  end)
  return #list > 0 and list[self.random(#list)] or nil
end

-- Taking blockers away.

local function until_of(blocker)
  local at = 0
  for _, name in ipairs { "until", "next" } do
    if blocker[name] then at = math.max(at, assert(state.milliseconds(blocker[name])) / 1000) end
  end
  return at
end

local remove = {}

function remove.time() end

function remove.breaker(self, blocker) self.targets[blocker.target] = "up" end

function remove.trust(self, _, run) self.vouched[run.sequence] = true end

function remove.behind(self, blocker)
  for _, sequence in ipairs(blocker.events) do by_hand(self, "discard", sequence, blocker.rule) end
end

-- The runs of a rule that are in flight, as a text.
local function in_flight(self, name)
  for _, rule in ipairs(self.sim:state().rules) do
    local events = {}
    for index, run in ipairs(rule.oldest) do events[index] = run.event end
    if rule.rule == name then return table.concat(events, " ") end
  end
end

-- One run after the other ends. (Some requests have no run any more that waits for the answer.)
function remove.limit(self, blocker)
  for _ = 0, blocker.before do
    local before = in_flight(self, blocker.rule)
    while #self.pending.two > 0 and in_flight(self, blocker.rule) == before do
      answer_pending(self, "two", 1)
      self.sim:settle()
    end
  end
end

function remove.abandoned(self, _, run) by_hand(self, "retry", run.sequence, run.rule) end

remove["rule off"] = function(self, _, run)
  reload(self, on)
  self.sim:settle()
  by_hand(self, "retry", run.sequence, run.rule)
end

local function take_away(self, entry, run)
  local at = self.sim:now()
  for _, blocker in ipairs(entry.not_yet) do
    assert(remove[blocker.kind], "a blocker of an unknown kind: " .. blocker.kind)(self, blocker, run)
    at = math.max(at, until_of(blocker))
  end
  self.sim:settle()
  self.sim:advance(math.max(at, self.sim:now()) + 1)
end

-- Whether a blocker came up after the statement before: of a run that has ended an attempt since, or begun.
local function is_new(blocker, entry, asked, before)
  if blocker.kind == "limit" then return not before.limit end
  local changed = blocker.head and blocker.head.since or blocker["until"] and entry.run.changed
  if not changed then return false end
  return state.milliseconds(changed) >= (changed:find(".", 1, true) and math.floor(asked * 1000)
    or math.floor(asked) * 1000)
end

local function kinds_of(entry)
  local set = {}
  for _, blocker in ipairs(entry.not_yet) do set[blocker.kind] = true end
  return set
end

local function tell(entry)
  local parts = {}
  for index, blocker in ipairs(entry.not_yet) do parts[index] = blocker.kind .. ": " .. blocker.text end
  return #parts > 0 and table.concat(parts, "\n    ") or "no blocker: " .. entry.answer
end

-- Whether a run was held: that it is held again for the same cause is no beginning.
local function waited_held(entry)
  for _, blocker in ipairs(entry.not_yet) do
    if blocker.kind == "breaker" or blocker.kind == "trust" then return true end
  end
  return false
end

local tally = { states = 0, later = 0 }

local function check(self, run, at)
  local key, said = run.rule .. "/" .. run.sequence, {}
  for round = 1, ROUNDS do
    local entry = ask(self, run.sequence, run.rule)
    if entry.in_flight then return "in flight" end
    self.begun[key] = nil
    said[round] = ("%s in %s since %s:\n    %s"):format(entry.run.verdict, os.date("!%d %T", self.sim:now() // 1),
      entry.run.changed, tell(entry))
    local asked = self.sim:now()
    assert(#entry.not_yet > 0, at .. ": nothing is said to be in the way\n" .. table.concat(said, "\n"))
    for _, blocker in ipairs(round > 1 and entry.not_yet or {}) do
      assert(is_new(blocker, entry, run.asked, run.kinds), ("%s: blocked by what was there before, and not said\n%s")
        :format(at, table.concat(said, "\n")))
    end
    run.asked, run.kinds = asked, kinds_of(entry)
    for _, blocker in ipairs(entry.not_yet) do tally[blocker.kind] = (tally[blocker.kind] or 0) + 1 end
    take_away(self, entry, run)
    local begun = self.begun[key]
    if begun and not (begun == "held" and waited_held(entry)) then return round end
    tally.later = tally.later + 1
  end
  error(("%s: it does not begin\n%s"):format(at, table.concat(said, "\n")))
end

local TWO = [[
rule { name = "both", on = "correspondencepublished", repeats = true,
  run = function(event)
    if event.id:find "hangs" then return send.http "two" { key = event.id } end
    local span = event.id:match "timer%-(%w+)"
    if span then return later { at = span, run = "due" } end
    return retry_after("1h", "not now")
  end,
  due = function(event)
    if event.id:find "again" then return retry_after("30m", "not now") end
    if event.id:find "sends" then return send.http "two" { key = event.id } end
    return done()
  end }
rule { name = "limited", on = "correspondencepublished", repeats = true, order = false, limit = { at_once = 1 },
  run = function(event) return send.http "one" { key = event.id } end }
]]

describe("why, of a simulated host", function()
  local sim, ended, answer_two, is_down

  setup(function()
    folder = process.folder()
    on = prepared("two", TWO)
  end)
  teardown(function() process.remove(folder) end)

  before_each(function()
    ended, is_down = {}, false
    sim = simulation.new { config = on.config, set = on.set, now = NOW,
      log = function(_, what, fields)
        if what == "verdict" and fields.rule == "both" then ended[#ended + 1] = fields.event end
      end,
      outside = function(request, reply)
        if request.target == "two" then answer_two = reply elseif is_down then reply { status = 503 } end
      end }
  end)
  after_each(function() sim:close() end)

  local function push(...)
    for _, id in ipairs { ... } do assert(sim:push(sample.text { id = id }).status == 200) end
  end

  local function of(sequence, rule)
    local answer = assert(why.of { inbox = sim:path(), sequence = sequence, set = on.set, config = on.config,
      now = sim:now(), host = sim:state(sequence), rule = rule })
    local kinds = {}
    for index, blocker in ipairs(answer.rules[1].not_yet) do kinds[index] = blocker.kind end
    return kinds, answer.rules[1]
  end

  it("tells of a timer also that it will stand behind a run that waits longer", function()
    push("timer-60s", "b", "c")
    sim:settle()
    local kinds, entry = of(1, "both")
    assert.are.same({ "time", "behind" }, kinds)
    assert.are.same({ 2, "later" }, { entry.not_yet[2].head.event, entry.not_yet[2].head.state })
    assert.are.same({ 2, 3 }, entry.not_yet[2].events)
    assert.are.same({ "time" }, (of(2, "both")))
    assert.are.same({ "behind" }, (of(3, "both")))
  end)

  it("tells of a timer also that it will stand behind a run that is in flight", function()
    push("timer-60s", "hangs")
    sim:settle()
    local kinds, entry = of(1, "both")
    assert.are.same({ "time", "behind" }, kinds)
    assert.are.equal("unless that ends before, it stands behind event 2 of the same line, which is running since " ..
      "2025-12-23T09:00:00Z", entry.not_yet[2].text)
    assert.are.equal("2025-12-23T09:01:00Z", entry.not_yet[2].from)
    assert.are.equal("altinn-events inbox retry 1 --rule both puts it in its line now", entry.not_yet[1].remedy)
  end)

  it("tells of a timer its time alone if the run before it waits less long", function()
    push("timer-2h", "b")
    sim:settle()
    local kinds, entry = of(1, "both")
    assert.are.same({ "time" }, kinds)
    assert.are.equal("altinn-events inbox retry 1 --rule both begins it now", entry.not_yet[1].remedy)
  end)

  it("does not take the time of an act by hand for that of the attempt before it", function()
    push "timer-60s"
    sim:advance(NOW + 10)
    by_hand({ sim = sim }, "retry", 1, "both")
    local _, entry = of(1, "both")
    assert.are.same({ "attempt", true }, { entry.again[1].what, entry.again[1].earlier })
    assert.are.same({ "act", "2025-12-23T09:00:10Z" }, { entry.again[2].what, entry.again[2].time })
  end)

  for _, does in ipairs { "again", "sends" } do
    it("knows the head of a line from a run that was it before the host's start: " .. does, function()
      push("timer-60s-" .. does, "b")
      sim:advance(NOW + 60)
      sim:kill()
      push "c"
      sim:settle()
      local blocker = select(2, of(3, "both")).not_yet[1]
      assert.are.same({ { 1, 2 }, 1 }, { blocker.events, blocker.head.event })
      assert.are.equal(does == "sends" and "running" or "later", blocker.head.state)
    end)
  end

  it("names a run that was hurried by hand where it stood before", function()
    push "timer-60s"
    sim:settle()
    push "hangs"
    sim:advance(NOW + 61)
    push "c"
    sim:advance(NOW + 62)
    by_hand({ sim = sim }, "retry", 1, "both")
    sim:settle()
    assert.are.same({ 2, 1 }, select(2, of(3, "both")).not_yet[1].events)
    ended = {}
    answer_two { status = 200 }
    sim:settle()
    assert.are.same({ 2, 1, 3 }, ended)
  end)

  it("does not name a dead letter that was put back behind", function()
    push "hangs"
    sim:settle()
    answer_two { status = 400 }
    push("hangs-2", "c")
    sim:advance(NOW + 1)
    by_hand({ sim = sim }, "retry", 1, "both")
    sim:settle()
    assert.are.same({ 2 }, select(2, of(3, "both")).not_yet[1].events)
    ended = {}
    answer_two { status = 200 }
    sim:settle()
    assert.are.same({ 2, 3 }, ended)
  end)

  it("names of a run that was hurried by hand all that came before the host saw the act", function()
    push "timer-60s"
    sim:settle()
    push "hangs"
    sim:settle()
    by_hand({ sim = sim }, "retry", 1, "both")
    push "c"
    assert.are.same({ 2, 3 }, select(2, of(1, "both")).not_yet[1].events)
    ended = {}
    answer_two { status = 200 }
    sim:settle()
    assert.are.same({ 2, 3 }, ended)
  end)

  it("does not tell a time at which the target will not have been tried yet", function()
    is_down = true
    for number = 1, 8 do push("e-" .. number) end
    local run
    for _ = 1, 100 do
      sim:advance(sim:now() + 1)
      for number = 1, 8 do
        local blocker = select(2, of(number, "limited")).not_yet[1]
        if blocker.kind == "breaker" and blocker["until"] < blocker.next then run = run or { number, blocker } end
      end
      if run then break end
    end
    local number, blocker = table.unpack(run)
    local since, next_try = blocker.since:gsub("%.%d+", ""), blocker.next:gsub("%.%d+", "")
    assert.are.equal(("target 'one' is left alone since %s, and tried next at %s; this run goes on by itself soon " ..
      "after"):format(since, next_try), blocker.text)
    sim:advance(state.milliseconds(blocker["until"]) / 1000 + 1)
    local later = select(2, of(number, "limited")).not_yet[1]
    assert.are.equal("breaker", later.kind)
    assert.is_true(later["until"] >= next_try)
  end)

  it("tells how many runs have their turn before, at the limit of a rule", function()
    push("a", "b", "c")
    sim:settle()
    local _, entry = of(3, "limited")
    assert.are.equal("not yet: rule 'limited' is at its limit of 1 at once: event 1 holds it; at most 1 before it",
      entry.answer)
    assert.are.equal(0, select(2, of(2, "limited")).not_yet[1].before)
  end)
end)

describe("stated blockers of 'not yet'", function()
  setup(function()
    folder = process.folder()
    on, off = prepared("on", (RULES:gsub("ENABLED", ""))), prepared("off", (RULES:gsub("ENABLED", "enabled = false,")))
  end)
  teardown(function() process.remove(folder) end)

  it("taken away, let the run begin within a second: " .. STATES .. " random states", function()
    local seed = FIRST - 1
    while tally.states < STATES do
      seed = seed + 1
      local world = new_world(seed)
      for pick = 1, PICKS do
        disturb(world)
        local run = pick_open(world)
        local result = run and check(world, run, ("seed %d, pick %d, %s of event %d"):format(seed, pick, run.rule,
          run.sequence))
        if result and result ~= "in flight" then tally.states = tally.states + 1 end
      end
      world.sim:close()
    end
    for _, kind in ipairs { "time", "behind", "limit", "breaker", "trust", "rule off" } do
      assert((tally[kind] or 0) > STATES / 200, "hardly any state with the blocker " .. kind)
    end
    assert(tally.later < tally.states / 6, ("%d of %d runs were blocked by something new"):format(tally.later,
      tally.states))
  end)
end)
