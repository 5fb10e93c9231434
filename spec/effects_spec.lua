-- Effects as requests: targets, keys, paths, headers, bodies; and JSON texts.
local cjson = require "cjson"
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local json = require "altinn.events.support.json"
local rule = require "altinn.events.rule"

local targets = {
  print = { url = "https://print.example.no/api/", headers = { Authorization = "Bearer abc" }, timeout = 7 },
  bare = { url = "http://127.0.0.1:9" },
}

local ABOUT = { rule = "r", place = 1, event = assert(events.parse
  '{"specversion":"1.0","id":"b","source":"/","type":"t"}') }

-- An effect as a rule makes it, for the target "bare" when none is named.
local function effect(fields, target)
  fields.key = fields.key or "k:1"
  return rule.send.http(target or "bare")(fields)
end

local function prepare(fields, target)
  local item, message = effects.prepare(effect(fields, target), ABOUT, targets)
  assert(item, message)
  local request, _, judge = effects.carry(item, item.text, targets)
  return request, item.key, judge
end

local function refused(fields, ...)
  local item, message = effects.prepare(effect(fields), ABOUT, targets)
  assert.is_nil(item)
  for _, wanted in ipairs { "effect for target 'bare'", ... } do
    assert(message:find(wanted, 1, true), ("%q does not say %q"):format(message, wanted))
  end
  assert.is_nil(message:find("[\r\n]"), "a line break in a message")
  return message
end

