-- What an operator says happens: inbox retry and discard on runs that wait, run, stand in line or are over, beside a
-- running host and without one. Each with the real command, a real target and the emulator or a script as Altinn.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

local one, service, altinn

after_each(function()
  for _, each in pairs { one or false, service or false, altinn or false } do
    if each then each:close() end
  end
  one, service, altinn = nil, nil, nil
end)

local PRINT = [[
  rule {
    name = "print", on = "correspondencepublished", repeats = true,
    run = function(event) return send.http("print") { key = "job:" .. event.id, path = "/" .. event.id } end,
  }]]

-- `answers`: those of a target that takes one request at a time, or the script of one that takes many.
local function start(answers, rules)
  if type(answers) == "table" then service = target.start(answers)
  else
    service = script.start()
    service:answer(answers)
  end
  one = host.start { rules = rules or { print = PRINT },
    config = ('return { targets = { print = { url = "%s", timeout = 10 } } }'):format(service.url) }
end

local function post(id, letter)
  assert.are.equal(200, (one:post(sample.text { id = id, resourceinstance = letter or "letter-1" })))
end

local function act(...)
  local words = { ... }
  words[#words + 1] = "--inbox"
  words[#words + 1] = one.inbox
  local status, out, err = one:run("inbox", table.unpack(words))
  assert.are.equal(0, status, err)
  return out
end

local function show(number) return cjson.decode(act("show", tostring(number), "--json")) end

local function paths()
  local list = {}
  for index, request in ipairs(service:requests()) do list[index] = request.path end
  return list
end

local function waits_for(path)
  return process.wait(30, function()
    for _, each in ipairs(paths()) do
      if each == path then return true end
    end
  end)
end

local function count_of(path)
  local count = 0
  for _, each in ipairs(paths()) do count = count + (each == path and 1 or 0) end
  return count
end

local function state_of(number, rule)
  for _, run in ipairs(show(number).runs) do
    if run.rule == rule then return run.verdict end
  end
end

describe("inbox discard", function()
  it("of a run that waits: its calls to Altinn never happen, and the next of its letter goes on", function()
    altinn = emulator.start()
    local letters = {}
    for i = 1, 2 do letters[i] = altinn:letter { resource = "acme-letters" }.id end
    one = host.start { rules = { purge = [[
      rule { name = "purge", on = "correspondencepublished", repeats = true, may = { "purge" },
        run = function(event, letter, context)
        if event.id == "next" then return skip "next" end
        if context.attempt == 1 then return retry_after("2s", "soon") end
        letter:purge()
      end }]] }, config = ('return { base_url = "%s", token = "%s" }'):format(altinn.base, altinn:token {
        orgNo = "991825827", scopes = { "altinn:correspondence.write" } }) }
    post("first", letters[1])
    post("next", letters[1])
    assert(one:wait_log "rule=purge event=1.-verdict=")
    assert.are.equal("1 run discarded\n", act("discard", "1"))
    assert(one:wait_log "rule=purge event=2.-verdict=skipped")
    post("other", letters[2])
    -- Purged or refused: its second attempt, later than the first run's would have been.
    assert(one:wait_log("rule=purge event=3 .-attempt=2", 20))
    assert.are.equal("discarded", state_of(1, "purge"))
    assert.is_nil(one:log():find("event=1 [^\n]*attempt=2"))
  end)

  it("of a run that runs: what it would ask of Altinn next is not asked", function()
    altinn = script.start()
    altinn:answer [[
      if request.path:find "purge" then return { status = 200 } end
      return { delay = 1, body = '{"correspondenceId":"0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f","status":"Read",' ..
        '"statusHistory":[]}' }]]
    one = host.start { rules = { purge = [[
      rule { name = "purge", on = "correspondencepublished", repeats = true, order = "id",
        may = { "read:details", "purge" },
        run = function(event, letter)
          log("began " .. event.id)
          letter:details()
          letter:purge()
        end }]] }, config = ('return { base_url = "%s", token = "x.y.z" }'):format(altinn.url) }
    local function purged()
      local count = 0
      for _, request in ipairs(altinn:requests()) do count = count + (request.path:find "purge" and 1 or 0) end
      return count
    end
    post("first", LETTER)
    assert(one:wait_log "began first")
    assert.are.equal("1 run discarded\n", act("discard", "1", "--reason", "the wrong letter"))
    post("second", LETTER)
    assert(one:wait_log "rule=purge event=2 .-verdict=done")
    assert.are.equal(1, purged())
    assert.are.equal("discarded", state_of(1, "purge"))
    assert.are.equal(0, one:metrics().waiting)
  end)

  it("of a run that is being sent: nothing more goes out, and the next of its letter goes on", function()
    start 'return { delay = request.path == "/first" and 8 or 0 }'
    post "first"
    post "next"
    assert(waits_for "/first")
    act("discard", "1")
    assert(waits_for "/next")
    assert.are.equal(1, count_of "/first")
    assert.are.equal("discarded", state_of(1, "print"))
  end)

  it("of a run that stands in line, before it was ever tried", function()
    start({ "503 0 3000", "200" })
    post "first"
    post "second"
    post "third"
    assert(one:wait_log "event=1 .-verdict=retry")
    assert.are.equal("waiting", state_of(2, "print"))
    assert.are.equal("1 run discarded\n", act("discard", "2", "--rule", "print"))
    act("retry", "1")
    assert(waits_for "/third")
    assert(one:settle())
    assert.are.same({ "/first", "/first", "/third" }, paths())
    assert.are.equal("discarded", state_of(2, "print"))
    assert.are.equal("waiting", show(2).acts[1].before)
  end)

  it("without a host counts at the next start, also for what was never tried", function()
    start({ "503 0 3000", "200" })
    for _, id in ipairs { "first", "second", "third" } do post(id) end
    assert(one:wait_log "event=1 .-verdict=retry")
    one:stop()
    act("discard", "1")
    act("discard", "2")
    assert(one:launch())
    assert(waits_for "/third")
    assert(one:settle())
    assert.are.same({ "/first", "/third" }, paths())
  end)
end)

describe("inbox retry", function()
  it("makes a run due that waits for a time, in a running host", function()
    start({ "503 0 3600", "200" })
    post "first"
    assert(one:wait_log "verdict=retry")
    assert.are.equal("1 run put back: it waited for a time, and may go now\n", act("retry", "1"))
    assert(service:wait(2, 5))
    assert(one:settle())
    assert.are.equal("done", state_of(1, "print"))
  end)

  it("puts back what was given up, as often as it is asked to", function()
    start({ "422", "422", "200" })
    post "first"
    assert(one:wait_log "verdict=dead")
    assert.are.equal("1 run put back\n", act("retry", "1"))
    assert(service:wait(2))
    assert(process.wait(30, function() return state_of(1, "print") == "dead" or nil end))
    act("discard", "1")
    assert.are.equal("discarded", state_of(1, "print"))
    act("retry", "1")
    assert(service:wait(3))
    assert(process.wait(30, function() return state_of(1, "print") == "done" or nil end))
    assert.are.equal(0, one:metrics().dead)
    local status, _, err = one:run("inbox", "retry", "1", "--inbox", one.inbox)
    assert.are.equal(1, status)
    assert.is_truthy(err:find("event 1 has no run that failed or waits", 1, true), err)
  end)

  it("says that there is nothing to put back while a run waits for its turn or runs", function()
    start 'return { delay = request.path == "/first" and 2 or 0 }'
    post "first"
    post "second"
    assert(waits_for "/first")
    for _, number in ipairs { "1", "2" } do
      local status, out, err = one:run("inbox", "retry", number, "--inbox", one.inbox)
      assert.are.equal(1, status)
      assert.are.equal("", out)
      assert.is_truthy(err:find("print waits for its turn or is under way; there is nothing to put back", 1, true), err)
    end
    assert(one:settle())
    assert.are.same({ "/first", "/second" }, paths())
  end)

  it("of a run that is under way begins it anew, under the same key", function()
    start [[return number == 1 and { status = 503, headers = { ["Retry-After"] = "3600" } }
      or { delay = number == 2 and 8 or 0 }]]
    post "first"
    assert(one:wait_log "verdict=retry")
    act("retry", "1")
    local function sent(count)
      return process.wait(30, function() return #service:requests() >= count or nil end)
    end
    assert(sent(2))
    act("retry", "1")
    assert(sent(3))
    local list = service:requests()
    assert(one:settle())
    assert.are.equal(list[1].headers["idempotency-key"], list[3].headers["idempotency-key"])
    assert.are.equal("done", state_of(1, "print"))
  end)
end)

describe("inbox later", function()
  it("of a run that is under way takes it back: it waits until then, and the rest of its letter behind it", function()
    start [[return number == 1 and { status = 503, headers = { ["Retry-After"] = "3600" } }
      or { delay = number == 2 and 8 or 0 }]]
    post "first"
    assert(one:wait_log "verdict=retry")
    act("retry", "1")
    local function sent(count)
      return process.wait(30, function() return #service:requests() >= count or nil end)
    end
    assert(sent(2))
    post "next"
    act("later", "1", "--at", "1h")
    assert(process.wait(30, function()
      local run = show(1).runs[1]
      return run.verdict == "retry" and run.due > os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 1800) or nil
    end))
    post("other", "letter-2")
    assert(waits_for "/other")
    assert.are.equal(0, count_of "/next")
    act("retry", "1")
    assert(waits_for "/next")
    assert(one:settle())
    assert.are.equal("done", state_of(1, "print"))
    assert.are.same({ "retry", "later", "retry" }, { show(1).acts[1].what, show(1).acts[2].what, show(1).acts[3].what })
  end)
end)

describe("a run that a timer starts", function()
  local PAPER = [[
    rule { name = "paper", on = "correspondencepublished",
      run = function(event) return later { at = event.id:match "^(%d+s)" or "3d", run = "paper" } end,
      paper = function(event) log("printed " .. event.id) end }]]

  -- Event number `number` with a timer, and the id as it says when.
  local function set(number, id, letter)
    post(id, letter)
    assert(process.wait(30, function() return state_of(number, "paper") == "later" or nil end))
  end

  local function printed(id) return one:wait_log("printed " .. id) end

  it("is moved earlier and later, and made due now, in a running host", function()
    one = host.start { rules = { paper = PAPER } }
    set(1, "a", "letter-1")
    assert.is_truthy(act("list", "--state", "later"):find("then the body paper", 1, true))
    act("later", "1", "--at", "1s", "--reason", "it is needed now")
    assert(printed "a")
    set(2, "b", "letter-2")
    assert.are.equal("1 run put back: it waited for a time, and may go now\n", act("retry", "2"))
    assert(printed "b")
    set(3, "4s", "letter-3")
    act("later", "3", "--at", "1h")
    set(4, "5s", "letter-4")
    assert(printed "5s")
    assert.is_nil(one:log():find("printed 4s", 1, true))
    assert.are.equal("later", state_of(3, "paper"))
    act("retry", "3")
    assert(printed "4s")
    assert(one:settle())
    local what = {}
    for index, one_act in ipairs(show(3).acts) do what[index] = one_act.what .. " " .. one_act.before end
    assert.are.same({ "later later", "retry later" }, what)
  end)

  it("keeps its time over a restart when it was moved without a host", function()
    one = host.start { rules = { paper = PAPER } }
    set(1, "a", "letter-1")
    one:stop()
    act("later", "1", "--at", "1s")
    assert(one:launch())
    assert(printed "a")
    assert(one:settle())
    assert.are.equal("done", state_of(1, "paper"))
  end)

  it("is discarded with its timer", function()
    one = host.start { rules = { paper = PAPER } }
    set(1, "a", "letter-1")
    act("discard", "1", "--reason", "on paper already")
    assert.are.equal("discarded", state_of(1, "paper"))
    assert(one:settle())
    assert.are.equal(0, #sql.query(one.inbox, "SELECT 1 FROM timer"))
    act("retry", "1")  -- put back, it goes on at the body that the timer would have started
    assert(printed "a")
    assert(one:settle())
  end)
end)

describe("a reload that takes a body away", function()
  it("warns once of the timers that need it, and a reload that takes none away does not", function()
    local rule = [[rule { name = "paper", on = "correspondencepublished",
      run = function() return later { at = "3d", run = "%s" } end,
      %s = function() end }]]
    one = host.start { rules = { paper = rule:format("paper", "paper") } }
    for number = 1, 2 do
      post("e-" .. number, "letter-" .. number)
      assert(process.wait(30, function() return state_of(number, "paper") == "later" or nil end))
    end
    local function reload(body, text)
      local _, before = one:log():gsub("msg=reload ", "")
      one:rewrite { paper = text or rule:format(body, body) }
      one:signal "HUP"
      assert(process.wait(30, function() return select(2, one:log():gsub("msg=reload ", "")) > before or nil end))
    end
    local function check()
      local _, out, err = one:run("check", one.folder .. "/rules", "--config", one.folder .. "/altinn-events.lua",
        "--inbox", one.inbox)
      return out .. err
    end
    local listed = check()
    assert.is_truthy(listed:find "2 timers of rule paper refer to version %x+ %(the present one%), body paper", listed)
    reload "paper"
    assert.is_nil(one:log():find("2 timers", 1, true))
    reload "letter"
    local warned = one:log():match "level=warn msg=rules [^\n]*2 timers of rule paper[^\n]*"
    assert.is_truthy(warned, one:log())
    assert.is_truthy(warned:find("the body 'paper' they need no longer exists", 1, true), warned)
    listed = check()
    assert.is_truthy(listed:find("the body 'paper' they need no longer exists", 1, true), listed)
    assert.is_nil(listed:find("the present one", 1, true))
    reload "letter"
    assert.are.equal(1, select(2, one:log():gsub("2 timers of rule paper", "")))
    reload(nil, 'rule { name = "other", on = "no.such", run = function() end }')
    warned = one:log():match "level=warn msg=rules [^\n]*2 timers of rule paper[^\n]*there is no rule of that name"
    assert.is_truthy(warned, one:log())
  end)
end)

describe("what was done", function()
  it("stays: each attempt, each act with who, when and what for", function()
    start({ "503 0 3600", "422", "422", "200" })
    post "first"
    assert(one:wait_log "verdict=retry")
    act("retry", "1", "--reason", "the service is up for 01020312345")
    assert(one:wait_log "verdict=dead")
    assert(process.wait(30, function() return state_of(1, "print") == "dead" or nil end))
    act("discard", "1", "--reason", "by mistake")
    local shown = show(1)
    assert.are.equal("discarded", shown.runs[1].verdict)
    assert.are.equal("discarded by hand: by mistake", shown.runs[1].reason)
    local attempts = {}
    for index, attempt in ipairs(shown.attempts) do attempts[index] = { attempt.verdict, attempt.reason } end
    assert.are.equal(2, #attempts)
    assert.are.equal("retry", attempts[1][1])
    assert.is_truthy(attempts[1][2]:find("503", 1, true))
    assert.are.equal("dead", attempts[2][1])
    assert.is_truthy(attempts[2][2]:find("422", 1, true))
    assert.are.equal("retry", shown.acts[1].what)
    assert.are.equal("retry", shown.acts[1].before)
    assert.is_truthy(shown.acts[1].reason:find("the service is up for ", 1, true))
    assert.is_nil(shown.acts[1].reason:find("01020312345", 1, true))
    assert.are.equal("discard", shown.acts[2].what)
    assert.are.equal("dead", shown.acts[2].before)
    assert.is_truthy(shown.acts[2].who:find("%(uid %d+%)"), shown.acts[2].who)
    assert.is_truthy(shown.acts[2].time:find("^%d%d%d%d%-%d%d%-%d%dT"))
    assert.is_truthy(shown.runs[1].changed >= shown.attempts[2].changed)
    local text = act("show", "1")
    assert.is_truthy(text:find("by hand: %S+  discard of print %(dead before%) by .-: by mistake"), text)
    assert.is_truthy(text:find("before: %S+  print retry attempt 1: "), text)
    -- What went out, and came back, before.
    act("retry", "1")
    assert(service:wait(3))
    assert(process.wait(30, function() return state_of(1, "print") == "dead" or nil end))
    shown = show(1)
    assert.are.equal(422, shown.effects[1].status)
    assert.are.equal(503, shown.earlier_effects[1].status)
    assert.are.equal(422, shown.earlier_effects[2].status)
    text = act("show", "1")
    assert.is_truthy(text:find("before: %d%d%d%d%-%d%d%-%d%dT%S+Z  %-> print refused 503"), text)
  end)
end)

describe("an act on many runs", function()
  it("leaves the host its turns: what comes in meanwhile is stored", function()
    one = host.start { rules = { wait = [[
      rule { name = "wait", on = "correspondencepublished", repeats = true, order = false,
        run = function() return retry_after("9h") end }]] } }
    local list = {}
    for i = 1, 12000 do list[i] = sample.text { id = "e-" .. i, resourceinstance = "letter-" .. i } end
    for first = 1, #list, 400 do
      assert.are.equal(200, (one:post("[" .. table.concat(list, ",", first, first + 399) .. "]",
        { ["Content-Type"] = "application/cloudevents-batch+json" })))
    end
    assert(process.wait(180, function()
      return sql.query(one.inbox, "SELECT count(*) AS n FROM run WHERE state = 'later'")[1].n == #list or nil
    end))
    local command = process.start(one.folder, "act", ("%s inbox discard --state later --reason x --yes --inbox %s")
      :format(host.program(), process.quote(one.inbox)))
    local posts = 0
    repeat
      posts = posts + 1
      post("beside-" .. posts)
    until command:status()
    assert.are.equal(0, command:status())
    local reached = tonumber(command:output():match("\n(%d+) runs discarded"))
    assert.is_true(reached >= #list, command:output())
    assert.is_true(posts > 5, posts .. " posts; " .. command:output())
    assert.is_nil(one:log():find("keeps it locked", 1, true))
  end)
end)
