-- The tables of the obvious: options that people write, fields of HTTP.
local field = require "altinn.events.support.http_field"
local schema = require "altinn.events.support.schema"

describe("options", function()
  -- A function that checks its options, as a module has it.
  local function made(options)
    schema.keys("make", options, { size = true, name = true, subject = true }, 2)
    return schema.number(options, "size", 0, 2), schema.kind(options, "name", "string", 2)
  end

  it("that are right are given", function()
    assert.are.same({ 5, "x" }, { made { size = 5, name = "x" } })
    assert.are.same({}, { made {} })
  end)

  it("that are wrong are told where they were written", function()
    local here = debug.getinfo(1, "l").currentline
    for offset, case in ipairs { { { sise = 5 }, "unknown option 'sise' of make (did you mean 'size'?)" },
      { { [1] = 5 }, "unknown option '1' of make" }, { { size = "5" }, "size: a number is wanted, not a string" },
      { { size = 0 }, "size: a number greater than 0 is wanted" }, { { size = 1 / 0 }, "greater than 0" },
      { { size = 0 / 0 }, "greater than 0" }, { { name = 5 }, "name: a string is wanted, not a number" },
      { { subjectFilter = 1 }, "Altinn's word; here it is subject" } } do
      local ok, message = pcall(function() made(case[1]) end)
      assert.is_false(ok, offset)
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.are.equal(here + 6, tonumber(message:match("schema_spec.lua:(%d+):")), message)
    end
    assert.has_error(function() made "x" end)
  end)
end)

describe("fields of HTTP", function()
  it("have names that are tokens, and values without control characters", function()
    for _, name in ipairs { "X-One", "a", "!#$%&'*+-.^_`|~9" } do assert.is_true(field.is_name(name), name) end
    for _, name in ipairs { "", "a b", "a:", "ø", "a\n", "(a)" } do assert.is_false(field.is_name(name), name) end
    assert.is_false(field.is_name(5))
    assert.is_true(field.is_value "a\tb ø")
    for _, value in ipairs { "a\nb", "a\rb", "a\0b", "a\127" } do assert.is_false(field.is_value(value)) end
    assert.is_nil(field.fault { ["X-One"] = "a" })
    assert.is_string(field.fault { ["X One"] = "a" })
    assert.is_string(field.fault { X = 5 })
    assert.is_string(field.fault { X = "a\nb" })
    assert.is_string(field.fault "x")
  end)
end)
