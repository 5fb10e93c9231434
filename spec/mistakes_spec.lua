-- Mistakes in heads, files, the configuration and the command line as people make them: each is told at its line and
-- column, with its code and with what to do.
local command = require "spec.support.command"
local findings = require "altinn.events.rules.findings"
local lint = require "spec.support.lint"

local MARK = "»"

-- The text without its mark, and the place of that.
local function place_of(text)
  local before = text:match("^(.-)" .. MARK)
  if not before then return text end
  local _, lines = before:gsub("\n", "")
  return (text:gsub(MARK, "")), lines + 1, #before:match("[^\n]*$") + 1
end

local function shown(list)
  local lines = {}
  for index, one in ipairs(list) do lines[index] = findings.line(one) end
  return table.concat(lines, "\n")
end

-- Whether one of the findings is this: { code, line, column, words of what is told }.
local function is_told(list, file, code, line, column, words)
  for _, one in ipairs(list) do
    local is_there = one.code == code and (one.file == file or file == nil) and one.line == line
    local told = findings.told(one)
    if is_there and (not column or one.column == column) and told:find(words, 1, true) then return true end
  end
  error(("no %s at %s:%s:%s that says %q:\n%s"):format(code, file, line, column, words, shown(list)))
end

local function rule(parts, on, body)
  return ('rule {\n  name = "a", on = %s,\n  %s\n  run = function(event, letter)\n%s\n  end,\n}\n'):format(
    on or '"correspondencepublished"', parts or "", body or '    return skip("nothing to do")')
end

-- A mistake at the mark of a rule file.
local function told(code, words, text, title)
  it(("%s: %s"):format(code, title or words), function()
    local plain, line, column = place_of(text)
    is_told(lint.find(plain), "rules/example.lua", code, line, column, words)
  end)
end

-- A mistake in one part, which stands in the third line.
local function part(code, words, text, on) told(code, words, rule(text, on), text) end

-- A mistake in the event types, which stand in the second line.
local function types(code, words, text) told(code, words, rule("", text), text) end

-- A mistake in the body, which begins in the fifth line.
local function body(code, words, text) told(code, words, rule("", nil, text), text) end

describe("the parts of a rule:", function()
  part("rule-part", "did you mean 'when'?", '»wehn = { resource = "acme-letters" },')
  part("rule-part", "did you mean 'retry'?", '»rety = { within = "36h" },')
  part("rule-part", "did you mean 'limit'?", "»limits = { seconds = 10 },")
  part("rule-part", "when.recipient", '»subjectFilter = "987654321",')
  part("rule-part", "did you mean 'within'?", 'retry = { »witin = "36h" },')
  part("rule-part", "did you mean 'at_once'?", "limit = { »atonce = 4 },")
  part("rule-part", "did you mean 'been'?", 'unless = { been = { "Read" }, »bene = 1 },')
  part("part-nameless", "each part of a rule has a name", '»"acme-letters",')
  part("twice", "'when' is written twice", 'when = { resource = "a" }, »when = { resource = "b" },')
  told("name-missing", "write name =", '»rule {\n  on = "*", run = function() return done() end,\n}\n')
  told("name-form", "letters, digits, hyphens",
    'rule { name = »"to print", on = "*", run = function() return done() end }')
  told("identity-number", "logs and metrics",
    'rule { name = »"for-01020312345", on = "*", run = function() return done() end }')
  told("name-taken", "is taken by", rule()
    .. 'rule {\n  name = »"a", on = "*", run = function() return done() end,\n}\n')
  told("run-missing", "write run = function", '»rule {\n  name = "a", on = "*",\n}\n')
  told("run-missing", "later { run = \"paper\" }", '»rule {\n  name = "a", on = "*", paper = function() end,\n}\n')
  told("run-form", "must be a function", 'rule {\n  name = "a", on = "*",\n  run = »"print",\n}\n')
  told("on-missing", "\"*\" for all", '»rule {\n  name = "a", run = function() return done() end,\n}\n')
  told("rule-form", "rule { name = …", '»rule "a"\n')
  part("switch-form", "without quotes", 'enabled = »"false",')
  part("switch-form", "without quotes", "repeats = »1,")
  part("text-form", "must be a string", "about = »12,")
end)

