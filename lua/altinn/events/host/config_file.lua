-- Reads the configuration file: Lua with few names in scope. A secret that this user cannot read is reported when a
-- command needs it.
local suggest = require "altinn.events.support.suggest"
local texts = require "altinn.events.support.text"

local M = {}

-- The value that env and file give when they cannot fetch a secret. It can be joined with texts, and raises the reason
-- when it is used otherwise.
local Missing = { __name = "altinn.events.missing" }
Missing.__index = function(self, name)
  if name == "message" then return rawget(self, "message") end
  error(rawget(self, "message"), 0)
end
Missing.__concat = function(a, b) return getmetatable(a) == Missing and a or b end
Missing.__tostring = function(self) error(rawget(self, "message"), 0) end

--- Whether a value stands for a secret that could not be fetched.
---@param value any
---@return boolean
function M.is_missing(value)
  return getmetatable(value) == Missing
end

--- The reason why a secret could not be fetched, with file and line.
---@param value table
---@return string
function M.why(value)
  return rawget(value, "message")
end

local function missing(path, message)
  local info = debug.getinfo(3, "l")
  local line = info and info.currentline > 0 and (":%d"):format(info.currentline) or ""
  return setmetatable({ message = ("%s%s: %s"):format(path, line, message) }, Missing)
end

-- The name in env "NAME" may be the secret itself, by mistake. So a message shows it only when it looks like the name
-- of a variable, or of a file.
local function shown_variable(name)
  local usual = name:find("^[A-Z][A-Z0-9_]*$") and #name <= 64 and (#name <= 20 or name:find("_", 1, true))
  return usual and ("%q"):format(name) or "…"
end

local function shown_file(name)
  local is_path = name:find("^%.?%.?/") or name:find("^%.%.?$") or name:find("%.%w+$")
  local usual = is_path and #name <= 200 and not name:find("%c")
  return usual and ("%q"):format(name) or "…"
end

-- Files of variables, as systemd reads them for EnvironmentFile.

local function unquoted(text)
  local quote = text:sub(1, 1)
  if (quote == '"' or quote == "'") and text:sub(-1) == quote and #text >= 2 then
    text = text:sub(2, -2)
    if quote == '"' then text = text:gsub("\\(.)", "%1") end
  end
  return text
end

--- Reads a file of variables: NAME=VALUE on each line, with or without
--- quotation marks; lines that begin with # or ; say nothing. `export` before it, as shells want it, is passed over.
---@param path string
---@return table<string, string>|nil variables
---@return string|nil message
function M.variables(path)
  local file, message = io.open(path, "r")
  local text
  if file then
    text, message = file:read("a")
    file:close()
  end
  if not text then return nil, ("--env-file %s: %s"):format(path, message:match(": ([^:]*)$") or message) end
  local found, number = {}, 0
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    if not line:find("^%s*[#;]") and line:find("%S") then
      local name, value = line:gsub("^%s*export%s+", ""):match("^%s*([%a_][%w_]*)=(.-)%s*$")
      if not name then return nil, ("%s:%d: a line is NAME=VALUE"):format(path, number) end
      found[name] = unquoted(value)
    end
  end
  return found
end

-- The words of the file.

local function read_word(path)
  return function(name)
    if type(name) ~= "string" then error("file wants the name of a file", 2) end
    local file, message = io.open(name, "r")
    local text
    if file then
      text, message = file:read("a")  -- a folder opens, and does not read
      file:close()
    end
    if text then return (text:gsub("%s+$", "")) end
    local none = missing(path, ("file %s: %s"):format(shown_file(name), message:match(": ([^:]*)$") or message))
    return none  -- no tail call: the line is counted from here
  end
end

local function env_word(path, getenv)
  return function(name)
    if type(name) ~= "string" then error("env wants the name of a variable", 2) end
    local value = getenv(name) or missing(path, ("env %s: this variable is not set"):format(shown_variable(name)))
    return value
  end
end

