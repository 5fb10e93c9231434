-- altinn-events tail, as a user runs it: beside a real host, on a terminal, into a pipe.
local cjson = require "cjson"
local command = require "spec.support.command"
local host = require "spec.support.host"
local inbox_file = require "spec.support.inbox_file"
local process = require "spec.support.process"
local pty = require "spec.support.pty"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local says, silent = command.says, command.silent

local PERSON = "12345678901"

local RULES = [[
rule { name = "print", on = "correspondencepublished", when = { resource = "acme-letters" },
  run = function(event, letter)
    return send.http("print") { key = letter, path = "/v1/jobs", json = { who = "]] .. PERSON .. [[" } }
  end }
rule { name = "odd", on = "correspondencepublished", when = { resource = "acme-letters" },
  run = function() return skip("odd \27[2J\nsecond") end }
rule { name = "later", on = "correspondencepurged",
  run = function(event, letter) return later { at = "3d", run = "then_what" } end,
  then_what = function() return done("late") end }
rule { name = "quiet", on = "correspondencereceiverneverread", shadow = true, run = function() return skip("x") end }
]]

local function event(id, kind, resource)
  return ('{"specversion":"1.0","id":"%s","type":"no.altinn.correspondence.%s","time":"2026-08-20T07:22:19Z",'
    .. '"source":"https://platform.altinn.test/x","resource":"urn:altinn:resource:%s",'
    .. '"resourceinstance":"letter-%s","subject":"urn:altinn:person:identifier-no:%s"}')
    :format(id, kind or "correspondencepublished", resource or "acme-letters", id, PERSON)
end

-- How many lines of JSON tell what, of the events with these ids.
local function kinds_of(text, ids)
  local kinds, ours = {}, {}
  for line in text:gmatch "([^\n]+)\n" do
    local row = cjson.decode(line)
    assert(row.time:find "^%d%d%d%d%-%d%d%-%d%dT", line)
    ours[row.event] = ours[row.event] or ids[row.id]
    if ours[row.event] then kinds[row.what] = (kinds[row.what] or 0) + 1 end
  end
  return kinds
end

local running, printer, tails

local function post(...)
  local status, _, text = running:post(event(...), { ["Content-Type"] = "application/json" })
  assert.are.equal(200, status, text)
end

local probes, started = 0, 0

