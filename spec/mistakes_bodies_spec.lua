-- Mistakes in bodies as people make them: each is told with its code, at its line and column, with what to do.
local findings = require "altinn.events.rules.findings"
local rules = require "altinn.events.rules.loading"
local uses = require "altinn.events.rules.uses"

local TARGETS = { print = { url = "https://print.example.no" }, out = { folder = "/srv/out" },
  post = { mail = "smtps://mail.example.no", from = "a@example.no" } }

local MARK = "»"

-- The text without its mark, and the place of that.
local function place_of(text)
  local before = assert(text:match("^(.-)" .. MARK), text)
  local _, lines = before:gsub("\n", "")
  return (text:gsub(MARK, "")), lines + 1, #before:match("[^\n]*$") + 1
end

local function load(files)
  local set, problems = rules.load({ "rules/a.lua" }, { sources = files })
  assert(set, problems and rules.describe_problem(problems[1]))
  return set
end

local function find(files) return findings.of(load(files), TARGETS, true) end

local function rule(body, parts, more)
  return ('rule {\n  name = "a", on = "correspondencepublished", %s\n  run = function(event, letter, context)\n%s\n'
    .. "  end,\n%s\n}\n"):format(parts or "", body, more or "")
end

local function shown(list)
  local lines = {}
  for index, one in ipairs(list) do
    lines[index] = ("%d:%d %s %s: %s"):format(one.line, one.column, one.code, one.message, one.remedy or "-")
  end
  return table.concat(lines, "\n")
end

-- A mistake at the mark of a text is told, with words of its remedy (or of its message where that says what to do).
local function told(code, words, text, modules)
  it(("%s: %s"):format(code, words), function()
    local plain, line, column = place_of(text)
    local files = { ["rules/a.lua"] = plain }
    for path, one in pairs(modules or {}) do files[path] = one end
    local list = find(files)
    for _, one in ipairs(list) do
      if one.code == code and one.line == line and one.column == column then
        assert.is_truthy((one.message .. ": " .. (one.remedy or "")):find(words, 1, true), shown(list))
        return
      end
    end
    error(("no %s at %d:%d\n%s"):format(code, line, column, shown(list)))
  end)
end

describe("what is made and not returned:", function()
  told("unreturned", "write return before it", rule [[
    »send.http("print") { key = { letter.id }, path = "/x", json = {} } ]])
  told("unreturned", "write return before it", rule [[ »skip("nothing to do") ]])
  told("unreturned", "write return before it", rule [[ if event.subject then »fail("why") end return done("a") ]])
  told("unreturned", "write return before it", rule [[ »later { at = "1d" } return done("later") ]])
  told("unreturned", "write return before it", rule [[ »remember { seen = true } return done("seen") ]])
  told("unreturned", "write return before it", rule [[ »retry_after("1h", "not yet") return done("a") ]])
  told("unreturned", "write return before it", [[
    local function tell(letter)
      »send.http("print") { key = letter }
    end
    ]] .. rule [[ tell(letter) return done("told") ]])
  told("unreturned-helper", "write return before it", [[
    local function notify(letter) return send.http("print") { key = letter } end
    ]] .. rule [[ »notify(letter) return done("told") ]])
  told("unreturned-helper", "write return before it", 'local words = require "words"\n' .. rule [[
    »words.notify(letter) ]], { ["rules/lib/words.lua"] = [[
    local M = {}
    function M.notify(letter) return send.http("print") { key = letter } end
    return M ]] })
  told("unused-verdict", "write return job", rule [[
    local job = »send.http("print") { key = letter }
    log("made")
    return done("printed") ]])
  told("unused-verdict", "return both in a list", rule [[
    local job = »send.http("print") { key = letter }
    job = skip("no")
    return job ]])
  told("unused-verdict", "return it from the body", rule [[ log(»skip("nothing to do")) return done("a") ]])
  told("unused-verdict", 'return fail("why")', rule [[ error(»fail("no such letter")) ]])
  told("dropped-list", "write return list", rule [[
    local list = {}
    for index = 1, 2 do table.insert(list, »send.http("print") { key = { letter, index } }) end
    return done("made") ]])
  told("nested-return", "return verdict", rule [[
    local ok = pcall(function() »return send.http("print") { key = letter } end)
    return done(tostring(ok)) ]])
  told("step-result", "after the step", rule [[
    step("print", function() »return send.http("print") { key = letter } end)
    return done("printed") ]])
  told("second-value", "return a list", rule [[
    return send.http("print") { key = letter }, »later { at = "1d" } ]])
  told("no-verdict", 'return skip("why")', rule [[ return »"nothing to do" ]])
  told("no-verdict", "not a number", rule [[ return »5 ]])
  told("no-verdict", "not the thing", rule [[ return »letter ]])
  told("no-verdict", "a list has no names", rule [[ return { »effect = send.http("print") { key = letter } } ]])
  told("no-verdict", "put all into one list", rule [[
    return { »{ send.http("print") { key = letter } }, remember { a = 1 } } ]])
  told("no-verdict", "is what a probe returns", rule [[ return »sent ]])
  told("uncalled-word", "write skip(…)", rule [[ return »skip ]])
  told("uncalled-word", 'send.http("print") { key', rule [[ return »send.http "print" ]])
  told("lone-verdict", "leave it out", rule [[ return { send.http("print") { key = letter }, »skip("twice") } ]])
end)

