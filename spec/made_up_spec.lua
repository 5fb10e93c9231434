-- Made-up numbers for real ones, and values as Lua source.
local literal = require "altinn.events.support.literal"
local made_up = require "altinn.events.host.made_up"

describe("made-up numbers", function()
  it("stand for the numbers of people and organisations, for addresses and phones, the same for the same", function()
    local one = made_up.new()
    local text = one:text "01017012345 and 987654321, again 01017012345; ola.nordmann@example.com, +4791234567"
    local first, organisation, again, mail, phone = text:match
      "^(%d+) and (%d+), again (%d+); (%S+), (%S+)$"
    assert.are.equal(first, again)
    assert.are.equal(11, #first)
    assert.are.equal(9, #organisation)
    assert.is_nil(text:find("01017012345", 1, true) or text:find("987654321", 1, true)
      or text:find("nordmann", 1, true) or text:find("91234567", 1, true))
    assert.is_truthy(mail:find "@example.no$" and phone:find "^%+47")
  end)

  it("are nobody's: the month of a person is above 80, an organisation begins with 3", function()
    local text = made_up.new():text "01017012345 987654321"
    assert.is_truthy(text:find "^%d%d[89]%d%d+ 3%d+$")
  end)

  it("stand for numbers however they are written", function()
    local text = made_up.new():json
      [[{"a":"\u0030\u0031017012345 010170 12345 nr01017012345x * \\u0030","b":15035098765}]]
    assert.are.equal([[{"a":"11819900001 11819900001 nr11819900001x * \\u0030","b":11819900002}]], text)
  end)

  it("stand for phones of other countries, of eight digits and of fifteen", function()
    assert.are.equal("+4799999001, +4799999002", made_up.new():text "+37112345, +123456789012345")
  end)

  it("leave ids, times, and the numbers that the rules name", function()
    local text = "0198c3a2-0e1f-7123-8123-012345678901 2026-08-20T07:22:19.1234567Z 991825827 12345678"
      .. " 1234567890"
    assert.are.equal(text, made_up.new { ["991825827"] = true }:text(text))
  end)

  it("replace what people wrote in a letter, and keep the JSON text as it is otherwise", function()
    local text = made_up.new():json
      '{"a":[],"content":{"messageTitle":"Til \\"Ola\\" \\\\","messageBody":"","attachments":[{"fileName":"o.pdf"}]}}'
    assert.are.equal('{"a":[],"content":{"messageTitle":"Title","messageBody":"","attachments":[{"fileName":'
      .. '"file-1.pdf"}]}}', text)
  end)
end)

describe("a value as source", function()
  local function read(text) return assert(load("return " .. text))() end

  it("reads back as the same value", function()
    local value = { "a\"b\\c\n\t\0\200", "\194\133\226\128\174é", 1, 1.5,
      true, { x = "y", ["end"] = { 1, 2 }, ["a-b"] = {} }, list = { "é" },
      [10] = "ten" }
    assert.are.same(value, read(literal.of(value)))
  end)

  it("stands on one line when it fits, else a member a line", function()
    assert.are.equal('{ "a", b = 1 }', literal.of { "a", b = 1 })
    local long = literal.of { a = ("x"):rep(60), b = ("y"):rep(60) }
    assert.are.equal('{\n  a = "' .. ("x"):rep(60) .. '",\n  b = "' .. ("y"):rep(60) .. '",\n}', long)
  end)

  it("has nothing that controls a terminal or turns the direction of writing", function()
    for _, text in ipairs { "\"\194\155", "\"\226\128\174", "\"\200", "\"\27" } do
      assert.is_nil(literal.long(text):find "[^ -~]")
      assert.are.equal(text, read(literal.long(text)))
    end
  end)

  it("writes whole numbers without a fraction", function()
    assert.are.equal("3", literal.of(3.0))
    assert.are.equal("0.25", literal.of(0.25))
  end)
end)
