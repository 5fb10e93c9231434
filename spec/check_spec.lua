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
  local _, list = prepare.rules { rules = { folder .. "/rules" }, targets = targets or { print = {} },
    environment = "tt02", token = "of a spec" }
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

describe("what newcomers write", function()
  it("is send without a kind, or without a target", function()
    says(found(rule("", '    return send("print") { json = {} }')), "error one.lua:4: rule 'a': send(…) has no kind:"
      .. ' write send.http("print") { … }, or another of cloudevent, command, file, http, mail, slack, teams')
    says(found(rule("", '    return send.http { json = {} }')), "error one.lua:4: rule 'a': send.http { … } has no"
      .. ' target: write send.http("TARGET") { … }')
    says(found(rule("", '    local send = print\n    send("x") return done()')), "warning one.lua:4: warning: the local"
      .. " name 'send' hides the word 'send': give it another name")
  end)

  it("is a table where a text goes", function()
    says(found(rule("", '    return send.http("print") { body = { letter = letter.id } }')), "one.lua:4: rule 'a':",
      "body must be a text: a table goes into json")
    assert.are.equal("", (found(rule("", '    return send.http("print") { key = letter, json = letter.id }'))))
    local mail = '    return send.mail("post") { to = { letter.id }, subject = "x", text = "y" }'
    assert.are.equal("", (found(rule("", mail), { post = { mail = "smtp://x", from = "a@b.no" } })))
  end)

  it("is the short name of a type, where an event has the full one", function()
    local body = '    if event.type %s then return skip("x") end return done()'
    says(found(rule("", body:format '== "correspondencepublished"')), "error one.lua:4: rule 'a': event.type is the"
      .. " full type, 'no.altinn.correspondence.correspondencepublished', and never 'correspondencepublished':"
      .. ' write events.describe(event).name == "correspondencepublished"')
    says(found(rule("", body:format '~= "correspondencepurged"')), "event.type is the full type")
    says(found(rule("", body:format '== "app.instance.created"')), "warning one.lua:4: warning: rule 'a': the rule"
      .. " wants no events of the type 'app.instance.created'")
    for _, right in ipairs { '== "no.altinn.correspondence.correspondencepublished"', "== letter.id" } do
      assert.are.equal("", (found(rule("", body:format(right)))))
    end
  end)

  it("is an attribute that no event of Altinn carries", function()
    local body = '    return skip("x" .. tostring(event.%s))'
    says(found(rule("", body:format "resourceInstance")), "warning one.lua:4: warning: rule 'a': no event of Altinn"
      .. " carries 'resourceInstance' (did you mean 'resourceinstance'?)")
    says(found(rule("", body:format "letter.id")), "carries 'letter': the letter is the second argument of the body")
    says(found(rule("", body:format "recipient")), "carries 'recipient': who is meant stands in event.subject")
    for _, name in ipairs { "id", "time", "subject", "data", "alternativesubject" } do
      assert.are.equal("", (found(rule("", body:format(name)))))
    end
    assert.are.equal("", (found((rule("", body:format "region"):gsub("correspondencepublished", "com.example.paid")))))
  end)

  it("is a number of days where seconds are meant", function()
    says(found(rule("", "    return later { at = 2 }")), "warning one.lua:4: warning: rule 'a': later: at = 2 means"
      .. ' seconds: write "2s", "2d" or workdays(2)')
    assert.are.equal("", (found(rule("", '    return later { at = "2s", cancel = "correspondencepurged" }'))))
    assert.are.equal("", (found(rule("", "    return later { at = 3600, cancel = { 'correspondencepurged' } }"))))
  end)

  it("is a status in small letters", function()
    says(found(rule("", '    if letter:details().status == "read" then return skip("x") end return done()')),
      "error one.lua:4: rule 'a': 'read' is no status of a letter (did you mean 'Read'?)")
    says(found(rule("", '    local d = letter:overview()\n    if "confrmed" ~= d.status then return skip("x") end'
      .. " return done()")), "one.lua:5: rule 'a': 'confrmed' is no status of a letter (did you mean 'Confirmed'?)")
    assert.are.equal("", (found(rule("", '    if letter:details().status == "Read" then return skip("x") end'
      .. " return done()"))))
    assert.are.equal("", (found((rule("", '    if thing:overview().status == "Published" then return skip("x") end'
      .. " return done()"):gsub("event, letter", "event, thing"):gsub("correspondencepublished",
      "attachmentpublished")))))
  end)
end)

