-- The environment of rule files: what is told where it stands, and what
-- rules cannot reach.
local cjson = require "cjson.safe"
local head = require "altinn.events.event.head"
local language = require "altinn.events.rules.language"
local process = require "spec.support.process"
local rules = require "altinn.events.rules"
local things = require "altinn.events.rules.thing"

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

local function file(body, name)
  return ('rule { name = "%s", on = "*", run = function(event, letter, context)\n%s\nend }\n')
    :format(name or "one", body)
end

local function load_one(text)
  write { ["one.lua"] = text }
  return rules.load { folder .. "/one.lua" }
end

-- The first problem, without the folder.
local function problem(text)
  local set, problems = load_one(text)
  assert.is_nil(set)
  return (rules.describe_problem(problems[1]):gsub(folder:gsub("%p", "%%%0") .. "/", ""))
end

-- What a body raises, without the folder.
local function raised(body, ...)
  local set, problems = load_one(file(body))
  assert(set, problems and rules.describe_problem(problems[1]))
  local ok, message = pcall(set[1].run, ...)
  assert.is_false(ok)
  return (tostring(message):gsub(folder:gsub("%p", "%%%0") .. "/", ""))
end

local function body(text)
  local set, problems = load_one(file(text))
  assert(set, problems and rules.describe_problem(problems[1]))
  return set[1].run
end

local function letter(kind)
  return things.new(assert(language.new { name = "a", on = "*", run = print }), { id = "1", kind = kind or "letter" },
    function() end)
end

describe("a name that nothing defines", function()
  it("is told where it stands, when the file is loaded", function()
    for text, wanted in pairs {
      ["rule { name = welcome }"] = "'welcome' is not defined (is \"welcome\" meant, in quotes?)",
      ["rule { on = correspondencepurged }"] = "'correspondencepurged' is not defined"
        .. " (is \"correspondencepurged\" meant, in quotes?)",
      ["rule { on = { 'correspondencepublished', correspondencepurgd } }"] =
        "(is \"correspondencepurged\" meant, in quotes?)",
      ["rules { name = 'a' }"] = "'rules' is not defined (did you mean 'rule'?)",
      ["rule { name == 'a' }"] =
        "'name' is not defined: in rule { … } a part is written name = …, with one equals sign",
      ["rule { may = may_list }"] = "'may_list' is not defined",
      ["local x = send.kafka"] = "send has no 'kafka'",
      ["local x = events.prase"] = "events has no 'prase' (did you mean 'parse'?)",
    } do
      local message = problem("\n" .. text)
      assert.are.equal("one.lua:2: ", message:match("^one%.lua:%d+: "), message)
      assert.is_truthy(message:find(wanted, 1, true), message)
    end
  end)

  it("is told where it stands, when a body runs", function()
    assert.are.equal("one.lua:2: 'skp' is not defined (did you mean 'skip'?)", raised "return skp('x')")
    assert.are.equal("one.lua:3: 'leaked' is not declared: write local leaked = …, or local function leaked",
      raised "\nleaked = 1")
    assert.are.equal("one.lua:2: send has no 'post'", raised("return send.post('x')"):match("^[^(]*[^ (]"))
  end)

  it("may be asked for with rawget", function()
    assert.are.equal("nil", body("return skip(tostring(rawget(_G, 'nothing')))")().reason)
  end)

  it("raises also when it is assigned", function()
    assert.are.equal("one.lua:1: 'helper' is not declared: write local helper = …, or local function helper",
      problem("function helper() end\n" .. file ""))
  end)
end)

