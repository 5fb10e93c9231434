-- Files, lines and programs by the real host: each once with the right bytes, also when the host dies at any of the
-- steps; and nothing else waits for them.
local cjson = require "cjson"
local fault = require "spec.support.fault"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"

local place  -- a folder of the spec, where the targets are
local one

setup(fault.compile)

before_each(function()
  place = process.folder()
  assert(os.execute("mkdir " .. place .. "/letters"))
end)

after_each(function()
  if one then one:close() end
  one = nil
  process.remove(place)
end)

local function config()
  return (([[return { targets = {
    out = { folder = "PLACE/letters" }, list = { append = "PLACE/letters.csv", header = "id;what" },
    load = { command = { "PLACE/load" }, timeout = 60 },
    slow = { command = { "sleep", "2" } }, quick = { command = { "true" } },
    missing = { folder = "PLACE/missing" },
  } }]]):gsub("PLACE", place))
end

local FILE = [[rule { name = "a", on = "*", run = function(event)
  return send.file("out") { key = event, name = event.id .. ".json", json = { id = event.id, long = ("x"):rep(9000) } }
end }]]

local LINE = [[rule { name = "a", on = "*", run = function(event)
  return send.file("list") { key = event, line = event.id .. ";" .. ("x"):rep(200) }
end }]]

local LOAD = [[rule { name = "a", on = "*", run = function(event)
  return send.command("load") { key = event, arguments = { event.id }, json = { id = event.id } }
end }]]

local function start(rules, env)
  one = host.start { rules = type(rules) == "table" and rules or { a = rules }, config = config(), env = env }
end

-- An event about a letter of its own: the same about one letter is a repetition.
local function post(id, more)
  local fields = { id = tostring(id), resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(#tostring(id) * 1000
    + (tonumber(tostring(id):match("%d+")) or 0)) }
  for name, value in pairs(more or {}) do fields[name] = value end
  return one:post(sample.text(fields))
end

local function run_of(name, state)
  return assert(process.wait(30, function()
    local run = one:verdicts()[name]
    return run and run.verdict == state and run or nil
  end), ("no %s of %s: %s"):format(state, name, one:log()))
end

local function effects_of(id)
  local _, text = one:run("inbox", "show", id, "--json", "--inbox", one.inbox)
  return cjson.decode(text).effects
end

local function count_of(target, outcome)
  return one:metrics()[('effects_total{target="%s",outcome="%s"}'):format(target, outcome)] or 0
end

local function listed()
  local pipe = io.popen("ls -A " .. place .. "/letters")
  local names = {}
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  return names
end

-- A program of the spec.
local function write_program(text)
  process.write(place .. "/load", "#!/bin/sh\n" .. text:gsub("PLACE", place))
  assert(os.execute("chmod +x " .. place .. "/load"))
end

-- FNV-1a, by which the host names the temporary file of a key.
local function temporary(name, key)
  local value = 0xcbf29ce484222325
  for index = 1, #key do value = (value ~ key:byte(index)) * 1099511628211 end
  return (".%s.tmp-%016x"):format(name, value)
end

-- Posts an event to a host that dies at a step, starts it again and waits for the verdict.
local function die_at(rules, step)
  start(rules, fault.environment(step))
  pcall(post, 1)
  assert.is_truthy(one.process:wait_exit(30), "the host did not die: " .. one:log())
  one.env = {}
  assert(one:launch())
  run_of("1/a", "done")
  assert.are.equal("sent", effects_of("1")[1].state)
end

