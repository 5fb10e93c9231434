-- Why the rules did what they did with an event, in a few lines.
local lines = require "altinn.events.dev.lines"

local M = {}

local function add_conditions(list, entry)
  for _, one in ipairs(entry.conditions or {}) do
    list[#list + 1] = ("    %s %s: wants %s, got %s"):format(one.holds and "holds" or "FAILS",
      lines.clean(one.attribute), lines.masked(one.wants), lines.masked(one.got or "nothing"))
  end
end

local function add_blockers(list, entry)
  for _, one in ipairs(entry.not_yet or {}) do
    list[#list + 1] = "    " .. lines.masked(one.text or one.kind or "it waits")
    if one.remedy then list[#list + 1] = "    -> " .. lines.masked(one.remedy) end
  end
end

--- The answer as lines.
---@param session table
---@param row table of the inbox
---@return string[] list
function M.lines(session, row)
  local house = session.house
  local answer, message = require("altinn.events.host.why").of { inbox = house.config.inbox,
    sequence = row.sequence, set = house.set, config = house.config, now = house:now() }
  if not answer then return { lines.masked(message) } end
  local list = { ("#%d %s"):format(row.sequence, lines.masked(answer.event)) }
  for _, entry in ipairs(answer.rules) do
    list[#list + 1] = ("  %s: %s"):format(lines.clean(entry.rule), lines.masked(entry.answer or ""))
    add_blockers(list, entry)
    add_conditions(list, entry)
  end
  if #answer.rules == 0 then list[2] = "  there is no rule" end
  return list
end

return M
