-- Reading Lua without running it, by luacheck as a library (the rock luacheck, Debian's lua-check). No other file knows
-- luacheck. Its parser gives the tree; its linearizer finds the local variable of each name, and what can be reached.
local M = {}

M.MISSING = "luacheck's parser is not there (luarocks install luacheck, or apt install lua-check): what the bodies of"
  .. " rules name was not looked at"

-- Debian has luacheck for Lua 5.1 alone, though any Lua can run it.
local ELSEWHERE = "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.3/?.lua"

local STAGES = { "parse", "unwrap_parens", "linearize", "resolve_locals" }

local function find_elsewhere(name)
  if not name:find("^luacheck%.") then return nil end
  local path = package.searchpath and package.searchpath(name, ELSEWHERE)
  return path and assert(loadfile(path)) or ("\n\tno file for '%s' in %s"):format(name, ELSEWHERE)
end

local function required()
  local library = { state = require "luacheck.check_state" }
  for index, name in ipairs(STAGES) do library[index] = require("luacheck.stages." .. name) end
  return library
end

local luacheck

-- The modules of luacheck; nil when they are not there.
local function find_luacheck()
  if luacheck then return luacheck end
  local ok, library = pcall(required)
  if not ok then
    local searchers = package.searchers or rawget(package, "loaders")
    searchers[#searchers + 1] = find_elsewhere
    ok, library = pcall(required)
    table.remove(searchers)
  end
  luacheck = ok and library or nil
  return luacheck
end

--- Whether there is a parser.
---@return boolean
function M.available()
  return find_luacheck() ~= nil
end

-- Marks the blocks of a statement: lists of statements.
local mark = {}
function mark.Function(node) node[2].is_block = true end
function mark.While(node) node[2].is_block = true end
function mark.Repeat(node) node[1].is_block = true end
function mark.Do(node) node.is_block = true end
function mark.Fornum(node) node[#node].is_block = true end
function mark.Forin(node) node[3].is_block = true end
function mark.If(node)
  for index = 2, #node, 2 do node[index].is_block = true end
  if #node % 2 == 1 then node[#node].is_block = true end
end

-- Whether a name is that of a local function.
local function is_function(var)
  local last = var.values[#var.values]
  return last ~= nil and last.type == "func"
end

-- Gives each node its parent as `up`, and collects the calls, the assignments, and the names of local functions.
local function link(node, up, kept)
  local tag = node.tag
  node.up = up
  if mark[tag] then mark[tag](node) end
  if tag == "Call" or tag == "Invoke" or tag == "Id" and node.var and is_function(node.var) then
    kept.uses[#kept.uses + 1] = node
  elseif tag == "Set" then kept.sets[#kept.sets + 1] = node end
  for index = 1, #node do
    local child = node[index]
    if type(child) == "table" then link(child, node, kept) end
  end
end

---@class altinn.events.chunk
---The tree of a text, as luacheck's parser makes it: nodes with `tag`, `line`, `offset`, `end_offset`. Beside that each
---node has its parent as `up`; a list of statements has `is_block`; an Id has its local variable as `var`: { name,
---type, node, values }; a function has as `unreached` the statements in it that nothing reaches.
---@field tree table
---@field offsets integer[] where each line begins
---@field uses table[] all nodes that are calls, with a colon or without, or names of local functions, in the order of
---  the text
---@field sets table[] all nodes that are assignments

-- The flow of functions.

local function pass() end

-- The statements of a function that nothing reaches: the first one of each such part.
local function unreached(line)
  local seen, found = {}, {}
  line:walk(seen, 1, pass)
  for index, item in ipairs(line.items) do
    local node = item.node
    local is_statement = node and node.up and node.up.is_block and not item.loop_end
    if not seen[index] and is_statement then
      found[#found + 1] = node
      line:walk(seen, index, pass)
    end
  end
  return found
end

-- Drops what the linearizer knows of each step, which is most of what it keeps.
local function forget(line)
  for _, item in ipairs(line.items) do
    item.accesses, item.mutations, item.used_values, item.lines, item.set_variables = nil, nil, nil, nil, nil
  end
  line.items, line.accessed_upvalues, line.mutated_upvalues, line.set_upvalues, line.lines = nil, nil, nil, nil, nil
end

-- The chunks of texts, as long as somebody else holds them too.
local recent = setmetatable({}, { __mode = "v" })

local function read(library, text)
  local state = library.state.new((text:gsub("^\239\187\191", ""):gsub("^#[^\n]*", "")))
  local ok = pcall(function()
    for index = 1, #STAGES do library[index].run(state) end
  end)
  if not ok then return nil end
  local kept = { uses = {}, sets = {} }
  link(state.ast, nil, kept)
  state.ast.is_block = true
  for index = 2, #state.lines do state.lines[index].node.unreached = unreached(state.lines[index]) end
  for _, line in ipairs(state.lines) do forget(line) end
  state.ast.offsets = state.line_offsets
  return { tree = state.ast, offsets = state.line_offsets, uses = kept.uses, sets = kept.sets }
end

--- Reads a text.
---@param text string
---@return altinn.events.chunk|nil chunk nil when the text cannot be read
function M.chunk(text)
  local library = find_luacheck()
  local chunk = library and (recent[text] or read(library, text))
  recent[text] = chunk
  return chunk
end

--- The syntax tree of a text.
---@param text string
---@return table|nil tree also for M.position, instead of its chunk
function M.parse(text)
  local chunk = M.chunk(text)
  if chunk then chunk.tree.chunk = chunk end
  return chunk and chunk.tree
end

-- Where a character stands: line and column, both from 1.
local function place_of(offsets, offset)
  local low, high = 1, #offsets
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if offsets[middle] <= offset then low = middle else high = middle - 1 end
  end
  return low, offset - offsets[low] + 1
end

--- Where a node begins.
---@param chunk altinn.events.chunk|table or its tree
---@param node table
---@return integer line
---@return integer column of its first character
function M.position(chunk, node)
  return place_of(chunk.offsets, node.offset)
end

--- Where a node ends.
---@param chunk altinn.events.chunk
---@param node table
---@return integer line
---@return integer column after its last character
function M.ending(chunk, node)
  local line, column = place_of(chunk.offsets, node.end_offset)
  return line, column + 1
end

--- The uses in a function: see altinn.events.chunk.
---@param chunk altinn.events.chunk
---@param fn table
---@return fun(): table|nil iterator
function M.uses(chunk, fn)
  local list = chunk.uses
  local low, high = 1, #list + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if list[middle].offset < fn.offset then low = middle + 1 else high = middle end
  end
  return function()
    local node = list[low]
    low = low + 1
    return node and node.offset <= fn.end_offset and node or nil
  end
end

return M
