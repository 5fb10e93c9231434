-- What the bodies of rules use: kinds of things, and powers.
local lint = require "altinn.events.rules.lint"
local values = require "altinn.events.rules.lint.values"

local M = {}

M.kinds_of = values.kinds_of

--- The powers that the bodies of each rule use, and its head, for `may`.
---@param set table of altinn.events.rules.loading
---@return table<table, { powers: string[], complete: boolean }> used by rule; powers sorted; complete: false where a
---  body does what its text does not show, so that it may need more
function M.powers(set) return lint.powers(set) end

--- The targets that the texts of rules name, with the kind of what is sent to each.
---@param set table of altinn.events.rules.loading
---@return table<string, { kind: string, is_line: boolean|nil }> targets by name; is_line: a line of a file is sent
function M.targets(set)
  local targets, _, runs = {}, lint.of(set)
  for _, rule in ipairs(set) do
    for name, send in pairs(runs[rule] and runs[rule].sends or {}) do
      local known = targets[name] or { kind = send.kind }
      known.is_line = known.is_line or send.is_line
      targets[name] = known
    end
  end
  return targets
end

return M
