-- Checks the keys of effects: a key is the same in each attempt, another for each event, and holds no person.
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"
local constants = require "altinn.events.rules.constants"

local M = { nodes = {} }

-- The parts of a key: of a list, and of texts that are joined.
local function add_parts(node, list)
  if node.tag == "Op" and node[1] == "concat" then
    add_parts(node[2], list)
    add_parts(node[3], list)
  else list[#list + 1] = node end
end

local function parts_of(key)
  local list = {}
  for _, item in ipairs(key.tag == "Table" and key or { key }) do
    add_parts(item.tag == "Pair" and item[2] or item, list)
  end
  return list
end

local CHANGING = {
  ["os.time"] = "the time", ["os.date"] = "the time", ["os.clock"] = "the time", ["math.random"] = "chance",
}

-- What makes a part another one at each attempt.
local function changing(run, part)
  local code, what, where
  tree.each(part, function(node)
    local value = (node.tag == "Call" or node.tag == "Index") and values.of(run, node)
    local native = value and value.is == "result" and CHANGING[value.of]
    if native then
      code, what, where = native == "chance" and "random-key" or "clock-key", native, node
    elseif value and value.is == "context member" and value.name == "attempt" then
      code, what, where = "attempt-key", "the attempt", node
    end
    return code ~= nil
  end)
  return code, what, where
end

local function check_changing(run, part)
  local code, what, where = changing(run, part)
  if code then
    run:add(code, where, ("a key that holds %s is another one at each attempt: what was sent would be sent again")
      :format(what), "write key = letter, or { letter, \"what\" }")
  end
end

-- Attributes that name a party, not the event.
local PERSONS = { subject = true, alternativesubject = true }
local SHARED = { resource = true, source = true, type = true, time = true, specversion = true, dataschema = true,
  datacontenttype = true }

local function own_of(run, part)
  local value = values.of(run, part)
  if not value then return "unknown" end
  if value.is == "event" or value.is == "thing" or value.is == "thing id" then return "own" end
  if value.is == "attribute" then
    if PERSONS[value.name] then return "person" end
    return SHARED[value.name] and "shared" or "own"
  end
  if value.is == "text" or value.is == "number" then
    return value.is == "text" and value.text:find(":", 1, true) and "colon" or "constant"
  end
  if value.is == "answer" and value.path[#value.path] == "recipient" then return "person" end
  return "unknown"
end

local function check_parts(run, key, parts)
  local seen = {}
  for _, part in ipairs(parts) do seen[own_of(run, part)] = part end
  if seen.own or seen.unknown or key.tag ~= "Table" and seen.colon then return end
  if seen.person then
    run:add("person-key", seen.person, "a key that holds a party and nothing of the letter: the party's second letter"
      .. " would not be sent", "write key = letter")
  elseif seen.shared then
    run:add("key", key, "the key holds nothing of this event, so that it would be sent for the first event only",
      "write key = letter")
  end
end

local function check_nil(run, key)
  for index, item in ipairs(key.tag == "Table" and key or {}) do
    if item.tag == "Nil" then
      run:add("nil-key", item, ("part %d of the key is nil: what stands behind it is lost"):format(index),
        "leave it out")
    end
  end
end

-- tostring(letter) is for logs.
local function check_text(run, part)
  if part.tag ~= "Call" or values.native(run, part[1]) ~= "tostring" or not part[2] then return end
  local value = values.of(run, part[2])
  if value and (value.is == "thing" or value.is == "event") then
    run:add("text-key", part, ("tostring(%s) is a text for people, masked and cut: no key"):format(tree.show(part[2])),
      ("write key = %s"):format(tree.show(part[2])), run:replace(part, tree.show(part[2])))
  end
end

local function check_key(run, key)
  local parts = parts_of(key)
  check_nil(run, key)
  if key.tag ~= "Table" or not constants.has_open_names(key) then check_parts(run, key, parts) end
  for _, part in ipairs(parts) do
    check_changing(run, part)
    check_text(run, part)
  end
end

function M.nodes.Call(run, node)
  local value = values.of(run, node)
  if not value or value.is ~= "verdict" or not value.kind or value.from then return end
  local key = node[2] and node[2].tag == "Table" and tree.item(node[2], "key")
  if key then check_key(run, key) end
end

-- Two effects of one list.

local function effect_of(run, item)
  local called = item.tag == "Call" and values.of(run, item[1])
  local key = called and called.is == "maker" and called.target and item[2] and item[2].tag == "Table"
    and tree.item(item[2], "key")
  return key and { target = called.target, key = key, node = item }
end

-- Whether an expression has the same value each time: no calls in it.
local function is_steady(node)
  return not tree.any(node, function(one) return one.tag == "Call" or one.tag == "Invoke" end)
end

-- { letter } and letter are the same key.
local function bare(key)
  return key.tag == "Table" and #key == 1 and key[1].tag ~= "Pair" and key[1] or key
end

function M.nodes.Table(run, node)
  local list = {}
  for _, item in ipairs(node) do
    local effect = effect_of(run, item)
    if effect and is_steady(effect.key) then
      for _, other in ipairs(list) do
        if other.target == effect.target and tree.same(bare(other.key), bare(effect.key)) then
          run:add("same-key", effect.key, ("two effects for '%s' under one key: the run would be dead at once"):format(
            effect.target), "give each its own: key = { letter, \"second\" }")
        end
      end
      list[#list + 1] = effect
    end
  end
end

return M
