-- JSON (RFC 8259) as others write it: odd but legal, and nearly legal. Each
-- text is the payload of an event, and where it is a string its attribute.
local events = require "altinn.events"

local function with(members) return '{"specversion":"1.0","id":"1","source":"/x","type":"t"' .. members .. "}" end

local function payload(text) return events.parse(with(',"data":' .. text)) end

local LEGAL = {
  -- §2, §3: white space, the literals
  "null", "true", "false", " null ", "\t\n\r [ ] \r\n\t", "{ }", "[\n]", '{\t"a"\r:\n1 }',
  -- §4, §5: objects and arrays; equal and empty names
  "{}", "[]", '{"":0}', '{"a":1,"a":2}', '{"a":{"a":{"a":[]}}}', "[[],[[]],{}]", '{"\\u0000":1}', '{"a\\nb":1}',
  -- §6: numbers
  "0", "-0", "1", "-1", "10", "0.0", "-0.0", "0.10", "1.5", "1e0", "1E0", "1e+0", "1e-0", "0e0", "0e+1", "1e00",
  "1e007",
  "123456789012345678901234567890", "-9223372036854775808", "18446744073709551616", "1e400", "1e-400", "0.1e1",
  "20e1", "123.456e78", "-1.25E-3", "[1,2,3]", "[-0,0]",
  -- §7: strings
  '""', '"a"', '"\\""',
  '"\\\\"', '"\\/"', '"/"', '"\\b\\f\\n\\r\\t"', '"\\u0041"', '"\\u00e5"', '"\\u00E5"', '"\\uFFFF"',
  '"\\ud834\\udd1e"', '"\\uD834\\uDD1E"', '"\\ud800"', '"\\udc00\\ud800"', '"\127"', '"\\u007f"', '"\\\\u0041"',
  '"\\\\\\\\"', '"\\u2028\\u2029"', '"\226\128\168"', '"{\\"a\\":1}"', '"[,]:{}"', '"\\u005c"', '"\\u0022"',
  -- §8.1: UTF-8 of each length, first and last
  '"\194\128"', '"\223\191"', '"\224\160\128"', '"\237\159\191"', '"\238\128\128"', '"\239\191\191"',
  '"\240\144\128\128"', '"\244\143\191\191"', '"\239\187\191"', '{"\195\165":"\240\159\152\128"}',
}

local ILLEGAL = {
  "", " ", "nul", "nulll", "Null", "TRUE", "tru", "False", "undefined", "NaN", "-NaN", "Infinity", "-Infinity", "inf",
  "\11null", "\12null", "\194\160null", "null\0", "\0", "/**/null", "null//x", "#", "=", "\239\187\191null",
  "[", "]", "{", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "[1,,2]", "[1}", "[1]]", "[1],", "1,2",
  "{1}", "{a:1}", "{'a':1}", '{"a"}', '{"a":}', '{"a":1,}', '{"a":1,,"b":2}', '{,}', '{"a" 1}', '{"a"::1}',
  '{"a":1 "b":2}',
  '{"a":1]', '{"a":1', '{"a":1}}', '{null:1}', '{1:1}', '{"a":"b":"c"}', '{"a",1}', '{"a":1;"b":2}',
  "+1", "-", "--1", "01", "-01", "00", "1.", "-1.", ".1", "-.1", "1.e1", "1e", "1e+", "1e-", "1E", "1e1.5", "1.2.3",
  "0x1",
  "1_000", "1,000", "1a", "- 1", "1 000", "0e", "\239\188\145", "1e1e1", "1+1", "0b1", "1f", "1..2",
  '"', '"a', 'a"', "'a'", '"\\"', '"\\x41"', '"\\a"', '"\\v"', '"\\0"', "\"\\'\"", '"\\u"', '"\\u1"', '"\\u12"',
  '"\\u123"',
  '"\\u123g"', '"\\U0041"', '"\\u 041"', '"\\u-041"', '"\\\0"', '"\\', '"\\u004', '"\\ud800\\u"', '"\\ud800\\u12"',
  '"\0"', '"\1"', '"\31"', '"\n"', '"\t"', '"\r"', '"a\nb"', '"\\\n"',
  '"\128"', '"\191"', '"\192\128"', '"\193\191"', '"\194"', '"\194a"', '"\224\128\128"', '"\224\159\191"', '"\226\130"',
  '"\237\160\128"', '"\237\191\191"', '"\240\128\128\128"', '"\240\143\191\191"', '"\244\144\128\128"',
  '"\245\128\128\128"',
  '"\255"', '"\254"', '"\240\159\152"', '"\248\136\128\128\128"', '"\195\165\128"', "\128", "{\"\255\":1}",
}

describe("a payload", function()
  it("may be any JSON", function()
    for _, text in ipairs(LEGAL) do
      local event, message = payload(text)
      assert(event, ("%q: %s"):format(text, tostring(message)))
      assert(events.encode(event):find(text:match "^%s*(.-)%s*$", 1, true), text)
      local _ = event.data  -- can be made
    end
  end)

  it("is refused when it is none, with the place", function()
    for _, text in ipairs(ILLEGAL) do
      local event, message, code, detail = payload(text)
      assert(not event, ("%q is taken"):format(text))
      assert.are.equal("syntax", code, text)
      assert.is_string(message)
      local first, last = #with "", #with "" + #text + 9
      assert(detail.position >= first and detail.position <= last, ("%q: %d"):format(text, detail.position))
    end
  end)

  it("stands at the end of a text without a byte more", function()
    for _, text in ipairs(LEGAL) do
      local whole = with(',"data":' .. text)
      for cut = #whole - 1, #whole - #text - 8, -1 do assert(not events.parse(whole:sub(1, cut)), text) end
    end
  end)

  it("counts depth to the limit exactly", function()
    local function nested(levels) return ("["):rep(levels) .. ("]"):rep(levels) end
    assert(payload(nested(511)))
    assert.are.equal("too_large", select(3, payload(nested(512))))
    assert(events.parse(with(',"data":' .. nested(9)), { max_depth = 10 }))
    assert.are.equal("too_large", select(3, events.parse(with(',"data":' .. nested(10)), { max_depth = 10 })))
    assert.are.equal("too_large", select(3, payload(('{"a":'):rep(600) .. "1" .. ("}"):rep(600))))
  end)
end)

