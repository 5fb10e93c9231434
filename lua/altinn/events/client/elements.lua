-- Splits a JSON array into the texts of its elements, so that a reader can refuse one and take the others.
local M = {}

-- The place behind a string whose opening quote stands at `at`; nil when it has no end.
local function after_string(text, at)
  repeat
    at = text:find('["\\]', at + 1)
    if not at then return nil end
    local escaped = text:sub(at, at) == "\\"
    if escaped then at = at + 1 end
  until not escaped
  return at + 1
end

-- The place of the comma or bracket behind the value that begins at `at`.
local function end_of_value(text, at)
  local depth = 0
  while true do
    local place = text:find('["%[%]{},]', at)
    if not place then return nil end
    local found = text:sub(place, place)
    at = place + 1
    if found == '"' then
      at = after_string(text, place)
      if not at then return nil end
    elseif found == "[" or found == "{" then
      depth = depth + 1
    elseif depth == 0 then
      return place
    elseif found ~= "," then
      depth = depth - 1
    end
  end
end

--- The texts of the elements, in order. The elements themselves are not checked.
---@param text string
---@return string[]|nil elements nil when the text is no array
function M.of(text)
  local at = text:match("^%s*%[()")
  local list = {}
  if not at or text:find("^%s*%]", at) then return at and list or nil end
  repeat
    local stop = end_of_value(text, at)
    if not stop then return nil end
    list[#list + 1] = text:sub(at, stop - 1)
    at = stop + 1
  until text:sub(stop, stop) == "]"
  return text:find("^%s*$", at) and list or nil
end

return M