describe("a mistake in a call that ends a body", function()
  it("is told at the rule's own line, not at one of ours", function()
    for text, wanted in pairs {
      ["return skip()"] = "skip wants a reason",
      ["return fail(5)"] = "fail wants a reason",
      ["return retry_after '3 working days'"] = "retry_after: '3 working days' is no span of time",
      ["return send.http()"] = "send.http wants the name of a target",
      ["return send.http 'print' { jsn = 1 }"] = "unknown key 'jsn' (did you mean 'json'?)",
      ["return letter.details()"] = "write a colon, as in letter:details()",
      ["return letter.whatever"] = "there is no 'whatever'",
      ["return events.reveal()"] = "reveal wants a text",
      ["return require 'altinn.events.host.run'"] = "is the host's own",
      ["return string.rep()"] = "bad argument #1 to",
      ["return setmetatable({}, { __gc = print })"] = "a rule's metatable cannot have __gc",
    } do
      local message = raised("\n" .. text, {}, letter())
      assert.is_truthy(message:find("^one%.lua:[13]: "), message)
      assert.is_truthy(message:find(wanted, 1, true), message)
    end
  end)

  it("names the file also when its path is long", function()
    local path = folder .. "/" .. ("deep/"):rep(20) .. "one.lua"
    write { [("deep/"):rep(20) .. "one.lua"] = "\nlocal x = welcome" }
    local _, problems = rules.load { path }
    assert.are.equal(path, problems[1].file)
    assert.are.equal(2, problems[1].line)
  end)
end)

describe("what people write at first", function()
  it("is told in a sentence", function()
    assert.is_truthy(problem("\nrule { name = \226\128\156one\226\128\157, on = '*' }"):find(
      "^one%.lua:2: typographic quotation marks"))
    assert.is_truthy(problem("rule { 'x' }"):find("unknown key '1': each part of a rule has a name", 1, true))
    assert.is_truthy(problem("rule { name = 'a', on = '*', resourceFilter = 'x', run = print }"):find(
      "unknown key 'resourceFilter' (Altinn's word; here it is when.resource", 1, true))
    assert.is_truthy(problem("\n\nreturn rule { name = 'a b', on = '*', run = print }"):find("^one%.lua:3: "))
    assert.is_truthy(problem("rule { name = 'a', on = '*', when = {}, run = print }"):find("when holds no condition", 1,
      true))
  end)
end)