describe("what a rule names", function()
  it("is looked for in the configuration: targets in may and in bodies", function()
    says(found(rule(' may = { "send:prnt" },')), "error one.lua:2: rule 'a': may: there is no target 'prnt' in the"
      .. " configuration (did you mean 'print'?)")
    says(found(rule("", '    return send.http("prnt") { json = {} }')), "error one.lua:4: rule 'a': send.http: there is"
      .. " no target 'prnt' in the configuration (did you mean 'print'?)")
    assert.are.equal("", (found(rule("", '    return send.http("print") { json = {} }'))))
    local _, list = found(rule("", '    local send = { http = print }\n    send.http("x") return done()'))
    assert.are.same({ 1, "hidden-word" }, { #list, list[1].code })
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
    says(found(rule("", "    return send.kafka('x') {}")), "error one.lua:4: send has no 'kafka': after send comes the"
      .. " kind, then the target: send.http(\"print\") { … }")
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

describe("what a body is given", function()
  local GIVEN = {
    { "letter:detials()", "the letter has no 'detials' (did you mean 'details'?)" },
    { "letter:id()", "id is no method: write letter.id" },
    { "log(context.atempt)", "there is no 'atempt' in context (did you mean 'attempt'?)" },
    { "context.log.wran('x')", "log has no 'wran' (did you mean 'warn'?)" },
    { "letter:has_been('Read', 'Readd')", "'Readd' is no status of a letter (did you mean 'Read'?)" },
    { "letter:has_been()", "has_been wants a status" },
    { "local d = letter:details() d:has_bean('Read')", "details has no 'has_bean' (did you mean 'has_been'?)" },
    { "local d = letter:details() d:has_been('Readd')", "'Readd' is no status of a letter" },
    { "log(letter:overview().statsu)", "overview has no 'statsu' (did you mean 'status'?)" },
    { "local d = letter:details() log(d.content.mesageBody)", "no 'mesageBody' (did you mean 'messageBody'?)" },
    { "for _, a in ipairs(letter:details().content.attachments) do log(a.fileNaem) end", "did you mean 'fileName'?" },
  }

  for _, case in ipairs(GIVEN) do
    it("has what is asked of it: " .. case[1], function()
      says(found(rule("", "    " .. case[1])), "error one.lua:4: rule 'a': ", case[2])
    end)
  end

  it("has it indeed", function()
    for _, text in ipairs { "log(context.attempt, context.came_by) context.log.warning('x')",
      "local d = letter:details() log(d.status, d:has_been('Read'), d.statusHistory[1].status, d.content.language)",
      "local d = letter:details() d.mine = 1", "letter = event log(letter.subject)", "letter:has_been(event.id)",
      "for _, e in ipairs(letter:details().statusHistory) do log(e.statusChanged) end",
      "local context = { atempt = 1 } log(context.atempt)" } do
      assert.are.equal("", (found(rule("", "    " .. text))), text)
    end
  end)

  it("depends on the type", function()
    local text = 'rule { name = "a", on = "%s", run = function(_, it) %s end }'
    says(found(text:format("notificationcreated", "it:details()")),
      "error one.lua:1: rule 'a': these events are about a thing of kind 'order': only letters and attachments")
    says(found(text:format("attachmentpublished", "it:has_been('Read')")), "the attachment has no 'has_been'")
    assert.are.equal("", (found(text:format("attachmentpublished", "log(it:details().checksum)"))))
    assert.are.equal("", (found(text:format("notificationcreated", "log(it.id)"))))
  end)
end)

describe("an effect", function()
  local FAULTS = {
    { 'path = "x"', "the path must begin with one slash" }, { 'key = "k"', "the key holds nothing of this event" },
    { 'key = { "a", 1 }', "the key holds nothing of this event" }, { "key = {}", "the key is empty" },
    { 'method = "post"', "the method must be POST, PUT, PATCH or DELETE, not 'post'" },
    { "body = event", "body must be a text" }, { "body = { a = 1 }", "body must be a text" },
    { "json = event", "json: an event is no plain value" }, { "jsn = {}", "unknown key 'jsn' (did you mean 'json'?)" },
    { "json = {}, body = event.id", "json and body exclude each other" },
    { 'headers = { ["A b"] = "c" }', "'A b' is no name of an HTTP header" },
  }

  for _, case in ipairs(FAULTS) do
    it("that no event can make right: " .. case[1], function()
      says(found(rule("", ('    return send.http("print") { %s }'):format(case[1]))), "error one.lua:4: rule 'a': ",
        case[2])
    end)
  end

  it("may be right", function()
    for _, text in ipairs { 'path = "/x/" .. event.id', "key = letter", "key = event", 'key = { letter, "k" }',
      'key = "once:for all"', "body = events.encode(event)", "json = { a = { 1, nil, 3, event.id } }",
      "headers = { ['X-A'] = event.id, B = 1 }", "method = event.data.method, path = '/a'" } do
      assert.are.equal("", (found(rule("", ('    return send.http("print") { %s }'):format(text)))), text)
    end
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
      "warning one.lua:3: warning: rule 'a': one path through a body returns a verdict, another returns nothing")
    for _, text in ipairs { "", "    log('x')", '    if event.id then return skip("a") else return skip("b") end',
      '    if event.id then return skip("a") end error("no")', '    do return done() end' } do
      assert.are.equal("", (found(rule("", text))))
    end
  end)
end)

describe("a named body", function()
  -- A rule whose run starts `paper`, which is written so.
  local function named(body, parts)
    return ('rule {\n  name = "a", on = "correspondencepublished",%s\n  run = function() return later { at = 60, run ='
      .. ' "paper" } end,\n  paper = function(event, letter, context)\n%s\n  end,\n}\n'):format(parts or "", body)
  end

  it("is read as run is: powers, targets, methods, members, what is made and paths", function()
    assert.are.equal("", (found(named("    log(letter:details().status, context.timer.with)"))))
    says(found(named("    letter:purge()")), 'error one.lua:5: rule \'a\': letter:purge() needs "purge" in may')
    says(found(named('    return send.http("prnt") {}')),
      "error one.lua:5: rule 'a': send.http: there is no target 'prnt'")
    says(found(named("    letter:detials()")), "error one.lua:5: rule 'a': the letter has no 'detials'")
    says(found(named("    log(context.atempt)")), "error one.lua:5: rule 'a': there is no 'atempt' in context")
    says(found(named("    log(context.timer.wiht)")),
      "warning one.lua:5: warning: rule 'a': timer has no 'wiht' (did you mean 'with'?)")
    says(found(named("    later { at = 60 }")), "error one.lua:5: rule 'a': later(…) is made and not returned")
    says(found(named("    remember { a = 1 } forget('b')")), "remember(…) is made and not", "forget(…) is made and not")
    says(found(named("    if event.id then return done() end")),
      "warning one.lua:4: warning: rule 'a': one path through the body 'paper' returns a verdict")
  end)

  it("is there when later or probe names it", function()
    says(found(rule("", '    return later { at = 60, run = "papr" }')),
      "error one.lua:4: rule 'a': later: run: the rule has no body 'papr'")
    says(found(named('    return later { at = 60, run = "papr" }')),
      "one.lua:5: rule 'a': later: run: the rule has no body 'papr' (did you mean 'paper'?)")
    says(found(named('    return send.http("print") { probe = "look" }')),
      "error one.lua:5: rule 'a': the rule has no body 'look'")
    assert.are.equal("", (found(named('    return later { at = 60, run = event.id }'))))
    assert.are.equal("", (found(named('    return later { at = 60 }'))))
  end)

  it("is started by something: a hint", function()
    says(found(rule(" paper = function() end,")),
      'hint one.lua:2: hint: rule \'a\': nothing starts the body \'paper\': return later { at = …, run = "paper" }')
    says(found(rule(" wehn = function() end,")), "nothing starts the body 'wehn' (did you mean 'when'?)")
    local text = rule(" paper = function() end,", "    return later { at = 60, run = %s }")
    for _, run in ipairs { '"paper"', "event.id", 'event.id and "paper" or "run"' } do
      assert.are.equal("", (found(text:format(run))), run)
    end
    assert.are.equal("", (found(rule(" look = function() return sent end,",
      '    return send.http("print") { probe = "look" }'))))
    assert.are.equal("", (found(rule(" look = function() return sent end,",
      "    local fields = { probe = 'lo' .. 'ok' }\n    return send.http('print')(fields)"))))
    assert.are.equal("", (found('local function again() return later { at = 60, run = "paper" } end\n'
      .. rule(" paper = function() end,", "    return again()"))))
    assert(os.execute("mkdir -p " .. process.quote(folder .. "/rules/lib")))
    command.write("rules/lib/words.lua", "return { again = function(go) return go { at = 60, run = 'paper' } end }")
    assert.are.equal("", (found('local words = require "words"\n'
      .. rule(" paper = function() end,", "    return words.again(later)"))))
  end)

  it("has context.get and context.effect as a probe only", function()
    local text = rule(" look = function(event, letter, context) return context.get('/').status == 200 and sent"
      .. " or not_sent end,", "    %s\n    return send.http('print') { probe = 'look' }")
    assert.are.equal("", (found(text:format "")))
    says(found(text:format "log(context.effect.key)"),
      "warning one.lua:4: warning: rule 'a': context.effect is there in a probe only, and no effect names this body")
  end)
end)

describe("a probe", function()
  local PROBE = [[rule { name = "a", on = "correspondencepublished",
    run = function() return send.http("print") { probe = "look" } end,
    look = function(event, letter, context) %s end }]]

  it("returns sent or not_sent, and does nothing else", function()
    assert.are.equal("", (found(PROBE:format "if context.get('/').status == 200 then return sent end return not_sent")))
    says(found(PROBE:format "return done()"),
      "error one.lua:3: rule 'a': a probe returns sent or not_sent: there is no done(…) in it")
    says(found(PROBE:format "step('a', log) return sent"), "there is no step(…) in it")
    says(found(PROBE:format "return send.http('print') {}"), "there is no send.http in it")
  end)
end)

describe("the arguments of words", function()
  local FAULTS = {
    { "skip()", "skip wants a reason" }, { "fail(5)", "fail wants a reason" },
    { "done({})", "done: the reason is a text" },
    { "retry_after('soon')", "retry_after: 'soon' is no span of time" },
    { "later { run = event.id }", "at is missing" },
    { "later { at = 'tomorrow' }", "later: at: 'tomorrow' is neither a span nor a time" },
    { "later { at = workdays(0) }", "workdays wants a whole number of days" },
    { "later { at = workdays(1, '9') }", "workdays: the time of day" },
    { "later { at = '11d', on = 1 }", "unknown key 'on'" },
    { "later { at = '3654d' }", "later: at: a timer waits ten years at most" },
    { "later { at = 60, cancel = 'correspondencepurgd' }", "cancel: 'correspondencepurgd' is no event type",
      "did you mean 'correspondencepurged'?" },
    { "later { at = 60, cancel = { event.type, 'correspondence*' } }", "cancel: each type is written out" },
    { "later { at = 60, key = '' }", "later: key is a text" }, { "remember { }", "there is no value to keep" },
    { "remember { a = event.id, expires = 'soon' }", "remember: expires" },
    { "remember { true }", "each value has a name" }, { "step('', print)", "step: the name is a text" },
    { "forget()", "forget: the name of what was remembered is a text" },
    { "step('a', true)", "step wants a function, not a boolean" },
  }

  for _, case in ipairs(FAULTS) do
    it("are looked at where they are constants: " .. case[1], function()
      says(found(rule("", ("    return %s"):format(case[1]))), "error one.lua:4: rule 'a': ", case[2])
    end)
  end

  it("may be right", function()
    for _, text in ipairs { "skip(event.id)", "done()", "later { at = event.time, cancel = { event.type } }",
      "later { at = workdays(2, '09:00'), with = { event.id, { letter.id } }, key = event.id }",
      "later { at = workdays(event.id), run = 'run', cancel = event.type }", "remember { [event.id] = true }",
      "remember { a = { event.id }, b = letter.id, expires = event.id }", "forget(event.id)", "step('a', log)",
      "later(event)", "later { [event.id] = 1 }", "step(event.id, function() return 1 end)" } do
      assert.are.equal("", (found(rule("", "    return " .. text))), text)
    end
    assert.are.equal("", (found(rule("", "    local function later() end\n    return later()"))))
  end)

  it("cancel by events about the same thing: a warning", function()
    says(found(rule("", "    return later { at = 60, cancel = 'notificationcreated' }")),
      "warning one.lua:4: warning: rule 'a': cancel: an event of type", "is about a thing of kind 'order'")
    assert.are.equal("", (found(rule("", "    return later { at = 60, cancel = { 'correspondencereceiverread',"
      .. " 'com.example.paid' } }"))))
  end)

  it("name each step of a body once: a warning", function()
    says(found(rule("", "    step('a', function() return step('b', log) end)\n    return step('a', log)")),
      "warning one.lua:5: warning: rule 'a': the step 'a' stands in line 4 too, and a run may call only one")
    assert.are.equal("", (found(rule(" other = function() return step('a', log) end,",
      "    step('a', log) return later { at = 60, run = 'other' }"))))
  end)
end)

describe("unless", function()
  it("needs the power to read details, and a letter", function()
    local unless = ' unless = { been = { "Read" } },'
    assert.are.equal("", (found(rule(unless))))
    assert.are.equal("", (found(rule(unless .. ' may = { "read:details" },'))))
    says(found(rule(unless .. " may = {},")),
      "error one.lua:2: rule 'a': unless asks Altinn for the letter's details: add \"read:details\" to may")
    local text = 'rule { name = "a", on = %s, unless = { been = { "Read" } }, run = function() end }'
    says(found(text:format '"notificationcreated"'), "unless: these events are about no letter")
    for _, on in ipairs { '"*"', '{ "notificationcreated", "correspondencepublished" }', '"com.example.made"' } do
      assert.are.equal("", (found(text:format(on))), on)
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

  it("has no key twice, and no constant that takes the place of others", function()
    says(found('rule { name = "a", on = "correspondencepublished",\non = "*", run = print }'),
      "error one.lua:2: 'on' is written twice in one table")
    says(found('rule { name = "a", on = "correspondencepublished" or "correspondencepurged", run = print }'),
      "warning one.lua:1: warning: rule 'a': the constant before 'or' is always taken")
    says(found('rule { name = "a", on = "*", retry = { within = 36 }, run = print }'),
      'warning one.lua:1: warning: rule \'a\': retry.within = 36 means seconds: write "36s", or "36h"')
    says(found('rule { name = "a", on = "*", when = { resource = not "acme" }, run = print }'),
      "error one.lua:1: rule 'a': when.resource: false is no text; what it must not be is written no(…)")
    says(found(rule("", '    if event.type == "a" or "b" then return done() end return done()')),
      'warning one.lua:4: warning: a constant beside \'or\' makes this condition always true: compare it as well')
    says(found(rule("", "    return done(({ a = 'x', a = 'y' }).a)")),
      "warning one.lua:4: warning: 'a' is written twice")
    assert.are.equal("", (found('rule { name = "a", on = "*", retry = { within = 3600 },'
      .. ' enabled = os.getenv "X" ~= "1" and true or false, run = print }')))
  end)

  it("names types that come: a warning", function()
    says(found('rule { name = "a", on = "correspondencearchived", run = print }'),
      "warning one.lua:1: warning: rule 'a': on: 'no.altinn.correspondence.correspondencearchived'")
    assert.are.equal("", (found('rule { name = "a", on = "com.example.made", order = "lot", run = print }')))
  end)

  it("names organisations whose last digit fits: a hint", function()
    says(found('rule { name = "a", on = "*", when = { recipient = "987654322" }, run = print }'),
      "hint one.lua:1: hint: rule 'a': '987654322' is no organisation number")
    says(found('rule { name = "a", on = "*", when = { recipient = "900000090" }, run = print }'),  -- no digit fits
      "hint one.lua:1: hint: rule 'a': '900000090' is no organisation number")
    for _, number in ipairs { "974760673", "987654321" } do  -- the latter stands in the documentation
      assert.are.equal("", (found(('rule { name = "a", on = "*", when = { recipient = "%s" }, run = print }')
        :format(number))))
    end
  end)
end)

describe("what is found", function()
  it("stands in the order of files and lines", function()
    local text = rule(' may = { "send:print" },', '    letter:purge() return send.http("print") {}')
      .. '\nrule { name = "b", on = "correspondencearchived", run = function() return skip("x") .. nobody end }'
    local _, list = found(text)
    local lines = {}
    for index, one in ipairs(list) do lines[index] = one.line end
    assert.are.same({ 4, 4, 8, 8, 8 }, lines)
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
    local sentence = "rule 'a': send.http: there is no target 'prnt' in the configuration"
    command.rules(BROKEN)
    command.write("altinn-events.lua", [[return { listen = "127.0.0.1:0", admin = "127.0.0.1:0",
      targets = { print = { url = "http://127.0.0.1:1" } } }]])
    local status, out, err = command.run "check"
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "rules/one.lua:4:12: error: " .. sentence)
    local _
    status, _, err = command.run("run", "--once")
    assert.are.equal(1, status)
    says(err:gsub("\\", ""), "rules/one.lua:4: " .. sentence)
    status, out = command.run "doctor"
    assert.are.equal(1, status)
    says(out, "rules/one.lua:4: " .. sentence)

    local one = host.start { rules = { one = rule() } }
    finally(function() one:close() end)
    one:rewrite { one = BROKEN }
    one:signal "HUP"
    assert(one:wait_log "the old ones stay in force")
    says(one:log():gsub("\\", ""), "one.lua:4: " .. sentence)
  end)

  it("--json has findings, each with its severity; --strict fails with a warning", function()
    command.rules(rule("", '    if event.id == "1" then return skip("one") end'))
    local status, out, err = command.run("check", "--format", "json")
    assert.are.equal(0, status, err)
    local made = cjson.decode(out)
    assert.are.equal(1, #made.findings)
    local finding = made.findings[1]
    assert.are.same({ "path", "warning", "rules/one.lua", 3, "a" },
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
    assert.are.equal("config-key", made.findings[1].code)
  end)

  it("warns where rules ask Altinn and none is configured, as run does", function()
    local config = 'return { listen = "127.0.0.1:0", admin = "127.0.0.1:0", %s }'
    command.rules(rule("", "    log(letter:details().status)")
      .. 'rule { name = "b", on = "*", may = { "confirm" }, run = print } rule { name = "c", on = "*", run = print }'
      .. '\nrule { name = "d", on = "*", unless = { been = { "Read" } }, run = print }'
      .. '\nrule { name = "e", on = "*", trust = "confirmed", run = print }')
    command.write("altinn-events.lua", config:format "")
    local status, _, err = command.run "check"
    assert.are.equal(0, status)
    says(err, "rules/one.lua:4:9: warning: rule 'a': letter:details() asks Altinn, and the configuration lacks",
      "rules/one.lua:7:38: warning: rule 'b': \"confirm\" in may asks Altinn",
      "rules/one.lua:8:39: warning: rule 'd': unless asks Altinn",
      "rules/one.lua:9:38: warning: rule 'e': trust = \"confirmed\" asks Altinn")
    command.silent(err, "'c'")
    assert.are.equal(1, (command.run("check", "--strict")))
    status, _, err = command.run("run", "--once")
    assert.are.equal(0, status, err)
    says(err, "level=warn", "letter:details() asks Altinn")
    command.write("altinn-events.lua", config:format 'environment = "tt02", token = env "NOWHERE"')
    _, _, err = command.run "check"
    command.silent(err, "asks Altinn")
  end)

  it("counts the attributes that all rules name, as run, plan and why do", function()
    local parts = {}
    for index = 1, 256 do
      parts[index] = ('rule { name = "r%d", on = "com.x.y", when = { a%d = "x" }, run = print }'):format(index, index)
    end
    command.rules(table.concat(parts, "\n"))
    command.write("altinn-events.lua", 'return { environment = "tt02", token = "x", endpoint = "https://a.example.no",'
      .. ' secret = "0123456789abcdef" }')
    command.write("event.json", "{}")
    for _, words in ipairs { { "check" }, { "run", "--once" }, { "plan" }, { "why", "event.json" } } do
      local status, _, err = command.run(table.unpack(words))
      assert.are.equal(1, status, words[1])
      says(err, "rules/one.lua:255", "rule 'r255': rules name more than 255 different attributes")
    end
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
