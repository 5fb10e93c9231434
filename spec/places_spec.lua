-- Folders, files and programs of targets: check, run and doctor tell of those that are not there, and what to do.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"

local folder

before_each(function()
  folder = process.folder()
  assert(os.execute("mkdir " .. folder .. "/rules " .. folder .. "/letters"))
  process.write(folder .. "/letters/list.csv", "")
  process.write(folder .. "/letters/script", "exit 0\n")
  process.write(folder .. "/rules/a.lua", 'rule { name = "a", on = "*", run = function() return skip("no") end }\n')
end)
after_each(function() process.remove(folder) end)

local function configure(targets)
  process.write(folder .. "/altinn-events.lua",
    ("return { rules = { %q }, targets = { %s } }"):format(folder .. "/rules", (targets:gsub("HERE", folder))))
end

local function run(...)
  return host.command(folder, ..., "--config", folder .. "/altinn-events.lua")
end

-- What check says of each target.
local function found(targets)
  configure(targets)
  local _, text, message = host.command(folder, "check", "--json", "--config", folder .. "/altinn-events.lua")
  local list = {}
  for _, one in ipairs((cjson.decode(text ~= "" and text or message)).findings) do
    local name, said = one.message:match("^targets%.(%w+): (.*)$")
    if name then list[name] = one.severity .. ": " .. said:gsub(folder:gsub("%W", "%%%0"), "HERE") end
  end
  return list
end

describe("the places of targets", function()
  it("that are there are nothing to tell of", function()
    assert.are.same({}, found [[
      out = { folder = "HERE/letters" }, list = { append = "HERE/letters/list.csv" },
      new = { append = "HERE/letters/new.csv" }, load = { command = { "sh", "-c", "true" } },
      full = { command = { "/bin/sh" } }, print = { url = "https://print.example.no" } ]])
    assert.are.same({ 0, "", "" }, { run("check") })
  end)

  it("that are not there are told of by check, each with what to do", function()
    local list = found [[
      gone = { folder = "HERE/nowhere" }, file = { folder = "HERE/letters/list.csv" },
      list = { append = "HERE/nowhere/list.csv" }, dir = { append = "HERE/letters" },
      load = { command = { "no-such-program" } }, script = { command = { "HERE/letters/script" } },
      full = { command = { "HERE/no-such-program" } } ]]
    assert.are.same({
      gone = "warning: HERE/nowhere: it is not there: make it, for the user that the host runs as",
      file = "warning: HERE/letters/list.csv: it is, or lies in, no folder",
      list = "warning: HERE/nowhere: it is not there: make it, for the user that the host runs as",
      dir = "warning: HERE/letters: it is a folder",
      load = "warning: no-such-program: it is in no folder of PATH: install it, or write its path",
      script = "warning: HERE/letters/script: the user that the host runs as may not: chown or chmod it",
      full = "warning: HERE/no-such-program: it is not there: install it, or correct its path",
    }, list)
  end)

  it("that are not there keep nothing from starting", function()
    configure 'out = { folder = "HERE/nowhere" }'
    local one = host.start { config = process.read(folder .. "/altinn-events.lua") }
    finally(function() one:close() end)
    assert(one:wait_line("targets.out: " .. folder .. "/nowhere: it is not there"), one:log())
  end)

  it("that are not there are findings of doctor", function()
    configure 'out = { folder = "HERE/nowhere" }, load = { command = { "true" } }'
    local status, text = run("doctor")
    assert.are.equal(1, status)
    assert.is_truthy(text:find("FAILED   target out     " .. folder .. "/nowhere: it is not there", 1, true), text)
    configure 'out = { folder = "HERE/letters" }, load = { command = { "true" } }'
    text = select(2, run("doctor"))
    assert.is_truthy(text:find("ok       target out     " .. folder .. "/letters is there", 1, true), text)
    assert.is_truthy(text:find("ok       target load    true is there, and this user may use it", 1, true), text)
  end)
end)

describe("a target on this machine", function()
  it("with a mistake is refused, with its name and key", function()
    for targets, said in pairs {
      ['a = { folder = "x", url = "https://a.example.no" }'] = "targets.a has folder and url: a target is in one place",
      ['a = { folder = "x", header = "y" }'] = "targets.a.header is for targets with append, and this one has folder",
      ['a = { append = "x", header = "y\\nz" }'] = "targets.a.header must be one line",
      ['a = { command = "load" }'] = "targets.a.command must be a list: the program, then its arguments",
      ['a = { command = { "load" }, at_once = 13 }'] = "targets.a.at_once must be a whole number from 1 to 12",
      ['a = { command = { "load" }, headers = {} }'] = "targets.a.headers is for targets with",
      ['a = { folder = "" }'] = "targets.a.folder must be the name of a file",
    } do
      configure(targets)
      local status, out, err = run("check")
      assert.are.equal(2, status)
      assert.is_truthy((out .. err):find(said, 1, true), out .. err)
    end
  end)

  it("is checked with the constants of the rules that send to it", function()
    process.write(folder .. "/rules/a.lua", [[rule { name = "a", on = "*", run = function(event, letter)
      return { send.file("list") { key = letter, line = "a;b" },
        send.file("out") { key = letter, name = event.id, text = "x" },
        send.command("load") { key = letter, arguments = { "a", letter.id }, json = { a = letter.id } } }
    end }]])
    local targets = [[ list = { append = "HERE/letters/list.csv" }, out = { folder = "HERE/letters" },
      load = { command = { "true" } } ]]
    configure(targets)
    assert.are.same({ 0, "", "" }, { run("check") })
    for wrong, said in pairs {
      ['send.file("out") { key = letter, name = "a/b", text = "x" }'] = "the name holds a slash",
      ['send.file("list") { key = letter, line = "a\\nb" }'] = "a line break",
      ['send.file("out") { key = letter }'] = "the content is missing",
      ['send.command("load") { key = letter, argument = "x" }'] = "unknown key 'argument'" } do
      process.write(folder .. "/rules/a.lua",
        ('rule { name = "a", on = "*", run = function(event, letter) return %s end }'):format(wrong))
      local status, out, err = run("check")
      assert.are.equal(1, status, wrong)
      assert.is_truthy((out .. err):find(said, 1, true), out .. err)
    end
  end)
end)
