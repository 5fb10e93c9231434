-- Why not yet: each kind of blocker of a real host, from the socket to the answer of the command, which asks the inbox
-- file and the host's admin port.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local PURGED = "no.altinn.correspondence.correspondencepurged"

local function letter(number) return ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(number) end

local function rules(extra)
  return [[
  rule { name = "to-dead", on = "correspondencepublished", order = false,
    run = function(event) return send.http "dead" { key = event.id } end }
  rule { name = "limited", on = "correspondencepurged", order = false, repeats = true, limit = { at_once = 1 },
    run = function(event) return send.http "slow" { key = event.id } end }
  rule { name = "ordered", on = "correspondencereceiverread", repeats = true, ]] .. (extra or "") .. [[
    run = function() return retry_after("1h", "the register is closed") end }
]]
end

local one, dead, slow

local function start(answers)
  dead, slow = target.start { "503" }, target.start(answers or { "200 8" })
  local targets = ([[targets = { dead = { url = "%s" }, slow = { url = "%s", timeout = 50 } }]]):format(dead.url,
    slow.url)
  one = host.start { rules = { rules = rules() }, config = "return { " .. targets .. " }", arguments = { "--workers",
    "1" } }
  process.write(one.folder .. "/why.lua", ([[return { rules = { "%s/rules" }, inbox = "%s", admin = "127.0.0.1:%d",
    %s }]]):format(one.folder, one.inbox, one.admin_port, targets))
end

local function stop()
  one:close()
  dead:close()
  slow:close()
end

local function post(id, type, instance)
  assert.are.equal(200, (one:post(sample.text { id = id, type = type, resourceinstance = instance })))
end

local function why(...)
  local status, out, err = one:run("why", "--config", one.folder .. "/why.lua", ...)
  assert.are.equal(0, status, err)
  return out
end

-- The rule's part of the answer.
local function of(word, rule)
  local answer = cjson.decode(why("--json", "--rule", rule, word))
  return answer.rules[1], answer
end

local function kinds(entry)
  local list = {}
  for index, blocker in ipairs(entry.not_yet) do list[index] = blocker.kind end
  return list
end

local function says(text, ...)
  for _, wanted in ipairs { ... } do
    assert(text:find(wanted, 1, true), ("%q does not say %q"):format(text, wanted))
  end
end

local READ = "no.altinn.correspondence.correspondencereceiverread"

