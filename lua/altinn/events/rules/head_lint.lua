-- Finds the mistakes of heads that can be loaded: conditions that never hold, parts that decide nothing or contradict
-- each other, numbers and spans that mean something else than they seem to.
local core = require "altinn.events.core"
local duration = require "altinn.events.support.duration"
local fault = require("altinn.events.support.faults").new
local head = require "altinn.events.event.head"
local numbers = require "altinn.events.rules.numbers"
local retry_table = require "altinn.events.rules.retry_table"
local uses = require "altinn.events.rules.uses"
local vouching = require "altinn.events.rules.vouching"
local wants = require "altinn.events.subscriptions.wants"

local M = {}

-- The catalogue by the full type.
local by_type

local function entry_of(word)
  if not by_type then
    by_type = {}
    for name, entry in pairs(core.types()) do
      entry.name = name
      by_type[entry.type] = entry
    end
  end
  return by_type[core.type_named(word) or word]
end

-- The words of `on` as a list.
local function words_of(rule)
  return type(rule.on) == "table" and rule.on or { rule.on }
end

-- The types of `on` in the catalogue; nil when some word names others too.
local function entries_of(rule)
  local list = {}
  for index, word in ipairs(words_of(rule)) do
    list[index] = entry_of(word)
    if not list[index] then return nil end
  end
  return list
end

-- The way to the place of a word of `on`.
local function part_of_on(rule, index)
  return { "on", type(rule.on) == "table" and index or nil }
end

-- The values of a condition as they are written, each with the way to it.
local function written(value, way)
  local list, is_marker = {}, type(value) == "table" and value.kind ~= nil
  local inner = is_marker and value.value or value
  if is_marker and type(inner) == "table" and inner.kind then inner = inner.value end
  for index, one in ipairs(type(inner) == "table" and inner or { inner }) do
    local is_prefix = type(one) == "table" and one.kind == "prefix"
    list[index] = { text = tostring(is_prefix and one.value or one), way = { way[1], way[2], type(inner) == "table"
      and index or nil }, is_prefix = is_prefix or is_marker and value.kind == "prefix" }
  end
  return list
end

-- Conditions that never hold.

local function index_of_type(rule, one)
  for index, word in ipairs(words_of(rule)) do
    local stem = word:match("^(.*)%*$")
    local text = stem and (stem:find(".", 1, true) and stem or "no.altinn.correspondence." .. stem)
      or core.type_named(word) or word
    if text == one[1] then return index end
  end
end

-- What `plan` warns of, for rules that want Altinn's types.
local function check_wants(add, rule)
  for _, one in ipairs(wants.faults(rule)) do
    if one.code == "never" then
      add(fault("never", { "when", one.attribute }, one.message, "remove one of the conditions"))
    elseif one.code == "party" then
      add(fault("party", { "when", one.word }, one.message, ("write when.%s, or leave the type out of on"):format(
        one.addressed_to), { at_key = true }))
    elseif not head.is_foreign(rule.on) then
      add(fault(one.code, part_of_on(rule, index_of_type(rule, one.type)), one.message,
        "'altinn-events types' says which types come"))
    end
  end
end

-- What a letter that was opened or confirmed has been before.
local PUBLISHED = { correspondencereceiverread = true, correspondencereceiverconfirmed = true }

-- Whether each letter has one of these statuses when an event of the type comes.
local function has_been_anyway(entry, been)
  local shown = entry and entry.about == "letter" and vouching.shown[entry.name]
  if not shown then return false end
  if PUBLISHED[entry.name] and been.Published then return true end
  for _, status in ipairs(shown) do
    if not been[status] then return false end
  end
  return true
end

-- `unless` asks Altinn of the letter, after the event came.
local function check_unless(add, rule)
  if not rule.unless then return end
  local kinds = uses.kinds_of(rule)
  if kinds and not kinds.letter then
    add(fault("unless-thing", { "unless" }, "unless: these events are about no letter, and only letters have these"
      .. " statuses", "leave unless out"))
    return
  end
  local been, is_always = {}, #words_of(rule) > 0
  for _, status in ipairs(rule.unless.been) do been[status] = true end
  for _, word in ipairs(words_of(rule)) do
    is_always = is_always and has_been_anyway(entry_of(word), been)
  end
  if is_always then
    add(fault("unless-always", { "unless", "been" }, "unless: the letter has this status when the event comes, so the"
      .. " rule never runs", "name the statuses of what may have happened since"))
  end
end

