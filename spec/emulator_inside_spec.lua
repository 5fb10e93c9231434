-- The emulator inside a program: no socket, a clock that is given, pushes that are handed over.
local cjson = require "cjson"
local inside = require "altinn.events.emulator.inside"
local scenes = require "altinn.events.emulator.scenes"
local timers = require "altinn.events.support.timers"

local NOW = 1766480400   -- 2025-12-23T09:00:00Z
local LETTERS = "/correspondence/api/v1/correspondence/"

-- An emulator, its clock moved by `pass`, and the pushes that it made.
local function start(options)
  local one = { now = NOW, timers = timers.new(), pushes = {}, status = 200 }
  local all = {
    now = function() return one.now end,
    after = function(seconds, call) return one.timers:add(one.now + seconds, call) end,
    forget = function(timer) one.timers:cancel(timer) end,
    post = function(request, done)
      local event = cjson.decode(request.body)
      if not event.type:find("validate") then one.pushes[#one.pushes + 1] = { at = one.now, event = event } end
      done { status = one.status, headers = {} }
    end,
    log = function(level, what, fields) assert(level ~= "error" or what ~= "error", fields.reason) end,
  }
  for name, value in pairs(options or {}) do all[name] = value end
  one.altinn = inside.new(all)
  function one:pass(seconds)
    local goal = self.now + seconds
    while (self.timers:next() or goal + 1) <= goal do
      self.now = math.max(self.now, self.timers:next())
      self.timers:take(self.now)()
    end
    self.now = goal
  end
  return one
end

local function token(one)
  return assert(one.altinn:control("GET", "/token?orgNo=991825827&scopes=altinn:serviceowner+altinn:correspondence.read"
    .. "%20altinn:correspondence.write"))
end

local function get(one, bearer, path)
  local reply = one.altinn:request { url = "http://altinn.test" .. path,
    headers = { Authorization = "Bearer " .. bearer } }
  return reply.status, reply.status == 200 and cjson.decode(reply.body) or reply.body
end

describe("the emulator inside a program", function()
  it("answers requests as the one on a port does", function()
    local one = start()
    local letter = assert(scenes.letter(one.altinn, { sendersReference = "ref-1" }))
    local bearer = token(one)
    one:pass(0)
    local status, details = get(one, bearer, LETTERS .. letter.id .. "/details")
    assert.are.equal(200, status)
    assert.are.same({ "ref-1", "Published", "2025-12-23T09:00:00+00:00" },
      { details.sendersReference, details.status, details.published })
    assert.are.equal(401, (get(one, "nobody's", LETTERS .. letter.id)))
    assert.are.equal(404, (get(one, bearer, "/nothing")))
    assert.are.equal(400, (get(one, bearer, LETTERS .. "%20/details")))
  end)

  it("waits by the clock that it is given, for as long as it takes", function()
    local one = start()
    local letter = assert(scenes.letter(one.altinn, { requestedPublishTime = "2026-01-05T08:00:00Z" }))
    one:pass(86400)
    assert.are.equal("ReadyForPublish", one.altinn:control("GET", "/letters/" .. letter.id).status)
    one:pass(86400 * 13)
    local _, overview = get(one, token(one), LETTERS .. letter.id)
    assert.are.equal("2026-01-05T08:00:00+00:00", overview.published)
  end)

  it("hands its pushes over, again by Altinn's ladder", function()
    local one = start()
    one.altinn:control("POST", "/subscriptions", { endPoint = "http://host.test/events",
      resourceFilter = "acme-letters" })
    one.status = 500
    assert(scenes.letter(one.altinn, {}))
    one:pass(10)
    one.status = 200
    one:pass(3600)
    local times = {}
    for index, push in ipairs(one.pushes) do
      times[index] = ("%d %s"):format(push.at - NOW, push.event.type:match("[^.]+$"))
    end
    table.sort(times)
    assert.are.same({ "0 correspondenceinitialized", "0 correspondencepublished", "10 correspondenceinitialized",
      "10 correspondencepublished", "40 correspondenceinitialized", "40 correspondencepublished" }, times)
  end)

  it("raises nothing by itself where it is silent, and any event when it is asked", function()
    local one = start { silent = true }
    one.altinn:control("POST", "/subscriptions", { endPoint = "http://host.test/events",
      resourceFilter = "acme-letters" })
    local letter = assert(scenes.letter(one.altinn, { recipient = "987654321" }))
    one:pass(3600)
    assert.are.same({}, one.pushes)
    local record = assert(scenes.event(one.altinn, "correspondencereceiverread", letter, { id = "same", time = false }))
    local event = cjson.decode(record.body)
    assert.are.same({ "same", letter.id, "urn:altinn:organization:identifier-no:991825827",
      "no.altinn.correspondence.correspondencereceiverread" },
      { event.id, event.resourceinstance, event.subject, event.type })
    assert.is_nil(event.time)
    local _, message = scenes.event(one.altinn, "correspondencereceiverred", letter, {})
    assert.is_truthy(message:find("correspondencereceiverread", 1, true))
  end)

  it("has the same ids for the same seed", function()
    local function tell(seed)
      local one = start { seed = seed }
      local letter = assert(one.altinn:by_chance(scenes.letter, one.altinn, {}))
      one:pass(60)
      return letter.id .. one.altinn:control("GET", "/events").events[1].id
    end
    assert.are.equal(tell(7), tell(7))
    assert.are_not.equal(tell(7), tell(8))
  end)

  it("gives the whole body of an attachment, or what there is before it breaks off", function()
    local one = start()
    one.altinn:control("POST", "/troubles", { path = "/whole", body = { pattern = "abc", size = 7 }, status = 200 })
    one.altinn:control("POST", "/troubles", { path = "/cut", body = { pattern = "abc", size = 7, cut = 2 },
      status = 200 })
    local whole, cut = one.altinn:request { path = "/whole" }, one.altinn:request { path = "/cut" }
    assert.are.same({ "abcabca", "ab", true }, { whole.body, cut.body, cut.cut })
    assert.is_falsy(whole.cut)
  end)

  it("takes ten thousand letters, their events and their details in a few seconds", function()
    local one = start { silent = true, seed = 1 }
    local bearer, began = token(one), os.clock()
    for index = 1, 10000 do
      local letter = assert(scenes.letter(one.altinn, { sendersReference = tostring(index) }))
      one.altinn:tick()
      assert(scenes.event(one.altinn, "correspondencepublished", letter, {}))
      local status = get(one, bearer, LETTERS .. letter.id .. "/details")
      if status ~= 200 then error(status) end
    end
    assert(os.clock() - began < 8, os.clock() - began)   -- about 2 on a machine of 2020
  end)
end)
