-- altinn.events.curl: what hangs holds nobody else, what is told of a failure
-- is certain, and what is sent goes where it was told to.
local cjson = require "cjson"
local curl = require "altinn.events.curl"
local process = require "spec.support.process"
local script = require "spec.support.script"
local socket = require "socket"
local smtp = require "spec.support.smtp"
local tls = require "spec.support.tls"

local one, other

before_each(function() one, other = script.start(), script.start() end)

after_each(function()
  one:close()
  other:close()
end)

-- Steps until one of these is finished; the reply.
local function wait_for(multi, id, seconds)
  local deadline = socket.gettime() + (seconds or 10)
  while true do
    assert(socket.gettime() < deadline, "not finished in time")
    for _, reply in ipairs(multi:step(0.5)) do
      if reply.id == id then return reply end
    end
  end
end

-- A failed request: its reply.
local function failed(request)
  local multi <close> = curl.new {}
  request.timeout = request.timeout or 5
  local reply = wait_for(multi, multi:add(request))
  assert.is_string(reply.error)
  return reply
end

describe("a site that does not answer", function()
  it("leaves room for the others", function()
    one:answer "return { hang = true }"
    local multi <close> = curl.new { connections = 8, per_site = 4 }
    for _ = 1, 100 do multi:add { url = one.url, timeout = 30 } end
    multi:step(0.1)
    local from = socket.gettime()
    local reply = wait_for(multi, multi:add { url = other.url, timeout = 30 })
    assert.are.equal(200, reply.status)
    assert(socket.gettime() - from < 5)
    assert.are.equal(100, multi:count())
  end)

  for _, where in ipairs { "dot", "quit" } do
    it("leaves time for the others, also a mail server that is silent after " .. where, function()
      local server = smtp.start { script = ('{ hang = "%s" }'):format(where) }
      local multi = curl.new {}
      local mail = multi:add { url = server.url, timeout = 2, body = "Subject: a\r\n\r\nb\r\n",
        mail = { from = "a@agency.example", to = { "b@agency.example" }, plain = true } }
      local deadline, slowest, reply = socket.gettime() + 20, 0, nil
      while not reply and socket.gettime() < deadline do
        local began = socket.gettime()
        local id = multi:add { url = other.url, timeout = 10 }
        repeat
          for _, one_reply in ipairs(multi:step(0.5)) do
            if one_reply.id == mail then reply = one_reply elseif one_reply.id == id then id = nil end
          end
        until not id or socket.gettime() > deadline
        slowest = math.max(slowest, socket.gettime() - began)
      end
      multi:close()
      server:close()
      assert.is_true(slowest < 1.5, "another request took " .. slowest)
      if where == "quit" then assert.are.equal(250, reply.status)
      else assert.are.same({ "timeout", false }, { reply.code, reply.not_sent }) end
    end)
  end

  it("is left when a mail is cancelled, and when all is closed", function()
    local server = smtp.start { script = '{ hang = "dot" }' }
    local multi, began = curl.new {}, socket.gettime()
    for _ = 1, 2 do
      local id = multi:add { url = server.url, timeout = 60, body = "Subject: a\r\n\r\nb\r\n",
        mail = { from = "a@agency.example", to = { "b@agency.example" }, plain = true } }
      for _ = 1, 5 do multi:step(0.1) end
      assert.is_true(multi:cancel(id))
      multi:step(0.01)
    end
    multi:close()
    server:close()
    assert.is_true(socket.gettime() - began < 10)
  end)

  it("keeps those that stand in its line, and their clocks do not run", function()
    one:answer "return { delay = 0.3 }"
    local multi <close> = curl.new { connections = 8, per_site = 1 }
    local ids = {}
    for number = 1, 5 do ids[number] = multi:add { url = one.url, timeout = 1 } end
    local replies, deadline = {}, socket.gettime() + 10
    while multi:count() > 0 and socket.gettime() < deadline do
      for _, reply in ipairs(multi:step(0.5)) do replies[reply.id] = reply end
    end
    for _, id in ipairs(ids) do assert.are.equal(200, replies[id].status, replies[id].error) end
  end)

  it("holds no place for one that was cancelled in its line", function()
    one:answer "return { delay = 0.2 }"
    local multi <close> = curl.new { connections = 8, per_site = 1 }
    multi:add { url = one.url }
    local second, third = multi:add { url = one.url }, multi:add { url = one.url }
    assert.is_true(multi:cancel(second))
    assert.are.equal(2, multi:count())
    assert.are.equal(200, wait_for(multi, third).status)
    assert.are.equal(2, #one:requests())
  end)
end)

describe("time in which nobody stepped", function()
  it("is no exchange's: what arrived meanwhile is read", function()
    one:answer "return { delay = 0.2, body = 'in time' }"
    local multi <close> = curl.new {}
    local id = multi:add { url = one.url, timeout = 1 }
    multi:step(0.05)
    socket.sleep(1.5)
    assert.are.equal("in time", wait_for(multi, id).body)
  end)

  it("ends no exchange that had not come so far", function()
    local multi <close> = curl.new {}
    local id = multi:add { url = one.url, timeout = 1 }
    multi:step(0)  -- connects
    socket.sleep(1.5)
    assert.are.equal(200, wait_for(multi, id).status)
  end)
end)

describe("a name that is not resolved", function()
  local SLOW = [[
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <netdb.h>
    #include <string.h>
    #include <unistd.h>
    typedef int resolver (const char *, const char *, const struct addrinfo *, struct addrinfo **);
    int getaddrinfo (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
      resolver *real = (resolver *)dlsym(RTLD_NEXT, "getaddrinfo");
      if (node != NULL && strcmp(node, "slow.example") == 0) sleep(30);
      return real(node, service, hints, list);
    }
  ]]

  it("holds nobody, neither while it is asked for nor when its time is over", function()
    local folder = process.folder()
    process.write(folder .. "/slow.c", SLOW)
    assert(os.execute(("env -u LD_PRELOAD cc -shared -fPIC -o %s/slow.so %s/slow.c -ldl"):format(folder, folder)))
    process.write(folder .. "/try.lua", ([[
      local curl, socket = require "altinn.events.curl", require "socket"
      local multi = curl.new {}
      local slow = multi:add { url = "http://slow.example/", timeout = 1 }
      local begun, longest = socket.gettime(), 0
      local reply
      repeat
        local from = socket.gettime()
        local fast = multi:add { url = %q, timeout = 5 }
        repeat
          local done
          for _, record in ipairs(multi:step(0.2)) do
            if record.id == fast then done = assert(record.status == 200) end
            if record.id == slow then reply = record end
          end
        until done
        longest = math.max(longest, socket.gettime() - from)
      until reply
      io.write(("%%.1f %%.1f %%s %%s %%s"):format(longest, socket.gettime() - begun, reply.code, reply.not_sent,
        reply.error))
      os.exit(true, false)
    ]]):format(one.url))
    local preload = (os.getenv "LD_PRELOAD" or "") .. " " .. folder .. "/slow.so"
    local pipe = assert(io.popen(("LD_PRELOAD='%s' ASAN_OPTIONS=detect_leaks=0 lua5.4 %s/try.lua 2>&1")
      :format(preload, folder)))
    local output = pipe:read("a")
    pipe:close()
    process.remove(folder)
    local longest, took, rest = output:match("^(%S+) (%S+) (.*)$")
    assert.are.equal("timeout true the host's name was not resolved in 1 s", rest, output)
    assert(tonumber(longest) < 5 and tonumber(took) < 10, output)
  end)
end)

describe("a request that failed", function()
  it("was certainly not sent when nobody took it", function()
    local refused = failed { url = ("http://127.0.0.1:%d/"):format(process.free_port()), method = "POST", body = "x" }
    assert.are.same({ "network", true }, { refused.code, refused.not_sent })
    local unknown = failed { url = "http://no.such.host.invalid/" }
    assert.are.same({ "network", true }, { unknown.code, unknown.not_sent })
    local wrong = failed { url = "gopher://127.0.0.1/" }
    assert.are.same({ "invalid", true }, { wrong.code, wrong.not_sent })
    local server = tls.start()
    local distrusted = failed { url = server.url, method = "POST", body = "x" }
    server:close()
    assert.are.same({ "tls", true }, { distrusted.code, distrusted.not_sent })
  end)

  it("may have been sent when the answer did not come", function()
    one:answer "return { hang = true }"
    local silent = failed { url = one.url, timeout = 0.3, method = "POST", body = "x" }
    assert.are.same({ "timeout", false }, { silent.code, silent.not_sent })
    assert.are.equal("there was no answer in 0.3 s", silent.error)
    one:answer "return { raw = '' }"
    local broken = failed { url = one.url, method = "POST", body = "x" }
    assert.are.same({ "network", false }, { broken.code, broken.not_sent })
    one:answer "return { bytes = 100000, cut = 10 }"
    local cut = failed { url = one.url }
    assert.are.same({ "network", false }, { cut.code, cut.not_sent })
    one:answer "return { raw = 'SSH-2.0\\r\\n' }"
    assert.is_false(failed({ url = one.url }).not_sent)
  end)

  it("was perhaps sent when a kept connection breaks and a new one is refused", function()
    one:answer "if number == 1 then return {} end return { raw = '' }"
    local multi <close> = curl.new {}
    wait_for(multi, multi:add { url = one.url })
    local reply = wait_for(multi, multi:add { url = one.url, method = "POST", body = "x" })
    assert.is_false(reply.not_sent)
  end)
end)

describe("a path", function()
  it("is sent as it is", function()
    one:answer "return { body = request.target }"
    local multi <close> = curl.new {}
    for _, path in ipairs { "/a/../b/./c", "/a/%2e%2e/b", "/a//b", "/a/?x=../y" } do
      assert.are.equal(path, wait_for(multi, multi:add { url = one.url .. path }).body)
    end
  end)
end)

describe("a program that is started meanwhile", function()
  it("inherits no connection", function()
    one:answer "return { hang = true }"
    local function inherited()
      local pipe = assert(io.popen "readlink /proc/self/fd/* | grep -c socket:")
      local count = tonumber(pipe:read("a"))
      pipe:close()
      return count
    end
    local multi <close> = curl.new {}
    multi:step(0.01)
    local before = inherited()  -- libcurl's own pair, by which it is woken
    for _ = 1, 3 do multi:add { url = one.url } end
    local deadline = socket.gettime() + 10
    while #one:requests() < 3 and socket.gettime() < deadline do multi:step(0.1) end
    assert.are.equal(before, inherited())
  end)
end)

describe("the coding of an answer", function()
  it("is asked to be none, unless the request says otherwise", function()
    one:answer "return { body = request.headers['accept-encoding'] or 'none' }"
    local multi <close> = curl.new {}
    assert.are.equal("identity", wait_for(multi, multi:add { url = one.url }).body)
    local asked = multi:add { url = one.url, headers = { ["accept-encoding"] = "gzip" } }
    assert.are.equal("gzip", wait_for(multi, asked).body)
  end)
end)

describe("a proxy of the environment", function()
  -- The replies to requests made in a process with that environment.
  local function ask(environment, ...)
    local folder = process.folder()
    process.write(folder .. "/ask.lua", [[
      local cjson, curl = require "cjson", require "altinn.events.curl"
      local multi, list = curl.new {}, {}
      for number, url in ipairs(arg) do
        local reply, _, _, whole = multi:perform { url = url, timeout = 5 }
        list[number] = reply or whole
      end
      io.write(cjson.encode(list))
    ]])
    local pipe = assert(io.popen(("env %s lua5.4 %s/ask.lua '%s'"):format(environment, folder,
      table.concat({ ... }, "' '"))))
    local text = pipe:read("a")
    pipe:close()
    process.remove(folder)
    return cjson.decode(text)
  end

  it("sees nothing that is for this machine", function()
    other:answer "return { status = 502, body = 'proxy' }"
    one:answer "return { body = 'own' }"
    local port = one.url:match(":(%d+)$")
    local replies = ask(("http_proxy=%s ALL_PROXY=%s no_proxy="):format(other.url, other.url), one.url,
      "http://LOCALHOST:" .. port .. "/", "http://127.3.2.1:" .. port .. "/")
    assert.are.equal("own", replies[1].body)
    assert.are.equal("own", replies[2].body)
    assert.are_not.equal("proxy", replies[3].body)
    assert.is_nil(replies[1].proxied)
    assert.are.same({}, other:requests())
  end)

  it("is named where it stood between", function()
    other:answer "return { status = request.method == 'CONNECT' and 403 or 502, body = 'proxy' }"
    local replies = ask(("http_proxy=%s https_proxy=%s"):format(other.url, other.url), "http://altinn.example/x",
      "https://altinn.example/x")
    assert.are.same({ 502, true }, { replies[1].status, replies[1].proxied })
    assert.are.same({ "network", true, true }, { replies[2].code, replies[2].proxied, replies[2].not_sent })
    assert.are.equal("the proxy of the environment refuses to connect, with status 403", replies[2].error)
  end)
end)
