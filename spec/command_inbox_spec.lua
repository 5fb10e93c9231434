-- What came in, as the command shows it: inbox list, show, retry, discard, and why.
local cjson = require "cjson"
local command = require "spec.support.command"
local events = require "altinn.events"
local inbox_file = require "spec.support.inbox_file"
local process = require "spec.support.process"
local sql = require "spec.support.sql"

local run, shell, says, silent = command.run, command.shell, command.says, command.silent
local write, rules_folder = command.write, command.rules
local folder

before_each(function() folder = command.begin() end)
after_each(command.finish)

-- An inbox with events made by hand.

local person = "12345678901"

local function execute(text, ...) return sql.execute(folder .. "/altinn-events.db", text, ...) end

local function query(text, ...) return sql.query(folder .. "/altinn-events.db", text, ...) end

local function add_event(sequence, received, id, kind, more)
  local body = ('{"specversion":"1.0","id":"%s","type":"no.altinn.correspondence.%s","source":"/x",'
    .. '"resource":"urn:altinn:resource:acme-letters","resourceinstance":"letter-%d"%s}')
    :format(id, kind, sequence, more or "")
  execute("INSERT INTO event VALUES (?, ?, ?, CAST(? AS BLOB))", sequence, received * 1000, nil, body)
end

local function add_run(sequence, rule, state, reason)
  execute("INSERT INTO run(sequence, rule, state, attempt, due, reason, changed)"
    .. " VALUES (?, ?, ?, 2, 1790000000000, ?, 1780000000000)", sequence, rule, state, reason)
end

-- One event of each state; 1 is the oldest.
local function make_inbox()
  inbox_file.empty(folder .. "/altinn-events.db")
  add_event(1, 1780000000, "id-one", "correspondencepublished",
    (',"subject":"urn:altinn:person:identifier-no:%s"'):format(person))
  add_run(1, "print", "dead", "gave up on /person/" .. person .. "\nstack traceback:\n\tfoo")
  add_run(1, "note", "done", nil)
  execute("INSERT INTO effect(key, sequence, rule, target, request, state, status, attempt, reason, recorded, changed, "
    .. "answer) VALUES (?, 1, 'print', 'printer', 'POST /jobs', 'refused', 422, 1, ?, 0, 0, ?)",
    "printer:" .. person, "no job for " .. person, "unknown " .. person)
  add_event(2, 1780000100, "id-two", "correspondencepurged")
  add_run(2, "print", "retry", "status 503")
  execute "INSERT INTO waiting VALUES (2, 1, 'print')"
  add_event(3, 1780000200, "id-three", "correspondencepurged")
  execute("INSERT INTO waiting VALUES (3, 2, ?)", "print\nnote")
  add_event(4, 1780000300, "twice", "correspondencepublished")
  add_run(4, "print", "done", nil)
  add_event(5, 1780000400, "twice", "correspondencepublished")
  add_run(5, "print", "skipped", "nothing to do")
  add_event(6, os.time() - 60, "id-six", "attachmentpublished")
end

local function listing(...)
  local status, out, err = run("inbox", "list", "--json", ...)
  assert.are.equal(0, status, err)
  return cjson.decode(out)
end

local function sequences(...)
  local list = {}
  for index, event in ipairs(listing(...).events) do list[index] = event.sequence end
  return list
end