describe("why not yet", function()
  describe("of a host that runs", function()
    setup(function() start() end)
    teardown(stop)

    it("names the breaker of a target: open since, next try", function()
      for number = 1, 12 do post("d" .. number, nil, letter(number)) end
      local held = process.wait(40, function()
        for id, run in pairs(one:verdicts()) do
          if run.verdict == "held" and run.cause == "breaker:dead" then return id:match "^(.-)/" end
        end
      end)
      local entry, answer = of(held, "to-dead")
      assert.are.same({ "breaker" }, kinds(entry))
      local blocker = entry.not_yet[1]
      assert.are.same({ "dead", true, "file and host" }, { blocker.target, blocker.open, answer.judged })
      assert.is_true(blocker.since < blocker.next)
      says(why("--rule", "to-dead", held), "to-dead: not yet: target 'dead' is left alone since 20",
        "and tried next at 20", "-> mend the target 'dead'")
    end)

    it("names the limit of a rule, and which runs hold it; a run in flight is running", function()
      post("s1", PURGED, letter(101))
      post("s2", PURGED, letter(102))
      assert(slow:wait(1))
      local first, second = of("s1", "limited"), of("s2", "limited")
      assert.is_truthy(first.in_flight)
      says(first.answer, "it is running since 20")
      assert.are.same({ "limit" }, kinds(second))
      assert.are.same({ 1, 1 }, { second.not_yet[1].at_once, second.not_yet[1].in_flight })
      assert.are.equal(first.run.event, second.not_yet[1].runs[1].event)
      says(second.answer, ("not yet: rule 'limited' is at its limit of 1 at once: event %d"):format(first.run.event))
    end)

    it("names the whole line down to its head, and what the head waits for", function()
      for number = 1, 4 do post("o" .. number, READ, letter(200)) end
      assert(process.wait(30, function()
        local run = one:verdicts()["o1/ordered"]
        return run and run.verdict == "later" or nil
      end))
      local head, entry = of("o1", "ordered"), of("o4", "ordered")
      assert.are.same({ "time" }, kinds(head))
      assert.are.same({ "behind" }, kinds(entry))
      local blocker = entry.not_yet[1]
      assert.are.equal(3, blocker.before)
      assert.are.same({ head.run.event, head.run.event + 1, head.run.event + 2 }, blocker.events)
      assert.are.same({ head.run.event + 2, "waiting" }, { blocker.event, blocker.state })
      assert.are.same({ head.run.event, "later", "time" }, { blocker.head.event, blocker.head.state,
        blocker.head.not_yet[1].kind })
      says(why("--rule", "ordered", "o4"), "and 3 stand before it; at the head, event", "is in later until 20",
        "the register is closed", "before it, in order: ",
        ("-> altinn-events why %d --rule ordered"):format(head.run.event))
    end)

    it("names a rule that is switched off today, or gone", function()
      local path = one.folder .. "/rules/rules.lua"
      local before = process.read(path)
      process.write(path, rules "enabled = false,")
      local entry = of("o4", "ordered")
      assert.are.same({ "rule off" }, kinds(entry))
      says(entry.answer, "not yet: the rule is switched off (enabled = false, ", "rules.lua:5)")
      process.write(path, (before:gsub('name = "ordered"', 'name = "renamed"')))
      local answer = cjson.decode(why("--json", "o4"))
      local gone = answer.rules[#answer.rules]
      assert.are.same({ "ordered", true, "rule gone" }, { gone.rule, gone.gone, gone.not_yet[1].kind })
      process.write(path, before)
    end)

    it("says when it was not asked: another host's inbox, or no answer", function()
      local other = host.start {}
      finally(function() other:close() end)
      process.write(one.folder .. "/other.lua", (process.read(one.folder .. "/why.lua"):gsub("127.0.0.1:%d+\"",
        "127.0.0.1:" .. other.admin_port .. '"')))
      local status, out = one:run("why", "o1", "--config", one.folder .. "/other.lua")
      assert.are.equal(0, status)
      says(out, "(judged by the inbox file alone: the host at the admin port 127.0.0.1:", "has another inbox)")
    end)
  end)

  describe("of a host that is about to end, or is gone", function()
    setup(function() start() end)
    teardown(stop)

    it("says that it is draining, then that none is running; an event that cannot be read; a rule gone", function()
      post("s1", PURGED, letter(101))
      post("s2", PURGED, letter(102))
      assert(slow:wait(1))
      one:signal "TERM"
      local draining = process.wait(20, function()
        local entry = of("s2", "limited")
        return kinds(entry)[1] == "draining" and entry or nil
      end)
      assert.are.same({ "draining", "limit" }, kinds(draining))
      says(draining.answer, "not yet: the host is shutting down")
      assert(one.process:wait_exit(30))
      local entry = of("s2", "limited")
      assert.are.same({ "host" }, kinds(entry))
      says(why("--rule", "limited", "s2"), "limited: not yet: no host has this inbox: none is running",
        "-> start it: altinn-events run")
      sql.execute(one.inbox, "UPDATE event SET body = CAST('{' AS BLOB) WHERE sequence = 2")
      assert.are.same({ "host", "unreadable" }, kinds(cjson.decode(why("--json", "2")).rules[1]))
      sql.execute(one.inbox, "UPDATE event SET body = CAST(? AS BLOB) WHERE sequence = 2", sample.text { id = "s2",
        type = PURGED, resourceinstance = letter(102) })
      one:rewrite { rules = 'rule { name = "other", on = "*", run = function() end }' }
      assert(one:launch())
      assert(process.wait(30, function()
        local run = one:verdicts()["s2/limited"]
        return run and run.verdict == "abandoned" or nil
      end))
      process.write(one.folder .. "/why.lua", (process.read(one.folder .. "/why.lua"):gsub("127.0.0.1:%d+\"",
        "127.0.0.1:" .. one.admin_port .. '"')))
      local answer = cjson.decode(why("--json", "2"))
      local gone = answer.rules[#answer.rules]
      assert.are.same({ "limited", "abandoned", "rule gone" }, { gone.rule, gone.run.verdict, gone.not_yet[1].kind })
      says(gone.not_yet[1].remedy, "altinn-events inbox retry 2 --rule limited")
    end)
  end)

  it("says that the inbox does not store", function()
    start()
    finally(stop)
    post("o1", READ, letter(1))
    post("o2", READ, letter(1))
    assert(process.wait(30, function()
      local run = one:verdicts()["o1/ordered"]
      return run and run.verdict == "later" or nil
    end))
    assert(os.execute(("mv %s %s.away"):format(one.inbox, one.inbox)))
    assert(one:wait_log "level=error msg=inbox")
    assert(os.execute(("cp %s.away %s && cp %s-wal %s.wal"):format(one.inbox, one.inbox, one.inbox, one.inbox)))
    local entry = of("o2", "ordered")
    assert.are.same({ "inbox", "behind" }, kinds(entry))
    says(entry.answer, "not yet: the inbox does not store: ", "was removed or replaced")
  end)
end)

describe("why again", function()
  it("tells every attempt with its version and reason, acts by hand, and starts of the host", function()
    start()
    finally(stop)
    post("o1", READ, letter(1))
    local function attempts(count)
      return process.wait(30, function()
        local entry = of("o1", "ordered")
        return entry.run.attempt == count and entry or nil
      end)
    end
    assert(attempts(1))
    assert.are.equal(0, (one:run("inbox", "retry", "1", "--rule", "ordered", "--reason", "it is open", "--inbox",
      one.inbox)))
    assert(attempts(2))
    one:restart()
    process.write(one.folder .. "/why.lua", (process.read(one.folder .. "/why.lua"):gsub("127.0.0.1:%d+\"",
      "127.0.0.1:" .. one.admin_port .. '"')))
    post("o2", READ, letter(2))  -- a host that writes nothing leaves no trace of its start
    local entry, list = of("o1", "ordered"), {}
    for index, row in ipairs(entry.again) do
      list[index] = row.what
      assert.is_truthy(row.time:find "^20")
    end
    assert.are.same("attempt", list[1])
    table.sort(list)
    assert.are.same({ "act", "attempt", "attempt", "start" }, list)
    for _, row in ipairs(entry.again) do
      if row.what == "attempt" then assert.is_truthy(row.version:find "^%x+$") end
      if row.what == "act" then
        assert.are.same({ "retry", "it is open", "later" }, { row.act, row.reason, row.before })
      end
    end
    says(why("--rule", "ordered", "o1"), "attempt 1 was later: the register is closed (version ",
      "by hand: retry by ", "(it was later): it is open", "attempt 2 was later", "the host started")
  end)
end)
