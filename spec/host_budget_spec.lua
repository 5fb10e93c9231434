-- Rules that loop, eat memory, throw or meddle: it costs themselves only.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"

local one

after_each(function()
  if one then one:close() end
  one = nil
end)

local function post(changes)
  assert.are.equal(200, (one:post(sample.text(changes))))
end

local function verdicts() return one:verdicts() end

describe("a rule that", function()
  local GOOD = 'rule { name = "good", on = "*", order = false, run = function() return skip("fine") end }'

  -- Posts events that both rules want; how long the good one took in all.
  local function beside(bad, count)
    one = host.start { rules = { bad = bad, good = GOOD }, arguments = { "--workers", "1" },
      config = 'return { targets = { x = { url = "http://127.0.0.1:1" } } }' }
    local begun, slowest = socket.gettime(), 0
    for i = 1, count do
      local before = socket.gettime()
      post { id = "i-" .. i, resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(i) }
      slowest = math.max(slowest, socket.gettime() - before)
    end
    assert(process.wait(10, function()
      return one:metrics()['verdicts_total{rule="good",verdict="skipped"}'] == count
    end))
    return socket.gettime() - begun, slowest
  end

  it("loops for ever is stopped; others and the reception go on", function()
    local taken, slowest = beside([[
      rule { name = "bad", on = "*", limit = { seconds = 0.2 }, run = function() while true do end end }]], 200)
    assert.is_true(taken < 5, "the good rule took " .. taken)
    assert.is_true(slowest < 0.5, "an answer took " .. slowest)
    assert(one:wait_log('rule=bad.-verdict=retry reason="[^"]*time budget of 0.2 s is used up'))
  end)

  it("loops for ever inside pcall and coroutines is stopped too", function()
    beside([[
      rule { name = "bad", on = "*", limit = { seconds = 0.1 }, run = function()
        while true do pcall(function() coroutine.wrap(function() while true do pcall(error) end end)() end) end
      end }]], 5)
    assert(one:wait_log('rule=bad.-time budget'))
  end)

  it("allocates without end is stopped; others and the reception go on", function()
    local taken = beside([[
      rule { name = "bad", on = "*", limit = { memory = 8 * 1024 * 1024 }, run = function()
        local all = {}
        while true do all[#all + 1] = ("x"):rep(1000) .. #all end
      end }]], 100)
    assert.is_true(taken < 8, "the good rule took " .. taken)
    assert(one:wait_log('rule=bad.-memory budget of 8388608 bytes is used up'))
    local kilobytes = tonumber(process.read(("/proc/%d/status"):format(one.process.pid)):match("VmRSS:%s*(%d+)"))
    assert.is_true(kilobytes < 100 * 1024, kilobytes .. " KiB")
  end)

  it("counts its instructions stops at their limit", function()
    beside([[
      rule { name = "bad", on = "*", limit = { instructions = 1000000 }, run = function() while true do end end }]], 3)
    assert(one:wait_log('rule=bad.-budget of 1000000 instructions is used up'))
  end)

  it("throws is tried again, with its traceback; the other goes on", function()
    beside([[
      local function deep() error("it broke for 08895699684") end
      rule { name = "bad", on = "*", run = function() deep() end }]], 20)
    assert(one:wait_log("rule=bad.-verdict=retry"))
    local log = one:log()
    assert.truthy(log:find("bad.lua:1: it broke", 1, true))
    assert.truthy(log:find("in upvalue 'deep'", 1, true) or log:find("in local 'deep'", 1, true), log)
    assert.is_nil(log:find("08895699684", 1, true))
  end)

  it("returns what is no verdict is told so", function()
    beside('rule { name = "bad", on = "*", run = function() return tonumber "42" end }', 2)
    assert(one:wait_log("rule=bad.-verdict=retry reason=\"[^\"]*not a number"))
  end)

  it("gives up after the attempts that it names", function()
    one = host.start { rules = { bad = [[
      rule { name = "bad", on = "*", retry = { attempts = 2 },
        run = function() error("no") end }]] } }
    post { id = "enough" }
    assert(one:settle())
    assert.are.equal(2, verdicts()["enough/bad"].attempt)
  end)

  it("has a finalizer that loops is told that it cannot", function()
    beside([[
      rule { name = "bad", on = "*", run = function()
        setmetatable({}, { __gc = function() while true do end end })
        collectgarbage()
      end }]], 1)
    assert(one:wait_log("rule=bad.-cannot have __gc"))
  end)

  it("changes a library changes it for itself alone", function()
    one = host.start { arguments = { "--workers", "1" }, rules = {
      meddler = 'rule { name = "meddler", on = "*", run = function()\n' ..
        'getmetatable(io.stderr).__index, require("table").concat = nil, nil\n' ..
        'require("altinn.events").parse = nil end }',
      a = 'table.concat = function() return "mine" end\n' ..
        'rule { name = "a", on = "*", run = function() return skip(table.concat { "x" }) end }',
      b = 'rule { name = "b", on = "*", run = function() rawset(_G, "x", 1) return skip(table.concat { 7 }) end }',
      c = 'rule { name = "c", on = "*", run = function() return skip(tostring(rawget(_G, "x"))) end }',
    } }
    post { id = "own" }
    assert(one:settle())
    local found = verdicts()
    assert.are.equal("mine", found["own/a"].reason)
    assert.are.equal("7", found["own/b"].reason)
    assert.are.equal("nil", found["own/c"].reason)
  end)

  it("changes send, log, coroutine or the types changes them for its own file alone", function()
    one = host.start { arguments = { "--workers", "1" }, rules = {
      a = [[send.http, log.info, coroutine.wrap, events.types.correspondencepublished.type = nil, nil, nil, "mine"
        rule { name = "a", on = "*", run = function() return skip(tostring(rawget(send, 'http'))) end }]],
      b = [[rule { name = "b", on = "*", run = function()
        log("said") log.info("twice")
        return skip(type(send.http) .. type(coroutine.wrap) .. events.types.correspondencepublished.type)
      end }]],
    } }
    post { id = "shared" }
    assert(one:settle())
    local found = verdicts()
    assert.are.equal("nil", found["shared/a"].reason)
    assert.are.equal("functionfunctionno.altinn.correspondence.correspondencepublished", found["shared/b"].reason)
    assert(one:wait_log "rule=b event=1 reason=twice")
  end)

  -- What a rule raises or returns may run its code when it is looked at.
  for what, case in pairs {
    ["raises an object whose text never comes"] = {
      'error(setmetatable({}, { __tostring = function() while true do end end }))', "cannot tell its text" },
    ["raises an object whose text raises"] = {
      'error(setmetatable({}, { __tostring = function() error("no") end }))', "cannot tell its text" },
    ["raises an object whose text is none"] = {
      "error(setmetatable({}, { __tostring = function() return {} end }))", "cannot tell its text" },
    ["raises an object with a text"] = {
      'error(setmetatable({}, { __tostring = function() return "the text" end }))', "the text" },
    ["returns a list without end"] = {
      'return setmetatable({}, { __index = function() return send.http("x") {} end })', "this table is none of them" },
    ["returns what raises when it is read"] = {
      'return setmetatable({}, { __len = function() error("no length") end })', "this table is none of them" },
    ["returns a reason that is none"] = {
      'local verdict = skip("x") verdict.reason = setmetatable({}, { __tostring = function() while true do end end })'
        .. " return verdict", "must be a text, not a table" },
    ["returns a time that is none"] = {
      "local verdict = retry_after(1) verdict.after = 0 / 0 return verdict", "must be a number of seconds" },
    ["returns effects that are none"] = {
      'return { send.http("x") {}, tonumber "7" }', "item 2 of its list is none" },
    ["returns a JSON value without end"] = {
      'return send.http("x") { json = setmetatable({}, { __pairs = function() while true do end end }) }',
      "time budget" },
    ["overflows the stack again and again"] = {
      "local function deep() return 1 + deep() end while true do xpcall(deep, deep) end", "time budget" },
  } do
    it(what .. " is stopped", function()
      beside(('rule { name = "bad", on = "*", limit = { seconds = 0.2 }, run = function() %s end }'):format(case[1]), 1)
      assert(one:wait_log("rule=bad.-verdict=retry reason=[^\n]*" .. case[2]))
    end)
  end
end)
