-- Finds the mistakes of rules that loading does not find: by the targets of the configuration, and by the texts of the
-- bodies.
local bodies = require "altinn.events.rules.bodies"
local effects = require "altinn.events.rules.effects"
local faults = require "altinn.events.support.faults"
local finding = require "altinn.events.rules.finding"
local head_lint = require "altinn.events.rules.head_lint"
local head_places = require "altinn.events.rules.head_places"
local language = require "altinn.events.rules.language"
local lint = require "altinn.events.rules.lint"
local sandbox = require "altinn.events.rules.sandbox"
local sorted = require("altinn.events.support.names").sorted
local strict = require "altinn.events.support.strict"
local suggest = require "altinn.events.support.suggest"
local syntax = require "altinn.events.rules.syntax"
local UNKNOWN = require("altinn.events.rules.constants").UNKNOWN
local things = require "altinn.events.rules.thing"
local uses = require "altinn.events.rules.uses"

local M = {}

M.sorted, M.has, M.text, M.line = finding.sorted, finding.has, finding.text, finding.line

local List = {}
List.__index = List

local function new_list(sources)
  return setmetatable({ read = {}, places = {}, sources = sources }, List)
end

-- The findings alone.
local function plain(list)
  setmetatable(list, nil)
  list.read, list.places, list.sources = nil, nil, nil
  return list
end