describe("a file of a rule", function()
  local key  -- of the effect of event 1

  local function content() return ('{"id":"1","long":"%s"}'):format(("x"):rep(9000)) end

  setup(function()
    local text = sample.text { id = "1" }
    local source = cjson.decode(text).source
    key = ("out:a/1.%s"):format(require("altinn.events.support.digest").hex(source))
  end)

  it("stands in its folder under its name, once, and nothing else does", function()
    start(FILE)
    assert.are.equal(200, (post(1)))
    run_of("1/a", "done")
    assert.are.same({ "1.json" }, listed())
    local body = process.read(place .. "/letters/1.json")
    assert.are.same({ id = "1", long = ("x"):rep(9000) }, cjson.decode(body))
  end)

  for _, step in ipairs {
    { "while it is written", "temporary", "write", "tear" },
    { "before it is on the disk", "temporary", "sync", "kill" },
    { "after it got its name, before the outcome is stored", "letters", "sync", "kill" },
  } do
    it("is there once and whole after kill -9 " .. step[1], function()
      local file = step[2] == "temporary" and temporary("1.json", key) or step[2]
      die_at(FILE, { file = file, call = step[3], at = 1, action = step[4] })
      assert.are.same({ "1.json" }, listed())
      assert.are.equal(#content(), #process.read(place .. "/letters/1.json"))
    end)
  end

  it("waits for its folder: certainly not sent, and the reason says what to do", function()
    start((FILE:gsub('"out"', '"missing"')))
    assert.are.equal(200, (post(1)))
    local run = run_of("1/a", "retry")
    assert.is_truthy(run.reason:find("target 'missing': " .. place .. "/missing: it is not there: make it", 1, true),
      run.reason)
    assert.is_true(count_of("missing", "not_sent") >= 1)  -- not its state: it may be under way again by now
    assert(os.execute("mkdir " .. place .. "/missing"))
    run_of("1/a", "done")
    assert.is_string(process.read(place .. "/missing/1.json"))
  end)

  it("that does not fit on the disk leaves nothing", function()
    start((FILE:gsub('on = "%*"', '%0, retry = { attempts = 1 }')),
      fault.environment { file = temporary("1.json", key), call = "write", at = 1, action = "ENOSPC" })
    assert.are.equal(200, (post(1)))
    run_of("1/a", "dead")
    assert.are.same({}, listed())
  end)

  it("whose name may not be on the disk may have been sent, or not", function()
    start((FILE:gsub('on = "%*"', '%0, retry = { attempts = 1 }')),
      fault.environment { file = "letters", call = "sync", at = 1, action = "EIO" })
    assert.are.equal(200, (post(1)))
    run_of("1/a", "dead")
    assert.are.equal("unknown", effects_of("1")[1].state)
  end)

  it("that does not fit on the disk is tried again", function()
    start(FILE, fault.environment { file = temporary("1.json", key), call = "write", at = 1, action = "ENOSPC" })
    assert.are.equal(200, (post(1)))
    assert(one:wait_line("no space is left: make some"), one:log())
    run_of("1/a", "done")
    assert.are.same({ "1.json" }, listed())
  end)
end)

describe("a line of a rule", function()
  local function lines() return process.read(place .. "/letters.csv") end

  local function line(id) return id .. ";" .. ("x"):rep(200) .. "\n" end

  it("stands at the end of its file, under the header", function()
    start(LINE)
    for id = 1, 3 do
      assert.are.equal(200, (post(id)))
      run_of(id .. "/a", "done")
    end
    assert.are.equal("id;what\n" .. line(1) .. line(2) .. line(3), lines())
  end)

  for _, step in ipairs {
    { "before it is written", "write", "kill" }, { "in the middle of it", "write", "tear" },
    { "after it is written, before the outcome is stored", "sync", "kill" },
  } do
    it("is there once and whole after kill -9 " .. step[1], function()
      process.write(place .. "/letters.csv", "id;what\n0;an old line\n")
      die_at(LINE, { file = "letters.csv", call = step[2], at = 1, action = step[3] })
      assert.are.equal("id;what\n0;an old line\n" .. line(1), lines())
    end)
  end

  it("of a new file is stored with the name of the file", function()
    die_at(LINE, { file = place:match("[^/]*$"), call = "sync", at = 1, action = "kill" })
    assert.are.equal("id;what\n" .. line(1), lines())
  end)

  it("that is found after a kill is put on the disk before it counts as sent", function()
    process.write(place .. "/letters.csv", "id;what\n")
    local env = fault.environment { file = "letters.csv", call = "sync", at = 1, action = "kill" }
    start(LINE, env)
    pcall(post, 1)
    assert.is_truthy(one.process:wait_exit(30), "the host did not die: " .. one:log())
    pcall(one.launch, one)  -- and again, at the line that it finds
    assert.is_truthy(one.process:wait_exit(30), "the host did not die again: " .. one:log())
    one.env = {}
    assert(one:launch())
    run_of("1/a", "done")
    assert.are.equal("id;what\n" .. line(1), lines())
  end)

  it("goes to the new file when another program takes the old one away while it waits for its lock", function()
    local file = place .. "/letters.csv"
    process.write(file, "id;what\n0;an old line\n")
    process.write(place .. "/rotate", ([[exec 9>>FILE; flock 9; touch PLACE/locked
      until [ -e PLACE/go ]; do sleep 0.02; done; mv FILE FILE.1]]):gsub("FILE", file):gsub("PLACE", place))
    assert(os.execute("sh " .. place .. "/rotate &"))
    assert(process.wait(20, function() return process.read(place .. "/locked") end))
    start(LINE)
    assert.are.equal(200, (post(1)))
    assert(process.wait(20, function()  -- the host has the old file open
      return os.execute(("ls -l /proc/%d/fd | grep -q ' %s$'"):format(one.process.pid, file))
    end))
    process.write(place .. "/go", "")
    run_of("1/a", "done")
    assert.are.equal("id;what\n" .. line(1), lines())
    assert.are.equal("id;what\n0;an old line\n", process.read(file .. ".1"))
  end)

  it("is there once also when another program has the file locked after a kill", function()
    start(LINE, fault.environment { file = "letters.csv", call = "sync", at = 1, action = "kill" })
    pcall(post, 1)
    assert.is_truthy(one.process:wait_exit(30), "the host did not die: " .. one:log())
    assert.are.equal("id;what\n" .. line(1), lines())
    local holder = process.start(place, "holder", ("flock --no-fork %s/letters.csv sleep 60"):format(place))
    one.env = {}
    assert(one:launch())
    local run = run_of("1/a", "retry")
    assert.is_truthy(run.reason:find("another program has locked it", 1, true), run.reason)
    holder:stop()
    run_of("1/a", "done")
    assert.are.equal("id;what\n" .. line(1), lines())
  end)

  it("begins anew after another program's torn line", function()
    process.write(place .. "/letters.csv", "id;what\n0;torn")
    start(LINE)
    assert.are.equal(200, (post(1)))
    run_of("1/a", "done")
    assert.are.equal("id;what\n0;torn\n" .. line(1), lines())
  end)

  it("goes into no pipe, which would keep it from nobody and the thread for ever: not sent, until a file is there",
    function()
      assert(os.execute("mkfifo " .. place .. "/letters.csv"))
      start((LINE:gsub("200", "200000")))
      assert.are.equal(200, (post(1)))
      local run = run_of("1/a", "retry")
      assert.is_truthy(run.reason:find("letters.csv: it is no file, but a pipe", 1, true), run.reason)
      assert.is_true(count_of("list", "not_sent") >= 1)
      local status, text = one:run("doctor", "--target", "list", "--config", one.folder .. "/altinn-events.lua")
      assert.are_not.equal(0, status)
      assert.is_truthy(text:find("it is no file, but a pipe", 1, true), text)
      assert(os.execute("rm " .. place .. "/letters.csv"))
      run_of("1/a", "done")
    end)
end)

describe("a program of a rule", function()
  it("gets its arguments, input and key, few variables, and no descriptor of the host", function()
    write_program [[
      cat >PLACE/input; echo "$*" >PLACE/arguments; env >PLACE/environ
      ls /proc/$$/fd >PLACE/fds
      while read -r name mask; do  # the shell's own: it starts others with signals of its choice
        case $name in SigBlk:|SigIgn:) echo "$mask";; esac
      done </proc/$$/status >PLACE/signals
      echo done]]
    start(LOAD, { SECRET_OF_MINE = "hidden", LANG = "C.UTF-8" })
    assert.are.equal(200, (post(1)))
    run_of("1/a", "done")
    local effect = effects_of("1")[1]
    assert.are.same({ "sent", "done" }, { effect.state, (effect.answer:gsub("%s+$", "")) })
    assert.are.equal('{"id":"1"}', process.read(place .. "/input"))
    assert.are.equal("1\n", process.read(place .. "/arguments"))
    local names = {}
    for name, value in process.read(place .. "/environ"):gmatch("([^\n=]+)=([^\n]*)") do names[name] = value end
    assert.are.equal(effect.key, names.ALTINN_EVENTS_KEY)
    assert.are.equal("C.UTF-8", names.LANG)
    local known = { PATH = 1, HOME = 1, LANG = 1, ALTINN_EVENTS_KEY = 1, PWD = 1, OLDPWD = 1, _ = 1, SHLVL = 1 }
    for name in pairs(names) do assert.is_truthy(known[name], name) end
    local count = 0
    for fd in process.read(place .. "/fds"):gmatch("%d+") do
      -- The shell keeps its script open under a number of its own.
      if tonumber(fd) > 2 and tonumber(fd) < 10 then count = count + 1 end
    end
    assert.are.equal(0, count, process.read(place .. "/fds"))
    local masks = 0
    for mask in process.read(place .. "/signals"):gmatch("%x%x%x%x%x%x+") do
      assert.are.equal(0, tonumber(mask, 16) & 0x7fffffff)
      masks = masks + 1
    end
    assert.are.equal(2, masks)
  end)

  it("that ends with another status is dead, with 75 is tried again", function()
    write_program [[cat >/dev/null; if [ "$1" = 1 ]; then echo "no such person: 08895699684"; exit 3; fi
      if [ -e PLACE/tried ]; then exit 0; fi; touch PLACE/tried; exit 75]]
    start(LOAD)
    assert.are.equal(200, (post(1)))
    assert.are.equal(200, (post(2)))
    local run = run_of("1/a", "dead")
    assert.is_truthy(run.reason:find("it ended with status 3: no such person", 1, true), run.reason)
    local effect = effects_of("1")[1]
    assert.are.same({ "refused", 3 }, { effect.state, effect.status })
    assert.is_nil((effect.answer .. run.reason .. one:log()):find("08895699684", 1, true))
    run_of("2/a", "done")
  end)

  it("that is not there is certainly not sent", function()
    start(LOAD)
    assert.are.equal(200, (post(1)))
    local run = run_of("1/a", "retry")
    assert.is_truthy(run.reason:find("load: it is not there", 1, true), run.reason)
    assert.is_true(count_of("load", "not_sent") >= 1)
  end)

  it("that a signal ends gets the same key and input again", function()
    write_program [[cat >>PLACE/input; echo "$ALTINN_EVENTS_KEY" >>PLACE/keys
      if [ -e PLACE/tried ]; then exit 0; fi; touch PLACE/tried; kill -9 $$]]
    start(LOAD)
    assert.are.equal(200, (post(1)))
    run_of("1/a", "done")
    local key = effects_of("1")[1].key
    assert.are.equal(key .. "\n" .. key .. "\n", process.read(place .. "/keys"))
    assert.are.equal('{"id":"1"}{"id":"1"}', process.read(place .. "/input"))
  end)

  local SLOW = [[cat >>PLACE/input; echo "$ALTINN_EVENTS_KEY" >>PLACE/keys; echo $$ >PLACE/pid
    while [ ! -e PLACE/go ] && [ -d PLACE ]; do sleep 0.05; done]]

  local function pid()
    return assert(process.wait(30, function() return (process.read(place .. "/pid") or ""):match("^(%d+)\n") end))
  end

  local function is_gone(number)
    return process.wait(20, function() return not process.read("/proc/" .. number .. "/stat") end)
  end

  it("is told the same key again after kill -9 of the host", function()
    write_program(SLOW)
    start(LOAD)
    assert.are.equal(200, (post(1)))
    pid()
    one:kill()
    process.write(place .. "/go", "")
    one:rewrite { a = (LOAD:gsub("id = event.id", "id = 'another'")) }
    assert(one:launch())
    run_of("1/a", "done")
    local key = effects_of("1")[1].key
    assert.are.equal(key .. "\n" .. key .. "\n", process.read(place .. "/keys"))
    assert.are.equal('{"id":"1"}{"id":"1"}', process.read(place .. "/input"))
  end)

  it("is ended when its run is discarded by hand", function()
    write_program(SLOW)
    start(LOAD)
    assert.are.equal(200, (post(1)))
    local number = pid()
    assert.are.equal(0, (one:run("inbox", "discard", "1", "--inbox", one.inbox)))
    assert(is_gone(number))
    assert.are.equal("discarded", one:verdicts()["1/a"].verdict)
  end)

  it("has the time that runs have when the host stops, and is ended then: unknown, and told again", function()
    write_program(SLOW)
    start(LOAD)
    assert.are.equal(200, (post(1)))
    local number = pid()
    one:signal "TERM"
    assert.are.equal(0, one.process:wait_exit(40))
    assert.is_nil(process.read("/proc/" .. number .. "/stat"))
    process.write(place .. "/go", "")
    assert(one:launch())
    run_of("1/a", "done")
  end)

  it("that takes too long is ended with all of its group: unknown", function()
    -- What it has started takes no notice of SIGTERM.
    write_program "(trap '' TERM; exec sleep 300) & echo $! >PLACE/pid; wait"
    one = host.start { rules = { a = LOAD }, config = (config():gsub("timeout = 60", "timeout = 1")) }
    assert.are.equal(200, (post(1)))
    local number = pid()
    local run = run_of("1/a", "retry")
    assert.is_truthy(run.reason:find("it took longer than 1 s and was ended", 1, true), run.reason)
    assert(is_gone(number))
  end)
end)

