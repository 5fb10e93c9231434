-- Receiving: judged only, and durable, against nginx that does nothing and
-- against nginx with Lua and Redis. The server has one core, wrk the other.
local lib = require "spec.bench.lib"
local machine = require "spec.bench.machine"
local peers = require "spec.bench.peers"
local wrk = require "spec.bench.wrk"

local M = {}

local NOTHING = 'rule { name = "nothing", on = "x.never.raised", run = function() return skip("no") end }\n'

local function missing()
  local list = {}
  if not machine.has "wrk" then list[#list + 1] = "wrk" end
  if not machine.has "nginx" then list[#list + 1] = "nginx-light" end
  return #list > 0 and table.concat(list, " ") or nil
end

-- Servers under the same load by turns: name -> list of facts.
local function compare(list, connections, pace)
  local turns = {}
  for i, contender in ipairs(list) do
    turns[i] = { contender[1], function()
      return wrk.run(contender[2], { connections = connections, seconds = pace.load })
    end }
    wrk.run(contender[2], { connections = connections, seconds = 1 })
  end
  return lib.turns(pace.loads, turns)
end

local function row(report, facts, ours, peer, what)
  local own, other = wrk.medians(facts[ours]), wrk.medians(facts[peer])
  what.ours, what.peer, what.value = lib.rate(own.rate), lib.rate(other.rate), own.rate / other.rate
  what.format = what.format or "%.2f"
  report(what)
end

local function note(report, name, facts, list)
  for _, contender in ipairs(list) do
    report.note(name .. ": " .. wrk.describe(contender[1], facts[contender[1]]))
  end
end

function M.judge(report, pace)
  local what = { name = "judge", axis = "receive and judge, no store, 64 connections, against nginx return 200",
    must = 0.8, reach = 1, format = "%.2f", missing = missing() }
  if what.missing then return report(what) end
  local judge <close> = peers.judge "server"
  local nginx <close> = peers.nginx "server"
  local list = { { "ours", judge }, { "nginx", nginx } }
  local facts = compare(list, 64, pace)
  row(report, facts, "ours", "nginx", what)
  note(report, "judge", facts, list)
end

--- In nginx: our handler against one of cjson and checks in Lua.
---@param report table
---@param pace table
function M.nginx(report, pace)
  local what = { name = "nginx", axis = "handler with judgement in nginx, against cjson + checks in Lua",
    must = 1, reach = 1.5, format = "%.2fx", missing = missing() or peers.lua_missing() }
  if what.missing then return report(what) end
  local ours <close> = peers.handler("server", true)
  local peer <close> = peers.handler("server", false)
  local list = { { "ours", ours }, { "cjson", peer } }
  local facts = compare(list, 64, pace)
  row(report, facts, "ours", "cjson", what)
  note(report, "nginx", facts, list)
end

local SLOWEST = "its 99th percentile against that of nginx + Lua + Redis"

local function slowest(report, facts)
  local ours, peer = wrk.medians(facts.ours).p99, wrk.medians(facts.redis).p99
  report { name = "p99", axis = SLOWEST, lower = true,
    ours = ("%.1f ms"):format(ours / 1000), peer = ("%.1f ms"):format(peer / 1000), value = ours / peer,
    format = "%.2fx", must = 1.5, reach = 1 }
end

local function durable(report, pace, connections, must, reach, redis)
  local name = "durable-" .. connections
  local host <close> = peers.host("server", "host", NOTHING, "--workers 1")
  local nginx <close> = peers.nginx "server"
  local list = { { "ours", host }, { "nginx", nginx }, redis and { "redis", redis } }
  local facts = compare(list, connections, pace)
  row(report, facts, "ours", "nginx", { name = name, must = must, reach = reach,
    axis = ("receive durable, %d connections, against nginx return 200"):format(connections) })
  if redis then
    row(report, facts, "ours", "redis", { name = "redis", must = 2.5, reach = 4.5, format = "%.1fx",
      axis = "the same against nginx + Lua + Redis, appendfsync always" })
    slowest(report, facts)
  end
  note(report, name, facts, list)
end

local function with_redis(report, pace)
  local lacks = peers.redis_missing()
  if lacks then
    report { name = "redis", axis = "the same against nginx + Lua + Redis, appendfsync always", format = "%.1fx",
      must = 2.5, reach = 4.5, missing = lacks }
    report { name = "p99", axis = SLOWEST, format = "%.2fx", must = 1.5, reach = 1, missing = lacks }
    return durable(report, pace, 64, 0.3, 0.44)
  end
  local redis <close> = peers.redis "server"
  return durable(report, pace, 64, 0.3, 0.44, redis)
end

function M.durable(report, pace)
  local lacks = missing()
  if lacks then
    return report { name = "durable", axis = "receive durable", missing = lacks, format = "%.2f" }
  end
  with_redis(report, pace)
  durable(report, pace, 256, 0.4, 0.54)
end

return M