describe("event types:", function()
  types("on-unknown", "did you mean 'correspondencepublished'?", '»"correspondencepublihsed"')
  types("on-unknown", "did you mean 'attachmentpublished'?", '{ "correspondencepurged", »"atachmentpublished" }')
  types("on-unknown", "'altinn-events types' lists them", '»"letterread"')
  types("on-unknown", "did you mean", '»"no.altinn.correspondence.correspondencepurgd"')
  types("on-form", "several types are a list", '»"correspondencepublished, correspondencepurged"')
  types("on-form", "holds a blank", '{ "correspondencepurged", »" correspondencepublished" }')
  types("on-form", "at least one event type", "»{}")
  types("on-star", "only at the end", '»"correspondence*read"')
  types("on-all", "leave \"*\" out", '{ »"*", "correspondencepurged" }')
  types("undefined", "in quotes?", "»correspondencepublished")
  types("constant", "{ \"a\", \"b\" }", '»"correspondencepublished" or "correspondencepurged"')
  types("type-dead", "nothing raises it", '»"correspondencearchived"')
  types("type-dead", "altinn-events types", '{ "correspondencepurged", »"correspondencereceiverreplied" }')
  types("type-unlisted", "is it spelt right?", '»"dialogporten.dialog.seen.v2"')
  types("repeated", "leave it out", '{ "correspondencepurged", »"no.altinn.correspondence.correspondencepurged" }')
  types("prefix-whole", "leave the star out", '»"attachmentexpired*"')
end)

describe("conditions:", function()
  part("when-attribute", "did you mean 'resource'?", 'when = { »resourse = "acme-letters" },')
  part("when-attribute", "lower-case", 'when = { »Resource = "acme-letters" },')
  part("when-attribute", "here it is when.recipient", 'when = { »reciever = "974760673" },')
  part("resource-capital", "lower case", 'when = { resource = »"Acme-Letters" },')
  part("when-value", "must begin with urn:altinn:resource:", 'when = { resource = »"urn:altin:resource:acme" },')
  part("when-value", "holds a blank", 'when = { resource = { "acme", »"acme letters" } },')
  part("when-value", "an empty list", "when = { resource = »{} },")
  part("when-empty", "leave it out", "when = »{},")
  part("when-form", "when = { resource =", 'when = »"acme-letters",')
  part("subject-form", "take the number alone", 'when = { subject = »"987654321" },')
  part("subject-form", "when.recipient", 'when = { recipient = »"12345678" },')
  part("when-boolean", "no(…)", 'when = { resource = »not "acme-letters" },')
  part("never", "remove one of the conditions", 'when = »{ sender = "974760673", recipient = "991825827" },')
  part("party", "write when.recipient", 'when = { »sender = "974760673" },')
  part("organisation", "register of organisations", 'when = { recipient = »"974760672" },')
  part("identity-number", "the number of a person", 'when = { recipient = »"01020312345" },')
  part("prefix-whole", "without prefix", 'when = { recipient = »prefix "974760673" },')
  part("undefined", "in quotes?", "when = { resource = »acme_letters },")
end)

describe("what a head says of runs:", function()
  part("order-attribute", "did you mean 'letter'?", 'order = »"leter",')
  part("order-attribute", "who is meant stands in its subject", 'order = »"recipient",')
  part("order-form", "{ constant = \"…\" }", "order = »true,")
  part("order-alike", "{ constant = \"…\" }", 'order = »"specversion",')
  part("order-apart", "order = false", 'order = »"time",')
  part("trust-form", "\"hint\" or \"confirmed\"", 'trust = »"yes",')
  part("trust-foreign", "leave trust out", 'trust = »"confirmed",', '"com.example.paid"')
  part("unless-form", "been = { \"Read\" }", "unless = »{},")
  part("unless-status", "did you mean 'Confirmed'?", 'unless = { been = { "Read", »"Confrmed" } },')
  part("unless-power", "add \"read:details\"", 'unless = { been = { "Read" } }, may = »{ "send:print" },')
  part("unless-thing", "only letters", 'unless = »{ been = { "Read" } },', '"notificationcreated"')
  part("unless-always", "never runs", 'unless = { been = »{ "Read" } },', '"correspondencereceiverread"')
  part("may-unknown", "did you mean 'confirm'?", 'may = { "read:details", »"confrim" },')
  part("may-unknown", "altinn-events explain", 'may = { »"everything" },')
  part("may-form", "may = { \"read:details\"", 'may = »"read:details",')
  part("target", "did you mean 'print'?", 'may = { »"send:prnt" },')
  part("retry-form", "retry = { within = \"36h\" }", 'retry = »"36h",')
  part("retry-form", "whole number above 0", "retry = { attempts = »1.5 },")
  part("retry-span", "like 90s, 10m, 36h or 3d", 'retry = { within = »"3 working days" },')
  part("retry-word", "did you mean 'network'?", 'retry = { on = { »"netwrok" } },')
  part("retry-word", "a status is a number: 503", 'retry = { on = { »"503" } },')
  part("span", '"36h"', "retry = { within = »36 },")
  part("retry-never", "attempts = 1", "retry = { within = »0 },")
  part("retry-long", "later { at", 'retry = { within = »"5000d" },')
  part("override-form", "did you mean 'never'?", 'override = { [422] = »"nevr" },')
  part("override-retry", "leave one of them out",
    'retry = { on = { 503, "network" } }, override = { network = »"never" },')
  part("override-idle", "leave it out", 'override = { [503] = »"again" },')
  part("limit-form", "above 0", "limit = { seconds = »-1 },")
  part("limit-small", "1024 * 1024", "limit = { memory = »64 },")
  part("limit-large", "not of waiting", "limit = { seconds = »7200 },")
  part("shadow-off", "leave one of them out", "enabled = false, shadow = »true,")
  part("repeats-idle", "leave it out", "repeats = »true,", '"dialogseen"')
  told("rule-duplicate", "remove one of them", rule() .. rule():gsub('name = "a"', '»name = "b"'))
end)

