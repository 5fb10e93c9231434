-- A reload that runs the rules' specs first: the real host, the real command beside it.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

local one

after_each(function()
  if one then one:close() end
  one = nil
end)

local REFUSED, DONE = 'reloads_total{result="refused"}', 'reloads_total{result="done"}'

-- A rule that says which version it is.
local function rule(version)
  return ('rule { name = "a", on = "correspondencepublished", run = function() return skip("version %d") end }')
    :format(version)
end

-- A spec file: `body` in a spec, with `reason()` of the rule as the spec sees it, and `wait_for(name)` for a file.
local function spec(body)
  local folder = one.folder
  return ([[
local folder = %q
local function reason()
  local set = assert(require("altinn.events.rules").load { folder .. "/rules" })
  return require("altinn.events.rule").verdict(set[1].run()).reason
end
local function wait_for(name)
  io.open(folder .. "/" .. name .. ".asked", "w"):close()
  repeat
    local file = io.open(folder .. "/" .. name)
    if file then file:close() end
  until file
end
describe("the rule", function()
  it("does as it should", function()
    %s
    assert(reason and wait_for)
  end)
end)
]]):format(folder, body)
end

local function start(config)
  one = host.start { rules = { a = rule(1) }, config = ("return { test = %s }"):format(config) }
end

local function reload(version, body)
  one:rewrite { a = rule(version), a_spec = body and spec(body) or nil }
  one:signal "HUP"
end

local posted = 0

-- The reason that the rule in force gives.
local function verdict()
  posted = posted + 1
  local id = ("00000000-0000-4000-8000-%012d"):format(posted)
  assert.are.equal(200, (one:post(sample.text { id = id,
    subject = ("urn:altinn:organization:identifier-no:9%08d"):format(posted) })))
  return assert(process.wait(30, function()
    local found = one:verdicts()[id .. "/a"]
    return found and found.verdict == "skipped" and found.reason
  end))
end

local function asked(name)
  assert(process.wait(30, process.read, ("%s/%s.asked"):format(one.folder, name)), one:log())
end

local function let_go(name) process.write(("%s/%s"):format(one.folder, name), "") end

