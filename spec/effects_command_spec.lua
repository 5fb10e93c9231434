-- send.command as a request: arguments, input, what is refused; and how its end is judged.
local effects = require "altinn.events.rules.effects"
local events = require "altinn.events"
local rule = require "altinn.events.rule"

local targets = {
  load = { command = { "/usr/local/bin/load", "--quiet" }, timeout = 7, directory = "/srv", at_once = 1 },
  bare = { command = { "true" } },
}
local ABOUT = { rule = "r", place = 1, event = assert(events.parse
  '{"specversion":"1.0","id":"b","source":"/","type":"t"}') }

local function prepare(fields, target)
  fields.key = "k:1"
  return effects.prepare(rule.send.command(target or "bare")(fields), ABOUT, targets)
end

local function carried(fields, target)
  local item = assert(prepare(fields, target))
  local request, _, judge = effects.carry(item, item.text, targets)
  return request, judge
end

local function refused(fields, said)
  local item, message = prepare(fields)
  assert.is_nil(item)
  assert.is_truthy(message:find(said, 1, true), message)
end

describe("send.command", function()
  it("adds its arguments to the target's, and gives its input", function()
    assert.are.same({
      carrier = "aside", kind = "command", target = "load", key = "load:k:1", place = "/srv", timeout = 7, at_once = 1,
      body = '{"a":1}', arguments = { "/usr/local/bin/load", "--quiet", "--", "x; rm -rf /", "7", "1.5" },
    }, (carried({ arguments = { "--", "x; rm -rf /", 7, 1.5 }, json = { a = 1 } }, "load")))
    local plain = carried {}
    assert.are.same({ { "true" }, "", 30 }, { plain.arguments, plain.body, plain.timeout })
    assert.are.equal("\255", carried { body = "\255" }.body)
    assert.are.equal("hei", carried { text = "hei" }.body)
  end)

  it("leaves the target's table as it is", function()
    carried({ arguments = { "x" } }, "load")
    assert.are.same({ "/usr/local/bin/load", "--quiet" }, targets.load.command)
  end)

  it("refuses what cannot be an argument, or everybody on the machine would see", function()
    refused({ arguments = { "a\0b" } }, "argument 1 holds a NUL")
    refused({ arguments = { "a", {} } }, "argument 2 must be a text or a number, not a table")
    refused({ arguments = { to = "x" } }, "arguments must be a list of texts")
    refused({ arguments = "x" }, "arguments must be a list of texts")
    refused({ arguments = { "--for", "08895699684" } }, "argument 2 holds an identity number")
    local item, message = prepare { arguments = { "08895699684" } }
    assert.is_nil(item)
    assert.is_nil(message:find("08895699684", 1, true), message)
    local ok
    ok, message = pcall(rule.send.command "bare", { json = 1, text = "x" })
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("json and text exclude each other", 1, true))
  end)

  it("says which sort of target it wants", function()
    local item, message = effects.prepare(rule.send.command("p") { key = "k:1" }, ABOUT, { p = { url = "http://a" } })
    assert.is_nil(item)
    assert.is_truthy(message:find("send.command sends to targets with command", 1, true), message)
  end)
end)

describe("the end of a program", function()
  local function judged(reply)
    local outcome = select(2, carried {})(reply)
    return { outcome.state, outcome.status, outcome.kind }
  end

  it("with 0 is sent, with 75 refused for now, with others refused", function()
    assert.are.same({ "sent", 0 }, judged { outcome = "sent", code = 0, text = "", answer = "" })
    assert.are.same({ "refused", 75, "tempfail" }, judged { outcome = "refused", code = 75, text = "", answer = "" })
    assert.are.same({ "refused", 2, "exit" }, judged { outcome = "refused", code = 2, text = "", answer = "" })
    assert.are.same({ "unknown", 0, "command" },
      judged { outcome = "unknown", code = 0, text = "signal 9", answer = "" })
  end)

  it("keeps the output without the end of its last line", function()
    local outcome = select(2, carried {}) { outcome = "refused", code = 75, text = "later", answer = "closed\n\n" }
    assert.are.same({ "closed", "target 'bare': later: closed" }, { outcome.answer, outcome.reason })
  end)

  it("keeps the first output, masked", function()
    local outcome = select(2, carried {}) { outcome = "refused", code = 2, text = "it ended with status 2",
      answer = "no such person: 08895699684\n" .. ("x"):rep(4000) }
    assert.is_true(#outcome.answer <= 1024 + 3)
    assert.is_nil((outcome.answer .. outcome.reason):find("08895699684", 1, true))
    assert.is_truthy(outcome.reason:find("target 'bare': it ended with status 2: no such person: ", 1, true),
      outcome.reason)
  end)
end)

describe("a target with command", function()
  local keys = effects.sorts.keys.command

  it("has a list of texts", function()
    for _, wrong in ipairs { "load", {}, { "" }, { "a", 7 }, { "a\0" }, { "a", name = "b" } } do
      assert.is_string(keys.command.check(wrong))
    end
    assert.is_nil(keys.command.check { "load", "--quiet" })
    assert.is_string(keys.at_once.check(0))
    assert.is_string(keys.at_once.check(13))
  end)
end)
