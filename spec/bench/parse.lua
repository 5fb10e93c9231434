-- Reading an event: the module under Lua 5.4 against cjson, the core in C
-- against simdjson.
local lib = require "spec.bench.lib"
local program = require "spec.bench.program"
local sample = require "spec.bench.sample"

local M = {}

-- Nanoseconds an event; what the contender before has left is not its cost.
local function timed(texts, read, seconds)
  collectgarbage()
  collectgarbage()
  local count, start = 0, os.clock()
  repeat
    for i = 1, #texts do read(texts[i]) end
    count = count + #texts
  until os.clock() - start > seconds
  return (os.clock() - start) / count * 1e9
end

local function contenders()
  local cjson, events = require "cjson", require "altinn.events"
  local validate, decode, parse = require "spec.bench.validate", cjson.decode, events.parse  -- called as they are
  return {
    { "ours", parse },
    { "plain", decode },
    { "checked", function(text) return validate(decode(text)) end },
  }
end

-- Everybody must find the events good.
local function rehearse(list, texts)
  for _, contender in ipairs(list) do
    for _, text in ipairs(texts) do assert(contender[2](text), contender[1] .. " refuses an event") end
  end
end

local function row(report, name, peer, ours, theirs, must, reach)
  report {
    name = name, axis = "events.parse under Lua 5.4 against " .. peer, ours = ("%.0f ns"):format(ours),
    peer = ("%.0f ns"):format(theirs), value = theirs / ours, format = "%.1fx", must = must, reach = reach,
  }
end

function M.lua(report, pace)
  local texts, list = sample.list(), contenders()
  rehearse(list, texts)
  local turns = {}
  for i, contender in ipairs(list) do
    turns[i] = { contender[1], function() return timed(texts, contender[2], pace.short) end }
  end
  local times = lib.turns(pace.rounds, turns)
  local ours = lib.median(times.ours)
  row(report, "parse-cjson", "cjson.decode", ours, lib.median(times.plain), 8, 12)
  row(report, "parse-checked", "cjson + checks in Lua", ours, lib.median(times.checked), 20, 33)
  report.note("parse: ours " .. lib.span(times.ours, "%.0f") .. " ns, cjson " .. lib.span(times.plain, "%.0f"))
end

local function has_simdjson()
  return lib.try "echo '#include <simdjson.h>' | c++ -E -x c++ - -o /dev/null && echo yes"
end

function M.c(report, pace)
  local row_of = { name = "parse-c", axis = "the same in C, time of simdjson on-demand (nine strings, unchecked)",
    format = "%.2fx", must = 1.3, reach = 1, lower = true }
  if not has_simdjson() then
    row_of.missing = "libsimdjson-dev and g++"
    return report(row_of)
  end
  local binary = program.compile("parse_core",
    { sources = "parse_core.cpp", rooms = "core", libraries = "-lsimdjson", cxx = true })
  local times = lib.numbers(lib.capture(("%s %s %d %g 2>/dev/null"):format(binary, sample.file(), pace.rounds,
    pace.short)))
  local ours, peer = lib.median(times.ours), lib.median(times.peer)
  row_of.ours, row_of.peer, row_of.value = ("%.0f ns"):format(ours), ("%.0f ns"):format(peer), ours / peer
  report(row_of)
  report.note(("parse-c: ours %s ns, simdjson %s"):format(lib.span(times.ours, "%.0f"), lib.span(times.peer, "%.0f")))
end

return M
