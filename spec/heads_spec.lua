-- Heads of rules on their way from Lua to the matcher, through the real command; and what a careless or hostile
-- program may do to the objects that hold them.
local core = require "altinn.events.core"
local host = require "spec.support.host"
local process = require "spec.support.process"
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

describe("a head with alternatives that hold at once", function()
  it("is one run", function()
    local one = host.start { rules = { twice = [[
      rule { name = "twice", on = "x.twice",
             when = { colour = { "green", prefix "gre", prefix "g", prefix "gree" } },
             run = function() return skip("once") end }
    ]] } }
    finally(function() one:close() end)
    assert.are.equal(200, (one:post(sample.text { type = "x.twice", colour = "green" })))
    assert(one:wait_log "verdict=skipped reason=once")
    assert(one:settle())
    assert.are.equal(1, one:metrics()['verdicts_total{rule="twice",verdict="skipped"}'])
  end)
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

describe("the routes of the host", function()
  it("take an event that was read at reception as it is, and read those of the file", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    local build = "env -u LD_PRELOAD gcc -std=c11 -D_GNU_SOURCE -O1 -pthread -Icsrc -o %s/routes spec/c/routes.c"
      .. " csrc/host/routes.c csrc/core/*.c && %s/routes"
    local pipe = io.popen(build:format(folder, folder))
    local said = pipe:read "a"
    pipe:close()
    assert.are.equal("read=3 key=somebody\nstored=3 key=somebody\nunreadable=1 unordered=1\n"
      .. "constant=the printer at_once=0,7\n", said)
  end)
end)
