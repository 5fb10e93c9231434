-- Dates of HTTP and Retry-After. The forms are the examples of RFC 9110 §5.6.7.
local http_date = require "altinn.events.support.http_date"

local EXAMPLE = 784111777  -- 1994-11-06T08:49:37Z

describe("a date of HTTP", function()
  it("is read in all three forms", function()
    assert.are.equal(EXAMPLE, http_date.parse "Sun, 06 Nov 1994 08:49:37 GMT")
    assert.are.equal(EXAMPLE, http_date.parse "Sunday, 06-Nov-94 08:49:37 GMT")
    assert.are.equal(EXAMPLE, http_date.parse "Sun Nov  6 08:49:37 1994")
    assert.are.equal(951782400, http_date.parse "Tue, 29 Feb 2000 00:00:00 GMT")
  end)

  it("of two digits is not more than 50 years ahead", function()
    local year = tonumber(os.date "!%Y")
    local near = ("Monday, 01-Jan-%02d 00:00:00 GMT"):format((year + 1) % 100)
    assert.is_true(http_date.parse(near) > os.time())
    assert.is_true(http_date.parse(("Monday, 01-Jan-%02d 00:00:00 GMT"):format((year + 60) % 100)) < os.time())
  end)

  it("is nil when it is none", function()
    for _, text in ipairs { "", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nix 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 28:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z" } do
      assert.is_nil(http_date.parse(text), text)
    end
    assert.is_nil(http_date.parse(nil))
    assert.is_nil(http_date.parse(5))
  end)
end)

describe("Retry-After", function()
  local function after(value, date) return http_date.retry_after({ ["retry-after"] = value, date = date }, EXAMPLE) end

  it("is a number of seconds, or a date seen from the server's own clock", function()
    assert.are.equal(120, after "120")
    assert.are.equal(120, after " 120 ")
    assert.are.equal(60, after "Sun, 06 Nov 1994 08:50:37 GMT")
    assert.are.equal(60, after "Sunday, 06-Nov-94 08:50:37 GMT")
    assert.are.equal(60, after "Sun Nov  6 08:50:37 1994")
    assert.are.equal(10, after("Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:50:27 GMT"))
    assert.are.equal(0, after "Sun, 06 Nov 1994 08:00:00 GMT")
  end)

  it("that says nothing sensible is none", function()
    for _, value in ipairs { "", "soon", "-5", "1.5", "9999999999", "60 s" } do assert.is_nil(after(value), value) end
    assert.is_nil(http_date.retry_after {})
  end)
end)
