-- The command as its users run it: words, exit codes, what is printed.
local cjson = require "cjson"
local command = require "spec.support.command"
local events = require "altinn.events"
local process = require "spec.support.process"

local run, shell, says, silent = command.run, command.shell, command.says, command.silent
local write, rules_folder = command.write, command.rules
local person = "12345678901"
local folder

before_each(function() folder = command.begin() end)
after_each(command.finish)

describe("altinn-events", function()
  it("version", function()
    local status, out, err = run "version"
    assert.are.equal(0, status)
    assert.are.equal(("altinn-events %s (Lua 5.4)\n"):format(events._VERSION), out)
    assert.are.equal("", err)
  end)

  it("--help, on everything", function()
    local status, out = run "--help"
    assert.are.equal(0, status)
    says(out, "run", "check", "send", "inbox", "why", "version")
    for _, words in ipairs { { "run" }, { "check" }, { "send" }, { "inbox" }, { "why" }, { "version" },
      { "inbox", "list" }, { "inbox", "show" }, { "inbox", "retry" }, { "inbox", "discard" } } do
      words[#words + 1] = "--help"
      status, out = run(table.unpack(words))
      assert.are.equal(0, status)
      says(out, "Usage: altinn-events " .. words[1])
    end
  end)

  it("used wrongly: 2, and how it is used", function()
    for _, words in ipairs { {}, { "chekc" }, { "check", "--lisst" }, { "run", "--workers", "many" }, { "send", "x" },
      { "send", "--to", "http://x" }, { "inbox" }, { "inbox", "show" }, { "inbox", "list", "--limit", "many" },
      { "why" }, { "version", "now" }, { "inbox", "list", "--limit", "1.5" }, { "inbox", "list", "--limit", "0" },
      { "run", "--workers", "1.5" } } do
      local status, out, err = run(table.unpack(words))
      assert.are.equal(2, status, table.concat(words, " "))
      assert.are.equal("", out)
      says(err, "Usage: altinn-events", "Error: ")
      silent(err, "traceback")
    end
    local _, _, err = run "chekc"
    says(err, "Did you mean 'check'?")
  end)

  it("works from any folder and through the environment of make", function()
    assert.are.equal(0, (shell 'mkdir -p deep/er && cd deep/er && "$ae" version'))
  end)
end)

describe("check", function()
  it("is silent and 0 when all is well", function()
    rules_folder()
    for _, words in ipairs { { "check" }, { "check", "rules" }, { "check", "rules/one.lua" } } do
      local status, out, err = run(table.unpack(words))
      assert.are.equal(0, status)
      assert.are.equal("", out)
      assert.are.equal("", err)
    end
  end)

  it("--list names the rules with their places", function()
    rules_folder()
    local status, out = run("check", "--list")
    assert.are.equal(0, status)
    assert.are.equal("rules/one.lua:1: welcome: greets\nrules/one.lua:5: off\n", out)
  end)

  it("--json", function()
    rules_folder()
    local status, out = run("check", "--json")
    assert.are.equal(0, status)
    local result = cjson.decode(out)
    assert.is_true(result.ok)
    assert.are.equal("welcome", result.rules[1].name)
    assert.are.equal("rules/one.lua", result.rules[1].file)
    assert.are.equal(1, result.rules[1].line)
    assert.is_false(result.rules[2].enabled)
    rules_folder "rule {"
    status, out = run("check", "--json")
    assert.are.equal(1, status)
    result = cjson.decode(out)
    assert.is_false(result.ok)
    assert.are.equal("rules/one.lua", result.findings[1].file)
    assert.are.equal(1, result.findings[1].line)
    assert.are.equal("error", result.findings[1].severity)
  end)

  it("--json keeps lists as lists when they are empty", function()
    rules_folder()
    local _, out = run("check", "--json")
    says(out, '"findings":[]')
    rules_folder "rule {"
    _, out = run("check", "--json")
    says(out, '"rules":[]')
  end)

  it("a broken rule: 1, with file and line", function()
    rules_folder '\nrule { name = "one", on = "correspondencepublihsed", run = print }'
    local status, out, err = run "check"
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "rules/one.lua:2:27: error: rule 'one': on: 'correspondencepublihsed'",
      "did you mean 'correspondencepublished'?")
    rules_folder "rule {\n\n"
    status, out, err = run "check"
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "rules/one.lua:")
    silent(err, "traceback")
  end)

  it("no rules: 1, and where they were looked for", function()
    local status, out, err = run "check"
    local _
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, ("rules: error: No such file or directory (in %s): name a file that is there"):format(folder))
    _, _, err = run("why", "1")
    says(err, ("rules: No such file or directory (in %s)"):format(folder))
    status, out, err = run("check", "no-such.lua")
    assert.are.equal("", out)
    assert.are.equal(1, status)
    says(err, "no-such.lua: error: No such file or directory")
  end)

  it("a broken configuration: 2, with file and line", function()
    rules_folder()
    write("altinn-events.lua", 'return {\n  secret = AE_NOT_SET,\n}')
    local status, out, err = run "check"
    assert.are.equal(2, status)
    assert.are.equal("", out)
    says(err, "altinn-events.lua:2:1: error: a word that is not defined: texts stand in quotation marks [config-word]")
    write("mine.lua", "return { ruels = {} }")
    status, out, err = run("check", "--config", "mine.lua")
    assert.are.equal(2, status)
    assert.are.equal("", out)
    says(err, "mine.lua:1:10: error: unknown key 'ruels' (did you mean 'rules'?) [config-key]", "--fix mends 1")
  end)

  it("takes the rules from the configuration", function()
    assert(os.execute("mkdir " .. process.quote(folder .. "/mine")))
    write("mine/x.lua", command.GOOD)
    write("altinn-events.lua", 'return { rules = "mine" }')
    local status, out = run("check", "--list")
    assert.are.equal(0, status)
    says(out, "mine/x.lua:1: welcome")
  end)
