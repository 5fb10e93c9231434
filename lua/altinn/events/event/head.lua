-- The head of a rule: which events it wants. Words become conditions on
-- context attributes, which the matcher compiles.
local core = require "altinn.events.core"
local faults_of = require "altinn.events.support.faults"
local lists = require "altinn.events.support.lists"
local suggest = require "altinn.events.support.suggest"
local wording = require "altinn.events.support.words"

local M = {}

local fault = faults_of.new

local Marker = { __name = "altinn.events.marker" }
Marker.__index = Marker

local function marker(kind, value)
  return setmetatable({ kind = kind, value = value }, Marker)
end

local function is_marker(value)
  return getmetatable(value) == Marker
end

--- The attribute is not there.
M.absent = marker("absent")
--- The attribute is there, whatever its value.
M.present = marker("present")

--- The attribute begins with a text.
---@param text string
---@return table condition
function M.prefix(text)
  if type(text) ~= "string" or text == "" then
    error("prefix wants a text that is not empty", 2)
  end
  return marker("prefix", text)
end

--- The attribute is absent, or has any value but this one.
---@param value string|table a text, a list of texts, or a prefix
---@return table condition
function M.no(value)
  if value == nil or is_marker(value) and value.kind ~= "prefix" then
    error("no wants a text, a list of texts or a prefix", 2)
  end
  return marker("no", value)
end

--- The attributes that Altinn's events carry, and the words for parties: the
--- names that a condition of a rule can have.
M.carried = {
  id = true, source = true, specversion = true, type = true, time = true, subject = true, datacontenttype = true,
  dataschema = true, resource = true, resourceinstance = true, alternativesubject = true,
  recipient = true, sender = true,
}

-- Short forms that people write -> the values in events.
local short_forms = {
  resource = function(text)
    if text:find("^urn:") then return text end
    return "urn:altinn:resource:" .. text
  end,
  party = function(text)
    -- 0192 is the register of organisations in ISO 6523: Altinn's letters write 0192:987654321.
    local organisation = text:match("^0192:(%d+)$") or text
    if organisation:find("^%d%d%d%d%d%d%d%d%d$") then
      return "urn:altinn:organization:identifier-no:" .. organisation
    end
    if text:find("^" .. ("%d"):rep(11) .. "$") then return "urn:altinn:person:identifier-no:" .. text end
    return text
  end,
}

-- The attributes that have a short form: the subject names the party that an event is addressed to.
local attributes = {
  resource = { "resource", short_forms.resource },
  recipient = { "subject", short_forms.party },
  sender = { "subject", short_forms.party },
}

