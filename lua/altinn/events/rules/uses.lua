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

return M
