-- altinn-events why for events of the inbox: why a run is as it is, why not yet, why again. With the real host.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local target = require "spec.support.target"

local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

local RULES = [[
  local function named(event, name) return event.id:find(name, 1, true) end
  rule { name = "sends", on = "correspondencepublished", run = function(event)
    return send.http "print" { path = named(event, "bad") and "/bad" or "/good" } end }
  rule { name = "fails", on = "correspondencepublished", repeats = true,
    run = function() error("the register is down") end }
  rule { name = "waits", on = "correspondencepublished", repeats = true,
    run = function() return later { at = "3d", run = "paper", cancel = "correspondencereceiverread" } end,
    paper = function() return done "paper" end }
  rule { name = "asks", on = "correspondencepublished", trust = "confirmed", repeats = true,
    run = function() return done "confirmed" end }
  rule { name = "never", on = "correspondencepurged", run = function() end }
  rule { name = "shadow", on = "correspondencepublished", shadow = true, may = { "confirm" }, repeats = true,
    run = function(_, letter) letter:confirm() return done() end }
  rule { name = "careful", on = "correspondencepublished", unless = { been = { "Read" } }, repeats = true,
    enabled = false, run = function() end }
]]

-- The configuration of the host with its rules, for the command.
local function write_config(one, text)
  local rules = ('return { rules = { "%s/rules" },'):format(one.folder)
  process.write(one.folder .. "/why.lua", rules .. text:sub(#"return {" + 1))
end

local function words_of(one)
  return "--config", one.folder .. "/why.lua", "--inbox", one.inbox
end

describe("altinn-events why of an event in the inbox", function()
  local one, altinn, print_service

  local function config()
    return ('return { base_url = "%s", token = "%s", targets = { print = { url = "%s" } } }'):format(altinn.base,
      altinn:token { scopes = "altinn:events.subscribe", orgNo = "991825827" }, print_service.url)
  end

  setup(function()
    altinn, print_service = emulator.start(), target.start { "201", "422" }
    one = host.start { rules = { rules = RULES }, config = config() }
    write_config(one, config())
    assert.are.equal(200, (one:post(sample.text { id = "good-1" })))
    assert(process.wait(30, function() return #print_service:requests() > 0 end))
    assert.are.equal(200, (one:post(sample.text { id = "bad-2", resourceinstance = LETTER:gsub("f$", "0") })))
    assert.are.equal(200, (one:post(sample.text { id = "good-3" })))
    local settled = process.wait(30, function()
      local verdicts = one:verdicts()
      local function is(run, state) return verdicts[run] and verdicts[run].verdict == state end
      return is("good-1/sends", "done") and is("bad-2/sends", "dead") and is("good-1/fails", "retry")
        and is("good-3/waits", "later") and is("good-1/asks", "held") and is("good-1/shadow", "shadowed")
        and is("good-3/sends", "skipped")
    end)
    assert(settled, one:log())
  end)

  teardown(function()
    one:close()
    altinn:close()
    print_service:close()
  end)

  local function why(...)
    local status, out, err = one:run("why", ...)
    assert.are.equal(0, status, err)
    return out
  end

  local function asked(word, rule)
    return why(word, "--rule", rule, words_of(one))
  end

  local function says(text, ...)
    for _, wanted in ipairs { ... } do
      assert(text:find(wanted, 1, true), ("%q does not say %q"):format(text, wanted))
    end
  end

  it("says why: what was done, and what the target answered", function()
    says(asked("good-1", "sends"), "sends: done at 20", ": sent to print",
      "effect for print: sent 201 (key print:sends/")
    says(asked("bad-2", "sends"), "sends: a dead letter since 20", "after 1 attempt: target 'print' answered 422",
      "altinn-events inbox retry 2 --rule sends", "effect for print: refused 422")
  end)

  it("says why not: skipped, and conditions that do not hold", function()
    says(asked("good-3", "sends"), "skipped at 20", "an event before meant the same",
      "FAILS  repeats", "it would run if no event before it meant the same, or if the rule said repeats = true")
    says(asked("good-1", "never"), "never: does not want it: it would fire if type were correspondencepurged, or if on "
      .. "also named correspondencepublished", "FAILS  type", "it would hold if type were correspondencepurged")
    says(asked("good-1", "careful"), "is switched off", "it has no run",
      "asked  unless             wants the letter has never been Read")
  end)

  it("says why not yet, and why again: a failure, its attempts, and what stands behind it", function()
    local again = process.wait(30, function()
      local out = asked("good-1", "fails")
      return out:find("before: 20", 1, true) and out
    end)
    says(again, "not yet: it failed, and is tried again at 20", "the register is down",
      "it is given up 36 h after its first failure", "before: 20", "attempt 1 was retry: ")
    says(asked("good-3", "fails"), "not yet: it stands behind event 1 of the same line, which is in retry until 20",
      "the register is down")
  end)

  it("says why not yet: a timer, and what ends it; why not: another event's timer replaced it", function()
    says(asked("good-3", "waits"), "not yet: a timer runs the body paper at 20",
      "unless one of these comes: no.altinn.correspondence.correspondencereceiverread")
    says(asked("good-1", "waits"), "skipped at 20", "replaced by the timer of event 3")
  end)

  it("says why not yet: Altinn has not vouched for the event", function()
    says(asked("good-1", "asks"), "asks: not yet: Altinn has not vouched for the event; it is asked again at 20",
      "FAILS  trust", "Altinn vouches for it", "it would run if Altinn vouched for it, or if the rule said trust")
  end)

  it("says what a rule in the shadow would have done", function()
    says(asked("good-1", "shadow"), "in the shadow: it would have done: confirm", "it would have done: [{")
  end)

  it("sums up the rules that do not want it, unless all are wanted", function()
    local out = why("good-1", words_of(one))
    says(out, "1 rule does not want it (--all shows why); never: does not want it: it would fire if type were")
    assert.is_nil(out:find("FAILS  type", 1, true))
    says(why("good-1", "--all", words_of(one)), "never: does not want it", "FAILS  type")
  end)

  it("says why of the events of a file, each, and what the inbox knows of them", function()
    local path = one.folder .. "/some.jsonl"
    process.write(path, sample.text { id = "good-1" } .. "\n" .. sample.text { id = "new", source = "/x" } .. "\n"
      .. sample.text { id = "good-1", source = "/another" } .. "\n")
    local out = why(path, words_of(one))
    says(out, "(event 1 of the inbox)", "sends: done at 20", "sends: it would fire", "waits: it would fire")
    local result = cjson.decode(why(path, "--json", words_of(one)))
    assert.are.same({ 3, 1 }, { result.count, result.events[1].sequence })
    assert.is_nil(result.events[2].sequence)
    assert.is_nil(result.events[3].sequence)
  end)

  it("--json has the same", function()
    local result, of = cjson.decode(why("good-3", "--json", words_of(one))), {}
    assert.are.equal(3, result.sequence)
    for _, row in ipairs(result.rules) do of[row.rule] = row end
    assert.are.equal("waiting", of.fails.run.verdict)
    assert.are.same({ 1, "retry" }, { of.fails.run.behind.event, of.fails.run.behind.state })
    assert.are.equal("trust", of.asks.asked[1].attribute)
    assert.is_nil(of.never.run)
    assert.are.same({}, of.never.asked)
  end)
end)

describe("altinn-events why of an event in the inbox", function()
  it("also tells of runs whose rule is gone", function()
    local one = host.start { rules = { a = 'rule { name = "old", on = "*", run = function() return fail "no" end }' } }
    write_config(one, "return {}")
    assert.are.equal(200, (one:post(sample.text { id = "e" })))
    assert(one:wait_log("verdict=dead"))
    one:rewrite { a = 'rule { name = "new", on = "*", run = function() return done() end }' }
    local status, out, err = one:run("why", "e", words_of(one))
    one:close()
    assert.are.equal(0, status, err)
    for _, wanted in ipairs { "new: it wants the event and has no run of it", "old: a dead letter since 20", ": no",
      "it is not among the rules" } do
      assert(out:find(wanted, 1, true), out)
    end
  end)
end)
