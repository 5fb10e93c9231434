-- check means run: what one refuses, check, doctor, run and a reload refuse,
-- with file and line, by one judgement.
local cjson = require "cjson"
local command = require "spec.support.command"
local findings = require "altinn.events.rules.findings"
local host = require "spec.support.host"
local prepare = require "altinn.events.host.prepare"
local process = require "spec.support.process"
local syntax = require "altinn.events.rules.syntax"

local says = command.says
local folder

before_each(function() folder = command.begin() end)
after_each(command.finish)

-- What is found of a file: lines without the folder, each with its severity.
local function found(text, targets)
  assert(os.execute("mkdir -p " .. process.quote(folder .. "/rules")))
  command.write("rules/one.lua", text)
  local _, list = prepare.rules { rules = { folder .. "/rules" }, targets = targets or { print = {} } }
  local lines = {}
  for index, one in ipairs(list) do
    lines[index] = ("%s %s"):format(one.severity,
      (findings.text(one):gsub(folder:gsub("%p", "%%%0") .. "/rules/", "")))
  end
  return table.concat(lines, "\n"), list
end

local function rule(parts, body)
  return ('rule {\n  name = "a", on = "correspondencepublished",%s\n  run = function(event, letter, context)\n%s\n'
    .. "  end,\n}\n"):format(parts or "", body or "")
end

describe("what a rule names", function()
  it("is looked for in the configuration: targets in may and in bodies", function()
    says(found(rule(' may = { "send:prnt" },')), "error one.lua:1: rule 'a': may: there is no target 'prnt' in the"
      .. " configuration (did you mean 'print'?)")
    says(found(rule("", '    return send.http("prnt") { json = {} }')), "error one.lua:4: rule 'a': send.http: there is"
      .. " no target 'prnt' in the configuration (did you mean 'print'?)")
    assert.are.equal("", (found(rule("", '    return send.http("print") { json = {} }'))))
    assert.are.equal("", (found(rule("", '    local send = { http = print }\n    send.http("x") return done()'))))
  end)

  it("is in its may", function()
    says(found(rule("", "    letter:download('x', 'y')")),
      'error one.lua:4: rule \'a\': letter:download() needs "download" in may: write may = { …, "download" }')
    says(found(rule(' may = { "read:details" },', '    return send.http("print") {}')),
      'error one.lua:4: rule \'a\': send.http("print") needs "send:print" in may: add "send:print" to may')
    assert.are.equal("", (found(rule(' may = { "purge" },', "    letter:purge()"))))
    assert.are.equal("", (found(rule("", "    letter:details() letter:overview()"))))
  end)

  it("is found through functions of the file, whatever the letter is called there", function()
    local text = "local function away(letter) letter:purge() end\n" .. rule("", "    away(letter)")
    says(found(text), "error one.lua:1: rule 'a': letter:purge() needs \"purge\"")
    text = 'local function work(event, l) l:confirm() end\nrule { name = "a", on = "*", run = work }'
    says(found(text), "error one.lua:1: rule 'a': letter:confirm() needs \"confirm\"")
    text = "local function work(event, list) list:confirm() end\n" .. rule("", "    work(event, {})")
    assert.are.equal("", (found(text)))
  end)

  it("is defined", function()
    says(found(rule("", "    return skp('x')")), "error one.lua:4: 'skp' is not defined (did you mean 'skip'?)")
    says(found(rule("", "    count = 1")), "error one.lua:4: 'count' is not declared: write local count = …")
    says(found(rule("", "    local x = string.fromat('x')")), "error one.lua:4: string has no 'fromat' (did you mean")
    says(found(rule("", "    return send.kafka('x') {}")), "error one.lua:4: send has no 'kafka'")
    says(found(rule("", "    local x = events.prase('')")), "error one.lua:4: events has no 'prase'")
    assert.are.equal("", (found(rule("", "    if rawget(_G, 'count') then return done(count) end return done()"))))
    for _, text in ipairs { "local unpack = table.unpack or unpack", "do local _ENV = { x = 1 } x = 2 end",
      "local a <const>, b <close> = 1 // 1, nil", "goto done ::done::", "local function f(...) return f, ... end" } do
      assert.are.equal("", (found(text .. "\n" .. rule("", "    return done()"))), text)
    end
    local _, list = found(rule("", "    return skp('x')"))
    assert.are.equal(12, list[1].column)
    assert.are.equal("undefined", list[1].code)
  end)

  it("is defined in its modules too", function()
    assert(os.execute("mkdir -p " .. process.quote(folder .. "/rules/lib")))
    command.write("rules/lib/words.lua", "local M = {}\nfunction M.say() return tostrng(1) end\nreturn M")
    says(found('local words = require "words"\n' .. rule("", "    return done(words.say())")),
      "error lib/words.lua:2: 'tostrng' is not defined (did you mean 'tostring'?)")
  end)

  it("is a method of the letter, called with a colon", function()
    says(found(rule("", "    local d = letter.details()")),
      "error one.lua:4: rule 'a': details is a method: write letter:details(…), with a colon")
    says(found(rule("", "    return done(letter.correspondenceId)")),
      "error one.lua:4: rule 'a': the letter has no 'correspondenceId'")
  end)
end)

