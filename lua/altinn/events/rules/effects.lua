-- Effects: actions that a rule wants outside of the host, and the keys under which each is done once. Each kind has a
-- file in effects/.
local cjson = require("cjson.safe").new()
local core = require "altinn.events.core"
local digest = require "altinn.events.support.digest"
local json = require "altinn.events.support.json"
local suggest = require "altinn.events.support.suggest"
local targets_module = require "altinn.events.rules.effects.target"

local M = {}

-- The names of the kinds. To add one: its file in effects/, and its name here.
local NAMES = { "http", "cloudevent", "mail", "slack", "teams", "file", "command" }

---@class altinn.events.effect_kind
---A kind of effects, send.NAME(target) { … }: a file in effects/.
---@field words { [1]: string, [2]: string, [3]: string }[] its fields beside `key` and `probe`: name, type of LuaCATS,
---  explanation
---@field fields table<string, true> their names, `key` and `probe`
---@field about string one line: what it does
---@field sent string when its outcome is "sent"
---@field takes string[] the sorts of its targets: "url", "mail", …; see effects/target.lua
---@field keys altinn.events.target_key[] what its targets take
---@field carrier "http"|"curl"|"aside" who carries its requests: "http" works in nginx too
---@field check fun(fields: table): string|nil a mistake that raises when the effect is made
---@field record fun(effect: table, target: table, about: table): table|nil, string|nil a table that JSON can hold
---@field complete (fun(target: table): string|nil)|nil what a target of the configuration lacks
---@field target_problem (fun(target: table): string|nil)|nil what is wrong with a target beside its keys
---@field request fun(record: table, target: table, key: string, again: boolean|nil): table|nil, string|nil what the
---  carrier takes; again: an earlier attempt may have been carried out
---@field judge fun(name: string, target: table, reply: table): altinn.events.effect_outcome
---@field try fun(target: table, tools: table): "ok"|"warning"|"failed", string, string|nil tries a target without an
---  effect there: status, message, fix; tools: send(request), is_fit(kind, place), origin
---@field sample table a target, for trying constants of a rule's text
---@field sample_for (fun(fields: table): table)|nil the same, where it depends on the fields
---@field stand_ins table values of fields that are known at run time only, for the same

--- The kinds by name.
---@type table<string, altinn.events.effect_kind>
M.kinds = {}

for _, name in ipairs(NAMES) do
  local kind = require("altinn.events.rules.effects." .. name)
  kind.fields = { key = true, probe = true }
  for _, word in ipairs(kind.words) do kind.fields[word[1]] = true end
  M.kinds[name] = kind
end

--- The sorts of targets.
M.sorts = targets_module.sorts(M.kinds)

local KEY_BYTES = 512
local RECORD_BYTES = 1024 * 1024

-- Keys.

--- An event as a part of a key: its id is unique within its source only.
---@param event table
---@return string
function M.event_part(event) return ("%s.%s"):format(event.id, digest.hex(event.source)) end

local function part_text(part)
  if type(part) == "number" and part % 1 == 0 and math.abs(part) < 2 ^ 53 then return ("%d"):format(part) end
  return tostring(part)
end

local TAKEN = { "source", "type", "time", "subject", "resource", "resourceinstance", "id", "dataschema",
  "alternativesubject" }

-- Whether the rule composed the whole key itself: one text with a colon. Such a key does not get the rule's name. An
-- attribute as it came (event.subject, event.resource) may hold a colon too, but then another rule may have the same
-- value by chance, so it does not count as composed.
local function is_composed(parts, event)
  local text = parts[1]
  if #parts ~= 1 or type(text) ~= "string" or not text:find(":", 1, true) then return false end
  for _, name in ipairs(TAKEN) do
    if event[name] == text then return false end
  end
  return true
end

local function escaped(text)
  return (text:gsub("[%%/]", { ["%"] = "%25", ["/"] = "%2F" }))
end

-- The number's digits, as they are when they are written together.
local function digits_of(marked)
  return (marked:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end):gsub("%D", ""))
end

