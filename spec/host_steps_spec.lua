-- Steps and the shadow by the real host: what a step did at Altinn is done once, over kill -9 and edits of the rule.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local RECIPIENT = "987654321"

local one, altinn, service

after_each(function()
  for _, each in pairs { one or false, altinn or false, service or false } do
    if each then each:close() end
  end
  one, altinn, service = nil, nil, nil
end)

local function start(rules)
  altinn, service = emulator.start(), target.start()
  local token = altinn:token { scopes = "altinn:correspondence.read", orgNo = RECIPIENT }
  one = host.start { rules = rules, config = ([[return { base_url = "%s", token = "%s", targets = { print = {
    url = "%s" } } }]]):format(altinn.base, token, service.url) }
  altinn:subscribe(("http://127.0.0.1:%d/events"):format(one.port))
end

local function letter_comes()
  return altinn:letter { resource = "acme-letters", recipient = RECIPIENT, isConfirmationNeeded = true }
end

local function restart(rules)
  one:kill()
  altinn:advance(10)  -- Altinn stores a confirmation some seconds later
  one:rewrite(rules)
  assert(one:launch())
end

local function run_of(state)
  return assert(process.wait(30, function()
    for _, run in pairs(one:verdicts()) do
      if run.verdict == state then return run end
    end
  end), ("no %s: %s"):format(state, one:log()))
end

-- How often the letter got a status, by its history at Altinn.
local function times(letter, status)
  local count = 0
  for _, entry in ipairs(altinn:control("GET", "/letters/" .. letter.id).statusHistory) do
    if entry.status == status then count = count + 1 end
  end
  return count
end

local HEAD = [[
  local function at_altinn(letter, method)
    letter:overview()  -- Altinn wants it fetched before
    local _, how = letter[method](letter)
    return { already = how.already }
  end
  rule { name = "a", on = "correspondencepublished", may = { "read:overview", "mark:read", "confirm", "send:print" },
    limit = { seconds = 60 }, ]]

-- The first life: two steps, then it computes until it is killed.
local LOOPS = HEAD .. [[ run = function(_, letter)
    step("read", function() return at_altinn(letter, "mark_read") end)
    step("confirm", function() return at_altinn(letter, "confirm") end)
    log("both steps are done")
    while true do end
  end }]]

-- The second life: the steps have other places and a new one between them.
local EDITED = HEAD .. [[ run = function(_, letter)
    local confirmed = step("confirm", function() return at_altinn(letter, "confirm") end)
    local new = step("new", function() return "new" end)
    local read = step("read", function() return at_altinn(letter, "mark_read") end)
    return send.http("print") { key = letter, json = { confirmed = confirmed, new = new, read = read } }
  end }]]

describe("steps", function()
  it("that were done are not done again after kill -9, with the steps moved and a new one between them", function()
    start { a = LOOPS }
    local letter = letter_comes()
    assert(one:wait_log "both steps are done", one:log())
    restart { a = EDITED }
    run_of "done"
    assert.are.same({ confirmed = { already = false }, new = "new", read = { already = false } },
      cjson.decode(service:requests()[1].body))
    assert.are.same({ 1, 1 }, { times(letter, "Read"), times(letter, "Confirmed") })
    assert.are.same({ { steps = 3, versions = 2 } }, sql.query(one.inbox,  -- each step has the version that did it
      "SELECT count(*) AS steps, count(DISTINCT version) AS versions FROM step"))
  end)

  it("that were killed after Altinn's answer are done again, which Altinn knows", function()
    start { a = HEAD .. [[ run = function(_, letter)
      step("confirm", function()
        at_altinn(letter, "mark_read")
        at_altinn(letter, "confirm")
        log("Altinn has confirmed")
        while true do end
      end)
    end }]] }
    local letter = letter_comes()
    assert(one:wait_log "Altinn has confirmed", one:log())
    restart { a = EDITED }
    run_of "done"
    assert.are.same({ confirmed = { already = true }, new = "new", read = { already = true } },
      cjson.decode(service:requests()[1].body))
    assert.are.equal(1, times(letter, "Confirmed"))
  end)

  it("are found again in later attempts, while the target fails", function()
    start { a = EDITED }
    service:answer { "503", "200" }
    local letter = letter_comes()
    run_of "done"
    altinn:advance(10)
    local requests = service:requests()
    assert.are.equal(2, #requests)
    assert.are.equal(requests[1].body, requests[2].body)
    assert.are.equal(1, times(letter, "Confirmed"))
  end)

  it("wait at any depth of coroutines, and not where nothing can wait", function()
    start { a = [[
      rule { name = "a", on = "correspondencepublished", retry = { attempts = 1 }, run = function()
        local deep = coroutine.wrap(function() return step("deep", function() return 7 end) end)()
        table["so" .. "rt"]({ deep, 2, 3 }, function(a, b)
          local less = step("sort", function() return a < b end)
          return less
        end)
      end }]] }
    letter_comes()
    local run = run_of "dead"
    assert.is_truthy(run.reason:find('a.lua:4: step "sort" cannot wait here', 1, true), run.reason)
  end)

  it("that loop stop alone", function()
    start { a = [[rule { name = "a", on = "correspondencepublished", limit = { seconds = 0.2 },
      retry = { attempts = 1 }, run = function() step("loops", function() while true do end end) end }]] }
    letter_comes()
    assert.is_truthy(run_of("dead").reason:find("time budget of 0.2 s is used up", 1, true))
  end)
end)

describe("a rule in the shadow", function()
  it("reads at Altinn, changes nothing there, sends nothing, and says what it would have done", function()
    start { a = [[
      rule { name = "a", on = "correspondencepublished", shadow = true,
        may = { "read:overview", "mark:read", "confirm", "send:print" },
        run = function(_, letter)
          local status = letter:overview().status
          step("confirm", function() return letter:confirm() end)
          return send.http("print") { key = letter, json = { status = status } }
        end }]] }
    local letter = letter_comes()
    local run = run_of "shadowed"
    altinn:advance(10)
    assert.is_truthy(run.reason:find("it would have done: confirm, send to print", 1, true), run.reason)
    assert.are.same({ 0, 0 }, { times(letter, "Confirmed"), #service:requests() })
  end)
end)