end)

describe("a secret that is not there for this user", function()
  local configuration = 'return {\n  listen = "127.0.0.1:0", admin = "127.0.0.1:0", secret = env "AE_NOT_SET",\n}'

  it("is a hint of check, and stops what needs it alone", function()
    rules_folder()
    write("altinn-events.lua", configuration)
    local status, out, err = run "check"
    assert.are.equal(0, status)
    assert.are.equal("", out)
    says(err, 'altinn-events.lua:2:1: hint: env "AE_NOT_SET": this variable is not set')
    local _
    status, _, err = run("inbox", "list", "--inbox", "none.db")
    assert.are.equal(1, status)
    silent(err, "AE_NOT_SET")
    status, _, err = run("run", "--once")
    assert.are.equal(2, status)
    says(err, 'altinn-events.lua:2: env "AE_NOT_SET": this variable is not set')
  end)

  it("comes from --env-file", function()
    rules_folder()
    write("altinn-events.lua", configuration)
    write("environment", "AE_NOT_SET=0123456789abcdef\nOTHER=Bearer x\n")
    local status, out, err = run("check", "--env-file", "environment")
    assert.are.same({ 0, "", "" }, { status, out, err })
    local _
    status, _, err = run("run", "--once", "--env-file", "environment")
    assert.are.equal(0, status, err)
  end)
end)

describe("what is printed", function()
  it("commands no terminal", function()
    rules_folder()
    write("odd\27]0;title\7.lua", "rule {")
    local status, _, err = run("check", "odd\27]0;title\7.lua")
    assert.are.equal(1, status)
    assert.is_nil(err:find("[\27\7]"))
    says(err, "odd\\u001b]0;title\\u0007.lua:1:")
    write("two.lua", 'rule { name = "two", about = "one\\nno.lua:1: other", on = "*", run = function() end }')
    local _, out = run("check", "--list", "two.lua")
    assert.are.equal("two.lua:1: two: one\\u000ano.lua:1: other\n", out)
    local visible = require("altinn.events.support.text").visible
    assert.are.equal("a\\u202eb\\u2066c\\u200f — €", visible("a\226\128\174b\226\129\166c\226\128\143 — €"))
  end)
end)