describe("a reload that runs the specs first", function()
  it("puts rules in force whose specs pass", function()
    start "{ reload = true }"
    reload(2, 'assert.are.equal("version 2", reason())')
    assert(one:wait_line 'msg=reload reason="1 rule is in force"', one:log())
    assert(one:log():find('msg=spec reason="1 passed"', 1, true))
    assert.are.equal("version 2", verdict())
    assert.are.equal(0, one:metrics()[REFUSED])
  end)

  it("refuses rules whose specs fail, and names these", function()
    start "{ reload = true }"
    reload(2, 'assert.are.equal("version 3", reason())')
    assert(one:wait_line 'reason="the specs fail: 1 of 1; the old ones stay in force"', one:log())
    assert(one:log():find('level=error msg=spec reason="' .. one.folder
      .. '/rules/a_spec.lua:14: the rule does as it should: ' .. one.folder
      .. '/rules/a_spec.lua:15: Expected objects to be equal.', 1, true), one:log())
    assert.are.equal("version 1", verdict())
    assert.are.equal(1, one:metrics()[REFUSED])
    assert.are.equal(0, one:metrics()[DONE])
    reload(2, 'assert.are.equal("version 2", reason())')
    assert(one:wait_line 'msg=reload reason="1 rule is in force"', one:log())
    assert.are.equal("version 2", verdict())
  end)

  it("says so much and no more, with identity numbers masked", function()
    start "{ reload = true }"
    one:rewrite { a = rule(2), a_spec = [[
      for i = 1, 30 do
        it("no " .. i, function() error("of 01017012345 " .. ("x"):rep(5000)) end)
      end]] }
    one:signal "HUP"
    assert(one:wait_line 'reason="the specs fail: 30 of 30; the old ones stay in force"', one:log())
    local log = one:log()
    assert.is_nil(log:find("01017012345", 1, true))
    assert(log:find('msg=spec reason="and 20 more"', 1, true), log)
    assert(#log < 8000, #log)
  end)

  it("goes on meanwhile, and puts in force what was tested, whatever the files hold by then", function()
    start "{ reload = true }"
    reload(2, [[
      wait_for("go")
      assert.are.equal("version 2", reason())
      local world = test.world { rules = { folder .. "/rules" } }
      local letter = world:letter { resource = "acme-letters" }
      world:push("correspondencepublished", letter)
      world:settle()
      assert.are.equal("version 2", world:verdict("a", letter).reason)
    ]])
    asked "go"
    assert.are.equal("version 1", verdict())
    process.write(one.folder .. "/rules/a.lua", rule(3))
    let_go "go"
    assert(one:wait_line 'msg=reload reason="1 rule is in force"', one:log())
    assert.are.equal("version 2", verdict())
  end)

  it("begins anew after the specs when a reload is asked for meanwhile", function()
    start "{ reload = true }"
    reload(2, 'wait_for("go")')
    asked "go"
    reload(3, 'wait_for("again") assert.are.equal("version 3", reason())')
    let_go "go"
    asked "again"
    assert.are.equal("version 2", verdict())
    let_go "again"
    assert(process.wait(30, function() return one:metrics()[DONE] == 2 end), one:log())
    assert.are.equal("version 3", verdict())
  end)

  it("refuses rules whose specs hang, and names where", function()
    start "{ reload = true, seconds = 1 }"
    reload(2, "os.execute 'echo $PPID >" .. one.folder .. "/pid; sleep 1000'")
    assert(one:wait_line "the old ones stay in force", one:log())
    local log = one:log()
    assert(log:find("/rules/a_spec.lua:14: the rule does as it should: ", 1, true), log)
    assert(log:find('reason="the specs took longer than 1 s; ', 1, true)
      or log:find('reason="the specs fail: 1 of 1; ', 1, true), log)
    assert.are.equal("version 1", verdict())
    assert.is_nil(os.execute(("kill -0 %s 2>/dev/null"):format(process.read(one.folder .. "/pid"):match "%d+")))
  end)

  it("ends at once with the host", function()
    start "{ reload = true, seconds = 600 }"
    reload(2, "os.execute 'echo $PPID >" .. one.folder .. "/pid' wait_for 'never'")
    asked "never"
    one:signal "TERM"
    assert.are.equal(0, one.process:wait_exit(30))
    assert.is_nil(os.execute(("kill -0 %s 2>/dev/null"):format(process.read(one.folder .. "/pid"):match "%d+")))
  end)

  it("ends with a host that is killed", function()
    start "{ reload = true, seconds = 600 }"
    reload(2, "os.execute 'echo $PPID >" .. one.folder .. "/pid' wait_for 'never'")
    asked "never"
    local pid = process.read(one.folder .. "/pid"):match "%d+"
    one:kill()
    assert(process.wait(30, function() return not os.execute(("kill -0 %s 2>/dev/null"):format(pid)) end))
  end)

  it("refuses rules without specs, and says where it looked", function()
    start "{ reload = true }"
    reload(2)
    assert(one:wait_line('reason="the specs could not be run; the old ones stay in force"'), one:log())
    assert(one:log():find("msg=spec reason=\"no specs: looked for *_spec.lua beside the rules, in " .. one.folder, 1,
      true), one:log())
    assert.are.equal("version 1", verdict())
  end)

  it("tells at the start that busted is missing, and refuses", function()
    one = host.start { rules = { a = rule(1) }, config = "return { test = { reload = true } }",
      env = { LUA_INIT = [[local search = package.searchpath
        function package.searchpath(name, ...)
          if name:find "^busted" then return nil, "no such file" end
          return search(name, ...)
        end]] } }
    local told = "specs are run by busted, which is not there: apt-get install lua-busted"
    assert(one:wait_line('level=warn msg=spec reason="' .. told), one:log())
    reload(2, "")
    assert(one:wait_line 'reason="the specs could not be run; the old ones stay in force"', one:log())
    assert(one:log():find('level=error msg=spec reason="' .. told, 1, true), one:log())
    assert.are.equal("version 1", verdict())
  end)

  it("is what the configuration asks for, and nothing else", function()
    start "{ seconds = 5 }"
    reload(2, "error 'never run'")
    assert(one:wait_line 'msg=reload reason="1 rule is in force"', one:log())
    assert.are.equal("version 2", verdict())
  end)
end)
