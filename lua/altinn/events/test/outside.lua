-- What leaves a simulated host: calls to Altinn go to the emulator, effects to the world's targets.
local behaviours = require "altinn.events.test.behaviour"
local invariants = require "altinn.events.test.invariants"
local look = require "altinn.events.test.look"

local M = {}

-- What a sender sees of each death, as libcurl tells it.
local deaths = {
  ["at connect"] = { error = "Could not connect to server", code = "network", not_sent = true },
  ["in TLS"] = { error = "the TLS handshake failed", code = "tls", not_sent = true },
  ["before the request"] = { error = "Empty reply from server", code = "network", not_sent = false },
  ["in the body"] = { error = "Recv failure: Connection reset by peer", code = "network", not_sent = false },
  ["after the body"] = { error = "Empty reply from server", code = "network", not_sent = false },
}

-- Calls to Altinn.

local function ask_altinn(world, request, reply)
  world.altinn:request(request, function(answer)
    if answer.status == 0 then return reply(deaths["after the body"]) end
    if answer.cut then
      return reply { error = "transfer closed with outstanding read data remaining", code = "network",
        not_sent = false }
    end
    return reply { status = answer.status, headers = answer.headers, body = answer.body }
  end)
end

-- Effects.

local function replies_of_carrier(request, decision)
  if request.carrier ~= "aside" then
    if decision.dies and decision.dies ~= "after the status" then return deaths[decision.dies] end
    local body = decision.body or ""
    if request.mail then body = ("%d %s\r\n"):format(decision.status, body ~= "" and body or "OK") end
    return { status = decision.status, headers = decision.headers or {}, body = body }
  end
  if decision.dies then
    local known = not behaviours.deaths[decision.dies]
    return { outcome = known and "not_sent" or "unknown", code = 0, answer = "",
      text = known and "it cannot be reached" or "it died, and nobody knows whether it was done" }
  end
  local good = decision.status == 0
  return { outcome = good and "sent" or "refused", code = decision.status, answer = decision.body or "",
    text = good and "" or ("it ended with status %d"):format(decision.status) }
end

-- Seconds after which whoever carries an action aside gives it up.
local PATIENCE = 30

local function answer_later(world, request, decision, call)
  if decision.seconds < behaviours.SLOW then return world.host:after(decision.seconds, call) end
  if request.carrier ~= "aside" then return end   -- the host stops waiting by itself
  decision.dies = "after the body"
  return world.host:after(request.timeout or PATIENCE, call)
end

local function deliver(world, request, reply)
  local target = world.targets[request.target]
  local life = world.host.life
  world.answering = true
  local fine, decision, item = pcall(target.take, target, request, function()
    return look.has_probe(world, request.rule, request.event, request.target)
  end, life)
  world.answering = false
  if not fine then error(decision, 0) end
  local over = item and item.key and invariants.sent(world, request, item.key)
  local function answer()
    if over then over() end
    if item and not decision.dies then target:heard(item, life) end
    return reply(replies_of_carrier(request, decision))
  end
  if decision.seconds then return answer_later(world, request, decision, answer) end
  return world.host:after(0, answer)
end

--- The function that takes what leaves the host.
---@param world table
---@return fun(request: table, reply: fun(reply: table))
function M.of(world)
  return function(request, reply)
    local over = invariants.begun(world, request)
    local function answer(value)
      over()
      return reply(value)
    end
    if request.target then return deliver(world, request, answer) end
    return ask_altinn(world, request, answer)
  end
end

return M
