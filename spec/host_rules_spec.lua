-- The host and its rules: verdicts, effects, retries, order, budgets,
-- reload; each with the real command and a real target.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local target = require "spec.support.target"

local one, service

after_each(function()
  if one then one:close() end
  if service then service:close() end
  one, service = nil, nil
end)

local function config_for(url)
  return ([[return { targets = {
    print = { url = "%s", timeout = 2, headers = { Authorization = "Bearer %s" } },
    query = { url = "http://me:%s@127.0.0.1:1/?code=%s" } } }]])
    :format(url, "very-secret-token", "very-secret-token", "very-secret-token")
end

local function start_with_target(rules, answers)
  service = target.start(answers)
  one = host.start { rules = rules, config = config_for(service.url) }
end

local posted = 0

-- Events of one meaning come once, so each has a subject of its own.
local function post(changes)
  posted = posted + 1
  local fields = { subject = ("urn:altinn:organization:identifier-no:9%08d"):format(posted) }
  for name, value in pairs(changes or {}) do fields[name] = value end
  assert.are.equal(200, (one:post(sample.text(fields))))
end

local function verdicts() return one:verdicts() end

-- The log tells of a verdict before it is committed.
local function verdict_of(run)
  return assert(process.wait(30, function()
    local found = verdicts()[run]
    return found and found.verdict ~= "retry" and found.verdict ~= "waiting" and found or nil
  end))
end

