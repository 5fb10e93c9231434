-- The values in a text that are known without running it: constants, and tables of constants.
local M = {}

--- Stands for a value that is known only when the text runs.
M.UNKNOWN = setmetatable({}, { __name = "altinn.events.unknown" })

local plain = {
  String = function(node) return node[1] end, Number = function(node) return tonumber((tostring(node[1]))) end,
  True = function() return true end, False = function() return false end, Nil = function() return nil end,
}

--- Whether a node is a constant: a text, a number, true, false, nil, or a table, which counts as true.
---@param node table
---@return boolean
function M.is_constant(node)
  return plain[node.tag] ~= nil or node.tag == "Table"
end

--- Whether a node is a constant that counts as true.
---@param node table
---@return boolean
function M.is_true(node)
  return M.is_constant(node) and node.tag ~= "False" and node.tag ~= "Nil"
end

--- The value of a node; nil also for the constant nil.
---@param node table
---@param known fun(node: table): any|nil gives the value of any other node; nil: unknown
---@return any value M.UNKNOWN when it is known at run time only; tables hold it too
function M.value(node, known)
  if plain[node.tag] then return plain[node.tag](node) end
  if node.tag ~= "Table" then
    local value = known(node)
    if value == nil then return M.UNKNOWN end
    return value
  end
  local made, count = {}, 0
  for _, item in ipairs(node) do
    local is_pair = item.tag == "Pair"
    if not is_pair then count = count + 1 end
    local key = count
    if is_pair then key = M.value(item[1], known) end
    if key ~= nil and key ~= M.UNKNOWN then made[key] = M.value(is_pair and item[2] or item, known) end
  end
  return made
end

--- Whether a table's text has a name that is known at run time only: { [name] = 1 }.
---@param node table of a table
---@return boolean
function M.has_open_names(node)
  for _, item in ipairs(node) do
    if item.tag == "Pair" and not plain[item[1].tag] then return true end
  end
  return false
end

--- The keys that a table's text has more than once.
---@param node table of a table
---@return { name: string, node: table }[]
function M.doubled(node)
  local seen, found = {}, {}
  for _, item in ipairs(node) do
    local key = item.tag == "Pair" and plain[item[1].tag] and M.value(item[1])
    if key and seen[key] then found[#found + 1] = { name = tostring(key), node = item[1] } end
    if key then seen[key] = true end
  end
  return found
end

--- The expressions `or`, `and` and `not` whose first operand is a constant, so that they decide nothing.
---@param node table
---@param found table[] gets { word, node }
function M.decided(node, found)
  if node.tag == "Function" then return end
  local word = node.tag == "Op" and node[1]
  if (word == "or" or word == "and" or word == "not") and M.is_constant(node[2]) then
    found[#found + 1] = { word = word, node = node }
  end
  for _, child in ipairs(node) do
    if type(child) == "table" then M.decided(child, found) end
  end
end

--- A constant that makes a condition always true: "b" in `x == "a" or "b"`.
---@param node table of a condition
---@return table|nil node
function M.always(node)
  if node.tag ~= "Op" or node[1] ~= "or" then return nil end
  for index = 2, 3 do
    if M.is_true(node[index]) then return node[index] end
  end
  return M.always(node[2]) or M.always(node[3])
end

return M
