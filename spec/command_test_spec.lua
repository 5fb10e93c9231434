-- `altinn-events test`: real spec files, each in a process of its own.
local cjson = require "cjson"
local command = require "spec.support.command"
local process = require "spec.support.process"

local run, shell, write, says, silent = command.run, command.shell, command.write, command.says, command.silent

before_each(function()
  local folder = command.begin()
  assert(os.execute("mkdir " .. process.quote(folder .. "/rules")))
  command.rules()
end)
after_each(command.finish)

local function spec(name, text) return write(("rules/%s_spec.lua"):format(name), text) end

-- The results of a run as JSON, by name.
local function results(...)
  local status, out, err = run("test", "--json", ...)
  local ok, report = pcall(cjson.decode, out)
  assert(ok, out .. err)
  local list = {}
  for _, file in ipairs(report.files) do
    for _, one in ipairs(file.specs) do
      one.file = file.file
      list[one.name] = one
    end
  end
  return list, report, status
end

local MIXED = [[
describe("the paper", function()
  it("is printed", function() assert.equal(1, 1) end)
  it("is sent once", function()
    assert.same({ key = "a", json = { letter = 1 } }, { key = "a", json = { letter = 2 } })
  end)
  it("errs", function() error("no printer") end)
  pending("is folded")
end)
]]

