-- Which runs the host carries out at the same time, over all its workers: those of one order key never, the others at
-- once, and no more of a rule than its limit says. The rules write a line when they begin and when they end.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

local SEED = tonumber(os.getenv("ALTINN_EVENTS_ORDER_SEED") or "") or os.time()
local WORKERS = { "--workers", "8" }

local one

after_each(function()
  if one then one:close() end
  one = nil
end)

-- A rule whose body takes some milliseconds. It fails, or wishes a later time, as the event's data say.
local function rule_of(name, fields)
  return ([[
    rule { name = "%s", on = "x.order", %s, run = function(event, _, context)
      log(("%%s begin %%s %%s %%d"):format("%s", event.subject, event.id, context.attempt))
      local ends = os.clock() + 0.006
      while os.clock() < ends do end
      local what = event.data[context.attempt] or "done"
      log(("%%s end %%s %%s %%s"):format("%s", event.subject, event.id, what))
      if what == "fail" then error "once more" end
      if what == "later" then return retry_after(1, "not yet") end
      return done(what)
    end }
  ]]):format(name, fields, name, name)
end

local function post(number, key, what)
  local status = one:post(sample.text { id = ("o-%04d"):format(number), type = "x.order", subject = key,
    resourceinstance = key, data = what })
  assert.are.equal(200, status)
end

-- The lines of a rule in their order: { what = "begin"|"end", key =, id =, verdict = }.
local function lines_of(name)
  local list = {}
  for what, key, id, verdict in one:log():gmatch('reason="' .. name .. " (%a+) (%S+) (%S+) (%w+)\"") do
    list[#list + 1] = { what = what, key = key, id = id, verdict = verdict }
  end
  return list
end

-- The most runs that were under way at one time.
local function most_at_once(list)
  local now, most = 0, 0
  for _, line in ipairs(list) do
    now = now + (line.what == "begin" and 1 or -1)
    most = math.max(most, now)
  end
  return most
end

-- Fails when two runs of one key overlap, or a run begins before an earlier one of its key is over.
local function assert_in_order(list, key_of)
  local open, last, over = {}, {}, {}
  for _, line in ipairs(list) do
    local key = key_of(line)
    if line.what == "begin" then
      assert(not open[key], ("%s began while %s of the same key was running"):format(line.id, tostring(open[key])))
      assert(not last[key] or last[key] <= line.id, ("%s began after %s"):format(line.id, tostring(last[key])))
      assert(last[key] == nil or last[key] == line.id or over[last[key]],
        ("%s began before %s was over"):format(line.id, tostring(last[key])))
      open[key], last[key] = line.id, line.id
    else
      assert.are.equal(open[key], line.id)
      open[key] = nil
      over[line.id] = line.verdict == "done"
    end
  end
end

-- One run in twenty fails first, one in twenty wishes a later time first: each pauses its line for a second at most.
local function random_fate()
  local dice = math.random(20)
  return { dice == 1 and "fail" or dice == 2 and "later" or "done" }
end

describe("runs of one rule", function()
  it("go one at a time and in order of arrival for a key, and at once for different ones", function()
    math.randomseed(SEED)
    local name = "seed " .. SEED
    one = host.start { arguments = WORKERS, rules = { order = rule_of("letter", 'order = "letter"')
      .. rule_of("constant", 'order = { constant = "the printer" }') .. rule_of("free", "order = false") } }
    for number = 1, 120 do post(number, "key-" .. math.random(9), random_fate()) end
    assert(one:settle(120), name)
    local letter, constant, free = lines_of "letter", lines_of "constant", lines_of "free"
    assert_in_order(letter, function(line) return line.key end)
    assert_in_order(constant, function() return "one" end)
    assert(most_at_once(letter) > 1, name)
    assert.are.equal(1, most_at_once(constant))
    assert(most_at_once(free) > 1, name)
  end)

  it("are no more at once than limit.at_once, whatever the number of workers; a reload changes it", function()
    local function rules(at_once)
      return { few = rule_of("few", ("order = false, limit = { at_once = %d }"):format(at_once)),
        free = rule_of("free", "order = false") }
    end
    one = host.start { arguments = WORKERS, rules = rules(2) }
    for number = 1, 100 do post(number, "key-" .. number, {}) end
    assert(one:settle(60))
    assert.are.equal(2, most_at_once(lines_of "few"))
    assert(most_at_once(lines_of "free") > 2)
    one:rewrite(rules(1))
    one:signal "HUP"
    assert(one:wait_line("2 rules are in force"))
    local before = #lines_of "few"
    for number = 101, 150 do post(number, "key-" .. number, {}) end
    assert(one:settle(60))
    local list = lines_of "few"
    assert.are.equal(300, #list)
    assert.are.equal(1, most_at_once(table.move(list, before + 1, #list, 1, {})))
  end)

  it("are no more at once than limits.at_once of the configuration, unless the rule says so itself", function()
    one = host.start { arguments = WORKERS, config = "return { limits = { at_once = 1 } }\n",
      rules = {
      one = rule_of("one", "order = false"), many = rule_of("many", "order = false, limit = { at_once = 9 }") } }
    for number = 1, 60 do post(number, "key-" .. number, {}) end
    assert(one:settle(60))
    assert(process.wait(10, function() return #lines_of "one" == 120 or nil end))
    assert.are.equal(1, most_at_once(lines_of "one"))
    assert(most_at_once(lines_of "many") > 1)
  end)
end)
