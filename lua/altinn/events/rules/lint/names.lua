-- Checks the names of a file, also outside of rules: names that nobody defines, members that libraries lack, words that
-- local names hide, keys that a table has twice, conditions that are always true.
local constants = require "altinn.events.rules.constants"
local core = require "altinn.events.core"
local language = require "altinn.events.rules.language"
local sandbox = require "altinn.events.rules.sandbox"
local strict = require "altinn.events.support.strict"
local suggest = require "altinn.events.support.suggest"
local tree = require "altinn.events.rules.lint.tree"

local M = { nodes = {} }

-- The words that are called in a rule file.
local WORDS = { rule = true, require = true }
for word in pairs(language.words) do WORDS[word] = true end

local scope

-- The names in scope of every rule file.
local function names()
  scope = scope or sandbox.scope()
  return scope
end

-- Whether a library has a member; a strict table raises for a name that it does not have.
local function has_member(library, name)
  local ok, value = pcall(function() return library[name] end)
  return ok and value ~= nil
end

-- Names of other versions of Lua, as in `table.unpack or unpack`; only the running Lua knows which of them exist.
local ELSEWHERE = { _ENV = true, unpack = true, loadstring = true, bit = true, bit32 = true, jit = true, ngx = true,
  rawlen = true, utf8 = true, warn = true }

local function is_written(node)
  return node.up.up ~= nil and node.up.up.tag == "Set" and node.up == node.up.up[1]
end

-- The edit for a name that nobody defines: quotes around a type, the word that a misspelt call means.
local function fix_of(file, node, name)
  if core.type_named(name) and node.up.tag ~= "Call" then return file:wrap(node, '"', '"') end
  local near = node.up.tag == "Call" and suggest.nearest(name, WORDS)
  local is_told = near and sandbox.undefined(name, names()):find(("did you mean '%s'"):format(near), 1, true)
  return is_told and file:replace(node, near) or nil
end

function M.nodes.Id(file, node)
  local name = node[1]
  if node.var or name == "..." or file.has_env then return end
  if names()[name] ~= nil or file.raw[name] or ELSEWHERE[name] or file.told[name] then return end
  file.told[name] = true
  if is_written(node) then
    return file:add("assigned", node, ("'%s' is not declared: write local %s = …, or local function %s"):format(name,
      name, name), nil, node.up.up.up.is_block and #node.up == 1 and node.up.up[2][1].tag ~= "Function"
      and file:insert(node, "local ") or nil)
  end
  file:add(sandbox.is_refused(name) and "forbidden" or "undefined", node, sandbox.undefined(name, names()), nil,
    fix_of(file, node, name))
end

local KIND_FIRST = "after send comes the kind, then the target: send.http(\"print\") { … }"

local function check_field(file, node)
  local owner, name = node[1], tree.text(node[2])
  local library = names()[owner[1]]
  if type(library) ~= "table" or owner[1] == "_G" or has_member(library, name) then return end
  local near = suggest.nearest(name, library)
  file:add("undefined", node, strict.message(owner[1], name, library), owner[1] == "send" and KIND_FIRST or nil,
    near and owner[1] ~= "send" and file:name_fix(node, near) or nil)
end

function M.nodes.Index(file, node)
  local is_called = node.up.tag == "Call" and node.up[1] == node
  if is_called and tree.is_global(node[1]) and tree.text(node[2]) and not file.has_env then check_field(file, node) end
end

function M.nodes.Table(file, node)
  for _, one in ipairs(constants.doubled(node)) do
    local is_head = file.heads[node]
    file:add("twice", one.node, ("'%s' is written twice in one table: only the last one counts"):format(one.name),
      nil, nil, is_head and "error" or "warning")
  end
end

function M.nodes.If(file, node)
  for index = 1, #node - 1, 2 do
    local constant = constants.always(node[index])
    if constant then
      local text = tree.text(constant)
      file:add("always", constant, "a constant beside 'or' makes this condition always true",
        text and ("compare it as well: x == … or x == %q"):format(text) or nil)
    end
  end
end

-- Words that a local name hides.

local HIDDEN = { send = "send", rule = "rule", events = "events", log = "log", workdays = "workdays", step = "step" }
for word, kind in pairs(language.words) do
  if kind == "verdict" then HIDDEN[word] = word end
end

local function value_of(node)
  local value = node.var and node.var.values[1]
  return value and value.node
end

-- Whether a name is called as a word is: skip("why"), send.http("print").
local function is_used_as_word(one)
  local up = one.up
  if up.tag == "Call" and up[1] == one then return up end
  return up.tag == "Index" and up[1] == one and one[1] == "send" and up or nil
end

local function first_use(node, around)
  local found
  tree.each(around, function(one)
    if one.tag == "Id" and one.var == node.var and one ~= node then found = found or is_used_as_word(one) end
    return found ~= nil
  end)
  return found
end

local PLAIN = { String = true, Number = true, True = true, False = true, Nil = true, Table = true, Op = true }

local function check_hidden(file, node)
  local word = node[1]
  if not HIDDEN[word] or node.var == nil then return end
  local value = value_of(node)
  local is_same = value and value.tag == "Index" and tree.text(value[2]) == word
    or value and (tree.is_global(value, word) or value.tag == "Call" and tree.is_global(value[1], "require"))
  if is_same or value and value.tag == "Function" then return end
  local use = first_use(node, tree.function_of(node) or file.chunk.tree)
  if use and use.tag == "Call" and value and PLAIN[value.tag] then
    file:add("hidden-word", use, ("'%s' is a local name here, and not the word: the local one hides it"):format(word),
      "give the local one another name", nil, "error")
  else
    file:add("hidden-word", node, ("the local name '%s' hides the word '%s'"):format(word, word),
      "give it another name")
  end
end

function M.nodes.Local(file, node)
  for _, target in ipairs(node[1]) do check_hidden(file, target) end
end

function M.nodes.Function(file, node)
  for _, target in ipairs(node[1]) do
    if target.tag == "Id" and target[1] ~= "log" then check_hidden(file, target) end
  end
end

--- Notes the names that a file gives to rawset and rawget, and the tables of its heads.
---@param file table a look at it
function M.file(file)
  file.raw, file.told, file.has_env, file.heads = {}, {}, file.text:find("_ENV", 1, true) ~= nil, {}
  for _, call in ipairs(file.chunk.uses) do
    if tree.is_global(call[1], "rawset") or tree.is_global(call[1], "rawget") then
      local name = tree.text(call[3])
      if name then file.raw[name] = true end
    end
    if tree.is_global(call[1], "rule") and call[2] and call[2].tag == "Table" then
      file.heads[call[2]] = true
      for _, item in ipairs(call[2]) do
        if item.tag == "Pair" and item[2].tag == "Table" then file.heads[item[2]] = true end
      end
    end
  end
end

return M
