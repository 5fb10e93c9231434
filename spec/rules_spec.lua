-- Loading rule files: what is in scope, what is refused, how problems read.
local events = require "altinn.events"
local process = require "spec.support.process"
local rule = require "altinn.events.rule"
local rules = require "altinn.events.rules"

local folder
before_each(function() folder = process.folder() end)
after_each(function() process.remove(folder) end)

local function write(files)
  for name, text in pairs(files) do
    local path = folder .. "/" .. name
    assert(os.execute("mkdir -p " .. process.quote(path:match("^(.*)/"))))
    process.write(path, text)
  end
end

local function load_all(files, options)
  write(files)
  return rules.load({ folder }, options)
end

-- A rule whose body is this text.
local function file(name, body)
  return ('rule { name = "%s", on = "correspondencepublished", run = function(event, letter, context)\n%s\nend }\n')
    :format(name, body or "")
end

local function body(text, globals)
  local set, problems = load_all({ ["one.lua"] = file("one", text) }, globals and { globals = globals })
  assert(set, problems and rules.describe_problem(problems[1]))
  return set[1].run
end

local function problems_of(files)
  local set, problems = load_all(files)
  assert.is_nil(set)
  local lines = {}
  for index, problem in ipairs(problems) do
    lines[index] = rules.describe_problem(problem):gsub(folder:gsub("%p", "%%%0") .. "/", "")
  end
  return lines, problems
end

