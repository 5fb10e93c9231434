-- Checks effects: whether their constants can ever be sent, their targets, their probes.
local constants = require "altinn.events.rules.constants"
local core = require "altinn.events.core"
local effects = require "altinn.events.rules.effects"
local language = require "altinn.events.rules.language"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

local UNKNOWN = constants.UNKNOWN
local text = tree.text

-- Targets.

--- What to say about a target that the configuration lacks.
---@param target string
---@param targets table<string, table>
---@return string message
---@return string remedy
function M.missing(target, targets)
  local near = suggest.nearest(target, targets)
  local add = ("add targets.%s to the configuration"):format(target)
  return ("there is no target '%s' in the configuration"):format(target),
    near and ("did you mean '%s'? Else %s"):format(near, add) or add
end

local function check_target(run, node, kind, target)
  local targets = run.targets
  if not targets then return end
  if not targets[target] then
    local message, remedy = M.missing(target, targets)
    local word = suggest.only(target, targets)
    return run:add("target", node, ("send.%s: %s"):format(kind, message), remedy,
      word and run:replace(node[2], ("%q"):format(word)))
  end
  -- A target whose secrets this user cannot read may have none.
  if not effects.sorts:of(targets[target]) then return end
  local message = effects.sort_fault(kind, targets[target])
  if message then run:add("target", node, ("send.%s(%q): %s"):format(kind, target, message)) end
end

local function check_power(run, node, kind, target)
  local power = "send:" .. target
  run.powers[power] = run.powers[power] or node
  if language.may(run.rule, power) then return end
  run:add("power", node, ("send.%s(%q) needs \"%s\" in may"):format(kind, target, power), run.rule.may
    and ("add \"%s\" to may"):format(power) or ("write may = { …, \"%s\" }"):format(power))
end

-- Notes a target that the text names, with the kind of what is sent to it.
local function note_target(run, kind, target, is_line)
  run.sends = run.sends or {}
  local known = run.sends[target] or { kind = kind }
  known.is_line = known.is_line or is_line
  run.sends[target] = known
end

local NO_NAME = { Number = true, Nil = true, True = true, False = true, Function = true, native = true, event = true,
  thing = true }

-- send.http("print")
local function check_maker(run, node, kind)
  local target = node[2]
  if target and target.tag == "Table" then
    return run:add("send-form", node, ("send.%s { … } has no target"):format(kind),
      ("write send.%s(\"TARGET\") { … }"):format(kind))
  end
  local value = target and values.of(run, target)
  if target and (NO_NAME[target.tag] or value and NO_NAME[value.is]) then
    run:add("send-form", target, ("send.%s wants the name of a target"):format(kind), "write the name in quotes")
  elseif text(target) then
    note_target(run, kind, target[1])
    check_target(run, node, kind, target[1])
    check_power(run, node, kind, target[1])
  else
    run.is_open_target = true
  end
  if node[3] then
    run:add("send-form", node[3], ("send.%s takes the target alone, and the table after it"):format(kind),
      ("write send.%s(%s) { … }"):format(kind, target and tree.show(target) or "TARGET"))
  end
end

-- send("print") { … }
local function check_kind(run, node)
  run:add("send-form", node, "send(…) has no kind", ("write send.http(%q) { … }, or another of %s"):format(
    text(node[2]) or "TARGET", table.concat(sorted(effects.kinds), ", ")))
end

-- Constants.

-- An event that has nothing in common with any constant.
local sample

local function sample_event()
  sample = sample or assert(core.parse '{"specversion":"1.0","id":"~sample~","source":"/~sample~","type":"t"}')
  return sample
end

local function without_unknown(value, stand_in)
  local made = {}
  for key, one in pairs(value) do
    if type(one) == "table" and one.is == "event" then one = sample_event() end
    if one == UNKNOWN then one = stand_in(key) end
    made[key] = one
  end
  return made
end

