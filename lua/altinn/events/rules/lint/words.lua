-- Checks the calls of later, remember, skip, workdays, step and the other words, as far as the text tells their
-- arguments.
local constants = require "altinn.events.rules.constants"
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local language = require "altinn.events.rules.language"
local suggest = require "altinn.events.support.suggest"
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

local UNKNOWN = constants.UNKNOWN
local text = tree.text

local function nothing() end

-- Constants in place of what is known at run time only; UNKNOWN: too little is known.
local stand_ins = {}

local function without_unknown(value, stand_in)
  local made = {}
  for key, one in pairs(value) do
    if one == UNKNOWN then one = stand_in(key) end
    made[key] = one
  end
  return made
end

-- A list without what is known at run time only; nil when nothing is left.
local function known_items(value)
  if type(value) ~= "table" then return value end
  local list = {}
  for _, one in ipairs(value) do
    if one ~= UNKNOWN then list[#list + 1] = one end
  end
  if #list > 0 or #value == 0 then return list end
end

local LATER = { at = 0, run = "run", with = true, key = "x" }

function stand_ins.later(fields)
  if type(fields) ~= "table" then return fields end
  local made = without_unknown(fields, function(name) return LATER[name] end)
  if type(made.with) == "table" then made.with = true end
  made.cancel = known_items(made.cancel)
  return made
end

function stand_ins.remember(fields)
  if type(fields) ~= "table" then return fields end
  local made = without_unknown(fields, function(name) return name == "expires" and 1 or true end)
  for name, value in pairs(made) do
    if type(value) == "table" and name ~= "expires" then made[name] = true end
  end
  return made
end

local function argument_of(node)
  if not node then return nil end
  if node.tag == "Table" and constants.has_open_names(node) then return UNKNOWN end
  return constants.value(node, nothing)
end

-- later { … }

-- The types of `cancel` as nodes.
local function items_of(node)
  if not node then return {} end
  if node.tag ~= "Table" then return { node } end
  return node
end

local function is_raised(name)
  local full = core.type_named(name) or name
  for _, entry in pairs(core.types()) do
    if entry.type == full then return entry.raised ~= false and entry.raised ~= "never" end
  end
  return true
end

local function check_cancel(run, fields)
  for _, node in ipairs(items_of(tree.item(fields, "cancel"))) do
    local name = text(node)
    local kind = name and values.kind_of(name)
    if kind and run.kinds and not run.kinds[kind] then
      run:add("cancel", node, ("cancel: an event of type '%s' is about a thing of kind '%s', and this timer is"
        .. " about another: it never ends it"):format(name, kind), "take it out")
    elseif kind and not is_raised(name) then
      run:add("cancel-never", node, ("cancel: Altinn raises no events of the type '%s': it never ends the timer")
        :format(name), "altinn-events types tells which ones come")
    end
  end
end

-- A small number is rather a number of days or hours than one of seconds.
local function check_seconds(run, node, word, at, most)
  if node.tag ~= "Number" or at < 1 or at >= most then return end
  run:add("span", node, ("%s = %g means seconds"):format(word, at), ("write \"%gs\", \"%gd\" or workdays(%g)"):format(
    at, at, at))
end

local function check_body(run, fields)
  local node = tree.item(fields, "run")
  local name = text(node)
  if node and node.tag == "Function" then
    return run:add("word", node, "later: run is the name of a body, not a function", "write the function beside run,"
      .. " and its name here")
  end
  local message = name and language.unknown_body(name, run.rule.bodies)
  if not message then return end
  local near = suggest.nearest(name, run.rule.bodies)
  run:add("body", node, "later: run: " .. message, nil, near and run:replace(node, ("%q"):format(near)))
end

local function check_later(run, node)
  local fields = node[2]
  if not fields or fields.tag ~= "Table" then return end
  check_body(run, fields)
  check_cancel(run, fields)
  local at = tree.item(fields, "at")
  if at then check_seconds(run, at, "later: at", tonumber(at.tag == "Number" and tostring(at[1]) or ""), 60) end
end

-- What cannot be kept.

local UNKEPT = { event = "an event", thing = "a letter", verdict = "a verdict", context = "the context",
  ["function"] = "a function" }

local INSTEAD = { event = "write events.totable(event)", thing = "write letter.id" }

local function check_kept(run, node, name)
  local value = values.of(run, node)
  local what = value and UNKEPT[value.is]
  if what then
    run:add("unkept", node, ("%s: %s is no plain value, and only what JSON can hold is kept"):format(name, what),
      INSTEAD[value.is] or "keep a text, a number, true or a table of these")
  elseif node.tag == "Table" then
    for _, item in ipairs(node) do check_kept(run, item.tag == "Pair" and item[2] or item, name) end
  end
end

local function check_remember(run, node)
  local fields = node[2]
  if not fields or fields.tag ~= "Table" then return end
  for _, item in ipairs(fields) do
    local name = item.tag == "Pair" and text(item[1])
    if name and item[2].tag == "Nil" and #fields > 1 then
      run:add("remember-nil", item, ("remember keeps no nil: '%s' stays as it was"):format(name),
        ("return forget(%q) beside remember"):format(name))
    elseif name and name ~= "expires" then
      check_kept(run, item[2], "remember: " .. name)
    end
  end
end

-- retry_after

local MONTH = 30 * 86400

local function check_retry_after(run, node)
  local span = node[2]
  if not span then return end
  local given = constants.value(span, nothing)
  local seconds = given ~= UNKNOWN and duration.parse(given)
  if not seconds then return end
  if seconds == 0 then
    run:add("wait-none", span, "retry_after(0) runs the body again at once, as often as it is asked: it is no pause",
      "write a span such as \"10m\"")
  elseif seconds > MONTH then
    run:add("wait-long", span, ("retry_after keeps the run waiting for %d days, and other events of the letter behind"
      .. " it"):format(math.floor(seconds / 86400)), "write later { at = …, run = … }: other events go on meanwhile")
  elseif type(given) == "number" then
    check_seconds(run, span, "retry_after: the span", given, 10)
  end
end

-- step

local function is_changing(run, node)
  return tree.any(node, function(one)
    local value = (one.tag == "Call" or one.tag == "Index") and values.of(run, one)
    local is_native = value and value.is == "result" and (value.of == "os.time" or value.of == "os.date"
      or value.of == "math.random" or value.of == "os.clock")
    return is_native or value and value.is == "context member" and value.name == "attempt"
  end)
end

local function check_result(run, fn)
  for _, node in ipairs(tree.returns(fn)) do
    local value = node[1] and values.of(run, node[1])
    local what = value and value.is ~= "verdict" and UNKEPT[value.is]
    if what then
      run:add("step-result", node, ("a step keeps what its function returns, and %s cannot be kept"):format(what),
        INSTEAD[value.is] or "return a text, a number, true or a table of these")
    end
  end
end

local function check_step_name(run, node)
  local name = node[2]
  if is_changing(run, name) then
    run:add("step-name", name, "a step is found again by its name, and this one is another at each attempt: the step is"
      .. " done again", "give it a constant name")
  end
  if not text(name) then return end
  local fn = tree.function_of(node)
  local loop = tree.loop_of(node)
  if loop and not tree.any(loop, function(one)
    return one.tag == "Break" and tree.is_within(one, loop) or one.tag == "Return" and tree.function_of(one) == fn
  end) then
    run:add("step-loop", name, ("the step %q stands in a loop, and a run may call only one of that name"):format(
      name[1]), ("give each its own name: step(%q .. index, …)"):format(name[1] .. " "))
  end
end

local function check_step(run, node)
  local name, fn = node[2], node[3]
  if not name then return end
  check_step_name(run, node)
  local value = fn and values.of(run, fn)
  if fn and (fn.tag == "Invoke" or fn.tag == "Call") and (not value or value.is ~= "function") then
    return run:add("step-call", fn, "the step is given what the call returns, so that the call is made each time",
      "write step(" .. tree.show(name) .. ", function() return " .. tree.show(fn) .. " end)",
      run:wrap(fn, "function() return ", " end"))
  end
  if value and value.is == "function" then check_result(run, value.node) end
end

-- A step is found again by its name, so that a run cannot call two of one name.
local function check_repeated(run, node)
  local name, fn = text(node[2]), tree.function_of(node)
  if not name then return end
  while fn and not run.reached[fn] do fn = tree.function_of(fn) end
  local seen = run.steps[fn or run] or {}
  run.steps[fn or run] = seen
  local before = seen[name]
  if before and not run:are_alternatives(before, node) then
    run:add("step", node, ("the step '%s' stands in line %d too, and a run may call only one of that name"):format(name,
      (run:line_of(before))), "give each step its own name")
  end
  seen[name] = seen[name] or node
end

-- All words.

local OWN = { later = check_later, remember = check_remember, retry_after = check_retry_after }

-- The argument that a message speaks of.
local function blamed(node, message)
  local fields = node[2]
  if not fields or fields.tag ~= "Table" then return node end
  local first = message:match("unknown key '([^']+)'") or message:match("^%w+: (%w+)")
  local _, pair = tree.item(fields, first or "")
  return pair or node
end

local function check_arguments(run, node, name)
  local first, second = argument_of(node[2]), argument_of(node[3])
  if name == "step" and second == UNKNOWN then second = nothing end
  if first == UNKNOWN or second == UNKNOWN then return true end
  if stand_ins[name] then first = stand_ins[name](first) end
  local message = language.faults[name](first, second)
  if not message then return true end
  local key = message:match("unknown key '([^']+)'")
  local pair = blamed(node, message)
  local near = key and pair ~= node and message:match("did you mean '([^']+)'")
  run:add("word", pair, message, nil, near and run:replace(pair[1], near))
end

-- The reason of a verdict is a text.
local NO_REASON = { event = true, thing = true, ["function"] = true, verdict = true, answer = true }

local function check_reason(run, node, name)
  local reason = node[name == "retry_after" and 3 or 2]
  local value = reason and values.of(run, reason)
  if name == "later" or name == "remember" or name == "forget" or name == "step" or name == "workdays" then return end
  local is_whole = value and value.is == "answer" and #value.path == 0
  if value and NO_REASON[value.is] and (value.is ~= "answer" or is_whole) then
    run:add("word", reason, ("%s: the reason is a text, not %s"):format(name, tree.show(reason)),
      value.is == "thing" and "write letter.id" or "write what was the reason")
  end
end

function M.nodes.Call(run, node)
  local called = values.of(run, node[1])
  local name = called and called.is == "word" and called.name
  if not name or not language.faults[name] then return end
  if name == "step" then
    check_step(run, node)
    check_repeated(run, node)
  end
  if (name ~= "step" or not node[3] or node[3].tag ~= "Invoke") and check_arguments(run, node, name) and OWN[name] then
    OWN[name](run, node)
  end
  check_reason(run, node, name)
end

--- Notes which bodies a call starts, before anything is checked.
---@param run altinn.events.lint.run
---@param node table a call
function M.note(run, node)
  local called = values.of(run, node[1])
  if not called or called.is ~= "word" or called.name ~= "later" then return end
  run.sets_timer = run.sets_timer or run:mark(node, "later")
  local fields = node[2]
  if not fields or fields.tag ~= "Table" or constants.has_open_names(fields) then
    run.started.open = true
    return
  end
  local name = tree.item(fields, "run")
  if not name then run.started.timers.run = true return end
  tree.each(name, function(one)
    if text(one) then run.started.timers[one[1]] = true end
    if text(one) and not run.rule.bodies[one[1]] then run.started.open = true end
    if one.tag == "Id" or one.tag == "Call" or one.tag == "Invoke" then run.started.open = true end
  end)
end

return M
