-- The test world: `local test = require "altinn.events.test"`. Rules run in the real host, on a clock that the spec
-- moves, with Altinn in the emulator and targets that do as they are told.
local verdicts = require "altinn.events.rules.verdicts"

local M = {}

--- Fixes ids, jitter and chance of the worlds that name no seed of their own.
---@type integer|nil
M.seed = nil

--- Whether worlds count the lines of rules that run; see M.coverage.
---@type boolean|nil
M.covers = nil

--- Called with each world that is about to close, those with a crash aside.
---@type fun(world: altinn.events.test.world)|nil
M.observe = nil

M.workdays = verdicts.workdays

local open, counted = setmetatable({}, { __mode = "k" }), {}

-- Adds how often the lines of files ran.
local function add(counts, files)
  for file, lines in pairs(files) do
    counts[file] = counts[file] or {}
    for line, count in pairs(lines) do counts[file][line] = (counts[file][line] or 0) + count end
  end
end

local function defaults()
  return { seed = M.seed, host = os.getenv "ALTINN_EVENTS_TEST_HOST", coverage = M.covers or nil,
    opened = function(world) open[world] = true end,
    closing = function(world)
      open[world] = nil
      if M.observe and not world.with_crash then M.observe(world) end
      if M.covers then add(counted, world:coverage()) end
    end }
end

--- A world of its own.
---@param options altinn.events.test.options
---@return altinn.events.test.world
function M.world(options) return require("altinn.events.test.world").new(options, defaults()) end

--- Closes all worlds that are open; raises what their hosts did wrong.
function M.finish()
  local list, faults = {}, {}
  for world in pairs(open) do list[#list + 1] = world end
  for _, world in ipairs(list) do
    local fine, message = pcall(world.close, world)
    if not fine then faults[#faults + 1] = tostring(message) end
  end
  table.sort(faults)
  if #faults > 0 then error(table.concat(faults, "\n"), 0) end
end

--- How often each line of the rules' files ran in all worlds so far.
---@return table<string, table<integer, integer>> coverage
function M.coverage()
  local all = {}
  add(all, counted)
  for world in pairs(open) do add(all, world:coverage()) end
  return all
end

return M