local function text_of(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "boolean" then return tostring(value) end
  if kind == "number" and value % 1 == 0 then return ("%d"):format(value) end
  return nil
end

local function alternative(part, value, shorten)
  if is_marker(value) and value.kind == "prefix" then
    return { shorten and shorten(value.value) or value.value, prefix = true }
  end
  local text = text_of(value)
  if not text then
    return nil, fault("when-value", part, ("when.%s: a condition is a text, a list of texts, prefix \"…\", absent,"
      .. " present or no(…), not a %s"):format(part[2], type(value)))
  end
  return { shorten and shorten(text) or text, prefix = false }
end

local function alternatives(name, value, shorten)
  local is_list = type(value) == "table" and not is_marker(value)
  local values = is_list and value or { value }
  local hole, list = lists.fault(values), {}
  if hole then return nil, fault("when-value", { "when", name }, ("when.%s: %s"):format(name, hole)) end
  for index, one in ipairs(values) do
    local made, wrong = alternative({ "when", name, is_list and index or nil }, one, shorten)
    if not made then return nil, wrong end
    list[index] = made
  end
  if #list == 0 then
    return nil, fault("when-value", { "when", name }, ("when.%s: an empty list matches nothing"):format(name))
  end
  return list
end

-- A name that no attribute of Altinn has, with the one that is meant.
local function unknown_attribute(name, message)
  return fault("when-attribute", { "when", name }, ("when.%s: %s%s"):format(tostring(name), message,
    wording.hint(name, M.carried, "rule")), nil, { at_key = true, word = suggest.only(name, M.carried) })
end

local function condition(name, value)
  local attribute, shorten = name, nil
  if attributes[name] then attribute, shorten = attributes[name][1], attributes[name][2] end
  if not attribute:find("^[a-z0-9]+$") then
    return nil, unknown_attribute(name, "attribute names are lower-case letters and digits")
  end
  if is_marker(value) and (value.kind == "absent" or value.kind == "present") then  -- also a rule file's copy of it
    return { attribute = attribute, test = value.kind, alternatives = {} }
  end
  local test = "is"
  if is_marker(value) and value.kind == "no" then test, value = "no", value.value end
  local list, wrong = alternatives(name, value, shorten)
  if not list then return nil, wrong end
  return { attribute = attribute, test = test, alternatives = list }
end

local LETTERS = "no.altinn.correspondence."
local full_types

-- Whether some type of the catalogue begins with a text.
local function begins_type(text)
  full_types = full_types or core.types()
  for _, entry in pairs(full_types) do
    if entry.type:sub(1, #text) == text then return true end
  end
  return false
end

-- The names of types, short and whole, among which a misspelt one is looked for.
local function type_names()
  full_types = full_types or core.types()
  local names = {}
  for name, entry in pairs(full_types) do names[name], names[entry.type] = true, true end
  return names
end

local function unknown_type(part, word, near)
  return fault("on-unknown", part, ("on: '%s' is no event type that Altinn raises"):format(core.mask(word)),
    near and ("did you mean '%s'? 'altinn-events types' lists them"):format(near)
      or "'altinn-events types' lists them", { word = suggest.only(word, type_names()) })
end

-- The alternative for a word with a star at its end. All types of Correspondence are known, so a beginning that none of
-- them has is an error.
local function stem_alternative(part, word, stem)
  if stem:find("%*") then
    return nil, fault("on-star", part, ("on: '%s': a star may stand only at the end"):format(word))
  end
  if stem ~= "" and not stem:find(".", 1, true) then stem = LETTERS .. stem end
  if stem:sub(1, #LETTERS):lower() == LETTERS and not begins_type(stem) then
    return nil, unknown_type(part, word, core.suggest(stem))
  end
  return { stem, prefix = true }
end

local function type_alternative(part, word)
  if type(word) ~= "string" or word == "" then
    return nil, fault("on-form", part, "on: an event type is a text")
  end
  if word:find("[%s%c]") then
    return nil, fault("on-form", part, ("on: '%s' holds a blank, and no event type does"):format(core.mask(word)),
      word:find(",", 1, true) and "several types are a list: on = { \"a\", \"b\" }" or nil)
  end
  local stem = word:match("^(.*)%*$") or word:find("*", 1, true) and word
  if stem then return stem_alternative(part, word, stem) end
  local entry = core.type_named(word)
  if entry then return { entry, prefix = false } end
  local ours = word:sub(1, #LETTERS):lower() == LETTERS
  if ours and not core.type_known(word) or not word:find(".", 1, true) then
    return nil, unknown_type(part, word, core.suggest(word))
  end
  return { word, prefix = false }
end

local function type_condition(on)
  local words = type(on) == "table" and on or { on }
  local hole, list = lists.fault(words), {}
  if hole then return nil, fault("on-form", { "on" }, "on: " .. hole) end
  for index, word in ipairs(words) do
    local made, wrong = type_alternative({ "on", words == on and index or nil }, word)
    if not made then return nil, wrong end
    list[index] = made
  end
  if #list == 0 then return nil, fault("on-form", { "on" }, "on: at least one event type is needed") end
  for _, one in ipairs(list) do
    if one.prefix and one[1] == "" then return false end  -- "*": every type
  end
  return { attribute = "type", test = "is", alternatives = list }
end

-- Checks of whole values by attribute: each tells why no event of Altinn has the value.

local function id_fault(text)
  if core.altinn.is_uuid(text) and text:find("%u") then
    return "holds a capital letter, and Altinn writes ids in lower case"
  end
end

local function alternative_subject_fault(text)
  if text:find("^/%l+/%d+$") then return nil end
  return "is not how events name a party there: /organisation/NNNNNNNNN or /person/ and eleven digits"
end

local function type_fault(text)
  if core.type_named(text) and not core.type_known(text) then
    return "is a short name, and events carry the whole type: use on"
  end
  local stem = text:lower():match("^no%.altinn%.correspondence%.")
  if stem and text:find("%u") then return "holds a capital letter, and types of Correspondence have none" end
end

local value_faults = {
  resource = core.altinn.resource_fault, subject = core.altinn.subject_fault, type = type_fault,
  resourceinstance = id_fault, alternativesubject = alternative_subject_fault,
}

local CAPITAL = "holds a capital letter; Altinn keeps filters in lower case and compares exactly, so it would never"
  .. " match"

-- Why no event has this value, nor a value that begins with it. Only ids may contain a blank.
local function text_fault(attribute, text)
  if text == "" then return "is empty, and no attribute of an event is" end
  if text:find("%c") then return "holds a control character" end
  if attribute ~= "id" and text:find(" ", 1, true) then return "holds a blank, and Altinn compares byte by byte" end
  if attribute == "resource" and text:find("%u") then
    return CAPITAL
  end
end

local function wrong_value(attribute, one)
  local why = text_fault(attribute, one[1])
  if why or one.prefix or not value_faults[attribute] then return why end
  return value_faults[attribute](one[1])
end

-- A hint for a number alone under the name `subject`.
local function short_hint(name, text)
  if name ~= "subject" or short_forms.party(text) == text then return "" end
  return "; when.recipient and when.sender take the number alone"
end

-- The value as a rule writes it, when only capital letters are wrong with it.
local function in_small(value)
  local text = is_marker(value) and value.value or value
  return type(text) == "string" and text:lower() or nil
end

local function value_fault(name, made, one, index, value)
  local why = wrong_value(made.attribute, one)
  if not why then return nil end
  local is_list = type(value) == "table" and not is_marker(value)
  local code = why == CAPITAL and "resource-capital" or made.attribute == "subject" and "subject-form" or "when-value"
  return fault(code, { "when", name, is_list and index or nil }, ("when.%s: '%s' %s%s"):format(name,
    core.mask(one[1]), why, short_hint(name, one[1])), nil,
    { word = why == CAPITAL and in_small(is_list and value[index] or value) or nil })
end

-- "true" or "false" when a condition is or contains a boolean; no attribute of Altinn is one. Such a value is the
-- result of a comparison or of `not`.
local function boolean_in(value)
  if is_marker(value) then return boolean_in(value.value) end
  if type(value) ~= "table" then return type(value) == "boolean" and tostring(value) or nil end
  for _, one in ipairs(value) do
    if type(one) == "boolean" then return tostring(one) end
  end
end

local function condition_faults(name, value, faults)
  local made, wrong = condition(name, value)
  local boolean = boolean_in(value)
  if boolean then
    faults[#faults + 1] = fault("when-boolean", { "when", name }, ("when.%s: %s is no text; what it must not be is"
      .. " written no(…)"):format(name, boolean))
    return
  end
  if not made then
    faults[#faults + 1] = wrong
    return
  end
  if not M.carried[name] then
    faults[#faults + 1] = unknown_attribute(name, "no event of Altinn carries such an attribute")
    return
  end
  local inner = value
  if made.test == "no" then inner = value.value end
  for index, one in ipairs(made.alternatives) do
    faults[#faults + 1] = value_fault(name, made, one, index, inner)
  end
end

local function sorted_names(when)
  local names = {}
  for name in pairs(when) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- Whether a word of `on` names a type of another publisher, whose attributes are not known here.
local function is_foreign(word)
  if type(word) ~= "string" or not word:find("^[%w._-]+%.[%w._-]+%*?$") then return false end
  local event = core.parse(('{"specversion":"1.0","id":"1","source":"/","type":"%s"}'):format((word:gsub("%*$", ""))))
  return event ~= nil and core.describe(event).publisher == "other"
end

--- Whether `on` names only types of other publishers than Altinn.
---@param on any of a head
---@return boolean
function M.is_foreign(on)
  for _, word in ipairs(type(on) == "table" and on or { on }) do
    if not is_foreign(word) then return false end
  end
  return on ~= nil
end

local head_keys = { on = true, when = true }

-- The conditions of a head; nil and the first fault when it has any.
local function compiled(head)
  for key in pairs(head) do
    if not head_keys[key] then
      return nil, fault("rule-part", { key }, ("unknown key '%s' in a head%s"):format(tostring(key),
        wording.hint(key, head_keys, "rule")))
    end
  end
  local conditions = {}
  if head.on ~= nil then
    local made, wrong = type_condition(head.on)
    if made == nil then return nil, wrong end
    if made then conditions[1] = made end
  end
  if head.when ~= nil and type(head.when) ~= "table" then
    return nil, fault("when-form", { "when" }, "when: a table of conditions is needed")
  end
  for name in pairs(head.when or {}) do
    if type(name) ~= "string" then
      return nil, fault("when-form", { "when", name }, "when: each condition needs the name of its attribute")
    end
  end
  for _, name in ipairs(sorted_names(head.when or {})) do
    local made, wrong = condition(name, head.when[name])
    if not made then return nil, wrong end
    conditions[#conditions + 1] = made
  end
  return conditions
end

--- All that is wrong with a head: what does not compile, and conditions that no event of Altinn can meet, such as an
--- unknown attribute or an impossible value. A filter that client:subscribe refuses is refused here in the same words.
--- A head that names only types of other publishers has no such conditions, because their attributes are not known.
---@param head { on: string|string[]|nil, when: table<string, any>|nil } that compile takes
---@return altinn.events.fault[]
function M.judged(head)
  local _, first = compiled { on = head.on, when = head.when }
  local all = { first }
  if M.is_foreign(head.on) then return all end
  local found = {}
  for _, name in ipairs(sorted_names(head.when or {})) do condition_faults(name, head.when[name], found) end
  for _, one in ipairs(found) do
    if not first or faults_of.text(one) ~= faults_of.text(first) then all[#all + 1] = one end
  end
  return all
end

--- The conditions of a head that no event of Altinn can meet.
---@param head { on: string|string[]|nil, when: table<string, any>|nil } that compile takes
---@return string[] faults empty: every condition can match
function M.faults(head)
  local texts = {}
  for index, one in ipairs(M.judged(head)) do texts[index] = faults_of.text(one) end
  return texts
end

--- Compiles a head into conditions on context attributes, in a stable order.
---@param head { on: string|string[]|nil, when: table<string, any>|nil }
---@return table[]|nil conditions each { attribute, test, alternatives }
---@return string|nil message what is wrong
function M.compile(head)
  local conditions, wrong = compiled(head)
  if conditions then return conditions end
  return nil, faults_of.text(wrong)
end

return M
