-- kill -9 at any write of the inbox: a verdict with an effect, memory and a timer is in the file whole or not at all,
-- and so is an event with the timers that it cancels. ALTINN_EVENTS_KILL_ROUNDS: how many writes are tried (0: each);
-- ALTINN_EVENTS_KILL_SEED repeats a run's choices.
local fault = require "spec.support.fault"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local ROUNDS = tonumber(os.getenv("ALTINN_EVENTS_KILL_ROUNDS") or "") or 10
local SEED = tonumber(os.getenv("ALTINN_EVENTS_KILL_SEED") or "") or os.time()

local RULES = { paper = [[
  rule {
    name = "paper", on = "correspondencepublished",
    run = function(event, letter)
      return {
        send.http("print") { key = letter, path = "/jobs", json = { letter = letter.id } },
        remember { printed = true, by = "us" },
        later { at = "1d", run = "paper", cancel = "correspondencereceiverread" },
      }
    end,
    paper = function() return skip "too late" end,
  }]] }

local function publish(one)
  return pcall(one.post, one, sample.text { id = "published", resourceinstance = "letter-1" })
end

local function read(one)
  return pcall(one.post, one, sample.text { id = "read", resourceinstance = "letter-1",
    type = "no.altinn.correspondence.correspondencereceiverread" })
end

local function state(one)
  local row = sql.query(one.inbox, "SELECT state FROM run WHERE rule = 'paper' AND sequence = "
    .. "(SELECT sequence FROM event WHERE json_extract(CAST(body AS TEXT), '$.id') = 'published')")[1]
  return row and row.state
end

local function wait_later(one)
  return process.wait(20, function()
    return state(one) ~= nil or one.process:status() ~= nil or nil
  end) and state(one) ~= nil
end

local function count(one, text) return sql.query(one.inbox, "SELECT count(*) AS n FROM " .. text)[1].n end

-- What the file may look like, whenever the host died.
local function check(one, hint)
  local found, has_read = state(one),
    count(one, "event WHERE json_extract(CAST(body AS TEXT), '$.id') = 'read'") == 1
  assert.are.equal(has_read and "skipped" or found and "later" or nil, found, hint)
  assert.are.equal(found and 2 or 0, count(one, "memory"), hint)
  assert.are.equal(found == "later" and 1 or 0, count(one, "timer"), hint)
  assert.are.equal(found == "skipped" and 0 or count(one, "event"), count(one, "waiting"), hint)
  if found then assert.are.equal(1, count(one, "effect WHERE state = 'sent'"), hint) end
end

describe("a host that dies at a write", function()
  local one, service

  setup(function()
    math.randomseed(SEED)
    fault.compile()
  end)

  before_each(function()
    service = target.start()
    one = host.start { rules = RULES,
      config = ('return { targets = { print = { url = "%s", timeout = 5 } } }'):format(service.url) }
    one:stop()
  end)

  after_each(function()
    one:close()
    service:close()
  end)

  local function begin(at)
    for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(one.inbox .. suffix) end
    one.env = fault.environment { file = ".db-wal", call = "any", at = at, action = "kill",
      count = one.folder .. "/count" }
    return one:launch()
  end

  local function calls() return tonumber((process.read(one.folder .. "/count"))) or 0 end

  -- Everything goes well, or ends at the write that kills.
  local function live()
    publish(one)
    if not wait_later(one) then return end
    read(one)
  end

  it("leaves a verdict with its memory and timer, and a cancelled timer, whole or not at all", function()
    assert(begin(0))
    local first = calls() + 1
    live()
    local last = calls()
    check(one, "without a kill")
    assert.are.equal("skipped", state(one))
    one:kill()
    assert.is_true(last - first > 20, ("%d writes"):format(last - first))
    local step = ROUNDS == 0 and 1 or math.max(1, (last - first) // ROUNDS)
    local from = ROUNDS == 0 and first or first + math.random(0, step - 1)
    for at = from, last, step do
      local hint = ("ALTINN_EVENTS_KILL_SEED=%d, write %d of %d to %d"):format(SEED, at, first, last)
      if begin(at) then live() end
      if not one.process:status() then one:kill() end
      check(one, hint)
      -- It goes on where it was, and Altinn sends again what was not acknowledged.
      one.env = {}
      assert(one:launch())
      publish(one)
      assert.is_true(wait_later(one), hint)
      read(one)
      check(one, hint)
      assert.are.equal("skipped", state(one), hint)
      one:kill()
    end
    local keys = {}
    for _, request in ipairs(service:requests()) do keys[request.headers["idempotency-key"]] = true end
    assert.is_truthy(next(keys))
    assert.is_nil(next(keys, (next(keys))))
  end)
end)
