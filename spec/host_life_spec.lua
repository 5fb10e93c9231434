-- The host as a whole: its metrics, what it shows of people, how it starts, stops, and bears trouble.
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"
local socket = require "socket"
local target = require "spec.support.target"

local STRUCTURED = { ["Content-Type"] = "application/cloudevents+json" }

local problem = http.problem

describe("the metrics", function()
  local one, service

  setup(function()
    service = target.start { "200", "404" }
    one = host.start {
      config = ('return { targets = { print = { url = "%s" } } }'):format(service.url),
      rules = { all = [[
        rule { name = "send", on = "*", repeats = true, run = function(event)
          return send.http("print") { key = { event.id } }
        end }
        rule { name = "look", on = "*", run = function() return skip("seen") end }]] },
    }
    for _, id in ipairs { "m-1", "m-2", "m-2" } do assert(one:post(sample.text { id = id }) == 200) end
    one:post("{")
    assert(one:settle())
  end)
  teardown(function()
    if one then one:close() end
    if service then service:close() end
  end)

  it("count what came, what became of it, and what was sent", function()
    local metrics = one:metrics()
    for name, value in pairs {
      received_total = 4, stored_total = 2, duplicates_total = 1, ['refused_total{code="syntax"}'] = 1,
      ['verdicts_total{rule="send",verdict="done"}'] = 1, ['verdicts_total{rule="send",verdict="dead"}'] = 1,
      ['verdicts_total{rule="look",verdict="skipped"}'] = 2, ['effects_total{target="print",outcome="sent"}'] = 1,
      ['effects_total{target="print",outcome="refused"}'] = 1, ['run_seconds_count{rule="send"}'] = 2,
      ['run_seconds_bucket{rule="look",le="+Inf"}'] = 2, waiting = 0, dead = 1,
    } do
      assert.are.equal(value, metrics[name], name)
    end
    assert.truthy(metrics['run_seconds_sum{rule="send"}'])
    local before, count = 0, 0
    for value in metrics.text:gmatch 'run_seconds_bucket{rule="send",le="[%d.e+-]+"} (%d+)' do
      assert.is_true(tonumber(value) >= before, metrics.text)
      before, count = tonumber(value), count + 1
    end
    assert.are.same({ 2, 10 }, { before, count })  -- runs of a minute at most
  end)

  it("are in Prometheus' text format: a type for each name, no line twice", function()
    local types, seen = {}, {}
    for line in one:metrics().text:gmatch("[^\n]+") do
      assert.is_nil(seen[line], line)
      seen[line] = true
      local name, kind = line:match("^# TYPE (altinn_events_%S+) (%a+)$")
      if name then types[name] = kind end
      if not line:find("^#") then
        name = assert(line:match("^(altinn_events_[%w_]+)"), line)
        assert.truthy(types[name] or types[name:gsub("_%a+$", "")] == "histogram", line)
        assert.truthy(line:find("^[%w_]+ [%d.e+-]+$") or line:find("^[%w_]+{.*} [%d.e+-]+$"), line)
      end
    end
    local _, headers = http.request(one.admin_port, { path = "/metrics" })
    assert.truthy(headers["content-type"]:find("^text/plain"))
  end)

  it("escape what is odd in a name", function()
    local odd = host.start { config = [[return { targets = { ['a"b\\c\nd'] = { url = "http://127.0.0.1:1" } } }]] }
    finally(function() odd:close() end)
    assert.truthy(odd:metrics().text:find([[effects_total{target="a\"b\\c\nd",outcome="sent"} 0]], 1, true))
  end)

  it("say dead after a restart too", function()
    one:restart()
    assert.are.equal(1, one:metrics().dead)
    assert.are.equal(0, one:metrics().waiting)
  end)
end)

