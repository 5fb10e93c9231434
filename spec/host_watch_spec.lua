-- What monitoring sees: whether the workers turn, counters that exist before they count, reloads, and an admin port
-- that everybody reaches.
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"
local sql = require "spec.support.sql"

describe("a worker that stands still", function()
  -- (A rule has no way to a function of C that waits; a library that is made for it has.)
  local RULE = [[
    local wait = require "waiting"
    rule { name = "stuck", on = "x.stuck", limit = { seconds = 0.1 },
           run = function() wait() return skip("at last") end }
  ]]
  local LIBRARY = [[
    #include <unistd.h>
    #include <lua.h>
    static int wait_for_it (lua_State *L) {
      while (access(WAIT, F_OK) != 0) usleep(20000);
      return 0;
    }
    int luaopen_waiting (lua_State *L) {
      lua_pushcfunction(L, wait_for_it);
      return 1;
    }]]

  it("is told by /readyz and the log, and so is that it turns again", function()
    local folder = process.folder()
    process.write(folder .. "/waiting.c", LIBRARY)
    assert(os.execute(("env -u LD_PRELOAD gcc -shared -fPIC -isystem /usr/include/lua5.4 '-DWAIT=\"%s/go\"'"
      .. " -o %s/waiting.so %s/waiting.c"):format(folder, folder, folder)))
    local one = host.start { rules = { stuck = RULE }, arguments = { "--workers", "1" },
      env = { LUA_CPATH_5_4 = folder .. "/?.so;;" } }
    finally(function()
      process.write(folder .. "/go", "")
      one:close()
      process.remove(folder)
    end)
    local function readyz()
      local status, _, body = http.request(one.admin_port, { path = "/readyz" })
      return status, body
    end
    assert.are.equal(200, (readyz()))
    assert.are.equal(200, (one:post(sample.text { type = "x.stuck" })))
    assert(process.wait(20, function() return readyz() == 503 or nil end), "/readyz does not tell")
    assert.truthy(select(2, readyz()):find("^worker 1 stands still: a rule's code has been in a function of C"))
    local _, _, state = http.request(one.admin_port, { path = "/state" })
    assert.truthy(state:find('"workers":[{"number":1,"turns":false,"reason":"worker 1 stands still: ', 1, true), state)
    assert.are.equal(200, (one:post(sample.text { id = "behind", type = "x.stuck" })))
    -- (The command reads the rule without its library.)
    process.write(folder .. "/plain.lua", 'rule { name = "stuck", on = "x.stuck", run = function() end }')
    process.write(folder .. "/why.lua", ('return { rules = { "%s/plain.lua" }, inbox = "%s", admin = "127.0.0.1:%d" }')
      :format(folder, one.inbox, one.admin_port))
    local status, out, err = one:run("why", "behind", "--config", folder .. "/why.lua")
    assert.are.equal(0, status, err)
    assert.truthy(out:find("stuck: not yet: worker 1 stands still: a rule's code", 1, true), out)
    assert.truthy(out:find("and: it stands behind event 1 of the same line, which is running since 20", 1, true), out)
    assert.are.equal(200, (http.request(one.admin_port, { path = "/healthz" })))
    assert.are.equal(200, (one:post(sample.text { id = "meanwhile", type = "x.other" })))
    assert(one:wait_log('level=warn msg=worker reason="worker 1 stands still'))
    process.write(folder .. "/go", "")
    assert(process.wait(20, function() return readyz() == 200 or nil end), "it does not turn again")
    assert(one:wait_log('level=info msg=worker reason="worker 1 turns again"'))
  end)
end)

