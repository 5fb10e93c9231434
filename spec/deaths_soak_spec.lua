-- A target that dies at random, and a host that is killed meanwhile: nothing that has a key or a probe is done twice,
-- and nothing is left undone. DEATHS=10000 makes them many; see `make soak`.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

local EVENTS = math.max(20, tonumber(os.getenv "DEATHS" or 40) // 2)  -- about one death for each effect, two of each
local SEED = tonumber(os.getenv "SEED" or 7)

local RULES = [[
  -- Each attempt makes other bytes, so that bytes that were sent again are known by their digest.
  rule { name = "keyed", on = "x.wanted", run = function(event)
    return send.http("a") { key = event, path = "/keyed/" .. event.id, json = { id = event.id, r = math.random() } }
  end }
  rule { name = "probed", on = "x.wanted",
    run = function(event)
      return send.http("a") { key = event, path = "/probed/" .. event.id, json = { r = math.random() }, probe = "ask" }
    end,
    ask = function(event, thing, context)
      local status = context.get("/probed/" .. event.id).status
      if status == 200 then return sent elseif status == 404 then return not_sent end
      error("answered " .. status)
    end }
]]

describe("a target that dies at random", function()
  it(("does each of %d things once"):format(2 * EVENTS), function()
    math.randomseed(SEED)
    local folder = process.folder()
    process.write(folder .. "/executed", "")
    local target, port = process.serve(folder, "target",
      ("lua5.4 spec/support/random_target.lua %s/executed %d"):format(folder, SEED))
    local one = host.start { rules = { rules = RULES }, arguments = { "--workers", "2" },
      config = ('return { targets = { a = { url = "http://127.0.0.1:%d", timeout = 5 } } }'):format(port) }
    finally(function()
      one:close()
      target:stop()
      process.remove(folder)
    end)
    for number = 1, EVENTS do
      local text = sample.text { id = "e" .. number, type = "x.wanted", resourceinstance = "r" .. number }
      assert.are.equal(200, (one:post(text)))
      if number % math.max(10, EVENTS // 5) == 0 then
        one:kill()
        assert(one:launch())
      end
    end
    assert(process.wait(60 + EVENTS / 5, function()
      return one:metrics().waiting == 0 or nil
    end), one:log():sub(-2000))
    local count, seen = 0, {}
    for line in process.read(folder .. "/executed"):gmatch("[^\n]+") do
      local path = line:match("^%S+")
      assert.is_nil(seen[path], path .. " was done twice")
      seen[path], count = true, count + 1
    end
    assert.are.equal(2 * EVENTS, count)
    assert.are.equal(EVENTS, one:list("--state", "done").count)
  end)
end)
