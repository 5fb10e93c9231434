-- Writing and reading are each other's inverse, over generated events.
local events = require "altinn.events"
local generator = require "spec.support.generator"

local COUNT = 3000

describe("an event that was read", function()
  it("is written so that it reads as the same, and the text stays", function()
    local read = 0
    for number = 1, COUNT do
      local event = events.parse(generator.text(number))
      if event then
        read = read + 1
        local text = assert(events.encode(event))
        local again = assert(events.parse(text))
        assert.are.equal(text, events.encode(again))
        assert.are.same(events.totable(event), events.totable(again))
        assert.are.same({ events.time(event) }, { events.time(again) })
      end
    end
    assert(read > COUNT / 4, read)
  end)

  it("is the same as a table", function()
    for number = 1, COUNT do
      local event = events.parse(generator.text(number))
      if event then
        local plain = events.totable(event)
        assert.is_true(events.validate(plain))
        assert.are.same(plain, events.totable(assert(events.parse(assert(events.encode(plain))))))
      end
    end
  end)

  it("is the same in a batch", function()
    local texts, list = {}, {}
    for number = 1, 400 do
      local text = generator.text(number)
      local event = events.parse(text)
      if event then
        list[#list + 1] = event
        texts[#texts + 1] = text
      end
    end
    local read = assert(events.parse_batch("[" .. table.concat(texts, " ,\n") .. "]"))
    assert.are.equal(#list, #read)
    local again = assert(events.parse_batch(assert(events.encode_batch(list))))
    for index, event in ipairs(list) do
      assert.are.equal(events.encode(event), events.encode(read[index]))
      assert.are.equal(events.encode(event), events.encode(again[index]))
    end
  end)
end)

describe("a table that was written", function()
  it("reads as itself", function()
    for number = 1, COUNT do
      local event = generator.event(number)
      local text = assert(events.encode(event))
      local read = assert(events.parse(text))
      assert.are.same(event, events.totable(read))
      assert.are.equal(text, events.encode(read))
    end
  end)

  it("reads as itself in binary mode", function()
    for number = 1, COUNT do
      local event, headers = generator.event(number), {}
      for name, value in pairs(event) do
        if name == "datacontenttype" then headers["Content-Type"] = value
        elseif name ~= "data" then
          headers["ce-" .. name] = tostring(value):gsub("[^%w:/.#-]",
            function(c) return ("%%%02X"):format(c:byte()) end)
        end
      end
      if event.data == nil or event.datacontenttype then
        local list = assert(events.from_http(headers, event.data))
        local read = events.totable(list[1])
        for name, value in pairs(event) do
          assert.are.equal(name == "data" and value or tostring(value), read[name], name)  -- headers are texts
        end
      end
    end
  end)
end)
