-- What Altinn answered to the reads of runs is kept with them, so that a changed rule can be tried on it: the real host
-- and its inbox; an Altinn that answers as a script says.
local cjson = require "cjson"
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local inbox = require "altinn.events.host.inbox"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local sql = require "spec.support.sql"

local ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local THING = "letter:" .. ID

local altinn, one

before_each(function() altinn = script.start() end)

after_each(function()
  if one then one:close() end
  altinn:close()
  one = nil
end)

local function start(rule, more)
  one = host.start { rules = { r = rule },
    config = ('return { base_url = "%s", token = "a.b.c"%s }'):format(altinn.url, more or "") }
end

local function post(id)
  assert.are.equal(200, (one:post(sample.text { id = id, resourceinstance = ID })))
  assert(one:settle())
end

local BODY = '{"correspondenceId":"' .. ID .. '","status":"Published","statusHistory":[{"status":"Published"}],'
  .. '"recipient":"urn:altinn:person:identifier-no:08839698512"}'

local function kept(sequence)
  local list = assert(inbox.readings(one.inbox, sequence))
  for _, one_of in ipairs(list) do
    assert.is_true(math.abs(one_of.at - os.time()) < 60)
    one_of.at, one_of.number, one_of.sequence = nil, nil, nil
  end
  return list
end