describe("what Lua cannot read:", function()
  told("comma", "write a comma there", 'rule {\n  name = "a"»\n  on = "*", run = function() return done() end,\n}\n')
  told("comma", "write a comma there", 'rule {\n  name = "a", on = "*",\n  run = function() return done() end»\n'
    .. '  other = function() return done() end,\n}\n')
  part("comma", "remove it", "order = false,»,")
  part("comma", "write a comma there", 'may = { "read:details"» "confirm" },')
  part("colon-key", "write order = …", "»order: false,")
  part("quoted-key", "write order = …", '»"order" = false,')
  part("quotes", 'write "', "about = »“greets”,")
  part("odd-character", "delete it", "order =»\194\160false,")
  part("text-open", "close the quotation marks", 'about = »"greets,')
  part("text-open", "the other kind of quotation marks", "about = 'it»'s',")
  part("function-name", "write other = function", "»function other() return done() end,")
  body("end-missing", "write end", '    »if event.id == "x" then\n      return skip("a")\n    return done()')
  body("end-missing", "elseif does not", '    »if event.id == "x" then\n      log("x")\n    else if event.id == "y"'
    .. ' then\n      log("y")\n    end\n    return done()')
  told("bracket-open", "write } where it belongs",
    'rule »{\n  name = "a", on = "*", run = function() return done() end,\n')
  body("bracket-open", "write ) where it belongs", '    return skip»("a"')
  body("closed-twice", "remove it", '    return skip("a")»)')
  body("operator", "~=", '    if event.id »!= "x" then return skip("a") end return done()')
  body("operator", "written and", '    if event.id »&& event.type then return skip("a") end return done()')
  body("operator", "begins with --", '    »// the letter\n    return done()')
  body("operator", "x = x + 1", '    local n = 1\n    n »+= 1\n    return done(tostring(n))')
  body("foreign-word", "write local", '    »var n = 1\n    return done(tostring(n))')
  body("foreign-word", "write elseif",
    '    if event.id == "x" then return done() »elif event.id == "y" then return done() end')
  body("equals-single", "write ==", '    if event.id »= "x" then return skip("a") end return done()')
  body("word-missing", "write if … then", '    if event.id == "x"» return skip("a") end return done()')
  told("braces", "write { and }", 'rule»(\n  name = "a", on = "*", run = function() return done() end\n)\n')
  told("not-lua", "this is JSON", '»{ "name": "a" }\n')
  told("not-lua", "this is YAML", "»name: a\non: correspondencepublished\n")
  told("no-rule", "without return", '»return { name = "a", on = "*", run = function() return done() end }\n')
  told("no-rule", "without the equals sign", '»rule = { name = "a", on = "*", run = function() return done() end }\n')
  told("no-rule", "lib", "»local x = 1\n")
  told("undefined", "did you mean 'rule'?", '»rules { name = "a", on = "*", run = function() return done() end }\n')
  part("undefined", "one equals sign", '»order == false,')
  told("assigned", "write local", "»targets = { 1 }\n" .. rule())
  told("forbidden", "not for rules", 'local d = »debug\n' .. rule())
  told("module-missing", "put it into the folder lib/", 'local words = require »"words"\n' .. rule())
  told("io-at-load", "do it in a body", 'local list = »io.open "list.txt"\n' .. rule())
  told("mark-inside", "delete it", rule('about = "»\239\187\191greets",'), "a byte order mark")
  told("quotes-inside", "remove them", rule('owner = »"“post”",'), "quotation marks in a text")
end)

