-- A reader of LuaCATS definition files: what they define, and where they are no LuaCATS.
local M = {}

-- Types: a recursive-descent reader over a text; each function takes the place where its part begins and gives the
-- place behind it, or raises what is wrong.

local read_type

local function fail(text, at, wanted) error(("%s is wanted at '%s'"):format(wanted, text:sub(at, at + 30)), 0) end

local function blank(text, at) return text:match("^[ \t]*()", at) end

-- The place behind a sign, nil when it is not there.
local function sign(text, at, what)
  at = blank(text, at)
  return text:sub(at, at + #what - 1) == what and at + #what or nil
end

local function expect(text, at, what) return sign(text, at, what) or fail(text, at, "'" .. what .. "'") end

-- Items up to a closing sign, with commas between them.
local function list(text, at, closing, item)
  local behind = sign(text, at, closing)
  while not behind do
    at = item(text, at)
    behind = sign(text, at, closing)
    if not behind then at = expect(text, at, ",") end
  end
  return behind
end

local function read_fun(text, at, names)
  at = list(text, expect(text, at, "("), ")", function(_, place)
    place = blank(text, place)
    local behind = text:match("^%.%.%.()", place) or text:match("^[%a_][%w_]*%??()", place)
      or fail(text, place, "the name of an argument")
    local colon = sign(text, behind, ":")
    return colon and read_type(text, colon, names) or behind
  end)
  local colon = sign(text, at, ":")
  while colon do
    at = read_type(text, colon, names)
    colon = sign(text, at, ",")
  end
  return at
end

local function read_record(text, at, names)
  return list(text, at, "}", function(_, place)
    local behind = text:match("^[%a_][%w_]*%??()", blank(text, place)) or fail(text, place, "the name of a member")
    return read_type(text, expect(text, behind, ":"), names)
  end)
end

local function read_primary(text, at, names)
  at = blank(text, at)
  local behind = text:match('^"[^"]*"()', at) or text:match("^%-?%d+()", at)
  if behind then return behind end
  behind = sign(text, at, "(")
  if behind then return expect(text, read_type(text, behind, names), ")") end
  behind = sign(text, at, "{")
  if behind then return read_record(text, behind, names) end
  if text:find("^fun%s*%(", at) then return read_fun(text, at + 3, names) end
  local name
  name, behind = text:match("^([%a_][%w_.]*)()", at)
  if not name then fail(text, at, "a type") end
  names[#names + 1] = name
  local angle = sign(text, behind, "<")
  if not angle then return behind end
  return list(text, angle, ">", function(_, place) return read_type(text, place, names) end)
end

function read_type(text, at, names)
  at = read_primary(text, at, names)
  while true do
    local behind = text:match("^%[%]()", at) or text:match("^%?()", at)
    if not behind then break end
    at = behind
  end
  local bar = sign(text, at, "|")
  if bar then return read_type(text, bar, names) end
  return at
end

--- Reads a type: what stands behind it, and the names of other types in it.
---@param text string
---@return string rest
---@return string[] names
function M.type(text)
  local names = {}
  local at = read_type(text, 1, names)
  if at <= #text and not text:find("^%s", at) then fail(text, at, "a blank") end
  return text:sub(at):match "^%s*(.*)$", names
end

-- Files

local function use(file, line, text)
  local rest, names = M.type(text)
  for _, name in ipairs(names) do file.uses[#file.uses + 1] = { name = name, line = line } end
  return rest
end

local tags = {}

function tags.meta(file, _, text) file.meta = text end

function tags.class(file, line, text)
  local name, parent = text:match "^([%w_.]+)%s*:%s*([%w_.]+)$"
  name = name or text:match "^([%w_.]+)$" or error("a class is a name, and a parent behind a colon", 0)
  file.class = { name = name, parent = parent, fields = {}, methods = {}, line = line, comment = file.comment }
  file.classes[name] = file.class
  if parent then file.uses[#file.uses + 1] = { name = parent, line = line } end
end

function tags.field(file, line, text)
  if not file.class then error("a field without a class", 0) end
  local key, rest = text:match "^%[([^%]]+)%]%s+(.+)$"
  if key then
    use(file, line, key)
    file.class.open = true
  else
    key, rest = text:match "^([%a_][%w_]*)%s+(.+)$"
    if not key then error("a field is a name and a type", 0) end
    if file.class.fields[key] then error(("the field %s is there twice"):format(key), 0) end
    file.class.fields[key] = rest
  end
  use(file, line, rest)
end

function tags.alias(file, line, text)
  local name, rest = text:match "^([%w_.]+)%s*(.*)$"
  file.alias = { name = name, values = {}, comment = file.comment }
  file.aliases[name] = file.alias
  if rest ~= "" then use(file, line, rest) end
end

function tags.param(file, line, text)
  local name, rest = text:match "^([%a_][%w_]*)%??%s+(.+)$"
  if not name then name, rest = text:match "^(%.%.%.)%s+(.+)$" end
  if not name then error("a param is a name and a type", 0) end
  file.params[#file.params + 1] = name
  use(file, line, rest)
end

tags["return"] = use

function tags.type(file, line, text) use(file, line, text) file.typed = true end

function tags.overload(file, line, text)
  use(file, line, text)
  if file.class then file.class.callable = true end
end

-- A value of an alias: ---| "name" # explanation
local function alias_value(file, line, text)
  if not file.alias then error("a value without an alias", 0) end
  local value = text:match "^(.-)%s+#%s.+$" or text
  use(file, line, value)
  file.alias.values[#file.alias.values + 1] = value:match '^"(.*)"$' or value
end

local function annotation(file, line, text)
  local bar = text:match "^|%s*(.+)$"
  if bar then return alias_value(file, line, bar) end
  local tag, rest = text:match "^@([%w_]+)%s*(.*)$"
  if tag then
    if not tags[tag] then error(("there is no tag @%s here"):format(tag), 0) end
    return tags[tag](file, line, rest)
  end
  file.comment = file.comment .. text
end

-- A block of annotations is over: what stood above is forgotten.
local function forget(file)
  file.comment, file.params, file.typed = "", {}, false
  file.class, file.alias = nil, nil
end

-- A line of Lua below a block.
local function statement(file, text)
  local place, mark, name, arguments = text:match "^function ([%w_]+)([.:])([%w_]+)%s*%(([^)]*)%) end$"
  if not place then
    name, arguments = text:match "^function ([%w_]+)%s*%(([^)]*)%) end$"
  end
  if name then
    local words = {}
    for word in arguments:gmatch "[%w_.]+" do words[#words + 1] = word end
    local class = place and (file.variables[place] or error("no class is declared as " .. place, 0))
    local functions = class and class.methods or file.globals
    functions[name] = { params = file.params, arguments = words, comment = file.comment, is_method = mark == ":" }
    return
  end
  local inner = text:match "^local ([%w_]+) = {}$"
  local variable = inner or text:match "^([%w_]+) = nil$" or text:match "^([%w_]+) = {}$"
  if variable then
    if file.class then file.variables[variable] = file.class end
    if not inner then
      file.globals[variable] = { comment = file.comment, is_value = true, typed = file.typed or file.class ~= nil }
    end
    return
  end
  if not text:find "^return [%w_]+$" then error("a definition is wanted", 0) end
end

--- Reads a definition file.
---@param path string
---@return table file meta, classes, aliases, globals, uses (names of types), problems
function M.read(path)
  local file = { classes = {}, aliases = {}, globals = {}, uses = {}, variables = {}, problems = {} }
  forget(file)
  local number = 0
  for text in io.lines(path) do
    number = number + 1
    local above = text:match "^%-%-%-(.*)$"
    local ok, message = true, nil
    if above then
      ok, message = pcall(annotation, file, number, (above:gsub("^ ", "")))
    elseif text ~= "" and not text:find "^%-%-" then
      ok, message = pcall(statement, file, text)
      forget(file)
    else
      forget(file)
    end
    if not ok then file.problems[#file.problems + 1] = ("%s:%d: %s"):format(path, number, message) end
  end
  return file
end

return M
