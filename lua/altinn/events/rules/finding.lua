-- A finding of `check`: how it is made, ordered and told.
local codes = require "altinn.events.rules.finding_codes"
local core = require "altinn.events.core"
local faults = require "altinn.events.support.faults"

local M = {}

---@class altinn.events.edit
---@field line integer of the first character that is replaced
---@field column integer of it; columns count characters (bytes where the file is no UTF-8) from 1
---@field end_line integer
---@field end_column integer of the first character that stays: an insertion ends where it begins
---@field text string that stands there instead

---@class altinn.events.finding
---@field code string of rules/finding_codes.lua
---@field severity "error"|"warning"|"hint" error: the host refuses it; warning: it will surprise; hint: worth a look
---@field file string|nil
---@field line integer|nil
---@field column integer|nil
---@field rule string|nil
---@field message string what is wrong, and why it matters
---@field remedy string|nil what to do
---@field fix altinn.events.edit[]|nil edits of the file, when they certainly are what the author meant

--- Makes a finding. Its severity is that of its code.
---@param code string
---@param place { file: string|nil, line: integer|nil, column: integer|nil, rule: string|nil }
---@param message string
---@param remedy string|nil
---@param fix altinn.events.edit[]|nil
---@return altinn.events.finding
function M.new(code, place, message, remedy, fix)
  local row = codes.find(code) or error(("no finding has the code '%s'"):format(code), 2)
  if not remedy then message, remedy = faults.apart(message) end
  return {
    code = code, severity = row.severity, file = place.file, line = place.line, column = place.column,
    rule = place.rule, message = core.mask(message), remedy = remedy and core.mask(remedy), fix = fix,
  }
end

--- Orders findings by file, line and column.
---@param list altinn.events.finding[]
---@return altinn.events.finding[] list the same
function M.sorted(list)
  local place = {}
  for index, one in ipairs(list) do place[one] = index end
  table.sort(list, function(a, b)
    local x, y = a.file or "", b.file or ""
    if x ~= y then return x < y end
    if (a.line or 0) ~= (b.line or 0) then return (a.line or 0) < (b.line or 0) end
    if (a.column or 0) ~= (b.column or 0) then return (a.column or 0) < (b.column or 0) end
    return place[a] < place[b]
  end)
  return list
end

--- Whether one of them is this severe.
---@param list altinn.events.finding[]
---@param severity string
---@return boolean
function M.has(list, severity)
  for _, one in ipairs(list) do
    if one.severity == severity then return true end
  end
  return false
end

--- What is wrong and what to do, as one sentence, with the name of the rule.
---@param finding altinn.events.finding
---@return string
function M.sentence(finding)
  local name = finding.rule and ("rule '%s': "):format(finding.rule) or ""
  return core.mask(name .. faults.sentence(finding.message, finding.remedy))
end

--- What to do about a finding: its own remedy, or that of its code.
---@param finding altinn.events.finding
---@return string
function M.remedy(finding) return finding.remedy or codes.find(finding.code).remedy end

--- The sentence of a finding, which always says what to do.
---@param finding altinn.events.finding
---@return string
function M.told(finding)
  if finding.remedy then return M.sentence(finding) end
  return faults.sentence(M.sentence(finding), M.remedy(finding))
end

--- A finding as a line of the log: "file:line: sentence".
---@param finding altinn.events.finding
---@return string
function M.text(finding)
  local at = finding.file and (finding.line and ("%s:%d: "):format(finding.file, finding.line) or finding.file .. ": ")
  local kind = finding.severity ~= "error" and finding.severity .. ": " or ""
  return core.mask((at or "") .. kind) .. M.sentence(finding)
end

--- A finding as a line of compilers: "file:line:column: severity: sentence [code]".
---@param finding altinn.events.finding
---@return string
function M.line(finding)
  local at = finding.file or "altinn-events"
  if finding.line then at = ("%s:%d:%d"):format(at, finding.line, finding.column or 1) end
  return ("%s: %s: %s [%s]"):format(core.mask(at), finding.severity, M.told(finding), finding.code)
end

return M
