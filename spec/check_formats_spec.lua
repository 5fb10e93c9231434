-- How check tells and mends: lines, JSON, SARIF, --severity, --strict, --fix; and its silence about what is right.
local cjson = require "cjson"
local command = require "spec.support.command"
local edits = require "altinn.events.rules.edits"
local fix = require "altinn.events.rules.fix"
local prepare = require "altinn.events.host.prepare"
local process = require "spec.support.process"

local run, says, silent = command.run, command.says, command.silent

local folder

before_each(function() folder = command.begin() end)
after_each(command.finish)

local function shell(line)
  local pipe = assert(io.popen(("cd %s && %s"):format(process.quote(folder), line)))
  local said = pipe:read "a"
  pipe:close()
  return said
end

local WRONG = [[
-- blå 𝄞
rule {
  name = "one" -- 𝄞
  on = correspondencepublished,
  wehn = { resourse = "Acme", "x" },
  run = function(event, letter)
    if event.id != "x" then return skp("𝄞") end
    return done()
  end,
}
]]

describe("check --fix", function()
  it("leaves a file alone that changes meanwhile", function()
    local path = folder .. "/rules/one.lua"
    command.rules "new\n"
    local done, message = fix.write(path, "mended\n", "old\n")
    assert.is_nil(done)
    says(message, "one.lua: has changed meanwhile")
    assert.are.equal("new\n", process.read(path))
    assert.are.equal("one.lua\n", shell "ls rules")
    assert.is_true(fix.write(path, "mended\n", "new\n"))
  end)

  it("mends what is certain, round after round, and says so; the mode of the file stays", function()
    command.rules(WRONG)
    shell "chmod 640 rules/one.lua"
    local status, out, err = run("check", "--fix")
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "rules/one.lua:3:15: mended: a comma is missing", "rules/one.lua:7:17: mended: '!=' is no operator",
      "rules/one.lua:7:36: mended: 'skp' is not defined", "rules/one.lua:4:8: mended:", "rules/one.lua:5:3: mended:",
      "rules/one.lua:5:31: error: rule 'one': when")
    assert.are.equal("-rw-r-----", shell("ls -l rules/one.lua"):sub(1, 10))
    local text = process.read(folder .. "/rules/one.lua")
    says(text, 'name = "one", -- 𝄞\n  on = "correspondencepublished",\n  when = { resource = "acme", "x" },',
      '~= "x" then return skip("𝄞") end')
    command.write("rules/one.lua", (text:gsub(', "x"', "")))
    assert.are.equal(0, (run("check", "--fix")))
    says(process.read(folder .. "/rules/one.lua"), 'when = { resource = "acme" },')
    local left
    status, left, err = run("check", "--fix")
    assert.are.same({ 0, "", "" }, { status, left, err })
    assert.are.equal("one.lua\n", shell "ls rules")
  end)

  it("--dry-run prints the change, and writes nothing", function()
    command.rules((WRONG:gsub(', "x"', "")))
    local before = process.read(folder .. "/rules/one.lua")
    local status, out, err = run("check", "--fix", "--dry-run")
    assert.are.equal(0, status)
    says(out, "--- a/rules/one.lua", "+++ b/rules/one.lua", '-  on = correspondencepublished,',
      '+  on = "correspondencepublished",', '+  when = { resource = "acme" },')
    says(err, "would be mended")
    assert.are.equal(before, process.read(folder .. "/rules/one.lua"))
    command.write("out.diff", out .. "\n")
    shell "patch -p1 -s <out.diff"
    assert.are.same({ 0, "" }, { (run "check"), (select(3, run "check")) })
  end)

  it("mends a file behind a link, and leaves the link", function()
    command.rules(WRONG:gsub(', "x"', ""))
    shell "mv rules/one.lua real.lua && ln -s ../real.lua rules/one.lua"
    assert.are.equal(0, (run("check", "--fix")))
    assert.are.equal("../real.lua\n", shell "readlink rules/one.lua")
    says(process.read(folder .. "/real.lua"), 'on = "correspondencepublished"')
  end)

  it("mends the configuration too", function()
    command.rules()
    command.write("altinn-events.lua", 'return {\n  lisen = "127.0.0.1:8480",\n}\n')
    assert.are.equal(0, (run("check", "--fix")))
    assert.are.equal('return {\n  listen = "127.0.0.1:8480",\n}\n', process.read(folder .. "/altinn-events.lua"))
  end)

  it("writes the powers that the bodies use", function()
    command.write("altinn-events.lua", 'return { targets = { print = { url = "https://print.example.no" } } }')
    command.rules('rule {\n  name = "a", on = "correspondencepublished",\n  run = function(event, letter)\n'
      .. '    step("confirm", function() return letter:confirm() end)'
      .. '\n    return send.http("print") { key = letter }\n  end,\n}\n'
      .. 'rule { name = "b", on = "*", may = { "read:overview" }, run = function(event, letter)\n'
      .. '  if letter:overview().status == "Read" then return skip("read") end\n'
      .. '  return send.http("print") { key = letter } end }\n')
    local status, _, err = run("check", "--fix")
    assert.are.equal(0, status, err)
    says(process.read(folder .. "/rules/one.lua"), '\n  may = { "confirm", "send:print" },\n  run = function(event',
      'may = { "read:overview", "send:print" }, run')
  end)

  it("mends lines that end as in Windows, after a byte order mark", function()
    command.rules("\239\187\191" .. WRONG:gsub(', "x"', ""):gsub("\n", "\r\n"))
    assert.are.equal(0, (run("check", "--fix")))
    local text = process.read(folder .. "/rules/one.lua")
    assert.are.equal("\239\187\191-- bl", text:sub(1, 8))
    assert.is_nil(text:gsub("\r\n", ""):find "[\r\n]")
  end)

  it("leaves a file whose folder is not writable as it is, and says so", function()
    command.rules(WRONG)
    shell "mkdir shut && mv rules/one.lua shut && chmod 555 shut"
    local root = shell("id -u") == "0\n"
    local status, _, err = run("check", "--fix", "shut/one.lua")
    shell "chmod 755 shut"
    if not root then
      assert.are.equal(1, status)
      says(err, "cannot be replaced")
      assert.are.equal(WRONG, process.read(folder .. "/shut/one.lua"))
    end
  end)
