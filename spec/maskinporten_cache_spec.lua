-- Tokens that are kept, renewed and refused, by one and by many at once: events.maskinporten over real libcurl.
local curl = require "altinn.events.curl"
local events = require "altinn.events"
local json = require "altinn.events.support.json"
local socket = require "socket"
local tokens = require "spec.support.tokens"

local options_for, seen, source_for = tokens.options_for, tokens.seen, tokens.source_for
local numbers, harmless, clock = tokens.numbers, tokens.harmless, tokens.clock

setup(tokens.start)
teardown(tokens.stop)
before_each(function() tokens.offset = 0 end)

describe("the cache", function()
  it("gives the same token until shortly before its end", function()
    local source, requests = source_for()
    local token = assert(source())
    for _ = 1, 100 do assert.are.equal(token, source()) end
    tokens.offset = 1800 * 0.8 - 10
    assert.are.equal(token, source())
    assert.are.same({ 1, 1 }, { numbers(requests()) })
    tokens.offset = 1800 * 0.8 + 1
    assert.are_not.equal(token, source())
    assert.are.same({ 2, 2 }, { numbers(requests()) })
  end)

  it("goes by expires_in when the token is Maskinporten's own", function()
    local source, requests = source_for("lifetime=100", { exchange = false, base_url = json })
    local token = assert(source())
    local ends, renewed = source:expiry()
    assert.is_true(math.abs(ends - clock() - 95) < 2)
    assert.is_true(math.abs(renewed - clock() - 70) < 2)
    tokens.offset = 65
    assert.are.equal(token, source())
    tokens.offset = 75
    assert.are_not.equal(token, source())
    assert.are.equal(2, #requests())
  end)

  it("goes by the JWT's exp without expires_in", function()
    local source = source_for("lifetime=no", { exchange = false, base_url = json })
    assert(source())
    assert.is_true(math.abs(source:expiry() - clock() - 115) < 2)
  end)

  it("counts a lifetime by the server's clock when this machine's is wrong", function()
    for _, words in ipairs { "life=600", "life=600,exchange=noiat" } do
      tokens.offset = -7200
      local source = source_for(words)
      assert(source())
      assert.is_true(math.abs(source:expiry() - clock() - 595) < 3, words)
      assert.is_true(math.abs(source:skew() - 7200) < 3)
    end
  end)

  it("takes an opaque token for as long as Maskinporten's", function()
    local source = source_for("exchange=opaque,lifetime=200")
    assert.are.equal("an-opaque-token", source())
    assert.is_true(math.abs(source:expiry() - clock() - 195) < 2)
    local claims, message, code = source:claims()
    assert.is_nil(claims)
    assert.are.equal("unsupported", code)
    harmless(message)
  end)

  it("does not live in a clock that was set back", function()
    local source, requests = source_for()
    assert(source())
    tokens.offset = -3600
    assert(source())
    assert.are.equal(4, #requests())
  end)

  it("gives the old token while it lives when renewing fails", function()
    local failing, asked = false, 0
    local multi = curl.new {}
    local options, place = options_for("", {
      transport = function(request)
        asked = asked + 1
        if failing then return nil, "no route", "network" end
        return multi:perform(request)
      end,
    })
    local source = assert(events.maskinporten(options))
    local token = assert(source())
    failing, tokens.offset = true, 1800 * 0.8 + 5
    assert.are.equal(token, source())
    assert.are.equal(3, asked)
    assert.are.equal(token, source())  -- and it is not tried again at once
    assert.are.equal(3, asked)
    tokens.offset = 1801
    local none, _, code = source()
    assert.is_nil(none)
    assert.are.equal("network", code)
    failing, tokens.offset = false, 1900
    assert(source())
    multi:close()
    assert.are.equal(4, #seen(place))
  end)

  it("keeps tokens apart by scopes and customer, and shares equal ones", function()
    local source, requests = source_for("", { scopes = "a b" })
    local token = assert(source())
    local read = source:with { scopes = { "c" } }
    local customer = source:with { system_user = { organisation = "987654321" } }
    local other = source:with { system_user = { organisation = "987654322" } }
    local list = { token, assert(read()), assert(customer()), assert(other()) }
    for i = 1, 4 do
      for j = 1, i - 1 do assert.are_not.equal(list[i], list[j]) end
    end
    assert.are.same({ 4, 4 }, { numbers(requests()) })
    assert.are.equal(token, source:with { scopes = "b a" }())
    assert.are.equal(list[2], read:with { scopes = "c" }())
    assert.are.equal(token, customer:with { system_user = false }())
    assert.are.same({ 4, 4 }, { numbers(requests()) })
    local raw = source:with { exchange = false }
    assert(raw())
    assert.are.same({ 5, 4 }, { numbers(requests()) })
  end)
end)

describe("a token that was refused", function()
  it("is replaced once, not again and again", function()
    local source, requests = source_for()
    local first = assert(source())
    assert.is_true(source:refused(first))
    local second = assert(source())
    assert.are_not.equal(first, second)
    assert.is_true(source:refused(first))  -- somebody else, still with the old one
    assert.are.equal(second, source())
    for _ = 1, 10 do
      assert.is_false(source:refused(second))
      assert.are.equal(second, source())
    end
    assert.are.same({ 2, 2 }, { numbers(requests()) })
    tokens.offset = 61
    assert.is_true(source:refused(second))
    assert(source())
    assert.are.same({ 3, 3 }, { numbers(requests()) })
  end)

  it("is kept when the answer says that no token would help", function()
    local source, requests = source_for()
    local token = assert(source())
    for _, code in ipairs { 4001, "4006", "CORR-04007", 4001.0 } do assert.is_false(source:refused(token, code)) end
    assert.are.equal(token, source())
    assert.are.equal(2, #requests())
    assert.is_true(source:refused(token, 4002))
  end)
end)

describe("many at once", function()
  -- Coroutines over one curl multi: what yields a number waits for that transfer, what yields nothing goes on.
  local function run(bodies)
    local multi, ready, transfers = curl.new {}, {}, {}
    local function transport(request)
      local reply = coroutine.yield(multi:add(request))
      if reply.error then return nil, reply.error, reply.code end
      return reply
    end
    for i, body in ipairs(bodies) do ready[i] = { coroutine.create(body), transport } end
    local deadline = socket.gettime() + 10
    while #ready > 0 or next(transfers) do
      assert(socket.gettime() < deadline, "not finished in time")
      local now = ready
      ready = {}
      for _, one in ipairs(now) do
        local ok, id = coroutine.resume(one[1], one[2])
        assert(ok, id)
        if id then transfers[id] = one[1]
        elseif coroutine.status(one[1]) == "suspended" then ready[#ready + 1] = { one[1] } end
      end
      for _, reply in ipairs(multi:step(0.01)) do
        ready[#ready + 1] = { transfers[reply.id], reply }
        transfers[reply.id] = nil
      end
    end
    multi:close()
  end

  local current
  local function yielding(request) return current(request) end

  it("fetch once and all get the token", function()
    local source, requests = source_for("wait=0.1", { transport = yielding })
    local got, bodies = {}, {}
    for i = 1, 20 do
      bodies[i] = function(transport)
        current = transport
        got[i] = assert(source())
      end
    end
    run(bodies)
    assert.are.equal(20, #got)
    for i = 2, 20 do assert.are.equal(got[1], got[i]) end
    assert.are.same({ 1, 1 }, { numbers(requests()) })
  end)

  it("fail once and all get the reason", function()
    local source, requests = source_for("wait=0.1,error=client", { transport = yielding })
    local reasons, bodies = {}, {}
    for i = 1, 20 do
      bodies[i] = function(transport)
        current = transport
        local _, _, code, detail = source()
        reasons[i] = code .. " " .. detail.reason
      end
    end
    run(bodies)
    assert.are.equal(20, #reasons)
    for i = 1, 20 do assert.are.equal("auth unknown_client", reasons[i]) end
    assert.are.same({ 1, 0 }, { numbers(requests()) })
  end)

  it("replace a refused token once", function()
    local source, requests = source_for("wait=0.05", { transport = yielding })
    local bodies, first, got = {}, nil, {}
    run { function(transport)
      current = transport
      first = assert(source())
    end }
    for i = 1, 20 do
      bodies[i] = function(transport)
        current = transport
        assert.is_true(source:refused(first))
        got[i] = assert(source())
      end
    end
    run(bodies)
    for i = 1, 20 do
      assert.are_not.equal(first, got[i])
      assert.are.equal(got[1], got[i])
    end
    assert.are.same({ 2, 2 }, { numbers(requests()) })
  end)

  it("use the old token while one renews it", function()
    local source, requests = source_for("wait=0.05", { transport = yielding })
    local first, got, bodies = nil, {}, {}
    run { function(transport)
      current = transport
      first = assert(source())
    end }
    tokens.offset = 1800 * 0.8 + 5
    for i = 1, 5 do
      bodies[i] = function(transport)
        current = transport
        got[i] = assert(source())
      end
    end
    run(bodies)
    assert.are_not.equal(first, got[1])
    for i = 2, 5 do assert.are.equal(first, got[i]) end
    assert.are.same({ 2, 2 }, { numbers(requests()) })
  end)

  it("go on when the one that fetches is ended, or forgotten", function()
    local multi = curl.new {}
    local hang = true
    local options = options_for("", {
      transport = function(request)
        if hang then coroutine.yield "hung" end
        return multi:perform(request)
      end,
    })
    local source = assert(events.maskinporten(options))
    local leader = coroutine.create(function() return source() end)
    assert(coroutine.resume(leader))
    local follower = coroutine.create(function() return source() end)
    assert(coroutine.resume(follower))
    assert.are.equal("suspended", coroutine.status(follower))
    hang = false
    local token, _
    if coroutine.close then
      assert.is_true(coroutine.close(leader))
      _, token = coroutine.resume(follower)
      assert.is_string(token)
    end
    -- Never ended, never resumed: the deadline counts.
    hang, tokens.offset = true, 5000
    leader = coroutine.create(function() return source() end)
    assert(coroutine.resume(leader))
    hang = false
    follower = coroutine.create(function() return source() end)
    assert(coroutine.resume(follower))
    assert.are.equal("suspended", coroutine.status(follower))
    tokens.offset = tokens.offset + options.timeout + 6
    _, token = coroutine.resume(follower)
    assert.is_string(token)
    multi:close()
  end)

  it("go on when a transport raises", function()
    local raise = true
    local multi = curl.new {}
    local source = assert(events.maskinporten(options_for("", {
      transport = function(request)
        if raise then error("broken") end
        return multi:perform(request)
      end,
    })))
    assert.is_false((pcall(source)))
    raise = false
    assert(source())
    multi:close()
  end)

  it("wait by the host's own function", function()
    local slept, leader = 0, nil
    local multi = curl.new {}
    local hang = true
    local source = assert(events.maskinporten(options_for("", {
      sleep = function(seconds)
        assert.is_true(seconds > 0 and seconds < 1)
        slept, hang = slept + 1, false
        assert(coroutine.resume(leader))
      end,
      transport = function(request)
        if hang then coroutine.yield() end
        return multi:perform(request)
      end,
    })))
    local got
    leader = coroutine.create(function() got = source() end)
    assert(coroutine.resume(leader))
    assert.are.equal(assert(source()), got)
    assert.are.equal(1, slept)
    multi:close()
  end)
end)

-- In tasks of the host, over its own transport (Lua 5.4 has a host).
local has_host, scheduler = pcall(require, "altinn.events.host.scheduler")
local has_transport = pcall(require, "altinn.events.transport")
if _VERSION == "Lua 5.4" and has_host and has_transport and scheduler.inside then
  describe("tasks of the host", function()
    local transport = require "altinn.events.transport"
    setup(function() transport.set_carrier(scheduler) end)
    teardown(function() transport.set_carrier(nil) end)

    it("fetch once, waiting without blocking each other", function()
      local multi = curl.new {}
      local nothing = function() end
      local tasks = scheduler.new {
        open = function() return multi end, clock = socket.gettime,
        budget = { start = nothing, finish = function() return nil, 0 end, enter = nothing, leave = nothing },
      }
      local source, requests = source_for("wait=0.1")
      local got, ended, ticks = {}, 0, 0
      for i = 1, 20 do
        tasks:spawn {
          run = function() got[i] = assert(source()) end,
          finished = function(_, ok, why)
            assert(ok, why)
            ended = ended + 1
          end,
        }
      end
      tasks:spawn { run = function()
        while ended < 20 do
          ticks = ticks + 1
          scheduler.sleep(0.01)
        end
      end, finished = nothing }
      local deadline = socket.gettime() + 10
      while ended < 20 do
        assert(socket.gettime() < deadline, "not finished in time")
        tasks:step(tasks:pause(0.05))
        tasks:ring()
      end
      for i = 2, 20 do assert.are.equal(got[1], got[i]) end
      assert.is_true(ticks > 5)
      assert.are.same({ 1, 1 }, { numbers(requests()) })
      multi:close()
    end)
  end)
end