describe("inbox list", function()
  before_each(make_inbox)

  it("shows the newest first, with runs", function()
    local status, out = run("inbox", "list")
    assert.are.equal(0, status)
    local order = {}
    for number in out:gmatch("%f[^\n\0] +(%d+)  %d%d%d%d%-") do order[#order + 1] = tonumber(number) end
    assert.are.same({ 6, 5, 4, 3, 2, 1 }, order)
    says(out, "2026-05-28T20:26:40Z", "dead", "letter-1", "print", "skipped", "attempt 2: nothing to do", "6 of 6\n")
    silent(out, "stack traceback")
  end)

  it("--json", function()
    local list = listing()
    assert.are.equal(6, list.count)
    assert.are.equal(6, #list.events)
    local last = list.events[6]
    assert.are.equal("id-one", last.id)
    assert.are.equal("dead", last.state)
    assert.are.equal("no.altinn.correspondence.correspondencepublished", last.type)
    assert.are.equal("letter-1", last.resourceinstance)
    assert.are.equal("note", last.runs[1].rule)
    assert.are.equal("done", last.runs[1].verdict)
    assert.are.equal(2, last.runs[2].attempt)
    assert.are.equal("2026-09-21T14:13:20Z", list.events[5].runs[1].due)
  end)

  it("--state, each", function()
    assert.are.same({ 1 }, sequences("--state", "dead"))
    assert.are.same({ 2 }, sequences("--state", "retry"))
    assert.are.same({ 3 }, sequences("--state", "waiting"))
    assert.are.same({ 4 }, sequences("--state", "done"))
    assert.are.same({ 5 }, sequences("--state", "skipped"))
    assert.are.same({ 6 }, sequences("--state", "unmatched"))
    local status, _, err = run("inbox", "list", "--state", "died")
    assert.are.equal(1, status)
    says(err, "--state died: one of abandoned, dead, discarded, done, held, later, retry, shadowed, "
      .. "skipped, unmatched, waiting (did you mean 'dead'?)")
  end)

  it("--type, short and full", function()
    assert.are.same({ 3, 2 }, sequences("--type", "correspondencepurged"))
    assert.are.same({ 3, 2 }, sequences("--type", "no.altinn.correspondence.correspondencepurged"))
    assert.are.same({}, sequences("--type", "com.example.other"))
  end)

  it("--since, a span or a time", function()
    assert.are.same({ 6 }, sequences("--since", "10m"))
    assert.are.same({ 6 }, sequences("--since", "2026-06-01"))
    assert.are.same({ 6, 5, 4 }, sequences("--since", "2026-05-28T20:31:40Z"))
    assert.are.same({ 6, 5, 4 }, sequences("--since", "2026-05-28T22:31:40+02:00"))
    assert.are.same({}, sequences("--since", "1s"))
    for _, wrong in ipairs { "yesterday", "2026-13-01", 'x"' } do
      local status, _, err = run("inbox", "list", "--since", wrong)
      assert.are.equal(1, status)
      says(err, "--since " .. wrong .. ": neither a span")
    end
  end)

  it("--limit bounds what is shown, not the count", function()
    local list = listing("--limit", "2")
    assert.are.equal(6, list.count)
    assert.are.equal(2, #list.events)
    local _, out = run("inbox", "list", "--limit", "2", "--type", "correspondencepurged")
    says(out, "2 of 2\n")
    for _, wrong in ipairs { "1.5", "-1" } do
      local status = run("inbox", "list", "--limit", wrong)
      assert.are_not.equal(0, status, wrong)
    end
  end)

  it("tells nobody's number", function()
    local status, out = run("inbox", "list")
    assert.are.equal(0, status)
    silent(out, person)
    status, out = run("inbox", "list", "--json")
    assert.are.equal(0, status)
    silent(out, person)
    says(out, "urn:altinn:person:identifier-no:***********")
  end)

  it("nor one in any other attribute", function()
    execute("UPDATE event SET subscription = ?, body = CAST(? AS BLOB) WHERE sequence = 6", "of-" .. person,
      ('{"specversion":"1.0","id":"%s","type":"x.%s","source":"/%s","resource":"urn:altinn:resource:%s",'
        .. '"resourceinstance":"%s","subject":"%s"}'):format(person, person, person, person, person, person))
    for _, words in ipairs { { "inbox", "list" }, { "inbox", "list", "--json" }, { "inbox", "show", "6" },
      { "inbox", "show", "6", "--json" } } do
      local status, out = run(table.unpack(words))
      assert.are.equal(0, status)
      silent(out, person)
    end
  end)

  it("what is no UTF-8 is shown as such", function()
    execute("UPDATE run SET reason = ? WHERE sequence = 1", "bad \xff\xfe\u{e5}\xe5")
    execute("UPDATE event SET subscription = ? WHERE sequence = 1", "\xff")
    local event = listing("--state", "dead").events[1]
    assert.are.equal("\u{FFFD}", event.subscription)
    assert.are.equal("bad \u{FFFD}\u{FFFD}\u{e5}\u{FFFD}", event.runs[2].reason)
  end)

  it("nothing there is an empty list", function()
    local _, out = run("inbox", "list", "--json", "--type", "com.example.other")
    assert.are.equal('{"count":0,"events":[]}\n', out)
    _, out = run("inbox", "list", "--type", "com.example.other")
    assert.are.equal("0 of 0\n", out)
  end)

  it("takes the inbox from option, variable and file", function()
    assert(os.rename(folder .. "/altinn-events.db", folder .. "/other.db"))
    assert.are.equal(6, listing("--inbox", "other.db").count)
    assert.are.equal(0, (shell 'ALTINN_EVENTS_INBOX=other.db "$ae" inbox list'))
    write("altinn-events.lua", 'return { inbox = "other.db" }')
    assert.are.equal(6, listing().count)
  end)
end)

describe("an inbox that is none", function()
  it("is not made by asking for it", function()
    for _, words in ipairs { { "list" }, { "show", "1" }, { "retry", "1" }, { "discard", "1" } } do
      local status, out, err = run("inbox", table.unpack(words))
      assert.are.equal(1, status)
      assert.are.equal("", out)
      says(err, ("altinn-events.db: there is no such inbox in %s; --inbox FILE names another"):format(folder))
      assert.is_nil(process.read(folder .. "/altinn-events.db"))
    end
  end)

  it("is told: another kind of file", function()
    write("altinn-events.db", ("no database "):rep(100))
    local status, _, err = run("inbox", "list")
    assert.are.equal(1, status)
    says(err, "altinn-events.db: ")
    silent(err, "traceback")
  end)
end)

describe("inbox show", function()
  before_each(make_inbox)

  it("shows runs, effects and the event, by number or id", function()
    for _, word in ipairs { "1", "id-one" } do
      local status, out = run("inbox", "show", word)
      assert.are.equal(0, status)
      says(out, "print", "dead", "-> printer refused 422", "it answered: unknown ***********", '"id":"id-one"',
        "note", "done")
      silent(out, person)
      says(out, "***********")
    end
  end)

  it("--json", function()
    local status, out = run("inbox", "show", "1", "--json")
    assert.are.equal(0, status)
    silent(out, person)
    local event = cjson.decode(out)
    assert.are.equal("printer", event.effects[1].target)
    assert.are.equal(422, event.effects[1].status)
    assert.are.equal("refused", event.effects[1].state)
    assert.are.equal("printer:***********", event.effects[1].key)
    says(event.runs[2].reason, "stack traceback")
    assert.are.equal("id-one", cjson.decode(event.body).id)
    out = select(2, run("inbox", "show", "3", "--json"))
    says(out, '"effects":[]', '"attempts":[]', '"acts":[]')
  end)

  it("what is not there: 1", function()
    for _, word in ipairs { "99", "no-such-id", "0", "-1", "1.5", "" } do
      local status, out, err = run("inbox", "show", "--", word)
      assert.are.equal(1, status)
      assert.are.equal("", out)
      says(err, "no event " .. word)
    end
  end)

  it("an id that two events have: 1, and what to do", function()
    local status, _, err = run("inbox", "show", "twice")
    assert.are.equal(1, status)
    says(err, "2 events have the id twice; name one by its number")
  end)
end)

describe("inbox list", function()
  before_each(make_inbox)

  it("--rule, also of runs that wait and have no verdict yet", function()
    assert.are.same({ 5, 4, 3, 2, 1 }, sequences("--rule", "print"))
    assert.are.same({ 3, 1 }, sequences("--rule", "note"))
    assert.are.same({ 3 }, sequences("--rule", "note", "--state", "waiting"))
    assert.are.same({ 1 }, sequences("--rule", "note", "--state", "done"))
    assert.are.same({}, sequences("--rule", "nobody"))
    local _, out, err = run("inbox", "list", "--rule", "prnt")
    assert.are.equal("0 of 0\n", out)
    says(err, "no run of a rule 'prnt' among the newest events (did you mean 'print'?)")
    says(select(3, run("inbox", "list", "--state", "dead", "--cause", "c0ffee")), "no cause is, or holds, 'c0ffee'"
      .. " ('altinn-events inbox list --state dead' shows the causes)")
    _, _, err = run("inbox", "list", "--rule", "print", "--since", "2040-01-01")
    assert.are.equal("", err)
    local runs = listing("--state", "waiting").events[1].runs
    assert.are.same({ "note", "print" }, { runs[1].rule, runs[2].rule })
    assert.are.equal("waiting", runs[1].verdict)
    says(select(2, run("inbox", "list", "--state", "waiting")), "note", "waiting   since 2026-05-28T20:30:00Z")
  end)

  it("--state, those of single runs too", function()
    add_run(4, "other", "abandoned", "gone")
    add_run(5, "other", "later", "soon")
    add_run(6, "other", "held", "not yet")
    assert.are.same({ 4 }, sequences("--state", "abandoned"))
    assert.are.same({ 5 }, sequences("--state", "later"))
    assert.are.same({ 6 }, sequences("--state", "held"))
    assert.are.equal("abandoned", listing("--state", "abandoned").events[1].state)
  end)

  it("a misspelt state or type has a suggestion", function()
    for words, wanted in pairs {
      ["--state abandonned"] = "(did you mean 'abandoned'?)",
      ["--type confirmd"] = "Altinn has no such event type; 'altinn-events types' lists them",
      ["--type correspondencepublishd"] = "Altinn has no such event type (did you mean 'correspondencepublished'?)",
      ["--type no.altinn.correspondence.correspondencepublishd"] = "did you mean 'no.altinn.correspondence.",
    } do
      local status, out, err = run("inbox", "list", words:match "(%S+) (%S+)")
      assert.are.equal(1, status, words)
      assert.are.equal("", out)
      says(err, wanted)
    end
  end)

  it("says that this user may not, not that there is none", function()
    if not os.execute("setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null") then
      return pending "needs to be root"
    end
    os.execute(("chmod 755 %s; chmod 600 %s/altinn-events.db"):format(folder, folder))
    local status, out, err = shell 'setpriv --reuid=65534 --regid=65534 --clear-groups "$ae" inbox list'
    -- (What the shell says of a program that it may not start holds its name, too.)
    if not ("\n" .. err):find "\naltinn%-events: " then return pending "this tree is closed to others" end
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "this user may not open the inbox: run the command as the user that runs the host")
  end)

  it("alone names its commands", function()
    local status, out, err = run("inbox")
    assert.are.equal(2, status)
    assert.are.equal("", out)
    says(err, "list", "show", "retry", "discard", "name one of these commands")
  end)
end)

describe("inbox retry and discard of a filter", function()
  before_each(make_inbox)

  it("reach the runs that the options name, and no others", function()
    add_run(4, "fails", "dead", "x")
    add_run(5, "fails", "dead", "x")
    add_run(5, "waits", "retry", "x")
    local status, out = run("inbox", "retry", "--all", "--state", "dead", "--rule", "fails", "--reason", "mended",
      "--yes")
    assert.are.equal(0, status)
    says(out, "to be put back: 2 runs of 2 events\n", "\n2 runs put back, of 2 events\n")
    assert.are.equal(2, query("SELECT count(*) AS n FROM act WHERE reason = 'mended' AND state = 'dead'")[1].n)
    assert.are.equal(1790000000000, query("SELECT due FROM run WHERE rule = 'waits'")[1].due)
    status, out = run("inbox", "discard", "--state", "dead", "--type", "correspondencepublished", "--yes", "--reason",
      "no")
    assert.are.equal(0, status)
    says(out, "\n1 run discarded, of 1 event\n")
    assert.are.equal(1, (run("inbox", "discard", "--state", "dead", "--reason", "no", "--yes")))
  end)

  it("want to be told which, and what for", function()
    for words, wanted in pairs {
      [""] = "or --all", ["1 --all"] = "not both", ["1 --state dead"] = "not both",
      ["--all"] = "needs --reason TEXT and --yes", ["--state dead --yes"] = "needs --reason TEXT and --yes",
      ["--state dead --reason x"] = "needs --reason TEXT and --yes",
    } do
      for _, verb in ipairs { "retry", "discard" } do
        local list = {}
        for word in words:gmatch "%S+" do list[#list + 1] = word end
        local status, _, err = run("inbox", verb, table.unpack(list))
        assert.are.equal(2, status, verb .. " " .. words)
        says(err, wanted)
      end
    end
    assert.are.equal(0, query("SELECT count(*) AS n FROM act")[1].n)
  end)
end)

describe("inbox retry", function()
  before_each(make_inbox)

  it("puts dead runs back to be tried at once", function()
    local status, out = run("inbox", "retry", "1")
    assert.are.equal(0, status)
    assert.are.equal("1 run put back\n", out)
    local row = query("SELECT * FROM run WHERE sequence = 1 AND rule = 'print'")[1]
    assert.are.equal("retry", row.state)
    assert.is_true(math.abs(row.due / 1000 - os.time()) < 10)
    assert.are.equal(0, row.attempt)
    assert.are.equal("done", query("SELECT state FROM run WHERE sequence = 1 AND rule = 'note'")[1].state)
    assert.are.equal(1, query("SELECT count(*) AS n FROM waiting WHERE sequence = 1")[1].n)
    assert.are.same({ 2, 1 }, sequences("--state", "retry"))
  end)

  it("only of one rule with --rule", function()
    add_run(1, "other", "dead", "x")
    local status, out = run("inbox", "retry", "1", "--rule", "other")
    assert.are.equal(0, status)
    assert.are.equal("1 run put back\n", out)
    assert.are.equal("dead", query("SELECT state FROM run WHERE sequence = 1 AND rule = 'print'")[1].state)
    status, out = run("inbox", "retry", "1")
    assert.are.equal(0, status)
    assert.are.equal("2 runs put back; 1 of them waited for a time, and may go now\n", out)
  end)

  it("nothing to put back: 1, and nothing changes", function()
    for _, words in ipairs { { "4" }, { "6" }, { "1", "--rule", "none" }, { "99" } } do
      local status, out, err = run("inbox", "retry", table.unpack(words))
      assert.are.equal(1, status)
      assert.are.equal("", out)
      says(err, words[1] == "99" and "no event 99"
        or words[3] and "event 1 has no run of the rule none that failed or waits" or "has no run that failed or waits")
    end
    assert.are.equal(2, query("SELECT count(*) AS n FROM waiting")[1].n)
  end)
end)

describe("an act by hand", function()
  before_each(make_inbox)

  it("has the user behind sudo, and whom he works as", function()
    local function user(words) return (assert(io.popen("id " .. words)):read "l") end
    local status, _, err = shell('env -u SUDO_UID "$ae" inbox retry 1 --rule print'
      .. ' && env SUDO_UID=65534 "$ae" inbox discard 2')
    assert.are.equal(0, status, err)
    local own = ("%s (uid %s)"):format(user "-un", user "-u")
    assert.are.same({ { who = own, what = "retry" },
      { who = ("%s (uid 65534) as %s"):format(user "-un 65534", user "-un"), what = "discard" } },
      query "SELECT who, what FROM act ORDER BY number")
  end)
end)

describe("inbox discard", function()
  before_each(make_inbox)

  it("gives dead and waiting runs up, with a reason", function()
    for _, number in ipairs { "1", "2" } do
      local status, out = run("inbox", "discard", number)
      assert.are.equal(0, status)
      assert.are.equal("1 run discarded\n", out)
    end
    local row = query("SELECT * FROM run WHERE sequence = 1 AND rule = 'print'")[1]
    assert.are.equal("discarded", row.state)
    assert.are.equal("discarded by hand", row.reason)
    assert.are.same({}, sequences("--state", "dead"))
    assert.are.same({}, sequences("--state", "retry"))
    local status = run("inbox", "discard", "1")
    assert.are.equal(1, status)
  end)

  it("of a rule that has none: 1", function()
    local status, _, err = run("inbox", "discard", "1", "--rule", "note")
    assert.are.equal(1, status)
    says(err, "event 1 has no run of the rule note that failed or waits: ", "note is done")
    assert.are.equal("done", query("SELECT state FROM run WHERE sequence = 1 AND rule = 'note'")[1].state)
  end)
end)

describe("why", function()
  local event = '{"specversion":"1.0","id":"1","type":"no.altinn.correspondence.%s","source":"/x",'
    .. '"resource":"urn:altinn:resource:%s","subject":"urn:altinn:person:identifier-no:' .. person .. '"}'

  it("names each condition with what it wants and what it got", function()
    rules_folder()
    write("event.json", event:format("correspondencepublished", "other-letters"))
    local status, out = run("why", "event.json", "--all")
    assert.are.equal(0, status)
    says(out, "welcome: does not want it: it would fire if resource were acme-letters, or if when.resource also named "
      .. "other-letters", "holds  type", "FAILS  resource",
      "wants urn:altinn:resource:acme-letters, got urn:altinn:resource:other-letters",
      "off: it would fire, and is switched off (enabled = false)", "it has no condition: it wants every event")
    silent(out, person)
    write("event.json", event:format("correspondencepublished", "acme-letters"))
    out = select(2, run("why", "event.json"))
    says(out, "welcome: it would fire")
  end)

  it("says what is missing", function()
    rules_folder [[rule { name = "one", on = "*", when = { dataschema = "x", subject = no(prefix "urn:") },
      run = print }]]
    write("event.json", event:format("correspondencepublished", "acme-letters"))
    local _, out = run("why", "event.json")
    says(out, "FAILS  dataschema", "wants x, got nothing", "FAILS  subject", "wants no urn:*",
      "no event was found whose dataschema is as it wants; it would fire if when.dataschema were left out and "
      .. "when.subject were left out")
    silent(out, person)
  end)

  it("masks what a rule wants", function()
    rules_folder(('rule { name = "one", on = "*", when = { recipient = "%s" }, run = print }'):format(person))
    write("event.json", event:format("correspondencepublished", "acme-letters"))
    for _, words in ipairs { { "why", "event.json" }, { "why", "event.json", "--json" } } do
      local status, out = run(table.unpack(words))
      assert.are.equal(0, status)
      silent(out, person)
      says(out, "***********")
    end
  end)

  it("--rule and --json", function()
    rules_folder()
    write("event.json", event:format("correspondencepurged", "acme-letters"))
    local status, out = run("why", "event.json", "--rule", "welcome", "--json")
    assert.are.equal(0, status)
    local result = cjson.decode(out)
    assert.are.equal(1, #result.rules)
    assert.are.equal("welcome", result.rules[1].rule)
    assert.is_false(result.rules[1].matched)
    assert.are.same({ attribute = "type", holds = false, wants = events.types.correspondencepublished.type,
      got = events.types.correspondencepurged.type, flip = "type were correspondencepublished" },
      result.rules[1].conditions[1])
    assert.are.equal("on also named correspondencepurged", result.rules[1].flip.rule.text)
    assert.are.same({ { part = "on", add = events.types.correspondencepurged.type } },
      result.rules[1].flip.rule.changes)
    assert.are.same({ { attribute = "type", to = events.types.correspondencepublished.type,
      from = events.types.correspondencepurged.type } }, result.rules[1].flip.event.changes)
    local err
    status, out, err = run("why", "event.json", "--rule", "welcom")
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "there is no rule 'welcom' (did you mean 'welcome'?)")
  end)

  it("takes an event of the inbox, by number or id", function()
    rules_folder()
    make_inbox()
    for _, word in ipairs { "1", "id-one" } do
      local status, out = run("why", word)
      assert.are.equal(0, status)
      says(out, "welcome: it wants the event and has no run of it", "print: a dead letter since")
      silent(out, person)
    end
    local status, _, err = run("why", "99")
    assert.are.equal(1, status)
    says(err, "no event 99")
  end)

  it("what is no event, or no rules: 1", function()
    rules_folder()
    write("broken.json", '{"id":')
    for _, word in ipairs { "broken.json", "rules", "no-such.json" } do
      local status, out, err = run("why", word)
      assert.are.equal(1, status)
      assert.are.equal("", out)
      says(err, "altinn-events: ")
      silent(err, "traceback")
    end
    rules_folder "rule {"
    local status, _, err = run("why", "broken.json")
    assert.are.equal(1, status)
    says(err, "rules/one.lua:1:")
  end)
end)
