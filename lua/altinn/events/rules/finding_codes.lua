-- The codes of findings: for each what it means, why it matters, what to do, and the smallest example that has it.
local sorted = require("altinn.events.support.names").sorted

local M = {}

---@class altinn.events.finding_code
---@field severity "error"|"warning"|"hint"
---@field summary string what the finding says, in a few words
---@field why string what would happen otherwise
---@field remedy string what to do
---@field example altinn.events.finding_example

---@class altinn.events.finding_example
---@field wrong string|table<string, string> the text of rules/example.lua; or the texts of files by path
---@field right string|table<string, string> the same, corrected: nothing is found there
---@field file string|nil where the finding stands; rules/example.lua when it is left out
---@field line integer|nil
---@field column integer|nil

-- One file for each kind of place at which a mistake stands.
local PLACES = { "heads", "files", "configuration", "bodies", "given", "acts" }

local rows

local function all()
  if rows then return rows end
  rows = {}
  for _, name in ipairs(PLACES) do
    for code, row in pairs(require("altinn.events.rules.codes." .. name)) do
      assert(not rows[code], code)
      rows[code] = row
    end
  end
  return rows
end

--- What is known of a code.
---@param code string
---@return altinn.events.finding_code|nil
function M.find(code) return all()[code] end

--- All codes, sorted.
---@return string[]
function M.names() return sorted(all()) end

return M