-- Whether a part of the key is known at run time only.
local function is_open(key)
  if key == UNKNOWN then return true end
  if type(key) ~= "table" or key.is then return false end
  for _, part in pairs(key) do
    if part == UNKNOWN then return true end
  end
  return false
end

-- Whether a table has names, and is no list.
local function has_names(value) return type(value) == "table" and type(next(value)) == "string" end

local function nothing() end

-- The fields of an effect, as far as the text tells them; the event stands for itself.
local function fields_of(run, node)
  return constants.value(node, function(inside)
    local value = inside.tag == "Id" and values.of(run, inside)
    return value and value.is == "event" and value or nil
  end)
end

-- The fields with values in place of those that are known at run time only.
local function sample_fields(given, stand_ins)
  local fields = without_unknown(given, function(name) return stand_ins[name] end)
  if is_open(given.key) then fields.key = nil
  elseif type(fields.key) == "table" and not core.is_event(fields.key) then
    fields.key = without_unknown(fields.key, nothing)
  end
  for name, value in pairs(fields) do
    local stand_in = stand_ins[name]
    local whole = type(value) == "table" and stand_in ~= nil
      and (type(stand_in) ~= "string" or is_open(value) and not has_names(value))
    if whole then fields[name] = stand_in end
  end
  if type(fields.headers) == "table" then
    fields.headers = without_unknown(fields.headers, function() return "x" end)
  end
  return fields
end

-- The node of the field that a message speaks of.
local function blamed(table_node, message)
  local first = message:match("unknown key '([^']+)'") or message:match("^[^:]*: the (%w+)") or message:match(": (%w+)")
    or message:match("^send%.%w+: (%w+)") or ""
  local _, pair = tree.item(table_node, first)
  return pair
end

local function check_fields(run, table_node, kind, target)
  if constants.has_open_names(table_node) then return end
  local fields = sample_fields(fields_of(run, table_node), effects.kinds[kind].stand_ins)
  local message = language.effect_fault(kind, target, fields, sample_event())
  local probe, pair = tree.item(table_node, "probe")
  if not message and text(probe) then message = language.unknown_body(probe[1], run.rule.bodies)
  else pair = message and blamed(table_node, message) end
  if not message then return end
  local key = message:match("unknown key '([^']+)'")
  local near = key and suggest.nearest(key, effects.kinds[kind].fields)
  local code = message:find("key holds nothing", 1, true) and "key" or "effect"
  run:add(code, pair or table_node, message, code == "key" and "write key = letter" or nil, near and pair
    and run:replace(pair[1], near))
end

-- JSON.

local function is_of_user(value)
  return value and (value.is == "event" or value.is == "thing") and value.is
end

-- The values in a table's text, and their names.
local function each_value(node, call)
  if node.tag ~= "Table" then return call(node) end
  for _, item in ipairs(node) do each_value(item.tag == "Pair" and item[2] or item, call) end
end

local function check_json(run, json, table_node)
  local whole = values.of(run, json)
  if whole and whole.is == "event" then
    local _, pair = tree.item(table_node, "json")
    return run:add("json-event", pair, "json: an event is no plain value, and has no JSON form of its own",
      ("write body = events.encode(%s), or json = events.totable(%s)"):format(tree.show(json), tree.show(json)),
      run:replace(pair, ("body = events.encode(%s)"):format(tree.show(json))))
  end
  each_value(json, function(one)
    local is = is_of_user(values.of(run, one))
    if is == "event" then
      local plain = ("events.totable(%s)"):format(tree.show(one))
      run:add("json-event", one, "json: an event is no plain value", "write " .. plain, run:replace(one, plain))
    elseif is == "thing" then
      run:add("json-thing", one, ("json: %s is no plain value"):format(tree.show(one)), ("write %s.id"):format(
        tree.show(one)), run:replace(one, tree.show(one) .. ".id"))
    end
  end)
end

