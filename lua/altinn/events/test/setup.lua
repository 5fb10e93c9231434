-- What a world is made of: rules, configuration and targets, as the host itself reads and judges them.
local config_module = require "altinn.events.host.config"
local core = require "altinn.events.core"
local effects = require "altinn.events.rules.effects"
local findings = require "altinn.events.rules.findings"
local keys = require "altinn.events.host.config_keys"
local language = require "altinn.events.rules.language"
local lists = require "altinn.events.support.lists"
local mistake = require "altinn.events.test.mistake"
local prepare = require "altinn.events.host.prepare"
local rules = require "altinn.events.rules.loading"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local uses = require "altinn.events.rules.uses"

local M = {}

--- The address of the emulated Altinn.
M.ALTINN = "https://altinn.test"

local FROM = "altinn-events@agency.example"
local ORIGIN = "events.agency.example"

-- Rules.

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

-- A path is taken from the working folder; else from the folder of the spec.
local function place_of(path, spec)
  if path:sub(1, 1) == "/" or exists(path) or not spec then return path end
  local beside = (spec:match("^(.*/)") or "") .. path
  return exists(beside) and beside or path
end

local function is_text(rule) return rule:find("\n") ~= nil or rule:find("rule%s*{") ~= nil end

-- Writes texts of rules as files into a folder of their own -> the paths, and the folder.
local function write_texts(texts)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir '%s'"):format(folder)))
  local paths = {}
  for index, text in ipairs(texts) do
    paths[index] = ("%s/rules_%d.lua"):format(folder, index)
    local file = assert(io.open(paths[index], "wb"))
    assert(file:write(text))
    assert(file:close())
  end
  return paths, folder
end

local function each_rule(given)
  if type(given) == "string" then return { given } end
  local fault = type(given) ~= "table" and "it is no list" or lists.fault(given) or #given == 0 and "it is empty"
  if fault then mistake.raise("rules: a list of files, folders or texts is needed, and %s", fault) end
  for _, one in ipairs(given) do
    if type(one) ~= "string" then mistake.raise("rules: a file, a folder or a text, not a %s", type(one)) end
  end
  return given
end

-- Calls `use` with the paths of the rules; texts are files for so long.
local function with_paths(given, spec, use)
  local paths, texts, places = {}, {}, {}
  for index, one in ipairs(each_rule(given)) do
    if is_text(one) then texts[#texts + 1], places[#places + 1] = one, index
    else paths[index] = place_of(one, spec) end
  end
  if #texts == 0 then return use(paths) end
  local written, folder = write_texts(texts)
  for index, path in ipairs(written) do paths[places[index]] = path end
  local results = table.pack(pcall(use, paths))
  for _, path in ipairs(written) do os.remove(path) end
  os.remove(folder)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- Targets.

-- The sort of a target that takes an effect: the first that its kind takes, of files by what is written.
local function sort_of(send)
  if send.kind == "file" then return send.is_line and "append" or "folder" end
  return effects.kinds[send.kind].takes[1]
end

local stand_ins = {
  url = function(name) return { url = ("https://%s.test"):format(name:gsub("_", "-")), origin = ORIGIN } end,
  slack = function(name) return { slack = ("https://%s.test/webhook"):format(name:gsub("_", "-")) } end,
  teams = function(name) return { teams = ("https://%s.test/workflow"):format(name:gsub("_", "-")) } end,
  mail = function(name) return { mail = ("smtps://%s.test"):format(name:gsub("_", "-")), from = FROM } end,
  folder = function(name) return { folder = "/targets/" .. name } end,
  append = function(name) return { append = "/targets/" .. name } end,
  command = function(name) return { command = { "/targets/" .. name } } end,
}

-- Adds the targets that the rules send to and the configuration does not have.
local function add_used(targets, set)
  for name, send in pairs(uses.targets(set)) do
    if language.send[send.kind] and not targets[name] then targets[name] = stand_ins[sort_of(send)](name) end
  end
end

-- Targets of which nothing but a power or the spec itself knows take requests.
local function add_named(targets, names)
  for _, name in ipairs(names) do targets[name] = targets[name] or stand_ins.url(name) end
end

-- What a world cannot have of a real target: its secrets, and who vouches for it.
local REAL = { "token", "maskinporten", "user", "password", "key_file", "known_hosts", "ca_file", "proxy" }

local function without_secrets(target)
  local copy = {}
  for name, value in pairs(target) do copy[name] = value end
  for _, name in ipairs(REAL) do copy[name] = nil end
  if copy.url and copy.origin == nil then copy.origin = ORIGIN end
  if type(copy.folder) == "string" and copy.folder:find("^sftp:") then copy.folder = "/targets" end
  return copy
end

-- The configuration.

local function refuse_configuration(faults)
  local lines = {}
  for index, one in ipairs(config_module.findings(faults)) do lines[index] = findings.text(one) end
  mistake.raise("configuration: %s", table.concat(lines, "\n"))
end

local function configured(given)
  if given == nil then return {} end
  if type(given) == "string" then
    local config, _, faults = config_module.load { config = given, needs = {} }
    return config or refuse_configuration(faults)
  end
  if type(given) ~= "table" then mistake.raise("configuration: a file or a table, not a %s", type(given)) end
  local problems = {}
  keys.check(given, problems)
  if #problems > 0 then refuse_configuration(problems) end
  return given
end

local function new_config(options, paths)
  local given = configured(options.configuration)
  local config = { rules = paths, targets = {}, limits = given.limits or {}, holidays = given.holidays,
    log = { format = "logfmt" }, listen = "127.0.0.1:0", base_url = M.ALTINN, secrets = {}, resources = {},
    missing = {}, warnings = {}, asked = {}, workers = 1, inbox = "inbox.db", keep = { readings = false } }
  for name, target in pairs(given.targets or {}) do config.targets[name] = without_secrets(target) end
  return config
end

local function refuse(list)
  local lines = {}
  for _, one in ipairs(list) do
    if one.severity == "error" then lines[#lines + 1] = findings.text(one) end
  end
  mistake.raise("the rules are refused:\n  %s", table.concat(lines, "\n  "))
end

--- Reads the rules, and what the world around them must have. Raises what `check` refuses.
---@param options table of a world: rules, targets, configuration
---@param spec string|nil the file of the spec
---@return { config: table, set: table } made
function M.of(options, spec)
  return with_paths(options.rules, spec, function(paths)
    local config = new_config(options, paths)
    local set = rules.load(paths, { digest = core.sha256 })
    if not set then refuse((select(2, prepare.rules(config)))) end
    add_used(config.targets, set)
    local known = sorted(config.targets)
    for _, name in ipairs(sorted(options.targets or {})) do
      if not config.targets[name] then
        local hint = suggest.hint(name, config.targets)
        if hint ~= "" then
          mistake.raise("targets: no rule sends to '%s'%s; there are %s", name, hint, table.concat(known, ", "))
        end
      end
    end
    add_named(config.targets, sorted(options.targets or {}))
    for _, rule in ipairs(set) do
      for _, power in ipairs(rule.may or {}) do add_named(config.targets, { power:match("^send:(.+)$") }) end
    end
    local judged, list = prepare.rules(config)
    if not judged then refuse(list) end
    return { config = config, set = judged }
  end)
end

return M
