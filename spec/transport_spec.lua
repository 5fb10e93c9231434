-- Transports: libcurl in plain Lua and under the scheduler, streams, TLS; trying again.
local altinn = require "spec.support.altinn"
local core = require "altinn.events.core"
local curl = require "altinn.events.curl"
local events = require "altinn.events"
local process = require "spec.support.process"
local retry = require "altinn.events.client.retry"
local socket = require "socket"
local scheduler = require "altinn.events.host.scheduler"
local script = require "spec.support.script"
local tls = require "spec.support.tls"
local transport = require "altinn.events.transport"

local clock = core.altinn.clock
local server
local send = transport.default()

setup(function() server = script.start() end)
teardown(function() server:close() end)

local function request(fields)
  local made = { method = "GET", url = server.url .. "/", headers = {}, timeout = 10 }
  for name, value in pairs(fields or {}) do made[name] = value end
  return made
end

local resident = altinn.resident

-- As a host does it.
transport.set_carrier(scheduler)
teardown(function() transport.set_carrier(nil) end)

local function cpu() return os.clock() end

-- A scheduler whose tasks have no budget.
local function tasks()
  local budget = { start = function() end, finish = function() return nil, 0 end, enter = function() end,
    leave = function() end, stopped = function() return nil end }
  return scheduler.new { budget = budget, open = function() return curl.new {} end, clock = clock }
end

-- Runs tasks to their end; what each gave, or its error.
local function run(...)
  local own, results, left = tasks(), {}, select("#", ...)
  for index, body in ipairs { ... } do
    own:spawn { run = body, wall = 10, finished = function(_, ok, value)
      results[index] = { ok = ok, value = value }
      left = left - 1
    end }
  end
  local deadline = clock() + 10
  while left > 0 do
    assert(clock() < deadline, "the tasks do not end")
    own:step(own:pause(0.5))
    own:ring()
  end
  assert.are.equal(0, own:transfer_count())
  if own.multi then own.multi:close() end
  return results
end

