-- The nearest right word to a misspelt one.
local M = {}

local min = math.min

-- Edits between two words: insertions, deletions, changes, swaps of
-- neighbours (Damerau-Levenshtein with adjacent transpositions).
local function distance(a, b)
  local before, above = {}, {}
  for j = 0, #b do above[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = min(row[j], before[j - 2] + 1)
      end
    end
    before, above = above, row
  end
  return above[#b]
end

--- The candidate nearest to a word, or nil when none is near.
---@param word string
---@param candidates string[]|table<string, any> a list, or a table whose keys are the words
---@param most integer|nil edits that count as near (default: a third of the word, and one)
---@return string|nil
function M.nearest(word, candidates, most)
  if type(word) ~= "string" or #word > 100 then return nil end
  local list = {}
  for key, value in pairs(candidates) do
    list[#list + 1] = type(key) == "string" and key or value
  end
  table.sort(list)
  local best, least = nil, (most or math.floor(#word / 3) + 1) + 1
  for _, candidate in ipairs(list) do
    local edits = distance(word:lower(), candidate:lower())
    if edits < least then best, least = candidate, edits end
  end
  return best
end

--- " (did you mean 'x'?)", or "" when nothing is near.
---@param word string
---@param candidates string[]|table<string, any>
---@return string
function M.hint(word, candidates)
  local best = M.nearest(word, candidates)
  return best and (" (did you mean '%s'?)"):format(best) or ""
end

return M
