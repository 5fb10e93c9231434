-- The breakers of targets are shared by all workers of a host, and the metrics show them. Their pauses: spec/c/parts.c.
local own_worker = require "spec.support.own_worker"
local sample = require "spec.support.sample"

-- Each worker carries out runs of its own, one after the other: the event's id says what it does.
local CODE = [[
local acts = {}
function acts.fail()
  for _ = 1, 5 do
    assert(jobs:admit "print" == nil)
    jobs:report("print", false)
  end
  say "failed"
end
function acts.ask()
  local wait, other = jobs:admit "print", jobs:admit "mail"
  say(("wait %s, other %s"):format(wait and wait > 0 and wait <= 1, other))
end
function acts.succeed()
  jobs:report("print", true)
  say("wait " .. tostring(jobs:admit "print"))
end
while true do
  for _, message in ipairs(jobs:take(64, 0.01)) do
    if message.kind == "stop" then return end
    if message.kind == "run" then
      acts[message.body:match '"id":"(%a+)"']()
      jobs:settle { { kind = "settle", sequence = message.sequence, rule = message.rule, state = "done", attempt = 1 } }
    end
  end
end
]]

describe("the breaker of a target", function()
  it("opens for all workers after five failures, and shows it", function()
    local one = own_worker.start(CODE, { "a" }, { workers = 2, targets = { "print", "mail" } })
    finally(function() one:close() end)
    local function post(id) assert.are.equal(200, (one:post(sample.text { id = id }))) end
    local function open(target) return one:metric(('breaker_open{target="%s"}'):format(target)) end
    assert.are.same({ 0, 0 }, { open "print", open "mail" })
    post "fail"
    assert(one:said "failed")
    assert.are.same({ 1, 0 }, { open "print", open "mail" })
    post "ask"  -- the other worker
    assert(one:said "wait true, other nil")
    post "succeed"
    assert(one:said "wait nil")
    assert.are.equal(0, open "print")
  end)
end)
