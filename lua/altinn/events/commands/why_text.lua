-- The answer of `why` as text: the answer of each rule first, in one line, then what it rests on.
local output = require "altinn.events.commands.output"
local texts = require "altinn.events.support.text"

local M = {}

local SHOWN = 10  -- events of a line

local function because(text) return text and text ~= "" and ": " .. texts.beginning(text) or "" end

local function print_condition(one, matched)
  local flip = one.flip and ("; %s if %s"):format(one.holds and "it would fail" or "it would hold", one.flip) or ""
  output.line("    %s %-18s wants %s, got %s%s", one.holds and "holds " or "FAILS ", one.attribute, one.wants,
    one.got or "nothing", matched and "" or flip)
end

local function print_asked(one)
  local flip = one.flip
  output.line("    %s %-18s wants %s%s", one.holds == false and "FAILS " or "asked ", one.attribute, one.wants,
    one.holds == false and ("; it would run if %s, or if %s"):format(flip.event, flip.rule) or "")
end

local function print_conditions(entry)
  if entry.gone then output.line("    it is not among the rules") end
  for _, one in ipairs(entry.conditions or {}) do print_condition(one, entry.matched) end
  if entry.conditions and #entry.conditions == 0 then output.line("    it has no condition: it wants every event") end
  for _, one in ipairs(entry.asked or {}) do print_asked(one) end
end

local function print_blockers(entry)
  for place, one in ipairs(entry.not_yet or {}) do
    if place > 1 then output.line("    and: %s", one.text) end
    if one.remedy then output.line("    -> %s", one.remedy) end
    if one.kind == "behind" and one.before > 1 and not one.more then
      local first = math.max(1, #one.events - SHOWN + 1)
      output.line("       before it, in order: %s%s", one.before > SHOWN and "… " or "",
        table.concat(one.events, ", ", first))
    end
    for _, head in ipairs(one.head and one.head.not_yet or {}) do
      if head.kind ~= "time" then output.line("       the head waits: %s", head.text) end
    end
  end
end

local again = {}

function again.attempt(one)
  return ("attempt %d was %s%s%s"):format(one.attempt, one.verdict, because(one.reason),
    one.version and " (version " .. one.version .. ")" or "")
end

function again.act(one)
  return ("by hand: %s by %s (it was %s)%s"):format(one.act, one.who, one.before or "?", because(one.reason))
end

function again.start() return "the host started; a run that was under way began again" end

local function print_again(entry)
  if not entry.again or #entry.again < 2 then return end
  for _, one in ipairs(entry.again) do
    output.line("    before: %s%s %s", one.time, one.earlier and " or earlier," or "", again[one.what](one))
  end
end

local function print_run(run)
  if run.remedy then output.line("    -> %s", run.remedy) end
  for _, one in ipairs(run.effects) do
    output.line("    effect for %s: %s%s (key %s)%s", one.target, one.state, one.status and " " .. one.status or "",
      one.key, because(one.reason))
  end
  if run.would then output.line("    it would have done: %s", texts.beginning(run.would)) end
end

local function print_entry(entry)
  output.line("%s: %s", entry.rule, entry.answer)
  print_blockers(entry)
  if entry.run then print_run(entry.run) end
  print_again(entry)
  print_conditions(entry)
end

-- How many conditions do not hold.
local function distance(entry)
  local count = 0
  for _, one in ipairs(entry.conditions or {}) do count = count + (one.holds and 0 or 1) end
  return count
end

-- The rules that do not want the event, in one line: their number, and the one that misses it least.
local function print_others(others)
  local nearest
  for _, entry in ipairs(others) do
    if not nearest or distance(entry) < distance(nearest) then nearest = entry end
  end
  if not nearest then return end
  local many = #others == 1 and "1 rule does not want it" or ("%d rules do not want it"):format(#others)
  output.line("%s (--all shows why); %s%s: %s", many, #others > 1 and "the nearest, " or "", nearest.rule,
    nearest.answer)
end

local function is_concerned(entry) return entry.matched or entry.run ~= nil end

local function has_open_run(answer)
  for _, entry in ipairs(answer.rules) do
    if entry.not_yet and (#entry.not_yet > 0 or entry.in_flight == nil and entry.answer:find "^not yet") then
      return true
    end
  end
  return false
end

--- Prints an answer of altinn.events.host.why.
---@param answer table
---@param whole boolean also the rules that do not want the event, each with its conditions; a single rule is always
---  shown so
function M.print(answer, whole)
  local others = {}
  whole = whole or #answer.rules == 1
  output.line("%s%s", answer.event, answer.sequence and (" (event %d of the inbox)"):format(answer.sequence) or "")
  for _, entry in ipairs(answer.rules) do
    if whole or is_concerned(entry) then print_entry(entry) else others[#others + 1] = entry end
  end
  print_others(others)
  if #answer.rules == 0 then output.line("there is no rule") end
  if answer.unasked and has_open_run(answer) then
    output.line("(judged by the inbox file alone: %s)", answer.unasked)
  end
end

return M