end)

describe("edits", function()
  local function one(line, column, end_column, text) return edits.one(line, column, end_column, text) end

  it("of one text are applied together, those that touch an earlier one not", function()
    local text, applied = edits.apply("abc\ndef\n", { one(1, 1, 2, "X"), one(1, 2, 3, "Y"), one(2, 3, 4, "Z"),
      one(2, 1, 1, "<"), one(9, 1, 1, "?"), one(2, 9, 9, "?") })
    assert.are.equal("Xbc\n<deZ\n", text)
    assert.are.same({ true, false, true, true, false, false }, applied)
  end)

  it("of one fix are applied all or none", function()
    local text = edits.apply("abc\n", { one(1, 2, 3, "-"), { one(1, 1, 1, "(")[1], one(1, 3, 3, ")")[1] } })
    assert.are.equal("a-c\n", text)
  end)

  it("count characters; bytes where a line is no UTF-8", function()
    assert.are.equal("å𝄞X\n", (edits.apply("å𝄞é\n", { one(1, 3, 4, "X") })))
    assert.are.equal("\255\254X\n", (edits.apply("\255\254é\n", { one(1, 3, 5, "X") })))
  end)

  it("that make a readable text unreadable are left out", function()
    local work = fix.mend(function(texts)
      return texts.a and {} or { { code = "x", file = "a", fix = one(1, 1, 2, "(") } }
    end, function() return "x = 1" end)
    assert.are.same({}, work.texts)
    assert.are.same({}, work.fixed)
  end)
end)

describe("check --format sarif", function()
  local function sarif(...)
    local _, out, err = run("check", "--format", "sarif", ...)
    assert.are.equal("", err)
    return cjson.decode(out).runs[1]
  end

  it("has rules with help, relative addresses, columns in code units of UTF-16, and fixes", function()
    shell "mkdir 'my rules'"
    command.write("my rules/å.lua", 'rule { name = "𝄞", --[[ 𝄞 ]] on = "correspondencepublihsed", run = function()'
      .. " return done() end }\n")
    local made = sarif "my rules"
    assert.are.equal("utf16CodeUnits", made.columnKind)
    assert.are.equal("altinn-events", made.tool.driver.name)
    local result = made.results[2]
    assert.are.equal("on-unknown", result.ruleId)
    assert.are.equal("error", result.level)
    local about = made.tool.driver.rules[result.ruleIndex + 1]
    assert.are.equal("on-unknown", about.id)
    for _, name in ipairs { "shortDescription", "fullDescription", "help" } do assert.is_string(about[name].text) end
    local place = result.locations[1].physicalLocation
    assert.are.equal("my%20rules/%C3%A5.lua", place.artifactLocation.uri)
    assert.are.same({ startLine = 1, startColumn = 37 }, place.region)
    local replaced = result.fixes[1].artifactChanges[1].replacements[1]
    assert.are.same({ startLine = 1, startColumn = 37, endLine = 1, endColumn = 62 }, replaced.deletedRegion)
    assert.are.equal('"correspondencepublished"', replaced.insertedContent.text)
    says(result.message.text, "did you mean 'correspondencepublished'?")
  end)

  it("has lists that are empty when all is well, and an address for a path from the root", function()
    command.rules()
    local _, out = run("check", "--format", "sarif")
    says(out, '"results":[]', '"rules":[]', '"version":"2.1.0"')
    local made = sarif(folder .. "/none.lua")
    local uri = made.results[1].locations[1].physicalLocation.artifactLocation.uri
    assert.are.equal("none.lua", uri)
    assert.are.equal("file:///nowhere/x.lua",
      sarif("/nowhere/x.lua").results[1].locations[1].physicalLocation.artifactLocation.uri)
  end)
end)

