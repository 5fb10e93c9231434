-- send.file as a request: contents, names, lines, what is refused; and its targets.
local cjson = require "cjson"
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local rule = require "altinn.events.rule"

local targets = { out = { folder = "/srv/letters" }, list = { append = "/srv/letters.csv", header = "a;b" },
  print = { url = "http://127.0.0.1" } }
local ABOUT = { rule = "r", place = 1, event = assert(events.parse
  '{"specversion":"1.0","id":"b","source":"/","type":"t"}') }

local function prepare(fields, target)
  return effects.prepare(rule.send.file(target or "out")(fields), ABOUT, targets)
end

local function request(fields, target)
  local item = assert(prepare(fields, target))
  return (assert(effects.carry(item, item.text, targets)))
end

local function refused(fields, target, ...)
  local item, message = prepare(fields, target)
  assert.is_nil(item)
  for _, wanted in ipairs { "effect for target '" .. target .. "'", ... } do
    assert(message:find(wanted, 1, true), ("%q does not say %q"):format(message, wanted))
  end
end

describe("send.file", function()
  it("makes a file of a text, of JSON, of any bytes", function()
    assert.are.same({ carrier = "aside", kind = "file", target = "out", key = "out:k:1", place = "/srv/letters",
      name = "a letter.txt", body = "Kjære Øystein" },
      request { key = "k:1", name = "a letter.txt", text = "Kjære Øystein" })
    assert.are.equal('{"a":1}', request { key = "k:1", json = { a = 1 } }.body)
    local bytes = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    assert.are.equal(table.concat(bytes), request { key = "k:1", body = table.concat(bytes) }.body)
    assert.are.equal("", request { key = "k:1", text = "" }.body)
  end)

  it("names the file after its key: the same again, another for another key", function()
    local first = request { key = { "b", "journal/2" }, json = {} }.name
    assert.is_truthy(first:find("^r%-b%-journal%-2F2%-%x+%.json$"), first)
    assert.are.equal(first, request { key = { "b", "journal/2" }, json = {} }.name)
    assert.are_not.equal(first, request { key = { "b", "journal-2" }, json = {} }.name)
    assert.is_truthy(request { key = "k:1", text = "x" }.name:find("%.txt$"))
    local long = request { key = "k:" .. ("x"):rep(400), text = "x" }.name
    assert.is_true(#long <= 200)
    for _, key in ipairs { "../..:b", ".:b", "..:../../b" } do
      local name = request { key = key, text = "x" }.name
      assert.is_nil(name:find("^%.") or name:find("..", 1, true) or name:find("/", 1, true), name)
    end
    local item = assert(prepare { key = "k:1", text = "x" })
    item.key = "out:k:08895699684"  -- as it was recorded before keys had pseudonyms
    assert.is_nil(effects.carry(item, item.text, targets).name:find("08895699684", 1, true))
  end)

  it("refuses names that lead elsewhere, hide, or tell who a person is", function()
    for name, said in pairs { ["a/b"] = "slash", ["/etc/passwd"] = "slash", [".hidden"] = "point", [".."] = "point",
      ["a..b"] = "two", ["a\nb"] = "control character", ["a\0b"] = "control character", [""] = "1 to 200 bytes",
      [("x"):rep(201)] = "1 to 200 bytes", ["a\255"] = "control character",
      ["a\194\155b"] = "control character", ["a\226\128\174txt.exe"] = "turns the direction",
      ["letter to 08895699684.txt"] = "identity number" } do
      refused({ key = "k:1", name = name, text = "x" }, "out", said)
    end
    refused({ key = "k:1", name = 7, text = "x" }, "out", "must be a text, not a number")
    assert.are.equal(("x"):rep(200), request { key = "k:1", name = ("x"):rep(200), text = "x" }.name)
  end)

  it("wants one content, and of the sort that the target takes", function()
    for fields, said in pairs { [{ key = "k:1" }] = "the content is missing",
      [{ key = "k:1", text = "a", json = 1 }] = "text and json exclude each other",
      [{ key = "k:1", body = "a", line = "b" }] = "body and line exclude each other" } do
      local ok, message = pcall(rule.send.file("out"), fields)
      assert.is_false(ok)
      assert.is_truthy(tostring(message):find(said, 1, true), message)
    end
    refused({ key = "k:1", line = "a" }, "out", "a file for each effect")
    refused({ key = "k:1", text = "a" }, "list", "the target appends lines")
    refused({ key = "k:1", line = "a", name = "b" }, "list", "one file for all")
    refused({ key = "k:1", text = 7 }, "out", "text must be a text, not a number")
    refused({ key = "k:1", json = { print } }, "out", "json: ")
    refused({ key = "k:1", text = "a" }, "print", "send.file sends to targets with folder or append")
  end)

  it("makes a line, which is one: of a text or of JSON", function()
    assert.are.same({ carrier = "aside", kind = "append", target = "list", key = "list:k:1", place = "/srv/letters.csv",
      header = "a;b", body = "x;y", timeout = 10, at_once = 1 }, request({ key = "k:1", line = "x;y" }, "list"))
    assert.are.equal('{"a":"x\\ny"}', request({ key = "k:1", json = { a = "x\ny" } }, "list").body)
    for _, line in ipairs { "a\nb", "a\rb", "a\0b" } do
      refused({ key = "k:1", line = line }, "list", "a line break")
    end
    refused({ key = "k:1", line = "" }, "list", "the line is empty")
  end)

  it("tells whether a line may have been written before", function()
    local item = assert(prepare({ key = "k:1", line = "x" }, "list"))
    item.again = true
    assert.is_true(effects.carry(item, item.text, targets).again)
  end)

  it("does not append what was recorded for a folder with several lines", function()
    local item = assert(prepare { key = "k:1", text = "a\nb" })
    local made, message = effects.carry(item, item.text, { out = { append = "/srv/list" } })
    assert.is_nil(made)
    assert.is_truthy(message:find("no line to append", 1, true), message)
  end)
end)

describe("the outcome of send.file", function()
  it("is the helper's, with its sentence", function()
    local item = assert(prepare { key = "k:1", text = "a" })
    local judge = select(3, effects.carry(item, item.text, targets))
    assert.are.equal("sent", judge { outcome = "sent", code = 0, text = "", answer = "" }.state)
    local outcome = judge { outcome = "not_sent", code = 0, answer = "",
      text = "/srv/letters: it is not there: make it" }
    assert.are.same({ "not_sent", "target 'out': /srv/letters: it is not there: make it" },
      { outcome.state, outcome.reason })
  end)
end)

describe("a target with folder or append", function()
  local function fault(target)
    local options = require "altinn.events.rules.effects".sorts
    local sort = options:of(target)
    for name in pairs(target) do
      local message = sort and options:misplaced(sort, name)
      if message then return message end
    end
    return not sort and select(2, options:of(target)) or nil
  end

  it("is in one place, and header is for lines", function()
    assert.is_nil(fault { folder = "/srv/letters" })
    assert.is_nil(fault { append = "/srv/list", header = "a" })
    assert.is_truthy(fault({ folder = "/srv/letters", header = "a" }):find("append", 1, true))
    assert.is_truthy(fault({ folder = "/srv/letters", append = "/srv/list" }):find("append and folder", 1, true))
  end)

  it("is for the host, not for nginx", function()
    local ok, message = pcall(require("altinn.events.resty.options").check, { rules = "rules",
      targets = { out = { folder = "/srv/letters" } } })
    assert.is_false(ok)
    assert.is_truthy(message:find("is for the host", 1, true), message)
  end)
end)

describe("the record of an effect on this machine", function()
  it("holds the content, and JSON can hold it", function()
    local item = assert(prepare { key = "k:1", body = "\255\254" })
    assert.are.equal("file", cjson.decode(item.text).kind)
    assert.is_nil(item.text:find("\255", 1, true))
  end)
end)

describe("a folder on another machine", function()
  local kind = require("altinn.events.rules.effects").kinds.file
  local target = { folder = "sftp://files.example.no/in", user = "u", password = "a-secret-word", known_hosts = "/k" }

  it("may have got a file when the server died, unless nothing of it went out", function()
    for not_sent, state in pairs { [true] = "not_sent", [false] = "unknown" } do
      local outcome = kind.judge("out", target, { error = "gone, a-secret-word", code = "network",
        not_sent = not_sent })
      assert.are.same({ state, "target 'out': gone, …" }, { outcome.state, outcome.reason })
    end
  end)

  it("gets the files of two keys under two names while they are written", function()
    local one = kind.request({ body = "1", ending = ".txt" }, target, "out:a")
    local other = kind.request({ body = "2", ending = ".txt" }, target, "out:b")
    assert.are_not.equal(one.url, other.url)
    assert.are.equal(one.url, kind.request({ body = "3", ending = ".txt" }, target, "out:a").url)
  end)
end)
