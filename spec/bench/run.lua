-- The benchmark: own and peer by turns in one sitting, medians, ratios.
-- Usage: make bench BENCH="quick parse match"; words pick sittings by the
-- beginning of their names, `quick` makes the rounds shorter.
local lib = require "spec.bench.lib"
local machine = require "spec.bench.machine"
local table_of = require "spec.bench.table"

-- name, module, function
local SITTINGS = {
  { "parse", "parse", "lua" },
  { "parse-c", "parse", "c" },
  { "match", "match", "run" },
  { "judge", "http", "judge" },
  { "durable", "http", "durable" },
  { "nginx", "http", "nginx" },
  { "inbox", "inbox", "run" },
  { "verdict", "verdict", "run" },
  { "budget", "budget", "run" },
  { "start", "start", "run" },
}

-- rounds, and seconds of each, within a process; seconds and number of the
-- loads over HTTP
local FULL = { rounds = 7, short = 0.25, load = 3, loads = 5 }
local QUICK = { rounds = 3, short = 0.1, load = 1, loads = 3 }

local function names()
  local list = {}
  for i, sitting in ipairs(SITTINGS) do list[i] = sitting[1] end
  return table.concat(list, " ")
end

local function known(word)
  for _, sitting in ipairs(SITTINGS) do
    if sitting[1]:sub(1, #word) == word then return true end
  end
  return false
end

local function read_words(words)
  local pace, wanted = FULL, {}
  for _, word in ipairs(words) do
    if word == "quick" then pace = QUICK
    elseif known(word) then wanted[#wanted + 1] = word
    else error(("there is no '%s'; there are: quick %s"):format(word, names()), 0) end
  end
  return pace, wanted
end

local function picked(name, wanted)
  for _, word in ipairs(wanted) do
    if name:sub(1, #word) == word then return true end
  end
  return #wanted == 0
end

local function reporter()
  return setmetatable({ rows = {}, notes = {} }, {
    __call = function(self, row) self.rows[#self.rows + 1] = row end,
    __index = {},
  })
end

local function sit(report, sitting, pace)
  io.stderr:write("bench: ", sitting[1], "\n")
  local ok, message = xpcall(function() require("spec.bench." .. sitting[2])[sitting[3]](report, pace) end,
    function(problem) return type(problem) == "string" and problem or debug.traceback(tostring(problem)) end)
  if not ok then report { name = sitting[1], axis = sitting[1], failed = message } end
  return ok
end

local function main(words)
  local pace, wanted = read_words(words)
  assert(os.execute("mkdir -p " .. lib.folder))
  local report, fine, began = reporter(), true, lib.now()
  report.note = function(text) report.notes[#report.notes + 1] = text end
  for _, sitting in ipairs(SITTINGS) do
    if picked(sitting[1], wanted) then fine = sit(report, sitting, pace) and fine end
  end
  print(machine.describe())
  print(machine.versions())
  print(table_of.render(report.rows))
  for _, note in ipairs(report.notes) do print("  " .. note) end
  print(("took %.0f s"):format(lib.now() - began))
  return fine
end

local ok, result = pcall(main, arg)
if not ok then io.stderr:write("bench: ", tostring(result), "\n") end
os.exit(ok and result, true)