describe("the default transport", function()
  it("gives status, headers and body, and follows nothing", function()
    server:always(302, "elsewhere", "Location = '/other', ['X-One'] = 'a'")
    local reply = assert(send(request()))
    assert.are.equal(302, reply.status)
    assert.are.equal("elsewhere", reply.body)
    assert.are.equal("/other", reply.headers.location)
    assert.are.equal(1, #server:requests())
  end)

  it("sends a POST without a body as one, and a GET without any sign of a body", function()
    server:always(200)
    assert(send(request { method = "POST", body = "" }))
    assert(send(request()))
    assert(send(request { method = "DELETE" }))
    local posted, got, deleted = table.unpack(server:requests())
    assert.are.equal("0", posted.headers["content-length"])
    for _, one in ipairs { posted, got, deleted } do
      assert.is_nil(one.headers["content-type"])
      assert.is_nil(one.headers["user-agent"])
      assert.is_nil(one.headers.accept)
    end
    assert.is_nil(got.headers["content-length"])
    assert.is_nil(deleted.headers["content-length"])
  end)

  it("says what failed", function()
    local reply, message, code = send(request { url = "http://127.0.0.1:" .. process.free_port() })
    assert.is_nil(reply)
    assert.are.equal("network", code)
    assert.is_string(message)
    server:answer "return { hang = true }"
    reply, message, code = send(request { timeout = 0.2 })
    assert.is_nil(reply)
    assert.are.equal("timeout", code, message)
    server:answer "return { bytes = 5000 }"
    reply, message, code = send(request { max_body = 4999 })
    assert.is_nil(reply)
    assert.are.equal("too_large", code, message)
  end)

  it("trusts the authorities of ca_file, and no others", function()
    local other = tls.start()
    finally(function() other:close() end)
    local url = other.url
    assert.are.equal(200, assert(send(request { url = url, ca_file = other.certificate })).status)
    assert.are.equal("tls", (select(3, send(request { url = url }))))
    assert.are.equal("tls", (select(3, send(request { url = url, ca_file = other.key }))))
    local name = ("https://localhost:%d/"):format(other.port)
    assert.are.equal("tls", (select(3, send(request { url = name, ca_file = other.certificate }))))
  end)

  it("sleeps without using the processor", function()
    local from, used = clock(), cpu()
    transport.sleep(0.3)
    assert(clock() - from >= 0.3 and clock() - from < 1)
    assert(cpu() - used < 0.1, cpu() - used)
  end)
end)

describe("a sink", function()
  it("gets a large body in parts, in constant memory", function()
    local size = 300 * 1024 * 1024
    server:answer(("return { bytes = %d }"):format(size))
    local got, parts, more = altinn.measure(server.url, "stream")
    assert.are.equal(size, got)
    assert(parts > 100, parts)
    assert(more < 16 * 1024, ("%d KiB more"):format(more))
  end)

  it("is told what came before: status and headers", function()
    server:answer "return { status = 201, bytes = 1000, headers = { ['X-One'] = 'a' } }"
    local head
    local reply = assert(send(request { sink = function(_, first) head = first end }))
    assert.are.equal("", reply.body)
    assert.are.equal(201, head.status)
    assert.are.equal("a", head.headers["x-one"])
  end)

  it("that is slow holds the server back", function()
    server:answer "return { bytes = 64 * 1024 * 1024 }"
    local before, parts = resident(), 0
    assert(send(request { timeout = 60, sink = function()
      parts = parts + 1
      if parts == 2 then transport.sleep(0.3) end  -- the server could send all of it meanwhile
      if parts == 3 then assert(resident() - before < 16 * 1024, resident() - before) end
    end }))
    assert(parts > 3)
  end)

  it("gets every byte, in order", function()
    server:answer "return { bytes = 3000001 }"
    local list = {}
    assert(send(request { sink = function(part) list[#list + 1] = part end }))
    local body = table.concat(list)
    assert.are.equal(3000001, #body)
    assert.are.equal((("0123456789abcdef"):rep(4096):rep(46)):sub(1, 3000001), body)
  end)

  it("gets only what a 2xx brings, the rest is in the reply", function()
    for _, status in ipairs { 200, 404, 500 } do
      server:always(status, "body")
      local got = {}
      local reply = assert(send(request { sink = function(part) got[#got + 1] = part end }))
      assert.are.equal(status == 200 and "" or "body", reply.body)
      assert.are.same(status == 200 and { "body" } or {}, got)
    end
    server:always(200, "")
    assert.are.equal("", assert(send(request { sink = error })).body)
    server:answer "return { status = 404, bytes = 5000 }"
    assert.are.equal("too_large", (select(3, send(request { max_body = 4999, sink = error }))))
  end)

  it("can end the exchange, by a value or by an error", function()
    server:answer "return { bytes = 100 * 1024 * 1024 }"
    local calls = 0
    local reply, message, code = send(request { sink = function()
      calls = calls + 1
      return false, "enough"
    end })
    assert.is_nil(reply)
    assert.are.equal("enough", message)
    assert.are.equal("cancelled", code)
    assert.are.equal(1, calls)
    local ok, why = pcall(send, request { sink = function() error("no", 0) end })
    assert.is_false(ok)
    assert.are.equal("no", why)
    server:always(200, "fine")
    assert.are.equal("fine", assert(send(request())).body)
  end)

  it("hears of a body that breaks off", function()
    server:answer "return { bytes = 2000000, cut = 1000000 }"
    local got = 0
    local reply, _, code = send(request { sink = function(part) got = got + #part end })
    assert.is_nil(reply)
    assert.are.equal("network", code)
    assert(got > 0 and got <= 1000000, got)
  end)

  it("may send a request of its own meanwhile", function()
    server:answer "return request.path == '/inner' and { body = 'inner' } or { bytes = 2000000 }"
    local got, inner = 0, 0
    assert(send(request { sink = function(part)
      got = got + #part
      if assert(send(request { url = server.url .. "/inner" })).body == "inner" then inner = inner + 1 end
    end }))
    assert.are.equal(2000000, got)
    assert(inner > 1)
  end)
end)

describe("without an answer", function()
  local function detail_of(fields)
    local reply, _, code, detail = send(request(fields))
    assert.is_nil(reply)
    return code, detail.not_sent
  end

  it("it is told at which stage the network failed", function()
    local function stage_of(fields)
      local reply, _, code, detail = send(request(fields))
      assert.is_nil(reply)
      return { code, detail.stage }
    end
    assert.are.same({ "network", "connect" }, stage_of { url = ("http://127.0.0.1:%d/"):format(process.free_port()) })
    assert.are.same({ "network", "resolve" }, stage_of { url = "http://a..b/" })
    server:answer "return { cut = 5, bytes = 100 }"
    assert.are.same({ "network", "broken" }, stage_of {})
    server:answer "return { hang = true }"
    assert.are.same({ "timeout" }, stage_of { timeout = 0.2 })
  end)

  it("it is told whether anything can have been sent", function()
    server:answer "return { hang = true }"
    local refused = ("http://127.0.0.1:%d/"):format(process.free_port())
    assert.are.same({ "network", true }, { detail_of { url = refused } })
    assert.are.same({ "timeout", false }, { detail_of { timeout = 0.2 } })
    local results = run(function() return { detail_of { url = refused } } end,
      function() return { detail_of { timeout = 0.2 } } end,
      function() return { detail_of { headers = { ["X-A"] = "a\r\nb" } } } end)
    assert.are.same({ "network", true }, results[1].value)
    assert.are.same({ "timeout", false }, results[2].value)
    assert.are.same({ "invalid", true }, results[3].value)
  end)
end)

describe("under the scheduler", function()
  it("the task waits, and others run meanwhile", function()
    server:answer "return { delay = 0.3, body = request.path }"
    local from, order = clock(), {}
    local function ask(path)
      return function()
        local reply = assert(send(request { url = server.url .. path }))
        order[#order + 1] = path
        return reply.body
      end
    end
    local results = run(ask "/a", ask "/b", function()
      transport.sleep(0.05)
      order[#order + 1] = "slept"
      return "c"
    end)
    assert(clock() - from < 0.6, clock() - from)
    assert.are.equal("slept", order[1])
    assert.are.same({ "/a", "/b", "c" }, { results[1].value, results[2].value, results[3].value })
  end)

  it("streams go to sinks that may wait", function()
    server:answer "return request.path == '/inner' and { body = 'x' } or { bytes = 3000000 }"
    local results = run(function()
      local got = 0
      local reply = assert(send(request { sink = function(part)
        got = got + #part
        assert(send(request { url = server.url .. "/inner" }))
      end }))
      return got + #reply.body
    end, function()
      local reply, message, code = send(request { sink = function() return false, "enough" end })
      return tostring(reply) .. message .. code
    end, function()
      local _, message = pcall(send, request { sink = function() error("broken", 0) end })
      return message
    end, function()
      send(request { sink = function() error("broken", 0) end })
    end)
    assert.are.equal(3000000, results[1].value)
    assert.are.equal("nilenoughcancelled", results[2].value)
    assert.are.equal("broken", results[3].value)
    assert.is_false(results[4].ok)
  end)

  it("a task that ends in the middle leaves no transfer", function()
    server:answer "return { bytes = 30000000 }"
    local own, ended = tasks(), nil
    local task = own:spawn { wall = 10, finished = function(_, ok, why) ended = { ok, why } end, run = function()
      send(request { sink = function() transport.sleep(5) end })
    end }
    for _ = 1, 20 do own:step(0.02) end
    assert.are.equal(1, own:transfer_count())
    own:cancel(task, "stopped")
    assert.are.same({ false, "stopped" }, ended)
    assert.are.equal(0, own:transfer_count())
    assert.are.same({}, own.transfers)
    own.multi:close()
  end)

  it("a task that ends in the middle of a download leaves no file", function()
    server:answer 'return { drip = "HTTP/1.1 200 OK\\r\\nContent-Length: 200000\\r\\n\\r\\n" .. ("x"):rep(200000) }'
    local own, folder = tasks(), process.folder()
    local function files()
      local pipe <close> = io.popen("ls " .. process.quote(folder))
      return pipe:read("a")
    end
    local letter = events.client { base_url = server.url, token = "t" }:letter "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
    local task = own:spawn { wall = 10, finished = function() end, run = function()
      letter:download("0198c3a2-0000-7c55-8f0e-2a4b6c8d0e1f", folder .. "/a")
    end }
    local deadline = clock() + 10
    while files() == "" do
      assert(clock() < deadline, "no byte comes")
      own:step(0.1)
    end
    own:cancel(task, "stopped")
    assert.are.equal("", files())
    own.multi:close()
    process.remove(folder)
  end)

  it("a request that is none is the task's own failure", function()
    server:always(200)
    local results = run(function()
      local _, message, code = send(request { headers = { ["X-A"] = "a\r\nX-B: b" } })
      return code .. " " .. message
    end, function() return assert(send(request())).status end)
    assert.is_truthy(results[1].value:find("^invalid .*line break"))
    assert.are.equal(200, results[2].value)
  end)

  it("knows whether it is inside a task", function()
    assert.is_false(scheduler.inside())
    local results = run(function()
      return coroutine.wrap(function() return scheduler.inside() end)()
    end)
    assert.is_true(results[1].value)
    assert.is_false(scheduler.inside())
  end)
end)

describe("libcurl's streams", function()
  it("give one part at a time, until it is taken", function()
    server:answer "return { bytes = 2000000 }"
    local multi <close> = curl.new {}
    local id = multi:add(request { sink = true })
    local records
    repeat records = multi:step(1) until #records > 0
    assert.are.equal(1, #records)
    assert.is_string(records[1].part)
    assert.are.same({}, multi:step(0.1))
    assert.is_false(multi:more(id + 1))
    local got, final = #records[1].part, nil
    while not final do
      multi:more(id)
      for _, record in ipairs(multi:step(1)) do
        if record.part then got = got + #record.part else final = record end
      end
    end
    assert.is_false(multi:more(id))
    assert.are.equal(2000000, got)
    assert.are.equal(200, final.status)
    assert.are.equal(0, multi:count())
  end)

  it("wait at rest while a part is out, and can be cancelled", function()
    server:answer "return { bytes = 100000 }"
    local multi <close> = curl.new {}
    local id = multi:add(request { sink = true })
    local records
    repeat records = multi:step(1) until #records > 0
    local from, used = clock(), cpu()
    repeat assert.are.same({}, multi:step(0.1)) until clock() - from > 0.3
    assert(cpu() - used < 0.15, cpu() - used)
    assert.is_true(multi:cancel(id))
    assert.is_false(multi:more(id))
    assert.are.same({}, multi:step(0))
  end)

  it("have no place in perform", function()
    local multi <close> = curl.new {}
    assert.has_error(function() multi:perform(request { sink = true }) end)
    assert.are.equal(0, multi:count())
  end)
end)

describe("trying again", function()
  it("waits longer each time, evenly spread, and at least what the server asks for", function()
    local function most() return 1 end
    assert.are.same({ 0.5, 1, 2, 4, 8, 16, 30, 30 }, { retry.pause(1, nil, most), retry.pause(2, nil, most),
      retry.pause(3, nil, most), retry.pause(4, nil, most), retry.pause(5, nil, most), retry.pause(6, nil, most),
      retry.pause(7, nil, most), retry.pause(100, nil, most) })
    assert.are.equal(0, retry.pause(5, nil, function() return 0 end))
    assert.are.equal(3.5, retry.pause(5, 3, most))
    local low, high, different = 1, 0, {}
    for _ = 1, 200 do
      local pause = retry.pause(1)
      low, high, different[pause] = math.min(low, pause), math.max(high, pause), true
    end
    assert(low >= 0 and low < 0.1 and high > 0.4 and high <= 0.5)
    assert(next(different, next(different)))
  end)

  it("reads Retry-After: seconds and dates", function()
    assert.are.equal(120, retry.after { ["retry-after"] = "120" })
    assert.are.equal(90, retry.after { ["retry-after"] = "Wed, 21 Oct 2026 07:30:00 GMT",
      date = "Wed, 21 Oct 2026 07:28:30 GMT" })
    assert.are.equal(0, retry.after { ["retry-after"] = "Wed, 21 Oct 2015 07:30:00 GMT" })
    for _, nonsense in ipairs { "", "-1", "soon", "1.5", "99999999999", "Wed, 99 Oct 2026 07:30:00 GMT" } do
      assert.is_nil(retry.after { ["retry-after"] = nonsense }, nonsense)
    end
    assert.is_nil(retry.after {})
  end)

  local function policy(timeout, slept)
    return { timeout = timeout, sleep = function(seconds) slept[#slept + 1] = seconds end }
  end

  it("ends with success, with what is for good, and after so many attempts", function()
    local slept, calls = {}, 0
    local result = retry.run(policy(100, slept), function(left, number)
      calls = calls + 1
      assert.are.equal(calls, number)
      assert(left > 99)
      if number < 3 then return nil, { retry = true, code = "server" } end
      return "done"
    end)
    assert.are.equal("done", result)
    assert.are.equal(2, #slept)
    local none, failure = retry.run(policy(100, slept), function() return nil, { code = "invalid" } end)
    assert.is_nil(none)
    assert.are.equal("invalid", failure.code)
    assert.are.equal(2, #slept)
    calls = 0
    none, failure = retry.run(policy(100, slept), function()
      calls = calls + 1
      return nil, { retry = true, code = "network" }
    end)
    assert.is_nil(none)
    assert.are.equal("network", failure.code)
    assert.are.equal(5, calls)
  end)

  it("does not wait for an attempt that would come too late", function()
    local slept = {}
    local _, failure = retry.run(policy(5, slept), function()
      return nil, { retry = true, after = 60, code = "throttled" }
    end)
    assert.are.equal("throttled", failure.code)
    assert.are.same({}, slept)
  end)

  it("gives the last failure when the pause took longer than it should", function()
    local calls = 0
    local _, failure = retry.run({ timeout = 1.2, sleep = function() socket.sleep(1.3) end }, function()
      calls = calls + 1
      return nil, { retry = true, code = "server" }
    end)
    assert.are.same({ "server", 1 }, { failure.code, calls })
  end)
end)
