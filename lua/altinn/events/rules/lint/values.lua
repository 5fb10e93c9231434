-- What an expression of a body is: the event, the thing, a part of Altinn's answer, a verdict, a function, … A value is
-- a table with `is`, or false when nothing is known. It is told by the text alone; no code of a rule runs.
local core = require "altinn.events.core"
local effects = require "altinn.events.rules.effects"
local tree = require "altinn.events.rules.lint.tree"
local verdicts = require "altinn.events.rules.verdicts"

local M = {}

M.EVENT, M.CONTEXT, M.LOG = { is = "event" }, { is = "context" }, { is = "log" }

--- The thing that a body is given.
---@param kinds table<string, true>|nil the kinds that it may have
---@return table value
function M.thing(kinds) return { is = "thing", kinds = kinds } end

local about_of  -- full type -> kind of thing

--- The kind of the thing that events of a type are about; nil: not known.
---@param word string
---@return string|nil
function M.kind_of(word)
  if about_of == nil then
    about_of = {}
    for _, entry in pairs(core.types()) do about_of[entry.type] = entry.about end
  end
  return about_of[core.type_named(word) or word]
end

--- The kinds of the things that a rule's events are about.
---@param rule table
---@return table<string, true>|nil kinds nil: not known
function M.kinds_of(rule)
  local kinds = {}
  for _, word in ipairs(type(rule.on) == "table" and rule.on or { rule.on }) do
    local kind = M.kind_of(word)
    if not kind then return nil end
    kinds[kind] = true
  end
  return kinds
end

