-- How long until the first 200, and what the host takes at rest.
local inbox = require "spec.bench.inbox"
local lib = require "spec.bench.lib"
local machine = require "spec.bench.machine"
local program = require "spec.bench.program"
local sample = require "spec.bench.sample"

local M = {}

local RULE = 'rule { name = "skip", on = "no.altinn.correspondence.*", run = function() return skip("no") end }\n'
local MIB = 1024

local function prepare(folder)
  assert(os.execute(("rm -rf %s && mkdir -p %s/rules"):format(folder, folder)))
  lib.write(folder .. "/rules/rule.lua", RULE)
  lib.write(folder .. "/altinn-events.lua", "return {}\n")
end

-- Starts the host once: facts ms, rss, pss (KiB).
local function host(binary, folder, file)
  local port, admin = lib.free_port(), lib.free_port()
  return lib.facts(lib.capture(("%s %d /events %s 500 altinn-events run %s/rules --config %s/altinn-events.lua"
    .. " --inbox %s --listen 127.0.0.1:%d --admin 127.0.0.1:%d"):format(binary, port, sample.file(), folder, folder,
    file, port, admin)))
end

local function column(list, name)
  local values = {}
  for i, facts in ipairs(list) do values[i] = facts[name] end
  return lib.median(values), values
end

local NGINX = "worker_processes 1; daemon off; pid nginx.pid; error_log stderr error;"
  .. " events {} http { access_log off; client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c;"
  .. " uwsgi_temp_path d; scgi_temp_path e; server { listen 127.0.0.1:%d; location / { return 200; } } }\n"

local function nginx(binary, folder)
  if not machine.has "nginx" then return nil end
  local port = lib.free_port()
  lib.write(folder .. "/nginx.conf", NGINX:format(port))
  local place = lib.capture("realpath " .. folder):gsub("%s+$", "")
  return lib.facts(lib.capture(("PATH=\"$PATH:/usr/sbin\" %s %d / %s 500 nginx -p %s/ -c nginx.conf -e stderr"):format(
    binary, port, sample.file(), lib.quote(place))))
end

local function measure(binary, folder, rounds)
  local own, peer = {}, {}
  for i = 1, rounds do
    own[i] = host(binary, folder, ("%s/fresh-%d.db"):format(folder, i))
    peer[i] = nginx(binary, folder)
  end
  return own, #peer > 0 and peer or nil
end

local function rows(report, own, peer)
  local ms, all = column(own, "ms")
  local pss, rss = column(own, "pss") / MIB, column(own, "rss") / MIB
  report { name = "start", axis = "start to first 200", ours = ("%.0f ms"):format(ms), value = ms, format = "%.0f ms",
    peer = peer and ("nginx %.0f ms"):format((column(peer, "ms"))), must = 50, reach = 10, lower = true }
  report { name = "memory", axis = "memory at rest (PSS)", ours = ("%.1f MiB"):format(pss), value = pss,
    peer = peer and ("nginx %.1f MiB"):format(column(peer, "pss") / MIB), format = "%.1f MiB", must = 12, reach = 6,
    lower = true }
  report.note(("start: %s ms; memory at rest: RSS %.1f MiB, PSS %.1f MiB"):format(lib.span(all, "%.0f"), rss, pss))
end

-- From the host's memory with many ids, less that with none; and as the set
-- itself counts.
local function remembered(report, binary, folder, pace)
  local count = pace.loads < 5 and 200000 or 1000000
  local full = folder .. "/full.db"
  lib.capture(("%s fill %s %s %d"):format(inbox.program(), sample.file(), full, count))
  local facts, empty = host(binary, folder, full), host(binary, folder, folder .. "/empty.db")
  local bytes = (facts.pss - empty.pss) * 1024 / count
  local set = program.compile("remembered", { sources = "remembered.c", rooms = "core http inbox host",
    libraries = program.HOST_LIBRARIES })
  local sizes = lib.numbers(lib.capture(set .. " 20000 1000000")).bytes
  report { name = "remembered", axis = "memory per remembered event", ours = ("%.1f bytes"):format(bytes),
    value = bytes, format = "%.1f bytes", must = 24, reach = 16, lower = true }
  report.note(("remembered: the host with %s events less the host with none; the sets of ids and meanings %s bytes, by"
    .. " size; first 200 with them after %.0f ms"):format(lib.thousands(count), lib.span(sizes, "%.1f"), facts.ms))
end

function M.run(report, pace)
  local folder = lib.folder .. "/start"
  local binary = program.compile("start", { sources = "start.c", rooms = "" })
  prepare(folder)
  local ok, message = pcall(function()
    rows(report, measure(binary, folder, pace.rounds))
    remembered(report, binary, folder, pace)
  end)
  os.execute("rm -rf " .. folder)
  if not ok then error(message, 0) end
end

return M
