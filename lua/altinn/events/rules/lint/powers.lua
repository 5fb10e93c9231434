-- Checks acts at Altinn, and powers that a rule has and does not use.
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"
local sorted = require("altinn.events.support.names").sorted

local M = { nodes = {} }

-- Acts.

local ACTS = { confirm = true, purge = true }

local function is_step(run, call)
  local value = call and call.tag == "Call" and values.of(run, call[1])
  return value and value.is == "word" and value.name == "step" or false
end

local function is_in_step(run, node)
  if is_step(run, node.up) then return true end
  local fn = tree.function_of(node)
  while fn do
    if is_step(run, fn.up) then return true end
    fn = tree.function_of(fn)
  end
  return false
end

-- Whether a body makes an effect that can fail after the act.
local function sends_after(run, fn, node)
  return tree.any(fn, function(one)
    if one.tag ~= "Call" or one.offset < node.offset then return false end
    local value = values.of(run, one)
    return value and value.is == "verdict" and value.kind ~= nil
  end)
end

function M.nodes.Invoke(run, node)
  local whole, name = values.of(run, node[1]), node[2][1]
  if not whole or whole.is ~= "thing" or not ACTS[name] or is_in_step(run, node) then return end
  local fn = tree.function_of(node)
  if fn and sends_after(run, fn, node) then
    run:add("act", node, ("the letter is %s before the effect is sent, and again at each attempt"):format(
      name == "purge" and "deleted" or "confirmed"),
      ("write step(%q, function() return %s end), or do it in a body that later { … } starts after the effect"):format(
        name, tree.show(node)))
  end
end

-- Unused powers.

local function is_by_head(rule, power)
  return power == "read:details" and (rule.unless ~= nil or rule.trust == "confirmed")
end

local BINDS = { Function = true, Local = true, Forin = true }

-- A thing that goes where nobody sees what is asked of it.
function M.nodes.Id(run, node)
  local value = values.of(run, node)
  if not value or value.is ~= "thing" then return end
  local up = node.up
  local is_plain = up.tag == "Index" and tree.text(up[2]) or up.tag == "Invoke" and up[1] == node or up.tag == "Op"
    or up.tag == "Pair" or up.tag == "Table" or not up.tag and up.up and BINDS[up.up.tag]
  if is_plain then return end
  local called = up.tag == "Call" and values.of(run, up[1])
  if not called or called.is == "native" and called.name:find("pcall", 1, true) then run.is_open = true end
end

--- The powers of a rule that nothing uses. A rule that uses none at all is only begun.
---@param run altinn.events.lint.run
function M.rule(run)
  local may = run.found.parts.may and run.found.parts.may.value
  if run.is_open or not may or may.tag ~= "Table" or next(run.powers) == nil then return end
  for _, node in ipairs(may) do
    local power = tree.text(node)
    local is_open = power and power:find("^send:") and run.is_open_target
    if power and not run.powers[power] and not is_by_head(run.rule, power) and not is_open then
      run:add("unused-power", node, ("no body uses the power \"%s\""):format(power), "take it out of may")
    end
  end
end

--- The powers that the bodies of a rule use.
---@param run altinn.events.lint.run after its check
---@return string[] powers sorted
---@return boolean complete whether the text tells them all
function M.used(run)
  if run.rule.unless then run.powers["read:details"] = run.powers["read:details"] or run.found.call end
  return sorted(run.powers), not run.is_open and not run.is_open_target
end

return M
