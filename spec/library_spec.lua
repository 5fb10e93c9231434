-- The definitions for editors say what the code does: every public function, every key of a rule, every event type.
local annotations = require "spec.support.annotations"
local catalogue = require "spec.support.catalogue"
local core = require "altinn.events.core"
local details = require "altinn.events.client.details"
local events = require "altinn.events"
local process = require "spec.support.process"
local rule = require "altinn.events.rule"
local rules = require "altinn.events.rules"
local things = require "altinn.events.rules.thing"

local FOLDER = "lua/altinn/events/library/"
local NAMES = { "catalogue", "client", "configuration", "effects", "events", "resty", "rules", "test" }

local files, classes, aliases = {}, {}, {}
for _, name in ipairs(NAMES) do
  files[name] = annotations.read(FOLDER .. name .. ".lua")
  for class, what in pairs(files[name].classes) do classes[class] = what end
  for alias, what in pairs(files[name].aliases) do aliases[alias] = what end
end

local BUILTIN = {}
for name in ("any nil boolean string number integer table true false"):gmatch "%S+" do BUILTIN[name] = true end

local function sorted(set, but)
  local list = {}
  for name in pairs(set) do
    if type(name) ~= "number" and not (but and but[name]) and name:sub(1, 2) ~= "__" then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

local function set_of(list)
  local set = {}
  for _, one in ipairs(list) do set[one] = true end
  return set
end

