-- Checks what bodies do outside of the language: calls that hold the worker, waits where none can be, failures that are
-- swallowed, clocks, modules.
local strict = require "altinn.events.support.strict"
local tree = require "altinn.events.rules.lint.tree"
local values = require "altinn.events.rules.lint.values"
local things = require "altinn.events.rules.thing"

local M = { nodes = {} }

local text = tree.text

-- Calls that hold the worker.

local PROGRAM = "return send.command(\"TARGET\") { … }: the host starts the program aside"
local FILE = "return send.file(\"TARGET\") { … }: the host writes the file aside"

local BLOCKING = {
  ["os.execute"] = PROGRAM, ["io.popen"] = PROGRAM, ["os.remove"] = PROGRAM, ["os.rename"] = PROGRAM,
  ["io.open"] = FILE, ["io.lines"] = "read it once when the file is loaded, from a module in lib/", ["io.read"] = FILE,
}

local function check_blocking(run, node, name)
  if name == "os.exit" then
    return run:add("exit", node, "os.exit is not for rules: it raises", "return fail(\"why\"), or error(\"why\")")
  end
  local remedy = BLOCKING[name]
  if remedy then
    run:add("blocking", node, ("%s holds the worker, and all other runs with it, until it is done"):format(name),
      remedy)
  end
end

-- Clocks.

local function check_clock(run, node, name)
  local format = text(node[2])
  if name == "os.date" and not (format and format:sub(1, 1) == "!") and node[2] ~= nil then
    run:add("date", node, "os.date gives the time of the machine's own zone", "write os.date(\"!…\") for UTC, or take"
      .. " event.time")
  end
end

-- Modules.

local NETWORK = { socket = true, ["socket.http"] = true, ["ssl.https"] = true, ["http.request"] = true, lsqlite3 = true,
  ["luasql.postgres"] = true, ["resty.http"] = true }

-- Whether a module is somewhere among the installed ones.
local function is_installed(name)
  if not package.searchpath then return true end
  if package.loaded[name] or package.preload[name] then return true end
  return package.searchpath(name, package.path) ~= nil or package.searchpath(name, package.cpath) ~= nil
    or package.searchpath(name:match("^[^.]*"), package.cpath) ~= nil
end

local OWN = { string = true, table = true, math = true, os = true, io = true, coroutine = true, utf8 = true,
  ["altinn.events"] = true, cjson = true, ["cjson.safe"] = true }

local function check_require(run, node)
  local name = text(node[2])
  if not name or OWN[name] then return end
  if NETWORK[name] then
    return run:add("blocking", node, ("a request by the module '%s' holds the worker, and all other runs with it")
      :format(name), "return send.http(\"TARGET\") { … }; letter:details() asks Altinn")
  end
  if not run.module(name) and not is_installed(name) then
    run:add("module", node, ("there is no module '%s', neither in lib/ beside the rules nor installed"):format(name),
      ("write lib/%s.lua"):format((name:gsub("%.", "/"))))
  end
end

-- Waits inside functions of C.

local CALLBACKS = { ["table.sort"] = 3, ["string.gsub"] = 4 }

-- The function of C that calls a function of the text: table.sort(list, fn), text:gsub(pattern, fn).
local function c_caller(run, fn)
  local call = fn.up
  if call.tag == "Call" then
    local name = values.native(run, call[1])
    return name and CALLBACKS[name] and call[CALLBACKS[name]] == fn and name or nil
  end
  if call.tag == "Invoke" and call[2][1] == "gsub" and call[4] == fn then
    local whole = values.of(run, call[1])
    return (not whole or whole.is ~= "thing") and "gsub" or nil
  end
end

local KEPT = { overview = true, details = true, has_been = true, attachments = true, letters = true }

local SAME = { has_been = "details", attachments = "overview", letters = "overview" }

-- Whether the body has the answer already: it asked before, outside of the callback.
local function is_kept(run, node, callback)
  local name = SAME[node[2][1]] or node[2][1]
  local around = tree.function_of(callback)
  return KEPT[name] and around ~= nil and tree.any(around, function(one)
    if one.tag ~= "Invoke" or tree.is_within(one, callback) or one.offset > callback.offset then return false end
    local value = values.of(run, one[1])
    return value and value.is == "thing" and tree.same(one[1], node[1]) and (SAME[one[2][1]] or one[2][1]) == name
  end)
end

local function callback_of(run, node)
  local fn = tree.function_of(node)
  while fn do
    local caller = c_caller(run, fn)
    if caller then return fn, caller end
    fn = tree.function_of(fn)
  end
end

local function check_wait(run, node)
  local whole = values.of(run, node[1])
  if not whole or whole.is ~= "thing" or not things.powers[node[2][1]] then return end
  local callback, caller = callback_of(run, node)
  if callback and not is_kept(run, node, callback) then
    run:add("callback", node, ("%s cannot wait for Altinn inside %s, a function of C"):format(tree.show(node), caller),
      ("ask before, outside: local answer = %s"):format(tree.show(node)))
  end
end

local function check_step(run, node)
  local callback, caller = callback_of(run, node)
  if callback then
    run:add("callback", node, ("step cannot wait inside %s, a function of C"):format(caller), "call it outside")
  end
end

