-- The HTTP server of the host module: requests as tables, replies by number. The client is the suite's own.
local host = require "altinn.events.host"
local altinn = require "spec.support.altinn"
local http = require "spec.support.http"
local process = require "spec.support.process"
local socket = require "socket"

describe("host.server", function()
  local server

  before_each(function() server = assert(host.server { listen = { "127.0.0.1", 0 }, max_bytes = 100000 }) end)
  after_each(function() server:close() end)

  -- Sends without waiting for the answer, and takes the request.
  local function begin(bytes)
    local client = http.connect(server:port())
    client:send(bytes)
    return client, assert(server:take(5), "no request came")
  end

  local function get(path, headers)
    return begin(("GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"):format(path, headers or ""))
  end

  it("gives requests as tables", function()
    local client, request = begin("POST /a%20b/c?x=1&y=%C3%A5&x=a+b&z HTTP/1.1\r\nHost: h\r\nX-Two: a\r\nx-two: b\r\n"
      .. "Content-Length: 5\r\n\r\nhe\0lo")
    assert.are.equal("POST", request.method)
    assert.are.equal("/a b/c", request.path)
    assert.are.same({ { "x", "1" }, { "y", "å" }, { "x", "a b" }, { "z", "" } }, request.query)
    assert.are.equal("a, b", request.headers["x-two"])
    assert.are.equal("he\0lo", request.body)
    assert.are.equal("HTTP/1.1", request.http_version)
    assert.is_true(server:reply(request.id, 201, { Location = "/x" }, "a\0b"))
    local status, headers, body = http.read(client)
    assert.are.same({ 201, "/x", "a\0b" }, { status, headers.location, body })
    client:close()
  end)

  it("has nothing to give when nothing came, and says so at once", function()
    assert.is_nil(server:take())
    local before = socket.gettime()
    assert.is_nil(server:take(0.05))
    assert.is_true(socket.gettime() - before < 2)
  end)

  it("answers many in any order, each on its own connection", function()
    local clients = {}
    for i = 1, 50 do
      clients[i] = http.connect(server:port())
      clients[i]:send(("GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"):format(i))
    end
    local requests = {}
    while #requests < 50 do requests[#requests + 1] = assert(server:take(5)) end
    for i = 50, 1, -1 do assert.is_true(server:reply(requests[i].id, 200, nil, requests[i].path)) end
    for i = 1, 50 do
      local _, _, body = http.read(clients[i])
      assert.are.equal("/" .. i, body)
      clients[i]:close()
    end
  end)

  it("keeps a connection for the next request", function()
    local client, request = get("/1")
    server:reply(request.id, 204)
    assert.are.equal(204, (http.read(client)))
    client:send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
    request = assert(server:take(5))
    server:reply(request.id, 200, {}, "two")
    assert.are.equal("two", select(3, http.read(client)))
    client:close()
  end)

  it("knows each number once", function()
    local client, request = get("/")
    assert.is_true(server:reply(request.id, 200))
    local ok, message, code = server:reply(request.id, 200)
    assert.is_nil(ok)
    assert.are.equal("no request waits under this number", message)
    assert.are.equal("not_found", code)
    client:close()
  end)

  it("refuses a body beyond its limit, and goes on", function()
    local status = http.request(server:port(), { method = "POST", path = "/", body = ("x"):rep(100001) })
    assert.are.equal(413, status)
    assert.is_nil(server:take())
    local client, request = begin("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" .. ("x"):rep(100000))
    assert.are.equal(100000, #request.body)
    client:close()
  end)

  it("ends a connection without an answer for status 0", function()
    local client, request = get("/")
    assert.is_true(server:reply(request.id, 0))
    assert.is_nil((http.read(client)))
    client:close()
  end)

  it("makes large bodies while they are sent, in constant memory", function()
    local size = 300 * 1000 * 1000 + 7
    local client, request = get("/large")
    collectgarbage()
    local before = altinn.resident()
    assert.is_true(server:reply(request.id, 200, nil, { pattern = "0123456789", size = size }))
    assert.are.equal("HTTP/1.1 200 OK", client:receive("*l"))
    local length
    for line in function() return client:receive("*l") end do
      if line == "" then break end
      length = tonumber(line:lower():match("^content%-length: (%d+)")) or length
    end
    assert.are.equal(size, length)
    local left, last = size, nil
    while left > 0 do
      last = assert(client:receive(math.min(left, 1000000)))
      left = left - #last
    end
    collectgarbage()
    assert.are.equal("0123456", last:sub(-7))
    -- A third of the body: what this process itself needs for what it reads depends on what ran in it before.
    local grown = altinn.resident() - before
    assert.is_true(grown < 100000, ("the body was in memory: %d KiB"):format(grown))
    client:close()
  end)

  it("cuts a large body where it is told to", function()
    local client, request = get("/cut")
    server:reply(request.id, 200, nil, { pattern = "ab", size = 1000000, cut = 300001 })
    local text, _, partial = client:receive("*a")
    text = text or partial
    local head = text:find("\r\n\r\n", 1, true) + 3
    assert.are.equal(300001, #text - head)
    client:close()
  end)

  it("sends files", function()
    local path = os.tmpname()
    process.write(path, ("line\n"):rep(100000))
    local client, request = get("/file")
    assert.is_true(server:reply(request.id, 200, nil, { file = path }))
    assert.are.equal(("line\n"):rep(100000), select(3, http.read(client)))
    client:close()
    os.remove(path)
    client, request = get("/file")
    local ok, _, code = server:reply(request.id, 200, nil, { file = path })
    assert.is_nil(ok)
    assert.are.equal("storage", code)
    server:reply(request.id, 404)
    assert.are.equal(404, (http.read(client)))
    client:close()
  end)

  it("has a descriptor that is readable while something waits", function()
    local watched = { getfd = function() return server:descriptor() end, dirty = function() return false end }
    assert.are.equal(0, #socket.select({ watched }, nil, 0))
    local client = http.connect(server:port())
    client:send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert.are.equal(1, #socket.select({ watched }, nil, 5))
    local request = assert(server:take())
    assert.is_nil(server:take())
    assert.are.equal(0, #socket.select({ watched }, nil, 0))
    server:reply(request.id, 200)
    client:close()
  end)

  it("can be closed with requests waiting and taken, and twice", function()
    local one = get("/")
    local two = http.connect(server:port())
    two:send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    server:close()
    server:close()
    assert.is_nil((http.read(one)))
    assert.is_nil((http.read(two)))
    assert.has_error(function() server:take() end)
  end)

  it("names what is wrong with its options and replies", function()
    assert.has_error(function() host.server { listen = { "127.0.0.1", 0 }, max_byte = 1 } end,
      "unknown option 'max_byte' of host.server")
    assert.has_error(function() host.server {} end, "listen must be { host, port }")
    local _, message, code = host.server { listen = { "127.0.0.1", server:port() } }
    assert.are.equal("network", code)
    assert.is_truthy(message:find("another program uses it", 1, true))
    local client, request = get("/")
    assert.has_error(function() server:reply(request.id, 99) end)
    local ok, why = server:reply(request.id, 200, { ["X-Bad"] = "a\nb" })
    assert.is_nil(ok)
    assert.are.equal("HTTP cannot carry the header 'X-Bad'", why)
    client:close()
  end)

  it("takes no bytes for HTTP that are none", function()
    http.raw(server:port(), "this is no HTTP\r\n\r\n", 2)
    assert.is_nil(server:take())
    local client, request = get("/")
    assert.are.equal("/", request.path)
    client:close()
  end)
end)
