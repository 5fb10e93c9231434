-- The host as a simulation: real inbox, real worker, on a clock that stands until it is moved.
local config_module = require "altinn.events.host.config"
local inbox = require "altinn.events.host.inbox"
local prepare = require "altinn.events.host.prepare"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local simulation = require "altinn.events.host.simulation"

local NOW = 1766480400  -- 2025-12-23T09:00:00Z, a Tuesday
local DAY = 86400

local folder

local function prepared(text, values)
  local file = folder .. "/rules.lua"
  process.write(file, text)
  values = values or {}
  values.rules, values.secret = { file }, ("s"):rep(20)
  values.targets = values.targets or { print = { url = "http://print.test/jobs" } }
  local config = assert(config_module.load { values = values })
  local set, findings = prepare.rules(config)
  return config, set or error(findings[1].message)
end

-- A simulation with these rules; `outside` nil: everything is answered with 200. What leaves is in `sim.sent`, lines of
-- the log in `sim.lines`.
local function start(text, options)
  options = options or {}
  local sent, lines, sim = {}, {}, nil
  local config, set = prepared(text, options.values)
  sim = simulation.new {
    config = config, set = set, now = options.now or NOW, seed = options.seed or 1, coverage = options.coverage,
    log = function(level, what, fields)
      local parts = { level, what }
      local names = {}
      for name in pairs(fields) do names[#names + 1] = name end
      table.sort(names)
      for _, name in ipairs(names) do parts[#parts + 1] = name .. "=" .. tostring(fields[name]) end
      lines[#lines + 1] = table.concat(parts, " ")
    end,
    outside = function(request, reply)
      request.at = sim:now()
      sent[#sent + 1] = request
      if options.outside then return options.outside(request, reply, sim) end
      reply { status = 200 }
    end,
  }
  rawset(sim, "sent", sent)
  rawset(sim, "lines", lines)
  return sim
end

local function letter(number, changes)
  local fields = { id = "e-" .. number, resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(number) }
  for name, value in pairs(changes or {}) do fields[name] = value end
  return sample.text(fields)
end

local function verdicts(sim)
  local list = {}
  for _, line in ipairs(sim.lines) do
    local verdict = line:match " verdict=(%S+)"
    if verdict then list[#list + 1] = verdict end
  end
  return list
end

local PAPER = [[
rule { name = "paper", on = "correspondencepublished",
  run = function() return later { at = workdays(2), run = "due" } end,
  due = function(event, letter) return send.http("print") { key = letter, json = { letter = letter.id } } end,
}]]

describe("a simulated host", function()
  setup(function() folder = process.folder() end)
  teardown(function() process.remove(folder) end)

  it("answers as the receiver does, and stores before it answers", function()
    local sim <close> = start(PAPER)
    local answer = sim:push(letter(1), "letters")
    assert.are.same({ status = 200, headers = {}, body = "" }, answer)
    assert.are.same({ status = 200, headers = {}, body = "" }, sim:push(letter(1)))
    answer = sim:push "{}"
    assert.are.equal(400, answer.status)
    assert.are.equal("application/problem+json", answer.headers["Content-Type"])
    assert.is_truthy(answer.body:find("specversion is required", 1, true))
    sim:kill()
    sim:settle()
    assert.are.same({ "later" }, verdicts(sim))
  end)

  it("lets a rule's timer pass without waiting, and hands over what the rule sends", function()
    local sim <close> = start(PAPER)
    sim:push(letter(1))
    sim:settle()
    assert.are.same({}, sim.sent)
    local due = 1766998800  -- Monday the 29th at ten: the Christmas days are no working days
    assert.are.equal(due, sim:next())
    sim:advance(due - 1)
    assert.are.same({}, sim.sent)
    sim:advance(due)
    local request = sim.sent[1]
    assert.are.equal(1, #sim.sent)
    assert.are.same({ "POST", "http://print.test/jobs", "http", "paper", 1, "print", due },
      { request.method, request.url, request.carrier, request.rule, request.event, request.target, request.at })
    assert.are.equal('{"letter":"0198c3a2-7b1d-7c55-8f0e-000000000001"}', request.body)
    assert.are.same({ "later", "done" }, verdicts(sim))
    assert.is_nil(sim:next())
    sim:advance(due + DAY)
    assert.are.equal(due + DAY, sim:now())
    assert.has_error(function() sim:advance(due) end)
  end)

  it("has an inbox that others read by its path", function()
    local sim <close> = start(PAPER)
    sim:push(letter(1))
    sim:advance(NOW + 10 * DAY)
    local listing = assert(inbox.list(sim:path(), {}))
    assert.are.equal("done", listing.events[1].runs[1].verdict)
    assert.are.equal("sent", inbox.show(sim:path(), 1).effects[1].state)
  end)

  it("sends once, wherever the power fails", function()
    local function told(at)
      local sim <close> = start(PAPER)
      sim:crash_at(at)
      sim:push(letter(1))
      sim:push(letter(2))
      sim:advance(NOW + 10 * DAY)
      local keys, last = {}, {}
      for _, request in ipairs(sim.sent) do
        local key = request.headers["Idempotency-Key"]
        assert.is_truthy(key)
        if not keys[key] then keys[#keys + 1] = key end
        assert(keys[key] == nil or keys[key] == request.body, "other bytes under the key")
        keys[key] = request.body
      end
      for _, verdict in ipairs(verdicts(sim)) do last[#last + 1] = verdict end
      assert.are.equal("done", last[#last])
      assert.are.equal(2, #keys, "boundary " .. at)
      return #sim:boundaries()
    end
    local count = told(0)
    assert.is_true(count >= 12, "only " .. count .. " boundaries")
    for at = 1, count do told(at) end
  end)

  it("stands beside another", function()
    local one <close> = start(PAPER)
    local other <close> = start(PAPER, { now = NOW + 7 * DAY })
    one:push(letter(1))
    one:settle()
    other:push(letter(2))
    other:settle()
    one:advance(NOW + 10 * DAY)
    other:advance(NOW + 20 * DAY)
    assert.are.equal(1, #one.sent)
    assert.are.equal(1, #other.sent)
    assert.is_truthy(other.sent[1].at > one.sent[1].at)
  end)
end)