describe("altinn-events test", function()
  it("runs what is beside the rules, and says what passed", function()
    spec("one", 'it("works", function() assert.is_true(true) end)')
    spec("two", 'it("works too", function() end) it("and this", function() end)')
    local status, out = run("test", "--seed", "7")
    assert.are.equal(0, status)
    says(out, "rules/one_spec.lua  1 passed", "rules/two_spec.lua  2 passed", "3 passed in 2 files", "seed 7")
  end)

  it("names each failure with its place, its tables, and the line that repeats it alone", function()
    spec("one", MIXED)
    local status, out = run("test")
    assert.are.equal(1, status)
    says(out, "1 passed, 1 failed, 1 error, 1 pending in 1 file", "FAILED rules/one_spec.lua:3: the paper is sent once",
      "rules/one_spec.lua:4: Expected objects to be the same.", "*[letter] = 2", "*[letter] = 1",
      "ERROR rules/one_spec.lua:6: the paper errs", "rules/one_spec.lua:6: no printer",
      "pending rules/one_spec.lua:7: the paper is folded")
    local alone = out:match(
      "alone: altinn%-events (test rules/one_spec.lua %-%-filter '%^the paper errs%$' %-%-seed %d+)")
    assert(alone, out)
    status, out = shell('"$ae" ' .. alone)
    assert.are.equal(1, status)
    says(out, "0 passed, 1 error in 1 file")
  end)

  it("has busted's words, and the seed of the run", function()
    spec("one", [[
      local order = {}
      local function note(word) return function() order[#order + 1] = word end end
      setup(note "setup") before_each(note "before_each") after_each(note "after_each")
      insulate("a", function()
        it("spies", function()
          local s = spy.new(function() end)
          s(1)
          assert.spy(s).was.called_with(match.is_number())
          local t = { f = function() return 1 end }
          stub(t, "f")
          assert.is_nil(t.f())
          finally(note "finally")
        end)
        it("came after", function()
          assert.same({ "setup", "before_each", "finally", "after_each", "before_each" }, order)
        end)
      end)
      it("draws", function() math.random() end)
      it("counts", function() print("drawn " .. math.random(1e9)) end)
    ]])
    local first, report = results("--seed", "11")
    assert.is_true(report.ok)
    assert.are.equal(11, report.seed)
    assert.are.equal(first.counts.output, results("--seed", "11").counts.output)
    assert.are_not.equal(first.counts.output, results("--seed", "12").counts.output)
    -- Alone it has the same numbers.
    assert.are.equal(first.counts.output, results("--seed", "11", "--filter", "^counts$").counts.output)
  end)

  it("ends at its limit what loops in Lua, also where the spec catches the error, and goes on", function()
    spec("one", [[
      it("loops", function()
        while true do end
      end)
      it("catches", function() pcall(function() while true do end end) end)
      it("goes on", function() end)
    ]])
    local found = results("--limit", "0.3s")
    says(found.loops.message, "rules/one_spec.lua:2: took longer than 0.3 s")
    says(found.catches.message, "rules/one_spec.lua:4: took longer than 0.3 s")
    assert.are.equal("error", found.loops.state)
    assert.are.equal("error", found.catches.state)
    assert.are.equal("passed", found["goes on"].state)
  end)

  it("ends what hangs in C, with what it has started, and goes on behind it", function()
    spec("one", [[
      it("first", function() end)
      it("hangs", function() os.execute("echo $PPID $$ >pids; sleep 1000 & echo $! >>pids; wait") end)
      it("goes on", function() end)
    ]])
    local found = results("--limit", "0.3s")
    says(found.hangs.message, "rules/one_spec.lua:2: took longer than 0.3 s and was killed")
    assert.are.equal("passed", found.first.state)
    assert.are.equal("passed", found["goes on"].state)
    local count = 0
    for pid in process.read(command.folder .. "/pids"):gmatch "%d+" do
      count = count + 1
      assert.is_nil(os.execute("kill -0 " .. pid .. " 2>/dev/null"), pid .. " is left")
    end
    assert.are.equal(3, count)
  end)

  it("names a hook that hangs, and calls it once", function()
    spec("one", [[
      describe("loop", function()
        before_each(function() while true do end end)
        it("one", function() end)
        it("two", function() end)
      end)
      describe("call", function()
        setup(function() os.execute "sleep 1000" end)
        it("three", function() end)
      end)
      it("goes on", function() end)
    ]])
    local found = results("--limit", "0.3s")
    says(found["loop one"].message, "rules/one_spec.lua:2: took longer than 0.3 s")
    says(found["loop two"].message, "rules/one_spec.lua:2: the before_each hangs, and was not called again")
    says(found["setup of call"].message, "rules/one_spec.lua:7: took longer than 0.3 s and was killed")
    assert.are.equal(7, found["setup of call"].line)
    assert.are.equal("passed", found["goes on"].state)
  end)

  it("tells once what a file that is started anew does again", function()
    spec("one", [[
      describe("broken", function() error("here") end)
      describe("loop", function() while true do end end)
      it("leaves", function() os.exit(3) end)
      it("leaves again", function() os.exit(3) end)
      it("goes on", function() end)
    ]])
    local found, report = results("--limit", "0.3s")
    says(found["describe of broken"].message, "rules/one_spec.lua:1: here")
    says(found["describe of loop"].message, "rules/one_spec.lua:2: took longer than 0.3 s")
    assert.are.equal("passed", found["goes on"].state)
    assert.are.equal(5, #report.files[1].specs)
  end)

  it("names a spec whose process ends, and goes on behind it", function()
    spec("one", [[
      it("leaves", function() os.exit(3) end)
      it("crashes", function() os.execute "kill -ABRT $PPID" end)
      it("goes on", function() end)
    ]])
    spec("two", 'os.exit(0)')
    local found, report, status = results()
    assert.are.equal(1, status)
    says(found.leaves.message, "rules/one_spec.lua:1: the process ended with status 3")
    says(found.crashes.message, "rules/one_spec.lua:2: the process crashed: signal 6 (abort)")
    assert.are.equal("passed", found["goes on"].state)
    assert.are.equal(3, report.counts.errors)
  end)

  it("tells a file that does not load by its line", function()
    spec("one", 'it("x", function()\n  local a = = 1\nend)')
    spec("two", 'it("goes on", function() end)')
    spec("three", 'local t\nt.x = 1')
    local status, out = run("test")
    assert.are.equal(1, status)
    says(out, "ERROR rules/one_spec.lua:2: the file itself", "unexpected symbol near '='",
      "rules/three_spec.lua:2: attempt to index a nil value", "1 passed, 2 errors in 3 files")
  end)

  it("keeps what specs print apart from the report", function()
    spec("one", 'it("a", function() print("hello") io.stderr:write("aside\\n") end)')
    local _, out, err = run("test")
    silent(out, "hello", "aside")
    says(err, "rules/one_spec.lua:1: a: printed", "hello", "aside")
    local found = results()
    assert.are.equal("hello\n", found.a.output)
    assert.are.equal("aside\n", found.a.errors)
  end)

  it("tells the rest also when a spec has closed its output", function()
    spec("one", 'it("a", function() io.stdout:close() end) it("b", function() error("x") end)')
    local found = results()
    assert.are.equal("passed", found.a.state)
    says(found.b.message, "rules/one_spec.lua:1: x")
  end)

  it("keeps the beginning and the end of a long output", function()
    spec("one", 'it("a", function() print("first") for i = 1, 1e5 do print(i) end print("last") end)')
    local found = results()
    assert(#found.a.output < 100000, #found.a.output)
    says(found.a.output, "first\n", "bytes are left out", "\nlast\n")
  end)

  it("tells the beginning and the end of an error of megabytes at once", function()
    spec("long", 'it("errs", function() error(("x"):rep(5000000)) end)')
    local status, out, err = run("test", "rules")
    assert.are.equal(1, status, err)
    says(out, "bytes are left out", "1 error")
    assert.is_true(#out < 100000)
  end)

  it("runs files side by side", function()
    local meet = [[
      it("meets the other", function()
        assert(io.open(%q, "w")):close()
        repeat local other = io.open(%q) until other
      end)
    ]]
    spec("one", meet:format("one", "two"))
    spec("two", meet:format("two", "one"))
    local _, report = results("--jobs", "2", "--limit", "10s")
    assert.is_true(report.ok)
    assert(os.execute(("rm %s/one %s/two"):format(command.folder, command.folder)))
    assert.is_false(select(2, results("--jobs", "1", "--limit", "0.3s")).ok)
  end)

  it("puts specs into an order that the seed decides", function()
    spec("one", [[
      for i = 1, 20 do
        it("s" .. i, function() io.open("order", "a"):write(i, " "):close() end)
      end
    ]])
    local function order(...)
      os.remove(command.folder .. "/order")
      assert.are.equal(0, (run("test", ...)))
      return process.read(command.folder .. "/order")
    end
    local plain = order()
    assert.are.equal("1 2 3 ", plain:sub(1, 6))
    assert.are.equal(order("--shuffle", "--seed", "5"), order("--shuffle", "--seed", "5"))
    assert.are_not.equal(plain, order("--shuffle", "--seed", "5"))
  end)

  it("takes modules from lib/, as the rules do", function()
    assert(os.execute("mkdir " .. process.quote(command.folder .. "/rules/lib")))
    write("rules/lib/words.lua", "return { hello = 'hei' }")
    spec("one", 'it("a", function() assert.equal("hei", require("words").hello) end)')
    assert.are.equal(0, (run "test"))
  end)

  it("finds the specs of a rule file by its name, and takes a spec file as it is", function()
    spec("one", 'it("a", function() end)')
    spec("one_more", 'it("b", function() end)')
    spec("two", 'it("c", function() end)')
    local found = results("rules/one.lua")
    assert.is_truthy(found.a and found.b and not found.c)
    found = results("rules/two_spec.lua")
    assert.is_truthy(found.c and not found.a)
    write("rules/three.lua", command.GOOD)
    found = results("rules/three.lua")  -- none of its own: all of the folder
    assert.is_truthy(found.a and found.c)
  end)

  it("takes the rules of the configuration", function()
    assert(os.execute("mkdir " .. process.quote(command.folder .. "/other")))
    write("other/x_spec.lua", 'it("x", function() end)')
    write("altinn-events.lua", 'return { rules = { "other" }, secret = env "NOT_SET_HERE" }')
    assert.is_truthy(results().x)
  end)

  it("says where it looked when there are no specs: 2", function()
    local status, _, err = run("test")
    assert.are.equal(2, status)
    says(err, "no specs", "*_spec.lua", "rules")
    status, _, err = run("test", "nowhere")
    assert.are.equal(2, status)
    says(err, "nowhere: No such file or directory (the working folder is /")
    spec("one", 'it("a", function() end)')
    status, _, err = run("test", "--filter", "nothing of this name")
    assert.are.equal(2, status)
    says(err, "no spec has run")
  end)

  it("refuses options that are no such thing: 2", function()
    for option, message in pairs { ["--limit=x"] = "--limit: 'x' is no span of time", ["--jobs=0"] = "--jobs",
      ["--seed=x"] = "--seed: 'x' is no whole number", ["--filter=%"] = "--filter: malformed pattern",
      ["--format=html"] = "--format" } do
      local status, _, err = run("test", option)
      assert.are.equal(2, status, option)
      says(err, message)
    end
  end)

  it("without busted says how to get it", function()
    spec("one", 'it("a", function() end)')
    local status, _, err = shell([[LUA_INIT='local search = package.searchpath
      function package.searchpath(name, ...)
        if name:find "^busted" then return nil, "no such file" end
        return search(name, ...)
      end' "$ae" test]])
    assert.are.equal(2, status)
    assert.are.equal("altinn-events: specs are run by busted, which is not there: apt-get install lua-busted (Debian, "
      .. "Ubuntu), or luarocks --lua-version=5.4 install busted\n", err)
  end)

  it("tells specs that they run against the real host", function()
    spec("one", 'it("a", function() assert.equal("real", os.getenv "ALTINN_EVENTS_TEST_HOST") end)')
    assert.are.equal(1, (run("test")))
    assert.are.equal(0, (run("test", "--host")))
  end)

  it("masks identity numbers", function()
    spec("one", 'it("a", function() print("01017012345") error("of 01017012345") end)')
    for _, format in ipairs { "text", "tap", "junit", "json" } do
      local _, out, err = run("test", "--format", format)
      silent(out .. err, "01017012345")
    end
  end)

  it("has colours on a terminal alone, and none where they are not wanted", function()
    spec("one", 'it("a", function() end)')
    if not os.execute("script -qec true /dev/null >/dev/null 2>&1 </dev/null") then
      return pending "no terminals here (/dev/pts is not mounted)"
    end
    local function printed(variables)
      local _, out = shell(('%s TERM=xterm timeout 30 script -qec "$ae test" /dev/null </dev/null'):format(variables))
      says(out, "passed")
      return out
    end
    says(printed "NO_COLOR=", "\27[32m1 passed\27[0m")
    silent(printed "NO_COLOR=1", "\27")
    silent(select(2, run "test"), "\27")
  end)

  it("stops when nobody reads the report", function()
    for i = 1, 20 do spec("s" .. i, 'it("a", function() end)') end
    local status, _, err = shell [[{ "$ae" test; echo $? >status; } | true]]
    assert.are.equal(0, status)
    assert(process.wait(20, process.read, command.folder .. "/status"))
    says(err, "standard output: Broken pipe")
    assert.are.equal("1\n", process.read(command.folder .. "/status"))
  end)
end)

describe("a signal", function()
  -- A run that hangs in a spec whose process has started others, one of them in a session of its own.
  local function begin()
    spec("one", [[
      it("waits", function()
        os.execute("echo $PPID >pids; sleep 1000 & echo $! >>pids;"
          .. "setsid sh -c 'echo $$ >>pids; touch ready; sleep 1000'")
      end)
    ]])
    local program = ("cd %s && exec %s/build/lua5.4/bin/altinn-events test"):format(process.quote(command.folder),
      process.quote(assert(io.popen "pwd"):read "l"))
    local started = process.start(command.folder, "test", "sh -c " .. process.quote(program))
    assert(process.wait(20, process.read, command.folder .. "/ready"))
    return started
  end

  for name, status in pairs { INT = 130, TERM = 143 } do
    it(("%s ends all processes, and the run"):format(name), function()
      local started = begin()
      started:signal(name)
      assert.are.equal(status, started:wait_exit(20))
      says(started:output(), "ERROR rules/one_spec.lua:1: waits", "interrupted")
      local count = 0
      for pid in process.read(command.folder .. "/pids"):gmatch "%d+" do
        count = count + 1
        assert.is_nil(os.execute("kill -0 " .. pid .. " 2>/dev/null"), pid .. " is left")
      end
      assert.are.equal(3, count)
    end)
  end
end)

describe("a run that is killed", function()
  it("takes its specs, and what they have started, with it", function()
    spec("one", [[
      it("waits", function() os.execute("echo $PPID $$ >pids; sleep 1000 & echo $! >>pids; touch ready; wait") end)
    ]])
    local program = ("cd %s && exec %s/build/lua5.4/bin/altinn-events test"):format(process.quote(command.folder),
      process.quote(assert(io.popen "pwd"):read "l"))
    local started = process.start(command.folder, "test", "sh -c " .. process.quote(program))
    assert(process.wait(20, process.read, command.folder .. "/ready"))
    started:signal "KILL"
    for pid in process.read(command.folder .. "/pids"):gmatch "%d+" do
      assert(process.wait(20, function() return not os.execute("kill -0 " .. pid .. " 2>/dev/null") end), pid)
    end
  end)
end)

describe("a shell that becomes the command", function()
  it("keeps what it has started before", function()
    spec("one", 'it("runs", function() end)')
    local status, out, err = shell
      [[sh -c 'sleep 60 & echo $! >other; exec "$0" test rules' "$ae" && kill "$(cat other)"]]
    assert.are.equal(0, status, out .. err)
  end)
end)

describe("the coverage", function()
  local RULE = [[
local words = require "words"

rule { name = "a", on = "correspondencepublished", when = { resource = "acme-letters" },
  run = function(event)
    if event.subject then
      return skip(words.why)
    else
      return skip("another")
    end
  end,
}

rule { name = "b", on = "correspondencepublished",
  run = function()
    return skip("never asked")
  end,
}
]]

  before_each(function()
    command.rules(RULE)
    assert(os.execute("mkdir " .. process.quote(command.folder .. "/rules/lib")))
    write("rules/lib/words.lua", 'local M = { why = "x" }\nfunction M.unused()\n  return 1\nend\nreturn M\n')
    spec("one", [[
      local rules = require "altinn.events.rules"
      it("skips", function()
        local set = assert(rules.load { "rules/one.lua" })
        set[1].run({ subject = "y" })
        local body = coroutine.wrap(function() return set[1].run({ subject = "y" }) end)
        body()
      end)
      it("leaves", function() os.exit(0) end)
    ]])
  end)

  it("tells each rule's lines that were never run, also of a process that crashed", function()
    local _, out = run("test", "--coverage")
    says(out, "lines of the rules that were run:", "75.0 %  rules/lib/words.lua  never run: 3",
      "75.0 %  rules/one.lua:3: a  never run: 8", "50.0 %  rules/one.lua:13: b  never run: 15")
  end)

  it("is JSON too, and a file for lcov", function()
    local _, report = results("--coverage", "--coverage-file", "out.info")
    assert.are.equal("rules/one.lua", report.coverage[2].file)
    assert.are.same({ 8, 15 }, report.coverage[2].missed)
    local text = process.read(command.folder .. "/out.info")
    says(text, "SF:rules/one.lua\n", "DA:6,2\n", "DA:8,0\n", "DA:15,0\n", "end_of_record\n")
    local hit, lines = 0, 0
    for count in text:match("SF:rules/one.lua\n(.-)end_of_record"):gmatch "DA:%d+,(%d+)" do
      lines, hit = lines + 1, hit + (count ~= "0" and 1 or 0)
    end
    says(text, ("LF:%d\nLH:%d\n"):format(lines, hit))
  end)
end)

-- Names and outputs that are awkward in a format.
local AWKWARD = [[
it('<a> & "b" # ]] .. "]]" .. [[> \\ it\'s', function()
  print("<out> & \27[31m \0")
  io.stderr:write("\255 bytes")
  error("<bad> & \"worse\"\nsecond")
end)
it("two\nlines", function() end)
pending("later")
it("fails", function() assert.equal(1, 2) end)
]]

describe("TAP", function()
  it("has one point a spec, a plan, details, and nothing that is read as something else", function()
    spec("one", AWKWARD)
    local status, out = run("test", "--format", "tap", "--seed", "3")
    assert.are.equal(1, status)
    says(out, "TAP version 14\n# seed 3\n", "1..4\n",
      [[not ok 1 - rules/one_spec.lua:1: <a> & "b" \# ]] .. "]]" .. [[> \\ it's]] .. "\n  ---\n  message: |\n",
      "ok 2 - rules/one_spec.lua:6: two\\\\u000alines\n", "ok 3 - rules/one_spec.lua:7: later # SKIP pending\n",
      "\nnot ok 4 - ", '  at: "rules/one_spec.lua:8"\n', "\n  ...\n", "# <out> & \\u001b[31m \\u0000\n")
    for line in out:gmatch "[^\n]+" do
      assert(line:find "^ok %d" or line:find "^not ok %d" or line:find "^# " or line:find "^1%.%.4$"
        or line:find "^TAP version 14$" or line:find "^  ", line)
    end
  end)
end)

describe("JUnit's XML", function()
  local REQUIRED = {
    testsuite = { "name", "package", "id", "hostname", "timestamp", "tests", "failures", "errors", "time" },
    testcase = { "name", "classname", "time" }, property = { "name", "value" }, failure = { "type", "message" },
    error = { "type", "message" },
  }
  local INSIDE = { testsuites = "", testsuite = "testsuites", properties = "testsuite", property = "properties",
    testcase = "testsuite", failure = "testcase", error = "testcase", skipped = "testcase",
    ["system-out"] = "testsuite", ["system-err"] = "testsuite" }

  local function unescaped(text)
    assert(not text:gsub("&%a+;", ""):gsub("&#%d+;", ""):find "[<>&%c]", text)
    return (text:gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&quot;", '"'):gsub("&#10;", "\n"):gsub("&amp;", "&"))
  end

  -- Reads the elements; fails on what is no XML, or not in its place.
  local function elements(text)
    local list, open = {}, { "" }
    text = assert(text:match '^<%?xml version="1.0" encoding="UTF%-8"%?>\n(.*)$')
    for before, closes, name, attributes, is_empty in text:gmatch "([^<]*)<(/?)([%w-]+)([^<>]-)(/?)>" do
      assert(not before:gsub("&%a+;", ""):find "[&%z\1-\8\11-\31]", before)
      if closes == "/" then
        assert.are.equal(name, table.remove(open))
      else
        assert.are.equal(INSIDE[name], open[#open])
        local found = { element = name }
        for key, value in attributes:gmatch '([%w-]+)="([^"]*)"' do found[key] = unescaped(value) end
        for _, wanted in ipairs(REQUIRED[name] or {}) do assert(found[wanted], name .. " lacks " .. wanted) end
        list[#list + 1] = found
        if is_empty == "" then open[#open + 1] = name end
      end
    end
    assert.are.same({ "" }, open)
    return list
  end

  it("is well formed, with all that readers require, whatever the names and outputs are", function()
    spec("one", AWKWARD)
    local status, out = run("test", "--format", "junit")
    assert.are.equal(1, status)
    local by_name, suite = {}, nil
    for _, one in ipairs(elements(out)) do
      if one.element == "testcase" then by_name[one.name] = one end
      if one.element == "testsuite" then suite = one end
    end
    assert.are.same({ "4", "1", "1", "1", "rules.one_spec" },
      { suite.tests, suite.failures, suite.errors, suite.skipped, suite.package })
    assert.is_truthy(by_name['<a> & "b" # ]' .. ']> \\ it\'s'])
    assert.is_truthy(by_name["two\nlines"])
    says(out, "&lt;out&gt; &amp; \\u001b[31m \\u0000", "<skipped/>")
  end)
end)

describe("specs in a world", function()
  before_each(function()
    command.rules [[
      rule { name = "a", on = "correspondencepublished", when = { resource = "acme-letters" }, may = { "send:print" },
        run = function(event, letter)
          if event.subject == nil then
            return skip("nobody")
          end
          return send.http("print") { key = letter, path = "/jobs", json = { number = math.random(1000000) } }
        end }
    ]]
    spec("one", [[
      local function tell(world)
        local letter = world:letter { resource = "acme-letters" }
        world:push("correspondencepublished", letter)
        world:settle()
        return world:sent "print"
      end
      local function new() return test.world { rules = { "rules/one.lua" }, targets = { print = "up" } } end
      it("sends", function() print("drawn " .. tell(new())[1].json.number) end)
      it("counts workdays", function() assert.is_truthy(workdays(2)) end)
      it("survives", function() new():crash_points(function(world) assert.equal(1, #tell(world)) end) end)
      it("does not", function()
        local times = 0
        new():crash_points(function(world)
          times = times + 1
          assert.equal(times == 3 and 2 or 1, #tell(world))
        end)
      end)
    ]])
  end)

  it("have the seed of the run, and tell the boundary of a crash that breaks them", function()
    local first = results("--seed", "21")
    assert.are.equal("passed", first.sends.state)
    assert.are.equal("passed", first["counts workdays"].state)
    assert.are.equal("passed", first.survives.state)
    local message = first["does not"].message
    assert(message:find "^rules/one_spec.lua:13: with a crash .+ %(crash point 2 of %d+%): ", message)
    local function drawn(seed) return results("--filter", "sends", "--seed", seed).sends.output end
    assert.are.equal(first.sends.output, drawn "21")
    assert.are_not.equal(first.sends.output, drawn "22")
  end)

  it("are covered", function()
    local _, report = results("--coverage", "--filter", "sends")
    assert.are.same({ 4 }, report.coverage[1].missed)
  end)
end)
