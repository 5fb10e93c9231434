-- Has actions of effects carried out aside, by helper threads of the host: files, lines, programs.
local scheduler = require "altinn.events.host.scheduler"

local M = {}

--- Carries out an action; the task waits for it. While the action waits in line or is under way, the task's time does
--- not run: the action has a time of its own.
---@param worker { outward: table, ticket: integer, asides: table<integer, fun(reply: table)> }
---@param request table what jobs:aside takes
---@return altinn.events.aside_reply reply
function M.carry(worker, request)
  local ticket
  local present = scheduler.task()
  return scheduler.away(function(back)
    ticket = worker.ticket + 1
    worker.ticket, worker.asides[ticket] = ticket, back
    worker.outward:aside(request, ticket, present)
  end, function()
    worker.asides[ticket] = nil
    worker.outward:drop_aside(ticket)
  end)
end

--- The answer to an action has come.
---@param worker table
---@param ack { ticket: integer, reply: altinn.events.aside_reply }
function M.answer(worker, ack)
  local back = worker.asides[ack.ticket]
  worker.asides[ack.ticket] = nil
  if back then back(ack.reply) end
end

return M