local function joined(path, name)
  local longer = {}
  for index = 1, #path do longer[index] = path[index] end
  longer[#path + 1] = name
  return longer
end

local function answer(method, path, kinds) return { is = "answer", method = method, path = path, kinds = kinds } end

-- Variables.

-- The expression that a variable got, where it got one only.
local function only_value(var)
  local value = var.values[#var.values]
  local is_one = #var.values == 1 or #var.values == 2 and var.values[1].empty
  if not is_one or not value or not value.node or not value.item.rhs then return nil end
  for index, node in ipairs(value.item.lhs) do
    if node == value.var_node then return value.item.rhs[index] end
  end
end
M.only_value = only_value

local of = {}

-- The element of a list's value.
local function element(list)
  if not list then return false end
  if list.is == "list" then return list.of end
  if list.is == "answer" then return answer(list.method, joined(list.path, 1), list.kinds) end
  return false
end

-- A variable of `for _, x in ipairs(list)`.
local function of_loop(run, var)
  local loop = var.node.up.up
  local call = loop and loop.tag == "Forin" and loop[2][1]
  local is_second = call and loop[1][2] == var.node
  if is_second and call.tag == "Call" and tree.is_global(call[1], "ipairs") and call[2] then
    return element(M.of(run, call[2]))
  end
  return false
end

local function of_var(run, var)
  local bound = run.bindings[var]
  if bound ~= nil then return #var.values <= 1 and bound end
  if var.type == "loop" then return of_loop(run, var) end
  if var.type == "arg" then
    return var.name == "letter" and #var.values <= 1 and { is = "thing", kinds = run.kinds, named = true } or false
  end
  local node = only_value(var)
  return node and M.of(run, node) or false
end

function of.Id(run, node)
  if node.var then return of_var(run, node.var) end
  local name = node[1]
  if name == "log" then return M.LOG end
  if name == "send" or name == "events" then return { is = name } end
  if verdicts.words[name] then return { is = "word", name = name } end
  return { is = "native", name = name }
end

-- Tables and modules.

-- The values that are assigned to members of a variable in a chunk: function M.x() end, M.x = 1.
local function members_of(chunk, var)
  chunk.members = chunk.members or {}
  local known = chunk.members[var]
  if known then return known end
  known = {}
  for _, set in ipairs(chunk.sets) do
    for index, target in ipairs(set[1]) do
      local is_member = target.tag == "Index" and target[1].tag == "Id" and target[1].var == var
      if is_member and tree.text(target[2]) then
        known[target[2][1]] = known[target[2][1]] == nil and set[2][index] or false
      end
    end
  end
  chunk.members[var] = known
  return known
end

-- The expression that a member of a table has; nil: not known.
local function member_of(run, node, name)
  local var = node.tag == "Id" and node.var
  local made = var and only_value(var) or node
  if made.tag ~= "Table" then return nil end
  local own = tree.item(made, name)
  local set = var and members_of(run.chunk_of(made), var)[name]
  if own and set then return nil end
  return own or set or nil
end

-- What a module returns.
local function of_module(run, name)
  local chunk = run.module(name)
  local last = chunk and chunk.tree[#chunk.tree]
  if not last or last.tag ~= "Return" or not last[1] then return false end
  return { is = "module", name = name, node = last[1] }
end

-- Members.

local DEEPER = { timer = true, memory = true }

local function of_context(name)
  if name == "log" then return M.LOG end
  return { is = "context member", name = name, owner = DEEPER[name] and name or nil }
end

local function of_thing(thing, name)
  if name == "id" or name == "kind" then return { is = "thing " .. name, thing = thing } end
  return { is = "method", name = name, thing = thing }
end

local function of_index(run, node, name)
  local whole = M.of(run, node[1])
  local is = whole and whole.is
  if is == "event" then return { is = "attribute", name = name } end
  if is == "context" then return of_context(name) end
  if is == "context member" and whole.owner then return { is = whole.owner .. " member", name = name } end
  if is == "thing" then return of_thing(whole, name) end
  if is == "answer" then return answer(whole.method, joined(whole.path, name), whole.kinds) end
  if is == "send" then return effects.kinds[name] and { is = "kind", kind = name } or false end
  if is == "events" then return { is = "native", name = "events." .. name } end
  if is == "native" and node[1].tag == "Id" then return { is = "native", name = whole.name .. "." .. name } end
  local value = is == "module" and member_of(run, whole.node, name) or member_of(run, node[1], name)
  return value and M.of(run, value) or false
end

function of.Index(run, node)
  local name = tree.text(node[2])
  if name then return of_index(run, node, name) end
  local whole = M.of(run, node[1])
  return element(whole)
end

-- Calls.

-- What a function of the text returns: a verdict when each `return` of it returns one.
local function of_returned(run, fn)
  local kinds
  for _, node in ipairs(tree.returns(fn)) do
    local value = node[1] and M.of(run, node[1])
    if not value or value.is ~= "verdict" then return false end
    kinds = kinds or value
  end
  return kinds and { is = "verdict", word = kinds.word, kind = kinds.kind, from = fn } or false
end

local CALLED = {}

function CALLED.kind(_, called, node) return { is = "maker", kind = called.kind, target = tree.text(node[2]) } end

function CALLED.maker(_, called)
  return { is = "verdict", kind = called.kind, word = ("send.%s(…) { … }"):format(called.kind) }
end

function CALLED.word(_, called)
  if verdicts.words[called.name] ~= "verdict" then return { is = called.name } end
  return { is = "verdict", word = called.name .. "(…)", name = called.name }
end

CALLED["function"] = function(run, called) return of_returned(run, called.node) end

function CALLED.native(run, called, node)
  if called.name == "require" and tree.text(node[2]) then return of_module(run, node[2][1]) end
  if called.name == "events.client" then return { is = "client" } end
  if called.name == "events.describe" then return { is = "meaning" } end
  if called.name == "events.reveal" then return { is = "revealed" } end
  return { is = "result", of = called.name }
end

local of_method

function CALLED.method(_, called, node) return node[2] and of_method(called.thing, called.name) or false end

function of.Call(run, node)
  local called = M.of(run, node[1])
  local own = called and CALLED[called.is]
  return own and own(run, called, node) or false
end

local ATTACHMENTS = answer("overview", { "content", "attachments", 1 }, { letter = true })

function of_method(thing, name)
  if name == "overview" or name == "details" then return answer(name, {}, thing.kinds) end
  if name == "attachments" then return { is = "list", of = ATTACHMENTS } end
  if name == "letters" then return { is = "list", of = M.thing { letter = true } } end
  return { is = "answered", name = name }
end

function of.Invoke(run, node)
  local whole, name = M.of(run, node[1]), node[2][1]
  if whole and whole.is == "thing" then return of_method(whole, name) end
  if whole and whole.is == "client" and (name == "letter" or name == "attachment") then
    return { is = "thing", kinds = { [name] = true }, of_client = node }
  end
  local called = M.called(run, node)
  return called and of_returned(run, called.node) or false
end

--- The function of the text that a call with a colon calls.
---@param run table
---@param node table an Invoke
---@return table|nil value { is = "function", node }
function M.called(run, node)
  local whole = M.of(run, node[1])
  if whole and whole.is ~= "module" and whole.is ~= "table" then return nil end
  local value = member_of(run, whole and whole.is == "module" and whole.node or node[1], node[2][1])
  local called = value and M.of(run, value)
  return called and called.is == "function" and called or nil
end

function of.Function(_, node) return { is = "function", node = node } end
function of.Table(_, node) return { is = "table", node = node } end
function of.Paren(run, node) return M.of(run, node[1]) end
function of.String(_, node) return { is = "text", text = node[1] } end
function of.Number(_, node) return { is = "number", number = tonumber((tostring(node[1]))) } end
function of.True() return { is = "boolean" } end
of.False = of.True

-- `a or b` and `a and b` are what both are.
function of.Op(run, node)
  if node[1] == "concat" then return { is = "joined" } end
  if node[1] ~= "or" and node[1] ~= "and" then return false end
  local first, second = M.of(run, node[2]), M.of(run, node[3])
  if node[1] == "and" then return second and second.is == "verdict" and second or false end
  if first and second and first.is == second.is then return first end
  return second and second.is == "verdict" and first and first.is == "verdict" and second or false
end

--- What an expression is.
---@param run table of altinn.events.rules.lint.reach
---@param node table
---@return table|false value { is = "event"|"thing"|"context"|"answer"|"verdict"|"function"|"native"|…, … }
function M.of(run, node)
  local known = run.memo[node]
  if known ~= nil then return known end
  run.memo[node] = false  -- while it is being found out: a function may call itself
  local own = of[node.tag]
  local value = own and own(run, node) or false
  run.memo[node] = value
  return value
end

--- The name of a member of the host's libraries that an expression is: "os.time", "pcall"; nil for any other.
---@param run table
---@param node table
---@return string|nil
function M.native(run, node)
  local value = M.of(run, node)
  return value and value.is == "native" and value.name or nil
end

return M
