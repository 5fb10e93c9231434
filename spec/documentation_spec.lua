-- What the documentation says is tried: the README's examples run, and every public name has its comment.

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

  it("has rules that load", function()
    local count = 0
    for _, block in ipairs(list) do
      local name = block.marker and block.marker:match("^rule ([%w_.]+)$")
      if name then
        local folder = os.tmpname()
        os.remove(folder)
        assert(os.execute("mkdir " .. folder))
        local path = folder .. "/" .. name
        local file = assert(io.open(path, "wb"))
        file:write(block.text, "\n")
        file:close()
        local set, problems = require("altinn.events.rules").load({ path })
        os.execute("rm -r " .. folder)
        assert.is_truthy(set, problems and problems[1] and problems[1].message)
        count = count + 1
      end
    end
    assert.is_true(count > 0)
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
