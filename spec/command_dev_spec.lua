-- altinn-events dev, as a user runs it: on a terminal of its own and without one. Nothing is a stand-in but Altinn, and
-- that is the emulator.
local command = require "spec.support.command"
local core = require "altinn.events.core"
local http = require "spec.support.http"
local process = require "spec.support.process"
local pty = require "spec.support.pty"
local socket = require "socket"
local target = require "spec.support.target"
local widths = require "altinn.events.dev.width"

local says, silent = command.says, command.silent

local PERSON = "12345678901"
local SAVES = tonumber(os.getenv "DEV_SAVES")  -- as a soak each of them has to be shown within a second

local RULES = [[
rule {
  name = "print", on = "correspondencepublished", when = { resource = "acme-letters" },
  run = function(event, letter)
    print("looks at " .. letter.id)
    return send.http("print") { key = letter, path = "/v1/jobs", json = { who = "]] .. PERSON .. [[", by = "%s" } }
  end,
}
rule {
  name = "slow", on = "correspondencepublished", when = { resource = "acme-letters" },
  unless = { been = { "Read" } }, may = { "read:details", "send:file", "send:mail", "send:load" },
  run = function() return later { at = "2d", run = "late" } end,
  late = function(event, letter)
    return {
      send.file("file") { key = letter, name = letter.id .. ".txt", text = "late" },
      send.mail("mail") { key = { letter, "mail" }, to = "a@example.no", subject = "Late", text = "late" },
      send.command("load") { key = { letter, "load" }, arguments = { "x" } },
    }
  end,
}
]]

local CONFIG = [[
return {
  listen = "127.0.0.1:%d", admin = "127.0.0.1:%d", environment = "tt02", endpoint = "https://hooks.example.no/events",
  credentials = { client_id = "abc", key_file = "key.pem", scopes = { "x" } }, secret = env "NOBODY_HAS_THIS",
  targets = {
    print = { url = "%s", headers = { Authorization = env "NOR_THIS" } },
    file = { folder = "/nowhere/at/all" }, load = { command = { "/nowhere/program" } },
    mail = { mail = "smtps://mail.invalid", from = "a@example.no" },
  },
}
]]

local folder, ports, opened

local function write_rules(word) command.write("rules/one.lua", RULES:format(word or "first")) end

local function program(...) return ("%s/%s dev %s"):format(os.getenv "PWD", "build/lua5.4/bin/altinn-events",
  table.concat({ ... }, " ")) end

before_each(function()
  folder, opened = command.begin(), {}
  assert(os.execute("mkdir " .. folder .. "/rules"))
  ports = { process.free_port(), process.free_port() }
  write_rules()
  command.write("altinn-events.lua", CONFIG:format(ports[1], ports[2], "http://127.0.0.1:9"))
end)

-- Whether something listens at a port.
local function is_open(port)
  local client = socket.connect("127.0.0.1", port)
  if client then client:close() end
  return client ~= nil
end

after_each(function()
  for _, one in ipairs(opened) do
    if one.close then one:close() else one:stop() end
  end
  command.finish()
end)

local function at_work(one)
  local wanted = "effects         "
  assert(process.wait(60, function() return one:output():find(wanted, 1, true) or one:status() end), one:errors())
  assert(one:output():find(wanted, 1, true), one:errors())
  return one
end

