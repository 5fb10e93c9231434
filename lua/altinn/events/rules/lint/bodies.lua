-- Checks how the bodies of a rule are started, and what those may do that are asked about effects.
local language = require "altinn.events.rules.language"
local suggest = require "altinn.events.support.suggest"
local sorted = require("altinn.events.support.names").sorted
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"

local M = { nodes = {} }

-- The members of the context that only probes have.
local OF_PROBES = { effect = true, get = true }

-- The body in which a node stands; nil: a helper.
local function body_of(run, node)
  local fn = tree.function_of(node)
  while fn and not run.body_of[fn] do fn = tree.function_of(fn) end
  return fn and run.body_of[fn]
end

function M.nodes.Index(run, node)
  local value = values.of(run, node)
  local body = value and value.is == "context member" and OF_PROBES[value.name] and body_of(run, node)
  if not body or run.started.open or run.started.probes[body] then return end
  run:add("no-probe", node, ("context.%s is there in a probe only, and no effect names this body as its probe"):format(
    value.name), ("name it: probe = %q"):format(body))
end

-- A probe returns sent or not_sent, and does nothing else.
function M.nodes.Call(run, node)
  local called = values.of(run, node[1])
  local what
  if called and called.is == "kind" then what = "send." .. called.kind
  elseif called and called.is == "word" and (language.words[called.name] == "verdict" or called.name == "step") then
    what = called.name .. "(…)"
  end
  local body = what and body_of(run, node)
  if body and run.started.probes[body] then
    run:add("probe", node, ("a probe returns sent or not_sent: there is no %s in it"):format(what),
      "return sent, not_sent, or error(\"why\")")
  end
end

local function is_text_elsewhere(run, text)
  local pattern = ("[\"']%s[\"']"):format((text:gsub("%p", "%%%0")))
  for path, source in pairs(run.texts) do
    if path ~= run.rule.file and source:find(pattern) then return true end
  end
  return false
end

--- How the bodies of a rule are started.
---@param run altinn.events.lint.run
function M.rule(run)
  local started = run.started
  for _, name in ipairs(sorted(run.bodies)) do
    local is_known = name == "run" or started.open or started.timers[name] or started.probes[name]
    if not is_known and not is_text_elsewhere(run, name) then
      run:add("unstarted", run.bodies[name], ("nothing starts the body '%s'%s"):format(name,
        suggest.hint(name, language.keys)), ("return later { at = …, run = %q } where it is to run"):format(name))
    end
  end
end

return M
