-- Reading Lua without running it, by luacheck's parser (the rock luacheck,
-- Debian's lua-check).
local M = {}

M.MISSING = "luacheck's parser is not there (luarocks install luacheck, or apt install lua-check): what the bodies of"
  .. " rules name was not looked at"

-- Debian has luacheck for Lua 5.1 alone, though any Lua can run it.
local ELSEWHERE = "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.3/?.lua"

local function find_elsewhere(name)
  if not name:find("^luacheck%.") then return nil end
  local path = package.searchpath and package.searchpath(name, ELSEWHERE)
  return path and assert(loadfile(path)) or ("\n\tno file for '%s' in %s"):format(name, ELSEWHERE)
end

local function require_parser()
  local ok, parser = pcall(require, "luacheck.parser")
  if ok then return parser, require "luacheck.decoder" end
  local searchers = package.searchers or rawget(package, "loaders")
  searchers[#searchers + 1] = find_elsewhere
  local parser_ok, decoder_ok, decoder
  parser_ok, parser = pcall(require, "luacheck.parser")
  decoder_ok, decoder = pcall(require, "luacheck.decoder")
  table.remove(searchers)
  if parser_ok and decoder_ok then return parser, decoder end
end

--- Whether there is a parser.
---@return boolean
function M.available()
  return require_parser() ~= nil
end

--- The syntax tree of a text: nodes with `tag`, `line`, `column`, as luacheck makes them.
---@param text string
---@return table|nil tree
function M.parse(text)
  local parser, decoder = require_parser()
  if not parser then return nil end
  text = text:gsub("^\239\187\191", ""):gsub("^#[^\n]*", "")
  local ok, tree, _, _, _, _, offsets = pcall(parser.parse, decoder.decode(text))
  if not ok or type(tree) ~= "table" then return nil end
  tree.offsets = offsets or {}
  return tree
end

--- Where a node stands.
---@param tree table of M.parse
---@param node table
---@return integer line
---@return integer column
function M.position(tree, node)
  return node.line, node.offset - (tree.offsets[node.line] or node.offset) + 1
end

return M