describe("paths and conditions:", function()
  told("path", 'skip("why")', (rule [[
    if letter:details().status == "Read" then return skip("read") end ]]:gsub("function", MARK .. "function")))
  told("path", 'skip("why")', rule [[
    if not event.subject then »return end
    return send.http("print") { key = letter } ]])
  told("path", "the body 'remind'", rule([[ return later { at = "1d", run = "remind" } ]], "", [[
  remind = »function(event) if event.subject then return done("a") end end, ]]))
  told("unreachable", "take it out", rule [[
    error("not yet")
    »log("never") ]])
  told("unreachable", "take it out", rule [[
    if event.subject then return done("a") else return done("b") end
    »log("never") ]])
  told("unreachable", "take it out", rule [[
    repeat return done("a") until event.subject
    »log("never") ]])
  told("unreachable", "take it out", rule [[
    local function stop() error("not yet", 0) »return 1 end
    stop()
    return done("a") ]])
  told("endless", "write break", rule [[ »while true do log("again") end ]])
  told("endless", "write break", rule [[ »repeat log("again") until false ]])
  told("forever", "context.attempt", rule [[ »return retry_after("3d", "remind") ]])
  told("unknown-type", "correspondencepublished", rule [[
    if »event.type == "correspondencepublishd" then return done("a") end return done("b") ]])
  told("unknown-type", '"correspondencepublished"', rule [[
    if »events.describe(event).name == "correspondencepublishd" then return done("a") end return done("b") ]])
  told("type-short", "events.describe(event).name", rule [[
    if »"correspondencepublished" ~= event.type then return done("a") end return done("b") ]])
  told("other-type", "add it to on", rule [[
    local meaning = events.describe(event)
    if »meaning.name == "correspondencepurged" then return done("a") end return done("b") ]])
  told("resource", "urn:altinn:resource:acme-letters", rule [[
    if »event.resource == "acme-letters" then return done("a") end return done("b") ]])
  told("resource", "urn:altinn:resource:acme-letters", rule [[
    local resource = event.resource
    if »resource ~= "acme-letters" then return done("a") end return done("b") ]])
  told("subject", "urn:altinn:organization:identifier-no:987654321", rule [[
    if »event.subject == "0192:987654321" then return done("a") end return done("b") ]])
  told("status", "Confirmed", rule [[
    local details = letter:details()
    if »details.status == "Confrmed" then return done("a") end return done("b") ]])
  told("status", "Read", rule [[
    for _, entry in ipairs(letter:details().statusHistory) do
      if »entry.status == "read" then return done("a") end
    end
    return done("b") ]])
  told("status", "Read", rule [[ if letter:has_been(»"read") then return skip("read") end return done("a") ]])
  told("status-list", 'has_been("Read", "Confirmed")', rule [[
    if letter:has_been(»{ "Read" }) then return skip("read") end return done("a") ]])
  told("attempt", "context.attempt == 1", rule [[ if »context.attempt < 1 then log("x") end return done("a") ]])
  told("came-by", '"pull"', rule [[ if »context.came_by == "pulled" then log("x") end return done("a") ]])
  told("always-true", "write and", rule [[
    if »event.resource ~= "urn:altinn:resource:a" or event.resource ~= "urn:altinn:resource:b" then
      return done("a")
    end
    return done("b") ]])
  told("never-true", "write or", rule [[
    local status = letter:details().status
    if »status == "Read" and status == "Confirmed" then return done("a") end return done("b") ]])
  told("not", "event.subject ~= event.alternativesubject", rule [[
    if »not event.subject == event.alternativesubject then return done("a") end return done("b") ]])
  told("always", 'x == "Confirmed"', rule [[
    if letter:details().status == "Read" or »"Confirmed" then return done("a") end return done("b") ]])
  told("whole", "letter.id", rule [[ if »letter == "0199" then return done("a") end return done("b") ]])
  told("time", "events.time(event)", rule [[
    if »event.time > "2026" then return done("a") end return done("b") ]])
  told("time-number", "events.time(event)", rule [[ log(»event.time + 60) return done("a") ]])
  told("no-timer", "a body of its own", rule([[
    if »context.timer then return done("a") end return later { at = "1d", run = "remind" } ]], "", [[
    remind = function() return done("reminded") end, ]]))
  told("excluded", "or change when", rule([[
    if »event.resource == "urn:altinn:resource:other" then return done("a") end return done("b") ]],
    'when = { resource = "acme-letters" },'))
end)

