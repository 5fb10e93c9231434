-- Connections that want nothing, or take their time: others are served all the same. And what a request leaves behind.
local altinn = require "spec.support.altinn"
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"

local MEDIA = { ["Content-Type"] = "application/cloudevents+json" }

-- Runs a command that may open few files, without those that this process has open.
local FEW_FILES = [[bash -c 'for f in /proc/self/fd/*; do n=${f##*/}; [ "$n" -gt 2 ] && eval "exec $n>&-"; done
  exec prlimit --nofile=64:64 "$@"' --]]

-- So many connections, on which `bytes` were sent; the list of them.
local function open(port, count, bytes)
  local clients = {}
  for i = 1, count do
    clients[i] = assert(socket.connect("127.0.0.1", port))
    if bytes then clients[i]:send(bytes) end
  end
  return clients
end

local function close(clients)
  for _, client in ipairs(clients) do client:close() end
end

-- The status of a request, and how long it took.
local function timed(port, request)
  request.timeout = 60
  local begun = socket.gettime()
  local status = http.request(port, request)
  return status, socket.gettime() - begun
end

describe("the admin port", function()
  for name, bytes in pairs { silent = false, ["kept open"] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    ["half a request"] = "GET /healthz HTTP/1.1\r\nHost:" } do
    it("answers beside many connections: " .. name, function()
      local one = host.start {}
      finally(function() one:close() end)
      local clients = open(one.admin_port, 150, bytes)
      local status, seconds = timed(one.admin_port, { path = "/healthz" })
      close(clients)
      assert.are.equal(200, status)
      assert.is_true(seconds < 8, seconds)  -- the deadline of a request is 10 s
    end)
  end
end)

describe("the receiver", function()
  it("lets others in when slow requests have all its connections", function()
    local one = host.start { config = "return { limits = { connections = 32, deadline = 60 } }" }
    finally(function() one:close() end)
    local clients = open(one.port, 100, "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      .. "Content-Length: 100\r\n\r\n{")
    local status, seconds = timed(one.port, { method = "POST", path = "/events", headers = MEDIA,
      body = sample.text { id = "between" } })
    close(clients)
    assert.are.equal(200, status)
    assert.is_true(seconds < 20, seconds)
    assert.is_true(one:metrics().timeouts_total > 0)
  end)

  it("ends no connection that works while there is room", function()
    local one = host.start { config = "return { limits = { connections = 32, deadline = 60 } }" }
    finally(function() one:close() end)
    local client = http.connect(one.port)
    client:send("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
      .. #sample.text() .. "\r\n\r\n")
    socket.sleep(2.5)
    client:send(sample.text())
    assert.are.equal(200, (http.read(client)))
    client:close()
  end)

  it("and the admin port answer where the process may open few files", function()
    local one = host.start { before = FEW_FILES }
    finally(function() one:close() end)
    local clients, others = open(one.port, 200), open(one.admin_port, 100)
    local health = timed(one.admin_port, { path = "/healthz" })
    local status = timed(one.port, { method = "POST", path = "/events", headers = MEDIA,
      body = sample.text { id = "few" } })
    close(clients)
    close(others)
    assert.are.same({ 200, 200 }, { health, status })
  end)

  it("takes an empty Content-Encoding for none", function()
    local one = host.start {}
    finally(function() one:close() end)
    for coding, status in pairs { [""] = 200, [" , "] = 200, ["identity"] = 200, ["Identity, "] = 200, ["gzip"] = 415,
      ["identity, gzip"] = 415 } do
      assert.are.equal(status, (one:post(sample.text { id = "coding " .. coding },
        { ["Content-Type"] = "application/json", ["Content-Encoding"] = coding })), coding)
    end
    local said = http.raw(one.port, ("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      .. "Content-Encoding: gzip\r\nContent-Encoding:\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s")
      :format(#sample.text(), sample.text()))
    assert.truthy(said:find("^HTTP/1%.1 415 "), said)
  end)

  it("keeps no memory for connections that once brought much", function()
    local one = host.start {}
    finally(function() one:close() end)
    local events = {}
    for i = 1, 4000 do events[i] = ('{"specversion":"1.0","id":"%d","source":"/x","type":"x.none"}'):format(i) end
    local batch = "[" .. table.concat(events, ",") .. "]"
    local function kilobytes()
      return tonumber(process.read(("/proc/%d/status"):format(one.process.pid)):match("VmRSS:%s*(%d+)"))
    end
    local clients, before = {}, nil
    for i = 1, 40 do
      clients[i] = http.connect(one.port)
      assert.are.equal(200, (http.request(one.port, { client = clients[i], method = "POST", path = "/events",
        headers = { ["Content-Type"] = "application/cloudevents-batch+json" }, body = batch })))
      before = before or kilobytes()
    end
    local more = kilobytes() - before
    close(clients)
    if altinn.measures_memory then assert.is_true(more < 12000, more) end
  end)

  it("says that memory is short, and not that the address is wrong", function()
    if not altinn.measures_memory then return end  -- a sanitizer has a realloc of its own
    local one = host.start { config = "return { secret = 'right' }", env = { LD_PRELOAD = (function()
      local folder = process.folder()
      finally(function() process.remove(folder) end)
      -- The first block of 1,024 bytes is for the list of headers, the second for the name.
      process.write(folder .. "/short.c", [[
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdlib.h>
        #include <unistd.h>
        void *realloc (void *block, size_t size) {
          static void *(*real)(void *, size_t);
          static int asked;
          const char *when = getenv("MEMORY_IS_SHORT");
          if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "realloc");
          if (block == NULL && size == 1024 && when != NULL && access(when, F_OK) == 0 && ++asked == 2)
            return NULL;
          return real(block, size);
        }]])
      assert(os.execute(("env -u LD_PRELOAD gcc -shared -fPIC -o %s/short.so %s/short.c -ldl"):format(folder, folder)))
      return (os.getenv "LD_PRELOAD" and os.getenv "LD_PRELOAD" .. " " or "") .. folder .. "/short.so"
    end)(), MEMORY_IS_SHORT = "/tmp/memory-is-short-" .. tostring(socket.gettime()) } }
    local flag = one.env.MEMORY_IS_SHORT
    finally(function()
      os.remove(flag)
      one:close()
    end)
    process.write(flag, "")
    local status, headers, body = one:post(sample.text { id = "short" }, nil, "/events/right/name")
    assert.are.equal(503, status)
    assert.are.equal("memory", http.problem(status, headers, body).code)
    os.remove(flag)
    assert.are.equal(200, (one:post(sample.text { id = "short" }, nil, "/events/right/name")))
  end)
end)

describe("a server that cannot be started", function()
  it("leaves no descriptor behind", function()
    -- In a process of its own, which may open 40 files, and has all but a few of them open.
    local code = [[
      local host = require "altinn.events.host"
      local function open()
        local count = 0
        for i = 0, 39 do
          local file, _, number = io.open("/proc/self/fd/" .. i)
          if file then file:close() end
          if file or number ~= 2 then count = count + 1 end
        end
        return count
      end
      local before, failures, held = open(), 0, {}
      for free = 0, 12 do
        repeat held[#held + 1] = io.open "/dev/null" until #held >= 40 - before - free
        local server = host.server { listen = { "127.0.0.1", 0 } }
        if server then server:close() else failures = failures + 1 end
        while #held > 0 do table.remove(held):close() end
      end
      print(failures > 3, open() - before)]]
    local pipe = io.popen(("prlimit --nofile=40:40 lua5.4 -e %s 2>&1"):format(process.quote(code)))
    local said = pipe:read "a"
    pipe:close()
    assert.are.equal("true\t0\n", said)
  end)
end)
