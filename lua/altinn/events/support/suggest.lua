-- Suggests the right word for a misspelt one.
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

-- The words in a name, as a set: "resourceFilter" and "max_bytes" have two each.
local function words_of(name)
  local set, count = {}, 0
  for word in name:gsub("(%l)(%u)", "%1 %2"):lower():gmatch("%w+") do
    if not set[word] then set[word], count = true, count + 1 end
  end
  return set, count
end

local function holds(outer, inner)
  for word in pairs(inner) do
    if not outer[word] then return false end
  end
  return true
end

-- The only candidate that has all words of a name, or whose words the name all has; nil when there is none, or more
-- than one.
local function by_words(name, list)
  local wanted, count = words_of(name)
  local found
  if count == 0 then return nil end
  for _, candidate in ipairs(list) do
    local has, size = words_of(candidate)
    if size > 0 and (holds(has, wanted) or holds(wanted, has)) then
      if found then return nil end
      found = candidate
    end
  end
  return found
end

local SLIPS = 2  -- a typing mistake makes so many edits at most

-- The candidate with the fewest edits, and their number; nil: none is near.
local function by_letters(name, list)
  local best, least = nil, math.floor(#name / 3) + 2
  for _, candidate in ipairs(list) do
    local edits = distance(name:lower(), candidate:lower())
    if edits < least then best, least = candidate, edits end
  end
  return best, least
end

--- The candidate that a misspelt word most likely means: one that differs by a typing mistake, else the one that shares
--- whole words with it, else the nearest by letters; nil when none is near.
---@param word string
---@param candidates string[]|table<string, any> a list, or a table whose keys are the words
---@return string|nil
function M.nearest(word, candidates)
  if type(word) ~= "string" or #word > 100 then return nil end
  local list = {}
  for key, value in pairs(candidates) do
    list[#list + 1] = type(key) == "string" and key or value
  end
  table.sort(list)
  local best, edits = by_letters(word, list)
  if best and edits <= SLIPS then return best end
  return by_words(word, list) or best
end

--- The word that certainly was meant: the only candidate that differs by a typing mistake.
---@param word any
---@param candidates string[]|table<string, any> a list, or a table whose keys are the words
---@return string|nil
function M.only(word, candidates)
  if type(word) ~= "string" or #word > 100 then return nil end
  local most, found, least = #word < 5 and 1 or SLIPS, nil, SLIPS + 1
  for key, value in pairs(candidates) do
    local candidate = type(key) == "string" and key or value
    local edits = math.abs(#candidate - #word) <= SLIPS and distance(word:lower(), candidate:lower()) or SLIPS + 1
    if edits < least then found, least = candidate, edits
    elseif edits == least and edits <= SLIPS then found = nil end
  end
  if least <= most and found ~= word then return found end
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
