-- One load: wrk posts events to a server for some seconds.
local lib = require "spec.bench.lib"
local machine = require "spec.bench.machine"
local sample = require "spec.bench.sample"

local M = {}

-- Each load has ids of its own, in this run and in those before.
local salt = os.time() % 0x1000000 * 256

local COMMAND = "%swrk -t1 -c%d -d%ds -s spec/bench/load.lua http://127.0.0.1:%d%s -- %s %08x"

local function check(server, facts)
  if facts.refused > 0 or facts.broken > 0 then
    error(("%s: %d requests refused, %d broken"):format(server[1].name, facts.refused, facts.broken), 0)
  end
end

---@param server table of peers.lua
---@param load { connections: integer, seconds: number, whose: string|nil }
---@return table facts rate (a second), p50 and p99 (µs), cpu (µs of the server for a request), count, seconds
function M.run(server, load)
  M.events = M.events or sample.file()
  salt = (salt + 1) % 0x100000000
  local before = server:cpu()
  local facts = lib.facts(lib.capture(COMMAND:format(machine.pin(load.whose or "client"), load.connections,
    load.seconds, server.port, server.path or "/", M.events, salt)))
  check(server, facts)
  facts.cpu = (server:cpu() - before) / facts.count * 1e6
  return facts
end

--- The medians of a list of facts.
function M.medians(list)
  local medians = {}
  for _, name in ipairs { "rate", "p50", "p99", "cpu" } do
    local values = {}
    for i, facts in ipairs(list) do values[i] = facts[name] end
    medians[name] = lib.median(values)
  end
  return medians
end

--- "p50 500, p99 900 µs, 7.1 µs of its processor a request".
function M.describe(name, list)
  local medians, rates = M.medians(list), {}
  for i, facts in ipairs(list) do rates[i] = facts.rate / 1000 end
  return ("%s %sk/s, p50 %.0f p99 %.0f µs, %.1f µs of processor a request"):format(name, lib.span(rates, "%.0f"),
    medians.p50, medians.p99, medians.cpu)
end

return M
