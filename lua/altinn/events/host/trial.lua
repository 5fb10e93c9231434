-- Tries new rules before they come into force: runs their specs by `altinn-events test` in a process of its own, on the
-- texts that the host has read. The host's thread looks at it now and then, and never waits for it.
local cjson = require("cjson.safe").new()  -- an own instance: settings of the shared one would reach other code
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local paths = require "altinn.events.support.path"
local sources = require "altinn.events.rules.sources"

local M = {}

local SECONDS = 60       -- that all specs may take, when the configuration does not say
local GRACE = 5          -- seconds that the process has to end and to report, when it was told to
local MOST = 16 << 20    -- bytes of the report
local SHOWN = 10         -- lines of the log about one trial
local LINE = 300         -- bytes of a line

local Trial = {}
Trial.__index = Trial

local now = host.steady

-- The words by which this process was started, without what was asked of it.
local function own_command()
  local words, first = {}, 0
  if type(arg) ~= "table" or not arg[0] then return { "altinn-events" } end
  while arg[first - 1] do first = first - 1 end
  for index = first, 0 do words[#words + 1] = arg[index] end
  return words
end

local function command_of(config, seconds)
  local words = own_command()
  for _, word in ipairs { "test", "--json", "--texts", "--limit", ("%ds"):format(seconds) } do
    words[#words + 1] = word
  end
  for _, path in ipairs(config.rules) do words[#words + 1] = path end
  return words
end

--- Starts the specs of rules.
---@param config table
---@param set table the rules, with their texts
---@return table|nil trial
---@return string|nil message
function M.start(config, set)
  local seconds = config.test.seconds or SECONDS
  local text, message = cjson.encode { texts = set.sources, folders = config.rules }
  local child
  if text then child, message = host.spawn(command_of(config, seconds), text) end
  if not child then return nil, message end
  return setmetatable({ child = child, seconds = seconds, ends = now() + seconds, output = {}, errors = {}, bytes = 0,
    set = set }, Trial)
end

-- Reads what there is. A report without end is cut.
local function drain(self)
  for name, list in pairs { output = self.output, errors = self.errors } do
    local text = self.child:read(name)
    if text and text ~= "" and self.bytes + #text <= MOST then
      list[#list + 1], self.bytes = text, self.bytes + #text
    end
  end
end

local function line_of(file, spec)
  local place = spec.line and ("%s:%d"):format(file, spec.line) or file
  local why = tostring(spec.message or "it failed"):match "^[^\n]*"
  return ("%s: %s: %s"):format(place, spec.name, why):sub(1, LINE)
end

local function failures(report)
  local lines = {}
  for _, file in ipairs(report.files) do
    for _, spec in ipairs(file.specs) do
      if spec.state == "failed" or spec.state == "error" then lines[#lines + 1] = line_of(file.file, spec) end
    end
  end
  local more = #lines - SHOWN
  if more > 0 then lines = table.move(lines, 1, SHOWN, 1, { [SHOWN + 1] = ("and %d more"):format(more) }) end
  return lines
end

-- Without a report: what the process said last.
local function last_words(self)
  local last = "it said nothing"
  for line in table.concat(self.errors):gmatch "[^\n]+" do last = line end
  return { last:gsub("^altinn%-events: ", ""):sub(1, LINE) }
end

local function judge(self)
  local report = cjson.decode(table.concat(self.output))
  if type(report) ~= "table" then return false, "the specs could not be run", last_words(self) end
  local counts = report.counts
  if report.ok then return true, ("%d passed"):format(counts.passed), {} end
  local reason = self.told and ("the specs took longer than %d s"):format(self.seconds)
    or ("the specs fail: %d of %d"):format(counts.failed + counts.errors,
      counts.passed + counts.failed + counts.errors + counts.pending)
  return false, reason, failures(report)
end

local function hurry(self)
  if now() < self.ends then return end
  self.child:signal(self.told and "KILL" or "TERM", self.told)
  self.told, self.ends = true, now() + GRACE
end

--- Looks how it goes.
---@return boolean|nil passed nil while it runs
---@return string|nil reason
---@return string[]|nil lines a line for each failure; bounded, and masked
function Trial:look()
  drain(self)
  if not self.child:has_ended() then
    hurry(self)
    return nil
  end
  drain(self)
  self.child:close()
  return judge(self)
end

--- Tells it to end, and does not wait.
function Trial:stop() self.child:signal "TERM" end

--- Sees to it that it has ended; to be called some time after stop.
function Trial:close()
  local ends = now() + GRACE
  while not self.child:has_ended() and now() < ends do
    drain(self)
    host.sleep(0.01)
  end
  self.child:close()
end

--- In the process that runs the specs: takes the texts from standard input in place of the files.
function M.take_texts()
  host.end_with_parent()
  local given = assert(cjson.decode(io.read "a"))
  sources.stand_in(given.texts, given.folders, paths.folder())
end

return M
