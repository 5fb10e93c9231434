-- Many letters through the paper example, with everything that goes wrong in a week: pushes lost and pulled later,
-- doubled and in any order, the host killed, the print service out. PAPER=10000 makes them many; see `make soak`.
local events = require "altinn.events"
local inbox = require "altinn.events.host.inbox"
local process = require "spec.support.process"
local sql = require "spec.support.sql"
local story = require "spec.support.story"

local COUNT = tonumber(os.getenv "PAPER" or 150)
local SEED = tonumber(os.getenv "SEED" or 11)
local LOST, DOUBLED = 0.05, 0.20
local FATES = { "read", "confirm", "purge", "none", "none", "none" }
local SECONDS = 60 + COUNT / 20

local function shuffled(list)
  for index = #list, 2, -1 do
    local other = math.random(index)
    list[index], list[other] = list[other], list[index]
  end
  return list
end

describe("the paper example under load and losses", function()
  local one

  after_each(function() if one then one:close() end end)

  -- What Altinn has registered since the event `after`.
  local function registered(after)
    local list, fresh = {}, after == nil
    for _, event in ipairs(one.altinn:control("GET", "/events").events) do
      if fresh then list[#list + 1] = event end
      if event.id == after then fresh = true end
    end
    return list
  end

  -- Posts events as Altinn would, but for the lost ones; the host may be killed at any of them.
  local function push(list)
    local all = {}
    for _, event in ipairs(list) do
      if math.random() >= LOST then
        all[#all + 1] = event
        if math.random() < DOUBLED then all[#all + 1] = event end
      end
    end
    local kill_at = { [math.random(#all)] = true, [math.random(#all)] = true }
    for index, event in ipairs(shuffled(all)) do
      local text = events.encode(event)
      if kill_at[index] then
        one.host:signal "KILL"
        assert(one.host.process:wait_exit(30))
        assert(one.host:launch())
      end
      local status = one.host:post(text)
      assert(status == 200, ("the host answered %s"):format(status))
    end
  end

  local function pull()
    local config = one.host.folder .. "/altinn-events.lua"
    local status, _, err = one.host:run("pull", "--config", config, "--resource", "acme-letters",
      "--deliver", ("http://127.0.0.1:%d/events"):format(one.host.port))
    assert(status == 0, err)
  end

  -- How many runs wait for something else than a later day.
  local function open_runs()
    local waiting = inbox.list(one.host.inbox, { state = "waiting", limit = 1 })
    local now = ("%d"):format((one:now() + 5) * 1000)
    return waiting and waiting.count + sql.query(one.host.inbox, "SELECT count(*) AS n FROM run WHERE"
      .. " state IN ('retry', 'held') OR state = 'later' AND due < " .. now)[1].n or 1
  end

  local function rest()
    local fine = process.wait(SECONDS, function()
      if one.host.process:status() then assert(one.host:launch()) end
      process.wait(0.1, function() return nil end)
      return open_runs() == 0 or nil
    end)
    assert(fine, "the host does not come to rest")
  end

  it(("prints each of %d letters that nobody opened, once, and no other"):format(COUNT), function()
    math.randomseed(SEED)
    one = story.start { rules = { "examples/rules/paper.lua" }, services = { "print" }, subscribe = false,
      targets = 'print = { url = "$print", timeout = 5 }', now = ("%d-05-11T08:00:00Z"):format(os.date("!%Y") + 1) }
    local fates = {}
    for number = 1, COUNT do
      local letter = one.altinn:control("POST", "/letters", { resource = "acme-letters", recipient = "987654321",
        sendersReference = "ref " .. number })
      fates[letter.id] = FATES[math.random(#FATES)]
    end
    one.altinn:advance()
    local first = registered()
    push(first)
    rest()
    one:pass(20 * 3600)
    for id, fate in pairs(fates) do
      if fate ~= "none" then one.altinn:control("POST", ("/letters/%s/%s"):format(id, fate), {}) end
    end
    one.altinn:advance()
    push(registered(first[#first].id))
    pull()
    rest()
    -- The print service fails in every way, now and then, while the timers fire and the host is killed.
    one.targets.print:answer { "201", "swallow", "201", "close", "201", "503", "201", "201", "201", "201", "again" }
    one:pass(8 * 86400)
    for _ = 1, 3 do
      process.wait(math.random() * math.min(3, COUNT / 500), function() return nil end)
      one.host:signal "KILL"
      assert(one.host.process:wait_exit(30))
      assert(one.host:launch())
    end
    rest()
    local printed = {}
    for _, request in ipairs(one.targets.print:requests()) do
      if request.taken then
        local id = request.body:match('"letter":"([^"]+)"')
        printed[id] = (printed[id] or 0) + 1
      end
    end
    for id, fate in pairs(fates) do
      assert.are.equal(fate == "none" and 1 or nil, printed[id], ("letter %s, %s, seed %d"):format(id, fate, SEED))
    end
    local verdicts, list = {}, assert(inbox.list(one.host.inbox, { limit = COUNT * 10 })).events
    -- why reads the rules that the configuration names.
    process.write(one.host.folder .. "/why.lua", (process.read(one.host.folder .. "/altinn-events.lua"):gsub("return {",
      ("return { rules = { %q },"):format(one.host.folder .. "/rules"), 1)))
    for _ = 1, 20 do
      local event = list[math.random(#list)]
      local status, out, err = one.host:run("why", tostring(event.sequence), "--inbox", one.host.inbox, "--config",
        one.host.folder .. "/why.lua")
      assert.are.equal(0, status, err)
      for _, run in ipairs(event.runs) do assert.is_truthy(out:find(run.verdict, 1, true), out) end
    end
    for _, event in ipairs(list) do
      for _, run in ipairs(event.runs) do
        assert.is_truthy(run.reason and run.reason ~= "")
        verdicts[run.verdict] = (verdicts[run.verdict] or 0) + 1
      end
    end
    assert.are.equal(COUNT, (verdicts.done or 0) + (verdicts.skipped or 0))
  end)
end)
