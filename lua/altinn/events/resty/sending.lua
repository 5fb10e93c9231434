-- The effects of a run in nginx: prepared all, then sent in their order, each
-- once by its key, whichever run and worker has it.
-- luacheck: globals ngx
local effects = require "altinn.events.rules.effects"
local http = require "altinn.events.resty.http"
local memories = require "altinn.events.resty.memory"
local outcomes = require "altinn.events.resty.outcome"
local retries = require "altinn.events.client.retry"
local rules = require "altinn.events.rules.language"

local M = {}

local WAIT_SECONDS = 20  -- for another run that is sending the same effect
local MARGIN = 30        -- seconds that an effect may take beyond the target's timeout

local TEMPORARY = { [408] = true, [425] = true, [429] = true }

-- The rule may return the same effect again: a key that it did not give is
-- not written into it.
local function keyed(run, effect, number)
  if effect.key ~= nil then return effect end
  local event = ngx.encode_base64(memories.key(run.event), true)
  return setmetatable({ key = { run.rule.name, event, effect.place or number } }, { __index = effect })
end

--- The requests of effects, and the keys under which they are sent once.
---@param run table { rule =, event = }
---@param list table[] what the rule returned
---@param targets table<string, table>
---@return table[]|nil items each { target =, key =, request = }
---@return string|nil message what is wrong with one of them
function M.prepare(run, list, targets)
  local items, seen = {}, {}
  for number, effect in ipairs(list) do
    local target = tostring(effect.target)
    if not rules.may(run.rule, "send:" .. target) then
      return nil, ("the rule may not send to target '%s': \"send:%s\" is missing in its may"):format(target, target)
    end
    local request, key = effects.prepare(keyed(run, effect, number), targets)
    if not request then return nil, key end
    if seen[key] then return nil, ("two effects have the key %s: each needs its own"):format(key) end
    seen[key] = true
    items[number] = { target = target, key = key, request = request }
  end
  return items
end

local function judge(run, item, reply, message, code)
  if not reply then
    return outcomes.again(run, ("target '%s': %s"):format(item.target, message), { kind = code or "network" })
  end
  if reply.status >= 200 and reply.status < 300 then return nil end
  local reason = ("target '%s' answered %d"):format(item.target, reply.status)
  local again = TEMPORARY[reply.status] or reply.status >= 500 or rules.names_failure(run.rule, reply.status)
  if not again then return outcomes.settled("dead", reason) end
  return outcomes.again(run, reason, { kind = reply.status, after = outcomes.wish(retries.after(reply.headers)) })
end

local function exchange(memory, run, item)
  if memory:is_sent(item.key) then return nil end
  local failure = judge(run, item, http.request(item.request))
  if not failure then memory:sent(item.key) end
  return failure
end

local function send(memory, run, item)
  local name = "effect " .. item.key
  local lock = memory:lock(name, WAIT_SECONDS, item.request.timeout + MARGIN)
  if not lock then
    return outcomes.again(run, ("another run is sending the effect with the key %s"):format(item.key),
      { kind = "host" })
  end
  local ok, failure = pcall(exchange, memory, run, item)
  memory:unlock(name, lock)
  if not ok then error(failure, 0) end
  return failure
end

--- Sends what was not sent; the first failure ends it.
---@param memory table
---@param run table { rule =, attempt =, first = }
---@param items table[] of prepare
---@return table outcome
function M.carry_out(memory, run, items)
  for _, item in ipairs(items) do
    local failure = send(memory, run, item)
    if failure then return failure end
  end
  return outcomes.settled "done"
end

return M
