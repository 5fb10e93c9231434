-- Checks how bodies use their arguments: whether the thing, Altinn's answers about it, and the context have the methods
-- and members that a body names, whether the constants of an effect can ever be sent, and those of the other words.
local core = require "altinn.events.core"
local effects = require "altinn.events.rules.effects"
local head = require "altinn.events.event.head"
local language = require "altinn.events.rules.language"
local details = require "altinn.events.client.details"
local members = require "altinn.events.rules.members"
local sorted = require("altinn.events.support.names").sorted
local strict = require "altinn.events.support.strict"
local suggest = require "altinn.events.support.suggest"
local things = require "altinn.events.rules.thing"
local UNKNOWN = require("altinn.events.rules.constants").UNKNOWN

local M = {}

local about_of  -- full type -> kind of thing

-- The kind of the thing that events of a type are about; nil: not known.
local function kind_of(word)
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
    local kind = kind_of(word)
    if not kind then return nil end
    kinds[kind] = true
  end
  return kinds
end

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

local function check_statuses(add, entry)
  local known = {}
  for index = 1, entry.arguments and entry.arguments.n or 0 do
    local value = entry.arguments[index]
    if value ~= UNKNOWN then known[#known + 1] = value == nil and "nil" or value end
  end
  if not entry.arguments or #known < entry.arguments.n and #known == 0 then return end
  local message = #known == 0 and details.statuses_fault()
  for _, one in ipairs(known) do message = message or details.statuses_fault(one) end
  if message then add("error", "status", entry, message) end
end

local function check_call(add, call, kinds, known)
  if things.powers[call.name] and next(known) and not known.overview then
    add("error", "thing", call, ("these events are about a thing of kind '%s': only letters and attachments can be"
      .. " asked about"):format(called(kinds)))
  elseif call.name == "id" or call.name == "kind" then
    add("error", "member", call, ("%s is no method: write letter.%s"):format(call.name, call.name))
  elseif not known[call.name] then
    add("error", "member", call, strict.message("the " .. called(kinds), call.name, known))
  elseif call.name == "has_been" then
    check_statuses(add, call)
  end
end

-- The members of a part of an answer; nil: not known.
local function shape_at(shape, path)
  for _, step in ipairs(path) do
    shape = type(shape) == "table" and (step == 1 and shape.each or step ~= 1 and shape[step]) or nil
  end
  return type(shape) == "table" and not shape.each and shape or nil
end

local function check_answer(add, entry, kinds)
  local whole = union(members.shapes, kinds)
  if next(whole) == nil then return end
  local known = shape_at(whole, entry.path)
  if not known then return end
  local has_history = #entry.path == 0 and entry.method == "details" and (kinds == nil or kinds.letter)
  local methods = has_history and details.methods or {}
  if methods[entry.name] then
    if entry.name == "has_been" and entry.arguments then check_statuses(add, entry) end
  elseif known[entry.name] == nil or entry.arguments then
    local all = {}
    for name in pairs(methods) do all[name] = true end
    for name in pairs(known) do all[name] = true end
    add("error", "member", entry, strict.message(entry.method, entry.name, all))
  end
end

-- The members of members of the context; those of the others are the rule's, or Altinn's.
local PARTS = { log = language.levels, timer = { set = true, due = true, with = true } }

local function check_context(add, entry)
  local known = PARTS[entry.owner]
  if entry.owner then
    if known and not known[entry.name] then  -- the log raises, of a timer it is nil
      add(entry.owner == "log" and "error" or "warning", "member", entry,
        strict.message(entry.owner, entry.name, known))
    end
  elseif not language.context[entry.name] then
    add("error", "member", entry, ("there is no '%s' in context%s"):format(entry.name,
      suggest.hint(entry.name, language.context)))
  end
end

local function nothing() end

local sample

-- An event that has nothing in common with any constant.
local function sample_event()
  sample = sample or assert(core.parse '{"specversion":"1.0","id":"~sample~","source":"/~sample~","type":"t"}')
  return sample
end

local function without_unknown(value, stand_in)
  local made = {}
  for key, one in pairs(value) do
    if type(one) == "table" and one.is_event then one = sample_event() end
    if one == UNKNOWN then one = stand_in(key) end
    made[key] = one
  end
  return made
end

-- Whether a part of the key is known at run time only.
local function is_open(key)
  if key == UNKNOWN then return true end
  if type(key) ~= "table" or key.is_event then return false end
  for _, part in pairs(key) do
    if part == UNKNOWN then return true end
  end
  return false
end

-- Whether a table has names, and is no list.
local function has_names(value)
  return type(value) == "table" and type(next(value)) == "string"
end

local function check_effect(add, send, rule)
  if not language.send[send.kind] then return end
  local stand_ins = effects.kinds[send.kind].stand_ins  -- in place of fields that are known at run time only
  local fields = without_unknown(send.fields, function(name) return stand_ins[name] end)
  if is_open(send.fields.key) then fields.key = nil
  elseif type(fields.key) == "table" then fields.key = without_unknown(fields.key, nothing) end
  for name, value in pairs(fields) do
    local stand_in = stand_ins[name]
    local whole = type(value) == "table" and stand_in ~= nil
      and (type(stand_in) ~= "string" or is_open(value) and not has_names(value))
    if whole then fields[name] = stand_in end
  end
  if type(fields.headers) == "table" then
    fields.headers = without_unknown(fields.headers, function() return "x" end)
  end
  local message = language.effect_fault(send.kind, send.target, fields, sample_event())
  if not message and fields.probe then message = language.unknown_body(fields.probe, rule.bodies) end
  if message then add("error", "effect", send, message) end
end

-- `send` without a kind, or without a target.
local function check_misused(add, entry)
  if entry.kind then
    return add("error", "effect", entry, ("send.%s { … } has no target"):format(entry.kind),
      ("write send.%s(\"TARGET\") { … }"):format(entry.kind))
  end
  add("error", "effect", entry, "send(…) has no kind", ("write send.http(%q) { … }, or another of %s"):format(
    entry.target or "TARGET", table.concat(sorted(effects.kinds), ", ")))
end

-- A comparison that can never be true: an event's type is the full one, and a status is written as Altinn writes it.
local function check_compared(add, entry, kinds)
  if entry.what == "status" then
    local message = kinds and kinds.letter and not kinds.attachment and details.statuses_fault(entry.text)
    if message then add("error", "status", entry, message) end
  elseif core.type_named(entry.text) and core.type_named(entry.text) ~= entry.text then
    add("error", "type", entry, ("event.type is the full type, '%s', and never '%s'"):format(
      core.type_named(entry.text), entry.text), ("write events.describe(event).name == %q"):format(entry.text))
  end
end

local INSTEAD = {
  letter = ": the letter is the second argument of the body", recipient = ": who is meant stands in event.subject",
  sender = ": who is meant stands in event.subject",
}

-- An attribute that no event of Altinn carries is nil. Events of others may have it.
local function check_attribute(add, entry, kinds)
  local known = { data = true }
  for name in pairs(head.carried) do known[name] = not INSTEAD[name] or nil end
  if kinds == nil or known[entry.name] then return end
  add("warning", "attribute", entry, ("no event of Altinn carries '%s'%s"):format(entry.name,
    INSTEAD[entry.name] or suggest.hint(entry.name, known)))
end

-- Words: later, remember, skip, workdays, step, …

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

-- The arguments of a word, with values in place of those that are known at run time only; nil: too little is known.
local stand_ins = {}

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

local function check_timer(add, entry, rule, timer)
  local message = language.unknown_body(timer.run, rule.bodies)
  if message then add("error", "body", entry, "later: run: " .. message) end
  local kinds = M.kinds_of(rule)
  for _, type_name in ipairs(timer.cancel) do
    local kind = kind_of(type_name)
    if kind and kinds and not kinds[kind] then
      add("warning", "cancel", entry, ("cancel: an event of type '%s' is about a thing of kind '%s', and this timer is"
        .. " about another: it never ends it"):format(type_name, kind))
    end
  end
end

-- A small number is rather a number of days or hours than one of seconds.
local function check_seconds(add, entry, at)
  if type(at) ~= "number" or at < 1 or at >= 60 then return end
  add("warning", "span", entry, ("later: at = %g means seconds"):format(at),
    ("write \"%gs\", \"%gd\" or workdays(%g)"):format(at, at, at))
end

local function check_word(add, entry, rule)
  local first, second = entry.arguments[1], entry.arguments[2]
  if entry.name == "step" and second == UNKNOWN then second = nothing end
  if first == UNKNOWN or second == UNKNOWN then return end
  if stand_ins[entry.name] then first = stand_ins[entry.name](first) end
  local message = language.faults[entry.name](first, second)
  if message then add("error", "word", entry, message)
  elseif entry.name == "later" then
    check_timer(add, entry, rule, language.timer_of(first))
    check_seconds(add, entry, entry.arguments[1].at)
  end
end

-- A step is found again by its name, so that a run cannot call two of one name.
local function check_steps(add, words)
  local seen = {}
  for _, entry in ipairs(words) do
    local name = entry.name == "step" and entry.arguments[1]
    if type(name) == "string" and seen[name] then
      add("warning", "step", entry, ("the step '%s' stands in line %d too, and a run may call only one of that name")
        :format(name, seen[name]), "give each step its own name")
    elseif name then seen[name] = entry.line end
  end
end

--- Adds the mistakes of a function that bodies of a rule reach.
---@param add fun(severity: string, code: string, entry: table, message: string, remedy: string|nil)
---@param rule table
---@param facts table of altinn.events.rules.bodies
---@param is_body boolean the function is a body of the rule, so its parameters are those of a body
function M.check(add, rule, facts, is_body)
  local kinds = M.kinds_of(rule)
  local known = members_of(kinds)
  for _, call in ipairs(facts.calls) do
    if is_body or not call.second then check_call(add, call, kinds, known) end
  end
  for _, member in ipairs(is_body and facts.members or {}) do
    if not known[member.name] then
      add("error", "member", member, strict.message("the " .. called(kinds), member.name, known))
    end
  end
  for _, entry in ipairs(facts.answers) do
    if is_body or not entry.second then check_answer(add, entry, kinds) end
  end
  for _, entry in ipairs(is_body and facts.context or {}) do check_context(add, entry) end
  for _, send in ipairs(facts.effects) do check_effect(add, send, rule) end
  for _, entry in ipairs(is_body and facts.attributes or {}) do check_attribute(add, entry, kinds) end
  for _, entry in ipairs(facts.misused) do check_misused(add, entry) end
  for _, entry in ipairs(facts.compared) do
    if is_body or not entry.second then check_compared(add, entry, kinds) end
  end
  for _, entry in ipairs(facts.words) do check_word(add, entry, rule) end
  check_steps(add, facts.words)
end

return M
