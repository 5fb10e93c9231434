-- Checks what bodies ask of their arguments: methods and members of the thing, of Altinn's answers about it, of the
-- context and of the event.
local details = require "altinn.events.client.details"
local head = require "altinn.events.event.head"
local language = require "altinn.events.rules.language"
local members = require "altinn.events.rules.members"
local sorted = require("altinn.events.support.names").sorted
local strict = require "altinn.events.support.strict"
local suggest = require "altinn.events.support.suggest"
local things = require "altinn.events.rules.thing"
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

-- The union of the names of some kinds; kinds nil: of all.
local function union(by_kind, kinds)
  local all = {}
  for kind, names in pairs(by_kind) do
    if kinds == nil or kinds[kind] then
      for name, value in pairs(names) do all[name] = value end
    end
  end
  return all
end

-- A thing's members: its id, its kind, its methods.
local function members_of(kinds)
  local all = { id = true, kind = true }
  for name in pairs(union(things.methods, kinds)) do all[name] = true end
  return all
end

-- The word for the thing in messages.
local function called(kinds)
  local kind = kinds and next(kinds)
  return kind and next(kinds, kind) == nil and kind or "letter"
end

-- The thing's own methods and members.

local OF_LETTERS = "for _, letter in ipairs(attachment:letters()) do … letter:%s(…) … end"

local function remedy_of(kinds, name)
  if called(kinds) ~= "attachment" or not things.methods.letter[name] then return nil end
  if name == "attachments" then return "the event is about an attachment itself: attachment:overview() describes it" end
  return "the letters that hold the attachment: " .. OF_LETTERS:format(name)
end

local function no_member(run, node, kinds, name, known)
  local fix
  local near = suggest.nearest(name, known)
  if near and not remedy_of(kinds, name) then fix = run:name_fix(node, near) end
  run:add("member", node, strict.message("the " .. called(kinds), name, known), remedy_of(kinds, name)
    or not near and "it has " .. table.concat(sorted(known), ", ") or nil, fix)
end

-- A constant list of statuses that an argument is given as.
local function check_list(run, node, argument)
  if argument.tag ~= "Table" then return false end
  run:add("status-list", argument, "has_been wants its statuses as arguments, not as a table",
    ("write %s:has_been(\"Read\", \"Confirmed\")"):format(tree.show(node[1])))
  return true
end

local function check_statuses(run, node)
  if #node == 2 then return run:add("status", node, details.statuses_fault()) end
  for index = 3, #node do
    local argument = node[index]
    if not check_list(run, node, argument) then
      local is_constant = argument.tag == "String" or argument.tag == "Number" or argument.tag == "True"
        or argument.tag == "False" or argument.tag == "Nil"
      local message = is_constant and details.statuses_fault(argument.tag == "String" and argument[1]
        or argument.tag == "Nil" and "nil" or tostring(argument[1]))
      local near = message and tree.text(argument) and suggest.nearest(argument[1],
        require("altinn.events.core").altinn.statuses)
      if message then
        run:add("status", argument, message, near and ("write %q"):format(near), near
          and run:replace(argument, ("%q"):format(near)))
      end
    end
  end
end

local function check_power(run, node, name)
  local power = things.powers[name]
  if not power then return end
  run.powers[power] = run.powers[power] or node
  run.asks = run.asks or run:mark(node, name)
  if language.may(run.rule, power) then return end
  run:add("power", node, ("letter:%s() needs \"%s\" in may"):format(name, power), run.rule.may
    and ("add \"%s\" to may"):format(power) or ("write may = { …, \"%s\" }"):format(power))
end

local function check_thing_call(run, node, thing)
  local name, kinds = node[2][1], thing.kinds
  local known = members_of(kinds)
  if things.powers[name] and next(known) and not known.overview then
    run:add("thing", node, ("these events are about a thing of kind '%s': only letters and attachments can be"
      .. " asked about"):format(called(kinds)))
  elseif name == "id" or name == "kind" then
    run:add("member", node, ("%s is no method: write letter.%s"):format(name, name), nil,
      run:replace(node, ("%s.%s"):format(tree.show(node[1]), name)))
  elseif not known[name] then
    no_member(run, node, kinds, name, known)
  else
    if name == "has_been" then check_statuses(run, node) end
    if not thing.of_client then check_power(run, node, name) end
  end
end

-- The members of a part of an answer; nil: not known.
local function shape_at(shape, path)
  for _, step in ipairs(path) do
    shape = type(shape) == "table" and (step == 1 and shape.each or step ~= 1 and shape[step]) or nil
  end
  return type(shape) == "table" and not shape.each and shape or nil
end


local LISTS = { statusHistory = true, attachments = true }