describe("used wrongly, the command says", function()
  it("how the command is used that was meant, and which option is wrong", function()
    for _, case in ipairs {
      { { "run", "--lisen" }, "Usage: altinn-events run ", "Did you mean '--listen'?" },
      { { "inbox", "list", "--limit", "x" }, "Usage: altinn-events inbox list ", "--limit: 'x' is no whole number" },
      { { "send", "x" }, "Usage: altinn-events send ", "--to" },
      { { "run", "--workers", "0" }, "--workers: '0' is no whole number above 0" },
      { { "apply", "--wait", "soon" }, "--wait: 'soon' is no number of seconds" },
      { { "check", "--format", "xml" }, "Usage: altinn-events check ", "--format" },
      { { "chekc" }, "Usage: altinn-events [-h]", "Did you mean 'check'?" },
    } do
      local status, out, err = run(table.unpack(case[1]))
      assert.are.equal(2, status)
      assert.are.equal("", out)
      says(err, table.unpack(case, 2))
    end
  end)

  it("--version and help", function()
    local status, out = run "--version"
    assert.are.equal(0, status)
    says(out, "altinn-events " .. events._VERSION)
    status, out = run "help"
    assert.are.equal(0, status)
    says(out, "Usage: altinn-events [-h]", "subscriptions", "doctor")
    -- Each verb is one line, whatever its own --help has to say.
    for line in out:match("\nCommands:\n(.*)$"):gmatch "[^\n]+" do assert(line:find "^   %l[%l-]* +%S", line) end
    status, out = run("help", "inbox", "list")
    assert.are.equal(0, status)
    says(out, "Usage: altinn-events inbox list ", "--limit")
  end)

  it("which file is no event, and which is none at all", function()
    rules_folder()
    local status, _, err = run("why", "nofile.json")
    assert.are.equal(1, status)
    says(err, "nofile.json: No such file or directory")
    write("bad.json", '{"specversion":"1.0",')
    status, _, err = run("why", "bad.json")
    assert.are.equal(1, status)
    says(err, "altinn-events: bad.json: ", "the JSON text ends too early")
    write("bom.json", '\239\187\191{"specversion":"1.0","id":"1","type":"t","source":"/x"}')
    assert.are.equal(0, (run("why", "bom.json")))
  end)
end)

