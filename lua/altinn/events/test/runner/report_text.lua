-- The report for people: a line for each file as it ends, then each failure with its place, then the sum.
local coverage = require "altinn.events.test.runner.coverage"
local outcome = require "altinn.events.test.runner.outcome"
local texts = require "altinn.events.support.text"

local M = {}

local MOST_PRINTED = 4096  -- bytes of what a spec that failed has printed
local MOST_CALLS = 8  -- that are shown of an error

local COLOURS = { passed = "32", failed = "31", pending = "33", faint = "2" }

local Report = {}
Report.__index = Report

--- A report.
---@param write fun(text: string)
---@param run { seed: integer, options: string[], colour: boolean, errors: (fun(text: string))|nil } errors: takes what
---  specs that passed have printed
---@return table
function M.new(write, run)
  return setmetatable({ write = write, run = run }, Report)
end

local function coloured(self, colour, text)
  if not self.run.colour then return text end
  return ("\27[%sm%s\27[0m"):format(COLOURS[colour], text)
end

local function shown(text) return texts.visible(outcome.shown(text)) end

-- Each line of a text, moved to the right.
local function indented(text, by)
  return (by .. text:gsub("\n+$", ""):gsub("\n", "\n" .. by))
end

local function span(seconds)
  return seconds < 10 and ("%.2f s"):format(seconds) or ("%.1f s"):format(seconds)
end

local function counted(self, counts)
  local parts = { coloured(self, "passed", ("%d passed"):format(counts.passed)) }
  if counts.failed > 0 then parts[#parts + 1] = coloured(self, "failed", ("%d failed"):format(counts.failed)) end
  if counts.errors > 0 then
    parts[#parts + 1] = coloured(self, "failed", ("%d error%s"):format(counts.errors, counts.errors == 1 and "" or "s"))
  end
  if counts.pending > 0 then parts[#parts + 1] = coloured(self, "pending", ("%d pending"):format(counts.pending)) end
  return table.concat(parts, ", ")
end

--- A result has come. What a spec that passed has printed is shown at once, apart from the report.
function Report:result(file, result)
  local tell = self.run.errors
  if not tell or result.state == "failed" or result.state == "error" then return end
  local printed = (result.output or "") .. (result.errors or "")
  if printed == "" then return end
  tell(("%s: %s: printed\n%s\n"):format(outcome.place(file, result), shown(outcome.name(result)),
    indented(shown(printed), "  ")))
end

--- A file has ended.
function Report:file(file)
  local counts = outcome.counts { file }
  self.write(("%s  %s  %s\n"):format(shown(file.name), counted(self, counts),
    coloured(self, "faint", span(file.seconds))))
end

-- The line of a failure's spec file when the message does not name it.
local function lead_to(file, result)
  local place = result.at and ("%s:%d"):format(file.name, result.at)
  if not place or (result.message or ""):find(place, 1, true) then return "" end
  return ("%s: "):format(place)
end

-- The end of a long output.
local function last_of(text)
  local left_out = #text - MOST_PRINTED
  if left_out <= 0 then return text end
  return ("… %d bytes before\n%s"):format(left_out, text:sub(-MOST_PRINTED))
end

-- The calls that led to an error, when there is more than one.
local function way_to(trace)
  local lines = {}
  for line in (trace or ""):gmatch "\t([^\n]+)" do lines[#lines + 1] = line end
  return #lines > 1 and table.concat(lines, "\n", 1, math.min(#lines, MOST_CALLS)) or nil
end

local function write_failure(self, file, result)
  local label = result.state == "failed" and "FAILED" or "ERROR"
  self.write(("\n%s %s: %s\n"):format(coloured(self, "failed", label), shown(outcome.place(file, result)),
    shown(outcome.name(result))))
  self.write(indented(shown(lead_to(file, result) .. (result.message or "it failed")), "  ") .. "\n")
  local way = result.state == "error" and way_to(result.trace)
  if way then self.write(("  by way of:\n%s\n"):format(indented(shown(way), "    "))) end
  for _, part in ipairs { { "printed", result.output }, { "wrote to standard error", result.errors } } do
    if part[2] then self.write(("  it %s:\n%s\n"):format(part[1], indented(shown(last_of(part[2])), "    "))) end
  end
  self.write(coloured(self, "faint", "  alone: " .. shown(outcome.command(file, result, self.run))) .. "\n")
end

local function write_pending(self, file, result)
  local why = result.message and ": " .. result.message or ""
  self.write(("%s %s: %s%s\n"):format(coloured(self, "pending", "pending"), outcome.place(file, result),
    shown(result.name), shown(why)))
end

local function write_part(self, name, part, indent)
  local missed = #part.missed > 0 and ("  never run: " .. coverage.ranges(part.missed)) or ""
  self.write(("%s%5.1f %%  %s%s\n"):format(indent, part.percent, name, missed))
end

--- The coverage of the rules.
---@param parts table[]
function Report:coverage(parts)
  self.write("\nlines of the rules that were run:\n")
  for _, part in ipairs(parts) do
    write_part(self, part.file, part, "")
    for _, rule in ipairs(part.rules) do write_part(self, ("%s:%d: %s"):format(part.file, rule.line, rule.rule), rule,
      "  ") end
  end
end

--- All files have ended.
---@param files table[]
---@param whole { seconds: number, interrupted: string|nil }
function Report:finish(files, whole)
  for _, file in ipairs(files) do
    for _, result in ipairs(file.results) do
      if result.state == "pending" then write_pending(self, file, result) end
    end
  end
  for _, file in ipairs(files) do
    for _, result in ipairs(file.results) do
      if result.state == "failed" or result.state == "error" then write_failure(self, file, result) end
    end
  end
  if whole.parts then self:coverage(whole.parts) end
  self.write(("\n%s%s in %d file%s, %s, seed %d\n"):format(whole.interrupted and "interrupted; " or "",
    counted(self, outcome.counts(files)), #files, #files == 1 and "" or "s", span(whole.seconds), self.run.seed))
end

return M
