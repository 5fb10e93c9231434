-- Collects facts about the bodies of rules: the globals and targets that they name, their calls of the letter, and
-- verdicts without `return`. Reads the text; no code of a rule runs.
local constants = require "altinn.events.rules.constants"
local syntax = require "altinn.events.rules.syntax"
local verdicts = require "altinn.events.rules.verdicts"

local M = {}

---@class altinn.events.body_facts
---The facts of a file, or of one of its functions. Each entry has `line` and `column`.
---@field globals { name: string, line: integer, column: integer, is_set: boolean }[] of the file
---@field raw table<string, true> names that the file gives to rawset or rawget
---@field doubled { name: string, is_head: boolean }[] keys of a table that are written more than once
---@field always { text: string }[] conditions with an alternative that is always true
---@field rules { name: string|nil, line: integer, facts: table[], named: table<string, table> }[] facts: of the
---  functions that a rule's bodies reach; named: of its bodies, by name

local Reader = {}
Reader.__index = Reader

-- A scope inside another one: names, each with a description of its value.
local function inner(scope)
  return setmetatable({}, { __index = scope })
end

local function new_facts()
  return { sends = {}, effects = {}, calls = {}, points = {}, members = {}, answers = {}, context = {}, dropped = {},
    words = {}, refers = {}, misused = {}, compared = {}, attributes = {} }
end

