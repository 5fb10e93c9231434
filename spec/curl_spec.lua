-- altinn.events.curl against a small server of our own.
local cjson = require "cjson"
local curl = require "altinn.events.curl"
local echo_server = require "spec.support.echo"
local process = require "spec.support.process"
local socket = require "socket"
local tls = require "spec.support.tls"

local server, url

setup(function()
  server = echo_server.start()
  url = server.url
end)

teardown(function() server:close() end)

local function perform(path, fields)
  local request = { url = url .. path, timeout = 5 }
  for name, value in pairs(fields or {}) do request[name] = value end
  local multi <close> = curl.new {}
  local reply, message, code = multi:perform(request)
  return reply, message, code
end

local function failed(code, path, fields)
  local reply, message, got = perform(path, fields)
  assert.is_nil(reply)
  assert.are.equal(code, got, message)
  assert.is_true(type(message) == "string" and message ~= "")
  return message
end

-- What the server got: method, path, headers as a table of lists, body.
local function echo(fields, path)
  local reply = assert(perform(path or "/echo", fields))
  local request = cjson.decode(reply.body)
  local headers = {}
  for _, pair in ipairs(request.headers) do
    local name = pair[1]:lower()
    headers[name] = headers[name] or {}
    table.insert(headers[name], pair[2])
  end
  request.headers = headers
  return request
end

-- Steps until so many are finished; by id.
local function finish(multi, count, seconds)
  local done, number, deadline = {}, 0, socket.gettime() + (seconds or 10)
  while number < count do
    assert(socket.gettime() < deadline, "not finished in time")
    for _, reply in ipairs(multi:step(1)) do
      assert.is_nil(done[reply.id])
      done[reply.id], number = reply, number + 1
    end
  end
  return done
end