describe("fifty programs that take their time", function()
  local RULES = {
    slow = [[rule { name = "slow", on = "x.slow", order = false, run = function(event)
      return send.command("slow") { key = event }
    end }]],
    skip = 'rule { name = "skip", on = "x.skip", order = false, run = function() return skip("at once") end }',
    file = [[rule { name = "file", on = "x.file", order = false, run = function(event)
      return { send.file("out") { key = event, name = event.id, text = "x" }, send.command("quick") { key = event } }
    end }]],
  }

  it("hold up neither reception nor another rule, nor files, nor another target's program", function()
    one = host.start { rules = RULES, config = config(), arguments = { "--workers", "1" } }
    for number = 1, 50 do assert.are.equal(200, (post("s" .. number, { type = "x.slow" }))) end
    local longest = 0
    for number = 1, 5 do
      local begun = socket.gettime()
      assert.are.equal(200, (post("k" .. number, { type = "x.skip" })))
      assert.are.equal(200, (post("f" .. number, { type = "x.file" })))
      assert(process.wait(30, function()
        local metrics = one:metrics()
        return metrics['verdicts_total{rule="skip",verdict="skipped"}'] == number
          and metrics['verdicts_total{rule="file",verdict="done"}'] == number
      end))
      longest = math.max(longest, socket.gettime() - begun)
    end
    assert.is_true(longest < 1.5, "it took " .. longest)  -- a program takes 2 s
    assert.is_true((one:metrics()['verdicts_total{rule="slow",verdict="done"}'] or 0) < 50, "no backlog any more")
    assert.are.same({ "f1", "f2", "f3", "f4", "f5" }, listed())
    one:kill()
  end)
end)
