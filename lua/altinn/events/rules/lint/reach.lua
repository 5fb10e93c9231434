-- The rules of a text, and the functions that their bodies reach: helpers of the file and of the modules that it
-- requires, with what they are given.
local syntax = require "altinn.events.rules.syntax"
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = {}

---@class altinn.events.lint.rule_text
---The text of a rule { … }.
---@field call table the node of the call
---@field fields table the node of its table
---@field name string|nil where it is a constant
---@field parts table<string, { key: table, value: table }> the nodes of its parts, by name

--- The rules of a chunk in the order of the text.
---@param chunk altinn.events.chunk
---@return altinn.events.lint.rule_text[]
function M.rules(chunk)
  local list = {}
  for _, call in ipairs(chunk.uses) do
    local fields = call.tag == "Call" and tree.is_global(call[1], "rule") and call[2]
    if fields and fields.tag == "Table" then
      local found = { call = call, fields = fields, parts = {} }
      for _, item in ipairs(fields) do
        local key = item.tag == "Pair" and tree.text(item[1])
        if key then found.parts[key] = { key = item[1], value = item[2] } end
      end
      found.name = found.parts.name and tree.text(found.parts.name.value)
      list[#list + 1] = found
    end
  end
  return list
end

-- The root of a tree has its chunk.
local function chunk_of(node)
  while node.up do node = node.up end
  return node.chunk
end

-- Binds a parameter. Values of several calls must agree.
local function bind(run, node, value)
  local var = node and node.var
  if not var or node.tag ~= "Id" then return end
  local known = run.bindings[var]
  if known == nil then run.bindings[var] = value
  elseif known and (not value or known.is ~= value.is) then run.bindings[var] = false
  elseif known and known.kinds ~= value.kinds then run.bindings[var] = { is = known.is } end
end

local function is_inside_reached(run, fn)
  local up = fn
  while up do
    if run.reached[up] then return true end
    up = tree.function_of(up)
  end
  return false
end

local function enqueue(run, fn)
  if is_inside_reached(run, fn) then return end
  run.reached[fn] = true
  run.functions[#run.functions + 1] = { node = fn, chunk = chunk_of(fn) }
end

-- Enters the function that a call calls; its parameters get what the arguments are. `self` gets nothing: in a call with
-- a colon the method's name stands in its place.
local function enter(run, fn, node)
  for index, parameter in ipairs(fn[1]) do
    local argument = node[index + 1]
    bind(run, parameter, argument and values.of(run, argument) or false)
  end
  enqueue(run, fn)
end

local function follow_name(run, node)
  local value = values.of(run, node)
  if value and value.is == "function" and node.tag ~= "Function" then enqueue(run, value.node) end
end

local function follow_call(run, node)
  local called = values.of(run, node[1])
  if called and called.is == "function" then enter(run, called.node, node) end
  for index = 2, #node do
    if node[index].tag == "Index" then follow_name(run, node[index]) end
  end
end

local function follow_invoke(run, node)
  local called = values.called(run, node)
  if called then enter(run, called.node, node) end
end

local function follow(run, one)
  for node in syntax.uses(one.chunk, one.node) do
    if node.tag == "Call" then follow_call(run, node)
    elseif node.tag == "Invoke" then follow_invoke(run, node)
    else follow_name(run, node) end
  end
end

local GIVEN = 3

-- The body's own parameters.
local function enter_body(run, name, fn)
  local given = { values.EVENT, values.thing(run.kinds), values.CONTEXT }
  for index = 1, GIVEN do bind(run, fn[1][index], given[index]) end
  run.bodies[name], run.body_of[fn] = fn, name
  enqueue(run, fn)
end

---@class altinn.events.lint.run
---A rule that is looked at.
---@field rule table as loaded
---@field found altinn.events.lint.rule_text
---@field kinds table<string, true>|nil of its things
---@field bodies table<string, table> the nodes of its bodies by name, as far as the text tells them
---@field body_of table<table, string> the same the other way round
---@field functions { node: table, chunk: table }[] all that its bodies reach, bodies first
---@field is_open boolean a body is not in the text

--- Looks from the bodies of a rule.
---@param rule table as loaded
---@param found altinn.events.lint.rule_text
---@param module fun(name: string): table|nil gives the chunk of a module in lib/
---@return altinn.events.lint.run
function M.run(rule, found, module)
  local run = { rule = rule, found = found, module = module, kinds = values.kinds_of(rule), bodies = {}, body_of = {},
    functions = {}, reached = {}, bindings = {}, memo = {}, is_open = false, chunk_of = chunk_of }
  for _, item in ipairs(found.fields) do
    local name = item.tag == "Pair" and tree.text(item[1])
    if name and rule.bodies[name] then
      local value = values.of(run, item[2])
      if value and value.is == "function" then enter_body(run, name, value.node) end
    end
  end
  for name in pairs(rule.bodies) do run.is_open = run.is_open or not run.bodies[name] end
  local index = 1
  while run.functions[index] do
    follow(run, run.functions[index])
    index = index + 1
  end
  run.memo = {}
  return run
end

return M
