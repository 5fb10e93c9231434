-- kill -9 at any instant of runs with steps, effects and timers: each key has one content, each step one result.
-- ALTINN_EVENTS_KILL_SEED repeats a run's choices.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"
local target = require "spec.support.target"

local SEED = tonumber(os.getenv("ALTINN_EVENTS_KILL_SEED") or "") or os.time()
local EVENTS, KILLS = 120, 8

-- Each step draws a number: another one if it were called twice.
local RULES = { a = [[
  local function draw() return math.random(1 << 40) end
  rule {
    name = "a", on = "x.y", order = false,
    run = function(event, letter, context)
      local first, second = step("first", draw), step("second", draw)
      return { send.http("print") { key = event, json = { id = event.id, first = first, second = second } },
        later { at = "0.3s", run = "paper", with = { first = first } }, remember { first = first } }
    end,
    paper = function(event, letter, context)
      local second, third = step("second", draw), step("third", draw)
      return send.http("print") { key = { event, "paper" }, json = { id = event.id, first = context.timer.with.first,
        remembered = context.memory.first, second = second, third = third } }
    end,
  }]] }

local one, service

after_each(function()
  for _, each in pairs { one or false, service or false } do
    if each then each:close() end
  end
  one, service = nil, nil
end)

-- Posts until one is answered: between kills the host may be away.
local function post(id)
  local body = sample.text { id = tostring(id), type = "x.y",
    resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(id) }
  assert(process.wait(30, function()
    local ok, status = pcall(one.post, one, body)
    return ok and status == 200 or nil
  end), "event " .. id .. " was not taken")
end

local function over()
  local count = 0
  for _, run in pairs(one:verdicts()) do count = count + (run.verdict == "done" and 1 or 0) end
  return count == EVENTS
end

describe("kill -9 at any instant", function()
  it("leaves one content for each key, and one result for each step", function()
    math.randomseed(SEED)
    service = target.start { "200 0.002" }
    one = host.start { rules = RULES, config = ('return { targets = { print = { url = "%s" } } }')
      :format(service.url) }
    for id = 1, EVENTS do
      post(id)
      if id % (EVENTS // KILLS) == 0 then
        socket.sleep(math.random() * 0.4)
        one:kill()
        assert(one:launch())
      end
    end
    assert(process.wait(90, over), ("seed %d: %s"):format(SEED, one:log()))
    local contents, drawn, times = {}, {}, 0
    for _, request in ipairs(service:requests()) do
      local key, body = request.headers["idempotency-key"], cjson.decode(request.body)
      contents[key], times = contents[key] or request.body, times + 1
      assert.are.equal(contents[key], request.body, ("seed %d: two contents of %s"):format(SEED, key))
      local known = drawn[body.id] or body
      drawn[body.id] = known
      assert.are.same({ known.first, known.second }, { body.first, body.second }, ("seed %d: event %s")
        :format(SEED, body.id))
      if body.third then assert.are.equal(body.first, body.remembered) end
    end
    local keys = 0
    for _ in pairs(contents) do keys = keys + 1 end
    assert.are.equal(2 * EVENTS, keys)
    assert.is_true(times < 3 * EVENTS, "sent too often: " .. times)
  end)
end)