-- The values of a header, whatever its case.
local function header(request, wanted)
  local found = {}
  for name, value in pairs(request.headers) do
    if name:lower() == wanted:lower() then found[#found + 1] = value end
  end
  return found
end

describe("effects.prepare", function()
  it("makes the whole request", function()
    local request, key = prepare({
      key = "print:a1", path = "/v1/jobs", json = { letter = "a1", n = 3 },
    }, "print")
    assert.are.same({
      method = "POST", url = "https://print.example.no/api/v1/jobs", timeout = 7, body = '{"letter":"a1","n":3}',
      headers = { Authorization = "Bearer abc", ["Content-Type"] = "application/json",
        ["Idempotency-Key"] = "print:print:a1" },
    }, request)
    assert.are.equal("print:print:a1", key)
  end)

  it("says of a redirect that it is not followed", function()
    local judge = select(3, prepare {})
    for status, said in pairs { [301] = true, [308] = true, [400] = false, [200] = false } do
      local outcome = judge { status = status, headers = {}, body = "" }
      assert.are.equal(said, (outcome.reason or ""):find("redirects are not followed", 1, true) ~= nil)
    end
  end)

  it("leaves the target's table as it is", function()
    prepare({ headers = { ["X-One"] = "1" } }, "print")
    assert.are.same({ Authorization = "Bearer abc" }, targets.print.headers)
  end)

  it("has defaults: POST, 30 seconds, no body, the target's own address", function()
    local request = prepare {}
    assert.are.equal("POST", request.method)
    assert.are.equal(30, request.timeout)
    assert.are.equal("", request.body)
    assert.are.equal("http://127.0.0.1:9", request.url)
    assert.are.same({ ["Idempotency-Key"] = "bare:k:1" }, request.headers)
  end)

  it("names an unknown target with the nearest right one", function()
    local request, message = effects.prepare(effect({}, "pritn"), ABOUT, targets)
    assert.is_nil(request)
    assert.are.equal("effect for target 'pritn': there is no such target (did you mean 'print'?);"
      .. " targets stand in the configuration", message)
    request, message = effects.prepare(effect({}, "print"), ABOUT, nil)
    assert.is_nil(request)
    assert.is_truthy(message:find("there is no such target", 1, true))
    request, message = effects.prepare(effect({}, "log"), ABOUT, { log = { file = "/var/log/x" } })
    assert.is_nil(request)
    assert.is_truthy(message:find("no url", 1, true))
  end)
end)

describe("the key", function()
  it("that is an attribute of the event belongs to the rule, though it holds a colon", function()
    local event = assert(events.parse [[{"specversion":"1.0","id":"urn:uuid:1","source":"https://a.example/b",
      "type":"t","subject":"urn:altinn:organization:identifier-no:987654321",
      "resource":"urn:altinn:resource:acme-letters"}]])
    local function keyed(key)
      return effects.prepare(effect { key = key }, { rule = "r", place = 1, event = event }, targets)
    end
    assert.are.equal("bare:r/" .. event.subject, keyed(event.subject).key)
    assert.are.equal("bare:r/urn:uuid:1", keyed(event.id).key)
    assert.are.equal("bare:case:" .. event.subject, keyed("case:" .. event.subject).key)
    for _, name in ipairs { "resource", "source" } do  -- the same for every event: the first would be the last
      local item, message = keyed(event[name])
      assert.is_nil(item)
      assert.is_truthy(message:find("the key holds nothing of this event", 1, true))
    end
  end)

  it("is the target, the rule and the parts; whole numbers have no point", function()
    local _, key = prepare { key = { "a", 5, 5.0, 1.5, "007", "b" } }
    assert.are.equal("bare:r/a/5/5/1.5/007/b", key)
  end)

  it("differs by target, so that two targets are two effects", function()
    local _, first = prepare { key = "b" }
    local _, second = prepare({ key = "b" }, "print")
    assert.are_not.equal(first, second)
  end)

  it("tells apart what is written with a slash and what has one", function()
    local _, first = prepare { key = { "a/b", "c" } }
    local _, second = prepare { key = { "a", "b/c" } }
    assert.are.same({ "bare:r/a%2Fb/c", "bare:r/a/b%2Fc" }, { first, second })
    local _, third = prepare { key = "a/b/c" }
    assert.are.equal("bare:r/a/b/c", third)
    local _, escaped = prepare { key = { "a%2Fb", "c" } }
    assert.are.equal("bare:r/a%252Fb/c", escaped)
  end)

  it("holds no control character and has a bound", function()
    refused({ key = "a:\nb" }, "the key holds a control character")
    refused({ key = { "b", "b\r\nX-Injected: 1" } }, "the key holds a control character")
    refused({ key = "b\0b" }, "the key holds a control character")
    refused({ key = ":" .. ("x"):rep(507) }, "the key is longer than 512 bytes")
    prepare { key = ":" .. ("x"):rep(506) }
  end)

  it("may be made of any number", function()
    for _, number in ipairs { 1e300, -1e300, 2 ^ 63, math.huge } do
      local item, message = effects.prepare(effect { key = { "b", number } }, ABOUT, targets)
      assert(item, message)
    end
  end)

  it("is not the rule's to overwrite", function()
    for _, name in ipairs { "Idempotency-Key", "idempotency-key", "IDEMPOTENCY-KEY" } do
      assert.are.same({ "bare:k:1" }, header(prepare { headers = { [name] = "mine" } }, "Idempotency-Key"))
    end
  end)
end)

describe("the path", function()
  it("is joined to the target's address", function()
    local cases = {
      { "bare", "/v1/jobs", "http://127.0.0.1:9/v1/jobs" }, { "bare", "/", "http://127.0.0.1:9/" },
      { "print", "/jobs?a=1&b=%20", "https://print.example.no/api/jobs?a=1&b=%20" },
      { "print", nil, "https://print.example.no/api/" },
    }
    for _, case in ipairs(cases) do
      assert.are.equal(case[3], prepare({ path = case[2] }, case[1]).url)
    end
  end)

  it("comes before the query of the target's address", function()
    targets.keyed = { url = "https://fn.example.no/api/print/?code=KEY" }
    finally(function() targets.keyed = nil end)
    for path, joined in pairs { ["/jobs"] = "/api/print/jobs?code=KEY", ["/jobs?a=1"] = "/api/print/jobs?a=1&code=KEY",
      ["/"] = "/api/print/?code=KEY" } do
      assert.are.equal("https://fn.example.no" .. joined, prepare({ path = path }, "keyed").url)
    end
    assert.are.equal(targets.keyed.url, prepare({}, "keyed").url)
  end)

  it("is not lost in a fragment of the target's address: nginx refuses one too", function()
    local ok, message = pcall(require("altinn.events.resty.options").check, { rules = "rules",
      targets = { print = { url = "https://print.example.no/#part" } } })
    assert.is_false(ok)
    assert.is_truthy(message:find("holds a '#'", 1, true), message)
  end)

  it("cannot leave the base of the target's address", function()
    for _, path in ipairs { "/x/../../tenant-b", "/..", "/../", "/.", "/a/./b", "/%2e%2e/x", "/a/.%2E/x",
      "/x/..%2f..%2Fy", "/x/..%5cy", "/a/..?b=c" } do
      refused({ path = path }, "which leads to another folder")
    end
    for _, path in ipairs { "/...", "/a..b/.c", "/a?b=../c", "/%2e%2ex", "/a//b" } do
      assert(prepare { path = path })
    end
  end)

  it("and the event itself is no JSON value, but says how it becomes one", function()
    refused({ json = ABOUT.event }, "write body = events.encode(event), or json = events.totable(event)")
  end)

  it("takes the texts of others by events.escape", function()
    local escape = require("altinn.events").escape
    assert.are.equal("a%2F..%2Fb%3Fx%3D1%23%20%C3%B8", escape "a/../b?x=1# ø")
    assert.are.equal("az-AZ.09_~", escape "az-AZ.09_~")
    assert.are.equal("7", escape(7))
    assert.is_false((pcall(escape, nil)))
  end)

  it("cannot lead to another host or break the request line", function()
    for _, path in ipairs { "jobs", "", "//evil.example", "@evil.example/", ".evil.example", "https://evil.example",
      5 } do
      refused({ path = path }, "the path must begin with one slash")
    end
    for _, path in ipairs { "/a b", "/a\r\nX: 1", "/a\tb", "/a\0b", "/a#b", "/a\\b", "/a HTTP/1.1\r\n\r\nGET /" } do
      refused({ path = path }, "the path holds a blank, a control character, '#' or '\\'")
    end
  end)
end)

describe("headers", function()
  it("of the rule join those of the target", function()
    local request = prepare({ headers = { ["X-Letter"] = "a", ["X-Number"] = 5 } }, "print")
    assert.are.equal("a", request.headers["X-Letter"])
    assert.are.equal("5", request.headers["X-Number"])
    assert.are.equal("Bearer abc", request.headers.Authorization)
  end)

  it("of the rule replace those of the target, whatever their case", function()
    for _, name in ipairs { "Authorization", "authorization" } do
      assert.are.same({ "Basic x" }, header(prepare({ headers = { [name] = "Basic x" } }, "print"), "authorization"))
    end
  end)

  it("hold no line break and no other control character", function()
    for _, value in ipairs { "a\r\nX-Injected: 1", "a\nb", "a\rb", "a\0b", "a\27b", "a\127b" } do
      refused({ headers = { ["X-One"] = value } }, "the header X-One holds a control character")
    end
    assert.are.equal("a\tb", prepare { headers = { ["X-One"] = "a\tb" } }.headers["X-One"])
  end)

  it("have names that are tokens", function()
    for _, name in ipairs { "X One", "X:One", "X\r\nInjected", "", "Blå" } do
      refused({ headers = { [name] = "x" } }, "is no name of an HTTP header")
    end
    refused({ headers = { "x" } }, "'1' is no name of an HTTP header")
    refused({ headers = { ["X-One"] = {} } }, "the header X-One must be a text, not a table")
    refused({ headers = { ["X-One"] = true } }, "the header X-One must be a text, not a boolean")
  end)

  it("of a target are judged too", function()
    local request, message = effects.prepare(effect({}, "bad"), ABOUT, {
      bad = { url = "http://127.0.0.1:9", headers = { Authorization = "a\r\nb" } } })
    assert.is_nil(request)
    assert.is_truthy(message:find("the header Authorization holds a control character", 1, true))
    assert.is_nil(message:find("a\r\nb", 1, true))
  end)
end)

describe("the body", function()
  it("as JSON has its media type, unless one is given", function()
    assert.are.same({ "application/json" }, header(prepare { json = { 1 } }, "content-type"))
    assert.are.same({ "application/merge-patch+json" },
      header(prepare { json = {}, headers = { ["content-type"] = "application/merge-patch+json" } }, "Content-Type"))
    assert.are.equal("{}", prepare { json = {} }.body)
    assert.are.equal("null", prepare { json = events.null }.body)
    assert.are.equal("false", prepare { json = false }.body)
  end)

  it("as text goes as it is", function()
    local request = prepare { body = "a\0b\r\n" }
    assert.are.equal("a\0b\r\n", request.body)
    assert.are.same({ "application/octet-stream" }, header(request, "content-type"))
    assert.are.same({ "text/plain" },
      header(prepare { body = "x", headers = { ["Content-Type"] = "text/plain" } }, "content-type"))
    refused({ body = {} }, "body must be a text")
    refused({ body = 5 }, "body must be a text")
  end)

  it("that has no JSON form is refused with its place", function()
    refused({ json = { a = { b = print } } }, "json: a: b: a function has no JSON form")
    refused({ json = { 0 / 0 } }, "json: JSON has no infinite number and no NaN")
    refused({ json = { [1] = 1, x = 2 } }, "neither a JSON object nor an array")
    local loop = {}
    loop.loop = loop
    refused({ json = loop }, "nested more than 100 deep")
  end)
end)

describe("the method", function()
  it("is one that sends something", function()
    for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE" } do
      assert.are.equal(method, prepare { method = method }.method)
    end
    for _, method in ipairs { "GET", "post", "CONNECT", "POST / HTTP/1.1\r\n", 5 } do
      local made, message = effects.prepare(effect { method = method }, ABOUT, targets)
      assert.is_nil(made)
      assert.is_truthy(message:find("the method must be POST, PUT, PATCH or DELETE", 1, true))
    end
  end)
end)

describe("JSON texts of requests", function()
  it("are the same for equal values", function()
    local text = '{"a":1,"b":[1,2.5,"x",true,null],"c":{"d":{}}}'
    assert.are.equal(text, json.encode { c = { d = {} }, b = { 1.0, 2.5, "x", true, events.null }, a = 1 })
    for _ = 1, 20 do
      local value = {}
      for _, name in ipairs { "e", "d", "c", "b", "a" } do value[name] = 1 end
      assert.are.equal('{"a":1,"b":1,"c":1,"d":1,"e":1}', json.encode(value))
    end
  end)

  it("keep numbers", function()
    assert.are.equal("136", json.encode(136.0))
    if math.type then assert.are.equal("9007199254740993", json.encode(9007199254740993)) end
    assert.are.equal("-1", json.encode(-1))
    assert.are.equal(0.1, tonumber(json.encode(0.1)))
    assert.are.equal(1e300, tonumber(json.encode(1e300)))
    assert.is_nil((json.encode(math.huge)))
  end)

  it("keep any text", function()
    local text = 'quote " backslash \\ slash / tab \t line \n \r nul \0 del \127 bell \7 å 😀'
    local encoded = json.encode { text }
    assert.is_nil(encoded:find("%c"))
    assert.are.equal(text, cjson.decode(encoded)[1])
  end)

  it("keep empty arrays of an event's data as arrays", function()
    local event = assert(events.parse '{"specversion":"1.0","id":"1","source":"/","type":"t","data":{"a":[],"o":{}}}')
    assert.are.equal('{"a":[],"o":{}}', json.encode(event.data))
  end)

  it("refuse text that is not UTF-8", function()
    for _, text in ipairs { "\255", "a\195", "\237\160\128", "\192\175" } do
      local encoded, message = json.encode { text }
      assert.is_nil(encoded)
      assert.is_truthy(message:find("UTF-8", 1, true))
      assert.is_nil((json.encode { [text] = 1 }))
    end
  end)
end)

describe("a key with a hole", function()
  it("raises: without the part behind it two effects would have one key", function()
    local ok, message = pcall(rule.send.http "bare", { key = { "a", nil, "b" } })
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("part 2 of the key is a nil", 1, true), message)
  end)
end)

