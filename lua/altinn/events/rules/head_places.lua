-- Where the parts of rules stand in the text of their file: rule { when = { resource = … } } has a place for `when`,
-- one for `resource` in it, and one for the value of that.
local syntax = require "altinn.events.rules.syntax"

local M = {}

local Places = {}
Places.__index = Places

local function is_rule(node)
  return node.tag == "Call" and node[1].tag == "Id" and node[1][1] == "rule"
end

local function item_of(fields, key)
  local place, found = 0, nil
  for _, item in ipairs(fields) do
    local is_pair = item.tag == "Pair"
    if not is_pair then place = place + 1 end
    local name = item[1]
    local is_named = is_pair and (name.tag == "String" and name[1] == key
      or name.tag == "Number" and tonumber((tostring(name[1]))) == key)
    if is_named or not is_pair and place == key then found = item end
  end
  return found
end

local function collect(node, rules)
  if is_rule(node) then
    local fields = node[2] and node[2].tag == "Table" and node[2] or nil
    local name = fields and item_of(fields, "name")
    rules[#rules + 1] = { line = node.line, call = node, fields = fields,
      name = name and name.tag == "Pair" and name[2].tag == "String" and name[2][1] or nil }
  end
  for _, child in ipairs(node) do
    if type(child) == "table" then collect(child, rules) end
  end
end

--- Reads the text of a rule file.
---@param text string
---@return table|nil places nil when nothing can read it
function M.read(text)
  local tree = syntax.parse(text)
  if not tree then return nil end
  local rules = {}
  collect(tree, rules)
  return setmetatable({ tree = tree, rules = rules, text = text }, Places)
end

--- Reads the text of a file that returns a table, as a configuration does.
---@param text string
---@return table|nil places with `table`, which stands for a rule in its methods
function M.returned(text)
  local tree = syntax.parse(text)
  local last = tree and tree[#tree]
  if not last or last.tag ~= "Return" or not last[1] then return nil end
  local fields = last[1].tag == "Table" and last[1] or nil
  return setmetatable({ tree = tree, text = text, table = { call = last, fields = fields } }, Places)
end

--- The rule of a name, or the one that begins in a line.
---@param name string|nil
---@param line integer|nil
---@return table|nil rule
function Places:rule(name, line)
  local found
  for _, one in ipairs(self.rules) do
    if name and one.name == name and (not found or one.line == line) then found = one end
  end
  if found then return found end
  for _, one in ipairs(self.rules) do
    if one.line == line or not line and #self.rules == 1 then return one end
  end
end

-- The table that holds a value: itself, or the argument of a word such as no { … }.
local function table_in(node)
  if node.tag == "Call" and node[2] and node[1].tag == "Id" then node = node[2] end
  return node.tag == "Table" and node or nil
end

--- The node of a part, or of the nearest part around it that the text shows.
---@param rule table of Places:rule
---@param part (string|integer)[]
---@param at_key boolean|nil the part's name, not its value
---@return table node
---@return boolean exact
function Places:node(rule, part, at_key)
  local fields, node = rule.fields, rule.call
  for index, step in ipairs(part) do
    local item = fields and item_of(fields, step)
    if not item then return node, false end
    local is_last = index == #part
    if item.tag == "Pair" then node = is_last and at_key and item[1] or item[2] else node = item end
    fields = item.tag == "Pair" and table_in(item[2]) or table_in(item)
  end
  return node, true
end

-- A line of a text.
local function line_of(text, number)
  local at = 1
  for _ = 2, number do
    at = (text:find("\n", at, true) or #text) + 1
  end
  return text:sub(at, (text:find("\n", at, true) or #text + 1) - 1)
end

-- A part of a text, counted in characters; in bytes where it is no UTF-8.
local function cut(line, from, to)
  local length = utf8 and utf8.len(line)
  if not length then return line:sub(from, to) end
  if from > length + 1 or to > length then return "" end
  return line:sub(utf8.offset(line, from), utf8.offset(line, to + 1) - 1)
end

--- The text of a node.
---@param node table
---@return string
function Places:source(node) return cut(self.text, node.offset, node.end_offset) end

--- Where a node begins.
---@param node table
---@return integer line
---@return integer column
function Places:position(node) return syntax.position(self.tree, node) end

--- The text of all bodies of a rule, blanks aside; nil when one of them is no function that stands there.
---@param rule table of Places:rule
---@return string|nil
function Places:bodies(rule)
  local parts = {}
  for _, item in ipairs(rule.fields or {}) do
    local name, value = item[1], item[2]
    if item.tag == "Pair" and value.tag == "Function" then
      parts[#parts + 1] = (name.tag == "String" and name[1] or "?") .. "=" .. self:source(value):gsub("%s+", " ")
    elseif item.tag == "Pair" and name[1] == "run" then return nil end
  end
  return #parts > 0 and table.concat(parts, "\0") or nil
end

local function quoted(list)
  local parts = {}
  for index, one in ipairs(list) do parts[index] = ("%q"):format(one) end
  return table.concat(parts, ", ")
end

-- An insertion before a node, or behind it.
local function inserted(self, node, text, is_behind)
  local line, column = self:position(node)
  if is_behind then column = column + node.end_offset - node.offset + 1 end
  return { { line = line, column = column, end_line = line, end_column = column, text = text } }
end

--- The edit that gives a rule more powers: in the list of its `may`, or in a new one, with those that it has without,
--- before `run`. nil: the text has no place for it.
---@param rule table of Places:rule
---@param missing string[]
---@param all string[] what a new `may` says
---@return altinn.events.edit[]|nil
function Places:empowered(rule, missing, all)
  local may, run = item_of(rule.fields or {}, "may"), item_of(rule.fields or {}, "run")
  if may then
    local list = may[2]
    local last = list.tag == "Table" and list[#list]
    if not last or last.tag ~= "String" or last.line ~= list.line then return nil end
    return inserted(self, last, ", " .. quoted(missing), true)
  elseif run and run.tag == "Pair" then
    local line, column = self:position(run[1])
    local before = line_of(self.text, line):sub(1, column - 1)
    local is_first = not before:find("%S")
    return inserted(self, run[1], ("may = { %s },%s"):format(quoted(all), is_first and "\n" .. before or " "))
  end
end

--- The edit that puts a word in the place of a node that is a name or a text with the word `instead` in it. Only such a
--- node has one.
---@param node table
---@param instead string what stands there
---@param word string
---@return altinn.events.edit[]|nil
function Places:replaced(node, instead, word)
  if type(instead) ~= "string" or not node.end_offset then return nil end
  local line, column = self:position(node)
  local last = column + node.end_offset - node.offset
  local found = cut(line_of(self.text, line), column, last)
  local quote = found:match("^([\"'])")
  if quote and found == quote .. instead .. quote then word = quote .. word .. quote
  elseif found ~= instead then return nil end
  return { { line = line, column = column, end_line = line, end_column = last + 1, text = word } }
end

return M
