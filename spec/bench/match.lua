-- From JSON to the list of matching rules: 10,000 heads against 10.
local lib = require "spec.bench.lib"
local program = require "spec.bench.program"
local sample = require "spec.bench.sample"

local M = {}

local function row(report, times, kind, must, reach)
  local few, many = lib.median(times[kind .. "_few"]), lib.median(times[kind .. "_many"])
  report {
    name = "match-" .. kind, axis = ("JSON to matching rules, %s heads: 10,000 against 10"):format(kind),
    ours = ("%.0f ns"):format(many), peer = ("%.0f ns"):format(few), value = many / few, format = "%.2fx",
    must = must, reach = reach, lower = true,
  }
end

function M.run(report, pace)
  local binary = program.compile("match_core", { sources = "match_core.c", rooms = "core" })
  local times = lib.numbers(lib.capture(("%s %s %d %g"):format(binary, sample.file(), pace.rounds, pace.short)))
  row(report, times, "equal", 1.3, 1.1)
  row(report, times, "prefix", 2, 1.5)
  report.note(("match: rules that 4096 events found: %d and %d of equal heads, %d and %d of prefix heads"):format(
    times.hits_equal_few[1], times.hits_equal_many[1], times.hits_prefix_few[1], times.hits_prefix_many[1]))
end

return M