-- coroutine.yield outside of a coroutine of the rule's own.
local function check_yield(run, node)
  local fn = tree.function_of(node)
  while fn do
    local call = fn.up
    local name = call.tag == "Call" and values.native(run, call[1])
    if name == "coroutine.wrap" or name == "coroutine.create" then return end
    if run.body_of[fn] then
      return run:add("yield", node, "coroutine.yield outside of a coroutine of the rule's own stops the run", "return"
        .. " retry_after(\"10m\", \"why\") or later { … } to wait")
    end
    fn = tree.function_of(fn)
  end
end

-- Swallowed failures.

local function asks_altinn(run, fn)
  return tree.any(fn, function(node)
    local value = node.tag == "Invoke" and values.of(run, node[1])
    return value and value.is == "thing" and things.powers[node[2][1]] ~= nil
  end)
end

local function function_given(run, call)
  local value = call[2] and values.of(run, call[2])
  if value and value.is == "function" then return value.node end
end

local function is_asking(run, call)
  local fn = function_given(run, call)
  if fn then return asks_altinn(run, fn) end
  local value = call[2] and values.of(run, call[2])
  return value and value.is == "method"
end

local function uses(scope, var)
  local list = {}
  tree.each(scope, function(node)
    if node.tag == "Id" and node.var == var and node ~= var.node then list[#list + 1] = node end
  end)
  return list
end

local QUIET = { done = true, skip = true }

-- `if not ok then return done() end`
local function quiet_branch(run, use)
  local up = use.up
  local is_not = up.tag == "Op" and up[1] == "not"
  local branch = is_not and up.up
  if not branch or branch.tag ~= "If" then return nil end
  for index = 1, #branch - 1, 2 do
    if branch[index] == up then
      local last = branch[index + 1][#branch[index + 1]]
      local value = last and last.tag == "Return" and last[1] and values.of(run, last[1])
      if last and last.tag == "Return" and (not last[1] or value and QUIET[value.name]) then return last end
    end
  end
end

local SWALLOWED = "a failed call to Altinn is swallowed here: the run ends as done, and nobody tries again"
local RETHROW = "write local ok, failure = pcall(…), and error(failure, 0) unless failure.code is one that you expect"

local function check_pcall(run, node)
  if not is_asking(run, node) then return end
  if tree.is_statement(node) then return run:add("swallowed", node, SWALLOWED, RETHROW) end
  local statement = node.up.up
  if not statement or statement.tag ~= "Local" then return end
  local ok, failure = statement[1][1], statement[1][2]
  local scope = tree.function_of(node) or run.chunk.tree
  if not ok or not ok.var then return end
  local of_ok = uses(scope, ok.var)
  if #of_ok == 0 and not (failure and failure.var and #uses(scope, failure.var) > 0) then
    return run:add("swallowed", node, SWALLOWED, RETHROW)
  end
  for _, use in ipairs(of_ok) do
    local last = quiet_branch(run, use)
    local is_told = last and failure and failure.var and tree.any(use.up.up, function(one)
      return one.tag == "Id" and one.var == failure.var
    end)
    if last and not is_told then run:add("swallowed", last, SWALLOWED, RETHROW) end
  end
end

-- Iterators.

local function check_for(run, node)
  local list = node[2][1]
  local value = #node[2] == 1 and values.of(run, list)
  local is_list = value and (value.is == "list" or list.tag == "Table")
    or value and value.is == "answer" and (value.path[#value.path] == "attachments"
      or value.path[#value.path] == "statusHistory")
  if is_list then
    run:add("iterator", list, ("%s is a list, and 'for … in' wants an iterator"):format(tree.show(list)),
      ("write for _, one in ipairs(%s) do"):format(tree.show(list)), run:wrap(list, "ipairs(", ")"))
  end
end

M.nodes.Forin = check_for

-- Methods of texts.

local TEXTS = { attribute = true, text = true, ["thing id"] = true, joined = true }

function M.nodes.Invoke(run, node)
  check_wait(run, node)
  local value, name = values.of(run, node[1]), node[2][1]
  if not value or not TEXTS[value.is] or string[name] then return end
  run:add("undefined", node, strict.message("string", name, string))
end

-- Joining a thing and a text.

local function check_joined(run, node)
  for index = 2, 3 do
    local one = node[index]
    local value = one and values.of(run, one)
    if value and (value.is == "thing" or value.is == "event" or value.is == "answer" and #value.path == 0
      or value.is == "context") then
      local member = value.is == "thing" and ".id" or value.is == "event" and ".id" or ""
      run:add("joined", one, ("%s is no text, and joining it with '..' raises"):format(tree.show(one)), member ~= ""
        and ("write %s%s"):format(tree.show(one), member) or "name a member of it", member ~= ""
        and run:replace(one, tree.show(one) .. member))
    end
  end
end

function M.nodes.Op(run, node)
  if node[1] == "concat" then check_joined(run, node) end
end

local CLOCKS = { ["os.date"] = true }

function M.nodes.Call(run, node)
  local called = values.of(run, node[1])
  local name = called and called.is == "native" and called.name
  if called and called.is == "word" and called.name == "step" then check_step(run, node) end
  if not name then return end
  check_blocking(run, node, name)
  if CLOCKS[name] then check_clock(run, node, name) end
  if name == "require" then check_require(run, node)
  elseif name == "pcall" or name == "xpcall" then check_pcall(run, node)
  elseif name == "coroutine.yield" then check_yield(run, node) end
end

return M
