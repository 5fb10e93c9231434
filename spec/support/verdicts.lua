-- What this Lua makes of generated events, a line each: to be compared, byte
-- for byte, with what another makes of them. As a program it prints as many
-- lines as it is told.
local events = require "altinn.events"
local generator = require "spec.support.generator"

local function of_fault(fault)
  return ("%s/%s/%s/%s"):format(fault.code, tostring(fault.attribute), tostring(fault.position), fault.message)
end

local function refusal(message, code, detail)
  local faults = {}
  for i, fault in ipairs(detail.faults or {}) do faults[i] = of_fault(fault) end
  return ("%s|%s|%s|%s|%s"):format(code, message, tostring(detail.position), tostring(detail.attribute),
    table.concat(faults, ";"))
end

local function acceptance(event)
  local seconds, nanoseconds = events.time(event)
  local meaning = events.describe(event)
  local party = meaning.party or {}
  return ("ok|%s|%s|%s.%s|%s|%s|%s"):format(events.encode(event), tostring(event), tostring(seconds),
    tostring(nanoseconds), tostring(meaning.name), tostring(meaning.about), tostring(party.number))
end

local M = {}

--- What this Lua makes of the event of that number.
function M.line(number)
  local event, message, code, detail = events.parse(generator.text(number))
  return ("%d|%s"):format(number, event and acceptance(event) or refusal(message, code, detail))
end

--- All lines, as one text; how many events were accepted.
function M.all(count)
  local lines, accepted = {}, 0
  for number = 1, count do
    lines[number] = M.line(number)
    if lines[number]:find("^%d+|ok|") then accepted = accepted + 1 end
  end
  return table.concat(lines, "\n") .. "\n", accepted
end

if tonumber((...)) then io.write((M.all(tonumber((...))))) end

return M
