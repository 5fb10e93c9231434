-- A rule in the shadow is put in force on the running host by hand, and back: the real host, its command, a real
-- target.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local RULE = [[
  rule { name = "paper", about = "prints", on = "correspondencepublished", shadow = true, repeats = true,
    run = function(event, letter, context)
      if context.memory.printed then return skip("printed before: " .. context.memory.printed) end
      return { send.http("print") { key = { event.id, "a" }, path = "/a" },
        send.http("print") { key = { event.id, "b" }, path = "/b" }, remember { printed = event.id } }
    end }
  rule { name = "later", on = "correspondencereceiverread", shadow = true, run = function(event, letter)
    return later { at = "2s", run = "then_send" }
  end, then_send = function(event) return send.http("print") { key = { event.id }, path = "/later" } end }
  rule { name = "real", on = "correspondencepurged", run = function() end }
  rule { name = "off", on = "correspondencepurged", enabled = false, run = function() end }
]]

local one, service

before_each(function() service = target.start() end)

after_each(function()
  if one then one:close() end
  service:close()
  one = nil
end)

local function start(arguments)
  one = host.start { rules = { r = RULE }, arguments = arguments,
    config = ('return { targets = { print = { url = "%s", timeout = 5 } } }'):format(service.url) }
end

local function post(id, letter, type)
  local text = sample.text { id = id, resourceinstance = letter or "letter-" .. id,
    type = "no.altinn.correspondence." .. (type or "correspondencepublished") }
  assert.are.equal(200, (one:post(text)))
end

local function state_of(name)
  local run = one:verdicts()[name]
  return run and run.verdict
end

local function awaits(name, state)
  assert(process.wait(20, function() return state_of(name) == state or nil end), ("%s is %s"):format(name,
    tostring(state_of(name))))
end

local function command(verb, name, ...)
  return one:run(verb, name, one.folder .. "/rules", "--config", one.folder .. "/altinn-events.lua", "--inbox",
    one.inbox, ...)
end

local function act(verb, name)
  local status, out, err = command(verb, name, "--reason", "as agreed", "--yes")
  assert.are.equal(0, status, err)
  return out
end

local function follows(name, word)
  assert(process.wait(5, function()
    local seen
    for line in one:log():gmatch "[^\n]+" do
      if line:find("msg=force rule=" .. name, 1, true) then seen = line:find(word, 1, true) ~= nil end
    end
    return seen or nil
  end), one:log())
end

local function is_refused(wanted, ...)
  local status, out, err = command(...)
  assert.are.equal(1, status)
  assert.are.equal("", out)
  assert.is_truthy(err:find(wanted, 1, true), err)
end

describe("a reload that cannot read which rules are in force by hand", function()
  it("is refused: no rule goes back into the shadow for that", function()
    local in_force = require "altinn.events.host.in_force"
    local folder = process.folder()
    process.write(folder .. "/inbox.db", ("no inbox"):rep(1000))
    local handle = setmetatable({}, { __index = function(_, name) error("the host was told to " .. name) end })
    local done, message = in_force.replace(handle, { inbox = folder .. "/inbox.db" }, {}, error, {}, error)
    process.remove(folder)
    assert.is_nil(done)
    assert.is_truthy(message:find("in force by hand", 1, true), message)
  end)
end)