describe("identity numbers of persons", function()
  local PERSON, one = "08895699684", nil
  local URN = "urn:altinn:person:identifier-no:" .. PERSON

  -- A host for each, so that one number in the clear is one failure.
  before_each(function()
    one = host.start { rules = { look = [[
      rule { name = "look", on = "*", run = function(event) return skip("for " .. tostring(event.subject)) end }]] } }
  end)
  after_each(function() one:close() end)

  local function hidden(text, what)
    assert.is_nil(text:find(PERSON, 1, true), what .. ": " .. text)
  end

  -- Any attribute, and any part of the request, may hold one.
  local stored = {
    subject = { subject = URN }, recipient = { recipient = URN },
    alternativesubject = { alternativesubject = "/person/" .. PERSON }, id = { id = "i-" .. PERSON },
    source = { source = "https://example.no/person/" .. PERSON }, resourceinstance = { resourceinstance = PERSON },
    resource = { resource = "urn:altinn:resource:" .. PERSON }, type = { type = "no.example." .. PERSON },
    data = { data = { person = PERSON } },
  }

  for name, changes in pairs(stored) do
    it("in " .. name .. " are masked in log, metrics, listings", function()
      changes.id = changes.id or "person-" .. name
      assert.are.equal(200, (one:post(sample.text(changes))))
      assert(one:settle())
      assert(one:wait_log("verdict=skipped"))
      local texts = { log = one:log(), metrics = one:metrics().text }
      for _, words in ipairs { { "list" }, { "list", "--json" }, { "show", "1" }, { "show", "1", "--json" } } do
        local status, out, err = one:run("inbox", words[1], "--inbox", one.inbox, table.unpack(words, 2))
        assert.are.equal(0, status, err)
        texts["inbox " .. table.concat(words, " ")] = out .. err
      end
      local bare = {}
      for what, text in pairs(texts) do
        if text:find(PERSON, 1, true) then bare[#bare + 1] = what end
      end
      table.sort(bare)
      assert.are.same({}, bare)
    end)
  end

  it("in the name of a subscription are masked in listings", function()
    assert.are.equal(200, (one:post(sample.text { id = "by-name" }, nil, "/events/any/" .. PERSON)))
    for _, words in ipairs { { "list" }, { "list", "--json" } } do
      local _, out = one:run("inbox", words[1], "--inbox", one.inbox, table.unpack(words, 2))
      hidden(out, table.concat(words, " "))
    end
  end)

  it("are in no answer", function()
    for what, request in pairs {
      ["a bad attribute"] = { sample.text { id = "", subject = URN } },
      ["a bad time"] = { sample.text { id = "x", time = PERSON } },
      ["a bad type"] = { sample.text { id = "x", type = PERSON, subject = "" } },
      ["the name of an attribute"] = { sample.text { id = "x", [PERSON] = {} } },
      ["two of a name"] = { ('{"specversion":"1.0","%s":"1","%s":"2"}'):format(PERSON, PERSON) },
      ["broken JSON"] = { '{"' .. PERSON }, ["a bare number"] = { PERSON },
      ["a version"] = { sample.text { specversion = PERSON } },
      ["a media type"] = { sample.text(), { ["Content-Type"] = "text/" .. PERSON } },
      ["binary mode"] = { "x", { ["ce-specversion"] = "1.0", ["ce-id"] = "", ["ce-type"] = "x", ["ce-source"] = URN } },
      ["a batch"] = { "[" .. sample.text { id = "", subject = URN } .. "]",
        { ["Content-Type"] = "application/cloudevents-batch+json" } },
      ["a path"] = { sample.text(), nil, "/" .. PERSON },
    } do
      local status, _, body = one:post(table.unpack(request, 1, 3))
      assert.is_true(status >= 400, what .. ": " .. tostring(status))
      hidden(body, what)
    end
    hidden(one:log(), "log")
    hidden(one:metrics().text, "metrics")
  end)
end)

describe("systemd", function()
  it("is told when the host is ready, alive, and stopping", function()
    local folder = process.folder()
    local listener = assert(require("socket.unix").dgram())
    assert(listener:bind(folder .. "/notify"))
    listener:settimeout(10)
    local one = host.start { env = { NOTIFY_SOCKET = folder .. "/notify", WATCHDOG_USEC = "200000" } }
    assert.are.equal("READY=1", listener:receive())
    assert.are.equal("WATCHDOG=1", listener:receive())
    assert.are.equal("WATCHDOG=1", listener:receive())
    one:signal "TERM"
    local last
    repeat last = listener:receive() until last ~= "WATCHDOG=1"
    assert.are.equal("STOPPING=1", last)
    one:close()
    listener:close()
    process.remove(folder)
  end)

  it("is told by an abstract socket too", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    process.write(folder .. "/listen.c", [[
      #include <stdio.h>
      #include <string.h>
      #include <sys/socket.h>
      #include <sys/un.h>
      #include <unistd.h>
      int main (int count, char **words) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int listener = socket(AF_UNIX, SOCK_DGRAM, 0);
        char text[64];
        ssize_t size;
        if (count < 3) return 2;
        strcpy(address.sun_path + 1, words[1]);
        if (bind(listener, (struct sockaddr *)&address,
                 offsetof(struct sockaddr_un, sun_path) + 1 + strlen(words[1])) != 0) return 1;
        fclose(fopen(words[2], "w"));
        size = recv(listener, text, sizeof text, 0);
        printf("%.*s\n", (int)size, text);
        return 0;
      }]])
    assert(os.execute(("env -u LD_PRELOAD gcc -include stddef.h -o %s/listen %s/listen.c"):format(folder, folder)))
    local name = folder:gsub("/", ".")
    local pipe = assert(io.popen(("env -u LD_PRELOAD timeout 60 %s/listen %s %s/ready"):format(folder, name, folder)))
    assert(process.wait(30, process.read, folder .. "/ready"))
    local one = host.start { env = { NOTIFY_SOCKET = "@" .. name } }
    one:close()
    assert.are.equal("READY=1", pipe:read "l")
    pipe:close()
  end)

  it("that does not listen is no reason not to run", function()
    local one = host.start { env = { NOTIFY_SOCKET = "/nowhere/at/all" } }
    assert(one:wait_line("cannot tell systemd"), one:log())
    one:close()
  end)
end)

