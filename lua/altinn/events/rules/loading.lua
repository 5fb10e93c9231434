-- Loading rule files: each in an environment of its own, all problems
-- collected, nothing done on load.
local core = require "altinn.events.core"
local head = require "altinn.events.event.head"
local rule = require "altinn.events.rules.language"
local suggest = require "altinn.events.support.suggest"

local M = {}

local option_keys = { globals = true, seconds = true }

local function refuse(what)
  return function() error(("%s: a rule file does no I/O when loaded"):format(what), 2) end
end

local function copy_of(library)
  local copy = {}
  for key, value in pairs(library) do copy[key] = value end
  return copy
end

-- The same with what it holds and with its metatable.
local function deep_copy(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, one in pairs(value) do copy[key] = deep_copy(one) end
  return setmetatable(copy, getmetatable(value))
end

-- io and os as a rule file sees them: what has an effect is refused while
-- the file is being loaded, and works when its rules run.
local function guarded(library, name, forbidden, state)
  local copy = {}
  for key, value in pairs(library) do
    if forbidden[key] then
      local refusal = refuse(name .. "." .. key)
      copy[key] = function(...)
        if state.loading then return refusal() end
        return value(...)
      end
    else
      copy[key] = value
    end
  end
  return copy
end

local function set_of(...)
  local set = {}
  for _, word in ipairs { ... } do set[word] = true end
  return set
end

local io_words = set_of("open", "popen", "lines", "input", "output", "read", "write", "tmpfile")
local os_words = set_of("execute", "remove", "rename", "tmpname")

-- A finalizer runs whenever Lua likes, and nothing could stop it.
local function safe_setmetatable(value, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("a rule's metatable cannot have __gc", 2)
  end
  return setmetatable(value, metatable)
end

local harmless = set_of("collect", "count", "step")

local function safe_collectgarbage(what, ...)
  if what ~= nil and not harmless[what] then
    error(("collectgarbage(\"%s\") is not for rules: it concerns them all"):format(tostring(what)), 2)
  end
  return collectgarbage(what, ...)
end

local function standard_library(state)
  local library = {}
  for key, value in pairs(_G) do
    library[key] = type(value) == "table" and value ~= _G and copy_of(value) or value
  end
  library.io = guarded(io, "io", io_words, state)
  library.os = guarded(os, "os", os_words, state)
  library.os.exit = function() error("os.exit is not for rules", 2) end
  library.os.setlocale = nil
  library.setmetatable, library.collectgarbage = safe_setmetatable, safe_collectgarbage
  library.getmetatable = function(value)  -- that of strings belongs to everybody
    if type(value) == "string" then return { __index = library.string } end
    return getmetatable(value)
  end
  library.debug, library.dofile, library.loadfile, library.package = nil, nil, nil, nil
  library.load = function(chunk, name, _, env)
    return load(chunk, name, "t", env or state.environment)
  end
  return library
end

local function folder_of(file)
  return file:match("^(.*)/[^/]*$") or "."
end

local standard = set_of("_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table", "utf8")

-- The standard library and the module, as they are in scope: changes to them
-- must not reach others.
local function in_scope(state, name)
  if name == "altinn.events" then return state.environment.events end
  if not standard[name] then return nil end
  local value = rawget(state.environment, name)
  if value == nil then error(("the module '%s' is not for rules"):format(name), 3) end
  return value
end

-- `require` of a rule file: modules beside it first, then installed ones.
local function requirer(state)
  local loaded = {}
  return function(name)
    if loaded[name] ~= nil then return loaded[name] end
    local own = in_scope(state, name)
    if own ~= nil then return own end
    local folder = folder_of(state.file)
    local path = package.searchpath(name, folder .. "/?.lua;" .. folder .. "/?/init.lua")
    if not path then
      local ok, value = pcall(require, name)
      if not ok then error(value, 2) end
      return value
    end
    local chunk, message = loadfile(path, "t", state.environment)
    if not chunk then error(message, 2) end
    local value = chunk(name, path)
    loaded[name] = value == nil and true or value
    return loaded[name]
  end
end

local function default_log()
  local log = {}
  for _, level in ipairs { "debug", "info", "warn", "warning", "error" } do log[level] = function() end end
  return setmetatable(log, { __call = function() end })
end

local function scripts_only()
  error("events.on is for scripts that embed the module; in a rule file stands rule { name = …, on = …, run = … }", 2)
end

local function environment(state, globals, register)
  local env = standard_library(state)
  env._G = env
  env.rule = register
  env.skip, env.retry_after, env.fail, env.send = rule.skip, rule.retry_after, rule.fail, copy_of(rule.send)
  env.done = rule.done
  env.prefix, env.no, env.absent, env.present = head.prefix, head.no, head.absent, head.present
  local events = require "altinn.events"
  env.events = setmetatable({ on = scripts_only, types = deep_copy(events.types) },
    { __index = events, __metatable = false })
  env.log = default_log()
  for name, value in pairs(globals or {}) do env[name] = deep_copy(value) end
  state.environment = env
  env.require = requirer(state)
  return env
end

-- "rules/print.lua:12: message" -> file, line, message
local function place(text, file)
  local found, line, message = text:match("^(.-):(%d+):%s*(.*)$")
  if not found then return { file = file, message = text } end
  return { file = found, line = tonumber(line), message = message }
end

local function add_rule(set, problems, names, file, fields)
  local info = debug.getinfo(3, "l")
  local line = info and info.currentline > 0 and info.currentline or 1  -- `return rule {…}` leaves no line
  local made, faults = rule.new(fields)
  if not made then
    local label = type(fields) == "table" and type(fields.name) == "string" and core.mask(fields.name) or nil
    for _, message in ipairs(faults) do
      problems[#problems + 1] = { file = file, line = line, message = message, rule = label }
    end
    return
  end
  made.file, made.line = file, line
  local first = names[made.name]
  if first then
    problems[#problems + 1] = { file = file, line = line, rule = made.name,
      message = ("the name '%s' is taken by %s:%d"):format(made.name, first.file, first.line) }
    return
  end
  names[made.name] = made
  set[#set + 1] = made
end

local LOAD_SECONDS = 10

-- A file that loops would keep who loads it for ever: after its time each
-- instruction raises. Inside a coroutine the budget of the task counts.
local run_file

function run_file(chunk, seconds)
  local thread, is_main = coroutine.running()
  if thread and not is_main or debug.gethook() then return pcall(chunk) end
  local ends = os.time() + seconds
  local function stop()
    if debug.getinfo(2, "f").func ~= run_file then error(("loading takes more than %d s"):format(seconds), 0) end
  end
  debug.sethook(function()
    if os.time() > ends then debug.sethook(stop, "", 1) end
  end, "", 100000)
  local ok, failure = pcall(chunk)
  debug.sethook()
  return ok, failure
end

local function text_of(failure)
  if type(failure) == "string" then return failure end
  local ok, text = pcall(tostring, failure)
  return ok and type(failure) ~= "nil" and text or "the file raises what is no text"
end

local function load_file(set, problems, names, file, options)
  local state = { file = file, loading = true }
  local env = environment(state, options.globals, function(fields)
    if not state.loading then error("rule { … } stands at the top of a file, not inside a run", 2) end
    add_rule(set, problems, names, file, fields)
  end)
  local chunk, message = loadfile(file, "t", env)
  if not chunk then
    problems[#problems + 1] = place(message, file)
    return
  end
  local before = #set + #problems
  local ok, failure = run_file(chunk, options.seconds or LOAD_SECONDS)
  state.loading = false
  if not ok then
    problems[#problems + 1] = place(text_of(failure), file)
  elseif #set + #problems == before then
    problems[#problems + 1] = { file = file, message = "the file holds no rule" }
  end
end

local function shell_quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function is_folder(path)
  local file = io.open(path .. "/.", "r")
  if file then file:close() end
  return file ~= nil
end

-- The *.lua files of a folder, sorted, specs left out; nil when it cannot be
-- read.
local function files_in(folder)
  local pipe = io.popen("ls -1 -- " .. shell_quote(folder) .. " 2>/dev/null", "r")
  local list = {}
  if not pipe then return nil end
  for name in pipe:lines() do
    if name:find("%.lua$") and not name:find("_spec%.lua$") and not name:find("^%.") then
      list[#list + 1] = folder:gsub("/+$", "") .. "/" .. name
    end
  end
  if pipe:close() == nil then return nil end
  table.sort(list)
  return list
end

--- The rule files that paths name: files as they are, folders by their
--- *.lua files (without *_spec.lua), sorted.
---@param paths string[]
---@return string[]|nil files
---@return table[]|nil problems
function M.files(paths)
  local files, problems = {}, {}
  for _, path in ipairs(paths) do
    if is_folder(path) then
      local inside = files_in(path)
      if not inside then
        problems[#problems + 1] = { file = path, message = "the folder cannot be read" }
      elseif #inside == 0 then
        problems[#problems + 1] = { file = path, message = "the folder holds no rule file (*.lua)" }
      end
      for _, file in ipairs(inside or {}) do files[#files + 1] = file end
    else
      local file, message = io.open(path, "r")
      if file then
        file:close()
        files[#files + 1] = path
      else
        problems[#problems + 1] = { file = path, message = message:match(": (.*)$") or message }
      end
    end
  end
  if #problems > 0 then return nil, problems end
  return files
end

--- Loads rule files and folders of them.
---@param paths string[]
---@param options { globals: table<string, any>|nil, seconds: integer|nil }|nil globals: what rule files find in scope
---  besides the language; seconds: what loading a file may take (default 10)
---@return table[]|nil set the rules in the order of files and lines; rules[i].name, .run, .conditions, .file, .line, …
---@return table[]|nil problems all that was wrong, each { file, line, message, rule }
function M.load(paths, options)
  options = options or {}
  for key in pairs(options) do
    if not option_keys[key] then
      error(("unknown option '%s'%s"):format(tostring(key), suggest.hint(tostring(key), option_keys)), 2)
    end
  end
  local files, missing = M.files(paths)
  if not files then return nil, missing end
  local set, problems, names = {}, {}, {}
  for _, file in ipairs(files) do load_file(set, problems, names, file, options) end
  if #problems > 0 then return nil, problems end
  return set
end

--- The heads of a set of rules, for the host's matcher; disabled rules are
--- left out.
---@param set table[]
---@return table[] heads each { rule, order, conditions }
function M.heads(set)
  local heads = {}
  for _, one in ipairs(set) do
    if one.enabled then
      heads[#heads + 1] = { rule = one.name, order = one.order, conditions = one.conditions }
    end
  end
  return heads
end

--- A problem as a line of text: "file:line: message".
---@param problem table
---@return string
function M.describe_problem(problem)
  local at = problem.line and ("%s:%d"):format(problem.file, problem.line) or problem.file
  local name = problem.rule and ("rule '%s': "):format(problem.rule) or ""
  return core.mask(("%s: %s%s"):format(at, name, problem.message))
end

return M