describe("what Altinn answered", function()
  it("is kept whole and in order, by unless and by the body, and read once", function()
    altinn:answer("return { body = [==[" .. BODY .. "]==] }")
    start [[
      rule { name = "ask", on = "correspondencepublished", unless = { been = { "Read" } }, run = function(_, letter)
        letter:overview()
        letter:details()
        return skip(letter:details().status)
      end }
      rule { name = "asks-nothing", on = "correspondencepublished", run = function() end }]]
    post "1"
    local function reading(place, call)
      return { rule = "ask", attempt = 1, place = place, call = call, thing = THING, status = 200, body = BODY,
        cut = false }
    end
    -- What unless read is another object than the letter of the body.
    assert.are.same({ reading(1, "details"), reading(2, "overview"), reading(3, "details") }, kept(1))
    assert.are.equal(3, #inbox.readings_of(one.inbox, THING))
    assert.are.equal(0, #inbox.readings_of(one.inbox, THING, os.time() - 60))
    assert.are.equal(0, #inbox.readings_of(one.inbox, "letter:another"))
    local status, out = one:run("inbox", "show", "1", "--inbox", one.inbox)
    assert.are.equal(0, status)
    assert.is_truthy(out:find("asked by ask: details of letter:" .. ID .. " -> 200: ", 1, true), out)
    assert.is_nil(out:find("08839698512", 1, true))
    status, out = one:run("inbox", "show", "1", "--json", "--inbox", one.inbox)
    assert.are.equal(0, status)
    assert.are.equal("overview", cjson.decode(out).readings[2].call)
    assert.is_nil(out:find("08839698512", 1, true))
  end)

  it("is kept of each attempt, with its failure", function()
    altinn:answer('if number == 1 then return { status = 404, body = "gone" } end return { body = [==[' .. BODY
      .. "]==] }")
    start [[rule { name = "ask", on = "correspondencepublished", run = function(_, letter, context)
      local ok = pcall(letter.details, letter)
      if context.attempt == 1 then return retry_after(0) end
      return skip(tostring(ok))
    end }]]
    post "1"
    local list = kept(1)
    assert.are.same({ 2, 1, 404, "not_found", "gone" },
      { #list, list[1].attempt, list[1].status, list[1].code, list[1].body })
    assert.are.same({ 2, 1, 200, BODY }, { list[2].attempt, list[2].place, list[2].status, list[2].body })
    assert.is_nil(list[2].code)
  end)

  it("is cut where it is long, and ends with 1 MiB of an attempt", function()
    altinn:answer [[return { body = ('{"correspondenceId":"%s","status":"Published","x":"%s"}'):format(
      "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", ("æ"):rep(40000)) }]]
    start [[rule { name = "ask", on = "correspondencepublished", may = { "read:overview", "mark:read" },
      run = function(_, letter)
        for _ = 1, 20 do
          letter:overview()
          pcall(letter.mark_read, letter)  -- the next overview is another call
        end
      end }]]
    post "1"
    local list, bytes = kept(1), 0
    for _, reading in ipairs(list) do
      bytes = bytes + #reading.body
      assert.are.same({ "overview", true }, { reading.call, reading.cut })
      assert.is_truthy(utf8.len(reading.body))
    end
    assert.is_true(#list >= 16 and #list < 19, #list)
    assert.is_true(#list[1].body <= 65536 and #list[1].body > 65530, #list[1].body)
    assert.is_true(bytes <= 1024 * 1024 + 4, bytes)
  end)

  it("is not kept where the configuration says so", function()
    altinn:answer("return { body = [==[" .. BODY .. "]==] }")
    start([[rule { name = "ask", on = "correspondencepublished", run = function(_, letter)
      return skip(letter:details().status)
    end }]], ", keep = { readings = false }")
    post "1"
    assert.are.equal("Published", one:list().events[1].runs[1].reason)
    assert.are.same({}, sql.query(one.inbox, "SELECT 1 FROM reading"))
  end)

  it("is kept of the question whether Altinn vouches for the event", function()
    local platform <close> = setmetatable({ emulator.start() }, { __close = function(self) self[1]:close() end })
    local token = platform[1]:token { orgNo = "987654321", ttl = 86400,
      scopes = "altinn:events.subscribe altinn:correspondence.read altinn:serviceowner" }
    one = host.start { rules = { r = [[rule { name = "trusts", on = "correspondencepublished", trust = "confirmed",
      may = {}, run = function() return done() end }]] },
      config = ('return { base_url = "%s", token = "%s" }'):format(platform[1].base, token) }
    assert.are.equal(200, (one:post(sample.text { id = "forged" })))
    assert(process.wait(20, function()
      local run = one:verdicts()["forged/trusts"]
      return run and run.verdict == "held" or nil
    end))
    local list = kept(1)
    assert.are.same({ "events", "[]", 200 }, { list[1].call, list[1].body, list[1].status })
  end)
end)

describe("the stream of stored events", function()
  it("gives them in order, a page at a time, by time, rule and type", function()
    start 'rule { name = "some", on = "correspondencepublished", run = function() end }'
    for number = 1, 2500 do
      local type = number % 2 == 0 and "no.altinn.correspondence.correspondencepublished" or "x.other"
      local text = sample.text { id = "n" .. number, type = type, resourceinstance = "l" .. number }
      assert.are.equal(200, (one:post(text)))
    end
    assert(one:settle())
    local numbers = {}
    for event in assert(inbox.stream(one.inbox)) do
      numbers[#numbers + 1] = event.sequence
      assert.is_truthy(event.body:find('"n' .. event.sequence .. '"', 1, true))
      assert.are.equal("push", event.came_by)
      assert.is_true(math.abs(event.received - os.time()) < 600)
    end
    assert.are.equal(2500, #numbers)
    for index, number in ipairs(numbers) do assert.are.equal(index, number) end
    local function count(options)
      local found = 0
      for _ in assert(inbox.stream(one.inbox, options)) do found = found + 1 end
      return found
    end
    assert.are.equal(1250, count { rule = "some" })
    assert.are.equal(1250, count { type = "x.other" })
    assert.are.equal(100, count { after = 2400 })
    assert.are.equal(0, count { since = "2099-01-01" })
    assert.are.equal(0, count { ["until"] = "2020-01-01" })
    assert.are.equal(2500, count { since = "1h" })
    assert.are.same({ "--since soon: neither a span (2h, 3d) nor a time (2026-08-20, 2026-08-20T09:00:00+02:00)",
      "invalid" }, { select(2, inbox.stream(one.inbox, { since = "soon" })) })
  end)
end)
