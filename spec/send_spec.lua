-- Posting events exactly as Altinn does.
local cjson = require "cjson"
local echo = require "spec.support.echo"
local events = require "altinn.events"
local process = require "spec.support.process"
local send = require "altinn.events.host.send"

local server, folder, url

setup(function()
  server = echo.start()
  folder, url = server.folder, server.url
end)

teardown(function() server:close() end)

local published = '{"specversion":"1.0","id":"0b6f6a1e-6d1f-4c4f-9a3b-0c1d2e3f4a5b",' ..
  '"type":"no.altinn.correspondence.correspondencepublished","time":"2026-08-20T07:22:19.4380391Z",' ..
  '"resource":"urn:altinn:resource:acme-letters","resourceinstance":"0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f",' ..
  '"subject":"urn:altinn:organization:identifier-no:987654321","alternativesubject":"/organisation/987654321",' ..
  '"source":"https://platform.tt02.altinn.no/correspondence/api/v1/correspondence"}'

local function file(name, text)
  process.write(folder .. "/" .. name, text)
  return folder .. "/" .. name
end

-- Sends files; ok, and all reports as { file, reply, message }.
local function post(files, options)
  local reports = {}
  options = options or {}
  options.files, options.to = files, options.to or url .. "/echo"
  options.report = function(...)
    local path, reply, message = ...
    reports[#reports + 1] = { file = path, reply = reply, message = message }
  end
  return send.files(options), reports
end

local function request_of(report)
  local request, headers = cjson.decode(report.reply.body), {}
  for _, pair in ipairs(request.headers) do headers[pair[1]:lower()] = pair[2] end
  request.headers = headers
  return request
end

local function body(text) return send.body(assert(events.parse(text))) end

local function with(members)
  return ('{"specversion":"1.0","id":"1","source":"/x","type":"t",%s}'):format(members)
end

describe("the body", function()
  it("is one line, the members in their order", function()
    assert.are.equal(published, body(published))
    assert.are.equal(published, body((published:gsub('","', '",\n  "'))))
  end)

  it("begins with specversion, the rest in order of arrival", function()
    assert.are.equal('{"specversion":"1.0","type":"t","id":"1","source":"/x","a":"b"}',
      body '{"type":"t","id":"1","source":"/x","specversion":"1.0","a":"b"}')
    assert.are.equal('{"specversion":"1.0","id":"1","source":"/x","type":"t"}',
      body '{"id":"1","source":"/x","type":"t","specversion":"1.0"}')
  end)

  it("begins with the event's own specversion, not one of the payload", function()
    local text = body '{"id":"1","data":{"specversion":"1.0","x":1},"source":"/x","type":"t","specversion":"1.0"}'
    local event = assert(events.parse(text))
    assert.are.equal('{"specversion":"1.0",', text:sub(1, 21))
    assert.are.same({ specversion = "1.0", x = 1 }, event.data)
  end)

  it("leaves nulls out", function()
    assert.are.equal('{"specversion":"1.0","id":"1","source":"/x","type":"t","a":"b"}',
      body(with '"subject":null,"a":"b"'))
  end)

  it("escapes all that is not ASCII, and what Altinn's server escapes besides", function()
    local text = body(with [["a":"blå 😀 € + < > & ' ` \" end"]])
    assert.is_nil(text:find("[\128-\255]"))
    assert.is_truthy(text:find(
      [["a":"bl\u00E5 \uD83D\uDE00 \u20AC \u002B \u003C \u003E \u0026 \u0027 \u0060 \u0022 end"]], 1, true), text)
    assert.are.equal("blå 😀 € + < > & ' ` \" end", assert(events.parse(text)).a)
  end)

  it("escapes the offset of a time", function()
    local text = body(with '"time":"2026-08-20T09:22:19+02:00"')
    assert.is_truthy(text:find([["time":"2026-08-20T09:22:19\u002B02:00"]], 1, true))
  end)

  it("means the same whatever the text holds", function()
    for _, inner in ipairs { [[\\]], [[\"]], [[\\\"]], [[\\\\]], [[a\\\"b]], [[\u0022]],
      [[,\"specversion\":\"1.0\"]], "å\\\\", [[\u00e5\ud83d\ude00]] } do
      local source = assert(events.parse(with(('"a":"%s"'):format(inner))))
      assert.are.same(events.totable(source), events.totable(assert(events.parse(send.body(source)))))
    end
    local source = assert(events.parse(with [["data":{"a\"b":["<\n\t\/",{"x":"å"}],"n":9007199254740993,"e":[]}]]))
    assert.are.same(events.totable(source), events.totable(assert(events.parse(send.body(source)))))
  end)

  it("can be made of a table", function()
    assert.are.equal('{"specversion":"1.0","id":"1","source":"/x","type":"t"}',
      send.body { type = "t", id = "1", source = "/x", specversion = "1.0" })
  end)
end)

describe("a post", function()
  it("has Altinn's method, path and media type", function()
    local ok, reports = post({ file("one.json", published) }, { to = url .. "/echo/s3cret/name?x=1" })
    assert.is_true(ok)
    assert.are.equal(1, #reports)
    local request = request_of(reports[1])
    assert.are.equal("POST", request.method)
    assert.are.equal("/echo/s3cret/name?x=1", request.path)
    assert.are.equal("application/json; charset=utf-8", request.headers["content-type"])
    assert.are.equal(tostring(#published), request.headers["content-length"])
    assert.are.equal(published, request.body)
  end)

  it("has no header that Altinn does not send", function()
    local _, reports = post { file("one.json", published) }
    local names = {}
    for name in pairs(request_of(reports[1]).headers) do names[#names + 1] = name end
    table.sort(names)
    assert.are.same({ "content-length", "content-type", "host" }, names)
  end)

  it("comes for each line of JSON Lines, in order", function()
    local lines = {}
    for i = 1, 5 do lines[i] = with(('"n":%d'):format(i)) end
    local ok, reports = post { file("many.jsonl", table.concat(lines, "\n\n") .. "\r\n") }
    assert.is_true(ok)
    assert.are.equal(5, #reports)
    for i = 1, 5 do assert.are.equal(i, cjson.decode(request_of(reports[i]).body).n) end
  end)

  it("comes for each of several files, each named", function()
    local first, second = file("a.json", with '"n":1'), file("b.json", with '"n":2')
    local ok, reports = post { first, second }
    assert.is_true(ok)
    assert.are.same({ first, second }, { reports[1].file, reports[2].file })
    assert.are.equal(2, cjson.decode(request_of(reports[2]).body).n)
  end)

  it("can have another media type, and raw bytes", function()
    local _, reports = post({ file("broken.json", '{ "id": 5 \n "x"') },
      { raw = true, content_type = "application/cloudevents+json" })
    local request = request_of(reports[1])
    assert.are.equal('{ "id": 5 \n "x"', request.body)
    assert.are.equal("application/cloudevents+json", request.headers["content-type"])
  end)
end)

describe("what goes wrong is told, and the rest goes on:", function()
  it("an answer that is not 2xx", function()
    local answers = { [200] = true, [202] = true, [302] = false, [401] = false, [404] = false, [503] = false }
    for status, fine in pairs(answers) do
      local ok, reports = post({ file("one.json", published) }, { to = url .. "/status/" .. status })
      assert.are.equal(fine, ok, status)
      assert.are.equal(status, reports[1].reply.status)
    end
  end)

  it("an address where nobody listens", function()
    local ok, reports = post({ file("one.json", published) }, { to = "http://127.0.0.1:1/events" })
    assert.is_false(ok)
    assert.is_nil(reports[1].reply)
    assert.is_string(reports[1].message)
  end)

  it("an address that is none", function()
    local ok, reports = post({ file("one.json", published) }, { to = "nonsense:" })
    assert.is_false(ok)
    assert.is_string(reports[1].message)
  end)

  it("an answer that does not come", function()
    local ok, reports = post({ file("one.json", published) }, { to = url .. "/wait/3", timeout = 0.1 })
    assert.is_false(ok)
    assert.is_string(reports[1].message)
  end)

  it("a file that is not there, is a folder, or holds no event", function()
    local good = file("good.json", published)
    local ok, reports = post { folder .. "/none.json", folder, file("empty.json", ""), file("bad.json", "{"),
      file("list.json", "[" .. published .. "]"), good }
    assert.is_false(ok)
    assert.are.equal(6, #reports)
    for i = 1, 5 do
      assert.is_nil(reports[i].reply)
      assert(type(reports[i].message) == "string" and reports[i].message ~= "", reports[i].file)
    end
    assert.are.equal(200, reports[6].reply.status)
  end)

  it("a line that holds no event: none of the file is sent", function()
    local ok, reports = post { file("some.jsonl", with '"n":1' .. "\n\n{\n" .. with '"n":3' .. "\n") }
    assert.is_false(ok)
    assert.are.equal(1, #reports)
    assert.is_truthy(reports[1].message:find("^line 3: "), reports[1].message)
  end)

  it("a payload is not in the message", function()
    local _, reports = post { file("bad.json", '{"specversion":"1.0","id":"1","type":"t","source":"12345678901 x"}') }
    assert.is_nil(reports[1].message:find("12345678901", 1, true))
  end)
end)
