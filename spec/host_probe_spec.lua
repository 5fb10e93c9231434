-- Effects whose outcome nobody knows, by the real host: how a target's death is labelled, and what is sent after it.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"

local one, service

-- The target of dying_server.lua.
local Dying = {}
Dying.__index = Dying

local function dying(deaths)
  local folder = process.folder()
  local self = setmetatable({ folder = folder }, Dying)
  process.write(folder .. "/requests", "")
  process.write(folder .. "/deaths", table.concat(deaths, "\n") .. "\n")
  self.process, self.port = process.serve(folder, "dying",
    ("lua5.4 spec/support/dying_server.lua %s/requests %s/deaths"):format(folder, folder))
  self.url = "http://127.0.0.1:" .. self.port
  return self
end

function Dying:requests() return process.read_json_lines(self.folder .. "/requests") end

function Dying:close()
  self.process:stop()
  process.remove(self.folder)
end

after_each(function()
  for _, each in pairs { one or false, service or false } do
    if each then each:close() end
  end
  one, service = nil, nil
end)

local function config_for(url)
  return ([[return { targets = { print = { url = "%s", timeout = 20 } } }]]):format(url)
end

local function post(id)
  assert.are.equal(200, (one:post(sample.text { id = tostring(id) })))
end

local function verdict_of(name, state)
  return assert(process.wait(30, function()
    local run = one:verdicts()[name]
    return run and run.verdict == state and run or nil
  end), ("no %s of %s"):format(state, name))
end

local function outcomes()
  local found = {}
  for outcome, count in one:metrics().text:gmatch('effects_total{target="print",outcome="([%w_]+)"} (%d+)') do
    if count ~= "0" then found[outcome] = tonumber(count) end
  end
  return found
end

-- A rule that makes another request each time, with a large body, so that a target can die in the middle of it.
local CHANGING = [[
  local count = 0
  rule { name = "a", on = "*", run = function(event)
    count = count + 1
    return send.http("print") { key = "a:b", path = "/" .. count, body = count .. ("x"):rep(600000) }
  end }]]

