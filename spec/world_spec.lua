-- The test world as specs use it: the real host in a simulation, Altinn in the emulator, targets that do as told.
local events = require "altinn.events"
local test = require "altinn.events.test"

local PAPER = "examples/rules/paper.lua"
local RULE = "paper-after-two-days"

-- A world of the paper rule, or of a text of rules.
local function paper(options)
  local all = { rules = { PAPER }, now = "2026-12-23T10:00:00+01:00", seed = 1 }
  for name, value in pairs(options or {}) do all[name] = value end
  return test.world(all)
end

local function rule_of(body, head)
  return ([[rule { name = "r", on = "correspondencepublished", %s run = function(event, letter, context) %s end }]])
    :format(head or "", body)
end

-- The message that a call raises; its place must be in this file.
local function mistake(call, ...)
  local fine, message = pcall(call, ...)
  assert.is_false(fine)
  assert.is_truthy(message:find("^spec/world_spec.lua:%d+: "), message)
  return (message:gsub("^spec/world_spec.lua:%d+: ", ""))
end

local function has(text, part) assert(text:find(part, 1, true), ("'%s' is not in: %s"):format(part, text)) end

describe("a world", function()
  it("prints what nobody opened", function()
    local world <close> = paper()
    local letter = world:letter { resource = "acme-letters", recipient = "987654321" }
    world:push("correspondencepublished", letter)
    world:advance(test.workdays(2))
    assert.same({ letter = letter.id, reference = letter.sendersReference,
      resource = "urn:altinn:resource:acme-letters" }, world:sent("print")[1].json)
    assert.equal("done", world:verdict(RULE, letter).state)
    assert.equal("2026-12-28T09:00:00Z", world:now())  -- Christmas lies between
  end)

  it("raises no event by itself, unless it is live", function()
    local world <close> = paper { rules = { "examples/rules/receipts.lua" } }
    local letter = world:letter()
    letter:read()
    world:advance("1d")
    assert.same({ receipts = {} }, world:verdicts())
    world:live()
    local other = world:letter()
    other:read():confirm()
    world:advance("1m")
    assert.same({ "done: sent to receipts", "done: sent to receipts", "done: sent to receipts" },
      world:verdicts "receipts")
    assert.is_nil(world:verdict("receipts", letter))
    has(world:sent("receipts")[3].line, "confirmed;" .. other.id)
  end)

  it("pushes again by Altinn's ladder, when it is live and the host is not there", function()
    local world <close> = paper { rules = { "examples/rules/receipts.lua" } }
    world:live()
    world:control("POST", "/faults", { kind = "fail", next = 4 })
    world:letter()
    world:advance("1h")
    assert.same({ "done: sent to receipts" }, world:verdicts "receipts")
    assert.equal(1, #world:sent "receipts")
  end)

  it("takes the same event again, an event with its id, and events out of order", function()
    local world <close> = paper { rules = {
      rule_of "return send.http('t') { key = event, json = { id = event.id } }" } }
    local letter = world:letter()
    local first = world:push("correspondencepublished", letter, { id = "first" })
    world:push(first)
    world:settle()
    assert.equal(1, #world:verdicts "r")
    world:push(first, { id = "second" })   -- the same meaning
    world:push("correspondencepublished", world:letter(), { time = "2020-01-01T00:00:00Z", id = "third" })
    world:settle()
    assert.same({ "first", "third" }, { world:sent("t")[1].json.id, world:sent("t")[2].json.id })
    assert.equal("skipped", world:verdict("r", letter).state)
    assert.equal("done", world:verdict("r", first).state)
  end)

  it("that is asked with values of other kinds says so, at the spec's line", function()
    local world <close> = paper()
    has(mistake(world.letter, world, 1), "letter: a table of its values is needed, not a number")
    has(mistake(world.push, world, true), "or an event, is needed, not a boolean")
    has(mistake(world.push, world, { id = "1" }, "x"), "attributes that differ is needed, not a string")
    has(mistake(world.control, world, "GET"), "control: a path below /emulator is needed, not a nil")
    has(mistake(world.advance, world, "9999-12-31T00:00:00Z"), "before 2255 is needed")
    has(mistake(paper, { now = -5 }), "now: a time after 1970")
  end)

  it("does not stop its host while a target answers", function()
    for _, name in ipairs { "restart", "kill", "settle", "close" } do
      local world <close> = paper { rules = { rule_of "return send.http('t') { key = letter, json = {} }" } }
      local message
      world:target("t", function() message = mistake(world[name], world) return { status = 200 } end)
      world:push("correspondencepublished", world:letter())
      world:settle()
      has(message, "a target that answers can neither let time pass nor stop the host")
    end
  end)

  it("takes an event as JSON text, as it is", function()
    local world <close> = paper { rules = { [[rule { name = "r", on = "*", run = function(event)
      return send.http("t") { key = event, json = { data = event.data } } end }]] } }
    local text = '{"specversion":"1.0","id":"1","source":"s","type":"t.x","data":{"a":null,"b":[]}}'
    local event = world:push(text)
    assert.equal("1", event.id)
    world:push(text, { id = "2" })
    world:settle()
    assert.equal('{"data":{"a":null,"b":[]}}', world:sent("t")[1].body)
    assert.equal(2, #world:verdicts "r")
    has(mistake(world.push, world, "{}"), "push: ")
  end)

  it("fixes ids, jitter and chance by its seed: the same seed gives the same log, byte for byte", function()
    local function tell(seed)
      local world <close> = paper { seed = seed, rules = { rule_of
        "log.info(tostring(math.random())) return send.http('t') { key = letter, json = { n = math.random() } }" } }
      world:target("t", { status = 503, times = 3 })
      for _ = 1, 5 do world:push("correspondencepublished", world:letter()) end
      world:advance("2h")
      return world:log() .. world:sent("t")[1].body
    end
    assert.equal(tell(7), tell(7))
    assert.are_not.equal(tell(7), tell(8))
    has(tell(7), "2026-12-23T09:00:00Z")
  end)

  it("takes its time from spans, times and working days, and never goes back", function()
    local world <close> = paper()
    world:advance "90m"
    assert.equal("2026-12-23T10:30:00Z", world:now())
    world:advance "2026-12-23T12:00:00+01:00"
    world:advance(60)
    assert.equal("2026-12-23T11:01:00Z", world:now())
    has(mistake(world.advance, world, "2026-12-23T09:00:00Z"), "lies before the world's present, 2026-12-23T11:01:00Z")
    has(mistake(world.advance, world, "soon"), "write \"3d\"")
  end)

  it("asks Altinn as the host does: what was lost is found in the letter's history", function()
    local world <close> = paper()
    local told, lost, unread = world:letter(), world:letter(), world:letter()
    for _, letter in ipairs { told, lost, unread } do world:push("correspondencepublished", letter) end
    world:advance "1h"
    told:read()
    lost:read()
    world:push("correspondencereceiverread", told)
    world:advance(test.workdays(2))
    assert.same({ "skipped: cancelled by event 4 (correspondencereceiverread)",
      "skipped: the letter has been Read since 2026-12-23T10:00:00+00:00 (unless)", "done: sent to print" },
      world:verdicts(RULE))
    assert.same({ "Initialized", "ReadyForPublish", "Published", "Read" }, lost:statuses())
    assert.is_true(lost:has_been "Read")
    assert.equal("Read", lost:status())
  end)

  it("tells the verdicts of events that are larger than usual", function()
    local world <close> = test.world { configuration = { limits = { max_bytes = 4 << 20 } },
      rules = { [[rule { name = "large", on = "correspondencepublished", run = function() return skip "big" end }]] } }
    local letter = world:letter()
    world:push("correspondencepublished", letter, { data = ("x"):rep(2 << 20) })
    world:settle()
    assert.equal("skipped: big", tostring(world:verdict("large", letter)))
  end)

  it("shows timers and what rules remember", function()
    local world <close> = paper { rules = { "examples/rules/reminder.lua" } }
    local letter = world:letter { isConfirmationNeeded = true, dueDateTime = "2027-02-01T00:00:00Z" }
    world:push("correspondencepublished", letter)
    world:settle()
    local timers = world:timers(letter)
    assert.same({ "confirmation-reminder", "remind", "2026-12-29T08:00:00Z" },
      { timers[1].rule, timers[1].body, timers[1].due })
    assert.same(timers, world:timers())
    assert.same({}, world:memory("confirmation-reminder", letter))
    world:advance(test.workdays(3, "09:00"))
    assert.same({ reminders = 1 }, world:memory("confirmation-reminder", letter))
    local mail = world:sent("mail")[1]
    assert.same({ "case-worker@agency.example", "Not confirmed: letter " .. letter.id },
      { mail.to, mail.subject })
    has(mail.text, "Reminder 1 of 2. Due 2027-02-01")
  end)

  it("keeps everything over a restart, a kill and a reload", function()
    local world <close> = paper()
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:settle()
    world:restart()
    world:kill()
    world:reload { PAPER, rule_of "return done 'seen'" }
    world:advance(test.workdays(2))
    assert.equal(1, #world:sent "print")
    world:push("correspondencepublished", world:letter())
    world:settle()
    assert.same({ "done: seen" }, world:verdicts "r")
  end)

  it("reads its targets from a configuration, without their secrets", function()
    local world <close> = paper { rules = { rule_of [[return {
        send.mail('m') { to = 'a@b.no', subject = 'Æ', text = 'ø' }, send.http('t') { key = letter, path = '/x' },
        send.command('c') { key = letter, arguments = { 'a', 1 } },
        send.file('f') { key = letter, name = 'a.txt', text = 'hello' },
        send.slack('s') { key = letter, text = '<a>' } }]] }, configuration = { targets = {
        m = { mail = "smtp://mail.example.no", from = "Us <us@agency.example>", user = "u", password = "secret" },
        t = { url = "https://example.no/api", headers = { ["X-Our"] = "yes" } },
        c = { command = { "/bin/load", "-q" } } } } }
    world:push("correspondencepublished", world:letter())
    world:settle()
    assert.same({ "done: sent to m, t, c, f, s" }, world:verdicts "r")
    local mail, http, command = world:sent("m")[1], world:sent("t")[1], world:sent("c")[1]
    assert.same({ "a@b.no", "Æ", "ø", "Us <us@agency.example>" }, { mail.to, mail.subject, mail.text,
      (mail.from:gsub('"', "")) })
    assert.same({ "POST", "/api/x", "yes" }, { http.method, http.path, http.headers["x-our"] })
    assert.same({ "a", "1" }, command.arguments)
    assert.same({ "a.txt", "hello", "<a>" }, { world:sent("f")[1].name, world:sent("f")[1].text,
      world:sent("s")[1].text })
  end)

  it("acts as the recipient, where it is told to", function()
    local world <close> = paper { party = "987654321", rules = { rule_of(
      "letter:overview() letter:mark_read() return done()", "may = { 'read:overview', 'mark:read' },") } }
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:settle()
    assert.equal("done", world:verdict("r", letter).state)
    assert.is_true(letter:has_been "Read")
  end)

  it("tells why", function()
    local world <close> = paper()
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:settle()
    local entry = world:why(letter, RULE).rules[1]
    assert.same({ RULE, "time", 1 }, { entry.rule, entry.not_yet[1].kind, #world:why(letter, RULE).rules })
    has(entry.answer, "not yet: a timer runs the body ")
  end)
end)

describe("a target", function()
  local deaths = {
    { "down", "retry", "POST" }, { "dies at connect", "retry", "POST" }, { "dies in TLS", "retry", "POST" },
    { "dies before the request", "retry", "POST GET POST" }, { "dies in the body", "retry", "POST GET POST" },
    { "dies after the body", "retry", "POST GET" }, { "dies after the status", "done", "POST" },
    { "slow", "later", "POST GET" },
  }
  for _, death in ipairs(deaths) do
    it(("that %s gets the job once"):format(death[1]), function()
      local world <close> = paper()
      local letter = world:letter()
      world:push("correspondencepublished", letter)
      world:target("print", { death[1], times = 1 })
      world:advance(test.workdays(2))
      assert.equal(death[2], world:verdict(RULE, letter).state)
      world:advance "2h"
      assert.equal("done", world:verdict(RULE, letter).state)
      local methods = {}
      for index, request in ipairs(world:requests "print") do methods[index] = request.method end
      assert.equal(death[3], table.concat(methods, " "))
      assert.equal(1, #world:sent "print")
    end)
  end

  it("answers with the status, headers and body that it is told, so many times", function()
    local world <close> = paper { targets = {
      print = { status = 503, times = 2, headers = { ["Retry-After"] = "600" } } } }
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:advance(test.workdays(2))
    world:advance "9m"
    assert.equal(1, world:sent("print")[1].times)
    world:advance "12m"
    assert.same({ 3, 200 }, { world:sent("print")[1].times, world:sent("print")[1].status })
    world:target("print", function(item) return { status = item.json.reference == "ref-2" and 422 or 201 } end)
    local refused = world:letter()
    world:push("correspondencepublished", refused)
    world:advance(test.workdays(2))
    assert.same({ "dead", 422 }, { world:verdict(RULE, refused).state, world:sent("print")[2].status })
  end)
end)

describe("misuse of a world", function()
  it("is told with the right word, at the spec's line", function()
    local world <close> = paper()
    local letter = world:letter()
    local cases = {
      { "did you mean 'print'?", function() world:sent "prnt" end },
      { "did you mean 'paper-after-two-days'?", function() world:verdict("paper-after-two-day", letter) end },
      { "did you mean 'recipient'?", function() world:letter { recipent = "987654321" } end },
      { "did you mean 'correspondencereceiverread'?", function() world:push("correspondencereceiverred", letter) end },
      { "did you mean 'down'?", function() world:target("print", "donw") end },
      { "did you mean 'status'?", function() world:target("print", { statsu = 500 }) end },
      { "did you mean 'confirm'?", function() letter:confrm() end },
      { "did you mean 'sendersReference'?", function() return letter.senderReference end },
      { "did you mean 'advance'?", function() world:advanse "1d" end },
      { "did you mean 'now'?", function() test.world { rules = { PAPER }, nwo = "2026-01-01T00:00:00Z" } end },
      { "did you mean 'print'?", function() test.world { rules = { PAPER }, targets = { prnt = "up" } } end },
      { "rules is missing", function() test.world {} end },
      { "a time is needed", function() test.world { rules = { PAPER }, now = "tomorrow" } end },
      { "host is", function() test.world { rules = { PAPER }, host = "reel" } end },
      { "unknown key 'target'", function() test.world { rules = { PAPER }, configuration = { target = {} } } end },
      { "configuration: ", function() test.world { rules = { PAPER }, configuration = "examples/none.lua" } end },
      { "a letter has no 'infected'; it has attachments, confirm, ", function() letter:infected() end },
      { "write letter.attachments[1]", function() world:push("attachmentuploadfailed", letter) end },
      { "write a colon: world:push(", function() world.push("correspondencepublished", letter) end },
      { "write a colon, as in letter:read()", function() letter.read() end },
      { "the rules of the world send to none", function()
        test.world({ rules = { rule_of "return done('x')" } }):target("print", "down")
      end },
      { "no letter is ever 'Opened'", function() letter:has_been "Opened" end },
      { "fresh worlds", function() world:crash_points(function() end) end },
    }
    for _, case in ipairs(cases) do has(mistake(case[2]), case[1]) end
    world:close()
    has(mistake(world.settle, world), "closed")
  end)

  it("raises what check refuses, with its file and line", function()
    has(mistake(test.world, { rules = { rule_of "return send.http('t') { jsn = {} }" } }), "rules_1.lua:1:")
    has(mistake(test.world, { rules = { "examples/rules/nothing.lua" } }), "No such file")
  end)

  it("of a rule that goes round for ever is told by what goes round", function()
    local world <close> = paper { rules = { rule_of "return later { at = 0 }" } }
    world:push("correspondencepublished", world:letter())
    has(mistake(world.advance, world, "1d"), "this never ends: the run r #1 is later for the 1000th time")
  end)
end)

describe("crash points", function()
  it("are all found, and the scenario holds at each", function()
    local world <close> = paper()
    local count = world:crash_points(function(one)
      local unread, read = one:letter(), one:letter()
      one:push("correspondencepublished", unread)
      one:push("correspondencepublished", read)
      one:advance "1h"
      read:read()
      one:push("correspondencereceiverread", read)
      one:advance(test.workdays(2))
      one:advance "1h"
      assert.equal(1, #one:sent "print")
      assert.same({ "done", "skipped" }, { one:verdict(RULE, unread).state, one:verdict(RULE, read).state })
    end)
    assert(count > 15, count)
  end)

  it("name the boundary at which a scenario fails", function()
    local world <close> = paper { rules = { rule_of "return send.http('t') { key = letter, json = {} }" } }
    local message = mistake(world.crash_points, world, function(one)
      one:push("correspondencepublished", one:letter())
      one:advance "1h"
      assert.equal(1, one:sent("t")[1].times)   -- it comes twice, when its answer was not heard
    end)
    has(message, "with a crash before the answer to POST https://t.test")
    has(message, "crash point")
  end)
end)

describe("a broken promise", function()
  it("is told before what the scenario missed because of it", function()
    local world <close> = paper()
    local message = mistake(world.crash_points, world, function(one)
      one.pushes.acknowledged["s\nlost"] = { id = "lost" }   -- as if the host had lost it
      error("nothing came of it", 0)
    end)
    assert.matches("the event lost was acknowledged, and the inbox has lost it\n[^\n]*nothing came of it", message)
  end)
end)

describe("a world watches the host", function()
  local function world_with_fault()
    local world = paper()
    world:push("correspondencepublished", world:letter())
    world:advance(test.workdays(2))
    return world
  end

  -- What a host that sends a job again comes to.
  local function again(world, change)
    local item = world:requests("print")[1]
    local body = change and item.body:gsub("ref%-1", "ref-2") or item.body
    world.targets.print:take({ method = "POST", url = "https://print.test/v1/jobs", headers = item.headers,
      body = body }, function() return true end, world.host.life + 1)
  end

  it("for two bodies under one key", function()
    local world = world_with_fault()
    again(world, true)
    has(mistake(world.settle, world), "two different bodies came under the key print:paper-after-two-days/")
    world:close()
  end)

  it("for a job again without its probe", function()
    local world = world_with_fault()
    again(world)
    has(mistake(world.close, world), "its probe was not asked")
  end)

  it("for an event that was acknowledged and is lost", function()
    local world = world_with_fault()
    local event = assert(events.parse('{"specversion":"1.0","id":"lost","source":"/s","type":"t"}'))
    world.pushes:add("{}", event, 200)
    has(mistake(world.kill, world), "the event lost was acknowledged, and the inbox has lost it")
    pcall(world.close, world)
  end)

  it("for a job that comes a third time, when its probe was asked before the second time alone", function()
    local world = world_with_fault()
    world.targets.print:take { method = "GET", url = "https://print.test/v1/jobs/1" }
    again(world)
    world:settle()
    again(world)
    has(mistake(world.settle, world), "its probe was not asked")
    world:close()
  end)

  it("for an event that is stored twice", function()
    local world = world_with_fault()
    local look = require "altinn.events.test.look"
    local stored = look.events
    finally(function() look.events = stored end)
    look.events = function(one)
      local list = stored(one)
      list[2] = list[1]
      return list
    end
    has(mistake(world.close, world), "is stored twice")
  end)

  it("for an event that nobody pushed", function()
    local world = world_with_fault()
    world.host:push('{"specversion":"1.0","id":"invented","source":"/s","type":"t"}')
    has(mistake(world.close, world), "the event invented, which nobody pushed")
  end)

  it("for two runs of one letter at once", function()
    local world = world_with_fault()
    local invariants = require "altinn.events.test.invariants"
    world.lines_of[98], world.lines_of[99] = "a", "a"
    local over = invariants.begun(world, { rule = RULE, event = 98 })
    over()
    invariants.begun(world, { rule = RULE, event = 99 })
    world:settle()
    invariants.begun(world, { rule = RULE, event = 98 })
    has(mistake(world.settle, world), "two runs of 'paper-after-two-days' for one letter are under way at once")
    world:close()
  end)

  it("and takes no request for one under way that the host has given up", function()
    local world <close> = paper { targets = { print = "slow" }, rules = { (rule_of("return send.http('print') "
      .. "{ key = event, json = {} }", "repeats = true, retry = { within = '1m' },")) } }
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:push("correspondencepublished", letter)
    world:advance "1d"
    assert.same({ "dead", "dead" }, { world:verdicts("r")[1]:match "^%a+", world:verdicts("r")[2]:match "^%a+" })
  end)

  it("for an effect that comes again while its first request is under way", function()
    local world = world_with_fault()
    local invariants = require "altinn.events.test.invariants"
    local request = { rule = RULE, event = 1, target = "print", timeout = 5 }
    invariants.sent(world, request, "k")()
    invariants.sent(world, request, "k")
    world:advance "10s"   -- given up
    invariants.sent(world, request, "k")
    world:settle()
    invariants.sent(world, request, "k")
    has(mistake(world.settle, world), "the effect k came again, and its first request was still under way")
    world:close()
  end)

  it("for an effect that leaves before it is recorded, where the host dies", function()
    local world = world_with_fault()
    local invariants = require "altinn.events.test.invariants"
    world.with_crash = true
    invariants.sent(world, { rule = RULE, event = 1, target = "print" }, "k")
    world:settle()
    invariants.sent(world, { rule = RULE, event = 2, target = "print" }, "other")
    has(mistake(world.settle, world), "the effect other left before the inbox had recorded it")
    world:close()
  end)
end)
