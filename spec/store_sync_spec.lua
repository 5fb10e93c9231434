-- What is acknowledged is on stable storage: a commit syncs the log before the answer. A library that stands before
-- the C library counts the syncs.
local fault = require "spec.support.fault"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

describe("an answer of 200", function()
  local one, count

  setup(function()
    fault.compile()
    local folder = process.folder()
    count = folder .. "/count"
    one = host.start {
      env = fault.environment { file = ".db-wal", call = "sync", at = 0, action = "EIO", count = count },
      rules = { all = 'rule { name = "all", on = "x.wanted", run = function() return skip("seen") end }' },
    }
  end)
  teardown(function()
    if one then one:close() end
    process.remove(count:match "^(.*)/")
  end)

  local function syncs() return tonumber(process.read(count) or "") or 0 end

  it("comes after a sync of the log, each", function()
    for number = 1, 20 do
      local before = syncs()
      assert.are.equal(200, (one:post(sample.text { id = "e-" .. number, type = "x.unwanted" })))
      assert.is_true(syncs() > before, "no sync for event " .. number)
    end
  end)

  it("to a batch comes after one, too", function()
    local before = syncs()
    local texts = {}
    for number = 1, 50 do texts[number] = sample.text { id = "b-" .. number, type = "x.unwanted" } end
    assert.are.equal(200, (one:post("[" .. table.concat(texts, ",") .. "]",
      { ["Content-Type"] = "application/cloudevents-batch+json" })))
    assert.is_true(syncs() > before)
  end)
end)
