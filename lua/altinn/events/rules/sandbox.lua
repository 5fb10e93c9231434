-- The environment of a rule file: the words of the language, and the file's own copies of the standard library.
-- Changes to it reach neither the host nor another rule file, and an undefined name raises.
local core = require "altinn.events.core"
local head = require "altinn.events.event.head"
local rule = require "altinn.events.rules.language"
local strict = require "altinn.events.support.strict"
local suggest = require "altinn.events.support.suggest"

local M = {}

local function set_of(...)
  local set = {}
  for _, word in ipairs { ... } do set[word] = true end
  return set
end

local function copy_of(library)
  local copy = {}
  for key, value in pairs(library) do copy[key] = value end
  return copy
end

-- A copy of a table, of the tables in it, with its metatable.
local function deep_copy(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, one in pairs(value) do copy[key] = deep_copy(one) end
  return setmetatable(copy, getmetatable(value))
end

-- Libraries.

local function refuse(what)
  return function() error(("%s: a rule file does no I/O when loaded"):format(what), 2) end
end

-- The copies of io and os. Functions with an effect outside raise while the file is loaded, and work when its rules
-- run.
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

local io_words = set_of("open", "popen", "lines", "input", "output", "read", "write", "tmpfile")
local os_words = set_of("execute", "remove", "rename", "tmpname")

local function io_library(state)
  local library = guarded(io, "io", io_words, state)
  for _, name in ipairs { "input", "output" } do
    local plain = library[name]
    library[name] = function(file)
      if file == nil or state.loading then return plain() end
      error(("io.%s(file) concerns all rules: use what io.open gives"):format(name), 2)
    end
  end
  return library
end

-- What stands for standard output and standard error where `print` is the host's: each write is a line of the log,
-- which masks it and never waits. The streams themselves may be a pipe that nobody reads.
local function log_stream(state, say)
  local stream = {}
  function stream:write(...)
    if state.loading then refuse "io.write" () end
    local text = table.concat({ ... }):gsub("\n$", "")
    if text ~= "" then say(text) end
    return self
  end
  function stream:flush() return self end
  function stream.setvbuf() return true end
  function stream.close() return nil, "the log stays open" end
  return setmetatable(stream, { __tostring = function() return "file (the log)" end })
end

local function to_log(library, state, say)
  local stream = log_stream(state, say)
  library.stdout, library.stderr = stream, stream
  library.write = function(...) return stream:write(...) end
  library.output = function(file)
    if file == nil then return stream end
    error("io.output(file) concerns all rules: use what io.open gives", 2)
  end
end

local function os_library(state)
  local library = guarded(os, "os", os_words, state)
  library.exit = function() error("os.exit is not for rules", 2) end
  library.setlocale = nil
  library.getenv = function(name)  -- the host's own variables hold its secrets
    if type(name) == "string" and name:find("^ALTINN_EVENTS_") then return nil end
    if state.hidden and state.hidden[name] then return nil end
    return os.getenv(name)
  end
  return library
end

local function math_library()
  local library = copy_of(math)
  library.randomseed = function()
    error("math.randomseed concerns all rules, and they are seeded already: leave it out", 2)
  end
  return library
end

-- All code in a Lua state shares the methods of texts (text:upper()), and a copy of `string` cannot change them. So
-- this copy refuses changes, which would work in the form string.upper(text) only.
local function string_library()
  local library = copy_of(string)
  local function refusal(_, name)
    name = tostring(name)
    error(("string.%s cannot be set: methods of texts belong to all rules; write local function %s(text) … end and"
      .. " call %s(text)"):format(name, name, name), 2)
  end
  return setmetatable({}, {
    __index = library, __newindex = refusal, __metatable = false,
    __pairs = function() return next, copy_of(library), nil end,
  })
end

-- Refuses finalizers: they run at any time, outside of the rule's budget.
local function safe_setmetatable(value, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("a rule's metatable cannot have __gc", 2)
  end
  return setmetatable(value, metatable)
end

-- A Lua state has one metatable for files and one for texts, and all rules share those of the module: a rule file gets
-- copies, or false.
local function safe_getmetatable(strings)
  return function(value)
    local metatable = getmetatable(value)
    if type(metatable) ~= "table" then return metatable end
    if type(value) == "string" then
      return setmetatable({}, { __index = { __index = strings }, __metatable = false, __newindex = function()
        error("the metatable of texts belongs to all rules and cannot be changed", 2)
      end })
    elseif type(value) ~= "table" then
      return setmetatable(deep_copy(metatable), nil)
    end
    local name = rawget(metatable, "__name")
    if type(name) == "string" and name:find("^altinn%.events") then return false end
    return metatable
  end
end

local harmless = set_of("collect", "count", "step")

local function safe_collectgarbage(what, ...)
  if what ~= nil and not harmless[what] then
    error(("collectgarbage(\"%s\") is not for rules: it concerns them all"):format(tostring(what)), 2)
  end
  return collectgarbage(what, ...)
end

--- A chunk of a text that sees an environment; no bytecode.
---@param text string
---@param name string of the chunk: "@" and the path of its file
---@param env table
---@return function|nil chunk
---@return string|nil message
function M.chunk(text, name, env)
  text = text:gsub("^\239\187\191", ""):gsub("^#[^\n]*", "")  -- as loadfile: a byte order mark, a line for the shell
  if text:byte() == 27 then return nil, ("%s: this is a binary chunk, not a text"):format(name:gsub("^[@=]", "")) end
  local setfenv = rawget(_G, "setfenv")
  if not setfenv then return load(text, name, "t", env) end
  local chunk, message = rawget(_G, "loadstring")(text, name)
  return chunk and setfenv(chunk, env), message
end

local function safe_load(state)
  return function(chunk, name, _, env)
    if type(chunk) == "function" then
      local parts = {}
      for part in chunk do
        if part == "" then break end
        parts[#parts + 1] = part
      end
      chunk = table.concat(parts)
    end
    return M.chunk(chunk, name or "=(load)", env or state.environment)
  end
end

local functions = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "select",
  "tonumber", "tostring", "type", "unpack", "warn", "xpcall", "_VERSION",
}
local libraries = { "bit", "coroutine", "ngx", "table", "utf8" }

local function standard_library(state)
  local library = {}
  for _, name in ipairs(functions) do library[name] = rawget(_G, name) end
  for _, name in ipairs(libraries) do
    local own = rawget(_G, name)
    if own then library[name] = copy_of(own) end
  end
  library.io, library.os, library.math = io_library(state), os_library(state), math_library()
  library.string = string_library()
  library.setmetatable, library.getmetatable = safe_setmetatable, safe_getmetatable(library.string)
  library.collectgarbage = safe_collectgarbage
  library.load = safe_load(state)
  if rawget(_G, "loadstring") then library.loadstring = library.load end
  return library
end

-- require.

local standard = set_of("_G", "coroutine", "debug", "ffi", "io", "jit", "math", "os", "package", "string", "table",
  "utf8")

-- Modules that `require` gives from the rule file's own environment, so that changes do not reach other files.
local function in_scope(state, name)
  if name == "altinn.events" then return state.environment.events end
  if name == "cjson" or name == "cjson.safe" then  -- a new instance: its settings are shared otherwise
    local ok, module = pcall(require, name)
    if not ok then error(module, 3) end
    return module.new()
  end
  if name:find("^altinn[%./]events[%./]") or name == "altinn-events" then
    error(("the module '%s' is the host's own: rules use events, and what it has"):format(name), 3)
  end
  if not standard[name] then return nil end
  local value = rawget(state.environment, name)
  if value == nil then error(("the module '%s' is not for rules"):format(name), 3) end
  return value
end

local function folder_of(file)
  return file:match("^(.*)/[^/]*$") or "."
end
M.folder_of = folder_of

local function no_exit() error("os.exit is not for what rules require: it would end the host", 2) end

-- Requires an installed module. The working folder is not searched, because its files were not read with the rules.
-- os.exit is blocked meanwhile: some "modules" are programs that exit.
local function installed(name)
  local places, exit = package.path, os.exit
  package.path = (";" .. places):gsub(";%./[^;]*", ""):gsub("^;", "")
  os.exit = no_exit  -- luacheck: ignore
  local ok, value = pcall(require, name)
  package.path, os.exit = places, exit  -- luacheck: ignore
  return ok, value
end

-- A one-line message in place of Lua's list of all places that it searched.
local function not_there(state, name, message)
  if type(message) ~= "string" or not message:find("^module '[^\n]*' not found:") then return message end
  local folder = folder_of(state.file)
  return ("module '%s' not found: neither %s/lib/%s.lua, nor an installed one%s"):format(name, folder,
    (name:gsub("%.", "/")), suggest.hint(name, state.sources:modules(folder)))
end

local function load_module(state, name)
  local path, text = state.sources:module(folder_of(state.file), name)
  if not path then
    if text then error(text, 3) end
    local ok, value = installed(name)
    if not ok then error(not_there(state, name, value), 3) end
    return value
  end
  local chunk, message = M.chunk(text, "@" .. path, state.environment)
  if not chunk then error(message, 3) end
  if state.modules then state.modules[path] = true end
  local value = chunk(name, path)
  return value == nil and true or value
end

-- `require` of a rule file: modules in lib/ or beside it first, then
-- installed ones.
local function requirer(state)
  local loaded = {}
  return function(name)
    if type(name) ~= "string" then error("require wants the name of a module", 2) end
    if loaded[name] == nil then
      local value = in_scope(state, name)
      if value == nil then value = load_module(state, name) end
      loaded[name] = value
    end
    return loaded[name]
  end
end

-- Names.

local function default_log()
  local log = {}
  for _, level in ipairs { "debug", "info", "warn", "warning", "error" } do log[level] = function() end end
  return setmetatable(log, { __name = "altinn.events.log", __call = function() end })
end

local function scripts_only()
  error("events.on is for scripts that embed the module; in a rule file stands rule { name = …, on = …, run = … }", 2)
end

local function own_events()
  local events = require "altinn.events"
  return setmetatable({ on = scripts_only, types = deep_copy(events.types) }, {
    __metatable = false,
    __index = function(_, name)
      local value = events[name]
      if value == nil then error(strict.message("events", name, events), 2) end
      return value
    end,
  })
end

local refused = set_of("debug", "package", "dofile", "loadfile", "getfenv", "setfenv", "module", "newproxy")

--- Whether a name of Lua is kept from rules.
---@param name string
---@return boolean
function M.is_refused(name) return refused[name] == true end

--- What is wrong with a name that nothing defines.
---@param name string
---@param known table<string, any> the names in scope
---@return string
function M.undefined(name, known)
  if refused[name] then return ("'%s' is not for rules"):format(name) end
  if rule.keys[name] then
    return ("'%s' is not defined: in rule { … } a part is written %s = …, with one equals sign"):format(name, name)
  end
  local short = core.type_named(name) and name or core.suggest(name)
  if not core.type_named(name) then
    local near = suggest.nearest(name, known, #name < 4 and 1 or #name < 8 and 2 or nil)
    if near and near ~= "_G" then return ("'%s' is not defined (did you mean '%s'?)"):format(name, near) end
  end
  return ("'%s' is not defined (is \"%s\" meant, in quotes?)"):format(name, short or name)
end

local function guard_names(env)
  return setmetatable(env, {
    __metatable = false,
    __index = function(_, name)
      if type(name) ~= "string" then return nil end
      error(M.undefined(name, env), 2)
    end,
    __newindex = function(_, name)
      error(("'%s' is not declared: write local %s = …, or local function %s"):format(tostring(name), tostring(name),
        tostring(name)), 2)
    end,
  })
end

--- The environment of a rule file.
---@param state { file: string, loading: boolean, sources: table, modules: table<string, true>|nil } is given
---  `environment`; modules: gets the paths of the modules in lib/ that are required
---@param globals table<string, any>|nil what the host adds
---@param register function what `rule` does
---@return table env
function M.environment(state, globals, register)
  local env = standard_library(state)
  env._G = env
  env.rule = register
  for name in pairs(rule.words) do env[name] = rule[name] end
  env.send = strict.object(copy_of(rule.send), "send")
  env.prefix, env.no = head.prefix, head.no
  env.absent, env.present = deep_copy(head.absent), deep_copy(head.present)
  env.events = own_events()
  env.log = default_log()
  for name, value in pairs(globals or {}) do env[name] = deep_copy(value) end
  if globals and globals.print then to_log(env.io, state, globals.print) end
  state.environment = env
  env.require = requirer(state)
  return guard_names(env)
end

--- The names that are in scope in every rule file, with their values.
---@return table<string, any>
function M.scope()
  local env = M.environment({ file = "", loading = true, sources = {} }, { print = print }, function() end)
  local names = {}
  for name, value in next, env do names[name] = value end
  return names
end

--- Wraps the body of a rule so that a frame of the rule's file stays on the stack. A tail call (`return skip()`)
--- removes the body's own frame, and its mistake would be reported at a line of the module. The wrapper's frame has
--- the body's file and first line.
---@param body function
---@param file string of the rule
---@param line integer of the rule
---@return function
function M.anchored(body, file, line)
  local info = debug.getinfo(body, "S")
  local source = "@" .. file
  if info.what == "Lua" and info.source:sub(1, 1) == "@" then source, line = info.source, info.linedefined end
  local text = ("\n"):rep(line - 1)
    .. "local body = ...; return function(...) local value, why = body(...) return value, why end"
  return assert((rawget(_G, "loadstring") or load)(text, source))(body)
end

return M
