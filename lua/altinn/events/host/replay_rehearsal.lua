-- What the runs of a replay would send: the host rehearses them in a simulation, with what Altinn answered before.
-- Nothing is sent, and nothing is stored.
local inbox_module = require "altinn.events.host.inbox"
local known_answers = require "altinn.events.host.known_answers"
local rehearsal = require "altinn.events.host.rehearsal"

local M = {}

--- Replays with more runs are not rehearsed.
M.MOST = 20000

-- The events of the pairs, as if they came now.
local function events_of(path, pairs_of, last)
  local stream, message = inbox_module.stream(path, { after = pairs_of.first - 1 })
  if not stream then return nil, message end
  local now = os.time()
  return function()
    for row in stream do
      if row.sequence > last then return nil end
      if pairs_of[row.sequence] then
        return { sequence = row.sequence, body = row.body, subscription = row.subscription, received = now }
      end
    end
  end
end

local function count(inbox, runs, pairs_of)
  local found = { go = 0, held_back = 0, unknown = 0, targets = {} }
  for _, run in ipairs(runs) do
    if pairs_of[run.given.sequence][run.rule] then
      if run.unknown then found.unknown = found.unknown + 1 end
      for _, effect in ipairs(run.effects) do
        local sent, message, code = inbox:is_sent(effect.key)
        if sent == nil then return nil, message, code end
        if sent then found.held_back = found.held_back + 1
        else
          found.go = found.go + 1
          found.targets[effect.target] = (found.targets[effect.target] or 0) + 1
        end
      end
    end
  end
  return found
end

--- Rehearses the runs of a replay.
---@param options { path: string, inbox: userdata, config: table, set: table, forced: table, pairs: table,
---  last: integer, progress: fun(count: integer)|nil } pairs: sequence -> { [rule] = true }, and `first`, the first
---  sequence; last: the last one
---@return { go: integer, held_back: integer, unknown: integer, targets: table<string, integer> }|nil effects go: would
---  be sent, at once or by a timer; held_back: were sent before under their keys; unknown: runs that read what Altinn
---  was never asked; targets: those that go, by target
---@return string|nil message
function M.of(options)
  local config = { forced = options.forced }
  for name, value in pairs(options.config) do config[name] = value end
  local next_event, message = events_of(options.path, options.pairs, options.last)
  if not next_event then return nil, message end
  local outcome
  outcome, message = rehearsal.run { config = config, set = options.set, next = next_event,
    answer = known_answers.of(options.path), progress = options.progress }
  if not outcome then return nil, message end
  return count(options.inbox, outcome.runs, options.pairs)
end

return M