function Reader:at(list, node, entry)
  entry.line, entry.column = syntax.position(self.tree, node)
  list[#list + 1] = entry
end

local function string_of(node)
  return node and node.tag == "String" and node[1] or nil
end

function Reader:is_global(node, scope, name)
  return node ~= nil and node.tag == "Id" and node[1] == name and scope[name] == nil
end

-- The kind of effect when a node is `send.KIND`; otherwise nil.
function Reader:kind_of(node, scope)
  if node and node.tag == "Index" and self:is_global(node[1], scope, "send") then return string_of(node[2]) end
end

-- The text of a call that makes a verdict or an effect, such as "skip(…)"; nil for any other call.
function Reader:verdict_of(node, scope)
  if node.tag ~= "Call" then return nil end
  local word = node[1].tag == "Id" and node[1][1]
  if word and verdicts.words[word] == "verdict" and self:is_global(node[1], scope, word) then return word .. "(…)" end
  local kind = node[1].tag == "Call" and self:kind_of(node[1][1], scope)
  if kind then return ("send.%s(…) { … }"):format(kind) end
end

-- The scope's entry of a node that is the thing (the body's second argument, or a function's parameter `letter`); nil
-- for any other node.
local function is_thing(scope, node)
  local bound = node.tag == "Id" and scope[node[1]]
  return type(bound) == "table" and bound.is_thing and bound or nil
end

local ANSWERS = { overview = true, details = true }

local function joined(path, name)
  local longer = { name }
  for index = #path, 1, -1 do table.insert(longer, 1, path[index]) end
  return longer
end

-- Describes a node that holds Altinn's answer about a thing, or a part of it: { method, path, second }. In a path 1
-- stands for an element of a list.
local function answer_of(scope, node)
  local bound = node.tag == "Id" and scope[node[1]]
  if bound then return type(bound) == "table" and bound.answer or nil end
  local thing = node.tag == "Invoke" and ANSWERS[node[2][1]] and is_thing(scope, node[1])
  if thing then return { method = node[2][1], path = {}, second = thing.second } end
  local whole = node.tag == "Index" and answer_of(scope, node[1])
  local key = whole and (string_of(node[2]) or node[2].tag == "Number" and 1)
  if key then return { method = whole.method, path = joined(whole.path, key), second = whole.second } end
end

local visit = {}

function Reader:expression(node, scope)
  local own = visit[node.tag]
  if own then return own(self, node, scope) end
  for _, child in ipairs(node) do
    if type(child) == "table" then self:expression(child, scope) end
  end
end

function Reader:list(list, scope)
  for _, node in ipairs(list or {}) do self:expression(node, scope) end
end

function Reader:block(block, scope)
  for _, statement in ipairs(block) do
    local made = self:verdict_of(statement, scope)
    if made and self.facts then self:at(self.facts.dropped, statement, { word = made }) end
    self:expression(statement, scope)
  end
end

function visit.Id(self, node, scope)
  local bound = scope[node[1]]
  if bound == nil and scope._ENV == nil then  -- else a name is a member of that
    self:at(self.globals, node, { name = node[1], is_set = false })
  elseif type(bound) == "table" and bound.facts and self.facts then
    self.facts.refers[#self.facts.refers + 1] = bound.facts
  end
end

function visit.String() end

function Reader:note_answer(answer, node, name, arguments)
  self:at(self.facts.answers, node, { name = name, method = answer.method, path = answer.path, second = answer.second,
    arguments = arguments })
end

local function is_event(scope, node)
  local bound = node.tag == "Id" and scope[node[1]]
  return type(bound) == "table" and bound.is_event
end

local function is_context(scope, node)
  local bound = node.tag == "Id" and scope[node[1]]
  return type(bound) == "table" and bound.is_context
end

function visit.Index(self, node, scope)
  local name = self.facts and string_of(node[2])
  local thing = name and is_thing(scope, node[1])
  local answer = name and answer_of(scope, node[1])
  local owner = node[1].tag == "Index" and is_context(scope, node[1][1]) and string_of(node[1][2])
  if thing then self:at(self.facts.members, node, { name = name, second = thing.second }) end
  if answer then self:note_answer(answer, node, name) end
  if name and is_event(scope, node[1]) then self:at(self.facts.attributes, node, { name = name }) end
  if name and is_context(scope, node[1]) then self:at(self.facts.context, node, { name = name })
  elseif name and owner then self:at(self.facts.context, node, { name = name, owner = owner }) end
  self:list(node, scope)
end

-- The arguments of a call, which begin at an index of its node, as constants.
local function arguments_of(node, first)
  local list = { n = #node - first + 1 }
  for index = first, #node do list[index - first + 1] = constants.value(node[index], function() end) end
  return list
end

function visit.Table(self, node, scope)
  for _, one in ipairs(constants.doubled(node)) do
    self:at(self.doubled, one.node, { name = one.name, is_head = self.facts == nil })
  end
  for _, item in ipairs(node) do
    if item.tag == "Pair" then self:list(item, scope) else self:expression(item, scope) end
  end
end

function visit.Invoke(self, node, scope)
  local thing = self.facts and is_thing(scope, node[1])
  local answer = self.facts and answer_of(scope, node[1])
  if thing then
    self:at(self.facts.calls, node, { name = node[2][1], second = thing.second, arguments = arguments_of(node, 3) })
  end
  if answer then self:note_answer(answer, node, node[2][1], arguments_of(node, 3)) end
  self:expression(node[1], scope)
  for index = 3, #node do self:expression(node[index], scope) end
end

-- Notes the call of a word such as later { … }, as far as the text tells its arguments.
function Reader:note_word(node, scope)
  local name = node[1].tag == "Id" and node[1][1]
  if not self.facts or not verdicts.faults[name] or not self:is_global(node[1], scope, name) then return end
  local arguments = arguments_of(node, 2)
  if node[2] and node[2].tag == "Table" and constants.has_open_names(node[2]) then arguments[1] = constants.UNKNOWN end
  self:at(self.facts.words, node, { name = name, arguments = arguments })
end

-- Notes send("print") { … }, which has no kind, and send.http { … }, which has no target.
function Reader:note_misused(node, kind, scope)
  if not self.facts then return end
  local has_no_kind = self:is_global(node[1], scope, "send")
  if has_no_kind or kind and node[2] and node[2].tag == "Table" then
    self:at(self.facts.misused, node, { kind = kind, target = has_no_kind and string_of(node[2]) or nil })
  end
end

function Reader:note_call(node, scope)
  local called, first = node[1], node[2]
  if called.tag == "Index" and called[1].tag == "Id" and scope[called[1][1]] == nil and string_of(called[2]) then
    self:at(self.fields, called, { library = called[1][1], name = called[2][1] })
  end
  if self:is_global(called, scope, "rawset") or self:is_global(called, scope, "rawget") then
    local name = string_of(node[3])
    if name then self.raw[name] = true end
  end
  local thing = called.tag == "Index" and self.facts and is_thing(scope, called[1])
  if thing and string_of(called[2]) then
    local is_self = first and first.tag == "Id" and first[1] == called[1][1]
    self:at(is_self and self.facts.calls or self.facts.points, node, { name = called[2][1], second = thing.second })
  end
  local kind = self:kind_of(called, scope)
  if kind and self.facts and string_of(first) then
    self:at(self.facts.sends, node, { kind = kind, target = first[1] })
  end
  self:note_misused(node, kind, scope)
end

-- Notes the fields of send.http("print") { … }, as far as the text tells their values.
function Reader:note_effect(node, scope)
  local made = node[1].tag == "Call" and node[1]
  local kind = made and self:kind_of(made[1], scope)
  local target = kind and string_of(made[2])
  if not target or not node[2] or node[2].tag ~= "Table" or not self.facts then return end
  local fields = constants.value(node[2], function(inside)
    local bound = inside.tag == "Id" and scope[inside[1]]
    return type(bound) == "table" and bound.is_event and bound or nil
  end)
  self:at(self.facts.effects, node, { kind = kind, target = target, fields = fields })
end

local function is_event_type(scope, node)
  return node.tag == "Index" and string_of(node[2]) == "type" and is_event(scope, node[1])
end

-- Notes the comparison of the event's type, or of a letter's status, with a text.
function Reader:note_compared(one, text, node, scope)
  if not string_of(text) then return end
  local answer = answer_of(scope, one)
  if is_event_type(scope, one) then
    self:at(self.facts.compared, node, { what = "type", text = text[1] })
  elseif answer and #answer.path == 1 and answer.path[1] == "status" then
    self:at(self.facts.compared, node, { what = "status", text = text[1], second = answer.second })
  end
end

function visit.Op(self, node, scope)
  if self.facts and (node[1] == "eq" or node[1] == "ne") then
    self:note_compared(node[2], node[3], node, scope)
    self:note_compared(node[3], node[2], node, scope)
  end
  for index = 2, #node do self:expression(node[index], scope) end
end

function visit.Call(self, node, scope)
  self:note_call(node, scope)
  self:note_word(node, scope)
  self:note_effect(node, scope)
  if self:is_global(node[1], scope, "rule") and node[2] and node[2].tag == "Table" then
    return self:rule(node, node[2], scope)
  end
  self:list(node, scope)
end

-- Collects the facts of a function. The facts of functions inside it count as its own.
function Reader:body(node, scope)
  local facts = self.facts
  local own = facts or new_facts()
  if not facts then own.line, own.column = syntax.position(self.tree, node) end
  self.facts = own
  local names = inner(scope)
  for index, parameter in ipairs(node[1]) do
    local name = parameter.tag == "Id" and parameter[1]
    -- The second argument of a file's own function is a thing if the function turns out to be a body.
    local is_letter = name == "letter"
    if name then
      names[name] = { is_thing = not facts and (index == 2 or is_letter), second = not is_letter,
        is_event = not facts and index == 1, is_context = not facts and index == 3 }
    end
  end
  if not facts then own.returns = M.returns(node[2]) end
  self:block(node[2], names)
  self.facts = facts
  return own
end

function visit.Function(self, node, scope)
  self:body(node, scope)
end

-- Notes mistakes of a head that only the text shows, because they leave no trace in the table.
function Reader:head(found, fields)
  local decided = {}
  found.decided, found.spans = {}, {}
  constants.decided(fields, decided)
  for _, one in ipairs(decided) do self:at(found.decided, one.node, { word = one.word }) end
  for _, one in ipairs(constants.doubled(fields)) do
    self:at(self.doubled, one.node, { name = one.name, is_head = true })
  end
  local retry = (constants.value(fields, function() end).retry)
  local within = type(retry) == "table" and retry.within
  if type(within) == "number" then self:at(found.spans, fields, { seconds = within }) end
end

function Reader:rule(call, fields, scope)
  local found = { facts = {}, named = {} }
  found.line = syntax.position(self.tree, call)
  self.rules[#self.rules + 1] = found
  self:expression(call[1], scope)
  self:head(found, fields)
  for _, pair in ipairs(fields) do
    local key, value = pair.tag == "Pair" and string_of(pair[1]), pair.tag == "Pair" and pair[2] or pair
    local bound = value.tag == "Id" and scope[value[1]]
    if key == "name" then found.name = string_of(value) end
    local facts = type(bound) == "table" and bound.facts or nil
    if value.tag == "Function" then facts = self:body(value, scope)
    else self:expression(value, scope) end
    found.facts[#found.facts + 1] = facts
    if key then found.named[key] = facts end
  end
end

function Reader:bind(names, values, scope)
  for index, name in ipairs(names) do
    scope[name[1]] = values and values[index] or {}  -- also hides what an outer scope has under the name
  end
end

function visit.Local(self, node, scope)
  local values = {}
  for index, value in ipairs(node[2] or {}) do
    if value.tag == "Function" and not self.facts then values[index] = { facts = self:body(value, scope) }
    else
      self:expression(value, scope)
      values[index] = { answer = answer_of(scope, value) }
    end
  end
  self:bind(node[1], values, scope)
end

function visit.Localrec(self, node, scope)
  local name, value = node[1][1] or node[1], node[2][1] or node[2]
  if self.facts then
    scope[name[1]] = {}
    return self:expression(value, scope)
  end
  local bound = { facts = new_facts() }
  scope[name[1]] = bound
  for key, list in pairs(self:body(value, scope)) do bound.facts[key] = list end
end

function visit.Set(self, node, scope)
  for _, target in ipairs(node[1]) do
    if target.tag == "Id" and scope[target[1]] == nil and scope._ENV == nil then
      self:at(self.globals, target, { name = target[1], is_set = true })
    elseif target.tag ~= "Id" then
      self:list(target, scope)  -- what is written need not have been there
    elseif type(scope[target[1]]) == "table" then
      local bound = scope[target[1]]
      bound.is_thing, bound.is_event, bound.is_context, bound.answer = nil, nil, nil, nil
    end
  end
  self:list(node[2], scope)
end

function visit.Do(self, node, scope) self:block(node, inner(scope)) end

function Reader:condition(node, scope)
  local constant = constants.always(node)
  if constant then self:at(self.always, constant, { text = string_of(constant) }) end
  self:expression(node, scope)
end

function visit.While(self, node, scope)
  self:expression(node[1], scope)
  self:block(node[2], inner(scope))
end

function visit.Repeat(self, node, scope)
  local names = inner(scope)
  self:block(node[1], names)
  self:expression(node[2], names)
end

function visit.If(self, node, scope)
  for index = 1, #node - 1, 2 do
    self:condition(node[index], scope)
    self:block(node[index + 1], inner(scope))
  end
  if #node % 2 == 1 then self:block(node[#node], inner(scope)) end
end

function visit.Fornum(self, node, scope)
  local names = inner(scope)
  for index = 2, #node - 1 do self:expression(node[index], scope) end
  names[node[1][1]] = {}
  self:block(node[#node], names)
end

function visit.Forin(self, node, scope)
  local names = inner(scope)
  self:list(node[2], scope)
  self:bind(node[1], nil, names)
  local call = node[2][1]
  local list = call.tag == "Call" and self:is_global(call[1], scope, "ipairs") and call[2] and answer_of(scope, call[2])
  if list and node[1][2] then
    names[node[1][2][1]] = { answer = { method = list.method, path = joined(list.path, 1), second = list.second } }
  end
  self:block(node[3], names)
end

function visit.Goto() end
function visit.Label() end
visit.Break = visit.Goto

-- Paths.

local ends

local function if_ends(node)
  if #node % 2 == 0 then return false end
  for index = 2, #node - 1, 2 do
    if not ends(node[index]) then return false end
  end
  return ends(node[#node])
end

-- Whether a block never reaches its end.
function ends(block)
  local last = block[#block]
  if not last then return false end
  if last.tag == "Return" or last.tag == "Goto" then return true end
  if last.tag == "Do" then return ends(last) end
  if last.tag == "If" then return if_ends(last) end
  if last.tag == "While" then return last[1].tag == "True" end
  return last.tag == "Call" and last[1].tag == "Id" and last[1][1] == "error"
end

local function find_returns(node, found)
  if node.tag == "Function" then return end
  if node.tag == "Return" then
    if #node > 0 then found.value = true else found.bare = found.bare or node end
  end
  for _, child in ipairs(node) do
    if type(child) == "table" then find_returns(child, found) end
  end
end

--- How a body ends: { value = some path returns a value, without = some path returns none }.
---@param block table
---@return table
function M.returns(block)
  local found = {}
  for _, statement in ipairs(block) do find_returns(statement, found) end
  return { value = found.value == true, without = found.bare ~= nil or not ends(block) }
end

local function reached(facts, list, seen)
  if seen[facts] then return end
  seen[facts] = true
  list[#list + 1] = facts
  for _, other in ipairs(facts.refers) do reached(other, list, seen) end
end

--- Reads the text of a rule file.
---@param text string of the file
---@return altinn.events.body_facts|nil facts nil when the text cannot be read
function M.read(text)
  local tree = syntax.parse(text)
  if not tree then return nil end
  local self = setmetatable({ tree = tree, globals = {}, raw = {}, rules = {}, fields = {}, doubled = {},
    always = {} }, Reader)
  self:block(tree, {})
  for _, rule in ipairs(self.rules) do
    local list, seen = {}, {}
    rule.bodies = rule.facts
    for _, facts in ipairs(rule.facts) do reached(facts, list, seen) end
    rule.facts = list
  end
  return { globals = self.globals, raw = self.raw, rules = self.rules, fields = self.fields, doubled = self.doubled,
    always = self.always }
end

return M
