-- The clock of a real host, moved ahead: what is due then, happens. See csrc/inbox/clock.h.
local config_module = require "altinn.events.host.config"
local host = require "altinn.events.host"
local http = require "spec.support.http"
local in_force = require "altinn.events.host.in_force"
local inbox = require "altinn.events.host.inbox"
local prepare = require "altinn.events.host.prepare"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local target = require "spec.support.target"

local RULE = [[
rule { name = "waits", on = "correspondencepublished",
  run = function() return later { at = "2d", run = "due", with = { set = os.time() } } end,
  due = function(event, letter, context)
    return send.http("print") { key = event, json = { waited = os.time() - context.timer.with.set } }
  end,
}]]

describe("a host whose clock is moved ahead", function()
  local folder, service, handle

  setup(function()
    folder, service = process.folder(), target.start()
    process.write(folder .. "/rules.lua", RULE)
    local config = assert(config_module.load { values = {
      rules = { folder .. "/rules.lua" }, secret = ("s"):rep(20), inbox = folder .. "/inbox.db",
      listen = "127.0.0.1:0", workers = 2, targets = { print = { url = service.url } },
    } })
    config.admin = nil
    handle = assert(host.start(in_force.options(config, assert(prepare.rules(config)), {})))
  end)
  teardown(function()
    if handle then handle:stop() end
    if service then service:close() end
    process.remove(folder)
  end)

  local function state()
    local event = inbox.show(folder .. "/inbox.db", 1)
    return event and event.runs[1] and event.runs[1].verdict
  end

  it("does at once what a timer waits for, and its rules see the time that passed", function()
    local before = handle:now()
    assert.are.equal(200, (http.post(handle:port(), "/events/" .. ("s"):rep(20), sample.text())))
    assert.is_truthy(process.wait(60, function() return state() == "later" end))
    handle:advance(2 * 86400 + 60)
    assert.is_true(handle:now() >= before + 2 * 86400 + 60)
    assert.is_truthy(process.wait(60, function() return state() == "done" end))
    local waited = tonumber(service:requests()[1].body:match '"waited":(%d+)')
    assert.is_true(waited >= 2 * 86400, "waited " .. tostring(waited))
  end)

  it("stands at a time that it is given: its start, and what rules remember, are of that time", function()
    local config = { rules = { folder .. "/still.lua" }, secret = ("s"):rep(20), inbox = folder .. "/still.db",
      listen = "127.0.0.1:0" }
    process.write(folder .. "/still.lua", [[rule { name = "keeps", on = "correspondencepublished",
      run = function() return remember { seen = true, expires = "1d" } end }]])
    config = assert(config_module.load { values = config })
    config.admin = nil
    local options = in_force.options(config, assert(prepare.rules(config)), {})
    options.now = 1000000000
    local still = assert(host.start(options))
    local kept
    local done, message = pcall(function()
      assert.are.equal("2001-09-09T01:46:40.000Z", still:state():match '"started":"([^"]*)"')
      assert.are.equal(200, (http.post(still:port(), "/events/" .. ("s"):rep(20), sample.text())))
      kept = process.wait(60, function()
        local file <close> = assert(host.inbox(config.inbox))
        return file:memory("keeps")[1]
      end)
    end)
    still:stop()
    assert(done, message)
    assert.are.equal(1000000000 + 86400, kept and kept.expires // 1000)
  end)

  it("does not go back", function()
    assert.has_error(function() handle:advance(-1) end)
  end)
end)
