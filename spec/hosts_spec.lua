-- The examples for other Lua hosts, with the real servers: HAProxy, lighttpd, nginx, a plain script.
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local http = require "spec.support.http"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"
local target = require "spec.support.target"

local SECRET = "a-long-secret"

local one, behind

after_each(function()
  if one then one:close() end
  if behind then behind:close() end
  one, behind = nil, nil
end)

local JSON = { ["Content-Type"] = "application/json" }

-- What each server in front of the host must do.
local function judges(port, path)
  local function post(text, at) return http.post(port, at or path, text, JSON) end
  assert.are.equal(200, (post(sample.text { id = "good" })))
  assert.are.equal(200, (post(sample.text { id = "good" })))
  local status, headers, body = post '{"specversion":"1.0","id":""}'
  assert.are.same({ 400, "application/problem+json" }, { status, headers["content-type"] })
  assert.is_truthy(body:find('"code":"invalid","detail":"id must not be empty"', 1, true), body)
  assert.are.equal(400, (post "{"))
  assert.are.equal(400, (post ""))
  assert.are.equal(401, (post(sample.text { id = "bad" }, "/events/wrong")))
  status, headers = http.request(port, { path = path })
  assert.are.same({ 405, "POST, OPTIONS" }, { status, headers.allow })
  local large = sample.text { id = "large", padding = ("x"):rep(100000) }
  assert.are.equal(200, (post(large)))
  status, headers = http.request(port, { method = "OPTIONS", path = path,
    headers = { ["WebHook-Request-Origin"] = "altinn.no" } })
  assert.are.same({ 200, "altinn.no" }, { status, headers["webhook-allowed-origin"] })
  local ids, count = behind:ids()
  assert.are.same({ 1, 1, 2 }, { ids.good, ids.large, count })
end

