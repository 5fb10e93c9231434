-- Checks the paths through a body: one that returns nothing where others return a verdict, code that nothing reaches,
-- loops without an end.
local constants = require "altinn.events.rules.constants"
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

local ends

local function if_ends(run, node)
  if #node % 2 == 0 then return false end
  for index = 2, #node - 1, 2 do
    if not ends(run, node[index]) then return false end
  end
  return ends(run, node[#node])
end

-- Whether a break ends a loop.
local function has_break(loop)
  return tree.any(loop, function(node) return node.tag == "Break" and tree.loop_of(node) == loop end)
end

-- Whether a loop is left by return or error only.
local function is_endless(node)
  local condition = node.tag == "While" and node[1] or node.tag == "Repeat" and node[2]
  if not condition then return false end
  local goes_on
  if node.tag == "While" then goes_on = constants.is_true(condition)
  else goes_on = condition.tag == "False" or condition.tag == "Nil" end
  return goes_on and not has_break(node)
end

local RAISE = { error = true, ["os.exit"] = true }

-- Whether a call never comes back.
local function raises(run, node)
  if node.tag ~= "Call" then return false end
  local name = values.native(run, node[1])
  if RAISE[name] then return true end
  return name == "assert" and node[2] ~= nil and (node[2].tag == "False" or node[2].tag == "Nil")
end

local function statement_ends(run, node)
  if node.tag == "Return" or node.tag == "Goto" then return true end
  if node.tag == "Do" then return ends(run, node) end
  if node.tag == "If" then return if_ends(run, node) end
  if node.tag == "Repeat" and not has_break(node) and ends(run, node[1]) then return true end
  return is_endless(node) or raises(run, node)
end

-- Whether a block never reaches its end.
function ends(run, block)
  for _, node in ipairs(block) do
    if statement_ends(run, node) then return true end
  end
  return false
end

-- Calls that end the run or wait: a loop around them may go on.
local function may_leave(run, node)
  if node.tag == "Return" or node.tag == "Goto" then return true end
  if node.tag == "Call" then return raises(run, node) or values.of(run, node[1]) == false end
  if node.tag ~= "Invoke" then return false end
  local value = values.of(run, node[1])
  return not value or value.is ~= "thing"
end

local function check_loop(run, node)
  if not is_endless(node) or tree.any(node, function(one) return may_leave(run, one) end) then return end
  run:add("endless", node, "this loop has no end: the run would be stopped by its budget", "write break, or return")
end

M.nodes.While, M.nodes.Repeat = check_loop, check_loop

function M.nodes.Fornum(run, node)
  local to = node[3]
  local is_huge = to.tag == "Index" and values.native(run, to) == "math.huge"
  if not is_huge or has_break(node) or tree.any(node[#node], function(one) return may_leave(run, one) end) then
    return
  end
  run:add("endless", node, "this loop has no end: the run would be stopped by its budget", "write break, or return")
end

-- Where a body ends without a value.

-- The last statement of a block that does not end it, as far down as it goes.
local function bare_return(fn)
  for _, node in ipairs(tree.returns(fn)) do
    if #node == 0 then return node end
  end
end

local function has_value(run, fn)
  for _, node in ipairs(tree.returns(fn)) do
    local value = node[1] and node[1].tag ~= "Nil" and values.of(run, node[1])
    if node[1] and node[1].tag ~= "Nil" then return true, value end
  end
end

local function check_path(run, fn, name)
  local bare = bare_return(fn)
  if not has_value(run, fn) or not bare and ends(run, fn[2]) then return end
  local body = name == "run" and "a body" or ("the body '%s'"):format(name)
  run:add("path", bare or fn, ("one path through %s returns a verdict, another returns nothing"):format(body),
    "return done(\"why\") or skip(\"why\") where there is nothing to do")
end

-- Code that nothing reaches.

local function is_left(node) return node.tag == "Label" or node.tag == "Localrec" end

-- Whether a statement begins a branch: its condition is a constant, and is told.
local function is_decided(node) return node.up[1] == node and node.up.up ~= nil and node.up.up.tag == "If" end

-- Behind what the flow of the function shows; it does not know which calls never come back.
local function check_flow(run, fn)
  for _, node in ipairs(fn.unreached) do
    run.unreached[node] = true
    if not is_left(node) and not is_decided(node) then
      run:add("unreachable", node, "nothing reaches this: the function is left before", "take it out, or put it before")
    end
  end
end

-- Behind a call that never comes back.
local function check_behind(run, block)
  for index = 1, #block - 1 do
    local node, behind = block[index], block[index + 1]
    if run.unreached[behind] then return end
    if node.tag ~= "Goto" and statement_ends(run, node) then
      if not is_left(behind) then
        run:add("unreachable", behind, ("nothing reaches this: line %d ends the body before it"):format(
          run:line_of(node)), "take it out, or put it before")
      end
      return
    end
  end
end

function M.nodes.list(run, node)
  if node.is_block then check_behind(run, node) end
end

M.nodes.Do = check_behind

-- A body that only ever asks to be run again.
local function check_again(run, fn)
  local count = 0
  for _, node in ipairs(tree.returns(fn)) do
    local value = node[1] and values.of(run, node[1])
    if not value or value.name ~= "retry_after" then return end
    count = count + 1
  end
  if count > 0 and ends(run, fn[2]) then
    run:add("forever", tree.returns(fn)[1], "every path of this body asks to be run again: it never ends",
      "return done(), skip(\"why\") or fail(\"why\") on one of them, or bound it by context.attempt")
  end
end

--- A function that bodies reach.
---@param run altinn.events.lint.run
---@param fn table
function M.reached(run, fn)
  local name = run.body_of[fn]
  check_flow(run, fn)
  if not name then return end
  check_path(run, fn, name)
  check_again(run, fn)
end

M.ends = ends

return M
