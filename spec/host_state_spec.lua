-- GET /state of the admin port: what only the running host knows. With the real host, targets and sockets.
local cjson = require "cjson"
local host = require "spec.support.host"
local http = require "spec.support.http"
local library = require "altinn.events.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local target = require "spec.support.target"

local RULES = [[
  rule { name = "to-dead", on = "correspondencepublished", order = false,
    run = function(event) return send.http "dead" { key = event.id } end }
  rule { name = "one-at-a-time", on = "correspondencepurged", order = false, repeats = true, limit = { at_once = 2 },
    run = function(event) return send.http "slow" { key = event.id } end }
]]

local function letter(number) return ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(number) end

describe("GET /state", function()
  local one, dead, slow

  setup(function()
    dead, slow = target.start { "503" }, target.start { "200 8" }
    one = host.start { rules = { rules = RULES }, config = ([[return { targets = {
      dead = { url = "%s?token=SECRET" }, slow = { url = "%s", timeout = 50 } } }]]):format(dead.url, slow.url) }
  end)

  teardown(function()
    one:close()
    dead:close()
    slow:close()
  end)

  local function get(path, method)
    local status, headers, body = http.request(one.admin_port, { path = path, method = method })
    return status, body, headers
  end

  local function state(path)
    local status, body = get(path or "/state")
    assert.are.equal(200, status)
    return cjson.decode(body), body
  end

  it("is JSON of a host that is well: nothing open, nothing in flight", function()
    local status, _, headers = get "/state"
    assert.are.equal(200, status)
    assert.are.equal("application/json", headers["content-type"])
    local value = state()
    assert.are.same({ false, false, true }, { value.draining, value.failed, value.inbox.stores })
    assert.are.same({ breakers = {}, rules = {} }, { breakers = value.breakers, rules = value.rules })
    for number, worker in ipairs(value.workers) do assert.are.same({ number = number, turns = true }, worker) end
    assert.is_truthy(value.now:find("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"), value.now)
    assert.is_nil(value.event)
  end)

  it("names the inbox, so that another one's state is not taken for it", function()
    local inbox <close> = assert(library.inbox(one.inbox))
    assert.are.equal(inbox:identity(), state().inbox.id)
    assert.are.equal(16, #inbox:identity())
    assert.is_true(library.attended(one.inbox))
    assert.is_false(library.attended(one.folder .. "/none.db"))
  end)

  it("tells the breakers that are open, since when, and the next try; no secret of the target", function()
    for number = 1, 5 do one:post(sample.text { id = "d" .. number, resourceinstance = letter(number) }) end
    assert(process.wait(30, function() return #state().breakers > 0 end))
    local value, text = state()
    local breaker = value.breakers[1]
    assert.are.equal("dead", breaker.target)
    assert.is_true(breaker.since <= value.now)
    assert.is_true(breaker.next > breaker.since)
    assert.are.equal("boolean", type(breaker.trying))
    assert.is_nil(text:find("SECRET", 1, true))
  end)

  it("tells the rules with runs in flight, their limit, and which runs hold it", function()
    local type = "no.altinn.correspondence.correspondencepurged"
    for number = 1, 3 do
      one:post(sample.text { id = "s" .. number, type = type, resourceinstance = letter(100 + number) })
    end
    local function rule()
      for _, row in ipairs(state().rules) do
        if row.rule == "one-at-a-time" then return row end
      end
    end
    assert(process.wait(30, function() return rule() and rule().in_flight == 2 or nil end))
    local row = rule()
    assert.are.equal(2, row.at_once)
    assert.are.same({ 6, 7 }, { row.oldest[1].event, row.oldest[2].event })
    assert.is_true(row.oldest[1].since <= row.oldest[2].since)
    local event = state("/state/6").event
    assert.are.equal(6, event.event)
    assert.are.equal("one-at-a-time", event.runs[1].rule)
    assert.are.same({}, state("/state/8").event.runs)
  end)

  it("answers nothing else, and GET alone", function()
    for _, path in ipairs { "/state/", "/state/x", "/state/99999999999999999999", "/statement", "/state/-1" } do
      assert.are.equal(404, (get(path)))
    end
    assert.are.equal(405, (get("/state", "POST")))
  end)

  it("says that the host is draining", function()
    one:signal "TERM"
    local drained = process.wait(20, function()
      local ok, value = pcall(state)
      return ok and value.draining or nil
    end)
    assert.is_true(drained)
    assert(one.process:wait_exit(30))
    assert.is_false(library.attended(one.inbox))
  end)
end)
