-- Texts from outside on their way to people: logs, terminals, JSON.
local cjson = require "cjson"
local host = require "spec.support.host"
local json = require "altinn.events.support.json"
local logfmt = require "altinn.events.support.logfmt"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local text = require "altinn.events.support.text"

local HOSTILE = "a\27[2Jb\7c\127d\194\155e\133f\0g"

describe("a text for a terminal", function()
  it("holds nothing that a terminal obeys, and stays UTF-8", function()
    assert.are.equal("a\\u001b[2Jb\\u0007c\\u007fd\\u009be\239\191\189f\\u0000g", text.visible(HOSTILE))
    assert.are.equal("one\ntwo\tåß…", text.visible "one\ntwo\tåß…")
    assert.are.equal("one\\u000atwo", text.visible("one\ntwo", ""))
  end)

  it("in JSON stays the same JSON", function()
    local written = json.encode { name = "d\194\155e\127" }
    assert.are.same({ name = "d\194\155e\127" }, cjson.decode(text.visible(written)))
  end)
end)

describe("a line of a log", function()
  it("has one line, no control characters, all its fields", function()
    local line = logfmt.line("x", { reason = HOSTILE .. "\n\"", rule = "r", zone = 1, able = true })
    assert.are.equal('msg=x rule=r reason="a\\u001b[2Jb\\u0007c\\u007fd\\u009be\239\191\189f\\u0000g\\n\\"" '
      .. "able=true zone=1", line)
  end)

  it("in JSON is UTF-8, in one order, with numbers as they are", function()
    local line = logfmt.json("T", "info", "x", { reason = HOSTILE, event = 123, ms = 1.1, rule = "r" })
    assert.are.equal('{"time":"T","level":"info","msg":"x","rule":"r","event":123,'
      .. '"reason":"a\\u001b[2Jb\\u0007c\\u007fd\\u009be\239\191\189f\\u0000g","ms":1.1}', line)
    assert.are.equal("a\27[2Jb\7c\127d\194\155e\239\191\189f\0g", cjson.decode(line).reason)
  end)

  it("is cut between characters", function()
    for length = 1990, 2010 do
      local cut = logfmt.short(("x"):rep(length) .. ("ø"):rep(1100))
      assert.are.equal(cut, text.readable(cut))
      assert.is_true(#cut <= 2004)
    end
    assert.are.equal("aø\239\191\189", logfmt.short "aø\248")
  end)
end)

describe("a number in JSON", function()
  it("is the shortest text that reads back", function()
    for _, written in ipairs { "1.1", "0.1", "136", "-0.5", "0.3333333333333333", "9007199254740992", "1e+300",
      "123456.789" } do
      assert.are.equal(written, json.encode(tonumber(written) + 0.0))
    end
    assert.are.equal("136", json.encode(136.0))
  end)

  it("of an effect stands as the rule wrote it", function()
    assert.are.equal('{"amount":1.1,"n":0.1}', json.encode { amount = 1.1, n = 0.1 })
  end)
end)

describe("standard output", function()
  local folder

  before_each(function() folder = process.folder() end)
  after_each(function() process.remove(folder) end)

  local function run(words, out)
    local _, _, status = os.execute(("%s %s >%s 2>%s/err </dev/null"):format(host.program(), words, out, folder))
    return status, process.read(folder .. "/err")
  end

  it("that takes nothing is told, and is a failure", function()
    for _, words in ipairs { "version", "types --json" } do
      local status, err = run(words, "/dev/full")
      assert.are.equal(1, status, words)
      assert.is_truthy(err:find("altinn-events: standard output: No space left", 1, true), err)
      assert.are.equal(1, (run(words, "&-")))
      assert.are.equal(0, (run(words, "/dev/null")))
    end
  end)

  it("shows an event's payload and a run's reason without what a terminal obeys", function()
    local one = host.start { rules = { hostile = [[
      rule { name = "hostile", on = "*", run = function(event) return skip(event.data.text) end }]] } }
    finally(function() one:close() end)
    one:post(sample.text { id = "1", data = { text = "a\27[2Jb\194\155c" }, datacontenttype = "application/json" })
    assert(one:settle())
    for _, words in ipairs { { "list" }, { "show", "1" }, { "list", "--json" }, { "show", "1", "--json" } } do
      local status, out = one:run("inbox", words[1], "--inbox", one.inbox, table.unpack(words, 2))
      assert.are.equal(0, status)
      assert.is_nil(out:find "[\27\7]", words[1])
      assert.is_nil(out:find "\194\155", words[1])
      assert.is_truthy(out:find("a\\u001b[2Jb", 1, true), out)
    end
    assert.is_nil(one:log():find "\27")
  end)
end)

describe("the settings of lua-cjson that a rule changes", function()
  it("reach nothing of the host", function()
    local HARSH = [[
      for _, name in ipairs { "cjson", "cjson.safe" } do
        local cjson = require(name)
        cjson.encode_max_depth(1) cjson.decode_max_depth(1) cjson.encode_number_precision(1)
        cjson.encode_sparse_array(false, 1, 1) cjson.encode_keep_buffer("off")
        cjson.encode_invalid_numbers("null") cjson.decode_invalid_numbers(false)
        for member in pairs(cjson) do if type(cjson[member]) == "function" then cjson[member] = error end end
      end
      rule { name = "harsh", on = "*", order = false, may = { "send:out" }, run = function(event)
        return send.http "out" { key = { event.id }, path = "/x", json = { deep = { er = { { n = 1.1 } } } } }
      end }]]
    local one = host.start { rules = { harsh = HARSH }, config = [[return { log = { format = "json" },
      targets = { out = { url = "http://127.0.0.1:1", timeout = 1 } } }]] }
    finally(function()
      one:kill()
      one:close()
    end)
    for number = 1, 3 do
      one:post(sample.text { id = "e" .. number })
      assert(one:wait_log('"event":' .. number .. ","), one:log())
      local before = #one:log()
      one:signal "HUP"
      assert(process.wait(10, function() return #one:log() > before end), one:log())
    end
    for line in one:log():gmatch("[^\n]+") do
      if line:find("^{") then assert.is_string(cjson.decode(line).msg) end
    end
    assert.is_nil(one:log():find("Found too many nested", 1, true))
    assert.is_nil(one:log():find("Cannot serialise", 1, true))
    assert.is_nil(one.process:status())
  end)
end)
