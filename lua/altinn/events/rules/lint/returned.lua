-- Checks what becomes of the verdicts that a body makes: a body returns one, or a list of effects.
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

local text = tree.text

-- The value of an expression when it is a verdict.
local function verdict(run, node)
  local value = node and values.of(run, node)
  return value and value.is == "verdict" and value or nil
end

-- Whether the end of a block is the end of its function.
local function ends_function(block)
  local up = block.up
  if up.tag == "Function" then return up end
  if up.tag ~= "If" and block.tag ~= "Do" then return nil end
  local statement = block.tag == "Do" and block or up
  local around = statement.up
  return around.is_block and around[#around] == statement and around.up and ends_function(around) or nil
end

-- `return` before a statement changes nothing else where nothing comes after it.
local function return_fix(run, node)
  local block = node.up
  local fn = block[#block] == node and block.up and ends_function(block)
  return fn and run.body_of[fn] and run:insert(node, "return ") or nil
end

local function check_statement(run, node)
  local made = verdict(run, node)
  if not made then return end
  if made.from then
    return run:add("unreturned-helper", node, ("%s makes %s and returns it, and this call drops it"):format(
      tree.show(node[1]), made.word), "write return before it", return_fix(run, node))
  end
  run:add("unreturned", node, ("%s is made and not returned, and would have no effect"):format(made.word),
    "write return before it", return_fix(run, node))
end

-- Natives that make nothing of a verdict.
local DROPS = { log = true, print = true, tostring = true, type = true, error = true, ["log.info"] = true,
  ["log.warn"] = true, ["log.error"] = true, ["log.debug"] = true }

local function check_arguments(run, node)
  local called = values.of(run, node[1])
  local name = called and (called.is == "log" and "log" or called.is == "native" and called.name)
  if not name or not DROPS[name] then return end
  for index = 2, #node do
    local made = verdict(run, node[index])
    if made then
      run:add("unused-verdict", node[index], ("%s is given to %s and not returned, and would have no effect"):format(
        made.word, name), name == "error" and "write return fail(\"why\"), or error(\"why\") to try again"
        or "return it from the body")
    end
  end
end

function M.nodes.Invoke(run, node)
  if tree.is_statement(node) then check_statement(run, node) end
end

-- Variables that hold a verdict and are not used.

-- The verdict in an expression: itself, or an item of its list.
local function held(run, node)
  local made = verdict(run, node)
  if made or node.tag ~= "Table" then return made end
  for _, item in ipairs(node) do
    made = made or verdict(run, item.tag == "Pair" and item[2] or item)
  end
  return made
end

local function value_at(statement, target)
  for _, value in ipairs(target.var and target.var.values or {}) do
    if value.item.node == statement and value.var_node == target then return value end
  end
end

local function check_bound(run, statement)
  for index, target in ipairs(statement[1]) do
    local made = statement[2] and statement[2][index] and held(run, statement[2][index])
    local value = made and value_at(statement, target)
    if value and not value.used and not value.mutated then
      run:add("unused-verdict", statement[2][index], ("%s is kept in '%s', which the body does not return: it would"
        .. " have no effect"):format(made.word, target[1]), value.overwriting_item and
        ("'%s' gets another value before it is used: return both in a list"):format(target[1])
        or ("write return %s"):format(target[1]))
    end
  end
end

M.nodes.Local = check_bound

-- Lists that effects are put into.

local function is_key_of(node, var)
  local up = node.up
  return up.tag == "Op" and up[1] == "len" and tree.any(up, function(one) return one.var == var end)
end

-- Whether a name of a list stands where the list is only filled: list[…] = x, #list, table.insert(list, x).
local function only_fills(run, node)
  local up = node.up
  if is_key_of(node, node.var) then return true end
  if up.tag == "Index" and up[1] == node and up.up.up and up.up.up.tag == "Set" and up.up == up.up.up[1] then
    return true
  end
  return up.tag == "Call" and tree.is_statement(up) and up[2] == node and values.native(run, up[1]) == "table.insert"
end

local function is_only_filled(run, var)
  local scope, others = tree.function_of(var.node), false
  if not scope then return false end
  tree.each(scope, function(node)
    if node.tag == "Id" and node.var == var and node ~= var.node and not only_fills(run, node) then others = true end
  end)
  return not others
end

local function check_filled(run, list, made, node)
  local var = list.tag == "Id" and list.var
  if not var or var.type ~= "var" or run.dropped[var] or not is_only_filled(run, var) then return end
  run.dropped[var] = true
  run:add("dropped-list", node, ("%s is put into the list '%s', which the body does not return: it would have no"
    .. " effect"):format(made.word, var.name), ("write return %s"):format(var.name))
end

function M.nodes.Set(run, node)
  check_bound(run, node)
  for index, target in ipairs(node[1]) do
    local made = target.tag == "Index" and node[2][index] and verdict(run, node[2][index])
    if made then check_filled(run, target[1], made, node[2][index]) end
  end
end

local function check_insert(run, node)
  if values.native(run, node[1]) ~= "table.insert" or not node[3] then return end
  local made = verdict(run, node[#node])
  if made then check_filled(run, node[2], made, node[#node]) end
end

function M.nodes.Call(run, node)
  if tree.is_statement(node) then check_statement(run, node) end
  check_arguments(run, node)
  check_insert(run, node)
end

-- Functions inside a body.

local CALLERS = { pcall = true, xpcall = true, step = true, ["table.sort"] = true, ["string.gsub"] = true }

local function caller_of(run, fn)
  local call = fn.up
  if call.tag ~= "Call" then return nil end
  local value = values.of(run, call[1])
  local name = value and (value.is == "native" or value.is == "word") and value.name
  return name and CALLERS[name] and name or nil
end

-- Whether what a call gives, from its n-th value on, is dropped.
local function drops_values(call, from)
  if tree.is_statement(call) then return true end
  local statement = call.up.up
  if not statement or statement.tag ~= "Local" or call.up ~= statement[2] then return false end
  local target = statement[1][from]
  if not target then return true end
  local value = value_at(statement, target)
  return value ~= nil and not value.used
end

local function first_verdict(run, fn)
  for _, node in ipairs(tree.returns(fn)) do
    local made = verdict(run, node[1])
    if made then return made, node end
  end
end

function M.nodes.Function(run, fn)
  local caller = not run.body_of[fn] and caller_of(run, fn)
  local made, node
  if caller then made, node = first_verdict(run, fn) end
  if not made then return end
  if caller == "step" then
    run:add("step-result", node, ("a step keeps what its function returns, and %s cannot be kept"):format(made.word),
      "return it from the body, after the step")
  elseif drops_values(fn.up, (caller == "pcall" or caller == "xpcall") and 2 or 1) then
    run:add("nested-return", node, ("%s is returned to %s, and not from the body: it would have no effect"):format(
      made.word, caller), caller:find "pcall" and "write local ok, verdict = pcall(…), and return verdict"
      or "return it from the body itself")
  end
end

-- A function that makes verdicts, and that nothing calls.
function M.nodes.Localrec(run, node)
  local target, fn = node[1][1], node[2][1]
  local value = value_at(node, target)
  local made = value and not value.used and fn.tag == "Function" and first_verdict(run, fn)
  if made then
    run:add("unused-helper", node, ("nothing calls '%s', so that %s is never made"):format(target[1], made.word),
      ("write return %s(…)"):format(target[1]))
  end
end

-- What a body returns.

local LONE = { done = true, skip = true, fail = true, retry_after = true }

local NO_VERDICT = "a rule returns nothing, a verdict, an effect or a list of effects, one later and one remember"

local CALLED = {
  text = "a text", number = "a number", boolean = "true or false", event = "the event", thing = "the thing",
  answer = "a part of Altinn's answer", context = "the context", ["thing id"] = "an id", attribute = "an attribute",
  joined = "a text", answered = "an answer of Altinn",
}

local INSTEAD = {
  boolean = "return done(\"why\"), skip(\"why\") or nothing", text = "return skip(\"why\") or done(\"why\")",
}

-- Why a value is no verdict, and what to write.
local function fault_of(value, is_probe)
  if value.is == "word" then
    if value.name == "sent" or value.name == "not_sent" then
      return not is_probe and ("%s is what a probe returns; %s"):format(value.name, NO_VERDICT) or nil
    end
    return ("%s is not called"):format(value.name), ("write %s(…)"):format(value.name), "uncalled-word"
  end
  if value.is == "maker" then
    return ("send.%s(…) is given no table, so that it makes no effect"):format(value.kind),
      ("write send.%s(%s) { key = …, … }"):format(value.kind, value.target and ("%q"):format(value.target) or "TARGET"),
      "uncalled-word"
  end
  if value.is == "kind" or value.is == "send" then
    return "send is given neither target nor table", "write send.http(\"TARGET\") { … }", "uncalled-word"
  end
  if value.is == "function" then return NO_VERDICT .. ", not a function", "call it" end
  local called = CALLED[value.is]
  if called then return ("%s, not %s"):format(NO_VERDICT, called), INSTEAD[value.is] end
end

local function check_value(run, node, is_probe)
  local value = values.of(run, node)
  if not value then return end
  local message, remedy, code = fault_of(value, is_probe)
  if message then run:add(code or "no-verdict", node, message, remedy) end
end

-- Counts what stands at most once in a list.
local ONCE = { later = "two-timers", remember = "two-memories" }

local function check_once(run, item, made, seen)
  local code = made.name and ONCE[made.name]
  if not code then return end
  if seen[code] then
    run:add(code, item, ("a rule returns at most one %s { … }"):format(made.name), made.name == "later"
      and "the body that it starts may return the next" or "put all values into one remember { … }")
  end
  seen[code] = true
end

local function check_item(run, item, seen)
  local made = verdict(run, item)
  if not made then return check_value(run, item, false) end
  if LONE[made.name] then
    run:add("lone-verdict", item, ("%s stands alone, and cannot be an item of a list"):format(made.word),
      "leave it out: the effects of the list are the decision")
  end
  check_once(run, item, made, seen)
end

local function check_table(run, node)
  local seen = {}
  for _, item in ipairs(node) do
    if item.tag == "Pair" and text(item[1]) then
      return run:add("no-verdict", item, ("%s; a table with the name '%s' is none of them"):format(NO_VERDICT,
        text(item[1])), "a list has no names: { send.http(…) { … }, remember { … } }")
    elseif item.tag == "Table" then
      run:add("no-verdict", item, NO_VERDICT .. "; a list in a list is none of them", "put all into one list")
    elseif item.tag ~= "Pair" then
      check_item(run, item, seen)
    end
  end
end

local function check_second(run, node)
  for index = 2, #node do
    local made = verdict(run, node[index])
    if made then
      run:add("second-value", node[index], ("only the first value that a body returns counts: %s would have no effect")
        :format(made.word), "return a list: return { …, … }")
    end
  end
end

function M.nodes.Return(run, node)
  local fn = tree.function_of(node)
  local name = fn and run.body_of[fn]
  check_second(run, node)
  if not name or not node[1] then return end
  local is_probe = run.started.probes[name] or run.started.open and name ~= "run"
  if node[1].tag == "Table" then return check_table(run, node[1]) end
  check_value(run, node[1], is_probe)
end

return M