describe("the metrics", function()
  it("have every counter of a known set from 0 on, and say what was built and when rules were loaded", function()
    local before = os.time()
    local one = host.start {
      rules = { print = 'rule { name = "print", on = "x.print", run = function() return skip("no") end }' },
      config = 'return { targets = { printer = { url = "https://print.example.no" } } }',
    }
    finally(function() one:close() end)
    local metrics = one:metrics()
    for _, code in ipairs { "syntax", "not_cloudevent", "invalid", "too_large", "unsupported", "auth", "not_found",
      "memory", "storage" } do
      assert.are.equal(0, metrics[('refused_total{code="%s"}'):format(code)], code)
    end
    for _, verdict in ipairs { "done", "skipped", "dead", "retry", "later", "abandoned" } do
      assert.are.equal(0, metrics[('verdicts_total{rule="print",verdict="%s"}'):format(verdict)], verdict)
    end
    for _, outcome in ipairs { "sent", "refused", "not_sent", "unknown" } do
      assert.are.equal(0, metrics[('effects_total{target="printer",outcome="%s"}'):format(outcome)], outcome)
    end
    assert.are.equal(0, metrics['breaker_open{target="printer"}'])
    assert.are.equal(0, metrics.last_event_timestamp_seconds)
    assert.are.equal(1, metrics[('build_info{version="%s"}'):format(require("altinn.events")._VERSION)])
    assert.is_true(metrics.reload_timestamp_seconds >= before)
    assert.are.equal(1, metrics.reload_successful)
    one:post(sample.text { type = "x.print" })
    assert.is_true(one:metrics().last_event_timestamp_seconds >= before)
    assert.are.equal(0, metrics['reloads_total{result="refused"}'])
    assert.are.equal(0, metrics['reloads_total{result="done"}'])
    one:rewrite { print = "rule {" }
    one:signal "HUP"
    assert(process.wait(10, function() return one:metrics().reload_successful == 0 or nil end))
    assert.are.equal(1, one:metrics()['reloads_total{result="refused"}'])
    one:rewrite { post = 'rule { name = "post", on = "x.post", run = function() return skip("no") end }' }
    one:signal "HUP"
    assert(process.wait(10, function() return one:metrics().reload_successful == 1 or nil end))
    assert.are.equal(1, one:metrics()['reloads_total{result="done"}'])
    assert.are.equal(0, one:metrics()['verdicts_total{rule="post",verdict="dead"}'])
  end)
end)

describe("the age of the oldest event that waits", function()
  local one
  after_each(function() one:close() end)

  local function age() return one:metrics().oldest_waiting_seconds end

  it("grows while its run fails, and is 0 again", function()
    one = host.start { rules = { slow = [[
      rule { name = "slow", on = "x.slow", order = false, run = function(_, _, context)
        if os.time() - context.received < 4 then error "not yet" end
        return skip("now")
      end }]] } }
    assert.are.equal(0, age())
    one:post(sample.text { type = "x.slow" })
    assert(process.wait(20, function() return age() > 1 or nil end))
    assert(process.wait(20, function() return age() == 0 or nil end))
  end)

  it("is not that of runs that wait as their rule wished, however many stand before", function()
    one = host.start { rules = { w = [[
      rule { name = "waits", on = "x.waits", run = function() return retry_after("1d", "later") end }
      rule { name = "fails", on = "x.fails", run = function() error "no" end }]] } }
    one:post(sample.text { id = "1", type = "x.waits" })
    assert(process.wait(20, function() return #one:list("--state", "later").events == 1 or nil end))
    one:stop()
    sql.execute(one.inbox, [[
      BEGIN;
      UPDATE event SET received = received - 86400000;
      CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        SELECT i FROM n;
      INSERT INTO event SELECT i, received, subscription, body FROM event, n WHERE sequence = 1;
      INSERT INTO run(sequence, rule, state, attempt, due, reason, changed, since, line, tries)
        SELECT i, rule, state, attempt, due, reason, changed, since, line + i, tries FROM run, n
        WHERE sequence = 1;
      INSERT INTO waiting SELECT i, runs, rules FROM waiting, n WHERE sequence = 1;
      COMMIT]])
    assert(one:launch())
    assert(process.wait(20, function() return one:metrics().waiting == 10000 or nil end))
    local posted = socket.gettime()
    one:post(sample.text { id = "other", type = "x.fails" })
    local seen = assert(process.wait(20, function() return age() > 0 and age() or nil end))
    assert.is_true(seen <= socket.gettime() - posted + 1, seen)
  end)
end)

describe("an admin port that everybody reaches", function()
  for address, warns in pairs { ["0.0.0.0"] = true, ["[::]"] = true, ["127.0.0.1"] = false } do
    it("has a warning: " .. address, function()
      local one = host.start { arguments = { "--admin", address .. ":0" } }
      finally(function() one:close() end)
      local said = one:log():find('level=warn msg=admin reason="the admin port can be reached', 1, true)
      assert.are.equal(warns, said ~= nil)
    end)
  end
end)
