-- Small questions about the nodes of a tree; see altinn.events.rules.syntax.
local M = {}

--- The text of a node that is a constant text.
---@param node table|nil
---@return string|nil
function M.text(node)
  return node and node.tag == "String" and node[1] or nil
end

--- Whether a node is a name that no local variable has.
---@param node table|nil
---@param name string|nil nil: any name
---@return boolean
function M.is_global(node, name)
  return node ~= nil and node.tag == "Id" and node.var == nil and (name == nil or node[1] == name)
end

--- Whether a node is a statement, so that its values are dropped.
---@param node table
---@return boolean
function M.is_statement(node)
  return node.up ~= nil and node.up.is_block == true
end

--- The function in which a node stands; nil: the chunk.
---@param node table
---@return table|nil
function M.function_of(node)
  local up = node.up
  while up and up.tag ~= "Function" do up = up.up end
  return up
end

--- The nearest node around a node that has one of some tags, within its function.
---@param node table
---@param tags table<string, true>
---@return table|nil
function M.enclosing(node, tags)
  local up = node.up
  while up and up.tag ~= "Function" do
    if tags[up.tag] then return up end
    up = up.up
  end
end

local LOOPS = { While = true, Repeat = true, Fornum = true, Forin = true }

--- The innermost loop around a node, within its function.
---@param node table
---@return table|nil
function M.loop_of(node) return M.enclosing(node, LOOPS) end

--- Whether a node is another one, or stands inside it.
---@param node table|nil
---@param other table
---@return boolean
function M.is_within(node, other)
  while node do
    if node == other then return true end
    node = node.up
  end
  return false
end

--- Whether two expressions have the same text.
---@param a any
---@param b any
---@return boolean
function M.same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  if a.tag ~= b.tag or #a ~= #b or a.var ~= b.var then return false end
  for index = 1, #a do
    if not M.same(a[index], b[index]) then return false end
  end
  return true
end

--- Calls a function with a node and all nodes inside it.
---@param node table
---@param call fun(node: table): boolean|nil true: do not look inside
function M.each(node, call)
  if call(node) then return end
  for index = 1, #node do
    local child = node[index]
    if type(child) == "table" then M.each(child, call) end
  end
end

--- Whether a function is true of a node, or of one inside it.
---@param node table
---@param holds fun(node: table): boolean|nil
---@return boolean
function M.any(node, holds)
  local found = false
  M.each(node, function(one)
    found = found or holds(one) == true
    return found
  end)
  return found
end

--- An expression for a message: names, members and calls as they are written, anything else as "…".
---@param node table
---@return string
function M.show(node)
  local tag = node.tag
  if tag == "Id" then return node[1] end
  if tag == "String" then return ("%q"):format(node[1]) end
  if tag == "Number" then return tostring(node[1]) end
  local name = tag == "Index" and M.text(node[2])
  if name then return M.show(node[1]) .. "." .. name end
  if tag == "Invoke" then return ("%s:%s(%s)"):format(M.show(node[1]), node[2][1], node[3] and "…" or "") end
  if tag == "Call" then return ("%s(%s)"):format(M.show(node[1]), node[2] and "…" or "") end
  return "…"
end

--- The value of a named item of a table's text.
---@param node table of a table
---@param name string
---@return table|nil value the last one of that name
---@return table|nil pair
function M.item(node, name)
  local value, pair
  for _, one in ipairs(node) do
    if one.tag == "Pair" and M.text(one[1]) == name then value, pair = one[2], one end
  end
  return value, pair
end

--- The expressions that a function returns first, of all its `return`s, not those of functions inside it.
---@param fn table
---@return table[] returns the statements
function M.returns(fn)
  if fn.returns then return fn.returns end
  local list = {}
  M.each(fn[2], function(node)
    if node.tag == "Return" then list[#list + 1] = node end
    return node.tag == "Function"
  end)
  fn.returns = list
  return list
end

return M