describe("files that are right all the same:", function()
  for title, text in pairs {
    ["a byte order mark at the beginning"] = "\239\187\191" .. rule(),
    ["lines that end as in Windows"] = (rule():gsub("\n", "\r\n")),
    ["a line for the shell"] = "#!/usr/bin/env lua\n" .. rule(),
    ["comments of all kinds"] = "--[==[ a\nb ]==] -- c\n" .. rule(),
    ["letters beyond ASCII"] = rule('about = "blå 𝄞 – “ok”",'),
  } do
    it(title, function() assert.are.same({}, lint.lines(text)) end)
  end

  it("places are counted after a byte order mark, and in lines that end as in Windows", function()
    is_told(lint.find("\239\187\191" .. (rule('ordre = false,'):gsub("\n", "\r\n"))), "rules/example.lua", "rule-part",
      3, 3, "did you mean 'order'?")
    is_told(lint.find(rule('about = "blå", ordre = false,')), "rules/example.lua", "rule-part", 3, 18, "order")
  end)
end)

-- A mistake at the mark of a configuration.
local function configured(code, words, text)
  it(("%s: %s"):format(code, words), function()
    local plain, line, column = place_of(text)
    is_told(lint.find { ["altinn-events.lua"] = plain, ["rules/example.lua"] = rule(),
      environment = "SECRET=0123456789abcdef0123456789abcdef\nSHORT=abc\n" }, "altinn-events.lua", code, line, column,
      words)
  end)
end