-- The values that a function uses by name, and the functions among them and in tables of them.
local function upvalues(fn)
  local values, inner, index = {}, {}, 1
  while true do
    local name, value = debug.getupvalue(fn, index)
    if not name then return values, inner end
    values[name], index = value, index + 1
    for _, one in pairs(type(value) == "table" and value or { value }) do
      if type(one) == "function" then inner[#inner + 1] = one end
    end
  end
end

-- A local value that a function uses, itself or through others.
local function hidden(fn, name, seen)
  seen[fn] = true
  local values, inner = upvalues(fn)
  if values[name] ~= nil then return values[name] end
  for _, one in ipairs(inner) do
    local found
    if not seen[one] then found = hidden(one, name, seen) end
    if found ~= nil then return found end
  end
  return nil
end

local function known(fn, name)
  local value = hidden(fn, name, {})
  assert.is_table(value, "the code has no " .. name .. " any more")
  return value
end

local function class(name) return assert(classes[name], "no class " .. name) end

-- All fields of a class, with those of its parents.
local function fields_of(name)
  local all, one = {}, class(name)
  while one do
    for field in pairs(one.fields) do all[field] = true end
    one = one.parent and class(one.parent)
  end
  return all
end

-- Names of the arguments of a Lua function, without self; whether it is a method.
local function arguments_of(fn)
  local info, list = debug.getinfo(fn, "u"), {}
  for index = 1, info.nparams do list[#list + 1] = debug.getlocal(fn, index) end
  local is_method = list[1] == "self"
  if is_method then table.remove(list, 1) end
  if info.isvararg then list[#list + 1] = "..." end
  return list, is_method
end

-- The methods of a class of the code are those of the definitions, with the same arguments.
local function same_methods(name, code)
  local defined = class(name).methods
  local methods = {}
  for method, fn in pairs(code) do
    if type(fn) == "function" and method:sub(1, 2) ~= "__" then
      methods[method] = true
      assert.is_truthy(defined[method], ("%s has no definition of %s"):format(name, method))
      if debug.getinfo(fn, "S").what ~= "C" then
        local arguments, is_method = arguments_of(fn)
        assert.are.same(arguments, defined[method].arguments, name .. " " .. method)
        assert.are.equal(is_method, defined[method].is_method, name .. " " .. method)
      end
    end
  end
  assert.are.same(sorted(methods), sorted(defined), name)
end

describe("the definitions", function()
  it("are those that are there", function()
    local pipe = assert(io.popen("cd " .. FOLDER .. " && ls"))
    local found = {}
    for line in pipe:lines() do found[#found + 1] = line:match "^(.*)%.lua$" end
    pipe:close()
    assert.are.same(NAMES, found)
  end)

  it("are LuaCATS, and name only types that there are", function()
    local problems = {}
    for name, file in pairs(files) do
      for _, problem in ipairs(file.problems) do problems[#problems + 1] = problem end
      for _, one in ipairs(file.uses) do
        if not (BUILTIN[one.name] or file.classes[one.name] or aliases[one.name] or classes[one.name]) then
          problems[#problems + 1] = ("%s%s.lua:%d: there is no type %s"):format(FOLDER, name, one.line, one.name)
        end
      end
    end
    assert.are.same({}, problems)
  end)

  it("are checked by a reader that finds mistakes", function()
    for text, wanted in pairs {
      ["string|"] = "a type is wanted", ["fun(a: string"] = "',' is wanted", ["{ a string }"] = "':' is wanted",
      ["table<string, >"] = "a type is wanted", ["string[]]"] = "a blank is wanted", ["(string"] = "')' is wanted",
    } do
      local ok, message = pcall(annotations.type, text)
      assert.is_false(ok, text)
      assert.is_truthy(message:find(wanted, 1, true), message)
    end
    local path = os.tmpname()
    process.write(path, "---@meta _\n---@clas a\n---@field b string\n\n---@return strin\nfunction x.y(a) end\n"
      .. "local z = 1\n")
    local file = annotations.read(path)
    os.remove(path)
    assert.are.equal(4, #file.problems, table.concat(file.problems, "\n"))
  end)

  it("compile, in Lua 5.1 too, and have a comment and all arguments for each function", function()
    for _, name in ipairs(NAMES) do
      local path = FOLDER .. name .. ".lua"
      assert(loadfile(path))
      local file = files[name]
      assert.is_truthy(file.meta and #file.meta > 0, path)
      local function check(what, of)
        assert.are_not.equal("", what.comment, ("%s: %s has no comment"):format(path, of))
        assert.are.same(what.arguments or {}, what.params or {}, ("%s: ---@param of %s"):format(path, of))
        assert.is_true(not what.is_value or what.typed, ("%s: %s has no ---@type"):format(path, of))
      end
      for global, what in pairs(file.globals) do check(what, global) end
      for of, one in pairs(file.classes) do
        check(one, of)
        for method, what in pairs(one.methods) do check(what, of .. " " .. method) end
      end
    end
  end)

  it("hold what the core knows: make definitions", function()
    assert.are.equal(catalogue.text(), process.read(FOLDER .. "catalogue.lua"))
    assert.are.equal(require("spec.support.effects_table").definitions(), process.read(FOLDER .. "effects.lua"))
    for short, entry in pairs(core.types()) do
      assert.is_true(set_of(aliases["altinn.events.type"].values)[short])
      assert.is_true(set_of(aliases["altinn.events.full_type"].values)[entry.type])
    end
    assert.are.equal(#sorted(core.types()), #aliases["altinn.events.type"].values)
  end)
end)

describe("of the module", function()
  local client = events.client { base_url = "http://127.0.0.1:1", token = "t" }

  it("every function and value is defined, and no other", function()
    local defined = class "altinn.events"
    local names = {}
    for name in pairs(defined.methods) do names[name] = true end
    for name in pairs(defined.fields) do names[name] = true end
    assert.are.same(sorted(events), sorted(names, { on_reveal = true }))
    same_methods("altinn.events", events)
  end)

  it("the test world's methods are defined", function()
    local methods = {}
    for name, fn in pairs(require("altinn.events.test.world").methods) do methods[name] = fn end
    same_methods("altinn.events.test.world", methods)
    same_methods("altinn.events.test", require "altinn.events.test")
  end)

  it("the methods of matchers, clients, letters and attachments are defined", function()
    same_methods("altinn.events.matcher", getmetatable(events.matcher()).__index)
    same_methods("altinn.events.client", getmetatable(client).__index)
    local letter = getmetatable(client:letter "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f").__index
    same_methods("altinn.events.letter", letter)
    same_methods("altinn.events.letter_details", details.methods)
    same_methods("altinn.events.attachment", getmetatable(client:attachment "a").__index)
  end)

  it("the methods of token sources are defined", function()
    same_methods("altinn.events.token_source", known(require("altinn.events.maskinporten").new, "Source"))
  end)

  it("the options are defined", function()
    local methods = getmetatable(client).__index
    for name, set in pairs {
      ["altinn.events.client_options"] = known(require("altinn.events.client").new, "OPTIONS"),
      ["altinn.events.subscription_wish"] = known(methods.subscribe, "SUBSCRIBE"),
      ["altinn.events.pull_options"] = known(methods.events, "PULL"),
      ["altinn.events.list_options"] = known(methods.letters, "LIST"),
      ["altinn.events.maskinporten_options"] = known(require("altinn.events.maskinporten").new, "KINDS"),
      ["altinn.events.token_options"] = known(require("altinn.events.maskinporten").new, "OF_TOKEN"),
      ["altinn.events.head"] = known(require("altinn.events.event.head").compile, "head_keys"),
    } do
      assert.are.same(sorted(set), sorted(fields_of(name)), name)
    end
  end)

  it("what describe and the catalogue give is defined", function()
    local meaning = fields_of "altinn.events.meaning"
    local entry = fields_of "altinn.events.catalogue_entry"
    for _, one in pairs(core.types()) do
      for name in pairs(one) do assert.is_true(entry[name], name) end
      local described = assert(events.describe { specversion = "1.0", id = "1", type = one.type,
        source = "https://platform.tt02.altinn.no/x", resource = "urn:altinn:resource:a", resourceinstance = "1",
        subject = "urn:altinn:organization:identifier-no:987654321" })
      for name in pairs(described) do assert.is_true(meaning[name], name) end
    end
  end)

  it("the attributes and codes of the core are defined", function()
    local attributes = { data = true }
    local list = process.read "csrc/core/event.h":match "#define AE_ATTRIBUTES%(X%)(.-)\n\n"
    for name in list:gmatch '"(%w+)"' do attributes[name] = true end
    assert.are.same(sorted(attributes), sorted(fields_of "altinn.events.event"))
    local codes = {}
    for name in process.read "csrc/core/slice.h":match "#define AE_CODES%(X%)(.-)\n\n":gmatch '"([%w_]+)"' do
      if name ~= "ok" then codes[name] = true end
    end
    assert.are.same(sorted(codes), sorted(set_of(aliases["altinn.events.code"].values)))
  end)
end)

describe("of rule files", function()
  local folder
  setup(function() folder = process.folder() end)
  teardown(function() process.remove(folder) end)

  it("every word in scope is defined, and no other", function()
    local found = {}
    process.write(folder .. "/rule.lua", "found(_G)\nrule { name = 'x', on = '*', run = function() end }\n")
    assert(rules.load({ folder .. "/rule.lua" }, { globals = { found = function(env)
      for name in pairs(env) do found[name] = true end
    end } }))
    found.found = nil
    for name in pairs(_G) do found[name] = nil end
    assert.are.same(sorted(found), sorted(files.rules.globals))
    local functions = "done skip retry_after fail later remember forget workdays step"
    for name in functions:gmatch "%a[%a_]*" do
      assert.are.same(arguments_of(rule[name]), files.rules.globals[name].arguments)
    end
    same_methods("altinn.events.send", rule.send)
  end)

  it("every key of a rule is defined", function()
    local checks = known(rule.new, "checks")
    assert.are.same(sorted(checks), sorted(fields_of "altinn.events.rule"))
    assert.are.same(sorted(known(checks.retry, "checks")), sorted(fields_of "altinn.events.retry"))
    assert.are.same(sorted(known(checks.limit, "checks")), sorted(fields_of "altinn.events.limit"))
    for name, kind in pairs(require("altinn.events.rules.effects").kinds) do
      assert.are.same(sorted(kind.fields), sorted(fields_of(("altinn.events.%s_effect"):format(name))))
    end
  end)

  it("every power is defined", function()
    local powers = set_of(aliases["altinn.events.power"].values)
    powers.string = nil
    assert.are.same(sorted(known(rule.new, "powers")), sorted(powers))
  end)

  it("the words for parties in conditions are defined", function()
    local when = fields_of "altinn.events.when"
    for name in pairs(known(require("altinn.events.event.head").compile, "attributes")) do
      assert.is_true(when[name], name)
    end
    assert.is_true(class("altinn.events.when").open)
  end)

  it("the methods of letters and attachments are defined", function()
    local function methods(kind)
      return getmetatable(things.new({}, { id = "1", kind = kind }, function() end)).methods
    end
    same_methods("altinn.events.rule_letter", methods "letter")
    same_methods("altinn.events.rule_attachment", methods "attachment")
  end)

  it("the context of a run is defined", function()
    local engine = require "altinn.events.rules.engine"
    local context = engine.context({ failures = 0, received = 0, sequence = 1, subscription = "x" },
      function() end)
    assert.is_function(context.log.info)  -- made when it is asked for
    assert.are.same(sorted(rule.context), sorted(fields_of "altinn.events.context"))
    for name in pairs(context) do assert.is_true(rule.context[name], name) end
    assert.are.same(sorted(context.log), sorted(fields_of "altinn.events.log"))
    assert.is_true(class("altinn.events.log").callable)
  end)
end)

describe("of what Altinn says of letters", function()
  it("each member is one that a rule may read", function()
    local shapes = require("altinn.events.rules.members").shapes
    for name, members in pairs { letter_overview = shapes.letter, letter_details = shapes.letter,
      attachment_overview = shapes.attachment, attachment_details = shapes.attachment,
      letter_content = shapes.letter.content, file = shapes.letter.content.attachments.each,
      status_entry = shapes.letter.statusHistory.each } do
      for field in pairs(fields_of("altinn.events." .. name)) do
        assert.is_truthy(members[field], name .. "." .. field)
      end
    end
  end)
end)

describe("of the configuration", function()
  local config = require "altinn.events.host.config"

  it("every key is defined", function()
    local shape = config.shape
    local credentials = known(shape.credentials, "shape")
    assert.are.same(sorted(known(credentials.system_user, "shape")), sorted(fields_of "altinn.events.system_user"))
    assert.are.same(sorted(shape), sorted(fields_of "altinn.events.configuration"))
    assert.are.same(sorted(credentials), sorted(fields_of "altinn.events.credentials"))
    assert.are.same(sorted(config.target_shape), sorted(fields_of "altinn.events.target"))
    assert.are.same(sorted(known(shape.limits, "shape")), sorted(fields_of "altinn.events.limits"))
    assert.are.same(sorted(known(shape.log, "shape")), sorted(fields_of "altinn.events.log_options"))
    assert.are.same({ "env", "file" }, sorted(files.configuration.globals))
  end)
end)

describe("of nginx", function()
  it("the functions and options are defined", function()
    local resty = require "altinn.events.resty"
    same_methods("altinn.events.resty", resty)
    local known_options = known(require("altinn.events.resty.options").check, "CHECKS")
    assert.are.same(sorted(known_options), sorted(fields_of "altinn.events.resty_options"))
  end)
end)