describe("promote", function()
  it("puts a rule in force within a second, over a restart, and rollback puts it back", function()
    start()
    post "1"
    awaits("1/paper", "shadowed")
    local out = act("promote", "paper")
    assert.is_truthy(out:find("1 run of it would have done something", 1, true), out)
    assert.is_truthy(out:find("says shadow = true; by hand it is put in force\n", 1, true), out)
    assert.is_truthy(out:find("1 value that it remembers in the shadow is forgotten", 1, true), out)
    local before = socket.gettime()
    follows("paper", "in force by hand since")
    assert.is_true(socket.gettime() - before < 1.5)
    post "2"
    awaits("2/paper", "done")
    assert(process.wait(5, function() return one:log():find("verdict=done[^\n]*force=\"by hand\"") or nil end))
    local _, list = one:run("check", "--list", one.folder .. "/rules", "--config", one.folder .. "/altinn-events.lua",
      "--inbox", one.inbox)
    assert.is_truthy(list:find("paper: prints %(in force by hand since .-: as agreed%)"), list)
    assert.is_truthy(list:find("later (in the shadow)", 1, true), list)
    local _, shown = one:run("inbox", "show", "2", "--inbox", one.inbox)
    assert.is_truthy(shown:find("promote of paper (shadow before) by ", 1, true), shown)
    process.write(one.folder .. "/why.lua", ([[return { rules = "%s/rules", targets = {
      print = { url = "%s" } } }]]):format(one.folder, service.url))
    local _, why = one:run("why", "2", "--config", one.folder .. "/why.lua", "--inbox", one.inbox)
    assert.is_truthy(why:find("promote", 1, true) and why:find("as agreed", 1, true), why)
    local _, tried = one:run("try", "2", "--config", one.folder .. "/why.lua", "--inbox", one.inbox)
    assert.is_truthy(tried:find("would go to print by send.http: POST /a", 1, true), tried)
    one:restart()
    post "3"
    awaits("3/paper", "done")
    act("rollback", "paper")
    follows("paper", "back in the shadow")
    post "4"
    awaits("4/paper", "shadowed")
    assert.are.equal(4, #service:requests())
    assert.are.same({ { what = "promote", rule = "paper", state = "shadow", reason = "as agreed" },
      { what = "rollback", rule = "paper", state = "real", reason = "as agreed" } },
      sql.query(one.inbox, "SELECT what, rule, state, reason FROM act ORDER BY number"))
  end)

  it("forgets what the rule remembered in the shadow, not what it remembered in force", function()
    start()
    post("1", "letter")
    awaits("1/paper", "shadowed")
    post("2", "letter")
    awaits("2/paper", "skipped")  -- the shadow remembers
    act("promote", "paper")
    follows("paper", "in force")
    post("3", "letter")
    awaits("3/paper", "done")
    post("4", "letter")
    awaits("4/paper", "skipped")
    act("rollback", "paper")
    follows("paper", "back")
    post("5", "letter")
    awaits("5/paper", "skipped")  -- and what was remembered in force is seen in the shadow
    assert.are.same({ { shadow = 0, value = '"3"' } }, sql.query(one.inbox, "SELECT shadow, value FROM memory"))
  end)

  it("lets what waits act for real, and works without a running host", function()
    start()
    post("1", nil, "correspondencereceiverread")
    awaits("1/later", "later")
    one:stop()
    local out = act("promote", "later")
    assert.is_truthy(out:find("1 run waits for a time or after a failure, and will act then", 1, true), out)
    assert(one:launch())
    awaits("1/later", "done")
    assert.are.equal("/later", service:requests()[1].path)
  end)

  it("ends when the rule's text changes", function()
    start()
    act("promote", "paper")
    follows("paper", "in force")
    one:rewrite { r = RULE:gsub("prints", "prints all") }
    is_refused("the text of the rule 'paper' has changed: the host runs version", "promote", "paper")
    one:signal "HUP"
    follows("paper", "its text has changed")
    post "1"
    awaits("1/paper", "shadowed")
    act("promote", "paper")
    follows("paper", "in force by hand")
    post "2"
    awaits("2/paper", "done")
  end)

  it("refuses what it cannot mean, in words", function()
    start()
    is_refused("there is no rule 'papr' (did you mean 'paper'?)", "promote", "papr")
    is_refused("the rule 'real' does not say shadow = true: it is in force by its text", "promote", "real")
    is_refused("the rule 'off' is switched off", "promote", "off")
    is_refused("the rule 'paper' is in the shadow", "rollback", "paper")
    act("promote", "paper")
    is_refused("the rule 'paper' is in force by hand since", "promote", "paper")
    local status, out, err = command("rollback", "paper", "--json")
    assert.are.equal(2, status)
    assert.is_truthy(err:find("without a terminal this needs --reason TEXT and --yes", 1, true), err)
    assert.is_false(cjson.decode(out).done)
    assert.are.equal(1, #sql.query(one.inbox, "SELECT 1 AS n FROM act"))
  end)

  it("leaves no run half in the shadow, under load", function()
    start { "--workers", "4" }
    local count = 0
    for round = 1, 12 do
      act(round % 2 == 1 and "promote" or "rollback", "paper")
      local ends = socket.gettime() + 0.9
      repeat
        count = count + 1
        post("n" .. count)
      until socket.gettime() > ends
    end
    assert(one:settle(60))
    local rows = sql.query(one.inbox, [[SELECT r.state, count(*) AS runs, sum((SELECT count(*) FROM effect f
      WHERE f.sequence = r.sequence AND f.rule = r.rule AND f.state = 'sent')) AS effects,
      sum((SELECT count(*) FROM memory m WHERE m.thing = 'letter:letter-n' || r.sequence AND m.shadow = 0)) AS kept,
      sum(r.would IS NOT NULL) AS would FROM run r WHERE r.rule = 'paper' GROUP BY 1 ORDER BY 1]])
    assert.are.equal(2, #rows)
    assert.are.same({ state = "done", runs = rows[1].runs, effects = 2 * rows[1].runs, kept = rows[1].runs, would = 0 },
      rows[1])
    assert.are.same({ state = "shadowed", runs = rows[2].runs, effects = 0, kept = 0, would = rows[2].runs }, rows[2])
    assert.are.equal(count, rows[1].runs + rows[2].runs)
    assert.are.equal(2 * rows[1].runs, #service:requests())
  end)
end)