describe("what bodies are given:", function()
  told("colon", "letter:details(", rule [[ local details = »letter.details() return done(details.status) ]])
  told("uncalled", "letter:details().status", rule [[ return done(»letter.details.status) ]])
  told("member", "did you mean 'details'", rule [[ return done(»letter:detail().status) ]])
  told("member", "has no 'correspondenceId'", rule [[ return send.http("print") { key = { "print",
    »letter.correspondenceId } } ]])
  told("member", "did you mean 'sendersReference'", rule [[ return done(»letter:details().sender_reference) ]])
  told("member", "it has checksum, created", rule [[
    for _, one in ipairs(letter:attachments()) do log(»one.name) end return done("a") ]])
  told("member", "there is no 'atempt' in context", rule [[ log(»context.atempt) return done("a") ]])
  told("member", "attachment:letters()", [[
rule { name = "a", on = "attachmentuploadfailed", run = function(event, letter)
  if »letter:has_been("Read") then return skip("read") end return done("a") end }]])
  told("member", "attachment:overview()", [[
rule { name = "a", on = "attachmentuploadfailed", run = function(event, attachment)
  for _, file in ipairs(»attachment:attachments()) do log(file.id) end return done("a") end }]])
  told("attachment-letter", "attachment:letters()", [[
local client = events.client { environment = "tt02", token = "x" }
rule { name = "a", on = "attachmentuploadfailed", run = function(event, attachment)
  return done(»client:letter(event.resourceinstance):details().status) end }]])
  told("event-method", "write event.type", rule [[ log(»event:type()) return done("a") ]])
  told("attribute", "letter.id", rule [[ return send.http("print") { key = { letter, »event.correspondenceId } } ]])
  told("log-colon", "context.log(", rule [[ »context:log("x") return done("a") ]])
  told("joined", "letter.id", rule [[ return send.http("print") { key = letter, path = "/a/" .. »letter } ]])
  told("iterator", "ipairs(letter:attachments(", rule [[
    for _, one in »letter:attachments() do log(one.id) end return done("a") ]])
  told("power", 'add "read:content" to may', rule([[ return done(»letter:content()) ]], 'may = { "read:details" },'))
  told("power", 'add "send:print" to may', rule([[ return »send.http("print") { key = letter } ]], "may = {},"))
  told("undefined", "did you mean 'skip'", rule [[ return »skp("x") ]])
  told("undefined", "after send comes the kind", rule [[ return »send.kafka("x") { } ]])
  told("assigned", "local count", rule [[ »count = 1 return done("a") ]])
  told("target", "did you mean 'print'", rule [[ return »send.http("prnt") { key = letter } ]])
  told("hidden-word", "is a local name here", rule [[ local skip = true return »skip("x") ]])
  told("module", "write lib/wrds.lua", rule [[ return done(»require("wrds").text) ]])
end)