-- Starts it without a terminal.
local function plain(...)
  local line = ("sh -c 'cd %s && exec %s'"):format(folder, program(...))
  local one = process.start(folder, "dev-" .. #opened, line)
  opened[#opened + 1] = one
  return at_work(one)
end

local function wait_for(one, ...)
  for _, text in ipairs { ... } do
    assert(process.wait(30, function() return one:output():find(text, 1, true) end),
      ("no %q in:\n%s\n%s"):format(text, one:output(), one:errors()))
  end
end

-- Starts it on a terminal.
local function on_terminal(words, options)
  local one = pty.start(folder, (words.before or "") .. program(table.unpack(words)), options)
  opened[#opened + 1] = one
  one:wait "keys: "
  return one
end

local function event(id, thing)
  return ('{"specversion":"1.0","id":"%s","type":"no.altinn.correspondence.correspondencepublished",'
    .. '"time":"2026-08-20T07:22:19Z","source":"https://platform.altinn.test/x","resourceinstance":"%s",'
    .. '"resource":"urn:altinn:resource:acme-letters","subject":"urn:altinn:person:identifier-no:%s"}')
    :format(id, thing or "letter-" .. id, PERSON)
end

local function post(id)
  local status, _, text = http.post(ports[1], "/events", event(id), { ["Content-Type"] = "application/json" })
  return status, text
end

-- A call of the emulator's control interface.
local function control(one, path, body)
  local port = assert((one.screen or one.output)(one):match "Altinn in a box%s+http://127.0.0.1:(%d+)")
  local status, _, text = http.request(tonumber(port), { method = body and "POST" or "GET", path = "/emulator" .. path,
    body = body })
  assert(status < 300, text)
  return text
end

local function pid_of_host() return tonumber(process.read(folder .. "/.altinn-events/inbox.db.lock")) end

describe("altinn-events dev without a terminal", function()
  it("shows events, verdicts and effects on plain lines, sends nothing, and leaves nothing behind", function()
    local one = plain()
    assert.are.equal(200, (post "a"))
    wait_for(one, "-> print, slow", "print  -> print  sent 200  POST /v1/jobs {", "print  done  sent to print",
      "print  log  looks at letter-a", "slow")
    assert.are.equal(200, (post "a"))
    assert.are.equal(400, (http.post(ports[1], "/events", "{}", { ["Content-Type"] = "application/json" })))
    wait_for(one, "duplicate", "refused  400")
    local status = one:stop()
    assert.are.equal(0, status, one:errors())
    assert.are.equal("", one:errors())
    silent(one:output(), "\27", PERSON, "validatesubscription", "keys:")
    assert(not is_open(ports[1]) and not is_open(ports[2]))
    assert.are.equal("*\n", process.read(folder .. "/.altinn-events/.gitignore"))
  end)

  it("shows the new verdict of the last event when a rule is saved", function()
    local one = plain()
    control(one, "/letters", '{"resource":"acme-letters"}')
    wait_for(one, "print  done", "slow  later")
    local late = {}
    for number = 1, SAVES or 4 do
      local word = ("word%d"):format(number)
      local began = socket.gettime()
      write_rules(word)
      wait_for(one, ('+ -> print  POST /v1/jobs {"by":"%s"'):format(word))
      local seconds = socket.gettime() - began
      if seconds >= 1 then late[#late + 1] = seconds end
    end
    says(one:output(), "2 rules are in force", "print  changed", '- -> print  POST /v1/jobs {"by":"first"',
      "slow  as before  later", "then done: sent to file, mail, load")
    if SAVES then assert.are.same({}, late) end
    silent(one:output(), PERSON)
  end)

  it("tells what is broken, and goes on with the rules before until they are mended", function()
    local one = plain()
    command.write("rules/one.lua", "rule { name = ")
    wait_for(one, "rules/one.lua:1: ", "the rules are broken: those before stay in force")
    post "a"
    wait_for(one, "-> print, slow", "print  done  sent to print")
    command.write("altinn-events.lua", "return { targets = { } ")
    wait_for(one, "the configuration is broken")
    command.write("altinn-events.lua", CONFIG:format(ports[1], ports[2], "http://127.0.0.1:9"))
    write_rules "mended"
    wait_for(one, '"by":"mended"')
    local before = #one:output()
    command.write("rules/lib.lua", "nothing")
    assert(process.wait(30, function() return one:output():find("rules/lib.lua:1", before, true) end), one:output())
  end)

  it("waits for rules where there are none yet", function()
    os.remove(folder .. "/rules/one.lua")
    local one = plain()
    wait_for(one, "rules")
    write_rules()
    wait_for(one, "2 rules are in force")
    assert.are.equal(200, (post "a"))
    wait_for(one, "print  done  sent to print")
  end)

  it("keeps events, letters, subscriptions and the time", function()
    local one = plain()
    local id = control(one, "/letters", '{"resource":"acme-letters","dueDateTime":"2999-01-01T00:00:00Z"}')
      :match '"id":"([^"]*)"'
    wait_for(one, "letter", id, "slow  later")
    control(one, "/clock", '{"advance":"1d"}')
    local time = control(one, "/clock"):match '"now":"([^"]*)"'
    assert.are.equal(0, one:stop())
    local two = plain()
    says(control(two, "/letters"), id)
    says(control(two, "/subscriptions"), "urn:altinn:resource:acme-letters")
    assert(control(two, "/clock"):match '"now":"([^"]*)"' >= time)
    control(two, ("/letters/%s/read"):format(id), "{}")
    wait_for(two, "correspondencereceiverread")
    control(two, "/clock", '{"advance":"25h"}')
    wait_for(two, "slow  skipped", "the letter has been Read")
    two:signal "KILL"
    assert(two:wait_exit(30))
    says(plain():output(), "2 rules")
  end)

  it("keeps the time also when nothing else has changed since it was written down", function()
    local one = plain()
    local function now(of) return core.altinn.moment((control(of, "/clock"):match '"now":"([^"]*)"')) end
    control(one, "/clock", '{"advance":"1d"}')
    local from = now(one)
    assert(process.wait(30, function() return now(one) >= from + 4 or nil end))
    local last = now(one)
    assert.are.equal(0, one:stop())
    assert.is_true(now(plain()) >= last, "the time went back")
  end)

  it("needs no configuration: a target that is not there takes what goes to it", function()
    os.remove(folder .. "/altinn-events.lua")
    local one = process.start(folder, "dev-bare", ("sh -c 'cd %s && ALTINN_EVENTS_LISTEN=127.0.0.1:%d exec %s'")
      :format(folder, ports[1], program()))
    opened[#opened + 1] = at_work(one)
    control(one, "/letters", '{"resource":"acme-letters"}')
    wait_for(one, "there is no target 'print'", "print  -> print  sent 200", "slow  later")
    control(one, "/clock", '{"advance":"50h"}')
    wait_for(one, 'slow  -> mail  sent 250  to ["a@example.no"] Late', 'slow  -> load  sent  with ["x"]',
      "slow  -> file  sent")
  end)

  it("sends for real when it is told to, and shows what came of it", function()
    local printer = target.start { "422" }
    finally(function()
      printer.process:stop()
      process.remove(printer.folder)
    end)
    command.write("altinn-events.lua", CONFIG:format(ports[1], ports[2], printer.url):gsub('env "NOR_THIS"', '"x"'))
    local one = plain "--real"
    post "a"
    wait_for(one, "print  -> print  refused 422", "print  dead")
    assert.are.equal("/v1/jobs", printer:wait(1)[1].path)
  end)

  it("says which ports other programs have, and takes others", function()
    local other = assert(socket.bind("127.0.0.1", ports[1]))
    finally(function() other:close() end)
    local one = plain()
    wait_for(one, ("port %d is taken by another program: webhook has "):format(ports[1]))
  end)

  it("is refused beside another one on the same folder, and ends when nobody reads", function()
    plain()
    local status, _, err = command.shell("timeout 30 " .. program())
    assert.are.equal(1, status)
    says(err, "inbox.db")
    opened[1]:stop()
    status = select(3, os.execute(("cd %s && { timeout 60 %s 2>broken.err; echo $? >broken.status; } | head -n 1"
      .. " >broken.out"):format(folder, program())))
    assert.are.equal(0, status)
    assert.are.equal("0\n", process.read(folder .. "/broken.status"))
    assert.are.equal("", process.read(folder .. "/broken.err"))
  end)
end)

describe("altinn-events dev on a terminal", function()
  if not pty.there() then
    pending "no terminals here (/dev/pts is not mounted)"
    return
  end

  it("walks a letter, sends the last event again and edited, tells why, and moves the time", function()
    local one = on_terminal({ before = "NO_COLOR=1 EDITOR='sed -i s/acme-letters/other-letters/' " }, { columns = 160 })
    one:type "l"
    local at = one:wait("made and published")
    at = one:wait("print  done", at)
    at = math.min(at, one:wait("slow  later", 1))
    one:type "r"
    local again = one:wait("again, about a twin of its letter", at)
    one:wait("print  -> print  sent 200", again)
    one:wait("slow  later", again)
    one:type "w"
    again = one:wait("holds resource", again)
    one:type "e"
    again = one:wait("sent as a new event", again)
    again = one:wait("other-letters", again)
    one:type "t"
    again = one:wait("forward by", again)
    one:type "5\0087x\n"  -- mended with the backspace
    again = one:wait("neither a span", again)
    one:type "t"
    again = one:wait("forward by", again)
    one:type "\n"
    again = one:wait("the time goes forward to", again)
    one:wait("slow  -> file  sent", again)
    one:wait("slow  -> mail  sent 250", again)
    one:wait("slow  -> load  sent", again)
    one:wait("it is ", again)
    one:type "l"
    one:wait(": read", again)
    one:type "?z"
    one:wait("no key 'z'", again)
    silent(one:screen(), PERSON)
    one:type "q"
    local status, settings = one:ended()
    assert.are.equal(0, status)
    assert(settings:find "[^-]icanon" and settings:find "[^-]echo ", settings)
    assert(not is_open(ports[1]))
  end)

  it("takes no event of the subscriptions that it makes for the last one", function()
    local one = on_terminal({ before = "NO_COLOR=1 " }, { columns = 160 })
    one:type "l"
    local at = one:wait "slow  later"
    command.write("rules/one.lua", (RULES:gsub('"acme%-letters"', '"other-letters"'):format "first"))
    at = one:wait("does not want it any more", at)
    assert(process.wait(30, function()
      return control(one, "/subscriptions", nil):find("other-letters", 1, true) or nil
    end))
    one:type "w"
    at = one:wait("wants urn:altinn:resource:other-letters, got urn:altinn:resource:acme-letters", at)
    write_rules "again"
    one:wait("did not want it  =>  done", at)
    silent(one:screen(), "validatesubscription")
  end)

  it("gives the terminal back when a signal ends it, when it is stopped, and when it fails", function()
    local one = on_terminal {}
    local pid = pid_of_host()
    os.execute("kill -TERM " .. pid)
    local status, settings = one:ended()
    assert.are.equal(0, status, one:screen())
    assert(settings:find "[^-]icanon", settings)
    local two = on_terminal {}
    os.execute("kill -QUIT " .. pid_of_host())
    status, settings = two:ended()
    assert.are.equal(131, status)
    assert(settings:find "[^-]icanon", settings)
    local three = on_terminal {}
    pid = pid_of_host()
    local function mode()
      local pipe = io.popen(("stty -a -F \"$(readlink /proc/%d/fd/0)\""):format(pid))
      local text = pipe:read "a"
      pipe:close()
      return text:match "%-?icanon"
    end
    local function state() return (process.read(("/proc/%d/stat"):format(pid)) or ""):match "%) (%S)" end
    assert.are.equal("-icanon", mode())
    os.execute("kill -TSTP " .. pid)
    assert(process.wait(30, function() return state() == "T" or nil end))
    assert.are.equal("icanon", mode())
    os.execute("kill -CONT " .. pid)
    assert(process.wait(30, function() return mode() == "-icanon" or nil end))
    three:type "\3"
    status, settings = three:ended()
    assert.are.equal(0, status)
    assert(settings:find "[^-]icanon", settings)
  end)

  it("fits any width, and has no colours where they are not wanted", function()
    for _, columns in ipairs { 20, 41 } do
      os.execute("rm -rf " .. folder .. "/.altinn-events")
      local one = on_terminal({ before = "NO_COLOR=1 " }, { columns = columns })
      one:type "l"
      one:wait "#2"
      one:wait "#3"
      one:type "?"
      one:wait "  q  "
      one:wait "run"
      command.write("rules/one.lua", RULES:gsub("return send.http", "send.http"):format "unreturned")
      one:wait "those"
      one:type "q"
      assert.are.equal(0, (one:ended()), one:screen())
      silent(one:screen(), "\27")
      for line in one:screen():match("^(.-)\nstatus "):gmatch "[^\n]+" do
        assert(widths.of(line) <= columns, line)
      end
      -- What the session itself has to say is folded, and not cut.
      if columns == 41 then
        says(one:screen():gsub("%s+", " "), "? help q quit", "subscriptions and the time stay for the next run",
          "would have no effect: write return before it", "those before stay in force")
      end
      write_rules()
    end
    local coloured = on_terminal({}, { columns = 100 })
    coloured:type "l"
    coloured:wait "\27[32mdone\27[0m"
    coloured:type "q"
    assert.are.equal(0, (coloured:ended()))
  end)
end)