-- Trust in events that Altinn does not have.
local function check_trust(add, rule)
  if rule.trust == "confirmed" and head.is_foreign(rule.on) then
    add(fault("trust-foreign", { "trust" }, "trust: Altinn knows nothing of events of other publishers, so each of them"
      .. " is held and then given up", "leave trust out"))
  end
end

-- Numbers of parties.

local function check_number(add, name, one)
  local text = one.text:gsub("^0192:", ""):gsub("^.*identifier%-no:", "")
  local number = text:match("^%d+$")
  if not number or one.is_prefix then return end
  if #number == 11 then
    add(fault("identity-number", one.way, ("when.%s: '%s' is the number of a person: rule files are copied, and each"
      .. " version stays in the inbox"):format(name, number), "let the target decide by the letter's recipient"))
  elseif numbers.is_wrong_organisation(number) then
    add(fault("organisation", one.way, ("'%s' is no organisation number: its last digit does not fit the others")
      :format(number), "look the number up in the register of organisations"))
  end
end

local function check_parties(add, rule)
  for _, name in ipairs { "recipient", "sender", "subject", "alternativesubject" } do
    local value = rule.when and rule.when[name]
    for _, one in ipairs(value ~= nil and written(value, { "when", name }) or {}) do check_number(add, name, one) end
  end
end

-- Lists.