describe("a request", function()
  it("goes out with method, path, headers and body", function()
    local got = echo({ method = "PUT", body = "a\0b", headers = { ["X-One"] = "1", ["Content-Type"] = "text/plain" } },
      "/echo?x=%20&y=1")
    assert.are.equal("PUT", got.method)
    assert.are.equal("/echo?x=%20&y=1", got.path)
    assert.are.equal("a\0b", got.body)
    assert.are.same({ "1" }, got.headers["x-one"])
    assert.are.same({ "text/plain" }, got.headers["content-type"])
    assert.are.same({ "3" }, got.headers["content-length"])
  end)

  it("is a GET when nothing else is said", function()
    local got = echo {}
    assert.are.equal("GET", got.method)
    assert.are.equal("", got.body)
  end)

  it("of large size goes out without Expect", function()
    local got = echo { method = "POST", body = ("x"):rep(300000) }
    assert.are.equal(300000, #got.body)
    assert.is_nil(got.headers.expect)
  end)

  it("with an empty body says so", function()
    assert.are.same({ "0" }, echo({ method = "POST", body = "" }).headers["content-length"])
  end)

  it("keeps a header whose value is empty", function()
    assert.are.same({ "" }, echo({ headers = { ["X-Empty"] = "" } }).headers["x-empty"])
  end)

  it("names no program", function()
    assert.is_nil(echo({}).headers["user-agent"])
  end)

  it("raises on what is no request", function()
    local multi = curl.new {}
    local function raises(wanted, request)
      local ok, message = pcall(multi.add, multi, request)
      assert.is_false(ok)
      assert(message:find(wanted, 1, true), message)
    end
    raises("request.url must be a string", {})
    raises("request.url holds a NUL", { url = "http://x\0y" })
    raises("request.method must be a string", { url = url, method = 5 })
    raises("request.body must be a string", { url = url, body = {} })
    raises("headers: names and values must be strings", { url = url, headers = { "x" } })
    raises("headers: names and values must be strings", { url = url, headers = { x = 5 } })
    raises("headers: a line break or NUL", { url = url, headers = { x = "a\r\nY: 1" } })
    raises("headers: a line break or NUL", { url = url, headers = { ["x\n"] = "a" } })
    raises("headers: a line break or NUL", { url = url, headers = { x = "a\0" } })
    raises("request.timeout must not be negative", { url = url, timeout = -1 })
    raises("request.timeout must not be negative", { url = url, timeout = 0 / 0 })
    assert.has_error(function() multi:add("http://x") end)
    assert.are.equal(0, multi:count())
    multi:close()
  end)
end)

describe("an answer", function()
  it("has status, headers by lower-case names, and the body", function()
    local reply = assert(perform "/echo")
    assert.are.equal(200, reply.status)
    assert.are.equal("Yes", reply.headers["x-echo"])
    assert.are.equal(tostring(#reply.body), reply.headers["content-length"])
    assert.is_nil(reply.error)
    assert.is_nil(reply.code)
  end)

  it("is one whatever its status", function()
    for _, status in ipairs { 201, 204, 400, 404, 429, 500, 503, 599 } do
      assert.are.equal(status, assert(perform("/status/" .. status)).status)
    end
    assert.are.equal("status 404", perform("/status/404").body)
  end)

  it("that redirects is given, not followed", function()
    for _, status in ipairs { 301, 302, 303, 307, 308 } do
      local reply = assert(perform("/redirect/" .. status, { method = "POST", body = "secret" }))
      assert.are.equal(status, reply.status)
      assert.are.equal("/echo", reply.headers.location)
      assert.are.equal("", reply.body)
    end
  end)

  it("joins headers that come twice, and keeps an empty one", function()
    local reply = assert(perform "/twice")
    assert.are.equal("a, b", reply.headers["x-twice"])
    assert.are.equal("", reply.headers["x-empty"])
  end)

  it("is the final one, without what came with 100", function()
    local reply = assert(perform "/continue")
    assert.are.equal(200, reply.status)
    assert.are.equal("late", reply.body)
    assert.is_nil(reply.headers["x-early"])
  end)

  it("in chunks is put together", function()
    assert.are.equal(("x"):rep(50000), assert(perform "/stream/50000").body)
  end)

  it("is bounded: with a length and in chunks", function()
    assert.are.equal(1000, #assert(perform("/large/1000", { max_body = 1000 })).body)
    local message = failed("too_large", "/large/1001", { max_body = 1000 })
    assert.is_truthy(message:find("larger than 1000 bytes", 1, true))
    failed("too_large", "/stream/100000", { max_body = 1000 })
    assert.are.equal(1 << 20, #assert(perform("/large/1048576")).body)
    failed("too_large", "/large/1048577")
    failed("too_large", "/header/80000")
  end)
end)

describe("a failure", function()
  it("of the network has its code", function()
    failed("network", "/cut")
    failed("network", "/half")
    failed("network", "", { url = ("http://127.0.0.1:%d/"):format(process.free_port()) })
    failed("network", "", { url = "http://name.invalid/" })
  end)

  it("by something that speaks no HTTP is one", function()
    failed("network", "/garbage")
  end)

  it("by time comes in time", function()
    for _, path in ipairs { "/wait/5", "/drip" } do
      local from = socket.gettime()
      failed("timeout", path, { timeout = 0.2 })
      local took = socket.gettime() - from
      assert(took >= 0.19 and took < 2, took)
    end
  end)

  it("of the address has its code", function()
    failed("invalid", "", { url = "http://" })
    failed("invalid", "", { url = "not an address" })
    failed("invalid", "", { url = "file:///etc/passwd" })
    failed("invalid", "", { url = "gopher://127.0.0.1/" })
  end)

  it("of TLS has its code: no TLS at the other side", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local multi <close> = curl.new {}
    local id = multi:add { url = ("https://127.0.0.1:%d/"):format(port), timeout = 5 }
    multi:step(0.05)
    local client = assert(listener:accept())
    client:send "HTTP/1.1 400 Bad Request\r\n\r\n"
    assert.are.equal("tls", finish(multi, 1)[id].code)
    client:close()
    listener:close()
  end)

  it("of TLS has its code: a certificate that nobody vouches for", function()
    local other = tls.start()
    finally(function() other:close() end)
    local message = failed("tls", "", { url = other.url })
    assert.is_truthy(message:find("certificate", 1, true), message)
  end)
end)

describe("many at once", function()
  it("all come back, each with its own id", function()
    local multi, wanted = curl.new { connections = 32 }, {}
    for i = 1, 200 do
      wanted[multi:add { method = "POST", url = url .. "/echo", body = "number " .. i }] = "number " .. i
    end
    assert.are.equal(200, multi:count())
    for id, reply in pairs(finish(multi, 200)) do
      assert.are.equal(wanted[id], cjson.decode(reply.body).body)
    end
    assert.are.equal(0, multi:count())
    multi:close()
  end)

  it("go out together, and no more than the connections allow", function()
    local before = cjson.decode(assert(perform "/seen").body)
    local multi, from = curl.new { connections = 4 }, socket.gettime()
    for _ = 1, 12 do multi:add { url = url .. "/wait/0.1" } end
    finish(multi, 12)
    local took = socket.gettime() - from
    assert(took >= 0.3 and took < 1.1, took)
    local after = cjson.decode(assert(perform "/seen").body)
    assert.are.equal(12, after.requests - before.requests)
    -- Connections are used again: four, and the one of each question.
    assert(after.connections - before.connections <= 5, after.connections - before.connections)
    multi:close()
  end)

  it("one that fails does not harm the others", function()
    local multi = curl.new {}
    local bad = multi:add { url = ("http://127.0.0.1:%d/"):format(process.free_port()) }
    local slow = multi:add { url = url .. "/wait/5", timeout = 0.1 }
    local good = multi:add { url = url .. "/status/201" }
    local done = finish(multi, 3)
    assert.are.equal(201, done[good].status)
    assert.are.equal("network", done[bad].code)
    assert.are.equal(0, done[bad].status)
    assert.are.equal("timeout", done[slow].code)
    assert.is_string(done[slow].error)
    multi:close()
  end)

  it("a cancelled one does not come back", function()
    local multi = curl.new {}
    local first = multi:add { url = url .. "/wait/0.1" }
    local second = multi:add { url = url .. "/wait/0.1" }
    multi:step(0.02)
    assert.is_true(multi:cancel(first))
    assert.is_false(multi:cancel(first))
    assert.is_false(multi:cancel(12345))
    assert.are.equal(1, multi:count())
    assert.is_truthy(finish(multi, 1)[second])
    assert.are.same({}, multi:step(0.2))
    multi:close()
  end)

  it("closing with requests under way ends them", function()
    local multi = curl.new {}
    for _ = 1, 10 do multi:add { url = url .. "/wait/5" } end
    multi:step(0.05)
    local from = socket.gettime()
    multi:close()
    assert(socket.gettime() - from < 1)
    multi:close()
    assert.has_error(function() multi:step(0) end)
    assert.has_error(function() multi:add { url = url } end)
    assert.is_truthy(tostring(multi):find("closed", 1, true))
  end)
end)

describe("waiting", function()
  it("lasts as long as it is told, no longer", function()
    local multi, from = curl.new {}, socket.gettime()
    assert.are.same({}, multi:step(0.1))
    local took = socket.gettime() - from
    assert(took >= 0.09 and took < 1, took)
    from = socket.gettime()
    multi:step(0)
    assert(socket.gettime() - from < 0.05)
    multi:close()
  end)

  it("ends when the descriptor becomes readable", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local client = assert(socket.connect("127.0.0.1", port))
    local peer = assert(listener:accept())
    local multi = curl.new {}
    peer:send "x"
    local from = socket.gettime()
    multi:step(5, client:getfd())
    assert(socket.gettime() - from < 1)
    client:receive(1)
    from = socket.gettime()
    multi:step(0.1, client:getfd())
    assert(socket.gettime() - from >= 0.09)
    multi:close()
    for _, one in ipairs { client, peer, listener } do one:close() end
  end)

  it("new{} checks its option", function()
    assert.has_error(function() curl.new { connections = 0 } end)
    assert.has_error(function() curl.new { connections = "many" } end)
    assert.has_error(function() curl.new(5) end)
  end)

  it("new{} knows its option by name", function()
    assert.has_error(function() curl.new { conections = 5 } end)
  end)
end)