describe("the configuration:", function()
  configured("config-key", "did you mean 'rules'?", 'return {\n  »ruels = { "rules" },\n}\n')
  configured("config-key", "did you mean 'seconds'?", "return {\n  limits = {\n    »secnds = 10,\n  },\n}\n")
  configured("config-key", "did you mean 'timeout'?",
    'return {\n  targets = {\n    print = { url = "https://print.example.no", »tiemout = 1 },\n  },\n}\n')
  configured("config-key", "there are: format", "return {\n  log = { »colour = true },\n}\n")
  configured("config-value", "HOST:PORT", 'return {\n  listen = »8480,\n}\n')
  configured("config-value", "production, tt02", 'return {\n  environment = »"tt2",\n}\n')
  configured("config-value", "whole number", 'return {\n  limits = { seconds = »"10" },\n}\n')
  configured("config-value", "\"logfmt\" or \"json\"", 'return {\n  log = { format = »"xml" },\n}\n')
  configured("config-value", "write it like 2026-12-24", 'return {\n  holidays = »{ "24.12.2026" },\n}\n')
  configured("config-either", "exclude each other",
    'return {\n  environment = "tt02",\n  »base_url = "http://127.0.0.1:1",\n}\n')
  configured("target-kind", "has no url", "return {\n  targets = { »print = { timeout = 1 } },\n}\n")
  configured("target-kind", "in one place",
    'return {\n  targets = { »print = { url = "https://a.example.no", folder = "/tmp" } },\n}\n')
  configured("target-key", "and this one has url",
    'return {\n  targets = { print = { url = "https://a.example.no", »password = env "SECRET" } },\n}\n')
  configured("http-plain", "write https://",
    'return {\n  targets = { print = { url = »"http://print.example.no" } },\n}\n')
  configured("ports-same", "each needs its own",
    'return {\n  listen = "127.0.0.1:8480",\n  admin = »"127.0.0.1:8480",\n}\n')
  configured("door-open", "openssl rand -hex 32", 'return {\n  endpoint = »"https://hooks.example.no/events",\n}\n')
  configured("door-open", "loopback", 'return {\n  listen = »"0.0.0.0:8480",\n}\n')
  configured("endpoint-form", "must begin with https://", 'return {\n  environment = "tt02", secret = env "SECRET",\n'
    .. '  endpoint = »"http://hooks.example.no/events",\n}\n')
  configured("admin-open", "127.0.0.1", 'return {\n  admin = »"0.0.0.0:8481",\n}\n')
  configured("secret-short", "openssl rand", 'return {\n  secret = »env "SHORT",\n}\n')
  configured("secret-readable", "chmod o-r", 'return {\n  secret = »"0123456789abcdef0123456789abcdef",\n}\n')
  configured("resources-form", "capital", 'return {\n  resources = { »"Acme" },\n}\n')
  configured("not-lua", "this is JSON", '»{ "listen": "127.0.0.1:8480" }\n')
  configured("not-lua", "this is YAML", "»listen: 127.0.0.1:8480\n")
  configured("config-form", "return { listen", '»{ listen = "127.0.0.1:8480" }\n')
  configured("comma", "write one comma", 'return {\n  listen = "127.0.0.1:8480"»\n  admin = "127.0.0.1:8481",\n}\n')
  configured("quotes", 'write "', "return {\n  listen = »“127.0.0.1:8480”,\n}\n")

  for title, case in pairs {
    ["a word without quotes"] = { "config-word", 2, "quotation marks", "return {\n  environment = tt02,\n}\n" },
    ["os.getenv"] = { "config-word", 2, "env \"NAME\"", 'return {\n  secret = os.getenv "SECRET",\n}\n' },
    ["yes"] = { "config-word", 2, "true or false", "return {\n  narrow = yes,\n}\n" },
    ["a misspelt word"] = { "config-word", 2, "did you mean 'env'?", 'return {\n  secret = enw "SECRET",\n}\n' },
    ["a key outside of the table"] = { "config-form", 1, "return { … }", 'listen = "127.0.0.1:8480"\n' },
    ["a variable that is not set"] = { "secret-missing", 2, "--env-file", 'return {\n  secret = env "NOWHERE",\n}\n' },
  } do
    it(title, function()
      is_told(lint.find { ["altinn-events.lua"] = case[4], ["rules/example.lua"] = rule(), environment = "SECRET=x\n" },
        "altinn-events.lua", case[1], case[2], nil, case[3])
    end)
  end

  it("shows no value of a text that Lua cannot read", function()
    for _, text in ipairs { 'return {\n  secret = "hush-hush"\n  listen = "127.0.0.1:1",\n}\n',
      'return {\n  "hush-hush": 1,\n}\n', "return {\n  secret = hush-hush hush\n}\n",
      'return {\n  secret = "hush-hush,\n}\n',
      "return {\n  secret = “hush-hush”,\n}\n", "return {\n  listen = 1\n  hush = 1\n}\n" } do
      local list = lint.find { ["altinn-events.lua"] = text, ["rules/example.lua"] = rule() }
      assert.are.equal("error", list[1].severity)
      for _, one in ipairs(list) do
        assert.is_nil((findings.told(one):find("hush", 1, true)), findings.told(one))
        for _, edit in ipairs(one.fix or {}) do
          assert.is_nil((edit.text:find("hush", 1, true)), edit.text)
        end
      end
    end
  end)
end)

describe("the command line:", function()
  before_each(command.begin)
  after_each(command.finish)

  -- What a command says, and its status.
  local function says(status, words, ...)
    local arguments = { ... }
    it(table.concat(arguments, " ") .. ": " .. words, function()
      command.rules()
      command.write("notes.txt", "no Lua at all")
      assert(os.execute("mkdir -p " .. command.folder .. "/empty " .. command.folder .. "/mine"))
      command.write("mine/altinn-events.lua", 'return { rules = { "here" } }')
      assert(os.execute("mkdir -p " .. command.folder .. "/mine/here"))
      local found, _, err = command.run(table.unpack(arguments))
      assert.are.equal(status, found, err)
      command.says(err, words)
    end)
  end

  says(1, "nowhere.lua: error: No such file or directory (in /", "check", "nowhere.lua")
  says(1, "empty: error: the folder holds no rule file (*.lua): put rule files", "check", "empty")
  says(1, "notes.txt:1:", "check", "notes.txt")
  says(2, "nowhere.lua: error: No such file or directory: name a file", "check", "--config", "nowhere.lua")
  says(1, "paths are relative to the folder in which the command runs", "check", "--config", "mine/altinn-events.lua")
  says(2, "error: --env-file nowhere: No such file or directory: name a file", "check", "--env-file", "nowhere")
  says(2, "--dry-run goes with --fix", "check", "--dry-run")
  says(2, "--format", "check", "--format", "yaml")
  says(2, "--severity", "check", "--severity", "fatal")
  says(2, "Did you mean 'check'?", "chekc")
  says(1, "nowhere.db: error: ", "check", "--inbox", "nowhere.db")
  says(2, "did you mean 'comma'?", "explain", "coma")
end)