describe("a person's number", function()
  local function keyed(key, pseudonym)
    return effects.prepare(effect { key = key }, { rule = "r", place = 1, event = ABOUT.event, pseudonym = pseudonym },
      targets)
  end

  it("in a key is its pseudonym, however it is written", function()
    local seen = {}
    local function pseudonym(number)
      seen[#seen + 1] = number
      return "<" .. #number .. ">"
    end
    assert.are.equal("bare:case:<11>", keyed("case:12057012345", pseudonym).key)
    assert.are.equal("bare:case:a <11> b", keyed("case:a 120570 12345 b", pseudonym).key)
    assert.are.equal("bare:case:<11>/x", keyed("case:12.05.70-12345/x", pseudonym).key)
    assert.are.equal("bare:r/b/<11>", keyed({ "b", 12057012345 }, pseudonym).key)
    assert.are.same({ "12057012345", "12057012345", "12057012345", "12057012345" }, seen)
    -- What cannot be read as eleven digits makes the whole part a pseudonym.
    local whole = keyed("case:\239\188\145\239\188\146" .. "057012345", pseudonym).key
    assert.is_nil(whole:find("57012345", 1, true), whole)
    assert.are.equal("bare:case:1205701234", keyed("case:1205701234", pseudonym).key)
  end)

  it("in a key that cannot be read as eleven digits leaves keys that differ beside it different", function()
    local digest = require "altinn.events.support.digest"
    local keys = {}
    for _, case in ipairs { "case:1 12057012345 12057012345", "case:2 12057012345 12057012345" } do
      keys[#keys + 1] = keyed(case, digest.hex).key
      assert.is_nil(keys[#keys]:find("12057012345", 1, true))
    end
    assert.are_not.equal(keys[1], keys[2])
  end)

  it("in a key is refused where nothing makes pseudonyms; in a path always", function()
    local item, message = keyed "case:12057012345"
    assert.is_nil(item)
    assert.is_truthy(message:find("no secret here to make a pseudonym", 1, true), message)
    assert.is_nil(message:find("12057012345", 1, true))
    refused({ path = "/people/12057012345" }, "the path holds an identity number (/people/***********)")
  end)
end)

describe("a secret of a target", function()
  local http = effects.kinds.http
  local target = { url = "https://print.example.no", headers = { ["X-Key"] = "a-header-of-ours" },
    token = { url = "https://t", client_id = "c", client_secret = "a-client-secret" } }

  it("is in no answer that is kept, and in no reason", function()
    local outcome = http.judge("print", target, { status = 400, headers = {}, hidden = { "a-token-of-ours" },
      body = "not a-header-of-ours, nor a-client-secret, nor a-token-of-ours" })
    for _, text in ipairs { outcome.answer, outcome.reason } do
      assert.is_truthy(text:find("not …, nor …, nor …", 1, true), text)
    end
  end)

  it("is not kept when it stands in its address, or is written in another way", function()
    for address, words in pairs {
      ["https://p.example.no/v1?code=a/query+secret&v=2"] = { "a/query+secret", "a\\/query+secret",
        "a%2Fquery%2Bsecret" },
      ["https://me:a%2Fpass+word@p.example.no/v1"] = { "a/pass+word", "a%2Fpass+word", "bWU6YS9wYXNzK3dvcmQ=" },
    } do
      for _, word in ipairs(words) do
        local outcome = http.judge("print", { url = address }, { status = 400, body = "not " .. word .. "!" })
        assert.are.equal("not …!", outcome.answer)
      end
    end
    local slack = { slack = "https://hooks.slack.com/services/T00000000/B00000000/abcdefgh12345678" }
    local outcome = http.judge("duty", slack, { status = 404, headers = {}, body = "no abcdefgh12345678" })
    assert.are.equal("no …", outcome.answer)
  end)

  it("is in no line of doctor", function()
    local status, message = http.try(target, { send = function()
      return { status = 0, error = "no: a-header-of-ours a-client-secret a-token-of-ours", code = "auth",
        hidden = { "a-token-of-ours" } }
    end })
    assert.are.same({ "failed", "no: … … …" }, { status, message })
  end)
end)