-- A part of a key with each person's number as its pseudonym. core.mask writes a star over each byte of a digit, and
-- keeps the length; a number that is written in any other way than by its digits makes the whole part a pseudonym.
local function without_numbers(part, pseudonym)
  local masked = core.mask(part)
  if masked == part then return part end
  if not pseudonym then return nil end
  local made, at = {}, 1
  for from, stop in masked:gmatch("()%*[%*%s%-._+]*%*()") do
    local number = digits_of(part:sub(from, stop - 1))
    local name = pseudonym(#number == 11 and number or part)
    if not name then return nil end
    if #number ~= 11 then return name end
    made[#made + 1], at = part:sub(at, from - 1) .. name, stop
  end
  local text = table.concat(made) .. part:sub(at)
  return core.mask(text) == text and text or pseudonym(part)
end

-- The text of a key: its parts joined by slashes. A slash inside a part is escaped, so that two different keys never
-- have the same text.
local function key_text(effect, parts, about, composed)
  local texts = {}
  for index, part in ipairs(parts) do
    texts[index] = without_numbers(part_text(part), about.pseudonym)
    if not texts[index] then
      return nil, "the key holds an identity number, and there is no secret here to make a pseudonym of it"
    end
    if #parts > 1 then texts[index] = escaped(texts[index]) end
  end
  if not composed then table.insert(texts, 1, escaped(about.rule)) end
  local text = effect.target .. ":" .. table.concat(texts, "/")
  if text:find("[%z\1-\31\127]") then return nil, "the key holds a control character" end
  if #text > KEY_BYTES then return nil, ("the key is longer than %d bytes"):format(KEY_BYTES) end
  return text
end

local function last_word(text) return text and text:match("[^:/]+$") end

-- Whether a part of the key is, or contains, an id of this event, so that the run of another event has another key.
local function is_of_event(parts, event, thing)
  local own = { M.event_part(event), event.id, event.subject, event.resourceinstance, thing and thing.id,
    last_word(event.subject), last_word(event.resourceinstance) }
  for _, part in ipairs(parts) do
    part = part_text(part)
    for index = 1, 7 do
      if own[index] and own[index] ~= "" and part:find(own[index], 1, true) then return true end
    end
  end
  return false
end

local function key_of(effect, about)
  local parts = effect.key
  if parts == nil then  -- the rule may return the same effect again: nothing is written into it
    return key_text(effect, { M.event_part(about.event), effect.place or about.place }, about)
  end
  local composed = is_composed(parts, about.event)
  if not composed and not is_of_event(parts, about.event, about.thing) then
    return nil, "the key holds nothing of this event, so that it would be sent for the first event only: put the"
      .. " letter or the event into it (or write a text with a colon, if that is meant)"
  end
  return key_text(effect, parts, about, composed)
end

-- Records.

local function fail(effect, message)
  return nil, ("effect for target '%s': %s"):format(tostring(effect.target), message)
end

--- Why effects of a kind cannot be sent to a target of this sort.
---@param kind string
---@param target table
---@return string|nil message
function M.sort_fault(kind, target)
  local sort, message = M.sorts:of(target)
  if not sort then return "the target " .. message end
  for _, one in ipairs(M.kinds[kind].takes) do
    if one == sort then return nil end
  end
  return ("the target has %s, and send.%s sends to targets with %s: write %s"):format(sort, kind,
    table.concat(M.kinds[kind].takes, " or "), M.sorts:words(sort))
end

--- What is wrong with a target of the configuration, for a kind.
---@param kind string
---@param target table
---@return string|nil message
function M.target_fault(kind, target)
  local message, problem = M.sort_fault(kind, target), M.kinds[kind].target_problem
  if message then return message end
  message = problem and problem(target)
  return message and "the target " .. message
end

local function find_target(effect, targets)
  local target = targets and targets[effect.target]
  if not target then
    return nil, ("there is no such target%s; targets stand in the configuration")
      :format(suggest.hint(tostring(effect.target), targets or {}))
  end
  local message = M.target_fault(effect.kind, target)
  if message then return nil, message end
  return target
end

---@class altinn.events.effect_item
---@field kind string
---@field target string its name
---@field key string
---@field text string the record as JSON, at most 1 MiB
---@field again boolean|nil an earlier attempt may have carried the effect out

--- Makes an effect ready to be recorded.
---@param effect table what send.KIND(target) { … } made
---@param about { rule: string, event: table, thing: table|nil, place: integer, now: number|nil, pseudonym: (fun(number:
---  string): string|nil)|nil } the run: its rule's name, and the place of the effect among those of the run; now:
---  seconds since 1970; pseudonym: of a person's number, without it a key that holds one is refused
---@param targets table<string, table>
---@return altinn.events.effect_item|nil item
---@return string|nil message what is wrong with the effect
function M.prepare(effect, about, targets)
  local target, message = find_target(effect, targets)
  if not target then return fail(effect, message) end
  local item = { kind = effect.kind, target = effect.target }
  item.key, message = key_of(effect, about)
  if not item.key then return fail(effect, message) end
  local record
  record, message = M.kinds[effect.kind].record(effect, target, { event = about.event, now = about.now,
    key = item.key })
  if not record then return fail(effect, message) end
  record.kind, record.probe = effect.kind, effect.probe
  item.text, message = json.encode(record)
  if not item.text then return fail(effect, message) end
  if #item.text > RECORD_BYTES then
    return fail(effect, ("it is larger than 1 MiB: %d bytes with its headers"):format(#item.text))
  end
  return item
end

--- The request that carries an effect out, and the function that judges its reply.
---@param item altinn.events.effect_item
---@param text string the record, as JSON: the item's, or the one of an earlier attempt
---@param targets table<string, table>
---@return table|nil request of the kind
---@return string|nil message
---@return fun(reply: table): altinn.events.effect_outcome|nil judge
function M.carry(item, text, targets)
  local target, message = find_target(item, targets)
  if not target then return fail(item, message) end
  local record = cjson.decode(text)
  local kind = type(record) == "table" and M.kinds[record.kind]
  if not kind then return fail(item, "what was recorded of it cannot be read") end
  local request
  request, message = kind.request(record, target, item.key, item.again)
  if not request then return fail(item, message) end
  if kind.carrier == "aside" then request.target = item.target end
  return request, nil, function(reply) return kind.judge(item.target, target, reply) end
end

return M
