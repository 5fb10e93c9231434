-- comparison: what two rehearsals of the same events differ in, run by run.
local M = {}

---@class altinn.events.comparison.row
---@field rule string
---@field thing string|nil "letter:ID" and the like
---@field given table the event, as the rehearsal got it
---@field before altinn.events.rehearsal.run|nil
---@field after altinn.events.rehearsal.run|nil

-- A reason without the file and line of an error: the same rule in another folder, or with a comment more, says the
-- same.
local function without_place(reason) return (reason:gsub("[%w_./%-]+%.lua:%d+: ", "")) end

-- What a reader of the verdict would call the same. Times at which a body was tried again after an error are chance,
-- and are left out; those of timers are the rule's.
local function signature(run)
  local parts = { run.state, without_place(run.reason) }
  for _, one in ipairs(run.attempts) do
    if one.state == "later" then parts[#parts + 1] = without_place(one.reason) end
  end
  for _, effect in ipairs(run.effects) do
    parts[#parts + 1] = effect.target .. "\1" .. effect.key .. "\1" .. effect.request
  end
  parts[#parts + 1] = table.concat(run.acts, "\1")
  parts[#parts + 1] = run.would or ""
  return table.concat(parts, "\0")
end

local function key_of(run) return run.rule .. "\0" .. run.event end

--- Compares two rehearsals of the same events.
---@param before altinn.events.rehearsal.run[]
---@param after altinn.events.rehearsal.run[]
---@return { appear: altinn.events.comparison.row[], vanish: altinn.events.comparison.row[],
---  change: altinn.events.comparison.row[], unknown: altinn.events.comparison.row[], same: integer } difference
---  unknown: runs that read what nobody knows, under one of the two
function M.of(before, after)
  local found = { appear = {}, vanish = {}, change = {}, unknown = {}, same = 0 }
  local left = {}
  local function add(kind, old, new)
    local one = new or old
    local unknown = old and old.unknown or new and new.unknown
    table.insert(found[unknown and "unknown" or kind],
      { rule = one.rule, thing = one.thing, given = one.given, before = old, after = new })
  end
  for _, run in ipairs(before) do left[key_of(run)] = run end
  for _, run in ipairs(after) do
    local old = left[key_of(run)]
    left[key_of(run)] = nil
    if not old then add("appear", nil, run)
    elseif old.unknown or run.unknown then add("unknown", old, run)
    elseif signature(old) ~= signature(run) then add("change", old, run)
    else found.same = found.same + 1 end
  end
  for _, run in ipairs(before) do
    if left[key_of(run)] == run then add("vanish", run, nil) end
  end
  return found
end

return M
