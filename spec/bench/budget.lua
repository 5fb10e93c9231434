-- What the budgets cost a rule that only computes: the same loop in a rule
-- under the real host, and in plain Lua 5.4.
local lib = require "spec.bench.lib"
local machine = require "spec.bench.machine"
local peers = require "spec.bench.peers"
local socket = require "socket"

local M = {}

-- Below this many per cent a cost cannot be told from noise: "nothing".
local NOTHING = 0.5

-- Where Lua's constants and stack happen to lie makes up to 8 % of a tight
-- loop. So both sides measure it at many places: each time the chunk is
-- loaded anew, in a coroutine of its own, among strings of random lengths.
-- The result is the seconds of the middle one.
local WORK = [==[
local COMPUTE = [[
local function fibonacci(n)
  if n < 2 then return n end
  return fibonacci(n - 1) + fibonacci(n - 2)
end

local function sieve(size)
  local composite, count = {}, 0
  for i = 2, size do
    if not composite[i] then
      count = count + 1
      for j = i * i, size, i do composite[j] = true end
    end
  end
  return count
end

local sum = 0
for i = 1, 200000 do sum = sum + i %% 7 * 3 // 2 end
return sum + sieve(8000) + fibonacci(20)
]]

-- Strings are made and thrown away: the collector's and the allocator's.
local ALLOCATE = "local n = 0 for i = 1, 20000 do n = n + #('event ' .. i .. ' of') end return n"

local function middle(text)
  local keep, times = {}, {}
  for i = 1, %d do
    keep[2 * i] = ("x"):rep(math.random(16, 6000))
    local chunk = assert(load(text))
    keep[2 * i + 1] = ("y"):rep(math.random(16, 600))
    local thread = coroutine.create(chunk)
    local start = os.clock()
    assert(coroutine.resume(thread))
    times[i] = os.clock() - start
  end
  table.sort(times)
  return times[#times // 2 + 1]
end

local function took() return ("took=%%.7f allocating=%%.7f"):format(middle(COMPUTE), middle(ALLOCATE)) end
]==]

-- One rule under the budgets that every rule has, one that also asks for a
-- budget of instructions.
local RULES = [[
local function run() return skip(took()) end
rule { name = "timed", on = "*", when = { source = "urn:bench:timed" }, order = false, run = run,
  limit = { seconds = 100 } }
rule { name = "counted", on = "*", when = { source = "urn:bench:counted" }, order = false, run = run,
  limit = { seconds = 100, instructions = 1 << 40 } }
]]

local posted = 0

local function post(server, name)
  posted = posted + 1
  local body = ('{"specversion":"1.0","id":"%d","source":"urn:bench:%s","type":"no.altinn.test"}'):format(posted, name)
  local client = assert(socket.connect("127.0.0.1", server.port))
  client:settimeout(10)
  client:send(("POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\n"
    .. "Content-Length: %d\r\n\r\n%s"):format(#body, body))
  local line = client:receive()
  client:close()
  assert(line and line:find(" 200 ", 1, true), "the host does not take the event")
end

-- The rule skips with the seconds that it took; they stand in the log.
local function in_rule(server, name)
  local before = #server[1]:errors()
  post(server, name)
  return lib.wait(60, "the verdict of the rule", function()
    local facts = lib.facts(server[1]:errors():sub(before + 1))
    return facts.allocating and facts
  end)
end

local function column(list, name)
  local values = {}
  for i, facts in ipairs(list) do values[i] = facts[name] * 1000 end
  return lib.median(values), values
end

local function row(report, name, axis, ours, plain)
  report {
    name = name, axis = axis, ours = ("%.2f ms"):format(ours), peer = ("%.2f ms"):format(plain), lower = true,
    value = math.max(0, (ours / plain - 1) * 100), format = "%.1f %%", must = 2, reach = NOTHING,
  }
end

function M.run(report, pace)
  local work = WORK:format(pace.loads < 5 and 11 or 41)
  local plain = lib.write(lib.folder .. "/plain.lua", work .. "print(took())\n")
  local server <close> = peers.host("server", "host-budget", work .. RULES, "--workers 1")
  local times = lib.turns(pace.rounds, {
    { "timed", function() return in_rule(server, "timed") end },
    { "plain", function() return lib.facts(lib.capture(machine.pin "server" .. "lua5.4 " .. plain)) end },
    { "counted", function() return in_rule(server, "counted") end },
  })
  local base, all = column(times.plain, "took")
  local ours, own = column(times.timed, "took")
  row(report, "budget", "cost of the budgets that every rule has, a rule that computes", ours, base)
  row(report, "budget-count", "the same with limit.instructions, which a rule may ask for",
    (column(times.counted, "took")), base)
  report.note(("budget: in the rule %s ms, plain Lua %s ms; a rule that makes strings: %.2f ms, plain Lua %.2f"):format(
    lib.span(own, "%.2f"), lib.span(all, "%.2f"), (column(times.timed, "allocating")),
    (column(times.plain, "allocating"))))
end

return M
