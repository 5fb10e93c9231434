-- Checks conditions: comparisons that can never be true, or always are.
local constants = require "altinn.events.rules.constants"
local core = require "altinn.events.core"
local details = require "altinn.events.client.details"
local suggest = require "altinn.events.support.suggest"
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

local text = tree.text

local function quoted(word) return ("%q"):format(word) end

-- Attributes.

local function of_condition(run, name)
  for _, condition in ipairs(run.rule.conditions or {}) do
    if condition.attribute == name then return condition end
  end
end

-- Whether a rule wants events of a type.
local function wants(run, full)
  local condition = of_condition(run, "type")
  for _, one in ipairs(condition and condition.alternatives or {}) do
    if one[1] == full or one.prefix and full:sub(1, #one[1]) == one[1] then return true end
  end
  return condition == nil
end

-- Whether Altinn, or anybody, may raise a type.
local function may_be(other)
  if other:find("^no%.altinn%.correspondence%.") then return core.type_known(other) end
  return other:find(".", 1, true) ~= nil
end

local function unknown_type(run, node, other, near, remedy, fix)
  run:add("unknown-type", node, ("there is no event type '%s'%s"):format(other, near
    and (" (did you mean '%s'?)"):format(near) or ""), remedy or "altinn-events types lists them", fix)
end

local function other_type(run, node, other)
  run:add("other-type", node, ("the rule wants no events of the type '%s'"):format(other), "add it to on, or take"
    .. " the comparison out")
end

local function check_type(run, node, other)
  local full = core.type_named(other)
  if full and full ~= other then
    return run:add("type-short", node, ("event.type is the full type, '%s', and never '%s'"):format(full, other),
      ("write events.describe(event).name == %q"):format(other))
  end
  if not run.kinds then return end
  if not may_be(other) then
    local near = core.suggest(other)
    unknown_type(run, node, other, near, near and ("write events.describe(event).name == %q"):format(near))
  elseif not wants(run, other) then other_type(run, node, other) end
end

-- The values that the head lets an attribute have; nil when it may have others.
local function possible(run, name)
  local condition = of_condition(run, name)
  if not condition or condition.test ~= "is" then return nil end
  local set = {}
  for _, one in ipairs(condition.alternatives) do
    if one.prefix then return nil end
    set[one[1]] = true
  end
  return set
end

local function check_excluded(run, node, name, other)
  local set = possible(run, name)
  if set and next(set) and not set[other] then
    run:add("excluded", node, ("'when' lets event.%s be %s only, and never '%s'"):format(name, "'"
      .. table.concat(require("altinn.events.support.names").sorted(set), "' or '") .. "'", core.mask(other)),
      "take the comparison out, or change when")
  end
end

local URN = "urn:altinn:resource:"

local function check_resource(run, node, other, constant)
  if not other:find("^urn:") and run.kinds then
    return run:add("resource", node, ("event.resource is a URN, '%s%s', and never '%s'"):format(URN, other, other),
      ("write %q"):format(URN .. other), run:replace(constant, quoted(URN .. other)))
  end
  check_excluded(run, node, "resource", other)
end

local function check_subject(run, node, other, constant)
  local number = other:match("^0192:(%d+)$") or other:match("^%d+$")
  if number and run.kinds then
    local urn = #number == 11 and "urn:altinn:person:identifier-no:" or "urn:altinn:organization:identifier-no:"
    return run:add("subject", node, ("event.subject is a URN, '%s…', and never a number alone"):format(urn),
      "write " .. quoted(urn .. core.mask(number)), #number == 9 and run:replace(constant, quoted(urn .. number)))
  end
  check_excluded(run, node, "subject", other)
end

local OF_ATTRIBUTE = { type = check_type, resource = check_resource, subject = check_subject }

-- Members of the context.

local CAME_BY = { push = true, pull = true, status = true }

local function check_context(run, node, name, constant)
  local other = text(constant)
  if name == "came_by" and other and not CAME_BY[other] then
    local near = suggest.nearest(other, CAME_BY) or other:find "^push" and "push" or other:find "^pull" and "pull"
    run:add("came-by", node, ("context.came_by is \"push\", \"pull\" or \"status\", and never '%s'"):format(other),
      near and ("write %q"):format(near), near and run:replace(constant, quoted(near)))
  elseif name == "attempt" or name == "repeats" then
    local number = constant.tag == "Number" and tonumber((tostring(constant[1])))
    if other then
      run:add("number", node, ("context.%s is a number, and never equals a text"):format(name),
        "write it without quotes")
    elseif name == "attempt" and number and number < 1 then
      run:add("attempt", node, ("context.attempt counts from 1, and is never %g"):format(number),
        "write context.attempt == 1 for the first attempt")
    end
  end
end

-- Altinn's answers.

local BOOLEANS = { isConfirmationNeeded = true, isConfidential = true, allowForwarding = true, ignoreReservation = true,
  isEncrypted = true }

local function only_letters(answer) return answer.kinds and answer.kinds.letter and not answer.kinds.attachment end

local function check_answer(run, node, answer, constant)
  local name, other = answer.path[#answer.path], text(constant)
  local is_status = name == "status" and (#answer.path == 1 or answer.path[1] == "statusHistory")
  if is_status and other and only_letters(answer) then
    local message = details.statuses_fault(other)
    local near = message and suggest.nearest(other, core.altinn.statuses)
    if message then
      run:add("status", node, message, near and ("write %q"):format(near), near
        and run:replace(constant, quoted(near)))
    end
  elseif BOOLEANS[name] and (other or constant.tag == "Number") then
    run:add("boolean", node, ("%s is true or false, and never equals a text or a number"):format(name),
      ("write %s alone"):format(name))
  end
end

-- What events.describe(event) has.
local KINDS = { letter = true, attachment = true, order = true, dialog = true, transfer = true, instance = true,
  subscription = true }
local PUBLISHERS = { correspondence = true, dialogporten = true, broker = true, app = true, platform = true,
  other = true }

local function check_name(run, node, other, constant)
  local full = core.type_named(other)
  if other:find(".", 1, true) then
    if not core.type_known(other) then return end
    return run:add("type-name", node, ("the name is the short one, and never '%s'"):format(other),
      "write event.type == " .. quoted(other))
  elseif not full then
    local near = core.suggest(other)
    unknown_type(run, node, other, near, near and ("write %q"):format(near), near
      and run:replace(constant, quoted(near)))
  elseif not wants(run, full) then other_type(run, node, other) end
end

local function check_meaning(run, node, name, constant)
  local other = text(constant)
  local set = name == "about" and KINDS or name == "publisher" and PUBLISHERS
  if not other then return end
  if name == "name" then return check_name(run, node, other, constant) end
  if set and not set[other] then
    run:add("meaning", node, ("events.describe(event).%s is never '%s'%s"):format(name, other,
      suggest.hint(other, set)))
  end
end

local function check_kind(run, node, thing, constant)
  local other = text(constant)
  if not other then return end
  if not KINDS[other] or run.kinds and thing.kinds and not thing.kinds[other] then
    run:add("kind", node, ("the things of this rule's events are never of the kind '%s'%s"):format(other,
      KINDS[other] and "" or suggest.hint(other, KINDS)))
  end
end

-- A thing or the event is no text.
local function check_whole(run, node, value, one)
  local member = value.is == "thing" and "id" or "type"
  run:add("whole", node, ("%s is no text, and never equals one"):format(tree.show(one)),
    ("write %s.%s"):format(tree.show(one), member))
end

-- Compares an expression with a constant.
local function check_compared(run, node, one, constant)
  local value = values.of(run, one)
  if not value then
    if one.tag == "Index" then
      local whole = values.of(run, one[1])
      if whole and whole.is == "meaning" and text(one[2]) then check_meaning(run, node, one[2][1], constant) end
    end
    return
  end
  if value.is == "attribute" then
    local own = OF_ATTRIBUTE[value.name]
    if text(constant) and own then return own(run, node, constant[1], constant) end
    if constant.tag == "Number" and run.kinds then
      run:add("number", node, ("event.%s is a text, and never equals a number"):format(value.name),
        "write it in quotes")
    end
  elseif value.is == "context member" then check_context(run, node, value.name, constant)
  elseif value.is == "answer" and value.path[#value.path] == 1 and text(constant) then
    run:add("whole", node, ("an entry of %s is no text, and never equals one"):format(value.path[#value.path - 1]),
      "compare a member of it, such as .status")
  elseif value.is == "answer" then check_answer(run, node, value, constant)
  elseif value.is == "thing kind" then check_kind(run, node, value.thing, constant)
  elseif (value.is == "thing" or value.is == "event") and text(constant) then check_whole(run, node, value, one) end
end

-- Two comparisons of one expression, joined by and / or.

-- The expression and the constant of a comparison.
local function parts_of(node)
  if constants.is_constant(node[3]) and not constants.is_constant(node[2]) then return node[2], node[3] end
  if constants.is_constant(node[2]) and not constants.is_constant(node[3]) then return node[3], node[2] end
end

local ALWAYS = { ["or"] = "ne", ["and"] = "eq" }

local function check_joined(run, node)
  local word = ALWAYS[node[1]]
  local first, second = node[2], node[3]
  if first.tag == "Op" and first[1] == node[1] and first[3].tag == "Op" then first = first[3] end
  if not (first.tag == "Op" and second.tag == "Op" and first[1] == word and second[1] == word) then return end
  local one, constant = parts_of(first)
  local other, second_constant = parts_of(second)
  if not one or not other or not tree.same(one, other) or tree.same(constant, second_constant) then return end
  if constant.tag == "Table" or second_constant.tag == "Table" then return end
  if node[1] == "or" then
    run:add("always-true", node, ("this is always true: %s cannot be both, so that it differs from one of them"):format(
      tree.show(one)), "write and")
  else
    run:add("never-true", node, ("this is never true: %s cannot equal both"):format(tree.show(one)), "write or")
  end
end

local COMPARES = { eq = "==", ne = "~=", lt = "<", le = "<=", gt = ">", ge = ">=" }

-- not a == b
local function check_not(run, node)
  local first = node[2]
  if first.tag ~= "Op" or first[1] ~= "not" or node.offset < first.offset then return end
  local other = node[3]
  if other.tag == "True" or other.tag == "False" or other.tag == "Op" and other[1] == "not" then return end
  local is_equal = node[1] == "eq" or node[1] == "ne"
  run:add("not", node, ("'not' comes before '%s': this compares true or false with %s"):format(COMPARES[node[1]],
    tree.show(other)), is_equal and ("write %s %s %s"):format(tree.show(first[2]), node[1] == "eq" and "~=" or "==",
    tree.show(other)) or "write not (…)")
end

-- event.time is a text.
local function check_time(run, node)
  for index = 2, 3 do
    local value = node[index] and values.of(run, node[index])
    if value and value.is == "attribute" and value.name == "time" then
      local other = node[index == 2 and 3 or 2]
      local kind = other and values.of(run, other)
      local is_number = other and (other.tag == "Number" or kind and kind.is == "result" and kind.of == "os.time")
      run:add(is_number and "time-number" or "time", node, ("event.time is a text: %s"):format(is_number
        and "comparing or reckoning with a number raises" or "texts of different zones and lengths do not compare as"
        .. " times"), "write events.time(event), which gives seconds since 1970")
      return
    end
  end
end

local ARITHMETIC = { add = true, sub = true, mul = true, div = true, mod = true, idiv = true }
local ORDER = { lt = true, le = true, gt = true, ge = true }

function M.nodes.Op(run, node)
  local word = node[1]
  if word == "or" or word == "and" then return check_joined(run, node) end
  if COMPARES[word] then check_not(run, node) end
  if ORDER[word] or ARITHMETIC[word] then check_time(run, node) end
  if word == "eq" or word == "ne" then
    for index = 2, 3 do
      local constant = node[5 - index]
      if constants.is_constant(constant) and constant.tag ~= "Nil" and not constants.is_constant(node[index]) then
        check_compared(run, node, node[index], constant)
      end
    end
    if tree.same(node[2], node[3]) and (node[2].tag == "Id" or node[2].tag == "Index") then
      run:add("itself", node, ("%s is compared with itself"):format(tree.show(node[2])))
    end
  elseif ORDER[word] and node[3].tag == "Number" then
    local value = values.of(run, node[2])
    local number = tonumber((tostring(node[3][1])))
    if value and value.is == "context member" and value.name == "attempt" and (word == "lt" and number <= 1
      or word == "le" and number < 1) then
      run:add("attempt", node, "context.attempt counts from 1: this is never true", "write context.attempt == 1 for"
        .. " the first attempt")
    end
  end
end

-- Branches.

-- What a body learns of a timer that never starts it: context.timer, not context.timer, context.timer ~= nil.
local check_timer

function check_timer(run, node, condition)
  if condition.tag == "Op" then
    for index = 2, #condition do check_timer(run, node, condition[index]) end
    return
  end
  local value = values.of(run, condition)
  local fn = tree.function_of(node)
  local name = fn and run.body_of[fn]
  if not (value and value.is == "context member" and value.name == "timer") or not name then return end
  local started = run.started
  if name == "run" and not started.open and not started.timers.run then
    run:add("no-timer", condition, "no timer starts the body 'run', so that context.timer is nil here",
      "give the timer a body of its own: later { …, run = \"NAME\" }")
  end
end

function M.nodes.If(run, node)
  local seen = {}
  for index = 1, #node - 1, 2 do
    local condition = node[index]
    if constants.is_constant(condition) then
      run:add("constant-condition", condition, ("this condition is always %s"):format(constants.is_true(condition)
        and "true" or "false"))
    end
    for _, earlier in ipairs(seen) do
      if tree.same(earlier, condition) and not tree.any(condition, function(one) return one.tag == "Call" end) then
        run:add("same-condition", condition, "an earlier branch has the same condition: this one is never taken")
      end
    end
    seen[#seen + 1] = condition
    check_timer(run, node, condition)
  end
end

return M
