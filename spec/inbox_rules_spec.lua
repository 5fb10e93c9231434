-- Rules change while runs wait: SIGHUP and a restart mean the same. Each change with a run that waits for a time, one
-- that stands in line behind it, and one that was never begun; each with the real command and a real target.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local one, service

after_each(function()
  if one then one:close() end
  if service then service:close() end
  one, service = nil, nil
end)

-- The key names no rule, so that another rule's run finds the effect of this one.
local function rule(name, more)
  return ([[
    rule {
      name = "%s", on = "correspondencepublished", repeats = true, %s
      run = function(event) return send.http("print") { key = "job:" .. event.id, path = "/" .. event.id } end,
    }]]):format(name, more or "")
end

local OTHER = 'rule { name = "other", on = "correspondencepurged", run = function() return skip "other" end }'

local function start(rules, answers)
  service = target.start(answers)
  one = host.start { rules = { r = rules },
    config = ('return { targets = { print = { url = "%s", timeout = 5 } } }'):format(service.url) }
end

local function post(id, changes)
  changes = changes or {}
  changes.id = id
  assert.are.equal(200, (one:post(sample.text(changes))))
end

local function states()
  local list = {}
  for id, run in pairs(one:verdicts()) do list[id] = run.verdict end
  return list
end

local function paths()
  local list = {}
  for index, request in ipairs(service:requests()) do list[index] = request.path end
  return list
end

local function begin_anew(how)
  if how == "SIGHUP" then
    one:signal "HUP"
    assert(one:wait_log "in force")
  else one:restart() end
end

local CHANGES = {
  ["is renamed"] = {
    rules = rule "print-v2",
    -- The new name wants what still waits; the letters go out once, by their keys.
    states = { ["a/print"] = "abandoned", ["b/print"] = "abandoned", ["a/print-v2"] = "done",
      ["b/print-v2"] = "done" },
    paths = { "/a", "/a", "/b" }, reason = "no rule of this name is in force",
  },
  ["is removed"] = {
    rules = OTHER, states = { ["a/print"] = "abandoned", ["b/print"] = "abandoned" },
    paths = { "/a" }, reason = "no rule of this name is in force",
  },
  ["is switched off"] = {
    rules = rule("print", "enabled = false,"), states = { ["a/print"] = "abandoned", ["b/print"] = "abandoned" },
    paths = { "/a" }, reason = "no rule of this name is in force",
  },
  ["does not want them any more"] = {
    rules = rule("print", 'when = { resource = "others" },'),
    states = { ["a/print"] = "abandoned", ["b/print"] = "abandoned" },
    paths = { "/a" }, reason = "the rule does not want these events any more",
  },
}

for change, expected in pairs(CHANGES) do
  for _, how in ipairs { "SIGHUP", "restart" } do
    describe("a rule that " .. change, function()
      it("has its runs abandoned, loudly, and nothing of them goes out: " .. how, function()
        start(rule "print", { "503 0 3000", "200" })
        post "a"
        post "b"
        assert(one:wait_log "event=1 .-verdict=retry")
        assert.are.equal("waiting", states()["b/print"])
        one:rewrite { r = expected.rules }
        begin_anew(how)
        assert(one:wait_log("level=warn msg=abandoned rule=print runs=2 reason=\"" .. expected.reason), one:log())
        assert(one:settle())
        assert.are.same(expected.states, states())
        assert.are.same(expected.paths, paths())
        assert.are.equal(2, one:metrics()['verdicts_total{rule="print",verdict="abandoned"}'])
        assert.are.equal(2, one:list("--state", "abandoned", "--rule", "print").count)
        -- Put back while its rule is not there, it is abandoned again.
        assert.are.equal(0, (one:run("inbox", "retry", "1", "--rule", "print", "--inbox", one.inbox)))
        assert(one:wait_log("level=warn msg=abandoned rule=print runs=1 reason="))
        assert(one:settle())
        assert.are.equal("abandoned", states()["a/print"])
        -- The rule comes back, and so do its runs, by hand.
        one:rewrite { r = rule "print" }
        begin_anew(how)
        for _, number in ipairs { "1", "2" } do
          assert.are.equal(0, (one:run("inbox", "retry", number, "--rule", "print", "--inbox", one.inbox)))
        end
        assert(process.wait(10, function()
          local now = states()
          return now["a/print"] ~= "abandoned" and now["a/print"] ~= "retry" and now["b/print"] ~= "abandoned"
            and now["b/print"] ~= "retry" or nil
        end))
        local counts = {}
        for _, path in ipairs(paths()) do counts[path] = (counts[path] or 0) + 1 end
        assert.are.same({ ["/a"] = 2, ["/b"] = 1 }, counts)
      end)
    end)
  end
end

describe("a rule that newly wants an event", function()
  for _, how in ipairs { "SIGHUP", "restart" } do
    it("has none of what came before it, whatever waits and is put back by hand: " .. how, function()
      start(rule "print", { "503 0 3000" })
      post("over", { type = "no.altinn.correspondence.correspondencepurged" })
      post "a"
      assert(one:wait_log "event=2 .-verdict=retry")
      one:rewrite { r = rule "print" .. '\nrule { name = "new", on = "*", run = function() return skip "new" end }' }
      begin_anew(how)
      post "b"
      assert(process.wait(30, function() return states()["b/new"] == "skipped" or nil end))
      assert.is_nil(states()["a/new"])
      assert.are.equal("retry", states()["a/print"])
      assert.are.same({ "/a" }, paths())
      assert.are.equal(0, (one:run("inbox", "retry", "2", "--inbox", one.inbox)))
      begin_anew(how)
      assert(process.wait(30, function() return #paths() > 1 or nil end))
      assert.is_nil(states()["a/new"])
    end)
  end
end)

describe("a run that runs", function()
  it("is let go of when its rule is switched off: what it would do next is not done", function()
    start(([[
      rule { name = "slow", on = "correspondencepublished", run = function(event)
        log("began " .. event.id)
        return { send.http("print") { key = "one:" .. event.id, path = "/one" },
          send.http("print") { key = "two:" .. event.id, path = "/two" } }
      end }]]), { "200 2", "200" })
    post "a"
    assert(service:wait(1))
    one:rewrite { r = OTHER }
    one:signal "HUP"
    assert(one:wait_log "msg=abandoned rule=slow runs=1")
    post("after", { type = "no.altinn.correspondence.correspondencepurged" })
    assert(one:settle())
    assert.are.same({ ["a/slow"] = "abandoned", ["after/other"] = "skipped" }, states())
    one:restart()
    assert.are.same({ "/one" }, paths())
  end)
end)

describe("an effect whose run was abandoned", function()
  it("is no other run's to wait for", function()
    start(rule "print", { "close", "200" })
    post "a"
    assert(one:wait_log "event=1 .-verdict=retry")
    one:stop()
    -- As if it had waited for long: the other rule's run finds the effect first.
    sql.execute(one.inbox, "UPDATE run SET due = due + 100000000")
    one:rewrite { r = rule "print-v2" }
    assert(one:launch())
    assert(one:settle())
    assert.are.same({ ["a/print"] = "abandoned", ["a/print-v2"] = "done" }, states())
    local list = service:requests()
    assert.are.equal(2, #list)
    assert.are.equal(list[1].headers["idempotency-key"], list[2].headers["idempotency-key"])
    assert.are.equal(list[1].body, list[2].body)
    local status, out = one:run("inbox", "show", "1", "--json", "--inbox", one.inbox)
    assert.are.equal(0, status)
    assert.are.equal("print-v2", cjson.decode(out).effects[1].rule)
  end)
end)