describe("run", function()
  it("refuses what cannot be served: the status says whose fault", function()
    rules_folder()
    local status, _, err = run("run", "--listen", "0.0.0.0:0")
    assert.are.equal(2, status)
    says(err, "without a secret the host listens on the loopback address only")
    rules_folder "rule {"
    status, _, err = run("run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    assert.are.equal(1, status)
    says(err, "rules/one.lua:1:")
    rules_folder 'rule { name = "one", on = "*", may = { "send:print" }, run = print }'
    status, _, err = run("run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    assert.are.equal(1, status)
    says(err, "there is no target 'print' in the configuration")
  end)

  it("--once ends by itself, with the variables and the file in force", function()
    rules_folder()
    write("altinn-events.lua", 'return { listen = "127.0.0.1:0", admin = "127.0.0.1:0", inbox = "file.db" }')
    local status, _, err = shell 'ALTINN_EVENTS_INBOX=env.db timeout 20 "$ae" run --once --workers 1'
    assert.are.equal(0, status, err)
    says(err, "msg=listening address=127.0.0.1:")
    assert.is_string(process.read(folder .. "/env.db"))
    assert.is_nil(process.read(folder .. "/file.db"))
    status, _, err = shell 'ALTINN_EVENTS_INBOX=env.db timeout 20 "$ae" run --once --workers 1 --inbox option.db'
    assert.are.equal(0, status, err)
    assert.is_string(process.read(folder .. "/option.db"))
  end)
end)

describe("run --once", function()
  it("ends also when a target cannot be reached: what waits for another attempt stays", function()
    rules_folder 'rule { name = "a", on = "*", run = function() return send.http("t") { path = "/x" } end }'
    write("altinn-events.lua", [[return { listen = "127.0.0.1:0", admin = "127.0.0.1:0", inbox = "one.db",
      targets = { t = { url = "http://127.0.0.1:1" } } }]])
    write("event.json", '{"specversion":"1.0","id":"1","type":"t","source":"/x"}')
    local status, _, err = shell [[
      "$ae" run 2>log & host=$!
      for i in $(seq 200); do grep -q listening log && break; sleep 0.1; done
      "$ae" send event.json --to "http://$(sed -n 's/.* address=\([^ ]*\).*/\1/p' log)/events"
      for i in $(seq 200); do grep -q verdict=retry log && break; sleep 0.1; done
      kill $host; wait $host
      timeout 20 "$ae" run --once]]
    assert.are.equal(0, status, err)
    local _, out = run("inbox", "list")
    says(out, "a                        retry")
  end)
end)

describe("send", function()
  it("says what became of each file; 1 when one failed", function()
    write("event.json", '{"specversion":"1.0","id":"1","type":"t","source":"/x"}')
    write("broken.json", '{"specversion":"1.0","id":"","type":"t","source":"/x"}')
    local server, port = process.serve(folder, "echo", "lua5.4 spec/support/echo_server.lua")
    finally(function() server:stop() end)
    local url = ("http://127.0.0.1:%d"):format(port)
    local status, out, err = run("send", "event.json", "--to", url .. "/status/200")
    assert.are.equal(0, status, err)
    assert.are.equal("event.json: 1: 200 status 200\n", out)
    write("bom.json", "\239\187\191" .. process.read(folder .. "/event.json"))
    status, out, err = run("send", "bom.json", "--to", url .. "/status/200")
    assert.are.equal(0, status, err)
    assert.are.equal("bom.json: 1: 200 status 200\n", out)
    status, out = run("send", "event.json", "--to", url .. "/status/503")
    assert.are.equal(1, status)
    assert.are.equal("event.json: 1: 503 status 503\n", out)
    status, out, err = run("send", "broken.json", "none.json", ".", "event.json", "--to", url .. "/status/200")
    assert.are.equal(1, status)
    assert.are.equal("event.json: 1: 200 status 200\n", out)
    says(err, "broken.json: id", "\nnone.json: No such file", ".: ")
    silent(err, "traceback")
    status, out, err = run("send", "event.json", "--to", "http://127.0.0.1:1/events")
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "event.json: ")
    status, out = shell(('"$ae" send - --to %s/status/202 <event.json'):format(url))
    assert.are.equal(0, status)
    assert.are.equal("-: 1: 202 status 202\n", out)
  end)

  it("says what is wrong with its words", function()
    write("event.json", '{"specversion":"1.0","id":"1","type":"t","source":"/x"}')
    for _, words in ipairs { { "--to", "http://127.0.0.1:1", "--type", "a\nb" }, { "--to", "" },
      { "--to", "ftp://x/" } } do
      local status, out, err = run("send", "event.json", table.unpack(words))
      assert.are.equal(1, status)
      assert.are.equal("", out)
      says(err, "event.json: ")
      silent(err, "traceback")
    end
    write(person .. ".json", "{")
    silent(select(3, run("send", person .. ".json", "no-" .. person, "--to", "http://127.0.0.1:1")), person)
  end)

  it("masks what comes back", function()
    write("event.json", '{"specversion":"1.0","id":"1","type":"t","source":"/x","subject":"/person/' .. person .. '"}')
    local server, port = process.serve(folder, "echo", "lua5.4 spec/support/echo_server.lua")
    finally(function() server:stop() end)
    local status, out = run("send", "event.json", "--to", ("http://127.0.0.1:%d/echo"):format(port))
    assert.are.equal(0, status)
    silent(out, person)
    says(out, "***********")
  end)
end)