function List:add(severity, code, place, message, remedy)
  local one = finding.new(code, place, message, remedy)
  one.severity = severity
  self[#self + 1] = one
end

local function place_in(rule, entry)
  local at = entry or rule
  return { file = rule.file, line = at.line, column = at.column, rule = rule.name }
end

-- The places of the parts of a file's rules; false when nothing can read it.
function List:places_of(file)
  if self.places[file] == nil then
    self.places[file] = self.sources[file] and head_places.read(self.sources[file]) or false
  end
  return self.places[file]
end

-- Adds a fault of a rule's head at the line of its part, with the edit that mends it.
function List:fault(rule, one)
  local place = { file = rule.file, line = rule.line, rule = rule.name }
  local places = self:places_of(rule.file)
  local found, fix = places and places:rule(rule.name, rule.line), nil
  if found then
    local node, is_exact = places:node(found, one.part, one.at_key)
    place.line, place.column = places:position(node)
    local instead = one.at_key and one.part[#one.part] or node.tag == "String" and node[1]
    if is_exact and one.word and instead then fix = places:replaced(node, instead, one.word) end
  end
  self[#self + 1] = finding.new(one.code, place, one.message, one.remedy, fix)
end

-- Heads.

-- What only the text of a head shows.
local function text_of_head(list, rule)
  local places = list:places_of(rule.file)
  local found = places and places:rule(rule.name, rule.line)
  if not found then return nil end
  local node, is_exact = places:node(found, { "retry", "within" })
  return { retry_within = is_exact and node.tag == "Number" and tonumber((tostring(node[1]))) or nil }
end

-- What a rule wants and does, as a text: rules of one text do the same. nil: it cannot be told.
local function meaning_of(list, rule)
  local places = list:places_of(rule.file)
  local found = places and places:rule(rule.name, rule.line)
  local code = found and found.name and places:bodies(found)
  if not code then return nil end
  local parts = {}
  for _, one in ipairs(rule.conditions) do
    parts[#parts + 1] = one.attribute .. one.test
    for _, alternative in ipairs(one.alternatives) do
      parts[#parts + 1] = alternative[1] .. (alternative.prefix and "*" or "")
    end
  end
  return table.concat({ rule.file, table.concat(parts, "\1"), code }, "\0")
end

-- Warns of rules in one file that want and do the same. In different files equal texts may mean different things.
local function check_duplicates(list, set)
  local seen = {}
  for _, rule in ipairs(set) do
    local meaning = rule.enabled and meaning_of(list, rule)
    local first = meaning and seen[meaning]
    if first then
      list:fault(rule, faults.new("rule-duplicate", { "name" }, ("rule '%s' in line %d has the same head and the same"
        .. " bodies, so each event runs both"):format(first.name, first.line), "remove one of them",
        { at_key = true }))
    elseif meaning then seen[meaning] = rule end
  end
end

local function check_head(list, rule)
  head_lint.check(rule, text_of_head(list, rule), function(one) list:fault(rule, one) end)
end

-- Targets.

-- What to do about a target that the configuration lacks.
local function missing_target(target, targets)
  local near = suggest.nearest(target, targets)
  local add = ("add targets.%s to the configuration"):format(target)
  return ("there is no target '%s' in the configuration"):format(target),
    near and ("did you mean '%s'? Else %s"):format(near, add) or add
end

local function check_target(list, rule, target, targets, where, entry)
  if targets[target] then return end
  local message, remedy = missing_target(target, targets)
  list:add("error", "target", place_in(rule, entry), where .. " " .. message, remedy)
end

-- A target must be of a sort that the kind of effects sends to. A target whose secrets this user cannot read may have
-- none.
local function check_sort(list, rule, send, target)
  if not target or not effects.sorts:of(target) then return end
  local message = effects.sort_fault(send.kind, target)
  if not message then return end
  list:add("error", "target", place_in(rule, send), ("send.%s(%q): %s"):format(send.kind, send.target, message))
end

local function check_powers_of_head(list, rule, targets)
  for index, power in ipairs(rule.may or {}) do
    local target = power:match("^send:(.+)$")
    if target and not targets[target] then
      local message, remedy = missing_target(target, targets)
      local word = suggest.only(target, targets)
      list:fault(rule, { code = "target", part = { "may", index }, message = "may: " .. message, remedy = remedy,
        word = word and "send:" .. word })
    end
  end
end

-- Bodies.

local function check_power(list, rule, entry, power, what)
  if language.may(rule, power) then return end
  list:add("error", "power", place_in(rule, entry), ("%s needs \"%s\" in may"):format(what, power),
    rule.may and ("add \"%s\" to may"):format(power) or ("write may = { …, \"%s\" }"):format(power))
end

local function check_sends(list, rule, facts, targets)
  for _, send in ipairs(facts.sends) do
    if targets and language.send[send.kind] then
      check_target(list, rule, send.target, targets, ("send.%s:"):format(send.kind), send)
      check_sort(list, rule, send, targets[send.target])
    end
    check_power(list, rule, send, "send:" .. send.target, ("send.%s(%q)"):format(send.kind, send.target))
  end
end

local function check_things(list, rule, facts, is_body)
  for _, call in ipairs(facts.calls) do
    local power = things.powers[call.name]
    if power and (is_body or not call.second) then
      check_power(list, rule, call, power, ("letter:%s()"):format(call.name))
    end
  end
  for _, call in ipairs(facts.points) do
    if things.powers[call.name] and (is_body or not call.second) then
      list:add("error", "colon", place_in(rule, call), ("%s is a method: write letter:%s(…), with a colon"):format(
        call.name, call.name))
    end
  end
end

local function check_body(list, rule, facts, targets, is_body)
  check_sends(list, rule, facts, targets)
  check_things(list, rule, facts, is_body)
  uses.check(function(severity, code, entry, message, remedy)
    list:add(severity, code, place_in(rule, entry), message, remedy)
  end, rule, facts, is_body)
  for _, call in ipairs(facts.dropped) do
    list:add("error", "unreturned", place_in(rule, call), ("%s is made and not returned, and would have no effect")
      :format(call.word), "write return before it")
  end
end

local function check_path(list, rule, name, facts)
  if not facts.returns or not facts.returns.value or not facts.returns.without then return end
  local body = name == "run" and "a body" or ("the body '%s'"):format(name)
  list:add("warning", "path", place_in(rule, name ~= "run" and facts or nil),
    ("one path through %s returns a verdict, another returns nothing"):format(body),
    "return done(\"why\") or skip(\"why\") where there is nothing to do")
end

-- The bodies that timers start and that effects name as their probes, as far as the text tells them: by name;
-- `open`: there may be others.
local function started_in(found)
  local started = { timers = {}, probes = {} }
  for _, facts in ipairs(found.facts) do
    for _, entry in ipairs(facts.words) do
      local fields = entry.name == "later" and entry.arguments[1]
      local name = type(fields) == "table" and fields.run or nil
      if name == UNKNOWN or fields == UNKNOWN then started.open = true elseif name then started.timers[name] = true end
    end
    for _, effect in ipairs(facts.effects) do
      local name = effect.fields.probe
      if name == UNKNOWN then started.open = true elseif name then started.probes[name] = true end
    end
    if #facts.effects < #facts.sends then started.open = true end
  end
  return started
end

-- Whether a file other than the rule's, such as a module, has a text.
local function is_text_elsewhere(set, file, text)
  local pattern = ("[\"']%s[\"']"):format((text:gsub("%p", "%%%0")))
  for path, source in pairs(set.sources) do
    if path ~= file and source:find(pattern) then return true end
  end
  return false
end

-- The members of the context that only probes have.
local OF_PROBES = { effect = true, get = true }

local function check_context_of(list, rule, facts)
  for _, entry in ipairs(facts.context) do
    if OF_PROBES[entry.name] and not entry.owner then
      list:add("warning", "probe", place_in(rule, entry), ("context.%s is there in a probe only, and no effect names"
        .. " this body as its probe"):format(entry.name))
    end
  end
end

-- A probe returns sent or not_sent, and does nothing else.
local function check_probe(list, rule, facts)
  for _, entry in ipairs(facts.words) do
    if language.words[entry.name] == "verdict" or entry.name == "step" then
      list:add("error", "probe", place_in(rule, entry), ("a probe returns sent or not_sent: there is no %s(…) in it")
        :format(entry.name))
    end
  end
  for _, send in ipairs(facts.sends) do
    list:add("error", "probe", place_in(rule, send), ("a probe returns sent or not_sent: there is no send.%s in it")
      :format(send.kind))
  end
end

-- How the bodies of a rule are started and end.
local function check_named(list, set, rule, found)
  local started = started_in(found)
  for _, name in ipairs(sorted(found.named)) do
    local facts = found.named[name]
    local is_known = name == "run" or started.open or started.timers[name] or started.probes[name]
    if rule.bodies[name] and not is_known and not is_text_elsewhere(set, rule.file, name) then
      list:add("hint", "body", place_in(rule, facts), ("nothing starts the body '%s'%s"):format(name,
        suggest.hint(name, language.keys)), ("return later { at = …, run = %q } where it is to run"):format(name))
    end
    if started.probes[name] then check_probe(list, rule, facts)
    elseif not started.open then check_context_of(list, rule, facts) end
    check_path(list, rule, name, facts)
  end
end

local DECIDED = {
  ["or"] = "the constant before 'or' is always taken, the rest never: several values are a list: { \"a\", \"b\" }",
  ["and"] = "the constant before 'and' decides nothing",
  ["not"] = "'not' makes a constant to false: a condition is written no(…)",
}

-- Adds mistakes of a rule's head that only the text shows, because they leave no trace in the table.
local function check_text_of_head(list, rule, found)
  for _, one in ipairs(found.decided) do
    list:add("warning", "constant", place_in(rule, one), DECIDED[one.word])
  end
end

local function check_tables(list, file, read)
  for _, one in ipairs(read.doubled) do
    list:add(one.is_head and "error" or "warning", "twice", { file = file, line = one.line, column = one.column },
      ("'%s' is written twice in one table: only the last one counts"):format(one.name))
  end
  for _, one in ipairs(read.always) do
    list:add("warning", "always", { file = file, line = one.line, column = one.column },
      "a constant beside 'or' makes this condition always true",
      one.text and ("compare it as well: x == … or x == %q"):format(one.text) or nil)
  end
end

local function set_of(items)
  local set = {}
  for _, one in ipairs(items) do set[one] = true end
  return set
end

-- The way to the part of a head that makes a rule ask Altinn, and its name; nil: none does.
local function asking_part(rule)
  if rule.unless then return { "unless" }, "unless" end
  if rule.trust == "confirmed" then return { "trust" }, "trust = \"confirmed\"" end
  for index, power in ipairs(rule.may or {}) do
    if not power:find("^send:") then return { "may", index }, ("\"%s\" in may"):format(power) end
  end
end

local ASKS = "%s asks Altinn, and the configuration lacks environment or credentials: such calls will fail and be tried"
  .. " again"

-- Warns of a rule that asks Altinn when the configuration lacks environment or credentials.
local function check_asking(list, rule, found)
  local own = set_of(found and found.bodies or {})
  if not rule.enabled then return end
  for _, facts in ipairs(found and found.facts or {}) do
    for _, call in ipairs(facts.calls) do
      if things.powers[call.name] and (own[facts] or not call.second) then
        return list:add("warning", "altinn", place_in(rule, call), ASKS:format(("letter:%s()"):format(call.name)))
      end
    end
  end
  local part, what = asking_part(rule)
  if part then list:fault(rule, faults.new("altinn", part, ASKS:format(what))) end
end

local function rule_named(set, file, found)
  for _, rule in ipairs(set) do
    local named = rule.name == found.name or not found.name and rule.line == found.line
    if rule.file == file and named then return rule end
  end
end

local function check_bodies(list, set, file, read, targets)
  for _, found in ipairs(read.rules) do
    local rule = rule_named(set, file, found)
    if rule then list.read[rule] = found end
    local own = set_of(found.bodies)
    if rule then
      check_text_of_head(list, rule, found)
      check_named(list, set, rule, found)
    end
    for _, facts in ipairs(rule and found.facts or {}) do
      check_body(list, rule, facts, targets, own[facts] == true)
    end
  end
end

-- Names.

-- Whether a library has a member; a strict table raises for a name that it does not have.
local function has_member(library, name)
  local ok, value = pcall(function() return library[name] end)
  return ok and value ~= nil
end

-- Names of other versions of Lua, as in `table.unpack or unpack`; only the running Lua knows which of them exist.
local ELSEWHERE = { _ENV = true, unpack = true, loadstring = true, bit = true, bit32 = true, jit = true, ngx = true,
  rawlen = true, utf8 = true, warn = true }

local function check_names(list, file, read, scope)
  local told = {}
  for _, global in ipairs(read.globals) do
    local name = global.name
    local known = scope[name] ~= nil or read.raw[name] or ELSEWHERE[name]
    if not known and not told[name] then
      told[name] = true
      list:add("error", global.is_set and "assigned" or "undefined",
        { file = file, line = global.line, column = global.column },
        global.is_set and ("'%s' is not declared: write local %s = …, or local function %s"):format(name, name, name)
          or sandbox.undefined(name, scope))
    end
  end
  for _, field in ipairs(read.fields) do
    local library = scope[field.library]
    if type(library) == "table" and field.library ~= "_G" and not has_member(library, field.name) then
      list:add("error", "undefined", { file = file, line = field.line, column = field.column },
        strict.message(field.library, field.name, library), field.library == "send"
          and "after send comes the kind, then the target: send.http(\"print\") { … }" or nil)
    end
  end
end

local function check_files(list, set, targets)
  if not syntax.available() then
    list:add("hint", "parser", {}, syntax.MISSING)
    return
  end
  local scope = sandbox.scope()
  local files = {}
  for file in pairs(set.sources) do files[#files + 1] = file end
  table.sort(files)
  for _, file in ipairs(files) do
    local read = bodies.read(set.sources[file])
    if read then
      check_names(list, file, read, scope)
      check_tables(list, file, read)
      check_bodies(list, set, file, read, targets)
    end
  end
end

--- The findings about rules that were loaded.
---@param set table of altinn.events.rules.loading
---@param targets table<string, table>|nil of the configuration; nil: targets are not checked
---@param has_altinn boolean|nil whether the configuration says how to ask Altinn; nil: assume that it does
---@return altinn.events.finding[] findings in the order of files and lines
function M.of(set, targets, has_altinn)
  local list = new_list(set.sources)
  for _, rule in ipairs(set) do
    if targets then check_powers_of_head(list, rule, targets) end
    check_head(list, rule)
  end
  check_duplicates(list, set)
  check_files(list, set, targets)
  for _, one in ipairs(lint.of(set)) do list[#list + 1] = one end
  for _, rule in ipairs(has_altinn == false and set or {}) do check_asking(list, rule, list.read[rule]) end
  return M.sorted(plain(list))
end

--- The problems of loading as findings.
---@param problems table[] of altinn.events.rules.loading
---@return altinn.events.finding[]
function M.of_problems(problems)
  local list = new_list(problems.sources or {})
  for _, problem in ipairs(problems) do
    local rule = { file = problem.file, line = problem.line, name = problem.rule }
    if problem.fault then list:fault(rule, problem.fault)
    else
      local message, remedy = faults.apart(problem.message)
      list[#list + 1] = finding.new(problem.code or "rule", { file = problem.file, line = problem.line,
        column = problem.column, rule = problem.rule }, message, problem.remedy or remedy)
    end
  end
  return M.sorted(plain(list))
end


return M