describe("a target that dies", function()
  -- What it does, the outcome, and whether the bytes after it may be others.
  local CASES = {
    { "close", "unknown", "when it has accepted the connection" },
    { "middle", "unknown", "in the middle of the body" },
    { "body", "unknown", "after the body" },
  }

  for _, case in ipairs(CASES) do
    it(case[3] .. " leaves its effect unknown, and the same bytes go out again under the same key", function()
      service = dying { case[1], "200" }
      one = host.start { config = config_for(service.url), rules = { a = CHANGING } }
      post(1)
      verdict_of("1/a", "done")
      assert.are.same({ [case[2]] = 1, sent = 1 }, outcomes())
      local requests = service:requests()
      assert.are.equal(2, #requests)
      local last = requests[2]
      assert.are.same({ "/1", "print:a:b", 600001, "1" },
        { last.path, last.headers["idempotency-key"], #last.body, last.body:sub(1, 1) })
      if requests[1].headers then
        assert.are.same({ "/1", "print:a:b" }, { requests[1].path, requests[1].headers["idempotency-key"] })
      end
    end)
  end

  for death, when in pairs { status = "after the line with the status", half = "in the middle of its answer" } do
    it(when .. " has said that it did what was asked: nothing goes out again", function()
      service = dying { death, "200" }
      one = host.start { config = config_for(service.url), rules = { a = CHANGING } }
      post(1)
      verdict_of("1/a", "done")
      assert.are.same({ sent = 1 }, outcomes())
      assert.are.equal(1, #service:requests())
    end)
  end

  it("before TLS stands has certainly got nothing: the rule makes its effect anew", function()
    service = dying { "plain" }
    one = host.start { config = config_for("https://127.0.0.1:" .. service.port), rules = { a = CHANGING } }
    post(1)
    assert(one:wait_log "verdict=retry")
    assert(process.wait(20, function() return (outcomes().not_sent or 0) >= 2 end))
    assert.is_nil(outcomes().unknown)
  end)

  it("before it accepts a connection has certainly got nothing: the rule makes its effect anew", function()
    local port = process.free_port()
    one = host.start { config = config_for("http://127.0.0.1:" .. port), rules = { a = CHANGING } }
    post(1)
    assert(process.wait(20, function() return (outcomes().not_sent or 0) >= 2 end))
    assert.is_nil(outcomes().unknown)
  end)
end)

-- A rule with a probe that asks the target; `count` shows which body was sent.
local PROBED = [[
  local count = %d
  rule {
    name = "a", on = "*",
    run = function(event)
      count = count + 1
      return send.http("print") { key = event, path = "/jobs", body = "v" .. count, probe = "is_there" }
    end,
    is_there = function(event, letter, context)
      local answer = context.get("/jobs?key=" .. context.effect.key:gsub("[^%%w]", "_"))
      log("the probe got " .. answer.status .. " about " .. context.effect.body)
      return answer.status == 200 and sent or not_sent
    end,
  }]]

-- A target that keeps jobs, and answers slowly the first time; `lost`: it forgets the first job.
local function keeping(lost)
  service:answer(([[
    if request.method == "GET" then return { status = state.job and 200 or 404 } end
    state.posts = (state.posts or 0) + 1
    if not (%s and state.posts == 1) then state.job = request.body end
    return { status = 200, delay = state.posts == 1 and 30 or 0 }]]):format(tostring(lost)))
end

local function posts()
  local list = {}
  for _, request in ipairs(service:requests()) do
    if request.method == "POST" then list[#list + 1] = request.body end
  end
  return list
end

describe("kill -9 while the target has the request and has not answered", function()
  for _, lost in ipairs { false, true } do
    it(lost and "and has forgotten it: the probe finds nothing, and the rule makes it anew"
      or "and keeps it: the probe finds it, and nothing is sent again", function()
      service = script.start()
      keeping(lost)
      one = host.start { config = config_for(service.url), rules = { a = PROBED:format(0) } }
      post(1)
      assert(process.wait(20, function() return #posts() > 0 end))
      one:kill()
      one:rewrite { a = PROBED:format(10) }
      assert(one:launch())
      local run = verdict_of("1/a", "done")
      assert.are.same(lost and { "v1", "v11" } or { "v1" }, posts())
      assert.are.equal("sent to print", run.reason)
      assert.is_truthy(one:wait_log("the probe got " .. (lost and 404 or 200) .. " about v1"))
      local _, text = one:run("inbox", "show", "1", "--json", "--inbox", one.inbox)
      local effects = cjson.decode(text).effects
      assert.are.same({ 1, "sent" }, { #effects, effects[1].state })
    end)
  end
end)

describe("a probe", function()
  it("that loops stops alone: other runs of other rules go on, and the effect stays as it is", function()
    service = script.start()
    service:answer 'return number == 1 and { raw = "" } or { status = 200 }'
    one = host.start { config = config_for(service.url), arguments = { "--workers", "1" }, rules = {
      a = [[rule { name = "a", on = "x.slow", limit = { seconds = 0.2 }, retry = { attempts = 2 },
        run = function() return send.http("print") { key = "a:b", probe = "is_there" } end,
        is_there = function() while true do end end }]],
      b = 'rule { name = "b", on = "x.quick", run = function() return skip("at once") end }' } }
    assert.are.equal(200, (one:post(sample.text { id = "1", type = "x.slow" })))
    assert(one:wait_log "rule=a .-verdict=retry")
    assert.are.equal(200, (one:post(sample.text { id = "2", type = "x.quick" })))
    verdict_of("2/b", "skipped")
    local run = verdict_of("1/a", "dead")
    assert.is_truthy(run.reason:find("time budget of 0.2 s is used up", 1, true), run.reason)
    assert.are.equal(1, #service:requests())
  end)
end)