-- Whether a text that is put together looks like JSON.
local function looks_like_json(node)
  local first = node
  while first.tag == "Op" and first[1] == "concat" do first = first[2] end
  if first.tag == "Invoke" and first[2][1] == "format" then first = first[1] end
  if first == node and node.tag ~= "String" then return false end
  local word = first.tag == "Paren" and text(first[1]) or text(first)
  return word ~= nil and word:find('^%s*[{%[]%s*["}%]]') ~= nil
end

local ENCODES = { ["events.encode"] = true, ["cjson.encode"] = true }

-- body = event, and json = events.encode(event)
local function check_encoded(run, table_node)
  local body, json = tree.item(table_node, "body"), tree.item(table_node, "json")
  local value = body and values.of(run, body)
  if value and value.is == "event" then
    local encoded = ("events.encode(%s)"):format(tree.show(body))
    run:add("json-event", body, "body must be a text, and an event is none", "write " .. encoded,
      run:replace(body, encoded))
  end
  value = json and values.of(run, json)
  if value and value.is == "result" and ENCODES[value.of] then
    local _, pair = tree.item(table_node, "json")
    run:add("json-by-hand", pair, "json: a text that holds JSON is sent as a text, in quotes", "write body = "
      .. tree.show(json), run:replace(pair[1], "body"))
  end
end

local function check_by_hand(run, table_node)
  for _, name in ipairs { "body", "json", "text" } do
    local value = tree.item(table_node, name)
    if value and looks_like_json(value) and not (name == "body" and value.tag == "String") then
      run:add("json-by-hand", value, name == "json" and "json: a text that holds JSON is sent as a text, in quotes"
        or "JSON is put together by hand: a quotation mark in a value breaks it", "write json = { name = value }")
    end
  end
end

-- Secrets belong into the configuration.
local function check_headers(run, headers)
  for _, item in ipairs(headers.tag == "Table" and headers or {}) do
    local name = item.tag == "Pair" and text(item[1])
    if name and (name:lower() == "authorization" or name:lower() == "x-api-key") and text(item[2]) then
      run:add("secret", item, "a secret in a rule's text is shown by whatever shows the rule",
        "put it into the target: headers = { … = env \"NAME\" } in the configuration")
    end
  end
end

local function note_probe(run, probe)
  local name = text(probe)
  if name and run.rule.bodies[name] then run.started.probes[name] = true else run.started.open = true end
end

local function check_effect(run, node, maker)
  local table_node = node[2]
  if maker.target and node[1].tag ~= "Call" then check_power(run, node, maker.kind, maker.target) end
  if not table_node or table_node.tag ~= "Table" then return end
  local json, headers = tree.item(table_node, "json"), tree.item(table_node, "headers")
  local before = #run.findings
  if maker.target then note_target(run, maker.kind, maker.target, tree.item(table_node, "line") ~= nil) end
  if json then check_json(run, json, table_node) end
  check_by_hand(run, table_node)
  check_encoded(run, table_node)
  if headers then check_headers(run, headers) end
  if maker.target and #run.findings == before then check_fields(run, table_node, maker.kind, maker.target) end
end

function M.nodes.Call(run, node)
  local called = values.of(run, node[1])
  if not called then return end
  if called.is == "kind" then return check_maker(run, node, called.kind) end
  if called.is == "send" then return check_kind(run, node) end
  if called.is == "maker" then check_effect(run, node, called) end
end

--- Notes which bodies a call starts, before anything is checked.
---@param run altinn.events.lint.run
---@param node table a call
function M.note(run, node)
  local called = values.of(run, node[1])
  if not called or called.is ~= "maker" then return end
  local table_node = node[2]
  if not table_node or table_node.tag ~= "Table" or constants.has_open_names(table_node) then
    run.started.open = true
    return
  end
  local probe = tree.item(table_node, "probe")
  if probe then note_probe(run, probe) end
end

return M
