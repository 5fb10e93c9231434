-- Loading rule files: each file has its own environment, all problems are collected, and loading has no effect
-- outside.
local core = require "altinn.events.core"
local fault = require("altinn.events.support.faults").new
local json = require "altinn.events.support.json"
local rule = require "altinn.events.rules.language"
local sandbox = require "altinn.events.rules.sandbox"
local sources_module = require "altinn.events.rules.sources"
local suggest = require "altinn.events.support.suggest"
local texts = require "altinn.events.support.text"

local M = {}

local option_keys = { globals = true, seconds = true, sources = true, overlay = true, hidden = true, digest = true,
  versions = true }

-- "rules/print.lua:12: message" -> file, line, message
local function place(text, file)
  local found, line, message = text:match("^(.-):(%d+):%s*(.*)$")
  if not found then
    local named = text:sub(1, #file + 2) == file .. ": "
    return { file = file, message = named and text:sub(#file + 3) or text }
  end
  -- Lua shortens long names of files.
  if found:sub(1, 3) == "..." and file:sub(-(#found - 3)) == found:sub(4) then found = file end
  return { file = found, line = tonumber(line), message = message }
end

-- `return rule {…}` leaves no line on the stack.
local function line_of_return(text)
  local line = 1
  local at = text:find("return%s+rule%s*[%({]") or 1
  for _ in text:sub(1, at - 1):gmatch("\n") do line = line + 1 end
  return line
end

local function add_rule(set, problems, names, state, fields)
  local info, file = debug.getinfo(3, "l"), state.file
  local line = info and info.currentline > 0 and info.currentline or line_of_return(state.text)
  local made, told, faults = rule.new(fields)
  if not made then
    local label = type(fields) == "table" and type(fields.name) == "string" and core.mask(fields.name) or nil
    for index, message in ipairs(told) do
      problems[#problems + 1] = { file = file, line = line, message = message, rule = label, fault = faults[index] }
    end
    local draft = rule.draft(fields)
    if draft then draft.file, draft.line = file, line end
    set.drafts[#set.drafts + 1] = draft
    return
  end
  made.file, made.line = file, line
  for name, body in pairs(made.bodies) do made.bodies[name] = sandbox.anchored(body, file, line) end
  made.run = made.bodies.run
  local first = names[made.name]
  if first then
    local one = fault("name-taken", { "name" }, ("the name '%s' is taken by %s:%d"):format(made.name, first.file,
      first.line), nil)
    problems[#problems + 1] = { file = file, line = line, rule = made.name, message = one.message, fault = one }
    return
  end
  names[made.name] = made
  set[#set + 1] = made
end

local LOAD_SECONDS = 10

-- Stops a rule file that loops: `seconds` after the start each instruction raises. In a coroutine the budget of the
-- host's task does this instead.
local run_file

function run_file(chunk, seconds)
  local thread, is_main = coroutine.running()
  if thread and not is_main or debug.gethook() then return pcall(chunk) end
  local ends = os.time() + seconds
  local function stop()
    if debug.getinfo(2, "f").func ~= run_file then error(("loading takes more than %d s"):format(seconds), 0) end
  end
  local jit = rawget(_G, "jit")  -- machine code calls no hook
  local compiles = jit and jit.status()
  if compiles then jit.off() end
  debug.sethook(function()
    if os.time() > ends then debug.sethook(stop, "", 1) end
  end, "", 100000)
  local ok, failure = pcall(chunk)
  debug.sethook()
  if compiles then jit.on() end
  return ok, failure
end

local function text_of(failure)
  if type(failure) == "string" then return failure end
  local ok, told = pcall(texts.raised, failure)
  return ok and type(failure) ~= "nil" and told or "the file raises what is no text"
end

-- Guesses what the author of a file without a rule meant to write.
local function no_rule(file, value)
  if type(value) == "table" then
    return "the file returns a table, and holds no rule: write rule { … }, without return"
  end
  return ("the file holds no rule; a module that rules require belongs into the folder %s/lib")
    :format(sandbox.folder_of(file))
end

local QUOTES = { "\226\128\152", "\226\128\153", "\226\128\156", "\226\128\157" }  -- ‘ ’ “ ”

-- A word processor writes quotation marks that Lua does not know.
local function syntax_problem(message, file, text)
  local problem = place(message, file)
  problem.syntax = message
  problem.message = problem.message .. texts.syntax_hint(problem.message)
  local number = 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    for _, quote in ipairs(number == problem.line and QUOTES or {}) do
      if line:find(quote, 1, true) then
        problem.message = "typographic quotation marks: Lua wants \" or '"
        return problem
      end
    end
  end
  return problem
end

local VERSION_DIGITS = 12

-- The version of a file's rules: the first digits of a digest over the file and the modules in lib/ that it requires,
-- by name in its text or while it is loaded. The folder's own name has no part in it.
local function give_version(set, first, state, options)
  if options.versions then
    for index = first, #set do set[index].version = options.versions[set[index].name] end
  end
  if not options.digest or first > #set then return end
  local folder, parts, texts_of = sandbox.folder_of(state.file), {}, {}
  for index, part in ipairs(state.sources:parts(folder, state.file, state.modules)) do
    parts[index] = ("%s\0%d\0%s"):format(part.name, #part.text, part.text)
    texts_of[texts.readable(part.name)] = texts.readable(part.text)
  end
  local version = options.digest(table.concat(parts)):sub(1, VERSION_DIGITS)
  local text = json.encode(texts_of)
  for index = first, #set do
    set[index].version = version
    set.versions[#set.versions + 1] = { rule = set[index].name, version = version, file = state.file, text = text }
  end
end

local function load_file(set, problems, names, file, options)
  local sources = options.sources
  local text, why = sources:read(file)
  if not text then
    problems[#problems + 1] = { file = file, message = why }
    return
  end
  local state = { file = file, loading = true, sources = sources, text = text, hidden = options.hidden, modules = {} }
  local env = sandbox.environment(state, options.globals, function(fields)
    if not state.loading then error("rule { … } stands at the top of a file, not inside a run", 2) end
    add_rule(set, problems, names, state, fields)
  end)
  local chunk, message = sandbox.chunk(text, "@" .. file, env)
  if not chunk then
    problems[#problems + 1] = syntax_problem(message, file, text)
    return
  end
  local before, first, faults = #set + #problems, #set + 1, {}
  sources:follow(sandbox.folder_of(file), text, faults, state.modules)
  local ok, result = run_file(chunk, options.seconds or LOAD_SECONDS)
  state.loading = false
  if not ok then
    problems[#problems + 1] = place(text_of(result), file)
  elseif #set + #problems == before then
    problems[#problems + 1] = { file = file, message = no_rule(file, result), holds_no_rule = true }
  end
  for _, one in ipairs(ok and faults or {}) do problems[#problems + 1] = { file = file, message = one } end
  give_version(set, first, state, options)
end

--- The rule files that paths name: files as they are, folders by their
--- *.lua files (without *_spec.lua), sorted.
---@param paths string[]
---@return string[]|nil files
---@return table[]|nil problems
function M.files(paths)
  return sources_module.new():files(paths)
end

---@class altinn.events.loading_options
---@field globals table<string, any>|nil more names in scope of rule files
---@field seconds integer|nil what loading a file may take; 10 when it is left out
---@field sources table<string, string>|nil the texts by path; then paths are files among them, and nothing is read from
---  the disk
---@field overlay table<string, string>|nil texts by path that stand for those on the disk
---@field hidden table<string, boolean>|nil names of variables that os.getenv does not give
---@field digest (fun(text: string): string)|nil gives the SHA-256 of a text as hexadecimal digits: rules get their
---  versions by it
---@field versions table<string, string>|nil versions of rules by their names, instead of a digest

--- Loads rule files and folders of them.
---@param paths string[]
---@param options altinn.events.loading_options|nil
---@return table[]|nil set the rules in the order of files and lines; rules[i].name, .bodies, .conditions, .file, .line,
---  .version, …; set.files; set.sources: the text of every file that was read, of modules too, by path; set.versions:
---  { rule, version, file, text } of each rule, for the inbox, when there is a digest; text is JSON, name -> text
---@return table[]|nil problems all that was wrong, each { file, line, message, rule, fault, syntax, holds_no_rule };
---  fault: what is wrong with a part of a head; syntax: what Lua says of a text that it cannot read
---@return table|nil rest with problems: the rules that can be loaded, as a set; rest.drafts: what stands for the others
function M.load(paths, options)
  options = options or {}
  for key in pairs(options) do
    if not option_keys[key] then
      error(("unknown option '%s'%s"):format(tostring(key), suggest.hint(tostring(key), option_keys)), 2)
    end
  end
  local sources = sources_module.new(options.sources, options.overlay)
  local files, missing = sources:files(paths)
  if not files then return nil, missing, { sources = sources.texts } end
  local set, problems, names = { files = files, sources = sources.texts, versions = {}, drafts = {} }, {}, {}
  local loading = {}
  for name, value in pairs(options) do loading[name] = value end
  loading.sources = sources
  for _, file in ipairs(files) do load_file(set, problems, names, file, loading) end
  if #problems > 0 then return nil, problems, set end
  set.drafts = nil
  return set
end

--- The heads of a set of rules, for the host's matcher; disabled rules are
--- left out.
---@param set table[]
---@param limits { at_once: integer|nil }|nil of rules that set none themselves
---@return table[] heads each { rule, order, at_once, conditions }
function M.heads(set, limits)
  local heads = {}
  for _, one in ipairs(set) do
    if one.enabled then
      local at_once = one.limit and one.limit.at_once or limits and limits.at_once
      heads[#heads + 1] = { rule = one.name, order = one.order, at_once = at_once, conditions = one.conditions }
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