describe("half a surrogate pair in a payload", function()
  it("is the replacement character to Lua, and stays as it is in the text", function()
    local event = assert(payload '["a\\ud800b","\\udfff\\ud83d\\ude00","\\ud83d\\ude00"]')
    assert.are.same({ "a\239\191\189b", "\239\191\189\240\159\152\128", "\240\159\152\128" }, event.data)
    assert.is_truthy(events.encode(event):find("a\\ud800b", 1, true))
  end)

  it("is a fault in an attribute, and where the payload is text", function()
    for _, members in ipairs { ',"x":"\\ud800"', ',"datacontenttype":"text/plain","data":"\\ud800"' } do
      assert.are.equal("invalid", select(3, events.parse(with(members))))
    end
  end)
end)

describe("a member", function()
  it("is found wherever the marks of a text fall", function()
    -- Values of lengths around the 16, 32, 64 and 1,024 bytes that are swept at once.
    for length = 1, 1100, 7 do
      local value = ("v"):rep(length)
      local event = assert(events.parse(with((',"a":"%s","b":"x\\ny"'):format(value):gsub("\\n", "\\u0020"))))
      assert.are.equal(value, event.a)
      assert.are.equal("x y", event.b)
    end
  end)

  it("is found among many, between long payloads and numbers", function()
    local members = {}
    for i = 1, 200 do
      members[#members + 1] = ('"s%d":"%s"'):format(i, ("x"):rep(i % 70 + 1))
      members[#members + 1] = ('"n%d":%d'):format(i, i)
      members[#members + 1] = ('"e%d":"\\u00e5%d"'):format(i, i)
    end
    table.insert(members, 300, ('"data":[%s0]'):format(("0,"):rep(3000)))
    local event = assert(events.parse(with("," .. table.concat(members, ","))))
    for i = 1, 200 do
      assert.are.equal(("x"):rep(i % 70 + 1), event["s" .. i])
      assert.are.equal(i, event["n" .. i])
      assert.are.equal("\195\165" .. i, event["e" .. i])
    end
    assert.are.equal(3001, #event.data)
  end)
end)

describe("whole numbers of a payload", function()
  -- 2^53 is the last that a double holds with all its neighbours.
  it("are exact, or the text of their digits", function()
    local data = payload('[9007199254740991,9007199254740992,-9007199254740992]').data
    assert.are.same({ 2 ^ 53 - 1, 2 ^ 53, -2 ^ 53 }, data)
    local event = payload('[9007199254740993,9223372036854775807,9223372036854775808]')
    for index, digits in ipairs { "9007199254740993", "9223372036854775807", "9223372036854775808" } do
      local value = event.data[index]
      assert.are.equal(digits, type(value) == "string" and value or ("%d"):format(value))
      assert.are.equal(math.type and index < 3 and "number" or "string", type(value))
    end
    assert.is_truthy(events.encode(event):find("[9007199254740993,9223372036854775807,9223372036854775808]", 1, true))
  end)

  it("are written as such", function()
    local function written(value)
      local event = { specversion = "1.0", id = "1", source = "/", type = "t", data = value }
      return events.encode(event):match '"data":(.*)}$'
    end
    assert.are.equal("9007199254740992", written(2 ^ 53))
    assert.are.equal("-5", written(-5))
    assert.are.equal("5", written(5.0))
    assert.are.equal("0.5", written(0.5))
    assert.are.equal("1e+300", written(1e300))
    for _, value in ipairs { 2 ^ 53 + 2, 2 ^ 62, 2 ^ 63, 1 / 3, -1e-7 } do
      assert.are.equal(value, payload(written(value)).data)
    end
  end)
end)

describe("numbers with a fraction", function()
  it("do not depend on the locale that the program has set", function()
    assert(os.execute "mkdir -p build/locale")
    if not io.open "build/locale/nb_NO.utf8/LC_NUMERIC" then
      os.execute "localedef -i nb_NO -f UTF-8 \"$PWD/build/locale/nb_NO.utf8\" 2>/dev/null"
    end
    local script = [[
      assert(os.setlocale("nb_NO.utf8", "numeric"), "no such locale")
      assert(jit or ("%.1f"):format(0.5) == "0,5")  -- LuaJIT has its own
      local events = require "altinn.events"
      local text = '{"specversion":"1.0","id":"1","source":"/x","type":"t","data":[0.5,-1.25e3,1e2]}'
      local event = assert(events.parse(text))
      assert(event.data[1] == 1 / 2 and event.data[2] == -1250 and event.data[3] == 100)
      local written = assert(events.encode(events.totable(event)))
      assert(written:find("[0.5,-1250,100]", 1, true), written)
      print "fine"
    ]]
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(script)
    file:close()
    local pipe = assert(io.popen(("LOCPATH=\"$PWD/build/locale\" '%s' %s 2>&1"):format(arg[-1] or "lua5.4", path)))
    local said = pipe:read "*a"
    pipe:close()
    os.remove(path)
    assert.are.equal("fine\n", said)
  end)
end)
