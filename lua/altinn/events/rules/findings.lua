-- Finds the mistakes of rules that loading does not find: by the targets of the configuration, and by the texts of the
-- bodies.
local faults = require "altinn.events.support.faults"
local finding = require "altinn.events.rules.finding"
local head_lint = require "altinn.events.rules.head_lint"
local head_places = require "altinn.events.rules.head_places"
local language = require "altinn.events.rules.language"
local lint = require "altinn.events.rules.lint"
local targets_lint = require "altinn.events.rules.lint.effects"
local load_findings = require "altinn.events.rules.load_findings"
local suggest = require "altinn.events.support.suggest"

local M = {}

for name, value in pairs(finding) do M[name] = value end

local List = {}
List.__index = List

local function new_list(sources)
  return setmetatable({ places = {}, sources = sources }, List)
end

-- The findings alone.
local function plain(list)
  setmetatable(list, nil)
  list.places, list.sources = nil, nil
  return list
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
    local meaning = rule.enabled and not rule.is_draft and meaning_of(list, rule)
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

local function check_powers_of_head(list, rule, targets)
  for index, power in ipairs(rule.may or {}) do
    local target = power:match("^send:(.+)$")
    if target and not targets[target] then
      local message, remedy = targets_lint.missing(target, targets)
      local word = suggest.only(target, targets)
      list:fault(rule, { code = "target", part = { "may", index }, message = "may: " .. message, remedy = remedy,
        word = word and "send:" .. word })
    end
  end
end

-- Lets the first finding about a lacking power of each rule add all that the bodies use, where the text tells all.
local function add_power_fixes(list, found, set, runs)
  local first = {}
  for _, one in ipairs(found) do
    if one.code == "power" and one.rule and not first[one.rule] then first[one.rule] = one end
  end
  for _, rule in ipairs(next(first) and set or {}) do
    local one, run = first[rule.name], runs[rule]
    local places = one and one.file == rule.file and run and run.complete and list:places_of(rule.file)
    local text = places and places:rule(rule.name, rule.line)
    local missing = {}
    for _, power in ipairs(text and run.powers or {}) do
      if not language.may(rule, power) then missing[#missing + 1] = power end
    end
    if #missing > 0 then one.fix = one.fix or places:empowered(text, missing, run.powers) end
  end
end

-- What asks Altinn.

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
local function check_asking(list, rule, run)
  if not rule.enabled then return end
  local place = run and run.asks
  if place then
    list[#list + 1] = finding.new("altinn", { file = place.file, line = place.line, column = place.column,
      rule = rule.name }, ASKS:format(("letter:%s()"):format(place.name)))
    return
  end
  local part, what = asking_part(rule)
  if part then list:fault(rule, faults.new("altinn", part, ASKS:format(what))) end
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
    if not rule.is_draft then check_head(list, rule) end
  end
  check_duplicates(list, set)
  local found, runs = lint.of(set, targets)
  add_power_fixes(list, found, set, runs)
  for _, one in ipairs(found) do list[#list + 1] = one end
  for _, one in ipairs(load_findings.of_texts(set.sources)) do list[#list + 1] = one end
  for _, rule in ipairs(has_altinn == false and set or {}) do check_asking(list, rule, runs[rule]) end
  return M.sorted(plain(list))
end

-- Whether a list has a finding about a name in a line: the raised problem that its place gives more exactly.
local function is_told(list, one)
  local name = one.message:match("^'([%w_]+)' is not") or one.message:match("has no '([%w_]+)'")
  for _, other in ipairs(name and list or {}) do
    local is_there = other.file == one.file and other.line == one.line
    if is_there and other.message:find("'" .. name .. "'", 1, true) then return true end
  end
  return false
end

-- The rules that can be loaded, and what stands for the others.
local function with_drafts(rest)
  local all = { sources = rest.sources }
  for _, rule in ipairs(rest) do all[#all + 1] = rule end
  for _, draft in ipairs(rest.drafts or {}) do all[#all + 1] = draft end
  return all
end

-- Adds what else is found, apart from hints about rules that cannot be loaded and second findings about one place.
local function add_others(list, found, drafts)
  local refused, told = {}, {}
  for _, draft in ipairs(drafts) do refused[draft.name] = true end
  for _, one in ipairs(list) do told[("%s:%s:%s"):format(one.file, one.line, one.column)] = true end
  for _, one in ipairs(found) do
    local is_minor = one.severity == "hint" and one.rule and refused[one.rule]
    if not is_minor and not told[("%s:%s:%s"):format(one.file, one.line, one.column)] then list[#list + 1] = one end
  end
end

--- The findings about rules of which some cannot be loaded.
---@param problems table[] of altinn.events.rules.loading
---@param rest table the set of those that can be
---@param targets table<string, table>|nil
---@param has_altinn boolean|nil
---@return altinn.events.finding[]
function M.of_problems(problems, rest, targets, has_altinn)
  local list, others = new_list(rest.sources), {}
  for _, problem in ipairs(problems) do
    if problem.fault then
      list:fault({ file = problem.file, line = problem.line, name = problem.rule }, problem.fault)
    else others[#others + 1] = problem end
  end
  local found = M.of(with_drafts(rest), targets, has_altinn)
  for _, one in ipairs(load_findings.of(others, rest.sources)) do
    if not is_told(found, one) then list[#list + 1] = one end
  end
  add_others(list, found, rest.drafts or {})
  return M.sorted(plain(list))
end

return M