-- Head and body in two packets.
local function post_in_two(port, path, text)
  local client = assert(socket.connect("127.0.0.1", port))
  client:settimeout(10)
  client:setoption("tcp-nodelay", true)
  client:send(("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n")
    :format(path, #text))
  socket.sleep(0.05)
  client:send(text)
  local status = http.read(client)
  client:close()
  return status
end

-- What a server judges itself, before a service that takes everything. `refuse_body`: false when it judges the
-- head alone.
local function judges_itself(port, path, refuse_body)
  local served = 0
  local function serves(status, text)
    served = served + 1
    assert.are.equal(200, status)
    local requests = behind:wait(served)
    assert.are.equal(served, #requests)
    assert.are.equal(text, requests[served].body)
  end
  for _, text in ipairs { sample.text { id = "small" }, sample.text { id = "x", padding = ("x"):rep(5000) },
    sample.text { id = "y", padding = ("x"):rep(9000) }, sample.text { id = "z", padding = ("x"):rep(100000) } } do
    serves(http.post(port, path, text, JSON), text)
    serves(post_in_two(port, path, text), text)
  end
  local good = sample.text()
  local refused = {
    { 401, "POST", "/events/wrong", good }, { 401, "POST", "/events", good }, { 401, "POST", path .. "x", good },
    { 404, "POST", "/other", good }, { 404, "POST", "/", good },
    { 405, "GET", path }, { 405, "PUT", path, good }, { 415, "POST", path, good, { ["Content-Type"] = "text/plain" } },
  }
  if refuse_body ~= false then
    refused[#refused + 1] = { 400, "POST", path, "{}" }
    refused[#refused + 1] = { 400, "POST", path, good .. "{" }
    refused[#refused + 1] = { 400, "POST", path, "" }
  end
  for _, case in ipairs(refused) do
    local status = http.request(port, { method = case[2], path = case[3], body = case[4], headers = case[5] or JSON })
    assert.are.same({ case[1], case[2], case[3] }, { status, case[2], case[3] })
  end
  assert.are.equal(served, #behind:requests())
end

-- A connection from an address of this machine that is on nobody's list.
local function stranger(port)
  local client = socket.tcp()
  assert(client:bind("127.0.0.2", 0))
  assert(client:connect("127.0.0.1", port))
  client:settimeout(10)
  return client
end

-- Altinn's addresses: those since spring 2026, then those before, which are still in use.
local ADDRESSES = {
  "51.13.20.208/31", "51.13.20.210/31", "20.100.46.139",
  "20.100.48.118/31", "20.100.48.120/31", "20.100.24.41",
}

-- Posts a file over TLS; the status as text.
local function over_tls(port, path, file)
  local pipe = io.popen(("curl -sk -o /dev/null -w '%%{http_code}' https://127.0.0.1:%d%s"
    .. " -H 'Content-Type: application/cloudevents+json' --data-binary @%s"):format(port, path, file))
  local status = pipe:read("a")
  pipe:close()
  return status
end

describe("nginx", function()
  local function site(folder, port, plain, backend)
    assert(os.execute(("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hooks.example.no"
      .. " -keyout privkey.pem -out fullchain.pem 2>/dev/null"):format(folder)))
    return (process.read("examples/nginx/altinn-events.conf"):gsub("/etc/letsencrypt/live/hooks.example.no", folder)
      :gsub("/var/log/nginx", folder):gsub("listen %[::%]:443 ssl;", ("listen 127.0.0.1:%d;"):format(plain))
      :gsub("listen 443 ssl;", ("listen 127.0.0.1:%d ssl;"):format(port))
      :gsub("127.0.0.1:8480", "127.0.0.1:" .. backend))
  end

  it("stands by its example before the host", function()
    local folder, port, plain = process.folder(), nginx.free_port(), nginx.free_port()
    behind = host.start { arguments = { "--secret", SECRET } }
    one = nginx.start { http = site(folder, port, plain, behind.port) }
    judges(plain, "/events/" .. SECRET)
    process.write(folder .. "/event.json", sample.text { id = "good" })
    assert.are.equal("200", over_tls(port, "/events/" .. SECRET, folder .. "/event.json"))
    assert.are.equal(404, (http.request(plain, { path = "/metrics" })))
    assert.are.equal(413, (http.post(plain, "/events/" .. SECRET, ("x"):rep(300000))))
    assert.is_nil(one:log():find(SECRET, 1, true))
    process.remove(folder)
  end)

  it("lets through whom its example names, and not more than Altinn sends", function()
    local folder = process.folder()
    behind = target.start()
    local plain = nginx.free_port()
    one = nginx.start { http = site(folder, nginx.free_port(), plain, behind.port) }
    local client, counts = stranger(plain), {}
    client:send(("POST /events/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"):rep(900))
    for _ = 1, 900 do
      local status = http.read(client)
      if not status then break end
      counts[status] = (counts[status] or 0) + 1
    end
    client:close()
    assert.is_true(counts[403] >= 400 and counts[429] > 0, ("403: %s, 429: %s"):format(counts[403], counts[429]))
    assert.are.equal(0, #behind:requests())
    process.remove(folder)
  end)

  it("has Altinn's addresses in all its examples", function()
    for _, path in ipairs { "examples/nginx/altinn-events.conf", "examples/openresty/nginx.conf", "README.md" } do
      local text = process.read(path)
      for _, address in ipairs(ADDRESSES) do
        assert.is_truthy(text:find(address, 1, true), path .. " lacks " .. address)
      end
    end
  end)

  it("passes a 503 on, and sends nothing twice", function()
    local folder = process.folder()
    behind = target.start { "503" }
    local plain = nginx.free_port()
    one = nginx.start { http = site(folder, nginx.free_port(), plain, behind.port) }
    assert.are.equal(503, (http.post(plain, "/events/" .. SECRET, sample.text())))
    assert.are.equal(1, #behind:requests())
    process.remove(folder)
  end)
end)

describe("HAProxy", function()
  it("judges by its example before the host", function()
    behind = host.start { arguments = { "--secret", SECRET } }
    local port = nginx.free_port()
    one = nginx.script("examples/haproxy/run.sh",
      { PORT = port, BACKEND = "127.0.0.1:" .. behind.port, WEBHOOK_SECRET = SECRET }, port)
    judges(port, "/events/" .. SECRET)
  end)

  it("judges by its example before any service", function()
    behind = target.start()
    local port = nginx.free_port()
    one = nginx.script("examples/haproxy/run.sh",
      { PORT = port, BACKEND = "127.0.0.1:" .. behind.port, WEBHOOK_SECRET = SECRET }, port)
    judges_itself(port, "/events/" .. SECRET)
  end)

  it("lets nobody in when its script fails", function()
    behind = target.start()
    local folder, port = process.folder(), nginx.free_port()
    process.write(folder .. "/altinn.lua",
      'core.register_action("altinn_events", { "http-req" }, function() error("broken") end)')
    process.write(folder .. "/haproxy.cfg", (process.read("examples/haproxy/haproxy.cfg")
      :gsub("lua%-prepend%-path[^\n]*", ""):gsub("/etc/haproxy", folder)
      :gsub("127.0.0.1:8486", "127.0.0.1:" .. port):gsub("127.0.0.1:8480", "127.0.0.1:" .. behind.port)))
    local started = process.start(folder, "haproxy", ("env -u LUA_PATH -u LUA_CPATH PATH=\"$PATH:/usr/sbin\""
      .. " haproxy -db -f %s/haproxy.cfg"):format(folder))
    finally(function()
      started:stop()
      process.remove(folder)
    end)
    local status = process.wait(20, function()
      local ok, answer = pcall(http.post, port, "/events/" .. SECRET, sample.text(), JSON)
      return ok and answer
    end)
    assert.are.equal(500, status)
    assert.are.same({}, behind:requests())
  end)
end)

for _, name in ipairs { "haproxy", "lighttpd" } do
  describe(name, function()
    it("has a secret for a trial", function()
      behind = target.start()
      local port = nginx.free_port()
      one = nginx.script("examples/" .. name .. "/run.sh",
        { PORT = port, BACKEND = "127.0.0.1:" .. behind.port, BACKEND_PORT = behind.port }, port)
      assert.are.equal(200, (http.post(port, "/events/try-it", sample.text(), JSON)))
      assert.are.equal(401, (http.post(port, "/events/any", sample.text(), JSON)))
      assert.are.equal(1, #behind:requests())
    end)

    it("lets nobody in when the secret is empty", function()
      local folder, port = process.folder(), nginx.free_port()
      local started = process.start(folder, "server", ("WEBHOOK_SECRET= PORT=%d FOLDER=%s sh examples/%s/run.sh")
        :format(port, folder, name))
      finally(function()
        started:stop()
        process.remove(folder)
      end)
      local status = process.wait(10, function()
        local ok, answer = pcall(http.post, port, "/events/any", sample.text())
        return started:status() and "ended" or ok and answer
      end)
      assert.is_true(status == "ended" or status == 500, tostring(status))
    end)
  end)
end

describe("lighttpd", function()
  it("judges by its example before the host", function()
    behind = host.start { arguments = { "--secret", SECRET } }
    local port = nginx.free_port()
    one = nginx.script("examples/lighttpd/run.sh",
      { PORT = port, BACKEND_PORT = behind.port, WEBHOOK_SECRET = SECRET }, port)
    judges(port, "/events/" .. SECRET)
  end)

  it("judges by its example before any service", function()
    behind = target.start()
    local port = nginx.free_port()
    one = nginx.script("examples/lighttpd/run.sh",
      { PORT = port, BACKEND_PORT = behind.port, WEBHOOK_SECRET = SECRET }, port)
    judges_itself(port, "/events/" .. SECRET)
  end)
end)

describe("OpenResty's example", function()
  it("is a whole site that starts with one command", function()
    behind = target.start()
    local port, plain = nginx.free_port(), nginx.free_port()
    one = nginx.script("examples/openresty/run.sh",
      { PORT = port, PLAIN = plain, PRINT_URL = behind.url, WEBHOOK_SECRET = SECRET }, plain)
    local text = sample.text { id = "n", type = "no.altinn.correspondence.correspondencepublishfailed" }
    process.write(one.folder .. "/event.json", text)
    assert.are.equal("200", over_tls(port, "/events/" .. SECRET, one.folder .. "/event.json"))
    assert.are.equal(200, (http.post(plain, "/events/" .. SECRET, text)))
    local requests = behind:requests()
    assert.are.equal(1, #requests)
    assert.are.equal("/v1/jobs", requests[1].path)
    assert.are.equal(401, (http.post(plain, "/events/wrong", text)))
    assert.are.equal(404, (http.request(plain, { path = "/" })))
    assert.are.equal(413, (http.post(plain, "/events/" .. SECRET, ("x"):rep(300000))))
    local client = stranger(plain)
    assert.are.equal(403, (http.request(plain, { client = client, method = "POST", path = "/events/" .. SECRET,
      body = text, headers = { ["Content-Type"] = "application/json" } })))
    client:close()
    assert.is_nil(one:log():find(SECRET, 1, true))
  end)

  it("in the README is a handler as it stands there", function()
    local block = process.read("README.md"):match("\n## In OpenResty.-```nginx\n(.-)```")
    block = block:gsub('os.getenv "WEBHOOK_SECRET"', ("%q"):format(SECRET)):gsub("/etc/altinn%-events/", "$FOLDER/")
    behind = target.start()
    block = block:gsub("https://print.example.no", (behind.url:gsub("%%", "%%%%")))
    local http_part, server_part = block:match("^(.-\n})\n(location .*)$")
    one = nginx.start { http = http_part, server = server_part,
      rules = { publish_failed = process.read "examples/rules/publish_failed.lua" } }
    local text = sample.text { type = "no.altinn.correspondence.correspondencepublishfailed" }
    for _ = 1, 2 do assert.are.equal(200, (one:post(text, nil, "/events/" .. SECRET))) end
    assert.are.equal(401, (one:post(text, nil, "/events/other")))
    assert.are.equal(1, #behind:requests())
  end)
end)

describe("a plain script", function()
  for _, lua in ipairs { "lua5.4", "luajit" } do
    it("reacts to pulled events under " .. lua, function()
      one = emulator.start { arguments = { "--visible-after", "0" } }
      local folder = process.folder()
      local letter = one:letter { resource = "acme-letters" }
      one:step(letter, "never-read")
      local build = "build/" .. lua
      local command = ("LUA_PATH='lua/?.lua;;' LUA_CPATH='%s/?.so;;' ALTINN_TOKEN=%s %s examples/plain/react.lua"
        .. " %s acme-letters %s/cursor 2>&1"):format(build, one:token { scopes = "altinn:events.subscribe" }, lua,
        one.base, folder)
      local function run()
        local pipe = io.popen(command)
        local text = pipe:read("a")
        pipe:close()
        return text
      end
      assert.are.equal("on paper: " .. letter.id .. "\n", run())
      assert.are.equal("", run())
      process.remove(folder)
    end)
  end
end)
