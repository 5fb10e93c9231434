-- Heads of rules on their way from Lua to the matcher, through the real command; and what a careless or hostile
-- program may do to the objects that hold them.
local core = require "altinn.events.core"
local host = require "spec.support.host"
local sample = require "spec.support.sample"

describe("a head of many conditions", function()
  -- All of them hold for `event`; the last one decides.
  local function big(count)
    local when, event = {}, { id = "big-" .. count, type = "x.big" }
    for i = 1, count do
      local name = ("attribute%03d"):format(i)
      event[name] = "value" .. i
      when[i] = ("%s = { 'value%d', 'other', prefix 'v' }"):format(name, i)
    end
    return ("rule { name = 'big', on = 'x.big', when = { %s }, run = function() return skip('all hold') end }\n")
      :format(table.concat(when, ", ")), event, ("attribute%03d"):format(count)
  end

  for _, count in ipairs { 30, 100, 200 } do
    it("is matched by the host: " .. count, function()
      local rule, event, last = big(count)
      local one <close> = setmetatable({ host = host.start { rules = { big = rule } } },
        { __close = function(self) self.host:close() end })
      assert.are.equal(200, (one.host:post(sample.text(event))))
      assert(one.host:wait_log("verdict=skipped reason=\"all hold\""))
      event.id, event[last] = "none", "no"
      assert.are.equal(200, (one.host:post(sample.text(event))))
      assert(one.host:settle())
      assert.are.equal(1, one.host:metrics().unmatched_total)
    end)
  end
end)

describe("the matcher of the core", function()
  local function alternatives(...) return { { attribute = "type", test = "is", alternatives = { ... } } } end

  it("refuses what is no head", function()
    local m = core.matcher()
    for _, wrong in ipairs {
      { 1 }, { {} }, { { attribute = 1 } }, { { attribute = "type", test = "maybe" } }, alternatives(1),
      alternatives { 7 }, alternatives {}, { { attribute = "type", test = "is", alternatives = "text" } },
    } do
      local ok, message = pcall(m.add, m, 1, wrong)
      assert.is_false(ok)
      assert.truthy(message:find("head of a rule", 1, true), message)
    end
    local many = {}
    for i = 1, 1001 do many[i] = alternatives({ "x" })[1] end
    assert.has_error(function() m:add(1, many) end, "head of a rule: more than 1000 conditions")
  end)

  it("asks no metamethod for its texts", function()
    local m = core.matcher()
    local sly = setmetatable({ test = "is", alternatives = { { "x" } } }, { __index = function() return "type" end })
    assert.is_false((pcall(m.add, m, 1, { sly })))
  end)

  it("that was collected by hand raises", function()
    local m = core.matcher()
    local event = assert(core.parse(sample.text()))
    local class = debug.getmetatable(m)
    class.__gc(m)
    class.__gc(m)
    for name, arguments in pairs { match = { event }, add = { 1, {} }, remove = { 1 }, holds = { 1, 1, event } } do
      local ok, message = pcall(class.__index[name], m, table.unpack(arguments))
      assert.is_false(ok)
      assert.truthy(message:find("the matcher has been collected", 1, true), message)
    end
  end)
end)
