-- The log can fail: nobody reads it, its reader is gone, its disk is full, it is closed. The host goes on, counts what
-- it had to drop, and ends well.
local cjson = require "cjson"
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

local RULES = { chatty = [[
  rule { name = "chatty", on = "x.chatty", order = false, run = function(event)
    return skip(("long words "):rep(150))
  end }]] }

-- One signal after the other until the process is gone; its exit status.
local function bombard(one)
  os.execute(("while kill -TERM %d && kill -HUP %d && kill -INT %d; do :; done 2>/dev/null"):format(one.pid, one.pid,
    one.pid))
  return one:wait_exit(30)
end

describe("the log", function()
  local folder, started

  before_each(function() folder, started = process.folder(), {} end)
  after_each(function()
    for _, one in ipairs(started) do
      if not one:status() then
        one:signal "KILL"
        one:wait_exit(30)
      end
    end
    process.remove(folder)
  end)

  -- A host whose standard error is what `to` makes of it ("2>…"). Its ports are in a file that its rules' folder gives.
  local function start(to, config, rule)
    local ports = {}
    for i = 1, 2 do
      local server = assert(require("socket").bind("127.0.0.1", 0))
      ports[i] = select(2, server:getsockname())
      server:close()
    end
    assert(os.execute("mkdir -p " .. folder .. "/rules"))
    process.write(folder .. "/rules/chatty.lua", rule or RULES.chatty)
    process.write(folder .. "/altinn-events.lua", config or "return {}")
    local self = { port = ports[1], admin_port = tonumber(ports[2]) }
    self.process = process.start(folder, "host", ("sh -c 'exec %s run %s/rules --config %s/altinn-events.lua "
      .. "--listen 127.0.0.1:%d --admin 127.0.0.1:%d --inbox %s/inbox.db %s'"):format(host.program(), folder, folder,
      ports[1], ports[2], folder, to))
    assert(process.wait(60, function()
      local called, status = pcall(http.request, self.admin_port, { path = "/healthz" })
      local connected, client = pcall(http.connect, self.port)  -- the admin port is there first
      if connected then client:close() end
      return called and connected and status == 200 or nil
    end), "it does not start")
    started[#started + 1] = self.process
    return self
  end

  local function post(self, id, kind)
    return (http.post(self.port, "/events", sample.text { id = id, type = kind or "x.chatty" },
      { ["Content-Type"] = "application/cloudevents+json" }))
  end

  local function metric(self, name)
    local _, _, text = http.request(self.admin_port, { path = "/metrics" })
    return tonumber(text:match("\naltinn_events_" .. name .. " (%S+)"))
  end

  -- Ends it by SIGTERM; its exit status.
  local function stop(self)
    self.process:signal "TERM"
    return self.process:wait_exit(30)
  end

  local function work(self, count)
    for i = 1, count do assert.are.equal(200, post(self, "e" .. i)) end
    return process.wait(30, function() return metric(self, "waiting") == 0 or nil end)
  end

  -- A pipe that somebody has open and does not read.
  local function hold_open()
    assert(os.execute(("mkfifo %s/pipe"):format(folder)))
    started[#started + 1] = process.start(folder, "keeper", ("sh -c 'exec sleep 1000 3<>%s/pipe'"):format(folder))
  end

  it("that nobody reads stops nothing, and is told of when it goes on", function()
    hold_open()
    local one = start(("2>%s/pipe"):format(folder))
    assert.is_true(work(one, 1200), "rules stand still")
    assert.are.equal(200, (http.request(one.admin_port, { path = "/readyz" })))
    assert.is_true(metric(one, "log_dropped_total") > 0)
    -- Somebody reads: the gap is told of, and lines are whole.
    os.execute(("timeout 20 cat %s/pipe >%s/read 2>/dev/null &"):format(folder, folder))
    local lost = process.wait(10, function()
      post(one, "again" .. os.time() .. math.random())
      return (process.read(folder .. "/read") or ""):match 'level=warn msg=log reason="(%d+) lines of the log were lost'
    end)
    assert.is_true(tonumber(lost) > 0)
    assert.are.equal(0, stop(one))
    for line in process.read(folder .. "/read"):gmatch("([^\n]*)\n") do
      assert.truthy(line:find("^time=%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ level=%l+ msg="), line)
    end
  end)

  it("that nobody reads does not hold up the end", function()
    hold_open()
    local one = start(("2>%s/pipe"):format(folder))
    assert.is_true(work(one, 200))
    assert.are.equal(0, stop(one))
  end)

  it("may share its fate with standard output, that a rule hangs in: the host ends all the same", function()
    hold_open()
    local one = start(("1>%s/pipe"):format(folder), nil, ([[
      rule { name = "chatty", on = "x.chatty", run = function()
        io.open("%s/begun", "w"):close()
        io.open("/proc/self/fd/1", "w"):write(("x"):rep(200000))
        return done()
      end }]]):format(folder))
    post(one, "e1")
    assert(process.wait(30, function() return process.read(folder .. "/begun") end))
    one.process:signal "TERM"
    assert.are.equal(1, one.process:wait_exit(60))
  end)

  for name, to in pairs { ["is on a full disk"] = "2>/dev/full", ["is closed"] = "2>&-",
    ["is closed, as are the others"] = "0<&- 1>&- 2>&-" } do
    it("that " .. name .. " stops nothing", function()
      local one = start(to)
      assert.is_true(work(one, 50))
      assert.are.equal(200, (http.request(one.admin_port, { path = "/readyz" })))
      if to == "2>/dev/full" then assert.is_true(metric(one, "log_dropped_total") >= 50) end
      -- Nothing else got the number of a descriptor that everybody writes to.
      for i = 0, 2 do
        local pipe = io.popen(("readlink /proc/%d/fd/%d"):format(one.process.pid, i))
        local target = pipe:read "l" or ""
        pipe:close()
        assert.is_nil(target:find("socket:", 1, true) or target:find("anon_inode", 1, true)
          or target:find("inbox", 1, true), target)
      end
      assert.are.equal(0, stop(one))
    end)
  end

  it("whose reader goes away stops nothing, and the host ends with 0", function()
    assert(os.execute(("mkfifo %s/pipe; (head -1 %s/pipe >%s/read) >/dev/null 2>&1 &"):format(folder, folder, folder)))
    local one = start(("2>%s/pipe"):format(folder))
    assert.is_true(work(one, 50))
    assert.are.equal(0, stop(one))
  end)

  it("of a host that gets more signals while it ends has no traceback, and it ends with 0", function()
    local one = start("2>" .. folder .. "/log")
    work(one, 5)
    assert.are.equal(0, bombard(one.process))
    local text = process.read(folder .. "/log")
    assert.is_nil(text:find("traceback", 1, true), text)
    assert.truthy(text:find("msg=stopped", 1, true), text)
  end)

  it("has C's lines in its format, with their time", function()
    local one = start("2>" .. folder .. "/log", 'return { log = { format = "json" }, admin = "127.0.0.1:0" }')
    http.post(one.port, "/events/\27[31m/\194\155x", "{", { ["Content-Type"] = "text/plain" })
    assert.are.equal(0, stop(one))
    for line in process.read(folder .. "/log"):gmatch("([^\n]*)\n") do
      local fact = cjson.decode(line)
      assert.truthy(fact.time:find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$"), line)
      assert.is_string(fact.level)
      assert.is_string(fact.msg)
    end
  end)
end)

describe("the emulator", function()
  it("that gets more signals while it ends, ends with 0", function()
    local folder = process.folder()
    local one = process.start(folder, "emulator", host.program() .. " emulate --listen 127.0.0.1:0")
    finally(function()
      if not one:status() then one:signal "KILL" end
      one:wait_exit(30)
      process.remove(folder)
    end)
    assert(process.wait(20, function() return (one:output() .. one:errors()):find "127%.0%.0%.1:%d+" or nil end))
    assert.are.equal(0, bombard(one))
    assert.is_nil(one:errors():find("traceback", 1, true), one:errors())
  end)
end)

describe("host.fact", function()
  it("takes whole lines, and says what it took", function()
    local program = require("altinn.events.host")
    assert.has_error(function() program.fact() end)
    local code = [[
      local host = require "altinn.events.host"
      for i = 1, 1000 do assert(host.fact(false, "info", "line", { n = i })) end
      assert(not host.fact(false, "info", ("x"):rep(2000000), {}))
      assert(host.fact(false, "info", "last", {}))]]
    local pipe = io.popen(("lua5.4 -e %s 2>&1"):format(process.quote(code)))
    local said = pipe:read "a"
    pipe:close()
    assert.truthy(said:find("^time=%S+ level=info msg=line n=1\ntime=%S+ level=info msg=line n=2\n"), said:sub(1, 100))
    assert.truthy(said:find("1 lines of the log were lost here", 1, true))
    assert.truthy(said:find("msg=line n=1000\n", 1, true))
    assert.truthy(said:find("msg=last\n$"))
  end)
end)
