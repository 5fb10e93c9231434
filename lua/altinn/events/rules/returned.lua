-- What a body returned, as one verdict; and what it made and did not return.
local place = require "altinn.events.rules.place"
local texts = require "altinn.events.support.text"
local verdicts = require "altinn.events.rules.verdicts"

local M = {}

local WANTED = "a rule returns nothing, a verdict, an effect or a list of effects, one later and one remember"

local WORDS = { done = "done()", skip = "skip(…)", later = "retry_after(…)", fail = "fail(…)", timer = "later { … }",
  remember = "remember { … }", forget = "forget(…)" }

local function word_of(verdict)
  return WORDS[verdict.verdict] or ("send.%s(%q) { … }"):format(verdict.kind, verdict.target)
end

-- The indices of a list's items in order; nil when the table is not a list.
local function places_of(list)
  local places = {}
  if getmetatable(list) ~= nil then return nil end
  for key in next, list do
    if type(key) ~= "number" then return nil end
    places[#places + 1] = key
  end
  table.sort(places)
  return places
end

-- Adds one item of a list to a decision; gives a message when it cannot be there. What is made outside of runs knows no
-- rule, so that the names of its bodies are looked up here again.
local add = {}

function add.effect(decision, effect, spot)
  decision.effects[#decision.effects + 1] = setmetatable({ place = spot }, { __index = effect })
  local message = effect.probe and verdicts.body_fault(effect.probe)
  return message and "probe: " .. message
end

function add.timer(decision, one)
  if decision.timer then return "a rule returns at most one later { … }; its body may return the next" end
  local timer = {}
  for name, value in pairs(verdicts.contents(one)) do timer[name] = value end
  local message = verdicts.body_fault(timer.run)
  timer.where = place.at(one.made_by, one.made_line)
  decision.timer = timer
  return message and "later: " .. message
end

local function add_values(decision, one)
  decision.memory, decision.named = decision.memory or {}, decision.named or {}
  for _, value in ipairs(verdicts.contents(one)) do
    if decision.named[value.name] then
      return ("'%s' is remembered or forgotten twice in one list"):format(value.name)
    end
    decision.named[value.name] = true
    decision.memory[#decision.memory + 1] = { name = value.name, value = value.value, expires = value.expires }
  end
end

function add.remember(decision, one)
  if decision.remembers then return "a rule returns at most one remember { … }: put all values into it" end
  decision.remembers = true
  return add_values(decision, one)
end

add.forget = add_values

local function item_fault(value, spot)
  if verdicts.is_verdict(value) then
    return ("%s; %s stands alone, and is item %s of its list"):format(WANTED, word_of(value), spot)
  end
  return ("%s; item %s of its list is none"):format(WANTED, spot)
end

-- The decision of a list, which may have holes: { A, wanted and B or nil, C }. The `place` of an effect is its index.
local function decision_of(list)
  local places = places_of(list)
  if not places then return nil, WANTED .. "; this table is none of them" end
  if #places == 0 then return { verdict = "done", reason = "the rule returned an empty list" } end
  local decision = { verdict = "effects", effects = {} }
  for _, spot in ipairs(places) do
    local value = rawget(list, spot)
    local adder = add[verdicts.word_of(value)]
    if not adder then return nil, item_fault(value, spot) end
    local message = adder(decision, value, spot)
    if message then return nil, message end
  end
  decision.named, decision.remembers = nil, nil
  return decision
end

local function fault_of(value)
  if value == verdicts.sent or value == verdicts.not_sent then
    return ("%s is what a probe returns; %s"):format(tostring(value), WANTED)
  end
  if type(value) == "function" then
    return WANTED .. ", not a function: is the table missing, as in send.http(target) { … }?"
  end
  return ("%s, not a %s"):format(WANTED, type(value))
end

-- The verdict of done, skip, fail or retry_after.
local function lone(word, value)
  return { verdict = word, reason = value.reason, after = value.after }
end

--- What a rule's body returned, as a verdict.
---@param value any
---@param why any the second value: as Lua's functions do, a body may return nil and what failed
---@return table|nil verdict { verdict = "done"|"skip"|"fail", reason }, { verdict = "later", after, reason } of
---  retry_after, or { verdict = "effects", effects, timer, memory }: effects in order, each with its `place`; timer =
---  { at, run, with, key, cancel, where } or nil; memory = list of { name, value, expires } or nil
---@return string|nil message why it is no verdict
function M.verdict(value, why)
  if not value and why ~= nil then
    return nil, ("the rule returned %s, and why: %s"):format(tostring(value), texts.raised(why))
  end
  if value == nil then return { verdict = "done", reason = "the rule returned nothing" } end
  local word = verdicts.word_of(value)
  if word and not add[word] then return lone(word, value) end
  local is_outcome = value == verdicts.sent or value == verdicts.not_sent
  if word then return decision_of { value } end
  if type(value) == "table" and not is_outcome then return decision_of(value) end
  return nil, fault_of(value)
end

--- The mistake of a run whose body made a verdict and did not return it.
---@param made table[] the verdicts that it made
---@param value any what its body returned
---@return string|nil message with the place in the rule's file
function M.unreturned(made, value)
  if #made == 0 or #made == 1 and made[1] == value then return nil end
  local returned = { [value == nil and M or value] = true }
  if type(value) == "table" and not verdicts.is_verdict(value) then
    for _, one in next, value do returned[one] = true end
  end
  for _, one in ipairs(made) do
    if not returned[one] then
      local word = word_of(one)
      local what = one.verdict == "effect" and ("an effect for '%s'"):format(one.target) or word
      return ("%s: %s was made but not returned, so that it would have no effect: write return %s"):format(
        place.at(one.made_by, one.made_line) or "?", what, word)
    end
  end
end

return M
