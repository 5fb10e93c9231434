--- Puts a list into an order that depends on the seed; nil, false: leaves it.
---@param list table
---@param seed integer|nil|false
return function(list, seed)
  if not seed then return end
  math.randomseed(seed)
  for last = #list, 2, -1 do
    local other = math.random(last)
    list[last], list[other] = list[other], list[last]
  end
end