describe("effects and keys:", function()
  told("effect", "did you mean 'json'", rule [[ return send.http("print") { key = letter, »jsn = {} } ]])
  told("effect", "the method must be", rule [[ return send.http("print") { key = letter, »method = "post" } ]])
  told("json-event", "body = events.encode(event)", rule [[
    return send.http("print") { key = letter, »json = event } ]])
  told("json-thing", "write letter.id", rule [[
    return send.http("print") { key = letter, json = { to = »letter } } ]])
  told("json-by-hand", "json = { name = value }", rule [[
    return send.http("print") { key = letter, body = »('{"letter": "%s"}'):format(letter.id) } ]])
  told("key", "write key = letter", rule [[ return send.http("print") { »key = { "print", 1 } } ]])
  told("key", "write key = letter", rule [[ return send.http("print") { key = »{ "print", event.resource } } ]])
  told("nil-key", "leave it out", rule [[ return send.http("print") { key = { letter, »nil } } ]])
  told("person-key", "write key = letter", rule [[ return send.http("print") { key = { "print", »event.subject } } ]])
  told("person-key", "write key = letter", rule [[
    return send.http("print") { key = »letter:details().recipient } ]])
  told("random-key", "write key = letter", rule [[ return send.http("print") { key = letter.id .. »math.random(9) } ]])
  told("same-key", "give each its own", rule [[
    return { send.http("print") { key = { letter, "a" } }, send.http("print") { key = »{ letter, "a" } } } ]])
  told("text-key", "write key = event", rule [[ return send.http("print") { key = »tostring(event) } ]])
  told("person", "write letter.id", rule [[
    return send.file("out") { key = letter, name = »event.subject .. ".txt", text = "x" } ]])
  told("person", "write letter.id", rule [[
    local details = letter:details()
    return send.mail("post") { key = letter, to = "b@example.no", text = "x",
      subject = "to " .. »details.recipient } ]])
  told("person-log", "log letter.id", rule [[ log("to " .. »event.subject) return done("a") ]])
  told("number-in-text", "a target of the configuration", rule [[
    return send.http("print") { key = letter, json = { to = »"01020312345" } } ]])
  told("send-form", "in quotes", rule [[ return send.http(»5) { key = letter } ]])
  told("send-form", 'send.http("print") { … }', rule [[ return send.http("print", »{ key = letter }) ]])
  told("send-form", "in quotes", rule [[ return send.http(»print) { key = letter } ]])
  told("person-key", "write key = letter", rule [[ return send.http("print") { key = "print-" .. »event.subject } ]])
  told("json-event", "events.encode(event)", rule [[ return send.http("print") { key = letter, body = »event } ]])
  told("json-by-hand", "body = events.encode", rule [[
    return send.http("print") { key = letter, »json = events.encode(event) } ]])
  told("word", "name of a body", rule [[ return later { at = "2d", run = »function() return done("a") end } ]])
  told("no-timer", "a body of its own", rule [[ if not »context.timer then return skip("a") end return done("b") ]])
  told("endless", "write break", rule [[ »while true do letter:details() end ]])
  told("member", "statusHistory[1].status", rule [[ return done(»letter:details().statusHistory.status) ]])
  told("whole", "such as .status", rule [[
    if »letter:details().statusHistory[1] == "Read" then return done("a") end return done("b") ]])
  told("reveal", "what for", rule [[ log(»events.reveal(event.subject)) return done("a") ]])
  told("effect", "has no body 'lok'", rule([[
    return send.http("print") { key = letter, »probe = "lok" } ]], "", "look = function() return sent end,"))
end)

