-- Checks where persons' numbers go: into paths, names of files, subjects of mails and the log.
local core = require "altinn.events.core"
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

local ORGANISATION = "urn:altinn:organization:"

-- Whether the head lets the subject be an organisation only.
local function is_organisation(run)
  for _, condition in ipairs(run.rule.conditions or {}) do
    if condition.attribute == "subject" and condition.test == "is" and #condition.alternatives > 0 then
      for _, one in ipairs(condition.alternatives) do
        if one[1]:sub(1, #ORGANISATION) ~= ORGANISATION then return false end
      end
      return true
    end
  end
  return false
end

-- A part of an expression that may be a person's number.
local function person_in(run, node)
  local found
  tree.each(node, function(one)
    local value = (one.tag == "Index" or one.tag == "Call") and values.of(run, one)
    if value and value.is == "attribute" and value.name == "subject" and not is_organisation(run) then
      found = found or one
    elseif value and value.is == "answer" and value.path[#value.path] == "recipient" and #value.path == 1
      and not is_organisation(run) then
      found = found or one
    elseif value and value.is == "revealed" then
      found = found or one
    end
    return found ~= nil or one.tag == "Table"
  end)
  return found
end

-- The fields of effects that hold no person's number.
local FIELDS = { http = { "path" }, file = { "name" }, mail = { "subject" } }

local CALLED = { path = "a path", name = "a file's name", subject = "a mail's subject" }

local function check_field(run, value, name)
  local one = person_in(run, value)
  if one then
    run:add("person", one, ("%s may be a person's number, and %s that holds one is refused"):format(tree.show(one),
      CALLED[name]), "write letter.id")
  end
end

local DIGITS = 11  -- of a person's number

-- Texts of the rule that hold a number.
function M.nodes.String(run, node)
  local word = node[1]
  if #word < DIGITS or not word:find("%d") or core.mask(word) == word then return end
  run:add("number-in-text", node, "a person's number stands in the rule's text, and is shown with it",
    "ask for it: context.memory, letter:details(), or a target of the configuration")
end

local LOGS = { log = true }

function M.nodes.Call(run, node)
  local called = values.of(run, node[1])
  if not called then return end
  if called.is == "maker" and node[2] and node[2].tag == "Table" then
    for _, name in ipairs(FIELDS[called.kind] or {}) do
      local value = tree.item(node[2], name)
      if value then check_field(run, value, name) end
    end
  elseif LOGS[called.is] or called.is == "native" and called.name == "print" then
    for index = 2, #node do
      local one = person_in(run, node[index])
      if one then
        run:add("person-log", one, "the log masks a person's number, revealed or not", "log letter.id")
      end
    end
  elseif called.is == "native" and called.name == "events.reveal" and not node[3] then
    run:add("reveal", node, "events.reveal wants a purpose: what the number is opened for stands in the log",
      "write events.reveal(value, \"what for\")")
  end
end

-- context:log("x") gives the context to the log as its first word.
function M.nodes.Invoke(run, node)
  local whole, name = values.of(run, node[1]), node[2][1]
  if not whole or not (whole.is == "context" and name == "log" or whole.is == "log") then return end
  run:add("log-colon", node, ("%s logs the table itself: it is a function, and no method"):format(tree.show(node)),
    ("write %s.%s(…)"):format(tree.show(node[1]), name), run:dot_fix(node, "."))
end

return M