-- A member `name` of an answer, at a path; called: it is called as a method.
local function check_answer(run, node, answer, path, name, is_called)
  local whole = union(members.shapes, answer.kinds)
  local list = path[#path]
  if not is_called and next(whole) and LISTS[list] and path[#path - 1] ~= 1 then
    return run:add("member", node, ("%s is a list, and has no '%s' of its own"):format(list, name),
      ("write %s[1].%s, or for _, one in ipairs(%s) do"):format(list, name, list))
  end
  local known = next(whole) and shape_at(whole, path)
  if not known then return end
  local has_history = #path == 0 and answer.method == "details" and (answer.kinds == nil or answer.kinds.letter)
  local methods = has_history and details.methods or {}
  if methods[name] then
    if is_called and name == "has_been" then check_statuses(run, node) end
  elseif known[name] == nil or is_called then
    local all = {}
    for one in pairs(methods) do all[one] = true end
    for one in pairs(known) do all[one] = true end
    local near = suggest.nearest(name, all)
    run:add("member", node, strict.message(answer.method, name, all), known[name] and ("%s is no method: write .%s")
      :format(name, name) or not near and "it has " .. table.concat(sorted(all), ", ") or nil,
      near and not is_called and run:name_fix(node, near))
  end
end

-- client:letter(event.resourceinstance) where the event is about an attachment.
local function check_asked(run, node)
  local wanted, kind = node[2][1], run.kinds and next(run.kinds)
  if wanted ~= "letter" and wanted ~= "attachment" or kind == wanted then return end
  if not kind or next(run.kinds, kind) then return end
  local value = node[3] and values.of(run, node[3])
  local is_own = value and (value.is == "attribute" and value.name == "resourceinstance"
    or value.is == "thing id" and value.thing.kinds == run.kinds)
  if is_own then
    run:add("attachment-letter", node, ("%s is the id of the thing of kind '%s', and Altinn knows no %s of that id")
      :format(tree.show(node[3]), kind, wanted), kind == "attachment" and "write for _, letter in"
      .. " ipairs(attachment:letters()) do … end" or nil)
  end
end

function M.nodes.Invoke(run, node)
  local whole = values.of(run, node[1])
  if not whole then return end
  if whole.is == "client" then check_asked(run, node)
  elseif whole.is == "thing" then check_thing_call(run, node, whole)
  elseif whole.is == "answer" then check_answer(run, node, whole, whole.path, node[2][1], true)
  elseif whole.is == "event" then
    run:add("event-method", node, ("an event has no methods: event.%s is a text"):format(node[2][1]),
      ("write %s.%s"):format(tree.show(node[1]), node[2][1]),
      #node == 2 and run:replace(node, ("%s.%s"):format(tree.show(node[1]), node[2][1])))
  end
end

-- The context.

-- The members of members of the context; those of the others are the rule's, or Altinn's.
local PARTS = { log = language.levels, timer = { set = true, due = true, with = true } }

local function check_log(run, node, name)
  if PARTS.log[name] then return end
  local near = suggest.nearest(name, PARTS.log)
  run:add("member", node, strict.message("log", name, PARTS.log), nil, near and run:name_fix(node, near))
end

local function check_context(run, node, name)
  if language.context[name] then return end
  local near = suggest.nearest(name, language.context)
  run:add("member", node, ("there is no '%s' in context%s"):format(name, suggest.hint(name, language.context)), nil,
    near and run:name_fix(node, near))
end

local function check_timer(run, node, name)
  if PARTS.timer[name] then return end
  run:add("timer-member", node, strict.message("timer", name, PARTS.timer))
end

-- An attribute that no event of Altinn carries is nil. Events of others may have it.

local INSTEAD = {
  letter = ": the letter is the second argument of the body", recipient = ": who is meant stands in event.subject",
  sender = ": who is meant stands in event.subject",
}

local IDS = { correspondenceId = true, correspondenceid = true, letterId = true, letter_id = true, attachmentId = true,
  instanceId = true }

local function check_attribute(run, node, name)
  local known = { data = true }
  for one in pairs(head.carried) do known[one] = not INSTEAD[one] or nil end
  if run.kinds == nil or known[name] then return end
  local near = not INSTEAD[name] and suggest.nearest(name, known)
  run:add("attribute", node, ("no event of Altinn carries '%s'%s"):format(name, INSTEAD[name]
    or not IDS[name] and suggest.hint(name, known) or ""), IDS[name]
    and "the id of the thing is letter.id (and event.resourceinstance)" or nil, near and not IDS[name]
    and name:lower() == near and run:name_fix(node, near))
end

-- Whether an expression is called.
local function is_called(node)
  return node.up.tag == "Call" and node.up[1] == node
end

local function has_self(run, call)
  local first = call[2]
  local value = first and values.of(run, first)
  return value and value.is == "thing" or first ~= nil and tree.same(first, call[1][1])
end

-- letter.details(), letter.details.status
local function check_method(run, node, name)
  local call = node.up
  run.powers[things.powers[name]] = run.powers[things.powers[name]] or node
  if is_called(node) then
    if has_self(run, call) then return check_power(run, node, name) end
    return run:add("colon", call, ("%s is a method: write letter:%s(…), with a colon"):format(name, name), nil,
      run:dot_fix(node, ":"))
  end
  if call.tag == "Index" and call[1] == node and things.powers[name] then
    run:add("uncalled", node, ("%s is a method, and is not called: its answer has the members"):format(name),
      ("write %s:%s().%s"):format(tree.show(node[1]), name, tree.text(call[2]) or "…"))
  end
end

local function check_thing_member(run, node, thing, name)
  local known = members_of(thing.kinds)
  if not known[name] then return no_member(run, node, thing.kinds, name, known) end
  if things.powers[name] then check_method(run, node, name) end
end

-- What is written need not have been there.
local function is_written(node)
  return node.up.up ~= nil and node.up.up.tag == "Set" and node.up == node.up.up[1]
end

local OF = { context = check_context, log = check_log, event = check_attribute }

function M.nodes.Index(run, node)
  local name = tree.text(node[2])
  local whole = name and not is_written(node) and values.of(run, node[1])
  if not whole then return end
  if whole.is == "thing" then check_thing_member(run, node, whole, name)
  elseif whole.is == "answer" then check_answer(run, node, whole, whole.path, name)
  elseif whole.is == "context member" and whole.owner == "timer" then check_timer(run, node, name)
  elseif OF[whole.is] then OF[whole.is](run, node, name) end
end

return M
