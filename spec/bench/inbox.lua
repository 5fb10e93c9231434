-- Storing: the inbox against a plain table, 64 a commit.
local lib = require "spec.bench.lib"
local program = require "spec.bench.program"
local sample = require "spec.bench.sample"

local M = {}

--- The program that fills and compares inboxes.
function M.program()
  return program.compile("inbox", { sources = "inbox_main.c inbox_ours.c inbox_plain.c", rooms = "core http inbox host",
    libraries = program.HOST_LIBRARIES })
end

function M.run(report, pace)
  local folder = lib.folder .. "/stores"
  local quick = pace.loads < 5
  local stored, count = quick and 50000 or 200000, quick and 10000 or 30000
  local binary = M.program()
  assert(os.execute(("rm -rf %s && mkdir -p %s"):format(folder, folder)))
  local ok, text = pcall(lib.capture, ("%s compare %s %s %d %d %d"):format(binary, sample.file(), folder, stored, count,
    pace.loads))
  os.execute("rm -rf " .. folder)
  if not ok then error(text, 0) end
  local rates = lib.numbers(text)
  local ours, plain = lib.median(rates.ours), lib.median(rates.plain)
  report { name = "inbox", axis = "inbox append, 64 per commit, against SQLite with UNIQUE (source, id)",
    ours = lib.rate(ours), peer = lib.rate(plain), value = ours / plain, format = "%.1fx", must = 2, reach = 5 }
  report.note(("inbox: ours %s/s, plain %s/s, %.0f works in a group, %s events there before"):format(
    lib.span(rates.ours, "%.0f"), lib.span(rates.plain, "%.0f"), lib.median(rates.group), lib.thousands(stored)))
end

return M
