-- Altinn publishes an event again under a new id. The host tells each run how many earlier events meant the same: the
-- worker here is the spec's own and says what it is told.
local own_worker = require "spec.support.own_worker"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"

-- A run whose id begins with "late" wishes a later time at its first attempt: it is handed out from the file then.
local CODE = [[
while true do
  for _, message in ipairs(jobs:take(64, 0.01)) do
    if message.kind == "stop" then return end
    if message.kind == "run" then
      local id = message.body:match '"id":"([^"]+)"'
      say(("%s repeats %d tries %d"):format(id, message.repeats, message.tries))
      local late = id:find "^late" and message.tries == 0
      jobs:settle { { kind = "settle", sequence = message.sequence, rule = message.rule, attempt = 1,
        state = late and "later" or "done", due = late and math.floor(jobs:now() * 1000) + 50 or 0 } }
    end
  end
end
]]

local PREFIX = "no.altinn.correspondence."

describe("the number of earlier events that mean the same", function()
  local one

  after_each(function()
    if one then one:close() end
    one = nil
  end)

  local function start(options) one = own_worker.start(CODE, { "a" }, options) end

  local function post(id, changes, status)
    changes = changes or {}
    changes.id = id
    assert.are.equal(status or 200, (one:post(sample.text(changes))))
  end

  local function told(id, repeats, tries)
    assert(one:said(("%s repeats %d tries %d"):format(id, repeats, tries or 0)), table.concat(one:lines(), "; "))
  end

  it("counts events of one type, thing and subject, in their order", function()
    start()
    for number = 0, 3 do
      post("same-" .. number)
      told("same-" .. number, number)
    end
    post("type", { type = PREFIX .. "correspondencepurged" })
    told("type", 0)
    post("thing", { resourceinstance = "0198c3a2-7b1d-7c55-8f0e-000000000001" })
    told("thing", 0)
    post("subject", { subject = "urn:altinn:organization:identifier-no:123456789" })
    told("subject", 0)
    for index, id in ipairs { "none-1", "none-2" } do
      post(id, { subject = false, time = ("2026-08-20T07:22:0%dZ"):format(index), x = "y" })
      told(id, index - 1)
    end
  end)

  it("is 0 for types that may come several times, for other publishers' and without a thing", function()
    start()
    for number, changes in ipairs {
      { type = PREFIX .. "correspondencenotificationdelivered" }, { type = "x.y" }, { resourceinstance = false },
    } do
      for again = 1, 2 do
        local id = ("other-%d-%d"):format(number, again)
        local copy = { id = id }
        for name, value in pairs(changes) do copy[name] = value end
        post(id, copy)
        told(id, 0)
      end
    end
    assert.are.equal(0, one:query("SELECT count(*) n FROM repeated")[1].n)
    assert.are.equal(0, one:query("SELECT count(*) n FROM meant")[1].n)
  end)

  it("is not changed by the same event, delivered twice", function()
    start()
    post "first"
    post "first"
    post "second"
    told("second", 1)
  end)

  it("counts within a batch", function()
    start()
    local texts = {}
    for number = 1, 3 do texts[number] = sample.text { id = "batch-" .. number } end
    assert.are.equal(200, (one:post("[" .. table.concat(texts, ",") .. "]", "application/cloudevents-batch+json")))
    for number = 1, 3 do told("batch-" .. number, number - 1) end
  end)

  it("survives a restart, and is the same when the run is handed out from the file", function()
    start()
    post "one"
    post "late-two"
    told("late-two", 1)
    told("late-two", 1, 1)
    one.handle:stop()
    one:launch()
    post "late-three"
    told("late-three", 2)
    told("late-three", 2, 1)
    one.handle:stop()
    -- A run that was not handed out before the end is found by the next start.
    sql.execute(one.inbox, "DELETE FROM run WHERE sequence = 3; INSERT INTO waiting VALUES(3, 1, 'a')")
    process.write(one.folder .. "/said", "")
    one:launch()
    told("late-three", 2)
  end)

  it("does not count what could not be stored", function()
    start()
    one:execute "CREATE TRIGGER broken BEFORE INSERT ON meant BEGIN SELECT raise(ABORT, 'no'); END"
    post("lost", nil, 503)
    one:execute "DROP TRIGGER broken"
    post "stored"
    told("stored", 0)
    post "again"
    told("again", 1)
  end)

  it("does not count after a restart either what could not be stored and never came again", function()
    start()
    one:execute "CREATE TRIGGER broken BEFORE INSERT ON meant BEGIN SELECT raise(ABORT, 'no'); END"
    post("lost", nil, 503)
    one:execute "DROP TRIGGER broken"
    post("other", { type = PREFIX .. "correspondencepurged" })
    told("other", 0)
    one.handle:stop()
    one:launch()
    post "first"
    told("first", 0)
  end)

  it("is told by fingerprints that nobody can compute who does not have the file's secret", function()
    local found = {}
    for index = 1, 2 do
      start()
      post "one"
      told("one", 0)
      found[index] = one:query("SELECT hex(fingerprints) h FROM meant")[1].h
      if index == 1 then one:close() end
    end
    assert.are.equal(16, #found[1])
    assert.are_not.equal(found[1], found[2])
  end)
end)