describe("rules.load", function()
  it("names a file that raises what is no text", function()
    for text, message in pairs { ["error()"] = "the file raises what is no text", ["error(7)"] = "7",
      ['error(setmetatable({}, { __tostring = function() error("x") end }))'] = "the file raises what is no text" } do
      assert.are.same({ "one.lua: " .. message }, (problems_of { ["one.lua"] = text }))
    end
  end)

  it("gives up a file that loops, and names it", function()
    write { ["one.lua"] = "while true do pcall(function() while true do end end) end", ["two.lua"] = file "two" }
    local set, problems = rules.load({ folder }, { seconds = 0 })
    assert.is_nil(set)
    assert.are.equal(1, #problems)
    assert.are.equal(folder .. "/one.lua", problems[1].file)
    assert.is_truthy(problems[1].message:find("loading takes more than 0 s", 1, true))
    assert.is_nil(debug.gethook())
  end)

  it("in LuaJIT too gives up a file that loops, and takes no bytecode", function()
    write { ["loops.lua"] = "while true do pcall(function() while true do end end) end",
      ["load.lua"] = [[
        local rules = require "altinn.events.rules"
        local set, problems = rules.load({ arg[1] }, { seconds = 0 })
        assert(not set and #problems == 1)
        io.write(rules.describe_problem(problems[1]), "\n")]],
      ["dump.lua"] = [[io.open(arg[1], "wb"):write(string.dump(loadstring "rule { name = 'a', on = '*' }"))]] }
    local function luajit(words)
      local pipe = io.popen(('top=$PWD; cd %s && LUA_PATH="$top/lua/?.lua;$top/lua/?/init.lua;;"'
        .. ' LUA_CPATH="$top/build/luajit/?.so;;" timeout 30 luajit %s 2>&1'):format(folder, words))
      local said = pipe:read "*a"
      pipe:close()
      return said
    end
    assert.are.equal("loops.lua: loading takes more than 0 s\n", luajit "load.lua loops.lua")
    luajit "dump.lua code.lua"
    assert.are.equal("code.lua: this is a binary chunk, not a text\n", luajit "load.lua code.lua")
  end)

  it("loads files and folders, in the order of files and lines", function()
    write {
      ["rules/b.lua"] = file "third", ["rules/a.lua"] = file "first" .. "\n" .. file "second",
      ["rules/a_spec.lua"] = "error 'a spec is no rule file'", ["rules/.hidden.lua"] = "error 'hidden'",
      ["rules/notes.txt"] = "no Lua", ["single.lua"] = file "zero",
    }
    local set = assert(rules.load { folder .. "/single.lua", folder .. "/rules/" })
    local names = {}
    for index, one in ipairs(set) do names[index] = one.name end
    assert.are.same({ "zero", "first", "second", "third" }, names)
    assert.are.equal(folder .. "/rules/a.lua", set[3].file)
    assert.are.equal(5, set[3].line)
  end)

  it("copes with blanks and quotes in names of folders", function()
    write { ["it's mine; $(x)/one.lua"] = file "one" }
    assert.are.equal("one", assert(rules.load { folder .. "/it's mine; $(x)" })[1].name)
  end)

  it("tells of files and folders that are not there or hold nothing", function()
    local set, problems = rules.load { folder .. "/none.lua", folder }
    assert.is_nil(set)
    assert.are.equal(folder .. "/none.lua", problems[1].file)
    assert.are.equal("No such file or directory", problems[1].message)
    assert.are.equal("the folder holds no rule file (*.lua)", problems[2].message)
    assert.are.same({ "empty.lua: the file holds no rule; a module that rules require belongs into the folder lib" },
      problems_of { ["empty.lua"] = "local x = 1" })
    assert.are.same({ "empty.lua: the file returns a table, and holds no rule: write rule { … }, without return" },
      problems_of { ["empty.lua"] = "return { on = '*' }" })
  end)

  it("tells of what is no file that can be read, and reads the others", function()
    write { ["rules/a.lua"] = file "a", ["rules/shut.lua"] = file "shut", ["rules/z.lua"] = "x = = 1" }
    assert(os.execute(("cd %s && ln -s /nowhere b.lua && mkdir c.lua && mkfifo d.lua && ln -s e.lua e.lua"
      .. " && ln -s /dev/zero f.lua && chmod 0 shut.lua"):format(process.quote(folder .. "/rules"))))
    local shut = io.open(folder .. "/rules/shut.lua") == nil and "Permission denied" or nil  -- root reads it
    local set, problems = rules.load { folder .. "/rules" }
    local told = {}
    assert.is_nil(set)
    for _, problem in ipairs(problems) do told[problem.file:match("[^/]+$")] = problem.message end
    assert.are.same({ ["b.lua"] = "No such file or directory: what this link points to",
      ["c.lua"] = "this is a folder, not a file with rules",
      ["d.lua"] = "this is no regular file (a pipe, a socket or a device), and is not read",
      ["e.lua"] = "Too many levels of symbolic links: what this link points to",
      ["f.lua"] = "this is no regular file (a pipe, a socket or a device), and is not read",
      ["shut.lua"] = shut, ["z.lua"] = told["z.lua"] or "a syntax error" }, told)
    problems = select(2, rules.load { folder .. "/rules/d.lua" })
    assert.is_truthy(problems[1].message:find("no regular file", 1, true))
  end)

  it("raises on an option that it does not know", function()
    local ok, message = pcall(rules.load, { folder }, { global = {} })
    assert.is_false(ok)
    assert.is_truthy(message:find("unknown option 'global' (did you mean 'globals'?)", 1, true))
  end)
end)

describe("a problem in a rule file", function()
  it("has file and line: an unknown key", function()
    local lines = problems_of { ["one.lua"] =
      '\nrule { name = "one", on = "correspondencepublished", odrer = "letter", run = function() end }' }
    assert.are.same({ "one.lua:2: rule 'one': unknown key 'odrer' (did you mean 'order'?)" }, lines)
  end)

  it("has file and line: a misspelt type", function()
    local lines = problems_of { ["one.lua"] = 'rule { name = "one", on = "correspondencepublihsed", run = print }' }
    assert.are.same({ "one.lua:1: rule 'one': on: 'correspondencepublihsed' is no event type that Altinn raises"
      .. " (did you mean 'correspondencepublished'?); 'altinn-events types' lists them" }, lines)
  end)

  it("has file and line: a syntax error", function()
    local lines, problems = problems_of { ["one.lua"] = "rule {\n  name = 'one'\n  on = 'x' }" }
    assert.is_truthy(lines[1]:find("^one%.lua:3: .*'}' expected.* near 'on': is a comma missing before it%?$"),
      lines[1])
    assert.are.equal(3, problems[1].line)
    assert.are.equal(folder .. "/one.lua", problems[1].file)
  end)

  it("has file and line: the unequal of other languages", function()
    local lines = problems_of { ["one.lua"] = "rule {\n  name = 1 != 2 }" }
    assert.is_truthy(lines[1]:find("^one%.lua:2: .*: unequal is written ~=$"), lines[1])
    lines = problems_of { ["one.lua"] = "rule {\n  name = 'one'" }
    assert.is_nil(lines[1]:find("comma", 1, true))
  end)

  it("has file and line: an error while it is loaded", function()
    local lines = problems_of { ["one.lua"] = "\nlocal x = ({}).there.there" }
    assert.is_truthy(lines[1]:find("^one%.lua:2: attempt to index a nil value"), lines[1])
    lines = problems_of { ["one.lua"] = "error('no position', 0)" }
    assert.are.same({ "one.lua: no position" }, lines)
    lines = problems_of { ["one.lua"] = "error {}" }
    assert.are.same({ "one.lua: an error that is a table: { … }" }, lines)
  end)

  it("has a line also when the file returns its rule", function()
    local lines = problems_of { ["one.lua"] = 'return rule { name = "one", on = "x y", run = 5 }' }
    assert.is_truthy(lines[1]:find("^one%.lua:1: "), lines[1])
    process.remove(folder .. "/one.lua")
    local set = assert(load_all { ["one.lua"] = 'return rule { name = "one", on = "x.y", run = print }' })
    assert.is_true(set[1].line >= 1)
  end)

  it("a word of the head used wrongly points into the file", function()
    local lines = problems_of { ["one.lua"] =
      '\nrule { name = "one", when = { subject = prefix "" }, run = function() end }' }
    assert.are.same({ "one.lua:2: prefix wants a text that is not empty" }, lines)
  end)

  it("has the line of a body under any name, also after a tail call", function()
    local set = assert(load_all { ["one.lua"] = 'rule { name = "one", on = "*", run = function() end,\n'
      .. "  paper = function()\n    return skip()\n  end }\n" })
    local ok, message = pcall(set[1].bodies.paper)
    assert.is_false(ok)
    assert.are.equal(folder .. "/one.lua:2: skip wants a reason", message)
  end)

  it("does not hide the problems of other files", function()
    local lines = problems_of {
      ["a.lua"] = "rule {", ["b.lua"] = "rule { on = 'x.y', run = print }",
      ["c.lua"] = file "fine", ["d.lua"] = "rule 'x'",
    }
    assert.are.equal(3, #lines)
    assert.is_truthy(lines[1]:find("^a%.lua:1: "))
    assert.are.equal("b.lua:1: 'name' is missing", lines[2])
    assert.is_truthy(lines[3]:find("^d%.lua:1: rule wants a table"))
  end)

  it("a name is taken once, over all files", function()
    local lines = problems_of { ["a.lua"] = "\n" .. file "twice", ["b.lua"] = file "other" .. file "twice" }
    assert.are.equal(1, #lines)
    assert.are.equal(("b.lua:4: rule 'twice': the name 'twice' is taken by %s/a.lua:2"):format(folder):gsub(
      folder:gsub("%p", "%%%0") .. "/", ""), lines[1])
  end)

  it("a file of bytecode is refused", function()
    local lines = problems_of { ["one.lua"] = string.dump(load(file "one")) }
    assert.is_truthy(lines[1]:find("binary", 1, true), lines[1])
    lines = problems_of { ["one.lua"] = "require 'lib.code'\n" .. file "one",
      ["lib/code.lua"] = string.dump(load "return {}") }
    assert.is_truthy(lines[1]:find("^one%.lua:1: .*binary"), lines[1])
  end)
end)

describe("in a rule file's scope", function()
  it("are the words of the language", function()
    local run = body [[
      local kinds = {}
      for _, word in ipairs { "rule", "skip", "retry_after", "fail", "prefix", "no", "require", "load", "print" } do
        kinds[#kinds + 1] = type(_G[word])
      end
      assert(type(send.http) == "function" and type(log) == "table" and absent and present)
      assert(events.parse and events.types.correspondencepublished)
      log("one") log.info("two") log.warning("three") log.warn("too") log.error("four") log.debug("five")
      return skip(table.concat(kinds, " "))
    ]]
    assert.are.equal(("function "):rep(8) .. "function", rule.verdict(run()).reason)
  end)

  it("is the standard library", function()
    local run = body [[
      assert(string.format("%d", 5) == "5" and ("x"):rep(2) == "xx" and math.floor(1.5) == 1 and utf8.char(229) == "å")
      assert(select("#", table.unpack { 1, 2 }) == 2 and os.time() > 0 and os.date("!%Y", 0) == "1970")
      assert(os.getenv("HOME") ~= "" and coroutine.wrap(function() coroutine.yield(3) end)() == 3)
      assert(pcall(error, "x") == false and tonumber("5") == 5 and rawequal(_G, _ENV))
      return skip(_VERSION)
    ]]
    assert.are.equal("Lua 5.4", rule.verdict(run()).reason)
  end)

  it("is not what could break the host", function()
    for _, word in ipairs { "debug", "package", "dofile", "loadfile" } do
      local set, problems = load_all { ["one.lua"] = "\nlocal x = " .. word }
      assert.is_nil(set)
      assert.are.equal(("'%s' is not for rules"):format(word), problems[1].message)
      assert.are.equal(2, problems[1].line)
    end
    assert.are.equal("nil", rule.verdict(body "return skip(tostring(os.setlocale))"()).reason)
    local run = body "os.exit(3)"
    local ok, message = pcall(run)
    assert.is_false(ok)
    assert.is_truthy(message:find("os.exit is not for rules", 1, true))
  end)

  it("is nothing that belongs to other files too", function()
    local run = body [[
      assert(not pcall(function() getmetatable("").__index = nil end))
      assert(not pcall(function() require("string").format = nil end))
      require("table").concat = nil
      require("_G").pairs = nil
      require("altinn.events").parse = nil
      local ok = pcall(function() getmetatable(events).__index.parse = nil end)
      return skip(tostring(ok) .. tostring(rawget(_G, "pairs")) .. type(string.format) .. type(events.on))
    ]]
    assert.are.equal("falsenilfunctionfunction", rule.verdict(run()).reason)
    assert.are.equal("1 2", ("%d %d"):format(1, 2))
    assert.is_truthy(pairs and string.format and table.concat and events.parse)
    for text, reason in pairs {
      ['require "debug"'] = "the module 'debug' is not for rules",
      ["setmetatable({}, { __gc = print })"] = "a rule's metatable cannot have __gc",
      ['collectgarbage "stop"'] = 'collectgarbage("stop") is not for rules',
    } do
      local ok, message = pcall(body(text))
      assert.is_false(ok)
      assert.is_truthy(message:find("one.lua:2: " .. reason, 1, true), message)
    end
    assert.are.equal("number", type(body("return collectgarbage 'count'")()))
  end)

  it("are absent and present, also as conditions of a head", function()
    local set = assert(load_all { ["one.lua"] = 'rule { name = "one", on = "*", when = { subject = absent,'
      .. " resource = present }, run = print }" })
    assert.are.same({ { "resource", "present" }, { "subject", "absent" } }, {
      { set[1].conditions[1].attribute, set[1].conditions[1].test },
      { set[1].conditions[2].attribute, set[1].conditions[2].test } })
  end)

  it("are globals that the host adds", function()
    local said = {}
    local run = body("log(answer) return skip 'x'", { answer = 42, log = function(x) said[#said + 1] = x end })
    run()
    assert.are.same({ 42 }, said)
  end)

  it("are the event, the thing and the context as they are given", function()
    local run = body "return skip(event.id .. letter.id .. context.attempt)"
    assert.are.equal("ab1", run({ id = "a" }, { id = "b" }, { attempt = 1 }).reason)
  end)

  it("load sees the rule's globals and takes no bytecode", function()
    local run = body [[
      rawset(_G, "shared", 5)
      assert(load("return shared")() == 5)
      assert(load("return x", "name", "t", { x = 7 })() == 7)
      local chunk, message = load("\27Lua", "name", "b")
      assert(chunk == nil and message:find("binary"))
      return skip("fine")
    ]]
    assert.are.equal("fine", run().reason)
  end)
end)

describe("rule files are apart:", function()
  it("a global of one is not seen by another, nor by the host", function()
    local set = assert(load_all {
      ["a.lua"] = "rawset(_G, 'leaked', 1)\ntable.leaked = 2\n"
        .. file("a", "rawset(_G, 'leaked_later', 3) return skip(tostring(leaked))"),
      ["b.lua"] = file("b", "return skip(tostring(rawget(_G, 'leaked')) .. tostring(rawget(_G, 'leaked_later'))"
        .. " .. tostring(table.leaked))"),
    })
    assert.are.equal("1", set[1].run().reason)
    assert.are.equal("nilnilnil", set[2].run().reason)
    assert.is_nil(rawget(_G, "leaked"))
    assert.is_nil(rawget(_G, "leaked_later"))
    assert.is_nil(rawget(table, "leaked"))
    assert.is_nil(rawget(_G, "rule"))
    assert.is_nil(rawget(_G, "skip"))
  end)

  it("changes to a library stay in the file", function()
    local set = assert(load_all {
      ["a.lua"] = "table.concat = function() return 'mine' end\n" .. file("a", "return skip(table.concat {})"),
      ["b.lua"] = file("b", "return skip(table.concat { 'right' })"),
    })
    assert.are.equal("mine", set[1].run().reason)
    assert.are.equal("right", set[2].run().reason)
    assert.are.equal("", table.concat {})
  end)
end)

describe("require in a rule file", function()
  it("finds modules beside the rules, in folders too, and loads them once", function()
    local set = assert(load_all {
      ["a.lua"] = 'local m = require "lib.words"\nassert(m == require "lib.words")\n' ..
        file("a", "return skip(require('lib.words').text .. require('other').text)"),
      ["lib/words.lua"] =
        "rawset(_G, 'count', (rawget(_G, 'count') or 0) + 1)\nreturn { text = 'word' .. count }",
      ["b.lua"] = file("b", "return skip(tostring(rawget(_G, 'count')))"),
      ["other/init.lua"] = "return { text = skip 'x'.reason }",
    })
    assert.are.equal("word1x", set[1].run().reason)
    assert.are.equal("nil", set[2].run().reason)
    assert.is_nil(package.loaded["lib.words"])
  end)

  it("keeps the texts of the modules that bodies require later, and of those that these require", function()
    local set = assert(load_all {
      ["a.lua"] = file("a", "return skip(require('first')())"),
      ["lib/first.lua"] = "return function() return require('second') end", ["lib/second.lua"] = "return 'read'",
    })
    assert.are.equal("return 'read'", set.sources[folder .. "/lib/second.lua"])
    process.write(folder .. "/lib/second.lua", "return 'changed'")
    assert.are.equal("read", set[1].run().reason)
  end)

  it("finds what is installed", function()
    local run = body "return skip(require('cjson').encode { 1 })"
    assert.are.equal("[1]", run().reason)
    run = body "return skip(tostring(require('altinn.events').parse == events.parse))"
    assert.are.equal("true", run().reason)
  end)

  it("gives true for a module that returns nothing", function()
    local set = assert(load_all { ["a.lua"] = file("a", "return skip(tostring(require 'lib.quiet'))"),
      ["lib/quiet.lua"] = "local x = 1" })
    assert.are.equal("true", set[1].run().reason)
  end)

  it("tells the place of a mistake in a module", function()
    local set, problems = load_all { ["a.lua"] = 'require "lib.bad"\n' .. file "a", ["lib/bad.lua"] = "\n\nx = = 1" }
    assert.is_nil(set)
    assert.is_truthy(rules.describe_problem(problems[1]):find("lib/bad.lua:3:", 1, true))
    set, problems = load_all { ["a.lua"] = '\nrequire "lib.none"\n' .. file "a" }
    assert.is_nil(set)
    assert.is_truthy(problems[1].message:find("lib.none", 1, true))
    assert.are.equal(folder .. "/a.lua", problems[1].file)
    assert.are.equal(2, problems[1].line)
  end)

  it("is told in a line when it cannot be read, or is misspelt", function()
    write { ["lib/words.lua"] = "return 1" }
    assert.are.same({ ("a.lua:1: module 'wrods' not found: neither lib/wrods.lua, nor an installed one"
      .. " (did you mean 'words'?)") }, (problems_of { ["a.lua"] = "require 'wrods' " .. file "a" }))
    assert(os.execute("ln -s /nowhere " .. process.quote(folder .. "/lib/lost.lua")))
    assert(os.execute("mkfifo " .. process.quote(folder .. "/lib/pipe.lua")))
    assert.are.same({ "a.lua:1: lib/lost.lua: No such file or directory: what this link points to" },
      (problems_of { ["a.lua"] = "require 'lost' " .. file "a" }))
    assert.are.same({ "a.lua: lib/pipe.lua: this is no regular file (a pipe, a socket or a device), and is not read" },
      (problems_of { ["a.lua"] = file("a", "return done(require('pipe'))") }))
  end)
end)

describe("a rule file does nothing on load:", function()
  for _, word in ipairs { "io.open('x', 'w')", "io.popen('true')", "io.lines('x')", "io.write('x')", "io.read()",
    "io.input('x')", "io.output('x')", "io.tmpfile()", "os.execute('true')", "os.remove('x')", "os.rename('x', 'y')",
    "os.tmpname()" } do
    it(word .. " is refused", function()
      local lines = problems_of { ["one.lua"] = "\n" .. word .. "\n" .. file "one" }
      local name = word:match("^[%w%.]+")
      assert.are.same({ ("one.lua:2: %s: a rule file does no I/O when loaded"):format(name) }, lines)
    end)
  end

  it("they work when the rule runs", function()
    local run = body("local f = assert(io.open(letter, 'w')) f:write('written') f:close() return skip 'x'")
    run(nil, folder .. "/out.txt")
    assert.are.equal("written", process.read(folder .. "/out.txt"))
    assert.is_true(body("return os.remove(letter)")(nil, folder .. "/out.txt"))
  end)

  it("rule{} inside a run is an error", function()
    local run = body("rule { name = 'late', on = '*', run = print }")
    local ok, message = pcall(run)
    assert.is_false(ok)
    assert.is_truthy(message:find("one.lua:2: rule { … } stands at the top of a file", 1, true), message)
  end)

  it("events.on in a rule file is an error: nobody would call it", function()
    local set, problems = load_all { ["a.lua"] = 'events.on("*", print)' }
    assert.is_nil(set)
    assert.is_truthy(problems[1].message:find("rule { name", 1, true), problems[1].message)
    assert.are.equal(1, problems[1].line)
  end)
end)

describe("rules.heads", function()
  it("are what the matcher needs, without rules that are switched off", function()
    local set = assert(load_all { ["a.lua"] = file "on" .. [[
      rule { name = "off", on = "*", enabled = false, run = print }
      rule { name = "keyed", on = "*", order = "subject", when = { resource = "acme" }, run = print }
      rule { name = "free", on = "*", order = false, run = print }
    ]] })
    assert.are.equal(4, #set)
    local heads = rules.heads(set)
    assert.are.equal(3, #heads)
    assert.are.equal("on", heads[1].rule)
    assert.are.equal("letter", heads[1].order)
    assert.are.same({ rule = "keyed", order = "subject", conditions = { { attribute = "resource", test = "is",
      alternatives = { { "urn:altinn:resource:acme", prefix = false } } } } }, heads[2])
    assert.is_false(heads[3].order)
    assert.are.same({}, heads[3].conditions)
  end)

  it("come to the same verdict as the rule's own words", function()
    local set = assert(load_all { ["a.lua"] = [[
      rule { name = "one", on = "correspondence*", when = { subject = no(prefix "/person/") }, run = print }
    ]] })
    local matcher = events.matcher()
    matcher:add("one", { on = set[1].on, when = set[1].when })
    local event = { specversion = "1.0", id = "1", source = "/", type = events.types.correspondencepurged.type }
    assert.are.same({ "one" }, matcher:match(event))
    event.subject = "/person/1"
    assert.are.same({}, matcher:match(event))
  end)
end)

describe("the version of a rule", function()
  local core = require "altinn.events.core"

  local FILES = {
    ["one.lua"] = 'local words = require "words"\n' .. file("a", "return done(words.text)") .. file("b"),
    ["two.lua"] = file("c"), ["lib/words.lua"] = "local more = require 'more'\nreturn { text = more }",
    ["lib/more.lua"] = "return 'x'", ["lib/other.lua"] = "return 1",
  }

  -- The versions by rule of these files, some of them changed.
  local function versions_of(changes, options)
    local files = {}
    for name, text in pairs(FILES) do files[name] = changes and changes[name] or text end
    local set = assert(load_all(files, options or { digest = core.sha256 }))
    local versions = {}
    for _, one in ipairs(set) do versions[one.name] = one.version end
    return versions, set
  end

  it("is twelve digits of a digest over its file and what that requires", function()
    local before = versions_of()
    for _, name in ipairs { "a", "b", "c" } do assert.is_truthy(before[name]:find("^" .. ("%x"):rep(12) .. "$")) end
    assert.are.equal(before.a, before.b)
    assert.are_not.equal(before.a, before.c)
    assert.are.same(before, versions_of())
    for _, name in ipairs { "one.lua", "lib/words.lua", "lib/more.lua" } do
      local after = versions_of { [name] = FILES[name] .. " " }
      assert.are_not.equal(before.a, after.a, name)
      assert.are.equal(before.c, after.c, name)
    end
    assert.are.same(before, versions_of { ["lib/other.lua"] = "return 2" })
    assert.are_not.equal(before.c, versions_of { ["two.lua"] = file("c", "") .. "-- \255" }.c)
  end)

  it("holds the modules that the file requires while it is loaded, however it names them", function()
    local text = 'local name = "ot" .. "her" local other = require(name)\n' .. file("a", "return done(other)")
      .. file "b"
    local before = versions_of { ["one.lua"] = text }
    assert.are_not.equal(before.a, versions_of { ["one.lua"] = text, ["lib/other.lua"] = "return 2" }.a)
    assert.are.same(before, versions_of { ["one.lua"] = text, ["lib/more.lua"] = "return 'y'" })
  end)

  it("is the same in any folder, and when the texts come from elsewhere", function()
    local before, set = versions_of()
    local sources = {}
    for path, text in pairs(set.sources) do sources["/elsewhere" .. path:sub(#folder + 1)] = text end
    local again = assert(rules.load({ "/elsewhere/one.lua", "/elsewhere/two.lua" },
      { sources = sources, digest = core.sha256 }))
    assert.are.same({ before.a, before.b, before.c }, { again[1].version, again[2].version, again[3].version })
  end)

  it("comes with the texts, by names that do not depend on the folder", function()
    local cjson = require "cjson"
    local before, set = versions_of()
    assert.are.equal(3, #set.versions)
    for index, name in ipairs { "a", "b", "c" } do
      local one = set.versions[index]
      assert.are.same({ name, before[name], folder .. (name == "c" and "/two.lua" or "/one.lua") },
        { one.rule, one.version, one.file })
    end
    assert.are.same({ ["one.lua"] = FILES["one.lua"], ["lib/words.lua"] = FILES["lib/words.lua"],
      ["lib/more.lua"] = FILES["lib/more.lua"] }, cjson.decode(set.versions[1].text))
    assert.are.same({ ["two.lua"] = FILES["two.lua"] }, cjson.decode(set.versions[3].text))
    local _, odd = versions_of { ["two.lua"] = file("c") .. "-- bl\229" }
    assert.are.equal(file("c") .. "-- bl\239\191\189", cjson.decode(odd.versions[3].text)["two.lua"])
  end)

  it("may be given, and is nil without a digest", function()
    assert.are.same({ a = "0123456789ab", c = "1" }, (versions_of(nil, { versions = { a = "0123456789ab", c = "1" } })))
    local versions, set = versions_of(nil, {})
    assert.are.same({ {}, {} }, { versions, set.versions })
  end)
end)