local function check_list(add, list, way, meaning)
  local seen = {}
  for index, one in ipairs(type(list) == "table" and list or {}) do
    local meant = meaning and meaning(one) or tostring(one)
    if seen[meant] then
      local path = { table.unpack(way) }
      path[#path + 1] = index
      add(fault("repeated", path, ("%s: '%s' stands there twice"):format(table.concat(way, "."), core.mask(meant)),
        "leave it out"))
    end
    seen[meant] = true
  end
end

local function check_lists(add, rule)
  check_list(add, rule.on, { "on" }, function(word) return core.type_named(word) or word end)
  check_list(add, rule.may, { "may" })
  check_list(add, rule.unless and rule.unless.been, { "unless", "been" })
  check_list(add, rule.retry and rule.retry.on, { "retry", "on" })
  for name, value in pairs(rule.when or {}) do
    local is_marker = type(value) == "table" and value.kind ~= nil
    if type(value) == "table" and (not is_marker or type(value.value) == "table" and not value.value.kind) then
      check_list(add, is_marker and value.value or value, { "when", name }, function(one)
        return type(one) == "table" and one.kind == "prefix" and tostring(one.value) .. "*" or tostring(one)
      end)
    end
  end
end

-- Prefixes.

-- Whether some other type of the catalogue begins with a whole type.
local function begins_others(whole)
  for _, entry in pairs(core.types()) do
    if entry.type ~= whole and entry.type:sub(1, #whole) == whole then return true end
  end
  return false
end

local function check_prefixes(add, rule)
  for index, word in ipairs(words_of(rule)) do
    local stem = word:match("^(.+)%*$")
    local entry = stem and entry_of(stem)
    if entry and not begins_others(entry.type) then
      add(fault("prefix-whole", part_of_on(rule, index), ("on: '%s' is a whole type, and no other begins with it")
        :format(stem), "leave the star out", { word = stem }))
    elseif word == "*" and #words_of(rule) > 1 then
      add(fault("on-all", part_of_on(rule, index), "on: \"*\" is every type, so the others decide nothing",
        "leave \"*\" out, or all the others"))
    end
  end
  for name, value in pairs(rule.when or {}) do
    for _, one in ipairs(written(value, { "when", name })) do
      local is_party = one.text:match("^%d%d%d%d%d%d%d%d%d$") or one.text:match("identifier%-no:%d%d%d%d%d%d%d%d%d$")
      if one.is_prefix and (name == "type" and entry_of(one.text) or is_party) then
        add(fault("prefix-whole", one.way, ("when.%s: '%s' is a whole value, and prefix decides nothing"):format(name,
          core.mask(one.text)), "write the value without prefix"))
      end
    end
  end
end

-- Order.

-- Attributes that are the same in all events of one Altinn, and those that are another one in each event.
local ALIKE = { specversion = true, source = true, datacontenttype = true, dataschema = true }
local APART = { id = true, time = true }

local function check_order(add, rule)
  local order = rule.order
  if head.is_foreign(rule.on) then return end
  local condition = rule.when and rule.when[order]
  if type(condition) == "table" and condition.kind == "absent" then
    add(fault("order-absent", { "order" }, ("order: when.%s = absent, so no event that the rule wants has it")
      :format(order), "leave order out"))
  elseif ALIKE[order] then
    add(fault("order-alike", { "order" }, ("order: '%s' is the same in all events, so all runs of the rule wait for"
      .. " each other"):format(order), "leave order out, or write order = { constant = \"…\" } if it is meant"))
  elseif APART[order] then
    add(fault("order-apart", { "order" }, ("order: '%s' is another one in each event, so no run waits for another")
      :format(order), "write order = false if it is meant"))
  end
end

-- Retries.

local SHORT = 60                 -- seconds that are rather meant as hours or days
local KEPT = 400 * 24 * 3600     -- what is certain to be kept so long

local function check_retry(add, rule)
  local retry = rule.retry or {}
  if retry.within == 0 or retry.attempts == 1 and retry.within then
    add(fault("retry-never", { "retry", retry.within == 0 and "within" or "attempts" },
      retry.within == 0 and "retry.within = 0: nothing is ever tried again"
        or "retry.attempts = 1: nothing is tried again, and retry.within decides nothing",
      retry.within == 0 and "write attempts = 1 if it is meant" or "leave within out"))
  elseif retry.within and retry.within > KEPT then
    add(fault("retry-long", { "retry", "within" }, ("retry.within = %s: longer than an event is kept"):format(
      duration.text(retry.within)), "write \"30d\" at most, or later { at = … } for a wish"))
  end
  if retry.on and #retry.on == 0 then
    add(fault("retry-never", { "retry", "on" }, "retry.on = {}: no failure is tried again",
      "write attempts = 1 if it is meant"))
  end
end

local function is_in(list, wanted)
  for _, one in ipairs(list or {}) do
    if one == wanted then return true end
  end
  return false
end

local function check_override(add, rule)
  for failure, answer in pairs(rule.override or {}) do
    local is_named = is_in(rule.retry and rule.retry.on, failure)
    local plain = { kind = failure, target = "local" }
    if is_named and answer == "never" then
      add(fault("override-retry", { "override", failure }, ("override says \"never\" of %s, and retry.on names it")
        :format(tostring(failure)), "leave one of them out"))
    elseif not is_named and retry_table.verdict(plain) == answer then
      add(fault("override-idle", { "override", failure }, ("override: %s is \"%s\" without it"):format(
        tostring(failure), answer), "leave it out; 'altinn-events explain retry' shows the table"))
    end
  end
end

-- A number of seconds that is rather one of hours; the text alone tells it from "36s".
local function check_spans(add, _, text)
  local within = text and text.retry_within
  if within and within > 0 and within < SHORT then
    add(fault("span", { "retry", "within" }, ("retry.within = %g means seconds"):format(within),
      ("write \"%gs\", or \"%gh\""):format(within, within)))
  end
end

-- Limits.

local LEAST = { memory = 64 * 1024, instructions = 1000 }

local function check_limit(add, rule)
  local limit = rule.limit or {}
  for name, least in pairs(LEAST) do
    if limit[name] and limit[name] < least then
      add(fault("limit-small", { "limit", name }, ("limit.%s = %g: no body can run with so little"):format(name,
        limit[name]), name == "memory" and ("memory is counted in bytes: write %g * 1024 * 1024 for MiB"):format(
        limit[name]) or ("write %d at least"):format(least)))
    end
  end
  if limit.seconds and limit.seconds > 600 then
    add(fault("limit-large", { "limit", "seconds" }, ("limit.seconds = %g is time of computing, not of waiting: a loop"
      .. " without end holds a worker so long"):format(limit.seconds), "leave it out; waiting costs nothing"))
  end
end

-- Switches.

local function check_switches(add, rule)
  if not rule.enabled and rule.shadow then
    add(fault("shadow-off", { "shadow" }, "enabled = false: the rule never runs, so shadow decides nothing",
      "leave one of them out"))
  end
  local entries = rule.repeats and entries_of(rule)
  local is_once = false
  for _, entry in ipairs(entries or {}) do is_once = is_once or entry.once end
  if entries and not is_once then
    add(fault("repeats-idle", { "repeats" }, "repeats: events of this type may come more than once to a letter, and"
      .. " each of them runs the rule anyway", "leave it out"))
  end
end

local CHECKS = { check_wants, check_unless, check_trust, check_parties, check_lists, check_prefixes, check_order,
  check_retry, check_override, check_spans, check_limit, check_switches }

--- Adds the faults of one rule's head.
---@param rule table
---@param text { retry_within: number|nil }|nil what only the text of the head shows
---@param add fun(one: altinn.events.fault)
function M.check(rule, text, add)
  for _, check in ipairs(CHECKS) do check(add, rule, text) end
end

return M