describe("rules cannot reach the host:", function()
  it("files' metatable", function()
    body [[
      local metatable = getmetatable(io.stdout)
      metatable.__index.write, metatable.__name = nil, nil
      getmetatable(io.stdout).__index = nil
    ]]()
    assert.is_function(io.stdout.write)
  end)

  it("metatables of events, verdicts, conditions and things", function()
    local taken = body [[
      local taken = {}
      for _, value in ipairs { letter, skip("x"), absent, send, log, events, _G } do
        taken[#taken + 1] = tostring(getmetatable(value))
      end
      getmetatable(event).__index = nil
      return skip(table.concat(taken, " "))
    ]]
    local event = require("altinn.events").parse '{"specversion":"1.0","id":"1","source":"/","type":"t"}'
    assert.are.equal("false false false false false false false", taken(event, letter()).reason)
    assert.are.equal("t", event.type)
    assert.is_table(getmetatable(head.absent))
  end)

  it("settings of cjson", function()
    body [[
      local cjson, safe = require "cjson", require "cjson.safe"
      assert(cjson.encode { 1 } == "[1]" and cjson.null == events.null)
      safe.encode_max_depth(1)
      cjson.decode_max_depth(1)
      assert(safe.encode { { {} } } == nil)
    ]]()
    assert.are.equal('[[[1]]]', cjson.encode { { { 1 } } })
    assert.are.same({ { { 1 } } }, cjson.decode "[[[1]]]")
  end)

  it("methods of texts: they cannot be half changed", function()
    assert.are.equal("one.lua:1: string.split cannot be set: methods of texts belong to all rules; write local function"
      .. " split(text) … end and call split(text)", problem("function string:split() end\n" .. file ""))
    assert.is_truthy(raised("string.format = print"):find("string.format cannot be set", 1, true))
    assert.is_truthy(raised("getmetatable('').__add = print"):find("belongs to all rules", 1, true))
    assert.are.equal("function", body [[
      for name, value in pairs(string) do if name == "upper" then return skip(type(value)) end end
    ]]().reason)
  end)

  it("random numbers and standard files", function()
    assert.is_truthy(raised("math.randomseed(1)"):find("math.randomseed concerns all rules", 1, true))
    assert.is_truthy(raised("io.output('/dev/null')"):find("io.output(file) concerns all rules", 1, true))
    assert.are.equal(io.stdout, io.output())
  end)

  it("the host's own variables", function()
    local getenv = os.getenv
    os.getenv = function(name) return "value of " .. name end -- luacheck: ignore
    finally(function() os.getenv = getenv end) -- luacheck: ignore
    assert.are.equal("nil value of HOME", body [[
      return skip(tostring(os.getenv "ALTINN_EVENTS_SECRET") .. " " .. os.getenv "HOME")
    ]]().reason)
  end)

  it("the conditions of other files", function()
    write { ["a.lua"] = 'absent.kind, present.kind = "present", "absent"\n' .. file("", "a") }
    assert(rules.load { folder .. "/a.lua" })
    assert.are.equal("absent", head.absent.kind)
    assert.are.equal("present", head.present.kind)
  end)

  it("the end of the process, by a module that is a program", function()
    write { ["installed/program.lua"] = "os.exit(7)" }
    local path = package.path
    package.path = folder .. "/installed/?.lua;" .. path
    finally(function() package.path = path end)
    assert.is_truthy(raised('require "program"'):find("it would end the host", 1, true))
    assert.is_truthy(raised('require "altinn-events"'):find("the module 'altinn-events' is the host's own", 1, true))
    assert.is_truthy(raised('require "altinn/events/core"'):find("is the host's own", 1, true))
    assert.is_nil(package.loaded.program)
  end)

  it("modules of the host", function()
    for _, name in ipairs { "altinn.events.rules.loading", "altinn.events.host", "debug", "package" } do
      local message = raised(("require '%s'"):format(name))
      assert.is_truthy(message:find("^one%.lua:2: the module '" .. name:gsub("%p", "%%%0")), message)
    end
  end)

  it("its own head, once the rule is loaded", function()
    local set = assert(load_one [[
      local powers = { "read:details" }
      rule { name = "one", on = "*", may = powers, run = function() powers[2] = "purge" end }
    ]])
    set[1].run()
    assert.are.same({ "read:details" }, set[1].may)
  end)
end)

describe("texts of rule files", function()
  local text = [[
    local words = require "words"
    rule { name = "one", on = "*", run = function()
      return skip(words.text .. require("lib.later").text .. tostring(pcall(require, "nothing.there")))
    end }
  ]]

  it("are read once, and hold what bodies require later", function()
    write { ["rules/one.lua"] = text, ["rules/lib/words.lua"] = "return { text = require('deeper').text }",
      ["rules/lib/deeper.lua"] = "return { text = 'words ' }", ["rules/lib/later.lua"] = "return { text = 'later ' }" }
    local set = assert(rules.load { folder .. "/rules" })
    assert.are.same({ folder .. "/rules/one.lua" }, set.files)
    local names = {}
    for path in pairs(set.sources) do names[#names + 1] = path:match("[^/]*$") end
    table.sort(names)
    assert.are.same({ "deeper.lua", "later.lua", "one.lua", "words.lua" }, names)

    process.remove(folder .. "/rules")
    local again = assert(rules.load(set.files, { sources = set.sources }))
    assert.are.equal("words later false", again[1].run().reason)
  end)

  it("are not found in the working folder", function()
    local name = ("ae_%d_%d"):format(os.time(), math.random(1e6))
    process.write(name .. ".lua", "return {}")
    finally(function() os.remove(name .. ".lua") end)
    assert(package.searchpath(name, "./?.lua"))
    assert.is_truthy(raised(("require '%s'"):format(name)):find("not found", 1, true))
    assert.is_truthy(package.path:find("./?.lua", 1, true))
  end)

  it("are all that is looked at when they are given", function()
    write { ["rules/one.lua"] = text }
    local set, problems = rules.load({ folder .. "/rules/one.lua" }, { sources = {} })
    assert.is_nil(set)
    assert.are.equal("No such file or directory", problems[1].message)
  end)
end)
