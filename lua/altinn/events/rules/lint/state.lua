-- Checks what bodies change: variables of the file, which live from run to run, and values that are read only.
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

local REMEMBER = "return remember { … } beside the verdict: context.memory gives it, in each worker and after a restart"

-- Whether a variable stands outside of all functions that bodies reach, so that all runs of a worker share it.
local function is_shared(run, var)
  if not var or not var.node.line then return false end
  local fn = tree.function_of(var.node)
  while fn do
    if run.reached[fn] then return false end
    fn = tree.function_of(fn)
  end
  return true
end

local function base_of(node)
  while node.tag == "Index" do node = node[1] end
  return node
end

local function leak(run, node, name)
  run:add("leak", node, ("'%s' belongs to the file: what a run puts into it is there in the next run of this worker,"
    .. " and in no other worker"):format(name), REMEMBER)
end

local function check_variable(run, target)
  if is_shared(run, target.var) then
    leak(run, target, target[1])
  end
end

local function check_written(run, target)
  local whole = values.of(run, target[1])
  local name = tree.text(target[2]) or "…"
  if whole and whole.is == "context member" and whole.name == "memory" then
    return run:add("memory-write", target, "context.memory is what was remembered, and cannot be changed",
      ("return remember { %s = … }"):format(name))
  elseif whole and whole.is == "event" then
    return run:add("event-write", target, "an event is read-only: this raises", ("write local copy ="
      .. " events.totable(%s)"):format(tree.show(target[1])))
  end
  local base = base_of(target)
  if base.tag == "Id" and is_shared(run, base.var) then
    leak(run, target, base[1])
  end
end

function M.nodes.Set(run, node)
  for _, target in ipairs(node[1]) do
    if target.tag == "Id" then check_variable(run, target) else check_written(run, target) end
  end
end

local CHANGES = { ["table.insert"] = true, ["table.remove"] = true, rawset = true }

function M.nodes.Call(run, node)
  local name = values.native(run, node[1])
  local list = name and CHANGES[name] and node[2]
  if list and list.tag == "Id" and is_shared(run, list.var) then
    leak(run, list, list[1])
  end
end

-- Reckoning with what was not remembered yet.

local RECKONS = { add = true, sub = true, mul = true, div = true, mod = true, lt = true, le = true, gt = true,
  ge = true, concat = true }

-- Whether a body looks at a member of the memory elsewhere, as in `if context.memory.count then`.
local function is_looked_at(run, fn, name, node)
  return tree.any(fn, function(one)
    if one == node or one.tag ~= "Index" then return false end
    local value = values.of(run, one)
    if not value or value.is ~= "memory member" or value.name ~= name then return false end
    local up = one.up
    return up.tag ~= "Op" or not RECKONS[up[1]]
  end)
end

function M.nodes.Op(run, node)
  if not RECKONS[node[1]] then return end
  local fn = tree.function_of(node)
  for index = 2, 3 do
    local one = node[index]
    local value = one and values.of(run, one)
    if value and value.is == "memory member" and fn and run.body_of[fn] == "run"
      and not is_looked_at(run, fn, value.name, one) then
      run:add("memory-nil", one, ("context.memory.%s is nil before it was remembered first, and this raises"):format(
        value.name), ("write (%s or 0)"):format(tree.show(one)), run:replace(one, ("(%s or 0)"):format(tree.show(one))))
    end
  end
end

return M
