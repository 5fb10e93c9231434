-- The disk fails, or the host dies, at each write that brings the log into the database: while it runs, and while it
-- closes. Each time the host starts again, with every event that it acknowledged and none that nobody sent.
-- ALTINN_EVENTS_KILL_ROUNDS: how many writes of a checkpoint under load are tried (it has thousands), and how many
-- kills at random; ALTINN_EVENTS_KILL_SEED repeats a run's choices.
local fault = require "spec.support.fault"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"

local ROUNDS = tonumber(os.getenv("ALTINN_EVENTS_KILL_ROUNDS") or "") or 8
local SEED = tonumber(os.getenv("ALTINN_EVENTS_KILL_SEED") or "") or os.time()
local HINT = ("(ALTINN_EVENTS_KILL_SEED=%d)"):format(SEED)
local COPY_PAGES = 4000 -- of 4 KiB in the log, from which a checkpoint begins

describe("a disk that fails under the inbox", function()
  local one, count, sent, acknowledged

  setup(function()
    math.randomseed(SEED)
    fault.compile()
  end)

  before_each(function()
    one, sent, acknowledged, count = host.start {}, {}, {}, 0
    one:stop()
  end)

  after_each(function() one:close() end)

  -- False when the host is gone.
  local function post(bytes)
    count = count + 1
    local id = ("fault-%d"):format(count)
    sent[id] = true
    local fine, status = pcall(one.post, one, sample.text { id = id, x = ("y"):rep(bytes) })
    if fine and status == 200 then acknowledged[id] = true end
    return fine and status ~= nil
  end

  local function start(facts)
    one.env = facts and fault.environment(facts) or {}
    local ok, log = one:launch()
    assert.is_true(ok, log)
  end

  local function end_it()
    one:signal "TERM"
    return assert(one.process:wait_exit(30), "the host does not end")
  end

  local function complete(hint)
    local ids = one:ids()
    for id in pairs(acknowledged) do assert.are.equal(1, ids[id], id .. " was acknowledged and is lost: " .. hint) end
    for id in pairs(ids) do assert.is_true(sent[id], "nobody sent " .. id .. ": " .. hint) end
  end

  -- Small and large events, then the end: its checkpoint has a few dozen writes.
  local function one_life(facts)
    start(facts)
    complete(("%s %s %d"):format(facts.file, facts.action, facts.at))
    return post(100) and post(60000) and post(300) and end_it()
  end

  -- Walks the fault over all calls of a life that ends.
  local function walk(file, action)
    local counter = one.folder .. "/count"
    one_life { file = file, call = "any", at = 0, action = action, count = counter }
    local calls = tonumber(process.read(counter))
    assert.is_true(calls > 15, "only so many calls: " .. calls)
    for at = 1, calls do
      one_life { file = file, call = "any", at = at, action = action }
      assert(one.process:wait_exit(30))
    end
    start()
    complete("at the end of the walk")
    assert.are.same({ { integrity_check = "ok" } }, sql.query(one.inbox, "PRAGMA integrity_check"))
  end

  for _, action in ipairs { "kill", "EIO", "ENOSPC", "tear" } do
    it(("at the end, at each write to the database: %s"):format(action), function() walk(".db", action) end)
  end

  it("at the end and before, at each write to the log: kill", function() walk(".db-wal", "kill") end)

  -- A file of schema 3 that a start brings up to date, and the start fails at some call: the file has the one schema or
  -- the other, whole, and the next start has every row.
  local function schema() return sql.query(one.inbox, "PRAGMA user_version")[1].user_version end

  local function earlier()
    process.remove(one.inbox)
    process.remove(one.inbox .. "-wal")
    process.remove(one.inbox .. "-shm")
    assert(os.execute(("sqlite3 %s <spec/support/inbox_schema3.sql"):format(one.inbox)))
  end

  local function rows()
    return sql.query(one.inbox, [[SELECT (SELECT count(*) FROM event) AS events, (SELECT count(*) FROM run) AS runs,
      (SELECT count(*) FROM memory) AS memory, (SELECT count(*) FROM attempt WHERE number <= 4) AS attempts,
      (SELECT hex(value) FROM secret) AS secret]])[1]
  end

  local function bring_up(file, action)
    local counter, seen = one.folder .. "/count", {}
    earlier()
    local before = rows()
    start { file = file, call = "any", at = 0, action = action, count = counter }
    local calls = tonumber(process.read(counter))
    assert.is_true(one.process:stop() ~= nil)
    assert.is_true(calls > 3, "only so many calls: " .. calls)
    for at = math.random(1, math.max(1, calls // (2 * ROUNDS))), calls, math.max(1, calls // (2 * ROUNDS)) do
      earlier()
      one.env = fault.environment { file = file, call = "any", at = at, action = action }
      one:begin()
      process.wait(30, function() return one.process:status() or one:log():find("msg=listening", 1, true) or nil end)
      if not one.process:status() then one:signal "KILL" end
      assert(one.process:wait_exit(30))
      local version = schema()
      seen[version] = true
      assert.are.same({ { integrity_check = "ok" } }, sql.query(one.inbox, "PRAGMA integrity_check"))
      assert.are.equal(version == 4 and 1 or 0, #sql.query(one.inbox,
        "SELECT 1 AS n FROM sqlite_master WHERE name = 'replay'"))
      assert.are.same(before, rows())
      start()
      assert.are.equal(4, schema())
      assert(one.process:stop())
      assert.are.same(before, rows())
    end
    return seen
  end

  for _, action in ipairs { "kill", "EIO" } do
    it(("while a file is brought up to date, at calls all over the log: %s"):format(action), function()
      assert.is_true(bring_up(".db-wal", action)[3])
    end)
  end

  -- More events than start a checkpoint, 200 KiB each, then some more.
  local function load()
    local events = COPY_PAGES // 51 + 4
    for _ = 1, events do
      if not post(200 * 1024) then return false end
    end
    return true
  end

  local function log_size() return #(process.read(one.inbox .. "-wal") or "") end

  it("under load, at writes all over a checkpoint: kill", function()
    local counter = one.folder .. "/count"
    start { file = ".db", call = "write", at = 0, action = "kill", count = counter }
    load()
    assert(process.wait(30, function() return tonumber(process.read(counter) or 0) > COPY_PAGES * 0.9 end),
      "no checkpoint while the host runs")
    local died = 0
    for round = 1, ROUNDS do
      end_it()
      local at = round == 1 and 1 or round == 2 and 2 or math.random(3, COPY_PAGES)
      start { file = ".db", call = "write", at = at, action = "kill" }
      complete(("the write before %d %s"):format(at, HINT))
      load()
      if one.process:wait_exit(2) then died = died + 1 end
    end
    assert.is_true(died >= ROUNDS - 1, died .. " died")
    start()
    complete(HINT)
  end)

  for _, action in ipairs { "EIO+", "ENOSPC+" } do
    it(("under load, from some write of a checkpoint on: %s, and the host goes on"):format(action), function()
      start { file = ".db", call = "write", at = math.random(1, 3000), action = action }
      assert.is_true(load())
      assert.truthy(one:wait_log("level=warn msg=inbox reason=\"the log of the inbox [^\n]* grows"))
      assert.is_true(post(100))
      end_it()
      start()
      complete(action)
    end)
  end

  it("under load, when the database cannot be synced: keeps the log for the next start", function()
    start { file = ".db", call = "sync", at = 1, action = "EIO" }
    assert.is_true(load())
    assert.truthy(one:wait_log("could not be brought to stable storage"))
    assert.is_true(load())
    end_it()
    assert.is_true(log_size() > 2 * COPY_PAGES * 4096)
    start()
    complete("a log that was kept")
    end_it()
    assert.are.equal(0, log_size())
  end)

  -- Checkpoints are under way most of the time; a fresh inbox now and then, for the list is read after each round.
  it("killed at random under 60 KiB and 200 KiB events", function()
    for round = 1, ROUNDS do
      start()
      complete(("before kill %d %s"):format(round, HINT))
      if round % 5 == 0 then
        one:close()
        one, sent, acknowledged = host.start {}, {}, {}
      end
      assert(os.execute(("(sleep %.4f; kill -KILL %d) >/dev/null 2>&1 &"):format(0.05 + math.random() * 0.5,
        one.process.pid)))
      local posts, deadline = 0, os.time() + 30
      while post(math.random(2) == 1 and 60 * 1024 or 200 * 1024) do
        posts = posts + 1
        assert(os.time() < deadline, "the host was not killed " .. HINT)
      end
      assert(one.process:wait_exit(30))
    end
    start()
    complete("after the last kill " .. HINT)
    assert.are.same({ { integrity_check = "ok" } }, sql.query(one.inbox, "PRAGMA integrity_check"))
  end)
end)
