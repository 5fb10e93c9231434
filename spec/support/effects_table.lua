-- The kinds of effects, made of their table: definitions for editors, and the README's tables. With "definitions" it
-- prints the text of lua/altinn/events/library/effects.lua; with the README's path it writes the tables anew between
-- their marks.
local effects = require "altinn.events.rules.effects"

local M = {}

M.FIRST, M.LAST = "<!-- effects -->", "<!-- /effects -->"

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function add_key_class(add, name, about, keys)
  add("\n--- %s\n---@class %s", about, name)
  for _, one in ipairs(sorted(keys)) do
    local key = keys[one]
    add("---@field %s %s|nil %s", key.name, key.type, key.about)
  end
end

local function by_name(list)
  local set = {}
  for _, key in ipairs(list) do set[key.name] = key end
  return set
end

-- The classes of the tables among keys.
local function add_shapes(add, keys)
  for _, name in ipairs(sorted(keys)) do
    local key = keys[name]
    if key.shape then
      add_key_class(add, key.type, key.about, by_name(key.shape))
      add_shapes(add, by_name(key.shape))
    end
  end
end

local function add_targets(add)
  add_key_class(add, "altinn.events.target", ("A target of effects: it has one of %s."):format(
    table.concat(effects.sorts.names, ", ")), effects.sorts.all)
  add_shapes(add, effects.sorts.all)
end

local function add_kind(add, name, kind)
  add("\n--- Fields of send.%s: %s.\n---@class altinn.events.%s_effect", name, kind.about, name)
  add("---@field key altinn.events.key_part|altinn.events.key_part[]|nil the same key is not sent again once it has"
    .. " succeeded;\n---  it must hold something of the event, unless it is a text with a colon; left out: this event,"
    .. " this place")
  for _, word in ipairs(kind.words) do add("---@field %s %s %s", word[1], word[2], word[3]) end
  add "---@field probe string|nil a body of the rule: asked after an unknown outcome, it returns sent or not_sent"
end

--- The definitions for editors.
---@return string
function M.definitions()
  local lines = {}
  local function add(format, ...) lines[#lines + 1] = select("#", ...) > 0 and format:format(...) or format end
  add "---@meta _\n-- Made from the table of effects (make definitions): change that."
  add "\n--- A thing, an event, a text or a number."
  add "---@alias altinn.events.key_part altinn.events.thing|altinn.events.event|string|number"
  for _, name in ipairs(sorted(effects.kinds)) do add_kind(add, name, effects.kinds[name]) end
  add "\n--- Effects.\n---@class altinn.events.send\nlocal send = {}"
  for _, name in ipairs(sorted(effects.kinds)) do
    local kind = effects.kinds[name]
    add("\n--- %s to a target of the configuration with %s.", kind.about:gsub("^%l", string.upper),
      table.concat(kind.takes, " or "))
    add "---@param target string the target's name"
    add("---@return fun(fields: altinn.events.%s_effect): altinn.events.verdict", name)
    add("function send.%s(target) end", name)
  end
  add_targets(add)
  return table.concat(lines, "\n") .. "\n"
end

local function row(...) return "| " .. table.concat({ ... }, " | ") .. " |" end

local function code_list(names)
  local list = {}
  for index, name in ipairs(names) do list[index] = "`" .. name .. "`" end
  return table.concat(list, ", ")
end

local function fields_of(kind)
  local names = { "key" }
  for _, word in ipairs(kind.words) do names[#names + 1] = word[1] end
  names[#names + 1] = "probe"
  return code_list(names)
end

--- The tables as they stand in the README: the kinds, and what their targets have.
---@return string
function M.text()
  local lines = { row("effect", "what goes out", "fields", "targets with", "`sent` when", "in nginx"),
    "|---|---|---|---|---|---|" }
  for _, name in ipairs(sorted(effects.kinds)) do
    local kind = effects.kinds[name]
    lines[#lines + 1] = row(("`send.%s`"):format(name), kind.about, fields_of(kind), code_list(kind.takes), kind.sent,
      kind.carrier == "http" and "yes" or "no")
  end
  lines[#lines + 1] = "\nA target has one of " .. code_list(effects.sorts.names)
    .. ", and what belongs to that:\n"
  lines[#lines + 1] = row("key", "of targets with", "meaning")
  lines[#lines + 1] = "|---|---|---|"
  for _, name in ipairs(sorted(effects.sorts.all)) do
    local of = {}
    for _, sort in ipairs(effects.sorts.names) do
      of[#of + 1] = effects.sorts.keys[sort][name] and sort or nil
    end
    lines[#lines + 1] = row("`" .. name .. "`", #of == #effects.sorts.names and "any" or code_list(of),
      (effects.sorts.all[name].about:gsub("|", "\\|")))
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The tables that stand in a text of the README.
---@param text string
---@return string
function M.shown(text)
  local from = select(2, assert(text:find(M.FIRST .. "\n", 1, true)))
  return text:sub(from + 1, assert(text:find(M.LAST, from, true)) - 1)
end

local function write(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  local from, to = assert(text:find(M.FIRST, 1, true)), assert(text:find(M.LAST, 1, true))
  text = text:sub(1, from + #M.FIRST - 1) .. "\n" .. M.text() .. text:sub(to)
  file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

if arg and arg[0] and arg[0]:find "effects_table%.lua$" then
  if arg[1] == "definitions" then io.stdout:write(M.definitions()) else write(arg[1]) end
end

return M
