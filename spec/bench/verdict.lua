-- From POST to verdict: a rule that skips every event. The host and wrk
-- share two cores; nginx and wrk have one each, which is best for them. What
-- counts is the time until the last event that was posted has its verdict in
-- the inbox.
local http = require "socket.http"
local lib = require "spec.bench.lib"
local machine = require "spec.bench.machine"
local peers = require "spec.bench.peers"
local wrk = require "spec.bench.wrk"

local M = {}

local RULE = [[rule {
  name = "skip", on = "no.altinn.correspondence.*",
  run = function(event) return skip("not ours: " .. event.type) end,
}
]]
local CONNECTIONS = 64
local PATIENCE = 60

local function metric(server, name)
  local text = assert(http.request(("http://127.0.0.1:%d/metrics"):format(server.admin)))
  local sum = 0
  for value in text:gmatch("\naltinn_events_" .. name .. "%S* ([%d.]+)") do sum = sum + tonumber(value) end
  return sum
end

-- One load and the time until all of it is settled: verdicts a second.
local function sustained(server, seconds)
  local before, start = metric(server, "verdicts_total"), lib.now()
  local facts = wrk.run(server, { connections = CONNECTIONS, seconds = seconds, whose = "both" })
  local during = metric(server, "verdicts_total") - before
  lib.wait(PATIENCE, "the verdicts", function()
    return metric(server, "waiting") == 0 and metric(server, "verdicts_total") - before >= facts.count
  end)
  local spent = lib.now() - start
  facts.answered = facts.rate
  facts.rate, facts.during = (metric(server, "verdicts_total") - before) / spent, during / facts.seconds
  return facts
end

local function column(list, name)
  local values = {}
  for i, facts in ipairs(list) do values[i] = facts[name] end
  return lib.median(values)
end

function M.run(report, pace)
  local what = { name = "verdict", axis = "from POST to verdict, 2 cores, against nginx return 200", must = 0.2,
    reach = 0.3, format = "%.3f", bar = "%.2f" }
  if not (machine.has "wrk" and machine.has "nginx") then
    what.missing = "wrk nginx-light"
    return report(what)
  end
  local host <close> = peers.host("both", "host-verdict", RULE)
  local nginx <close> = peers.nginx "server"
  local load = { connections = CONNECTIONS, seconds = pace.load }
  local facts = lib.turns(pace.loads, {
    { "ours", function() return sustained(host, pace.load + 1) end },
    { "nginx", function() return wrk.run(nginx, load) end },
  })
  local ours, peer = column(facts.ours, "rate"), column(facts.nginx, "rate")
  what.ours, what.peer, what.value = lib.rate(ours), lib.rate(peer), ours / peer
  report(what)
  report.note(("verdict: %s verdicts a second while the load is on, %s answers a second; p50 %.0f p99 %.0f µs"):format(
    lib.thousands(column(facts.ours, "during")), lib.thousands(column(facts.ours, "answered")),
    column(facts.ours, "p50"), column(facts.ours, "p99")))
end

return M
