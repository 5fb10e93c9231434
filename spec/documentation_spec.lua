-- What the documentation says is tried: the README's examples run, and every public name has its comment.
local cjson = require "cjson"
local events = require "altinn.events"
local findings = require "altinn.events.rules.findings"
local process = require "spec.support.process"
local rules = require "altinn.events.rules"
local worlds = require "spec.support.engine_world"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function files(pattern)
  local list, pipe = {}, assert(io.popen("find " .. pattern .. " | sort"))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- Fenced blocks of a Markdown text: the marker comment before the block says what it is,
-- <!-- run -->, <!-- rule NAME -->, <!-- config -->, or <!-- steps --> for shell steps that follow on each other.
local function blocks(text)
  local list, marker, block = {}, nil, nil
  local number = 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if block and line:match("^%s*```%s*$") then
      block.text = table.concat(block, "\n")
      list[#list + 1], block, marker = block, nil, nil
    elseif block then
      block[#block + 1] = line
    elseif line:match("^%s*```") then
      block = { language = line:match("^%s*```(%w*)"), marker = marker, line = number }
    elseif line:match("^<!%-%- .* %-%->$") then
      marker = line:match("^<!%-%- (.*) %-%->$")
    elseif line ~= "" then
      marker = nil
    end
  end
  return list
end

-- Runs an example; a trailing "--> text" on a line with print must be what is printed.
local function run(block)
  local printed, wanted = {}, {}
  local env = setmetatable({
    print = function(...)
      local parts = table.pack(...)
      for i = 1, parts.n do parts[i] = tostring(parts[i]) end
      printed[#printed + 1] = table.concat(parts, "\t")
    end,
  }, { __index = _G })
  for line in (block.text .. "\n"):gmatch("(.-)\n") do
    if line:match("^%s*print") then wanted[#wanted + 1] = line:match("%-%->%s*(.-)%s*$") or false end
  end
  assert(load(block.text, "=README.md:" .. block.line, "t", env))()
  for i, text in ipairs(wanted) do
    if text then
      assert.are.equal(text, printed[i] and (printed[i]:gsub("\t", "  ")), "README.md, block at line " .. block.line)
    end
  end
end

describe("The unit of systemd", function()
  it("names the folder that the rule which archives writes to", function()
    local folder = read("examples/rules/archive.lua"):match('FOLDER = "(.-)"')
    assert.is_truthy(read("examples/systemd/altinn-events.service"):find("ReadWritePaths=" .. folder, 1, true))
  end)
end)

describe("README.md", function()
  local text = read("README.md")
  local list = blocks(text)

  it("marks each Lua block", function()
    for _, block in ipairs(list) do
      if block.language == "lua" then
        assert.is_truthy(block.marker, "README.md:" .. block.line .. ": a Lua block without a marker")
      end
    end
  end)

  it("has examples that run", function()
    local count = 0
    for _, block in ipairs(list) do
      if block.marker == "run" then
        run(block)
        count = count + 1
      end
    end
    assert.is_true(count > 0)
  end)

  it("has a spec of a world that holds", function()
    local count = 0
    for _, block in ipairs(list) do
      if block.marker == "world" then
        local env = setmetatable({ it = function(_, tell) tell() end, assert = assert }, { __index = _G })
        assert(load(block.text, "@examples/rules/README.lua", "t", env))()
        count = count + 1
      end
    end
    assert.are.equal(1, count)
  end)

  it("shows examples as they are", function()
    local count = 0
    for _, block in ipairs(list) do
      local name = block.marker and block.marker:match("^example ([%w_.]+)$")
      if name then
        assert.is_truthy(read("examples/rules/" .. name):find(block.text, 1, true), "README.md:" .. block.line)
        count = count + 1
      end
    end
    assert.is_true(count > 0)
  end)

  -- The rules of a block "rule NAME".
  local function rules_of(block, name)
    local folder = process.folder()
    process.write(folder .. "/" .. name, block.text .. "\n")
    local set, problems = rules.load({ folder .. "/" .. name })
    process.remove(folder)
    return assert(set, problems and rules.describe_problem(problems[1]))
  end

  it("has rules that load, and of which check says nothing", function()
    local targets = { print = { url = "https://print.example.no" }, archive = { url = "https://archive.example.no" } }
    local count = 0
    for _, block in ipairs(list) do
      local name = block.marker and block.marker:match("^rule ([%w_.]+)$")
      if name then
        for _, one in ipairs(findings.of(rules_of(block, name), targets)) do error(findings.text(one)) end
        count = count + 1
      end
    end
    assert.is_true(count > 0)
  end)

  -- An attempt after another at a run of the README's rule in a world, with a letter of these statuses.
  local function world_of(name, replies, statuses)
    local rule
    for _, block in ipairs(list) do
      if block.marker == "rule " .. name then rule = rules_of(block, name)[1] end
    end
    local world = worlds.new { replies = replies, targets = { print = { url = "https://print.example.no" },
      archive = { url = "https://archive.example.no" } } }
    local asked = {}
    local options = { base_url = "http://127.0.0.1:1", token = "a-token-of-a-spec" }
    function options.transport(request)
      asked[#asked + 1] = request.method .. " " .. request.url:match "([^/]*)$"
      local history = {}
      for index, status in ipairs(statuses) do
        history[index] = { status = status, statusText = status, statusChanged = "2026-11-20T08:00:00+00:00" }
      end
      local id = request.url:match "(%x+%-%x+%-[%x-]+)"
      if request.method == "POST" then return { status = 200, headers = {}, body = ('"%s"'):format(id) } end
      return { status = 200, headers = {}, body = (cjson.encode { correspondenceId = id, resourceId = "acme-letters",
        sender = "urn:altinn:organization:identifier-no:991825827", sendersReference = "case 1", status = "Published",
        recipient = "urn:altinn:organization:identifier-no:987654321", statusChanged = "2026-11-20T08:00:00+00:00",
        statusHistory = history, content = { language = "nb", messageTitle = "About case 1", messageSummary = "",
        messageBody = "b", attachments = {} } }:gsub('"attachments":{}', '"attachments":[]')) }
    end
    local client = events.client(options)
    world.ports.ask = function() return client end
    local job = world:job { run = print }
    job.rule = rule
    return world, job, asked
  end

  it("has a rule that sends on paper after two working days", function()
    local world, job, asked = world_of("paper.lua", { 200 }, { "Published" })
    local outcome, settlement = world:attempt(job)
    assert.are.same({ "later", "paper" }, { outcome.state, settlement.entry }, outcome.reason)
    assert.is_truthy(settlement.cancel:find("correspondencereceiverread", 1, true))
    world.now = settlement.due  -- 2027-01-15 is a Friday
    assert.are.equal("Tue Jan 19", os.date("!%a %b %d", settlement.due))
    assert.are.equal("done", world:attempt(job).state)
    assert.are.equal(1, #world.requests)
    assert.are.same({ reference = "case 1", letter = job.event.resourceinstance },
      cjson.decode(world.requests[1].body))
    assert.are.same({ "printed" }, { world.memory.settlements[2].memory[1].name })
    assert.is_true(#asked > 0)

    world, job = world_of("paper.lua", { 200 }, { "Published", "Read" })
    assert.are.equal("skipped", world:attempt(job).state)
    assert.are.equal(0, #world.requests)
  end)

  it("has a rule that confirms once, and asks after an unknown outcome", function()
    local broken = { error = "the connection broke", code = "network" }
    local found = { status = 200, headers = {}, body = "" }
    local world, job, asked = world_of("confirmed.lua", { broken, found }, { "Published" })
    local outcome = world:attempt(job)
    assert.are.equal("retry", outcome.state, outcome.reason)
    outcome = world:attempt(job)
    assert.are.equal("done", outcome.state, outcome.reason)
    assert.are.same({ "POST", "GET" }, { world.requests[1].method, world.requests[2].method })
    local confirmed = 0
    for _, call in ipairs(asked) do confirmed = confirmed + (call == "POST confirm" and 1 or 0) end
    assert.are.equal(1, confirmed)
  end)

  -- Runs the steps with this marker in a folder of their own, on ports that are not the usual ones; what they print.
  local function run_steps(marker, before)
    local folder = os.tmpname()
    os.remove(folder)
    local port = 20000 + (tonumber(folder:gsub("%W", ""):sub(-5), 36) + os.time()) % 4000 * 3
    local script = { "set -eu", "mkdir -p " .. folder .. "/rules", "cd " .. folder, before }
    local count = #script
    for _, block in ipairs(list) do
      if block.marker == marker then script[#script + 1] = block.text end
    end
    assert.is_true(#script > count)
    local steps = table.concat(script, "\n"):gsub("/tmp/first", folder):gsub("8480", tostring(port))
      :gsub("run rules", ("run rules --listen 127.0.0.1:%d --admin 127.0.0.1:%d"):format(port, port + 1))
      :gsub("events emulate", "events emulate --listen 127.0.0.1:" .. port + 2):gsub("8490", tostring(port + 2))
    assert(os.execute("mkdir " .. folder))
    local file = assert(io.open(folder .. "/steps", "wb"))
    file:write(steps, "\nwait || true\n")
    file:close()
    local pipe = assert(io.popen("bash " .. folder .. "/steps 2>&1 </dev/null"))
    local output = pipe:read("a")
    local ok = pipe:close()
    os.execute("rm -r " .. folder)
    assert.is_truthy(ok, output)
    return output
  end

  it("has first steps that work when copied", function()
    local output = run_steps "steps"
    assert.is_truthy(output:find("HTTP/1.1 200", 1, true), output)
    assert.is_truthy(output:find("skipped", 1, true), output)
    assert.is_truthy(output:find("nothing more to do", 1, true), output)
    assert.is_truthy(output:find('reason="letter 0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f is out"', 1, true), output)
    -- The inbox, its copy, and what was restored of the copy.
    local _, count = output:gsub("\n1 of 1\n", "")
    assert.are.equal(3, count, output)
  end)

  it("has steps with Altinn in a box that work when copied", function()
    local output = run_steps("emulate", ("printf '%%s' %q >rules/any.lua")
      :format('rule { name = "any", on = "*", run = function() end }'))
    assert.is_truthy(output:find("correspondencepublished", 1, true), output)
    assert.is_truthy(output:find("any +done"), output)
  end)

  -- Loads a configuration as the command does, with every variable set.
  local function load_config(path)
    local getenv = os.getenv
    os.getenv = function(name) -- luacheck: ignore
      if name:find "_ADDRESS$" then return "https://address.example.no/" .. name end
      return not name:find("^ALTINN_EVENTS_") and "value-of-" .. name or nil
    end
    local ok, config, problems = pcall(require("altinn.events.host.config").load, { config = path })
    os.getenv = getenv -- luacheck: ignore
    assert(ok, config)
    return config, problems
  end

  it("has configurations that load", function()
    local count = 0
    for _, block in ipairs(list) do
      if block.marker == "config" then
        local path = os.tmpname()
        local file = assert(io.open(path, "wb"))
        file:write(block.text)
        file:close()
        local config, problems = load_config(path)
        os.remove(path)
        assert(config, ("README.md, block at line %d: %s"):format(block.line, problems and problems[1] or ""))
        count = count + 1
      end
    end
    assert.is_true(count > 0)
    for _, path in ipairs { "examples/altinn-events.lua", "examples/demo/altinn-events.lua" } do
      local config, problems = load_config(path)
      assert(config, problems and problems[1])
    end
  end)

  it("shows commands that there are", function()
    local count, build = 0, os.getenv "AE_BUILD" or "build/lua5.4"
    for _, block in ipairs(list) do
      for line in (block.language == "sh" and block.text or ""):gmatch("[^\n]+") do
        local words = line:match("^altinn%-events [^#&|<>]+")
        if words then
          local pipe = assert(io.popen(("%s/bin/%s --help 2>&1"):format(build, words)))
          local output = pipe:read("a")
          assert(pipe:close(), ("README.md: %s: %s"):format(line, output))
          count = count + 1
        end
      end
    end
    assert.is_true(count > 10)
  end)

  it("has the catalogue's event types, each with all that is known (make definitions)", function()
    local types_table = require "spec.support.types_table"
    local from = select(2, assert(text:find(types_table.FIRST .. "\n", 1, true)))
    local shown = text:sub(from + 1, assert(text:find(types_table.LAST, from, true)) - 1)
    assert.are.equal(types_table.text(), shown)
    for name in pairs(require("altinn.events.core").types()) do
      assert.is_truthy(shown:find("`" .. name .. "`", 1, true), name)
    end
  end)

  it("has the kinds of effects and what their targets have (make definitions)", function()
    local effects_table = require "spec.support.effects_table"
    assert.are.equal(effects_table.text(), effects_table.shown(text))
  end)

  it("links to files that are there", function()
    for target in text:gmatch("%]%(([^)#:]+)%)") do
      local file = io.open(target, "rb")
      assert.is_truthy(file, "README.md links to " .. target)
      file:close()
    end
  end)
end)

describe("the Lua modules", function()
  -- A public function: M.name or M:name of a file that returns M.
  local function uncovered(path)
    local list, comment = {}, {}
    local number = 0
    for line in (read(path) .. "\n"):gmatch("(.-)\n") do
      number = number + 1
      if line:match("^%-%-") then
        comment[#comment + 1] = line
      else
        local name, arguments = line:match("^function M[.:]([%a][%w_]*)%s*%(([^)]*)%)")
        if name then
          local above = table.concat(comment, "\n")
          if above == "" then list[#list + 1] = path .. ":" .. number .. ": " .. name .. " has no comment" end
          for argument in arguments:gmatch("[%w_.]+") do
            if argument ~= "_" and argument ~= "self"
              and not above:find("%-%-%-%s?@param " .. argument:gsub("%.", "%%.") .. "%??[%s]")
              and not above:find("%-%-%-%s?@param " .. argument:gsub("%.", "%%.") .. "%??$") then
              list[#list + 1] = path .. ":" .. number .. ": " .. name .. " lacks ---@param " .. argument
            end
          end
        end
        comment = {}
      end
    end
    return list
  end

  it("annotate what is public", function()
    local missing = {}
    for _, path in ipairs(files("lua -name '*.lua'")) do
      for _, what in ipairs(uncovered(path)) do missing[#missing + 1] = what end
    end
    assert.are.same({}, missing)
  end)
end)

describe("the C headers", function()
  -- A function of ours in a header: a comment block right above it, above the lines of prototypes that it
  -- stands in, or behind it on the line.
  local function uncovered(path)
    local list, covered, inside, number = {}, false, false, 0
    for line in (read(path) .. "\n"):gmatch("(.-)\n") do
      number = number + 1
      if inside then
        inside = not line:find("*/", 1, true)
        covered = true
      elseif line:match("^%s*/%*") then
        inside = not line:find("*/", 1, true)
        covered = true
      elseif line:match("^%s*$") then
        covered = false
      else
        local name = line:match("^[%a][%w_%s]*[%s*]+(ae_[%w_]+) %(") or line:match("^(ae_[%w_]+) %(")
        if name and not line:match("^#") and not line:match("^typedef") and not line:match("^return")
          and not covered and not line:find("/*", 1, true) then
          list[#list + 1] = path .. ":" .. number .. ": " .. name .. " has no comment"
        end
      end
    end
    return list
  end

  it("say what each function promises", function()
    local missing = {}
    for _, path in ipairs(files("csrc -name '*.h'")) do
      for _, what in ipairs(uncovered(path)) do missing[#missing + 1] = what end
    end
    assert.are.same({}, missing)
  end)
end)

describe("a comment", function()
  it("points to no document that a stranger cannot open", function()
    local found = {}
    for _, path in ipairs(files("csrc lua examples spec -name '*.lua' -o -name '*.[ch]'")) do
      local number = 0
      for line in (read(path) .. "\n"):gmatch("(.-)\n") do
        number = number + 1
        if line:find("[Dd]omain [%d]") or line:find("[(]domain") or line:find("in the design[ .]") then
          found[#found + 1] = path .. ":" .. number
        end
      end
    end
    assert.are.same({}, found)
  end)
end)

describe("the examples", function()
  it("have a spec beside each rule", function()
    for _, path in ipairs(files("examples/rules -name '*.lua' -not -name '*_spec.lua'")) do
      local spec = io.open((path:gsub("%.lua$", "_spec.lua")), "rb")
      assert.is_truthy(spec, path .. " has no spec")
      spec:close()
    end
  end)

  it("for nginx have a rule of the host, unchanged", function()
    assert.are.equal(read "examples/rules/publish_failed.lua", read "examples/openresty/rules/publish_failed.lua")
  end)

  it("speak of the targets that the sample configuration has", function()
    local words = { env = function(name) return name end, file = function(path) return path end }
    local config = assert(loadfile("examples/altinn-events.lua", "t", words))()
    for _, path in ipairs(files("examples/rules -name '*.lua' -not -name '*_spec.lua'")) do
      for target in read(path):gmatch("send%.%w+%(\"([%w_-]+)\"%)") do
        assert.is_truthy(config.targets[target], path .. " sends to " .. target)
      end
    end
  end)
end)