describe("the host", function()
  local one

  after_each(function()
    if one then one:close() end
    one = nil
  end)

  it("loses nothing that it acknowledged, by kill -9 right after the answer", function()
    one = host.start {}
    for round = 1, 5 do
      assert.are.equal(200, (one:post(sample.text { id = "kill-" .. round })))
      one:kill()
      assert(one:launch())
    end
    local ids, number = one:ids()
    assert.are.equal(5, number)
    for round = 1, 5 do assert.are.equal(1, ids["kill-" .. round]) end
  end)

  it("stores nothing of a request that kill -9 cut in two", function()
    one = host.start {}
    local client = http.connect(one.port)
    client:send("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n" ..
      sample.text():sub(1, 200))
    one:kill()
    client:close()
    assert(one:launch())
    assert.are.equal(0, one:list().count)
    assert.are.equal(200, (one:post(sample.text())))
  end)

  it("ends in order at SIGTERM, with 0", function()
    one = host.start {}
    assert.are.equal(200, (one:post(sample.text())))
    one:signal "TERM"
    assert.are.equal(0, one.process:wait_exit())
    assert(one:wait_line("msg=stopped"), one:log())
  end)

  it("at SIGTERM ends what runs, takes nothing new, and does nothing twice", function()
    local service = target.start { "200 1", "200" }
    finally(function() service:close() end)
    one = host.start {
      config = ('return { targets = { print = { url = "%s" } } }'):format(service.url),
      rules = { send = [[
        rule { name = "send", on = "*", order = "letter", repeats = true, run = function(event)
          return send.http("print") { key = { event.id } }
        end }]] },
    }
    local client = http.connect(one.port)
    local function post(id)
      return http.request(one.port, { client = client, method = "POST", path = "/events", headers = STRUCTURED,
        body = sample.text { id = id } })
    end
    assert.are.equal(200, (post "t-1"))
    assert.are.equal(200, (post "t-2"))  -- waits for t-1: the same letter
    assert(service:wait(1))
    one:signal "TERM"
    assert(one:wait_log("msg=stopping"))
    assert(process.wait(30, function() return http.request(one.admin_port, { path = "/readyz" }) == 503 end))
    local status, headers, body = post "t-3"
    assert.are.equal(503, status)
    assert.is_string(headers["retry-after"])
    problem(status, headers, body)
    assert.are.equal(0, one.process:wait_exit())
    assert.are.equal(1, #service:requests())
    local ids, number = one:ids()
    assert.are.equal(2, number)
    assert.is_nil(ids["t-3"])
    assert(one:launch())
    assert(one:settle())
    local keys = {}
    for i, request in ipairs(service:requests()) do keys[i] = request.headers["idempotency-key"] end
    assert.are.same({ "print:send/t-1", "print:send/t-2" }, keys)
  end)

  it("while it stops, refuses what is whole only now", function()
    local service = target.start { "200 1" }
    finally(function() service:close() end)
    one = host.start {
      config = ('return { targets = { print = { url = "%s" } } }'):format(service.url),
      rules = { send = [[
        rule { name = "send", on = "*", run = function(event)
          return send.http("print") { key = { event.id } }
        end }]] },
    }
    assert.are.equal(200, (one:post(sample.text { id = "s-1" })))
    assert(service:wait(1))
    local client, body = http.connect(one.port), sample.text { id = "s-2" }
    client:send(("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents+json\r\n" ..
      "Content-Length: %d\r\n\r\n%s"):format(#body, body:sub(1, 9)))
    http.request(one.port, { path = "/" })  -- the head has been judged when this is answered
    one:signal "TERM"
    assert(process.wait(30, function() return http.request(one.admin_port, { path = "/readyz" }) == 503 end))
    client:send(body:sub(10))
    local status, headers, text = http.read(client)
    assert.are.equal(503, status)
    assert.are.equal("5", headers["retry-after"])
    assert.are.equal("storage", problem(status, headers, text).code)
    assert.are.equal(0, one.process:wait_exit())
    assert.is_nil(one:ids()["s-2"])
  end)

  it("keeps an event waiting that cannot be read, says so, and goes on when it is mended", function()
    local execute = sql.execute
    one = host.start { rules = { later = [[
      rule { name = "later", on = "*", run = function() return retry_after(0.1, "later") end }]] } }
    assert.are.equal(200, (one:post(sample.text())))
    assert(one:wait_log("verdict=later"))
    one:stop()
    execute(one.inbox, "UPDATE event SET body = CAST('{' AS BLOB)")
    assert(one:launch())
    assert(one:wait_log('level=error msg=inbox event=1 reason="the stored event cannot be read'))
    assert.are.equal(1, one:metrics().waiting)
    assert.are.equal(200, (http.request(one.admin_port, { path = "/readyz" })))
    execute(one.inbox, "UPDATE event SET body = CAST(? AS BLOB)", sample.text())
    assert(one:wait_log("verdict=later"))
  end)

  describe("with its inbox taken away", function()
    -- What happens to the files; what puts them back.
    for what, how in pairs {
      removed = { "rm INBOX INBOX-wal INBOX-shm" },
      ["moved and put back"] = { "mv INBOX INBOX.old", "mv INBOX.old INBOX" },
      replaced = { "cp INBOX INBOX.new; mv INBOX.new INBOX" },
      ["without its log"] = { "rm INBOX-wal" },
    } do
      it(what .. ", acknowledges nothing and says so", function()
        one = host.start {}
        local function change(command) os.execute((command:gsub("INBOX", one.inbox))) end
        assert.are.equal(200, (one:post(sample.text { id = "before" })))
        change(how[1])
        assert.are.equal("storage", problem(one:post(sample.text { id = "after" })).code)
        assert(one:wait_log('level=error msg=inbox reason="the inbox [^"]* was removed or replaced'))
        local status, _, text = http.request(one.admin_port, { path = "/readyz" })
        assert.are.equal(503, status)
        assert.truthy(text:find("removed or replaced", 1, true))
        if not how[2] then return end
        change(how[2])
        assert(one:wait_log("the inbox stores events again"))
        assert.are.equal(200, (one:post(sample.text { id = "after" })))
        assert.are.equal(2, one:list().count)
      end)
    end
  end)

  it("outlives a limit on the size of files, and loses nothing that it acknowledged", function()
    one = host.start {}
    os.execute(("prlimit --fsize=200000 --pid %d"):format(one.process.pid))
    local status, number = 200, 0
    while status == 200 and number < 1000 do
      number = number + 1
      status = one:post(sample.text { id = "limit-" .. number, data = ("x"):rep(1000) })
    end
    assert.are.equal(503, status)
    assert(one:wait_log("level=error msg=inbox"))
    one:kill()
    assert(one:launch())
    assert.are.equal(number - 1, one:list().count)
  end)

  describe("on a small disk", function()
    local disk

    before_each(function()
      disk = process.folder()
      if os.execute("mount -t tmpfs -o size=1m tmpfs " .. disk .. " 2>/dev/null") then return end
      process.remove(disk)
      disk = nil
    end)

    after_each(function()
      if one then one:close() end
      one = nil
      if not disk then return end
      os.execute("umount " .. disk)
      process.remove(disk)
    end)

    local function ready_is(status)
      return process.wait(30, function() return http.request(one.admin_port, { path = "/readyz" }) == status end)
    end

    local function fill() os.execute(("dd if=/dev/zero of=%s/filler bs=4k 2>/dev/null"):format(disk)) end

    it("refuses with 503 while it is full, and goes on afterwards", function()
      if not disk then return pending("a small disk needs root") end
      one = host.start { inbox = disk .. "/inbox.db" }
      local function post(i) return one:post(sample.text { id = "big-" .. i, x = ("y"):rep(50000) }) end
      local acknowledged, status, headers, body = 0, nil, nil, nil
      for i = 1, 40 do
        status, headers, body = post(i)
        if status ~= 200 then break end
        acknowledged = i
      end
      assert.are.equal(503, status)
      assert.is_string(headers["retry-after"])
      assert.are.equal("storage", problem(status, headers, body).code)
      local ready, _, text = http.request(one.admin_port, { path = "/readyz" })
      assert.are.equal(503, ready)
      assert.truthy(text:find("store", 1, true))
      assert.are.equal(200, (http.request(one.admin_port, { path = "/healthz" })))
      os.execute("mount -o remount,size=64m " .. disk)
      assert(ready_is(200))
      local before = one:metrics().duplicates_total
      assert.are.equal(200, (post(acknowledged + 1)))
      assert.are.equal(before, one:metrics().duplicates_total, "what was refused is no duplicate")
      one:kill()
      assert(one:launch())
      local ids, number = one:ids()
      assert.are.equal(acknowledged + 1, number)
      for i = 1, acknowledged + 1 do assert.are.equal(1, ids["big-" .. i]) end
    end)

    -- A rule that comes back until the file `gate` is gone.
    local GATE = [[
      rule { name = "gate", on = "*", run = function()
        local file = io.open("%s")
        if not file then return skip("the gate is open") end
        file:close()
        return retry_after(0.1, "the gate is shut")
      end }]]

    it("writes down verdicts that it had no room for, the last one last", function()
      if not disk then return pending("a small disk needs root") end
      local gate = process.folder() .. "/gate"
      finally(function() process.remove(gate:match("^(.*)/gate$")) end)
      process.write(gate, "")
      one = host.start { inbox = disk .. "/inbox.db", rules = { gate = GATE:format(gate) } }
      assert.are.equal(200, (one:post(sample.text { id = "gated" })))
      assert(one:wait_log("verdict=later"))
      fill()
      assert(process.wait(10, function() return (one:metrics().storage_failures_total or 0) > 3 end))
      os.remove(gate)
      os.remove(disk .. "/filler")
      assert(one:settle(), "the event waits for ever")
      -- What was refused is handed over again within a second.
      socket.sleep(2.5)
      local event = one:list().events[1]
      assert.are.equal("skipped", event.runs[1].verdict)
      assert.are.equal("the gate is open", event.runs[1].reason)
      assert.are.equal("skipped", event.state)
    end)
  end)

  describe("does not start, and says what to do:", function()
    local function refused(options, ...)
      options.may_fail = true
      one = host.start(options)
      assert.is_false(one.running)
      assert.are.equal(options.status or 1, one.process:wait_exit())
      local log = one:log()
      for _, words in ipairs { ... } do assert.truthy(log:find(words, 1, true), log) end
      assert.is_nil(log:find("traceback", 1, true), log)
      assert.are.equal(1, select(2, log:gsub("\n", "")), log)
    end

    it("an occupied port", function()
      local server = socket.bind("127.0.0.1", 0)
      local _, port = server:getsockname()
      refused({ listen = "127.0.0.1:" .. port }, "cannot listen on 127.0.0.1:" .. port, "another program uses it")
      server:close()
    end)

    it("a folder that is not there", function()
      refused({ inbox = "/tmp/there/is/no/such/folder/inbox.db" }, "does not exist", "create it")
    end)

    it("a read-only file system", function()
      local disk = process.folder()
      if not os.execute("mount -t tmpfs -o ro tmpfs " .. disk .. " 2>/dev/null") then
        process.remove(disk)
        return pending("a read-only disk needs root")
      end
      finally(function()
        os.execute("umount " .. disk)
        process.remove(disk)
      end)
      refused({ inbox = disk .. "/inbox.db" }, "cannot be written")
    end)

    it("a damaged inbox", function()
      local folder = process.folder()
      process.write(folder .. "/inbox.db", ("no database at all\n"):rep(100))
      refused({ inbox = folder .. "/inbox.db" }, "damaged")
      assert.truthy(process.read(folder .. "/inbox.db"):find("no database at all", 1, true))
      process.remove(folder)
    end)

    it("an inbox that was cut off", function()
      one = host.start {}
      for i = 1, 20 do one:post(sample.text { id = "cut-" .. i, x = ("y"):rep(5000) }) end
      one:stop()
      local bytes = process.read(one.inbox)
      process.write(one.inbox, bytes:sub(1, #bytes // 2))
      local ok, log = one:launch()
      assert.is_false(ok)
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(log:find("damaged", 1, true), log)
      assert.are.equal(bytes:sub(1, #bytes // 2), process.read(one.inbox))
    end)

    it("an inbox whose tables are overwritten", function()
      one = host.start {}
      for i = 1, 20 do one:post(sample.text { id = "over-" .. i, x = ("y"):rep(5000) }) end
      one:stop()
      local bytes = process.read(one.inbox)
      process.write(one.inbox, bytes:sub(1, 100) .. ("\255"):rep(#bytes - 100))
      local ok, log = one:launch()
      assert.is_false(ok)
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(log:find("damaged", 1, true), log)
    end)

    it("the database of another program", function()
      one = host.start {}
      one:stop()
      sql.execute(one.inbox, "PRAGMA application_id = 7")
      local ok, log = one:launch()
      assert.is_false(ok)
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(log:find("another program", 1, true), log)
    end)

    it("an inbox that is no file", function()
      -- As the configuration could not say it.
      local start = require("altinn.events.host").start
      for _, name in ipairs { "", ":memory:" } do
        local handle, message = start { inbox = name, worker_settings = "{}", heads = {} }
        assert.is_nil(handle)
        assert.truthy(message:find("names no file", 1, true), message)
      end
    end)

    it("a folder in place of the inbox", function()
      local folder = process.folder()
      finally(function() process.remove(folder) end)
      refused({ inbox = folder }, "is a folder")
    end)

    it("an inbox of a newer version", function()
      one = host.start {}
      one:stop()
      sql.execute(one.inbox, "PRAGMA user_version = 99")
      local ok, log = one:launch()
      assert.is_false(ok)
      assert.are.equal(1, one.process:wait_exit())
      assert.truthy(log:find("newer altinn-events", 1, true), log)
    end)

    it("an inbox in use", function()
      local first = host.start {}
      refused({ inbox = first.inbox }, "in use by another host", tostring(first.process.pid))
      first:close()
    end)

    it("no secret, and open to the world", function()
      -- A matter of the configuration: 2, as for a misspelt key.
      refused({ listen = "0.0.0.0:0", status = 2 }, "secret")
      one:close()
      refused({ listen = "[::]:0", status = 2 }, "secret")
    end)
  end)
end)
