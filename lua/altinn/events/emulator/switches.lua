-- Switches for the faults of the real Altinn, and faults that strike the next n requests or pushes.
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local wire = require "altinn.events.emulator.wire"

local M = {}

-- name -> its description. The value of a switch is true; for switches marked so a chance between 0 and 1.
M.switches = {
  ["lookup-cache"] = { "which subscriptions fit is remembered for an hour" },
  ["authorisation-cache"] = { "the policy's answers are remembered for an hour, whatever the subject" },
  ["sender-copies"] = { "published, never read and never confirmed go to the sender too, as before 2026-07-13" },
  ["party-subjects"] = { "subjects are /party/{id}, as before 2025-10-27" },
  ["dialogporten"] = { "Dialogporten's events come along on the letters' resource" },
  ["lost-publish"] = { "an event gets lost before it reaches Altinn Events", chance = true },
  ["republish"] = { "an event is published again, with a new id", chance = true },
  ["duplicates"] = { "a push is made twice", chance = true },
  ["vanish"] = { "a push is never made", chance = true },
  ["unordered"] = { "pushes wait for up to two seconds, each its own" },
}

-- kind -> the description of the fault.
M.faults = {
  fail = "an attempt fails without being made", unanswered = "an attempt is made, its answer gets lost",
  double = "a push is made twice", delay = "a push comes later, by `seconds`", vanish = "a push is never made",
  reorder = "so many pushes are held, then leave in random order", lose = "an event is lost before it is registered",
  republish = "an event is published again, with a new id",
}

local Switches = {}
Switches.__index = Switches

--- All off.
---@return table switches
function M.new()
  return setmetatable({ on = {}, pending = {}, last = 0 }, Switches)
end

local function unknown(word, candidates, what)
  return ("there is no %s '%s'%s; there are %s"):format(what, tostring(word), suggest.hint(tostring(word), candidates),
    table.concat(sorted(candidates), ", "))
end

--- Why a switch cannot have a value; nil: it can.
---@param name string
---@param value any
---@return string|nil
function M.fault(name, value)
  local switch = M.switches[name]
  if not switch then return unknown(name, M.switches, "switch") end
  local is_chance = switch.chance and type(value) == "number" and value >= 0 and value <= 1
  if type(value) ~= "boolean" and not is_chance then
    return ("%s must be true or false%s"):format(name, switch.chance and ", or a chance between 0 and 1" or "")
  end
end

-- Sets one; nil and a message when that cannot be.
function Switches:set(name, value)
  local message = M.fault(name, value)
  if message then return nil, message end
  self.on[name] = value ~= 0 and value or nil
  return true
end

-- Whether a switch is on now; by its chance, where it has one.
function Switches:strikes(name)
  local value = self.on[name]
  if type(value) == "number" then return wire.random() < value end
  return value == true
end

-- Adds a fault: { kind, next, seconds, status, subscription, type }, of the right types.
function Switches:add_fault(fault)
  if not M.faults[fault.kind] then return nil, unknown(fault.kind, M.faults, "fault") end
  self.last = self.last + 1
  local one = { id = self.last, kind = fault.kind, left = fault.next or 1, seconds = fault.seconds or 0,
    status = fault.status, subscription = fault.subscription, type = fault.type, held = {} }
  self.pending[#self.pending + 1] = one
  return one
end

local function concerns(fault, subscription, kind)
  return (fault.subscription == nil or fault.subscription == subscription)
    and (fault.type == nil or kind:sub(-#fault.type) == fault.type)
end

-- The fault of a kind that strikes this one (by subscription's number and event type), used up by one; or nil.
function Switches:take(kind, subscription, event_type)
  for index, fault in ipairs(self.pending) do
    if fault.kind == kind and concerns(fault, subscription, event_type) then
      fault.left = fault.left - 1
      if fault.left == 0 then table.remove(self.pending, index) end
      return fault
    end
  end
  return nil
end

-- Forgets all faults. What they hold is given back as a list.
function Switches:clear_faults()
  local held = {}
  for _, fault in ipairs(self.pending) do table.move(fault.held, 1, #fault.held, #held + 1, held) end
  self.pending = {}
  return held
end

return M