describe("what a body makes", function()
  it("is returned", function()
    says(found(rule("", '    send.http("print") { json = {} }')),
      "error one.lua:4: rule 'a': send.http(…) { … } is made and not returned, and would have no effect: write return")
    says(found(rule("", '    if event.id == "1" then skip("one") end\n    return done()')),
      "error one.lua:4: rule 'a': skip(…) is made and not returned")
  end)

  it("comes on every path, or on none", function()
    says(found(rule("", '    if event.id == "1" then return skip("one") end')),
      "warning one.lua:1: warning: rule 'a': one path through a body returns a verdict, another returns nothing")
    for _, text in ipairs { "", "    log('x')", '    if event.id then return skip("a") else return skip("b") end',
      '    if event.id then return skip("a") end error("no")', '    do return done() end' } do
      assert.are.equal("", (found(rule("", text))))
    end
  end)
end)

describe("a head", function()
  it("can come true", function()
    says(found('rule { name = "a", on = "*", when = { resource = "a", sender = "974760673", recipient = "991825827" },'
      .. ' run = print }'), "error one.lua:1: rule 'a': can never run: its conditions on 'subject' exclude each other")
    says(found('rule { name = "a", on = "*", when = { reciever = "974760673" }, run = print }'),
      "error one.lua:1: rule 'a': when.reciever: no event of Altinn carries such an attribute")
    says(found('rule { name = "a", on = "*", order = "leter", run = print }'),
      "error one.lua:1: rule 'a': order: no event of Altinn carries 'leter' (did you mean 'letter'?)")
  end)

  it("names types that come: a warning", function()
    says(found('rule { name = "a", on = "correspondencearchived", run = print }'),
      "warning one.lua:1: warning: rule 'a': on: 'no.altinn.correspondence.correspondencearchived'")
    assert.are.equal("", (found('rule { name = "a", on = "com.example.made", order = "lot", run = print }')))
  end)

  it("names organisations whose last digit fits: a hint", function()
    says(found('rule { name = "a", on = "*", when = { recipient = "987654321" }, run = print }'),
      "hint one.lua:1: hint: rule 'a': '987654321' is no organisation number")
    says(found('rule { name = "a", on = "*", when = { recipient = "900000090" }, run = print }'),  -- no digit fits
      "hint one.lua:1: hint: rule 'a': '900000090' is no organisation number")
    assert.are.equal("", (found('rule { name = "a", on = "*", when = { recipient = "974760673" }, run = print }')))
  end)
end)

describe("what is found", function()
  it("stands in the order of files and lines", function()
    local text = rule(' may = { "send:print" },', '    letter:purge() return send.http("print") {}')
      .. '\nrule { name = "b", on = "correspondencearchived", run = function() return skip() .. nobody end }'
    local _, list = found(text)
    local lines = {}
    for index, one in ipairs(list) do lines[index] = one.line end
    assert.are.same({ 4, 8, 8 }, lines)
  end)

  it("shows no identity number", function()
    local text = found(rule("", '    return send.http("01020312345") {}'))
    says(text, "there is no target '***********'")
    assert.is_nil(text:find("01020312345", 1, true))
  end)
end)

describe("check", function()
  local BROKEN = rule("", '    return send.http("prnt") {}')

  it("refuses what run, doctor and a reload refuse, in the same words", function()
    local sentence = "one.lua:4: rule 'a': send.http: there is no target 'prnt' in the configuration"
    command.rules(BROKEN)
    command.write("altinn-events.lua", [[return { listen = "127.0.0.1:0", admin = "127.0.0.1:0",
      targets = { print = { url = "http://127.0.0.1:1" } } }]])
    local status, out, err = command.run "check"
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "rules/" .. sentence)
    local _
    status, _, err = command.run("run", "--once")
    assert.are.equal(1, status)
    says(err:gsub("\\", ""), "rules/" .. sentence)
    status, out = command.run "doctor"
    assert.are.equal(1, status)
    says(out, "rules/" .. sentence)

    local one = host.start { rules = { one = rule() } }
    finally(function() one:close() end)
    one:rewrite { one = BROKEN }
    one:signal "HUP"
    assert(one:wait_log "the old ones stay in force")
    says(one:log():gsub("\\", ""), sentence)
  end)

  it("--json has findings, each with its severity; --strict fails with a warning", function()
    command.rules(rule("", '    if event.id == "1" then return skip("one") end'))
    local status, out, err = command.run("check", "--format", "json")
    assert.are.equal(0, status, err)
    local made = cjson.decode(out)
    assert.are.equal(1, #made.findings)
    local finding = made.findings[1]
    assert.are.same({ "path", "warning", "rules/one.lua", 1, "a" },
      { finding.code, finding.severity, finding.file, finding.line, finding.rule })
    assert.is_string(finding.message)
    assert.is_string(finding.remedy)
    assert.are.equal(0, (command.run "check"))
    assert.are.equal(1, (command.run("check", "--strict")))
    command.write("altinn-events.lua", "return {\n  ruels = 1 }")
    status, out = command.run("check", "--json")
    assert.are.equal(2, status)
    made = cjson.decode(out)
    assert.is_false(made.ok)
    assert.are.equal("configuration", made.findings[1].code)
  end)

  it("warns of a short secret", function()
    command.rules()
    command.write("altinn-events.lua", 'return { secret = "abc" }')
    local status, out, err = command.run "check"
    assert.are.same({ 0, "" }, { status, out })
    says(err, "warning: the secret is short")
    command.silent(err, "abc")
  end)
end)

describe("without luacheck's parser", function()
  it("a hint says what was not looked at", function()
    local available = syntax.available
    syntax.available = function() return false end
    finally(function() syntax.available = available end)
    says(found(rule("", "    return skp('x')")), "hint hint: luacheck's parser is not there", "apt install lua-check")
  end)
end)