-- Starts `tail` on the host's inbox, and waits until it follows: it shows probes. Its output and messages are files.
local function tail(...)
  local words = { host.program(), "tail", "--inbox", process.quote(running.inbox) }
  started = started + 1
  for _, word in ipairs { ... } do words[#words + 1] = word end
  local one = process.start(running.folder, "tail-" .. started, table.concat(words, " "))
  tails[#tails + 1] = one
  assert(process.wait(30, function()
    probes = probes + 1
    post("probe-" .. probes)
    post("probe-purged-" .. probes, "correspondencepurged")
    return process.wait(1, function() return one:output() ~= "" or nil end)
  end), one:errors())
  return one
end

local function wait_for(one, ...)
  for _, text in ipairs { ... } do
    assert(process.wait(30, function() return one:output():find(text, 1, true) end),
      ("no %q in %q; %s"):format(text, one:output(), one:errors()))
  end
end

describe("altinn-events tail", function()
  setup(function()
    printer = target.start()
    running = host.start { rules = { all = RULES },
      config = ('return { targets = { print = { url = "%s" } } }\n'):format(printer.url) }
  end)
  before_each(function() tails = {} end)
  after_each(function() for _, one in ipairs(tails) do one:stop() end end)
  teardown(function()
    running:close()
    printer.process:stop()
    process.remove(printer.folder)
  end)

  it("shows each thing that happens, masked and on one line", function()
    local one = tail()
    post "a"
    post("b", nil, "other-letters")
    wait_for(one, "-> odd, print", "no rule wants it", "print  done  sent to print", "odd  skipped")
    local out = one:output()
    says(out, "received  correspondencepublished  acme-letters  letter-a", "print  -> print  sent 200  POST /v1/jobs",
      'odd  skipped  odd \\u001b[2J …', "key print:print/letter-a")
    silent(out, PERSON, "\27")
    for line in out:gmatch "[^\n]+" do assert(line:find "^%d%d:%d%d:%d%d  #%d+  %S", line) end
    assert.are.equal("", one:errors())
  end)

  it("gives the same as JSON, of a rule, a type, a state", function()
    local all, of_rule = tail "--json", tail("--json", "--rule", "print")
    local of_type, of_state = tail("--type", "correspondencepurged"), tail("--state", "skipped")
    post "c"
    post("d", "correspondencepurged")
    assert(process.wait(30, function()
      local kinds = kinds_of(all:output(), { c = true, d = true })
      return kinds.received == 2 and kinds.verdict == 3 and kinds.effect == 1
    end), all:output())
    wait_for(of_rule, '"print:print/letter-c"')
    wait_for(of_type, "letter-d")
    wait_for(of_state, "odd  skipped")
    silent(all:output(), PERSON)
    for line in of_rule:output():gmatch "[^\n]+" do says(line, '"print"') end
    silent(of_type:output(), "correspondencepublished", "odd")
    silent(of_state:output(), "received", "print")
  end)

  it("shows what becomes of events that were there before, and acts by hand", function()
    post("e", "correspondencepurged")
    local before = tail("--since", "1h")
    wait_for(before, "letter-e")
    local one = tail()
    local number = before:output():match "#(%d+)  received  correspondencepurged  acme%-letters  letter%-e"
    local status, _, err = running:run("inbox", "retry", number, "--inbox", running.inbox, "--reason", "now")
    assert(status == 0, err)
    wait_for(one, "#" .. number .. "  later  by hand  retry by ", ": now", "#" .. number .. "  later  done", ": late\n")
  end)

  it("shows that a rule is put in force by hand, which concerns no event", function()
    local one, as_json = tail(), tail "--json"
    local folder = running.folder
    local status, _, err = running:run("promote", "quiet", folder .. "/rules", "--inbox", running.inbox, "--config",
      folder .. "/altinn-events.lua", "--yes", "--reason", "seen")
    assert(status == 0, err)
    wait_for(one, "  quiet  by hand  promote by ", ": seen")
    wait_for(as_json, '"act":"promote"', '"what":"act"')
  end)

  it("prints what is there and ends, with --once", function()
    post "f"
    assert(process.wait(30, function() return running:verdicts()["f/print"].verdict == "done" end))
    local status, out, err = running:run("tail", "--once", "--inbox", running.inbox)
    assert.are.equal(0, status, err)
    says(out, "letter-f", "print  done  sent to print")
    status, out = running:run("tail", "--once", "--since", "2999-01-01", "--inbox", running.inbox)
    assert.are.equal(0, status)
    assert.are.equal("", out)
    status, out, err = running:run("tail", "--once", "--state", "deed", "--inbox", running.inbox)
    assert.are.equal(2, status, out)
    says(err, "did you mean 'dead'")
  end)

  it("ends quietly when nobody reads, also while nothing happens", function()
    local line = ("cd %s && { timeout 30 %s tail --since 1h --inbox inbox.db 2>broken.err; echo $? >broken.status; }"
      .. " | head -n 1 >broken.out"):format(running.folder, host.program())
    local status = select(3, os.execute(line))
    assert.are.equal(0, status)
    assert(#process.read(running.folder .. "/broken.out") > 0)
    assert.are.equal("", process.read(running.folder .. "/broken.err"))
    assert.are.equal("141\n", process.read(running.folder .. "/broken.status"))
  end)
end)

describe("altinn-events tail without a host", function()
  local folder
  before_each(function() folder = command.begin() end)
  after_each(command.finish)

  it("waits for an inbox, and says so", function()
    local one = process.start(folder, "tail", ("%s tail --inbox %s/new.db"):format(host.program(), folder))
    assert(process.wait(30, function() return one:errors():find("waiting for a host to make it", 1, true) end))
    inbox_file.empty(folder .. "/new.db")
    assert(process.wait(30, function() return one:errors():find("no host runs on", 1, true) end), one:errors())
    sql.execute(folder .. "/new.db", "INSERT INTO event VALUES (1, 1780000000000, NULL, CAST(? AS BLOB))", event "x")
    assert(process.wait(30, function() return one:output():find("no rule wants it", 1, true) end), one:errors())
    assert.are.equal(143, one:stop())
  end)

  local function on_terminal(columns, environment)
    local _, out = command.shell(("timeout 30 script -qec \"stty cols %d; %s $ae tail --once --inbox x.db\" /dev/null")
      :format(columns, environment))
    return (out:gsub("\r", ""))
  end

  it("fits its lines to the terminal, and colours them there only", function()
    if not pty.there() then return pending "no terminals here (/dev/pts is not mounted)" end
    inbox_file.empty(folder .. "/x.db")
    for index = 1, 3 do
      sql.execute(folder .. "/x.db", "INSERT INTO event VALUES (?, 1780000000000, NULL, CAST(? AS BLOB))", index,
        event("x" .. index, nil, "s" .. ("x"):rep(60)))
    end
    local widths = require "altinn.events.dev.width"
    for _, columns in ipairs { 20, 33, 80 } do
      local out = on_terminal(columns, "NO_COLOR=1 TERM=xterm")
      silent(out, "\27")
      local count = 0
      for line in out:gmatch "[^\n]+" do
        assert(widths.of(line) <= columns, line)
        count = count + 1
      end
      assert.are.equal(3, count)
    end
    says(on_terminal(80, "TERM=xterm"), "\27[1mcorrespondencepublished\27[0m")
    silent(on_terminal(80, "TERM=dumb"), "\27")
  end)
end)

describe("the columns of a text", function()
  local widths = require "altinn.events.dev.width"

  it("count wide characters twice and marks not", function()
    assert.are.equal(5, widths.of "hallo")
    assert.are.equal(6, widths.of "æøå…–x")
    assert.are.equal(4, widths.of "日本")
    assert.are.equal(1, widths.of "e\204\129")
    assert.are.equal("日…", widths.cut("日本語", 4))
    assert.are.equal("…", widths.cut("日本語", 2))
    assert.are.equal("ab", widths.cut("ab", 2))
    assert.are.equal("…", widths.cut("abc", 1))
  end)
end)