local ELSEWHERE = { os = 'env "NAME" gives a variable', io = 'file "PATH" gives what a file holds',
  require = "the configuration is one file" }

local SWITCHES = { yes = true, no = true, on = true, off = true, Yes = true, No = true, True = true, False = true,
  TRUE = true, FALSE = true }

local function undefined(env)
  return function(_, name)
    if ELSEWHERE[name] then error(("%s is not here: %s"):format(name, ELSEWHERE[name]), 2) end
    if SWITCHES[name] then error(("%s is no value: write true or false"):format(name), 2) end
    local near = suggest.nearest(name, env, #name < 4 and 1 or 2)
    if near then error(("'%s' is not defined (did you mean '%s'?)"):format(name, near), 2) end
    -- Not its name: it may be a secret that lacks its quotation marks.
    error("a word that is not defined: texts stand in quotation marks", 2)
  end
end

local function assigned(_, name)
  error(("%s = … stands outside of the table: the file says return { … }; a helper is local"):format(name), 2)
end

local function copy_of(library)
  local copy = {}
  for key, value in pairs(library) do copy[key] = value end
  return copy
end

local function environment(path, getenv)
  local env = {
    env = env_word(path, getenv), file = read_word(path), tostring = tostring, tonumber = tonumber, ipairs = ipairs,
    pairs = pairs, string = copy_of(string), table = copy_of(table), math = copy_of(math),
  }
  return setmetatable(env, { __index = undefined(env), __newindex = assigned })
end

-- Recognises JSON, YAML and INI, for a better message.
local function other_language(text)
  if text:find('^%s*{%s*["}]') then return "this is JSON" end
  if text:find("^%s*{") then return "return is missing before the table" end
  local first = (text .. "\n"):gsub("#[^\n]*\n", "\n"):match("(%S[^\n]*)\n") or ""
  local document = first:find("^%-%-%-") and not first:find("^%-%-%-@")
  if document or first:find("^[%w_.-]+:%s") or first:find("^[%w_.-]+:$") then return "this is YAML" end
  if first:find("^%[[%w_.-]+%]%s*$") then return "this is an INI or TOML file" end
end

local LUA = "%s: %s, and the configuration is Lua: return { listen = \"127.0.0.1:8480\", … }"

-- A message of Lua without quotations of the file, which may be secrets, and with the whole path, which Lua shortens.
local function cleaned(message, path)
  message = tostring(message):gsub(" near .*$", ""):gsub(" %(constant .-%)", "")
  if message:sub(1, 3) == "..." then
    local tail, rest = message:match("^%.%.%.(.-)(:%d+: .*)$")
    if tail and path:sub(-#tail) == tail then message = path .. rest end
  end
  return message:find(path, 1, true) and message or path .. ": " .. message
end

local function text_of(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, ("%s: %s"):format(path, why:match(": ([^:]*)$") or why) end
  local text
  text, why = file:read("a")
  file:close()
  if not text then return nil, ("%s: %s"):format(path, why) end
  return text
end

--- Reads the file.
---@param path string
---@param getenv fun(name: string): string|nil
---@param text string|nil stands for the text of the file
---@return table|nil values
---@return string message without values; with them: the text
---@return string|nil text of the file, when there is one that cannot be read
---@return string|nil raw what Lua says of the text
function M.read(path, getenv, text)
  local why
  if not text then text, why = text_of(path) end
  if not text then return nil, why end
  local plain = text:gsub("^\239\187\191", "")
  local chunk, message = load(plain, "@" .. path, "t", environment(path, getenv))
  if not chunk then
    local other = other_language(plain)
    return nil, other and LUA:format(path, other) or cleaned(message, path) .. texts.syntax_hint(message), text, message
  end
  local ok, value = pcall(chunk)
  if not ok then return nil, cleaned(value, path), text end
  if type(value) ~= "table" or M.is_missing(value) then return nil, path .. ": the file must return a table", text end
  return value, text
end

return M