describe("check", function()
  it("works for one file, without any configuration", function()
    command.write("lone.lua", 'rule { name = "a", on = "*", run = function(_, letter) return done(letter.ID) end }\n')
    local status, _, err = run("check", "lone.lua")
    assert.are.equal(1, status)
    says(err, "lone.lua:1:68: error: ", "1 error; 'altinn-events explain CODE' says more")
  end)

  it("--severity tells the severe alone, and --strict counts these", function()
    command.rules('rule { name = "a", on = "correspondencearchived", order = "id", run = function() return done() end'
      .. " }")
    local status, _, err = run("check")
    assert.are.equal(0, status)
    says(err, "warning: rule 'a': on", "hint: rule 'a': order", "1 warning, 1 hint;")
    status, _, err = run("check", "--severity", "warning", "--strict")
    assert.are.equal(1, status)
    silent(err, "hint")
    status, _, err = run("check", "--severity", "error", "--strict")
    assert.are.same({ 0, "" }, { status, err })
  end)

  it("--json: each finding says what to do, with its fix", function()
    command.rules 'rule { name = "a", on = "correspondencepublihsed", run = function() return done() end }'
    local _, out = run("check", "--json")
    local one = cjson.decode(out).findings[1]
    assert.are.same({ "on-unknown", "error", "rules/one.lua", 1, 25 },
      { one.code, one.severity, one.file, one.line, one.column })
    says(one.remedy, "did you mean 'correspondencepublished'?")
    silent(one.message, "did you mean")
    assert.are.same({ { line = 1, column = 25, end_line = 1, end_column = 50, text = '"correspondencepublished"' } },
      one.fix)
  end)

  it("tells of all files, also when some cannot be loaded", function()
    command.rules "rule {"
    command.write("rules/two.lua", 'rule { name = "b", on = "*", run = function() skip("x") end }')
    local _, _, err = run "check"
    says(err, "rules/one.lua:1:6: error:", "rules/two.lua:1:47: error:", "[unreturned]")
  end)
end)

describe("check of a rule whose head is wrong", function()
  it("looks at its bodies all the same", function()
    command.rules('rule {\n  name = "a", on = "correspondencepublihsed", may = { "send:print" },\n'
      .. '  run = function(event, letter)\n    skip("x")\n    return letter:detials()\n  end,\n}\n')
    local _, _, err = run "check"
    says(err, "rules/one.lua:2:20: error:", "rules/one.lua:4:5: error:", "rules/one.lua:5:12: error:")
  end)
end)

describe("check is silent about what is right:", function()
  local function found(paths, config)
    local _, list = prepare.all { config = config, values = { rules = paths }, needs = {} }
    local lines = {}
    for _, one in ipairs(list) do
      local is_of_machine = one.code == "place" or one.code == "secret-missing" or one.code == "key-missing"
      if not is_of_machine then lines[#lines + 1] = require("altinn.events.rules.finding").line(one) end
    end
    return lines
  end

  it("the examples, with the example's configuration", function()
    assert.are.same({}, found({ "examples/rules" }, "examples/altinn-events.lua"))
  end)

  it("the demonstration", function()
    assert.are.same({}, found(nil, "examples/demo/altinn-events.lua"))
  end)

  it("a thousand rules, in less than three seconds of computing", function()
    local parts = {}
    for index = 1, 1000 do
      parts[index] = ([[
rule {
  name = "rule-%d", on = { "correspondencepublished", "correspondencereceiverread" },
  when = { resource = "acme-letters-%d", subject = present },
  unless = { been = { "PurgedByRecipient" } }, may = { "read:details", "send:print" }, retry = { within = "12h" },
  run = function(event, letter)
    if event.subject == nil then return skip("nobody") end
    return later { at = workdays(2), run = "paper", cancel = "correspondencepurged" }
  end,
  paper = function(event, letter)
    local details = letter:details()
    return send.http("print") { key = letter, json = { event = event.id, reference = details.sendersReference } }
  end,
}
]]):format(index, index)
    end
    for file = 1, 10 do
      command.write(("%d.lua"):format(file), table.concat(parts, "\n", file * 100 - 99, file * 100))
    end
    local began = os.clock()
    local set, list = prepare.rules { rules = { folder }, targets = { print = { url = "https://print.example.no" } },
      environment = "tt02", token = "of a spec" }
    assert.are.same({}, list)
    assert.are.equal(1000, #set)
    assert.is_true(os.clock() - began < 3, os.clock() - began)
  end)
end)
