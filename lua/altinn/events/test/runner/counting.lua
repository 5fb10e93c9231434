-- Counts the lines that run in this Lua state: those of rules that a spec loads without a world.
local M = {}

local counts = {}

local function on_line(_, line)
  local source = debug.getinfo(2, "S").source
  local own = counts[source]
  if not own then
    own = {}
    counts[source] = own
  end
  own[line] = (own[line] or 0) + 1
end

-- Each coroutine has a hook of its own.
local function counted(body)
  return function(...)
    debug.sethook(on_line, "l")
    return body(...)
  end
end

--- Begins to count, also in coroutines that are made from now on. To be called again when another hook was set.
function M.start()
  debug.sethook(on_line, "l")
  if M.create then return end
  local create, wrap = coroutine.create, coroutine.wrap
  M.create = create
  rawset(coroutine, "create", function(body) return create(type(body) == "function" and counted(body) or body) end)
  rawset(coroutine, "wrap", function(body) return wrap(type(body) == "function" and counted(body) or body) end)
end

--- Counts as JSON holds them: texts for lines; those of the files that are wanted.
---@param list table<string, table<integer, integer>> file, with or without "@" -> line -> count
---@param is_wanted fun(path: string): boolean
---@return table<string, table<string, integer>> counts
function M.of_files(list, is_wanted)
  local wanted = {}
  for source, own in pairs(list) do
    local path = source:gsub("^@", "")
    if is_wanted(path) then
      wanted[path] = {}
      for line, count in pairs(own) do wanted[path][tostring(line)] = count end
    end
  end
  return wanted
end

--- The counts until now of the files that are wanted.
---@param is_wanted fun(path: string): boolean
---@return table<string, table<string, integer>> counts file -> line -> count
function M.counts(is_wanted)
  return M.of_files(counts, is_wanted)
end

return M
