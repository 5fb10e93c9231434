-- The head of a rule: which events it wants. Words become conditions on
-- context attributes, which the matcher compiles.
local core = require "altinn.events.core"
local suggest = require "altinn.events.support.suggest"

local M = {}

local Marker = {}
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

--- The attribute is absent, or anything but this.
---@param value string|table a text, a list of texts, or a prefix
---@return table condition
function M.no(value)
  if value == nil or is_marker(value) and value.kind ~= "prefix" then
    error("no wants a text, a list of texts or a prefix", 2)
  end
  return marker("no", value)
end

-- Short forms: what people write -> what stands in the event.
local short_forms = {
  resource = function(text)
    if text:find("^urn:") then return text end
    return "urn:altinn:resource:" .. text
  end,
  party = function(text)
    if text:find("^%d%d%d%d%d%d%d%d%d$") then return "urn:altinn:organization:identifier-no:" .. text end
    if text:find("^" .. ("%d"):rep(11) .. "$") then return "urn:altinn:person:identifier-no:" .. text end
    return text
  end,
}

-- Whom an event is addressed to stands in its subject (domain 1.4).
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

local function alternative(name, value, shorten)
  if is_marker(value) and value.kind == "prefix" then
    return { shorten and shorten(value.value) or value.value, prefix = true }
  end
  local text = text_of(value)
  if not text then
    return nil, ("when.%s: a condition is a text, a list of texts, prefix \"…\", absent, present or no(…), not a %s")
      :format(name, type(value))
  end
  return { shorten and shorten(text) or text, prefix = false }
end

local function alternatives(name, value, shorten)
  local values = type(value) == "table" and not is_marker(value) and value or { value }
  local list = {}
  for index, one in ipairs(values) do
    local made, message = alternative(name, one, shorten)
    if not made then return nil, message end
    list[index] = made
  end
  if #list == 0 then return nil, ("when.%s: an empty list matches nothing"):format(name) end
  return list
end

local function condition(name, value)
  local attribute, shorten = name, nil
  if attributes[name] then attribute, shorten = attributes[name][1], attributes[name][2] end
  if not attribute:find("^[a-z0-9]+$") then
    return nil, ("when.%s: attribute names are lower-case letters and digits"):format(tostring(name))
  end
  if value == M.absent or value == M.present then
    return { attribute = attribute, test = value.kind, alternatives = {} }
  end
  local test = "is"
  if is_marker(value) and value.kind == "no" then test, value = "no", value.value end
  local list, message = alternatives(name, value, shorten)
  if not list then return nil, message end
  return { attribute = attribute, test = test, alternatives = list }
end

local function type_alternative(word)
  if type(word) ~= "string" or word == "" then
    return nil, "on: an event type is a text"
  end
  local stem = word:match("^(.*)%*$")
  if stem then
    if stem:find("%*") then return nil, ("on: '%s': a star may stand only at the end"):format(word) end
    local known = stem == "" or stem:find(".", 1, true)
    return { known and stem or "no.altinn.correspondence." .. stem, prefix = true }
  end
  local entry = core.type_named(word)
  if entry then return { entry, prefix = false } end
  if word:find("^no%.altinn%.correspondence%.") and not core.type_known(word) or not word:find(".", 1, true) then
    local near = core.suggest(word)
    return nil, ("on: '%s' is no event type that Altinn raises%s"):format(word,
      near and (" (did you mean '%s'?)"):format(near) or "")
  end
  return { word, prefix = false }
end

local function type_condition(on)
  local words = type(on) == "table" and on or { on }
  local list = {}
  for index, word in ipairs(words) do
    local made, message = type_alternative(word)
    if not made then return nil, message end
    list[index] = made
  end
  if #list == 0 then return nil, "on: at least one event type is needed" end
  for _, one in ipairs(list) do
    if one.prefix and one[1] == "" then return false end  -- "*": every type
  end
  return { attribute = "type", test = "is", alternatives = list }
end

local head_keys = { on = true, when = true }

--- Compiles a head into conditions on context attributes, in a stable order.
---@param head { on: string|string[]|nil, when: table<string, any>|nil }
---@return table[]|nil conditions each { attribute, test, alternatives }
---@return string|nil message what is wrong
function M.compile(head)
  for key in pairs(head) do
    if not head_keys[key] then
      return nil, ("unknown key '%s' in a head%s"):format(tostring(key), suggest.hint(tostring(key), head_keys))
    end
  end
  local conditions = {}
  if head.on ~= nil then
    local made, message = type_condition(head.on)
    if made == nil then return nil, message end
    if made then conditions[1] = made end
  end
  if head.when ~= nil and type(head.when) ~= "table" then return nil, "when: a table of conditions is needed" end
  local names = {}
  for name in pairs(head.when or {}) do
    if type(name) ~= "string" then return nil, "when: each condition needs the name of its attribute" end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local made, message = condition(name, head.when[name])
    if not made then return nil, message end
    conditions[#conditions + 1] = made
  end
  return conditions
end

return M
