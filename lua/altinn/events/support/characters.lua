-- Characters that look like others or like nothing, which programs for writing letters put into a text.
local M = {}

-- Each with its name, and what stands for it in Lua: quotation marks, the minus, a blank, nothing.
local KNOWN = {
  { "\226\128\156", "“", '"', "quote" }, { "\226\128\157", "”", '"', "quote" }, { "\226\128\158", "„", '"', "quote" },
  { "\194\171", "«", '"', "quote" }, { "\194\187", "»", '"', "quote" }, { "\226\128\152", "‘", "'", "quote" },
  { "\226\128\153", "’", "'", "quote" }, { "\194\180", "´", "'", "quote" }, { "`", "`", "'", "quote" },
  { "\226\128\147", "–", "-", "dash" }, { "\226\128\148", "—", "--", "dash" },
  { "\194\160", "a no-break space (U+00A0)", " ", "blank" },
  { "\226\128\175", "a narrow space (U+202F)", " ", "blank" },
  { "\226\128\139", "a zero-width space (U+200B)", "", "blank" },
  { "\239\187\191", "a byte order mark (U+FEFF)", "", "blank" },
  { "\226\128\166", "…", "", "dots" },
}

---@class altinn.events.odd_character
---@field at integer its first byte
---@field bytes string
---@field name string for people
---@field instead string what Lua wants in its place
---@field kind "quote"|"dash"|"blank"|"dots"

--- The first such character of a text, from a place on.
---@param text string
---@param from integer|nil
---@return altinn.events.odd_character|nil
function M.next(text, from)
  local first
  for _, one in ipairs(KNOWN) do
    local at = text:find(one[1], from or 1, true)
    if at and (not first or at < first.at) then
      first = { at = at, bytes = one[1], name = one[2], instead = one[3], kind = one[4] }
    end
  end
  return first
end

--- The text with all of one kind replaced.
---@param text string
---@param kind string
---@return string
function M.plain(text, kind)
  for _, one in ipairs(KNOWN) do
    if one[4] == kind then text = text:gsub(one[1]:gsub("%p", "%%%0"), (one[3]:gsub("%%", "%%%%"))) end
  end
  return text
end

return M