describe("a rule", function()
  it("gets the event, the letter and its context", function()
    one = host.start { rules = { look = [[
      rule {
        name = "look", on = "correspondencepublished",
        run = function(event, letter, context)
          return skip(("%s %s %s %d %s %s"):format(event.type, letter.id, letter.kind, context.attempt,
            context.came_by, type(context.received)))
        end,
      }]] } }
    post()
    assert(one:settle())
    assert.are.equal("no.altinn.correspondence.correspondencepublished 0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f " ..
      "letter 1 push number", verdicts()["da4ceacc-ad44-4e54-99b6-b58e3c13c785/look"].reason)
  end)

  it("writes to the log, by the global and by its context", function()
    one = host.start { rules = { look = [[
      log("while loading")
      rule { name = "look", on = "*", run = function(event, letter, context)
        log("letter", letter.id)
        log.warn("of", 12345678901)
        context.log.error("it is", nil)
        return skip("looked")
      end }]] } }
    post()
    assert(one:settle())
    for _, line in ipairs {
      'level=info msg=rule rule=look event=1 reason="letter 0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"',
      'level=warn msg=rule rule=look event=1 reason="of ***********"',
      'level=error msg=rule rule=look event=1 reason="it is nil"', 'level=info msg=rule reason="while loading"',
    } do
      assert(one:wait_line(line), one:log())
    end
  end)

  it("that opens an identity number is logged with its purpose, and the number masked", function()
    one = host.start { rules = { look = [[
      rule { name = "look", on = "*", run = function(event)
        return skip("as text: " .. #events.reveal(event.subject, "printed on the envelope"))
      end }]] } }
    post { subject = "urn:altinn:person:identifier-no:01020312345" }
    assert(one:settle())
    assert(one:wait_line('msg=reveal rule=look event=1 reason="printed on the envelope: '
      .. 'urn:altinn:person:identifier-no:***********"'), one:log())
    assert.is_nil(one:log():find("01020312345", 1, true))
  end)

  it("gives each verdict a row, a line of the log and a metric", function()
    one = host.start { rules = { all = [[
      rule { name = "nothing", on = "*", run = function() end }
      rule { name = "skips", on = "*", run = function() return skip("no need") end }
      rule { name = "fails", on = "*", run = function() return fail("never") end }
      rule { name = "waits", on = "*", run = function() return retry_after("1h", "later") end }
      rule { name = "elsewhere", on = "correspondencepurged", run = function() end }
      rule { name = "off", on = "*", enabled = false, run = function() end }
    ]] } }
    post { id = "1" }
    assert(one:wait_log("rule=waits.-verdict=later"))
    assert(one:wait_log("rule=fails.-verdict=dead reason=never"))
    assert(process.wait(30, function() return verdicts()["1/waits"] and verdicts()["1/fails"] end))
    local found = verdicts()
    assert.are.equal("done", found["1/nothing"].verdict)
    assert.are.equal("skipped", found["1/skips"].verdict)
    assert.are.equal("no need", found["1/skips"].reason)
    assert.are.equal("dead", found["1/fails"].verdict)
    assert.are.equal("later", found["1/waits"].verdict)
    assert.are.equal("the rule returned nothing", found["1/nothing"].reason)
    assert.is_nil(found["1/elsewhere"])
    assert.is_nil(found["1/off"])
    local metrics = one:metrics()
    assert.are.equal(1, metrics['verdicts_total{rule="skips",verdict="skipped"}'])
    assert.are.equal(1, metrics.dead)
    assert.are.equal(1, metrics.waiting)
    assert.are.equal(1, metrics['run_seconds_count{rule="nothing"}'])
    assert(one:wait_log('msg=verdict rule=skips event=1 type=%S+ verdict=skipped reason="no need" attempt=1'))
  end)

  it("counts an event that no rule wants", function()
    one = host.start {}
    post()
    assert(process.wait(30, function() return one:metrics().unmatched_total == 1 end))
    assert.are.equal(1, one:list("--state", "unmatched").count)
  end)
end)

local PRINT = [[
  rule {
    name = "print", on = "correspondencepublished",
    run = function(event, letter)
      return send.http("print") { key = { "print", event.id }, path = "/jobs", json = { letter = letter.id } }
    end,
  }]]

describe("an effect", function()
  it("goes out once, with its key, and never again for the same key", function()
    start_with_target { print = PRINT:gsub("event%.id", "letter.id") }
    post { id = "e-1" }
    local list = assert(service:wait(1))
    assert.are.equal("POST", list[1].method)
    assert.are.equal("/jobs", list[1].path)
    assert.are.equal("print:print/print/0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", list[1].headers["idempotency-key"])
    assert.are.equal("Bearer very-secret-token", list[1].headers.authorization)
    assert.are.equal("application/json", list[1].headers["content-type"])
    assert.are.equal("0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", cjson.decode(list[1].body).letter)
    post { id = "e-2" }
    assert(one:settle())
    assert.are.equal(1, #service:requests())
    local run = verdict_of "e-2/print"
    assert.are.same({ "skipped", "not sent: event 1 has sent print:print/print/0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f" },
      { run.verdict, run.reason })
  end)

  it("is sent again while its target cannot take it", function()
    start_with_target({ print = PRINT }, { "503", "close", "429 0 1", "201" })
    post { id = "again" }
    local list = assert(service:wait(4, 20))
    assert(one:settle())
    for _, request in ipairs(list) do assert.are.equal(list[1].headers["idempotency-key"],
      request.headers["idempotency-key"]) end
    assert.is_true(list[4].time - list[3].time >= 0.99, "Retry-After was not honoured")
    local run = verdict_of "again/print"
    assert.are.equal("done", run.verdict)
    assert.are.equal(4, run.attempt)
  end)

  it("that is refused for good is a dead letter, which can be sent again by hand", function()
    start_with_target({ print = PRINT }, { "422", "200" })
    post { id = "dead" }
    assert(one:wait_log("verdict=dead"))
    assert(one:settle())
    local run = verdict_of "dead/print"
    assert.are.equal("dead", run.verdict)
    assert.truthy(run.reason:find("422", 1, true))
    assert.are.equal(0, (one:run("inbox", "retry", "dead", "--inbox", one.inbox)))
    assert(service:wait(2))
    assert(process.wait(30, function() return verdicts()["dead/print"].verdict == "done" end))
    assert.are.equal(0, one:metrics().dead)
  end)

  it("dead letters can be given up by hand, and stay so after a restart", function()
    start_with_target({ print = PRINT }, { "400" })
    post { id = "given-up" }
    assert(one:wait_log("verdict=dead"))
    assert.are.equal(0, (one:run("inbox", "discard", "given-up", "--inbox", one.inbox)))
    one:restart()
    assert.are.equal("discarded", verdict_of("given-up/print").verdict)
    assert.are.equal(1, #service:requests())
  end)

  it("goes nowhere that the rule has no power for", function()
    start_with_target { print = PRINT:gsub("run =", 'may = { "read:overview" }, run =')
      :gsub('send.http%("print"%)', 'send.http(("print"):lower())') }
    post { id = "powerless" }
    assert(one:wait_log("verdict=dead"))
    assert.truthy(verdict_of("powerless/print").reason:find('"send:print" is missing', 1, true))
    assert.are.equal(0, #service:requests())
  end)

  it("to a target that nobody configured names the nearest one", function()
    start_with_target { print = PRINT:gsub('send.http%("print"%)', 'send.http(("prnt"):lower())') }
    post { id = "typo" }
    assert(one:wait_log("verdict=dead"))
    assert.truthy(verdict_of("typo/print").reason:find("print", 1, true))
  end)

  it("without a key goes out once for each event, also when the rule returns the same one again", function()
    start_with_target { print = [[
      local always = send.http("print") { path = "/jobs" }
      rule { name = "print", on = "*", run = function() return always end }]] }
    for i = 1, 3 do post { id = "s-" .. i } end
    assert(one:settle())
    assert.are.equal(3, #service:requests())
  end)

  it("of several runs under way goes out once, whichever rule it is of", function()
    local rules = PRINT:gsub('name = "print"', 'name = "print", order = false, retry = { attempts = 1 }')
      :gsub('{ "print", event.id }', '"the:same"')
    start_with_target({ print = rules, too = rules:gsub('name = "print"', 'name = "too"') }, { "503 0.2", "200 0.2" })
    for i = 1, 2 do post { id = "c-" .. i } end
    assert(one:settle())
    -- The first one gave up, another one took over.
    assert.are.equal(2, #service:requests())
    local count = { dead = 0, done = 0, skipped = 0 }
    for _, run in pairs(verdicts()) do count[run.verdict] = count[run.verdict] + 1 end
    -- Of the others one has sent it; the run of its event under the other rule is done with it too.
    assert.are.same({ dead = 1, rest = 3 }, { dead = count.dead, rest = count.done + count.skipped })
  end)

  it("has a key of its own among those of its run", function()
    start_with_target { print = [[
      rule { name = "print", on = "*", run = function()
        return { send.http("print") { key = "x:1", path = "/a" },
          send.http("print") { key = tostring "x:1", path = "/b" } }
      end }]] }
    post { id = "two" }
    assert(one:wait_log("verdict=dead"))
    assert.truthy(verdict_of("two/print").reason:find("two effects have the key print:x:1", 1, true))
    assert.are.equal(0, #service:requests())
  end)

  it("was recorded before it is sent: kill -9 meanwhile sends it again under the same key", function()
    start_with_target({ print = PRINT }, { "200 1", "200" })
    post { id = "killed" }
    assert(service:wait(1))
    one:kill()
    assert(one:launch())
    local list = assert(service:wait(2))
    assert.are.equal(list[1].headers["idempotency-key"], list[2].headers["idempotency-key"])
    assert(one:settle())
    assert.are.equal("done", verdict_of("killed/print").verdict)
  end)

  it("several of one rule go out in order; one that failed holds back the rest", function()
    start_with_target({ many = [[
      rule { name = "many", on = "*", run = function(event)
        return {
          send.http("print") { key = { event.id, "a" }, path = "/a" },
          send.http("print") { key = { event.id, "b" }, path = "/b" },
          send.http("print") { key = { event.id, "c" }, path = "/c" },
        }
      end }]] }, { "200", "503", "200" })
    post { id = "many" }
    local list = assert(service:wait(4))
    local paths = {}
    for i, request in ipairs(list) do paths[i] = request.path end
    assert.are.same({ "/a", "/b", "/b", "/c" }, paths)
    assert(one:settle())
    assert.are.equal(4, #service:requests())
  end)
end)

describe("the order", function()
  it("of runs for one letter is that of arrival, also over retries; other letters go on", function()
    start_with_target({ print = PRINT }, { "503 0 1", "200" })
    post { id = "o-1" }
    assert(service:wait(1))
    post { id = "o-2" }
    post { id = "o-3" }
    post { id = "other", resourceinstance = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0eff" }
    local list = assert(service:wait(5))
    local keys = {}
    for i, request in ipairs(list) do keys[i] = request.headers["idempotency-key"]:match("[^/]+$") end
    assert.are.same({ "o-1", "other", "o-1", "o-2", "o-3" }, keys)
  end)

  it("holds after a restart", function()
    start_with_target({ print = PRINT }, { "503 0 1", "200" })
    post { id = "r-1" }
    assert(one:wait_log("verdict=retry"))
    for i = 2, 6 do post { id = "r-" .. i } end
    one:kill()
    assert(one:launch())
    local list = assert(service:wait(7))
    local keys = {}
    for i, request in ipairs(list) do keys[i] = request.headers["idempotency-key"]:match("[^/]+$") end
    assert.are.same({ "r-1", "r-1", "r-2", "r-3", "r-4", "r-5", "r-6" }, keys)
  end)
end)

describe("SIGHUP", function()
  local function rule_of(reason)
    return { r = ('rule { name = "r", on = "*", run = function() return skip("%s") end }'):format(reason) }
  end

  it("brings the new rules; broken ones change nothing", function()
    one = host.start { rules = rule_of "old" }
    post { id = "h-1" }
    assert(one:wait_log("reason=old"))
    one:rewrite { r = "rule { name = 'r', on = '*', run = function( return end }" }
    one:signal "HUP"
    assert(one:wait_log("old ones stay in force"))
    assert(one:wait_line("r.lua:1:"), one:log())
    post { id = "h-2" }
    assert(one:settle())
    one:rewrite(rule_of "new")
    one:signal "HUP"
    assert(one:wait_log("1 rule is in force"))
    post { id = "h-3" }
    assert(one:settle())
    local found = verdicts()
    assert.are.equal("old", found["h-2/r"].reason)
    assert.are.equal("new", found["h-3/r"].reason)
  end)

  it("survives what cannot be read, and what nobody thought of", function()
    one = host.start { rules = rule_of "old" }
    for index, line in ipairs { "ln -s /nowhere b.lua", "rm b.lua && mkdir b.lua", "rmdir b.lua && mkfifo b.lua" } do
      assert(os.execute(("cd %s && %s"):format(process.quote(one.folder .. "/rules"), line)))
      one:signal "HUP"
      assert(one:wait_log(("old ones stay"):rep(index, ".*")), one:log())
      assert(one:wait_line(("rules/b.lua: %s"):format(
        ({ "No such file", "this is a folder", "this is no regular file" })[index])), one:log())
    end
    process.remove(one.folder .. "/rules/b.lua")
    process.write(one.folder .. "/rules/b.lua", ('rule { name = "b", on = "x.y", run = function(x) return x%s end }')
      :format((".x"):rep(300000)))
    one:signal "HUP"
    assert(one:wait_log("cannot read this file.*2 rules are in force"), one:log())
    post { id = "u-1" }
    assert(one:settle())
    assert.are.equal("old", verdicts()["u-1/r"].reason)
  end)

  it("abandons what waits for a rule that is gone, and says so", function()
    one = host.start { rules = { r = [[
      rule { name = "gone", on = "*", run = function() return retry_after("60s") end }]] } }
    post { id = "g-1" }
    assert(one:wait_log("rule=gone.-verdict="))
    one:rewrite(rule_of "new")
    one:signal "HUP"
    assert(one:wait_log('level=warn msg=abandoned rule=gone runs=1 reason="no rule of this name is in force'))
    assert(one:settle())
    assert.are.equal("abandoned", verdicts()["g-1/gone"].verdict)
    assert.are.equal(1, one:metrics()['verdicts_total{rule="gone",verdict="abandoned"}'])
    assert.are.equal(1, one:list("--state", "abandoned").count)
  end)
end)

describe("SIGHUP while the host starts", function()
  it("ends nothing: it is taken when the host is there", function()
    one = host.start {}
    one:stop()
    -- The configuration cannot be read before the pipe is written to: the host is at its start until then.
    local pipe = one.folder .. "/altinn-events.lua"
    process.remove(pipe)
    assert(os.execute("mkfifo " .. process.quote(pipe)))
    one:begin()
    local open = "timeout 20 sh -c 'exec 3>%s; kill -HUP %d; echo return {} >&3'"
    assert(os.execute(open:format(pipe, one.process.pid) .. " >/dev/null 2>&1 </dev/null"))
    assert(one:wait_log "msg=reload reason=\"1 rule is in force\"", one:log())
  end)
end)

describe("rule files", function()
  it("are read once, by the main thread, and the workers get those texts", function()
    one = host.start { arguments = { "--workers", "2" } }
    one:stop()
    -- The file requires an installed module, which may do all that a program may: it takes the file away.
    process.write(one.folder .. "/rules/once.lua",
      'require "takes_away" rule { name = "once", on = "*", run = function() return skip("read") end }')
    process.write(one.folder .. "/takes_away.lua", ("os.remove %q"):format(one.folder .. "/rules/once.lua"))
    one.env.LUA_PATH_5_4 = one.folder .. "/?.lua;" .. (os.getenv "LUA_PATH_5_4" or os.getenv "LUA_PATH" or "")
    assert(one:launch())
    post { id = "once" }
    assert(one:settle())
    assert.are.equal("read", verdicts()["once/once"].reason)
  end)

  it("may change or go while the host runs, modules that bodies require later too", function()
    one = host.start { arguments = { "--workers", "2" }, rules = {
      r = 'rule { name = "r", on = "*", run = function() return skip(require("words").text) end }',
      ["lib/words"] = 'return { text = "first" }',
    } }
    process.write(one.folder .. "/rules/r.lua", "broken {")
    process.remove(one.folder .. "/rules/lib")
    post { id = "l-1" }
    assert(one:settle())
    assert.are.equal("first", verdicts()["l-1/r"].reason)
  end)

  it("cannot change how the host writes JSON", function()
    one = host.start { arguments = { "--workers", "1" }, rules = { r = [[
      require("cjson.safe").encode_max_depth(1)
      rule { name = "r", on = "*", run = function() return skip("fine") end }]] }, config =
      'return { targets = { a = { url = "http://127.0.0.1:1", headers = { A = "b" } } } }' }
    post { id = "j-1" }
    assert(one:settle())
    assert.are.equal("fine", verdicts()["j-1/r"].reason)
    one:signal "HUP"
    assert(one:wait_log("in force"))
    post { id = "j-2" }
    assert(one:settle())
    assert.are.equal("fine", verdicts()["j-2/r"].reason)
  end)
end)

describe("broken rules at the start", function()
  it("stop the host, with file, line and the nearest word", function()
    one = host.start { may_fail = true, rules = {
      a = "rule {", b = 'rule { name = "b", onn = "*", run = print }',
      c = '\n\nrule { name = "c", on = "correspondencepublishd", run = print }',
    } }
    assert.is_false(one.running)
    assert.are.equal(1, one.process:wait_exit())
    local log = one:log()
    assert.truthy(log:find("a.lua:1:", 1, true))
    assert.truthy(log:find("b.lua:1: rule 'b': unknown key 'onn'", 1, true), log)
    assert.truthy(log:find("c.lua:3:", 1, true))
    assert.truthy(log:find("correspondencepublished", 1, true))
  end)
end)

describe("--once", function()
  it("does what is there and ends with 0", function()
    start_with_target({ print = PRINT })
    for i = 1, 20 do post { id = "once-" .. i } end
    one:kill()
    one.arguments = { "--once" }
    one:launch()
    assert.are.equal(0, one.process:wait_exit(10))
    local found = verdicts()
    for i = 1, 20 do assert.are.equal("done", found[("once-%d/print"):format(i)].verdict) end
  end)

  it("ends when all is done, not while a run is slow and others stand behind it", function()
    start_with_target({ slow = [[
      rule { name = "slow", on = "*", order = false, limit = { at_once = 1 },
        run = function() return send.http("print") {} end }]] }, { "200 0.7" })
    for i = 1, 4 do post { id = "once-" .. i } end
    one:kill()
    one.arguments = { "--once" }
    one:launch()
    assert.are.equal(0, one.process:wait_exit(60))
    local found = verdicts()
    for i = 1, 4 do assert.are.equal("done", found[("once-%d/slow"):format(i)].verdict) end
  end)
end)

describe("an effect", function()
  it("is sent when the target says so, however long its answer is", function()
    service = script.start()
    service:answer "return { status = 200, bytes = 2000000 }"
    one = host.start { config = config_for(service.url), rules = { large = [[
      rule { name = "large", on = "*", run = function() return send.http("print") { body = "x" } end }]] } }
    post { id = "large" }
    assert(one:wait_log "rule=large.-verdict=done")
    assert.are.equal(1, #service:requests())
  end)

  it("does not go out again when its run was discarded by hand", function()
    start_with_target({ gone = [[
      rule { name = "gone", on = "*", run = function() return send.http("print") { key = "k:1", body = "x" } end }]] },
      { "503" })
    post { id = "gone" }
    assert(one:wait_log "rule=gone.-verdict=retry")
    local status, out, err = one:run("inbox", "discard", "1", "--inbox", one.inbox)
    assert.are.equal(0, status, err)
    assert.truthy(out:find("1", 1, true))
    assert(one:settle())
    local before = #service:requests()
    post { id = "next" }
    assert(service:wait(before + 1))
    assert.are.equal("discarded", verdict_of("gone/gone").verdict)
  end)

  it("goes out although the one before it in the list is none", function()
    start_with_target { holes = [[
      rule { name = "holes", on = "*", run = function()
        return { nil, send.http("print") { body = "b" }, nil, send.http("print") { body = "d" } }
      end }]] }
    post { id = "holes" }
    assert(one:wait_log "rule=holes.-verdict=done")
    assert.are.equal(2, #assert(service:wait(2)))
  end)
end)

describe("a body that tells in Lua's way what failed", function()
  it("fails: nil and a reason, and a table that it raises", function()
    one = host.start { rules = { r = [[
      local function find() return nil, "no such customer" end
      rule { name = "returns", on = "*", run = function() return find() end }
      rule { name = "raises", on = "*", run = function() error { code = 7 } end }]] } }
    post { id = "no" }
    assert(one:wait_log("rule=returns [^\n]*the rule returned nil, and why: no such customer"), one:log())
    assert(one:wait_log("rule=raises [^\n]*an error that is a table: { code = 7 }"), one:log())
  end)
end)

describe("identity numbers", function()
  local PERSON, TOKEN = "08895699684", "very-secret-token"

  it("stand nowhere in clear, nor does a token", function()
    start_with_target({ rules = [[
      rule { name = "leaks", on = "*", run = function()
        return send.http("query") { key = "leaks:1" }
      end }
      rule { name = "throws", on = "*", run = function(event) error("bad subject " .. event.subject) end }
      rule { name = "logs", on = "*", run = function(event, _, context)
        context.log("looked at " .. event.subject)
        log.info("and at " .. event.subject)
        print("printed", event.subject)
        return skip(event.subject)
      end }
      rule { name = "prints", on = "*", order = "subject", run = function(event)
        local subject = event.subject
        return send.http("print") { key = { subject }, path = "/people", body = subject }
      end }]] }, { "500" })
    local urn = "urn:altinn:person:identifier-no:" .. PERSON
    post { id = "p-" .. PERSON, subject = urn, alternativesubject = "/person/" .. PERSON }
    one:post(sample.text { id = "", subject = urn, time = PERSON })
    one:post("{" .. PERSON)
    one:post(sample.text(), nil, "/events/x/" .. PERSON)
    assert(one:wait_log("rule=throws.-verdict=retry"))
    assert(one:wait_log("rule=prints.-verdict=retry"))
    assert(one:wait_log("rule=leaks.-verdict=retry"))
    assert(one:wait_log("rule=logs.-verdict=skipped"))
    for _, words in ipairs { "looked at", "and at", "printed" } do
      assert(one:wait_line(('msg=rule rule=logs event=1 reason="%s urn:altinn:person:'):format(words)), one:log())
    end
    local texts = { one:log(), one.process:output(), one:metrics().text }
    local inbox = { "--inbox", one.inbox }
    for _, words in ipairs { { "list" }, { "list", "--json" }, { "show", "1" }, { "show", "1", "--json" } } do
      local all = { "inbox", table.unpack(words) }
      table.move(inbox, 1, 2, #all + 1, all)
      local _, out, err = one:run(table.unpack(all))
      assert.truthy(#out > 20)
      texts[#texts + 1] = out .. err
    end
    local _, why = one:run("why", "1", "--inbox", one.inbox, "--config", one.folder .. "/altinn-events.lua",
      one.folder .. "/rules")
    texts[#texts + 1] = why
    for _, bad in ipairs { sample.text { id = "", subject = urn, [PERSON] = "" }, "{\"" .. PERSON } do
      local _, _, body = one:post(bad)
      texts[#texts + 1] = body
    end
    for _, text in ipairs(texts) do
      assert.is_nil(text:find(PERSON, 1, true), text)
      assert.is_nil(text:find(TOKEN, 1, true), text)
    end
    -- The target itself gets what the rule sends: two requests, in any order.
    local bodies = {}
    for i, request in ipairs(assert(service:wait(2))) do bodies[i] = request.body end
    assert.truthy(table.concat(bodies, " "):find(PERSON, 1, true))
  end)
end)

describe("what a rule writes to standard output and standard error", function()
  it("is a masked line of the log, and holds nobody up", function()
    local noisy = host.start { rules = { noisy = [[
      rule { name = "noisy", on = "*", run = function()
        io.write("out 08895699684", "\n")
        io.stderr:write("err ", 1, "\27[2J"):write("more")
        io.stdout:write(("x"):rep(300000))
        return skip(tostring(io.output()) .. tostring(io.stdout:setvbuf("no")))
      end }]] } }
    finally(function() noisy:close() end)
    assert.are.equal(200, (noisy:post(sample.text { id = "noise" })))
    assert(noisy:wait_log 'verdict=skipped reason="file %(the log%)true"')
    local log = noisy:log()
    assert.is_truthy(log:find('msg=rule rule=noisy event=1 reason="out ***********"', 1, true), log:sub(1, 2000))
    assert.is_truthy(log:find('reason="err 1\\u001b[2J"', 1, true), log:sub(1, 2000))
    assert.is_nil(log:find("08895699684", 1, true))
    assert.are.equal("", noisy.process:output())
  end)
end)

describe("the variables that the configuration has read", function()
  it("are not for rules, others are", function()
    local own = host.start {
      env = { SOME_SECRET = "s3cret-s3cret-s3cret", SOME_FOLDER = "/srv/letters" },
      config = [[return { targets = { print = { url = "http://127.0.0.1:9",
        headers = { A = env "SOME_SECRET" } } } }]],
      rules = { curious = [[rule { name = "curious", on = "*", run = function()
        return skip(tostring(os.getenv "SOME_SECRET") .. " " .. tostring(os.getenv "SOME_FOLDER"))
      end }]] },
    }
    finally(function() own:close() end)
    assert.are.equal(200, (own:post(sample.text { id = "v" })))
    assert(own:wait_log 'verdict=skipped reason="nil /srv/letters"')
  end)
end)
