-- Other programs at the inbox of a host that runs, and a disk that cannot be read: nobody waits long, nothing is lost,
-- and the operator is told the cause.
local fault = require "spec.support.fault"
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"

describe("an inbox", function()
  local one, other

  setup(fault.compile)

  after_each(function()
    if other then other:close() end
    if one then one:close() end
    one, other = nil, nil
  end)

  local function post(id, bytes) return (one:post(sample.text { id = id, x = ("y"):rep(bytes) })) end

  local function ready_is(status)
    return process.wait(20, function() return http.request(one.admin_port, { path = "/readyz" }) == status end)
  end

  -- sqlite3 that has carried out the SQL and stays where it is until it is closed.
  local function stay_in(sql)
    local said = one.folder .. "/said"
    other = assert(io.popen(("sqlite3 -batch %s >%s 2>&1"):format(process.quote(one.inbox), process.quote(said)), "w"))
    other:write(sql, "\n.print ready\n")
    other:flush()
    assert(process.wait(20, function() return (process.read(said) or ""):find("ready", 1, true) end))
  end

  local function log_size()
    local file = assert(io.open(one.inbox .. "-wal", "rb"))
    local size = file:seek("end")
    file:close()
    return size
  end

  it("tells of a program that reads for ever, for the log grows; then the log begins anew", function()
    one = host.start {}
    assert.are.equal(200, post("first", 100))
    stay_in "BEGIN; SELECT count(*) FROM event;"
    local posts = 0
    repeat
      for _ = 1, 50 do
        posts = posts + 1
        assert.are.equal(200, post("beside-" .. posts, 200 * 1024))
      end
      local told = one:log():find("level=warn msg=inbox reason=\"the log of [^\n]* has grown to %d+ MiB[^\n]*" ..
        "end that program")
    until told or posts == 1000
    assert.is_true(posts < 1000, "it is not told of")
    assert.is_true(log_size() > 64 * 1024 * 1024)
    other:close()
    other = nil
    assert(process.wait(20, function()
      assert.are.equal(200, post("after-" .. socket.gettime(), 200 * 1024))
      return log_size() <= 64 * 1024 * 1024
    end), "the log goes on growing")
    assert.are.equal(1, one:ids()["beside-" .. posts])
  end)

  it("waits once for another's lock, says so, and goes on afterwards", function()
    one = host.start {}
    stay_in "BEGIN IMMEDIATE;"
    local began = socket.gettime()
    assert.are.equal(503, post("locked", 100))
    local first = socket.gettime() - began
    assert.are.equal(503, post("locked", 100))
    local second = socket.gettime() - began - first
    assert.is_true(first < 9 and second < first, ("refused after %.1f s, then after %.1f s"):format(first, second))
    local _, _, text = http.request(one.admin_port, { path = "/readyz" })
    assert.truthy(text:find("another program keeps it locked", 1, true), text)
    other:close()
    other = nil
    assert(ready_is(200))
    assert.are.equal(200, post("locked", 100))
    assert.are.equal(1, one:ids().locked)
  end)

  for _, file in ipairs { ".db", ".db-wal" } do
    it(("is not called damaged when the disk cannot be read (%s)"):format(file), function()
      one = host.start {}
      for i = 1, 5 do post("read-" .. i, 60000) end
      one:kill()
      local log = process.read(one.inbox .. "-wal")
      one.env = fault.environment { file = file, call = "read", at = 1, action = "EIO+" }
      assert.is_false((one:launch()))
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(one:log():find("the disk fails", 1, true), one:log())
      assert.is_nil(one:log():find("damaged", 1, true), one:log())
      assert.are.equal(log, process.read(one.inbox .. "-wal"))
      one.env = {}
      assert(one:launch())
      local ids = one:ids()
      for i = 1, 5 do assert.are.equal(1, ids["read-" .. i]) end
    end)
  end

  it("says the disk when a commit cannot be written, not memory", function()
    one = host.start {}
    one:stop()
    one.env = fault.environment { file = ".db-wal", call = "write", at = 4, action = "EIO+" }
    assert(one:launch())
    assert.are.equal(503, post("written", 60000))
    local status, _, text = http.request(one.admin_port, { path = "/readyz" })
    assert.are.equal(503, status)
    assert.truthy(text:find("the disk fails", 1, true), text)
  end)

  it("goes on after the usual cure for a full disk: more room, and a start", function()
    local disk = process.folder()
    if not os.execute("mount -t tmpfs -o size=3m tmpfs " .. disk .. " 2>/dev/null") then
      process.remove(disk)
      return pending("a small disk needs root")
    end
    finally(function()
      one:close()
      one = nil
      os.execute("umount " .. disk)
      process.remove(disk)
    end)
    one = host.start { inbox = disk .. "/inbox.db" }
    local stored = 0
    while post("full-" .. stored + 1, 30000) == 200 do stored = stored + 1 end
    assert.is_true(stored > 10)
    one:stop()
    assert(os.execute("mount -o remount,size=30m " .. disk))
    local ok, log = one:launch()
    assert.is_true(ok, log)
    local ids, count = one:ids()
    assert.are.equal(stored, count)
    for i = 1, stored do assert.are.equal(1, ids["full-" .. i]) end
  end)
end)