describe("time, memory, steps and the world outside:", function()
  told("body", "has no body 'papr'", rule [[ return later { at = "1d", run = »"papr" } ]])
  told("word", "unknown key 'att'", rule [[ return later { »att = "1d" } ]])
  told("word", "did you mean 'correspondencepurged'", rule [[
    return later { at = "1d", »cancel = "correspondencepurgd" } ]])
  told("cancel", "take it out", rule [[ return later { at = "1d", cancel = { »"attachmentpublished" } } ]])
  told("span", '"3d"', rule [[ return later { at = »3 } ]])
  told("wait-long", "write later", rule [[
    if context.attempt < 2 then return retry_after(»"90d") end return done("a") ]])
  told("unkept", "events.totable(event)", rule [[ return remember { last = »event } ]])
  told("unkept", "write letter.id", rule [[ return remember { list = { »letter } } ]])
  told("memory-write", "return remember { count", rule [[ »context.memory.count = 1 return done("a") ]])
  told("memory-nil", "(context.memory.count or 0)", rule [[ return remember { n = »context.memory.count + 1 } ]])
  told("step", "its own name", rule [[ step("a", log) »step("a", log) return done("a") ]])
  told("step-loop", '"file " .. index', rule [[
    for _, one in ipairs(letter:attachments()) do step(»"file", function() return one.id end) end
    return done("a") ]])
  told("step-call", "function() return letter:confirm", rule([[
    step("a", »letter:confirm()) return done("a") ]], 'may = { "confirm" },'))
  told("step-result", "write letter.id", rule [[ step("a", function() »return letter end) return done("a") ]])
  told("act", "step(\"purge\"", rule([[
    »letter:purge() return send.http("print") { key = letter } ]], 'may = { "purge", "send:print" },'))
  told("leak", "return remember", "local seen = {}\n" .. rule [[ »seen[letter.id] = true return done("a") ]])
  told("leak", "return remember", "local list = {}\n" .. rule [[ table.insert(»list, letter.id) return done("a") ]])
  told("callback", "ask before, outside", rule [[
    local text = ("x"):gsub("x", function() return »letter:details().status end) return done(text) ]])
  told("blocking", "send.command", rule [[ »os.execute("lp " .. letter.id) return done("a") ]])
  told("blocking", "send.file", rule [[ local file = »io.open("/tmp/x", "w") file:close() return done("a") ]])
  told("swallowed", "error(failure, 0)", rule [[
    local ok = pcall(function() return letter:details() end)
    if not ok then »return done("not there") end
    return done("there") ]])
  told("yield", "retry_after", rule [[ »coroutine.yield() return done("a") ]])
  told("exit", "error(", rule [[ »os.exit(1) ]])
end)

-- Edits.

-- The text with the edits of a fix.
local function edited(text, fix)
  local lines, starts = {}, {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  local at = 1
  for index, line in ipairs(lines) do starts[index], at = at, at + #line + 1 end
  for index = #fix, 1, -1 do
    local one = fix[index]
    local from, to = starts[one.line] + one.column - 1, starts[one.end_line] + one.end_column - 1
    text = text:sub(1, from - 1) .. one.text .. text:sub(to)
  end
  return text
end

describe("the fix of a mistake in a body", function()
  local codes, count = require "altinn.events.rules.finding_codes", 0

  for _, room in ipairs { "bodies", "given", "acts" } do
    for code in pairs(require("altinn.events.rules.codes." .. room)) do
      local example = codes.find(code).example
      for _, one in ipairs(find { ["rules/a.lua"] = example.wrong }) do
        if one.fix and one.code == code then
          count = count + 1
          it("mends it: " .. code, function()
            local text = edited(example.wrong, one.fix)
            assert.are_not.equal(example.wrong, text)
            for _, left in ipairs(find { ["rules/a.lua"] = text }) do
              assert.is_false(left.code == code and left.line == one.line and left.column == one.column, text)
            end
          end)
        end
      end
    end
  end

  it("is there for a fifth of them", function() assert(count >= 20, count) end)
end)

describe("the powers that bodies use", function()
  it("are told, and whether the text tells them all", function()
    local function powers(text)
      local set = load { ["rules/a.lua"] = text }
      return uses.powers(set)[set[1]]
    end
    assert.are.same({ complete = true, powers = { "confirm", "read:details", "send:print" } }, powers(rule [[
      if letter:has_been("Read") then letter:confirm() end return send.http("print") { key = letter } ]]))
    assert.are.same({ complete = true, powers = { "read:details" } }, powers(rule("return done()",
      'unless = { been = { "Read" } },')))
    assert.is_false(powers(rule [[ return done(letter[event.id](letter)) ]]).complete)
    assert.is_false(powers(rule [[ return send.http(event.id) { key = letter } ]]).complete)
  end)
end)
