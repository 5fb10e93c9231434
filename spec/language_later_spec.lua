-- The words of durable time and memory: later, workdays, remember, forget, step, probes; what is made of them, and the
-- mistakes that raise at the rule's line.
local events = require "altinn.events"
local place = require "altinn.events.rules.place"
local rule = require "altinn.events.rule"

local PUBLISHED = "no.altinn.correspondence.correspondencepublished"
local READ = "no.altinn.correspondence.correspondencereceiverread"
local DAY = 86400

local function nothing() end

local function raises(wanted, call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  assert(tostring(message):find(wanted, 1, true), ("%q does not say %q"):format(tostring(message), wanted))
  return message
end

-- Calls a function as the body of a run of a rule with these bodies.
local function in_run(bodies, call)
  local fields = { name = "one", on = "correspondencepublished", run = nothing }
  for name, body in pairs(bodies) do fields[name] = body end
  local run = { rule = assert(rule.new(fields)), made = {} }
  place.watch(function() return run end)
  local ok, value = pcall(call, run)
  place.watch(nothing)
  if not ok then error(value, 0) end
  return value, run
end

describe("a body under another name", function()
  it("is a part of the rule", function()
    local made = assert(rule.new { name = "one", on = "*", run = nothing, paper = print, ["on-hold"] = nothing })
    assert.are.same({ run = nothing, paper = print, ["on-hold"] = nothing }, made.bodies)
    assert.are.equal(nothing, made.run)
  end)

  it("is not confused with a misspelt run", function()
    for _, name in ipairs { "runn", "rnu", "Run", "fun" } do
      local _, problems = rule.new { name = "one", on = "*", [name] = nothing }
      assert.are.same({ ("unknown key '%s' (did you mean 'run'?)"):format(name), "'run' is missing" }, problems)
    end
    local fields = { name = "one", on = "*", run = nothing, rerun = nothing, fun = nothing, abort = nothing }
    assert.is_truthy((rule.new(fields)))
    local _, problems = rule.new { name = "one", on = "*", paper = nothing }
    assert.are.same({ "'run' is missing: the body that an event starts; 'paper' runs only when"
      .. " later { run = \"paper\" } starts it" }, problems)
    _, problems = rule.new { name = "one", on = "*", run = nothing, wehn = {}, [1] = nothing }
    assert.are.same({ "unknown key '1': each part of a rule has a name, such as on = …",
      "unknown key 'wehn' (did you mean 'when'?)" }, problems)
  end)

  it("has a name that listings can show", function()
    for _, name in ipairs { "two words", "-x", "", "till-08895699684", ("x"):rep(101) } do
      local made, problems = rule.new { name = "one", on = "*", run = nothing, [name] = nothing }
      assert.is_nil(made, name)
      assert.is_truthy(problems[1]:find("the body's name", 1, true), problems[1])
      assert.is_nil(problems[1]:find("08895699684", 1, true))
    end
  end)
end)

describe("later", function()
  local function timer(fields) return assert(rule.verdict(rule.later(fields))).timer end

  it("is a timer", function()
    local verdict = assert(rule.verdict(rule.later { at = "3d" }))
    assert.are.same({ verdict = "effects", effects = {},
      timer = { at = { span = 3 * DAY }, run = "run", key = "", cancel = {} } }, verdict)
    assert.are.same({ at = { span = 90 }, run = "paper", key = "a", with = '{"n":1}', cancel = { PUBLISHED, READ } },
      timer { at = 90, run = "paper", key = "a", with = { n = 1 },
        cancel = { "correspondencereceiverread", PUBLISHED, READ } })
    assert.are.same({ "com.example.paid" }, timer { at = 0, cancel = "com.example.paid" }.cancel)
    assert.are.equal("7", timer { at = 0, key = 7 }.key)
    assert.are.equal("false", timer { at = 0, with = false }.with)
  end)

  it("is at a span, at a time, or on a working day", function()
    assert.are.same({ time = 1798099200 }, timer { at = "2026-12-24T09:00:00+01:00" }.at)
    assert.are.same({ time = 1798099200.5 }, timer { at = "2026-12-24T08:00:00.5Z" }.at)
    assert.are.same({ time = 0 }, timer { at = "1970-01-01T00:00:00Z" }.at)
    assert.are.same({ workdays = 2 }, timer { at = rule.workdays(2) }.at)
    assert.are.same({ workdays = 1, clock = "09:30" }, timer { at = rule.workdays(1, "09:30") }.at)
    assert.are.same({ span = 3653 * DAY }, timer { at = "3653d" }.at)
  end)

  it("raises when its time is none", function()
    raises("later: at is missing: when is it to run?", rule.later, {})
    raises("later: at: 'tomorrow' is neither a span nor a time nor working days", rule.later, { at = "tomorrow" })
    raises("later: at: '2026-12-24' is no time: write it like 2026-12-24T09:00:00+01:00", rule.later,
      { at = "2026-12-24" })
    raises("'2026-02-30T09:00:00Z' is no time", rule.later, { at = "2026-02-30T09:00:00Z" })
    raises("'2026-12-24\",\"id\":\"2' is no time", rule.later, { at = '2026-12-24","id":"2' })
    raises("later: at: -1 is neither", rule.later, { at = -1 })
    raises("later: at: a boolean is neither", rule.later, { at = true })
    raises("later: at: a table is neither", rule.later, { at = { 3 } })
    raises("nan is neither", rule.later, { at = 0 / 0 })
    raises("inf is neither", rule.later, { at = math.huge })
    raises("later: at: a timer waits ten years at most", rule.later, { at = "3653d1s" })
    raises("a number is seconds from now", rule.later, { at = 1798099200 })
  end)

  it("raises when a part of it is wrong", function()
    raises("later wants a table: later { at = \"3d\" }", rule.later, "3d")
    raises("later wants a table", rule.later, rule.skip "x")
    raises("later: unknown key 'runn' (did you mean 'run'?)", rule.later, { at = 1, runn = "paper" })
    raises("later: the name of a body is a text, not a function", rule.later, { at = 1, run = print })
    raises("later: cancel: 'correspondencereceiverred' is no event type that Altinn raises (did you mean"
      .. " 'correspondencereceiverread'?)", rule.later, { at = 1, cancel = "correspondencereceiverred" })
    raises("later: cancel: each type is written out: a star is for on", rule.later, { at = 1, cancel = "*" })
    raises("a star is for on", rule.later, { at = 1, cancel = { "correspondence*" } })
    raises("later: cancel: an event type is a text", rule.later, { at = 1, cancel = true })
    raises("later: cancel: at least one event type is needed", rule.later, { at = 1, cancel = {} })
    for _, key in ipairs { "", "a\nb", ("x"):rep(201), {}, true, 1.5, "\255" } do
      raises("later: key ", rule.later, { at = 1, key = key })
    end
    local message = raises("must not hold an identity number", rule.later, { at = 1, key = "for 08895699684" })
    assert.is_nil(message:find("08895699684", 1, true))
  end)

  it("names a body of the rule", function()
    local bodies = { paper = nothing }
    assert.is_truthy((in_run(bodies, function() return rule.later { at = 1, run = "paper" } end)))
    raises("the rule has no body 'papper' (did you mean 'paper'?): write papper = function(event, letter, context)",
      in_run, bodies, function() return rule.later { at = 1, run = "papper" } end)
    local early = rule.later { at = 1, run = "papper" }  -- at the top of a file no rule is known
    local returned = in_run(bodies, function() return { rule.verdict(early) } end)
    assert.is_nil(returned[1])
    assert.is_truthy(returned[2]:find("later: the rule has no body 'papper'", 1, true), returned[2])
    local probed = rule.send.http "a" { probe = "papper" }
    returned = in_run(bodies, function() return { rule.verdict(probed) } end)
    assert.is_truthy(returned[2]:find("probe: the rule has no body 'papper'", 1, true), returned[2])
  end)

  it("raises at the line of the rule, and tells it to the engine", function()
    local message = raises("later: at is missing", function() rule.later {} end)
    assert.is_truthy(message:find "^spec/language_later_spec.lua:%d+: ", message)
    local line
    local verdict = in_run({}, function()
      line = debug.getinfo(1, "l").currentline + 1
      local made = rule.later { at = 1 }
      return (rule.verdict(made))
    end)
    assert.are.equal("spec/language_later_spec.lua:" .. line, verdict.timer.where)
  end)

  it("carries what JSON can hold, up to 64 KiB", function()
    assert.are.equal(64 * 1024, #timer { at = 1, with = ("x"):rep(64 * 1024 - 2) }.with)
    raises("later: with: 65537 bytes as JSON, and at most 64 KiB are kept", rule.later,
      { at = 1, with = ("x"):rep(64 * 1024 - 1) })
    raises("later: with: f: a function has no JSON form", rule.later, { at = 1, with = { f = nothing } })
  end)
end)

describe("workdays", function()
  it("wants a whole number of days and perhaps a time of day", function()
    for _, n in ipairs { 0, -1, 1.5, 2601, 0 / 0, math.huge, "2" } do
      raises("workdays wants a whole number of days, from 1 to 2600 (ten years)", rule.workdays, n)
    end
    raises("workdays wants", rule.workdays)
    raises("from 1 to 2600 (ten years), without quotes", rule.workdays, "2")
    for _, clock in ipairs { "9:00", "24:00", "09:60", "09.00", "", 9, true } do
      raises("workdays: the time of day is a text from \"00:00\" to \"23:59\"", rule.workdays, 1, clock)
    end
    for _, clock in ipairs { "00:00", "23:59", "02:30" } do assert.is_truthy(rule.workdays(1, clock)) end
    local changed = rule.workdays(1)
    changed.workdays = 1e9
    raises("later: at: workdays wants a whole number", rule.later, { at = changed })
  end)
end)

describe("remember", function()
  local function memory(value) return assert(rule.verdict(value)).memory end

  it("keeps values by their names", function()
    assert.are.same({ { name = "n", value = "5" }, { name = "printed", value = "true" } },
      memory(rule.remember { printed = true, n = 5 }))
    assert.are.same({ { name = "list", value = "[1,2]", expires = 90 * DAY } },
      memory(rule.remember { list = { 1, 2 }, expires = "90d" }))
    assert.are.same({ verdict = "effects", effects = {}, memory = { { name = "printed" } } },
      rule.verdict(rule.forget "printed"))
  end)

  it("raises on what cannot be kept", function()
    raises("remember wants a table: remember { printed = true }", rule.remember, "printed")
    raises("remember: there is no value to keep", rule.remember, {})
    raises("nil cannot be kept, forget(\"name\") removes", rule.remember, { printed = nil })
    raises("there is no value to keep", rule.remember, { expires = "1d" })
    raises("remember: each value has a name", rule.remember, { true })
    raises("remember: f: a function has no JSON form, and only what JSON can hold is kept", rule.remember,
      { f = nothing })
    raises("remember: n: JSON has no infinite number and no NaN", rule.remember, { n = 0 / 0 })
    raises("remember: n: JSON has no infinite number and no NaN", rule.remember, { n = math.huge })
    raises("remember: t: a thread has no JSON form", rule.remember, { t = coroutine.create(nothing) })
    local cycle = {}
    cycle.again = { cycle }
    raises("remember: t: ", rule.remember, { t = cycle })
    raises("a table holds itself", rule.remember, { t = cycle })
    raises("remember: v: a verdict is no plain value", rule.remember, { v = rule.done() })
    local event = assert(events.parse '{"specversion":"1.0","id":"1","source":"/","type":"t"}')
    raises("remember: e: an event is no plain value: write events.totable(event)", rule.remember, { e = event })
    local letter = setmetatable({ id = "x" }, { is_thing = true })
    raises("remember: l: a letter is no plain value: write letter.id", rule.remember, { l = letter })
    raises("remember: s: a text is not UTF-8", rule.remember, { s = "\255" })
    raises("65537 bytes as JSON", rule.remember, { s = ("x"):rep(65535) })
    local many = {}
    for index = 1, 101 do many["n" .. index] = 1 end
    raises("remember: 101 values, and one remember keeps 100 at most", rule.remember, many)
    for _, span in ipairs { 0, "0s", "3653d1s", "soon", false } do
      raises("remember: expires: ", rule.remember, { a = 1, expires = span })
    end
    local message = raises("must not hold an identity number", rule.remember, { ["08895699684"] = 1 })
    assert.is_nil(message:find("08895699684", 1, true))
    raises("remember: the name 'true' is a text that is not empty", rule.remember, { [true] = 1 })
  end)

  it("forgets by a name", function()
    raises("forget: the name of what was remembered is a text", rule.forget)
    raises("forget: the name of what was remembered is a text", rule.forget, {})
    raises("forget: nothing is remembered under the name expires", rule.forget, "expires")
  end)
end)

describe("a list", function()
  local function effect(name) return rule.send.http(name) {} end

  it("holds effects, one later, one remember, and what is forgotten", function()
    local verdict = assert(rule.verdict { effect "a", nil, rule.later { at = 1 }, rule.remember { a = 1 },
      rule.forget "b", rule.forget "c", effect "d" })
    assert.are.same({ { "a", 1 }, { "d", 7 } }, { { verdict.effects[1].target, verdict.effects[1].place },
      { verdict.effects[2].target, verdict.effects[2].place } })
    assert.are.same({ span = 1 }, verdict.timer.at)
    assert.are.same({ { name = "a", value = "1" }, { name = "b" }, { name = "c" } }, verdict.memory)
    assert.are.same({ "effects", "memory", "timer", "verdict" }, (function()
      local names = {}
      for name in pairs(verdict) do names[#names + 1] = name end
      table.sort(names)
      return names
    end)())
  end)

  it("holds no more than that", function()
    for wanted, list in pairs {
      ["at most one later { … }"] = { rule.later { at = 1 }, rule.later { at = 2, key = "b" } },
      ["at most one remember { … }"] = { rule.remember { a = 1 }, rule.remember { b = 1 } },
      ["'a' is remembered or forgotten twice"] = { rule.remember { a = 1 }, rule.forget "a" },
      ["retry_after(…) stands alone, and is item 2"] = { rule.later { at = 1 }, rule.retry_after "1m" },
      ["done() stands alone"] = { effect "a", rule.done() }, ["fail(…) stands alone"] = { rule.fail "x" },
      ["item 1 of its list is none"] = { rule.sent },
    } do
      local verdict, message = rule.verdict(list)
      assert.is_nil(verdict)
      assert.is_truthy(message:find(wanted, 1, true), message)
    end
  end)

  it("is made of nothing that is not returned", function()
    for word, make in pairs {
      ["later { … }"] = function() return (rule.later { at = 1 }) end,  -- no tail call: Lua 5.1 forgets its line
      ["remember { … }"] = function() return (rule.remember { a = 1 }) end,
      ["forget(…)"] = function() return (rule.forget "a") end,
    } do
      local value, run = in_run({}, function()
        local made = make()
        return { made }
      end)
      assert.is_nil(rule.unreturned(run.made, value))
      assert.is_nil(rule.unreturned(run.made, value[1]))
      local message = rule.unreturned(run.made, nil)
      assert.is_truthy(message:find(word .. " was made but not returned", 1, true), message)
      assert.is_truthy(message:find "^spec/language_later_spec.lua:%d+: ", message)
    end
  end)
end)

describe("a span of time", function()
  it("is no page of digits: that is told at once", function()
    local page, began = ("1"):rep(100000), os.clock()
    raises("is neither a span nor a time nor working days", rule.later, { at = page })
    raises("is no span of time", rule.retry_after, page)
    assert.is_true(os.clock() - began < 1)
  end)
end)

describe("a probe", function()
  it("is a body that an effect of any kind names", function()
    in_run({ look = nothing }, function()
      local made = rule.send.http "a" { probe = "look" }
      assert.are.equal("look", rule.verdict(made).effects[1].probe)
      raises("send.http: probe: the rule has no body 'lok' (did you mean 'look'?)", rule.send.http "a",
        { probe = "lok" })
      raises("probe: run is the body itself", rule.send.http "a", { probe = "run" })
      raises("probe: the name of a body is a text", rule.send.http "a", { probe = nothing })
    end)
    for name, kind in pairs(require("altinn.events.rules.effects").kinds) do assert.is_true(kind.fields.probe, name) end
  end)

  it("returns sent or not_sent, which are no verdicts", function()
    assert.are_not.equal(rule.sent, rule.not_sent)
    for _, value in ipairs { rule.sent, rule.not_sent } do
      local verdict, message = rule.verdict(value)
      assert.is_nil(verdict)
      assert.is_truthy(message:find(tostring(value) .. " is what a probe returns", 1, true), message)
      raises("cannot be changed", function() value.x = 1 end)
    end
  end)
end)

describe("step", function()
  it("is the run's own", function()
    local calls = {}
    local value = in_run({}, function(run)
      run.step = function(name, fn)
        calls[#calls + 1] = name
        return fn()
      end
      return rule.step("confirm", function() return "yes", "no" end)
    end)
    assert.are.equal("yes", value)
    assert.are.same({ "confirm" }, calls)
  end)

  it("raises outside of a run, and on what is no step", function()
    raises("step works inside a body only", rule.step, "a", nothing)
    in_run({}, function() raises("step does not work here", rule.step, "a", nothing) end)
    raises("step wants a function, not a boolean: step(\"confirm\", function()", rule.step, "confirm", true)
    for _, name in ipairs { "", ("x"):rep(201), "a\nb", 5, {} } do
      raises("step: the name ", rule.step, name, nothing)
    end
    raises("must not hold an identity number", rule.step, "08895699684", nothing)
  end)
end)

describe("recordable", function()
  it("is what JSON can hold and is not too large", function()
    assert.are.equal('{"a":[1,2.5,"x",true]}', rule.recordable({ a = { 1, 2.5, "x", true } }, "it", 100))
    assert.are.same({ nil, "it: 5 bytes as JSON, and at most 4 bytes are kept" },
      { rule.recordable("abc", "it", 4) })
    local shared = { 1 }
    assert.are.equal('{"a":[1],"b":[1]}', rule.recordable({ a = shared, b = shared }, "it", 100))
    local deep = {}
    for _ = 1, 200 do deep = { deep } end
    local _, message = rule.recordable(deep, "it", 1000)
    assert.is_truthy(message:find("nested more than 100 deep", 1, true), message)
  end)
end)

describe("parts of a rule:", function()
  local function new(parts)
    local fields = { name = "one", on = "correspondencepublished", run = nothing }
    for name, value in pairs(parts) do fields[name] = value end
    return rule.new(fields)
  end

  local function refused(parts, wanted)
    local made, problems = new(parts)
    assert.is_nil(made)
    assert.are.equal(1, #problems)
    assert(problems[1]:find(wanted, 1, true), ("%q does not say %q"):format(problems[1], wanted))
  end

  it("unless has the statuses that end a run", function()
    assert.are.same({ been = { "Read", "Confirmed" } }, new { unless = { been = { "Read", "Confirmed" } } }.unless)
    assert.is_nil(new {}.unless)
    refused({ unless = { been = { "Raed" } } }, "unless.been 'Raed' is no status of a letter (did you mean 'Read'?)")
    refused({ unless = { been = "Read" } }, "unless.been must be a list of statuses: been = { \"Read\" }")
    refused({ unless = { been = {} } }, "unless.been must be a list")
    refused({ unless = { "Read" } }, "unless must be a table with statuses: unless = { been = { \"Read\" } }")
    refused({ unless = {} }, "unless must be a table with statuses")
    refused({ unless = "Read" }, "unless must be a table with statuses: unless = { been = { \"Read\" } }")
    refused({ unless = { been = { "Read" }, bene = 1 } }, "unknown key 'bene' (did you mean 'been'?)")
  end)

  it("trust is hint or confirmed", function()
    assert.are.equal("confirmed", new { trust = "confirmed" }.trust)
    refused({ trust = "yes" }, "trust must be \"hint\" or \"confirmed\"")
    refused({ trust = true }, "trust must be \"hint\" or \"confirmed\"")
  end)

  it("shadow and repeats are switches", function()
    local made = new { shadow = true, repeats = true }
    assert.is_true(made.shadow and made.repeats)
    refused({ shadow = "yes" }, "shadow must be true or false, without quotes")
    refused({ repeats = 1 }, "repeats must be true or false, without quotes")
  end)

  it("override answers for statuses and classes", function()
    assert.are.same({ [422] = "again", network = "never" },
      new { override = { [422] = "again", network = "never" } }.override)
    refused({ override = {} }, "override must be a table of statuses and classes: override = { [422] = \"again\"")
    refused({ override = "again" }, "override must be a table")
    refused({ override = { [200] = "again" } }, "override '200' is neither a status nor a class")
    refused({ override = { [422.5] = "again" } }, "is neither a status nor a class")
    refused({ override = { ["422"] = "again" } },
      "override '422' is neither a status nor a class (a status is a number: 422)")
    refused({ override = { netwrok = "again" } }, "did you mean 'network'?")
    refused({ override = { [422] = "agian" } },
      "override of 422 must be \"again\" or \"never\" (did you mean 'again'?)")
    refused({ override = { [422] = true } }, "override of 422 must be \"again\" or \"never\"")
    refused({ override = { "again" } }, "override '1' is neither a status nor a class")
  end)

  it("order may be one line for all", function()
    assert.are.same({ constant = "printer" }, new { order = { constant = "printer" } }.order)
    refused({ order = {} }, "order.constant must be a text of 1 to 200 bytes")
    refused({ order = { constant = "" } }, "order.constant must be a text")
    refused({ order = { constant = 5 } }, "order.constant must be a text")
    refused({ order = { constatn = "x" } },
      "order must be \"letter\", the name of an attribute, { constant = \"…\" }, or false")
    refused({ order = { constant = "08895699684" } }, "must not hold an identity number")
  end)
end)

describe("a list with a hole", function()
  local P, Q = "correspondencepublished", "correspondencepurged"

  it("is a mistake in each part of a rule: what stands behind it would be dropped", function()
    for part, fields in pairs {
      on = { on = { P, nil, Q } }, ["when.resource"] = { when = { resource = { "a", nil, "b" } } },
      may = { may = { "confirm", nil, "purge" } },
      ["unless.been"] = { unless = { been = { "Read", nil, "Confirmed" } } },
      ["retry.on"] = { retry = { on = { 500, nil, 502 } } },
    } do
      fields.name, fields.on, fields.run = "r", fields.on or P, function() end
      local made, problems = rule.new(fields)
      assert.is_nil(made, part)
      assert.is_truthy(problems[1]:find("^" .. part) and problems[1]:find("place 2 of its list is nil", 1, true),
        problems[1])
    end
  end)

  it("is one in what the words are given", function()
    local faults = { rule.effect_fault("mail", "m", { to = { "a@example.no", nil, "b@example.no" }, subject = "s",
      text = "t" }, {}), rule.effect_fault("teams", "t", { facts = { { "a", "b" }, nil, { "c", "d" } } }, {}),
      select(2, pcall(rule.later, { at = 1, cancel = { P, nil, Q } })) }
    assert.are.equal(3, #faults)
    for _, message in ipairs(faults) do
      assert.is_truthy(tostring(message):find("place 2 of its list is nil", 1, true), message)
    end
  end)

  it("is not one that ends with nil, and a name in a list is a mistake", function()
    assert.is_truthy(rule.new { name = "r", on = { P, nil }, run = function() end })
    local _, problems = rule.new { name = "r", on = { P, also = Q }, run = function() end }
    assert.are.equal("on: 'also' is a name, and a list has none", problems[1])
  end)
end)
